/* Replies that wait for the disk (appendfsync always). A client with a reply that tells of something not yet durable
 * is held: what stood in its output before goes out, the rest when the log's durable position has come so far, and
 * meanwhile no further command of it is run. Everybody else goes on. If the log cannot be written, each held reply
 * becomes an error instead. */
#include "shm/base/clock.h"
#include "shm/wal.h"
#include "worker/net/client.h"

#define LINGER_US 10

static struct shm_wal *wal_of(const struct worker *w)
{
    return &persist(w->ctx.root)->wal;
}

static uint64_t durable(const struct worker *w)
{
    return __atomic_load_n(&wal_of(w)->durable, __ATOMIC_SEQ_CST);
}

static bool broken(const struct worker *w)
{
    return __atomic_load_n(&wal_of(w)->fault, __ATOMIC_ACQUIRE);
}

size_t hold_sendable(const struct client *cl)
{
    return cl->need_lsn ? cl->hold_at : SIZE_MAX;
}

static void hold(struct client *cl, uint64_t need, size_t before)
{
    if (!cl->need_lsn) {
        cl->hold_at = before;
        cl->held_replies = 0;
        cl->held_pieces = false;
        cl->next_held = cl->w->net->held;
        cl->w->net->held = cl;
    }
    if (need > cl->need_lsn)
        cl->need_lsn = need;
}

void hold_reply(struct client *cl, uint64_t need, size_t mark)
{
    struct worker *w = cl->w;
    struct reply *r = &w->out;
    if (need > durable(w)) {
        if (broken(w)) {
            r->len = mark;
            reply_error(r, ERR_LOG_BROKEN);
        } else {
            hold(cl, need, output_pending(cl) + (mark - cl->batch_mark));
        }
    }
    cl->held_replies += cl->need_lsn && r->len > mark;
}

void hold_piece(struct client *cl, uint64_t need)
{
    if (need > durable(cl->w) && !broken(cl->w))
        hold(cl, need, output_pending(cl));
    cl->held_pieces |= cl->need_lsn != 0;
}

void hold_forget(struct client *cl)
{
    for (struct client **at = &cl->w->net->held; *at; at = &(*at)->next_held)
        if (*at == cl) {
            *at = cl->next_held;
            break;
        }
    cl->need_lsn = 0;
}

/* What the client was to be told may be lost. A piece of a longer reply cannot be replaced. */
static void give_up(struct client *cl)
{
    size_t replies = cl->held_replies;
    cl->need_lsn = 0;
    if (cl->held_pieces) {
        client_close(cl);
        return;
    }
    output_cut(cl, cl->hold_at);
    for (size_t i = 0; i < replies && !cl->closed; i++)
        output_append(cl, "-" ERR_LOG_BROKEN "\r\n", sizeof("-" ERR_LOG_BROKEN "\r\n") - 1);
}

void hold_release(struct worker *w)
{
    struct net *net = w->net;
    if (LIKELY(!net->held))
        return;
    uint64_t now = durable(w);
    bool gives_up = broken(w);
    struct client *list = net->held, *next;
    net->held = NULL;
    for (struct client *cl = list; cl; cl = next) {
        next = cl->next_held;
        if (cl->need_lsn > now && !gives_up) {
            cl->next_held = net->held;
            net->held = cl;
            continue;
        }
        if (cl->need_lsn > now)
            give_up(cl);
        cl->need_lsn = 0;
        if (cl->closed)
            continue;
        output_again(cl);
        if (cl->wait == WAIT_DISK)
            client_resume(cl);
    }
}

/* The writer sleeps on its own; who wants its records on disk wakes it. Without anybody waiting it looks often
 * enough by itself, unless the ring fills up. */
void log_kick(struct worker *w)
{
    struct shm_wal *wal = wal_of(w);
    const struct shm_wal_ring *ring = &w->ctx.slot->wal;
    if (LIKELY(!wal->on) || ring->tail == w->log_kicked)
        return;
    if (!wal->waits && ring->tail - ring->head < WAL_RING_BYTES / 4)
        return;
    w->log_kicked = ring->tail;
    __atomic_thread_fence(
        __ATOMIC_SEQ_CST); /* the tail before the look; the writer does it the other way round */
    if (__atomic_load_n(&wal->asleep, __ATOMIC_RELAXED) && wal->writer && slot_wake(wal->writer - 1))
        worker_wake(w, wal->writer - 1);
}

/* To fall asleep and be woken costs more than a command, and the CPU may be asleep by then, too. So who has replies that
 * wait stays awake a little longer than it takes the others to have something for it, and gives them its CPU meanwhile.
 * Nobody is told what it waits for, since it looks by itself, and the writer syncs whether anybody says so or not: but
 * only under appendfsync always. */
bool hold_linger(struct worker *w)
{
    struct net *net = w->net;
    if (LIKELY(!net->held) || !wal_of(w)->waits)
        return false;
    uint64_t progress = w->ctx.slot->stats.commands + durable(w);
    int64_t now_us = mono_us();
    if (progress != net->progress) {
        net->progress = progress;
        net->linger_until_us = now_us + LINGER_US;
    }
    if (now_us >= net->linger_until_us || !may_give_way(&net->way, now_us))
        return false;
    __atomic_store_n(&w->ctx.slot->wal_waits, 0, __ATOMIC_SEQ_CST);
    log_kick(w);
    return true;
}

/* First what is waited for, then another look; the writer does it the other way round, so one sees the other. */
void hold_announce(struct worker *w)
{
    uint64_t lowest = blocked_lowest(w);
    log_kick(w);
    for (struct client *cl = w->net->held; cl; cl = cl->next_held)
        if (!lowest || cl->need_lsn < lowest)
            lowest = cl->need_lsn;
    if (LIKELY(lowest == w->ctx.slot->wal_waits))
        return;
    __atomic_store_n(&w->ctx.slot->wal_waits, lowest, __ATOMIC_SEQ_CST);
    if (lowest && (lowest <= durable(w) || broken(w)))
        worker_wake(w, w->ctx.id);
    /* Without appendfsync always the writer may sleep although there is something to be synced. */
    else if (lowest && w->net->syncing && wal_of(w)->writer && slot_wake(wal_of(w)->writer - 1))
        worker_wake(w, wal_of(w)->writer - 1);
}
