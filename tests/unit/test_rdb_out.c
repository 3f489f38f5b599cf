/* Entries of every shape, written through buffers of many sizes and read again; payloads of DUMP as
 * redis-server 7.0 makes them; failing flushes. */
#include "shm/config.h"
#include "shm/evict.h"
#include "shm/format/rdb_in.h"
#include "shm/format/rdb_out.h"
#include "shm/types/string.h"
#include "tests/lib/chance.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

static struct shm_config cfg;

#define NOW  1800000000000ll
#define KEYS 60u
#define LONG 1000000u

/* ---- entries ---- */

static struct {
    struct bytes key, value;
    int64_t expiry_ms;
    const struct shm_entry *e;
} model[KEYS];

static struct bytes copy_of(const void *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    CHECK(copy);
    memcpy(copy, p, n);
    return (struct bytes){copy, n};
}

static struct bytes text_of(size_t n, unsigned letters)
{
    char *p = malloc(n ? n : 1);
    CHECK(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(letters == 1 ? 'x' : chance(letters));
    return (struct bytes){p, n};
}

static struct bytes value_of(unsigned i)
{
    static const char *const numbers[] = {
        "0",  "-1", "127", "-129", "32767", "-32769", "2147483647", "2147483648", "-9223372036854775808",
        "007"};
    static const size_t lengths[] = {0, 1, 11, 20, 21, 44, 45, 63, 64, 300, 4096, 5000, 16383, 16384, 70000};
    if (i < ARRAY_LEN(numbers))
        return copy_of(numbers[i], strlen(numbers[i]));
    if (i == KEYS - 1)
        return text_of(LONG, 1);
    if (i == KEYS - 2)
        return text_of(LONG, 256);
    if (i == KEYS - 3)
        return text_of(LONG, 4);
    return text_of(lengths[i % ARRAY_LEN(lengths)], i % 3 == 0 ? 1 : i % 3 == 1 ? 3 : 256);
}

static const struct shm_entry *entry_put(struct bytes key, struct bytes value, int64_t expiry_ms,
                                         uint32_t clock)
{
    struct tx tx;
    struct key_ref k = {.key = key};
    CHECK(!db_table_make(&ctx, 0, &k.table));
    k.hash = key_hash(ctx.root, key);
    key_locate(&k);
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k) && !string_set(&tx, &k, value, expiry_ms, clock));
    struct shm_entry *e = key_entry(&k);
    tx_commit(&tx);
    return e;
}

static void model_make(void)
{
    char name[400];
    for (unsigned i = 0; i < KEYS; i++) {
        size_t n = (size_t)sprintf(name, "%s%u", i % 4 ? "key:" : "", i);
        if (i % 7 == 0)
            memset(name + n, 'k', 300), n += 300;
        model[i].key = copy_of(name, n);
        model[i].value = value_of(i);
        model[i].expiry_ms = i % 5 ? -1 : NOW + i;
        model[i].e = entry_put(model[i].key, model[i].value, model[i].expiry_ms, 1000 + i);
    }
}

/* ---- where it is flushed to ---- */

static struct {
    char *p;
    size_t n, room;
    unsigned calls, fail_at; /* 0: never */
} sink;

static enum rc sink_take(void *arg, const char *p, size_t n)
{
    CHECK(arg == &sink && n);
    if (++sink.calls == sink.fail_at)
        return RC_IO;
    CHECK(!sink.fail_at || sink.calls < sink.fail_at); /* it is not called again */
    if (sink.n + n > sink.room)
        CHECK(sink.p = realloc(sink.p, sink.room = (sink.n + n) * 2));
    memcpy(sink.p + sink.n, p, n);
    sink.n += n;
    return RC_OK;
}

static enum rc write_all(struct rdb_out *out)
{
    rdb_out_header(out,
                   &(struct rdb_facts){.now_s = NOW / 1000, .used_bytes = 123456789012, .aof_base = true});
    rdb_out_aux(out, "skep-lsn", BYTES_LIT("12345678901234"));
    rdb_out_select(out, 0, KEYS, KEYS / 5);
    for (unsigned i = 0; i < KEYS; i++)
        rdb_out_entry(out, model[i].e, &cfg, NOW);
    return rdb_out_end(out);
}

/* ---- reading it again ---- */

