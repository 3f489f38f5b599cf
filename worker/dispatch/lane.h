/* worker/dispatch/lane.h - a command on its way to the slow lane.
 * Owner     the block goes with a MAIL_RUN.
 * Locks     none.
 * Crash     a request whose lane dies is answered with an error by its worker.
 * Survives  what lies in the ring is run by the lane's replacement, and its reply dropped.
 * Fails     see lane_send.
 * Tests     tests/regress  tests/crash/lane.py */
#ifndef SKEP_LANE_H
#define SKEP_LANE_H

#include <stdint.h>

#define LANE_CHUNK   (64u << 10) /* a reply comes back in pieces of this size */
#define LANE_STARVED 3u          /* a last piece, too */
#define LANE_WINDOW  8u          /* pieces on their way to one client at most */

#define LANE_REQUEST_ONCE (256u << 10) /* a longer request comes in pieces */

/* MAIL_RUN: this head, argc lengths (uint64_t), then the arguments' bytes.
 * MAIL_CHUNK: x the serial, y the session's id, spare its index, arg 1: the last piece; LANE_STARVED: there will
 *   be no more, since the arena is full.
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

#endif
