/* Collections against a model: every change, also those that are taken back, with and without a snapshot that shares
 * the nodes. In the end no block may be lost. */
#include "shm/snapshot.h"
#include "shm/types/hmap.h"
#include "shm/types/order.h"
#include "shm/types/seq.h"
#include "tests/lib/chance.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 3000u

static struct shm_ctx ctx;
static uint64_t *root; /* in the arena, as an entry's word would be */

/* What is handed over to a snapshot is freed by it, a round later. */
static void drain(void)
{
    static struct snapshot s;
    static struct shm_ctx mine;
    if (!s.ctx) {
        slot_ctx(&mine, 0);
        snapshot_open(&s, &mine, NULL, NULL);
    }
    for (unsigned i = 0; i < 3; i++)
        snapshot_drain(&s);
}

static size_t name(char *to, unsigned i)
{
    /* Some are long enough for a block of their own. */
    size_t n = (size_t)sprintf(to, "key:%u:", i);
    size_t more = i % 97 == 0 ? 1500 : i % 13 == 0 ? 260 : i % 7;
    memset(to + n, '.', more);
    return n + more;
}

struct model {
    bool there[KEYS];
    unsigned value[KEYS], count;
};

static unsigned odd; /* one in so many values has another length than most; 0: they have all lengths */

static size_t value_of(char *to, unsigned v)
{
    size_t n = odd && v % odd ? 10 + odd % 7 : v % 131 == 0 ? 2000 : v % 17 == 0 ? 300 : 4 + v % 20;
    memset(to, 'a' + (int)(v % 26), n);
    return n;
}

static struct hmap map_of(struct tx *tx, bool pairs, uint32_t birth, bool shared)
{
    return (struct hmap){{.tx = tx, .root = root, .birth = birth, .shared = shared}, pairs};
}

static void check(const struct model *model, bool pairs)
{
    static char k[2000], v[2100];
    struct tx tx = {.ctx = &ctx};
    struct hmap m = map_of(&tx, pairs, 0, false);
    struct hmap_place at;
    struct tree_path p;
    unsigned seen = 0, leaves = 0;
    CHECKF(tree_count(*root) == model->count, "%llu instead of %u", (unsigned long long)tree_count(*root),
           model->count);
    for (unsigned i = 0; i < KEYS; i++) {
        struct bytes got = {NULL, 0};
        bool found = hmap_find(&m, (struct bytes){k, name(k, i)}, &at, &got);
        CHECKF(found == model->there[i], "key %u", i);
        if (found && pairs)
            CHECK(bytes_equal(got, (struct bytes){v, value_of(v, model->value[i])}));
        if (found)
            CHECK(at.hash >= tree_low(&at.path) && at.hash <= tree_high(&at.path));
    }
    for (tree_first(&m.tree, &p); p.leaf; leaves++) {
        CHECK(tree_before(&p) == seen);
        seen += p.leaf->n;
        if (!tree_next(&p))
            break;
    }
    CHECK(seen == model->count);
    if (seen) {
        struct hmap_item it = hmap_at(&m, chance(seen));
        CHECK(it.key.n > 4 && !memcmp(it.key.p, "key:", 4));
    }
}

static enum rc one(struct hmap *m, struct model *model, unsigned i, bool pairs, unsigned dels)
{
    static char k[2000], v[2100];
    struct hmap_place at;
    struct bytes key = {k, name(k, i)};
    bool there = hmap_find(m, key, &at, NULL);
    CHECK(there == model->there[i]);
    if (chance(100) < dels) {
        model->there[i] = false;
        model->count -= there;
        return there ? hmap_del(m, &at) : RC_OK;
    }
    model->there[i] = true;
    model->value[i] = chance(500);
    model->count += !there;
    return !pairs && there ? RC_OK : hmap_put(m, &at, key, (struct bytes){v, value_of(v, model->value[i])});
}

