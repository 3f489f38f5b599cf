/* The request parser: what it reads, whole and cut at every byte; what it refuses, in Redis's words; what it
 * keeps. */
#include "worker/proto/parse.h"

#include <stdio.h>
#include <stdlib.h>

static struct parse_limits limits = {512u << 20, 2147483647, 64u << 10, true};

/* What has been read, as text: each command as "[n:arg n:arg]", and an error as "!words". */
struct transcript {
    char *text;
    size_t len, cap;
    bool failed;
};

static void note(struct transcript *t, const void *p, size_t n)
{
    if (t->len + n + 1 > t->cap) {
        t->cap = (t->len + n + 1) * 2;
        t->text = realloc(t->text, t->cap);
        CHECK(t->text);
    }
    memcpy(t->text + t->len, p, n);
    t->len += n;
    t->text[t->len] = 0;
}

static void note_request(struct transcript *t, const struct request *rq)
{
    note(t, "[", 1);
    for (int i = 0; i < rq->argc; i++) {
        char head[32];
        note(t, head, (size_t)sprintf(head, "%s%zu:", i ? " " : "", rq->argv[i].n));
        note(t, rq->argv[i].p, rq->argv[i].n);
    }
    note(t, "]", 1);
}

/* A client's connection: bytes arrive in pieces; those that the parser wants to see again are kept, in a
 * fresh block of exactly their size each time, so that a sanitizer sees every step outside and every pointer
 * into the old one. */
struct wire {
    struct parser parser;
    struct request rq;
    char *kept;
    size_t kept_len;
    struct transcript out;
};

static void arrive(struct wire *w, const char *bytes, size_t n)
{
    if (w->out.failed)
        return;
    char *buf = malloc(w->kept_len + n + !(w->kept_len + n));
    CHECK(buf);
    if (w->kept_len)
        memcpy(buf, w->kept, w->kept_len);
    if (n)
        memcpy(buf + w->kept_len, bytes, n);
    size_t len = w->kept_len + n, at = 0, used = 0;
    const char *error = NULL;
    enum parse_result result;
    while ((result = parse_request(&w->parser, buf + at, len - at, &used, &w->rq, &limits, &error)) ==
           PARSE_DONE) {
        CHECK(w->rq.argc > 0 && used > 0 && used <= len - at);
        note_request(&w->out, &w->rq);
        at += used;
    }
    if (result == PARSE_ERROR) {
        CHECK(strncmp(error, "ERR Protocol error: ", 20) == 0);
        note(&w->out, "!", 1);
        note(&w->out, error + 20, strlen(error + 20));
        w->out.failed = true;
    } else {
        CHECK(used <= len - at && w->parser.want > 0);
        at += used;
    }
    free(w->kept);
    w->kept_len = len - at;
    w->kept = malloc(w->kept_len + !w->kept_len);
    memcpy(w->kept, buf + at, w->kept_len);
    free(buf);
}

/* Ends the connection; its transcript is the caller's to free. */
static char *hang_up(struct wire *w)
{
    note(&w->out, "", 0);
    parser_reset(&w->parser);
    request_free(&w->rq);
    free(w->kept);
    return w->out.text;
}

static void expect_same(const char *input, size_t n, const char *how, char *got, const char *want)
{
    if (strcmp(got, want) != 0) {
        printf("input \"%.*s\" (%s):\n  expected %.300s\n  got      %.300s\n", (int)(n > 300 ? 300 : n),
               input, how, want, got);
        exit(1);
    }
    free(got);
}

/* The input gives this transcript whole, cut in two at every place, and byte by byte. */
static void expect(const char *input, size_t n, const char *want)
{
    struct wire whole = {0}, single = {0};
    arrive(&whole, input, n);
    expect_same(input, n, "whole", hang_up(&whole), want);
    for (size_t cut = 0; cut <= n; cut++) {
        struct wire w = {0};
        arrive(&w, input, cut);
        arrive(&w, input + cut, n - cut);
        expect_same(input, n, "cut in two", hang_up(&w), want);
    }
    for (size_t i = 0; i < n; i++)
        arrive(&single, input + i, 1);
    expect_same(input, n, "byte by byte", hang_up(&single), want);
}
#define EXPECT(lit, want) expect((lit), sizeof(lit) - 1, (want))

