/* The latch: one holder, a version that moves with each release, and an end when it is retired. */
#include "shm/latch.h"

#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* a machine that stands still meanwhile has not spun */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void one_holder(void)
{
    struct shm_latch l = {0};
    CHECK(latch_try(&l, 0) && latch_mine(&l, 0) && !latch_mine(&l, 1));
    CHECK(!latch_try(&l, 1) && !latch_try(&l, 0));
    uint32_t held = latch_load(&l);
    latch_release(&l);
    CHECK(!latch_owner(latch_load(&l)) && latch_load(&l) == (held & ~LATCH_OWNER) + LATCH_STEP);
    CHECK(latch_try(&l, 249) && latch_mine(&l, 249));
}

static void versions_wrap(void)
{
    struct shm_latch l = {.word = 0xffffff00u};
    CHECK(latch_try(&l, 3));
    latch_release(&l);
    CHECK(latch_load(&l) == 0); /* the owner's byte is never touched by the carry */
}

static void retired(void)
{
    struct shm_latch l = {0};
    CHECK(latch_try(&l, 5));
    uint32_t version = latch_load(&l) & ~LATCH_OWNER;
    latch_retire(&l);
    CHECK(latch_owner(latch_load(&l)) == LATCH_RETIRED);
    CHECK((latch_load(&l) & ~LATCH_OWNER) != version);
    CHECK(!latch_try(&l, 5) && !latch_spin(&l, 6) && !latch_mine(&l, 5));
}

static void spin_gives_up(void)
{
    struct shm_latch l = {0};
    CHECK(latch_spin(&l, 1));
    double t0 = now();
    CHECK(!latch_spin(&l, 2));
    CHECK(now() - t0 < 0.5); /* some 20 us */
    latch_release(&l);
    CHECK(latch_spin(&l, 2) && latch_mine(&l, 2));
}

int main(void)
{
    one_holder();
    versions_wrap();
    retired();
    spin_gives_up();
    return 0;
}
