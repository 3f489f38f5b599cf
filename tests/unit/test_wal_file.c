/* The log's format: what was written is read again; whatever is cut off or changed, no record appears that was not
 * written, and none that a later frame knows to be on disk is missed in silence. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/base/crc32c.h"
#include "shm/format/wal_dir.h"
#include "shm/format/wal_file.h"
#include "include/rc.h"

#define RECORDS 12u
#define ROOM    (1u << 20)

static struct wal_head head = {.log_id = 0x1122334455667788, .number = 7, .before = 100, .time_ms = 5};

struct file {
    char *p;
    uint64_t n;
    uint64_t frame_at[RECORDS + 1]; /* and the end */
    unsigned frames;
    uint64_t last[RECORDS + 1]; /* of each frame */
};

static uint64_t lsn_of(unsigned i)
{
    return 101 + i * 3; /* numbers may be missing */
}

static size_t effect_of(unsigned i, char *out)
{
    return (size_t)sprintf(out, "*2\r\n$3\r\nDEL\r\n$%d\r\n%0*u\r\n", 4 + (int)i % 5, 4 + (int)i % 5, i);
}

static uint32_t put_record(char *to, unsigned i)
{
    char effect[64];
    struct wal_record_head h = {lsn_of(i), (uint32_t)effect_of(i, effect), i % 3};
    memcpy(to, &h, sizeof(h));
    memcpy(to + sizeof(h), effect, h.bytes);
    return WAL_RECORD_HEAD_BYTES + h.bytes;
}

/* A frame of n records beginning with number first; lag: so many frames are not known to be synced. */
static void put_frame(struct file *f, unsigned first, unsigned n, unsigned lag, bool packed)
{
    char raw[4096], out[8192];
    uint32_t bytes = 0;
    for (unsigned i = first; i < first + n; i++)
        bytes += put_record(raw + bytes, i);
    struct wal_frame w = {bytes, bytes, lsn_of(first), lsn_of(first + n - 1), 0};
    w.synced = f->frames > lag ? f->last[f->frames - 1 - lag] : head.before;
    struct iovec v[2] = {{raw, 10}, {raw + 10, bytes - 10}};
    uint32_t stored = packed ? wal_pack(out, sizeof(out), raw, bytes) : 0;
    if (packed) {
        CHECK(stored && stored < bytes);
        w.stored = stored;
        v[0] = (struct iovec){out, stored};
    }
    wal_frame_put(f->p + f->n, &head, f->n, &w, v, packed ? 1 : 2);
    memcpy(f->p + f->n + WAL_FRAME_HEAD_BYTES, packed ? out : raw, w.stored);
    f->frame_at[f->frames] = f->n;
    f->last[f->frames++] = w.last;
    f->n += WAL_FRAME_HEAD_BYTES + w.stored;
    f->frame_at[f->frames] = f->n;
}

/* The file's bytes stand at the end of a mapping with nothing behind it: reading beyond them is a fault. */
static char *fence;
static const char *fenced(const char *p, uint64_t n)
{
    char *to = fence + ROOM - n;
    memcpy(to, p, n);
    return to;
}

static void make(struct file *f, unsigned lag, bool packed)
{
    *f = (struct file){.p = calloc(1, ROOM), .n = WAL_HEAD_BYTES};
    CHECK(f->p);
    wal_head_put(f->p, &head);
    for (unsigned i = 0; i + 3 < RECORDS; i += 3)
        put_frame(f, i, 3, lag, packed);
    for (unsigned i = RECORDS - 3; i < RECORDS; i++)
        put_frame(f, i, 1, lag, false);
}

/* Reads everything: records must be those that were written, from the first on. How many, and how it ended. */
static unsigned read_all(const char *p, uint64_t n, bool last, struct wal_cursor *c)
{
    struct wal_entry e;
    char effect[64];
    unsigned i = 0;
    if (!wal_cursor_open(c, p, n, last))
        return 0;
    while (wal_cursor_frame(c))
        for (; wal_cursor_record(c, &e); i++) {
            CHECK(i < RECORDS && e.lsn == lsn_of(i) && e.db == i % 3);
            CHECK(bytes_equal(e.effect, (struct bytes){effect, effect_of(i, effect)}));
        }
    CHECK(c->end != WAL_GOES_ON && c->end_at <= n);
    CHECK((c->end == WAL_CLEAN) == !c->why[0]);
    return i;
}

static unsigned read_and_close(const char *p, uint64_t n, bool last, struct wal_cursor *c)
{
    unsigned i = read_all(p, n, last, c);
    wal_cursor_close(c);
    return i;
}

