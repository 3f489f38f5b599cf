/* shm/latch.h - the short lock: a word with its holder's slot and a version that readers compare.
 * Owner     whoever stored its slot number there.
 * Locks     it is one. Held for nanoseconds, taken in the order that shm/README.md gives.
 * Crash     the holder noted the latch in its lane before taking it; repair compares and releases.
 * Survives  worker death: yes, repair frees it.
 * Fails     latch_try answers false; latch_spin after about 20 us.
 * Tests     tests/unit/test_latch.c */
#ifndef SKEP_LATCH_H
#define SKEP_LATCH_H

#include "shm/arena.h"

#define LATCH_OWNER 0xffu
#define LATCH_MASTER                                                                                         \
    0xfdu /* the master's number as a holder: its death ends everything, so nobody repairs it */
#define LATCH_RETIRED 0xffu /* the owner of what has been replaced: nobody takes it again */
#define LATCH_STEP    0x100u

static inline uint32_t latch_load(const struct shm_latch *l)
{
    return __atomic_load_n(&l->word, __ATOMIC_ACQUIRE);
}
static inline uint32_t latch_owner(uint32_t word)
{
    return word & LATCH_OWNER;
}
static inline bool latch_mine(const struct shm_latch *l, uint32_t id)
{
    return latch_owner(__atomic_load_n(&l->word, __ATOMIC_RELAXED)) == id + 1;
}
static inline bool latch_try(struct shm_latch *l, uint32_t id)
{
    uint32_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
    return !latch_owner(w) &&
           __atomic_compare_exchange_n(&l->word, &w, w | (id + 1), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}
/* Says that what it guards may have changed: readers who looked meanwhile look again. */
static inline void latch_release(struct shm_latch *l)
{
    uint32_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
    __atomic_store_n(&l->word, (w & ~LATCH_OWNER) + LATCH_STEP, __ATOMIC_RELEASE);
}
static inline void latch_retire(struct shm_latch *l)
{
    uint32_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
    __atomic_store_n(&l->word, (w | LATCH_RETIRED) + LATCH_STEP, __ATOMIC_RELEASE);
}
#if defined(__x86_64__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() __asm__ volatile("yield" ::: "memory")
#endif
/* Spins politely, for some 20 us at most: the holder works for nanoseconds, or is preempted, or dead. */
bool latch_spin(struct shm_latch *l, uint32_t id);

#endif
