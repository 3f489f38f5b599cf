/* tests/crash/dict_ops.h - operations on hashes and sets that the crash tests interrupt.
 * Owner     the test process.
 * Locks     as the operations take them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_DICT_OPS_H
#define SKEP_TEST_DICT_OPS_H

#include "tests/crash/crash_ops.h"

/* "hash:0" is packed, "hash:1" a listpack in a tree, "hash:2" a hashtable of many leaves; "set:0" is a packed intset, "set:1" one
 * in a tree, "set:2" a hashtable. */
void dicts_ready(struct shm_ctx *ctx);
void dict_packed(struct shm_ctx *ctx);   /* fields come, change and go, the last with its key */
void dict_listpack(struct shm_ctx *ctx); /* the same in a tree, with a long value */
void dict_converts(struct shm_ctx *ctx); /* each encoding becomes each that it may become */
void dict_grows(struct shm_ctx *ctx);    /* in place, and leaves that are split */
void dict_shrinks(struct shm_ctx *ctx);  /* in place, and leaves that are joined */
void dict_copies(struct shm_ctx *ctx);   /* onto a key that holds something else */
void dict_deletes(struct shm_ctx *ctx);  /* whole keys */

#endif
