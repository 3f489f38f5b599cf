#include "persist/snap/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* So much is sent on its way to the disk at once (as in Redis): the last sync then finds little to do. */
#define EARLY_BYTES (4ull << 20)

static enum rc failed(struct snap_file *f, const char *what)
{
    f->error = errno;
    f->what = what;
    return RC_IO;
}

enum rc snap_file_open(struct snap_file *f, int dirfd, const char *tmp, const char *name)
{
    *f = (struct snap_file){.dirfd = dirfd, .fd = -1};
    snprintf(f->tmp, sizeof(f->tmp), "%s", tmp);
    snprintf(f->name, sizeof(f->name), "%s", name);
    f->fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return f->fd < 0 ? failed(f, "Failed opening the temporary file") : RC_OK;
}

/* The pages are only sent, nobody waits for them: while we wait, writers would have to. Where the file system does
 * not know how, the last sync does all. */
static void start_early(struct snap_file *f)
{
    sync_file_range(f->fd, (off_t)f->started, (off_t)(f->written - f->started), SYNC_FILE_RANGE_WRITE);
    f->started = f->written;
}

enum rc snap_file_write(struct snap_file *f, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(f->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return failed(f, "Write error");
        p += done;
        n -= (size_t)done;
        f->written += (uint64_t)done;
    }
    if (f->early && f->written - f->started >= EARLY_BYTES)
        start_early(f);
    return RC_OK;
}

void snap_file_drop(struct snap_file *f)
{
    if (f->fd < 0)
        return;
    close(f->fd);
    f->fd = -1;
    unlinkat(f->dirfd, f->tmp, 0);
}

enum rc snap_file_finish(struct snap_file *f)
{
    enum rc rc = RC_OK;
    if (fsync(f->fd))
        rc = failed(f, "Failed syncing the temporary file");
    else if (renameat(f->dirfd, f->tmp, f->dirfd, f->name))
        rc = failed(f, "Error moving the temporary file to its place");
    if (rc) {
        snap_file_drop(f);
        return rc;
    }
    close(f->fd);
    f->fd = -1;
    return fsync(f->dirfd) ? failed(f, "Failed syncing the directory") : RC_OK;
}