static void round_trip(void)
{
    for (int packed = 0; packed < 2; packed++) {
        struct file f;
        struct wal_cursor c;
        make(&f, 1, packed);
        CHECK(read_and_close(fenced(f.p, f.n), f.n, true, &c) == RECORDS && c.end == WAL_CLEAN);
        CHECK(c.end_at == f.n && c.lsn == lsn_of(RECORDS - 1) && c.head.before == 100 && c.head.number == 7);
        /* Preallocated: zeros follow, of any number. */
        for (unsigned zeros = 1; zeros < 100; zeros++)
            CHECK(read_and_close(fenced(f.p, f.n + zeros), f.n + zeros, zeros % 2, &c) == RECORDS &&
                  c.end == WAL_CLEAN);
        free(f.p);
    }
}

/* Cut at every byte of the last three records. Each stands in a frame of its own: what is left of the frame counts for
 * nothing, and the frames before it all count. */
static void truncated(void)
{
    struct file f;
    struct wal_cursor c;
    make(&f, 1, false);
    for (uint64_t n = f.frame_at[f.frames - 3]; n < f.n; n++) {
        unsigned whole = f.frames - 3;
        while (f.frame_at[whole + 1] <= n)
            whole++;
        unsigned records = RECORDS - (f.frames - whole);
        bool between = f.frame_at[whole] == n;
        CHECK(read_and_close(fenced(f.p, n), n, true, &c) == records);
        CHECK(c.end == (between ? WAL_CLEAN : WAL_TORN) && c.end_at == f.frame_at[whole]);
        CHECK(read_and_close(fenced(f.p, n), n, false, &c) == records);
        CHECK(c.end == (between ? WAL_CLEAN : WAL_DAMAGED));
        /* The same with zeros where the rest was: so a crash leaves a preallocated file. */
        char *p = calloc(1, f.n);
        CHECK(p);
        memcpy(p, f.p, n);
        CHECK(read_and_close(fenced(p, f.n), f.n, true, &c) == records && c.end_at == f.frame_at[whole]);
        CHECK(c.end == WAL_CLEAN || c.end == WAL_TORN);
        free(p);
    }
    free(f.p);
}

/* A byte of each frame is changed, in every way that matters: once each byte, with one bit and with all. */
static void flipped(bool packed)
{
    struct file f;
    struct wal_cursor c;
    make(&f, 1, packed);
    for (unsigned k = 0; k < f.frames; k++)
        for (uint64_t at = f.frame_at[k]; at < f.frame_at[k + 1]; at++)
            for (int way = 0; way < 3; way++) {
                char *p = fence + ROOM - f.n;
                memcpy(p, f.p, f.n);
                p[at] ^= way == 0 ? 1 : way == 1 ? -128 : -1;
                unsigned before = k < f.frames - 3 ? k * 3 : RECORDS - (f.frames - k);
                CHECK(read_and_close(p, f.n, true, &c) == before);
                CHECK(c.end_at == f.frame_at[k]);
                /* Two frames further on it is known that this one was synced. */
                CHECK(c.end == (k + 2 < f.frames ? WAL_DAMAGED : WAL_TORN));
                CHECK(read_and_close(p, f.n, false, &c) == before && c.end == WAL_DAMAGED);
            }
    free(f.p);
}

static void flipped_head(void)
{
    struct file f;
    struct wal_cursor c;
    make(&f, 1, false);
    for (uint64_t at = 0; at < WAL_HEAD_BYTES; at++) {
        char *p = fence + ROOM - f.n;
        memcpy(p, f.p, f.n);
        p[at] ^= 4;
        CHECK(read_and_close(p, f.n, true, &c) == 0 && c.end == WAL_DAMAGED && c.end_at == 0);
    }
    for (uint64_t n = 0; n < WAL_HEAD_BYTES; n++)
        CHECK(read_and_close(fenced(f.p, n), n, true, &c) == 0 && c.end == WAL_DAMAGED);
    free(f.p);
}

/* A later frame is there, an earlier one is not, and nobody knew either to be on disk: torn. With the knowledge that
 * it had been, damage. */
static void holes(void)
{
    for (unsigned lag = 0; lag < 3; lag++)
        for (unsigned k = 0; k + 1 < 6; k++) {
            struct file f;
            struct wal_cursor c;
            make(&f, lag, false);
            CHECK(f.frames == 6);
            memset(f.p + f.frame_at[k], 0, f.frame_at[k + 1] - f.frame_at[k]);
            bool known = k + lag + 1 < f.frames;
            read_and_close(fenced(f.p, f.n), f.n, true, &c);
            CHECK(c.end_at == f.frame_at[k] && c.end == (known ? WAL_DAMAGED : WAL_TORN));
            /* skepctl goes on behind the hole. */
            struct wal_cursor again;
            struct wal_entry e;
            wal_cursor_open(&again, f.p, f.n, true);
            while (wal_cursor_frame(&again))
                ;
            CHECK(wal_cursor_resume(&again) && again.frame_at == f.frame_at[k + 1] &&
                  wal_cursor_record(&again, &e));
            wal_cursor_close(&again);
            free(f.p);
        }
}

