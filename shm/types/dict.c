#include "shm/types/dict.h"
#include "shm/types/string.h"

#include <stdlib.h>

static const struct bytes nothing = {NULL, 0};

/* ---- opening ---- */

static enum dict_form form_of(unsigned enc)
{
    return enc == ENC_LISTPACK ? DICT_SEQ : DICT_HMAP;
}

void dict_read(struct dict *d, struct tx *tx, const struct shm_entry *e)
{
    d->tx = tx;
    d->k = NULL;
    d->shape = (struct coll_shape){.type = entry_type(e), .enc = entry_enc(e), .clock = e->meta & 0xffffff};
    d->pairs = entry_type(e) == TYPE_HASH;
    d->own = d->changed = false;
    if (!coll_is_tree(e)) {
        d->form = DICT_PACKED;
        d->items = coll_packed(e);
        return;
    }
    d->form = form_of(d->shape.enc);
    d->map = (struct hmap){.tree = coll_tree_read(tx->ctx, e), .pairs = d->pairs};
    d->map.tree.tx = tx;
}

void dict_open(struct dict *d, struct tx *tx, struct key_ref *k, const struct coll_shape *fresh)
{
    if (k->entry) {
        dict_read(d, tx, key_entry(k));
        d->shape.clock = fresh->clock;
    } else {
        d->tx = tx;
        d->shape = *fresh;
        d->form = DICT_PACKED;
        d->pairs = fresh->type == TYPE_HASH;
        d->own = d->changed = false;
        d->items = (struct bytes){d->buf, 0};
    }
    d->k = k;
}

/* The tree's word may move with the entry. */
static enum rc own(struct dict *d)
{
    if (LIKELY(d->own))
        return RC_OK;
    enum rc rc = coll_tree(d->tx, d->k, &d->map.tree);
    d->own = !rc;
    return rc;
}

enum rc dict_end(struct dict *d)
{
    bool empty = d->form == DICT_PACKED ? !d->items.n : !*d->map.tree.root;
    if (empty)
        return d->k->entry ? key_del(d->tx, d->k, false) : RC_OK;
    return d->changed ? coll_put_packed(d->tx, d->k, &d->shape, d->items) : RC_OK;
}

/* ---- items of a packed one ---- */

static struct hmap_item packed_item(const struct dict *d, const char *p, const char **next)
{
    struct hmap_item it = {.key = item_get(p, &p), .value = nothing};
    if (d->pairs)
        it.value = item_get(p, &p);
    *next = p;
    return it;
}

static uint64_t packed_count(const struct dict *d)
{
    uint64_t n = 0;
    for (const char *p = d->items.p, *end = p + d->items.n; p != end; n++)
        packed_item(d, p, &p);
    return n;
}

uint64_t dict_count(const struct dict *d)
{
    if (d->form == DICT_PACKED)
        return packed_count(d);
    uint64_t n = tree_count(*d->map.tree.root);
    return d->form == DICT_SEQ && d->pairs ? n / 2 : n;
}

/* Integers have one spelling each, so that digits can be compared. */
static int int_compare(struct bytes a, struct bytes b)
{
    bool minus = a.p[0] == '-';
    if (minus != (b.p[0] == '-'))
        return minus ? -1 : 1;
    int order = a.n != b.n ? (a.n < b.n ? -1 : 1) : memcmp(a.p, b.p, a.n);
    return minus ? -order : order;
}

static bool find_packed(const struct dict *d, struct bytes key, struct dict_place *at)
{
    bool sorted = d->shape.enc == ENC_INTSET && key.n;
    const char *p = d->items.p, *end = p + d->items.n, *next;
    for (; p != end; p = next) {
        struct hmap_item it = packed_item(d, p, &next);
        bool same = bytes_equal(it.key, key);
        if (same || (sorted && int_compare(it.key, key) > 0)) {
            at->value = it.value;
            at->from = (size_t)(p - d->items.p);
            at->to = same ? (size_t)(next - d->items.p) : at->from;
            return same;
        }
    }
    at->from = at->to = d->items.n;
    return false;
}

