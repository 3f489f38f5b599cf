/* FCALL. A process compiles a library when one of its functions is called for the first time, and again when the library
 * has changed or the state was thrown away. Which library that is, an index by the functions' names tells; it is made anew
 * when the epoch has changed, and keeps what has been compiled of libraries that have not. */
#include "worker/script/fcall.h"
#include "shm/base/number.h"
#include "worker/script/libraries.h"
#include "worker/script/library_run.h"
#include "worker/worker.h"

#include <stdlib.h>

command_fn cmd_fcall;
script_ahead_fn fcall_ahead;

struct function {
    struct program program;
    struct lib *lib;
    char *name; /* ends with a zero byte, as none stands in it */
    struct function *chain;
};

struct lib {
    struct lib *next;
    uint64_t born;
    char *name;
    bool compiled, slow; /* slow: to compile it takes too long for a worker */
    unsigned n;
    struct function function[];
};

struct libraries {
    uint64_t epoch;
    struct lib *libs;
    struct function **bucket; /* by name; a power of two of them */
    size_t buckets;
};

/* ---- the index ---- */

static size_t hash_of(struct bytes name)
{
    uint64_t h = 14695981039346656037ull;
    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (uint8_t)(name.p[i] | 32)) *
            1099511628211ull; /* all cases alike; few others fall together */
    return (size_t)(h ^ h >> 32);
}

static char *copy_name(struct bytes b)
{
    char *p = malloc(b.n + 1);
    CHECK(p);
    memcpy(p, b.p, b.n);
    p[b.n] = '\0';
    return p;
}

static struct lib *lib_new(struct engines *es, const struct library *from)
{
    struct lib *l = calloc(1, sizeof(*l) + from->nfunctions * sizeof(l->function[0]));
    struct library_function f;
    CHECK(l);
    l->born = from->born;
    l->name = copy_name(from->name);
    for (struct bytes rest = from->functions; library_function_next(&rest, &f); l->n++) {
        struct function *to = &l->function[l->n];
        to->lib = l;
        to->name = copy_name(f.name);
        to->program = (struct program){.engine = &es->functions,
                                       .name = to->name,
                                       .ref = LUA_NOREF,
                                       .flags = f.flags}; /* the same bits */
    }
    return l;
}

static void lib_free(struct engines *es, struct lib *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (es->functions.L)
            luaL_unref(es->functions.L, LUA_REGISTRYINDEX, l->function[i].program.ref);
        free(l->function[i].name);
    }
    free(l->name);
    free(l);
}

/* What has been compiled of this very library, taken out of the list; NULL: nothing. */
static struct lib *take_known(struct libraries *ls, const struct library *lib)
{
    for (struct lib **at = &ls->libs; *at; at = &(*at)->next) {
        struct lib *l = *at;
        if (l->born == lib->born && bytes_equal((struct bytes){l->name, strlen(l->name)}, lib->name)) {
            *at = l->next;
            return l;
        }
    }
    return NULL;
}

static void index_make(struct libraries *ls, size_t functions)
{
    for (ls->buckets = 16; ls->buckets < functions; ls->buckets *= 2)
        ;
    free(ls->bucket);
    ls->bucket = calloc(ls->buckets, sizeof(struct function *));
    CHECK(ls->bucket);
    for (struct lib *l = ls->libs; l; l = l->next)
        for (unsigned i = 0; i < l->n; i++) {
            struct function *f = &l->function[i];
            struct function **at =
                &ls->bucket[hash_of((struct bytes){f->name, strlen(f->name)}) & (ls->buckets - 1)];
            f->chain = *at;
            *at = f;
        }
}

static void follow(struct engines *es, const struct library_copy *now)
{
    struct libraries *ls = es->libraries;
    struct library lib;
    struct lib *fresh = NULL;
    size_t functions = 0;
    if (LIKELY(ls->epoch == now->epoch && ls->bucket))
        return;
    for (struct bytes rest = now->all; library_next(&rest, &lib); functions += lib.nfunctions) {
        struct lib *l = take_known(ls, &lib);
        l = l ? l : lib_new(es, &lib);
        l->next = fresh;
        fresh = l;
    }
    for (struct lib *l; (l = ls->libs);) {
        ls->libs = l->next;
        lib_free(es, l);
    }
    ls->libs = fresh;
    ls->epoch = now->epoch;
    index_make(ls, functions);
}

