/* worker/script/library_run.h - runs a library's source in a Lua state, where it registers its functions.
 * Owner     the state's.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     RC_INVALID with a sentence.
 * Tests     tests/regress/sql/function_register.cmd */
#ifndef SKEP_LIBRARY_RUN_H
#define SKEP_LIBRARY_RUN_H

#include "shm/library.h"
#include "worker/script/lua_base.h"
#include "worker/script/library_load.h"

struct library_run {
    struct library_pack functions;
    uint32_t n;
};
/* With a limit of time (library_make); RC_DEFER as well. */
enum rc library_load(lua_State *L, struct bytes body, enum load_patience how, struct library_run *run,
                     char error[LIBRARY_ERROR]);
/* What it registers is packed into run; a table of the functions, by their names, is left on the stack if all is well. */
enum rc library_run(lua_State *L, struct bytes body, struct library_run *run, char error[LIBRARY_ERROR]);

#endif
