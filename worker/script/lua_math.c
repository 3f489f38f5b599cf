/* math, and the little that is left of os. Random numbers are those of lrand48, as in Redis: one sequence for the
 * process, which goes on from script to script, and which randomseed begins anew. */
#include <math.h>
#include <time.h>

#include "worker/script/lua_lib.h"

/* fmod itself: the name means 5.1's operator, for all that is linked (lua_wrap.c). */
double __real_fmod(double a, double b);

#define RADIAN (3.14159265358979323846 / 180.0)

/* lrand48's recurrence: 48 bits, of which the upper 31 are the number. */
#define RANDOM_A     0x5DEECE66DULL
#define RANDOM_C     0xBULL
#define RANDOM_START 0x330EU
#define RANDOM_MAX   0x7FFFFFFF

/* One sequence for all states that this process ever has: a state that is thrown away must not make the next one
 * repeat its numbers. It begins where Redis's begins. */
static uint64_t sequence = 0x1234ABCD330EULL;

void script_random_start(uint32_t seed)
{
    sequence = (uint64_t)seed << 16 | RANDOM_START;
}

static int32_t random_next(void)
{
    sequence = (sequence * RANDOM_A + RANDOM_C) & 0xFFFFFFFFFFFFULL;
    return (int32_t)(sequence >> 17);
}

static int m_random(lua_State *L)
{
    double r = (double)(random_next() % RANDOM_MAX) / (double)RANDOM_MAX;
    int from = 1, to;
    switch (lua_gettop(L)) {
    case 0:
        lua_pushnumber(L, r);
        return 1;
    case 1:
        to = lib_int(L, 1);
        luaL_argcheck(L, from <= to, 1, "interval is empty");
        break;
    case 2:
        from = lib_int(L, 1);
        to = lib_int(L, 2);
        luaL_argcheck(L, from <= to, 2, "interval is empty");
        break;
    default:
        return luaL_error(L, "wrong number of arguments");
    }
    /* The width in 32 bits, as it is there. */
    lua_pushnumber(L, floor(r * (int32_t)((uint32_t)to - (uint32_t)from + 1)) + from);
    return 1;
}

static int m_randomseed(lua_State *L)
{
    script_random_start((uint32_t)lib_int(L, 1));
    return 0;
}

#define FUNCTION1(name, expression)                                                                          \
    static int m_##name(lua_State *L)                                                                        \
    {                                                                                                        \
        double x = luaL_checknumber(L, 1);                                                                   \
        lua_pushnumber(L, expression);                                                                       \
        return 1;                                                                                            \
    }
#define FUNCTION2(name, expression)                                                                          \
    static int m_##name(lua_State *L)                                                                        \
    {                                                                                                        \
        double x = luaL_checknumber(L, 1), y = luaL_checknumber(L, 2);                                       \
        lua_pushnumber(L, expression);                                                                       \
        return 1;                                                                                            \
    }

FUNCTION1(abs, fabs(x))
FUNCTION1(acos, acos(x))
FUNCTION1(asin, asin(x))
FUNCTION1(atan, atan(x))
FUNCTION1(ceil, ceil(x))
FUNCTION1(cos, cos(x))
FUNCTION1(cosh, cosh(x))
FUNCTION1(deg, x / RADIAN)
FUNCTION1(exp, exp(x))
FUNCTION1(floor, floor(x))
FUNCTION1(log, log(x))
FUNCTION1(log10, log10(x))
FUNCTION1(rad, x *RADIAN)
FUNCTION1(sin, sin(x))
FUNCTION1(sinh, sinh(x))
FUNCTION1(sqrt, sqrt(x))
FUNCTION1(tan, tan(x))
FUNCTION1(tanh, tanh(x))
FUNCTION2(atan2, atan2(x, y))
FUNCTION2(fmod, __real_fmod(x, y))
FUNCTION2(pow, pow(x, y))

static int m_frexp(lua_State *L)
{
    int e;
    lua_pushnumber(L, frexp(luaL_checknumber(L, 1), &e));
    lua_pushnumber(L, e);
    return 2;
}

static int m_ldexp(lua_State *L)
{
    double x = luaL_checknumber(L, 1);
    lua_pushnumber(L, ldexp(x, lib_int(L, 2)));
    return 1;
}

static int m_modf(lua_State *L)
{
    double whole, part = modf(luaL_checknumber(L, 1), &whole);
    lua_pushnumber(L, whole);
    lua_pushnumber(L, part);
    return 2;
}

static int m_max(lua_State *L)
{
    double best = luaL_checknumber(L, 1);
    for (int i = 2, n = lua_gettop(L); i <= n; i++) {
        double x = luaL_checknumber(L, i);
        best = x > best ? x : best;
    }
    lua_pushnumber(L, best);
    return 1;
}

static int m_min(lua_State *L)
{
    double best = luaL_checknumber(L, 1);
    for (int i = 2, n = lua_gettop(L); i <= n; i++) {
        double x = luaL_checknumber(L, i);
        best = x < best ? x : best;
    }
    lua_pushnumber(L, best);
    return 1;
}

void open_math(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"abs", m_abs},     {"acos", m_acos},   {"asin", m_asin},     {"atan", m_atan},
        {"atan2", m_atan2}, {"ceil", m_ceil},   {"cos", m_cos},       {"cosh", m_cosh},
        {"deg", m_deg},     {"exp", m_exp},     {"floor", m_floor},   {"fmod", m_fmod},
        {"frexp", m_frexp}, {"ldexp", m_ldexp}, {"log", m_log},       {"log10", m_log10},
        {"max", m_max},     {"min", m_min},     {"mod", m_fmod},      {"modf", m_modf},
        {"pow", m_pow},     {"rad", m_rad},     {"random", m_random}, {"randomseed", m_randomseed},
        {"sin", m_sin},     {"sinh", m_sinh},   {"sqrt", m_sqrt},     {"tan", m_tan},
        {"tanh", m_tanh},   {NULL, NULL},
    };
    luaL_newlib(L, functions);
    lua_pushnumber(L, 180 * RADIAN);
    lua_setfield(L, -2, "pi");
    lua_pushnumber(L, HUGE_VAL);
    lua_setfield(L, -2, "huge");
}

static int os_clock(lua_State *L)
{
    lua_pushnumber(L, (double)clock() / (double)CLOCKS_PER_SEC);
    return 1;
}

void open_os(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, os_clock);
    lua_setfield(L, -2, "clock");
}
