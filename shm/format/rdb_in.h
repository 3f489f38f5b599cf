/* shm/format/rdb_in.h - reads Redis's RDB format (versions 1 to 12) and DUMP payloads from memory.
 * Owner     whoever reads; the bytes stay the caller's and must stay where they are.
 * Locks     none.
 * Crash     private memory, gone with the process; nothing is changed but the cursor.
 * Survives  no.
 * Fails     RC_INVALID with error and error_at when the bytes are no sound RDB; RC_NOMEM. A cursor that has
 *           failed is at its end: its position means nothing.
 * Tests     tests/unit/test_rdb_in.c  tests/fuzz/fuzz_rdb.c  tests/compat/rdb_files.py */
#ifndef SKEP_RDB_IN_H
#define SKEP_RDB_IN_H

#include "include/bytes.h"
#include "include/rc.h"
#include "shm/format/rdb.h"

enum rdb_kind {
    RDB_ITEM_KEY,        /* key, type, expiry_ms, idle_s, freq, db; the cursor stands before the value */
    RDB_ITEM_AUX,        /* key and text: a field of the header */
    RDB_ITEM_SELECT,     /* db */
    RDB_ITEM_SIZES,      /* keys, expires: how many db has; a hint */
    RDB_ITEM_FUNCTION,   /* text: the source of a library */
    RDB_ITEM_MODULE_AUX, /* text: the name of a module, whose own data have been skipped */
    RDB_ITEM_END,        /* the checksum was right; pos is behind it (an AOF may follow there) */
};

struct rdb_item {
    enum rdb_kind kind;
    enum rdb_type type;
    struct bytes key;  /* good until the next rdb_next */
    struct bytes text; /* the same */
    int64_t expiry_ms; /* -1: none. Anything else that is not in the future, other negatives too: expired */
    int64_t idle_s;    /* seconds since the last access, -1: not told */
    int freq;          /* the LFU counter, -1: not told */
    uint64_t db;
    uint64_t keys, expires;
};

/* Memory for what was compressed: grows, and is kept for the next. */
struct rdb_scratch {
    char *p;
    size_t cap;
};

struct rdb_in {
    const uint8_t *p;
    size_t n, pos;       /* pos / n is the progress */
    uint64_t string_max; /* a string that would be longer is refused: set after rdb_in_open, if at all */
    bool verify;         /* the checksum is computed on the way: one of several readers is enough */
    unsigned version;
    uint64_t db;
    uint64_t crc; /* of the bytes before summed */
    size_t summed;
    struct rdb_scratch key, text;
    char digits[2][24]; /* key and text that are numbers */
    size_t error_at;    /* offset of what is wrong */
    char error[240];    /* a sentence without its full stop; "" as long as all is well */
};

/* A file's bytes, its header included. Also after an error the cursor must be closed. */
enum rc rdb_in_open(struct rdb_in *in, struct bytes file, bool verify);
/* A payload of DUMP: type, value, version, checksum. RC_RANGE: version or checksum are wrong. Then the cursor
 * stands before the value, and the version and checksum cannot be reached. */
enum rc rdb_in_open_dump(struct rdb_in *in, struct bytes payload, enum rdb_type *type);
/* A payload of FUNCTION DUMP; RC_RANGE as above. Then its libraries, one by one: RC_MISSING behind the last, RC_NOTYPE (with
 * error) at anything that is no library, RC_INVALID when its bytes are no sound string. */
enum rc rdb_in_open_functions(struct rdb_in *in, struct bytes payload);
enum rc rdb_in_function(struct rdb_in *in, struct bytes *code); /* good until the next */
void rdb_in_close(struct rdb_in *in);

/* The next item. After RDB_ITEM_KEY comes exactly one rdb_string_value or rdb_skip_value. */
enum rc rdb_next(struct rdb_in *in, struct rdb_item *out);

/* A value of type RDB_STRING. Redis makes an integer also of text that looks like one, as string_set does. */
struct rdb_string {
    bool is_integer;
    int64_t integer;
    struct bytes bytes; /* if not: good until the next rdb_next or rdb_string_value */
};
enum rc rdb_string_value(struct rdb_in *in, struct rdb_string *out);
/* How long it will be when it is decoded (0 for an integer); the cursor stays. */
enum rc rdb_string_peek(struct rdb_in *in, uint64_t *length);
/* Any type, without looking inside. RC_NOTYPE (with error): RDB_MODULE_1 does not tell where it ends. */
enum rc rdb_skip_value(struct rdb_in *in, enum rdb_type type);

/* What the base of a log says of itself: up to which record it goes. Another one under its name is what no checksum tells. */
bool rdb_tells_lsn(const struct rdb_item *it, int64_t *lsn);

/* What TYPE would say ("list"), or "module". */
const char *rdb_type_name(enum rdb_type type);
/* Puts "the type list of key "x" is not supported yet" into error; the cursor stands before the value. RC_NOTYPE. */
enum rc rdb_refuse_type(struct rdb_in *in, const struct rdb_item *key);

#endif
