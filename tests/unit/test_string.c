/* String values against a model: sets, numbers, appends, overwrites, expiries and copies, some of them taken
 * back, with the arena checked throughout and empty in the end. */
#include "shm/base/number.h"
#include "shm/types/string.h"
#include "tests/lib/chance.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS    40
#define LONGEST (300u << 10)

static struct model {
    char *p; /* NULL: absent */
    size_t n;
    int64_t expiry_ms;
} model[KEYS];

static struct key_ref ref_of(char *buf, unsigned i)
{
    /* Key 0 has a long name, whose length stands in the entry and not in its head. */
    size_t n = i ? (size_t)sprintf(buf, "key:%u", i) : 300;
    if (!i)
        memset(buf, 'k', n);
    struct key_ref k = {.key = {buf, n}};
    CHECK(!db_table_make(&ctx, 0, &k.table));
    k.hash = key_hash(ctx.root, k.key);
    key_locate(&k);
    return k;
}

static void model_set(struct model *m, const void *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    CHECK(copy);
    memcpy(copy, p, n);
    free(m->p);
    m->p = copy;
    m->n = n;
}

static void model_write(struct model *m, size_t offset, const void *p, size_t n)
{
    size_t total = offset + n > m->n ? offset + n : m->n;
    char *all = calloc(1, total ? total : 1);
    CHECK(all);
    if (m->n)
        memcpy(all, m->p, m->n);
    memcpy(all + offset, p, n);
    free(m->p);
    m->p = all;
    m->n = total;
}

static void compare(const struct key_ref *k, const struct model *m)
{
    struct shm_entry *e = key_entry(k);
    char digits[STRING_DIGITS];
    CHECK(!e == !m->p);
    if (!e)
        return;
    struct bytes b = string_bytes(e, digits);
    CHECK(b.n == m->n && string_length(e) == m->n && memcmp(b.p, m->p, b.n) == 0);
    CHECK(entry_expiry(e) == m->expiry_ms);
    CHECK(bytes_equal(entry_key(e), k->key));
    CHECK(!(e->flags & ENTRY_BIG) == (m->n <= INLINE_MAX));
    int64_t v, w;
    bool number = number_to_int64((struct bytes){m->p, m->n}, &v);
    CHECK((string_integer(e, &w) == RC_OK) == number && (!number || v == w));
}

static size_t some_length(void)
{
    static const size_t limit[] = {1, 30, 60, 300, 5000, 40000, LONGEST};
    return chance(limit[chance(ARRAY_LEN(limit))] + 1);
}

static void fill(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)chance(256);
}

/* One random change, to the key and to the model alike. */
static void change(struct tx *tx, struct key_ref *k, struct model *m)
{
    static char data[LONGEST + 1];
    size_t n = some_length(), length;
    int64_t expiry = chance(2) ? (int64_t)chance(1000000) : -1;
    fill(data, n);
    switch (chance(9)) {
    case 0:
        CHECK(!string_set(tx, k, (struct bytes){data, n}, expiry, 1));
        model_set(m, data, n);
        m->expiry_ms = expiry;
        break;
    case 1: {
        char digits[NUMBER_INT_MAX];
        int64_t v = (int64_t)(chance(UINT64_MAX) >> chance(64));
        n = number_from_int64(digits, v);
        if (chance(2))
            CHECK(!string_set(tx, k, (struct bytes){digits, n}, m->p ? m->expiry_ms : -1, 1));
        else
            CHECK(!string_set_integer(tx, k, v, 1));
        m->expiry_ms = m->p ? m->expiry_ms : -1;
        model_set(m, digits, n);
        CHECK(entry_enc(key_entry(k)) == ENC_INT);
        break;
    }
    case 2:
    case 3:
    case 4:
        if (!m->p || m->n + n > 2 * LONGEST)
            break;
        CHECK(!string_append(tx, k, (struct bytes){data, n}, 1, &length));
        model_write(m, m->n, data, n);
        CHECK(length == m->n);
        break;
    case 5:
    case 6: {
        size_t offset = some_length();
        if (!n)
            break;
        m->expiry_ms = m->p ? m->expiry_ms : -1;
        CHECK(!string_set_range(tx, k, offset, (struct bytes){data, n}, 1, &length));
        model_write(m, offset, data, n);
        CHECK(length == m->n && entry_enc(key_entry(k)) == ENC_RAW);
        break;
    }
    case 7:
        if (!m->p)
            break;
        CHECK(!key_set_expiry(tx, k, expiry));
        m->expiry_ms = expiry;
        break;
    case 8:
        if (key_del(tx, k, false) == RC_OK) {
            free(m->p);
            m->p = NULL;
            m->n = 0;
        }
        break;
    }
    compare(k, m);
}

