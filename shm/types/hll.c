#include "shm/types/hll.h"
#include "shm/types/string.h"

#include <endian.h>
#include <math.h>

#define RANK_BITS (64 - HLL_BITS)
#define OUTDATED  0x80u /* in the cardinality's last byte */

enum { DENSE, SPARSE };

/* ---- hashing: MurmurHash64A with the seed of Redis, so that its registers and ours are the same ---- */

#define MURMUR_FACTOR 0xc6a4a7935bd1e995ull
#define MURMUR_SHIFT  47
#define MURMUR_SEED   0xadc83b19ull

static uint64_t murmur(struct bytes b)
{
    uint64_t h = MURMUR_SEED ^ b.n * MURMUR_FACTOR, w;
    size_t i = 0;
    for (; i + 8 <= b.n; i += 8) {
        memcpy(&w, b.p + i, 8);
        w = le64toh(w) * MURMUR_FACTOR;
        w = (w ^ w >> MURMUR_SHIFT) * MURMUR_FACTOR;
        h = (h ^ w) * MURMUR_FACTOR;
    }
    if (i < b.n) {
        w = 0;
        memcpy(&w, b.p + i, b.n - i);
        h = (h ^ le64toh(w)) * MURMUR_FACTOR;
    }
    h = (h ^ h >> MURMUR_SHIFT) * MURMUR_FACTOR;
    return h ^ h >> MURMUR_SHIFT;
}

/* The rank is the place of the lowest bit that is set beyond those of the index, counted from 1; with none, 51. */
unsigned hll_rank(struct bytes element, unsigned *index)
{
    uint64_t h = murmur(element);
    *index = (unsigned)(h & (HLL_REGISTERS - 1));
    return (unsigned)__builtin_ctzll(h >> HLL_BITS | 1ull << RANK_BITS) + 1;
}

/* ---- the head ---- */

bool hll_is(struct bytes value)
{
    if (value.n < HLL_HEAD || memcmp(value.p, "HYLL", 4) != 0)
        return false;
    return value.p[4] == SPARSE || (value.p[4] == DENSE && value.n == HLL_DENSE);
}

bool hll_cached(struct bytes value, uint64_t *count)
{
    uint64_t w;
    memcpy(&w, value.p + HLL_CARD, 8);
    *count = le64toh(w);
    return !(*count >> 63);
}

void hll_outdate(struct hll *h)
{
    h->p[HLL_HEAD - 1] |= OUTDATED;
}

/* ---- dense registers ---- */

/* A register lies in one byte, or in two; the last in one. */
static inline unsigned register_bytes(unsigned index)
{
    return index * 6 % 8 > 2 ? 2 : 1;
}

unsigned hll_register(const uint8_t *registers, unsigned index)
{
    const uint8_t *p = registers + index * 6 / 8;
    unsigned w = p[0] | (register_bytes(index) > 1 ? (unsigned)p[1] << 8 : 0);
    return w >> index * 6 % 8 & 63;
}

/* Writes the bytes that hold the register with this rank in it; at is its first byte. */
static void register_set(uint8_t *at, unsigned index, unsigned rank)
{
    unsigned shift = index * 6 % 8, two = register_bytes(index) > 1;
    unsigned w = at[0] | (two ? (unsigned)at[1] << 8 : 0);
    w = (w & ~(63u << shift)) | rank << shift;
    at[0] = (uint8_t)w;
    if (two)
        at[1] = (uint8_t)(w >> 8);
}

/* ---- sparse registers ---- */

#define ZERO_MOST       64u
#define LONG_MOST       16384u
#define VALUE_MOST      4u
#define VALUE_RANK_MOST 32u

struct run {
    unsigned bytes, len, rank;
};

/* A run of the value p..end; its bytes are 0 where it is cut off. */
static inline struct run run_at(const uint8_t *p, const uint8_t *end)
{
    if (p[0] & 0x80)
        return (struct run){1, (p[0] & 3u) + 1, (p[0] >> 2 & 31u) + 1};
    if (!(p[0] & 0x40))
        return (struct run){1, (p[0] & 63u) + 1, 0};
    if (end - p < 2)
        return (struct run){0};
    return (struct run){2, ((p[0] & 63u) << 8 | p[1]) + 1, 0};
}

