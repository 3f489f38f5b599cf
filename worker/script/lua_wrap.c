/* Functions inside liblua5.4.a, each called from another of its objects, are replaced at link time
 * (--wrap, in CMakeLists.txt): what 5.4 does differently from 5.1 and no library function could mend.
 *
 *   luaO_tostring         a number as text: 3.0 is "3"; fourteen digits; also in concatenations
 *   luaO_str2num          text as a number, in source and at run time: always a float, by strtod
 *   luaK_prefix           `#x` compiles to `#x + 0.0`: the last source of integers
 *   luaT_trybin*TM        arithmetic on strings, without metamethods that a script would see
 *   luaG_opinterror       blames the operand that 5.1 blames
 *   luaO_push*fstring     the texts of errors
 *   luaT_gettmbyobj       what is no function is not called in another's place: 5.4 follows a chain of `__call`
 *   luaS_createlngstrobj  before a concatenation makes a long string, the hook is called
 *   luaF_newtbcupval      no value of a script is closed: what `<close>` runs, would run while a state is freed
 *   fmod                  5.1 computes a % b as a - floor(a/b)*b, which differs for huge and infinite b
 *
 * These are inner functions of 5.4, so their declarations stand here once more. lua_wrap_check compares what
 * is assumed of them with what the library does, when a state is made. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "include/rc.h"
#include "worker/script/lua_lib.h"

struct lua_value { /* TValue */
    union {
        void *object;
        lua_Integer whole;
        double number;
        lua_CFunction function;
    } as;
    unsigned char tag;
};

struct lua_text { /* TString; the bytes follow at 24 */
    void *next;
    unsigned char tag, marked, extra, short_len;
    unsigned hash;
    size_t long_len;
    char bytes[1];
};

struct lua_expression { /* expdesc */
    int kind;
    union {
        lua_Integer whole;
        double number;
    } as;
    int when_true, when_false;
};

enum {
    TAG_INTEGER = 0x03,
    TAG_FLOAT = 0x13,
    TAG_SHORT = 0x04,
    TAG_LONG = 0x14,
    TAG_FUNCTION = 0x16,
    TAG_USERDATA = 0x07,
    TAG_FALSE = 0x01,
    TAG_COLLECTABLE = 0x40
};
enum {
    EVENT_ADD = 6,
    EVENT_SUB,
    EVENT_MUL,
    EVENT_MOD,
    EVENT_POW,
    EVENT_DIV,
    EVENT_UNM = 18,
    EVENT_CALL = 23
};
enum { EXPRESSION_FLOAT = 5, OPERATOR_ADD = 0, OPERATOR_LEN = 3 };
#define RESERVED_GOTO 10 /* its place among the reserved words */

struct lua_text *luaS_newlstr(lua_State *L, const char *text, size_t len);
void luaK_infix(void *fs, int op, struct lua_expression *e);
void luaK_posfix(void *fs, int op, struct lua_expression *a, struct lua_expression *b, int line);
void luaG_typeerror(lua_State *L, const struct lua_value *v, const char *what);

void __real_luaK_prefix(void *fs, int op, struct lua_expression *e, int line);
void __real_luaT_trybinTM(lua_State *L, const struct lua_value *a, const struct lua_value *b,
                          struct lua_value *to, int event);
const struct lua_value *__real_luaT_gettmbyobj(lua_State *L, const struct lua_value *v, int event);
void *__real_luaS_createlngstrobj(lua_State *L, size_t len);
void __real_luaF_newtbcupval(lua_State *L, struct lua_value *v);
const char *__real_luaO_pushvfstring(lua_State *L, const char *format, va_list args);

void __wrap_luaO_tostring(lua_State *L, struct lua_value *v);
size_t __wrap_luaO_str2num(const char *text, struct lua_value *v);
void __wrap_luaK_prefix(void *fs, int op, struct lua_expression *e, int line);
void __wrap_luaT_trybinTM(lua_State *L, const struct lua_value *a, const struct lua_value *b,
                          struct lua_value *to, int event);
void __wrap_luaT_trybinassocTM(lua_State *L, const struct lua_value *a, const struct lua_value *b, int flip,
                               struct lua_value *to, int event);
void __wrap_luaT_trybiniTM(lua_State *L, const struct lua_value *a, lua_Integer b, int flip,
                           struct lua_value *to, int event);
void __wrap_luaG_opinterror(lua_State *L, const struct lua_value *a, const struct lua_value *b,
                            const char *what);
const struct lua_value *__wrap_luaT_gettmbyobj(lua_State *L, const struct lua_value *v, int event);
void *__wrap_luaS_createlngstrobj(lua_State *L, size_t len);
void __wrap_luaF_newtbcupval(lua_State *L, struct lua_value *v);
const char *__wrap_luaO_pushvfstring(lua_State *L, const char *format, va_list args);
const char *__wrap_luaO_pushfstring(lua_State *L, const char *format, ...);
double __wrap_fmod(double a, double b);

