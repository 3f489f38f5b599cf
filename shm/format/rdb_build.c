/* A collection becomes what it would have become had its elements been added by commands. Where Redis takes a compact
 * encoding from a file whatever its elements' lengths, so is it here. */
#include "shm/format/rdb_build.h"
#include "shm/config.h"
#include "shm/format/rdb_parts.h"
#include "shm/types/hash.h"
#include "shm/types/list.h"
#include "shm/types/set.h"
#include "shm/types/zset.h"

#include <stdlib.h>

/* ---- checking ---- */

/* A table of hashes, at most half full; 0 means an empty place. */
struct hashes {
    uint64_t *of;
    size_t n, room;
};

static bool note_in(struct hashes *h, uint64_t hash)
{
    size_t i = hash & (h->room - 1);
    for (; h->of[i]; i = (i + 1) & (h->room - 1))
        if (h->of[i] == hash)
            return false;
    h->of[i] = hash;
    return true;
}

/* RC_EXISTS: it has been noted before. */
static enum rc note_hash(struct hashes *h, uint64_t hash)
{
    if (2 * h->n >= h->room) {
        struct hashes more = {.n = h->n, .room = h->room ? 2 * h->room : 64};
        more.of = calloc(more.room, sizeof(*more.of));
        if (!more.of)
            return RC_NOMEM;
        for (size_t i = 0; i < h->room; i++)
            if (h->of[i])
                note_in(&more, h->of[i]);
        free(h->of);
        *h = more;
    }
    h->n++;
    return note_in(h, hash ? hash : 1) ? RC_OK : RC_EXISTS;
}

enum rc rdb_twice(struct rdb_in *in, enum rdb_type type)
{
    return rdb_fail(in, in->pos, "a %s has an element twice", rdb_type_name(type));
}

enum rc rdb_build_check(struct rdb_in *in, enum rdb_type type, const struct shm_root *root)
{
    size_t at = in->pos, n = 0;
    struct rdb_values v;
    struct rdb_element e;
    struct hashes h = {0};
    enum rc rc = rdb_values_open(&v, in, type);
    for (; !rc && !(rc = rdb_values_next(&v, &e)); n++)
        if (rdb_collection_type(type) != TYPE_LIST)
            rc = note_hash(&h, key_hash(root, e.item));
    if (rc == RC_MISSING)
        rc = n ? RC_OK : rdb_fail(in, at, "a %s without elements", rdb_type_name(type));
    if (rc == RC_EXISTS)
        rc = rdb_twice(in, type);
    rdb_values_close(&v);
    free(h.of);
    in->pos = at;
    return rc;
}

/* ---- reading ahead ---- */

enum rc rdb_build_open(struct rdb_build *b, struct rdb_in *in, enum rdb_type type,
                       const struct shm_config *cfg, uint32_t clock)
{
    b->cfg = cfg;
    b->clock = clock;
    b->at = in->pos;
    b->begun = b->held = false;
    b->n = 0;
    enum rc rc = rdb_values_open(&b->values, in, type);
    b->told = rc ? 0 : rdb_values_told(&b->values);
    return rc;
}

void rdb_build_close(struct rdb_build *b)
{
    rdb_values_close(&b->values);
}

static struct bytes keep(struct rdb_build *b, struct bytes s)
{
    if (rdb_in_has(b->values.in, s))
        return s;
    char *to = b->room + b->used;
    bytes_copy(to, s.p, s.n);
    b->used += s.n;
    return (struct bytes){to, s.n};
}

/* False: it is too long to be kept. */
static bool keep_element(struct rdb_build *b, const struct rdb_element *e)
{
    const struct rdb_in *in = b->values.in;
    size_t room = RDB_BUILD_ROOM - b->used;
    size_t first = rdb_in_has(in, e->item) ? 0 : e->item.n,
           second = rdb_in_has(in, e->value) ? 0 : e->value.n;
    if (first > room || second > room - first)
        return false;
    b->some[b->n++] = (struct rdb_element){keep(b, e->item), keep(b, e->value), e->score, e->until_ms};
    return true;
}

/* One that cannot be kept goes alone, from where it was decoded. */
static bool take_held(struct rdb_build *b)
{
    b->held = false;
    if (keep_element(b, &b->holding))
        return true;
    b->some[b->n++] = b->holding;
    return false;
}

enum rc rdb_build_read(struct rdb_build *b)
{
    b->n = 0;
    b->used = 0;
    if (b->held && !take_held(b))
        return RC_OK;
    while (b->n < RDB_BUILD_SOME) {
        enum rc rc = rdb_values_next(&b->values, &b->holding);
        if (rc == RC_MISSING)
            break;
        if (rc)
            return rc;
        if (!keep_element(b, &b->holding)) {
            b->held = true;
            break;
        }
    }
    if (b->held && !b->n)
        take_held(b);
    return b->n ? RC_OK : RC_MISSING;
}

