#include "shm/entry.h"
#include "shm/types/coll.h"

const char *entry_enc_name(const struct shm_entry *e)
{
    static const char *const name[] = {
        [ENC_RAW] = "raw",           [ENC_EMBSTR] = "embstr",       [ENC_INT] = "int",
        [ENC_LISTPACK] = "listpack", [ENC_QUICKLIST] = "quicklist", [ENC_HASHTABLE] = "hashtable",
        [ENC_INTSET] = "intset",     [ENC_SKIPLIST] = "skiplist",   [ENC_LISTPACK_EX] = "listpackex",
    };
    return name[entry_enc(e)];
}

static size_t head_bytes(const struct entry_spec *s)
{
    return 8 + (s->expiry_ms >= 0 ? 8 : 0) + (s->enc == ENC_INT || s->big || s->tree ? 8 : 0) +
           (s->fields.first_ms ? sizeof(s->fields) : 0) + (s->key.n >= KEY_SHORT ? 4 : 0);
}

enum rc entry_new(struct tx *tx, const struct entry_spec *s, shm_ref *out, char **value)
{
    size_t head = head_bytes(s);
    shm_ref r;
    enum rc rc = tx_alloc(tx, head + s->key.n + s->inline_len, &r);
    if (UNLIKELY(rc))
        return rc;
    struct shm_entry *e = shm_at(r);
    bool is_long = s->key.n >= KEY_SHORT;
    e->type_enc = (uint8_t)(s->type << 4 | s->enc);
    e->flags = (s->expiry_ms >= 0 ? ENTRY_EXPIRES : 0) | (s->big ? ENTRY_BIG : 0) |
               (s->tree ? ENTRY_TREE : 0) | (s->fields.first_ms ? ENTRY_FIELDS : 0);
    e->inline_len = (uint16_t)s->inline_len;
    e->meta = (is_long ? KEY_SHORT : (uint32_t)s->key.n) << 24 | (s->clock & 0xffffff);
    if (s->expiry_ms >= 0)
        *entry_expiry_at(e) = s->expiry_ms;
    if (entry_has_word(e))
        *entry_word_at(e) = s->word;
    if (e->flags & ENTRY_FIELDS)
        *entry_fields_at(e) = s->fields;
    char *p = (char *)e + head;
    if (is_long) {
        uint32_t n = (uint32_t)s->key.n;
        memcpy(p - 4, &n, 4);
    }
    bytes_copy(p, s->key.p, s->key.n);
    if (value)
        *value = p + s->key.n;
    *out = r;
    return RC_OK;
}

static uint64_t big_bytes(const struct shm_big *b)
{
    return sizeof(*b) + b->room;
}

enum rc entry_free(struct tx *tx, shm_ref r, bool with_value)
{
    struct shm_entry *e = shm_at(r);
    if (with_value && UNLIKELY(e->flags & ENTRY_BIG)) {
        enum rc rc = tx_free(tx, *entry_word_at(e), big_bytes(entry_big(e)));
        if (rc)
            return rc;
    }
    if (with_value && UNLIKELY(e->flags & ENTRY_TREE)) {
        enum rc rc = coll_free(tx, e);
        if (rc)
            return rc;
    }
    return tx_free(tx, r, entry_bytes_total(e));
}

enum rc entry_copy(struct tx *tx, shm_ref r, struct bytes key, int64_t expiry_ms, shm_ref *out)
{
    struct shm_entry *e = shm_at(r);
    struct entry_spec s = {
        .key = key,
        .type = entry_type(e),
        .enc = entry_enc(e),
        .big = e->flags & ENTRY_BIG,
        .tree = e->flags & ENTRY_TREE,
        .expiry_ms = expiry_ms,
        .word = entry_has_word(e) ? *entry_word_at(e) : 0,
        .fields = entry_fields(e),
        .inline_len = e->inline_len,
        .clock = e->meta & 0xffffff,
    };
    char *value;
    enum rc rc = entry_new(tx, &s, out, &value);
    if (!rc && e->inline_len) {
        struct bytes k = entry_key(e);
        bytes_copy(value, k.p + k.n, e->inline_len);
    }
    return rc;
}

/* The block with all of its room, as the original's: what comes next may be an append. */
static enum rc big_clone(struct tx *tx, const struct shm_big *from, shm_ref *out)
{
    enum rc rc = tx_alloc(tx, big_bytes(from), out);
    if (!rc)
        memcpy(shm_at(*out), from, sizeof(*from) + from->len);
    return rc;
}

enum rc entry_clone(struct tx *tx, shm_ref r, struct bytes key, int64_t expiry_ms, shm_ref *out)
{
    enum rc rc = entry_copy(tx, r, key, expiry_ms, out);
    struct shm_entry *copy = rc ? NULL : shm_at(*out);
    if (rc || LIKELY(!(copy->flags & ENTRY_BIG)))
        return rc;
    return big_clone(tx, entry_big(shm_at(r)), entry_word_at(copy));
}

size_t entry_memory(const struct shm_entry *e)
{
    size_t n = block_bytes(entry_bytes_total(e));
    return e->flags & ENTRY_BIG ? n + block_bytes(big_bytes(entry_big(e))) : n;
}
