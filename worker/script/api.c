/* The table redis, as scripts know it. */
#include "worker/script/engine.h"
#include "include/version.h"
#include "shm/base/log.h"
#include "shm/base/number.h"
#include "shm/config.h"
#include "worker/dispatch/script.h"
#include "worker/script/commands.h"
#include "worker/script/lua_lib.h"
#include "worker/script/overtime.h"
#include "worker/script/sha1.h"
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct run *running(void)
{
    struct engines *es = self_worker->engines;
    return es->running ? &es->run : NULL;
}

static void push_words(lua_State *L, const char *words)
{
    push_error(L, words, strlen(words));
}

/* ---- call, pcall ---- */

/* Every argument becomes text where it stands, so that the bytes live as long as the stack's place. */
static bool argument(lua_State *L, int i, struct bytes *out)
{
    if (lua_type(L, i) == LUA_TNUMBER) {
        char text[64];
        lua_Number v = lua_tonumber(L, i);
        size_t n = v == (lua_Number)(int64_t)(v > -1e15 && v < 1e15 ? v : 0.5)
                       ? number_from_int64(text, (int64_t)v)
                       : (size_t)snprintf(text, sizeof(text), "%.17g", v);
        lua_pushlstring(L, text, n);
        lua_replace(L, i);
    } else if (lua_type(L, i) != LUA_TSTRING) {
        return false;
    }
    out->p = lua_tolstring(L, i, &out->n);
    return true;
}

static bool arguments(lua_State *L, struct run *r, int n)
{
    if (n > r->argv_cap) {
        r->argv_cap = n + 16;
        r->argv = realloc(r->argv, (size_t)r->argv_cap * sizeof(*r->argv));
        CHECK(r->argv);
    }
    for (int i = 0; i < n; i++)
        if (!argument(L, i + 1, &r->argv[i])) {
            push_words(L, "Lua redis lib command arguments must be strings or integers");
            return false;
        }
    return true;
}

static int command(lua_State *L, bool raises)
{
    struct run *r = running();
    int n = lua_gettop(L);
    if (!r)
        return luaL_error(L, "redis.%s can only be called inside a script invocation",
                          raises ? "call" : "pcall");
    if (!n) {
        push_words(L, "Please specify at least one argument for this redis lib call");
        return raises ? lua_error(L) : 1;
    }
    if (!arguments(L, r, n))
        return raises ? lua_error(L) : 1;
    bool refused = false;
    const char *why = run_command(r, r->argv, n, &refused);
    if (refused) {
        push_words(L, why);
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "ignore_error_stats_update");
        return raises ? lua_error(L) : 1;
    }
    push_reply(L, r->reply.buf, r->reply.len);
    return raises && r->reply.buf[0] == '-' ? lua_error(L) : 1;
}

static int api_call(lua_State *L)
{
    return command(L, true);
}
static int api_pcall(lua_State *L)
{
    return command(L, false);
}

/* ---- replies made by hand ---- */

static bool one_string(lua_State *L)
{
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING)
        return true;
    push_words(L, "wrong number or type of arguments");
    return false;
}

static int api_error_reply(lua_State *L)
{
    if (!one_string(L))
        return 1;
    const char *text = lua_tostring(L, 1);
    if (*text != '-')
        text = lua_pushfstring(L, "-%s", text);
    push_error(L, text, strlen(text));
    return 1;
}

static int api_status_reply(lua_State *L)
{
    if (!one_string(L))
        return 1;
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
}

/* ---- others ---- */

static int raise(lua_State *L, const char *words)
{
    push_words(L, words);
    return lua_error(L);
}

static int api_sha1hex(lua_State *L)
{
    char hex[41];
    struct bytes b;
    if (lua_gettop(L) != 1)
        return raise(L, "wrong number of arguments");
    b.p = lua_tolstring(L, 1, &b.n);
    lib_work(L, b.p ? b.n : 0);
    sha1_hex(b.p ? b : (struct bytes){"", 0}, hex);
    lua_pushlstring(L, hex, 40);
    return 1;
}

