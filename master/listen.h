/* master/listen.h - the listening sockets: one for each worker and address; a unix path's is shared by all.
 * Owner     the master opens and closes them; each worker inherits its own and accepts.
 * Locks     none.
 * Crash     a worker's death leaves its listener open here: the queue waits for the replacement.
 * Survives  worker death, replacement and upgrade: yes.
 * Fails     with a sentence that names what is taken or refused; nothing new is then left open.
 * Tests     tests/crash/second_instance.py */
#ifndef SKEP_LISTEN_H
#define SKEP_LISTEN_H

#include <stdint.h>

#include "shm/config.h"
#include "include/child.h"

#define CONF_WORKERS_MAX 128
#define LISTEN_ADDRS_MAX (CONFIG_BINDS_MAX + 1)

struct listen_addr {
    char name[320]; /* "127.0.0.1:6379", "[::]:6379", or a path */
    bool is_unix;
    bool wanted; /* false: closed when no worker uses it any more */
    int nfds;
    int fd[CONF_WORKERS_MAX];
};

struct listen_set {
    int port; /* what the set was opened for */
    char bind_value[1024];
    int naddrs;
    struct listen_addr addr[LISTEN_ADDRS_MAX];
};

/* Makes the set fit the configuration and the number of workers. What is open already stays open; what is no
 * longer wanted is only marked. An address that need not be there may be missing, or all of them. */
enum rc listen_open(struct listen_set *set, const struct shm_config *cfg, uint32_t nworkers, char *why,
                    size_t why_bytes);
/* The sockets of worker index; answers their number. With fewer workers than before each serves several. */
int listen_of(const struct listen_set *set, uint32_t index, uint32_t nworkers, int *fds, int max);
void listen_close_unwanted(struct listen_set *set);
void listen_close_all(struct listen_set *set);

#endif
