#include "shm/latency.h"

#include <stdlib.h>

static const char *const names[LATENCY_COUNT] = {
#define X(id, name) name,
    LATENCY_EVENTS(X)
#undef X
};

const char *latency_event_name(enum latency_event e)
{
    return names[e];
}

int latency_event_find(struct bytes name)
{
    for (int i = 0; i < LATENCY_COUNT; i++)
        if (name.n == strlen(names[i]) && memcmp(name.p, names[i], name.n) == 0)
            return i;
    return -1;
}

static uint64_t epoch_of(enum latency_event e)
{
    return __atomic_load_n(&arena_root()->latency_epoch[e], __ATOMIC_ACQUIRE);
}

/* Within one second only the worst counts, as in Redis: a burst must not push the history out. */
void latency_add(struct shm_ctx *ctx, enum latency_event e, int64_t now_s, uint64_t ms)
{
    struct shm_latency *l = &ctx->slot->latency[e];
    if (l->epoch != epoch_of(e)) {
        __atomic_store_n(&l->n, 0, __ATOMIC_RELEASE);
        l->max_ms = 0;
        __atomic_store_n(&l->epoch, epoch_of(e), __ATOMIC_RELEASE);
    }
    if (ms > UINT32_MAX)
        ms = UINT32_MAX;
    if (ms > l->max_ms)
        l->max_ms = ms;
    uint64_t sample = (uint64_t)now_s << 32 | ms;
    uint64_t *last = l->n ? &l->sample[(l->n - 1) % LATENCY_SAMPLES] : NULL;
    if (last && *last >> 32 == sample >> 32) {
        if (*last < sample)
            __atomic_store_n(last, sample, __ATOMIC_RELAXED);
        return;
    }
    __atomic_store_n(&l->sample[l->n % LATENCY_SAMPLES], sample, __ATOMIC_RELAXED);
    __atomic_store_n(&l->n, l->n + 1, __ATOMIC_RELEASE);
}

static int by_age(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Puts a slot's samples behind the n there are, and keeps the last 160 of both. */
static unsigned merge(uint64_t *all, unsigned n, const struct shm_latency *l)
{
    uint64_t total = __atomic_load_n(&l->n, __ATOMIC_ACQUIRE);
    uint64_t take = total < LATENCY_SAMPLES ? total : LATENCY_SAMPLES;
    for (uint64_t i = total - take; i < total; i++)
        all[n++] = __atomic_load_n(&l->sample[i % LATENCY_SAMPLES], __ATOMIC_RELAXED);
    qsort(all, n, sizeof(*all), by_age);
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        if (kept && all[kept - 1] >> 32 == all[i] >> 32)
            kept--; /* sorted, so the later of one second is the worse */
        all[kept++] = all[i];
    }
    unsigned extra = kept > LATENCY_SAMPLES ? kept - LATENCY_SAMPLES : 0;
    memmove(all, all + extra, (kept - extra) * sizeof(*all));
    return kept - extra;
}

unsigned latency_samples(enum latency_event e, uint64_t out[LATENCY_SAMPLES], uint64_t *max_ms)
{
    uint64_t all[2 * LATENCY_SAMPLES], epoch = epoch_of(e);
    unsigned n = 0;
    *max_ms = 0;
    for (uint32_t i = 0; i < arena_root()->nslots; i++) {
        const struct shm_latency *l = &slot_at(i)->latency[e];
        if (__atomic_load_n(&l->epoch, __ATOMIC_ACQUIRE) != epoch)
            continue;
        if (l->max_ms > *max_ms)
            *max_ms = l->max_ms;
        n = merge(all, n, l);
    }
    memcpy(out, all, n * sizeof(*all));
    return n;
}

bool latency_reset(enum latency_event e)
{
    uint64_t samples[LATENCY_SAMPLES], max_ms;
    bool had = latency_samples(e, samples, &max_ms) > 0;
    __atomic_fetch_add(&arena_root()->latency_epoch[e], 1, __ATOMIC_ACQ_REL);
    return had;
}
