#include "shm/slot.h"
#include "shm/base/clock.h"
#include "shm/crashpoint.h"
#include "shm/track.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void slot_ctx(struct shm_ctx *ctx, uint32_t i)
{
    ctx->root = arena_root();
    ctx->slot = slot_at(i);
    ctx->id = i;
    ctx->built_from = NULL;
    ctx->gone = NULL;
    ctx->fields_gone = NULL;
}

void slot_adopt(struct shm_ctx *ctx, uint32_t i, enum slot_role role, uint32_t index)
{
    slot_ctx(ctx, i);
    struct shm_slot *s = ctx->slot;
    CHECK(s->lane.commit == LANE_IDLE && !s->nest.open);
    s->generation++;
    s->role = role;
    s->index = index;
    s->pid = getpid();
    s->stop = 0;
    __atomic_store_n(&s->inside, 0, __ATOMIC_RELEASE);
    s->busy_since_ms = 0;
    s->clients = 0;
    uint32_t watchers = s->watchers; /* of the previous process: its watching clients are gone */
    s->watchers = 0;
    s->monitor_ended = s->monitor_begun;
    s->over_since_ms = 0;
    __atomic_fetch_sub(&ctx->root->monitors, watchers, __ATOMIC_SEQ_CST);
    life_lock_take(s);
    pubsub_adopt(ctx);
    track_adopt(ctx);
}

/* The kernel walks this list as the thread ends, before it unmaps anything, and marks the futex. The list
 * is private memory, of the thread (tests run processes as threads); only the word that it leads to lies in the
 * arena. */
static _Thread_local struct {
    struct robust_list_head head;
    struct robust_list node;
} robust;

void life_lock_take(struct shm_slot *slot)
{
    __atomic_store_n(&slot->life, (uint32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    robust.node.next = &robust.head.list;
    robust.head.list.next = &robust.node;
    robust.head.list_op_pending = NULL;
    robust.head.futex_offset = (char *)&slot->life - (char *)&robust.node;
    syscall(SYS_set_robust_list, &robust.head, sizeof(robust.head));
}

bool batch_enter(struct shm_ctx *ctx)
{
    struct shm_root *r = ctx->root;
    uint64_t e = __atomic_load_n(&r->epoch, __ATOMIC_ACQUIRE);
    __atomic_store_n(&ctx->slot->inside, e, __ATOMIC_SEQ_CST);
    if (LIKELY(!__atomic_load_n(&r->gate, __ATOMIC_SEQ_CST)))
        return true;
    __atomic_store_n(&ctx->slot->inside, 0, __ATOMIC_RELEASE);
    return false;
}

void batch_leave(struct shm_ctx *ctx)
{
    __atomic_store_n(&ctx->slot->inside, 0, __ATOMIC_RELEASE);
}

bool gate_close(struct shm_ctx *ctx, unsigned wait_us)
{
    struct shm_root *r = ctx->root;
    uint64_t open = 0;
    if (!__atomic_compare_exchange_n(&r->gate, &open, ctx->id + 1, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        ctx->held_by = (uint32_t)open;
        return false;
    }
    STEP(ctx, GATE_CLOSED);
    int64_t until = mono_us() + wait_us;
    for (uint32_t i = 0; i < r->nslots;) {
        if (i == ctx->id || !__atomic_load_n(&slot_at(i)->inside, __ATOMIC_SEQ_CST)) {
            i++;
            continue;
        }
        if (mono_us() > until) {
            ctx->held_by = i + 1;
            gate_open(ctx);
            return false;
        }
        cpu_relax();
    }
    return true;
}

void gate_open(struct shm_ctx *ctx)
{
    CHECK(__atomic_load_n(&ctx->root->gate, __ATOMIC_RELAXED) == ctx->id + 1);
    __atomic_store_n(&ctx->root->gate, 0, __ATOMIC_RELEASE);
}

int64_t slots_used_bytes(void)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < arena_root()->nslots; i++)
        n += __atomic_load_n(&slot_at(i)->used_bytes, __ATOMIC_RELAXED);
    return n;
}
