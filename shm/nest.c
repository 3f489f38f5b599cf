#include "shm/nest.h"
#include "shm/crashpoint.h"

#include <sched.h>

static enum rc nest_latch(struct shm_ctx *ctx, struct shm_latch *latch)
{
    struct shm_nest *n = &ctx->slot->nest;
    CHECK(n->nlatch < ARRAY_LEN(n->latch));
    n->latch[n->nlatch] = shm_ref_of(latch);
    SHM_ORDER();
    n->nlatch++;
    STEP(ctx, NEST_LOCK_NOTED);
    if (!latch_spin(latch, ctx->id)) {
        n->nlatch--;
        return RC_BUSY;
    }
    STEP(ctx, NEST_LOCKED);
    return RC_OK;
}

enum rc nest_begin(struct shm_ctx *ctx, struct shm_latch *latch)
{
    struct shm_nest *n = &ctx->slot->nest;
    DCHECK(!n->open);
    n->nword = n->nlatch = 0;
    n->range_op = RANGE_NONE;
    SHM_ORDER();
    n->open = 1;
    SHM_ORDER();
    enum rc rc = nest_latch(ctx, latch);
    if (rc)
        n->open = 0;
    return rc;
}

enum rc nest_also(struct shm_ctx *ctx, struct shm_latch *latch)
{
    return nest_latch(ctx, latch);
}

static void note(struct shm_ctx *ctx, shm_ref at, uint64_t old)
{
    struct shm_nest *n = &ctx->slot->nest;
    CHECK(n->open && n->nword < NEST_WORDS);
    n->word[n->nword].at = at;
    n->word[n->nword].old = old;
    SHM_ORDER();
    n->nword++;
    STEP(ctx, NEST_WORD_NOTED);
}

void nest_set64(struct shm_ctx *ctx, uint64_t *at, uint64_t v)
{
    note(ctx, shm_ref_of(at), *at);
    __atomic_store_n(at, v, __ATOMIC_RELAXED);
    STEP(ctx, NEST_WORD_SET);
}

void nest_set32(struct shm_ctx *ctx, uint32_t *at, uint32_t v)
{
    note(ctx, shm_ref_of(at) | 1, *at);
    __atomic_store_n(at, v, __ATOMIC_RELAXED);
    STEP(ctx, NEST_WORD_SET);
}

void nest_range(struct shm_ctx *ctx, enum nest_range op, uint64_t first, uint64_t count)
{
    struct shm_nest *n = &ctx->slot->nest;
    CHECK(n->open && n->range_op == RANGE_NONE);
    n->range_first = first;
    n->range_n = count;
    SHM_ORDER();
    n->range_op = op;
    STEP(ctx, UNIT_RANGE_NOTED);
}

/* open == 2: committed (or rolled back), only the latches remain. */
static void nest_close(struct shm_ctx *ctx)
{
    struct shm_nest *n = &ctx->slot->nest;
    for (unsigned i = n->nlatch; i-- > 0;) {
        struct shm_latch *l = shm_at(n->latch[i]);
        if (latch_mine(l, ctx->id))
            latch_release(l);
    }
    STEP(ctx, NEST_UNLOCKED);
    n->open = 0;
}

void nest_commit(struct shm_ctx *ctx)
{
    struct shm_nest *n = &ctx->slot->nest;
    STEP(ctx, NEST_BEFORE_COMMIT);
    __atomic_store_n(&n->open, 2, __ATOMIC_RELEASE);
    STEP(ctx, NEST_COMMITTED);
    nest_close(ctx);
}

static void range_undo(struct shm_ctx *ctx)
{
    struct shm_nest *n = &ctx->slot->nest;
    uint64_t *used = shm_at(ctx->root->unit_used);
    for (uint64_t u = n->range_first; u < n->range_first + n->range_n; u++) {
        if (n->range_op == RANGE_GIVE)
            used[u / 64] |= 1ull << u % 64;
        else
            used[u / 64] &= ~(1ull << u % 64);
    }
}

void nest_rollback(struct shm_ctx *ctx)
{
    struct shm_nest *n = &ctx->slot->nest;
    if (n->open == 1) {
        for (unsigned i = n->nword; i-- > 0;) {
            shm_ref at = n->word[i].at;
            if (at & 1)
                *(uint32_t *)shm_at(at & ~3ull) = (uint32_t)n->word[i].old;
            else
                *(uint64_t *)shm_at(at) = n->word[i].old;
        }
        if (n->range_op != RANGE_NONE)
            range_undo(ctx);
        SHM_ORDER();
        STEP(ctx, NEST_UNDONE);
        n->open = 2; /* undone; from here only the latches remain */
        SHM_ORDER();
    }
    if (n->open)
        nest_close(ctx);
}
