/* The request parser. There are two readers of the same language:
 *
 * - read_whole() takes a plain command that lies complete in the buffer, which nearly all do. It knows no
 * state and no errors: at the first thing that is not ordinary it gives up, having changed nothing that
 * matters.
 * - The slow reader is a state machine over offsets from the command's first byte, so that the buffer may
 * move and grow between two calls. It knows every form, every error, and where to go on. Its state is the
 * request itself.
 *
 * When a command has not arrived in full, the slow reader either forgets it (few arguments: reading them
 * again is cheaper than keeping them) or lays the request aside in the parser. Both ways the work for each
 * call is bounded by the bytes that are new and a constant, so that a command that trickles in costs linear
 * time. The one thing that the forgetful way must remember is how far a line has been searched for its end,
 * for a line may be 64 KB long. */
#include "worker/proto/parse_private.h"

#include <limits.h>
#include <stdlib.h>

enum {
    FORGET_ARGS = 16,   /* up to here a partial command is read again: 16 headers are about 100 ns */
    STRANGER_ARGS = 10, /* what Redis lets a client send before it has authenticated */
    STRANGER_BULK = 16384,
    SHORTEST_ARG = 6, /* "$0\r\n\r\n" */
    PLAIN_DIGITS = 9, /* so many fit 32 bits; a longer count is for the slow reader */
};

/* request.left, when it is no count (parse.h names them) */
enum { LEFT_FRESH = -2, LEFT_STREAM = -1 };

/* ---- the fast reader ---- */

/* Reads "digits CR LF" (the last may be any byte, as in Redis); the place behind it, or NULL if it is not
 * that plainly. The caller has made sure of three bytes. */
static inline const char *read_count(const char *s, const char *end, uint32_t *out)
{
    uint32_t v = (uint32_t)(uint8_t)*s - '0', d;
    if (v > 9)
        return NULL;
    s++;
    d = (uint32_t)(uint8_t)*s - '0';
    if (d <= 9 && v && s[1] == '\r') { /* two digits, and the place behind them is within what is there */
        *out = v * 10 + d;
        return s + 3;
    }
    if (*s != '\r') {
        if (v == 0) /* Redis takes no leading zeros */
            return NULL;
        const char *last = s + PLAIN_DIGITS - 1 < end - 2 ? s + PLAIN_DIGITS - 1 : end - 2;
        while (s < last && (d = (uint32_t)(uint8_t)*s - '0') <= 9) {
            v = v * 10 + d;
            s++;
        }
        if (*s != '\r')
            return NULL;
    }
    *out = v;
    return s + 2;
}

/* The same with the mark before it. One digit, as most have, is seen in one look at four bytes, which are there. */
static inline const char *read_header(const char *s, const char *end, char mark, uint32_t *out)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t w;
    memcpy(&w, s, sizeof(w));
    uint32_t v = (w >> 8 & 0xff) - '0';
    if (LIKELY((w & 0xffff00ff) == ((uint32_t)mark | '\r' << 16 | '\n' << 24) && v <= 9)) {
        *out = v;
        return s + 4;
    }
#endif
    return *s == mark ? read_count(s + 1, end, out) : NULL;
}

/* The length of the command at buf, read into rq; or 0: the slow reader must look. */
static inline size_t read_whole(struct request *rq, const char *buf, size_t len,
                                const struct parse_limits *lim)
{
    const char *s = buf, *end = buf + len;
    uint32_t argc, n;
    const size_t max_bulk = lim->max_bulk;
    if (len < 4 + SHORTEST_ARG || !(s = read_header(s, end, '*', &argc)))
        return 0;
    /* An array that cannot be complete is not worth an allocation. */
    if (argc == 0 || argc > len / SHORTEST_ARG || (long long)argc > lim->max_multibulk || !lim->authenticated)
        return 0;
    if (UNLIKELY(argc > (uint32_t)rq->cap))
        request_room(rq, argc);
    for (struct bytes *arg = rq->argv, *stop = arg + argc; arg < stop; arg++) {
        if (end - s < SHORTEST_ARG || !(s = read_header(s, end, '$', &n)))
            return 0;
        if ((size_t)(end - s) < (size_t)n + 2 || n > max_bulk)
            return 0;
        *arg = (struct bytes){s, n};
        s += n + 2;
    }
    rq->argc = (int)argc;
    return (size_t)(s - buf);
}

/* ---- the slow reader ---- */

enum step { STEP_ON, STEP_SKIP, STEP_DONE, STEP_MORE, STEP_ERROR };

struct reading {
    struct parser *p;
    struct request *rq;
    const char *buf; /* the command's first byte */
    size_t len;
    size_t skipped; /* empty lines before it */
    const struct parse_limits *lim;
    const char *error;
};