static void run(bool pairs, unsigned rounds, unsigned dels, bool snapshots)
{
    static struct model model, before;
    uint32_t birth = 1;
    for (unsigned r = 0; r < rounds; r++) {
        struct tx tx;
        birth += snapshots && chance(200) == 0;
        tx_begin(&tx, &ctx);
        struct hmap m = map_of(&tx, pairs, birth, snapshots);
        before = model;
        for (unsigned n = 1 + chance(chance(10) ? 3 : 60); n--;)
            CHECK(!one(&m, &model, chance(KEYS), pairs, dels));
        if (chance(4)) {
            tx_commit(&tx);
        } else {
            tx_abort(&tx);
            model = before;
        }
        if (r % 50 == 0)
            drain();
        if (r % 500 == 0)
            check(&model, pairs);
    }
    check(&model, pairs);
    while (*root) {
        struct tx tx;
        tx_begin(&tx, &ctx);
        struct hmap m = map_of(&tx, pairs, birth, snapshots);
        CHECK(!tree_shed(&m.tree, 20, hmap_leaf_free));
        tx_commit(&tx);
        drain();
    }
    memset(&model, 0, sizeof(model));
    check(&model, pairs);
    drain();
    CHECKF(slots_used_bytes() == 0, "%lld bytes are lost", (long long)slots_used_bytes());
}

/* ---- items in an order of their own ---- */

#define LONGEST 40000u
struct row {
    unsigned n, id[LONGEST];
};

static struct tree tree_of(struct tx *tx, uint32_t birth, bool shared)
{
    static struct seq_side side;
    return (struct tree){.tx = tx, .root = root, .birth = birth, .shared = shared, .side = &side};
}

static void check_item(const struct seq_place *at, unsigned id)
{
    static char v[2100];
    CHECK(bytes_equal(seq_item(at), (struct bytes){v, value_of(v, id)}));
}

static void check_row(const struct row *row)
{
    struct tx tx = {.ctx = &ctx};
    struct tree t = tree_of(&tx, 0, false);
    struct seq_place at;
    unsigned n = 0;
    CHECK(tree_count(*root) == row->n);
    for (bool more = seq_first(&t, &at); more; more = seq_next(&at))
        check_item(&at, row->id[n++]);
    CHECK(n == row->n);
    for (bool more = seq_last(&t, &at); more; more = seq_prev(&at))
        check_item(&at, row->id[--n]);
    CHECK(n == 0);
    for (unsigned i = 0; i < 200 && row->n; i++) {
        unsigned pos = chance(row->n);
        CHECK(seq_at(&t, pos, &at) && seq_position(&at) == pos);
        check_item(&at, row->id[pos]);
    }
    CHECK(!seq_at(&t, row->n, &at));
}

static void row_insert(struct row *row, unsigned pos, unsigned id)
{
    memmove(&row->id[pos + 1], &row->id[pos], (row->n++ - pos) * sizeof(*row->id));
    row->id[pos] = id;
}
static void row_del(struct row *row, unsigned pos, unsigned n)
{
    row->n -= n;
    memmove(&row->id[pos], &row->id[pos + n], (row->n - pos) * sizeof(*row->id));
}

static enum rc row_change(struct tree *t, struct row *row, unsigned what)
{
    static char v[2100];
    unsigned id = chance(100000), pos = row->n ? chance(row->n) : 0;
    struct bytes b = {v, value_of(v, id)};
    struct seq_place at;
    uint64_t gone;
    if (what < 2 || !row->n) {
        row_insert(row, what ? row->n : 0, id);
        return seq_push(t, b, !what);
    }
    if (what < 4) {
        row_del(row, what == 2 ? 0 : row->n - 1, 1);
        return seq_pop(t, what == 2);
    }
    CHECK(seq_at(t, pos, &at));
    if (what < 6) {
        row_insert(row, pos + (what == 5), id);
        return seq_insert(t, &at, b, what == 5);
    }
    if (what == 6) {
        row->id[pos] = id;
        return seq_replace(t, &at, b);
    }
    enum rc rc = seq_del(t, &at, 1 + chance(what == 7 ? 3 : 100), &gone);
    row_del(row, pos, (unsigned)gone);
    return rc;
}

