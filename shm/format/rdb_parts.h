/* shm/format/rdb_parts.h - the steps that reading an RDB file's items and reading its collections share.
 * Owner     as shm/format/rdb_in.h.
 * Locks     none.
 * Crash     private memory, gone with the process; nothing is changed but the cursor.
 * Survives  no.
 * Fails     RC_INVALID with error and error_at; RC_NOMEM.
 * Tests     tests/unit/test_rdb_in.c  tests/fuzz/fuzz_rdb.c */
#ifndef SKEP_RDB_PARTS_H
#define SKEP_RDB_PARTS_H

#include "shm/format/rdb_in.h"

__attribute__((cold, noinline, format(printf, 3, 4))) void rdb_fault(struct rdb_in *in, size_t at,
                                                                     const char *fmt, ...);
/* A value that the compiler knows, so that it sees what is set when there was no error. */
#define rdb_fail(...) (rdb_fault(__VA_ARGS__), RC_INVALID)

#define RDB_TRY(call)                                                                                        \
    do {                                                                                                     \
        enum rc try_rc = (call);                                                                             \
        if (UNLIKELY(try_rc))                                                                                \
            return try_rc;                                                                                   \
    } while (0)

/* The next n bytes, which are behind the cursor afterwards. */
enum rc rdb_take(struct rdb_in *in, uint64_t n, const uint8_t **p);
/* A number, and one that says how many elements follow. */
enum rc rdb_take_length(struct rdb_in *in, uint64_t *n);
enum rc rdb_take_count(struct rdb_in *in, uint64_t *n);
/* Any string: the data's own bytes, or decompressed into scratch, or a number's digits. */
enum rc rdb_take_text(struct rdb_in *in, struct rdb_scratch *scratch, char digits[24], struct bytes *out);

/* What stands in the data stays where it is; other bytes are good until the next element is read. */
static inline bool rdb_in_has(const struct rdb_in *in, struct bytes s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    return !s.n || (p >= in->p && p < in->p + in->n);
}
struct rdb_build;
struct list_how;
void rdb_list_how(const struct rdb_build *b, struct list_how *how);
/* How long an element of a compact encoding may be. */
uint64_t rdb_value_limit(const struct rdb_build *b, int64_t configured);
/* A collection has an element twice: RC_INVALID. */
enum rc rdb_twice(struct rdb_in *in, enum rdb_type type);

#endif
