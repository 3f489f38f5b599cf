/* Nothing is believed: a length is compared with the bytes that are left before anything is done with it, and
 * a count of elements with them too, since each takes a byte at least. So a damaged file costs no more time
 * or memory than its size, however large the numbers in it. */
#include "shm/format/rdb_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/base/crc64.h"
#include "shm/base/lzf.h"
#include "shm/base/number.h"
#include "shm/base/words.h"

#define HEADER_BYTES 9u          /* REDIS0010 */
#define SUM_STEP     (64u << 10) /* bytes are summed while they are still in the cache */
#define DUMP_FOOTER  10u         /* version and checksum */

/* ---- errors ---- */

void rdb_fault(struct rdb_in *in, size_t at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(in->error, sizeof(in->error), fmt, ap);
    va_end(ap);
    in->error_at = at;
}

#define fault     rdb_fault
#define fail(...) rdb_fail(__VA_ARGS__)
#define TRY(call) RDB_TRY(call)

/* ---- numbers and strings ---- */

static inline size_t left(const struct rdb_in *in)
{
    return in->n - in->pos;
}

/* The next n bytes, which are behind the cursor afterwards. */
static inline enum rc take(struct rdb_in *in, uint64_t n, const uint8_t **p)
{
    if (UNLIKELY(left(in) < n))
        return fail(in, in->pos, "the data ends in the middle of an item");
    *p = in->p + in->pos;
    in->pos += n;
    return RC_OK;
}

static inline enum rc skip(struct rdb_in *in, uint64_t n)
{
    const uint8_t *p;
    return take(in, n, &p);
}

static inline enum rc take_byte(struct rdb_in *in, unsigned *v)
{
    const uint8_t *p;
    TRY(take(in, 1, &p));
    *v = *p;
    return RC_OK;
}

static enum rc take_little(struct rdb_in *in, unsigned bytes, int64_t *v)
{
    const uint8_t *p;
    TRY(take(in, bytes, &p));
    uint64_t u = 0;
    memcpy(&u, p, bytes);
    unsigned unused = 64 - 8 * bytes;
    *v = (int64_t)(u << unused) >> unused;
    return RC_OK;
}

/* A length with 4 or 8 bytes, its mark being behind the cursor; these are big endian. */
static enum rc length_long(struct rdb_in *in, unsigned mark, uint64_t *n)
{
    const uint8_t *p;
    uint32_t four;
    uint64_t eight;
    switch (mark) {
    case 0x80:
        TRY(take(in, 4, &p));
        memcpy(&four, p, 4);
        *n = __builtin_bswap32(four);
        return RC_OK;
    case 0x81:
        TRY(take(in, 8, &p));
        memcpy(&eight, p, 8);
        *n = __builtin_bswap64(eight);
        return RC_OK;
    default:
        return fail(in, in->pos - 1, "the byte %u begins no length", mark);
    }
}

/* A number whose first byte is behind the cursor and is below 0xc0: what is above is an encoded string. */
static inline enum rc length_rest(struct rdb_in *in, unsigned first, uint64_t *n)
{
    unsigned second;
    if (LIKELY(first < 0x40)) {
        *n = first;
        return RC_OK;
    }
    if (LIKELY(first < 0x80)) {
        TRY(take_byte(in, &second));
        *n = (first & 0x3f) << 8 | second;
        return RC_OK;
    }
    return length_long(in, first, n);
}

static inline enum rc take_length(struct rdb_in *in, uint64_t *n)
{
    unsigned first;
    TRY(take_byte(in, &first));
    return length_rest(in, first, n);
}

/* How many elements follow. */
static enum rc take_count(struct rdb_in *in, uint64_t *n)
{
    size_t at = in->pos;
    TRY(take_length(in, n));
    if (UNLIKELY(*n > left(in)))
        return fail(in, at, "%llu elements do not fit into the rest of the data", (unsigned long long)*n);
    return RC_OK;
}

/* A string as it is written. */
struct written {
    enum { AS_IS, AS_INTEGER, AS_LZF } how;
    const uint8_t *p;
    uint64_t n;      /* bytes at p */
    uint64_t length; /* of the string itself */
    int64_t integer;
};

