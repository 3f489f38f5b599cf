#include "shm/format/wal_file.h"
#include "include/rc.h"
#include "shm/base/crc32c.h"

#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>

static const char head_magic[8] = {'S', 'K', 'E', 'P', 'W', 'A', 'L', '1'};

struct head_bytes {
    char magic[8];
    uint32_t version, spare;
    uint64_t log_id, number, before, time_ms;
    uint32_t spares[3], crc;
};
_Static_assert(sizeof(struct head_bytes) == WAL_HEAD_BYTES, "as persist/README.md draws it");

struct frame_bytes {
    uint32_t magic, crc;
    struct wal_frame f;
};
_Static_assert(sizeof(struct frame_bytes) == WAL_FRAME_HEAD_BYTES, "as persist/README.md draws it");
#define CRC_FROM (2 * sizeof(uint32_t))

/* A packed byte stands for at most 255: more than that was not packed by lz4. */
#define LZ4_RATIO_MAX 255u

/* ---- heads ---- */

void wal_head_put(char out[WAL_HEAD_BYTES], const struct wal_head *h)
{
    struct head_bytes b = {
        .version = WAL_VERSION, .log_id = h->log_id, .number = h->number, .before = h->before};
    b.time_ms = h->time_ms;
    memcpy(b.magic, head_magic, sizeof(head_magic));
    b.crc = crc32c(0, &b, offsetof(struct head_bytes, crc));
    memcpy(out, &b, sizeof(b));
}

const char *wal_head_get(struct wal_head *out, const void *data, uint64_t bytes)
{
    struct head_bytes b;
    *out = (struct wal_head){0};
    if (bytes < sizeof(b))
        return "it is shorter than a segment's head";
    memcpy(&b, data, sizeof(b));
    if (memcmp(b.magic, head_magic, sizeof(head_magic)) != 0)
        return "it does not begin like a segment of the log";
    if (b.crc != crc32c(0, &b, offsetof(struct head_bytes, crc)))
        return "the checksum of the segment's head is wrong";
    if (b.version != WAL_VERSION)
        return "it was written by another version of the log's format";
    *out = (struct wal_head){b.log_id, b.number, b.before, b.time_ms};
    return NULL;
}

/* ---- frames ---- */

/* The log's identity, which no client knows, is part of the magic and of the checksum: a value that holds the copy
 * of a frame, by chance or by malice, is not taken for one. */
static uint32_t frame_magic(const struct wal_head *segment)
{
    return 0x4b534c57u ^ (uint32_t)segment->log_id ^ (uint32_t)(segment->log_id >> 32);
}

/* A frame that was misplaced, or is of another segment, has another checksum. */
static uint32_t frame_seed(const struct wal_head *segment, uint64_t offset)
{
    uint64_t where[3] = {segment->log_id, segment->number, offset};
    return crc32c(0, where, sizeof(where));
}

void wal_frame_put(char out[WAL_FRAME_HEAD_BYTES], const struct wal_head *segment, uint64_t offset,
                   const struct wal_frame *f, const struct iovec *payload, unsigned pieces)
{
    struct frame_bytes b = {.magic = frame_magic(segment), .f = *f};
    b.crc = crc32c(frame_seed(segment, offset), &b.f, sizeof(b.f));
    for (unsigned i = 0; i < pieces; i++)
        b.crc = crc32c(b.crc, payload[i].iov_base, payload[i].iov_len);
    memcpy(out, &b, sizeof(b));
}

uint32_t wal_pack_room(uint32_t bytes)
{
    return bytes <= LZ4_MAX_INPUT_SIZE ? (uint32_t)LZ4_compressBound((int)bytes) : 0;
}

uint32_t wal_pack(char *out, uint32_t room, const char *raw, uint32_t bytes)
{
    if (bytes > LZ4_MAX_INPUT_SIZE || room > INT32_MAX)
        return 0;
    int n = LZ4_compress_default(raw, out, (int)bytes, (int)room);
    return n > 0 && (uint32_t)n < bytes ? (uint32_t)n : 0;
}

/* Whether a good frame stands there. */
static bool frame_good(const struct wal_cursor *c, uint64_t at, struct wal_frame *out)
{
    struct frame_bytes b;
    if (c->bytes - at < sizeof(b))
        return false;
    memcpy(&b, c->data + at, sizeof(b));
    if (b.magic != frame_magic(&c->head) || b.f.stored > c->bytes - at - sizeof(b))
        return false;
    if (b.crc != crc32c(frame_seed(&c->head, at), c->data + at + CRC_FROM, sizeof(b) - CRC_FROM + b.f.stored))
        return false;
    *out = b.f;
    return true;
}

/* ---- the cursor ---- */

static bool stop(struct wal_cursor *c, enum wal_end end, uint64_t at, const char *why)
{
    c->end = end;
    c->end_at = at;
    c->payload = NULL;
    snprintf(c->why, sizeof(c->why), "%s", why);
    return false;
}

bool wal_cursor_open(struct wal_cursor *c, const void *data, uint64_t bytes, bool last_segment)
{
    *c = (struct wal_cursor){.data = data, .bytes = bytes, .last_segment = last_segment};
    const char *why = wal_head_get(&c->head, data, bytes);
    if (why)
        return stop(c, WAL_DAMAGED, 0, why);
    c->lsn = c->head.before;
    c->next = c->end_at = WAL_HEAD_BYTES;
    return true;
}