static void test_arrays(void)
{
    EXPECT("", "");
    EXPECT("*1\r\n$4\r\nPING\r\n", "[4:PING]");
    EXPECT("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n", "[3:SET 1:k 12:hello\r\nworld]");
    EXPECT("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n", "[4:ECHO 0:][4:PING]");
    EXPECT("*1\r\n$0\r\n\r\n", "[0:]");
    /* Empty commands are passed over in silence. */
    EXPECT("*0\r\n*-1\r\n*-2\r\n*-9223372036854775808\r\n\r\n\n*1\r\n$4\r\nPING\r\n", "[4:PING]");
    /* Redis looks only for CR, and at no byte behind it, nor behind a bulk. */
    EXPECT("*1\rX$4\rYPINGxx*1\r\n$4\r\nPING\r\n", "[4:PING][4:PING]");
    EXPECT("*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\n*2\r\n$", "[4:ECHO 10:0123456789]");
}

static void test_inline(void)
{
    EXPECT("PING\r\n", "[4:PING]");
    EXPECT("PING\n  set  a\tb \r\n", "[4:PING][3:set 1:a 1:b]");
    EXPECT("\r\n \t\r\nPING\r\r\n", "[4:PING]");
    EXPECT("PING a\rb\n", "[4:PING 1:a 1:b]");
    EXPECT("PING\t\x0b\x0c"
           "a\r\n",
           "[4:PING 1:a]");
    EXPECT("\"\"\r\n", "[0:]");
    EXPECT("PING \"a b\" 'c d'\r\n", "[4:PING 3:a b 3:c d]");
    EXPECT("PING ab\"cd\" a'b c'\r\n", "[4:PING 4:abcd 4:ab c]");
    EXPECT("PING 'a\\'b' 'a\\n' a\\n\r\n", "[4:PING 3:a'b 3:a\\n 3:a\\n]");
    EXPECT("PING \"\\x41\\n\\r\\t\\b\\a\\q\\\"\\\\\"\r\n", "[4:PING 9:A\n\r\t\b\aq\"\\]");
    EXPECT("PING \"\\x4\" \"\\x4G\" \"\\xfF\"\r\n", "[4:PING 2:x4 3:x4G 1:\xff]");
    EXPECT("PING\r\n*1\r\n$4\r\nPING\r\nPING x\r\n", "[4:PING][4:PING][4:PING 1:x]");
    EXPECT("PING \"a\r\nPING\r\n", "!unbalanced quotes in request");
    EXPECT("PING 'a\r\n", "!unbalanced quotes in request");
    EXPECT("PING \"a\"b\r\n", "!unbalanced quotes in request");
    EXPECT("PING 'a'b\r\n", "!unbalanced quotes in request");
    EXPECT("PING \"a\\\r\n", "!unbalanced quotes in request");
    EXPECT("PING \"a\\\"\r\n", "!unbalanced quotes in request");
}

/* Every text is redis-server's answer to the same bytes. */
static void test_errors(void)
{
    static const char *const counts[] = {"a",
                                         "",
                                         "+1",
                                         "01",
                                         "-0",
                                         "1 ",
                                         " 1",
                                         "--1",
                                         "-",
                                         "1x",
                                         "-x",
                                         "2147483648",
                                         "99999999999999999999",
                                         "??",
                                         "9223372036854775808",
                                         "-9223372036854775809"};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        char input[80];
        expect(input, (size_t)sprintf(input, "*%s\r\n$4\r\nPING\r\n", counts[i]),
               "!invalid multibulk length");
        expect(input, (size_t)sprintf(input, "*1\r\n$%s\r\nPING\r\n", counts[i]), "!invalid bulk length");
    }
    EXPECT("*1\r\n$-1\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$536870913\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$00000000000000000000004\r\nPING\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$9223372036854775807\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$a\rb\r\n", "!invalid bulk length");
    EXPECT("*1\r\nx4\r\nPING\r\n", "!expected '$', got 'x'");
    EXPECT("*1\r\n\r\nPING\r\n", "!expected '$', got '\r'"); /* reply_error() makes it a space */
    EXPECT("*2\r\n$4\r\nPING\r\n:1\r\n", "!expected '$', got ':'");
    EXPECT("*1\n$4\r\nPING\r\n", "!invalid multibulk length");
    EXPECT("*1\r\n$4\r\nPING\r\n*1\r\n?\r\n", "[4:PING]!expected '$', got '?'");
    /* Nothing yet to complain about. */
    EXPECT("*2147483647\r\n", "");
    EXPECT("*1\r\nx", "");
    EXPECT("*1\r\n$536870912\r\n", "");
    EXPECT("*a\r", "");
}