static enum rc take_lzf(struct rdb_in *in, struct written *s)
{
    size_t at = in->pos - 1;
    s->how = AS_LZF;
    TRY(take_length(in, &s->n));
    TRY(take_length(in, &s->length));
    TRY(take(in, s->n, &s->p));
    if (UNLIKELY(s->length / LZF_GAIN > s->n))
        return fail(in, at, "%llu compressed bytes cannot become %llu", (unsigned long long)s->n,
                    (unsigned long long)s->length);
    return RC_OK;
}

static inline enum rc take_string(struct rdb_in *in, struct written *s)
{
    unsigned first;
    TRY(take_byte(in, &first));
    if (LIKELY(first < 0xc0)) {
        s->how = AS_IS;
        TRY(length_rest(in, first, &s->n));
        s->length = s->n;
        return take(in, s->n, &s->p);
    }
    if (first == 0xc3)
        return take_lzf(in, s);
    if (UNLIKELY(first > 0xc3))
        return fail(in, in->pos - 1, "the byte %u begins no string", first);
    s->how = AS_INTEGER;
    s->length = 0;
    return take_little(in, 1u << (first & 3), &s->integer);
}

static enum rc skip_string(struct rdb_in *in)
{
    struct written s;
    return take_string(in, &s);
}

/* ---- decoding ---- */

static enum rc scratch_room(struct rdb_scratch *s, uint64_t n)
{
    if (LIKELY(s->cap >= n && s->p))
        return RC_OK;
    size_t cap = n < 256 ? 256 : n;
    char *p = malloc(cap);
    if (!p)
        return RC_NOMEM;
    free(s->p);
    *s = (struct rdb_scratch){p, cap};
    return RC_OK;
}

/* The string's bytes: in the data itself, or decompressed. Not for AS_INTEGER. */
static enum rc decode(struct rdb_in *in, const struct written *s, struct rdb_scratch *scratch,
                      struct bytes *out)
{
    size_t at = (size_t)(s->p - in->p);
    if (UNLIKELY(s->length > in->string_max))
        return fail(in, at, "a string of %llu bytes is longer than %llu", (unsigned long long)s->length,
                    (unsigned long long)in->string_max);
    if (LIKELY(s->how == AS_IS)) {
        *out = (struct bytes){(const char *)s->p, s->n};
        return RC_OK;
    }
    TRY(scratch_room(scratch, s->length));
    if (UNLIKELY(!lzf_decompress(s->p, s->n, scratch->p, s->length)))
        return fail(in, at, "a compressed string is damaged");
    *out = (struct bytes){scratch->p, s->length};
    return RC_OK;
}

/* The same for any string: numbers become digits. */
static inline enum rc take_text(struct rdb_in *in, struct rdb_scratch *scratch, char digits[24],
                                struct bytes *out)
{
    struct written s;
    TRY(take_string(in, &s));
    if (LIKELY(s.how != AS_INTEGER))
        return decode(in, &s, scratch, out);
    *out = (struct bytes){digits, number_from_int64(digits, s.integer)};
    return RC_OK;
}

enum rc rdb_take(struct rdb_in *in, uint64_t n, const uint8_t **p)
{
    return take(in, n, p);
}

enum rc rdb_take_length(struct rdb_in *in, uint64_t *n)
{
    return take_length(in, n);
}

enum rc rdb_take_count(struct rdb_in *in, uint64_t *n)
{
    return take_count(in, n);
}

enum rc rdb_take_text(struct rdb_in *in, struct rdb_scratch *scratch, char digits[24], struct bytes *out)
{
    return take_text(in, scratch, digits, out);
}

enum rc rdb_string_value(struct rdb_in *in, struct rdb_string *out)
{
    struct written s;
    TRY(take_string(in, &s));
    *out = (struct rdb_string){.is_integer = s.how == AS_INTEGER};
    if (!out->is_integer)
        return decode(in, &s, &in->text, &out->bytes);
    out->integer = s.integer;
    return RC_OK;
}

enum rc rdb_string_peek(struct rdb_in *in, uint64_t *length)
{
    struct written s;
    size_t at = in->pos;
    TRY(take_string(in, &s));
    in->pos = at;
    *length = s.length;
    return RC_OK;
}

