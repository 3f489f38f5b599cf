/* shm/library.h - libraries of functions as all processes share them: one value in the hidden functions_db.
 * Owner     the keyspace; copies are the caller's.
 * Locks     the bucket latch of the one key; readers compare its version.
 * Crash     a change is one transaction: value and functions_epoch change together, or neither does.
 * Survives  worker death: yes. Restart of the host: by log and snapshot.
 * Fails     RC_NOMEM, RC_BUSY before the commit.
 * Tests     tests/unit/test_library.c  tests/crash/crash_points.c  tests/regress/sql/function_*.cmd
 *
 * All libraries stand in one value. So a change that names many functions of several libraries (RESTORE, FLUSH), or that must
 * not collide with any of them (LOAD), latches one bucket and replaces one entry. It costs a copy of all code, which is
 * little beside compiling it; functions are loaded rarely. */
#ifndef SKEP_LIBRARY_H
#define SKEP_LIBRARY_H

#include "shm/table.h"

/* What a function says of itself, in the order in which FUNCTION LIST shows it. */
enum {
    FUNCTION_NO_WRITES = 1u << 0,
    FUNCTION_ALLOW_OOM = 1u << 1,
    FUNCTION_ALLOW_STALE = 1u << 2,
    FUNCTION_NO_CLUSTER = 1u << 3,
    FUNCTION_ALLOW_CROSS_SLOT = 1u << 4,
};

/* Views of a packed value: good while it stands. */
struct library_function {
    struct bytes name, brief;
    bool described; /* it has a description, which may be empty */
    uint32_t flags;
};
struct library {
    uint64_t born; /* the epoch that its loading began: what has been compiled of another one is old */
    struct bytes name, code;
    struct bytes functions; /* packed: library_function_next */
    uint32_t nfunctions;
};

/* The first library of what is left in *rest, which then begins behind it; false: there is none. */
bool library_next(struct bytes *rest, struct library *out);
bool library_function_next(struct bytes *rest, struct library_function *out);
bool library_find(struct bytes all, struct bytes name, struct library *out);
/* Names of functions are the same in any case, those of libraries are not. */
bool library_find_function(struct bytes all, struct bytes name, struct library *lib,
                           struct library_function *out);
/* Letters, digits and _, one at least. */
bool library_name_is_valid(struct bytes name);

/* A packed value, or a library's packed functions, that is being made; starts as zeros, ends with free(p). */
struct library_pack {
    char *p;
    size_t n, cap;
};
void library_pack(struct library_pack *to, const struct library *lib);
void library_pack_function(struct library_pack *to, const struct library_function *f);

/* ---- changes ---- */

enum library_policy {
    LIBRARY_APPEND,  /* a library of the same name is in the way */
    LIBRARY_REPLACE, /* it goes */
    LIBRARY_FLUSH,   /* all go */
};
struct library_change {
    struct bytes drop;  /* the name of a library that goes; p NULL: none is named */
    struct bytes fresh; /* packed libraries that come */
    enum library_policy policy;
};
/* What all becomes by the change. RC_MISSING: there is no library to drop. RC_EXISTS: a library of a name, or a function, would be
 * there twice; clash names it, for as long as fresh and *to stand. born is that of those that come. */
struct library_clash {
    bool function;
    struct bytes name;
};
enum rc library_merge(struct library_pack *to, struct bytes all, const struct library_change *change,
                      uint64_t born, struct library_clash *clash);

/* ---- what is shared ---- */

/* Makes the change, in a transaction of its own, or in tx, behind the closed gate; the log is told effect (argc 0: nothing). to
 * is where the new value is built. RC_BUSY, RC_NOMEM, and those of library_merge: nothing has changed. */
enum rc libraries_change(struct shm_ctx *ctx, struct tx *tx, const struct library_change *change,
                         const struct bytes *effect, unsigned argc, struct library_pack *to,
                         struct library_clash *clash);

/* A copy, made without a latch, and the epoch that it is at least as new as. RC_BUSY: somebody is changing them. */
struct library_copy {
    struct bytes all; /* in p */
    uint64_t epoch;
    char *p;
    size_t cap;
};
enum rc libraries_read(struct shm_ctx *ctx, struct library_copy *copy);
uint64_t libraries_epoch(const struct shm_root *root);

#endif
