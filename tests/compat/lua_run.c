/* Runs scripts as the server would, without a server: what tests/compat/lua_both.py compares with redis-server.
 * Standard input: for each script its length in decimal, a newline, its bytes. Standard output: for each script
 * "ok" or "error", the length of what follows, a newline, the text that it returned or the error's.
 *
 *   lua_run [LIMIT_BYTES]      each script in a state of its own */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/script/lua_base.h"

static int no_server(lua_State *L)
{
    return luaL_error(L, "no server here");
}

static int sha_of_nothing(lua_State *L)
{
    lua_pushliteral(L, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    return 1;
}

static void add_redis(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"call", no_server}, {"pcall", no_server}, {"sha1hex", sha_of_nothing}, {NULL, NULL}};
    luaL_newlib(L, functions);
    script_protect(L);
    script_set_global(L, "redis");
    lua_newtable(L);
    script_set_global(L, "KEYS");
    lua_newtable(L);
    script_set_global(L, "ARGV");
}

static void answer(const char *kind, const char *text, size_t n)
{
    printf("%s %zu\n", kind, n);
    fwrite(text, 1, n, stdout);
    fflush(stdout);
}

static void run(const char *body, size_t len, size_t limit)
{
    lua_State *L = script_state_new(limit);
    if (!L)
        abort();
    add_redis(L);
    int status = script_compile(L, "@user_script", body, len);
    if (status == LUA_OK)
        status = lua_pcall(L, 0, 1, 0);
    size_t n = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : luaL_typename(L, -1);
    answer(status == LUA_OK ? "ok" : "error", text, n ? n : strlen(text));
    script_state_free(L);
}

int main(int argc, char **argv)
{
    size_t limit = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, n;
    char line[32];
    while (fgets(line, sizeof(line), stdin)) {
        n = strtoull(line, NULL, 10);
        char *body = malloc(n + 1);
        if (!body || fread(body, 1, n, stdin) != n)
            return 1;
        body[n] = 0;
        run(body, n, limit);
        free(body);
    }
    return 0;
}
