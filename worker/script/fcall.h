/* worker/script/fcall.h - the functions of the libraries as this process has compiled them.
 * Owner     the process.
 * Locks     none: see dispatch/script.h.
 * Crash     private memory.
 * Survives  no; the state may be thrown away under them, then a library is compiled again.
 * Fails     what is wrong is written as an error reply.
 * Tests     tests/regress/sql/function_call.cmd  tests/isolation/specs/functions.spec */
#ifndef SKEP_SCRIPT_FCALL_H
#define SKEP_SCRIPT_FCALL_H

#include "worker/script/engine.h"

/* The second engine: a state of its own, so that scripts and functions see nothing of each other. */
void functions_engine(struct engines *es);

#endif
