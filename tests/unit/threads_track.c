/* Who caches what: marks, prefixes, what a dead process leaves; and two processes as threads, a reader who marks and a
 * changer who looks: if the reader has seen the old value the changer has seen the mark. */
#include "shm/repair.h"
#include "shm/track.h"
#include "tests/crash/keyspace.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define ROUNDS 5000

static struct shm_ctx a, b;
static const struct bytes key = BYTES_LIT("k");

static void check(void)
{
    char why[2000];
    unsigned faults = arena_check(why, sizeof(why));
    CHECKF(!faults, "%u faults:\n%s", faults, why);
}

static bool concerns(uint32_t slot, const char *name)
{
    struct bytes k = {name, strlen(name)};
    uint64_t to[SLOT_WORDS];
    bool any = track_concerned(a.root, k, key_hash(a.root, k), to);
    bool it = to[slot / 64] >> slot % 64 & 1;
    CHECK(any || !it);
    return it;
}

static void marks(void)
{
    uint64_t hash = key_hash(a.root, key);
    CHECK(!track_used(a.root));
    track_use(a.root);
    CHECK(track_used(a.root) && !concerns(1, "k"));
    track_mark(&a, hash);
    track_mark(&b, hash);
    CHECK(concerns(1, "k") && concerns(70, "k") && !concerns(2, "k"));
    track_unmark(&a, hash);
    CHECK(!concerns(1, "k") && concerns(70, "k"));
}

static struct bytes pack(char *to, const char *const *prefix, unsigned n)
{
    size_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = (uint32_t)strlen(prefix[i]);
        memcpy(to + at, &len, sizeof(len));
        memcpy(to + at + sizeof(len), prefix[i], len);
        at += sizeof(len) + len;
    }
    return (struct bytes){to, at};
}

static void set_prefixes(struct shm_ctx *ctx, const char *const *prefix, unsigned n)
{
    char buf[200];
    CHECK(batch_enter(ctx));
    CHECK(!track_prefixes(ctx, pack(buf, prefix, n), n));
    batch_leave(ctx);
    retire_reclaim(ctx);
    check();
}

static void prefixes(void)
{
    set_prefixes(&a, (const char *[]){"ab", "x"}, 2);
    CHECK(concerns(1, "ab") && concerns(1, "abc") && concerns(1, "xy") && !concerns(1, "a") &&
          !concerns(1, ""));
    CHECK(!concerns(70, "abc"));
    set_prefixes(&b, (const char *[]){""}, 1);
    CHECK(concerns(70, "") && concerns(70, "a"));
    set_prefixes(&a, (const char *[]){"b"}, 1);
    CHECK(!concerns(1, "ab") && concerns(1, "b"));
    set_prefixes(&a, NULL, 0);
    CHECK(!concerns(1, "b") && !track_prefixes_of(1));
}

static void adopted(void)
{
    uint64_t epoch = track_epoch(a.root);
    CHECK(concerns(70, "a") && concerns(70, "k"));
    track_mark(&a, key_hash(a.root, key));
    slot_repair(70);
    CHECK(track_epoch(a.root) == epoch + 1);
    slot_adopt(&b, 70, ROLE_WORKER, 1);
    CHECK(!concerns(70, "a") && !concerns(70, "k") && !track_prefixes_of(70) && concerns(1, "k"));
    check();
}

/* ---- the race ---- */

static unsigned came[2]; /* how often each thread has come to where both meet */
static bool seen_old, seen_mark;

/* They go on at the same moment, as nearly as can be: a sleeper would be late. */
static void meet(unsigned me)
{
    unsigned mine = __atomic_add_fetch(&came[me], 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 1; (int)(__atomic_load_n(&came[!me], __ATOMIC_SEQ_CST) - mine) < 0; i++)
        if (i % 4096 == 0)
            sched_yield();
        else
            cpu_relax();
}

static void dawdle(unsigned n)
{
    for (volatile unsigned i = 0; i < n; i++)
        ;
}

static void *change(void *arg)
{
    uint64_t hash = key_hash(b.root, key), to[SLOT_WORDS];
    (void)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char v[16];
        struct bytes value = {v, (size_t)snprintf(v, sizeof(v), "new %u", i)};
        CHECK(batch_enter(&b));
        meet(1);
        dawdle(i % 97 * 4);
        while (ks_set(&b, 0, key, value, -1) == RC_BUSY)
            sched_yield();
        seen_mark = track_concerned(b.root, key, hash, to);
        batch_leave(&b);
        retire_reclaim(&b);
        meet(1);
    }
    return NULL;
}

static void read_round(unsigned i, uint64_t hash)
{
    struct ks_value is;
    char buf[32], old[16];
    int n = snprintf(old, sizeof(old), "old %u", i);
    CHECK(batch_enter(&a));
    CHECK(!ks_set(&a, 0, key, (struct bytes){old, (size_t)n}, -1));
    track_unmark(&a, hash);
    meet(0);
    dawdle(i % 89 * 4);
    track_mark(&a, hash);
    dawdle(i % 61 * 8); /* the other way round, this is where it would go wrong */
    enum rc rc;
    while ((rc = ks_get(&a, 0, key, &is, buf, sizeof(buf))) == RC_BUSY)
        sched_yield();
    CHECK(!rc);
    seen_old = is.n == (size_t)n && memcmp(buf, old, is.n) == 0;
    batch_leave(&a);
    retire_reclaim(&a);
    meet(0);
    CHECKF(!seen_old || seen_mark, "round %u: the old value was read, and nobody will tell", i);
}

static void race(void)
{
    uint64_t hash = key_hash(a.root, key);
    struct shm_table *table;
    pthread_t t;
    CHECK(batch_enter(&a) && !db_table_make(&a, 0, &table));
    batch_leave(&a);
    CHECK(!pthread_create(&t, NULL, change, NULL));
    for (unsigned i = 0; i < ROUNDS; i++)
        read_round(i, hash);
    pthread_join(t, NULL);
    check();
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 64ull << 20, .nslots = 80, .ndbs = 1, .nsessions = 1};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_adopt(&a, 1, ROLE_WORKER, 0);
    slot_adopt(&b, 70, ROLE_WORKER, 1);
    marks();
    prefixes();
    adopted();
    race();
    return 0;
}
