/* Sorted sets. A packed one is rewritten by each change: half a kilobyte, which is less than a node's upkeep. Of the others,
 * the order tree has all members with their scores, and is what ranges walk. */
#include "shm/types/zset.h"
#include "shm/types/bulk.h"
#include "shm/types/hmap.h"
#include "shm/types/string.h"

#include <math.h>
#include <stdlib.h>

#define SCORE_ITEM 9u /* bytes of a packed score with its length */

/* ---- looking ---- */

static void scan_packed(const struct shm_entry *e, struct zset *z)
{
    struct bytes all = coll_packed(e);
    z->packed = all.p;
    for (const char *p = all.p; p < all.p + all.n; p += SCORE_ITEM) {
        CHECK(z->n < ZSET_PACKED_PAIRS);
        z->at[z->n++] = (uint16_t)(p - all.p);
        item_get(p, &p);
    }
}

void zset_open(struct tx *tx, const struct shm_entry *e, struct zset *z)
{
    z->order.root = z->map.root = NULL;
    z->n = 0;
    if (!e)
        return;
    if (!coll_is_tree(e)) {
        scan_packed(e, z);
        return;
    }
    uint64_t *word = entry_word_at((struct shm_entry *)(uintptr_t)e);
    struct shm_zset *s = shm_at(*word);
    bool mapped = entry_enc(e) == ENC_SKIPLIST;
    z->order = (struct tree){.tx = tx, .root = mapped ? &s->order : word};
    z->map = (struct tree){.tx = tx, .root = mapped ? &s->map : NULL};
    z->n = tree_count(*z->order.root);
}

static struct zset_pair packed_pair(const struct zset *z, unsigned i)
{
    struct zset_pair pair;
    const char *score;
    pair.member = item_get(z->packed + z->at[i], &score);
    memcpy(&pair.score, score + 1, sizeof(pair.score));
    return pair;
}

struct zset_pair zset_pair(const struct zset_place *at)
{
    if (!at->z->order.root)
        return packed_pair(at->z, at->index);
    return (struct zset_pair){order_score(&at->tree), order_member(&at->tree)};
}

uint64_t zset_rank(const struct zset_place *at)
{
    return at->z->order.root ? order_rank(&at->tree) : at->index;
}

bool zset_at(const struct zset *z, uint64_t rank, struct zset_place *at)
{
    at->z = z;
    if (rank >= z->n)
        return false;
    at->index = (unsigned)rank;
    return !z->order.root || order_at(&z->order, rank, &at->tree);
}

bool zset_next(struct zset_place *at)
{
    return at->z->order.root ? order_next(&at->tree) : ++at->index < at->z->n;
}

bool zset_prev(struct zset_place *at)
{
    return at->z->order.root ? order_prev(&at->tree) : at->index-- > 0;
}

/* A member's key in the map. */
struct map_key {
    uint64_t hash;
};
static struct bytes map_key(const struct tx *tx, struct bytes member, struct map_key *k)
{
    k->hash = key_hash(tx->ctx->root, member);
    return (struct bytes){(const char *)k, sizeof(*k)};
}

uint64_t zset_map_place(const struct zset *z, struct bytes member)
{
    struct hmap map = {z->map, true};
    struct map_key k;
    return hmap_place_of(&map, map_key(z->map.tx, member, &k));
}

/* The map's key may be another member's: only the order tree has the names. */
static bool find_mapped(const struct zset *z, struct bytes member, struct hmap_place *m,
                        struct zset_place *at, bool *taken)
{
    struct map_key k;
    struct bytes value;
    struct hmap map = {z->map, true};
    double score;
    bool same = false;
    *taken = hmap_find(&map, map_key(z->map.tx, member, &k), m, &value);
    if (!*taken)
        return false;
    memcpy(&score, value.p, sizeof(score));
    return order_find(&z->order, score, member, &at->tree, &same) && same;
}

static bool find_plain(const struct zset *z, struct bytes member, struct zset_place *at)
{
    bool more = zset_at(z, 0, at);
    while (more && !bytes_equal(zset_pair(at).member, member))
        more = zset_next(at);
    return more;
}

bool zset_find(const struct zset *z, struct bytes member, struct zset_place *at)
{
    struct hmap_place m;
    bool taken;
    at->z = z;
    return z->map.root ? find_mapped(z, member, &m, at, &taken) : find_plain(z, member, at);
}

uint64_t zset_below(const struct zset *z, double score, bool equal)
{
    struct order_place at;
    uint64_t n = 0;
    if (z->order.root)
        return order_from(&z->order, score, equal, &at) ? order_rank(&at) : z->n;
    while (n < z->n) {
        double s = packed_pair(z, (unsigned)n).score;
        if (s > score || (s == score && !equal))
            break;
        n++;
    }
    return n;
}

