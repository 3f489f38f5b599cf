/* Two instances could share a port by SO_REUSEPORT without noticing. So the first socket of an address is
 * bound and listens *without* it, which the kernel grants to one process only; then the option is set, and
 * our further sockets join it. There is no moment at which a second instance could slip in. */
#include "master/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shm/base/log.h"

static int fail(int fd, char *why, size_t cap, const char *name, const char *what)
{
    int e = errno;
    if (e == EADDRINUSE)
        snprintf(why, cap, "%s is taken: another process listens there (%s: %s)", name, what, strerror(e));
    else
        snprintf(why, cap, "cannot listen on %s: %s: %s", name, what, strerror(e));
    if (fd >= 0)
        close(fd);
    errno = e;
    return -1;
}

/* exclusive: the first of its address, as told above. */
static int open_tcp(const struct addrinfo *ai, const char *name, int backlog, bool exclusive, char *why,
                    size_t cap)
{
    int one = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, why, cap, name, "socket");
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (!exclusive && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
        return fail(fd, why, cap, name, "SO_REUSEPORT");
    if (bind(fd, ai->ai_addr, ai->ai_addrlen))
        return fail(fd, why, cap, name, "bind");
    if (listen(fd, backlog))
        return fail(fd, why, cap, name, "listen");
    if (exclusive && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
        return fail(fd, why, cap, name, "SO_REUSEPORT");
    return fd;
}

/* A path left over by a crash is in the way of bind; one that answers belongs to somebody. */
static int open_unix(const char *path, unsigned perm, int backlog, char *why, size_t cap)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, why, cap, path, "socket");
    if (!connect(fd, (struct sockaddr *)&sa, sizeof(sa)) || errno == EAGAIN) {
        errno = EADDRINUSE;
        return fail(fd, why, cap, path, "connect");
    }
    struct stat st;
    bool there = !lstat(path, &st);
    if (there && !S_ISSOCK(st.st_mode)) {
        errno = ENOTSOCK;
        return fail(fd, why, cap, path, "what stands in its place");
    }
    if (there)
        unlink(path);
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
        return fail(fd, why, cap, path, "bind");
    if ((perm && chmod(path, (mode_t)perm)) || listen(fd, backlog))
        return fail(fd, why, cap, path, "listen");
    return fd;
}

static bool harmless_when_optional(int e)
{
    return e == EADDRNOTAVAIL || e == ENOPROTOOPT || e == EPROTONOSUPPORT || e == ESOCKTNOSUPPORT ||
           e == EPFNOSUPPORT || e == EAFNOSUPPORT;
}

static struct listen_addr *find_addr(struct listen_set *set, const char *name)
{
    for (int i = 0; i < set->naddrs; i++)
        if (!strcmp(set->addr[i].name, name))
            return &set->addr[i];
    return NULL;
}

static struct listen_addr *add_addr(struct listen_set *set, const char *name, bool is_unix)
{
    if (set->naddrs == LISTEN_ADDRS_MAX)
        return NULL;
    struct listen_addr *a = &set->addr[set->naddrs++];
    memset(a, 0, sizeof(*a));
    snprintf(a->name, sizeof(a->name), "%s", name);
    a->is_unix = is_unix;
    return a;
}

/* Whether we listen on this port of the family already, on whatever address. "0.0.0.0" and an address of this
 * machine exclude each other, so who holds the one may open the other beside it, and needs no proof that nobody
 * else has it: nobody else could have got it. */
static bool port_is_ours(const struct listen_set *set, const struct addrinfo *ai)
{
    for (int i = 0; i < set->naddrs; i++) {
        struct sockaddr_in6 sa;
        socklen_t n = sizeof(sa);
        /* The port stands at the same place in both families. */
        if (set->addr[i].nfds && !getsockname(set->addr[i].fd[0], (struct sockaddr *)&sa, &n) &&
            sa.sin6_family == ai->ai_family &&
            sa.sin6_port == ((const struct sockaddr_in6 *)(const void *)ai->ai_addr)->sin6_port)
            return true;
    }
    return false;
}

/* Opens what is missing for so many workers; an address that cannot be had leaves nothing behind. */
static enum rc fill_tcp(struct listen_set *set, const char *name, const struct addrinfo *ai, int backlog,
                        uint32_t nworkers, char *why, size_t cap)
{
    struct listen_addr *a = find_addr(set, name);
    if (!a && !(a = add_addr(set, name, false))) {
        snprintf(why, cap, "too many addresses");
        errno = EINVAL;
        return RC_INVALID;
    }
    if (a->wanted) {
        snprintf(why, cap, "%s is given twice", name);
        errno = EADDRINUSE;
        return RC_EXISTS;
    }
    bool exclusive = !port_is_ours(set, ai);
    while (a->nfds < (int)nworkers) {
        int fd = open_tcp(ai, name, backlog, exclusive && a->nfds == 0, why, cap);
        if (fd < 0)
            return RC_IO;
        a->fd[a->nfds++] = fd;
    }
    a->wanted = true;
    return RC_OK;
}

