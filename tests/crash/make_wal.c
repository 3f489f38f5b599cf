/* Writes a segment of the log from a description, for the tests of those who read it. Standard input:
 *
 *   segment LOG NUMBER BEFORE     once, first
 *   record LSN DB HEX             its effect, in hexadecimal
 *   frame SYNCED yes|no           the records since the last frame; packed or not
 *
 * Standard output: the segment; standard error: a line for each frame, where it begins and ends. */
#include "shm/format/wal_file.h"
#include "include/rc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static char payload[1 << 20], packed[2 << 20];
static uint32_t filled;
static uint64_t first, last, offset = WAL_HEAD_BYTES;
static struct wal_head head;

static void put(const void *p, size_t n)
{
    CHECK(fwrite(p, 1, n, stdout) == n);
}

static void record(const char *line)
{
    struct wal_record_head h = {0};
    unsigned db;
    int at = 0;
    CHECK(sscanf(line, "record %" SCNu64 " %u %n", &h.lsn, &db, &at) == 2 && at);
    h.db = db;
    char *to = payload + filled + sizeof(h);
    unsigned byte;
    for (const char *p = line + at; sscanf(p, "%2x", &byte) == 1; p += 2)
        to[h.bytes++] = (char)byte;
    memcpy(payload + filled, &h, sizeof(h));
    filled += (uint32_t)sizeof(h) + h.bytes;
    first = first ? first : h.lsn;
    last = h.lsn;
}

static void frame(const char *line)
{
    struct wal_frame f = {.raw = filled, .stored = filled, .first = first, .last = last};
    char yes[8], out[WAL_FRAME_HEAD_BYTES];
    struct iovec v = {payload, filled};
    CHECK(sscanf(line, "frame %" SCNu64 " %7s", &f.synced, yes) == 2);
    uint32_t n = yes[0] == 'y' ? wal_pack(packed, wal_pack_room(filled), payload, filled) : 0;
    if (n) {
        v = (struct iovec){packed, n};
        f.stored = n;
    }
    wal_frame_put(out, &head, offset, &f, &v, 1);
    put(out, sizeof(out));
    put(v.iov_base, v.iov_len);
    fprintf(stderr, "%" PRIu64 " %" PRIu64 " %s\n", offset, offset + sizeof(out) + f.stored,
            n ? "packed" : "plain");
    offset += sizeof(out) + f.stored;
    filled = 0;
    first = 0;
}

int main(void)
{
    char *line = NULL, out[WAL_HEAD_BYTES];
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        if (!strncmp(line, "record", 6)) {
            record(line);
        } else if (!strncmp(line, "frame", 5)) {
            frame(line);
        } else {
            CHECK(sscanf(line, "segment %" SCNu64 " %" SCNu64 " %" SCNu64, &head.log_id, &head.number,
                         &head.before) == 3);
            wal_head_put(out, &head);
            put(out, sizeof(out));
        }
    }
    free(line);
    return 0;
}
