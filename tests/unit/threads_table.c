/* The keyspace worked on by threads that stand for processes, each with a slot of its own: the only way for
 * ThreadSanitizer to see across them (build with -DSKEP_TSAN=ON). Without it a test of concurrency as well.
 *   threads_table [--seconds N] */
#include "shm/repair.h"
#include "tests/crash/keyspace.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 4u
#define KEYS    700u

static bool stop;
static uint64_t operations[THREADS + 1], reads[THREADS + 1];

READS_RACILY static void copy(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

/* A value is its seed's number and the bytes that follow from it: a torn one cannot hide. */
static void check_value(const char *v, size_t n)
{
    char expect[400];
    unsigned seed;
    CHECK(n >= sizeof(seed) && n <= sizeof(expect));
    memcpy(&seed, v, sizeof(seed));
    fill(expect, n - sizeof(seed), seed);
    CHECK(memcmp(v + sizeof(seed), expect, n - sizeof(seed)) == 0);
}

static void read_one(struct shm_ctx *ctx, struct bytes key)
{
    struct key_ref k = ks_ref(ctx, 0, key);
    struct read_view view;
    uint32_t version;
    char buf[400];
    for (;;) {
        enum rc rc = key_read_begin(&k, &version);
        if (rc == RC_OK && !k.entry && key_read_valid(&k, version))
            return;
        if (rc == RC_OK && k.entry && key_read_view(&k, version, &view) == RC_OK) {
            CHECK(view.value.n <= sizeof(buf));
            copy(buf, view.value.p, view.value.n);
            if (key_read_valid(&k, version))
                break;
        }
        sched_yield();
        key_locate(&k);
    }
    if ((view.type_enc & 15) != ENC_INT)
        check_value(buf, view.value.n);
    else
        CHECK(view.number % 3 == 0);
}

static void write_one(struct shm_ctx *ctx, struct bytes key, unsigned r)
{
    char v[400];
    size_t n = r / 7 % 300;
    int64_t now;
    switch (r % 8) {
    case 0:
        ks_del(ctx, 0, key);
        break;
    case 1:
        ks_set_int(ctx, 0, key, 3 * (r & 0xffff));
        break;
    case 2:
        ks_incr(ctx, 0, key, 3, &now);
        break;
    case 3:
        ks_expire(ctx, 0, key, r & 1 ? (int64_t)r : -1);
        break;
    default:
        memcpy(v, &r, sizeof(r));
        fill(v + sizeof(r), n, r);
        ks_set(ctx, 0, key, (struct bytes){v, n + sizeof(r)}, r & 256 ? 5 : -1);
    }
}

static void mail_one(struct shm_ctx *ctx, unsigned r)
{
    struct mail m = {.kind = MAIL_RUN, .x = ctx->id, .bytes = r % 60};
    char text[64] = "mail";
    uint32_t from;
    bool wake;
    mail_send(ctx, 1 + r % THREADS, &m, text, &wake);
    while (mail_next(ctx, &from, &m)) {
        CHECK(m.x == from && (m.bytes < 4 || memcmp(shm_at(m.block), "mail", 4) == 0));
        if (mail_done(ctx, from))
            break;
    }
}

static void one(struct shm_ctx *ctx, unsigned r)
{
    struct name a = name_of("k", r % KEYS), b = name_of("k", r / 3 % KEYS);
    struct ks_many m = {.prefix = "k", .first = r % KEYS, .n = 9, .numbers = true, .seed = 3 * (r & 1023)};
    m.give_up = r & 64;
    ks_locks = r >> 24 & 1;
    switch (r >> 20 & 15) {
    case 0:
        ks_rename(ctx, 0, NAME_BYTES(a), NAME_BYTES(b));
        break;
    case 1:
        ks_many(ctx, &m);
        break;
    case 2:
        mail_one(ctx, r);
        break;
    case 3:
        table_adjust(ctx, db_table(ctx->root, 0), (uint64_t)r << 40);
        retire_reclaim(ctx);
        break;
    case 4:
    case 5:
    case 6:
        write_one(ctx, NAME_BYTES(a), r >> 3);
        break;
    default:
        read_one(ctx, NAME_BYTES(a));
        reads[ctx->id]++;
    }
}

static void *work(void *arg)
{
    struct shm_ctx ctx;
    uint64_t r = (uintptr_t)arg * 0x9e3779b97f4a7c15ull;
    slot_adopt(&ctx, (uint32_t)(uintptr_t)arg, ROLE_WORKER, 0);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        while (!batch_enter(&ctx))
            sched_yield();
        for (unsigned i = 0; i < 50; i++, operations[ctx.id]++) {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            one(&ctx, (unsigned)(r >> 20));
        }
        batch_leave(&ctx);
        if (r % 500 == 0 && gate_close(&ctx, 1000))
            gate_open(&ctx);
    }
    tx_thread_ends();
    return NULL;
}

int main(int argc, char **argv)
{
    struct arena_sizes sizes = {.arena_bytes = 256ull << 20, .nslots = 6, .ndbs = 2, .nsessions = 4};
    unsigned seconds = argc > 2 && strcmp(argv[1], "--seconds") == 0 ? (unsigned)atoi(argv[2]) : 3;
    pthread_t thread[THREADS + 1];
    static char why[4000];
    struct shm_ctx ctx;
    struct shm_table *t;
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&ctx, 0);
    CHECK(!db_table_make(&ctx, 0, &t));
    for (uintptr_t i = 1; i <= THREADS; i++)
        CHECK(!pthread_create(&thread[i], NULL, work, (void *)i));
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    uint64_t all = 0, seen = 0;
    for (unsigned i = 1; i <= THREADS; i++) {
        CHECK(!pthread_join(thread[i], NULL));
        all += operations[i];
        seen += reads[i];
    }
    unsigned faults = arena_check(why, sizeof(why));
    CHECKF(!faults, "%u faults:\n%s", faults, why);
    printf("%llu operations, %llu of them reads without a lock\n", (unsigned long long)all,
           (unsigned long long)seen);
    return 0;
}
