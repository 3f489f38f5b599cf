/* shm/types/set.h - sets: when they change their encoding.
 * Owner     the key's entry.
 * Locks     the key's latch.
 * Crash     shm/types/dict.h.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts.
 * Tests     tests/unit/test_dict.c  tests/regress/sql/set_encoding.cmd */
#ifndef SKEP_TYPE_SET_H
#define SKEP_TYPE_SET_H

#include "shm/types/dict.h"

struct set_limits {
    uint64_t intset;         /* integers of an intset */
    uint64_t entries, value; /* members of a listpack, bytes of each */
};

/* first: what will be added first, since a new set's encoding follows from it; more: how many will be added in all. */
enum rc set_open(struct dict *d, struct tx *tx, struct key_ref *k, uint32_t clock, const struct set_limits *l,
                 struct bytes first, uint64_t more);
enum rc set_add(struct dict *d, const struct set_limits *l, struct bytes member, bool *added);
/* The encoding of these members (n > 0) when they are added one by one; told: how many there will be, as far as was known before. */
unsigned set_enc(const struct set_limits *l, hmap_tell *tell, const void *arg, uint64_t n, uint64_t told);
/* The key, which holds nothing, gets these members (n > 0, none twice). */
enum rc set_store(struct tx *tx, struct key_ref *k, uint32_t clock, const struct set_limits *l,
                  const struct bytes *v, uint64_t n);
/* Removes it if it is there. */
enum rc set_del(struct dict *d, struct bytes member, bool *removed);

#endif
