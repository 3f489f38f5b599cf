#include "shm/format/wal_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SEGMENT_END ".wal"
#define BASE_BEGIN  "base-"
#define BASE_END    ".rdb"
#define TMP_END     ".tmp"
#define LOCK_NAME   "lock"
#define LOOK_MS     20

/* 16 hexadecimal digits between a beginning and an end. */
static bool number_between(const char *name, const char *begin, const char *end, uint64_t *number)
{
    size_t nbegin = strlen(begin);
    uint64_t n = 0;
    if (strlen(name) != nbegin + 16 + strlen(end) || memcmp(name, begin, nbegin) != 0 ||
        strcmp(name + nbegin + 16, end) != 0)
        return false;
    for (const char *p = name + nbegin; p < name + nbegin + 16; p++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, *p);
        if (!d)
            return false;
        n = n << 4 | (uint64_t)(d - digits);
    }
    *number = n;
    return true;
}

enum wal_name wal_name_read(const char *name, uint64_t *number)
{
    size_t n = strlen(name);
    if (number_between(name, "", SEGMENT_END, number))
        return WAL_NAME_SEGMENT;
    if (number_between(name, BASE_BEGIN, BASE_END, number))
        return WAL_NAME_BASE;
    if (n > strlen(TMP_END) && strcmp(name + n - strlen(TMP_END), TMP_END) == 0)
        return WAL_NAME_TMP;
    return WAL_NAME_OTHER;
}

bool wal_pending_read(const char *name, uint64_t *number)
{
    return number_between(name, "", SEGMENT_END TMP_END, number);
}

void wal_segment_name(char out[WAL_NAME_MAX], uint64_t number)
{
    snprintf(out, WAL_NAME_MAX, "%016" PRIx64 SEGMENT_END, number);
}

void wal_pending_name(char out[WAL_NAME_MAX], uint64_t number)
{
    snprintf(out, WAL_NAME_MAX, "%016" PRIx64 SEGMENT_END TMP_END, number);
}

void wal_base_name(char out[WAL_NAME_MAX], uint64_t lsn)
{
    snprintf(out, WAL_NAME_MAX, BASE_BEGIN "%016" PRIx64 BASE_END, lsn);
}

/* ---- the list ---- */

static enum rc append(uint64_t **list, unsigned *n, uint64_t number)
{
    if (!(*n & (*n - 1))) { /* it is full whenever its length is a power of two */
        uint64_t *more = realloc(*list, (*n ? *n * 2u : 1u) * sizeof(**list));
        if (!more)
            return RC_NOMEM;
        *list = more;
    }
    (*list)[(*n)++] = number;
    return RC_OK;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum rc wal_dir_list(struct wal_dir *d, int dirfd)
{
    enum rc rc = RC_OK;
    *d = (struct wal_dir){0};
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        errno = saved;
        return RC_IO;
    }
    errno = 0;
    for (struct dirent *e; !rc && (e = readdir(dir)); errno = 0) {
        uint64_t number;
        enum wal_name kind = wal_name_read(e->d_name, &number);
        if (kind == WAL_NAME_SEGMENT)
            rc = append(&d->segment, &d->nsegments, number);
        else if (kind == WAL_NAME_BASE)
            rc = append(&d->base, &d->nbases, number);
        d->ntmp += kind == WAL_NAME_TMP;
    }
    if (!rc && errno)
        rc = RC_IO;
    int saved = errno;
    closedir(dir);
    if (d->nsegments)
        qsort(d->segment, d->nsegments, sizeof(*d->segment), ascending);
    if (d->nbases)
        qsort(d->base, d->nbases, sizeof(*d->base), ascending);
    errno = saved;
    return rc;
}

void wal_dir_free(struct wal_dir *d)
{
    free(d->segment);
    free(d->base);
    *d = (struct wal_dir){0};
}

/* ---- the lock ---- */

enum rc wal_dir_lock(int dirfd, unsigned wait_ms, int *fd)
{
    *fd = openat(dirfd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd < 0)
        return RC_IO;
    for (unsigned waited = 0;; waited += LOOK_MS) {
        struct timespec nap = {0, LOOK_MS * 1000000l};
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
            return RC_OK;
        if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= wait_ms)
            break;
        nanosleep(&nap, NULL);
    }
    int saved = errno;
    close(*fd);
    *fd = -1;
    errno = saved;
    return saved == EWOULDBLOCK ? RC_BUSY : RC_IO;
}
