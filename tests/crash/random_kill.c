/* Several processes work on the same keys while they are killed at random, repaired and replaced. Each keeps
 * a ledger in memory of its own that outlives it: what it was about to do, and what it was told is done. In
 * the end the arena must be whole and every key agree with the ledgers. One process more, which is killed as well,
 * takes snapshots all the time: each must show what changes together as it was at one moment. random_kill [--seconds N] [--seed N]
 * [--processes N] */
#include "shm/repair.h"
#include "shm/snapshot.h"
#include "tests/crash/keyspace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 8u
#define OWN_KEYS      600u /* of each process: nobody else changes them */
#define SHARED_KEYS   40u  /* counters that all of them add to */
#define GROUP         12u  /* keys that always change together */
#define PAIRS         20u  /* of names between which a key is renamed */

/* What a key of one process holds: a number, 0: the key is absent. Before an operation its outcome is written
 * to want, afterwards to is; a death leaves the two different, and either is right. */
struct promise {
    uint64_t is, want;
};

struct ledger {
    struct promise own[OWN_KEYS];
    struct promise group;
    struct promise renames[PAIRS]; /* 1: the key has its first name, 2: its second */
    struct promise added[SHARED_KEYS];
    uint64_t mail_sent[PROCESSES_MAX + 1], mail_seen[PROCESSES_MAX + 1];
    uint64_t done, busy, random;
};

static struct ledger *ledgers; /* of the first one, which no process has: done counts snapshots */
static unsigned processes = 4;

