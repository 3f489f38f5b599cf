/* worker/commands/dump.c - DUMP and RESTORE: a value as Redis's payload, and back. */
#include "shm/format/rdb_build.h"
#include "shm/format/rdb_out.h"
#include "shm/types/coll.h"
#include "shm/types/string.h"
#include "worker/commands/effects.h"
#include "worker/commands/string_args.h"
#include "worker/dispatch/notify.h"

#include <stdlib.h>

/* Compressing takes some 5 ns a byte: more than this is for the slow lane. */
#define DUMP_LONG (64u << 10)

/* Collections: items, and bytes of a payload, that take about a millisecond. */
#define DUMP_MANY    2000u
#define RESTORE_LONG (8u << 10)

#define ERR_BUSYKEY    "BUSYKEY Target key name already exists."
#define ERR_BAD_DATA   "ERR Bad data format"
#define ERR_BAD_FOOTER "ERR DUMP payload version or checksum are wrong"

/* The table that compressing wants is kept: clearing a new one would take longer than most payloads. */
static enum rc payload_make(struct call *c, const struct shm_entry *e, struct rdb_out *out)
{
    static struct lzf_table *table;
    enum rc rc = rdb_out_open(out, 256, NULL, NULL);
    if (rc)
        return rc;
    out->compress = c->cfg->rdbcompression;
    out->table = table;
    rc = rdb_out_dump(out, e);
    table = out->table;
    out->table_is_ours = false;
    return rc;
}

static bool is_long(const struct shm_entry *e)
{
    if (coll_is_tree(e))
        return coll_items(e) > DUMP_MANY;
    return e->flags & ENTRY_BIG && entry_big(e)->len > DUMP_LONG;
}

void cmd_dump(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    struct rdb_out out;
    if (!e) {
        reply_null(c->reply);
        return;
    }
    if (is_long(e) && call_defer(c))
        return;
    enum rc rc = payload_make(c, e, &out);
    if (rc)
        call_fail(c, rc);
    else
        reply_bulk(c->reply, out.buf, out.len);
    rdb_out_close(&out);
}

struct restore_options {
    bool replace, absolute;
    int64_t idle_s, freq; /* -1: not told */
};

/* The number behind an option: from 0 to max, or else the error is written. */
static bool option_number(struct call *c, int i, int64_t max, const char *error, int64_t *v)
{
    if (!arg_int64(c, i, v))
        return false;
    if (*v >= 0 && *v <= max)
        return true;
    reply_error(c->reply, error);
    return false;
}

