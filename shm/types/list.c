/* A list is packed while its items take 512 bytes, and a tree of the form FORM_SEQ afterwards: it does not become packed
 * again. The encoding that clients see is told apart from that: it follows Redis's, byte for byte. */
#include "shm/types/list.h"
#include "shm/types/bulk.h"
#include "shm/base/number.h"

#define FEW_MATCHES 32u
#define DEPTH_MOST  65535 /* Redis's */

/* ---- what Redis's listpack would be ---- */

static size_t integer_bytes(int64_t v)
{
    if (v >= 0 && v <= 127)
        return 1;
    if (v >= -4096 && v <= 4095)
        return 2;
    if (v == (int16_t)v)
        return 3;
    if (v >= -(1 << 23) && v < 1 << 23)
        return 4;
    return v == (int32_t)v ? 5 : 9;
}

/* An item with the length behind it that leads back. */
static size_t listpack_bytes(struct bytes b)
{
    int64_t v;
    size_t n = b.n + (b.n < 64 ? 1 : b.n < 4096 ? 2 : 5);
    if (b.n && b.n <= 20 && (b.p[0] == '-' || (b.p[0] >= '0' && b.p[0] <= '9')) && number_to_int64(b, &v))
        n = integer_bytes(v);
    return n + (n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : n < 268435456 ? 4 : 5);
}

static char *size_at(const struct shm_entry *e)
{
    struct bytes key = entry_key(e);
    return (char *)(uintptr_t)key.p + key.n;
}

uint64_t list_listpack_bytes(const struct shm_entry *e)
{
    struct coll_walk w;
    struct bytes item;
    uint64_t n = LISTPACK_EMPTY;
    if (coll_is_tree(e)) {
        memcpy(&n, size_at(e), sizeof(n));
        return n;
    }
    for (coll_walk(NULL, e, &w); coll_next(&w, &item);)
        n += listpack_bytes(item);
    return n;
}

/* The tree's items came to, or lost, so many bytes. */
static enum rc size_add(struct tx *tx, struct key_ref *k, int64_t more)
{
    char *at = size_at(key_entry(k));
    uint64_t n;
    enum rc rc = tx_log(tx, at, sizeof(n));
    if (rc)
        return rc;
    memcpy(&n, at, sizeof(n));
    n += (uint64_t)more;
    memcpy(at, &n, sizeof(n));
    return RC_OK;
}

/* ---- the encoding ---- */

struct limit {
    uint64_t bytes, items;
};

/* A negative fill stands for a size in bytes, a positive one for a number of items. */
static struct limit limit_of(int64_t fill)
{
    if (fill >= 0)
        return (struct limit){.bytes = UINT64_MAX, .items = fill ? (uint64_t)fill : 1};
    return (struct limit){.bytes = 4096ull << (fill < -5 ? 4 : -fill - 1), .items = UINT64_MAX};
}

#define SAFE_BYTES 8192u /* more than this is no listpack, however many items are allowed */

static uint64_t size_limit(const struct limit *l)
{
    return l->bytes == UINT64_MAX ? SAFE_BYTES : l->bytes;
}

/* The encoding once these values have been added. */
static unsigned enc_grown(const struct shm_entry *e, const struct bytes *v, unsigned n, int64_t fill)
{
    if (e && entry_enc(e) == ENC_QUICKLIST)
        return ENC_QUICKLIST;
    struct limit l = limit_of(fill);
    uint64_t max = size_limit(&l), bytes = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += v[i].n;
    if (l.items != UINT64_MAX && (e ? list_length(e) : 0) + n > l.items)
        return ENC_QUICKLIST;
    /* A packed item takes less than twice its bytes in a listpack. */
    if (e && !coll_is_tree(e) && bytes + LISTPACK_EMPTY + 2 * COLL_PACKED_MAX <= max)
        return ENC_LISTPACK;
    bytes += e ? list_listpack_bytes(e) : LISTPACK_EMPTY;
    return bytes > max ? ENC_QUICKLIST : ENC_LISTPACK;
}

