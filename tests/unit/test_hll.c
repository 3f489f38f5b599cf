/* HyperLogLogs' registers: dense and sparse ones against a plain array, runs that are split and joined, damage. */
#include "shm/types/hll.h"
#include "tests/lib/chance.h"

#include <math.h>
#include <stdlib.h>

static struct bytes bytes_of(const struct hll *h)
{
    return (struct bytes){(const char *)h->p, h->n};
}

static void check_registers(const struct hll *h, const uint8_t *is)
{
    static uint8_t got[HLL_REGISTERS];
    memset(got, 0, sizeof(got));
    CHECK(hll_is(bytes_of(h)) && !hll_merge(got, bytes_of(h)));
    CHECK(memcmp(got, is, sizeof(got)) == 0);
    uint64_t a;
    CHECK(!hll_count(bytes_of(h), &a) && a == hll_count_registers(is));
}

/* From registers that are near each other, so that runs touch, to all of them. */
static void test_raise(struct hll *h, unsigned span, unsigned ranks, uint64_t sparse_max)
{
    static uint8_t is[HLL_REGISTERS];
    memset(is, 0, sizeof(is));
    hll_new(h);
    for (unsigned i = 0; i < 6000; i++) {
        unsigned at = (unsigned)chance(span) + (HLL_REGISTERS - span) * (unsigned)chance(2),
                 rank = 1 + (unsigned)chance(ranks);
        bool raised;
        CHECK(!hll_raise(h, at, rank, sparse_max, &raised));
        CHECK(raised == (rank > is[at]));
        is[at] = raised ? (uint8_t)rank : is[at];
        CHECK(hll_is_dense(bytes_of(h)) ? h->n == HLL_DENSE : h->n <= HLL_HEAD + HLL_REGISTERS);
        CHECK(hll_is_dense(bytes_of(h)) || h->n <= sparse_max || h->n == HLL_HEAD + 2);
        if (i % 100 == 0)
            check_registers(h, is);
    }
    check_registers(h, is);
    struct hll dense = *h;
    CHECK(!hll_to_dense(&dense));
    check_registers(&dense, is);
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        CHECK(hll_register(dense.p + HLL_HEAD, i) == is[i]);
}

static void check_runs(const struct hll *h, const char *runs, size_t n)
{
    CHECK(h->n == HLL_HEAD + n && memcmp(h->p + HLL_HEAD, runs, n) == 0);
}

/* What a register's rise does to the runs around it, from the table in hll.h. */
static void test_runs(struct hll *h)
{
    bool raised;
    hll_new(h);
    check_runs(h, "\x7f\xff", 2);
    CHECK(!hll_raise(h, 0, 1, 3000, &raised) && raised);
    check_runs(h, "\x80\x7f\xfe", 3); /* a value of 1, 16383 zeros */
    CHECK(!hll_raise(h, 2, 1, 3000, &raised));
    check_runs(h, "\x80\x00\x80\x7f\xfc", 5);
    CHECK(!hll_raise(h, 1, 1, 3000, &raised));
    check_runs(h, "\x82\x7f\xfc", 3); /* three values in one run */
    CHECK(!hll_raise(h, 1, 32, 3000, &raised));
    check_runs(h, "\x80\xfc\x80\x7f\xfc", 5);
    CHECK(!hll_raise(h, 1, 31, 3000, &raised) && !raised);
    CHECK(!hll_raise(h, 16383, 2, 3000, &raised));
    check_runs(h, "\x80\xfc\x80\x7f\xfb\x84", 6);
    CHECK(!hll_raise(h, 68, 2, 3000, &raised));
    check_runs(h, "\x80\xfc\x80\x40\x40\x84\x7f\xb9\x84", 9); /* 65 zeros need two bytes */
    CHECK(!hll_raise(h, 67, 2, 3000, &raised));
    check_runs(h, "\x80\xfc\x80\x3f\x85\x7f\xb9\x84", 8); /* 64 need one */
    CHECK(!hll_raise(h, 5, 33, 3000, &raised) && raised && hll_is_dense(bytes_of(h)));
}

static void test_damage(struct hll *h)
{
    struct hll was;
    bool raised;
    uint64_t count;
    static uint8_t registers[HLL_REGISTERS];
    hll_new(h);
    h->p[HLL_HEAD + 1] = 0xfe; /* one register is missing */
    was = *h;
    CHECK(hll_count(bytes_of(h), &count) == RC_INVALID && hll_merge(registers, bytes_of(h)) == RC_INVALID);
    CHECK(hll_to_dense(h) == RC_INVALID && hll_raise(h, 16383, 1, 3000, &raised) == RC_INVALID);
    CHECK(hll_raise(h, 3, 40, 3000, &raised) == RC_INVALID);
    CHECK(h->n == was.n && memcmp(h->p, was.p, h->n) == 0);
    h->p[HLL_HEAD + 1] = 0xff;
    h->p[h->n++] = 0x80; /* one too many */
    CHECK(hll_count(bytes_of(h), &count) == RC_INVALID && hll_to_dense(h) == RC_INVALID);
    h->n = HLL_HEAD + 1; /* cut within a run */
    CHECK(hll_count(bytes_of(h), &count) == RC_INVALID && hll_raise(h, 3, 1, 3000, &raised) == RC_INVALID);
    h->n = HLL_HEAD;
    CHECK(hll_is(bytes_of(h)) && hll_count(bytes_of(h), &count) == RC_INVALID);
    h->n--;
    CHECK(!hll_is(bytes_of(h)));
    static char longer[HLL_HEAD + HLL_REGISTERS + 1] = "HYLL\1";
    CHECK(hll_open(h, (struct bytes){longer, sizeof(longer)}) == RC_INVALID);
    CHECK(!hll_is(BYTES_LIT("HYLL\0............")) && !hll_is(BYTES_LIT("HYLL\2...........")));
}

/* Estimates of so many different elements are within six standard errors. */
static void test_estimate(struct hll *h)
{
    hll_new(h);
    for (uint64_t i = 1, look = 1; i <= 300000; i++) {
        unsigned index, rank = hll_rank((struct bytes){(char *)&i, sizeof(i)}, &index);
        bool raised;
        uint64_t count;
        CHECK(index < HLL_REGISTERS && rank >= 1 && rank <= 51);
        CHECK(!hll_raise(h, index, rank, 3000, &raised));
        if (i < look)
            continue;
        CHECK(!hll_count(bytes_of(h), &count));
        CHECK(fabs((double)count - (double)i) <= ceil(6 * 1.04 / 128 * (double)i));
        look = look * 2 + 1;
    }
}

int main(void)
{
    struct hll *h = malloc(sizeof(*h));
    CHECK(h);
    test_runs(h);
    test_damage(h);
    test_estimate(h);
    test_raise(h, 40, 3, 3000);
    test_raise(h, 300, 32, 3000);
    test_raise(h, 300, 3, 20000);
    test_raise(h, 8000, 3, 20000); /* nearly as long as one can be */
    test_raise(h, 2000, 51, 3000);
    test_raise(h, 2000, 32, 100);
    test_raise(h, 500, 32, 0);
    free(h);
    return 0;
}
