/* shm/types/seq.h - items in an order of their own: lists, and every small collection.
 * Owner     the tree's root word.
 * Locks     the key's latch.
 * Crash     shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_tree.c */
#ifndef SKEP_SEQ_H
#define SKEP_SEQ_H

#include "shm/types/seq_compress.h"

/* A place: an item, and the leaf it stands in. It is good until the next change, and where leaves are compressed, until another
 * place in the tree is looked for: all that are have the tree's one side to stand on. */
struct seq_place {
    struct tree_path path;
    struct seq_side *side;
    struct seq_items items; /* of the leaf */
    const char *item;       /* NULL: none */
    unsigned index;         /* of the item in its leaf */
};

static inline size_t seq_back_bytes(size_t item) /* that follow an item of so many bytes in a leaf */
{
    return item < ITEM_TWO ? 1 : 3;
}
static inline struct bytes seq_item(const struct seq_place *at)
{
    const char *next;
    if (at->items.width)
        return (struct bytes){at->item, at->items.width};
    return item_get(at->item, &next);
}
/* Item number pos; false: there are fewer. */
bool seq_at(const struct tree *t, uint64_t pos, struct seq_place *at);
bool seq_first(const struct tree *t, struct seq_place *at);
bool seq_last(const struct tree *t, struct seq_place *at);
bool seq_next(struct seq_place *at); /* false: that was the last one */
bool seq_prev(struct seq_place *at);
/* The item at *p, behind which the next one begins. */
struct bytes seq_items_next(const struct seq_items *items, const char **p);
/* How many stand before. */
uint64_t seq_position(const struct seq_place *at);

/* At the end, or at the front. */
enum rc seq_push(struct tree *t, struct bytes b, bool front);
/* The first or the last one goes. */
enum rc seq_pop(struct tree *t, bool front);
/* Before the item, or behind it. */
enum rc seq_insert(struct tree *t, struct seq_place *at, struct bytes b, bool behind);
enum rc seq_replace(struct tree *t, struct seq_place *at, struct bytes b);
/* This item and those behind it, n in all, as far as they stand in its leaf; *gone: how many went. */
enum rc seq_del(struct tree *t, struct seq_place *at, uint64_t n, uint64_t *gone);
enum rc seq_leaf_free(struct tree *t, struct shm_node *leaf);

/* Calls fn for the items of a leaf that is not compressed; not for those of one length, which lie in it for certain. */
enum rc seq_leaf_items(struct shm_node *leaf, item_fn *fn, void *arg);
bool seq_any_compressed(shm_ref root);
/* Calls fn for the blocks of the items of a leaf. */
void seq_leaf_blocks(const struct shm_node *leaf, void (*fn)(void *arg, shm_ref r, uint64_t bytes),
                     void *arg);

#endif
