/* EXEC. What is queued falls into two kinds. Commands that concern the connection or the server (SELECT, PING, CONFIG,
 * CLIENT ...) run first, in their order and once; their replies are kept, and each command of the other kind learns
 * its database and protocol there. Then the commands of the keyspace run in one transaction: the keys of all of them
 * and those that are watched are latched at once, each command sees them through a view of its own, and one commit
 * shows everything. Whatever hinders one of them undoes all, so that EXEC can be run again from its beginning. */
#include "shm/wal.h"
#include "worker/dispatch/block.h"
#include "worker/dispatch/execute.h"
#include "worker/dispatch/multi.h"
#include "worker/dispatch/keyplan.h"
#include "worker/dispatch/script.h"
#include "worker/dispatch/stats.h"
#include "worker/net/pubsub.h"
#include "worker/net/tracking.h"

#include <stdlib.h>

/* With more than this a transaction takes over a millisecond: the slow lane runs it. */
#define COMMANDS_IN_WORKER 1000u
#define BYTES_IN_WORKER    (256u << 10)
#define WANTS_INLINE       16

command_fn cmd_publish, cmd_spublish, cmd_function_list, cmd_function_dump, cmd_function_stats;

struct exec {
    struct call *c;
    struct multi *m;
    struct keyplan
        plan; /* the keys of all commands, then those that are watched, then those that scripts asked for */
    unsigned watched_from;
    bool stale;
    bool keeps; /* its client caches what it reads here */
    struct tx tx;
};

static bool in_keyspace(const struct command *cmd)
{
    return command_has_keys(cmd) || cmd->flags & (F_READONLY | F_WRITE);
}

/* What names no key and has its place among the commands all the same. PUBLISH: its message must not overtake the
 * transaction, and goes with it if that comes to nothing. Looks at libraries, which FUNCTION LOAD before may have changed. */
static bool in_place(const struct command *cmd)
{
    return cmd->run == cmd_publish || cmd->run == cmd_spublish || cmd->run == cmd_function_list ||
           cmd->run == cmd_function_dump || cmd->run == cmd_function_stats;
}

bool exec_wants_gate(const struct multi *m)
{
    for (unsigned i = 0; i < m->n; i++)
        if (!m->q[i].cmd->keys[0].first && in_keyspace(m->q[i].cmd))
            return true;
    return false;
}

static bool has_outside(const struct multi *m)
{
    for (unsigned i = 0; i < m->n; i++)
        if (!in_keyspace(m->q[i].cmd) && !in_place(m->q[i].cmd))
            return true;
    return false;
}

static struct call call_of(const struct exec *x, const struct queued *q)
{
    struct call c = *x->c;
    c.cmd = q->cmd;
    c.argv = q->argv;
    c.argc = q->argc;
    c.db = q->db;
    c.keys = NULL;
    c.nkeys = 0;
    c.tx = NULL;
    c.in_exec = true;
    c.anonymous = x->c->in_lane && x->m->flags & F_READONLY; /* read before the change, or behind it? */
    c.removes = x->m->flags & (F_WRITE | F_SCRIPT);
    c.script = NULL;
    c.need = 0;
    c.rc = RC_OK;
    return c;
}

static void note_outcome(struct exec *x, struct queued *q, size_t mark, uint64_t from)
{
    const struct reply *r = x->c->reply;
    q->usec = ticks_to_us(tick_now() - from);
    q->failed = r->len > mark && r->buf[mark] == '-';
}

/* ---- before the transaction ---- */

static enum rc run_outside(struct exec *x, struct queued *q)
{
    struct reply *r = x->c->reply;
    struct call c = call_of(x, q);
    size_t mark = r->len;
    uint64_t from = tick_now();
    r->resp = q->resp;
    c.cmd->run(&c);
    if (c.rc == RC_NOMEM) {
        r->len = mark;
        reply_error(r, ERR_OOM);
    } else if (c.rc) {
        r->len = mark;
        return c.rc;
    }
    note_outcome(x, q, mark, from);
    q->db = x->c->in_lane ? q->db : x->c->session->db; /* as MONITOR shows it */
    q->here = true;
    q->reply_len = r->len - mark;
    q->reply = malloc(q->reply_len + 1);
    CHECK(q->reply);
    memcpy(q->reply, r->buf + mark, q->reply_len);
    r->len = mark;
    return RC_OK;
}