/* ---- putting ---- */

/* A blob is taken as compact, however long its elements. */
uint64_t rdb_value_limit(const struct rdb_build *b, int64_t configured)
{
    switch (b->values.type) {
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK:
    case RDB_HASH_LISTPACK_EXPIRING:
    case RDB_HASH_LISTPACK_EXPIRING_RC:
    case RDB_ZSET_ZIPLIST:
    case RDB_ZSET_LISTPACK:
    case RDB_SET_LISTPACK:
        return UINT64_MAX;
    default:
        return (uint64_t)configured;
    }
}

void rdb_list_how(const struct rdb_build *b, struct list_how *how)
{
    *how = (struct list_how){
        .fill = b->cfg->list_max_listpack_size, .depth = b->cfg->list_compress_depth, .clock = b->clock};
}

/* By ones, as long as each may be the one that makes a quicklist of it. */
static enum rc put_list(struct rdb_build *b, struct tx *tx, struct key_ref *k)
{
    struct list_how how;
    struct bytes v[RDB_BUILD_SOME];
    enum rc rc = RC_OK;
    rdb_list_how(b, &how);
    for (unsigned i = 0; i < b->n; i++)
        v[i] = b->some[i].item;
    for (unsigned i = 0, n; i < b->n && !rc; i += n) {
        n = k->entry && entry_enc(key_entry(k)) == ENC_QUICKLIST ? b->n - i : 1;
        rc = list_push(tx, k, v + i, n, false, &how);
    }
    return rc;
}

static enum rc put_set(struct rdb_build *b, struct tx *tx, struct key_ref *k)
{
    struct set_limits l = {.intset = (uint64_t)b->cfg->set_max_intset_entries,
                           .entries = (uint64_t)b->cfg->set_max_listpack_entries,
                           .value = rdb_value_limit(b, (int64_t)b->cfg->set_max_listpack_value)};
    struct coll_shape listpack = {.type = TYPE_SET, .enc = ENC_LISTPACK, .clock = b->clock};
    struct dict d;
    enum rc rc = RC_OK;
    bool added = true;
    if (b->values.type == RDB_SET_LISTPACK)
        dict_open(&d, tx, k, &listpack);
    else
        rc = set_open(&d, tx, k, b->clock, &l, b->some[0].item, b->begun ? 0 : b->told);
    for (unsigned i = 0; i < b->n && !rc && added; i++)
        rc = set_add(&d, &l, b->some[i].item, &added);
    if (rc)
        return rc;
    return added ? dict_end(&d) : rdb_twice(b->values.in, b->values.type);
}

static enum rc put_hash(struct rdb_build *b, struct tx *tx, struct key_ref *k)
{
    struct hash_limits l = {.entries = (uint64_t)b->cfg->hash_max_listpack_entries,
                            .value = rdb_value_limit(b, (int64_t)b->cfg->hash_max_listpack_value)};
    struct dict d;
    struct dict_place at;
    enum rc rc = RC_OK;
    hash_open(&d, tx, k, b->clock);
    for (unsigned i = 0; i < b->n && !rc; i++) {
        if (dict_find(&d, b->some[i].item, &at))
            return rdb_twice(b->values.in, b->values.type);
        rc = hash_put_until(&d, &at, &l, b->some[i].item, b->some[i].value, b->some[i].until_ms);
    }
    return rc ? rc : dict_end(&d);
}

static enum rc put_zset(struct rdb_build *b, struct tx *tx, struct key_ref *k)
{
    struct zset_limits l = {.entries = (uint64_t)b->cfg->zset_max_listpack_entries,
                            .value = rdb_value_limit(b, (int64_t)b->cfg->zset_max_listpack_value),
                            .clock = b->clock};
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < b->n && !rc; i++) {
        struct zset_add a = {.member = b->some[i].item, .score = b->some[i].score, .flags = ZADD_NX};
        rc = zset_add(tx, k, &l, &a);
        if (rc == RC_EXISTS || (!rc && a.did != ZSET_ADDED))
            return rdb_twice(b->values.in, b->values.type);
    }
    return rc;
}

enum rc rdb_build_put(struct rdb_build *b, struct tx *tx, struct key_ref *k)
{
    enum rc rc = !b->begun && k->entry ? key_del(tx, k, false) : RC_OK;
    if (rc)
        return rc;
    switch (rdb_collection_type(b->values.type)) {
    case TYPE_LIST:
        return put_list(b, tx, k);
    case TYPE_SET:
        return put_set(b, tx, k);
    case TYPE_HASH:
        return put_hash(b, tx, k);
    default:
        return put_zset(b, tx, k);
    }
}
