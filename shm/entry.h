/* shm/entry.h - a key and its value: one block.
 * Owner     the slot word in the table that refers to it.
 * Locks     the bucket's latch to change it; readers without the latch check the bucket's version.
 * Crash     an entry is built aside and published by one word; in place only single words change, as redo.
 * Survives  worker death: yes.
 * Fails     entry_new: RC_NOMEM, RC_BUSY.
 * Tests     tests/unit/test_entry.c  tests/crash/crash_points.c */
#ifndef SKEP_ENTRY_H
#define SKEP_ENTRY_H

#include "shm/tx.h"

enum value_type {
    TYPE_STRING = 0,
    TYPE_LIST,
    TYPE_SET,
    TYPE_ZSET,
    TYPE_HASH,
    TYPE_STREAM = 6,
};

enum value_enc {
    ENC_RAW = 0, /* bytes; OBJECT ENCODING says raw */
    ENC_EMBSTR,  /* bytes that were set as a whole and are at most 44: it says embstr */
    ENC_INT,     /* one word */
    /* Of collections, with the names that OBJECT ENCODING gives them. What lies behind a name is shm/types/coll.h's. */
    ENC_LISTPACK,
    ENC_QUICKLIST,
    ENC_HASHTABLE,
    ENC_INTSET,
    ENC_SKIPLIST,
    ENC_LISTPACK_EX, /* a hash, not yet a hashtable, that has had fields with an expiry */
};

#define ENTRY_EXPIRES 1u /* an expiry word follows the head */
#define ENTRY_BIG     2u /* the value is a block of its own (struct shm_big) */
#define ENTRY_FRESH   4u /* born after the cut of the running snapshot, ahead of its walk (shm/snapshot.h) */
#define ENTRY_TREE    8u /* the word refers to the root of a tree (shm/types/tree.h), or to a struct shm_zset */
#define ENTRY_FIELDS                                                                                         \
    16u /* a hash of which some fields have an expiry: a struct shm_fields follows the word */
#define EMBSTR_MAX 44u
#define INLINE_MAX 4096u /* longer values get a block of their own, so that copying an entry stays cheap */
#define KEY_SHORT  255u  /* such a key length means: the true length follows in four bytes */

/* An entry, front to back. Only the head is always there.
 *
 *  0        1       2          4                7       8
 *  +--------+-------+----------+----------------+-------+----------+--------+--------+---------+-----+-------+
 *  |type|enc| flags | inline   | LRU or LFU     | key   | expiry   | word   | fields | key     | key | value |
 *  | 4 | 4  |       | value's  | clock (24 bits)| length| 8, if    | 8: int | 16, if | length, |     | bytes |
 *  |        |       | length   |                | 8 bits| EXPIRES  | or big | FIELDS | 4, if   |     |       |
 *  +--------+-------+----------+----------------+-------+----------+--------+--------+ long    +-----+-------+ */
struct shm_entry {
    uint8_t type_enc;
    uint8_t flags;
    uint16_t inline_len;
    uint32_t meta; /* bits 0-23 LRU/LFU, bits 24-31 key length: changed by readers, never under tx_log */
};
_Static_assert(sizeof(struct shm_entry) == 8, "the head is one word");

/* A long value. Bytes at len and above are nobody's yet: an append writes them first, then redoes len. */
struct shm_big {
    uint64_t len, room;
};

/* When fields of a hash expire. An entry has it as long as some field does. */
struct shm_fields {
    int64_t first_ms; /* the soonest of them, never 0 (where there is none, a spec or a shape says 0) */
    uint64_t
        order; /* of a tree: the root of a second one (order.h), which has these fields sorted by their expiry */
};

