/* Replies. What a busy server writes most are short headers, so numbers are formatted here, two digits at a
 * time and straight into the buffer; printf appears only for doubles with a fraction and for the *f
 * functions. */
#include "worker/proto/reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HEADER_ROOM = 24, /* a mark, 20 characters of a 64-bit number, CR LF */
    LEAST_BUFFER = 256,
    MODEST_BUFFER = 1 << 20, /* beyond this a buffer grows by a quarter instead of doubling */
    DEFER_ROOM = 4,          /* "*n\r\n" */
};

void reply_grow(struct reply *r, size_t more)
{
    if (r->cap - r->len >= more)
        return;
    size_t need = r->len + more, cap = r->cap < MODEST_BUFFER ? r->cap * 2 : r->cap + r->cap / 4;
    CHECK(need > r->len);
    if (cap < need)
        cap = need;
    if (cap < LEAST_BUFFER)
        cap = LEAST_BUFFER;
    r->buf = realloc(r->buf, cap);
    CHECK(r->buf);
    r->cap = cap;
}

void reply_free(struct reply *r)
{
    free(r->buf);
    r->buf = NULL;
    r->len = r->cap = 0;
}

static inline char *room(struct reply *r, size_t n)
{
    if (UNLIKELY(r->cap - r->len < n))
        reply_grow(r, n);
    return r->buf + r->len;
}

/* ---- numbers ---- */

static const char digit_pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static inline unsigned count_digits(uint64_t v)
{
    static const uint64_t powers[20] = {0,
                                        10,
                                        100,
                                        1000,
                                        10000,
                                        100000,
                                        1000000,
                                        10000000,
                                        100000000,
                                        1000000000,
                                        10000000000,
                                        100000000000,
                                        1000000000000,
                                        10000000000000,
                                        100000000000000,
                                        1000000000000000,
                                        10000000000000000,
                                        100000000000000000,
                                        1000000000000000000,
                                        10000000000000000000u};
    /* 1233 / 4096 is log10(2) closely enough for 64 bits: the guess is right or one too small. */
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1), guess = bits * 1233 >> 12;
    return guess + (v >= powers[guess]);
}

/* Writes v at out; the place behind it. Writes no byte more. */
static inline char *put_number(char *out, uint64_t v)
{
    if (v < 10) {
        *out = (char)('0' + v);
        return out + 1;
    }
    char *end = out + count_digits(v), *s = end;
    while (v >= 100) {
        s -= 2;
        memcpy(s, digit_pairs + v % 100 * 2, 2);
        v /= 100;
    }
    if (v >= 10)
        memcpy(s - 2, digit_pairs + v * 2, 2);
    else
        s[-1] = (char)('0' + v);
    return end;
}

static inline char *put_signed(char *out, long long v)
{
    if (v >= 0)
        return put_number(out, (uint64_t)v);
    *out = '-';
    return put_number(out + 1, 0 - (uint64_t)v);
}

static inline char *put_crlf(char *out)
{
    memcpy(out, "\r\n", 2);
    return out + 2;
}

static inline char *put_header(char *out, char mark, uint64_t n)
{
    *out = mark;
    return put_crlf(put_number(out + 1, n));
}

static inline void header(struct reply *r, char mark, uint64_t n)
{
    r->len = (size_t)(put_header(room(r, HEADER_ROOM), mark, n) - r->buf);
}

void reply_int_long(struct reply *r, long long v)
{
    char *out = room(r, HEADER_ROOM);
    *out = ':';
    r->len = (size_t)(put_crlf(put_signed(out + 1, v)) - r->buf);
}

void reply_bulk_int(struct reply *r, long long v)
{
    char text[HEADER_ROOM];
    reply_bulk(r, text, (size_t)(put_signed(text, v) - text));
}

/* ---- text ---- */

static void newlines_to_spaces(char *s, size_t n)
{
    for (char *end = s + n; s < end; s++)
        if (*s == '\r' || *s == '\n')
            *s = ' ';
}

void reply_status_bytes(struct reply *r, struct bytes text)
{
    char *out = room(r, text.n + 3);
    *out++ = '+';
    if (text.n)
        memcpy(out, text.p, text.n);
    newlines_to_spaces(out, text.n);
    r->len = (size_t)(put_crlf(out + text.n) - r->buf);
}

void reply_status(struct reply *r, const char *text)
{
    reply_status_bytes(r, (struct bytes){text, strlen(text)});
}

/* Closes the error line whose text has n bytes and lies behind the mark at r->len. */
static void finish_error(struct reply *r, size_t n)
{
    char *text = r->buf + r->len + 1;
    while (n && (text[n - 1] == '\r' || text[n - 1] == '\n'))
        n--;
    newlines_to_spaces(text, n);
    r->len = (size_t)(put_crlf(text + n) - r->buf);
    r->is_error = true;
}

void reply_error(struct reply *r, const char *text)
{
    size_t n = strlen(text);
    char *out = room(r, n + 3);
    *out = '-';
    memcpy(out + 1, text, n);
    finish_error(r, n);
}

void reply_errorf(struct reply *r, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    char *out = room(r, LEAST_BUFFER);
    size_t space = r->cap - r->len - 3;
    int n = vsnprintf(out + 1, space, fmt, ap);
    CHECK(n >= 0);
    if ((size_t)n >= space) {
        out = room(r, (size_t)n + 4);
        vsnprintf(out + 1, (size_t)n + 1, fmt, again);
    }
    *out = '-';
    va_end(again);
    va_end(ap);
    finish_error(r, (size_t)n);
}

