/* worker/script/store.h - bodies of scripts as all workers share them (shm/scripting.h).
 * Owner     everybody.
 * Locks     the bucket of the script's digest; the ring's latch behind it.
 * Crash     one transaction for each change.
 * Survives  worker death and replacement of workers: yes. Restart: no.
 * Fails     RC_BUSY, RC_NOMEM: nothing has happened.
 * Tests     tests/regress/sql/script_load.cmd  tests/regress/sql/eval_many.cmd */
#ifndef SKEP_SCRIPT_STORE_H
#define SKEP_SCRIPT_STORE_H

#include "shm/scripting.h"
#include "worker/proto/reply.h"

/* The body, added to out; RC_MISSING: there is none. Opens no transaction. */
enum rc store_get(struct shm_ctx *ctx, const char *sha, struct reply *out);
/* keep: it came by SCRIPT LOAD, and stays; otherwise it displaces the oldest that came by EVAL. */
enum rc store_put(struct shm_ctx *ctx, const char *sha, struct bytes body, bool keep);
/* Forgets all. *at: how far it has come, 0 at the start and the end. */
enum rc store_flush_some(struct shm_ctx *ctx, uint64_t *at, unsigned buckets);
int64_t store_bytes(void); /* of all bodies */
int64_t store_count(const struct shm_root *root);

#endif
