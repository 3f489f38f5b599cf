#include "worker/dispatch/block.h"
#include "worker/net/client.h"
#include "shm/config.h"
#include "worker/commands/server_cmds.h"
#include "worker/control.h"
#include "worker/dispatch/execute.h"
#include "worker/dispatch/multi.h"
#include "worker/dispatch/stats.h"
#include "worker/net/pubsub_move.h"
#include "worker/net/tracking.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH      NET_BATCH
#define READ_BYTES NET_READ_BYTES
#define READ_ONCE_BYTES                                                                                      \
    (256u << 10) /* of a long request: the socket may hold megabytes, which others would wait for */
#define OUTPUT_LOOK_BYTES (64u << 10)
/* How far one look ahead is behind, or before, the other. Asking for all the memory of a batch at once loses
 * requests: a core follows some twenty misses at a time, and drops hints beyond that. */
#define BUCKET_LAG  4u
#define ENTRY_AHEAD 24u
#define MEMBERS_ONCE                                                                                         \
    16u /* commands whose members are looked for side by side: half as many before the first of them runs */

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)events;
    client_readable(io->data);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)events;
    output_writable(io->data);
}

void client_read_start(struct client *cl)
{
    if (!cl->reading && !cl->closed)
        ev_io_start(cl->w->loop, &cl->rd);
    cl->reading = true;
}

void client_read_stop(struct client *cl)
{
    if (cl->reading)
        ev_io_stop(cl->w->loop, &cl->rd);
    cl->reading = false;
}

struct client *client_create(struct worker *w, int fd, struct shm_session *s)
{
    struct client *cl = calloc(1, sizeof(*cl));
    CHECK(cl);
    cl->w = w;
    cl->fd = fd;
    cl->session = s;
    s->fd = fd;
    cl->commands_seen = (uint32_t)s->commands;
    ev_io_init(&cl->rd, on_readable, fd, EV_READ);
    ev_io_init(&cl->wr, on_writable, fd, EV_WRITE);
    cl->rd.data = cl->wr.data = cl;
    cl->next = w->net->clients;
    if (cl->next)
        cl->next->prev = cl;
    w->net->clients = cl;
    w->net->by_session[session_index(s)] = cl;
    w->ctx.slot->clients++;
    client_read_start(cl);
    return cl;
}

/* Takes the socket out of libev and out of its epoll set by hand: the master's duplicate would keep it there,
 * and libev would then rebuild the whole set on the first stray event. */
void client_detach(struct client *cl)
{
    struct net *net = cl->w->net;
    client_read_stop(cl);
    if (cl->writing)
        ev_io_stop(cl->w->loop, &cl->wr);
    cl->writing = false;
    epoll_ctl(net->epoll_fd, EPOLL_CTL_DEL, cl->fd, NULL);
    if (cl->prev)
        cl->prev->next = cl->next;
    else
        net->clients = cl->next;
    if (cl->next)
        cl->next->prev = cl->prev;
    net->by_session[session_index(cl->session)] = NULL;
    cl->w->ctx.slot->clients--;
    monitor_stop(cl);
    moves_forget(cl);
    pubsub_forget(cl);
    tracking_stop(cl);
    client_leave_waiting(cl);
    blocked_end(cl);
    if (net->follower == cl)
        net->follower = NULL;
    if (cl->need_lsn)
        hold_forget(cl);
    lane_feed_forget(cl);
    cl->closed = true;
    cl->next = net->dead;
    net->dead = cl;
}

void client_close(struct client *cl)
{
    if (cl->closed)
        return;
    struct shm_session *s = cl->session;
    struct control_msg m = {.kind = CTL_CLOSED, .x = session_index(s), .y = s->id};
    if (cl->wait == WAIT_LANE)
        lane_cancel(cl);
    block_leave(cl->w, s);
    client_detach(cl);
    cl->w->net->closed++;
    __atomic_store_n(&s->state, SESSION_CLOSING, __ATOMIC_RELEASE);
    shutdown(cl->fd, SHUT_RDWR); /* the master's duplicate would delay the FIN */
    control_send(cl->w, &m, -1);
    close(cl->fd);
}

