/* A leaf's items stand one behind the other, each followed by its own length (back), so that both ends are open: bytes before
 * start and behind end are nobody's. Pushing writes there and changes the head alone; popping changes the head alone.
 *
 *  head | free | item back | item back | ... | free |         back: one byte, or two bytes and 251
 *
 * As long as all items of a leaf have the same length, the head tells it once: they stand there bare, and the n-th is found by
 * multiplying. One of another length makes the leaf a plain one.
 *
 * Of a list whose tree has a depth, leaves that lie deeper are compressed (seq_compress.h): when a push has added a leaf, the
 * one that is now behind the window is compressed, and what is built anew beyond it is compressed at once. A compressed leaf
 * that has come to stand at an end is built plainly by the first change there. */
#include "shm/types/seq_parts.h"

#define LEAF_MAX   NODE_MAX
#define LEAF_FIRST 256u /* a new leaf at an end has room for so much, and doubles */
#define LEAF_FEW   1024u

/* The item that ends (with its back) at p. */
static inline const char *item_before(const char *p, unsigned width)
{
    uint8_t c = (uint8_t)p[-1];
    uint16_t n;
    if (width)
        return p - width;
    if (LIKELY(c < ITEM_TWO))
        return p - 1 - c;
    memcpy(&n, p - 3, sizeof(n));
    return p - 3 - n;
}

/* Of a plain leaf. */
static inline char *leaf_start(const struct shm_node *l)
{
    return (char *)(uintptr_t)l + l->start;
}
static inline char *leaf_end(const struct shm_node *l)
{
    return (char *)(uintptr_t)l + l->end;
}

/* ---- finding ---- */

static bool leaf_open(struct seq_place *at)
{
    at->item = NULL;
    if (!at->path.leaf)
        return false;
    at->items = seq_leaf_view(at->path.leaf, at->side);
    return true;
}

static void leaf_front(struct seq_place *at)
{
    at->index = 0;
    at->item = at->items.p;
}

static void leaf_back(struct seq_place *at)
{
    at->index = at->path.leaf->n - 1u;
    at->item = item_before(at->items.end, at->items.width);
}

bool seq_first(const struct tree *t, struct seq_place *at)
{
    tree_first(t, &at->path);
    at->side = t->side;
    if (!leaf_open(at))
        return false;
    leaf_front(at);
    return true;
}

bool seq_last(const struct tree *t, struct seq_place *at)
{
    tree_last(t, &at->path);
    at->side = t->side;
    if (!leaf_open(at))
        return false;
    leaf_back(at);
    return true;
}

bool seq_next(struct seq_place *at)
{
    if (at->index + 1u < at->path.leaf->n) {
        at->index++;
        at->item = behind_item(at->item, at->items.width);
        return true;
    }
    if (!tree_next(&at->path) || !leaf_open(at))
        return false;
    leaf_front(at);
    return true;
}

bool seq_prev(struct seq_place *at)
{
    if (at->index) {
        at->index--;
        at->item = item_before(at->item, at->items.width);
        return true;
    }
    if (!tree_prev(&at->path) || !leaf_open(at))
        return false;
    leaf_back(at);
    return true;
}

/* From the nearer end of the leaf. */
bool seq_at(const struct tree *t, uint64_t pos, struct seq_place *at)
{
    uint64_t within;
    at->item = NULL;
    if (pos >= tree_count(*t->root))
        return false;
    tree_find_at(t, pos, &at->path, &within);
    at->side = t->side;
    leaf_open(at);
    unsigned width = at->items.width;
    if (width) {
        at->index = (unsigned)within;
        at->item = at->items.p + within * width;
    } else if (within < at->path.leaf->n / 2u) {
        for (leaf_front(at); at->index < within; at->index++)
            at->item = behind_item(at->item, 0);
    } else {
        for (leaf_back(at); at->index > within; at->index--)
            at->item = item_before(at->item, 0);
    }
    return true;
}

struct bytes seq_items_next(const struct seq_items *items, const char **p)
{
    const char *item = *p, *next;
    *p = behind_item(item, items->width);
    return items->width ? (struct bytes){item, items->width} : item_get(item, &next);
}

uint64_t seq_position(const struct seq_place *at)
{
    return tree_before(&at->path) + at->index;
}

/* ---- building ---- */

