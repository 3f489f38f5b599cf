/* worker/commands/list_blocking.c - commands on lists that wait until there is something to pop. The log is told of the
 * pop alone. */
#include "worker/commands/effects.h"
#include "worker/commands/list_args.h"
#include "worker/dispatch/block.h"

/* ---- BLPOP, BRPOP ---- */

static void take_one(struct call *c, unsigned i, const void *arg)
{
    struct key_ref *k = call_key(c, i);
    const struct shm_entry *e = key_entry(k);
    struct list_walk w;
    struct bytes item = {"", 0};
    bool front = *(const bool *)arg;
    list_walk(e, front ? 0 : list_length(e) - 1, false, &w);
    list_next(&w, &item);
    reply_array(c->reply, 2);
    reply_bulk(c->reply, k->key.p, k->key.n);
    reply_bulk(c->reply, item.p, item.n);
    enum rc rc = list_pop(c, k, 1, front);
    if (!rc)
        rc = call_effect(c, 2, (struct bytes[]){front ? BYTES_LIT("LPOP") : BYTES_LIT("RPOP"), k->key});
    if (rc)
        call_fail(c, rc);
    else
        list_tell_pop(c, k, front);
}

static void block_pop(struct call *c, bool front)
{
    struct block b = {.type = TYPE_LIST, .nkeys = (unsigned)c->argc - 2, .take = take_one, .arg = &front};
    if (block_timeout_arg(c, c->argc - 1, &b.timeout_ms))
        block_run(c, &b);
}

void cmd_blpop(struct call *c)
{
    block_pop(c, true);
}

void cmd_brpop(struct call *c)
{
    block_pop(c, false);
}

/* ---- BLMPOP ---- */

static void take_many(struct call *c, unsigned i, const void *arg)
{
    list_mpop_from(c, i, arg);
}

void cmd_blmpop(struct call *c)
{
    struct list_mpop o;
    struct block b = {.type = TYPE_LIST, .take = take_many, .arg = &o};
    if (!list_mpop_arguments(c, 2, &o) || !block_timeout_arg(c, 1, &b.timeout_ms))
        return;
    b.nkeys = (unsigned)o.keys;
    block_run(c, &b);
}

/* ---- BLMOVE, BRPOPLPUSH ---- */

struct ends {
    bool front, to_front;
};

/* A destination of the wrong type is an error, and the element stays where it is. */
static void take_move(struct call *c, unsigned i, const void *arg)
{
    const struct ends *o = arg;
    struct bytes from = o->front ? BYTES_LIT("LEFT") : BYTES_LIT("RIGHT");
    struct bytes to = o->to_front ? BYTES_LIT("LEFT") : BYTES_LIT("RIGHT");
    list_move(c, o->front, o->to_front);
    if (c->rc || !(call_key(c, i)->logged || call_key(c, 1)->logged))
        return;
    enum rc rc = call_effect(
        c, 5, (struct bytes[]){BYTES_LIT("LMOVE"), call_key(c, i)->key, call_key(c, 1)->key, from, to});
    if (rc)
        call_fail(c, rc);
}

static void block_move(struct call *c, const struct ends *o, int timeout_at)
{
    struct block b = {.type = TYPE_LIST, .nkeys = 1, .take = take_move, .arg = o, .one = true};
    if (block_timeout_arg(c, timeout_at, &b.timeout_ms))
        block_run(c, &b);
}

void cmd_blmove(struct call *c)
{
    struct ends o;
    if (list_end_arg(c, 3, &o.front) && list_end_arg(c, 4, &o.to_front))
        block_move(c, &o, 5);
}

void cmd_brpoplpush(struct call *c)
{
    block_move(c, &(struct ends){false, true}, 3);
}
