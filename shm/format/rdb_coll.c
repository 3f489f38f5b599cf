/* Collections are written plainly, item by item: nothing of them is gathered in memory, and redis-server makes its compact
 * encodings of small ones when it loads them. */
#include "shm/format/rdb.h"
#include "shm/format/rdb_out.h"
#include "shm/types/dict.h"
#include "shm/types/order.h"

/* All strings of a packed collection, or of a sequence. */
static enum rc put_row(struct rdb_out *out, const struct shm_entry *e, unsigned each)
{
    struct coll_walk w;
    struct bytes item;
    enum rc rc = rdb_out_length(out, coll_items(e) / each);
    for (coll_walk(NULL, e, &w); !rc && coll_next(&w, &item);)
        rc = rdb_out_string(out, item);
    return rc;
}

static enum rc put_hmap(struct rdb_out *out, const struct tree *t, struct tree_path *p)
{
    struct hmap m = {*t, false};
    enum rc rc = rdb_out_length(out, tree_count(*t->root));
    do {
        for (unsigned i = 0; i < p->leaf->n && !rc; i++)
            rc = rdb_out_string(out, hmap_item(&m, p->leaf, i).key);
    } while (!rc && tree_next(p));
    return rc;
}

static enum rc put_set(struct rdb_out *out, const struct shm_entry *e)
{
    struct tree_path p;
    if (coll_is_tree(e)) {
        struct tree t = coll_tree_read(e);
        tree_first(&t, &p);
        if (p.leaf->form != FORM_SEQ)
            return put_hmap(out, &t, &p);
    }
    return put_row(out, e, 1);
}

/* Where fields expire, the soonest expiry stands first, and before each field how much later its own is, plus 1 (0: it has
 * none). Fields whose time is over are written as well: what the log says later counts on them. */
static enum rc put_hash(struct rdb_out *out, const struct shm_entry *e)
{
    struct dict d;
    struct dict_walk w;
    struct hmap_item it;
    int64_t first_ms = entry_fields(e).first_ms;
    dict_read(&d, NULL, e);
    enum rc rc = first_ms ? rdb_out_bytes(out, &first_ms, sizeof(first_ms)) : RC_OK;
    if (!rc)
        rc = rdb_out_length(out, dict_size(&d));
    for (dict_walk(&d, &w); !rc && dict_next(&w, &it);) {
        if (first_ms)
            rc = rdb_out_length(out, it.until_ms ? (uint64_t)(it.until_ms - first_ms) + 1 : 0);
        if (!rc)
            rc = rdb_out_string(out, it.key);
        if (!rc)
            rc = rdb_out_string(out, it.value);
    }
    dict_walk_end(&w);
    return rc;
}

static enum rc put_zset_packed(struct rdb_out *out, const struct shm_entry *e)
{
    struct coll_walk w;
    struct bytes member, score;
    enum rc rc = rdb_out_length(out, coll_items(e) / 2);
    for (coll_walk(NULL, e, &w); !rc && coll_next(&w, &member) && coll_next(&w, &score);) {
        rc = rdb_out_string(out, member);
        if (!rc)
            rc = rdb_out_bytes(out, score.p, score.n); /* 8 bytes: a double */
    }
    return rc;
}

static enum rc put_zset(struct rdb_out *out, const struct shm_entry *e)
{
    struct order_place at;
    if (!coll_is_tree(e))
        return put_zset_packed(out, e);
    uint64_t *word = entry_word_at((struct shm_entry *)(uintptr_t)e);
    struct shm_zset *z = shm_at(*word);
    struct tree t = {.root = entry_enc(e) == ENC_SKIPLIST ? &z->order : word};
    enum rc rc = rdb_out_length(out, tree_count(*t.root));
    for (bool more = order_at(&t, 0, &at); !rc && more; more = order_next(&at)) {
        double score = order_score(&at);
        rc = rdb_out_string(out, order_member(&at));
        if (!rc)
            rc = rdb_out_bytes(out, &score, sizeof(score));
    }
    return rc;
}

int rdb_out_type(const struct shm_entry *e)
{
    switch (entry_type(e)) {
    case TYPE_STRING:
        return RDB_STRING;
    case TYPE_LIST:
        return RDB_LIST;
    case TYPE_SET:
        return RDB_SET;
    case TYPE_ZSET:
        return RDB_ZSET_2;
    case TYPE_HASH:
        return e->flags & ENTRY_FIELDS ? RDB_HASH_EXPIRING : RDB_HASH;
    default:
        return -1;
    }
}

enum rc rdb_out_collection(struct rdb_out *out, const struct shm_entry *e)
{
    switch (entry_type(e)) {
    case TYPE_LIST:
        return put_row(out, e, 1);
    case TYPE_ZSET:
        return put_zset(out, e);
    case TYPE_HASH:
        return put_hash(out, e);
    default:
        return put_set(out, e);
    }
}
