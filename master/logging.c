/* The log's writer: a post that is filled while the log is on. Replaced when it dies, never killed for being slow. */
#include "master/supervise.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "shm/base/log.h"
#include "shm/config.h"
#include "shm/wal.h"

#define GRANT_S   10.0 /* from the word that the log works until the configuration must say so */
#define TRIES_MAX 3u
#define LATCH_TRIES                                                                                          \
    100u /* who holds the configuration's latch may be waiting for us: then the next tick will do */

#define NO_LOG                                                                                               \
    "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check "     \
    "server logs."

static struct shm_wal *wal(const struct master *m)
{
    return &persist(m->root)->wal;
}

struct post *log_post(struct master *m)
{
    return post_find(m, ROLE_WAL, 0);
}

/* The writer sees by the state whether the log that it finds goes on, or another one begins behind it. */
void log_open_writer(struct master *m, bool begins)
{
    struct post *p = log_post(m);
    wal(m)->state = begins ? WAL_BEGINS : WAL_ON;
    p->off = p->owes = false; /* who is wanted now takes over what the ring holds */
    if (p->slot < 0 && !p->start_at) {
        p->start_at = now_s();
        post_start_due(m);
    }
}

/* The snapshotter may complete the base at this very moment. */
static void state_ends(struct shm_wal *w)
{
    uint32_t begins = WAL_BEGINS, on = WAL_ON;
    if (!__atomic_compare_exchange_n(&w->state, &begins, WAL_OFF, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        __atomic_compare_exchange_n(&w->state, &on, WAL_ENDS, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Records are made, or those that were made are not on disk yet: a dead writer has left them. */
static bool something_is_owed(const struct master *m)
{
    return wal(m)->on || wal(m)->pending_from ||
           __atomic_load_n(&wal(m)->durable, __ATOMIC_SEQ_CST) < wal_lsn(m->root);
}

/* From here on no record is made; those that were made are written before the writer ends. One that is dead cannot do
 * that, so another one comes for it: clients may be waiting for what the ring holds. */
void log_close_writer(struct master *m)
{
    struct post *p = log_post(m);
    bool used = something_is_owed(m);
    __atomic_store_n(&wal(m)->on, 0, __ATOMIC_RELEASE);
    state_ends(wal(m));
    wal(m)->waits = 0;
    m->durable.log_closed |= !p->off;
    m->durable.log_tries = 0;
    p->owes |= !p->off && p->slot < 0 && used;
    p->off = true;
    p->start_at = p->owes ? now_s() : 0;
    if (p->slot >= 0)
        child_stop(m, &m->child[p->slot], false);
    else if (p->owes)
        post_start_due(m);
    else
        log_writer_left(m, false);
}

/* Before its successor is forked: a log that was closed is over, and the next one may lie elsewhere. */
void log_writer_left(struct master *m, bool crashed)
{
    struct post *p = log_post(m);
    if (!m->durable.log_closed)
        return;
    p->owes = p->off && crashed;
    if (p->owes)
        return;
    wal(m)->dir[0] = '\0';
    m->durable.log_closed = false;
}

/* What a closed log owes cannot be written: those who wait for it are told so. The next writer takes the fault back. */
static void give_up_owed(struct master *m)
{
    struct post *p = log_post(m);
    log_warning("The last records of the log could not be written");
    p->owes = false;
    p->start_at = 0;
    __atomic_store_n(&wal(m)->fault, EIO, __ATOMIC_SEQ_CST);
    children_wake(m);
    log_writer_left(m, false);
}

static bool works(struct master *m)
{
    const struct post *p = log_post(m);
    return !p->off && p->slot >= 0 && m->child[p->slot].phase == CHILD_RUNNING;
}

/* A snapshotter is about to turn the log on: it can be closed as soon as that is done. */
static bool is_being_cut(const struct master *m)
{
    const struct shm_snap *s = &persist(m->root)->snap;
    return m->durable.why && s->log_begins && __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == SNAP_STARTING;
}

/* The cut of this snapshot turns the log on. One that failed is made again, once a second. */
bool log_begin(struct master *m)
{
    bool alone = m->durable.rewrite_alone;
    if (!works(m) || wal(m)->state == WAL_ON || m->durable.why)
        return false;
    return snap_begin(m, SNAP_BASE, !alone, alone ? SNAP_FOR_REWRITE : SNAP_FOR_LOG);
}

/* Without a log this makes the base that the next start with one begins from. What lies in the folder may be newer by its
 * numbers: so the writer, which goes on behind these, comes first. No record is made. */
bool log_rewrite(struct master *m)
{
    if (wal(m)->state == WAL_ON)
        return snap_begin(m, SNAP_BASE, false, SNAP_FOR_REWRITE);
    if (log_post(m)->off) {
        m->durable.rewrite_alone = true;
        log_follow(m);
    }
    return log_begin(m);
}

static void grant_log(struct master *m)
{
    bool begun = log_begin(m);
    ask_begin(m, ASK_LOG);
    ask_answer(m, ASK_LOG, "+OK");
    ask_begin(m, ASK_REWRITE);
    ask_answer(m, ASK_REWRITE, begun ? REWRITE_BEGUN : REWRITE_SOON);
}

static void refuse_log(struct master *m)
{
    log_warning("The log cannot be written: %s",
                wal(m)->error[0] ? wal(m)->error : "its writer ended before it was ready");
    m->durable.log_granted = 0;
    m->durable.rewrite_alone = false;
    persist(m->root)->rewrite_scheduled = 0;
    if (!is_being_cut(m))
        log_close_writer(m);
    ask_begin(m, ASK_LOG);
    ask_answer(m, ASK_LOG, NO_LOG);
    ask_begin(m, ASK_REWRITE);
    ask_answer(m, ASK_REWRITE, REWRITE_FAILED);
}

void log_writer_ready(struct master *m)
{
    m->durable.log_tries = 0;
    if (log_post(m)->off)
        return; /* it has come to end another one's work */
    if (m->durable.step != LOADED)
        loading_go_on(m);
    else if (ask_waits(m, ASK_LOG) && wal(m)->fault)
        refuse_log(m);
    else
        grant_log(m);
}

/* The post has been given to the next one already, if there is to be one. */
void log_writer_ended(struct master *m, bool was_ready)
{
    struct durable *d = &m->durable;
    bool failed = !was_ready && !log_post(m)->off;
    if (failed && d->step == AT_LOG && !d->again && ++d->log_tries >= TRIES_MAX)
        start_failed(m, "the log's writer does not start; its log lines say why");
    if (failed && (ask_waits(m, ASK_LOG) || d->rewrite_alone))
        refuse_log(m);
    if (!was_ready && log_post(m)->owes && ++d->log_tries >= TRIES_MAX)
        give_up_owed(m);
    loading_go_on(m);
}

/* What is stored in the configuration but not committed may be taken back: it is not followed, and meanwhile replies
 * wait rather than not. While a snapshot is made no-appendfsync-on-rewrite makes appendfsync always as good as no. */
static bool read_wishes(struct master *m, bool *on, bool *waits)
{
    const struct shm_latch *l = &m->root->config_latch;
    uint32_t version = latch_load(l);
    *on = m->cfg->appendonly;
    *waits = m->cfg->appendfsync == FSYNC_ALWAYS && !(m->cfg->no_appendfsync_on_rewrite && m->durable.why);
    SHM_ORDER();
    return !(version & LATCH_OWNER) && latch_load(l) == version;
}

void log_follow(struct master *m)
{
    bool on, waits, known;
    if (m->durable.step != LOADED || m->ending)
        return;
    for (unsigned i = 0; !(known = read_wishes(m, &on, &waits)) && i < LATCH_TRIES; i++)
        sched_yield();
    if (!known) {
        wal(m)->waits = !log_post(m)->off;
        return;
    }
    bool wanted = on || m->durable.rewrite_alone || now_s() < m->durable.log_granted;
    if (on)
        m->durable.log_granted = 0; /* the word was taken */
    if (wanted && log_post(m)->off)
        log_open_writer(m, true);
    else if (!wanted && !log_post(m)->off && !is_being_cut(m))
        log_close_writer(m);
    /* Before the cut makes the first record: none of them may be told too early. */
    wal(m)->waits = !log_post(m)->off && waits;
}

void log_ask(struct master *m, const struct control_msg *msg)
{
    if (m->durable.step != LOADED || m->ending) {
        ask_reply(m, msg, NO_LOG);
        return;
    }
    m->durable.log_granted = now_s() + GRANT_S;
    if (works(m)) {
        log_begin(m);
        ask_reply(m, msg, "+OK");
        return;
    }
    ask_note(m, msg);
    log_follow(m);
}
