/* Fuzzes the request parser: fuzz_parse [--seconds N] [--seed S] [--rounds R].
 *
 * Each round makes an input out of the protocol's own pieces, spoils it, and reads it twice: in one buffer,
 * and in random fragments through a request that other connections use in between. Both must see the same
 * commands and the same error. Every buffer is a block of exactly its size, so that a build with sanitizers
 * notices a step outside. Memory must stay in proportion to what has arrived, and the parser's wish for more
 * bytes must be true. A seed always gives the same rounds; only how many of them fit the time differs. */
#include "worker/proto/parse.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_INPUT = 1 << 14 };

static uint32_t rnd(uint32_t below)
{
    return (uint32_t)chance(below);
}

/* ---- inputs ---- */

struct input {
    char bytes[MOST_INPUT];
    size_t n;
};

static void put(struct input *in, const void *p, size_t n)
{
    if (n > MOST_INPUT - in->n)
        n = MOST_INPUT - in->n;
    memcpy(in->bytes + in->n, p, n);
    in->n += n;
}

static void put_str(struct input *in, const char *s)
{
    put(in, s, strlen(s));
}

static void put_count(struct input *in, char mark, unsigned n)
{
    char text[16];
    put(in, text, (size_t)sprintf(text, "%c%u\r\n", mark, n));
}

static void put_text(struct input *in, uint32_t n, bool any_byte)
{
    static const char some[] = "abcXYZ019 \t\"'\\x+-*$:;.,#(=";
    while (n--) {
        char c = any_byte ? (char)rnd(256) : some[rnd(sizeof(some) - 1)];
        put(in, &c, 1);
    }
}

static uint32_t some_length(void)
{
    return rnd(8) ? rnd(12) : rnd(300);
}

static void put_bulk(struct input *in)
{
    uint32_t n = some_length();
    put_count(in, '$', n);
    put_text(in, n, true);
    put_str(in, "\r\n");
}

static void put_streamed_string(struct input *in)
{
    put_str(in, "$?\r\n");
    for (uint32_t chunks = rnd(4); chunks; chunks--) {
        uint32_t n = 1 + some_length();
        put_count(in, ';', n);
        put_text(in, n, true);
        put_str(in, "\r\n");
    }
    put_str(in, ";0\r\n");
}

static void put_scalar(struct input *in)
{
    static const char *const scalars[] = {
        "+OK\r\n",  ":-12\r\n",    ",1.5e3\r\n", ",-inf\r\n",         "#t\r\n",
        "#f\r\n",   "(123456\r\n", "+\r\n",      "=7\r\ntxt:abc\r\n", ":+7\r\n",
        ",nan\r\n", "#x\r\n",      ":1x\r\n",    "=3\r\ntxt\r\n",     "_\r\n"};
    put_str(in, scalars[rnd(rnd(4) ? 11 : ARRAY_LEN(scalars))]);
}

static void put_array(struct input *in, bool streamed)
{
    uint32_t argc = rnd(10) ? rnd(6) : rnd(60);
    if (streamed)
        put_str(in, "*?\r\n");
    else
        put_count(in, '*', argc);
    for (; argc; argc--) {
        if (rnd(6) == 0)
            put_streamed_string(in);
        else if (streamed && rnd(2))
            put_scalar(in);
        else
            put_bulk(in);
    }
    if (streamed)
        put_str(in, ".\r\n");
}

static void put_noise(struct input *in)
{
    static const char *const noise[] = {"\r\n",           "\n",
                                        "*-1\r\n",        "*0\r\n",
                                        "*?\r\n.\r\n",    "\"",
                                        "*2\r\n",         "$-1",
                                        "*1\r",           "$536870912\r\n",
                                        "*1000000\r\n",   "\r",
                                        "*?\r\n",         "$?\r\n",
                                        ";0\r\n",         "*99999999999999999999\r\n",
                                        "$9999999999\r\n"};
    put_str(in, noise[rnd(ARRAY_LEN(noise))]);
}

static void make_input(struct input *in)
{
    in->n = 0;
    for (uint32_t commands = 1 + rnd(8); commands; commands--) {
        switch (rnd(8)) {
        case 0:
            put_text(in, some_length(), false);
            put_str(in, rnd(2) ? "\r\n" : "\n");
            break;
        case 1:
            put_noise(in);
            break;
        case 2:
        case 3:
            put_array(in, true);
            break;
        default:
            put_array(in, false);
        }
    }
}

/* One wound: a byte changed, a stretch removed, doubled, or a piece of the protocol put into the middle. */
static void spoil(struct input *in)
{
    if (in->n == 0)
        return;
    static const char marks[] = "*$\r\n?;.0123456789-+=";
    size_t at = rnd((uint32_t)in->n), n = 1 + rnd(8);
    if (n > in->n - at)
        n = in->n - at;
    struct input tail = {.n = 0};
    switch (rnd(5)) {
    case 0:
        in->bytes[at] = (char)rnd(256);
        return;
    case 1:
        in->bytes[at] = marks[rnd(sizeof(marks) - 1)];
        return;
    case 2:
        memmove(in->bytes + at, in->bytes + at + n, in->n - at - n);
        in->n -= n;
        return;
    case 3:
        put(&tail, in->bytes + at, in->n - at);
        in->n = at + n;
        break;
    default:
        put(&tail, in->bytes + at, in->n - at);
        in->n = at;
        put_noise(in);
    }
    put(in, tail.bytes, tail.n);
}

/* ---- the two readings ---- */

struct seen {
    uint64_t hash;
    unsigned commands;
    bool failed;
};

