#include "tests/crash/dict_ops.h"
#include "shm/types/hash.h"
#include "shm/types/set.h"

static const struct hash_limits hash_limits = {40, 64};
static const struct set_limits set_limits = {60, 20, 64};

static struct key_ref *open_key(struct work *w, struct shm_ctx *ctx, const char *prefix, unsigned i)
{
    struct name n = name_of(prefix, i);
    return ks_open(w, ctx, n, n);
}

/* Fields [from, from + n) get values of so many bytes. */
static void puts_fields(struct shm_ctx *ctx, unsigned hash, unsigned from, unsigned n, size_t bytes)
{
    static char value[3000];
    static struct work w;
    static struct dict d;
    struct dict_place at;
    hash_open(&d, &w.tx, open_key(&w, ctx, "hash", hash), 1);
    for (unsigned i = 0; i < n; i++) {
        struct name f = name_of("f", from + i);
        fill(value, bytes, from + i + (unsigned)bytes);
        dict_find(&d, NAME_BYTES(f), &at);
        ok(hash_put(&d, &at, &hash_limits, NAME_BYTES(f), (struct bytes){value, bytes}));
    }
    ok(dict_end(&d));
    ks_commit(&w);
}

static void dels_fields(struct shm_ctx *ctx, unsigned hash, unsigned from, unsigned n)
{
    static struct work w;
    static struct dict d;
    struct dict_place at;
    hash_open(&d, &w.tx, open_key(&w, ctx, "hash", hash), 1);
    for (unsigned i = 0; i < n; i++) {
        struct name f = name_of("f", from + i);
        CHECK(dict_find(&d, NAME_BYTES(f), &at));
        ok(dict_del(&d, &at));
    }
    ok(dict_end(&d));
    ks_commit(&w);
}

/* "m:17", or the number alone. */
static struct bytes member(struct name *m, bool number, unsigned i)
{
    *m = name_of("m", i);
    return number ? (struct bytes){m->s + 2, m->n - 2} : NAME_BYTES(*m);
}

static void adds(struct shm_ctx *ctx, unsigned set, unsigned from, unsigned n, bool number)
{
    static struct work w;
    static struct dict d;
    struct key_ref *k = open_key(&w, ctx, "set", set);
    struct name m;
    bool added;
    ok(set_open(&d, &w.tx, k, 1, &set_limits, member(&m, number, from), n));
    for (unsigned i = 0; i < n; i++)
        ok(set_add(&d, &set_limits, member(&m, number, from + i), &added));
    ok(dict_end(&d));
    ks_commit(&w);
}

static void dels(struct shm_ctx *ctx, const char *prefix, unsigned i)
{
    static struct work w;
    ok(key_del(&w.tx, open_key(&w, ctx, prefix, i), false));
    ks_commit(&w);
}

static void copies(struct shm_ctx *ctx, struct name from, struct name to)
{
    static struct work w;
    struct key_ref *k = ks_open(&w, ctx, from, to);
    ok(dict_copy(&w.tx, key_entry(k), &w.k[w.at[1]], 1));
    ks_commit(&w);
}

void dicts_ready(struct shm_ctx *ctx)
{
    void (*begin)(void) = ks_begin;
    ks_begin = NULL;
    puts_fields(ctx, 0, 0, 5, 10);
    puts_fields(ctx, 1, 0, 30, 50);
    puts_fields(ctx, 2, 0, 300, 20);
    puts_fields(ctx, 2, 300, 2, 2000);
    adds(ctx, 0, 0, 10, true);
    adds(ctx, 1, 1000000, 59, true);
    adds(ctx, 1, 1000059, 1, true);
    adds(ctx, 2, 0, 200, false);
    ks_begin = begin;
}

void dict_packed(struct shm_ctx *ctx)
{
    puts_fields(ctx, 0, 4, 2, 30);
    between();
    dels_fields(ctx, 0, 0, 1);
    between();
    dels_fields(ctx, 0, 1, 5);
    between();
    puts_fields(ctx, 3, 0, 1, 10);
}

