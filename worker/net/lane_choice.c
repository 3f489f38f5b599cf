/* Which lane a request goes to, and what becomes of those that wait in the ring of one that turns out to be taken: by a
 * script, which may take for ever, by a long command while others rest, or by death. */
#include "shm/base/clock.h"
#include "worker/dispatch/busy.h"
#include "worker/dispatch/lane.h"
#include "worker/net/client.h"

#include <sys/ioctl.h>

#define WRITES_FIRST_BYTES (16 << 10) /* unread, it is so near to blocking that we take it for blocked */
#define SETTLED_MS         50 /* a lane that has worked so long on one request is not about to take the next */

static bool lane_serves(const struct shm_slot *s)
{
    return s->role == ROLE_LANE && __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == SLOT_RUNNING;
}

/* Which of several that are equally good has the fewest requests is not known; taking turns comes close. */
static bool best_lane(const struct worker *w, uint32_t *slot, enum lane_load *load)
{
    uint32_t n = w->ctx.root->nslots;
    bool any = false;
    for (uint32_t i = 0; i < n && !(any && *load == LANE_RESTS); i++) {
        uint32_t at = (uint32_t)((w->net->lane_serial + i) % n);
        enum lane_load its = lane_serves(slot_at(at)) ? busy_lane(slot_at(at), w->cfg) : LANE_OVER;
        if (!lane_serves(slot_at(at)) || (any && its >= *load))
            continue;
        *slot = at;
        *load = its;
        any = true;
    }
    return any;
}

bool lane_choose(struct worker *w, uint32_t *slot)
{
    enum lane_load load;
    bool any = best_lane(w, slot, &load);
    w->ctx.held_by = any && load == LANE_OVER ? *slot + 1 : 0;
    return any && load != LANE_OVER;
}

/* ---- what was sent and is not taken ---- */

static bool moving(const struct worker *w)
{
    return w->net->stopping && w->net->moving;
}

void lane_run_again(struct client *cl)
{
    if (cl->feed_at)
        lane_cancel(cl);
    cl->session->flags &= ~SESSION_F_LANE;
    cl->lane_exec = false;
    cl->lane_again = true;
    lane_feed_forget(cl);
    output_push_late(cl);
    if (!moving(cl->w)) {
        client_resume(cl);
        return;
    }
    client_wait(cl, WAIT_PARKED);
    handover_one(cl, 0);
}

/* Its lane has gone or is to go, or will not take it soon while another one would, or none ever. */
static bool waits_in_vain(const struct client *cl)
{
    const struct shm_slot *s = slot_at(cl->lane_slot);
    enum lane_load best, its = busy_lane(s, cl->w->cfg);
    uint32_t slot;
    if (!best_lane(cl->w, &slot, &best))
        return false;
    if (s->generation != cl->lane_generation || !lane_serves(s) || best == LANE_OVER)
        return true;
    uint64_t since = __atomic_load_n(&s->busy_since_ms, __ATOMIC_RELAXED);
    return best < its && since && (uint64_t)mono_ms() - since > SETTLED_MS;
}

/* True: the process that has taken it has gone. */
static bool gone(struct client *cl)
{
    const struct shm_slot *s = slot_at(cl->lane_slot);
    uint64_t ticket = __atomic_load_n(&cl->session->lane_ticket, __ATOMIC_ACQUIRE);
    if (ticket == cl->lane_serial)
        return false;
    if (ticket == lane_mark(s->generation))
        cl->lane_generation = s->generation; /* perhaps a replacement, which has found it in the ring */
    return s->generation != cl->lane_generation || s->state == SLOT_FREE;
}

static bool waits(const struct client *cl)
{
    return __atomic_load_n(&cl->session->lane_ticket, __ATOMIC_ACQUIRE) == cl->lane_serial;
}

/* What has been taken need not be kept; but a script may come back. */
static void drop_taken(struct client *cl)
{
    if (cl->feed_at > cl->feed_len && !cl->lane_script && !waits(cl))
        lane_feed_end(cl);
}

/* Who is to end cannot wait for a script: it comes back, as what nobody has taken does. */
static void take_back(struct client *cl)
{
    struct shm_session *s = cl->session;
    bool leaves = moving(cl->w);
    if (waits(cl) && (leaves || waits_in_vain(cl)) && lane_ticket_change(s, cl->lane_serial, 0))
        lane_run_again(cl);
    else if (leaves && cl->lane_script)
        lane_ticket_change(s, lane_mark(cl->lane_generation), lane_recalled(cl->lane_serial));
}

/* A client that writes its whole pipeline before it reads a reply waits for us to read, while its reply waits for it.
 * Such a one gets the reply put aside, whatever it takes, as any other reply is. */
static bool writes_first(const struct client *cl)
{
    int waits = 0;
    return cl->lane_owed && output_pending(cl) >= LANE_OUTPUT_ENOUGH && !ioctl(cl->fd, FIONREAD, &waits) &&
           waits >= WRITES_FIRST_BYTES;
}

bool lane_lost(struct worker *w)
{
    bool any = false;
    for (struct client *cl = w->net->clients; cl; cl = cl->next) {
        if (cl->wait != WAIT_LANE)
            continue;
        cl->lane_lost = gone(cl);
        any |= cl->lane_lost || waits(cl) || moving(w);
        cl->lane_hurry = cl->lane_hurry || writes_first(cl);
        lane_acknowledge(cl); /* where the ring was full, nothing else comes back to it */
        drop_taken(cl);
    }
    return any;
}

/* An error in the middle of a reply would be taken for a part of it. */
static void tell_lost(struct client *cl)
{
    static const char text[] =
        "-ERR the process that ran this command has ended; whether it took effect is not known\r\n";
    if (cl->lane_begun) {
        client_close(cl);
        return;
    }
    client_reply_late(cl, text, sizeof(text) - 1);
    if (!cl->closed)
        lane_finished(cl);
}

void lane_check(struct worker *w)
{
    for (struct client *cl = w->net->clients, *next; cl; cl = next) {
        next = cl->next;
        if (cl->wait != WAIT_LANE || cl->closed)
            continue;
        if (cl->lane_lost)
            tell_lost(cl);
        else
            take_back(cl);
    }
}
