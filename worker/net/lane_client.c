/* The worker's side of the slow lane: it mails the command, lets its client wait, and passes the reply on as
 * it comes, no faster than the client reads. */
#include "worker/dispatch/lane.h"
#include "worker/dispatch/multi.h"
#include "worker/net/client.h"

#include <stdlib.h>

static void wake_if(struct worker *w, uint32_t slot, bool wake)
{
    if (wake)
        worker_wake(w, slot);
}

void lane_wait(struct client *cl, uint32_t lane, uint64_t serial)
{
    cl->lane_serial = serial;
    cl->lane_slot = lane;
    cl->lane_generation = slot_at(lane)->generation;
    cl->lane_begun = cl->lane_lost = cl->lane_hurry = cl->lane_exec = false;
    cl->session->flags |= SESSION_F_LANE;
    client_wait(cl, WAIT_LANE);
}

static size_t request_bytes(const struct bytes *argv, int argc)
{
    size_t bytes = sizeof(struct lane_request) + (size_t)argc * 8;
    for (int i = 0; i < argc; i++)
        bytes += argv[i].n;
    return bytes;
}

/* In one piece, however long it is. The ticket is made out before the lane can see the request. */
static enum rc send_whole(struct client *cl, uint32_t lane, const struct bytes *argv, int argc)
{
    struct worker *w = cl->w;
    bool wake = false;
    size_t bytes = request_bytes(argv, argc), at = sizeof(struct lane_request) + (size_t)argc * 8;
    char *block = malloc(bytes);
    CHECK(block);
    struct lane_request *rq = (struct lane_request *)block;
    *rq = (struct lane_request){++w->net->lane_serial, cl->session->id, session_index(cl->session),
                                (uint32_t)argc};
    for (int i = 0; i < argc; i++) {
        ((uint64_t *)(rq + 1))[i] = argv[i].n;
        memcpy(block + at, argv[i].p, argv[i].n);
        at += argv[i].n;
    }
    struct mail m = {.kind = MAIL_RUN, .bytes = bytes, .x = rq->serial};
    __atomic_store_n(&cl->session->lane_ticket, rq->serial, __ATOMIC_RELEASE);
    enum rc rc = mail_send(&w->ctx, lane, &m, block, &wake);
    free(block);
    if (rc)
        return rc;
    lane_wait(cl, lane, m.x);
    cl->feed_at = 0;
    cl->feed_len = 1; /* how long it is, client_process says */
    wake_if(w, lane, wake);
    return RC_OK;
}

enum rc lane_send(struct client *cl, const struct bytes *argv, int argc)
{
    uint32_t lane;
    if (!lane_choose(cl->w, &lane))
        return RC_BUSY;
    if (UNLIKELY(cl->feed_starved)) {
        cl->feed_starved = false;
        return RC_NOMEM;
    }
    if (LIKELY(request_bytes(argv, argc) <= LANE_REQUEST_ONCE))
        return send_whole(cl, lane, argv, argc);
    lane_feed_begin(cl, lane);
    return RC_OK;
}

enum rc lane_send_queue(struct client *cl)
{
    uint32_t lane;
    struct reply packed = {0};
    if (!lane_choose(cl->w, &lane))
        return RC_BUSY;
    multi_pack(cl->multi, &packed);
    struct bytes argv[2] = {BYTES_LIT("EXEC"), {packed.buf, packed.len}};
    enum rc rc = send_whole(cl, lane, argv, 2);
    cl->lane_exec = !rc;
    reply_free(&packed);
    return rc;
}

static bool acknowledge(struct worker *w, uint32_t lane, uint64_t serial, uint32_t count)
{
    struct mail m = {.kind = MAIL_ACK, .arg = count, .x = serial};
    bool wake = false;
    if (mail_send(&w->ctx, lane, &m, NULL, &wake))
        return false;
    wake_if(w, lane, wake);
    return true;
}

void lane_acknowledge(struct client *cl)
{
    /* Who hands its clients over fetches their replies at any speed: they travel as parcels. */
    bool room = output_pending(cl) < LANE_OUTPUT_ENOUGH || cl->lane_hurry || cl->w->net->stopping;
    if (cl->lane_owed && room && acknowledge(cl->w, cl->lane_slot, cl->lane_serial, cl->lane_owed))
        cl->lane_owed = 0;
}

static void cancel(struct worker *w, uint32_t slot, uint64_t serial)
{
    struct net *net = w->net;
    if (net->ncancels == net->cancels_cap) {
        net->cancels_cap = net->cancels_cap * 2 + 16;
        net->cancels = realloc(net->cancels, net->cancels_cap * sizeof(*net->cancels));
        CHECK(net->cancels);
    }
    net->cancels[net->ncancels++] = (struct lane_cancel){slot, serial};
    lane_flush_cancels(w);
}

void lane_cancel(struct client *cl)
{
    cancel(cl->w, cl->lane_slot, cl->lane_serial);
}

void lane_flush_cancels(struct worker *w)
{
    struct net *net = w->net;
    while (net->ncancels) {
        struct lane_cancel *c = &net->cancels[net->ncancels - 1];
        if (!acknowledge(w, c->slot, c->serial, 0))
            return;
        net->ncancels--;
    }
}

void lane_finished(struct client *cl)
{
    lane_feed_end(cl);
    if (cl->lane_exec)
        multi_drop(cl);
    cl->lane_exec = cl->lane_again = false;
    cl->session->flags &= ~SESSION_F_LANE;
    cl->w->ctx.slot->stats.commands++;
    cl->session->commands++;
    output_push_late(cl);
    client_resume(cl);
}

/* The arena has no room for the rest of the reply. */
static void starved(struct client *cl)
{
    static const char text[] = "-" ERR_OOM "\r\n";
    if (cl->lane_begun) {
        client_close(cl);
        return;
    }
    client_reply_late(cl, text, sizeof(text) - 1);
    cl->lane_owed = 0;
    if (!cl->closed)
        lane_finished(cl);
}

void lane_mail(struct worker *w, uint32_t from, const struct mail *m)
{
    struct client *cl = w->net->by_session[m->spare];
    if (!cl || cl->wait != WAIT_LANE || cl->lane_serial != m->x || cl->session->id != m->y) {
        if (!(m->arg & 1))
            cancel(w, from, m->x); /* or it would wait for acknowledgements that nobody sends */
        return;
    }
    if (m->arg == LANE_STARVED) {
        starved(cl);
        return;
    }
    if (m->arg == LANE_AGAIN) {
        if (m->bytes && cl->multi)
            multi_take_outcomes(cl->multi, (struct bytes){shm_at(m->block), m->bytes});
        lane_run_again(cl);
        return;
    }
    cl->lane_begun = true;
    if (m->bytes && !cl->reply_off && !cl->reply_skip) {
        if (UNLIKELY(m->lsn || cl->need_lsn))
            hold_piece(cl, m->lsn);
        output_append(cl, shm_at(m->block), m->bytes);
    }
    if (cl->closed)
        return;
    if (m->arg & 1) {
        cl->reply_skip = cl->reply_skip_next;
        cl->reply_skip_next = false;
        cl->lane_owed = 0;
        lane_finished(cl);
        return;
    }
    cl->lane_owed++;
    lane_acknowledge(cl);
}