static void aux_is(struct rdb_in *in, const char *name, const char *value)
{
    struct rdb_item item;
    CHECK(!rdb_next(in, &item) && item.kind == RDB_ITEM_AUX);
    CHECK(bytes_equal(item.key, (struct bytes){name, strlen(name)}));
    CHECKF(bytes_equal(item.text, (struct bytes){value, strlen(value)}), "%s: %.*s", name, (int)item.text.n,
           item.text.p);
}

static void key_is(struct rdb_in *in, unsigned i)
{
    struct rdb_item item;
    struct rdb_string s;
    char digits[STRING_DIGITS];
    CHECKF(!rdb_next(in, &item) && item.kind == RDB_ITEM_KEY, "%u: %s", i, in->error);
    CHECKF(bytes_equal(item.key, model[i].key) && item.expiry_ms == model[i].expiry_ms, "%u", i);
    bool lru = evict_is_lru(cfg.maxmemory_policy), lfu = evict_is_lfu(cfg.maxmemory_policy);
    CHECK(item.idle_s == (lru ? (int64_t)evict_idle_seconds(1000 + i, NOW) : -1));
    CHECK(item.freq == (lfu ? (int)evict_frequency(1000 + i, &cfg, NOW) : -1));
    CHECK(!rdb_string_value(in, &s));
    if (s.is_integer)
        s.bytes = (struct bytes){digits, (size_t)sprintf(digits, "%lld", (long long)s.integer)};
    CHECKF(bytes_equal(s.bytes, model[i].value), "%u", i);
}

static void read_all(struct bytes file)
{
    struct rdb_in in;
    struct rdb_item item;
    CHECKF(!rdb_in_open(&in, file, true), "%s", in.error);
    CHECK(in.version == 10);
    aux_is(&in, "redis-ver", "7.2.4");
    aux_is(&in, "redis-bits", "64");
    aux_is(&in, "ctime", "1800000000");
    aux_is(&in, "used-mem", "123456789012");
    aux_is(&in, "aof-base", "1");
    aux_is(&in, "skep-lsn", "12345678901234");
    CHECK(!rdb_next(&in, &item) && item.kind == RDB_ITEM_SELECT && item.db == 0);
    CHECK(!rdb_next(&in, &item) && item.kind == RDB_ITEM_SIZES && item.keys == KEYS &&
          item.expires == KEYS / 5);
    for (unsigned i = 0; i < KEYS; i++)
        key_is(&in, i);
    CHECKF(!rdb_next(&in, &item) && item.kind == RDB_ITEM_END && in.pos == file.n, "%s", in.error);
    rdb_in_close(&in);
}

/* ---- the tests ---- */

static struct bytes grown(bool compress, bool checksum)
{
    struct rdb_out out;
    CHECK(!rdb_out_open(&out, 0, NULL, NULL));
    out.compress = compress;
    out.checksum = checksum;
    CHECK(!write_all(&out));
    struct bytes file = copy_of(out.buf, out.len);
    rdb_out_close(&out);
    return file;
}

/* The file is the same, whatever the buffer's size: so the way of long values makes no difference. */
static void every_buffer(bool compress, bool checksum)
{
    static const size_t caps[] = {0, 4115, 5000, 65536, 100000, 1u << 20, 8u << 20};
    struct bytes file = grown(compress, checksum);
    uint64_t sum;
    read_all(file);
    memcpy(&sum, file.p + file.n - 8, 8);
    CHECK(!sum == !checksum);
    CHECK(compress == (file.n < LONG * 2));
    for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
        struct rdb_out out;
        sink.n = 0;
        CHECK(!rdb_out_open(&out, caps[i], sink_take, &sink));
        out.compress = compress;
        out.checksum = checksum;
        CHECK(!write_all(&out) && out.flushed == file.n && out.len == 0);
        CHECKF(bytes_equal((struct bytes){sink.p, sink.n}, file), "cap %zu", caps[i]);
        CHECK(out.cap <= caps[i] || i == 0); /* it never grew */
        rdb_out_close(&out);
    }
    free((char *)file.p);
}

