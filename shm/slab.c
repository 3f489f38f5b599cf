#include "shm/pages.h"
#include "shm/slab.h"
#include "shm/crashpoint.h"
#include "shm/nest.h"

#include <sched.h>

/* A refill or a flush moves this many blocks at once: each costs at most a bitmap word, a counter and four
 * list words of the nested log, so 16 blocks take 6 * 16 + 1 of its 160 words. */
#define MOVE_BLOCKS 16u
/* A magazine holds this much of its class at most: each of its blocks keeps a run from going back. */
#define MAG_BYTES 32768u

uint32_t mag_limit(uint32_t cls)
{
    uint64_t fit = MAG_BYTES / class_bytes(cls);
    return fit < 2 ? 2 : fit > MAG_BLOCKS ? MAG_BLOCKS : (uint32_t)fit;
}

static uint32_t run_units(uint32_t cls)
{
    uint64_t bytes = class_bytes(cls);
    return bytes <= 4096 ? 1 : bytes <= 32768 ? 4 : 32;
}

static struct shm_unit *run_head(shm_ref r, uint32_t *unit)
{
    struct shm_unit *u = &arena_units()[unit_of(r)];
    *unit = unit_of(r);
    if (u->state == UNIT_RUN_TAIL) {
        *unit = u->head;
        u = &arena_units()[u->head];
    }
    return u;
}

uint64_t slab_block_bytes(shm_ref r)
{
    uint32_t unit;
    struct shm_unit *u = run_head(r, &unit);
    return u->state == UNIT_SPAN ? u->span_units * UNIT_BYTES : class_bytes(u->cls);
}

/* ---- the class's list of runs with a free block ---- */

static void list_push(struct shm_ctx *ctx, struct shm_class *c, uint32_t unit)
{
    struct shm_unit *units = arena_units();
    nest_set32(ctx, &units[unit].next, c->partial);
    nest_set32(ctx, &units[unit].prev, 0);
    if (c->partial)
        nest_set32(ctx, &units[c->partial].prev, unit);
    nest_set32(ctx, &c->partial, unit);
}

static void list_drop(struct shm_ctx *ctx, struct shm_class *c, uint32_t unit)
{
    struct shm_unit *units = arena_units(), *u = &units[unit];
    if (u->prev)
        nest_set32(ctx, &units[u->prev].next, u->next);
    else
        nest_set32(ctx, &c->partial, u->next);
    if (u->next)
        nest_set32(ctx, &units[u->next].prev, u->prev);
}

/* Where the blocks lie in a run of this class. With few blocks the bitmap is in the unit's descriptor. */
static void run_shape(uint32_t cls, uint32_t *blocks, uint32_t *offset)
{
    uint64_t bytes = run_units(cls) * UNIT_BYTES, size = class_bytes(cls);
    *offset = 0;
    *blocks = (uint32_t)(bytes / size);
    if (*blocks > 64) {
        *offset = (uint32_t)(((uint64_t)*blocks / 8 + 8 + 63) / 64 * 64);
        *blocks = (uint32_t)((bytes - *offset) / size);
    }
}

/* A fresh run: its descriptor means nothing to others until the list names it. */
static enum rc run_create(struct shm_ctx *ctx, uint32_t cls)
{
    struct shm_class *c = &ctx->root->classes[cls];
    uint32_t n = run_units(cls);
    uint64_t first;
    enum rc rc = nest_also(ctx, &ctx->root->arena_latch);
    if (rc)
        return rc;
    rc = unit_take_locked(ctx, n, &first);
    if (!rc)
        rc = units_obtain(first, n);
    if (rc)
        return rc;
    struct shm_unit *u = &arena_units()[first];
    for (uint32_t i = 1; i < n; i++) {
        u[i].head = (uint32_t)first;
        nest_set32(ctx, &u[i].state, UNIT_RUN_TAIL);
    }
    u->cls = (uint16_t)cls;
    u->nunits = (uint16_t)n;
    run_shape(cls, &u->blocks, &u->first_offset);
    u->nfree = u->blocks;
    uint64_t *map = run_bitmap(u, (uint32_t)first);
    for (uint32_t b = 0; b < u->blocks; b += 64)
        map[b / 64] = u->blocks - b >= 64 ? ~0ull : (1ull << (u->blocks - b)) - 1;
    nest_set32(ctx, &u->state, UNIT_RUN);
    list_push(ctx, c, (uint32_t)first);
    return RC_OK;
}

/* Moves blocks of one run's bitmap into the magazine: at most room of them, out of one or two words. */
static uint32_t take_blocks(struct shm_ctx *ctx, struct shm_mag *m, uint32_t unit, uint32_t room)
{
    struct shm_unit *u = &arena_units()[unit];
    uint64_t *map = run_bitmap(u, unit), size = class_bytes(u->cls),
             base = unit * UNIT_BYTES + u->first_offset;
    uint32_t got = 0;
    for (uint32_t w = 0; w * 64 < u->blocks && got < room; w++) {
        uint64_t bits = map[w], left = bits;
        if (!bits)
            continue;
        for (; left && got < room; left &= left - 1, got++)
            m->block[m->count + got] = base + (w * 64 + (uint64_t)__builtin_ctzll(left)) * size;
        nest_set64(ctx, &map[w], left);
    }
    nest_set32(ctx, &u->nfree, u->nfree - got);
    if (!u->nfree)
        list_drop(ctx, &ctx->root->classes[u->cls], unit);
    return got;
}

