/* The script state: its walls. What scripts compute is compared with redis-server in tests/compat/lua_both.py; here is
 * what redis-server 7.0 does not survive, and what concerns the state and not the script. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/script/lua_base.h"

#define LIMIT_BYTES (16u << 20)

static int failures;

struct expectation {
    const char *script, *result; /* its text; what begins with '!' is an error */
};

/* Runs it in L and compares the first result, as text. */
static void expect(lua_State *L, const char *script, const char *result)
{
    char text[512];
    int status = script_compile(L, "@user_script", script, strlen(script));
    if (status == LUA_OK)
        status = lua_pcall(L, 0, 1, 0);
    const char *got = lua_isstring(L, -1)    ? lua_tostring(L, -1)
                      : lua_isboolean(L, -1) ? (lua_toboolean(L, -1) ? "true" : "false")
                                             : luaL_typename(L, -1);
    snprintf(text, sizeof(text), "%s%s", status == LUA_OK ? "" : "!", got);
    if (strcmp(text, result)) {
        printf("%.200s\n  gave     %s\n  expected %s\n", script, text, result);
        failures++;
    }
    lua_settop(L, 0);
}

static void expect_alone(const char *script, const char *result)
{
    lua_State *L = script_state_new(LIMIT_BYTES);
    script_state_begin(L);
    expect(L, script, result);
    script_state_free(L);
}

static void run_all(const struct expectation *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect_alone(e[i].script, e[i].result);
}

