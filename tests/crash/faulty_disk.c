/* A disk that fails: preloaded into the processes under test (LD_PRELOAD), it makes calls fail as a control file says,
 * for as long as that file is there. FAULTY_DISK names it; each of its lines is a rule:
 *
 *     CALLS PATTERN ERRNO [FROM [COUNT]]
 *
 * CALLS: names separated by commas, of write fsync allocate truncate rename open opendir link unlink any (write: every
 * kind of it; fsync: fdatasync, too; open: only to create), each optionally with a minus: "write-" does half of its
 * work the first time. PATTERN: a part of the file's path, or @ and the process's short name. ERRNO: a name or a number,
 * or KILL: the process dies before the call, and no other one. From the FROM-th such call on (1), COUNT of them (all) fail; each process
 * counts for itself, and anew when the file has been away. What has fired leaves an empty file, with .fired to its name. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define RULES   16u
#define KILLING (-1)

static const struct {
    const char *name;
    int number;
} errnos[] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG},
              {"EROFS", EROFS}, {"EACCES", EACCES}, {"EPERM", EPERM},   {"EMFILE", EMFILE},
              {"EINTR", EINTR}, {"EBADF", EBADF},   {"KILL", KILLING}};

static unsigned long seen[RULES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int errno_of(const char *word)
{
    for (size_t i = 0; i < sizeof(errnos) / sizeof(*errnos); i++)
        if (strcmp(errnos[i].name, word) == 0)
            return errnos[i].number;
    return atoi(word);
}

/* By system calls, since everything else here is replaced. */
static ssize_t read_rules(char *text, size_t room)
{
    const char *path = getenv("FAULTY_DISK");
    long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return -1;
    long n = syscall(SYS_read, fd, text, room - 1);
    syscall(SYS_close, fd);
    text[n < 0 ? 0 : n] = 0;
    return n;
}

/* Whether the rule speaks of this call; *half: it does half of its work first. */
static int names_call(char *calls, const char *call, int *half)
{
    char *save, *word = strtok_r(calls, ",", &save);
    for (; word; word = strtok_r(NULL, ",", &save)) {
        size_t n = strlen(word);
        *half = n && word[n - 1] == '-';
        if (strcmp(word, "any") == 0 ||
            (n - (size_t)*half == strlen(call) && strncmp(word, call, strlen(call)) == 0))
            return 1;
    }
    return 0;
}

static int concerns(const char *pattern, const char *path)
{
    char name[16] = "";
    if (pattern[0] != '@')
        return strstr(path, pattern) != NULL;
    prctl(PR_GET_NAME, name);
    return strcmp(name, pattern + 1) == 0;
}

/* False: something has fired before. */
static int note_fired(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s.fired", getenv("FAULTY_DISK"));
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0)
        syscall(SYS_close, fd);
    return fd >= 0;
}

/* 0, or the errno to fail with. */
static int verdict(const char *call, const char *path, int *half)
{
    char text[2048], *save, calls[128], pattern[512], error[32];
    int err = 0;
    unsigned i = 0;
    *half = 0;
    pthread_mutex_lock(&lock);
    if (read_rules(text, sizeof(text)) < 0) {
        memset(seen, 0, sizeof(seen));
        text[0] = 0;
    }
    for (char *line = strtok_r(text, "\n", &save); line && !err && i < RULES;
         line = strtok_r(NULL, "\n", &save)) {
        unsigned long from = 1, count = ULONG_MAX, n;
        int halves;
        if (sscanf(line, "%127s %511s %31s %lu %lu", calls, pattern, error, &from, &count) < 3)
            continue;
        if (names_call(calls, call, &halves) && concerns(pattern, path)) {
            n = ++seen[i];
            if (n >= from && n - from < count) {
                err = errno_of(error);
                *half = halves && n == from;
            }
        }
        i++;
    }
    int first = err && note_fired();
    if (err == KILLING && first)
        syscall(SYS_kill, getpid(), SIGKILL);
    err = err == KILLING ? 0 : err;
    pthread_mutex_unlock(&lock);
    return err;
}

static int verdict_fd(const char *call, int fd, int *half)
{
    char link[64], path[PATH_MAX];
    *half = 0;
    if (!getenv("FAULTY_DISK"))
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof(path) - 1);
    if (n <= 0)
        return 0;
    path[n] = 0;
    return verdict(call, path, half);
}

/* A relative path counts with its directory. */
static int verdict_at(const char *call, int dirfd, const char *name)
{
    char link[64], path[2 * PATH_MAX];
    int half;
    long n = 0;
    if (!getenv("FAULTY_DISK"))
        return 0;
    if (name[0] != '/') {
        snprintf(link, sizeof(link), dirfd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dirfd);
        n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    }
    snprintf(path + (n > 0 ? n : 0), PATH_MAX, "/%s", name);
    return verdict(call, path, &half);
}

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}
#define FAIL(err)                                                                                            \
    do {                                                                                                     \
        errno = (err);                                                                                       \
        return -1;                                                                                           \
    } while (0)

/* ---- writing ---- */

