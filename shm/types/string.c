#include "shm/types/string.h"
#include "shm/base/number.h"

/* Overwritten bytes are saved up to here; beyond it a copy of the whole block is the smaller evil, since
 * the undo log would have to hold them anyway. */
#define LOG_MAX (64u << 10)
/* Room grows by doubling up to here, then by this much: what Redis gives a string that is appended to. */
#define GROW_STEP (1ull << 20)

struct bytes string_bytes(const struct shm_entry *e, char digits[STRING_DIGITS])
{
    if (entry_enc(e) == ENC_INT)
        return (struct bytes){digits, number_from_int64(digits, entry_int(e))};
    return entry_bytes(e);
}

size_t string_length(const struct shm_entry *e)
{
    char digits[STRING_DIGITS];
    return string_bytes(e, digits).n;
}

enum rc string_integer(const struct shm_entry *e, int64_t *v)
{
    if (LIKELY(entry_enc(e) == ENC_INT)) {
        *v = entry_int(e);
        return RC_OK;
    }
    return number_to_int64(entry_bytes(e), v) ? RC_OK : RC_INVALID;
}

/* ---- building values aside ---- */

/* A block for len bytes. Its size is one that the allocator has, so that no byte of it is beyond use. */
static enum rc big_new(struct tx *tx, uint64_t len, bool spare, shm_ref *out)
{
    uint64_t want = len;
    if (spare)
        want += len < GROW_STEP ? len : GROW_STEP;
    uint64_t bytes = block_bytes(sizeof(struct shm_big) + want);
    enum rc rc = tx_alloc(tx, bytes, out);
    if (rc == RC_NOMEM && spare)
        return big_new(tx, len, false, out);
    if (rc)
        return rc;
    struct shm_big *b = shm_at(*out);
    b->len = len;
    b->room = bytes - sizeof(*b);
    return RC_OK;
}

static inline char *big_data(struct shm_big *b)
{
    return (char *)(b + 1);
}

struct shape {
    unsigned enc;
    size_t len;
    bool spare; /* it will grow again */
    int64_t expiry_ms;
    uint32_t clock;
};

/* An entry for a value of len bytes, which the caller writes to *at. */
static enum rc value_new(struct tx *tx, struct bytes key, const struct shape *v, shm_ref *out, char **at)
{
    struct entry_spec s = {
        .key = key,
        .type = TYPE_STRING,
        .enc = v->enc,
        .expiry_ms = v->expiry_ms,
        .clock = v->clock,
    };
    if (LIKELY(v->len <= INLINE_MAX)) {
        s.inline_len = v->len;
        return entry_new(tx, &s, out, at);
    }
    enum rc rc = big_new(tx, v->len, v->spare, &s.word);
    if (rc)
        return rc;
    *at = big_data(shm_at(s.word));
    s.big = true;
    return entry_new(tx, &s, out, NULL);
}

enum rc string_begin(struct tx *tx, const struct key_ref *k, size_t len, int64_t expiry_ms, uint32_t clock,
                     shm_ref *out, char **at)
{
    struct shape v = {.enc = ENC_RAW, .len = len, .expiry_ms = expiry_ms, .clock = clock};
    return value_new(tx, k->key, &v, out, at);
}

/* ---- a value built before its transaction ---- */

enum rc string_build(struct shm_ctx *ctx, struct bytes value)
{
    shm_ref *owner = &ctx->slot->lane.built;
    uint64_t bytes = block_bytes(sizeof(struct shm_big) + value.n);
    CHECK(value.n >= STRING_BUILD_LEAST && !*owner);
    enum rc rc = span_keep(ctx, bytes, owner);
    if (rc)
        return rc;
    struct shm_big *b = shm_at(*owner);
    b->len = value.n;
    b->room = bytes - sizeof(*b);
    memcpy(big_data(b), value.p, value.n);
    ctx->built_from = value.p;
    return RC_OK;
}

