/* shm/types/bulk.h - trees that are built as a whole: leaf behind leaf, then the inner nodes above them.
 * Owner     the root word, which is on the builder's stack until the tree is finished.
 * Locks     the key's latch; to clone a tree, that of its key as well.
 * Crash     every node is a block of this transaction that nobody refers to yet: nothing is logged for undo.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts. RC_EXISTS: two keys are the same.
 * Tests     tests/unit/test_bulk.c  tests/crash/crash_points.c */
#ifndef SKEP_BULK_H
#define SKEP_BULK_H

#include "shm/types/hmap.h"
#include "shm/types/order.h"
#include "shm/types/seq.h"

/* Leaves, in their order, until all inner nodes can be built. Private memory. */
struct tree_bulk {
    struct tree *t;
    struct tree_child *v;
    size_t n, room;
};
void tree_bulk_begin(struct tree_bulk *b, struct tree *t);
enum rc tree_bulk_add(struct tree_bulk *b, const struct tree_child *leaf);
/* rc: how it went so far. Builds what is above the leaves, and frees the private memory in any case. */
enum rc tree_bulk_end(struct tree_bulk *b, enum rc rc);

/* How many bytes the next leaf of at most so many shall have: not all the same, or they would all be full at the same time. */
size_t bulk_leaf_bytes(size_t most, uint64_t mixed);

/* An empty order gets members one behind the other. */
struct order_bulk {
    struct tree_bulk leaves;
    unsigned n; /* in the leaf that is being filled */
    size_t used, most;
    char items[ORDER_LEAF + sizeof(double) + ITEM_MAX + 3];
};
void order_bulk_begin(struct order_bulk *b, struct tree *t);
enum rc order_bulk_add(struct order_bulk *b, double score, struct bytes member);
enum rc order_bulk_end(struct order_bulk *b, enum rc rc);

/* An empty sequence gets items one behind the other; those of a tree with a depth are compressed in the end. */
struct seq_bulk {
    struct tree_bulk leaves;
    unsigned n, width; /* of the leaf that is being filled: its items, and what its spare will be */
    size_t used;
    char items[NODE_MAX];
};
void seq_bulk_begin(struct seq_bulk *b, struct tree *t);
enum rc seq_bulk_add(struct seq_bulk *b, struct bytes item);
enum rc seq_bulk_end(struct seq_bulk *b, enum rc rc);
/* Nothing comes of it: all blocks go back, in the transaction that goes on. */
enum rc seq_bulk_drop(struct seq_bulk *b);
/* The items, as long as they fit into one leaf. */
struct seq_items seq_bulk_only(const struct seq_bulk *b);

/* Another tree like the one at this root, with blocks of its own for long items. */
enum rc tree_clone(struct tx *tx, shm_ref root, shm_ref *out);

#endif
