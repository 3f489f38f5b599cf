#include "tests/crash/zset_ops.h"
#include "shm/types/zset.h"

#include <stdio.h>

static const struct zset_limits limits = {40, 64, 1};

static struct key_ref *open_keys(struct work *w, struct shm_ctx *ctx, unsigned a, unsigned b)
{
    return ks_open(w, ctx, name_of("zset", a), name_of("zset", b));
}

/* The i-th member, of so many bytes at least. */
static struct bytes member(char *buf, unsigned i, size_t bytes)
{
    size_t n = (size_t)sprintf(buf, "m:%u:", i);
    for (; n < bytes; n++)
        buf[n] = '.';
    return (struct bytes){buf, n};
}

/* Members [from, from + n) get scores that put every other one somewhere else. */
static void adds(struct shm_ctx *ctx, unsigned set, unsigned from, unsigned n, size_t bytes, double score)
{
    static char buf[3000];
    struct work w;
    struct key_ref *k = open_keys(&w, ctx, set, set);
    for (unsigned i = from; i < from + n; i++) {
        struct zset_add a = {.member = member(buf, i, bytes), .score = score + (i * 37 % 101)};
        ok(zset_add(&w.tx, k, &limits, &a));
    }
    ks_commit(&w);
}

static void removes(struct shm_ctx *ctx, unsigned set, unsigned from, unsigned n, size_t bytes)
{
    static char buf[3000];
    struct work w;
    bool found;
    struct key_ref *k = open_keys(&w, ctx, set, set);
    for (unsigned i = from; i < from + n; i++) {
        ok(zset_remove(&w.tx, k, member(buf, i, bytes), &found));
        CHECK(found);
    }
    ks_commit(&w);
}

static void removes_ranks(struct shm_ctx *ctx, unsigned set, uint64_t from, uint64_t to)
{
    struct work w;
    struct key_ref *k = open_keys(&w, ctx, set, set);
    ok(zset_remove_ranks(&w.tx, k, from, to));
    ks_commit(&w);
}

static void copies(struct shm_ctx *ctx, unsigned from, unsigned to)
{
    struct work w;
    struct key_ref *k = open_keys(&w, ctx, from, to);
    ok(zset_copy(&w.tx, key_entry(k), &w.k[w.at[1]], 4711, 1));
    ks_commit(&w);
}

void zsets_ready(struct shm_ctx *ctx)
{
    void (*begin)(void) = ks_begin;
    ks_begin = NULL;
    adds(ctx, 0, 0, 5, 10, 0);
    adds(ctx, 1, 0, 30, 50, 0);
    adds(ctx, 2, 0, 300, 20, 0);
    adds(ctx, 2, 300, 2, 2000, 0);
    ks_begin = begin;
}

void zset_packed(struct shm_ctx *ctx)
{
    adds(ctx, 0, 4, 2, 10, 7);
    between();
    removes(ctx, 0, 0, 1, 10);
    between();
    removes_ranks(ctx, 0, 1, 3);
    between();
    removes_ranks(ctx, 0, 0, 2);
    between();
    adds(ctx, 3, 0, 1, 10, 1);
}

void zset_listpack(struct shm_ctx *ctx)
{
    adds(ctx, 0, 5, 20, 40, 0); /* packed becomes a tree */
    between();
    adds(ctx, 1, 29, 2, 50, 9);
    between();
    removes(ctx, 1, 10, 3, 50);
    between();
    removes_ranks(ctx, 1, 2, 9);
}

void zset_converts(struct shm_ctx *ctx)
{
    adds(ctx, 0, 5, 1, 2500, 0); /* too long */
    between();
    adds(ctx, 1, 30, 20, 3, 0); /* too many */
}

void zset_grows(struct shm_ctx *ctx)
{
    adds(ctx, 2, 1000, 1, 20, 0);
    between();
    adds(ctx, 2, 0, 3, 20, 50); /* they move */
    between();
    adds(ctx, 2, 300, 1, 2000, 5);
    between();
    adds(ctx, 2, 2000, 100, 100, 3);
}

void zset_shrinks(struct shm_ctx *ctx)
{
    removes(ctx, 2, 0, 1, 20);
    between();
    removes(ctx, 2, 1, 150, 20);
    between();
    removes(ctx, 2, 300, 2, 2000);
    between();
    removes_ranks(ctx, 2, 0, 120);
}

void zset_copies(struct shm_ctx *ctx)
{
    copies(ctx, 0, 4);
    between();
    copies(ctx, 1, 0);
    between();
    copies(ctx, 2, 1);
}

void zset_deletes(struct shm_ctx *ctx)
{
    removes_ranks(ctx, 0, 0, 5);
    between();
    removes_ranks(ctx, 1, 0, 30);
    between();
    removes_ranks(ctx, 2, 0, 302);
}
