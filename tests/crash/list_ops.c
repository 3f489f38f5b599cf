#include "tests/crash/list_ops.h"
#include "shm/types/list.h"
#include "shm/waiters.h"

#include <stdio.h>
#include <stdlib.h>

static struct list_how how = {.fill = -2, .clock = 1};

static struct name key_of(unsigned i)
{
    return name_of("list", i);
}

static struct key_ref *open_lists(struct work *w, struct shm_ctx *ctx, unsigned i, unsigned j)
{
    return ks_open(w, ctx, key_of(i), key_of(j));
}

static void end(struct work *w, enum rc rc)
{
    CHECKF(rc == RC_OK, "an operation of the test came back with %d", rc);
    ks_commit(w);
}

/* Pushes items whose bytes follow from their number. */
static enum rc push(struct work *w, struct key_ref *k, unsigned from, unsigned n, size_t bytes, bool front)
{
    static char text[200][3000];
    static struct bytes v[200];
    CHECK(n <= 200 && bytes <= 3000);
    for (unsigned i = 0; i < n; i++) {
        fill(text[i], bytes, from + i);
        v[i] = (struct bytes){text[i], bytes};
    }
    return list_push(&w->tx, k, v, n, front, &how);
}

static void pushes(struct shm_ctx *ctx, unsigned list, unsigned n, size_t bytes, bool front)
{
    struct work w;
    struct key_ref *k = open_lists(&w, ctx, list, list);
    end(&w, push(&w, k, list, n, bytes, front));
}

static void cuts(struct shm_ctx *ctx, unsigned list, uint64_t pos, uint64_t n)
{
    struct work w;
    struct key_ref *k = open_lists(&w, ctx, list, list);
    end(&w, list_cut(&w.tx, k, pos, n, &how));
}

void lists_ready(struct shm_ctx *ctx)
{
    void (*begin)(void) = ks_begin;
    ks_begin = NULL;
    how.depth = 0;
    pushes(ctx, 0, 5, 20, false);
    pushes(ctx, 1, 60, 20, false);
    for (unsigned i = 0; i < 6; i++)
        pushes(ctx, 2, 200, 30, i % 2);
    pushes(ctx, 2, 3, 2000, false);
    ks_begin = begin;
}

void list_packed_ends(struct shm_ctx *ctx)
{
    pushes(ctx, 0, 2, 10, true);
    between();
    cuts(ctx, 0, 6, 1);
    between();
    cuts(ctx, 0, 0, 6);
    between();
    pushes(ctx, 3, 1, 10, false);
}

void list_outgrows(struct shm_ctx *ctx)
{
    pushes(ctx, 0, 100, 15, true);
    between();
    pushes(ctx, 0, 4, 2500, false);
}

void list_tree_ends(struct shm_ctx *ctx)
{
    pushes(ctx, 1, 1, 20, false);
    between();
    pushes(ctx, 1, 1, 20, true);
    between();
    cuts(ctx, 1, 0, 2);
    between();
    cuts(ctx, 1, 59, 1);
    between();
    pushes(ctx, 2, 150, 30, false);
    between();
    pushes(ctx, 2, 150, 30, true);
}

void list_tree_middle(struct shm_ctx *ctx)
{
    static char text[2000];
    struct work w;
    struct key_ref *k = open_lists(&w, ctx, 2, 2);
    fill(text, sizeof(text), 3);
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < 8 && !rc; i++)
        rc = list_insert(&w.tx, k, 600, (struct bytes){text, 900}, &how);
    if (!rc)
        rc = list_set(&w.tx, k, 100, (struct bytes){text, sizeof(text)}, &how);
    end(&w, rc);
    between();
    cuts(ctx, 2, 100, 1);
}

void list_trims(struct shm_ctx *ctx)
{
    cuts(ctx, 2, 0, 500);
    between();
    cuts(ctx, 2, 50, 653);
}

void list_removes(struct shm_ctx *ctx)
{
    char text[30];
    struct work w;
    uint64_t removed;
    struct key_ref *k = open_lists(&w, ctx, 2, 2);
    enum rc rc = RC_OK;
    fill(text, sizeof(text), 77);
    struct bytes v = {text, sizeof(text)};
    for (unsigned i = 0; i < 50 && !rc; i++)
        rc = list_push(&w.tx, k, &v, 1, i % 2, &how);
    end(&w, rc);
    between();
    k = open_lists(&w, ctx, 2, 2);
    rc = list_remove(&w.tx, k, v, 0, &how, &removed);
    CHECK(removed >= 50);
    end(&w, rc);
}

void list_moves(struct shm_ctx *ctx)
{
    char text[32];
    struct work w;
    open_lists(&w, ctx, 2, 0);
    struct key_ref *from = &w.k[w.at[0]], *to = &w.k[w.at[1]];
    struct list_walk walk;
    struct bytes v;
    list_walk(key_entry(from), 0, false, &walk);
    CHECK(list_next(&walk, &v) && v.n <= sizeof(text));
    memcpy(text, v.p, v.n);
    v.p = text;
    enum rc rc = list_cut(&w.tx, from, 0, 1, &how);
    end(&w, rc ? rc : list_push(&w.tx, to, &v, 1, true, &how));
}

