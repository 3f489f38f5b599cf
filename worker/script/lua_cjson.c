/* cjson: JSON as Redis's library writes and reads it, with its options. Reading is in lua_cjson_decode.c.
 *
 * The options of the global library begin anew with each script; those of cjson.new() are in the table that it
 * returned. Every function has them as its first upvalue. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "worker/script/lua_lib.h"

/* What a table needs of the stack; the buffer and the copy of the argument are not there in Redis. */
#define ENOUGH_STACK 3

void cjson_defaults(struct cjson_options *o)
{
    *o = (struct cjson_options){.keep_buffer = true,
                                .decode_invalid = true,
                                .sparse_ratio = 2,
                                .sparse_safe = 10,
                                .encode_depth = 1000,
                                .decode_depth = 1000,
                                .precision = 14};
}

struct cjson_options *cjson_options_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

struct encoder {
    lua_State *L;
    const struct cjson_options *o;
    struct lib_buffer out;
};

static void put_value(struct encoder *e, int depth);

static void cannot(struct encoder *e, int index, const char *why)
{
    luaL_error(e->L, "Cannot serialise %s: %s", luaL_typename(e->L, index), why);
}

static void put(struct encoder *e, const char *text)
{
    lib_add(&e->out, text, strlen(text));
}

/* NULL: as it is. */
static const char *escaped(unsigned char c, char text[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '/':
        return "\\/";
    case '\b':
        return "\\b";
    case '\t':
        return "\\t";
    case '\n':
        return "\\n";
    case '\f':
        return "\\f";
    case '\r':
        return "\\r";
    default:
        if (c >= 0x20 && c != 0x7f)
            return NULL;
        snprintf(text, 8, "\\u%04x", c);
        return text;
    }
}

static void put_string(struct encoder *e, int index)
{
    size_t n, from = 0;
    char text[8];
    const char *s = lua_tolstring(e->L, index, &n);
    put(e, "\"");
    for (size_t i = 0; i < n; i++) {
        const char *other = escaped((unsigned char)s[i], text);
        if (!other)
            continue;
        lib_add(&e->out, s + from, i - from);
        put(e, other);
        from = i + 1;
    }
    lib_add(&e->out, s + from, n - from);
    put(e, "\"");
}

static void put_number(struct encoder *e, int index)
{
    char text[NUMBER_TEXT_MAX];
    double d = lua_tonumber(e->L, index);
    if (!isfinite(d)) {
        if (e->o->encode_invalid == INVALID_REFUSED)
            cannot(e, index, "must not be NaN or Inf");
        put(e, e->o->encode_invalid == INVALID_NULL ? "null" : isnan(d) ? "nan" : d < 0 ? "-inf" : "inf");
        return;
    }
    if (e->o->precision == 14)
        number_text(text, d);
    else
        snprintf(text, sizeof(text), "%.*g", e->o->precision, d);
    lib_work(e->L, 20);
    put(e, text);
}

/* The table at the top: its length as an array; -1: it is an object. */
static int array_length(struct encoder *e)
{
    lua_State *L = e->L;
    int64_t most = 0, items = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lib_work(L, 2);
        double k = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        lua_pop(L, 1);
        if (!(k >= 1 && floor(k) == k && k <= INT_MAX)) {
            lua_pop(L, 1);
            return -1;
        }
        most = (int64_t)k > most ? (int64_t)k : most;
        items++;
    }
    if (e->o->sparse_ratio > 0 && most > items * e->o->sparse_ratio && most > e->o->sparse_safe) {
        if (!e->o->sparse_convert)
            cannot(e, -1, "excessively sparse array");
        return -1;
    }
    return (int)most;
}

static void put_array(struct encoder *e, int n, int depth)
{
    put(e, "[");
    for (int i = 1; i <= n; i++) {
        lib_work(e->L, 2);
        if (i > 1)
            put(e, ",");
        lua_rawgeti(e->L, -1, i);
        put_value(e, depth);
        lua_pop(e->L, 1);
    }
    put(e, "]");
}

static void put_object(struct encoder *e, int depth)
{
    lua_State *L = e->L;
    bool first = true;
    put(e, "{");
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lib_work(L, 4);
        if (!first)
            put(e, ",");
        first = false;
        if (lua_type(L, -2) == LUA_TNUMBER) {
            put(e, "\"");
            put_number(e, -2);
            put(e, "\"");
        } else if (lua_type(L, -2) == LUA_TSTRING) {
            put_string(e, -2);
        } else {
            cannot(e, -2, "table key must be a number or string");
        }
        put(e, ":");
        put_value(e, depth);
        lua_pop(L, 1);
    }
    put(e, "}");
}

static void put_table(struct encoder *e, int depth)
{
    lua_State *L = e->L;
    if (depth > e->o->encode_depth || lua_gettop(L) - 2 + ENOUGH_STACK > LIB_RESULTS_MAX ||
        !lua_checkstack(L, ENOUGH_STACK + 3))
        luaL_error(L, "Cannot serialise, excessive nesting (%d)", depth);
    if (lib_view(L, -1))
        lua_replace(L, -2);
    int n = array_length(e);
    if (n > 0)
        put_array(e, n, depth);
    else
        put_object(e, depth);
}

