/* Good candidates are kept while a call lasts, as Redis keeps them for ever: one is no more than a database
 * and a hash, and is looked for again before it goes. */
#include "shm/evict.h"
#include "shm/keylock.h"

#include <time.h>
#include <unistd.h>

#define POOL 16u
/* Buckets that are looked at in a database for one round of samples: with a policy for keys with an expiry,
 * most may hold none. */
#define ROUND_BUCKETS 64u
#define FRUITLESS     16u /* rounds without a candidate, though there should be some */

/* ---- the clock bits ---- */

uint64_t evict_random(void)
{
    /* Differs between processes by the time and the pid; it is no process's state that could matter. */
    static uint64_t s;
    if (UNLIKELY(!s)) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        s = (uint64_t)t.tv_nsec << 32 ^ (uint64_t)t.tv_sec ^ (uint64_t)getpid() << 16 ^ 0x9e3779b97f4a7c15ull;
    }
    s ^= s >> 12;
    s ^= s << 25;
    s ^= s >> 27;
    return s * 0x2545f4914f6cdd1dull;
}

/* Half the clock's way round: who was idle for longer must not look as if just used a little later. */
#define IDLE_MAX 0x7fffff

uint32_t evict_clock_told(int policy, int64_t now_ms, int64_t idle_s, int freq)
{
    uint32_t clock = evict_clock(policy, now_ms);
    if (evict_is_lfu(policy))
        return freq < 0 ? clock : (clock & 0xffff00) | (uint32_t)freq;
    if (idle_s < 0)
        return clock;
    return (clock - (uint32_t)(idle_s < IDLE_MAX ? idle_s : IDLE_MAX)) & 0xffffff;
}

/* Another worker's turn may have begun a little later than ours, so what it has just used seems to be of the time to come. */
#define AHEAD_MAX 64u

static uint32_t passed(uint32_t then, int64_t now, uint32_t mask)
{
    uint32_t n = ((uint32_t)now - then) & mask;
    return n > mask - AHEAD_MAX ? 0 : n;
}

uint32_t evict_idle_seconds(uint32_t clock, int64_t now_ms)
{
    return passed(clock, now_ms / 1000, 0xffffff);
}

uint32_t evict_frequency(uint32_t clock, const struct shm_config *cfg, int64_t now_ms)
{
    uint32_t minutes = passed(clock >> 8, now_ms / 60000, 0xffff), count = clock & 0xff;
    if (!cfg->lfu_decay_time)
        return count;
    uint32_t lost = minutes / (uint32_t)cfg->lfu_decay_time;
    return lost < count ? count - lost : 0;
}

uint32_t evict_touched(uint32_t clock, const struct shm_config *cfg, int64_t now_ms)
{
    if (!evict_is_lfu(cfg->maxmemory_policy))
        return evict_clock(cfg->maxmemory_policy, now_ms);
    uint32_t count = evict_frequency(clock, cfg, now_ms);
    uint64_t above = count > LFU_NEW ? count - LFU_NEW : 0;
    /* One access in so many counts. */
    uint64_t odds = above * (uint64_t)cfg->lfu_log_factor + 1;
    if (count < 255 && evict_random() % odds == 0)
        count++;
    return (uint32_t)(now_ms / 60000 & 0xffff) << 8 | count;
}

/* ---- candidates ---- */

struct candidate {
    uint64_t score; /* the highest goes first */
    uint64_t hash;
    uint32_t db;
};

struct evicting {
    struct shm_ctx *ctx;
    const struct shm_config *cfg;
    int64_t now_ms;
    uint32_t db;
    bool busy;     /* a candidate could not be taken at this moment */
    unsigned seen; /* eligible keys in this round */
    unsigned n;
    struct candidate pool[POOL]; /* the best last */
};

static uint64_t score_of(const struct evicting *v, const struct shm_entry *e)
{
    uint32_t clock = e->meta & 0xffffff;
    switch (v->cfg->maxmemory_policy) {
    case EVICT_ALLKEYS_LRU:
    case EVICT_VOLATILE_LRU:
        return evict_idle_seconds(clock, v->now_ms);
    case EVICT_ALLKEYS_LFU:
    case EVICT_VOLATILE_LFU:
        return 255 - evict_frequency(clock, v->cfg, v->now_ms);
    case EVICT_VOLATILE_TTL:
        return UINT64_MAX - (uint64_t)entry_expiry(e);
    default:
        return evict_random();
    }
}

