/* The keyspace without a network: processes that set and get random keys, in batches of 32 as a worker would
 * work on a pipeline, with its prefetch stages. Run by hand.
 *   bench_keyspace [--processes 2] [--keys 1000000] [--seconds 3] [--value 64] [--grow 20000000] [--huge 0] */
#include "shm/config.h"
#include "shm/pages.h"
#include "shm/table.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH     32u
#define VALUE_MAX 4096u

static struct {
    unsigned processes;
    uint64_t keys, grow;
    double seconds;
    size_t value;
    bool huge;
} opt = {2, 1000000, 0, 3, 64, true};

static struct shared {
    uint64_t go, ready, settled;
    double helper_cpu;
    struct {
        _Alignas(64) uint64_t done, missing;
        double cpu;
    } p[64];
} * shared;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t xorshift(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* "key:%012u", without printf. */
static struct bytes key_name(char *buf, uint64_t i)
{
    memcpy(buf, "key:000000000000", 16);
    for (unsigned at = 15; i; i /= 10)
        buf[at--] = (char)('0' + i % 10);
    return (struct bytes){buf, 16};
}

static enum rc set_one(struct shm_ctx *ctx, struct key_ref *k, const char *value)
{
    struct entry_spec s = {.key = k->key, .enc = ENC_RAW, .expiry_ms = -1, .inline_len = opt.value};
    struct tx tx;
    shm_ref e;
    char *at;
    tx_begin(&tx, ctx);
    enum rc rc = key_latch(&tx, k);
    if (!rc)
        rc = entry_new(&tx, &s, &e, &at);
    if (!rc) {
        memcpy(at, value, opt.value);
        rc = key_put(&tx, k, e, false);
    }
    if (rc)
        tx_abort(&tx);
    else
        tx_commit(&tx);
    return rc;
}

static bool get_one(struct key_ref *k, char *out)
{
    uint32_t version;
    for (;;) {
        enum rc rc = key_read_begin(k, &version);
        if (rc) {
            key_locate(k);
            continue;
        }
        if (!k->entry)
            return false;
        struct bytes b = entry_bytes(key_entry(k));
        if (b.n == opt.value) /* no bound that the compiler knows: it would copy with rep movs */
            memcpy(out, b.p, b.n);
        if (key_read_valid(k, version))
            return true;
    }
}

/* One batch: hash and bucket of every key first, then their entries, then the work itself. */
static void batch(struct shm_ctx *ctx, uint64_t *r, bool sets, const char *value, uint64_t *missing)
{
    static char name[BATCH][16];
    struct key_ref k[BATCH];
    char out[VALUE_MAX];
    struct shm_table *t = db_table(ctx->root, 0);
    for (unsigned i = 0; i < BATCH; i++) {
        k[i].key = key_name(name[i], xorshift(r) % opt.keys);
        k[i].db = 0;
        k[i].table = t;
        k[i].overflowed = false;
        k[i].hash = key_hash(ctx->root, k[i].key);
        key_locate(&k[i]);
        key_prefetch_bucket(&k[i]);
    }
    for (unsigned i = 0; i < BATCH; i++)
        key_prefetch_entry(&k[i]);
    for (unsigned i = 0; i < BATCH; i++)
        if (!sets)
            *missing += !get_one(&k[i], out);
        else
            while (set_one(ctx, &k[i], value))
                sched_yield();
    for (unsigned i = 0; sets && i < BATCH; i++)
        if (k[i].overflowed)
            table_adjust(ctx, t, k[i].hash);
}

static void work(unsigned id, bool sets)
{
    static char value[VALUE_MAX];
    struct shm_ctx ctx;
    uint64_t r = (id + 1) * 0x9e3779b97f4a7c15ull, n = 0, missing = 0;
    memset(value, 'v', sizeof(value));
    slot_adopt(&ctx, 1 + id, ROLE_WORKER, id);
    __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
        sched_yield();
    double c0 = cpu_seconds();
    while (__atomic_load_n(&shared->go, __ATOMIC_RELAXED) == 1) {
        CHECK(batch_enter(&ctx));
        batch(&ctx, &r, sets, value, &missing);
        batch_leave(&ctx);
        if (sets && n % 1024 == 0)
            retire_reclaim(&ctx);
        n += BATCH;
    }
    shared->p[id].cpu = cpu_seconds() - c0;
    shared->p[id].done = n;
    shared->p[id].missing = missing;
}

static void measure(bool sets)
{
    shared->go = shared->ready = 0;
    for (unsigned i = 0; i < opt.processes; i++)
        if (fork() == 0) {
            work(i, sets);
            _exit(0);
        }
    while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) < opt.processes)
        usleep(1000);
    double t0 = now();
    __atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
    usleep((useconds_t)(opt.seconds * 1e6));
    __atomic_store_n(&shared->go, 2, __ATOMIC_RELEASE);
    double t = now() - t0;
    int status;
    uint64_t done = 0, missing = 0;
    double cpu = 0;
    while (wait(&status) > 0)
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (unsigned i = 0; i < opt.processes; i++) {
        done += shared->p[i].done;
        missing += shared->p[i].missing;
        cpu += shared->p[i].cpu;
    }
    printf("%s: %.2f million/s by %u processes, %.0f ns of CPU each%s\n", sets ? "sets" : "gets",
           (double)done / t / 1e6, opt.processes, cpu / (double)done * 1e9,
           missing ? ", keys were missing!" : "");
}

