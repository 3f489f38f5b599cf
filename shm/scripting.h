/* shm/scripting.h - scripts and functions as all workers share them: two hidden databases, and words that tell of changes.
 * Owner     everybody; the root refers to the words.
 * Locks     the bucket latches of the hidden databases; ring_latch (rank 1, after all buckets) for the ring.
 * Crash     the words change as redo, in the transaction of the change that they tell of.
 * Survives  worker death: yes. Restart of the host: functions from disk, scripts not at all.
 * Fails     never.
 * Tests     tests/regress/sql/eval_*.cmd  tests/crash/crash_points.c
 *
 * A hidden database (scripts_db, functions_db in arena.h) is one behind those that are configured. SELECT, FLUSHALL, SWAPDB,
 * eviction, expiry, INFO and SCAN stay below root->ndbs and never meet it; repair and arena_check know all of them. */
#ifndef SKEP_SCRIPTING_H
#define SKEP_SCRIPTING_H

#include "shm/latch.h"

#define EVAL_SCRIPTS 500u /* bodies that came by EVAL and are kept; those of SCRIPT LOAD stay until a FLUSH */
#define SHA1_HEX     40u

struct shm_scripting {
    uint64_t scripts_epoch; /* SCRIPT FLUSH adds one: what workers have compiled is old */
    uint64_t
        functions_drawn; /* numbers for changes of libraries, each given once: a change that comes to nothing loses its own */
    uint64_t functions_epoch; /* the number of the last change of a library */
    struct shm_latch ring_latch;
    uint64_t ring_at; /* the next place; grows for ever */
    uint64_t ring[EVAL_SCRIPTS]
                 [SHA1_HEX / 8]; /* digests of what came by EVAL, in the order of coming; 0: none */
};

static inline struct shm_scripting *scripting(const struct shm_root *root)
{
    return shm_at(root->scripting);
}

#endif
