/* Every encoding is the one that redis-server chooses: so a payload of DUMP is the same bytes, and a file is
 * as small. */
#include "shm/format/rdb_out.h"

#include <stdio.h>
#include <stdlib.h>

#include "include/version.h"
#include "shm/base/crc64.h"
#include "shm/base/number.h"
#include "shm/config.h"
#include "shm/evict.h"
#include "shm/format/rdb.h"

#define LENGTH_MAX   9u                     /* a mark and eight bytes */
#define LZF_HEAD_MAX (1u + 2u * LENGTH_MAX) /* a mark, the compressed length, the length */
#define WORTH        20u                    /* up to so many bytes, nothing is compressed */
#define GAIN         4u                     /* and it must become shorter by so much */
#define DIRECT       (64u << 10)            /* flushed at a time from where it lies, summed just before */
#define CAP_MIN      (LZF_HEAD_MAX + 4096u)

/* ---- the buffer ---- */

enum rc rdb_out_open(struct rdb_out *out, size_t cap, rdb_flush_fn *flush, void *arg)
{
    *out = (struct rdb_out){.flush = flush, .arg = arg, .compress = true, .checksum = true};
    out->cap = flush && cap < CAP_MIN ? CAP_MIN : cap;
    out->buf = malloc(out->cap ? out->cap : 1);
    return out->buf ? RC_OK : RC_NOMEM;
}

void rdb_out_close(struct rdb_out *out)
{
    if (out->table_is_ours)
        free(out->table);
    free(out->buf);
    *out = (struct rdb_out){0};
}

static enum rc hand_over(struct rdb_out *out, const char *p, size_t n)
{
    if (out->checksum)
        out->crc = crc64(out->crc, p, n);
    out->rc = out->flush(out->arg, p, n);
    out->flushed += n;
    return out->rc;
}

static enum rc spill(struct rdb_out *out)
{
    size_t n = out->len;
    out->len = 0;
    return n ? hand_over(out, out->buf, n) : out->rc;
}

/* Afterwards n more bytes fit; n is at most the cap of a buffer that is flushed. */
static enum rc make_room(struct rdb_out *out, size_t n)
{
    if (out->rc || LIKELY(out->cap - out->len >= n))
        return out->rc;
    if (out->flush)
        return spill(out);
    size_t cap = out->cap * 2 > out->len + n ? out->cap * 2 : out->len + n;
    char *p = realloc(out->buf, cap);
    if (!p)
        return out->rc = RC_NOMEM;
    out->buf = p;
    out->cap = cap;
    return RC_OK;
}

enum rc rdb_out_bytes(struct rdb_out *out, const void *p, size_t n)
{
    if (out->flush && n > out->cap) {
        const char *from = p;
        enum rc rc = out->rc ? out->rc : spill(out);
        for (size_t done = 0; !rc && done < n; done += DIRECT)
            rc = hand_over(out, from + done, n - done < DIRECT ? n - done : DIRECT);
        return rc;
    }
    if (make_room(out, n))
        return out->rc;
    bytes_copy(out->buf + out->len, p, n);
    out->len += n;
    return RC_OK;
}

static enum rc put_byte(struct rdb_out *out, unsigned v)
{
    if (make_room(out, 1))
        return out->rc;
    out->buf[out->len++] = (char)v;
    return RC_OK;
}

/* ---- numbers and strings ---- */

static size_t length_write(uint8_t to[LENGTH_MAX], uint64_t n)
{
    uint32_t four = __builtin_bswap32((uint32_t)n);
    uint64_t eight = __builtin_bswap64(n);
    if (n < 1u << 6) {
        to[0] = (uint8_t)n;
        return 1;
    }
    if (n < 1u << 14) {
        to[0] = (uint8_t)(0x40 | n >> 8);
        to[1] = (uint8_t)n;
        return 2;
    }
    if (n <= UINT32_MAX) {
        to[0] = 0x80;
        memcpy(to + 1, &four, 4);
        return 5;
    }
    to[0] = 0x81;
    memcpy(to + 1, &eight, 8);
    return 9;
}

enum rc rdb_out_length(struct rdb_out *out, uint64_t n)
{
    uint8_t b[LENGTH_MAX];
    return rdb_out_bytes(out, b, length_write(b, n));
}