/* A quicklist becomes a listpack at half of the limit, so that it does not go to and fro. */
static bool fits_half(uint64_t bytes, uint64_t items, int64_t fill)
{
    struct limit l = limit_of(fill);
    return bytes <= l.bytes / 2 && items <= l.items / 2;
}

static struct coll_shape shape_of(unsigned enc, const struct list_how *how)
{
    return (struct coll_shape){.type = TYPE_LIST, .enc = enc, .clock = how->clock};
}

/* An entry for a list in a tree. */
static enum rc put_tree(struct tx *tx, struct key_ref *k, const struct coll_shape *s, uint64_t root,
                        uint64_t size, bool keep)
{
    struct entry_spec e = {
        .key = k->key,
        .type = s->type,
        .enc = s->enc,
        .tree = true,
        .word = root,
        .expiry_ms = k->entry ? entry_expiry(key_entry(k)) : -1,
        .inline_len = sizeof(size),
        .clock = s->clock,
    };
    shm_ref r;
    char *value;
    enum rc rc = entry_new(tx, &e, &r, &value);
    if (rc)
        return rc;
    memcpy(value, &size, sizeof(size));
    return key_put(tx, k, r, keep);
}

/* The list in a tree gets another name. */
static enum rc relabel(struct tx *tx, struct key_ref *k, unsigned enc)
{
    if (entry_enc(key_entry(k)) == enc)
        return RC_OK;
    enum rc rc = key_own(tx, k);
    const struct shm_entry *e = key_entry(k);
    if (rc)
        return rc;
    struct coll_shape s = {.type = TYPE_LIST, .enc = enc, .clock = e->meta & 0xffffff};
    return put_tree(tx, k, &s, *entry_word_at(key_entry(k)), list_listpack_bytes(e), true);
}

static enum rc shrunk(struct tx *tx, struct key_ref *k, const struct list_how *how)
{
    const struct shm_entry *e = key_entry(k);
    if (entry_enc(e) == ENC_QUICKLIST && fits_half(list_listpack_bytes(e), list_length(e), how->fill))
        return relabel(tx, k, ENC_LISTPACK);
    return RC_OK;
}

/* A packed list is below half of any size, but perhaps not of a number. */
static unsigned enc_packed(unsigned enc, uint64_t items, int64_t fill)
{
    return enc == ENC_QUICKLIST && fits_half(0, items, fill) ? ENC_LISTPACK : enc;
}

/* ---- the tree of a key that has one ---- */

static uint32_t depth_of(const struct list_how *how)
{
    return how->depth < DEPTH_MOST ? (uint32_t)how->depth : DEPTH_MOST;
}

static enum rc open_tree(struct tx *tx, struct key_ref *k, const struct list_how *how, struct seq_side *side,
                         struct tree *t)
{
    enum rc rc = coll_tree(tx, k, t);
    t->depth = depth_of(how);
    t->side = side;
    return rc;
}

/* An empty one, in an entry that has just been put: items are pushed there. */
static struct tree new_tree(struct tx *tx, struct key_ref *k, const struct list_how *how)
{
    struct tree t = coll_tree_at(tx, entry_word_at(key_entry(k)));
    t.depth = depth_of(how);
    return t;
}

/* ---- packed lists: what is before, what is added, what is behind ---- */

struct edit {
    struct bytes before, behind; /* packed items, which stay */
    const struct bytes *v;
    unsigned n;
    bool reversed;
};

static struct bytes added(const struct edit *d, unsigned i)
{
    return d->v[d->reversed ? d->n - 1 - i : i];
}

static enum rc push_packed(struct tree *t, struct bytes items, uint64_t *size)
{
    const char *p = items.p;
    enum rc rc = RC_OK;
    while (!rc && p < items.p + items.n) {
        struct bytes item = item_get(p, &p);
        *size += listpack_bytes(item);
        rc = seq_push(t, item, false);
    }
    return rc;
}