void __wrap_luaO_tostring(lua_State *L, struct lua_value *v)
{
    char text[NUMBER_TEXT_MAX];
    int n = number_text(text, v->tag == TAG_FLOAT ? v->as.number : (double)v->as.whole);
    struct lua_text *t = luaS_newlstr(L, text, (size_t)n);
    v->as.object = t;
    v->tag = t->tag | TAG_COLLECTABLE;
}

/* Returns the length with the end, as the callers compare it with the string's own. */
size_t __wrap_luaO_str2num(const char *text, struct lua_value *v)
{
    size_t len = strlen(text);
    double d;
    if (!number_parse(text, len, &d))
        return 0;
    v->as.number = d;
    v->tag = TAG_FLOAT;
    return len + 1;
}

void __wrap_luaK_prefix(void *fs, int op, struct lua_expression *e, int line)
{
    struct lua_expression zero = {.kind = EXPRESSION_FLOAT, .when_true = -1, .when_false = -1};
    __real_luaK_prefix(fs, op, e, line);
    if (op != OPERATOR_LEN)
        return;
    luaK_infix(fs, OPERATOR_ADD, e);
    luaK_posfix(fs, OPERATOR_ADD, e, &zero, line);
}

static bool is_text(const struct lua_value *v)
{
    return v->tag == (TAG_SHORT | TAG_COLLECTABLE) || v->tag == (TAG_LONG | TAG_COLLECTABLE);
}

static bool as_number(const struct lua_value *v, double *d)
{
    if (v->tag == TAG_FLOAT)
        *d = v->as.number;
    else if (v->tag == TAG_INTEGER)
        *d = (double)v->as.whole;
    else if (is_text(v)) {
        const struct lua_text *t = v->as.object;
        return number_parse(t->bytes, strlen(t->bytes), d);
    } else
        return false;
    return true;
}

static bool arithmetic(double a, double b, int event, double *to)
{
    switch (event) {
    case EVENT_ADD:
        *to = a + b;
        return true;
    case EVENT_SUB:
        *to = a - b;
        return true;
    case EVENT_MUL:
        *to = a * b;
        return true;
    case EVENT_MOD:
        *to = a - floor(a / b) * b;
        return true;
    case EVENT_POW:
        *to = pow(a, b);
        return true;
    case EVENT_DIV:
        *to = a / b;
        return true;
    case EVENT_UNM:
        *to = -a;
        return true;
    default:
        return false;
    }
}

static int make_arguments(lua_State *L)
{
    int n = lua_gettop(L);
    lua_createtable(L, n, 1);
    lua_insert(L, 1);
    for (int i = n; i > 0; i--)
        lua_rawseti(L, 1, i);
    lua_pushnumber(L, n);
    lua_setfield(L, 1, "n");
    return 1;
}

static bool names_maker(const struct lua_value *v)
{
    const struct lua_text *t = v->as.object;
    return v->tag == (TAG_SHORT | TAG_COLLECTABLE) && !strcmp(t->bytes, ARGUMENTS_MAKER_BYTES);
}

void __wrap_luaT_trybinTM(lua_State *L, const struct lua_value *a, const struct lua_value *b,
                          struct lua_value *to, int event)
{
    double x, y, d;
    if (event == EVENT_UNM && names_maker(a)) {
        to->as.function = make_arguments;
        to->tag = TAG_FUNCTION;
        return;
    }
    if ((is_text(a) || is_text(b)) && as_number(a, &x) && as_number(b, &y) && arithmetic(x, y, event, &d)) {
        to->as.number = d;
        to->tag = TAG_FLOAT;
        return;
    }
    __real_luaT_trybinTM(L, a, b, to, event);
}

void __wrap_luaT_trybinassocTM(lua_State *L, const struct lua_value *a, const struct lua_value *b, int flip,
                               struct lua_value *to, int event)
{
    __wrap_luaT_trybinTM(L, flip ? b : a, flip ? a : b, to, event);
}

void __wrap_luaT_trybiniTM(lua_State *L, const struct lua_value *a, lua_Integer b, int flip,
                           struct lua_value *to, int event)
{
    struct lua_value v = {.as.whole = b, .tag = TAG_INTEGER};
    __wrap_luaT_trybinassocTM(L, a, &v, flip, to, event);
}

/* The first operand, unless it is a number or the text of one. */
void __wrap_luaG_opinterror(lua_State *L, const struct lua_value *a, const struct lua_value *b,
                            const char *what)
{
    double d;
    luaG_typeerror(L, as_number(a, &d) ? b : a, what);
}

/* A table that is its own `__call` would take minutes to fill the stack, in which no hook is called. The low four bits of
 * every function's tag are those of a C function. */
const struct lua_value *__wrap_luaT_gettmbyobj(lua_State *L, const struct lua_value *v, int event)
{
    static const struct lua_value none;
    const struct lua_value *found = __real_luaT_gettmbyobj(L, v, event);
    return event == EVENT_CALL && (found->tag & 0x0f) != (TAG_FUNCTION & 0x0f) ? &none : found;
}

/* A thousand of them, as many as the hook counts, may copy gigabytes. */
void *__wrap_luaS_createlngstrobj(lua_State *L, size_t len)
{
    lib_work(L, len / 8);
    return __real_luaS_createlngstrobj(L, len);
}

