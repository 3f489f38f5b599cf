/* The snapshotter: a process for one snapshot, or for what a dead one has left of its own. */
#include "include/child.h"
#include "persist/snap/file.h"
#include "shm/base/channel.h"
#include "shm/base/clock.h"
#include "shm/base/log.h"
#include "shm/config.h"
#include "shm/format/rdb.h"
#include "shm/format/rdb_out.h"
#include "shm/format/wal_dir.h"
#include "shm/library.h"
#include "shm/snapshot.h"
#include "shm/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES   (256u << 10)
#define GATE_WAIT_US   500 /* in which all processes should be between two batches */
#define GATE_NAP_MS    1   /* doubled at each failure: somebody is inside for long, and others want to work */
#define GATE_NAP_MS_ON 128
#define NICENESS       10 /* else it takes its turns from the workers: the slowest replies came twice as late */
#define DELAY_PIECE_US 1000 /* of rdb-key-save-delay: between two looks at the rings */

struct db_size {
    uint64_t keys, expires;
    bool told; /* in the file */
};

struct snapper {
    struct shm_ctx ctx;
    struct shm_persist *p;
    const struct shm_config *cfg;
    struct channel control;
    uint32_t kind;
    int64_t now_ms;
    struct db_size *size;
    bool fields; /* of some hash expire */
    int dirfd, waldir;
    struct snap_file file;
    struct rdb_out out;
    uint32_t db; /* that was selected last; UINT32_MAX: none */
    char why[640];
};

static volatile sig_atomic_t called_off;

static void on_term(int sig)
{
    (void)sig;
    called_off = 1;
}

static void nap_us(unsigned us)
{
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000l}, NULL);
}

static void drain_control(struct snapper *s)
{
    struct control_msg m;
    int passed;
    bool closed;
    while (channel_receive(&s->control, &m, &passed, &closed)) {
        if (m.kind == CTL_STOP)
            called_off = 1;
        if (passed >= 0 && m.kind == CTL_LOG_REOPEN)
            log_use_fd(passed);
        else if (passed >= 0)
            close(passed);
    }
    if (closed)
        called_off = 1;
    channel_flush(&s->control);
}

/* Between two steps of anything. */
static void breathe(struct snapper *s)
{
    s->ctx.slot->heartbeat_ms = (uint64_t)mono_ms();
    drain_control(s);
}

/* ---- failing ---- */

static enum rc fails(struct snapper *s, const char *what, int error)
{
    if (!s->why[0]) {
        snprintf(s->why, sizeof(s->why), "%s: %s", what, strerror(error));
        log_warning("%s", s->why);
    }
    return RC_IO;
}

static enum rc file_fails(struct snapper *s)
{
    char what[512];
    snprintf(what, sizeof(what), "%s %s", s->file.what, s->file.tmp);
    return fails(s, what, s->file.error);
}

/* ---- the file ---- */

/* A large collection is written without a step in between: here that can be called off. */
static enum rc flush(void *arg, const char *p, size_t n)
{
    struct snapper *s = arg;
    if (called_off)
        return RC_MISSING;
    return snap_file_write(&s->file, p, n) ? file_fails(s) : RC_OK;
}

/* The log stays where it began when dir changes. */
static enum rc open_waldir(struct snapper *s)
{
    char path[SHM_PATH_BYTES + sizeof(WAL_DIR_NAME) + 1];
    const char *dir = s->p->wal.dir[0] ? s->p->wal.dir : s->cfg->dir_value;
    snprintf(path, sizeof(path), "%s/" WAL_DIR_NAME, dir);
    s->waldir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->waldir < 0 ? RC_IO : RC_OK;
}

