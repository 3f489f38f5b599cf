/* worker/script/eval.h - scripts as EVAL and SCRIPT LOAD bring them.
 * Owner     the process.
 * Locks     none: see dispatch/script.h.
 * Crash     private memory.
 * Survives  no.
 * Fails     what is wrong with a body is written as an error reply.
 * Tests     tests/regress/sql/eval_flags.cmd */
#ifndef SKEP_SCRIPT_EVAL_H
#define SKEP_SCRIPT_EVAL_H

#include "worker/script/cache.h"

/* The line "#!lua flags=..." if there is one: it is taken from the body. False: the error is written. */
bool shebang_read(struct bytes *body, uint32_t *flags, struct reply *r);
/* Compiles and caches; NULL: the error is written. */
struct script *script_make(struct engines *es, const char *sha, struct bytes body, struct reply *r);
/* Too long to be compiled in a worker. */
bool script_too_long(const struct call *c, size_t n);

#endif
