/* worker/dispatch/multi.h - MULTI's queue and WATCH's keys of one client.
 * Owner     the client's worker; in the slow lane, whoever runs an EXEC that was mailed to it.
 * Locks     none.
 * Crash     private memory: a client that has any of it is BOUND, and closed with its worker.
 * Survives  a handover, and the way to the slow lane: packed as bytes (multi_pack).
 * Fails     never: private memory that cannot be had ends the process (CHECK).
 * Tests     tests/regress/sql/multi_*  tests/isolation/specs/multi_*  tests/crash/sessions.py */
#ifndef SKEP_MULTI_H
#define SKEP_MULTI_H

#include "shm/watch.h"
#include "worker/dispatch/call.h"
#include "worker/proto/reply.h"

struct request;

#define ERR_EXEC_FOR   "EXECABORT Transaction discarded because of: "
#define ERR_EXEC_OOM   ERR_EXEC_FOR ERR_OOM
#define ERR_EXEC_END   ERR_EXEC_FOR "the server is shutting down"
#define ERR_EXEC_RANGE ERR_EXEC_FOR "it is too long for the log"

struct queued {
    const struct command *cmd;
    struct bytes *argv; /* a block of its own: the arguments' bytes stand behind it */
    int argc;
    uint32_t db;  /* where it runs, and */
    uint8_t resp; /* in which protocol it answers: EXEC finds that out */
    bool failed;
    char *reply; /* it has run, before the transaction, and said this; NULL: not yet */
    size_t reply_len;
    unsigned first, nkeys; /* its keys in EXEC's plan */
    size_t at;             /* where its reply begins */
    uint64_t usec;         /* how long it took at EXEC's last try */
};

struct watched {
    struct bytes key; /* a block of its own */
    uint64_t hash;
    uint32_t db;
    uint32_t order; /* of two that name one key the first counts */
    struct watch_mark mark;
};

struct multi {
    bool open;      /* MULTI was said: commands are queued */
    bool dirty;     /* one was refused: EXEC will be, too */
    bool for_lane;  /* a queued command can only run in the slow lane */
    uint8_t resp;   /* the session's before the first command ran, and */
    uint32_t db;    /* its database: they come back when EXEC comes to nothing */
    uint32_t flags; /* F_* that any of the queued commands has, and */
    uint32_t lacks; /* that any has not */
    unsigned ready; /* so many are known to be run inside the transaction, or have run before it */
    unsigned n, cap;
    struct queued *q;
    unsigned nwatched, watched_cap, next_order;
    struct watched *watched;
    size_t bytes, watched_bytes; /* of the queue, and of the watched keys */
};

/* Whether the client's command is to be queued: all but those that steer the transaction. */
bool multi_queues(const struct client *cl, const struct command *cmd);
/* Copies a command that was admitted, and replies QUEUED. */
void multi_queue(struct client *cl, const struct command *cmd, const struct request *rq);
/* A command was refused, with the reply that begins at mark: the transaction is spoiled; EXEC ends it. */
void multi_refused(struct client *cl, const struct command *cmd, size_t mark);
/* What EXEC's row lacks: the flags of what is queued. */
uint32_t multi_flags(const struct client *cl, const struct command *cmd);

void multi_begin(struct client *cl);
void multi_drop(struct client *cl); /* queue and watched keys */
void multi_abort(
    struct client *cl); /* likewise, and what has run before the transaction has changed nothing here */
void multi_unwatch(struct client *cl);
/* k is latched; exists as its handler sees it. A key may be watched twice: both marks are compared. */
void multi_watch(struct client *cl, struct key_ref *k, bool exists);

void multi_free(struct multi *m);
size_t multi_memory(const struct multi *m);
void multi_pack(const struct multi *m, struct reply *out);
struct multi *multi_unpack(struct bytes packed);
/* In packed, which it came from and which is the caller's own memory, the watched keys are marked as they are in m by now. */
void multi_packed_again(const struct multi *m, struct bytes packed);
bool multi_packed_gate(struct bytes packed); /* exec_wants_gate of what was packed */

/* ---- EXEC: exec.c ---- */

/* Runs the queue as one transaction and replies. RC_MISSING: a watched key has changed; RC_BUSY, RC_AWAIT: run it
 * again; RC_DEFER: in the slow lane; RC_NOMEM: refuse it. In all these cases the keyspace is as it was. */
enum rc exec_run(struct call *c, struct multi *m);
/* Whether the gate must be closed while it runs: a command looks at, or changes, whole databases. */
bool exec_wants_gate(const struct multi *m);

#endif
