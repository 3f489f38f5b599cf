/* A collection that is built as a whole: no leaf is split, and none is saved. A list's leaves are built while it is read; a set, hash or
 * sorted set is read to its end before. */
#include "shm/config.h"
#include "shm/format/rdb_build.h"
#include "shm/format/rdb_parts.h"
#include "shm/types/list.h"
#include "shm/types/set.h"
#include "shm/types/string.h"
#include "shm/types/zset.h"

#include <stdlib.h>

#define CHUNK_BYTES (64u << 10)
#define EACH_MOST   64u
#define ROOM_FIRST  32u /* elements */
#define MANY        (1u << 20)

/* Bytes that do not stand in the data as they are. */
struct chunk {
    struct chunk *next;
    size_t used, room;
    char bytes[];
};

/* All elements, in private memory. */
struct whole {
    const struct shm_root *root;
    const struct rdb_values *values;
    struct rdb_element *v;
    uint64_t n, room;
    uint64_t most; /* elements, and for each EACH_MOST bytes that are kept */
    uint64_t kept;
    struct chunk *chunks;
};

/* ---- what comes twice ---- */

/* For encodings that are no table of hashes: they are short by the limits of the configuration. And for what is very long, since a
 * payload of one element again and again must not take 48 times its size. */
static enum rc find_twice(const struct whole *w)
{
    size_t room = 16;
    uint64_t few[64] = {0}, *of = few;
    bool twice = false;
    while (room < 2 * w->n)
        room *= 2;
    if (room > ARRAY_LEN(few) && !(of = calloc(room, sizeof(*of))))
        return RC_NOMEM;
    for (uint64_t i = 0; i < w->n && !twice; i++) {
        uint64_t hash = key_hash(w->root, w->v[i].item) | 1; /* 0 is an empty place */
        size_t at = hash >> 1 & (room - 1);
        for (; of[at] && of[at] != hash; at = (at + 1) & (room - 1))
            ;
        twice = of[at];
        of[at] = hash;
    }
    if (of != few)
        free(of);
    return twice ? RC_EXISTS : RC_OK;
}

/* ---- reading ---- */

static char *chunk_room(struct whole *w, size_t bytes)
{
    struct chunk *c = w->chunks;
    if (!c || c->room - c->used < bytes) {
        size_t room = bytes > CHUNK_BYTES / 4 ? bytes : CHUNK_BYTES;
        c = malloc(sizeof(*c) + room);
        if (!c)
            return NULL;
        *c = (struct chunk){.next = w->chunks, .room = room};
        w->chunks = c;
    }
    c->used += bytes;
    return c->bytes + c->used - bytes;
}

static enum rc keep(struct whole *w, struct bytes *s)
{
    if (rdb_values_keep(w->values, *s))
        return RC_OK;
    w->kept += s->n;
    char *to = w->kept / EACH_MOST > w->most ? NULL : chunk_room(w, s->n);
    if (!to)
        return w->kept / EACH_MOST > w->most ? RC_RANGE : RC_NOMEM;
    bytes_copy(to, s->p, s->n);
    s->p = to;
    return RC_OK;
}

static enum rc take(struct whole *w, struct rdb_element *e)
{
    enum rc rc = w->n == w->most ? RC_RANGE : keep(w, &e->item);
    if (!rc)
        rc = keep(w, &e->value);
    if (rc)
        return rc;
    if (w->n == w->room && w->n >= MANY)
        rc = find_twice(w);
    if (rc)
        return rc;
    if (w->n == w->room) {
        uint64_t room = w->room ? 2 * w->room : ROOM_FIRST;
        struct rdb_element *v = realloc(w->v, room * sizeof(*v));
        if (!v)
            return RC_NOMEM;
        w->v = v;
        w->room = room;
    }
    w->v[w->n++] = *e;
    return RC_OK;
}

static void whole_free(struct whole *w)
{
    for (struct chunk *c = w->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(w->v);
}

/* ---- putting ---- */

static void tell(const void *arg, uint64_t i, struct hmap_item *item)
{
    const struct rdb_element *e = (const struct rdb_element *)arg + i;
    *item = (struct hmap_item){.key = e->item, .value = e->value, .until_ms = e->until_ms};
}

static int by_score(const void *a, const void *b)
{
    return zset_pair_order(a, b);
}

/* Redis writes them from the highest to the lowest. */
static bool falls(const struct zset_pair *v, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++)
        if (zset_pair_order(&v[i - 1], &v[i]) < 0)
            return false;
    return true;
}

static bool rises(const struct zset_pair *v, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++)
        if (zset_pair_order(&v[i - 1], &v[i]) > 0)
            return false;
    return true;
}