/* The packed items stay readable until the transaction ends, though their entry has been replaced. */
static enum rc edit_to_tree(struct tx *tx, struct key_ref *k, unsigned enc, const struct edit *d,
                            const struct list_how *how)
{
    struct coll_shape s = shape_of(enc, how);
    uint64_t size = LISTPACK_EMPTY;
    enum rc rc = put_tree(tx, k, &s, 0, 0, false);
    if (rc)
        return rc;
    struct tree t = new_tree(tx, k, how);
    rc = push_packed(&t, d->before, &size);
    for (unsigned i = 0; i < d->n && !rc; i++) {
        size += listpack_bytes(added(d, i));
        rc = seq_push(&t, added(d, i), false);
    }
    if (!rc)
        rc = push_packed(&t, d->behind, &size);
    return rc ? rc : size_add(tx, k, (int64_t)size);
}

static enum rc edit_put(struct tx *tx, struct key_ref *k, unsigned enc, const struct edit *d,
                        const struct list_how *how)
{
    char items[COLL_PACKED_MAX], *to = items;
    struct coll_shape s = shape_of(enc, how);
    size_t total = d->before.n + d->behind.n;
    for (unsigned i = 0; i < d->n && total <= COLL_PACKED_MAX; i++)
        total += d->v[i].n > COLL_PACKED_MAX ? COLL_PACKED_MAX + 1 : item_bytes(d->v[i].n);
    if (total > COLL_PACKED_MAX)
        return edit_to_tree(tx, k, enc, d, how);
    bytes_copy(to, d->before.p, d->before.n);
    to += d->before.n;
    for (unsigned i = 0; i < d->n; i++) {
        enum rc rc = item_put(tx, to, added(d, i), &to);
        if (rc)
            return rc;
    }
    bytes_copy(to, d->behind.p, d->behind.n);
    return coll_put_packed(tx, k, &s, (struct bytes){items, total});
}

/* The packed items before number pos, and those behind the n that begin there. */
static struct edit edit_around(const struct shm_entry *e, uint64_t pos, uint64_t n)
{
    struct bytes b = coll_packed(e);
    const char *p = b.p, *end = b.p + b.n;
    struct edit d = {.before.p = b.p};
    while (pos-- && p < end)
        item_get(p, &p);
    d.before.n = (size_t)(p - b.p);
    while (n-- && p < end)
        item_get(p, &p);
    d.behind = (struct bytes){p, (size_t)(end - p)};
    return d;
}

/* ---- reading ---- */

uint64_t list_length(const struct shm_entry *e)
{
    return coll_items(e);
}

void list_walk(const struct shm_entry *e, uint64_t pos, bool back, struct list_walk *w)
{
    w->tree = coll_is_tree(e);
    w->back = back;
    if (w->tree) {
        struct tree t = coll_tree_read(e);
        t.side = &w->side;
        w->more = seq_at(&t, pos, &w->at);
        w->told = false;
        return;
    }
    struct bytes b = coll_packed(e);
    w->packed = b.p;
    w->n = 0;
    for (const char *p = b.p; p < b.p + b.n; item_get(p, &p))
        w->start[w->n++] = (uint16_t)(p - b.p);
    w->i = (unsigned)pos;
    w->more = pos < w->n;
}

bool list_next(struct list_walk *w, struct bytes *item)
{
    const char *next;
    if (!w->more)
        return false;
    if (w->tree) { /* going on may put another leaf where the last item stood */
        if (w->told)
            w->more = w->back ? seq_prev(&w->at) : seq_next(&w->at);
        w->told = true;
        if (w->more)
            *item = seq_item(&w->at);
        return w->more;
    }
    *item = item_get(w->packed + w->start[w->i], &next);
    w->more = w->back ? w->i > 0 : w->i + 1 < w->n;
    w->i += w->back ? -1u : 1u;
    return true;
}

/* ---- changing ---- */

/* The tree, under the name that the list has after growing. */
static enum rc tree_grows(struct tx *tx, struct key_ref *k, const struct bytes *v, unsigned n,
                          const struct list_how *how, struct seq_side *side, struct tree *t)
{
    enum rc rc = relabel(tx, k, enc_grown(key_entry(k), v, n, how->fill));
    return rc ? rc : open_tree(tx, k, how, side, t);
}

