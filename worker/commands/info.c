/* worker/commands/info.c - INFO, a function a section. Figures are summed over the slots of all processes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "shm/base/clock.h"
#include "shm/config.h"
#include "shm/pages.h"
#include "shm/track.h"
#include "shm/waiters.h"
#include "shm/wal.h"
#include "worker/commands/figures.h"
#include "worker/commands/server_cmds.h"
#include "worker/dispatch/stats.h"
#include "worker/script/libraries.h"
#include "worker/script/store.h"

command_fn cmd_info;

struct info {
    struct call *c;
    struct reply *text;
    struct figures f;
};

static __attribute__((format(printf, 2, 3))) void put(struct info *in, const char *fmt, ...)
{
    char line[SHM_PATH_BYTES + 256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    reply_raw(in->text, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
    REPLY_LIT(in->text, "\r\n");
}

static void put_size(struct info *in, const char *name, uint64_t bytes)
{
    char human[24];
    human_bytes(human, bytes);
    put(in, "%s:%llu", name, (unsigned long long)bytes);
    put(in, "%s_human:%s", name, human);
}

static void put_u64(struct info *in, const char *name, uint64_t v)
{
    put(in, "%s:%llu", name, (unsigned long long)v);
}

/* Names whose value is the same until the feature behind them exists: "name value" pairs. */
static void put_fixed(struct info *in, const char *const (*pairs)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(in, "%s:%s", pairs[i][0], pairs[i][1]);
}
#define PUT_FIXED(in, ...)                                                                                   \
    do {                                                                                                     \
        static const char *const pairs_[][2] = {__VA_ARGS__};                                                \
        put_fixed((in), pairs_, ARRAY_LEN(pairs_));                                                          \
    } while (0)

/* ---- server ---- */

static int master_pid(void)
{
    for (uint32_t i = 0; i < arena_root()->nslots; i++)
        if (slot_at(i)->role == ROLE_MASTER)
            return slot_at(i)->pid;
    return getppid();
}

static const char *state_name(uint32_t state)
{
    static const char *const names[] = {"down", "starting", "running", "stopping", "dead"};
    return state < ARRAY_LEN(names) ? names[state] : "?";
}

/* Those of some roles; a snapshotter and loaders are there only while there is something for them to do. */
static void put_helpers(struct info *in, unsigned roles)
{
    static const char *const names[] = {[ROLE_WAL] = "log_writer",
                                        [ROLE_SNAP] = "snapshotter",
                                        [ROLE_LOADER] = "loader",
                                        [ROLE_LANE] = "slow_lane"};
    for (uint32_t i = 0; i < in->c->ctx->root->nslots; i++) {
        const struct shm_slot *s = slot_at(i);
        if (!slot_lives(s) || s->role >= ARRAY_LEN(names) || !names[s->role] || !(roles >> s->role & 1))
            continue;
        put(in, "%s%u:pid=%d,state=%s,restarts=%u,cpu_ms=%llu", names[s->role], s->index, s->pid,
            state_name(s->state), s->restarts, (unsigned long long)((s->cpu_user_us + s->cpu_sys_us) / 1000));
    }
}

/* A place each for the addresses of bind, the optional ones without their sign. */
static void put_listeners(struct info *in)
{
    const struct shm_config *cfg = in->c->cfg;
    char text[sizeof(cfg->bind_value) + 512];
    size_t at = 0;
    unsigned n = 0;
    if (cfg->port) {
        at = (size_t)snprintf(text, sizeof(text), "name=tcp");
        for (const char *p = cfg->bind_value; *p;) {
            size_t len = strcspn(p, " ");
            at += (size_t)snprintf(text + at, sizeof(text) - at, ",bind=%.*s", (int)len, p);
            p += len + (p[len] == ' ');
        }
        put(in, "listener%u:%s,port=%lld", n++, text, (long long)cfg->port);
    }
    if (cfg->unixsocket[0])
        put(in, "listener%u:name=unix,bind=%s", n++, cfg->unixsocket);
}

static const char *supervised_name(const struct call *c)
{
    static const char *const names[] = {"no", "auto", "systemd", "upstart"};
    unsigned v = (unsigned)c->cfg->supervised;
    return v < ARRAY_LEN(names) ? names[v] : "no";
}