static uint8_t *put_zeros(uint8_t *to, unsigned len)
{
    if (len > ZERO_MOST) {
        *to++ = (uint8_t)(0x40 | (len - 1) >> 8);
        *to++ = (uint8_t)(len - 1);
    } else if (len) {
        *to++ = (uint8_t)(len - 1);
    }
    return to;
}

static uint8_t *put_value(uint8_t *to, unsigned rank, unsigned len)
{
    if (len)
        *to++ = (uint8_t)(0x80 | (rank - 1) << 2 | (len - 1));
    return to;
}

static uint8_t *put_run(uint8_t *to, unsigned rank, unsigned len)
{
    return rank ? put_value(to, rank, len) : put_zeros(to, len);
}

/* Calls for each run of a sparse value. RC_INVALID: they do not make up all registers. */
typedef void run_fn(void *arg, unsigned first, struct run r);

static enum rc runs_each(struct bytes value, run_fn *fn, void *arg)
{
    const uint8_t *p = (const uint8_t *)value.p + HLL_HEAD, *end = (const uint8_t *)value.p + value.n;
    unsigned at = 0;
    while (p < end) {
        struct run r = run_at(p, end);
        if (!r.bytes || at + r.len > HLL_REGISTERS)
            return RC_INVALID;
        fn(arg, at, r);
        at += r.len;
        p += r.bytes;
    }
    return at == HLL_REGISTERS ? RC_OK : RC_INVALID;
}

static void run_set(void *arg, unsigned first, struct run r)
{
    for (unsigned i = first; r.rank && i < first + r.len; i++)
        register_set((uint8_t *)arg + i * 6 / 8, i, r.rank);
}

enum rc hll_to_dense(struct hll *h)
{
    uint8_t registers[HLL_DENSE - HLL_HEAD] = {0};
    if (h->p[4] == DENSE)
        return RC_OK;
    enum rc rc = runs_each((struct bytes){(char *)h->p, h->n}, run_set, registers);
    if (rc)
        return rc;
    h->p[4] = DENSE;
    h->n = HLL_DENSE;
    memcpy(h->p + HLL_HEAD, registers, sizeof(registers));
    return RC_OK;
}

void hll_new(struct hll *h)
{
    memset(h->p, 0, HLL_HEAD);
    memcpy(h->p, "HYLL\1", 5);
    h->n = (size_t)(put_zeros(h->p + HLL_HEAD, HLL_REGISTERS) - h->p);
}

enum rc hll_open(struct hll *h, struct bytes value)
{
    if (value.n > HLL_HEAD + HLL_REGISTERS)
        return RC_INVALID;
    memcpy(h->p, value.p, value.n);
    h->n = value.n;
    return RC_OK;
}

/* ---- raising ---- */

struct found {
    uint8_t *at, *before; /* the run of a register, and the one before it: NULL at the beginning */
    unsigned first;       /* the run's first register */
    struct run run;
};

static bool run_find(struct hll *h, unsigned index, struct found *f)
{
    uint8_t *end = h->p + h->n;
    *f = (struct found){.at = h->p + HLL_HEAD};
    while (f->at < end) {
        f->run = run_at(f->at, end);
        if (!f->run.bytes)
            return false;
        if (index < f->first + f->run.len)
            return true;
        f->before = f->at;
        f->at += f->run.bytes;
        f->first += f->run.len;
    }
    return false;
}

/* Puts n bytes in the place of a run. */
static void run_replace(struct hll *h, const struct found *f, const uint8_t *with, size_t n)
{
    uint8_t *next = f->at + f->run.bytes;
    memmove(f->at + n, next, (size_t)(h->p + h->n - next));
    memcpy(f->at, with, n);
    h->n += n - f->run.bytes;
}

