/* No latch is held: a word is followed only when the bucket's version, looked at after the word was read, says that nothing has
 * changed since the key was looked up. Then it led to memory of the arena, whatever that holds by now. */
#include "shm/types/warm.h"
#include "shm/base/hash.h"
#include "shm/keylock.h"
#include "shm/types/hmap.h"
#include "shm/types/order.h"

#define LINE        64u
#define LEVEL_LEAST 2u /* the root's: what is smaller stays in the caches by itself */

/* Where ways begin: a key, looked up. */
struct top {
    const struct key_ref *k;
    uint32_t version;
    bool pairs;
    shm_ref root, order; /* order: of a sorted set, whose root is the map's */
};

struct way {
    const struct top *top;
    uint64_t key; /* the last child with a bound below it is wanted: a score's, or what follows a hash */
    const struct shm_node *node;
    const char *item;
    struct tree_way *found; /* where tree_find looks for it; NULL: it goes down an order, not a map */
    unsigned depth;
};

static inline bool still(const struct top *t)
{
    return key_read_valid(t->k, t->version);
}

__attribute__((always_inline)) static inline void fetch(const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += LINE)
        __builtin_prefetch((const char *)from + i);
}

/* ---- where the trees begin ---- */

/* Who has locked a key changes its value while the bucket's version stands still (it changed when the key was locked). So while any
 * are locked, the entry must be this very key's, and nobody's. */
static bool is_free(const struct top *t, shm_ref entry)
{
    struct key_ref own = *t->k;
    uint32_t version;
    if (LIKELY(!keylocks_any(arena_root())))
        return true;
    return !key_read_begin(&own, &version) && version == t->version && own.entry == entry;
}

READS_RACILY static bool find_root(const struct key_ref *k, struct top *t)
{
    *t = (struct top){.k = k, .version = latch_load(&k->bucket->latch)};
    unsigned m = bucket_match(k->bucket, k->tag);
    uint64_t slot = m ? __atomic_load_n(&k->bucket->slot[__builtin_ctz(m)], __ATOMIC_RELAXED) : 0;
    if (!slot || latch_owner(t->version) || !is_free(t, SLOT_REF(slot)) || !still(t))
        return false;
    /* Its name is not compared: another key's tree would be fetched for nothing, that is all. */
    const struct shm_entry *e = shm_at(SLOT_REF(slot));
    struct shm_entry head;
    __atomic_load((const uint64_t *)e, (uint64_t *)&head, __ATOMIC_RELAXED);
    unsigned type = head.type_enc >> 4, enc = head.type_enc & 15;
    if (!(head.flags & ENTRY_TREE) || type == TYPE_LIST || enc == ENC_LISTPACK)
        return false;
    t->root =
        __atomic_load_n((const uint64_t *)(e + 1) + (head.flags & ENTRY_EXPIRES ? 1 : 0), __ATOMIC_RELAXED);
    t->pairs = type != TYPE_SET;
    if (!still(t))
        return false;
    if (enc == ENC_SKIPLIST) {
        const struct shm_zset *z = shm_at(t->root);
        t->order = z->order;
        t->root = z->map;
    }
    return still(t) && t->root;
}

/* Is the tree so large that ways down are worth the while? */
READS_RACILY static bool is_large(shm_ref root)
{
    const struct shm_node *n = root ? shm_at(root) : NULL;
    return n && n->level >= LEVEL_LEAST;
}

/* ---- the ways down ---- */

/* One level down. False: the way ends, at a leaf, or since something has changed. */
READS_RACILY static bool step_down(struct way *y)
{
    const struct shm_node *n = y->node;
    if (!n || !n->level)
        return false;
    unsigned children = n->n, level = n->level;
    const struct tree_child *c = node_children(n);
    bool sound = children && children <= TREE_FAN;
    unsigned at = sound ? tree_child_below(c, children, y->key) : 0;
    shm_ref ref = sound ? c[at].ref : 0;
    if (!ref || !still(y->top)) {
        y->node = NULL;
        return false;
    }
    if (y->found && y->depth < TREE_WAY_MOST) {
        y->found->node[y->depth] = shm_ref_of(n);
        y->found->at[y->depth] = (uint8_t)at;
        y->found->depth = level == 1 ? (uint16_t)(y->depth + 1) : 0;
        y->depth++;
    }
    y->node = shm_at(ref);
    /* Of an inner node, the head and what its first three comparisons look at. */
    __builtin_prefetch(y->node);
    for (unsigned i = 16; level > 1 && i < 64; i += 16)
        __builtin_prefetch(&node_children(y->node)[i]);
    return true;
}

static void all_down(struct way *y, unsigned n)
{
    bool more = true;
    for (unsigned depth = 0; more && depth < TREE_DEPTH; depth++) {
        more = false;
        for (unsigned i = 0; i < n; i++)
            more |= step_down(&y[i]);
    }
}

/* A map's leaf: its slots, and where the next item goes. */
READS_RACILY static void fetch_slots(struct way *y)
{
    const struct shm_node *n = y->node;
    if (!n)
        return;
    size_t slots = sizeof(uint32_t) * n->n, room = n->room;
    if (n->level || slots > room || room > NODE_MAX || !still(y->top)) {
        y->node = NULL;
        return;
    }
    fetch((const char *)n + (room - slots) / LINE * LINE, slots + LINE - 1);
    __builtin_prefetch((const char *)n + n->end, 1);
}

