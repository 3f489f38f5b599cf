#include "worker/script/overtime.h"
#include "shm/base/log.h"
#include "shm/persist.h"
#include "worker/dispatch/busy.h"
#include "worker/dispatch/lane.h"
#include "worker/worker.h"

#include <time.h>

#define GRACE_MS 1000u

static uint64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void overtime_begin(struct run *r)
{
    struct shm_slot *s = r->w->ctx.slot;
    if (!r->c->in_lane)
        return;
    s->script_kill = 0;
    s->script_kind = r->p->flags & PROGRAM_EVAL ? SCRIPT_IS_EVAL : SCRIPT_IS_FUNCTION;
    if (s->script_kind == SCRIPT_IS_FUNCTION)
        busy_note(s, r->p->name, r->c->argv, r->c->argc);
    __atomic_store_n(&s->script_since_ms, mono_ms(), __ATOMIC_RELEASE);
}

void overtime_end(struct run *r)
{
    if (r->c->in_lane)
        __atomic_store_n(&r->w->ctx.slot->script_since_ms, 0, __ATOMIC_RELEASE);
}

void overtime_wrote(struct run *r)
{
    r->wrote = true;
    if (r->c->in_lane)
        __atomic_or_fetch(&r->w->ctx.slot->script_kind, SCRIPT_HAS_WRITTEN, __ATOMIC_RELEASE);
}

/* Redis says SCRIPT KILL of functions, too. */
static void end_by_order(struct run *r, lua_State *L)
{
    lua_Debug ar;
    bool known = false;
    log_notice("Lua script killed by user with SCRIPT KILL.");
    r->killed = true;
    for (int i = 0; !known && lua_getstack(L, i, &ar); i++)
        known = lua_getinfo(L, "Sl", &ar) && ar.currentline >= 0;
    r->c->reply->len = r->reply_from; /* it may have been writing what it returned */
    reply_errorf(r->c->reply, "ERR Script killed by user with SCRIPT KILL... script: %s, on %s:%d.",
                 r->p->name, known ? ar.source : "@user_script", known ? ar.currentline : 0);
    run_abandon(r, RC_OK);
}

void overtime_look(struct run *r, lua_State *L)
{
    struct shm_slot *s = r->w->ctx.slot;
    uint64_t now = mono_ms();
    __atomic_store_n(&s->heartbeat_ms, now, __ATOMIC_RELAXED);
    if (r->c->loading)
        return; /* it has been run before: it comes to its end */
    /* What has begun to write since it was looked at goes on: it would end half done. */
    if (UNLIKELY(__atomic_load_n(&s->script_kill, __ATOMIC_ACQUIRE) == busy_mark(s->script_since_ms)) &&
        !r->wrote)
        end_by_order(r, L);
    /* Nobody waits for a long script at the end: it is undone, and its client is told. */
    if (now - s->script_since_ms <= GRACE_MS)
        return;
    if (heeds(r->w->ctx.root, HEED_LAST_SAVE))
        run_abandon(r, RC_ENDING);
    /* Nor do a lane that is replaced and a worker that hands its clients over: it is undone, and run again. */
    if (s->state == SLOT_STOPPING ||
        __atomic_load_n(&r->c->session->lane_ticket, __ATOMIC_ACQUIRE) == lane_recalled(r->w->serving))
        run_abandon(r, RC_AWAIT);
}