/* ---- skipping values ---- */

static enum rc skip_strings(struct rdb_in *in, unsigned each)
{
    uint64_t n;
    TRY(take_count(in, &n));
    for (n *= each; n; n--)
        TRY(skip_string(in));
    return RC_OK;
}

static enum rc skip_score_text(struct rdb_in *in)
{
    unsigned n;
    TRY(take_byte(in, &n));
    return n < 253 ? skip(in, n) : RC_OK; /* those above are not a number, inf and -inf */
}

static enum rc skip_zset(struct rdb_in *in, bool as_text)
{
    uint64_t n;
    TRY(take_count(in, &n));
    for (; n; n--) {
        TRY(skip_string(in));
        TRY(as_text ? skip_score_text(in) : skip(in, 8));
    }
    return RC_OK;
}

static enum rc skip_quicklist_2(struct rdb_in *in)
{
    uint64_t n, container;
    TRY(take_count(in, &n));
    for (; n; n--) {
        size_t at = in->pos;
        TRY(take_length(in, &container));
        if (UNLIKELY(container != 1 && container != 2))
            return fail(in, at, "a list's node is of the unknown kind %llu", (unsigned long long)container);
        TRY(skip_string(in));
    }
    return RC_OK;
}

static enum rc skip_lengths(struct rdb_in *in, unsigned how_many)
{
    uint64_t n;
    while (how_many--)
        TRY(take_length(in, &n));
    return RC_OK;
}

/* Each field has a length before it, which is its expiry. */
static enum rc skip_hash_expiring(struct rdb_in *in)
{
    uint64_t n;
    TRY(take_count(in, &n));
    for (; n; n--) {
        TRY(skip_lengths(in, 1));
        TRY(skip_string(in));
        TRY(skip_string(in));
    }
    return RC_OK;
}

/* A module's value is a row of numbers and strings, each with its kind before it, and a 0 behind them. */
static enum rc skip_module_parts(struct rdb_in *in)
{
    uint64_t kind;
    for (;;) {
        size_t at = in->pos;
        TRY(take_length(in, &kind));
        switch (kind) {
        case 0:
            return RC_OK;
        case 1:
        case 2:
            TRY(skip_lengths(in, 1));
            break;
        case 3:
            TRY(skip(in, 4));
            break;
        case 4:
            TRY(skip(in, 8));
            break;
        case 5:
            TRY(skip_string(in));
            break;
        default:
            return fail(in, at, "a part of a module's value is of the unknown kind %llu",
                        (unsigned long long)kind);
        }
    }
}

/* Entries that were delivered but not acknowledged: ids of 16 bytes; in the group's list each has a time and
 * a count of deliveries besides. */
static enum rc skip_pending(struct rdb_in *in, bool of_group)
{
    uint64_t n;
    TRY(take_count(in, &n));
    for (; n; n--) {
        TRY(skip(in, of_group ? 24 : 16));
        if (of_group)
            TRY(skip_lengths(in, 1));
    }
    return RC_OK;
}

static enum rc skip_consumers(struct rdb_in *in, unsigned version)
{
    uint64_t n;
    TRY(take_count(in, &n));
    for (; n; n--) {
        TRY(skip_string(in));
        TRY(skip(in, version >= 3 ? 16 : 8)); /* when it was seen, and when it was active */
        TRY(skip_pending(in, false));
    }
    return RC_OK;
}

static enum rc skip_stream(struct rdb_in *in, unsigned version)
{
    uint64_t groups;
    TRY(skip_strings(in, 2)); /* a first id and a listpack */
    TRY(skip_lengths(in,
                     version >= 2 ? 8 : 3)); /* its length, its last id; the first, the last deleted, ... */
    TRY(take_count(in, &groups));
    for (; groups; groups--) {
        TRY(skip_string(in));
        TRY(skip_lengths(in, version >= 2 ? 3 : 2));
        TRY(skip_pending(in, true));
        TRY(skip_consumers(in, version));
    }
    return RC_OK;
}