/* ---- bulk strings ---- */

void reply_bulk(struct reply *r, const void *p, size_t n)
{
    char *out = put_header(room(r, n + HEADER_ROOM + 2), '$', n);
    if (n) /* p may be NULL when there is nothing at it */
        memcpy(out, p, n);
    r->len = (size_t)(put_crlf(out + n) - r->buf);
}

void reply_bulk_str(struct reply *r, const char *s)
{
    reply_bulk(r, s, strlen(s));
}

char *reply_bulk_room(struct reply *r, size_t n)
{
    char *out = put_header(room(r, n + HEADER_ROOM + 2), '$', n);
    r->len = (size_t)(put_crlf(out + n) - r->buf);
    return out;
}

void reply_bulkf(struct reply *r, const char *fmt, ...)
{
    char text[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    CHECK(n >= 0);
    if ((size_t)n < sizeof(text)) {
        reply_bulk(r, text, (size_t)n);
    } else {
        char *out = reply_bulk_room(r, (size_t)n);
        vsnprintf(out, (size_t)n + 1, fmt, again);
        out[n] = '\r'; /* where vsnprintf has put its zero */
    }
    va_end(again);
    va_end(ap);
}

/* ---- aggregates ---- */

void reply_array_long(struct reply *r, size_t n)
{
    header(r, '*', n);
}

void reply_map(struct reply *r, size_t pairs)
{
    if (r->resp == 3)
        header(r, '%', pairs);
    else
        header(r, '*', pairs * 2);
}

void reply_set(struct reply *r, size_t n)
{
    header(r, r->resp == 3 ? '~' : '*', n);
}

void reply_push(struct reply *r, size_t n)
{
    header(r, r->resp == 3 ? '>' : '*', n);
}

void reply_attribute(struct reply *r, size_t pairs)
{
    CHECK(r->resp == 3); /* RESP2 has no place for one: its reader would take it for the reply */
    header(r, '|', pairs);
}

/* ---- scalars ---- */

void reply_bool(struct reply *r, bool v)
{
    if (r->resp == 3)
        reply_raw(r, v ? "#t\r\n" : "#f\r\n", 4);
    else
        reply_raw(r, v ? ":1\r\n" : ":0\r\n", 4);
}

/* As "%.17g" writes it, except that a nan has no sign. Whole numbers of up to 17 digits are plain digits
 * there, and they are what scores mostly are; minus zero is left to printf. */
static size_t double_text(char out[32], double v)
{
    if (isnan(v))
        return (size_t)(stpcpy(out, "nan") - out);
    if (isinf(v))
        return (size_t)(stpcpy(out, v > 0 ? "inf" : "-inf") - out);
    if (v > -1e17 && v < 1e17 && v == (double)(long long)v && (v != 0 || !signbit(v)))
        return (size_t)(put_signed(out, (long long)v) - out);
    return (size_t)snprintf(out, 32, "%.17g", v);
}

void reply_double(struct reply *r, double v)
{
    char text[32];
    size_t n = double_text(text, v);
    if (r->resp != 3) {
        reply_bulk(r, text, n);
        return;
    }
    char *out = room(r, n + 3);
    *out++ = ',';
    memcpy(out, text, n);
    r->len = (size_t)(put_crlf(out + n) - r->buf);
}

void reply_bignum(struct reply *r, struct bytes digits)
{
    if (r->resp != 3) {
        reply_bulk(r, digits.p, digits.n);
        return;
    }
    char *out = room(r, digits.n + 3);
    *out++ = '(';
    memcpy(out, digits.p, digits.n);
    r->len = (size_t)(put_crlf(out + digits.n) - r->buf);
}

void reply_verbatim(struct reply *r, const char *ext3, struct bytes text)
{
    if (r->resp != 3) {
        reply_bulk(r, text.p, text.n);
        return;
    }
    char *out = put_header(room(r, text.n + 4 + HEADER_ROOM + 2), '=', text.n + 4);
    memcpy(out, ext3, 3);
    out[3] = ':';
    if (text.n)
        memcpy(out + 4, text.p, text.n);
    r->len = (size_t)(put_crlf(out + 4 + text.n) - r->buf);
}

/* ---- headers filled later ---- */

size_t reply_defer(struct reply *r)
{
    room(r, DEFER_ROOM);
    size_t mark = r->len;
    r->len += DEFER_ROOM;
    return mark;
}

static void fill(struct reply *r, size_t mark, char type, size_t n)
{
    char text[HEADER_ROOM];
    size_t size = (size_t)(put_header(text, type, n) - text), members = r->len - mark - DEFER_ROOM;
    if (size > DEFER_ROOM) {
        room(r, size - DEFER_ROOM);
        memmove(r->buf + mark + size, r->buf + mark + DEFER_ROOM, members);
        r->len += size - DEFER_ROOM;
    }
    memcpy(r->buf + mark, text, size);
}

void reply_defer_array(struct reply *r, size_t mark, size_t n)
{
    fill(r, mark, '*', n);
}

void reply_defer_map(struct reply *r, size_t mark, size_t pairs)
{
    if (r->resp == 3)
        fill(r, mark, '%', pairs);
    else
        fill(r, mark, '*', pairs * 2);
}

void reply_defer_set(struct reply *r, size_t mark, size_t n)
{
    fill(r, mark, r->resp == 3 ? '~' : '*', n);
}