/* The buffers of C functions are userdata, which scripts have none of. The low four bits of nil's tags are 0. */
void __wrap_luaF_newtbcupval(lua_State *L, struct lua_value *v)
{
    if (v->tag != (TAG_USERDATA | TAG_COLLECTABLE) && v->tag != TAG_FALSE && v->tag & 0x0f)
        luaL_error(L, "variable got a non-closable value");
    __real_luaF_newtbcupval(L, v);
}

double __wrap_fmod(double a, double b)
{
    return a - floor(a / b) * b;
}

/* " (local 'x')" after the value becomes "local 'x' (a nil value)" before it. */
static const char *named_operand(lua_State *L, const char *doing, const char *type, const char *variable)
{
    char what[256];
    size_t n = strlen(variable);
    if (n < 4 || n - 3 >= sizeof(what) || !strncmp(variable, " (constant", 10) ||
        !strncmp(variable, " (for iterator", 14))
        return lua_pushfstring(L, "attempt to %s a %s value", doing, type);
    memcpy(what, variable + 2, n - 3);
    what[n - 3] = 0;
    return lua_pushfstring(L, "attempt to %s %s (a %s value)", doing, what, type);
}

/* The message so far begins with its position. */
static const char *syntax_near(lua_State *L, const char *what, const char *token)
{
    static const char vague[] = ": syntax error";
    size_t n = strlen(what), tail = sizeof(vague) - 1;
    bool end = !strcmp(token, "<eof>");
    if (n >= tail && !strcmp(what + n - tail, vague)) {
        lua_pushlstring(L, what, n - tail + 2);
        lua_pushstring(L, strcmp(token, "'='") ? "'=' expected" : "unexpected symbol");
        lua_concat(L, 2);
        what = lua_tostring(L, -1);
    }
    return lua_pushfstring(L, end ? "%s near '%s'%s" : "%s near %s%s", what, token, "");
}

/* <name> and <eof> without quotes are 5.4's. */
static const char *expected(lua_State *L, const char *what)
{
    return lua_pushfstring(L, *what == '<' ? "'%s' expected%s" : "%s expected%s", what, "");
}

static const char *loop_value(lua_State *L, const char *what)
{
    return lua_pushfstring(L, "'for' %s must be a number", strcmp(what, "initial") ? what : "initial value");
}

static const char *unfinished(lua_State *L, const char *what)
{
    return lua_pushfstring(L, "unfinished long %s", what);
}

const char *__wrap_luaO_pushvfstring(lua_State *L, const char *format, va_list args)
{
    const char *word[3] = {NULL};
    static const struct {
        const char *format;
        int words;
        const char *(*one)(lua_State *, const char *);
    } told[] = {
        {"attempt to %s a %s value%s", 3, NULL},
        {"%s near %s", 2, NULL},
        {"%s expected", 1, expected},
        {"bad 'for' %s (number expected, got %s)", 1, loop_value},
        {"unfinished long %s (starting at line %d)", 1, unfinished},
    };
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        if (strcmp(format, told[i].format))
            continue;
        for (int w = 0; w < told[i].words; w++)
            word[w] = va_arg(args, const char *);
        return told[i].one          ? told[i].one(L, word[0])
               : told[i].words == 2 ? syntax_near(L, word[0], word[1])
                                    : named_operand(L, word[0], word[1], word[2]);
    }
    return __real_luaO_pushvfstring(L, format, args);
}

const char *__wrap_luaO_pushfstring(lua_State *L, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = __wrap_luaO_pushvfstring(L, format, args);
    va_end(args);
    return text;
}

/* In 5.1 `goto` is a name like any other: 5.4's lexer knows a reserved word by a byte in its string. */
static void free_goto(lua_State *L)
{
    struct lua_text *t = (struct lua_text *)(lua_pushliteral(L, "goto") - offsetof(struct lua_text, bytes));
    CHECK(t->tag == TAG_SHORT && t->short_len == 4 && (t->extra == RESERVED_GOTO || t->extra == 0));
    t->extra = 0;
    lua_pop(L, 1);
}

static void check_text(lua_State *L, const char *chunk, const char *wanted)
{
    CHECK(luaL_loadbufferx(L, chunk, strlen(chunk), "=check", "t") == LUA_OK);
    lua_call(L, 0, 1);
    CHECK(!strcmp(lua_tostring(L, -1), wanted));
    lua_pop(L, 1);
}

/* What is at the top becomes a table with this `__call`. */
static void make_callable(lua_State *L)
{
    lua_createtable(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__call");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

void lua_wrap_check(lua_State *L)
{
    free_goto(L);
    lua_pushcfunction(L, make_arguments);
    make_callable(L);
    make_callable(L);
    CHECK(lua_pcall(L, 0, 0, 0) == LUA_ERRRUN);
    lua_pop(L, 1);
    check_text(L, "local a = {1, 2, 3} local goto = #a * 1e3 / 1000 return '7' * '6' .. goto", "423");
}
