#include "worker/script/cache.h"
#include "worker/worker.h"

#include <stdlib.h>

#define SCRIPTS_MAX 500u
#define CHAINS      512u

struct scripts {
    struct script *chain[CHAINS];
    struct script *oldest, *newest;
    unsigned n;
    uint64_t epoch;
};

struct scripts *cache_make(void)
{
    struct scripts *c = calloc(1, sizeof(*c));
    CHECK(c);
    return c;
}

static struct script **chain_of(struct scripts *c, const char *sha)
{
    uint64_t h;
    memcpy(&h, sha, sizeof(h));
    return &c->chain[(h * 0x9e3779b97f4a7c15ull >> 32) % CHAINS];
}

static void unlink_age(struct scripts *c, struct script *s)
{
    *(s->older ? &s->older->newer : &c->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &c->newest) = s->older;
}

static void link_newest(struct scripts *c, struct script *s)
{
    s->older = c->newest;
    s->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = s;
    c->newest = s;
}

static void uncompile(struct engines *es, struct script *s)
{
    if (es->eval.L && s->program.ref != LUA_NOREF)
        luaL_unref(es->eval.L, LUA_REGISTRYINDEX, s->program.ref);
    s->program.ref = LUA_NOREF;
}

void cache_drop(struct engines *es, struct script *s)
{
    struct scripts *c = es->scripts;
    struct script **at = chain_of(c, s->sha);
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
    unlink_age(c, s);
    uncompile(es, s);
    c->n--;
    free(s);
}

void cache_lost(struct engines *es)
{
    for (struct script *s = es->scripts->oldest; s; s = s->newer)
        s->program.ref = LUA_NOREF;
}

void cache_follow(struct engines *es)
{
    struct scripts *c = es->scripts;
    uint64_t epoch = __atomic_load_n(&scripting(es->w->ctx.root)->scripts_epoch, __ATOMIC_ACQUIRE);
    if (LIKELY(c->epoch == epoch))
        return;
    c->epoch = epoch;
    while (c->oldest)
        cache_drop(es, c->oldest);
}

struct script *cache_find(struct engines *es, const char sha[SHA1_HEX + 1])
{
    struct scripts *c = es->scripts;
    struct script *s = *chain_of(c, sha);
    while (s && memcmp(s->sha, sha, SHA1_HEX) != 0)
        s = s->chain;
    if (s && s != c->newest) {
        unlink_age(c, s);
        link_newest(c, s);
    }
    return s;
}

struct script *cache_add(struct engines *es, const char sha[SHA1_HEX + 1])
{
    struct scripts *c = es->scripts;
    struct script *s = cache_find(es, sha);
    if (s)
        return s;
    if (c->n == SCRIPTS_MAX)
        cache_drop(es, c->oldest);
    s = calloc(1, sizeof(*s));
    CHECK(s);
    memcpy(s->sha, sha, SHA1_HEX);
    s->program = (struct program){.engine = &es->eval, .name = s->sha, .ref = LUA_NOREF};
    struct script **at = chain_of(c, sha);
    s->chain = *at;
    *at = s;
    link_newest(c, s);
    c->n++;
    return s;
}
