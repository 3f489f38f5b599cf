/* shm/base/give_way.h - leaves the CPU to others for a moment, where that is cheaper than to sleep.
 * Owner     each process has its own state.
 * Locks     none; and the caller holds none.
 * Crash     nothing is changed.
 * Survives  nothing.
 * Fails     never.
 * Tests     tests/crash/persist.py */
#ifndef SKEP_GIVE_WAY_H
#define SKEP_GIVE_WAY_H

#include "shm/base/clock.h"

#include <sched.h>
#include <stdbool.h>

#define GIVE_WAY_LONG_US 1000 /* beside somebody who computes the kernel lets him have a whole slice: then */
#define GIVE_WAY_REST_US                                                                                     \
    (100 * 1000) /* there is nobody who would be done in a moment, and for a while none is looked for */

struct give_way {
    int64_t not_before_us;
};

static inline bool may_give_way(const struct give_way *g, int64_t now_us)
{
    return now_us >= g->not_before_us;
}

static inline void give_way(struct give_way *g)
{
    int64_t from = mono_us();
    sched_yield();
    int64_t now = mono_us();
    if (now - from > GIVE_WAY_LONG_US)
        g->not_before_us = now + GIVE_WAY_REST_US;
}

#endif
