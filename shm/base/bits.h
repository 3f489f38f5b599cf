/* shm/base/bits.h - runs of bits: counted, searched and combined a word at a time. Bit 0 is the highest of byte 0.
 * Owner     the caller.
 * Locks     none.
 * Crash     changes only what bits_combine and field_put are given to write.
 * Survives  nothing to survive.
 * Fails     never.
 * Tests     tests/unit/test_bits.c  tests/regress/sql/bitmap.cmd */
#ifndef SKEP_BITS_H
#define SKEP_BITS_H

#include "include/bytes.h"

/* How many of the bits from..end-1 are set. */
uint64_t bits_count(const void *data, uint64_t from, uint64_t end);
/* The first bit of from..end-1 that is so; end if there is none. */
uint64_t bits_find(const void *data, uint64_t from, uint64_t end, bool set);

enum bits_op { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };
/* Combines n sources to out (len bytes), which is none of them; a source that is shorter ends in zeros. BITS_NOT takes
 * one. */
void bits_combine(enum bits_op op, char *out, size_t len, const struct bytes *src, size_t n);

/* A field of at most 64 bits lies in at most 9 bytes. Of a window of 9 bytes, at = 0..7 is where the field begins. */
#define FIELD_BYTES 9u
uint64_t field_get(const uint8_t window[FIELD_BYTES], unsigned at, unsigned bits);
void field_put(uint8_t window[FIELD_BYTES], unsigned at, unsigned bits, uint64_t v);

/* What becomes of a number that a field of so many bits cannot hold. */
enum field_overflow { FIELD_WRAP, FIELD_SAT, FIELD_FAIL };
struct field_kind {
    bool is_signed;
    uint8_t bits; /* 1-64, unsigned 1-63 */
    uint8_t overflow;
};
/* The number that the field's bits mean, and *out = v + by as the field holds it. False: it does not fit, and is to
 * fail. v of an unsigned field is taken as unsigned. */
int64_t field_number(const struct field_kind *f, uint64_t raw);
bool field_add(const struct field_kind *f, int64_t v, int64_t by, int64_t *out);

#endif
