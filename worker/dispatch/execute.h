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
    bool located;              /* key holds the first key's place */
    struct key_ref key;
};

/* Looks the command up and, when its first key's place can be told, asks for the bucket's memory. */
void execute_ahead(struct client *cl, const struct request *rq, struct ahead *a);
static inline void execute_ahead_entry(const struct ahead *a)
{
    if (!a->located)
        return;
    uint64_t want = a->key.tag << 1;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t w = __atomic_load_n(&a->key.bucket->slot[i], __ATOMIC_RELAXED);
        if (w >> 38 == want && w) {
            const char *e = shm_at(SLOT_REF(w));
            __builtin_prefetch(e);
            __builtin_prefetch(e + 64);
            return;
        }
    }
}
/* Runs the command and writes its reply into the worker's buffer. */
enum rc execute(struct client *cl, struct request *rq, struct ahead *a);

/* A cheap clock for durations, in its own ticks. */
uint64_t tick_now(void);
uint64_t ticks_to_us(uint64_t ticks);
void tick_calibrate(void);

#endif
