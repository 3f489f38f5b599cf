#include "worker/publish.h"
#include "shm/base/clock.h"
#include "worker/dispatch/stats.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* The allocator's own figures, in builds that have jemalloc; the sanitizers bring another one. */
extern int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
    __attribute__((weak));

/* Asking jemalloc makes it add up all of its arenas, some 20 us: once a second is enough. */
#define HEAP_LOOKS 10
#define STARTUP_MS 2000

/* A descriptor of this process, so it is no shared state; -1: there is no /proc. */
static int statm_fd = -1;
static unsigned heap_turn;

static uint64_t heap_figure(const char *name)
{
    size_t v = 0, n = sizeof(v);
    return mallctl(name, &v, &n, NULL, 0) ? 0 : v;
}

static void publish_heap(struct shm_slot *s)
{
    uint64_t epoch = 1;
    size_t n = sizeof(epoch);
    if (!mallctl || heap_turn++ % HEAP_LOOKS)
        return;
    mallctl("epoch", &epoch, &n, &epoch, n);
    s->heap_bytes = heap_figure("stats.allocated");
    s->heap_active = heap_figure("stats.active");
    s->heap_resident = heap_figure("stats.resident");
}

/* statm: total, resident and shared pages, among others. */
static void publish_rss(struct shm_slot *s)
{
    char text[128];
    ssize_t n = statm_fd < 0 ? -1 : pread(statm_fd, text, sizeof(text) - 1, 0);
    unsigned long total, resident, shared;
    if (n <= 0)
        return;
    text[n] = 0;
    if (sscanf(text, "%lu %lu %lu", &total, &resident, &shared) == 3 && resident >= shared)
        s->rss_bytes = (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void publish_cpu(struct shm_slot *s)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u))
        return;
    s->cpu_user_us = (uint64_t)u.ru_utime.tv_sec * 1000000 + (uint64_t)u.ru_utime.tv_usec;
    s->cpu_sys_us = (uint64_t)u.ru_stime.tv_sec * 1000000 + (uint64_t)u.ru_stime.tv_usec;
}

static void sample(struct shm_metric *m, uint64_t value, uint64_t now_us)
{
    uint64_t took = now_us - m->last_us;
    if (m->last_us && took && value >= m->last_value) {
        m->per_second[m->at % METRIC_SAMPLES] = (value - m->last_value) * 1000000 / took;
        m->at++;
    }
    m->last_us = now_us;
    m->last_value = value;
}

uint64_t used_memory_bytes(void)
{
    int64_t arena = slots_used_bytes();
    uint64_t n = arena > 0 ? (uint64_t)arena : 0;
    for (uint32_t i = 0; i < arena_root()->nslots; i++)
        n += slot_lives(slot_at(i)) ? slot_at(i)->heap_bytes : 0;
    return n;
}

static void raise_to(uint64_t *at, uint64_t v)
{
    uint64_t was = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (v > was && !__atomic_compare_exchange_n(at, &was, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

/* What the processes' heaps have come to two seconds after the start counts as the start's. */
static void publish_totals(struct shm_root *r)
{
    struct timespec now;
    int64_t arena = slots_used_bytes();
    uint64_t used = used_memory_bytes();
    clock_gettime(CLOCK_REALTIME, &now);
    raise_to(&r->peak_bytes, used);
    if ((uint64_t)now.tv_sec * 1000 < r->boot_time_ms + STARTUP_MS)
        raise_to(&r->startup_bytes, used - (uint64_t)(arena > 0 ? arena : 0));
}

void publish_start(struct shm_ctx *ctx)
{
    statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    heap_turn = 0;
    slot_publish(ctx);
}

void slot_publish(struct shm_ctx *ctx)
{
    struct shm_slot *s = ctx->slot;
    uint64_t now_us = (uint64_t)mono_us();
    stats_sync(ctx);
    publish_cpu(s);
    publish_rss(s);
    publish_heap(s);
    sample(&s->metric[METRIC_COMMANDS], s->stats.commands, now_us);
    sample(&s->metric[METRIC_NET_IN], s->stats.net_in, now_us);
    sample(&s->metric[METRIC_NET_OUT], s->stats.net_out, now_us);
    sample(&s->metric[METRIC_TURNS], s->stats.turns, now_us);
    sample(&s->metric[METRIC_TURNS_US], s->stats.turns_us, now_us);
    publish_totals(ctx->root);
}
