#include "shm/session.h"
#include "shm/crashpoint.h"
#include "shm/shape.h"

uint64_t shape_session_bytes(void)
{
    return sizeof(struct shm_session);
}

enum rc session_claim(struct shm_ctx *ctx, uint32_t *hint, struct shm_session **out)
{
    uint32_t n = ctx->root->nsessions;
    for (uint32_t tries = 0; tries < n; tries++) {
        uint32_t i = (*hint + tries) % n;
        struct shm_session *s = session_at(i);
        uint64_t *word = (uint64_t *)s, was = __atomic_load_n(word, __ATOMIC_RELAXED);
        if ((uint32_t)was != SESSION_FREE)
            continue;
        /* State and owner in one exchange: a claimed session without an owner could not be repaired. */
        uint64_t claim = (uint64_t)ctx->id << 32 | SESSION_OPENING;
        if (!__atomic_compare_exchange_n(word, &was, claim, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        STEP(ctx, SESSION_CLAIMED);
        memset((char *)s + offsetof(struct shm_session, id), 0, sizeof(*s) - offsetof(struct shm_session, id));
        s->master_fd = -1;
        s->id = __atomic_fetch_add(&ctx->root->session_ids, 1, __ATOMIC_RELAXED);
        *hint = i + 1;
        *out = s;
        return RC_OK;
    }
    return RC_MISSING;
}

struct shm_session *session_by_id(uint64_t id)
{
    struct shm_root *r = arena_root();
    for (uint32_t i = 0; i < r->nsessions; i++) {
        struct shm_session *s = session_at(i);
        uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
        if (state != SESSION_FREE && state != SESSION_CLOSING && s->id == id)
            return s;
    }
    return NULL;
}