/* Replaces bytes [from, to) by n others, which the caller writes to what is returned. */
static char *packed_splice(struct dict *d, size_t from, size_t to, size_t n)
{
    size_t behind = d->items.n - to;
    if (d->items.p != d->buf)
        bytes_copy(d->buf, d->items.p, from);
    memmove(d->buf + from + n, d->items.p + to, behind);
    d->items = (struct bytes){d->buf, from + n + behind};
    d->changed = true;
    return d->buf + from;
}

/* ---- finding ---- */

static bool pair_next(const struct dict *d, struct seq_place *p)
{
    return seq_next(p) && (!d->pairs || seq_next(p));
}

static struct hmap_item seq_pair(const struct dict *d, const struct seq_place *p)
{
    struct hmap_item it = {.key = seq_item(p), .value = nothing};
    if (d->pairs) {
        struct seq_place value = *p;
        CHECK(seq_next(&value));
        it.value = seq_item(&value);
    }
    return it;
}

static bool find_seq(const struct dict *d, struct bytes key, struct dict_place *at)
{
    bool more = seq_first(&d->map.tree, &at->seq);
    while (more && !bytes_equal(seq_item(&at->seq), key))
        more = pair_next(d, &at->seq);
    if (more)
        at->value = seq_pair(d, &at->seq).value;
    return more;
}

bool dict_find(const struct dict *d, struct bytes key, struct dict_place *at)
{
    switch (d->form) {
    case DICT_PACKED:
        return at->found = find_packed(d, key, at);
    case DICT_SEQ:
        return at->found = find_seq(d, key, at);
    default:
        return at->found = hmap_find(&d->map, key, &at->map, &at->value);
    }
}

/* ---- changing ---- */

static enum rc seq_add(struct dict *d, struct bytes key, struct bytes value)
{
    enum rc rc = seq_push(&d->map.tree, key, false);
    return rc || !d->pairs ? rc : seq_push(&d->map.tree, value, false);
}

/* A new, empty tree stands under the key; what was there can be read until the transaction ends. */
static enum rc tree_begin(struct dict *d, unsigned enc)
{
    d->shape.enc = enc;
    enum rc rc = coll_put_tree(d->tx, d->k, &d->shape, 0, false);
    d->form = form_of(enc);
    d->map.pairs = d->pairs;
    d->own = d->changed = false;
    return rc ? rc : own(d);
}

static enum rc tree_add(struct dict *d, const struct hmap_item *it)
{
    struct hmap_place at;
    if (d->form == DICT_SEQ)
        return seq_add(d, it->key, it->value);
    hmap_find(&d->map, it->key, &at, NULL);
    return hmap_put(&d->map, &at, it->key, it->value);
}

/* All items of from, which is not d, go into a tree under d's key. */
static enum rc tree_build(struct dict *d, const struct dict *from, unsigned enc)
{
    struct dict_walk w;
    struct hmap_item it;
    dict_walk(from, &w);
    enum rc rc = tree_begin(d, enc);
    while (!rc && dict_next(&w, &it))
        rc = tree_add(d, &it);
    dict_walk_end(&w);
    return rc;
}

enum rc dict_convert(struct dict *d, unsigned enc)
{
    if (d->form == DICT_PACKED && enc != ENC_HASHTABLE && enc != d->shape.enc) {
        d->shape.enc = enc;
        d->changed = true;
        return RC_OK;
    }
    if (d->form == DICT_HMAP && enc == ENC_HASHTABLE) {
        d->shape.enc = enc;
        enum rc rc = coll_put_tree(d->tx, d->k, &d->shape, *d->map.tree.root, true);
        d->own = false;
        return rc ? rc : own(d);
    }
    /* Of a packed one the copy's items may go on standing in d's buf, which a tree does not use. */
    struct dict was = *d;
    struct shm_entry *e = key_entry(d->k);
    uint64_t root = was.form == DICT_PACKED ? 0 : *entry_word_at(e);
    was.map.tree.root = &root;
    return tree_build(d, &was, enc);
}

