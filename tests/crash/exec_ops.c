#include "tests/crash/exec_ops.h"
#include "shm/types/string.h"
#include "shm/wal.h"

#define KEYS 6u

struct exec {
    struct tx tx;
    struct name names[KEYS];
    struct key_ref k[KEYS];
    uint32_t at[KEYS];
};

static struct key_ref *key(struct exec *x, unsigned i)
{
    return &x->k[x->at[i]];
}

void exec_ready(struct shm_ctx *ctx)
{
    for (uint32_t db = 0; db < 3; db++) {
        struct shm_table *t;
        struct name there = name_of("e", db);
        ok(db_table_make(ctx, db, &t));
        ok(ks_set(ctx, db, NAME_BYTES(there), BYTES_LIT("before"), -1));
    }
    persist(ctx->root)->wal.on = persist(ctx->root)->wal.waits = 1; /* what comes before is in no record */
}

static void begin(struct shm_ctx *ctx, struct exec *x)
{
    static const struct {
        const char *prefix;
        unsigned i;
        uint32_t db;
    } of[KEYS] = {{"n", 8, 0}, {"k", 10, 0}, {"e", 1, 1}, {"fresh", 1, 1}, {"e", 2, 2}, {"fresh", 2, 2}};
    for (unsigned i = 0; i < KEYS; i++) {
        x->names[i] = name_of(of[i].prefix, of[i].i);
        x->k[i] = ks_ref(ctx, of[i].db, NAME_BYTES(x->names[i]));
        x->k[i].arg = i;
    }
    tx_begin(&x->tx, ctx);
    ok(keys_latch(&x->tx, x->k, KEYS, x->at));
    if (ks_locks)
        ok(keys_lock(&x->tx, x->k, KEYS));
}

/* As the log is told of a command. */
static void tell(struct exec *x, unsigned i, const char *command)
{
    const struct key_ref *k = key(x, i);
    struct bytes argv[2] = {{command, strlen(command)}, k->key};
    tx_effect_key(&x->tx, k->hash);
    ok(tx_effect(&x->tx, k->db, argv, 2));
}

static void incr(struct exec *x, unsigned i)
{
    int64_t v = 0;
    if (key(x, i)->entry)
        ok(string_integer(key_entry(key(x, i)), &v));
    ok(string_set_integer(&x->tx, key(x, i), v + 1, 0));
    tell(x, i, "INCR");
}

static void set(struct exec *x, unsigned i, size_t n)
{
    char text[20000];
    fill(text, n, i);
    ok(string_set(&x->tx, key(x, i), (struct bytes){text, n}, -1, 0));
    tell(x, i, "SET");
}

static void append(struct exec *x, unsigned i, struct bytes more)
{
    size_t n;
    ok(string_append(&x->tx, key(x, i), more, 0, &n));
    tell(x, i, "APPEND");
}

static void del(struct exec *x, unsigned i)
{
    ok(key_del(&x->tx, key(x, i), false));
    tell(x, i, "DEL");
}

static void changes(struct exec *x)
{
    incr(x, 0);
    incr(x, 0);
    set(x, 1, 40);
    append(x, 1, BYTES_LIT("and more"));
    set(x, 3, 12000);
    set(x, 3, 30);
    append(x, 4, BYTES_LIT("."));
    del(x, 4);
    set(x, 4, 9000);
    incr(x, 5);
    del(x, 5);
}

void exec_keys(struct shm_ctx *ctx)
{
    struct exec x;
    begin(ctx, &x);
    changes(&x);
    incr(&x, 0);
    del(&x, 2);
    ok(ks_end(&x.tx, x.k, KEYS, RC_OK));
}

void exec_undone(struct shm_ctx *ctx)
{
    struct exec x;
    begin(ctx, &x);
    changes(&x);
    ok(keys_publish(&x.tx, x.k, KEYS));
    tx_abort(&x.tx);
}

/* As keyplan.c latches what a script names: on the spot, or with those that share its bucket. */
static void latch_late(struct exec *x, struct key_ref *k, const struct key_ref *with)
{
    key_locate(k);
    if (!latch_mine(&k->bucket->latch, x->tx.ctx->id)) {
        ok(key_latch(&x->tx, k));
        return;
    }
    CHECK(with->bucket == k->bucket);
    ((struct key_ref *)(uintptr_t)with)->redo_from = 0;
    k->redo_from = 0;
    k->locked = k->replaced = k->logged = k->changed = false;
    key_find(k);
}

