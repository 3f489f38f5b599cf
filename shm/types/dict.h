/* shm/types/dict.h - keys, perhaps with values, in each of the forms that a hash or a set may have.
 * Owner     the key's entry; a struct dict is private to the command that opened it.
 * Locks     the key's latch.
 * Crash     packed ones are replaced as a whole by dict_end; trees: shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_dict.c  tests/unit/test_bulk.c  tests/crash/crash_points.c */
#ifndef SKEP_DICT_H
#define SKEP_DICT_H

#include "shm/types/coll.h"
#include "shm/types/hmap.h"
#include "shm/types/seq.h"

/* Packed ones (any encoding but hashtable) keep the order in which keys came, integers that of their values. In trees,
 * ENC_LISTPACK is FORM_SEQ, with each value behind its key; the others are hmaps.
 *
 * A hash's field may have an expiry, which stands before its name (node.h); a sequence has no such fields: it becomes
 * ENC_LISTPACK_EX first. The entry knows the soonest expiry, so that whoever walks over the keys sees which hashes have
 * something due, without looking into them. Beside a tree of fields stands a second one, of those that expire, sorted by
 * their expiry: it says what is due, and how many, in logarithmic time. */
enum dict_form {
    DICT_PACKED,
    DICT_SEQ,
    DICT_HMAP,
};

/* An open collection: changes of a packed one gather in buf until dict_end, so that a command of many keys builds one
 * entry; trees change at once. */
struct dict {
    struct tx *tx;
    struct key_ref *k; /* NULL: it is only read */
    struct coll_shape shape;
    enum dict_form form;
    bool pairs;         /* keys have values: a hash */
    bool own;           /* the tree may be changed */
    bool changed;       /* buf is to replace the entry */
    int64_t now_ms;     /* fields that expire up to then are hidden; 0: none are */
    struct hmap map;    /* DICT_SEQ: only its tree */
    struct tree order;  /* of a tree's fields that expire; root NULL: there are none */
    struct bytes items; /* DICT_PACKED: in the entry, or in buf */
    char buf[COLL_PACKED_MAX];
};

/* To read an entry (to walk through it: tx may be NULL). Nothing is hidden before now_ms is set. */
void dict_read(struct dict *d, struct tx *tx, const struct shm_entry *e);
/* To change what the key holds (a hash or a set, as fresh says); fresh: what it will be if it does not exist. */
void dict_open(struct dict *d, struct tx *tx, struct key_ref *k, const struct coll_shape *fresh);
/* Puts what has been changed under the key; an empty collection goes with its key. */
enum rc dict_end(struct dict *d);

uint64_t dict_count(const struct dict *d); /* of those that are not hidden */
uint64_t dict_size(const struct dict *d);  /* of all */
static inline bool dict_hides(const struct dict *d, int64_t until_ms)
{
    return UNLIKELY(until_ms) && until_ms <= d->now_ms;
}

/* Where a key is, or would be. Good until the next change. */
struct dict_place {
    bool found;
    bool there;       /* and not found: it is hidden */
    int64_t until_ms; /* when it expires, 0: never */
    struct bytes value;
    size_t from, to; /* packed: bytes of items that a new pair replaces */
    struct seq_place seq;
    struct hmap_place map;
};
bool dict_find(const struct dict *d, struct bytes key, struct dict_place *at);
/* Adds the key that was just looked for, or gives it another value. */
enum rc dict_put(struct dict *d, struct dict_place *at, struct bytes key, struct bytes value);
/* The same; the field expires then (0: never). */
enum rc dict_put_until(struct dict *d, struct dict_place *at, struct bytes key, struct bytes value,
                       int64_t until_ms);
/* The field that was just found expires then. */
enum rc dict_set_until(struct dict *d, struct dict_place *at, struct bytes key, int64_t until_ms);
/* The name of a field that expires up to now_ms; false: there is none. Good until the next change. */
bool dict_due(const struct dict *d, int64_t now_ms, struct bytes *key);
/* Removes the key that was just looked for, and is there. */
enum rc dict_del(struct dict *d, struct dict_place *at);
/* Gives it another encoding. Places are no longer good. */
enum rc dict_convert(struct dict *d, unsigned enc);
/* The key, whose expiry stays, gets so many items (n > 0) in the encoding that shape tells, in place of what it held: each is told by
 * its number, and stays good. RC_EXISTS: a key comes twice, which only a hashtable is looked through for; nothing has been
 * changed. */
enum rc dict_build(struct tx *tx, struct key_ref *k, const struct coll_shape *shape, hmap_tell *tell,
                   const void *arg, uint64_t n);
/* The key holds what e does, with its expiry, in place of what it held before. */
enum rc dict_copy(struct tx *tx, const struct shm_entry *e, struct key_ref *k, uint32_t clock);

/* What an item takes in a packed one; more than COLL_PACKED_MAX: it has no place there. */
size_t dict_packed_bytes(bool pairs, struct bytes key, struct bytes value, int64_t until_ms);
int dict_int_compare(struct bytes a, struct bytes b);

/* What is wrong with what the entry says of fields that expire, NULL: nothing. */
const char *dict_fields_wrong(const struct shm_entry *e);

/* Item number pos (below the size: hidden ones are counted and shown), for choosing at random. */
struct hmap_item dict_at(const struct dict *d, uint64_t pos);

struct dict_walk {
    const struct dict *d;
    const char *at;        /* packed */
    struct seq_place seq;  /* item NULL: the end */
    struct tree_path path; /* of an hmap */
    unsigned i;
    struct bytes *sorted; /* integers of an hmap, from the least: private memory */
    uint64_t n;
};
/* All items; integers from the least to the greatest. */
void dict_walk(const struct dict *d, struct dict_walk *w);
bool dict_next(struct dict_walk *w, struct hmap_item *item);
void dict_walk_end(struct dict_walk *w);

/* Calls fn for items from a cursor on (0: the first), until count of them have been seen; returns the cursor that goes on, 0 at the
 * end. Whatever stays in the collection from the first call to the last is seen. Small collections are shown at once. */
typedef void dict_fn(void *arg, const struct hmap_item *item);
uint64_t dict_scan(const struct dict *d, uint64_t cursor, uint64_t count, dict_fn *fn, void *arg);

#endif
