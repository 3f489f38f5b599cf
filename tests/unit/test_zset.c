/* Sorted sets against a model: random changes in all forms, some of them taken back; ranks, scores and ranges are compared,
 * and no block may be lost. */
#include "shm/types/zset.h"
#include "tests/lib/chance.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMBERS 600

static struct model {
    bool there;
    double score;
} model[MEMBERS];

static struct key_ref ref(void)
{
    struct key_ref k = {.key = BYTES_LIT("z")};
    CHECK(!db_table_make(&ctx, 0, &k.table));
    k.hash = key_hash(ctx.root, k.key);
    key_locate(&k);
    return k;
}

static struct bytes member(unsigned i)
{
    static char buf[2][2000];
    static unsigned turn;
    char *to = buf[turn++ % 2];
    size_t n = (size_t)sprintf(to, "m%03u", i);
    size_t more = i % 101 == 50 ? 1500 : i % 7 == 3 ? 40 : 0;
    memset(to + n, '.', more);
    return (struct bytes){to, n + more};
}

static unsigned number_of(struct bytes name)
{
    unsigned n = 0;
    for (unsigned i = 1; i < 4; i++)
        n = n * 10 + (unsigned)(name.p[i] - '0');
    return n;
}

static int by_order(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    if (model[x].score != model[y].score)
        return model[x].score < model[y].score ? -1 : 1;
    return x < y ? -1 : 1; /* names are numbered in their order */
}

static void check_model(struct tx *tx, const struct key_ref *k)
{
    unsigned order[MEMBERS], n = 0;
    struct zset z;
    struct zset_place at;
    for (unsigned i = 0; i < MEMBERS; i++)
        if (model[i].there)
            order[n++] = i;
    qsort(order, n, sizeof(*order), by_order);
    zset_open(tx, key_entry(k), &z);
    CHECKF(z.n == n, "%llu instead of %u", (unsigned long long)z.n, n);
    bool more = zset_at(&z, 0, &at);
    for (unsigned i = 0; i < n; i++, more = zset_next(&at)) {
        struct zset_place found;
        CHECK(more && bytes_equal(zset_pair(&at).member, member(order[i])));
        CHECK(zset_pair(&at).score == model[order[i]].score && zset_rank(&at) == i);
        CHECK(zset_find(&z, member(order[i]), &found) && zset_rank(&found) == i);
    }
    CHECK(!more);
    for (double s = -1; s <= 22; s += 0.5) {
        unsigned below = 0, upto = 0;
        for (unsigned i = 0; i < n; i++) {
            below += model[order[i]].score < s;
            upto += model[order[i]].score <= s;
        }
        CHECK(zset_below(&z, s, false) == below && zset_below(&z, s, true) == upto);
    }
}

static void add(struct tx *tx, struct key_ref *k, const struct zset_limits *l)
{
    unsigned i = (unsigned)chance(MEMBERS);
    struct zset_add a = {.member = member(i), .score = (double)chance(20), .flags = 1u << chance(8) & 31};
    struct model *m = &model[i];
    double score = a.flags & ZADD_INCR && m->there ? m->score + a.score : a.score;
    bool does = m->there ? !(a.flags & ZADD_NX) && !(a.flags & ZADD_GT && score <= m->score) &&
                               !(a.flags & ZADD_LT && score >= m->score)
                         : !(a.flags & ZADD_XX);
    enum zset_did want = !does               ? ZSET_NOTHING
                         : !m->there         ? ZSET_ADDED
                         : score == m->score ? ZSET_SAME
                                             : ZSET_UPDATED;
    CHECK(!zset_add(tx, k, l, &a));
    CHECKF(a.did == want, "%d instead of %d", (int)a.did, (int)want);
    CHECK(!does || a.score == score);
    if (does)
        *m = (struct model){true, score};
}

static void remove_one(struct tx *tx, struct key_ref *k)
{
    unsigned i = (unsigned)chance(MEMBERS);
    bool found;
    if (!k->entry)
        return;
    CHECK(!zset_remove(tx, k, member(i), &found));
    CHECK(found == model[i].there);
    model[i].there = false;
}

static void remove_some(struct tx *tx, struct key_ref *k)
{
    struct zset z;
    struct zset_place at;
    zset_open(tx, key_entry(k), &z);
    uint64_t from = chance(z.n + 1), to = from + chance(20);
    if (!z.n)
        return;
    for (uint64_t r = from; r < to && zset_at(&z, r, &at); r++)
        model[number_of(zset_pair(&at).member)].there = false;
    CHECK(!zset_remove_ranks(tx, k, from, to));
}

