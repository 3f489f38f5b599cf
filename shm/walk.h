/* shm/walk.h - the pieces of a walk through a table in hash order, for those in shm/ that walk.
 * Owner     the caller's transaction.
 * Locks     position_latch takes the bucket's latch (rank 1).
 * Crash     nothing is changed.
 * Survives  a position outlives any resize: it is a place among the hashes, not among the buckets.
 * Fails     position_latch: RC_BUSY.
 * Tests     tests/unit/test_table.c  tests/unit/threads_snapshot.c */
#ifndef SKEP_WALK_H
#define SKEP_WALK_H

#include "shm/table.h"

/* Where k's bucket begins, and where the one behind it does (0: there is none). k has been located. */
uint64_t position_here(const struct key_ref *k);
uint64_t position_next(const struct key_ref *k);
/* Calls fn for each entry of the bucket and its cells. */
void visit_chain(struct shm_bucket *b, visit_fn *fn, void *arg);
/* Latches the bucket at k's position (its hash), wherever it is by now. */
enum rc position_latch(struct tx *tx, struct key_ref *k);

#endif
