/* tests/unit/test_slowlog.c - the slow log's rings and the latency samples of several slots, seen as one. */
#include <stdio.h>
#include <stdlib.h>

#include "shm/latency.h"
#include "shm/slowlog.h"

struct seen {
    uint64_t n, first, last, expect_arg_bytes;
};

static void look(void *arg, const struct slow_entry *e)
{
    struct seen *s = arg;
    struct bytes parts[SLOWLOG_ARGS + 2];
    unsigned n = slowlog_parts(e, parts, ARRAY_LEN(parts));
    char want[32];
    int len = snprintf(want, sizeof(want), "%llu", (unsigned long long)e->id);
    CHECK(n == 3 && parts[0].n == 4 && memcmp(parts[0].p, "addr", 4) == 0 && parts[1].n == 0);
    CHECK(parts[2].n >= (size_t)len && memcmp(parts[2].p, want, (size_t)len) == 0);
    if (!s->n || e->id < s->first)
        s->first = e->id;
    if (!s->n || e->id > s->last)
        s->last = e->id;
    s->n++;
}

/* The argument begins with the id that the entry will get, and has the length that is wanted. */
static void push(struct shm_ctx *ctx, size_t length)
{
    char text[256];
    memset(text, '.', sizeof(text));
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)ctx->root->slowlog_ids);
    text[n] = '.';
    struct bytes parts[3] = {BYTES_LIT("addr"), BYTES_LIT(""), {text, length}};
    slowlog_push(ctx, 12345, 1000, parts, 3);
}

static struct seen walk(uint64_t max_len)
{
    struct seen s = {0};
    slowlog_walk(max_len, look, &s);
    return s;
}

static void test_slowlog(struct shm_ctx *a, struct shm_ctx *b)
{
    CHECK(walk(128).n == 0);
    for (int i = 0; i < 100; i++)
        push(i % 3 ? a : b, 20 + (size_t)i);
    struct seen s = walk(128);
    CHECK(s.n == 100 && s.first == 0 && s.last == 99);
    s = walk(10);
    CHECK(s.n == 10 && s.first == 90 && s.last == 99);
    CHECK(walk(0).n == 0);
    slowlog_reset();
    CHECK(walk(128).n == 0);
    push(a, 20);
    s = walk(128);
    CHECK(s.n == 1 && s.first == 100);

    /* Many times round the ring, with lengths that leave every kind of rest at its end. */
    for (int i = 0; i < 20000; i++)
        push(a, 20 + (size_t)(i * 7 % 200));
    s = walk(UINT64_MAX);
    CHECKF(s.n > 1000 && s.last == 20100 && s.n == s.last - s.first + 1, "%llu", (unsigned long long)s.n);
}

static void test_latency(struct shm_ctx *a, struct shm_ctx *b)
{
    uint64_t out[LATENCY_SAMPLES], max_ms;
    CHECK(latency_event_find(BYTES_LIT("command")) == LATENCY_COMMAND);
    CHECK(latency_event_find(BYTES_LIT("nosuch")) == -1);
    CHECK(latency_samples(LATENCY_COMMAND, out, &max_ms) == 0 && !latency_reset(LATENCY_COMMAND));

    /* Two slots in turn, and one second that both know: the worse of the two counts. */
    latency_add(a, LATENCY_COMMAND, 100, 5);
    latency_add(a, LATENCY_COMMAND, 100, 4);
    latency_add(b, LATENCY_COMMAND, 101, 7);
    latency_add(a, LATENCY_COMMAND, 102, 3);
    latency_add(b, LATENCY_COMMAND, 102, 2);
    CHECK(latency_samples(LATENCY_COMMAND, out, &max_ms) == 3 && max_ms == 7);
    CHECK(latency_time_s(out[0]) == 100 && latency_ms(out[0]) == 5);
    CHECK(latency_time_s(out[1]) == 101 && latency_ms(out[1]) == 7);
    CHECK(latency_time_s(out[2]) == 102 && latency_ms(out[2]) == 3);

    CHECK(latency_reset(LATENCY_COMMAND));
    CHECK(latency_samples(LATENCY_COMMAND, out, &max_ms) == 0 && max_ms == 0);
    for (int i = 0; i < 500; i++)
        latency_add(i % 2 ? a : b, LATENCY_COMMAND, 1000 + i, (uint64_t)i);
    CHECK(latency_samples(LATENCY_COMMAND, out, &max_ms) == LATENCY_SAMPLES && max_ms == 499);
    for (unsigned i = 0; i < LATENCY_SAMPLES; i++)
        CHECK(latency_ms(out[i]) == 500 - LATENCY_SAMPLES + i);
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 64ull << 20, .nslots = 4, .ndbs = 1, .nsessions = 4};
    struct shm_ctx a, b;
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&a, 1);
    slot_ctx(&b, 3);
    test_slowlog(&a, &b);
    test_latency(&a, &b);
    return 0;
}
