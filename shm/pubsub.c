#include "shm/pubsub.h"
#include "shm/base/clock.h"
#include "shm/crashpoint.h"
#include "shm/shape.h"

#include <sched.h>

#define TAKE_LETTERS 64u /* in one transaction: its lists have room for them */

uint64_t shape_pubsub_bytes(void)
{
    return sizeof(struct shm_pubsub);
}

/* ---- the registry ---- */

static struct registry_bucket *bucket_of(const struct shm_root *r, enum topic_kind kind, uint64_t hash)
{
    struct shm_pubsub *p = pubsub_root(r);
    return kind == TOPIC_PATTERN ? &p->patterns : &p->bucket[(hash + kind) % REGISTRY_BUCKETS];
}

static uint64_t topic_bytes(uint64_t len)
{
    return sizeof(struct shm_topic) + len;
}

/* Whether another topic has the name; the latch is held. */
static bool shared_name(const struct registry_bucket *b, const struct shm_topic *t)
{
    const struct shm_topic *e;
    for (shm_ref r = b->first; r; r = e->next) {
        e = shm_at(r);
        if (e != t && topic_is(e, t->kind, topic_name(t), t->hash))
            return true;
    }
    return false;
}

/* How many names there are is told by the sum over all slots. */
static enum rc count_name(struct tx *tx, const struct registry_bucket *b, const struct shm_topic *t,
                          uint64_t delta)
{
    uint64_t *distinct = &tx->ctx->slot->distinct[t->kind];
    return shared_name(b, t) ? RC_OK : tx_redo(tx, distinct, *distinct + delta);
}

uint64_t registry_names(const struct shm_root *r, enum topic_kind kind)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->nslots; i++)
        n += __atomic_load_n(&slot_at(i)->distinct[kind], __ATOMIC_RELAXED);
    return n;
}

enum rc registry_add(struct shm_ctx *ctx, enum topic_kind kind, struct bytes name, uint64_t hash,
                     uint32_t count, uint32_t quiet, shm_ref *out)
{
    struct registry_bucket *b = bucket_of(ctx->root, kind, hash);
    struct tx tx;
    shm_ref ref = 0;
    tx_begin(&tx, ctx);
    enum rc rc = tx_alloc(&tx, topic_bytes(name.n), &ref);
    if (!rc)
        rc = tx_latch(&tx, &b->latch);
    if (rc) {
        tx_abort(&tx);
        return rc;
    }
    struct shm_topic *t = shm_at(ref);
    *t = (struct shm_topic){.next = b->first,
                            .hash = hash,
                            .slot = ctx->id,
                            .generation = ctx->slot->generation,
                            .count = count,
                            .quiet = quiet,
                            .kind = kind,
                            .len = name.n};
    memcpy(t->name, name.p, name.n);
    rc = count_name(&tx, b, t, 1);
    if (!rc && b->first)
        rc = tx_redo(&tx, &((struct shm_topic *)shm_at(b->first))->prev, ref);
    if (!rc)
        rc = tx_redo(&tx, &ctx->slot->registered, ctx->slot->registered + 1);
    if (!rc)
        rc = tx_redo(&tx, &b->first, ref);
    if (rc) {
        tx_abort(&tx);
        return rc;
    }
    tx_commit(&tx);
    *out = ref;
    return RC_OK;
}

enum rc registry_remove(struct shm_ctx *ctx, shm_ref ref)
{
    struct shm_topic *t = shm_at(ref);
    struct registry_bucket *b = bucket_of(ctx->root, t->kind, t->hash);
    struct tx tx;
    tx_begin(&tx, ctx);
    enum rc rc = tx_latch(&tx, &b->latch);
    if (!rc)
        rc = count_name(&tx, b, t, -1ull);
    if (!rc)
        rc = tx_redo(&tx, t->prev ? &((struct shm_topic *)shm_at(t->prev))->next : &b->first, t->next);
    if (!rc && t->next)
        rc = tx_redo(&tx, &((struct shm_topic *)shm_at(t->next))->prev, t->prev);
    if (!rc)
        rc = tx_redo(&tx, &ctx->slot->registered, ctx->slot->registered - 1);
    if (!rc)
        rc = tx_retire(&tx, ref, topic_bytes(t->len));
    return tx_end(&tx, rc);
}

