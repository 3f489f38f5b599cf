#include "include/child.h"
#include "shm/base/clock.h"
#include "shm/config.h"
#include "shm/repair.h"
#include "worker/dispatch/block.h"
#include "worker/control.h"
#include "worker/dispatch/execute.h"
#include "worker/dispatch/monitor.h"
#include "worker/net/client.h"
#include "worker/net/pubsub_move.h"
#include "worker/net/tracking.h"
#include "worker/publish.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MOVE_PATIENCE_MS 10000 /* half of what the master gives a process that is replaced */
#define END_PATIENCE_MS  2000

struct worker *self_worker;

void worker_wake(struct worker *w, uint32_t slot)
{
    uint64_t one = 1;
    ssize_t n = write(w->wakefd[slot], &one, sizeof(one));
    (void)n; /* full means that it is awake */
}

/* ---- mail and messages ---- */

static void drain_mail(struct worker *w)
{
    struct mail m;
    uint32_t from;
    while (mail_next(&w->ctx, &from, &m)) {
        if (m.kind == MAIL_CHUNK)
            lane_mail(w, from, &m);
        else if (m.kind == MAIL_READY)
            blocked_ready(w, from, (uint32_t)m.x, m.y);
        else if (m.kind == MAIL_MONITOR)
            monitor_deliver(w, shm_at(m.block), m.bytes);
        if (mail_done(&w->ctx, from))
            break; /* a latch is taken: the same message again next time would be shown twice */
    }
}

static void close_killed(struct worker *w)
{
    for (struct client *cl = w->net->clients, *next; cl; cl = next) {
        next = cl->next;
        if (cl->session->kill)
            client_close(cl);
    }
}

/* To look at thousands of clients costs more than what most wake-ups are for. */
static void close_killed_lately(struct worker *w)
{
    uint32_t kills = __atomic_load_n(&w->ctx.slot->kills, __ATOMIC_SEQ_CST);
    if (LIKELY(kills == w->net->kills))
        return;
    w->net->kills = kills;
    close_killed(w);
}

static void on_wake(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct worker *w = io->data;
    uint64_t n;
    (void)loop, (void)events;
    /* In this order: were the word cleared first, who sets it before we read would have its sign eaten, and as
     * long as it stays set nobody writes another one. */
    ssize_t got = read(io->fd, &n, sizeof(n));
    (void)got;
    __atomic_store_n(&w->ctx.slot->wake, 0, __ATOMIC_SEQ_CST);
    drain_mail(w);
    post_receive(w);
    close_killed_lately(w);
}

static void on_message(struct worker *w, const struct control_msg *m, int passed)
{
    switch (m->kind) {
    case CTL_TAKE:
        handover_take(w, (uint32_t)m->x, passed);
        return;
    case CTL_STOP:
        w->net->stopping = true;
        w->net->moving = m->y;
        w->net->stopping_ms = w->now_ms;
        w->ctx.slot->state = SLOT_STOPPING;
        accept_drain(w);
        accept_stop(w);
        break;
    case CTL_ACCEPT_FOR:
        if (passed < 0)
            accept_return(w);
        else if (w->net->stopping || w->net->nlisten == ARRAY_LEN(w->net->listen))
            break;
        else
            accept_start(w, &passed, 1);
        return;
    case CTL_LOG_REOPEN:
        if (passed >= 0)
            log_use_fd(passed);
        return;
    case CTL_TOLD:
        client_told(w, m);
        break;
    default:
        break;
    }
    if (passed >= 0)
        close(passed);
}

static void on_control(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct worker *w = io->data;
    struct control_msg m;
    int passed;
    bool closed;
    (void)events;
    while (control_receive(w, &m, &passed, &closed))
        on_message(w, &m, passed);
    if (closed)
        ev_break(loop, EVBREAK_ALL); /* the master has gone; our death signal is on its way */
}

/* ---- the turn ---- */

static void follow_config(struct worker *w)
{
    w->cfg_generation = w->cfg->generation;
    log_set_level((enum log_level)w->cfg->loglevel);
    worker_clock(w); /* by the policy */
}

static void turn_again(struct net *net, struct ev_loop *loop, double seconds)
{
    if (ev_is_active(&net->retry) && ev_timer_remaining(loop, &net->retry) <= seconds)
        return;
    ev_timer_stop(loop, &net->retry);
    ev_timer_set(&net->retry, seconds, 0);
    ev_timer_start(loop, &net->retry);
}

static void on_check(struct ev_loop *loop, struct ev_check *check, int events)
{
    struct worker *w = check->data;
    (void)events;
    w->now_ms = (int64_t)(ev_now(loop) * 1000);
    w->turn_us = mono_us();
    w->mono_ms = w->turn_us / 1000;
    w->ctx.slot->busy_since_ms = (uint64_t)w->mono_ms;
    w->net->closed = 0;
    if (UNLIKELY(w->cfg_generation != w->cfg->generation))
        follow_config(w);
    if (memory_limit(w))
        turn_again(w->net, loop, 0.001);
}

