/* shm/format/rdb_packed.h - reads the blobs in which Redis keeps small collections: ziplist, listpack, intset, zipmap.
 * Owner     whoever reads; the bytes stay the caller's.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     RC_INVALID: the blob contradicts itself. RC_MISSING: there are no more items.
 * Tests     tests/unit/test_rdb_values.c  tests/fuzz/fuzz_rdb.c */
#ifndef SKEP_RDB_PACKED_H
#define SKEP_RDB_PACKED_H

#include "include/bytes.h"
#include "include/rc.h"

enum rdb_packed_form {
    PACKED_ZIPLIST,
    PACKED_LISTPACK,
    PACKED_INTSET,
    PACKED_ZIPMAP,
};

struct rdb_packed {
    enum rdb_packed_form form;
    const uint8_t *p;
    size_t n, pos;     /* of the blob */
    size_t before;     /* ziplist: where the item before begins, 0: there is none */
    uint64_t told, at; /* items: as the head says (UINT64_MAX: it does not), and how many have come */
    unsigned width;    /* intset: bytes of each */
    int64_t last;      /* intset */
    bool is_number;    /* the last item was one: */
    int64_t number;
};

enum rc rdb_packed_open(struct rdb_packed *b, enum rdb_packed_form form, struct bytes blob);
/* The next item, in the blob itself or, if it is a number, as digits (where digits is not NULL). */
enum rc rdb_packed_next(struct rdb_packed *b, char digits[24], struct bytes *out);

#endif
