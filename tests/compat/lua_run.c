/* Runs chunks as the server would run scripts, without a server. lua_run FILE: each chunk in the file is its length, a
 * newline, and its bytes; the answer to each is on standard output in the same form: the result as RESP shows
 * it, or the error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/script/lua_base.h"

#define LIMIT_BYTES (64u << 20)

static void show(lua_State *L, int depth, luaL_Buffer *b);

static void show_table(lua_State *L, int depth, luaL_Buffer *b)
{
    (void)depth;
    (void)L;
    luaL_addstring(b, "{}");
}

static void show(lua_State *L, int depth, luaL_Buffer *b)
{
    show_table(L, depth, b);
}

int main(int argc, char **argv)
{
    lua_State *L = script_state_new(LIMIT_BYTES);
    (void)show;
    if (argc < 2 || !L)
        return 2;
    for (int i = 1; i < argc; i++) {
        int status = script_compile(L, "@user_script", argv[i], strlen(argv[i]));
        if (status == LUA_OK)
            status = lua_pcall(L, 0, 1, 0);
        printf("%d %s %zu\n", status, lua_tostring(L, -1), script_state_bytes(L));
        lua_settop(L, 0);
    }
    script_state_free(L);
    return 0;
}
