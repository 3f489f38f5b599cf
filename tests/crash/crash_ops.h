/* tests/crash/crash_ops.h - the operations that the crash tests interrupt, and the state they begin in.
 * Owner     the test process.
 * Locks     as the operations take them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     a CHECK ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_CRASH_OPS_H
#define SKEP_TEST_CRASH_OPS_H

#include "tests/crash/keyspace.h"

#define VICTIM    1u /* the slot whose process is killed */
#define BYSTANDER 2u
#define PARTNER   3u /* the other end of mail */

enum crash_how {
    CALLS = 1,     /* it calls ks_begin; true and false say just this */
    SNAP_ALL = 2,  /* while it runs a snapshot has still to show everything */
    SNAP_HALF = 4, /* half of the first database */
    SNAP_ANY = SNAP_ALL | SNAP_HALF,
    LOCKS = 8, /* it locks its keys instead of holding latches */
};

struct crash_op {
    const char *name;
    void (*prepare)(struct shm_ctx *ctx); /* NULL: nothing; as the victim's slot, undisturbed */
    void (*run)(struct shm_ctx *ctx);     /* what is interrupted */
    unsigned how;                         /* enum crash_how */
};

extern const struct crash_op crash_ops[];
extern const unsigned crash_op_count;

/* Called, if not NULL, between the transactions of an operation that has several. */
extern void (*crash_between)(void);
static inline void between(void)
{
    if (crash_between)
        crash_between();
}

static inline void ok(enum rc rc)
{
    CHECKF(rc == RC_OK, "an operation of the test came back with %d", rc);
}

/* Creates a small arena with a fixed seed and fills it through the victim's slot. */
void crash_arena(void);

/* What another process does between the death and the repair, as the bystander's slot: it takes what blocks
 * it can get, writes, and resizes segments, as far as the dead one's latches let it. */
void bystander_run(void);
/* Its keys (they begin with 'b') that it was told are stored: they must all be there. */
void bystander_check(void);
void bystander_reset(void);

#endif
