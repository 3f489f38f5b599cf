/* shm/wal.h - the shared ring of the write-ahead log: one lane per slot, merged by number.
 * Owner     records belong to the slot's transaction until its tail moves, then to the writer.
 * Locks     none; the number is drawn while the transaction holds all of its latches.
 * Crash     a record is shown by a redo word of the transaction that it tells of: both are there, or neither.
 * Survives  worker death: yes. Writer's death: yes, its successor goes on from the ring.
 * Fails     tx_effect: RC_BUSY when the ring is full, RC_NOMEM. The writer's side never fails.
 * Tests     tests/unit/test_wal.c  tests/crash/crash_points.c */
#ifndef SKEP_WAL_H
#define SKEP_WAL_H

#include "shm/persist.h"
#include "shm/tx.h"

/* The effect of a transaction as the log keeps it: commands in RESP. Replaying it on the same keyspace gives the
 * same result at any time, by any process: times are absolute, choices are spelled out. */

/* Whether transactions are to tell their effects. It changes only while nobody is in a batch. */
static inline bool wal_on(const struct shm_root *root)
{
    return UNLIKELY(persist(root)->wal.on);
}

/* Whether this one is to: what it has begun to tell it tells to its end, though the log is switched off meanwhile. */
static inline bool tx_tells(const struct tx *tx)
{
    return wal_on(tx->ctx->root) || UNLIKELY(tx->wal.at != NULL);
}

/* Adds a command to the transaction's record; nothing while the log is off. */
enum rc tx_effect(struct tx *tx, uint32_t db, const struct bytes *argv, unsigned argc);
/* Readers of this key see the transaction: under appendfsync always they wait for it as well. Called once for
 * each key that changes; a transaction that names none concerns all keys. */
void tx_effect_key(struct tx *tx, uint64_t hash);
void tx_effect_all(struct tx *tx); /* it concerns all keys, whatever it names besides */
enum rc tx_effect_del(struct tx *tx, uint32_t db, struct bytes key, uint64_t hash);

/* What a reader of this key must wait for until it may tell what it read; call it after reading. */
static inline uint64_t wal_seen(const struct shm_root *root, uint64_t hash)
{
    const struct shm_wal *w = &persist(root)->wal;
    uint64_t all = __atomic_load_n(&w->seen_all, __ATOMIC_ACQUIRE);
    uint64_t one = __atomic_load_n(&w->seen[hash >> 48], __ATOMIC_ACQUIRE);
    return one > all ? one : all;
}
static inline uint64_t wal_lsn(const struct shm_root *root)
{
    return __atomic_load_n(&persist(root)->wal.lsn, __ATOMIC_ACQUIRE);
}

/* Whether a restart would find all records up to there. It would not while the base that they follow is being written, nor
 * until the segments behind it have their names. */
static inline bool wal_on_disk(const struct shm_root *root, uint64_t lsn)
{
    const struct shm_wal *w = &persist(root)->wal;
    return __atomic_load_n(&w->state, __ATOMIC_ACQUIRE) == WAL_ON &&
           !__atomic_load_n(&w->pending_from, __ATOMIC_SEQ_CST) &&
           __atomic_load_n(&w->durable, __ATOMIC_SEQ_CST) >= lsn;
}

/* ---- the writer's side ---- */

/* A record that is shown and not yet taken. */
struct wal_record {
    uint64_t lsn;
    uint32_t db;
    struct bytes effect; /* in the ring, or in a block that goes with the record */
};

/* How far the writer has looked into each ring; private to it. */
struct wal_reader {
    struct shm_root *root;
    uint64_t bound;   /* all records up to here are shown: the merge may go so far */
    unsigned nactive; /* rings that have more */
    uint8_t active[SHM_SLOTS_MAX];
    uint64_t at[SHM_SLOTS_MAX];
    uint64_t tail[SHM_SLOTS_MAX];
};

/* Begins at what nobody has taken yet. */
void wal_reader_open(struct wal_reader *r, struct shm_root *root);
/* Looks at all rings: sets bound. Numbers up to bound that have no record were lost, which is harmless. */
void wal_reader_look(struct wal_reader *r);
/* The next record in the order of numbers, at most up to bound. False: none. It stays readable until
 * wal_reader_take. */
bool wal_reader_next(struct wal_reader *r, struct wal_record *out);
/* Everything that wal_reader_next gave is written: rings and blocks are free again. RC_BUSY, RC_NOMEM: try again
 * later (nothing is lost, the same will be taken then). */
enum rc wal_reader_take(struct wal_reader *r, struct shm_ctx *ctx);
/* Bytes waiting in all rings (INFO). */
uint64_t wal_ring_used(const struct shm_root *root);
/* What a slot's ring holds as blocks of the arena, for the checker. */
void wal_ring_blocks(const struct shm_slot *s, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg);

/* After the death of the slot's process, when its lane has been recovered. */
void wal_repair(struct shm_slot *slot);

#endif
