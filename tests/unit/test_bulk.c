/* Collections that are built or copied as a whole, some of them taken back: they hold what was told, and can be changed as any
 * other; a copy shares nothing with what was copied. No block is lost in the end. */
#include "shm/base/number.h"
#include "shm/types/bulk.h"
#include "shm/types/hash.h"
#include "shm/types/list.h"
#include "shm/types/set.h"
#include "shm/types/string.h"
#include "shm/types/zset.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST 20000u

static const struct set_limits few = {30, 20, 64};

static struct key_ref ref_of(const char *name)
{
    struct key_ref k = {.key = {name, strlen(name)}};
    CHECK(!db_table_make(&ctx, 0, &k.table));
    k.hash = key_hash(ctx.root, k.key);
    key_locate(&k);
    return k;
}

static void latch(struct tx *tx, struct key_ref *k, const char *name)
{
    *k = ref_of(name);
    tx_begin(tx, &ctx);
    CHECK(!key_latch(tx, k));
}

static bool exists(const char *name)
{
    struct key_ref k;
    struct tx tx;
    latch(&tx, &k, name);
    tx_abort(&tx);
    return k.entry;
}

static void drop(const char *name)
{
    struct key_ref k;
    struct tx tx;
    latch(&tx, &k, name);
    if (k.entry)
        CHECK(!key_del(&tx, &k, false));
    tx_commit(&tx);
}

/* ---- what there is ---- */

static char *text[MOST];
static size_t length[MOST];

/* Some need a block of their own; some leave a leaf hardly any room. */
static void texts(void)
{
    for (unsigned i = 0; i < MOST; i++) {
        size_t more = i % 997 == 0 ? 1500 : i % 211 == 0 ? 1000 : i % 31 == 0 ? 260 : i % 9;
        text[i] = malloc(32 + more);
        CHECK(text[i]);
        size_t n = (size_t)sprintf(text[i], "item:%u", i);
        memset(text[i] + n, '.', more);
        length[i] = n + more;
    }
}

static struct bytes item(uint64_t i)
{
    return (struct bytes){text[i], length[i]};
}

/* ---- hashes and sets ---- */

static int64_t until_of(uint64_t i)
{
    return i % 7 == 3 ? 4000000000000 + (int64_t)(i % 101) : 0;
}

static void tell(const void *arg, uint64_t i, struct hmap_item *it)
{
    bool expire = arg;
    *it = (struct hmap_item){item(i), item(MOST - 1 - i), expire ? until_of(i) : 0};
}

static void tell_twice(const void *arg, uint64_t i, struct hmap_item *it)
{
    tell(arg, i == 1000 ? 17 : i, it);
}

/* Items [from, n) are there, and no others. */
static void compare_dict(const char *name, unsigned from, unsigned n, bool expire)
{
    struct key_ref k;
    struct tx tx;
    struct dict d;
    struct dict_place at;
    latch(&tx, &k, name);
    CHECK(k.entry && entry_enc(key_entry(&k)) == ENC_HASHTABLE);
    dict_read(&d, &tx, key_entry(&k));
    CHECK(dict_size(&d) == n - from);
    for (unsigned i = 0; i < MOST; i += i < n ? 1 : 97) {
        CHECKF(dict_find(&d, item(i), &at) == (i >= from && i < n), "%s: item %u", name, i);
        CHECK(!at.found || !d.pairs || bytes_equal(at.value, item(MOST - 1 - i)));
        CHECK(!at.found || at.until_ms == (expire ? until_of(i) : 0));
    }
    CHECK(!d.pairs || !dict_fields_wrong(key_entry(&k)));
    tx_abort(&tx);
}

static void del_some(const char *name, unsigned to)
{
    for (unsigned i = 0; i < to; i += 16) {
        struct key_ref k;
        struct tx tx;
        struct dict d;
        struct dict_place at;
        latch(&tx, &k, name);
        dict_open(&d, &tx, &k, &(struct coll_shape){.type = TYPE_SET});
        for (unsigned j = i; j < to && j < i + 16; j++) {
            CHECK(dict_find(&d, item(j), &at));
            CHECK(!dict_del(&d, &at));
        }
        CHECK(!dict_end(&d));
        tx_commit(&tx);
    }
}

static void add_some(const char *name, bool pairs, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct key_ref k;
        struct tx tx;
        struct dict d;
        struct dict_place at;
        latch(&tx, &k, name);
        dict_open(&d, &tx, &k, &(struct coll_shape){.type = TYPE_SET});
        CHECK(!dict_find(&d, item(i), &at));
        CHECK(!dict_put(&d, &at, item(i), pairs ? item(MOST - 1 - i) : (struct bytes){NULL, 0}));
        CHECK(!dict_end(&d));
        tx_commit(&tx);
    }
}

