/* shm/keylock.h - locks on keys, for transactions that last: what a process holds is a set of hashes in its slot.
 * Owner     the slot's process alone adds keys and gives them back; everybody looks.
 * Locks     it is one. A key is added, and looked for, by who holds its bucket's latch (or believes its version).
 * Crash     what a dead process has locked stays locked until its transaction is undone or completed.
 * Survives  worker death: yes, repair gives it back.
 * Fails     keylock_begin: RC_NOMEM. keylock_add: RC_BUSY, the set is full.
 * Tests     tests/unit/test_keylock.c  tests/crash/crash_points.c  tests/isolation/specs/keylock_*.spec
 *
 * A latch is one bucket's, so whoever holds it for long holds up to seven keys that he has never heard of. What lasts
 * (the slow lane) therefore latches its buckets only to lock its keys, and again to commit. In between the latch is
 * anybody's, and who has it asks here whether the key that he came for is locked.
 *
 * A lock is shared or exclusive, as the transaction reads or writes. A worker that is refused leaves its wish behind. When
 * the lock is given back such a key rests for a moment: nobody locks it, so that those who come for nanoseconds, and
 * look every millisecond, get their turn between two that last. */
#ifndef SKEP_KEYLOCK_H
#define SKEP_KEYLOCK_H

#include "shm/slot.h"

#define KEYLOCK_REST_US 1500 /* more than the time between two looks of a parked client */

/* Bit 0: exclusive. 63 bits of the hash name the key: of two keys with the same ones, one waits for the other. */
static inline uint64_t keylock_word(uint32_t db, uint64_t hash, bool exclusive)
{
    uint64_t w = (hash + db * 0x9e3779b97f4a7c15ull) & ~1ull;
    return (w ? w : 2) | exclusive;
}

/* Some process has locked keys. It is asked by everybody at every key: one line, and seldom written. */
static inline bool keylocks_any(const struct shm_root *r)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < SLOT_WORDS; i++)
        any |= __atomic_load_n(&r->keylocked[i], __ATOMIC_ACQUIRE);
    return UNLIKELY(any);
}

/* Slot + 1 of another process that has locked the key in a way that does not go with this one; 0: none. self: the
 * asker's slot, or SLOT_NOBODY. */
#define SLOT_NOBODY UINT32_MAX
uint32_t keylock_holder(const struct shm_root *r, uint32_t db, uint64_t hash, bool exclusive, uint32_t self);
/* The keys that rest, for who would lock some: exclusive words. Returns how many there are. */
unsigned keylocks_resting(const struct shm_root *r, uint64_t words[SHM_SLOTS_MAX]);

/* Inside a transaction that holds no key lock yet: room for so many keys and as many again that come late. */
enum rc keylock_begin(struct shm_ctx *ctx, unsigned keys);
/* The key's bucket is latched, and nobody else has locked the key. */
enum rc keylock_add(struct shm_ctx *ctx, uint32_t db, uint64_t hash, bool exclusive);
/* All of them, when the transaction has been undone or completed; also as repair. */
void keylock_end(struct shm_ctx *ctx);

#endif
