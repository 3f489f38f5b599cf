/* worker/lane_intake.h - long requests on their way into the slow lane, piece by piece.
 * Owner     the slow lane.
 * Locks     none.
 * Crash     private memory, gone with the lane: the worker answers with an error.
 * Survives  no.
 * Fails     pieces of a request that is not known any more are dropped.
 * Tests     tests/crash/long_requests.py  tests/bench/big_values.py */
#ifndef SKEP_LANE_INTAKE_H
#define SKEP_LANE_INTAKE_H

#include "shm/mail.h"
#include "worker/dispatch/lane.h"

struct intake {
    struct lane_request head;
    uint32_t slot, generation; /* of the worker that sends it */
    char *buf;
    size_t len, total, cap;
    struct intake *next;
};

/* A MAIL_LONG: a request begins. */
void intake_begin(struct intake **list, uint32_t from, const struct mail *m);
/* Copies a MAIL_PIECE to where it belongs. The piece counts when it has left the ring, not before: it would be seen
 * again. NULL: nobody wants it. */
struct intake *intake_copy(struct intake *list, uint32_t from, const struct mail *m);
/* The request is complete: it is the caller's now. */
bool intake_take(struct intake **list, struct intake *in);
void intake_free(struct intake *in);
/* The client has gone; the workers that have. */
void intake_cancel(struct intake **list, uint32_t from, uint64_t serial);
void intake_forget_dead(struct intake **list);

#endif
