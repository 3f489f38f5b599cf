#include "worker/net/pubsub_move.h"
#include "shm/base/glob.h"
#include "shm/table.h"

#include <sched.h>
#include <stdlib.h>

#define TABLE_FIRST    16u
#define REGISTER_TRIES 100u /* of some 20 us: for a holder of the latch who is not running */

/* A channel or pattern of ours. It stays until the registry knows that nobody subscribes to it any more. */
struct topic {
    enum topic_kind kind;
    uint64_t hash;
    struct subscription *first; /* who */
    uint32_t n, registered_n;
    uint32_t quiet, registered_quiet; /* of them: arriving, and counted by their old worker */
    shm_ref registered;               /* 0: the registry does not know it */
    bool dirty;                       /* the registry is to be told something */
    struct topic *next, *next_dirty;
    struct topic *next_pattern, *prev_pattern;
    size_t len;
    char name[];
};

/* Stands in its topic's list and in its client's table. */
struct subscription {
    struct topic *topic;
    struct client *client;
    struct subscription *prev, *next;
    struct subscription *next_own;
    bool quiet; /* the client is arriving: see pubsub_move.h */
};

struct subscriptions {
    struct subscription **bucket; /* by topic */
    uint32_t mask, n;
    uint32_t kinds[TOPIC_KINDS];
    uint32_t cursor[TOPIC_KINDS]; /* no subscription of that kind stands in a bucket before it */
};

struct pubsub {
    struct topic **bucket;
    uint32_t mask, n;
    struct topic *patterns, *dirty;
    struct reply frame[2]; /* the message at hand, for RESP2 and RESP3 */
};

/* ---- topics ---- */

static struct bytes name_of(const struct topic *t)
{
    return (struct bytes){t->name, t->len};
}

static struct pubsub *pubsub_of(struct worker *w)
{
    struct pubsub *p = w->net->pubsub;
    if (p)
        return p;
    p = w->net->pubsub = calloc(1, sizeof(*p));
    CHECK(p);
    p->mask = TABLE_FIRST - 1;
    p->bucket = calloc(TABLE_FIRST, sizeof(*p->bucket));
    CHECK(p->bucket);
    return p;
}

static struct topic *topic_find(const struct pubsub *p, enum topic_kind kind, struct bytes name,
                                uint64_t hash)
{
    struct topic *t = p->bucket[(hash + kind) & p->mask];
    while (t && !(t->hash == hash && t->kind == kind && bytes_equal(name_of(t), name)))
        t = t->next;
    return t;
}

static void topics_grow(struct pubsub *p)
{
    uint32_t mask = p->mask * 2 + 1;
    struct topic **bucket = calloc(mask + 1ull, sizeof(*bucket));
    CHECK(bucket);
    for (uint32_t i = 0; i <= p->mask; i++)
        for (struct topic *t = p->bucket[i], *next; t; t = next) {
            next = t->next;
            t->next = bucket[(t->hash + t->kind) & mask];
            bucket[(t->hash + t->kind) & mask] = t;
        }
    free(p->bucket);
    p->bucket = bucket;
    p->mask = mask;
}

static struct topic *topic_make(struct pubsub *p, enum topic_kind kind, struct bytes name, uint64_t hash)
{
    struct topic *t = calloc(1, sizeof(*t) + name.n);
    CHECK(t);
    if (p->n++ > p->mask)
        topics_grow(p);
    t->kind = kind;
    t->hash = hash;
    t->len = name.n;
    memcpy(t->name, name.p, name.n);
    struct topic **at = &p->bucket[(hash + kind) & p->mask];
    t->next = *at;
    *at = t;
    if (kind == TOPIC_PATTERN) {
        t->next_pattern = p->patterns;
        if (p->patterns)
            p->patterns->prev_pattern = t;
        p->patterns = t;
    }
    return t;
}

static void topic_free(struct pubsub *p, struct topic *t)
{
    struct topic **at = &p->bucket[(t->hash + t->kind) & p->mask];
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (t->next_pattern)
        t->next_pattern->prev_pattern = t->prev_pattern;
    if (t->prev_pattern)
        t->prev_pattern->next_pattern = t->next_pattern;
    else if (p->patterns == t)
        p->patterns = t->next_pattern;
    p->n--;
    free(t);
}

