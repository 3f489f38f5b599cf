/* worker/commands/hash.c - commands on hashes. */
#include "worker/commands/effects.h"
#include "worker/commands/hash_cmds.h"
#include "worker/dispatch/notify.h"

#include <math.h>

static struct hash_limits limits(const struct call *c)
{
    return (struct hash_limits){c->cfg->hash_max_listpack_entries, c->cfg->hash_max_listpack_value};
}

/* ---- reading fields ---- */

static bool reply_field(struct call *c, const struct dict *d, struct bytes field, size_t *bytes)
{
    struct dict_place at;
    if (d && dict_find(d, field, &at))
        return reply_item(c, bytes, at.value);
    reply_null(c->reply);
    return true;
}

void cmd_hget(struct call *c)
{
    struct dict d;
    size_t bytes = 0;
    if (key_fits(c, TYPE_HASH))
        reply_field(c, dict_arg_read(c, &d) ? &d : NULL, c->argv[2], &bytes);
}

void cmd_hmget(struct call *c)
{
    struct dict d;
    size_t bytes = 0;
    if (!key_fits(c, TYPE_HASH) || items_defer(c, (uint64_t)c->argc))
        return;
    bool there = dict_arg_read(c, &d);
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        if (!reply_field(c, there ? &d : NULL, c->argv[i], &bytes))
            return;
}

void cmd_hexists(struct call *c)
{
    reply_dict_has(c, TYPE_HASH);
}

void cmd_hstrlen(struct call *c)
{
    struct dict d;
    struct dict_place at;
    if (key_fits(c, TYPE_HASH))
        reply_int(c->reply,
                  dict_arg_read(c, &d) && dict_find(&d, c->argv[2], &at) ? (long long)at.value.n : 0);
}

void cmd_hlen(struct call *c)
{
    struct dict d;
    if (key_fits(c, TYPE_HASH))
        reply_int(c->reply, dict_arg_read(c, &d) ? (long long)dict_count(&d) : 0);
}

enum parts {
    FIELDS = 1,
    VALUES = 2,
};

static void reply_all(struct call *c, enum parts parts)
{
    struct dict d;
    struct dict_walk w;
    struct hmap_item it;
    size_t bytes = 0;
    if (!key_fits(c, TYPE_HASH))
        return;
    bool there = dict_arg_read(c, &d), more = true;
    uint64_t n = there ? dict_count(&d) : 0;
    if (there && items_defer(c, dict_size(&d)))
        return;
    if (parts == (FIELDS | VALUES))
        reply_map(c->reply, n);
    else
        reply_array(c->reply, n);
    if (!there)
        return;
    for (dict_walk(&d, &w); more && dict_next(&w, &it);) {
        more = !(parts & FIELDS) || reply_item(c, &bytes, it.key);
        more = more && (!(parts & VALUES) || reply_item(c, &bytes, it.value));
    }
    dict_walk_end(&w);
}

void cmd_hgetall(struct call *c)
{
    reply_all(c, FIELDS | VALUES);
}

void cmd_hkeys(struct call *c)
{
    reply_all(c, FIELDS);
}

void cmd_hvals(struct call *c)
{
    reply_all(c, VALUES);
}

void cmd_hscan(struct call *c)
{
    reply_dict_scan(c, TYPE_HASH);
}

/* ---- HRANDFIELD ---- */

struct sample {
    struct call *c;
    bool values;
    size_t bytes;
};

static bool reply_sampled(void *arg, const struct hmap_item *it)
{
    struct sample *s = arg;
    if (s->values && s->c->reply->resp == 3)
        reply_array(s->c->reply, 2);
    return reply_item(s->c, &s->bytes, it->key) && (!s->values || reply_item(s->c, &s->bytes, it->value));
}

