/* Replies of commands as Lua's values, and back. */
#include "worker/script/engine.h"
#include "shm/base/number.h"
#include "worker/script/lua_lib.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

/* "-CODE words" keeps its code; anything else is given one. */
void push_error(lua_State *L, const char *text, size_t n)
{
    const char *code = "ERR", *blank = NULL;
    size_t code_n = 3;
    if (n && *text == '-') {
        text++, n--;
        blank = memchr(text, ' ', n);
        if (blank) {
            code = text;
            code_n = (size_t)(blank - text);
            n -= code_n + 1;
            text = blank + 1;
        }
    }
    while (n && strchr("\r\n", text[n - 1]))
        n--;
    while (n && strchr("\r\n", *text))
        text++, n--;
    lua_createtable(L, 0, 4);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addlstring(&b, code, code_n);
    luaL_addchar(&b, ' ');
    luaL_addlstring(&b, text, n);
    luaL_pushresult(&b);
    lua_setfield(L, -2, "err");
}

/* ---- a reply becomes a value ---- */

struct reading {
    lua_State *L;
    const char *at, *end;
};

/* The line behind the type's sign, without its end. */
static struct bytes line(struct reading *in)
{
    const char *from = in->at, *cr = memchr(from, '\r', (size_t)(in->end - from));
    CHECK(cr);
    in->at = cr + 2;
    return (struct bytes){from, (size_t)(cr - from)};
}

static int64_t line_number(struct reading *in)
{
    int64_t v = 0;
    struct bytes b = line(in);
    CHECK(number_to_int64(b, &v));
    return v;
}

static struct bytes blob(struct reading *in, int64_t n)
{
    const char *from = in->at;
    in->at += n + 2;
    return (struct bytes){from, (size_t)n};
}

static void push_bytes(lua_State *L, struct bytes b)
{
    lua_pushlstring(L, b.p, b.n);
}

static void wrap(lua_State *L, const char *field)
{
    lua_createtable(L, 0, 1);
    lua_insert(L, -2);
    lua_setfield(L, -2, field);
}

static void read_value(struct reading *in);

static void read_array(struct reading *in)
{
    int64_t n = line_number(in);
    if (n < 0) {
        lua_pushboolean(in->L, 0);
        return;
    }
    lua_createtable(in->L, (int)(n < 100000 ? n : 100000), 0);
    for (int64_t i = 1; i <= n; i++) {
        read_value(in);
        lua_rawseti(in->L, -2, i);
    }
}

static void read_map(struct reading *in)
{
    lua_newtable(in->L);
    for (int64_t n = line_number(in); n > 0; n--) {
        read_value(in);
        read_value(in);
        lua_rawset(in->L, -3);
    }
    wrap(in->L, "map");
}

static void read_set(struct reading *in)
{
    lua_newtable(in->L);
    for (int64_t n = line_number(in); n > 0; n--) {
        read_value(in);
        lua_pushboolean(in->L, 1);
        lua_rawset(in->L, -3);
    }
    wrap(in->L, "set");
}

static void read_verbatim(struct reading *in)
{
    struct bytes b = blob(in, line_number(in));
    lua_createtable(in->L, 0, 2);
    lua_pushlstring(in->L, b.p + 4, b.n - 4);
    lua_setfield(in->L, -2, "string");
    lua_pushlstring(in->L, b.p, 3);
    lua_setfield(in->L, -2, "format");
    wrap(in->L, "verbatim_string");
}

static void read_double(struct reading *in)
{
    char text[64];
    struct bytes b = line(in);
    size_t n = b.n < sizeof(text) - 1 ? b.n : sizeof(text) - 1;
    memcpy(text, b.p, n);
    text[n] = 0;
    lua_pushnumber(in->L, strtod(text, NULL));
    wrap(in->L, "double");
}

static void read_error(struct reading *in)
{
    const char *from = in->at - 1;
    struct bytes b = line(in);
    push_error(in->L, from, b.n + 1);
    lua_pushboolean(in->L, 1); /* it was counted where it arose */
    lua_setfield(in->L, -2, "ignore_error_stats_update");
}

