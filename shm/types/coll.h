/* shm/types/coll.h - how a key holds a collection: packed in its entry while it is small, a tree beyond.
 * Owner     the key's entry.
 * Locks     the key's latch.
 * Crash     a packed collection is replaced as a whole; trees: shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts. Commit cannot fail.
 * Tests     tests/unit/test_coll.c */
#ifndef SKEP_COLL_H
#define SKEP_COLL_H

#include "shm/table.h"
#include "shm/types/seq_compress.h"

/* Up to so many bytes of items (node.h) stand in the entry itself, one behind the other: a change builds the entry anew,
 * which costs less than a node's upkeep. Of longer ones the entry holds a tree's root (ENTRY_TREE). */
#define COLL_PACKED_MAX 512u

static inline bool coll_is_tree(const struct shm_entry *e)
{
    return e->flags & ENTRY_TREE;
}
/* A packed collection's items. */
static inline struct bytes coll_packed(const struct shm_entry *e)
{
    return entry_bytes(e);
}

/* The tree of a key's entry, ready to be changed (its word is the root; for ENC_SKIPLIST that word refers to a struct
 * shm_zset, see coll_tree_at). The key's entry may be another one afterwards. */
enum rc coll_tree(struct tx *tx, struct key_ref *k, struct tree *out);
/* A tree whose root word lies elsewhere: in a struct shm_zset that is ours to change, or on the stack while a collection
 * is being built. */
struct tree coll_tree_at(struct tx *tx, uint64_t *root);
/* For reading only. */
static inline struct tree coll_tree_read(const struct shm_entry *e)
{
    return (struct tree){.root = entry_word_at((struct shm_entry *)(uintptr_t)e)};
}

struct coll_shape {
    unsigned type, enc;
    uint32_t clock;
    struct shm_fields fields; /* of a hash */
};
/* Puts a packed collection under the key (items: n bytes of them), or one whose root word is given. The key's expiry
 * stays. What was there is freed, unless keep: then its tree lives on in the new entry. */
enum rc coll_put_packed(struct tx *tx, struct key_ref *k, const struct coll_shape *s, struct bytes items);
enum rc coll_put_tree(struct tx *tx, struct key_ref *k, const struct coll_shape *s, uint64_t word, bool keep);
/* The struct shm_zset of the entry, ours to change: k's entry and the block may be others afterwards. */
enum rc coll_zset(struct tx *tx, struct key_ref *k, struct shm_zset **out);

/* What entry_free does with ENTRY_TREE: small trees are freed at once, others are buried. */
enum rc coll_free(struct tx *tx, const struct shm_entry *e);
void coll_blocks(const struct shm_entry *e, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg);

/* What the trees of a tree's entry take, estimated from so many leaves (0: all are measured). */
uint64_t coll_memory(const struct shm_entry *e, uint64_t samples);

/* ---- walking over items, packed or in a tree of the form FORM_SEQ; over members and scores of any sorted set ---- */

struct coll_walk {
    const char *at, *end; /* of the packed bytes, or of the present leaf */
    bool tree;
    unsigned width;    /* of the present leaf's items, if they do not tell it themselves */
    const char *score; /* of a sorted set's tree: of the member that was told last, comes next */
    struct tree_path path;
    struct seq_side
        side; /* where a compressed leaf is read: an item is good until the next one is asked for */
};
/* Begins at the first item. */
void coll_walk(struct shm_ctx *ctx, const struct shm_entry *e, struct coll_walk *w);
bool coll_next(struct coll_walk *w, struct bytes *item);
/* How many items: of packed ones by counting. */
uint64_t coll_items(const struct shm_entry *e);

#endif
