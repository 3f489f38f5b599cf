/* persist/wal/segment.h - the segment that is being written.
 * Owner     the log's writer.
 * Locks     the caller's: writer.h says which.
 * Crash     a segment has its name only when its head is on disk. What was written behind it is torn at worst.
 * Survives  worker death: yes. Writer's death: its successor cuts it and begins another.
 * Fails     RC_IO with errno; of a segment that could not begin nothing stays.
 * Tests     tests/crash/wal_writer.c */
#ifndef SKEP_PERSIST_SEGMENT_H
#define SKEP_PERSIST_SEGMENT_H

#include "include/rc.h"
#include "shm/format/wal_file.h"

#define SEGMENT_BYTES (64ull << 20)
#define SEGMENT_FIRST                                                                                        \
    (8ull << 20) /* under appendfsync always: to be filled with zeros before the start, in some 30 ms */
#define ZERO_PIECE (256u << 10)

struct segment {
    int fd; /* -1: there is none */
    struct wal_head head;
    uint64_t at;     /* the next frame's place */
    uint64_t size;   /* the file's, in advance */
    uint64_t pushed; /* the kernel was asked to write so far */
    bool zeroed, pending;
};

/* A file that waits to become the next segment. */
struct prepared {
    const char *name; /* of each thread its own, so that they do not meet */
    int fd;           /* -1: there is none */
    uint64_t size;
    uint64_t zeroed; /* written with zeros up to here */
};

enum rc segment_prepare(struct prepared *p, int dirfd, const char *name, uint64_t bytes);
/* Writes zeros over the next piece of it; *done: there is no more to do. */
enum rc segment_prepare_zeros(struct prepared *p, bool *done);
void segment_prepare_drop(struct prepared *p, int dirfd);

/* Uses what was prepared, if anything was. pending: under its pending name. */
enum rc segment_begin(struct segment *s, int dirfd, const struct wal_head *head, bool pending,
                      struct prepared *p);
/* The first of the pieces is the frame's head. What fails leaves a part of a frame at s->at. */
enum rc segment_write(struct segment *s, struct iovec *pieces, unsigned n, uint64_t bytes);
/* Cuts what stands behind the last frame, syncs, closes. */
enum rc segment_close(struct segment *s);
void segment_abandon(struct segment *s); /* closes it as it is */

#endif
