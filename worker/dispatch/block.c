#include "worker/dispatch/block.h"
#include "shm/base/clock.h"
#include "shm/base/number.h"
#include "worker/net/pubsub.h"
#include "worker/worker.h"

#include <math.h>

static bool is_waited_for(const struct shm_entry *e)
{
    return e && entry_type(e) != TYPE_STRING;
}

enum rc block_keys_ahead(struct tx *tx, const struct key_ref *keys, unsigned n, int64_t now_ms)
{
    const struct shm_root *root = tx->ctx->root;
    for (unsigned i = 0; i < n; i++) {
        const struct key_ref *k = &keys[i];
        const struct shm_entry *e = key_entry(k);
        if (LIKELY(!is_waited_for(e)) || LIKELY(!waiters_any(root, k->hash)))
            continue;
        if (e->flags & ENTRY_EXPIRES && entry_expiry(e) <= now_ms)
            continue;
        enum rc rc = waiters_latch(tx);
        if (rc)
            return rc;
        if (waiters_first(root, k->db, k->hash, entry_type(e)))
            return RC_BUSY;
        if (tx->locks)
            tx_unlatch_last(tx); /* nobody can join for a key that is locked */
    }
    return RC_OK;
}

enum rc block_queue_ahead(struct call *c)
{
    /* Those who wait are in order among themselves, and EXEC has looked before its first command. While writes pause
     * nobody is served, but reads go on. */
    if (c->cmd->flags & F_BLOCKING || c->in_exec || c->loading ||
        (c->ctx->root->pause_mode && !(c->cmd->flags & F_WRITE)))
        return RC_OK;
    return block_keys_ahead(c->tx, c->keys, c->nkeys, c->now_ms);
}

void block_tell(struct worker *w, uint32_t session, uint64_t id)
{
    struct mail m = {.kind = MAIL_READY, .x = session, .y = id};
    uint32_t owner = session_at(session)->owner;
    bool wake = false;
    if (owner == w->ctx.id && w->net) {
        blocked_ready(w, owner, session, id);
        return;
    }
    if (mail_send(&w->ctx, owner, &m, NULL, &wake)) {
        waiters_stir(w->ctx.root); /* the ring is full: everybody looks, at the next tick */
        return;
    }
    if (wake)
        worker_wake(w, owner);
}

/* Tells the first who waits for a value of this type. */
static void wake_type(struct worker *w, uint32_t db, uint64_t hash, unsigned type)
{
    struct tx tx;
    uint32_t session = 0;
    uint64_t id = 0;
    tx_begin(&tx, &w->ctx);
    enum rc rc = waiters_latch(&tx);
    const struct shm_waiter *r = rc ? NULL : waiters_first(w->ctx.root, db, hash, type);
    if (r) {
        session = r->session;
        id = r->id;
    }
    tx_abort(&tx);
    if (rc)
        waiters_stir(w->ctx.root);
    else if (id)
        block_tell(w, session, id);
}

/* The key may hold anything by now. To look once too often harms nobody. */
static void wake_first(struct worker *w, uint32_t db, uint64_t hash)
{
    wake_type(w, db, hash, TYPE_LIST);
    wake_type(w, db, hash, TYPE_ZSET);
}

void block_wake(struct worker *w, const struct key_ref *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (keys[i].changed && UNLIKELY(waiters_any(w->ctx.root, keys[i].hash)))
            wake_first(w, keys[i].db, keys[i].hash);
}

#define OWN_MAX 64

void block_leave(struct worker *w, struct shm_session *s)
{
    struct {
        uint32_t db;
        uint64_t hash;
    } own[OWN_MAX];
    unsigned n = 0;
    struct tx tx;
    s->ack_lsn = 0;
    if (!s->waiters)
        return;
    for (shm_ref at = s->waiters; at && n < OWN_MAX; n++) {
        const struct shm_waiter *r = shm_at(at);
        own[n].db = r->db;
        own[n].hash = r->hash;
        at = r->next_own;
    }
    tx_begin(&tx, &w->ctx);
    if (waiters_leave(&tx, s)) {
        tx_abort(&tx);
        s->waiters = 0; /* its records count for nothing now, and go with the next who joins */
    } else {
        tx_commit(&tx);
    }
    for (unsigned i = 0; i < n; i++)
        wake_first(w, own[i].db, own[i].hash);
    if (n == OWN_MAX)
        waiters_stir(w->ctx.root);
}

