/* Forking. A child lets go of everything that is the master's before it does anything of its own. */
#include "master/supervise.h"
#include "shm/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "include/child.h"
#include "master/process.h"
#include "shm/base/log.h"
#include "shm/mail.h"
#include "shm/repair.h"

/* Signals that the whole process group or a careless killall gets are not for children. */
static void restore_signals(const sigset_t *mask)
{
    const int ignored[] = {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    for (unsigned i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, mask, NULL);
}

/* The system log's own socket must not be closed behind its back: its number would be used again. */
static void keep_only(struct master *m, int *fds, int n)
{
    if (m->cfg->syslog_enabled)
        closelog();
    fds[n++] = m->arena_fd;
    fds[n++] = log_fd();
    close_all_but(fds, n);
    if (m->cfg->syslog_enabled)
        openlog(m->cfg->syslog_ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, m->cfg->syslog_facility);
}

/* Death of the master must end us. It may have died before prctl: then we have another parent by now. */
static void follow_master(struct master *m, int sig)
{
    prctl(PR_SET_PDEATHSIG, sig);
    if (getppid() != m->pid)
        _exit(1);
}

/* What a role's process is like. The arena counts in each of them: to the kernel that looks for memory we offer those
 * first whose death loses nothing, and the log's writer last. */
enum { ALIVE_READS = 0, ALIVE_WRITES = 1, ALIVE_NO };
static const struct trade {
    void (*main)(const struct child_start *start);
    const char *name;
    enum log_role log;
    int oom;
    int alive; /* which end of the pipe it holds */
    bool numbered;
} trades[] = {
    [ROLE_WORKER] = {worker_main, "skep-worker", LOG_WORKER, 500, ALIVE_WRITES, true},
    [ROLE_LANE] = {lane_main, "skep-lane", LOG_SLOW_LANE, 600, ALIVE_WRITES, true},
    [ROLE_WAL] = {wal_main, "skep-log", LOG_CHILD, -500, ALIVE_READS, false},
    [ROLE_SNAP] = {snap_main, "skep-snapshot", LOG_CHILD, 700, ALIVE_NO, false},
    [ROLE_LOADER] = {loader_main, "skep-loader", LOG_CHILD, 300, ALIVE_NO, true},
};

__attribute__((noreturn)) static void begin_child(struct master *m, const struct post *p, uint32_t slot,
                                                  int control)
{
    const struct trade *t = &trades[p->role];
    struct child_start start = {.slot = slot,
                                .index = p->index,
                                .control = control,
                                .wakefd = m->wakefd,
                                .alive = t->alive == ALIVE_NO ? -1 : m->durable.alive[t->alive],
                                .master_pid = m->pid};
    int keep[SHM_SLOTS_MAX + LISTENERS_MAX + 8], n = 0;
    if (p->role != ROLE_WAL)
        follow_master(m, SIGKILL);
    if (p->role == ROLE_WORKER)
        start.nlisteners = listen_of(&m->listen, p->index, m->nworkers, start.listeners, LISTENERS_MAX);
    for (int i = 0; i < start.nlisteners; i++)
        keep[n++] = start.listeners[i];
    for (uint32_t i = 0; i < m->nslots; i++)
        keep[n++] = m->wakefd[i];
    keep[n++] = control;
    keep[n++] = start.alive;
    keep_only(m, keep, n);
    restore_signals(&m->old_mask);
    log_set_role(t->log);
    if (m->cfg->set_proc_title && t->numbered)
        title_set("skep: %s %u", role_names[p->role], p->index);
    else if (m->cfg->set_proc_title)
        title_set("skep: %s", role_names[p->role]);
    prctl(PR_SET_NAME, t->name);
    oom_offer(t->oom);
    t->main(&start);
    _exit(1); /* none of them returns */
}

/* A post prefers the slot that it had: its magazines are full. */
static int free_slot(struct master *m, const struct post *p)
{
    if (p->last_slot >= 0 && m->child[p->last_slot].phase == CHILD_NONE)
        return p->last_slot;
    for (uint32_t i = 0; i < m->nslots; i++) {
        bool reserved = false;
        for (uint32_t k = 0; k < m->nposts; k++)
            reserved |= m->post[k].slot < 0 && m->post[k].last_slot == (int)i;
        if (m->child[i].phase == CHILD_NONE && !reserved)
            return (int)i;
    }
    return -1;
}

int spawn_child(struct master *m, struct post *p)
{
    int sv[2], slot = free_slot(m, p);
    if (slot < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv)) {
        log_warning("No %s %u can be started: %s", role_names[p->role], p->index,
                    slot < 0 ? "no slot is free" : strerror(errno));
        return -1;
    }
    struct shm_slot *s = slot_at((uint32_t)slot);
    s->role = p->role;
    s->index = p->index;
    s->restarts = p->restarts;
    s->heartbeat_ms = 0;
    s->busy_since_ms = 0;
    s->clients = 0;
    __atomic_store_n(&s->state, SLOT_STARTING, __ATOMIC_RELEASE);
    int pid = fork();
    if (pid == 0)
        begin_child(m, p, (uint32_t)slot, sv[1]);
    int e = errno;
    close(sv[1]);
    if (pid < 0) {
        log_warning("Forking %s %u failed: %s", role_names[p->role], p->index, strerror(e));
        close(sv[0]);
        __atomic_store_n(&s->state, SLOT_FREE, __ATOMIC_RELEASE);
        return -1;
    }
    struct child *c = &m->child[slot];
    *c = (struct child){.phase = CHILD_STARTING,
                        .role = p->role,
                        .slot = (uint32_t)slot,
                        .index = p->index,
                        .pid = pid,
                        .started_at = now_s()};
    child_connect(m, c, sv[0]);
    p->last_slot = slot;
    return slot;
}

