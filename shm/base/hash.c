#include "shm/base/hash.h"

#include <string.h>

#define KNOWN       128u /* several times as many as are looked for side by side */
#define KNOWN_SHORT 8u   /* shorter ones, and those that do not fit, are hashed again */

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

struct known {
    uint64_t hash;
    uint8_t n; /* 0: none */
    char key[23];
};
static _Thread_local struct known known[KNOWN];
static _Thread_local uint64_t known_seed[2];

/* Where it would be; NULL: nowhere. */
static inline struct known *known_at(const uint64_t seed[2], struct bytes b)
{
    uint64_t tail;
    if (b.n < KNOWN_SHORT || b.n > sizeof(known->key) || seed[0] != known_seed[0] || seed[1] != known_seed[1])
        return NULL;
    memcpy(&tail, b.p + b.n - sizeof(tail), sizeof(tail));
    return &known[(tail * 0x9e3779b97f4a7c15ull >> 32) % KNOWN];
}

uint64_t hash_known(const uint64_t seed[2], struct bytes b)
{
    const struct known *k = known_at(seed, b);
    return k && k->n == b.n && bytes_same(k->key, b.p, b.n) ? k->hash : siphash13(seed, b.p, b.n);
}

uint64_t hash_keep(const uint64_t seed[2], struct bytes b)
{
    uint64_t hash = siphash13(seed, b.p, b.n);
    if (seed[0] != known_seed[0] || seed[1] != known_seed[1]) { /* another arena: tests have several */
        memset(known, 0, sizeof(known));
        memcpy(known_seed, seed, sizeof(known_seed));
    }
    struct known *k = known_at(seed, b);
    if (k) {
        k->hash = hash;
        k->n = (uint8_t)b.n;
        bytes_copy(k->key, b.p, b.n);
    }
    return hash;
}