void string_build_end(struct shm_ctx *ctx)
{
    ctx->built_from = NULL;
    if (ctx->slot->lane.built)
        span_drop(ctx, &ctx->slot->lane.built);
}

/* *r stays 0 if the value was not built ahead. */
static enum rc value_take_built(struct tx *tx, struct bytes key, struct bytes value, const struct shape *v,
                                shm_ref *r)
{
    struct entry_spec s = {
        .key = key,
        .type = TYPE_STRING,
        .enc = v->enc,
        .expiry_ms = v->expiry_ms,
        .clock = v->clock,
        .big = true,
    };
    *r = 0;
    if (tx->ctx->built_from != value.p)
        return RC_OK;
    enum rc rc = tx_take_built(tx, &s.word);
    if (rc || !s.word)
        return rc;
    CHECK(((struct shm_big *)shm_at(s.word))->len == value.n);
    return entry_new(tx, &s, r, NULL);
}

/* ---- setting ---- */

enum rc string_set_bytes(struct tx *tx, struct key_ref *k, struct bytes value, int64_t expiry_ms,
                         uint32_t clock)
{
    struct shape v = {
        .enc = value.n <= EMBSTR_MAX ? ENC_EMBSTR : ENC_RAW,
        .len = value.n,
        .expiry_ms = expiry_ms,
        .clock = clock,
    };
    shm_ref r;
    char *at;
    if (UNLIKELY(value.n >= STRING_BUILD_LEAST)) {
        enum rc rc = value_take_built(tx, k->key, value, &v, &r);
        if (rc || r)
            return rc ? rc : key_put(tx, k, r, false);
    }
    enum rc rc = value_new(tx, k->key, &v, &r, &at);
    if (UNLIKELY(rc))
        return rc;
    bytes_copy(at, value.p, value.n);
    return key_put(tx, k, r, false);
}

enum rc string_put_integer(struct tx *tx, struct key_ref *k, int64_t v, int64_t expiry_ms, uint32_t clock)
{
    struct entry_spec s = {
        .key = k->key,
        .type = TYPE_STRING,
        .enc = ENC_INT,
        .expiry_ms = expiry_ms,
        .word = (uint64_t)v,
        .clock = clock,
    };
    shm_ref r;
    enum rc rc = entry_new(tx, &s, &r, NULL);
    return rc ? rc : key_put(tx, k, r, false);
}

enum rc string_set(struct tx *tx, struct key_ref *k, struct bytes value, int64_t expiry_ms, uint32_t clock)
{
    int64_t v;
    if (value.n <= 20 && number_to_int64(value, &v))
        return string_put_integer(tx, k, v, expiry_ms, clock);
    return string_set_bytes(tx, k, value, expiry_ms, clock);
}

/* The LRU or LFU bits are everybody's, and a lost update of them is harmless: no log. */
static inline void clock_store(struct shm_entry *e, uint32_t clock)
{
    __atomic_store_n(&e->meta, (e->meta & 0xff000000u) | (clock & 0xffffffu), __ATOMIC_RELAXED);
}

/* Saves a word and changes it. */
static enum rc word_change(struct tx *tx, struct key_ref *k, uint64_t *at, uint64_t word)
{
    enum rc rc = tx_log(tx, at, sizeof(*at));
    if (rc)
        return rc;
    __atomic_store_n(at, word, __ATOMIC_RELAXED);
    k->logged = true;
    return RC_OK;
}

enum rc string_set_integer(struct tx *tx, struct key_ref *k, int64_t v, uint32_t clock)
{
    struct shm_entry *e = key_entry(k);
    if (!e)
        return string_put_integer(tx, k, v, -1, clock);
    if (UNLIKELY(entry_enc(e) != ENC_INT || entry_type(e) != TYPE_STRING || key_pending(k)))
        return string_put_integer(tx, k, v, entry_expiry(e), clock);
    clock_store(e, clock);
    return word_change(tx, k, entry_word_at(e), (uint64_t)v);
}

