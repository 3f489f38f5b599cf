/* The log's ring: records come out whole, in the order of their numbers, and only when they are shown. */
#include "shm/slab.h"
#include "shm/wal.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define PRODUCERS 3u

static struct shm_ctx ctx_of(uint32_t slot)
{
    struct shm_ctx ctx;
    slot_ctx(&ctx, slot);
    return ctx;
}

static void arena(void)
{
    struct arena_sizes sizes = {.arena_bytes = 128ull << 20, .nslots = 6, .ndbs = 4, .nsessions = 4};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    persist(arena_root())->wal.on = persist(arena_root())->wal.waits = 1;
}

/* One transaction that does nothing but tell. */
static enum rc say(struct shm_ctx *ctx, uint32_t db, struct bytes what, uint64_t *lsn)
{
    struct tx tx;
    tx_begin(&tx, ctx);
    tx_effect_key(&tx, 0);
    enum rc rc = tx_effect(&tx, db, (struct bytes[]){BYTES_LIT("SAY"), what}, 2);
    tx_end(&tx, rc);
    if (lsn)
        *lsn = tx.wal.lsn;
    return rc;
}

static void expect(struct wal_reader *r, uint64_t lsn, const char *effect)
{
    struct wal_record rec;
    CHECK(wal_reader_next(r, &rec));
    CHECKF(rec.lsn == lsn, "record %llu came instead of %llu", (unsigned long long)rec.lsn,
           (unsigned long long)lsn);
    CHECKF(rec.effect.n == strlen(effect) && !memcmp(rec.effect.p, effect, rec.effect.n), "it says %.*s",
           (int)rec.effect.n, rec.effect.p);
}

static void test_order(void)
{
    struct shm_ctx a = ctx_of(1), b = ctx_of(2), w = ctx_of(5);
    struct wal_reader r;
    struct wal_record rec;
    uint64_t lsn;
    wal_reader_open(&r, a.root);
    CHECK(!say(&b, 0, BYTES_LIT("one"), &lsn) && lsn == 1);
    CHECK(!say(&a, 3, BYTES_LIT("two"), &lsn) && lsn == 2);
    CHECK(!say(&b, 0, BYTES_LIT(""), &lsn) && lsn == 3);
    CHECK(wal_seen(a.root, 0) == 3 && wal_seen(a.root, UINT64_MAX) == 0);
    wal_reader_look(&r);
    CHECK(r.bound == 3);
    expect(&r, 1, "*2\r\n$3\r\nSAY\r\n$3\r\none\r\n");
    expect(&r, 2, "*2\r\n$3\r\nSAY\r\n$3\r\ntwo\r\n");
    expect(&r, 3, "*2\r\n$3\r\nSAY\r\n$0\r\n\r\n");
    CHECK(!wal_reader_next(&r, &rec) && wal_ring_used(a.root) > 0);
    CHECK(!wal_reader_take(&r, &w) && wal_ring_used(a.root) == 0);
}

/* Another process has drawn a number, or may be about to: what comes behind it must wait. */
static void test_floor(void)
{
    struct shm_ctx a = ctx_of(1), b = ctx_of(2), w = ctx_of(5);
    struct wal_reader r;
    struct wal_record rec;
    uint64_t lsn;
    wal_reader_open(&r, a.root);
    CHECK(!say(&a, 0, BYTES_LIT("before"), NULL));
    b.slot->wal.floor = wal_lsn(a.root) + 1;
    CHECK(!say(&a, 0, BYTES_LIT("behind"), &lsn));
    wal_reader_look(&r);
    CHECK(wal_reader_next(&r, &rec) && rec.lsn == lsn - 1 && !wal_reader_next(&r, &rec));
    wal_repair(b.slot);
    wal_reader_look(&r);
    CHECK(r.bound == lsn && wal_reader_next(&r, &rec) && rec.lsn == lsn);
    CHECK(!wal_reader_take(&r, &w));
}

