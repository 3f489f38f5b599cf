/* worker/commands/hash_cmds.h - what the commands of hashes share.
 * Owner     the process that runs the command.
 * Locks     none: dispatch holds the key's latch.
 * Crash     part of the command's transaction.
 * Survives  nothing to survive.
 * Fails     hash_find: RC_BUSY, RC_NOMEM: the handler fails with it.
 * Tests     tests/regress/sql/hash_*.cmd
 *
 * A field whose time is over is hidden from whoever reads. Who writes removes it when it meets it, and has the log told so
 * before its own effect: a replay, for which nothing expires, then meets the same fields. Who gives it a value tells the log that alone. */
#ifndef SKEP_HASH_CMDS_H
#define SKEP_HASH_CMDS_H

#include "shm/types/hash.h"
#include "worker/commands/dict_cmds.h"
#include "worker/dispatch/notify.h"

/* The hash, or what will be one, to be changed. */
void hash_change(struct call *c, struct dict *d);
/* Looks for a field that is to go, or to expire at another time; one that has expired goes first. */
enum rc hash_find(struct call *c, struct dict *d, struct bytes field, struct dict_place *at);
/* After a change: if the key was there and has gone, perhaps with fields that had expired, that is told. */
static inline void hash_changed(struct call *c, struct key_ref *k, bool was_there)
{
    if (was_there && !k->entry)
        call_notify(c, NOTIFY_GENERIC, "del", k);
}

#endif
