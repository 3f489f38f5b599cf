/* shm/types/string.h - string values: bytes, numbers, and long values in blocks of their own.
 * Owner     the key's entry.
 * Locks     the caller holds the key's latch through its transaction.
 * Crash     new entries are built aside; a long value grows behind its length, which is redone; bytes in
 *           the middle of a long value are saved by tx_log before they change.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY before the first change; RC_RANGE, RC_INVALID as told below.
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

/* expiry_ms: -1 none. keep_ttl: the old entry's expiry. A value that is a canonical int64 becomes ENC_INT. */
enum rc string_set(struct tx *tx, struct key_ref *k, struct bytes value, int64_t expiry_ms, uint32_t clock);
/* In place when the entry is a number already (one word, redone); otherwise a new entry with its expiry. */
enum rc string_set_integer(struct tx *tx, struct key_ref *k, int64_t v, uint32_t clock);
/* The result's encoding is raw, as Redis's. *length: afterwards. */
enum rc string_append(struct tx *tx, struct key_ref *k, struct bytes more, uint32_t clock, size_t *length);
enum rc string_set_range(struct tx *tx, struct key_ref *k, uint64_t offset, struct bytes part, uint32_t clock,
                         size_t *length);
/* Another expiry (-1: none) for the same value: in place when there is a word for it, else a new entry. */
enum rc key_set_expiry(struct tx *tx, struct key_ref *k, int64_t expiry_ms);

#endif
