/* A loader: fills the keyspace from the files in the data directory, together with the others of its kind. */
#include "shm/base/clock.h"
#include "shm/library.h"
#include "shm/types/tree.h"
#include "worker/load/load.h"
#include "shm/config.h"
#include "shm/format/wal_dir.h"
#include "worker/publish.h"
#include "include/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GATE_WAIT_US 1000
#define BURY_ENTRIES 200u /* at once */
#define BURY_LEAVES  500u
#define LOCK_WAIT_MS 30000 /* the log's writer of a server that ends has so long to write what is left */

static struct loader loader; /* one a process; the signal's handler finds it here */

/* A page of the file cannot be read: the disk fails, or somebody has cut the file. */
static void on_sigbus(int signal_number)
{
    (void)signal_number;
    load_fail(&loader, "Reading %s failed: the disk cannot read it, or it has become shorter meanwhile",
              loader.file ? loader.file->path : "a file");
}

/* ---- one file ---- */

static void map_file(struct loader *l)
{
    struct stat st;
    int fd = open(l->file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        load_fail(l, "Cannot open %s: %s", l->file->path, strerror(errno));
    if ((uint64_t)st.st_size < l->file->bytes)
        load_fail(l, "%s has become shorter since the loading began", l->file->path);
    l->map = (struct bytes){"", l->file->bytes};
    if (l->map.n) {
        void *p = mmap(NULL, l->map.n, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            load_fail(l, "Cannot map %s: %s", l->file->path, strerror(errno));
        madvise(p, l->map.n, MADV_SEQUENTIAL);
        l->map.p = p;
    }
    close(fd);
}

static void unmap_file(struct loader *l)
{
    if (l->map.n)
        munmap((void *)l->map.p, l->map.n);
    l->map = (struct bytes){"", 0};
}

static void load_file(struct loader *l)
{
    size_t end;
    map_file(l);
    l->load->loader[l->index].bytes_done = 0;
    switch (l->file->kind) {
    case LOAD_RDB:
    case LOAD_BASE:
        load_rdb(l, l->file->kind == LOAD_BASE, &end);
        break;
    case LOAD_AOF:
        load_aof(l);
        break;
    case LOAD_SEGMENT:
        load_segment(l);
        break;
    }
    load_meet(l);
    if (load_is_first(l)) {
        l->load->loaded_bytes_before += l->file->bytes;
        l->load->loader[0].bytes_done = 0;
        l->load->file++;
    }
    load_go_on(l);
    unmap_file(l);
}

/* ---- loading again ---- */

static enum rc flush_functions(struct shm_ctx *ctx)
{
    struct library_change all_go = {.policy = LIBRARY_FLUSH};
    struct library_pack none = {0};
    struct library_clash clash;
    return libraries_change(ctx, NULL, &all_go, NULL, 0, &none, &clash);
}

static enum rc flush_behind_gate(struct loader *l, const uint32_t *dbs, unsigned n)
{
    enum rc rc = RC_BUSY;
    if (!gate_close(&l->w.ctx, GATE_WAIT_US))
        return rc;
    rc = n ? db_flush(&l->w.ctx, dbs, n) : RC_OK;
    rc = rc ? rc : flush_functions(&l->w.ctx);
    gate_open(&l->w.ctx);
    return rc;
}

/* What is there goes before the plan is made, for which the other loaders wait. It is freed here as well: the slow
 * lanes, whose work that is otherwise, do not run, and what comes needs the room. */
static void empty_keyspace(struct loader *l)
{
    struct shm_ctx *ctx = &l->w.ctx;
    uint32_t n = 0, *dbs = calloc(ctx->root->ndbs, sizeof(*dbs));
    enum rc rc = RC_BUSY;
    CHECK(dbs);
    for (uint32_t i = 0; i < ctx->root->ndbs; i++)
        if (db_table(ctx->root, i))
            dbs[n++] = i;
    while ((rc = flush_behind_gate(l, dbs, n)) == RC_BUSY) {
        load_tick(l, 0);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    free(dbs);
    if (rc)
        load_fail(l, "The databases cannot be emptied: the arena is full");
    while (graveyard_step(ctx, BURY_ENTRIES) || trees_step(ctx, BURY_LEAVES))
        load_tick(l, 0);
}

/* ---- the plan ---- */

/* Whoever writes the log must have ended before it is read: the one of a server before us may still be draining. */
static void lock_log(struct loader *l, const char *dir_of_log)
{
    char path[PATH_MAX];
    int lock;
    if (l->load->what == LOAD_DUMP || !l->w.cfg->appendonly)
        return;
    snprintf(path, sizeof(path), "%s/" WAL_DIR_NAME, dir_of_log);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        return;
    enum rc rc = dir < 0 ? RC_IO : wal_dir_lock(dir, LOCK_WAIT_MS, &lock);
    if (rc == RC_BUSY)
        load_fail(l, "Another server writes its log to %s", path);
    if (rc)
        load_fail(l, "Cannot lock the log in %s: %s", path, strerror(errno));
    close(dir); /* the lock stays until this process ends */
}

static void make_plan(struct loader *l)
{
    struct shm_load *load = l->load;
    const uint64_t *made = &load->plan;
    const struct shm_wal *wal = &persist(l->w.ctx.root)->wal;
    const char *log_dir = wal->dir[0] ? wal->dir : l->w.cfg->dir_value;
    if (load_is_first(l))
        lock_log(l, log_dir);
    else
        load_wait(l, made, 1);
    if (plan_make(&l->plan, l->w.cfg, log_dir, (enum load_what)load->what))
        load_fail(l, "%s", l->plan.why);
    if (!load_is_first(l)) {
        if (l->plan.hash != *made)
            load_fail(l, "The files in %s change while they are loaded", l->w.cfg->dir_value);
        return;
    }
    load->total_bytes = l->plan.total_bytes;
    load->aof = l->plan.is_log;
    load->needs_base = load->what == LOAD_AT_START && l->w.cfg->appendonly && l->plan.foreign;
    __atomic_store_n(&load->plan, l->plan.hash, __ATOMIC_RELEASE);
}

/* ---- the end ---- */

/* Where the log goes on. Without one of our own these words stay 0, and the writer begins a log. */
static void set_log(struct loader *l)
{
    struct shm_wal *w = &persist(l->w.ctx.root)->wal;
    if (l->plan.foreign || !l->plan.is_log)
        return;
    uint64_t lsn = l->lsn > l->segment_end ? l->lsn : l->segment_end;
    w->lsn = w->written = w->durable = lsn;
    w->base_lsn = l->base_lsn;
    w->next_segment = l->plan.last_segment + 1;
    w->log_id = l->log_id;
}

static void say_end(struct loader *l, double seconds)
{
    if (l->errors > 0)
        log_warning("%llu commands of the log were answered with errors", (unsigned long long)l->errors);
    if (!l->plan.n)
        return;
    if (l->plan.is_log)
        log_notice("DB loaded from append only file: %.3f seconds", seconds);
    else
        log_notice("DB loaded from disk: %.3f seconds", seconds);
}

/* All the others have stored everything. */
static void finish(struct loader *l, double seconds)
{
    if (l->load->what == LOAD_AT_START)
        set_log(l);
    say_end(l, seconds);
}

/* ---- the process ---- */

static void start_up(struct loader *l, const struct child_start *start)
{
    struct worker *w = self_worker = &l->w;
    signal(SIGTERM, SIG_IGN); /* a signal to the whole group is for the master, who then ends us */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGBUS, on_sigbus);
    w->is_lane = true;
    slot_adopt(&w->ctx, start->slot, ROLE_LOADER, start->index);
    w->cfg = shm_at(w->ctx.root->config);
    w->wakefd = start->wakefd;
    w->out.resp = 2;
    command_table_init();
    publish_start(&w->ctx);
    w->now_ms = wall_ms();
    worker_clock(w);
    __atomic_store_n(&w->ctx.slot->state, SLOT_RUNNING, __ATOMIC_RELEASE);
    l->index = start->index;
    l->load = &persist(w->ctx.root)->load;
    l->n = l->load->nloaders;
    l->session.authenticated = 1;
    l->rdb = rdb_batch_new();
    l->replay = replay_new();
    CHECK(l->rdb && l->replay);
}

void loader_main(const struct child_start *start)
{
    struct loader *l = &loader;
    int64_t from = mono_us();
    start_up(l, start);
    CHECK(l->n >= 1 && l->n <= LOADERS_MAX && l->index < l->n);
    if (l->load->flush && load_is_first(l))
        empty_keyspace(l);
    make_plan(l);
    l->base_lsn = l->lsn = l->segment_end = l->plan.base_lsn;
    for (unsigned i = 0; i < l->plan.n; i++) {
        l->file = &l->plan.file[i];
        load_file(l);
    }
    l->file = NULL;
    if (load_is_first(l))
        finish(l, (double)(mono_us() - from) / 1e6);
    mags_drain(&l->w.ctx);
    slot_publish(&l->w.ctx);
    __atomic_store_n(&l->load->loader[l->index].done, 1, __ATOMIC_RELEASE);
    _exit(0);
}
