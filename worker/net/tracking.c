#include "worker/net/tracking.h"
#include "shm/base/log.h"
#include "worker/dispatch/multi.h"

#include <sched.h>
#include <stdlib.h>

#define CHANNEL      "__redis__:invalidate"
#define ARRIVE_TRIES 2000u /* to enter a batch: whoever has closed the gate is done within milliseconds */

/* A key that has changed, and by whom; 0: not by one client alone. */
struct pending {
    uint64_t author;
    size_t at, len; /* in the prefix's text */
};

struct prefix {
    struct prefix *next; /* by name */
    struct client **client;
    unsigned nclients, cap, joining;
    struct pending *pending;
    size_t npending, pending_cap;
    struct reply text;
    size_t len;
    char name[];
};

struct bytes prefix_name(const struct prefix *p)
{
    return (struct bytes){p->name, p->len};
}

static int compare(struct bytes a, struct bytes b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* ---- prefixes ---- */

static struct prefix **prefix_find(const struct net *net, struct bytes name, bool *found)
{
    struct prefix **at = (struct prefix **)&net->prefixes;
    while (*at && compare(prefix_name(*at), name) < 0)
        at = &(*at)->next;
    *found = *at && compare(prefix_name(*at), name) == 0;
    return at;
}

static struct prefix *prefix_get(struct net *net, struct bytes name)
{
    bool found;
    struct prefix **at = prefix_find(net, name, &found);
    if (found)
        return *at;
    struct prefix *p = calloc(1, sizeof(*p) + name.n);
    CHECK(p);
    p->next = *at;
    p->len = name.n;
    bytes_copy(p->name, name.p, name.n);
    *at = p;
    net->prefixes_new = true;
    return p;
}

static void prefix_free(struct prefix *p)
{
    free(p->client);
    free(p->pending);
    reply_free(&p->text);
    free(p);
}

/* Those without clients go here alone: a client may end while its prefix is being told of. */
static void prefixes_sweep(struct net *net)
{
    for (struct prefix **at = &net->prefixes; *at;) {
        struct prefix *p = *at;
        if (p->nclients || p->joining) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        net->prefixes_new = true;
        prefix_free(p);
    }
}

static enum rc prefixes_publish(struct worker *w)
{
    struct reply packed = {0};
    uint32_t n = 0;
    prefixes_sweep(w->net);
    if (!w->net->prefixes_new)
        return RC_OK;
    for (const struct prefix *p = w->net->prefixes; p; p = p->next, n++) {
        uint32_t len = (uint32_t)p->len;
        reply_raw(&packed, &len, sizeof(len));
        reply_raw(&packed, p->name, p->len);
    }
    enum rc rc = track_prefixes(&w->ctx, (struct bytes){packed.buf, packed.len}, n);
    reply_free(&packed);
    w->net->prefixes_new = rc != RC_OK;
    return rc;
}

static void client_joins(struct client *cl, struct prefix *p)
{
    struct track *t = cl->track;
    if (p->nclients == p->cap) {
        p->cap = p->cap * 2 + 1;
        p->client = realloc(p->client, p->cap * sizeof(struct client *));
        CHECK(p->client);
    }
    p->client[p->nclients++] = cl;
    unsigned at = t->nprefixes++;
    t->prefix = realloc(t->prefix, t->nprefixes * sizeof(struct prefix *));
    CHECK(t->prefix);
    for (; at && compare(prefix_name(t->prefix[at - 1]), prefix_name(p)) > 0; at--)
        t->prefix[at] = t->prefix[at - 1];
    t->prefix[at] = p;
}

/* The last one takes its place: whoever goes through them from the end meets each of the others once. */
static void client_leaves(struct client *cl, struct prefix *p)
{
    for (unsigned i = 0; i < p->nclients; i++)
        if (p->client[i] == cl) {
            p->client[i] = p->client[--p->nclients];
            break;
        }
    if (!p->nclients)
        cl->w->net->prefixes_new = true;
}

/* ---- a client ---- */

static void show_flags(const struct client *cl)
{
    struct shm_session *s = cl->session;
    const struct track *t = cl->track;
    uint32_t f = t ? t->flags : 0, shown = t ? SESSION_F_TRACKING : 0;
    shown |= (f & TRACK_BCAST ? SESSION_F_BCAST : 0) | (f & TRACK_LOST ? SESSION_F_REDIR_LOST : 0);
    s->redirect = t ? t->redirect : 0;
    __atomic_and_fetch(&s->flags, ~(SESSION_F_TRACKING | SESSION_F_BCAST | SESSION_F_REDIR_LOST),
                       __ATOMIC_RELAXED);
    __atomic_or_fetch(&s->flags, shown, __ATOMIC_RELAXED);
}

static void track_make(struct client *cl)
{
    struct worker *w = cl->w;
    cl->track = calloc(1, sizeof(*cl->track));
    CHECK(cl->track);
    track_use(w->ctx.root);
    if (!w->ctx.slot->tracking_clients++ && !tracked_any(w))
        w->net->track_epoch = track_epoch(w->ctx.root);
}

void tracking_stop(struct client *cl)
{
    struct track *t = cl->track;
    if (!t)
        return;
    for (unsigned i = 0; i < t->nprefixes; i++)
        client_leaves(cl, t->prefix[i]);
    free(t->prefix);
    free(t);
    cl->track = NULL;
    cl->w->ctx.slot->tracking_clients--;
    show_flags(cl);
}

static bool has_joined(const struct client *cl, const struct prefix *p)
{
    for (unsigned i = 0; cl->track && i < cl->track->nprefixes; i++)
        if (cl->track->prefix[i] == p)
            return true;
    return false;
}

/* Prefixes are known to everybody before the reply says so. */
static enum rc join_all(struct client *cl, const struct bytes *prefix, unsigned n)
{
    struct prefix **joined = calloc(n + 1, sizeof(struct prefix *));
    CHECK(joined);
    for (unsigned i = 0; i < n; i++) {
        joined[i] = prefix_get(cl->w->net, prefix[i]);
        joined[i]->joining++;
    }
    enum rc rc = prefixes_publish(cl->w);
    for (unsigned i = 0; i < n; i++) {
        joined[i]->joining--;
        if (!rc && !has_joined(cl, joined[i]))
            client_joins(cl, joined[i]);
    }
    free(joined);
    return rc;
}

enum rc tracking_start(struct client *cl, uint32_t flags, uint64_t redirect, const struct bytes *prefix,
                       unsigned n)
{
    static const struct bytes everything = {"", 0};
    bool made = !cl->track;
    if (flags & TRACK_BCAST && !n)
        prefix = &everything, n = 1;
    if (made)
        track_make(cl);
    enum rc rc = n ? join_all(cl, prefix, n) : RC_OK;
    if (rc) {
        if (made)
            tracking_stop(cl);
        return rc;
    }
    cl->track->flags = flags;
    cl->track->redirect = redirect;
    cl->track->redirect_session = 0;
    show_flags(cl);
    return RC_OK;
}

/* CLIENT CACHING is for the next command that is none of CLIENT's, or for the transaction that it begins. */
void tracking_command_over(struct client *cl, const struct command *cmd)
{
    bool client_command = cmd && cmd->parent && !strcmp(cmd->parent, "client");
    if (!client_command && !(cl->multi && cl->multi->open))
        cl->track->flags &= ~TRACK_CACHING;
}

/* ---- telling ---- */

static void put_payload(struct reply *r, struct bytes payload)
{
    if (payload.n)
        reply_raw(r, payload.p, payload.n);
    else
        reply_null(r);
}

/* In RESP2 there is no way but as a message, to a subscriber: of whatever channel, as with Redis. */
static void push(struct client *cl, struct bytes payload)
{
    struct reply r = {.resp = cl->session->resp};
    if (cl->session->resp == 3) {
        reply_push(&r, 2);
        reply_bulk_str(&r, "invalidate");
        put_payload(&r, payload);
    } else if (cl->subs) {
        reply_array(&r, 3);
        reply_bulk_str(&r, "message");
        reply_bulk(&r, CHANNEL, sizeof(CHANNEL) - 1);
        put_payload(&r, payload);
    }
    output_push(cl, r.buf, r.len);
    reply_free(&r);
}

static void push_lost(struct client *cl)
{
    struct reply r = {.resp = 3};
    cl->track->flags |= TRACK_LOST;
    show_flags(cl);
    if (cl->session->resp != 3)
        return;
    reply_push(&r, 2);
    reply_bulk_str(&r, "tracking-redir-broken");
    reply_int(&r, (long long)cl->track->redirect);
    output_push(cl, r.buf, r.len);
    reply_free(&r);
}

static struct shm_session *redirected(struct track *t)
{
    struct shm_session *s = session_at(t->redirect_session);
    if (session_is(s, t->redirect))
        return s;
    s = session_by_id(t->redirect);
    if (s)
        t->redirect_session = session_index(s);
    return s;
}

void tracking_tell(struct client *cl, struct bytes payload)
{
    struct worker *w = cl->w;
    if (!cl->track->redirect) {
        push(cl, payload);
        return;
    }
    struct shm_session *s = redirected(cl->track);
    struct client *to = s ? w->net->by_session[session_index(s)] : NULL;
    if (!s)
        push_lost(cl);
    else if (to && to->session->id == cl->track->redirect)
        push(to, payload);
    else
        change_relay(w, session_index(s), cl->track->redirect, payload);
}

void tracking_relay(struct worker *w, struct bytes who, struct bytes payload)
{
    uint64_t of[2];
    memcpy(of, who.p, sizeof(of));
    struct client *cl = w->net->by_session[of[0]];
    if (cl && cl->session->id == of[1])
        push(cl, payload);
    else /* it has left us meanwhile */
        change_relay(w, (uint32_t)of[0], of[1], payload);
}

/* ---- changes ---- */

static void pend(struct prefix *p, const struct change *c)
{
    if (p->npending == p->pending_cap) {
        p->pending_cap = p->pending_cap * 2 + 8;
        p->pending = realloc(p->pending, p->pending_cap * sizeof(*p->pending));
        CHECK(p->pending);
    }
    p->pending[p->npending] =
        (struct pending){.author = c->expired ? 0 : c->author, .at = p->text.len, .len = c->key.n};
    p->npending++;
    reply_raw(&p->text, c->key.p, c->key.n);
}

void tracking_changed(struct worker *w, const struct change *c)
{
    tracked_changed(w, c);
    for (struct prefix *p = w->net->prefixes; p; p = p->next)
        if (p->nclients && p->len <= c->key.n && memcmp(p->name, c->key.p, p->len) == 0) {
            w->net->prefixes_pend = true;
            pend(p, c);
        }
}

static const char *sorted_text; /* of the prefix that is being sorted */
static int by_key(const void *a, const void *b)
{
    const struct pending *x = a, *y = b;
    return compare((struct bytes){sorted_text + x->at, x->len}, (struct bytes){sorted_text + y->at, y->len});
}

/* Each key once. Whose change was the last one is not known, since others' come by letters behind the commits: so of several
 * who have changed a key nobody is spared being told. */
static void pending_sort(struct prefix *p)
{
    size_t n = 0;
    sorted_text = p->text.buf;
    qsort(p->pending, p->npending, sizeof(*p->pending), by_key);
    for (size_t i = 0; i < p->npending; i++) {
        struct pending *x = &p->pending[i], *next = x + 1;
        bool last = i + 1 == p->npending || compare((struct bytes){sorted_text + x->at, x->len},
                                                    (struct bytes){sorted_text + next->at, next->len}) != 0;
        if (!last && next->author != x->author)
            next->author = 0;
        if (last)
            p->pending[n++] = *x;
    }
    p->npending = n;
}

/* The keys that others than this client have changed; all for 0. */
static struct bytes pending_payload(const struct prefix *p, uint64_t but)
{
    struct reply r = {.resp = 3};
    size_t n = 0;
    for (size_t i = 0; i < p->npending; i++)
        n += !but || p->pending[i].author != but;
    if (!n)
        return (struct bytes){NULL, 0};
    reply_array(&r, n);
    for (size_t i = 0; i < p->npending; i++)
        if (!but || p->pending[i].author != but)
            reply_bulk(&r, p->text.buf + p->pending[i].at, p->pending[i].len);
    return (struct bytes){r.buf, r.len};
}

static void prefix_tell(struct prefix *p)
{
    pending_sort(p);
    struct bytes all = pending_payload(p, 0);
    for (unsigned i = p->nclients; i--;) {
        struct client *cl = p->client[i];
        bool some = cl->track->flags & TRACK_NOLOOP;
        struct bytes payload = some ? pending_payload(p, cl->session->id) : all;
        if (payload.n)
            tracking_tell(cl, payload);
        if (some)
            free((char *)payload.p);
        i = i < p->nclients ? i : p->nclients; /* some have been closed by it */
    }
    free((char *)all.p);
    p->npending = 0;
    reply_free(&p->text);
}

/* ---- the end of a turn ---- */

/* Keys are remembered also of clients that track no more: they may begin again, and then hear of them. */
static bool behind(const struct worker *w)
{
    return (w->ctx.slot->tracking_clients || tracked_any(w)) &&
           track_epoch(w->ctx.root) != w->net->track_epoch;
}

/* Something has happened that names no key: FLUSHALL, SWAPDB, the death of a process. */
static void follow_epoch(struct worker *w)
{
    if (!behind(w))
        return;
    w->net->track_epoch = track_epoch(w->ctx.root);
    tracked_clear(w);
    for (struct client *cl = w->net->clients, *next; cl; cl = next) {
        next = cl->next;
        if (cl->track)
            tracking_tell(cl, (struct bytes){NULL, 0});
    }
}

bool tracking_waits(const struct worker *w)
{
    const struct net *net = w->net;
    return net &&
           (net->prefixes_pend || net->prefixes_new || behind(w) || tracked_over_limit((struct worker *)w));
}

void tracking_turn(struct worker *w)
{
    tracked_limit(w);
    tracking_follow(w);
}

void tracking_follow(struct worker *w)
{
    follow_epoch(w);
    if (!w->net->prefixes_pend)
        return;
    w->net->prefixes_pend = false;
    for (struct prefix *p = w->net->prefixes; p; p = p->next)
        if (p->npending)
            prefix_tell(p);
}

bool tracking_sync(struct worker *w)
{
    return !w->net->prefixes_new || !prefixes_publish(w);
}

/* ---- handover ---- */

struct packed {
    uint64_t redirect;
    uint32_t flags, nprefixes;
};

void tracking_pack(const struct client *cl, struct reply *out)
{
    const struct track *t = cl->track;
    struct packed p = {t->redirect, t->flags, t->nprefixes};
    reply_raw(out, &p, sizeof(p));
    for (unsigned i = 0; i < t->nprefixes; i++) {
        reply_raw(out, &t->prefix[i]->len, sizeof(t->prefix[i]->len));
        reply_raw(out, t->prefix[i]->name, t->prefix[i]->len);
    }
}

static enum rc start_in_batch(struct client *cl, const struct packed *p, const struct bytes *prefix)
{
    enum rc rc = RC_BUSY;
    for (unsigned i = 0; rc == RC_BUSY && i < ARRIVE_TRIES; i++) {
        if (batch_enter(&cl->w->ctx)) {
            rc = tracking_start(cl, p->flags, p->redirect, prefix, p->nprefixes);
            batch_leave(&cl->w->ctx);
        }
        if (rc == RC_BUSY)
            sched_yield();
    }
    return rc;
}

/* What it has read is not remembered here, and what has changed on its way nobody has told it. */
bool tracking_arrive(struct client *cl, struct bytes packed)
{
    struct packed p;
    memcpy(&p, packed.p, sizeof(p));
    const char *at = packed.p + sizeof(p);
    struct bytes *prefix = calloc(p.nprefixes + 1, sizeof(*prefix));
    CHECK(prefix);
    for (uint32_t i = 0; i < p.nprefixes; i++) {
        memcpy(&prefix[i].n, at, sizeof(prefix[i].n));
        prefix[i].p = at + sizeof(prefix[i].n);
        at = prefix[i].p + prefix[i].n;
    }
    enum rc rc = start_in_batch(cl, &p, prefix);
    free(prefix);
    if (!rc)
        tracking_tell(cl, (struct bytes){NULL, 0});
    return !rc;
}