static void info_server(struct info *in)
{
    const struct shm_root *r = in->c->ctx->root;
    struct utsname name = {0};
    int64_t now_us = clock_us(CLOCK_REALTIME);
    uname(&name);
    uint64_t up_s = (uint64_t)now_us / 1000000 - r->boot_time_ms / 1000;
    put(in, "redis_version:%s", REDIS_VERSION);
    PUT_FIXED(in, {"redis_git_sha1", "00000000"}, {"redis_git_dirty", "0"}, {"redis_build_id", "0"},
              {"redis_mode", "standalone"}, {"server_name", "skep"}, {"skep_version", SKEP_VERSION});
    put(in, "os:%s %s %s", name.sysname, name.release, name.machine);
    put(in, "arch_bits:%zu", sizeof(long) * 8);
    PUT_FIXED(in, {"monotonic_clock", "POSIX clock_gettime"}, {"multiplexing_api", "epoll"},
              {"atomicvar_api", "c11-builtin"}, {"gcc_version", __VERSION__});
    put(in, "process_id:%d", master_pid());
    put(in, "process_supervised:%s", supervised_name(in->c));
    put(in, "run_id:%.40s", (const char *)r->run_id);
    put(in, "tcp_port:%lld", (long long)in->c->cfg->port);
    put(in, "server_time_usec:%lld", (long long)now_us);
    put_u64(in, "uptime_in_seconds", up_s);
    put_u64(in, "uptime_in_days", up_s / 86400);
    put(in, "hz:%lld", (long long)in->c->cfg->hz);
    put(in, "configured_hz:%lld", (long long)in->c->cfg->hz);
    put_u64(in, "lru_clock", (uint64_t)now_us / 1000000 & 0xffffff);
    put(in, "executable:%s", r->executable);
    put(in, "config_file:%s", r->config_file);
    PUT_FIXED(in, {"io_threads_active", "0"});
    put_u64(in, "skep_refusals", __atomic_load_n(&r->refusals, __ATOMIC_ACQUIRE));
    put(in, "skep_last_refusal:%s", r->refusal);
    put_listeners(in);
    put_helpers(in, 1u << ROLE_LANE);
}

/* ---- clients ---- */

struct blocked {
    uint64_t waiting, timed, paused; /* for a key; of them, not for ever; for the end of a pause */
};

/* Of the clients as each worker measured them last, within the last second. */
static struct blocked put_largest_buffers(struct info *in)
{
    struct blocked b = {0};
    uint64_t input = 0, output = 0;
    for (uint32_t i = 0, n = sessions_end(); i < n; i++) {
        const struct shm_session *s = session_at(i);
        uint64_t qbuf = (uint64_t)s->qbuf + s->qbuf_free;
        if (s->state == SESSION_FREE)
            continue;
        input = qbuf > input ? qbuf : input;
        output = s->rbp > output ? s->rbp : output;
        bool waits = s->flags & SESSION_F_BLOCKED;
        b.waiting += waits;
        b.timed += waits && s->block_until != INT64_MAX;
        b.paused += !waits && s->flags & SESSION_F_PAUSED;
    }
    put_u64(in, "client_recent_max_input_buffer", input);
    put_u64(in, "client_recent_max_output_buffer", output);
    return b;
}

static uint64_t tracking_clients(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < arena_root()->nslots; i++)
        n += slot_lives(slot_at(i)) ? slot_at(i)->tracking_clients : 0;
    return n;
}

static void info_clients(struct info *in)
{
    put_u64(in, "connected_clients", in->f.clients);
    PUT_FIXED(in, {"cluster_connections", "0"});
    put_u64(in, "maxclients", in->c->cfg->maxclients);
    struct blocked b = put_largest_buffers(in);
    put_u64(in, "blocked_clients", b.waiting + b.paused);
    put_u64(in, "tracking_clients", tracking_clients());
    put_u64(in, "clients_in_timeout_table", b.timed);
    /* Those who died while they waited leave the queues when somebody else comes. */
    put_u64(in, "total_blocking_keys", b.waiting ? waiters_of(in->c->ctx->root)->keys : 0);
    PUT_FIXED(in, {"total_blocking_keys_on_nokey", "0"});
}

/* ---- memory ---- */

static void put_allocator(struct info *in)
{
    const struct figures *f = &in->f;
    put(in, "allocator_frag_ratio:%.2f", ratio_of(f->heap_active, f->heap_bytes));
    put_u64(in, "allocator_frag_bytes", f->heap_active - (f->heap_active ? f->heap_bytes : 0));
    put(in, "allocator_rss_ratio:%.2f", ratio_of(f->heap_resident, f->heap_active));
    put(in, "allocator_rss_bytes:%lld", (long long)(f->heap_resident - f->heap_active));
    put(in, "rss_overhead_ratio:%.2f", ratio_of(f->rss, f->arena_resident + f->heap_resident));
    put(in, "rss_overhead_bytes:%lld", (long long)(f->rss - f->arena_resident - f->heap_resident));
    put(in, "mem_fragmentation_ratio:%.2f", ratio_of(f->rss, f->used));
    put(in, "mem_fragmentation_bytes:%lld", (long long)(f->rss - f->used));
}

