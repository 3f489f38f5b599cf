/* Replies. Those of one turn of the loop stand one behind the other in the worker's buffer, and are written
 * when all commands of the turn have run: fewer wake-ups of the other side, and no memory per client unless a
 * socket does not take everything. */
#include "worker/net/client.h"
#include "shm/config.h"
#include "worker/net/pubsub.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SHARED_KEEP_BYTES                                                                                    \
    (256u << 10)                      /* a shared buffer that grew beyond this is given back after the turn */
#define WRITE_ONCE_BYTES (256u << 10) /* of one client in one turn, so that its reply holds up nobody */

size_t output_pending(const struct client *cl)
{
    return cl->out_len - cl->out_at + cl->seg_len;
}

size_t output_begin(struct client *cl)
{
    return cl->w->out.len;
}

static void want_flush(struct client *cl)
{
    struct net *net = cl->w->net;
    if (cl->in_flush_list)
        return;
    cl->in_flush_list = true;
    cl->next_flush = NULL;
    *net->flush_tail = cl;
    net->flush_tail = &cl->next_flush;
}

static void keep(struct client *cl, const void *p, size_t n)
{
    if (cl->out_at == cl->out_len)
        cl->out_at = cl->out_len = 0;
    /* Half of it at least has gone: or a large backlog would be moved for each small piece. */
    if (cl->out_cap - cl->out_len < n && cl->out_at > cl->out_len / 2) {
        memmove(cl->out, cl->out + cl->out_at, cl->out_len - cl->out_at);
        cl->out_len -= cl->out_at;
        cl->out_at = 0;
    }
    if (cl->out_cap - cl->out_len < n) {
        size_t cap = cl->out_len + n;
        cap += cap / 4 + 1024;
        cl->out = buffer_grow(cl->out, &cl->out_cap, cap);
    }
    memcpy(cl->out + cl->out_len, p, n);
    cl->out_len += n;
    if (cl->out_len > cl->out_peak)
        cl->out_peak = cl->out_len;
}

void output_again(struct client *cl)
{
    if (output_pending(cl) || cl->close_after_reply)
        want_flush(cl);
}

static void segment_to_own(struct client *cl)
{
    if (cl->seg_len)
        keep(cl, cl->w->out.buf + cl->seg_at, cl->seg_len);
    cl->seg_len = 0;
}

void output_cut(struct client *cl, size_t at)
{
    segment_to_own(cl);
    cl->out_len = cl->out_at + at;
}

/* A monitor counts as a replica, as with Redis. */
static int limit_class(const struct client *cl)
{
    return cl->monitor ? OUTPUT_REPLICA : cl->subs ? OUTPUT_PUBSUB : OUTPUT_NORMAL;
}

static void check_limits(struct client *cl)
{
    const struct output_limit *l = &cl->w->cfg->output_limits[limit_class(cl)];
    size_t pending = output_pending(cl);
    bool hard = l->hard_bytes && pending > l->hard_bytes;
    if (!(l->soft_bytes && pending > l->soft_bytes))
        cl->out_soft_since_ms = 0;
    else if (!cl->out_soft_since_ms)
        cl->out_soft_since_ms = cl->w->now_ms;
    else if (cl->w->now_ms - cl->out_soft_since_ms > l->soft_seconds * 1000)
        hard = true;
    if (UNLIKELY(hard)) {
        cl->w->ctx.slot->stats.output_limit++;
        client_close(cl);
    }
}

void output_end(struct client *cl, size_t mark)
{
    struct reply *out = &cl->w->out;
    size_t n = out->len - mark;
    if (!n)
        return;
    if (cl->seg_len && cl->seg_at + cl->seg_len == mark) {
        cl->seg_len += n;
    } else if (!cl->seg_len && cl->out_at == cl->out_len) {
        cl->seg_at = mark;
        cl->seg_len = n;
    } else {
        segment_to_own(cl);
        keep(cl, out->buf + mark, n);
        out->len = mark;
    }
    want_flush(cl);
    if (UNLIKELY(output_pending(cl) > 65536))
        check_limits(cl);
}

void output_append(struct client *cl, const void *p, size_t n)
{
    if (cl->closed)
        return;
    segment_to_own(cl);
    keep(cl, p, n);
    want_flush(cl);
    check_limits(cl);
}

#define LATE_MOST (16u << 20) /* a client whose reply takes so long, or who reads so slowly, is closed */

void output_push(struct client *cl, const void *p, size_t n)
{
    if (cl->closed || !n)
        return;
    if (cl == cl->w->net->running) {
        reply_raw(&cl->w->net->own, p, n);
    } else if (cl->wait == WAIT_LANE) {
        reply_raw(&cl->late, p, n);
        if (cl->late.len > LATE_MOST)
            client_close(cl);
    } else {
        output_append(cl, p, n);
    }
}

