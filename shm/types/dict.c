#include "shm/types/dict.h"
#include "shm/types/order.h"
#include "shm/types/string.h"

#include <stdlib.h>

static const struct bytes nothing = {NULL, 0};

/* ---- opening ---- */

static enum dict_form form_of(unsigned enc)
{
    return enc == ENC_LISTPACK ? DICT_SEQ : DICT_HMAP;
}

/* Where the root of the fields that expire stands in the entry of a tree. */
static uint64_t *order_root(struct shm_entry *e)
{
    return e->flags & ENTRY_FIELDS ? &entry_fields_at(e)->order : NULL;
}

void dict_read(struct dict *d, struct tx *tx, const struct shm_entry *e)
{
    d->tx = tx;
    d->k = NULL;
    d->shape = (struct coll_shape){
        .type = entry_type(e), .enc = entry_enc(e), .clock = e->meta & 0xffffff, .fields = entry_fields(e)};
    d->now_ms = 0;
    d->order.root = NULL;
    d->pairs = entry_type(e) == TYPE_HASH;
    d->own = d->changed = false;
    if (!coll_is_tree(e)) {
        d->form = DICT_PACKED;
        d->items = coll_packed(e);
        return;
    }
    d->form = form_of(d->shape.enc);
    d->map = (struct hmap){.tree = coll_tree_read(e), .pairs = d->pairs};
    d->map.tree.tx = tx;
    d->order.root = order_root((struct shm_entry *)(uintptr_t)e);
}