void dict_listpack(struct shm_ctx *ctx)
{
    puts_fields(ctx, 0, 5, 20, 40); /* packed becomes a tree */
    between();
    puts_fields(ctx, 1, 29, 2, 60);
    between();
    dels_fields(ctx, 1, 10, 3);
    between();
    dels_fields(ctx, 1, 0, 10);
}

void dict_converts(struct shm_ctx *ctx)
{
    puts_fields(ctx, 0, 5, 1, 3000);
    between();
    puts_fields(ctx, 1, 30, 20, 3); /* too many for a listpack */
    between();
    adds(ctx, 0, 0, 5, false); /* an intset becomes a listpack */
    between();
    adds(ctx, 0, 10, 10, false);
    between();
    adds(ctx, 1, 1000060, 1, true); /* an intset's tree is a hashtable's */
}

void dict_grows(struct shm_ctx *ctx)
{
    puts_fields(ctx, 2, 1000, 1, 20);
    between();
    puts_fields(ctx, 2, 0, 3, 25);
    between();
    puts_fields(ctx, 2, 300, 1, 2500);
    between();
    puts_fields(ctx, 2, 2000, 100, 100);
    between();
    adds(ctx, 2, 1000, 10, false);
}

void dict_shrinks(struct shm_ctx *ctx)
{
    dels_fields(ctx, 2, 0, 1);
    between();
    dels_fields(ctx, 2, 1, 250);
    between();
    dels_fields(ctx, 2, 251, 51);
}

void dict_copies(struct shm_ctx *ctx)
{
    copies(ctx, name_of("hash", 0), name_of("set", 0));
    between();
    copies(ctx, name_of("hash", 1), name_of("hash", 4));
    between();
    copies(ctx, name_of("hash", 2), name_of("set", 2));
    between();
    copies(ctx, name_of("set", 1), name_of("hash", 2));
}

/* A set of n members in place of what the key holds. */
static void stores(struct shm_ctx *ctx, unsigned set, unsigned n)
{
    static struct work w;
    static struct name m[300];
    static struct bytes v[300];
    struct key_ref *k = open_key(&w, ctx, "set", set);
    for (unsigned i = 0; i < n; i++)
        v[i] = member(&m[i], false, 5000 + i);
    if (k->entry)
        ok(key_del(&w.tx, k, false));
    ok(set_store(&w.tx, k, 1, &set_limits, v, n));
    tx_commit(&w.tx);
}

struct told {
    struct name *m;
    bool expire, twice;
};

static void tell_pair(const void *arg, uint64_t i, struct hmap_item *it)
{
    const struct told *t = arg;
    struct bytes b = NAME_BYTES(t->m[t->twice && i == 20 ? 7 : i]);
    *it = (struct hmap_item){b, b, t->expire && i % 3 == 0 ? 4000000000000 + (int64_t)i : 0};
}

/* n fields in place of what the key holds. */
static void builds(struct shm_ctx *ctx, unsigned hash, unsigned n, unsigned enc, bool twice)
{
    static struct work w;
    static struct name m[300];
    struct told told = {m, enc == ENC_LISTPACK_EX, twice};
    struct coll_shape shape = {.type = TYPE_HASH, .enc = enc, .clock = 1};
    struct key_ref *k = open_key(&w, ctx, "hash", hash);
    for (unsigned i = 0; i < n; i++)
        member(&m[i], false, 7000 + i);
    enum rc rc = dict_build(&w.tx, k, &shape, tell_pair, &told, n);
    CHECK(rc == (twice ? RC_EXISTS : RC_OK));
    tx_commit(&w.tx);
}

void dict_builds(struct shm_ctx *ctx)
{
    builds(ctx, 0, 10, ENC_LISTPACK, false);
    between();
    builds(ctx, 2, 100, ENC_LISTPACK, false);
    between();
    builds(ctx, 1, 8, ENC_LISTPACK_EX, false);
    between();
    builds(ctx, 3, 100, ENC_LISTPACK_EX, false);
    between();
    builds(ctx, 2, 100, ENC_HASHTABLE, true);
}

void dict_stored(struct shm_ctx *ctx)
{
    stores(ctx, 2, 300);
    between();
    stores(ctx, 0, 70);
    between();
    stores(ctx, 3, 61);
}

