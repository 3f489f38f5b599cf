/* What a transaction does to a key's place in its bucket. With latches the words of slots are noted as redo at once. A key
 * that is locked instead (keylock.h) keeps its place as it is, since others change the bucket meanwhile: what the
 * transaction has made stands in the key_ref alone until keys_publish latches the buckets, just before the commit. */
#include "shm/keylock.h"
#include "shm/crashpoint.h"
#include "shm/snapshot.h"
#include "shm/types/tree.h"
#include "shm/base/clock.h"
#include "shm/walk.h"

#include <stdlib.h>
#include <time.h>

static uint64_t slot_word(const struct key_ref *k, shm_ref entry)
{
    return k->tag << 39 | entry >> 3;
}

/* A word of the key's bucket as the transaction sees it: in memory, while nothing of the bucket is in the log. */
static inline uint64_t word_now(struct tx *tx, const struct key_ref *k, const uint64_t *at)
{
    return LIKELY(tx->lane->nredo == k->redo_from) ? *at : tx_word(tx, at, k->redo_from);
}

/* Where the transaction sees the key's present entry. Another key's insert may have moved it to a cell. */
static uint64_t *slot_of(struct tx *tx, const struct key_ref *k)
{
    uint64_t want = slot_word(k, k->entry), *slot = k->bucket->slot;
    if (k->slot && word_now(tx, k, k->slot) == want)
        return k->slot;
    for (unsigned n = BUCKET_SLOTS;; n = CELL_SLOTS) {
        for (unsigned i = 0; i < n; i++)
            if (word_now(tx, k, &slot[i]) == want)
                return &slot[i];
        uint64_t last = word_now(tx, k, &slot[n - 1]);
        CHECK(last & SLOT_LINK);
        slot = ((struct shm_cell *)shm_at(SLOT_REF(last)))->slot;
    }
}

/* Hangs a fresh cell between the bucket and the rest of its chain. The word that stood in the bucket's last
 * place moves into the cell: an entry to its front, a link to its end. */
static enum rc cell_add(struct tx *tx, struct key_ref *k, uint64_t *last, uint64_t word)
{
    shm_ref r;
    enum rc rc = tx_alloc(tx, sizeof(struct shm_cell), &r);
    if (rc)
        return rc;
    struct shm_cell *c = shm_at(r);
    uint64_t was = word_now(tx, k, last);
    c->slot[0] = word;
    c->slot[1] = was & SLOT_LINK ? 0 : was;
    c->slot[2] = 0;
    c->slot[CELL_SLOTS - 1] = was & SLOT_LINK ? was : 0;
    k->slot = &c->slot[0];
    k->overflowed = true;
    return tx_set_word(tx, last, SLOT_LINK | r >> 3, k->redo_from);
}

static uint64_t *free_place(struct tx *tx, const struct key_ref *k, uint64_t *slot, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!word_now(tx, k, &slot[i]))
            return &slot[i];
    return NULL;
}

/* Only the first cell is looked at beside the bucket, so that thousands of keys put into few buckets by one
 * transaction do not each walk the chain. What is free farther back comes to use when the segment grows,
 * which a chain makes it want. */
static enum rc slot_insert(struct tx *tx, struct key_ref *k, uint64_t word)
{
    uint64_t *last = &k->bucket->slot[BUCKET_SLOTS - 1];
    uint64_t *at = free_place(tx, k, k->bucket->slot, BUCKET_SLOTS);
    if (UNLIKELY(!at)) {
        uint64_t w = word_now(tx, k, last);
        k->overflowed = true;
        if (w & SLOT_LINK)
            at = free_place(tx, k, ((struct shm_cell *)shm_at(SLOT_REF(w)))->slot, CELL_SLOTS);
        if (!at)
            return cell_add(tx, k, last, word);
    }
    k->slot = at;
    return tx_set_word(tx, at, word, k->redo_from);
}

static enum rc count_change(struct tx *tx, struct key_ref *k, shm_ref before, shm_ref after)
{
    unsigned a = after ? ((struct shm_entry *)shm_at(after))->flags : 0;
    unsigned b = before ? ((struct shm_entry *)shm_at(before))->flags : 0;
    int keys = !!after - !!before;
    if (LIKELY(!keys && !((a ^ b) & (ENTRY_EXPIRES | ENTRY_FIELDS))))
        return RC_OK;
    struct tx_count more = {k->table, keys, !!(a & ENTRY_EXPIRES) - !!(b & ENTRY_EXPIRES),
                            !!(a & ENTRY_FIELDS) - !!(b & ENTRY_FIELDS)};
    return tx_count_add(tx, &more);
}

