/* worker/commands/set_args.h - what the handlers of set commands share.
 * Owner     the process that runs the command.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     false: the error has been written, the handler returns.
 * Tests     tests/regress */
#ifndef SKEP_SET_ARGS_H
#define SKEP_SET_ARGS_H

#include "shm/types/set.h"
#include "worker/commands/dict_cmds.h"

static inline struct set_limits set_limits(const struct call *c)
{
    return (struct set_limits){c->cfg->set_max_intset_entries, c->cfg->set_max_listpack_entries,
                               c->cfg->set_max_listpack_value};
}

#endif
