#include "worker/dispatch/stats.h"

#include <stdio.h>

#include "shm/config.h"
#include "shm/latency.h"
#include "shm/slowlog.h"

command_fn cmd_auth, cmd_hello, cmd_config_set;

void stats_clear(struct shm_ctx *ctx)
{
    struct shm_slot *s = ctx->slot;
    uint64_t epoch = ctx->root->stats_epoch, dirty = s->stats.dirty;
    memset(&s->stats, 0, sizeof(s->stats));
    s->stats.dirty = dirty; /* counts since the start: the save points go by it */
    memset(s->cmd, 0, sizeof(s->cmd));
    memset(s->hist, 0, sizeof(s->hist));
    memset(s->err, 0, sizeof(s->err));
    s->over_ms = 0;
    memset(s->metric, 0, sizeof(s->metric));
    __atomic_store_n(&s->seen_stats_epoch, epoch, __ATOMIC_RELEASE);
}

bool argument_is_secret(const struct command *cmd, const struct bytes *argv, int argc, int i)
{
    if (cmd->run == cmd_auth)
        return i > 0;
    if (cmd->run == cmd_hello) {
        for (int k = 2; k + 2 < argc; k++)
            if (bytes_is(argv[k], "auth"))
                return i == k + 1 || i == k + 2;
        return false;
    }
    if (cmd->run != cmd_config_set || i < 3 || i % 2 == 0)
        return false;
    int id = config_find(argv[i - 1]);
    return id >= 0 && config_flags(id) & DIR_SENS;
}

/* ---- the slow log ---- */

#define MORE_BYTES 40 /* "... (18446744073709551615 more arguments)" */
#define SECRET     "(redacted)"

/* An argument as the log shows it; what had to be cut is told in text. */
static struct bytes shown_argument(struct bytes a, char text[SLOWLOG_ARG_MAX + MORE_BYTES])
{
    if (a.n <= SLOWLOG_ARG_MAX)
        return a;
    memcpy(text, a.p, SLOWLOG_ARG_MAX);
    int n = snprintf(text + SLOWLOG_ARG_MAX, MORE_BYTES, "... (%zu more bytes)", a.n - SLOWLOG_ARG_MAX);
    return (struct bytes){text, SLOWLOG_ARG_MAX + (size_t)n};
}

/* The client of a script's commands is none, which Redis shows so. */
static void name_client(const struct call *c, struct bytes parts[2])
{
    const struct shm_session *s = c->session;
    parts[0] = c->in_script ? BYTES_LIT("?:0") : (struct bytes){s->addr, strnlen(s->addr, sizeof(s->addr))};
    parts[1] = c->in_script ? BYTES_LIT("") : (struct bytes){s->name, strnlen(s->name, sizeof(s->name))};
}

bool stats_slow_entry(const struct call *c, uint64_t usec, struct slow_entry *e)
{
    char text[SLOWLOG_ARGS][SLOWLOG_ARG_MAX + MORE_BYTES];
    struct bytes parts[SLOWLOG_ARGS + 2];
    unsigned shown = (unsigned)c->argc < SLOWLOG_ARGS ? (unsigned)c->argc : SLOWLOG_ARGS;
    /* -1, which means never, is the largest of all when it is unsigned. */
    if (usec < (uint64_t)c->cfg->slowlog_log_slower_than || c->cmd->flags & F_SKIP_SLOWLOG)
        return false;
    name_client(c, parts);
    for (unsigned i = 0; i < shown; i++)
        parts[i + 2] = argument_is_secret(c->cmd, c->argv, c->argc, (int)i)
                           ? BYTES_LIT(SECRET)
                           : shown_argument(c->argv[i], text[i]);
    if ((unsigned)c->argc > SLOWLOG_ARGS) { /* the last place tells of the rest, which begins with its own */
        char *t = text[SLOWLOG_ARGS - 1];
        int n = snprintf(t, sizeof(text[0]), "... (%u more arguments)", (unsigned)c->argc - SLOWLOG_ARGS + 1);
        parts[SLOWLOG_ARGS + 1] = (struct bytes){t, (size_t)n};
    }
    slowlog_build(e, usec, c->now_ms / 1000, parts, shown + 2);
    return true;
}

uint64_t stats_slow_us(const struct shm_config *cfg)
{
    uint64_t log = (uint64_t)cfg->slowlog_log_slower_than, event = (uint64_t)cfg->latency_monitor_threshold;
    return event && event * 1000 < log ? event * 1000 : log;
}

void stats_latency(const struct call *c, bool fast, uint64_t usec)
{
    uint64_t threshold_ms = (uint64_t)c->cfg->latency_monitor_threshold;
    if (threshold_ms && usec / 1000 >= threshold_ms)
        latency_add(c->ctx, fast ? LATENCY_FAST : LATENCY_COMMAND, c->now_ms / 1000, usec / 1000);
}

static __attribute__((noinline, cold)) void tell_slow(const struct call *c, uint64_t usec)
{
    _Alignas(8) char record[SLOWLOG_RECORD_MAX];
    struct slow_entry *e = (struct slow_entry *)record;
    if (stats_slow_entry(c, usec, e))
        slowlog_note(c->ctx, e);
    stats_latency(c, c->cmd->flags & F_FAST, usec);
}

void stats_command(struct call *c, uint64_t usec, bool failed)
{
    struct shm_slot *s = c->ctx->slot;
    const struct shm_config *cfg = c->cfg;
    struct shm_cmdstat *st = &s->cmd[c->cmd->id];
    st->calls++;
    st->usec += usec;
    st->failed += failed;
    if (LIKELY(cfg->latency_tracking))
        s->hist[c->cmd->id][stats_bucket(usec)]++;
    if (UNLIKELY(usec >= stats_slow_us(cfg)))
        tell_slow(c, usec);
}

/* ---- errors by their code ---- */

/* The word before the first blank, ERR when there is none. */
static struct bytes error_code(const char *line, size_t n)
{
    const char *blank = n > 1 ? memchr(line + 1, ' ', n < 32 ? n - 1 : 31) : NULL;
    return blank ? (struct bytes){line + 1, (size_t)(blank - line) - 1} : BYTES_LIT("ERR");
}

void stats_error(struct shm_ctx *ctx, const char *line, size_t n)
{
    struct shm_slot *s = ctx->slot;
    struct bytes code = error_code(line, n);
    s->stats.errors++;
    for (unsigned i = 0; i < ERRSTATS; i++) {
        struct shm_errstat *e = &s->err[i];
        if (!e->count) {
            memcpy(e->name, code.p, code.n);
            e->name[code.n] = 0;
        } else if (strncmp(e->name, code.p, code.n) != 0 || e->name[code.n]) {
            continue;
        }
        __atomic_store_n(&e->count, e->count + 1, __ATOMIC_RELEASE);
        return;
    }
}
