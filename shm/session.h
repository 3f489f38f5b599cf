/* shm/session.h - what the server knows of a client, in shared memory, so that it outlives a worker.
 * Owner     the worker named by owner; master_fd is the master's alone.
 * Locks     none: one writer a field. kill is set by anyone, and the owner is woken.
 * Crash     state tells what a death of the owner means: only an IDLE session is kept.
 * Survives  worker death: if IDLE. Replacement and upgrade: always.
 * Fails     session_claim: RC_MISSING when all are taken.
 * Tests     tests/unit/test_session.c  tests/crash/sessions.py */
#ifndef SKEP_SESSION_H
#define SKEP_SESSION_H

#include "shm/slot.h"

enum session_state {
    SESSION_FREE = 0,
    SESSION_OPENING, /* claimed by a worker; the master does not hold its socket yet */
    SESSION_IDLE,    /* nothing is half done: stored after the last byte of a reply was written */
    SESSION_BUSY,    /* stored before read(2) */
    SESSION_BOUND,   /* the worker's death ends it: MONITOR, REPLY OFF, MULTI and the like */
    SESSION_MOVING,  /* handed over: its parcel waits for the next owner */
    SESSION_CLOSING, /* the master is to drop its duplicate, then it is FREE */
};

/* What the others of CLIENT LIST's flags and CLIENT commands need. */
#define SESSION_F_MONITOR    1u
#define SESSION_F_NO_EVICT   2u
#define SESSION_F_NO_TOUCH   4u
#define SESSION_F_REPLY_OFF  8u
#define SESSION_F_REPLY_SKIP 16u
#define SESSION_F_UNIX       32u
#define SESSION_F_PAUSED     64u  /* CLIENT PAUSE holds up its next command */
#define SESSION_F_LANE       128u /* the slow lane works for it */
#define SESSION_F_CLOSE_ASAP 256u
#define SESSION_F_BLOCKED    512u
#define SESSION_F_PUBSUB     1024u /* has subscriptions */
#define SESSION_F_TRACKING   2048u /* client-side caching */
#define SESSION_F_REDIR_LOST 4096u /* whom its invalidations go to has gone */
#define SESSION_F_BCAST      8192u /* by prefixes, whatever it reads */

#define SESSION_NAME_MAX 200u

struct shm_session {
    uint32_t state, owner; /* one word to session_claim */
    uint64_t id;
    int32_t master_fd; /* the master's duplicate of the socket, -1 none: written by the master */
    int32_t fd;        /* the owner's descriptor, for CLIENT LIST */
    uint32_t db;
    uint8_t resp, authenticated, spare[2];
    uint32_t flags;
    uint32_t kill; /* 1: the owner closes it when it sees this */
    int64_t created_ms, last_ms;
    int64_t stays_until_ms; /* on the monotonic clock: until then load is not evened out by moving it */
    uint64_t commands, net_in, net_out;
    uint32_t qbuf, qbuf_free, argv_mem, obl, oll;
    uint32_t multi; /* commands queued since MULTI, plus 1; 0: no MULTI */
    uint64_t multi_mem;
    uint64_t omem, tot_mem, rbs, rbp;
    shm_ref waiters;     /* what it waits for (shm/waiters.h); 0: nothing */
    int64_t block_until; /* then: on the monotonic clock, INT64_MAX for ever */
    uint64_t ack_lsn;    /* WAIT, WAITAOF: the log's position that it waits for, plus 1; 0: it does not */
    uint32_t wait_type,
        unblock;          /* of the values; CLIENT UNBLOCK: 1 as if its time were over, 2 with an error */
    uint32_t subs[3];     /* subscriptions by enum topic_kind */
    uint64_t lane_ticket; /* its request for the slow lane: worker/dispatch/lane.h */
    uint64_t redirect;    /* with SESSION_F_TRACKING: the client that gets its invalidations; 0: itself */
    uint32_t last_cmd;    /* command row + 1 */
    uint32_t lib_len;
    shm_ref parcel; /* MOVING: what the next owner needs (unparsed and unsent bytes, ...) */
    uint64_t parcel_bytes;
    char name[SESSION_NAME_MAX + 1];
    char lib_name[63], lib_ver[32];
    char addr[64], laddr[64];
};

_Static_assert(offsetof(struct shm_session, state) == 0 && offsetof(struct shm_session, owner) == 4,
               "claimed with one store of eight bytes");

static inline struct shm_session *session_at(uint32_t i)
{
    return (struct shm_session *)shm_at(arena_root()->sessions) + i;
}
static inline uint32_t session_index(const struct shm_session *s)
{
    return (uint32_t)(s - (struct shm_session *)shm_at(arena_root()->sessions));
}

/* Whether this is, still, the session of the client with that id. */
static inline bool session_is(const struct shm_session *s, uint64_t id)
{
    uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
    return state != SESSION_FREE && state != SESSION_CLOSING && s->id == id;
}

/* Where a walk over the sessions ends: those from here on have never been used. */
static inline uint32_t sessions_end(void)
{
    return __atomic_load_n(&arena_root()->sessions_high, __ATOMIC_ACQUIRE);
}

/* Takes a free session for slot owner; hint (the caller's, any value) spreads the search. */
enum rc session_claim(struct shm_ctx *ctx, uint32_t *hint, struct shm_session **out);
struct shm_session *session_by_id(uint64_t id); /* NULL: none open */
/* Has its owner close it; the caller wakes that. A death before it is counted delays it to the owner's next tick. */
void session_kill(struct shm_session *s);
/* Has a slot close those of its sessions that have one of these SESSION_F_*; the caller wakes it. */
void sessions_kill(uint32_t owner, uint32_t flags);

#endif
