#include "shm/types/coll.h"
#include "shm/snapshot.h"
#include "shm/types/order.h"
#include "shm/types/seq.h"

/* Member by member, in place: a copy of what was just written in parts would wait for each of them. */
static inline void tree_at(struct tree *t, struct tx *tx, uint64_t *root)
{
    t->tx = tx;
    t->root = root;
    t->birth = (uint32_t)persist(tx->ctx->root)->snap.serial;
    t->shared = snapshot_goes_on(tx->ctx->root);
    t->depth = 0;
    t->side = NULL;
}

struct tree coll_tree_at(struct tx *tx, uint64_t *root)
{
    struct tree t;
    tree_at(&t, tx, root);
    return t;
}

enum rc coll_tree(struct tx *tx, struct key_ref *k, struct tree *out)
{
    enum rc rc = key_own(tx, k);
    if (rc)
        return rc;
    tree_at(out, tx, entry_word_at(key_entry(k)));
    k->logged = true;
    return RC_OK;
}

enum rc coll_zset(struct tx *tx, struct key_ref *k, struct shm_zset **out)
{
    enum rc rc = key_own(tx, k);
    uint64_t *word = rc ? NULL : entry_word_at(key_entry(k));
    if (rc)
        return rc;
    k->logged = true;
    *out = shm_at(*word);
    if (LIKELY(!snapshot_goes_on(tx->ctx->root)))
        return RC_OK;
    /* The block does not tell whether it is older than the snapshot: each change copies it. */
    shm_ref old = *word, fresh;
    rc = tx_alloc(tx, sizeof(**out), &fresh);
    if (!rc)
        rc = tx_log(tx, word, sizeof(*word));
    if (rc)
        return rc;
    *(struct shm_zset *)shm_at(fresh) = **out;
    *word = fresh;
    *out = shm_at(fresh);
    return snapshot_hand_block(tx, old);
}

/* ---- putting ---- */

static enum rc put(struct tx *tx, struct key_ref *k, struct entry_spec *s, struct bytes items, bool keep)
{
    shm_ref r;
    char *value;
    s->key = k->key;
    s->expiry_ms = k->entry ? entry_expiry(key_entry(k)) : -1;
    enum rc rc = entry_new(tx, s, &r, &value);
    if (rc)
        return rc;
    bytes_copy(value, items.p, items.n);
    return key_put(tx, k, r, keep);
}

enum rc coll_put_packed(struct tx *tx, struct key_ref *k, const struct coll_shape *s, struct bytes items)
{
    struct entry_spec e = {
        .type = s->type, .enc = s->enc, .inline_len = items.n, .clock = s->clock, .fields = s->fields};
    return put(tx, k, &e, items, false);
}

enum rc coll_put_tree(struct tx *tx, struct key_ref *k, const struct coll_shape *s, uint64_t word, bool keep)
{
    struct entry_spec e = {
        .type = s->type, .enc = s->enc, .tree = true, .word = word, .clock = s->clock, .fields = s->fields};
    return put(tx, k, &e, (struct bytes){"", 0}, keep);
}

/* ---- freeing ---- */

static enum rc free_tree(struct tx *tx, shm_ref root)
{
    const struct shm_node *n = root ? shm_at(root) : NULL;
    if (!n)
        return RC_OK;
    if (n->level || snapshot_goes_on(tx->ctx->root))
        return tree_bury(tx, root);
    return tree_free_leaf(tx, root);
}

enum rc coll_free(struct tx *tx, const struct shm_entry *e)
{
    uint64_t word = *entry_word_at((struct shm_entry *)(uintptr_t)e);
    enum rc rc;
    if (entry_enc(e) != ENC_SKIPLIST) {
        rc = free_tree(tx, word);
        return rc ? rc : free_tree(tx, entry_fields(e).order);
    }
    const struct shm_zset *z = shm_at(word);
    rc = free_tree(tx, z->order);
    if (!rc)
        rc = free_tree(tx, z->map);
    if (rc)
        return rc;
    return snapshot_goes_on(tx->ctx->root) ? snapshot_hand_block(tx, word) : tx_free(tx, word, sizeof(*z));
}

