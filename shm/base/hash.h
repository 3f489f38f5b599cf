/* shm/base/hash.h - the keyed hash of key names (SipHash-1-3), so that nobody can aim at one bucket.
 * Owner     nobody: a function of its arguments.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  the seed lies in the root page.
 * Fails     never.
 * Tests     tests/unit/test_hash.c */
#ifndef SKEP_HASH_H
#define SKEP_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash13(const uint64_t seed[2], const void *p, size_t n);

#endif
