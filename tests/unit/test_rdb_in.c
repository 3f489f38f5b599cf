/* A file with every type and mark of the format, built here by hand from the format's description: what is
 * read of it, and that every truncation and every flipped bit of it is noticed. */
#include "shm/base/crc64.h"
#include "shm/format/rdb_in.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- building ---- */

static uint8_t file[8192];
static size_t len;

static void put(const void *p, size_t n)
{
    CHECK(len + n <= sizeof(file));
    memcpy(file + len, p, n);
    len += n;
}
#define LIT(s) put(s, sizeof(s) - 1)
static void byte(unsigned v)
{
    uint8_t b = (uint8_t)v;
    put(&b, 1);
}
static void string(const char *s)
{
    byte((unsigned)strlen(s));
    put(s, strlen(s));
}
static void zeros(size_t n)
{
    while (n--)
        byte(0);
}
static void key(unsigned type, const char *name)
{
    byte(type);
    string(name);
}
static void finish(void)
{
    byte(RDB_MARK_END);
    uint64_t sum = crc64(0, file, len);
    put(&sum, 8);
}

static void header(const char *version)
{
    len = 0;
    LIT("REDIS");
    put(version, 4);
}

static void strings(void)
{
    key(RDB_STRING, "plain");
    string("value");
    byte(RDB_MARK_EXPIRY_MS);
    LIT("\x15\xcd\x5b\x07\0\0\0\0"); /* 123456789 */
    key(RDB_STRING, "int8");
    LIT("\xc0\xfb");
    byte(RDB_MARK_EXPIRY_S);
    LIT("\x10\x0e\0\0"); /* 3600 */
    byte(RDB_MARK_IDLE);
    LIT("\x41\x02"); /* 258 */
    key(RDB_STRING, "int16");
    LIT("\xc1\x39\x30"); /* 12345 */
    byte(RDB_MARK_FREQ);
    byte(200);
    key(RDB_STRING, "int32");
    LIT("\xc2\0\0\0\x80");
    byte(RDB_MARK_EXPIRY_S);
    LIT("\xff\xff\xff\xff"); /* a second before the epoch, not "none" */
    key(RDB_STRING, "past");
    LIT("\xc0\1");
    byte(RDB_STRING);
    LIT("\xc1\x39\x30"); /* a key that is a number */
    LIT("\xc3\x09\x40\x64\x01xx\xe0W\0\x01xx");
    byte(RDB_STRING);
    LIT("\xc3\x09\x40\x64\x01xx\xe0W\0\x01xx"); /* a key that is compressed */
    LIT("\x80\0\0\0\x03"
        "abc");
    key(RDB_STRING, "long length");
    LIT("\x81\0\0\0\0\0\0\0\x03"
        "abc");
}

static void collections(void)
{
    static const unsigned blobs[] = {RDB_HASH_ZIPMAP,   RDB_LIST_ZIPLIST, RDB_SET_INTSET,
                                     RDB_ZSET_ZIPLIST,  RDB_HASH_ZIPLIST, RDB_HASH_LISTPACK,
                                     RDB_ZSET_LISTPACK, RDB_SET_LISTPACK, RDB_HASH_LISTPACK_EXPIRING_RC};
    for (size_t i = 0; i < ARRAY_LEN(blobs); i++) {
        key(blobs[i], "blob");
        string("not looked into");
    }
    static const unsigned rows[] = {RDB_LIST, RDB_SET, RDB_LIST_QUICKLIST};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        key(rows[i], "row");
        LIT("\x03\x01"
            "a\xc0\x07\x02"
            "bc");
    }
    key(RDB_HASH, "hash");
    LIT("\x02\x01"
        "a\x01"
        "b\x01"
        "c\xc0\x01");
    key(RDB_ZSET, "zset");
    LIT("\x04\x01"
        "a\x03"
        "1.5\x01"
        "b\xff\x01"
        "c\xfe\x01"
        "d\xfd");
    key(RDB_ZSET_2, "zset2");
    LIT("\x01\x01"
        "a");
    zeros(8);
    key(RDB_LIST_QUICKLIST_2, "quicklist2");
    LIT("\x02\x01\x03"
        "abc\x02\x04pack");
    key(RDB_HASH_EXPIRING, "expiring");
    zeros(8);
    LIT("\x02\0\x01"
        "f\x01"
        "v\x42\x03\x01"
        "g\x01w");
    key(RDB_HASH_EXPIRING_RC, "expiring rc");
    LIT("\x01\x81\0\0\x01\x90\0\0\0\0\x01"
        "f\x01v");
    key(RDB_HASH_LISTPACK_EXPIRING, "expiring listpack");
    zeros(8);
    string("listpack");
}

