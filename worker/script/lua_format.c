/* string.format as 5.1 has it: %d cuts fractions off, %s wants a string or a number, and an item ends at a zero
 * byte, as C's does. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "worker/script/lua_lib.h"

#define FLAGS "-+ #0"
/* "%-+ #099.99lx" and an end. */
#define SPEC_MAX 20
/* 310 digits before the point, 99 after it, and a sign. */
#define ITEM_MAX 512
/* Longer strings without a precision are taken as they are: with a width they need no blanks. */
#define LONG_STRING 100

/* Reads the flags, width and precision at `at` into spec, up to and with the letter; "l" goes before it. */
static const char *read_spec(lua_State *L, const char *at, char *spec, bool *precise)
{
    const char *p = at + strspn(at, FLAGS);
    if ((size_t)(p - at) >= sizeof(FLAGS))
        luaL_error(L, "invalid format (repeated flags)");
    for (int i = 0; i < 2 && isdigit((unsigned char)*p); i++)
        p++;
    *precise = *p == '.';
    if (*precise) {
        p++;
        for (int i = 0; i < 2 && isdigit((unsigned char)*p); i++)
            p++;
    }
    if (isdigit((unsigned char)*p))
        luaL_error(L, "invalid format (width or precision too long)");
    size_t n = (size_t)(p - at);
    spec[0] = '%';
    memcpy(spec + 1, at, n);
    snprintf(spec + 1 + n, SPEC_MAX - 1 - n, "%s%c", *p && strchr("dioxXu", *p) ? "l" : "", *p);
    return p;
}

static void add_quoted(lua_State *L, luaL_Buffer *b, int arg)
{
    size_t n;
    const char *s = luaL_checklstring(L, arg, &n);
    luaL_addchar(b, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\' || s[i] == '\n') {
            luaL_addchar(b, '\\');
            luaL_addchar(b, s[i]);
        } else if (s[i] == '\r') {
            luaL_addstring(b, "\\r");
        } else if (s[i] == 0) {
            luaL_addstring(b, "\\000");
        } else {
            luaL_addchar(b, s[i]);
        }
    }
    luaL_addchar(b, '"');
}

static void add_string(lua_State *L, luaL_Buffer *b, const char *spec, bool precise, int arg)
{
    size_t n;
    char item[ITEM_MAX];
    const char *s = luaL_checklstring(L, arg, &n);
    if (!precise && n >= LONG_STRING) {
        luaL_addlstring(b, s, n);
        return;
    }
    snprintf(item, sizeof(item), spec, s);
    luaL_addstring(b, item);
}

static void add_item(lua_State *L, luaL_Buffer *b, const char *spec, bool precise, char letter, int arg)
{
    char item[ITEM_MAX], name[2] = {letter, 0};
    switch (letter) {
    case 'c':
        snprintf(item, sizeof(item), spec, (int)lib_whole(luaL_checknumber(L, arg)));
        break;
    case 'd':
    case 'i':
        snprintf(item, sizeof(item), spec, (long)lib_whole(luaL_checknumber(L, arg)));
        break;
    case 'o':
    case 'u':
    case 'x':
    case 'X':
        snprintf(item, sizeof(item), spec, (unsigned long)lib_unsigned(luaL_checknumber(L, arg)));
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G':
        snprintf(item, sizeof(item), spec, luaL_checknumber(L, arg));
        break;
    case 'q':
        add_quoted(L, b, arg);
        return;
    case 's':
        add_string(L, b, spec, precise, arg);
        return;
    default:
        luaL_error(L, "invalid option '%%%s' to 'format'", name);
    }
    luaL_addstring(b, item);
}

static int s_format(lua_State *L)
{
    int arg = 1, top = lua_gettop(L);
    size_t n;
    luaL_Buffer b;
    const char *p = luaL_checklstring(L, 1, &n), *end = p + n;
    luaL_buffinit(L, &b);
    while (p < end) {
        char spec[SPEC_MAX];
        bool precise;
        if (*p != '%') {
            luaL_addchar(&b, *p++);
        } else if (*++p == '%') {
            luaL_addchar(&b, *p++);
        } else {
            if (++arg > top)
                luaL_argerror(L, arg, "no value");
            p = read_spec(L, p, spec, &precise);
            add_item(L, &b, spec, precise, *p, arg);
            p++;
        }
    }
    luaL_pushresult(&b);
    return 1;
}

void add_format(lua_State *L)
{
    lua_pushcfunction(L, s_format);
    lua_setfield(L, -2, "format");
}
