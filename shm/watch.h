/* shm/watch.h - WATCH: how a client learns that a key which it named was changed.
 * Owner     counters are everybody's; what a client remembers of them is its worker's (struct watch_mark).
 * Locks     the bucket's latch, to watch, to change and to compare: two of them never meet.
 * Crash     a changer raises the counter before its commit: a death in between spoils a transaction for nothing.
 * Survives  worker death: yes. Restart: no, and neither do the clients that watch.
 * Fails     never.
 * Tests     tests/isolation/specs/multi_*  tests/regress/sql/multi_*
 *
 * A bucket with INTEREST_WATCHED (or a table with watched) has watched keys, or had some: whoever changes a key there
 * raises the counter that the key's hash leads to. The mark stays for good, and the buckets that take the place of a
 * marked one inherit it: too many of them cost an addition for each change, while taking one back safely would cost a
 * census of all watchers. 65,536 counters: two keys of which one is watched and the other changed share one, and spoil
 * a transaction for nothing, once in so many pairs. The hash's lower bits choose it, since keys of one bucket agree in
 * the upper ones.
 *
 * Removal by expiry or eviction raises nothing: who watched the key when it existed compares that as well. A database
 * whose table is exchanged (FLUSH*, SWAPDB) says so by shm_db.changes, and concerns watchers of keys that were there
 * before or are there afterwards. */
#ifndef SKEP_WATCH_H
#define SKEP_WATCH_H

#include "shm/table.h"

#define WATCH_COUNTERS 65536u

struct shm_watch {
    uint64_t used; /* somebody has watched a key since the start: fresh tables count as watched */
    _Alignas(64) uint64_t count[WATCH_COUNTERS];
};

/* What a client remembers of a watched key. */
struct watch_mark {
    uint64_t count, changes;
    bool existed;
};

static inline struct shm_watch *watch_of(const struct shm_root *root)
{
    return shm_at(root->watch);
}
static inline uint64_t *watch_counter(const struct shm_root *root, uint32_t db, uint64_t hash)
{
    return &watch_of(root)->count[(hash + db * 0x9e3779b97f4a7c15ull) % WATCH_COUNTERS];
}

static inline bool watch_concerns(const struct key_ref *k)
{
    return UNLIKELY((k->bucket->interest & INTEREST_WATCHED) | k->table->watched);
}
/* Before the commit of a change of k, whose bucket is latched. */
static inline void watch_touch(const struct shm_root *root, const struct key_ref *k)
{
    if (watch_concerns(k))
        __atomic_fetch_add(watch_counter(root, k->db, k->hash), 1, __ATOMIC_RELAXED);
}

/* Both with k latched; exists: it is there and has not expired. */
void watch_begin(const struct shm_root *root, struct key_ref *k, bool exists, struct watch_mark *out);
bool watch_changed(const struct shm_root *root, const struct key_ref *k, bool exists,
                   const struct watch_mark *mark);
/* What was compared, with k still latched or locked: changes that the same transaction has counted, and now takes back, are
 * not another's. */
void watch_again(const struct shm_root *root, const struct key_ref *k, struct watch_mark *mark);

#endif
