/* worker/worker.h - a worker process (or the slow lane): everything that it knows.
 * Owner     the process itself: one struct, no other globals.
 * Locks     none.
 * Crash     private memory, gone with the process; what must stay lies in its slot and sessions.
 * Survives  no.
 * Fails     never.
 * Tests     tests/regress  tests/crash */
#ifndef SKEP_WORKER_H
#define SKEP_WORKER_H

#include "shm/mail.h"
#include "shm/session.h"
#include "worker/dispatch/call.h"

struct ev_loop;
struct multi;
struct post;

struct worker {
    struct shm_ctx ctx;
    struct shm_config *cfg;  /* in the arena: shared by all */
    uint64_t cfg_generation; /* what of it we have acted upon */
    bool is_lane;
    struct ev_loop *loop;
    uint64_t tick;                 /* when the command before ended, or the batch began */
    int64_t now_ms;                /* wall clock, taken once a batch */
    int64_t mono_ms;               /* monotonic clock, likewise */
    int64_t turn_us;               /* the same, when the turn of the loop began */
    uint32_t clock;                /* 24 bits, for LRU or LFU */
    unsigned expire_left_us;       /* of this tick's budget */
    bool over_maxmemory;           /* eviction could not help: commands that need memory are refused */
    uint64_t log_kicked;           /* our ring's tail when the log's writer was last woken */
    const int *wakefd;             /* eventfd of every slot */
    uint64_t need_lsn;             /* of the last command: its reply waits for the log to be on disk so far */
    struct reply out;              /* replies of this turn, shared by the clients */
    struct control_queue *control; /* worker/control.c */
    bool stop_asked;               /* the slow lane is to end */
    struct post *post;             /* net/post.c: messages of this turn; NULL: there were none yet */
    struct engines *engines;       /* worker/script: Lua states; NULL: no script has run yet */
    uint64_t serving;              /* the serial of what this lane runs */
    struct multi *lane_exec;       /* the queue of the EXEC that this lane runs; NULL: it runs none */
    bool gated;                    /* this lane has closed the gate for what it runs */
    bool wants_gate;               /* what it ran came back because it must be closed */
    struct reply changes;          /* net/changes.c: keys that were read and changed, not told yet */
    size_t pushed;   /* what stands before it in out, this client gets even if it wants no replies */
    struct net *net; /* worker/net: listeners, clients, parked commands */
};

extern struct worker *self_worker; /* the process's one worker: for handlers far from a call */

/* What every call of this process begins with; the caller adds the command, and says what is special. (In place: a copy of
 * what has just been written in parts waits for all of them.) */
static inline void worker_call_in(struct call *c, struct worker *w, struct shm_session *s, struct bytes *argv,
                                  int argc)
{
    memset(c, 0, sizeof(*c));
    c->w = w;
    c->ctx = &w->ctx;
    c->cfg = w->cfg;
    c->session = s;
    c->argv = argv;
    c->argc = argc;
    c->reply = &w->out;
    c->db = s->db;
    c->now_ms = w->now_ms;
    c->clock = w->clock;
}
static inline struct call worker_call(struct worker *w, struct shm_session *s, struct bytes *argv, int argc)
{
    struct call c;
    worker_call_in(&c, w, s, argv, argc);
    return c;
}

/* cron.c */
void worker_clock(struct worker *w);  /* from now_ms: the clock that entries get */
void worker_cron(struct worker *w);   /* ten times a second */
bool worker_expire(struct worker *w); /* a slice of what the last cron allows; true: there is more to do */
bool memory_limit(
    struct worker *w); /* once a turn: evicts, and sets over_maxmemory; true: there is more to do */

/* net/hold.c, after a turn: wakes the log's writer if somebody waits for what was logged. */
void log_kick(struct worker *w);
/* Makes another process look at its mail and flags. */
void worker_wake(struct worker *w, uint32_t slot);

#endif
