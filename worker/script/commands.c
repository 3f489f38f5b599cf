#include "worker/script/commands.h"
#include "shm/config.h"
#include "shm/tx.h"
#include "shm/wal.h"
#include "worker/dispatch/block.h"
#include "worker/dispatch/execute.h"
#include "worker/dispatch/monitor.h"
#include "worker/dispatch/script.h"
#include "worker/dispatch/stats.h"
#include "worker/net/tracking.h"
#include "worker/script/overtime.h"
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS_INLINE 16

command_fn cmd_publish, cmd_select, cmd_spublish;

/* ---- counting, for when the try has come to something ---- */

static struct tally *tally_of(struct engines *es, const struct command *cmd)
{
    for (unsigned i = 0; i < es->ntally; i++)
        if (es->tally[i].cmd == cmd)
            return &es->tally[i];
    if (es->ntally == es->tally_cap) {
        es->tally_cap = es->tally_cap * 2 + 8;
        es->tally = realloc(es->tally, es->tally_cap * sizeof(*es->tally));
        CHECK(es->tally);
    }
    es->tally[es->ntally] = (struct tally){.cmd = cmd};
    return &es->tally[es->ntally++];
}

static void tally_error(struct engines *es, const char *line, size_t n)
{
    char text[sizeof(es->error[0].line)];
    const char *blank = memchr(line, ' ', n);
    size_t code = blank ? (size_t)(blank - line) + 1 : n;
    code = code < sizeof(text) - 1 ? code : sizeof(text) - 1;
    memcpy(text, line, code);
    text[code] = 0;
    es->run.last_error = -1;
    unsigned i = 0;
    while (i < es->nerrors && strcmp(es->error[i].line, text) != 0)
        i++;
    if (i == TALLY_ERRORS)
        return;
    if (i == es->nerrors) {
        memcpy(es->error[i].line, text, code + 1);
        es->error[i].count = 0;
        es->nerrors++;
    }
    es->error[i].count++;
    es->run.last_error = (int32_t)i;
}

static void tally(struct run *r, const struct call *c, uint64_t usec)
{
    struct engines *es = r->w->engines;
    struct tally *t = tally_of(es, c->cmd);
    bool failed = r->reply.len && r->reply.buf[0] == '-';
    t->calls++;
    t->usec += usec;
    t->hist[stats_bucket(usec)]++;
    t->failed += failed;
    if (UNLIKELY(usec >= es->slow.from_us))
        slow_keep(&es->slow, c, usec);
    if (UNLIKELY(failed))
        tally_error(es, r->reply.buf, r->reply.len);
}

/* ---- what is refused ---- */

static const char *disk_fault(const struct run *r)
{
    static char text[160];
    const struct shm_root *root = r->w->ctx.root;
    const struct shm_config *cfg = r->w->cfg;
    if (heeds(root, HEED_SAVE_FAILED) && cfg->stop_writes_on_bgsave_error && cfg->nsaves)
        return "-" ERR_SAVE_FAILED;
    const struct shm_wal *wal = &persist(root)->wal;
    uint32_t fault = wal_on(root) ? __atomic_load_n(&wal->fault, __ATOMIC_ACQUIRE) : 0;
    if (LIKELY(!fault))
        return NULL;
    snprintf(text, sizeof(text), "-MISCONF Errors writing to the AOF file: %s", strerror((int)fault));
    return text;
}

/* What a replica would be told of: Redis counts it as writing. */
static bool replicates(const struct command *cmd)
{
    return cmd->flags & (F_WRITE | F_MAY_REPLICATE | F_CACHES) || cmd->run == cmd_publish ||
           cmd->run == cmd_spublish;
}

static const char *refusal(const struct run *r, const struct command *cmd, int argc)
{
    if (!cmd)
        return "Unknown Redis command called from script";
    if ((cmd->arity > 0 && cmd->arity != argc) || argc < -cmd->arity)
        return "Wrong number of args calling Redis command from script";
    if (cmd->flags & F_NOSCRIPT || !cmd->run)
        return "This Redis command is not allowed from script";
    if (r->reads && replicates(cmd))
        return "Write commands are not allowed from read-only scripts.";
    if (cmd->flags & F_WRITE && !r->wrote) {
        const char *fault = disk_fault(r);
        if (fault)
            return fault;
    }
    if (cmd->flags & F_DENYOOM && r->w->over_maxmemory && !r->allow_oom && !r->wrote)
        return "-" ERR_OOM;
    return NULL;
}

/* ---- its keys ---- */

static int wants(const struct call *c, struct key_want *stack, struct key_want **want)
{
    *want = stack;
    int n = call_wants(c, stack, KEYS_INLINE);
    if (n <= KEYS_INLINE)
        return n;
    *want = malloc((size_t)n * sizeof(**want));
    CHECK(*want);
    return call_wants(c, *want, n);
}

