/* Bits, counted, searched, combined and held as fields, against the plainest code for the same. */
#include "shm/base/bits.h"
#include "shm/base/log.h"
#include "tests/lib/chance.h"

#include <stdlib.h>

static bool bit_of(const uint8_t *p, uint64_t i)
{
    return p[i >> 3] >> (7 - (i & 7)) & 1;
}

/* Stretches of one byte, so that words are skipped. */
static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t run = chance(60);
        uint8_t byte = (uint8_t[]){0, 0xff, (uint8_t)chance(256)}[chance(3)];
        for (; run && i < n; run--, i++)
            p[i] = byte;
    }
}

static void test_runs(void)
{
    enum { N = 300 };
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t *p = malloc(N); /* of this size, so that a sanitizer sees a look beyond */
        fill(p, N);
        uint64_t end = chance(8 * N + 1), from = chance(end + 1), count = 0, first[2] = {end, end};
        for (uint64_t i = end; i-- > from;) {
            bool b = bit_of(p, i);
            count += b;
            first[b] = i;
        }
        CHECK(bits_count(p, from, end) == count);
        CHECK(bits_find(p, from, end, false) == first[0]);
        CHECK(bits_find(p, from, end, true) == first[1]);
        free(p);
    }
}

static uint8_t byte_at(struct bytes b, size_t i)
{
    return i < b.n ? (uint8_t)b.p[i] : 0;
}

static void test_combine(void)
{
    enum { N = 40000 };
    static uint8_t data[3][N];
    static char out[N];
    for (unsigned round = 0; round < 200; round++) {
        struct bytes src[3];
        size_t n = 1 + chance(3), len = 0;
        for (size_t i = 0; i < n; i++) {
            fill(data[i], N);
            src[i] = (struct bytes){(char *)data[i], chance(chance(2) ? N : 50)};
            len = src[i].n > len ? src[i].n : len;
        }
        enum bits_op op = n == 1 ? BITS_NOT : (enum bits_op)chance(3);
        bits_combine(op, out, len, src, n);
        for (size_t i = 0; i < len; i++) {
            uint8_t want = byte_at(src[0], i);
            for (size_t s = 1; s < n; s++) {
                uint8_t b = byte_at(src[s], i);
                want = op == BITS_AND ? want & b : op == BITS_OR ? want | b : want ^ b;
            }
            CHECK((uint8_t)out[i] == (op == BITS_NOT ? (uint8_t)~want : want));
        }
    }
}

static void test_windows(void)
{
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t w[FIELD_BYTES], was[FIELD_BYTES];
        unsigned at = (unsigned)chance(8), bits = 1 + (unsigned)chance(64);
        for (unsigned i = 0; i < FIELD_BYTES; i++)
            was[i] = w[i] = (uint8_t)chance(256);
        uint64_t v = 0, new = chance_state;
        for (unsigned i = 0; i < bits; i++)
            v = v << 1 | bit_of(w, at + i);
        CHECK(field_get(w, at, bits) == v);
        field_put(w, at, bits, new);
        for (unsigned i = 0; i < 8 * FIELD_BYTES; i++) {
            bool in = i >= at && i < at + bits;
            CHECK(bit_of(w, i) == (in ? new >> (bits - 1 - (i - at)) & 1 : bit_of(was, i)));
        }
    }
}

static void check_add(struct field_kind f, int64_t v, int64_t by, bool fits, int64_t want)
{
    int64_t out = want;
    CHECK(field_add(&f, v, by, &out) == fits && out == want);
}

static void test_overflow(void)
{
    struct field_kind i8 = {true, 8, FIELD_WRAP}, i64 = {true, 64, FIELD_WRAP}, u8 = {false, 8, FIELD_WRAP},
                      u63 = {false, 63, FIELD_WRAP};
    check_add(i8, 127, 1, true, -128);
    check_add(i8, -128, -1, true, 127);
    check_add(i8, 100, 27, true, 127);
    check_add(i64, INT64_MAX, 1, true, INT64_MIN);
    check_add(i64, INT64_MIN, INT64_MIN, true, 0);
    check_add(u8, 255, 1, true, 0);
    check_add(u8, 0, -1, true, 255);
    check_add(u8, -1, 0, true, 255);
    check_add(u63, INT64_MAX, 1, true, 0);
    i8.overflow = i64.overflow = u8.overflow = u63.overflow = FIELD_SAT;
    check_add(i8, 127, 1, true, 127);
    check_add(i8, -100, -100, true, -128);
    check_add(i64, INT64_MIN, -1, true, INT64_MIN);
    check_add(u8, 0, -1, true, 0);
    check_add(u8, -1, 0, true, 255); /* SET takes the number as an unsigned one */
    check_add(u63, INT64_MAX, INT64_MAX, true, INT64_MAX);
    check_add(i8, INT64_MIN, 0, true, 127); /* as Redis reckons */
    check_add(i8, INT64_MIN + 128, 0, true, -128);
    i8.overflow = FIELD_FAIL;
    check_add(i8, 127, 1, false, 0);
    check_add(i8, 126, 1, true, 127);
}

int main(void)
{
    test_runs();
    test_combine();
    test_windows();
    test_overflow();
    return 0;
}