/* Ways out that Redis's advisories tell of. */
static const struct expectation escapes[] = {
    /* CVE-2015-4335: bytecode */
    {"return loadstring('\\27Lua\\84\\0\\25\\147') == nil", "true"},
    {"return (select(2, loadstring('\\27LuaS')))", "attempt to load a binary chunk (mode is 't')"},
    {"return pcall(string.dump, function() end)", "false"},
    {"local n = 0 return load(function() n = n + 1 return n == 1 and '\\27Lua' or nil end) == nil", "true"},
    /* CVE-2021-32626: stacks and depths */
    {"return select(2, pcall(cjson.decode, string.rep('[', 100000)))",
     "Found too many nested data structures (1001) at character 1001"},
    {"return (pcall(cmsgpack.unpack, string.rep('\\145', 200000)))", "false"},
    {"return (pcall(cmsgpack.unpack, string.rep('\\129\\1', 200000)))", "false"},
    {"cjson.encode_max_depth(2^31 - 1) local t = {} for i = 1, 50000 do t = {t} end return "
     "(pcall(cjson.encode, t))",
     "false"},
    {"return (pcall(loadstring, 'return ' .. string.rep('(', 100000)))", "true"},
    {"return loadstring('return ' .. string.rep('(', 100000)) == nil", "true"},
    {"return loadstring('return ' .. string.rep('{', 100000)) == nil", "true"},
    {"return loadstring(string.rep('do ', 100000)) == nil", "true"},
    {"return loadstring(string.rep('function f(...) return arg ', 300)) == nil", "true"},
    {"local function f() return f() + 1 end return (pcall(f))", "false"},
    {"local t = setmetatable({}, {}) getmetatable(t).__index = t return (pcall(function() return t.x end))",
     "false"},
    {"local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return (pcall(function() return "
     "t.x end))",
     "false"},
    {"local function f() return pcall(f) end return f()", "true"},
    {"local function f(e) return xpcall(f, f) end return type(f())", "boolean"},
    {"local s = string.rep('a', 100000) return (pcall(string.find, s, string.rep('a?', 1000) .. 'b'))",
     "false"},
    {"local co = coroutine.wrap(function(f) return f(f) end) local function f(g) return coroutine.wrap(g)(g) "
     "end "
     "return (pcall(co, f))",
     "false"},
    /* CVE-2022-0543: libraries that reach out */
    {"return rawget(_G, 'package')", "nil"},
    {"return rawget(_G, 'require')", "nil"},
    {"return rawget(_G, 'io')", "nil"},
    {"return rawget(_G, 'debug')", "nil"},
    {"return rawget(_G, 'dofile')", "nil"},
    {"return rawget(_G, 'loadfile')", "nil"},
    {"return rawget(_G, 'utf8')", "nil"},
    {"return rawget(_G, 'print')", "nil"},
    {"local n = 0 for k in pairs(os) do n = n + 1 end return n .. type(os.clock)", "1function"},
    /* CVE-2022-24735, CVE-2025-46818: what all scripts share */
    {"getmetatable('').__index = {}", "!user_script:1: Attempt to modify a readonly table"},
    {"getmetatable('').x = 1", "!user_script:1: Attempt to modify a readonly table"},
    {"rawset(getmetatable(''), '__index', {})", "!Attempt to modify a readonly table"},
    {"getmetatable('').__index.upper = 1", "!user_script:1: Attempt to modify a readonly table"},
    {"setmetatable(getmetatable(''), {})", "!Attempt to modify a readonly table"},
    {"setmetatable(getmetatable(_G), {})", "!Attempt to modify a readonly table"},
    {"table.insert(getmetatable(''), 1)", "!Attempt to modify a readonly table"},
    {"table.sort(string, nil) return 'unchanged'", "unchanged"},
    {"for k, v in pairs(_G) do if type(v) == 'table' and pcall(rawset, v, 'x', 1) then return k end end",
     "nil"},
    {"for k, v in pairs(_G) do if type(v) == 'table' and pcall(function() v.x = 1 end) then return k end end",
     "nil"},
    {"for k in pairs(string) do if pcall(function() string[k] = nil end) then return k end end", "nil"},
    {"local e = getfenv(tostring) return (pcall(rawset, e, 'x', 1))", "false"},
    {"setfenv(0, {})", "!user_script:1: 'setfenv' cannot change environment of given object"},
    {"return (pcall(setfenv, tostring, {}))", "false"},
    {"local t = setmetatable({}, _G) return (pcall(rawset, getmetatable(t), 'x', 1))", "false"},
    {"local t = setmetatable({}, string) return (pcall(rawset, getmetatable(t), 'x', 1))", "false"},
    {"local _, t = pairs(string) return (pcall(rawset, t, 'x', 1))", "false"},
    {"local _, t = ipairs(string) return (pcall(rawset, t, 'x', 1))", "false"},
    {"local _, t = pairs(_G) t.x = 1", "!user_script:1: Attempt to modify a readonly table"},
    {"local n = 0 for k, v in pairs(math) do n = n + 1 end return n > 20", "true"},
    {"return (pcall(cjson.encode, string))", "false"},
    /* CVE-2024-31449, CVE-2018-11218, CVE-2018-11219, CVE-2020-14147: arithmetic in the libraries */
    {"return bit.tohex(65535, -2147483648)", "0000FFFF"},
    {"return bit.tohex(65535, 2147483648)", "0000FFFF"},
    {"return (pcall(struct.unpack, 'c2147483647', 'x'))", "false"},
    {"return select(2, pcall(struct.pack, 'c99999999999999999999', 'x'))", "integral size overflow"},
    {"return (pcall(struct.unpack, 'dc0', struct.pack('d', -1) .. 'abc'))", "false"},
    {"return (pcall(struct.unpack, 'bc0', '\\255abc'))", "false"},
    {"return (pcall(struct.unpack, 'i4', 'abcdef', 2^63))", "false"},
    {"return (pcall(struct.unpack, '!8i8', 'abcdef', -7))", "false"},
    {"return (pcall(cmsgpack.unpack, '\\219\\255\\255\\255\\255'))", "false"},
    {"return (pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255'))", "false"},
    {"return (pcall(cmsgpack.unpack_one, 'abc', 2^63))", "false"},
    {"return (pcall(cmsgpack.unpack_limit, 'abc', -2^63, 1))", "false"},
    /* CVE-2025-46817: unpack's range */
    {"return (pcall(unpack, {}, 0, 2147483647))", "false"},
    {"return (pcall(unpack, {}, -2147483648, 2147483647))", "false"},
    {"return select('#', unpack({}, 2147483647, 2147483647))", "1"},
    /* CVE-2025-46819: the ends of long brackets */
    {"return loadstring('return [' .. string.rep('=', 1000000)) == nil", "true"},
    {"return loadstring('return \"\\\\d\" [' .. string.rep('=', 1000000)) == nil", "true"},
    {"return loadstring('return [==[ arg ]=') == nil", "true"},
    {"return loadstring('--[==[ arg \\\\') == nil", "true"},
    {"return loadstring('return \\'\\\\') == nil", "true"},
    /* Finalizers would run where no hook sees them. */
    {"local hit = 0 for i = 1, 100 do setmetatable({}, {__gc = function() hit = hit + 1 end}) end "
     "collectgarbage() collectgarbage() "
     "return hit",
     "0"},
    {"local hit = 0 local m = {} for i = 1, 100 do setmetatable({}, m) end m.__gc = function() hit = hit + 1 "
     "end collectgarbage() "
     "return hit",
     "0"},
    {"local x <close> = setmetatable({}, {__close = function() end}) return 1",
     "!variable got a non-closable value"},
    {"for i in next, {1}, nil, setmetatable({}, {__close = function() end}) do end",
     "!variable got a non-closable value"},
    {"local x <close> = nil local n = 0 for i in next, {1}, nil, nil do n = n + i end return n", "1"},
    {"local m = {__gc = 5} setmetatable({}, m) return m.__gc", "5"},
};