static void topic_dirty(struct pubsub *p, struct topic *t)
{
    if (t->dirty)
        return;
    t->dirty = true;
    t->next_dirty = p->dirty;
    p->dirty = t;
}

/* ---- a client's subscriptions ---- */

static uint32_t place_of(const struct topic *t, uint32_t mask)
{
    return (uint32_t)(t->hash + t->kind) & mask;
}

static struct subscription **own_find(const struct client *cl, const struct topic *t)
{
    struct subscription **at = &cl->subs->bucket[place_of(t, cl->subs->mask)];
    while (*at && (*at)->topic != t)
        at = &(*at)->next_own;
    return at;
}

static void own_make(struct client *cl)
{
    struct subscriptions *s = cl->subs = calloc(1, sizeof(*s));
    CHECK(s);
    s->mask = 3;
    s->bucket = calloc(4, sizeof(*s->bucket));
    CHECK(s->bucket);
    __atomic_or_fetch(&cl->session->flags, SESSION_F_PUBSUB, __ATOMIC_RELAXED);
}

static void own_grow(struct subscriptions *s)
{
    uint32_t mask = s->mask * 2 + 1;
    struct subscription **bucket = calloc(mask + 1ull, sizeof(*bucket));
    CHECK(bucket);
    for (uint32_t i = 0; i <= s->mask; i++)
        for (struct subscription *b = s->bucket[i], *next; b; b = next) {
            next = b->next_own;
            b->next_own = bucket[place_of(b->topic, mask)];
            bucket[place_of(b->topic, mask)] = b;
        }
    free(s->bucket);
    s->bucket = bucket;
    s->mask = mask;
    memset(s->cursor, 0, sizeof(s->cursor));
}

static void own_count(struct client *cl, enum topic_kind kind, int32_t delta)
{
    struct subscriptions *s = cl->subs;
    s->n += (uint32_t)delta;
    s->kinds[kind] += (uint32_t)delta;
    if (!cl->ghost) /* whose session is another worker's */
        cl->session->subs[kind] = s->kinds[kind];
    if (s->n)
        return;
    free(s->bucket);
    free(s);
    cl->subs = NULL;
    if (!cl->ghost)
        __atomic_and_fetch(&cl->session->flags, ~SESSION_F_PUBSUB, __ATOMIC_RELAXED);
}

bool pubsub_subscribe(struct client *cl, enum topic_kind kind, struct bytes name)
{
    struct pubsub *p = pubsub_of(cl->w);
    uint64_t hash = key_hash(cl->w->ctx.root, name);
    struct topic *t = topic_find(p, kind, name, hash);
    if (t && cl->subs && *own_find(cl, t))
        return false;
    if (!t)
        t = topic_make(p, kind, name, hash);
    if (!cl->subs)
        own_make(cl);
    else if (cl->subs->n > cl->subs->mask)
        own_grow(cl->subs);
    struct subscription *b = malloc(sizeof(*b)), **own = &cl->subs->bucket[place_of(t, cl->subs->mask)];
    CHECK(b);
    *b = (struct subscription){
        .topic = t, .client = cl, .next = t->first, .next_own = *own, .quiet = cl->arrival != NULL};
    if (t->first)
        t->first->prev = b;
    t->first = b;
    *own = b;
    if (place_of(t, cl->subs->mask) < cl->subs->cursor[kind])
        cl->subs->cursor[kind] = place_of(t, cl->subs->mask);
    t->n++;
    t->quiet += cl->arrival != NULL;
    topic_dirty(p, t);
    own_count(cl, kind, 1);
    return true;
}

static void subscription_end(struct subscription **own)
{
    struct subscription *b = *own;
    struct topic *t = b->topic;
    *own = b->next_own;
    if (b->next)
        b->next->prev = b->prev;
    if (b->prev)
        b->prev->next = b->next;
    else
        t->first = b->next;
    t->n--;
    t->quiet -= b->quiet;
    topic_dirty(b->client->w->net->pubsub, t);
    own_count(b->client, t->kind, -1);
    free(b);
}