/* False: they are being changed just now, and INFO is to be run again. */
static bool put_functions(struct info *in, uint64_t lua)
{
    const struct library_copy *now = libraries_here(in->c);
    uint64_t libraries = 0, functions = 0;
    struct library lib;
    if (!now)
        return false;
    for (struct bytes rest = now->all; library_next(&rest, &lib); libraries++)
        functions += lib.nfunctions;
    put_u64(in, "number_of_functions", functions);
    put_u64(in, "number_of_libraries", libraries);
    PUT_FIXED(in, {"used_memory_vm_functions", "0"});
    put_size(in, "used_memory_vm_total", lua);
    put_u64(in, "used_memory_functions", now->all.n);
    put_size(in, "used_memory_scripts", now->all.n + (uint64_t)store_bytes());
    return true;
}

static void info_memory(struct info *in)
{
    static const char *const policies[] = {"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
                                           "allkeys-lru",  "allkeys-lfu",  "allkeys-random",  "noeviction"};
    const struct figures *f = &in->f;
    const struct shm_config *cfg = in->c->cfg;
    uint64_t dataset = f->used - f->overhead;
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    put_size(in, "used_memory", f->used);
    put_size(in, "used_memory_rss", f->rss);
    put_size(in, "used_memory_peak", f->peak);
    put(in, "used_memory_peak_perc:%.2f%%", ratio_of(f->used, f->peak) * 100);
    put_u64(in, "used_memory_overhead", f->overhead);
    put_u64(in, "used_memory_startup", f->startup);
    put_u64(in, "used_memory_dataset", dataset);
    put(in, "used_memory_dataset_perc:%.2f%%", ratio_of(dataset, f->used - f->startup) * 100);
    put_u64(in, "allocator_allocated", f->used);
    put_u64(in, "allocator_active", f->arena_used + f->heap_active);
    put_u64(in, "allocator_resident", f->arena_resident + f->heap_resident);
    put_size(in, "total_system_memory", machine);
    uint64_t lua = 0;
    for (uint32_t i = 0; i < in->c->ctx->root->nslots; i++)
        lua += slot_lives(slot_at(i)) ? slot_at(i)->lua_bytes : 0;
    put_u64(in, "used_memory_vm_eval", lua);
    put_size(in, "used_memory_lua", lua);
    put_u64(in, "used_memory_scripts_eval", (uint64_t)store_bytes());
    put_u64(in, "number_of_cached_scripts", (uint64_t)store_count(in->c->ctx->root));
    if (!put_functions(in, lua))
        return;
    put_size(in, "maxmemory", cfg->maxmemory);
    put(in, "maxmemory_policy:%s", policies[(unsigned)cfg->maxmemory_policy % ARRAY_LEN(policies)]);
    put_allocator(in);
    PUT_FIXED(in, {"mem_not_counted_for_evict", "0"}, {"mem_replication_backlog", "0"},
              {"mem_total_replication_buffers", "0"}, {"mem_clients_slaves", "0"});
    put_u64(in, "mem_clients_normal", f->clients_bytes);
    PUT_FIXED(in, {"mem_cluster_links", "0"});
    put_u64(in, "mem_aof_buffer", wal_ring_used(in->c->ctx->root));
    PUT_FIXED(in, {"mem_allocator", "skep-arena, jemalloc"}, {"active_defrag_running", "0"});
    put_u64(in, "lazyfree_pending_objects", in->c->ctx->root->graveyard_keys + in->c->ctx->root->ndead_trees);
    put_u64(in, "lazyfreed_objects", f->stats.lazyfreed);
    put_u64(in, "skep_arena_size", in->c->ctx->root->arena_bytes);
    put_u64(in, "skep_arena_used", f->arena_used);
    put_u64(in, "skep_arena_resident", f->arena_resident);
    put_u64(in, "skep_arena_huge_pages", pages_folded_bytes());
    put_u64(in, "skep_private_heap", f->heap_bytes);
    put_u64(in, "skep_private_rss", f->private_rss);
}

/* ---- persistence ---- */

/* There is no copy-on-write: what writers replace during a snapshot is handed over as it is. */
static void put_snapshot(struct info *in, const struct shm_snap *s, int64_t now_ms)
{
    uint64_t busy = __atomic_load_n(&s->busy, __ATOMIC_ACQUIRE);
    bool any = busy != 0, rdb = busy == SNAP_RDB;
    uint64_t done = any ? s->keys_done : 0, total = any ? s->keys_total : 0;
    PUT_FIXED(in, {"async_loading", "0"}, {"current_cow_peak", "0"}, {"current_cow_size", "0"},
              {"current_cow_size_age", "0"});
    put(in, "current_fork_perc:%.2f", ratio_of(done, total) * 100);
    put_u64(in, "current_save_keys_processed", done);
    put_u64(in, "current_save_keys_total", total);
    put_u64(in, "rdb_changes_since_last_save", persist_dirty(in->c->ctx->root) - s->dirty_saved);
    put(in, "rdb_bgsave_in_progress:%d", rdb);
    put(in, "rdb_last_save_time:%lld", (long long)s->last_save_s);
    /* What writes are refused by, so that whoever waits for the one here meets the other. */
    put(in, "rdb_last_bgsave_status:%s", heeds(in->c->ctx->root, HEED_SAVE_FAILED) ? "err" : "ok");
    put(in, "rdb_last_bgsave_time_sec:%lld", (long long)s->last_s);
    put(in, "rdb_current_bgsave_time_sec:%lld", rdb ? (long long)(now_ms - s->start_ms) / 1000 : -1);
    put_u64(in, "rdb_saves", s->saves);
    PUT_FIXED(in, {"rdb_last_cow_size", "0"});
}

