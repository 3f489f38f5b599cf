/* struct: values to and from the bytes of C's structures.
 *
 *   > <        the byte order from here on         ![n]       the alignment from here on
 *   x          a byte of padding                   f d        floats
 *   b B h H l L T i[n] I[n]   integers             c[n] s     n bytes (0: all, or as many as the number before); with a zero
 *
 * Every size is compared with what is left before anything is read, so that no sum can wrap around. */
#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "worker/script/lua_lib.h"

#define INTEGER_MAX 32 /* bytes */
#define ALIGN_MAX   8

struct layout {
    const char *at; /* in the format */
    bool big;
    size_t align;
};

static int number_at(lua_State *L, struct layout *f, int otherwise)
{
    int64_t n = 0;
    if (!isdigit((unsigned char)*f->at))
        return otherwise;
    for (; isdigit((unsigned char)*f->at); f->at++) {
        n = n * 10 + (*f->at - '0');
        if (n > INT_MAX)
            luaL_error(L, "integral size overflow");
    }
    return (int)n;
}

static size_t option_size(lua_State *L, char option, struct layout *f)
{
    int n;
    switch (option) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return sizeof(short);
    case 'l':
    case 'L':
    case 'T':
        return sizeof(long);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'c':
        return (size_t)number_at(L, f, 1);
    case 'i':
    case 'I':
        n = number_at(L, f, sizeof(int));
        if (n > INTEGER_MAX)
            luaL_error(L, "integral size %d is larger than limit of %d", n, INTEGER_MAX);
        return (size_t)n;
    default:
        return 0;
    }
}

static size_t padding(const struct layout *f, char option, size_t at, size_t size)
{
    if (size == 0 || option == 'c')
        return 0;
    if (size > f->align)
        size = f->align;
    return (size - (at & (size - 1))) & (size - 1);
}

static void control(lua_State *L, char option, struct layout *f)
{
    int n;
    switch (option) {
    case ' ':
        break;
    case '>':
        f->big = true;
        break;
    case '<':
        f->big = false;
        break;
    case '!':
        n = number_at(L, f, ALIGN_MAX);
        if (n <= 0 || n & (n - 1))
            luaL_error(L, "alignment %d is not a power of 2", n);
        f->align = (size_t)n;
        break;
    default:
        luaL_argerror(L, 1, lua_pushfstring(L, "invalid format option '%c'", option));
    }
}

/* Bytes beyond the eighth are 0. */
static void put_integer(luaL_Buffer *b, const struct layout *f, uint64_t v, size_t size)
{
    char bytes[INTEGER_MAX];
    for (size_t i = 0; i < size; i++) {
        bytes[f->big ? size - 1 - i : i] = (char)(i < 8 ? v >> (i * 8) : 0);
    }
    luaL_addlstring(b, bytes, size);
}

static double get_integer(const struct layout *f, const char *p, size_t size, bool negatives)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | (unsigned char)p[f->big ? i : size - 1 - i];
    if (!negatives)
        return (double)v;
    if (size > 0 && size < 8 && v >> (size * 8 - 1) & 1)
        v |= UINT64_MAX << (size * 8 - 1);
    return (double)(int64_t)v;
}

/* To or from the byte order of the format; this machine's is little. */
static void order_bytes(char *p, size_t size, bool big)
{
    for (size_t i = 0; big && i < size / 2; i++) {
        char c = p[i];
        p[i] = p[size - 1 - i];
        p[size - 1 - i] = c;
    }
}

static void put_float(lua_State *L, luaL_Buffer *b, const struct layout *f, int arg, size_t size)
{
    char bytes[sizeof(double)];
    double d = luaL_checknumber(L, arg);
    float small = (float)d;
    memcpy(bytes, size == sizeof(small) ? (void *)&small : (void *)&d, size);
    order_bytes(bytes, size, f->big);
    luaL_addlstring(b, bytes, size);
}

static double get_float(const struct layout *f, const char *p, size_t size)
{
    char bytes[sizeof(double)];
    double d;
    float small;
    memcpy(bytes, p, size);
    order_bytes(bytes, size, f->big);
    if (size == sizeof(small)) {
        memcpy(&small, bytes, size);
        return small;
    }
    memcpy(&d, bytes, size);
    return d;
}

