/* tests/fuzz/fuzz_library.c - made-up sources of libraries: each is refused with a sentence, or what it registers is sound. */
#include "worker/script/library_load.h"
#include "tests/fuzz/fuzz.h"

/* Pieces that libraries are made of, whole ones and such as never stand in one. */
static const char *const heads[] = {"#!lua name=lib\n",
                                    "#!lua name=a_1\n",
                                    "#!LUA  NAME=b \r\n",
                                    "#!lua name=\n",
                                    "#!js name=a\n",
                                    "#!lua 'name=x'\n",
                                    "#!lua name=a name=b\n",
                                    "#!lua\n",
                                    "#!",
                                    "",
                                    "\n",
                                    "#!lua foo=1\n"};
static const char *const pieces[] = {
    "redis.register_function('f', function() return 1 end)\n",
    "redis.register_function('g', function(k, a) return {k, a} end)\n",
    "redis.register_function{function_name='h', callback=function() end}\n",
    "redis.register_function{function_name='i', callback=function() end, flags={'no-writes'}, "
    "description='d'}\n",
    "redis.register_function{function_name='j', callback=function() end, flags={'allow-oom', 'no-cluster', "
    "1}}\n",
    "redis.register_function{function_name='k', callback=redis.log, description=12}\n",
    "redis.register_function{[1]=2, [{}]=3}\n",
    "redis.register_function(redis)\n",
    "redis.register_function(nil, nil)\n",
    "redis.register_function(('x'):rep(300), redis.log)\n",
    "redis.log(redis.LOG_DEBUG, 'said', 1, nil, {})\n",
    "redis.log()\n",
    "local t = {} for i = 1, 30 do t[i] = i end\n",
    "local function f(x) return x end\n",
    "x = 1\n",
    "return\n",
    "error('e')\n",
    "local s = ('%d'):format(1)\n",
    "redis.register_function('f' .. 1, function() end)\n",
    "local a <const> = 1\n",
    "::l:: goto l\n",
    "for i = 1, 9 do redis.register_function('n' .. i, function() return i end) end\n",
    "redis.x = 1\n",
    "setmetatable(redis, {})\n"};
static const char *const tokens[] = {"(",        ")",     "{",
                                     "}",        "'",     "\"",
                                     "[[",       "]]",    ",",
                                     "=",        "nil",   "end",
                                     "function", "\n",    " ",
                                     "--",       "0x",    "\\",
                                     "redis",    ".",     "register_function",
                                     "callback", "flags", "function_name",
                                     "%",        "1e999", "-",
                                     "#"};

static char source[8192];
static size_t len;

static void put(const char *s)
{
    size_t n = strlen(s);
    if (len + n < sizeof(source)) {
        memcpy(source + len, s, n);
        len += n;
    }
}

static void make(void)
{
    len = 0;
    put(heads[chance(3) ? 0 : chance(ARRAY_LEN(heads))]);
    for (unsigned i = chance(6); i; i--)
        put(chance(5) ? pieces[chance(ARRAY_LEN(pieces))] : tokens[chance(ARRAY_LEN(tokens))]);
    for (unsigned i = chance(3) ? 0 : chance(4); i && len; i--)
        source[chance(len)] = (char)(chance(2) ? tokens[chance(ARRAY_LEN(tokens))][0] : (int)chance(256));
}

static void check(const struct library_pack *p)
{
    struct bytes rest = {p->p, p->n}, more;
    struct library lib, again;
    struct library_function f;
    uint32_t n = 0;
    CHECK(library_next(&rest, &lib) && !rest.n);
    CHECK(library_name_is_valid(lib.name) && bytes_equal(lib.code, (struct bytes){source, len}) &&
          lib.nfunctions);
    for (more = lib.functions; library_function_next(&more, &f); n++)
        CHECK(library_name_is_valid(f.name) && f.flags < 32 &&
              library_find((struct bytes){p->p, p->n}, lib.name, &again));
    CHECK(n == lib.nfunctions);
}

static bool load(void)
{
    struct library_source s;
    struct library_pack packed = {0};
    char error[LIBRARY_ERROR] = "";
    char *copy = malloc(len + 1); /* of its own, so that a step beyond it is seen */
    CHECK(copy);
    memcpy(copy, source, len);
    enum rc rc = library_source_open(&s, (struct bytes){copy, len}, error);
    if (!rc)
        rc = library_make(&s, chance(8) ? LOAD_BRIEFLY : LOAD_AT_LEAST, &packed, error);
    CHECK(!rc || rc == RC_INVALID || rc == RC_DEFER);
    CHECK((rc == RC_INVALID) == (error[0] != '\0') || rc == RC_DEFER);
    if (!rc)
        check(&packed);
    else
        CHECK(!packed.n);
    library_source_close(&s);
    free(packed.p);
    free(copy);
    return !rc;
}

int main(int argc, char **argv)
{
    uint64_t rounds = 0, loaded = 0;
    fuzz_begin(argc, argv, "fuzz_library");
    for (; fuzz_goes_on(rounds); rounds++) {
        make();
        loaded += load();
    }
    printf("%llu sources, %llu of them loaded\n", (unsigned long long)rounds, (unsigned long long)loaded);
    return 0;
}
