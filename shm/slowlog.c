#include "shm/slowlog.h"
#include "shm/shape.h"

uint64_t shape_slowlog_bytes(void)
{
    return sizeof(struct shm_slowlog);
}

static struct shm_slowlog *log_of(uint32_t slot)
{
    return (struct shm_slowlog *)shm_at(arena_root()->slowlog) + slot;
}

void slowlog_build(struct slow_entry *e, uint64_t usec, int64_t time_s, const struct bytes *parts, unsigned n)
{
    char *out = (char *)e;
    size_t at = sizeof(*e);
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = (uint32_t)parts[i].n;
        CHECK(at + sizeof(len) + len + 8 <= SLOWLOG_RECORD_MAX);
        memcpy(out + at, &len, sizeof(len));
        bytes_copy(out + at + sizeof(len), parts[i].p, len);
        at += sizeof(len) + len;
    }
    size_t bytes = (at + 7) & ~(size_t)7;
    memset(out + at, 0, bytes - at);
    *e = (struct slow_entry){.bytes = (uint32_t)bytes, .nparts = (uint16_t)n, .usec = usec, .time_s = time_s};
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

static void append(struct shm_slowlog *l, const struct slow_entry *e)
{
    make_room(l, e->bytes);
    memcpy(l->ring + l->head % SLOWLOG_RING, e, e->bytes);
    __atomic_store_n(&l->head, l->head + e->bytes, __ATOMIC_RELEASE);
}

void slowlog_note(struct shm_ctx *ctx, struct slow_entry *e)
{
    struct shm_slowlog *l = log_of(ctx->id);
    uint64_t left = SLOWLOG_RING - l->head % SLOWLOG_RING;
    if (left < e->bytes) {
        /* A record lies in one piece. What is left is at least 8 bytes, which hold a filler's two fields. */
        make_room(l, left);
        struct slow_entry *filler = (struct slow_entry *)(l->ring + l->head % SLOWLOG_RING);
        filler->bytes = (uint32_t)left;
        filler->nparts = 0;
        __atomic_store_n(&l->head, l->head + left, __ATOMIC_RELEASE);
    }
    e->id = __atomic_fetch_add(&ctx->root->slowlog_ids, 1, __ATOMIC_RELAXED);
    append(l, e);
}

void slowlog_push(struct shm_ctx *ctx, uint64_t usec, int64_t time_s, const struct bytes *parts, unsigned n)
{
    _Alignas(8) char record[SLOWLOG_RECORD_MAX];
    struct slow_entry *e = (struct slow_entry *)record;
    slowlog_build(e, usec, time_s, parts, n);
    slowlog_note(ctx, e);
}

/* Copies the record at pos; false when the writer was there first. *bytes: how far the next one is. */
static bool copy_record(const struct shm_slowlog *l, uint64_t pos, char *out, uint32_t *bytes)
{
    const struct slow_entry *e = (const struct slow_entry *)(l->ring + pos % SLOWLOG_RING);
    uint32_t n = __atomic_load_n(&e->bytes, __ATOMIC_RELAXED);
    if (n <= SLOWLOG_RECORD_MAX && pos % SLOWLOG_RING + n <= SLOWLOG_RING)
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
    _Alignas(8) char record[SLOWLOG_RECORD_MAX];
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