static void build(const char *name, unsigned type, unsigned n, bool expire, bool commit)
{
    struct coll_shape shape = {.type = type, .enc = ENC_HASHTABLE};
    struct key_ref k;
    struct tx tx;
    latch(&tx, &k, name);
    CHECK(!dict_build(&tx, &k, &shape, tell, expire ? &ctx : NULL, n));
    if (commit)
        tx_commit(&tx);
    else
        tx_abort(&tx);
}

static void copy(const char *name, const char *to,
                 enum rc (*fn)(struct tx *, const struct shm_entry *, struct key_ref *, uint32_t),
                 bool commit)
{
    struct key_ref k[2];
    uint32_t at[2];
    struct tx tx;
    k[0] = ref_of(name);
    k[1] = ref_of(to);
    k[1].arg = 1;
    tx_begin(&tx, &ctx);
    CHECK(!keys_latch(&tx, k, 2, at));
    CHECK(!fn(&tx, key_entry(&k[at[0]]), &k[at[1]], 1));
    if (commit)
        tx_commit(&tx);
    else
        tx_abort(&tx);
}

static void dicts(unsigned type, unsigned n, bool expire)
{
    build("a", type, n, expire, false);
    CHECK(!exists("a"));
    build("a", type, n, expire, true);
    compare_dict("a", 0, n, expire);
    arena_sound();
    copy("a", "b", dict_copy, false);
    copy("a", "b", dict_copy, true);
    add_some("a", type == TYPE_HASH, n, n + n / 3 + 1);
    del_some("a", n / 2);
    arena_sound();
    compare_dict("b", 0, n, expire);
    drop("a");
    compare_dict("b", 0, n, expire);
    del_some("b", n - 1);
    compare_dict("b", n - 1, n, expire);
    drop("b");
    arena_sound();
}

/* What is no table of hashes: packed, or a sequence, or a map of integers or of fields that expire. */
static void tell_integer(const void *arg, uint64_t i, struct hmap_item *it)
{
    static char digits[600][24];
    const unsigned *n = arg;
    int64_t v = ((int64_t)(i * 7) % *n - 20) * 1000003;
    *it = (struct hmap_item){.key = {digits[i], (size_t)sprintf(digits[i], "%lld", (long long)v)}};
}

static void compare_form(const char *name, const struct coll_shape *shape, hmap_tell *fn, const void *arg,
                         unsigned n)
{
    struct key_ref k;
    struct tx tx;
    struct dict d;
    struct dict_place at;
    struct dict_walk w;
    struct hmap_item it, told;
    int64_t last = INT64_MIN, v;
    unsigned i = 0;
    latch(&tx, &k, name);
    CHECK(k.entry && entry_enc(key_entry(&k)) == shape->enc && entry_type(key_entry(&k)) == shape->type);
    dict_read(&d, &tx, key_entry(&k));
    CHECK(dict_size(&d) == n && (!d.pairs || !dict_fields_wrong(key_entry(&k))));
    for (dict_walk(&d, &w); dict_next(&w, &it); i++) {
        fn(arg, i, &told);
        CHECK(shape->enc != ENC_LISTPACK || bytes_equal(it.key, told.key)); /* as they came */
        CHECK(shape->enc != ENC_INTSET || (number_to_int64(it.key, &v) && v > last));
        last = v;
    }
    dict_walk_end(&w);
    CHECK(i == n);
    for (i = 0; i < n; i++) {
        fn(arg, i, &told);
        CHECK(dict_find(&d, told.key, &at) && at.until_ms == told.until_ms);
        CHECK(!d.pairs || bytes_equal(at.value, told.value));
    }
    tx_abort(&tx);
}

static void form(unsigned type, unsigned enc, hmap_tell *fn, const void *arg, unsigned n)
{
    struct coll_shape shape = {.type = type, .enc = enc, .clock = 1};
    for (unsigned i = 0; i < 3; i++) { /* the last one over another */
        struct key_ref k;
        struct tx tx;
        latch(&tx, &k, "a");
        CHECK(!dict_build(&tx, &k, &shape, fn, arg, n));
        if (i)
            tx_commit(&tx);
        else
            tx_abort(&tx);
        CHECK(exists("a") == (i != 0));
    }
    compare_form("a", &shape, fn, arg, n);
    arena_sound();
    if (enc != ENC_INTSET) {
        add_some("a", type == TYPE_HASH, n, n + 20);
        del_some("a", n + 19);
    }
    drop("a");
    arena_sound();
}

static void forms(void)
{
    static const unsigned sizes[] = {1, 2, 20, 45, 500};
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        form(TYPE_SET, ENC_LISTPACK, tell, NULL, sizes[i]);
        form(TYPE_SET, ENC_INTSET, tell_integer, &(unsigned){sizes[i] == 500 ? 503 : 701}, sizes[i]);
        form(TYPE_HASH, ENC_LISTPACK, tell, NULL, sizes[i]);
        form(TYPE_HASH, ENC_LISTPACK_EX, tell, &ctx, sizes[i]);
    }
}

