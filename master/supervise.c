/* The life of a child, from its post's vacancy to the repair of its slot. */
#include "master/supervise.h"
#include "shm/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/process.h"
#include "master/upgrade.h"
#include "shm/base/log.h"

#define EARLY_S       10.0 /* who dies sooner after its start waits for its next one */
#define DELAY_FIRST_S 0.1
#define DELAY_MAX_S   10.0
#define REPAIR_TRIES  3
#define REPAIR_MAX_S  5.0
#define START_MAX_S   30.0

const char *const role_names[] = {"nobody",     "master",      "worker", "slow lane",
                                  "log writer", "snapshotter", "loader"};

double now_s(void)
{
    return (double)mono_us() / 1e6;
}

struct post *post_find(struct master *m, enum slot_role role, uint32_t index)
{
    for (uint32_t i = 0; i < m->nposts; i++)
        if (m->post[i].role == role && m->post[i].index == index)
            return &m->post[i];
    return NULL;
}

bool children_any(struct master *m, enum slot_role role)
{
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase != CHILD_NONE && (role == ROLE_NONE || m->child[i].role == role))
            return true;
    return false;
}

/* All but the log's writer, which ends by itself when it has written what there is. */
void children_kill(struct master *m)
{
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase != CHILD_NONE && m->child[i].pid && m->child[i].role != ROLE_WAL)
            kill(m->child[i].pid, SIGKILL);
}

/* ---- start and stop ---- */

/* While a post waits, another worker takes its clients in; a message without a socket ends that. */
static void lend_listeners(struct master *m, struct post *p)
{
    int fds[LISTENERS_MAX], n;
    struct child *c = least_loaded(m);
    if (p->role != ROLE_WORKER || !c || p->lent_to >= 0)
        return;
    n = listen_of(&m->listen, p->index, m->nworkers, fds, LISTENERS_MAX);
    for (int i = 0; i < n; i++) {
        struct control_msg msg = {.kind = CTL_ACCEPT_FOR, .y = (uint64_t)p->last_slot};
        child_tell(m, c, &msg, fds[i]);
    }
    p->lent_to = (int)c->slot;
}

static void take_listeners_back(struct master *m, struct post *p)
{
    struct control_msg msg = {.kind = CTL_ACCEPT_FOR, .y = (uint64_t)p->last_slot};
    if (p->lent_to >= 0 && m->child[p->lent_to].phase == CHILD_RUNNING)
        child_tell(m, &m->child[p->lent_to], &msg, -1);
    p->lent_to = -1;
}

bool restart_waits(const struct post *p, const struct child *c)
{
    return p->delay > 0 && now_s() - c->started_at < EARLY_S;
}

void post_vacant(struct master *m, struct post *p, bool early)
{
    double wait = 0;
    if (p->off && !p->owes)
        return;
    if (early) {
        wait = p->delay;
        p->delay = wait ? (wait * 2 < DELAY_MAX_S ? wait * 2 : DELAY_MAX_S) : DELAY_FIRST_S;
    } else {
        p->delay = DELAY_FIRST_S;
    }
    p->start_at = now_s() + wait;
    if (!wait) {
        post_start_due(m);
        return;
    }
    log_warning("%s %u died soon after its start; the next one starts in %.1f seconds", role_names[p->role],
                p->index, wait);
    lend_listeners(m, p);
}

void post_start_due(struct master *m)
{
    double now = now_s();
    for (uint32_t i = 0; i < m->nposts; i++) {
        struct post *p = &m->post[i];
        bool wanted = !p->off || p->owes;
        if (p->slot >= 0 || !wanted || !p->start_at || now < p->start_at ||
            (m->ending && p->role != ROLE_WAL))
            continue;
        p->slot = spawn_child(m, p);
        p->start_at = p->slot < 0 ? now + DELAY_MAX_S / 10 : 0;
        if (p->slot < 0)
            lend_listeners(m, p);
    }
}

