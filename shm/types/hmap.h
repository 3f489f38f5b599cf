/* shm/types/hmap.h - many keys, perhaps with values, found by their hash: large sets and hashes.
 * Owner     the tree's root word.
 * Locks     the key's latch.
 * Crash     shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_tree.c */
#ifndef SKEP_HMAP_H
#define SKEP_HMAP_H

#include "shm/types/tree.h"

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#include <emmintrin.h>
#endif

#define FORM_HMAP       1u
#define FORM_HMAP_PAIRS 2u
#define HMAP_COARSE     11u /* low bits of the hash in which neighbouring leaves' bounds do not differ */

struct hmap {
    struct tree tree;
    bool pairs; /* each key has a value */
};

/* Where a key is, or would be. */
struct hmap_place {
    struct tree_path path;
    uint64_t hash;
    int slot;         /* -1: it is not there */
    int64_t until_ms; /* when it expires, 0: never */
};

struct hmap_item {
    struct bytes key, value;
    int64_t until_ms; /* of a pair */
};

/* Which of the first HMAP_PRINTS of n slots below end show the hash's print: the highest bit is the first's (they grow
 * downwards). What stands below the last of a leaf's slots is no slot: at most so many bytes of other nodes, or of the
 * unit before the first, are looked at and not believed. */
#define HMAP_PRINTS 16u
static inline unsigned hmap_prints(const uint32_t *end, unsigned n, uint64_t hash)
{
    unsigned m = 0;
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
    const __m128i want = _mm_set1_epi32((int)(hash << 16 & 0xffff0000));
    const __m128i *v = (const __m128i *)(const void *)(end - HMAP_PRINTS);
    __m128i same[4];
    for (unsigned i = 0; i < 4; i++) /* without the upper halves */
        same[i] = _mm_cmpeq_epi32(_mm_slli_epi32(_mm_loadu_si128(v + i), 16), want);
    m = (unsigned)_mm_movemask_epi8(
        _mm_packs_epi16(_mm_packs_epi32(same[0], same[1]), _mm_packs_epi32(same[2], same[3])));
#else
    for (unsigned i = 0; i < HMAP_PRINTS && i < n; i++)
        m |= (unsigned)((end[-1 - (int)i] & 0xffff) == (hash & 0xffff)) << (HMAP_PRINTS - 1 - i);
#endif
    return n < HMAP_PRINTS ? m >> (HMAP_PRINTS - n) << (HMAP_PRINTS - n) : m;
}
/* The first of them, as its number among the slots. */
static inline unsigned hmap_print_first(unsigned prints)
{
    return (unsigned)__builtin_clz(prints) - (32 - HMAP_PRINTS);
}

bool hmap_find(const struct hmap *m, struct bytes key, struct hmap_place *at, struct bytes *value);
/* Adds the key that was just looked for, or gives it another value. */
enum rc hmap_put(struct hmap *m, struct hmap_place *at, struct bytes key, struct bytes value);
/* The same; the pair expires then (0: never). */
enum rc hmap_put_until(struct hmap *m, struct hmap_place *at, struct bytes key, struct bytes value,
                       int64_t until_ms);
/* The pair that was just found expires then. */
enum rc hmap_set_until(struct hmap *m, struct hmap_place *at, int64_t until_ms);
/* Removes the key that was just found. */
enum rc hmap_del(struct hmap *m, struct hmap_place *at);
/* Where the key stands, or would, in the order of the leaves. */
uint64_t hmap_place_of(const struct hmap *m, struct bytes key);
/* For tree_shed: frees the blocks of the leaf's items. */
enum rc hmap_leaf_free(struct tree *t, struct shm_node *leaf);
/* Item number i of the path's leaf (i < leaf->n). The order has no meaning. */
struct hmap_item hmap_item(const struct hmap *m, const struct shm_node *leaf, unsigned i);
/* Item number pos of all, for choosing at random. */
struct hmap_item hmap_at(const struct hmap *m, uint64_t pos);

/* An empty map, whose root word is on the stack, gets so many items, each told by its number, more than once; what is told is good until
 * the next is. RC_EXISTS: a key comes twice. */
typedef void hmap_tell(const void *arg, uint64_t i, struct hmap_item *item);
enum rc hmap_build(struct hmap *m, hmap_tell *tell, const void *arg, uint64_t n);
/* Calls fn for keys and values of a leaf. */
enum rc hmap_leaf_items(struct shm_node *leaf, item_fn *fn, void *arg);
/* Calls fn for the blocks of the items of a leaf. */
void hmap_leaf_blocks(const struct shm_node *leaf, void (*fn)(void *arg, shm_ref r, uint64_t bytes),
                      void *arg);

#endif