static void put_loaded_keys(struct info *in, const struct shm_load *l)
{
    uint64_t keys = 0, expired = 0;
    for (uint32_t i = 0; i < LOADERS_MAX; i++) {
        keys += l->loader[i].keys;
        expired += l->loader[i].expired;
    }
    put_u64(in, "rdb_last_load_keys_expired", expired);
    put_u64(in, "rdb_last_load_keys_loaded", keys);
}

static void put_log(struct info *in, const struct shm_persist *p, int64_t now_ms)
{
    const struct shm_snap *s = &p->snap;
    bool rewrites = __atomic_load_n(&s->busy, __ATOMIC_ACQUIRE) == SNAP_BASE;
    put(in, "aof_enabled:%d", in->c->cfg->appendonly);
    put(in, "aof_rewrite_in_progress:%d", rewrites);
    put(in, "aof_rewrite_scheduled:%u", p->rewrite_scheduled);
    put(in, "aof_last_rewrite_time_sec:%lld", (long long)s->base_last_s);
    put(in, "aof_current_rewrite_time_sec:%lld", rewrites ? (long long)(now_ms - s->start_ms) / 1000 : -1);
    put(in, "aof_last_bgrewrite_status:%s", s->base_failed ? "err" : "ok");
    put(in, "aof_rewrites:%u", p->rewrites);
    put(in, "aof_rewrites_consecutive_failures:%u", p->rewrite_failures);
    put(in, "aof_last_write_status:%s", p->wal.fault ? "err" : "ok");
    PUT_FIXED(in, {"aof_last_cow_size", "0"}, {"module_fork_in_progress", "0"},
              {"module_fork_last_cow_size", "0"});
}

static void put_writer(struct info *in, const struct shm_persist *p)
{
    const struct shm_wal *w = &p->wal;
    uint64_t ring = wal_ring_used(in->c->ctx->root);
    if (in->c->cfg->appendonly) {
        put_u64(in, "aof_current_size", w->base_bytes + w->bytes);
        put_u64(in, "aof_base_size", w->base_bytes);
        put(in, "aof_pending_rewrite:%u", p->rewrite_scheduled);
        put_u64(in, "aof_buffer_length", ring);
        put(in, "aof_pending_bio_fsync:%d", w->written != w->durable);
        put_u64(in, "aof_delayed_fsync", w->delayed_syncs);
    }
    /* On is told when a start would read it: the base is complete, and the segments behind it have their names. */
    bool goes_on = w->state == WAL_BEGINS || w->state == WAL_ON,
         complete = w->state == WAL_ON && !w->pending_from;
    put(in, "wal_state:%s", complete ? "on" : goes_on ? "begins" : "off");
    if (!goes_on)
        return;
    put_u64(in, "wal_position", wal_lsn(in->c->ctx->root));
    put_u64(in, "wal_written_position", w->written);
    put_u64(in, "wal_durable_position", w->durable);
    put_u64(in, "wal_base_position", w->base_lsn);
    put_u64(in, "wal_segments", w->segments);
    put_u64(in, "wal_segments_bytes", w->bytes);
    put_u64(in, "wal_ring_used", ring);
    put_u64(in, "wal_syncs", w->syncs);
    put_u64(in, "wal_sync_us_avg", w->syncs ? w->sync_us_sum / w->syncs : 0);
    put_u64(in, "wal_sync_us_max", w->sync_us_max);
    put_u64(in, "wal_sync_us_last", w->last_sync_us);
    put(in, "wal_fault:%s", w->fault ? w->error[0] ? w->error : strerror((int)w->fault) : "");
}

static void put_loading(struct info *in, const struct shm_load *l, int64_t now_ms)
{
    uint64_t done = l->loaded_bytes_before, least = UINT64_MAX;
    for (uint32_t i = 0; i < l->nloaders && i < LOADERS_MAX; i++)
        if (l->loader[i].bytes_done < least)
            least = l->loader[i].bytes_done; /* each reads the whole file, for its share of the keys */
    done += least == UINT64_MAX ? 0 : least;
    done = done < l->total_bytes ? done : l->total_bytes;
    uint64_t s = now_ms > l->start_ms ? (uint64_t)(now_ms - l->start_ms) / 1000 : 0;
    put(in, "loading_start_time:%lld", (long long)l->start_ms / 1000);
    put_u64(in, "loading_total_bytes", l->total_bytes);
    PUT_FIXED(in, {"loading_rdb_used_mem", "0"});
    put_u64(in, "loading_loaded_bytes", done);
    put(in, "loading_loaded_perc:%.2f", ratio_of(done, l->total_bytes) * 100);
    put_u64(in, "loading_eta_seconds", done ? s * (l->total_bytes - done) / done : 1);
}