static void step(unsigned i)
{
    char buf[512];
    struct key_ref k = ref_of(buf, i);
    struct model *m = &model[i], was = *m;
    struct tx tx;
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k));
    compare(&k, m);
    was.p = NULL;
    if (m->p)
        model_set(&was, m->p, m->n);
    for (uint64_t n = 1 + chance(3); n; n--)
        change(&tx, &k, m);
    if (chance(4)) {
        tx_commit(&tx);
        free(was.p);
    } else {
        tx_abort(&tx);
        free(m->p);
        *m = was;
    }
    if (k.overflowed)
        table_adjust(&ctx, k.table, k.hash);
    retire_reclaim(&ctx);
}

static void copy(unsigned from, unsigned to)
{
    char a[512], b[512];
    struct key_ref k[2] = {ref_of(a, from), ref_of(b, to)};
    uint32_t index[2];
    struct tx tx;
    k[1].arg = 1;
    tx_begin(&tx, &ctx);
    CHECK(!keys_latch(&tx, k, 2, index));
    struct key_ref *src = &k[index[0]], *dst = &k[index[1]];
    if (from != to && src->entry) {
        CHECK(!string_copy(&tx, key_entry(src), dst, 1));
        model_set(&model[to], model[from].p, model[from].n);
        model[to].expiry_ms = model[from].expiry_ms;
        compare(dst, &model[to]);
        CHECK(entry_enc(key_entry(src)) == entry_enc(key_entry(dst)));
    }
    tx_commit(&tx);
}

static void compare_all(void)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char buf[512];
        struct key_ref k = ref_of(buf, i);
        struct tx tx;
        tx_begin(&tx, &ctx);
        CHECK(!key_latch(&tx, &k));
        compare(&k, &model[i]);
        tx_abort(&tx);
    }
}

/* A long value takes a block that the allocator has, whole, and grows without being copied each time. */
static void grow(void)
{
    char buf[512], piece[100] = {0};
    struct key_ref k = ref_of(buf, 1);
    unsigned moves = 0;
    uint64_t last = 0;
    for (unsigned i = 0; i < 30000; i++) {
        struct tx tx;
        size_t length;
        tx_begin(&tx, &ctx);
        key_locate(&k);
        CHECK(!key_latch(&tx, &k));
        if (!i)
            CHECK(!string_set(&tx, &k, (struct bytes){piece, 100}, -1, 1));
        else
            CHECK(!string_append(&tx, &k, (struct bytes){piece, 100}, 1, &length) && length == 100 * (i + 1));
        tx_commit(&tx);
        struct shm_entry *e = key_entry(&k);
        if (!(e->flags & ENTRY_BIG))
            continue;
        uint64_t bytes = sizeof(struct shm_big) + entry_big(e)->room;
        CHECK(block_bytes(bytes) == bytes);
        moves += last != *entry_word_at(e);
        last = *entry_word_at(e);
    }
    CHECKF(moves <= 12, "%u moves", moves); /* 8 KB doubled up to 2 MB, then steps of one */
    struct tx tx;
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k) && !key_del(&tx, &k, false));
    tx_commit(&tx);
}

int main(void)
{
    arena_begin(1024);
    grow();
    for (unsigned i = 0; i < 20000; i++) {
        step((unsigned)chance(KEYS));
        if (i % 10 == 0)
            copy((unsigned)chance(KEYS), (unsigned)chance(KEYS));
        if (i % 64 == 0) {
            batch_leave(&ctx);
            CHECK(batch_enter(&ctx));
        }
        if (i % 1000 == 0)
            arena_sound();
    }
    compare_all();
    arena_end();
    for (unsigned i = 0; i < KEYS; i++)
        free(model[i].p);
    return 0;
}