/* ---- what handlers do ---- */

bool block_timeout_arg(struct call *c, int i, int64_t *ms)
{
    long double s;
    if (!number_to_long_double(c->argv[i], &s)) {
        reply_error(c->reply, "ERR timeout is not a float or out of range");
        return false;
    }
    s = ceill(s * 1000);
    if (s >= 0 && s < 0x1p63L) {
        *ms = (int64_t)s;
        return true;
    }
    /* Also of what is too large, as Redis says it. */
    reply_error(c->reply, "ERR timeout is negative");
    return false;
}

static void leave(struct call *c)
{
    enum rc rc = c->session->waiters ? waiters_leave(c->tx, c->session) : RC_OK;
    if (rc)
        call_fail(c, rc);
}

/* Whoever waits takes only what he is the first to wait for. */
static enum rc comes_first(struct call *c, const struct key_ref *k)
{
    if (LIKELY(!waiters_any(c->ctx->root, k->hash)) || c->in_exec) /* others are served behind EXEC */
        return RC_OK;
    enum rc rc = waiters_latch(c->tx);
    if (rc)
        return rc;
    const struct shm_waiter *first = waiters_first(c->ctx->root, k->db, k->hash, entry_type(key_entry(k)));
    return !first || first->id == c->session->id ? RC_OK : RC_MISSING;
}

/* RC_MISSING: no key has anything for this client yet. */
static enum rc try_keys(struct call *c, const struct block *b, bool waits)
{
    for (unsigned i = 0; i < b->nkeys; i++) {
        const struct shm_entry *e = key_entry(call_key(c, i));
        if (!e)
            continue;
        if (entry_type(e) != b->type) {
            if (waits)
                continue; /* it came while the client waited, who goes on waiting */
            reply_error(c->reply, ERR_WRONGTYPE);
            return RC_OK;
        }
        enum rc rc = comes_first(c, call_key(c, i));
        if (rc == RC_MISSING)
            continue;
        if (rc)
            return rc;
        bool in_lane = c->in_lane;
        c->in_lane = true; /* its turn is now, however long the value: it does not go to the lane */
        b->take(c, i, b->arg);
        c->in_lane = in_lane;
        return c->rc;
    }
    return RC_MISSING;
}

static enum rc join(struct call *c, const struct block *b)
{
    struct shm_session *s = c->session;
    enum rc rc = RC_OK;
    s->unblock = 0;
    s->wait_type = b->type;
    s->block_until = b->timeout_ms ? mono_in(b->timeout_ms) : INT64_MAX;
    for (unsigned i = 0; i < b->nkeys && !rc; i++)
        rc = waiters_join(c->tx, s, call_key(c, i)->db, call_key(c, i)->hash);
    return rc;
}

void block_run(struct call *c, const struct block *b)
{
    struct shm_session *s = c->session;
    bool waits = s->waiters;
    enum rc rc = try_keys(c, b, waits);
    if (!rc) {
        leave(c);
        return;
    }
    if (rc != RC_MISSING) {
        call_fail(c, rc);
        return;
    }
    if (waits && __atomic_load_n(&s->unblock, __ATOMIC_ACQUIRE) == 2) {
        reply_error(c->reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        leave(c);
        return;
    }
    if (!c->client || c->in_exec || (waits && (s->unblock || mono_ms() >= s->block_until))) {
        if (b->one && !waits)
            reply_null(c->reply);
        else
            reply_null_array(c->reply);
        leave(c);
        return;
    }
    if (!waits && (rc = join(c, b)))
        call_fail(c, rc);
    else
        c->block_until = s->block_until;
}
