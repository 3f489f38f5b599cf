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

/* Reads up to and over the closing quote. */
static bool read_quoted(struct reader *r, char quote)
{
    for (r->p++; r->p < r->end; r->p++) {
        size_t left = (size_t)(r->end - r->p);
        if (*r->p == quote) {
            r->p++;
            return r->p == r->end || isspace((unsigned char)*r->p) || *r->p == '\0';
        }
        if (quote == '"' && left >= 4 && r->p[0] == '\\' && r->p[1] == 'x' && hex_digit(r->p[2]) >= 0 &&
            hex_digit(r->p[3]) >= 0) {
            *r->out++ = (char)(hex_digit(r->p[2]) << 4 | hex_digit(r->p[3]));
            r->p += 3;
        } else if (quote == '"' && left >= 2 && *r->p == '\\') {
            *r->out++ = escaped(*++r->p);
        } else if (quote == '\'' && left >= 2 && r->p[0] == '\\' && r->p[1] == '\'') {
            *r->out++ = *++r->p;
        } else {
            *r->out++ = *r->p;
        }
    }
    return false;
}

static bool read_word(struct reader *r)
{
    while (r->p < r->end && !isspace((unsigned char)*r->p) && *r->p != '\0') {
        if (*r->p == '"' || *r->p == '\'')
            return read_quoted(r, *r->p); /* a closing quote ends the word */
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
