/* LZ4 takes some 5 us for a leaf and gives it back in one: a list is pushed and popped at its ends, which stay plain. */
#include "shm/types/seq_compress.h"

#include <lz4.h>

#define BYTES_LEAST 128u /* fewer bytes are not worth the try */

#define WIDTH sizeof(uint16_t) /* before the block */

struct seq_items seq_expand(const struct shm_node *leaf, struct seq_side *side)
{
    const char *from = (const char *)leaf + leaf->start;
    uint16_t width;
    memcpy(&width, from, WIDTH);
    int n =
        LZ4_decompress_safe(from + WIDTH, side->b, (int)(leaf->end - leaf->start - WIDTH), sizeof(side->b));
    CHECKF(n == leaf->spare, "a compressed leaf of %u bytes becomes %d", leaf->spare, n);
    return (struct seq_items){side->b, side->b + n, width};
}

/* Its state stands on the stack: nothing is allocated. It gives up when an eighth cannot be saved. */
static size_t squeeze(const char *items, size_t n, struct seq_side *to)
{
    LZ4_stream_t state;
    int got = LZ4_compress_fast_extState(&state, items, to->b, (int)n, (int)(n - n / 8), 1);
    return got > 0 ? (size_t)got : 0;
}

enum rc seq_compress(struct tree *t, const struct seq_items *items, unsigned n, shm_ref *out)
{
    struct seq_side side;
    size_t raw = (size_t)(items->end - items->p),
           bytes = raw < BYTES_LEAST ? 0 : squeeze(items->p, raw, &side);
    uint16_t width = (uint16_t)items->width;
    *out = 0;
    if (!bytes)
        return RC_OK;
    enum rc rc = tree_leaf_new(t, FORM_SEQ_COMPRESSED, sizeof(struct shm_node) + WIDTH + bytes, out);
    if (rc)
        return rc;
    struct shm_node *leaf = shm_at(*out);
    char *to = (char *)(leaf + 1);
    memcpy(to, &width, WIDTH);
    memcpy(to + WIDTH, side.b, bytes);
    leaf->n = (uint16_t)n;
    leaf->end = (uint16_t)(leaf->start + WIDTH + bytes);
    leaf->spare = (uint16_t)raw;
    return RC_OK;
}