static uint64_t xorshift(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void promise(struct promise *p, uint64_t want)
{
    __atomic_store_n(&p->want, want, __ATOMIC_SEQ_CST);
}
static void settle(struct promise *p, enum rc rc)
{
    if (rc == RC_OK)
        __atomic_store_n(&p->is, p->want, __ATOMIC_SEQ_CST);
    else
        __atomic_store_n(&p->want, p->is, __ATOMIC_SEQ_CST);
}

static size_t length_for(uint64_t v)
{
    return v % 37 == 0 ? 5000 + v % 3000 : v % 211 == 1 ? 300000 : v % 150;
}

static struct name own_name(unsigned process, unsigned i)
{
    char prefix[24];
    snprintf(prefix, sizeof(prefix), "own%u", process);
    return name_of(prefix, i);
}

static enum rc write_own(struct shm_ctx *ctx, struct name *n, uint64_t v, uint64_t r)
{
    static char value[300000];
    if (!v)
        return ks_del(ctx, 0, NAME_BYTES(*n));
    if (v % 2)
        return ks_set_int(ctx, 0, NAME_BYTES(*n), (int64_t)v);
    size_t len = length_for(v);
    fill(value, len, (unsigned)v);
    return ks_set(ctx, 0, NAME_BYTES(*n), (struct bytes){value, len}, r & 64 ? (int64_t)v : -1);
}

static void change_own(struct shm_ctx *ctx, unsigned me, struct ledger *l, uint64_t r)
{
    unsigned i = (unsigned)(r >> 8) % OWN_KEYS;
    struct promise *p = &l->own[i];
    struct name n = own_name(me, i);
    uint64_t v = r >> 20 & 0xfffff;
    if (p->is && p->is % 2 && r % 4 == 0) {
        int64_t now;
        promise(p, p->is + 2);
        settle(p, ks_incr(ctx, 0, NAME_BYTES(n), 2, &now));
        return;
    }
    if (!p->is && !v)
        return;
    promise(p, r % 5 == 0 && p->is ? 0 : v | (r & 1));
    if (!p->want && !p->is)
        return;
    settle(p, write_own(ctx, &n, p->want, r));
}

static void change_group(struct shm_ctx *ctx, unsigned me, struct ledger *l, uint64_t r)
{
    char prefix[24];
    snprintf(prefix, sizeof(prefix), "group%u", me);
    struct ks_many m = {
        .prefix = prefix, .n = GROUP, .numbers = true, .seed = (unsigned)(r >> 20 & 0xffff) + 1};
    m.give_up = r % 7 == 0;
    promise(&l->group, m.seed);
    settle(&l->group, ks_many(ctx, &m));
}

static void rename_one(struct shm_ctx *ctx, unsigned me, struct ledger *l, uint64_t r)
{
    unsigned i = (unsigned)(r >> 8) % PAIRS;
    char prefix[24];
    snprintf(prefix, sizeof(prefix), "pair%u", me);
    struct name a = name_of(prefix, 2 * i), b = name_of(prefix, 2 * i + 1);
    struct promise *p = &l->renames[i];
    if (!p->is) {
        promise(p, 1);
        settle(p, ks_set(ctx, 0, NAME_BYTES(a), BYTES_LIT("it moves"), -1));
        return;
    }
    promise(p, 3 - p->is);
    settle(p, p->is == 1 ? ks_rename(ctx, 0, NAME_BYTES(a), NAME_BYTES(b))
                         : ks_rename(ctx, 0, NAME_BYTES(b), NAME_BYTES(a)));
}

static void add_shared(struct shm_ctx *ctx, struct ledger *l, uint64_t r)
{
    unsigned i = (unsigned)(r >> 8) % SHARED_KEYS;
    struct name n = name_of("shared", i);
    int64_t now;
    promise(&l->added[i], l->added[i].is + 1);
    settle(&l->added[i], ks_incr(ctx, 0, NAME_BYTES(n), 1, &now));
}

/* Each message carries its number; the receiver must see each once, in order. The last may be seen again
 * when the receiver died between looking and taking it out. */
static void post(struct shm_ctx *ctx, unsigned me, struct ledger *l, uint64_t r)
{
    uint32_t to = 1 + (uint32_t)(r >> 8) % processes, from;
    char text[200];
    bool wake;
    struct mail m = {.kind = MAIL_RUN, .x = l->mail_sent[to] + 1, .bytes = r >> 16 & 127};
    const struct shm_ring *ring = mail_ring(me, to);
    /* After a death in the middle the ring tells whether that one went. */
    if (ring->tail != l->mail_sent[to])
        l->mail_sent[to] = ring->tail;
    m.x = ring->tail + 1;
    fill(text, sizeof(text), (unsigned)m.x);
    if (to != me && !mail_send(ctx, to, &m, text, &wake))
        l->mail_sent[to] = m.x;
    while (mail_next(ctx, &from, &m)) {
        char expect[200];
        CHECKF(m.x == l->mail_seen[from] + 1 || m.x == l->mail_seen[from], "message %llu from %u after %llu",
               (unsigned long long)m.x, from, (unsigned long long)l->mail_seen[from]);
        fill(expect, sizeof(expect), (unsigned)m.x);
        CHECK(!m.bytes || memcmp(expect, shm_at(m.block), m.bytes) == 0);
        l->mail_seen[from] = m.x;
        if (mail_done(ctx, from))
            break;
    }
}

static void resize(struct shm_ctx *ctx, uint64_t r)
{
    table_adjust(ctx, db_table(ctx->root, 0), r);
    retire_reclaim(ctx);
}

/* FLUSHDB of a database that all of them fill with what nobody counts. */
static void flush(struct shm_ctx *ctx, uint64_t r)
{
    struct shm_table *t;
    if (r >> 8 & 31) {
        struct name n = name_of("waste", (unsigned)(r >> 16) % 5000);
        if (!db_table_make(ctx, 1, &t))
            ks_set(ctx, 1, NAME_BYTES(n), BYTES_LIT("waste"), -1);
        if (db_table(ctx->root, 1))
            table_adjust(ctx, db_table(ctx->root, 1), r);
        graveyard_step(ctx, 20);
        return;
    }
    batch_leave(ctx);
    if (gate_close(ctx, 2000)) {
        db_flush(ctx, (uint32_t[]){1}, 1);
        gate_open(ctx);
    }
    while (!batch_enter(ctx))
        sched_yield();
}

static void one(struct shm_ctx *ctx, unsigned me, struct ledger *l)
{
    uint64_t r = xorshift(&l->random);
    ks_locks = r >> 60 & 1;
    switch (r >> 56 & 7) {
    case 0:
        change_group(ctx, me, l, r);
        break;
    case 1:
        rename_one(ctx, me, l, r);
        break;
    case 2:
        add_shared(ctx, l, r);
        break;
    case 3:
        post(ctx, me, l, r);
        break;
    case 4:
        resize(ctx, r);
        break;
    case 5:
        flush(ctx, r);
        break;
    default:
        change_own(ctx, me, l, r);
    }
    l->done++;
}

/* ---- a death leaves is and want different: memory tells which it was ---- */

static bool own_is(struct shm_ctx *ctx, unsigned me, unsigned i, uint64_t v)
{
    static char got[300000], expect[300000];
    struct name n = own_name(me, i);
    struct ks_value is;
    enum rc rc;
    while ((rc = ks_get(ctx, 0, NAME_BYTES(n), &is, got, sizeof(got))) == RC_BUSY)
        sched_yield();
    if (!v || rc)
        return !v && rc == RC_MISSING;
    if (v % 2 || is.is_int)
        return is.is_int && is.v == (int64_t)v;
    size_t len = length_for(v);
    fill(expect, len, (unsigned)v);
    return is.n == len && memcmp(got, expect, len) == 0;
}

static bool name_is(struct shm_ctx *ctx, const char *kind, unsigned me, unsigned i, bool there)
{
    char prefix[24], got[64];
    struct ks_value is;
    snprintf(prefix, sizeof(prefix), "%s%u", kind, me);
    struct name n = name_of(prefix, i);
    enum rc rc;
    while ((rc = ks_get(ctx, 0, NAME_BYTES(n), &is, got, sizeof(got))) == RC_BUSY)
        sched_yield();
    return (rc == RC_OK) == there;
}

static bool rename_is(struct shm_ctx *ctx, unsigned me, unsigned i, uint64_t v)
{
    return name_is(ctx, "pair", me, 2 * i, v == 1) && name_is(ctx, "pair", me, 2 * i + 1, v == 2);
}

static bool group_is(struct shm_ctx *ctx, unsigned me, uint64_t v)
{
    for (unsigned i = 0; i < GROUP; i++) {
        char prefix[24], got[8];
        struct ks_value is;
        snprintf(prefix, sizeof(prefix), "group%u", me);
        struct name n = name_of(prefix, i);
        enum rc rc;
        while ((rc = ks_get(ctx, 0, NAME_BYTES(n), &is, got, sizeof(got))) == RC_BUSY)
            sched_yield();
        if (v ? rc || is.v != (int64_t)v : rc != RC_MISSING)
            return false;
    }
    return true;
}

typedef bool is_fn(struct shm_ctx *ctx, unsigned me, unsigned i, uint64_t v);

static void agree(struct shm_ctx *ctx, unsigned me, unsigned i, struct promise *p, is_fn *is,
                  const char *what)
{
    if (p->want != p->is && is(ctx, me, i, p->want))
        p->is = p->want;
    CHECKF(is(ctx, me, i, p->is), "%s %u of process %u is neither %llu nor %llu", what, i, me,
           (unsigned long long)p->is, (unsigned long long)p->want);
    p->want = p->is;
}

static bool group_is_i(struct shm_ctx *ctx, unsigned me, unsigned i, uint64_t v)
{
    (void)i;
    return group_is(ctx, me, v);
}

/* What the slot's new process, or the end of the test, finds of the promises. */
static void agree_all(struct shm_ctx *ctx, unsigned me)
{
    struct ledger *l = &ledgers[me];
    for (unsigned i = 0; i < OWN_KEYS; i++)
        agree(ctx, me, i, &l->own[i], own_is, "key");
    for (unsigned i = 0; i < PAIRS; i++)
        agree(ctx, me, i, &l->renames[i], rename_is, "pair");
    agree(ctx, me, 0, &l->group, group_is_i, "group");
}

static void work(unsigned me)
{
    struct shm_ctx ctx;
    if (nice(10) == -1) /* or the parent waits for its turn most of the time, and kills less */
        errno = 0;
    slot_adopt(&ctx, me, ROLE_WORKER, me);
    while (!batch_enter(&ctx))
        sched_yield();
    agree_all(&ctx, me);
    for (;;) {
        for (unsigned i = 0; i < 20; i++)
            one(&ctx, me, &ledgers[me]);
        batch_leave(&ctx);
        while (!batch_enter(&ctx))
            sched_yield();
    }
}

/* ---- the snapshotter ---- */

struct sight { /* of one process's keys */
    unsigned grouped, named[PAIRS];
    int64_t number;
};

static enum rc see(void *arg, uint32_t db, const struct shm_entry *e)
{
    struct sight *sights = arg;
    struct bytes k = entry_key(e);
    char name[48];
    unsigned process, i;
    snprintf(name, sizeof(name), "%.*s", (int)k.n, k.p);
    if (sscanf(name, "group%u:%u", &process, &i) == 2 && process <= PROCESSES_MAX && !db) {
        struct sight *s = &sights[process];
        CHECK(entry_enc(e) == ENC_INT && i < GROUP);
        CHECKF(!s->grouped || s->number == entry_int(e), "a snapshot shows half of a transaction: %s", name);
        s->number = entry_int(e);
        s->grouped++;
    } else if (sscanf(name, "pair%u:%u", &process, &i) == 2 && process <= PROCESSES_MAX && !db) {
        CHECKF(!sights[process].named[i / 2]++, "a snapshot shows a renamed key under both names: %s", name);
    }
    return RC_OK;
}

/* Takes snapshots for ever; first of all it ends one that a dead snapshotter has left. */
static void take_snapshots(unsigned me)
{
    static struct sight sights[PROCESSES_MAX + 1];
    struct shm_ctx ctx;
    struct snapshot s;
    slot_adopt(&ctx, me, ROLE_SNAP, 0);
    for (;;) {
        bool left = persist(ctx.root)->snap.state != SNAP_IDLE;
        memset(sights, 0, sizeof(sights));
        enum rc rc = left ? RC_OK : RC_BUSY;
        if (!left && gate_close(&ctx, 2000)) {
            rc = snapshot_cut(&ctx);
            gate_open(&ctx);
        }
        if (rc) {
            usleep(100);
            continue;
        }
        snapshot_open(&s, &ctx, left ? NULL : see, sights);
        while (snapshot_step(&s))
            ;
        snapshot_close(&s);
        for (unsigned p = 1; p <= PROCESSES_MAX; p++)
            CHECKF(!sights[p].grouped || sights[p].grouped == GROUP, "a snapshot shows %u keys of %u",
                   sights[p].grouped, GROUP);
        snapshot_end(&ctx);
        ledgers[0].done += !left;
    }
}

/* ---- the parent ---- */

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static pid_t spawn(void (*fn)(unsigned), unsigned arg)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        fn(arg);
        _exit(0);
    }
    return pid;
}

