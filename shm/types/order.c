/* A leaf's members stand in their order, each behind its score. While the leaf has room a change moves what stands behind it,
 * under the undo log; else the leaf is built anew. */
#include "shm/types/order.h"
#include "shm/types/bulk.h"

#define LEAF_FEW 256u

uint64_t order_key(double score)
{
    uint64_t bits;
    score = score == 0 ? 0 : score;
    memcpy(&bits, &score, sizeof(bits));
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static inline double score_at(const char *p)
{
    double d;
    memcpy(&d, p, sizeof(d));
    return d;
}
static inline struct bytes member_at(const char *p, const char **next)
{
    return item_get(p + sizeof(double), next);
}
static inline const char *leaf_at(const struct shm_node *leaf, size_t offset)
{
    return (const char *)leaf + offset;
}

double order_score(const struct order_place *at)
{
    return score_at(leaf_at(at->path.leaf, at->at[at->index]));
}

struct bytes order_member(const struct order_place *at)
{
    const char *next;
    return member_at(leaf_at(at->path.leaf, at->at[at->index]), &next);
}

static int compare_bytes(struct bytes a, struct bytes b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : a.n < b.n ? -1 : a.n > b.n;
}

/* ---- finding ---- */

/* What is looked for: the first member for which this is true; it is true for all that follow. */
struct goal {
    double score;
    struct bytes member;
    enum { GOAL_PAIR, GOAL_SCORE, GOAL_SCORE_ABOVE, GOAL_MEMBER, GOAL_MEMBER_ABOVE } kind;
};

static bool reached(const struct goal *g, const char *p)
{
    const char *next;
    double score = score_at(p);
    switch (g->kind) {
    case GOAL_PAIR:
        return score != g->score ? score > g->score : compare_bytes(member_at(p, &next), g->member) >= 0;
    case GOAL_SCORE:
        return score >= g->score;
    case GOAL_SCORE_ABOVE:
        return score > g->score;
    case GOAL_MEMBER:
        return compare_bytes(member_at(p, &next), g->member) >= 0;
    case GOAL_MEMBER_ABOVE:
        return compare_bytes(member_at(p, &next), g->member) > 0;
    }
    return false;
}

static const char *first_under(shm_ref r)
{
    const struct shm_node *n = shm_at(r);
    while (n->level)
        n = shm_at(node_children(n)[0].ref);
    return leaf_at(n, n->start);
}

static inline bool by_member(const struct goal *g)
{
    return g->kind == GOAL_MEMBER || g->kind == GOAL_MEMBER_ABOVE;
}

/* Does this child, whose lowest score is the goal's if that counts, begin before the goal, or with it if the goal is a
 * certain member? */
static bool begins_before(const struct goal *g, const struct tree_child *c)
{
    const char *first = first_under(c->ref), *next;
    if (g->kind == GOAL_PAIR && score_at(first) == g->score)
        return compare_bytes(member_at(first, &next), g->member) <= 0;
    return !reached(g, first);
}

/* The last child that begins before the goal, or the first one. Only where the scores are the same are members looked at. */
static unsigned child_for(const struct shm_node *n, const struct goal *g)
{
    const struct tree_child *c = node_children(n);
    uint64_t key = order_key(g->score);
    unsigned lo = by_member(g) ? 0 : tree_child_below(c, n->n, key), hi = lo + 1u;
    while (hi < n->n && (by_member(g) || c[hi].low == key))
        hi += by_member(g) ? n->n - 1u : 1u;
    while (hi - lo > 1) {
        unsigned mid = (lo + hi) / 2;
        if (begins_before(g, &c[mid]))
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Finds where the leaf's members begin, up to number i. */
static void scan_to(struct order_place *at, unsigned i)
{
    const struct shm_node *leaf = at->path.leaf;
    const char *p = leaf_at(leaf, at->known ? at->at[at->known - 1] : leaf->start);
    if (at->known)
        member_at(p, &p);
    for (; at->known <= i; member_at(p, &p))
        at->at[at->known++] = (uint16_t)(p - (const char *)leaf);
}

/* Stands on member number i of the path's leaf. */
static bool stand(struct order_place *at, unsigned i)
{
    at->known = 0;
    at->index = i;
    scan_to(at, i);
    return true;
}

/* The first member of the leaf that reaches the goal, or its end. */
static void scan_leaf(struct order_place *at, const struct goal *g)
{
    const struct shm_node *leaf = at->path.leaf;
    const char *p = leaf_at(leaf, leaf->start);
    bool always = by_member(g);
    unsigned i = 0;
    /* Each member tells where the next one is, which is too late to ask for it. */
    for (size_t line = 64; line < leaf->end; line += 64)
        __builtin_prefetch(leaf_at(leaf, line));
    for (; i < leaf->n; i++) {
        at->at[i] = (uint16_t)(p - (const char *)leaf);
        if ((always || score_at(p) >= g->score) && reached(g, p))
            break;
        member_at(p, &p);
    }
    at->index = i;
    at->known = i < leaf->n ? i + 1 : i;
}

/* The place in the leaf where it belongs, also if that is behind its last member. */
static bool descend(const struct tree *t, const struct goal *g, struct order_place *at)
{
    struct tree_path *p = &at->path;
    struct shm_node *n = *t->root ? shm_at(*t->root) : NULL;
    p->depth = 0;
    for (; n && n->level; n = shm_at(node_children(n)[p->step[p->depth - 1].at].ref)) {
        CHECK(p->depth < TREE_DEPTH);
        p->step[p->depth].node = n;
        p->step[p->depth++].at = child_for(n, g);
    }
    p->leaf = n;
    at->index = at->known = 0;
    if (!n)
        return false;
    scan_leaf(at, g);
    return at->index < n->n;
}

/* Likewise, but on to the next leaf if need be. */
static bool seek(const struct tree *t, const struct goal *g, struct order_place *at)
{
    if (descend(t, g, at) || !at->path.leaf)
        return at->path.leaf;
    at->index--;
    return order_next(at);
}

/* For adding: the place is in the leaf where it belongs. For the rest, *same alone counts. */
bool order_find(const struct tree *t, double score, struct bytes member, struct order_place *at, bool *same)
{
    struct goal g = {score, member, GOAL_PAIR};
    bool found = descend(t, &g, at);
    *same = found && order_score(at) == score && bytes_equal(order_member(at), member);
    return found;
}

bool order_from(const struct tree *t, double score, bool above, struct order_place *at)
{
    return seek(t, &(struct goal){score, {NULL, 0}, above ? GOAL_SCORE_ABOVE : GOAL_SCORE}, at);
}

bool order_from_member(const struct tree *t, struct bytes member, bool above, struct order_place *at)
{
    return seek(t, &(struct goal){0, member, above ? GOAL_MEMBER_ABOVE : GOAL_MEMBER}, at);
}

bool order_at(const struct tree *t, uint64_t rank, struct order_place *at)
{
    uint64_t within;
    if (rank >= tree_count(*t->root))
        return false;
    tree_find_at(t, rank, &at->path, &within);
    return stand(at, (unsigned)within);
}

bool order_last(const struct tree *t, struct order_place *at)
{
    tree_last(t, &at->path);
    if (!at->path.leaf)
        return false;
    return stand(at, at->path.leaf->n - 1u);
}

bool order_next(struct order_place *at)
{
    if (at->index + 1u < at->path.leaf->n) {
        scan_to(at, ++at->index);
        return true;
    }
    if (!tree_next(&at->path))
        return false;
    return stand(at, 0);
}

bool order_prev(struct order_place *at)
{
    if (at->index) {
        at->index--;
        return true;
    }
    if (!tree_prev(&at->path))
        return false;
    return stand(at, at->path.leaf->n - 1u);
}

uint64_t order_rank(const struct order_place *at)
{
    return tree_before(&at->path) + at->index;
}

/* ---- changing ---- */

static char *put(struct tx *tx, char *to, double score, struct bytes member, enum rc *rc)
{
    memcpy(to, &score, sizeof(score));
    *rc = item_put(tx, to + sizeof(score), member, &to);
    return to;
}

static size_t put_bytes(struct bytes member)
{
    return sizeof(double) + item_bytes(member.n);
}

/* Bytes of the present members that a new leaf takes over. */
struct part {
    const char *from;
    size_t bytes;
    unsigned n;
};

static enum rc leaf_build(struct tree *t, const struct part *parts, unsigned nparts, struct tree_child *out)
{
    size_t bytes = sizeof(struct shm_node);
    for (unsigned i = 0; i < nparts; i++)
        bytes += parts[i].bytes;
    enum rc rc = tree_leaf_new(t, FORM_ORDER, tree_leaf_room(bytes), &out->ref);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(out->ref);
    for (unsigned i = 0; i < nparts; i++) {
        memcpy((char *)leaf + leaf->end, parts[i].from, parts[i].bytes);
        leaf->end = (uint16_t)(leaf->end + parts[i].bytes);
        leaf->n = (uint16_t)(leaf->n + parts[i].n);
    }
    out->low = order_key(score_at(leaf_at(leaf, leaf->start)));
    out->count = leaf->n;
    return RC_OK;
}

/* What stands in place of one leaf, or of two. */
struct remake {
    struct part part[3];
    unsigned n;
    size_t bytes; /* of all parts */
    size_t first; /* a leaf that is too long is cut behind so many bytes */
};

static void remake_add(struct remake *m, const char *from, const char *to, unsigned n)
{
    if (!n)
        return;
    m->part[m->n++] = (struct part){from, (size_t)(to - from), n};
    m->bytes += (size_t)(to - from);
}

/* Cuts a part in two after so many bytes; the rest is what is left of *p. The member in the middle goes to where more of it
 * stands, or a short one before a long one could not be told apart from it. */
static struct part part_cut(struct part *p, size_t bytes)
{
    struct part head = {p->from, 0, 0};
    while (p->n) {
        const char *next;
        member_at(p->from, &next);
        size_t one = (size_t)(next - p->from);
        if (head.bytes + one / 2 > bytes)
            break;
        head.bytes += one, head.n++;
        *p = (struct part){next, p->bytes - one, p->n - 1};
    }
    return head;
}

/* The parts in one leaf, or in two. */
static enum rc leaves_build(struct tree *t, const struct remake *m, struct tree_child with[2], unsigned *n)
{
    struct part half[2][4];
    unsigned nhalf[2] = {0, 0}, all = 0;
    size_t taken = 0;
    for (unsigned i = 0; i < m->n; i++)
        all += m->part[i].n;
    bool one = all < 2 || m->bytes + sizeof(struct shm_node) <= ORDER_LEAF;
    for (unsigned i = 0; i < m->n; i++) {
        struct part rest = m->part[i], head = part_cut(&rest, one ? SIZE_MAX : m->first - taken);
        if (head.n)
            half[0][nhalf[0]++] = head;
        if (rest.n)
            half[1][nhalf[1]++] = rest;
        taken = rest.n || taken + head.bytes > m->first ? m->first : taken + head.bytes;
    }
    enum rc rc = RC_OK;
    *n = 0;
    for (unsigned i = 0; i < 2 && !rc; i++)
        if (nhalf[i])
            rc = leaf_build(t, half[i], nhalf[i], &with[(*n)++]);
    return rc;
}

static enum rc put_parts(struct tree *t, struct tree_path *p, unsigned had, const struct remake *m)
{
    struct shm_node *old[2] = {p->leaf, had > 1 ? tree_neighbour(p) : NULL};
    struct tree_child with[2];
    unsigned n;
    enum rc rc = leaves_build(t, m, with, &n);
    if (!rc)
        rc = tree_replace(t, p, had, with, n);
    for (unsigned i = 0; i < 2 && !rc; i++)
        if (old[i])
            rc = tree_node_drop(t, old[i]);
    return rc;
}

/* Where to cut. Behind all others a member begins a new leaf, since what comes in order fills leaves that way. Else
 * near the middle, but not always there: leaves that were cut alike would all be full, and grow from one size of block to the
 * next, at the same time, and the arena were left with blocks of a size that nobody wants. */
static size_t cut_at(const struct order_place *at, const struct remake *m, double score, size_t last)
{
    struct tree_path p = at->path;
    if (at->index == p.leaf->n && !tree_next(&p))
        return m->bytes - last;
    uint64_t mixed = (order_key(score) ^ at->index) * 0x9e3779b97f4a7c15ull;
    return m->bytes * (6 + (mixed >> 61) % 5) / 16;
}

/* Moves the members from place cut on by so many bytes, and counts n more. The bytes that are moved are saved: some of them may be
 * nobody's afterwards, and be written to again by this transaction. */
static enum rc shift(struct tree *t, struct shm_node *leaf, const char *cut, long by, int n)
{
    char *from = (char *)(uintptr_t)cut;
    size_t bytes = (size_t)(leaf_at(leaf, leaf->end) - cut), gone = by < 0 ? (size_t)-by : 0;
    enum rc rc = tree_leaf_touch(t, leaf);
    if (!rc && bytes + gone)
        rc = tx_log(t->tx, from - gone, bytes + gone);
    if (rc)
        return rc;
    memmove(from + by, from, bytes);
    leaf->end = (uint16_t)(leaf->end + by);
    leaf->n = (uint16_t)(leaf->n + n);
    return RC_OK;
}

enum rc order_insert(struct tree *t, struct order_place *at, double score, struct bytes member)
{
    struct shm_node *leaf = at->path.leaf;
    size_t bytes = put_bytes(member);
    char fresh[sizeof(double) + ITEM_MAX + 3], *end;
    enum rc rc;
    const char *cut = !leaf ? NULL : leaf_at(leaf, at->index < leaf->n ? at->at[at->index] : leaf->end);
    end = put(t->tx, fresh, score, member, &rc);
    if (rc)
        return rc;
    if (leaf && tree_leaf_mine(t, leaf) && leaf->end + bytes <= leaf->room &&
        leaf->end + bytes <= ORDER_LEAF) {
        rc = shift(t, leaf, cut, (long)bytes, 1);
        if (rc)
            return rc;
        bytes_copy((char *)(uintptr_t)cut, fresh, bytes);
        return tree_count_add(t, &at->path, 1);
    }
    struct remake m = {.n = 0};
    remake_add(&m, leaf ? leaf_at(leaf, leaf->start) : NULL, cut, at->index);
    remake_add(&m, fresh, end, 1);
    if (leaf)
        remake_add(&m, cut, leaf_at(leaf, leaf->end), leaf->n - at->index);
    if (leaf)
        m.first = cut_at(at, &m, score, bytes);
    return put_parts(t, &at->path, 1, &m);
}

enum rc order_del(struct tree *t, struct order_place *at)
{
    struct shm_node *leaf = at->path.leaf, *next = tree_neighbour(&at->path);
    const char *from = leaf_at(leaf, at->at[at->index]), *to;
    enum rc rc = item_free(t, from + sizeof(double));
    member_at(from, &to);
    if (rc)
        return rc;
    size_t left = (size_t)(leaf->end - leaf->start) - (size_t)(to - from);
    bool joins = left && next && left < LEAF_FEW && left + (next->end - next->start) < ORDER_LEAF * 3 / 4;
    if (left && !joins && tree_leaf_mine(t, leaf) && left >= leaf->room / 2) {
        rc = shift(t, leaf, to, from - to, -1);
        return rc ? rc : tree_count_add(t, &at->path, -1);
    }
    struct remake m = {.n = 0};
    remake_add(&m, leaf_at(leaf, leaf->start), from, at->index);
    remake_add(&m, to, leaf_at(leaf, leaf->end), leaf->n - at->index - 1u);
    if (joins)
        remake_add(&m, leaf_at(next, next->start), leaf_at(next, next->end), next->n);
    m.first = m.bytes / 2;
    return put_parts(t, &at->path, joins ? 2 : 1, &m);
}

enum rc order_leaf_free(struct tree *t, struct shm_node *leaf)
{
    const char *p = leaf_at(leaf, leaf->start);
    for (unsigned i = 0; i < leaf->n; i++) {
        enum rc rc = item_free(t, p + sizeof(double));
        if (rc)
            return rc;
        member_at(p, &p);
    }
    return RC_OK;
}

void order_leaf_blocks(const struct shm_node *leaf, void (*fn)(void *arg, shm_ref r, uint64_t bytes),
                       void *arg)
{
    const char *p = leaf_at(leaf, leaf->start);
    for (unsigned i = 0; i < leaf->n; i++) {
        item_block(p + sizeof(double), fn, arg);
        member_at(p, &p);
    }
}

enum rc order_leaf_items(struct shm_node *leaf, item_fn *fn, void *arg)
{
    const char *p = leaf_at(leaf, leaf->start);
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < leaf->n && !rc; i++) {
        char *item = (char *)(uintptr_t)p + sizeof(double);
        member_at(p, &p);
        rc = fn(arg, item);
    }
    return rc;
}

/* ---- building a whole one ---- */

void order_bulk_begin(struct order_bulk *b, struct tree *t)
{
    tree_bulk_begin(&b->leaves, t);
    b->n = 0;
    b->used = 0;
}

static enum rc bulk_flush(struct order_bulk *b)
{
    struct part part = {b->items, b->used, b->n};
    struct tree_child leaf;
    if (!b->n)
        return RC_OK;
    b->n = 0;
    b->used = 0;
    enum rc rc = leaf_build(b->leaves.t, &part, 1, &leaf);
    return rc ? rc : tree_bulk_add(&b->leaves, &leaf);
}

enum rc order_bulk_add(struct order_bulk *b, double score, struct bytes member)
{
    enum rc rc = RC_OK;
    if (b->n && sizeof(struct shm_node) + b->used + put_bytes(member) > b->most)
        rc = bulk_flush(b);
    if (rc)
        return rc;
    if (!b->n)
        b->most = bulk_leaf_bytes(ORDER_LEAF, (order_key(score) + b->leaves.n) * 0x9e3779b97f4a7c15ull >> 32);
    char *end = put(b->leaves.t->tx, b->items + b->used, score, member, &rc);
    b->used = (size_t)(end - b->items);
    b->n++;
    return rc;
}

enum rc order_bulk_end(struct order_bulk *b, enum rc rc)
{
    return tree_bulk_end(&b->leaves, rc ? rc : bulk_flush(b));
}