/* CVE-2024-46981, CVE-2025-49844: what the collector may take while it is in use. */
static const struct expectation collecting[] = {
    {"collectgarbage('setpause', 1) collectgarbage('setstepmul', 1000) local n = 0 for i = 1, 300 do "
     "local f = loadstring('local t = {} return function() return \"' .. i .. '\\\\d\" end', '=' .. "
     "string.rep('n', i) .. i) "
     "n = n + #f()() collectgarbage() end return n",
     "1092"},
    {"local t = {} for i = 1, 200 do t[i] = coroutine.wrap(function(...) while true do coroutine.yield(arg) "
     "end end) "
     "t[i](i, {}) end collectgarbage() for i = 1, 200 do t[i]() end t = nil collectgarbage() return 'sound'",
     "sound"},
    {"collectgarbage('stop') for i = 1, 1000 do local s = string.rep('x', 1000) .. i end "
     "collectgarbage('restart') "
     "collectgarbage() return collectgarbage('count') < 1000",
     "true"},
    {"local ok = pcall(string.gsub, string.rep('x', 1000), 'x', function(c) collectgarbage() return c .. c "
     "end) return ok",
     "true"},
    {"local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function(a, b) collectgarbage('step') t[#t + "
     "1] = nil return a > b "
     "end) return t[1]",
     "100"},
    {"local t = {} for i = 1, 50 do t[i] = i end return (pcall(table.sort, t, function(a, b) for k in "
     "pairs(t) do t[k] = nil end "
     "return a < b end))",
     "false"},
    {"local s = cjson.encode({setmetatable({}, {__index = function() collectgarbage() end})}) return s",
     "[{}]"},
};

/* The limit is an error like others; what was there before it still works. */
static const struct expectation memory[] = {
    {"local ok, e = pcall(string.rep, 'x', 2^30) return tostring(ok) .. ' ' .. e", "false not enough memory"},
    {"local ok, e = pcall(function() local t = {} while true do t[#t + 1] = {} end end) return tostring(ok) "
     ".. ' ' .. e",
     "false not enough memory"},
    {"local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) return tostring(ok) .. "
     "' ' .. e",
     "false not enough memory"},
    {"local ok, e = pcall(function() local t = {} while true do t = {t, coroutine.create(function() end)} "
     "end end) "
     "return tostring(ok) .. ' ' .. e",
     "false not enough memory"},
    {"local t = {} for i = 1, 1000 do t[i] = string.rep('x', 10000) end local ok = pcall(table.concat, t, "
     "'yyyyyyyyyyy') return ok",
     "false"},
    {"return (pcall(cjson.encode, {string.rep('\\1', 3000000)}))", "false"},
    {"return (pcall(cjson.decode, '[' .. string.rep('1,', 3000000) .. '1]'))", "false"},
    {"return (pcall(cmsgpack.pack, string.rep('x', 4000000), string.rep('y', 4000000)))", "false"},
    {"return (pcall(string.gsub, string.rep('x', 1000000), 'x', '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0'))",
     "false"},
    {"return (pcall(loadstring, 'return {' .. string.rep('{},', 1500000) .. '}'))", "true"},
    {"return (pcall(string.format, string.rep('%s', 4000), unpack(setmetatable({}, {__index = function() "
     "return 'x' end}), 1, 4000)))",
     "false"},
    {"while true do local ok = pcall(string.rep, 'x', 2^29) if not ok then return string.rep('ok', 1) end "
     "end",
     "ok"},
    {"string.rep('x', 2^30)", "!not enough memory"},
};

