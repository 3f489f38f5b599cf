#include "worker/script/lua_lib.h"

static int s_len(lua_State *L)
{
    size_t n;
    luaL_checklstring(L, 1, &n);
    lua_pushnumber(L, (double)n);
    return 1;
}

void open_string(lua_State *L)
{
    static const luaL_Reg functions[] = {{"len", s_len}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