bool pubsub_unsubscribe(struct client *cl, enum topic_kind kind, struct bytes name)
{
    if (!cl->subs)
        return false;
    struct topic *t = topic_find(cl->w->net->pubsub, kind, name, key_hash(cl->w->ctx.root, name));
    struct subscription **own = t ? own_find(cl, t) : NULL;
    if (!own || !*own)
        return false;
    subscription_end(own);
    return true;
}

bool pubsub_any(const struct client *cl, enum topic_kind kind, struct bytes *name)
{
    struct subscriptions *s = cl->subs;
    if (!s || !s->kinds[kind])
        return false;
    for (uint32_t *i = &s->cursor[kind]; *i <= s->mask; ++*i)
        for (const struct subscription *b = s->bucket[*i]; b; b = b->next_own)
            if (b->topic->kind == kind) {
                *name = name_of(b->topic);
                return true;
            }
    return false;
}

void pubsub_forget(struct client *cl)
{
    for (uint32_t i = 0; cl->subs;)
        if (cl->subs->bucket[i])
            subscription_end(&cl->subs->bucket[i]);
        else
            i++;
}

void pubsub_each(const struct client *cl, void (*fn)(void *arg, enum topic_kind kind, struct bytes name),
                 void *arg)
{
    for (uint32_t i = 0; cl->subs && i <= cl->subs->mask; i++)
        for (const struct subscription *b = cl->subs->bucket[i]; b; b = b->next_own)
            fn(arg, b->topic->kind, name_of(b->topic));
}

void pubsub_pass(struct client *from, struct client *to)
{
    to->subs = from->subs;
    from->subs = NULL;
    for (uint32_t i = 0; to->subs && i <= to->subs->mask; i++)
        for (struct subscription *b = to->subs->bucket[i]; b; b = b->next_own)
            b->client = to;
}

static void topic_tell_count(struct topic *t)
{
    uint32_t n = t->n - t->quiet;
    if (t->registered_n != n || t->registered_quiet != t->quiet)
        registry_count(t->registered, n, t->quiet);
    t->registered_n = n;
    t->registered_quiet = t->quiet;
}

/* At once: its old worker counts it no more. */
void pubsub_count_in(struct client *cl)
{
    for (uint32_t i = 0; cl->subs && i <= cl->subs->mask; i++)
        for (struct subscription *b = cl->subs->bucket[i]; b; b = b->next_own) {
            b->topic->quiet -= b->quiet;
            b->quiet = false;
            topic_tell_count(b->topic);
        }
}

uint32_t pubsub_count(const struct client *cl, enum topic_kind kind)
{
    const struct subscriptions *s = cl->subs;
    if (!s)
        return 0;
    return kind == TOPIC_SHARD ? s->kinds[TOPIC_SHARD] : s->kinds[TOPIC_CHANNEL] + s->kinds[TOPIC_PATTERN];
}

/* ---- messages ---- */

uint64_t pubsub_local(const struct worker *w, const struct message *m, bool *any)
{
    const struct pubsub *p = w->net ? w->net->pubsub : NULL;
    *any = false;
    if (!p || !p->n)
        return 0;
    const struct topic *t = topic_find(p, m->kind, m->channel, m->hash);
    uint64_t n = t ? t->n - t->quiet : 0;
    *any = t && t->n;
    for (t = m->kind == TOPIC_CHANNEL ? p->patterns : NULL; t; t = t->next_pattern)
        if (t->n && glob_match(name_of(t), m->channel, false)) {
            n += t->n - t->quiet;
            *any = true;
        }
    return n;
}

static void frame_write(struct reply *r, const struct topic *t, const struct message *m)
{
    static const char *const words[] = {"message", "smessage", "pmessage"};
    r->len = 0;
    reply_push(r, t->kind == TOPIC_PATTERN ? 4 : 3);
    reply_bulk_str(r, words[t->kind]);
    if (t->kind == TOPIC_PATTERN)
        reply_bulk(r, t->name, t->len);
    reply_bulk(r, m->channel.p, m->channel.n);
    reply_bulk(r, m->text.p, m->text.n);
}

