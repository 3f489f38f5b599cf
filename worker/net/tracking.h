/* worker/net/tracking.h - client-side caching: which of this worker's clients keep what, and telling them to drop it.
 * Owner     the worker; what others must know of it is in shm/track.h.
 * Locks     none of its own.
 * Crash     clients that track are closed with their worker; everybody else's drop all they keep.
 * Survives  a handover, after which the client is told to drop all.
 * Fails     a client that cannot be told is closed, or told to drop all as soon as it can be.
 * Tests     tests/regress/sql/tracking_*.cmd  tests/isolation/specs/tracking_*.spec  tests/crash/tracking.py
 *           tests/compat/tracking_both.py */
#ifndef SKEP_TRACKING_H
#define SKEP_TRACKING_H

#include "shm/track.h"
#include "worker/net/client.h"

struct request;

#define TRACK_BCAST   1u
#define TRACK_OPTIN   2u
#define TRACK_OPTOUT  4u
#define TRACK_NOLOOP  8u
#define TRACK_CACHING 16u /* CLIENT CACHING was said: for the next command or transaction */
#define TRACK_LOST    32u /* the client that it redirects to had gone when something was to be told */

/* Of a client with CLIENT TRACKING ON. */
struct track {
    uint32_t flags;
    uint32_t redirect_session; /* where the client was last seen that gets its invalidations */
    uint64_t redirect;         /* its id; 0: none */
    struct prefix **prefix;    /* of BCAST, by name */
    unsigned nprefixes;
};

/* A change of a key that concerns somebody here. */
struct change {
    struct bytes key;
    uint64_t hash;
    uint64_t author; /* the client whose command it was; 0: nobody's */
    bool expired;    /* nobody's doing, though in somebody's command */
};

/* ---- tracking.c: clients ---- */

/* Both in a batch. RC_BUSY, RC_NOMEM: nothing has happened. Prefixes are added to those that it has. */
enum rc tracking_start(struct client *cl, uint32_t flags, uint64_t redirect, const struct bytes *prefix,
                       unsigned n);
void tracking_stop(struct client *cl);
struct bytes prefix_name(const struct prefix *p);
void tracking_command_over(struct client *cl, const struct command *cmd); /* cmd NULL: it was none */
/* The values' names, or null for all, as RESP; to the client, or where it redirects to. */
void tracking_tell(struct client *cl, struct bytes payload);
/* Another worker's client has us tell ours: who is a session's number and its id. */
void tracking_relay(struct worker *w, struct bytes who, struct bytes payload);
void tracking_changed(struct worker *w, const struct change *c);
/* What waits for the end of a turn: the keys of prefixes, an epoch that has passed, keys beyond the limit. */
bool tracking_waits(const struct worker *w);
void tracking_turn(struct worker *w);
void tracking_follow(struct worker *w); /* without the limit */
bool tracking_sync(struct worker *w);   /* prefixes that nobody has any more; false: they must wait */
/* As bytes, for a handover. tracking_arrive: outside of a batch; false: there is no room for its prefixes. */
void tracking_pack(const struct client *cl, struct reply *out);
bool tracking_arrive(struct client *cl, struct bytes packed);

/* ---- tracked_keys.c: who has read what ---- */

struct tracked_keys;
/* Whether what the client reads now is to be remembered. */
bool tracking_keeps(const struct client *cl);
/* Before a command reads, and after it has. */
void tracking_mark(struct client *cl, const struct command *cmd, const struct bytes *argv, int argc);
void tracking_note(struct client *cl, const struct command *cmd, const struct bytes *argv, int argc);
/* Both at once: the slow lane reads for it, and until its reply is complete nothing is pushed to it. */
void tracking_ahead(struct client *cl, const struct command *cmd, const struct bytes *argv, int argc);
void tracked_add(struct worker *w, uint64_t id, uint32_t session, struct bytes key, uint64_t hash);
void tracked_changed(struct worker *w, const struct change *c);
void tracked_settle(struct worker *w, uint64_t hash); /* takes the mark back that no key needs */
void tracked_clear(struct worker *w);
bool tracked_any(const struct worker *w);
bool tracked_over_limit(struct worker *w);
void tracked_limit(struct worker *w);

/* ---- changes.c; the slow lane has it, too ---- */

/* Notes that a transaction changes the key: it is told when that has been committed. */
void change_note(struct call *c, const struct key_ref *k, bool expired);
void change_gone(struct worker *w, struct bytes key); /* by nobody's command, committed */
void change_read(struct worker *w, const struct client *cl, struct bytes key, uint64_t hash);
void change_relay(struct worker *w, uint32_t session, uint64_t id, struct bytes payload);
/* Takes back what has been noted since: that transaction came to nothing. */
static inline size_t changes_mark(const struct worker *w)
{
    return w->changes.len;
}
static inline void changes_cut(struct worker *w, size_t mark)
{
    w->changes.len = mark;
}
/* Tells what was noted: our clients at once, the others with the turn's messages. Inside a batch. */
void changes_settle(struct worker *w);

#endif
