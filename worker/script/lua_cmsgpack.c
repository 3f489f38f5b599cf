/* cmsgpack: MessagePack as Redis's library writes and reads it: strings only, no binary or extension types; a table is
 * an array if its keys are 1 to n. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "worker/script/lua_lib.h"

#define DEPTH_MAX 16 /* deeper tables are written as nil, so that circles end */

/* The head of a string, an array or a map: its smallest form. */
struct head_forms {
    unsigned char small, small_max, one, two, four; /* one: 0 where there is no such form */
};

static const struct head_forms string_forms = {0xa0, 31, 0xd9, 0xda, 0xdb};
static const struct head_forms array_forms = {0x90, 15, 0, 0xdc, 0xdd};
static const struct head_forms map_forms = {0x80, 15, 0, 0xde, 0xdf};

static void put_value(struct lib_buffer *b, int depth);

static void put_big_endian(struct lib_buffer *b, unsigned char kind, uint64_t v, int bytes)
{
    unsigned char text[9] = {kind};
    for (int i = 0; i < bytes; i++)
        text[1 + i] = (unsigned char)(v >> (8 * (bytes - 1 - i)));
    lib_add(b, text, (size_t)bytes + 1);
}

static void put_head(struct lib_buffer *b, const struct head_forms *f, size_t n)
{
    if (n <= f->small_max)
        put_big_endian(b, (unsigned char)(f->small | n), 0, 0);
    else if (n <= 0xff && f->one)
        put_big_endian(b, f->one, n, 1);
    else if (n <= 0xffff)
        put_big_endian(b, f->two, n, 2);
    else
        put_big_endian(b, f->four, n, 4);
}

static void put_integer(struct lib_buffer *b, int64_t v)
{
    uint64_t u = (uint64_t)v;
    if (v >= -32 && v <= 127)
        put_big_endian(b, (unsigned char)v, 0, 0);
    else if (v >= 0)
        v <= 0xff         ? put_big_endian(b, 0xcc, u, 1)
        : v <= 0xffff     ? put_big_endian(b, 0xcd, u, 2)
        : v <= 0xffffffff ? put_big_endian(b, 0xce, u, 4)
                          : put_big_endian(b, 0xcf, u, 8);
    else
        v >= INT8_MIN    ? put_big_endian(b, 0xd0, u, 1)
        : v >= INT16_MIN ? put_big_endian(b, 0xd1, u, 2)
        : v >= INT32_MIN ? put_big_endian(b, 0xd2, u, 4)
                         : put_big_endian(b, 0xd3, u, 8);
}

static void put_number(struct lib_buffer *b, double d)
{
    float f = (float)d;
    uint32_t small;
    uint64_t large;
    if (d == (double)lib_whole(d)) {
        put_integer(b, lib_whole(d));
    } else if (d == (double)f) {
        memcpy(&small, &f, sizeof(small));
        put_big_endian(b, 0xca, small, 4);
    } else {
        memcpy(&large, &d, sizeof(large));
        put_big_endian(b, 0xcb, large, 8);
    }
}

/* The table at the top: whether its keys are 1 to n, and in n how many there are. */
static bool is_array(lua_State *L, size_t *n)
{
    double most = 0;
    bool whole = true;
    *n = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lib_work(L, 2);
        lua_pop(L, 1);
        double k = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        whole = whole && k >= 1 && k <= INT_MAX && k == floor(k);
        most = k > most ? k : most;
        ++*n;
    }
    return whole && most == (double)*n;
}

static void put_table(struct lib_buffer *b, int depth)
{
    lua_State *L = b->L;
    size_t n;
    if (lib_view(L, -1))
        lua_replace(L, -2);
    if (is_array(L, &n)) {
        put_head(b, &array_forms, n);
        for (size_t i = 1; i <= n; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i);
            put_value(b, depth + 1);
        }
        return;
    }
    put_head(b, &map_forms, n);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        put_value(b, depth + 1);
        put_value(b, depth + 1);
    }
}

/* Takes the value from the top. */
static void put_value(struct lib_buffer *b, int depth)
{
    lua_State *L = b->L;
    size_t n;
    const char *s;
    luaL_checkstack(L, 6, "in function mp_check");
    lib_work(L, 4);
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        s = lua_tolstring(L, -1, &n);
        put_head(b, &string_forms, n);
        lib_add(b, s, n);
        break;
    case LUA_TBOOLEAN:
        put_big_endian(b, lua_toboolean(L, -1) ? 0xc3 : 0xc2, 0, 0);
        break;
    case LUA_TNUMBER:
        put_number(b, lua_tonumber(L, -1));
        break;
    case LUA_TTABLE:
        if (depth < DEPTH_MAX) {
            put_table(b, depth);
            break;
        } /* fall through */
    default:
        put_big_endian(b, 0xc0, 0, 0);
    }
    lua_pop(L, 1);
}

static int pack(lua_State *L)
{
    int n = lua_gettop(L);
    struct lib_buffer b;
    if (n == 0)
        return luaL_argerror(L, 0, "MessagePack pack needs input.");
    lib_buffer_begin(L, &b);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        put_value(&b, 0);
    }
    lua_pushlstring(L, b.p, b.n);
    return 1;
}

struct input {
    lua_State *L;
    const unsigned char *p;
    size_t left;
};

static void get_value(struct input *in);

static const unsigned char *take(struct input *in, size_t n)
{
    const unsigned char *p = in->p;
    if (in->left < n)
        luaL_error(in->L, "Missing bytes in input.");
    in->p += n;
    in->left -= n;
    return p;
}

