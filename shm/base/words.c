#include "shm/base/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    const char *p, *end;
    char *out;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
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

/* One byte of the text in double quotes, from what stands for it at p; answers how many bytes that are. */
static size_t unescape(const char *p, const char *end, char *out)
{
    if (*p != '\\' || end - p < 2) {
        *out = *p;
        return 1;
    }
    if (p[1] == 'x' && end - p >= 4 && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
        *out = (char)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
        return 4;
    }
    *out = escaped(p[1]);
    return 2;
}

const char *words_unquote(const char *p, const char *end, char quote, char **out)
{
    while (p < end && *p != quote) {
        if (quote == '"') {
            p += unescape(p, end, (*out)++);
        } else { /* here a backslash is one, unless it is before the quote */
            if (*p == '\\' && end - p >= 2 && p[1] == '\'')
                p++;
            *(*out)++ = *p++;
        }
    }
    return p < end ? p + 1 : NULL;
}

/* A closing quote ends the word: what stands behind it must not go on with it. */
static bool read_quoted(struct reader *r)
{
    r->p = words_unquote(r->p + 1, r->end, *r->p, &r->out);
    return r->p && (r->p == r->end || isspace((unsigned char)*r->p) || *r->p == '\0');
}

static bool read_word(struct reader *r)
{
    while (r->p < r->end && !isspace((unsigned char)*r->p) && *r->p != '\0') {
        if (*r->p == '"' || *r->p == '\'')
            return read_quoted(r);
        *r->out++ = *r->p++;
    }
    return true;
}

enum rc words_split(struct bytes line, struct words *out)
{
    *out = (struct words){0};
    /* At worst every second byte is a word, and each word gains an end mark. */
    out->text = malloc(2 * line.n + 2);
    out->v = malloc((line.n / 2 + 1) * sizeof(*out->v));
    if (!out->text || !out->v) {
        words_free(out);
        return RC_NOMEM;
    }
    struct reader r = {line.p, line.p + line.n, out->text};
    for (;;) {
        while (r.p < r.end && isspace((unsigned char)*r.p))
            r.p++;
        if (r.p == r.end || *r.p == '\0')
            return RC_OK;
        char *start = r.out;
        if (!read_word(&r)) {
            words_free(out);
            return RC_INVALID;
        }
        out->v[out->n++] = (struct bytes){start, (size_t)(r.out - start)};
        *r.out++ = '\0';
    }
}

void words_free(struct words *w)
{
    free(w->v);
    free(w->text);
    *w = (struct words){0};
}

static const char *escape_of(unsigned char c, char room[5])
{
    switch (c) {
    case '\\':
        return "\\\\";
    case '"':
        return "\\\"";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    case '\a':
        return "\\a";
    case '\b':
        return "\\b";
    }
    snprintf(room, 5, c >= ' ' && c < 127 ? "%c" : "\\x%02x", c);
    return room;
}

size_t words_quote(struct bytes word, char *out, size_t cap)
{
    size_t n = 0;
    if (cap < 3)
        return 0;
    out[n++] = '"';
    for (size_t i = 0; i < word.n; i++) {
        char room[5];
        const char *e = escape_of((unsigned char)word.p[i], room);
        size_t len = strlen(e);
        if (n + len + 2 > cap)
            return 0;
        memcpy(out + n, e, len);
        n += len;
    }
    out[n++] = '"';
    out[n] = '\0';
    return n;
}

size_t words_write(struct bytes word, char *out, size_t cap)
{
    bool bare = word.n > 0;
    for (size_t i = 0; bare && i < word.n; i++)
        bare =
            word.p[i] != '"' && word.p[i] != '\'' && word.p[i] != '\0' && !isspace((unsigned char)word.p[i]);
    if (!bare)
        return words_quote(word, out, cap);
    if (word.n >= cap)
        return 0;
    memcpy(out, word.p, word.n);
    out[word.n] = '\0';
    return word.n;
}
