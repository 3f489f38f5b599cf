/* worker/script/lua_base.h - a Lua 5.4 state in which scripts written for Redis's Lua 5.1 run, and stay.
 * Owner     the process that made it; one thread.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     script_state_new: NULL without memory. Beyond its limit a script gets an error that pcall can catch.
 * Tests     tests/unit/test_lua.c  tests/compat/lua_both.py  tests/fuzz/fuzz_lua.c */
#ifndef SKEP_SCRIPT_LUA_BASE_H
#define SKEP_SCRIPT_LUA_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>
#include <lauxlib.h>

/* All numbers are floats: whoever hands one to a script uses lua_pushnumber, never lua_pushinteger, since an
 * integer would divide, overflow and compare as 5.1's do not. Text and table keys need no care.
 *
 * The globals, and every table reached from them, are views: an empty table in front of the real one. So
 * lua_getglobal works, and lua_setglobal raises; script_set_global writes to the real one. */

/* limit_bytes: what the state may come to; 0: no limit. */
lua_State *script_state_new(size_t limit_bytes);
void script_state_free(lua_State *L);
size_t script_state_bytes(const lua_State *L);

/* Before each run: the collector runs, the libraries' options are at their defaults. */
void script_state_begin(lua_State *L);

/* Once in a process: where math.random begins, as if a script had called math.randomseed. Otherwise it begins where
 * Redis does, in every process: what scripts draw in two of them would be the same. */
void script_random_start(uint32_t seed);

/* Pushes the function and returns LUA_OK, or pushes the message. The name is as in luaL_loadbuffer. */
int script_compile(lua_State *L, const char *name, const char *body, size_t len);

/* Pops a value and makes it a global. */
void script_set_global(lua_State *L, const char *name);

/* Pops a table and pushes what a script may see of it: it reads as the table, and refuses to be changed. */
void script_protect(lua_State *L);

#endif
