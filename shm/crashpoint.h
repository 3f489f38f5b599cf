/* shm/crashpoint.h - named places where a test may kill the process, to see whether repair holds.
 * Owner     the root page says which point is armed, for which slot, and at which hit.
 * Locks     none.
 * Crash     its very purpose.
 * Survives  the point is disarmed before the process dies, so repair does not meet it again.
 * Fails     never.
 * Tests     tests/crash/crash_points.c */
#ifndef SKEP_CRASHPOINT_H
#define SKEP_CRASHPOINT_H

#include "shm/arena.h"

/* clang-format off */
#define CRASH_POINTS(X)                                                                        \
    X(TX_OPEN) X(TX_LOCK_NOTED) X(TX_LOCKED) X(TX_RESERVED)                                    \
    X(ALLOC_NOTED) X(ALLOC_POPPED) X(TX_PREPARED) X(TX_REDO_NOTED) X(TX_UNDO_NOTED)            \
    X(TX_BEFORE_COMMIT) X(TX_COMMITTED) X(TX_PUBLISHED_ONE) X(TX_PUBLISHED)                \
    X(TX_FREEING) X(FREE_PUSHED) X(FREE_COUNTED) X(TX_FREED) X(TX_RETIRED_ONE) X(TX_EXPOSED_ONE)                 \
    X(TX_UNLOCKING) X(TX_UNLOCKED_ONE) X(TX_UNLOCKED) X(TX_ABORTING) X(TX_UNDONE) X(TX_ABORT_FREED) \
    X(NEST_LOCK_NOTED) X(NEST_LOCKED) X(NEST_WORD_NOTED) X(NEST_WORD_SET) X(NEST_BEFORE_COMMIT) \
    X(NEST_COMMITTED) X(NEST_UNLOCKED) X(UNIT_RANGE_NOTED) X(UNIT_RANGE_SET)                   \
    X(NEST_UNDONE) X(STORE_MOVED) X(TRIM_NOTED) X(GATE_CLOSED) X(RETIRE_TAKEN)                 \
    X(MAIL_SENT) X(MAIL_LOOKED) X(SESSION_CLAIMED) X(SPAN_TAKEN) X(AHEAD_OBTAINED)                     \
    X(WAL_FILLED) X(WAL_FLOOR) X(WAL_DRAWN)                                                   \
    X(KEYLOCK_ADDED) X(KEYLOCK_SHOWN) X(KEYLOCK_HIDDEN) X(KEYS_PUBLISHING)                     \
    X(SNAP_HANDED) X(SNAP_RING_GROWN) X(SNAP_CUT) X(SNAP_MARKS) X(SNAP_TAKEN)
/* clang-format on */

enum crash_point {
    CP_NONE,
#define X(name) CP_##name,
    CRASH_POINTS(X)
#undef X
        CP_COUNT
};

const char *crash_point_name(enum crash_point p);
enum crash_point crash_point_find(const char *name);
void crash_point_hit(struct shm_ctx *ctx, enum crash_point p);

extern uint64_t crash_points_seen; /* bit p: this process has passed point p */
_Static_assert(CP_COUNT <= 64, "a bit for each point");

#ifdef SKEP_DEBUG
#define STEP(ctx, name)                                                                                      \
    do {                                                                                                     \
        SHM_ORDER();                                                                                         \
        __atomic_fetch_or(&crash_points_seen, 1ull << CP_##name, __ATOMIC_RELAXED);                          \
        if (UNLIKELY((ctx)->root->crash_point == CP_##name))                                                 \
            crash_point_hit((ctx), CP_##name);                                                               \
        SHM_ORDER();                                                                                         \
    } while (0)
#else
#define STEP(ctx, name) ((void)(ctx), SHM_ORDER())
#endif

#endif
