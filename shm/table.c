#include "shm/table.h"
#include "shm/base/hash.h"
#include "shm/crashpoint.h"
#include "shm/keylock.h"

#include <stdlib.h>

uint64_t key_hash(const struct shm_root *root, struct bytes key)
{
    return siphash13(root->seed, key.p, key.n);
}

int64_t table_keys(const struct shm_table *t)
{
    int64_t n = 0;
    for (uint32_t i = 0; t && i < arena_root()->nslots; i++)
        n += __atomic_load_n(&t->count[i].keys, __ATOMIC_RELAXED);
    return n;
}

int64_t table_expires(const struct shm_table *t)
{
    int64_t n = 0;
    for (uint32_t i = 0; t && i < arena_root()->nslots; i++)
        n += __atomic_load_n(&t->count[i].expires, __ATOMIC_RELAXED);
    return n;
}

int64_t table_fields(const struct shm_table *t)
{
    int64_t n = 0;
    for (uint32_t i = 0; t && i < arena_root()->nslots; i++)
        n += __atomic_load_n(&t->count[i].fields, __ATOMIC_RELAXED);
    return n;
}

/* ---- finding ---- */

void key_locate(struct key_ref *k)
{
    uint64_t *at = &k->table->dir, w = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    for (unsigned shift = 64 - NODE_BITS; dir_kind(w) == DIR_NODE; shift -= NODE_BITS) {
        uint64_t *node = shm_at(dir_ref(w));
        at = &node[(k->hash >> shift) & (NODE_WORDS - 1)];
        w = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    }
    unsigned base = dir_base(w), valid = TAG_BITS - (dir_depth(w) - base);
    k->dir_at = at;
    k->dir = w;
    k->tag = k->hash << base >> (64 - TAG_BITS);
    uint64_t in_segment = k->tag & ((1ull << valid) - 1);
    k->bucket = (struct shm_bucket *)shm_at(dir_ref(w)) + (in_segment * dir_buckets(w) >> valid);
}

/* Is this the entry of that name? With a version to check, nothing that it says is believed before a
 * second look: the block may have been freed and filled with something else. */
static inline bool names_key(const struct shm_entry *e, struct bytes key)
{
    if (LIKELY(key.n < KEY_SHORT && e->meta >> 24 == key.n))
        return bytes_same((const char *)e + entry_head_bytes(e), key.p, key.n);
    return e->meta >> 24 == KEY_SHORT && bytes_equal(entry_key(e), key);
}

/* The key's word among the slots of cells. */
static uint64_t *find_in_cells(const struct key_ref *k, uint64_t link)
{
    while (link & SLOT_LINK) {
        uint64_t *slot = ((struct shm_cell *)shm_at(SLOT_REF(link)))->slot;
        for (unsigned i = 0; i < CELL_SLOTS; i++)
            if (slot[i] >> 38 == k->tag << 1 && slot[i] && names_key(shm_at(SLOT_REF(slot[i])), k->key))
                return &slot[i];
        link = slot[CELL_SLOTS - 1];
    }
    return NULL;
}

void key_find(struct key_ref *k)
{
    uint64_t *slot = k->bucket->slot;
    for (unsigned m = bucket_match(k->bucket, k->tag); m; m &= m - 1) {
        uint64_t w = slot[__builtin_ctz(m)];
        if (LIKELY(w) && LIKELY(names_key(shm_at(SLOT_REF(w)), k->key))) {
            k->slot = &slot[__builtin_ctz(m)];
            k->entry = SLOT_REF(w);
            return;
        }
    }
    k->slot = find_in_cells(k, slot[BUCKET_SLOTS - 1]);
    k->entry = k->slot ? SLOT_REF(*k->slot) : 0;
}

static inline bool still(const struct key_ref *k, uint32_t version)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&k->bucket->latch.word, __ATOMIC_RELAXED) == version;
}

#if defined(__SANITIZE_THREAD__)
READS_RACILY static bool names_same(const char *a, const char *b, size_t n)
{
    while (n && *a == *b)
        n--, a++, b++;
    return n == 0;
}
#else
#define names_same bytes_same
#endif

