/* shm/format/wal_dir.h - the log's directory: what is in it, and who may write there.
 * Owner     the caller owns list and descriptors.
 * Locks     wal_dir_lock: one process at a time writes the log, be it of this server or of another.
 * Crash     the kernel gives the lock back.
 * Survives  worker death: yes. Restart: the directory does.
 * Fails     RC_IO with errno; RC_NOMEM.
 * Tests     tests/unit/test_wal_file.c  tests/crash/wal_writer.c */
#ifndef SKEP_FORMAT_WAL_DIR_H
#define SKEP_FORMAT_WAL_DIR_H

#include "include/bytes.h"
#include "include/rc.h"

#define WAL_DIR_NAME "skep-wal"
#define WAL_NAME_MAX 48u

enum wal_name { WAL_NAME_OTHER, WAL_NAME_SEGMENT, WAL_NAME_BASE, WAL_NAME_TMP };

/* A name without its directory. number: the segment's, or the base's LSN. */
enum wal_name wal_name_read(const char *name, uint64_t *number);
void wal_segment_name(char out[WAL_NAME_MAX], uint64_t number);
/* While its log's base is not complete, a segment counts for nothing: its name ends with .tmp. */
void wal_pending_name(char out[WAL_NAME_MAX], uint64_t number);
bool wal_pending_read(const char *name, uint64_t *number);
void wal_base_name(char out[WAL_NAME_MAX], uint64_t lsn);

/* Everything there is, ascending. */
struct wal_dir {
    uint64_t *segment, *base;
    unsigned nsegments, nbases;
    unsigned ntmp; /* begun and not finished, or pending */
};

/* dirfd: of the directory skep-wal itself. wal_dir_free must follow, in any case. */
enum rc wal_dir_list(struct wal_dir *d, int dirfd);
void wal_dir_free(struct wal_dir *d);

/* Waits so long for the lock. *fd holds it until it is closed. RC_BUSY: another process has it. */
enum rc wal_dir_lock(int dirfd, unsigned wait_ms, int *fd);

#endif
