/* tests/crash/library_ops.h - changes of the libraries of functions that are interrupted.
 * Owner     the test process.
 * Locks     as the operations take them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_LIBRARY_OPS_H
#define SKEP_TEST_LIBRARY_OPS_H

#include "tests/crash/keyspace.h"

void libraries_ready(struct shm_ctx *ctx); /* two of them, and the log is on */
void library_first(struct shm_ctx *ctx);   /* where there were none, not even a table */
void library_loads(struct shm_ctx *ctx);
void library_replaces(struct shm_ctx *ctx); /* by a long one */
void library_goes(struct shm_ctx *ctx);
void library_flushes(struct shm_ctx *ctx);
void library_refused(struct shm_ctx *ctx); /* nothing changes */
/* Several in one transaction, behind the gate. */
void library_gate(struct shm_ctx *ctx);
void library_gate_undone(struct shm_ctx *ctx);

#endif
