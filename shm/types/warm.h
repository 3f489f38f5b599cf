/* shm/types/warm.h - asks ahead for the memory that commands on large collections will look at.
 * Owner     nothing: it only reads.
 * Locks     none: what it reads may be changed or freed meanwhile, which the bucket's version tells.
 * Crash     changes nothing.
 * Survives  nothing to survive.
 * Fails     never: what cannot be found is not asked for.
 * Tests     tests/unit/test_warm.c */
#ifndef SKEP_WARM_H
#define SKEP_WARM_H

#include "shm/table.h"

#define WARM_MOST 16u

/* A member of a set, a field of a hash, or a member of a sorted set that a command names. */
struct warm {
    const struct key_ref *k;    /* located, its entry prefetched */
    struct bytes member, score; /* score: in a sorted set, that which the member may get; else empty */
};

/* A way down a large collection is four to eight places in memory, each known when the one before has been read. These are the ways
 * of up to WARM_MOST commands, step by step side by side, so that they wait for memory together. Returns how many came to their end. */
unsigned warm_members(const struct shm_ctx *ctx, const struct warm *w, unsigned n);

#endif
