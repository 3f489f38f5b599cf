/* SCRIPT and its subcommands. */
#include "shm/base/number.h"
#include "shm/config.h"
#include "worker/dispatch/busy.h"
#include "worker/script/eval.h"
#include "worker/script/sha1.h"
#include "worker/script/store.h"
#include "worker/worker.h"

#include <ctype.h>

command_fn cmd_script_debug, cmd_script_exists, cmd_script_flush, cmd_script_kill, cmd_script_load;

#define FLUSH_IN_WORKER 1000 /* with more bodies than these the slow lane forgets them */
#define FLUSH_BUCKETS   64u

void cmd_script_load(struct call *c)
{
    struct engines *es = engines_of(c->w);
    char sha[SHA1_HEX + 1];
    sha1_hex(c->argv[2], sha);
    cache_follow(es);
    struct script *s = cache_find(es, sha);
    bool known = s && s->program.ref != LUA_NOREF;
    if (!known && script_too_long(c, c->argv[2].n) && call_defer(c))
        return;
    if (!known)
        s = script_make(es, sha, c->argv[2], c->reply);
    if (!s)
        return;
    enum rc rc = store_put(c->ctx, sha, c->argv[2], true);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    s->shared = true;
    reply_bulk(c->reply, sha, SHA1_HEX);
}

static bool exists(struct call *c, struct bytes name)
{
    char sha[SHA1_HEX + 1] = {0};
    struct reply body = {0};
    if (name.n != SHA1_HEX)
        return false;
    for (unsigned i = 0; i < SHA1_HEX; i++)
        sha[i] = (char)tolower((unsigned char)name.p[i]);
    enum rc rc = store_get(c->ctx, sha, &body);
    reply_free(&body);
    return !rc;
}

void cmd_script_exists(struct call *c)
{
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        reply_int(c->reply, exists(c, c->argv[i]));
}

static void raise_epoch(const struct shm_root *root)
{
    __atomic_add_fetch(&scripting(root)->scripts_epoch, 1, __ATOMIC_ACQ_REL);
}

/* The epoch is raised before, so that nobody runs what is forgotten here, and behind: meanwhile a worker may have
 * compiled what was not forgotten yet. */
void cmd_script_flush(struct call *c)
{
    uint64_t at = 0;
    bool fits =
        c->argc == 2 || (c->argc == 3 && (bytes_is(c->argv[2], "sync") || bytes_is(c->argv[2], "async")));
    if (!fits) {
        reply_error(c->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    if (store_count(c->ctx->root) > FLUSH_IN_WORKER && call_defer(c))
        return;
    raise_epoch(c->ctx->root);
    do {
        enum rc rc = store_flush_some(c->ctx, &at, FLUSH_BUCKETS);
        if (rc) {
            call_fail(c, rc);
            return;
        }
        call_breathe(c);
    } while (at);
    raise_epoch(c->ctx->root);
    reply_ok(c->reply);
}

void cmd_script_kill(struct call *c)
{
    busy_kill(c, true);
}

/* The debugger takes a process of its own and a client that stops the others: Redis offers it for development alone. */
void cmd_script_debug(struct call *c)
{
    if (bytes_is(c->argv[2], "no"))
        reply_ok(c->reply);
    else if (bytes_is(c->argv[2], "yes") || bytes_is(c->argv[2], "sync"))
        reply_error(c->reply, "ERR the Lua debugger is not offered here");
    else
        reply_error(c->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}
