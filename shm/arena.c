#include "shm/arena.h"
#include "shm/crashpoint.h"
#include "shm/nest.h"
#include "shm/pages.h"
#include "shm/shape.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char *shm_base;
int shm_fd = -1;

static uint64_t read_number(const char *path)
{
    FILE *f = fopen(path, "re");
    unsigned long long v = 0;
    if (!f)
        return 0;
    if (fscanf(f, "%llu", &v) != 1)
        v = 0;
    fclose(f);
    return v;
}

uint64_t arena_default_bytes(void)
{
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t v2 = read_number("/sys/fs/cgroup/memory.max");
    uint64_t v1 = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (v2 && v2 < bytes)
        bytes = v2;
    if (v1 && v1 < bytes)
        bytes = v1;
    return bytes;
}

static uint64_t round_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) / to * to;
}

/* At a multiple of a chunk: only there can the system put a huge page. */
static void *reserve(uint64_t bytes)
{
    uint64_t all = round_up(bytes, CHUNK_BYTES) + CHUNK_BYTES;
    char *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    char *at = (char *)round_up((uint64_t)(uintptr_t)p, CHUNK_BYTES), *end = at + bytes;
    if (at > p)
        munmap(p, (size_t)(at - p));
    munmap(end, (size_t)(p + all - end));
    return at;
}

static int map_arena(int fd, uint64_t bytes)
{
    void *p = reserve(bytes);
    if (!p)
        return -1;
    if (mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int e = errno;
        munmap(p, bytes);
        errno = e;
        return -1;
    }
    madvise(p, bytes, MADV_DONTDUMP);
    madvise(p, bytes, MADV_HUGEPAGE); /* where the system gives huge pages by itself */
    shm_base = p;
    shm_fd = fd;
    return 0;
}

/* Lays the root's own tables one behind the other; returns where the units for blocks begin. */
static uint64_t place_tables(struct shm_root *r, const struct arena_sizes *s, uint64_t arena_bytes)
{
    uint64_t at = round_up(sizeof(*r), 4096);
    /* The last two units are never given out: a reader without a lock may believe a length (at most 64 KB and
     * a key) for the moment until it looks at the version, and must not run off the mapping. */
    r->nunits = arena_bytes / UNIT_BYTES - 2;
    r->units = at, at = round_up(at + r->nunits * sizeof(struct shm_unit), 4096);
    r->unit_used = at, at = round_up(at + r->nunits / 8 + 8, 4096);
    r->unit_present = at, at = round_up(at + r->nunits / 8 + 8, 4096);
    r->chunk_folded = at, at = round_up(at + r->nunits / CHUNK_UNITS / 8 + 8, 4096);
    r->slots = at, at = round_up(at + s->nslots * SLOT_STRIDE, 4096);
    r->dbs = at, at = round_up(at + (s->ndbs + HIDDEN_DBS) * sizeof(struct shm_db), 4096);
    r->sessions = at, at = round_up(at + s->nsessions * shape_session_bytes(), 4096);
    r->config = at, at = round_up(at + SHM_CONFIG_BYTES, 4096);
    r->mail = at, at = round_up(at + shape_mail_bytes(s->nslots), 4096);
    r->waiters = at, at = round_up(at + shape_waiters_bytes(), 4096);
    r->slowlog = at, at = round_up(at + s->nslots * shape_slowlog_bytes(), 4096);
    r->persist = at, at = round_up(at + shape_persist_bytes(), 4096);
    r->watch = at, at = round_up(at + shape_watch_bytes(), 4096);
    r->pubsub = at, at = round_up(at + shape_pubsub_bytes(), 4096);
    r->scripting = at, at = round_up(at + shape_scripting_bytes(), 4096);
    r->track = at, at = round_up(at + shape_track_bytes(s->nslots), 4096);
    r->extra = at, at = round_up(at + 4096, 4096);
    return at;
}

