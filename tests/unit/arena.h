/* tests/unit/arena.h - an arena for a test, and what must be true of it.
 * Owner     the test process, which is the worker in slot 1.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     those that include it */
#ifndef SKEP_TEST_ARENA_H
#define SKEP_TEST_ARENA_H

#include "shm/table.h"
#include "shm/types/tree.h"
#include "tests/unit/sound.h"

static struct shm_ctx ctx;

/* A new arena, in which a batch is open. */
static inline void arena_begin(uint64_t megabytes)
{
    struct arena_sizes sizes = {.arena_bytes = megabytes << 20, .nslots = 4, .ndbs = 3, .nsessions = 16};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_adopt(&ctx, 1, ROLE_WORKER, 0);
    CHECK(batch_enter(&ctx));
}

/* Flushes the first database, in which all keys are, and looks whether a block was lost. The batch is over. */
static inline void arena_end(void)
{
    batch_leave(&ctx);
    CHECK(gate_close(&ctx, 1000) && !db_flush(&ctx, (uint32_t[]){0}, 1));
    gate_open(&ctx);
    while (graveyard_step(&ctx, 100) || trees_step(&ctx, 100))
        ;
    arena_sound();
    CHECKF(slots_used_bytes() == 0, "%lld bytes are lost", (long long)slots_used_bytes());
}

#endif
