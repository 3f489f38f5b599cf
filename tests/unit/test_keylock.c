/* Locks on keys: who is refused, what is seen meanwhile, and that a key rests when somebody has been refused. */
#include "shm/keylock.h"
#include "tests/unit/arena.h"

#include <stdio.h>

static struct shm_ctx other;

static struct key_ref ref_of(struct bytes name)
{
    struct key_ref k = {.key = name};
    CHECK(db_table(ctx.root, 0) || !db_table_make(&ctx, 0, &k.table));
    k.table = db_table(ctx.root, 0);
    k.hash = key_hash(ctx.root, name);
    key_locate(&k);
    return k;
}

static enum rc put(struct shm_ctx *who, struct bytes name, int64_t v)
{
    struct key_ref k = ref_of(name);
    struct entry_spec s = {.key = name, .enc = ENC_INT, .word = (uint64_t)v, .expiry_ms = -1};
    struct tx tx;
    shm_ref e;
    tx_begin(&tx, who);
    enum rc rc = key_latch(&tx, &k);
    if (!rc)
        rc = entry_new(&tx, &s, &e, NULL);
    return tx_end(&tx, rc ? rc : key_put(&tx, &k, e, false));
}

static enum rc look(struct shm_ctx *who, struct bytes name, int64_t *v)
{
    struct key_ref k = ref_of(name);
    uint32_t version;
    struct tx tx;
    enum rc unlatched = key_read_begin(&k, &version);
    tx_begin(&tx, who);
    tx.reads = true;
    enum rc rc = key_latch(&tx, &k);
    CHECK(rc == unlatched);
    if (!rc)
        *v = k.entry ? entry_int(key_entry(&k)) : -1;
    tx_abort(&tx);
    return rc;
}

/* Locks the key in a transaction that stays open. */
static enum rc hold(struct shm_ctx *who, struct tx *tx, struct key_ref *k, bool reads)
{
    tx_begin(tx, who);
    tx->reads = reads;
    enum rc rc = key_latch(tx, k);
    if (!rc)
        rc = keys_lock(tx, k, 1);
    if (rc)
        tx_abort(tx);
    return rc;
}

static void writers_hold_alone(void)
{
    struct bytes name = BYTES_LIT("k");
    struct key_ref k = ref_of(name), again = k;
    struct entry_spec s = {.key = name, .enc = ENC_INT, .word = 7, .expiry_ms = -1};
    struct tx tx, second;
    int64_t v;
    shm_ref e;
    CHECK(!put(&ctx, name, 1));
    CHECK(!hold(&ctx, &tx, &k, false));
    CHECK(look(&other, name, &v) == RC_BUSY && other.held_by == ctx.id + 1);
    CHECK(put(&other, name, 2) == RC_BUSY);
    CHECK(hold(&other, &second, &again, true) == RC_BUSY);
    /* Every other key is anybody's, and the segments may change their sizes. */
    for (unsigned i = 0; i < 1000; i++) {
        char text[16];
        struct bytes n = {text, (size_t)sprintf(text, "o%u", i)};
        CHECK(!put(&other, n, (int64_t)i) && !look(&other, n, &v) && v == (int64_t)i);
        struct key_ref o = ref_of(n);
        table_adjust(&other, o.table, o.hash);
    }
    CHECK(!entry_new(&tx, &s, &e, NULL) && !key_put(&tx, &k, e, false));
    CHECK(look(&other, name, &v) == RC_BUSY);
    CHECK(!keys_publish(&tx, &k, 1));
    tx_commit(&tx);
    CHECK(!look(&other, name, &v) && v == 7);
}

static void readers_share(void)
{
    struct bytes name = BYTES_LIT("shared");
    struct key_ref k = ref_of(name), again = k;
    struct tx tx, second;
    int64_t v;
    CHECK(!put(&ctx, name, 7));
    CHECK(!hold(&ctx, &tx, &k, true));
    CHECK(!look(&other, name, &v) && v == 7);
    CHECK(!hold(&other, &second, &again, true));
    tx_abort(&tx);
    CHECK(put(&ctx, name, 2) == RC_BUSY);
    tx_abort(&second);
    CHECK(!put(&ctx, name, 2));
}

/* A worker that was refused comes before the next transaction that lasts. */
static void keys_rest(void)
{
    struct bytes name = BYTES_LIT("rests");
    struct key_ref k = ref_of(name);
    struct tx tx;
    unsigned refused = 0;
    CHECK(!hold(&ctx, &tx, &k, false));
    CHECK(put(&other, name, 1) == RC_BUSY);
    tx_abort(&tx);
    k = ref_of(name);
    while (hold(&ctx, &tx, &k, false) == RC_BUSY)
        refused++;
    CHECK(refused);
    tx_abort(&tx);
    CHECK(!put(&other, name, 1));
    CHECK(!hold(&ctx, &tx, &k, false)); /* nobody wanted it this time */
    tx_abort(&tx);
}

static void sets_are_finite(void)
{
    struct key_ref k = ref_of(BYTES_LIT("finite"));
    struct tx tx;
    unsigned n = 1;
    CHECK(!hold(&ctx, &tx, &k, false));
    while (!keylock_add(&ctx, 0, 2ull * n << 20, true))
        n++;
    CHECK(n >= 500 && ctx.slot->keylocks.n == n);
    tx_abort(&tx);
    CHECK(!keylocks_any(ctx.root));
}

int main(void)
{
    arena_begin(64);
    slot_adopt(&other, 2, ROLE_WORKER, 1);
    writers_hold_alone();
    readers_share();
    keys_rest();
    sets_are_finite();
    arena_end();
    printf("ok\n");
    return 0;
}
