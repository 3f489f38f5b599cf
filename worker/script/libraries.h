/* worker/script/libraries.h - the libraries as this process knows them.
 * Owner     the process: a copy of what is shared, made anew when the epoch has changed.
 * Locks     none: the copy is made without a latch (shm/library.h).
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     NULL: call_fail has been said, RC_BUSY.
 * Tests     tests/regress/sql/function_*.cmd  tests/isolation/specs/functions.spec */
#ifndef SKEP_LIBRARIES_H
#define SKEP_LIBRARIES_H

#include "worker/dispatch/call.h"
#include "worker/script/library_load.h"

/* As of now; good until the next call. */
const struct library_copy *libraries_here(struct call *c);
enum load_patience libraries_patience(const struct call *c);
/* One from a file, by a loader: RC_INVALID with a sentence. merge: one of the same name gives way. */
enum rc libraries_load(struct shm_ctx *ctx, struct bytes code, bool merge, char error[LIBRARY_ERROR]);

#endif