/* The worker comes here first; the lane, which has no client, runs what only it can, and what was left. */
static enum rc get_ready(struct exec *x)
{
    struct multi *m = x->m;
    for (; m->ready < m->n; m->ready++) {
        struct queued *q = &m->q[m->ready];
        if (!x->c->in_lane) {
            q->db = x->c->session->db;
            q->resp = x->c->session->resp;
        }
        if (q->reply || in_keyspace(q->cmd) || in_place(q->cmd))
            continue;
        enum rc rc = q->cmd->flags & F_SLOW && !x->c->in_lane ? RC_DEFER : run_outside(x, q);
        if (rc == RC_DEFER)
            m->for_lane = true;
        else if (rc)
            return rc;
    }
    return RC_OK;
}

/* ---- the plan ---- */

static void plan_command(struct exec *x, struct queued *q)
{
    struct key_want stack[WANTS_INLINE], *want = stack;
    struct call c = call_of(x, q);
    int n = call_wants(&c, want, WANTS_INLINE);
    if (n > WANTS_INLINE) {
        want = malloc((size_t)n * sizeof(*want));
        CHECK(want);
        call_wants(&c, want, n);
    }
    for (int i = 0; i < n; i++)
        keyplan_add(&x->plan, q->argv[want[i].arg], key_hash(c.ctx->root, q->argv[want[i].arg]), want[i].db);
    q->nkeys = x->plan.n - q->first;
    if (want != stack)
        free(want);
}

static void make_plan(struct exec *x)
{
    struct multi *m = x->m;
    keyplan_again(&x->plan);
    for (unsigned i = 0; i < m->n; i++) {
        struct queued *q = &m->q[i];
        q->first = x->plan.n;
        q->nkeys = 0;
        if (!q->reply && command_has_keys(q->cmd))
            plan_command(x, q);
    }
    x->watched_from = x->plan.n;
    for (unsigned i = 0; i < m->nwatched; i++)
        keyplan_add(&x->plan, m->watched[i].key, m->watched[i].hash, m->watched[i].db);
    keyplan_add_grown(&x->plan);
}

/* ---- what is watched ---- */

static bool exists(const struct exec *x, const struct key_ref *k)
{
    const struct shm_entry *e = key_entry(k);
    return e && !(e->flags & ENTRY_EXPIRES && entry_expiry(e) <= x->c->now_ms);
}

static enum rc compare_watched(const struct exec *x)
{
    const struct multi *m = x->m;
    for (unsigned i = 0; i < m->nwatched; i++) {
        const struct key_ref *k = &x->plan.keys[x->plan.index[x->watched_from + i]];
        if (watch_changed(x->c->ctx->root, k, exists(x, k), &m->watched[i].mark))
            return RC_MISSING;
    }
    return RC_OK;
}

/* The try comes to nothing, and what it has changed has been counted: the next one must not take that for somebody else's.
 * Since the comparison nobody else could change these keys, and nobody can before they are let go. */
static void mark_watched_again(struct exec *x)
{
    for (unsigned i = 0; i < x->m->nwatched; i++)
        watch_again(x->c->ctx->root, &x->plan.keys[x->plan.index[x->watched_from + i]],
                    &x->m->watched[i].mark);
}

/* The transaction is open and all keys are latched; or it is not open, since something hinders it. */
static enum rc begin(struct exec *x)
{
    make_plan(x);
    enum rc rc = keyplan_tables(&x->plan);
    if (rc)
        return rc;
    tx_begin(&x->tx, x->c->ctx);
    x->tx.reads = !(x->m->flags & (F_WRITE | F_CACHES | F_SCRIPT));
    rc = keyplan_latch(&x->plan, &x->tx, call_lasts(x->c));
    if (!rc)
        rc = compare_watched(x);
    if (rc)
        tx_abort(&x->tx);
    return rc;
}

