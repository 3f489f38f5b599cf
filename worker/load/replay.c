/* Commands from a log, Redis's or ours. Those of one share's keys are gathered into batches, so that memory is
 * fetched ahead; those that concern several shares run when all loaders have met. */
#include "worker/load/load.h"

#include <stdlib.h>
#include <time.h>

#define BATCH       32u
#define ARGS_KEPT   16u /* a command with more is not gathered */
#define ERRORS_SAID 10u

command_fn cmd_mset, cmd_del, cmd_unlink, cmd_script_load, cmd_script_flush;

struct item {
    const struct command *cmd;
    int argc;
    bool located;
    uint32_t db;
    struct key_ref key;
    struct bytes argv[ARGS_KEPT];
};

struct replay {
    unsigned n;
    struct item item[BATCH];
    struct bytes *argv; /* the present command's */
    unsigned argc, cap;
    struct bytes *part; /* of it, for one share */
    unsigned part_cap;
};

/* ---- reading ---- */

/* "<mark><number>\r\n" at p. The number's limit is that of an argument's length. */
static enum replay_result header(const char **p, const char *end, char mark, uint64_t *v)
{
    const char *at = *p;
    if (at == end)
        return REPLAY_CUT;
    if (*at++ != mark)
        return REPLAY_BAD;
    uint64_t n = 0;
    const char *first = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if ((n = n * 10 + (uint64_t)(*at - '0')) > UINT32_MAX)
            return REPLAY_BAD;
    if (at < end && at == first)
        return REPLAY_BAD;
    if (at < end && *at == '\r')
        at++;
    if (at == end)
        return REPLAY_CUT;
    if (*at != '\n')
        return REPLAY_BAD;
    *p = at + 1;
    *v = n;
    return REPLAY_OK;
}

static void room_for(struct bytes **v, unsigned *cap, unsigned n)
{
    if (LIKELY(n <= *cap))
        return;
    *cap = n < 64 ? 64 : n;
    *v = realloc(*v, *cap * sizeof(**v));
    CHECK(*v);
}

static enum replay_result read_command(struct replay *r, const char *p, size_t n, size_t *used)
{
    const char *at = p, *end = p + n;
    uint64_t argc, len;
    enum replay_result res = header(&at, end, '*', &argc);
    if (res)
        return res;
    if (!argc || argc > INT32_MAX)
        return REPLAY_BAD;
    r->argc = 0;
    for (uint64_t i = 0; i < argc; i++) {
        res = header(&at, end, '$', &len);
        if (res)
            return res;
        if ((size_t)(end - at) < len + 2)
            return REPLAY_CUT;
        if (at[len] != '\r' || at[len + 1] != '\n')
            return REPLAY_BAD;
        /* Room grows with what is really there, whatever the header claims. */
        room_for(&r->argv, &r->cap, r->argc == r->cap ? 2 * r->argc + 1 : r->argc + 1);
        r->argv[r->argc++] = (struct bytes){at, len};
        at += len + 2;
    }
    *used = (size_t)(at - p);
    return REPLAY_OK;
}

enum replay_result replay_peek(struct loader *l, const char *p, size_t n, size_t *used,
                               const struct bytes **argv, unsigned *argc)
{
    enum replay_result res = read_command(l->replay, p, n, used);
    *argv = l->replay->argv;
    *argc = l->replay->argc;
    return res;
}

/* ---- running ---- */

static struct call call_of(struct loader *l, const struct command *cmd, struct bytes *argv, int argc,
                           uint32_t db)
{
    l->w.out.len = 0;
    l->session.db = db;
    struct call c = worker_call(&l->w, &l->session, argv, argc);
    c.cmd = cmd;
    c.loading = true;
    return c;
}

/* What was logged had succeeded, so an error means that the file does not fit the keyspace it is run on. It is told
 * and passed over, as Redis does. */
static void look_at_reply(struct loader *l, const struct command *cmd)
{
    const struct reply *r = &l->w.out;
    if (LIKELY(!r->len || r->buf[0] != '-') || l->errors++ >= ERRORS_SAID)
        return;
    log_warning("== CRITICAL == '%s' in %s was answered with an error: %.*s", command_fullname(cmd),
                l->file->path, (int)(r->len > 3 ? r->len - 3 : 0), r->buf + 1);
}

/* Once more, outside of the batch, in pieces if need be, until it is done. A script that works on whole databases wants the
 * gate only then: while it is closed clients are not even told that we load. */
