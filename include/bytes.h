/* include/bytes.h - a run of bytes that somebody else owns.
 * Owner     whoever owns the memory; a struct bytes is only a view.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     never.
 * Tests     tests/unit/test_number.c */
#ifndef SKEP_BYTES_H
#define SKEP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct bytes {
    const char *p;
    size_t n;
};

static inline bool bytes_same_few(const char *a, const char *b, size_t n)
{
    uint32_t x[2], y[2];
    if (n < 4)
        return !n || ((a[0] == b[0]) & (a[n / 2] == b[n / 2]) & (a[n - 1] == b[n - 1]));
    memcpy(&x[0], a, 4);
    memcpy(&x[1], a + n - 4, 4);
    memcpy(&y[0], b, 4);
    memcpy(&y[1], b + n - 4, 4);
    return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
}

/* memcmp(...) == 0 for what is mostly short: a call costs more than the comparison. */
static inline bool bytes_same(const char *a, const char *b, size_t n)
{
    uint64_t x, y, diff = 0;
    if (n < 8)
        return bytes_same_few(a, b, n);
    size_t i = 0;
    for (; i + 8 < n; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        diff |= x ^ y;
    }
    memcpy(&x, a + n - 8, 8);
    memcpy(&y, b + n - 8, 8);
    return !(diff | (x ^ y));
}

#define BYTES_LIT(s) ((struct bytes){(s), sizeof(s) - 1})

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.n == b.n && bytes_same(a.p, b.p, a.n);
}

/* memcpy for runs that are mostly short: gcc makes rep movs, or a call, of a memcpy whose length it does not
 * know, and both cost more than the copy itself. */
static inline void bytes_copy(char *to, const char *from, size_t n)
{
    if (n > 256) {
        memcpy(to, from, n);
    } else if (n >= 16) {
        for (size_t i = 0; i + 16 < n; i += 16) {
            memcpy(to + i, from + i, 16);
            __asm__ volatile("" ::: "memory"); /* or the loop is recognised, and becomes that memcpy */
        }
        memcpy(to + n - 16, from + n - 16, 16); /* overlaps what is copied already */
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else if (n) {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

/* Compares with a C string, ignoring ASCII case: how option words are recognised. */
static inline bool bytes_is(struct bytes a, const char *word)
{
    size_t n = strlen(word);
    return a.n == n && strncasecmp(a.p, word, n) == 0;
}

#endif