static pid_t spawn_for(unsigned slot)
{
    return spawn(slot > processes ? take_snapshots : work, slot);
}

static void repair(unsigned slot)
{
    slot_repair(slot);
}

/* Kills some at once; some repairers as well. One repair after the other: nested actions are ended first. */
static void kill_some(pid_t *pid, unsigned mask, uint64_t *r)
{
    int status;
    for (unsigned i = 1; i <= processes + 1; i++)
        if (mask >> i & 1)
            kill(pid[i], SIGKILL);
    for (unsigned i = 1; i <= processes + 1; i++)
        if (mask >> i & 1) {
            CHECK(waitpid(pid[i], &status, 0) == pid[i]);
            CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                   "process %u ended by itself: status %x", i, (unsigned)status);
        }
    for (unsigned i = 1; i <= processes + 1; i++)
        if (mask >> i & 1)
            slot_repair_nested(i);
    for (unsigned i = 1; i <= processes + 1; i++) {
        if (!(mask >> i & 1))
            continue;
        for (bool again = true; again;) {
            pid_t p = spawn(repair, i);
            again = xorshift(r) % 4 == 0;
            if (again) {
                for (unsigned n = xorshift(r) % 300; n; n--)
                    sched_yield();
                kill(p, SIGKILL);
            }
            CHECK(waitpid(p, &status, 0) == p);
            CHECK(again || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        }
        pid[i] = spawn_for(i);
    }
}

