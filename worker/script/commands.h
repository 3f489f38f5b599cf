/* worker/script/commands.h - the commands of a script: each a step of the script's transaction.
 * Owner     the run.
 * Locks     keys that were not planned are latched on the spot (dispatch/keyplan.h).
 * Crash     see dispatch/script.h.
 * Survives  no.
 * Fails     by run_abandon: the try ends.
 * Tests     tests/regress/sql/eval_*.cmd  tests/isolation/specs/script_*.spec */
#ifndef SKEP_SCRIPT_COMMANDS_H
#define SKEP_SCRIPT_COMMANDS_H

#include "worker/script/engine.h"

/* Its reply stands in r->reply; or it is refused, with the words that are returned. */
const char *run_command(struct run *r, struct bytes *argv, int argc, bool *refused);

#endif