void dict_open(struct dict *d, struct tx *tx, struct key_ref *k, const struct coll_shape *fresh)
{
    if (k->entry) {
        dict_read(d, tx, key_entry(k));
        d->shape.clock = fresh->clock;
    } else {
        d->tx = tx;
        d->shape = *fresh;
        d->now_ms = 0;
        d->order.root = NULL;
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
    if (rc)
        return rc;
    d->order.root = order_root(key_entry(d->k));
    if (UNLIKELY(d->order.root))
        d->order = coll_tree_at(d->tx, d->order.root);
    d->own = true;
    return RC_OK;
}

/* The tree goes over to an entry of the present shape. */
static enum rc reshape(struct dict *d)
{
    enum rc rc = coll_put_tree(d->tx, d->k, &d->shape, *d->map.tree.root, true);
    d->own = false;
    return rc ? rc : own(d);
}

/* ---- items of a packed one ---- */

static struct hmap_item packed_item(const struct dict *d, const char *p, const char **next)
{
    struct hmap_item it = {.value = nothing, .until_ms = 0};
    if (d->pairs)
        p = item_until(p, &it.until_ms);
    it.key = item_get(p, &p);
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

uint64_t dict_size(const struct dict *d)
{
    if (d->form == DICT_PACKED)
        return packed_count(d);
    uint64_t n = tree_count(*d->map.tree.root);
    return d->form == DICT_SEQ && d->pairs ? n / 2 : n;
}

/* Integers have one spelling each, so that digits can be compared. */
int dict_int_compare(struct bytes a, struct bytes b)
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
        if (same || (sorted && dict_int_compare(it.key, key) > 0)) {
            at->value = it.value;
            at->until_ms = same ? it.until_ms : 0;
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

/* ---- fields that expire ---- */

static int64_t first_of(const struct tree *order)
{
    struct order_place at;
    return order->root && order_at(order, 0, &at) ? (int64_t)order_score(&at) : 0;
}

static int64_t packed_first(const struct dict *d)
{
    int64_t first = 0;
    for (const char *p = d->items.p, *end = p + d->items.n; p != end;) {
        struct hmap_item it = packed_item(d, p, &p);
        if (it.until_ms && (!first || it.until_ms < first))
            first = it.until_ms;
    }
    return first;
}

/* The tree's entry is told when the first of its fields expires; where none does any more it forgets the other tree. */
static enum rc fields_tell(struct dict *d)
{
    int64_t first = first_of(&d->order);
    if (!d->order.root)
        return RC_OK;
    if (!first) {
        d->shape.fields = (struct shm_fields){0};
        return reshape(d);
    }
    int64_t *told = &entry_fields_at(key_entry(d->k))->first_ms;
    if (*told == first)
        return RC_OK;
    enum rc rc = tx_log(d->tx, told, sizeof(*told));
    if (!rc)
        *told = first;
    return rc;
}

/* A tree's field has another expiry (0: none): the tree of those that have one is told. */
static enum rc order_change(struct dict *d, struct bytes key, int64_t was, int64_t now)
{
    struct order_place at;
    bool same;
    enum rc rc = RC_OK;
    if (LIKELY(was == now))
        return RC_OK;
    if (!d->order.root) {
        d->shape.fields = (struct shm_fields){now, 0};
        rc = reshape(d);
    }
    if (!rc && was) {
        order_find(&d->order, (double)was, key, &at, &same);
        CHECK(same);
        rc = order_del(&d->order, &at);
    }
    if (rc || !now)
        return rc;
    order_find(&d->order, (double)now, key, &at, &same);
    return order_insert(&d->order, &at, (double)now, key);
}

static uint64_t hidden(const struct dict *d)
{
    struct order_place at;
    uint64_t n = 0;
    if (d->form == DICT_PACKED) {
        for (const char *p = d->items.p, *end = p + d->items.n; p != end;)
            n += dict_hides(d, packed_item(d, p, &p).until_ms);
        return n;
    }
    if (!d->order.root)
        return 0;
    return order_from(&d->order, (double)d->now_ms, true, &at) ? order_rank(&at) : tree_count(*d->order.root);
}

uint64_t dict_count(const struct dict *d)
{
    bool due = UNLIKELY(d->shape.enc != ENC_LISTPACK) && d->pairs && d->now_ms;
    return dict_size(d) - (due ? hidden(d) : 0);
}

bool dict_due(const struct dict *d, int64_t now_ms, struct bytes *key)
{
    if (d->form == DICT_PACKED) {
        for (const char *p = d->items.p, *end = p + d->items.n; p != end;) {
            struct hmap_item it = packed_item(d, p, &p);
            *key = it.key;
            if (it.until_ms && it.until_ms <= now_ms)
                return true;
        }
        return false;
    }
    struct order_place at;
    if (!d->order.root || !order_at(&d->order, 0, &at) || order_score(&at) > (double)now_ms)
        return false;
    *key = order_member(&at);
    return true;
}

enum rc dict_end(struct dict *d)
{
    bool empty = d->form == DICT_PACKED ? !d->items.n : !*d->map.tree.root;
    if (empty)
        return d->k->entry ? key_del(d->tx, d->k, false) : RC_OK;
    if (d->form != DICT_PACKED)
        return d->own ? fields_tell(d) : RC_OK;
    if (!d->changed)
        return RC_OK;
    d->shape.fields = (struct shm_fields){d->shape.enc == ENC_LISTPACK_EX ? packed_first(d) : 0, 0};
    return coll_put_packed(d->tx, d->k, &d->shape, d->items);
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
    at->until_ms = 0;
    switch (d->form) {
    case DICT_PACKED:
        at->there = find_packed(d, key, at);
        break;
    case DICT_SEQ:
        at->there = find_seq(d, key, at);
        break;
    default:
        at->there = hmap_find(&d->map, key, &at->map, &at->value);
        at->until_ms = at->map.until_ms;
    }
    return at->found = at->there && !dict_hides(d, at->until_ms);
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
    d->shape.fields = (struct shm_fields){0};
    enum rc rc = coll_put_tree(d->tx, d->k, &d->shape, 0, false);
    d->order.root = NULL;
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
    enum rc rc = order_change(d, it->key, 0, it->until_ms);
    if (rc)
        return rc;
    hmap_find(&d->map, it->key, &at, NULL);
    return hmap_put_until(&d->map, &at, it->key, it->value, it->until_ms);
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
        d->shape.fields = entry_fields(key_entry(d->k));
        return reshape(d);
    }
    /* Of a packed one the copy's items may go on standing in d's buf, which a tree does not use. */
    struct dict was = *d;
    struct shm_entry *e = key_entry(d->k);
    uint64_t root = was.form == DICT_PACKED ? 0 : *entry_word_at(e);
    was.map.tree.root = &root;
    was.now_ms = 0;
    return tree_build(d, &was, enc);
}

/* An item of a packed one never has a block of its own: nobody would free it. */
size_t dict_packed_bytes(bool pairs, struct bytes key, struct bytes value, int64_t until_ms)
{
    if (key.n >= COLL_PACKED_MAX || value.n >= COLL_PACKED_MAX)
        return COLL_PACKED_MAX + 1;
    return until_bytes(until_ms) + item_bytes(key.n) + (pairs ? item_bytes(value.n) : 0);
}

/* Key and value do not stand in buf. */
static enum rc packed_put(struct dict *d, struct dict_place *at, const struct hmap_item *it, size_t bytes)
{
    char *p = until_put(packed_splice(d, at->from, at->to, bytes), it->until_ms);
    enum rc rc = item_put(d->tx, p, it->key, &p);
    return rc || !d->pairs ? rc : item_put(d->tx, p, it->value, &p);
}

static enum rc tree_put(struct dict *d, struct dict_place *at, const struct hmap_item *it)
{
    enum rc rc = own(d);
    if (!rc && d->form == DICT_HMAP)
        rc = order_change(d, it->key, at->until_ms, it->until_ms);
    if (rc)
        return rc;
    if (d->form == DICT_HMAP)
        return hmap_put_until(&d->map, &at->map, it->key, it->value, it->until_ms);
    if (!at->found)
        return seq_add(d, it->key, it->value);
    return seq_next(&at->seq) ? seq_replace(&d->map.tree, &at->seq, it->value) : RC_INVALID;
}

enum rc dict_put_until(struct dict *d, struct dict_place *at, struct bytes key, struct bytes value,
                       int64_t until_ms)
{
    struct hmap_item it = {key, value, until_ms};
    size_t bytes;
    enum rc rc;
    if (UNLIKELY(until_ms) && d->shape.enc == ENC_LISTPACK) {
        rc = dict_convert(d, ENC_LISTPACK_EX);
        if (rc)
            return rc;
        dict_find(d, key, at);
    }
    if (d->form != DICT_PACKED)
        return tree_put(d, at, &it);
    bytes = dict_packed_bytes(d->pairs, key, value, until_ms);
    if (d->items.n - (at->to - at->from) + bytes <= COLL_PACKED_MAX)
        return packed_put(d, at, &it, bytes);
    rc = dict_convert(d, d->shape.enc);
    if (rc)
        return rc;
    dict_find(d, key, at);
    return tree_put(d, at, &it);
}

enum rc dict_put(struct dict *d, struct dict_place *at, struct bytes key, struct bytes value)
{
    return dict_put_until(d, at, key, value, 0);
}

/* The value of a packed one moves while it is written: it goes by way of a copy. */
enum rc dict_set_until(struct dict *d, struct dict_place *at, struct bytes key, int64_t until_ms)
{
    char copy[COLL_PACKED_MAX];
    if (at->until_ms == until_ms)
        return RC_OK;
    if (d->form != DICT_HMAP) {
        struct bytes value = at->value;
        if (d->form == DICT_PACKED) {
            bytes_copy(copy, value.p, value.n);
            value.p = copy;
        }
        return dict_put_until(d, at, key, value, until_ms);
    }
    enum rc rc = own(d);
    if (!rc)
        rc = order_change(d, key, at->until_ms, until_ms);
    return rc ? rc : hmap_set_until(&d->map, &at->map, until_ms);
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
    if (d->form == DICT_SEQ)
        return seq_del_pair(d, at);
    struct hmap_item it = hmap_item(&d->map, at->map.path.leaf, (unsigned)at->map.slot);
    rc = order_change(d, it.key, it.until_ms, 0);
    return rc ? rc : hmap_del(&d->map, &at->map);
}

const char *dict_fields_wrong(const struct shm_entry *e)
{
    struct dict d = {.form = coll_is_tree(e) ? form_of(entry_enc(e)) : DICT_PACKED, .pairs = true};
    struct dict_walk w;
    struct hmap_item it;
    struct order_place at;
    struct shm_fields told = entry_fields(e);
    uint64_t expire = 0;
    bool same = true;
    if (d.form == DICT_PACKED)
        d.items = coll_packed(e);
    else
        d.map = (struct hmap){.tree = coll_tree_read(e), .pairs = true};
    d.order.root = &told.order;
    for (dict_walk(&d, &w); same && dict_next(&w, &it);) {
        if (it.until_ms && d.form != DICT_PACKED)
            order_find(&d.order, (double)it.until_ms, it.key, &at, &same);
        expire += it.until_ms != 0;
    }
    dict_walk_end(&w);
    if (!same || (d.form != DICT_PACKED && expire != tree_count(told.order)))
        return "its trees do not agree";
    if (told.first_ms != (d.form == DICT_PACKED ? packed_first(&d) : first_of(&d.order)))
        return "the entry tells another moment";
    return !expire && e->flags & ENTRY_FIELDS ? "there are none" : NULL;
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
    return dict_int_compare(*(const struct bytes *)a, *(const struct bytes *)b);
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

static bool next_of_all(struct dict_walk *w, struct hmap_item *item)
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

bool dict_next(struct dict_walk *w, struct hmap_item *item)
{
    while (next_of_all(w, item))
        if (!dict_hides(w->d, item->until_ms))
            return true;
    return false;
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
    if (d->form != DICT_HMAP || d->shape.enc != ENC_HASHTABLE) {
        show_all(d, fn, arg);
        return 0;
    }
    tree_find(&d->map.tree, cursor << HMAP_COARSE, &p);
    for (uint64_t seen = 0;;) {
        for (unsigned i = 0; i < p.leaf->n; i++) {
            struct hmap_item it = hmap_item(&d->map, p.leaf, i);
            if (!dict_hides(d, it.until_ms))
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
