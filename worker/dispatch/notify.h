/* worker/dispatch/notify.h - keyspace events: what happens to keys, told to subscribers (notify-keyspace-events).
 * Owner     the process that runs the command.
 * Locks     none.
 * Crash     events of a change go with its commit; those of a miss are lost with their process, as the replies are.
 * Survives  no.
 * Fails     never; events of a command that comes to nothing are taken back with it.
 * Tests     tests/regress/sql/pubsub_events*.cmd  tests/crash/events.py */
#ifndef SKEP_NOTIFY_H
#define SKEP_NOTIFY_H

#include "shm/config.h"
#include "worker/dispatch/call.h"

void notify_event(struct worker *w, int class, const char *event, struct bytes key, uint32_t db);
void notify_born(struct call *c, struct key_ref *k); /* the key is new, if it is */
void notify_key(struct call *c, int class, const char *event, struct key_ref *k);

/* In a handler, after the change and in the order of Redis. class is one of NOTIFY_*; that the key is new is told by
 * itself before it. The event goes out when the command's transaction has been committed. */
static inline void call_notify(struct call *c, int class, const char *event, struct key_ref *k)
{
    if (UNLIKELY(c->cfg->notify_flags) && !c->loading)
        notify_key(c, class, event, k);
}

/* Told to the client itself before its reply, although that has been written: see push_around in execute.c. */
void notify_first(struct call *c, int class, const char *event, struct key_ref *k);
static inline void call_notify_first(struct call *c, int class, const char *event, struct key_ref *k)
{
    if (UNLIKELY(c->cfg->notify_flags) && !c->loading)
        notify_first(c, class, event, k);
}
/* Of a change that may have taken the key's last element along with the key. */
static inline void call_notify_taken(struct call *c, int class, const char *event, struct key_ref *k)
{
    call_notify(c, class, event, k);
    if (!k->entry)
        call_notify(c, NOTIFY_GENERIC, "del", k);
}
/* A command that writes has looked for a key in order to read it, and there was none. (Of those that only read,
 * dispatch tells it.) */
static inline void call_missed(struct call *c, struct key_ref *k)
{
    if (!k->entry)
        call_notify(c, NOTIFY_KEY_MISS, "keymiss", k);
}

#endif