/* What a leaf is to hold: runs of items that exist, and one that is added. */
struct run {
    const char *p; /* NULL: the added one */
    size_t bytes;
    unsigned n, width;
};
struct build {
    struct tree *t;
    struct run run[3];
    unsigned runs;
    struct bytes add;
    unsigned n, width;   /* width 0: not all are equally long */
    size_t bytes, plain; /* what they take, and what they would if each told its length */
    bool deep;           /* what it makes lies deep enough */
};

static void take_run(struct build *b, const struct run *r)
{
    if (!r->n)
        return;
    b->width = !b->runs || b->width == r->width ? r->width : 0;
    b->run[b->runs++] = *r;
    b->n += r->n;
    b->plain += r->width ? r->n * whole_bytes(r->width) : r->bytes;
    b->bytes = b->width ? (size_t)b->n * b->width : b->plain;
}

/* So many items of a leaf. */
static void take(struct build *b, const char *from, const char *to, unsigned n, unsigned width)
{
    take_run(b, &(struct run){from, (size_t)(to - from), n, width});
}

static void take_leaf(struct build *b, const struct shm_node *leaf, struct seq_side *side)
{
    struct seq_items items = seq_leaf_view(leaf, side);
    take(b, items.p, items.end, leaf->n, items.width);
}

static void take_new(struct build *b, struct bytes add)
{
    b->add = add;
    take_run(b, &(struct run){NULL, whole_bytes(add.n), 1, seq_width(add.n)});
}

static enum rc runs_put(struct build *b, char *at, char **end)
{
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < b->runs && !rc; i++) {
        const struct run *r = &b->run[i];
        if (!r->p && !b->width) {
            rc = whole_put(b->t->tx, at, b->add, &at);
        } else if (r->width == b->width) {
            memcpy(at, r->p ? r->p : b->add.p, r->p ? r->bytes : b->width);
            at += r->p ? r->bytes : b->width;
        } else {
            rc = whole_put_all(b->t->tx, at, r->p, r->n, r->width, &at);
        }
    }
    *end = at;
    return rc;
}

/* The same as one run of items that stand on the side, and compressed. out->ref is 0 if that saves too little. */
static enum rc leaf_build_compressed(struct build *b, struct seq_side *side, struct tree_child *out)
{
    char *end;
    *out = (struct tree_child){.count = b->n};
    enum rc rc = runs_put(b, side->b, &end);
    b->run[0] = (struct run){side->b, b->bytes, b->n, b->width};
    b->runs = 1;
    return rc ? rc : seq_compress(b->t, &(struct seq_items){side->b, end, b->width}, b->n, &out->ref);
}

/* One leaf for all of it. before, behind: bytes that stay free at the ends. */
static enum rc leaf_build_plain(struct build *b, size_t before, size_t behind, struct tree_child *out)
{
    enum rc rc =
        tree_leaf_new(b->t, FORM_SEQ, sizeof(struct shm_node) + before + b->bytes + behind, &out->ref);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(out->ref);
    /* What the block has beyond what was asked for is of use where room was asked for. */
    size_t slack = leaf->room - sizeof(*leaf) - b->bytes;
    leaf->start = (uint16_t)(sizeof(*leaf) + (before ? slack - behind : 0));
    char *end;
    rc = runs_put(b, leaf_start(leaf), &end);
    leaf->end = (uint16_t)(end - (char *)leaf);
    leaf->n = (uint16_t)b->n;
    leaf->spare = (uint16_t)b->width;
    out->low = 0;
    out->count = b->n;
    return rc;
}

static enum rc leaf_build(struct build *b, size_t before, size_t behind, struct tree_child *out)
{
    struct seq_side side;
    if (LIKELY(!b->deep))
        return leaf_build_plain(b, before, behind, out);
    enum rc rc = leaf_build_compressed(b, &side, out);
    return rc || out->ref ? rc : leaf_build_plain(b, 0, 0, out);
}

static enum rc replace_leaf(struct tree *t, struct tree_path *p, const struct tree_child *with, unsigned n)
{
    struct shm_node *old = p->leaf;
    enum rc rc = tree_replace(t, p, 1, with, n);
    return rc || !old ? rc : tree_node_drop(t, old);
}

/* ---- the window ---- */