static enum rc open_dirs(struct snapper *s)
{
    const char *dir = s->cfg->dir_value;
    s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0)
        return fails(s, "Failed opening the directory of 'dir'", errno);
    if (s->kind == SNAP_RDB)
        return RC_OK;
    if (open_waldir(s) && errno == ENOENT && !mkdirat(s->dirfd, WAL_DIR_NAME, 0755))
        open_waldir(s);
    return s->waldir < 0 ? fails(s, "Failed opening the directory " WAL_DIR_NAME, errno) : RC_OK;
}

static void base_names(const struct snapper *s, char name[WAL_NAME_MAX], char tmp[WAL_NAME_MAX + 8])
{
    wal_base_name(name, s->p->snap.lsn);
    snprintf(tmp, WAL_NAME_MAX + 8, "%s.tmp", name);
}

static void rdb_tmp_name(int pid, char tmp[32])
{
    snprintf(tmp, 32, "temp-%d.rdb", pid);
}

static enum rc open_file(struct snapper *s)
{
    char name[WAL_NAME_MAX], tmp[WAL_NAME_MAX + 8];
    enum rc rc;
    if (s->kind == SNAP_RDB) {
        rdb_tmp_name(getpid(), tmp);
        s->p->snap.pid = getpid();
        rc = snap_file_open(&s->file, s->dirfd, tmp, s->cfg->dbfilename);
    } else {
        base_names(s, name, tmp);
        rc = snap_file_open(&s->file, s->waldir, tmp, name);
    }
    s->file.early =
        s->kind == SNAP_RDB ? s->cfg->rdb_save_incremental_fsync : s->cfg->aof_rewrite_incremental_fsync;
    return rc ? file_fails(s) : RC_OK;
}

static enum rc open_rdb(struct snapper *s)
{
    struct rdb_facts facts = {.now_s = s->now_ms / 1000,
                              .used_bytes = (uint64_t)slots_used_bytes(),
                              .aof_base = s->kind == SNAP_BASE,
                              .fields = s->fields};
    enum rc rc = rdb_out_open(&s->out, BUFFER_BYTES, flush, s);
    if (rc)
        return fails(s, "Write error", ENOMEM);
    s->out.compress = s->cfg->rdbcompression;
    s->out.checksum = s->cfg->rdbchecksum;
    rc = rdb_out_header(&s->out, &facts);
    return rc ? rc : rdb_out_aux_integer(&s->out, RDB_AUX_LSN, (int64_t)s->p->snap.lsn);
}

/* Handed-over entries come from all databases by turns: the sizes are told but once. */
static enum rc select_db(struct snapper *s, uint32_t db)
{
    struct db_size *size = &s->size[db];
    char mark = (char)RDB_MARK_SELECT;
    s->db = db;
    if (!size->told) {
        size->told = true;
        return rdb_out_select(&s->out, db, size->keys, size->expires);
    }
    enum rc rc = rdb_out_bytes(&s->out, &mark, 1);
    return rc ? rc : rdb_out_length(&s->out, db);
}

/* The hidden database's one value: each library becomes a record of its own. */
static enum rc save_libraries(struct snapper *s, struct bytes all)
{
    struct library lib;
    enum rc rc = RC_OK;
    while (!rc && library_next(&all, &lib))
        rc = rdb_out_function(&s->out, lib.code);
    return rc;
}

static enum rc save_entry(void *arg, uint32_t db, const struct shm_entry *e)
{
    struct snapper *s = arg;
    enum rc rc = RC_OK;
    if (UNLIKELY(called_off))
        return RC_MISSING;
    bool hidden = db == functions_db(s->ctx.root);
    if (UNLIKELY(hidden))
        rc = save_libraries(s, entry_bytes(e));
    else if (db != s->db)
        rc = select_db(s, db);
    if (!rc && LIKELY(!hidden))
        rc = rdb_out_entry(&s->out, e, s->cfg, s->now_ms);
    if (rc == RC_NOTYPE)
        fails(s, "A key has a type that cannot be saved", EINVAL);
    else if (rc && rc != RC_MISSING)
        fails(s, "Write error", rc == RC_NOMEM ? ENOMEM : EIO);
    return rc;
}

