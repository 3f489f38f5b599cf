/* worker/dispatch/execute.h - from a client's parsed command to its reply: the checks around a call.
 * Owner     the worker.
 * Locks     by the call's plan.
 * Crash     see call.h.
 * Survives  no.
 * Fails     RC_BUSY: not run, try again; RC_DEFER: the slow lane has it.
 * Tests     tests/regress */
#ifndef SKEP_EXECUTE_H
#define SKEP_EXECUTE_H

#include "worker/net/client.h"

/* What is found out ahead, for a batch of commands, so that memory is fetched while others run. */
struct ahead {
    const struct command *cmd; /* NULL: unknown */
    bool is_long;              /* so many bytes or arguments that a worker has no time for them */
    bool located;              /* key holds the place of the command's one key */
    bool same;                 /* located, and the key is the one of the command before in the batch */
    struct key_ref key;
};

/* Three looks ahead, each at memory that the one before has asked for: the command and its key's hash; the
 * key's bucket; its entry. Neighbours in a batch often name the same command, or the same key: what was found for the one
 * holds for the next (rq[-1] and a[-1], unless it is the first). */
void execute_ahead(struct client *cl, const struct request *rq, struct ahead *a, bool first);
/* Forced inline: to gcc a function that only prefetches does nothing, and calls of it may be left out. */
__attribute__((always_inline)) static inline void execute_ahead_bucket(struct ahead *a)
{
    if (UNLIKELY(!a->located))
        return;
    if (a->same) {
        key_locate_same(&a->key, &a[-1].key);
        return;
    }
    key_locate(&a->key);
    key_prefetch_bucket(&a->key);
}
__attribute__((always_inline)) static inline void execute_ahead_entry(const struct ahead *a)
{
    if (LIKELY(a->located && !a->same))
        key_prefetch_entry(&a->key);
}
/* A fourth look, where n commands name members of large collections. */
void execute_ahead_members(const struct client *cl, const struct request *rq, const struct ahead *a,
                           unsigned n);
/* Runs the command and writes its reply into the worker's buffer. */
enum rc execute(struct client *cl, struct request *rq, struct ahead *a);

/* A cheap clock for durations, in its own ticks. */
uint64_t tick_now(void);
uint64_t ticks_to_us(uint64_t ticks);
uint64_t ticks_of_us(uint64_t us);
void tick_calibrate(void);

#endif
