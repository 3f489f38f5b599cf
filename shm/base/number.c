#include "shm/base/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool number_to_int64(struct bytes b, int64_t *out)
{
    bool negative = b.n > 0 && b.p[0] == '-';
    size_t i = negative;

    if (b.n == 1 && b.p[0] == '0') {
        *out = 0;
        return true;
    }
    if (i >= b.n || b.n - i > 19 || b.p[i] < '1' || b.p[i] > '9')
        return false;

    uint64_t v = 0; /* 19 digits stay below 2^64 */
    for (; i < b.n; i++) {
        if (b.p[i] < '0' || b.p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(b.p[i] - '0');
    }
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

size_t number_from_uint64(char out[NUMBER_INT_MAX], uint64_t v)
{
    char rev[NUMBER_INT_MAX];
    size_t n = 0;
    do {
        rev[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    for (size_t i = 0; i < n; i++)
        out[i] = rev[n - 1 - i];
    out[n] = '\0';
    return n;
}

size_t number_from_int64(char out[NUMBER_INT_MAX], int64_t v)
{
    if (v >= 0)
        return number_from_uint64(out, (uint64_t)v);
    out[0] = '-';
    char digits[NUMBER_INT_MAX];
    size_t n = number_from_uint64(digits, 0 - (uint64_t)v); /* at most 19 digits here */
    memcpy(out + 1, digits, n + 1);
    return n + 1;
}

/* strtod wants an end mark, which the caller's bytes lack. */
static bool copy_text(struct bytes b, char *buf, size_t cap)
{
    if (b.n == 0 || b.n >= cap || isspace((unsigned char)b.p[0]))
        return false;
    memcpy(buf, b.p, b.n);
    buf[b.n] = '\0';
    return true;
}

/* Up to 15 digits and nothing else, as most scores are: each such number is a double, and needs no strtod. */
static bool digits_to_double(struct bytes b, double *out)
{
    int64_t sum = 0;
    bool minus = b.n && b.p[0] == '-';
    if (b.n == minus || b.n - minus > 15)
        return false;
    for (size_t i = minus; i < b.n; i++) {
        unsigned digit = (unsigned char)b.p[i] - '0';
        if (digit > 9)
            return false;
        sum = sum * 10 + digit;
    }
    *out = minus ? -(double)sum : (double)sum;
    return true;
}

bool number_to_double(struct bytes b, double *out)
{
    if (digits_to_double(b, out))
        return true;
    char buf[NUMBER_LONG_DOUBLE_MAX];
    char *end;
    if (!copy_text(b, buf, sizeof(buf)))
        return false;
    errno = 0;
    double v = strtod(buf, &end);
    if (end != buf + b.n || isnan(v))
        return false;
    if (errno == ERANGE &&
        (isinf(v) || fpclassify(v) == FP_ZERO)) /* a denormal also says ERANGE, and is fine */
        return false;
    *out = v;
    return true;
}

bool number_to_long_double(struct bytes b, long double *out)
{
    char buf[NUMBER_LONG_DOUBLE_MAX];
    char *end;
    if (!copy_text(b, buf, sizeof(buf)))
        return false;
    errno = 0;
    long double v = strtold(buf, &end);
    if (end != buf + b.n || isnan(v))
        return false;
    if (errno == ERANGE && (isinf(v) || fpclassify(v) == FP_ZERO))
        return false;
    *out = v;
    return true;
}

size_t number_from_double(char out[NUMBER_DOUBLE_MAX], double v)
{
    if (isnan(v))
        return (size_t)snprintf(out, NUMBER_DOUBLE_MAX, "nan"); /* printf would show the sign of some */
    /* Integers up to 2^53 print the same either way, and this way several times faster. */
    if (v >= -9007199254740992.0 && v <= 9007199254740992.0 && v == (double)(int64_t)v &&
        !(v == 0 && signbit(v)))
        return number_from_int64(out, (int64_t)v);
    return (size_t)snprintf(out, NUMBER_DOUBLE_MAX, "%.17g", v);
}

size_t number_from_long_double(char out[NUMBER_LONG_DOUBLE_MAX], long double v)
{
    if (isinf(v))
        return (size_t)snprintf(out, NUMBER_LONG_DOUBLE_MAX, v > 0 ? "inf" : "-inf");
    if (isnan(v))
        return (size_t)snprintf(out, NUMBER_LONG_DOUBLE_MAX, "nan");

    size_t n = (size_t)snprintf(out, NUMBER_LONG_DOUBLE_MAX, "%.17Lf", v);
    while (out[n - 1] == '0') /* stops at the point, which %.17Lf always writes */
        n--;
    if (out[n - 1] == '.')
        n--;
    if (n == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        n = 1;
    }
    out[n] = '\0';
    return n;
}

static uint64_t unit_bytes(struct bytes unit)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
        {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (bytes_is(unit, units[i].name))
            return units[i].bytes;
    return 0;
}

bool number_to_memory(struct bytes b, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < b.n && b.p[i] >= '0' && b.p[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(b.p[i] - '0'), &v))
            return false;
    uint64_t unit = unit_bytes((struct bytes){b.p + i, b.n - i});
    if (unit == 0 || __builtin_mul_overflow(v, unit, &v))
        return false;
    *out = v;
    return true;
}
