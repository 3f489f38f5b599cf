/* Eviction by every policy, the clock bits, and the expiry cycle. */
#include "shm/base/number.h"
#include "shm/evict.h"
#include "shm/expire.h"
#include "shm/types/string.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

static struct shm_config cfg;

#define NOW  1800000000000ll
#define KEYS 20000u

static struct key_ref latched(struct tx *tx, uint32_t db, char *buf, unsigned i)
{
    struct key_ref k = {.key = {buf, (size_t)sprintf(buf, "key:%u", i)}, .db = db};
    CHECK(!db_table_make(&ctx, db, &k.table));
    k.hash = key_hash(ctx.root, k.key);
    key_locate(&k);
    tx_begin(tx, &ctx);
    CHECK(!key_latch(tx, &k));
    return k;
}

static void put(uint32_t db, unsigned i, int64_t expiry_ms, uint32_t clock)
{
    char buf[32];
    struct tx tx;
    struct key_ref k = latched(&tx, db, buf, i);
    CHECK(!string_set(&tx, &k, BYTES_LIT("twenty bytes of value"), expiry_ms, clock));
    tx_commit(&tx);
    if (k.overflowed)
        table_adjust(&ctx, k.table, k.hash);
    batch_leave(&ctx);
    CHECK(batch_enter(&ctx));
    retire_reclaim(&ctx);
}

static bool has(uint32_t db, unsigned i)
{
    char buf[32];
    struct tx tx;
    bool there = latched(&tx, db, buf, i).entry;
    tx_abort(&tx);
    return there;
}

static void empty(void)
{
    batch_leave(&ctx);
    CHECK(gate_close(&ctx, 1000));
    CHECK(!db_flush(&ctx, (uint32_t[]){0, 1}, 2));
    gate_open(&ctx);
    CHECK(batch_enter(&ctx));
    while (graveyard_step(&ctx, 1000))
        ;
    CHECK(slots_used_bytes() == 0);
}

/* Key i was used i seconds before key KEYS - 1, or i times; every second one has an expiry, the later the
 * sooner; half of them are in another database. */
static void populate(bool lfu)
{
    for (unsigned i = 0; i < KEYS; i++) {
        uint32_t clock = lfu ? evict_clock(cfg.maxmemory_policy, NOW) - LFU_NEW + i * 200 / KEYS
                             : evict_clock(cfg.maxmemory_policy, NOW - 1000ll * (KEYS - i));
        put(i % 4 < 2, i, i % 2 ? NOW + 1000000 - i : -1, clock);
    }
}

static bool is_volatile(unsigned i)
{
    return i % 2;
}

/* Takes a quarter of the memory; returns how many of those taken are from the half that should go first. */
static void evict(int policy)
{
    bool only_volatile = evict_only_volatile(policy), first_half = true;
    cfg.maxmemory_policy = policy;
    populate(evict_is_lfu(policy));
    int64_t limit = slots_used_bytes() * 3 / 4;
    unsigned total = 0, some, low = 0, gone = 0;
    enum rc rc;
    do {
        rc = evict_some(&ctx, &cfg, NOW, limit, 100, &some);
        CHECK(some <= 100 && (rc == RC_BUSY || rc == RC_OK));
        total += some;
        batch_leave(&ctx);
        CHECK(batch_enter(&ctx));
        retire_reclaim(&ctx);
    } while (rc == RC_BUSY);
    CHECK(slots_used_bytes() <= limit);
    arena_sound();
    for (unsigned i = 0; i < KEYS; i++) {
        if (has(i % 4 < 2, i))
            continue;
        CHECK(!only_volatile || is_volatile(i));
        gone++;
        low += i < KEYS / 2;
    }
    CHECK(gone == total);
    /* Sampling is no order, but it is far from chance, which would take as many of both halves. TTL takes the
     * other half, and half of the keys with an expiry are nearly a quarter of the memory. */
    first_half = policy != EVICT_VOLATILE_TTL;
    unsigned right = first_half ? low : gone - low;
    if (policy == EVICT_ALLKEYS_RANDOM || policy == EVICT_VOLATILE_RANDOM)
        CHECKF(right * 10 > gone * 4 && right * 10 < gone * 6, "policy %d: %u of %u", policy, right, gone);
    else
        CHECKF(right * 100 > gone * (only_volatile ? 80u : 95u), "policy %d: %u of %u", policy, right, gone);
    empty();
}