/* Who is being served gets it between the replies, everybody else behind what it has. */
static void give(struct worker *w, struct client *cl, const struct reply *frame, bool late)
{
    struct reply *behind = w->net->behind_reply;
    if (UNLIKELY(moves_catch(cl, frame)))
        return;
    if (cl == w->net->running && !cl->closed && late && behind) {
        reply_raw(behind, frame->buf, frame->len);
    } else if (cl == w->net->running && !cl->closed) {
        reply_raw(&w->out, frame->buf, frame->len);
        w->pushed = w->out.len;
    } else {
        output_push(cl, frame->buf, frame->len);
    }
}

/* A client may be closed by what it is given, which ends its own subscriptions and no other. */
static void topic_deliver(struct worker *w, struct topic *t, const struct message *m)
{
    struct pubsub *p = w->net->pubsub;
    bool written[2] = {false, false};
    for (struct subscription *b = t->first, *next; b; b = next) {
        next = b->next;
        unsigned v = b->client->session->resp == 3;
        p->frame[v].resp = v ? 3 : 2;
        if (!written[v])
            frame_write(&p->frame[v], t, m);
        written[v] = true;
        give(w, b->client, &p->frame[v], m->late);
    }
}

#define FRAME_KEEP_BYTES (256u << 10)

void pubsub_deliver(struct worker *w, const struct message *m)
{
    struct pubsub *p = w->net->pubsub;
    if (!p)
        return;
    struct topic *t = topic_find(p, m->kind, m->channel, m->hash);
    if (t)
        topic_deliver(w, t, m);
    for (t = m->kind == TOPIC_CHANNEL ? p->patterns : NULL; t; t = t->next_pattern)
        if (t->n && glob_match(name_of(t), m->channel, false))
            topic_deliver(w, t, m);
    for (unsigned v = 0; v < 2; v++)
        if (p->frame[v].cap > FRAME_KEEP_BYTES)
            reply_free(&p->frame[v]);
}

/* ---- the registry ---- */

static enum rc topic_register(struct worker *w, struct topic *t)
{
    enum rc rc = RC_BUSY;
    for (unsigned i = 0; rc == RC_BUSY && i < REGISTER_TRIES; i++) {
        rc = registry_add(&w->ctx, t->kind, name_of(t), t->hash, t->n - t->quiet, t->quiet, &t->registered);
        if (rc == RC_BUSY)
            sched_yield();
    }
    t->registered_n = t->n - t->quiet;
    t->registered_quiet = t->quiet;
    return rc;
}

/* They think that they have subscribed, and nobody else knows. */
static void close_subscribers(struct topic *t)
{
    while (t->first && !t->first->client->ghost) /* a ghost's topics have been registered before it left */
        client_close(t->first->client);
}

/* True: the registry knows all of it; t may be gone. */
static bool topic_sync(struct worker *w, struct topic *t)
{
    if (t->n && !t->registered && topic_register(w, t))
        close_subscribers(t);
    if (t->n) {
        topic_tell_count(t);
        t->dirty = false;
        return true;
    }
    if (t->registered) {
        registry_count(t->registered, 0, 0);
        t->registered_n = t->registered_quiet = 0;
        if (registry_remove(&w->ctx, t->registered))
            return false;
    }
    topic_free(w->net->pubsub, t);
    return true;
}

bool pubsub_waits(const struct worker *w)
{
    return w->net && w->net->pubsub && w->net->pubsub->dirty;
}

bool pubsub_sync(struct worker *w)
{
    struct pubsub *p = w->net->pubsub;
    struct topic *again = NULL;
    if (LIKELY(!p) || !p->dirty)
        return true;
    while (p->dirty) {
        struct topic *t = p->dirty;
        p->dirty = t->next_dirty;
        if (topic_sync(w, t))
            continue;
        t->next_dirty = again;
        again = t;
    }
    p->dirty = again;
    return !again;
}
