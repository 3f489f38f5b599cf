/* shm/slab.h - blocks of 103 sizes, at most 12.5% apart, from runs of units; larger ones are spans.
 * Owner     a block belongs to the lane that allocated it until the commit, then to what refers to it.
 * Locks     magazines: none (the slot's own). Refill and flush: the class latch (rank 2).
 * Crash     a block in flight is noted in the lane before the magazine changes; repair compares the two.
 * Survives  worker death: yes, magazines are adopted with the slot.
 * Fails     RC_NOMEM, RC_BUSY: before anything has changed.
 * Tests     tests/unit/test_slab.c  tests/crash/crash_points.c */
#ifndef SKEP_SLAB_H
#define SKEP_SLAB_H

#include "shm/slot.h"

#define SLAB_MAX_BYTES 262144u

/* 16, 24, ... 128, then eight steps to each doubling. */
static inline uint32_t class_of(uint64_t bytes)
{
    if (bytes <= 128)
        return bytes <= 16 ? 0 : (uint32_t)((bytes + 7) / 8 - 2);
    if (bytes > SLAB_MAX_BYTES)
        return CLASS_SPAN;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(bytes - 1); /* 2^shift < bytes <= 2^(shift+1) */
    uint32_t step = (uint32_t)((bytes - 1) >> (shift - 3)) & 7;
    return 15 + (shift - 7) * 8 + step;
}
static inline uint64_t class_bytes(uint32_t cls)
{
    if (cls < 15)
        return 16 + 8ull * cls;
    uint32_t g = (cls - 15) / 8, step = (cls - 15) % 8;
    return (128ull << g) + ((uint64_t)(step + 1) << (g + 4));
}
/* What a block of this many bytes takes from the arena. */
static inline uint64_t block_bytes(uint64_t bytes)
{
    uint32_t c = class_of(bytes);
    return c == CLASS_SPAN ? (bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES : class_bytes(c);
}

enum rc mag_refill(struct shm_ctx *ctx, uint32_t cls);
/* Makes room for a push. Waits for the class latch, whose holder runs on or is repaired within
 * milliseconds: it is called after a commit, when nothing may fail any more. */
void mag_flush(struct shm_ctx *ctx, uint32_t cls);
uint32_t mag_limit(uint32_t cls);
/* Gives all magazines of a slot back to their runs: when a slot is given up for long. */
void mags_drain(struct shm_ctx *ctx);
/* Gives back the magazines that have not moved since the last call; seen is the caller's, zeroed at first.
 * Segments of the table grow from class to class all at about the same time, and the few blocks that a
 * magazine keeps of a class that nobody wants any more would hold most of its runs. */
void mags_rest(struct shm_ctx *ctx, uint64_t seen[SHM_CLASSES]);
/* Frees retired blocks that no batch can see any more. */
void retire_reclaim(struct shm_ctx *ctx);
/* The bytes of the block at r, from its unit (checker and tests; the hot path knows its sizes). */
uint64_t slab_block_bytes(shm_ref r);
/* Calls fn for every free block that stands in a run's bitmap, and for every run and span. */
struct slab_walk {
    void (*run)(void *arg, struct shm_unit *u, uint32_t unit);
    void *arg;
};
static inline uint64_t *run_bitmap(struct shm_unit *u, uint32_t unit)
{
    return u->blocks <= 64 ? &u->bitmap : (uint64_t *)shm_at(unit * UNIT_BYTES);
}

#endif