enum rc key_set_expiry(struct tx *tx, struct key_ref *k, int64_t expiry_ms)
{
    struct shm_entry *e = key_entry(k);
    shm_ref r;
    bool moved;
    if (entry_expiry(e) == expiry_ms) {
        k->logged |= expiry_ms >= 0; /* to whoever watches it counts as a change, as with Redis */
        return RC_OK;
    }
    if (expiry_ms >= 0 && e->flags & ENTRY_EXPIRES && !key_pending(k))
        return word_change(tx, k, (uint64_t *)entry_expiry_at(e), (uint64_t)expiry_ms);
    enum rc rc = key_renew(tx, k, k->key, expiry_ms, &r, &moved);
    return rc ? rc : key_put(tx, k, r, moved);
}

/* ---- growing ---- */

/* Makes the entry refer to another block, which holds its value already, and frees the one before. */
static enum rc big_replace(struct tx *tx, struct key_ref *k, shm_ref fresh)
{
    uint64_t *at = entry_word_at(key_entry(k));
    shm_ref old = *at;
    enum rc rc = word_change(tx, k, at, fresh);
    if (rc)
        return rc;
    return tx_free(tx, old, sizeof(struct shm_big) + ((struct shm_big *)shm_at(old))->room);
}

/* Zeros from the end to offset, then part over what is there. The caller has seen to the room. */
static void part_write(char *data, size_t len, uint64_t offset, struct bytes part)
{
    if (offset > len)
        memset(data + len, 0, offset - len);
    bytes_copy(data + offset, part.p, part.n);
}

/* A long value whose block has no room, or of which too much is overwritten: into another block. */
static enum rc big_rewrite(struct tx *tx, struct key_ref *k, uint64_t offset, struct bytes part, size_t total)
{
    struct shm_big *b = entry_big(key_entry(k));
    shm_ref r;
    enum rc rc = big_new(tx, total, total > b->len, &r);
    if (rc)
        return rc;
    char *data = big_data(shm_at(r));
    /* What part covers is not worth copying: of a value that is overwritten whole, nothing is. */
    size_t before = offset < b->len ? offset : b->len, end = offset + part.n;
    memcpy(data, big_data(b), before);
    if (end < b->len)
        memcpy(data + end, big_data(b) + end, b->len - end);
    part_write(data, before, offset, part);
    return big_replace(tx, k, r);
}

static enum rc big_write(struct tx *tx, struct key_ref *k, uint64_t offset, struct bytes part, size_t total)
{
    struct shm_big *b = entry_big(key_entry(k));
    size_t end = offset + part.n, kept = end < b->len ? end : b->len;
    uint64_t covered = offset < kept ? kept - offset : 0;
    if (total > b->room || covered > LOG_MAX)
        return big_rewrite(tx, k, offset, part, total);
    if (covered) {
        enum rc rc = tx_log(tx, big_data(b) + offset, covered);
        if (rc)
            return rc;
        k->logged = true;
    }
    part_write(big_data(b), b->len, offset, part);
    return total == b->len ? RC_OK : word_change(tx, k, &b->len, total);
}

/* A short value that grows within its block: the first four bytes of the head, which say so, are changed by
 * one store. (The other four are the LRU's, and lie in no log.) */
static enum rc inline_grow(struct tx *tx, struct key_ref *k, struct bytes more, size_t total)
{
    struct shm_entry *e = key_entry(k);
    struct bytes old = entry_bytes(e);
    enum rc rc = tx_log(tx, e, 4);
    if (rc)
        return rc;
    bytes_copy((char *)old.p + old.n, more.p, more.n);
    union {
        struct shm_entry head;
        uint32_t half;
    } u = {.head = {(uint8_t)(TYPE_STRING << 4 | ENC_RAW), e->flags, (uint16_t)total, 0}};
    __atomic_store_n((uint32_t *)e, u.half, __ATOMIC_RELAXED);
    k->logged = true;
    return RC_OK;
}

