/* worker/script/lua_lib.h - what the parts of the script state share: helpers, and who opens which library.
 * Owner     the state.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     as Lua does: an error is raised in the script.
 * Tests     tests/unit/test_lua.c  tests/compat/lua_both.py */
#ifndef SKEP_SCRIPT_LUA_LIB_H
#define SKEP_SCRIPT_LUA_LIB_H

#include "include/bytes.h"
#include "worker/script/lua_base.h"

/* cjson's options; the global library's are in the state. */
struct cjson_options {
    bool sparse_convert, keep_buffer, decode_invalid;
    int sparse_ratio, sparse_safe, encode_depth, decode_depth, precision;
    enum { INVALID_REFUSED, INVALID_TAKEN, INVALID_NULL } encode_invalid;
};

/* Each thread of the state finds it in its extra space. */
struct script_state {
    size_t used, limit;
    size_t steps; /* of loops in C, since somebody looked at the clock */
    struct cjson_options cjson;
};

static inline struct script_state *script_state_of(const lua_State *L)
{
    return *(struct script_state **)lua_getextraspace((lua_State *)L);
}

/* Arguments as 5.1 takes them: a number or its text, cut to a whole one. */
lua_Integer lib_integer(lua_State *L, int arg);
lua_Integer lib_opt_integer(lua_State *L, int arg, lua_Integer otherwise);
int lib_int(lua_State *L, int arg);
int lib_opt_int(lua_State *L, int arg, int otherwise);
lua_Integer lib_whole(double d);
uint64_t lib_unsigned(double d);

/* Views: the argument is replaced by the real table; a change of one raises. Both refuse what is no table. */
void lib_readable(lua_State *L, int arg);
void lib_writable(lua_State *L, int arg);
/* Pushes the real table of a view, or nothing. */
bool lib_view(lua_State *L, int index);

/* What a C function may return in Redis: its stack ends there. */
#define LIB_RESULTS_MAX 8000

/* Refuses to let a C function's stack grow beyond that. */
void lib_stack(lua_State *L, int n, const char *message);

/* Long loops in C have no instructions that a hook could count. They count their own steps, of a few nanoseconds each, over
 * all calls of a script, and let the hook look at the clock themselves. ahead: so many steps come before the next look. */
#define LIB_STEPS_A_BREATH 100000
void lib_breathe(lua_State *L, size_t ahead);

static inline void lib_work(lua_State *L, size_t steps)
{
    struct script_state *s = script_state_of(L);
    s->steps += steps;
    if (s->steps >= LIB_STEPS_A_BREATH)
        lib_breathe(L, steps);
}

/* Bytes at a fixed place of the stack (lua_buffer.c). */
#define LIB_BUFFER_FIRST 512
struct lib_buffer {
    lua_State *L;
    char *p;
    size_t n, room;
    int index;
};
void lib_buffer_begin(lua_State *L, struct lib_buffer *b);
void lib_grow(struct lib_buffer *b, size_t n);

static inline void lib_add(struct lib_buffer *b, const void *p, size_t n)
{
    lib_work(b->L, 1 + n / 8);
    if (n > b->room - b->n)
        lib_grow(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* Number text (lua_number.c). */
#define NUMBER_TEXT_MAX 32
int number_text(char text[NUMBER_TEXT_MAX], double d);
/* As strtod, then blanks; the whole text or nothing. text[len] is 0. */
bool number_parse(const char *text, size_t len, double *out);

/* The text that 5.4's parser takes for what 5.1's takes, to be freed; NULL: it needs no change. */
char *source_translate(const char *body, size_t *len);
/* The negative of this string is the function that makes the table `arg`: no script comes upon it by name. */
#define ARGUMENTS_MAKER       "\\001arg"
#define ARGUMENTS_MAKER_BYTES "\001arg"

void lua_wrap_check(lua_State *L);
void cjson_defaults(struct cjson_options *o);
struct cjson_options *cjson_options_of(lua_State *L);
int cjson_decode(lua_State *L);

/* Each pushes its table. */
void open_string(lua_State *L);
void open_table(lua_State *L);
void open_math(lua_State *L);
void open_os(lua_State *L);
void open_coroutine(lua_State *L);
void open_bit(lua_State *L);
void open_struct(lua_State *L);
void open_cjson(lua_State *L);
void open_cmsgpack(lua_State *L);
/* Adds to the table at the top. */
void open_base(lua_State *L);
void add_format(lua_State *L);
void add_patterns(lua_State *L);

#endif