static enum step fail(struct reading *rd, const char *error)
{
    rd->error = error;
    return STEP_ERROR;
}

static enum step need(struct reading *rd, size_t bytes)
{
    rd->p->want = bytes;
    return STEP_MORE;
}

/* Takes the line that begins at pos. A line that does not end within max_inline bytes is refused however it
 * arrives: Redis measures what happens to lie in its buffer, so it may accept one when it comes in a single
 * read. */
static enum step take_line(struct reading *rd, char mark, struct bytes *line, const char *too_long)
{
    struct parser *p = rd->p;
    size_t at = rd->rq->pos, from = at == p->line && p->scanned > at ? p->scanned : at;
    size_t most = rd->len - at > rd->lim->max_inline ? at + rd->lim->max_inline + 1 : rd->len;
    const char *found = from < most ? memchr(rd->buf + from, mark, most - from) : NULL;
    if (!found && most - at > rd->lim->max_inline)
        return fail(rd, too_long);
    size_t end = found ? (size_t)(found - rd->buf) : most;
    size_t next = end + (mark == '\r' ? 2 : 1); /* whatever follows CR is taken for LF, as Redis does */
    if (!found || next > rd->len) {
        p->line = at;
        p->scanned = end;
        return need(rd, 1);
    }
    *line = (struct bytes){rd->buf + at, end - at};
    rd->rq->pos = next;
    return STEP_ON;
}