static bool topic_lives(const struct shm_topic *t)
{
    const struct shm_slot *s = slot_at(t->slot);
    return t->generation == s->generation && slot_lives(s);
}

bool topic_counts(const struct shm_topic *t)
{
    return __atomic_load_n(&t->count, __ATOMIC_ACQUIRE) && topic_lives(t);
}

bool topic_wants(const struct shm_topic *t)
{
    return topic_counts(t) || (__atomic_load_n(&t->quiet, __ATOMIC_ACQUIRE) && topic_lives(t));
}

bool topic_is(const struct shm_topic *t, enum topic_kind kind, struct bytes name, uint64_t hash)
{
    return t->hash == hash && t->kind == (uint32_t)kind && bytes_equal(topic_name(t), name);
}

const struct shm_topic *registry_chain(const struct shm_root *r, enum topic_kind kind, uint64_t hash)
{
    shm_ref first = __atomic_load_n(&bucket_of(r, kind, hash)->first, __ATOMIC_ACQUIRE);
    return first ? shm_at(first) : NULL;
}

bool topic_repeats(const struct shm_root *r, const struct shm_topic *t)
{
    for (const struct shm_topic *e = registry_chain(r, t->kind, t->hash); e && e != t; e = topic_next(e))
        if (topic_is(e, t->kind, topic_name(t), t->hash) && topic_counts(e))
            return true;
    return false;
}

/* ---- inboxes ---- */

static enum rc letter_write(struct tx *tx, const struct letter *l, shm_ref *out)
{
    enum rc rc = tx_alloc(tx, sizeof(struct shm_letter) + l->n, out);
    if (rc)
        return rc;
    struct shm_letter *to = shm_at(*out);
    *to = (struct shm_letter){.bytes = sizeof(*to) + l->n};
    memcpy(to + 1, l->p, l->n);
    return RC_OK;
}

/* The inbox's latch is held. */
static enum rc letter_append(struct tx *tx, struct shm_inbox *box, shm_ref ref)
{
    enum rc rc = box->last ? tx_redo(tx, &((struct shm_letter *)shm_at(box->last))->next, ref)
                           : tx_redo(tx, &box->first, ref);
    if (!rc)
        rc = tx_redo(tx, &box->last, ref);
    if (!rc)
        rc = tx_redo(tx, &box->bytes, box->bytes + ((struct shm_letter *)shm_at(ref))->bytes);
    return rc;
}

/* From here on nothing fails for want of room in the lane's lists. */
static enum rc letters_reserve(struct tx *tx, unsigned n)
{
    const struct shm_lane *lane = tx->lane;
    uint32_t most = lane->nredo;
    most = lane->nlock > most ? lane->nlock : most;
    most = lane->nalloc > most ? lane->nalloc : most;
    most = lane->nfreed > most ? lane->nfreed : most;
    return tx_reserve(tx, most + 3 * n); /* an appended letter is three words */
}

static void letters_drop(struct tx *tx, const struct letter *letters, unsigned n, const shm_ref *refs)
{
    for (unsigned i = 0; i < n; i++)
        CHECK(!tx_free(tx, refs[i], sizeof(struct shm_letter) + letters[i].n));
}

static enum rc letters_prepare(struct tx *tx, const struct letter *letters, unsigned n, shm_ref *refs)
{
    enum rc rc = letters_reserve(tx, n);
    for (unsigned i = 0; i < n && !rc; i++) {
        rc = letter_write(tx, &letters[i], &refs[i]);
        if (rc)
            letters_drop(tx, letters, i, refs);
    }
    return rc;
}

/* All of them, or none: RC_BUSY. */
static enum rc inboxes_latch(struct tx *tx, const struct letter *letters, unsigned n)
{
    struct shm_pubsub *p = pubsub_root(tx->ctx->root);
    uint32_t had = tx->lane->nlock;
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < n && !rc; i++)
        rc = tx_latch(tx, &p->inbox[letters[i].to].latch);
    while (rc && tx->lane->nlock > had)
        tx_unlatch_last(tx);
    return rc;
}

/* Whoever has an inbox's latch waits for no other but those of inboxes behind it. */
static void inboxes_latch_patiently(struct tx *tx, const struct letter *letters, unsigned n)
{
    while (inboxes_latch(tx, letters, n)) {
        tx->ctx->slot->heartbeat_ms = (uint64_t)mono_ms();
        sched_yield();
    }
}