static bool all_posts_run(struct master *m)
{
    for (uint32_t i = 0; i < m->nposts; i++)
        if (!m->post[i].off && (m->post[i].slot < 0 || m->child[m->post[i].slot].phase != CHILD_RUNNING))
            return false;
    return true;
}

void started_check(struct master *m)
{
    if (m->started || m->durable.step != LOADED || !all_posts_run(m))
        return;
    m->started = true;
    log_notice("Ready to accept connections tcp");
    notify_systemd("READY=1\nMAINPID=%d\nSTATUS=Ready to accept connections", m->pid);
}

void child_ready(struct master *m, struct child *c)
{
    struct post *p = post_find(m, c->role, c->index);
    if (c->phase != CHILD_STARTING)
        return;
    c->phase = CHILD_RUNNING;
    c->was_ready = true;
    __atomic_store_n(&slot_at(c->slot)->state, SLOT_RUNNING, __ATOMIC_RELEASE);
    life_watch(c->slot);
    log_verbose("%s %u is ready (pid %d, slot %u)", role_names[c->role], c->index, c->pid, c->slot);
    if (p)
        take_listeners_back(m, p);
    if (c->role == ROLE_WORKER)
        sessions_house(m);
    if (ending_stops(m, c->role) || (p && p->off)) /* the stop came while it started, or before */
        child_stop(m, c, false);
    if (c->role == ROLE_WAL && p && p->slot == (int)c->slot)
        log_writer_ready(m);
    started_check(m);
    roll_step(m);
}

void child_stop(struct master *m, struct child *c, bool move)
{
    struct control_msg msg = {.kind = CTL_STOP, .y = move};
    if (c->phase != CHILD_RUNNING && c->phase != CHILD_STARTING)
        return;
    c->phase = CHILD_STOPPING;
    c->moving_out = move;
    __atomic_store_n(&slot_at(c->slot)->state, SLOT_STOPPING, __ATOMIC_RELEASE);
    child_tell(m, c, &msg, -1);
}

void children_stop(struct master *m, enum slot_role role)
{
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase != CHILD_NONE && m->child[i].role == role)
            child_stop(m, &m->child[i], false);
}

/* ---- the end ---- */

static void add_ghost(struct master *m, const struct child *c)
{
    for (unsigned i = 0; c->pid && i < GHOSTS_MAX; i++) {
        if (m->ghost[i].pid)
            continue;
        m->ghost[i] = (struct ghost){c->pid, c->role, c->index};
        return;
    }
}

static void log_status(enum slot_role role, uint32_t index, int pid, int status)
{
    if (WIFSIGNALED(status))
        log_warning("%s %u (pid %d) was ended by signal %d (%s)", role_names[role], index, pid,
                    WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) && role != ROLE_SNAP && role != ROLE_LOADER) /* these have said why */
        log_warning("%s %u (pid %d) ended with exit code %d", role_names[role], index, pid,
                    WEXITSTATUS(status));
    else
        log_verbose("%s %u (pid %d) has ended", role_names[role], index, pid);
}

/* The slot may be taken again. What post the child held, and whether somebody has followed it there already,
 * decides about a replacement. */
static void child_done(struct master *m, struct child *c, bool crashed)
{
    struct post *p = post_find(m, c->role, c->index);
    bool early = now_s() - c->started_at < EARLY_S;
    bool was_ready = c->was_ready || c->phase == CHILD_STOPPING; /* or was not wanted any more */
    uint32_t slot = c->slot;
    add_ghost(m, c);
    child_disconnect(m, c);
    if (c->role == ROLE_WAL)
        log_writer_left(m, crashed);
    for (uint32_t i = 0; i < m->nposts; i++)
        if (m->post[i].lent_to == (int)slot)
            m->post[i].lent_to = -1;
    __atomic_store_n(&slot_at(slot)->state, SLOT_FREE, __ATOMIC_RELEASE);
    if (!p) /* the post was given up: INFO need not show it */
        slot_at(slot)->role = ROLE_NONE;
    c->phase = CHILD_NONE;
    if (p && p->slot == (int)slot) {
        p->slot = -1;
        if (p->next >= 0) {
            p->slot = p->next;
            p->next = -1;
        } else {
            p->restarts += crashed;
            if (!m->ending || ending_needs(m, p, crashed))
                post_vacant(m, p, early && crashed);
        }
    } else if (p && p->next == (int)slot) {
        p->next = -1;
    }
    if (c->role == ROLE_WAL)
        log_writer_ended(m, was_ready);
    else if (c->role == ROLE_SNAP)
        snap_child_ended(m, crashed);
    else if (c->role == ROLE_LOADER)
        loading_child_ended(m, c, crashed);
    else
        loading_go_on(m);
    roll_step(m);
}

