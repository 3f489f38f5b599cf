/* The master's loop: signals, deaths, children's messages, and a tick for all that is due by time. */
#include "master/supervise.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "master/process.h"
#include "master/upgrade.h"
#include "shm/base/log.h"

#define TICK_S 0.1

static void fill_signals(sigset_t *set)
{
    const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE};
    sigemptyset(set);
    for (unsigned i = 0; i < ARRAY_LEN(ours); i++)
        sigaddset(set, ours[i]);
}

/* Blocked for good: they arrive by signalfd, and one that comes during an upgrade waits for the new binary.
 */
void signals_block(sigset_t *old)
{
    sigset_t set;
    fill_signals(&set);
    sigprocmask(SIG_BLOCK, &set, old);
    for (int s = 1; s < 32; s++)
        if (sigismember(&set, s) == 1)
            sigdelset(old, s); /* the binary before us blocked them: children must not inherit that */
}

/* ---- the end ---- */

/* What shutdown-on-sigterm and its like say. */
static unsigned flags_of(int words)
{
    return (words & SHUTDOWN_WORD_SAVE ? SHUTDOWN_SAVE : 0) |
           (words & SHUTDOWN_WORD_NOSAVE ? SHUTDOWN_NOSAVE : 0) |
           (words & SHUTDOWN_WORD_NOW ? SHUTDOWN_NOW : 0) |
           (words & SHUTDOWN_WORD_FORCE ? SHUTDOWN_FORCE : 0);
}

static void on_stop_signal(struct master *m, const char *name, int words)
{
    if (m->ending) {
        log_warning("You insist... exiting now.");
        children_kill(m);
        end_now(m, 1);
    }
    log_warning("Received %s scheduling shutdown...", name);
    stop_all(m, flags_of(words));
}

/* ---- signals ---- */

/* Workers open no files: the new one's descriptor is sent to them. */
static void reopen_logs(struct master *m)
{
    struct control_msg msg = {.kind = CTL_LOG_REOPEN};
    if (!m->cfg->logfile[0])
        return;
    if (log_reopen()) {
        log_warning("The log file %s cannot be opened again: %s", m->cfg->logfile, strerror(errno));
        return;
    }
    log_notice("The log file was opened again");
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].control.fd >= 0)
            child_tell(m, &m->child[i], &msg, log_fd());
}

/* A changed address has begun the replacement already. */
static void on_reload_signal(struct master *m)
{
    double began = m->roll_began;
    config_reload(m);
    if (m->roll_began == began)
        roll_begin(m);
}

static void on_signals(struct ev_loop *loop, ev_io *w, int events)
{
    struct master *m = w->data;
    struct signalfd_siginfo info;
    (void)loop, (void)events;
    while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGTERM:
            on_stop_signal(m, "SIGTERM", m->cfg->shutdown_on_sigterm);
            break;
        case SIGINT:
            on_stop_signal(m, "SIGINT", m->cfg->shutdown_on_sigint);
            break;
        case SIGHUP:
            on_reload_signal(m);
            break;
        case SIGUSR1:
            reopen_logs(m);
            break;
        case SIGUSR2:
            upgrade_begin(m);
            break;
        default:
            break; /* SIGCHLD: looked for below */
        }
    }
    children_reap(m);
    ending_step(m);
}

static void on_deaths(struct ev_loop *loop, ev_io *w, int events)
{
    struct master *m = w->data;
    uint64_t n;
    (void)loop, (void)events;
    if (read(w->fd, &n, sizeof(n)) < 0)
        return;
    for (uint32_t i = 0; i < m->nslots; i++)
        if (life_over(i))
            child_gone(m, &m->child[i]);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
    struct master *m = w->data;
    (void)loop, (void)events;
    children_reap(m);
    children_flush(m);
    repairs_retry(m);
    watchdog_look(m);
    post_start_due(m);
    sessions_house(m);
    if (m->reload_due)
        config_reload(m);
    config_notice(m);
    log_follow(m);
    loading_tick(m);
    saving_tick(m);
    roll_step(m);
    upgrade_step(m);
    ending_step(m);
    double every = notify_watchdog_s(), now = now_s();
    if (every > 0 && now >= m->next_watchdog_ping) {
        notify_systemd("WATCHDOG=1");
        m->next_watchdog_ping = now + every;
    }
}

void signals_open(struct master *m)
{
    sigset_t set;
    int deaths = -1;
    fill_signals(&set);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(fd >= 0 && life_open(&deaths));
    ev_io_init(&m->signals, on_signals, fd, EV_READ);
    ev_io_init(&m->deaths, on_deaths, deaths, EV_READ);
    ev_timer_init(&m->tick, on_tick, TICK_S, TICK_S);
    m->signals.data = m->deaths.data = m->tick.data = m;
    ev_set_priority(&m->deaths, EV_MAXPRI); /* locks wait for it */
    ev_io_start(m->loop, &m->signals);
    ev_io_start(m->loop, &m->deaths);
    ev_timer_start(m->loop, &m->tick);
}

void master_run(struct master *m)
{
    children_reap(m); /* after an upgrade: what ended meanwhile */
    ev_run(m->loop, 0);
}
