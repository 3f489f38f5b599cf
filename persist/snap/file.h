/* persist/snap/file.h - a file that appears under its name only when it is whole and on disk.
 * Owner     the snapshotter.
 * Locks     none.
 * Crash     an unfinished file lies under its temporary name, which the successor removes.
 * Survives  the finished file does.
 * Fails     RC_IO; what failed, and errno, are in the struct. The temporary file is gone then.
 * Tests     tests/regress  tests/crash */
#ifndef SKEP_PERSIST_SNAP_FILE_H
#define SKEP_PERSIST_SNAP_FILE_H

#include "include/bytes.h"
#include "include/rc.h"

#include <limits.h>

struct snap_file {
    int dirfd, fd;
    char tmp[NAME_MAX + 1], name[NAME_MAX + 1];
    bool early;                /* rdb-save-incremental-fsync: the disk is kept busy while we write */
    uint64_t written, started; /* bytes; of them, those whose way to the disk has begun */
    const char *what;          /* what failed, for the log */
    int error;
};

/* dirfd stays the caller's. */
enum rc snap_file_open(struct snap_file *f, int dirfd, const char *tmp, const char *name);
enum rc snap_file_write(struct snap_file *f, const char *p, size_t n);
/* Syncs, renames, syncs the directory. */
enum rc snap_file_finish(struct snap_file *f);
void snap_file_drop(struct snap_file *f);

#endif
