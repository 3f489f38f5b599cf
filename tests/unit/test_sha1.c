/* The examples of FIPS 180, and lengths around the end of a block as another implementation (coreutils' sha1sum) has them. */
#include "include/rc.h"
#include "shm/base/sha1.h"

#include <stdio.h>
#include <string.h>

static void expect(const void *p, size_t n, const char *hex)
{
    uint8_t d[SHA1_BYTES];
    char text[2 * SHA1_BYTES + 1];
    sha1(p, n, d);
    for (unsigned i = 0; i < SHA1_BYTES; i++)
        sprintf(text + 2 * i, "%02x", d[i]);
    CHECKF(!strcmp(text, hex), "%zu bytes: %s, not %s", n, text, hex);
}

int main(void)
{
    static const struct {
        size_t n;
        const char *hex;
    } of_a[] = {
        {1, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"},    {55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
        {56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},   {57, "f08f24908d682555111be7ff6f004e78283d989a"},
        {63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},   {64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
        {65, "11655326c708d70319be2610e8a57d9a5b959d3b"},   {119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
        {120, "f34c1488385346a55709ba056ddd08280dd4c6d6"},  {128, "ad5b3fdbcb526778c2839d2f151ea753995e26a0"},
        {1000, "291e9a6c66994949b57ba5e650361e98fc36b1ba"},
    };
    static char a[1000000];
    memset(a, 'a', sizeof(a));
    expect("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
           "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    for (unsigned i = 0; i < sizeof(of_a) / sizeof(of_a[0]); i++)
        expect(a, of_a[i].n, of_a[i].hex);
    expect(a, sizeof(a), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    return 0;
}