static void test_stranger(void)
{
    limits.authenticated = false;
    EXPECT("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", "[4:AUTH 1:x]");
    EXPECT("*10\r\n", "");
    EXPECT("*11\r\n", "!unauthenticated multibulk length");
    EXPECT("*1048577\r\n", "!unauthenticated multibulk length");
    EXPECT("*1\r\n$16384\r\n", "");
    EXPECT("*1\r\n$16385\r\n", "!unauthenticated bulk length");
    EXPECT("*1\r\n$536870913\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$?\r\n;16384\r\n", "");
    EXPECT("*1\r\n$?\r\n;1\r\nx\r\n;16384\r\n", "!unauthenticated bulk length");
    EXPECT("*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:0\r\n.\r\n",
           "[1:1 1:2 1:3 1:4 1:5 1:6 1:7 1:8 1:9 1:0]");
    EXPECT("*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:0\r\n:1\r\n",
           "!unauthenticated multibulk length");
    limits.authenticated = true;
}

/* Lines that never end, with a short limit so that they can be cut everywhere. */
static void test_long_lines(void)
{
    limits.max_inline = 32;
#define X31 "1111111111111111111111111111111"
    EXPECT(X31 "\r\n", "[31:" X31 "]");
    EXPECT(X31 "1", "");
    EXPECT(X31 "11", "!too big inline request");
    EXPECT("*" X31, "");
    EXPECT("*" X31 "1", "!too big mbulk count string");
    EXPECT("*" X31 "\r\n", "!invalid multibulk length");
    EXPECT("*1\r\n$" X31 "1", "!too big bulk count string");
    EXPECT("*1\r\nx" X31 "1", "!too big bulk count string");
    EXPECT("*1\r\n$?\r\n;" X31 "1", "!too big bulk count string");
    limits.max_inline = 64 << 10;
}

static void test_streamed(void)
{
    EXPECT("*?\r\n$3\r\nGET\r\n$1\r\nk\r\n.\r\n", "[3:GET 1:k]");
    EXPECT("*?\r\n.\r\n*1\r\n$4\r\nPING\r\n*?\r\n.\r\n", "[4:PING]");
    EXPECT("*3\r\n$3\r\nSET\r\n$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n$1\r\nv\r\n*1\r\n$4\r\nPING\r\n",
           "[3:SET 5:Hello 1:v][4:PING]");
    EXPECT("*?\r\n$3\r\nSET\r\n$?\r\n;0\r\n$?\r\n;2\r\n\r\n\r\n;1\r\nx\r\n;0\r\n.\r\nPING\r\n",
           "[3:SET 0: 3:\r\nx][4:PING]");
    EXPECT("*?\r\n+SET\r\n+k y\r\n:-12\r\n,3.5e1\r\n,-inf\r\n#t\r\n#f\r\n(12345678901234567890\r\n"
           "=7\r\ntxt:abc\r\n.\r\n",
           "[3:SET 3:k y 3:-12 5:3.5e1 4:-inf 1:1 1:0 20:12345678901234567890 3:abc]");
    EXPECT("*1\r\n+PING\r\n", "!expected '$', got '+'");
    EXPECT("*1\r\n.\r\n", "!expected '$', got '.'");
    EXPECT("*?\r\n.x\r\n", "!expected '$', got '.'");
    EXPECT("*?\r\n*1\r\n", "!expected '$', got '*'");
    EXPECT("*?\r\n_\r\n", "!expected '$', got '_'");
    EXPECT("*?\r\n:1x\r\n", "!invalid scalar");
    EXPECT("*?\r\n:\r\n", "!invalid scalar");
    EXPECT("*?\r\n,x\r\n", "!invalid scalar");
    EXPECT("*?\r\n#x\r\n", "!invalid scalar");
    EXPECT("*?\r\n(-\r\n", "!invalid scalar");
    EXPECT("*?\r\n+a\nb\r\n", "!invalid scalar");
    EXPECT("*?\r\n=3\r\ntxt\r\n", "!invalid verbatim string");
    EXPECT("*?\r\n=5\r\ntxtab\r\n", "!invalid verbatim string");
    EXPECT("*1\r\n$?\r\n$1\r\nx\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$?\r\n;-1\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$?\r\n;\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$?\r\n;536870913\r\n", "!invalid bulk length");
    limits.max_bulk = 4;
    EXPECT("*1\r\n$?\r\n;3\r\nabc\r\n;1\r\nd\r\n;0\r\n", "[4:abcd]");
    EXPECT("*1\r\n$?\r\n;3\r\nabc\r\n;2\r\n", "!invalid bulk length");
    limits.max_bulk = 512 << 20;
    limits.max_multibulk = 2;
    EXPECT("*3\r\n", "!invalid multibulk length");
    EXPECT("*?\r\n:1\r\n:2\r\n:3\r\n", "!invalid multibulk length");
    limits.max_multibulk = 2147483647;
}

