#include "shm/pages.h"
#include "shm/base/clock.h"
#include "shm/config.h"
#include "shm/crashpoint.h"
#include "shm/nest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PAGE_BYTES      4096u
#define AHEAD_UNITS     64u /* 4 MB: at 100 MB/s what is taken in 40 ms */
#define WHOLE_FROM      64u /* units: for a smaller arena a chunk would be a notable share of the memory */
#define REFUSED_REST_US 10000000ll
#define LATE_US         1500  /* clearing 2 MB takes a tenth of it, and 5 ms if the host has to give them */
#define LATE_REST       100   /* a hundredth of the time */
#define LOOK_CHUNKS     4096u /* at a time: 8 GB */
#define LOOSE_UNITS     (CHUNK_UNITS / 2) /* free ones that are worth a huge page */

/* ---- what is noted ---- */

static bool bit_get(shm_ref map, uint64_t i)
{
    const uint64_t *word = (const uint64_t *)shm_at(map) + i / 64;
    return __atomic_load_n(word, __ATOMIC_RELAXED) >> i % 64 & 1;
}

/* Changed without the arena latch as well, hence bit by bit. */
static void bit_put(shm_ref map, uint64_t i, bool v)
{
    uint64_t *word = (uint64_t *)shm_at(map) + i / 64;
    if (v)
        __atomic_fetch_or(word, 1ull << i % 64, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(word, ~(1ull << i % 64), __ATOMIC_RELAXED);
}

/* A chunk's units in one of the bitmaps. */
static uint32_t chunk_bits(shm_ref map, uint64_t chunk)
{
    return __atomic_load_n((const uint32_t *)shm_at(map) + chunk, __ATOMIC_RELAXED);
}
_Static_assert(CHUNK_UNITS == 32 && CHUNK_UNITS * UNIT_BYTES == CHUNK_BYTES,
               "a chunk is half a word of the bitmaps");

uint64_t pages_resident_bytes(void)
{
    struct stat st;
    return fstat(shm_fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

uint64_t pages_folded_bytes(void)
{
    const struct shm_root *r = arena_root();
    const uint64_t *folded = shm_at(r->chunk_folded);
    uint64_t n = 0;
    for (uint64_t i = 0; i <= r->nunits / CHUNK_UNITS / 64; i++)
        n += (unsigned)__builtin_popcountll(folded[i]);
    return n * CHUNK_BYTES;
}

/* ---- obtaining ---- */

void units_map(uint64_t first, uint64_t n)
{
    /* Only for speed: where the kernel cannot do it (before 5.14), first touches do the same one by one. */
    madvise(shm_at(first * UNIT_BYTES), n * UNIT_BYTES, MADV_POPULATE_WRITE);
}

/* By the file: an allocation that fails is told, and is no SIGBUS at a first touch. */
static bool unit_fallocate(uint64_t u)
{
    int e;
    do
        e = fallocate(shm_fd, 0, (off_t)(u * UNIT_BYTES), UNIT_BYTES);
    while (e && errno == EINTR);
    return !e;
}

enum rc units_obtain(uint64_t first, uint64_t n)
{
    const struct shm_root *r = arena_root();
    for (uint64_t u = first; u < first + n; u++) {
        if (bit_get(r->unit_present, u))
            continue;
        if (!unit_fallocate(u))
            return RC_NOMEM;
        bit_put(r->unit_present, u, true);
    }
    return RC_OK;
}

/* ---- huge pages ---- */

/* This process asks for none before; and obtains no chunk whole before, since the last one has cost so much. */
static int64_t refused_until_us, late_until_us;

static bool may_fold(const struct shm_root *r)
{
    const struct shm_config *cfg = shm_at(r->config);
    return cfg->huge_pages && mono_us() >= refused_until_us;
}

/* What is done here is done in no batch. So none of it begins while the gate is closed: who has closed it may look at the whole
 * arena, as soon as what had begun has ended. He closes and then looks for open nests; here it is the other way round. */
static bool aside_begin(struct shm_ctx *ctx)
{
    if (nest_begin(ctx, &ctx->root->trim_latch))
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (LIKELY(!__atomic_load_n(&ctx->root->gate, __ATOMIC_RELAXED)))
        return true;
    nest_rollback(ctx);
    return false;
}

/* MADV_COLLAPSE (Linux 6.1) needs no setting of the system's, unlike MADV_HUGEPAGE. It wants one page that this process
 * has mapped; what was missing of the chunk are zeros then. */
static bool fold(const struct shm_root *r, uint64_t chunk)
{
    char *at = shm_at(chunk * CHUNK_BYTES);
    bool done = !madvise(at, PAGE_BYTES, MADV_POPULATE_WRITE) && !madvise(at, CHUNK_BYTES, MADV_COLLAPSE);
    if (done)
        bit_put(r->chunk_folded, chunk, true);
    else if (errno != EAGAIN) /* somebody just touches it: no reason to give up all */
        refused_until_us = mono_us() + REFUSED_REST_US;
    return done;
}

/* Nobody has any of it, so nobody waits while it is folded, and no page of it is touched one by one. */
static bool chunk_obtain_ahead(struct shm_ctx *ctx, uint64_t chunk)
{
    const struct shm_root *r = ctx->root;
    if (chunk_bits(r->unit_used, chunk) || chunk_bits(r->unit_present, chunk) || !aside_begin(ctx))
        return false;
    int64_t began = clock_us(CLOCK_THREAD_CPUTIME_ID);
    bool there = fold(r, chunk);
    int64_t took = clock_us(CLOCK_THREAD_CPUTIME_ID) - began;
    if (there && took > LATE_US)
        late_until_us = mono_us() + took * LATE_REST;
    STEP(ctx, AHEAD_OBTAINED);
    for (unsigned i = 0; there && i < CHUNK_UNITS; i++)
        bit_put(r->unit_present, chunk * CHUNK_UNITS + i, true);
    nest_commit(ctx);
    return there;
}

/* The first call allocates the pages, the second clears them, which is what takes long where the machine is a
 * virtual one. Somebody may take the unit meanwhile, and obtain it as well: all that matters is that no trim gives
 * the pages back between here and the note that they are there. */
static bool unit_obtain_ahead(struct shm_ctx *ctx, uint64_t u)
{
    if (!aside_begin(ctx))
        return false;
    bool there = unit_fallocate(u) && unit_fallocate(u);
    STEP(ctx, AHEAD_OBTAINED);
    if (there)
        bit_put(ctx->root->unit_present, u, true);
    nest_commit(ctx);
    return there;
}

static bool large(const struct shm_root *r, uint64_t u)
{
    return u - r->first_unit >= WHOLE_FROM;
}

static bool obtain_ahead(struct shm_ctx *ctx, uint64_t u)
{
    const struct shm_root *r = ctx->root;
    bool whole = u % CHUNK_UNITS == 0 && large(r, u) && u + CHUNK_UNITS <= r->nunits;
    return (whole && may_fold(r) && mono_us() >= late_until_us && chunk_obtain_ahead(ctx, u / CHUNK_UNITS)) ||
           unit_obtain_ahead(ctx, u);
}

bool pages_ahead(struct shm_ctx *ctx, uint64_t *seen)
{
    const struct shm_root *r = ctx->root;
    uint64_t at = __atomic_load_n(&r->unit_hint, __ATOMIC_RELAXED);
    uint64_t moved = *seen && at > *seen ? at - *seen : 0;
    uint64_t want = moved ? 2 * moved + 8 : 0;
    *seen = at;
    if (want > AHEAD_UNITS)
        want = AHEAD_UNITS;
    else if (want && want < CHUNK_UNITS && large(r, at))
        want = CHUNK_UNITS; /* as far as the next chunk */
    for (uint64_t u = at; u < r->nunits && want; u++) {
        if (bit_get(r->unit_used, u))
            continue;
        if (!bit_get(r->unit_present, u) && !obtain_ahead(ctx, u))
            break;
        want--;
    }
    return moved;
}

/* All of it is taken, and had its pages when it was: to fold it costs no memory. */
static bool worth_folding(const struct shm_root *r, uint64_t chunk)
{
    return !bit_get(r->chunk_folded, chunk) && !~chunk_bits(r->unit_used, chunk) &&
           !~chunk_bits(r->unit_present, chunk);
}

bool pages_fold(struct shm_ctx *ctx, uint64_t *from)
{
    const struct shm_root *r = ctx->root;
    uint64_t first = (r->first_unit + CHUNK_UNITS - 1) / CHUNK_UNITS, last = r->nunits / CHUNK_UNITS;
    uint64_t chunk = *from < first ? first : *from;
    uint64_t end = chunk + LOOK_CHUNKS < last ? chunk + LOOK_CHUNKS : last;
    if (!may_fold(r))
        return false;
    while (chunk < end && !worth_folding(r, chunk))
        chunk++;
    *from = chunk < last ? chunk : 0;
    if (chunk >= end)
        return false;
    if (!aside_begin(ctx))
        return false;
    if (worth_folding(r, chunk)) /* still, now that nothing is trimmed */
        fold(r, chunk);
    nest_commit(ctx);
    *from = chunk + 1;
    return true;
}

/* ---- giving back ---- */

static unsigned trim_range(struct shm_ctx *ctx, uint64_t u, unsigned n)
{
    struct shm_root *r = ctx->root;
    if (!aside_begin(ctx))
        return 0;
    if (nest_also(ctx, &r->arena_latch)) {
        nest_rollback(ctx);
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        if (bit_get(r->unit_used, u + i)) {
            nest_rollback(ctx);
            return 0;
        }
    /* Under the latch: nobody can take the units while their pages go. 64 KB take some 10 us. */
    bit_put(r->chunk_folded, u / CHUNK_UNITS, false);
    for (unsigned i = 0; i < n; i++)
        bit_put(r->unit_present, u + i, false);
    STEP(ctx, TRIM_NOTED);
    fallocate(shm_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(u * UNIT_BYTES),
              (off_t)(n * UNIT_BYTES));
    nest_commit(ctx);
    return n;
}

/* A huge page is split into small ones when a part of it goes: it stays whole until half of it is free. */
static unsigned trim_chunk(struct shm_ctx *ctx, uint64_t chunk, uint32_t idle, unsigned max)
{
    unsigned gone = 0;
    if (!~idle && max >= CHUNK_UNITS)
        return trim_range(ctx, chunk * CHUNK_UNITS, CHUNK_UNITS);
    if (bit_get(ctx->root->chunk_folded, chunk) && (unsigned)__builtin_popcount(idle) < LOOSE_UNITS)
        return 0;
    for (; idle && gone < max; idle &= idle - 1)
        gone += trim_range(ctx, chunk * CHUNK_UNITS + (unsigned)__builtin_ctz(idle), 1);
    return gone;
}

unsigned pages_trim(struct shm_ctx *ctx, uint64_t *before, unsigned max)
{
    struct shm_root *r = ctx->root;
    const uint64_t *used = shm_at(r->unit_used), *present = shm_at(r->unit_present);
    unsigned gone = 0;
    for (uint64_t w = r->first_unit / 64; w < (r->nunits + 63) / 64; w++) {
        uint64_t idle = present[w] & ~used[w];
        uint64_t now = idle & before[w];
        before[w] = idle;
        for (unsigned half = 0; half < 2; half++, now >>= CHUNK_UNITS)
            if ((uint32_t)now && gone < max)
                gone += trim_chunk(ctx, w * 2 + half, (uint32_t)now, max - gone);
    }
    return gone;
}
