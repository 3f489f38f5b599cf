/* Lists against a model: every change, at both ends and in the middle, small and large, some of them taken back, some while
 * a snapshot shares the nodes. The arena is checked throughout and empty in the end. */
#include "shm/snapshot.h"
#include "shm/types/list.h"
#include "tests/lib/chance.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS  8u
#define ITEMS 6000u
#define WORDS 40u

/* An item is one of WORDS words; the model holds their numbers. */
struct model {
    unsigned n;
    uint8_t word[2 * ITEMS];
    int64_t expiry_ms;
};
static struct model model[KEYS], saved;

static struct bytes word(unsigned i)
{
    static char text[WORDS][6000];
    static size_t length[WORDS];
    if (!length[i]) {
        size_t n = i == 0   ? 0
                   : i == 1 ? 6000
                   : i == 2 ? 1025
                   : i == 3 ? 1024
                   : i == 4 ? 300
                   : i == 5 ? 251
                   : i == 6 ? 250
                            : 1 + i % 20;
        memset(text[i], 'a' + (int)(i % 26), n);
        if (n >= 2)
            memcpy(text[i], (char[2]){(char)('A' + i / 10), (char)('0' + i % 10)}, 2);
        else if (n)
            text[i][0] = (char)('A' + i);
        length[i] = n;
    }
    return (struct bytes){text[i], length[i]};
}

/* Mostly short ones. */
static unsigned some_word(void)
{
    return chance(30) ? 7 + chance(WORDS - 7) : chance(WORDS);
}

static struct key_ref ref_of(char *buf, unsigned i)
{
    struct key_ref k = {.key = {buf, (size_t)sprintf(buf, "list:%u", i)}};
    CHECK(!db_table_make(&ctx, 0, &k.table));
    k.hash = key_hash(ctx.root, k.key);
    key_locate(&k);
    return k;
}

/* ---- the model ---- */

static void model_insert(struct model *m, unsigned at, unsigned w)
{
    memmove(m->word + at + 1, m->word + at, m->n - at);
    m->word[at] = (uint8_t)w;
    m->n++;
}

static void model_cut(struct model *m, unsigned at, unsigned n)
{
    memmove(m->word + at, m->word + at + n, m->n - at - n);
    m->n -= n;
}

static unsigned model_remove(struct model *m, unsigned w, int count)
{
    unsigned gone = 0, want = count ? (unsigned)abs(count) : UINT32_MAX;
    for (unsigned i = 0; i < m->n && gone < want;) {
        unsigned at = count < 0 ? m->n - 1 - i : i;
        if (m->word[at] != w) {
            i++;
            continue;
        }
        model_cut(m, at, 1);
        gone++;
    }
    return gone;
}

/* ---- comparing ---- */

static void compare(const struct key_ref *k, const struct model *m)
{
    static struct list_walk w;
    const struct shm_entry *e = key_entry(k);
    struct bytes item;
    uint64_t n = 0, bytes = 7;
    CHECK(!e == !m->n);
    if (!e)
        return;
    CHECKF(list_length(e) == m->n, "%llu items, not %u", (unsigned long long)list_length(e), m->n);
    CHECK(entry_expiry(e) == m->expiry_ms && entry_type(e) == TYPE_LIST);
    for (list_walk(e, 0, false, &w); list_next(&w, &item); n++) {
        CHECKF(bytes_equal(item, word(m->word[n])), "item %llu of %u", (unsigned long long)n, m->n);
        bytes += item.n + (item.n < 64 ? 2 : item.n < 126 ? 3 : item.n < 4096 ? 4 : 7);
    }
    CHECK(n == m->n);
    /* Integers would count for less: no word is one. */
    CHECKF(list_listpack_bytes(e) == bytes, "%llu bytes, not %llu",
           (unsigned long long)list_listpack_bytes(e), (unsigned long long)bytes);
    for (list_walk(e, m->n - 1, true, &w); list_next(&w, &item); n--)
        CHECK(bytes_equal(item, word(m->word[n - 1])));
    CHECK(n == 0);
    uint64_t at = chance(m->n);
    list_walk(e, at, false, &w);
    CHECK(list_next(&w, &item) && bytes_equal(item, word(m->word[at])));
}

/* ---- changing ---- */

