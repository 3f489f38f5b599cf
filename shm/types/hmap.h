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

/* Which of the first four of n slots below end show the hash's print: bit 0 is the first's. (What stands below the last of
 * a leaf's slots is no slot.) */
static inline unsigned hmap_prints(const uint32_t *end, unsigned n, uint64_t hash)
{
    unsigned m = 0;
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
    const __m128i low = _mm_set1_epi32(0xffff), want = _mm_set1_epi32((int)(hash & 0xffff));
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(end - 4));
    v = _mm_shuffle_epi32(_mm_and_si128(v, low), _MM_SHUFFLE(0, 1, 2, 3)); /* they grow downwards */
    m = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(v, want)));
#else
    for (unsigned i = 0; i < 4 && i < n; i++)
        m |= (unsigned)((end[-1 - (int)i] & 0xffff) == (hash & 0xffff)) << i;
#endif
    return n < 4 ? m & ((1u << n) - 1) : m;
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