static void info_persistence(struct info *in)
{
    const struct shm_persist *p = persist(in->c->ctx->root);
    bool loading = heeds(in->c->ctx->root, HEED_LOADING);
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    put(in, "loading:%d", loading);
    put_snapshot(in, &p->snap, now_ms);
    put_loaded_keys(in, &p->load);
    put_log(in, p, now_ms);
    put_writer(in, p);
    if (loading)
        put_loading(in, &p->load, now_ms);
    put_helpers(in, 1u << ROLE_WAL | 1u << ROLE_SNAP | 1u << ROLE_LOADER);
}

/* ---- stats ---- */

static void put_traffic(struct info *in)
{
    const struct figures *f = &in->f;
    put_u64(in, "total_connections_received", f->stats.connections);
    put_u64(in, "total_commands_processed", f->stats.commands);
    put_u64(in, "instantaneous_ops_per_sec", f->per_second[METRIC_COMMANDS]);
    put_u64(in, "total_net_input_bytes", f->stats.net_in);
    put_u64(in, "total_net_output_bytes", f->stats.net_out);
    PUT_FIXED(in, {"total_net_repl_input_bytes", "0"}, {"total_net_repl_output_bytes", "0"});
    put(in, "instantaneous_input_kbps:%.2f", (double)f->per_second[METRIC_NET_IN] / 1024);
    put(in, "instantaneous_output_kbps:%.2f", (double)f->per_second[METRIC_NET_OUT] / 1024);
    PUT_FIXED(in, {"instantaneous_input_repl_kbps", "0.00"}, {"instantaneous_output_repl_kbps", "0.00"});
    put_u64(in, "rejected_connections", f->stats.rejected);
}

/* All workers see the same excess, each at its own moments: the one that has seen most of it is told. */
static void put_excess(struct info *in)
{
    uint64_t total = 0, current = 0;
    for (uint32_t i = 0; i < in->c->ctx->root->nslots; i++) {
        const struct shm_slot *s = slot_at(i);
        if (!slot_lives(s))
            continue;
        int64_t since = s->over_since_ms;
        uint64_t now = since && in->c->now_ms > since ? (uint64_t)(in->c->now_ms - since) : 0;
        uint64_t sum = now + (stats_count(s) ? s->over_ms : 0);
        current = now > current ? now : current;
        total = sum > total ? sum : total;
    }
    put_u64(in, "total_eviction_exceeded_time", total);
    /* A worker without anything to do notices the end of it late. */
    bool over = in->c->cfg->maxmemory && slots_used_bytes() > (int64_t)in->c->cfg->maxmemory;
    put_u64(in, "current_eviction_exceeded_time", over ? current : 0);
}

static bool slot_has_prefix(uint32_t slot, struct bytes name)
{
    const struct shm_prefixes *p = track_prefixes_of(slot);
    struct bytes prefix;
    uint64_t at = 0;
    while (p && track_prefix_next(p, &at, &prefix))
        if (bytes_equal(prefix, name))
            return true;
    return false;
}

/* A prefix of several workers is one. */
static uint64_t new_prefixes(uint32_t slot)
{
    const struct shm_prefixes *p = track_prefixes_of(slot);
    struct bytes prefix;
    uint64_t at = 0, n = 0;
    while (p && track_prefix_next(p, &at, &prefix)) {
        uint32_t i = 0;
        while (i < slot && !slot_has_prefix(i, prefix))
            i++;
        n += i == slot;
    }
    return n;
}

/* A key that clients of two workers have read counts twice. */
static void put_tracking(struct info *in)
{
    uint64_t keys = 0, items = 0, prefixes = 0;
    for (uint32_t i = 0; i < arena_root()->nslots; i++) {
        keys += slot_at(i)->tracked_keys;
        items += slot_at(i)->tracked_items;
        prefixes += new_prefixes(i);
    }
    put_u64(in, "tracking_total_keys", keys);
    put_u64(in, "tracking_total_items", items);
    put_u64(in, "tracking_total_prefixes", prefixes);
}

/* Of all workers' loops: how often they turned, and how long they worked between two sleeps. */
static void put_turns(struct info *in)
{
    const struct figures *f = &in->f;
    uint64_t turns = f->per_second[METRIC_TURNS], us = f->per_second[METRIC_TURNS_US], commands_us = 0;
    for (unsigned row = 0; row < command_rows_n; row++)
        for (uint32_t i = 0; i < in->c->ctx->root->nslots; i++)
            commands_us += stats_count(slot_at(i)) ? slot_at(i)->cmd[row].usec : 0;
    put_u64(in, "eventloop_cycles", f->stats.turns);
    put_u64(in, "eventloop_duration_sum", f->stats.turns_us);
    put_u64(in, "eventloop_duration_cmd_sum", commands_us);
    put_u64(in, "instantaneous_eventloop_cycles_per_sec", turns);
    put_u64(in, "instantaneous_eventloop_duration_usec", turns ? us / turns : 0);
}

