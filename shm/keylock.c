#include "shm/keylock.h"
#include "shm/base/clock.h"
#include "shm/crashpoint.h"
#include "shm/slab.h"

#define BITS_LEAST 10u               /* a set of 1024 words */
#define VIEW_BITS  63ull             /* a span's place is a multiple of much more */
#define KEEP_BYTES (16 * UNIT_BYTES) /* a larger set goes back when it is empty */

/* The key's own word, or the free one where its search ends. view: place and size in one word, so that whoever reads a set
 * that goes while he looks stays inside the arena. NULL: what stood there is no set any more, for one is half full at most. */
static uint64_t *place_of(uint64_t view, uint64_t word)
{
    uint64_t *set = shm_at(view & ~VIEW_BITS), mask = (1ull << (view & VIEW_BITS)) - 1;
    for (uint64_t n = 0, i = word >> 8; n <= mask; n++, i++) {
        uint64_t w = __atomic_load_n(&set[i & mask], __ATOMIC_RELAXED);
        if (!w || (w | 1) == (word | 1))
            return &set[i & mask];
    }
    return NULL;
}

/* A set that is given back or begun anew meanwhile may say anything. But then its owner does not hold this key: to add it he
 * would need the latch that is the asker's. */
static bool refuses(const struct shm_keylocks *l, uint64_t word)
{
    if (!__atomic_load_n(&l->n, __ATOMIC_ACQUIRE))
        return false;
    const uint64_t *at = place_of(__atomic_load_n(&l->view, __ATOMIC_RELAXED), word);
    uint64_t w = at ? __atomic_load_n(at, __ATOMIC_RELAXED) : 0;
    return w && ((w | word) & 1);
}

uint32_t keylock_holder(const struct shm_root *r, uint32_t db, uint64_t hash, bool exclusive, uint32_t self)
{
    uint64_t word = keylock_word(db, hash, exclusive);
    for (unsigned i = 0; i < SLOT_WORDS; i++)
        for (uint64_t left = __atomic_load_n(&r->keylocked[i], __ATOMIC_ACQUIRE); left; left &= left - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(left);
            struct shm_keylocks *l = &slot_at(slot)->keylocks;
            if (slot == self || !refuses(l, word))
                continue;
            if (self == SLOT_NOBODY || slot_at(self)->role != ROLE_LANE)
                __atomic_store_n(&l->wanted, word | 1, __ATOMIC_RELAXED);
            return slot + 1;
        }
    return 0;
}

unsigned keylocks_resting(const struct shm_root *r, uint64_t words[SHM_SLOTS_MAX])
{
    unsigned n = 0;
    int64_t now_us = mono_us();
    for (uint32_t i = 0; i < r->nslots; i++) {
        const struct shm_keylocks *l = &slot_at(i)->keylocks;
        uint64_t word = __atomic_load_n(&l->resting, __ATOMIC_ACQUIRE);
        if (word && now_us < __atomic_load_n(&l->rests_until_us, __ATOMIC_RELAXED))
            words[n++] = word;
    }
    return n;
}

enum rc keylock_begin(struct shm_ctx *ctx, unsigned keys)
{
    struct shm_keylocks *l = &ctx->slot->keylocks;
    unsigned bits = BITS_LEAST;
    CHECK(!l->n);
    while (1ull << bits < 8ull * keys)
        bits++;
    uint64_t words = 1ull << bits;
    if (l->set && span_bytes(l->set) < words * 8)
        span_drop(ctx, &l->set);
    enum rc rc = l->set ? RC_OK : span_keep(ctx, words * 8, &l->set);
    if (rc)
        return rc;
    for (uint64_t i = 0, *set = shm_at(l->set); i < words; i++)
        __atomic_store_n(&set[i], 0, __ATOMIC_RELAXED); /* others may still look */
    __atomic_store_n(&l->view, l->set | bits, __ATOMIC_RELAXED);
    __atomic_store_n(&l->wanted, 0, __ATOMIC_RELAXED);
    return RC_OK;
}

enum rc keylock_add(struct shm_ctx *ctx, uint32_t db, uint64_t hash, bool exclusive)
{
    struct shm_keylocks *l = &ctx->slot->keylocks;
    uint64_t word = keylock_word(db, hash, exclusive), bit = 1ull << ctx->id % 64;
    uint64_t *at = place_of(l->view, word);
    if (*at)
        return RC_OK;
    if (2 * (l->n + 1) > 1ull << (l->view & VIEW_BITS))
        return RC_BUSY;
    __atomic_store_n(at, word, __ATOMIC_RELAXED);
    __atomic_store_n(&l->n, l->n + 1, __ATOMIC_RELEASE);
    STEP(ctx, KEYLOCK_ADDED);
    if (l->n == 1)
        __atomic_fetch_or(&ctx->root->keylocked[ctx->id / 64], bit, __ATOMIC_SEQ_CST);
    STEP(ctx, KEYLOCK_SHOWN);
    return RC_OK;
}

/* The count goes last: by it a repair knows that there is something to give back. */
void keylock_end(struct shm_ctx *ctx)
{
    struct shm_keylocks *l = &ctx->slot->keylocks;
    if (LIKELY(!l->n))
        return;
    __atomic_fetch_and(&ctx->root->keylocked[ctx->id / 64], ~(1ull << ctx->id % 64), __ATOMIC_RELEASE);
    STEP(ctx, KEYLOCK_HIDDEN);
    __atomic_store_n(&l->rests_until_us, mono_us() + KEYLOCK_REST_US, __ATOMIC_RELAXED);
    __atomic_store_n(&l->resting, __atomic_load_n(&l->wanted, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    __atomic_store_n(&l->n, 0, __ATOMIC_RELEASE);
    if (span_bytes(l->set) > KEEP_BYTES)
        span_drop(ctx, &l->set);
}
