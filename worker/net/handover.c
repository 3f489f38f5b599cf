/* Sessions that change their worker. The old one packs what it knows beyond the session itself into a parcel
 * in the arena, and the master, which holds the socket too, passes a duplicate to the new one. */
#include "worker/net/client.h"
#include "shm/base/log.h"
#include "worker/control.h"
#include "worker/dispatch/monitor.h"
#include "worker/dispatch/multi.h"
#include "worker/net/pubsub_move.h"
#include "worker/net/tracking.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct parcel {
    uint64_t in_len, out_len, multi_len, subs_len, track_len;
    uint32_t slot, generation; /* whence a subscriber comes */
    int64_t wake_ms;           /* of a sleeper; 0: it is none */
    uint64_t monitor_mark;     /* of a watcher */
    uint8_t reply_off, reply_skip, reply_skip_next, monitor, close_after_reply, spare[3];
};

static char *append(char *to, const char *p, size_t n)
{
    return n ? mempcpy(to, p, n) : to;
}

static enum rc parcel_store(struct client *cl)
{
    struct shm_session *s = cl->session;
    struct reply multi = {0}, subs = {0}, track = {0};
    if (cl->track)
        tracking_pack(cl, &track);
    if (cl->multi)
        multi_pack(cl->multi, &multi);
    moves_pack(cl, &subs);
    struct parcel p = {
        .in_len = cl->in_len,
        .out_len = cl->out_len - cl->out_at,
        .track_len = track.len,
        .multi_len = multi.len,
        .subs_len = subs.len,
        .slot = cl->subs ? cl->w->ctx.id : 0,
        .generation = cl->subs ? cl->w->ctx.slot->generation : 0,
        .wake_ms = cl->wait == WAIT_ASLEEP ? cl->wake_ms : 0,
        .reply_off = cl->reply_off,
        .reply_skip = cl->reply_skip,
        .reply_skip_next = cl->reply_skip_next,
        .monitor = cl->monitor,
        .monitor_mark = cl->monitor ? cl->w->net->monitor_mark : 0,
        .close_after_reply = cl->close_after_reply,
    };
    static const struct parcel nothing;
    if (!memcmp(&p, &nothing, sizeof(p)))
        return RC_OK; /* so that a full arena holds up no idle client */
    uint64_t bytes = sizeof(p) + p.in_len + p.out_len + p.multi_len + p.subs_len + p.track_len;
    struct tx tx;
    shm_ref r;
    tx_begin(&tx, &cl->w->ctx);
    enum rc rc = tx_alloc(&tx, bytes, &r);
    if (rc) {
        tx_abort(&tx);
        reply_free(&track);
        reply_free(&multi);
        reply_free(&subs);
        return rc;
    }
    char *to = mempcpy(shm_at(r), &p, sizeof(p));
    to = append(to, cl->in, p.in_len);
    to = append(to, cl->out + cl->out_at, p.out_len);
    to = append(to, multi.buf, p.multi_len);
    to = append(to, subs.buf, p.subs_len);
    append(to, track.buf, p.track_len);
    reply_free(&track);
    reply_free(&multi);
    reply_free(&subs);
    rc = tx_redo(&tx, &s->parcel_bytes, bytes);
    if (!rc)
        rc = tx_redo(&tx, &s->parcel, r);
    CHECK(!rc);
    tx_commit(&tx);
    return RC_OK;
}

/* to: a slot + 1, or 0 for the master to choose. */
static bool move(struct client *cl, uint32_t to)
{
    struct shm_session *s = cl->session;
    struct control_msg m = {.kind = CTL_MOVE, .options = (uint16_t)to, .x = session_index(s), .y = s->id};
    /* A subscriber's place among the messages is told by the registry; while it sleeps nothing could be put before its reply. */
    if (cl->subs && (cl->arrival || cl->wait == WAIT_ASLEEP || pubsub_waits(cl->w)))
        return false;
    if (cl->wait == WAIT_LANE || cl->need_lsn || cl->seg_len || (cl->monitor && !cl->w->net->monitor_calm) ||
        parcel_store(cl))
        return false; /* soon: its reply, or a line, is under way, or there is no room */
    if (cl->monitor)
        monitor_depart(cl);
    if (cl->subs)
        moves_depart(cl);
    client_detach(cl);
    __atomic_store_n(&s->state, SESSION_MOVING, __ATOMIC_RELEASE);
    control_send(cl->w, &m, -1);
    close(cl->fd);
    return true;
}

