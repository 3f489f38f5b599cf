/* What a worker does ten times a second beside its clients, each thing within a budget. */
#include "shm/config.h"
#include "worker/worker.h"

void worker_clock(struct worker *w)
{
    w->clock = (uint32_t)(w->now_ms / 1000) & 0xffffff;
}

void worker_cron(struct worker *w)
{
    (void)w;
}

void memory_limit(struct worker *w)
{
    uint64_t limit = w->cfg->maxmemory;
    w->over_maxmemory = limit && slots_used_bytes() > (int64_t)limit;
}