/* Bytes that travelled with a session whose taker died before it had unpacked them. As the dead slot's own
 * transaction, so that a repairer that dies here is followed by one that completes it. */
static void free_parcels(uint32_t slot)
{
    struct shm_ctx ctx;
    slot_ctx(&ctx, slot);
    for (uint32_t x = 0; sessions_next(slot, &x); x++) {
        struct shm_session *s = session_at(x);
        bool moves = s->state == SESSION_MOVING && s->master_fd >= 0;
        struct tx tx;
        if (moves || !s->parcel)
            continue;
        tx_begin(&tx, &ctx);
        if (tx_free(&tx, s->parcel, s->parcel_bytes) || tx_redo(&tx, &s->parcel, 0))
            tx_abort(&tx);
        else
            tx_commit(&tx);
    }
}

void children_wake(struct master *m)
{
    uint64_t one = 1;
    for (uint32_t i = 0; i < m->nslots; i++) {
        if (__atomic_load_n(&slot_at(i)->state, __ATOMIC_ACQUIRE) == SLOT_FREE)
            continue;
        slot_wake(i);
        if (write(m->wakefd[i], &one, sizeof(one)) < 0)
            continue; /* it is full of wake-ups already */
    }
}

/* A message that the dead process had committed may lack its sign, and those who wait for something of its
 * must look again: everybody is told to look at its rings. */
static void poke_everyone(struct master *m, uint32_t slot)
{
    struct shm_mail *mail = shm_at(m->root->mail);
    for (uint32_t i = 0; i < m->nslots; i++)
        if (i != slot && __atomic_load_n(&slot_at(i)->state, __ATOMIC_ACQUIRE) != SLOT_FREE)
            __atomic_or_fetch(&mail->from[i][slot / 64], 1ull << slot % 64, __ATOMIC_SEQ_CST);
    children_wake(m);
}

__attribute__((noreturn)) static void begin_repairer(struct master *m, struct child *c)
{
    int keep[SHM_SLOTS_MAX + 8], n = 0;
    follow_master(m, SIGKILL);
    for (uint32_t i = 0; i < m->nslots; i++)
        keep[n++] = m->wakefd[i];
    keep[n++] = m->durable.alive[ALIVE_WRITES]; /* it may show a record */
    log_set_role(LOG_CHILD);
    slot_repair(c->slot);
    m->root->last_repair_us = (uint64_t)mono_us() - c->died_us;
    poke_everyone(m, c->slot);
    keep_only(m, keep, n);
    free_parcels(c->slot);
    _exit(0);
}

int spawn_repairer(struct master *m, struct child *c)
{
    int pid = fork();
    if (pid == 0) {
        if (m->cfg->set_proc_title)
            title_set("skep: repairer of %s %u", role_names[c->role], c->index);
        begin_repairer(m, c);
    }
    return pid;
}
