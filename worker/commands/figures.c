#include "worker/commands/figures.h"

#include "shm/pages.h"
#include "shm/session.h"
#include "shm/table.h"
#include "worker/dispatch/stats.h"
#include "worker/publish.h"

static void add_stats(struct shm_stats *to, const struct shm_stats *s)
{
#define X(name) to->name += s->name;
    SLOT_STATS(X)
#undef X
}

static void add_process(struct figures *f, const struct shm_slot *s)
{
    f->clients += s->clients;
    f->cpu_user_us += s->cpu_user_us;
    f->cpu_sys_us += s->cpu_sys_us;
    f->heap_bytes += s->heap_bytes;
    f->heap_active += s->heap_active;
    f->heap_resident += s->heap_resident;
    f->private_rss += s->rss_bytes;
    for (unsigned m = 0; m < METRICS; m++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < METRIC_SAMPLES; i++)
            sum += s->metric[m].per_second[i];
        f->per_second[m] += sum / METRIC_SAMPLES;
    }
}

/* What the table takes beside keys and values, without walking it: a bucket is 64 bytes and has 7 places, of
 * which some 80% are taken. */
static uint64_t table_overhead(uint64_t keys)
{
    return keys * sizeof(struct shm_bucket) * 10 / (BUCKET_SLOTS * 8) + sizeof(struct shm_table) +
           arena_root()->nslots * sizeof(struct shm_table_count);
}

static void add_databases(struct figures *f)
{
    const struct shm_root *r = arena_root();
    for (uint32_t db = 0; db < r->ndbs; db++) {
        const struct shm_table *t = db_table(r, db);
        if (!t)
            continue;
        int64_t keys = table_keys(t);
        keys = keys > 0 ? keys : 0; /* a sum of counters that change meanwhile */
        f->keys += (uint64_t)keys;
        f->overhead += table_overhead((uint64_t)keys);
    }
}

static void add_sessions(struct figures *f)
{
    for (uint32_t i = 0; i < sessions_end() && f->clients; i++) {
        const struct shm_session *s = session_at(i);
        uint32_t state = __atomic_load_n(&s->state, __ATOMIC_RELAXED);
        if (state != SESSION_FREE && state != SESSION_CLOSING)
            f->clients_bytes += s->tot_mem;
    }
}

void figures_gather(struct figures *f)
{
    const struct shm_root *r = arena_root();
    *f = (struct figures){0};
    for (uint32_t i = 0; i < r->nslots; i++) {
        const struct shm_slot *s = slot_at(i);
        if (stats_count(s))
            add_stats(&f->stats, &s->stats);
        if (slot_lives(s))
            add_process(f, s);
    }
    int64_t arena = slots_used_bytes();
    f->arena_used = arena > 0 ? (uint64_t)arena : 0;
    f->arena_resident = pages_resident_bytes();
    f->used = f->arena_used + f->heap_bytes;
    f->rss = f->arena_resident + f->private_rss;
    f->peak = r->peak_bytes > f->used ? r->peak_bytes : f->used;
    f->startup = r->startup_bytes < f->used ? r->startup_bytes : f->used;
    add_databases(f);
    add_sessions(f);
    f->overhead += f->startup + f->clients_bytes;
    if (f->overhead > f->used)
        f->overhead = f->used;
}
