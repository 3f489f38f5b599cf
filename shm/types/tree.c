/* Inner nodes. A change of structure builds the node anew; a mere change of a child's place or count is made in place,
 * under the undo log. */
#include "shm/types/tree.h"
#include "shm/snapshot.h"
#include "shm/types/hmap.h"
#include "shm/types/order.h"
#include "shm/types/seq.h"

static inline struct shm_node *node_at(shm_ref r)
{
    return shm_at(r);
}

uint64_t tree_count(shm_ref root)
{
    uint64_t sum = 0;
    if (!root)
        return 0;
    const struct shm_node *n = node_at(root);
    if (!n->level)
        return n->n;
    const struct tree_child *c = node_children(n);
#pragma GCC unroll 4
    for (unsigned i = 0; i < n->n; i++)
        sum += c[i].count;
    return sum;
}

/* ---- ways down ---- */

/* The last child whose lowest key is not above. */
static unsigned child_for(const struct shm_node *n, uint64_t key)
{
    return key == UINT64_MAX ? n->n - 1u : tree_child_below(node_children(n), n->n, key + 1);
}

static struct shm_node *step_down(struct tree_path *p, struct shm_node *n, unsigned at)
{
    CHECK(p->depth < TREE_DEPTH);
    p->step[p->depth].node = n;
    p->step[p->depth++].at = at;
    return node_at(node_children(n)[at].ref);
}

static struct shm_node *begin(const struct tree *t, struct tree_path *p)
{
    p->depth = 0;
    p->leaf = *t->root ? node_at(*t->root) : NULL;
    return p->leaf;
}

struct tree_way *tree_way_of(uint64_t key)
{
    static _Thread_local struct tree_way ways[TREE_WAYS];
    return &ways[key % TREE_WAYS];
}

/* Goes the way that was found ahead, if it leads where the key belongs: each node is looked at because the tree says that it is there.
 * What the way says of the next one lets the core look there at the same time. */
static bool find_known(const struct tree *t, uint64_t key, struct tree_path *p)
{
    const struct tree_way *w = tree_way_of(key);
    shm_ref r = *t->root;
    if (w->key != key || !w->depth || !r || node_at(r)->level != w->depth)
        return false;
    for (unsigned d = 0; d < w->depth; d++) {
        struct shm_node *n = node_at(w->node[d]);
        unsigned at = w->at[d];
        const struct tree_child *c = node_children(n) + at;
        if (r != w->node[d] || at >= n->n || (at && c->low > key) || (at + 1u < n->n && c[1].low <= key))
            return false;
        p->step[d].node = n;
        p->step[d].at = at;
        r = c->ref;
    }
    p->depth = w->depth;
    p->leaf = node_at(r);
    return true;
}

void tree_find(const struct tree *t, uint64_t key, struct tree_path *p)
{
    if (find_known(t, key, p))
        return;
    struct shm_node *n = begin(t, p);
    while (n && n->level)
        n = step_down(p, n, child_for(n, key));
    p->leaf = n;
}

void tree_find_at(const struct tree *t, uint64_t pos, struct tree_path *p, uint64_t *within)
{
    struct shm_node *n = begin(t, p);
    while (n && n->level) {
        const struct tree_child *c = node_children(n);
        unsigned i = 0;
        for (; i + 1u < n->n && pos >= c[i].count; i++)
            pos -= c[i].count;
        n = step_down(p, n, i);
    }
    p->leaf = n;
    *within = pos;
}

static void to_edge(struct tree_path *p, struct shm_node *n, bool last)
{
    while (n && n->level)
        n = step_down(p, n, last ? n->n - 1u : 0);
    p->leaf = n;
}

void tree_first(const struct tree *t, struct tree_path *p)
{
    to_edge(p, begin(t, p), false);
}

void tree_last(const struct tree *t, struct tree_path *p)
{
    to_edge(p, begin(t, p), true);
}

bool tree_next(struct tree_path *p)
{
    for (unsigned d = p->depth; d--;)
        if (p->step[d].at + 1u < p->step[d].node->n) {
            p->step[d].at++;
            p->depth = d + 1;
            to_edge(p, node_at(node_children(p->step[d].node)[p->step[d].at].ref), false);
            return true;
        }
    return false;
}

