#include "shm/expire.h"
#include "shm/base/clock.h"
#include "shm/slot.h"
#include "shm/types/hash.h"
#include "shm/walk.h"
#include "shm/watch.h"

/* Buckets of the largest table in one piece: some 10 us. All tables are walked through in step, each with as
 * many of its buckets as lie in the piece of the hash space. */
#define PIECE_BUCKETS 128u
#define CLOCK_BUCKETS 16u /* how often the clock is asked */
#define FIELDS_ONCE                                                                                          \
    64u /* fields that go in one transaction: some 200 us at the most, while their bucket is latched */

struct look {
    int64_t now_ms;
    unsigned volatiles;
    unsigned due;          /* hashes of this bucket in which some field's time is over */
    unsigned reaped;       /* transactions that removed fields */
    int64_t alive, ttl_ms; /* those that have time left, and how much in sum */
};

static bool fields_due(const struct shm_entry *e, int64_t now_ms)
{
    return e->flags & ENTRY_FIELDS && entry_fields(e).first_ms <= now_ms;
}

static bool want_expired(void *arg, const struct shm_entry *e)
{
    struct look *l = arg;
    if (LIKELY(!(e->flags & (ENTRY_EXPIRES | ENTRY_FIELDS))))
        return false;
    l->volatiles++;
    l->due += fields_due(e, l->now_ms);
    if (!(e->flags & ENTRY_EXPIRES))
        return false;
    if (entry_expiry(e) <= l->now_ms)
        return true;
    l->alive++;
    l->ttl_ms += entry_expiry(e) - l->now_ms;
    return false;
}

unsigned expire_bucket(struct shm_ctx *ctx, uint32_t db, uint64_t pos, int64_t now_ms)
{
    struct look l = {.now_ms = now_ms};
    unsigned removed = 0;
    uint64_t next;
    table_purge(ctx, db, pos, want_expired, &l, &next, &removed);
    return removed;
}

struct due {
    int64_t now_ms;
    const struct shm_entry *entry;
};

static void note_due(void *arg, const struct shm_entry *e)
{
    struct due *d = arg;
    if (fields_due(e, d->now_ms))
        d->entry = e;
}

/* Removes some of the fields of a hash in the bucket at pos whose time is over. False: there is none, or not now. */
static bool reap_some(struct shm_ctx *ctx, uint32_t db, uint64_t pos, int64_t now_ms)
{
    struct key_ref at = {.table = db_table(ctx->root, db), .hash = pos, .db = db};
    struct due due = {.now_ms = now_ms};
    unsigned removed = 0;
    struct tx tx;
    tx_begin(&tx, ctx);
    enum rc rc = position_latch(&tx, &at);
    if (!rc)
        visit_chain(at.bucket, note_due, &due);
    if (rc || !due.entry) {
        tx_abort(&tx);
        return false;
    }
    struct key_ref k = {.key = entry_key(due.entry), .table = at.table, .db = db};
    k.hash = key_hash(ctx->root, k.key);
    key_locate(&k);
    key_find(&k);
    rc = key_locked(&tx, &k) ? RC_BUSY : hash_reap(&tx, &k, now_ms, FIELDS_ONCE, &removed);
    if (!rc)
        watch_touch(ctx->root, &k);
    if (!rc && ctx->fields_gone)
        rc = ctx->fields_gone(&tx, db, k.key, !k.entry);
    if (rc) {
        tx_abort(&tx);
        return false;
    }
    tx_commit(&tx);
    ctx->slot->stats.expired_fields += removed;
    if (!k.entry)
        table_adjust(ctx, k.table, k.hash);
    return true;
}

/* False: the time is over. */
static bool reap_bucket(struct shm_ctx *ctx, uint32_t db, uint64_t pos, struct look *l, int64_t until_us)
{
    bool more = l->due;
    l->due = 0;
    while (more) {
        more = reap_some(ctx, db, pos, l->now_ms);
        l->reaped += more;
        if (mono_us() > until_us)
            return false;
    }
    return true;
}