static int api_setresp(lua_State *L)
{
    struct run *r = running();
    if (lua_gettop(L) != 1)
        return raise(L, "redis.setresp() requires one argument.");
    lua_Number v = lua_tonumber(L, 1);
    if (v != 2 && v != 3)
        return raise(L, "RESP version must be 2 or 3.");
    if (r)
        r->resp = (uint8_t)v;
    return 0;
}

/* Only effects are logged, all of them: there is nothing to choose, but for scripts that choose a wrong number. */
static int api_set_repl(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return raise(L, "redis.set_repl() requires two arguments.");
    lua_Number v = lua_tonumber(L, 1);
    if (v != (lua_Number)(int)(v >= -1 && v <= 4 ? v : -1) || v < 0 || v > 3)
        return raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    return 0;
}

static int api_replicate_commands(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int api_breakpoint(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

static int api_debug(lua_State *L)
{
    (void)L;
    return 0;
}

static int api_log(lua_State *L)
{
    static const enum log_level level[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE,
                                           LOG_LEVEL_WARNING};
    int n = lua_gettop(L);
    if (n < 2)
        return raise(L, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1))
        return raise(L, "First argument must be a number (log level).");
    lua_Number at = lua_tonumber(L, 1);
    if (!(at >= 0 && at < 4))
        return raise(L, "Invalid debug level.");
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 2; i <= n; i++) {
        if (!lua_isstring(L, i))
            continue;
        if (i > 2)
            luaL_addchar(&b, ' ');
        lua_pushvalue(L, i);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    log_line(level[(int)at], "%s", lua_tostring(L, -1));
    return 0;
}

/* There is one user, who may do anything. */
static int api_acl_check_cmd(lua_State *L)
{
    int n = lua_gettop(L);
    struct run *r = running();
    if (!n)
        return raise(L, "Please specify at least one argument for this redis lib call");
    if (!r)
        return raise(L, "redis.acl_check_cmd can only be called inside a script invocation");
    if (!arguments(L, r, n))
        return lua_error(L);
    const struct command *cmd = command_find(r->argv[0]);
    cmd = cmd ? command_row(cmd, r->argv, n) : NULL;
    if (!cmd)
        return raise(L, "Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(L, 1);
    return 1;
}

static const luaL_Reg functions[] = {
    {"call", api_call},
    {"pcall", api_pcall},
    {"log", api_log},
    {"setresp", api_setresp},
    {"error_reply", api_error_reply},
    {"status_reply", api_status_reply},
    {"sha1hex", api_sha1hex},
    {"set_repl", api_set_repl},
    {"acl_check_cmd", api_acl_check_cmd},
    {NULL, NULL},
};

static const luaL_Reg eval_only[] = {
    {"replicate_commands", api_replicate_commands},
    {"breakpoint", api_breakpoint},
    {"debug", api_debug},
    {NULL, NULL},
};

static const struct {
    const char *name;
    int value;
} numbers[] = {
    {"LOG_DEBUG", 0}, {"LOG_VERBOSE", 1}, {"LOG_NOTICE", 2},   {"LOG_WARNING", 3}, {"REPL_NONE", 0},
    {"REPL_AOF", 1},  {"REPL_SLAVE", 2},  {"REPL_REPLICA", 2}, {"REPL_ALL", 3},
};

void api_open(lua_State *L, bool eval)
{
    unsigned major = 0, minor = 0, patch = 0;
    sscanf(REDIS_VERSION, "%u.%u.%u", &major, &minor, &patch);
    lua_createtable(L, 0, 32);
    luaL_setfuncs(L, functions, 0);
    if (eval)
        luaL_setfuncs(L, eval_only, 0);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        lua_pushnumber(L, numbers[i].value);
        lua_setfield(L, -2, numbers[i].name);
    }
    lua_pushliteral(L, REDIS_VERSION);
    lua_setfield(L, -2, "REDIS_VERSION");
    lua_pushnumber(L, (lua_Number)(major << 16 | minor << 8 | patch));
    lua_setfield(L, -2, "REDIS_VERSION_NUM");
}