static inline unsigned entry_type(const struct shm_entry *e)
{
    return e->type_enc >> 4;
}
static inline unsigned entry_enc(const struct shm_entry *e)
{
    return e->type_enc & 15;
}
static inline bool entry_has_word(const struct shm_entry *e)
{
    return entry_enc(e) == ENC_INT || (e->flags & (ENTRY_BIG | ENTRY_TREE));
}
static inline int64_t *entry_expiry_at(struct shm_entry *e)
{
    return (int64_t *)(e + 1);
}
static inline int64_t entry_expiry(const struct shm_entry *e) /* ms, -1: none */
{
    return e->flags & ENTRY_EXPIRES ? *(const int64_t *)(e + 1) : -1;
}
static inline uint64_t *entry_word_at(struct shm_entry *e)
{
    return (uint64_t *)(e + 1) + (e->flags & ENTRY_EXPIRES ? 1 : 0);
}
static inline struct shm_fields *entry_fields_at(struct shm_entry *e) /* if it has them */
{
    return (struct shm_fields *)(entry_word_at(e) + (entry_has_word(e) ? 1 : 0));
}
static inline struct shm_fields entry_fields(const struct shm_entry *e)
{
    return e->flags & ENTRY_FIELDS ? *entry_fields_at((struct shm_entry *)(uintptr_t)e)
                                   : (struct shm_fields){0};
}
const char *entry_enc_name(const struct shm_entry *e); /* as OBJECT ENCODING says it */
_Static_assert(sizeof(struct shm_fields) == ENTRY_FIELDS, "the flag is the number of bytes that it adds");
static inline size_t entry_head_bytes(const struct shm_entry *e)
{
    return 8 + (e->flags & ENTRY_EXPIRES ? 8 : 0) + (entry_has_word(e) ? 8 : 0) + (e->flags & ENTRY_FIELDS);
}
static inline struct bytes entry_key(const struct shm_entry *e)
{
    const char *p = (const char *)e + entry_head_bytes(e);
    size_t n = e->meta >> 24;
    if (UNLIKELY(n == KEY_SHORT)) {
        uint32_t v;
        memcpy(&v, p, 4);
        return (struct bytes){p + 4, v};
    }
    return (struct bytes){p, n};
}
static inline struct shm_big *entry_big(const struct shm_entry *e)
{
    return shm_at(*entry_word_at((struct shm_entry *)e));
}
/* The value's bytes; not for ENC_INT. */
static inline struct bytes entry_bytes(const struct shm_entry *e)
{
    if (UNLIKELY(e->flags & ENTRY_BIG)) {
        struct shm_big *b = entry_big(e);
        return (struct bytes){(char *)(b + 1), b->len};
    }
    struct bytes k = entry_key(e);
    return (struct bytes){k.p + k.n, e->inline_len};
}
static inline int64_t entry_int(const struct shm_entry *e)
{
    return (int64_t)*entry_word_at((struct shm_entry *)e);
}
static inline size_t entry_bytes_total(const struct shm_entry *e)
{
    struct bytes k = entry_key(e);
    return (size_t)(k.p - (const char *)e) + k.n + e->inline_len;
}

/* A sorted set of many members: both trees hold all of them. */
struct shm_zset {
    uint64_t order; /* by score */
    uint64_t map;   /* from the member's hash to its score */
};

/* What an entry is made of. */
struct entry_spec {
    struct bytes key;
    unsigned type, enc;
    bool big;          /* word is the ref of a struct shm_big */
    bool tree;         /* word is what ENTRY_TREE says */
    int64_t expiry_ms; /* -1: none */
    uint64_t word;     /* for ENC_INT and big */
    struct shm_fields fields;
    size_t inline_len;
    uint32_t clock; /* 24 bits */
};
/* Allocates and fills all but the inline value, whose place is *value. */
enum rc entry_new(struct tx *tx, const struct entry_spec *s, shm_ref *out, char **value);
/* Frees the entry and, when with_value, what it refers to. */
enum rc entry_free(struct tx *tx, shm_ref r, bool with_value);
/* The same key and value with another expiry: the value's own block moves over, it is not copied. */
enum rc entry_copy(struct tx *tx, shm_ref r, struct bytes key, int64_t expiry_ms, shm_ref *out);
/* Likewise, with a value of its own: the entry at r keeps what it has. (A tree's nodes are shared; they are copied
 * when they are changed.) */
enum rc entry_clone(struct tx *tx, shm_ref r, struct bytes key, int64_t expiry_ms, shm_ref *out);
size_t entry_memory(const struct shm_entry *e); /* what it takes from the arena, its value included */

#endif