static enum rc skip_collection(struct rdb_in *in, enum rdb_type type)
{
    switch (type) {
    case RDB_LIST:
    case RDB_SET:
    case RDB_LIST_QUICKLIST:
        return skip_strings(in, 1);
    case RDB_HASH:
        return skip_strings(in, 2);
    case RDB_ZSET:
    case RDB_ZSET_2:
        return skip_zset(in, type == RDB_ZSET);
    case RDB_LIST_QUICKLIST_2:
        return skip_quicklist_2(in);
    case RDB_STREAM_LISTPACKS:
        return skip_stream(in, 1);
    case RDB_STREAM_LISTPACKS_2:
        return skip_stream(in, 2);
    case RDB_STREAM_LISTPACKS_3:
        return skip_stream(in, 3);
    case RDB_HASH_EXPIRING:
        TRY(skip(in, 8)); /* the first of the expiries */
        return skip_hash_expiring(in);
    case RDB_HASH_EXPIRING_RC:
        return skip_hash_expiring(in);
    case RDB_HASH_LISTPACK_EXPIRING:
        TRY(skip(in, 8));
        return skip_string(in);
    case RDB_MODULE_2:
        TRY(skip_lengths(in, 1));
        return skip_module_parts(in);
    case RDB_MODULE_1:
        fault(in, in->pos,
              "a value of a module of Redis 4.0's release candidates does not tell where it ends");
        return RC_NOTYPE;
    default: /* one string holds all */
        return skip_string(in);
    }
}

enum rc rdb_skip_value(struct rdb_in *in, enum rdb_type type)
{
    return LIKELY(type == RDB_STRING) ? skip_string(in) : skip_collection(in, type);
}

/* ---- items ---- */

static void sum_up(struct rdb_in *in)
{
    in->crc = crc64(in->crc, in->p + in->summed, in->pos - in->summed);
    in->summed = in->pos;
}

static enum rc end_read(struct rdb_in *in)
{
    size_t at = in->pos;
    int64_t sum;
    if (in->version < 5)
        return RC_OK;
    if (in->verify)
        sum_up(in);
    TRY(take_little(in, 8, &sum));
    if (sum && in->verify && (uint64_t)sum != in->crc)
        return fail(in, at, "the checksum is wrong: something before it was damaged");
    return RC_OK;
}

/* A module's id is its name, nine letters of six bits each, and ten bits for its version. */
static struct bytes module_name(uint64_t id, char name[10])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (unsigned i = 0; i < 9; i++)
        name[i] = letters[id >> (10 + 6 * (8 - i)) & 63];
    name[9] = '\0';
    return (struct bytes){name, 9};
}

/* A module's own data: its id, when it is to be loaded (a number, so kind 2 stands before it), its parts. */
static enum rc module_aux_skip(struct rdb_in *in, struct bytes *name)
{
    uint64_t kind, id;
    TRY(take_length(in, &id));
    *name = module_name(id, in->digits[1]);
    size_t at = in->pos;
    TRY(take_length(in, &kind));
    if (kind != 2)
        return fail(in, at, "a module's data has the unknown kind %llu where a number belongs",
                    (unsigned long long)kind);
    TRY(skip_lengths(in, 1));
    return skip_module_parts(in);
}

/* What tells of the key that follows; *yes is false for any other opcode. */
static inline enum rc attribute_read(struct rdb_in *in, unsigned op, struct rdb_item *out, bool *yes)
{
    uint64_t n;
    unsigned count;
    *yes = true;
    switch (op) {
    case RDB_MARK_EXPIRY_MS:
        return take_little(in, 8, &out->expiry_ms);
    case RDB_MARK_EXPIRY_S:
        TRY(take_little(in, 4, &out->expiry_ms));
        out->expiry_ms *= 1000;
        return RC_OK;
    case RDB_MARK_IDLE:
        TRY(take_length(in, &n));
        out->idle_s = n > INT64_MAX ? INT64_MAX : (int64_t)n;
        return RC_OK;
    case RDB_MARK_FREQ:
        TRY(take_byte(in, &count));
        out->freq = (int)count;
        return RC_OK;
    default:
        *yes = false;
        return RC_OK;
    }
}

