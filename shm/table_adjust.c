/* Changing a segment's size. The new segment (or two) is built aside from the old one's words, since these
 * carry the hash bits that the new places follow from; then the directory words that led to the old one are
 * redone. All of the old segment's latches are held meanwhile, and are retired with it: whoever still comes
 * by an old directory word sees that, and looks again. */
#include "shm/base/hash.h"
#include "shm/table.h"

/* Entries a bucket, times 100: a segment grows above 6, to at most 5.5. It shrinks below 2.5. At 5 to 6 keys,
 * 64 bytes a bucket and a cell of 32 bytes for about every fifth cost 12 to 13 bytes a key. Large segments
 * have 32, 40, 48, 56 or 64 buckets: finer steps would save half a byte of that, but a segment in its old
 * class holds a run of blocks for as long as it lags behind the others, which cost several bytes a key. */
#define LOAD_GROW_X100   600u
#define LOAD_FRESH_X100  550u
#define LOAD_SHRINK_X100 250u
/* With fewer hash bits left the tags are made anew from the keys, which reads every entry of the segment. So it
 * is done early as well, once, while there are some 70,000 keys that lie in the caches: 25 bits from the eighth
 * on last until depth 20, which are 300 million keys. Tags from the first bit on would end at 1.5 million. */
#define TAG_VALID_MIN    13u
#define TAG_AFRESH_DEPTH 8u

struct plan {
    struct shm_ctx *ctx;
    struct tx tx;
    struct shm_table *table;
    struct key_ref k; /* where the segment was found */
    struct shm_bucket *old;
    unsigned n, depth, base;
    unsigned count[2]; /* entries that go left and right, should it split */
};

struct half { /* a segment being built */
    struct shm_bucket *bucket;
    unsigned n, depth, base;
    uint64_t word; /* for the directory */
};

static unsigned buckets_for(unsigned entries)
{
    unsigned n = (entries * 100 + LOAD_FRESH_X100 - 1) / LOAD_FRESH_X100;
    unsigned step = n > 32 ? 8 : 4;
    n = (n + step - 1) / step * step;
    return n < SEG_MIN ? SEG_MIN : n;
}

typedef enum rc word_fn(struct plan *p, uint64_t word, void *arg);
typedef enum rc cell_fn(struct plan *p, shm_ref cell, void *arg);

static enum rc each_word(struct plan *p, word_fn *fn, cell_fn *on_cell, void *arg)
{
    for (unsigned b = 0; b < p->n; b++) {
        uint64_t *slot = p->old[b].slot;
        for (unsigned n = BUCKET_SLOTS; slot; n = CELL_SLOTS) {
            uint64_t *next = NULL;
            for (unsigned i = 0; i < n; i++) {
                enum rc rc = RC_OK;
                if (slot[i] & SLOT_LINK) {
                    next = shm_at(SLOT_REF(slot[i]));
                    rc = on_cell ? on_cell(p, SLOT_REF(slot[i]), arg) : RC_OK;
                } else if (slot[i]) {
                    rc = fn(p, slot[i], arg);
                }
                if (rc)
                    return rc;
            }
            slot = next;
        }
    }
    return RC_OK;
}

static enum rc count_word(struct plan *p, uint64_t word, void *arg)
{
    (void)arg;
    unsigned valid = TAG_BITS - (p->depth - p->base);
    p->count[SLOT_TAG(word) >> (valid - 1) & 1]++;
    return RC_OK;
}

static enum rc free_cell(struct plan *p, shm_ref cell, void *arg)
{
    (void)arg;
    return tx_free(&p->tx, cell, sizeof(struct shm_cell));
}

static enum rc half_create(struct plan *p, struct half *h, unsigned entries)
{
    shm_ref r;
    unsigned char interest = 0;
    h->n = buckets_for(entries) > SEG_MAX ? SEG_MAX : buckets_for(entries);
    enum rc rc = tx_alloc(&p->tx, h->n * sizeof(struct shm_bucket), &r);
    if (rc)
        return rc;
    for (unsigned i = 0; i < p->n; i++)
        interest |= p->old[i].interest;
    h->bucket = shm_at(r);
    memset(h->bucket, 0, h->n * sizeof(struct shm_bucket));
    for (unsigned i = 0; i < h->n; i++)
        h->bucket[i].interest = interest; /* too much at worst: who looks for nothing clears it */
    h->word = dir_segment(r, h->n, h->depth, h->base);
    return RC_OK;
}

