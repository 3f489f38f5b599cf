/* A leaf's items stand one behind the other as they came; from the block's end downwards, a slot for each says where it
 * begins and shows 16 bits of its hash. So adding a key moves nothing: behind the end, and below the slots, the bytes are
 * nobody's, and only the head is saved. Removing one leaves a hole (spare counts them) until the leaf is built anew.
 *
 *  head | item item item ... |  free  | ... slot 1 | slot 0 |       slot: hash (2), offset (2)
 *
 * A pair that expires carries that before its key (node.h), so that leaves without such pairs are none the larger.
 *
 * Leaves are ordered by hash, their items are not. Bounds between leaves have HMAP_COARSE zero bits at their end, so that a place in
 * hash order can be told without them. */
#include "shm/types/hmap_parts.h"

#include <stdlib.h>

#define LEAF_FEW  256u /* a shorter one looks for a neighbour to join */
#define ITEMS_MAX (NODE_MAX / (HMAP_SLOT + 2) + 2)

uint64_t hmap_place_of(const struct hmap *m, struct bytes key)
{
    return hmap_hash(m, key);
}

static inline const char *slot_item(const struct shm_node *leaf, unsigned i)
{
    return (const char *)leaf + (*hmap_slot_at(leaf, i) >> 16);
}

static inline struct hmap_item item_at(const struct hmap *m, const char *p, const char **next)
{
    struct hmap_item it = {.until_ms = 0};
    if (m->pairs)
        p = item_until(p, &it.until_ms);
    it.key = item_get(p, &p);
    if (m->pairs)
        it.value = item_get(p, &p);
    *next = p;
    return it;
}

struct hmap_item hmap_item(const struct hmap *m, const struct shm_node *leaf, unsigned i)
{
    const char *next;
    return item_at(m, slot_item(leaf, i), &next);
}

struct hmap_item hmap_at(const struct hmap *m, uint64_t pos)
{
    struct tree_path p;
    uint64_t within;
    tree_find_at(&m->tree, pos, &p, &within);
    return hmap_item(m, p.leaf, (unsigned)within);
}

static bool is_key(const struct shm_node *leaf, unsigned i, struct bytes key)
{
    const char *next;
    return bytes_equal(item_get(item_name(slot_item(leaf, i)), &next), key);
}

static int find_in_leaf(const struct shm_node *leaf, uint64_t hash, struct bytes key)
{
    const struct tree_way *w = tree_way_of(hash);
    if (w->key == hash && w->slot && w->slot <= leaf->n && is_key(leaf, w->slot - 1u, key))
        return w->slot - 1; /* as the look ahead has found */
    for (unsigned i = 0; i < leaf->n; i += HMAP_PRINTS)
        for (unsigned m = hmap_prints(hmap_slot_at(leaf, i) + 1, leaf->n - i, hash), at; m;
             m ^= 1u << (HMAP_PRINTS - 1 - at)) {
            at = hmap_print_first(m);
            if (is_key(leaf, i + at, key))
                return (int)(i + at);
        }
    return -1;
}

bool hmap_find(const struct hmap *m, struct bytes key, struct hmap_place *at, struct bytes *value)
{
    at->hash = hmap_hash(m, key);
    tree_find(&m->tree, at->hash, &at->path);
    at->slot = at->path.leaf ? find_in_leaf(at->path.leaf, at->hash, key) : -1;
    at->until_ms = 0;
    if (at->slot < 0)
        return false;
    if (value) {
        struct hmap_item it = hmap_item(m, at->path.leaf, (unsigned)at->slot);
        *value = it.value;
        at->until_ms = it.until_ms;
    }
    return true;
}

/* ---- building leaves ---- */

struct piece { /* an item that is to stand in a new leaf; p NULL: the one that is being added */
    const char *p;
    uint32_t bytes;
    uint16_t print;
    uint64_t hash;
};

struct build {
    struct hmap *m;
    struct bytes key, value; /* of the item that is added */
    struct bytes raw;        /* p not NULL: both, as they stood in the leaf */
    int64_t until_ms;
    uint64_t hash;
    struct piece piece[ITEMS_MAX];
    unsigned n;
    size_t bytes; /* all of them, with their slots */
};

