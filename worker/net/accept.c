/* New connections. Each worker has listeners of its own (SO_REUSEPORT), so that no herd wakes. */
#include "worker/net/client.h"
#include "shm/base/log.h"
#include "shm/config.h"
#include "worker/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define QUEUE_MOST     4097 /* net.core.somaxconn, as kernels have it, and one */

static void address_text(const struct sockaddr_storage *a, const struct shm_config *cfg, char *out, size_t n)
{
    char host[INET6_ADDRSTRLEN];
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, n, "%s:%u", host, ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)a;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        snprintf(out, n, "[%s]:%u", host, ntohs(in->sin6_port));
    } else {
        snprintf(out, n, "%.*s:0", (int)n - 3, cfg->unixsocket);
    }
}

static bool is_local(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    if (a->ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
    return true;
}

static void socket_options(int fd, const struct shm_config *cfg, const struct sockaddr_storage *a)
{
    int on = 1, every = (int)cfg->tcp_keepalive, probe = every / 3 > 0 ? every / 3 : 1, count = 3;
    if (a->ss_family == AF_UNIX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!every)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &every, sizeof(every));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe, sizeof(probe));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void refuse(struct worker *w, int fd, const char *text)
{
    ssize_t n = write(fd, text, strlen(text));
    (void)n; /* a courtesy: the close says it as well */
    close(fd);
    w->ctx.slot->stats.rejected++;
}

static uint64_t clients_everywhere(const struct shm_root *root)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < root->nslots; i++)
        n += __atomic_load_n(&slot_at(i)->clients, __ATOMIC_RELAXED);
    return n;
}

static const char *const protected_text =
    "-DENIED This server is in protected mode: it has no password, and you come from another machine. Either "
    "connect from the loopback interface and send CONFIG SET protected-mode no, or say 'protected-mode no' "
    "or "
    "set 'requirepass' in its configuration, or bind it to the addresses that you trust.\r\n";

static void welcome(struct worker *w, int fd, const struct sockaddr_storage *peer)
{
    struct shm_session *s;
    struct sockaddr_storage own = {0};
    socklen_t n = sizeof(own);
    if (w->cfg->protected_mode && !w->cfg->requirepass[0] && !is_local(peer)) {
        refuse(w, fd, protected_text);
        return;
    }
    if (clients_everywhere(w->ctx.root) >= w->cfg->maxclients ||
        session_claim(&w->ctx, &w->net->session_hint, &s)) {
        refuse(w, fd, "-ERR max number of clients reached\r\n");
        return;
    }
    getsockname(fd, (struct sockaddr *)&own, &n);
    address_text(peer, w->cfg, s->addr, sizeof(s->addr));
    address_text(&own, w->cfg, s->laddr, sizeof(s->laddr));
    if (peer->ss_family == AF_UNIX)
        s->flags |= SESSION_F_UNIX;
    s->created_ms = s->last_ms = w->now_ms;
    s->resp = 2;
    s->authenticated = !w->cfg->requirepass[0];
    socket_options(fd, w->cfg, peer);
    w->ctx.slot->stats.connections++;
    client_create(w, fd, s);
    struct control_msg m = {.kind = CTL_ADOPT, .x = session_index(s), .y = s->id};
    control_send(w, &m, fd);
    __atomic_store_n(&s->state, SESSION_IDLE, __ATOMIC_RELEASE);
}

static unsigned accept_some(struct worker *w, int listener)
{
    unsigned n = 0;
    for (; n < ACCEPTS_A_TURN; n++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno == EMFILE || errno == ENFILE)
                log_warning("Accepting a client connection failed: %s", strerror(errno));
            break;
        }
        if (peer.ss_family == 0)
            peer.ss_family = AF_UNIX;
        welcome(w, fd, &peer);
    }
    return n;
}

static void on_acceptable(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)events;
    accept_some(io->data, io->fd);
}

void accept_start(struct worker *w, const int *fds, unsigned n)
{
    struct net *net = w->net;
    for (unsigned i = 0; i < n && net->nlisten < ARRAY_LEN(net->listen); i++) {
        struct ev_io *io = &net->listen[net->nlisten++];
        ev_io_init(io, on_acceptable, fds[i], EV_READ);
        io->data = w;
        ev_io_start(w->loop, io);
    }
}

void accept_return(struct worker *w)
{
    struct net *net = w->net;
    while (net->nlisten > net->nown) {
        struct ev_io *io = &net->listen[--net->nlisten];
        ev_io_stop(w->loop, io);
        epoll_ctl(net->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
        close(io->fd);
    }
}

/* As many as a queue can hold: those who come meanwhile are the successor's, and must not keep us for ever. */
void accept_drain(struct worker *w)
{
    unsigned most = w->cfg->tcp_backlog < QUEUE_MOST ? (unsigned)w->cfg->tcp_backlog + 1 : QUEUE_MOST;
    for (unsigned i = 0; i < w->net->nlisten; i++)
        for (unsigned n = 0, some = 1; some && n < most; n += some)
            some = accept_some(w, w->net->listen[i].fd);
}

void accept_stop(struct worker *w)
{
    struct net *net = w->net;
    for (unsigned i = 0; i < net->nlisten; i++) {
        ev_io_stop(w->loop, &net->listen[i]);
        epoll_ctl(net->epoll_fd, EPOLL_CTL_DEL, net->listen[i].fd, NULL);
    }
    net->nlisten = 0;
}
