/* What commands have read and changed, in their order, until their transaction is committed; then our clients
 * are told at once, and the other processes by notes that go out with the turn's messages. */
#include "worker/net/post.h"
#include "worker/net/tracking.h"

#define CHANGES_KEEP_BYTES (256u << 10)

enum change_kind { CHANGE_MADE, CHANGE_EXPIRED, CHANGE_READ, CHANGE_RELAY };

/* The key stands behind it, or what is to be relayed. */
struct noted {
    uint64_t hash, client; /* who made the change or has read; the client to be told */
    uint64_t len;
    uint32_t session, kind;
};

static void note(struct worker *w, const struct noted *n, const char *p)
{
    reply_raw(&w->changes, n, sizeof(*n));
    reply_raw(&w->changes, p, n->len);
}

static void note_change(struct worker *w, struct bytes key, uint64_t hash, uint64_t author, bool expired)
{
    uint64_t to[SLOT_WORDS];
    if (track_concerned(w->ctx.root, key, hash, to))
        note(w, &(struct noted){hash, author, key.n, 0, expired ? CHANGE_EXPIRED : CHANGE_MADE}, key.p);
}

/* Of a transaction or a script in the slow lane that reads as well it is not known what came first, and what a command there
 * found expired it has read. Its client is told in any case. Keys of the hidden databases concern nobody. */
void change_note(struct call *c, const struct key_ref *k, bool expired)
{
    bool anonymous = c->anonymous || (c->in_lane && (c->in_script || expired));
    if (!c->loading && k->db < c->ctx->root->ndbs)
        note_change(c->w, k->key, k->hash, anonymous ? 0 : c->session->id, expired);
}

void change_gone(struct worker *w, struct bytes key)
{
    if (track_used(w->ctx.root))
        note_change(w, key, key_hash(w->ctx.root, key), 0, true);
}

void change_read(struct worker *w, const struct client *cl, struct bytes key, uint64_t hash)
{
    uint32_t session = session_index(cl->session);
    note(w, &(struct noted){hash, cl->session->id, key.n, session, CHANGE_READ}, key.p);
}

void change_relay(struct worker *w, uint32_t session, uint64_t id, struct bytes payload)
{
    note(w, &(struct noted){0, id, payload.n, session, CHANGE_RELAY}, payload.p);
}

static void tell_change(struct worker *w, const struct noted *n, const char *p)
{
    struct change c = {{p, n->len}, n->hash, n->client, n->kind == CHANGE_EXPIRED};
    uint64_t to[SLOT_WORDS], us = 1ull << w->ctx.id % 64;
    if (!track_concerned(w->ctx.root, c.key, c.hash, to))
        return;
    if (w->net && to[w->ctx.id / 64] & us)
        tracking_changed(w, &c);
    to[w->ctx.id / 64] &= ~us;
    post_change(w, to, &c);
}

static void settle_one(struct worker *w, const struct noted *n, const char *p)
{
    struct bytes key = {p, n->len};
    switch ((enum change_kind)n->kind) {
    case CHANGE_MADE:
    case CHANGE_EXPIRED:
        tell_change(w, n, p);
        return;
    case CHANGE_READ:
        tracked_add(w, n->client, n->session, key, n->hash);
        return;
    case CHANGE_RELAY:
        post_relay(w, n->session, n->client, key);
        return;
    }
}

/* Marks are taken back when all of it is settled: a key that was changed may be read behind that. */
static void settle_marks(struct worker *w, const struct reply *all)
{
    struct noted n;
    for (size_t at = 0; w->net && at < all->len; at += sizeof(n) + n.len) {
        memcpy(&n, all->buf + at, sizeof(n));
        if (n.kind != CHANGE_RELAY)
            tracked_settle(w, n.hash);
    }
}

/* Telling somebody may note something again: that a worker is to relay it. */
void changes_settle(struct worker *w)
{
    struct reply all = w->changes;
    struct noted n;
    w->changes = (struct reply){0};
    for (size_t at = 0; at < all.len; at += sizeof(n) + n.len) {
        memcpy(&n, all.buf + at, sizeof(n));
        settle_one(w, &n, all.buf + at + sizeof(n));
    }
    settle_marks(w, &all);
    all.len = 0;
    if (w->changes.buf || all.cap > CHANGES_KEEP_BYTES)
        reply_free(&all);
    else
        w->changes = all;
}