/* Returns how many bytes it put. */
static size_t put_string(lua_State *L, luaL_Buffer *b, char option, int arg, size_t size)
{
    size_t n;
    const char *s = luaL_checklstring(L, arg, &n);
    if (size == 0)
        size = n;
    luaL_argcheck(L, n >= size, arg + 1, "string too short");
    luaL_addlstring(b, s, size);
    if (option == 's')
        luaL_addchar(b, '\0');
    return size + (option == 's');
}

static int struct_pack(lua_State *L)
{
    struct layout f = {luaL_checkstring(L, 1), false, 1};
    size_t total = 0;
    int arg = 2;
    luaL_Buffer b;
    lua_pushnil(L); /* arguments end here, whatever the buffer leaves behind it */
    luaL_buffinit(L, &b);
    while (*f.at) {
        lib_work(L, 4);
        char option = *f.at++;
        size_t size = option_size(L, option, &f), pad = padding(&f, option, total, size);
        for (size_t i = 0; i < pad; i++)
            luaL_addchar(&b, '\0');
        total += pad;
        if (strchr("bBhHlLTiI", option)) {
            double d = luaL_checknumber(L, arg++);
            put_integer(&b, &f, d < 0 ? (uint64_t)lib_whole(d) : lib_unsigned(d), size);
        } else if (option == 'x') {
            luaL_addchar(&b, '\0');
        } else if (option == 'f' || option == 'd') {
            put_float(L, &b, &f, arg++, size);
        } else if (option == 'c' || option == 's') {
            size = put_string(L, &b, option, arg++, size);
        } else {
            control(L, option, &f);
        }
        total += size;
    }
    luaL_pushresult(&b);
    return 1;
}

/* Pushes the bytes of a string, and returns how many were read. */
static size_t get_string(lua_State *L, const char *p, size_t left, size_t size, int *n)
{
    if (size == 0) {
        if (*n == 0 || !lua_isnumber(L, -1))
            luaL_error(L, "format 'c0' needs a previous size");
        size = lib_unsigned(lua_tonumber(L, -1));
        lua_pop(L, 1);
        --*n;
        luaL_argcheck(L, size <= left, 2, "data string too short");
    }
    lua_pushlstring(L, p, size);
    return size;
}

static size_t get_terminated(lua_State *L, const char *p, size_t left)
{
    const char *end = memchr(p, 0, left);
    if (!end)
        luaL_error(L, "unfinished string in data");
    lua_pushlstring(L, p, (size_t)(end - p));
    return (size_t)(end - p) + 1;
}

static int struct_unpack(lua_State *L)
{
    size_t len;
    struct layout f = {luaL_checkstring(L, 1), false, 1};
    const char *data = luaL_checklstring(L, 2, &len);
    size_t at = (size_t)lib_opt_integer(L, 3, 1);
    int n = 0;
    luaL_argcheck(L, at > 0, 3, "offset must be 1 or greater");
    at--;
    while (*f.at) {
        lib_work(L, 4);
        char option = *f.at++;
        size_t size = option_size(L, option, &f);
        at += padding(&f, option, at, size);
        luaL_argcheck(L, size <= len && at <= len - size, 2, "data string too short");
        lib_stack(L, 2, "too many results");
        if (strchr("bBhHlLTiI", option)) {
            lua_pushnumber(L, get_integer(&f, data + at, size, islower((unsigned char)option)));
            n++;
        } else if (option == 'f' || option == 'd') {
            lua_pushnumber(L, get_float(&f, data + at, size));
            n++;
        } else if (option == 'c') {
            size = get_string(L, data + at, len - at, size, &n);
            n++;
        } else if (option == 's') {
            size = get_terminated(L, data + at, len - at);
            n++;
        } else if (option != 'x') {
            control(L, option, &f);
        }
        at += size;
    }
    lua_pushnumber(L, (double)at + 1);
    return n + 1;
}

static int struct_size(lua_State *L)
{
    struct layout f = {luaL_checkstring(L, 1), false, 1};
    size_t at = 0;
    while (*f.at) {
        lib_work(L, 4);
        char option = *f.at++;
        size_t size = option_size(L, option, &f);
        at += padding(&f, option, at, size);
        if (option == 's')
            luaL_argerror(L, 1, "option 's' has no fixed size");
        if (option == 'c' && size == 0)
            luaL_argerror(L, 1, "option 'c0' has no fixed size");
        if (!isalnum((unsigned char)option))
            control(L, option, &f);
        at += size;
    }
    lua_pushnumber(L, (double)at);
    return 1;
}

void open_struct(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"pack", struct_pack}, {"unpack", struct_unpack}, {"size", struct_size}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
