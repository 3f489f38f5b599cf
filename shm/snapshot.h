/* shm/snapshot.h - the keyspace as it was at one moment, while everybody goes on changing it.
 * Owner     entries that were handed over belong to the ring of the slot that did, then to the snapshotter.
 * Locks     the walk takes one bucket's latch at a time; the cut wants the gate closed.
 * Crash     cut, step and end are transactions each. What a dead snapshotter had shown is forgotten: its successor
 *           only ends the walk (shm/README.md, "The snapshot").
 * Survives  worker death: yes. The snapshotter's: the walk goes on without a file.
 * Fails     snapshot_hand: RC_BUSY while the ring is full, RC_NOMEM. snapshot_cut: RC_BUSY, RC_NOMEM.
 * Tests     tests/unit/threads_snapshot.c  tests/crash/crash_points.c */
#ifndef SKEP_SNAPSHOT_H
#define SKEP_SNAPSHOT_H

#include "shm/persist.h"
#include "shm/table.h"

/* ---- who changes the keyspace ----
 *
 * key_put and key_del do what is needed for whole entries. A type that changes a value in place calls key_own
 * before, and builds what shall replace an entry by key_renew. Collections (shm/types/tree.h) are shared rather than copied:
 * a node that is older than the snapshot is copied instead of changed, and handed over instead of freed. So entry_clone copies the
 * entry alone, and shares the rest. */

/* Gives the entry of k, which is pending and leaves the keyspace with this transaction, to the snapshot. shares: its
 * value stays in use. */
enum rc snapshot_hand(struct tx *tx, const struct key_ref *k, bool shares);
/* Gives a block that was part of a value to the snapshot, which may still need it for an entry that has it too: it frees
 * the block when it has shown all entries that were handed over before. */
enum rc snapshot_hand_block(struct tx *tx, shm_ref block);
/* Whether this slot's ring is still so full that to hand over more would soon be RC_BUSY again. */
bool snapshot_crowded(const struct shm_slot *s);
/* Does a snapshot go on? Then what is older than its serial is its, too. It changes behind the gate. */
static inline bool snapshot_goes_on(const struct shm_root *root)
{
    return UNLIKELY(__atomic_load_n(&persist(root)->snap.shares, __ATOMIC_RELAXED));
}

/* ---- the snapshotter ---- */

/* Shows an entry as it was at the cut; db: its database's number then. Each is shown once. It does not change
 * until the function returns, which may take its time: no latch is held. */
typedef enum rc snapshot_fn(void *arg, uint32_t db, const struct shm_entry *e);

/* Private to the snapshotter's process. */
struct snapshot {
    struct shm_ctx *ctx;
    snapshot_fn *fn; /* NULL: everything is passed over, which ends a snapshot that failed */
    void *arg;
    enum rc rc;       /* what fn came back with, if it failed */
    unsigned buckets; /* to walk in one step */
    char *stage;      /* copies of entries that were passed and not shown yet */
    size_t staged, stage_room;
    shm_ref *noted; /* entries with long values, which are shown where they lie before they are passed */
    unsigned nnoted, noted_room;
    uint64_t noted_last; /* the last hash of the bucket that they stand in */
    uint32_t db;
    uint64_t walked;      /* entries that were not handed over */
    unsigned gate_failed; /* how often the gate could not be closed */
    /* Positions in each ring: entries up to here have been shown; and what stood there a round ago, when all that was
     * handed over before had been shown. */
    uint64_t shown[SHM_SLOTS_MAX], aged[SHM_SLOTS_MAX];
};

/* The cut: from here on every entry of every table is pending. Sets state, lsn, tables, dirty_at_cut and keys_total;
 * with snap.log_begins the log is on from the same moment. The gate must be closed. */
enum rc snapshot_cut(struct shm_ctx *ctx);
/* fn NULL: to discard. */
void snapshot_open(struct snapshot *s, struct shm_ctx *ctx, snapshot_fn *fn, void *arg);
/* Shows what was handed over, then walks on by some buckets. False: all entries have been shown. When fn fails the
 * state becomes SNAP_DISCARDING, and the steps go on without it. Waits while the gate is closed. */
bool snapshot_step(struct snapshot *s);
/* Only what was handed over: for a snapshotter that takes its time between two steps. */
void snapshot_drain(struct snapshot *s);
/* When there are no more steps: the state is SNAP_IDLE again. */
void snapshot_end(struct shm_ctx *ctx);
void snapshot_close(struct snapshot *s);

/* The blocks in a slot's ring, for the checker: their entries. */
void snapshot_ring_entries(const struct shm_slot *s, void (*fn)(void *arg, shm_ref r, bool entry), void *arg);

#endif
