#include "shm/slowlog.h"
#include "shm/shape.h"

/* The record's upper limit: 34 parts, of which the arguments are cut at 128 bytes and get up to 32 bytes
 * that say so, the address has 64 and the name 200. */
#define RECORD_MAX 8192u

uint64_t shape_slowlog_bytes(void)
{
    return sizeof(struct shm_slowlog);
}

static struct shm_slowlog *log_of(uint32_t slot)
{
    return (struct shm_slowlog *)shm_at(arena_root()->slowlog) + slot;
}

static size_t build_record(char *out, const struct bytes *parts, unsigned n)
{
    size_t at = sizeof(struct slow_entry);
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = (uint32_t)parts[i].n;
        CHECK(at + sizeof(len) + len + 8 <= RECORD_MAX);
        memcpy(out + at, &len, sizeof(len));
        memcpy(out + at + sizeof(len), parts[i].p, len);
        at += sizeof(len) + len;
    }
    size_t bytes = (at + 7) & ~(size_t)7;
    memset(out + at, 0, bytes - at);
    return bytes;
}

/* Lets go of old entries until so many bytes are free. The tail is stored before a byte is overwritten: that
 * is how readers notice. */
static void make_room(struct shm_slowlog *l, uint64_t bytes)
{
    uint64_t tail = l->tail;
    while (l->head + bytes - tail > SLOWLOG_RING)
        tail += ((const struct slow_entry *)(l->ring + tail % SLOWLOG_RING))->bytes;
    __atomic_store_n(&l->tail, tail, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void append(struct shm_slowlog *l, const char *record, size_t bytes)
{
    make_room(l, bytes);
    memcpy(l->ring + l->head % SLOWLOG_RING, record, bytes);
    __atomic_store_n(&l->head, l->head + bytes, __ATOMIC_RELEASE);
}

void slowlog_push(struct shm_ctx *ctx, uint64_t usec, int64_t time_s, const struct bytes *parts, unsigned n)
{
    _Alignas(8) char record[RECORD_MAX];
    struct shm_slowlog *l = log_of(ctx->id);
    struct slow_entry *e = (struct slow_entry *)record;
    size_t bytes = build_record(record, parts, n);
    uint64_t left = SLOWLOG_RING - l->head % SLOWLOG_RING;
    if (left < bytes) {
        /* A record lies in one piece. What is left is at least 8 bytes, which hold a filler's two fields. */
        make_room(l, left);
        struct slow_entry *filler = (struct slow_entry *)(l->ring + l->head % SLOWLOG_RING);
        filler->bytes = (uint32_t)left;
        filler->nparts = 0;
        __atomic_store_n(&l->head, l->head + left, __ATOMIC_RELEASE);
    }
    *e = (struct slow_entry){.bytes = (uint32_t)bytes,
                             .nparts = (uint16_t)n,
                             .id = __atomic_fetch_add(&ctx->root->slowlog_ids, 1, __ATOMIC_RELAXED),
                             .usec = usec,
                             .time_s = time_s};
    append(l, record, bytes);
}

/* Copies the record at pos; false when the writer was there first. *bytes: how far the next one is. */
static bool copy_record(const struct shm_slowlog *l, uint64_t pos, char *out, uint32_t *bytes)
{
    const struct slow_entry *e = (const struct slow_entry *)(l->ring + pos % SLOWLOG_RING);
    uint32_t n = __atomic_load_n(&e->bytes, __ATOMIC_RELAXED);
    if (n <= RECORD_MAX && pos % SLOWLOG_RING + n <= SLOWLOG_RING)
        memcpy(out, e, n);
    else
        memcpy(out, e, 8); /* a long filler, or nonsense that the next line finds out */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&l->tail, __ATOMIC_RELAXED) > pos)
        return false;
    *bytes = n;
    return true;
}

static void walk_slot(const struct shm_slowlog *l, uint64_t from_id, slowlog_fn *fn, void *arg)
{
    _Alignas(8) char record[RECORD_MAX];
    const struct slow_entry *e = (const struct slow_entry *)record;
    uint64_t pos = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);
    while (pos < __atomic_load_n(&l->head, __ATOMIC_ACQUIRE)) {
        uint32_t bytes;
        if (!copy_record(l, pos, record, &bytes)) {
            pos = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);
            continue;
        }
        if (e->nparts && e->id >= from_id)
            fn(arg, e);
        pos += bytes;
    }
}

void slowlog_walk(uint64_t max_len, slowlog_fn *fn, void *arg)
{
    const struct shm_root *r = arena_root();
    uint64_t next = __atomic_load_n(&r->slowlog_ids, __ATOMIC_ACQUIRE);
    uint64_t from = __atomic_load_n(&r->slowlog_floor, __ATOMIC_ACQUIRE);
    if (next > max_len && next - max_len > from)
        from = next - max_len;
    for (uint32_t i = 0; i < r->nslots; i++)
        walk_slot(log_of(i), from, fn, arg);
}

unsigned slowlog_parts(const struct slow_entry *e, struct bytes *parts, unsigned max)
{
    const char *p = (const char *)(e + 1);
    unsigned n = e->nparts < max ? e->nparts : max;
    for (unsigned i = 0; i < n; i++) {
        uint32_t len;
        memcpy(&len, p, sizeof(len));
        parts[i] = (struct bytes){p + sizeof(len), len};
        p += sizeof(len) + len;
    }
    return n;
}

void slowlog_reset(void)
{
    struct shm_root *r = arena_root();
    uint64_t next = __atomic_load_n(&r->slowlog_ids, __ATOMIC_ACQUIRE);
    __atomic_store_n(&r->slowlog_floor, next, __ATOMIC_RELEASE);
}