static int compare_members(struct bytes a, struct bytes b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

uint64_t zset_below_member(const struct zset *z, struct bytes member, bool equal)
{
    struct order_place at;
    uint64_t n = 0;
    if (z->order.root)
        return order_from_member(&z->order, member, equal, &at) ? order_rank(&at) : z->n;
    while (n < z->n && compare_members(packed_pair(z, (unsigned)n).member, member) < (equal ? 1 : 0))
        n++;
    return n;
}

void zset_pairs(const struct zset *z, struct zset_pair *out)
{
    struct zset_place at;
    for (bool more = zset_at(z, 0, &at); more; more = zset_next(&at))
        *out++ = zset_pair(&at);
}

int zset_pair_order(const void *a, const void *b)
{
    const struct zset_pair *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return compare_members(x->member, y->member);
}

/* ---- building ---- */

/* What has a block of its own is never packed: nobody looks for blocks in an entry. */
static size_t packed_bytes(const struct zset_pair *pairs, uint64_t n)
{
    size_t bytes = 0;
    for (uint64_t i = 0; i < n && bytes <= COLL_PACKED_MAX; i++)
        bytes +=
            (pairs[i].member.n > COLL_PACKED_MAX ? COLL_PACKED_MAX + 1u : item_bytes(pairs[i].member.n)) +
            SCORE_ITEM;
    return bytes;
}

/* -0 is kept where a map is: the shorter encoding of Redis writes it as an integer. */
static double listpack_score(double score)
{
    return score == 0 ? 0 : score;
}

static enum rc put_packed(struct tx *tx, struct key_ref *k, uint32_t clock, const struct zset_pair *pairs,
                          uint64_t n)
{
    struct coll_shape shape = {.type = TYPE_ZSET, .enc = ENC_LISTPACK, .clock = clock};
    char buf[COLL_PACKED_MAX], *p = buf;
    for (uint64_t i = 0; i < n; i++) {
        enum rc rc = item_put(tx, p, pairs[i].member, &p);
        if (rc)
            return rc;
        *p++ = sizeof(double);
        double score = listpack_score(pairs[i].score);
        memcpy(p, &score, sizeof(double));
        p += sizeof(double);
    }
    return coll_put_packed(tx, k, &shape, (struct bytes){buf, (size_t)(p - buf)});
}

enum rc zset_order_build(struct tx *tx, shm_ref *root, const struct zset_pair *pairs, uint64_t n, bool plain)
{
    struct order_bulk b;
    enum rc rc = RC_OK;
    *root = 0;
    struct tree order = coll_tree_at(tx, root);
    order_bulk_begin(&b, &order);
    for (uint64_t i = 0; i < n && !rc; i++)
        rc = order_bulk_add(&b, plain ? listpack_score(pairs[i].score) : pairs[i].score, pairs[i].member);
    return order_bulk_end(&b, rc);
}

/* What the map is to have. */
struct mapped {
    struct tx *tx;
    const struct zset_pair *pairs;
    struct map_key *key; /* of the one that is told */
};

static void tell_mapped(const void *arg, uint64_t i, struct hmap_item *item)
{
    const struct mapped *m = arg;
    item->key = map_key(m->tx, m->pairs[i].member, m->key);
    item->value = (struct bytes){(const char *)&m->pairs[i].score, sizeof(double)};
    item->until_ms = 0;
}

static enum rc map_build(struct tx *tx, shm_ref *root, const struct zset_pair *pairs, uint64_t n)
{
    struct map_key key;
    struct mapped told = {tx, pairs, &key};
    struct hmap m = {coll_tree_at(tx, root), true};
    return hmap_build(&m, tell_mapped, &told, n);
}

static enum rc put_trees(struct tx *tx, struct key_ref *k, const struct coll_shape *shape,
                         const struct shm_zset *trees)
{
    shm_ref r = trees->order;
    if (shape->enc == ENC_SKIPLIST) {
        enum rc rc = tx_alloc(tx, sizeof(*trees), &r);
        if (rc)
            return rc;
        *(struct shm_zset *)shm_at(r) = *trees;
    }
    return coll_put_tree(tx, k, shape, r, false);
}

static enum rc put_pairs(struct tx *tx, struct key_ref *k, const struct coll_shape *shape,
                         const struct zset_pair *pairs, uint64_t n)
{
    struct shm_zset trees = {0};
    bool mapped = shape->enc == ENC_SKIPLIST;
    if (!mapped && packed_bytes(pairs, n) <= COLL_PACKED_MAX)
        return put_packed(tx, k, shape->clock, pairs, n);
    enum rc rc = mapped ? map_build(tx, &trees.map, pairs, n) : RC_OK;
    if (!rc)
        rc = zset_order_build(tx, &trees.order, pairs, n, !mapped);
    return rc ? rc : put_trees(tx, k, shape, &trees);
}

static bool outgrown(const struct zset_limits *l, uint64_t n, size_t value)
{
    return n > l->entries || value > l->value;
}

unsigned zset_enc(const struct zset_limits *l, const struct zset_pair *pairs, uint64_t n)
{
    size_t longest = 0;
    for (uint64_t i = 0; i < n; i++)
        longest = pairs[i].member.n > longest ? pairs[i].member.n : longest;
    return outgrown(l, n, longest) ? ENC_SKIPLIST : ENC_LISTPACK;
}

enum rc zset_store(struct tx *tx, struct key_ref *k, const struct zset_limits *l,
                   const struct zset_pair *pairs, uint64_t n)
{
    struct coll_shape shape = {.type = TYPE_ZSET, .enc = zset_enc(l, pairs, n), .clock = l->clock};
    enum rc rc = put_pairs(tx, k, &shape, pairs, n);
    return rc ? rc : key_set_expiry(tx, k, -1);
}

static enum rc copy_trees(struct tx *tx, const struct zset *z, struct key_ref *k,
                          const struct coll_shape *shape)
{
    struct shm_zset trees = {0};
    enum rc rc = tree_clone(tx, *z->order.root, &trees.order);
    if (!rc && z->map.root)
        rc = tree_clone(tx, *z->map.root, &trees.map);
    return rc ? rc : put_trees(tx, k, shape, &trees);
}

enum rc zset_copy(struct tx *tx, const struct shm_entry *from, struct key_ref *k, int64_t expiry_ms,
                  uint32_t clock)
{
    struct coll_shape shape = {.type = TYPE_ZSET, .enc = entry_enc(from), .clock = clock};
    struct zset_pair pairs[ZSET_PACKED_PAIRS];
    struct zset z;
    enum rc rc;
    zset_open(tx, from, &z);
    if (z.order.root) {
        rc = copy_trees(tx, &z, k, &shape);
    } else {
        zset_pairs(&z, pairs);
        rc = put_pairs(tx, k, &shape, pairs, z.n);
    }
    return rc ? rc : key_set_expiry(tx, k, expiry_ms);
}

/* ---- changing ---- */

/* The set without a..b, and with one pair more (NULL: none), written anew. */
static enum rc rewrite(struct tx *tx, struct key_ref *k, const struct coll_shape *shape, const struct zset *z,
                       uint64_t from, uint64_t to, const struct zset_pair *more)
{
    struct zset_pair few[ZSET_PACKED_PAIRS + 1], *out = few, one;
    struct zset_place at;
    uint64_t n = 0, i = 0;
    if (z->n > ZSET_PACKED_PAIRS)
        out = malloc((z->n + 1) * sizeof(*out));
    CHECK(out);
    out[0] = (struct zset_pair){0};
    for (bool go = zset_at(z, 0, &at); go; go = zset_next(&at), i++) {
        if (i >= from && i < to)
            continue;
        one = zset_pair(&at);
        if (more && zset_pair_order(&one, more) > 0) {
            out[n++] = *more;
            more = NULL;
        }
        out[n++] = one;
    }
    if (more)
        out[n++] = *more;
    enum rc rc = put_pairs(tx, k, shape, out, n);
    if (out != few)
        free(out);
    return rc;
}

/* The trees, ours to change; map->root is NULL where there is none. */
static enum rc own_trees(struct tx *tx, struct key_ref *k, struct tree *order, struct tree *map)
{
    struct shm_zset *s;
    map->root = NULL;
    if (entry_enc(key_entry(k)) != ENC_SKIPLIST)
        return coll_tree(tx, k, order);
    enum rc rc = coll_zset(tx, k, &s);
    if (rc)
        return rc;
    *order = coll_tree_at(tx, &s->order);
    *map = coll_tree_at(tx, &s->map);
    return RC_OK;
}

static enum rc order_add(struct tree *order, double score, struct bytes member)
{
    struct order_place at;
    bool same;
    order_find(order, score, member, &at, &same);
    return order_insert(order, &at, score, member);
}

/* The member's score becomes another, or (had false) it is new; m is where the map has it. */
static enum rc change_trees(struct tx *tx, struct key_ref *k, const struct zset_add *a, struct zset_place *at,
                            bool had, struct hmap_place *m)
{
    struct tree order;
    struct hmap map = {.pairs = true};
    struct map_key key;
    enum rc rc = own_trees(tx, k, &order, &map.tree);
    if (!rc && had)
        rc = order_del(&order, &at->tree);
    if (!rc)
        rc = order_add(&order, map.tree.root ? a->score : listpack_score(a->score), a->member);
    if (rc || !map.tree.root)
        return rc;
    key.hash = 0;
    return hmap_put(&map, m, map_key(tx, a->member, &key),
                    (struct bytes){(const char *)&a->score, sizeof(a->score)});
}

static enum rc add_new(struct tx *tx, struct key_ref *k, const struct zset_limits *l, struct zset *z,
                       struct zset_add *a, struct hmap_place *m)
{
    struct zset_pair pair = {a->score, a->member};
    struct coll_shape shape = {.type = TYPE_ZSET, .enc = ENC_LISTPACK, .clock = l->clock};
    a->did = ZSET_ADDED;
    if (z->map.root)
        return change_trees(tx, k, a, NULL, false, m);
    if (outgrown(l, z->n + 1, a->member.n))
        shape.enc = ENC_SKIPLIST;
    else if (z->order.root)
        return change_trees(tx, k, a, NULL, false, NULL);
    return rewrite(tx, k, &shape, z, 0, 0, &pair);
}

static enum rc add_over(struct tx *tx, struct key_ref *k, const struct zset_limits *l, struct zset_place *at,
                        struct zset_add *a, struct hmap_place *m)
{
    double was = zset_pair(at).score, score = a->flags & ZADD_INCR ? a->score + was : a->score;
    struct coll_shape shape = {.type = TYPE_ZSET, .enc = ENC_LISTPACK, .clock = l->clock};
    if (a->flags & ZADD_NX)
        return RC_OK;
    if (isnan(score))
        return RC_RANGE;
    if ((a->flags & ZADD_LT && score >= was) || (a->flags & ZADD_GT && score <= was))
        return RC_OK;
    a->score = score;
    a->did = score == was ? ZSET_SAME : ZSET_UPDATED;
    if (score == was)
        return RC_OK;
    if (at->z->order.root)
        return change_trees(tx, k, a, at, true, m);
    return rewrite(tx, k, &shape, at->z, at->index, at->index + 1u, &(struct zset_pair){score, a->member});
}

enum rc zset_add(struct tx *tx, struct key_ref *k, const struct zset_limits *l, struct zset_add *a)
{
    struct zset z;
    struct zset_place at;
    struct hmap_place m;
    bool found, taken = false;
    zset_open(tx, key_entry(k), &z);
    at.z = &z;
    a->did = ZSET_NOTHING;
    found = z.map.root ? find_mapped(&z, a->member, &m, &at, &taken) : find_plain(&z, a->member, &at);
    if (found)
        return add_over(tx, k, l, &at, a, &m);
    if (a->flags & ZADD_XX)
        return RC_OK;
    return taken ? RC_EXISTS : add_new(tx, k, l, &z, a, &m);
}

static enum rc remove_tree(struct tree *order, struct tree *map, struct order_place *at)
{
    struct hmap m = {*map, true};
    struct hmap_place place;
    struct map_key key;
    if (map->root) {
        CHECK(hmap_find(&m, map_key(order->tx, order_member(at), &key), &place, NULL));
        enum rc rc = hmap_del(&m, &place);
        if (rc)
            return rc;
    }
    return order_del(order, at);
}

enum rc zset_remove_ranks(struct tx *tx, struct key_ref *k, uint64_t from, uint64_t to)
{
    struct zset z;
    struct tree order, map;
    struct order_place at;
    struct coll_shape shape = {
        .type = TYPE_ZSET, .enc = ENC_LISTPACK, .clock = key_entry(k)->meta & 0xffffff};
    zset_open(tx, key_entry(k), &z);
    to = to > z.n ? z.n : to;
    if (from >= to)
        return RC_OK;
    if (to - from == z.n)
        return key_del(tx, k, false);
    if (!z.order.root)
        return rewrite(tx, k, &shape, &z, from, to, NULL);
    enum rc rc = own_trees(tx, k, &order, &map);
    while (!rc && to-- > from && order_at(&order, to, &at))
        rc = remove_tree(&order, &map, &at);
    return rc;
}

enum rc zset_remove(struct tx *tx, struct key_ref *k, struct bytes member, bool *found)
{
    struct zset z;
    struct zset_place at;
    struct tree order, map;
    zset_open(tx, key_entry(k), &z);
    *found = zset_find(&z, member, &at);
    if (!*found)
        return RC_OK;
    if (!z.order.root || z.n == 1)
        return zset_remove_ranks(tx, k, zset_rank(&at), zset_rank(&at) + 1);
    enum rc rc = own_trees(tx, k, &order, &map);
    return rc ? rc : remove_tree(&order, &map, &at.tree);
}