/* Neighbours of one value become one run, as far as it may be long. Only the five runs around the change are looked at,
 * as in Redis: its bytes would differ otherwise. */
static void runs_join(struct hll *h, uint8_t *p)
{
    for (unsigned look = 0; look < 5 && p < h->p + h->n; look++) {
        uint8_t *end = h->p + h->n;
        struct run a = run_at(p, end);
        if (a.rank && p + 1 < end) {
            struct run b = run_at(p + 1, end);
            if (b.rank == a.rank && a.len + b.len <= VALUE_MOST) {
                put_value(p + 1, a.rank, a.len + b.len);
                memmove(p, p + 1, (size_t)(end - p - 1));
                h->n--;
                continue;
            }
        }
        if (!a.bytes)
            return;
        p += a.bytes;
    }
}

static enum rc dense_raise(struct hll *h, unsigned index, unsigned rank, bool *changed)
{
    *changed = hll_register(h->p + HLL_HEAD, index) < rank;
    if (*changed)
        register_set(h->p + HLL_HEAD + index * 6 / 8, index, rank);
    return RC_OK;
}

static enum rc promote(struct hll *h, unsigned index, unsigned rank, bool *changed)
{
    enum rc rc = hll_to_dense(h);
    return rc ? rc : dense_raise(h, index, rank, changed);
}

enum rc hll_raise(struct hll *h, unsigned index, unsigned rank, uint64_t sparse_max, bool *changed)
{
    struct found f;
    uint8_t with[5], *to = with; /* two long zeros around a value */
    *changed = false;
    if (h->p[4] == DENSE)
        return dense_raise(h, index, rank, changed);
    if (rank > VALUE_RANK_MOST)
        return promote(h, index, rank, changed);
    if (!run_find(h, index, &f))
        return RC_INVALID;
    if (f.run.rank >= rank)
        return RC_OK;
    to = put_run(to, f.run.rank, index - f.first);
    to = put_value(to, rank, 1);
    to = put_run(to, f.run.rank, f.first + f.run.len - index - 1);
    size_t n = (size_t)(to - with), total = h->n - f.run.bytes + n;
    if (n > f.run.bytes && (total > sparse_max || total > HLL_LONGEST))
        return promote(h, index, rank, changed);
    run_replace(h, &f, with, n);
    runs_join(h, f.before ? f.before : h->p + HLL_HEAD);
    hll_outdate(h);
    *changed = true;
    return RC_OK;
}

/* ---- merging and counting ---- */

static void run_merge(void *arg, unsigned first, struct run r)
{
    uint8_t *registers = arg;
    for (unsigned i = first; r.rank && i < first + r.len; i++)
        registers[i] = registers[i] < r.rank ? (uint8_t)r.rank : registers[i];
}

enum rc hll_merge(uint8_t registers[HLL_REGISTERS], struct bytes value)
{
    const uint8_t *dense = (const uint8_t *)value.p + HLL_HEAD;
    if (!hll_is_dense(value))
        return runs_each(value, run_merge, registers);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) {
        uint8_t rank = (uint8_t)hll_register(dense, i);
        registers[i] = registers[i] < rank ? rank : registers[i];
    }
    return RC_OK;
}

/* The estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches"), as Redis uses it: from how
 * many registers have each rank. */
static double sigma(double x)
{
    double y = 1, z = x, before;
    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

static double tau(double x)
{
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (before != z);
    return z / 3;
}

static uint64_t estimate(const unsigned having[64])
{
    const double m = HLL_REGISTERS, alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    double z = m * tau((m - having[RANK_BITS + 1]) / m);
    for (unsigned rank = RANK_BITS; rank >= 1; rank--)
        z = (z + having[rank]) * 0.5;
    z += m * sigma(having[0] / m);
    return (uint64_t)llroundl(alpha * m * m / z);
}

uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS])
{
    unsigned having[64] = {0};
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        having[registers[i] & 63]++;
    return estimate(having);
}

static void run_have(void *arg, unsigned first, struct run r)
{
    (void)first;
    ((unsigned *)arg)[r.rank] += r.len;
}

