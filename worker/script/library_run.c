#include "worker/script/library_run.h"

#include <stdio.h>

#include "include/version.h"
#include "shm/base/log.h"
#include "worker/script/lua_lib.h"

/* In the registry, by address: the functions by name of what is being loaded, and the globals that it sees. */
static const char table_key, api_key;

/* What is being loaded: a process does one after the other. */
static struct library_run *loading;

/* ---- register_function ---- */

/* An error with its code, as commands have them; no place in the source is put before it. */
__attribute__((noreturn)) static void refuse(lua_State *L, const char *text)
{
    lua_createtable(L, 0, 1);
    lua_pushfstring(L, "ERR %s", text);
    lua_setfield(L, -2, "err");
    lua_error(L);
    __builtin_unreachable();
}

static struct bytes text_at(lua_State *L, int index)
{
    struct bytes b;
    b.p = lua_tolstring(L, index, &b.n);
    return b;
}

static uint32_t flag_named(lua_State *L, int index)
{
    static const char *const name[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster",
                                       "allow-cross-slot-keys"};
    for (unsigned i = 0; lua_isstring(L, index) && i < ARRAY_LEN(name); i++)
        if (bytes_is(text_at(L, index), name[i]))
            return 1u << i;
    refuse(L, "unknown flag given");
}

static uint32_t flags_at(lua_State *L, int index)
{
    uint32_t flags = 0;
    for (lua_Integer i = 1; lua_geti(L, index, i) != LUA_TNIL; i++) {
        flags |= flag_named(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return flags;
}

/* What stands where on the stack while arguments are read: a name, a callback, a description, each nil at first. */
enum { AT_NAME = 2, AT_CALLBACK, AT_BRIEF, AT_KEY, AT_VALUE };

static void named_argument(lua_State *L, struct bytes key, uint32_t *flags)
{
    if (bytes_is(key, "function_name")) {
        if (!lua_isstring(L, AT_VALUE))
            refuse(L, "function_name argument given to redis.register_function must be a string");
        lua_copy(L, AT_VALUE, AT_NAME);
    } else if (bytes_is(key, "description")) {
        if (!lua_isstring(L, AT_VALUE))
            refuse(L, "description argument given to redis.register_function must be a string");
        lua_copy(L, AT_VALUE, AT_BRIEF);
    } else if (bytes_is(key, "callback")) {
        if (!lua_isfunction(L, AT_VALUE))
            refuse(L, "callback argument given to redis.register_function must be a function");
        lua_copy(L, AT_VALUE, AT_CALLBACK);
    } else if (bytes_is(key, "flags")) {
        if (!lua_istable(L, AT_VALUE))
            refuse(L,
                   "flags argument to redis.register_function must be a table representing function flags");
        *flags = flags_at(L, AT_VALUE);
    } else {
        refuse(L, "unknown argument given to redis.register_function");
    }
}

static uint32_t named_arguments(lua_State *L)
{
    uint32_t flags = 0;
    if (!lua_istable(L, 1))
        refuse(L, "calling redis.register_function with a single argument is only applicable to Lua table "
                  "(representing named arguments).");
    lua_settop(L, AT_BRIEF);
    for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, AT_KEY)) {
        if (!lua_isstring(L, AT_KEY))
            refuse(L, "named argument key given to redis.register_function is not a string");
        lua_pushvalue(L,
                      AT_KEY); /* the text of a number takes its place, which lua_next would not find again */
        named_argument(L, text_at(L, -1), &flags);
    }
    if (lua_isnil(L, AT_NAME))
        refuse(L, "redis.register_function must get a function name argument");
    if (lua_isnil(L, AT_CALLBACK))
        refuse(L, "redis.register_function must get a callback argument");
    return flags;
}

static void two_arguments(lua_State *L)
{
    if (!lua_isstring(L, 1))
        refuse(L, "first argument to redis.register_function must be a string");
    if (!lua_isfunction(L, 2))
        refuse(L, "second argument to redis.register_function must be a function");
    lua_pushnil(L); /* below the name, where the table of named arguments stands */
    lua_insert(L, 1);
    lua_pushnil(L);
}

static void add_function(lua_State *L, struct library_run *run, uint32_t flags)
{
    struct library_function f = {
        .name = text_at(L, AT_NAME), .flags = flags, .described = !lua_isnil(L, AT_BRIEF)};
    f.brief = f.described ? text_at(L, AT_BRIEF) : (struct bytes){"", 0};
    if (!library_name_is_valid(f.name))
        refuse(L, LIBRARY_NAME_RULE);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &table_key);
    if (lua_getfield(L, -1, f.name.p) != LUA_TNIL)
        refuse(L, "Function already exists in the library");
    lua_pop(L, 1);
    lua_pushvalue(L, AT_CALLBACK);
    lua_setfield(L, -2, f.name.p);
    library_pack_function(&run->functions, &f);
    run->n++;
}