/* weight: how often each kind of change comes. */
static void run_row(const unsigned weight[9], unsigned rounds, bool snapshots, unsigned deepest)
{
    static struct row row, before;
    unsigned sum = 0, depth = deepest;
    uint32_t birth = 1;
    row.n = 0;
    for (unsigned i = 0; i < 9; i++)
        sum += weight[i];
    for (unsigned r = 0; r < rounds; r++) {
        struct tx tx;
        birth += snapshots && chance(200) == 0;
        tx_begin(&tx, &ctx);
        struct tree t = tree_of(&tx, birth, snapshots);
        if (deepest && chance(100) == 0)
            depth = chance(deepest + 1);
        t.depth = depth;
        before.n = row.n;
        memcpy(before.id, row.id, row.n * sizeof(*row.id));
        for (unsigned n = 1 + chance(chance(10) ? 3 : 40); n--;) {
            unsigned what = 0, pick = chance(sum);
            while (pick >= weight[what])
                pick -= weight[what++];
            CHECK(!row_change(&t, &row, row.n > LONGEST - 100 ? 8 : what));
        }
        if (chance(4)) {
            tx_commit(&tx);
        } else {
            tx_abort(&tx);
            row.n = before.n;
            memcpy(row.id, before.id, row.n * sizeof(*row.id));
        }
        if (r % 50 == 0)
            drain();
        if (r % 500 == 0)
            check_row(&row);
    }
    check_row(&row);
    while (*root) {
        struct tx tx;
        tx_begin(&tx, &ctx);
        struct tree t = tree_of(&tx, birth, snapshots);
        CHECK(!tree_shed(&t, 20, seq_leaf_free));
        tx_commit(&tx);
    }
    drain();
    CHECKF(slots_used_bytes() == 0, "%lld bytes are lost", (long long)slots_used_bytes());
}

/* What the leaves are, from the front on: 'c' is compressed. */
static unsigned leaves_told(char *to)
{
    struct tx tx = {.ctx = &ctx};
    struct tree t = tree_of(&tx, 0, false);
    struct tree_path p;
    unsigned n = 0;
    for (tree_first(&t, &p); p.leaf; n++) {
        to[n] = p.leaf->form == FORM_SEQ_COMPRESSED ? 'c' : '-';
        if (!tree_next(&p))
            break;
    }
    return n + 1;
}

static size_t random_word(char *to)
{
    for (unsigned i = 0; i < 16; i++)
        to[i] = (char)chance(256);
    return 16;
}

/* A list that is filled from one end, or from both, has all leaves compressed but those of the window; noise has none. */
static void check_window(unsigned depth, unsigned ends, bool noise)
{
    static char told[10000];
    struct tx tx;
    for (unsigned i = 0; i < 30000; i++) {
        char k[32];
        size_t n = noise ? random_word(k) : (size_t)sprintf(k, "element:%08u", i);
        tx_begin(&tx, &ctx);
        struct tree t = tree_of(&tx, 1, false);
        t.depth = depth;
        CHECK(!seq_push(&t, (struct bytes){k, n}, ends == 2 ? i / 10000 % 2 : ends));
        tx_commit(&tx);
    }
    unsigned n = leaves_told(told);
    CHECK(n > 100);
    for (unsigned i = 0; i < n; i++)
        CHECKF((told[i] == 'c') == (!noise && i >= depth && i + depth < n), "leaf %u of %u", i, n);
    tx_begin(&tx, &ctx);
    struct tree t = tree_of(&tx, 1, false);
    CHECK(!tree_shed(&t, UINT32_MAX, seq_leaf_free));
    tx_commit(&tx);
    CHECKF(slots_used_bytes() == 0, "%lld bytes are lost", (long long)slots_used_bytes());
}

static void row_density(unsigned n)
{
    struct tx tx;
    for (unsigned i = 0; i < n; i++) {
        char k[32];
        tx_begin(&tx, &ctx);
        struct tree t = tree_of(&tx, 1, false);
        CHECK(!seq_push(&t, (struct bytes){k, (size_t)sprintf(k, "element:%08u", i)}, false));
        tx_commit(&tx);
    }
    printf("element 16: %.1f bytes an item\n", (double)slots_used_bytes() / n);
    tx_begin(&tx, &ctx);
    struct tree t = tree_of(&tx, 1, false);
    CHECK(!tree_shed(&t, UINT32_MAX, seq_leaf_free));
    tx_commit(&tx);
}

