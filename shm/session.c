#include "shm/session.h"
#include "shm/shape.h"

uint64_t shape_session_bytes(void)
{
    return sizeof(struct shm_session);
}

enum rc session_claim(struct shm_ctx *ctx, uint32_t *hint, struct shm_session **out)
{
    uint32_t n = ctx->root->nsessions;
    for (uint32_t tries = 0; tries < n; tries++) {
        uint32_t i = (*hint + tries) % n, was = SESSION_FREE;
        struct shm_session *s = session_at(i);
        if (__atomic_load_n(&s->state, __ATOMIC_RELAXED) != SESSION_FREE)
            continue;
        /* The owner is written first: a claimed session without an owner could not be repaired. A loser
         * of the race overwrites nothing that counts, since the winner stores it again. */
        if (!__atomic_compare_exchange_n(&s->state, &was, SESSION_OPENING, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        __atomic_store_n(&s->owner, ctx->id, __ATOMIC_RELEASE);
        uint32_t state = s->state;
        memset((char *)s + offsetof(struct shm_session, id), 0, sizeof(*s) - offsetof(struct shm_session, id));
        s->state = state;
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
