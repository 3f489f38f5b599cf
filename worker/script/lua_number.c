/* Numbers and their text, as 5.1 has them: "%.14g", and strtod. Both are on the way of every key that a script
 * puts together, so what is whole and short takes no printf and no strtod. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/script/lua_lib.h"

/* "%.14g" shows 14 digits; from 10^14 on it takes an exponent. */
#define SHORT_LIMIT 1e14

int number_text(char text[NUMBER_TEXT_MAX], double d)
{
    char digits[NUMBER_TEXT_MAX];
    int n = 0, at = 0;
    if (!(d > -SHORT_LIMIT && d < SHORT_LIMIT) || d != (double)(int64_t)d || (d == 0 && signbit(d)))
        return snprintf(text, NUMBER_TEXT_MAX, "%.14g", d);
    uint64_t v = (uint64_t)(d < 0 ? -d : d);
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    if (d < 0)
        text[at++] = '-';
    while (n)
        text[at++] = digits[--n];
    text[at] = 0;
    return at;
}

/* Fifteen digits are exact in a double. */
static bool parse_short(const char *text, size_t len, double *out)
{
    uint64_t v = 0;
    if (len == 0 || len > 15)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *out = (double)v;
    return true;
}

bool number_parse(const char *text, size_t len, double *out)
{
    char *end;
    if (parse_short(text, len, out))
        return true;
    *out = strtod(text, &end);
    if (end == text)
        return false;
    while (isspace((unsigned char)*end))
        end++;
    return end == text + len;
}

/* Out of range is what x86 makes of such a conversion. */
lua_Integer lib_whole(double d)
{
    return d >= -0x1p63 && d < 0x1p63 ? (lua_Integer)d : INT64_MIN;
}

/* Negative numbers wrap around, too large ones are 0. */
uint64_t lib_unsigned(double d)
{
    return d < 0x1p63 || d != d ? (uint64_t)lib_whole(d) : d < 0x1p64 ? (uint64_t)d : 0;
}

lua_Integer lib_integer(lua_State *L, int arg)
{
    return lib_whole(luaL_checknumber(L, arg));
}

lua_Integer lib_opt_integer(lua_State *L, int arg, lua_Integer otherwise)
{
    return lua_isnoneornil(L, arg) ? otherwise : lib_integer(L, arg);
}

int lib_int(lua_State *L, int arg)
{
    return (int)(uint32_t)(uint64_t)lib_integer(L, arg);
}

int lib_opt_int(lua_State *L, int arg, int otherwise)
{
    return lua_isnoneornil(L, arg) ? otherwise : lib_int(L, arg);
}

void lib_stack(lua_State *L, int n, const char *message)
{
    if (lua_gettop(L) + n > LIB_RESULTS_MAX)
        luaL_error(L, "stack overflow (%s)", message);
    luaL_checkstack(L, n + LUA_MINSTACK, message);
}
