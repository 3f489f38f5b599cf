/* tests/crash/pubsub_ops.h - operations on the registry of subscriptions and on inboxes that the crash tests interrupt.
 * Owner     the test process.
 * Locks     as the operations take them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_PUBSUB_OPS_H
#define SKEP_TEST_PUBSUB_OPS_H

#include "tests/crash/crash_ops.h"

void pubsub_ready(struct shm_ctx *ctx);     /* another slot has topics and letters */
void pubsub_registers(struct shm_ctx *ctx); /* topics come and go, at the ends of a chain and in its middle */
void pubsub_sends(struct shm_ctx *ctx);     /* letters for one slot, and for two at once */
void pubsub_takes(struct shm_ctx *ctx);     /* more letters than one transaction takes */
void pubsub_adopts(struct shm_ctx *ctx);    /* what the slot's last process has left goes */
void pubsub_tells(struct shm_ctx *ctx);     /* keys change, with letters that tell of it */
/* What others than the victim have registered, and what waits in their inboxes; the victim's own counts for nothing when it is
 * dead, and goes when its slot is adopted. Ends the test if the names are counted wrongly. */
uint64_t pubsub_digest(void);

#endif
