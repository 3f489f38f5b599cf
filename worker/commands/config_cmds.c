/* worker/commands/config_cmds.c - CONFIG. The configuration lies in the arena, so a change is seen by all at
 * once; processes that must act upon one notice that its generation has grown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "shm/config.h"
#include "shm/persist.h"
#include "worker/commands/server_cmds.h"
#include "worker/control.h"
#include "worker/net/client.h"
#include "worker/dispatch/stats.h"

command_fn cmd_config_get, cmd_config_resetstat, cmd_config_rewrite, cmd_config_set;

/* ---- GET ---- */

static void put_hit(struct call *c, const struct config_hit *hit, char *buf)
{
    size_t n = config_get(c->cfg, hit->id, buf, CONFIG_VALUE_MAX);
    reply_bulk(c->reply, hit->name.p, hit->name.n);
    reply_bulk(c->reply, buf, n);
}

void cmd_config_get(struct call *c)
{
    char buf[CONFIG_VALUE_MAX];
    int npatterns = c->argc - 2;
    struct config_hit *hits = malloc((CONFIG_HITS_MAX + (size_t)npatterns) * sizeof(*hits));
    CHECK(hits);
    int n = config_select(c->argv + 2, npatterns, hits);
    reply_map(c->reply, (size_t)n);
    for (int i = 0; i < n; i++)
        put_hit(c, &hits[i], buf);
    free(hits);
}

/* ---- SET ---- */

static void reply_refused(struct call *c, enum directive_id id, const char *why)
{
    reply_errorf(c->reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", config_name(id),
                 why);
}

/* What the values alone cannot tell: whether this running server can have them. */
static bool server_can(struct call *c, const struct shm_config *want, const struct config_changes *changed)
{
    struct stat st;
    if (config_changed(changed, D_maxclients) && want->maxclients > c->ctx->root->nsessions) {
        char why[160];
        snprintf(why, sizeof(why),
                 "The operating system is not able to handle the specified number of clients, try with %u",
                 c->ctx->root->nsessions);
        reply_refused(c, D_maxclients, why);
        return false;
    }
    if (config_changed(changed, D_dir) && stat(want->dir_value, &st)) {
        reply_refused(c, D_dir, strerror(errno));
        return false;
    }
    if (config_changed(changed, D_dir) && !S_ISDIR(st.st_mode)) {
        reply_refused(c, D_dir, strerror(ENOTDIR));
        return false;
    }
    return true;
}

/* Saves and replaces the words in which the two differ. */
static enum rc store_changes(struct tx *tx, struct shm_config *shared, const struct shm_config *want)
{
    const size_t words = sizeof(*shared) / 8;
    _Static_assert(sizeof(struct shm_config) % 8 == 0, "compared as words");
    uint64_t *to = (uint64_t *)shared;
    const uint64_t *from = (const uint64_t *)want;
    for (size_t i = 0; i < words;) {
        size_t n = 0;
        while (i + n < words && to[i + n] != from[i + n])
            n++;
        if (n) {
            enum rc rc = tx_log(tx, &to[i], n * 8);
            if (rc)
                return rc;
            memcpy(&to[i], &from[i], n * 8);
        }
        i += n ? n : 1;
    }
    return RC_OK;
}

/* The generation goes last, as a redo: whoever sees it grow sees what it announces. */
static enum rc store_config(struct call *c, struct tx *tx, struct shm_config *want)
{
    struct shm_config *shared = c->w->cfg;
    want->generation = shared->generation;
    enum rc rc = tx_redo(tx, &shared->generation, shared->generation + 1);
    return rc ? rc : store_changes(tx, shared, want);
}

static bool moves(const struct config_changes *changed)
{
    return config_changed(changed, D_port) || config_changed(changed, D_bind);
}

/* Sockets are the master's: it reads the new addresses where we have put them, and answers whether it has them.
 * Meanwhile the change is not committed, so a refusal, or our death, takes it back. */
static bool master_listens(struct call *c, const struct config_pair *pairs,
                           const struct config_changes *changed)
{
    char answer[CONTROL_TEXT];
    int id;
    bool answered = ask_in_lane(c, ASK_LISTEN, answer);
    if (answered && answer[0] == '+')
        return true;
    /* The first one that is a new address: as in Redis, where they are tried in this order. */
    do
        id = config_find((pairs++)->name);
    while ((id != D_port && id != D_bind) || !config_changed(changed, (enum directive_id)id));
    reply_refused(c, (enum directive_id)id,
                  !answered      ? "The master does not answer."
                  : id == D_port ? "Unable to listen on this port. Check server logs."
                                 : "Failed to bind to specified addresses.");
    return false;
}

