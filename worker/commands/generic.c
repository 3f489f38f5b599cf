/* worker/commands/generic.c - commands on keys of any type: deleting, moving, copying, naming. */
#include "shm/types/dict.h"
#include "shm/types/list.h"
#include "shm/types/string.h"
#include "shm/types/zset.h"
#include "worker/commands/dict_cmds.h"
#include "worker/dispatch/notify.h"

/* ---- deleting and counting ---- */

void cmd_del(struct call *c)
{
    long long n = 0;
    if (keys_defer(c))
        return;
    for (int i = 0; i < c->argc - 1; i++) {
        struct key_ref *k = call_key(c, (unsigned)i);
        if (!k->entry)
            continue; /* also a key that was named before */
        enum rc rc = key_del(c->tx, k, false);
        if (rc) {
            call_fail(c, rc);
            return;
        }
        call_notify(c, NOTIFY_GENERIC, "del", k);
        n++;
    }
    reply_int(c->reply, n);
}

/* Blocks are freed behind the commit in any case, so there is nothing that UNLINK could leave for later. */
void cmd_unlink(struct call *c)
{
    cmd_del(c);
}

void cmd_exists(struct call *c)
{
    long long n = 0;
    for (int i = 0; i < c->argc - 1; i++)
        n += call_key(c, (unsigned)i)->entry != 0;
    reply_int(c->reply, n);
}

/* Dispatch has touched the keys: their row does not say otherwise. */
void cmd_touch(struct call *c)
{
    cmd_exists(c);
}

void cmd_type(struct call *c)
{
    static const char *const name[] = {
        [TYPE_STRING] = "string", [TYPE_LIST] = "list", [TYPE_SET] = "set",
        [TYPE_ZSET] = "zset",     [TYPE_HASH] = "hash", [TYPE_STREAM] = "stream",
    };
    const struct shm_entry *e = key_entry(call_key(c, 0));
    reply_status(c->reply, e ? name[entry_type(e)] : "none");
}

/* ---- another name, another database ---- */

/* The entry goes from one key to the other, over what is there. The value's own block is not touched. */
static enum rc entry_move(struct call *c, struct key_ref *from, struct key_ref *to)
{
    shm_ref r;
    bool moved;
    if (clone_defers(c, from))
        return RC_DEFER;
    enum rc rc = key_renew(c->tx, from, to->key, entry_expiry(key_entry(from)), &r, &moved);
    if (!rc)
        rc = key_put(c->tx, to, r, false);
    return rc ? rc : key_del(c->tx, from, moved);
}

/* Redis deletes what the new name had, so what comes there is new in any case. */
static void tell_move(struct call *c, struct key_ref *from, const char *left, struct key_ref *to,
                      const char *came)
{
    if (LIKELY(!c->cfg->notify_flags))
        return;
    to->born = true;
    notify_born(c, to);
    call_notify(c, NOTIFY_GENERIC, left, from);
    call_notify(c, NOTIFY_GENERIC, came, to);
}

static void name_anew(struct call *c, bool only_free)
{
    struct key_ref *from = call_key(c, 0), *to = call_key(c, 1);
    if (!from->entry) {
        reply_error(c->reply, ERR_NO_KEY);
        return;
    }
    bool stays = from == to || (only_free && to->entry);
    enum rc rc = stays ? RC_OK : entry_move(c, from, to);
    if (!rc && !stays)
        tell_move(c, from, "rename_from", to, "rename_to");
    if (rc)
        call_fail(c, rc);
    else if (only_free)
        reply_int(c->reply, !stays);
    else
        reply_ok(c->reply);
}

void cmd_rename(struct call *c)
{
    name_anew(c, false);
}

void cmd_renamenx(struct call *c)
{
    name_anew(c, true);
}

/* The database that an argument names; the error that it deserves, or NULL. */
static const char *db_argument(const struct call *c, int i, uint32_t *db)
{
    int64_t v;
    const char *error = arg_int_error(c->argv[i], &v);
    if (error)
        return error;
    if (v < 0 || v >= (int64_t)c->ctx->root->ndbs)
        return ERR_DB_RANGE;
    *db = (uint32_t)v;
    return NULL;
}

