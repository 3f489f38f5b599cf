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

enum rc dict_build(struct tx *tx, struct key_ref *k, const struct coll_shape *shape, hmap_tell *tell,
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