static enum rc put_zset(const struct rdb_build *b, const struct whole *w, struct tx *tx, struct key_ref *k)
{
    struct zset_limits l = {.entries = (uint64_t)b->cfg->zset_max_listpack_entries,
                            .value = rdb_value_limit(b, (int64_t)b->cfg->zset_max_listpack_value),
                            .clock = b->clock};
    struct zset_pair *v = malloc(w->n * sizeof(*v));
    if (!v)
        return RC_NOMEM;
    for (uint64_t i = 0; i < w->n; i++)
        v[i] = (struct zset_pair){w->v[i].score, w->v[i].item};
    if (!rises(v, w->n) && falls(v, w->n)) {
        for (uint64_t i = 0; i < w->n; i++)
            v[w->n - 1 - i] = (struct zset_pair){w->v[i].score, w->v[i].item};
    } else if (!rises(v, w->n)) {
        qsort(v, w->n, sizeof(*v), by_score);
    }
    enum rc rc = zset_enc(&l, v, w->n) == ENC_SKIPLIST ? RC_OK : find_twice(w);
    rc = rc ? rc : zset_store(tx, k, &l, v, w->n);
    free(v);
    return rc;
}

static unsigned set_enc_of(const struct rdb_build *b, const struct whole *w)
{
    struct set_limits l = {.intset = (uint64_t)b->cfg->set_max_intset_entries,
                           .entries = (uint64_t)b->cfg->set_max_listpack_entries,
                           .value = (uint64_t)b->cfg->set_max_listpack_value};
    if (b->values.type == RDB_SET_LISTPACK)
        return w->n > l.entries ? ENC_HASHTABLE : ENC_LISTPACK;
    return set_enc(&l, tell, w->v, w->n, b->told);
}

static unsigned hash_enc_of(const struct rdb_build *b, const struct whole *w)
{
    uint64_t most = rdb_value_limit(b, (int64_t)b->cfg->hash_max_listpack_value);
    unsigned enc = ENC_LISTPACK;
    if (w->n > (uint64_t)b->cfg->hash_max_listpack_entries)
        return ENC_HASHTABLE;
    for (uint64_t i = 0; i < w->n; i++) {
        const struct rdb_element *e = &w->v[i];
        if (e->item.n > most || e->value.n > most)
            return ENC_HASHTABLE;
        enc = e->until_ms ? ENC_LISTPACK_EX : enc;
    }
    return enc;
}

static enum rc put_dict(const struct rdb_build *b, const struct whole *w, struct tx *tx, struct key_ref *k)
{
    unsigned type = (unsigned)rdb_collection_type(b->values.type);
    struct coll_shape shape = {.type = type, .clock = b->clock};
    shape.enc = type == TYPE_SET ? set_enc_of(b, w) : hash_enc_of(b, w);
    enum rc rc = shape.enc == ENC_HASHTABLE ? RC_OK : find_twice(w);
    rc = rc ? rc : dict_build(tx, k, &shape, tell, w->v, w->n);
    return rc ? rc : key_set_expiry(tx, k, -1);
}

/* ---- lists ---- */

static enum rc list_read(struct rdb_build *b, struct list_bulk *list, uint64_t most)
{
    struct rdb_element e;
    enum rc rc = RC_OK;
    while (list->n < most && !(rc = rdb_values_next(&b->values, &e)) && !(rc = list_bulk_add(list, e.item)))
        ;
    return rc == RC_MISSING && list->n ? RC_OK : rc;
}

/* If the data are damaged, what was built of them goes again. */
static enum rc list_build(struct rdb_build *b, struct tx *tx, struct key_ref *k, uint64_t most)
{
    struct list_bulk list;
    struct list_how how;
    rdb_list_how(b, &how);
    list_bulk_begin(&list, tx, &how);
    enum rc rc = list_read(b, &list, most);
    if (rc == RC_INVALID || rc == RC_MISSING) {
        enum rc dropped = list_bulk_drop(&list);
        return dropped ? dropped : rc;
    }
    if (!rc && k->entry)
        rc = key_del(tx, k, false);
    return list_bulk_end(&list, k, rc);
}

/* ---- any ---- */

/* What it has twice is found before anything is changed. */
static enum rc collection_build(struct rdb_build *b, struct tx *tx, struct key_ref *k, uint64_t most)
{
    struct whole w = {.root = tx->ctx->root, .values = &b->values, .most = most};
    struct rdb_element e;
    enum rc rc;
    while (!(rc = rdb_values_next(&b->values, &e)) && !(rc = take(&w, &e)))
        ;
    if (rc == RC_MISSING && w.n)
        rc = rdb_collection_type(b->values.type) == TYPE_ZSET ? put_zset(b, &w, tx, k)
                                                              : put_dict(b, &w, tx, k);
    whole_free(&w);
    return rc == RC_EXISTS ? rdb_twice(b->values.in, b->values.type) : rc;
}

enum rc rdb_build_again(struct rdb_build *b)
{
    struct rdb_in *in = b->values.in;
    rdb_values_close(&b->values);
    in->pos = b->at;
    return rdb_values_open(&b->values, in, b->values.type);
}

enum rc rdb_build_whole(struct rdb_build *b, struct tx *tx, struct key_ref *k, uint64_t most)
{
    bool list = rdb_collection_type(b->values.type) == TYPE_LIST;
    enum rc rc = list ? list_build(b, tx, k, most) : collection_build(b, tx, k, most);
    if (rc != RC_NOMEM && rc != RC_BUSY && rc != RC_RANGE)
        return rc;
    enum rc again = rdb_build_again(b);
    return again ? again : rc;
}
