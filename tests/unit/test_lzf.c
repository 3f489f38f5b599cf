/* Round trips, what redis-server's compressor makes of the same texts, rooms of every size, and damaged data
 * between guard bytes. (That whole texts come out as redis-server's is tests/compat/dump_both.py's.) */
#include "shm/base/lzf.h"
#include "tests/lib/chance.h"

#include <stdlib.h>
#include <string.h>

#include "include/rc.h"

#define LONGEST 70000u
#define GUARD   0xa5

static struct lzf_table table;
static uint8_t text[LONGEST], packed[LONGEST + 4096], back[LONGEST + 64];
/* Stretches that come again, among bytes that do not. */
static void text_make(size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = 1 + chance(chance(4) ? 12 : 400), from = i ? chance(i) : 0;
        bool again = i && chance(3);
        for (; len && i < n; len--, i++)
            text[i] = again ? text[from++] : (uint8_t)chance(256);
    }
}

static void redis_made(void)
{
    static const struct {
        const char *text, *packed;
        size_t n;
    } v[] = {
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "x",
         "\x01xx\xe0W\x00\x01xx", 9},
        {"abcabcabcabcabcabcabcabcabcabc!", "\003abca\xe0\x10\x02\001c!", 11},
        {"The quick fox and the quick dog and the quick cat",
         "\x12The quick fox and t\xe0\x00\x11\x02"
         "dog\xe0\x06\x11\x02"
         "cat",
         34},
        {"0123456789abcdefghij0123456789abcdefghij",
         "\x14"
         "0123456789abcdefghij0\xe0\x0a\x13",
         25},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        size_t n = strlen(v[i].text);
        CHECKF(lzf_compress(&table, v[i].text, n, packed, n - 4) == v[i].n, "%zu", i);
        CHECKF(memcmp(packed, v[i].packed, v[i].n) == 0, "%zu", i);
        CHECK(lzf_decompress(v[i].packed, v[i].n, back, n) && memcmp(back, v[i].text, n) == 0);
    }
}

static void pieces_agree(size_t n, size_t whole, size_t room)
{
    static uint8_t joined[sizeof(packed)];
    struct lzf z;
    size_t sum = 0, got;
    CHECK(lzf_measure(&table, text, n, sizeof(packed)) == whole);
    lzf_begin(&z, &table, text, n);
    while ((got = lzf_piece(&z, joined + sum, room)) > 0) {
        CHECK(got <= room);
        sum += got;
    }
    CHECKF(sum == whole && memcmp(joined, packed, sum) == 0, "%zu bytes in pieces of %zu", n, room);
}

static void round_trip(size_t n)
{
    text_make(n);
    size_t m = lzf_compress(&table, text, n, packed, sizeof(packed));
    CHECKF(m || !n, "%zu", n);
    memset(back, GUARD, n + 64);
    CHECKF(lzf_decompress(packed, m, back, n) && memcmp(back, text, n) == 0, "%zu", n);
    for (size_t i = n; i < n + 64; i++)
        CHECK(back[i] == GUARD);
    if (n) {
        pieces_agree(n, m, LZF_PIECE_MIN + chance(100));
        CHECK(!lzf_decompress(packed, m, back, n - 1) && !lzf_decompress(packed, m, back, n + 1));
        CHECK(!lzf_decompress(packed, m - 1, back, n));
    }
}

/* Whatever the room, nothing is written beyond it; and what fits a room also fits a larger one. */
static void rooms(size_t n)
{
    bool fitted = false;
    text_make(n);
    size_t whole = lzf_measure(&table, text, n, sizeof(packed));
    for (size_t room = 0; room < whole + 20; room++) {
        memset(packed, GUARD, whole + 40);
        size_t m = lzf_compress(&table, text, n, packed, room);
        CHECKF(m == 0 || (m == whole && m <= room), "%zu bytes into %zu", n, room);
        CHECK(m || !fitted);
        CHECK(m == lzf_measure(&table, text, n, room));
        fitted = m;
        for (size_t i = m ? m : room; i < whole + 40; i++)
            CHECKF(packed[i] == GUARD, "byte %zu, room %zu", i, room);
    }
    CHECK(fitted);
}

/* Damaged input may come out as something else, never as more than was asked for. */
static void damaged(size_t n)
{
    text_make(n);
    size_t m = lzf_compress(&table, text, n, packed, sizeof(packed));
    uint8_t *exact = malloc(m);
    CHECK(exact);
    for (size_t bit = 0; bit < m * 8; bit++) {
        memcpy(exact, packed, m);
        exact[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memset(back + n, GUARD, 64);
        lzf_decompress(exact, m, back, n);
        for (size_t i = n; i < n + 64; i++)
            CHECK(back[i] == GUARD);
    }
    free(exact);
}

/* The output depends on the text alone, not on what the table was used for before. */
static void table_is_fresh(void)
{
    static struct lzf_table other;
    static uint8_t first[8000];
    text_make(5000);
    size_t n = lzf_compress(&other, text, 5000, first, sizeof(first));
    CHECK(n && lzf_compress(&table, text, 5000, packed, sizeof(packed)) == n);
    CHECK(memcmp(first, packed, n) == 0);
    other.base = UINT32_MAX - 2000; /* its places run out */
    CHECK(lzf_compress(&other, text, 5000, packed, sizeof(packed)) == n && memcmp(first, packed, n) == 0);
    CHECK(other.base == 5000);
}

int main(void)
{
    CHECK(lzf_compress(&table, text, 0, packed, 100) == 0);
    CHECK(lzf_decompress("", 0, back, 0) && !lzf_decompress("", 0, back, 1));
    CHECK(!lzf_decompress("\x20\x00", 2, back, 3)); /* a match before the beginning */
    redis_made();
    table_is_fresh();
    for (size_t n = 0; n < 400; n++)
        round_trip(n);
    for (int i = 0; i < 60; i++)
        round_trip(chance(LONGEST));
    for (size_t n = 1; n < 120; n += 1 + n / 8)
        rooms(n);
    for (int i = 0; i < 20; i++)
        damaged(1 + chance(600));
    return 0;
}
