/* shm/types/seq_parts.h - what the leaves of sequences are made of: for seq.c, and for seq_build.c, which makes many at once.
 * Owner     the tree that refers to the leaf.
 * Locks     the key's latch.
 * Crash     shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_tree.c  tests/unit/test_bulk.c */
#ifndef SKEP_SEQ_PARTS_H
#define SKEP_SEQ_PARTS_H

#include "shm/types/seq.h"

#define SEQ_LEAF_ROOM (NODE_MAX - sizeof(struct shm_node)) /* for items */

/* Items of the same length need not tell it, from this one on: then what a leaf holds, and an item of 1030 bytes, can be put into
 * two leaves even if all of it must tell lengths: (4080 * 12 / 10 + 1030) / 2 + 1030 < 4080. */
#define EVEN_LEAST 10u

/* The width of a leaf that has this item alone. */
static inline unsigned seq_width(size_t n)
{
    return n >= EVEN_LEAST && n <= ITEM_MAX ? (unsigned)n : 0;
}
static inline size_t whole_bytes(size_t n) /* an item of n bytes and its back */
{
    size_t item = item_bytes(n);
    return item + seq_back_bytes(item);
}
static inline const char *behind_item(const char *item, unsigned width)
{
    const char *end;
    if (width)
        return item + width;
    item_get(item, &end);
    return end + seq_back_bytes((size_t)(end - item));
}
static inline enum rc whole_put(struct tx *tx, char *to, struct bytes b, char **end)
{
    char *e;
    enum rc rc = item_put(tx, to, b, &e);
    if (rc)
        return rc;
    uint16_t n = (uint16_t)(e - to);
    if (n >= ITEM_TWO) {
        memcpy(e, &n, sizeof(n));
        e[2] = (char)ITEM_TWO;
        *end = e + 3;
    } else {
        *e = (char)n;
        *end = e + 1;
    }
    return RC_OK;
}
/* n items of this width, which tell their length from now on. */
static inline enum rc whole_put_all(struct tx *tx, char *to, const char *from, unsigned n, unsigned width,
                                    char **end)
{
    enum rc rc = RC_OK;
    *end = to;
    for (; n-- && !rc; from += width)
        rc = whole_put(tx, *end, (struct bytes){from, width}, end);
    return rc;
}

#endif