static void hash_bytes(struct seen *s, const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        s->hash = (s->hash ^ b[i]) * 1099511628211u;
    s->hash = (s->hash ^ n) * 1099511628211u;
}

static void see_request(struct seen *s, const struct request *rq)
{
    CHECK(rq->argc > 0);
    s->commands++;
    hash_bytes(s, &rq->argc, sizeof(rq->argc));
    for (int i = 0; i < rq->argc; i++)
        hash_bytes(s, rq->argv[i].p, rq->argv[i].n);
}

static void check_memory(const struct parser *p, const struct request *rq, size_t arrived)
{
    /* The shortest argument takes 4 bytes ("+\r\n" and its share of the rest) and has a slice of 16 in an
     * array that doubles; the rest is what a request keeps for the next command. */
    size_t most = arrived * 16 + 16384;
    CHECK(parser_memory(p) <= most);
    CHECK((size_t)rq->cap * sizeof(struct bytes) + rq->scratch_cap <= most);
}

/* Reads every command of the block; gives how many bytes are done with. */
static size_t read_block(struct parser *p, struct request *rq, const char *buf, size_t len,
                         const struct parse_limits *lim, struct seen *s)
{
    size_t at = 0, used = 0;
    const char *error = NULL;
    enum parse_result result;
    while ((result = parse_request(p, buf + at, len - at, &used, rq, lim, &error)) == PARSE_DONE) {
        CHECK(used > 0 && used <= len - at);
        see_request(s, rq);
        at += used;
        check_memory(p, rq, len);
    }
    if (result == PARSE_ERROR) {
        hash_bytes(s, error, strlen(error));
        s->failed = true;
        return len;
    }
    CHECK(p->want > 0 && used <= len - at);
    check_memory(p, rq, len);
    return at + used;
}

static char *exact_copy(const char *p, size_t n)
{
    char *copy = malloc(n + !n);
    CHECK(copy);
    memcpy(copy, p, n);
    return copy;
}

static struct seen read_in_one(const struct input *in, const struct parse_limits *lim)
{
    struct seen s = {0};
    struct parser p = {0};
    struct request rq = {0};
    char *buf = exact_copy(in->bytes, in->n);
    read_block(&p, &rq, buf, in->n, lim, &s);
    free(buf);
    parser_reset(&p);
    request_free(&rq);
    return s;
}

/* Another connection's command passes through the same request. */
static void interfere(struct request *rq, const struct parse_limits *lim)
{
    static const char *const others[] = {"*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n", "ECHO 'y'\r\n",
                                         "*?\r\n#t\r\n.\r\n", "*20\r\n$1\r\na\r\n$1"};
    struct parser p = {0};
    struct seen s = {0};
    const char *text = others[rnd(ARRAY_LEN(others))];
    read_block(&p, rq, text, strlen(text), lim, &s);
    parser_reset(&p);
}

static struct seen read_in_fragments(const struct input *in, const struct parse_limits *lim)
{
    struct seen s = {0};
    struct parser p = {0};
    struct request rq = {0};
    size_t done = 0, have = 0, promised = 0;
    uint32_t most = rnd(3) ? 1 + rnd(16) : 1 + rnd(400);
    while (have < in->n && !s.failed) {
        size_t n = 1 + rnd(most);
        have = n < in->n - have ? have + n : in->n;
        char *buf = exact_copy(in->bytes + done, have - done);
        unsigned before = s.commands;
        done += read_block(&p, &rq, buf, have - done, lim, &s);
        if (have < promised)
            CHECK(s.commands == before && !s.failed);
        promised = have + p.want;
        free(buf);
        if (rnd(2))
            interfere(&rq, lim);
    }
    parser_reset(&p);
    request_free(&rq);
    return s;
}

static void print_input(const struct input *in)
{
    for (size_t i = 0; i < in->n; i++)
        printf(in->bytes[i] >= ' ' && in->bytes[i] < 127 && in->bytes[i] != '\\' ? "%c" : "\\x%02x",
               (uint8_t)in->bytes[i]);
    printf("\n");
}

static void one_round(uint64_t seed, uint64_t round)
{
    static struct input in;
    chance_state = (seed + 1) * 0x9E3779B97F4A7C15u ^ (round + 1) * 0xBF58476D1CE4E5B9u;
    chance_state += !chance_state;
    struct parse_limits lim = PARSE_LIMITS_DEFAULT;
    if (rnd(4) == 0)
        lim = (struct parse_limits){1 + rnd(300), 1 + rnd(20), 16 + rnd(200), rnd(4) != 0};
    make_input(&in);
    for (uint32_t wounds = rnd(3) ? rnd(4) : 0; wounds; wounds--)
        spoil(&in);
    struct seen whole = read_in_one(&in, &lim);
    for (int i = 0; i < 3; i++) {
        struct seen cut = read_in_fragments(&in, &lim);
        if (cut.hash != whole.hash || cut.commands != whole.commands || cut.failed != whole.failed) {
            printf("seed %llu, round %llu: %u commands%s in one, %u%s in fragments, of\n",
                   (unsigned long long)seed, (unsigned long long)round, whole.commands,
                   whole.failed ? " and an error" : "", cut.commands, cut.failed ? " and an error" : "");
            print_input(&in);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t round = 0;
    fuzz_begin(argc, argv, "fuzz_parse");
    for (; fuzz_goes_on(round); round++)
        one_round(fuzz.seed, round);
    printf("fuzz_parse: %llu rounds\n", (unsigned long long)round);
    return 0;
}
