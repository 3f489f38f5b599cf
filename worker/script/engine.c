/* A program runs inside pcall inside the transaction of its command. What must end the try (a key that is not had, too long,
 * killed) leaves by longjmp past every pcall of the script's, and the state is thrown away. */
#include "worker/script/engine.h"
#include "shm/base/number.h"
#include "shm/config.h"
#include "shm/tx.h"
#include "worker/dispatch/execute.h"
#include "worker/dispatch/monitor.h"
#include "worker/dispatch/script.h"
#include "worker/dispatch/stats.h"
#include "worker/script/cache.h"
#include "worker/script/fcall.h"
#include "worker/script/lua_base.h"
#include "worker/script/overtime.h"
#include "worker/worker.h"

#include <stdlib.h>
#include <unistd.h>
#include <string.h>

#define STATE_BYTES (1ull << 30) /* what a script may come to */
#define WORKER_US   1000         /* so long a worker has time for a script */
#define HOOK_EVERY  1000         /* instructions: some 10 us */
#define LONG_STEPS  (1 << 20)    /* of lib_work: they may take so long at once */
#define REPLY_KEEP  (64u << 10)
#define LANE_RUNS   20u /* then a worker tries again whether the program is still long */

struct program_input {
    const struct bytes *keys, *args;
    int nkeys, nargs;
};

/* ---- states ---- */

static void open_eval(lua_State *L)
{
    api_open(L, true);
    script_protect(L);
    lua_pushvalue(L, -1);
    script_set_global(L, "redis");
    script_set_global(L, "server");
}

struct engines *engines_of(struct worker *w)
{
    if (LIKELY(w->engines))
        return w->engines;
    struct engines *es = calloc(1, sizeof(*es));
    CHECK(es);
    es->w = w;
    es->eval.open = open_eval;
    es->eval.lost = cache_lost;
    es->scripts = cache_make();
    functions_engine(es);
    /* Two workers that draw the same numbers would make the same tokens; in Redis there is but one sequence. */
    script_random_start((uint32_t)w->ctx.root->seed[0] ^ (uint32_t)getpid() * 2654435761u);
    return w->engines = es;
}

static int open_protected(lua_State *L)
{
    struct engine *e = lua_touserdata(L, 1);
    e->open(L);
    return 0;
}

lua_State *engine_state(struct engine *e)
{
    if (LIKELY(e->L))
        return e->L;
    e->L = script_state_new(STATE_BYTES);
    CHECK(e->L);
    lua_pushcfunction(e->L, open_protected);
    lua_pushlightuserdata(e->L, e);
    CHECK(lua_pcall(e->L, 1, 0, 0) == LUA_OK);
    return e->L;
}

void engine_discard(struct engines *es, struct engine *e)
{
    if (!e->L)
        return;
    lua_State *L = e->L;
    e->L = NULL;
    if (e->lost)
        e->lost(es);
    script_state_free(L);
}

/* ---- what forbids a script ---- */

static uint32_t program_row_flags(uint32_t row, uint32_t program)
{
    if (program & PROGRAM_COMPAT)
        return row;
    row &= ~(uint32_t)(F_STALE | F_DENYOOM | F_WRITE | F_MAY_REPLICATE);
    if (!(program & (PROGRAM_ALLOW_OOM | PROGRAM_NO_WRITES)))
        row |= F_DENYOOM;
    if (!(program & PROGRAM_NO_WRITES))
        row |= F_WRITE;
    return program & PROGRAM_ALLOW_STALE ? row | F_STALE : row;
}

bool engine_refuses(struct call *c, const struct program *p)
{
    if (p->flags & PROGRAM_COMPAT)
        return false;
    if (c->cmd->flags & F_READONLY && !(p->flags & PROGRAM_NO_WRITES))
        reply_error(c->reply, "ERR Can not execute a script with write flag using *_ro command.");
    else if (c->w->over_maxmemory && !(p->flags & (PROGRAM_ALLOW_OOM | PROGRAM_NO_WRITES)))
        reply_error(
            c->reply,
            "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'");
    else
        return false;
    return true;
}

bool script_reads(const struct call *c, const struct program *p)
{
    return c->cmd->flags & F_READONLY || (!(p->flags & PROGRAM_COMPAT) && p->flags & PROGRAM_NO_WRITES);
}