/* As many leaves on, towards the end or the front. False: there are not so many. */
static bool skip_leaves(struct tree_path *p, uint64_t leaves, bool back)
{
    while (leaves && p->depth) {
        unsigned d = p->depth - 1, last = p->step[d].node->n - 1u, at = p->step[d].at;
        unsigned here = back ? at : last - at;
        if (leaves <= here) {
            p->step[d].at = back ? at - (unsigned)leaves : at + (unsigned)leaves;
            p->leaf = shm_at(node_children(p->step[d].node)[p->step[d].at].ref);
            return true;
        }
        leaves -= here + 1;
        p->step[d].at = back ? 0 : last;
        if (!(back ? tree_prev(p) : tree_next(p)))
            return false;
    }
    return !leaves;
}

/* Does the path's leaf lie deeper than depth, from either end? */
static bool is_deep(const struct tree *t, const struct tree_path *p)
{
    if (!t->depth)
        return false;
    struct tree_path front = *p, back = *p;
    return skip_leaves(&front, t->depth, true) && skip_leaves(&back, t->depth, false);
}

/* A leaf has been added: compresses the one that has left the window at this end. */
static enum rc window_left(struct tree *t, bool front)
{
    struct tree_path p;
    struct tree_child with = {.low = 0};
    if (front)
        tree_first(t, &p);
    else
        tree_last(t, &p);
    if (!t->depth || !skip_leaves(&p, t->depth, !front) || p.leaf->form != FORM_SEQ || !is_deep(t, &p))
        return RC_OK;
    struct shm_node *leaf = p.leaf;
    struct seq_items items = seq_leaf_view(leaf, NULL);
    enum rc rc = seq_compress(t, &items, leaf->n, &with.ref);
    with.count = leaf->n;
    return rc || !with.ref ? rc : replace_leaf(t, &p, &with, 1);
}

/* ---- the ends ---- */

/* What the item takes in this leaf as it is; SIZE_MAX: it does not go there. */
static inline size_t bytes_there(const struct shm_node *leaf, size_t n)
{
    if (leaf->spare)
        return leaf->spare == n ? n : SIZE_MAX;
    return whole_bytes(n);
}

/* It takes n bytes. */
static enum rc push_in_place(struct tree *t, struct tree_path *p, struct bytes b, size_t n, bool front)
{
    struct shm_node *leaf = p->leaf;
    char *at = front ? leaf_start(leaf) - n : leaf_end(leaf), *end;
    enum rc rc = tree_leaf_touch(t, leaf);
    if (rc)
        return rc;
    if (leaf->spare)
        memcpy(at, b.p, n);
    else
        rc = whole_put(t->tx, at, b, &end);
    if (rc)
        return rc;
    if (front)
        leaf->start = (uint16_t)(leaf->start - n);
    else
        leaf->end = (uint16_t)(leaf->end + n);
    leaf->n++;
    return tree_count_add(t, p, 1);
}

/* A collection of one small leaf grows by an eighth, so that it stays small; other leaves double. */
static size_t room_to_grow(size_t bytes, bool alone)
{
    size_t more = bytes >= 512 ? bytes : alone ? bytes / 8 : LEAF_FIRST;
    size_t left = LEAF_MAX - sizeof(struct shm_node) - bytes;
    return more < left ? more : left;
}

/* The outermost leaf is built anew with the item, or stays beside a new one. */
static enum rc push_built(struct tree *t, struct tree_path *p, struct bytes b, bool front)
{
    struct tree_child with[2];
    struct shm_node *leaf = p->leaf;
    struct build bd = {.t = t};
    struct seq_side side;
    if (front)
        take_new(&bd, b);
    if (leaf)
        take_leaf(&bd, leaf, &side);
    if (!front)
        take_new(&bd, b);
    bool fits = bd.bytes <= LEAF_MAX - sizeof(struct shm_node);
    if (!fits) {
        bd = (struct build){.t = t};
        take_new(&bd, b);
    }
    size_t room = !leaf ? 0 : fits ? room_to_grow(bd.bytes, !p->depth) : LEAF_FIRST;
    enum rc rc = leaf_build(&bd, front ? room : 0, front ? 0 : room, &with[!front && !fits]);
    if (rc)
        return rc;
    if (fits)
        return replace_leaf(t, p, with, 1);
    with[front] = (struct tree_child){0, shm_ref_of(leaf), leaf->n};
    rc = tree_replace(t, p, 1, with, 2);
    return rc ? rc : window_left(t, front);
}