bool tree_prev(struct tree_path *p)
{
    for (unsigned d = p->depth; d--;)
        if (p->step[d].at) {
            p->step[d].at--;
            p->depth = d + 1;
            to_edge(p, node_at(node_children(p->step[d].node)[p->step[d].at].ref), true);
            return true;
        }
    return false;
}

uint64_t tree_before(const struct tree_path *p)
{
    uint64_t sum = 0;
    for (unsigned d = 0; d < p->depth; d++)
        for (unsigned i = 0; i < p->step[d].at; i++)
            sum += node_children(p->step[d].node)[i].count;
    return sum;
}

uint64_t tree_low(const struct tree_path *p)
{
    for (unsigned d = p->depth; d--;)
        if (p->step[d].at)
            return node_children(p->step[d].node)[p->step[d].at].low;
    return 0;
}

uint64_t tree_high(const struct tree_path *p)
{
    for (unsigned d = p->depth; d--;)
        if (p->step[d].at + 1u < p->step[d].node->n)
            return node_children(p->step[d].node)[p->step[d].at + 1].low - 1;
    return UINT64_MAX;
}

struct shm_node *tree_neighbour(const struct tree_path *p)
{
    unsigned d = p->depth - 1;
    if (!p->depth || p->step[d].at + 1u >= p->step[d].node->n)
        return NULL;
    return node_at(node_children(p->step[d].node)[p->step[d].at + 1].ref);
}

/* ---- nodes ---- */

static enum rc node_new(struct tree *t, unsigned level, uint8_t form, size_t bytes, shm_ref *out)
{
    bytes = block_bytes(bytes);
    enum rc rc = tx_alloc(t->tx, bytes, out);
    if (rc)
        return rc;
    *node_at(*out) = (struct shm_node){.birth = t->birth,
                                       .level = (uint8_t)level,
                                       .form = form,
                                       .start = 16,
                                       .end = 16,
                                       .room = (uint16_t)bytes};
    return RC_OK;
}

size_t tree_leaf_room(size_t bytes)
{
    static const uint16_t rooms[] = {128, 256, 384, 512, 640, 832, 1024};
    for (unsigned i = 0; i < ARRAY_LEN(rooms); i++)
        if (bytes <= rooms[i])
            return rooms[i];
    return bytes;
}

enum rc tree_leaf_new(struct tree *t, uint8_t form, size_t bytes, shm_ref *out)
{
    CHECK(bytes <= NODE_MAX);
    return node_new(t, 0, form, bytes, out);
}

/* What a snapshot may still need is its own to free. */
static enum rc block_drop(struct tree *t, shm_ref r, uint64_t bytes, bool older)
{
    return UNLIKELY(t->shared) && older ? snapshot_hand_block(t->tx, r) : tx_free(t->tx, r, bytes);
}

enum rc tree_node_drop(struct tree *t, struct shm_node *n)
{
    return block_drop(t, shm_ref_of(n), n->room, n->birth != t->birth);
}

bool tree_leaf_mine(const struct tree *t, const struct shm_node *leaf)
{
    return !t->shared || leaf->birth == t->birth;
}

enum rc tree_leaf_touch(struct tree *t, struct shm_node *leaf)
{
    return tx_log(t->tx, leaf, sizeof(*leaf));
}

enum rc tree_inner_new(struct tree *t, unsigned level, const struct tree_child *c, unsigned n,
                       struct tree_child *out)
{
    shm_ref r;
    enum rc rc = node_new(t, level, 0, sizeof(struct shm_node) + n * sizeof(*c), &r);
    if (rc)
        return rc;
    struct shm_node *node = node_at(r);
    node->n = (uint16_t)n;
    memcpy(node_children(node), c, n * sizeof(*c));
    *out = (struct tree_child){.low = c[0].low, .ref = r};
    for (unsigned i = 0; i < n; i++)
        out->count += c[i].count;
    return RC_OK;
}

/* ---- changes in place ---- */

/* The root word of a collection that is being built may lie on the stack: it is nobody's afterwards, and the log
 * must not put it back. */
static enum rc root_set(struct tree *t, shm_ref r)
{
    bool shared = shm_ref_of(t->root) < t->tx->ctx->root->arena_bytes;
    enum rc rc = shared ? tx_log(t->tx, t->root, sizeof(*t->root)) : RC_OK;
    if (!rc)
        *t->root = r;
    return rc;
}