enum rc arena_create(const struct arena_sizes *s, int *fd)
{
    struct shm_root plan = {0};
    uint64_t bytes = round_up(s->arena_bytes, UNIT_BYTES);
    if (bytes < 8 * UNIT_BYTES) {
        errno = EINVAL;
        return RC_INVALID;
    }
    uint64_t end = place_tables(&plan, s, bytes);
    if (s->nslots > SHM_SLOTS_MAX || end + 16 * UNIT_BYTES > bytes || bytes > ARENA_BYTES_MAX) {
        errno = EINVAL;
        return RC_INVALID;
    }
    int f = memfd_create("skep-arena", MFD_CLOEXEC);
    if (f < 0)
        return RC_IO;
    if (ftruncate(f, (off_t)bytes) || map_arena(f, bytes)) {
        int e = errno;
        close(f);
        errno = e;
        return RC_IO;
    }
    struct shm_root *r = arena_root();
    *r = plan;
    if (getrandom(r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed))
        r->seed[0] = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
    r->layout = SHM_LAYOUT;
    r->unit_bytes = UNIT_BYTES;
    r->shape = arena_shape();
    r->arena_bytes = bytes;
    r->nslots = s->nslots;
    r->ndbs = s->ndbs;
    r->nsessions = s->nsessions;
    r->first_unit = r->unit_hint = round_up(end, UNIT_BYTES) / UNIT_BYTES;
    r->epoch = 1;
    r->session_ids = 1;
    uint64_t *used = shm_at(r->unit_used);
    for (uint64_t u = 0; u < r->first_unit; u++)
        used[u / 64] |= 1ull << u % 64;
    r->magic = SHM_MAGIC;
    *fd = f;
    return RC_OK;
}

enum rc arena_attach(int fd, char *why, size_t why_bytes)
{
    struct shm_root head;
    if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != SHM_MAGIC) {
        snprintf(why, why_bytes, "this is not an arena of ours");
        return RC_INVALID;
    }
    if (head.layout != SHM_LAYOUT || head.unit_bytes != UNIT_BYTES || head.shape != arena_shape()) {
        snprintf(why, why_bytes, "the arena has layout %u/%016llx, this binary reads %u/%016llx", head.layout,
                 (unsigned long long)head.shape, SHM_LAYOUT, (unsigned long long)arena_shape());
        return RC_INVALID;
    }
    if (map_arena(fd, head.arena_bytes)) {
        snprintf(why, why_bytes, "mapping the arena failed: %s", strerror(errno));
        return RC_INVALID;
    }
    return RC_OK;
}

void arena_detach(void)
{
    munmap(shm_base, arena_root()->arena_bytes);
    close(shm_fd);
    shm_base = NULL;
    shm_fd = -1;
}

/* ---- units ---- */

/* A word at a time, since a span may have thousands of units. */
static void bits_put(uint64_t *map, uint64_t first, uint64_t n, bool v)
{
    while (n) {
        uint64_t lo = first % 64, take = 64 - lo < n ? 64 - lo : n;
        uint64_t mask = (take == 64 ? ~0ull : (1ull << take) - 1) << lo;
        if (v)
            map[first / 64] |= mask;
        else
            map[first / 64] &= ~mask;
        first += take;
        n -= take;
    }
}

/* The first n free units in [from, to). A full word is skipped at once. */
static uint64_t find_units(const uint64_t *used, uint64_t from, uint64_t to, uint64_t n)
{
    uint64_t run = 0;
    for (uint64_t u = from; u < to; u++) {
        if (u % 64 == 0 && used[u / 64] == ~0ull) {
            run = 0;
            u += 63;
            continue;
        }
        run = used[u / 64] >> u % 64 & 1 ? 0 : run + 1;
        if (run == n)
            return u + 1 - n;
    }
    return 0;
}

enum rc unit_take_locked(struct shm_ctx *ctx, uint64_t n, uint64_t *first)
{
    struct shm_root *r = ctx->root;
    uint64_t *used = shm_at(r->unit_used);
    uint64_t hint = n == 1 ? r->unit_hint : r->first_unit;
    uint64_t f = find_units(used, hint, r->nunits, n);
    if (!f)
        f = find_units(used, r->first_unit, r->nunits, n);
    if (!f)
        return RC_NOMEM;
    nest_range(ctx, RANGE_TAKE, f, n);
    bits_put(used, f, n, true);
    STEP(ctx, UNIT_RANGE_SET);
    if (n == 1)
        r->unit_hint = f + 1; /* only a hint: a crash may leave it anywhere */
    *first = f;
    return RC_OK;
}

