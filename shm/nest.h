/* shm/nest.h - nested actions: small changes of shared structures with a commit of their own.
 * Owner     the slot's process.
 * Locks     takes one or two latches, in rank order (class, then arena), and releases them at the end.
 * Crash     before nest_commit every noted word is put back; after it the action stands.
 * Survives  worker death: yes.
 * Fails     RC_BUSY when a latch stays taken (another process died or was preempted holding it).
 * Tests     tests/crash/crash_points.c */
#ifndef SKEP_NEST_H
#define SKEP_NEST_H

#include "shm/slot.h"

enum rc nest_begin(struct shm_ctx *ctx, struct shm_latch *latch);
enum rc nest_also(struct shm_ctx *ctx, struct shm_latch *latch);
void nest_set64(struct shm_ctx *ctx, uint64_t *at, uint64_t v);
void nest_set32(struct shm_ctx *ctx, uint32_t *at, uint32_t v);
void nest_range(struct shm_ctx *ctx, enum nest_range op, uint64_t first, uint64_t n);
void nest_commit(struct shm_ctx *ctx);
/* Puts everything back; also what repair calls for a dead slot. Does nothing when none is open. */
void nest_rollback(struct shm_ctx *ctx);

#endif
