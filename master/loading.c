/* Loading: at the start, and for DEBUG RELOAD and LOADAOF. Workers serve meanwhile, with -LOADING. The order at the
 * end is what counts: the log works, and a base that it follows is on disk, before the first write. */
#include "master/supervise.h"
#include "shm/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "master/process.h"
#include "shm/base/log.h"

#define TRIES_MAX    3u
#define TELL_EVERY_S 5.0

static struct shm_load *load(const struct master *m)
{
    return &persist(m->root)->load;
}

/* Before anybody serves: on standard error as well, like every refusal of a start. */
void start_failed(struct master *m, const char *why)
{
    fprintf(stderr, "skep: %s\n", why);
    log_warning("%s", why);
    children_kill(m);
    end_now(m, 1);
}

/* ---- the files ---- */

/* The first loader empties the databases before anything else. */
static void begin_files(struct master *m, enum load_what what)
{
    struct shm_load *l = load(m);
    memset(l, 0, sizeof(*l));
    l->nloaders = m->nworkers < LOADERS_MAX ? m->nworkers : LOADERS_MAX;
    if (l->nloaders > m->nslots - m->nposts - 1) /* a snapshotter wants one as well */
        l->nloaders = m->nslots - m->nposts - 1;
    l->start_ms = wall_ms();
    l->what = what;
    l->merge = m->durable.again && m->durable.reload & RELOAD_MERGE;
    l->flush = m->durable.again && !(m->durable.reload & RELOAD_NOFLUSH);
    __atomic_store_n(&l->state, LOAD_RUNNING, __ATOMIC_RELEASE);
    heed_set(persist(m->root), HEED_LOADING, true);
    m->durable.step = AT_FILES;
    m->durable.told_at = now_s();
}

void loading_prepare(struct master *m)
{
    struct durable *d = &m->durable;
    persist(m->root)->snap.last_save_s = (int64_t)time(NULL);
    persist(m->root)->snap.last_s = persist(m->root)->snap.base_last_s = -1;
    if (d->load_tries >= TRIES_MAX)
        start_failed(m, "loading was broken off three times by crashes; the server does not start");
    /* Whatever else is wrong with the file, the loaders say. */
    if (m->cfg->appendonly || !access(m->cfg->dbfilename, F_OK) || errno != ENOENT)
        begin_files(m, LOAD_AT_START);
    else
        d->load_tries = 0;
}

static bool fork_loader(struct master *m, uint32_t index)
{
    struct post p = {
        .role = ROLE_LOADER, .index = index, .slot = -1, .next = -1, .last_slot = -1, .lent_to = -1};
    return spawn_child(m, &p) >= 0;
}

static bool fork_loaders(struct master *m, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!fork_loader(m, i))
            return false;
    return true;
}

/* They may be waiting for the one that has failed. */
static void kill_loaders(struct master *m)
{
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase != CHILD_NONE && m->child[i].role == ROLE_LOADER && m->child[i].pid)
            kill(m->child[i].pid, SIGKILL);
}

void loading_children(struct master *m)
{
    if (m->durable.step == AT_FILES && !fork_loaders(m, load(m)->nloaders))
        start_failed(m, "a loader could not be started");
}

/* ---- the steps ---- */

static void lanes_want(struct master *m, bool wanted)
{
    for (uint32_t i = 0; i < m->nposts; i++) {
        struct post *p = &m->post[i];
        if (p->role != ROLE_LANE || p->off == !wanted)
            continue;
        p->off = !wanted;
        p->start_at = wanted && p->slot < 0 ? now_s() : 0;
    }
    if (wanted)
        post_start_due(m);
    else
        children_stop(m, ROLE_LANE);
}

/* Nobody is left in a batch that began before writes were to wait: a later one has seen it. */
static bool batches_have_passed(const struct master *m)
{
    for (uint32_t i = 0; i < m->nslots; i++) {
        uint64_t inside = __atomic_load_n(&slot_at(i)->inside, __ATOMIC_SEQ_CST);
        if (inside && inside < m->durable.quiet_epoch)
            return false;
    }
    return true;
}

