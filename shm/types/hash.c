#include "shm/types/hash.h"
#include "shm/wal.h"

void hash_open(struct dict *d, struct tx *tx, struct key_ref *k, uint32_t clock)
{
    dict_open(d, tx, k, &(struct coll_shape){.type = TYPE_HASH, .enc = ENC_LISTPACK, .clock = clock});
}

enum rc hash_put_until(struct dict *d, struct dict_place *at, const struct hash_limits *l, struct bytes field,
                       struct bytes value, int64_t until_ms)
{
    bool compact = d->shape.enc != ENC_HASHTABLE;
    if (compact && (field.n > l->value || value.n > l->value)) {
        enum rc rc = dict_convert(d, ENC_HASHTABLE);
        if (rc)
            return rc;
        dict_find(d, field, at);
        compact = false;
    }
    enum rc rc = dict_put_until(d, at, field, value, until_ms);
    if (rc || !compact ||
        dict_size(d) <= l->entries) /* the limit may be a lower one by now: no field need be new */
        return rc;
    return dict_convert(d, ENC_HASHTABLE);
}

enum rc hash_put(struct dict *d, struct dict_place *at, const struct hash_limits *l, struct bytes field,
                 struct bytes value)
{
    return hash_put_until(d, at, l, field, value, 0);
}

enum rc hash_reap_field(struct dict *d, struct dict_place *at, struct bytes field)
{
    enum rc rc = tx_effect(d->tx, d->k->db, (struct bytes[]){BYTES_LIT("HDEL"), d->k->key, field}, 3);
    return rc ? rc : dict_del(d, at);
}

enum rc hash_reap(struct tx *tx, struct key_ref *k, int64_t now_ms, unsigned max, unsigned *removed)
{
    struct dict d;
    struct dict_place at;
    struct bytes field;
    enum rc rc = RC_OK;
    hash_open(&d, tx, k, key_entry(k)->meta & 0xffffff);
    for (*removed = 0; !rc && *removed < max && dict_due(&d, now_ms, &field); ++*removed) {
        CHECK(dict_find(&d, field, &at));
        rc = hash_reap_field(&d, &at, field);
    }
    tx_effect_key(tx, k->hash);
    return rc ? rc : dict_end(&d);
}