static enum rc put_as_is(struct rdb_out *out, struct bytes s)
{
    rdb_out_length(out, s.n);
    return rdb_out_bytes(out, s.p, s.n);
}

static inline bool fits_encoding(int64_t v)
{
    return v == (int32_t)v;
}

static enum rc put_encoded(struct rdb_out *out, int64_t v)
{
    unsigned size = v == (int8_t)v ? 0 : v == (int16_t)v ? 1 : 2;
    put_byte(out, 0xc0 | size);
    return rdb_out_bytes(out, &v, (size_t)1 << size); /* little endian */
}

enum rc rdb_out_integer(struct rdb_out *out, int64_t v)
{
    char digits[NUMBER_INT_MAX];
    if (fits_encoding(v))
        return put_encoded(out, v);
    return put_as_is(out, (struct bytes){digits, number_from_int64(digits, v)});
}

static bool table_had(struct rdb_out *out)
{
    if (!out->table) {
        out->table = calloc(1, sizeof(*out->table));
        out->table_is_ours = true;
    }
    return out->table;
}

static size_t lzf_head(uint8_t to[LZF_HEAD_MAX], size_t compressed, size_t n)
{
    to[0] = 0xc3;
    size_t head = 1 + length_write(to + 1, compressed);
    return head + length_write(to + head, n);
}

/* Compresses into the buffer, behind the longest head that there may be, and closes the gap. *done: it was
 * worth it, and is written. */
static enum rc put_lzf_buffered(struct rdb_out *out, struct bytes s, bool *done)
{
    uint8_t head[LZF_HEAD_MAX];
    if (make_room(out, LZF_HEAD_MAX + s.n))
        return out->rc;
    char *at = out->buf + out->len;
    size_t n = lzf_compress(out->table, s.p, s.n, at + LZF_HEAD_MAX, s.n - GAIN);
    *done = n > 0;
    if (n) {
        size_t head_bytes = lzf_head(head, n, s.n);
        memmove(at + head_bytes, at + LZF_HEAD_MAX, n);
        memcpy(at, head, head_bytes);
        out->len += head_bytes + n;
    }
    return RC_OK;
}

/* What is longer than the buffer is compressed twice: once to learn the length, which stands first, and then
 * piece by piece. That costs time where Redis takes memory for a second value, which beside a keyspace that
 * fills the machine may not be there. */
static enum rc put_lzf_long(struct rdb_out *out, struct bytes s, bool *done)
{
    uint8_t head[LZF_HEAD_MAX];
    struct lzf z;
    size_t n = lzf_measure(out->table, s.p, s.n, s.n - GAIN);
    *done = n > 0;
    if (!n)
        return RC_OK;
    rdb_out_bytes(out, head, lzf_head(head, n, s.n));
    lzf_begin(&z, out->table, s.p, s.n);
    do {
        if (make_room(out, LZF_PIECE_MIN))
            return out->rc;
        n = lzf_piece(&z, out->buf + out->len, out->cap - out->len);
        out->len += n;
    } while (n);
    return out->rc;
}

enum rc rdb_out_string(struct rdb_out *out, struct bytes s)
{
    int64_t v;
    if (s.n <= 11 && number_to_int64(s, &v) && fits_encoding(v))
        return put_encoded(out, v);
    if (out->compress && s.n > WORTH && !out->rc) {
        bool done, fits = !out->flush || s.n <= out->cap - LZF_HEAD_MAX;
        if (!table_had(out))
            return out->rc = RC_NOMEM;
        enum rc rc = fits ? put_lzf_buffered(out, s, &done) : put_lzf_long(out, s, &done);
        if (rc || done)
            return rc;
    }
    return put_as_is(out, s);
}

/* ---- entries ---- */

static enum rc put_value(struct rdb_out *out, const struct shm_entry *e)
{
    if (entry_type(e) != TYPE_STRING)
        return rdb_out_collection(out, e);
    return entry_enc(e) == ENC_INT ? rdb_out_integer(out, entry_int(e)) : rdb_out_string(out, entry_bytes(e));
}

