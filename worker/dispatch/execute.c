#include "worker/dispatch/execute.h"
#include "shm/base/log.h"
#include "shm/config.h"
#include "shm/types/warm.h"
#include "shm/wal.h"
#include "worker/dispatch/block.h"
#include "worker/dispatch/busy.h"
#include "worker/dispatch/monitor.h"
#include "worker/dispatch/multi.h"
#include "worker/dispatch/script.h"
#include "worker/dispatch/stats.h"
#include "worker/net/pubsub.h"
#include "worker/net/tracking.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

command_fn cmd_exec;

/* ---- a cheap clock ---- */

static uint64_t ticks_per_us = 1000;

#if defined(__x86_64__)
uint64_t tick_now(void)
{
    return __builtin_ia32_rdtsc();
}
#else
uint64_t tick_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
#endif

uint64_t ticks_to_us(uint64_t ticks)
{
    return LIKELY(ticks < ticks_per_us) ? 0
                                        : ticks / ticks_per_us; /* a division takes longer than much else */
}

uint64_t ticks_of_us(uint64_t us)
{
    return us * ticks_per_us;
}

void tick_calibrate(void)
{
    struct timespec a, b, nap = {0, 2000000};
    clock_gettime(CLOCK_MONOTONIC, &a);
    uint64_t from = tick_now();
    nanosleep(&nap, NULL);
    uint64_t ticks = tick_now() - from;
    clock_gettime(CLOCK_MONOTONIC, &b);
    uint64_t us = (uint64_t)(b.tv_sec - a.tv_sec) * 1000000 + (uint64_t)(b.tv_nsec - a.tv_nsec) / 1000;
    ticks_per_us = us && ticks / us ? ticks / us : 1;
}

/* ---- ahead of time ---- */

/* Which argument is the command's one key, or the first that its script declares; 0: none is looked at ahead. */
static int key_ahead(const struct command *cmd, const struct request *rq)
{
    const struct key_spec *spec = &cmd->keys[0];
    if (UNLIKELY(cmd->flags & F_SCRIPT))
        return rq->argc > 3 && !bytes_equal(rq->argv[2], BYTES_LIT("0")) ? 3 : 0;
    bool one = spec->first == 1 && !(spec->flags & K_NOT_KEY) && spec->last == 0 && !cmd->keys[1].first &&
               !cmd->wants && rq->argc >= 2;
    return one;
}

static const struct command *find_command(const struct request *rq, const struct ahead *a, bool first)
{
    return !first && bytes_equal(rq->argv[0], rq[-1].argv[0]) ? a[-1].cmd : command_find(rq->argv[0]);
}

void execute_ahead(struct client *cl, const struct request *rq, struct ahead *a, bool first)
{
    a->cmd = find_command(rq, a, first);
    a->located = a->same = false;
    if (UNLIKELY(!a->cmd))
        return;
    int at = key_ahead(a->cmd, rq);
    if (!at)
        return;
    struct key_ref *k = &a->key;
    k->key = rq->argv[at];
    k->db = cl->session->db;
    k->table = db_table(cl->w->ctx.root, k->db);
    if (!k->table)
        return;
    k->slot = NULL;
    k->entry = 0;
    k->arg = 0;
    k->born = k->stale = k->locked = k->replaced = k->logged = k->changed = k->overflowed = false;
    a->located = true;
    a->same = !first && a[-1].located && a[-1].key.table == k->table && bytes_equal(k->key, a[-1].key.key);
    if (a->same) {
        k->hash = a[-1].key.hash;
        return;
    }
    k->hash = key_hash(cl->w->ctx.root, k->key);
    key_prefetch_directory(k);
}

void execute_ahead_members(const struct client *cl, const struct request *rq, const struct ahead *a,
                           unsigned n)
{
    struct warm w[WARM_MOST];
    unsigned m = 0;
    for (unsigned i = 0; i < n && m < WARM_MOST; i++) {
        const struct command *cmd = a[i].cmd;
        if (!a[i].located || !cmd->member || rq[i].argc <= cmd->member)
            continue;
        const struct bytes *at = &rq[i].argv[cmd->member];
        w[m++] = (struct warm){&a[i].key, at[0], cmd->scored ? at[-1] : (struct bytes){NULL, 0}};
    }
    if (m)
        warm_members(&cl->w->ctx, w, m);
}

