/* tests/crash/exec_ops.h - what EXEC does to the keyspace, as operations for the crash tests.
 * Owner     the test process.
 * Locks     as EXEC takes them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_EXEC_OPS_H
#define SKEP_TEST_EXEC_OPS_H

#include "tests/crash/crash_ops.h"

void exec_ready(struct shm_ctx *ctx); /* the log is on, databases 0 to 2 have tables and keys */
/* Several commands in one transaction: keys of three databases are changed in place, twice over, made and deleted
 * again. */
void exec_keys(struct shm_ctx *ctx);
/* A script's: further keys are latched while the first have been changed, one of them in a bucket that is latched. */
void script_keys(struct shm_ctx *ctx);
void script_locks(struct shm_ctx *ctx); /* keys that are locked, two of them late */
void exec_undone(struct shm_ctx *ctx);  /* undone when all is ready for the commit */
/* Behind the closed gate: changes, FLUSHDB of two databases, a key in one of them, SWAPDB, another key. */
void exec_gate(struct shm_ctx *ctx);
void exec_gate_undone(struct shm_ctx *ctx); /* the same, and nothing of it in the end */

#endif