static enum rc plan_one(struct run *r, struct call *c, struct bytes key, uint32_t db, uint32_t *at)
{
    struct keyplan *p = c->plan;
    unsigned i, before = p->n;
    enum rc rc = keyplan_key(p, c->tx, key, db, &i);
    *at = i;
    if (rc || LIKELY(p->n == before) || (r->reads && c->ctx->root->pause_mode))
        return rc;
    return block_keys_ahead(c->tx, &p->keys[i], 1, c->now_ms);
}

/* A client that caches has read all keys that it names when its script reads any, as with Redis. */
static void note_reads(const struct call *c)
{
    if (c->client && UNLIKELY(c->client->track) && tracking_keeps(c->client))
        tracking_note(c->client, c->cmd, c->argv, c->argc);
}

static enum rc step(struct run *r, struct call *c, const struct key_want *want, int n, uint32_t *index)
{
    enum rc rc = RC_OK;
    for (int i = 0; i < n && !rc; i++)
        rc = plan_one(r, c, c->argv[want[i].arg], want[i].db, &index[i]);
    if (rc)
        return rc;
    c->keys = n == 1 ? &c->plan->keys[index[0]] : c->plan->keys;
    c->key_index = index;
    c->nkeys = (unsigned)n;
    rc = call_step(c, c->stale);
    if (!rc && c->cmd->flags & F_READONLY)
        note_reads(r->c);
    return rc;
}

static enum rc run_keyed(struct run *r, struct call *c)
{
    struct key_want stack[KEYS_INLINE], *want;
    uint32_t stack_index[KEYS_INLINE], *index = stack_index;
    int n = wants(c, stack, &want);
    if (n <= 0) { /* its arguments fit no plan: it says so */
        c->cmd->run(c);
        return c->rc;
    }
    if (n > KEYS_INLINE) {
        index = malloc((size_t)n * sizeof(*index));
        CHECK(index);
    }
    enum rc rc = step(r, c, want, n, index);
    if (want != stack) {
        free(want);
        free(index);
    }
    return rc;
}

/* As in EXEC: behind the closed gate memory shows what the transaction has done. */
static enum rc run_on_databases(struct run *r, struct call *c)
{
    if (!r->w->gated) {
        r->w->wants_gate = c->in_lane;
        return c->in_lane ? RC_BUSY : RC_DEFER;
    }
    enum rc rc = tx_expose(c->tx);
    if (rc)
        return rc;
    c->cmd->run(c);
    r->c->free_first |= c->free_first;
    return c->rc || !(c->cmd->flags & F_GATE) ? c->rc : keyplan_find_again(c->plan, c->tx);
}

/* SELECT is the script's own: its client's database stays. */
static void run_select(struct run *r, struct call *c)
{
    struct shm_session s = *c->session;
    s.db = r->db; /* where it stays if there is no such database */
    c->session = &s;
    cmd_select(c);
    r->db = s.db;
}

static enum rc run_row(struct run *r, struct call *c)
{
    if (command_has_keys(c->cmd))
        return run_keyed(r, c);
    if (c->cmd->flags & (F_READONLY | F_WRITE))
        return run_on_databases(r, c);
    c->tx = NULL;
    if (c->cmd->flags & F_SLOW && !c->in_lane)
        return RC_DEFER;
    if (c->cmd->run == cmd_select)
        run_select(r, c);
    else
        c->cmd->run(c);
    return c->rc;
}

const char *run_command(struct run *r, struct bytes *argv, int argc, bool *refused)
{
    const struct command *box = command_find(argv[0]), *cmd = box ? command_row(box, argv, argc) : NULL;
    const char *why = refusal(r, cmd, argc);
    *refused = why;
    r->reply.len = 0;
    r->reply.resp = r->resp;
    if (UNLIKELY(why)) {
        if (cmd)
            tally_of(r->w->engines, cmd)->rejected++;
        tally_error(r->w->engines, *why == '-' ? why : "-ERR ", strlen(*why == '-' ? why : "-ERR "));
        return why;
    }
    if (UNLIKELY(cmd->flags & F_WRITE) && !r->wrote)
        overtime_wrote(r);
    struct call c = *r->c;
    c.cmd = cmd;
    c.argv = argv;
    c.argc = argc;
    c.db = r->db;
    c.reply = &r->reply;
    c.keys = NULL;
    c.nkeys = 0;
    c.script = NULL;
    c.client = NULL; /* whoever it is, the script is not it */
    c.in_exec = c.in_script = true;
    c.free_first = false;
    c.rc = RC_OK;
    uint64_t from = tick_now();
    enum rc rc = run_row(r, &c);
    if (UNLIKELY(rc))
        run_abandon(r, rc);
    r->c->beyond = c.beyond > r->c->beyond ? c.beyond : r->c->beyond;
    tally(r, &c, ticks_to_us(tick_now() - from));
    if (UNLIKELY(r->w->ctx.root->monitors) && !(cmd->flags & (F_SKIP_MONITOR | F_ADMIN)))
        monitor_line(&r->w->engines->lines, r->c->now_ms, r->db, "lua", cmd, argv, argc);
    return NULL;
}