static void pool_add(struct evicting *v, struct candidate c)
{
    for (unsigned i = 0; i < v->n; i++)
        if (v->pool[i].hash == c.hash && v->pool[i].db == c.db)
            return;
    if (v->n == POOL) {
        if (c.score <= v->pool[0].score)
            return;
        memmove(v->pool, v->pool + 1, --v->n * sizeof(*v->pool));
    }
    unsigned at = v->n++;
    for (; at && v->pool[at - 1].score > c.score; at--)
        v->pool[at] = v->pool[at - 1];
    v->pool[at] = c;
}

static void consider(void *arg, const struct shm_entry *e)
{
    struct evicting *v = arg;
    if (evict_only_volatile(v->cfg->maxmemory_policy) && !(e->flags & ENTRY_EXPIRES))
        return;
    v->seen++;
    struct candidate c = {.score = score_of(v, e), .db = v->db};
    if (v->n == POOL && c.score <= v->pool[0].score)
        return;
    c.hash = key_hash(v->ctx->root, entry_key(e));
    pool_add(v, c);
}

static int64_t eligible(const struct evicting *v, const struct shm_table *t)
{
    if (!t)
        return 0;
    return evict_only_volatile(v->cfg->maxmemory_policy) ? table_expires(t) : table_keys(t);
}

/* Samples every database; false: there is no key that the policy allows to take. */
static bool sample(struct evicting *v)
{
    int64_t any = 0;
    for (v->db = 0; v->db < v->ctx->root->ndbs; v->db++) {
        struct shm_table *t = db_table(v->ctx->root, v->db);
        int64_t n = eligible(v, t);
        if (n <= 0)
            continue;
        any += n;
        uint64_t want = (uint64_t)(v->cfg->maxmemory_samples < n ? v->cfg->maxmemory_samples : n);
        v->seen = 0;
        for (unsigned i = 0; i < ROUND_BUCKETS && v->seen < want; i++) {
            uint64_t next;
            table_visit(v->ctx, t, evict_random(), consider, v, &next); /* a busy one is passed over */
        }
    }
    return any > 0;
}

struct target {
    const struct shm_ctx *ctx;
    uint64_t hash;
    uint32_t db;
    bool only_volatile;
    bool locked; /* it is there, and a transaction that lasts has locked it */
};

static bool want_target(void *arg, const struct shm_entry *e)
{
    struct target *t = arg;
    if ((t->only_volatile && !(e->flags & ENTRY_EXPIRES)) || key_hash(t->ctx->root, entry_key(e)) != t->hash)
        return false;
    t->locked = keylocks_any(t->ctx->root) && keylock_holder(t->ctx->root, t->db, t->hash, true, t->ctx->id);
    return !t->locked;
}

/* Takes the best candidate that is still there. */
static unsigned take_best(struct evicting *v)
{
    unsigned removed = 0;
    while (v->n && !removed) {
        struct candidate c = v->pool[--v->n];
        struct shm_table *t = db_table(v->ctx->root, c.db);
        struct target want = {v->ctx, c.hash, c.db, evict_only_volatile(v->cfg->maxmemory_policy), false};
        uint64_t next;
        if (!t)
            continue;
        enum rc rc = table_purge(v->ctx, c.db, c.hash, want_target, &want, &next, &removed);
        v->busy |= rc == RC_BUSY || want.locked;
    }
    return removed;
}

enum rc evict_some(struct shm_ctx *ctx, const struct shm_config *cfg, int64_t now_ms, int64_t limit,
                   unsigned max, unsigned *evicted)
{
    struct evicting v = {.ctx = ctx, .cfg = cfg, .now_ms = now_ms};
    /* What others do meanwhile is not looked at: summing all slots costs more than an eviction. */
    int64_t used = slots_used_bytes(), mine = ctx->slot->used_bytes;
    unsigned fruitless = 0;
    *evicted = 0;
    while (used + (ctx->slot->used_bytes - mine) > limit) {
        if (cfg->maxmemory_policy == EVICT_NOEVICTION)
            return RC_NOMEM;
        if (*evicted >= max)
            return RC_BUSY;
        if (!sample(&v))
            return RC_NOMEM;
        unsigned n = take_best(&v);
        *evicted += n;
        fruitless = n ? 0 : fruitless + 1;
        if (fruitless == FRUITLESS)
            return *evicted || v.busy ? RC_BUSY : RC_NOMEM;
    }
    return RC_OK;
}