/* An item of a packed one never has a block of its own: nobody would free it. */
static bool packed_fits(const struct dict *d, const struct dict_place *at, struct bytes key,
                        struct bytes value)
{
    return key.n < COLL_PACKED_MAX && value.n < COLL_PACKED_MAX &&
           d->items.n - (at->to - at->from) + item_bytes(key.n) + (d->pairs ? item_bytes(value.n) : 0) <=
               COLL_PACKED_MAX;
}

enum rc dict_put(struct dict *d, struct dict_place *at, struct bytes key, struct bytes value)
{
    enum rc rc;
    if (d->form == DICT_PACKED && packed_fits(d, at, key, value)) {
        size_t n = item_bytes(key.n) + (d->pairs ? item_bytes(value.n) : 0);
        char *p = packed_splice(d, at->from, at->to, n);
        rc = item_put(d->tx, p, key, &p);
        return rc || !d->pairs ? rc : item_put(d->tx, p, value, &p);
    }
    if (d->form == DICT_PACKED) {
        rc = dict_convert(d, d->shape.enc);
        if (rc)
            return rc;
        dict_find(d, key, at);
    }
    rc = own(d);
    if (rc)
        return rc;
    if (d->form == DICT_HMAP)
        return hmap_put(&d->map, &at->map, key, value);
    if (!at->found)
        return seq_add(d, key, value);
    return seq_next(&at->seq) ? seq_replace(&d->map.tree, &at->seq, value) : RC_INVALID;
}

/* Key and value may stand in two leaves. */
static enum rc seq_del_pair(struct dict *d, struct dict_place *at)
{
    uint64_t n = d->pairs ? 2 : 1, pos = seq_position(&at->seq), gone;
    enum rc rc = seq_del(&d->map.tree, &at->seq, n, &gone);
    if (rc || gone == n)
        return rc;
    CHECK(seq_at(&d->map.tree, pos, &at->seq));
    return seq_del(&d->map.tree, &at->seq, n - gone, &gone);
}

enum rc dict_del(struct dict *d, struct dict_place *at)
{
    if (d->form == DICT_PACKED) {
        packed_splice(d, at->from, at->to, 0);
        return RC_OK;
    }
    enum rc rc = own(d);
    if (rc)
        return rc;
    return d->form == DICT_SEQ ? seq_del_pair(d, at) : hmap_del(&d->map, &at->map);
}

enum rc dict_copy(struct tx *tx, const struct shm_entry *e, struct key_ref *k, uint32_t clock)
{
    struct dict from, to;
    int64_t expiry_ms = entry_expiry(e);
    enum rc rc = k->entry ? key_del(tx, k, false) : RC_OK;
    if (rc)
        return rc;
    dict_read(&from, tx, e);
    struct coll_shape shape = {.type = entry_type(e), .enc = entry_enc(e), .clock = clock};
    dict_open(&to, tx, k, &shape);
    if (from.form == DICT_PACKED)
        rc = coll_put_packed(tx, k, &shape, from.items);
    else
        rc = tree_build(&to, &from, shape.enc);
    return rc || expiry_ms < 0 ? rc : key_set_expiry(tx, k, expiry_ms);
}

/* ---- items by number, and all of them ---- */

struct hmap_item dict_at(const struct dict *d, uint64_t pos)
{
    if (d->form == DICT_HMAP)
        return hmap_at(&d->map, pos);
    if (d->form == DICT_SEQ) {
        struct seq_place p;
        CHECK(seq_at(&d->map.tree, d->pairs ? 2 * pos : pos, &p));
        return seq_pair(d, &p);
    }
    const char *p = d->items.p;
    while (pos--)
        packed_item(d, p, &p);
    return packed_item(d, p, &p);
}