/* The share's first position, and its last one. */
static uint64_t share_from(const struct expire_walk *w)
{
    return w->part * (UINT64_MAX / w->parts);
}
static uint64_t share_to(const struct expire_walk *w)
{
    return w->part + 1 == w->parts ? UINT64_MAX : (w->part + 1) * (UINT64_MAX / w->parts) - 1;
}

static bool anything_expires(const struct shm_table *t)
{
    return table_expires(t) > 0 || table_fields(t) > 0;
}

/* How much of the hash space makes a piece. 0: no key anywhere has an expiry. */
static uint64_t piece_width(struct shm_ctx *ctx, const struct expire_walk *w)
{
    int64_t most = 0;
    for (uint32_t db = 0; db < ctx->root->ndbs; db++) {
        struct shm_table *t = db_table(ctx->root, db);
        int64_t n = t && anything_expires(t) ? table_keys(t) : 0;
        most = n > most ? n : most;
    }
    if (!most)
        return 0;
    /* Buckets are two thirds full on average: five keys. */
    uint64_t pieces = (uint64_t)most / 5 / PIECE_BUCKETS / w->parts + 1;
    return (share_to(w) - share_from(w)) / pieces;
}

/* One database's buckets from pos to last. False: the time is over. */
static bool purge_range(struct shm_ctx *ctx, uint32_t db, uint64_t pos, uint64_t last, struct look *l,
                        int64_t until_us, unsigned *removed)
{
    for (unsigned n = 1;; n++) {
        uint64_t next;
        if (table_purge(ctx, db, pos, want_expired, l, &next, removed))
            return true; /* busy: in the next round */
        if (UNLIKELY(l->due) && !reap_bucket(ctx, db, pos, l, until_us))
            return false;
        if (!next || next > last)
            return true;
        pos = next;
        if (n % CLOCK_BUCKETS == 0 && mono_us() > until_us)
            return false;
    }
}

/* A running average, in which the last look counts for a fiftieth, as in Redis. */
static void note_ttl(struct shm_table *t, struct look *l)
{
    int64_t was = __atomic_load_n(&t->avg_ttl_ms, __ATOMIC_RELAXED);
    if (l->alive) {
        int64_t now = l->ttl_ms / l->alive;
        __atomic_store_n(&t->avg_ttl_ms, was ? was / 50 * 49 + now / 50 : now, __ATOMIC_RELAXED);
    }
    l->alive = l->ttl_ms = 0;
}

unsigned expire_cycle(struct shm_ctx *ctx, struct expire_walk *w, int64_t now_ms, unsigned effort,
                      unsigned budget_us, bool *limit_hit)
{
    int64_t until_us = mono_us() + budget_us;
    uint64_t width = piece_width(ctx, w), walked = 0;
    unsigned removed = 0;
    *limit_hit = false;
    while (width && walked <= share_to(w) - share_from(w)) {
        struct look l = {.now_ms = now_ms};
        unsigned before = removed;
        if (w->pos < share_from(w) || w->pos > share_to(w))
            w->pos = share_from(w);
        uint64_t left = share_to(w) - w->pos, step = width < left ? width : left;
        for (; w->db < ctx->root->ndbs; w->db++) {
            struct shm_table *t = db_table(ctx->root, w->db);
            if (!t || !anything_expires(t))
                continue;
            bool done = purge_range(ctx, w->db, w->pos, w->pos + step, &l, until_us, &removed);
            note_ttl(t, &l);
            if (!done || mono_us() > until_us) {
                *limit_hit = true;
                return removed;
            }
        }
        w->db = 0;
        w->pos = step == left ? share_from(w) : w->pos + step + 1;
        walked += step + 1;
        if (step == UINT64_MAX || (removed - before + l.reaped) * 100 <= (11 - effort) * l.volatiles)
            break;
    }
    return removed;
}
