/* The libraries of scripts against made-up bytes: cjson.decode, cmsgpack.unpack, struct.unpack, patterns and the
 * translation of sources. Values go out and come back; whatever the bytes, nothing breaks, and what was read is read
 * again from what is written of it (but for keys that are tables, which equal no other). fuzz_lua [--seconds N] [--seed S]. */
#include "tests/fuzz/fuzz.h"
#include "worker/script/lua_base.h"

#define INPUT_MAX   200
#define LIMIT_BYTES (8u << 20)
#define LIFE_TURNS  2000 /* a state's */

/* Each gets the bytes as its argument and returns true, or a text that says what is wrong. */
static const char *const checks[] = {
    /* json: what was decoded is decoded again from its encoding */
    "local same, s = ... local ok, v = pcall(cjson.decode, s) if not ok then return true end "
    "local ok, t = pcall(cjson.encode, v) if not ok then return true end "
    "local again = cjson.decode(t) return same(v, again) or 'cjson: ' .. t",
    /* msgpack */
    "local same, s = ... local ok, v = pcall(cmsgpack.unpack, s) if not ok then return true end "
    "local again = cmsgpack.unpack(cmsgpack.pack(v)) return same(v, again) or 'cmsgpack'",
    "local same, s = ... for i = 0, #s + 1 do pcall(cmsgpack.unpack_one, s, i) pcall(cmsgpack.unpack_limit, "
    "s, i % 5, i) end "
    "return true",
    /* struct: the format is made up, too */
    "local same, s = ... local n = s:find('\\0', 1, true) or math.floor(#s / 2) local f, d = s:sub(1, n), "
    "s:sub(n + 1) "
    "pcall(struct.size, f) pcall(struct.pack, f, d, 1, d, 2) pcall(struct.pack, f, 1, 2.5, -3, d) "
    "for i = 1, 3 do pcall(struct.unpack, f, d, i) end return true",
    /* patterns */
    "local same, s = ... local n = math.floor(#s / 3) local p, d = s:sub(1, n), s:sub(n + 1) "
    "local a, b = pcall(string.find, d, p) if a and b then local m = d:match('()' .. p) end "
    "pcall(string.gsub, d, p, '%1%0') pcall(string.format, p, d, 1, 2) "
    "if pcall(string.gmatch, d, p) then pcall(function() local k = 0 for w in d:gmatch(p) do k = k + 1 end "
    "end) end return true",
    /* sources; they run, a while */
    "local same, s = ... local f = loadstring(s) if f then pcall(f) end f = loadstring('return \"\\\\d\", "
    "function(...) ' .. s) "
    "if f then pcall(f) end return true",
};

static const char same_text[] =
    "local function same(a, b, n) n = n or 0 if a ~= a or b ~= b then return a ~= a and b ~= b end "
    "if type(a) ~= 'table' or type(b) ~= 'table' then "
    "return a == b or type(a) == 'number' and type(b) == 'number' and string.format('%.14g', a) == "
    "string.format('%.14g', b) end "
    "if n > 14 then return true end "
    "for k, v in pairs(a) do local w = b[k] if w == nil and type(k) == 'number' then w = b[tostring(k)] end "
    "if type(k) ~= 'table' and not same(v, w, n + 1) then return false end end return true end return same";

static const char *const words[] = {
    "{",    "}",       "[",      "]",    "\"",      ":",        ",",        "1",       "-1.5", "true",
    "null", "\\u00e9", "\\n",    "1e9",  "\\ud834", "[[",       "]]",       "--",      "--[[", "[==[",
    "]==]", "'",       "\\d",    "\\x",  "\n",      "function", "(",        ")",       "...",  " end ",
    " do ", " if ",    " then ", "arg",  " arg ",   " goto ",   "local",    "return ", "=",    "%a",
    "%b()", "%f",      "[^",     "*",    "+",       "-",        "?",        "$",       "^",    "%1",
    "(()",  ">",       "<",      "!4",   "i8",      "I3",       "c0",       "s",       "d",    "x",
    "\x81", "\x92",    "\xa3",   "\xdc", "\xdf",    "\xcb",     "\xd9\x03", "%5d",     "%.3s", "%q",
    "%c",   "repeat",  "until",  " .. ", "#",       "0x1p",     "\r\n",
};

static size_t fill(char *out)
{
    size_t n = 0, want = chance(INPUT_MAX - 10);
    while (n < want) {
        const char *w = words[chance(sizeof(words) / sizeof(words[0]))];
        if (chance(6) == 0) {
            out[n++] = (char)chance(256);
        } else {
            memcpy(out + n, w, strlen(w));
            n += strlen(w);
        }
    }
    return n;
}

static void stop(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_pushliteral(L, "long enough");
    lua_error(L);
}

/* The checks become functions at 2, 3, ...; at 1 is the comparison. */
static lua_State *fresh_state(void)
{
    lua_State *L = script_state_new(LIMIT_BYTES);
    if (!L || script_compile(L, "=same", same_text, strlen(same_text)) != LUA_OK ||
        lua_pcall(L, 0, 1, 0) != LUA_OK)
        abort();
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (script_compile(L, "=check", checks[i], strlen(checks[i])) != LUA_OK) {
            puts(lua_tostring(L, -1));
            abort();
        }
    lua_sethook(L, stop, LUA_MASKCOUNT, 200000);
    return L;
}

static int give_up(uint64_t turn, const char *input, size_t n, const char *why)
{
    char name[64];
    snprintf(name, sizeof(name), "fuzz_lua-%llu-%llu.input", (unsigned long long)fuzz.seed,
             (unsigned long long)turn);
    FILE *f = fopen(name, "w");
    if (f) {
        fwrite(input, 1, n, f);
        fclose(f);
    }
    printf("%s; the input is in %s\n", why, name);
    return 1;
}

int main(int argc, char **argv)
{
    fuzz_begin(argc, argv, "fuzz_lua");
    lua_State *L = fresh_state();
    for (uint64_t turn = 0; fuzz_goes_on(turn); turn++) {
        char input[INPUT_MAX];
        size_t n = fill(input), which = chance(sizeof(checks) / sizeof(checks[0]));
        if (turn % LIFE_TURNS == LIFE_TURNS - 1) {
            script_state_free(L);
            L = fresh_state();
        }
        lua_pushvalue(L, (int)which + 2);
        lua_pushvalue(L, 1);
        lua_pushlstring(L, input, n);
        int status = lua_pcall(L, 2, 1, 0);
        if (status == LUA_OK && lua_type(L, -1) == LUA_TSTRING)
            return give_up(turn, input, n, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    script_state_free(L);
    return 0;
}
