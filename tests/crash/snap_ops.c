#include "tests/crash/snap_ops.h"
#include "shm/snapshot.h"

#define SNAPPER 4u

static struct {
    uint64_t sum; /* of the digests of what was shown */
    uint64_t cut; /* of all keys at the cut */
} seen;

static enum rc add_up(void *arg, uint32_t db, const struct shm_entry *e)
{
    (void)arg;
    seen.sum += ks_entry_digest(db, e);
    return RC_OK;
}

static enum rc shrug(void *arg, uint32_t db, const struct shm_entry *e)
{
    (void)arg, (void)db, (void)e;
    return RC_OK;
}

static void cut(struct shm_ctx *ctx)
{
    CHECK(gate_close(ctx, 1000000));
    enum rc rc = snapshot_cut(ctx);
    gate_open(ctx);
    CHECK(rc == RC_OK);
}

/* Of database 0, by its first half of hashes. */
static void walk(struct shm_ctx *ctx, snapshot_fn *fn, bool half)
{
    struct snapshot s;
    struct shm_table *t = db_table(ctx->root, 0);
    snapshot_open(&s, ctx, fn, NULL);
    s.buckets = 3;
    while (!(half && t->snap_from > 1ull << 63) && snapshot_step(&s))
        ;
    snapshot_close(&s);
}

void snap_begin(const struct crash_op *op)
{
    struct shm_ctx ctx;
    if (!(op->how & SNAP_ANY))
        return;
    slot_adopt(&ctx, SNAPPER, ROLE_SNAP, 0);
    seen.sum = 0;
    seen.cut = ks_entries_digest();
    cut(&ctx);
    if (op->how & SNAP_HALF)
        walk(&ctx, add_up, true);
}

const char *snap_finish(const struct crash_op *op)
{
    struct shm_ctx ctx;
    const struct shm_snap *snap = &persist(arena_root())->snap;
    uint64_t half = seen.sum;
    if (snap->state == SNAP_IDLE)
        return op->how & SNAP_ANY ? "the snapshot is gone" : NULL;
    slot_adopt(&ctx, SNAPPER, ROLE_SNAP, 0);
    walk(&ctx, op->how & SNAP_ANY ? add_up : NULL, false);
    snapshot_end(&ctx);
    bool same = seen.sum == seen.cut;
    seen.sum = half; /* what follows begins there again */
    return op->how & SNAP_ANY && !same ? "the snapshot does not show what there was at the cut" : NULL;
}

/* ---- the snapshotter dies ---- */

void snap_ready(struct shm_ctx *ctx)
{
    struct shm_ctx partner;
    struct name big = name_of("big", 0), mid = name_of("mid", 0);
    slot_ctx(&partner, PARTNER);
    cut(ctx);
    CHECK(!ks_del(&partner, 0, NAME_BYTES(big)) && !ks_expire(&partner, 0, NAME_BYTES(mid), 5));
    for (unsigned i = 0; i < 200; i++) {
        struct name n = name_of(i % 3 ? "k" : "fresh", i);
        CHECK(!ks_set(&partner, 0, NAME_BYTES(n), BYTES_LIT("another value"), -1));
    }
}

void snap_cuts(struct shm_ctx *ctx)
{
    batch_leave(ctx);
    cut(ctx);
    CHECK(batch_enter(ctx));
}

static void walks(struct shm_ctx *ctx, snapshot_fn *fn)
{
    batch_leave(ctx);
    walk(ctx, fn, false);
    snapshot_end(ctx);
    CHECK(batch_enter(ctx));
}

void snap_walks(struct shm_ctx *ctx)
{
    walks(ctx, shrug);
}

void snap_discards(struct shm_ctx *ctx)
{
    walks(ctx, NULL);
}