/* Before anything has run: what happens outside of the transaction cannot be taken back. */
static enum rc look_at_watched(struct exec *x)
{
    enum rc rc = begin(x);
    if (!rc)
        tx_abort(&x->tx);
    return rc;
}

/* ---- the transaction ---- */

static enum rc run_on_databases(struct exec *x, struct call *c)
{
    enum rc rc = tx_expose(&x->tx);
    if (rc)
        return rc;
    c->tx = &x->tx;
    c->cmd->run(c);
    x->c->free_first |= c->free_first;
    rc = c->rc;
    return rc || !(c->cmd->flags & F_GATE) ? rc : keyplan_find_again(&x->plan, &x->tx);
}

static enum rc run_inside(struct exec *x, struct queued *q)
{
    struct reply *r = x->c->reply;
    q->at = r->len;
    if (q->reply) {
        reply_raw(r, q->reply, q->reply_len);
        return RC_OK;
    }
    struct call c = call_of(x, q);
    size_t mark = r->len;
    uint64_t from = tick_now();
    enum rc rc;
    r->resp = q->resp;
    c.nkeys = q->nkeys;
    if (q->cmd->flags & F_SCRIPT) {
        c.tx = &x->tx;
        c.nkeys = 0;
        rc = script_step(&c, &x->plan, &x->stale);
        x->c->free_first |= c.free_first;
    } else if (q->nkeys) {
        c.tx = &x->tx;
        c.keys = q->nkeys == 1 ? &x->plan.keys[x->plan.index[q->first]] : x->plan.keys;
        c.key_index = x->plan.index + q->first;
        c.plan = &x->plan;
        rc = call_step(&c, &x->stale);
        if (UNLIKELY(x->keeps) && !rc)
            tracking_note(c.client, c.cmd, c.argv, c.argc);
    } else if (q->cmd->keys[0].first || in_place(q->cmd)) { /* or its arguments fit no plan, as it says */
        c.cmd->run(&c);
        rc = c.rc;
    } else {
        rc = run_on_databases(x, &c);
    }
    x->c->beyond = c.beyond > x->c->beyond ? c.beyond : x->c->beyond;
    note_outcome(x, q, mark, from);
    q->slow = script_slow_mark(x->c->w);
    return rc;
}

static enum rc run_all(struct exec *x)
{
    enum rc rc = RC_OK;
    reply_array(x->c->reply, x->m->n);
    for (unsigned i = 0; i < x->m->n && !rc; i++)
        rc = run_inside(x, &x->m->q[i]);
    return rc;
}

/* What was read or changed may be told when it is on disk. */
static void note_need(struct exec *x)
{
    const struct shm_root *root = x->c->ctx->root;
    if (LIKELY(!persist(root)->wal.waits))
        return;
    x->c->need = exec_wants_gate(x->m) || x->c->w->gated ? wal_lsn(root) : x->tx.wal.lsn;
    x->c->need = x->c->beyond > x->c->need ? x->c->beyond : x->c->need;
    for (unsigned i = 0; i < x->plan.n; i++) {
        uint64_t seen = wal_seen(root, x->plan.keys[i].hash);
        x->c->need = seen > x->c->need ? seen : x->c->need;
    }
}

