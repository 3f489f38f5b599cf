/* The format: a byte below 32 says that so many bytes and one follow as they are (a run). Any other begins a
 * match: its upper 3 bits are the length less 2 (7: a byte follows that is added), its lower 5 and the byte
 * behind are how far back it lies, less 1.
 *
 * Which matches are found is not told by the format; but payloads of DUMP are compared, so every choice here
 * is the one of Redis's library: the hash, the places that are remembered, how long a match may become near
 * the end, and when the output counts as too long (it gives up a few bytes before it must). */
#include "shm/base/lzf.h"

#include "include/bytes.h"
#include "include/rc.h"

#define RUN_MAX   32u
#define FAR       8192u /* matches begin at most so far back */
#define MATCH_MAX 264u
#define TOKEN_MAX (1u + RUN_MAX + 3u)

_Static_assert(LZF_PIECE_MIN >= TOKEN_MAX, "a piece has room for a run and a match");

/* ---- compressing ---- */

static inline uint32_t *seen_at(struct lzf *z, size_t at)
{
    const uint8_t *p = z->in + at;
    unsigned first = (unsigned)(p[0] << 8 | p[1]), second = (unsigned)(p[1] << 8 | p[2]);
    return &z->table->seen[(first - 5 * second) & (LZF_SLOTS - 1)];
}

/* How long the match of two places may become that have three bytes in common. The last two bytes of the
 * input are left alone, but for what the library's unrolled loop takes. */
static inline size_t match_limit(size_t left)
{
    size_t limit = left - 2 < MATCH_MAX ? left - 2 : MATCH_MAX;
    if (limit > 16)
        return limit < 19 ? 19 : limit;
    return limit < 3 ? 3 : limit;
}

static inline size_t match_length(const uint8_t *a, const uint8_t *b, size_t limit)
{
    size_t n = 3;
    while (n < limit && a[n] == b[n])
        n++;
    return n;
}

static inline void remember(struct lzf *z, size_t at)
{
    *seen_at(z, at) = z->base + (uint32_t)at;
}

/* A match at z->at with what was last seen there: its length, 0 if there is none, and how far back. The
 * place is remembered in any case. (The input's first byte is never found: nor does the library find it.) */
static inline size_t match_find(struct lzf *z, size_t *back)
{
    const uint8_t *here = z->in + z->at, *there;
    uint32_t *slot = seen_at(z, z->at), seen = *slot;
    *slot = z->base + (uint32_t)z->at;
    if (seen <= z->base)
        return 0;
    *back = z->at - (seen - z->base);
    there = here - *back;
    if (*back > FAR || there[0] != here[0] || there[1] != here[1] || there[2] != here[2])
        return 0;
    return match_length(there, here, match_limit(z->n - z->at));
}

/* Goes on to the end of the next match (its length is returned), of a full run, or to the place from where on
 * too little is left for a match. */
static size_t scan(struct lzf *z, size_t *back)
{
    size_t start = z->at, stop = z->n > 2 ? z->n - 2 : 0;
    while (z->at < stop && z->at - start < RUN_MAX) {
        size_t length = match_find(z, back);
        if (!length) {
            z->at++;
            continue;
        }
        z->at += length;
        if (z->at < stop) { /* of the places inside the match, the last two */
            remember(z, z->at - 2);
            remember(z, z->at - 1);
        }
        return length;
    }
    return 0;
}

static uint8_t *put_run(uint8_t *out, const uint8_t *from, size_t n)
{
    if (!n)
        return out;
    *out++ = (uint8_t)(n - 1);
    bytes_copy((char *)out, (const char *)from, n);
    return out + n;
}

static uint8_t *put_match(uint8_t *out, size_t length, size_t back)
{
    size_t far = back - 1, code = length - 2;
    *out++ = (uint8_t)(far >> 8 | (code < 7 ? code : 7) << 5);
    if (code >= 7)
        *out++ = (uint8_t)(code - 7);
    *out++ = (uint8_t)far;
    return out;
}

void lzf_begin(struct lzf *z, struct lzf_table *t, const void *in, size_t n)
{
    if (t->base > UINT32_MAX - n) {
        memset(t->seen, 0, sizeof(t->seen));
        t->base = 0;
    }
    *z = (struct lzf){.table = t, .in = in, .n = n, .base = t->base};
    t->base += (uint32_t)n;
}

