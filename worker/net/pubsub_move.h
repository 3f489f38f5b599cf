/* worker/net/pubsub_move.h - subscribers who change their worker and miss nothing (worker/README.md, "Subscribers who move").
 * Owner     the worker they leave, and the one to which they come.
 * Locks     none of its own.
 * Crash     a subscriber whose old or new worker dies meanwhile is closed: it would have missed something in silence.
 * Survives  no.
 * Fails     never; who cannot be moved in time is closed.
 * Tests     tests/crash/pubsub.py */
#ifndef SKEP_PUBSUB_MOVE_H
#define SKEP_PUBSUB_MOVE_H

#include "worker/net/pubsub.h"

/* ---- the worker that it leaves ---- */

/* Its subscriptions, as they travel in its parcel. */
void moves_pack(const struct client *cl, struct reply *out);
/* Its parcel is ready: what is sent from now on is kept for it here, until its new worker says how far. */
void moves_depart(struct client *cl);
bool moves_owed(const struct worker *w); /* something is kept for somebody */
void moves_give_up(struct worker *w);

/* ---- the worker to which it comes ---- */

/* The client came from this process: it subscribes, and waits (WAIT_ARRIVAL) for what is kept for it there. */
void moves_arrive(struct client *cl, struct bytes packed, uint32_t slot, uint32_t generation);
void moves_forget(struct client *cl); /* it is closed */
/* A message for a client who has left or is arriving. False: it is neither, and gets it at once. */
bool moves_catch(struct client *cl, const struct reply *frame);

/* ---- both ---- */

/* What workers tell each other among the messages, and so in one order with them. */
void moves_note(struct worker *w, const struct message *m);
/* Once a turn, before the post goes. True: it waits for others, soon again. */
bool moves_step(struct worker *w);

#endif