/* ---- the checks ---- */

static void reply_unknown(struct reply *r, const struct request *rq)
{
    char text[512];
    size_t at = 0;
    struct bytes name = rq->argv[0];
    for (int i = 1; i < rq->argc && at < 128; i++) {
        struct bytes a = rq->argv[i];
        int n =
            snprintf(text + at, sizeof(text) - at, "'%.*s' ", (int)(a.n < 128 - at ? a.n : 128 - at), a.p);
        at += n > 0 ? (size_t)n : 0;
    }
    text[at] = 0;
    reply_errorf(r, "ERR unknown command '%.*s', with args beginning with: %s",
                 (int)(name.n < 128 ? name.n : 128), name.p, text);
}

static void reply_unknown_sub(struct reply *r, const struct command *box, struct bytes sub)
{
    char parent[32];
    size_t n = strlen(box->name);
    for (size_t i = 0; i <= n && i < sizeof(parent); i++)
        parent[i] = (char)toupper((unsigned char)box->name[i]);
    reply_errorf(r, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)(sub.n < 128 ? sub.n : 128), sub.p,
                 parent);
}

/* A container's row becomes its subcommand's. False: the error is written. */
static bool find_row(struct reply *r, const struct request *rq, const struct command **cmd)
{
    const struct command *row = *cmd;
    if (UNLIKELY(!row)) {
        reply_unknown(r, rq);
        return false;
    }
    row = command_row(row, rq->argv, rq->argc);
    if (UNLIKELY(!row)) {
        reply_unknown_sub(r, *cmd, rq->argv[1]);
        return false;
    }
    *cmd = row;
    if ((row->arity > 0 && rq->argc != row->arity) || rq->argc < -row->arity || !row->run) {
        reply_errorf(r, "ERR wrong number of arguments for '%s' command", command_fullname(row));
        return false;
    }
    return true;
}

static bool paused(const struct client *cl, uint32_t flags)
{
    const struct shm_root *root = cl->w->ctx.root;
    if (heeds(root, HEED_LAST_SAVE | HEED_RELOAD) && flags & (F_WRITE | F_MAY_REPLICATE))
        return true;
    if (LIKELY(!root_paused(root, cl->w->now_ms)))
        return false;
    if (root->pause_mode == 2)
        return true; /* CLIENT UNPAUSE waits, too: as in Redis only the time ends such a pause */
    return flags & (F_WRITE | F_MAY_REPLICATE);
}

/* What the disk's state forbids, in the order of Redis: a write while its effect could not be kept, and anything but a
 * few commands while the keyspace is being loaded. False: refused, in words. */
static bool disk_allows(struct client *cl, uint32_t flags)
{
    const struct shm_root *root = cl->w->ctx.root;
    const struct shm_config *cfg = cl->w->cfg;
    struct reply *r = &cl->w->out;
    if (flags & (F_WRITE | F_HEALTH)) {
        if (heeds(root, HEED_SAVE_FAILED) && cfg->stop_writes_on_bgsave_error && cfg->nsaves) {
            reply_error(r, ERR_SAVE_FAILED);
            return false;
        }
        const struct shm_wal *wal = &persist(root)->wal;
        uint32_t fault = wal_on(root) ? __atomic_load_n(&wal->fault, __ATOMIC_ACQUIRE) : 0;
        if (UNLIKELY(fault)) {
            reply_errorf(r, "MISCONF Errors writing to the AOF file: %s", strerror((int)fault));
            return false;
        }
    }
    if (heeds(root, HEED_LOADING) && !(flags & F_LOADING)) {
        reply_error(r, ERR_LOADING);
        return false;
    }
    return true;
}

/* Without RESP3 a message between replies would be taken for one of them. */
static bool subscriber_may(const struct client *cl, const struct command *row)
{
    return cl->session->resp == 3 || row->flags & F_SUBSCRIBED;
}

