/* maxmemory-clients: when all clients together take more, the largest goes, whichever worker serves it. Each
 * worker looks at everybody and closes its own: the session tells what the client took at the last measure. */
#include "shm/config.h"
#include "worker/net/client.h"

static uint64_t limit_bytes(const struct shm_config *cfg)
{
    if (cfg->maxmemory_clients >= 0)
        return (uint64_t)cfg->maxmemory_clients;
    return cfg->maxmemory / 100 * (uint64_t)-cfg->maxmemory_clients;
}

static struct shm_session *largest(uint64_t *sum)
{
    struct shm_session *most = NULL;
    *sum = 0;
    for (uint32_t i = 0, n = sessions_end(); i < n; i++) {
        struct shm_session *s = session_at(i);
        if (s->state == SESSION_FREE || s->state == SESSION_CLOSING || s->flags & SESSION_F_NO_EVICT)
            continue;
        *sum += s->tot_mem;
        if (!most || s->tot_mem > most->tot_mem)
            most = s;
    }
    return most;
}

void clients_limit_memory(struct worker *w)
{
    uint64_t sum, limit = limit_bytes(w->cfg);
    if (LIKELY(!limit))
        return;
    for (struct client *cl = w->net->clients; cl; cl = cl->next)
        client_measure(cl);
    for (;;) {
        struct shm_session *s = largest(&sum);
        struct client *cl = s ? w->net->by_session[session_index(s)] : NULL;
        if (sum <= limit || !cl || cl->session != s)
            return; /* enough, or it is another worker's to close */
        w->ctx.slot->stats.evicted_clients++;
        client_close(cl);
    }
}