static void failing_flush(void)
{
    enum rc rc = RC_IO;
    for (sink.fail_at = 1; rc; sink.fail_at++) {
        struct rdb_out out;
        sink.n = sink.calls = 0;
        CHECK(!rdb_out_open(&out, 65536, sink_take, &sink));
        rc = write_all(&out);
        CHECK(rc == (sink.calls >= sink.fail_at ? RC_IO : RC_OK));
        CHECK(rdb_out_aux_integer(&out, "x", 1) == rc);
        rdb_out_close(&out);
    }
    CHECK(sink.fail_at > 20);
    sink.fail_at = 0;
}

static void policies(void)
{
    static const int all[] = {EVICT_ALLKEYS_LRU, EVICT_VOLATILE_LFU, EVICT_ALLKEYS_LFU, EVICT_VOLATILE_LRU,
                              EVICT_VOLATILE_TTL};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        cfg.maxmemory_policy = all[i];
        struct bytes file = grown(false, true);
        read_all(file);
        free((char *)file.p);
    }
    cfg.maxmemory_policy = EVICT_NOEVICTION;
}

/* What redis-server 7.0 answers to DUMP of these. */
static void payloads(void)
{
    static const struct {
        const char *value, *payload;
        size_t n;
    } v[] = {
        {"5", "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51", 13},
        {"abcabcabcabcabcabcabcabcabcabc!",
         "\x00\xc3\x0b\x1f\x03\x61\x62\x63\x61\xe0\x10\x02\x01\x63\x21\x0a\x00\xd7\x58\xd5\xfc\xc3\x7c\x6c"
         "\x7c",
         25},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct rdb_out out;
        struct bytes value = {v[i].value, strlen(v[i].value)};
        const struct shm_entry *e = entry_put(BYTES_LIT("payload"), value, NOW, 0);
        CHECK(!rdb_out_open(&out, 0, NULL, NULL));
        CHECK(!rdb_out_dump(&out, e));
        CHECKF(bytes_equal((struct bytes){out.buf, out.len}, (struct bytes){v[i].payload, v[i].n}), "%zu", i);
        rdb_out_close(&out);
    }
}

/* FUNCTION DUMP of redis-server 7.0, with a library and without; and what is no such payload. */
static void functions(void)
{
    static const char code[] = "#!lua name=a\nredis.register_function('f', function() return 1 end)";
    static const char with[] =
        "\xf5@B#!lua name=a\nredis.register_function('f', function() return 1 end)\n\0\xe3\xd1\xb9\x83"
        "\x19\xf4\xe3\x84";
    static const char without[] = "\n\0]\x9b\\@\x0f\x7f\xa2\xda";
    for (unsigned n = 0; n < 2; n++) {
        struct rdb_out out;
        struct rdb_in in;
        struct bytes text, wanted = n ? (struct bytes){with, sizeof(with) - 1}
                                      : (struct bytes){without, sizeof(without) - 1};
        CHECK(!rdb_out_open(&out, 0, NULL, NULL));
        if (n)
            CHECK(!rdb_out_function(&out, BYTES_LIT(code)));
        CHECK(!rdb_out_footer(&out) && bytes_equal((struct bytes){out.buf, out.len}, wanted));
        CHECK(!rdb_in_open_functions(&in, wanted));
        if (n)
            CHECK(!rdb_in_function(&in, &text) && bytes_equal(text, BYTES_LIT(code)));
        CHECK(rdb_in_function(&in, &text) == RC_MISSING);
        rdb_in_close(&in);
        CHECK(rdb_in_open_functions(&in, (struct bytes){wanted.p, wanted.n - 1}) == RC_RANGE);
        rdb_in_close(&in);
        rdb_out_close(&out);
    }
    struct rdb_in in;
    struct bytes text;
    CHECK(!rdb_in_open_functions(&in, BYTES_LIT("\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51")));
    CHECK(rdb_in_function(&in, &text) == RC_NOTYPE && rdb_in_function(&in, &text) == RC_INVALID);
    rdb_in_close(&in);
}

int main(void)
{
    arena_begin(1024);
    cfg.lfu_decay_time = 1;
    cfg.lfu_log_factor = 10;
    model_make();
    for (int i = 0; i < 4; i++)
        every_buffer(i & 1, i & 2);
    failing_flush();
    policies();
    payloads();
    functions();
    for (unsigned i = 0; i < KEYS; i++) {
        free((char *)model[i].key.p);
        free((char *)model[i].value.p);
    }
    free(sink.p);
    return 0;
}
