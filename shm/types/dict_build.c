/* Sets and hashes that come to be as a whole. */
#include "shm/types/bulk.h"
#include "shm/types/dict.h"
#include "shm/types/string.h"
#include "shm/types/zset.h"

#include <stdlib.h>

/* Beside the map, the order of the fields that expire. */
static enum rc fields_build(struct tx *tx, struct shm_fields *out, hmap_tell *tell, const void *arg,
                            uint64_t n)
{
    struct zset_pair *v = NULL;
    struct hmap_item it;
    uint64_t expire = 0, m = 0;
    for (uint64_t i = 0; i < n; i++) {
        tell(arg, i, &it);
        expire += it.until_ms != 0;
    }
    if (!expire)
        return RC_OK;
    if (!(v = malloc(expire * sizeof(*v))))
        return RC_NOMEM;
    for (uint64_t i = 0; i < n; i++) {
        tell(arg, i, &it);
        if (it.until_ms)
            v[m++] = (struct zset_pair){(double)it.until_ms, it.key};
    }
    qsort(v, m, sizeof(*v), zset_pair_order);
    enum rc rc = zset_order_build(tx, &out->order, v, m, false);
    out->first_ms = (int64_t)v[0].score;
    free(v);
    return rc;
}

/* ---- packed ---- */

#define PACKED_MOST (COLL_PACKED_MAX + 1) /* keys: each is an item, of a byte at least */

/* What is to be packed: at most so many keys, and their bytes; *fits: they may be. */
static uint64_t packed_keys(const struct coll_shape *shape, hmap_tell *tell, const void *arg, uint64_t n,
                            struct hmap_item *v)
{
    bool pairs = shape->type == TYPE_HASH;
    size_t bytes = 0;
    if (shape->enc == ENC_HASHTABLE || n >= PACKED_MOST)
        return 0;
    for (uint64_t i = 0; i < n; i++) {
        tell(arg, i, &v[i]);
        bytes += dict_packed_bytes(pairs, v[i].key, v[i].value, v[i].until_ms);
        if (bytes > COLL_PACKED_MAX)
            return 0;
    }
    return n;
}

/* Integers come sorted from most: then this looks at each once. */
static void sort_integers(struct hmap_item *v, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        struct hmap_item it = v[i];
        uint64_t j = i;
        for (; j && dict_int_compare(v[j - 1].key, it.key) > 0; j--)
            v[j] = v[j - 1];
        v[j] = it;
    }
}

static enum rc build_packed(struct tx *tx, struct key_ref *k, const struct coll_shape *shape,
                            struct hmap_item *v, uint64_t n)
{
    struct coll_shape all = *shape;
    char items[COLL_PACKED_MAX], *p = items;
    enum rc rc = RC_OK;
    if (shape->enc == ENC_INTSET)
        sort_integers(v, n);
    for (uint64_t i = 0; i < n && !rc; i++) {
        int64_t until_ms = v[i].until_ms;
        if (until_ms && (!all.fields.first_ms || until_ms < all.fields.first_ms))
            all.fields.first_ms = until_ms;
        rc = item_put(tx, until_put(p, until_ms), v[i].key, &p);
        if (!rc && shape->type == TYPE_HASH)
            rc = item_put(tx, p, v[i].value, &p);
    }
    return rc ? rc : coll_put_packed(tx, k, &all, (struct bytes){items, (size_t)(p - items)});
}

/* ---- in trees ---- */

static enum rc build_seq(struct tx *tx, struct key_ref *k, const struct coll_shape *shape, hmap_tell *tell,
                         const void *arg, uint64_t n)
{
    shm_ref root = 0;
    struct tree t = coll_tree_at(tx, &root);
    struct seq_bulk b;
    struct hmap_item it;
    enum rc rc = RC_OK;
    seq_bulk_begin(&b, &t);
    for (uint64_t i = 0; i < n && !rc; i++) {
        tell(arg, i, &it);
        rc = seq_bulk_add(&b, it.key);
        if (!rc && shape->type == TYPE_HASH)
            rc = seq_bulk_add(&b, it.value);
    }
    rc = seq_bulk_end(&b, rc);
    return rc ? rc : coll_put_tree(tx, k, shape, root, false);
}

static enum rc build_map(struct tx *tx, struct key_ref *k, const struct coll_shape *shape, hmap_tell *tell,
                         const void *arg, uint64_t n)
{
    struct coll_shape all = *shape;
    shm_ref root = 0;
    struct hmap map = {coll_tree_at(tx, &root), shape->type == TYPE_HASH};
    enum rc rc = hmap_build(&map, tell, arg, n);
    if (!rc && map.pairs)
        rc = fields_build(tx, &all.fields, tell, arg, n);
    return rc ? rc : coll_put_tree(tx, k, &all, root, false);
}

enum rc dict_build(struct tx *tx, struct key_ref *k, const struct coll_shape *shape, hmap_tell *tell,
                   const void *arg, uint64_t n)
{
    struct hmap_item v[PACKED_MOST];
    uint64_t packed = packed_keys(shape, tell, arg, n, v);
    if (packed)
        return build_packed(tx, k, shape, v, packed);
    return shape->enc == ENC_LISTPACK ? build_seq(tx, k, shape, tell, arg, n)
                                      : build_map(tx, k, shape, tell, arg, n);
}

/* ---- another one like it ---- */

enum rc dict_copy(struct tx *tx, const struct shm_entry *e, struct key_ref *k, uint32_t clock)
{
    struct coll_shape shape = {
        .type = entry_type(e), .enc = entry_enc(e), .clock = clock, .fields = entry_fields(e)};
    int64_t expiry_ms = entry_expiry(e);
    shm_ref root = 0;
    enum rc rc = k->entry ? key_del(tx, k, false) : RC_OK;
    if (rc)
        return rc;
    if (!coll_is_tree(e)) {
        rc = coll_put_packed(tx, k, &shape, coll_packed(e));
    } else {
        rc = tree_clone(tx, *entry_word_at((struct shm_entry *)(uintptr_t)e), &root);
        if (!rc)
            rc = tree_clone(tx, shape.fields.order, &shape.fields.order);
        if (!rc)
            rc = coll_put_tree(tx, k, &shape, root, false);
    }
    return rc || expiry_ms < 0 ? rc : key_set_expiry(tx, k, expiry_ms);
}
