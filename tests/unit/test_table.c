/* The table against a model: inserts, replacements, removals, growth and shrinking, checked throughout. */
#include "shm/table.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

static void next_batch(void) /* retired blocks wait until every batch that began before has ended */
{
    batch_leave(&ctx);
    CHECK(batch_enter(&ctx));
    retire_reclaim(&ctx);
}

static struct key_ref ref_of(char *buf, unsigned i)
{
    struct key_ref k = {.key = {buf, (size_t)sprintf(buf, "key:%012u", i)}};
    if (!db_table(ctx.root, 0))
        CHECK(!db_table_make(&ctx, 0, &k.table));
    k.table = db_table(ctx.root, 0);
    k.hash = key_hash(ctx.root, k.key);
    return k;
}

static void put(unsigned i, int64_t v, bool expires)
{
    char buf[32];
    struct key_ref k = ref_of(buf, i);
    struct tx tx;
    shm_ref e;
    key_locate(&k);
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    struct entry_spec s = {.key = k.key, .enc = ENC_INT, .word = (uint64_t)v, .expiry_ms = expires ? 5 : -1};
    CHECK(!entry_new(&tx, &s, &e, NULL));
    CHECK(!key_put(&tx, &k, e, false));
    tx_commit(&tx);
    if (k.overflowed)
        table_adjust(&ctx, k.table, k.hash);
    retire_reclaim(&ctx);
}

static bool get(unsigned i, int64_t *v)
{
    char buf[32];
    struct key_ref k = ref_of(buf, i);
    uint32_t version;
    key_locate(&k);
    CHECK(key_read_begin(&k, &version) == RC_OK);
    if (!k.entry)
        return false;
    *v = entry_int(key_entry(&k));
    CHECK(key_read_valid(&k, version));
    return true;
}

static void del(unsigned i)
{
    char buf[32];
    struct key_ref k = ref_of(buf, i);
    struct tx tx;
    key_locate(&k);
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    if (key_del(&tx, &k, false))
        tx_abort(&tx);
    else
        tx_commit(&tx);
    table_adjust(&ctx, k.table, k.hash);
    retire_reclaim(&ctx);
}

static void count_one(void *arg, const struct shm_entry *e)
{
    (void)e;
    ++*(unsigned *)arg;
}

/* Their tags were made anew while that was cheap: none begins at the hash's first bit any more, and all have
 * bits enough for the table to double twelve times. */
static void tags_last(unsigned n)
{
    char buf[32];
    for (unsigned i = 0; i < n; i++) {
        struct key_ref k = ref_of(buf, i);
        key_locate(&k);
        CHECK(dir_depth(k.dir) > 8 && dir_base(k.dir) == 8);
    }
}

int main(void)
{
    arena_begin(4096);
    enum { N = 300000 };
    for (unsigned i = 0; i < N; i++) {
        put(i, i, i % 3 == 0);
        if (i % 64 == 0)
            next_batch();
        if (i == 10 || i == 1000 || i == 50000)
            arena_sound();
    }
    batch_leave(&ctx);
    CHECK(batch_enter(&ctx));
    arena_sound();
    tags_last(N);
    int64_t v;
    for (unsigned i = 0; i < N; i++)
        CHECK(get(i, &v) && v == i);
    CHECK(!get(N, &v));
    unsigned seen = 0;
    uint64_t pos = 0;
    do
        CHECK(!table_visit(&ctx, db_table(ctx.root, 0), pos, count_one, &seen, &pos));
    while (pos);
    CHECK(seen == N);
    uint64_t seg, nodes, buckets = table_buckets(db_table(ctx.root, 0), &seg, &nodes);
    printf("%u keys: %llu buckets (%.2f a bucket), %llu segments, %llu nodes, %.1f bytes a key\n", N,
           (unsigned long long)buckets, (double)N / buckets, (unsigned long long)seg,
           (unsigned long long)nodes, (double)(slots_used_bytes() - N * 32 - N / 3 * 8) / N);
    for (unsigned i = 0; i < N; i += 2)
        put(i, -(int64_t)i, false);
    for (unsigned i = 0; i < N; i++)
        if (i % 10) {
            del(i);
            if (i % 64 == 1)
                next_batch();
        }
    arena_sound();
    for (unsigned i = 0; i < N; i++)
        CHECK(get(i, &v) == (i % 10 == 0));
    buckets = table_buckets(db_table(ctx.root, 0), &seg, &nodes);
    printf("after removals: %llu buckets\n", (unsigned long long)buckets);
    batch_leave(&ctx);
    CHECK(gate_close(&ctx, 1000));
    CHECK(!db_flush(&ctx, (uint32_t[]){0}, 1));
    gate_open(&ctx);
    arena_sound();
    for (unsigned n = 0; graveyard_step(&ctx, 100); n++)
        if (n % 50 == 0)
            arena_sound();
    arena_sound();
    CHECK(slots_used_bytes() == 0);
    return 0;
}
