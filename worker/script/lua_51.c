/* The basic functions as 5.1 has them. They are written out, since those of 5.4 differ in most of their edges:
 * what they accept, which metamethods they ask, what they say. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/script/lua_lib.h"

void lib_readable(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    if (lib_view(L, arg))
        lua_replace(L, arg);
}

/* Without a position: a C function raises it, as in Redis. */
void lib_writable(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    if (lib_view(L, arg)) {
        lua_pushliteral(L, "Attempt to modify a readonly table");
        lua_error(L);
    }
}

static int b_assert(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_toboolean(L, 1))
        return luaL_error(L, "%s", luaL_optstring(L, 2, "assertion failed!"));
    return lua_gettop(L);
}

static int b_error(lua_State *L)
{
    int level = lib_opt_int(L, 2, 1);
    lua_settop(L, 1);
    if (lua_isstring(L, 1) && level > 0) {
        luaL_where(L, level);
        lua_pushvalue(L, 1);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int b_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_callmeta(L, 1, "__tostring"))
        return 1;
    switch (lua_type(L, 1)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
        lua_pushvalue(L, 1);
        lua_tostring(L, -1);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
        break;
    case LUA_TNIL:
        lua_pushliteral(L, "nil");
        break;
    default:
        lua_pushfstring(L, "%s: %p", luaL_typename(L, 1), lua_topointer(L, 1));
    }
    return 1;
}

static int b_tonumber(lua_State *L)
{
    int base = lib_opt_int(L, 2, 10);
    if (base == 10) {
        double d;
        luaL_checkany(L, 1);
        if (lua_type(L, 1) == LUA_TNUMBER)
            lua_pushnumber(L, lua_tonumber(L, 1));
        else if (lua_isstring(L, 1) && number_parse(lua_tostring(L, 1), strlen(lua_tostring(L, 1)), &d))
            lua_pushnumber(L, d);
        else
            lua_pushnil(L);
        return 1;
    }
    const char *text = luaL_checkstring(L, 1);
    luaL_argcheck(L, 2 <= base && base <= 36, 2, "base out of range");
    char *end;
    unsigned long n = strtoul(text, &end, base);
    bool any = end != text;
    while (isspace((unsigned char)*end))
        end++;
    if (any && *end == 0)
        lua_pushnumber(L, (double)n);
    else
        lua_pushnil(L);
    return 1;
}

static int b_type(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushstring(L, luaL_typename(L, 1));
    return 1;
}

static int b_rawequal(lua_State *L)
{
    luaL_checkany(L, 1);
    luaL_checkany(L, 2);
    lua_pushboolean(L, lua_rawequal(L, 1, 2));
    return 1;
}

static int b_rawget(lua_State *L)
{
    lib_readable(L, 1);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_rawget(L, 1);
    return 1;
}

static int b_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lib_writable(L, 1);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int b_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lib_view(L, 1))
        lua_replace(L, 1);
    if (!lua_getmetatable(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return 1;
    return 1;
}

/* 5.1 has no finalizers of tables; those of 5.4 would run with no hook watching them. What the collector looks
 * for at this moment, it does not find. */
static void set_metatable(lua_State *L)
{
    bool finalizer = lua_istable(L, 2) && (lua_pushliteral(L, "__gc"), lua_rawget(L, 2) != LUA_TNIL);
    if (finalizer) {
        lua_pushliteral(L, "__gc");
        lua_pushnil(L);
        lua_rawset(L, 2);
    }
    lua_pushvalue(L, 2);
    lua_setmetatable(L, 1);
    if (finalizer) {
        lua_pushliteral(L, "__gc");
        lua_pushvalue(L, 3);
        lua_rawset(L, 2);
    }
}

static int b_setmetatable(lua_State *L)
{
    int t = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, t == LUA_TNIL || t == LUA_TTABLE, 2, "nil or table expected");
    lib_writable(L, 1);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2); /* a view stays a view: getmetatable gives back what was set */
    set_metatable(L);
    lua_settop(L, 1);
    return 1;
}

