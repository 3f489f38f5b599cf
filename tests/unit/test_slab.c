/* Size classes, magazines and runs: every size, many blocks, a full arena, and everything back in the end. */
#include "shm/tx.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

/* Every size fits its class and not the one below; classes are at most 12.5% apart, 8 bytes below 128. */
static void classes(void)
{
    for (uint64_t n = 1; n <= SLAB_MAX_BYTES; n++) {
        uint32_t c = class_of(n);
        CHECK(c < SHM_CLASSES && class_bytes(c) >= n && (!c || class_bytes(c - 1) < n));
    }
    CHECK(class_of(SLAB_MAX_BYTES) == SHM_CLASSES - 1 && class_of(SLAB_MAX_BYTES + 1) == CLASS_SPAN);
    for (uint32_t c = 1; c < SHM_CLASSES; c++) {
        uint64_t gap = class_bytes(c) - class_bytes(c - 1);
        CHECK(class_bytes(c) <= 128 ? gap == 8 : gap * 8 <= class_bytes(c - 1));
        CHECK(class_bytes(c) % 8 == 0);
        CHECK(mag_limit(c) >= 2 && mag_limit(c) <= MAG_BLOCKS);
    }
    CHECK(block_bytes(SLAB_MAX_BYTES + 1) == SLAB_MAX_BYTES + UNIT_BYTES);
}

/* Blocks of one size, each filled to its end with its number: none overlaps another. */
static void many_of(uint64_t bytes, unsigned n)
{
    shm_ref *r = calloc(n, sizeof(*r));
    struct tx tx;
    for (unsigned i = 0; i < n; i++) {
        tx_begin(&tx, &ctx);
        CHECK(!tx_alloc(&tx, bytes, &r[i]));
        memset(shm_at(r[i]), (int)(i & 255), bytes);
        tx_commit(&tx);
    }
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *p = shm_at(r[i]);
        CHECK(p[0] == (i & 255) && p[bytes - 1] == (i & 255) && slab_block_bytes(r[i]) == block_bytes(bytes));
    }
    CHECK(slots_used_bytes() == (int64_t)(n * block_bytes(bytes)));
    for (unsigned i = 0; i < n; i++) { /* every other first, so that runs are partly free for a while */
        unsigned half = (n + 1) / 2, at = i < half ? 2 * i : 2 * (i - half) + 1;
        tx_begin(&tx, &ctx);
        CHECK(!tx_free(&tx, r[at], bytes));
        tx_commit(&tx);
    }
    free(r);
    CHECK(slots_used_bytes() == 0);
    arena_sound();
}

/* A full arena refuses, changes nothing, and serves again when something was freed. */
static void full(void)
{
    struct tx tx;
    shm_ref r, last = 0;
    enum rc rc = RC_OK;
    unsigned n = 0;
    tx_begin(&tx, &ctx);
    for (; !(rc = tx_alloc(&tx, 100000, &r)); n++)
        last = r;
    CHECK(rc == RC_NOMEM && n > 100 && last);
    tx_abort(&tx);
    arena_sound();
    many_of(100000, 20);
}

/* An aborted transaction and one whose blocks are freed by itself leave nothing in use. */
static void own_blocks(void)
{
    struct tx tx;
    shm_ref r[200];
    tx_begin(&tx, &ctx);
    for (unsigned i = 0; i < ARRAY_LEN(r); i++) {
        CHECK(!tx_alloc(&tx, 24 + i, &r[i]));
        CHECK(!tx_free(&tx, r[i], 24 + i));
    }
    tx_commit(&tx);
    CHECK(slots_used_bytes() == 0);
    arena_sound();
}

/* Retired blocks come back only when every batch that began before has ended. */
static void retired(void)
{
    struct shm_ctx reader;
    struct tx tx;
    shm_ref r;
    const struct shm_retire *q = &ctx.slot->retire;
    slot_ctx(&reader, 2);
    CHECK(batch_enter(&reader));
    tx_begin(&tx, &ctx);
    CHECK(!tx_alloc(&tx, 512, &r) && !tx_retire(&tx, r, 512));
    tx_commit(&tx);
    retire_reclaim(&ctx);
    CHECK(q->head != q->tail); /* the reader may still look at it */
    batch_leave(&reader);
    CHECK(batch_enter(&reader)); /* a later batch does not count */
    retire_reclaim(&ctx);
    CHECK(q->head == q->tail);
    batch_leave(&reader);
    arena_sound();
}

static unsigned runs(void)
{
    unsigned n = 0;
    for (uint64_t u = arena_root()->first_unit; u < arena_root()->nunits; u++)
        n += arena_units()[u].state == UNIT_RUN;
    return n;
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 64ull << 20, .nslots = 3, .ndbs = 1, .nsessions = 1};
    int fd;
    classes();
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&ctx, 1);
    many_of(16, 20000);
    many_of(17, 9000);
    many_of(88, 9000);
    many_of(1000, 3000);
    many_of(4096, 500);
    many_of(5000, 500);
    many_of(40000, 60);
    many_of(SLAB_MAX_BYTES, 9);
    many_of(SLAB_MAX_BYTES + 1, 9);
    own_blocks();
    retired();
    full();
    mags_drain(&ctx);
    arena_sound();
    /* What is empty went back, but for one run a class that is kept for what comes next. */
    CHECKF(runs() <= SHM_CLASSES, "%u runs are left", runs());
    return 0;
}