static bool restore_options(struct call *c, struct restore_options *o)
{
    *o = (struct restore_options){.idle_s = -1, .freq = -1};
    for (int i = 4; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (bytes_is(c->argv[i], "replace")) {
            o->replace = true;
        } else if (bytes_is(c->argv[i], "absttl")) {
            o->absolute = true;
        } else if (bytes_is(c->argv[i], "idletime") && more && o->freq == -1) {
            if (!option_number(c, ++i, INT64_MAX, "ERR Invalid IDLETIME value, must be >= 0", &o->idle_s))
                return false;
        } else if (bytes_is(c->argv[i], "freq") && more && o->idle_s == -1) {
            if (!option_number(c, ++i, 255, "ERR Invalid FREQ value, must be >= 0 and <= 255", &o->freq))
                return false;
        } else {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* -1: the key is to stay. Redis lets a sum that is too large wrap around, so that the key is gone at once. */
static bool restore_expiry(struct call *c, const struct restore_options *o, int64_t *expiry_ms)
{
    int64_t v;
    if (!option_number(c, 2, INT64_MAX, "ERR Invalid TTL value, must be >= 0", &v))
        return false;
    *expiry_ms = v ? v : -1;
    if (!v || o->absolute || !__builtin_add_overflow(v, c->now_ms, expiry_ms))
        return true;
    reply_errorf(c->reply, "ERR invalid expire time in '%s' command", c->cmd->name);
    return false;
}

/* A payload that is whole, but of a type that there is none of here. */
static void refuse_type(struct call *c, struct rdb_in *in, enum rdb_type type)
{
    if (rdb_skip_value(in, type) == RC_INVALID)
        reply_error(c->reply, ERR_BAD_DATA);
    else
        reply_errorf(c->reply, "ERR the type %s is not supported yet", rdb_type_name(type));
}

/* What a payload holds. */
struct restored {
    enum rdb_type type;
    struct bytes string; /* of a collection nothing has been decoded */
    char digits[STRING_DIGITS];
};

static enum rc read_string(struct call *c, struct rdb_in *in, struct restored *v)
{
    struct rdb_string s;
    uint64_t length;
    in->string_max = (uint64_t)c->cfg->proto_max_bulk_len;
    enum rc rc = rdb_string_peek(in, &length);
    if (!rc && length > LONG_BYTES && length <= in->string_max && call_defer(c))
        return RC_DEFER;
    if (!rc)
        rc = rdb_string_value(in, &s);
    if (!rc)
        v->string =
            s.is_integer ? (struct bytes){v->digits, number_from_int64(v->digits, s.integer)} : s.bytes;
    return rc;
}

/* A collection is looked at as it is built. */
static enum rc read_collection(struct call *c, struct rdb_in *in)
{
    if (c->argv[3].n > RESTORE_LONG && call_defer(c))
        return RC_DEFER;
    in->string_max = (uint64_t)c->cfg->proto_max_bulk_len;
    return RC_OK;
}

/* False: the reply is written, or the command is not for here. */
static bool restore_read(struct call *c, struct rdb_in *in, struct restored *v)
{
    enum rc rc = rdb_in_open_dump(in, c->argv[3], &v->type);
    if (rc) {
        reply_error(c->reply, rc == RC_RANGE ? ERR_BAD_FOOTER : ERR_BAD_DATA);
        return false;
    }
    if (v->type != RDB_STRING && rdb_collection_type(v->type) < 0) {
        refuse_type(c, in, v->type);
        return false;
    }
    rc = v->type == RDB_STRING ? read_string(c, in, v) : read_collection(c, in);
    if (rc == RC_NOMEM || rc == RC_DEFER)
        call_fail(c, rc);
    else if (rc)
        reply_error(c->reply, ERR_BAD_DATA);
    return !rc;
}

/* RC_INVALID: the payload is damaged, or empty, and nothing has been changed. */
static enum rc put_collection(struct call *c, struct rdb_in *in, enum rdb_type type, uint32_t clock)
{
    struct rdb_build *b = malloc(sizeof(*b));
    if (!b)
        return RC_NOMEM;
    enum rc rc = rdb_build_open(b, in, type, c->cfg, clock);
    if (!rc)
        rc = rdb_build_whole(b, c->tx, call_key(c, 0), UINT64_MAX);
    rdb_build_close(b);
    free(b);
    return rc == RC_MISSING ? RC_INVALID : rc;
}

/* Puts the value under the key; or, if its time is over, what the key held goes. */
static enum rc restore_put(struct call *c, struct rdb_in *in, const struct restored *v, int64_t expiry_ms,
                           uint32_t clock)
{
    struct key_ref *k = call_key(c, 0);
    enum rc rc;
    if (expiry_ms != -1 && expiry_ms <= c->now_ms && !c->loading) {
        rc = v->type == RDB_STRING ? RC_OK : rdb_build_check(in, v->type, c->ctx->root);
        if (rc || !k->entry)
            return rc;
        rc = key_del(c->tx, k, false);
        return rc ? rc : effect_del(c, k->key);
    }
    if (v->type == RDB_STRING) {
        rc = string_set(c->tx, k, v->string, expiry_ms, clock);
        return rc ? rc : effect_set(c, k->key, v->string, expiry_ms);
    }
    rc = put_collection(c, in, v->type, clock);
    if (!rc && expiry_ms != -1)
        rc = key_set_expiry(c->tx, k, expiry_ms);
    return rc ? rc : effect_restore(c, k->key, c->argv[3], expiry_ms);
}

/* Redis deletes first what it replaces; and a value whose time is over never comes to be. */
static void tell_restored(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    if (k->entry) {
        k->born = true;
        call_notify(c, NOTIFY_GENERIC, "restore", k);
    } else if (k->logged) {
        call_notify(c, NOTIFY_GENERIC, "del", k);
    }
}

void cmd_restore(struct call *c)
{
    struct restore_options o;
    struct rdb_in in;
    struct restored v;
    int64_t expiry_ms;
    if (!restore_options(c, &o))
        return;
    if (call_key(c, 0)->entry && !o.replace) {
        reply_error(c->reply, ERR_BUSYKEY);
        return;
    }
    if (!restore_expiry(c, &o, &expiry_ms) || (c->argv[3].n > DUMP_LONG && call_defer(c)))
        return;
    if (restore_read(c, &in, &v)) {
        uint32_t clock = evict_clock_told(c->cfg->maxmemory_policy, c->now_ms, o.idle_s, (int)o.freq);
        enum rc rc = restore_put(c, &in, &v, expiry_ms, clock);
        if (rc == RC_INVALID) { /* nothing has been changed */
            reply_error(c->reply, ERR_BAD_DATA);
        } else if (rc) {
            call_fail(c, rc);
        } else {
            tell_restored(c);
            reply_ok(c->reply);
        }
    }
    rdb_in_close(&in);
}
