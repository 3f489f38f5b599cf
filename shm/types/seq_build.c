/* A sequence of many items at once: they fill one leaf after the other. Each is full, as those are that pushes leave behind. */
#include "shm/types/bulk.h"
#include "shm/types/seq_parts.h"

void seq_bulk_begin(struct seq_bulk *b, struct tree *t)
{
    tree_bulk_begin(&b->leaves, t);
    b->n = b->width = 0;
    b->used = 0;
}

static enum rc flush(struct seq_bulk *b)
{
    struct tree_child at = {.count = b->n};
    if (!b->n)
        return RC_OK;
    enum rc rc = tree_leaf_new(b->leaves.t, FORM_SEQ, sizeof(struct shm_node) + b->used, &at.ref);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(at.ref);
    memcpy(leaf + 1, b->items, b->used);
    leaf->n = (uint16_t)b->n;
    leaf->end = (uint16_t)(sizeof(*leaf) + b->used);
    leaf->spare = (uint16_t)b->width;
    b->n = b->width = 0;
    b->used = 0;
    return tree_bulk_add(&b->leaves, &at);
}

/* Items that told no length stand before one of another length now. */
static void widen(struct seq_bulk *b)
{
    char was[SEQ_LEAF_ROOM], *end;
    unsigned width = b->width;
    memcpy(was, b->items, b->used);
    b->width = 0;
    CHECK(!whole_put_all(b->leaves.t->tx, b->items, was, b->n, width, &end)); /* none is far */
    b->used = (size_t)(end - b->items);
}

/* The leaf's width, or its end, depends on the item. */
static enum rc add_other(struct seq_bulk *b, struct bytes item)
{
    size_t plain = b->width ? b->n * whole_bytes(b->width) : b->used;
    bool full = b->width && b->width == item.n;
    enum rc rc = RC_OK;
    char *end;
    if (full || plain + whole_bytes(item.n) > SEQ_LEAF_ROOM)
        rc = flush(b);
    else if (b->width)
        widen(b);
    if (rc)
        return rc;
    if (!b->n && (b->width = seq_width(item.n)) != 0)
        return seq_bulk_add(b, item);
    rc = whole_put(b->leaves.t->tx, b->items + b->used, item, &end);
    if (rc)
        return rc;
    b->used = (size_t)(end - b->items);
    b->n++;
    return RC_OK;
}

enum rc seq_bulk_add(struct seq_bulk *b, struct bytes item)
{
    if (UNLIKELY(!b->width || b->width != item.n || b->used + item.n > SEQ_LEAF_ROOM))
        return add_other(b, item);
    memcpy(b->items + b->used, item.p, item.n);
    b->used += item.n;
    b->n++;
    return RC_OK;
}

struct seq_items seq_bulk_only(const struct seq_bulk *b)
{
    return (struct seq_items){b->items, b->items + b->used, b->width};
}

/* The leaves that lie deeper than the tree's depth, from either end. */
static enum rc compress(struct seq_bulk *b)
{
    struct tree *t = b->leaves.t;
    enum rc rc = RC_OK;
    for (size_t i = t->depth; i + t->depth < b->leaves.n && !rc; i++) {
        struct shm_node *leaf = shm_at(b->leaves.v[i].ref);
        struct seq_items items = seq_leaf_view(leaf, NULL);
        shm_ref r;
        rc = seq_compress(t, &items, leaf->n, &r);
        if (rc || !r)
            continue;
        b->leaves.v[i].ref = r;
        rc = tree_node_drop(t, leaf);
    }
    return rc;
}

enum rc seq_bulk_end(struct seq_bulk *b, enum rc rc)
{
    rc = rc ? rc : flush(b);
    if (!rc && b->leaves.t->depth)
        rc = compress(b);
    return tree_bulk_end(&b->leaves, rc);
}

enum rc seq_bulk_drop(struct seq_bulk *b)
{
    struct tree *t = b->leaves.t;
    enum rc rc = flush(b);
    for (size_t i = 0; i < b->leaves.n && !rc; i++) {
        struct shm_node *leaf = shm_at(b->leaves.v[i].ref);
        rc = seq_leaf_free(t, leaf);
        rc = rc ? rc : tree_node_drop(t, leaf);
    }
    b->leaves.n = 0;
    return tree_bulk_end(&b->leaves, rc);
}
