/* Clients whose next command cannot run now. Those who wait for a lock are tried again after each turn; those who
 * wait for a time, or for the end of a pause, only when it has come. */
#include "shm/base/clock.h"
#include "shm/snapshot.h"
#include "worker/net/client.h"

#include <stdlib.h>

#define PARKED_S   0.001 /* the next try, if nothing happens before */
#define CROWDED_MS 5     /* so long nobody is tried while a ring is more than half full */
#define LONGEST_S  60.0  /* then there is nothing to try, and the clock is looked at again */

static void enlist(struct client *cl, struct client **list)
{
    if (cl->in_waiting_list)
        return;
    cl->in_waiting_list = true;
    cl->next_waiting = *list;
    *list = cl;
}

static void unlist(struct client *cl, struct client **list)
{
    for (struct client **at = list; *at; at = &(*at)->next_waiting)
        if (*at == cl) {
            *at = cl->next_waiting;
            cl->in_waiting_list = false;
            return;
        }
}

/* What CLIENT LIST says of it on any worker. */
static void tell_paused(struct client *cl, bool is)
{
    if (is)
        __atomic_or_fetch(&cl->session->flags, SESSION_F_PAUSED, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&cl->session->flags, ~SESSION_F_PAUSED, __ATOMIC_RELAXED);
}

void client_leave_waiting(struct client *cl)
{
    if (cl->wait == WAIT_PAUSED)
        tell_paused(cl, false);
    if (cl->in_waiting_list)
        unlist(cl, cl->wait == WAIT_PARKED ? &cl->w->net->parked : &cl->w->net->resting);
}

void client_wait(struct client *cl, enum client_wait why)
{
    struct net *net = cl->w->net;
    cl->wait = (uint8_t)why;
    if (why !=
        WAIT_DISK) /* such a client seldom sends before it is answered: until it does, two system calls are saved */
        client_read_stop(cl);
    if (why == WAIT_PAUSED) {
        tell_paused(cl, true);
        net->anybody_paused = true;
        net->paused_all |= cl->w->ctx.root->pause_mode != 1;
    } else if (why == WAIT_ASLEEP && cl->wake_ms < net->wake_ms) {
        net->wake_ms = cl->wake_ms;
    }
    if (why == WAIT_BLOCKED || why == WAIT_PAUSED)
        client_read_start(cl); /* to hear when it hangs up */
    if (why != WAIT_BLOCKED && why != WAIT_LANE && why != WAIT_DISK && why != WAIT_MASTER &&
        why != WAIT_ARRIVAL) /* these are told */
        enlist(cl, why == WAIT_PARKED ? &net->parked : &net->resting);
}

void client_sleep(struct client *cl, int64_t ms)
{
    cl->wake_ms = mono_in(ms);
    client_wait(cl, WAIT_ASLEEP);
}

void client_resume(struct client *cl)
{
    if (cl->closed)
        return;
    if (cl->wait == WAIT_PAUSED)
        tell_paused(cl, false);
    cl->wait = WAIT_NONE;
    if (cl->in_len)
        client_process(cl, cl->in, cl->in_len);
    if (!cl->wait && !cl->closed)
        client_read_start(cl);
}

void client_reply_late(struct client *cl, const char *text, size_t n)
{
    if (n && !cl->reply_off && !cl->reply_skip)
        output_append(cl, text, n);
    cl->reply_skip = cl->reply_skip_next;
    cl->reply_skip_next = false;
}

static void wake(struct client *cl)
{
    static const char ok[] = "+OK\r\n";
    client_reply_late(cl, ok, sizeof(ok) - 1);
    client_resume(cl);
    client_settle(cl);
}

/* Each client of the list once; those who must wait on are in it again afterwards. */
static void try_all(struct worker *w, struct client **list)
{
    struct client *cl = *list;
    *list = NULL;
    for (struct client *next; cl; cl = next) {
        next = cl->next_waiting;
        cl->in_waiting_list = false;
        if (cl->closed)
            continue;
        if (cl->wait != WAIT_ASLEEP)
            client_resume(cl);
        else if (cl->wake_ms <= w->mono_ms)
            wake(cl);
        else
            client_wait(cl, WAIT_ASLEEP);
    }
}

/* A pause may have become one of writes alone: those whom it held for another reason are free. */
static bool pause_over(const struct worker *w)
{
    const struct shm_root *root = w->ctx.root;
    uint32_t mode = root->pause_mode;
    return !mode || root->pause_until_ms <= w->now_ms || (mode == 1 && w->net->paused_all);
}

static double seconds_to_next(const struct worker *w)
{
    const struct net *net = w->net;
    double s = net->parked ? PARKED_S : LONGEST_S;
    double pause = (double)(w->ctx.root->pause_until_ms - w->now_ms) / 1000;
    double sleep = (double)(net->wake_ms - w->mono_ms) / 1000;
    if (net->resting && net->anybody_paused && pause < s)
        s = pause;
    if (net->resting && sleep < s)
        s = sleep;
    return s > 0 ? s : 0;
}

/* Each try reads a whole pipeline ahead, so it costs as much as to run some of it. While the ring of a snapshot or of the log is
 * being emptied, to try after each turn would take the processor from those who empty it. */
static bool worth_a_try(struct worker *w)
{
    const struct shm_slot *slot = w->ctx.slot;
    bool log_full = slot->wal.tail - __atomic_load_n(&slot->wal.head, __ATOMIC_RELAXED) > WAL_RING_BYTES / 2;
    if ((log_full || snapshot_crowded(slot)) && w->mono_ms - w->net->tried_ms < CROWDED_MS)
        return false;
    w->net->tried_ms = w->mono_ms;
    return true;
}

void clients_retry(struct worker *w)
{
    struct net *net = w->net;
    if (net->parked && worth_a_try(w))
        try_all(w, &net->parked);
    if (net->resting && (net->wake_ms <= w->mono_ms || (net->anybody_paused && pause_over(w)))) {
        net->anybody_paused = net->paused_all = false;
        net->wake_ms = INT64_MAX;
        try_all(w, &net->resting);
    }
    if (!net->parked && !net->resting)
        return;
    ev_timer_stop(w->loop, &net->retry);
    ev_timer_set(&net->retry, seconds_to_next(w), 0);
    ev_timer_start(w->loop, &net->retry);
}

void client_told(struct worker *w, const struct control_msg *m)
{
    struct client *cl = m->x < w->ctx.root->nsessions ? w->net->by_session[m->x] : NULL;
    if (!cl || cl->session->id != m->y || cl->wait != WAIT_MASTER)
        return; /* it has gone, or another worker asks for it now */
    free(cl->told);
    cl->told = strndup(m->text, sizeof(m->text) - 1);
    CHECK(cl->told);
    client_resume(cl);
}
