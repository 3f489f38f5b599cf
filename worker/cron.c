/* What a worker does ten times a second beside its clients, each thing within a budget. */
#include "shm/base/clock.h"
#include "shm/evict.h"
#include "shm/expire.h"
#include "shm/persist.h"
#include "worker/dispatch/notify.h"
#include "worker/net/pubsub.h"
#include "worker/net/tracking.h"

/* A quarter of the time between two ticks, as Redis allows itself; more by 2% for each step of effort. */
#define EXPIRE_BUDGET_US(effort) (1000u * (25 + 2 * ((effort)-1)))
/* A millisecond of it at a time, so that clients wait for no more. */
#define EXPIRE_SLICE_US 1000u
/* Keys that may go in one turn: some 50 us' worth, and two for each command since the last turn, so that no
 * load outruns eviction, while a limit that was lowered far is reached in small steps. */
#define EVICT_STEP 32u

void worker_clock(struct worker *w)
{
    w->clock = evict_clock(w->cfg->maxmemory_policy, w->now_ms);
}

/* Told with the transaction, or taken back. */
static enum rc told_with(struct tx *tx, size_t posted, size_t noted)
{
    struct worker *w = self_worker;
    enum rc rc = post_with(w, tx, posted);
    if (rc) {
        post_cut(w, posted);
        changes_cut(w, noted);
    }
    return rc;
}

static enum rc tell_gone(struct tx *tx, int class, const char *event, uint32_t db, const struct bytes *key,
                         unsigned n)
{
    struct worker *w = self_worker;
    size_t posted = post_mark(w), noted = changes_mark(w);
    for (unsigned i = 0; i < n; i++) {
        notify_event(w, class, event, key[i], db);
        change_gone(w, key[i]);
    }
    return told_with(tx, posted, noted);
}

static enum rc tell_expired(struct tx *tx, uint32_t db, const struct bytes *key, unsigned n)
{
    return tell_gone(tx, NOTIFY_EXPIRED, "expired", db, key, n);
}

static enum rc tell_fields(struct tx *tx, uint32_t db, struct bytes key, bool emptied)
{
    struct worker *w = self_worker;
    size_t posted = post_mark(w), noted = changes_mark(w);
    change_gone(w, key);
    notify_event(w, NOTIFY_HASH, "hexpired", key, db);
    if (emptied)
        notify_event(w, NOTIFY_GENERIC, "del", key, db);
    return told_with(tx, posted, noted);
}

static enum rc tell_evicted(struct tx *tx, uint32_t db, const struct bytes *key, unsigned n)
{
    return tell_gone(tx, NOTIFY_EVICTED, "evicted", db, key, n);
}

bool worker_expire(struct worker *w)
{
    static struct expire_walk walk; /* one worker a process, and nobody else's business */
    struct shm_ctx *ctx = &w->ctx;
    unsigned effort = (unsigned)w->cfg->active_expire_effort;
    unsigned slice = w->expire_left_us < EXPIRE_SLICE_US ? w->expire_left_us : EXPIRE_SLICE_US;
    int64_t began = mono_us();
    bool limit_hit;
    /* While clients are paused the keyspace stands still: whoever has paused them may be copying it. */
    if (root_paused(ctx->root, w->now_ms)) {
        w->expire_left_us = 0;
        return false;
    }
    if (ctx->root->active_expire_off || heeds(ctx->root, HEED_LOADING) || !batch_enter(ctx))
        return w->expire_left_us;
    walk.part = ctx->slot->index;
    walk.parts = w->cfg->workers > (int64_t)walk.part ? (unsigned)w->cfg->workers : walk.part + 1;
    ctx->gone = tell_expired; /* whoever listens: the first client may begin to cache at any moment */
    ctx->fields_gone = tell_fields;
    ctx->slot->stats.expired += expire_cycle(ctx, &walk, w->now_ms, effort, slice, &limit_hit);
    batch_leave(ctx);
    w->expire_left_us = limit_hit ? w->expire_left_us - slice : 0;
    ctx->slot->stats.expire_limit_hit += limit_hit && !w->expire_left_us;
    ctx->slot->stats.active_expire_us += (uint64_t)(mono_us() - began);
    return w->expire_left_us;
}

void worker_cron(struct worker *w)
{
    static uint64_t magazines[SHM_CLASSES];
    mags_rest(&w->ctx, magazines);
    w->expire_left_us = EXPIRE_BUDGET_US((unsigned)w->cfg->active_expire_effort);
}

static void note_excess(struct worker *w, bool over)
{
    struct shm_slot *s = w->ctx.slot;
    if (over && !s->over_since_ms)
        s->over_since_ms = w->now_ms;
    if (over || !s->over_since_ms)
        return;
    s->over_ms += w->now_ms > s->over_since_ms ? (uint64_t)(w->now_ms - s->over_since_ms) : 0;
    s->over_since_ms = 0;
}

/* Takes keys until the limit is kept, or a few at least; where none can be taken, commands that need memory
 * are refused. */
bool memory_limit(struct worker *w)
{
    static uint64_t commands; /* at the last call */
    uint64_t limit = w->cfg->maxmemory, now = w->ctx.slot->stats.commands;
    unsigned evicted, most = EVICT_STEP + 2 * (unsigned)(now - commands);
    commands = now;
    if (LIKELY(!limit) || heeds(w->ctx.root, HEED_LOADING) || root_paused(w->ctx.root, w->now_ms)) {
        w->over_maxmemory = false;
        note_excess(w, false);
        return false;
    }
    if (!batch_enter(&w->ctx))
        return false;
    w->ctx.gone = tell_evicted;
    enum rc rc = evict_some(&w->ctx, w->cfg, w->now_ms, (int64_t)limit, most, &evicted);
    batch_leave(&w->ctx);
    w->over_maxmemory = rc == RC_NOMEM;
    note_excess(w, rc != RC_OK);
    w->ctx.slot->stats.evicted += evicted;
    return rc == RC_BUSY;
}