enum rc list_push(struct tx *tx, struct key_ref *k, const struct bytes *v, unsigned n, bool front,
                  const struct list_how *how)
{
    const struct shm_entry *e = key_entry(k);
    struct tree t;
    size_t size = 0;
    if (!e || !coll_is_tree(e)) {
        struct bytes items = e ? coll_packed(e) : (struct bytes){"", 0};
        struct edit d = {.v = v, .n = n, .reversed = front};
        *(front ? &d.behind : &d.before) = items;
        return edit_put(tx, k, enc_grown(e, v, n, how->fill), &d, how);
    }
    enum rc rc = tree_grows(tx, k, v, n, how, NULL, &t);
    for (unsigned i = 0; i < n && !rc; i++) {
        size += listpack_bytes(v[i]);
        rc = seq_push(&t, v[i], front);
    }
    return rc ? rc : size_add(tx, k, (int64_t)size);
}

/* Removes items of a tree, leaf by leaf. */
static enum rc tree_cut(struct tree *t, uint64_t pos, uint64_t n, int64_t *size)
{
    for (uint64_t gone; n; n -= gone) {
        struct seq_place at, each;
        if (!seq_at(t, pos, &at))
            return RC_MISSING;
        each = at;
        uint64_t here = at.path.leaf->n - at.index;
        here = here < n ? here : n;
        for (uint64_t i = 0; i < here; i++) {
            *size += (int64_t)listpack_bytes(seq_item(&each));
            if (i + 1 < here)
                seq_next(&each);
        }
        enum rc rc = seq_del(t, &at, here, &gone);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc list_cut(struct tx *tx, struct key_ref *k, uint64_t pos, uint64_t n, const struct list_how *how)
{
    const struct shm_entry *e = key_entry(k);
    struct tree t;
    struct seq_side side;
    int64_t size = 0;
    uint64_t length = list_length(e);
    if (!n)
        return RC_OK;
    if (n >= length)
        return key_del(tx, k, false);
    if (!coll_is_tree(e)) {
        struct edit d = edit_around(e, pos, n);
        return edit_put(tx, k, enc_packed(entry_enc(e), length - n, how->fill), &d, how);
    }
    enum rc rc = open_tree(tx, k, how, &side, &t);
    if (!rc)
        rc = tree_cut(&t, pos, n, &size);
    if (!rc)
        rc = size_add(tx, k, -size);
    return rc ? rc : shrunk(tx, k, how);
}

enum rc list_set(struct tx *tx, struct key_ref *k, uint64_t pos, struct bytes v, const struct list_how *how)
{
    const struct shm_entry *e = key_entry(k);
    struct tree t;
    struct seq_side side;
    struct seq_place at;
    if (!coll_is_tree(e)) {
        struct edit d = edit_around(e, pos, 1);
        unsigned enc = enc_grown(e, &v, 1, how->fill);
        d.v = &v;
        d.n = 1;
        if (v.n <= COLL_PACKED_MAX)
            enc = enc_packed(enc, list_length(e), how->fill);
        return edit_put(tx, k, enc, &d, how);
    }
    enum rc rc = tree_grows(tx, k, &v, 1, how, &side, &t);
    if (rc || !seq_at(&t, pos, &at))
        return rc ? rc : RC_MISSING;
    int64_t more = (int64_t)listpack_bytes(v) - (int64_t)listpack_bytes(seq_item(&at));
    rc = seq_replace(&t, &at, v);
    if (!rc)
        rc = size_add(tx, k, more);
    return rc ? rc : shrunk(tx, k, how);
}

enum rc list_insert(struct tx *tx, struct key_ref *k, uint64_t pos, struct bytes v,
                    const struct list_how *how)
{
    const struct shm_entry *e = key_entry(k);
    struct tree t;
    struct seq_side side;
    struct seq_place at;
    if (!coll_is_tree(e)) {
        struct edit d = edit_around(e, pos, 0);
        d.v = &v;
        d.n = 1;
        return edit_put(tx, k, enc_grown(e, &v, 1, how->fill), &d, how);
    }
    enum rc rc = tree_grows(tx, k, &v, 1, how, &side, &t);
    if (!rc)
        rc = seq_at(&t, pos, &at) ? seq_insert(&t, &at, v, false) : seq_push(&t, v, false);
    return rc ? rc : size_add(tx, k, (int64_t)listpack_bytes(v));
}

/* ---- removing what equals a value ---- */

struct matches {
    uint64_t n, last;          /* how many, and where the last one that was found stands */
    uint64_t pos[FEW_MATCHES]; /* of the first ones found */
};

static void find_matches(const struct shm_entry *e, struct bytes v, int64_t count, struct matches *m)
{
    struct list_walk w;
    struct bytes item;
    bool back = count < 0;
    uint64_t want = !count ? UINT64_MAX : back ? -(uint64_t)count : (uint64_t)count;
    uint64_t pos = back ? list_length(e) - 1 : 0;
    m->n = m->last = 0;
    for (list_walk(e, pos, back, &w); m->n < want && list_next(&w, &item); pos += back ? -1ull : 1) {
        if (!bytes_equal(item, v))
            continue;
        if (m->n < FEW_MATCHES)
            m->pos[m->n] = pos;
        m->last = pos;
        m->n++;
    }
}

/* Those at the end first, so that the places of the others stay as they are. */
static enum rc cut_few(struct tx *tx, struct key_ref *k, const struct matches *m, bool back,
                       const struct list_how *how)
{
    enum rc rc = RC_OK;
    for (uint64_t i = 0; i < m->n && !rc; i++)
        rc = list_cut(tx, k, m->pos[back ? i : m->n - 1 - i], 1, how);
    return rc;
}

static bool goes(const struct matches *m, uint64_t pos, bool back, struct bytes item, struct bytes v)
{
    return (back ? pos >= m->last : pos <= m->last) && bytes_equal(item, v);
}

static enum rc keep_packed(struct tx *tx, struct key_ref *k, struct bytes v, const struct matches *m,
                           bool back, const struct list_how *how)
{
    const struct shm_entry *e = key_entry(k);
    struct bytes b = coll_packed(e);
    struct coll_shape s = shape_of(enc_packed(entry_enc(e), list_length(e) - m->n, how->fill), how);
    char items[COLL_PACKED_MAX];
    size_t n = 0;
    uint64_t pos = 0;
    for (const char *p = b.p, *next; p < b.p + b.n; p = next, pos++) {
        struct bytes item = item_get(p, &next);
        if (goes(m, pos, back, item, v))
            continue;
        memcpy(items + n, p, (size_t)(next - p));
        n += (size_t)(next - p);
    }
    return coll_put_packed(tx, k, &s, (struct bytes){items, n});
}

/* Cutting many one by one would build leaf after leaf anew: what stays is put into a new list instead. */
static enum rc keep_others(struct tx *tx, struct key_ref *k, struct bytes v, const struct matches *m,
                           bool back, const struct list_how *how)
{
    struct coll_shape s = shape_of(entry_enc(key_entry(k)), how);
    struct list_walk w;
    struct seq_bulk b;
    struct bytes item;
    shm_ref root = 0;
    struct tree t = coll_tree_at(tx, &root);
    uint64_t size = LISTPACK_EMPTY, pos = 0;
    enum rc rc = RC_OK;
    t.depth = depth_of(how);
    seq_bulk_begin(&b, &t);
    for (list_walk(key_entry(k), 0, false, &w); !rc && list_next(&w, &item); pos++) {
        if (goes(m, pos, back, item, v))
            continue;
        size += listpack_bytes(item);
        rc = seq_bulk_add(&b, item);
    }
    rc = seq_bulk_end(&b, rc);
    if (!rc)
        rc = put_tree(tx, k, &s, root, size, false);
    return rc ? rc : shrunk(tx, k, how);
}

enum rc list_remove(struct tx *tx, struct key_ref *k, struct bytes v, int64_t count,
                    const struct list_how *how, uint64_t *removed)
{
    const struct shm_entry *e = key_entry(k);
    struct matches m;
    bool back = count < 0;
    find_matches(e, v, count, &m);
    *removed = m.n;
    if (!m.n)
        return RC_OK;
    if (m.n == list_length(e))
        return key_del(tx, k, false);
    if (!coll_is_tree(e))
        return keep_packed(tx, k, v, &m, back, how);
    return m.n <= FEW_MATCHES ? cut_few(tx, k, &m, back, how) : keep_others(tx, k, v, &m, back, how);
}

/* ---- many items at once ---- */

void list_bulk_begin(struct list_bulk *b, struct tx *tx, const struct list_how *how)
{
    struct limit l = limit_of(how->fill);
    b->tx = tx;
    b->how = *how;
    b->root = 0;
    b->tree = coll_tree_at(tx, &b->root);
    b->tree.depth = depth_of(how);
    b->n = 0;
    b->size = LISTPACK_EMPTY;
    b->packed = 0;
    b->enc = ENC_LISTPACK;
    b->most_items = l.items;
    b->most_size = size_limit(&l);
    seq_bulk_begin(&b->items, &b->tree);
}

/* Before it has been encoded an item is counted by its length, as in enc_grown. */
enum rc list_bulk_add(struct list_bulk *b, struct bytes v)
{
    if (b->n >= b->most_items || b->size + v.n > b->most_size)
        b->enc = ENC_QUICKLIST;
    b->n++;
    b->size += listpack_bytes(v);
    b->packed += item_bytes(v.n) + (v.n > COLL_PACKED_MAX ? COLL_PACKED_MAX : 0);
    return seq_bulk_add(&b->items, v);
}

static enum rc bulk_put_packed(struct list_bulk *b, struct key_ref *k, const struct coll_shape *s)
{
    struct seq_items all = seq_bulk_only(&b->items);
    char packed[COLL_PACKED_MAX], *to = packed;
    enum rc rc = RC_OK;
    for (const char *p = all.p; p != all.end && !rc;)
        rc = item_put(b->tx, to, seq_items_next(&all, &p), &to);
    return rc ? rc : coll_put_packed(b->tx, k, s, (struct bytes){packed, b->packed});
}

enum rc list_bulk_end(struct list_bulk *b, struct key_ref *k, enum rc rc)
{
    struct coll_shape s = shape_of(b->enc, &b->how);
    CHECK(rc || b->n);
    if (!rc && b->packed <= COLL_PACKED_MAX)
        return bulk_put_packed(b, k, &s);
    rc = seq_bulk_end(&b->items, rc);
    return rc ? rc : put_tree(b->tx, k, &s, b->root, b->size, false);
}

enum rc list_bulk_drop(struct list_bulk *b)
{
    return seq_bulk_drop(&b->items);
}

/* ---- another list like it ---- */

enum rc list_copy(struct tx *tx, const struct shm_entry *from, struct key_ref *to, const struct list_how *how)
{
    struct coll_walk w;
    struct seq_bulk b;
    struct bytes item;
    shm_ref r;
    enum rc rc = entry_copy(tx, shm_ref_of(from), to->key, entry_expiry(from), &r);
    struct shm_entry *e = rc ? NULL : shm_at(r);
    if (rc)
        return rc;
    e->meta = (e->meta & 0xff000000) | (how->clock & 0xffffff);
    if (!coll_is_tree(from))
        return key_put(tx, to, r, false);
    if (!seq_any_compressed(*entry_word_at(e))) {
        rc = tree_clone(tx, *entry_word_at(e), entry_word_at(e)); /* the entry is nobody's yet */
        return rc ? rc : key_put(tx, to, r, false);
    }
    struct tree t = coll_tree_at(tx, entry_word_at(e));
    t.depth = depth_of(how);
    coll_walk(tx->ctx, from, &w);
    seq_bulk_begin(&b, &t);
    while (!rc && coll_next(&w, &item))
        rc = seq_bulk_add(&b, item);
    rc = seq_bulk_end(&b, rc);
    return rc ? rc : key_put(tx, to, r, false);
}