void client_close_soon(struct client *cl)
{
    cl->close_after_reply = 1;
}

/* The turn is over: nobody on the stack refers to them any more. */
void clients_bury(struct worker *w)
{
    output_forget_closed(w->net);
    while (w->net->dead) {
        struct client *cl = w->net->dead;
        w->net->dead = cl->next;
        parser_reset(&cl->parser);
        buffer_free(&w->net->scrap, cl->in, cl->in_cap);
        buffer_free(&w->net->scrap, cl->out, cl->out_cap);
        free(cl->told);
        reply_free(&cl->late);
        if (cl->multi)
            multi_free(cl->multi);
        free(cl);
    }
}

size_t client_memory(const struct client *cl)
{
    size_t queued = cl->multi ? multi_memory(cl->multi) : 0;
    return sizeof(*cl) + cl->in_cap + cl->out_cap + parser_memory(&cl->parser) + queued;
}

void client_measure(struct client *cl)
{
    struct shm_session *s = cl->session;
    size_t unsent = output_pending(cl);
    cl->share = (uint32_t)s->commands - cl->commands_seen;
    cl->commands_seen = (uint32_t)s->commands;
    s->qbuf = (uint32_t)cl->in_len;
    s->qbuf_free = (uint32_t)(cl->in_cap - cl->in_len);
    s->argv_mem = (uint32_t)parser_memory(&cl->parser);
    s->oll = unsent > 0;
    s->omem = cl->out_cap;
    s->rbs = cl->out_cap;
    s->rbp = cl->out_peak;
    cl->out_peak = cl->out_len; /* the next second's */
    s->tot_mem = client_memory(cl);
}

/* ---- input ---- */

/* Keeps [p, p + n) for later; p may lie in cl->in. */
static void keep_input(struct client *cl, const char *p, size_t n)
{
    bool inside = cl->in && p >= cl->in && p < cl->in + cl->in_cap;
    /* What a long request leaves behind is short, and does not keep its memory. */
    bool shrinks = cl->in_cap >= BUFFER_PAGES_BYTES && n < cl->in_cap / 8;
    if (inside && n && !shrinks) {
        if (p != cl->in)
            memmove(cl->in, p, n);
        cl->in_len = n;
        return;
    }
    char *old = cl->in;
    size_t old_cap = cl->in_cap;
    if (shrinks || cl->in_cap < n || !n) {
        cl->in = NULL;
        cl->in_cap = 0;
        if (n)
            cl->in = buffer_grow(NULL, &cl->in_cap, n);
    }
    if (n)
        memcpy(cl->in, p, n);
    cl->in_len = n;
    if (old && old != cl->in)
        buffer_free(&cl->w->net->scrap, old, old_cap);
}

void client_input_drop(struct client *cl, size_t n)
{
    keep_input(cl, cl->in + n, cl->in_len - n);
}

/* Room for what the command still wants, but never for more than has arrived already: who claims 512 MB and
 * sends nothing is given nothing. */
static void grow_input(struct client *cl)
{
    size_t more = cl->parser.want > 16384 ? cl->parser.want : 16384;
    size_t most = cl->in_len > 65536 ? cl->in_len : 65536;
    if (cl->in_cap - cl->in_len >= 16384 || cl->in_cap - cl->in_len >= cl->parser.want)
        if (cl->in_cap > cl->in_len)
            return;
    cl->in = buffer_grow(cl->in, &cl->in_cap, cl->in_len + (more < most ? more : most));
}