static bool put_word(uint64_t *slot, unsigned n, uint64_t word)
{
    for (unsigned i = 0; i < n; i++)
        if (!slot[i]) {
            slot[i] = word;
            return true;
        }
    return false;
}

static enum rc place(struct plan *p, struct half *h, uint64_t word)
{
    unsigned valid = TAG_BITS - (h->depth - h->base);
    uint64_t in_segment = SLOT_TAG(word) & ((1ull << valid) - 1);
    uint64_t *slot = h->bucket[in_segment * h->n >> valid].slot;
    uint64_t *last = &slot[BUCKET_SLOTS - 1];
    uint64_t *first = *last & SLOT_LINK ? ((struct shm_cell *)shm_at(SLOT_REF(*last)))->slot : NULL;
    if (put_word(slot, BUCKET_SLOTS, word) || (first && put_word(first, CELL_SLOTS, word)))
        return RC_OK;
    shm_ref r;
    enum rc rc = tx_alloc(&p->tx, sizeof(struct shm_cell), &r);
    if (rc)
        return rc;
    /* As in slot_insert: the fresh cell comes first in the chain. */
    struct shm_cell *c = shm_at(r);
    if (*last & SLOT_LINK)
        *c = (struct shm_cell){{word, 0, 0, *last}};
    else
        *c = (struct shm_cell){{word, *last, 0, 0}};
    *last = SLOT_LINK | r >> 3;
    return RC_OK;
}

/* Making new tags reads every key: their memory is asked for ahead, all at once. */
static enum rc prefetch_entry(struct plan *p, uint64_t word, void *arg)
{
    (void)p, (void)arg;
    __builtin_prefetch(shm_at(SLOT_REF(word)));
    return RC_OK;
}

/* Into the one or two new segments; with a new base the tag is cut from the key's hash again. */
static enum rc move_word(struct plan *p, uint64_t word, void *arg)
{
    struct half *halves = arg;
    unsigned valid = TAG_BITS - (p->depth - p->base);
    unsigned right = halves[1].bucket ? SLOT_TAG(word) >> (valid - 1) & 1 : 0;
    struct half *h = &halves[right];
    if (h->base != p->base) {
        uint64_t hash = key_hash(p->ctx->root, entry_key(shm_at(SLOT_REF(word))));
        word = hash << h->base >> (64 - TAG_BITS) << 39 | (word & ((1ull << 39) - 1));
    }
    return place(p, h, word);
}