void output_push_late(struct client *cl)
{
    if (LIKELY(!cl->late.len))
        return;
    output_append(cl, cl->late.buf, cl->late.len);
    reply_free(&cl->late);
}

/* What a death of this worker would mean for the client from now on. */
static void settle_state(struct client *cl)
{
    bool quiet = !cl->wait && !cl->in_len && !output_pending(cl) && !cl->close_after_reply;
    bool bound = cl->monitor || cl->subs || cl->track || cl->reply_off || cl->reply_skip ||
                 cl->reply_skip_next || cl->multi;
    cl->session->state = !quiet ? SESSION_BUSY : bound ? SESSION_BOUND : SESSION_IDLE;
    cl->session->flags = (cl->session->flags & ~SESSION_F_MONITOR) | (cl->monitor ? SESSION_F_MONITOR : 0);
}

static void written(struct client *cl, size_t n)
{
    cl->session->net_out += n;
    cl->w->ctx.slot->stats.net_out += n;
}

/* True: all of it has gone. */
static bool write_some(struct client *cl, const char *p, size_t n, size_t *done)
{
    size_t once = n < WRITE_ONCE_BYTES ? n : WRITE_ONCE_BYTES;
    ssize_t w = send(cl->fd, p, once, MSG_NOSIGNAL | MSG_DONTWAIT); /* cheaper than write(2): no file layer */
    cl->w->ctx.slot->stats.total_writes++;
    *done = w > 0 ? (size_t)w : 0;
    written(cl, *done);
    if (w < 0 && errno != EAGAIN && errno != EINTR) {
        client_close(cl);
        return false;
    }
    return *done == n;
}

static void watch_writable(struct client *cl, bool on)
{
    if (on == cl->writing)
        return;
    cl->writing = on;
    if (on)
        ev_io_start(cl->w->loop, &cl->wr);
    else
        ev_io_stop(cl->w->loop, &cl->wr);
}

static void drained(struct client *cl)
{
    watch_writable(cl, false);
    if (cl->out_cap) {
        buffer_free(&cl->w->net->scrap, cl->out, cl->out_cap);
        cl->out = NULL;
        cl->out_at = cl->out_len = cl->out_cap = 0;
    }
    cl->out_soft_since_ms = 0;
    if (cl->close_after_reply)
        client_close(cl);
}

static void send_own(struct client *cl)
{
    size_t done = 0, left = cl->out_len - cl->out_at, may = hold_sendable(cl), n = left < may ? left : may;
    bool all = !n || write_some(cl, cl->out + cl->out_at, n, &done);
    cl->out_at += done;
    if (cl->closed)
        return;
    if (UNLIKELY(cl->need_lsn)) {
        cl->hold_at -= done;
        watch_writable(cl, !all);
        return;
    }
    if (cl->lane_owed)
        lane_acknowledge(cl);
    if (all)
        drained(cl);
    else
        watch_writable(cl, true);
}

void output_writable(struct client *cl)
{
    post_all(cl->w); /* it may have replies of this turn already, which say that something was sent */
    send_own(cl);
    if (!cl->closed)
        settle_state(cl);
}

static void flush_client(struct client *cl)
{
    size_t done;
    if (cl->out_at != cl->out_len || UNLIKELY(cl->need_lsn)) {
        segment_to_own(cl);
        if (!cl->writing)
            send_own(cl);
        if (cl->need_lsn && !cl->wait && !cl->closed)
            client_wait(cl, WAIT_DISK);
    } else if (cl->seg_len) {
        const char *p = cl->w->out.buf + cl->seg_at;
        size_t n = cl->seg_len;
        cl->seg_len = 0;
        if (write_some(cl, p, n, &done))
            drained(cl);
        else if (!cl->closed) {
            keep(cl, p + done, n - done);
            watch_writable(cl, true);
        }
    } else {
        drained(cl);
    }
    if (!cl->closed)
        settle_state(cl);
}

void output_flush_turn(struct worker *w)
{
    struct net *net = w->net;
    for (struct client *cl = net->flush, *next; cl; cl = next) {
        next = cl->next_flush;
        cl->in_flush_list = false;
        if (!cl->closed)
            flush_client(cl);
    }
    net->flush = NULL;
    net->flush_tail = &net->flush;
    w->out.len = 0;
    if (w->out.cap > SHARED_KEEP_BYTES)
        reply_free(&w->out);
}

void output_forget_closed(struct net *net)
{
    struct client *cl = net->flush, *next;
    net->flush = NULL;
    net->flush_tail = &net->flush;
    for (; cl; cl = next) {
        next = cl->next_flush;
        cl->in_flush_list = false;
        if (!cl->closed)
            want_flush(cl);
    }
}

void client_settle(struct client *cl)
{
    if (!cl->in_flush_list && !cl->closed)
        settle_state(cl);
}
