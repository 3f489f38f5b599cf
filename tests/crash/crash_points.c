/* Every crash point, at its n-th hit, in every operation: the process is killed there, another one works on,
 * the slot is repaired, and the arena must be whole, with every key as it was before the operation or as it
 * is after it. The repairer is killed at its own crash points likewise, and repaired in turn. */
#include "shm/crashpoint.h"
#include "shm/repair.h"
#include "tests/crash/image.h"
#include "tests/crash/pubsub_ops.h"
#include "tests/crash/snap_ops.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* How much is tried. By default a part, which still passes every point of every operation: there are 150 operations.
 * --all: every third hit and every repairer. A fork takes many times longer under AddressSanitizer: less then. */
#if defined(__SANITIZE_ADDRESS__)
static struct {
    unsigned hits_of_repair, repairs_apart, hits_apart;
} volume = {2, 80, 1000};
#else
static struct {
    unsigned hits_of_repair, repairs_apart, hits_apart;
} volume = {200, 10, 4};
#endif

static unsigned fired[CP_COUNT];
static unsigned kills, repair_kills, failures;

/* What the keys may be: as before, as after each of the operation's transactions. In memory that the children
 * share, since the undisturbed run is made by one of them. */
static struct {
    unsigned n;
    uint64_t digest[16];
    uint64_t points; /* that the undisturbed operation passes */
} * allowed;

static uint64_t digest_now(void)
{
    return ks_digest('b') ^ pubsub_digest();
}

static void allow_now(void)
{
    CHECK(allowed->n < ARRAY_LEN(allowed->digest));
    allowed->digest[allowed->n++] = digest_now();
}
static bool is_allowed(uint64_t digest)
{
    for (unsigned i = 0; i < allowed->n; i++)
        if (allowed->digest[i] == digest)
            return true;
    return false;
}

static void arm(enum crash_point p, unsigned hit)
{
    struct shm_root *r = arena_root();
    r->crash_slot = VICTIM + 1;
    r->crash_count = hit;
    r->crash_point = p;
}

/* Runs fn in a child; true if a crash point killed it. */
static bool killed(void (*fn)(void *arg), void *arg, const char *what)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        alarm(120);
        fn(arg);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    arena_root()->crash_point = CP_NONE;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    printf("%s ended with status %x\n", what, (unsigned)status);
    failures++;
    return false;
}

/* While keys are locked others use their buckets, and change them. */
static void others_meanwhile(void)
{
    ks_locks = false;
    bystander_run();
    ks_locks = true;
}

static void run_op(void *arg)
{
    const struct crash_op *op = arg;
    struct shm_ctx ctx;
    slot_adopt(&ctx, VICTIM, ROLE_WORKER, 0);
    CHECK(batch_enter(&ctx));
    ks_locks = op->how & LOCKS;
    ks_locked = others_meanwhile;
    op->run(&ctx);
    batch_leave(&ctx);
    allowed->points |= crash_points_seen;
}

static void run_repair(void *arg)
{
    (void)arg;
    slot_repair(VICTIM);
}

static void inspect(const struct crash_op *op, enum crash_point p, unsigned hit, const char *how)
{
    char why[2000];
    unsigned faults = arena_check(why, sizeof(why));
    uint64_t now = faults ? 0 : digest_now();
    if (!faults)
        bystander_check();
    if (!faults && is_allowed(now))
        return;
    printf("%s, killed at %s, hit %u%s: %s\n%s", op->name, crash_point_name(p), hit, how,
           faults ? "the arena is damaged" : "the keys are between before and after", why);
    if (++failures > 20)
        exit(1);
}

/* A snapshot that was under way goes on to its end. */
static void finish(const struct crash_op *op, enum crash_point p, unsigned hit)
{
    const char *wrong = snap_finish(op);
    inspect(op, p, hit, ", then the snapshot was ended");
    if (!wrong)
        return;
    printf("%s, killed at %s, hit %u: %s\n", op->name, crash_point_name(p), hit, wrong);
    if (++failures > 20)
        exit(1);
}