/* The directory words that lead to the old segment: an aligned run in their node. */
static enum rc publish(struct plan *p, const struct half *halves)
{
    uint64_t *at = p->k.dir_at;
    bool split = halves[1].bucket;
    unsigned level = p->depth ? (p->depth - 1) / NODE_BITS : 0;
    unsigned run = at == &p->table->dir ? 1 : 1u << ((level + 1) * NODE_BITS - p->depth);
    if (split && run == 1) {
        shm_ref r;
        enum rc rc = tx_alloc(&p->tx, NODE_WORDS * 8, &r);
        if (rc)
            return rc;
        uint64_t *node = shm_at(r);
        for (unsigned i = 0; i < NODE_WORDS; i++)
            node[i] = halves[i >= NODE_WORDS / 2].word;
        return tx_redo(&p->tx, at, dir_node(r));
    }
    uint64_t *first = at;
    if (run > 1) {
        /* Nodes are 512 bytes and lie at multiples of 64, so the index comes from the hash. */
        unsigned idx = (unsigned)(p->k.hash >> (64 - (level + 1) * NODE_BITS)) & (NODE_WORDS - 1);
        first = at - (idx & (run - 1));
    }
    for (unsigned i = 0; i < run; i++) {
        enum rc rc = tx_redo(&p->tx, &first[i], halves[split && i >= run / 2].word);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc latch_all(struct plan *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        enum rc rc = tx_latch_try(&p->tx, &p->old[i].latch);
        if (rc)
            return rc;
    }
    return key_current(&p->k) ? RC_OK : RC_BUSY;
}

static enum rc rebuild(struct plan *p)
{
    struct half halves[2] = {0};
    unsigned entries = p->count[0] + p->count[1];
    bool split = buckets_for(entries) > SEG_MAX;
    unsigned depth = p->depth + split;
    bool afresh = depth == TAG_AFRESH_DEPTH || TAG_BITS - (depth - p->base) < TAG_VALID_MIN;
    unsigned base = afresh ? depth : p->base;
    enum rc rc = RC_OK;
    for (unsigned i = 0; i <= split && !rc; i++) {
        halves[i].depth = depth;
        halves[i].base = base;
        rc = half_create(p, &halves[i], split ? p->count[i] : entries);
    }
    if (!rc && base != p->base)
        rc = each_word(p, prefetch_entry, NULL, NULL);
    if (!rc)
        rc = each_word(p, move_word, free_cell, halves);
    if (!rc)
        rc = publish(p, halves);
    if (!rc)
        rc = tx_retire(&p->tx, shm_ref_of(p->old), p->n * sizeof(struct shm_bucket));
    /* The first words may be published long before the last one, or before a repair publishes them again:
     * nobody may resize the new segments until then, and who resizes needs all latches of a segment. */
    for (unsigned i = 0; i <= split && !rc; i++)
        rc = tx_latch_born(&p->tx, &halves[i].bucket[0].latch);
    for (unsigned i = 0; i < p->n && !rc; i++)
        tx_latch_retire(&p->tx, i);
    return rc;
}

static bool wants_another_size(unsigned entries, unsigned n)
{
    unsigned load_x100 = entries * 100 / n;
    return load_x100 > LOAD_GROW_X100 || (load_x100 < LOAD_SHRINK_X100 && n > SEG_MIN);
}

/* The load of n buckets, looked at without latches: an overflow cell is taken for one entry more. */
static unsigned load_roughly(const struct shm_bucket *b, unsigned n)
{
    unsigned entries = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t w = 0;
        for (unsigned j = 0; j < BUCKET_SLOTS; j++) {
            w = __atomic_load_n(&b[i].slot[j], __ATOMIC_RELAXED);
            entries += w != 0;
        }
        if (w & SLOT_LINK) {
            entries++;
            __builtin_prefetch(shm_at(SLOT_REF(w))); /* the resize that may follow reads it */
        }
    }
    return entries * 100 / n;
}

static bool nearly_due(unsigned load_x100, unsigned margin)
{
    return load_x100 + margin > LOAD_GROW_X100 || load_x100 < LOAD_SHRINK_X100 + margin;
}

/* Most calls change nothing. Of a large segment a quarter is looked at first: its load is within 0.6 of the
 * whole's two times out of three (sqrt(96) of 96 entries), and another insert asks again soon. */
static bool worth_it(const struct shm_bucket *b, unsigned n)
{
    return (n < 32 || nearly_due(load_roughly(b, n / 4), 30)) && nearly_due(load_roughly(b, n), 10);
}

bool table_adjust(struct shm_ctx *ctx, struct shm_table *t, uint64_t hash)
{
    struct key_ref k = {.table = t, .hash = hash};
    key_locate(&k);
    unsigned n = dir_buckets(k.dir);
    return (n == SEG_MIN || worth_it(shm_at(dir_ref(k.dir)), n)) && table_adjust_exact(ctx, t, hash);
}

bool table_adjust_exact(struct shm_ctx *ctx, struct shm_table *t, uint64_t hash)
{
    struct plan p = {.ctx = ctx, .table = t, .k = {.table = t, .hash = hash}};
    key_locate(&p.k);
    p.n = dir_buckets(p.k.dir);
    p.depth = dir_depth(p.k.dir);
    p.base = dir_base(p.k.dir);
    p.old = shm_at(dir_ref(p.k.dir));
    tx_begin(&p.tx, ctx);
    enum rc rc = latch_all(&p);
    if (!rc) {
        each_word(&p, count_word, NULL, NULL);
        rc = wants_another_size(p.count[0] + p.count[1], p.n) ? rebuild(&p) : RC_MISSING;
    }
    if (rc) {
        tx_abort(&p.tx);
        return false;
    }
    tx_commit(&p.tx);
    ctx->slot->stats.splits++;
    return true;
}
