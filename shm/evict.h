/* shm/evict.h - which keys are used: the 24 bits of an entry that tell, and evicting by them.
 * Owner     the bits are everybody's: a lost update of them is harmless.
 * Locks     evict_some latches one bucket at a time.
 * Crash     the bits are in no log; every eviction is a transaction of its own.
 * Survives  worker death: yes.
 * Fails     evict_some: RC_NOMEM when the policy finds no key to take.
 * Tests     tests/unit/test_evict.c */
#ifndef SKEP_EVICT_H
#define SKEP_EVICT_H

#include "shm/config.h"
#include "shm/table.h"

/* With an LFU policy the bits are the minute of the last access (16) and a counter that grows with the
 * logarithm of the accesses (8); otherwise the second of the last access.
 *
 *   23               8 7         0      23                     0
 *  +------------------+-----------+    +------------------------+
 *  |   minutes        |  counter  |    |        seconds         |
 *  +------------------+-----------+    +------------------------+ */
#define LFU_NEW 5u /* a new key's counter: not the first to go */

static inline bool evict_is_lfu(int policy)
{
    return policy == EVICT_ALLKEYS_LFU || policy == EVICT_VOLATILE_LFU;
}
static inline bool evict_is_lru(int policy)
{
    return policy == EVICT_ALLKEYS_LRU || policy == EVICT_VOLATILE_LRU;
}
static inline bool evict_only_volatile(int policy)
{
    return policy == EVICT_VOLATILE_LRU || policy == EVICT_VOLATILE_LFU || policy == EVICT_VOLATILE_RANDOM ||
           policy == EVICT_VOLATILE_TTL;
}

/* The bits of an entry made or (without LFU) used now. */
static inline uint32_t evict_clock(int policy, int64_t now_ms)
{
    if (evict_is_lfu(policy))
        return (uint32_t)(now_ms / 60000 & 0xffff) << 8 | LFU_NEW;
    return (uint32_t)(now_ms / 1000) & 0xffffff;
}

/* The bits of an entry that comes from elsewhere, where it was idle for so long or had this LFU counter (-1:
 * that is not told). What the policy has no use for is dropped. */
uint32_t evict_clock_told(int policy, int64_t now_ms, int64_t idle_s, int freq);

uint32_t evict_idle_seconds(uint32_t clock, int64_t now_ms);
/* The LFU counter, less what it has lost since the last access. */
uint32_t evict_frequency(uint32_t clock, const struct shm_config *cfg, int64_t now_ms);
/* The bits after one more access. */
uint32_t evict_touched(uint32_t clock, const struct shm_config *cfg, int64_t now_ms);

/* Takes keys, by the policy, until used bytes (slots_used_bytes) are at most limit, or max keys are gone.
 * RC_OK: under the limit. RC_BUSY: not yet, call again. RC_NOMEM: nothing can be taken. */
enum rc evict_some(struct shm_ctx *ctx, const struct shm_config *cfg, int64_t now_ms, int64_t limit,
                   unsigned max, unsigned *evicted);

/* What OBJECT FREQ's counter and sampling draw from: private to the process, no secret. */
uint64_t evict_random(void);

#endif
