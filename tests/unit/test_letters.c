/* Letters that go with a transaction: they arrive with its commit, and one that finds no room leaves a gap. */
#include "shm/pubsub.h"
#include "tests/unit/arena.h"

#include <stdlib.h>

static struct shm_ctx b, c;
static unsigned taken;
static bool gap;

static void take(void *arg, const char *p, uint64_t n)
{
    const struct bytes *want = arg;
    CHECK(bytes_equal((struct bytes){p, n}, *want));
    taken++;
}

static unsigned take_all(struct shm_ctx *who, struct bytes want)
{
    bool at_once;
    taken = 0;
    gap = false;
    while (inbox_waits(who)) {
        CHECK(!inbox_take(who, take, &want, &at_once));
        gap |= at_once;
    }
    return taken;
}

static enum rc put(struct tx *tx, struct bytes text)
{
    struct letter l[2] = {{.to = 2, .p = text.p, .n = text.n}, {.to = 3, .p = text.p, .n = text.n}};
    enum rc rc = letters_write(tx, l, 2);
    return rc ? rc : letters_put(tx, l, 2, false);
}

static void with_the_commit(void)
{
    struct bytes text = BYTES_LIT("a letter");
    for (int commits = 0; commits < 2; commits++) {
        struct tx tx;
        tx_begin(&tx, &ctx);
        CHECK(!put(&tx, text));
        CHECK(!inbox_waits(&b) && !inbox_waits(&c));
        tx_end(&tx, commits ? RC_OK : RC_INVALID);
        CHECK(take_all(&b, text) == (unsigned)commits && !gap);
        CHECK(take_all(&c, text) == (unsigned)commits && !gap);
    }
    arena_sound();
}

static void refused_by_a_latch(void)
{
    struct shm_latch *first = &pubsub_root(ctx.root)->inbox[2].latch,
                     *second = &pubsub_root(ctx.root)->inbox[3].latch;
    struct tx tx;
    tx_begin(&tx, &ctx);
    CHECK(latch_try(second, 3));
    CHECK(put(&tx, BYTES_LIT("none")) == RC_BUSY && !latch_mine(first, 1));
    latch_release(second);
    tx_abort(&tx);
    CHECK(!inbox_waits(&b) && !inbox_waits(&c) && slots_used_bytes() == 0);
    arena_sound();
}

/* The receiver that does not keep up learns of the gap, once; the other one has its letter. */
static void overfilled(struct bytes text)
{
    for (int i = 0; i < 2; i++) {
        struct tx tx;
        tx_begin(&tx, &ctx);
        CHECK(!put(&tx, text));
        tx_commit(&tx);
        CHECK(take_all(&c, text) == 1 && !gap);
    }
    CHECK(take_all(&b, text) == 1 && gap);
    arena_sound();
    struct letter again = {.to = 2, .p = text.p, .n = text.n};
    CHECK(!letters_send(&ctx, &again, 1) && take_all(&b, text) == 1 && !gap);
}

/* What is taken back leaves no gap: nobody was to be told of it. */
static void overfilled_for_nothing(struct bytes text)
{
    struct letter first = {.to = 2, .p = text.p, .n = text.n};
    struct tx tx;
    CHECK(!letters_send(&ctx, &first, 1));
    tx_begin(&tx, &ctx);
    CHECK(!put(&tx, text));
    tx_abort(&tx);
    CHECK(take_all(&b, text) == 1 && !gap);
    arena_sound();
}

static void without_memory(struct bytes text)
{
    shm_ref most;
    struct tx tx;
    tx_begin(&tx, &ctx);
    CHECK(!tx_alloc(&tx, 120u << 20, &most));
    CHECK(put(&tx, text) == RC_NOMEM); /* there is room for one of them */
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
    overfilled_for_nothing((struct bytes){text, sizeof(text)});
    without_memory((struct bytes){text, 30 << 20});
    arena_end();
    return 0;
}
