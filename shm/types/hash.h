/* shm/types/hash.h - hashes: when they change their encoding.
 * Owner     the key's entry.
 * Locks     the key's latch.
 * Crash     shm/types/dict.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_dict.c  tests/regress/sql/hash_encoding.cmd */
#ifndef SKEP_TYPE_HASH_H
#define SKEP_TYPE_HASH_H

#include "shm/types/dict.h"

struct hash_limits {         /* of a listpack; beyond them it becomes a hashtable, for good */
    uint64_t entries, value; /* fields; bytes of a field or a value */
};

void hash_open(struct dict *d, struct tx *tx, struct key_ref *k, uint32_t clock);
/* Sets the field that was just looked for. */
enum rc hash_put(struct dict *d, struct dict_place *at, const struct hash_limits *l, struct bytes field,
                 struct bytes value);
/* The same; the field expires then (0: never). */
enum rc hash_put_until(struct dict *d, struct dict_place *at, const struct hash_limits *l, struct bytes field,
                       struct bytes value, int64_t until_ms);

#define HASH_UNTIL_MAX ((1ll << 46) - 1) /* no field expires later: Redis's limit */

/* Removes fields that expire up to now_ms, max of them at most, from the hash that k holds, and tells the log; *removed: how
 * many. The key goes with its last field. */
enum rc hash_reap(struct tx *tx, struct key_ref *k, int64_t now_ms, unsigned max, unsigned *removed);
/* A field that was looked for is there but hidden: it goes, and the log is told. */
enum rc hash_reap_field(struct dict *d, struct dict_place *at, struct bytes field);

#endif