/* ---- members in the order of their scores ---- */

#define MEMBERS 6000u
struct ranking {
    unsigned n;
    struct ranked {
        double score;
        unsigned id;
    } row[MEMBERS];
    bool there[MEMBERS];
    double score[MEMBERS];
};

static size_t member_of(char *to, unsigned i)
{
    size_t n = (size_t)sprintf(to, "m%u", i * 7919 % MEMBERS);
    size_t more = i % 211 == 0 ? 1300 : i % 37 == 0 ? 900 : i % 5;
    memset(to + n, '-', more);
    return n + more;
}

static int by_rank(const void *a, const void *b)
{
    static char x[1400], y[1400];
    const struct ranked *r = a, *s = b;
    if (r->score != s->score)
        return r->score < s->score ? -1 : 1;
    size_t n = member_of(x, r->id), m = member_of(y, s->id);
    int c = memcmp(x, y, n < m ? n : m);
    return c ? c : n < m ? -1 : n > m;
}

static void check_rank(struct ranking *k)
{
    static char m[1400];
    struct tx tx = {.ctx = &ctx};
    struct tree t = tree_of(&tx, 0, false);
    struct order_place at;
    bool same;
    unsigned n = 0;
    k->n = 0;
    for (unsigned i = 0; i < MEMBERS; i++)
        if (k->there[i])
            k->row[k->n++] = (struct ranked){k->score[i], i};
    qsort(k->row, k->n, sizeof(*k->row), by_rank);
    CHECK(tree_count(*root) == k->n);
    for (bool more = order_at(&t, 0, &at); more; more = order_next(&at), n++)
        CHECK(order_score(&at) == k->row[n].score && order_rank(&at) == n &&
              bytes_equal(order_member(&at), (struct bytes){m, member_of(m, k->row[n].id)}));
    CHECK(n == k->n);
    for (bool more = order_last(&t, &at); more; more = order_prev(&at))
        CHECK(order_score(&at) == k->row[--n].score);
    CHECK(n == 0);
    for (unsigned i = 0; i < MEMBERS; i++) {
        order_find(&t, k->score[i], (struct bytes){m, member_of(m, i)}, &at, &same);
        CHECKF(same == k->there[i], "member %u", i);
    }
    for (unsigned i = 0; i < 100; i++) {
        double score = chance(60) - 5.0;
        bool above = chance(2);
        unsigned want = 0;
        while (want < k->n && (above ? k->row[want].score <= score : k->row[want].score < score))
            want++;
        bool found = order_from(&t, score, above, &at);
        CHECK(found == (want < k->n) && (!found || order_rank(&at) == want));
    }
}

static void run_rank(unsigned rounds, unsigned scores, unsigned dels, bool snapshots)
{
    static struct ranking k, before;
    static char m[1400];
    uint32_t birth = 1;
    memset(&k, 0, sizeof(k));
    for (unsigned r = 0; r < rounds; r++) {
        struct tx tx;
        birth += snapshots && chance(200) == 0;
        tx_begin(&tx, &ctx);
        struct tree t = tree_of(&tx, birth, snapshots);
        before = k;
        for (unsigned n = 1 + chance(chance(10) ? 3 : 60); n--;) {
            unsigned i = chance(MEMBERS);
            struct bytes name_b = {m, member_of(m, i)};
            struct order_place at;
            bool same;
            if (k.there[i]) {
                order_find(&t, k.score[i], name_b, &at, &same);
                CHECK(same && !order_del(&t, &at));
                k.there[i] = false;
            }
            if (chance(100) >= dels) {
                k.score[i] = chance(scores) - 3.0;
                order_find(&t, k.score[i], name_b, &at, &same);
                CHECK(!same && !order_insert(&t, &at, k.score[i], name_b));
                k.there[i] = true;
            }
        }
        if (chance(4)) {
            tx_commit(&tx);
        } else {
            tx_abort(&tx);
            k = before;
        }
        if (r % 50 == 0)
            drain();
        if (r % 1000 == 0)
            check_rank(&k);
    }
    check_rank(&k);
    while (*root) {
        struct tx tx;
        tx_begin(&tx, &ctx);
        struct tree t = tree_of(&tx, birth, snapshots);
        CHECK(!tree_shed(&t, 20, order_leaf_free));
        tx_commit(&tx);
    }
    drain();
    CHECKF(slots_used_bytes() == 0, "%lld bytes are lost", (long long)slots_used_bytes());
}

