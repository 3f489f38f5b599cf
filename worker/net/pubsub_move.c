#include "worker/net/pubsub_move.h"
#include "shm/base/log.h"

#include <stdlib.h>

/* Who has left: its subscriptions stay here, and belong to a shell of a client. */
struct ghost {
    struct client *shell;
    struct ghost *next;
    uint32_t session;
    uint64_t id;
    struct reply frames; /* what it would have been sent since */
    bool due;            /* they are to go to this slot: what comes from now on is the new worker's */
    uint32_t slot;
};

enum arrival_state {
    ARRIVAL_REGISTERS, /* the registry is to know that it is here */
    ARRIVAL_TURNS,     /* somebody may still send what he noted before that */
    ARRIVAL_MARKS,     /* our mark is on its way */
    ARRIVAL_BEHIND,    /* it has been seen; what comes now is kept behind what the old worker has */
};

struct arrival {
    struct client *client;
    struct arrival *next;
    uint32_t slot, generation; /* of the old worker */
    enum arrival_state state;
    struct reply behind;
};

struct moves {
    struct ghost *ghosts;
    struct arrival *arrivals;
    bool waits; /* for the turns of others, as they were then */
    uint64_t turn[SHM_SLOTS_MAX];
};

static struct moves *moves_of(struct worker *w)
{
    if (!w->net->moves)
        w->net->moves = calloc(1, sizeof(*w->net->moves));
    CHECK(w->net->moves);
    return w->net->moves;
}

/* ---- leaving ---- */

struct packed {
    uint32_t kind, len;
};

static void pack_one(void *arg, enum topic_kind kind, struct bytes name)
{
    struct packed p = {(uint32_t)kind, (uint32_t)name.n};
    reply_raw(arg, &p, sizeof(p));
    reply_raw(arg, name.p, name.n);
}

void moves_pack(const struct client *cl, struct reply *out)
{
    pubsub_each(cl, pack_one, out);
}

void moves_depart(struct client *cl)
{
    struct moves *m = moves_of(cl->w);
    struct ghost *g = calloc(1, sizeof(*g));
    struct client *shell = calloc(1, sizeof(*shell));
    CHECK(g && shell);
    *shell = (struct client){.w = cl->w, .session = cl->session, .ghost = g};
    *g = (struct ghost){
        .shell = shell, .next = m->ghosts, .session = session_index(cl->session), .id = cl->session->id};
    m->ghosts = g;
    pubsub_pass(cl, shell);
}

static void ghost_end(struct moves *m, struct ghost *g)
{
    struct ghost **at = &m->ghosts;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    pubsub_forget(g->shell);
    free(g->shell);
    reply_free(&g->frames);
    free(g);
}

bool moves_owed(const struct worker *w)
{
    return w->net->moves && w->net->moves->ghosts;
}

void moves_give_up(struct worker *w)
{
    while (moves_owed(w))
        ghost_end(w->net->moves, w->net->moves->ghosts);
}

/* ---- arriving ---- */

void moves_arrive(struct client *cl, struct bytes packed, uint32_t slot, uint32_t generation)
{
    struct moves *m = moves_of(cl->w);
    struct arrival *a = calloc(1, sizeof(*a));
    struct packed p;
    CHECK(a);
    *a = (struct arrival){.client = cl, .next = m->arrivals, .slot = slot, .generation = generation};
    m->arrivals = a;
    cl->arrival = a;
    for (const char *at = packed.p, *end = at + packed.n; at < end; at += p.len) {
        memcpy(&p, at, sizeof(p));
        at += sizeof(p);
        pubsub_subscribe(cl, (enum topic_kind)p.kind, (struct bytes){at, p.len});
    }
    client_wait(cl, WAIT_ARRIVAL);
}

void moves_forget(struct client *cl)
{
    struct arrival *a = cl->arrival, **at = a ? &cl->w->net->moves->arrivals : NULL;
    if (!a)
        return;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    cl->arrival = NULL;
    reply_free(&a->behind);
    free(a);
}

bool moves_catch(struct client *cl, const struct reply *frame)
{
    if (LIKELY(!cl->ghost && !cl->arrival))
        return false;
    if (cl->ghost && !cl->ghost->due)
        reply_raw(&cl->ghost->frames, frame->buf, frame->len);
    if (cl->arrival && cl->arrival->state == ARRIVAL_BEHIND)
        reply_raw(&cl->arrival->behind, frame->buf, frame->len);
    return true;
}

static struct arrival *arrival_of(const struct worker *w, uint64_t id)
{
    struct arrival *a = w->net->moves ? w->net->moves->arrivals : NULL;
    while (a && a->client->session->id != id)
        a = a->next;
    return a;
}