static void info_stats(struct info *in)
{
    const struct shm_stats *s = &in->f.stats;
    put_traffic(in);
    PUT_FIXED(in, {"sync_full", "0"}, {"sync_partial_ok", "0"}, {"sync_partial_err", "0"});
    put_u64(in, "expired_keys", s->expired);
    put_u64(in, "expired_subkeys", s->expired_fields);
    put(in, "expired_stale_perc:%.2f", ratio_of(s->expired_stale, s->expired + s->expired_stale) * 100);
    put_u64(in, "expired_time_cap_reached_count", s->expire_limit_hit);
    put_u64(in, "expire_cycle_cpu_milliseconds", s->active_expire_us / 1000);
    put_u64(in, "evicted_keys", s->evicted);
    put_u64(in, "evicted_clients", s->evicted_clients);
    put_excess(in);
    put_u64(in, "keyspace_hits", s->hits);
    put_u64(in, "keyspace_misses", s->misses);
    put_u64(in, "pubsub_channels", registry_names(arena_root(), TOPIC_CHANNEL));
    put_u64(in, "pubsub_patterns", registry_names(arena_root(), TOPIC_PATTERN));
    put_u64(in, "pubsubshard_channels", registry_names(arena_root(), TOPIC_SHARD));
    PUT_FIXED(in, {"latest_fork_usec", "0"}, {"total_forks", "0"}, {"migrate_cached_sockets", "0"},
              {"slave_expires_tracked_keys", "0"}, {"active_defrag_hits", "0"}, {"active_defrag_misses", "0"},
              {"active_defrag_key_hits", "0"}, {"active_defrag_key_misses", "0"},
              {"total_active_defrag_time", "0"}, {"current_active_defrag_time", "0"});
    put_tracking(in);
    PUT_FIXED(in, {"unexpected_error_replies", "0"});
    put_u64(in, "total_error_replies", s->errors);
    PUT_FIXED(in, {"dump_payload_sanitizations", "0"});
    put_u64(in, "total_reads_processed", s->total_reads);
    put_u64(in, "total_writes_processed", s->total_writes);
    PUT_FIXED(in, {"io_threaded_reads_processed", "0"}, {"io_threaded_writes_processed", "0"},
              {"reply_buffer_shrinks", "0"}, {"reply_buffer_expands", "0"});
    put_u64(in, "client_output_buffer_limit_disconnections", s->output_limit);
    put_u64(in, "client_query_buffer_limit_disconnections", s->query_limit);
    put_turns(in);
    put_u64(in, "acl_access_denied_auth", s->auth_denied);
    PUT_FIXED(in, {"acl_access_denied_cmd", "0"}, {"acl_access_denied_key", "0"},
              {"acl_access_denied_channel", "0"});
    put_u64(in, "skep_parked_commands", s->parked);
    put_u64(in, "skep_slow_lane_commands", s->slow_lane);
    put_u64(in, "skep_oom_rejected", s->oom_rejected);
}

/* ---- the short ones ---- */

/* The replication id is the run's: nothing is replicated yet, and a restart is another history. */
static void info_replication(struct info *in)
{
    PUT_FIXED(in, {"role", "master"}, {"connected_slaves", "0"}, {"master_failover_state", "no-failover"});
    put(in, "master_replid:%.40s", (const char *)in->c->ctx->root->run_id);
    PUT_FIXED(in, {"master_replid2", "0000000000000000000000000000000000000000"}, {"master_repl_offset", "0"},
              {"second_repl_offset", "-1"}, {"repl_backlog_active", "0"}, {"repl_backlog_size", "1048576"},
              {"repl_backlog_first_byte_offset", "0"}, {"repl_backlog_histlen", "0"});
}

static void info_cpu(struct info *in)
{
    uint64_t sys = in->f.cpu_sys_us, user = in->f.cpu_user_us;
    put(in, "used_cpu_sys:%llu.%06llu", (unsigned long long)(sys / 1000000),
        (unsigned long long)(sys % 1000000));
    put(in, "used_cpu_user:%llu.%06llu", (unsigned long long)(user / 1000000),
        (unsigned long long)(user % 1000000));
    PUT_FIXED(in, {"used_cpu_sys_children", "0.000000"}, {"used_cpu_user_children", "0.000000"});
    put(in, "used_cpu_sys_main_thread:%llu.%06llu", (unsigned long long)(sys / 1000000),
        (unsigned long long)(sys % 1000000));
    put(in, "used_cpu_user_main_thread:%llu.%06llu", (unsigned long long)(user / 1000000),
        (unsigned long long)(user % 1000000));
}

