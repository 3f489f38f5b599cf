/* worker/commands/transactions.c - MULTI EXEC DISCARD WATCH UNWATCH. */
#include "worker/dispatch/monitor.h"
#include "worker/dispatch/multi.h"
#include "worker/net/client.h"

command_fn cmd_discard, cmd_exec, cmd_multi, cmd_unwatch, cmd_watch;

static bool is_open(const struct call *c)
{
    return c->client->multi && c->client->multi->open;
}

void cmd_multi(struct call *c)
{
    if (is_open(c)) {
        reply_error(c->reply, "ERR MULTI calls can not be nested");
        return;
    }
    multi_begin(c->client);
    reply_ok(c->reply);
}

void cmd_discard(struct call *c)
{
    if (!is_open(c)) {
        reply_error(c->reply, "ERR DISCARD without MULTI");
        return;
    }
    multi_drop(c->client);
    reply_ok(c->reply);
}

/* Its keys are latched: nobody changes them between the look and the mark. */
void cmd_watch(struct call *c)
{
    if (is_open(c)) {
        reply_error(c->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (unsigned i = 0; i < c->nkeys; i++) {
        struct key_ref *k = call_key(c, i);
        multi_watch(c->client, k, k->entry);
    }
    reply_ok(c->reply);
}

/* EXEC has compared what was watched, and forgets it anyway. */
void cmd_unwatch(struct call *c)
{
    if (!c->in_exec)
        multi_unwatch(c->client);
    reply_ok(c->reply);
}

/* What EXEC answers if it has not run. False: it is to be run again, here or elsewhere. */
static bool tell_failure(struct call *c, enum rc rc)
{
    if (rc == RC_MISSING)
        reply_null_array(c->reply);
    else if (rc == RC_NOMEM || rc == RC_RANGE)
        reply_error(c->reply, rc == RC_NOMEM ? ERR_EXEC_OOM : ERR_EXEC_RANGE);
    else if (rc == RC_ENDING)
        reply_error(c->reply, ERR_EXEC_END);
    else
        call_fail(c, rc);
    return !c->rc;
}

/* In the slow lane: the queue is the second argument, as the worker has packed it. */
static void exec_packed(struct call *c)
{
    struct multi *m = multi_unpack(c->argv[1]);
    m->ready = 0;
    enum rc rc = exec_run(c, m);
    if (rc == RC_BUSY)
        multi_packed_again(m, c->argv[1]);
    multi_free(m);
    if (rc)
        (void)tell_failure(c, rc);
}

void cmd_exec(struct call *c)
{
    if (!c->client) {
        exec_packed(c);
        return;
    }
    if (!is_open(c)) {
        reply_error(c->reply, "ERR EXEC without MULTI");
        return;
    }
    struct multi *m = c->client->multi;
    if (m->dirty) {
        multi_drop(c->client);
        reply_error(c->reply, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    enum rc rc = exec_run(c, m);
    if (!rc)
        monitor_feed_queue(c->client);
    else if (!tell_failure(c, rc))
        return;
    multi_drop(c->client);
}
