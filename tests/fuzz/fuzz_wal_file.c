/* Segments of the log, changed at random: the cursor may refuse, but what it gives was written, in order, and nothing
 * that a good later frame knows to be synced is missed without a word. fuzz_wal_file [--seconds N] [--seed S]. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/format/wal_file.h"
#include "include/rc.h"
#include "tests/fuzz/fuzz.h"

#define ROOM    (1u << 18)
#define RECORDS 400u

static char *fence, *file; /* the file ends where a page that nobody may touch begins */
static uint64_t length;
static unsigned records;
static struct {
    uint64_t lsn, hash;
} written[RECORDS];

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037ull;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 1099511628211ull;
    return h;
}

static uint32_t make_payload(char *to, unsigned n, uint64_t *lsn)
{
    uint32_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        struct wal_record_head h = { *lsn += 1 + chance(3), (uint32_t)chance(chance(8) ? 60 : 900),
                                     (uint16_t)chance(16)};
        char *effect = to + at + sizeof(h);
        memcpy(to + at, &h, sizeof(h));
        for (uint32_t k = 0; k < h.bytes;
             k++) /* zeros and the like, which the format might take for something */
            effect[k] = chance(3) ? (char)0 : (char)chance(256);
        written[records].lsn = h.lsn;
        written[records++].hash = hash_of(effect, h.bytes);
        at += (uint32_t)sizeof(h) + h.bytes;
    }
    return at;
}

static void make_file(struct wal_head *head)
{
    static char raw[1 << 16], packed[1 << 17], made[ROOM];
    uint64_t lsn = head->before = chance(1000), synced = lsn;
    length = WAL_HEAD_BYTES;
    records = 0;
    wal_head_put(made, head);
    for (unsigned left = 1 + (unsigned)chance(20); left; left--) {
        unsigned n = 1 + (unsigned)chance(15);
        uint32_t bytes = make_payload(raw, n, &lsn);
        uint32_t stored = chance(2) ? wal_pack(packed, sizeof(packed), raw, bytes) : 0;
        struct wal_frame f = {stored ? stored : bytes, bytes, written[records - n].lsn, lsn, synced};
        struct iovec v = {stored ? packed : raw, f.stored};
        wal_frame_put(made + length, head, length, &f, &v, 1);
        memcpy(made + length + WAL_FRAME_HEAD_BYTES, v.iov_base, f.stored);
        length += WAL_FRAME_HEAD_BYTES + f.stored;
        synced = chance(2) ? lsn : synced;
    }
    uint64_t zeros = chance(3) ? 0 : chance(200);
    memset(made + length, 0, zeros);
    length += zeros;
    file = fence - length;
    memcpy(file, made, length);
}

static void damage(void)
{
    for (uint64_t n = chance(4); n; n--) {
        uint64_t at = chance(length), bytes = 1 + chance(chance(2) ? 4 : 300), kind = chance(4),
                 from = chance(length);
        if (bytes > length - at)
            bytes = length - at;
        if (bytes > length - from)
            bytes = length - from;
        if (kind == 0)
            memset(file + at, 0, bytes);
        else if (kind == 1)
            memmove(file + at, file + from, bytes);
        else
            file[at] ^= (char)(1u << chance(8));
    }
    if (chance(3) == 0) { /* cut */
        uint64_t less = chance(length);
        memmove(file + less, file, length - less);
        file += less;
        length -= less;
    }
}

static void expect_record(const struct wal_entry *e, unsigned i)
{
    CHECK(i < records && e->lsn == written[i].lsn && hash_of(e->effect.p, e->effect.n) == written[i].hash);
}

/* What is found behind the end was written, too; and if the end was called torn, it knows of no sync behind it. */
static void examine_rest(struct wal_cursor *c, unsigned i)
{
    struct wal_entry e;
    uint64_t lsn = c->lsn;
    bool torn = c->end == WAL_TORN;
    while (wal_cursor_frame(c) || wal_cursor_resume(c)) {
        CHECK(!torn || c->frame.synced <= lsn);
        while (wal_cursor_record(c, &e)) {
            while (i < records && written[i].lsn < e.lsn)
                i++;
            expect_record(&e, i);
        }
    }
}

static void examine(const struct wal_head *head)
{
    struct wal_cursor c;
    struct wal_entry e;
    unsigned i = 0;
    bool last = chance(4);
    if (wal_cursor_open(&c, file, length, last)) {
        CHECK(c.head.log_id == head->log_id && c.head.before == head->before);
        while (wal_cursor_frame(&c))
            for (; wal_cursor_record(&c, &e); i++)
                expect_record(&e, i);
    }
    CHECK(c.end != WAL_GOES_ON && c.end_at <= length && (last || c.end != WAL_TORN));
    examine_rest(&c, i);
    wal_cursor_close(&c);
}

int main(int argc, char **argv)
{
    uint64_t runs = 0;
    fuzz_begin(argc, argv, "fuzz_wal_file");
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && mprotect(map + ROOM, page, PROT_NONE) == 0);
    fence = map + ROOM;
    for (; fuzz_goes_on(runs); runs++) {
        struct wal_head head = {.log_id = chance(UINT32_MAX) * chance(UINT32_MAX) + 1, .number = chance(100)};
        make_file(&head);
        damage();
        examine(&head);
    }
    printf("%llu files\n", (unsigned long long)runs);
    return 0;
}
