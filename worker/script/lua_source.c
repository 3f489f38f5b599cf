/* What 5.1's parser takes and 5.4's does not, or otherwise: a small lexer goes over the text and mends it.
 *
 *   '\d'   an escape that 5.1 does not know is the letter; 5.4 refuses it, and gives a meaning to \x, \z and \u
 *   arg    in a function with `...`: a table of the arguments, unless its body names `...`; then it is nil
 *
 * No line is added or taken, so the positions in messages stay right. `goto` as a name and the numbers are
 * mended in lua_wrap.c. The text may be anything: what does not parse is left to the parser's complaint. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "worker/script/lua_lib.h"

/* Functions in functions: 5.4's parser gives up at 200 levels. */
#define NESTED_MAX 256
#define MAKE_NIL   " local arg;"
#define MAKE_TABLE " local arg=(-\"" ARGUMENTS_MAKER "\")(...);"

struct function {
    size_t edit; /* the place behind its parameters */
    int depth;   /* of its body, among the blocks */
    bool vararg, names_dots, names_arg;
};

struct edit {
    size_t at;
    const char *insert; /* NULL: the byte there goes */
};

struct source {
    const char *text;
    size_t len;
    struct function functions[NESTED_MAX];
    int nfunctions, depth;
    enum { NO_PARAMETERS, BEFORE_PARAMETERS, IN_PARAMETERS } parameters;
    bool after_dot, gave_up;
    struct edit *edits;
    size_t nedits, room, inserted;
};

/* Returns its number. Without memory the text stays as it is. */
static size_t add_edit(struct source *s, size_t at, const char *insert)
{
    if (s->nedits == s->room) {
        size_t room = s->room ? s->room * 2 : 32;
        struct edit *grown = realloc(s->edits, room * sizeof(*grown));
        if (!grown) {
            s->gave_up = true;
            return 0;
        }
        s->edits = grown;
        s->room = room;
    }
    s->edits[s->nedits] = (struct edit){at, insert};
    return s->nedits++;
}

/* At a '[': the place behind a long string, or 0 if it is none. */
static size_t long_end(const struct source *s, size_t at)
{
    size_t level = 0;
    while (++at < s->len && s->text[at] == '=')
        level++;
    if (at >= s->len || s->text[at] != '[')
        return 0;
    for (at++; at < s->len; at++) {
        size_t n = 0;
        if (s->text[at] != ']')
            continue;
        while (n < level && at + 1 + n < s->len && s->text[at + 1 + n] == '=')
            n++;
        if (n == level && at + 1 + n < s->len && s->text[at + 1 + n] == ']')
            return at + n + 2;
        at += n;
    }
    return s->len;
}

/* At the second '-'. */
static size_t comment_end(const struct source *s, size_t at)
{
    size_t end = 0;
    if (++at < s->len && s->text[at] == '[')
        end = long_end(s, at);
    if (end)
        return end;
    while (at < s->len && s->text[at] != '\n' && s->text[at] != '\r')
        at++;
    return at;
}

static size_t string_end(struct source *s, size_t at)
{
    char quote = s->text[at++];
    while (at < s->len && s->text[at] != quote && s->text[at] != '\n' && s->text[at] != '\r') {
        if (s->text[at] != '\\' || at + 1 == s->len) {
            at++;
            continue;
        }
        char c = s->text[at + 1];
        if (!c || !(strchr("abfnrtv\\\"'\n\r", c) || isdigit((unsigned char)c)))
            add_edit(s, at, NULL);
        at += 2;
        if (c == '\r' && at < s->len && s->text[at] == '\n')
            at++;
    }
    return at < s->len ? at + 1 : at;
}

static void function_begins(struct source *s)
{
    if (s->nfunctions == NESTED_MAX) {
        s->gave_up = true;
        return;
    }
    s->functions[s->nfunctions++] = (struct function){.depth = ++s->depth};
    s->parameters = BEFORE_PARAMETERS;
}

static void block_ends(struct source *s)
{
    struct function *f = s->nfunctions ? &s->functions[s->nfunctions - 1] : NULL;
    if (f && f->depth == s->depth) {
        if (f->vararg && f->names_arg) {
            s->edits[f->edit].insert = f->names_dots ? MAKE_NIL : MAKE_TABLE;
            s->inserted += sizeof(MAKE_TABLE);
        }
        s->nfunctions--;
    }
    s->depth -= s->depth > 0;
}