static void rank_density(unsigned n)
{
    struct tx tx;
    for (unsigned i = 0; i < n; i++) {
        char k[32];
        struct order_place at;
        bool same;
        struct bytes b = {k, (size_t)sprintf(k, "member:%08u", i)};
        tx_begin(&tx, &ctx);
        struct tree t = tree_of(&tx, 1, false);
        order_find(&t, i * 7919ull % 1000003, b, &at, &same);
        CHECK(!order_insert(&t, &at, i * 7919ull % 1000003, b));
        tx_commit(&tx);
    }
    printf("member 15 in order: %.1f bytes an item\n", (double)slots_used_bytes() / n);
    tx_begin(&tx, &ctx);
    struct tree t = tree_of(&tx, 1, false);
    CHECK(!tree_shed(&t, UINT32_MAX, order_leaf_free));
    tx_commit(&tx);
}

static void density(bool pairs, unsigned n)
{
    struct tx tx;
    int64_t items = 0;
    for (unsigned i = 0; i < n; i++) {
        char k[32], v[32];
        struct hmap_place at;
        tx_begin(&tx, &ctx);
        struct hmap m = map_of(&tx, pairs, 1, false);
        struct bytes key = {k, (size_t)sprintf(k, pairs ? "field:%08u" : "member:%08u", i)};
        struct bytes value = {v, (size_t)sprintf(v, "value:%08u", i)};
        hmap_find(&m, key, &at, NULL);
        CHECK(!hmap_put(&m, &at, key, value));
        tx_commit(&tx);
        items++;
    }
    printf("%s: %.1f bytes an item\n", pairs ? "field 14 + value 14" : "member 15",
           (double)slots_used_bytes() / n);
    tx_begin(&tx, &ctx);
    struct hmap m = map_of(&tx, pairs, 1, false);
    CHECK(!tree_shed(&m.tree, UINT32_MAX, hmap_leaf_free));
    tx_commit(&tx);
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 256ull << 20, .nslots = 2, .ndbs = 2, .nsessions = 2};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&ctx, 1);
    root = shm_at(ctx.root->extra); /* a word of the arena that nothing else uses here */
    run(false, 20000, 30, false);
    run(true, 20000, 30, false);
    run(true, 20000, 55, true);
    run(false, 20000, 20, true);
    run_row((unsigned[9]){4, 4, 2, 2, 1, 1, 1, 1, 1}, 12000, false, 0);
    run_row((unsigned[9]){5, 3, 3, 5, 0, 0, 0, 0, 0}, 12000, false, 0);
    run_row((unsigned[9]){3, 3, 1, 1, 3, 3, 3, 2, 1}, 8000, true, 0);
    run_row((unsigned[9]){5, 5, 2, 2, 1, 1, 1, 1, 1}, 8000, false, 3);
    run_row((unsigned[9]){5, 3, 2, 5, 0, 0, 0, 1, 0}, 6000, false, 1);
    run_row((unsigned[9]){4, 4, 1, 1, 3, 3, 3, 2, 1}, 6000, true, 2);
    for (odd = 3; odd < 20000; odd *= 5) {
        run_row((unsigned[9]){5, 5, 1, 2, 1, 1, 1, 1, 1}, 3000, false, odd == 75 ? 2 : 0);
        run_row((unsigned[9]){4, 4, 1, 1, 3, 3, 3, 2, 1}, 3000, odd == 15, odd == 375);
    }
    odd = 0;
    for (unsigned depth = 1; depth < 100; depth = depth * 3 + 1)
        for (unsigned ends = 0; ends < 3; ends++)
            check_window(depth, ends, depth == 4 && ends == 1);
    run_rank(6000, 50, 30, false);
    run_rank(6000, 1000000, 45, true);
    run_rank(6000, 1, 40, false);
    rank_density(200000);
    density(false, 200000);
    row_density(200000);
    density(true, 200000);
    return 0;
}