/* The count, and WITHVALUES, which doubles what is returned. */
static bool sample_arguments(struct call *c, int64_t *count, bool *values)
{
    if (!arg_int64(c, 2, count))
        return false;
    *values = c->argc == 4 && bytes_is(c->argv[3], "withvalues");
    if (c->argc > 4 || (c->argc == 4 && !*values)) {
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    if (*count == INT64_MIN) {
        reply_error(c->reply, ERR_COUNT_RANGE);
        return false;
    }
    if (*values && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        reply_error(c->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

void cmd_hrandfield(struct call *c)
{
    struct dict d;
    struct sample s = {.c = c};
    int64_t count = 1;
    bool one = c->argc == 2;
    if ((!one && !sample_arguments(c, &count, &s.values)) || !key_fits(c, TYPE_HASH))
        return;
    bool there = dict_arg_read(c, &d);
    uint64_t n = there ? sample_size(&d, count) : 0;
    if (one && !n)
        reply_null(c->reply);
    /* Where fields are hidden, it takes a walk to know which to choose from. */
    bool hidden = there && dict_count(&d) != dict_size(&d);
    if (items_defer(c, hidden ? dict_size(&d) : n))
        return;
    if (!one)
        reply_array(c->reply, s.values && c->reply->resp == 2 ? 2 * n : n);
    if (n)
        dict_sample(&d, count, reply_sampled, &s);
}

/* ---- changing ---- */

void hash_change(struct call *c, struct dict *d)
{
    struct key_ref *k = call_key(c, 0);
    hash_open(d, c->tx, k, call_clock(c, k));
    d->now_ms = hides_ms(c);
}

static void tell_expired(struct call *c, struct key_ref *k)
{
    c->ctx->slot->stats.expired_fields++;
    call_notify(c, NOTIFY_HASH, "hexpired", k);
}

enum rc hash_find(struct call *c, struct dict *d, struct bytes field, struct dict_place *at)
{
    if (dict_find(d, field, at) || LIKELY(!at->there))
        return RC_OK;
    enum rc rc = hash_reap_field(d, at, field);
    if (rc)
        return rc;
    tell_expired(c, d->k);
    dict_find(d, field, at);
    return RC_OK;
}

/* Looks for a field that is to have a value. One that has expired goes first (*expired), which the log is not told, but the value: HDEL
 * of the last field would take the key from a replay, with the key's own expiry. */
static enum rc find_to_put(struct call *c, struct dict *d, struct bytes field, struct dict_place *at,
                           bool *expired)
{
    *expired = !dict_find(d, field, at) && at->there;
    if (LIKELY(!*expired))
        return RC_OK;
    enum rc rc = dict_del(d, at);
    if (rc)
        return rc;
    tell_expired(c, d->k);
    dict_find(d, field, at);
    return RC_OK;
}

static enum rc effect_hset(struct call *c, struct bytes field, struct bytes value)
{
    return call_effect(c, 4, (struct bytes[]){BYTES_LIT("HSET"), call_key(c, 0)->key, field, value});
}

static enum rc set_field(struct call *c, struct dict *d, struct bytes field, struct bytes value, bool *added)
{
    struct hash_limits l = limits(c);
    struct dict_place at;
    bool expired;
    enum rc rc = find_to_put(c, d, field, &at, &expired);
    *added = !rc && !at.found;
    return rc ? rc : hash_put(d, &at, &l, field, value);
}

/* HSET and HMSET; *added: how many fields are new. False: the reply is written, or the handler fails. */
static bool set_fields(struct call *c, long long *added)
{
    struct dict d;
    *added = 0;
    if (c->argc % 2) {
        reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->cmd->name);
        return false;
    }
    if (!key_fits(c, TYPE_HASH) || items_defer(c, (uint64_t)c->argc))
        return false;
    hash_change(c, &d);
    enum rc rc = RC_OK;
    for (int i = 2; i < c->argc && !rc; i += 2) {
        bool is_new;
        rc = set_field(c, &d, c->argv[i], c->argv[i + 1], &is_new);
        *added += is_new;
    }
    if (!rc)
        rc = dict_end(&d);
    if (rc)
        call_fail(c, rc);
    return !rc;
}

void cmd_hset(struct call *c)
{
    long long added;
    if (!set_fields(c, &added))
        return;
    reply_int(c->reply, added);
    call_notify(c, NOTIFY_HASH, "hset", call_key(c, 0));
}

void cmd_hmset(struct call *c)
{
    long long added;
    if (!set_fields(c, &added))
        return;
    reply_ok(c->reply);
    call_notify(c, NOTIFY_HASH, "hset", call_key(c, 0));
}

void cmd_hsetnx(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct hash_limits l = limits(c);
    struct dict d;
    struct dict_place at;
    if (!key_fits(c, TYPE_HASH))
        return;
    hash_change(c, &d);
    bool expired;
    enum rc rc = find_to_put(c, &d, c->argv[2], &at, &expired);
    bool found = at.found;
    if (!rc && !found)
        rc = hash_put(&d, &at, &l, c->argv[2], c->argv[3]);
    if (!rc)
        rc = dict_end(&d);
    if (!rc && expired)
        rc = effect_hset(c, c->argv[2], c->argv[3]);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    reply_int(c->reply, !found);
    if (!found)
        call_notify(c, NOTIFY_HASH, "hset", k);
}

void cmd_hdel(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct dict d;
    struct dict_place at;
    long long n = 0;
    enum rc rc = RC_OK;
    bool was_there = k->entry;
    if (!key_fits(c, TYPE_HASH) || items_defer(c, (uint64_t)c->argc))
        return;
    hash_change(c, &d);
    for (int i = 2; i < c->argc && !rc; i++) {
        rc = hash_find(c, &d, c->argv[i], &at);
        if (!rc && at.found) {
            rc = dict_del(&d, &at);
            n++;
        }
    }
    if (!rc)
        rc = dict_end(&d);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (n)
        call_notify(c, NOTIFY_HASH, "hdel", k);
    hash_changed(c, k, was_there);
    reply_int(c->reply, n);
}

/* ---- numbers ---- */

/* Sets the field that was looked for to digits; its expiry stays. */
static enum rc put_number(struct call *c, struct dict *d, struct dict_place *at, struct bytes digits)
{
    struct hash_limits l = limits(c);
    enum rc rc = hash_put_until(d, at, &l, c->argv[2], digits, at->until_ms);
    return rc ? rc : dict_end(d);
}

void cmd_hincrby(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct dict d;
    struct dict_place at;
    int64_t delta, v = 0;
    char text[NUMBER_INT_MAX];
    if (!arg_int64(c, 3, &delta) || !key_fits(c, TYPE_HASH))
        return;
    hash_change(c, &d);
    bool expired;
    enum rc rc = find_to_put(c, &d, c->argv[2], &at, &expired);
    if (!rc && at.found && !number_to_int64(at.value, &v)) {
        reply_error(c->reply, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(v, delta, &v)) {
        reply_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    struct bytes sum = {text, number_from_int64(text, v)};
    if (!rc)
        rc = put_number(c, &d, &at, sum);
    if (!rc && expired)
        rc = effect_hset(c, c->argv[2], sum);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    reply_int(c->reply, v);
    call_notify(c, NOTIFY_HASH, "hincrby", k);
}

/* The log gets the sum: other machines' long doubles may have other digits. */
void cmd_hincrbyfloat(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct dict d;
    struct dict_place at;
    long double delta, v = 0;
    char text[NUMBER_LONG_DOUBLE_MAX];
    if (!number_to_long_double(c->argv[3], &delta)) {
        reply_error(c->reply, ERR_NOT_FLOAT);
        return;
    }
    if (isinf(delta)) {
        reply_error(c->reply, "ERR value is NaN or Infinity");
        return;
    }
    if (!key_fits(c, TYPE_HASH))
        return;
    hash_change(c, &d);
    bool expired;
    enum rc rc = find_to_put(c, &d, c->argv[2], &at, &expired);
    if (!rc && at.found && !number_to_long_double(at.value, &v)) {
        reply_error(c->reply, "ERR hash value is not a float");
        return;
    }
    v += delta;
    if (isnan(v) || isinf(v)) {
        reply_error(c->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct bytes sum = {text, number_from_long_double(text, v)};
    int64_t until_ms = at.until_ms;
    if (!rc)
        rc = put_number(c, &d, &at, sum);
    if (!rc)
        rc = effect_hset(c, c->argv[2], sum);
    if (!rc && until_ms)
        rc = effect_hpexpireat(c, k->key, until_ms, &c->argv[2], 1);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    reply_bulk(c->reply, sum.p, sum.n);
    call_notify(c, NOTIFY_HASH, "hincrbyfloat", k);
}