static struct function *index_find(const struct libraries *ls, struct bytes name)
{
    struct function *f = ls->bucket[hash_of(name) & (ls->buckets - 1)];
    while (f && !bytes_is(name, f->name))
        f = f->chain;
    return f;
}

/* ---- compiling ---- */

/* The table of the functions, and the library: under pcall, since references take memory. */
static int take_refs(lua_State *L)
{
    struct lib *l = lua_touserdata(L, 2);
    for (unsigned i = 0; i < l->n; i++)
        if (lua_getfield(L, 1, l->function[i].name) != LUA_TNIL)
            l->function[i].program.ref = luaL_ref(L, LUA_REGISTRYINDEX);
        else
            lua_pop(L, 1);
    l->compiled = true;
    return 0;
}

static enum rc keep_compiled(lua_State *L, struct lib *l)
{
    lua_pushcfunction(L, take_refs);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, l);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK)
        return RC_OK;
    lua_pop(L, 1);
    return RC_NOMEM;
}

static enum rc compile_lib(struct call *c, struct engines *es, struct lib *l, const struct library_copy *now)
{
    struct library lib;
    struct library_source s;
    struct library_run run = {0};
    char error[LIBRARY_ERROR];
    enum load_patience how =
        c->in_lane ? LOAD_TO_END : LOAD_BRIEFLY; /* it has been loaded, so it comes to an end */
    CHECK(library_find(now->all, (struct bytes){l->name, strlen(l->name)}, &lib));
    lua_State *L = engine_state(&es->functions);
    enum rc rc = library_source_open(&s, lib.code, error);
    if (!rc)
        rc = library_load(L, s.body, how, &run, error);
    if (!rc)
        rc = keep_compiled(L, l);
    if (rc == RC_INVALID)
        reply_errorf(c->reply, "ERR %s", error);
    if (rc == RC_NOMEM) /* the state is full: the next call begins with an empty one */
        engine_discard(es, &es->functions);
    l->slow = rc == RC_DEFER;
    free(run.functions.p);
    library_source_close(&s);
    return rc == RC_INVALID ? RC_MISSING : rc;
}

/* ---- finding ---- */

/* RC_MISSING: it has replied. */
static enum rc find(struct call *c, struct function **out)
{
    struct engines *es = engines_of(c->w);
    const struct library_copy *now = libraries_here(c);
    if (!now)
        return c->rc;
    follow(es, now);
    struct function *f = *out = index_find(es->libraries, c->argv[1]);
    if (f && !f->lib->compiled) {
        enum rc rc = f->lib->slow && !c->in_lane ? RC_DEFER : compile_lib(c, es, f->lib, now);
        if (rc)
            return rc;
    }
    if (f && f->program.ref != LUA_NOREF)
        return RC_OK;
    reply_error(c->reply, "ERR Function not found");
    return RC_MISSING;
}

static bool keys_fit(struct call *c)
{
    int64_t n;
    if (number_to_int64(c->argv[2], &n))
        return engine_keys_fit(c, n);
    reply_error(c->reply, "ERR Bad number of keys provided");
    return false;
}

enum rc fcall_ahead(struct call *c)
{
    struct function *f;
    enum rc rc = find(c, &f);
    if (rc)
        return rc;
    c->script = &f->program;
    if (!keys_fit(c) || engine_refuses(c, c->script))
        return RC_MISSING;
    return engine_to_lane(c, c->script) ? RC_DEFER : RC_OK;
}

void cmd_fcall(struct call *c)
{
    if (!c->script) { /* in EXEC nothing was found ahead for this very call */
        struct function *f;
        enum rc rc = find(c, &f);
        if (rc || !keys_fit(c) || engine_refuses(c, &f->program)) {
            if (rc && rc != RC_MISSING)
                call_fail(c, rc);
            return;
        }
        c->script = &f->program;
    }
    engine_run(c);
}

/* ---- the engine ---- */

static void open_functions(lua_State *L)
{
    api_open(L, false);
    script_protect(L);
    lua_pushvalue(L, -1);
    script_set_global(L, "redis");
    script_set_global(L, "server");
}

static void all_lost(struct engines *es)
{
    for (struct lib *l = es->libraries->libs; l; l = l->next) {
        l->compiled = false;
        for (unsigned i = 0; i < l->n; i++)
            l->function[i].program.ref = LUA_NOREF;
    }
}

void functions_engine(struct engines *es)
{
    es->functions.open = open_functions;
    es->functions.lost = all_lost;
    es->libraries = calloc(1, sizeof(*es->libraries));
    CHECK(es->libraries);
}
