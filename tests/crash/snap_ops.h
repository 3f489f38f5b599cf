/* tests/crash/snap_ops.h - a snapshot under way while the crash tests interrupt others, or the snapshotter itself.
 * Owner     the test process.
 * Locks     as the operations take them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_SNAP_OPS_H
#define SKEP_TEST_SNAP_OPS_H

#include "tests/crash/crash_ops.h"

/* Cuts, as the snapshotter's slot, and walks as far as the operation wants it. What it shows is added up. */
void snap_begin(const struct crash_op *op);
/* After the repair: if a snapshot is under way its walk is ended. What was shown in all must be what there was at
 * the cut, unless the snapshotter itself has died. NULL, or what is wrong. */
const char *snap_finish(const struct crash_op *op);

/* Operations of the snapshotter. */
void snap_ready(struct shm_ctx *ctx); /* cut, and entries of all kinds handed over */
void snap_cuts(struct shm_ctx *ctx);
void snap_walks(struct shm_ctx *ctx);
void snap_discards(struct shm_ctx *ctx);

#endif
