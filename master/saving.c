/* Snapshots: when one is made, and how it ends. The snapshotter does the work, one at a time. One that dies is
 * followed by another that only ends the walk, since entries are marked until then. */
#include "master/supervise.h"
#include "shm/base/clock.h"

#include <stdio.h>
#include <time.h>

#include "shm/base/log.h"

#define SETTLE_S      5.0 /* from a new base until the writer has removed what it covers, and counted anew */
#define FAILURES_MANY 3u
#define RETRY_S       5 /* after a failed background save, as in Redis */
#define DELAY_FIRST_S 0.1
#define DELAY_MAX_S   10.0

static struct shm_snap *snap(const struct master *m)
{
    return &persist(m->root)->snap;
}

static int64_t wall_s(void)
{
    return (int64_t)time(NULL);
}

/* ---- a snapshotter ---- */

static bool fork_snapshotter(struct master *m)
{
    struct post p = {.role = ROLE_SNAP, .slot = -1, .next = -1, .last_slot = -1, .lent_to = -1};
    return spawn_child(m, &p) >= 0;
}

static void note_failure(struct master *m, const char *why)
{
    struct shm_snap *s = snap(m);
    snprintf(s->error, sizeof(s->error), "%s", why);
    if (s->kind == SNAP_RDB)
        s->failed = 1;
    else
        s->base_failed = 1;
}

static const char *kind_name(const struct shm_snap *s)
{
    return s->kind == SNAP_RDB ? "Background saving" : "Background append only file rewriting";
}

bool snap_begin(struct master *m, enum snap_kind kind, bool log_begins, enum snap_why why)
{
    struct durable *d = &m->durable;
    struct shm_snap *s = snap(m);
    if (d->why)
        return false;
    s->kind = kind;
    s->log_begins = log_begins;
    s->start_ms = wall_ms();
    s->error[0] = '\0';
    s->keys_total = s->keys_done = 0;
    if (log_begins)
        persist(m->root)->wal.state = WAL_BEGINS;
    d->failed_before = s->failed;
    d->snap_died = false;
    d->snap_delay = 0;
    if (kind == SNAP_RDB)
        d->tried_s = wall_s();
    else
        persist(m->root)->rewrite_scheduled = 0;
    __atomic_store_n(&s->state, SNAP_STARTING, __ATOMIC_RELEASE);
    if (!fork_snapshotter(m)) {
        s->state = SNAP_IDLE;
        note_failure(m, "the snapshotter could not be started");
        if (why != SNAP_FOR_POINT)
            s->failed = d->failed_before;
        heed_set(persist(m->root), HEED_SAVE_FAILED, s->failed);
        return false;
    }
    d->why = why;
    log_follow(m); /* syncs may rest from now on */
    __atomic_store_n(&s->busy, kind, __ATOMIC_RELEASE);
    if (why == SNAP_FOR_POINT || why == SNAP_FOR_REWRITE)
        log_notice("%s started", kind_name(s));
    return true;
}

/* It has been asked to stop; where it stands it ends the walk without a file. */
void snap_call_off(struct master *m)
{
    if (!m->durable.why)
        return;
    m->durable.why = SNAP_FOR_NOBODY;
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase != CHILD_NONE && m->child[i].role == ROLE_SNAP)
            child_stop(m, &m->child[i], false);
}

static void log_outcome(const struct master *m, bool ok)
{
    const struct shm_snap *s = snap(m);
    if (!ok && m->durable.why == SNAP_FOR_LOG && persist(m->root)->rewrite_failures)
        return; /* told when it began: this is repeated every second */
    if (!ok)
        log_warning("%s error: %s",
                    s->kind == SNAP_RDB && m->durable.why != SNAP_FOR_POINT ? "Saving" : kind_name(s),
                    s->error[0] ? s->error : "it was called off");
    else if (s->kind != SNAP_RDB || m->durable.why == SNAP_FOR_POINT)
        log_notice("%s terminated with success", kind_name(s));
}

static void count_rewrite(struct master *m, bool ok)
{
    struct shm_persist *p = persist(m->root);
    m->durable.base_at = now_s();
    p->rewrites += ok;
    p->rewrite_failures = ok ? 0 : p->rewrite_failures + 1;
}

