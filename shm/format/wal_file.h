/* shm/format/wal_file.h - the log's segments: heads, frames, records, as persist/README.md draws them.
 * Owner     the caller owns the bytes; a cursor owns the room that it unpacks into.
 * Locks     none: pure functions over memory.
 * Crash     nothing is kept. What a crash leaves in a file is told by the cursor's end.
 * Survives  nothing to survive.
 * Fails     on any bytes whatever it says clean, torn or damaged, and never reads beyond them.
 * Tests     tests/unit/test_wal_file.c  tests/fuzz/fuzz_wal_file.c */
#ifndef SKEP_FORMAT_WAL_FILE_H
#define SKEP_FORMAT_WAL_FILE_H

#include "include/bytes.h"

#include <sys/uio.h>

#define WAL_VERSION           1u
#define WAL_HEAD_BYTES        64u
#define WAL_FRAME_HEAD_BYTES  40u
#define WAL_RECORD_HEAD_BYTES 16u

/* What a segment says of itself in its first bytes. */
struct wal_head {
    uint64_t log_id, number;
    uint64_t
        before; /* the last record in front of this segment, or the base's number: the chain has no gap */
    uint64_t time_ms;
};

struct wal_frame {
    uint32_t stored, raw; /* bytes of the payload in the file, and unpacked; the same: it is not packed */
    uint64_t first, last; /* its records */
    uint64_t synced;      /* a record that was known to be on disk when this was written */
};

/* The head of a record in a payload; the effect follows. */
struct wal_record_head {
    uint64_t lsn;
    uint32_t bytes;
    uint32_t db;
};
_Static_assert(sizeof(struct wal_record_head) == WAL_RECORD_HEAD_BYTES, "as persist/README.md draws it");

struct wal_entry {
    uint64_t lsn;
    uint32_t db;
    struct bytes effect;
};

void wal_head_put(char out[WAL_HEAD_BYTES], const struct wal_head *h);
/* NULL, or a sentence that says why this is no segment. */
const char *wal_head_get(struct wal_head *out, const void *data, uint64_t bytes);

/* The head of a frame that will stand at this offset of the segment, before a payload that lies in pieces. */
void wal_frame_put(char out[WAL_FRAME_HEAD_BYTES], const struct wal_head *segment, uint64_t offset,
                   const struct wal_frame *f, const struct iovec *payload, unsigned pieces);
/* Packs a payload if that makes it shorter. The bytes it takes in out, 0: leave it as it is. */
uint32_t wal_pack(char *out, uint32_t room, const char *raw, uint32_t bytes);
uint32_t wal_pack_room(uint32_t bytes);

enum wal_end {
    WAL_GOES_ON = 0,
    WAL_CLEAN,   /* all of it was read */
    WAL_TORN,    /* what follows end_at was not synced: a crash left it, and it is to be cut */
    WAL_DAMAGED, /* what stands at end_at was on disk once, or should have been */
};

/* Reads a segment that lies in memory (mapped). */
struct wal_cursor {
    struct wal_head head;
    struct wal_frame frame; /* the present one */
    uint64_t frame_at;      /* its offset */
    uint64_t lsn;           /* the last record of the frames so far; head.before at the beginning */
    enum wal_end end;
    uint64_t end_at; /* the good part ends here */
    char why[160];   /* torn, damaged: a sentence */
    /* private */
    const char *data;
    uint64_t bytes, next;
    bool last_segment;
    const char *payload;
    uint32_t payload_at;
    char *room;
    uint32_t room_bytes;
};

/* last_segment: nothing follows this one, so its end may be torn. False: the head is bad (WAL_DAMAGED). In both
 * cases wal_cursor_close must follow. */
bool wal_cursor_open(struct wal_cursor *c, const void *data, uint64_t bytes, bool last_segment);
/* Steps to the next frame: checked as a whole, records and all. False: see c->end. */
bool wal_cursor_frame(struct wal_cursor *c);
/* The next record of the present frame; false: it has no more. Valid until the next wal_cursor_frame. */
bool wal_cursor_record(struct wal_cursor *c, struct wal_entry *out);
/* The present frame's payload, unpacked. */
static inline struct bytes wal_cursor_payload(const struct wal_cursor *c)
{
    return (struct bytes){c->payload, c->frame.raw};
}
void wal_cursor_close(struct wal_cursor *c);
/* After a torn or damaged end: steps to the next good frame behind it, if there is one (skepctl). */
bool wal_cursor_resume(struct wal_cursor *c);

#endif