static inline void redo_here(struct tx *tx, struct key_ref *k)
{
    if (k->redo_from == UINT32_MAX)
        k->redo_from = tx->lane->nredo;
}

/* The entry that k had is no longer the keyspace's: it is freed, or the snapshot's. */
static enum rc entry_leaves(struct tx *tx, struct key_ref *k, bool keep_value)
{
    if (LIKELY(!key_pending(k)))
        return entry_free(tx, k->entry, !keep_value);
    CHECK(!keep_value || !(key_entry(k)->flags & ENTRY_BIG)); /* key_renew has said so */
    return snapshot_hand(tx, k, keep_value);
}

enum rc key_own(struct tx *tx, struct key_ref *k)
{
    shm_ref r;
    if (LIKELY(!key_pending(k)))
        return RC_OK;
    bool shares = key_entry(k)->flags & ENTRY_TREE;
    enum rc rc = entry_clone(tx, k->entry, k->key, entry_expiry(key_entry(k)), &r);
    return rc ? rc : key_put(tx, k, r, shares);
}

enum rc key_renew(struct tx *tx, const struct key_ref *k, struct bytes name, int64_t expiry_ms, shm_ref *out,
                  bool *moved)
{
    *moved = !key_pending(k) || key_entry(k)->flags & ENTRY_TREE; /* a tree is shared with the snapshot */
    return *moved ? entry_copy(tx, k->entry, name, expiry_ms, out)
                  : entry_clone(tx, k->entry, name, expiry_ms, out);
}

static void mark_fresh(const struct key_ref *k, shm_ref entry)
{
    uint8_t *flags = &((struct shm_entry *)shm_at(entry))->flags; /* nobody can see it yet */
    *flags = table_ahead(k->table, k->hash) ? *flags | ENTRY_FRESH : *flags & (uint8_t)~ENTRY_FRESH;
}

/* A locked key: what the table shows stays there, what this transaction has put before goes at once. */
static enum rc replace_locked(struct tx *tx, struct key_ref *k, bool keep_value)
{
    enum rc rc = RC_OK;
    if (k->replaced && k->entry)
        rc = entry_free(tx, k->entry, !keep_value);
    else if (!k->replaced)
        k->base_keep = keep_value;
    k->replaced = true;
    return rc;
}

/* The word of k's place becomes this; 0: nothing stands there any more. */
static enum rc replace_latched(struct tx *tx, struct key_ref *k, uint64_t word, bool keep_value)
{
    redo_here(tx, k);
    if (!k->entry)
        return slot_insert(tx, k, word);
    uint64_t *at = slot_of(tx, k);
    k->slot = at;
    enum rc rc = tx_set_word(tx, at, word, k->redo_from);
    return rc ? rc : entry_leaves(tx, k, keep_value);
}

enum rc key_put(struct tx *tx, struct key_ref *k, shm_ref entry, bool keep_value)
{
    if (UNLIKELY(__atomic_load_n(&k->table->snap_from, __ATOMIC_RELAXED)))
        mark_fresh(k, entry);
    enum rc rc = UNLIKELY(k->locked) ? replace_locked(tx, k, keep_value)
                                     : replace_latched(tx, k, slot_word(k, entry), keep_value);
    if (!rc)
        rc = count_change(tx, k, k->entry, entry);
    if (UNLIKELY(rc))
        return rc;
    k->born |= !k->entry;
    k->entry = entry;
    k->logged = true;
    return RC_OK;
}

enum rc key_del(struct tx *tx, struct key_ref *k, bool keep_value)
{
    if (!k->entry)
        return RC_MISSING;
    enum rc rc =
        UNLIKELY(k->locked) ? replace_locked(tx, k, keep_value) : replace_latched(tx, k, 0, keep_value);
    if (!rc)
        rc = count_change(tx, k, k->entry, 0);
    if (UNLIKELY(rc))
        return rc;
    k->entry = 0;
    k->slot = NULL;
    k->logged = true;
    return RC_OK;
}

/* ---- keys that are locked ---- */

static void unlatch_from(struct tx *tx, uint32_t n)
{
    while (tx->lane->nlock > n)
        tx_unlatch_last(tx);
}

