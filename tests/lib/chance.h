/* tests/lib/chance.h - numbers as if by chance, the same in every run unless the test says another seed.
 * Owner     the test process.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  no.
 * Fails     never.
 * Tests     those that include it */
#ifndef SKEP_TEST_CHANCE_H
#define SKEP_TEST_CHANCE_H

#include <stdint.h>

static uint64_t chance_state = 88172645463325252ull; /* anything but 0 */

static inline uint64_t chance(uint64_t below)
{
    chance_state ^= chance_state << 13; /* xorshift64 */
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (chance_state >> 11) % below;
}

#endif
