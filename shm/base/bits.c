#include "shm/base/bits.h"

#include <endian.h>

static inline uint64_t load(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

static inline uint64_t load_big(const uint8_t *p)
{
    return be64toh(load(p));
}

/* The bits from..7 of a byte, and those before end (1-8). */
static inline unsigned mask_from(unsigned from)
{
    return 0xffu >> from;
}
static inline unsigned mask_before(unsigned end)
{
    return 0xffu & ~(0xffu >> end);
}

/* ---- counting ---- */

/* Four sums, since an addition would wait for the one before. */
#define COUNT_WORDS                                                                                          \
    uint64_t a = 0, b = 0, c = 0, d = 0;                                                                     \
    size_t i = 0;                                                                                            \
    for (; i + 32 <= n; i += 32) {                                                                           \
        a += (uint64_t)__builtin_popcountll(load(p + i));                                                    \
        b += (uint64_t)__builtin_popcountll(load(p + i + 8));                                                \
        c += (uint64_t)__builtin_popcountll(load(p + i + 16));                                               \
        d += (uint64_t)__builtin_popcountll(load(p + i + 24));                                               \
    }                                                                                                        \
    for (; i < n; i++)                                                                                       \
        a += (uint64_t)__builtin_popcountll(p[i]);                                                           \
    return a + b + c + d

static uint64_t count_any(const uint8_t *p, size_t n)
{
    COUNT_WORDS;
}

#if defined(__x86_64__)
/* The same with the instruction that all but the oldest CPUs have. */
__attribute__((target("popcnt"))) static uint64_t count_popcnt(const uint8_t *p, size_t n)
{
    COUNT_WORDS;
}

static uint64_t count_bytes(const uint8_t *p, size_t n)
{
    return __builtin_cpu_supports("popcnt") ? count_popcnt(p, n) : count_any(p, n);
}
#else
static uint64_t count_bytes(const uint8_t *p, size_t n)
{
    return count_any(p, n);
}
#endif

uint64_t bits_count(const void *data, uint64_t from, uint64_t end)
{
    const uint8_t *p = data;
    if (from >= end)
        return 0;
    uint64_t first = from >> 3, last = (end - 1) >> 3;
    unsigned head = mask_from(from & 7), tail = mask_before((unsigned)((end - 1) & 7) + 1);
    if (first == last)
        return (uint64_t)__builtin_popcount(p[first] & head & tail);
    return (uint64_t)__builtin_popcount(p[first] & head) + (uint64_t)__builtin_popcount(p[last] & tail) +
           count_bytes(p + first + 1, last - first - 1);
}

/* ---- searching ---- */

uint64_t bits_find(const void *data, uint64_t from, uint64_t end, bool set)
{
    const uint8_t *p = data;
    if (from >= end)
        return end;
    /* What is looked for becomes a set bit. */
    uint64_t flip = set ? 0 : UINT64_MAX, at = from >> 3, bytes = (end + 7) >> 3;
    unsigned first = ((p[at] ^ flip) & mask_from(from & 7)) & 0xff;
    if (!first) {
        for (at++; at + 8 <= bytes && load(p + at) == (set ? 0 : UINT64_MAX);)
            at += 8;
        while (at < bytes && !((p[at] ^ flip) & 0xff))
            at++;
        if (at == bytes)
            return end;
        first = (p[at] ^ flip) & 0xff;
    }
    uint64_t found = at * 8 + (uint64_t)__builtin_clz(first) - 24;
    return found < end ? found : end;
}

/* ---- combining ---- */

static inline uint64_t combine(enum bits_op op, uint64_t a, uint64_t b)
{
    return op == BITS_AND ? a & b : op == BITS_OR ? a | b : a ^ b;
}

/* out = out op in. Inlined with a constant op, so that the loop holds no choice. */
__attribute__((always_inline)) static inline void fold_with(enum bits_op op, uint8_t *out, const uint8_t *in,
                                                            size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w = combine(op, load(out + i), load(in + i));
        memcpy(out + i, &w, 8);
    }
    for (; i < n; i++)
        out[i] = (uint8_t)combine(op, out[i], in[i]);
}

