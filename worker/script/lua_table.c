/* table, as 5.1 has it: raw access, no complaint about positions, and the order of comparisons of its sort, since that
 * decides where equal elements come to stand. */
#include <string.h>

#include "worker/script/lua_lib.h"

/* As `#`: the collector of lengths knows nothing of metamethods. */
static int length(lua_State *L, int index)
{
    return (int)lua_rawlen(L, index);
}

static int readable(lua_State *L, int arg)
{
    lib_readable(L, arg);
    return length(L, arg);
}

static int writable(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    return length(L, arg);
}

static int t_concat(lua_State *L)
{
    size_t n;
    luaL_Buffer b;
    const char *between = luaL_optlstring(L, 2, "", &n);
    luaL_checktype(L, 1, LUA_TTABLE);
    int64_t i = lib_opt_int(L, 3, 1);
    int64_t last = lua_isnoneornil(L, 4) ? readable(L, 1) : (readable(L, 1), lib_int(L, 4));
    luaL_buffinit(L, &b);
    for (; i <= last; i++) {
        lua_rawgeti(L, 1, i);
        lib_work(L, 1 + (n + lua_rawlen(L, -1)) / 8);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (%s) at index %d in table for 'concat'", luaL_typename(L, -1),
                              (int)i);
        luaL_addvalue(&b);
        if (i < last)
            luaL_addlstring(&b, between, n);
    }
    luaL_pushresult(&b);
    return 1;
}

static int t_foreach(lua_State *L)
{
    lib_readable(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lib_work(L, 10); /* the function may be one of C's */
        lua_pushvalue(L, 2);
        if (lua_isinteger(L, -3))
            lua_pushnumber(L, lua_tonumber(L, -3));
        else
            lua_pushvalue(L, -3);
        lua_pushvalue(L, -3);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1))
            return 1;
        lua_pop(L, 2);
    }
    return 0;
}

static int t_foreachi(lua_State *L)
{
    int n = readable(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    for (int i = 1; i <= n; i++) {
        lib_work(L, 10);
        lua_pushvalue(L, 2);
        lua_pushnumber(L, i);
        lua_rawgeti(L, 1, i);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1))
            return 1;
        lua_pop(L, 1);
    }
    return 0;
}

static int t_getn(lua_State *L)
{
    lua_pushnumber(L, readable(L, 1));
    return 1;
}

static int t_setn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return luaL_error(L, "'setn' is obsolete");
}

static int t_maxn(lua_State *L)
{
    double most = 0;
    lib_readable(L, 1);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lib_work(L, 1);
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > most)
            most = lua_tonumber(L, -1);
    }
    lua_pushnumber(L, most);
    return 1;
}

static int t_insert(lua_State *L)
{
    int64_t end = (int64_t)writable(L, 1) + 1, at = end;
    switch (lua_gettop(L)) {
    case 2:
        break;
    case 3:
        at = lib_int(L, 2);
        end = at > end ? at : end;
        lib_writable(L, 1);
        for (int64_t i = end; i > at; i--) {
            lib_work(L, 1);
            lua_rawgeti(L, 1, i - 1);
            lua_rawseti(L, 1, i);
        }
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lib_writable(L, 1);
    lua_rawseti(L, 1, at);
    return 0;
}

static int t_remove(lua_State *L)
{
    int64_t end = writable(L, 1), at = lib_opt_int(L, 2, (int)end);
    if (!(1 <= at && at <= end))
        return 0;
    lib_writable(L, 1);
    lua_rawgeti(L, 1, at);
    for (; at < end; at++) {
        lib_work(L, 1);
        lua_rawgeti(L, 1, at + 1);
        lua_rawseti(L, 1, at);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, end);
    return 1;
}

/* Long texts that are alike are compared to their end. */
static size_t compared(lua_State *L, int a)
{
    return lua_type(L, a) == LUA_TSTRING ? lua_rawlen(L, a) / 64 : 0;
}

/* Quicksort with the median of three, the smaller half first: the table at 1, the order at 2. Two values lie at
 * the top when it compares. */
static bool before(lua_State *L, int a, int b)
{
    lib_work(L, 2 + compared(L, a));
    if (lua_isnil(L, 2))
        return lua_compare(L, a, b, LUA_OPLT);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a - 1);
    lua_pushvalue(L, b - 2);
    lua_call(L, 2, 1);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

/* Values at the top: what was at `i` below, what was at `j` above. They change places. */
static void put_swapped(lua_State *L, int64_t i, int64_t j)
{
    lua_rawseti(L, 1, i);
    lua_rawseti(L, 1, j);
}

/* Puts two elements in order; the one of `high` is compared with that of `low`. */
static bool order_two(lua_State *L, int64_t low, int64_t high)
{
    lua_rawgeti(L, 1, low);
    lua_rawgeti(L, 1, high);
    bool swap = before(L, -1, -2);
    if (swap)
        put_swapped(L, low, high);
    else
        lua_pop(L, 2);
    return swap;
}

/* Of low, middle and high: the median comes to the middle. */
static void order_three(lua_State *L, int64_t low, int64_t middle, int64_t high)
{
    lua_rawgeti(L, 1, middle);
    lua_rawgeti(L, 1, low);
    if (before(L, -2, -1)) {
        put_swapped(L, middle, low);
        return;
    }
    lua_pop(L, 1);
    lua_rawgeti(L, 1, high);
    if (before(L, -1, -2))
        put_swapped(L, middle, high);
    else
        lua_pop(L, 2);
}

/* The pivot is at high - 1 and at the top. Returns the place where it belongs, with nothing left on the stack. */
static int64_t partition(lua_State *L, int64_t low, int64_t high)
{
    int64_t i = low, j = high - 1;
    for (;;) {
        while (lua_rawgeti(L, 1, ++i), before(L, -1, -2)) {
            if (i > high)
                luaL_error(L, "invalid order function for sorting");
            lua_pop(L, 1);
        }
        while (lua_rawgeti(L, 1, --j), before(L, -3, -1)) {
            if (j < low)
                luaL_error(L, "invalid order function for sorting");
            lua_pop(L, 1);
        }
        if (j < i)
            break;
        put_swapped(L, i, j);
    }
    lua_pop(L, 3);
    lua_rawgeti(L, 1, high - 1);
    lua_rawgeti(L, 1, i);
    put_swapped(L, high - 1, i);
    return i;
}

static void sort(lua_State *L, int64_t low, int64_t high)
{
    luaL_checkstack(L, 10, "array too big");
    while (low < high) {
        order_two(L, low, high);
        if (high - low == 1)
            return;
        int64_t middle = (low + high) / 2;
        order_three(L, low, middle, high);
        if (high - low == 2)
            return;
        lua_rawgeti(L, 1, middle);
        lua_pushvalue(L, -1);
        lua_rawgeti(L, 1, high - 1);
        put_swapped(L, middle, high - 1);
        int64_t at = partition(L, low, high);
        if (at - low < high - at) {
            sort(L, low, at - 1);
            low = at + 1;
        } else {
            sort(L, at + 1, high);
            high = at - 1;
        }
    }
}

static int t_sort(lua_State *L)
{
    int n = writable(L, 1);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    if (n > 1)
        lib_writable(L, 1);
    sort(L, 1, n);
    return 0;
}

void open_table(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"concat", t_concat}, {"foreach", t_foreach}, {"foreachi", t_foreachi}, {"getn", t_getn},
        {"insert", t_insert}, {"maxn", t_maxn},       {"remove", t_remove},     {"setn", t_setn},
        {"sort", t_sort},     {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