static void twice(void)
{
    struct coll_shape shape = {.type = TYPE_SET, .enc = ENC_HASHTABLE};
    struct key_ref k;
    struct tx tx;
    latch(&tx, &k, "a");
    CHECK(dict_build(&tx, &k, &shape, tell_twice, NULL, 2000) == RC_EXISTS);
    tx_abort(&tx);
    arena_sound();
}

static void sets_stored(void)
{
    struct bytes v[500];
    for (unsigned i = 0; i < 500; i++)
        v[i] = item(i);
    for (unsigned n = 1; n <= 500; n = n * 3 / 2 + 1) {
        struct key_ref k;
        struct tx tx;
        struct dict d;
        latch(&tx, &k, "a");
        CHECK(!set_store(&tx, &k, 1, &few, v, n));
        tx_commit(&tx);
        latch(&tx, &k, "a");
        dict_read(&d, NULL, key_entry(&k));
        CHECK(dict_size(&d) == n);
        tx_abort(&tx);
        if (n > 30)
            compare_dict("a", 0, n, false);
        drop("a");
    }
}

/* ---- sorted sets ---- */

static double score_of(unsigned i)
{
    return (double)(i * 7919 % 10007) - 5000;
}

static void compare_zset(const char *name, const struct zset_pair *v, unsigned n)
{
    struct key_ref k;
    struct tx tx;
    struct zset z;
    struct zset_place at, rank;
    unsigned i = 0;
    latch(&tx, &k, name);
    zset_open(&tx, key_entry(&k), &z);
    CHECK(z.n == n);
    for (bool more = zset_at(&z, 0, &at); more; more = zset_next(&at), i++) {
        CHECK(zset_pair(&at).score == v[i].score && bytes_equal(zset_pair(&at).member, v[i].member));
        if (n < 100 || i % 7 == 0)
            CHECK(zset_find(&z, v[i].member, &rank) && zset_rank(&rank) == i);
    }
    CHECK(i == n);
    tx_abort(&tx);
}

static enum rc copy_zset(struct tx *tx, const struct shm_entry *e, struct key_ref *k, uint32_t clock)
{
    return zset_copy(tx, e, k, entry_expiry(e), clock);
}

static void zsets(unsigned n, uint64_t entries)
{
    struct zset_limits l = {.entries = entries, .value = 5000, .clock = 1};
    struct zset_pair *v = malloc(n * sizeof(*v));
    struct key_ref k;
    struct tx tx;
    bool found;
    CHECK(v);
    for (unsigned i = 0; i < n; i++)
        v[i] = (struct zset_pair){score_of(i), item(i)};
    qsort(v, n, sizeof(*v), zset_pair_order);
    for (unsigned i = 0; i < 2; i++) {
        latch(&tx, &k, "z");
        CHECK(!zset_store(&tx, &k, &l, v, n));
        if (i)
            tx_commit(&tx);
        else
            tx_abort(&tx);
    }
    compare_zset("z", v, n);
    copy("z", "y", copy_zset, false);
    copy("z", "y", copy_zset, true);
    for (unsigned i = 0; i < n; i += 2) {
        latch(&tx, &k, "z");
        CHECK(!zset_remove(&tx, &k, v[i].member, &found) && found);
        tx_commit(&tx);
    }
    arena_sound();
    compare_zset("y", v, n);
    drop("z");
    compare_zset("y", v, n);
    drop("y");
    arena_sound();
    free(v);
}

/* ---- lists ---- */

static enum rc copy_list(struct tx *tx, const struct shm_entry *e, struct key_ref *k, uint32_t clock)
{
    struct list_how how = {.fill = -2, .clock = clock};
    return list_copy(tx, e, k, &how);
}

/* depth: how it was made; compressed leaves are not copied as they are. */
static void lists(unsigned n, int64_t depth)
{
    struct list_how how = {.fill = -2, .depth = depth, .clock = 1};
    struct list_walk w;
    struct bytes b;
    struct key_ref k;
    struct tx tx;
    unsigned i = 0;
    latch(&tx, &k, "l");
    for (unsigned j = 0; j < n; j++) {
        b = item(j);
        CHECK(!list_push(&tx, &k, &b, 1, false, &how));
    }
    tx_commit(&tx);
    copy("l", "m", copy_list, false);
    copy("l", "m", copy_list, true);
    drop("l");
    latch(&tx, &k, "m");
    list_walk(key_entry(&k), 0, false, &w);
    for (; list_next(&w, &b); i++)
        CHECK(bytes_equal(b, item(i)));
    CHECK(i == n);
    tx_abort(&tx);
    drop("m");
    arena_sound();
}