/* That the item which is added takes in a leaf. */
static size_t new_bytes(const struct build *b)
{
    size_t n = until_bytes(b->until_ms);
    if (b->raw.p)
        return n + b->raw.n;
    return n + item_bytes(b->key.n) + (b->m->pairs ? item_bytes(b->value.n) : 0);
}

static void take(struct build *b, const char *p, size_t bytes, uint16_t print)
{
    b->piece[b->n++] = (struct piece){p, (uint32_t)bytes, print, 0};
    b->bytes += bytes + HMAP_SLOT;
}

static void take_leaf(struct build *b, const struct shm_node *leaf, int but)
{
    for (unsigned i = 0; i < leaf->n; i++) {
        const char *p = slot_item(leaf, i), *next;
        if ((int)i == but)
            continue;
        item_at(b->m, p, &next);
        take(b, p, (size_t)(next - p), (uint16_t)*hmap_slot_at(leaf, i));
    }
}

static void take_new(struct build *b)
{
    take(b, NULL, new_bytes(b), (uint16_t)b->hash);
}

static enum rc write_item(struct build *b, char *to, char **end)
{
    if (!b->raw.p)
        return hmap_item_put(b->m, &(struct hmap_item){b->key, b->value, b->until_ms}, to, end);
    *end = mempcpy(until_put(to, b->until_ms), b->raw.p, b->raw.n);
    return RC_OK;
}

/* Pieces [from, to) in a leaf that has some room to grow. */
static enum rc leaf_build(struct build *b, unsigned from, unsigned to, struct tree_child *out)
{
    size_t bytes = sizeof(struct shm_node);
    for (unsigned i = from; i < to; i++)
        bytes += b->piece[i].bytes + HMAP_SLOT;
    enum rc rc = tree_leaf_new(&b->m->tree, b->m->pairs ? FORM_HMAP_PAIRS : FORM_HMAP, tree_leaf_room(bytes),
                               &out->ref);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(out->ref);
    char *at = (char *)(leaf + 1);
    for (unsigned i = from; i < to; i++) {
        const struct piece *p = &b->piece[i];
        *hmap_slot_at(leaf, leaf->n++) = hmap_slot(p->print, (size_t)(at - (char *)leaf));
        if (p->p) {
            bytes_copy(at, p->p, p->bytes);
            at += p->bytes;
        } else if ((rc = write_item(b, at, &at))) {
            return rc;
        }
    }
    leaf->end = (uint16_t)(at - (char *)leaf);
    out->count = to - from;
    return RC_OK;
}

