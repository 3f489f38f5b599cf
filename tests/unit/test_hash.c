/* SipHash-1-3 against the definition, written down plainly here with the number of rounds as a parameter. The
 * plain version itself must give the value that the authors published for SipHash-2-4. */
#include "include/rc.h"
#include "shm/base/hash.h"

#include <stdio.h>
#include <string.h>

static uint64_t v[4];

static uint64_t rotated(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(void)
{
    v[0] += v[1];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[0] = rotated(v[0], 32);
    v[2] += v[3];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[2] = rotated(v[2], 32);
}

static void sip_word(uint64_t m, unsigned rounds)
{
    v[3] ^= m;
    while (rounds--)
        sip_round();
    v[0] ^= m;
}

static uint64_t by_definition(const uint64_t key[2], const uint8_t *p, size_t n, unsigned c, unsigned d)
{
    static const char start[] = "somepseudorandomlygeneratedbytes";
    for (unsigned i = 0; i < 4; i++) {
        v[i] = 0;
        for (unsigned b = 0; b < 8; b++)
            v[i] = v[i] << 8 | (uint8_t)start[8 * i + b];
        v[i] ^= key[i & 1];
    }
    uint64_t m = 0;
    for (size_t i = 0; i < n; i++) {
        m |= (uint64_t)p[i] << 8 * (i % 8);
        if (i % 8 == 7) {
            sip_word(m, c);
            m = 0;
        }
    }
    sip_word(m | (uint64_t)(n & 255) << 56, c);
    v[2] ^= 0xff;
    while (d--)
        sip_round();
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* What is kept must never be taken for another text, nor for one under another seed. */
static void kept(const uint64_t key[2], const uint64_t other[2])
{
    char text[40];
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 5000; i++) {
            const uint64_t *seed = round == 1 ? other : key;
            int at = snprintf(text, sizeof(text), "%0*u", (int)(i % 30), i * 7919u);
            struct bytes b = {text, (size_t)at}, near = {text, b.n - 1};
            CHECK(hash_known(seed, b) == siphash13(seed, b.p, b.n));
            CHECK(hash_keep(seed, b) == siphash13(seed, b.p, b.n));
            CHECK(hash_known(seed, b) == siphash13(seed, b.p, b.n));
            CHECK(hash_known(seed, near) == siphash13(seed, near.p, near.n));
            text[0] ^= 1; /* its end is the same: it would be kept in the same place */
            CHECK(hash_known(seed, b) == siphash13(seed, b.p, b.n));
            CHECK(hash_known(other, b) == siphash13(other, b.p, b.n));
        }
}

int main(void)
{
    uint8_t text[300];
    const uint64_t key[2] = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)i;
    CHECK(by_definition(key, text, 15, 2, 4) == 0xa129ca6149be45e5ull);
    for (size_t n = 0; n <= sizeof(text); n++)
        CHECKF(siphash13(key, text, n) == by_definition(key, text, n, 1, 3), "length %zu", n);
    for (size_t at = 0; at < 9; at++) /* wherever the bytes begin */
        CHECK(siphash13(key, text + at, 21) == by_definition(key, text + at, 21, 1, 3));
    const uint64_t other[2] = {key[0], key[1] ^ 1};
    CHECK(siphash13(key, "key", 3) != siphash13(other, "key", 3));
    kept(key, other);
    return 0;
}