bool engine_keys_fit(struct call *c, int64_t n)
{
    if (n > c->argc - 3)
        reply_error(c->reply, "ERR Number of keys can't be greater than number of args");
    else if (n < 0)
        reply_error(c->reply, "ERR Number of keys can't be negative");
    else
        return true;
    return false;
}

bool engine_to_lane(const struct call *c, struct program *p)
{
    if (c->in_lane || !p->to_lane)
        return false;
    p->to_lane--;
    return true;
}

uint32_t script_row_flags(struct call *c)
{
    size_t mark = c->reply->len;
    c->cmd->ahead(c);
    c->reply->len = mark;
    return c->script ? program_row_flags(c->cmd->flags, c->script->flags) : c->cmd->flags;
}

/* ---- a try that comes to nothing, or to something ---- */

void script_forget(struct worker *w)
{
    struct engines *es = w->engines;
    if (!es)
        return;
    es->ntally = es->nerrors = 0;
    es->lines.len = 0;
    if (UNLIKELY(es->slow.entries.cap || es->slow.max_us[0] | es->slow.max_us[1]))
        slow_forget(&es->slow);
}

static void show_lines(struct call *c, struct engines *es)
{
    if (LIKELY(!es->lines.len))
        return;
    if (c->w->net)
        reply_raw(&c->w->net->monitor_lines, es->lines.buf, es->lines.len);
    else
        monitor_from_lane(c->w, &es->lines);
    reply_free(&es->lines);
}

static void count_tally(struct call *c, const struct tally *t)
{
    struct shm_slot *s = c->ctx->slot;
    struct shm_cmdstat *st = &s->cmd[t->cmd->id];
    st->calls += t->calls;
    st->usec += t->usec;
    st->failed += t->failed;
    st->rejected += t->rejected;
    s->stats.commands += t->calls;
    for (unsigned b = 0; b < LATENCY_BUCKETS && c->cfg->latency_tracking; b++)
        s->hist[t->cmd->id][b] += t->hist[b];
}

void script_count(struct call *c)
{
    struct engines *es = c->w->engines;
    if (!es)
        return;
    for (unsigned i = 0; i < es->ntally; i++)
        count_tally(c, &es->tally[i]);
    script_tell_slow(c, UINT64_MAX);
    stats_latency(c, false, es->slow.max_us[0]);
    stats_latency(c, true, es->slow.max_us[1]);
    for (unsigned i = 0; i < es->nerrors; i++)
        for (unsigned n = 0; n < es->error[i].count; n++)
            stats_error(c->ctx, es->error[i].line, strlen(es->error[i].line));
    show_lines(c, es);
    script_forget(c->w);
}

void run_abandon(struct run *r, enum rc rc)
{
    r->rc = rc;
    longjmp(r->out, 1);
}

/* ---- the clock ---- */

static void on_count(lua_State *L, lua_Debug *ar)
{
    struct run *r = &self_worker->engines->run;
    if (r->c->in_lane)
        overtime_look(r, L);
    else if (tick_now() > r->until || ar->currentline >= LONG_STEPS)
        run_abandon(r, RC_DEFER);
}

/* ---- running ---- */

static void push_array(lua_State *L, const struct bytes *b, int n)
{
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushlstring(L, b[i].p, b[i].n);
        lua_rawseti(L, -2, i + 1);
    }
}

/* As Redis's handler: an error becomes a table that tells where it arose. */
static int on_error(lua_State *L)
{
    lua_Debug ar;
    bool known = lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar);
    if (known && *ar.what == 'C')
        known = lua_getstack(L, 2, &ar) && lua_getinfo(L, "Sl", &ar);
    lua_settop(L, 1);
    if (!lua_istable(L, 1)) {
        luaL_tolstring(L, 1, NULL);
        lua_pushliteral(L, "ERR ");
        lua_insert(L, -2);
        lua_concat(L, 2);
        lua_createtable(L, 0, 3);
        lua_insert(L, -2);
        lua_setfield(L, -2, "err");
        lua_replace(L, 1);
    }
    if (known) {
        lua_pushstring(L, ar.source);
        lua_setfield(L, 1, "source");
        lua_pushnumber(L, ar.currentline);
        lua_setfield(L, 1, "line");
    }
    return 1;
}

