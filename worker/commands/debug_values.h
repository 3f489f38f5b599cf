/* worker/commands/debug_values.h - the subcommands of DEBUG that look into values.
 * Owner     the process that runs the command.
 * Locks     the key's latch, or those of one bucket after the other.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     RC_BUSY: the command is run again.
 * Tests     tests/regress/sql/server_debug_values.cmd  tests/compat/types_both.py */
#ifndef SKEP_DEBUG_VALUES_H
#define SKEP_DEBUG_VALUES_H

#include "worker/dispatch/call.h"

/* Latches the key and looks it up, also one that has expired; the caller ends tx. Without a table there is nothing to latch. */
enum rc debug_peek(struct call *c, struct tx *tx, struct key_ref *k, struct bytes key);

command_fn debug_digest, debug_digest_value, debug_htstats_key, debug_listpack, debug_quicklist,
    debug_quicklist_threshold;

#endif
