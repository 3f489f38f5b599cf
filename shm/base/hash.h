/* shm/base/hash.h - the keyed hash of key names (SipHash-1-3), so that nobody can aim at one bucket.
 * Owner     nobody: a function of its arguments.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  the seed lies in the root page.
 * Fails     never.
 * Tests     tests/unit/test_hash.c */
#ifndef SKEP_HASH_H
#define SKEP_HASH_H

#include "include/bytes.h"

uint64_t siphash13(const uint64_t seed[2], const void *p, size_t n);
/* siphash13 of what may have been hashed already: hash_keep remembers some of the latest, which are short, for this thread. It is
 * compared as a whole, so what is remembered is only time. */
uint64_t hash_known(const uint64_t seed[2], struct bytes b);
uint64_t hash_keep(const uint64_t seed[2], struct bytes b);

#endif
