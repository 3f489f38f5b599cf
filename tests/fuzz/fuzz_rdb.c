/* Fuzzes the reader of RDB files and payloads, and LZF: fuzz_rdb [--seconds N] [--seed S].
 *
 * Each round makes a file out of the format's own pieces, mostly right, spoils it, and reads it twice: by a
 * reader that decodes strings and one that skips all values. Both must see the same items, and stop at the
 * same place, unless it is the decoding itself that fails. Every buffer is a block of exactly its size, so
 * that a build with sanitizers notices a step outside; memory must stay in proportion to the file. */
#include "shm/base/crc64.h"
#include "shm/base/lzf.h"
#include "shm/format/rdb_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MOST_INPUT = 1 << 14 };

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % below);
}

/* ---- inputs ---- */

static uint8_t input[MOST_INPUT];
static size_t len;
static struct lzf_table table;

static void put(const void *p, size_t n)
{
    if (n > MOST_INPUT - len)
        n = MOST_INPUT - len;
    memcpy(input + len, p, n);
    len += n;
}

static void byte(unsigned v)
{
    uint8_t b = (uint8_t)v;
    put(&b, 1);
}

static void noise(size_t n)
{
    while (n--)
        byte(rnd(256));
}

/* A length in any of its forms; now and then a wrong one. */
static void length(uint64_t n)
{
    if (rnd(200) == 0)
        n = rnd(2) ? (uint64_t)rnd(UINT32_MAX) << rnd(33) : n + rnd(3) - 1;
    unsigned form = rnd(8);
    if (form < 5 && n < 64) {
        byte((unsigned)n);
    } else if (form < 6 && n < 1 << 14) {
        byte(0x40 | (unsigned)(n >> 8));
        byte(n & 0xff);
    } else {
        unsigned bytes = n > UINT32_MAX || form == 7 ? 8 : 4;
        byte(bytes == 8 ? 0x81 : 0x80);
        while (bytes--)
            byte(n >> 8 * bytes & 0xff);
    }
}

static void compressed(size_t n)
{
    uint8_t text[400], packed[400];
    for (size_t i = 0; i < n; i++)
        text[i] = (uint8_t)('a' + rnd(2));
    size_t m = lzf_compress(&table, text, n, packed, n);
    if (!m) {
        length(n);
        put(text, n);
        return;
    }
    byte(0xc3);
    length(m);
    length(n);
    if (rnd(50) == 0)
        packed[rnd((uint32_t)m)] ^= (uint8_t)(1u << rnd(8));
    put(packed, m);
}

static void string(void)
{
    unsigned kind = rnd(10);
    if (kind < 3) {
        byte(0xc0 | kind);
        noise((size_t)1 << kind);
    } else if (kind == 3) {
        compressed(21 + rnd(300));
    } else {
        size_t n = rnd(kind == 4 ? 300 : 20);
        length(n);
        noise(n);
    }
}

static void many(void (*each)(void), unsigned times)
{
    unsigned n = rnd(6);
    length(n);
    for (unsigned i = 0; i < n * times; i++)
        each();
}

static void score_text(void)
{
    unsigned n = rnd(10);
    string();
    byte(n < 8 ? n : 255 - n + 8);
    noise(n < 8 ? n : 0);
}

static void score(void)
{
    string();
    noise(8);
}

static void node(void)
{
    length(1 + rnd(2));
    string();
}

static void expiring(void)
{
    length(rnd(1000));
    string();
    string();
}

static void id(void)
{
    noise(16);
}

static void pending(void)
{
    noise(24);
    length(rnd(5));
}

static unsigned stream_version;

static void consumer(void)
{
    string();
    noise(stream_version == 3 ? 16 : 8);
    many(id, 1);
}

static void group(void)
{
    string();
    for (unsigned i = stream_version == 1 ? 2 : 3; i; i--)
        length(rnd(100000));
    many(pending, 1);
    many(consumer, 1);
}

static void stream(unsigned version)
{
    stream_version = version;
    many(string, 2);
    for (unsigned i = version == 1 ? 3 : 8; i; i--)
        length(rnd(100000));
    many(group, 1);
}

static void parts(void)
{
    for (unsigned i = rnd(5); i; i--) {
        unsigned kind = 1 + rnd(5);
        length(kind);
        if (kind <= 2)
            length(rnd(100000));
        else if (kind == 5)
            string();
        else
            noise(kind == 3 ? 4 : 8);
    }
    length(0);
}

