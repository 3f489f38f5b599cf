/* Replies, byte by byte: in both protocols, at every width of a number, and across the growth of the buffer.
 */
#include "worker/proto/reply.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The reply so far is exactly this; then it is emptied. */
static void expect_at(int line, struct reply *r, const char *text, size_t n)
{
    if (r->len != n || memcmp(r->buf, text, n) != 0) {
        printf("line %d: expected \"%.*s\", got \"%.*s\"\n", line, (int)n, text, (int)r->len, r->buf);
        exit(1);
    }
    r->len = 0;
}
#define EXPECT(r, lit) expect_at(__LINE__, (r), (lit), sizeof(lit) - 1)

static void test_numbers(struct reply *r)
{
    /* Around every power of ten and of two, against printf. */
    for (int power = 0; power < 64 + 20; power++) {
        unsigned long long base = 1;
        for (int i = 0; i < (power < 64 ? power : power - 64); i++)
            base *= power < 64 ? 2 : 10;
        for (long long d = -2; d <= 2; d++) {
            long long v = (long long)(base + (unsigned long long)d);
            char want[64];
            for (int sign = 0; sign < 2; sign++) {
                v = (long long)(0 - (unsigned long long)v);
                reply_int(r, v);
                expect_at(__LINE__, r, want, (size_t)sprintf(want, ":%lld\r\n", v));
                int digits = snprintf(NULL, 0, "%lld", v);
                reply_bulk_int(r, v);
                expect_at(__LINE__, r, want, (size_t)sprintf(want, "$%d\r\n%lld\r\n", digits, v));
            }
            reply_array(r, (size_t)v);
            expect_at(__LINE__, r, want, (size_t)sprintf(want, "*%llu\r\n", (unsigned long long)v));
        }
    }
    for (int v = -1200; v < 1200; v++) {
        char want[32];
        reply_int(r, v);
        expect_at(__LINE__, r, want, (size_t)sprintf(want, ":%d\r\n", v));
    }
}

static void test_text(struct reply *r)
{
    reply_ok(r);
    reply_status(r, "PONG");
    reply_status_bytes(r, BYTES_LIT("a\r\nb"));
    EXPECT(r, "+OK\r\n+PONG\r\n+a  b\r\n");
    CHECK(!r->is_error);
    reply_error(r, ERR_SYNTAX);
    EXPECT(r, "-ERR syntax error\r\n");
    CHECK(r->is_error);
    reply_error(r, "ERR one\ntwo\r\nthree \r\n\n");
    EXPECT(r, "-ERR one two  three \r\n");
    reply_error(r, "");
    EXPECT(r, "-\r\n");
    reply_errorf(r, "ERR unknown command '%s', with args beginning with: %s", "a\r\nb", "");
    EXPECT(r, "-ERR unknown command 'a  b', with args beginning with: \r\n");
}

/* Texts of every length around the sizes of the buffers that the formatting functions use. */
static void test_formatted_lengths(void)
{
    char text[1200], want[1300];
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        memset(text, 'x', n);
        text[n] = 0;
        struct reply r = {.resp = 2};
        reply_errorf(&r, "E%s", text);
        expect_at(__LINE__, &r, want, (size_t)sprintf(want, "-E%s\r\n", text));
        reply_free(&r);
        reply_bulkf(&r, "%s", text);
        expect_at(__LINE__, &r, want, (size_t)sprintf(want, "$%zu\r\n%s\r\n", n, text));
        reply_free(&r);
        reply_bulk(&r, text, n);
        reply_bulk_str(&r, text);
        memcpy(reply_bulk_room(&r, n), text, n);
        size_t one = (size_t)sprintf(want, "$%zu\r\n%s\r\n", n, text);
        CHECK(r.len == 3 * one);
        for (int i = 0; i < 3; i++)
            CHECK(memcmp(r.buf + (size_t)i * one, want, one) == 0);
        reply_free(&r);
    }
}

static void test_scalars(struct reply *r2, struct reply *r3)
{
    struct reply *both[2] = {r2, r3};
    for (int i = 0; i < 2; i++) {
        reply_null(both[i]);
        reply_null_array(both[i]);
        reply_bool(both[i], true);
        reply_bool(both[i], false);
        reply_bignum(both[i], BYTES_LIT("1234567999999999999999999999999999999"));
        reply_verbatim(both[i], "txt", BYTES_LIT("This is a verbatim\nstring"));
        reply_bulk(both[i], NULL, 0);
    }
    /* What redis-server answers to DEBUG PROTOCOL null, true, false, bignum and verbatim. */
    EXPECT(r2, "$-1\r\n*-1\r\n:1\r\n:0\r\n$37\r\n1234567999999999999999999999999999999\r\n"
               "$25\r\nThis is a verbatim\nstring\r\n$0\r\n\r\n");
    EXPECT(r3, "_\r\n_\r\n#t\r\n#f\r\n(1234567999999999999999999999999999999\r\n"
               "=29\r\ntxt:This is a verbatim\nstring\r\n$0\r\n\r\n");
}

