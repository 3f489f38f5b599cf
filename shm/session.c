#include "shm/session.h"
#include "shm/crashpoint.h"
#include "shm/shape.h"

uint64_t shape_session_bytes(void)
{
    return sizeof(struct shm_session);
}

/* How many used places are tried before a fresh one is taken. */
#define CLAIM_TRIES 64u

static bool claim_at(struct shm_ctx *ctx, uint32_t i, struct shm_session **out)
{
    struct shm_session *s = session_at(i);
    uint64_t *word = (uint64_t *)s, was = __atomic_load_n(word, __ATOMIC_RELAXED);
    if ((uint32_t)was != SESSION_FREE)
        return false;
    /* State and owner in one exchange: a claimed session without an owner could not be repaired. */
    uint64_t claim = (uint64_t)ctx->id << 32 | SESSION_OPENING;
    if (!__atomic_compare_exchange_n(word, &was, claim, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    STEP(ctx, SESSION_CLAIMED);
    memset((char *)s + offsetof(struct shm_session, id), 0, sizeof(*s) - offsetof(struct shm_session, id));
    s->master_fd = -1;
    s->id = __atomic_fetch_add(&ctx->root->session_ids, 1, __ATOMIC_RELAXED);
    *out = s;
    return true;
}

static bool claim_in(struct shm_ctx *ctx, uint32_t from, uint32_t tries, uint32_t n, uint32_t *hint,
                     struct shm_session **out)
{
    for (uint32_t t = 0; t < tries; t++) {
        uint32_t i = (from + t) % n;
        if (claim_at(ctx, i, out)) {
            *hint = i + 1;
            return true;
        }
    }
    return false;
}

/* Raised before the session is claimed, so that whoever walks up to it misses none. */
static uint32_t take_fresh(struct shm_root *r)
{
    uint32_t high = __atomic_load_n(&r->sessions_high, __ATOMIC_ACQUIRE);
    while (high < r->nsessions && !__atomic_compare_exchange_n(&r->sessions_high, &high, high + 1, true,
                                                               __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
    return high;
}

enum rc session_claim(struct shm_ctx *ctx, uint32_t *hint, struct shm_session **out)
{
    uint32_t high = sessions_end();
    if (high && claim_in(ctx, *hint % high, high < CLAIM_TRIES ? high : CLAIM_TRIES, high, hint, out))
        return RC_OK;
    for (uint32_t fresh; (fresh = take_fresh(ctx->root)) < ctx->root->nsessions;)
        if (claim_at(ctx, fresh, out))
            return RC_OK; /* else somebody has come by, and was faster */
    return claim_in(ctx, 0, sessions_end(), sessions_end(), hint, out) ? RC_OK : RC_MISSING;
}

struct shm_session *session_by_id(uint64_t id)
{
    for (uint32_t i = 0; i < sessions_end(); i++) {
        struct shm_session *s = session_at(i);
        uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
        if (state != SESSION_FREE && state != SESSION_CLOSING && s->id == id)
            return s;
    }
    return NULL;
}

void session_kill(struct shm_session *s)
{
    __atomic_store_n(&s->kill, 1, __ATOMIC_RELEASE);
    __atomic_add_fetch(&slot_at(s->owner)->kills, 1, __ATOMIC_SEQ_CST);
}

void sessions_kill(uint32_t owner, uint32_t flags)
{
    for (uint32_t i = 0, n = sessions_end(); i < n; i++) {
        struct shm_session *s = session_at(i);
        uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
        if (state != SESSION_FREE && s->owner == owner && s->flags & flags)
            session_kill(s);
    }
}
