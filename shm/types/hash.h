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

#endif