/* The first item with the hash's print. */
READS_RACILY static void fetch_item(struct way *y)
{
    const struct shm_node *n = y->node;
    y->item = NULL;
    if (!n)
        return;
    /* Both may be others than they were before: behind the arena's last node nothing is mapped. */
    size_t room = __atomic_load_n(&n->room, __ATOMIC_RELAXED);
    unsigned slots = __atomic_load_n(&n->n, __ATOMIC_RELAXED);
    if (room > NODE_MAX || sizeof(uint32_t) * slots > room)
        return;
    const uint32_t *end = (const uint32_t *)(const void *)((const char *)n + room);
    for (unsigned i = 0; i < slots; i += HMAP_PRINTS) {
        unsigned m = hmap_prints(end - i, slots - i, y->key - 1);
        if (!m)
            continue;
        if (still(y->top)) {
            unsigned at = i + hmap_print_first(m);
            y->item = (const char *)n + (end[-1 - (int)at] >> 16);
            y->found->slot = (uint16_t)(at + 1);
            __builtin_prefetch(y->item);
        }
        return;
    }
}

/* ---- sorted sets ---- */

/* About the number that stands there. */
static bool rough_score(struct bytes b, double *out)
{
    double sum = 0, unit = 1;
    bool minus = b.n && b.p[0] == '-', point = false;
    for (size_t i = minus; i < b.n; i++) {
        char c = b.p[i];
        if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9') {
            sum = sum * 10 + (c - '0');
            unit *= point ? 10 : 1;
        } else {
            return false;
        }
    }
    *out = minus ? -sum / unit : sum / unit;
    return b.n;
}

/* The score that the map has for the member: behind the hash, each with its length before it. */
READS_RACILY static bool mapped_score(const struct way *y, double *out)
{
    if (!y->item)
        return false;
    memcpy(out, y->item + 1 + sizeof(uint64_t) + 1, sizeof(*out));
    return still(y->top);
}

/* More than the first few lines would be hints that the core drops; the search asks for the others. */
READS_RACILY static void fetch_leaf(const struct way *y)
{
    const struct shm_node *n = y->node;
    if (n && !n->level && n->end <= NODE_MAX)
        fetch((const char *)n + LINE, n->end > 5 * LINE ? 4 * LINE : n->end - LINE);
}

/* The places of the old scores and of the new ones. */
static void warm_orders(const struct way *y, const struct warm *const *w, unsigned n)
{
    struct way o[2 * WARM_MOST];
    unsigned m = 0;
    for (unsigned i = 0; i < n; i++) {
        double score[2];
        bool has[2] = {mapped_score(&y[i], &score[0]), rough_score(w[i]->score, &score[1])};
        for (unsigned j = 0; j < 2 && is_large(y[i].top->order); j++) {
            if (!has[j])
                continue;
            o[m].top = y[i].top;
            o[m].key = order_key(score[j]);
            o[m].node = shm_at(y[i].top->order);
            o[m++].found = NULL;
        }
    }
    all_down(o, m);
    for (unsigned i = 0; i < m; i++)
        fetch_leaf(&o[i]);
}

/* ---- all of it ---- */

static uint64_t hash_of(const struct shm_ctx *ctx, const struct top *t, struct bytes member)
{
    uint64_t h;
    if (t->order) { /* the map's keys are hashes */
        h = key_hash(ctx->root, member);
        member = (struct bytes){(const char *)&h, sizeof(h)};
    }
    return hash_keep(ctx->root->seed, member);
}

static void way_begin(struct way *y, const struct top *t, uint64_t hash)
{
    y->top = t;
    y->key = hash + 1;
    y->node = shm_at(t->root);
    y->depth = 0;
    y->found = tree_way_of(hash);
    y->found->key = hash;
    y->found->depth = y->found->slot = 0;
}

unsigned warm_members(const struct shm_ctx *ctx, const struct warm *w, unsigned n)
{
    struct top tops[WARM_MOST], *t = tops;
    struct way y[WARM_MOST];
    const struct warm *of[WARM_MOST];
    const struct key_ref *k = NULL;
    unsigned m = 0, found = 0;
    bool large = false, sorted = false;
    for (unsigned i = 0; i < n && i < WARM_MOST; i++) {
        if (!k || k->hash != w[i].k->hash || k->bucket != w[i].k->bucket) { /* most often they are the same */
            t = &tops[i];
            large = find_root(w[i].k, t) && is_large(t->root);
        }
        k = w[i].k;
        if (!large)
            continue;
        way_begin(&y[m], t, hash_of(ctx, t, w[i].member));
        of[m++] = &w[i];
        sorted |= t->order;
    }
    if (!m)
        return 0;
    all_down(y, m);
    for (unsigned i = 0; i < m; i++)
        fetch_slots(&y[i]);
    for (unsigned i = 0; i < m; i++)
        fetch_item(&y[i]);
    if (sorted)
        warm_orders(y, of, m);
    for (unsigned i = 0; i < m; i++)
        found += y[i].node != NULL;
    return found;
}