static int register_function(lua_State *L)
{
    int n = lua_gettop(L);
    uint32_t flags = 0;
    if (!loading)
        refuse(L, "redis.register_function can only be called on FUNCTION LOAD command");
    if (n < 1 || n > 2)
        refuse(L, "wrong number of arguments to redis.register_function");
    if (n == 1)
        flags = named_arguments(L);
    else
        two_arguments(L);
    add_function(L, loading, flags);
    return 0;
}

/* ---- what a library sees while it is loaded ---- */

static int log_text(lua_State *L)
{
    static const enum log_level level[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE,
                                           LOG_LEVEL_WARNING};
    int n = lua_gettop(L);
    if (n < 2)
        refuse(L, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1))
        refuse(L, "First argument must be a number (log level).");
    double at = lua_tonumber(L, 1);
    if (!(at >= 0 && at < (double)ARRAY_LEN(level)))
        refuse(L, "Invalid debug level.");
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 2; i <= n; i++) {
        if (i > 2)
            luaL_addchar(&b, ' ');
        size_t len;
        const char *text = lua_tolstring(L, i, &len);
        luaL_addlstring(&b, text ? text : "", text ? len : 0);
    }
    luaL_pushresult(&b);
    log_line(level[(unsigned)at], "%s", lua_tostring(L, -1));
    return 0;
}

/* Reads of what is not there raise as those of globals do: the globals' own refusal. */
static void set_refusal(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    CHECK(lib_view(L, -1));
    CHECK(lua_getmetatable(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
    lua_setmetatable(L, -2);
}

static void push_redis(lua_State *L)
{
    static const char *const level[] = {"LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"};
    lua_createtable(L, 0, 8);
    lua_pushcfunction(L, register_function);
    lua_setfield(L, -2, "register_function");
    lua_pushcfunction(L, log_text);
    lua_setfield(L, -2, "log");
    for (unsigned i = 0; i < ARRAY_LEN(level); i++) {
        lua_pushnumber(L, i);
        lua_setfield(L, -2, level[i]);
    }
    lua_pushliteral(L, REDIS_VERSION);
    lua_setfield(L, -2, "REDIS_VERSION");
    lua_pushnumber(L, REDIS_VERSION_NUM);
    lua_setfield(L, -2, "REDIS_VERSION_NUM");
    set_refusal(L);
    script_protect(L);
}

static void push_api(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &api_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    push_redis(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "server");
    lua_setfield(L, -2, "redis");
    set_refusal(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &api_key);
}

/* The globals are a view (lua_base.h): what stands behind it is exchanged. Pops the table to be seen, pushes the one
 * that was. */
static void exchange_globals(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    CHECK(lua_getmetatable(L, -1));
    lua_getfield(L, -1, "__index");
    lua_pushvalue(L, -4);
    lua_setfield(L, -3, "__index");
    lua_replace(L, -4);
    lua_pop(L, 2);
}

/* ---- running ---- */

/* The message on the stack, or the table of an error that has its code already, as a sentence. */
static enum rc failed(lua_State *L, const char *what, const char *code, char error[LIBRARY_ERROR])
{
    if (lua_istable(L, -1) && lua_getfield(L, -1, "err") == LUA_TSTRING)
        code = "";
    const char *text = lua_tostring(L, -1);
    snprintf(error, LIBRARY_ERROR, "%s: %s%s", what, code, text ? text : "unknown error");
    return RC_INVALID;
}

struct attempt {
    struct bytes body;
    bool compiled;
};

/* All of it under pcall, since all of it can run out of memory. */
static int run_protected(lua_State *L)
{
    struct attempt *a = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_createtable(L, 0, 8);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &table_key);
    push_api(L);
    if (script_compile(L, "@user_function", a->body.p, a->body.n) != LUA_OK)
        return lua_error(L);
    a->compiled = true;
    lua_insert(L, 1);
    exchange_globals(L);
    lua_insert(L, 1); /* the globals, the chunk */
    int status = lua_pcall(L, 0, 0, 0);
    lua_pushvalue(L, 1);
    exchange_globals(L);
    lua_pop(L, 1);
    if (status != LUA_OK)
        return lua_error(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &table_key);
    return 1;
}

enum rc library_run(lua_State *L, struct bytes body, struct library_run *run, char error[LIBRARY_ERROR])
{
    int top = lua_gettop(L);
    struct attempt a = {.body = body};
    enum rc rc = RC_OK;
    loading = run;
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, &a);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        rc = a.compiled ? failed(L, "Error registering functions", "ERR ", error)
                        : failed(L, "Error compiling function", "", error);
    loading = NULL;
    if (rc)
        lua_settop(L, top);
    return rc;
}
