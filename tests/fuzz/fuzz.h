/* tests/fuzz/fuzz.h - what all fuzzers are told: NAME [--seconds N] [--seed S] [--rounds R].
 * Owner     the test process.
 * Locks     none.
 * Crash     the seed has been printed: it gives the same inputs again.
 * Survives  no.
 * Fails     ends the process when it is told something else.
 * Tests     those that include it */
#ifndef SKEP_TEST_FUZZ_H
#define SKEP_TEST_FUZZ_H

#include "shm/base/clock.h"
#include "tests/lib/chance.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    uint64_t seed, rounds;
    int64_t end_ms;
} fuzz;

static inline void fuzz_begin(int argc, char **argv, const char *name)
{
    double seconds = 5;
    fuzz.seed = (uint64_t)wall_ms() ^ (uint64_t)getpid() << 32;
    fuzz.rounds = UINT64_MAX;
    for (int i = 1; i < argc; i += 2) {
        bool valued = i + 1 < argc;
        if (valued && strcmp(argv[i], "--seconds") == 0) {
            seconds = atof(argv[i + 1]);
        } else if (valued && strcmp(argv[i], "--seed") == 0) {
            fuzz.seed = strtoull(argv[i + 1], NULL, 10);
        } else if (valued && strcmp(argv[i], "--rounds") == 0) {
            fuzz.rounds = strtoull(argv[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "usage: %s [--seconds N] [--seed S] [--rounds R]\n", name);
            exit(2);
        }
    }
    printf("%s --seed %llu\n", name, (unsigned long long)fuzz.seed);
    fflush(stdout); /* a crash must not take the seed with it */
    chance_state = fuzz.seed * 0x9e3779b97f4a7c15ull | 1;
    fuzz.end_ms = mono_ms() + (int64_t)(seconds * 1000);
}

/* Is there time for this round, the first being 0? The clock is looked at now and then. */
static inline bool fuzz_goes_on(uint64_t round)
{
    return round < fuzz.rounds && ((round & 63) || mono_ms() < fuzz.end_ms);
}

#endif
