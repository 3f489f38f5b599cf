/* shm/expire.h - removing keys, and fields of hashes, whose time is over, before anybody asks for them.
 * Owner     each process removes in its own share of the hash space.
 * Locks     latches one bucket at a time.
 * Crash     the expired keys of a bucket go in one transaction, some fields of a hash in one.
 * Survives  worker death: yes; where it was is forgotten, and the walk begins again.
 * Fails     never: what is busy is met again in the next round.
 * Tests     tests/unit/test_evict.c  tests/regress/sql/hash_expire_active.cmd */
#ifndef SKEP_EXPIRE_H
#define SKEP_EXPIRE_H

#include "shm/table.h"

/* Private to the process. Shares need not be exact: if parts changes, keys are looked at twice, or later. */
struct expire_walk {
    unsigned part, parts; /* ours is the part-th of so many pieces of the hash space */
    uint64_t pos;
    uint32_t db; /* this piece is done in the databases before it */
};

/* Removes what has expired in the bucket at pos, as far as its latch can be had; returns how many keys. */
unsigned expire_bucket(struct shm_ctx *ctx, uint32_t db, uint64_t pos, int64_t now_ms);

/* Looks at a piece of every database, and goes on as long as a tenth (less with a higher effort, 1 to 10) of
 * the keys with an expiry turned out to be expired and budget_us is not used up. Inside a batch. Returns how
 * many keys went; *limit_hit: it was the budget that ended it. Hashes whose soonest expiry is over (shm/types/dict.h) lose the
 * fields that it concerns; they are counted in the slot's figures. */
unsigned expire_cycle(struct shm_ctx *ctx, struct expire_walk *w, int64_t now_ms, unsigned effort,
                      unsigned budget_us, bool *limit_hit);

#endif