static enum rc opcode_read(struct rdb_in *in, unsigned op, struct rdb_item *out)
{
    switch (op) {
    case RDB_MARK_AUX:
        out->kind = RDB_ITEM_AUX;
        TRY(take_text(in, &in->key, in->digits[0], &out->key));
        return take_text(in, &in->text, in->digits[1], &out->text);
    case RDB_MARK_SELECT:
        out->kind = RDB_ITEM_SELECT;
        TRY(take_length(in, &in->db));
        out->db = in->db;
        return RC_OK;
    case RDB_MARK_SIZES:
        out->kind = RDB_ITEM_SIZES;
        TRY(take_length(in, &out->keys));
        return take_length(in, &out->expires);
    case RDB_MARK_FUNCTION:
        out->kind = RDB_ITEM_FUNCTION;
        return take_text(in, &in->text, in->digits[1], &out->text);
    case RDB_MARK_MODULE_AUX:
        out->kind = RDB_ITEM_MODULE_AUX;
        return module_aux_skip(in, &out->text);
    case RDB_MARK_END:
        out->kind = RDB_ITEM_END;
        return end_read(in);
    case RDB_MARK_FUNCTION_RC:
        return fail(in, in->pos - 1, "a function in the form of Redis 7.0's release candidates");
    default:
        return fail(in, in->pos - 1, "the byte %u is neither a type of value nor a mark", op);
    }
}

static inline bool is_type(unsigned op)
{
    return op < RDB_TYPE_LIMIT && op != 8;
}

static enum rc item_read(struct rdb_in *in, struct rdb_item *out)
{
    unsigned op;
    bool again = true, plain = true;
    for (;;) {
        TRY(take_byte(in, &op));
        if (LIKELY(is_type(op)))
            break;
        if (UNLIKELY(op == RDB_MARK_SLOT_INFO)) { /* a slot of a cluster and two sizes: hints */
            TRY(skip_lengths(in, 3));
            continue;
        }
        TRY(attribute_read(in, op, out, &again));
        if (!again)
            break;
        plain = false;
    }
    if (UNLIKELY(!is_type(op))) {
        if (!plain)
            return fail(in, in->pos - 1, "an expiry, idle time or frequency without a key behind it");
        return opcode_read(in, op, out);
    }
    out->kind = RDB_ITEM_KEY;
    out->type = (enum rdb_type)op;
    return take_text(in, &in->key, in->digits[0], &out->key);
}

enum rc rdb_next(struct rdb_in *in, struct rdb_item *out)
{
    if (UNLIKELY(in->error[0]))
        return RC_INVALID;
    if (in->verify && UNLIKELY(in->pos - in->summed > SUM_STEP))
        sum_up(in);
    *out = (struct rdb_item){.expiry_ms = -1, .idle_s = -1, .freq = -1, .db = in->db};
    return item_read(in, out);
}

/* ---- beginning and end ---- */

static void start(struct rdb_in *in, struct bytes b)
{
    *in = (struct rdb_in){.p = (const uint8_t *)b.p, .n = b.n, .string_max = UINT64_MAX};
}

enum rc rdb_in_open(struct rdb_in *in, struct bytes file, bool verify)
{
    start(in, file);
    in->verify = verify;
    if (file.n < HEADER_BYTES || memcmp(file.p, "REDIS", 5) != 0)
        return fail(in, 0, "it does not begin with REDIS and a version: this is no RDB file");
    for (size_t i = 5; i < HEADER_BYTES; i++) {
        if (file.p[i] < '0' || file.p[i] > '9')
            return fail(in, i, "no version of four digits follows REDIS: this is no RDB file");
        in->version = in->version * 10 + (unsigned)(file.p[i] - '0');
    }
    if (in->version < 1 || in->version > RDB_VERSION_MAX)
        return fail(in, 5, "the RDB version is %u, but only 1 to %d can be read", in->version,
                    RDB_VERSION_MAX);
    in->pos = HEADER_BYTES;
    return RC_OK;
}

/* Any payload: the footer is looked at and taken off. */
static enum rc open_payload(struct rdb_in *in, struct bytes payload)
{
    uint64_t sum;
    start(in, payload);
    if (payload.n < DUMP_FOOTER) {
        fault(in, 0, "a payload has ten bytes at least");
        return RC_RANGE;
    }
    in->n -= DUMP_FOOTER;
    in->version = in->p[in->n] | (unsigned)in->p[in->n + 1] << 8;
    memcpy(&sum, in->p + in->n + 2, 8);
    if (in->version > RDB_VERSION_MAX || sum != crc64(0, in->p, in->n + 2)) {
        fault(in, in->n, "the payload's version or checksum are wrong");
        return RC_RANGE;
    }
    return RC_OK;
}

