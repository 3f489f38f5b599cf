/* bit: operations on 32 bits, signed results. */
#include <string.h>

#include "worker/script/lua_lib.h"

/* The low 32 bits of a number, rounded to a whole one: adding 2^52 + 2^51 puts them at the end of the double, also those of a
 * negative number. Beyond 2^51 the result is what this addition leaves. */
static uint32_t bits_at(lua_State *L, int arg)
{
    uint64_t v;
    double d = luaL_checknumber(L, arg) + 6755399441055744.0;
    memcpy(&v, &d, sizeof(v));
    return (uint32_t)v;
}

static int answer(lua_State *L, uint32_t v)
{
    lua_pushnumber(L, (int32_t)v);
    return 1;
}

static int bit_tobit(lua_State *L)
{
    return answer(L, bits_at(L, 1));
}

static int bit_bnot(lua_State *L)
{
    return answer(L, ~bits_at(L, 1));
}

static int bit_bswap(lua_State *L)
{
    return answer(L, __builtin_bswap32(bits_at(L, 1)));
}

static int bit_band(lua_State *L)
{
    uint32_t v = bits_at(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v &= bits_at(L, i);
    return answer(L, v);
}

static int bit_bor(lua_State *L)
{
    uint32_t v = bits_at(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v |= bits_at(L, i);
    return answer(L, v);
}

static int bit_bxor(lua_State *L)
{
    uint32_t v = bits_at(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v ^= bits_at(L, i);
    return answer(L, v);
}

static int bit_lshift(lua_State *L)
{
    uint32_t v = bits_at(L, 1), n = bits_at(L, 2) & 31;
    return answer(L, v << n);
}

static int bit_rshift(lua_State *L)
{
    uint32_t v = bits_at(L, 1), n = bits_at(L, 2) & 31;
    return answer(L, v >> n);
}

static int bit_arshift(lua_State *L)
{
    uint32_t v = bits_at(L, 1), n = bits_at(L, 2) & 31;
    return answer(L, (uint32_t)((int32_t)v >> n));
}

static int bit_rol(lua_State *L)
{
    uint32_t v = bits_at(L, 1), n = bits_at(L, 2) & 31;
    return answer(L, v << n | v >> (-n & 31));
}

static int bit_ror(lua_State *L)
{
    uint32_t v = bits_at(L, 1), n = bits_at(L, 2) & 31;
    return answer(L, v >> n | v << (-n & 31));
}

/* A negative number of digits wants capitals; -2^31 has no positive counterpart in 32 bits. */
static int bit_tohex(lua_State *L)
{
    uint32_t v = bits_at(L, 1);
    int64_t n = lua_isnone(L, 2) ? 8 : (int32_t)bits_at(L, 2);
    const char *digits = n < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[8];
    n = n < 0 ? -n : n;
    n = n > 8 ? 8 : n;
    for (int64_t i = n; i-- > 0; v >>= 4)
        text[i] = digits[v & 15];
    lua_pushlstring(L, text, (size_t)n);
    return 1;
}

void open_bit(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"tobit", bit_tobit}, {"bnot", bit_bnot}, {"bswap", bit_bswap},   {"band", bit_band},
        {"bor", bit_bor},     {"bxor", bit_bxor}, {"lshift", bit_lshift}, {"rshift", bit_rshift},
        {"rol", bit_rol},     {"ror", bit_ror},   {"tohex", bit_tohex},   {"arshift", bit_arshift},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
