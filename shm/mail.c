#include "shm/mail.h"
#include "shm/crashpoint.h"
#include "shm/shape.h"

uint64_t shape_mail_bytes(uint32_t nslots)
{
    return sizeof(struct shm_mail) + (uint64_t)nslots * nslots * sizeof(struct shm_ring);
}

struct shm_ring *mail_ring(uint32_t from, uint32_t to)
{
    struct shm_root *r = arena_root();
    return (struct shm_ring *)shm_at(r->mail + sizeof(struct shm_mail)) + (uint64_t)to * r->nslots + from;
}

static uint64_t *senders(uint32_t to)
{
    return ((struct shm_mail *)shm_at(arena_root()->mail))->from[to];
}

bool slot_wake(uint32_t slot)
{
    return !__atomic_exchange_n(&slot_at(slot)->wake, 1, __ATOMIC_SEQ_CST);
}

enum rc mail_send(struct shm_ctx *ctx, uint32_t to, const struct mail *m, const void *fill, bool *wake)
{
    struct shm_ring *ring = mail_ring(ctx->id, to);
    uint64_t tail = ring->tail;
    struct tx tx;
    enum rc rc = RC_OK;
    if (tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == MAIL_RING)
        return RC_BUSY;
    struct mail *at = &ring->mail[tail % MAIL_RING];
    tx_begin(&tx, ctx);
    *at = *m;
    at->block = 0;
    if (m->bytes)
        rc = tx_alloc(&tx, m->bytes, &at->block);
    if (rc) {
        tx_abort(&tx);
        return rc;
    }
    if (m->bytes)
        memcpy(shm_at(at->block), fill, m->bytes);
    rc = tx_redo(&tx, &ring->tail, tail + 1);
    CHECK(!rc);
    tx_commit(&tx);
    STEP(ctx,
         MAIL_SENT); /* repair sets the bit for a sender that died here, or a receiver that had cleared it */
    __atomic_or_fetch(&senders(to)[ctx->id / 64], 1ull << ctx->id % 64, __ATOMIC_SEQ_CST);
    *wake = slot_wake(to);
    return RC_OK;
}

bool mail_next(struct shm_ctx *ctx, uint32_t *from, struct mail *m)
{
    uint64_t *bits = senders(ctx->id);
    for (unsigned w = 0; w < 4; w++) {
        for (uint64_t b; (b = __atomic_load_n(&bits[w], __ATOMIC_ACQUIRE));) {
            uint32_t s = w * 64 + (uint32_t)__builtin_ctzll(b);
            struct shm_ring *ring = mail_ring(s, ctx->id);
            __atomic_and_fetch(&bits[w], ~(1ull << s % 64), __ATOMIC_SEQ_CST);
            STEP(ctx, MAIL_LOOKED);
            if (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == ring->head)
                continue;
            __atomic_or_fetch(&bits[w], 1ull << s % 64, __ATOMIC_SEQ_CST);
            *m = ring->mail[ring->head % MAIL_RING];
            *from = s;
            return true;
        }
    }
    return false;
}

enum rc mail_done(struct shm_ctx *ctx, uint32_t from)
{
    struct shm_ring *ring = mail_ring(from, ctx->id);
    struct mail *m = &ring->mail[ring->head % MAIL_RING];
    struct tx tx;
    enum rc rc = RC_OK;
    tx_begin(&tx, ctx);
    if (m->block)
        rc = tx_free(&tx, m->block, m->bytes);
    if (!rc)
        rc = tx_redo(&tx, &ring->head, ring->head + 1);
    return tx_end(&tx, rc);
}

static void bit_repair(uint32_t from, uint32_t to)
{
    const struct shm_ring *r = mail_ring(from, to);
    if (__atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) != __atomic_load_n(&r->head, __ATOMIC_ACQUIRE))
        __atomic_or_fetch(&senders(to)[from / 64], 1ull << from % 64, __ATOMIC_SEQ_CST);
}

void mail_repair(uint32_t slot)
{
    for (uint32_t i = 0; i < arena_root()->nslots; i++) {
        bit_repair(slot, i);
        bit_repair(i, slot);
    }
}

bool mail_waits(uint32_t from, uint32_t to)
{
    return __atomic_load_n(&senders(to)[from / 64], __ATOMIC_ACQUIRE) >> from % 64 & 1;
}