static void info_modules(struct info *in)
{
    (void)in;
}

static void info_cluster(struct info *in)
{
    PUT_FIXED(in, {"cluster_enabled", "0"});
}

static void info_keyspace(struct info *in)
{
    const struct shm_root *r = in->c->ctx->root;
    for (uint32_t db = 0; db < r->ndbs; db++) {
        const struct shm_table *t = db_table(r, db);
        int64_t keys = t ? table_keys(t) : 0, expires = t ? table_expires(t) : 0;
        int64_t fields = t ? table_fields(t) : 0;
        char subexpiry[48] =
            ""; /* Redis 7.4 tells it; without such fields the line is that of those before */
        if (fields > 0)
            snprintf(subexpiry, sizeof(subexpiry), ",subexpiry=%lld", (long long)fields);
        if (keys > 0)
            put(in, "db%u:keys=%lld,expires=%lld,avg_ttl=%lld%s", db, (long long)keys,
                (long long)(expires > 0 ? expires : 0), (long long)(expires > 0 ? t->avg_ttl_ms : 0),
                subexpiry);
    }
}

/* ---- workers ---- */

/* While a worker is being replaced two slots may carry its number: the one that serves is shown. */
static const struct shm_slot *worker_slot(uint32_t index)
{
    static const unsigned rank[] = {
        [SLOT_FREE] = 1, [SLOT_STARTING] = 4, [SLOT_RUNNING] = 5, [SLOT_STOPPING] = 3, [SLOT_DEAD] = 2};
    const struct shm_slot *best = NULL;
    for (uint32_t i = 0; i < arena_root()->nslots; i++) {
        const struct shm_slot *s = slot_at(i);
        if (s->role != ROLE_WORKER || s->index != index || s->state >= ARRAY_LEN(rank))
            continue;
        if (!best || rank[s->state] > rank[best->state])
            best = s;
    }
    return best;
}

static void info_workers(struct info *in)
{
    const struct shm_root *r = in->c->ctx->root;
    unsigned n = 0;
    for (uint32_t index = 0; index < r->nslots; index++) {
        const struct shm_slot *s = worker_slot(index);
        if (!s)
            continue;
        put(in, "worker%u:pid=%d,state=%s,clients=%llu,commands=%llu,restarts=%u,cpu_ms=%llu", index, s->pid,
            state_name(s->state), (unsigned long long)s->clients,
            (unsigned long long)(stats_count(s) ? s->stats.commands : 0), s->restarts,
            (unsigned long long)((s->cpu_user_us + s->cpu_sys_us) / 1000));
        n++;
    }
    put(in, "workers:%u", n);
    put_u64(in, "crashes_repaired", r->crashes_repaired);
    put_u64(in, "last_repair_us", r->last_repair_us);
    put_u64(in, "sessions_kept", r->sessions_kept);
    put_u64(in, "handovers", r->handovers);
}

/* ---- what the commands did ---- */

static void info_commandstats(struct info *in)
{
    for (unsigned row = 0; row < command_rows_n; row++) {
        struct shm_cmdstat sum = {0};
        for (uint32_t i = 0; i < in->c->ctx->root->nslots; i++) {
            const struct shm_cmdstat *s = &slot_at(i)->cmd[row];
            if (!stats_count(slot_at(i)))
                continue;
            sum.calls += s->calls;
            sum.usec += s->usec;
            sum.rejected += s->rejected;
            sum.failed += s->failed;
        }
        if (!sum.calls && !sum.rejected && !sum.failed)
            continue;
        put(in, "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
            command_fullname(&command_rows[row]), (unsigned long long)sum.calls, (unsigned long long)sum.usec,
            ratio_of(sum.usec, sum.calls), (unsigned long long)sum.rejected, (unsigned long long)sum.failed);
    }
}

struct error_sums {
    struct shm_errstat v[SHM_SLOTS_MAX];
    unsigned n;
};

static void add_error(struct error_sums *sums, const struct shm_errstat *e)
{
    uint64_t count = __atomic_load_n(&e->count, __ATOMIC_ACQUIRE);
    unsigned i = 0;
    if (!count)
        return;
    while (i < sums->n && strcmp(sums->v[i].name, e->name) != 0)
        i++;
    if (i == ARRAY_LEN(sums->v))
        return;
    if (i == sums->n)
        memcpy(sums->v[sums->n++].name, e->name, sizeof(e->name));
    sums->v[i].count += count;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct shm_errstat *)a)->name, ((const struct shm_errstat *)b)->name);
}

