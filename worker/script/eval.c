/* EVAL and its kin: which script, and what it is given. */
#include "worker/script/engine.h"
#include "shm/base/number.h"
#include "shm/config.h"
#include "worker/commands/args.h"
#include "worker/script/cache.h"
#include "worker/script/eval.h"
#include "worker/script/lua_base.h"
#include "worker/script/sha1.h"
#include "worker/script/store.h"
#include "worker/worker.h"

#include <ctype.h>

command_fn cmd_eval, cmd_evalsha;
script_ahead_fn eval_ahead, evalsha_ahead;

#define LONG_BODY    (32u << 10) /* to compile it takes about a millisecond, in which no clock is looked at */
#define ERR_NOSCRIPT "NOSCRIPT No matching script. Please use EVAL."

/* ---- the first line ---- */

static const struct {
    const char *name;
    uint32_t flag;
} flag_names[] = {{"no-writes", PROGRAM_NO_WRITES},
                  {"allow-oom", PROGRAM_ALLOW_OOM},
                  {"allow-stale", PROGRAM_ALLOW_STALE},
                  {"no-cluster", PROGRAM_NO_CLUSTER},
                  {"allow-cross-slot-keys", PROGRAM_CROSS_SLOTS}};

static bool same(struct bytes b, const char *text)
{
    return b.n == strlen(text) && !memcmp(b.p, text, b.n);
}

/* Up to the next of a character, which is stepped over. */
static struct bytes take_until(struct bytes *from, char stop)
{
    const char *end = memchr(from->p, stop, from->n);
    struct bytes part = {from->p, end ? (size_t)(end - from->p) : from->n};
    size_t step = part.n + (end != NULL);
    from->p += step;
    from->n -= step;
    return part;
}

static bool take_flags(struct bytes list, uint32_t *flags, struct reply *r)
{
    for (bool more = list.n; more;) {
        struct bytes one = take_until(&list, ',');
        more = one.p + one.n < list.p; /* the comma was stepped over */
        unsigned i = 0;
        while (i < ARRAY_LEN(flag_names) && !same(one, flag_names[i].name))
            i++;
        if (i == ARRAY_LEN(flag_names)) {
            reply_errorf(r, "ERR Unexpected flag in script shebang: %.*s", (int)one.n, one.p);
            return false;
        }
        *flags |= flag_names[i].flag;
    }
    return true;
}

static struct bytes next_word(struct bytes *line)
{
    while (line->n && isspace((unsigned char)*line->p))
        line->p++, line->n--;
    size_t n = 0;
    while (n < line->n && !isspace((unsigned char)line->p[n]))
        n++;
    struct bytes word = {line->p, n};
    line->p += n;
    line->n -= n;
    return word;
}

bool shebang_read(struct bytes *body, uint32_t *flags, struct reply *r)
{
    *flags = PROGRAM_COMPAT;
    if (body->n < 2 || memcmp(body->p, "#!", 2) != 0)
        return true;
    const char *end = memchr(body->p, '\n', body->n);
    if (!end) {
        reply_error(r, "ERR Invalid script shebang");
        return false;
    }
    struct bytes line = {body->p, (size_t)(end - body->p)}, word = next_word(&line);
    if (!same(word, "#!lua")) {
        reply_errorf(r, "ERR Unexpected engine in script shebang: %.*s", (int)word.n, word.p);
        return false;
    }
    *flags = 0;
    for (word = next_word(&line); word.n; word = next_word(&line)) {
        if (word.n < 6 || memcmp(word.p, "flags=", 6) != 0) {
            reply_errorf(r, "ERR Unknown lua shebang option: %.*s", (int)word.n, word.p);
            return false;
        }
        if (!take_flags((struct bytes){word.p + 6, word.n - 6}, flags, r))
            return false;
    }
    body->n -= (size_t)(end - body->p);
    body->p = end; /* the line's end stays: lines are counted from the first */
    return true;
}

/* ---- finding ---- */

struct script *script_make(struct engines *es, const char *sha, struct bytes body, struct reply *r)
{
    uint32_t flags;
    if (!shebang_read(&body, &flags, r))
        return NULL;
    lua_State *L = engine_state(&es->eval);
    if (script_compile(L, "@user_script", body.p, body.n) != LUA_OK) {
        reply_errorf(r, "ERR Error compiling script (new function): %s", lua_tostring(L, -1));
        lua_pop(L, 1);
        return NULL;
    }
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct script *s = cache_add(es, sha);
    s->program.flags = flags | PROGRAM_EVAL;
    s->program.ref = ref;
    return s;
}

