/* shm/table.h - the keyspace: hash tables of 64-byte buckets in hash order, grown a segment at a time.
 * Owner     the database's word refers to the table; the graveyard to tables that were cut off.
 * Locks     the bucket's latch (rank 1, in the order of database and hash position).
 * Crash     slots and directory words change as redo, new segments are built aside.
 * Survives  worker death: yes. Restart of the host: no, rebuilt from disk.
 * Fails     RC_NOMEM, RC_BUSY before the first change.
 * Tests     tests/unit/test_table.c  tests/crash/crash_points.c */
#ifndef SKEP_TABLE_H
#define SKEP_TABLE_H

#include "shm/entry.h"

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#include <emmintrin.h>
#endif

#define BUCKET_SLOTS 7u
#define CELL_SLOTS   4u  /* of an overflow cell */
#define TAG_BITS     25u /* hash bits kept in a slot, from the segment's base on */
#define SEG_MAX      64u /* buckets; a full segment of this size splits in two */
#define SEG_MIN      4u
#define NODE_BITS    6u
#define NODE_WORDS   (1u << NODE_BITS)

/* Interest: tells everyone who touches the bucket that there is more to see. */
#define INTEREST_WATCHED 4u

/* A slot is one word: the entry's place in 8-byte units (38 bits), a link mark, 25 bits of the hash.
 *
 *   63        39  38  37                 0
 *  +------------+----+-------------------+
 *  |    tag     |link|       ref / 8     |     0: empty. link: the ref is an overflow cell of 4 slots,
 *  +------------+----+-------------------+     whose last may again be a link. */
#define SLOT_LINK   (1ull << 38)
#define SLOT_REF(w) (((w) & (SLOT_LINK - 1)) << 3)
#define SLOT_TAG(w) ((w) >> 39)

struct shm_bucket {
    struct shm_latch latch;
    uint8_t interest; /* INTEREST_*: set by others under the latch, in no log */
    uint8_t spare[3];
    uint64_t slot[BUCKET_SLOTS];
};
_Static_assert(sizeof(struct shm_bucket) == 64, "one line per bucket");

/* Which of the bucket's own slots have this tag (bit i: slot i); an empty one may for tag 0. All seven are
 * compared without a branch, since where a key stands cannot be predicted. Whoever holds no latch checks the
 * version afterwards. */
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
static inline unsigned bucket_match(const struct shm_bucket *b, uint64_t tag)
{
    /* The upper halves of four words at a time: 25 bits of tag, the link bit, 6 bits of the place. */
    const __m128 *v = (const __m128 *)b;
    __m128i lo = _mm_castps_si128(_mm_shuffle_ps(v[0], v[1], 0xdd));
    __m128i hi = _mm_castps_si128(_mm_shuffle_ps(v[2], v[3], 0xdd));
    __m128i want = _mm_set1_epi32((int)(uint32_t)(tag << 1));
    lo = _mm_cmpeq_epi32(_mm_srli_epi32(lo, 6), want);
    hi = _mm_cmpeq_epi32(_mm_srli_epi32(hi, 6), want);
    unsigned m = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(lo, hi), _mm_setzero_si128()));
    return m >> 1; /* the bucket's head is the first word */
}
#else
static inline unsigned bucket_match(const struct shm_bucket *b, uint64_t tag)
{
    unsigned m = 0;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++)
        m |= (unsigned)(__atomic_load_n(&b->slot[i], __ATOMIC_RELAXED) >> 38 == tag << 1) << i;
    return m;
}
#endif

struct shm_cell {
    uint64_t slot[CELL_SLOTS];
};

/* A directory word: a segment (with its number of buckets, how many hash bits lead to it, and from which
 * bit on its tags are) or a node of 64 further words.
 *
 *   63  62   57    52 51    46 45     39 38      0
 *  +------+---------+--------+----------+---------+
 *  | kind |  base   | depth  | buckets  | ref / 8 |
 *  +------+---------+--------+----------+---------+ */
