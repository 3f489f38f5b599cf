/* A map of many items at once: they are sorted by their hash, and fill one leaf after the other. */
#include "shm/types/bulk.h"
#include "shm/types/hmap_parts.h"

#include <stdlib.h>

/* ---- in the order of their hashes ---- */

struct spot {
    uint64_t hash, i;
};

/* Hashes are spread evenly: by their first bits they come into buckets of about four, and the rest is a matter of neighbours. */
static void sort_into(struct spot *to, const struct spot *from, uint64_t n, uint32_t *next, unsigned bits)
{
    unsigned shift = 64 - bits;
    for (uint64_t i = 0; i < n; i++)
        next[from[i].hash >> shift]++;
    for (uint64_t b = 0, sum = 0; b < 1ull << bits; b++) {
        uint32_t has = next[b];
        next[b] = (uint32_t)sum;
        sum += has;
    }
    for (uint64_t i = 0; i < n; i++)
        to[next[from[i].hash >> shift]++] = from[i];
    for (uint64_t i = 1; i < n; i++) {
        struct spot s = to[i];
        uint64_t j = i;
        for (; j && to[j - 1].hash > s.hash; j--)
            to[j] = to[j - 1];
        to[j] = s;
    }
}

/* Private memory; NULL: there is none. */
static struct spot *sorted_spots(const struct hmap *m, hmap_tell *tell, const void *arg, uint64_t n)
{
    unsigned bits = 1;
    while (bits < 30 && 4ull << bits < n)
        bits++;
    struct spot *raw = malloc((n + 1) * sizeof(*raw)), *v = malloc((n + 1) * sizeof(*v));
    uint32_t *next = n < UINT32_MAX ? calloc(1ull << bits, sizeof(*next)) : NULL;
    if (raw && v && next) {
        for (uint64_t i = 0; i < n; i++) {
            struct hmap_item it;
            tell(arg, i, &it);
            raw[i] = (struct spot){hmap_hash(m, it.key), i};
        }
        sort_into(v, raw, n, next, bits);
    } else {
        free(v);
        v = NULL;
    }
    free(next);
    free(raw);
    return v;
}

/* ---- leaves ---- */

/* One that is being filled, in private memory. */
struct filling {
    struct hmap *m;
    struct tree_bulk leaves;
    uint64_t low, last; /* its bound; the hash of the item that came last */
    unsigned n;
    size_t used, most;
    uint32_t slot[NODE_MAX / HMAP_SLOT];
    char items[NODE_MAX];
};

static enum rc flush(struct filling *f)
{
    struct tree_child at = {.low = f->low, .count = f->n};
    size_t bytes = sizeof(struct shm_node) + f->used + HMAP_SLOT * f->n;
    if (!f->n)
        return RC_OK;
    enum rc rc =
        tree_leaf_new(&f->m->tree, f->m->pairs ? FORM_HMAP_PAIRS : FORM_HMAP, tree_leaf_room(bytes), &at.ref);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(at.ref);
    memcpy(leaf + 1, f->items, f->used);
    for (unsigned i = 0; i < f->n; i++)
        *hmap_slot_at(leaf, i) = f->slot[i];
    leaf->n = (uint16_t)f->n;
    leaf->end = (uint16_t)(sizeof(*leaf) + f->used);
    f->n = 0;
    f->used = 0;
    return tree_bulk_add(&f->leaves, &at);
}

/* A leaf may begin with an item whose hash a bound can tell from the one before. */
static enum rc fill(struct filling *f, const struct hmap_item *it, uint64_t hash)
{
    size_t bytes = hmap_item_bytes(f->m, it) + HMAP_SLOT;
    size_t all = sizeof(struct shm_node) + f->used + HMAP_SLOT * f->n + bytes;
    enum rc rc = RC_OK;
    char *end;
    if (f->n && all > f->most && hmap_bound(hash) != hmap_bound(f->last)) {
        rc = flush(f);
        f->low = hmap_bound(hash);
        all = sizeof(struct shm_node) + bytes;
    }
    if (!rc && all > NODE_MAX)
        rc = RC_NOMEM;
    if (rc)
        return rc;
    if (!f->n)
        f->most = bulk_leaf_bytes(HMAP_LEAF, hash & 0xffff);
    f->slot[f->n++] = hmap_slot(hash, sizeof(struct shm_node) + f->used);
    f->last = hash;
    rc = hmap_item_put(f->m, it, f->items + f->used, &end);
    f->used = (size_t)(end - f->items);
    return rc;
}

/* Do the two items, whose hashes are the same, have one key? */
static bool is_same(hmap_tell *tell, const void *arg, uint64_t a, uint64_t b)
{
    struct hmap_item it;
    tell(arg, a, &it);
    size_t n = it.key.n;
    char *key = malloc(n + 1);
    CHECK(key);
    bytes_copy(key, it.key.p, n);
    tell(arg, b, &it);
    bool same = bytes_equal(it.key, (struct bytes){key, n});
    free(key);
    return same;
}

static bool any_twice(const struct spot *v, hmap_tell *tell, const void *arg, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++)
        for (uint64_t j = i; UNLIKELY(j && v[j - 1].hash == v[i].hash); j--)
            if (is_same(tell, arg, v[j - 1].i, v[i].i))
                return true;
    return false;
}

static enum rc fill_all(struct filling *f, const struct spot *v, hmap_tell *tell, const void *arg, uint64_t n)
{
    enum rc rc = RC_OK;
    for (uint64_t i = 0; i < n && !rc; i++) {
        struct hmap_item it;
        tell(arg, v[i].i, &it);
        rc = fill(f, &it, v[i].hash);
    }
    return rc ? rc : flush(f);
}

enum rc hmap_build(struct hmap *m, hmap_tell *tell, const void *arg, uint64_t n)
{
    struct filling f;
    struct spot *v = sorted_spots(m, tell, arg, n);
    if (!v)
        return RC_NOMEM;
    if (any_twice(v, tell, arg, n)) {
        free(v);
        return RC_EXISTS;
    }
    f.m = m;
    f.low = f.last = 0;
    f.n = 0;
    f.used = 0;
    tree_bulk_begin(&f.leaves, &m->tree);
    enum rc rc = tree_bulk_end(&f.leaves, fill_all(&f, v, tell, arg, n));
    free(v);
    return rc;
}