/* The slot serves again. */
static void serve_again(void)
{
    struct shm_ctx ctx;
    slot_adopt(&ctx, VICTIM, ROLE_WORKER, 0);
    CHECK(batch_enter(&ctx));
    for (unsigned i = 0; i < 30; i++) {
        struct name n = name_of("b-again", i);
        if (db_table(ctx.root, 0))
            CHECK(!ks_set(&ctx, 0, NAME_BYTES(n), BYTES_LIT("value"), -1));
    }
    batch_leave(&ctx);
    retire_reclaim(&ctx);
}

/* Kills the repairer at each of its points too: at those that the repair has passed when nothing disturbed it.
 * The state after the first death is in *dead. */
static void repairs_killed(const struct crash_op *op, enum crash_point p, const struct image *dead)
{
    image_restore(dead);
    crash_points_seen = 0;
    slot_repair(VICTIM);
    uint64_t points = crash_points_seen;
    for (enum crash_point q = 1; q < CP_COUNT; q++)
        for (unsigned hit = 1; points >> q & 1 && hit < volume.hits_of_repair;
             hit = hit < 2 ? hit + 1 : hit * 7) {
            image_restore(dead);
            arm(q, hit);
            if (!killed(run_repair, NULL, "a repair"))
                break;
            repair_kills++;
            slot_repair(VICTIM);
            char how[80];
            snprintf(how, sizeof(how), ", and its repairer at %s, hit %u", crash_point_name(q), hit);
            inspect(op, p, 1, how);
        }
}

static bool kill_at(const struct crash_op *op, const struct image *begin, enum crash_point p, unsigned hit)
{
    static struct image dead;
    image_restore(begin);
    bystander_reset();
    arm(p, hit);
    if (!killed(run_op, (void *)(uintptr_t)op, op->name))
        return false;
    kills++;
    fired[p]++;
    if (hit == 1)
        image_save(&dead);
    bystander_run();
    slot_repair(VICTIM);
    inspect(op, p, hit, " (others went on meanwhile)");
    serve_again();
    inspect(op, p, hit, ", then replaced");
    finish(op, p, hit);
    if (hit == 1 && kills % volume.repairs_apart == 0) {
        bystander_reset();
        repairs_killed(op, p, &dead);
    }
    return true;
}

static void every_point(const struct crash_op *op, const struct image *start)
{
    static struct image begin;
    struct shm_ctx ctx;
    image_restore(start);
    slot_ctx(&ctx, VICTIM);
    if (op->prepare)
        op->prepare(&ctx);
    snap_begin(op);
    image_save(&begin);
    allowed->n = 0;
    allowed->points = 0;
    allow_now();
    bystander_reset();
    crash_between = allow_now;
    CHECK(!killed(run_op, (void *)(uintptr_t)op, op->name));
    crash_between = NULL;
    allow_now();
    inspect(op, CP_NONE, 0, " (undisturbed)");
    finish(op, CP_NONE, 0);
    for (enum crash_point p = 1; p < CP_COUNT; p++)
        for (unsigned hit = 1; allowed->points >> p & 1 && kill_at(op, &begin, p, hit);)
            hit = volume.hits_apart ? volume.hits_apart * hit + 1 : hit + 1 + hit / 3;
}

int main(int argc, char **argv)
{
    static struct image start;
    if (argc > 1 && strcmp(argv[1], "--all") == 0) {
        volume.hits_of_repair = 200;
        volume.repairs_apart = 1;
        volume.hits_apart = 0;
        argc--;
        argv++;
    }
    allowed = mmap(NULL, sizeof(*allowed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(allowed != MAP_FAILED);
    crash_arena();
    image_save(&start);
    for (unsigned i = 0; i < crash_op_count; i++)
        if (argc < 2 || strcmp(argv[1], crash_ops[i].name) == 0) {
            unsigned had = kills, had_repairs = repair_kills;
            every_point(&crash_ops[i], &start);
            printf("%-16s %4u kills, %4u of the repairer\n", crash_ops[i].name, kills - had,
                   repair_kills - had_repairs);
            fflush(stdout);
        }
    unsigned points = 0;
    for (enum crash_point p = 1; p < CP_COUNT; p++) {
        points += fired[p] > 0;
        if (!fired[p] && argc < 2) {
            printf("no operation passes the crash point %s\n", crash_point_name(p));
            failures++;
        }
    }
    printf("%u of %u points, %u kills, %u of the repairer, %u failures\n", points, CP_COUNT - 1, kills,
           repair_kills, failures);
    return failures != 0;
}