static uint64_t get_big_endian(struct input *in, size_t bytes)
{
    uint64_t v = 0;
    const unsigned char *p = take(in, bytes);
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void get_string(struct input *in, size_t n)
{
    lua_pushlstring(in->L, (const char *)take(in, n), n);
}

static void get_array(struct input *in, size_t n)
{
    lua_State *L = in->L;
    lua_newtable(L);
    lib_stack(L, 1, "in function mp_decode_to_lua_array");
    for (size_t i = 1; i <= n; i++) {
        get_value(in);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
}

static void get_map(struct input *in, size_t n)
{
    lua_State *L = in->L;
    lua_newtable(L);
    while (n--) {
        get_value(in);
        get_value(in);
        lua_settable(L, -3); /* complains of keys that are nil or no number */
    }
}

static void get_float(struct input *in)
{
    uint32_t v = (uint32_t)get_big_endian(in, 4);
    float f;
    memcpy(&f, &v, sizeof(f));
    lua_pushnumber(in->L, f);
}

static void get_double(struct input *in)
{
    uint64_t v = get_big_endian(in, 8);
    double d;
    memcpy(&d, &v, sizeof(d));
    lua_pushnumber(in->L, d);
}

/* Kinds whose size or value is in their own byte. */
static void get_small(struct input *in, unsigned char kind)
{
    if (kind < 0x80)
        lua_pushnumber(in->L, kind);
    else if (kind >= 0xe0)
        lua_pushnumber(in->L, (int8_t)kind);
    else if (kind >= 0xa0 && kind <= 0xbf)
        get_string(in, kind & 31);
    else if (kind >= 0x90 && kind <= 0x9f)
        get_array(in, kind & 15);
    else if (kind <= 0x8f)
        get_map(in, kind & 15);
    else
        luaL_error(in->L, "Bad data format in input.");
}

static void get_value(struct input *in)
{
    lua_State *L = in->L;
    unsigned char kind = *take(in, 1);
    lib_work(L, 10);
    lib_stack(L, 1, "too many return values at once; use unpack_one or unpack_limit instead.");
    switch (kind) {
    case 0xc0:
        lua_pushnil(L);
        break;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(L, kind & 1);
        break;
    case 0xca:
        get_float(in);
        break;
    case 0xcb:
        get_double(in);
        break;
    case 0xcc:
    case 0xcd:
    case 0xce:
        lua_pushnumber(L, (double)get_big_endian(in, 1u << (kind & 3)));
        break;
    case 0xd0:
        lua_pushnumber(L, (int8_t)get_big_endian(in, 1));
        break;
    case 0xd1:
        lua_pushnumber(L, (int16_t)get_big_endian(in, 2));
        break;
    case 0xd2:
        lua_pushnumber(L, (int32_t)get_big_endian(in, 4));
        break;
    case 0xcf: /* with a sign, too, as there */
    case 0xd3:
        lua_pushnumber(L, (double)(int64_t)get_big_endian(in, 8));
        break;
    case 0xd9:
    case 0xda:
    case 0xdb:
        get_string(in, get_big_endian(in, 1u << (kind - 0xd9)));
        break;
    case 0xdc:
    case 0xdd:
        get_array(in, get_big_endian(in, kind == 0xdc ? 2 : 4));
        break;
    case 0xde:
    case 0xdf:
        get_map(in, get_big_endian(in, kind == 0xde ? 2 : 4));
        break;
    default:
        get_small(in, kind);
    }
}

/* Both 0: all values. Otherwise the place behind the last one is returned before them, -1 at the end. */
static int unpack_some(lua_State *L, lua_Integer limit, lua_Integer offset)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    bool all = !limit && !offset;
    int n = 0;
    lua_settop(L, 1);
    if (offset < 0 || limit < 0)
        return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.", (int)offset,
                          (int)len);
    if ((size_t)offset > len)
        return luaL_error(L, "Start offset %d greater than input length %d.", (int)offset, (int)len);
    struct input in = {L, (const unsigned char *)s + offset, len - (size_t)offset};
    for (; in.left && (all || n < limit); n++)
        get_value(&in);
    if (all)
        return n;
    lib_stack(L, 1, "in function mp_unpack_full");
    lua_pushnumber(L, in.left ? (double)(len - in.left) : -1);
    lua_insert(L, 2);
    return n + 1;
}

static int unpack(lua_State *L)
{
    return unpack_some(L, 0, 0);
}

static int unpack_one(lua_State *L)
{
    return unpack_some(L, 1, lib_opt_integer(L, 2, 0));
}

static int unpack_limit(lua_State *L)
{
    lua_Integer limit = lib_integer(L, 2);
    return unpack_some(L, limit, lib_opt_integer(L, 3, 0));
}

void open_cmsgpack(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pack", pack},
                                         {"unpack", unpack},
                                         {"unpack_one", unpack_one},
                                         {"unpack_limit", unpack_limit},
                                         {NULL, NULL}};
    static const char *const texts[][2] = {{"_NAME", "cmsgpack"},
                                           {"_VERSION", "lua-cmsgpack 0.4.0"},
                                           {"_DESCRIPTION", "MessagePack C implementation for Lua"},
                                           {"_COPYRIGHT", "written for Skep"}};
    luaL_newlib(L, functions);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        lua_pushstring(L, texts[i][1]);
        lua_setfield(L, -2, texts[i][0]);
    }
}
