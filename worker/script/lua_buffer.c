/* Bytes that grow while the stack above them is in use, as luaL_Buffer cannot: in a userdata, which an error leaves to
 * the collector. */
#include <string.h>

#include "worker/script/lua_lib.h"

void lib_buffer_begin(lua_State *L, struct lib_buffer *b)
{
    b->L = L;
    b->n = 0;
    b->room = LIB_BUFFER_FIRST;
    b->p = lua_newuserdatauv(L, b->room, 0);
    b->index = lua_gettop(L);
}

void lib_grow(struct lib_buffer *b, size_t n)
{
    size_t room = b->room * 2 < b->n + n ? b->n + n : b->room * 2;
    luaL_checkstack(b->L, 1, "no room for a buffer");
    char *p = lua_newuserdatauv(b->L, room, 0);
    memcpy(p, b->p, b->n);
    lua_replace(b->L, b->index);
    b->p = p;
    b->room = room;
}