/* A list of so many items as a whole, the last of which has a block of its own; or its leaves go again, and something else is done. */
static void builds(struct shm_ctx *ctx, unsigned list, unsigned n, bool drop)
{
    static char text[2000];
    struct list_bulk b;
    struct work w;
    struct key_ref *k = open_lists(&w, ctx, list, list);
    enum rc rc = RC_OK;
    list_bulk_begin(&b, &w.tx, &how);
    for (unsigned i = 0; i < n && !rc; i++)
        rc = list_bulk_add(&b, (struct bytes){text, (size_t)sprintf(text, "compressible element %u", i)});
    fill(text, sizeof(text), n);
    if (!rc)
        rc = list_bulk_add(&b, (struct bytes){text, sizeof(text)});
    if (!rc && drop) {
        rc = list_bulk_drop(&b);
        end(&w, rc ? rc : push(&w, k, list, 1, 20, false));
        return;
    }
    if (!rc && k->entry)
        rc = key_del(&w.tx, k, false);
    end(&w, list_bulk_end(&b, k, rc));
}

void list_builds(struct shm_ctx *ctx)
{
    builds(ctx, 3, 300, false);
    between();
    builds(ctx, 2, 200, false);
    between();
    builds(ctx, 1, 300, true);
}

/* Two clients wait for two keys each; the first gets something, the other goes. */
static void waits(struct shm_ctx *ctx, uint32_t session)
{
    struct shm_session *s = session_at(session);
    struct work w;
    enum rc rc = RC_OK;
    open_lists(&w, ctx, 4, 5);
    for (unsigned i = 0; i < 2 && !rc; i++)
        rc = waiters_join(&w.tx, s, 0, w.k[i].hash);
    end(&w, rc);
}

void list_waits(struct shm_ctx *ctx)
{
    for (uint32_t i = 0; i < 2; i++) {
        session_at(i)->state = SESSION_BUSY;
        session_at(i)->id = 100 + i;
        session_at(i)->wait_type = TYPE_LIST;
        waits(ctx, i);
        between();
    }
    struct work w;
    struct key_ref *k = open_lists(&w, ctx, 4, 4);
    const struct shm_waiter *first = NULL;
    enum rc rc = waiters_latch(&w.tx);
    if (!rc)
        first = waiters_first(ctx->root, 0, k->hash, TYPE_LIST);
    CHECK(first && first->id == 100);
    rc = push(&w, k, 1, 2, 10, false);
    if (!rc)
        rc = list_cut(&w.tx, k, 0, 1, &how);
    end(&w, rc ? rc : waiters_leave(&w.tx, session_at(0)));
    between();
    session_at(1)->state = SESSION_CLOSING; /* in silence: who joins next takes its records out */
    waits(ctx, 0);
}

void list_deletes(struct shm_ctx *ctx)
{
    for (unsigned i = 0; i < 3; i++) {
        struct name n = key_of(i);
        CHECK(!ks_del(ctx, 0, NAME_BYTES(n)));
        if (i < 2)
            between();
    }
}

/* Items that differ in a few bytes go to the third list. */
static void push_alike(struct shm_ctx *ctx, unsigned n, bool front)
{
    static char text[200][32];
    static struct bytes v[200];
    struct work w;
    struct key_ref *k = open_lists(&w, ctx, 2, 2);
    CHECK(n <= 200);
    for (unsigned i = 0; i < n; i++)
        v[i] = (struct bytes){text[i], (size_t)sprintf(text[i], "compressible element %u", i)};
    end(&w, list_push(&w.tx, k, v, n, front, &how));
}

/* The third list's nodes between its ends are compressed. */
void lists_deep_ready(struct shm_ctx *ctx)
{
    void (*begin)(void) = ks_begin;
    ks_begin = NULL;
    how.depth = 1;
    for (unsigned i = 0; i < 6; i++)
        push_alike(ctx, 200, i % 2);
    pushes(ctx, 2, 3, 2000, false);
    push_alike(ctx, 200, false);
    ks_begin = begin;
}

static void deeply(void (*op)(struct shm_ctx *ctx), struct shm_ctx *ctx)
{
    how.depth = 1;
    op(ctx);
    how.depth = 0;
}

void list_compresses(struct shm_ctx *ctx)
{
    how.depth = 1;
    push_alike(ctx, 150, false);
    between();
    push_alike(ctx, 150, true);
    how.depth = 0;
}

void list_deep_middle(struct shm_ctx *ctx)
{
    deeply(list_tree_middle, ctx);
}

void list_deep_builds(struct shm_ctx *ctx)
{
    how.depth = 1;
    builds(ctx, 3, 500, false);
    between();
    builds(ctx, 1, 500, true);
    how.depth = 0;
}

void list_deep_trims(struct shm_ctx *ctx)
{
    deeply(list_trims, ctx);
    between();
    cuts(ctx, 2, 0, 245); /* what is left began compressed */
}

void lists_dead_ready(struct shm_ctx *ctx)
{
    void (*begin)(void) = ks_begin;
    lists_ready(ctx);
    ks_begin = NULL;
    list_deletes(ctx);
    ks_begin = begin;
}

void list_frees_trees(struct shm_ctx *ctx)
{
    while (trees_step(ctx, 3))
        between();
}
