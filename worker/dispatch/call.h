/* worker/dispatch/call.h - one command being run: what a handler is given, and what it may do.
 * Owner     dispatch, in a worker or in the slow lane; lives for one command.
 * Locks     dispatch has latched the command's keys before the handler runs.
 * Crash     the handler only prepares; dispatch commits the transaction afterwards.
 * Survives  no.
 * Fails     a handler that meets RC_NOMEM, RC_BUSY or RC_DEFER says call_fail(c, rc) and returns.
 * Tests     tests/regress */
#ifndef SKEP_CALL_H
#define SKEP_CALL_H

#include "shm/session.h"
#include "shm/table.h"
#include "worker/dispatch/command.h"
#include "worker/proto/reply.h"

struct worker;
struct client;
struct keyplan;
struct program;
struct shm_config;

/* How handlers see the world:
 *
 * - A row with key specs and F_WRITE: tx is open, the keys are latched and looked up (an expired entry has
 *   been removed by this transaction already: entry is 0). The handler changes keys by key_put, key_del and
 *   the types, replies, and returns; dispatch commits. If a call into shm/ fails, the handler says
 *   call_fail and returns at once: dispatch takes back the reply and the transaction, then runs the command
 *   again later (RC_BUSY), answers -OOM (RC_NOMEM), or mails it to the slow lane (RC_DEFER). An error that
 *   the handler itself replies (reply_error) is committed like anything else, so it comes before changes.
 * - A row with key specs without F_WRITE: the keys are latched and looked up, expired ones hidden; the
 *   handler must not change anything. tx is open only to hold the latches.
 * - A row without key specs: nothing is latched, tx is NULL; the handler is inside a batch. Inside EXEC tx is open if
 *   the row says that it looks at the keyspace (F_READONLY, F_WRITE): the gate is closed, memory shows what the
 *   transaction has done so far (tx_expose), and the handler must not open a transaction of its own.
 * - Rows with F_SLOW run in the slow lane, with F_GATE there with the gate closed: client is NULL there. */
struct call {
    struct worker *w;
    struct shm_ctx *ctx;
    const struct shm_config *cfg;
    struct shm_session *session; /* never NULL */
    struct client *client;       /* NULL in the slow lane */
    const struct command *cmd;
    struct bytes *argv;
    int argc;
    struct reply *reply;
    struct tx *tx;
    struct key_ref *keys; /* sorted; use call_key */
    uint32_t *key_index;
    unsigned nkeys;
    uint32_t db;
    int64_t now_ms; /* wall clock when the batch began */
    uint32_t clock; /* the LRU or LFU clock that new entries get (24 bits) */
    bool in_lane;
    bool in_script;         /* a script says so */
    bool *stale;            /* F_SCRIPT: to be set when a key that has expired was hidden */
    struct program *script; /* F_SCRIPT: what was found to be run; NULL: the handler looks for it */
    struct keyplan *plan;   /* in_exec: the transaction's keys, to which a script may add */
    bool in_exec;           /* one of several commands of a transaction: it may not wait for anything */
    bool anonymous;         /* whoever caches is told of its changes, be it this very client */
    bool removes;  /* the transaction writes, so what has expired is removed; otherwise it is hidden */
    bool loading;  /* replayed from a file: nothing expires, since every removal stands in the file as well */
    bool told;     /* the handler has told the log what it did */
    bool looked;   /* in Redis it has looked for its keys by now, before an error that it replies */
    uint64_t need; /* under appendfsync always: the reply may go out when the log is on disk up to here */
    uint64_t beyond;   /* what keys that no plan names (SORT's patterns) add to that */
    uint64_t slept_us; /* the handler has put its client to sleep for so long: a part of the command's time */
    bool free_first;   /* FLUSHALL SYNC: the lane replies when the memory that was cut off is free */
    int64_t
        block_until; /* the handler has nothing for its client, who waits in queues until then; 0: it has replied */
    uint64_t
        block_lsn; /* with block_until: not in queues, but for the log to be on disk up to here, plus 1; or 0 */
    enum rc rc;
};

#define BLOCK_LSN_NEVER UINT64_MAX /* it waits on, though the log is on disk: unless there is none any more */

/* The i-th key of the command, counted as command_keys finds them. */
static inline struct key_ref *call_key(struct call *c, unsigned i)
{
    return c->nkeys == 1 ? c->keys : &c->keys[c->key_index[i]];
}
static inline void call_fail(struct call *c, enum rc rc)
{
    c->rc = rc;
}
/* What the log is told of a change: the command as it came, unless the handler says it otherwise, since times must be
 * absolute and choices spelled out. Several may be told; RC_BUSY or RC_NOMEM: the handler fails with it. */
enum rc call_effect(struct call *c, unsigned argc, const struct bytes *argv);
/* In a handler that walks much, between two pieces: in the slow lane this ends the batch and begins a new
 * one, so table pointers must be fetched again (db_table). In a worker it does nothing. */
void call_breathe(struct call *c);

/* Marks a command that would be too long for a worker: true means return at once (it goes to the lane). */
static inline bool call_defer(struct call *c)
{
    if (c->in_lane)
        return false;
    c->rc = RC_DEFER;
    return true;
}

/* Runs one command whose row is known and whose arity fits: plan, latches, handler, commit.
 * RC_OK: the reply is complete. RC_BUSY: nothing happened, run it again later. RC_DEFER: for the lane. */
enum rc call_run(struct call *c);
/* After RC_NOMEM: the keys in transactions that need no memory (pieces.c). */
bool call_has_pieces(const struct call *c);
enum rc call_run_pieces(struct call *c);
/* The steps of a call, for whoever runs several commands in one transaction (multi.c). call_wants: which keys; -1: the
 * arguments are wrong, and the handler, run with nkeys 0, says so. call_step: the keys are latched, looked up and
 * shared by all commands that name them; *stale: one that has expired is hidden. Afterwards k->changed tells for each
 * key whether any command has changed it, and call_adjust lets its table follow when the transaction is over. */
int call_wants(const struct call *c, struct key_want *out, int max);
bool call_lasts(const struct call *c); /* its keys are to be locked */
enum rc call_step(struct call *c, bool *stale);
void call_adjust(struct shm_ctx *ctx, struct key_ref *k);
/* Removes an expired key that was hidden, in a transaction of its own. */
void call_expire(struct call *c, const struct key_ref *seen);
/* The same for a command of one key that has been located ahead. */
enum rc call_run_located(struct call *c, struct key_ref *k);

/* ---- statistics: worker/dispatch/stats.c ---- */
void stats_command(struct call *c, uint64_t usec, bool failed);

#endif
