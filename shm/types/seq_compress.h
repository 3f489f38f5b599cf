/* shm/types/seq_compress.h - leaves of long lists, compressed.
 * Owner     the leaf's tree.
 * Locks     the key's latch.
 * Crash     a compressed leaf is built aside, and never changed.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_tree.c  tests/unit/test_list.c */
#ifndef SKEP_SEQ_COMPRESS_H
#define SKEP_SEQ_COMPRESS_H

#include "shm/types/tree.h"

/* spare: the length of every item, where all have the same and none is told; 0: each has its length on both sides. */
#define FORM_SEQ 3u
/* In [start, end): two bytes, which are what spare would be, and a block of LZ4; spare: how many bytes of items it becomes. */
#define FORM_SEQ_COMPRESSED 5u

struct seq_items {
    const char *p, *end;
    unsigned width; /* of every item; 0: as it tells itself */
};

/* Where the items of a compressed leaf are put for whoever looks at them: reading takes no memory of the arena. */
struct seq_side {
    char b[NODE_MAX];
};

/* Of the items, compressed or not. */
static inline size_t seq_leaf_bytes(const struct shm_node *leaf)
{
    return leaf->form == FORM_SEQ_COMPRESSED ? leaf->spare : (size_t)(leaf->end - leaf->start);
}
/* The items, in the leaf itself or on the side. */
struct seq_items seq_expand(const struct shm_node *leaf, struct seq_side *side);
static inline struct seq_items seq_leaf_view(const struct shm_node *leaf, struct seq_side *side)
{
    if (UNLIKELY(leaf->form == FORM_SEQ_COMPRESSED))
        return seq_expand(leaf, side);
    const char *p = (const char *)leaf;
    return (struct seq_items){p + leaf->start, p + leaf->end, leaf->spare};
}
/* A compressed leaf of these n items; *out is 0 if too little would be saved. */
enum rc seq_compress(struct tree *t, const struct seq_items *items, unsigned n, shm_ref *out);

#endif