static enum rc lock_one(struct tx *tx, struct key_ref *k)
{
    enum rc rc = keylock_add(tx->ctx, k->db, k->hash, !tx->reads);
    k->locked = !rc;
    k->replaced = false;
    k->base = k->entry;
    return rc;
}

static bool any_rests(const struct shm_root *root, const struct key_ref *k, unsigned n)
{
    uint64_t resting[SHM_SLOTS_MAX];
    unsigned m = keylocks_resting(root, resting);
    for (unsigned i = 0; m && i < n; i++)
        for (unsigned j = 0; j < m; j++)
            if (keylock_word(k[i].db, k[i].hash, true) == resting[j])
                return true;
    return false;
}

enum rc keys_lock(struct tx *tx, struct key_ref *k, unsigned n)
{
    if (any_rests(tx->ctx->root, k, n))
        return RC_BUSY;
    enum rc rc = keylock_begin(tx->ctx, n);
    if (rc == RC_NOMEM)
        return RC_OK; /* it may be a DEL that makes room: the latches will do */
    for (unsigned i = 0; i < n && !rc; i++)
        rc = lock_one(tx, &k[i]);
    if (rc)
        return rc;
    tx->locks = true;
    unlatch_from(tx, 0);
    return RC_OK;
}

enum rc key_lock_late(struct tx *tx, struct key_ref *k)
{
    enum rc rc = lock_one(tx, k);
    if (!rc)
        tx_unlatch_last(tx);
    return rc;
}

static int by_hash(const void *a, const void *b)
{
    const struct key_ref *x = *(const struct key_ref *const *)a, *y = *(const struct key_ref *const *)b;
    if (x->db != y->db)
        return x->db < y->db ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* All of them, or none: RC_BUSY. */
static enum rc latch_all(struct tx *tx, struct key_ref **k, unsigned n, bool trees)
{
    for (unsigned i = 0; i < n; i++) {
        key_locate(k[i]);
        if (latch_mine(&k[i]->bucket->latch, tx->ctx->id))
            continue; /* a neighbour's: so the segment stands */
        enum rc rc = position_latch(tx, k[i]);
        if (rc)
            return rc;
    }
    return trees ? trees_latch(tx) : RC_OK;
}

/* Whoever holds a latch waits for none of ours: he is at work, preempted, or dead and soon repaired. */
static enum rc latch_patiently(struct tx *tx, struct key_ref **k, unsigned n, bool trees)
{
    uint32_t had = tx->lane->nlock;
    for (;;) {
        enum rc rc = latch_all(tx, k, n, trees);
        if (rc != RC_BUSY)
            return rc;
        unlatch_from(tx, had);
        tx->ctx->slot->heartbeat_ms = (uint64_t)mono_ms();
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

/* k's bucket is latched. What is noted for one key of a bucket concerns the others: they look through all of it. */
static enum rc publish_one(struct tx *tx, struct key_ref *k, uint32_t redo_from)
{
    shm_ref entry = k->entry;
    if (!entry && !k->base)
        return RC_OK; /* put, and deleted again */
    if (entry)
        mark_fresh(k, entry);
    k->slot = NULL;
    k->redo_from = redo_from;
    k->entry = k->base;
    enum rc rc = replace_latched(tx, k, entry ? slot_word(k, entry) : 0, k->base_keep);
    k->entry = entry;
    return rc;
}

enum rc keys_publish(struct tx *tx, struct key_ref *k, unsigned n)
{
    unsigned m = 0;
    bool trees = tx->buried;
    if (LIKELY(!tx->locks))
        return RC_OK;
    struct key_ref **some = malloc((n + 1) * sizeof(struct key_ref *));
    CHECK(some);
    for (unsigned i = 0; i < n; i++)
        if (k[i].replaced) {
            some[m++] = &k[i];
            trees |= k[i].base && ((struct shm_entry *)shm_at(k[i].base))->flags & ENTRY_TREE;
        }
    qsort(some, m, sizeof(*some), by_hash);
    STEP(tx->ctx, KEYS_PUBLISHING);
    enum rc rc = latch_patiently(tx, some, m, trees);
    uint32_t redo_from = tx->lane->nredo;
    for (unsigned i = 0; i < m && !rc; i++)
        rc = publish_one(tx, some[i], redo_from);
    free(some);
    return rc ? rc : trees_bury(tx);
}