#define DIR_SEGMENT 1ull
#define DIR_NODE    2ull
static inline unsigned dir_kind(uint64_t w)
{
    return (unsigned)(w >> 62);
}
static inline shm_ref dir_ref(uint64_t w)
{
    return (w & ((1ull << 38) - 1)) << 3;
}
static inline unsigned dir_buckets(uint64_t w)
{
    return (unsigned)(w >> 38) & 127;
}
static inline unsigned dir_depth(uint64_t w)
{
    return (unsigned)(w >> 46) & 63;
}
static inline unsigned dir_base(uint64_t w)
{
    return (unsigned)(w >> 52) & 63;
}
static inline uint64_t dir_segment(shm_ref r, unsigned buckets, unsigned depth, unsigned base)
{
    return DIR_SEGMENT << 62 | (uint64_t)base << 52 | (uint64_t)depth << 46 | (uint64_t)buckets << 38 |
           r >> 3;
}
static inline uint64_t dir_node(shm_ref r)
{
    return DIR_NODE << 62 | r >> 3;
}

struct shm_table_count { /* what one slot's process added: absolute, alone in its line */
    int64_t keys, expires;
    int64_t fields; /* hashes of which some fields have an expiry */
    uint64_t spare[5];
};

#define BURIED UINT64_MAX /* dead_pos: all entries are gone, the directory remains */
struct shm_table {
    uint64_t dir;       /* the root's directory word */
    shm_ref next_dead;  /* in the graveyard */
    uint64_t dead_pos;  /* how far freeing it has come, in hash order */
    uint64_t snap_from; /* 0: no snapshot has anything to do here; else how far it has come, plus 1 */
    uint64_t snap_db;   /* the database's number at the cut: SWAPDB may have changed it */
    int64_t avg_ttl_ms; /* as the expire cycle sees it: a hint, never undone */
    uint64_t watched;   /* 1: every key counts as watched (shm/watch.h); never undone */
    uint64_t spare;
    struct shm_table_count count[]; /* nslots of them */
};

static inline struct shm_table_count *table_count(struct shm_table *t, uint32_t slot)
{
    return &t->count[slot];
}
int64_t table_keys(const struct shm_table *t);
int64_t table_expires(const struct shm_table *t);
int64_t table_fields(const struct shm_table *t);

/* The table of a database, NULL while there is none. */
static inline struct shm_table *db_table(const struct shm_root *root, uint32_t db)
{
    shm_ref r = __atomic_load_n(&((struct shm_db *)shm_at(root->dbs))[db].table, __ATOMIC_ACQUIRE);
    return r ? shm_at(r) : NULL;
}
/* Makes it when it is missing; RC_BUSY or RC_NOMEM as a transaction of its own. */
enum rc db_table_make(struct shm_ctx *ctx, uint32_t db, struct shm_table **out);
/* Cuts the tables of these databases off (to the graveyard), or swaps two. The gate must be closed. */
enum rc db_flush(struct shm_ctx *ctx, const uint32_t *dbs, unsigned n);
enum rc db_swap(struct shm_ctx *ctx, uint32_t a, uint32_t b);
/* The same as parts of a transaction that has exposed what it did before (tx_expose), and exposes this at once: the
 * databases have other tables now, or none. db_make_in gives one of those a table. */
enum rc db_flush_in(struct tx *tx, const uint32_t *dbs, unsigned n);
enum rc db_swap_in(struct tx *tx, uint32_t a, uint32_t b);
enum rc db_make_in(struct tx *tx, uint32_t db, struct shm_table **out);
/* Frees some of the graveyard: about max entries. True while there is more. */
bool graveyard_step(struct shm_ctx *ctx, unsigned max);

uint64_t key_hash(const struct shm_root *root, struct bytes key);

/* One key of a command. */
struct key_ref {
    struct bytes key;
    uint64_t hash;
    uint32_t db;
    struct shm_table *table; /* NULL: the database is empty and the command only reads */
    uint64_t *dir_at, dir;   /* the directory word that led here, and where it stands */
    struct shm_bucket *bucket;
    uint64_t *slot; /* the word found, NULL: none */
    shm_ref entry;  /* the entry as this transaction sees it, 0: none */
    uint64_t tag;
    uint32_t redo_from; /* index of the first redo that may concern this bucket */
    uint32_t arg;       /* the caller's number of this key */
    shm_ref base;       /* locked: the entry that the table shows */
    bool locked;        /* by a key lock: the bucket's latch is anybody's */
    bool
        replaced; /* locked: entry is this transaction's own, or gone, and base leaves when it is published */
    bool base_keep;  /* its value does not leave with it */
    bool logged;     /* the transaction has changed this key */
    bool changed;    /* logged was seen, and cleared for the next command; or what had expired was removed */
    bool born;       /* a key where there was none: NOTIFY_NEW is to be told */
    bool stale;      /* it has expired and is hidden */
    bool overflowed; /* it was put behind a full bucket: the segment may want to grow */
};

