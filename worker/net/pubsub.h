/* worker/net/pubsub.h - subscriptions of this worker's clients, and messages between workers.
 * Owner     the worker; what others must know of it is in shm/pubsub.h.
 * Locks     none of its own.
 * Crash     subscriptions end with their worker, and so do their clients.
 * Survives  a handover: net/pubsub_move.h.
 * Fails     clients whose subscription cannot be registered, or who would miss a message, are closed.
 * Tests     tests/regress/sql/pubsub_*.cmd  tests/isolation/specs/pubsub_*.spec  tests/crash/pubsub.py */
#ifndef SKEP_PUBSUB_H
#define SKEP_PUBSUB_H

#include "shm/pubsub.h"
#include "worker/net/client.h"

struct message {
    enum topic_kind kind; /* TOPIC_CHANNEL also reaches those whose pattern matches; TOPIC_SHARD does not */
    uint64_t hash;        /* of the channel's name */
    struct bytes channel, text;
    bool late; /* caused by our running client, behind its reply */
};

/* ---- pubsub.c: private until pubsub_sync ---- */

bool pubsub_subscribe(struct client *cl, enum topic_kind kind, struct bytes name); /* true: it is new */
bool pubsub_unsubscribe(struct client *cl, enum topic_kind kind, struct bytes name);
/* Some subscription of that kind; false: there is none. The name is good until it ends. */
bool pubsub_any(const struct client *cl, enum topic_kind kind, struct bytes *name);
void pubsub_forget(struct client *cl); /* all of its subscriptions end */
/* What a reply to SUBSCRIBE counts: channels and patterns, or shard channels. */
uint32_t pubsub_count(const struct client *cl, enum topic_kind kind);
void pubsub_each(const struct client *cl, void (*fn)(void *arg, enum topic_kind kind, struct bytes name),
                 void *arg);
void pubsub_pass(struct client *from, struct client *to); /* all of its subscriptions are the other one's */
void pubsub_count_in(struct client *cl);                  /* who was arriving is counted here from now on */
/* How many of our clients get a message; *any: it concerns somebody here. And giving it to them. */
uint64_t pubsub_local(const struct worker *w, const struct message *m, bool *any);
void pubsub_deliver(struct worker *w, const struct message *m);
/* The registry learns what has changed, before the replies of the turn go out. False: a part of it must wait. */
bool pubsub_sync(struct worker *w);
bool pubsub_waits(const struct worker *w); /* something is to be told */

/* ---- post.c; the slow lane has it, too ---- */

/* Notes a message for all who subscribe; inside a batch. Answers how many those are. */
uint64_t post_message(struct worker *w, const struct message *m);
/* Takes back what has been noted since: it was told of a change that was not made. */
size_t post_mark(const struct worker *w);
void post_cut(struct worker *w, size_t mark);
/* What has been noted goes with the transaction, as its last step before the commit: in the order of the changes, whoever
 * makes them, and whether we die or not. Nothing goes that was noted before since, unless something was noted behind it.
 * RC_BUSY: all of it is still noted, and the transaction is to be taken back. */
enum rc post_with(struct worker *w, struct tx *tx, size_t since);
/* Something is to be sent, or was sent and nobody has been woken for it. */
bool post_waits(const struct worker *w);
/* What another process is told in one order with the messages, and what it is: beyond the kinds of topics. */
enum { POST_MARK = TOPIC_KINDS, POST_FRAMES };
void post_told(struct worker *w, const struct message *m, const uint32_t *to, unsigned n);
/* Odd: the process has noted something that it has not sent, or is about to. */
static inline uint64_t post_turn(const struct shm_slot *s)
{
    return __atomic_load_n(&s->post_turn, __ATOMIC_ACQUIRE);
}
/* Sends what was noted, wakes who has letters, and gives our own clients theirs. False: it must wait, and nothing has gone. */
bool post_send(struct worker *w);
void post_receive(struct worker *w); /* our inbox, if there is something in it */
/* Before replies go out: registry, post, inbox. False: something waits for others or for memory. */
bool post_all(struct worker *w);

#endif
