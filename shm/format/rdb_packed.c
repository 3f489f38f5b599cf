/* Each step compares what it is about to read with what is left, and what is told twice (an item's length, their number, where
 * the last one begins) must be the same. So a blob that was read to its end has been checked as a whole. Numbers are
 * little endian unless it is said otherwise. */
#include "shm/format/rdb_packed.h"
#include "shm/base/number.h"

#define END_MARK      255u
#define LONG_MARK     254u
#define ZIPLIST_HEAD  10u /* bytes in all, where the last item begins, items */
#define LISTPACK_HEAD 6u  /* bytes in all, items */
#define INTSET_HEAD   8u  /* bytes of a number, how many */
#define MANY          65535u

static inline size_t left(const struct rdb_packed *b)
{
    return b->n - b->pos;
}

static uint64_t little(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    memcpy(&v, p, bytes);
    return v;
}

static int64_t with_sign(uint64_t v, unsigned bits)
{
    return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

static uint64_t big(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    while (bytes--)
        v = v << 8 | *p++;
    return v;
}

/* The next n bytes, NULL: there are fewer. */
static const uint8_t *take(struct rdb_packed *b, uint64_t n)
{
    const uint8_t *p = b->p + b->pos;
    if (UNLIKELY(left(b) < n))
        return NULL;
    b->pos += n;
    return p;
}

static enum rc take_bytes(struct rdb_packed *b, uint64_t n, struct bytes *out)
{
    const uint8_t *p = take(b, n);
    *out = (struct bytes){(const char *)p, n};
    return p ? RC_OK : RC_INVALID;
}

static enum rc give_number(struct rdb_packed *b, int64_t v, char digits[24], struct bytes *out)
{
    b->is_number = true;
    b->number = v;
    *out = (struct bytes){digits, digits ? number_from_int64(digits, v) : 0};
    return RC_OK;
}

static enum rc take_number(struct rdb_packed *b, unsigned bytes, char digits[24], struct bytes *out)
{
    const uint8_t *p = take(b, bytes);
    return p ? give_number(b, with_sign(little(p, bytes), 8 * bytes), digits, out) : RC_INVALID;
}

/* The end mark has been read: it must be the last byte, and the items as many as was told. */
static enum rc end_of(const struct rdb_packed *b)
{
    return left(b) == 0 && (b->told == UINT64_MAX || b->told == b->at) ? RC_MISSING : RC_INVALID;
}

/* ---- ziplist ---- */

static enum rc ziplist_open(struct rdb_packed *b)
{
    const uint8_t *p = take(b, ZIPLIST_HEAD);
    if (!p || little(p, 4) != b->n)
        return RC_INVALID;
    b->told = little(p + 8, 2) == MANY ? UINT64_MAX : little(p + 8, 2);
    return RC_OK;
}

/* Where the last item begins; with none, where the end mark stands. */
static enum rc ziplist_end(const struct rdb_packed *b)
{
    uint64_t tail = little(b->p + 4, 4);
    return tail == (b->before ? b->before : ZIPLIST_HEAD) ? end_of(b) : RC_INVALID;
}

/* An item begins with the length of the one before. */
static enum rc ziplist_back(struct rdb_packed *b, unsigned first, size_t start)
{
    const uint8_t *p;
    uint64_t length = first;
    if (first == LONG_MARK) {
        if (!(p = take(b, 4)))
            return RC_INVALID;
        length = little(p, 4);
    }
    return length == (b->before ? start - b->before : 0) ? RC_OK : RC_INVALID;
}

static enum rc ziplist_number(struct rdb_packed *b, unsigned kind, char digits[24], struct bytes *out)
{
    switch (kind) {
    case 0xc0:
        return take_number(b, 2, digits, out);
    case 0xd0:
        return take_number(b, 4, digits, out);
    case 0xe0:
        return take_number(b, 8, digits, out);
    case 0xf0:
        return take_number(b, 3, digits, out);
    case 0xfe:
        return take_number(b, 1, digits, out);
    default: /* 1111 and a number from 1 to 13: one more than what is meant */
        return kind > 0xf0 && kind < 0xfe ? give_number(b, (kind & 15) - 1, digits, out) : RC_INVALID;
    }
}

static enum rc ziplist_next(struct rdb_packed *b, char digits[24], struct bytes *out)
{
    size_t start = b->pos;
    const uint8_t *p = take(b, 1);
    if (!p)
        return RC_INVALID;
    if (*p == END_MARK)
        return ziplist_end(b);
    if (ziplist_back(b, *p, start) || !(p = take(b, 1)))
        return RC_INVALID;
    b->before = start;
    switch (*p >> 6) { /* lengths of strings are big endian */
    case 0:
        return take_bytes(b, *p & 63, out);
    case 1:
        return take(b, 1) ? take_bytes(b, big(p, 2) & 16383, out) : RC_INVALID;
    case 2:
        return take(b, 4) ? take_bytes(b, big(p + 1, 4), out) : RC_INVALID;
    default:
        return ziplist_number(b, *p, digits, out);
    }
}

/* ---- listpack ---- */

static enum rc listpack_open(struct rdb_packed *b)
{
    const uint8_t *p = take(b, LISTPACK_HEAD);
    if (!p || little(p, 4) != b->n)
        return RC_INVALID;
    b->told = little(p + 4, 2) == MANY ? UINT64_MAX : little(p + 4, 2);
    return RC_OK;
}

static enum rc listpack_number(struct rdb_packed *b, const uint8_t *p, char digits[24], struct bytes *out)
{
    switch (*p) {
    case 0xf1:
        return take_number(b, 2, digits, out);
    case 0xf2:
        return take_number(b, 3, digits, out);
    case 0xf3:
        return take_number(b, 4, digits, out);
    case 0xf4:
        return take_number(b, 8, digits, out);
    default:
        return RC_INVALID;
    }
}

static enum rc listpack_item(struct rdb_packed *b, const uint8_t *p, char digits[24], struct bytes *out)
{
    if (*p < 0x80)
        return give_number(b, *p, digits, out);
    if (*p < 0xc0)
        return take_bytes(b, *p & 63, out);
    if (*p < 0xe0)
        return take(b, 1) ? give_number(b, with_sign(big(p, 2) & 8191, 13), digits, out) : RC_INVALID;
    if (*p < 0xf0)
        return take(b, 1) ? take_bytes(b, big(p, 2) & 4095, out) : RC_INVALID;
    if (*p == 0xf0)
        return take(b, 4) ? take_bytes(b, little(p + 1, 4), out) : RC_INVALID;
    return listpack_number(b, p, digits, out);
}

/* Behind an item stands its length, 7 bits a byte, to be read backwards: all bytes but the first have the top bit. The
 * bounds are a little below what would fit: Redis's are. */
static enum rc listpack_back(struct rdb_packed *b, uint64_t length)
{
    unsigned n = length <= 127 ? 1 : length < 16383 ? 2 : length < 2097151 ? 3 : length < 268435455 ? 4 : 5;
    const uint8_t *p = take(b, n);
    if (!p)
        return RC_INVALID;
    for (unsigned i = 0; i < n; i++) {
        uint8_t want = (uint8_t)(length >> 7 * (n - 1 - i) & 127) | (i ? 128 : 0);
        if (p[i] != want)
            return RC_INVALID;
    }
    return RC_OK;
}

static enum rc listpack_next(struct rdb_packed *b, char digits[24], struct bytes *out)
{
    size_t start = b->pos;
    const uint8_t *p = take(b, 1);
    if (!p)
        return RC_INVALID;
    if (*p == END_MARK)
        return end_of(b);
    enum rc rc = listpack_item(b, p, digits, out);
    return rc ? rc : listpack_back(b, b->pos - start);
}

/* ---- intset ---- */

static enum rc intset_open(struct rdb_packed *b)
{
    const uint8_t *p = take(b, INTSET_HEAD);
    if (!p)
        return RC_INVALID;
    b->width = (unsigned)little(p, 4);
    b->told = little(p + 4, 4);
    if (b->width != 2 && b->width != 4 && b->width != 8)
        return RC_INVALID;
    return left(b) == b->told * b->width ? RC_OK : RC_INVALID;
}

static enum rc intset_next(struct rdb_packed *b, char digits[24], struct bytes *out)
{
    const uint8_t *p = take(b, b->width);
    if (!p)
        return RC_MISSING;
    int64_t v = with_sign(little(p, b->width), 8 * b->width);
    if (b->at && v <= b->last)
        return RC_INVALID;
    b->last = v;
    return give_number(b, v, digits, out);
}

/* ---- zipmap: fields and values by turns ---- */

static enum rc zipmap_open(struct rdb_packed *b)
{
    const uint8_t *p = take(b, 1);
    if (!p)
        return RC_INVALID;
    b->told = *p >= LONG_MARK ? UINT64_MAX : 2ull * *p;
    return RC_OK;
}

static enum rc zipmap_next(struct rdb_packed *b, struct bytes *out)
{
    bool value = b->at & 1;
    const uint8_t *p = take(b, 1), *spare;
    if (!p)
        return RC_INVALID;
    if (*p == END_MARK)
        return value ? RC_INVALID : end_of(b);
    uint64_t n = *p;
    if (n == LONG_MARK) {
        if (!(p = take(b, 4)))
            return RC_INVALID;
        n = little(p, 4);
    }
    if (!value)
        return take_bytes(b, n, out);
    if (!(spare = take(b, 1)) || take_bytes(b, n, out)) /* a value has room behind it */
        return RC_INVALID;
    return take(b, *spare) ? RC_OK : RC_INVALID;
}

/* ---- any ---- */

enum rc rdb_packed_open(struct rdb_packed *b, enum rdb_packed_form form, struct bytes blob)
{
    *b = (struct rdb_packed){.form = form, .p = (const uint8_t *)blob.p, .n = blob.n};
    switch (form) {
    case PACKED_ZIPLIST:
        return ziplist_open(b);
    case PACKED_LISTPACK:
        return listpack_open(b);
    case PACKED_INTSET:
        return intset_open(b);
    default:
        return zipmap_open(b);
    }
}

static enum rc next(struct rdb_packed *b, char digits[24], struct bytes *out)
{
    switch (b->form) {
    case PACKED_ZIPLIST:
        return ziplist_next(b, digits, out);
    case PACKED_LISTPACK:
        return listpack_next(b, digits, out);
    case PACKED_INTSET:
        return intset_next(b, digits, out);
    default:
        return zipmap_next(b, out);
    }
}

/* The most frequent item: a string of up to 63 bytes, with a byte before and one behind it. */
static inline bool listpack_short(struct rdb_packed *b, struct bytes *out)
{
    size_t rest = left(b);
    const uint8_t *p = b->p + b->pos;
    if (!rest || (*p & 0xc0) != 0x80)
        return false;
    size_t n = *p & 63;
    if (rest < n + 2 || p[n + 1] != n + 1)
        return false;
    b->pos += n + 2;
    b->at++;
    *out = (struct bytes){(const char *)p + 1, n};
    return true;
}

enum rc rdb_packed_next(struct rdb_packed *b, char digits[24], struct bytes *out)
{
    b->is_number = false;
    if (LIKELY(b->form == PACKED_LISTPACK) && listpack_short(b, out))
        return RC_OK;
    enum rc rc = next(b, digits, out);
    b->at += !rc;
    return rc;
}
