/* worker/proto/reply.h - writes RESP2 and RESP3 replies into a growing buffer.
 * Owner     the process that runs the command: a worker's loop or the slow lane.
 * Locks     none.
 * Crash     private memory: an unsent reply dies with the process, its client is told by the closed socket.
 * Survives  no; a handover copies the bytes that were not sent.
 * Fails     never: private memory that cannot be had ends the process (CHECK).
 * Tests     tests/unit/test_reply.c */
#ifndef SKEP_REPLY_H
#define SKEP_REPLY_H

#include "include/bytes.h"
#include "include/rc.h"

struct reply {
    char *buf;
    size_t len, cap;
    uint8_t resp;  /* 2 or 3: what the reader of these bytes speaks */
    bool is_error; /* the last command answered with an error (for statistics) */
};

void reply_grow(struct reply *r, size_t more); /* afterwards cap - len >= more */
void reply_free(struct reply *r);

static inline void reply_raw(struct reply *r, const void *p, size_t n)
{
    if (UNLIKELY(r->cap - r->len < n))
        reply_grow(r, n);
    if (LIKELY(n)) /* nothing may come with no place */
        memcpy(r->buf + r->len, p, n);
    r->len += n;
}

#define REPLY_LIT(r, s) reply_raw((r), (s), sizeof(s) - 1)

static inline void reply_ok(struct reply *r)
{
    REPLY_LIT(r, "+OK\r\n");
}
void reply_status(struct reply *r, const char *text);        /* +text */
void reply_status_bytes(struct reply *r, struct bytes text); /* newlines inside become spaces */
/* The text carries its code: reply_error(r, "ERR syntax error"). Newlines at its end go, those inside become
 * spaces. */
void reply_error(struct reply *r, const char *text);
__attribute__((format(printf, 2, 3))) void reply_errorf(struct reply *r, const char *fmt, ...);
void reply_int_long(struct reply *r, long long v);
static inline void reply_int(struct reply *r, long long v)
{
    /* Most counts have one digit, and these four bytes are a single store. */
    if ((unsigned long long)v < 10)
        reply_raw(r, (const char[4]){':', (char)('0' + v), '\r', '\n'}, 4);
    else
        reply_int_long(r, v);
}
void reply_bulk(struct reply *r, const void *p, size_t n);
void reply_bulk_str(struct reply *r, const char *s);
__attribute__((format(printf, 2, 3))) void reply_bulkf(struct reply *r, const char *fmt, ...);
void reply_bulk_int(struct reply *r, long long v); /* the number as a bulk string */
/* Room for a bulk string of n bytes; the caller fills what it gets before the next call. */
char *reply_bulk_room(struct reply *r, size_t n);
static inline void reply_null(struct reply *r) /* $-1 or _ */
{
    if (r->resp == 3)
        REPLY_LIT(r, "_\r\n");
    else
        REPLY_LIT(r, "$-1\r\n");
}
static inline void reply_null_array(struct reply *r) /* *-1 or _ */
{
    if (r->resp == 3)
        REPLY_LIT(r, "_\r\n");
    else
        REPLY_LIT(r, "*-1\r\n");
}
void reply_array_long(struct reply *r, size_t n);
static inline void reply_array(struct reply *r, size_t n)
{
    if (n < 10)
        reply_raw(r, (const char[4]){'*', (char)('0' + n), '\r', '\n'}, 4);
    else
        reply_array_long(r, n);
}
void reply_map(struct reply *r, size_t pairs); /* an array of 2*pairs in RESP2 */
void reply_set(struct reply *r, size_t n);
void reply_push(struct reply *r, size_t n);
void reply_attribute(struct reply *r, size_t pairs); /* RESP3 only: in RESP2 the caller writes none of it */
void reply_bool(struct reply *r, bool v);            /* :1 / :0 in RESP2 */
void reply_double(struct reply *r, double v);        /* bulk string in RESP2 */
void reply_bignum(struct reply *r, struct bytes digits);
void reply_verbatim(struct reply *r, const char *ext3, struct bytes text);

/* A header whose count is known only later: mark, write the members, then fill. The fill moves the members if
 * the count has more than one digit. Marks inside each other are filled from the innermost outwards. */
size_t reply_defer(struct reply *r);
void reply_defer_array(struct reply *r, size_t mark, size_t n);
void reply_defer_map(struct reply *r, size_t mark, size_t pairs);
void reply_defer_set(struct reply *r, size_t mark, size_t n);

/* Errors that many commands share, word for word as Redis's. */
#define ERR_SYNTAX    "ERR syntax error"
#define ERR_WRONGTYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define ERR_NOT_INT   "ERR value is not an integer or out of range"
#define ERR_NOT_FLOAT "ERR value is not a valid float"
#define ERR_NO_KEY    "ERR no such key"
#define ERR_LOG_BROKEN                                                                                       \
    "MISCONF Errors writing to the AOF file: what this reply would have told may not be on disk"
#define ERR_SAVE_FAILED                                                                                      \
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist "               \
    "to disk. Commands that may modify the data set are disabled, because this instance is "                 \
    "configured to report errors during writes if RDB snapshotting fails (stop-writes-on-"                   \
    "bgsave-error option). Please check the Redis logs for details about the RDB error."
#define ERR_OOM     "OOM command not allowed when used memory > 'maxmemory'."
#define ERR_LOADING "LOADING Redis is loading the dataset in memory"

#endif