static enum rc push(struct tx *tx, struct key_ref *k, struct model *m, const struct list_how *how)
{
    static struct bytes v[400];
    bool front = chance(2);
    unsigned n = 1 + chance(chance(4) ? 8 : chance(3) ? 40 : 400);
    if (m->n + n > ITEMS)
        return RC_OK;
    for (unsigned i = 0; i < n; i++) {
        unsigned w = some_word();
        v[i] = word(w);
        model_insert(m, front ? 0 : m->n, w);
    }
    return list_push(tx, k, v, n, front, how);
}

static enum rc change_there(struct tx *tx, struct key_ref *k, struct model *m, const struct list_how *how)
{
    unsigned w = some_word(), at = chance(m->n), n = 1 + chance(chance(60) ? 3 : m->n);
    int count = (int)chance(200) - 100;
    uint64_t removed;
    enum rc rc;
    switch (chance(8)) {
    case 0:
    case 1: /* at an end */
        n = n > m->n ? m->n : n;
        at = chance(2) ? 0 : m->n - n;
        model_cut(m, at, n);
        return list_cut(tx, k, at, n, how);
    case 2:
        n = n > m->n - at ? m->n - at : n;
        model_cut(m, at, n);
        return list_cut(tx, k, at, n, how);
    case 3:
        m->word[at] = (uint8_t)w;
        return list_set(tx, k, at, word(w), how);
    case 4:
        if (m->n == ITEMS)
            return RC_OK;
        at += chance(2);
        model_insert(m, at, w);
        return list_insert(tx, k, at, word(w), how);
    case 5:
        if (chance(40))
            count = chance(2) ? 1 : -1;
        removed = 0;
        rc = list_remove(tx, k, word(w), count, how, &removed);
        CHECK(removed == model_remove(m, w, count));
        return rc;
    default:
        return push(tx, k, m, how);
    }
}

/* Some changes in one transaction; every eighth is taken back. */
static void step(unsigned i)
{
    char buf[32];
    struct key_ref k = ref_of(buf, i);
    struct list_how how = {.fill = (int64_t[]){-2, -1, 128, 3}[i % 4], .depth = chance(3), .clock = 1};
    struct tx tx;
    bool back = !chance(8);
    saved = model[i];
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    for (unsigned n = 1 + chance(3); n; n--) {
        enum rc rc = model[i].n ? change_there(&tx, &k, &model[i], &how) : push(&tx, &k, &model[i], &how);
        CHECKF(!rc, "came back with %d", rc);
        if (!model[i].n)
            model[i].expiry_ms = -1;
        compare(&k, &model[i]);
    }
    if (back) {
        tx_abort(&tx);
        model[i] = saved;
    } else {
        tx_commit(&tx);
    }
    retire_reclaim(&ctx);
}

static void copy(unsigned from, unsigned to)
{
    struct list_how how = {.depth = 1, .clock = 1};
    char a[32], b[32];
    struct key_ref k[2] = {ref_of(a, from), ref_of(b, to)};
    uint32_t index[2];
    struct tx tx;
    k[1].arg = 1;
    tx_begin(&tx, &ctx);
    CHECK(!keys_latch(&tx, k, 2, index));
    struct key_ref *src = &k[index[0]], *dst = &k[index[1]];
    if (from != to && src->entry) {
        CHECK(!list_copy(&tx, key_entry(src), dst, &how));
        model[to] = model[from];
        compare(dst, &model[to]);
        CHECK(entry_enc(key_entry(src)) == entry_enc(key_entry(dst)));
    }
    tx_commit(&tx);
}

static void compare_all(void)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char buf[32];
        struct key_ref k = ref_of(buf, i);
        struct tx tx;
        tx_begin(&tx, &ctx);
        CHECK(!key_latch(&tx, &k));
        compare(&k, &model[i]);
        tx_abort(&tx);
    }
}

int main(void)
{
    arena_begin(1024);
    for (unsigned i = 0; i < KEYS; i++)
        model[i].expiry_ms = -1;
    for (unsigned i = 0; i < 6000; i++) {
        step(chance(KEYS));
        if (i % 100 == 0)
            copy(chance(KEYS), chance(KEYS));
        if (i % 64 == 0) {
            batch_leave(&ctx);
            while (trees_step(&ctx, 100))
                ;
            CHECK(batch_enter(&ctx));
        }
        if (i % 500 == 0)
            arena_sound();
    }
    unsigned longest = 0;
    for (unsigned i = 0; i < KEYS; i++)
        longest = model[i].n > longest ? model[i].n : longest;
    CHECKF(longest > 1500, "the longest list has %u items: they are all small", longest);
    compare_all();
    arena_end();
    return 0;
}
