#include "persist/wal/frame.h"

#include <stdlib.h>

#define COPY_MAX 8192u /* a longer effect costs less as a piece of its own */

void frame_open(struct frame *f)
{
    f->buf = malloc(WAL_FRAME_HEAD_BYTES + FRAME_BYTES + WAL_RECORD_HEAD_BYTES);
    CHECK(f->buf);
    frame_reset(f);
}

void frame_reset(struct frame *f)
{
    f->used = WAL_FRAME_HEAD_BYTES;
    f->raw = 0;
    f->n = 1;
    f->piece[0] = (struct iovec){f->buf, WAL_FRAME_HEAD_BYTES};
    f->head = (struct wal_frame){0};
}

/* What is copied lies behind what was copied before, in the same piece unless one of another place came between. */
static void put(struct frame *f, const void *p, uint64_t n)
{
    struct iovec *last = &f->piece[f->n - 1];
    char *to = f->buf + f->used;
    if (f->n == 1 || (char *)last->iov_base + last->iov_len != to) {
        last = &f->piece[f->n++];
        *last = (struct iovec){to, 0};
    }
    bytes_copy(to, p, n);
    last->iov_len += n;
    f->used += n;
}

bool frame_add(struct frame *f, const struct wal_record *r)
{
    uint64_t bytes = WAL_RECORD_HEAD_BYTES + r->effect.n;
    if (!frame_empty(f) && (f->raw + bytes > FRAME_BYTES || f->n + 2 > FRAME_PIECES))
        return false;
    struct wal_record_head h = {r->lsn, (uint32_t)r->effect.n, r->db};
    put(f, &h, sizeof(h));
    if (r->effect.n <= COPY_MAX)
        put(f, r->effect.p, r->effect.n);
    else
        f->piece[f->n++] = (struct iovec){(void *)(uintptr_t)r->effect.p, r->effect.n};
    if (!f->raw)
        f->head.first = r->lsn;
    f->head.last = r->lsn;
    f->raw += bytes;
    return true;
}

void frame_seal(struct frame *f, const struct wal_head *segment, uint64_t at, uint64_t synced)
{
    f->head.stored = f->head.raw = (uint32_t)f->raw;
    f->head.synced = synced;
    wal_frame_put(f->buf, segment, at, &f->head, f->piece + 1, f->n - 1);
}
