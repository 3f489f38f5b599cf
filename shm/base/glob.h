/* shm/base/glob.h - the patterns of KEYS, SCAN MATCH, CONFIG GET and PSUBSCRIBE.
 * Owner     nobody: pure functions.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     never; a malformed pattern has a meaning (an open class ends with the pattern).
 * Tests     tests/unit/test_glob.c  tests/fuzz/fuzz_glob.c */
#ifndef SKEP_GLOB_H
#define SKEP_GLOB_H

#include "include/bytes.h"

/* '*' any run, '?' one byte, [a-z] and [^a-z] classes, '\' takes the next byte literally. nocase folds ASCII.
 * The time is at most the product of the two lengths, however many stars there are. */
bool glob_match(struct bytes pattern, struct bytes text, bool nocase);

#endif