static enum rc open_word(struct listen_set *set, const char *word, const struct shm_config *cfg,
                         uint32_t nworkers, char *why, size_t cap)
{
    bool optional = word[0] == '-';
    char host[256], service[16], name[320];
    snprintf(host, sizeof(host), "%s", word + optional);
    const char *node = !strcmp(host, "*") ? "0.0.0.0" : !strcmp(host, "::*") ? "::" : host;
    snprintf(service, sizeof(service), "%d", (int)cfg->port);
    snprintf(name, sizeof(name), strchr(node, ':') ? "[%s]:%s" : "%s:%s", node, service);

    struct addrinfo hints = {.ai_family = strchr(node, ':') ? AF_INET6 : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *ai = NULL;
    int e = getaddrinfo(node, service, &hints, &ai);
    if (e) {
        snprintf(why, cap, "cannot listen on %s: %s", name, gai_strerror(e));
        return optional ? RC_MISSING : RC_IO;
    }
    enum rc rc = fill_tcp(set, name, ai, (int)cfg->tcp_backlog, nworkers, why, cap);
    e = errno;
    freeaddrinfo(ai);
    /* A machine without IPv6 is no error even when the default asks for it. */
    if (rc && harmless_when_optional(e) && (optional || e != EADDRNOTAVAIL))
        return RC_MISSING;
    return rc;
}

static enum rc open_path(struct listen_set *set, const struct shm_config *cfg, char *why, size_t cap)
{
    struct listen_addr *a = find_addr(set, cfg->unixsocket);
    if (!a && !(a = add_addr(set, cfg->unixsocket, true)))
        return RC_INVALID;
    if (!a->nfds) {
        a->fd[0] = open_unix(cfg->unixsocket, (unsigned)cfg->unixsocketperm, (int)cfg->tcp_backlog, why, cap);
        if (a->fd[0] < 0)
            return RC_IO;
        a->nfds = 1;
    }
    a->wanted = true;
    return RC_OK;
}

static void drop_addr(struct listen_set *set, int i)
{
    struct listen_addr *a = &set->addr[i];
    for (int k = 0; k < a->nfds; k++)
        close(a->fd[k]);
    *a = set->addr[--set->naddrs];
}

static enum rc open_all(struct listen_set *set, const struct shm_config *cfg, uint32_t nworkers, char *why,
                        size_t cap)
{
    char list[sizeof(cfg->bind_value)], *save = NULL;
    snprintf(list, sizeof(list), "%s", cfg->bind_value);
    if (cfg->port) {
        for (char *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
            enum rc rc = open_word(set, w, cfg, nworkers, why, cap);
            if (rc && rc != RC_MISSING)
                return rc;
        }
    }
    return cfg->unixsocket[0] ? open_path(set, cfg, why, cap) : RC_OK;
}

enum rc listen_open(struct listen_set *set, const struct shm_config *cfg, uint32_t nworkers, char *why,
                    size_t cap)
{
    bool was[LISTEN_ADDRS_MAX];
    int before = set->naddrs;
    for (int i = 0; i < before; i++) {
        was[i] = set->addr[i].wanted;
        set->addr[i].wanted = false;
    }
    enum rc rc = open_all(set, cfg, nworkers, why, cap);
    for (int i = set->naddrs; i-- > before;)
        if (rc || !set->addr[i].wanted)
            drop_addr(set, i);
    if (rc) {
        for (int i = 0; i < before; i++)
            set->addr[i].wanted = was[i];
        return rc;
    }
    set->port = (int)cfg->port;
    memcpy(set->bind_value, cfg->bind_value, sizeof(set->bind_value));
    return RC_OK;
}

int listen_of(const struct listen_set *set, uint32_t index, uint32_t nworkers, int *fds, int max)
{
    int n = 0;
    for (int i = 0; i < set->naddrs; i++) {
        const struct listen_addr *a = &set->addr[i];
        for (int k = 0; k < a->nfds && a->wanted; k++)
            if ((a->is_unix || (uint32_t)k % nworkers == index) && n < max)
                fds[n++] = a->fd[k];
    }
    return n;
}

void listen_close_unwanted(struct listen_set *set)
{
    for (int i = set->naddrs; i-- > 0;) {
        if (set->addr[i].wanted)
            continue;
        log_notice("No longer listening on %s", set->addr[i].name);
        drop_addr(set, i);
    }
}

void listen_close_all(struct listen_set *set)
{
    for (int i = set->naddrs; i-- > 0;) {
        if (set->addr[i].is_unix && !unlink(set->addr[i].name))
            log_notice("Removing the unix socket file.");
        drop_addr(set, i);
    }
}