void wal_cursor_close(struct wal_cursor *c)
{
    free(c->room);
    c->room = NULL;
    c->payload = NULL;
}

/* The next good frame behind this offset. */
static bool find_frame(const struct wal_cursor *c, uint64_t from, uint64_t *at, struct wal_frame *out)
{
    uint32_t magic = frame_magic(&c->head);
    while (from < c->bytes && c->bytes - from >= WAL_FRAME_HEAD_BYTES) {
        const char *p = memmem(c->data + from, c->bytes - from, &magic, sizeof(magic));
        if (!p)
            return false;
        *at = (uint64_t)(p - c->data);
        if (frame_good(c, *at, out))
            return true;
        from = *at + 1;
    }
    return false;
}

/* No good frame stands at c->next. What was synced when a later one was written had been good once; the frames
 * behind c->lsn begin here, so a sync beyond c->lsn proves that this place was on disk. */
static bool judge(struct wal_cursor *c, bool zeros)
{
    uint64_t at = c->next;
    struct wal_frame f;
    if (!c->last_segment && zeros)
        return stop(c, WAL_CLEAN, c->next, "");
    if (!c->last_segment)
        return stop(c, WAL_DAMAGED, c->next, "a frame is bad, and another segment follows this one");
    bool torn = !zeros;
    while (find_frame(c, at + 1, &at, &f)) {
        if (f.synced > c->lsn)
            return stop(c, WAL_DAMAGED, c->next,
                        zeros ? "frames are gone that a later frame knows to have been on disk"
                              : "a frame is bad that a later frame knows to have been on disk");
        torn = true;
    }
    if (!torn)
        return stop(c, WAL_CLEAN, c->next, "");
    return stop(c, WAL_TORN, c->next,
                "a frame was not written completely when the machine or the server stopped");
}

/* Numbers ascend, and the records fill the payload: what a good checksum covers was written so. */
static bool records_good(const struct wal_cursor *c)
{
    uint64_t at = 0, lsn = c->lsn;
    struct wal_record_head h;
    while (at < c->frame.raw) {
        if (c->frame.raw - at < sizeof(h))
            return false;
        memcpy(&h, c->payload + at, sizeof(h));
        at += sizeof(h);
        if (h.bytes > c->frame.raw - at || h.lsn <= lsn || (lsn == c->lsn && h.lsn != c->frame.first))
            return false;
        at += h.bytes;
        lsn = h.lsn;
    }
    return lsn > c->lsn && lsn == c->frame.last;
}

static bool unpack(struct wal_cursor *c, const char *stored)
{
    const struct wal_frame *f = &c->frame;
    c->payload = stored;
    if (f->stored == f->raw)
        return true;
    if (f->stored > f->raw || f->raw / LZ4_RATIO_MAX > f->stored || f->raw > LZ4_MAX_INPUT_SIZE)
        return false;
    if (f->raw > c->room_bytes) {
        free(c->room);
        c->room = malloc(f->raw);
        CHECKF(c->room, "no memory to unpack %u bytes of the log", f->raw);
        c->room_bytes = f->raw;
    }
    c->payload = c->room;
    return LZ4_decompress_safe(stored, c->room, (int)f->stored, (int)f->raw) == (int)f->raw;
}

/* Takes the good frame that stands at this offset. */
static bool take_frame(struct wal_cursor *c, uint64_t at)
{
    c->frame_at = at;
    c->payload_at = 0;
    if (!unpack(c, c->data + at + WAL_FRAME_HEAD_BYTES))
        return stop(c, WAL_DAMAGED, at, "a frame with a good checksum cannot be unpacked");
    if (!records_good(c))
        return stop(c, WAL_DAMAGED, at, "the records of a frame with a good checksum are not in order");
    c->lsn = c->frame.last;
    c->next = c->end_at = at + WAL_FRAME_HEAD_BYTES + c->frame.stored;
    return true;
}

bool wal_cursor_frame(struct wal_cursor *c)
{
    uint64_t left = c->bytes - c->next, word = 0;
    if (c->end)
        return false;
    memcpy(&word, c->data + c->next, left < sizeof(word) ? left : sizeof(word));
    if (!word && left < sizeof(word))
        return stop(c, WAL_CLEAN, c->next, "");
    if (!word || !frame_good(c, c->next, &c->frame))
        return judge(c, !word);
    return take_frame(c, c->next);
}

bool wal_cursor_resume(struct wal_cursor *c)
{
    uint64_t at;
    if (c->end == WAL_GOES_ON || c->end_at < WAL_HEAD_BYTES)
        return false;
    if (!find_frame(c, c->end_at + 1, &at, &c->frame))
        return false;
    c->end = WAL_GOES_ON;
    return take_frame(c, at);
}

bool wal_cursor_record(struct wal_cursor *c, struct wal_entry *out)
{
    struct wal_record_head h;
    if (!c->payload || c->payload_at >= c->frame.raw)
        return false;
    memcpy(&h, c->payload + c->payload_at, sizeof(h));
    c->payload_at += sizeof(h);
    *out = (struct wal_entry){h.lsn, h.db, {c->payload + c->payload_at, h.bytes}};
    c->payload_at += h.bytes;
    return true;
}
