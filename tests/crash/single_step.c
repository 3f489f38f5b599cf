/* What if a process dies after the n-th instruction of an operation, for every n? Crash points that were
 * placed by hand find only what one thought of. The process is traced. After each instruction that changed
 * shared memory it stays stopped while its slot is repaired as if it were dead, the arena is checked, and the
 * keys are compared; then the memory is put back and it takes the next step. A long operation is looked at in
 * random places, and a number of times the process is killed in earnest.
 *   single_step [--seed N] [OPERATION] */
#include "shm/repair.h"
#include "tests/crash/image.h"
#include "tests/crash/snap_ops.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct stepped {
    const char *name;
    bool bystander; /* lets another process work on before the repair */
};
static const struct stepped stepped[] = {
    {"set-new", false},        {"set-over", true},    {"incr", false},       {"del", true},
    {"expire-new", true},      {"rename", false},     {"set-range", false},  {"undone", false},
    {"dozen", true},           {"del-span", false},   {"grow", true},        {"split-root", true},
    {"split-run", false},      {"table-make", false}, {"mail-send", false},  {"mail-receive", true},
    {"refill", false},         {"databases", true},   {"drain", false},      {"reclaim", false},
    {"change-and-free", true}, {"exec", true},        {"exec-gate", false},  {"snap-over", true},
    {"snap-expire", false},    {"snap-walk", true},   {"fields-brief", true}};

#define MOST_STEPS 120000u
/* LOOKS: at a long operation; LONG: of so many instructions, from which on random places are looked at. Sanitizers make
 * each operation several times as long, and watch what the plain build's complete run has shown to be right. */
#if defined(__SANITIZE_ADDRESS__)
#define LOOKS 150u
#define LONG  3000u
#define KILLS 2u
#else
#define LOOKS 350u
#define LONG  6000u
#define KILLS 8u
#endif

static struct {
    unsigned n;
    uint64_t digest[16];
} allowed;
static unsigned failures;
static uint64_t seed;

static void stop_once(void)
{
    ks_begin = NULL;
    raise(SIGSTOP);
}

/* Stops where the operation begins and where it has ended. */
static void child(const struct crash_op *op)
{
    struct shm_ctx ctx;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(3);
    slot_adopt(&ctx, VICTIM, ROLE_WORKER, 0);
    CHECK(batch_enter(&ctx));
    ks_begin = stop_once;
    ks_locks = op->how & LOCKS;
    if (!(op->how & CALLS))
        stop_once();
    op->run(&ctx);
    raise(SIGSTOP);
    _exit(0);
}

static int wait_for(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static pid_t start(const struct crash_op *op)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (!pid)
        child(op);
    int status = wait_for(pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
        fprintf(stderr, "single_step: this system does not let a process be traced (ptrace refused)\n");
        exit(1);
    }
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    return pid;
}

/* One instruction further; false at the operation's end. */
static bool step(pid_t pid)
{
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL)) {
        fprintf(stderr, "single_step: PTRACE_SINGLESTEP refused: %s\n", strerror(errno));
        exit(1);
    }
    int status = wait_for(pid);
    CHECKF(WIFSTOPPED(status), "the traced process ended with status %x", (unsigned)status);
    return WSTOPSIG(status) == SIGTRAP;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    while (WIFSTOPPED(wait_for(pid)))
        ;
}

static void allow_now(void)
{
    CHECK(allowed.n < ARRAY_LEN(allowed.digest));
    allowed.digest[allowed.n++] = ks_digest('b');
}