/* A whole number as Redis takes it in headers: no plus sign, no leading zero, no minus zero, no blank. */
static bool strict_number(struct bytes text, long long *out)
{
    const char *s = text.p, *end = s + text.n;
    bool negative = s < end && *s == '-';
    s += negative;
    if (s == end || (*s == '0' && (end - s > 1 || negative)))
        return false;
    unsigned long long v = 0, most = (unsigned long long)LLONG_MAX + negative;
    for (; s < end; s++) {
        unsigned d = (unsigned)(uint8_t)*s - '0';
        if (d > 9 || v > (most - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *out = negative ? (long long)(0 - v) : (long long)v;
    return true;
}

/* While a command is read its arguments are places, not addresses: the low bit says in which memory. */
static enum step add_arg(struct reading *rd, size_t at, size_t n, bool in_scratch)
{
    struct request *rq = rd->rq;
    request_room(rq, (size_t)rq->argc + 1);
    rq->argv[rq->argc++] = (struct bytes){(const char *)(uintptr_t)(at << 1 | in_scratch), n};
    if (rq->left > 0)
        rq->left--;
    return STEP_ON;
}

static void resolve_args(const struct reading *rd)
{
    for (int i = 0; i < rd->rq->argc; i++) {
        uintptr_t place = (uintptr_t)rd->rq->argv[i].p;
        rd->rq->argv[i].p = (place & 1 ? rd->rq->scratch : rd->buf) + (place >> 1);
    }
}

static enum step check_bulk(struct reading *rd, long long n)
{
    if (n < 0 || (unsigned long long)n > rd->lim->max_bulk)
        return fail(rd, PROTOCOL_ERROR("invalid bulk length"));
    if (n > STRANGER_BULK && !rd->lim->authenticated)
        return fail(rd, PROTOCOL_ERROR("unauthenticated bulk length"));
    return STEP_ON;
}

static enum step check_count(struct reading *rd, long long n)
{
    if (n > rd->lim->max_multibulk || n > INT_MAX)
        return fail(rd, PROTOCOL_ERROR("invalid multibulk length"));
    if (n > STRANGER_ARGS && !rd->lim->authenticated)
        return fail(rd, PROTOCOL_ERROR("unauthenticated multibulk length"));
    return STEP_ON;
}

static enum step begin_inline(struct reading *rd)
{
    struct bytes line;
    enum step step = take_line(rd, '\n', &line, PROTOCOL_ERROR("too big inline request"));
    if (step != STEP_ON)
        return step;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (!inline_split(rd->rq, line))
        return fail(rd, PROTOCOL_ERROR("unbalanced quotes in request"));
    return rd->rq->argc ? STEP_DONE : STEP_SKIP;
}

static enum step begin_command(struct reading *rd)
{
    if (rd->len == 0)
        return need(rd, 1);
    if (rd->buf[0] != '*')
        return begin_inline(rd);
    struct bytes line;
    enum step step = take_line(rd, '\r', &line, PROTOCOL_ERROR("too big mbulk count string"));
    if (step != STEP_ON)
        return step;
    struct bytes count = {line.p + 1, line.n - 1};
    if (bytes_is(count, "?")) {
        rd->rq->left = LEFT_STREAM;
        return STEP_ON;
    }
    long long n;
    if (!strict_number(count, &n))
        return fail(rd, PROTOCOL_ERROR("invalid multibulk length"));
    if (n <= 0)
        return STEP_SKIP;
    rd->rq->left = n;
    return check_count(rd, n);
}

/* The bytes of a bulk whose header has been read. */
static enum step take_bulk(struct reading *rd)
{
    struct request *rq = rd->rq;
    size_t n = (size_t)rq->bulk, have = rd->len - rq->pos;
    if (have < n + 2)
        return need(rd, n + 2 - have);
    size_t at = rq->pos;
    rq->pos += n + 2;
    rq->bulk = -1;
    if (!rq->verbatim)
        return add_arg(rd, at, n, false);
    rq->verbatim = false;
    if (n < 4 || rd->buf[at + 3] != ':')
        return fail(rd, PROTOCOL_ERROR("invalid verbatim string"));
    return add_arg(rd, at + 4, n - 4, false);
}

/* One chunk of a streamed string, or the empty one that ends it. */
static enum step take_chunk(struct reading *rd)
{
    struct request *rq = rd->rq;
    if (rq->bulk < 0) {
        struct bytes line;
        enum step step = take_line(rd, '\r', &line, PROTOCOL_ERROR("too big bulk count string"));
        if (step != STEP_ON)
            return step;
        size_t sum = rq->scratch_len - rq->string_at;
        long long n;
        if (line.n < 2 || line.p[0] != ';' || !strict_number((struct bytes){line.p + 1, line.n - 1}, &n) ||
            n < 0 || (unsigned long long)n > rd->lim->max_bulk)
            return fail(rd, PROTOCOL_ERROR("invalid bulk length"));
        if (n == 0) {
            rq->in_string = false;
            return add_arg(rd, rq->string_at, sum, true);
        }
        step = check_bulk(rd, (long long)sum + n);
        if (step != STEP_ON)
            return step;
        rq->bulk = n;
    }
    size_t n = (size_t)rq->bulk, have = rd->len - rq->pos;
    if (have < n + 2)
        return need(rd, n + 2 - have);
    request_scratch_room(rq, n);
    memcpy(rq->scratch + rq->scratch_len, rd->buf + rq->pos, n);
    rq->scratch_len += n;
    rq->pos += n + 2;
    rq->bulk = -1;
    return STEP_ON;
}

static bool is_integer_text(struct bytes t)
{
    size_t i = t.n && (t.p[0] == '-' || t.p[0] == '+');
    if (i == t.n)
        return false;
    for (; i < t.n; i++)
        if ((unsigned)(uint8_t)t.p[i] - '0' > 9)
            return false;
    return true;
}

/* Loose on purpose: which number it is, the command says. Here it only must be no line noise. */
static bool is_double_text(struct bytes t)
{
    struct bytes word = t.n && t.p[0] == '-' ? (struct bytes){t.p + 1, t.n - 1} : t;
    if (bytes_is(word, "inf") || bytes_is(word, "nan"))
        return true;
    bool digit = false;
    for (size_t i = 0; i < t.n; i++) {
        if ((unsigned)(uint8_t)t.p[i] - '0' <= 9)
            digit = true;
        else if (!t.p[i] || !strchr("+-.eE", t.p[i]))
            return false;
    }
    return digit;
}

/* An argument that is one line, in a streamed array: its text is the argument, without its mark. A boolean
 * becomes what RESP2 makes of one. */
static enum step take_scalar(struct reading *rd, size_t at, struct bytes line)
{
    struct request *rq = rd->rq;
    struct bytes text = {line.p + 1, line.n - 1};
    bool good = true;
    if (line.p[0] == ':' || line.p[0] == '(')
        good = is_integer_text(text);
    else if (line.p[0] == ',')
        good = is_double_text(text);
    else if (line.p[0] == '#')
        good = text.n == 1 && (text.p[0] == 't' || text.p[0] == 'f');
    else
        good = !memchr(text.p, '\n', text.n);
    if (!good)
        return fail(rd, PROTOCOL_ERROR("invalid scalar"));
    enum step step = check_bulk(rd, (long long)text.n);
    if (step != STEP_ON)
        return step;
    if (line.p[0] != '#')
        return add_arg(rd, at + 1, text.n, false);
    request_scratch_room(rq, 1);
    rq->scratch[rq->scratch_len++] = text.p[0] == 't' ? '1' : '0';
    return add_arg(rd, rq->scratch_len - 1, 1, true);
}

static enum step unexpected(struct reading *rd, char c)
{
    /* Redis's words; c may be anything, and a newline becomes a space in reply_error(). */
    static const char words[] = PROTOCOL_ERROR("expected '$', got 'x'");
    _Static_assert(sizeof(words) <= sizeof(rd->rq->error_text), "the text fits its place");
    memcpy(rd->rq->error_text, words, sizeof(words));
    rd->rq->error_text[sizeof(words) - 3] = c ? c : ' ';
    return fail(rd, rd->rq->error_text);
}

/* The header of the next argument, and the argument itself if it is a line. */
static enum step take_header(struct reading *rd)
{
    struct request *rq = rd->rq;
    struct bytes line;
    size_t at = rq->pos;
    enum step step = take_line(rd, '\r', &line, PROTOCOL_ERROR("too big bulk count string"));
    if (step != STEP_ON)
        return step;
    char type = line.n ? line.p[0] : '\r';
    bool streamed = rq->left == LEFT_STREAM;
    if (streamed && bytes_is(line, "."))
        return rq->argc ? STEP_DONE : STEP_SKIP;
    step = streamed ? check_count(rd, (long long)rq->argc + 1) : STEP_ON;
    if (step != STEP_ON)
        return step;
    if (streamed && type && strchr("+:,#(", type))
        return take_scalar(rd, at, line);
    if (type != '$' && !(streamed && type == '='))
        return unexpected(rd, type);
    if (bytes_is(line, "$?")) {
        rq->in_string = true;
        rq->string_at = rq->scratch_len;
        return STEP_ON;
    }
    long long n;
    if (!strict_number((struct bytes){line.p + 1, line.n - 1}, &n))
        return fail(rd, PROTOCOL_ERROR("invalid bulk length"));
    step = check_bulk(rd, n);
    rq->bulk = n;
    rq->verbatim = type == '=';
    return step;
}

static enum step take_step(struct reading *rd)
{
    struct request *rq = rd->rq;
    if (rq->left == LEFT_FRESH)
        return begin_command(rd);
    if (rq->left == 0)
        return STEP_DONE;
    if (rq->in_string)
        return take_chunk(rd);
    return rq->bulk >= 0 ? take_bulk(rd) : take_header(rd);
}

static void restart(struct request *rq)
{
    rq->argc = 0;
    rq->scratch_len = 0;
    rq->pos = 0;
    rq->left = LEFT_FRESH;
    rq->bulk = -1;
    rq->in_string = rq->verbatim = false;
}

/* What was read is no command: the next one begins here. */
static void skip(struct reading *rd)
{
    rd->skipped += rd->rq->pos;
    rd->buf += rd->rq->pos;
    rd->len -= rd->rq->pos;
    rd->p->line = rd->p->scanned = 0;
    restart(rd->rq);
}

static void swap_requests(struct request *a, struct request *b)
{
    struct request t = *a;
    *a = *b;
    *b = t;
}

static void lay_aside(struct parser *p, struct request *rq)
{
    bool streamed = rq->left == LEFT_STREAM || rq->scratch_len || rq->in_string;
    if (!p->saved && rq->argc <= FORGET_ARGS && !streamed)
        return;
    if (!p->saved) {
        p->saved = calloc(1, sizeof(*p->saved));
        CHECK(p->saved);
    }
    swap_requests(p->saved, rq);
}

static enum parse_result read_slowly(struct reading *rd, size_t *used)
{
    struct parser *p = rd->p;
    struct request *rq = rd->rq;
    if (p->saved) {
        swap_requests(p->saved, rq);
    } else {
        request_trim(rq);
        restart(rq);
    }
    enum step step;
    while ((step = take_step(rd)) == STEP_ON || step == STEP_SKIP)
        if (step == STEP_SKIP)
            skip(rd);
    *used = rd->skipped;
    if (step == STEP_MORE) {
        lay_aside(p, rq);
        return PARSE_MORE;
    }
    parser_reset(p);
    if (step == STEP_ERROR)
        return PARSE_ERROR;
    *used += rq->pos;
    if (rq->left != LEFT_FRESH) /* an inline command has its addresses already */
        resolve_args(rd);
    return PARSE_DONE;
}

enum parse_result parse_request(struct parser *p, const char *buf, size_t len, size_t *used,
                                struct request *rq, const struct parse_limits *lim, const char **error)
{
    if (LIKELY(!p->saved)) {
        if (UNLIKELY(rq->cap > 1024))
            request_trim(rq);
        size_t n = read_whole(rq, buf, len, lim);
        if (LIKELY(n)) {
            p->line = p->scanned = 0;
            *used = n;
            return PARSE_DONE;
        }
    }
    struct reading rd = {.p = p, .rq = rq, .buf = buf, .len = len, .lim = lim};
    enum parse_result result = read_slowly(&rd, used);
    if (result == PARSE_ERROR)
        *error = rd.error;
    return result;
}
