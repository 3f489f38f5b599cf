/* worker/dispatch/block.h - commands that wait until a key has something for them (worker/README.md, "Blocking").
 * Owner     the process that runs the command.
 * Locks     the waiters' latch within the command's transaction, or in one of its own.
 * Crash     joining and leaving the queues is part of the command's transaction.
 * Survives  worker death: the client does not; its place in the queues counts for nothing then.
 * Fails     RC_BUSY: the command is run again.
 * Tests     tests/regress/sql/list_blocking.cmd  zset_blocking.cmd  tests/crash/blocking.py */
#ifndef SKEP_BLOCK_H
#define SKEP_BLOCK_H

#include "shm/waiters.h"
#include "worker/dispatch/call.h"

/* May somebody wait for one of them? Nobody does, nearly always: then there is nothing to ask for, and nobody to tell. */
static inline bool block_any(const struct shm_root *root, const struct key_ref *keys, unsigned n)
{
    bool any = false;
    for (unsigned i = 0; i < n; i++)
        any |= waiters_any(root, keys[i].hash);
    return UNLIKELY(any);
}
/* RC_BUSY: a key of the command has something for clients who came before. Once the keys are latched. */
enum rc block_queue_ahead(struct call *c);
enum rc block_keys_ahead(struct tx *tx, const struct key_ref *keys, unsigned n, int64_t now_ms);
/* After the commit: whoever is first in the queue of a key that was changed is told to look. */
void block_wake(struct worker *w, const struct key_ref *keys, unsigned n);
/* The client waits no more. Those behind it are told. */
void block_leave(struct worker *w, struct shm_session *s);
/* Tells a client's worker that the client should look at its keys, or at its session. */
void block_tell(struct worker *w, uint32_t session, uint64_t id);

/* What a handler of a blocking command does. take: pops from the i-th key, which holds a value of this type, and
 * replies; it may fail by call_fail. */
struct block {
    unsigned type;
    unsigned nkeys;
    int64_t timeout_ms; /* 0: for ever */
    void (*take)(struct call *c, unsigned i, const void *arg);
    const void *arg;
    bool one; /* its reply is a single value, which is null where nothing blocks */
};
bool block_timeout_arg(struct call *c, int i, int64_t *ms);
void block_run(struct call *c, const struct block *b);

/* net/blocked.c: the client waits until then, or until it is told; or it does no more. lsn: as call's block_lsn. */
struct client;
void blocked_begin(struct client *cl, int64_t until_ms, uint64_t lsn);
void blocked_end(struct client *cl);
/* Whoever works in slot by says that the client may have something. */
void blocked_ready(struct worker *w, uint32_t by, uint32_t session, uint64_t id);

#endif