/* A short value that keeps its length. */
static enum rc inline_write(struct tx *tx, struct key_ref *k, uint64_t offset, struct bytes part,
                            uint32_t clock)
{
    struct shm_entry *e = key_entry(k);
    char *to = (char *)entry_bytes(e).p + offset;
    enum rc rc = tx_log(tx, to, part.n);
    if (rc)
        return rc;
    clock_store(e, clock);
    bytes_copy(to, part.p, part.n);
    k->logged = true;
    return RC_OK;
}

/* A value that is absent, a number, or short: the result goes into a new entry. */
static enum rc short_write(struct tx *tx, struct key_ref *k, uint64_t offset, struct bytes part, size_t total,
                           uint32_t clock)
{
    struct shm_entry *e = key_entry(k);
    char digits[STRING_DIGITS], *at;
    struct bytes old = e ? string_bytes(e, digits) : (struct bytes){digits, 0};
    struct shape v = {
        .enc = ENC_RAW,
        .len = total,
        .spare = e,
        .expiry_ms = e ? entry_expiry(e) : -1,
        .clock = clock,
    };
    shm_ref r;
    enum rc rc = value_new(tx, k->key, &v, &r, &at);
    if (rc)
        return rc;
    bytes_copy(at, old.p, old.n);
    part_write(at, old.n, offset, part);
    return key_put(tx, k, r, false);
}

enum rc string_append(struct tx *tx, struct key_ref *k, struct bytes more, uint32_t clock, size_t *length)
{
    enum rc rc = key_own(tx, k);
    if (UNLIKELY(rc))
        return rc;
    struct shm_entry *e = key_entry(k);
    size_t len = string_length(e), total = len + more.n;
    *length = total;
    /* While only the key is locked, the head's flags may be another's to change (the snapshotter's mark). */
    if (entry_enc(e) != ENC_INT && total <= INLINE_MAX && !(e->flags & ENTRY_BIG) && !k->locked) {
        size_t was = entry_bytes_total(e);
        if (block_bytes(was) == block_bytes(was + more.n)) {
            clock_store(e, clock);
            return inline_grow(tx, k, more, total);
        }
    }
    if (!(e->flags & ENTRY_BIG))
        return short_write(tx, k, len, more, total, clock);
    clock_store(e, clock);
    return big_write(tx, k, len, more, total);
}

enum rc string_set_range(struct tx *tx, struct key_ref *k, uint64_t offset, struct bytes part, uint32_t clock,
                         size_t *length)
{
    enum rc rc = key_own(tx, k);
    if (UNLIKELY(rc))
        return rc;
    struct shm_entry *e = key_entry(k);
    size_t len = e ? string_length(e) : 0, end = offset + part.n, total = end > len ? end : len;
    *length = total;
    if (!e || !(e->flags & ENTRY_BIG)) {
        if (e && entry_enc(e) == ENC_RAW && total == len)
            return inline_write(tx, k, offset, part, clock);
        return short_write(tx, k, offset, part, total, clock);
    }
    clock_store(e, clock);
    return big_write(tx, k, offset, part, total);
}

enum rc string_copy(struct tx *tx, const struct shm_entry *from, struct key_ref *k, uint32_t clock)
{
    int64_t expiry_ms = entry_expiry(from);
    if (entry_enc(from) == ENC_INT)
        return string_put_integer(tx, k, entry_int(from), expiry_ms, clock);
    struct bytes value = entry_bytes(from);
    struct shape v = {.enc = entry_enc(from), .len = value.n, .expiry_ms = expiry_ms, .clock = clock};
    shm_ref r;
    char *at;
    enum rc rc = value_new(tx, k->key, &v, &r, &at);
    if (rc)
        return rc;
    bytes_copy(at, value.p, value.n);
    return key_put(tx, k, r, false);
}
