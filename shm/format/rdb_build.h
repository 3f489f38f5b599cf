/* shm/format/rdb_build.h - puts a collection that an RDB file or payload holds under a key, some elements at a time.
 * Owner     whoever reads; a struct rdb_build is private memory.
 * Locks     the caller holds the key's latch through its transaction.
 * Crash     the types' own (shm/types/coll.h).
 * Survives  worker death: what was committed.
 * Fails     RC_INVALID with the cursor's error and error_at: it is damaged, or has an element twice.
 *           RC_NOMEM, RC_BUSY: the caller aborts, and may put the same elements again.
 * Tests     tests/compat/rdb_files.py  tests/compat/dump_both.py  tests/crash/load_files.py */
#ifndef SKEP_RDB_BUILD_H
#define SKEP_RDB_BUILD_H

#include "shm/format/rdb_values.h"
#include "shm/table.h"

struct shm_config;

#define RDB_BUILD_SOME 128u        /* elements at a time */
#define RDB_BUILD_ROOM (32u << 10) /* for those that do not stand in the data as they are */

struct rdb_build {
    struct rdb_values values;
    const struct shm_config *cfg;
    uint32_t clock;
    size_t at;     /* where the value begins */
    uint64_t told; /* as rdb_values_told says at the beginning */
    bool begun;    /* some have been put */
    bool held;     /* one has been read for which there was no room: it comes first next time */
    unsigned n;
    size_t used;
    struct rdb_element holding;
    struct rdb_element some[RDB_BUILD_SOME];
    char room[RDB_BUILD_ROOM];
};

/* Reads the value (of such a type), and comes back to its beginning: RC_INVALID if anything is wrong with it, or if it has
 * no elements. Putting it cannot come to an error of the data then. Elements are told apart by their hash. */
enum rc rdb_build_check(struct rdb_in *in, enum rdb_type type, const struct shm_root *root);

/* The cursor stands before the value, whose type is a collection's (rdb_collection_type). Close it, whatever happens. */
enum rc rdb_build_open(struct rdb_build *b, struct rdb_in *in, enum rdb_type type,
                       const struct shm_config *cfg, uint32_t clock);
/* Reads the next elements. RC_MISSING: all have been read; or, if it comes at once, there are none. */
enum rc rdb_build_read(struct rdb_build *b);
/* Puts them under the key: the first of all in place of what it holds, the others to what is there by then. */
enum rc rdb_build_put(struct rdb_build *b, struct tx *tx, struct key_ref *k);
/* Puts all elements at once, before any has been read; the key's expiry goes. Nothing need have been checked: RC_INVALID, and RC_MISSING if
 * there are no elements, and nothing has been changed. RC_NOMEM, RC_BUSY as above, and the cursor is back at the beginning. So it
 * is after RC_RANGE: there are more than most elements, or their bytes are too many to be kept. Of a list's elements most are put
 * then: the rest by what is told above. */
enum rc rdb_build_whole(struct rdb_build *b, struct tx *tx, struct key_ref *k, uint64_t most);
/* What was put as a whole comes to nothing, since its transaction does: the cursor goes back to the beginning. */
enum rc rdb_build_again(struct rdb_build *b);
/* They have been committed: the next to be put are others. */
static inline void rdb_build_next(struct rdb_build *b)
{
    b->begun = true;
}
void rdb_build_close(struct rdb_build *b);

#endif
