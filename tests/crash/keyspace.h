/* tests/crash/keyspace.h - whole operations on the keyspace, each a transaction, for the crash tests.
 * Owner     the calling process; its slot is in ctx.
 * Locks     as the transaction takes them.
 * Crash     what the tests are about.
 * Survives  no.
 * Fails     RC_BUSY and RC_NOMEM with nothing changed.
 * Tests     crash_points.c  single_step.c  random_kill.c */
#ifndef SKEP_TEST_KEYSPACE_H
#define SKEP_TEST_KEYSPACE_H

#include "shm/mail.h"
#include "shm/table.h"

/* Names of keys: "PREFIX:NUMBER". */
struct name {
    char s[48];
    size_t n;
};
#define NAME_BYTES(name) ((struct bytes){(name).s, (name).n})
struct name name_of(const char *prefix, unsigned i);
/* n bytes that follow from the seed: the value says by itself whether it is whole. */
void fill(char *to, size_t n, unsigned seed);

/* Called, if not NULL, when all that only the test needs is ready and the transaction begins. */
extern void (*ks_begin)(void);
/* The transactions lock their keys instead of holding latches; then, if not NULL, ks_locked is called while nothing but
 * the keys is held. */
extern _Thread_local bool ks_locks;
extern void (*ks_locked)(void);

struct key_ref ks_ref(struct shm_ctx *ctx, uint32_t db, struct bytes key); /* the table must exist */

/* A transaction on one key of the first database, or on two: k[at[0]] is that which was named first. */
struct work {
    struct tx tx;
    struct name name[2];
    struct key_ref k[2];
    uint32_t at[2];
    unsigned n;
};
/* Latches them and answers the first; b may be the same as a. */
struct key_ref *ks_open(struct work *w, struct shm_ctx *ctx, struct name a, struct name b);
void ks_commit(struct work *w);
/* Commits the transaction on these n keys if rc is RC_OK, as commands do. */
enum rc ks_end(struct tx *tx, struct key_ref *k, unsigned n, enum rc rc);

enum rc ks_set(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct bytes value, int64_t expiry_ms);
enum rc ks_set_int(struct shm_ctx *ctx, uint32_t db, struct bytes key, int64_t v);
enum rc ks_incr(struct shm_ctx *ctx, uint32_t db, struct bytes key, int64_t by, int64_t *out);
enum rc ks_del(struct shm_ctx *ctx, uint32_t db, struct bytes key);
enum rc ks_expire(struct shm_ctx *ctx, uint32_t db, struct bytes key, int64_t expiry_ms);
enum rc ks_rename(struct shm_ctx *ctx, uint32_t db, struct bytes from, struct bytes to);
/* Changes bytes of a value in place, by the undo log. */
enum rc ks_set_range(struct shm_ctx *ctx, uint32_t db, struct bytes key, size_t at, struct bytes part);
/* What APPEND (to a key that is there), SET and SETRANGE do. */
enum rc ks_append(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct bytes more);
enum rc ks_write(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct bytes value); /* SET's way */
enum rc ks_write_range(struct shm_ctx *ctx, uint32_t db, struct bytes key, uint64_t offset,
                       struct bytes part);

/* Many keys in one transaction. fn makes the entry of key i (kind 0: delete it). */
struct ks_many {
    uint32_t db;
    const char *prefix;
    unsigned first, n;
    size_t value_bytes; /* 0: delete the keys */
    unsigned seed;
    bool give_up; /* abort in the end */
    bool numbers; /* the value is the number seed */
};
enum rc ks_many(struct shm_ctx *ctx, const struct ks_many *m);

/* RC_MISSING: no such key. The value is copied to buf (at most room bytes); a number into *v. */
struct ks_value {
    bool is_int;
    int64_t v, expiry_ms;
    size_t n;
};
enum rc ks_get(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct ks_value *out, char *buf,
               size_t room);

/* A digest of all keys, values and expiries in all databases, of the mail in all rings, and of the log. Keys that begin
 * with the letter skip are left out. */
uint64_t ks_digest(char skip);
uint64_t ks_entries_digest(void); /* of the entries alone, hidden databases included */
/* Of one entry; the sum of all is what ks_digest says of the keys. */
uint64_t ks_entry_digest(uint32_t db, const struct shm_entry *e);

#endif