/* A transaction over two databases, then one that is aborted: of the latter nothing is seen. */
static void test_databases(void)
{
    struct shm_ctx a = ctx_of(1), w = ctx_of(5);
    struct wal_reader r;
    struct wal_record rec;
    struct tx tx;
    wal_reader_open(&r, a.root);
    tx_begin(&tx, &a);
    CHECK(!tx_effect(&tx, 1, &BYTES_LIT("X"), 1) && !tx_effect(&tx, 2, &BYTES_LIT("Y"), 1));
    tx_commit(&tx);
    CHECK(wal_seen(a.root, 99) == tx.wal.lsn); /* it named no key: all are concerned */
    tx_begin(&tx, &a);
    CHECK(!tx_effect(&tx, 1, &BYTES_LIT("Z"), 1));
    tx_abort(&tx);
    wal_reader_look(&r);
    expect(&r, r.bound, "*1\r\n$1\r\nX\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*1\r\n$1\r\nY\r\n");
    CHECK(!wal_reader_next(&r, &rec) && !wal_reader_take(&r, &w));
}

static void test_full(void)
{
    static char text[12000];
    struct shm_ctx a = ctx_of(1), w = ctx_of(5);
    struct wal_reader r;
    struct wal_record rec;
    unsigned n = 0, got = 0;
    int64_t used = slots_used_bytes();
    char *large = calloc(1, 1u << 20);
    wal_reader_open(&r, a.root);
    while (!say(&a, 0, (struct bytes){text, sizeof(text)}, NULL))
        n++;
    CHECKF(n > 300 && say(&a, 0, BYTES_LIT("x"), NULL) == RC_BUSY, "%u records fit", n);
    wal_reader_look(&r);
    while (wal_reader_next(&r, &rec))
        got++;
    CHECK(got == n && say(&a, 0, BYTES_LIT("x"), NULL) == RC_BUSY && !wal_reader_take(&r, &w));
    CHECK(slots_used_bytes() == used);
    /* A large effect takes a block, which goes when it is taken. */
    CHECK(!say(&a, 0, (struct bytes){large, 1u << 20}, NULL) && slots_used_bytes() > used + (1 << 20));
    wal_reader_look(&r);
    CHECK(wal_reader_next(&r, &rec) && rec.effect.n > 1u << 20 && !wal_reader_take(&r, &w));
    CHECK(slots_used_bytes() == used);
    free(large);
}

/* ---- producers and the writer at once, over many rounds of the rings ---- */

#define EACH 60000u

static void *produce(void *arg)
{
    struct shm_ctx ctx = ctx_of((uint32_t)(uintptr_t)arg);
    char text[40000];
    for (unsigned i = 0; i < EACH; i++) {
        size_t n = i % 1000 == 999 ? 20000 + i % 20000 : 8 + i * 7 % 900;
        memset(text, 'a' + (int)(i % 26), n);
        snprintf(text, 9, "%u%07u", ctx.id, i);
        text[8] = '.';
        while (say(&ctx, 0, (struct bytes){text, n < 9 ? 9 : n}, NULL))
            sched_yield();
    }
    return NULL;
}

static void check_record(const struct wal_record *rec, unsigned next[])
{
    const char *p = rec->effect.p;
    for (unsigned lines = 0; lines < 4; p++)
        lines += *p == '\n';
    unsigned who = (unsigned)(*p - '0'), i = (unsigned)strtoul(p + 1, NULL, 10);
    CHECKF(i == next[who], "record %u of %u came instead of %u", i, who, next[who]);
    next[who]++;
    for (const char *c = p + 9; c < rec->effect.p + rec->effect.n - 2; c++)
        CHECK(*c == 'a' + (int)(i % 26));
}

static void test_many(void)
{
    struct shm_ctx w = ctx_of(5);
    struct wal_reader r;
    struct wal_record rec;
    pthread_t t[PRODUCERS];
    unsigned next[PRODUCERS + 2] = {0}, got = 0;
    uint64_t last = wal_lsn(w.root);
    wal_reader_open(&r, w.root);
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        CHECK(!pthread_create(&t[i], NULL, produce, (void *)(i + 1)));
    while (got < PRODUCERS * EACH) {
        wal_reader_look(&r);
        for (; wal_reader_next(&r, &rec); got++) {
            CHECK(rec.lsn == last + 1 && rec.lsn <= r.bound); /* none is lost, since nobody died */
            last = rec.lsn;
            check_record(&rec, next);
        }
        while (wal_reader_take(&r, &w))
            sched_yield();
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(t[i], NULL);
    CHECK(wal_ring_used(w.root) == 0 && last == wal_lsn(w.root));
}

int main(void)
{
    arena();
    test_order();
    test_floor();
    test_databases();
    test_full();
    test_many();
    return 0;
}
