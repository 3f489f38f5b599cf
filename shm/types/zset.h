/* shm/types/zset.h - sorted sets: members with scores, found by rank, score and name.
 * Owner     the key's entry.
 * Locks     the key's latch.
 * Crash     packed sets are replaced as a whole; trees: shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts. RC_RANGE, RC_EXISTS as told below, before any change.
 * Tests     tests/unit/test_zset.c  tests/crash/crash_points.c */
#ifndef SKEP_ZSET_H
#define SKEP_ZSET_H

#include "shm/types/coll.h"
#include "shm/types/order.h"

/* What stands behind the encodings:
 *   ENC_LISTPACK  up to COLL_PACKED_MAX bytes: items in the entry, member and score (its 8 bytes) by turns, sorted;
 *                 beyond: an order tree alone, in which members are looked for one by one
 *   ENC_SKIPLIST  a struct shm_zset: an order tree, and a map that finds a member's score. The map's keys are hashes of
 *                 8 bytes; that two members do not share one is seen to when they are added. */

/* A pair takes at least 10 bytes: an empty member's item and the score's. */
#define ZSET_PACKED_PAIRS (COLL_PACKED_MAX / 10 + 1)

struct zset_pair {
    double score;
    struct bytes member;
};

/* A sorted set that is looked at. Good until the key's next change. */
struct zset {
    struct tree order, map; /* order.root NULL: it is packed; map.root NULL: there is no map */
    const char *packed;
    uint64_t n;
    uint16_t at[ZSET_PACKED_PAIRS]; /* where the packed pairs begin */
};

/* One of its members. */
struct zset_place {
    const struct zset *z;
    unsigned index; /* while it is packed */
    struct order_place tree;
};

/* e NULL: the empty set. The transaction holds the key's latch. */
void zset_open(struct tx *tx, const struct shm_entry *e, struct zset *z);
struct zset_pair zset_pair(const struct zset_place *at);
uint64_t zset_rank(const struct zset_place *at);
bool zset_find(const struct zset *z, struct bytes member, struct zset_place *at);
bool zset_at(const struct zset *z, uint64_t rank, struct zset_place *at);
bool zset_next(struct zset_place *at);
bool zset_prev(struct zset_place *at);
/* How many members have a lower score, or, with equal, one that is not higher. */
uint64_t zset_below(const struct zset *z, double score, bool equal);
/* How many members' bytes stand before, where all scores are the same. */
uint64_t zset_below_member(const struct zset *z, struct bytes member, bool equal);
/* All pairs in their order; out has room for z->n. */
void zset_pairs(const struct zset *z, struct zset_pair *out);
/* By score, then by member: for qsort. */
int zset_pair_order(const void *a, const void *b);

/* Calls fn for members of a set that has a map, from a cursor on (0: the first), until count of them or more have been shown;
 * the cursor becomes the one that goes on, 0 at the end. Whatever is in the set from the first call to the last is shown. Where
 * many members share their scores more are shown at once, so that all calls together look at each member some 64 times.
 * False: most members are not enough to look at; nothing was shown. */
uint64_t zset_map_place(const struct zset *z, struct bytes member); /* in hash order */
struct zset_scan {
    uint64_t cursor, count, most;
};
typedef void zset_scan_fn(void *arg, const struct zset_pair *pair);
bool zset_scan(const struct zset *z, struct zset_scan *s, zset_scan_fn *fn, void *arg);

/* ---- changing ---- */

struct zset_limits { /* of the listpack encoding, and the clock of new entries */
    uint64_t entries, value;
    uint32_t clock;
};

#define ZADD_NX   1u
#define ZADD_XX   2u
#define ZADD_GT   4u
#define ZADD_LT   8u
#define ZADD_INCR 16u
enum zset_did { ZSET_NOTHING, ZSET_SAME, ZSET_UPDATED, ZSET_ADDED };

struct zset_add {
    struct bytes member;
    double score;   /* afterwards: the member's, unless nothing was done */
    unsigned flags; /* ZADD_* */
    enum zset_did did;
};
/* RC_RANGE: the sum of two scores is no number. RC_EXISTS: another member has the same hash. */
enum rc zset_add(struct tx *tx, struct key_ref *k, const struct zset_limits *l, struct zset_add *a);
/* The last member to go takes the key along. */
enum rc zset_remove(struct tx *tx, struct key_ref *k, struct bytes member, bool *found);
/* The members with ranks in [from, to). */
enum rc zset_remove_ranks(struct tx *tx, struct key_ref *k, uint64_t from, uint64_t to);
/* The encoding of so many pairs. */
unsigned zset_enc(const struct zset_limits *l, const struct zset_pair *pairs, uint64_t n);
/* A set of these pairs (n > 0, in order, no member twice) over whatever the key held; the key's expiry goes. RC_EXISTS: a member comes
 * twice, which only an ENC_SKIPLIST is looked through for; nothing has been changed. */
enum rc zset_store(struct tx *tx, struct key_ref *k, const struct zset_limits *l,
                   const struct zset_pair *pairs, uint64_t n);
/* The order tree of these pairs; plain: there will be no map. */
enum rc zset_order_build(struct tx *tx, shm_ref *root, const struct zset_pair *pairs, uint64_t n, bool plain);
/* A copy of the sorted set from (of another key), in its encoding. */
enum rc zset_copy(struct tx *tx, const struct shm_entry *from, struct key_ref *k, int64_t expiry_ms,
                  uint32_t clock);

#endif