/* What the slow lane does beside the workers while the keyspace grows. */
static void help(void)
{
    struct shm_ctx ctx;
    uint64_t seen = 0, from = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    slot_adopt(&ctx, opt.processes + 1, ROLE_LANE, 0);
    for (;;) {
        bool growing = pages_ahead(&ctx, &seen), folding = !growing && pages_fold(&ctx, &from);
        shared->settled = !growing && !folding;
        shared->helper_cpu = cpu_seconds();
        usleep(5000);
    }
}

/* Inserts keys from..to; returns the longest insert and tells the mean, the helper's part included. */
static void insert(struct shm_ctx *ctx, uint64_t from, uint64_t to)
{
    char value[VALUE_MAX] = {0}, name[16];
    double worst = 0, t0 = now(), c0 = cpu_seconds() + shared->helper_cpu;
    uint64_t over_100us = 0, over_1ms = 0;
    for (uint64_t i = from; i < to; i++) {
        double a = opt.grow ? cpu_seconds() : now(); /* our own time alone: others may run on this machine */
        CHECK(batch_enter(ctx));
        struct key_ref k = {.key = key_name(name, i), .table = db_table(ctx->root, 0)};
        k.hash = key_hash(ctx->root, k.key);
        key_locate(&k);
        enum rc rc;
        while ((rc = set_one(ctx, &k, value)) == RC_BUSY) /* the helper holds the arena's latch */
            sched_yield();
        CHECKF(!rc, "insert of key %llu: %d", (unsigned long long)i, rc);
        if (k.overflowed && (!(k.hash & 7) || dir_buckets(k.dir) <= 16)) /* as worker/dispatch does */
            table_adjust(ctx, k.table, k.hash);
        batch_leave(ctx);
        if (i % 64 == 0)
            retire_reclaim(ctx);
        double d = (opt.grow ? cpu_seconds() : now()) - a;
        worst = d > worst ? d : worst;
        over_100us += d > 1e-4;
        over_1ms += d > 1e-3;
    }
    uint64_t segments, nodes, buckets = table_buckets(db_table(ctx->root, 0), &segments, &nodes);
    printf("%llu to %llu keys: longest insert %.0f us%s (%llu above 100 us, %llu above 1 ms), %.0f ns of CPU "
           "each, "
           "%.1f s, %.2f keys a bucket, %.1f bytes a key, %.0f of %.0f MB in huge pages\n",
           (unsigned long long)from, (unsigned long long)to, worst * 1e6, opt.grow ? " of CPU" : "",
           (unsigned long long)over_100us, (unsigned long long)over_1ms,
           (cpu_seconds() + shared->helper_cpu - c0) / (double)(to - from) * 1e9, now() - t0,
           (double)to / (double)buckets, (double)slots_used_bytes() / (double)to,
           (double)pages_folded_bytes() / 1e6, (double)pages_resident_bytes() / 1e6);
    fflush(stdout);
}

static void options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        double v = strtod(argv[i + 1], NULL);
        if (strcmp(argv[i], "--processes") == 0)
            opt.processes = (unsigned)v;
        else if (strcmp(argv[i], "--keys") == 0)
            opt.keys = (uint64_t)v;
        else if (strcmp(argv[i], "--seconds") == 0)
            opt.seconds = v;
        else if (strcmp(argv[i], "--value") == 0)
            opt.value = v > VALUE_MAX ? VALUE_MAX : (size_t)v;
        else if (strcmp(argv[i], "--huge") == 0)
            opt.huge = v != 0;
        else if (strcmp(argv[i], "--grow") == 0)
            opt.grow = (uint64_t)v;
        else
            CHECKF(false, "unknown option %s", argv[i]);
    }
    CHECK(opt.processes >= 1 && opt.processes <= 64);
}

int main(int argc, char **argv)
{
    struct shm_ctx ctx;
    struct shm_table *t;
    int fd;
    options(argc, argv);
    uint64_t most = opt.grow > opt.keys ? opt.grow : opt.keys;
    struct arena_sizes sizes = {.nslots = opt.processes + 2, .ndbs = 1, .nsessions = 1};
    sizes.arena_bytes = (256ull << 20) + most * (opt.value + 128);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    CHECK(!arena_create(&sizes, &fd));
    ((struct shm_config *)shm_at(arena_root()->config))->huge_pages = opt.huge;
    slot_adopt(&ctx, 0, ROLE_MASTER, 0);
    CHECK(!db_table_make(&ctx, 0, &t));
    pid_t helper = fork();
    CHECK(helper >= 0);
    if (!helper)
        help();
    insert(&ctx, 0, opt.keys);
    if (opt.grow > opt.keys) {
        insert(&ctx, opt.keys, opt.grow);
        return 0;
    }
    do
        usleep(20000);
    while (!shared->settled);
    kill(helper, SIGKILL);
    waitpid(helper, NULL, 0);
    measure(true);
    measure(false);
    return 0;
}