static void read_bulk(struct reading *in)
{
    int64_t n = line_number(in);
    if (n < 0)
        lua_pushboolean(in->L, 0);
    else
        push_bytes(in->L, blob(in, n));
}

static void read_attribute(struct reading *in)
{
    for (int64_t n = line_number(in); n > 0; n--) {
        read_value(in);
        read_value(in);
        lua_pop(in->L, 2);
    }
    read_value(in);
}

static void read_value(struct reading *in)
{
    lua_State *L = in->L;
    luaL_checkstack(L, 6, NULL);
    lib_work(L, 10);
    switch (*in->at++) {
    case ':':
        lua_pushnumber(L, (lua_Number)line_number(in));
        break;
    case '$':
        read_bulk(in);
        break;
    case '+':
        push_bytes(L, line(in));
        wrap(L, "ok");
        break;
    case '-':
        read_error(in);
        break;
    case '*':
    case '>':
        read_array(in);
        break;
    case '%':
        read_map(in);
        break;
    case '~':
        read_set(in);
        break;
    case '_':
        line(in);
        lua_pushnil(L);
        break;
    case '#':
        lua_pushboolean(L, *line(in).p == 't');
        break;
    case ',':
        read_double(in);
        break;
    case '(':
        push_bytes(L, line(in));
        wrap(L, "big_number");
        break;
    case '=':
        read_verbatim(in);
        break;
    case '|':
        read_attribute(in);
        break;
    default:
        CHECKF(false, "a reply begins with %d", in->at[-1]);
    }
}

void push_reply(lua_State *L, const char *reply, size_t n)
{
    struct reading in = {L, reply, reply + n};
    read_value(&in);
}

/* ---- a value becomes a reply ---- */

#define NESTED_MOST 7996 /* values on the stack, as in Redis: each level of a nested table is a call of C's */

/* Type of the table's field, which is pushed if it is of that type. */
static bool push_field(lua_State *L, const char *name, int type)
{
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) == type)
        return true;
    lua_pop(L, 1);
    return false;
}

static struct bytes bytes_at(lua_State *L, int i)
{
    struct bytes b;
    b.p = lua_tolstring(L, i, &b.n);
    return b;
}

static void write_value(lua_State *L, struct reply *r, uint8_t resp);

static void write_map(lua_State *L, struct reply *r, uint8_t resp)
{
    size_t mark = reply_defer(r), n = 0;
    lua_pushnil(L);
    for (; lua_next(L, -2); n++) {
        lua_pushvalue(L, -2);
        write_value(L, r, resp);
        write_value(L, r, resp);
    }
    reply_defer_map(r, mark, n);
}

static void write_set(lua_State *L, struct reply *r, uint8_t resp)
{
    size_t mark = reply_defer(r), n = 0;
    lua_pushnil(L);
    for (; lua_next(L, -2); n++) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        write_value(L, r, resp);
    }
    reply_defer_set(r, mark, n);
}

static bool write_verbatim(lua_State *L, struct reply *r)
{
    int top = lua_gettop(L);
    bool whole = lua_getfield(L, -1, "string") == LUA_TSTRING && lua_getfield(L, -2, "format") == LUA_TSTRING;
    if (whole) {
        char ext[4] = "   ";
        struct bytes f = bytes_at(L, -1);
        memcpy(ext, f.p, f.n < 3 ? f.n : 3);
        reply_verbatim(r, ext, bytes_at(L, -2));
    }
    lua_settop(L, top);
    return whole;
}

static void write_array(lua_State *L, struct reply *r, uint8_t resp)
{
    size_t mark = reply_defer(r), n = 0;
    while (lua_rawgeti(L, -1, (lua_Integer)n + 1) != LUA_TNIL) {
        write_value(L, r, resp);
        n++;
    }
    lua_pop(L, 1);
    reply_defer_array(r, mark, n);
}

