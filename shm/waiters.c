#include "shm/waiters.h"

enum rc waiters_latch(struct tx *tx)
{
    struct shm_latch *l = &waiters_of(tx->ctx->root)->latch;
    return latch_mine(l, tx->ctx->id) ? RC_OK : tx_latch(tx, l);
}

/* Does the session still wait that has joined by this record? */
static bool waits(const struct shm_waiter *r)
{
    const struct shm_session *s = session_at(r->session);
    uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
    return s->id == r->id && s->waiters && state != SESSION_FREE && state != SESSION_CLOSING;
}

const struct shm_waiter *waiters_first(const struct shm_root *root, uint32_t db, uint64_t hash, unsigned type)
{
    for (shm_ref at = waiters_of(root)->chain[hash % WAIT_CHAINS].head; at;) {
        const struct shm_waiter *r = shm_at(at);
        if (r->hash == hash && r->db == db && waits(r) && session_at(r->session)->wait_type == type)
            return r;
        at = r->next;
    }
    return NULL;
}

static enum rc change(struct tx *tx, uint64_t *at, uint64_t word)
{
    enum rc rc = tx_log(tx, at, sizeof(*at));
    if (!rc)
        __atomic_store_n(at, word, __ATOMIC_RELAXED);
    return rc;
}

/* Who else stands in the queue of this key, of those who have not left it yet. */
static bool others_wait(const struct shm_wait_chain *c, const struct shm_waiter *r)
{
    const struct shm_waiter *other;
    for (shm_ref at = c->head; at; at = other->next) {
        other = shm_at(at);
        if (other != r && other->hash == r->hash && other->db == r->db)
            return true;
    }
    return false;
}

/* r is the only one in its key's queue, which comes (1) or goes (-1). */
static enum rc count_key(struct tx *tx, const struct shm_wait_chain *c, const struct shm_waiter *r, int by)
{
    uint64_t *keys = &waiters_of(tx->ctx->root)->keys;
    return others_wait(c, r) ? RC_OK : change(tx, keys, *keys + (uint64_t)by);
}

static enum rc unlink_waiter(struct tx *tx, struct shm_waiter *r)
{
    struct shm_wait_chain *c = &waiters_of(tx->ctx->root)->chain[r->hash % WAIT_CHAINS];
    struct shm_waiter *next = r->next ? shm_at(r->next) : NULL, *prev = r->prev ? shm_at(r->prev) : NULL;
    enum rc rc = count_key(tx, c, r, -1);
    if (!rc)
        rc = change(tx, prev ? &prev->next : &c->head, r->next);
    if (!rc)
        rc = change(tx, next ? &next->prev : &c->tail, r->prev);
    return rc ? rc : tx_free(tx, shm_ref_of(r), sizeof(*r));
}

/* Takes out who has gone; *joined: this session is there already. */
static enum rc sweep(struct tx *tx, const struct shm_session *s, uint32_t db, uint64_t hash, bool *joined)
{
    enum rc rc = RC_OK;
    *joined = false;
    for (shm_ref at = waiters_of(tx->ctx->root)->chain[hash % WAIT_CHAINS].head, next; at && !rc; at = next) {
        struct shm_waiter *r = shm_at(at);
        next = r->next;
        if (r->id == s->id)
            *joined |= r->hash == hash && r->db == db;
        else if (!waits(r))
            rc = unlink_waiter(tx, r);
    }
    return rc;
}

enum rc waiters_join(struct tx *tx, struct shm_session *s, uint32_t db, uint64_t hash)
{
    struct shm_wait_chain *c = &waiters_of(tx->ctx->root)->chain[hash % WAIT_CHAINS];
    bool joined;
    shm_ref ref;
    enum rc rc = waiters_latch(tx);
    if (!rc)
        rc = sweep(tx, s, db, hash, &joined);
    if (rc || joined)
        return rc;
    rc = tx_alloc(tx, sizeof(struct shm_waiter), &ref);
    if (rc)
        return rc;
    *(struct shm_waiter *)shm_at(ref) = (struct shm_waiter){.prev = c->tail,
                                                            .next_own = s->waiters,
                                                            .hash = hash,
                                                            .id = s->id,
                                                            .db = db,
                                                            .session = session_index(s)};
    rc = count_key(tx, c, shm_at(ref), 1);
    if (!rc)
        rc = change(tx, c->tail ? &((struct shm_waiter *)shm_at(c->tail))->next : &c->head, ref);
    if (!rc)
        rc = change(tx, &c->tail, ref);
    return rc ? rc : change(tx, &s->waiters, ref);
}

enum rc waiters_leave(struct tx *tx, struct shm_session *s)
{
    enum rc rc = waiters_latch(tx);
    for (shm_ref at = s->waiters; at && !rc;) {
        struct shm_waiter *r = shm_at(at);
        at = r->next_own;
        rc = unlink_waiter(tx, r);
    }
    return rc ? rc : change(tx, &s->waiters, 0);
}
