/* A collection that is built as a whole: no leaf is split, and none is saved. A list's leaves are built while it is read; a large set, hash
 * or sorted set is read to its end before. */
#include "shm/config.h"
#include "shm/format/rdb_build.h"
#include "shm/format/rdb_parts.h"
#include "shm/types/list.h"
#include "shm/types/set.h"
#include "shm/types/zset.h"

#include <stdlib.h>

#define CHUNK_BYTES (64u << 10)
#define EACH_MOST   64u

/* Bytes that do not stand in the data as they are. */
struct chunk {
    struct chunk *next;
    size_t used, room;
    char bytes[];
};

/* All elements, in private memory. */
struct whole {
    const struct rdb_in *in;
    struct rdb_element *v;
    uint64_t n, room;
    uint64_t most; /* elements, and for each EACH_MOST bytes that are kept */
    uint64_t kept;
    struct chunk *chunks;
};

bool rdb_build_is_whole(const struct rdb_build *b)
{
    const struct shm_config *cfg = b->cfg;
    switch (rdb_collection_type(b->values.type)) {
    case TYPE_SET:
        return b->told > (uint64_t)cfg->set_max_intset_entries &&
               b->told > (uint64_t)cfg->set_max_listpack_entries;
    case TYPE_HASH:
        return b->told > (uint64_t)cfg->hash_max_listpack_entries;
    case TYPE_ZSET:
        return b->told > (uint64_t)cfg->zset_max_listpack_entries;
    case TYPE_LIST:
        return true;
    default:
        return false;
    }
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
    if (rdb_in_has(w->in, *s))
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
    if (w->n == w->room) {
        uint64_t room = w->room ? 2 * w->room : 1024;
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
                            .value = (uint64_t)b->cfg->zset_max_listpack_value,
                            .clock = b->clock};
    struct zset_pair *v = malloc(w->n * sizeof(*v));
    if (!v)
        return RC_NOMEM;
    for (uint64_t i = 0; i < w->n; i++)
        v[i] = (struct zset_pair){w->v[i].score, w->v[i].item};
    if (falls(v, w->n)) {
        for (uint64_t i = 0; i < w->n; i++)
            v[w->n - 1 - i] = (struct zset_pair){w->v[i].score, w->v[i].item};
    } else if (!rises(v, w->n)) {
        qsort(v, w->n, sizeof(*v), by_score);
    }
    enum rc rc = zset_store(tx, k, &l, v, w->n);
    free(v);
    return rc;
}

static enum rc put(const struct rdb_build *b, const struct whole *w, struct tx *tx, struct key_ref *k)
{
    int type = rdb_collection_type(b->values.type);
    struct coll_shape table = {.type = (unsigned)type, .enc = ENC_HASHTABLE, .clock = b->clock};
    enum rc rc = k->entry ? key_del(tx, k, false) : RC_OK;
    if (rc)
        return rc;
    return type == TYPE_ZSET ? put_zset(b, w, tx, k) : dict_build(tx, k, &table, tell, w->v, w->n);
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

static enum rc collection_build(struct rdb_build *b, struct tx *tx, struct key_ref *k, uint64_t most)
{
    struct whole w = {.in = b->values.in, .most = most};
    struct rdb_element e;
    enum rc rc;
    while (!(rc = rdb_values_next(&b->values, &e)) && !(rc = take(&w, &e)))
        ;
    if (rc == RC_MISSING)
        rc = put(b, &w, tx, k);
    whole_free(&w);
    return rc == RC_EXISTS ? rdb_twice(b->values.in, b->values.type) : rc;
}

enum rc rdb_build_whole(struct rdb_build *b, struct tx *tx, struct key_ref *k, uint64_t most)
{
    bool list = rdb_collection_type(b->values.type) == TYPE_LIST;
    enum rc rc = list ? list_build(b, tx, k, most) : collection_build(b, tx, k, most);
    if (rc != RC_NOMEM && rc != RC_BUSY && rc != RC_RANGE)
        return rc;
    struct rdb_in *in = b->values.in;
    rdb_values_close(&b->values);
    in->pos = b->at;
    enum rc again = rdb_values_open(&b->values, in, b->values.type);
    return again ? again : rc;
}