static void value(unsigned type)
{
    switch (type) {
    case RDB_LIST:
    case RDB_SET:
    case RDB_LIST_QUICKLIST:
        many(string, 1);
        return;
    case RDB_HASH:
        many(string, 2);
        return;
    case RDB_ZSET:
        many(score_text, 1);
        return;
    case RDB_ZSET_2:
        many(score, 1);
        return;
    case RDB_LIST_QUICKLIST_2:
        many(node, 1);
        return;
    case RDB_STREAM_LISTPACKS:
        stream(1);
        return;
    case RDB_STREAM_LISTPACKS_2:
        stream(2);
        return;
    case RDB_STREAM_LISTPACKS_3:
        stream(3);
        return;
    case RDB_HASH_EXPIRING:
        noise(8);
        many(expiring, 1);
        return;
    case RDB_HASH_EXPIRING_RC:
        many(expiring, 1);
        return;
    case RDB_HASH_LISTPACK_EXPIRING:
        noise(8);
        string();
        return;
    case RDB_MODULE_2:
        length(rnd(1000000));
        parts();
        return;
    default:
        string();
    }
}

static unsigned some_type(void)
{
    unsigned type = rnd(3) ? RDB_STRING : rnd(RDB_TYPE_LIMIT);
    return type == 8 || (type == RDB_MODULE_1 && rnd(20)) ? RDB_STRING : type;
}

static void key(void)
{
    if (rnd(4) == 0) {
        byte(RDB_MARK_EXPIRY_MS);
        noise(8);
    } else if (rnd(8) == 0) {
        byte(RDB_MARK_EXPIRY_S);
        noise(4);
    }
    if (rnd(6) == 0) {
        byte(RDB_MARK_IDLE);
        length(rnd(100000));
    }
    if (rnd(6) == 0) {
        byte(RDB_MARK_FREQ);
        byte(rnd(256));
    }
    unsigned type = some_type();
    byte(type);
    string();
    value(type);
}

static void mark(void)
{
    static const uint8_t marks[] = {RDB_MARK_AUX,      RDB_MARK_SELECT,     RDB_MARK_SIZES,
                                    RDB_MARK_FUNCTION, RDB_MARK_MODULE_AUX, RDB_MARK_SLOT_INFO};
    unsigned m = marks[rnd(ARRAY_LEN(marks))];
    byte(m);
    if (m == RDB_MARK_AUX || m == RDB_MARK_FUNCTION)
        string();
    if (m == RDB_MARK_AUX)
        string();
    if (m == RDB_MARK_MODULE_AUX) {
        length(rnd(100000));
        length(2);
        length(rnd(3));
        parts();
    }
    for (unsigned i = m == RDB_MARK_SELECT      ? 1
                      : m == RDB_MARK_SIZES     ? 2
                      : m == RDB_MARK_SLOT_INFO ? 3
                                                : 0;
         i; i--)
        length(rnd(1000));
}

static void make_file(void)
{
    char header[16];
    len = 0;
    put(header, (size_t)snprintf(header, sizeof(header), "REDIS%04u", 1 + rnd(RDB_VERSION_MAX)));
    for (unsigned i = rnd(30); i; i--)
        if (rnd(4))
            key();
        else
            mark();
    byte(RDB_MARK_END);
    for (unsigned i = 0; i < 8; i++)
        byte(0);
}

static void spoil(void)
{
    for (unsigned i = rnd(4); i && len > 9; i--)
        input[9 + rnd((uint32_t)len - 9)] = (uint8_t)(rnd(2) ? rnd(256) : 1u << rnd(8));
    if (rnd(4) == 0)
        len = rnd((uint32_t)len + 1);
}

/* ---- reading ---- */

struct reader {
    struct rdb_in in;
    struct rdb_item item;
    uint8_t *copy;
    bool decodes;
    bool decoding; /* the last call was to decode */
    enum rc rc;
};

static void reader_open(struct reader *r, bool decodes)
{
    *r = (struct reader){.decodes = decodes, .copy = malloc(len ? len : 1)};
    CHECK(r->copy);
    memcpy(r->copy, input, len);
    r->rc = rdb_in_open(&r->in, (struct bytes){(char *)r->copy, len}, false);
}

/* To the next item, over the value of the one before. */
static void reader_step(struct reader *r, bool first)
{
    struct rdb_string s;
    uint64_t length_told = 0;
    r->decoding = false;
    if (!first && r->item.kind == RDB_ITEM_KEY) {
        r->decoding = r->decodes && r->item.type == RDB_STRING;
        if (!r->decoding) {
            r->rc = rdb_skip_value(&r->in, r->item.type);
        } else if (!(r->rc = rdb_string_peek(&r->in, &length_told))) {
            r->rc = rdb_string_value(&r->in, &s);
            CHECK(r->rc || s.is_integer || s.bytes.n == length_told);
        }
    }
    if (!r->rc) {
        r->decoding = false;
        r->rc = rdb_next(&r->in, &r->item);
    }
    CHECK(r->in.pos <= len);
    CHECK(!r->rc == !r->in.error[0]);
    CHECK(!r->rc || r->in.error_at <= len);
    CHECK(r->in.key.cap <= 256 + len * LZF_GAIN && r->in.text.cap <= 256 + len * LZF_GAIN);
}

