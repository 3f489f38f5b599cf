/* Which of our clients have read which key. An entry goes with the first change: whoever reads the key again is
 * remembered again. Clients that have gone, or track no more, stay in their entries until then. */
#include "worker/net/tracking.h"
#include "shm/config.h"

#include <stdlib.h>

#define KEYS_INLINE  16
#define LIMIT_EFFORT 100u /* keys that go in a turn in which there are too many, more in each further one */

struct holder {
    uint64_t id;
    uint32_t session, spare;
};

struct tracked {
    struct tracked *next;
    uint64_t hash;
    struct holder *holder; /* by id */
    uint32_t n, cap;
    size_t len;
    char key[];
};

/* At most as many buckets as there are marks: then all keys that share a mark stand in one bucket. */
struct tracked_keys {
    struct tracked **bucket;
    uint64_t mask, n, items;
    uint64_t walk; /* where keys beyond the limit are looked for */
    unsigned tries;
};

static struct tracked_keys *keys_of(struct worker *w)
{
    struct tracked_keys *t = w->net->tracked;
    if (t)
        return t;
    t = w->net->tracked = calloc(1, sizeof(*t));
    CHECK(t);
    t->mask = 63;
    t->bucket = calloc(t->mask + 1, sizeof(*t->bucket));
    CHECK(t->bucket);
    return t;
}

static void publish(struct worker *w)
{
    w->ctx.slot->tracked_keys = w->net->tracked->n;
    w->ctx.slot->tracked_items = w->net->tracked->items;
}

static struct tracked **find(const struct tracked_keys *t, struct bytes key, uint64_t hash)
{
    struct tracked **at = &t->bucket[hash & t->mask];
    while (*at && !((*at)->hash == hash && bytes_equal((struct bytes){(*at)->key, (*at)->len}, key)))
        at = &(*at)->next;
    return at;
}

static void grow(struct tracked_keys *t)
{
    uint64_t mask = t->mask * 2 + 1;
    struct tracked **bucket = calloc(mask + 1, sizeof(*bucket));
    CHECK(bucket);
    for (uint64_t i = 0; i <= t->mask; i++)
        for (struct tracked *e = t->bucket[i], *next; e; e = next) {
            next = e->next;
            e->next = bucket[e->hash & mask];
            bucket[e->hash & mask] = e;
        }
    free(t->bucket);
    t->bucket = bucket;
    t->mask = mask;
}

static struct tracked *tracked_make(struct tracked_keys *t, struct bytes key, uint64_t hash)
{
    if (t->n > t->mask && t->mask + 1 < TRACK_MARKS)
        grow(t);
    struct tracked *e = malloc(sizeof(*e) + key.n);
    CHECK(e);
    *e = (struct tracked){.next = t->bucket[hash & t->mask], .hash = hash, .len = key.n};
    bytes_copy(e->key, key.p, key.n);
    t->bucket[hash & t->mask] = e;
    t->n++;
    return e;
}

/* ---- holders ---- */

static struct client *client_of(const struct worker *w, const struct holder *h)
{
    struct client *cl = w->net->by_session[h->session];
    return cl && cl->session->id == h->id ? cl : NULL;
}

