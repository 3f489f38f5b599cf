#include "shm/track.h"
#include "shm/shape.h"

#include <sched.h>

uint64_t shape_track_bytes(uint32_t nslots)
{
    return sizeof(struct shm_track) + (uint64_t)TRACK_MARKS * ((nslots + 63) / 64) * sizeof(uint64_t);
}

/* The client that makes it used reads its first key a command later, by when everybody sees it. */
void track_use(struct shm_root *r)
{
    if (!track_used(r))
        __atomic_store_n(&r->tracked, 1, __ATOMIC_SEQ_CST);
}

/* ---- prefixes ---- */

const struct shm_prefixes *track_prefixes_of(uint32_t slot)
{
    shm_ref r = __atomic_load_n(&slot_at(slot)->prefixes, __ATOMIC_ACQUIRE);
    return r ? shm_at(r) : NULL;
}

bool track_prefix_next(const struct shm_prefixes *p, uint64_t *at, struct bytes *prefix)
{
    const char *from = (const char *)(p + 1) + *at;
    uint32_t n;
    if (sizeof(*p) + *at == p->bytes)
        return false;
    memcpy(&n, from, sizeof(n));
    *prefix = (struct bytes){from + sizeof(n), n};
    *at += sizeof(n) + n;
    return true;
}

static bool has_prefix(uint32_t slot, struct bytes key)
{
    const struct shm_prefixes *p = track_prefixes_of(slot);
    struct bytes prefix;
    uint64_t at = 0;
    while (p && track_prefix_next(p, &at, &prefix))
        if (prefix.n <= key.n && memcmp(prefix.p, key.p, prefix.n) == 0)
            return true;
    return false;
}

/* The old list is retired: others may be reading it. Its owner is its only writer, so no latch is needed. */
enum rc track_prefixes(struct shm_ctx *ctx, struct bytes packed, uint32_t n)
{
    struct shm_track *t = track_of(ctx->root);
    uint64_t bit = 1ull << ctx->id % 64;
    shm_ref old = ctx->slot->prefixes, ref = 0;
    struct tx tx;
    tx_begin(&tx, ctx);
    enum rc rc = n ? tx_alloc(&tx, sizeof(struct shm_prefixes) + packed.n, &ref) : RC_OK;
    if (!rc && n) {
        struct shm_prefixes *p = shm_at(ref);
        *p = (struct shm_prefixes){.bytes = sizeof(*p) + packed.n, .n = n};
        memcpy(p + 1, packed.p, packed.n);
    }
    if (!rc)
        rc = tx_redo(&tx, &ctx->slot->prefixes, ref);
    if (!rc && old)
        rc = tx_retire(&tx, old, ((struct shm_prefixes *)shm_at(old))->bytes);
    if (rc) {
        tx_abort(&tx);
        return rc;
    }
    if (n) /* a bit too many costs a look */
        __atomic_fetch_or(&t->bcast[ctx->id / 64], bit, __ATOMIC_SEQ_CST);
    tx_commit(&tx);
    if (!n)
        __atomic_fetch_and(&t->bcast[ctx->id / 64], ~bit, __ATOMIC_SEQ_CST);
    return RC_OK;
}

/* ---- changes ---- */

bool track_concerned(const struct shm_root *r, struct bytes key, uint64_t hash, uint64_t to[SLOT_WORDS])
{
    const struct shm_track *t = track_of(r);
    const uint64_t *set = track_set(r, hash);
    uint64_t any = 0;
    /* The latch's acquisition may not stay behind the look. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < SLOT_WORDS; i++) {
        to[i] = i < track_words(r) ? __atomic_load_n(&set[i], __ATOMIC_RELAXED) : 0;
        uint64_t rest = __atomic_load_n(&t->bcast[i], __ATOMIC_RELAXED) & ~to[i];
        for (; rest; rest &= rest - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(rest);
            if (has_prefix(i * 64 + bit, key))
                to[i] |= 1ull << bit;
        }
        any |= to[i];
    }
    return any;
}

void track_stir(struct shm_root *r)
{
    if (track_used(r))
        __atomic_fetch_add(&track_of(r)->epoch, 1, __ATOMIC_SEQ_CST);
}

/* ---- after a death ---- */

static void drop_prefixes(struct shm_ctx *ctx)
{
    for (enum rc rc = RC_BUSY; rc;) {
        while (!batch_enter(ctx))
            sched_yield();
        rc = track_prefixes(ctx, (struct bytes){NULL, 0}, 0);
        batch_leave(ctx);
        if (rc)
            sched_yield();
    }
}

void track_adopt(struct shm_ctx *ctx)
{
    ctx->slot->tracking_clients = 0;
    ctx->slot->tracked_keys = ctx->slot->tracked_items = 0;
    if (!track_used(ctx->root))
        return;
    uint64_t bit = 1ull << ctx->id % 64;
    for (uint64_t place = 0; place < TRACK_MARKS; place++)
        if (*(track_set(ctx->root, place) + ctx->id / 64) & bit)
            track_unmark(ctx, place);
    if (ctx->slot->prefixes)
        drop_prefixes(ctx);
}
