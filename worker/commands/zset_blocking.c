/* worker/commands/zset_blocking.c - commands on sorted sets that wait until there is something to pop. The log is told of
 * the pop alone. */
#include "worker/commands/zset_args.h"
#include "worker/dispatch/block.h"

/* ---- BZPOPMIN, BZPOPMAX ---- */

static void take_one(struct call *c, unsigned i, const void *arg)
{
    struct key_ref *k = call_key(c, i);
    struct zset z;
    struct zset_place at;
    bool high = *(const bool *)arg;
    zset_open(c->tx, key_entry(k), &z);
    uint64_t rank = high ? z.n - 1 : 0;
    CHECK(zset_at(&z, rank, &at));
    struct zset_pair pair = zset_pair(&at);
    reply_array(c->reply, 3);
    reply_bulk(c->reply, k->key.p, k->key.n);
    reply_bulk(c->reply, pair.member.p, pair.member.n);
    reply_double(c->reply, pair.score);
    enum rc rc = zset_remove_ranks(c->tx, k, rank, rank + 1);
    if (!rc)
        rc = call_effect(c, 2, (struct bytes[]){high ? BYTES_LIT("ZPOPMAX") : BYTES_LIT("ZPOPMIN"), k->key});
    if (rc)
        call_fail(c, rc);
    else
        zset_tell_pop(c, k, high);
}

static void block_pop(struct call *c, bool high)
{
    struct block b = {.type = TYPE_ZSET, .nkeys = (unsigned)c->argc - 2, .take = take_one, .arg = &high};
    if (block_timeout_arg(c, c->argc - 1, &b.timeout_ms))
        block_run(c, &b);
}

void cmd_bzpopmin(struct call *c)
{
    block_pop(c, false);
}

void cmd_bzpopmax(struct call *c)
{
    block_pop(c, true);
}

/* ---- BZMPOP ---- */

static void take_many(struct call *c, unsigned i, const void *arg)
{
    zset_mpop_from(c, call_key(c, i), arg);
}

void cmd_bzmpop(struct call *c)
{
    int64_t nkeys;
    struct zset_pop p = {0};
    struct block b = {.type = TYPE_ZSET, .take = take_many, .arg = &p};
    if (!zset_mpop_args(c, 2, &nkeys, &p) || !block_timeout_arg(c, 1, &b.timeout_ms))
        return;
    b.nkeys = (unsigned)nkeys;
    block_run(c, &b);
}