static void begin_repair(struct master *m, struct child *c)
{
    c->phase = CHILD_REPAIRING;
    c->repairs++;
    c->repair_at = 0;
    c->deadline = now_s() + REPAIR_MAX_S;
    c->repairer = spawn_repairer(m, c);
    if (c->repairer > 0)
        return;
    log_warning("Forking a repairer failed: %s", strerror(errno));
    c->repairer = 0;
    c->repairs--;
    c->phase = CHILD_DEAD;
    c->repair_at = now_s() + 0.05;
}

static bool is_fatal_signal(int status)
{
    int s = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return s == SIGSEGV || s == SIGABRT || s == SIGBUS || s == SIGILL || s == SIGFPE;
}

/* Those that work with the disk say by their exit code whether that went well; they have ended in good order all the
 * same. */
static bool left_clean(const struct child *c)
{
    const struct shm_slot *s = slot_at(c->slot);
    uint32_t x = 0;
    bool clean =
        s->lane.commit == LANE_IDLE && !s->nest.open && !s->inside && arena_root()->gate != c->slot + 1;
    int worst = serves(c->role) ? 0 : 1;
    return clean && WIFEXITED(c->status) && WEXITSTATUS(c->status) <= worst && !sessions_next(c->slot, &x);
}

/* Who ends when its work is done, or has been told to end: its exit status says whether it did. */
static bool ends_by_itself(const struct child *c)
{
    if (c->role == ROLE_LOADER)
        return true;
    if (c->role == ROLE_SNAP && persist(arena_root())->snap.state == SNAP_IDLE)
        return true;
    return c->left || (c->phase == CHILD_STOPPING && !c->moving_out);
}

/* Comes once from the life lock (status unknown) and once from waitpid; whichever is first acts. */
void child_gone(struct master *m, struct child *c)
{
    bool rebuild = m->cfg->crash_policy == CRASH_REBUILD;
    if (c->phase != CHILD_STARTING && c->phase != CHILD_RUNNING && c->phase != CHILD_STOPPING)
        return;
    child_hear(m, c); /* no user code runs any more: this is all that it will ever have said */
    bool leaves = ends_by_itself(c);
    if (c->pid && (leaves || rebuild))
        return; /* the exit status, which comes soon, decides */
    life_forget(c->slot);
    if (!c->pid && leaves && left_clean(c)) {
        child_done(m, c, false);
        return;
    }
    if (!c->pid && rebuild && is_fatal_signal(c->status))
        rebuild_begin(m, "crash-policy says that memory which a crashed process could write is not trusted");
    c->died_us = (uint64_t)mono_us();
    __atomic_store_n(&slot_at(c->slot)->state, SLOT_DEAD, __ATOMIC_RELEASE);
    begin_repair(m, c);
}

static void repaired(struct master *m, struct child *c)
{
    unsigned kept = sessions_settle(m, c);
    m->root->crashes_repaired++;
    m->root->sessions_kept += kept;
    m->seen_generation =
        UINT64_MAX; /* a change of the configuration that we had acted upon may have been taken back */
    log_warning("%s %u has died; its slot %u was repaired in %llu us, %u clients were kept",
                role_names[c->role], c->index, c->slot, (unsigned long long)m->root->last_repair_us, kept);
    child_done(m, c, true);
}

