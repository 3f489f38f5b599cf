/* master/privileges.h - run-as: what root needs is done first, then the server becomes another user.
 * Owner     the master, once, before the first fork: the children are what it is.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  yes: an upgrade goes on as the user that it finds itself to be.
 * Fails     an unknown user, or one that only root could become, is refused before anything is started.
 * Tests     tests/regress/start.py */
#ifndef SKEP_PRIVILEGES_H
#define SKEP_PRIVILEGES_H

#include "include/rc.h"

#include <stddef.h>

struct privileges {
    unsigned user, group;
    char name[64]; /* "" when nothing is to be changed */
};

/* "user" or "user:group"; "" changes nothing. */
enum rc privileges_find(const char *run_as, struct privileges *p, char *why, size_t why_bytes);
enum rc privileges_drop(const struct privileges *p, char *why, size_t why_bytes);

#endif
