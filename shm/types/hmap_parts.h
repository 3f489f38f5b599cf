/* shm/types/hmap_parts.h - what the leaves of maps are made of: for hmap.c, and for hmap_build.c, which makes many at once.
 * Owner     the tree that refers to the leaf.
 * Locks     the key's latch.
 * Crash     shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_tree.c  tests/unit/test_bulk.c */
#ifndef SKEP_HMAP_PARTS_H
#define SKEP_HMAP_PARTS_H

#include "shm/base/hash.h"
#include "shm/types/hmap.h"

#define HMAP_LEAF 1024u /* a longer leaf is split: some 40 items */
#define HMAP_SLOT 4u

static inline uint64_t hmap_hash(const struct hmap *m, struct bytes key)
{
    return hash_known(m->tree.tx->ctx->root->seed, key);
}
/* The first hash that a bound can tell from those below it. */
static inline uint64_t hmap_bound(uint64_t hash)
{
    return hash >> HMAP_COARSE << HMAP_COARSE;
}
static inline uint32_t *hmap_slot_at(const struct shm_node *leaf, unsigned i)
{
    return (uint32_t *)(uintptr_t)((const char *)leaf + leaf->room) - 1 - i;
}
static inline uint32_t hmap_slot(uint64_t hash, size_t offset)
{
    return (uint32_t)(hash & 0xffff) | (uint32_t)offset << 16;
}

/* That it takes in a leaf, without its slot. */
static inline size_t hmap_item_bytes(const struct hmap *m, const struct hmap_item *it)
{
    return until_bytes(it->until_ms) + item_bytes(it->key.n) + (m->pairs ? item_bytes(it->value.n) : 0);
}
static inline enum rc hmap_item_put(const struct hmap *m, const struct hmap_item *it, char *to, char **end)
{
    to = until_put(to, it->until_ms);
    enum rc rc = item_put(m->tree.tx, to, it->key, end);
    return rc || !m->pairs ? rc : item_put(m->tree.tx, *end, it->value, end);
}

#endif
