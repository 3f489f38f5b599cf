/* Clients that wait for keys, or for the log: their clocks, and the lists of them. */
#include "shm/config.h"
#include "shm/wal.h"
#include "worker/dispatch/block.h"
#include "worker/net/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FOLLOW_TIMES 16u /* so often in a row the same other worker had something for a client */
#define FOLLOW_MS    8   /* in no less than this: see worker/README.md */
#define FOLLOW_CROWD 16u /* clients that the other worker may have more than this one */

struct blocked {
    struct ev_timer timer;
    struct client *prev, *next, **list;
    uint64_t lsn;
};

/* The client's command is run again after the turn. A value must not be popped for somebody who has hung up. */
static void look_again(struct client *cl)
{
    struct pollfd p = {.fd = cl->fd, .events = POLLRDHUP};
    if (cl->wait != WAIT_BLOCKED)
        return;
    if (poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR))
        client_close(cl);
    else
        client_wait(cl, WAIT_PARKED);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    look_again(timer->data);
}

static struct blocked *enlist(struct client *cl, struct client **list)
{
    struct blocked *b = calloc(1, sizeof(*b));
    CHECK(b);
    ev_timer_init(&b->timer, on_time, 0, 0);
    b->timer.data = cl;
    b->list = list;
    b->next = *list;
    if (b->next)
        b->next->blocked->prev = cl;
    *list = cl;
    __atomic_or_fetch(&cl->session->flags, SESSION_F_BLOCKED, __ATOMIC_RELAXED);
    return b;
}

void blocked_begin(struct client *cl, int64_t until_ms, uint64_t lsn)
{
    struct net *net = cl->w->net;
    if (!cl->blocked)
        cl->blocked = enlist(cl, lsn ? &net->syncing : &net->blocked);
    cl->blocked->lsn = lsn;
    struct ev_timer *t = &cl->blocked->timer;
    ev_timer_stop(cl->w->loop, t);
    if (until_ms == INT64_MAX)
        return;
    ev_now_update(cl->w->loop);
    double s = (double)(until_ms - cl->w->mono_ms + 1) / 1000;
    ev_timer_set(t, s > 0.001 ? s : 0.001, 0);
    ev_timer_start(cl->w->loop, t);
}

void blocked_end(struct client *cl)
{
    struct blocked *b = cl->blocked;
    if (!b)
        return;
    ev_timer_stop(cl->w->loop, &b->timer);
    if (b->prev)
        b->prev->blocked->next = b->next;
    else
        *b->list = b->next;
    if (b->next)
        b->next->blocked->prev = b->prev;
    __atomic_and_fetch(&cl->session->flags, ~SESSION_F_BLOCKED, __ATOMIC_RELAXED);
    cl->blocked = NULL;
    free(b);
}

static void note_teller(struct client *cl, uint32_t by)
{
    struct worker *w = cl->w;
    if (cl->told_by != by || by == w->ctx.id) {
        cl->told_by = by;
        cl->tellings = 0;
    }
    if (!cl->tellings++)
        cl->told_ms = w->mono_ms;
    if (cl->tellings < FOLLOW_TIMES || by == w->ctx.id)
        return;
    if (w->mono_ms - cl->told_ms >= FOLLOW_MS)
        w->net->follower = cl;
    cl->tellings = 0;
}

void blocked_ready(struct worker *w, uint32_t by, uint32_t session, uint64_t id)
{
    struct client *cl = session < w->ctx.root->nsessions ? w->net->by_session[session] : NULL;
    if (!cl || cl->session->id != id)
        return;
    note_teller(cl, by);
    look_again(cl);
}

/* It has its value by now, as a rule. If not, or if there was another of the same turn, it is told often enough again. */
void blocked_follow_teller(struct worker *w)
{
    struct client *cl = w->net->follower;
    const struct shm_slot *to = slot_at(cl->told_by);
    w->net->follower = NULL;
    if (cl->closed || cl->session->state != SESSION_IDLE || cl->session->master_fd < 0 || w->net->stopping)
        return;
    if (to->role == ROLE_WORKER && to->state == SLOT_RUNNING &&
        to->clients <= w->ctx.slot->clients + FOLLOW_CROWD)
        handover_one(cl, cl->told_by + 1);
}

void blocked_follow(struct worker *w)
{
    uint64_t epoch = __atomic_load_n(&waiters_of(w->ctx.root)->epoch, __ATOMIC_ACQUIRE);
    if (LIKELY(epoch == w->net->blocked_epoch))
        return;
    w->net->blocked_epoch = epoch;
    for (struct client *cl = w->net->blocked, *next; cl; cl = next) {
        next = cl->blocked->next;
        look_again(cl);
    }
}

void blocked_synced(struct worker *w)
{
    for (struct client *cl = w->net->syncing, *next; cl; cl = next) {
        next = cl->blocked->next;
        if (!w->cfg->appendonly ||
            (cl->blocked->lsn != BLOCK_LSN_NEVER && wal_on_disk(w->ctx.root, cl->blocked->lsn - 1)))
            look_again(cl);
    }
}

uint64_t blocked_lowest(const struct worker *w)
{
    uint64_t lowest = BLOCK_LSN_NEVER;
    for (const struct client *cl = w->net->syncing; cl; cl = cl->blocked->next)
        lowest = cl->blocked->lsn < lowest ? cl->blocked->lsn : lowest;
    return lowest == BLOCK_LSN_NEVER ? 0 : lowest - 1;
}

/* Bytes that came while it waits are left where they are; its end is not. */
void blocked_readable(struct client *cl)
{
    char c;
    ssize_t n = recv(cl->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0)
        client_read_stop(cl);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        client_close(cl);
}