/* Commands with more arguments than the parser reads again: the ones that are laid aside. */
static void test_many_arguments(void)
{
    for (int argc = 1; argc < 60; argc++) {
        struct transcript input = {0}, want = {0};
        char text[64];
        for (int round = 0; round < 2; round++) {
            note(&input, text, (size_t)sprintf(text, "\r\n*%d\r\n", argc));
            for (int i = 0; i < argc; i++) {
                int n = snprintf(NULL, 0, "%d", i * 37);
                note(&input, text, (size_t)sprintf(text, "$%d\r\n%d\r\n", n, i * 37));
                note(&want, text, (size_t)sprintf(text, "%s%d:%d", i ? " " : "[", n, i * 37));
            }
            note(&want, "]", 1);
        }
        expect(input.text, input.len, want.text);
        free(input.text);
        free(want.text);
    }
}

static void test_pipeline(void)
{
    enum { COMMANDS = 200000 };
    static const char set[] = "*3\r\n$3\r\nSET\r\n$6\r\nkey:01\r\n$5\r\nvalue\r\n";
    size_t n = sizeof(set) - 1;
    char *buf = malloc(n * COMMANDS);
    CHECK(buf);
    for (size_t i = 0; i < COMMANDS; i++)
        memcpy(buf + i * n, set, n);
    struct parser p = {0};
    struct request rq = {0};
    size_t used, at = 0, count = 0;
    const char *error;
    while (parse_request(&p, buf + at, n * COMMANDS - at, &used, &rq, &limits, &error) == PARSE_DONE) {
        CHECK(rq.argc == 3 && used == n && rq.argv[2].p == buf + at + n - 7);
        at += used;
        count++;
    }
    CHECK(count == COMMANDS && at == n * COMMANDS);
    CHECK(rq.cap <= 8 && rq.scratch_cap == 0);
    request_free(&rq);
    free(buf);
}

/* A header claims what it likes; memory and the wish for bytes follow what has arrived and what is sure to
 * come. */
static void test_claims(void)
{
    struct parser p = {0};
    struct request rq = {0};
    size_t used;
    const char *error;
    static const char claim[] = "*1000000000\r\n$3\r\nSET\r\n$536870912\r\nabc";
    CHECK(parse_request(&p, claim, sizeof(claim) - 1, &used, &rq, &limits, &error) == PARSE_MORE);
    CHECK(used == 0 && p.want == 536870912 - 3 + 2);
    CHECK(rq.cap <= 8 && parser_memory(&p) == 0);
    static const char header[] = "\r\n*2\r\n$4\r\nEC";
    CHECK(parse_request(&p, header, sizeof(header) - 1, &used, &rq, &limits, &error) == PARSE_MORE);
    CHECK(used == 2 && p.want == 4);
    parser_reset(&p);
    request_free(&rq);
}

/* Many arguments, and a line of 60 KB, byte by byte: were the time quadratic, the test would not end. */
static void test_trickle(void)
{
    enum { ARGS = 300000 };
    char *buf = malloc(ARGS * 7 + 16);
    CHECK(buf);
    size_t n = (size_t)sprintf(buf, "*%d\r\n", ARGS), used;
    for (int i = 0; i < ARGS; i++, n += 7)
        memcpy(buf + n, "$1\r\nx\r\n", 7);
    struct parser p = {0};
    struct request rq = {0};
    const char *error;
    for (size_t len = 0; len < n; len++) {
        CHECK(parse_request(&p, buf, len, &used, &rq, &limits, &error) == PARSE_MORE && used == 0);
        /* An argument of one byte takes seven; its slice takes 16, and an array that doubles twice that. */
        CHECK(parser_memory(&p) <= 512 + len * 5);
    }
    CHECK(parse_request(&p, buf, n, &used, &rq, &limits, &error) == PARSE_DONE && used == n &&
          rq.argc == ARGS);
    CHECK(rq.argv[ARGS - 1].p == buf + n - 3 && parser_memory(&p) == 0);
    memset(buf, 'a', 60000);
    for (size_t len = 0; len < 60000; len++)
        CHECK(parse_request(&p, buf, len, &used, &rq, &limits, &error) == PARSE_MORE);
    CHECK(rq.cap <= 256); /* the room of the large command has been given back */
    parser_reset(&p);
    request_free(&rq);
    free(buf);
}

int main(void)
{
    test_arrays();
    test_inline();
    test_errors();
    test_stranger();
    test_long_lines();
    test_streamed();
    test_many_arguments();
    test_pipeline();
    test_claims();
    test_trickle();
    return 0;
}
