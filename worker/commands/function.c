/* worker/commands/function.c - FUNCTION: libraries come, go, and are told of. What they do is worker/script/'s. */
#include <stdlib.h>

#include "shm/base/glob.h"
#include "shm/config.h"
#include "shm/format/rdb_in.h"
#include "shm/format/rdb_out.h"
#include "worker/commands/server_cmds.h"
#include "worker/dispatch/busy.h"
#include "worker/script/libraries.h"

/* With more code than this, what packs or copies all of it takes about a millisecond. */
#define LIBRARIES_LONG (256u << 10)

command_fn cmd_function_delete, cmd_function_dump, cmd_function_flush, cmd_function_kill, cmd_function_list,
    cmd_function_load, cmd_function_restore, cmd_function_stats;

/* ---- changes ---- */

/* Whose sentence it is: LOAD quotes a library's name, RESTORE does not. */
static void reply_clash(struct call *c, const struct library_clash *clash, bool quoted)
{
    const char *what = clash->function ? "Function" : "Library",
               *quote = quoted && !clash->function ? "'" : "";
    reply_errorf(c->reply, "ERR %s %s%.*s%s already exists", what, quote, (int)clash->name.n, clash->name.p,
                 quote);
}

/* The log is told the command as it came. False: there is an answer, or none yet. */
static bool change(struct call *c, const struct library_change *ch, bool quoted)
{
    struct library_pack to = {0};
    struct library_clash clash;
    const struct library_copy *now = libraries_here(c);
    if (!now || (now->all.n + ch->fresh.n > LIBRARIES_LONG && call_defer(c)))
        return false;
    enum rc rc = libraries_change(c->ctx, c->tx, ch, c->argv, (unsigned)c->argc, &to, &clash);
    if (rc == RC_EXISTS)
        reply_clash(c, &clash, quoted);
    else if (rc == RC_MISSING)
        reply_error(c->reply, "ERR Library not found");
    else if (rc)
        call_fail(c, rc);
    else
        c->ctx->slot->stats.dirty++;
    free(to.p);
    return !rc;
}

static void load(struct call *c, const struct library_source *s, enum library_policy policy)
{
    struct library_pack fresh = {0};
    struct library there;
    char error[LIBRARY_ERROR];
    const struct library_copy *now = libraries_here(c);
    if (!now)
        return;
    if (policy == LIBRARY_APPEND && library_find(now->all, s->name, &there)) {
        reply_clash(c, &(struct library_clash){.name = s->name}, true);
        return;
    }
    enum rc rc = library_make(s, libraries_patience(c), &fresh, error);
    struct library_change ch = {.fresh = {fresh.p, fresh.n}, .policy = policy};
    if (rc == RC_INVALID)
        reply_errorf(c->reply, "ERR %s", error);
    else if (rc)
        call_fail(c, rc);
    else if (change(c, &ch, true))
        reply_bulk(c->reply, s->name.p, s->name.n);
    free(fresh.p);
}

void cmd_function_load(struct call *c)
{
    struct library_source s;
    char error[LIBRARY_ERROR];
    enum library_policy policy = LIBRARY_APPEND;
    for (int i = 2; i < c->argc - 1; i++) {
        if (!bytes_is(c->argv[i], "replace")) {
            reply_errorf(c->reply, "ERR Unknown option given: %.*s", (int)c->argv[i].n, c->argv[i].p);
            return;
        }
        policy = LIBRARY_REPLACE;
    }
    if (library_source_open(&s, c->argv[c->argc - 1], error))
        reply_errorf(c->reply, "ERR %s", error);
    else
        load(c, &s, policy);
    library_source_close(&s);
}

void cmd_function_delete(struct call *c)
{
    if (change(c, &(struct library_change){.drop = c->argv[2]}, true))
        reply_ok(c->reply);
}

