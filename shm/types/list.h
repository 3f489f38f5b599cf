/* shm/types/list.h - lists: what the commands on lists do to a key.
 * Owner     the key's entry.
 * Locks     the caller holds the key's latch through its transaction.
 * Crash     packed lists are replaced as a whole; trees: shm/types/tree.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_list.c  tests/crash/crash_points.c */
#ifndef SKEP_LIST_H
#define SKEP_LIST_H

#include "shm/types/bulk.h"
#include "shm/types/coll.h"

/* A list is called listpack until Redis would have made a quicklist of it, which depends on the bytes that its listpack would
 * have. Those of a packed list are counted when they matter; a list in a tree keeps their number in its entry, as eight
 * bytes of value. */
struct list_how {
    int64_t fill;   /* list-max-listpack-size */
    int64_t depth;  /* list-compress-depth: of the lists that are changed from now on */
    uint32_t clock; /* of a new entry */
};

#define LISTPACK_EMPTY 7u /* its head and its end mark */

uint64_t list_length(const struct shm_entry *e);
/* Bytes of the listpack that Redis would keep these items in. */
uint64_t list_listpack_bytes(const struct shm_entry *e);

/* From item number pos on, towards the end or (back) towards the front. An item is good until the next one is asked for. */
struct list_walk {
    bool tree, back, more;
    bool told; /* the tree's item at this place */
    struct seq_place at;
    const char *packed;
    unsigned i, n;
    union {
        uint16_t start[COLL_PACKED_MAX]; /* where the packed items begin */
        struct seq_side side;            /* where a tree's compressed leaf is read */
    };
};
void list_walk(const struct shm_entry *e, uint64_t pos, bool back, struct list_walk *w);
bool list_next(struct list_walk *w, struct bytes *item);

/* Each of the values goes to the front (so the last one will be the first), or to the end. The key may be missing. */
enum rc list_push(struct tx *tx, struct key_ref *k, const struct bytes *v, unsigned n, bool front,
                  const struct list_how *how);
/* What follows is for keys that hold a list, and for places that are in it. */
enum rc list_cut(struct tx *tx, struct key_ref *k, uint64_t pos, uint64_t n, const struct list_how *how);
enum rc list_set(struct tx *tx, struct key_ref *k, uint64_t pos, struct bytes v, const struct list_how *how);
/* Before item number pos; pos may be the length. */
enum rc list_insert(struct tx *tx, struct key_ref *k, uint64_t pos, struct bytes v,
                    const struct list_how *how);
/* Items that equal v: all of them (count 0), the first count, or the last -count. */
enum rc list_remove(struct tx *tx, struct key_ref *k, struct bytes v, int64_t count,
                    const struct list_how *how, uint64_t *removed);
/* A list of items that come one behind the other, built as a whole: it is what pushing them one by one would have made. */
struct list_bulk {
    struct tx *tx;
    struct list_how how;
    struct tree tree;
    shm_ref root;
    struct seq_bulk items;
    uint64_t n, size;               /* items; bytes of Redis's listpack */
    uint64_t most_items, most_size; /* of the listpack encoding */
    size_t packed;                  /* what the items would take in an entry */
    unsigned enc;
};
void list_bulk_begin(struct list_bulk *b, struct tx *tx, const struct list_how *how);
enum rc list_bulk_add(struct list_bulk *b, struct bytes v);
/* The key, whose expiry stays, holds the list (of one item at least) in place of what it held before. rc: how it went so far. */
enum rc list_bulk_end(struct list_bulk *b, struct key_ref *k, enum rc rc);
enum rc list_bulk_drop(struct list_bulk *b); /* seq_bulk_drop */

/* A list with the same items and expiry takes the place of what the key to holds. */
enum rc list_copy(struct tx *tx, const struct shm_entry *from, struct key_ref *to,
                  const struct list_how *how);

#endif