static enum rc run_transaction(struct exec *x)
{
    bool write = x->m->flags & (F_WRITE | F_CACHES | F_SCRIPT);
    size_t posted = post_mark(x->c->w), noted = changes_mark(x->c->w);
    struct keyspace_counts counted = stats_mark(x->c->ctx);
    struct keyplan *p = &x->plan;
    script_forget(x->c->w);
    enum rc rc = begin(x);
    if (rc)
        return rc;
    if (write || !x->c->ctx->root->pause_mode)
        rc = block_keys_ahead(&x->tx, p->keys, p->n, x->c->now_ms);
    if (!rc)
        rc = run_all(x);
    if (!rc && write)
        rc = keys_publish(&x->tx, p->keys, p->n);
    if (!rc && write)
        rc = post_with(x->c->w, &x->tx, posted);
    if (rc)
        mark_watched_again(x);
    if (rc || !write)
        tx_abort(&x->tx);
    else
        tx_commit(&x->tx);
    if (rc) {
        post_cut(x->c->w, posted);
        changes_cut(x->c->w, noted);
        stats_cut(x->c->ctx, counted);
        return rc;
    }
    note_need(x);
    if (write)
        block_wake(x->c->w, p->keys, p->n);
    for (unsigned i = 0; write && i < p->n; i++)
        call_adjust(x->c->ctx, &p->keys[i]);
    for (unsigned i = 0; x->stale && i < p->n; i++)
        call_expire(x->c, &p->keys[i]);
    return RC_OK;
}

/* ---- EXEC ---- */

static bool too_long(const struct exec *x)
{
    const struct multi *m = x->m;
    return m->for_lane || m->n > COMMANDS_IN_WORKER || m->bytes > BYTES_IN_WORKER ||
           m->nwatched > COMMANDS_IN_WORKER || m->flags & (F_SLOW | F_GATE) || exec_wants_gate(m);
}

static void count_commands(struct exec *x)
{
    for (unsigned i = 0; i < x->m->n; i++) {
        struct queued *q = &x->m->q[i];
        struct call c = call_of(x, q);
        script_tell_slow(&c, q->slow);
        stats_command(&c, q->usec, q->failed);
        if (q->failed)
            stats_error(c.ctx, c.reply->buf + q->at, c.reply->len - q->at);
        x->c->ctx->slot->stats.commands++;
    }
    script_count(x->c);
}

/* What scripts need and no transaction can give them while another is open: the bodies that others share. */
static enum rc get_scripts(struct exec *x)
{
    enum rc rc = RC_OK;
    for (unsigned i = 0; x->m->flags & F_SCRIPT && i < x->m->n && !rc; i++) {
        struct call c = call_of(x, &x->m->q[i]);
        if (c.cmd->flags & F_SCRIPT)
            rc = script_share(&c);
    }
    return rc;
}

static void mark_reads(struct exec *x)
{
    x->keeps = tracking_keeps(x->c->client);
    for (unsigned i = 0; x->keeps && i < x->m->n; i++)
        tracking_mark(x->c->client, x->m->q[i].cmd, x->m->q[i].argv, x->m->q[i].argc);
}

static enum rc steps(struct exec *x)
{
    struct multi *m = x->m;
    enum rc rc = RC_OK;
    if (!m->ready && !x->c->in_lane) {
        m->db = x->c->session->db;
        m->resp = x->c->session->resp;
        rc = m->nwatched && has_outside(m) ? look_at_watched(x) : RC_OK;
    }
    if (!rc)
        rc = get_ready(x);
    if (!rc && !x->c->in_lane && too_long(x))
        rc = RC_DEFER;
    if (!rc)
        rc = get_scripts(x);
    if (!rc && x->c->client && UNLIKELY(x->c->client->track))
        mark_reads(x);
    size_t mark = x->c->reply->len;
    for (unsigned tries = 0; !rc; tries++) {
        rc = run_transaction(x);
        if (!rc || !script_again(x->c, &x->plan, tries, &rc))
            break;
        x->c->reply->len = mark;
    }
    return rc;
}

enum rc exec_run(struct call *c, struct multi *m)
{
    struct exec x = {.c = c, .m = m, .plan = {.ctx = c->ctx}};
    size_t mark = c->reply->len;
    enum rc rc = steps(&x);
    if (rc)
        c->reply->len = mark;
    if (rc == RC_MISSING && !c->in_lane) { /* a watched key has changed */
        c->session->db = m->db;
        c->session->resp = m->resp;
    }
    c->reply->resp = c->session->resp;
    if (!rc)
        count_commands(&x);
    keyplan_free(&x.plan);
    return rc;
}
