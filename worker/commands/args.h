/* worker/commands/args.h - numbers among a command's arguments, with Redis's errors when they are none.
 * Owner     the process that runs the command.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     false: the error has been written, the handler returns.
 * Tests     tests/regress */
#ifndef SKEP_ARGS_H
#define SKEP_ARGS_H

#include <limits.h>

#include "shm/base/number.h"
#include "worker/dispatch/call.h"

static inline bool arg_int64(struct call *c, int i, int64_t *v)
{
    if (LIKELY(number_to_int64(c->argv[i], v)))
        return true;
    reply_error(c->reply, ERR_NOT_INT);
    return false;
}

/* The error that an argument deserves which should be an int, NULL if it is one. */
static inline const char *arg_int_error(struct bytes b, int64_t *v)
{
    if (!number_to_int64(b, v))
        return ERR_NOT_INT;
    if (*v < INT_MIN || *v > INT_MAX)
        return "ERR value is out of range, value must between -2147483648 and 2147483647";
    return NULL;
}

#define ERR_DB_RANGE "ERR DB index is out of range"
#define ERR_SAME_KEY "ERR source and destination objects are the same"

#endif