static int by_hash(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Pieces whose hashes are below the bound come first. */
static unsigned partition(struct build *b, uint64_t bound, size_t *bytes)
{
    unsigned n = 0;
    *bytes = 0;
    for (unsigned i = 0; i < b->n; i++) {
        struct piece p = b->piece[i];
        if (p.hash >= bound)
            continue;
        b->piece[i] = b->piece[n];
        b->piece[n++] = p;
        *bytes += p.bytes + HMAP_SLOT;
    }
    return n;
}

/* Where to cut so that both halves take about as many bytes, between two hashes that a bound can tell apart. 0: nowhere. */
static unsigned cut_sorted(struct build *b)
{
    size_t sum = 0;
    unsigned best = 0;
    qsort(b->piece, b->n, sizeof(*b->piece), by_hash);
    for (unsigned i = 0; i + 1 < b->n && (sum < b->bytes / 2 || !best); i++) {
        sum += b->piece[i].bytes + HMAP_SLOT;
        if (hmap_bound(b->piece[i].hash) != hmap_bound(b->piece[i + 1].hash))
            best = i + 1;
    }
    return best;
}

/* Hashes are spread evenly: near the middle of what the leaf has nothing need be sorted. Near, and not at it: leaves that were cut alike
 * would all be full at the same time (as in order.c). The last leaf, with hashes that are all low in its range, is being filled in about
 * their order, as copies and dumps are: little is to come for the first half. */
static unsigned cut_of(struct build *b, uint64_t low, uint64_t high, uint64_t *bound)
{
    uint64_t least = UINT64_MAX, most = 0;
    size_t bytes;
    for (unsigned i = 0; i < b->n; i++) {
        struct piece *p = &b->piece[i];
        const char *next;
        p->hash = p->p ? hmap_hash(b->m, item_at(b->m, p->p, &next).key) : b->hash;
        least = p->hash < least ? p->hash : least;
        most = p->hash > most ? p->hash : most;
    }
    bool in_order = high == UINT64_MAX && most - low < (high - low) / 16;
    *bound = hmap_bound(least + (most - least) / 16 * (in_order ? 14 : 6 + (b->hash & 0xffff) % 5));
    unsigned n = partition(b, *bound, &bytes);
    if (bytes >= b->bytes / 4 && (bytes <= b->bytes / 4 * 3 || (in_order && n < b->n)))
        return n;
    n = cut_sorted(b);
    *bound = hmap_bound(b->piece[n].hash);
    return n;
}

/* What was taken stands in place of the path's leaf, and of its neighbour if had is 2. */
static enum rc put_built(struct build *b, struct tree_path *p, unsigned had)
{
    struct tree *t = &b->m->tree;
    struct shm_node *old[2] = {p->leaf, had > 1 ? tree_neighbour(p) : NULL};
    struct tree_child with[2] = {{.low = tree_low(p)}};
    unsigned n = b->n ? 1 : 0, cut = 0;
    enum rc rc = RC_OK;
    if (b->bytes > HMAP_LEAF - sizeof(struct shm_node) && b->n > 1)
        cut = cut_of(b, tree_low(p), tree_high(p), &with[1].low);
    if (cut) {
        n = 2;
        rc = leaf_build(b, 0, cut, &with[0]);
        if (!rc)
            rc = leaf_build(b, cut, b->n, &with[1]);
    } else if (n) {
        rc = b->bytes + sizeof(struct shm_node) > NODE_MAX ? RC_NOMEM : leaf_build(b, 0, b->n, &with[0]);
    }
    if (!rc && had)
        rc = tree_replace(t, p, had, with, n);
    else if (!rc)
        rc = tree_replace(t, p, 1, with, n);
    for (unsigned i = 0; i < 2 && !rc; i++)
        if (old[i])
            rc = tree_node_drop(t, old[i]);
    return rc;
}

/* ---- changing ---- */

static bool has_room(const struct shm_node *leaf, size_t bytes, unsigned slots)
{
    return leaf->end + bytes + HMAP_SLOT * (leaf->n + slots) <= leaf->room;
}

/* Writes the item behind the others, and the slot that leads to it. */
static enum rc append(struct hmap *m, struct shm_node *leaf, struct build *b, uint32_t *slot)
{
    char *end;
    enum rc rc = tree_leaf_touch(&m->tree, leaf);
    if (!rc)
        rc = write_item(b, (char *)leaf + leaf->end, &end);
    if (rc)
        return rc;
    *slot = hmap_slot(b->hash, leaf->end);
    leaf->end = (uint16_t)(end - (char *)leaf);
    return RC_OK;
}

/* The old item's own blocks. */
static enum rc blocks_free(struct hmap *m, const char *item, size_t *bytes)
{
    const char *next, *name = item_name(item);
    enum rc rc = item_free(&m->tree, name);
    item_get(name, &next);
    if (!rc && m->pairs) {
        rc = item_free(&m->tree, next);
        item_get(next, &next);
    }
    *bytes = (size_t)(next - item);
    return rc;
}

/* A leaf without holes moves to a longer block as it is. *done: it did, with the new item. */
static enum rc grow(struct hmap *m, struct hmap_place *at, struct build *b, bool *done)
{
    struct shm_node *old = at->path.leaf, *leaf;
    struct tree_child with = {.count = old->n + 1u};
    size_t slots = HMAP_SLOT * old->n, bytes = new_bytes(b);
    char *end;
    *done = !old->spare && old->end + slots + bytes + HMAP_SLOT <= HMAP_LEAF;
    if (!*done)
        return RC_OK;
    enum rc rc =
        tree_leaf_new(&m->tree, old->form, tree_leaf_room(old->end + slots + bytes + HMAP_SLOT), &with.ref);
    if (rc)
        return rc;
    leaf = shm_at(with.ref);
    memcpy(leaf + 1, old + 1, old->end - sizeof(*old));
    memcpy((char *)leaf + leaf->room - slots, (char *)old + old->room - slots, slots);
    rc = write_item(b, (char *)leaf + old->end, &end);
    leaf->n = (uint16_t)(old->n + 1);
    leaf->end = (uint16_t)(end - (char *)leaf);
    *hmap_slot_at(leaf, old->n) = hmap_slot(b->hash, old->end);
    if (!rc)
        rc = tree_replace(&m->tree, &at->path, 1, &with, 1);
    return rc ? rc : tree_node_drop(&m->tree, old);
}

static enum rc add(struct hmap *m, struct hmap_place *at, struct build *b)
{
    struct shm_node *leaf = at->path.leaf;
    bool done = false;
    enum rc rc = RC_OK;
    if (leaf && tree_leaf_mine(&m->tree, leaf) && has_room(leaf, new_bytes(b), 1)) {
        rc = append(m, leaf, b, hmap_slot_at(leaf, leaf->n));
        if (rc)
            return rc;
        leaf->n++;
        return tree_count_add(&m->tree, &at->path, 1);
    }
    if (leaf)
        rc = grow(m, at, b, &done);
    if (rc || done)
        return rc;
    if (leaf)
        take_leaf(b, leaf, -1);
    take_new(b);
    return put_built(b, &at->path, leaf ? 1 : 0);
}

/* The item, of so many bytes, gives way to the new one. */
static enum rc rewrite(struct hmap *m, struct hmap_place *at, struct build *b, size_t was)
{
    struct shm_node *leaf = at->path.leaf;
    if (tree_leaf_mine(&m->tree, leaf) && !b->raw.p && new_bytes(b) == was) {
        char *end, *to = (char *)(uintptr_t)slot_item(leaf, (unsigned)at->slot);
        enum rc rc = tx_log(m->tree.tx, to, was);
        return rc ? rc : write_item(b, to, &end);
    }
    if (tree_leaf_mine(&m->tree, leaf) && has_room(leaf, new_bytes(b), 0) &&
        leaf->spare + was <= leaf->room / 4) {
        uint32_t *slot = hmap_slot_at(leaf, (unsigned)at->slot);
        enum rc rc = tx_log(m->tree.tx, slot, sizeof(*slot));
        if (!rc)
            rc = append(m, leaf, b, slot);
        if (!rc)
            leaf->spare = (uint16_t)(leaf->spare + was);
        return rc;
    }
    take_leaf(b, leaf, at->slot);
    take_new(b);
    return put_built(b, &at->path, 1);
}

static enum rc change(struct hmap *m, struct hmap_place *at, struct build *b)
{
    size_t was;
    enum rc rc = blocks_free(m, slot_item(at->path.leaf, (unsigned)at->slot), &was);
    return rc ? rc : rewrite(m, at, b, was);
}

/* (The pieces are not cleared: they are many.) */
static void build_begin(struct build *b, struct hmap *m, uint64_t hash, int64_t until_ms)
{
    b->m = m;
    b->n = 0;
    b->bytes = 0;
    b->raw.p = NULL;
    b->hash = hash;
    b->until_ms = until_ms;
}

enum rc hmap_put_until(struct hmap *m, struct hmap_place *at, struct bytes key, struct bytes value,
                       int64_t until_ms)
{
    struct build b;
    build_begin(&b, m, at->hash, until_ms);
    b.key = key;
    b.value = value;
    return at->slot < 0 ? add(m, at, &b) : change(m, at, &b);
}

enum rc hmap_put(struct hmap *m, struct hmap_place *at, struct bytes key, struct bytes value)
{
    return hmap_put_until(m, at, key, value, 0);
}

/* Key and value stay what they are, with the blocks that they may have: their bytes move as they stand. */
enum rc hmap_set_until(struct hmap *m, struct hmap_place *at, int64_t until_ms)
{
    struct shm_node *leaf = at->path.leaf;
    char *item = (char *)(uintptr_t)slot_item(leaf, (unsigned)at->slot);
    const char *body = item_name(item), *next;
    struct build b;
    if (until_ms && body != item && tree_leaf_mine(&m->tree, leaf)) {
        enum rc rc = tx_log(m->tree.tx, item, UNTIL_BYTES);
        if (!rc)
            until_put(item, until_ms);
        return rc;
    }
    item_at(m, item, &next);
    build_begin(&b, m, at->hash, until_ms);
    b.raw = (struct bytes){body, (size_t)(next - body)};
    return rewrite(m, at, &b, (size_t)(next - item));
}

/* Bytes that the leaf's items take with their slots. */
static size_t live_bytes(const struct shm_node *leaf)
{
    return leaf->end - leaf->start - leaf->spare + HMAP_SLOT * leaf->n;
}

enum rc hmap_del(struct hmap *m, struct hmap_place *at)
{
    struct shm_node *leaf = at->path.leaf, *next = tree_neighbour(&at->path);
    size_t was;
    enum rc rc = blocks_free(m, slot_item(leaf, (unsigned)at->slot), &was);
    if (rc)
        return rc;
    size_t left = live_bytes(leaf) - was - HMAP_SLOT;
    bool joins = next && left < LEAF_FEW && left + live_bytes(next) < HMAP_LEAF * 3 / 4;
    bool holes = leaf->spare + was > leaf->room / 2u;
    if (tree_leaf_mine(&m->tree, leaf) && leaf->n > 1 && !joins && !holes) {
        /* The last slot as well: from now on its bytes are free, and this transaction may use them. */
        uint32_t *slot = hmap_slot_at(leaf, (unsigned)at->slot), *last = hmap_slot_at(leaf, leaf->n - 1u);
        rc = tx_log(m->tree.tx, slot, sizeof(*slot));
        if (!rc)
            rc = tx_log(m->tree.tx, last, sizeof(*last));
        if (!rc)
            rc = tree_leaf_touch(&m->tree, leaf);
        if (rc)
            return rc;
        *slot = *last;
        leaf->n--;
        leaf->spare = (uint16_t)(leaf->spare + was);
        return tree_count_add(&m->tree, &at->path, -1);
    }
    struct build b;
    build_begin(&b, m, at->hash, 0);
    take_leaf(&b, leaf, at->slot);
    if (joins)
        take_leaf(&b, next, -1);
    return put_built(&b, &at->path, joins ? 2 : 1);
}

/* Holes had their blocks freed before: only what slots lead to counts. */
enum rc hmap_leaf_free(struct tree *t, struct shm_node *leaf)
{
    for (unsigned i = 0; i < leaf->n; i++) {
        const char *p = item_name(slot_item(leaf, i)), *next;
        item_get(p, &next);
        enum rc rc = item_free(t, p);
        if (!rc && leaf->form == FORM_HMAP_PAIRS)
            rc = item_free(t, next);
        if (rc)
            return rc;
    }
    return RC_OK;
}

void hmap_leaf_blocks(const struct shm_node *leaf, void (*fn)(void *arg, shm_ref r, uint64_t bytes),
                      void *arg)
{
    for (unsigned i = 0; i < leaf->n; i++) {
        const char *p = item_name(slot_item(leaf, i)), *next;
        item_get(p, &next);
        item_block(p, fn, arg);
        if (leaf->form == FORM_HMAP_PAIRS)
            item_block(next, fn, arg);
    }
}

enum rc hmap_leaf_items(struct shm_node *leaf, item_fn *fn, void *arg)
{
    for (unsigned i = 0; i < leaf->n; i++) {
        const char *p = item_name(slot_item(leaf, i)), *next;
        item_get(p, &next);
        enum rc rc = fn(arg, (char *)(uintptr_t)p);
        if (!rc && leaf->form == FORM_HMAP_PAIRS)
            rc = fn(arg, (char *)(uintptr_t)next);
        if (rc)
            return rc;
    }
    return RC_OK;
}