static void end_snapshot(struct shm_ctx *ctx)
{
    struct snapshot s;
    if (persist(ctx->root)->snap.state == SNAP_IDLE)
        return;
    snapshot_open(&s, ctx, NULL, NULL);
    while (snapshot_step(&s))
        ;
    snapshot_close(&s);
    snapshot_end(ctx);
}

static void the_end(uint64_t done, unsigned kills)
{
    static char why[4000];
    struct shm_ctx ctx;
    uint64_t busy = 0;
    unsigned faults = arena_check(why, sizeof(why));
    CHECKF(!faults, "%u faults:\n%s", faults, why);
    slot_ctx(&ctx, 0);
    for (unsigned p = 1; p <= processes; p++)
        agree_all(&ctx, p);
    end_snapshot(&ctx);
    faults = arena_check(why, sizeof(why));
    CHECKF(!faults, "%u faults after the end of a snapshot:\n%s", faults, why);
    for (unsigned i = 0; i < SHARED_KEYS; i++) {
        int64_t least = 0, most = 0;
        struct name n = name_of("shared", i);
        struct ks_value is = {0};
        ks_get(&ctx, 0, NAME_BYTES(n), &is, why, sizeof(why));
        for (unsigned p = 1; p <= processes; p++) {
            least += (int64_t)ledgers[p].added[i].is;
            most += (int64_t)ledgers[p].added[i].is;
            busy += ledgers[p].added[i].want != ledgers[p].added[i].is;
        }
        /* Of the additions that a death cut short, each counts or not: at most one for each kill. */
        CHECKF(is.v >= least && is.v <= most + (int64_t)kills, "counter %u is %lld, acknowledged were %lld",
               i, (long long)is.v, (long long)least);
    }
    printf("%llu operations, %u kills, %llu snapshots, the arena is whole and the ledgers agree\n",
           (unsigned long long)done, kills, (unsigned long long)ledgers[0].done);
}

