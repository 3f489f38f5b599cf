/* Uneven load is evened out: which worker accepts a connection is chance, and what its client then asks for nobody knows. The
 * worker that is busy for most of the time hands clients over to the one that is least so. Only those go whose death with us would
 * cost them nothing (SESSION_IDLE, at this moment), and only so many that the receiver has still less to do than we:
 * so nothing is passed to and fro, and one heavy client, who would only make another worker the busiest, stays. */
#include "worker/net/client.h"

#define PATIENCE   3u          /* looks, one a second, that must find the same: a burst moves nobody */
#define LEAST_BUSY 50u         /* percent of the time: who is busy for less has nothing to complain of */
#define LEAST_GAP  25u         /* likewise */
#define MOVES_ONCE 4u          /* clients in a second */
#define REST_MS    (60 * 1000) /* who was moved stays for so long: what it costs was perhaps misjudged */

/* Of this process alone: what each slot had used at the last look, and by which process. */
static struct {
    uint64_t busy_us;
    uint32_t generation;
} seen[SHM_SLOTS_MAX];
static int64_t looked_ms;
static unsigned uneven;

/* Percent of the time since the last look, between two sleeps; -1: another process worked there then, or began to count anew. It
 * is not CPU time: who has to wait for a CPU is busy, too. */
static int busy_percent(const struct shm_slot *s, uint32_t i, int64_t took_ms)
{
    uint64_t now_us = s->stats.turns_us, before_us = seen[i].busy_us;
    bool same = seen[i].generation == s->generation && now_us >= before_us;
    seen[i].busy_us = now_us;
    seen[i].generation = s->generation;
    return same ? (int)((now_us - before_us) / 10 / (uint64_t)took_ms) : -1;
}

/* By how much we are busier than the least busy, *to; 0 if somebody is busier than we, or too new to tell. */
static int gap_to(struct worker *w, int64_t took_ms, uint32_t *to, int *ours)
{
    int least = INT32_MAX, most = 0;
    bool known = true;
    *ours = 0;
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++) {
        const struct shm_slot *s = slot_at(i);
        if (s->role != ROLE_WORKER || __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != SLOT_RUNNING)
            continue;
        int busy = busy_percent(s, i, took_ms);
        known &= busy >= 0;
        if (i == w->ctx.id)
            *ours = busy;
        else if (busy < least) {
            least = busy;
            *to = i;
        }
        most = busy > most ? busy : most;
    }
    return known && least < *ours && *ours == most ? *ours - least : 0;
}

static bool may_go(const struct client *cl)
{
    const struct shm_session *s = cl->session;
    /* Without the master's duplicate nobody could be given its socket. */
    return !cl->closed && cl->share && s->state == SESSION_IDLE && s->master_fd >= 0 &&
           cl->w->mono_ms >= s->stays_until_ms;
}

/* Its clients' parts of ours are as their commands of the last second, which is near enough. */
static void hand_over(struct worker *w, uint32_t to, int ours, int gap)
{
    uint64_t all = 0, room = 0;
    unsigned moved = 0;
    for (const struct client *cl = w->net->clients; cl; cl = cl->next)
        all += cl->share;
    if (ours > 0)
        room = all * (uint64_t)gap / 2 / (uint64_t)ours;
    for (struct client *cl = w->net->clients, *next; cl && moved < MOVES_ONCE; cl = next) {
        next = cl->next;
        if (!may_go(cl) || cl->share > room)
            continue;
        cl->session->stays_until_ms = w->mono_ms + REST_MS;
        if (handover_one(cl, to + 1)) {
            room -= cl->share;
            moved++;
        }
    }
}

void balance_look(struct worker *w)
{
    int64_t took_ms = w->mono_ms - looked_ms;
    uint32_t to = 0;
    int ours;
    if (took_ms <= 0 || w->net->stopping)
        return;
    looked_ms = w->mono_ms;
    int gap = gap_to(w, took_ms, &to, &ours);
    bool now = gap >= (int)LEAST_GAP && ours >= (int)LEAST_BUSY && took_ms < 3000;
    uneven = now ? uneven + 1 : 0;
    if (uneven >= PATIENCE)
        hand_over(w, to, ours, gap);
}