/* Those who cannot be moved: a command of theirs runs in the lane, or there is no memory for the parcel. Those who
 * cannot be closed at the end: they do not read. Nobody else is kept waiting for them. */
static void part(struct worker *w)
{
    struct net *net = w->net;
    bool late = w->now_ms - net->stopping_ms > (net->moving ? MOVE_PATIENCE_MS : END_PATIENCE_MS);
    for (struct client *cl = net->clients, *next; cl; cl = next) {
        next = cl->next;
        if (net->moving ? late : (late || !output_pending(cl)) && cl->wait != WAIT_LANE)
            client_close(cl);
    }
}

static void leave_if_done(struct worker *w)
{
    struct net *net = w->net;
    if (net->moving) {
        net->monitor_calm = monitor_calm(w, &net->monitor_mark);
        drain_mail(w); /* what the watchers are to have before they go */
        if (handover_some(w))
            turn_again(net, w->loop, 0);
    }
    part(w);
    if (net->moving && w->now_ms - net->stopping_ms > MOVE_PATIENCE_MS)
        moves_give_up(w);
    bool late = w->now_ms - net->stopping_ms > END_PATIENCE_MS;
    bool posted = post_all(w);
    if (net->clients || moves_owed(w) || control_queued(w) || (!late && (monitor_owes(w) || !posted)))
        return;
    if (!posted)
        track_stir(w->ctx.root); /* changes that nobody will be told of */
    monitor_give_up(w);
    hold_announce(w); /* who waited for the log has moved, and nobody is to have it synced in our name */
    mags_drain(&w->ctx);
    struct control_msg m = {.kind = CTL_LEFT};
    control_send(w, &m, -1);
    ev_break(w->loop, EVBREAK_ALL);
}

/* After all events of a turn, before the loop sleeps: replies go out, and those who wait are tried again. */
static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct worker *w = prepare->data;
    struct net *net = w->net;
    (void)events;
    if (UNLIKELY(net->syncing))
        blocked_synced(w);
    if (UNLIKELY(net->parked || net->resting))
        clients_retry(w);
    monitor_flush(w);
    bool moves = moves_step(w);
    if (UNLIKELY(!post_all(w)) || UNLIKELY(moves))
        turn_again(net, loop, 0.001);
    hold_release(w);
    output_flush_turn(w);
    bool lingers = hold_linger(w);
    if (!lingers)
        hold_announce(w);
    if (UNLIKELY(net->follower))
        blocked_follow_teller(w);
    if (UNLIKELY(net->ncancels))
        lane_flush_cancels(w);
    if (UNLIKELY(control_queued(w)))
        control_flush(w);
    if (UNLIKELY(net->stopping))
        leave_if_done(w);
    if (UNLIKELY(control_queued(w)))
        ev_io_start(loop, &net->control_out);
    else if (UNLIKELY(ev_is_active(&net->control_out)))
        ev_io_stop(loop, &net->control_out);
    if (net->dead)
        clients_bury(w);
    if (UNLIKELY(net->feeding) && lane_feed_all(w))
        turn_again(net, loop, 0.001);
    if (UNLIKELY(net->scrap.n) && scrap_step(&net->scrap))
        turn_again(net, loop, 0.001);
    w->ctx.slot->stats.turns++;
    w->ctx.slot->stats.turns_us += (uint64_t)(mono_us() - w->turn_us);
    w->ctx.slot->busy_since_ms = 0;
    if (UNLIKELY(lingers)) {
        turn_again(net, loop, 0);
        give_way(&net->way);
    }
}

static void on_control_room(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)io, (void)events; /* on_prepare sends */
}

static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events; /* it only ends the sleep: on_prepare tries again */
}

static void close_idle(struct worker *w)
{
    int64_t limit = w->cfg->timeout * 1000;
    if (!limit)
        return;
    for (struct client *cl = w->net->clients, *next; cl; cl = next) {
        next = cl->next;
        if (!cl->monitor && !cl->subs && !cl->wait && w->now_ms - cl->session->last_ms > limit) {
            w->ctx.slot->stats.client_timeouts++;
            client_close(cl);
        }
    }
}

/* Once a second: with 10000 clients it takes a millisecond. */
static void measure_clients(struct worker *w)
{
    if (w->now_ms - w->net->measured_ms < 1000)
        return;
    w->net->measured_ms = w->now_ms;
    for (struct client *cl = w->net->clients; cl; cl = cl->next)
        client_measure(cl);
    balance_look(w);
}