bool handover_one(struct client *cl)
{
    return move(cl, 0);
}

bool handover_to(struct client *cl, uint32_t slot)
{
    return move(cl, slot + 1);
}

bool handover_some(struct worker *w)
{
    unsigned moved = 0;
    for (struct client *cl = w->net->clients, *next; cl && moved < NET_PARTINGS; cl = next) {
        next = cl->next;
        moved += handover_one(cl);
    }
    return moved == NET_PARTINGS;
}

static void parcel_drop(struct worker *w, struct shm_session *s)
{
    struct tx tx;
    tx_begin(&tx, &w->ctx);
    enum rc rc = tx_free(&tx, s->parcel, s->parcel_bytes);
    if (!rc)
        rc = tx_redo(&tx, &s->parcel, 0);
    CHECK(!rc);
    tx_commit(&tx);
}

/* False: it watches, and has missed something, or it caches, and cannot be told what changes. */
static bool unpack(struct client *cl, const char *from)
{
    struct parcel p;
    memcpy(&p, from, sizeof(p));
    cl->wake_ms = p.wake_ms;
    if (p.wake_ms)
        client_wait(cl, WAIT_ASLEEP);
    cl->reply_off = p.reply_off;
    cl->reply_skip = p.reply_skip;
    cl->reply_skip_next = p.reply_skip_next;
    cl->close_after_reply = p.close_after_reply;
    if (p.multi_len)
        cl->multi = multi_unpack((struct bytes){from + sizeof(p) + p.in_len + p.out_len, p.multi_len});
    bool whole = !p.monitor || monitor_arrive(cl, p.monitor_mark);
    if (p.in_len) {
        cl->in = buffer_grow(NULL, &cl->in_cap, p.in_len);
        memcpy(cl->in, from + sizeof(p), p.in_len);
        cl->in_len = p.in_len;
    }
    if (p.out_len)
        output_append(cl, from + sizeof(p) + p.in_len, p.out_len);
    if (p.subs_len && !cl->closed)
        moves_arrive(cl, (struct bytes){from + sizeof(p) + p.in_len + p.out_len + p.multi_len, p.subs_len},
                     p.slot, p.generation);
    if (p.track_len && !cl->closed)
        whole &= tracking_arrive(
            cl,
            (struct bytes){from + sizeof(p) + p.in_len + p.out_len + p.multi_len + p.subs_len, p.track_len});
    return whole;
}

/* Private memory from now on: the client may be closed at any moment, and its session then be another one's. */
static void take_parcel(struct client *cl)
{
    struct shm_session *s = cl->session;
    char *copy = malloc(s->parcel_bytes);
    CHECK(copy);
    memcpy(copy, shm_at(s->parcel), s->parcel_bytes);
    parcel_drop(cl->w, s);
    if (!unpack(cl, copy))
        client_close(cl);
    free(copy);
}

/* No descriptor was free for its socket, so it cannot be served: the master has the other one, and closes it. */
static void refuse_session(struct worker *w, struct shm_session *s)
{
    struct control_msg m = {.kind = CTL_CLOSED, .x = session_index(s), .y = s->id};
    log_warning("Client %llu cannot be taken over and is closed: too many open files",
                (unsigned long long)s->id);
    if (s->flags & SESSION_F_MONITOR)
        __atomic_fetch_sub(&w->ctx.root->monitors, 1, __ATOMIC_ACQ_REL);
    if (s->parcel)
        parcel_drop(w, s);
    __atomic_store_n(&s->state, SESSION_CLOSING, __ATOMIC_RELEASE);
    control_send(w, &m, -1);
}

void handover_take(struct worker *w, uint32_t session, int fd)
{
    struct shm_session *s = session_at(session);
    /* Told twice, which deaths in quick succession bring about, or another worker's by now: two clients of one
     * session would take each other's replies. */
    if (w->net->by_session[session] || s->owner != w->ctx.id) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (fd < 0) {
        refuse_session(w, s);
        return;
    }
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    struct client *cl = client_create(w, fd, s);
    /* Before the parcel goes: whoever else is given the session would not know that there was one. */
    __atomic_store_n(&s->state, SESSION_BUSY, __ATOMIC_RELEASE);
    if (s->parcel)
        take_parcel(cl);
    if (!cl->closed && !cl->wait)
        client_resume(cl);
    client_settle(cl);
}
