/* shm/base/number.h - numbers as bytes, strictly: one spelling for each integer.
 * Owner     nobody: pure functions.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     parsers answer false and leave *out alone.
 * Tests     tests/unit/test_number.c */
#ifndef SKEP_NUMBER_H
#define SKEP_NUMBER_H

#include "include/bytes.h"

#define NUMBER_INT_MAX    21 /* "-9223372036854775808" and the end mark */
#define NUMBER_DOUBLE_MAX 32 /* "-2.2250738585072014e-308" is 24 */
/* 2^16384 has 4933 digits, then the point, 17 more, the sign and the end mark. */
#define NUMBER_LONG_DOUBLE_MAX 5120

/* Only what number_from_int64 writes: no plus, no leading zero, no space, no "-0". */
bool number_to_int64(struct bytes b, int64_t *out);
size_t number_from_int64(char out[NUMBER_INT_MAX], int64_t v);
size_t number_from_uint64(char out[NUMBER_INT_MAX], uint64_t v);

/* As Redis takes a score: inf and hexadecimal are fine; nan, spaces, overflow and leftovers are not. */
bool number_to_double(struct bytes b, double *out);
/* As RESP2 prints a double: 17 significant digits, "inf", "-inf", "nan". */
size_t number_from_double(char out[NUMBER_DOUBLE_MAX], double v);

/* INCRBYFLOAT's arithmetic is in long double, and prints no exponent: %.17Lf without its trailing zeros. */
bool number_to_long_double(struct bytes b, long double *out);
size_t number_from_long_double(char out[NUMBER_LONG_DOUBLE_MAX], long double v);

/* "3gb", "100k", "17": kb, mb, gb are powers of 1024; k, m, g of 1000; b and no unit are bytes. No digits
 * mean 0, as in Redis. What does not fit 64 bits is refused (Redis wraps around, which makes a huge limit a
 * tiny one). */
bool number_to_memory(struct bytes b, uint64_t *out);

#endif
