/* cjson.decode: one pass, one token ahead. The text ends with a zero byte, which Lua keeps behind every string, so
 * no look ahead leaves it; one within the text is its end, as there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/script/lua_lib.h"

enum kind {
    OBJECT_BEGINS,
    OBJECT_ENDS,
    ARRAY_BEGINS,
    ARRAY_ENDS,
    STRING,
    NUMBER,
    BOOLEAN,
    NOTHING,
    COLON,
    COMMA,
    END,
    BAD
};

static const char *const kind_names[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END",
                                         "T_STRING",    "T_NUMBER",  "T_BOOLEAN",   "T_NULL",
                                         "T_COLON",     "T_COMMA",   "T_END"};

struct decoder {
    lua_State *L;
    const struct cjson_options *o;
    const char *text, *p;
    int depth;
    struct lib_buffer string; /* of the token, if it is one with escapes */
    enum kind kind;
    const char *from; /* where the token begins, or is bad */
    const char *bad;  /* what is wrong with it */
    struct bytes bytes;
    double number;
};

static void get_value(struct decoder *d);

static void unexpected(struct decoder *d, const char *wanted)
{
    luaL_error(d->L, "Expected %s but found %s at character %d", wanted,
               d->kind == BAD ? d->bad : kind_names[d->kind], (int)(d->from - d->text) + 1);
}

static void bad_token(struct decoder *d, const char *what)
{
    d->kind = BAD;
    d->from = d->p;
    d->bad = what;
}

/* Four digits, or -1. */
static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