/* An error that was counted as it arose is not counted again as the script's reply. */
static void uncount(struct engines *es, lua_State *L)
{
    if (!lua_istable(L, -1))
        return;
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_rawget(L, -2);
    if (lua_toboolean(L, -1) && es->run.last_error >= 0)
        es->error[es->run.last_error].count--;
    lua_pop(L, 1);
}

static int run_protected(lua_State *L)
{
    const struct program_input *in = lua_touserdata(L, 1);
    struct run *r = &self_worker->engines->run;
    bool eval = r->p->flags & PROGRAM_EVAL;
    lua_settop(L, 0);
    lua_pushcfunction(L, on_error);
    lua_rawgeti(L, LUA_REGISTRYINDEX, r->p->ref);
    push_array(L, in->keys, in->nkeys);
    if (eval)
        script_set_global(L, "KEYS");
    push_array(L, in->args, in->nargs);
    if (eval)
        script_set_global(L, "ARGV");
    int status =
        lua_pcall(L, eval ? 0 : 2, 1, 1); /* the hook stays: a reply's metamethods are the script's, too */
    struct reply *out = r->c->reply;
    uncount(self_worker->engines, L);
    if (status)
        write_failure(L, out, r->p->name);
    else
        write_reply(L, out, r->resp);
    return 0;
}

static void run_begin(struct engines *es, struct call *c, const struct program *p)
{
    struct run *r = &es->run;
    struct reply reply = r->reply;
    struct bytes *argv = r->argv;
    int cap = r->argv_cap;
    *r = (struct run){.w = c->w, .c = c, .p = p, .L = p->engine->L, .resp = 2, .db = c->db, .last_error = -1};
    r->reply_from = c->reply->len;
    r->reply = reply;
    r->argv = argv;
    r->argv_cap = cap;
    r->reads = script_reads(c, p);
    es->slow.from_us = stats_slow_us(c->cfg);
    r->allow_oom = !(p->flags & PROGRAM_COMPAT) && p->flags & PROGRAM_ALLOW_OOM;
    r->from = tick_now();
    r->until = r->from + ticks_of_us(WORKER_US);
    es->running = true;
}

static void run_end(struct engines *es)
{
    struct run *r = &es->run;
    es->running = false;
    r->w->ctx.slot->lua_bytes = (es->eval.L ? script_state_bytes(es->eval.L) : 0) +
                                (es->functions.L ? script_state_bytes(es->functions.L) : 0);
    if (r->reply.cap > REPLY_KEEP)
        reply_free(&r->reply);
    overtime_end(r);
}

void script_show(struct call *c)
{
    if (UNLIKELY(c->ctx->root->monitors))
        monitor_line(&engines_of(c->w)->lines, c->now_ms, c->db, c->session->addr, c->cmd, c->argv, c->argc);
}

static enum rc run_program(struct call *c, struct program *p, const struct program_input *in)
{
    struct engines *es = engines_of(c->w);
    lua_State *L = p->engine->L;
    size_t mark = c->reply->len;
    run_begin(es, c, p);
    if (c->in_exec)
        script_show(c);
    if (!setjmp(es->run.out)) {
        overtime_begin(&es->run);
        script_state_begin(L);
        lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
        lua_pushcfunction(L, run_protected);
        lua_pushlightuserdata(L, (void *)(uintptr_t)in);
        if (lua_pcall(L, 1, 0, 0)) {
            c->reply->len = mark;
            reply_errorf(c->reply, "ERR %s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "execution failure");
            lua_pop(L, 1);
        }
        lua_sethook(L, NULL, 0, 0);
        run_end(es);
        return RC_OK;
    }
    run_end(es);
    if (es->run.rc == RC_DEFER)
        p->to_lane = LANE_RUNS;
    if (!es->run.killed) /* else the reply says so */
        c->reply->len = mark;
    engine_discard(es, p->engine);
    return es->run.rc;
}

void engine_run(struct call *c)
{
    int64_t n = 0;
    CHECK(number_to_int64(c->argv[2], &n));
    struct program_input in = {
        .keys = c->argv + 3, .nkeys = (int)n, .args = c->argv + 3 + n, .nargs = c->argc - 3 - (int)n};
    enum rc rc = run_program(c, c->script, &in);
    if (rc)
        call_fail(c, rc);
}
