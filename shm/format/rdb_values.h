/* shm/format/rdb_values.h - reads collections of RDB files and payloads, one element after the other.
 * Owner     whoever reads; an element's bytes are good until the next one is read.
 * Locks     none.
 * Crash     private memory, gone with the process; nothing is changed but the cursor.
 * Survives  no.
 * Fails     RC_INVALID with the cursor's error and error_at; RC_NOMEM; RC_NOTYPE: streams, modules, fields with expiries.
 *           RC_MISSING: there are no more.
 * Tests     tests/unit/test_rdb_values.c  tests/fuzz/fuzz_rdb.c  tests/compat/rdb_files.py */
#ifndef SKEP_RDB_VALUES_H
#define SKEP_RDB_VALUES_H

#include "shm/format/rdb_in.h"
#include "shm/format/rdb_packed.h"

struct rdb_element {
    struct bytes item;  /* a list's item, a member, a field */
    struct bytes value; /* of a field */
    double score;       /* of a sorted set's member; never NaN */
    int64_t until_ms;   /* when a field expires, 0: never */
};

struct rdb_values {
    struct rdb_in *in;
    enum rdb_type type;
    const struct rdb_shape *shape;
    uint64_t to_come; /* elements, or nodes of a quicklist */
    int64_t first_ms; /* the soonest expiry of a hash's fields */
    bool in_node;     /* packed is being read */
    size_t node_at;   /* where it stands */
    struct rdb_packed packed;
    struct rdb_scratch more; /* for a second string */
    char digits[2][24];
};

/* The cursor stands before the value. After an error, too, it must be closed. */
enum rc rdb_values_open(struct rdb_values *v, struct rdb_in *in, enum rdb_type type);
enum rc rdb_values_next(struct rdb_values *v, struct rdb_element *out);
void rdb_values_close(struct rdb_values *v);

/* Do the bytes of an element that has been read stay good until rdb_values_close? */
bool rdb_values_keep(const struct rdb_values *v, struct bytes s);

/* Which of the value_type of shm/entry.h it is; -1: none of the collections. */
int rdb_collection_type(enum rdb_type type);
/* How many elements there will be, as far as the beginning tells; 0: it does not. */
uint64_t rdb_values_told(const struct rdb_values *v);

#endif
