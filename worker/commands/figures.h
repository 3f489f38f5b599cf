/* worker/commands/figures.h - the server's figures, summed over all processes: for INFO and MEMORY.
 * Owner     the caller: a snapshot on its stack.
 * Locks     none; processes go on counting meanwhile.
 * Crash     read-only.
 * Survives  nothing to survive.
 * Fails     never.
 * Tests     tests/regress/server_info  server_memory */
#ifndef SKEP_FIGURES_H
#define SKEP_FIGURES_H

#include "shm/slot.h"

struct figures {
    struct shm_stats stats;
    uint64_t clients;
    uint64_t cpu_user_us, cpu_sys_us;
    uint64_t per_second[METRICS];
    /* memory */
    uint64_t arena_used, arena_resident; /* blocks in use; pages that the system stands behind */
    uint64_t heap_bytes, heap_active, heap_resident, private_rss;
    uint64_t used, rss, peak, startup;
    uint64_t overhead; /* used for the keyspace as a whole, sessions and buffers */
    uint64_t keys;
    uint64_t clients_bytes; /* buffers of clients */
};

void figures_gather(struct figures *f);
static inline double ratio_of(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

#endif