static void put_usage(struct rdb_out *out, const struct shm_entry *e, const struct shm_config *cfg,
                      int64_t now_ms)
{
    uint32_t clock = e->meta & 0xffffff;
    if (evict_is_lru(cfg->maxmemory_policy)) {
        put_byte(out, RDB_MARK_IDLE);
        rdb_out_length(out, evict_idle_seconds(clock, now_ms));
    } else if (evict_is_lfu(cfg->maxmemory_policy)) {
        put_byte(out, RDB_MARK_FREQ);
        put_byte(out, evict_frequency(clock, cfg, now_ms));
    }
}

enum rc rdb_out_entry(struct rdb_out *out, const struct shm_entry *e, const struct shm_config *cfg,
                      int64_t now_ms)
{
    int64_t expiry_ms = entry_expiry(e);
    int type = rdb_out_type(e);
    if (type < 0)
        return RC_NOTYPE;
    if (expiry_ms != -1) {
        put_byte(out, RDB_MARK_EXPIRY_MS);
        rdb_out_bytes(out, &expiry_ms, 8);
    }
    put_usage(out, e, cfg, now_ms);
    put_byte(out, (unsigned)type);
    rdb_out_string(out, entry_key(e));
    return put_value(out, e);
}

/* ---- a file ---- */

enum rc rdb_out_aux(struct rdb_out *out, const char *name, struct bytes value)
{
    put_byte(out, RDB_MARK_AUX);
    rdb_out_string(out, (struct bytes){name, strlen(name)});
    return rdb_out_string(out, value);
}

enum rc rdb_out_aux_integer(struct rdb_out *out, const char *name, int64_t value)
{
    char digits[NUMBER_INT_MAX];
    return rdb_out_aux(out, name, (struct bytes){digits, number_from_int64(digits, value)});
}

enum rc rdb_out_header(struct rdb_out *out, const struct rdb_facts *facts)
{
    char magic[16];
    snprintf(magic, sizeof(magic), "REDIS%04d", facts->fields ? RDB_VERSION_FIELDS : RDB_VERSION_OUT);
    rdb_out_bytes(out, magic, strlen(magic));
    rdb_out_aux(out, "redis-ver", BYTES_LIT(REDIS_VERSION));
    rdb_out_aux_integer(out, "redis-bits", 64);
    rdb_out_aux_integer(out, "ctime", facts->now_s);
    rdb_out_aux_integer(out, "used-mem", (int64_t)facts->used_bytes);
    return rdb_out_aux_integer(out, "aof-base", facts->aof_base);
}

enum rc rdb_out_select(struct rdb_out *out, uint32_t db, uint64_t keys, uint64_t expires)
{
    put_byte(out, RDB_MARK_SELECT);
    rdb_out_length(out, db);
    put_byte(out, RDB_MARK_SIZES);
    rdb_out_length(out, keys);
    return rdb_out_length(out, expires);
}

static enum rc put_sum(struct rdb_out *out, bool wanted)
{
    uint64_t sum = wanted && !out->rc ? crc64(out->crc, out->buf, out->len) : 0;
    return rdb_out_bytes(out, &sum, 8); /* little endian; 0: not computed */
}

enum rc rdb_out_end(struct rdb_out *out)
{
    put_byte(out, RDB_MARK_END);
    put_sum(out, out->checksum);
    return out->rc || !out->flush ? out->rc : spill(out);
}

enum rc rdb_out_function(struct rdb_out *out, struct bytes code)
{
    put_byte(out, RDB_MARK_FUNCTION);
    return rdb_out_string(out, code);
}

static enum rc put_footer(struct rdb_out *out, unsigned version)
{
    put_byte(out, version);
    put_byte(out, 0);
    return put_sum(out, true);
}

enum rc rdb_out_footer(struct rdb_out *out)
{
    return put_footer(out, RDB_VERSION_OUT);
}

enum rc rdb_out_dump(struct rdb_out *out, const struct shm_entry *e)
{
    int type = rdb_out_type(e);
    if (type < 0)
        return RC_NOTYPE;
    put_byte(out, (unsigned)type);
    put_value(out, e);
    return put_footer(out, type == RDB_HASH_EXPIRING ? RDB_VERSION_FIELDS : RDB_VERSION_OUT);
}
