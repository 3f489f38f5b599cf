/* Clients that wait for keys: their clocks, and the list of them. */
#include "worker/dispatch/block.h"
#include "worker/net/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

struct blocked {
    struct ev_timer timer;
    struct client *prev, *next;
};

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct client *cl = timer->data;
    (void)loop, (void)events;
    blocked_ready(cl->w, session_index(cl->session), cl->session->id);
}

static struct blocked *enlist(struct client *cl)
{
    struct net *net = cl->w->net;
    struct blocked *b = calloc(1, sizeof(*b));
    CHECK(b);
    ev_timer_init(&b->timer, on_time, 0, 0);
    b->timer.data = cl;
    b->next = net->blocked;
    if (b->next)
        b->next->blocked->prev = cl;
    net->blocked = cl;
    __atomic_or_fetch(&cl->session->flags, SESSION_F_BLOCKED, __ATOMIC_RELAXED);
    return b;
}

void blocked_begin(struct client *cl, int64_t until_ms)
{
    if (!cl->blocked)
        cl->blocked = enlist(cl);
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
        cl->w->net->blocked = b->next;
    if (b->next)
        b->next->blocked->prev = b->prev;
    __atomic_and_fetch(&cl->session->flags, ~SESSION_F_BLOCKED, __ATOMIC_RELAXED);
    cl->blocked = NULL;
    free(b);
}

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

void blocked_ready(struct worker *w, uint32_t session, uint64_t id)
{
    struct client *cl = session < w->ctx.root->nsessions ? w->net->by_session[session] : NULL;
    if (cl && cl->session->id == id)
        look_again(cl);
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
