/* A library is run once to learn what it registers. While it runs, its globals are the library's API and nothing else:
 * one table, redis, with register_function, log and the version. So what it registers depends on nothing but its
 * text, and every process that runs it later finds the same functions. */
#include "worker/script/library_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "shm/base/clock.h"
#include "worker/script/library_run.h"

#define STATE_BYTES (256u << 20)
#define HOOK_STEPS  1000
#define BRIEF_US    1000
#define AT_LEAST_US 500000
#define LONG_SOURCE (32u << 10) /* to compile it takes about a millisecond, in which no clock is looked at */

/* ---- the first line ---- */

static enum rc bad(char error[LIBRARY_ERROR], const char *format, struct bytes what)
{
    snprintf(error, LIBRARY_ERROR, format, (int)(what.n < 300 ? what.n : 300), what.p);
    return RC_INVALID;
}

#define BAD(text) bad(error, "%.*s", BYTES_LIT(text))

static enum rc read_words(struct library_source *s, char error[LIBRARY_ERROR])
{
    for (int i = 1; i < s->words.n; i++) {
        struct bytes w = s->words.v[i];
        if (w.n < 5 || strncasecmp(w.p, "name=", 5))
            return bad(error, "Invalid metadata value given: %.*s", w);
        if (s->name.p)
            return BAD("Invalid metadata value, name argument was given multiple times");
        s->name = (struct bytes){w.p + 5, w.n - 5};
    }
    if (!s->name.p)
        return BAD("Library name was not given");
    if (!library_name_is_valid(s->name))
        return BAD(LIBRARY_NAME_RULE);
    struct bytes engine = {s->words.v[0].p + 2, s->words.v[0].n - 2};
    return bytes_is(engine, "lua") ? RC_OK : bad(error, "Engine '%.*s' not found", engine);
}

enum rc library_source_open(struct library_source *s, struct bytes code, char error[LIBRARY_ERROR])
{
    *s = (struct library_source){.code = code};
    if (code.n < 2 || memcmp(code.p, "#!", 2))
        return BAD("Missing library metadata");
    const char *end = memchr(code.p, '\n', code.n);
    if (!end || memchr(code.p, '\0', (size_t)(end - code.p)))
        return BAD("Invalid library metadata");
    s->body = (struct bytes){end, (size_t)(code.p + code.n - end)};
    if (words_split((struct bytes){code.p, (size_t)(end - code.p)}, &s->words) || !s->words.n ||
        s->words.v[0].n < 2)
        return BAD("Invalid library metadata");
    return read_words(s, error);
}

void library_source_close(struct library_source *s)
{
    words_free(&s->words);
}

/* ---- running it ---- */

struct patience {
    int64_t until_us;
    bool over;
};

/* Of what is being loaded. */
static struct patience *patience_now;

/* At load nothing can catch an error, so this ends it. */
static void look_at_clock(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    if (mono_us() < patience_now->until_us)
        return;
    patience_now->over = true;
    lua_pushliteral(L, "FUNCTION LOAD timeout");
    lua_error(L);
}

static void be_patient(lua_State *L, struct patience *p, enum load_patience how)
{
    if (how == LOAD_TO_END)
        return;
    p->until_us = mono_us() + (how == LOAD_BRIEFLY ? BRIEF_US : AT_LEAST_US);
    patience_now = p;
    lua_sethook(L, look_at_clock, LUA_MASKCOUNT, HOOK_STEPS);
}

enum rc library_load(lua_State *L, struct bytes body, enum load_patience how, struct library_run *run,
                     char error[LIBRARY_ERROR])
{
    struct patience p = {0};
    if (how == LOAD_BRIEFLY && body.n > LONG_SOURCE)
        return RC_DEFER;
    be_patient(L, &p, how);
    enum rc rc = library_run(L, body, run, error);
    lua_sethook(L, NULL, 0, 0);
    return rc && p.over && how == LOAD_BRIEFLY ? RC_DEFER : rc;
}

static enum rc make_in(lua_State *L, const struct library_source *s, enum load_patience how,
                       struct library_pack *to, char error[LIBRARY_ERROR])
{
    struct library_run run = {0};
    enum rc rc = library_load(L, s->body, how, &run, error);
    struct library lib = {.name = s->name,
                          .code = s->code,
                          .functions = {run.functions.p, run.functions.n},
                          .nfunctions = run.n};
    if (!rc && !run.n)
        rc = BAD("No functions registered");
    if (!rc)
        library_pack(to, &lib);
    free(run.functions.p);
    return rc;
}

enum rc library_make(const struct library_source *s, enum load_patience patience, struct library_pack *to,
                     char error[LIBRARY_ERROR])
{
    lua_State *L = script_state_new(STATE_BYTES);
    if (!L)
        return RC_NOMEM;
    enum rc rc = make_in(L, s, patience, to, error);
    script_state_free(L);
    return rc;
}