static void snap_finished(struct master *m, bool ok)
{
    struct durable *d = &m->durable;
    struct shm_snap *s = snap(m);
    enum snap_why why = d->why;
    log_outcome(m, ok);
    d->why = 0;
    /* Only a background save says whether the disk can be relied on, as in Redis; a good one of any kind does. */
    if (!ok && s->kind == SNAP_RDB && why != SNAP_FOR_POINT)
        s->failed = d->failed_before;
    heed_set(persist(m->root), HEED_SAVE_FAILED, s->failed);
    if (s->kind == SNAP_BASE) {
        count_rewrite(m, ok);
        d->rewrite_alone = false;
    }
    log_follow(m);
    __atomic_store_n(&s->busy, 0, __ATOMIC_RELEASE); /* after all that INFO tells of its end */
    switch (why) {
    case SNAP_FOR_SAVE:
        ask_answer(m, ASK_SAVE, ok ? "+OK" : "-ERR");
        break;
    case SNAP_FOR_LOAD:
        loading_snapshot_ended(m, ok);
        break;
    case SNAP_FOR_END:
        ending_saved(m, ok);
        break;
    default:
        break;
    }
    saving_tick(m);
}

/* Its slot is repaired. The state says how far it came: idle again means that it had done its work. */
void snap_child_ended(struct master *m, bool crashed)
{
    struct durable *d = &m->durable;
    struct shm_snap *s = snap(m);
    if (!d->why)
        return;
    if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == SNAP_IDLE) {
        snap_finished(m, !d->snap_died && !(s->kind == SNAP_RDB ? s->failed : s->base_failed));
        return;
    }
    if (!d->snap_died)
        note_failure(m, crashed ? "the snapshotter died" : "the snapshotter ended too early");
    d->snap_died = true;
    __atomic_store_n(&s->state, SNAP_DISCARDING, __ATOMIC_RELEASE);
    d->snap_restart = now_s() + d->snap_delay;
    d->snap_delay = !d->snap_delay                ? DELAY_FIRST_S
                    : d->snap_delay < DELAY_MAX_S ? 2 * d->snap_delay
                                                  : DELAY_MAX_S;
    saving_tick(m);
}

/* ---- when ---- */

static bool failed_lately(const struct master *m)
{
    return snap(m)->failed && wall_s() - m->durable.tried_s <= RETRY_S;
}

static void save_points(struct master *m)
{
    const struct shm_config *cfg = m->cfg;
    uint64_t changes = persist_dirty(m->root) - snap(m)->dirty_saved;
    for (int i = 0; i < cfg->nsaves; i++) {
        const struct save_point *p = &cfg->saves[i];
        if (changes < (uint64_t)p->changes || wall_s() - snap(m)->last_save_s <= p->seconds ||
            failed_lately(m))
            continue;
        log_notice("%lld changes in %lld seconds. Saving...", (long long)p->changes, (long long)p->seconds);
        snap_begin(m, SNAP_RDB, false, SNAP_FOR_POINT);
        return;
    }
}

/* Until the size is looked at again: after failures longer and longer, as in Redis. */
static double rewrite_pause_s(const struct master *m)
{
    uint32_t failures = persist(m->root)->rewrite_failures;
    if (failures < FAILURES_MANY)
        return SETTLE_S;
    uint32_t doubled = failures - FAILURES_MANY;
    return doubled < 6 ? 60.0 * (1u << doubled) : 3600.0;
}

/* In percent of what there was after the last rewrite, as in Redis: more than the base, if much was written meanwhile. */
static void rewrite_by_size(struct master *m)
{
    const struct shm_wal *w = &persist(m->root)->wal;
    const struct shm_config *cfg = m->cfg;
    uint64_t size = w->base_bytes + w->bytes, was = w->base_bytes + w->kept_bytes;
    if (w->state != WAL_ON || !cfg->auto_aof_rewrite_percentage || !w->base_bytes ||
        size <= (uint64_t)cfg->auto_aof_rewrite_min_size || now_s() - m->durable.base_at < rewrite_pause_s(m))
        return;
    uint64_t growth = size > was ? (size - was) * 100 / was : 0;
    if (growth < (uint64_t)cfg->auto_aof_rewrite_percentage)
        return;
    log_notice("Starting automatic rewriting of AOF on %llu%% growth", (unsigned long long)growth);
    snap_begin(m, SNAP_BASE, false, SNAP_FOR_REWRITE);
}

