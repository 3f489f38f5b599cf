/* Inline commands: what a person types into a raw connection. */
#include "worker/proto/parse_private.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char escaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* Reads the text after an opening quote into *out; the place behind the closing one, or NULL. */
static const char *quoted(const char *s, const char *end, char quote, char **out)
{
    char *o = *out;
    for (; s < end && *s != quote; s++) {
        if (*s != '\\' || end - s < 2) {
            *o++ = *s;
        } else if (quote == '\'') { /* here a backslash is one, unless it is before the quote */
            if (s[1] == '\'')
                s++;
            *o++ = *s;
        } else if (s[1] == 'x' && end - s >= 4 && hex_digit(s[2]) >= 0 && hex_digit(s[3]) >= 0) {
            *o++ = (char)(hex_digit(s[2]) * 16 + hex_digit(s[3]));
            s += 3;
        } else {
            *o++ = escaped(*++s);
        }
    }
    *out = o;
    if (s == end)
        return NULL;
    s++;
    return s == end || is_blank(*s) ? s : NULL; /* "a"b is one word too many */
}

bool inline_split(struct request *rq, struct bytes line)
{
    const char *s = line.p, *end = line.p + line.n;
    rq->argc = 0;
    rq->scratch_len = 0;
    request_scratch_room(rq, line.n); /* unescaping only shortens, so the arguments will not move */
    char *o = rq->scratch;
    for (;;) {
        while (s < end && is_blank(*s))
            s++;
        if (s == end)
            return true;
        char *word = o;
        while (s && s < end && !is_blank(*s)) {
            if (*s == '"' || *s == '\'')
                s = quoted(s + 1, end, *s, &o);
            else
                *o++ = *s++;
        }
        if (!s)
            return false;
        request_room(rq, (size_t)rq->argc + 1);
        rq->argv[rq->argc++] = (struct bytes){word, (size_t)(o - word)};
    }
}