enum rc mag_refill(struct shm_ctx *ctx, uint32_t cls)
{
    struct shm_class *c = &ctx->root->classes[cls];
    struct shm_mag *m = &ctx->slot->mag[cls];
    uint32_t room = (mag_limit(cls) + 1) / 2;
    enum rc rc = nest_begin(ctx, &c->latch);
    if (rc)
        return rc;
    bool fresh = !c->partial;
    if (fresh && (rc = run_create(ctx, cls))) {
        nest_rollback(ctx);
        return rc;
    }
    uint32_t unit = c->partial;
    uint32_t got = take_blocks(ctx, m, c->partial, room < 32 ? room : 32);
    nest_set64(ctx, &m->count, m->count + got);
    nest_commit(ctx);
    if (fresh && run_units(cls) == 1)
        units_map(unit, 1);
    return RC_OK;
}

static void nest_begin_surely(struct shm_ctx *ctx, struct shm_latch *l)
{
    while (nest_begin(ctx, l))
        sched_yield();
}

static void run_release(struct shm_ctx *ctx, struct shm_class *c, uint32_t unit)
{
    struct shm_unit *u = &arena_units()[unit];
    list_drop(ctx, c, unit);
    for (uint32_t i = 0; i < u->nunits; i++)
        nest_set32(ctx, &u[i].state, UNIT_FREE);
    unit_give_locked(ctx, unit, u->nunits);
}

/* Puts the block back into its run; tells the run's unit when nothing of it is in use any more. */
static uint32_t give_block(struct shm_ctx *ctx, struct shm_class *c, shm_ref r)
{
    uint32_t unit;
    struct shm_unit *u = run_head(r, &unit);
    uint32_t b = (uint32_t)((r - unit * UNIT_BYTES - u->first_offset) / class_bytes(u->cls));
    uint64_t *map = run_bitmap(u, unit);
    CHECK(u->state == UNIT_RUN && !(map[b / 64] >> b % 64 & 1));
    nest_set64(ctx, &map[b / 64], map[b / 64] | 1ull << b % 64);
    nest_set32(ctx, &u->nfree, u->nfree + 1);
    if (u->nfree == 1)
        list_push(ctx, c, unit);
    return u->nfree == u->blocks ? unit : 0;
}

/* An empty run goes back. The class's only one with room does so only when the class is at rest (unit 0: that one is meant), since
 * else it will soon be wanted. */
static void release_if_empty(struct shm_ctx *ctx, uint32_t cls, uint32_t unit)
{
    struct shm_class *c = &ctx->root->classes[cls];
    bool rests = !unit;
    nest_begin_surely(ctx, &c->latch);
    unit = unit ? unit : c->partial;
    struct shm_unit *u = &arena_units()[unit];
    bool still = unit && u->state == UNIT_RUN && u->cls == cls && u->nfree == u->blocks &&
                 (rests || c->partial != unit || u->next);
    if (!still || nest_also(ctx, &ctx->root->arena_latch)) {
        nest_rollback(ctx);
        return;
    }
    run_release(ctx, c, unit);
    nest_commit(ctx);
}

void mag_flush(struct shm_ctx *ctx, uint32_t cls)
{
    struct shm_class *c = &ctx->root->classes[cls];
    struct shm_mag *m = &ctx->slot->mag[cls];
    for (uint64_t n = (m->count + 1) / 2; n;) {
        uint32_t move = n < MOVE_BLOCKS ? (uint32_t)n : MOVE_BLOCKS, empty[MOVE_BLOCKS], nempty = 0;
        nest_begin_surely(ctx, &c->latch);
        for (uint32_t i = 0; i < move; i++) {
            uint32_t unit = give_block(ctx, c, m->block[m->count - 1 - i]);
            if (unit)
                empty[nempty++] = unit;
        }
        nest_set64(ctx, &m->count, m->count - move);
        nest_commit(ctx);
        while (nempty)
            release_if_empty(ctx, cls, empty[--nempty]);
        n -= move;
    }
}

void mags_drain(struct shm_ctx *ctx)
{
    for (uint32_t c = 0; c < SHM_CLASSES; c++)
        while (ctx->slot->mag[c].count)
            mag_flush(ctx, c);
}

void mags_rest(struct shm_ctx *ctx, uint64_t seen[SHM_CLASSES])
{
    for (uint32_t c = 0; c < SHM_CLASSES; c++) {
        struct shm_mag *m = &ctx->slot->mag[c];
        if (m->count && m->count == seen[c]) {
            while (m->count)
                mag_flush(ctx, c);
            release_if_empty(ctx, c, 0);
        }
        seen[c] = m->count;
    }
}

/* ---- retired blocks ---- */

/* The oldest epoch that a batch in progress may have seen. */
static uint64_t oldest_epoch(const struct shm_root *root)
{
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < root->nslots; i++) {
        uint64_t e = __atomic_load_n(&slot_at(i)->inside, __ATOMIC_ACQUIRE);
        if (e && e < oldest)
            oldest = e;
    }
    return oldest;
}

void retire_reclaim(struct shm_ctx *ctx)
{
    struct shm_retire *q = &ctx->slot->retire;
    if (q->head == q->tail)
        return;
    uint64_t oldest = oldest_epoch(ctx->root);
    while (q->head != q->tail && q->ring[q->head % RETIRE_RING].epoch < oldest) {
        uint64_t block = q->ring[q->head % RETIRE_RING].block;
        uint32_t cls = BLOCK_CLASS(block);
        struct shm_mag *m = &ctx->slot->mag[cls];
        CHECK(cls != CLASS_SPAN); /* only segments and directory nodes are retired */
        if (m->count == mag_limit(cls))
            mag_flush(ctx, cls);
        m->block[m->count] = BLOCK_REF(block);
        SHM_ORDER();
        m->count++;
        STEP(ctx, RETIRE_TAKEN);
        q->head++;
    }
}
