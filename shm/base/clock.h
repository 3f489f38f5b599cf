/* shm/base/clock.h - what time it is, in the units that this program counts in.
 * Owner     nobody: pure functions.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  the monotonic clock is the host's: processes may compare what they have read from it.
 * Fails     never.
 * Tests     tests/regress/sql/generic_expire.cmd  tests/regress/sql/server_lolwut_time.cmd */
#ifndef SKEP_CLOCK_H
#define SKEP_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* For how long something takes: never set back. */
static inline int64_t mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static inline int64_t mono_ms(void)
{
    return mono_us() / 1000;
}

/* The moment in so many ms: not sooner, though mono_ms() leaves out what has begun of a millisecond. INT64_MAX: never. */
static inline int64_t mono_in(int64_t ms)
{
    int64_t now = mono_ms() + 1;
    return ms < INT64_MAX - now ? now + ms : INT64_MAX;
}

/* For what is told to people, and for expiry: since 1970. */
static inline int64_t wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

#endif
