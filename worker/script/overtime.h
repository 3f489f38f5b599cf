/* worker/script/overtime.h - long scripts: who runs one since when, and how it is ended.
 * Owner     the lane that runs it: the words of its slot; another process only sets script_kill.
 * Locks     none.
 * Crash     a slot's words of a dead process count for nothing, and its successor clears them.
 * Survives  no.
 * Fails     by run_abandon.
 * Tests     tests/regress/sql/script_kill.cmd  tests/crash/scripts.py */
#ifndef SKEP_SCRIPT_OVERTIME_H
#define SKEP_SCRIPT_OVERTIME_H

#include "worker/script/engine.h"

void overtime_begin(struct run *r);
void overtime_end(struct run *r);
void overtime_look(struct run *r, lua_State *L); /* now and then */
void overtime_wrote(struct run *r);              /* before the first command that may write */

#endif