/* ---- the cut ---- */

static void note_sizes(struct snapper *s)
{
    s->fields = false;
    for (uint32_t i = 0; i < s->ctx.root->ndbs; i++) {
        const struct shm_table *t = db_table(s->ctx.root, i);
        s->size[i] = (struct db_size){.keys = (uint64_t)table_keys(t), .expires = (uint64_t)table_expires(t)};
        s->fields |= table_fields(t) > 0;
    }
}

/* False: called off before, or no memory. */
static bool cut(struct snapper *s)
{
    for (unsigned wait_ms = GATE_NAP_MS; !called_off; breathe(s)) {
        enum rc rc = RC_BUSY;
        if (gate_close(&s->ctx, GATE_WAIT_US)) {
            note_sizes(s);
            rc = snapshot_cut(&s->ctx);
            gate_open(&s->ctx);
        }
        if (!rc)
            return true;
        if (rc == RC_NOMEM) {
            fails(s, "No snapshot can be taken", ENOMEM);
            return false;
        }
        nap_us(wait_ms * 1000);
        wait_ms = wait_ms < GATE_NAP_MS_ON ? 2 * wait_ms : wait_ms;
    }
    return false;
}

/* ---- the walk ---- */

/* rdb-key-save-delay: so many microseconds for each key; a negative number: one for every so many keys. What is
 * handed over meanwhile is taken without delay, or all writers would have it. CONFIG SET ends a delay. */
static void delay(struct snapper *s, struct snapshot *shot, uint64_t keys)
{
    int64_t us = s->cfg->rdb_key_save_delay;
    us = us < 0 ? rand() % -us == 0 : us * (int64_t)keys;
    while (us > 0 && s->cfg->rdb_key_save_delay && shot->fn && !called_off) {
        unsigned piece = us < DELAY_PIECE_US ? (unsigned)us : DELAY_PIECE_US;
        nap_us(piece);
        us -= piece;
        snapshot_drain(shot);
        breathe(s);
    }
}

/* Walks to the end, with or without a file. */
static enum rc walk(struct snapper *s, snapshot_fn *fn)
{
    struct snapshot shot;
    uint64_t steps = 0, before = 0;
    snapshot_open(&shot, &s->ctx, fn, s);
    if (s->cfg->rdb_key_save_delay)
        shot.buckets = 1;
    while (snapshot_step(&shot)) {
        if (UNLIKELY(shot.fn && s->cfg->rdb_key_save_delay) && shot.walked != before)
            delay(s, &shot, shot.walked - before);
        before = shot.walked;
        if (++steps % 64 == 0 || s->cfg->rdb_key_save_delay)
            breathe(s);
    }
    snapshot_close(&shot);
    return shot.rc;
}

/* ---- how it ended ---- */

