/* Collections as Redis's format describes them, byte by byte: what is read of them, and that each cut, and each byte that tells
 * a length twice, is noticed. */
#include "shm/format/rdb_packed.h"
#include "shm/format/rdb_values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOB(s) ((struct bytes){s, sizeof(s) - 1})

/* All items with a comma behind each; what the end came back with. */
static enum rc read_blob(enum rdb_packed_form form, struct bytes b, char out[400])
{
    struct rdb_packed p;
    struct bytes item;
    char digits[24];
    size_t n = 0;
    char *exact = malloc(b.n ? b.n : 1); /* so that a sanitizer sees a step outside */
    CHECK(exact);
    memcpy(exact, b.p, b.n);
    enum rc rc = rdb_packed_open(&p, form, (struct bytes){exact, b.n});
    while (!rc && !(rc = rdb_packed_next(&p, digits, &item)))
        n += (size_t)snprintf(out + n, 400 - n, "%.*s,", (int)item.n, item.p);
    out[n] = 0;
    free(exact);
    return rc;
}

static void holds(enum rdb_packed_form form, struct bytes b, const char *wanted)
{
    char text[400];
    CHECK(read_blob(form, b, text) == RC_MISSING);
    CHECKF(strcmp(text, wanted) == 0, "%s, not %s", text, wanted);
    for (size_t cut = 0; cut < b.n; cut++)
        CHECKF(read_blob(form, (struct bytes){b.p, cut}, text) == RC_INVALID, "cut at %zu", cut);
}

/* The blob with another byte there is damaged. */
static void refuses(enum rdb_packed_form form, struct bytes b, size_t at, unsigned v)
{
    char text[400], other[400];
    CHECK(b.n <= sizeof(other) && at < b.n);
    memcpy(other, b.p, b.n);
    other[at] = (char)v;
    CHECKF(read_blob(form, (struct bytes){other, b.n}, text) == RC_INVALID, "byte %zu as %u", at, v);
}

static void ziplists(void)
{
    static const char numbers[] =
        "\x31\0\0\0\x2c\0\0\0\7\0"
        "\0\xf1"                                  /* 0 */
        "\2\xfd"                                  /* 12 */
        "\2\xfe\x80"                              /* -128 */
        "\3\xc0\0\x80"                            /* -32768 */
        "\4\xf0\xff\xff\x7f"                      /* 8388607 */
        "\5\xd0\0\0\0\x80"                        /* -2147483648 */
        "\6\xe0\xff\xff\xff\xff\xff\xff\xff\x7f"; /* and the end mark is put below */
    static const char words[] = "\x17\0\0\0\x11\0\0\0\3\0"
                                "\0\1a"
                                "\3\x40\2bc" /* a length of 14 bits that needs but 6 */
                                "\5\3def\xff";
    char text[400], whole[sizeof(numbers)];
    memcpy(whole, numbers, sizeof(numbers) - 1);
    whole[sizeof(numbers) - 1] = (char)0xff;
    uint32_t bytes = sizeof(whole), tail = sizeof(whole) - 1 - 10;
    memcpy(whole, &bytes, 4);
    memcpy(whole + 4, &tail, 4);
    holds(PACKED_ZIPLIST, (struct bytes){whole, sizeof(whole)},
          "0,12,-128,-32768,8388607,-2147483648,9223372036854775807,");
    struct bytes w = {words, sizeof(words) - 1};
    char sized[sizeof(words)];
    memcpy(sized, w.p, w.n);
    sized[0] = (char)w.n;
    sized[4] = (char)(w.n - 1 - 5);
    w.p = sized;
    holds(PACKED_ZIPLIST, w, "a,bc,def,");
    refuses(PACKED_ZIPLIST, w, 4, 3);     /* where the last begins */
    refuses(PACKED_ZIPLIST, w, 8, 2);     /* how many */
    refuses(PACKED_ZIPLIST, w, 13, 4);    /* the length of the one before */
    refuses(PACKED_ZIPLIST, w, 11, 63);   /* beyond the end */
    refuses(PACKED_ZIPLIST, w, 11, 0xff); /* no encoding */
    holds(PACKED_ZIPLIST, BLOB("\x0b\0\0\0\x0a\0\0\0\0\0\xff"), "");
    CHECK(read_blob(PACKED_ZIPLIST, BLOB("\x0c\0\0\0\x0a\0\0\0\0\0\xff\xff"), text) == RC_INVALID);
}

