/* worker/dispatch/lane.h - a command on its way to the slow lane.
 * Owner     the block goes with a MAIL_RUN.
 * Locks     none.
 * Crash     a request whose lane dies while it runs it is answered with an error by its worker.
 * Survives  what lies in the ring: another lane runs it, or the replacement.
 * Fails     see lane_send.
 * Tests     tests/regress  tests/crash/lane.py */
#ifndef SKEP_LANE_H
#define SKEP_LANE_H

#include "shm/session.h"

#define LANE_CHUNK   (64u << 10) /* a reply comes back in pieces of this size */
#define LANE_STARVED 3u          /* a last piece, too */
#define LANE_AGAIN   5u          /* likewise */
#define LANE_WINDOW  8u          /* pieces on their way to one client at most */

#define LANE_REQUEST_ONCE (256u << 10) /* a longer request comes in pieces */

/* MAIL_RUN: this head, argc lengths (uint64_t), then the arguments' bytes.
 * MAIL_CHUNK: x the serial, y the session's id, spare its index, arg 1: the last piece; LANE_STARVED: there will
 *   be no more, since the arena is full; LANE_AGAIN: nothing was done, another lane is to do it, but
 *   for what EXEC has run before its transaction (multi_pack_outcomes).
 * MAIL_LONG: this head, argc 0, and the length: as many bytes as a client sent, which the lane parses itself.
 * MAIL_PIECE: x the serial, the next of those bytes.
 * MAIL_ACK: x the serial, arg how many pieces were taken, 0: nobody wants the rest. */
struct lane_request {
    uint64_t serial, session_id;
    uint32_t session, argc;
};

struct lane_long {
    struct lane_request head;
    uint64_t bytes;
};

/* A request may have to wait in a ring for long. So it is its worker's until the lane takes it, and his who changes
 * lane_ticket first:
 *   the request's serial   it waits;
 *   a lane's mark          that one runs it, or has run it;
 *   recalled               likewise, but if it is a script it is to come back (LANE_AGAIN): its worker is to end;
 *   0                      it was withdrawn.
 * A lane drops what it has found in a ring and cannot take. */
static inline uint64_t lane_mark(uint32_t generation)
{
    return ~(uint64_t)generation; /* serials are between 1 << 40 and 1 << 63 */
}
static inline uint64_t lane_recalled(uint64_t serial)
{
    return ~serial;
}

/* False: somebody else was first. */
static inline bool lane_ticket_change(struct shm_session *s, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&s->lane_ticket, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline bool lane_take(struct shm_session *s, const struct lane_request *rq, uint32_t generation)
{
    return __atomic_load_n(&s->id, __ATOMIC_ACQUIRE) == rq->session_id &&
           lane_ticket_change(s, rq->serial, lane_mark(generation));
}

#endif
