/* The transaction around a script. Its declared keys are planned like any command's; whatever hinders it undoes all, and it
 * is run again from its beginning: at once when it asked for a key that was not planned, later when a latch is not had, in
 * the slow lane when it takes long, and behind the closed gate when it works on whole databases or never gets its keys. */
#include "worker/dispatch/script.h"
#include "shm/wal.h"
#include "worker/dispatch/block.h"
#include "worker/dispatch/stats.h"
#include "worker/net/pubsub.h"
#include "worker/net/tracking.h"
#include "worker/worker.h"

#include <stdlib.h>

#define TRIES_AT_ONCE 4u
#define WANTS_INLINE  16

static void plan_declared(struct call *c, struct keyplan *p)
{
    struct key_want stack[WANTS_INLINE], *want = stack;
    int n = call_wants(c, want, WANTS_INLINE);
    if (n > WANTS_INLINE) {
        want = malloc((size_t)n * sizeof(*want));
        CHECK(want);
        call_wants(c, want, n);
    }
    for (int i = 0; i < n; i++) {
        struct bytes key = c->argv[want[i].arg];
        keyplan_add(p, key, key_hash(c->ctx->root, key), want[i].db);
    }
    if (want != stack)
        free(want);
}

/* A table for the client's database as well: to find none on the way would cost another try. */
static enum rc make_plan(struct call *c, struct keyplan *p)
{
    struct shm_table *t = db_table(c->ctx->root, c->db);
    enum rc rc = t ? RC_OK : db_table_make(c->ctx, c->db, &t);
    keyplan_again(p);
    plan_declared(c, p);
    keyplan_add_grown(p);
    return rc ? rc : keyplan_tables(p);
}

enum rc script_share(struct call *c)
{
    size_t mark = c->reply->len;
    enum rc rc = c->cmd->ahead(c);
    c->reply->len = mark; /* what is wrong with it its own reply will say */
    return rc == RC_MISSING ? RC_OK : rc;
}

enum rc script_step(struct call *c, struct keyplan *plan, bool *stale)
{
    c->plan = plan;
    c->stale = stale;
    c->cmd->run(c);
    return c->rc;
}

static void note_need(struct call *c, const struct keyplan *p, uint64_t written)
{
    const struct shm_root *root = c->ctx->root;
    if (LIKELY(!persist(root)->wal.waits))
        return;
    c->need = c->w->gated ? wal_lsn(root) : written > c->beyond ? written : c->beyond;
    for (unsigned i = 0; i < p->n; i++) {
        uint64_t seen = wal_seen(root, p->keys[i].hash);
        c->need = seen > c->need ? seen : c->need;
    }
}

static void follow_up(struct call *c, struct keyplan *p, bool stale)
{
    block_wake(c->w, p->keys, p->n);
    for (unsigned i = 0; i < p->n; i++)
        call_adjust(c->ctx, &p->keys[i]);
    for (unsigned i = 0; stale && i < p->n; i++)
        call_expire(c, &p->keys[i]);
}

static enum rc run_in_tx(struct call *c, struct keyplan *p, size_t posted)
{
    struct tx tx;
    bool stale = false, reads = script_reads(c, c->script);
    tx_begin(&tx, c->ctx);
    c->tx = &tx;
    c->removes = !reads;
    c->beyond = 0;
    tx.reads = reads;
    enum rc rc = keyplan_latch(p, &tx, call_lasts(c));
    if (!rc && (!reads || !c->ctx->root->pause_mode))
        rc = block_keys_ahead(&tx, p->keys, p->n, c->now_ms);
    if (!rc)
        rc = script_step(c, p, &stale);
    if (!rc && !reads)
        rc = keys_publish(&tx, p->keys, p->n);
    if (!rc && !reads)
        rc = post_with(c->w, &tx, posted);
    if (rc || reads)
        tx_abort(&tx);
    else
        tx_commit(&tx);
    c->tx = NULL;
    if (rc)
        return rc;
    note_need(c, p, tx.wal.lsn);
    script_count(c);
    follow_up(c, p, stale);
    return RC_OK;
}

static enum rc attempt(struct call *c, struct keyplan *p)
{
    size_t mark = c->reply->len, posted = post_mark(c->w), noted = changes_mark(c->w);
    struct keyspace_counts counted = stats_mark(c->ctx);
    c->rc = RC_OK;
    c->script = NULL;
    script_forget(c->w);
    script_show(c);
    enum rc rc = c->cmd->ahead(c);
    if (rc == RC_MISSING) {
        script_count(c);
        return RC_OK;
    }
    if (rc)
        return rc;
    rc = make_plan(c, p);
    if (!rc)
        rc = run_in_tx(c, p, posted);
    if (rc) {
        c->reply->len = mark;
        post_cut(c->w, posted);
        changes_cut(c->w, noted);
        stats_cut(c->ctx, counted);
    }
    return rc;
}

bool script_again(struct call *c, struct keyplan *plan, unsigned tries, enum rc *rc)
{
    if (*rc != RC_BUSY || !plan->refused)
        return false;
    if (tries + 1 < TRIES_AT_ONCE) {
        *rc = RC_OK;
        return true;
    }
    if (!c->in_lane)
        *rc = RC_DEFER;
    else
        c->w->wants_gate = true;
    return false;
}

enum rc script_call(struct call *c)
{
    struct keyplan plan = {.ctx = c->ctx};
    enum rc rc = RC_OK;
    for (unsigned tries = 0;; tries++) {
        rc = attempt(c, &plan);
        if (!rc || !script_again(c, &plan, tries, &rc))
            break;
    }
    keyplan_free(&plan);
    if (rc != RC_RANGE && rc != RC_ENDING)
        return rc;
    reply_error(c->reply, rc == RC_RANGE ? "ERR the script was undone: what it did is too long for the log"
                                         : "ERR the script was undone: the server is shutting down");
    return RC_OK;
}
