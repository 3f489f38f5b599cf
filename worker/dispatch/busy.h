/* worker/dispatch/busy.h - what other processes see of long scripts: for -BUSY, SCRIPT KILL and FUNCTION KILL.
 * Owner     the slots of the lanes (script_*).
 * Locks     none.
 * Crash     words of a slot whose process has died count for nothing.
 * Survives  no.
 * Fails     never.
 * Tests     tests/regress/sql/script_kill.cmd */
#ifndef SKEP_BUSY_H
#define SKEP_BUSY_H

#include "worker/dispatch/call.h"

/* script_kind of a slot. */
#define SCRIPT_IS_EVAL     1u
#define SCRIPT_IS_FUNCTION 2u
#define SCRIPT_HAS_WRITTEN 4u

#define ERR_BUSY_SCRIPT                                                                                      \
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
#define ERR_BUSY_FUNCTION                                                                                    \
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."

/* What script_kill of a slot says to the script that has run since then, and to none that begins later. */
static inline uint32_t busy_mark(uint64_t since_ms)
{
    return (uint32_t)since_ms | 1u;
}

/* How soon a lane will take a request, best first. */
enum lane_load {
    LANE_RESTS,
    LANE_WORKS,   /* what it does takes as long as it takes */
    LANE_SCRIPTS, /* a script, which may take for ever */
    LANE_OVER,    /* a script, for longer than busy-reply-threshold */
};
/* Of who held the latch that was not had last, or stayed inside as the gate was to close, or has it closed (held_by). */
enum lane_load busy_holder(const struct shm_ctx *ctx, const struct shm_config *cfg);
enum lane_load busy_lane(const struct shm_slot *s, const struct shm_config *cfg);

/* SCRIPT KILL (eval) or FUNCTION KILL: ends what runs of this kind, and replies. */
void busy_kill(struct call *c, bool eval);
/* Notes in the process's slot what it runs: the function's name, and the command that called it, cut to what has room. */
void busy_note(struct shm_slot *s, const char *name, const struct bytes *argv, int argc);
/* The function that has been running for longest, as FUNCTION STATS shows it; null: there is none. */
void busy_tell(struct call *c);
/* What a command is told that could not have a latch of a slot, or needs its process: a script has held it for longer
 * than busy-reply-threshold. NULL: it waits on. */
const char *busy_words(const struct shm_ctx *ctx, const struct shm_config *cfg);

#endif
