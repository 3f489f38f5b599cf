/* shm/tx.h - the one recipe for changing shared memory: reserve, prepare, commit, roll forward.
 * Owner     the slot's process; one transaction is open at a time.
 * Locks     the latches it was told to take; all are released by commit or abort.
 * Crash     before tx_commit's one store everything is undone, after it everything is completed.
 * Survives  worker death: yes, repair goes on where it stopped.
 * Fails     RC_NOMEM or RC_BUSY before the commit; the caller aborts. Commit cannot fail.
 * Tests     tests/crash/crash_points.c  tests/crash/single_step.c */
#ifndef SKEP_TX_H
#define SKEP_TX_H

#include "shm/crashpoint.h"
#include "shm/slab.h"

struct shm_table;

struct tx_count { /* what this transaction adds to a table's counters */
    struct shm_table *table;
    int64_t keys, expires, fields;
};
#define TX_TABLES 4 /* counted at a time; those of further tables become redo words early */

/* The record that tells the log what this transaction does (shm/wal.h). */
struct tx_wal {
    char *at; /* NULL: there is none */
    uint64_t len, cap, start;
    shm_ref block;
    uint32_t db, db_now;
    unsigned nmarks;
    uint16_t mark[16]; /* places in shm_wal.seen of the keys that change */
    uint64_t lsn;      /* after the commit: the record's number */
};

struct tx {
    struct shm_ctx *ctx;
    struct shm_lane *lane;
    /* where the lane's lists are */
    uint64_t *lock;
    struct lane_redo *redo;
    uint64_t *alloc, *freed;
    uint32_t cap; /* entries that each list has room for */
    uint8_t *undo;
    uint64_t undo_cap;
    int64_t used_delta;
    bool reads;   /* it changes no key: its locks are shared, and it is content with keys that others read */
    bool locks;   /* keys are locked, not latched (keys_lock) */
    bool trees;   /* the latch of the dead trees is held */
    bool dbs;     /* that of the databases is held */
    bool spilled; /* some counters are redo words already */
    unsigned ncount;
    uint32_t indexed; /* redos that the index of long lists knows, 0: it is not in use */
    struct tx_count count[TX_TABLES];
    struct tx_wal wal;
    shm_ref buried, buried_last; /* while keys are locked: trees to be freed, not yet among the others */
    uint32_t nburied;
    uint32_t handed, handed_redo; /* entries given to the snapshot, and the redo that moves the ring's tail */
};

void tx_begin(struct tx *tx, struct shm_ctx *ctx);
/* Notes the latch, then takes it. RC_BUSY: not taken, nothing noted. */
enum rc tx_latch(struct tx *tx, struct shm_latch *l);
enum rc tx_latch_try(struct tx *tx, struct shm_latch *l);
/* The last latch noted is given back unused: it turned out to be the wrong one. */
void tx_unlatch_last(struct tx *tx);
/* Notes a latch inside a block that this transaction has built, with the latch already held in it: whoever
 * comes by a word that is published early waits there until all words are. */
enum rc tx_latch_born(struct tx *tx, struct shm_latch *l);
/* From now on latch i of this transaction will be retired rather than released. */
void tx_latch_retire(struct tx *tx, unsigned i);
enum rc tx_alloc(struct tx *tx, uint64_t bytes, shm_ref *out);
/* The value built ahead becomes what this transaction makes refer to it, if it commits. 0: there is none. */
enum rc tx_take_built(struct tx *tx, shm_ref *out);
/* Frees a block at the commit. A block of this very transaction may be freed as well. */
enum rc tx_free(struct tx *tx, shm_ref r, uint64_t bytes);
enum rc tx_retire(struct tx *tx, shm_ref r, uint64_t bytes);
/* At the commit, the word at will become this. The last word told for a place counts. */
enum rc tx_redo(struct tx *tx, uint64_t *at, uint64_t word);
/* As the transaction sees the word: its own redo, or what stands there. from: the first redo to look at. */
uint64_t tx_word(struct tx *tx, const uint64_t *at, unsigned from);
enum rc tx_set_word(struct tx *tx, uint64_t *at, uint64_t word, unsigned from);
/* Saves bytes that are then changed in place. */
enum rc tx_log_bytes(struct tx *tx, void *at, uint64_t bytes);
/* The same; a few words whose number the compiler knows are stored without a call. */
static inline enum rc tx_log(struct tx *tx, void *at, uint64_t bytes)
{
    struct shm_lane *lane = tx->lane;
    uint64_t trailer[2] = {shm_ref_of(at), bytes};
    if (!__builtin_constant_p(bytes) || bytes % 8 || bytes > 32 ||
        UNLIKELY(lane->undo_bytes + bytes + sizeof(trailer) > tx->undo_cap))
        return tx_log_bytes(tx, at, bytes);
    uint8_t *u = tx->undo + lane->undo_bytes;
    memcpy(u, at, bytes);
    memcpy(u + bytes, trailer, sizeof(trailer));
    SHM_ORDER();
    lane->undo_bytes += (uint32_t)(bytes + sizeof(trailer));
    STEP(tx->ctx, TX_UNDO_NOTED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* readers without a lock see the latch before any new byte */
    return RC_OK;
}
enum rc tx_reserve(struct tx *tx, unsigned entries); /* room for so many entries in each list */
enum rc tx_count_add(struct tx *tx, const struct tx_count *more);
/* Makes memory as the commit would, but as undo, where a table's words and counters are concerned. Only behind the
 * closed gate: what else runs in this transaction may then look at whole tables. */
enum rc tx_expose(struct tx *tx);
/* For what the commit itself adds: room is kept for it. */
void tx_redo_last(struct tx *tx, uint64_t *at, uint64_t word);
void tx_wal_finish(struct tx *tx); /* shm/wal.c: numbers the record, and has the commit show it */
void tx_commit(struct tx *tx);
void tx_abort(struct tx *tx);
/* Gives back what transactions have kept for a thread that ends before its process. */
void tx_thread_ends(void);
/* The one or the other, as what was done came out. */
static inline enum rc tx_end(struct tx *tx, enum rc rc)
{
    if (rc)
        tx_abort(tx);
    else
        tx_commit(tx);
    return rc;
}

/* What repair does for a dead slot: forward or back, whatever the commit word says. */
void lane_recover(struct shm_ctx *ctx);

#endif