/* The file holds everything up to the cut, so the log goes on from there. */
static void becomes_base(struct snapper *s)
{
    struct shm_wal *w = &s->p->wal;
    uint32_t begins = WAL_BEGINS;
    __atomic_store_n(&w->base_lsn, s->p->snap.lsn, __ATOMIC_RELEASE);
    if (__atomic_load_n(&w->on, __ATOMIC_ACQUIRE))
        __atomic_compare_exchange_n(&w->state, &begins, WAL_ON, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    if (__atomic_load_n(&w->fault, __ATOMIC_ACQUIRE))
        __atomic_store_n(&w->heal, s->p->snap.lsn, __ATOMIC_RELEASE);
}

static enum rc finish(struct snapper *s)
{
    enum rc rc = rdb_out_end(&s->out);
    if (!rc && snap_file_finish(&s->file))
        rc = file_fails(s);
    if (rc)
        return rc;
    if (s->kind == SNAP_BASE)
        becomes_base(s);
    else
        log_notice("DB saved on disk");
    return RC_OK;
}

static enum rc save(struct snapper *s)
{
    enum rc rc = open_dirs(s);
    if (!rc)
        rc = open_file(s);
    if (!rc)
        rc = open_rdb(s);
    if (rc)
        s->p->snap.state = SNAP_DISCARDING;
    enum rc walked = walk(s, rc ? NULL : save_entry);
    rc = rc ? rc : walked;
    return rc ? rc : finish(s);
}

static void tell(struct snapper *s, enum rc rc, int64_t from_ms)
{
    struct shm_snap *snap = &s->p->snap;
    int64_t took_s = (mono_ms() - from_ms) / 1000;
    if (rc)
        snprintf(snap->error, sizeof(snap->error), "%.255s", s->why[0] ? s->why : "it was called off");
    if (s->kind == SNAP_BASE) {
        snap->base_failed = rc != RC_OK;
        snap->base_last_s = took_s;
        return;
    }
    snap->failed = rc != RC_OK;
    snap->last_s = took_s;
    if (rc)
        return;
    snap->last_save_s = wall_ms() / 1000;
    snap->dirty_saved = snap->dirty_at_cut;
    snap->saves++;
}

static enum rc make(struct snapper *s)
{
    int64_t from_ms = mono_ms();
    s->kind = s->p->snap.kind;
    s->now_ms = wall_ms();
    s->db = UINT32_MAX;
    s->size = calloc(s->ctx.root->ndbs, sizeof(*s->size));
    CHECK(s->size);
    bool was_cut = cut(s);
    enum rc rc = was_cut ? save(s) : RC_MISSING;
    snap_file_drop(&s->file);
    tell(s, rc, from_ms);
    if (was_cut)
        snapshot_end(&s->ctx);
    else
        __atomic_store_n(&s->p->snap.state, SNAP_IDLE, __ATOMIC_RELEASE);
    return rc;
}

static void remove_files(struct snapper *s)
{
    char name[WAL_NAME_MAX], tmp[WAL_NAME_MAX + 8];
    s->dirfd = open(s->cfg->dir_value, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0)
        return;
    if (s->p->snap.pid) {
        rdb_tmp_name((int)s->p->snap.pid, tmp);
        unlinkat(s->dirfd, tmp, 0);
    }
    open_waldir(s);
    base_names(s, name, tmp);
    if (s->waldir >= 0)
        unlinkat(s->waldir, tmp, 0);
}

/* What a dead one has left: its unfinished file, and marks and rings. The state is idle in the end. */
static void clean_up(struct snapper *s)
{
    __atomic_store_n(&s->p->snap.state, SNAP_DISCARDING, __ATOMIC_RELEASE);
    remove_files(s);
    walk(s, NULL);
    snapshot_end(&s->ctx);
}

void snap_main(const struct child_start *start)
{
    static struct snapper snapper = {.dirfd = -1, .waldir = -1, .file = {.fd = -1}};
    struct snapper *s = &snapper;
    struct sigaction term = {.sa_handler = on_term};
    sigaction(SIGTERM, &term, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (nice(NICENESS) == -1)
        errno = 0; /* it works without */
    slot_adopt(&s->ctx, start->slot, ROLE_SNAP, start->index);
    s->p = persist(s->ctx.root);
    s->cfg = shm_at(s->ctx.root->config);
    channel_open(&s->control, start->control);
    breathe(s);
    __atomic_store_n(&s->ctx.slot->state, SLOT_RUNNING, __ATOMIC_RELEASE);
    struct control_msg ready = {.kind = CTL_READY};
    channel_send(&s->control, &ready, -1);
    enum rc rc = RC_OK;
    if (__atomic_load_n(&s->p->snap.state, __ATOMIC_ACQUIRE) == SNAP_STARTING)
        rc = make(s);
    else
        clean_up(s);
    while (!batch_enter(&s->ctx))
        nap_us(100);
    mags_drain(&s->ctx);
    batch_leave(&s->ctx);
    channel_flush(&s->control);
    _exit(rc != RC_OK);
}