static void repairer_ended(struct master *m, struct child *c, int status)
{
    c->repairer = 0;
    if (WIFEXITED(status) && !WEXITSTATUS(status) && !m->root->fatal) {
        repaired(m, c);
        return;
    }
    log_warning("The repair of slot %u failed (%s %d), try %u of %u", c->slot,
                WIFSIGNALED(status) ? "signal" : "exit code",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), c->repairs, REPAIR_TRIES);
    if (c->repairs >= REPAIR_TRIES || m->root->fatal)
        rebuild_begin(m, "a slot could not be repaired");
    c->phase = CHILD_DEAD;
    c->repair_at = now_s() + 0.01 * (1 << c->repairs);
}

void repairs_retry(struct master *m)
{
    double now = now_s();
    for (uint32_t i = 0; i < m->nslots; i++) {
        struct child *c = &m->child[i];
        if (c->phase == CHILD_DEAD && c->repair_at && now >= c->repair_at)
            begin_repair(m, c);
        else if (c->phase == CHILD_REPAIRING && now > c->deadline)
            kill(c->repairer, SIGKILL);
    }
}

static void reaped(struct master *m, int pid, int status)
{
    if (upgrade_reaped(m, pid, status))
        return;
    for (uint32_t i = 0; i < m->nslots; i++) {
        struct child *c = &m->child[i];
        if (c->phase == CHILD_NONE)
            continue;
        if (c->repairer == pid) {
            repairer_ended(m, c, status);
            return;
        }
        if (c->pid == pid) {
            log_status(c->role, c->index, pid, status);
            c->pid = 0;
            c->status = status;
            child_gone(m, c);
            return;
        }
    }
    for (unsigned i = 0; i < GHOSTS_MAX; i++)
        if (m->ghost[i].pid == pid) {
            log_status(m->ghost[i].role, m->ghost[i].index, pid, status);
            m->ghost[i].pid = 0;
        }
}

static void stopped(struct master *m, int pid, bool is)
{
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase != CHILD_NONE && m->child[i].pid == pid)
            m->child[i].stopped_at = is ? now_s() : 0;
}

void children_reap(struct master *m)
{
    int status, pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        if (WIFSTOPPED(status) || WIFCONTINUED(status))
            stopped(m, pid, WIFSTOPPED(status));
        else
            reaped(m, pid, status);
    }
}

/* ---- those that hang ---- */

static const char *why_hangs(const struct child *c, uint64_t limit_ms)
{
    const struct shm_slot *s = slot_at(c->slot);
    uint64_t now = (uint64_t)mono_ms(), busy = __atomic_load_n(&s->busy_since_ms, __ATOMIC_RELAXED);
    uint64_t beat = __atomic_load_n(&s->heartbeat_ms, __ATOMIC_RELAXED);
    if (c->stopped_at && (now_s() - c->stopped_at) * 1000 > (double)limit_ms)
        return "was stopped by a signal";
    if (c->role !=
        ROLE_WORKER) /* a slow lane may be busy for long: that is what it is for; others, with a disk */
        return NULL;
    if (busy && now > busy + limit_ms)
        return "has been busy with one turn of its loop";
    if (beat && now > beat + 3 * limit_ms)
        return "has not shown that it lives";
    return NULL;
}

void watchdog_look(struct master *m)
{
    uint64_t limit = (uint64_t)m->cfg->worker_watchdog_ms;
    for (uint32_t i = 0; i < m->nslots; i++) {
        struct child *c = &m->child[i];
        bool starts = c->phase == CHILD_STARTING;
        if (!c->pid || (!starts && c->phase != CHILD_RUNNING && c->phase != CHILD_STOPPING))
            continue;
        const char *why = limit ? why_hangs(c, limit) : NULL;
        if (starts && serves(c->role) && now_s() - c->started_at > START_MAX_S)
            why = "did not get ready";
        if (!why)
            continue;
        log_warning("Watchdog: %s %u (pid %d) %s for too long; killing it", role_names[c->role], c->index,
                    c->pid, why);
        kill(c->pid, SIGKILL);
    }
}
