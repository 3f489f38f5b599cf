#include "shm/repair.h"
#include "shm/mail.h"
#include "shm/nest.h"
#include "shm/track.h"
#include "shm/waiters.h"
#include "shm/wal.h"

void slot_repair(uint32_t i)
{
    struct shm_ctx ctx;
    slot_ctx(&ctx, i);
    lane_recover(&ctx);
    if (ctx.slot->lane.built)
        span_drop(&ctx, &ctx.slot->lane.built);
    /* A retired block whose way into a magazine was cut short: the magazine already has it. */
    struct shm_retire *q = &ctx.slot->retire;
    if (q->head != q->tail) {
        uint64_t block = q->ring[q->head % RETIRE_RING].block;
        struct shm_mag *m = &ctx.slot->mag[BLOCK_CLASS(block)];
        if (m->count && m->block[m->count - 1] == BLOCK_REF(block))
            q->head++;
    }
    wal_repair(ctx.slot);
    mail_repair(i);
    waiters_stir(ctx.root); /* it may have died before it told whom it made ready */
    track_stir(ctx.root);   /* and what it had changed */
    if (ctx.root->gate == i + 1)
        gate_open(&ctx);
    __atomic_store_n(&ctx.slot->inside, 0, __ATOMIC_RELEASE);
    ctx.slot->busy_since_ms = 0;
}

void slot_repair_nested(uint32_t i)
{
    struct shm_ctx ctx;
    slot_ctx(&ctx, i);
    nest_rollback(&ctx);
}