static void add_utf8(struct lib_buffer *b, unsigned c)
{
    char text[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        text[i] = (char)(0x80 | (c & 0x3f));
    text[0] = (char)(lead[n] | c);
    lib_add(b, text, n);
}

/* At the backslash of \uXXXX; two of them may make one character. */
static bool unicode(struct decoder *d)
{
    int c = hex4(d->p + 2), low;
    if (c < 0)
        return false;
    d->p += 6;
    if ((c & 0xf800) == 0xd800) {
        bool pair = !(c & 0x400) && d->p[0] == '\\' && d->p[1] == 'u';
        low = pair ? hex4(d->p + 2) : -1;
        if (low < 0 || (low & 0xfc00) != 0xdc00) {
            d->p -= 6;
            return false;
        }
        c = ((c & 0x3ff) << 10 | (low & 0x3ff)) + 0x10000;
        d->p += 6;
    }
    add_utf8(&d->string, (unsigned)c);
    return true;
}

/* At a backslash. False: the token is bad. */
static bool escape(struct decoder *d)
{
    static const char letters[] = "\"\\/btnfr", means[] = "\"\\/\b\t\n\f\r";
    char c = d->p[1];
    const char *at = c ? strchr(letters, c) : NULL;
    if (c == 'u') {
        if (unicode(d))
            return true;
        bad_token(d, "invalid unicode escape code");
        return false;
    }
    if (!at) {
        bad_token(d, "invalid escape code");
        return false;
    }
    lib_add(&d->string, &means[at - letters], 1);
    d->p += 2;
    return true;
}

static void string_token(struct decoder *d)
{
    const char *from = ++d->p;
    d->p += strcspn(from, "\"\\");
    d->kind = STRING;
    d->bytes = (struct bytes){from, (size_t)(d->p - from)};
    if (*d->p == '"') {
        d->p++;
        return;
    }
    d->string.n = 0;
    lib_add(&d->string, from, (size_t)(d->p - from));
    while (*d->p == '\\') {
        if (!escape(d))
            return;
        size_t n = strcspn(d->p, "\"\\");
        lib_add(&d->string, d->p, n);
        d->p += n;
    }
    if (!*d->p) {
        bad_token(d, "unexpected end of string");
        return;
    }
    d->p++;
    d->bytes = (struct bytes){d->string.p, d->string.n};
}

/* What strtod takes and JSON does not. */
static bool invalid_number(const char *p)
{
    if (*p == '+')
        return true;
    p += *p == '-';
    if (*p == '0')
        return (p[1] | 0x20) == 'x' || (p[1] >= '0' && p[1] <= '9');
    return *p > '9' && (!strncasecmp(p, "inf", 3) || !strncasecmp(p, "nan", 3));
}

static void number_token(struct decoder *d)
{
    char *end;
    d->kind = NUMBER;
    d->number = strtod(d->p, &end);
    if (end == d->p)
        bad_token(d, "invalid number");
    else
        d->p = end;
}

static bool word_token(struct decoder *d, const char *word, enum kind kind, bool value)
{
    size_t n = strlen(word);
    if (strncmp(d->p, word, n))
        return false;
    d->p += n;
    d->kind = kind;
    d->number = value;
    return true;
}

static void other_token(struct decoder *d)
{
    char c = *d->p;
    if (c == '"')
        string_token(d);
    else if (c == '-' || (c >= '0' && c <= '9')) {
        if (!d->o->decode_invalid && invalid_number(d->p))
            bad_token(d, "invalid number");
        else
            number_token(d);
    } else if (word_token(d, "true", BOOLEAN, true) || word_token(d, "false", BOOLEAN, false) ||
               word_token(d, "null", NOTHING, false)) {
        return;
    } else if (strchr("+iInN", c) && d->o->decode_invalid && invalid_number(d->p)) {
        number_token(d);
    } else {
        bad_token(d, "invalid token");
    }
}

static void next_token(struct decoder *d)
{
    static const char marks[] = "{}[]:,";
    static const enum kind kinds[] = {OBJECT_BEGINS, OBJECT_ENDS, ARRAY_BEGINS, ARRAY_ENDS, COLON, COMMA};
    d->p += strspn(d->p, " \t\r\n");
    lib_work(d->L, 10 + (size_t)(d->p - d->from)); /* with the token before */
    d->from = d->p;
    const char *mark = *d->p ? strchr(marks, *d->p) : NULL;
    if (!*d->p) {
        d->kind = END;
    } else if (mark) {
        d->kind = kinds[mark - marks];
        d->p++;
    } else {
        other_token(d);
    }
}

static void descend(struct decoder *d, int slots)
{
    lua_State *L = d->L;
    d->depth++;
    /* The buffer's place on the stack is not there in Redis. */
    if (d->depth > d->o->decode_depth || lua_gettop(L) - 1 + slots > LIB_RESULTS_MAX ||
        !lua_checkstack(L, slots + 1))
        luaL_error(L, "Found too many nested data structures (%d) at character %d", d->depth,
                   (int)(d->p - d->text));
    lua_newtable(L);
    next_token(d);
}

static void get_object(struct decoder *d)
{
    descend(d, 3);
    while (d->kind != OBJECT_ENDS) {
        if (d->kind != STRING)
            unexpected(d, "object key string");
        lua_pushlstring(d->L, d->bytes.p, d->bytes.n);
        next_token(d);
        if (d->kind != COLON)
            unexpected(d, "colon");
        next_token(d);
        get_value(d);
        lua_rawset(d->L, -3);
        next_token(d);
        if (d->kind == OBJECT_ENDS)
            break;
        if (d->kind != COMMA)
            unexpected(d, "comma or object end");
        next_token(d);
        if (d->kind == OBJECT_ENDS)
            unexpected(d, "object key string");
    }
    d->depth--;
}

static void get_array(struct decoder *d)
{
    descend(d, 2);
    for (int i = 1; d->kind != ARRAY_ENDS; i++) {
        get_value(d);
        lua_rawseti(d->L, -2, i);
        next_token(d);
        if (d->kind == ARRAY_ENDS)
            break;
        if (d->kind != COMMA)
            unexpected(d, "comma or array end");
        next_token(d);
        if (d->kind == ARRAY_ENDS)
            unexpected(d, "value");
    }
    d->depth--;
}

/* Pushes the value that begins with the token. */
static void get_value(struct decoder *d)
{
    lua_State *L = d->L;
    switch (d->kind) {
    case STRING:
        lua_pushlstring(L, d->bytes.p, d->bytes.n);
        break;
    case NUMBER:
        lua_pushnumber(L, d->number);
        break;
    case BOOLEAN:
        lua_pushboolean(L, d->number != 0);
        break;
    case NOTHING:
        lua_pushlightuserdata(L, NULL);
        break;
    case OBJECT_BEGINS:
        get_object(d);
        break;
    case ARRAY_BEGINS:
        get_array(d);
        break;
    default:
        unexpected(d, "value");
    }
}

int cjson_decode(lua_State *L)
{
    size_t n;
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    const char *text = luaL_checklstring(L, 1, &n);
    if (n >= 2 && (!text[0] || !text[1]))
        return luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");
    struct decoder d = {.L = L, .o = cjson_options_of(L), .text = text, .p = text, .from = text};
    lib_buffer_begin(L, &d.string);
    next_token(&d);
    get_value(&d);
    next_token(&d);
    if (d.kind != END)
        unexpected(&d, "the end");
    return 1;
}
