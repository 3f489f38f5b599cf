/* worker/net/post.h - what goes to other processes at the end of a turn, beside messages: changes of tracked keys.
 * Owner     the worker or the slow lane whose turn it is.
 * Locks     none of its own.
 * Crash     what was not sent is lost; the death raises the epoch of shm/track.h.
 * Survives  no.
 * Fails     never; where something cannot be kept any longer, all are told to drop what they keep.
 * Tests     tests/isolation/specs/tracking_*.spec  tests/crash/tracking.py */
#ifndef SKEP_POST_H
#define SKEP_POST_H

#include "worker/net/pubsub.h"

struct change;

/* For the processes in the set to; not for ourselves. */
void post_change(struct worker *w, const uint64_t to[SLOT_WORDS], const struct change *c);
/* Bytes for a client of another worker, which tracking_relay gives to it there. */
void post_relay(struct worker *w, uint32_t session, uint64_t id, struct bytes payload);

#endif
