/* shm/waiters.h - clients that wait until a key has something for them: who waits for which key, first come first.
 * Owner     the worker of the client's session; a session names its records by one word.
 * Locks     the waiters' latch, taken behind all buckets' latches. Whoever joins holds the bucket's latch of each of his
 *           keys, so that no push can come between his look at the key and his joining.
 * Crash     records are linked and unlinked in place under tx_log.
 * Survives  worker death: yes. Records of a session that has gone count for nothing, and are freed by whoever joins next.
 * Fails     RC_BUSY, RC_NOMEM: the caller aborts.
 * Tests     tests/crash/crash_points.c  tests/regress/sql/list_blocking.cmd  zset_blocking.cmd */
#ifndef SKEP_WAITERS_H
#define SKEP_WAITERS_H

#include "shm/session.h"
#include "shm/tx.h"

#define WAIT_CHAINS 1024u

/* A client and one of its keys. Keys are told by their hash: 64 bits, with a seed that nobody knows. */
struct shm_waiter {
    shm_ref next, prev; /* in the chain, in the order of coming */
    shm_ref next_own;   /* the same client's */
    uint64_t hash, id;  /* of the key; of the session */
    uint32_t db, session;
};

struct shm_waiters {
    struct shm_latch latch;
    uint32_t spare;
    uint64_t epoch; /* grows when every waiter should look at its keys again */
    uint64_t keys;  /* that somebody waits for, each once */
    struct shm_wait_chain {
        uint64_t head, tail;
    } chain[WAIT_CHAINS];
};

static inline struct shm_waiters *waiters_of(const struct shm_root *root)
{
    return shm_at(root->waiters);
}
/* May somebody wait for this key? For whoever holds its latch. */
static inline bool waiters_any(const struct shm_root *root, uint64_t hash)
{
    return __atomic_load_n(&waiters_of(root)->chain[hash % WAIT_CHAINS].head, __ATOMIC_RELAXED);
}
/* Takes the latch, unless this transaction has it. */
enum rc waiters_latch(struct tx *tx);
/* The first who waits for a value of this type under the key, NULL: nobody. The latch is held. */
const struct shm_waiter *waiters_first(const struct shm_root *root, uint32_t db, uint64_t hash,
                                       unsigned type);
/* The client joins the key's queue; a second time for the same key is nothing. */
enum rc waiters_join(struct tx *tx, struct shm_session *s, uint32_t db, uint64_t hash);
/* It leaves all queues. */
enum rc waiters_leave(struct tx *tx, struct shm_session *s);
/* Everybody is to look again: what happened names no key. */
static inline void waiters_stir(const struct shm_root *root)
{
    __atomic_add_fetch(&waiters_of(root)->epoch, 1, __ATOMIC_ACQ_REL);
}

#endif