static size_t half_of(const struct iovec *v, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i].iov_len;
    return sum / 2;
}

/* Half of the pieces' bytes, piece by piece. at < 0: where the file stands. */
static ssize_t write_half(int fd, const struct iovec *v, int n, off_t at)
{
    size_t left = half_of(v, n), done = 0;
    for (int i = 0; i < n && left; i++) {
        size_t part = v[i].iov_len < left ? v[i].iov_len : left;
        long got = at < 0 ? syscall(SYS_write, fd, v[i].iov_base, part)
                          : syscall(SYS_pwrite64, fd, v[i].iov_base, part, at + (off_t)done);
        if (got < 0)
            return -1;
        done += (size_t)got;
        left -= (size_t)got;
    }
    return (ssize_t)done;
}

#define WRITING(fd, v, n, at, call)                                                                          \
    int half, err = verdict_fd("write", fd, &half);                                                          \
    if (err && half && half_of(v, n))                                                                        \
        return write_half(fd, v, n, at);                                                                     \
    if (err)                                                                                                 \
        FAIL(err);                                                                                           \
    return call

ssize_t write(int fd, const void *p, size_t n)
{
    struct iovec v = {(void *)(uintptr_t)p, n};
    WRITING(fd, &v, 1, -1, REAL(write)(fd, p, n));
}
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    struct iovec v = {(void *)(uintptr_t)p, n};
    WRITING(fd, &v, 1, at, REAL(pwrite)(fd, p, n, at));
}
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    struct iovec v = {(void *)(uintptr_t)p, n};
    WRITING(fd, &v, 1, at, REAL(pwrite64)(fd, p, n, at));
}
ssize_t writev(int fd, const struct iovec *v, int n)
{
    WRITING(fd, v, n, -1, REAL(writev)(fd, v, n));
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    WRITING(fd, v, n, at, REAL(pwritev)(fd, v, n, at));
}
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
    WRITING(fd, v, n, at, REAL(pwritev64)(fd, v, n, at));
}

/* ---- the rest ---- */

#define PLAIN(kind, fd, call)                                                                                \
    int half, err = verdict_fd(kind, fd, &half);                                                             \
    if (err)                                                                                                 \
        FAIL(err);                                                                                           \
    return call

int fsync(int fd)
{
    PLAIN("fsync", fd, REAL(fsync)(fd));
}
int fdatasync(int fd)
{
    PLAIN("fsync", fd, REAL(fdatasync)(fd));
}
int fallocate(int fd, int mode, off_t at, off_t n)
{
    PLAIN("allocate", fd, REAL(fallocate)(fd, mode, at, n));
}
int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
    PLAIN("allocate", fd, REAL(fallocate64)(fd, mode, at, n));
}
int ftruncate(int fd, off_t n)
{
    PLAIN("truncate", fd, REAL(ftruncate)(fd, n));
}
int ftruncate64(int fd, off64_t n)
{
    PLAIN("truncate", fd, REAL(ftruncate64)(fd, n));
}

int rename(const char *from, const char *to)
{
    int err = verdict_at("rename", AT_FDCWD, to);
    if (err)
        FAIL(err);
    return REAL(rename)(from, to);
}
int renameat(int fromfd, const char *from, int tofd, const char *to)
{
    int err = verdict_at("rename", tofd, to);
    if (err)
        FAIL(err);
    return REAL(renameat)(fromfd, from, tofd, to);
}

int linkat(int fromfd, const char *from, int tofd, const char *to, int flags)
{
    int err = verdict_at("link", tofd, to);
    if (err)
        FAIL(err);
    return REAL(linkat)(fromfd, from, tofd, to, flags);
}
int unlinkat(int dirfd, const char *path, int flags)
{
    int err = verdict_at("unlink", dirfd, path);
    if (err)
        FAIL(err);
    return REAL(unlinkat)(dirfd, path, flags);
}

#define OPENING(dirfd, path, flags, call)                                                                    \
    int rights = 0;                                                                                          \
    if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) {                                               \
        va_list ap;                                                                                          \
        va_start(ap, flags);                                                                                 \
        rights = va_arg(ap, int);                                                                            \
        va_end(ap);                                                                                          \
    }                                                                                                        \
    int err = (flags)&O_CREAT       ? verdict_at("open", dirfd, path)                                        \
              : (flags)&O_DIRECTORY ? verdict_at("opendir", dirfd, path)                                     \
                                    : 0;                                                                     \
    if (err)                                                                                                 \
        FAIL(err);                                                                                           \
    return call

int open(const char *path, int flags, ...)
{
    OPENING(AT_FDCWD, path, flags, REAL(open)(path, flags, rights));
}
int open64(const char *path, int flags, ...)
{
    OPENING(AT_FDCWD, path, flags, REAL(open64)(path, flags, rights));
}
int openat(int dirfd, const char *path, int flags, ...)
{
    OPENING(dirfd, path, flags, REAL(openat)(dirfd, path, flags, rights));
}
int openat64(int dirfd, const char *path, int flags, ...)
{
    OPENING(dirfd, path, flags, REAL(openat64)(dirfd, path, flags, rights));
}
