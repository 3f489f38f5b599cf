/* The arena: creation and its refusals, mapping it again, spans until it is full, and what goes back. */
#include "shm/pages.h"
#include "shm/tx.h"
#include "tests/unit/sound.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SPAN_UNITS 5u /* above the largest size class */
#define SPAN       (SPAN_UNITS * UNIT_BYTES - 5)

static const struct arena_sizes small = {.arena_bytes = 32ull << 20, .nslots = 3, .ndbs = 2, .nsessions = 4};

static void refusals(void)
{
    int fd;
    struct arena_sizes s = small;
    s.arena_bytes = 100;
    CHECK(arena_create(&s, &fd) && errno == EINVAL);
    s = small;
    s.nslots = SHM_SLOTS_MAX + 1;
    CHECK(arena_create(&s, &fd) && errno == EINVAL);
    s = small;
    s.arena_bytes = 2 * ARENA_BYTES_MAX;
    CHECK(arena_create(&s, &fd) && errno == EINVAL);
}

static void attach_again(int fd)
{
    char why[200];
    char *first = shm_base;
    arena_root()->boot_time_ms = 4711;
    CHECK(arena_attach(fd, why, sizeof(why)) == RC_OK);
    CHECK(shm_base != first && arena_root()->boot_time_ms == 4711); /* offsets: any address will do */
    arena_sound();
    munmap(first, arena_root()->arena_bytes);
    arena_root()->layout++;
    CHECK(arena_attach(fd, why, sizeof(why)) == RC_INVALID && strstr(why, "layout"));
    arena_root()->layout--;
    arena_root()->shape ^= 1;
    CHECK(arena_attach(fd, why, sizeof(why)) == RC_INVALID && strstr(why, "layout"));
    arena_root()->shape ^= 1;
    int other = memfd_create("not-an-arena", 0);
    CHECK(other >= 0 && arena_attach(other, why, sizeof(why)) == RC_INVALID && why[0]);
    close(other);
}

static uint64_t units_taken(void)
{
    const struct shm_root *r = arena_root();
    const uint64_t *used = shm_at(r->unit_used);
    uint64_t n = 0;
    for (uint64_t u = r->first_unit; u < r->nunits; u++)
        n += used[u / 64] >> u % 64 & 1;
    return n;
}

/* Spans until there is no room: the refusal changes nothing, and the abort gives all of it back. */
static void fill_with_spans(struct shm_ctx *ctx)
{
    struct tx tx;
    shm_ref r[200];
    unsigned n = 0;
    uint64_t before = units_taken();
    enum rc rc;
    tx_begin(&tx, ctx);
    while ((rc = tx_alloc(&tx, SPAN, &r[n])) == RC_OK) {
        memset(shm_at(r[n]), 'x', SPAN);
        CHECK(slab_block_bytes(r[n]) == SPAN_UNITS * UNIT_BYTES);
        CHECK(++n < ARRAY_LEN(r));
    }
    CHECKF(rc == RC_NOMEM && n > 50 && units_taken() == before + SPAN_UNITS * n,
           "%d after %u spans, %llu units", rc, n, (unsigned long long)units_taken());
    for (unsigned i = 1; i < n; i++)
        CHECK(r[i] >= r[i - 1] + SPAN_UNITS * UNIT_BYTES || r[i] + SPAN_UNITS * UNIT_BYTES <= r[i - 1]);
    tx_abort(&tx);
    CHECK(units_taken() == before);
    arena_sound();
}

static void too_large(struct shm_ctx *ctx)
{
    struct tx tx;
    shm_ref r;
    tx_begin(&tx, ctx);
    CHECK(tx_alloc(&tx, 1ull << 40, &r) == RC_NOMEM);
    CHECK(tx_alloc(&tx, UINT64_MAX / 4, &r) == RC_NOMEM);
    tx_abort(&tx);
    arena_sound();
}

static void kept_span(struct shm_ctx *ctx)
{
    static shm_ref *owner;
    owner = &ctx->slot->lane.store[0];
    CHECK(!*owner && !span_keep(ctx, 100000, owner) && *owner && span_bytes(*owner) == 2 * UNIT_BYTES);
    arena_sound();
    span_drop(ctx, owner);
    CHECK(!*owner);
    arena_sound();
}

/* What was free at two looks goes back to the system, and comes again as zeros; not while somebody looks at the whole arena. */
static void trimmed(struct shm_ctx *ctx)
{
    uint64_t before[64] = {0};
    CHECK(pages_trim(ctx, before, 1000) == 0);
    ctx->root->gate = SHM_SLOTS_MAX;
    CHECK(pages_trim(ctx, before, 1000) == 0);
    ctx->root->gate = 0;
    uint64_t resident = pages_resident_bytes();
    unsigned gone = pages_trim(ctx, before, 1000);
    CHECK(gone > 100 && pages_resident_bytes() <= resident - gone * UNIT_BYTES / 2);
    CHECK(pages_trim(ctx, before, 1000) == 0);
    fill_with_spans(ctx);
    CHECK(pages_trim(ctx, before, 1000) == 0); /* they were in use since the last look */
}

/* Takes runs until the next unit is another one. */
static void take_units(struct shm_ctx *ctx, struct tx *tx, unsigned n)
{
    shm_ref r;
    uint64_t from = ctx->root->unit_hint;
    while (ctx->root->unit_hint < from + n)
        CHECK(!tx_alloc(tx, 4096, &r));
}

/* Units are obtained before they are wanted while the arena fills, and only then; unused ones go back. */
static void ahead(struct shm_ctx *ctx)
{
    uint64_t seen = 0, before[64] = {0};
    struct shm_root *r = ctx->root;
    struct tx tx;
    pages_trim(ctx, before, 1000);
    pages_trim(ctx, before, 1000);
    tx_begin(&tx, ctx);
    take_units(ctx, &tx, 1);
    CHECK(!pages_ahead(ctx, &seen) &&
          !present_from(r->unit_hint)); /* the first look knows nothing of growth */
    CHECK(!pages_ahead(ctx, &seen) && !present_from(r->unit_hint));
    take_units(ctx, &tx, 3);
    CHECK(pages_ahead(ctx, &seen) && present_from(r->unit_hint) == 14);
    uint64_t resident = pages_resident_bytes();
    take_units(ctx, &tx, 14);
    CHECK(pages_resident_bytes() == resident); /* nothing was left to obtain */
    CHECK(pages_ahead(ctx, &seen) && present_from(r->unit_hint) == 36);
    CHECK(!pages_ahead(ctx, &seen) && present_from(r->unit_hint) == 36);
    memset(before, 0, sizeof(before));
    CHECK(pages_trim(ctx, before, 1000) == 0 && pages_trim(ctx, before, 1000) == 36);
    CHECK(!present_from(r->unit_hint));
    tx_abort(&tx);
    arena_sound();
}

int main(void)
{
    struct shm_ctx ctx;
    int fd;
    refusals();
    CHECK(arena_default_bytes() > 1 << 20);
    CHECK(!arena_create(&small, &fd));
    arena_sound();
    attach_again(fd);
    slot_ctx(&ctx, 1);
    kept_span(&ctx);
    fill_with_spans(&ctx);
    too_large(&ctx);
    trimmed(&ctx);
    ahead(&ctx);
    return 0;
}
