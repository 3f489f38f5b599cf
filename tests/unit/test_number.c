#include "shm/base/number.h"

#include <math.h>
#include <stdio.h>

#include "include/rc.h"

static struct bytes bytes_of(const char *s)
{
    return (struct bytes){s, strlen(s)};
}

static void integers(void)
{
    static const int64_t good[] = {0, 1, -1, 9, 10, -10, 1234567890123, INT64_MAX, INT64_MIN, INT64_MAX - 1};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "-0",
                                      "-01",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0x10",
                                      "1.",
                                      "--1",
                                      "00",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "18446744073709551616"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char ours[NUMBER_INT_MAX], theirs[32];
        int64_t back = 77;
        size_t n = number_from_int64(ours, good[i]);
        snprintf(theirs, sizeof(theirs), "%lld", (long long)good[i]);
        CHECKF(n == strlen(theirs) && strcmp(ours, theirs) == 0, "%s", theirs);
        CHECK(number_to_int64(bytes_of(ours), &back) && back == good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t v = 77;
        CHECKF(!number_to_int64(bytes_of(bad[i]), &v) && v == 77, "'%s'", bad[i]);
    }
    char out[NUMBER_INT_MAX];
    CHECK(number_from_uint64(out, UINT64_MAX) == 20 && strcmp(out, "18446744073709551615") == 0);
}

static void doubles(void)
{
    static const struct {
        double v;
        const char *text;
    } shown[] = {{0, "0"},
                 {-0.0, "-0"},
                 {3, "3"},
                 {-17, "-17"},
                 {0.1, "0.10000000000000001"},
                 {1.5, "1.5"},
                 {1e20, "1e+20"},
                 {9007199254740992.0, "9007199254740992"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {NAN, "nan"},
                 {-NAN, "nan"},
                 {2.2250738585072014e-308, "2.2250738585072014e-308"}};
    static const char *const bad[] = {"", " 1", "1 ", "nan", "1x", "1e400", "-1e400", "1e-400", "."};
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        char out[NUMBER_DOUBLE_MAX];
        CHECKF(number_from_double(out, shown[i].v) == strlen(shown[i].text) && !strcmp(out, shown[i].text),
               "%s is %s", out, shown[i].text);
    }
    double v = 77;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECKF(!number_to_double(bytes_of(bad[i]), &v) && v == 77, "'%s'", bad[i]);
    CHECK(number_to_double(bytes_of("inf"), &v) && v == INFINITY);
    CHECK(number_to_double(bytes_of("-Infinity"), &v) && v == -INFINITY);
    CHECK(number_to_double(bytes_of("0x10"), &v) && v == 16);
    CHECK(number_to_double(bytes_of("000000123456"), &v) && v == 123456);
    CHECK(number_to_double(bytes_of("-0"), &v) && v == 0 && signbit(v));
    CHECK(number_to_double(bytes_of("-999999999999999"), &v) && v == -999999999999999.0);
    CHECK(number_to_double(bytes_of("9007199254740993"), &v) && v == 9007199254740992.0);
    v = 77;
    CHECK(!number_to_double(bytes_of("-"), &v) && !number_to_double(bytes_of("12:"), &v) && v == 77);
    CHECK(number_to_double(bytes_of("5e-324"), &v) && v > 0);
    CHECK(number_to_double((struct bytes){"1.5xyz", 3}, &v) && v == 1.5);
    CHECK(!number_to_double((struct bytes){"1\0", 2}, &v));
}

/* As INCRBYFLOAT of redis-server answers. */
static void long_doubles(void)
{
    static const struct {
        const char *a, *b, *sum;
    } sums[] = {{"10.5", "0.1", "10.6"},
                {"5.0e3", "200", "5200"},
                {"0.1", "0.2", "0.3"},
                {"1", "-1", "0"},
                {"-0.0", "-0.0", "0"},
                {"3", "1.123456789012345678", "4.12345678901234568"},
                {"1e18", "1", "1000000000000000001"}};
    char out[NUMBER_LONG_DOUBLE_MAX];
    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        long double a, b;
        CHECK(number_to_long_double(bytes_of(sums[i].a), &a) &&
              number_to_long_double(bytes_of(sums[i].b), &b));
        CHECKF(number_from_long_double(out, a + b) == strlen(sums[i].sum) && !strcmp(out, sums[i].sum),
               "%s is %s", out, sums[i].sum);
    }
    long double v;
    CHECK(!number_to_long_double(bytes_of("nan"), &v) && !number_to_long_double(bytes_of(" 1"), &v));
    CHECK(!number_to_long_double(bytes_of("1e5000"), &v) && !number_to_long_double(bytes_of(""), &v));
    CHECK(number_to_long_double(bytes_of("1e4932"), &v) && number_from_long_double(out, v) == 4933);
    CHECK(number_from_long_double(out, -(long double)INFINITY) == 4 && strcmp(out, "-inf") == 0);
}

static void memory(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},           {"1", 1},         {"1b", 1},       {"1k", 1000},
                {"1kb", 1024},      {"2MB", 2 << 20}, {"3m", 3000000}, {"1Gb", 1 << 30},
                {"1g", 1000000000}, {"", 0},          {"kb", 0},       {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {
        "-1", "+1", " 1", "1 kb", "1.5gb", "1tb", "x", "5%", "18446744073709551616", "17179869184gb"};
    uint64_t v = 77;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECKF(!number_to_memory(bytes_of(bad[i]), &v) && v == 77, "'%s'", bad[i]);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        CHECKF(number_to_memory(bytes_of(good[i].text), &v) && v == good[i].bytes, "'%s'", good[i].text);
}

int main(void)
{
    integers();
    doubles();
    long_doubles();
    memory();
    CHECK(bytes_equal(BYTES_LIT("a"), BYTES_LIT("a")) && !bytes_equal(BYTES_LIT("a"), BYTES_LIT("ab")));
    CHECK(bytes_is(BYTES_LIT("GeT"), "get") && !bytes_is(BYTES_LIT("get"), "gets"));
    return 0;
}