int main(int argc, char **argv)
{
    struct arena_sizes sizes = {.arena_bytes = 512ull << 20, .nslots = 10, .ndbs = 4, .nsessions = 8};
    uint64_t seconds = 8, seed = (uint64_t)time(NULL), done = 0;
    pid_t pid[PROCESSES_MAX + 2];
    unsigned kills = 0;
    struct shm_ctx ctx;
    struct shm_table *t;
    int fd, status;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t v = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = v;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = v;
        else if (strcmp(argv[i], "--processes") == 0)
            processes = v < 1 || v > PROCESSES_MAX ? 4 : (unsigned)v;
    }
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    ledgers = mmap(NULL, (PROCESSES_MAX + 2) * sizeof(*ledgers), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ledgers != MAP_FAILED);
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&ctx, 0);
    CHECK(!db_table_make(&ctx, 0, &t));
    for (unsigned i = 1; i <= processes; i++) {
        ledgers[i].random = (seed + i) * 0x9e3779b97f4a7c15ull | 1;
        pid[i] = spawn_for(i);
    }
    pid[processes + 1] = spawn_for(processes + 1);
    uint64_t r = seed * 0x9e3779b97f4a7c15ull | 1, end = now_ms() + seconds * 1000;
    while (now_ms() < end) {
        usleep((useconds_t)(xorshift(&r) % 8000));
        unsigned mask = 2u << xorshift(&r) % processes;
        if (xorshift(&r) % 4 == 0)
            mask |= 2u << xorshift(&r) % processes;
        if (xorshift(&r) % 8 == 0)
            mask |= 2u << processes;
        kills += (unsigned)__builtin_popcount(mask);
        kill_some(pid, mask, &r);
    }
    for (unsigned i = 1; i <= processes + 1; i++) {
        kill(pid[i], SIGKILL);
        CHECK(waitpid(pid[i], &status, 0) == pid[i]);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        slot_repair_nested(i);
        kills++;
    }
    for (unsigned i = 1; i <= processes + 1; i++) {
        slot_repair(i);
        done += ledgers[i].done;
    }
    the_end(done, kills);
    return 0;
}
