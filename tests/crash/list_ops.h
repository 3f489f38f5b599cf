/* tests/crash/list_ops.h - operations on lists that the crash tests interrupt.
 * Owner     the test process.
 * Locks     as the operations take them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_LIST_OPS_H
#define SKEP_TEST_LIST_OPS_H

#include "tests/crash/crash_ops.h"

/* "list:0" is packed, "list:1" has a tree of one leaf, "list:2" one of many. */
void lists_ready(struct shm_ctx *ctx);
void lists_dead_ready(struct shm_ctx *ctx); /* they have been deleted again */
void list_packed_ends(struct shm_ctx *ctx); /* pushes and pops, and becomes empty */
void list_outgrows(struct shm_ctx *ctx);    /* packed becomes a tree, and a quicklist */
void list_tree_ends(struct shm_ctx *ctx);   /* in place, and with a new leaf */
void list_tree_middle(struct shm_ctx *ctx); /* a leaf is split; a long item comes and goes */
void list_trims(struct shm_ctx *ctx);       /* leaves go, a quicklist becomes a listpack */
void list_removes(struct shm_ctx *ctx);     /* a tree is written anew, the old one is buried */
void list_moves(struct shm_ctx *ctx);       /* between two keys */
void lists_deep_ready(struct shm_ctx *ctx);
void list_compresses(struct shm_ctx *ctx);  /* leaves that have left the window */
void list_deep_middle(struct shm_ctx *ctx); /* the others, on compressed leaves */
void list_deep_trims(struct shm_ctx *ctx);
void list_builds(struct shm_ctx *ctx);      /* as a whole: new, over another, and one that nothing comes of */
void list_deep_builds(struct shm_ctx *ctx); /* its inner leaves are compressed */
void list_waits(struct shm_ctx *ctx);       /* clients join queues and leave them */
void list_deletes(struct shm_ctx *ctx);
void list_frees_trees(struct shm_ctx *ctx); /* what was buried, piece by piece */

#endif