/* They are written before any inbox is latched: its receiver does not wait for our copying. */
enum rc letters_put(struct tx *tx, const struct letter *letters, unsigned n, bool patient,
                    uint64_t full[SLOT_WORDS])
{
    struct shm_pubsub *p = pubsub_root(tx->ctx->root);
    shm_ref refs[SHM_SLOTS_MAX];
    enum rc rc = letters_prepare(tx, letters, n, refs);
    if (rc)
        return rc;
    if (patient)
        inboxes_latch_patiently(tx, letters, n);
    else
        rc = inboxes_latch(tx, letters, n);
    if (rc) {
        letters_drop(tx, letters, n, refs);
        return rc;
    }
    for (unsigned i = 0; i < n; i++) {
        struct shm_inbox *box = &p->inbox[letters[i].to];
        if (box->bytes && box->bytes + letters[i].n > INBOX_MOST) {
            full[letters[i].to / 64] |= 1ull << letters[i].to % 64;
            letters_drop(tx, &letters[i], 1, &refs[i]);
        } else {
            CHECK(!letter_append(tx, box, refs[i]));
        }
    }
    return RC_OK;
}

enum rc letters_send(struct shm_ctx *ctx, const struct letter *letters, unsigned n, uint64_t full[SLOT_WORDS])
{
    struct tx tx;
    tx_begin(&tx, ctx);
    return tx_end(&tx, letters_put(&tx, letters, n, false, full));
}

enum rc inbox_take(struct shm_ctx *ctx, void (*take)(void *arg, const char *p, uint64_t n), void *arg)
{
    struct shm_inbox *box = &pubsub_root(ctx->root)->inbox[ctx->id];
    const struct shm_letter *read[TAKE_LETTERS];
    uint64_t bytes = 0;
    unsigned n = 0;
    struct tx tx;
    tx_begin(&tx, ctx);
    enum rc rc = tx_latch(&tx, &box->latch);
    shm_ref at = rc ? 0 : box->first;
    while (!rc && at && n < TAKE_LETTERS) {
        const struct shm_letter *l = read[n++] = shm_at(at);
        rc = tx_free(&tx, at, l->bytes);
        bytes += l->bytes;
        at = l->next;
    }
    if (!rc)
        rc = tx_redo(&tx, &box->first, at);
    if (!rc && !at)
        rc = tx_redo(&tx, &box->last, 0);
    if (!rc)
        rc = tx_redo(&tx, &box->bytes, box->bytes - bytes);
    if (rc) {
        tx_abort(&tx);
        return rc;
    }
    for (unsigned i = 0; i < n && take; i++)
        take(arg, (const char *)(read[i] + 1), read[i]->bytes - sizeof(struct shm_letter));
    tx_commit(&tx);
    return RC_OK;
}

/* ---- after a death ---- */

static shm_ref own_in_chain(const struct shm_ctx *ctx, const struct registry_bucket *b)
{
    for (shm_ref r = __atomic_load_n(&b->first, __ATOMIC_ACQUIRE); r;) {
        const struct shm_topic *t = shm_at(r);
        if (t->slot == ctx->id)
            return r;
        r = __atomic_load_n(&t->next, __ATOMIC_ACQUIRE);
    }
    return 0;
}

static void chain_clear(struct shm_ctx *ctx, struct registry_bucket *b)
{
    for (bool more = true; more;) {
        while (!batch_enter(ctx))
            sched_yield();
        shm_ref r = own_in_chain(ctx, b);
        more = r;
        enum rc rc = r ? registry_remove(ctx, r) : RC_OK;
        batch_leave(ctx);
        if (rc)
            sched_yield();
    }
}

void pubsub_adopt(struct shm_ctx *ctx)
{
    struct shm_pubsub *p = pubsub_root(ctx->root);
    while (inbox_waits(ctx))
        if (inbox_take(ctx, NULL, NULL))
            sched_yield();
    if (!ctx->slot->registered)
        return;
    chain_clear(ctx, &p->patterns);
    for (unsigned i = 0; i < REGISTRY_BUCKETS && ctx->slot->registered; i++)
        chain_clear(ctx, &p->bucket[i]);
}