void dict_deletes(struct shm_ctx *ctx)
{
    dels(ctx, "hash", 0);
    between();
    dels(ctx, "hash", 1);
    between();
    dels(ctx, "hash", 2);
    between();
    dels(ctx, "set", 1);
}

/* ---- fields that expire ---- */

/* Fields [from, from + n) with a step between them expire at ms and later; 0: they no longer do. */
static void expires(struct shm_ctx *ctx, unsigned hash, unsigned from, unsigned n, unsigned step, int64_t ms)
{
    static struct work w;
    static struct dict d;
    struct dict_place at;
    hash_open(&d, &w.tx, open_key(&w, ctx, "hash", hash), 1);
    for (unsigned i = 0; i < n; i++) {
        struct name f = name_of("f", from + i * step);
        CHECK(dict_find(&d, NAME_BYTES(f), &at));
        ok(dict_set_until(&d, &at, NAME_BYTES(f), ms ? ms + i : 0));
    }
    ok(dict_end(&d));
    ks_commit(&w);
}

static void reaps(struct shm_ctx *ctx, unsigned hash, int64_t now_ms, unsigned max)
{
    static struct work w;
    unsigned removed;
    ok(hash_reap(&w.tx, open_key(&w, ctx, "hash", hash), now_ms, max, &removed));
    CHECK(removed);
    ks_commit(&w);
}

void fields_ready(struct shm_ctx *ctx)
{
    void (*begin)(void) = ks_begin;
    dicts_ready(ctx);
    ks_begin = NULL;
    puts_fields(ctx, 5, 0, 5, 10);
    puts_fields(ctx, 6, 0, 30, 50);
    puts_fields(ctx, 7, 0, 200, 20);
    puts_fields(ctx, 7, 200, 1, 2000);
    expires(ctx, 5, 0, 2, 3, 1000);
    expires(ctx, 6, 0, 10, 3, 1000);
    expires(ctx, 7, 0, 67, 3, 1000);
    ks_begin = begin;
}

void fields_expire(struct shm_ctx *ctx)
{
    expires(ctx, 0, 1, 1, 1, 500);
    between();
    expires(ctx, 1, 1, 2, 7, 500); /* a sequence becomes a map */
    between();
    expires(ctx, 2, 300, 2, 1, 500); /* long values move with their fields */
    between();
    expires(ctx, 7, 0, 3, 1, 500); /* in place, and not */
    between();
    expires(ctx, 0, 1, 1, 1, 0);
    between();
    expires(ctx, 2, 300, 2, 1, 0); /* the last that do */
}

void fields_change(struct shm_ctx *ctx)
{
    puts_fields(ctx, 5, 0, 1, 20);
    between();
    puts_fields(ctx, 5, 5, 10, 50); /* packed becomes a tree */
    between();
    dels_fields(ctx, 6, 0, 4);
    between();
    puts_fields(ctx, 6, 30, 20, 3); /* too many for a listpack */
    between();
    puts_fields(ctx, 7, 0, 1, 100);
    between();
    dels_fields(ctx, 7, 198, 3);
}

void fields_reaped(struct shm_ctx *ctx)
{
    reaps(ctx, 5, 1000, 10);
    between();
    reaps(ctx, 6, 2000, 4);
    between();
    reaps(ctx, 7, 2000, 40);
    between();
    reaps(ctx, 7, 2000, 40); /* none is left that expires */
    between();
    expires(ctx, 0, 0, 5, 1, 500);
    between();
    reaps(ctx, 0, 600, 10); /* none is left at all */
}

void fields_copied(struct shm_ctx *ctx)
{
    copies(ctx, name_of("hash", 5), name_of("set", 0));
    between();
    copies(ctx, name_of("hash", 7), name_of("hash", 6));
    between();
    dels(ctx, "hash", 5);
    between();
    dels(ctx, "hash", 6);
}

void fields_brief(struct shm_ctx *ctx)
{
    expires(ctx, 7, 3, 1, 1, 500);
    between();
    reaps(ctx, 7, 1000, 2);
}
