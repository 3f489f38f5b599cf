/* Fuzzes the reader of RDB files and payloads, and LZF: fuzz_rdb [--seconds N] [--seed S].
 *
 * Each round makes a file out of the format's own pieces, mostly right, spoils it, and reads it twice: by a
 * reader that decodes strings and one that skips all values. Both must see the same items, and stop at the
 * same place, unless it is the decoding itself that fails. Every buffer is a block of exactly its size, so
 * that a build with sanitizers notices a step outside; memory must stay in proportion to the file. Payloads in which nothing
 * is wrong are put under a key, and written again: as many elements must come back. */
#include "shm/base/crc64.h"
#include "shm/base/lzf.h"
#include "shm/config.h"
#include "shm/format/rdb_build.h"
#include "shm/format/rdb_out.h"
#include "shm/library.h"
#include "shm/repair.h"
#include "shm/types/dict.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_INPUT = 1 << 14 };

static uint32_t rnd(uint32_t below)
{
    return (uint32_t)chance(below);
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

/* ---- blobs: built aside, then a string of the input ---- */

static uint8_t blob[2048];
static size_t blob_len;

static void add(const void *p, size_t n)
{
    CHECK(n <= sizeof(blob) - blob_len);
    memcpy(blob + blob_len, p, n);
    blob_len += n;
}

static void add_little(uint64_t v, unsigned bytes)
{
    if (rnd(500) == 0)
        v += rnd(3) - 1;
    add(&v, bytes);
}

static void put_blob(void)
{
    uint8_t packed[sizeof(blob)];
    if (rnd(8) == 0)
        blob[rnd((uint32_t)blob_len)] = (uint8_t)rnd(256);
    if (rnd(40) == 0)
        blob_len = rnd((uint32_t)blob_len + 1);
    size_t n = rnd(3) ? 0 : lzf_compress(&table, blob, blob_len, packed, blob_len);
    if (n) {
        byte(0xc3);
        length(n);
    }
    length(blob_len);
    put(n ? packed : blob, n ? n : blob_len);
}

/* Most names come once. */
static size_t name(char text[64], unsigned i)
{
    return (size_t)snprintf(text, 64, "%s%u%.*s", rnd(3) ? "name:" : "", rnd(200) ? i : 0, (int)rnd(20),
                            "a longer name than that");
}

static void ziplist_item(const char *p, size_t n, size_t *before)
{
    size_t from = blob_len;
    add_little(*before, 1);
    if (rnd(3) == 0) {
        static const uint8_t kinds[] = {0xc0, 0xd0, 0xe0, 0xf0, 0xfe, 0xf1, 0xf9, 0xfd};
        static const uint8_t bytes[] = {2, 4, 8, 3, 1, 0, 0, 0};
        unsigned k = rnd(8);
        add(&kinds[k], 1);
        add_little(rnd(UINT32_MAX), bytes[k]);
    } else {
        if (rnd(4) == 0)
            add((uint8_t[]){0x40, (uint8_t)n}, 2);
        else
            add_little(n, 1);
        add(p, n);
    }
    *before = blob_len - from;
}

static void listpack_item(const char *p, size_t n)
{
    size_t from = blob_len;
    if (rnd(3) == 0) {
        static const uint8_t kinds[] = {0xf1, 0xf2, 0xf3, 0xf4, 0x00, 0x7f, 0xc5, 0xdf};
        static const uint8_t bytes[] = {2, 3, 4, 8, 0, 0, 1, 1};
        unsigned k = rnd(8);
        add(&kinds[k], 1);
        add_little(rnd(UINT32_MAX), bytes[k]);
    } else {
        if (rnd(4) == 0)
            add((uint8_t[]){0xe0, (uint8_t)n}, 2);
        else
            add_little(0x80 | n, 1);
        add(p, n);
    }
    add_little(blob_len - from, 1);
}

/* Items that are mostly all different; scores: each second is a number as text. */
static void items(bool ziplist, unsigned n, bool scores)
{
    char text[64];
    size_t before = 0, tail = 10;
    blob_len = ziplist ? 10 : 6;
    for (unsigned i = 0; i < n; i++) {
        size_t m = scores && i % 2 ? (size_t)snprintf(text, 64, "%u.5", rnd(1000)) : name(text, i);
        tail = blob_len;
        if (ziplist)
            ziplist_item(text, m, &before);
        else
            listpack_item(text, m);
    }
    add_little(255, 1);
    size_t end = blob_len;
    blob_len = 0;
    add_little(end, 4);
    if (ziplist)
        add_little(n ? tail : 10, 4);
    add_little(n, 2);
    blob_len = end;
    put_blob();
}

static uint64_t moment(void)
{
    return rnd(30) ? 1700000000000ull + rnd(100000) : rnd(2) ? rnd(3) : (uint64_t)rnd(UINT32_MAX) << rnd(33);
}

/* Fields, values and when they expire. */
static void threes(unsigned n)
{
    static const uint8_t eight = 0xf4, never = 0;
    char text[64];
    blob_len = 6;
    for (unsigned i = 0; i < 3 * n; i++) {
        if (i % 3 < 2) {
            listpack_item(text, name(text, i));
        } else if (rnd(3)) {
            add(&eight, 1);
            add_little(moment(), 8);
            add_little(9, 1);
        } else {
            add(&never, 1);
            add_little(1, 1);
        }
    }
    add_little(255, 1);
    size_t end = blob_len;
    blob_len = 0;
    add_little(end, 4);
    add_little(3ull * n, 2);
    blob_len = end;
    put_blob();
}

static void intset(void)
{
    unsigned n = rnd(20), width = 2u << rnd(3);
    int64_t v = -(int64_t)rnd(2000);
    blob_len = 0;
    add_little(width, 4);
    add_little(n, 4);
    while (n--) {
        add_little((uint64_t)v, width);
        v += 1 + rnd(100);
    }
    put_blob();
}

static void zipmap(void)
{
    unsigned n = rnd(10);
    char text[64];
    blob_len = 0;
    add_little(rnd(3) ? n : 254, 1);
    for (unsigned i = 0; i < n; i++) {
        size_t m = name(text, i);
        unsigned spare = rnd(4);
        add_little(m, 1);
        add(text, m);
        add_little(m, 1);
        add_little(spare, 1);
        add(text, m);
        add("????", spare);
    }
    add_little(255, 1);
    put_blob();
}

static void ziplist_node(void)
{
    items(true, rnd(20), false);
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
    bool plain = rnd(2);
    length(plain ? 1 : 2);
    if (plain)
        string();
    else
        items(false, rnd(20), false);
}

static void expiring(void)
{
    length(rnd(3) ? rnd(1000) : rnd(20) ? 0 : moment());
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

static void first_moment(void)
{
    uint64_t ms = moment();
    if (rnd(30))
        put(&ms, 8);
    else
        noise(8);
}

static void value(unsigned type)
{
    switch (type) {
    case RDB_LIST:
    case RDB_SET:
        many(string, 1);
        return;
    case RDB_LIST_QUICKLIST:
        many(ziplist_node, 1);
        return;
    case RDB_LIST_ZIPLIST:
    case RDB_HASH_ZIPLIST:
    case RDB_ZSET_ZIPLIST:
        items(true, 2 * rnd(20), type == RDB_ZSET_ZIPLIST);
        return;
    case RDB_HASH_LISTPACK:
    case RDB_ZSET_LISTPACK:
    case RDB_SET_LISTPACK:
        items(false, 2 * rnd(20), type == RDB_ZSET_LISTPACK);
        return;
    case RDB_SET_INTSET:
        intset();
        return;
    case RDB_HASH_ZIPMAP:
        zipmap();
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
        first_moment();
        many(expiring, 1);
        return;
    case RDB_HASH_EXPIRING_RC:
        many(expiring, 1);
        return;
    case RDB_HASH_LISTPACK_EXPIRING:
        first_moment();
        threes(rnd(15));
        return;
    case RDB_HASH_LISTPACK_EXPIRING_RC:
        threes(rnd(15));
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

static uint64_t moments; /* the sum of when the elements expire that were looked at last */

/* How many elements there are, and nothing of them: only that each can be looked at. */
static enum rc elements(struct rdb_in *in, enum rdb_type type, uint64_t *n)
{
    static volatile char sink;
    struct rdb_values v;
    struct rdb_element e;
    enum rc rc = rdb_values_open(&v, in, type);
    moments = 0;
    for (*n = 0; !rc && !(rc = rdb_values_next(&v, &e)); ++*n) {
        for (size_t i = 0; i < e.item.n; i++)
            sink = e.item.p[i];
        for (size_t i = 0; i < e.value.n; i++)
            sink = e.value.p[i];
        CHECK(e.score == e.score);
        CHECK(e.until_ms >= 0 && e.until_ms <= UNTIL_MAX);
        moments += (uint64_t)e.until_ms;
    }
    (void)sink;
    CHECK(v.more.cap <= 256 + in->n * LZF_GAIN);
    rdb_values_close(&v);
    return rc == RC_MISSING ? RC_OK : rc;
}

/* To the next item, over the value of the one before. */
static void reader_step(struct reader *r, bool first)
{
    struct rdb_string s;
    uint64_t length_told = 0;
    r->decoding = false;
    if (!first && r->item.kind == RDB_ITEM_KEY) {
        bool collection = rdb_collection_type(r->item.type) >= 0;
        r->decoding = r->decodes && (r->item.type == RDB_STRING || collection);
        if (r->decoding && collection) {
            r->rc = elements(&r->in, r->item.type, &length_told);
        } else if (!r->decoding) {
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
        bool inside =
            a.decoding && a.item.type != RDB_STRING; /* who skips passes over what is wrong in a blob */
        CHECK(a.rc ? inside || a.in.error_at == b.in.error_at : a.in.pos == b.in.pos);
        if (!a.rc)
            same_item(&a.item, &b.item);
    }
    bool whole = !a.rc;
    reader_close(&a);
    reader_close(&b);
    return whole;
}

/* ---- putting ---- */

static struct shm_ctx ctx;
static struct shm_config cfg;
static uint64_t puts_done;

/* As a whole; or of a list so much, and the rest of it some at a time, as it may be with anything. */
static enum rc build(struct rdb_in *in, enum rdb_type type, uint64_t whole, struct tx *tx, struct key_ref *k)
{
    static struct rdb_build b;
    enum rc rc = rdb_build_open(&b, in, type, &cfg, 1);
    if (!rc && whole) {
        rc = rdb_build_whole(&b, tx, k, whole);
        b.begun = !rc;
        CHECK(rc != RC_RANGE || whole != UINT64_MAX);
        rc = rc == RC_RANGE ? RC_OK : rc;
    }
    while (!rc && whole != UINT64_MAX && !(rc = rdb_build_read(&b))) {
        rc = rdb_build_put(&b, tx, k);
        rdb_build_next(&b);
    }
    rdb_build_close(&b);
    return b.begun && rc == RC_MISSING ? RC_OK : rc;
}

static void written_again(const struct shm_entry *e, uint64_t wanted)
{
    struct rdb_out out;
    struct rdb_in in;
    enum rdb_type type;
    uint64_t n, were = moments;
    CHECK(!rdb_out_open(&out, 256, NULL, NULL) && !rdb_out_dump(&out, e));
    CHECK(!rdb_in_open_dump(&in, (struct bytes){out.buf, out.len}, &type));
    CHECK(!elements(&in, type, &n));
    CHECKF(n == wanted, "%llu elements became %llu", (unsigned long long)wanted, (unsigned long long)n);
    CHECKF(moments == were, "elements expire at other moments");
    rdb_in_close(&in);
    rdb_out_close(&out);
}

/* Puts it under the key; n: the elements that it has if it is sound. If not, nothing may change, though this is committed. */
static void put_key(struct rdb_in *in, enum rdb_type type, uint64_t whole, bool sound, uint64_t n,
                    struct key_ref *k)
{
    struct tx tx;
    size_t at = in->pos;
    k->table = db_table(ctx.root, 0);
    k->hash = key_hash(ctx.root, k->key);
    CHECK(batch_enter(&ctx));
    key_locate(k);
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, k));
    uint64_t was = k->entry;
    enum rc rc = build(in, type, whole, &tx, k);
    CHECKF(sound ? !rc : rc == RC_INVALID || rc == RC_MISSING, "%d, %s", rc, in->error);
    if (sound)
        written_again(key_entry(k), n);
    else
        CHECK(k->entry == was);
    tx_commit(&tx);
    batch_leave(&ctx);
    trees_step(&ctx, 100);
    in->pos = at;
}

/* Both ways come to the same. */
static void put_collection(struct rdb_in *in, enum rdb_type type)
{
    struct key_ref k = {.key = BYTES_LIT("k")}, parts = {.key = BYTES_LIT("parts")};
    size_t at = in->pos;
    uint64_t n = 0;
    bool sound = !rdb_build_check(in, type, ctx.root) && !elements(in, type, &n);
    in->pos = at;
    put_key(in, type, UINT64_MAX, sound, n, &k);
    if (!sound)
        return;
    put_key(in, type, rnd(2) ? 1 + rnd(100) : 0, sound, n, &parts);
    const struct shm_entry *a = key_entry(&k), *b = key_entry(&parts);
    CHECKF(a->type_enc == b->type_enc && (a->flags & ENTRY_TREE) == (b->flags & ENTRY_TREE), "%u %u, %u %u",
           a->type_enc, a->flags, b->type_enc, b->flags);
    in->pos = in->n;
    puts_done++;
}

static void arena_make(void)
{
    struct arena_sizes sizes = {.arena_bytes = 64ull << 20, .nslots = 2, .ndbs = 1, .nsessions = 16};
    struct shm_table *t;
    int fd;
    config_defaults(&cfg);
    CHECK(!arena_create(&sizes, &fd));
    slot_adopt(&ctx, 1, ROLE_WORKER, 0);
    CHECK(!db_table_make(&ctx, 0, &t));
}

/* A payload whose checksum is right, whatever it holds. */
static void read_payload(void)
{
    struct rdb_in in;
    struct rdb_string s;
    enum rdb_type type;
    uint8_t footer[10] = {(uint8_t)rnd(13), 0};
    unsigned wanted = rnd(2)   ? some_type()
                      : rnd(6) ? 1 + rnd(RDB_SET_LISTPACK)
                               : RDB_HASH_EXPIRING_RC + rnd(RDB_TYPE_LIMIT - RDB_HASH_EXPIRING_RC);
    wanted = wanted == 8 || wanted == RDB_MODULE_1 ? RDB_LIST : wanted;
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
    else if (!rc && rdb_collection_type(type) >= 0)
        put_collection(&in, type);
    else if (!rc)
        rc = rdb_skip_value(&in, type);
    CHECK(in.pos <= len - sizeof(footer));
    rdb_in_close(&in);
    free(copy);
}

/* A payload of FUNCTION DUMP whose checksum is right: libraries, something else among them, and spoiled bytes. What can be
 * read is packed, and found again. */
static void read_functions(void)
{
    struct rdb_in in;
    struct bytes code;
    struct library_pack packed = {0};
    struct library lib;
    uint8_t footer[10] = {RDB_VERSION_OUT, 0};
    len = 0;
    for (unsigned i = rnd(5); i; i--) {
        byte(rnd(8) ? RDB_MARK_FUNCTION : rnd(256));
        string();
    }
    if (len && rnd(2))
        input[rnd((uint32_t)len)] = (uint8_t)rnd(256);
    len = len > MOST_INPUT - sizeof(footer) ? MOST_INPUT - sizeof(footer) : len;
    uint64_t sum = crc64(crc64(0, input, len), footer, 2);
    memcpy(footer + 2, &sum, 8);
    put(footer, sizeof(footer));
    uint8_t *copy = malloc(len);
    CHECK(copy);
    memcpy(copy, input, len);
    unsigned n = 0, found = 0;
    CHECK(!rdb_in_open_functions(&in, (struct bytes){(char *)copy, len}));
    enum rc rc;
    for (; !(rc = rdb_in_function(&in, &code)); n++)
        library_pack(&packed, &(struct library){.name = code, .code = code, .functions = {"", 0}});
    CHECK(rc == RC_MISSING || rc == RC_NOTYPE || rc == RC_INVALID);
    CHECK(in.pos <= len - sizeof(footer) && in.text.cap <= 256 + len * LZF_GAIN);
    for (struct bytes rest = {packed.p, packed.n}; library_next(&rest, &lib); found++)
        CHECK(bytes_equal(lib.name, lib.code));
    CHECK(found == n);
    rdb_in_close(&in);
    free(packed.p);
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
    fuzz_begin(argc, argv, "fuzz_rdb");
    char why[1000];
    arena_make();
    uint64_t rounds = 0, whole = 0;
    for (; fuzz_goes_on(rounds); rounds++) {
        make_file();
        if (rnd(4))
            spoil();
        whole += read_twice();
        read_payload();
        read_functions();
        lzf_round();
    }
    CHECKF(!arena_check(why, sizeof(why)), "%s", why);
    printf("%llu files, %llu of them read to their end; %llu collections put\n", (unsigned long long)rounds,
           (unsigned long long)whole, (unsigned long long)puts_done);
    return 0;
}