static void expect_double(struct reply *r2, struct reply *r3, double v, const char *text)
{
    char want[512];
    reply_double(r2, v);
    expect_at(__LINE__, r2, want, (size_t)sprintf(want, "$%zu\r\n%s\r\n", strlen(text), text));
    reply_double(r3, v);
    expect_at(__LINE__, r3, want, (size_t)sprintf(want, ",%s\r\n", text));
}

static void test_doubles(struct reply *r2, struct reply *r3)
{
    /* What redis-server 7.0.15 answers for scores of a sorted set (where minus zero is stored as an integer).
     */
    expect_double(r2, r3, 3.141, "3.141");
    expect_double(r2, r3, 0.1, "0.10000000000000001");
    expect_double(r2, r3, 0.0, "0");
    expect_double(r2, r3, -0.0, "-0");
    expect_double(r2, r3, -17, "-17");
    expect_double(r2, r3, 1e15, "1000000000000000");
    expect_double(r2, r3, 1e17, "1e+17");
    expect_double(r2, r3, -1e17, "-1e+17");
    expect_double(r2, r3, 99999999999999984.0, "99999999999999984");
    expect_double(r2, r3, 1e300, "1.0000000000000001e+300");
    expect_double(r2, r3, INFINITY, "inf");
    expect_double(r2, r3, -INFINITY, "-inf");
    expect_double(r2, r3, NAN, "nan");
    expect_double(r2, r3, -NAN, "nan");
    uint64_t x = 88172645463325252u; /* xorshift: doubles of every size, and whole ones of up to 2^60 */
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        double v;
        memcpy(&v, &x, sizeof(v));
        if (i % 2)
            v = (double)(int64_t)x / (double)(1ull << (x % 60));
        char want[64];
        if (i % 4 == 1)
            v = trunc(v);
        if (!isfinite(v))
            continue;
        sprintf(want, "%.17g", v);
        expect_double(r2, r3, v, want);
    }
}

static void test_aggregates(struct reply *r2, struct reply *r3)
{
    reply_array(r2, 0);
    reply_map(r2, 7);
    reply_set(r2, 100);
    reply_push(r2, 3);
    EXPECT(r2, "*0\r\n*14\r\n*100\r\n*3\r\n");
    reply_array(r3, 10);
    reply_map(r3, 7);
    reply_set(r3, 100);
    reply_push(r3, 3);
    reply_attribute(r3, 1);
    EXPECT(r3, "*10\r\n%7\r\n~100\r\n>3\r\n|1\r\n");
}

static void test_defer(struct reply *r2, struct reply *r3)
{
    reply_ok(r2);
    size_t outer = reply_defer(r2);
    reply_int(r2, 1);
    size_t inner = reply_defer(r2);
    reply_int(r2, 2);
    reply_defer_array(r2, inner, 123456);
    reply_int(r2, 3);
    reply_defer_map(r2, outer, 5);
    EXPECT(r2, "+OK\r\n*10\r\n:1\r\n*123456\r\n:2\r\n:3\r\n");
    reply_defer_set(r2, reply_defer(r2), 9);
    reply_defer_map(r3, reply_defer(r3), 9);
    reply_defer_set(r3, reply_defer(r3), 18446744073709551615u);
    EXPECT(r2, "*9\r\n");
    EXPECT(r3, "%9\r\n~18446744073709551615\r\n");
    /* The move must find room when the buffer is full to the last byte. */
    for (size_t n = 0; n < 600; n++) {
        struct reply r = {.resp = 2};
        size_t mark = reply_defer(&r);
        for (size_t i = 0; i < n; i++)
            REPLY_LIT(&r, "x");
        reply_defer_array(&r, mark, 1000000);
        CHECK(r.len == 10 + n && memcmp(r.buf, "*1000000\r\n", 10) == 0);
        for (size_t i = 0; i < n; i++)
            CHECK(r.buf[10 + i] == 'x');
        reply_free(&r);
    }
}

int main(void)
{
    struct reply r2 = {.resp = 2}, r3 = {.resp = 3};
    test_numbers(&r2);
    test_text(&r2);
    test_formatted_lengths();
    test_scalars(&r2, &r3);
    test_doubles(&r2, &r3);
    test_aggregates(&r2, &r3);
    test_defer(&r2, &r3);
    reply_free(&r2);
    reply_free(&r3);
    return 0;
}