static void nothing_to_take(void)
{
    unsigned some;
    cfg.maxmemory_policy = EVICT_VOLATILE_LRU;
    for (unsigned i = 0; i < 100; i++)
        put(0, i, -1, 0);
    CHECK(evict_some(&ctx, &cfg, NOW, 0, 1000, &some) == RC_NOMEM && !some);
    cfg.maxmemory_policy = EVICT_NOEVICTION;
    CHECK(evict_some(&ctx, &cfg, NOW, 0, 1000, &some) == RC_NOMEM && !some);
    CHECK(evict_some(&ctx, &cfg, NOW, INT64_MAX, 1000, &some) == RC_OK && !some);
    cfg.maxmemory_policy = EVICT_ALLKEYS_RANDOM;
    enum rc rc = evict_some(&ctx, &cfg, NOW, 0, 1000, &some);
    CHECK(rc == RC_NOMEM || rc == RC_BUSY); /* the directory's own memory remains */
    CHECK(some == 100);
    empty();
}

/* What others have locked is not gone for good: whoever wants its memory comes again. */
static void all_locked(void)
{
    char buf[32];
    unsigned some;
    struct tx tx;
    struct shm_ctx other;
    slot_adopt(&other, 2, ROLE_WORKER, 1);
    put(0, 0, -1, 0);
    cfg.maxmemory_policy = EVICT_ALLKEYS_RANDOM;
    struct key_ref k = latched(&tx, 0, buf, 0);
    CHECK(!keys_lock(&tx, &k, 1));
    CHECK(evict_some(&other, &cfg, NOW, 0, 1000, &some) == RC_BUSY && !some);
    tx_abort(&tx);
    enum rc rc = evict_some(&other, &cfg, NOW, 0, 1000, &some);
    CHECK((rc == RC_NOMEM || rc == RC_BUSY) && some == 1);
    empty();
}

/* ---- clocks ---- */

static void clocks(void)
{
    cfg.maxmemory_policy = EVICT_ALLKEYS_LRU;
    uint32_t c = evict_clock(EVICT_ALLKEYS_LRU, NOW);
    CHECK(evict_idle_seconds(c, NOW) == 0 && evict_idle_seconds(c, NOW + 90500) == 90);
    /* The 24 bits wrap around after 194 days. */
    int64_t edge = (NOW / 1000 | 0xffffff) * 1000;
    CHECK(evict_idle_seconds(evict_clock(EVICT_ALLKEYS_LRU, edge), edge + 5000) == 5);
    CHECK(evict_idle_seconds(c, NOW - 1000) == 0); /* used by a worker whose turn began in the next second */
    cfg.maxmemory_policy = EVICT_ALLKEYS_LFU;
    c = evict_clock(EVICT_ALLKEYS_LFU, NOW);
    CHECK(evict_frequency(c, &cfg, NOW - 60000) == LFU_NEW);
    CHECK(evict_frequency(c, &cfg, NOW) == LFU_NEW);
    CHECK(evict_frequency(c, &cfg, NOW + 3 * 60000) == LFU_NEW - 3);
    CHECK(evict_frequency(c, &cfg, NOW + 99 * 60000) == 0);
    cfg.lfu_decay_time = 0;
    CHECK(evict_frequency(c, &cfg, NOW + 99 * 60000) == LFU_NEW);
    cfg.lfu_decay_time = 1;
    CHECK(evict_frequency(evict_touched(c, &cfg, NOW), &cfg, NOW) == LFU_NEW + 1);
    /* With a factor of 10, a hundred accesses make 9.7 on average, with a deviation of 1.2, and a million 255. */
    unsigned n = 0;
    for (unsigned key = 0; key < 100; key++) {
        c = evict_clock(EVICT_ALLKEYS_LFU, NOW);
        for (unsigned i = 0; i < 100; i++)
            c = evict_touched(c, &cfg, NOW);
        n += evict_frequency(c, &cfg, NOW);
    }
    CHECKF(n >= 872 && n <= 1072, "%u", n); /* eight deviations of the sum */
    for (unsigned i = 0; i < 1000000; i++)
        c = evict_touched(c, &cfg, NOW);
    CHECK(evict_frequency(c, &cfg, NOW) == 255);
}