static inline void call_of(struct call *c, struct client *cl, struct request *rq, const struct command *cmd)
{
    worker_call_in(c, cl->w, cl->session, rq->argv, rq->argc);
    c->client = cl;
    c->cmd = cmd;
}

/* Something may refuse a command by its flags: then those count that a script says of itself. */
static uint32_t flags_of(struct client *cl, struct request *rq, const struct command *row)
{
    const struct shm_root *root = cl->w->ctx.root;
    if (LIKELY(!(row->flags & F_SCRIPT)) ||
        !(cl->w->over_maxmemory || root->pause_mode || persist(root)->heed || persist(root)->wal.fault))
        return row->flags;
    struct call c;
    call_of(&c, cl, rq, row);
    return script_row_flags(&c);
}

/* Everything that may refuse a command before it is run. RC_OK: it may; RC_INVALID: refused, in words. */
static enum rc admit(struct client *cl, struct request *rq, const struct command **cmd)
{
    struct reply *r = &cl->w->out;
    if (!find_row(r, rq, cmd)) {
        if (*cmd && (*cmd)->run)
            cl->w->ctx.slot->cmd[(*cmd)->id].rejected++; /* the wrong number of arguments */
        return RC_INVALID;
    }
    const struct command *row = *cmd;
    if (UNLIKELY(!cl->session->authenticated) && !(row->flags & F_NO_AUTH)) {
        reply_error(r, "NOAUTH Authentication required.");
        cl->w->ctx.slot->cmd[row->id].rejected++;
        return RC_INVALID;
    }
    uint32_t flags = flags_of(cl, rq, row);
    bool queues = false;
    if (UNLIKELY(cl->multi)) {
        flags = multi_flags(cl, row);
        queues = multi_queues(cl, row);
        if (row->flags & F_NO_MULTI && queues) {
            reply_error(r, "ERR Command not allowed inside a transaction");
            cl->w->ctx.slot->cmd[row->id].rejected++;
            return RC_INVALID;
        }
    }
    /* What is queued takes memory, whatever it does. */
    if (UNLIKELY(cl->w->over_maxmemory) && (flags & F_DENYOOM || queues)) {
        reply_error(r, ERR_OOM);
        cl->w->ctx.slot->cmd[row->id].rejected++;
        cl->w->ctx.slot->stats.oom_rejected++;
        return RC_INVALID;
    }
    if (UNLIKELY(!disk_allows(cl, flags))) {
        cl->w->ctx.slot->cmd[row->id].rejected++;
        return RC_INVALID;
    }
    if (UNLIKELY(cl->subs) && !subscriber_may(cl, row)) {
        reply_errorf(r,
                     "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                     "are allowed in this context",
                     command_fullname(row));
        cl->w->ctx.slot->cmd[row->id].rejected++;
        return RC_INVALID;
    }
    return paused(cl, flags) ? RC_MISSING : RC_OK;
}

static enum rc refuse_oom(struct worker *w)
{
    reply_error(&w->out, ERR_OOM);
    w->ctx.slot->stats.oom_rejected++;
    return RC_OK;
}

static enum rc run(struct client *cl, struct request *rq, struct ahead *a, const struct command *cmd)
{
    struct worker *w = cl->w;
    /* The gate is closed in the lane alone. Without it a table could be buried while somebody still changes it. */
    if (UNLIKELY(cmd->flags & (F_SLOW | F_GATE)) ||
        UNLIKELY(a->is_long && ((cmd->keys[0].first && !(cmd->flags & F_WATCHES)) || cmd->flags & F_ECHOES)))
        return RC_DEFER;
    struct call c;
    call_of(&c, cl, rq, cmd);
    size_t mark = w->out.len;
    bool keeps = UNLIKELY(cl->track) && tracking_keeps(cl);
    if (UNLIKELY(keeps))
        tracking_mark(cl, cmd, rq->argv, rq->argc);
    uint64_t from =
        w->tick; /* reading the clock takes as long as a lookup: once for each command is enough */
    bool ready = a->located && a->key.db == c.db && cmd == a->cmd && !(cmd->flags & F_SCRIPT);
    enum rc rc = ready ? call_run_located(&c, &a->key) : call_run(&c);
    w->need_lsn = c.need;
    if (UNLIKELY(c.block_until) && !rc) {
        blocked_begin(cl, c.block_until, c.block_lsn);
        return RC_AWAIT;
    }
    w->tick = tick_now();
    if (UNLIKELY(keeps) && !rc && !(cmd->flags & F_SCRIPT)) /* a script does so when it reads */
        tracking_note(cl, cmd, rq->argv, rq->argc);
    if (LIKELY(!rc)) {
        stats_command(&c, c.slept_us + ticks_to_us(w->tick - from),
                      w->out.len > mark && w->out.buf[mark] == '-');
        return RC_OK;
    }
    return rc == RC_NOMEM ? refuse_oom(w) : rc;
}