/* A line of its own ends at the first zero byte, as in C, and has no line ends inside. */
static void write_bignum(lua_State *L, struct reply *r)
{
    struct bytes b = bytes_at(L, -1);
    size_t from = r->len + 1;
    reply_bignum(r, b);
    for (size_t i = 0; r->resp == 3 && i < b.n; i++)
        if (r->buf[from + i] == '\r' || r->buf[from + i] == '\n')
            r->buf[from + i] = ' ';
}

/* A table with a field that names another type. False: it is an array. The table and the field are on the stack. */
static bool write_typed(lua_State *L, struct reply *r, uint8_t resp)
{
    if (push_field(L, "err", LUA_TSTRING)) {
        reply_errorf(r, "%s", lua_tostring(L, -1));
        return true;
    }
    if (push_field(L, "ok", LUA_TSTRING)) {
        reply_status(r, lua_tostring(L, -1));
        return true;
    }
    if (push_field(L, "double", LUA_TNUMBER)) {
        reply_double(r, lua_tonumber(L, -1));
        return true;
    }
    if (push_field(L, "map", LUA_TTABLE)) {
        write_map(L, r, resp);
        return true;
    }
    if (push_field(L, "set", LUA_TTABLE)) {
        write_set(L, r, resp);
        return true;
    }
    if (push_field(L, "big_number", LUA_TSTRING)) {
        write_bignum(L, r);
        return true;
    }
    if (push_field(L, "verbatim_string", LUA_TTABLE)) {
        if (write_verbatim(L, r))
            return true;
        lua_pop(L, 1);
    }
    return false;
}

/* As C's conversion does it on the machines that Redis runs on. */
static long long whole(lua_Number v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (long long)v : LLONG_MIN;
}

static void write_value(lua_State *L, struct reply *r, uint8_t resp)
{
    if (lua_gettop(L) > NESTED_MOST || !lua_checkstack(L, 5)) {
        reply_error(r, "ERR reached lua stack limit");
        lua_pop(L, 1);
        return;
    }
    int top = lua_gettop(L);
    lib_work(L, 10); /* tables may be in one another many times */
    switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
        struct bytes b = bytes_at(L, -1);
        lib_work(L, b.n / 8);
        reply_bulk(r, b.p, b.n);
        break;
    }
    case LUA_TBOOLEAN:
        if (resp >= 3)
            reply_bool(r, lua_toboolean(L, -1));
        else if (lua_toboolean(L, -1))
            reply_int(r, 1);
        else
            reply_null(r);
        break;
    case LUA_TNUMBER:
        reply_int(r, whole(lua_tonumber(L, -1)));
        break;
    case LUA_TTABLE:
        if (!write_typed(L, r, resp))
            write_array(L, r, resp);
        break;
    default:
        reply_null(r);
    }
    lua_settop(L, top - 1);
}

void write_reply(lua_State *L, struct reply *r, uint8_t script_resp)
{
    write_value(L, r, script_resp);
}

/* ---- a failure becomes a reply ---- */

static const char *text_field(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : NULL;
    return text; /* stays on the stack until the caller cuts it */
}

void write_failure(lua_State *L, struct reply *r, const char *name)
{
    int top = lua_gettop(L);
    if (!lua_istable(L, -1)) {
        const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : "execution failure";
        reply_errorf(r, "ERR Error running script %s, %.100s", name, text);
        return;
    }
    const char *err = text_field(L, "err");
    lua_pushvalue(L, top);
    const char *source = text_field(L, "source");
    lua_pushvalue(L, top);
    lua_getfield(L, -1, "line");
    bool at = lua_isnumber(L, -1);
    int line_at = at ? (int)lua_tonumber(L, -1) : 0;
    if (!err)
        err = "ERR unknown error";
    if (source && at)
        reply_errorf(r, "%s script: %s, on %s:%d.", err, name, source, line_at);
    else
        reply_errorf(r, "%s", err);
    lua_settop(L, top);
}
