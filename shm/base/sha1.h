/* shm/base/sha1.h - SHA-1, where its digests are part of what others expect (DEBUG DIGEST); not for anything secret.
 * Owner     none: a pure function.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  no.
 * Fails     never.
 * Tests     tests/unit/test_sha1.c */
#ifndef SKEP_SHA1_H
#define SKEP_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_BYTES 20

void sha1(const void *p, size_t n, uint8_t out[SHA1_BYTES]);

#endif