static inline struct shm_entry *key_entry(const struct key_ref *k)
{
    return k->entry ? shm_at(k->entry) : NULL;
}

/* Walks the directory: fills dir_at, dir, bucket and tag. No lock; what it finds may be replaced meanwhile,
 * which key_current tells once the bucket is latched. */
void key_locate(struct key_ref *k);
/* The same for the key that another one is, which has been located. */
static inline void key_locate_same(struct key_ref *k, const struct key_ref *other)
{
    k->dir_at = other->dir_at;
    k->dir = other->dir;
    k->bucket = other->bucket;
    k->tag = other->tag;
}
static inline bool key_current(const struct key_ref *k)
{
    return __atomic_load_n(k->dir_at, __ATOMIC_ACQUIRE) == k->dir;
}
/* The two prefetch stages of a batch, after key_locate: the bucket of every key, then the entry that its tag
 * leads to (two lines). They take no lock and believe nothing; a wrong guess costs only time. Always
 * inlined: gcc 12 takes a function that only prefetches for one without effect, and drops the call. */
/* Before key_locate: asks for the directory's third level, which a large table does not keep in the cache. */
__attribute__((always_inline)) static inline void key_prefetch_directory(const struct key_ref *k)
{
    uint64_t w = __atomic_load_n(&k->table->dir, __ATOMIC_ACQUIRE);
    for (unsigned shift = 64 - NODE_BITS; dir_kind(w) == DIR_NODE; shift -= NODE_BITS) {
        const uint64_t *at = (const uint64_t *)shm_at(dir_ref(w)) + ((k->hash >> shift) & (NODE_WORDS - 1));
        if (shift < 64 - 2 * NODE_BITS) {
            __builtin_prefetch(at);
            return;
        }
        w = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    }
}
__attribute__((always_inline)) static inline void key_prefetch_bucket(const struct key_ref *k)
{
    __builtin_prefetch(k->bucket, 1);
}
__attribute__((always_inline)) static inline void key_prefetch_entry(const struct key_ref *k)
{
    unsigned m = bucket_match(k->bucket, k->tag);
    /* Without a match the key is new, or behind the link that the last slot may be. */
    const char *e = shm_at(SLOT_REF(k->bucket->slot[m ? (unsigned)__builtin_ctz(m) : BUCKET_SLOTS - 1]));
    __builtin_prefetch(e);
    __builtin_prefetch(e + 64);
}
/* Latches the key's bucket for the transaction (once only: other keys of tx in the same bucket share it)
 * and looks the entry up. */
enum rc key_latch(struct tx *tx, struct key_ref *k);
/* Likewise for a key that comes late, whose bucket the transaction may have latched for another (*shared). */
enum rc key_latch_late(struct tx *tx, struct key_ref *k, bool *shared);
/* Latches the buckets of all keys in lock order and looks all entries up. Keys that are named twice
 * share one struct: k is sorted, and index[i] tells where the i-th key (arg i) is now. */
enum rc keys_latch(struct tx *tx, struct key_ref *k, unsigned n, uint32_t *index);
/* Behind keys_latch or key_latch, for a transaction that lasts: the keys are locked, and the latches let go. Until
 * keys_publish, which must come before the commit, the keys' words in their buckets stay as they are. tx->locks is set
 * from here on. Where there is no memory for that the latches stay. RC_BUSY: one of the keys rests (keylock.h). */
enum rc keys_lock(struct tx *tx, struct key_ref *k, unsigned n);
/* One more, which has been latched as the last. */
enum rc key_lock_late(struct tx *tx, struct key_ref *k);
/* Latches the buckets of what the transaction has replaced, wherever they are by now, and notes their new words. Waits
 * for those who hold them, who wait for nothing. Does nothing when tx->locks is not set. */