/* An array's keys are integers inside; a script sees floats. */
static int b_next(lua_State *L)
{
    lib_readable(L, 1);
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TNUMBER && lua_tonumber(L, 2) == (double)lib_whole(lua_tonumber(L, 2))) {
        lua_pushinteger(L, lib_whole(lua_tonumber(L, 2)));
        lua_replace(L, 2);
    }
    if (!lua_next(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    if (lua_isinteger(L, -2)) {
        lua_pushnumber(L, lua_tonumber(L, -2));
        lua_replace(L, -3);
    }
    return 2;
}

/* The table that both hand back is the view, if it is one. */
static int b_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushcfunction(L, b_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int ipairs_step(lua_State *L)
{
    lua_Integer i = lib_int(L, 2) + 1;
    lib_readable(L, 1);
    lua_pushnumber(L, (double)i);
    return lua_rawgeti(L, 1, i) == LUA_TNIL ? 0 : 2;
}

static int b_ipairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushcfunction(L, ipairs_step);
    lua_pushvalue(L, 1);
    lua_pushnumber(L, 0);
    return 3;
}

static int b_select(lua_State *L)
{
    int n = lua_gettop(L);
    if (lua_type(L, 1) == LUA_TSTRING && *lua_tostring(L, 1) == '#') {
        lua_pushnumber(L, n - 1);
        return 1;
    }
    int i = lib_int(L, 1);
    if (i < 0)
        i = n + i;
    else if (i > n)
        i = n;
    luaL_argcheck(L, 1 <= i, 1, "index out of range");
    return n - i;
}

/* Counted in 64 bits: the range between two 32-bit numbers has no place in 32. */
static int b_unpack(lua_State *L)
{
    lib_readable(L, 1);
    int64_t from = lib_opt_int(L, 2, 1);
    int64_t to = lua_isnoneornil(L, 3) ? (int64_t)lua_rawlen(L, 1) : lib_int(L, 3);
    if (from > to)
        return 0;
    if (to - from + 1 > LIB_RESULTS_MAX - lua_gettop(L) || !lua_checkstack(L, (int)(to - from + 1)))
        return luaL_error(L, "too many results to unpack");
    for (int64_t i = from; i <= to; i++)
        lua_rawgeti(L, 1, i);
    return (int)(to - from + 1);
}

/* As Redis's own: the table of an error of redis.call becomes its text. What stands where that text is missing
 * is left behind it there, too. */
static int b_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    if (status != LUA_OK && lua_istable(L, -1)) {
        lua_getfield(L, -1, "err");
        if (lua_isstring(L, -1))
            lua_replace(L, -2);
    }
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    return lua_gettop(L);
}

static int b_xpcall(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_insert(L, 1);
    int status = lua_pcall(L, 0, LUA_MULTRET, 1);
    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 1);
    return lua_gettop(L);
}

static int b_collectgarbage(lua_State *L)
{
    static const char *const names[] = {"stop", "restart",  "collect",    "count",
                                        "step", "setpause", "setstepmul", NULL};
    static const int what[] = {LUA_GCSTOP, LUA_GCRESTART,  LUA_GCCOLLECT,   LUA_GCCOUNT,
                               LUA_GCSTEP, LUA_GCSETPAUSE, LUA_GCSETSTEPMUL};
    int o = what[luaL_checkoption(L, 1, "collect", names)];
    int arg = lib_opt_int(L, 2, 0);
    if (o == LUA_GCCOUNT)
        lua_pushnumber(L, lua_gc(L, LUA_GCCOUNT) + (double)lua_gc(L, LUA_GCCOUNTB) / 1024);
    else if (o == LUA_GCSTEP)
        lua_pushboolean(L, lua_gc(L, o, arg));
    else
        lua_pushnumber(L, lua_gc(L, o, arg));
    return 1;
}

static int b_gcinfo(lua_State *L)
{
    lua_pushnumber(L, lua_gc(L, LUA_GCCOUNT));
    return 1;
}