enum rc seq_push(struct tree *t, struct bytes b, bool front)
{
    struct tree_path p;
    if (front)
        tree_first(t, &p);
    else
        tree_last(t, &p);
    struct shm_node *leaf = p.leaf;
    if (leaf && leaf->form == FORM_SEQ && tree_leaf_mine(t, leaf)) {
        size_t n = bytes_there(leaf, b.n);
        size_t free_bytes = front ? leaf->start - sizeof(*leaf) : (size_t)(leaf->room - leaf->end);
        if (n <= free_bytes)
            return push_in_place(t, &p, b, n, front);
    }
    return push_built(t, &p, b, front);
}

enum rc seq_pop(struct tree *t, bool front)
{
    struct seq_place at;
    uint64_t gone;
    if (!(front ? seq_first(t, &at) : seq_last(t, &at)))
        return RC_MISSING;
    return seq_del(t, &at, 1, &gone);
}

/* ---- anywhere ---- */

/* Cuts what does not fit into one leaf in two, at an item near the middle. */
static void cut_halves(const struct build *b, struct build half[2])
{
    unsigned h = 0;
    for (unsigned i = 0; i < b->runs; i++) {
        const struct run *r = &b->run[i];
        const char *at = r->p;
        unsigned n = 0;
        if (!r->p) {
            take_new(&half[h], b->add);
            h |= half[0].plain * 2 >= b->plain;
            continue;
        }
        for (size_t done = half[0].plain; !h && n < r->n && done * 2 < b->plain; n++) {
            const char *next = behind_item(at, r->width);
            done += r->width ? whole_bytes(r->width) : (size_t)(next - at);
            at = next;
        }
        if (!h)
            take(&half[0], r->p, at, n, r->width);
        h |= half[0].plain * 2 >= b->plain;
        take(&half[1], at, r->p + r->bytes, r->n - n, r->width);
    }
}

static enum rc put_halves(struct build *b, struct tree_path *p)
{
    struct build half[2] = {{.t = b->t, .deep = b->deep}, {.t = b->t, .deep = b->deep}};
    struct tree_child with[2];
    enum rc rc = RC_OK;
    cut_halves(b, half);
    for (unsigned i = 0; i < 2 && !rc; i++)
        rc = leaf_build(&half[i], 0, half[i].bytes / 16, &with[i]);
    if (!rc)
        rc = replace_leaf(b->t, p, with, 2);
    if (!rc)
        rc = window_left(b->t, true);
    return rc ? rc : window_left(b->t, false);
}

static enum rc put_built(struct build *b, struct tree_path *p)
{
    struct tree_child with;
    b->deep = is_deep(b->t, p);
    if (b->bytes + sizeof(struct shm_node) > LEAF_MAX)
        return put_halves(b, p);
    if (!b->n)
        return replace_leaf(b->t, p, NULL, 0);
    size_t left = LEAF_MAX - sizeof(struct shm_node) - b->bytes, room = b->bytes / 16;
    enum rc rc = leaf_build(b, 0, room < left ? room : left, &with);
    return rc ? rc : replace_leaf(b->t, p, &with, 1);
}

enum rc seq_insert(struct tree *t, struct seq_place *at, struct bytes b, bool behind)
{
    struct shm_node *leaf = at->path.leaf;
    unsigned width = at->items.width;
    const char *cut = behind ? behind_item(at->item, width) : at->item;
    unsigned before = at->index + behind;
    struct build bd = {.t = t};
    take(&bd, at->items.p, cut, before, width);
    take_new(&bd, b);
    take(&bd, cut, at->items.end, leaf->n - before, width);
    return put_built(&bd, &at->path);
}

enum rc seq_replace(struct tree *t, struct seq_place *at, struct bytes b)
{
    struct shm_node *leaf = at->path.leaf;
    unsigned width = at->items.width;
    const char *next = behind_item(at->item, width);
    enum rc rc = width ? RC_OK : item_free(t, at->item);
    if (rc)
        return rc;
    struct build bd = {.t = t};
    take(&bd, at->items.p, at->item, at->index, width);
    take_new(&bd, b);
    take(&bd, next, at->items.end, leaf->n - at->index - 1u, width);
    return put_built(&bd, &at->path);
}

/* Items that stand at an end of the leaf go by its head. Their bytes are saved as well, since this transaction may push
 * something there. */
