/* shm/types/tree.h - counted trees: how collections find, split and join their leaves.
 * Owner     the word that refers to the root: a key's entry, or a block of its own.
 * Locks     the key's latch.
 * Crash     new nodes are built aside; counts and references change in place under tx_log.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts, and all is as it was.
 * Tests     tests/unit/test_tree.c */
#ifndef SKEP_TREE_H
#define SKEP_TREE_H

#include "shm/types/node.h"

/* Leaves belong to a form (seq.h, hmap.h, order.h); this file knows how many items each has, and for the forms that
 * are ordered by a key, the lowest key that may stand in it. */
struct tree_child {
    uint64_t low; /* keys under it are not below; in a node's first child it says nothing */
    shm_ref ref;
    uint64_t count; /* items under it */
};
#define TREE_FAN   64u /* children of an inner node at most: 1552 bytes */
#define TREE_DEPTH 10u /* 32^10 leaves, if every node were half full */

struct tree {
    struct tx *tx;
    uint64_t *root; /* refers to the root node, 0: the tree is empty. Changed under tx_log */
    uint32_t birth; /* of new nodes */
    bool
        shared; /* a snapshot still needs the nodes that are older than birth: they are not changed in place */
    uint32_t
        depth; /* of a list: leaves that lie deeper, from either end, are compressed (seq_compress.h); 0: none */
    struct seq_side *side; /* of a list: where compressed leaves are read */
};

struct tree_path {
    unsigned depth; /* inner nodes on the way */
    struct {
        struct shm_node *node;
        unsigned at;
    } step[TREE_DEPTH];
    struct shm_node *leaf; /* NULL: the tree is empty */
};

static inline struct tree_child *node_children(const struct shm_node *n)
{
    return (struct tree_child *)(uintptr_t)(n + 1);
}
/* Of so many children the last whose lowest key is below, or the first. Without branches: which way it goes cannot be guessed. */
static inline unsigned tree_child_below(const struct tree_child *c, unsigned len, uint64_t key)
{
    unsigned at = 0;
    while (len > 1) {
        unsigned half = len / 2;
        at += c[at + half].low < key ? half : 0;
        len -= half;
    }
    return at;
}
uint64_t tree_count(shm_ref root);

/* A way down that somebody found who held no latch (warm.h). tree_find goes it only as far as each step is still true, which takes no
 * searching: so it may be stale, or half of it another's. */
#define TREE_WAYS     128u /* several times as many as are looked for at a time */
#define TREE_WAY_MOST 4u   /* inner nodes */
struct tree_way {
    uint64_t key;
    shm_ref node[TREE_WAY_MOST];
    uint8_t at[TREE_WAY_MOST];
    uint16_t depth; /* 0: none */
    uint16_t slot;  /* of the leaf's slots the one that seems to be the key's, plus 1; 0: none does */
};
_Static_assert(TREE_FAN <= UINT8_MAX + 1u, "at has room for a child's number");
/* This process's place for the way to the key: what is in it is another's, or older. */
struct tree_way *tree_way_of(uint64_t key);

/* The leaf in which this key belongs; keys are hashes. */
void tree_find(const struct tree *t, uint64_t key, struct tree_path *p);
/* The leaf with item number pos (0-based; below the count), *within: its number there. */
void tree_find_at(const struct tree *t, uint64_t pos, struct tree_path *p, uint64_t *within);
void tree_first(const struct tree *t, struct tree_path *p);
void tree_last(const struct tree *t, struct tree_path *p);
bool tree_next(struct tree_path *p); /* the neighbouring leaf; false: there is none */
bool tree_prev(struct tree_path *p);
/* How many items stand before this leaf. */
uint64_t tree_before(const struct tree_path *p);
/* The bounds of the leaf's keys: [low, high], as the inner nodes tell them. */
uint64_t tree_low(const struct tree_path *p);
uint64_t tree_high(const struct tree_path *p);

/* The room for a leaf of so many bytes that may grow. Few sizes: a leaf that grows leaves a block behind which only a leaf of
 * that size can use. */
size_t tree_leaf_room(size_t bytes);
/* A leaf with room for so many bytes in all (a little more: the block's size); n, start and end are the caller's. */
enum rc tree_leaf_new(struct tree *t, uint8_t form, size_t bytes, shm_ref *out);
/* A node above these children. */
enum rc tree_inner_new(struct tree *t, unsigned level, const struct tree_child *c, unsigned n,
                       struct tree_child *out);
/* Frees a node, or leaves it to the snapshot. */
enum rc tree_node_drop(struct tree *t, struct shm_node *n);
/* May the leaf be changed in place? If so its head is saved: the caller changes it, and bytes behind its end. */
bool tree_leaf_mine(const struct tree *t, const struct shm_node *leaf);
enum rc tree_leaf_touch(struct tree *t, struct shm_node *leaf);
/* The path's leaf holds so many more items (in place). */
enum rc tree_count_add(struct tree *t, struct tree_path *p, int64_t more);
/* The path's leaf and, if had is 2, its neighbour give way to n others (n <= 4; they may be among them). The caller drops
 * what is no longer referred to. The path must be found anew afterwards. */
enum rc tree_replace(struct tree *t, struct tree_path *p, unsigned had, const struct tree_child *with,
                     unsigned n);
/* The leaf behind the path's, if both are children of the same node. */
struct shm_node *tree_neighbour(const struct tree_path *p);

/* Takes the tree apart from its end: drops about max leaves (leaf_fn frees what their items refer to) and the inner nodes that
 * become empty. *root is 0 when nothing is left; in between the tree is a smaller one. */
typedef enum rc tree_leaf_fn(struct tree *t, struct shm_node *leaf);
enum rc tree_shed(struct tree *t, unsigned max, tree_leaf_fn *leaf_fn);

/* Trees that nothing refers to any more wait here to be freed piece by piece. */
struct shm_dead_tree {
    shm_ref next;
    uint64_t root;
    uint64_t spare;
};
/* The tree at this root leaves with the transaction. One that locks its keys has gathered its dead trees until it calls
 * trees_bury, behind trees_latch, at its end. */
enum rc tree_bury(struct tx *tx, shm_ref root);
enum rc trees_latch(struct tx *tx);
enum rc trees_bury(struct tx *tx);
/* The tree is one leaf, and nobody else's: it is freed at once. */
enum rc tree_free_leaf(struct tx *tx, shm_ref leaf);
/* Frees some of what was buried, about max leaves. True: there is more. Outside of batches. */
bool trees_step(struct shm_ctx *ctx, unsigned max);
/* Calls fn for every node, and every block of an item. */
void tree_blocks(shm_ref root, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg);

/* An item's block: for what is longer than ITEM_MAX. Writes 1 + 16 bytes at to. */
enum rc item_put(struct tx *tx, char *to, struct bytes b, char **end);
enum rc item_free(struct tree *t, const char *item); /* its block, if it has one */

#endif
