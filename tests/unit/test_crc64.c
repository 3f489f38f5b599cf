#include "shm/base/crc64.h"

#include <string.h>

#include "include/rc.h"

/* The checksum by its definition, a bit at a time; the polynomial as it is published, highest bit first. */
static uint64_t by_definition(const uint8_t *p, size_t n)
{
    uint64_t crc = 0, poly = 0xad93d23594c935a9ull, reflected = 0;
    for (int i = 0; i < 64; i++)
        reflected |= (poly >> i & 1) << (63 - i);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            unsigned low = (crc ^ (unsigned)(p[i] >> bit)) & 1;
            crc = crc >> 1 ^ (low ? reflected : 0);
        }
    return crc;
}

int main(void)
{
    uint8_t b[300];
    CHECK(crc64(0, "", 0) == 0);
    CHECK(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9caull); /* the known answer */
    /* The footer of redis-server 7.0's DUMP of the number 5. */
    CHECK(crc64(0, "\x00\xc0\x05\x0a\x00", 5) == 0x51b32f83665f2f63ull);
    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (uint8_t)(i * 167 + (i >> 3));
    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; n + at < sizeof(b); n += n < 40 ? 1 : 13)
            CHECKF(crc64(0, b + at, n) == by_definition(b + at, n), "%zu bytes at %zu", n, at);
    for (size_t cut = 0; cut <= sizeof(b); cut++)
        CHECK(crc64(crc64(0, b, cut), b + cut, sizeof(b) - cut) == crc64(0, b, sizeof(b)));
    return 0;
}
