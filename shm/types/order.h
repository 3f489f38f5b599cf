/* shm/types/order.h - members sorted by score, then by their bytes: what a large sorted set walks.
 * Owner     the tree's root word.
 * Locks     the key's latch.
 * Crash     shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_tree.c */
#ifndef SKEP_ORDER_H
#define SKEP_ORDER_H

#include "shm/types/tree.h"

#define FORM_ORDER      4u
#define ORDER_LEAF      1024u /* a longer leaf is split: some 40 members */
#define ORDER_LEAF_MOST 240u /* (2 * 1024 + 100) / 9: before a split, with one long member among short ones */

/* A place: a member in its leaf, or between two (behind the leaf's last: index is the leaf's n). Good until the next
 * change. */
struct order_place {
    struct tree_path path;
    unsigned index, known;
    uint16_t at[ORDER_LEAF_MOST]; /* where the leaf's first members begin: known of them */
};

/* Scores as numbers in the same order: the keys of the tree. -0 is 0. */
uint64_t order_key(double score);
double order_score(const struct order_place *at);
struct bytes order_member(const struct order_place *at);

/* The first member that is not below (score, member); false: there is none. *same: it is that very one. */
bool order_find(const struct tree *t, double score, struct bytes member, struct order_place *at, bool *same);
/* The first member with at least this score, or, if above, with a higher one. */
bool order_from(const struct tree *t, double score, bool above, struct order_place *at);
/* The first member whose bytes are not below, or, if above, that come behind: for sets where all scores are the same. */
bool order_from_member(const struct tree *t, struct bytes member, bool above, struct order_place *at);
bool order_at(const struct tree *t, uint64_t rank, struct order_place *at);
bool order_last(const struct tree *t, struct order_place *at);
bool order_next(struct order_place *at);
bool order_prev(struct order_place *at);
uint64_t order_rank(const struct order_place *at);

/* At the place that order_find gave for this very score and member. */
enum rc order_insert(struct tree *t, struct order_place *at, double score, struct bytes member);
enum rc order_del(struct tree *t, struct order_place *at);
enum rc order_leaf_free(struct tree *t, struct shm_node *leaf);

/* Calls fn for the members of a leaf. */
enum rc order_leaf_items(struct shm_node *leaf, item_fn *fn, void *arg);
/* Calls fn for the blocks of the items of a leaf. */
void order_leaf_blocks(const struct shm_node *leaf, void (*fn)(void *arg, shm_ref r, uint64_t bytes),
                       void *arg);

#endif