/* The arena has no room for the mail to the slow lane. What may free memory is done here, however long it takes;
 * the rest is refused. */
static enum rc run_starved(struct client *cl, struct request *rq, const struct command *cmd)
{
    struct worker *w = cl->w;
    struct call c;
    call_of(&c, cl, rq, cmd);
    c.client = NULL; /* as in the lane */
    c.in_lane = true;
    if (cmd->flags & F_DENYOOM || !(cmd->flags & (F_WRITE | F_SUMS)))
        return refuse_oom(w);
    if (cmd->flags & F_GATE && !gate_close(&w->ctx, 1000))
        return RC_BUSY;
    enum rc rc = call_run(&c);
    w->need_lsn = c.need;
    if (cmd->flags & F_GATE)
        gate_open(&w->ctx);
    return rc == RC_NOMEM ? refuse_oom(w) : rc;
}

/* The lane reads for the client: whatever changes from now on is told behind the reply. */
static void keep_ahead(struct client *cl, const struct request *rq, const struct command *cmd)
{
    const struct multi *m = cl->multi;
    if (cmd->run != cmd_exec) {
        tracking_ahead(cl, cmd, rq->argv, rq->argc);
        return;
    }
    for (unsigned i = 0; i < m->n; i++)
        tracking_ahead(cl, m->q[i].cmd, m->q[i].argv, m->q[i].argc);
}

/* RC_DEFER: it is on its way. RC_OK: there was no way, and its reply is written. RC_BUSY: again later. */
static enum rc defer(struct client *cl, struct request *rq, const struct command *cmd)
{
    bool exec = cmd->run == cmd_exec;
    if (UNLIKELY(cl->track) && tracking_keeps(cl))
        keep_ahead(cl, rq, cmd);
    enum rc rc = exec ? lane_send_queue(cl) : lane_send(cl, rq->argv, rq->argc);
    if (exec && rc == RC_NOMEM) {
        reply_error(&cl->w->out, ERR_EXEC_OOM);
        multi_drop(cl);
        return RC_OK;
    }
    if (rc == RC_NOMEM)
        return run_starved(cl, rq, cmd);
    if (rc)
        return RC_BUSY;
    cl->lane_script = exec || cmd->flags & F_SCRIPT;
    if (exec && !cl->lane_again)
        monitor_feed_queue(cl);
    cl->w->ctx.slot->stats.slow_lane += !cl->lane_again;
    return RC_DEFER;
}

/* What CLIENT REPLY OFF and SKIP do to a reply that has been written. */
static void reply_modes(struct client *cl, size_t mark)
{
    struct worker *w = cl->w;
    if (cl->reply_off || cl->reply_skip)
        w->out.len = w->pushed > mark ? w->pushed : mark;
    cl->reply_skip = cl->reply_skip_next;
    cl->reply_skip_next = false;
}

/* A subscriber that causes messages to itself has them before or behind the command's reply, as the handler made them:
 * never within it. */
static void push_around(struct client *cl, size_t mark)
{
    struct worker *w = cl->w;
    struct reply kept = {0}, behind = {0};
    bool silent = cl->reply_off || cl->reply_skip; /* the reply is taken away again, from its beginning on */
    reply_raw(&kept, w->out.buf + mark, w->out.len - mark);
    w->out.len = mark;
    w->net->behind_reply = silent ? NULL : &behind;
    post_send(w);
    w->net->behind_reply = NULL;
    reply_raw(&w->out, kept.buf, kept.len);
    reply_raw(&w->out, behind.buf, behind.len);
    reply_free(&kept);
    reply_free(&behind);
}