/* Frames in the wrong place, or of another log or segment, and a copy of the file in a value. */
static void misplaced(void)
{
    struct file f;
    struct wal_cursor c;
    make(&f, 0, false);
    uint64_t one = f.frame_at[2] - f.frame_at[1];
    memmove(f.p + f.frame_at[0], f.p + f.frame_at[1], one);
    CHECK(read_and_close(fenced(f.p, WAL_HEAD_BYTES + one), WAL_HEAD_BYTES + one, true, &c) == 0);
    CHECK(c.end == WAL_TORN);
    free(f.p);
    make(&f, 0, false);
    struct wal_head other = head;
    other.number++;
    wal_head_put(f.p, &other);
    CHECK(read_and_close(fenced(f.p, f.n), f.n, true, &c) == 0 && c.end == WAL_TORN);
    other = head;
    other.log_id ^= 1ull << 40;
    wal_head_put(f.p, &other);
    CHECK(read_and_close(fenced(f.p, f.n), f.n, true, &c) == 0 && c.end == WAL_TORN);
    free(f.p);
}

/* A good checksum over records that are not in order is no log of ours. */
static void disordered(void)
{
    char raw[256], file[1024];
    struct wal_cursor c;
    uint32_t n = put_record(raw, 5);
    n += put_record(raw + n, 4);
    wal_head_put(file, &head);
    struct wal_frame w = {n, n, lsn_of(5), lsn_of(4), 100};
    struct iovec v = {raw, n};
    wal_frame_put(file + WAL_HEAD_BYTES, &head, WAL_HEAD_BYTES, &w, &v, 1);
    memcpy(file + WAL_HEAD_BYTES + WAL_FRAME_HEAD_BYTES, raw, n);
    uint64_t bytes = WAL_HEAD_BYTES + WAL_FRAME_HEAD_BYTES + n;
    CHECK(read_and_close(fenced(file, bytes), bytes, true, &c) == 0 && c.end == WAL_DAMAGED);
}

static void checksums(void)
{
    char p[300];
    /* RFC 3720, B.4 */
    for (int i = 0; i < 32; i++)
        p[i] = (char)i;
    CHECK(crc32c(0, p, 32) == 0x46dd794e && crc32c_table(0, p, 32) == 0x46dd794e);
    memset(p, 0, 32);
    CHECK(crc32c(0, p, 32) == 0x8a9136aa && crc32c_table(0, p, 32) == 0x8a9136aa);
    memset(p, 0xff, 32);
    CHECK(crc32c(0, p, 32) == 0x62a8ab43 && crc32c_table(0, p, 32) == 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(p); i++)
        p[i] = (char)(i * 37);
    for (unsigned n = 0; n < sizeof(p) - 8; n++)
        for (unsigned at = 0; at < 8; at++) {
            uint32_t whole = crc32c(0, p + at, n);
            CHECK(whole == crc32c_table(0, p + at, n));
            CHECK(whole == crc32c(crc32c(0, p + at, n / 3), p + at + n / 3, n - n / 3));
        }
}

static void names(void)
{
    char name[WAL_NAME_MAX];
    uint64_t n;
    wal_segment_name(name, 0x1f);
    CHECK(strcmp(name, "000000000000001f.wal") == 0 && wal_name_read(name, &n) == WAL_NAME_SEGMENT &&
          n == 31);
    wal_base_name(name, 0xabcdef0123456789);
    CHECK(strcmp(name, "base-abcdef0123456789.rdb") == 0);
    CHECK(wal_name_read(name, &n) == WAL_NAME_BASE && n == 0xabcdef0123456789);
    wal_pending_name(name, 3);
    CHECK(wal_name_read(name, &n) == WAL_NAME_TMP && wal_pending_read(name, &n) && n == 3);
    CHECK(wal_name_read("base-00.rdb.tmp", &n) == WAL_NAME_TMP);
    static const char *const others[] = {"lock", "000000000000001F.wal",     "00000000000001f.wal",  ".tmp",
                                         "",     "base-000000000000001.rdb", "x000000000000001f.wal"};
    for (unsigned i = 0; i < ARRAY_LEN(others); i++)
        CHECKF(wal_name_read(others[i], &n) == WAL_NAME_OTHER, "%s", others[i]);
}

int main(void)
{
    long page = sysconf(_SC_PAGESIZE);
    fence = mmap(NULL, ROOM + (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fence != MAP_FAILED && mprotect(fence + ROOM, (size_t)page, PROT_NONE) == 0);
    checksums();
    names();
    round_trip();
    truncated();
    flipped(false);
    flipped(true);
    flipped_head();
    holes();
    misplaced();
    disordered();
    return 0;
}