static void reader_close(struct reader *r)
{
    rdb_in_close(&r->in);
    free(r->copy);
}

static void same_item(const struct rdb_item *a, const struct rdb_item *b)
{
    CHECK(a->kind == b->kind && a->type == b->type && a->db == b->db);
    CHECK(a->expiry_ms == b->expiry_ms && a->idle_s == b->idle_s && a->freq == b->freq);
    CHECK(a->key.n == b->key.n && (!a->key.n || bytes_equal(a->key, b->key)));
    CHECK(a->text.n == b->text.n && (!a->text.n || bytes_equal(a->text, b->text)));
}

/* Reads the input to its end or its first fault; whether it came to its end. */
static bool read_twice(void)
{
    struct reader a, b;
    reader_open(&a, true);
    reader_open(&b, false);
    CHECK(a.rc == b.rc);
    for (bool first = true; !a.rc && !(a.item.kind == RDB_ITEM_END && !first); first = false) {
        reader_step(&a, first);
        if (a.rc && a.decoding && rdb_skip_value(&b.in, b.item.type) == RC_OK)
            break; /* what is there is no string, but has its length */
        if (a.rc && a.decoding)
            b.rc = RC_INVALID;
        else
            reader_step(&b, first);
        CHECK(a.rc == b.rc);
        CHECK(a.rc ? a.in.error_at == b.in.error_at : a.in.pos == b.in.pos);
        if (!a.rc)
            same_item(&a.item, &b.item);
    }
    bool whole = !a.rc;
    reader_close(&a);
    reader_close(&b);
    return whole;
}

/* A payload whose checksum is right, whatever it holds. */
static void read_payload(void)
{
    struct rdb_in in;
    struct rdb_string s;
    enum rdb_type type;
    uint8_t footer[10] = {(uint8_t)rnd(13), 0};
    unsigned wanted = some_type();
    len = 0;
    byte(wanted);
    value(wanted);
    if (rnd(2))
        input[rnd((uint32_t)len)] = (uint8_t)rnd(256);
    if (rnd(4) == 0)
        len = rnd((uint32_t)len + 1);
    if (len > MOST_INPUT - sizeof(footer))
        len = MOST_INPUT - sizeof(footer);
    uint64_t sum = crc64(crc64(0, input, len), footer, 2);
    memcpy(footer + 2, &sum, 8);
    put(footer, sizeof(footer));
    uint8_t *copy = malloc(len);
    CHECK(copy);
    memcpy(copy, input, len);
    enum rc rc = rdb_in_open_dump(&in, (struct bytes){(char *)copy, len}, &type);
    CHECK(rc != RC_RANGE);
    if (!rc && type == RDB_STRING)
        rc = rdb_string_value(&in, &s);
    else if (!rc)
        rc = rdb_skip_value(&in, type);
    CHECK(in.pos <= len - sizeof(footer));
    rdb_in_close(&in);
    free(copy);
}

/* Any bytes as LZF: never more than was asked for. What was compressed comes back. */
static void lzf_round(void)
{
    size_t n = rnd(600), m = rnd(2000);
    uint8_t *in = malloc(n + 1), *out = malloc(m + 1), *back = malloc(n + 1);
    CHECK(in && out && back);
    for (size_t i = 0; i < n; i++)
        in[i] = (uint8_t)(rnd(3) ? rnd(256) : rnd(4) << 5);
    out[m] = 0xa5;
    lzf_decompress(in, n, out, m);
    CHECK(out[m] == 0xa5);
    size_t packed = lzf_compress(&table, in, n, out, m);
    CHECK(packed <= m && out[m] == 0xa5);
    if (packed)
        CHECK(lzf_decompress(out, packed, back, n) && memcmp(in, back, n) == 0);
    free(in);
    free(out);
    free(back);
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
    long seconds = 5;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seconds"))
            seconds = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(argv[i + 1], NULL, 10);
    }
    printf("fuzz_rdb --seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    random_state = seed * 2 + 1;
    time_t end = time(NULL) + seconds;
    uint64_t rounds = 0, whole = 0;
    for (; (rounds & 255) || time(NULL) < end; rounds++) {
        make_file();
        if (rnd(4))
            spoil();
        whole += read_twice();
        read_payload();
        lzf_round();
    }
    printf("%llu files, %llu of them read to their end\n", (unsigned long long)rounds,
           (unsigned long long)whole);
    return 0;
}