/* The same where keys are locked: another slot tries in vain to change one of them meanwhile. */
void script_locks(struct shm_ctx *ctx)
{
    struct exec x;
    struct shm_ctx other;
    struct name apart[2] = {name_of("apart", 1), name_of("k", 11)};
    struct key_ref all[KEYS + 2];
    begin(ctx, &x);
    ok(keys_lock(&x.tx, x.k, KEYS));
    incr(&x, 0);
    set(&x, 1, 40);
    slot_ctx(&other, BYSTANDER);
    CHECK(ks_set(&other, 0, key(&x, 1)->key, BYTES_LIT("refused"), -1) == RC_BUSY);
    for (unsigned i = 0; i < 2; i++) {
        struct key_ref *k = &all[KEYS + i];
        *k = ks_ref(ctx, 0, NAME_BYTES(apart[i]));
        key_locate(k);
        ok(key_latch(&x.tx, k));
        ok(key_lock_late(&x.tx, k));
        ok(string_set_integer(&x.tx, k, 7, 0));
    }
    CHECK(ks_set(&other, 0, all[KEYS].key, BYTES_LIT("refused"), -1) == RC_BUSY);
    memcpy(all, x.k, sizeof(x.k));
    ok(ks_end(&x.tx, all, KEYS + 2, RC_OK));
}

/* A key that is not there, in the bucket of another. */
static struct key_ref neighbour(struct shm_ctx *ctx, const struct key_ref *of, struct name *name)
{
    for (unsigned i = 0;; i++) {
        *name = name_of("late", i);
        struct key_ref k = ks_ref(ctx, of->db, NAME_BYTES((*name)));
        key_locate(&k);
        if (k.bucket == of->bucket)
            return k;
    }
}

void script_keys(struct shm_ctx *ctx)
{
    struct exec x;
    struct name beside, apart = name_of("apart", 1), other = name_of("e", 0);
    begin(ctx, &x);
    incr(&x, 0);
    set(&x, 1, 40);
    struct key_ref late[3] = {neighbour(ctx, key(&x, 0), &beside), ks_ref(ctx, 0, NAME_BYTES(apart)),
                              ks_ref(ctx, 0, NAME_BYTES(other))};
    for (unsigned i = 0; i < 3; i++) {
        latch_late(&x, &late[i], key(&x, 0));
        ok(string_set_integer(&x.tx, &late[i], 7, 0));
        del(&x, 0); /* its neighbour has come meanwhile */
        incr(&x, 0);
    }
    ok(key_del(&x.tx, &late[0], false));
    ok(string_set(&x.tx, &late[0], BYTES_LIT("again"), -1, 0));
    tx_commit(&x.tx);
}

/* As exec.c does it when databases have got other tables. */
static void find_again(struct shm_ctx *ctx, struct exec *x)
{
    for (unsigned i = 0; i < KEYS; i++) {
        struct key_ref *k = &x->k[i];
        k->table = db_table(ctx->root, k->db);
        if (!k->table)
            ok(db_make_in(&x->tx, k->db, &k->table));
        k->redo_from = 0;
        key_locate(k);
        key_find(k);
    }
}

static void run_gated(struct shm_ctx *ctx, bool undone)
{
    struct exec x;
    batch_leave(ctx);
    CHECK(gate_close(ctx, 1000000));
    begin(ctx, &x);
    changes(&x);
    ok(tx_expose(&x.tx));
    ok(db_flush_in(&x.tx, (uint32_t[]){1, 2}, 2));
    find_again(ctx, &x);
    CHECK(!key(&x, 3)->entry && key(&x, 0)->entry);
    set(&x, 3, 50);
    ok(tx_expose(&x.tx));
    CHECK(table_keys(db_table(ctx->root, 1)) == 1);
    ok(db_swap_in(&x.tx, 0, 1));
    find_again(ctx, &x);
    CHECK(!key(&x, 0)->entry && !key(&x, 3)->entry);
    incr(&x, 0);
    set(&x, 2, 20);
    if (undone)
        tx_abort(&x.tx);
    else
        tx_commit(&x.tx);
    gate_open(ctx);
    CHECK(batch_enter(ctx));
}

void exec_gate(struct shm_ctx *ctx)
{
    run_gated(ctx, false);
}

void exec_gate_undone(struct shm_ctx *ctx)
{
    run_gated(ctx, true);
}
