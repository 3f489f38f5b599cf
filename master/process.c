#include "master/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/base/log.h"

#define LOCK_TRIES  50
#define LOCK_NAP_US 10000

extern char **environ;

/* One per process by nature: the memory that the kernel shows as the command line. */
static struct {
    char *at;
    size_t room;
} title;

static char **copy_strings(char **v, int n)
{
    char **to = calloc((size_t)n + 1, sizeof(*to));
    CHECK(to);
    for (int i = 0; i < n; i++)
        CHECK((to[i] = strdup(v[i])));
    return to;
}

/* Arguments and environment lie one behind the other on the stack; only an unbroken run of them is used. */
char **title_init(int argc, char **argv)
{
    int nenv = 0;
    while (environ[nenv])
        nenv++;
    char *end = argc ? argv[0] : NULL;
    for (int i = 0; i < argc; i++)
        if (argv[i] == end)
            end += strlen(argv[i]) + 1;
    for (int i = 0; i < nenv; i++)
        if (environ[i] == end)
            end += strlen(environ[i]) + 1;
    title.at = argc ? argv[0] : NULL;
    title.room = argc ? (size_t)(end - argv[0]) : 0;
    char **args = copy_strings(argv, argc);
    environ = copy_strings(environ, nenv);
    return args;
}

void title_set(const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (title.room < 2)
        return;
    memset(title.at, 0, title.room);
    snprintf(title.at, title.room, "%s", text);
}

void limit_open_files(struct shm_config *cfg, unsigned reserve)
{
    struct rlimit lim;
    rlim_t wanted = (rlim_t)cfg->maxclients + reserve;
    if (getrlimit(RLIMIT_NOFILE, &lim)) {
        log_warning("Unable to obtain the current NOFILE limit (%s).", strerror(errno));
        return;
    }
    rlim_t had = lim.rlim_cur;
    if (had >= wanted)
        return;
    struct rlimit more = {wanted, lim.rlim_max > wanted ? lim.rlim_max : wanted};
    int e = 0;
    if (setrlimit(RLIMIT_NOFILE, &more)) {
        e = errno;
        more = (struct rlimit){lim.rlim_max, lim.rlim_max};
        if (lim.rlim_max > had)
            setrlimit(RLIMIT_NOFILE, &more);
    }
    getrlimit(RLIMIT_NOFILE, &lim);
    if (lim.rlim_cur >= wanted) {
        log_notice("Increased maximum number of open files to %llu (it was originally set to %llu).",
                   (unsigned long long)wanted, (unsigned long long)had);
        return;
    }
    unsigned long long before = cfg->maxclients;
    cfg->maxclients = lim.rlim_cur > reserve ? lim.rlim_cur - reserve : 1;
    log_warning("You requested maxclients of %llu requiring at least %llu max file descriptors.", before,
                (unsigned long long)wanted);
    log_warning("Server can't set maximum open files to %llu because of OS error: %s.",
                (unsigned long long)wanted, strerror(e));
    log_warning(
        "Current maximum open files is %llu. maxclients has been reduced to %llu to compensate for low "
        "ulimit. If you need higher maxclients increase 'ulimit -n'.",
        (unsigned long long)lim.rlim_cur, (unsigned long long)cfg->maxclients);
}

/* A child that was just being forked as its master was killed has the lock for as long as it takes to look around. */
static bool lock_soon(int fd)
{
    for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return false;
        usleep(LOCK_NAP_US);
    }
    return true;
}

enum rc dir_lock(int *fd, char *why, size_t cap)
{
    char dir[PATH_MAX], pid[32] = "";
    if (!getcwd(dir, sizeof(dir)))
        snprintf(dir, sizeof(dir), ".");
    *fd = open("skep.lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
    if (*fd < 0) {
        log_verbose("No lock file in %s: %s", dir, strerror(errno));
        return RC_OK;
    }
    if (lock_soon(*fd))
        return RC_OK;
    if (errno != EWOULDBLOCK) {
        close(*fd);
        *fd = -1;
        return RC_OK;
    }
    ssize_t n = pread(*fd, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    snprintf(why, cap, "the directory %s is taken: another instance (pid %s) holds skep.lock there", dir,
             pid[0] ? pid : "unknown");
    close(*fd);
    *fd = -1;
    return RC_BUSY;
}

void dir_lock_note_pid(int fd)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (fd >= 0 && (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) < 0))
        log_verbose("The lock file could not be written: %s", strerror(errno));
}

void daemonize(void)
{
    fflush(NULL);
    if (fork())
        _exit(0); /* a failing fork ends here as well: nothing is lost, nothing was started */
    setsid();
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0)
        return;
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (fd > 2)
        close(fd);
}

void pidfile_write(const char *path)
{
    FILE *f = fopen(path, "we");
    if (!f) {
        log_warning("Failed to write PID file: %s", strerror(errno));
        return;
    }
    fprintf(f, "%d\n", (int)getpid());
    fclose(f);
}

/* Only our own: a successor may have written its number already. */
void pidfile_remove(const char *path)
{
    int pid = 0;
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    int n = fscanf(f, "%d", &pid);
    fclose(f);
    if (n != 1 || pid != (int)getpid())
        return;
    log_notice("Removing the pid file.");
    unlink(path);
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void close_all_but(int *keep, int n)
{
    unsigned from = 3;
    qsort(keep, (size_t)n, sizeof(*keep), by_number);
    for (int i = 0; i < n; i++) {
        if (keep[i] < (int)from)
            continue;
        if ((unsigned)keep[i] > from)
            syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    syscall(SYS_close_range, from, ~0u, 0);
}

void oom_offer(int score)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", score);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, text, (size_t)n) < 0)
        log_verbose("oom_score_adj: %s", strerror(errno));
    close(fd);
}