static enum rc set_pairs(struct call *c, struct tx *tx, const struct config_pair *pairs, int n, bool *stored)
{
    char err[CONFIG_ERR_MAX];
    struct config_changes changed;
    struct shm_config want = *c->cfg;
    if (config_set_many(&want, pairs, n, c->cfg->enable_protected_configs == PROTECTED_YES, &changed, err,
                        sizeof(err))) {
        reply_error(c->reply, err);
        return RC_OK;
    }
    if (!server_can(c, &want, &changed))
        return RC_OK;
    if (moves(&changed) && !c->in_lane)
        return RC_DEFER;
    enum rc rc = store_config(c, tx, &want);
    *stored = rc == RC_OK && (!moves(&changed) || master_listens(c, pairs, &changed));
    return rc;
}

static void set_locked(struct call *c, const struct config_pair *pairs, int n)
{
    struct tx tx;
    bool stored = false;
    tx_begin(&tx, c->ctx);
    enum rc rc = tx_latch(&tx, &c->ctx->root->config_latch);
    if (!rc)
        rc = set_pairs(c, &tx, pairs, n, &stored);
    if (stored)
        tx_commit(&tx);
    else
        tx_abort(&tx);
    if (rc)
        call_fail(c, rc);
    else if (stored)
        reply_ok(c->reply);
}

/* Whether these pairs concern the log; *begins: it is off, and they switch it on. A name that nobody knows refuses them all. */
static bool concerns_log(const struct call *c, bool *begins)
{
    bool concerns = false;
    *begins = false;
    for (int i = 2; i + 1 < c->argc; i += 2) {
        int id = config_find(c->argv[i]);
        if (id < 0)
            return *begins = false;
        concerns |= id == D_appendonly || id == D_appendfsync || id == D_no_appendfsync_on_rewrite;
        if (id == D_appendonly)
            *begins = !c->cfg->appendonly && bytes_is(c->argv[i + 1], "yes");
    }
    return concerns;
}

/* The log is the master's. It has to work before appendonly may say yes, and the master must have acted upon a
 * change before the client is told OK. So this runs up to three times: to ask for the log, to store, and to reply.
 * True: the pairs are to be stored now. */
static bool may_store(struct call *c, bool begins, bool *stored)
{
    char answer[CONTROL_TEXT] = "";
    *stored = false;
    if (!begins && !c->client->told)
        return true;
    if (!ask_master(c, ASK_LOG, 0, answer))
        return false;
    if (answer[0] == '-')
        reply_error(c->reply, answer + 1);
    *stored = !strcmp(answer, ANSWER_NOTICED);
    return answer[0] != '-' && !*stored;
}

/* The reply at mark waits until the master has acted. A lane, which the worker has sent the command to after asking for the
 * log, may wait itself. */
static void have_noticed(struct call *c, size_t mark)
{
    char answer[CONTROL_TEXT];
    if (c->in_lane) {
        ask_in_lane(c, ASK_NOTICE, answer); /* no answer: the master is about to end us */
        return;
    }
    c->reply->len = mark;
    ask_master(c, ASK_NOTICE, 0, answer);
}

/* Where files come from and whether there is a log stays as it is for as long as keys are loaded. What is refused in any
 * case is told as such: names are looked at one after the other. */
static bool loading_forbids(const struct call *c)
{
    bool may_protected = c->cfg->enable_protected_configs == PROTECTED_YES;
    for (int i = 2; heeds(c->ctx->root, HEED_LOADING) && i + 1 < c->argc; i += 2) {
        int id = config_find(c->argv[i]);
        if (id < 0 || (id == D_dir && !may_protected))
            return false;
        if (id == D_dir || id == D_appendonly)
            return true;
    }
    return false;
}

void cmd_config_set(struct call *c)
{
    int n = (c->argc - 2) / 2;
    bool begins, noticed = false, log;
    if (c->argc % 2) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if (loading_forbids(c)) {
        reply_error(c->reply, ERR_LOADING);
        return;
    }
    log = concerns_log(c, &begins);
    if (log && !c->in_lane && !may_store(c, begins, &noticed)) {
        if (noticed)
            reply_ok(c->reply);
        return;
    }
    struct config_pair *pairs = calloc((size_t)n + 1, sizeof(*pairs));
    CHECK(pairs);
    for (int i = 0; i < n; i++)
        pairs[i] = (struct config_pair){c->argv[2 + 2 * i], c->argv[3 + 2 * i]};
    size_t mark = c->reply->len;
    set_locked(c, pairs, n);
    free(pairs);
    if (log && !c->rc && c->reply->buf[mark] == '+')
        have_noticed(c, mark);
}

/* ---- the others ---- */

void cmd_config_resetstat(struct call *c)
{
    __atomic_fetch_add(&c->ctx->root->stats_epoch, 1, __ATOMIC_ACQ_REL);
    stats_sync(c->ctx);
    reply_ok(c->reply);
}

/* Files are the master's: it writes, and answers with what went wrong. The row is F_SLOW, so only the lane
 * waits for that. */
void cmd_config_rewrite(struct call *c)
{
    char answer[CONTROL_TEXT];
    if (ask_in_lane(c, ASK_CONFIG, answer))
        reply_told(c, answer);
    else
        reply_error(c->reply, "ERR Rewriting config file: the master does not answer");
}
