/* persist/wal/frame.h - the frame that is being filled with records.
 * Owner     the log's writer.
 * Locks     none: its main thread's.
 * Crash     private memory, gone with the process; the ring still has the records.
 * Survives  no.
 * Fails     never.
 * Tests     tests/crash/wal_writer.c */
#ifndef SKEP_PERSIST_FRAME_H
#define SKEP_PERSIST_FRAME_H

#include "shm/format/wal_file.h"
#include "shm/wal.h"

#define FRAME_BYTES  (1u << 20) /* records of more than this have a frame to themselves */
#define FRAME_PIECES 128u

/* Short effects are copied behind one another, long ones are written from where they lie. */
struct frame {
    char *buf; /* the frame's head, the records' heads, short effects */
    uint64_t used, raw;
    struct iovec piece[FRAME_PIECES];
    unsigned n;
    struct wal_frame head;
};

void frame_open(struct frame *f); /* makes the room, once */
/* False: it has no place in here; write this frame first. The effect must stay where it is until then. */
bool frame_add(struct frame *f, const struct wal_record *r);
static inline bool frame_empty(const struct frame *f)
{
    return !f->raw;
}
static inline uint64_t frame_bytes(const struct frame *f)
{
    return WAL_FRAME_HEAD_BYTES + f->raw;
}
/* Completes the head for this place of the segment. */
void frame_seal(struct frame *f, const struct wal_head *segment, uint64_t at, uint64_t synced);
void frame_reset(struct frame *f);

#endif
