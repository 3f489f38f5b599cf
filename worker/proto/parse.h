/* worker/proto/parse.h - cuts a client's bytes into commands, without copying their arguments.
 * Owner     the worker whose loop reads the client's socket.
 * Locks     none.
 * Crash     private memory, gone with the process; the client's unread bytes lie in its socket.
 * Survives  a handover: the bytes from the command's first one on are enough, a zeroed parser reads them again.
 * Fails     PARSE_ERROR with Redis's words for bytes that are no request; private memory that cannot be had
 *           is a CHECK.
 * Tests     tests/unit/test_parse.c  tests/fuzz/fuzz_parse.c */
#ifndef SKEP_PARSE_H
#define SKEP_PARSE_H

#include "include/bytes.h"
#include "include/rc.h"

/* What a connection keeps between two reads; zeroed it is fresh. Most commands need none of it: one that has
 * arrived only in part and has few arguments is read again from its first byte, which costs less than
 * remembering it. */
struct parser {
    struct request *saved; /* a command of many arguments, or a streamed one, that has begun; else NULL */
    size_t want;           /* after PARSE_MORE: the command surely needs this many bytes more; at least 1 */
    size_t line;           /* after PARSE_MORE: a line begins here ... */
    size_t scanned;        /* ... and does not end before here */
};

enum parse_result { PARSE_DONE, PARSE_MORE, PARSE_ERROR };

struct parse_limits {
    size_t max_bulk;         /* proto-max-bulk-len */
    long long max_multibulk; /* most arguments of a command; Redis's own limit is INT_MAX */
    size_t max_inline;       /* the longest line, of at least 16 bytes; Redis has 64 KB */
    bool authenticated;      /* false: ten arguments of 16 KB are all that a stranger may send */
};

#define PARSE_LIMITS_DEFAULT ((struct parse_limits){512u << 20, 2147483647, 64u << 10, true})

/* For a command that was within its limits when it came. */
#define PARSE_LIMITS_ANY ((struct parse_limits){SIZE_MAX >> 1, 2147483647, SIZE_MAX >> 1, true})

/* One command. Zeroed it is fresh; the memory stays for the next command that is read into it. The arguments
 * point into the caller's buffer, or into the scratch (inline and streamed ones): they live until either
 * changes. */
struct request {
    struct bytes *argv;
    int argc, cap;
    size_t scratch_len, scratch_cap;
    char *scratch;
    /* Where a command stands that has not arrived in full. */
    size_t pos;       /* the next byte to look at, from the command's first one */
    long long left;   /* arguments to come; -1: streamed, a dot ends them; -2: nothing read yet */
    long long bulk;   /* the header said so many bytes; -1: a header comes next */
    size_t string_at; /* in a streamed string: where in the scratch it begins */
    bool in_string;   /* between $? and ;0 */
    bool verbatim;    /* the bulk begins with a format of three letters and a colon */
    char error_text[48];
};

/* Reads the next command of buf.
 * PARSE_DONE   rq holds it (argc > 0); *used bytes of buf belong to it and to the empty lines before it.
 * PARSE_MORE   drop *used bytes (they were empty lines), keep the rest, and call again with the rest at the
 * start of buf, which may have moved, and with more behind it. rq holds nothing and may serve other
 * connections. PARSE_ERROR  *error goes to reply_error() as it is; it lives as long as rq does. Then close
 * the connection. */
enum parse_result parse_request(struct parser *p, const char *buf, size_t len, size_t *used,
                                struct request *rq, const struct parse_limits *lim, const char **error);

void parser_reset(struct parser *p);          /* forgets a command that has begun */
size_t parser_memory(const struct parser *p); /* bytes that it keeps on the heap, for the client's bill */
void request_free(struct request *rq);

#endif