/* Four registers lie in three bytes. Counting them in two tables lets neighbours of one rank not wait for each other. */
static void dense_have(const uint8_t *p, unsigned having[64])
{
    unsigned other[64] = {0};
    for (unsigned i = 0; i < HLL_REGISTERS; i += 4, p += 3) {
        unsigned w = p[0] | (unsigned)p[1] << 8 | (unsigned)p[2] << 16;
        having[w & 63]++;
        other[w >> 6 & 63]++;
        having[w >> 12 & 63]++;
        other[w >> 18]++;
    }
    for (unsigned i = 0; i < 64; i++)
        having[i] += other[i];
}

enum rc hll_count(struct bytes value, uint64_t *count)
{
    unsigned having[64] = {0};
    enum rc rc = RC_OK;
    if (hll_is_dense(value))
        dense_have((const uint8_t *)value.p + HLL_HEAD, having);
    else
        rc = runs_each(value, run_have, having);
    if (!rc)
        *count = estimate(having);
    return rc;
}

/* ---- a key's ---- */

enum rc hll_store(struct tx *tx, struct key_ref *k, const struct hll *h, uint32_t clock)
{
    shm_ref r;
    char *to;
    enum rc rc = string_begin(tx, k, h->n, k->entry ? entry_expiry(key_entry(k)) : -1, clock, &r, &to);
    if (rc)
        return rc;
    memcpy(to, h->p, h->n);
    return key_put(tx, k, r, false);
}

/* Registers where they lie: one byte or two for each element, and the mark that the cardinality is out of date. */
static enum rc dense_add(struct tx *tx, struct key_ref *k, uint32_t clock, const struct bytes *element,
                         size_t n, unsigned *changed)
{
    size_t length;
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n && !rc; i++) {
        unsigned index, rank = hll_rank(element[i], &index), at = HLL_HEAD + index * 6 / 8;
        const uint8_t *value = (const uint8_t *)entry_bytes(key_entry(k)).p;
        uint8_t bytes[2];
        if (hll_register(value + HLL_HEAD, index) >= rank)
            continue;
        memcpy(bytes, value + at, register_bytes(index));
        register_set(bytes, index, rank);
        rc =
            string_set_range(tx, k, at, (struct bytes){(char *)bytes, register_bytes(index)}, clock, &length);
        ++*changed;
    }
    if (!*changed || rc)
        return rc;
    uint8_t last = (uint8_t)entry_bytes(key_entry(k)).p[HLL_HEAD - 1];
    if (last & OUTDATED)
        return RC_OK;
    last |= OUTDATED;
    return string_set_range(tx, k, HLL_HEAD - 1, (struct bytes){(char *)&last, 1}, clock, &length);
}

enum rc hll_add(struct tx *tx, struct key_ref *k, const struct hll_change *how, const struct bytes *element,
                size_t n, unsigned *changed)
{
    struct hll h;
    enum rc rc = RC_OK;
    *changed = !k->entry;
    if (k->entry && hll_is_dense(entry_bytes(key_entry(k))))
        return dense_add(tx, k, how->clock, element, n, changed);
    if (k->entry)
        rc = hll_open(&h, entry_bytes(key_entry(k)));
    else
        hll_new(&h);
    for (size_t i = 0; i < n && !rc; i++) {
        unsigned index, rank = hll_rank(element[i], &index);
        bool raised;
        rc = hll_raise(&h, index, rank, how->sparse_max, &raised);
        *changed += !rc && raised;
    }
    if (rc || !*changed)
        return rc;
    hll_outdate(&h);
    return hll_store(tx, k, &h, how->clock);
}

enum rc hll_cache(struct tx *tx, struct key_ref *k, uint64_t count, uint32_t clock, char card[8])
{
    uint64_t w = htole64(count);
    size_t length;
    memcpy(card, &w, 8);
    return string_set_range(tx, k, HLL_CARD, (struct bytes){card, 8}, clock, &length);
}