static void stream(unsigned type, unsigned lengths, unsigned group_lengths, unsigned consumer_bytes)
{
    key(type, "stream");
    byte(1);
    string("0123456789abcdef");
    string("listpack");
    zeros(lengths);
    byte(1); /* a group */
    string("group");
    zeros(group_lengths);
    byte(2); /* pending */
    zeros(24);
    byte(1);
    zeros(24);
    LIT("\x41\x01");
    byte(2); /* consumers */
    string("one");
    zeros(consumer_bytes);
    byte(1);
    zeros(16);
    string("two");
    zeros(consumer_bytes);
    byte(0);
}

static void module_parts(void)
{
    LIT("\x01\x05\x02\x44\x01\x03....\x04........\x05\x03"
        "abc");
    byte(0);
}

static void file_make(const char *version)
{
    header(version);
    byte(RDB_MARK_AUX);
    string("redis-ver");
    string("7.4.0");
    byte(RDB_MARK_AUX);
    string("redis-bits");
    LIT("\xc0\x40");
    byte(RDB_MARK_FUNCTION);
    string("#!lua name=x");
    byte(RDB_MARK_MODULE_AUX);
    LIT("\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x01");
    module_parts();
    byte(RDB_MARK_SELECT);
    byte(0);
    byte(RDB_MARK_SIZES);
    LIT("\x41\x05\x02");
    strings();
    byte(RDB_MARK_SELECT);
    byte(9);
    byte(RDB_MARK_SLOT_INFO);
    LIT("\x01\x02\x03");
    collections();
    stream(RDB_STREAM_LISTPACKS, 3, 2, 8);
    stream(RDB_STREAM_LISTPACKS_2, 8, 3, 8);
    stream(RDB_STREAM_LISTPACKS_3, 8, 3, 16);
    key(RDB_MODULE_2, "module");
    LIT("\x81\x01\x02\x03\x04\x05\x06\x07\x08");
    module_parts();
    key(RDB_STRING, "last");
    string("of all");
    finish();
}

/* ---- reading ---- */

static struct rdb_in in;
static struct rdb_item item;

static bool text_is(struct bytes b, const char *s)
{
    return bytes_equal(b, (struct bytes){s, strlen(s)});
}

static void expect(enum rdb_kind kind)
{
    CHECKF(!rdb_next(&in, &item), "%s at %zu", in.error, in.error_at);
    CHECKF(item.kind == kind, "%d at %zu, not %d", item.kind, in.pos, kind);
}

static void expect_key(enum rdb_type type, const char *name)
{
    expect(RDB_ITEM_KEY);
    CHECKF(item.type == type && text_is(item.key, name), "%.*s", (int)item.key.n, item.key.p);
}

static void expect_bytes(const char *name, const char *value)
{
    struct rdb_string s;
    uint64_t length;
    expect_key(RDB_STRING, name);
    CHECK(!rdb_string_peek(&in, &length) && length == strlen(value));
    CHECKF(!rdb_string_value(&in, &s) && !s.is_integer && text_is(s.bytes, value), "%s", name);
}

static void expect_integer(const char *name, int64_t value)
{
    struct rdb_string s;
    expect_key(RDB_STRING, name);
    CHECK(!rdb_string_value(&in, &s) && s.is_integer && s.integer == value);
}

