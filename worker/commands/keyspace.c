/* worker/commands/keyspace.c - commands on whole databases. FLUSH* and SWAPDB run behind the closed gate. */
#include "shm/waiters.h"
#include "shm/config.h"
#include "shm/persist.h"
#include "worker/commands/args.h"

#include <stdlib.h>

void cmd_dbsize(struct call *c)
{
    reply_int(c->reply, table_keys(db_table(c->ctx->root, c->db)));
}

/* The tables are cut off at once and freed piece by piece. With SYNC the reply comes when that is done. */
static bool flush_mode(struct call *c)
{
    bool async = c->argc == 2 && bytes_is(c->argv[1], "async"),
         sync = c->argc == 2 && bytes_is(c->argv[1], "sync");
    if (c->argc > 1 && !async && !sync) {
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    c->free_first = sync || (!async && !c->cfg->lazyfree_lazy_user_flush);
    return true;
}

static void flush(struct call *c, const uint32_t *dbs, unsigned n)
{
    enum rc rc = c->tx ? db_flush_in(c->tx, dbs, n) : db_flush(c->ctx, dbs, n);
    if (rc)
        call_fail(c, rc);
    else
        reply_ok(c->reply);
}

void cmd_flushdb(struct call *c)
{
    if (flush_mode(c))
        flush(c, &c->db, 1);
}

void cmd_flushall(struct call *c)
{
    if (!flush_mode(c))
        return;
    uint32_t n = c->ctx->root->ndbs, used = 0, *dbs = malloc(n * sizeof(*dbs));
    CHECK(dbs);
    for (uint32_t i = 0; i < n; i++)
        if (db_table(c->ctx->root, i))
            dbs[used++] = i;
    flush(c, dbs, used);
    free(dbs);
    /* In EXEC the commit comes later, if it comes: a save too many harms nobody. */
    if (c->cfg->nsaves && !c->rc && !c->loading)
        __atomic_store_n(&persist(c->ctx->root)->flushed, 1, __ATOMIC_RELEASE);
}

void cmd_swapdb(struct call *c)
{
    static const char *const error[] = {"ERR invalid first DB index", "ERR invalid second DB index"};
    int64_t db[2];
    for (int i = 0; i < 2; i++)
        if (arg_int_error(c->argv[1 + i], &db[i])) {
            reply_error(c->reply, error[i]);
            return;
        }
    for (int i = 0; i < 2; i++)
        if (db[i] < 0 || db[i] >= (int64_t)c->ctx->root->ndbs) {
            reply_error(c->reply, ERR_DB_RANGE);
            return;
        }
    waiters_stir(c->ctx->root); /* who waits for a key of either may have it now */
    uint32_t a = (uint32_t)db[0], b = (uint32_t)db[1];
    enum rc rc = a == b ? RC_OK : c->tx ? db_swap_in(c->tx, a, b) : db_swap(c->ctx, a, b);
    if (rc)
        call_fail(c, rc);
    else
        reply_ok(c->reply);
}
