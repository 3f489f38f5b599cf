/* The end: a last snapshot while writes wait, then the workers, the slow lanes, and last the log's writer, which has
 * all the time it needs. If the snapshot fails the server goes on as if nothing had been said. */
#include "master/supervise.h"

#include <stdio.h>
#include <stdlib.h>

#include "master/process.h"
#include "shm/base/log.h"

#define TELL_EVERY_S 5.0
#define WRITERS_MAX  5u /* that may die while the end is waited for */

/* Removes what a clean end removes, and ends. The writer, if there still is one, goes on until the ring is empty. */
void end_now(struct master *m, int code)
{
    listen_close_all(&m->listen);
    if (m->cfg->pidfile[0])
        pidfile_remove(m->cfg->pidfile);
    log_warning("Skep is now ready to exit, bye bye...");
    exit(code);
}

/* Whether a process of this role that gets ready now came too late. */
bool ending_stops(const struct master *m, uint32_t role)
{
    if (role == ROLE_LANE)
        return m->ending != RUN;
    if (role == ROLE_WAL)
        return m->ending == STOP_LOG;
    return m->ending >= STOP_WORKERS && role == ROLE_WORKER;
}

/* Whether the post is filled again although the end has begun: what the ring holds was acknowledged. */
bool ending_needs(struct master *m, const struct post *p, bool crashed)
{
    return p->role == ROLE_WAL && crashed && m->ending_writers++ < WRITERS_MAX;
}

static void stop_workers(struct master *m)
{
    double patience = m->cfg->shutdown_timeout > 1 ? (double)m->cfg->shutdown_timeout : 1;
    heed_set(persist(m->root), HEED_LAST_SAVE, true); /* those that do not stop at once */
    m->ending = STOP_WORKERS;
    m->ending_at = now_s() + (m->ending_flags & SHUTDOWN_NOW ? 1 : patience);
    children_stop(m, ROLE_WORKER);
    snap_call_off(m);
}

static void take_back(struct master *m)
{
    m->ending = RUN;
    heed_set(persist(m->root), HEED_LAST_SAVE, false);
    for (uint32_t i = 0; i < m->nposts; i++)
        if (m->post[i].slot < 0 && !m->post[i].start_at && !m->post[i].off)
            m->post[i].start_at = now_s();
    post_start_due(m);
    ask_begin(m, ASK_SHUTDOWN);
    ask_answer(m, ASK_SHUTDOWN, "-ERR Errors trying to SHUTDOWN. Check logs.");
    notify_systemd("READY=1\nSTATUS=Ready to accept connections");
}

void ending_saved(struct master *m, bool ok)
{
    if (m->ending != SAVE_LAST)
        return;
    if (!ok && !(m->ending_flags & SHUTDOWN_FORCE)) {
        log_warning("Error trying to save the DB, can't exit.");
        log_warning("Errors trying to shut down the server. Check the logs for more information.");
        take_back(m);
        return;
    }
    if (!ok)
        log_warning("Error trying to save the DB. Exit anyway.");
    stop_workers(m);
}

/* The lanes have finished what they had been given, so that nothing is changed and told behind the cut. A base with
 * which the log begins is waited for: without it the log would be worthless. */
static void save_last(struct master *m)
{
    if (children_any(m, ROLE_LANE) || m->durable.why)
        return;
    if (!m->ending_saves) {
        stop_workers(m);
        return;
    }
    log_notice("Saving the final RDB snapshot before exiting.");
    notify_systemd("STATUS=Saving the final RDB snapshot");
    if (!snap_begin(m, SNAP_RDB, false, SNAP_FOR_END))
        ending_saved(m, false);
}

static bool writers_alone(const struct master *m)
{
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase != CHILD_NONE && m->child[i].role != ROLE_WAL)
            return false;
    return true;
}

static void tell_waiting(struct master *m)
{
    if (now_s() < m->ending_told)
        return;
    if (m->ending_told > 0 && m->ending == STOP_LOG)
        log_notice("Waiting for the log to be written");
    m->ending_told = now_s() + TELL_EVERY_S;
    notify_systemd("EXTEND_TIMEOUT_USEC=%d", (int)(6 * TELL_EVERY_S * 1e6));
}

void ending_step(struct master *m)
{
    if (m->ending == RUN)
        return;
    if (m->ending == SAVE_LAST)
        save_last(m);
    if (m->ending == STOP_WORKERS && !children_any(m, ROLE_WORKER)) {
        m->ending = STOP_LANES;
        children_stop(m, ROLE_LANE);
        children_stop(m, ROLE_LOADER);
    }
    if (m->ending == STOP_LANES && writers_alone(m)) {
        m->ending = STOP_LOG;
        children_stop(m, ROLE_WAL);
    }
    if (m->ending == STOP_LOG && !children_any(m, ROLE_NONE) && !log_post(m)->start_at)
        end_now(m, 0);
    tell_waiting(m);
    if ((m->ending == STOP_WORKERS || m->ending == STOP_LANES) && now_s() > m->ending_at) {
        log_warning("Some processes did not end in time; killing them");
        children_kill(m);
        m->ending_at = now_s() + 1;
    }
}

void stop_all(struct master *m, unsigned flags)
{
    const struct durable *d = &m->durable;
    if (m->ending)
        return;
    notify_systemd("STOPPING=1\nSTATUS=Stopping");
    if (d->step == AT_FILES && !d->again) {
        log_warning("Received shutdown signal during loading, exiting now.");
        children_kill(m);
        end_now(m, 0);
    }
    loading_call_off(m);
    bool whole = d->step == LOADED; /* half a keyspace must not replace a file */
    m->ending_flags = flags;
    m->ending_told = 0;
    m->ending_writers = 0;
    m->ending_saves = whole && (flags & SHUTDOWN_SAVE || (m->cfg->nsaves && !(flags & SHUTDOWN_NOSAVE)));
    const struct shm_persist *p = persist(m->root);
    bool begins = d->why && p->snap.log_begins && p->wal.state == WAL_BEGINS && !(flags & SHUTDOWN_FORCE);
    if (!m->ending_saves && !begins) {
        stop_workers(m);
        ending_step(m);
        return;
    }
    m->ending = SAVE_LAST;
    heed_set(persist(m->root), HEED_LAST_SAVE, true);
    children_stop(m, ROLE_LANE);
    if (!begins)
        snap_call_off(m);
    ending_step(m);
}

void ending_ask(struct master *m, const struct control_msg *msg)
{
    if (msg->options & SHUTDOWN_ABORT) {
        if (m->ending != SAVE_LAST) {
            ask_reply(m, msg, "-ERR No shutdown in progress.");
            return;
        }
        log_notice("Shutdown manually aborted.");
        snap_call_off(m);
        take_back(m);
        ask_reply(m, msg, "+OK");
        return;
    }
    ask_note(m, msg);
    log_notice("User requested shutdown...");
    stop_all(m, msg->options);
}