static void listpacks(void)
{
    static const char all[] = "\x2e\0\0\0\x09\0"
                              "\x7f\1"                 /* 127 */
                              "\x82xy\3"               /* a string of 2 */
                              "\xd0\0\2"               /* -4096 */
                              "\xcf\xff\2"             /* 4095 */
                              "\xf1\0\x80\3"           /* -32768 */
                              "\xf2\0\0\x80\4"         /* -8388608 */
                              "\xf3\xff\xff\xff\x7f\5" /* 2147483647 */
                              "\xe0\1z\3"              /* a length of 12 bits */
                              "\xf0\1\0\0\0w\6\xff";   /* and of 32 */
    char sized[sizeof(all)];
    struct bytes b = {sized, sizeof(all) - 1};
    memcpy(sized, all, sizeof(all));
    sized[0] = (char)b.n;
    holds(PACKED_LISTPACK, b, "127,xy,-4096,4095,-32768,-8388608,2147483647,z,w,");
    refuses(PACKED_LISTPACK, b, 0, 1);
    refuses(PACKED_LISTPACK, b, 4, 8);
    refuses(PACKED_LISTPACK, b, 7, 2);    /* the length behind an item */
    refuses(PACKED_LISTPACK, b, 6, 0xf5); /* no encoding */
    holds(PACKED_LISTPACK, BLOB("\x11\0\0\0\1\0\xf4\0\0\0\0\0\0\0\x80\x09\xff"), "-9223372036854775808,");
    holds(PACKED_LISTPACK, BLOB("\7\0\0\0\0\0\xff"), "");
    holds(PACKED_LISTPACK, BLOB("\x09\0\0\0\xff\xff\5\1\xff"), "5,"); /* more than the head can tell */
}

static void others(void)
{
    char text[400];
    struct bytes ints = BLOB("\2\0\0\0\3\0\0\0\xff\xff\0\0\1\0");
    holds(PACKED_INTSET, ints, "-1,0,1,");
    refuses(PACKED_INTSET, ints, 0, 4);
    refuses(PACKED_INTSET, ints, 0, 3);
    refuses(PACKED_INTSET, ints, 4, 2);
    refuses(PACKED_INTSET, ints, 12, 0); /* not sorted */
    holds(PACKED_INTSET, BLOB("\x08\0\0\0\1\0\0\0\0\0\0\0\0\0\0\x80"), "-9223372036854775808,");
    struct bytes map =
        BLOB("\2\1f\2\0vw\3abc\0\3\?\?\?\xff"); /* the second value is empty, with room for three */
    holds(PACKED_ZIPMAP, map, "f,vw,abc,,");
    refuses(PACKED_ZIPMAP, map, 0, 3);
    refuses(PACKED_ZIPMAP, map, 12, 4);
    CHECK(read_blob(PACKED_ZIPMAP, BLOB("\1\1f\xff"), text) == RC_INVALID); /* a field alone */
    CHECK(read_blob(PACKED_ZIPMAP, BLOB("\xfe\xfe\1\0\0\0f\1\0v\xff"), text) == RC_MISSING);
}

/* A value of this type, as it follows the key in a file. */
static enum rc read_value(enum rdb_type type, struct bytes b, char out[400])
{
    struct rdb_in in = {.p = (const uint8_t *)b.p, .n = b.n, .string_max = UINT64_MAX};
    struct rdb_values v;
    struct rdb_element e;
    size_t n = 0;
    enum rc rc = rdb_values_open(&v, &in, type);
    while (!rc && !(rc = rdb_values_next(&v, &e))) {
        n += (size_t)snprintf(out + n, 400 - n, "%.*s=%.*s/%g", (int)e.item.n, e.item.p, (int)e.value.n,
                              e.value.p, e.score);
        if (e.until_ms)
            n += (size_t)snprintf(out + n, 400 - n, "@%lld", (long long)e.until_ms);
        n += (size_t)snprintf(out + n, 400 - n, ",");
    }
    out[n] = 0;
    CHECK(rc != RC_MISSING || in.pos == in.n);
    CHECK((rc == RC_INVALID) == (in.error[0] != 0));
    rdb_values_close(&v);
    rdb_in_close(&in);
    return rc;
}

static void value_is(enum rdb_type type, struct bytes b, const char *wanted)
{
    char text[400];
    CHECK(read_value(type, b, text) == RC_MISSING);
    CHECKF(strcmp(text, wanted) == 0, "%s, not %s", text, wanted);
    for (size_t cut = 0; cut < b.n; cut++)
        CHECKF(read_value(type, (struct bytes){b.p, cut}, text) == RC_INVALID, "cut at %zu", cut);
}