static void argument_table(struct source *s)
{
    int i = s->nfunctions;
    while (i > 0 && !s->functions[i - 1].vararg)
        i--;
    if (i > 0)
        s->functions[i - 1].names_arg = true;
}

static bool word_is(struct bytes w, const char *name)
{
    return w.n == strlen(name) && !memcmp(w.p, name, w.n);
}

static size_t word_end(struct source *s, size_t at)
{
    struct bytes w = {s->text + at, 0};
    while (at < s->len && (isalnum((unsigned char)s->text[at]) || s->text[at] == '_'))
        at++;
    w.n = (size_t)(s->text + at - w.p);
    if (s->after_dot)
        return at;
    if (word_is(w, "function"))
        function_begins(s);
    else if (word_is(w, "do") || word_is(w, "if") || word_is(w, "repeat"))
        s->depth++;
    else if (word_is(w, "end") || word_is(w, "until"))
        block_ends(s);
    else if (word_is(w, "arg"))
        argument_table(s);
    return at;
}

static void dots(struct source *s)
{
    if (!s->nfunctions)
        return;
    if (s->parameters == IN_PARAMETERS)
        s->functions[s->nfunctions - 1].vararg = true;
    else
        s->functions[s->nfunctions - 1].names_dots = true;
}

static void parenthesis(struct source *s, char c, size_t at)
{
    if (c == '(' && s->parameters == BEFORE_PARAMETERS) {
        s->parameters = IN_PARAMETERS;
    } else if (c == ')' && s->parameters == IN_PARAMETERS) {
        s->parameters = NO_PARAMETERS;
        if (s->nfunctions)
            s->functions[s->nfunctions - 1].edit = add_edit(s, at + 1, "");
    }
}

/* Returns where the next token may begin. */
static size_t token_end(struct source *s, size_t at)
{
    char c = s->text[at], next = at + 1 < s->len ? s->text[at + 1] : 0;
    size_t end;
    if (c == '-' && next == '-')
        return comment_end(s, at + 1);
    if (c == '[' && (end = long_end(s, at)))
        return end;
    if (c == '"' || c == '\'')
        return string_end(s, at);
    if (isalpha((unsigned char)c) || c == '_')
        return word_end(s, at);
    if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)next))) {
        while (at < s->len &&
               (isalnum((unsigned char)s->text[at]) || s->text[at] == '_' || s->text[at] == '.'))
            at++;
        return at;
    }
    if (c == '.' && next == '.' && at + 2 < s->len && s->text[at + 2] == '.') {
        dots(s);
        return at + 3;
    }
    if (c == '.' && next == '.')
        return at + 2;
    parenthesis(s, c, at);
    return at + 1;
}

static char *edited(const struct source *s, size_t *len)
{
    size_t at = 0, to = 0;
    char *out = malloc(s->len + s->inserted + 1);
    for (size_t i = 0; out && i < s->nedits; i++) {
        const struct edit *e = &s->edits[i];
        memcpy(out + to, s->text + at, e->at - at);
        to += e->at - at;
        at = e->at + !e->insert;
        if (e->insert)
            to += (size_t)(stpcpy(out + to, e->insert) - (out + to));
    }
    if (out) {
        memcpy(out + to, s->text + at, s->len - at);
        *len = to + s->len - at;
    }
    return out;
}

char *source_translate(const char *body, size_t *len)
{
    struct source s;
    char *out = NULL;
    if (!memchr(body, '\\', *len) && !memmem(body, *len, "arg", 3))
        return NULL;
    memset(&s, 0, sizeof(s));
    s.text = body;
    s.len = *len;
    for (size_t at = 0; at < s.len && !s.gave_up;) {
        char c = s.text[at];
        at = token_end(&s, at);
        if (!isspace((unsigned char)c))
            s.after_dot =
                (c == '.' && s.text[at - 1] == '.' && (at < 2 || s.text[at - 2] != '.')) || c == ':';
    }
    if (!s.gave_up && s.nedits)
        out = edited(&s, len);
    free(s.edits);
    return out;
}
