/* shm/track.h - client-side caching: which processes have clients that keep what they have read.
 * Owner     a mark or a list of prefixes belongs to the slot that it speaks of; the epoch is everybody's.
 * Locks     none. Who reads marks himself before he reads the key, who changes it looks while he has its latch, or later.
 * Crash     a mark too many costs a message. The slot's next process clears what was the last one's.
 * Survives  worker death: yes. A death raises the epoch: changes may have been committed and not told.
 * Fails     track_prefixes: RC_NOMEM, before anything has changed.
 * Tests     tests/crash/tracking.py  tests/isolation/specs/tracking_*.spec
 *
 * Which of its clients has read which key is known to their worker alone. What others must know is one bit for each
 * slot and 262,144th of all keys, chosen by the key's hash, whatever its database: "somebody there may have read one
 * of these". A process sets its bit before a client's command reads, and whoever changes a key looks at its bits at a
 * moment when he has the key's latch, or afterwards. So if the reader has seen the old value, the changer sees
 * the bit: the reader's store came before his look at the latch, that look before the latch was taken, and the changer's
 * look after it. Only the slot's own process takes the bit back, when no key that it remembers leads to it. */
#ifndef SKEP_TRACK_H
#define SKEP_TRACK_H

#include "shm/pubsub.h"

#define TRACK_MARKS (1u << 18)

/* What one slot's clients want to hear of whether they have read it or not: prefixes, each with its length. */
struct shm_prefixes {
    uint64_t bytes;
    uint32_t n, spare;
};

struct shm_track {
    uint64_t epoch;               /* grows when all that clients keep is to be dropped */
    uint64_t bcast[SLOT_WORDS];   /* slots that have prefixes */
    _Alignas(64) uint64_t mark[]; /* TRACK_MARKS times a set of slots */
};

static inline struct shm_track *track_of(const struct shm_root *r)
{
    return shm_at(r->track);
}
static inline uint32_t track_words(const struct shm_root *r)
{
    return (r->nslots + 63) / 64;
}
static inline uint64_t track_place(uint64_t hash)
{
    return hash % TRACK_MARKS;
}
static inline uint64_t *track_set(const struct shm_root *r, uint64_t hash)
{
    return track_of(r)->mark + track_place(hash) * track_words(r);
}

/* Somebody has tracked keys since the start: until then no change looks at anything here. */
static inline bool track_used(const struct shm_root *r)
{
    return __atomic_load_n(&r->tracked, __ATOMIC_RELAXED);
}
void track_use(struct shm_root *r);

/* Before a client of the slot reads the key. */
static inline void track_mark(const struct shm_ctx *ctx, uint64_t hash)
{
    uint64_t *at = track_set(ctx->root, hash) + ctx->id / 64, bit = 1ull << ctx->id % 64;
    if (__atomic_load_n(at, __ATOMIC_RELAXED) & bit)
        return;
    __atomic_fetch_or(at, bit, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline void track_unmark(const struct shm_ctx *ctx, uint64_t hash)
{
    __atomic_fetch_and(track_set(ctx->root, hash) + ctx->id / 64, ~(1ull << ctx->id % 64), __ATOMIC_RELAXED);
}

/* Whom a change of the key concerns; by the latch's holder, or after his commit, inside a batch. False: nobody. */
bool track_concerned(const struct shm_root *r, struct bytes key, uint64_t hash, uint64_t to[SLOT_WORDS]);

/* The own slot's prefixes from now on: n of them, packed by track_prefix_pack's rule (a length of 4 bytes, the text). */
enum rc track_prefixes(struct shm_ctx *ctx, struct bytes packed, uint32_t n);
/* The next of a slot's prefixes; false: there is none. at is 0 at first. Inside a batch. */
bool track_prefix_next(const struct shm_prefixes *p, uint64_t *at, struct bytes *prefix);
const struct shm_prefixes *track_prefixes_of(uint32_t slot); /* NULL: it has none */

/* Everybody's clients are to drop what they keep: what happened names no key. */
void track_stir(struct shm_root *r);
static inline uint64_t track_epoch(const struct shm_root *r)
{
    return __atomic_load_n(&track_of(r)->epoch, __ATOMIC_ACQUIRE);
}

/* Clears what the slot's last process has left; may wait for the gate. */
void track_adopt(struct shm_ctx *ctx);

#endif
