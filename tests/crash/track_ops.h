/* tests/crash/track_ops.h - the prefixes of a process's clients, changed while the crash tests interrupt it.
 * Owner     the test process.
 * Locks     none.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_TRACK_OPS_H
#define SKEP_TEST_TRACK_OPS_H

#include "tests/crash/crash_ops.h"

void prefixes_ready(struct shm_ctx *ctx);
void prefixes_change(struct shm_ctx *ctx);
void prefixes_end(struct shm_ctx *ctx);

#endif
