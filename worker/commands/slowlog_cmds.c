/* worker/commands/slowlog_cmds.c - SLOWLOG: the entries of all workers in one order. */
#include <stdlib.h>

#include "shm/base/number.h"
#include "shm/config.h"
#include "shm/slowlog.h"
#include "worker/commands/server_cmds.h"

command_fn cmd_slowlog_get, cmd_slowlog_len, cmd_slowlog_reset;

struct gathered {
    struct slow_entry **v;
    size_t n, cap;
};

static void gather(void *arg, const struct slow_entry *e)
{
    struct gathered *g = arg;
    if (g->n == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 64;
        g->v = realloc(g->v, g->cap * sizeof(struct slow_entry *));
        CHECK(g->v);
    }
    struct slow_entry *copy = malloc(e->bytes);
    CHECK(copy);
    memcpy(copy, e, e->bytes);
    g->v[g->n++] = copy;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = (*(struct slow_entry *const *)a)->id, y = (*(struct slow_entry *const *)b)->id;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void put_entry(struct call *c, const struct slow_entry *e)
{
    struct bytes parts[SLOWLOG_ARGS + 2];
    unsigned n = slowlog_parts(e, parts, ARRAY_LEN(parts));
    reply_array(c->reply, 6);
    reply_int(c->reply, (long long)e->id);
    reply_int(c->reply, e->time_s);
    reply_int(c->reply, (long long)e->usec);
    reply_array(c->reply, n - 2);
    for (unsigned i = 2; i < n; i++)
        reply_bulk(c->reply, parts[i].p, parts[i].n);
    reply_bulk(c->reply, parts[0].p, parts[0].n);
    reply_bulk(c->reply, parts[1].p, parts[1].n);
}

void cmd_slowlog_get(struct call *c)
{
    struct gathered g = {0};
    int64_t count = 10;
    if (c->argc > 3) {
        reply_subcommand_syntax(c);
        return;
    }
    if (c->argc == 3 && (!number_to_int64(c->argv[2], &count) || count < -1)) {
        reply_error(c->reply, "ERR count should be greater than or equal to -1");
        return;
    }
    slowlog_walk(c->cfg->slowlog_max_len, gather, &g);
    if (g.n)
        qsort(g.v, g.n, sizeof(struct slow_entry *), newest_first);
    size_t shown = count < 0 || (uint64_t)count > g.n ? g.n : (size_t)count;
    reply_array(c->reply, shown);
    for (size_t i = 0; i < shown; i++)
        put_entry(c, g.v[i]);
    for (size_t i = 0; i < g.n; i++)
        free(g.v[i]);
    free(g.v);
}

static void count_entry(void *arg, const struct slow_entry *e)
{
    (void)e;
    ++*(long long *)arg;
}

void cmd_slowlog_len(struct call *c)
{
    long long n = 0;
    slowlog_walk(c->cfg->slowlog_max_len, count_entry, &n);
    reply_int(c->reply, n);
}

void cmd_slowlog_reset(struct call *c)
{
    slowlog_reset();
    reply_ok(c->reply);
}
