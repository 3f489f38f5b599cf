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
void dict_stored(struct shm_ctx *ctx);   /* sets that are built as a whole */
void dict_builds(struct shm_ctx *ctx);   /* in the other forms, over what there was; and one that is none */
void dict_deletes(struct shm_ctx *ctx);  /* whole keys */

/* Besides "hash:0" to "hash:2", "hash:5" to "hash:7" are as those, and every third of their fields expires. */
void fields_ready(struct shm_ctx *ctx);
void fields_expire(
    struct shm_ctx *ctx); /* in hashes without such fields and in those with, until none is left */
void fields_change(
    struct shm_ctx *ctx); /* they get other values, and go; more come, and an encoding changes */
void fields_reaped(struct shm_ctx *ctx); /* some, and all that were left of a hash */
void fields_copied(struct shm_ctx *ctx); /* and whole keys go */
void fields_brief(struct shm_ctx *ctx);  /* one of a tree is changed, and two go */

#endif
