/* worker/commands/scan.h - the arguments that SCAN, HSCAN, SSCAN and ZSCAN share.
 * Owner     the process that runs the command.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     false: the error has been written, the handler returns.
 * Tests     tests/regress */
#ifndef SKEP_SCAN_H
#define SKEP_SCAN_H

#include "worker/dispatch/call.h"

struct scan_args {
    int64_t count;
    struct bytes pattern; /* p NULL: every item */
    bool names_only;      /* NOVALUES, which HSCAN alone has */
};
bool scan_cursor(struct call *c, int i, uint64_t *cursor);
/* MATCH and COUNT, from this argument on. */
bool scan_args(struct call *c, int from, struct scan_args *o);

#endif