static enum rc shorten(struct tree *t, struct seq_place *at, const char *to, unsigned n)
{
    struct shm_node *leaf = at->path.leaf;
    enum rc rc = tx_log(t->tx, (char *)(uintptr_t)at->item, (size_t)(to - at->item));
    if (!rc)
        rc = tree_leaf_touch(t, leaf);
    if (rc)
        return rc;
    if (at->index == 0)
        leaf->start = (uint16_t)(to - (const char *)leaf);
    else
        leaf->end = (uint16_t)(at->item - (const char *)leaf);
    leaf->n = (uint16_t)(leaf->n - n);
    return tree_count_add(t, &at->path, -(int64_t)n);
}

/* Two leaves of few items become one, if both are small enough. */
static enum rc join(const struct build *b, struct tree_path *p, struct shm_node *next, bool *joined)
{
    struct tree_child with;
    struct seq_side side;
    struct shm_node *old = p->leaf;
    struct build both = *b;
    take_leaf(&both, next, &side);
    *joined = both.bytes < LEAF_MAX / 2;
    if (!*joined)
        return RC_OK;
    both.deep = is_deep(b->t, p);
    enum rc rc = leaf_build(&both, 0, both.bytes / 16, &with);
    if (!rc)
        rc = tree_replace(b->t, p, 2, &with, 1);
    if (!rc)
        rc = tree_node_drop(b->t, old);
    return rc ? rc : tree_node_drop(b->t, next);
}

/* The blocks of so many items of a leaf, from p on; *end is behind them. */
static enum rc items_free(struct tree *t, const char *p, unsigned width, unsigned n, const char **end)
{
    enum rc rc = RC_OK;
    *end = p + (size_t)n * width;
    if (width)
        return RC_OK;
    for (; n-- && !rc; p = behind_item(p, 0))
        rc = item_free(t, p);
    *end = p;
    return rc;
}

enum rc seq_del(struct tree *t, struct seq_place *at, uint64_t n, uint64_t *gone)
{
    struct shm_node *leaf = at->path.leaf, *next = tree_neighbour(&at->path);
    const struct seq_items *items = &at->items;
    const char *to;
    unsigned left = leaf->n - at->index, count = n < left ? (unsigned)n : left;
    enum rc rc = items_free(t, at->item, items->width, count, &to);
    if (rc)
        return rc;
    *gone = count;
    struct build bd = {.t = t};
    take(&bd, items->p, at->item, at->index, items->width);
    take(&bd, to, items->end, left - count, items->width);
    bool end = at->index == 0 || count == left, joined = false;
    if (next && bd.n && at->index && bd.bytes < LEAF_FEW && bd.bytes + seq_leaf_bytes(next) < LEAF_MAX / 2)
        rc = join(&bd, &at->path, next, &joined);
    if (rc || joined)
        return rc;
    if (end && bd.n && leaf->form == FORM_SEQ && tree_leaf_mine(t, leaf) && bd.bytes * 8 > leaf->room)
        return shorten(t, at, to, count);
    return put_built(&bd, &at->path);
}

enum rc seq_leaf_free(struct tree *t, struct shm_node *leaf)
{
    struct seq_side side;
    struct seq_items items = seq_leaf_view(leaf, &side);
    return items_free(t, items.p, items.width, leaf->n, &items.p);
}

void seq_leaf_blocks(const struct shm_node *leaf, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg)
{
    struct seq_side side;
    struct seq_items items = seq_leaf_view(leaf, &side);
    for (unsigned i = 0; i < leaf->n && !items.width; i++, items.p = behind_item(items.p, 0))
        item_block(items.p, fn, arg);
}

enum rc seq_leaf_items(struct shm_node *leaf, item_fn *fn, void *arg)
{
    char *p = (char *)leaf + leaf->start;
    enum rc rc = RC_OK;
    DCHECK(leaf->form == FORM_SEQ);
    for (unsigned i = 0; i < leaf->n && !leaf->spare && !rc; i++) {
        char *item = p;
        p = (char *)(uintptr_t)behind_item(p, 0);
        rc = fn(arg, item);
    }
    return rc;
}

bool seq_any_compressed(shm_ref root)
{
    const struct shm_node *n = root ? shm_at(root) : NULL;
    if (!n || !n->level)
        return n && n->form == FORM_SEQ_COMPRESSED;
    for (unsigned i = 0; i < n->n; i++)
        if (seq_any_compressed(node_children(n)[i].ref))
            return true;
    return false;
}