static struct script *find_cached(struct engines *es, const char *sha)
{
    cache_follow(es);
    struct script *s = cache_find(es, sha);
    return s && s->program.ref != LUA_NOREF ? s : NULL;
}

bool script_too_long(const struct call *c, size_t n)
{
    return n > LONG_BODY && !c->in_lane;
}

static struct script *find_stored(struct call *c, const char *sha, enum rc *rc)
{
    struct engines *es = engines_of(c->w);
    struct reply body = {0};
    struct script *s = NULL;
    *rc = store_get(c->ctx, sha, &body);
    if (!*rc && script_too_long(c, body.len))
        *rc = RC_DEFER;
    if (!*rc) {
        s = script_make(es, sha, (struct bytes){body.buf, body.len}, c->reply);
        if (s)
            s->shared = true;
    }
    reply_free(&body);
    return s;
}

/* With NULL something has been replied, or *rc says to try again. */
static struct script *find_eval(struct call *c, enum rc *rc)
{
    struct engines *es = engines_of(c->w);
    char sha[SHA1_HEX + 1];
    *rc = RC_OK;
    sha1_hex(c->argv[1], sha);
    struct script *s = find_cached(es, sha);
    if (!s && script_too_long(c, c->argv[1].n))
        *rc = RC_DEFER;
    return s || *rc ? s : script_make(es, sha, c->argv[1], c->reply);
}

static struct script *find_evalsha(struct call *c, enum rc *rc)
{
    struct engines *es = engines_of(c->w);
    char sha[SHA1_HEX + 1] = {0};
    *rc = RC_MISSING;
    if (c->argv[1].n == SHA1_HEX) {
        for (unsigned i = 0; i < SHA1_HEX; i++)
            sha[i] = (char)tolower((unsigned char)c->argv[1].p[i]);
        struct script *s = find_cached(es, sha);
        s = s ? s : find_stored(c, sha, rc);
        if (s || *rc != RC_MISSING)
            return s;
    }
    reply_error(c->reply, ERR_NOSCRIPT);
    *rc = RC_OK;
    return NULL;
}

static bool keys_fit(struct call *c)
{
    int64_t n;
    return arg_int64(c, 2, &n) && engine_keys_fit(c, n);
}

/* ---- before the transaction ---- */

static enum rc ready(struct call *c, struct script *s, enum rc rc)
{
    if (!s)
        return rc ? rc : RC_MISSING;
    c->script = &s->program;
    if (engine_refuses(c, c->script))
        return RC_MISSING;
    return engine_to_lane(c, c->script) ? RC_DEFER : RC_OK;
}

enum rc eval_ahead(struct call *c)
{
    enum rc rc;
    if (!keys_fit(c))
        return RC_MISSING;
    struct script *s = find_eval(c, &rc);
    if (!s)
        return ready(c, s, rc);
    if (!s->shared) {
        /* Without room in the arena it still runs, here. */
        rc = store_put(c->ctx, s->sha, c->argv[1], false);
        if (rc == RC_BUSY)
            return rc;
        s->shared = !rc;
    }
    return ready(c, s, RC_OK);
}

enum rc evalsha_ahead(struct call *c)
{
    enum rc rc;
    if (c->argv[1].n == SHA1_HEX && !keys_fit(c)) /* in this order */
        return RC_MISSING;
    struct script *s = find_evalsha(c, &rc);
    return ready(c, s, rc);
}

/* ---- in the transaction ---- */

static void run(struct call *c, struct script *(*find)(struct call *, enum rc *))
{
    enum rc rc = RC_OK;
    if (!c->script) { /* in EXEC nothing was found ahead for this very call */
        struct script *s = keys_fit(c) ? find(c, &rc) : NULL;
        if (!s) {
            call_fail(c, rc);
            return;
        }
        c->script = &s->program;
        if (engine_refuses(c, c->script))
            return;
    }
    engine_run(c);
}

void cmd_eval(struct call *c)
{
    run(c, find_eval);
}

void cmd_evalsha(struct call *c)
{
    run(c, find_evalsha);
}