enum rc rdb_in_open_dump(struct rdb_in *in, struct bytes payload, enum rdb_type *type)
{
    unsigned op;
    TRY(open_payload(in, payload));
    TRY(take_byte(in, &op));
    if (!is_type(op))
        return fail(in, 0, "the byte %u is no type of value", op);
    *type = (enum rdb_type)op;
    return RC_OK;
}

enum rc rdb_in_open_functions(struct rdb_in *in, struct bytes payload)
{
    return open_payload(in, payload);
}

enum rc rdb_in_function(struct rdb_in *in, struct bytes *code)
{
    unsigned op;
    if (in->error[0])
        return RC_INVALID;
    if (in->pos == in->n)
        return RC_MISSING;
    TRY(take_byte(in, &op));
    if (op != RDB_MARK_FUNCTION) {
        fault(in, in->pos - 1, "the byte %u does not begin a library of functions", op);
        return RC_NOTYPE;
    }
    return take_text(in, &in->text, in->digits[1], code);
}

void rdb_in_close(struct rdb_in *in)
{
    free(in->key.p);
    free(in->text.p);
    in->key = in->text = (struct rdb_scratch){0};
}

const char *rdb_type_name(enum rdb_type type)
{
    static const char *const name[RDB_TYPE_LIMIT] = {
        [RDB_STRING] = "string",
        [RDB_LIST] = "list",
        [RDB_LIST_ZIPLIST] = "list",
        [RDB_LIST_QUICKLIST] = "list",
        [RDB_LIST_QUICKLIST_2] = "list",
        [RDB_SET] = "set",
        [RDB_SET_INTSET] = "set",
        [RDB_SET_LISTPACK] = "set",
        [RDB_ZSET] = "zset",
        [RDB_ZSET_2] = "zset",
        [RDB_ZSET_ZIPLIST] = "zset",
        [RDB_ZSET_LISTPACK] = "zset",
        [RDB_HASH] = "hash",
        [RDB_HASH_ZIPMAP] = "hash",
        [RDB_HASH_ZIPLIST] = "hash",
        [RDB_HASH_LISTPACK] = "hash",
        [RDB_HASH_EXPIRING] = "hash",
        [RDB_HASH_EXPIRING_RC] = "hash",
        [RDB_HASH_LISTPACK_EXPIRING] = "hash",
        [RDB_HASH_LISTPACK_EXPIRING_RC] = "hash",
        [RDB_STREAM_LISTPACKS] = "stream",
        [RDB_STREAM_LISTPACKS_2] = "stream",
        [RDB_STREAM_LISTPACKS_3] = "stream",
        [RDB_MODULE_1] = "module",
        [RDB_MODULE_2] = "module",
    };
    return type < RDB_TYPE_LIMIT && name[type] ? name[type] : "unknown";
}

bool rdb_tells_lsn(const struct rdb_item *it, int64_t *lsn)
{
    return it->kind == RDB_ITEM_AUX && bytes_is(it->key, RDB_AUX_LSN) && number_to_int64(it->text, lsn);
}

/* A long key is cut: the sentence goes into one line of the log. The value of a module's type begins with its id. */
enum rc rdb_refuse_type(struct rdb_in *in, const struct rdb_item *key)
{
    char shown[4 * 32 + 3];
    struct bytes begin = {key->key.p, key->key.n < 32 ? key->key.n : 32};
    size_t n = words_quote(begin, shown, sizeof(shown)), at = in->pos;
    bool of_module = key->type == RDB_MODULE_1 || key->type == RDB_MODULE_2;
    const char *type = rdb_type_name(key->type);
    uint64_t id;
    if (of_module && !take_length(in, &id))
        type = module_name(id, in->digits[1]).p;
    fault(in, at, "the type %s%s of key %.*s%s is not supported yet", of_module ? "of a module, " : "", type,
          (int)n, shown, begin.n < key->key.n ? "..." : "");
    return RC_NOTYPE;
}
