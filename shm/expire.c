#include "shm/expire.h"
#include "shm/base/clock.h"

/* Buckets of the largest table in one piece: some 10 us. All tables are walked through in step, each with as
 * many of its buckets as lie in the piece of the hash space. */
#define PIECE_BUCKETS 128u
#define CLOCK_BUCKETS 16u /* how often the clock is asked */

struct look {
    int64_t now_ms;
    unsigned volatiles;
    int64_t alive, ttl_ms; /* those that have time left, and how much in sum */
};

static bool want_expired(void *arg, const struct shm_entry *e)
{
    struct look *l = arg;
    if (!(e->flags & ENTRY_EXPIRES))
        return false;
    l->volatiles++;
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

/* The share's first position, and its last one. */
static uint64_t share_from(const struct expire_walk *w)
{
    return w->part * (UINT64_MAX / w->parts);
}
static uint64_t share_to(const struct expire_walk *w)
{
    return w->part + 1 == w->parts ? UINT64_MAX : (w->part + 1) * (UINT64_MAX / w->parts) - 1;
}

/* How much of the hash space makes a piece. 0: no key anywhere has an expiry. */
static uint64_t piece_width(struct shm_ctx *ctx, const struct expire_walk *w)
{
    int64_t most = 0;
    for (uint32_t db = 0; db < ctx->root->ndbs; db++) {
        struct shm_table *t = db_table(ctx->root, db);
        int64_t n = t && table_expires(t) > 0 ? table_keys(t) : 0;
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
            if (!t || table_expires(t) <= 0)
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
        if (step == UINT64_MAX || (removed - before) * 100 <= (11 - effort) * l.volatiles)
            break;
    }
    return removed;
}