static void run_patiently(struct loader *l, struct call *c)
{
    enum rc rc = RC_BUSY;
    c->in_lane = true;
    l->w.wants_gate = false;
    for (unsigned tries = 0; rc == RC_BUSY; tries++) {
        bool gate = c->cmd->flags & F_GATE || l->w.wants_gate;
        struct timespec nap = {0, 50000};
        if (tries > 2)
            nanosleep(&nap, NULL);
        c->reply->len = 0;
        if (gate) {
            if (!gate_close(c->ctx, 1000))
                continue;
            l->w.gated = true;
            rc = call_run(c);
            l->w.gated = false;
            gate_open(c->ctx);
        } else {
            load_enter(l);
            rc = call_run(c);
            load_leave(l);
        }
    }
    if (rc == RC_NOMEM)
        load_fail_full(l);
    CHECK(!rc);
}

static void run_item(struct loader *l, struct item *it, bool *located)
{
    struct call c = call_of(l, it->cmd, it->argv, it->argc, it->db);
    enum rc rc = *located && it->located ? call_run_located(&c, &it->key) : call_run(&c);
    if (UNLIKELY(rc)) {
        /* The batch ends here: what was located in it may move. */
        load_leave(l);
        run_patiently(l, &c);
        load_enter(l);
        *located = false;
    }
    look_at_reply(l, it->cmd);
}

void replay_flush(struct loader *l)
{
    struct replay *r = l->replay;
    bool located = true;
    if (!r->n)
        return;
    load_enter(l); /* what is found before is not there for certain */
    for (unsigned i = 0; i < r->n; i++)
        if (r->item[i].located)
            key_prefetch_directory(&r->item[i].key);
    for (unsigned i = 0; i < r->n; i++)
        if (r->item[i].located) {
            key_locate(&r->item[i].key);
            key_prefetch_bucket(&r->item[i].key);
        }
    for (unsigned i = 0; i < r->n; i++)
        if (r->item[i].located)
            key_prefetch_entry(&r->item[i].key);
    for (unsigned i = 0; i < r->n; i++)
        run_item(l, &r->item[i], &located);
    load_leave(l);
    r->n = 0;
}

static void run_alone(struct loader *l, const struct command *cmd, struct bytes *argv, unsigned argc)
{
    replay_flush(l);
    struct call c = call_of(l, cmd, argv, (int)argc, l->db);
    run_patiently(l, &c);
    look_at_reply(l, cmd);
}

/* ---- whose it is ---- */

enum { SHARE_MIXED = UINT32_MAX };

static unsigned share_of_key(struct loader *l, struct bytes key, uint64_t *hash)
{
    *hash = key_hash(l->w.ctx.root, key);
    return load_share(l, *hash);
}

/* The share that all of a command's keys belong to; SHARE_MIXED: several, or there are none, or it cannot be told. */
static unsigned share_of(struct loader *l, const struct command *cmd, struct bytes *argv, int argc)
{
    struct call c = call_of(l, cmd, argv, argc, l->db);
    struct key_want want[64];
    struct key_pos pos[64];
    uint64_t hash;
    int n = cmd->wants ? cmd->wants(&c, want, 64) : command_keys(cmd, argv, argc, pos, 64);
    if (n <= 0 || n > 64 || cmd->keys[1].last == KEYS_UNKNOWN) /* which may be in all shares */
        return SHARE_MIXED;
    unsigned share = share_of_key(l, argv[cmd->wants ? want[0].arg : pos[0].index], &hash);
    for (int i = 1; i < n; i++)
        if (share_of_key(l, argv[cmd->wants ? want[i].arg : pos[i].index], &hash) != share)
            return SHARE_MIXED;
    return share;
}

/* MSET, DEL and UNLINK are as good as one command for each key: everybody runs his own part of it. step: the words
 * for a key; 0: no such command. */
static unsigned divisible(const struct command *cmd, unsigned argc)
{
    unsigned step = cmd->run == cmd_mset ? 2 : cmd->run == cmd_del || cmd->run == cmd_unlink ? 1 : 0;
    return step && (argc - 1) % step == 0 ? step : 0;
}

static void run_part(struct loader *l, const struct command *cmd, unsigned step)
{
    struct replay *r = l->replay;
    unsigned n = 1;
    uint64_t hash;
    room_for(&r->part, &r->part_cap, r->argc);
    r->part[0] = r->argv[0];
    for (unsigned i = 1; i < r->argc; i += step)
        if (share_of_key(l, r->argv[i], &hash) == l->index)
            for (unsigned j = 0; j < step; j++)
                r->part[n++] = r->argv[i + j];
    if (n > 1)
        run_alone(l, cmd, r->part, n);
}