void coll_blocks(const struct shm_entry *e, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg)
{
    uint64_t word = *entry_word_at((struct shm_entry *)(uintptr_t)e);
    if (entry_enc(e) != ENC_SKIPLIST) {
        tree_blocks(word, fn, arg);
        tree_blocks(entry_fields(e).order, fn, arg);
        return;
    }
    const struct shm_zset *z = shm_at(word);
    fn(arg, word, sizeof(*z));
    tree_blocks(z->order, fn, arg);
    tree_blocks(z->map, fn, arg);
}

static void add_bytes(void *arg, shm_ref r, uint64_t bytes)
{
    (void)r;
    *(uint64_t *)arg += block_bytes(bytes);
}

/* Leaves at even distances; an inner node's word for each leaf is some 2% of it, and is not counted. */
static uint64_t tree_memory(uint64_t root, uint64_t samples)
{
    uint64_t count = tree_count(root), bytes = 0, items = 0;
    struct tree t = {.root = &root};
    if (!samples || samples >= count) {
        tree_blocks(root, add_bytes, &bytes);
        return bytes;
    }
    for (uint64_t i = 0; i < samples; i++) {
        struct tree_path p;
        uint64_t within;
        tree_find_at(&t, i * (count / samples), &p, &within);
        tree_blocks(shm_ref_of(p.leaf), add_bytes, &bytes);
        items += p.leaf->n;
    }
    return (uint64_t)((double)bytes / (double)items * (double)count);
}

uint64_t coll_memory(const struct shm_entry *e, uint64_t samples)
{
    uint64_t word = *entry_word_at((struct shm_entry *)(uintptr_t)e);
    if (entry_enc(e) != ENC_SKIPLIST)
        return tree_memory(word, samples) + tree_memory(entry_fields(e).order, samples);
    const struct shm_zset *z = shm_at(word);
    return block_bytes(sizeof(*z)) + tree_memory(z->order, samples) + tree_memory(z->map, samples);
}

/* ---- walking ---- */

static void at_leaf(struct coll_walk *w)
{
    const struct shm_node *leaf = w->path.leaf;
    w->at = w->end = NULL;
    if (!leaf)
        return;
    struct seq_items items = seq_leaf_view(leaf, &w->side);
    w->at = items.p;
    w->end = items.end;
    w->width = leaf->form == FORM_ORDER ? 0 : items.width;
}

void coll_walk(struct shm_ctx *ctx, const struct shm_entry *e, struct coll_walk *w)
{
    (void)ctx;
    w->tree = coll_is_tree(e);
    w->width = 0;
    w->score = NULL;
    if (w->tree) {
        struct tree t = coll_tree_read(e);
        if (entry_enc(e) == ENC_SKIPLIST)
            t.root = &((struct shm_zset *)shm_at(*t.root))->order;
        tree_first(&t, &w->path);
        at_leaf(w);
        return;
    }
    struct bytes b = coll_packed(e);
    w->at = b.p;
    w->end = b.p + b.n;
}

bool coll_next(struct coll_walk *w, struct bytes *item)
{
    const char *from;
    if (w->score) {
        *item = (struct bytes){w->score, sizeof(double)};
        w->score = NULL;
        return true;
    }
    while (w->at == w->end) {
        if (!w->tree || !w->at || !tree_next(&w->path))
            return false;
        at_leaf(w);
    }
    from = w->at;
    if (w->tree && w->path.leaf->form == FORM_ORDER) { /* the score stands before its member */
        w->score = from;
        *item = item_get(from + sizeof(double), &w->at);
        return true;
    }
    if (w->width) {
        *item = (struct bytes){from, w->width};
        w->at += w->width;
        return true;
    }
    *item = item_get(from, &w->at);
    if (w->tree) /* behind each item of a leaf stands its length once more */
        w->at += seq_back_bytes((size_t)(w->at - from));
    return true;
}

uint64_t coll_items(const struct shm_entry *e)
{
    struct coll_walk w;
    struct bytes item;
    uint64_t n = 0;
    if (coll_is_tree(e)) {
        uint64_t word = *entry_word_at((struct shm_entry *)(uintptr_t)e);
        uint64_t root = entry_enc(e) == ENC_SKIPLIST ? ((struct shm_zset *)shm_at(word))->order : word;
        return tree_count(root) * (entry_type(e) == TYPE_ZSET ? 2 : 1);
    }
    for (coll_walk(NULL, e, &w); coll_next(&w, &item);)
        n++;
    return n;
}
