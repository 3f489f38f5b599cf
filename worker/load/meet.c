/* What the loaders have in common: failing, waiting for one another, telling how far they are. */
#include "shm/base/clock.h"
#include "shm/slab.h"
#include "worker/load/load.h"
#include "worker/publish.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TICKS_A_LOOK 64u /* at the clock: a tick is some dozens of keys */
#define TICK_MS      100 /* heartbeat and figures */

/* ---- failing ---- */

static void nap(long ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, NULL);
}

/* All loaders read the same bytes, so most errors are met by all of them: the first one speaks. */
static bool fail_first(struct loader *l)
{
    uint32_t none = 0;
    return __atomic_compare_exchange_n(&l->load->failing, &none, 1, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

void load_fail(struct loader *l, const char *fmt, ...)
{
    if (fail_first(l)) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(l->load->error, sizeof(l->load->error), fmt, ap);
        va_end(ap);
        __atomic_store_n(&l->load->state, LOAD_FAILED, __ATOMIC_RELEASE);
        if (l->load->what != LOAD_AT_START)
            log_warning("%s", l->load->error);
    } else {
        for (unsigned i = 0; i < 1000 && __atomic_load_n(&l->load->state, __ATOMIC_ACQUIRE) != LOAD_FAILED;
             i++)
            nap(1000000); /* who ends with 1 leaves an error behind */
    }
    _exit(1);
}

void load_fail_full(struct loader *l)
{
    load_fail(
        l,
        "Loading %s: the arena is full (%llu MB in use): raise arena-size, or give the machine more memory",
        l->file->path, (unsigned long long)slots_used_bytes() >> 20);
}

/* ---- waiting ---- */

/* The loaders may be more than the processors: soon the one that is waited for gets ours. */
static void wait_a_little(struct loader *l, unsigned turn)
{
    if (turn < 200) {
        cpu_relax();
        return;
    }
    if (__atomic_load_n(&l->load->state, __ATOMIC_ACQUIRE) == LOAD_FAILED || l->w.ctx.slot->stop)
        _exit(1);
    if (turn < 300)
        sched_yield();
    else
        nap(50000);
    if (turn % 1024 == 0)
        load_tick(l, l->load->loader[l->index].bytes_done);
}

void load_wait(struct loader *l, const uint64_t *word, uint64_t at)
{
    for (unsigned turn = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) < at; turn++)
        wait_a_little(l, turn);
}

void load_meet(struct loader *l)
{
    replay_flush(l);
    uint64_t at = ++l->meetings;
    __atomic_store_n(&l->load->loader[l->index].position, at, __ATOMIC_RELEASE);
    if (!load_is_first(l)) {
        load_wait(l, &l->load->barrier, at);
        return;
    }
    for (unsigned i = 1; i < l->n; i++)
        load_wait(l, &l->load->loader[i].position, at);
}

void load_go_on(struct loader *l)
{
    if (load_is_first(l))
        __atomic_store_n(&l->load->barrier, l->meetings, __ATOMIC_RELEASE);
}

void load_enter(struct loader *l)
{
    for (unsigned turn = 0; !batch_enter(&l->w.ctx); turn++)
        wait_a_little(l, turn);
}

void load_leave(struct loader *l)
{
    batch_leave(&l->w.ctx);
    if (l->w.ctx.slot->retire.head != l->w.ctx.slot->retire.tail)
        retire_reclaim(&l->w.ctx);
}

/* ---- telling ---- */

void load_tick(struct loader *l, uint64_t at)
{
    l->load->loader[l->index].bytes_done = at;
    if (l->ticks++ % TICKS_A_LOOK)
        return;
    int64_t now = mono_ms();
    if (now - l->ticked_ms < TICK_MS)
        return;
    l->ticked_ms = now;
    if (l->w.ctx.slot->stop)
        _exit(1);
    l->w.ctx.slot->heartbeat_ms = (uint64_t)now;
    slot_publish(&l->w.ctx);
}
