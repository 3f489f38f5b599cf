#include "worker/script/lua_base.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "include/rc.h"
#include "worker/script/lua_lib.h"

/* In the metatable of a view, under an address that no script can name: the real table. */
static const char view_key;

static void *allocate(void *ud, void *block, size_t old, size_t new)
{
    struct script_state *s = ud;
    size_t had = block ? old : 0;
    if (new == 0) {
        s->used -= had;
        free(block);
        return NULL;
    }
    if (s->limit && new > had &&new - had > s->limit - (s->used < s->limit ? s->used : s->limit))
        return NULL;
    void *p = realloc(block, new);
    if (p)
        s->used += new - had;
    return p;
}

size_t script_state_bytes(const lua_State *L)
{
    return script_state_of(L)->used;
}

static int refuse_change(lua_State *L)
{
    return luaL_error(L, "Attempt to modify a readonly table");
}

static int refuse_unknown(lua_State *L)
{
    if (lua_gettop(L) != 2)
        return luaL_error(L, "Wrong number of arguments to luaProtectedTableError");
    if (!lua_isstring(L, 2))
        return luaL_error(L, "Second argument to luaProtectedTableError must be a string or number");
    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", lua_tostring(L, 2));
}

bool lib_view(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    if (lua_rawgetp(L, -1, &view_key) != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    return true;
}

/* The line is not known to a hook that counts: here it tells what is ahead. */
void lib_breathe(lua_State *L, size_t ahead)
{
    lua_Hook hook = lua_gethook(L);
    lua_Debug ar = {.event = LUA_HOOKCOUNT, .currentline = ahead < INT_MAX ? (int)ahead : INT_MAX};
    script_state_of(L)->steps = 0;
    if (hook && lua_gethookmask(L) & LUA_MASKCOUNT)
        hook(L, &ar);
}

void script_protect(lua_State *L)
{
    lua_createtable(L, 0, 0);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, &view_key);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_change);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

static void push_globals(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    CHECK(lib_view(L, -1));
    lua_remove(L, -2);
}

void script_set_global(lua_State *L, const char *name)
{
    push_globals(L);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* What getmetatable shows of the metatable at the top: it belongs to every script, so it is a view of one like
 * it. */
static void show_metatable(lua_State *L, int index_value)
{
    lua_pushvalue(L, index_value);
    lua_createtable(L, 0, 1);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__index");
    script_protect(L);
    lua_setfield(L, -2, "__metatable");
}

/* Methods of strings are found without a view between: nobody can write through ("x").upper. */
static void open_strings(lua_State *L)
{
    open_string(L);
    int methods = lua_gettop(L);
    lua_pushvalue(L, methods);
    script_protect(L);
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, methods);
    lua_setfield(L, -2, "__index");
    show_metatable(L, methods + 1);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    lua_remove(L, methods);
}

static const struct {
    const char *name;
    void (*open)(lua_State *);
} libraries[] = {
    {"coroutine", open_coroutine}, {"string", open_strings}, {"table", open_table},
    {"math", open_math},           {"os", open_os},          {"bit", open_bit},
    {"struct", open_struct},       {"cjson", open_cjson},    {"cmsgpack", open_cmsgpack},
};

/* The real globals with their metatable, and the view of them in the registry, where lua_load finds it. */
static int open_all(lua_State *L)
{
    lua_wrap_check(L);
    lua_createtable(L, 0, 64);
    open_base(L);
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        libraries[i].open(L);
        if (libraries[i].open != open_strings)
            script_protect(L);
        lua_setfield(L, -2, libraries[i].name);
    }
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, refuse_unknown);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_insert(L, -2);
    show_metatable(L, lua_gettop(L) - 1);
    lua_remove(L, -2);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    script_protect(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "_G");
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    return 0;
}

lua_State *script_state_new(size_t limit_bytes)
{
    struct script_state *s = calloc(1, sizeof(*s));
    lua_State *L = s ? lua_newstate(allocate, s) : NULL;
    if (!L) {
        free(s);
        return NULL;
    }
    *(struct script_state **)lua_getextraspace(L) = s;
    lua_pushcfunction(L, open_all);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        script_state_free(L);
        return NULL;
    }
    s->limit = limit_bytes;
    script_state_begin(L);
    return L;
}

void script_state_free(lua_State *L)
{
    struct script_state *s = L ? script_state_of(L) : NULL;
    if (!L)
        return;
    lua_close(L);
    free(s);
}

/* A round of the collector marks all that lives, mostly the libraries: some 100 us. While that is all there is, it comes
 * when ten times as much has been made, every few thousand scripts; with more, at twice, as in 5.1. To restart a collector
 * that runs would begin a round at once. */
#define SMALL_STATE (1u << 20)

void script_state_begin(lua_State *L)
{
    const struct script_state *s = script_state_of(L);
    cjson_defaults(&script_state_of(L)->cjson);
    if (!lua_gc(L, LUA_GCISRUNNING))
        lua_gc(L, LUA_GCRESTART);
    lua_gc(L, LUA_GCINC, s->used < SMALL_STATE ? 1000 : 200, 200, 0);
}

int script_compile(lua_State *L, const char *name, const char *body, size_t len)
{
    char *changed = source_translate(body, &len);
    int status = luaL_loadbufferx(L, changed ? changed : body, len, name, "t");
    free(changed);
    return status;
}
