/* worker/script/engine.h - the Lua states of a process, and how a program runs in one.
 * Owner     the process; made at the first script.
 * Locks     none: see dispatch/script.h.
 * Crash     private memory, gone with the process.
 * Survives  no: after every try that came to nothing the state is thrown away, so that nothing of it has escaped.
 * Fails     engine_run: RC_BUSY, RC_DEFER, RC_NOMEM as dispatch knows them; what is wrong in a script is its reply.
 * Tests     tests/regress/sql/eval_*.cmd  tests/regress/sql/script_*.cmd */
#ifndef SKEP_SCRIPT_ENGINE_H
#define SKEP_SCRIPT_ENGINE_H

#include <setjmp.h>

#include <lua.h>
#include <lauxlib.h>

#include "worker/dispatch/call.h"
#include "worker/proto/reply.h"

#define PROGRAM_NO_WRITES   1u
#define PROGRAM_ALLOW_OOM   2u
#define PROGRAM_ALLOW_STALE 4u
#define PROGRAM_NO_CLUSTER  8u
#define PROGRAM_CROSS_SLOTS 16u
#define PROGRAM_COMPAT      32u /* a script that says nothing of itself */
#define PROGRAM_EVAL        64u /* KEYS and ARGV are globals; ended by SCRIPT KILL */

struct engines;

struct engine {
    lua_State *L;                     /* NULL: none, or it was thrown away */
    void (*open)(lua_State *L);       /* adds to a fresh state what its programs may call */
    void (*lost)(struct engines *es); /* the state is gone, and with it what was referred to in it */
};

/* What is to be run: a function that the state holds. */
struct program {
    struct engine *engine;
    const char *name; /* as errors tell it */
    int ref;          /* in the state's registry */
    uint32_t flags;   /* PROGRAM_* */
    unsigned to_lane; /* so many runs go to the slow lane at once, since one was long */
};

/* The program that is running. */
struct run {
    struct worker *w;
    struct call *c;
    const struct program *p;
    lua_State *L;
    jmp_buf out; /* where a try ends that comes to nothing, with */
    enum rc rc;
    bool reads; /* commands that write are refused */
    bool allow_oom, wrote, over_memory;
    bool killed;
    size_t reply_from;    /* where its own reply begins */
    uint8_t resp;         /* in which protocol its commands answer */
    uint32_t db;          /* SELECT in a script is the script's own */
    int32_t last_error;   /* in the tally: the last command that answered with an error */
    uint64_t from, until; /* ticks; a worker's limit */
    int64_t now_ms;
    struct reply reply;
    struct bytes *argv;
    int argv_cap;
};

/* What the commands of a try count for, once it is done. */
struct tally {
    const struct command *cmd;
    uint64_t calls, usec, failed, rejected;
    uint32_t hist[LATENCY_BUCKETS];
};
#define TALLY_ERRORS 16u

struct scripts; /* cache.c */

struct engines {
    struct worker *w;
    struct engine eval, functions;
    struct scripts *scripts;
    struct libraries *libraries;
    struct run run;
    bool running;
    struct tally *tally;
    unsigned ntally, tally_cap;
    struct {
        char line[64];
        unsigned count;
    } error[TALLY_ERRORS];
    unsigned nerrors;
    struct reply lines; /* for MONITOR */
    struct slow {
        uint64_t from_us;     /* so long a command is slow */
        struct reply entries; /* for SLOWLOG: of [begin, begin + len) in all that the try has kept */
        uint64_t begin, told; /* before told they are in the log */
        uint64_t max_us[2];   /* for LATENCY: the slowest, and the slowest of those that are fast as a rule */
    } slow;
};

struct engines *engines_of(struct worker *w);
/* The state, made if there is none. */
lua_State *engine_state(struct engine *e);
void engine_discard(struct engines *es, struct engine *e);

/* Whether the command's arguments hold n keys; otherwise the reply says why not. */
bool engine_keys_fit(struct call *c, int64_t n);
/* What forbids to run it now, said in a reply. False: nothing does. */
bool engine_refuses(struct call *c, const struct program *p);
/* Who has been long is not tried in a worker for a while. */
bool engine_to_lane(const struct call *c, struct program *p);
/* Runs c->script in c's transaction, with the keys and arguments of the command, and replies. */
void engine_run(struct call *c);

/* Ends the try: no pcall of the script's comes between. */
__attribute__((noreturn)) void run_abandon(struct run *r, enum rc rc);

/* ---- api.c ---- */

/* Pushes the table redis, before it is protected. */
void api_open(lua_State *L, bool eval);
/* ---- slow.c: slow commands, which the try tells when it has come to something ---- */
void slow_keep(struct slow *s, const struct call *c, uint64_t usec);
void slow_forget(struct slow *s);

/* ---- convert.c ---- */
void push_error(lua_State *L, const char *text, size_t n); /* {err=...}; "-CODE words", or words alone */
void push_reply(lua_State *L, const char *reply, size_t n);
/* Pops a value and writes it as a reply. */
void write_reply(lua_State *L, struct reply *r, uint8_t script_resp);
/* The value at the top is what lua_error was given: writes it as the reply. */
void write_failure(lua_State *L, struct reply *r, const char *name);

#endif