static void inspect(const struct crash_op *op, unsigned long n)
{
    char why[2000];
    slot_repair(VICTIM);
    unsigned faults = arena_check(why, sizeof(why));
    uint64_t now = faults ? 0 : ks_digest('b');
    bool good = false;
    for (unsigned i = 0; i < allowed.n; i++)
        good |= !faults && allowed.digest[i] == now;
    if (!faults)
        bystander_check();
    const char *wrong = faults ? "the arena is damaged" : "the keys are between before and after";
    if (good && !(wrong = snap_finish(op)) && !arena_check(why, sizeof(why)))
        return;
    printf("%s, killed after instruction %lu: %s\n%s", op->name, n,
           wrong ? wrong : "the arena is damaged by the end of the snapshot", why);
    if (++failures > 10)
        exit(1);
}

static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void prepare(const struct crash_op *op, const struct image *start_image, struct image *begin)
{
    struct shm_ctx ctx;
    image_restore(start_image);
    slot_ctx(&ctx, VICTIM);
    if (op->prepare)
        op->prepare(&ctx);
    snap_begin(op);
    image_save(begin);
    allowed.n = 0;
    bystander_reset();
    allow_now();
    /* The undisturbed run, here: the slot is not in a batch of another process. */
    CHECK(batch_enter(&ctx));
    crash_between = allow_now;
    op->run(&ctx);
    crash_between = NULL;
    batch_leave(&ctx);
    allow_now();
}

/* Is memory as it was in the image? What lies behind the image is free. */
static bool changed(const struct image *im)
{
    return memcmp(shm_base, im->copy, im->bytes) != 0;
}

static void look(const struct crash_op *op, const struct image *now, unsigned long n, bool bystander)
{
    bystander_reset();
    if (bystander)
        bystander_run();
    inspect(op, n);
    image_restore(now);
}

/* Steps through the whole operation; returns its length. looks is NULL when only that is wanted. */
static unsigned long walk(const struct stepped *s, const struct crash_op *op, unsigned long length,
                          unsigned long *looks)
{
    static struct image now;
    unsigned long n = 0;
    pid_t pid = start(op);
    image_save(&now);
    for (; step(pid) && n < MOST_STEPS; n++) {
        if (!looks || (length > LONG && random_next() % length >= LOOKS) || !changed(&now))
            continue;
        image_save(&now);
        look(op, &now, n, s->bystander);
        ++*looks;
    }
    end(pid);
    return n;
}

static void kill_somewhere(const struct stepped *s, const struct crash_op *op, unsigned long length)
{
    unsigned long n = random_next() % (length < 4000 ? length + 1 : 4000);
    pid_t pid = start(op);
    for (unsigned long i = 0; i < n && step(pid); i++)
        ;
    end(pid);
    bystander_reset();
    if (s->bystander)
        bystander_run();
    inspect(op, n);
}

static void every_instruction(const struct stepped *s, const struct crash_op *op,
                              const struct image *start_image)
{
    static struct image begin;
    struct timespec t0, t1;
    unsigned long looks = 0;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    prepare(op, start_image, &begin);
    image_restore(&begin);
    unsigned long length = walk(s, op, 0, NULL);
    image_restore(&begin);
    walk(s, op, length, &looks);
    for (unsigned i = 0; i < KILLS; i++) {
        image_restore(&begin);
        kill_somewhere(s, op, length);
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    printf("%-16s %7lu instructions, %4lu %s, %.1f s\n", op->name, length, looks,
           length > LONG ? "random places" : "changes of memory, all of them",
           (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct image start_image;
    const char *only = NULL;
    seed = (uint64_t)time(NULL);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else
            only = argv[i];
    printf("seed %llu\n", (unsigned long long)seed);
    seed = seed * 2654435761u + 1;
    crash_arena();
    image_save(&start_image);
    for (unsigned i = 0; i < ARRAY_LEN(stepped); i++) {
        const struct crash_op *op = crash_ops;
        while (strcmp(op->name, stepped[i].name))
            CHECK(++op < crash_ops + crash_op_count);
        if (!only || strcmp(only, op->name) == 0)
            every_instruction(&stepped[i], op, &start_image);
    }
    printf("%u failures\n", failures);
    return failures != 0;
}