/* Leaves the value at the top. */
static void put_value(struct encoder *e, int depth)
{
    lua_State *L = e->L;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        put_string(e, -1);
        break;
    case LUA_TNUMBER:
        put_number(e, -1);
        break;
    case LUA_TBOOLEAN:
        put(e, lua_toboolean(L, -1) ? "true" : "false");
        break;
    case LUA_TTABLE:
        put_table(e, depth + 1);
        break;
    case LUA_TNIL:
        put(e, "null");
        break;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, -1)) {
            put(e, "null");
            break;
        } /* fall through */
    default:
        cannot(e, -1, "type not supported");
    }
}

static int encode(lua_State *L)
{
    struct encoder e = {L, cjson_options_of(L), {0}};
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    lib_buffer_begin(L, &e.out);
    lua_pushvalue(L, 1);
    put_value(&e, 0);
    lua_pushlstring(L, e.out.p, e.out.n);
    return 1;
}

static void take_arguments(lua_State *L, int n)
{
    luaL_argcheck(L, lua_gettop(L) <= n, n + 1, "found too many arguments");
    lua_settop(L, n);
}

/* Each option's function sets it, unless the argument is nil, and pushes what it is. */
static void whole_option(lua_State *L, int arg, int *setting, int least, int most)
{
    char wanted[64];
    if (!lua_isnil(L, arg)) {
        int v = lib_int(L, arg);
        snprintf(wanted, sizeof(wanted), "expected integer between %d and %d", least, most);
        luaL_argcheck(L, least <= v && v <= most, 1, wanted);
        *setting = v;
    }
    lua_pushnumber(L, *setting);
}

static void switch_option(lua_State *L, int arg, bool *setting)
{
    static const char *const names[] = {"off", "on", NULL};
    if (lua_isboolean(L, arg))
        *setting = lua_toboolean(L, arg);
    else if (!lua_isnil(L, arg))
        *setting = luaL_checkoption(L, arg, NULL, names) == 1;
    lua_pushboolean(L, *setting);
}

static int encode_sparse_array(lua_State *L)
{
    struct cjson_options *o = cjson_options_of(L);
    take_arguments(L, 3);
    switch_option(L, 1, &o->sparse_convert);
    whole_option(L, 2, &o->sparse_ratio, 0, INT_MAX);
    whole_option(L, 3, &o->sparse_safe, 0, INT_MAX);
    return 3;
}

static int encode_max_depth(lua_State *L)
{
    take_arguments(L, 1);
    whole_option(L, 1, &cjson_options_of(L)->encode_depth, 1, INT_MAX);
    return 1;
}

static int decode_max_depth(lua_State *L)
{
    take_arguments(L, 1);
    whole_option(L, 1, &cjson_options_of(L)->decode_depth, 1, INT_MAX);
    return 1;
}

static int encode_number_precision(lua_State *L)
{
    take_arguments(L, 1);
    whole_option(L, 1, &cjson_options_of(L)->precision, 1, 14);
    return 1;
}

/* Whether a buffer outlives a call: here none does, so all that it decides is what this returns. */
static int encode_keep_buffer(lua_State *L)
{
    take_arguments(L, 1);
    switch_option(L, 1, &cjson_options_of(L)->keep_buffer);
    return 1;
}

static int encode_invalid_numbers(lua_State *L)
{
    static const char *const names[] = {"off", "on", "null", NULL};
    struct cjson_options *o = cjson_options_of(L);
    take_arguments(L, 1);
    if (lua_isboolean(L, 1))
        o->encode_invalid = lua_toboolean(L, 1) ? INVALID_TAKEN : INVALID_REFUSED;
    else if (!lua_isnil(L, 1))
        o->encode_invalid = luaL_checkoption(L, 1, NULL, names);
    if (o->encode_invalid == INVALID_NULL)
        lua_pushliteral(L, "null");
    else
        lua_pushboolean(L, o->encode_invalid == INVALID_TAKEN);
    return 1;
}

static int decode_invalid_numbers(lua_State *L)
{
    take_arguments(L, 1);
    switch_option(L, 1, &cjson_options_of(L)->decode_invalid);
    return 1;
}

static int new_library(lua_State *L);

/* The options are at the top; a table takes their place. */
static void make_library(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"encode", encode},
        {"decode", cjson_decode},
        {"encode_sparse_array", encode_sparse_array},
        {"encode_max_depth", encode_max_depth},
        {"decode_max_depth", decode_max_depth},
        {"encode_number_precision", encode_number_precision},
        {"encode_keep_buffer", encode_keep_buffer},
        {"encode_invalid_numbers", encode_invalid_numbers},
        {"decode_invalid_numbers", decode_invalid_numbers},
        {"new", new_library},
        {NULL, NULL},
    };
    luaL_newlibtable(L, functions);
    lua_insert(L, -2);
    luaL_setfuncs(L, functions, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushliteral(L, "cjson");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "2.1.0");
    lua_setfield(L, -2, "_VERSION");
}

static int new_library(lua_State *L)
{
    cjson_defaults(lua_newuserdatauv(L, sizeof(struct cjson_options), 0));
    make_library(L);
    return 1;
}

void open_cjson(lua_State *L)
{
    lua_pushlightuserdata(L, &script_state_of(L)->cjson);
    make_library(L);
}