/* Does the entry of this word have the key's name? A word from a freed cell, and an entry that was freed, may
 * hold anything: a word is followed, and a length believed, only while the version holds (else RC_BUSY). */
READS_RACILY static enum rc read_name(const struct key_ref *k, uint64_t w, uint32_t v)
{
    if (!still(k, v))
        return RC_BUSY;
    const struct shm_entry *e = shm_at(SLOT_REF(w));
    struct shm_entry head;
    __atomic_load((const uint64_t *)e, (uint64_t *)&head, __ATOMIC_RELAXED);
    if (head.meta >> 24 != (k->key.n < KEY_SHORT ? k->key.n : KEY_SHORT))
        return RC_MISSING;
    const char *name = (const char *)e + entry_head_bytes(&head);
    if (UNLIKELY(k->key.n >= KEY_SHORT)) {
        uint32_t n;
        memcpy(&n, name, sizeof(n));
        if (n != k->key.n)
            return RC_MISSING;
        if (!still(k, v)) /* that many bytes may not even lie in the arena */
            return RC_BUSY;
        name += sizeof(n);
    }
    return names_same(name, k->key.p, k->key.n) ? RC_OK : RC_MISSING;
}

READS_RACILY static enum rc read_cells(struct key_ref *k, uint64_t link, uint32_t v)
{
    while (link & SLOT_LINK) {
        if (!still(k, v))
            return RC_BUSY;
        const uint64_t *slot = ((const struct shm_cell *)shm_at(SLOT_REF(link)))->slot;
        for (unsigned i = 0; i < CELL_SLOTS; i++) {
            link = __atomic_load_n(&slot[i], __ATOMIC_RELAXED);
            if (link >> 38 != k->tag << 1 || !link)
                continue;
            enum rc rc = read_name(k, link, v);
            if (rc == RC_OK)
                k->entry = SLOT_REF(link);
            if (rc != RC_MISSING)
                return rc;
        }
    }
    return still(k, v) ? RC_OK : RC_BUSY;
}

enum rc key_read_begin(struct key_ref *k, uint32_t *version)
{
    uint32_t v = latch_load(&k->bucket->latch);
    if (UNLIKELY(!key_current(k)))
        return RC_MISSING;
    if (UNLIKELY(latch_owner(v)))
        return RC_BUSY;
    const uint64_t *slot = k->bucket->slot;
    if (keylocks_any(arena_root()) && keylock_holder(arena_root(), k->db, k->hash, false, SLOT_NOBODY))
        return RC_BUSY;
    *version = v;
    k->entry = 0;
    for (unsigned m = bucket_match(k->bucket, k->tag); m; m &= m - 1) {
        uint64_t w = __atomic_load_n(&slot[__builtin_ctz(m)], __ATOMIC_RELAXED);
        enum rc rc = w ? read_name(k, w, v) : RC_MISSING;
        if (LIKELY(rc == RC_OK))
            k->entry = SLOT_REF(w);
        if (LIKELY(rc != RC_MISSING))
            return rc;
    }
    return read_cells(k, __atomic_load_n(&slot[BUCKET_SLOTS - 1], __ATOMIC_RELAXED), v);
}

READS_RACILY enum rc key_read_view(const struct key_ref *k, uint32_t v, struct read_view *out)
{
    const struct shm_entry *e = shm_at(k->entry);
    struct shm_entry head;
    __atomic_load((const uint64_t *)e, (uint64_t *)&head, __ATOMIC_RELAXED);
    const uint64_t *word = (const uint64_t *)(e + 1);
    out->type_enc = head.type_enc;
    out->expiry_ms = -1;
    if (head.flags & ENTRY_EXPIRES)
        out->expiry_ms = (int64_t)__atomic_load_n(word++, __ATOMIC_RELAXED);
    if (head.flags & ENTRY_BIG) {
        shm_ref r = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (!still(k, v)) /* the place may be no place */
            return RC_BUSY;
        const struct shm_big *b = shm_at(r);
        out->value = (struct bytes){(const char *)(b + 1), __atomic_load_n(&b->len, __ATOMIC_RELAXED)};
    } else if ((head.type_enc & 15) == ENC_INT) {
        out->number = (int64_t)__atomic_load_n(word, __ATOMIC_RELAXED);
        out->value = (struct bytes){NULL, 0};
    } else {
        const char *p = (const char *)word;
        size_t n = head.meta >> 24;
        if (UNLIKELY(n == KEY_SHORT)) {
            uint32_t longer;
            memcpy(&longer, p, 4);
            n = longer;
            p += 4;
        }
        out->value = (struct bytes){p + n, head.inline_len};
    }
    return still(k, v) ? RC_OK : RC_BUSY; /* until here the lengths are to be believed */
}