/* It waits for a latch that a script has held for too long, or for a lane. */
static bool refused_as_busy(struct client *cl, const struct command *cmd)
{
    struct worker *w = cl->w;
    const char *words = busy_words(&w->ctx, w->cfg);
    w->ctx.held_by = 0;
    if (words && cmd->run == cmd_exec) {
        reply_errorf(&w->out, ERR_EXEC_FOR "%s", words);
        multi_abort(cl);
    } else if (words) {
        reply_error(&w->out, words);
    }
    return words;
}

/* RC_OK: its reply is written. Otherwise nothing happened, or it is on its way to the slow lane (RC_DEFER). */
static enum rc run_admitted(struct client *cl, struct request *rq, struct ahead *a, const struct command *cmd)
{
    struct worker *w = cl->w;
    cl->session->last_cmd = cmd->id + 1u;
    if (UNLIKELY(cl->multi) && multi_queues(cl, cmd)) {
        multi_queue(cl, cmd, rq);
        return RC_OK;
    }
    size_t mark = w->net->reply_mark = w->out.len;
    enum rc rc = run(cl, rq, a, cmd);
    if (UNLIKELY(w->changes.len)) /* before anything is received: it may be of what was read */
        changes_settle(w);
    if (UNLIKELY(cl->subs) && !rc && post_waits(w))
        push_around(cl, mark);
    if (UNLIKELY(rc == RC_DEFER))
        rc = defer(cl, rq, cmd);
    if (UNLIKELY(rc == RC_BUSY) && refused_as_busy(cl, cmd))
        rc = RC_OK;
    if (UNLIKELY(cl->track) && (!rc || rc == RC_DEFER))
        tracking_command_over(cl, cmd);
    w->ctx.slot->stats.parked += UNLIKELY(rc == RC_BUSY);
    if (UNLIKELY(rc == RC_BUSY || rc == RC_AWAIT))
        return rc;
    /* After the command, when it is certain that it will not be run again. */
    if (UNLIKELY(w->ctx.root->monitors) && !(cmd->flags & (F_SKIP_MONITOR | F_ADMIN)) && !cl->lane_again)
        monitor_feed(cl, cmd, rq);
    return rc;
}

enum rc execute(struct client *cl, struct request *rq, struct ahead *a)
{
    struct worker *w = cl->w;
    const struct command *cmd = a->cmd;
    size_t mark = w->out.len;
    w->out.resp = cl->session->resp;
    w->need_lsn = 0;
    w->pushed = 0;
    enum rc rc = admit(cl, rq, &cmd);
    if (UNLIKELY(rc == RC_MISSING)) {
        cl->session->last_cmd = cmd->id + 1u; /* what CLIENT LIST shows is what it waits with */
        return rc;
    }
    if (LIKELY(!rc)) {
        rc = run_admitted(cl, rq, a, cmd);
        if (UNLIKELY(rc))
            return rc;
    } else {
        multi_refused(cl, cmd, mark);
        block_leave(w, cl->session); /* it may have come here as one who waits, without having waited here */
        if (UNLIKELY(cl->track))
            tracking_command_over(cl, cmd);
    }
    if (UNLIKELY(w->out.len > mark && w->out.buf[mark] == '-'))
        stats_error(&w->ctx, w->out.buf + mark, w->out.len - mark);
    if (UNLIKELY(cl->blocked)) { /* it has its reply, perhaps a refusal */
        block_leave(w, cl->session);
        blocked_end(cl);
    }
    cl->lane_again = false;
    if (UNLIKELY(cl->told)) { /* an answer that its command did not come to take */
        free(cl->told);
        cl->told = NULL;
    }
    w->ctx.slot->stats.commands++;
    cl->session->commands++;
    if (UNLIKELY(cl->reply_off || cl->reply_skip || cl->reply_skip_next) && !cl->wait) /* or it comes later */
        reply_modes(cl, mark);
    if (UNLIKELY(w->need_lsn || cl->need_lsn))
        hold_reply(cl, w->need_lsn, mark);
    return RC_OK;
}