/* Nothing is left to be freed in the background: the one value is given up with the transaction. */
void cmd_function_flush(struct call *c)
{
    if (c->argc > 3)
        reply_subcommand_syntax(c);
    else if (c->argc == 3 && !bytes_is(c->argv[2], "sync") && !bytes_is(c->argv[2], "async"))
        reply_error(c->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    else if (change(c, &(struct library_change){.policy = LIBRARY_FLUSH}, true))
        reply_ok(c->reply);
}

/* ---- payloads ---- */

void cmd_function_dump(struct call *c)
{
    struct rdb_out out;
    struct library lib;
    const struct library_copy *now = libraries_here(c);
    if (!now || (now->all.n > LIBRARIES_LONG / 4 && call_defer(c)))
        return;
    enum rc rc = rdb_out_open(&out, 256, NULL, NULL);
    out.compress = c->cfg->rdbcompression;
    for (struct bytes rest = now->all; !rc && library_next(&rest, &lib);)
        rc = rdb_out_function(&out, lib.code);
    if (!rc)
        rc = rdb_out_footer(&out);
    if (rc)
        call_fail(c, rc);
    else
        reply_bulk(c->reply, out.buf, out.len);
    rdb_out_close(&out);
}

/* One more library for fresh. Whether their functions clash is seen when all are there. */
static bool restore_one(struct call *c, struct bytes code, struct library_pack *fresh)
{
    struct library_source s;
    struct library other;
    char error[LIBRARY_ERROR];
    enum rc rc = library_source_open(&s, code, error);
    if (!rc && library_find((struct bytes){fresh->p, fresh->n}, s.name, &other)) {
        reply_clash(c, &(struct library_clash){.name = s.name}, true);
        rc = RC_EXISTS;
    }
    if (!rc)
        rc = library_make(&s, libraries_patience(c), fresh, error);
    if (rc == RC_INVALID)
        reply_errorf(c->reply, "ERR %s", error);
    else if (rc && rc != RC_EXISTS)
        call_fail(c, rc);
    library_source_close(&s);
    return !rc;
}

static bool restore_read(struct call *c, struct library_pack *fresh)
{
    struct rdb_in in;
    struct bytes code;
    enum rc rc = rdb_in_open_functions(&in, c->argv[2]);
    bool good = !rc;
    if (rc)
        reply_error(c->reply, "ERR DUMP payload version or checksum are wrong");
    in.string_max = (uint64_t)c->cfg->proto_max_bulk_len;
    while (good && !(rc = rdb_in_function(&in, &code)))
        good = restore_one(c, code, fresh);
    if (good && rc == RC_NOMEM)
        call_fail(c, rc);
    else if (good && rc != RC_MISSING)
        reply_error(c->reply, rc == RC_NOTYPE ? "ERR given type is not a function"
                                              : "ERR Failed loading library payload");
    rdb_in_close(&in);
    return good && rc == RC_MISSING;
}

static bool restore_policy(struct call *c, enum library_policy *policy)
{
    static const char *const name[] = {"append", "replace", "flush"};
    *policy = LIBRARY_APPEND;
    if (c->argc > 4) {
        reply_subcommand_syntax(c);
        return false;
    }
    for (unsigned i = 0; c->argc == 4; i++) {
        if (i == ARRAY_LEN(name)) {
            reply_error(c->reply,
                        "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
            return false;
        }
        *policy = (enum library_policy)i;
        if (bytes_is(c->argv[3], name[i]))
            return true;
    }
    return true;
}

void cmd_function_restore(struct call *c)
{
    struct library_change ch = {0};
    struct library_pack fresh = {0};
    if (!restore_policy(c, &ch.policy) || (c->argv[2].n > LIBRARIES_LONG / 4 && call_defer(c)))
        return;
    if (restore_read(c, &fresh)) {
        ch.fresh = (struct bytes){fresh.p, fresh.n};
        if (change(c, &ch, false))
            reply_ok(c->reply);
    }
    free(fresh.p);
}

/* ---- FUNCTION LIST ---- */

static void list_flags(struct call *c, uint32_t flags)
{
    static const char *const name[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster",
                                       "allow-cross-slot-keys"};
    reply_set(c->reply, (size_t)__builtin_popcount(flags));
    for (unsigned i = 0; i < ARRAY_LEN(name); i++)
        if (flags & 1u << i)
            reply_status(c->reply, name[i]);
}

static void list_function(struct call *c, const struct library_function *f)
{
    reply_map(c->reply, 3);
    reply_bulk_str(c->reply, "name");
    reply_bulk(c->reply, f->name.p, f->name.n);
    reply_bulk_str(c->reply, "description");
    if (f->described)
        reply_bulk(c->reply, f->brief.p, f->brief.n);
    else
        reply_null(c->reply);
    reply_bulk_str(c->reply, "flags");
    list_flags(c, f->flags);
}

static void list_library(struct call *c, const struct library *lib, bool code)
{
    struct library_function f;
    reply_map(c->reply, code ? 4 : 3);
    reply_bulk_str(c->reply, "library_name");
    reply_bulk(c->reply, lib->name.p, lib->name.n);
    reply_bulk_str(c->reply, "engine");
    reply_bulk_str(c->reply, "LUA");
    reply_bulk_str(c->reply, "functions");
    reply_array(c->reply, lib->nfunctions);
    for (struct bytes rest = lib->functions; library_function_next(&rest, &f);)
        list_function(c, &f);
    if (!code)
        return;
    reply_bulk_str(c->reply, "library_code");
    reply_bulk(c->reply, lib->code.p, lib->code.n);
}

static bool list_options(struct call *c, struct bytes *pattern, bool *code)
{
    for (int i = 2; i < c->argc; i++) {
        if (!*code && bytes_is(c->argv[i], "withcode")) {
            *code = true;
        } else if (pattern->p || !bytes_is(c->argv[i], "libraryname")) {
            reply_errorf(c->reply, "ERR Unknown argument %.*s", (int)c->argv[i].n, c->argv[i].p);
            return false;
        } else if (i + 1 == c->argc) {
            reply_error(c->reply, "ERR library name argument was not given");
            return false;
        } else {
            *pattern = c->argv[++i];
        }
    }
    return true;
}

void cmd_function_list(struct call *c)
{
    struct bytes pattern = {NULL, 0};
    bool code = false;
    struct library lib;
    const struct library_copy *now = libraries_here(c);
    if (!now || !list_options(c, &pattern, &code) || (now->all.n > LIBRARIES_LONG && call_defer(c)))
        return;
    size_t mark = reply_defer(c->reply), n = 0;
    for (struct bytes rest = now->all; library_next(&rest, &lib);)
        if (!pattern.p || glob_match(pattern, lib.name, true)) {
            list_library(c, &lib, code);
            n++;
        }
    reply_defer_array(c->reply, mark, n);
}

/* ---- what runs ---- */

void cmd_function_kill(struct call *c)
{
    busy_kill(c, false);
}

static void stats_counts(struct call *c, const struct library_copy *now)
{
    struct library lib;
    size_t libraries = 0, functions = 0;
    for (struct bytes rest = now->all; library_next(&rest, &lib); libraries++)
        functions += lib.nfunctions;
    reply_map(c->reply, 1);
    reply_bulk_str(c->reply, "LUA");
    reply_map(c->reply, 2);
    reply_bulk_str(c->reply, "libraries_count");
    reply_int(c->reply, (long long)libraries);
    reply_bulk_str(c->reply, "functions_count");
    reply_int(c->reply, (long long)functions);
}

void cmd_function_stats(struct call *c)
{
    const struct library_copy *now = libraries_here(c);
    if (!now)
        return;
    reply_map(c->reply, 2);
    reply_bulk_str(c->reply, "running_script");
    busy_tell(c);
    reply_bulk_str(c->reply, "engines");
    stats_counts(c, now);
}