static void info_errorstats(struct info *in)
{
    struct error_sums *sums = calloc(1, sizeof(*sums));
    CHECK(sums);
    for (uint32_t i = 0; i < in->c->ctx->root->nslots; i++)
        for (unsigned k = 0; k < ERRSTATS && stats_count(slot_at(i)); k++)
            add_error(sums, &slot_at(i)->err[k]);
    qsort(sums->v, sums->n, sizeof(sums->v[0]), by_name);
    for (unsigned i = 0; i < sums->n; i++)
        put(in, "errorstat_%s:count=%llu", sums->v[i].name, (unsigned long long)sums->v[i].count);
    free(sums);
}

/* The time in microseconds below which so many percent of the calls were: within its bucket it is taken to be
 * spread evenly. */
static double percentile_us(const uint64_t bucket[LATENCY_BUCKETS], uint64_t calls, double percent)
{
    double want = (double)calls * percent / 100, below = 0;
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        double low = b ? (double)stats_bucket_ns(b - 1) : 0, high = (double)stats_bucket_ns(b);
        if (bucket[b] && below + (double)bucket[b] >= want)
            return (low + (high - low) * (want - below) / (double)bucket[b]) / 1000;
        below += (double)bucket[b];
    }
    return (double)stats_bucket_ns(LATENCY_BUCKETS - 1) / 1000;
}

static void put_percentiles(struct info *in, const struct command *row, const uint64_t *bucket,
                            uint64_t calls)
{
    const struct shm_config *cfg = in->c->cfg;
    char text[CONFIG_QUANTS_MAX * 48];
    size_t at = 0;
    for (int i = 0; i < cfg->npercentiles && i < CONFIG_QUANTS_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%sp%g=%.3f", i ? "," : "", cfg->percentiles[i],
                               percentile_us(bucket, calls, cfg->percentiles[i]));
    if (at)
        put(in, "latency_percentiles_usec_%s:%s", command_fullname(row), text);
}

static void info_latencystats(struct info *in)
{
    for (unsigned row = 0; row < command_rows_n; row++) {
        uint64_t bucket[LATENCY_BUCKETS] = {0}, calls = 0;
        for (uint32_t i = 0; i < in->c->ctx->root->nslots; i++)
            for (unsigned b = 0; b < LATENCY_BUCKETS && stats_count(slot_at(i)); b++) {
                bucket[b] += slot_at(i)->hist[row][b];
                calls += slot_at(i)->hist[row][b];
            }
        if (calls)
            put_percentiles(in, &command_rows[row], bucket, calls);
    }
}

/* ---- sections ---- */

enum { BY_DEFAULT = 1, IN_ALL = 2, IN_EVERYTHING = 4 };

static const struct section {
    const char *name, *title;
    void (*put)(struct info *in);
    unsigned in;
} sections[] = {
    {"server", "Server", info_server, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"clients", "Clients", info_clients, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"memory", "Memory", info_memory, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"persistence", "Persistence", info_persistence, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"stats", "Stats", info_stats, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"replication", "Replication", info_replication, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"cpu", "CPU", info_cpu, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"modules", "Modules", info_modules, BY_DEFAULT | IN_EVERYTHING},
    {"commandstats", "Commandstats", info_commandstats, IN_ALL | IN_EVERYTHING},
    {"errorstats", "Errorstats", info_errorstats, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"latencystats", "Latencystats", info_latencystats, IN_ALL | IN_EVERYTHING},
    {"cluster", "Cluster", info_cluster, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"keyspace", "Keyspace", info_keyspace, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
    {"workers", "Workers", info_workers, BY_DEFAULT | IN_ALL | IN_EVERYTHING},
};

static uint32_t sections_in(unsigned group)
{
    uint32_t set = 0;
    for (unsigned i = 0; i < ARRAY_LEN(sections); i++)
        if (sections[i].in & group)
            set |= 1u << i;
    return set;
}

/* A name that is no section means nothing, as in Redis. */
static uint32_t sections_named(struct bytes name)
{
    if (bytes_is(name, "default"))
        return sections_in(BY_DEFAULT);
    if (bytes_is(name, "all"))
        return sections_in(IN_ALL);
    if (bytes_is(name, "everything"))
        return sections_in(IN_EVERYTHING);
    for (unsigned i = 0; i < ARRAY_LEN(sections); i++)
        if (bytes_is(name, sections[i].name))
            return 1u << i;
    return 0;
}

void cmd_info(struct call *c)
{
    struct reply text = {0};
    struct info in = {.c = c, .text = &text};
    uint32_t set = c->argc == 1 ? sections_in(BY_DEFAULT) : 0;
    for (int i = 1; i < c->argc; i++)
        set |= sections_named(c->argv[i]);
    if (set)
        figures_gather(&in.f);
    for (unsigned i = 0; i < ARRAY_LEN(sections); i++) {
        if (!(set >> i & 1))
            continue;
        if (text.len)
            REPLY_LIT(&text, "\r\n");
        put(&in, "# %s", sections[i].title);
        sections[i].put(&in);
    }
    reply_verbatim(c->reply, "txt", (struct bytes){text.buf, text.len});
    reply_free(&text);
}