static void expect_strings(const char *x100)
{
    expect_bytes("plain", "value");
    CHECK(item.expiry_ms == -1 && item.idle_s == -1 && item.freq == -1);
    expect_integer("int8", -5);
    CHECK(item.expiry_ms == 123456789 && item.idle_s == -1);
    expect_integer("int16", 12345);
    CHECK(item.expiry_ms == 3600000 && item.idle_s == 258 && item.freq == -1);
    expect_integer("int32", INT32_MIN);
    CHECK(item.expiry_ms == -1 && item.idle_s == -1 && item.freq == 200);
    expect_integer("past", 1);
    CHECK(item.expiry_ms == -1000);
    expect_bytes("12345", x100);
    expect_bytes(x100, "abc");
    expect_bytes("long length", "abc");
}

static void reads_all(void)
{
    static const struct {
        enum rdb_type type;
        const char *name;
    } others[] = {
        {RDB_HASH_ZIPMAP, "hash"},
        {RDB_LIST_ZIPLIST, "list"},
        {RDB_SET_INTSET, "set"},
        {RDB_ZSET_ZIPLIST, "zset"},
        {RDB_HASH_ZIPLIST, "hash"},
        {RDB_HASH_LISTPACK, "hash"},
        {RDB_ZSET_LISTPACK, "zset"},
        {RDB_SET_LISTPACK, "set"},
        {RDB_HASH_LISTPACK_EXPIRING_RC, "hash"},
        {RDB_LIST, "list"},
        {RDB_SET, "set"},
        {RDB_LIST_QUICKLIST, "list"},
        {RDB_HASH, "hash"},
        {RDB_ZSET, "zset"},
        {RDB_ZSET_2, "zset"},
        {RDB_LIST_QUICKLIST_2, "list"},
        {RDB_HASH_EXPIRING, "hash"},
        {RDB_HASH_EXPIRING_RC, "hash"},
        {RDB_HASH_LISTPACK_EXPIRING, "hash"},
        {RDB_STREAM_LISTPACKS, "stream"},
        {RDB_STREAM_LISTPACKS_2, "stream"},
        {RDB_STREAM_LISTPACKS_3, "stream"},
        {RDB_MODULE_2, "module"},
    };
    char x100[101];
    memset(x100, 'x', 100);
    x100[100] = 0;
    expect(RDB_ITEM_AUX);
    CHECK(text_is(item.key, "redis-ver") && text_is(item.text, "7.4.0"));
    expect(RDB_ITEM_AUX);
    CHECK(text_is(item.key, "redis-bits") && text_is(item.text, "64"));
    expect(RDB_ITEM_FUNCTION);
    CHECK(text_is(item.text, "#!lua name=x"));
    expect(RDB_ITEM_MODULE_AUX);
    CHECK(text_is(item.text, "AQIDBAUGB")); /* 36 bits and what follows, six at a time */
    expect(RDB_ITEM_SELECT);
    CHECK(item.db == 0);
    expect(RDB_ITEM_SIZES);
    CHECK(item.keys == 261 && item.expires == 2);
    expect_strings(x100);
    expect(RDB_ITEM_SELECT);
    CHECK(item.db == 9);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        expect(RDB_ITEM_KEY);
        CHECKF(item.type == others[i].type && item.db == 9, "%zu", i);
        CHECKF(!rdb_skip_value(&in, item.type), "%zu: %s at %zu", i, in.error, in.error_at);
        CHECK(strcmp(rdb_type_name(item.type), others[i].name) == 0);
    }
    expect_bytes("last", "of all");
    expect(RDB_ITEM_END);
    CHECK(in.pos == len);
}

static void open_file(bool verify)
{
    CHECKF(!rdb_in_open(&in, (struct bytes){(char *)file, len}, verify), "%s", in.error);
}

