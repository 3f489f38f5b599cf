/* shm/slowlog.h - the commands that took long: a ring of bytes for each slot, read by everybody.
 * Owner     the slot's process writes its ring; ids come from the root, so that all rings have one order.
 * Locks     none: a reader copies an entry, then looks whether the writer has passed it meanwhile.
 * Crash     an entry counts once head is stored; a half written one is overwritten by the next.
 * Survives  worker death: yes, the replacement writes on in the slot's ring.
 * Fails     never; the oldest entries make room.
 * Tests     tests/unit/test_slowlog.c  tests/regress/server_slowlog */
#ifndef SKEP_SLOWLOG_H
#define SKEP_SLOWLOG_H

#include "shm/slot.h"

/* An entry of three short arguments takes some 130 bytes: 2000 of them a slot, in pages that only exist
 * once they are written. */
#define SLOWLOG_RING    262144u
#define SLOWLOG_ARGS    32u  /* a longer command's last shown argument tells how many are missing */
#define SLOWLOG_ARG_MAX 128u /* likewise the bytes of an argument */
/* A record's upper limit: 34 parts, of which the arguments are cut at 128 bytes and get up to 32 bytes
 * that say so, the address has 64 and the name 200. */
#define SLOWLOG_RECORD_MAX 8192u

struct shm_slowlog {
    uint64_t head, tail; /* positions that only grow: [tail, head) is valid, each modulo the ring's size */
    char ring[SLOWLOG_RING];
};

struct slow_entry {
    uint32_t bytes;  /* the whole record, a multiple of 8 */
    uint16_t nparts; /* 0: filler up to the ring's end */
    uint16_t spare;
    uint64_t id, usec;
    int64_t time_s;
};

/* Notes a command: parts are the client's address, its name, then the arguments as they shall be shown. */
void slowlog_push(struct shm_ctx *ctx, uint64_t usec, int64_t time_s, const struct bytes *parts, unsigned n);

/* The same in two steps, for what may come to nothing: e has room for SLOWLOG_RECORD_MAX bytes and takes e->bytes, a
 * multiple of 8; it gets its id when it is noted. */
void slowlog_build(struct slow_entry *e, uint64_t usec, int64_t time_s, const struct bytes *parts,
                   unsigned n);
void slowlog_note(struct shm_ctx *ctx, struct slow_entry *e);

typedef void slowlog_fn(void *arg, const struct slow_entry *e);
/* Calls fn for each entry that counts, given that max_len are kept: slot by slot, in each by age. */
void slowlog_walk(uint64_t max_len, slowlog_fn *fn, void *arg);
/* The parts of an entry that fn was given. */
unsigned slowlog_parts(const struct slow_entry *e, struct bytes *parts, unsigned max);
void slowlog_reset(void);

#endif