void client_readable(struct client *cl)
{
    char *to = cl->w->net->rbuf;
    size_t room = READ_BYTES;
    if (UNLIKELY(cl->wait == WAIT_BLOCKED || cl->wait == WAIT_PAUSED))
        blocked_readable(cl);
    else if (UNLIKELY(cl->wait == WAIT_DISK))
        client_read_stop(cl);
    if (cl->closed || cl->wait)
        return;
    if (cl->in_len) {
        grow_input(cl);
        to = cl->in + cl->in_len;
        room = cl->in_cap - cl->in_len < READ_ONCE_BYTES ? cl->in_cap - cl->in_len : READ_ONCE_BYTES;
    }
    __atomic_store_n(&cl->session->state, SESSION_BUSY, __ATOMIC_RELEASE);
    ssize_t n = recv(cl->fd, to, room, MSG_DONTWAIT);
    cl->w->ctx.slot->stats.total_reads++;
    if (UNLIKELY(n <= 0)) {
        bool over = n == 0 || (errno != EAGAIN && errno != EINTR);
        if (!over)
            client_settle(cl);
        else if (cl->w->net->closed < NET_PARTINGS)
            client_close(cl);
        return; /* thousands leave at once: those beyond the turn's share say so again in the next one */
    }
    cl->session->last_ms = cl->w->now_ms;
    cl->session->net_in += (size_t)n;
    cl->w->ctx.slot->stats.net_in += (size_t)n;
    if (cl->in_len) {
        cl->in_len += (size_t)n;
        client_process(cl, cl->in, cl->in_len);
    } else {
        client_process(cl, to, (size_t)n);
    }
}

/* ---- a batch of commands ---- */

struct batch {
    unsigned n;
    bool more;         /* the rest is no whole command yet */
    const char *error; /* behind the n commands comes what is none */
    size_t end;        /* where the parsed bytes end */
};

static void parse_batch(struct client *cl, const char *buf, size_t at, size_t len, struct batch *b)
{
    struct net *net = cl->w->net;
    struct parse_limits lim = {
        .max_bulk = cl->w->cfg->proto_max_bulk_len,
        .max_multibulk = INT_MAX,
        .max_inline = 65536,
        .authenticated = cl->session->authenticated,
    };
    *b = (struct batch){.end = at};
    while (b->n < BATCH && b->end < len) {
        size_t used = 0;
        struct request *rq = &net->rq[b->n];
        enum parse_result r =
            parse_request(&cl->parser, buf + b->end, len - b->end, &used, rq, &lim, &b->error);
        if (r == PARSE_ERROR)
            return;
        b->end += used;
        if (r == PARSE_MORE) {
            b->more = true;
            return;
        }
        net->start[b->n] = b->end - used;
        execute_ahead(cl, rq, &net->ahead[b->n], b->n == 0);
        net->ahead[b->n].is_long = used > NET_LONG_REQUEST || rq->argc > NET_LONG_ARGS;
        if (b->n >= BUCKET_LAG)
            execute_ahead_bucket(&net->ahead[b->n - BUCKET_LAG]);
        b->n++;
    }
}

static void ahead_members(struct client *cl, const struct batch *b, unsigned from)
{
    struct net *net = cl->w->net;
    if (from < b->n)
        execute_ahead_members(cl, &net->rq[from], &net->ahead[from],
                              b->n - from < MEMBERS_ONCE ? b->n - from : MEMBERS_ONCE);
}

/* Runs the batch; returns where the bytes begin that have not been dealt with. Its replies are put into the client's
 * output when they are large, not only at the end: or a batch of large values were built before any limit is seen. */