void unit_give_locked(struct shm_ctx *ctx, uint64_t first, uint64_t n)
{
    struct shm_root *r = ctx->root;
    nest_range(ctx, RANGE_GIVE, first, n);
    bits_put(shm_at(r->unit_used), first, n, false);
    STEP(ctx, UNIT_RANGE_SET);
    if (first < r->unit_hint)
        r->unit_hint = first;
}

/* Takes a span inside an open action and tells where; the caller notes it before the commit. */
static enum rc span_take_locked(struct shm_ctx *ctx, uint64_t bytes, shm_ref *out)
{
    uint64_t n = (bytes + UNIT_BYTES - 1) / UNIT_BYTES, first;
    if (n > ctx->root->nunits)
        return RC_NOMEM;
    enum rc rc = unit_take_locked(ctx, n, &first);
    if (rc)
        return rc;
    struct shm_unit *u = &arena_units()[first];
    nest_set32(ctx, &u->state, UNIT_SPAN);
    u->span_units = n;
    *out = first * UNIT_BYTES;
    return RC_OK;
}

/* A span's pages are obtained when it is ours and the latch is free again: half a gigabyte takes a tenth of a
 * second, in which nobody else could have taken or given a unit. */
static enum rc span_obtain(shm_ref r)
{
    return units_obtain(unit_of(r), arena_units()[unit_of(r)].span_units);
}

enum rc span_alloc(struct shm_ctx *ctx, uint64_t bytes, shm_ref *out)
{
    struct shm_lane *lane = &ctx->slot->lane;
    enum rc rc = nest_begin(ctx, &ctx->root->arena_latch);
    if (rc)
        return rc;
    rc = span_take_locked(ctx, bytes, out);
    if (rc) {
        nest_rollback(ctx);
        return rc;
    }
    /* The lane's note is part of the action: between the two no crash could tell whose span it is. */
    lane_alloc_list(lane)[lane->nalloc] = *out | (uint64_t)CLASS_SPAN << 48;
    nest_set32(ctx, &lane->nalloc, lane->nalloc + 1);
    nest_commit(ctx);
    STEP(ctx, SPAN_TAKEN);
    rc = span_obtain(*out);
    if (rc)
        span_free(ctx, *out, &lane->nalloc, lane->nalloc - 1);
    return rc;
}

enum rc span_keep(struct shm_ctx *ctx, uint64_t bytes, shm_ref *owner)
{
    shm_ref r;
    enum rc rc = nest_begin(ctx, &ctx->root->arena_latch);
    if (rc)
        return rc;
    rc = span_take_locked(ctx, bytes, &r);
    if (rc) {
        nest_rollback(ctx);
        return rc;
    }
    nest_set64(ctx, owner, r);
    nest_commit(ctx);
    rc = span_obtain(r);
    if (rc)
        span_drop(ctx, owner);
    return rc;
}

static void span_give_locked(struct shm_ctx *ctx, shm_ref r)
{
    struct shm_unit *u = &arena_units()[unit_of(r)];
    CHECK(u->state == UNIT_SPAN);
    nest_set32(ctx, &u->state, UNIT_FREE);
    unit_give_locked(ctx, unit_of(r), u->span_units);
}

void span_free(struct shm_ctx *ctx, shm_ref r, uint32_t *progress, uint32_t done)
{
    while (nest_begin(ctx, &ctx->root->arena_latch))
        sched_yield();
    span_give_locked(ctx, r);
    nest_set32(ctx, progress, done);
    nest_commit(ctx);
}

void span_drop(struct shm_ctx *ctx, shm_ref *owner)
{
    while (nest_begin(ctx, &ctx->root->arena_latch))
        sched_yield();
    span_give_locked(ctx, *owner);
    nest_set64(ctx, owner, 0);
    nest_commit(ctx);
}