/* From a copy that is just as long, so that a sanitizer sees a byte too many. */
static enum rc read_through(const uint8_t *p, size_t n, bool decode)
{
    uint8_t *copy = malloc(n ? n : 1);
    CHECK(copy);
    memcpy(copy, p, n);
    enum rc rc = rdb_in_open(&in, (struct bytes){(char *)copy, n}, true);
    while (!rc && !(rc = rdb_next(&in, &item)) && item.kind != RDB_ITEM_END) {
        struct rdb_string s;
        if (item.kind == RDB_ITEM_KEY)
            rc = decode && item.type == RDB_STRING ? rdb_string_value(&in, &s)
                                                   : rdb_skip_value(&in, item.type);
    }
    CHECK(!rc == !in.error[0]);
    CHECK(!rc || in.error_at <= n);
    rdb_in_close(&in);
    free(copy);
    return rc;
}

static void every_damage(void)
{
    for (int decode = 0; decode < 2; decode++) {
        CHECK(!read_through(file, len, decode));
        for (size_t n = 0; n < len; n++)
            CHECKF(read_through(file, n, decode), "cut at %zu", n);
        for (size_t bit = 0; bit < len * 8; bit++) {
            file[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECKF(read_through(file, len, decode), "bit %zu of byte %zu", bit % 8, bit / 8);
            file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

/* ---- versions, checksums, single faults ---- */

static void versions(void)
{
    char text[8];
    for (unsigned v = 0; v < 20; v++) {
        snprintf(text, sizeof(text), "%04u", v);
        header(text);
        key(RDB_STRING, "k");
        string("v");
        byte(RDB_MARK_END);
        uint64_t sum = crc64(0, file, len);
        if (v >= 5)
            put(&sum, 8);
        CHECKF(!read_through(file, len, true) == (v >= 1 && v <= RDB_VERSION_MAX), "version %u", v);
        file[len - 1] ^= v >= 5; /* of the checksum, which older versions do not have */
        CHECKF(!read_through(file, len, true) == (v >= 1 && v < 5), "version %u", v);
    }
    CHECK(read_through((const uint8_t *)"REDIS000x\xff", 10, true));
    CHECK(read_through((const uint8_t *)"redis0003\xff", 10, true));
}

static void checksums(void)
{
    file_make("0010");
    memset(file + len - 8, 0, 8); /* was not computed */
    CHECK(!read_through(file, len, true));
    file[len - 8] = 1;
    CHECK(read_through(file, len, true));
    open_file(false);
    reads_all();
    rdb_in_close(&in);
    file_make("0010");
    LIT("*1\r\n$4\r\nPING\r\n"); /* an AOF behind its preamble */
    CHECK(!read_through(file, len, true));
}

/* Reads a file of these items (with a right checksum) and expects this error at this place. */
static void faulty(const char *bytes, size_t n, size_t at, const char *words)
{
    header("0010");
    put(bytes, n);
    finish();
    CHECK(read_through(file, len, true) == RC_INVALID || strstr(words, "module"));
    CHECKF(in.error_at == at && strstr(in.error, words), "%s at %zu", in.error, in.error_at);
}
#define FAULTY(s, at, words) faulty(s, sizeof(s) - 1, at, words)

static void faults(void)
{
    FAULTY("\x08\x01k\x01v", 9, "the byte 8 is neither");
    FAULTY("\xf6\x01x", 9, "release candidates");
    FAULTY("\xfc\0\0\0\0\0\0\0\0\xfe\0", 18, "without a key");
    FAULTY("\0\x01k\xc4", 12, "the byte 196 begins no string");
    FAULTY("\0\x01k\x82", 12, "the byte 130 begins no length");
    FAULTY("\0\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff", 21, "in the middle");
    FAULTY("\x01\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff", 12, "18446744073709551615 elements");
    FAULTY("\x04\x01k\x81\x80\0\0\0\0\0\0\0", 12, "9223372036854775808 elements");
    FAULTY("\0\x01k\xc3\x02\x81\0\0\0\x10\0\0\0\0\x01xx", 12, "2 compressed bytes cannot become 68719476736");
    FAULTY("\0\x01k\xc3\x03\x04\x01xx", 15, "compressed string is damaged");
    FAULTY("\x12\x01k\x01\x03\x01x", 13, "unknown kind 3");
    FAULTY("\x07\x01k\x01\x06", 13, "unknown kind 6");
    FAULTY("\xf7\x01\x01\x01\0", 11, "unknown kind 1");
    FAULTY("\x06\x01k\x01", 12, "module");
}

static void string_limit(void)
{
    struct rdb_string s;
    header("0010");
    key(RDB_STRING, "k");
    LIT("\xc3\x09\x40\x64\x01xx\xe0W\0\x01xx");
    finish();
    for (unsigned max = 99; max < 102; max++) {
        open_file(true);
        in.string_max = max;
        CHECK(!rdb_next(&in, &item));
        CHECK(!rdb_string_value(&in, &s) == (max >= 100));
        rdb_in_close(&in);
    }
}

static void refusal(void)
{
    header("0010");
    key(RDB_ZSET_LISTPACK, "a \"quoted\" key\n that is longer than is shown");
    string("x");
    finish();
    open_file(true);
    CHECK(!rdb_next(&in, &item) && rdb_refuse_type(&in, &item) == RC_NOTYPE);
    CHECKF(strcmp(in.error, "the type zset of key \"a \\\"quoted\\\" key\\n that is longer t\"... is not "
                            "supported yet") == 0,
           "%s", in.error);
    CHECK(rdb_next(&in, &item) == RC_INVALID); /* it stays failed */
    rdb_in_close(&in);
}

static void dumps(void)
{
    /* redis-server 7.0's DUMP of the number 5. */
    char five[] = "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51";
    struct bytes b = {five, sizeof(five) - 1};
    struct rdb_string s;
    enum rdb_type type;
    CHECK(!rdb_in_open_dump(&in, b, &type) && type == RDB_STRING);
    CHECK(!rdb_string_value(&in, &s) && s.is_integer && s.integer == 5);
    CHECK(rdb_string_value(&in, &s) == RC_INVALID); /* the footer is out of reach */
    rdb_in_close(&in);
    for (size_t bit = 0; bit < b.n * 8; bit++) {
        five[bit / 8] ^= (char)(1u << bit % 8);
        CHECK(rdb_in_open_dump(&in, b, &type) == RC_RANGE);
        five[bit / 8] ^= (char)(1u << bit % 8);
    }
    for (size_t n = 0; n < b.n; n++)
        CHECK(rdb_in_open_dump(&in, (struct bytes){five, n}, &type) == RC_RANGE);
    for (unsigned version = 0; version < 300; version++) {
        uint8_t p[13] = {0, 0xc0, 5, (uint8_t)version, (uint8_t)(version >> 8)};
        uint64_t sum = crc64(0, p, 5);
        memcpy(p + 5, &sum, 8);
        b = (struct bytes){(char *)p, 13};
        CHECK(!rdb_in_open_dump(&in, b, &type) == (version <= RDB_VERSION_MAX));
    }
    uint8_t p[10] = {10, 0}, strange[11] = {99, 10, 0};
    uint64_t sum = crc64(0, p, 2), strange_sum = crc64(0, strange, 3);
    memcpy(p + 2, &sum, 8);
    memcpy(strange + 3, &strange_sum, 8);
    CHECK(rdb_in_open_dump(&in, (struct bytes){(char *)p, 10}, &type) == RC_INVALID);
    CHECK(rdb_in_open_dump(&in, (struct bytes){(char *)strange, 11}, &type) == RC_INVALID);
}

int main(void)
{
    file_make("0012");
    open_file(true);
    reads_all();
    rdb_in_close(&in);
    file_make("0010"); /* no single bit makes of this a version without a checksum */
    every_damage();
    versions();
    checksums();
    faults();
    string_limit();
    refusal();
    dumps();
    return 0;
}
