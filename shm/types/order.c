/* A leaf's members stand in their order, each behind its score. A change in the middle builds the leaf anew (a copy of at
 * most a kilobyte); a member behind all others is written behind the end, since scores are often times. */
#include "shm/types/order.h"

#define LEAF_FEW 256u

/* Scores as numbers in the same order. -0 is 0. */
static uint64_t score_key(double score)
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

/* Does this child begin before the goal, or with it if the goal is a certain member? Only where the scores are the
 * same is its first member looked at. */
static bool begins_before(const struct goal *g, const struct tree_child *c)
{
    uint64_t key = score_key(g->score);
    if (g->kind != GOAL_MEMBER && g->kind != GOAL_MEMBER_ABOVE && c->low != key)
        return c->low < key;
    const char *first = first_under(c->ref), *next;
    if (g->kind == GOAL_PAIR && score_at(first) == g->score)
        return compare_bytes(member_at(first, &next), g->member) <= 0;
    return !reached(g, first);
}

/* The last child that begins before the goal, or the first one. */
static unsigned child_for(const struct shm_node *n, const struct goal *g)
{
    const struct tree_child *c = node_children(n);
    unsigned lo = 0, hi = n->n;
    while (hi - lo > 1) {
        unsigned mid = (lo + hi) / 2;
        if (begins_before(g, &c[mid]))
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static void scan_leaf(struct order_place *at)
{
    const struct shm_node *leaf = at->path.leaf;
    const char *p = leaf_at(leaf, leaf->start);
    for (unsigned i = 0; i < leaf->n; i++) {
        at->at[i] = (uint16_t)(p - (const char *)leaf);
        member_at(p, &p);
    }
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
    at->index = 0;
    if (!n)
        return false;
    scan_leaf(at);
    while (at->index < n->n && !reached(g, leaf_at(n, at->at[at->index])))
        at->index++;
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
    at->index = (unsigned)within;
    scan_leaf(at);
    return true;
}

bool order_last(const struct tree *t, struct order_place *at)
{
    tree_last(t, &at->path);
    if (!at->path.leaf)
        return false;
    at->index = at->path.leaf->n - 1u;
    scan_leaf(at);
    return true;
}

bool order_next(struct order_place *at)
{
    if (at->index + 1u < at->path.leaf->n) {
        at->index++;
        return true;
    }
    if (!tree_next(&at->path))
        return false;
    at->index = 0;
    scan_leaf(at);
    return true;
}

bool order_prev(struct order_place *at)
{
    if (at->index) {
        at->index--;
        return true;
    }
    if (!tree_prev(&at->path))
        return false;
    at->index = at->path.leaf->n - 1u;
    scan_leaf(at);
    return true;
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
    size_t room = bytes + bytes / 16;
    enum rc rc = tree_leaf_new(t, FORM_ORDER, room < NODE_MAX ? room : bytes, &out->ref);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(out->ref);
    for (unsigned i = 0; i < nparts; i++) {
        memcpy((char *)leaf + leaf->end, parts[i].from, parts[i].bytes);
        leaf->end = (uint16_t)(leaf->end + parts[i].bytes);
        leaf->n = (uint16_t)(leaf->n + parts[i].n);
    }
    out->low = score_key(score_at(leaf_at(leaf, leaf->start)));
    out->count = leaf->n;
    return RC_OK;
}

/* The members of all parts in one leaf, or in two. */
static enum rc put_parts(struct tree *t, struct tree_path *p, unsigned had, struct part *parts,
                         unsigned nparts)
{
    struct shm_node *old[2] = {p->leaf, had > 1 ? tree_neighbour(p) : NULL};
    struct tree_child with[2];
    struct part half[2][4];
    unsigned nhalf[2] = {0, 0}, h = 0, n = 0, nwith = 0;
    size_t bytes = sizeof(struct shm_node), sum = 0;
    for (unsigned i = 0; i < nparts; i++) {
        bytes += parts[i].bytes;
        n += parts[i].n;
    }
    for (unsigned i = 0; i < nparts; i++) {
        struct part left = parts[i];
        if (bytes > ORDER_LEAF && n > 1 && !h) { /* up to the middle goes to the first half */
            struct part first = {left.from, 0, 0};
            while (left.n && sum * 2 < bytes - sizeof(struct shm_node)) {
                const char *next;
                member_at(left.from, &next);
                size_t one = (size_t)(next - left.from);
                first.bytes += one, first.n++, sum += one;
                left = (struct part){next, left.bytes - one, left.n - 1};
            }
            if (first.n)
                half[0][nhalf[0]++] = first;
            h = sum * 2 >= bytes - sizeof(struct shm_node);
        }
        if (left.n)
            half[h][nhalf[h]++] = left;
    }
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < 2 && !rc; i++)
        if (nhalf[i])
            rc = leaf_build(t, half[i], nhalf[i], &with[nwith++]);
    if (!rc)
        rc = tree_replace(t, p, had, with, nwith);
    for (unsigned i = 0; i < 2 && !rc; i++)
        if (old[i])
            rc = tree_node_drop(t, old[i]);
    return rc;
}

enum rc order_insert(struct tree *t, struct order_place *at, double score, struct bytes member)
{
    struct shm_node *leaf = at->path.leaf;
    size_t bytes = put_bytes(member);
    char fresh[sizeof(double) + ITEM_MAX + 3], *end;
    enum rc rc;
    if (leaf && at->index == leaf->n && tree_leaf_mine(t, leaf) && leaf->end + bytes <= leaf->room &&
        leaf->end + bytes <= ORDER_LEAF) {
        rc = tree_leaf_touch(t, leaf);
        if (rc)
            return rc;
        end = put(t->tx, (char *)leaf + leaf->end, score, member, &rc);
        if (rc)
            return rc;
        leaf->end = (uint16_t)(end - (char *)leaf);
        leaf->n++;
        return tree_count_add(t, &at->path, 1);
    }
    end = put(t->tx, fresh, score, member, &rc);
    if (rc)
        return rc;
    struct part parts[3];
    unsigned n = 0;
    const char *cut = !leaf ? NULL : leaf_at(leaf, at->index < leaf->n ? at->at[at->index] : leaf->end);
    if (at->index)
        parts[n++] =
            (struct part){leaf_at(leaf, leaf->start), (size_t)(cut - leaf_at(leaf, leaf->start)), at->index};
    parts[n++] = (struct part){fresh, (size_t)(end - fresh), 1};
    if (leaf && at->index < leaf->n)
        parts[n++] = (struct part){cut, (size_t)(leaf_at(leaf, leaf->end) - cut), leaf->n - at->index};
    return put_parts(t, &at->path, 1, parts, n);
}

enum rc order_del(struct tree *t, struct order_place *at)
{
    struct shm_node *leaf = at->path.leaf, *next = tree_neighbour(&at->path);
    const char *from = leaf_at(leaf, at->at[at->index]), *to;
    struct part parts[3];
    unsigned n = 0;
    size_t left = 0;
    enum rc rc = item_free(t, from + sizeof(double));
    member_at(from, &to);
    if (rc)
        return rc;
    if (at->index)
        parts[n++] =
            (struct part){leaf_at(leaf, leaf->start), (size_t)(from - leaf_at(leaf, leaf->start)), at->index};
    if (at->index + 1u < leaf->n)
        parts[n++] = (struct part){to, (size_t)(leaf_at(leaf, leaf->end) - to), leaf->n - at->index - 1u};
    for (unsigned i = 0; i < n; i++)
        left += parts[i].bytes;
    if (n && next && left < LEAF_FEW && left + (next->end - next->start) < ORDER_LEAF * 3 / 4) {
        parts[n++] = (struct part){leaf_at(next, next->start), (size_t)(next->end - next->start), next->n};
        return put_parts(t, &at->path, 2, parts, n);
    }
    return put_parts(t, &at->path, 1, parts, n);
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