static void on_slice(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct worker *w = timer->data;
    (void)events;
    if (!worker_expire(w))
        return;
    ev_timer_set(timer, 0.003, 0);
    ev_timer_start(loop, timer);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct worker *w = timer->data;
    (void)events;
    w->ctx.slot->heartbeat_ms = (uint64_t)mono_ms();
    worker_clock(w);
    slot_publish(&w->ctx);
    measure_clients(w);
    drain_mail(w);
    post_receive(w); /* its sender may have died before it woke us */
    if (lane_lost(w)) {
        drain_mail(w);
        lane_check(w);
    }
    blocked_follow(w);
    close_idle(w);
    clients_limit_memory(w);
    close_killed(w); /* a waker that died between flag and eventfd must not delay it for ever */
    worker_cron(w);
    if (!ev_is_active(&w->net->slice))
        on_slice(loop, &w->net->slice, 0);
    if (batch_enter(&w->ctx)) {
        batch_leave(&w->ctx);
        retire_reclaim(&w->ctx);
    }
}

/* libev does not tell its epoll descriptor. It is the lowest free number at the loop's birth, and epoll_ctl
 * answers EINVAL for whatever is no epoll set. */
static struct ev_loop *loop_create(int *epoll_fd)
{
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    CHECK(loop && ev_backend(loop) == EVBACKEND_EPOLL);
    for (*epoll_fd = lowest; *epoll_fd < lowest + 16; ++*epoll_fd)
        if (epoll_ctl(*epoll_fd, EPOLL_CTL_DEL, STDERR_FILENO, NULL) == 0 || errno == ENOENT ||
            errno == EPERM)
            return loop;
    CHECKF(false, "libev's epoll descriptor was not found");
    return NULL;
}

static void net_start(struct worker *w, const struct child_start *start)
{
    struct net *net = w->net = calloc(1, sizeof(*net));
    CHECK(net);
    net->flush_tail = &net->flush;
    net->rbuf = malloc(NET_READ_BYTES);
    net->rq = calloc(NET_BATCH, sizeof(*net->rq));
    net->ahead = calloc(NET_BATCH, sizeof(*net->ahead));
    net->start = calloc(NET_BATCH, sizeof(*net->start));
    net->by_session = calloc(w->ctx.root->nsessions, sizeof(*net->by_session));
    net->monitor_owed = calloc(w->ctx.root->nslots, sizeof(*net->monitor_owed));
    CHECK(net->monitor_owed && net->rbuf && net->rq && net->ahead && net->start && net->by_session);
    w->loop = loop_create(&net->epoll_fd);
    w->turn_us = mono_us(); /* the first turn begins without a check */
    /* Serials must differ from those of the slot's previous process, whose replies may still come. */
    net->lane_serial = (uint64_t)w->ctx.slot->generation << 40;
    ev_io_init(&net->wake, on_wake, w->wakefd[start->slot], EV_READ);
    ev_io_init(&net->control, on_control, start->control, EV_READ);
    ev_io_init(&net->control_out, on_control_room, start->control, EV_WRITE);
    ev_prepare_init(&net->prepare, on_prepare);
    ev_check_init(&net->check, on_check);
    ev_set_priority(&net->check, EV_MAXPRI);
    ev_timer_init(&net->tick, on_tick, 0.1, 0.1);
    ev_timer_init(&net->retry, on_retry, 0.001, 0);
    ev_timer_init(&net->slice, on_slice, 0.003, 0);
    net->wake.data = net->control.data = net->prepare.data = net->check.data = net->tick.data = w;
    net->slice.data = w;
    ev_io_start(w->loop, &net->wake);
    ev_io_start(w->loop, &net->control);
    ev_prepare_start(w->loop, &net->prepare);
    ev_check_start(w->loop, &net->check);
    ev_timer_start(w->loop, &net->tick);
    accept_start(w, start->listeners, (unsigned)start->nlisteners);
    net->nown = net->nlisten;
}

void worker_main(const struct child_start *start)
{
    static struct worker worker;
    struct worker *w = self_worker = &worker;
    signal(SIGTERM, SIG_IGN); /* a signal to the whole group is for the master, who then tells us */
    signal(SIGPIPE, SIG_IGN);
    slot_adopt(&w->ctx, start->slot, ROLE_WORKER, start->index);
    w->cfg = shm_at(w->ctx.root->config);
    w->wakefd = start->wakefd;
    command_table_init();
    tick_calibrate();
    control_open(w, start->control);
    publish_start(&w->ctx);
    net_start(w, start);
    w->now_ms = (int64_t)(ev_time() * 1000);
    worker_clock(w);
    follow_config(w);
    w->ctx.slot->heartbeat_ms = (uint64_t)mono_ms();
    __atomic_store_n(&w->ctx.slot->state, SLOT_RUNNING, __ATOMIC_RELEASE);
    struct control_msg ready = {.kind = CTL_READY};
    control_send(w, &ready, -1);
    /* What was sent to the slot while it had no process. */
    drain_mail(w);
    ev_run(w->loop, 0);
    output_flush_turn(w);
    _exit(0);
}
