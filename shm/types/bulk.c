#include "shm/types/bulk.h"
#include "shm/types/coll.h"
#include "shm/types/seq.h"

#include <stdlib.h>

/* ---- what is above the leaves ---- */

#define BULK_FAN (TREE_FAN * 3 / 4) /* some may be added before a node must be split */

void tree_bulk_begin(struct tree_bulk *b, struct tree *t)
{
    *b = (struct tree_bulk){.t = t};
}

enum rc tree_bulk_add(struct tree_bulk *b, const struct tree_child *leaf)
{
    if (b->n == b->room) {
        size_t room = b->room ? 2 * b->room : 64;
        struct tree_child *v = realloc(b->v, room * sizeof(*v));
        if (!v)
            return RC_NOMEM;
        b->v = v;
        b->room = room;
    }
    b->v[b->n++] = *leaf;
    return RC_OK;
}

/* The nodes of one level give way to those that are above them. */
static enum rc level_build(struct tree_bulk *b, unsigned level)
{
    size_t nodes = (b->n + BULK_FAN - 1) / BULK_FAN;
    for (size_t i = 0; i < nodes; i++) {
        size_t from = b->n * i / nodes, to = b->n * (i + 1) / nodes;
        struct tree_child node;
        enum rc rc = tree_inner_new(b->t, level, b->v + from, (unsigned)(to - from), &node);
        if (rc)
            return rc;
        b->v[i] = node;
    }
    b->n = nodes;
    return RC_OK;
}

enum rc tree_bulk_end(struct tree_bulk *b, enum rc rc)
{
    for (unsigned level = 1; b->n > 1 && !rc; level++)
        rc = level_build(b, level);
    if (!rc)
        *b->t->root = b->n ? b->v[0].ref : 0;
    free(b->v);
    return rc;
}

size_t bulk_leaf_bytes(size_t most, uint64_t mixed)
{
    return most * 5 / 8 + mixed % (most * 3 / 8 + 1);
}

/* ---- another tree like it ---- */

static enum rc clone_item(void *arg, char *item)
{
    const char *next;
    char *end;
    if (!item_is_far(item))
        return RC_OK;
    return item_put(arg, item, item_get(item, &next), &end);
}

static enum rc clone_items(struct tx *tx, struct shm_node *leaf)
{
    item_fn *fn = clone_item;
    return leaf->form == FORM_SEQ     ? seq_leaf_items(leaf, fn, tx)
           : leaf->form == FORM_ORDER ? order_leaf_items(leaf, fn, tx)
                                      : hmap_leaf_items(leaf, fn, tx);
}

static enum rc clone_leaf(struct tree *t, const struct shm_node *from, struct tree_child *out)
{
    enum rc rc = tree_leaf_new(t, from->form, from->room, &out->ref);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(out->ref);
    CHECK(leaf->room == from->room);
    memcpy(leaf, from, from->room);
    leaf->birth = t->birth;
    return clone_items(t->tx, leaf);
}

static enum rc clone_node(struct tree *t, const struct shm_node *from, struct tree_child *out)
{
    struct tree_child c[TREE_FAN];
    if (!from->level)
        return clone_leaf(t, from, out);
    memcpy(c, node_children(from), from->n * sizeof(*c));
    for (unsigned i = 0; i < from->n; i++) {
        enum rc rc = clone_node(t, shm_at(c[i].ref), &c[i]);
        if (rc)
            return rc;
    }
    return tree_inner_new(t, from->level, c, from->n, out);
}

enum rc tree_clone(struct tx *tx, shm_ref root, shm_ref *out)
{
    struct tree t = coll_tree_at(tx, out);
    struct tree_child top = {.ref = 0};
    enum rc rc = root ? clone_node(&t, shm_at(root), &top) : RC_OK;
    *out = top.ref;
    return rc;
}
