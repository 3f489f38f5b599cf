#include "worker/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct queued {
    struct control_msg msg;
    int passed;
    struct queued *next;
};

struct control_queue {
    int fd;
    struct queued *first, **last;
};

void control_open(struct worker *w, int fd)
{
    w->control = calloc(1, sizeof(*w->control));
    CHECK(w->control);
    w->control->fd = fd;
    w->control->last = &w->control->first;
}

int control_fd(const struct worker *w)
{
    return w->control->fd;
}

bool control_queued(const struct worker *w)
{
    return w->control->first;
}

/* False: the socket is full. A broken one counts as sent: the master's death ends us anyway. */
static bool send_now(int fd, const struct control_msg *m, int passed)
{
    struct iovec v = {(void *)m, sizeof(*m)};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {{0}};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    if (passed >= 0) {
        h.msg_control = u.room;
        h.msg_controllen = sizeof(u.room);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &passed, sizeof(int));
    }
    for (;;) {
        if (sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        /* Too many descriptors in flight is a full socket as well. */
        if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS)
            return false;
        if (errno != EINTR)
            return true;
    }
}

void control_flush(struct worker *w)
{
    struct control_queue *q = w->control;
    while (q->first && send_now(q->fd, &q->first->msg, q->first->passed)) {
        struct queued *gone = q->first;
        q->first = gone->next;
        if (!q->first)
            q->last = &q->first;
        if (gone->passed >= 0)
            close(gone->passed);
        free(gone);
    }
}

void control_send(struct worker *w, const struct control_msg *m, int passed)
{
    struct control_queue *q = w->control;
    if (!q->first && send_now(q->fd, m, passed))
        return;
    struct queued *e = malloc(sizeof(*e));
    CHECK(e);
    /* A duplicate of our own, since the client may be closed before the message goes. */
    *e = (struct queued){*m, passed >= 0 ? dup(passed) : -1, NULL};
    *q->last = e;
    q->last = &e->next;
}

bool control_receive(struct worker *w, struct control_msg *m, int *passed, bool *closed)
{
    struct iovec v = {m, sizeof(*m)};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u;
    struct msghdr h = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.room, .msg_controllen = sizeof(u.room)};
    ssize_t n;
    *passed = -1;
    *closed = false;
    do
        n = recvmsg(w->control->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        *closed = true;
    if (n != (ssize_t)sizeof(*m))
        return false;
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(passed, CMSG_DATA(c), sizeof(int));
    return true;
}

bool control_ask(struct worker *w, struct control_msg *m)
{
    CHECK(w->is_lane);
    uint64_t token = m->y;
    control_send(w, m, -1);
    control_flush(w);
    for (unsigned tries = 0; tries < 100; tries++) {
        struct pollfd p = {.fd = w->control->fd, .events = POLLIN};
        struct control_msg got;
        int passed;
        bool closed;
        poll(&p, 1, 100);
        if (!control_receive(w, &got, &passed, &closed)) {
            if (closed)
                return false;
            continue;
        }
        if (got.kind == CTL_REWRITTEN && got.y == token) {
            *m = got;
            return true;
        }
        if (got.kind == CTL_STOP)
            w->stop_asked = true;
    }
    return false;
}
