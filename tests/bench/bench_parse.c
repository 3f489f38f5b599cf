/* Nanoseconds for each command: reading it, and writing its reply. Run by hand on a quiet machine. */
#include "worker/proto/parse.h"
#include "worker/proto/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIPELINE = 32, ROUNDS = 300000, TRIES = 5 };

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* A pipeline of the same command, with keys that differ in their last digits. */
static size_t build(char *buf, const char *format)
{
    size_t n = 0;
    for (int i = 0; i < PIPELINE; i++)
        n += (size_t)sprintf(buf + n, format, i);
    return n;
}

static double parse_once(const char *buf, size_t len)
{
    struct parse_limits lim = PARSE_LIMITS_DEFAULT;
    struct parser p = {0};
    struct request rq = {0};
    const char *error;
    size_t sum = 0, used;
    double start = now_ns();
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t at = 0; at < len; at += used) {
            CHECK(parse_request(&p, buf + at, len - at, &used, &rq, &lim, &error) == PARSE_DONE);
            sum += (size_t)rq.argc;
        }
    }
    double spent = now_ns() - start;
    CHECK(sum);
    request_free(&rq);
    return spent / ROUNDS / PIPELINE;
}

static void bench_parse(const char *name, const char *format)
{
    static char buf[1 << 16];
    size_t len = build(buf, format);
    double best = 1e9;
    for (int i = 0; i < TRIES; i++) {
        double ns = parse_once(buf, len);
        best = ns < best ? ns : best;
    }
    printf("parse %-28s %7.1f ns\n", name, best);
}

static void write_ok(struct reply *r, int i)
{
    (void)i;
    reply_ok(r);
}

static void write_bulk16(struct reply *r, int i)
{
    (void)i;
    reply_bulk(r, "0123456789abcdef", 16);
}

static void write_bulk100(struct reply *r, int i)
{
    static char text[100];
    (void)i;
    reply_bulk(r, text, sizeof(text));
}

static void write_small_int(struct reply *r, int i)
{
    reply_int(r, i & 7);
}

static void write_int(struct reply *r, int i)
{
    reply_int(r, i * 1234577ll);
}

static void write_null(struct reply *r, int i)
{
    (void)i;
    reply_null(r);
}

static void write_array(struct reply *r, int i)
{
    reply_array(r, (size_t)i);
}

static void write_double(struct reply *r, int i)
{
    reply_double(r, i + 0.1);
}

static void write_whole_double(struct reply *r, int i)
{
    reply_double(r, i);
}

static void bench_reply(const char *name, void (*write)(struct reply *, int))
{
    struct reply r = {.resp = 2};
    double best = 1e9;
    for (int t = 0; t < TRIES; t++) {
        double start = now_ns();
        for (int round = 0; round < ROUNDS / 4; round++) {
            r.len = 0;
            for (int i = 0; i < PIPELINE; i++)
                write(&r, i);
        }
        double ns = (now_ns() - start) / (ROUNDS / 4) / PIPELINE;
        best = ns < best ? ns : best;
    }
    reply_free(&r);
    printf("reply %-28s %7.1f ns\n", name, best);
}

int main(void)
{
    bench_parse("PING", "*1\r\n$4\r\nPING\r\n");
    bench_parse("GET key:16", "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012d\r\n");
    bench_parse("SET key:16 value:16", "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$16\r\n0123456789abcdef\r\n");
    bench_parse("SET key:16 value:100",
                "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$100\r\n"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "012345678901234567890123456789\r\n");
    bench_parse(
        "MSET of 10 pairs (21 words)",
        "*21\r\n$4\r\nMSET\r\n"
        "$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk1\r\n$2\r\nv1\r\n"
        "$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk1\r\n$2\r\nv1\r\n"
        "$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk1\r\n$2\r\nv1\r\n");
    bench_parse("inline GET", "GET key:%012d\r\n");
    bench_parse("streamed GET", "*?\r\n$3\r\nGET\r\n$16\r\nkey:%012d\r\n.\r\n");
    bench_reply("+OK", write_ok);
    bench_reply("bulk of 16", write_bulk16);
    bench_reply("bulk of 100", write_bulk100);
    bench_reply("int of one digit", write_small_int);
    bench_reply("int of up to 8 digits", write_int);
    bench_reply("null", write_null);
    bench_reply("array header", write_array);
    bench_reply("double with a fraction", write_double);
    bench_reply("whole double", write_whole_double);
    return 0;
}