static void run_together(struct loader *l, const struct command *cmd)
{
    load_meet(l);
    if (load_is_first(l))
        run_alone(l, cmd, l->replay->argv, l->replay->argc);
    load_go_on(l);
}

/* A key at the first argument, and no other. */
static bool has_one_key(const struct command *cmd)
{
    const struct key_spec *spec = &cmd->keys[0];
    return spec->first == 1 && !spec->last && !cmd->keys[1].first && !cmd->wants;
}

static void gather(struct loader *l, const struct command *cmd, uint64_t hash)
{
    struct replay *r = l->replay;
    struct item *it = &r->item[r->n];
    it->cmd = cmd;
    it->argc = (int)r->argc;
    it->db = l->db;
    for (unsigned i = 0; i < r->argc; i++)
        it->argv[i] = r->argv[i];
    it->key = (struct key_ref){.key = r->argv[1], .hash = hash, .db = l->db};
    it->key.table = db_table(l->w.ctx.root, l->db);
    it->located = it->key.table;
    if (++r->n == BATCH)
        replay_flush(l);
}

static void run_command(struct loader *l, const struct command *cmd)
{
    struct replay *r = l->replay;
    if (LIKELY(has_one_key(cmd))) {
        uint64_t hash;
        if (share_of_key(l, r->argv[1], &hash) != l->index)
            return;
        if (LIKELY(r->argc <= ARGS_KEPT))
            gather(l, cmd, hash);
        else
            run_alone(l, cmd, r->argv, r->argc);
        return;
    }
    unsigned step = l->n > 1 ? divisible(cmd, r->argc) : 0;
    unsigned share = step ? SHARE_MIXED : share_of(l, cmd, r->argv, (int)r->argc);
    if (step)
        run_part(l, cmd, step);
    else if (share == SHARE_MIXED)
        run_together(l, cmd);
    else if (share == l->index)
        run_alone(l, cmd, r->argv, r->argc);
}

/* ---- one command ---- */

static void select_db(struct loader *l)
{
    struct bytes a = l->replay->argc == 2 ? l->replay->argv[1] : (struct bytes){"", 0};
    uint64_t db = 0;
    size_t i = 0;
    for (; i < a.n && a.p[i] >= '0' && a.p[i] <= '9' && db < UINT32_MAX; i++)
        db = db * 10 + (uint64_t)(a.p[i] - '0');
    if (!a.n || i < a.n || db >= l->w.ctx.root->ndbs)
        load_fail(l, "%s selects the database '%.*s', but there are %u of them", l->file->path,
                  (int)(a.n < 64 ? a.n : 64), a.p, l->w.ctx.root->ndbs);
    l->db = (uint32_t)db;
}

static const struct command *find_row(struct loader *l)
{
    const struct replay *r = l->replay;
    struct bytes name = r->argv[0];
    const struct command *cmd = command_find(name);
    if (cmd && cmd->nsubs && r->argc > 1)
        cmd = command_find_sub(cmd, r->argv[1]);
    if (!cmd || !cmd->run)
        load_fail(l, "Unknown command '%.*s' reading the append only file %s",
                  (int)(name.n < 128 ? name.n : 128), name.p, l->file->path);
    if ((cmd->arity > 0 && (int)r->argc != cmd->arity) || (int)r->argc < -cmd->arity)
        load_fail(l, "Wrong number of arguments for '%s' reading the append only file %s",
                  command_fullname(cmd), l->file->path);
    return cmd;
}

/* Before Redis 7 a log could hold programs instead of what they did, and what makes programs known. */
static bool is_program(const struct command *cmd)
{
    return (cmd->flags & (F_SCRIPT | F_READONLY)) == F_SCRIPT || cmd->run == cmd_script_load ||
           cmd->run == cmd_script_flush;
}

enum replay_result replay_next(struct loader *l, const char *p, size_t n, size_t *used)
{
    enum replay_result res = read_command(l->replay, p, n, used);
    if (UNLIKELY(res))
        return res;
    if (UNLIKELY(bytes_is(l->replay->argv[0], "select"))) {
        select_db(l);
        return REPLAY_OK;
    }
    const struct command *cmd = find_row(l);
    if (LIKELY(cmd->flags & F_WRITE))
        run_command(l, cmd);
    else if (is_program(cmd))
        run_together(l, cmd);
    else if (!(cmd->flags & F_READONLY))
        load_fail(l, "The command '%s' in the append only file %s is none that changes keys",
                  command_fullname(cmd), l->file->path);
    return REPLAY_OK;
}

struct replay *replay_new(void)
{
    return calloc(1, sizeof(struct replay));
}
