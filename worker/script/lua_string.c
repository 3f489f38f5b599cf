/* string, as 5.1 has it: positions may be fractions, a pattern ends at its first zero byte, and every number that a script
 * gets is a float. Patterns are in lua_pattern.c, format in lua_format.c. */
#include <ctype.h>
#include <string.h>

#include "worker/script/lua_lib.h"

/* From the end if negative; never before the beginning. */
static int64_t position(lua_Integer at, size_t len)
{
    if (at < 0)
        at += (lua_Integer)len + 1;
    return at > 0 ? at : 0;
}

static int s_len(lua_State *L)
{
    size_t n;
    luaL_checklstring(L, 1, &n);
    lua_pushnumber(L, (double)n);
    return 1;
}

static int s_sub(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    int64_t from = position(lib_integer(L, 2), n), to = position(lib_opt_integer(L, 3, -1), n);
    from = from < 1 ? 1 : from;
    to = to > (int64_t)n ? (int64_t)n : to;
    if (from <= to)
        lua_pushlstring(L, s + from - 1, (size_t)(to - from + 1));
    else
        lua_pushliteral(L, "");
    return 1;
}

static int mapped(lua_State *L, int (*map)(int))
{
    size_t n;
    luaL_Buffer b;
    const char *s = luaL_checklstring(L, 1, &n);
    lib_work(L, n);
    char *to = luaL_buffinitsize(L, &b, n);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)map((unsigned char)s[i]);
    luaL_pushresultsize(&b, n);
    return 1;
}

static int s_lower(lua_State *L)
{
    return mapped(L, tolower);
}

static int s_upper(lua_State *L)
{
    return mapped(L, toupper);
}

static int s_reverse(lua_State *L)
{
    size_t n;
    luaL_Buffer b;
    const char *s = luaL_checklstring(L, 1, &n);
    lib_work(L, n);
    char *to = luaL_buffinitsize(L, &b, n);
    for (size_t i = 0; i < n; i++)
        to[i] = s[n - 1 - i];
    luaL_pushresultsize(&b, n);
    return 1;
}

static int s_rep(lua_State *L)
{
    size_t len;
    luaL_Buffer b;
    const char *s = luaL_checklstring(L, 1, &len);
    int n = lib_int(L, 2);
    if (n <= 0 || len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (len > (size_t)INT64_MAX / 2 / (size_t)n)
        return luaL_error(L, "not enough memory");
    size_t total = len * (size_t)n;
    lib_work(L, total);
    char *to = luaL_buffinitsize(L, &b, total);
    for (size_t at = 0; at < total; at += len)
        memcpy(to + at, s, len);
    luaL_pushresultsize(&b, total);
    return 1;
}

static int s_byte(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    int64_t from = position(lib_opt_integer(L, 2, 1), n), to = position(lib_opt_integer(L, 3, from), n);
    from = from < 1 ? 1 : from;
    to = to > (int64_t)n ? (int64_t)n : to;
    if (from > to)
        return 0;
    if (to - from + 1 > LIB_RESULTS_MAX - lua_gettop(L))
        return luaL_error(L, "stack overflow (string slice too long)");
    luaL_checkstack(L, (int)(to - from + 1), "string slice too long");
    for (int64_t i = from; i <= to; i++)
        lua_pushnumber(L, (unsigned char)s[i - 1]);
    return (int)(to - from + 1);
}

static int s_char(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer b;
    char *to = luaL_buffinitsize(L, &b, (size_t)n);
    for (int i = 1; i <= n; i++) {
        int c = lib_int(L, i);
        luaL_argcheck(L, (unsigned char)c == c, i, "invalid value");
        to[i - 1] = (char)c;
    }
    luaL_pushresultsize(&b, (size_t)n);
    return 1;
}

/* Redis has it, and takes no bytecode back: we make none. */
static int s_dump(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    return luaL_error(L, "unable to dump given function");
}

void open_string(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"byte", s_byte}, {"char", s_char},       {"dump", s_dump}, {"len", s_len},     {"lower", s_lower},
        {"rep", s_rep},   {"reverse", s_reverse}, {"sub", s_sub},   {"upper", s_upper}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    add_format(L);
    add_patterns(L);
}