/* ---- expiry ---- */

/* What RESTORE and a file tell of a key. */
static void clocks_told(void)
{
    static const int64_t idle[] = {0, 1, 100, 8388607};
    for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
        uint32_t c = evict_clock_told(EVICT_NOEVICTION, NOW, idle[i], 7);
        CHECK(evict_idle_seconds(c, NOW) == idle[i]);
        CHECK(evict_clock_told(EVICT_ALLKEYS_LFU, NOW, idle[i], -1) == evict_clock(EVICT_ALLKEYS_LFU, NOW));
    }
    CHECK(evict_idle_seconds(evict_clock_told(EVICT_ALLKEYS_LRU, NOW, INT64_MAX, -1), NOW) == 8388607);
    CHECK(evict_clock_told(EVICT_ALLKEYS_LRU, NOW, -1, 7) == evict_clock(EVICT_ALLKEYS_LRU, NOW));
    for (int freq = 0; freq < 256; freq += 51)
        CHECK(evict_frequency(evict_clock_told(EVICT_VOLATILE_LFU, NOW, 5, freq), &cfg, NOW) ==
              (unsigned)freq);
}

static void expiry(unsigned parts)
{
    struct expire_walk walk[3] = {0};
    bool limit_hit;
    unsigned gone = 0, calls = 0;
    for (unsigned i = 0; i < KEYS; i++)
        put(i % 4 < 2, i, i % 5 == 0 ? -1 : i % 5 < 3 ? NOW - 1 : NOW + 1, 0);
    put(0, KEYS, NOW, 0); /* over at its very millisecond */
    for (unsigned i = 0; i < parts; i++)
        walk[i] = (struct expire_walk){.part = i, .parts = parts};
    for (; gone < KEYS / 5 * 2 + 1; calls++) {
        CHECKF(calls < 10000, "%u of %u gone", gone, KEYS / 5 * 2 + 1);
        gone += expire_cycle(&ctx, &walk[calls % parts], NOW, 1, calls % 3 ? 100 : 100000, &limit_hit);
        batch_leave(&ctx);
        CHECK(batch_enter(&ctx));
        retire_reclaim(&ctx);
    }
    for (unsigned i = 0; i < KEYS; i++)
        CHECK(has(i % 4 < 2, i) == (i % 5 == 0 || i % 5 >= 3));
    CHECK(!has(0, KEYS));
    arena_sound();
    for (calls = 0; gone < KEYS / 5 * 4 + 1; calls++) {
        CHECK(calls < 10000);
        gone += expire_cycle(&ctx, &walk[calls % parts], NOW + 1, 10, 100000, &limit_hit);
        batch_leave(&ctx);
        CHECK(batch_enter(&ctx));
        retire_reclaim(&ctx);
    }
    CHECK(table_expires(db_table(ctx.root, 0)) == 0 && table_expires(db_table(ctx.root, 1)) == 0);
    arena_sound();
    empty();
}

int main(void)
{
    arena_begin(1024);
    config_defaults(&cfg);
    clocks();
    clocks_told();
    for (int policy = EVICT_VOLATILE_LRU; policy < EVICT_NOEVICTION; policy++)
        evict(policy);
    nothing_to_take();
    all_locked();
    expiry(1);
    expiry(3);
    return 0;
}