/* Between two bounds the set shrinks and grows. */
static void one_transaction(const struct zset_limits *l, unsigned bias)
{
    struct model before[MEMBERS];
    struct tx tx;
    struct key_ref k = ref();
    bool undone = chance(6) == 0;
    memcpy(before, model, sizeof(model));
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    for (unsigned i = (unsigned)chance(6); i; i--) {
        if (chance(10) < bias)
            add(&tx, &k, l);
        else if (chance(4))
            remove_one(&tx, &k);
        else
            remove_some(&tx, &k);
    }
    check_model(&tx, &k);
    if (!undone) {
        tx_commit(&tx);
        return;
    }
    tx_abort(&tx);
    memcpy(model, before, sizeof(model));
}

static void run_limits(struct zset_limits l)
{
    for (unsigned i = 0; i < 3000; i++)
        one_transaction(&l, i / 500 % 2 ? 3 : 8);
    struct tx tx;
    struct key_ref k = ref();
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    check_model(&tx, &k);
    if (k.entry)
        CHECK(!key_del(&tx, &k, false));
    tx_commit(&tx);
    memset(model, 0, sizeof(model));
    while (trees_step(&ctx, 100))
        ;
    arena_sound();
}

/* ---- scanning ---- */

#define SCANNED 6000u /* of them the even ones stay; the odd ones come and go, and all change their scores */

static unsigned char seen[SCANNED];

static struct bytes scan_name(unsigned i)
{
    static char buf[16];
    return (struct bytes){buf, (size_t)sprintf(buf, "%05u", i)};
}

static void note(void *arg, const struct zset_pair *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->member.n; i++)
        n = n * 10 + (unsigned)(p->member.p[i] - '0');
    ++*(unsigned *)arg;
    seen[n] = 1;
}

static void stir(struct tx *tx, struct key_ref *k, unsigned scores, unsigned n)
{
    const struct zset_limits l = {0, 0, 1};
    bool found;
    for (; n; n--) {
        unsigned i = (unsigned)chance(SCANNED);
        struct zset_add a = {.member = scan_name(i), .score = (double)chance(scores)};
        if (i % 2 && chance(2))
            CHECK(!zset_remove(tx, k, a.member, &found));
        else
            CHECK(!zset_add(tx, k, &l, &a));
    }
}

/* Changes between the calls; returns how many calls there were. */
static unsigned scan_through(unsigned scores, uint64_t count, unsigned most_shown)
{
    struct zset_scan s = {.count = count, .most = UINT64_MAX};
    unsigned calls = 0;
    memset(seen, 0, sizeof(seen));
    do {
        struct tx tx;
        struct key_ref k = ref();
        struct zset z;
        unsigned shown = 0;
        tx_begin(&tx, &ctx);
        CHECK(!key_latch(&tx, &k));
        zset_open(&tx, key_entry(&k), &z);
        CHECK(zset_scan(&z, &s, note, &shown));
        CHECKF(shown <= most_shown && (shown >= count || !s.cursor) && s.cursor < 1ull << 53, "%u shown",
               shown);
        if (calls++ % 4 == 0)
            stir(&tx, &k, scores, 50);
        tx_commit(&tx);
    } while (s.cursor);
    for (unsigned i = 0; i < SCANNED; i += 2)
        CHECKF(seen[i], "%u was passed over", i);
    return calls;
}

static void run_scan(unsigned scores, unsigned most_shown)
{
    const struct zset_limits l = {0, 0, 1};
    struct tx tx;
    struct key_ref k = ref();
    unsigned shown = 0;
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    for (unsigned i = 0; i < SCANNED; i++) {
        struct zset_add a = {.member = scan_name(i), .score = (double)chance(scores)};
        CHECK(!zset_add(&tx, &k, &l, &a));
    }
    tx_commit(&tx);
    scan_through(scores, 10, most_shown);
    scan_through(scores, 500, most_shown + 500);
    CHECK(scan_through(scores, SCANNED, SCANNED) == 1);
    k = ref();
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    struct zset z;
    struct zset_scan few = {.count = 10, .most = 9};
    zset_open(&tx, key_entry(&k), &z);
    CHECK(!zset_scan(&z, &few, note, &shown) && !shown && !few.cursor);
    CHECK(!key_del(&tx, &k, false));
    tx_commit(&tx);
    while (trees_step(&ctx, 100))
        ;
    arena_sound();
}

int main(void)
{
    arena_begin(64);
    run_limits((struct zset_limits){128, 64, 1});
    run_limits((struct zset_limits){10000, 10000, 1});
    run_limits((struct zset_limits){0, 64, 1});
    run_limits((struct zset_limits){20, 2000, 1});
    run_scan(1000000000, 200); /* few leaves */
    run_scan(80, 300);
    run_scan(1, 300);
    return 0;
}