enum rc keys_publish(struct tx *tx, struct key_ref *k, unsigned n);
void key_find(struct key_ref *k); /* the caller holds the latch */
/* With the bucket latched: has another process locked the key (and not only its neighbours)? */
bool key_locked(struct tx *tx, const struct key_ref *k);

/* Is the hash's place ahead of a snapshot's walk? While the bucket is latched the answer holds. While only the key is
 * locked "no" holds, since the next cut needs the gate, and "yes" may become "no". */
static inline bool table_ahead(const struct shm_table *t, uint64_t hash)
{
    uint64_t from = __atomic_load_n(&t->snap_from, __ATOMIC_ACQUIRE);
    return UNLIKELY(from) && hash >= from - 1;
}
/* Has a snapshot still to show k's entry? Then it must stay as it is, and its value too: nothing of them is
 * changed in place, and nothing is moved out of them. key_put and key_del do not free it but hand it over. */
static inline bool key_pending(const struct key_ref *k)
{
    return k->entry && UNLIKELY(table_ahead(k->table, k->hash)) && !(key_entry(k)->flags & ENTRY_FRESH);
}
/* To be called before anything in k's entry or its value is changed in place: a pending one is replaced by a
 * copy, so key_entry(k) may be another one afterwards. */
enum rc key_own(struct tx *tx, struct key_ref *k);
/* Builds an entry with k's value under this name and expiry, to take the place of k's own. *moved: the value went
 * over to it, and key_put or key_del is to be told so as keep_value; else it has been copied. */
enum rc key_renew(struct tx *tx, const struct key_ref *k, struct bytes name, int64_t expiry_ms, shm_ref *out,
                  bool *moved);

/* Stores the entry under the key and frees what was there; with keep_value the old entry's block alone is
 * freed, since the new one refers to the same value. RC_BUSY as well when the snapshot's ring is full. */
enum rc key_put(struct tx *tx, struct key_ref *k, shm_ref entry, bool keep_value);
enum rc key_del(struct tx *tx, struct key_ref *k, bool keep_value);

/* A read without a lock: takes what it wants between two looks at the version.
 * read_begin: RC_OK with k->entry (0: absent), RC_BUSY: latched by somebody, RC_MISSING: stale, locate again. */
enum rc key_read_begin(struct key_ref *k, uint32_t *version);
/* What a reader without a lock may copy. entry_bytes and its like must not be used there: lengths and places
 * are believed only after one more look at the version, which key_read_view takes. After RC_OK all of value
 * lies in the arena, but its bytes count only if key_read_valid says so when they have been copied. Such a
 * reader never writes: not the clock in meta either (the block may be another's by then). */
struct read_view {
    struct bytes value; /* not for ENC_INT */
    int64_t number, expiry_ms;
    unsigned type_enc;
};
enum rc key_read_view(const struct key_ref *k, uint32_t version, struct read_view *out);
static inline bool key_read_valid(const struct key_ref *k, uint32_t version)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&k->bucket->latch.word, __ATOMIC_RELAXED) == version && key_current(k);
}

/* After a transaction that inserted into a full bucket, or emptied one: changes the segment's size when
 * its load says so. Only tries locks; true when something was changed. */
bool table_adjust(struct shm_ctx *ctx, struct shm_table *t, uint64_t hash);
/* Likewise, without a look beforehand that keeps most calls from latching the segment. */
bool table_adjust_exact(struct shm_ctx *ctx, struct shm_table *t, uint64_t hash);

/* ---- walking in hash order ---- */

typedef void visit_fn(void *arg, const struct shm_entry *e);
/* Calls fn for each entry of the bucket that holds position pos, under its latch. RC_BUSY: not taken. */
enum rc table_visit(struct shm_ctx *ctx, struct shm_table *t, uint64_t pos, visit_fn *fn, void *arg,
                    uint64_t *next);
/* Removes the entries of that bucket of the database (whose table exists) for which want says true, in one transaction, then lets the table shrink.
 * *removed is added to. RC_BUSY, RC_NOMEM: nothing happened. */
typedef bool want_fn(void *arg, const struct shm_entry *e);
enum rc table_purge(struct shm_ctx *ctx, uint32_t db, uint64_t pos, want_fn *want, void *arg, uint64_t *next,
                    unsigned *removed);
uint64_t table_buckets(const struct shm_table *t, uint64_t *segments, uint64_t *nodes);

#endif