static void end_loading(struct master *m)
{
    struct durable *d = &m->durable;
    bool failed = d->load_failed;
    d->step = LOADED;
    d->load_tries = 0;
    load(m)->state = failed ? LOAD_FAILED : LOAD_NONE;
    log_follow(m);
    lanes_want(m, true);
    heed_set(persist(m->root), HEED_LOADING, false);
    if (d->again) {
        ask_answer(m, ASK_RELOAD, failed ? "-ERR Error trying to load the RDB dump" : "+OK");
        ask_answer(m, ASK_LOADAOF, failed ? "-ERR Error trying to load the AOF files" : "+OK");
    }
    d->again = d->load_failed = false;
    started_check(m);
}

static void begin_save(struct master *m)
{
    struct durable *d = &m->durable;
    d->step = AT_SAVE;
    if (d->what == LOAD_LOG || d->reload & RELOAD_NOSAVE)
        loading_snapshot_ended(m, true);
    else if (!snap_begin(m, SNAP_RDB, false, SNAP_FOR_LOAD))
        loading_snapshot_ended(m, false);
}

static void begin_quiet(struct master *m)
{
    m->durable.step = AT_QUIET;
    heed_set(persist(m->root), HEED_LOADING, true);
    heed_set(persist(m->root), HEED_RELOAD, false);
    log_close_writer(m);
    loading_go_on(m);
}

static void files_loaded(struct master *m)
{
    struct durable *d = &m->durable;
    persist(m->root)->snap.dirty_saved = persist_dirty(m->root);
    if (!m->cfg->appendonly) {
        end_loading(m);
        return;
    }
    d->step = AT_LOG;
    d->log_tries = 0;
    log_open_writer(m, load(m)->needs_base || d->again);
}

/* The log works. Its beginning needs a base; a log that was just read has one. */
static void log_is_open(struct master *m)
{
    struct shm_wal *w = &persist(m->root)->wal;
    if (load(m)->needs_base || m->durable.again) {
        m->durable.step = AT_BASE;
        if (!snap_begin(m, SNAP_BASE, true, SNAP_FOR_LOAD))
            loading_snapshot_ended(m, false);
        return;
    }
    /* Nobody writes yet, so no gate is needed. */
    __atomic_store_n(&w->on, 1, __ATOMIC_RELEASE);
    end_loading(m);
}

/* What the log lacks would be gone with the keyspace. */
static void log_is_closed(struct master *m)
{
    struct durable *d = &m->durable;
    if (d->what == LOAD_LOG && persist(m->root)->wal.fault) {
        d->load_failed = true;
        end_loading(m);
        return;
    }
    begin_files(m, d->what);
    d->load_failed = !fork_loaders(m, load(m)->nloaders);
}

void loading_go_on(struct master *m)
{
    struct durable *d = &m->durable;
    struct post *log = log_post(m);
    switch (d->step) {
    case AT_LANES:
        if (!children_any(m, ROLE_LANE) && batches_have_passed(m))
            begin_save(m);
        break;
    case AT_QUIET:
        if (log->slot < 0 && !log->owes)
            log_is_closed(m);
        break;
    case AT_FILES:
        if (!children_any(m, ROLE_LOADER))
            files_loaded(m);
        break;
    case AT_LOG:
        if (log->slot >= 0 && m->child[log->slot].phase == CHILD_RUNNING)
            log_is_open(m);
        break;
    default:
        break;
    }
}

/* At the start a loader that fails has said why. One that crashed leaves a half-filled keyspace: all is begun again. So it is
 * at run time, if there is a log: it was closed and holds everything, and must not begin anew with what is left in memory. */
void loading_child_ended(struct master *m, struct child *c, bool crashed)
{
    struct durable *d = &m->durable;
    bool failed = crashed || WEXITSTATUS(c->status);
    if (!failed) {
        loading_go_on(m);
        return;
    }
    if (d->again && !m->cfg->appendonly) {
        d->load_failed = true;
        if (crashed)
            kill_loaders(m);
        loading_go_on(m);
        return;
    }
    if (!crashed && !d->again)
        start_failed(m, load(m)->error);
    rebuild_begin(m, crashed ? "a loader died" : "what was to be loaded again cannot be");
}