static void fold(enum bits_op op, uint8_t *out, const uint8_t *in, size_t n)
{
    if (op == BITS_AND)
        fold_with(BITS_AND, out, in, n);
    else if (op == BITS_OR)
        fold_with(BITS_OR, out, in, n);
    else
        fold_with(BITS_XOR, out, in, n);
}

static void flip(uint8_t *out, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w = ~load(out + i);
        memcpy(out + i, &w, 8);
    }
    for (; i < n; i++)
        out[i] = (uint8_t)~out[i];
}

/* The part of a source that lies in a piece of the result. */
static inline struct bytes part_of(struct bytes s, size_t at, size_t n)
{
    if (s.n <= at)
        return (struct bytes){s.p, 0};
    return (struct bytes){s.p + at, s.n - at < n ? s.n - at : n};
}

/* Pieces that stay in the first cache while one source after the other is folded in. */
#define PIECE (16u << 10)

void bits_combine(enum bits_op op, char *out, size_t len, const struct bytes *src, size_t n)
{
    for (size_t at = 0, piece; at < len; at += piece) {
        uint8_t *to = (uint8_t *)out + at;
        piece = len - at < PIECE ? len - at : PIECE;
        struct bytes s = part_of(src[0], at, piece);
        memcpy(to, s.p, s.n);
        memset(to + s.n, 0, piece - s.n);
        if (op == BITS_NOT)
            flip(to, piece);
        for (size_t i = 1; i < n; i++) {
            s = part_of(src[i], at, piece);
            fold(op, to, (const uint8_t *)s.p, s.n);
            if (op == BITS_AND)
                memset(to + s.n, 0, piece - s.n);
        }
    }
}

/* ---- fields ---- */

/* The window's first 8 bytes are one word; the ninth holds what such a field has beyond it. */
uint64_t field_get(const uint8_t window[FIELD_BYTES], unsigned at, unsigned bits)
{
    unsigned __int128 all = (unsigned __int128)load_big(window) << 8 | window[8];
    uint64_t v = (uint64_t)(all >> (72 - at - bits));
    return bits == 64 ? v : v & ((1ull << bits) - 1);
}

void field_put(uint8_t window[FIELD_BYTES], unsigned at, unsigned bits, uint64_t v)
{
    unsigned shift = 72 - at - bits;
    unsigned __int128 all = (unsigned __int128)load_big(window) << 8 | window[8];
    unsigned __int128 mask = ((unsigned __int128)1 << bits) - 1;
    all = (all & ~(mask << shift)) | ((unsigned __int128)v & mask) << shift;
    uint64_t high = htobe64((uint64_t)(all >> 8));
    memcpy(window, &high, 8);
    window[8] = (uint8_t)all;
}

int64_t field_number(const struct field_kind *f, uint64_t raw)
{
    if (!f->is_signed || f->bits == 64)
        return (int64_t)raw;
    uint64_t sign = 1ull << (f->bits - 1);
    return (int64_t)((raw ^ sign) - sign);
}

bool field_add(const struct field_kind *f, int64_t v, int64_t by, int64_t *out)
{
    __int128 least = f->is_signed ? -((__int128)1 << (f->bits - 1)) : 0;
    __int128 most = ((__int128)1 << (f->is_signed ? f->bits - 1 : f->bits)) - 1;
    __int128 sum = (f->is_signed ? (__int128)v : (__int128)(uint64_t)v) + by;
    if (sum >= least && sum <= most) {
        *out = (int64_t)sum;
        return true;
    }
    if (f->overflow == FIELD_FAIL)
        return false;
    /* A number so low that its distance from the highest is beyond 64 bits counts as too high, in Redis: SET knows such. */
    bool high = sum > most || (f->is_signed && f->bits < 64 && most - v > INT64_MAX);
    if (f->overflow == FIELD_SAT)
        *out = (int64_t)(high ? most : least);
    else
        *out = field_number(f, (uint64_t)sum & (uint64_t)(((unsigned __int128)1 << f->bits) - 1));
    return true;
}
