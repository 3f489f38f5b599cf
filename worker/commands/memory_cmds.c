/* worker/commands/memory_cmds.c - MEMORY: what the bytes are used for. */
#include <stdio.h>
#include <stdlib.h>

#include "shm/base/number.h"
#include "shm/types/coll.h"
#include "worker/commands/figures.h"
#include "worker/commands/server_cmds.h"
#include "worker/script/libraries.h"

command_fn cmd_memory_doctor, cmd_memory_malloc_stats, cmd_memory_purge, cmd_memory_stats, cmd_memory_usage;

/* jemalloc's, in builds that have it. */
extern int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
    __attribute__((weak));
extern void malloc_stats_print(void (*write_cb)(void *, const char *), void *arg, const char *opts)
    __attribute__((weak));

/* ---- USAGE ---- */

#define LEAVES_MANY 1000 /* to look at them takes longer than a worker's other clients should wait */
#define SAMPLES     5    /* leaves of a tree, unless the command says how many */

/* A string, and a collection that its entry holds, is measured rather than sampled. */
static bool parse_samples(struct call *c, int64_t *samples)
{
    *samples = SAMPLES;
    for (int i = 3; i < c->argc; i += 2) {
        if (!bytes_is(c->argv[i], "samples") || i + 1 >= c->argc) {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
        if (!number_to_int64(c->argv[i + 1], samples)) {
            reply_error(c->reply, ERR_NOT_INT);
            return false;
        }
        if (*samples < 0) {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* The entry and what it refers to, and the word in the table that leads to it. */
void cmd_memory_usage(struct call *c)
{
    int64_t samples;
    if (!parse_samples(c, &samples))
        return;
    const struct shm_entry *e = c->nkeys ? key_entry(call_key(c, 0)) : NULL;
    if (!e) {
        reply_null(c->reply);
        return;
    }
    uint64_t bytes = entry_memory(e) + sizeof(uint64_t);
    if (coll_is_tree(e)) {
        if ((!samples || samples > LEAVES_MANY) && call_defer(c))
            return;
        bytes += coll_memory(e, (uint64_t)samples);
    }
    reply_int(c->reply, (long long)bytes);
}

/* ---- STATS ---- */

struct stats_reply {
    struct reply *r;
    size_t n;
};

static void put_count(struct stats_reply *s, const char *name, uint64_t v)
{
    reply_bulk_str(s->r, name);
    reply_int(s->r, (long long)v);
    s->n++;
}

static void put_double(struct stats_reply *s, const char *name, double v)
{
    reply_bulk_str(s->r, name);
    reply_double(s->r, v);
    s->n++;
}

static void put_database(struct stats_reply *s, uint32_t db, const struct shm_table *t)
{
    char name[32];
    int64_t keys = table_keys(t);
    if (keys <= 0)
        return;
    snprintf(name, sizeof(name), "db.%u", db);
    reply_bulk_str(s->r, name);
    reply_map(s->r, 3);
    reply_bulk_str(s->r, "overhead.hashtable.main");
    reply_int(s->r, keys * (int64_t)sizeof(struct shm_bucket) * 10 / (BUCKET_SLOTS * 8));
    reply_bulk_str(s->r, "overhead.hashtable.expires");
    reply_int(s->r, 0); /* an expiry is part of its entry */
    reply_bulk_str(s->r, "overhead.hashtable.slot-to-keys");
    reply_int(s->r, 0);
    s->n++;
}

static void put_allocator(struct stats_reply *s, const struct figures *f)
{
    uint64_t active = f->arena_used + f->heap_active, resident = f->arena_resident + f->heap_resident;
    put_count(s, "allocator.allocated", f->used);
    put_count(s, "allocator.active", active);
    put_count(s, "allocator.resident", resident);
    put_double(s, "allocator-fragmentation.ratio", ratio_of(active, f->used));
    put_count(s, "allocator-fragmentation.bytes", active - f->used);
    put_double(s, "allocator-rss.ratio", ratio_of(resident, active));
    put_count(s, "allocator-rss.bytes", resident - active);
    put_double(s, "rss-overhead.ratio", ratio_of(f->rss, resident));
    put_count(s, "rss-overhead.bytes", f->rss - resident);
    put_double(s, "fragmentation", ratio_of(f->rss, f->used));
    put_count(s, "fragmentation.bytes", f->rss - f->used);
}

void cmd_memory_stats(struct call *c)
{
    struct figures f;
    struct stats_reply s = {.r = c->reply};
    const struct library_copy *now = libraries_here(c);
    if (!now)
        return;
    figures_gather(&f);
    size_t mark = reply_defer(c->reply);
    uint64_t dataset = f.used - f.overhead, net = f.used - f.startup;
    put_count(&s, "peak.allocated", f.peak);
    put_count(&s, "total.allocated", f.used);
    put_count(&s, "startup.allocated", f.startup);
    put_count(&s, "replication.backlog", 0);
    put_count(&s, "clients.slaves", 0);
    put_count(&s, "clients.normal", f.clients_bytes);
    put_count(&s, "cluster.links", 0);
    put_count(&s, "aof.buffer", 0);
    put_count(&s, "lua.caches", 0);
    put_count(&s, "functions.caches", now->all.n);
    for (uint32_t db = 0; db < c->ctx->root->ndbs; db++)
        if (db_table(c->ctx->root, db))
            put_database(&s, db, db_table(c->ctx->root, db));
    put_count(&s, "overhead.total", f.overhead);
    put_count(&s, "keys.count", f.keys);
    put_count(&s, "keys.bytes-per-key", f.keys ? net / f.keys : 0);
    put_count(&s, "dataset.bytes", dataset);
    put_double(&s, "dataset.percentage", ratio_of(dataset, net) * 100);
    put_double(&s, "peak.percentage", ratio_of(f.used, f.peak) * 100);
    put_allocator(&s, &f);
    reply_defer_map(c->reply, mark, s.n);
}

/* ---- DOCTOR ---- */

#define SMALL_BYTES (5u << 20) /* below this the ratios say nothing */

static void put_text(struct call *c, struct reply *text)
{
    reply_verbatim(c->reply, "txt", (struct bytes){text->buf, text->len});
    reply_free(text);
}

void cmd_memory_doctor(struct call *c)
{
    struct figures f;
    struct reply text = {0};
    figures_gather(&f);
    uint64_t resident = f.arena_resident;
    if (f.used < SMALL_BYTES)
        REPLY_LIT(&text, "The server uses little memory: too little to find fault with.\n");
    if (f.used >= SMALL_BYTES && (double)f.peak > (double)f.used * 1.5)
        REPLY_LIT(&text,
                  "- Peak: once the server used over 150% of what it uses now. Free pages go back to the "
                  "system little by little.\n");
    if (f.used >= SMALL_BYTES && (double)resident > (double)f.arena_used * 1.4)
        REPLY_LIT(&text,
                  "- Arena: its pages are over 140% of the blocks in use, as after many keys of one size "
                  "were removed. New values of that size fill the gaps; whole free units are returned.\n");
    if (f.clients && f.clients_bytes / f.clients > 200 * 1024)
        REPLY_LIT(&text, "- Clients: their buffers take over 200 KB each on average. CLIENT LIST shows whose "
                         "(tot-mem); client-output-buffer-limit and maxmemory-clients set bounds.\n");
    if (f.used >= SMALL_BYTES && (double)f.private_rss > (double)f.heap_bytes * 3 &&
        f.private_rss > 200u << 20)
        REPLY_LIT(&text,
                  "- Private heaps: workers keep far more pages than they use. MEMORY PURGE asks for them "
                  "back.\n");
    if (!text.len)
        REPLY_LIT(&text, "Nothing odd about the memory in use.\n");
    put_text(c, &text);
}

/* ---- PURGE and MALLOC-STATS ---- */

/* jemalloc numbers "all arenas" 4096. Only the heap of the worker that runs the command is meant: the others'
 * give pages back by themselves after some seconds. */
void cmd_memory_purge(struct call *c)
{
    if (mallctl)
        mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
    reply_ok(c->reply);
}

static void take_text(void *arg, const char *piece)
{
    reply_raw(arg, piece, strlen(piece));
}

static void put_arena(struct reply *text)
{
    struct figures f;
    char line[256];
    figures_gather(&f);
    int n = snprintf(line, sizeof(line),
                     "Shared arena: %llu bytes in blocks, %llu resident, %llu reserved in address space\n"
                     "This process's own heap follows.\n",
                     (unsigned long long)f.arena_used, (unsigned long long)f.arena_resident,
                     (unsigned long long)arena_root()->arena_bytes);
    reply_raw(text, line, (size_t)n);
}

void cmd_memory_malloc_stats(struct call *c)
{
    struct reply text = {0};
    put_arena(&text);
    if (malloc_stats_print)
        malloc_stats_print(take_text, &text, NULL);
    else
        REPLY_LIT(&text, "Its allocator keeps no statistics.\n");
    put_text(c, &text);
}