void loading_snapshot_ended(struct master *m, bool ok)
{
    struct durable *d = &m->durable;
    const struct shm_snap *s = &persist(m->root)->snap;
    if (d->step == AT_SAVE && !ok)
        loading_call_off(m);
    else if (d->step == AT_SAVE)
        begin_quiet(m);
    else if (d->step == AT_BASE && !ok && !d->again) {
        char why[sizeof(s->error) + 64];
        snprintf(why, sizeof(why), "the log cannot begin: %s", s->error);
        start_failed(m, why);
    } else if (d->step == AT_BASE) {
        end_loading(m); /* at run time a failed one is tried again every second */
    }
}

/* ---- again, at run time ---- */

/* Writes wait from now on, or they would be lost with what is thrown away: in the workers when they see it, at their next
 * batch; in the slow lanes there is no such moment, so these finish what they had been given and end. */
void loading_again(struct master *m, const struct control_msg *msg)
{
    struct durable *d = &m->durable;
    bool aof = msg->ask == ASK_LOADAOF;
    bool fault = persist(m->root)->wal.fault;
    if (d->step == LOADED && !d->again && !m->ending && aof && (fault || !m->cfg->appendonly)) {
        log_warning("DEBUG LOADAOF: %s",
                    fault ? "the log lacks what the disk refuses" : "there is no log (appendonly is no)");
        ask_reply(m, msg, "-ERR Error trying to load the AOF files");
        return;
    }
    if (m->ending || (d->step != LOADED && !d->again)) {
        ask_reply(m, msg, "-LOADING Redis is loading the dataset in memory");
        return;
    }
    if (d->again || d->why) {
        ask_reply(m, msg, "-ERR Background save already in progress");
        return;
    }
    ask_note(m, msg);
    ask_begin(m, msg->ask);
    d->again = true;
    d->load_failed = false;
    d->reload = msg->options;
    d->what = aof ? LOAD_LOG : LOAD_DUMP;
    d->step = AT_LANES;
    heed_set(persist(m->root), HEED_RELOAD, true);
    d->quiet_epoch = __atomic_add_fetch(&m->root->epoch, 1, __ATOMIC_SEQ_CST);
    lanes_want(m, false);
    loading_go_on(m);
}

void loading_call_off(struct master *m)
{
    struct durable *d = &m->durable;
    if (d->step != AT_LANES && d->step != AT_SAVE)
        return;
    d->step = LOADED;
    d->again = false;
    lanes_want(m, true);
    heed_set(persist(m->root), HEED_RELOAD, false);
    ask_answer(m, ASK_RELOAD, "-ERR");
    ask_answer(m, ASK_LOADAOF, "-ERR");
}

/* ---- while it lasts ---- */

static void tell_progress(struct master *m)
{
    const struct shm_load *l = load(m);
    uint64_t done = l->loaded_bytes_before, least = UINT64_MAX;
    for (uint32_t i = 0; i < l->nloaders; i++)
        least = l->loader[i].bytes_done < least ? l->loader[i].bytes_done : least;
    done += least == UINT64_MAX ? 0 : least;
    if (l->total_bytes)
        log_notice("Loading: %.0f%% of %llu MB", (double)done * 100 / (double)l->total_bytes,
                   (unsigned long long)(l->total_bytes >> 20));
}

void loading_tick(struct master *m)
{
    struct durable *d = &m->durable;
    if (d->step == LOADED)
        return;
    if (d->step == AT_FILES && d->load_failed && !children_any(m, ROLE_LOADER))
        files_loaded(m); /* it could not be begun */
    loading_go_on(m);
    if (now_s() - d->told_at < TELL_EVERY_S)
        return;
    d->told_at = now_s();
    if (d->step == AT_FILES)
        tell_progress(m);
    if (!m->started)
        notify_systemd("EXTEND_TIMEOUT_USEC=%d\nSTATUS=Loading", (int)(6 * TELL_EVERY_S * 1e6));
}