/* As in Redis, where save points are set: a file of what is gone would come back with the next start. */
static void follow_flush(struct master *m)
{
    struct durable *d = &m->durable;
    if (!__atomic_exchange_n(&persist(m->root)->flushed, 0, __ATOMIC_ACQ_REL))
        return;
    d->bgsave_scheduled = true;
    if (d->why == SNAP_FOR_POINT)
        snap_call_off(m);
}

/* Once a second; and when a snapshot has ended, for those that were put off. */
static void look_what_is_due(struct master *m, bool second)
{
    struct durable *d = &m->durable;
    struct shm_persist *p = persist(m->root);
    if (ask_waits(m, ASK_SAVE)) {
        ask_begin(m, ASK_SAVE);
        if (!snap_begin(m, SNAP_RDB, false, SNAP_FOR_SAVE))
            ask_answer(m, ASK_SAVE, "-ERR");
    }
    if (!d->why && d->bgsave_scheduled && !failed_lately(m)) {
        d->bgsave_scheduled = false;
        snap_begin(m, SNAP_RDB, false, SNAP_FOR_POINT);
    }
    if (!d->why && p->rewrite_scheduled)
        log_rewrite(m);
    if (d->why || !second)
        return;
    if (p->wal.state == WAL_ON && p->wal.on && __atomic_load_n(&p->wal.fault, __ATOMIC_ACQUIRE))
        snap_begin(m, SNAP_BASE, false, SNAP_FOR_LOG);
    if (!d->why)
        log_begin(m);
    if (!d->why)
        save_points(m);
    if (!d->why)
        rewrite_by_size(m);
}

void saving_tick(struct master *m)
{
    struct durable *d = &m->durable;
    double now = now_s();
    if (d->snap_restart && now >= d->snap_restart && m->ending <= SAVE_LAST) {
        d->snap_restart = 0;
        if (!fork_snapshotter(m))
            d->snap_restart = now + DELAY_MAX_S;
    }
    if (m->ending || d->step != LOADED)
        return;
    follow_flush(m);
    if (d->why)
        return;
    bool second = now >= d->second;
    if (second)
        d->second = now + 1;
    look_what_is_due(m, second);
}

/* ---- what clients ask ---- */

void save_ask(struct master *m, const struct control_msg *msg)
{
    struct durable *d = &m->durable;
    if (d->why == SNAP_FOR_POINT) {
        ask_reply(m, msg, "-ERR Background save already in progress");
        return;
    }
    ask_note(m, msg);
    saving_tick(m);
}

void bgsave_ask(struct master *m, const struct control_msg *msg)
{
    struct durable *d = &m->durable;
    if (d->why && snap(m)->kind == SNAP_RDB) {
        ask_reply(m, msg, "-ERR Background save already in progress");
    } else if (msg->options & SAVE_IN_EXEC || (d->why && msg->options)) {
        d->bgsave_scheduled = true;
        ask_reply(m, msg, "+Background saving scheduled");
    } else if (d->why) {
        ask_reply(m, msg,
                  "-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE "
                  "in order "
                  "to schedule a BGSAVE whenever possible.");
    } else {
        bool begun = !m->ending && snap_begin(m, SNAP_RDB, false, SNAP_FOR_POINT);
        ask_reply(m, msg, begun ? "+Background saving started" : "-ERR");
    }
}

void rewrite_ask(struct master *m, const struct control_msg *msg)
{
    struct durable *d = &m->durable;
    struct shm_persist *p = persist(m->root);
    if (d->why && snap(m)->kind == SNAP_BASE) {
        ask_reply(m, msg, "-ERR Background append only file rewriting already in progress");
    } else if (m->ending || d->step != LOADED) {
        ask_reply(m, msg, REWRITE_FAILED);
    } else if (d->why || msg->options & SAVE_IN_EXEC) {
        p->rewrite_scheduled = 1;
        p->rewrite_failures = 0;
        ask_reply(m, msg, REWRITE_SOON);
    } else if (log_rewrite(m)) {
        ask_reply(m, msg, REWRITE_BEGUN);
    } else if (d->rewrite_alone) {
        p->rewrite_scheduled = 1;
        ask_note(m, msg); /* until the writer is ready */
    } else {
        ask_reply(m, msg, REWRITE_FAILED);
    }
}
