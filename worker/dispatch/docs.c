/* worker/dispatch/docs.c - parses the syntax texts of the command table. */
#include "worker/dispatch/docs.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const type_names[] = {
    [ARG_STRING] = "string",         [ARG_INTEGER] = "integer",
    [ARG_DOUBLE] = "double",         [ARG_KEY] = "key",
    [ARG_PATTERN] = "pattern",       [ARG_UNIX_TIME] = "unix-time",
    [ARG_PURE_TOKEN] = "pure-token", [ARG_ONEOF] = "oneof",
    [ARG_BLOCK] = "block",
};

/* Words that mean the same in every command. */
static const struct {
    const char *word;
    enum arg_type type;
} usual[] = {
    {"key", ARG_KEY},
    {"key1", ARG_KEY},
    {"key2", ARG_KEY},
    {"newkey", ARG_KEY},
    {"source", ARG_KEY},
    {"destination", ARG_KEY},
    {"destkey", ARG_KEY},
    {"sourcekey", ARG_KEY},
    {"pattern", ARG_PATTERN},
    {"unix-time-seconds", ARG_UNIX_TIME},
    {"unix-time-milliseconds", ARG_UNIX_TIME},
    {"seconds", ARG_INTEGER},
    {"milliseconds", ARG_INTEGER},
    {"timeout", ARG_INTEGER},
    {"count", ARG_INTEGER},
    {"cursor", ARG_INTEGER},
    {"start", ARG_INTEGER},
    {"end", ARG_INTEGER},
    {"offset", ARG_INTEGER},
    {"index", ARG_INTEGER},
    {"index1", ARG_INTEGER},
    {"index2", ARG_INTEGER},
    {"db", ARG_INTEGER},
    {"destination-db", ARG_INTEGER},
    {"increment", ARG_INTEGER},
    {"decrement", ARG_INTEGER},
    {"client-id", ARG_INTEGER},
    {"protover", ARG_INTEGER},
};

struct parser {
    const char *p;
    const struct command *cmd;
    int keys; /* arguments of type key so far */
};

struct list {
    struct command_arg *items;
    unsigned n;
};

#define SYNTAX_CHECK(ps, e) CHECKF(e, "syntax of %s at \"%s\"", command_fullname((ps)->cmd), (ps)->p)

static void *must_alloc(void *p)
{
    CHECK(p);
    return p;
}

static void list_add(struct list *l, struct command_arg arg)
{
    l->items = must_alloc(realloc(l->items, (l->n + 1) * sizeof arg));
    l->items[l->n++] = arg;
}

static void skip_blanks(struct parser *ps)
{
    while (*ps->p == ' ')
        ps->p++;
}

/* A word ends where the language has a sign of its own. */
static size_t word_len(const char *p)
{
    return strcspn(p, " []()|+@~=");
}

static const char *take_word(struct parser *ps)
{
    size_t n = word_len(ps->p);
    SYNTAX_CHECK(ps, n > 0);
    const char *word = must_alloc(strndup(ps->p, n));
    ps->p += n;
    return word;
}