size_t lzf_piece(struct lzf *z, void *to, size_t room)
{
    uint8_t *out = to;
    while (z->at < z->n && room - (size_t)(out - (uint8_t *)to) >= TOKEN_MAX) {
        size_t start = z->at, back, length = scan(z, &back), run = z->at - length - start;
        if (!length && run < RUN_MAX) { /* the end is near */
            run = z->n - start < RUN_MAX ? z->n - start : RUN_MAX;
            z->at = start + run;
        }
        out = put_run(out, z->in + start, run);
        if (length)
            out = put_match(out, length, back);
    }
    return (size_t)(out - (uint8_t *)to);
}

/* The output's length, or 0. Where total is compared with room, the library would have found that it has too
 * little room: before each match it wants four bytes more than there are, at the end three. */
static size_t compress(struct lzf_table *t, const void *in, size_t n, uint8_t *out, size_t room)
{
    struct lzf z;
    size_t total = 0;
    if (!n || n > LZF_MAX)
        return 0;
    lzf_begin(&z, t, in, n);
    for (;;) {
        size_t start = z.at, back, length = scan(&z, &back), run = z.at - length - start;
        size_t run_bytes = run ? run + 1 : 0;
        if (length ? total + run_bytes + 4 >= room : total + run >= room)
            return 0;
        if (!length && run < RUN_MAX) {
            size_t left = n - start;
            if (total + run + 4 > room)
                return 0;
            if (out)
                for (size_t done = 0; done < left; done += RUN_MAX)
                    out = put_run(out, z.in + start + done, left - done < RUN_MAX ? left - done : RUN_MAX);
            return total + left + (left + RUN_MAX - 1) / RUN_MAX;
        }
        if (out) {
            out = put_run(out, z.in + start, run);
            out = length ? put_match(out, length, back) : out;
        }
        total += run_bytes + (length ? (length < 9 ? 2 : 3) : 0);
    }
}

size_t lzf_compress(struct lzf_table *t, const void *in, size_t n, void *out, size_t room)
{
    return compress(t, in, n, out, room);
}

size_t lzf_measure(struct lzf_table *t, const void *in, size_t n, size_t room)
{
    return compress(t, in, n, NULL, room);
}

/* ---- decompressing ---- */

/* What lies back bytes before comes again, n bytes of it; the two may overlap. */
static inline void repeat(uint8_t *out, size_t back, size_t n)
{
    while (n > back) { /* what has been written is as good to copy from: twice as much each time */
        memcpy(out, out - back, back);
        out += back;
        n -= back;
        back += back;
    }
    bytes_copy((char *)out, (const char *)out - back, n);
}

/* Most runs and matches are short. Where there is room, more is copied than belongs to one: what comes next is written over it. */
static inline void put_back(uint8_t *out, size_t back, size_t n, size_t room)
{
    if (LIKELY(back >= 8 && n <= 16 && room >= 16)) {
        memcpy(out, out - back, 8);
        memcpy(out + 8, out + 8 - back, 8);
    } else {
        repeat(out, back, n);
    }
}

static inline void put_run_back(uint8_t *out, const uint8_t *in, size_t n, bool roomy)
{
    if (LIKELY(roomy))
        memcpy(out, in, RUN_MAX);
    else
        bytes_copy((char *)out, (const char *)in, n);
}

bool lzf_decompress(const void *from, size_t length, void *to, size_t n)
{
    const uint8_t *in = from, *end = in + length;
    uint8_t *out = to, *out_end = out + n;
    while (in < end) {
        size_t code = *in++, count;
        if (code < RUN_MAX) {
            count = code + 1;
            size_t left = (size_t)(end - in), room = (size_t)(out_end - out);
            if (left < count || room < count)
                return false;
            put_run_back(out, in, count, left >= RUN_MAX && room >= RUN_MAX);
            in += count;
        } else {
            count = (code >> 5) + 2;
            if ((size_t)(end - in) < (count == 9 ? 2 : 1))
                return false;
            count += count == 9 ? *in++ : 0;
            size_t back = ((code & 31) << 8 | *in++) + 1;
            size_t room = (size_t)(out_end - out);
            if ((size_t)(out - (uint8_t *)to) < back || room < count)
                return false;
            put_back(out, back, count, room);
        }
        out += count;
    }
    return out == out_end;
}