/* ---- latching ---- */

bool key_locked(struct tx *tx, const struct key_ref *k)
{
    if (LIKELY(!keylocks_any(tx->ctx->root)))
        return false;
    uint32_t holder = keylock_holder(tx->ctx->root, k->db, k->hash, !tx->reads, tx->ctx->id);
    tx->ctx->held_by = holder ? holder : tx->ctx->held_by;
    return holder;
}

static void key_begin(struct key_ref *k)
{
    k->locked = k->replaced = k->logged = k->changed = false;
    key_find(k);
}

enum rc key_latch(struct tx *tx, struct key_ref *k)
{
    for (;;) {
        enum rc rc = tx_latch(tx, &k->bucket->latch);
        if (UNLIKELY(rc)) {
            if (rc == RC_BUSY && !key_current(k)) {
                key_locate(k);
                continue;
            }
            return rc;
        }
        if (LIKELY(key_current(k)))
            break;
        tx_unlatch_last(tx);
        key_locate(k);
    }
    if (keylocks_any(tx->ctx->root) && key_locked(tx, k)) {
        tx_unlatch_last(tx);
        return RC_BUSY;
    }
    k->redo_from = UINT32_MAX;
    key_begin(k);
    return RC_OK;
}

enum rc key_latch_late(struct tx *tx, struct key_ref *k, bool *shared)
{
    key_locate(k);
    *shared = latch_mine(&k->bucket->latch, tx->ctx->id);
    if (!*shared)
        return key_latch(tx, k);
    if (key_locked(tx, k))
        return RC_BUSY;
    key_find(k);
    return RC_OK;
}

static int by_position(const void *a, const void *b)
{
    const struct key_ref *x = a, *y = b;
    if (x->db != y->db)
        return x->db < y->db ? -1 : 1;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->key.n != y->key.n)
        return x->key.n < y->key.n ? -1 : 1;
    int c = memcmp(x->key.p, y->key.p, x->key.n);
    return c ? c : (x->arg < y->arg ? -1 : x->arg > y->arg);
}

enum rc keys_latch(struct tx *tx, struct key_ref *k, unsigned n, uint32_t *index)
{
    enum rc rc = tx_reserve(tx, n + 16);
    if (rc)
        return rc;
    qsort(k, n, sizeof(*k), by_position);
    for (unsigned i = 0; i < n; i++) {
        struct key_ref *prev = i ? &k[index[k[i - 1].arg]] : NULL;
        if (prev && prev->db == k[i].db && prev->hash == k[i].hash && bytes_equal(prev->key, k[i].key)) {
            index[k[i].arg] = (uint32_t)(prev - k);
            continue;
        }
        index[k[i].arg] = i;
        key_locate(&k[i]);
        /* The neighbour's bucket is latched: its segment stands, and so does what was found here. */
        if (prev && prev->db == k[i].db && prev->bucket == k[i].bucket) {
            if (UNLIKELY(key_locked(tx, &k[i])))
                return RC_BUSY;
            prev->redo_from = k[i].redo_from = 0;
            key_begin(&k[i]);
            continue;
        }
        rc = key_latch(tx, &k[i]);
        if (rc)
            return rc;
    }
    STEP(tx->ctx, TX_RESERVED);
    return RC_OK;
}