static const char *move_arguments(const struct call *c, uint32_t *db)
{
    const char *error = db_argument(c, 2, db);
    return !error && *db == c->db ? ERR_SAME_KEY : error;
}

key_wants_fn copy_wants, move_wants;

int move_wants(const struct call *c, struct key_want *out, int max)
{
    uint32_t db;
    if (move_arguments(c, &db))
        return -1;
    for (int i = 0; i < 2 && i < max; i++)
        out[i] = (struct key_want){.arg = 1, .db = i ? db : c->db};
    return 2;
}

void cmd_move(struct call *c)
{
    uint32_t db;
    const char *error = move_arguments(c, &db);
    if (error) {
        reply_error(c->reply, error);
        return;
    }
    struct key_ref *from = call_key(c, 0), *to = call_key(c, 1);
    bool moves = from->entry && !to->entry;
    enum rc rc = moves ? entry_move(c, from, to) : RC_OK;
    if (!rc && moves)
        tell_move(c, from, "move_from", to, "move_to");
    if (rc)
        call_fail(c, rc);
    else
        reply_int(c->reply, moves);
}

struct copy_options {
    bool replace;
    uint32_t db;
};

static const char *copy_arguments(const struct call *c, struct copy_options *o)
{
    *o = (struct copy_options){.db = c->db};
    for (int i = 3; i < c->argc; i++) {
        if (bytes_is(c->argv[i], "replace")) {
            o->replace = true;
        } else if (bytes_is(c->argv[i], "db") && i + 1 < c->argc) {
            const char *error = db_argument(c, ++i, &o->db);
            if (error)
                return error;
        } else {
            return ERR_SYNTAX;
        }
    }
    return o->db == c->db && bytes_equal(c->argv[1], c->argv[2]) ? ERR_SAME_KEY : NULL;
}

int copy_wants(const struct call *c, struct key_want *out, int max)
{
    struct copy_options o;
    if (copy_arguments(c, &o))
        return -1;
    for (int i = 0; i < 2 && i < max; i++)
        out[i] = (struct key_want){.arg = 1 + i, .db = i ? o.db : c->db};
    return 2;
}

static enum rc value_copy(struct call *c, const struct shm_entry *e, struct key_ref *to)
{
    struct list_how how = {.depth = c->cfg->list_compress_depth, .clock = c->clock};
    switch (entry_type(e)) {
    case TYPE_SET:
    case TYPE_HASH:
        return dict_copy(c->tx, e, to, c->clock);
    case TYPE_LIST:
        return list_copy(c->tx, e, to, &how);
    case TYPE_ZSET:
        return zset_copy(c->tx, e, to, entry_expiry(e), c->clock);
    default:
        return string_copy(c->tx, e, to, c->clock);
    }
}

/* Would a worker's other clients notice the copy? */
static bool copy_defers(struct call *c, const struct shm_entry *e)
{
    if (coll_is_tree(e))
        return items_defer(c, coll_items(e));
    return e->flags & ENTRY_BIG && entry_big(e)->len > LONG_BYTES && call_defer(c);
}

void cmd_copy(struct call *c)
{
    struct copy_options o;
    const char *error = copy_arguments(c, &o);
    if (error) {
        reply_error(c->reply, error);
        return;
    }
    struct key_ref *to = call_key(c, 1);
    const struct shm_entry *e = key_entry(call_key(c, 0));
    call_missed(c, call_key(c, 0));
    if (!e || (to->entry && !o.replace)) {
        reply_int(c->reply, 0);
        return;
    }
    if (copy_defers(c, e))
        return;
    enum rc rc = value_copy(c, e, to);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    to->born = true; /* Redis deletes first what it replaces */
    call_notify(c, NOTIFY_GENERIC, "copy_to", to);
    reply_int(c->reply, 1);
}
