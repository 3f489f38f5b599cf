/* shm/types/string.h - string values: bytes, numbers, and long values in blocks of their own.
 * Owner     the key's entry.
 * Locks     the caller holds the key's latch through its transaction.
 * Crash     new entries are built aside; what changes in place (a number, an expiry, a length, bytes in the
 *           middle) is saved by tx_log first; bytes behind a length are nobody's and need no saving.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts. RC_RANGE, RC_INVALID as told below, before any change.
 * Tests     tests/unit/test_string.c  tests/crash/crash_points.c */
#ifndef SKEP_STRING_H
#define SKEP_STRING_H

#include "shm/table.h"

#define STRING_DIGITS 24 /* room for any int64 */

/* The value's bytes; numbers are written into digits. */
struct bytes string_bytes(const struct shm_entry *e, char digits[STRING_DIGITS]);
size_t string_length(const struct shm_entry *e);
/* The value as an integer: RC_INVALID if it is none, exactly as Redis judges. */
enum rc string_integer(const struct shm_entry *e, int64_t *v);

/* What is changed in place is seen at once by later commands of the same transaction, since it is undone
 * rather than redone. clock is what the entry's LRU or LFU bits become.
 *
 * expiry_ms: -1 none. A value that is a canonical int64 becomes ENC_INT. */
enum rc string_set(struct tx *tx, struct key_ref *k, struct bytes value, int64_t expiry_ms, uint32_t clock);
/* The same, but digits stay bytes (INCRBYFLOAT's result). */
enum rc string_set_bytes(struct tx *tx, struct key_ref *k, struct bytes value, int64_t expiry_ms,
                         uint32_t clock);
/* A new entry whatever stood there before. */
enum rc string_put_integer(struct tx *tx, struct key_ref *k, int64_t v, int64_t expiry_ms, uint32_t clock);
/* In place when the entry is a number already; otherwise a new entry with the old one's expiry. */
enum rc string_set_integer(struct tx *tx, struct key_ref *k, int64_t v, uint32_t clock);
/* Adds to an existing string: its encoding becomes raw, as Redis's. *length: afterwards. */
enum rc string_append(struct tx *tx, struct key_ref *k, struct bytes more, uint32_t clock, size_t *length);
/* Writes part at offset, which may lie beyond the end (zeros come between); part is not empty. */
enum rc string_set_range(struct tx *tx, struct key_ref *k, uint64_t offset, struct bytes part, uint32_t clock,
                         size_t *length);
/* Builds a raw value of len bytes, which the caller writes to *at and then puts under the key (key_put). What stands
 * there now can be read meanwhile. */
enum rc string_begin(struct tx *tx, const struct key_ref *k, size_t len, int64_t expiry_ms, uint32_t clock,
                     shm_ref *out, char **at);
/* Copies a long value to where a transaction can take it from, so that no latch is held while half a gigabyte is
 * copied: string_set, given these very bytes, needs not copy them. One value at a time; RC_NOMEM, RC_BUSY. */
#define STRING_BUILD_LEAST (1u << 20)
enum rc string_build(struct shm_ctx *ctx, struct bytes value);
void string_build_end(struct shm_ctx *ctx); /* gives it back if it was not taken */
/* Puts a copy of the string entry from (of another key) under k. */
enum rc string_copy(struct tx *tx, const struct shm_entry *from, struct key_ref *k, uint32_t clock);
/* Another expiry (-1: none) for the same value, of any type: in place when there is a word for it, else a
 * new entry. */
enum rc key_set_expiry(struct tx *tx, struct key_ref *k, int64_t expiry_ms);

#endif