static uint32_t holder_place(const struct tracked *e, uint64_t id)
{
    uint32_t lo = 0, hi = e->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (e->holder[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Room for one more. Those who have gone make it first. */
static void holders_room(const struct worker *w, struct tracked_keys *t, struct tracked *e)
{
    uint32_t kept = 0;
    if (e->n < e->cap)
        return;
    for (uint32_t i = 0; i < e->n; i++)
        if (client_of(w, &e->holder[i]))
            e->holder[kept++] = e->holder[i];
    t->items -= e->n - kept;
    e->n = kept;
    if (kept && kept <= e->cap / 2)
        return;
    e->cap = e->cap ? e->cap * 2 : 1;
    e->holder = realloc(e->holder, e->cap * sizeof(*e->holder));
    CHECK(e->holder);
}

void tracked_add(struct worker *w, uint64_t id, uint32_t session, struct bytes key, uint64_t hash)
{
    struct tracked_keys *t = keys_of(w);
    struct tracked *e = *find(t, key, hash);
    if (!e)
        e = tracked_make(t, key, hash);
    uint32_t at = holder_place(e, id);
    if (at < e->n && e->holder[at].id == id)
        return;
    holders_room(w, t, e);
    at = holder_place(e, id);
    memmove(e->holder + at + 1, e->holder + at, (e->n - at) * sizeof(*e->holder));
    e->holder[at] = (struct holder){.id = id, .session = session};
    e->n++;
    t->items++;
    publish(w);
}

/* ---- changes ---- */

static void tell_holders(struct worker *w, const struct tracked *e, uint64_t author)
{
    struct reply payload = {.resp = 3};
    reply_array(&payload, 1);
    reply_bulk(&payload, e->key, e->len);
    for (uint32_t i = 0; i < e->n; i++) {
        struct client *cl = client_of(w, &e->holder[i]);
        if (!cl || !cl->track || cl->track->flags & TRACK_BCAST)
            continue;
        if (!(cl->track->flags & TRACK_NOLOOP && e->holder[i].id == author))
            tracking_tell(cl, (struct bytes){payload.buf, payload.len});
    }
    reply_free(&payload);
}

static void tracked_free(struct tracked_keys *t, struct tracked *e)
{
    t->n--;
    t->items -= e->n;
    free(e->holder);
    free(e);
}

/* Out of the table first: who is told may be closed by it. */
static void tracked_go(struct worker *w, struct tracked **at, uint64_t author)
{
    struct tracked *e = *at;
    *at = e->next;
    tell_holders(w, e, author);
    tracked_free(w->net->tracked, e);
    publish(w);
}

void tracked_changed(struct worker *w, const struct change *c)
{
    struct tracked **at = w->net->tracked ? find(w->net->tracked, c->key, c->hash) : NULL;
    if (at && *at)
        tracked_go(w, at, c->author);
}

void tracked_settle(struct worker *w, uint64_t hash)
{
    const struct tracked_keys *t = w->net->tracked;
    for (const struct tracked *e = t ? t->bucket[hash & t->mask] : NULL; e; e = e->next)
        if (track_place(e->hash) == track_place(hash))
            return;
    if (track_used(w->ctx.root))
        track_unmark(&w->ctx, hash);
}

void tracked_clear(struct worker *w)
{
    struct tracked_keys *t = w->net->tracked;
    for (uint64_t i = 0; t && i <= t->mask; i++)
        for (struct tracked *e; (e = t->bucket[i]);) {
            t->bucket[i] = e->next;
            track_unmark(&w->ctx, e->hash);
            tracked_free(t, e);
        }
    if (t)
        publish(w);
}

bool tracked_any(const struct worker *w)
{
    return w->net->tracked && w->net->tracked->n;
}

/* ---- the limit ---- */

static uint64_t beyond_limit(const struct worker *w)
{
    uint64_t n = 0, limit = w->cfg->tracking_table_max_keys;
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        n += __atomic_load_n(&slot_at(i)->tracked_keys, __ATOMIC_RELAXED);
    return limit && n > limit ? n - limit : 0;
}

bool tracked_over_limit(struct worker *w)
{
    return tracked_any(w) && beyond_limit(w);
}

/* Too many keys, of all workers together: some of ours are given up, wherever they stand, as if they had changed. */
void tracked_limit(struct worker *w)
{
    struct tracked_keys *t = w->net->tracked;
    uint64_t beyond = t && t->n ? beyond_limit(w) : 0;
    uint64_t most = LIMIT_EFFORT * (t ? t->tries + 1 : 0);
    for (; t && t->n && beyond && most; beyond--, most--) {
        while (!t->bucket[t->walk & t->mask])
            t->walk++;
        struct tracked **at = &t->bucket[t->walk & t->mask];
        uint64_t hash = (*at)->hash;
        tracked_go(w, at, 0);
        tracked_settle(w, hash);
    }
    if (t)
        t->tries = beyond ? t->tries + 1 : 0;
}

/* ---- reading ---- */

bool tracking_keeps(const struct client *cl)
{
    uint32_t f = cl->track ? cl->track->flags : TRACK_BCAST;
    if (f & TRACK_BCAST)
        return false;
    return !(f & TRACK_OPTIN && !(f & TRACK_CACHING)) && !(f & TRACK_OPTOUT && f & TRACK_CACHING);
}

typedef void each_fn(struct client *cl, struct bytes key, uint64_t hash);

static void each_key(struct client *cl, const struct command *cmd, const struct bytes *argv, int argc,
                     each_fn *fn)
{
    struct key_pos stack[KEYS_INLINE], *pos = stack;
    if (!(cmd->flags & (F_READONLY | F_SCRIPT)) || !command_has_keys(cmd))
        return;
    int n = command_keys(cmd, argv, argc, pos, KEYS_INLINE);
    if (n > KEYS_INLINE) {
        pos = malloc((size_t)n * sizeof(*pos));
        CHECK(pos);
        command_keys(cmd, argv, argc, pos, n);
    }
    for (int i = 0; i < n; i++)
        fn(cl, argv[pos[i].index], key_hash(cl->w->ctx.root, argv[pos[i].index]));
    if (pos != stack)
        free(pos);
}

static void mark_key(struct client *cl, struct bytes key, uint64_t hash)
{
    (void)key;
    track_mark(&cl->w->ctx, hash);
}

static void note_key(struct client *cl, struct bytes key, uint64_t hash)
{
    change_read(cl->w, cl, key, hash);
}

static void keep_key(struct client *cl, struct bytes key, uint64_t hash)
{
    track_mark(&cl->w->ctx, hash);
    tracked_add(cl->w, cl->session->id, session_index(cl->session), key, hash);
}

void tracking_mark(struct client *cl, const struct command *cmd, const struct bytes *argv, int argc)
{
    each_key(cl, cmd, argv, argc, mark_key);
}
void tracking_note(struct client *cl, const struct command *cmd, const struct bytes *argv, int argc)
{
    each_key(cl, cmd, argv, argc, note_key);
}
void tracking_ahead(struct client *cl, const struct command *cmd, const struct bytes *argv, int argc)
{
    each_key(cl, cmd, argv, argc, keep_key);
}