static const struct expectation habits[] = {
    {"return 'k:' .. 3000 / 1000 .. ':' .. #{1, 2} .. ':' .. 2^53", "k:3:2:9.007199254741e+15"},
    {"local goto, s = 1, '\\d' return goto .. s", "1d"},
    {"local function f(...) return arg.n end return f(1, nil)", "2"},
    {"return table.concat({1, 2.0, 3.5}, ' ')", "1 2 3.5"},
    {"local s = 0 for i = 1, '3' do s = s + i end return s", "6"},
};

static void check_options_begin_anew(void)
{
    lua_State *L = script_state_new(0);
    expect(L, "cjson.encode_number_precision(3) collectgarbage('stop') return cjson.encode(1/3)", "0.333");
    expect(L, "return cjson.encode(1/3)", "0.333");
    script_state_begin(L);
    expect(L, "return cjson.encode(1/3)", "0.33333333333333");
    script_state_free(L);
}

static void check_random(void)
{
    lua_State *a = script_state_new(0), *b = script_state_new(0);
    script_random_start(42);
    expect(a, "return math.random(1000000) .. ' ' .. math.random(1000000)", "744526 342702");
    expect(b, "math.randomseed(42) return math.random(1000000)", "744526");
    expect(a, "return math.random(1000000)", "342702");
    script_state_free(a);
    script_state_free(b);
}

static void stop(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_pushliteral(L, "stopped");
    lua_error(L);
}

/* Loops in C come back to the hook. */
static void check_hook(void)
{
    lua_State *L = script_state_new(0);
    expect(L, "return 'before'", "before");
    lua_sethook(L, stop, LUA_MASKCOUNT, 1000000);
    expect(L, "return (pcall(string.find, string.rep('a', 3000), string.rep('a-', 100) .. 'b'))", "false");
    expect(L, "local t = {} for i = 1, 60000 do t[i] = -i end table.sort(t)", "!stopped");
    expect(L, "while true do end", "!stopped");
    expect(L, "coroutine.wrap(function() while true do end end)()", "!user_script:1: stopped");
    script_state_free(L);
}

static int answer(lua_State *L)
{
    lua_pushnumber(L, 42);
    return 1;
}

static void check_interface(void)
{
    lua_State *L = script_state_new(0);
    size_t before = script_state_bytes(L);
    static const luaL_Reg functions[] = {{"call", answer}, {NULL, NULL}};
    luaL_newlib(L, functions);
    script_protect(L);
    script_set_global(L, "redis");
    lua_newtable(L);
    script_set_global(L, "KEYS");
    expect(L, "return redis.call()", "42");
    expect(L, "redis.call = nil", "!user_script:1: Attempt to modify a readonly table");
    expect(L, "KEYS[1] = 'k' return KEYS[1]", "k");
    expect(L, "local s = '' for k in pairs(redis) do s = s .. k end return s .. #KEYS", "call1");
    lua_getglobal(L, "redis");
    if (!lua_istable(L, -1) || script_state_bytes(L) <= before || script_state_bytes(L) > before + 100000) {
        printf("script_state_bytes: %zu, then %zu\n", before, script_state_bytes(L));
        failures++;
    }
    script_state_free(L);
    script_state_free(NULL);
}

#define RUN(list) run_all(list, sizeof(list) / sizeof(list[0]))

int main(void)
{
    RUN(escapes);
    RUN(collecting);
    RUN(memory);
    RUN(habits);
    check_options_begin_anew();
    check_random();
    check_hook();
    check_interface();
    return failures != 0;
}
