/* Eight bytes at a time: table[k] holds what a byte becomes when k more zero bytes follow it, so the eight
 * lookups of a word do not wait for one another. */
#include "shm/base/crc64.h"

#include <stdbool.h>
#include <string.h>

#define JONES 0x95ac9329ac4bc9b5ull /* 0xad93d23594c935a9, its lowest bit first */

static uint64_t table[8][256];
static bool ready;

static void tables_make(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ JONES : c >> 1;
        table[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (unsigned i = 0; i < 256; i++)
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
    __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
}

static inline uint64_t word(const uint8_t *p) /* the machines that we run on are little endian */
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

uint64_t crc64(uint64_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
        tables_make();
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = crc ^ word(p);
        crc = table[7][v & 0xff] ^ table[6][v >> 8 & 0xff] ^ table[5][v >> 16 & 0xff] ^
              table[4][v >> 24 & 0xff] ^ table[3][v >> 32 & 0xff] ^ table[2][v >> 40 & 0xff] ^
              table[1][v >> 48 & 0xff] ^ table[0][v >> 56];
    }
    for (; n; p++, n--)
        crc = table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
    return crc;
}
