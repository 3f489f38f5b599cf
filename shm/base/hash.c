#include "shm/base/hash.h"

#include <string.h>

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND(a, b, c, d)                                                                                    \
    do {                                                                                                     \
        a += b, c += d;                                                                                      \
        b = ROTL(b, 13) ^ a, d = ROTL(d, 16) ^ c;                                                            \
        a = ROTL(a, 32);                                                                                     \
        c += b, a += d;                                                                                      \
        b = ROTL(b, 17) ^ c, d = ROTL(d, 21) ^ a;                                                            \
        c = ROTL(c, 32);                                                                                     \
    } while (0)

/* The last 0-7 bytes, low byte first, without reading beyond them. */
static inline uint64_t tail_of(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    if (n & 4) {
        uint32_t w;
        memcpy(&w, p, 4);
        v = w;
        p += 4;
    }
    unsigned shift = n & 4 ? 32 : 0;
    if (n & 2) {
        uint16_t w;
        memcpy(&w, p, 2);
        v |= (uint64_t)w << shift;
        p += 2;
        shift += 16;
    }
    if (n & 1)
        v |= (uint64_t)*p << shift;
    return v;
}

uint64_t siphash13(const uint64_t seed[2], const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t a = seed[0] ^ 0x736f6d6570736575ull, b = seed[1] ^ 0x646f72616e646f6dull;
    uint64_t c = seed[0] ^ 0x6c7967656e657261ull, d = seed[1] ^ 0x7465646279746573ull;
    for (size_t left = n / 8; left; left--, p += 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        d ^= m;
        ROUND(a, b, c, d);
        a ^= m;
    }
    uint64_t m = (uint64_t)n << 56 | tail_of(p, n & 7);
    d ^= m;
    ROUND(a, b, c, d);
    a ^= m;
    c ^= 0xff;
    ROUND(a, b, c, d);
    ROUND(a, b, c, d);
    ROUND(a, b, c, d);
    return a ^ b ^ c ^ d;
}