/* It has everything: first what it missed while it was nobody's. */
static void arrived(struct arrival *a, struct bytes missed)
{
    struct client *cl = a->client;
    struct reply behind = a->behind;
    a->behind = (struct reply){0};
    moves_forget(cl);
    if (missed.n)
        output_append(cl, missed.p, missed.n);
    if (!cl->closed && behind.len)
        output_append(cl, behind.buf, behind.len);
    reply_free(&behind);
    if (!cl->closed)
        client_wait(cl,
                    WAIT_PARKED); /* its commands run after the turn: more messages may stand before them */
}

/* ---- notes ---- */

static void on_mark(struct worker *w, const struct message *m)
{
    struct arrival *a = arrival_of(w, m->hash);
    if (a && a->state == ARRIVAL_MARKS) {
        a->state = ARRIVAL_BEHIND;
        pubsub_count_in(a->client);
    }
    for (struct ghost *g = w->net->moves ? w->net->moves->ghosts : NULL; g; g = g->next)
        if (g->id == m->hash) {
            g->due = true;
            memcpy(&g->slot, m->text.p, sizeof(g->slot));
        }
}

void moves_note(struct worker *w, const struct message *m)
{
    struct arrival *a;
    if ((uint32_t)m->kind == POST_MARK)
        on_mark(w, m);
    else if ((a = arrival_of(w, m->hash)) && a->state == ARRIVAL_BEHIND)
        arrived(a, m->text);
}

static void post_mark_of(struct worker *w, struct arrival *a)
{
    uint32_t self = w->ctx.id;
    struct message m = {.kind = (enum topic_kind)POST_MARK,
                        .hash = a->client->session->id,
                        .text = {(const char *)&self, sizeof(self)}};
    post_told(w, &m, (uint32_t[]){self, a->slot}, 2);
    a->state = ARRIVAL_MARKS;
}

/* ---- a turn ---- */

/* Those whose mark has come, and those whose client is no more. */
static bool step_ghosts(struct worker *w, struct moves *m)
{
    for (struct ghost *g = m->ghosts, *next; g; g = next) {
        const struct shm_session *s = session_at(g->session);
        uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
        next = g->next;
        if (g->due) {
            struct message frames = {
                .kind = (enum topic_kind)POST_FRAMES, .hash = g->id, .text = {g->frames.buf, g->frames.len}};
            post_told(w, &frames, &g->slot, 1);
        }
        if (g->due || s->id != g->id || state == SESSION_FREE || state == SESSION_CLOSING)
            ghost_end(m, g);
    }
    return m->ghosts;
}

static struct arrival *orphan(const struct moves *m)
{
    struct arrival *a = m->arrivals;
    while (a && slot_lives(slot_at(a->slot)) && slot_at(a->slot)->generation == a->generation)
        a = a->next;
    return a;
}

/* The old worker has gone. What it has said before that is here; if it has not said what it had there is a gap. */
static void close_orphans(struct worker *w, struct moves *m)
{
    struct arrival *a;
    if (LIKELY(!orphan(m)))
        return;
    post_receive(w);
    while (!inbox_waits(&w->ctx) && (a = orphan(m)))
        client_close(a->client);
}

/* All that was noted before we have been registered has been sent. */
static bool turns_over(const struct worker *w, const struct moves *m)
{
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        if (m->turn[i] & 1 && slot_lives(slot_at(i)) && post_turn(slot_at(i)) == m->turn[i])
            return false;
    return true;
}

static void turns_note(const struct worker *w, struct moves *m)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* who notes a message sees our registration, or is seen here */
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        m->turn[i] = post_turn(slot_at(i));
}

static void step_arrivals(struct worker *w, struct moves *m)
{
    bool new = false;
    close_orphans(w, m);
    bool over = m->waits && turns_over(w, m);
    for (struct arrival *a = m->arrivals; a; a = a->next) {
        if (over && a->state == ARRIVAL_TURNS)
            post_mark_of(w, a);
        new |= a->state == ARRIVAL_REGISTERS;
    }
    m->waits &= !over;
    if (m->waits || !new || pubsub_waits(w))
        return;
    turns_note(w, m);
    for (struct arrival *a = m->arrivals; a; a = a->next)
        if (a->state == ARRIVAL_REGISTERS)
            a->state = ARRIVAL_TURNS;
    m->waits = true;
}

bool moves_step(struct worker *w)
{
    struct moves *m = w->net->moves;
    if (LIKELY(!m) || (!m->ghosts && !m->arrivals))
        return false;
    step_arrivals(w, m);
    step_ghosts(w, m);
    return m->arrivals || m->ghosts;
}