/* Items of one length for a while, then of another; empty ones among those of an odd number of rows. */
static struct bytes row_item(unsigned i, unsigned rows)
{
    if (rows % 2 && i % 13 == 5)
        return (struct bytes){"", 0};
    return rows ? (struct bytes){text[i], length[i] < 12 ? length[i] : i / rows % 3 + 10} : item(i);
}

static enum rc bulk_of(struct list_bulk *b, struct tx *tx, const struct list_how *how, unsigned n,
                       unsigned rows)
{
    enum rc rc = RC_OK;
    list_bulk_begin(b, tx, how);
    for (unsigned i = 0; i < n && !rc; i++)
        rc = list_bulk_add(b, row_item(i, rows));
    return rc;
}

static const struct shm_entry *entry_of(const char *name)
{
    struct key_ref k;
    struct tx tx;
    latch(&tx, &k, name);
    tx_abort(&tx);
    CHECK(k.entry);
    return key_entry(&k);
}

static void compare_lists(const char *one, const char *other)
{
    const struct shm_entry *a = entry_of(one), *b = entry_of(other);
    struct list_walk v, w;
    struct bytes x, y;
    CHECK(entry_enc(a) == entry_enc(b) && coll_is_tree(a) == coll_is_tree(b));
    CHECK(list_length(a) == list_length(b) && list_listpack_bytes(a) == list_listpack_bytes(b));
    list_walk(a, 0, false, &v);
    list_walk(b, 0, false, &w);
    while (list_next(&v, &x))
        CHECK(list_next(&w, &y) && bytes_equal(x, y));
    CHECK(!list_next(&w, &y));
    list_walk(a, list_length(a) - 1, true, &v);
    list_walk(b, list_length(b) - 1, true, &w);
    while (list_next(&v, &x))
        CHECK(list_next(&w, &y) && bytes_equal(x, y));
}

/* Both lists get the same changes at their ends and between. */
static void change_list(const char *name, const struct list_how *how)
{
    struct key_ref k;
    struct tx tx;
    latch(&tx, &k, name);
    uint64_t n = list_length(key_entry(&k));
    CHECK(!list_push(&tx, &k, (struct bytes[]){item(7), item(8)}, 2, false, how));
    CHECK(!list_push(&tx, &k, (struct bytes[]){item(9), item(10)}, 2, true, how));
    CHECK(!list_insert(&tx, &k, n / 2, item(31), how));
    CHECK(!list_set(&tx, &k, n / 3, item(997), how));
    CHECK(!list_cut(&tx, &k, n / 4, n / 8 + 1, how));
    tx_commit(&tx);
}

/* A list that was built holds what pushing would have made of the same items, and under the same name. */
static void list_built(unsigned n, unsigned rows, int64_t fill, int64_t depth)
{
    struct list_how how = {.fill = fill, .depth = depth, .clock = 1};
    struct key_ref k;
    struct list_bulk b;
    struct tx tx;
    for (unsigned i = 0; i < n; i++) {
        struct bytes v = row_item(i, rows);
        latch(&tx, &k, "l");
        CHECK(!list_push(&tx, &k, &v, 1, false, &how));
        tx_commit(&tx);
    }
    for (unsigned i = 0; i < 3; i++) {
        latch(&tx, &k, "m");
        enum rc rc = bulk_of(&b, &tx, &how, n, rows);
        CHECK(!(i == 1 ? list_bulk_drop(&b) : list_bulk_end(&b, &k, rc)));
        if (i)
            tx_commit(&tx);
        else
            tx_abort(&tx);
        CHECK(exists("m") == (i == 2));
        arena_sound();
    }
    compare_lists("l", "m");
    change_list("l", &how);
    change_list("m", &how);
    compare_lists("l", "m");
    drop("l");
    drop("m");
    arena_sound();
}

static void lists_built(unsigned n)
{
    list_built(n, 0, -2, 0);
    list_built(n, 0, -1, 2);
    list_built(n, n / 5 + 1, 128, 0);
    list_built(n, 33, 300, 1);
    list_built(n, 400, -2, 0);
}

int main(void)
{
    static const unsigned sizes[] = {1, 2, 3, 45, 400, 3000, MOST * 2 / 3};
    arena_begin(256);
    texts();
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        dicts(TYPE_SET, sizes[i], false);
        dicts(TYPE_HASH, sizes[i], false);
        dicts(TYPE_HASH, sizes[i], true);
        zsets(sizes[i], 0);
        zsets(sizes[i] < 3000 ? sizes[i] : 3000, 100000);
        lists(sizes[i], 0);
        lists(sizes[i], 1);
        lists_built(sizes[i]);
    }
    twice();
    forms();
    sets_stored();
    arena_end();
    for (unsigned i = 0; i < MOST; i++)
        free(text[i]);
    return 0;
}