/* The inner nodes of the path become ours to change, from the root on. */
static enum rc path_own(struct tree *t, struct tree_path *p)
{
    for (unsigned d = 0; t->shared && d < p->depth; d++) {
        struct shm_node *n = p->step[d].node;
        struct tree_child copy;
        if (n->birth == t->birth)
            continue;
        enum rc rc = tree_inner_new(t, n->level, node_children(n), n->n, &copy);
        if (!rc && d == 0)
            rc = root_set(t, copy.ref);
        if (rc)
            return rc;
        if (d) /* the parent is ours by now, and of this transaction or saved below */
            rc = tx_log(t->tx, &node_children(p->step[d - 1].node)[p->step[d - 1].at].ref, sizeof(shm_ref));
        if (rc)
            return rc;
        if (d)
            node_children(p->step[d - 1].node)[p->step[d - 1].at].ref = copy.ref;
        p->step[d].node = node_at(copy.ref);
        rc = tree_node_drop(t, n);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* Adds to the counts of the path's first so many steps. */
static enum rc counts_add(struct tree *t, struct tree_path *p, unsigned steps, int64_t more)
{
    for (unsigned d = 0; d < steps && more; d++) {
        uint64_t *at = &node_children(p->step[d].node)[p->step[d].at].count;
        enum rc rc = tx_log(t->tx, at, sizeof(*at));
        if (rc)
            return rc;
        *at += (uint64_t)more;
    }
    return RC_OK;
}

enum rc tree_count_add(struct tree *t, struct tree_path *p, int64_t more)
{
    enum rc rc = path_own(t, p);
    return rc ? rc : counts_add(t, p, p->depth, more);
}

/* ---- changes of structure ---- */

/* A root that is no longer needed to tell its children apart. */
static enum rc root_lower(struct tree *t)
{
    for (struct shm_node *n; *t->root && (n = node_at(*t->root))->level && n->n == 1;) {
        enum rc rc = root_set(t, node_children(n)[0].ref);
        if (!rc)
            rc = tree_node_drop(t, n);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc root_raise(struct tree *t, const struct tree_child *with, unsigned n, unsigned level)
{
    struct tree_child root;
    if (n < 2)
        return root_set(t, n ? with[0].ref : 0);
    enum rc rc = tree_inner_new(t, level, with, n, &root);
    return rc ? rc : root_set(t, root.ref);
}

/* The children of one node after a change: in one node, or in two halves. */
static enum rc inner_build(struct tree *t, unsigned level, const struct tree_child *c, unsigned n,
                           struct tree_child out[2], unsigned *nout)
{
    unsigned first = n <= TREE_FAN ? n : n / 2;
    enum rc rc = RC_OK;
    *nout = 0;
    if (first)
        rc = tree_inner_new(t, level, c, first, &out[(*nout)++]);
    if (!rc && n > first)
        rc = tree_inner_new(t, level, c + first, n - first, &out[(*nout)++]);
    return rc;
}

static int64_t count_sum(const struct tree_child *c, unsigned n)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += c[i].count;
    return (int64_t)sum;
}

/* A node with few children takes in its neighbour, so that deletions do not leave a tree of near-empty nodes. */
#define FEW_CHILDREN (TREE_FAN / 4)

/* Children [at, at + had) of step d give way to n others. One for one is done in place; otherwise the node is built
 * anew, which is the same problem one level above. */
static enum rc splice(struct tree *t, struct tree_path *p, unsigned d, unsigned had,
                      const struct tree_child *with, unsigned n)
{
    struct tree_child all[2 * TREE_FAN + 4], fresh[2];
    struct shm_node *node = p->step[d].node;
    struct tree_child *c = node_children(node);
    unsigned at = p->step[d].at, nfresh, took = 1, m = 0;
    int64_t more = count_sum(with, n) - count_sum(c + at, had);
    if (had == 1 && n == 1) {
        enum rc rc = tx_log(t->tx, &c[at], sizeof(c[at]));
        if (rc)
            return rc;
        c[at].ref = with->ref;
        c[at].count = with->count;
        return counts_add(t, p, d, more);
    }
    memcpy(all, c, at * sizeof(*c));
    m = at;
    if (n) {
        memcpy(all + m, with, n * sizeof(*c));
        all[at].low = c[at].low; /* the bound stays where it is, whatever now stands first behind it */
        m += n;
    }
    memcpy(all + m, c + at + had, (node->n - at - had) * sizeof(*c));
    m += node->n - at - had;
    struct shm_node *next = NULL;
    if (m && m < FEW_CHILDREN && d && p->step[d - 1].at + 1u < p->step[d - 1].node->n) {
        next = node_at(node_children(p->step[d - 1].node)[p->step[d - 1].at + 1].ref);
        uint64_t low = node_children(p->step[d - 1].node)[p->step[d - 1].at + 1].low;
        memcpy(all + m, node_children(next), next->n * sizeof(*c));
        all[m].low = low; /* a first child's own may be lower than what its parent says */
        m += next->n;
        took = 2;
    }
    enum rc rc = inner_build(t, node->level, all, m, fresh, &nfresh);
    if (!rc)
        rc = d ? splice(t, p, d - 1, took, fresh, nfresh) : root_raise(t, fresh, nfresh, node->level + 1u);
    if (!rc)
        rc = tree_node_drop(t, node);
    return rc || !next ? rc : tree_node_drop(t, next);
}

enum rc tree_replace(struct tree *t, struct tree_path *p, unsigned had, const struct tree_child *with,
                     unsigned n)
{
    CHECK(had <= 2 && n <= 4);
    enum rc rc = path_own(t, p);
    if (!rc)
        rc = p->depth ? splice(t, p, p->depth - 1, had, with, n) : root_raise(t, with, n, 1);
    return rc ? rc : root_lower(t);
}

enum rc tree_shed(struct tree *t, unsigned max, tree_leaf_fn *leaf_fn)
{
    for (unsigned i = 0; i < max && *t->root; i++) {
        struct tree_path p;
        tree_last(t, &p);
        struct shm_node *leaf = p.leaf;
        enum rc rc = leaf_fn(t, leaf);
        if (!rc)
            rc = tree_replace(t, &p, 1, NULL, 0);
        if (!rc)
            rc = tree_node_drop(t, leaf);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* ---- items ---- */

enum rc item_put(struct tx *tx, char *to, struct bytes b, char **end)
{
    if (LIKELY(b.n < ITEM_TWO)) {
        *to++ = (char)b.n;
    } else if (b.n <= ITEM_MAX) {
        uint16_t n = (uint16_t)b.n;
        *to++ = (char)ITEM_TWO;
        memcpy(to, &n, sizeof(n));
        to += sizeof(n);
    } else {
        uint64_t far[2] = {0, b.n};
        enum rc rc = tx_alloc(tx, b.n, &far[0]);
        if (rc)
            return rc;
        memcpy(shm_at(far[0]), b.p, b.n);
        *to++ = (char)ITEM_FAR;
        memcpy(to, far, sizeof(far));
        *end = to + sizeof(far);
        return RC_OK;
    }
    bytes_copy(to, b.p, b.n);
    *end = to + b.n;
    return RC_OK;
}

enum rc item_free(struct tree *t, const char *item)
{
    const char *next;
    if (!item_is_far(item))
        return RC_OK;
    return block_drop(t, item_far(item), item_get(item, &next).n, true); /* a block does not tell its age */
}

/* ---- trees to be freed ---- */

static tree_leaf_fn *leaf_free_of(const struct shm_node *leaf)
{
    switch (leaf->form) {
    case FORM_SEQ:
    case FORM_SEQ_COMPRESSED:
        return seq_leaf_free;
    case FORM_ORDER:
        return order_leaf_free;
    default:
        return hmap_leaf_free;
    }
}

static enum rc leaf_free_any(struct tree *t, struct shm_node *leaf)
{
    return leaf_free_of(leaf)(t, leaf);
}

enum rc tree_free_leaf(struct tx *tx, shm_ref leaf)
{
    struct tree t = {.tx = tx};
    enum rc rc = leaf_free_any(&t, shm_at(leaf));
    return rc ? rc : tree_node_drop(&t, shm_at(leaf));
}

enum rc trees_latch(struct tx *tx)
{
    enum rc rc = tx->trees ? RC_OK : tx_latch(tx, &tx->ctx->root->trees_latch);
    tx->trees |= !rc;
    return rc;
}

/* A transaction that lasts gathers its dead trees, and takes the latch that all share when it ends. */
static enum rc bury_later(struct tx *tx, shm_ref root)
{
    shm_ref block;
    enum rc rc = tx_alloc(tx, sizeof(struct shm_dead_tree), &block);
    if (rc)
        return rc;
    *(struct shm_dead_tree *)shm_at(block) = (struct shm_dead_tree){.next = tx->buried, .root = root};
    tx->buried_last = tx->buried_last ? tx->buried_last : block;
    tx->buried = block;
    tx->nburied++;
    return RC_OK;
}

enum rc tree_bury(struct tx *tx, shm_ref root)
{
    if (!root)
        return RC_OK;
    enum rc rc = tx->locks ? RC_OK : trees_latch(tx);
    if (!rc)
        rc = bury_later(tx, root);
    return rc || tx->locks ? rc : trees_bury(tx);
}

enum rc trees_bury(struct tx *tx)
{
    struct shm_root *root = tx->ctx->root;
    shm_ref first = tx->buried;
    if (!first)
        return RC_OK;
    ((struct shm_dead_tree *)shm_at(tx->buried_last))->next = tx_word(tx, &root->dead_trees, 0);
    enum rc rc = tx_set_word(tx, &root->ndead_trees, tx_word(tx, &root->ndead_trees, 0) + tx->nburied, 0);
    tx->buried = tx->buried_last = tx->nburied = 0;
    return rc ? rc : tx_set_word(tx, &root->dead_trees, first, 0);
}

/* A snapshot may still need what has been buried: nothing is freed while one goes on. */
static enum rc shed_first(struct tx *tx, unsigned max)
{
    struct shm_root *root = tx->ctx->root;
    enum rc rc = tx_latch(tx, &root->trees_latch);
    if (rc || !root->dead_trees)
        return rc ? rc : RC_MISSING;
    struct shm_dead_tree *d = shm_at(root->dead_trees);
    struct tree t = {.tx = tx, .root = &d->root};
    rc = tree_shed(&t, max, leaf_free_any);
    if (rc || d->root)
        return rc;
    rc = tx_redo(tx, &root->dead_trees, d->next);
    if (!rc)
        rc = tx_redo(tx, &root->ndead_trees, root->ndead_trees - 1);
    tx->ctx->slot->stats.lazyfreed += !rc;
    return rc ? rc : tx_free(tx, shm_ref_of(d), sizeof(*d));
}

#define SHED_ONCE 16u /* leaves of one transaction: some 10 us */

bool trees_step(struct shm_ctx *ctx, unsigned max)
{
    for (unsigned n = 0; n < max; n += SHED_ONCE) {
        struct tx tx;
        if (!__atomic_load_n(&ctx->root->dead_trees, __ATOMIC_RELAXED) || !batch_enter(ctx))
            return false;
        if (snapshot_goes_on(ctx->root)) {
            batch_leave(ctx);
            return false;
        }
        tx_begin(&tx, ctx);
        enum rc rc = shed_first(&tx, SHED_ONCE);
        tx_end(&tx, rc);
        batch_leave(ctx);
        if (rc)
            return rc != RC_MISSING;
    }
    return true;
}

struct blocks {
    void (*fn)(void *arg, shm_ref r, uint64_t bytes);
    void *arg;
};

static void leaf_items(const struct shm_node *leaf, const struct blocks *b)
{
    if (leaf->form == FORM_HMAP || leaf->form == FORM_HMAP_PAIRS)
        hmap_leaf_blocks(leaf, b->fn, b->arg);
    else if (leaf->form == FORM_ORDER)
        order_leaf_blocks(leaf, b->fn, b->arg);
    else
        seq_leaf_blocks(leaf, b->fn, b->arg);
}

static void node_blocks(const struct shm_node *n, const struct blocks *b)
{
    b->fn(b->arg, shm_ref_of(n), n->room);
    for (unsigned i = 0; n->level && i < n->n; i++)
        node_blocks(shm_at(node_children(n)[i].ref), b);
    if (!n->level)
        leaf_items(n, b);
}

void tree_blocks(shm_ref root, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg)
{
    if (root)
        node_blocks(shm_at(root), &(struct blocks){fn, arg});
}
