/* LZ4 takes some 5 us for a leaf and gives it back in one: a list is pushed and popped at its ends, which stay plain. */
#include "shm/types/seq_compress.h"

#include <lz4.h>

#define BYTES_LEAST 128u /* fewer bytes are not worth the try */

struct bytes seq_expand(const struct shm_node *leaf, struct seq_side *side)
{
    int n = LZ4_decompress_safe((const char *)leaf + leaf->start, side->b, leaf->end - leaf->start,
                                sizeof(side->b));
    CHECKF(n == leaf->spare, "a compressed leaf of %u bytes becomes %d", leaf->spare, n);
    return (struct bytes){side->b, (size_t)n};
}

/* Its state stands on the stack: nothing is allocated. It gives up when an eighth cannot be saved. */
static size_t squeeze(struct bytes items, struct seq_side *to)
{
    LZ4_stream_t state;
    int n = LZ4_compress_fast_extState(&state, items.p, to->b, (int)items.n, (int)(items.n - items.n / 8), 1);
    return n > 0 ? (size_t)n : 0;
}

enum rc seq_compress(struct tree *t, struct bytes items, unsigned n, shm_ref *out)
{
    struct seq_side side;
    *out = 0;
    size_t bytes = items.n < BYTES_LEAST ? 0 : squeeze(items, &side);
    if (!bytes)
        return RC_OK;
    enum rc rc = tree_leaf_new(t, FORM_SEQ_COMPRESSED, sizeof(struct shm_node) + bytes, out);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(*out);
    memcpy(leaf + 1, side.b, bytes);
    leaf->n = (uint16_t)n;
    leaf->end = (uint16_t)(leaf->start + bytes);
    leaf->spare = (uint16_t)items.n;
    return RC_OK;
}
