/* worker/script/sha1.h - SHA-1, by which scripts are named.
 * Owner     nobody: pure functions.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  no state.
 * Fails     never.
 * Tests     tests/regress/sql/eval_basic.cmd */
#ifndef SKEP_SCRIPT_SHA1_H
#define SKEP_SCRIPT_SHA1_H

#include "include/bytes.h"

/* 40 hexadecimal digits, and the end mark. */
void sha1_hex(struct bytes text, char out[41]);

#endif
