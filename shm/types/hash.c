#include "shm/types/hash.h"

void hash_open(struct dict *d, struct tx *tx, struct key_ref *k, uint32_t clock)
{
    dict_open(d, tx, k, &(struct coll_shape){.type = TYPE_HASH, .enc = ENC_LISTPACK, .clock = clock});
}

enum rc hash_put(struct dict *d, struct dict_place *at, const struct hash_limits *l, struct bytes field,
                 struct bytes value)
{
    bool listpack = d->shape.enc == ENC_LISTPACK;
    if (listpack && (field.n > l->value || value.n > l->value)) {
        enum rc rc = dict_convert(d, ENC_HASHTABLE);
        if (rc)
            return rc;
        dict_find(d, field, at);
        listpack = false;
    }
    enum rc rc = dict_put(d, at, field, value);
    if (rc || !listpack ||
        dict_count(d) <= l->entries) /* the limit may be a lower one by now: no field need be new */
        return rc;
    return dict_convert(d, ENC_HASHTABLE);
}
