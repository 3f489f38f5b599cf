/* What a worker does ten times a second beside its clients, each thing within a budget. */
#include "shm/evict.h"
#include "shm/expire.h"
#include "shm/persist.h"
#include "worker/worker.h"

/* A quarter of the time between two ticks, as Redis allows itself; more by 2% for each step of effort. */
#define EXPIRE_BUDGET_US(effort) (1000u * (25 + 2 * ((effort)-1)))
/* Keys that may go in one turn: some 50 us' worth, and two for each command since the last turn, so that no
 * load outruns eviction, while a limit that was lowered far is reached in small steps. */
#define EVICT_STEP 32u

void worker_clock(struct worker *w)
{
    w->clock = evict_clock(w->cfg->maxmemory_policy, w->now_ms);
}

static void expire_some(struct worker *w)
{
    static struct expire_walk walk; /* one worker a process, and nobody else's business */
    struct shm_ctx *ctx = &w->ctx;
    unsigned effort = (unsigned)w->cfg->active_expire_effort;
    bool limit_hit;
    if (ctx->root->active_expire_off || heeds(ctx->root, HEED_LOADING) || !batch_enter(ctx))
        return;
    walk.part = ctx->slot->index;
    walk.parts = w->cfg->workers > (int64_t)walk.part ? (unsigned)w->cfg->workers : walk.part + 1;
    ctx->slot->stats.expired +=
        expire_cycle(ctx, &walk, w->now_ms, effort, EXPIRE_BUDGET_US(effort), &limit_hit);
    ctx->slot->stats.expire_limit_hit += limit_hit;
    batch_leave(ctx);
}

void worker_cron(struct worker *w)
{
    static uint64_t magazines[SHM_CLASSES];
    mags_rest(&w->ctx, magazines);
    expire_some(w);
}

/* Takes keys until the limit is kept, or a few at least; where none can be taken, commands that need memory
 * are refused. */
void memory_limit(struct worker *w)
{
    static uint64_t commands; /* at the last call */
    uint64_t limit = w->cfg->maxmemory, now = w->ctx.slot->stats.commands;
    unsigned evicted, most = EVICT_STEP + 2 * (unsigned)(now - commands);
    commands = now;
    if (LIKELY(!limit) || heeds(w->ctx.root, HEED_LOADING)) {
        w->over_maxmemory = false;
        return;
    }
    if (!batch_enter(&w->ctx))
        return;
    enum rc rc = evict_some(&w->ctx, w->cfg, w->now_ms, (int64_t)limit, most, &evicted);
    batch_leave(&w->ctx);
    w->over_maxmemory = rc == RC_NOMEM;
    w->ctx.slot->stats.evicted += evicted;
}