static void values(void)
{
    char text[400];
    value_is(RDB_LIST, BLOB("\2\1a\xc0\xff"), "a=/0,-1=/0,");
    value_is(RDB_HASH, BLOB("\1\1f\xc1\0\1"), "f=256/0,");
    value_is(RDB_ZSET,
             BLOB("\3\1m\3"
                  "1.5\1n\xfe\1o\xff"),
             "m=/1.5,n=/inf,o=/-inf,");
    value_is(RDB_ZSET_2, BLOB("\1\1m\0\0\0\0\0\0\xf8\x3f"), "m=/1.5,");
    value_is(RDB_LIST_QUICKLIST_2, BLOB("\2\1\3abc\2\x0a\x0a\0\0\0\1\0\x81z\2\xff"), "abc=/0,z=/0,");
    value_is(RDB_HASH_LISTPACK,
             BLOB("\x0c\x0c\0\0\0\2\0\x81"
                  "f\2\5\1\xff"),
             "f=5/0,");
    value_is(RDB_ZSET_LISTPACK,
             BLOB("\x0c\x0c\0\0\0\2\0\x81"
                  "f\2\5\1\xff"),
             "f=/5,");
    value_is(RDB_SET_LISTPACK,
             BLOB("\x0c\x0c\0\0\0\2\0\x81"
                  "f\2\5\1\xff"),
             "f=/0,5=/0,");
    CHECK(read_value(RDB_ZSET, BLOB("\1\1m\xfd"), text) == RC_INVALID); /* no number */
    CHECK(read_value(RDB_ZSET, BLOB("\1\1m\3nan"), text) == RC_INVALID);
    CHECK(read_value(RDB_ZSET_2, BLOB("\1\1m\xff\xff\xff\xff\xff\xff\xff\xff"), text) == RC_INVALID);
    CHECK(read_value(RDB_ZSET_LISTPACK,
                     BLOB("\x0d\x0d\0\0\0\2\0\x81"
                          "f\2\x81x\2\xff"),
                     text) == RC_INVALID);
    CHECK(read_value(RDB_HASH_LISTPACK,
                     BLOB("\x0a\x0a\0\0\0\1\0\x81"
                          "f\2\xff"),
                     text) == RC_INVALID);
    CHECK(read_value(RDB_LIST_QUICKLIST_2, BLOB("\1\3\1a"), text) == RC_INVALID);
    CHECK(read_value(RDB_SET, BLOB("\x3f\1a"), text) == RC_INVALID); /* more than the data can hold */
    CHECK(read_value(RDB_STREAM_LISTPACKS, BLOB(""), text) == RC_NOTYPE);
    CHECK(read_value(RDB_MODULE_2, BLOB(""), text) == RC_NOTYPE);
}

/* The soonest expiry, then each as the distance from it, plus 1; or each in full; or behind the values of a listpack. */
static void expiring(void)
{
    char text[400];
    value_is(RDB_HASH_EXPIRING, BLOB("\x10\x27\0\0\0\0\0\0\3\1\1a\xc0\5\0\1b\1c\x41\x02\1d\0"),
             "a=5/0@10000,b=c/0,d=/0@10257,");
    value_is(RDB_HASH_EXPIRING_RC, BLOB("\2\x80\0\0\x27\x10\1a\1x\0\1b\1y"), "a=x/0@10000,b=y/0,");
    value_is(RDB_HASH_LISTPACK_EXPIRING,
             BLOB("\x10\x27\0\0\0\0\0\0\x19\x19\0\0\0\6\0\x81"
                  "a\2\x81x\2\xf1\x10\x27\3\x81"
                  "b\2\x81y\2\0\1\xff"),
             "a=x/0@10000,b=y/0,");
    value_is(RDB_HASH_LISTPACK_EXPIRING_RC,
             BLOB("\x11\x11\0\0\0\3\0\x81"
                  "a\2\x81x\2\xf1\x10\x27\3\xff"),
             "a=x/0@10000,");
    /* The first moment of 1970 is told as the one after: 0 stands for none. */
    value_is(RDB_HASH_EXPIRING, BLOB("\0\0\0\0\0\0\0\0\1\1\1a\1x"), "a=x/0@1,");
    /* The last one that there is, and the one behind it. */
    value_is(RDB_HASH_EXPIRING, BLOB("\xff\xff\xff\xff\xff\xff\0\0\1\1\1a\1x"), "a=x/0@281474976710655,");
    CHECK(read_value(RDB_HASH_EXPIRING, BLOB("\xff\xff\xff\xff\xff\xff\0\0\1\2\1a\1x"), text) == RC_INVALID);
    CHECK(read_value(RDB_HASH_EXPIRING, BLOB("\0\0\0\0\0\0\1\0\1\0\1a\1x"), text) == RC_INVALID);
    CHECK(read_value(RDB_HASH_EXPIRING, BLOB("\xff\xff\xff\xff\xff\xff\xff\xff\1\1\1a\1x"), text) ==
          RC_INVALID);
    CHECK(read_value(RDB_HASH_EXPIRING_RC, BLOB("\1\x81\0\1\0\0\0\0\0\0\1a\1x"), text) == RC_INVALID);
    CHECK(read_value(RDB_HASH_EXPIRING_RC, BLOB("\1\x81\xff\xff\xff\xff\xff\xff\xff\xff\1a\1x"), text) ==
          RC_INVALID);
    CHECK(read_value(RDB_HASH_LISTPACK_EXPIRING_RC, /* a negative one */
                     BLOB("\x10\x10\0\0\0\3\0\x81"
                          "a\2\x81x\2\xdf\xff\2\xff"),
                     text) == RC_INVALID);
    CHECK(read_value(RDB_HASH_LISTPACK_EXPIRING_RC, /* no number */
                     BLOB("\x10\x10\0\0\0\3\0\x81"
                          "a\2\x81x\2\x81z\2\xff"),
                     text) == RC_INVALID);
    CHECK(read_value(RDB_HASH_LISTPACK_EXPIRING_RC, /* none */
                     BLOB("\x0d\x0d\0\0\0\2\0\x81"
                          "a\2\x81x\2\xff"),
                     text) == RC_INVALID);
}

int main(void)
{
    ziplists();
    listpacks();
    others();
    values();
    expiring();
    return 0;
}
