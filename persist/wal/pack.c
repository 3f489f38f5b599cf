#include "persist/wal/pack.h"
#include "include/rc.h"
#include "shm/format/wal_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PACKED_NAME "pack.tmp"
#define FRAME_BYTES (1u << 20) /* short frames are put together: lz4 finds more in more */
#define GAIN_TENTHS 9u         /* a file that stays longer than 9/10 stays as it is */

void packing_drop(struct packing *p)
{
    if (!p->active)
        return;
    wal_cursor_close(&p->cursor);
    munmap(p->map, p->bytes);
    free(p->raw);
    free(p->out);
    if (p->fd >= 0) {
        close(p->fd);
        unlinkat(p->dirfd, PACKED_NAME, 0);
    }
    *p = (struct packing){.fd = -1, .number = p->number, .outcome = p->outcome};
}

static bool map_segment(struct packing *p)
{
    char name[WAL_NAME_MAX];
    wal_segment_name(name, p->number);
    int fd = openat(p->dirfd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    p->map = mmap(NULL, p->bytes, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return p->map != MAP_FAILED;
}

static bool put_bytes(struct packing *p, const void *data, uint64_t n)
{
    const char *from = data;
    while (n) {
        ssize_t got = pwrite(p->fd, from, n, (off_t)p->at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        from += got;
        n -= (uint64_t)got;
        p->at += (uint64_t)got;
    }
    return true;
}

bool packing_begin(struct packing *p, int dirfd, uint64_t number, uint64_t bytes)
{
    char head[WAL_HEAD_BYTES];
    *p = (struct packing){.number = number, .outcome = bytes, .bytes = bytes, .dirfd = dirfd, .fd = -1};
    if (bytes < FRAME_BYTES || !map_segment(p))
        return false;
    p->active = true;
    p->raw = malloc(FRAME_BYTES);
    CHECK(p->raw);
    p->have = wal_cursor_open(&p->cursor, p->map, bytes, false) && wal_cursor_frame(&p->cursor);
    if (p->have && p->cursor.frame.stored == p->cursor.frame.raw)
        p->fd = openat(dirfd, PACKED_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    wal_head_put(head, &p->cursor.head);
    if (p->fd >= 0 && put_bytes(p, head, sizeof(head)))
        return true;
    packing_drop(p);
    return false;
}

static bool put_frame(struct packing *p, struct wal_frame f, struct bytes raw)
{
    uint32_t room = wal_pack_room((uint32_t)raw.n), packed = 0;
    char head[WAL_FRAME_HEAD_BYTES];
    if (room > p->out_room) {
        free(p->out);
        p->out = malloc(room);
        p->out_room = p->out ? room : 0;
    }
    if (room && p->out)
        packed = wal_pack(p->out, p->out_room, raw.p, (uint32_t)raw.n);
    f.raw = (uint32_t)raw.n;
    f.stored = packed ? packed : f.raw;
    struct iovec v = {packed ? p->out : (void *)(uintptr_t)raw.p, f.stored};
    wal_frame_put(head, &p->cursor.head, p->at, &f, &v, 1);
    return put_bytes(p, head, sizeof(head)) && put_bytes(p, v.iov_base, f.stored);
}

static bool flush(struct packing *p)
{
    bool good = !p->raw_bytes || put_frame(p, p->frame, (struct bytes){p->raw, p->raw_bytes});
    p->raw_bytes = 0;
    return good;
}

static void add_frame(struct packing *p)
{
    const struct wal_frame *f = &p->cursor.frame;
    if (!p->raw_bytes)
        p->frame = *f;
    memcpy(p->raw + p->raw_bytes, wal_cursor_payload(&p->cursor).p, f->raw);
    p->raw_bytes += f->raw;
    p->frame.last = f->last;
}

/* False: nothing was replaced. */
static bool replace(struct packing *p)
{
    char name[WAL_NAME_MAX];
    wal_segment_name(name, p->number);
    if (p->cursor.end != WAL_CLEAN || p->at > p->bytes / 10 * GAIN_TENTHS || fdatasync(p->fd) ||
        renameat(p->dirfd, PACKED_NAME, p->dirfd, name))
        return false;
    fsync(p->dirfd);
    p->outcome = p->at;
    close(p->fd);
    p->fd = -1;
    return true;
}

/* Frames are taken until one does not fit, or is a frame's worth by itself. */
bool packing_step(struct packing *p)
{
    bool good = true, more = true;
    while (good && more) {
        if (!p->have)
            p->have = wal_cursor_frame(&p->cursor);
        uint32_t raw = p->cursor.frame.raw;
        if (!p->have)
            break;
        if (p->raw_bytes + (uint64_t)raw > FRAME_BYTES) {
            bool alone = !p->raw_bytes;
            good = alone ? put_frame(p, p->cursor.frame, wal_cursor_payload(&p->cursor)) : flush(p);
            p->have = !alone;
            more = false;
        } else {
            add_frame(p);
            p->have = false;
        }
    }
    if (good && !more)
        return true;
    if (good && flush(p))
        replace(p);
    packing_drop(p);
    return false;
}
