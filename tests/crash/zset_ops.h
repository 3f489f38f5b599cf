/* tests/crash/zset_ops.h - operations on sorted sets that the crash tests interrupt.
 * Owner     the test process.
 * Locks     as the operations take them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_ZSET_OPS_H
#define SKEP_TEST_ZSET_OPS_H

#include "tests/crash/crash_ops.h"

/* "zset:0" is packed, "zset:1" a listpack in a tree, "zset:2" a skiplist of many leaves. */
void zsets_ready(struct shm_ctx *ctx);
void zset_packed(struct shm_ctx *ctx);   /* members come, move and go, the last with its key */
void zset_listpack(struct shm_ctx *ctx); /* the same in a tree */
void zset_converts(struct shm_ctx *ctx); /* each form becomes the next */
void zset_grows(struct shm_ctx *ctx);    /* leaves that are split */
void zset_shrinks(struct shm_ctx *ctx);  /* leaves that are joined */
void zset_copies(struct shm_ctx *ctx);   /* onto a key that holds something else */
void zset_deletes(struct shm_ctx *ctx);  /* whole keys */

#endif
