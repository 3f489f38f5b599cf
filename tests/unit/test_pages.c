/* Huge pages: what is in them stays what it was, they are split only when half of one is free, and a large arena is
 * obtained in whole ones. Where the system has none to give, everything holds in small pages. */
#include "shm/config.h"
#include "shm/pages.h"
#include "shm/tx.h"
#include "tests/unit/sound.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAN  UNIT_BYTES
#define SPANS 128u
#define LOOKS 5000u

static bool folds; /* the system has done it */

/* Whether the system has a huge page for anybody. */
static bool gives(void)
{
    int fd = memfd_create("chunk", 0);
    CHECK(fd >= 0 && !ftruncate(fd, CHUNK_BYTES));
    char *p = mmap(NULL, 2 * CHUNK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    char *at = p + (CHUNK_BYTES - (uintptr_t)p % CHUNK_BYTES) % CHUNK_BYTES;
    CHECK(mmap(at, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
    *at = 1;
    bool given = !madvise(at, CHUNK_BYTES, 25 /* MADV_COLLAPSE */);
    munmap(p, 2 * CHUNK_BYTES);
    close(fd);
    return given;
}

static bool folded_at(shm_ref r)
{
    const uint64_t *folded = shm_at(arena_root()->chunk_folded);
    return folded[r / CHUNK_BYTES / 64] >> r / CHUNK_BYTES % 64 & 1;
}

/* Until a look has found nothing. Where it is refused, the next try comes long after this. */
static void fold_all(struct shm_ctx *ctx)
{
    uint64_t from = 0;
    for (unsigned i = 0; i < LOOKS && (pages_fold(ctx, &from) || from); i++)
        usleep(200);
}

static void fill(shm_ref r, unsigned seed)
{
    uint32_t *at = shm_at(r);
    for (uint32_t i = 0; i < SPAN / 4; i++)
        at[i] = i * 2654435761u + seed;
}

static void expect(shm_ref r, unsigned seed)
{
    const uint32_t *at = shm_at(r);
    for (uint32_t i = 0; i < SPAN / 4; i++)
        CHECK(at[i] == i * 2654435761u + seed);
}

static unsigned trim_twice(struct shm_ctx *ctx)
{
    static uint64_t before[256];
    memset(before, 0, sizeof(before));
    CHECK(!pages_trim(ctx, before, 10000));
    return pages_trim(ctx, before, 10000);
}

static void drop(struct shm_ctx *ctx, shm_ref *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (r[i])
            span_drop(ctx, &r[i]);
}

/* One behind the other, they fill some chunks whole. */
static void spans(struct shm_ctx *ctx)
{
    shm_ref *r = shm_at(ctx->root->extra);
    unsigned c = 0;
    for (unsigned i = 0; i < SPANS; i++) {
        CHECK(!span_keep(ctx, SPAN, &r[i]));
        fill(r[i], i);
    }
    while (r[c] % CHUNK_BYTES)
        c++;
    CHECK(r[c + CHUNK_UNITS - 1] == r[c] + CHUNK_BYTES - SPAN);
    fold_all(ctx); /* huge-pages no */
    uint64_t resident = pages_resident_bytes();
    CHECK(!pages_folded_bytes());
    ((struct shm_config *)shm_at(ctx->root->config))->huge_pages = true;
    fold_all(ctx);
    folds = folded_at(r[c]);
    CHECK(folds || !gives());
    CHECK(pages_resident_bytes() <= resident + UNIT_BYTES); /* the notes */
    resident = pages_resident_bytes();
    pid_t other = fork();
    if (!other) {
        for (unsigned i = 0; i < SPANS; i++) {
            expect(r[i], i);
            fill(r[i], i + 100);
        }
        _exit(0);
    }
    int status;
    CHECK(waitpid(other, &status, 0) == other && !status);
    for (unsigned i = 0; i < SPANS; i++)
        expect(r[i], i + 100);
    drop(ctx, &r[c], CHUNK_UNITS / 2 - 1); /* less than half is free: not worth it */
    CHECK(trim_twice(ctx) == (folds ? 0 : CHUNK_UNITS / 2 - 1) && folded_at(r[c + CHUNK_UNITS - 1]) == folds);
    drop(ctx, &r[c], CHUNK_UNITS / 2);
    CHECK(trim_twice(ctx) == (folds ? CHUNK_UNITS / 2 : 1) && !folded_at(r[c + CHUNK_UNITS - 1]));
    CHECK(pages_resident_bytes() == resident - CHUNK_BYTES / 2);
    for (unsigned i = 0; i < SPANS; i++)
        if (r[i])
            expect(r[i], i + 100);
    drop(ctx, r, SPANS);
    arena_sound();
    trim_twice(ctx);
    CHECK(!pages_folded_bytes());
}

static void ahead(struct shm_ctx *ctx)
{
    struct shm_root *r = ctx->root;
    r->unit_hint = r->first_unit + 1100;
    uint64_t seen, next = (r->unit_hint + CHUNK_UNITS - 1) / CHUNK_UNITS * CHUNK_UNITS;
    for (unsigned i = 0; i < LOOKS; i++) {
        seen = r->unit_hint - 1;
        CHECK(pages_ahead(ctx, &seen) && seen == r->unit_hint);
        CHECK(present_from(r->unit_hint) >= CHUNK_UNITS);
        if (pages_folded_bytes() || !gives())
            break;
        CHECK(trim_twice(ctx) >= CHUNK_UNITS);
        usleep(200);
    }
    if (pages_folded_bytes())
        CHECK(folded_at(next * UNIT_BYTES) && present_from(next) == CHUNK_UNITS);
    else
        CHECK(!gives());
    const char *at = shm_at(r->unit_hint * UNIT_BYTES);
    for (uint64_t i = 0; i < CHUNK_BYTES; i++)
        CHECK(!at[i]);
    arena_sound();
    CHECK(trim_twice(ctx) >= CHUNK_UNITS && !pages_folded_bytes() && !present_from(r->unit_hint));
}

int main(void)
{
    static const struct arena_sizes sizes = {
        .arena_bytes = 256ull << 20, .nslots = 3, .ndbs = 2, .nsessions = 4};
    struct shm_ctx ctx;
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    CHECK((uintptr_t)shm_base % CHUNK_BYTES == 0);
    slot_ctx(&ctx, 1);
    spans(&ctx);
    ahead(&ctx);
    return 0;
}
