/* Entries of every make: short and long keys, with and without expiry, numbers, bytes, blocks of their own. */
#include "shm/entry.h"
#include "shm/repair.h"

#include <stdio.h>
#include <stdlib.h>

static struct shm_ctx ctx;
static char key[70000], value[INLINE_MAX];

static size_t expected_bytes(const struct entry_spec *s)
{
    return 8 + (s->expiry_ms >= 0) * 8u + (s->enc == ENC_INT || s->big) * 8u + (s->key.n >= 255 ? 4 : 0) +
           s->key.n + s->inline_len;
}

static void compare(const struct shm_entry *e, const struct entry_spec *s)
{
    CHECK(entry_type(e) == s->type && entry_enc(e) == s->enc && entry_expiry(e) == s->expiry_ms);
    CHECK(bytes_equal(entry_key(e), s->key));
    CHECK((e->meta & 0xffffff) == s->clock);
    CHECK(entry_bytes_total(e) == expected_bytes(s));
    if (s->enc == ENC_INT)
        CHECK(entry_int(e) == (int64_t)s->word);
    else if (!s->big)
        CHECK(bytes_equal(entry_bytes(e), (struct bytes){value, s->inline_len}));
}

static void one(const struct entry_spec *s)
{
    static const int64_t expiries[] = {-1, 0, 1, INT64_MAX};
    struct tx tx;
    shm_ref r, copy;
    char *at;
    tx_begin(&tx, &ctx);
    CHECK(!entry_new(&tx, s, &r, &at));
    memcpy(at, value, s->inline_len);
    struct shm_entry *e = shm_at(r);
    compare(e, s);
    CHECK(slab_block_bytes(r) == block_bytes(expected_bytes(s)));
    for (unsigned i = 0; i < ARRAY_LEN(expiries); i++) {
        struct entry_spec other = *s;
        other.expiry_ms = expiries[i];
        other.key = BYTES_LIT("another name");
        CHECK(!entry_copy(&tx, r, other.key, other.expiry_ms, &copy));
        compare(shm_at(copy), &other);
        CHECK(!entry_free(&tx, copy, false));
    }
    CHECK(!entry_free(&tx, r, false));
    tx_commit(&tx);
    CHECK(slots_used_bytes() == 0);
}

static void with_block(void)
{
    struct tx tx;
    shm_ref r, big;
    tx_begin(&tx, &ctx);
    CHECK(!tx_alloc(&tx, sizeof(struct shm_big) + 10000, &big));
    struct shm_big *b = shm_at(big);
    *b = (struct shm_big){.len = 9000, .room = 10000};
    memset(b + 1, 'b', 9000);
    struct entry_spec s = {.key = BYTES_LIT("k"), .big = true, .word = big, .expiry_ms = 3, .clock = 5};
    CHECK(!entry_new(&tx, &s, &r, NULL));
    const struct shm_entry *e = shm_at(r);
    compare(e, &s);
    CHECK(entry_big(e) == b && entry_bytes(e).n == 9000 && entry_bytes(e).p == (char *)(b + 1));
    CHECK(entry_memory(e) == block_bytes(expected_bytes(&s)) + block_bytes(sizeof(*b) + 10000));
    CHECK(!entry_free(&tx, r, true));
    tx_commit(&tx);
    CHECK(slots_used_bytes() == 0);
}

int main(void)
{
    static const size_t keys[] = {0, 1, 7, 8, 16, 254, 255, 256, 300, 70000};
    static const size_t lengths[] = {0, 1, 44, 64, 255, INLINE_MAX};
    struct arena_sizes sizes = {.arena_bytes = 32ull << 20, .nslots = 3, .ndbs = 1, .nsessions = 1};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&ctx, 1);
    for (unsigned i = 0; i < sizeof(key); i++)
        key[i] = (char)(i * 7 + 1);
    for (unsigned i = 0; i < sizeof(value); i++)
        value[i] = (char)(i * 13 + 3);
    for (unsigned k = 0; k < ARRAY_LEN(keys); k++)
        for (unsigned e = 0; e < 2; e++) {
            struct entry_spec s = {
                .key = {key, keys[k]}, .expiry_ms = e ? 1234567890123 : -1, .clock = 0xabcdef};
            for (unsigned l = 0; l < ARRAY_LEN(lengths); l++) {
                s.inline_len = lengths[l];
                s.enc = lengths[l] <= EMBSTR_MAX ? ENC_EMBSTR : ENC_RAW;
                one(&s);
            }
            s.inline_len = 0;
            s.enc = ENC_INT;
            s.word = (uint64_t)INT64_MIN;
            one(&s);
        }
    with_block();
    char why[2000];
    CHECKF(!arena_check(why, sizeof(why)), "%s", why);
    return 0;
}