static char *lower_copy(const char *word)
{
    char *copy = must_alloc(strdup(word));
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

static struct command_arg parse_item(struct parser *ps);

/* "a_b_c": what a group is called whose row gives it no name. */
static const char *joined_name(const struct list *l)
{
    size_t len = 1;
    for (unsigned i = 0; i < l->n; i++)
        len += strlen(l->items[i].name) + 1;
    char *name = must_alloc(malloc(len)), *to = name;
    *to = 0;
    for (unsigned i = 0; i < l->n; i++) {
        if (i)
            *to++ = '_';
        to = stpcpy(to, l->items[i].name);
    }
    return name;
}

static struct command_arg make_group(struct list l, enum arg_type type)
{
    return (struct command_arg){
        .name = joined_name(&l), .type = type, .key_spec = -1, .nsub = l.n, .sub = l.items};
}

/* Items up to | or the closing bracket; at the top, up to the end of the text. */
static struct list parse_row(struct parser *ps)
{
    struct list l = {0};
    for (skip_blanks(ps); *ps->p && !strchr("|)]", *ps->p); skip_blanks(ps))
        list_add(&l, parse_item(ps));
    return l;
}

/* One alternative; bare: parentheses around a single item are no block when it is an alternative of several.
 */
static struct command_arg fold(struct list l, bool bare)
{
    if (l.n == 1 && bare) {
        struct command_arg only = l.items[0];
        free(l.items);
        return only;
    }
    return make_group(l, ARG_BLOCK);
}

static struct command_arg parse_bracket(struct parser *ps)
{
    bool optional = *ps->p++ == '[';
    struct list row = parse_row(ps);
    struct command_arg arg;
    SYNTAX_CHECK(ps, row.n > 0);
    if (*ps->p != '|') {
        arg = fold(row, optional);
    } else {
        struct list choices = {0};
        list_add(&choices, fold(row, true));
        while (*ps->p == '|') {
            ps->p++;
            row = parse_row(ps);
            SYNTAX_CHECK(ps, row.n > 0);
            list_add(&choices, fold(row, true));
        }
        arg = make_group(choices, ARG_ONEOF);
    }
    SYNTAX_CHECK(ps, *ps->p == (optional ? ']' : ')'));
    ps->p++;
    if (optional)
        arg.flags |= ARG_OPTIONAL;
    return arg;
}

static enum arg_type usual_type(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (!strcmp(usual[i].word, word))
            return usual[i].type;
    return ARG_STRING;
}

/* word or word:type. What follows a colon and is no type belongs to the word: ip:port. */
static struct command_arg parse_argument(struct parser *ps)
{
    const char *word = take_word(ps);
    struct command_arg arg = {.name = word, .type = usual_type(word), .key_spec = -1};
    char *colon = strchr(word, ':');
    for (unsigned t = 0; colon && t < ARRAY_LEN(type_names); t++) {
        if (!strcmp(colon + 1, type_names[t])) {
            arg.type = t;
            *colon = 0;
            colon = NULL;
        }
    }
    if (arg.type == ARG_PATTERN && ps->cmd->keys[1].last == KEYS_UNKNOWN) { /* of keys: SORT's */
        arg.key_spec = 1;
        ps->keys = 2;
    }
    if (arg.type == ARG_KEY) {
        int specs = 0;
        while (specs < (int)ARRAY_LEN(ps->cmd->keys) && ps->cmd->keys[specs].first)
            specs++;
        SYNTAX_CHECK(ps, specs > 0);
        arg.key_spec = (int8_t)(ps->keys < specs ? ps->keys : specs - 1);
        ps->keys++;
    }
    return arg;
}

static struct command_arg parse_token(struct parser *ps)
{
    const char *token = take_word(ps);
    const char *behind = ps->p + strspn(ps->p, " ");
    if (behind > ps->p && (*behind == '(' || islower((unsigned char)*behind))) {
        ps->p = behind;
        struct command_arg arg = parse_item(ps);
        SYNTAX_CHECK(ps, !arg.token);
        arg.token = token;
        return arg;
    }
    return (struct command_arg){
        .name = lower_copy(token), .token = token, .type = ARG_PURE_TOKEN, .key_spec = -1};
}

static void parse_suffixes(struct parser *ps, struct command_arg *arg, bool bracket)
{
    for (;;) {
        char sign = *ps->p;
        if (sign == '+') {
            ps->p++;
            bool token_too = bracket && arg->token && !(arg->flags & ARG_MULTIPLE);
            arg->flags |= ARG_MULTIPLE | (token_too ? ARG_MULTIPLE_TOKEN : 0);
        } else if (sign == '@') {
            ps->p++;
            arg->since = take_word(ps);
        } else if (sign == '~') {
            ps->p++;
            arg->deprecated_since = take_word(ps);
        } else {
            return;
        }
    }
}

static struct command_arg parse_item(struct parser *ps)
{
    const char *name = NULL;
    if (ps->p[word_len(ps->p)] == '=') {
        name = take_word(ps);
        ps->p++;
    }
    struct command_arg arg;
    bool bracket = *ps->p == '[' || *ps->p == '(';
    if (bracket)
        arg = parse_bracket(ps);
    else if (isupper((unsigned char)*ps->p))
        arg = parse_token(ps);
    else
        arg = parse_argument(ps);
    parse_suffixes(ps, &arg, bracket);
    if (name) {
        free((void *)arg.name);
        arg.name = name;
    }
    return arg;
}

const struct command_arg *docs_args(const struct command *cmd, unsigned *n)
{
    static struct list *known; /* by row; .items is NULL until it has been parsed */
    if (!known)
        known = must_alloc(calloc(command_rows_n, sizeof *known));
    struct list *l = &known[cmd->id];
    if (!l->items && cmd->syntax) {
        struct parser ps = {.p = cmd->syntax, .cmd = cmd};
        *l = parse_row(&ps);
        SYNTAX_CHECK(&ps, *ps.p == 0);
    }
    *n = l->n;
    return l->items;
}

const char *docs_type_name(enum arg_type type)
{
    return type_names[type];
}

/* ---- the arguments as text ---- */

struct text {
    char *buf;
    size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
    va_end(ap);
    t->len = t->len + (size_t)n < t->cap ? t->len + (size_t)n : t->cap - 1;
}

static void put_list(struct text *t, const struct command_arg *args, unsigned n, const char *between);

/* Without the token and what the flags ask for; inside: brackets around it say already where it ends. */
static void put_core(struct text *t, const struct command_arg *arg, bool inside)
{
    if (arg->type == ARG_PURE_TOKEN) {
        put(t, "%s", arg->token);
    } else if (arg->type == ARG_ONEOF) {
        put(t, "%s", inside ? "" : "(");
        put_list(t, arg->sub, arg->nsub, "|");
        put(t, "%s", inside ? "" : ")");
    } else if (arg->type == ARG_BLOCK) {
        put_list(t, arg->sub, arg->nsub, " ");
    } else {
        put(t, "<%s>", arg->name);
    }
}

static void put_arg(struct text *t, const struct command_arg *arg)
{
    bool optional = arg->flags & ARG_OPTIONAL, token = arg->token && arg->type != ARG_PURE_TOKEN;
    put(t, "%s", optional ? "[" : "");
    if (token)
        put(t, "%s ", arg->token);
    put_core(t, arg, optional && !token);
    if (arg->flags & ARG_MULTIPLE) {
        if (optional ||
            arg->type == ARG_ONEOF) { /* telling the choices twice would hide more than it shows */
            put(t, " ...");
        } else {
            put(t, " [");
            put_core(t, arg, true);
            put(t, " ...]");
        }
    }
    put(t, "%s", optional ? "]" : "");
}

static void put_list(struct text *t, const struct command_arg *args, unsigned n, const char *between)
{
    for (unsigned i = 0; i < n; i++) {
        put(t, "%s", i ? between : "");
        put_arg(t, &args[i]);
    }
}

void docs_usage(const struct command *cmd, char *buf, size_t cap)
{
    struct text t = {.buf = buf, .cap = cap};
    unsigned n;
    const struct command_arg *args = docs_args(cmd, &n);
    buf[0] = 0;
    put_list(&t, args, n, " ");
}
