/* Letters that go with a transaction: they arrive with its commit, and one that finds no way leaves it as it was. */
#include "shm/pubsub.h"
#include "tests/unit/arena.h"

#include <stdlib.h>

static struct shm_ctx b, c;
static unsigned taken;

static void take(void *arg, const char *p, uint64_t n)
{
    const struct bytes *want = arg;
    CHECK(bytes_equal((struct bytes){p, n}, *want));
    taken++;
}

static unsigned take_all(struct shm_ctx *who, struct bytes want)
{
    taken = 0;
    while (inbox_waits(who))
        CHECK(!inbox_take(who, take, &want));
    return taken;
}

static enum rc put(struct tx *tx, struct bytes text, uint64_t *full)
{
    struct letter l[2] = {{2, text.p, text.n}, {3, text.p, text.n}};
    return letters_put(tx, l, 2, false, full);
}

static void with_the_commit(void)
{
    struct bytes text = BYTES_LIT("a letter");
    uint64_t full[SLOT_WORDS] = {0};
    for (int commits = 0; commits < 2; commits++) {
        struct tx tx;
        tx_begin(&tx, &ctx);
        CHECK(!put(&tx, text, full));
        CHECK(!inbox_waits(&b) && !inbox_waits(&c));
        tx_end(&tx, commits ? RC_OK : RC_INVALID);
        CHECK(take_all(&b, text) == (unsigned)commits && take_all(&c, text) == (unsigned)commits && !full[0]);
    }
    arena_sound();
}

static void refused_by_a_latch(void)
{
    struct shm_latch *first = &pubsub_root(ctx.root)->inbox[2].latch,
                     *second = &pubsub_root(ctx.root)->inbox[3].latch;
    uint64_t full[SLOT_WORDS] = {0};
    struct tx tx;
    tx_begin(&tx, &ctx);
    CHECK(latch_try(second, 3));
    CHECK(put(&tx, BYTES_LIT("none"), full) == RC_BUSY && !latch_mine(first, 1));
    latch_release(second);
    tx_commit(&tx);
    CHECK(!inbox_waits(&b) && !inbox_waits(&c) && slots_used_bytes() == 0);
    arena_sound();
}

/* The receiver that does not keep up is named, the other one has its letter. */
static void overfilled(struct bytes text)
{
    uint64_t full[SLOT_WORDS] = {0};
    for (int i = 0; i < 2; i++) {
        struct tx tx;
        tx_begin(&tx, &ctx);
        CHECK(!put(&tx, text, full));
        tx_commit(&tx);
        CHECK(full[0] == (i ? 1u << 2 : 0) && take_all(&c, text) == 1);
    }
    CHECK(take_all(&b, text) == 1);
    arena_sound();
}

static void without_memory(struct bytes text)
{
    uint64_t full[SLOT_WORDS] = {0};
    shm_ref most;
    struct tx tx;
    tx_begin(&tx, &ctx);
    CHECK(!tx_alloc(&tx, 120u << 20, &most));
    CHECK(put(&tx, text, full) == RC_NOMEM); /* there is room for one of them */
    CHECK(!tx_free(&tx, most, 120u << 20));
    tx_commit(&tx);
    CHECK(!inbox_waits(&b) && !inbox_waits(&c) && slots_used_bytes() == 0);
    arena_sound();
}

int main(void)
{
    static char text[40 << 20];
    arena_begin(180);
    slot_ctx(&b, 2);
    slot_ctx(&c, 3);
    with_the_commit();
    refused_by_a_latch();
    overfilled((struct bytes){text, sizeof(text)});
    without_memory((struct bytes){text, 30 << 20});
    arena_end();
    return 0;
}
