/* tests/unit/sound.h - what can be asked of any arena.
 * Owner     the test process.
 * Locks     none: nothing else may go on.
 * Crash     nothing to lose.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     those that include it */
#ifndef SKEP_TEST_SOUND_H
#define SKEP_TEST_SOUND_H

#include "shm/repair.h"

static inline void arena_sound(void)
{
    char why[4096];
    unsigned faults = arena_check(why, sizeof(why));
    CHECKF(!faults, "%u faults:\n%s", faults, why);
}

/* How many units, one behind the other, the system stands behind. */
static inline unsigned present_from(uint64_t u)
{
    const uint64_t *present = shm_at(arena_root()->unit_present);
    unsigned n = 0;
    for (; u < arena_root()->nunits && present[u / 64] >> u % 64 & 1; u++)
        n++;
    return n;
}

#endif