/* The function at the top, or nil and the message. */
static int compiled(lua_State *L, int status)
{
    if (status == LUA_OK)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static int b_loadstring(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    return compiled(L, script_compile(L, luaL_optstring(L, 2, text), text, n));
}

/* The pieces are put together first: the translation wants the whole. */
static int b_load(lua_State *L)
{
    luaL_Buffer b;
    const char *name = luaL_optstring(L, 2, "=(load)");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 3);
    luaL_buffinit(L, &b);
    for (;;) {
        lua_pushvalue(L, 1);
        if (lua_pcall(L, 0, 1, 0) != LUA_OK)
            return compiled(L, LUA_ERRRUN);
        if (lua_isnil(L, -1) ||
            (lua_isstring(L, -1) && lua_rawlen(L, -1) == 0 && lua_type(L, -1) == LUA_TSTRING))
            break;
        if (!lua_isstring(L, -1)) {
            lua_pushliteral(L, "reader function must return a string");
            return compiled(L, LUA_ERRRUN);
        }
        luaL_addvalue(&b);
    }
    lua_pop(L, 1);
    luaL_pushresult(&b);
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    return compiled(L, script_compile(L, name, text, n));
}

/* Pushes the function that an argument of getfenv and setfenv means, and its upvalue that holds its globals;
 * 0: it has none, since it names no global. */
static int environment_of(lua_State *L, bool optional)
{
    lua_Debug ar;
    if (lua_isfunction(L, 1)) {
        lua_pushvalue(L, 1);
    } else {
        int level = optional ? lib_opt_int(L, 1, 1) : lib_int(L, 1);
        luaL_argcheck(L, level >= 0, 1, "level must be non-negative");
        if (level == 0 || !lua_getstack(L, level, &ar)) {
            luaL_argcheck(L, level == 0, 1, "invalid level");
            lua_pushnil(L);
            return 0;
        }
        lua_getinfo(L, "f", &ar);
    }
    for (int i = 1; !lua_iscfunction(L, -1); i++) {
        const char *name = lua_getupvalue(L, -1, i);
        if (!name)
            return 0;
        lua_pop(L, 1);
        if (!strcmp(name, "_ENV"))
            return i;
    }
    return 0;
}

static int b_getfenv(lua_State *L)
{
    int i = environment_of(L, true);
    if (i)
        lua_getupvalue(L, -1, i);
    else
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    return 1;
}

/* In 5.1 a function's globals are its own, and those made in it begin with them. So it gets an upvalue of its own,
 * that of a function made for this. */
static int b_setfenv(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    int i = environment_of(L, false);
    if (lua_isnil(L, -1) || lua_iscfunction(L, -1))
        return luaL_error(L, "'setfenv' cannot change environment of given object");
    if (i) {
        if (luaL_loadbufferx(L, "", 0, "=", "t") != LUA_OK)
            return lua_error(L);
        lua_pushvalue(L, 2);
        lua_setupvalue(L, -2, 1);
        lua_upvaluejoin(L, -2, i, -1, 1);
        lua_pop(L, 1);
    }
    return 1;
}

void open_base(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"assert", b_assert},     {"collectgarbage", b_collectgarbage},
        {"error", b_error},       {"gcinfo", b_gcinfo},
        {"getfenv", b_getfenv},   {"getmetatable", b_getmetatable},
        {"ipairs", b_ipairs},     {"load", b_load},
        {"next", b_next},         {"loadstring", b_loadstring},
        {"pairs", b_pairs},       {"pcall", b_pcall},
        {"rawequal", b_rawequal}, {"rawget", b_rawget},
        {"rawset", b_rawset},     {"select", b_select},
        {"setfenv", b_setfenv},   {"setmetatable", b_setmetatable},
        {"tonumber", b_tonumber}, {"tostring", b_tostring},
        {"type", b_type},         {"unpack", b_unpack},
        {"xpcall", b_xpcall},     {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
    lua_pushliteral(L, "Lua 5.1");
    lua_setfield(L, -2, "_VERSION");
}