static int by_value(const void *a, const void *b)
{
    return int_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* The next item of an hmap in the tree's order. */
static bool hmap_step(struct dict_walk *w, struct hmap_item *item)
{
    while (w->path.leaf && w->i == w->path.leaf->n) {
        w->i = 0;
        if (!tree_next(&w->path))
            return false;
    }
    if (!w->path.leaf)
        return false;
    *item = hmap_item(&w->d->map, w->path.leaf, w->i++);
    return true;
}

static void sort_all(struct dict_walk *w)
{
    struct hmap_item it;
    w->n = dict_count(w->d);
    w->sorted = malloc((w->n + 1) * sizeof(*w->sorted));
    CHECK(w->sorted);
    for (uint64_t i = 0; i < w->n && hmap_step(w, &it); i++)
        w->sorted[i] = it.key;
    if (w->n)
        qsort(w->sorted, w->n, sizeof(*w->sorted), by_value);
    w->i = 0;
}

void dict_walk(const struct dict *d, struct dict_walk *w)
{
    w->d = d;
    w->i = 0;
    w->sorted = NULL;
    w->at = d->items.p;
    if (d->form == DICT_SEQ && !seq_first(&d->map.tree, &w->seq))
        w->seq.item = NULL;
    if (d->form != DICT_HMAP)
        return;
    tree_first(&d->map.tree, &w->path);
    if (d->shape.enc == ENC_INTSET)
        sort_all(w);
}

bool dict_next(struct dict_walk *w, struct hmap_item *item)
{
    const struct dict *d = w->d;
    if (d->form == DICT_PACKED) {
        if (w->at == d->items.p + d->items.n)
            return false;
        *item = packed_item(d, w->at, &w->at);
        return true;
    }
    if (d->form == DICT_SEQ) {
        if (!w->seq.item)
            return false;
        *item = (struct hmap_item){.key = seq_item(&w->seq), .value = nothing};
        if (d->pairs && seq_next(&w->seq))
            item->value = seq_item(&w->seq);
        if (!seq_next(&w->seq))
            w->seq.item = NULL;
        return true;
    }
    if (!w->sorted)
        return hmap_step(w, item);
    if (w->i == w->n)
        return false;
    *item = (struct hmap_item){.key = w->sorted[w->i++], .value = nothing};
    return true;
}

void dict_walk_end(struct dict_walk *w)
{
    free(w->sorted);
}

static void show_all(const struct dict *d, dict_fn *fn, void *arg)
{
    struct dict_walk w;
    struct hmap_item it;
    for (dict_walk(d, &w); dict_next(&w, &it);)
        fn(arg, &it);
    dict_walk_end(&w);
}

/* A cursor is a hash without its lowest bits, which no bound between leaves has. A leaf that is split or joined between two
 * calls may be seen in part again, but nothing is passed over. */
uint64_t dict_scan(const struct dict *d, uint64_t cursor, uint64_t count, dict_fn *fn, void *arg)
{
    struct tree_path p;
    if (d->form != DICT_HMAP || d->shape.enc == ENC_INTSET) {
        show_all(d, fn, arg);
        return 0;
    }
    tree_find(&d->map.tree, cursor << HMAP_COARSE, &p);
    for (uint64_t seen = 0;;) {
        for (unsigned i = 0; i < p.leaf->n; i++) {
            struct hmap_item it = hmap_item(&d->map, p.leaf, i);
            fn(arg, &it);
        }
        seen += p.leaf->n;
        uint64_t high = tree_high(&p);
        if (high == UINT64_MAX)
            return 0;
        if (seen >= count)
            return (high + 1) >> HMAP_COARSE;
        tree_next(&p);
    }
}
