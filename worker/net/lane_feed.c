/* A long request on its way to the slow lane: its bytes stay in the client's buffer and are mailed a few pieces a
 * turn, as they came from the socket, so that copying half a gigabyte holds up nobody. The lane parses them again. */
#include "worker/dispatch/lane.h"
#include "worker/net/client.h"

#define PIECES_A_TURN 16u /* a megabyte: 0.3 ms */
#define RING_LEAVES   8u  /* room in the ring that is left for others' requests */

void lane_feed_begin(struct client *cl, uint32_t lane)
{
    struct net *net = cl->w->net;
    __atomic_store_n(&cl->session->lane_ticket, ++net->lane_serial, __ATOMIC_RELEASE);
    lane_wait(cl, lane, net->lane_serial);
    cl->feed_at = 0;
    cl->feed_len = 1;
    cl->in_feed_list = true;
    cl->next_feeding = net->feeding;
    net->feeding = cl;
}

static void leave_list(struct client *cl)
{
    struct client **at = &cl->w->net->feeding;
    if (!cl->in_feed_list)
        return;
    while (*at != cl)
        at = &(*at)->next_feeding;
    *at = cl->next_feeding;
    cl->in_feed_list = false;
}

void lane_feed_forget(struct client *cl)
{
    cl->feed_len = 0;
    leave_list(cl);
}

void lane_feed_end(struct client *cl)
{
    size_t n = cl->feed_len;
    lane_feed_forget(cl);
    if (n)
        client_input_drop(cl, n);
}

static bool ring_has_room(const struct client *cl)
{
    const struct shm_ring *ring = mail_ring(cl->w->ctx.id, cl->lane_slot);
    return ring->tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) < MAIL_RING - RING_LEAVES;
}

static enum rc send_head(struct client *cl, bool *wake)
{
    const struct shm_session *s = cl->session;
    struct lane_long l = {{cl->lane_serial, s->id, session_index(s), 0}, cl->feed_len};
    struct mail m = {.kind = MAIL_LONG, .bytes = sizeof(l), .x = cl->lane_serial};
    return mail_send(&cl->w->ctx, cl->lane_slot, &m, &l, wake);
}

static enum rc send_piece(struct client *cl, size_t at, bool *wake)
{
    size_t left = cl->feed_len - at;
    struct mail m = {
        .kind = MAIL_PIECE, .bytes = left < LANE_CHUNK ? left : LANE_CHUNK, .x = cl->lane_serial};
    return mail_send(&cl->w->ctx, cl->lane_slot, &m, cl->in + at, wake);
}

/* The arena has no room for the next piece: the command is run again from its beginning, and is told so. */
static void starved(struct client *cl)
{
    lane_cancel(cl);
    cl->session->flags &= ~SESSION_F_LANE;
    lane_feed_forget(cl);
    cl->feed_starved = true;
    client_resume(cl);
}

/* feed_at counts the head as one byte, so that it is sent once. */
static void feed(struct client *cl)
{
    enum rc rc = RC_OK;
    bool wake = false, any = false;
    for (unsigned i = 0; i < PIECES_A_TURN && !rc && cl->feed_at <= cl->feed_len && ring_has_room(cl); i++) {
        rc = cl->feed_at ? send_piece(cl, cl->feed_at - 1, &wake) : send_head(cl, &wake);
        if (rc)
            break;
        cl->feed_at += cl->feed_at ? LANE_CHUNK : 1;
        any |= wake;
    }
    if (any)
        worker_wake(cl->w, cl->lane_slot);
    if (rc == RC_NOMEM)
        starved(cl);
    else if (cl->feed_at > cl->feed_len)
        leave_list(cl);
}

bool lane_feed_all(struct worker *w)
{
    for (struct client *cl = w->net->feeding, *next; cl; cl = next) {
        next = cl->next_feeding;
        feed(cl);
    }
    return w->net->feeding;
}