static size_t run_batch(struct client *cl, const struct batch *b)
{
    struct net *net = cl->w->net;
    size_t mark = output_begin(cl), done = b->end;
    cl->batch_mark = mark;
    net->running = cl;
    for (unsigned i = b->n > BUCKET_LAG ? b->n - BUCKET_LAG : 0; i < b->n; i++)
        execute_ahead_bucket(&net->ahead[i]);
    for (unsigned i = 0; i < b->n && i < ENTRY_AHEAD; i++)
        execute_ahead_entry(&net->ahead[i]);
    ahead_members(cl, b, 0);
    cl->w->tick = tick_now();
    for (unsigned i = 0; i < b->n; i++) {
        if (i + ENTRY_AHEAD < b->n)
            execute_ahead_entry(&net->ahead[i + ENTRY_AHEAD]);
        if (i % MEMBERS_ONCE == MEMBERS_ONCE / 2)
            ahead_members(cl, b, i + MEMBERS_ONCE / 2);
        enum rc rc = execute(cl, &net->rq[i], &net->ahead[i]);
        if (UNLIKELY(net->own.len)) {
            reply_raw(&cl->w->out, net->own.buf, net->own.len);
            net->own.len = 0;
        }
        if (UNLIKELY(cl->w->out.len - mark > OUTPUT_LOOK_BYTES)) {
            output_end(cl, mark);
            mark = cl->batch_mark = output_begin(cl);
            cl->w->tick = tick_now();
        }
        if (LIKELY(rc == RC_OK) && LIKELY(!(cl->close_after_reply | cl->wait | cl->closed)))
            continue;
        size_t next = i + 1 < b->n ? net->start[i + 1] : b->end;
        bool again = rc == RC_BUSY || rc == RC_MISSING || rc == RC_AWAIT;
        if (again)
            client_wait(cl, rc == RC_BUSY    ? WAIT_PARKED
                            : rc == RC_AWAIT ? (cl->blocked ? WAIT_BLOCKED : WAIT_MASTER)
                                             : WAIT_PAUSED);
        if (cl->feed_len) /* its bytes are sent from where they are */
            cl->feed_len = next - net->start[i];
        done = again || cl->feed_len ? net->start[i] : next;
        break;
    }
    net->running = NULL;
    if (!cl->closed)
        output_end(cl, mark);
    return done;
}

static void protocol_error(struct client *cl, const char *text)
{
    size_t mark = output_begin(cl);
    reply_error(&cl->w->out, text);
    output_end(cl, mark);
    cl->w->ctx.slot->stats.protocol_errors++;
    cl->close_after_reply = 1;
}

void client_process(struct client *cl, char *buf, size_t len)
{
    struct worker *w = cl->w;
    size_t at = 0;
    /* Who has had the answer to CLIENT KILL may rely on it, though our wake-up is still on its way. */
    if (UNLIKELY(cl->session->kill)) {
        client_close(cl);
        return;
    }
    /* What was acknowledged comes before the replies to what is sent after that. */
    if (UNLIKELY((cl->subs != NULL) | (cl->track != NULL))) {
        post_receive(w);
        tracking_follow(w);
        if (cl->closed)
            return;
    }
    while (at < len && !cl->wait && !cl->close_after_reply && !cl->closed) {
        struct batch b;
        if (UNLIKELY(!batch_enter(&w->ctx))) {
            client_wait(cl, WAIT_PARKED);
            break;
        }
        stats_sync(&w->ctx);
        parse_batch(cl, buf, at, len, &b);
        size_t done = b.n ? run_batch(cl, &b) : b.end;
        batch_leave(&w->ctx);
        if (UNLIKELY(w->ctx.slot->retire.head != w->ctx.slot->retire.tail))
            retire_reclaim(&w->ctx);
        at = done;
        if (done != b.end) {
            parser_reset(&cl->parser); /* it had read ahead of what is kept */
        } else if (!b.n || b.more) {
            if (b.error)
                protocol_error(cl, b.error);
            if (b.more || b.error)
                break;
        }
    }
    if (cl->closed)
        return;
    keep_input(cl, buf + at, cl->close_after_reply ? 0 : len - at);
    if (UNLIKELY(cl->in_len > w->cfg->client_query_buffer_limit)) {
        w->ctx.slot->stats.query_limit++;
        client_close(cl);
        return;
    }
    cl->session->qbuf = (uint32_t)cl->in_len;
    client_settle(cl);
    if (cl->close_after_reply && !cl->in_flush_list)
        client_close(cl);
}
