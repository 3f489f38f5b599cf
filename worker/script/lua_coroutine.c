/* coroutine as 5.1 has it: it begins with a Lua function, and the main thread is none. */
#include "worker/script/lua_lib.h"

static const char *const states[] = {"running", "suspended", "normal", "dead"};
enum { RUNNING, SUSPENDED, NORMAL, DEAD };

static int state_of(lua_State *L, lua_State *co)
{
    lua_Debug ar;
    if (L == co)
        return RUNNING;
    switch (lua_status(co)) {
    case LUA_YIELD:
        return SUSPENDED;
    case LUA_OK:
        if (lua_getstack(co, 0, &ar))
            return NORMAL;
        return lua_gettop(co) == 0 ? DEAD : SUSPENDED;
    default:
        return DEAD;
    }
}

static lua_State *thread_at(lua_State *L, int arg)
{
    lua_State *co = lua_tothread(L, arg);
    luaL_argcheck(L, co, arg, "coroutine expected");
    return co;
}

/* Moves the arguments there and the results or the message here; -1: an error. */
static int resume(lua_State *L, lua_State *co, int nargs)
{
    int state = state_of(L, co), n;
    if (!lua_checkstack(co, nargs))
        luaL_error(L, "too many arguments to resume");
    if (state != SUSPENDED) {
        lua_pushfstring(L, "cannot resume %s coroutine", states[state]);
        return -1;
    }
    lua_xmove(L, co, nargs);
    int status = lua_resume(co, L, nargs, &n);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, n + 1))
        luaL_error(L, "too many results to resume");
    lua_xmove(co, L, n);
    return n;
}

static int c_create(lua_State *L)
{
    luaL_argcheck(L, lua_isfunction(L, 1) && !lua_iscfunction(L, 1), 1, "Lua function expected");
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int c_resume(lua_State *L)
{
    int n = resume(L, thread_at(L, 1), lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    n = n < 0 ? 1 : n;
    lua_insert(L, -(n + 1));
    return n + 1;
}

static int c_running(lua_State *L)
{
    if (lua_pushthread(L))
        lua_pushnil(L);
    return 1;
}

static int c_status(lua_State *L)
{
    lua_pushstring(L, states[state_of(L, thread_at(L, 1))]);
    return 1;
}

static int wrapped(lua_State *L)
{
    int n = resume(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));
    if (n >= 0)
        return n;
    if (lua_isstring(L, -1)) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int c_wrap(lua_State *L)
{
    c_create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int c_yield(lua_State *L)
{
    if (!lua_isyieldable(L)) {
        lua_pushliteral(L, "attempt to yield across metamethod/C-call boundary");
        return lua_error(L);
    }
    return lua_yield(L, lua_gettop(L));
}

void open_coroutine(lua_State *L)
{
    static const luaL_Reg functions[] = {{"create", c_create}, {"resume", c_resume}, {"running", c_running},
                                         {"status", c_status}, {"wrap", c_wrap},     {"yield", c_yield},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
}
