/* worker/script/cache.h - what this process knows of scripts: compiled bodies by their digests.
 * Owner     the process.
 * Locks     none.
 * Crash     private memory.
 * Survives  no; the state may be thrown away under it, then a body is compiled again.
 * Fails     never: what has no place displaces what was not used for longest.
 * Tests     tests/regress/sql/script_load.cmd  tests/regress/sql/eval_many.cmd */
#ifndef SKEP_SCRIPT_CACHE_H
#define SKEP_SCRIPT_CACHE_H

#include "shm/scripting.h"
#include "worker/script/engine.h"

struct script {
    struct program program;
    char sha[SHA1_HEX + 1];
    bool shared; /* others find its body in the store */
    struct script *chain, *older, *newer;
};

struct scripts *cache_make(void);
void cache_lost(struct engines *es); /* the state is gone: all are to be compiled again */
struct script *cache_find(struct engines *es, const char sha[SHA1_HEX + 1]);
/* The one of this digest, made if there is none. */
struct script *cache_add(struct engines *es, const char sha[SHA1_HEX + 1]);
void cache_drop(struct engines *es, struct script *s);
void cache_follow(struct engines *es); /* forgets everything after SCRIPT FLUSH */

#endif
