#include "shm/base/channel.h"
#include "include/rc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct channel_waiting {
    struct control_msg msg;
    int passed; /* a duplicate of our own, since the original may be closed before the message goes; -1 none */
    struct channel_waiting *next;
};

union descriptor_room {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

void channel_open(struct channel *ch, int fd)
{
    ch->fd = fd;
    ch->first = NULL;
    ch->last = &ch->first;
}

static void drop_first(struct channel *ch)
{
    struct channel_waiting *gone = ch->first;
    ch->first = gone->next;
    if (!ch->first)
        ch->last = &ch->first;
    if (gone->passed >= 0)
        close(gone->passed);
    free(gone);
}

void channel_close(struct channel *ch)
{
    while (ch->first)
        drop_first(ch);
    close(ch->fd);
    ch->fd = -1;
}

/* False: no room now. A broken socket swallows the message: the other side's death is about to be noticed. */
static bool send_now(int fd, const struct control_msg *m, int passed)
{
    struct iovec v = {(void *)(uintptr_t)m, sizeof(*m)};
    union descriptor_room room = {{0}};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    if (passed >= 0) {
        h.msg_control = room.bytes;
        h.msg_controllen = sizeof(room.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &passed, sizeof(int));
    }
    for (;;) {
        if (sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        /* Too many descriptors in flight (ETOOMANYREFS) is a full socket as well, though one that is writable. */
        if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM)
            return false;
        if (errno != EINTR)
            return true;
    }
}

void channel_flush(struct channel *ch)
{
    while (ch->first && send_now(ch->fd, &ch->first->msg, ch->first->passed))
        drop_first(ch);
}

void channel_send(struct channel *ch, const struct control_msg *m, int passed)
{
    if (!ch->first && send_now(ch->fd, m, passed))
        return;
    struct channel_waiting *e = malloc(sizeof(*e));
    CHECK(e);
    *e = (struct channel_waiting){*m, passed >= 0 ? dup(passed) : -1, NULL};
    *ch->last = e;
    ch->last = &e->next;
}

bool channel_receive(struct channel *ch, struct control_msg *m, int *passed, bool *closed)
{
    struct iovec v = {m, sizeof(*m)};
    union descriptor_room room;
    struct msghdr h = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)};
    ssize_t n;
    *passed = -1;
    *closed = false;
    do
        n = recvmsg(ch->fd, &h,
                    MSG_DONTWAIT); /* not close-on-exec: the master keeps them across an upgrade */
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        *closed = true;
    if (n <= 0)
        return false;
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(passed, CMSG_DATA(c), sizeof(int));
    m->text[sizeof(m->text) - 1] = '\0';
    if (n != (ssize_t)sizeof(*m))
        m->kind = 0; /* no message of ours: whoever handles it says so */
    return true;
}
