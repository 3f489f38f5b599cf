#include "tests/crash/library_ops.h"
#include "shm/library.h"
#include "shm/wal.h"

#include <stdlib.h>

#define CODE_BYTES 12000u

static const struct bytes effect[] = {{"FUNCTION", 8}, {"LOAD", 4}, {"the code", 8}};

/* A library with one function, both of this name, and so many bytes of code. */
static struct library_pack packed(const char *name, size_t bytes)
{
    static char code[CODE_BYTES];
    struct library_function f = {.name = {name, strlen(name)}};
    struct library_pack functions = {0}, out = {0};
    fill(code, bytes, name[0]);
    library_pack_function(&functions, &f);
    struct library lib = {.name = f.name, .code = {code, bytes}, .nfunctions = 1};
    lib.functions = (struct bytes){functions.p, functions.n};
    library_pack(&out, &lib);
    free(functions.p);
    return out;
}

static enum rc change(struct shm_ctx *ctx, struct tx *tx, struct library_change ch, const char *name,
                      size_t bytes)
{
    struct library_pack fresh = {0}, to = {0};
    struct library_clash clash;
    if (name)
        fresh = packed(name, bytes);
    ch.fresh = (struct bytes){fresh.p, fresh.n};
    enum rc rc = libraries_change(ctx, tx, &ch, effect, ARRAY_LEN(effect), &to, &clash);
    free(fresh.p);
    free(to.p);
    return rc;
}

#define POLICY(p) ((struct library_change){.policy = LIBRARY_##p})
#define DROP(s)   ((struct library_change){.drop = BYTES_LIT(s)})

static void load(struct shm_ctx *ctx, struct library_change ch, const char *name, size_t bytes)
{
    enum rc rc = change(ctx, NULL, ch, name, bytes);
    CHECKF(!rc, "an operation of the test came back with %d", rc);
}

void libraries_ready(struct shm_ctx *ctx)
{
    load(ctx, POLICY(APPEND), "one", 100);
    load(ctx, POLICY(APPEND), "two", 200);
    persist(ctx->root)->wal.on = persist(ctx->root)->wal.waits = 1;
}

void library_first(struct shm_ctx *ctx)
{
    load(ctx, POLICY(APPEND), "one", 100);
}

void library_loads(struct shm_ctx *ctx)
{
    load(ctx, POLICY(APPEND), "three", 300);
}

void library_replaces(struct shm_ctx *ctx)
{
    load(ctx, POLICY(REPLACE), "one", CODE_BYTES);
}

void library_goes(struct shm_ctx *ctx)
{
    load(ctx, DROP("one"), NULL, 0);
}

void library_flushes(struct shm_ctx *ctx)
{
    load(ctx, POLICY(FLUSH), NULL, 0);
}

void library_refused(struct shm_ctx *ctx)
{
    CHECK(change(ctx, NULL, POLICY(APPEND), "two", 50) == RC_EXISTS);
}

static void run_gated(struct shm_ctx *ctx, bool undone)
{
    struct tx tx;
    batch_leave(ctx);
    CHECK(gate_close(ctx, 1000000));
    tx_begin(&tx, ctx);
    CHECK(!change(ctx, &tx, POLICY(APPEND), "three", 50));
    CHECK(!change(ctx, &tx, DROP("one"), NULL, 0));
    CHECK(!change(ctx, &tx, POLICY(REPLACE), "three", CODE_BYTES));
    CHECK(change(ctx, &tx, POLICY(APPEND), "two", 10) == RC_EXISTS);
    if (undone)
        tx_abort(&tx);
    else
        tx_commit(&tx);
    gate_open(ctx);
    CHECK(batch_enter(ctx));
}

void library_gate(struct shm_ctx *ctx)
{
    run_gated(ctx, false);
}

void library_gate_undone(struct shm_ctx *ctx)
{
    run_gated(ctx, true);
}
