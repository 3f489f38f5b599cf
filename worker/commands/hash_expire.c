/* worker/commands/hash_expire.c - when fields of hashes expire, as Redis 7.4 has it. */
#include "worker/commands/effects.h"
#include "worker/commands/hash_cmds.h"
#include "worker/dispatch/notify.h"

#include <stdlib.h>

enum {
    NO_FIELD = -2,
    NO_EXPIRY = -1,
    NOT_MET = 0,
    DONE = 1,
    REMOVED = 2,
};

enum { IF_NX = 1, IF_XX = 2, IF_GT = 4, IF_LT = 8 };

/* FIELDS, how many, and so many to the end, from argument at on. *first: the first of them; false: the error is written. */
static bool field_list(struct call *c, int at, const char *count_error, int *first)
{
    const char *error = NULL;
    int64_t n;
    if (!bytes_is(c->argv[at], "fields"))
        error = "ERR Mandatory argument FIELDS is missing or not at the right position";
    else if (!number_to_int64(c->argv[at + 1], &n) || n < 1)
        error = count_error;
    else if (n != c->argc - at - 2)
        error = "ERR The `numfields` parameter must match the number of arguments";
    if (error)
        reply_error(c->reply, error);
    *first = at + 2;
    return !error;
}

static void reply_no_fields(struct call *c, int n)
{
    reply_array(c->reply, (size_t)n);
    while (n--)
        reply_int(c->reply, NO_FIELD);
}

/* ---- setting ---- */

struct wish {
    int64_t until_ms;
    unsigned condition;
    bool goes; /* that moment is over: the fields are removed */
    int first; /* the first field */
};

static bool moment(struct call *c, int64_t unit, int64_t base, int64_t *until_ms)
{
    int64_t v;
    if (!arg_int64(c, 2, &v))
        return false;
    if (v < 0) {
        reply_error(c->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (v > HASH_UNTIL_MAX / unit || v * unit > HASH_UNTIL_MAX - base) {
        reply_errorf(c->reply, "ERR invalid expire time in '%s' command", c->cmd->name);
        return false;
    }
    *until_ms = v * unit + base;
    return true;
}

static bool wish_read(struct call *c, int64_t unit, int64_t base, struct wish *w)
{
    struct bytes word = c->argv[3];
    if (!moment(c, unit, base, &w->until_ms))
        return false;
    w->condition = bytes_is(word, "nx")   ? IF_NX
                   : bytes_is(word, "xx") ? IF_XX
                   : bytes_is(word, "gt") ? IF_GT
                   : bytes_is(word, "lt") ? IF_LT
                                          : 0;
    /* In a log what follows counts on the field, though its time is over; but no field has 0 for its expiry. */
    w->goes = w->until_ms <= c->now_ms && (!c->loading || !w->until_ms);
    return field_list(c, w->condition ? 4 : 3, "ERR Parameter `numFields` should be greater than 0",
                      &w->first);
}

/* A field without an expiry counts as one that never expires. */
static bool holds(const struct wish *w, int64_t now_ms)
{
    if (!now_ms)
        return !(w->condition & (IF_XX | IF_GT));
    return !(w->condition & IF_NX) && !(w->condition & IF_GT && w->until_ms <= now_ms) &&
           !(w->condition & IF_LT && w->until_ms >= now_ms);
}

static enum rc wish_field(struct call *c, struct dict *d, const struct wish *w, struct bytes field, int *did)
{
    struct dict_place at;
    enum rc rc = hash_find(c, d, field, &at);
    *did = !at.found ? NO_FIELD : !holds(w, at.until_ms) ? NOT_MET : w->goes ? REMOVED : DONE;
    if (rc || *did <= NOT_MET)
        return rc;
    return w->goes ? dict_del(d, &at) : dict_set_until(d, &at, field, w->until_ms);
}

/* The log is told the moment itself, or what was removed. */
static enum rc wish_tell(struct call *c, struct key_ref *k, const struct wish *w, const struct bytes *field,
                         unsigned n)
{
    c->told = true;
    if (!n)
        return RC_OK;
    call_notify(c, NOTIFY_HASH, w->goes ? "hdel" : "hexpire", k);
    return w->goes ? effect_hdel(c, k->key, field, n) : effect_hpexpireat(c, k->key, w->until_ms, field, n);
}

static enum rc wish_all(struct call *c, const struct wish *w)
{
    struct key_ref *k = call_key(c, 0);
    struct bytes *changed = malloc((size_t)(c->argc - w->first) * sizeof(*changed));
    struct dict d;
    unsigned n = 0;
    enum rc rc = RC_OK;
    CHECK(changed);
    hash_change(c, &d);
    reply_array(c->reply, (size_t)(c->argc - w->first));
    for (int i = w->first, did; i < c->argc && !rc; i++) {
        rc = wish_field(c, &d, w, c->argv[i], &did);
        if (!rc && did > NOT_MET)
            changed[n++] = c->argv[i];
        if (!rc)
            reply_int(c->reply, did);
    }
    if (!rc)
        rc = dict_end(&d);
    if (!rc)
        rc = wish_tell(c, k, w, changed, n);
    free(changed);
    if (!rc)
        hash_changed(c, k, true);
    return rc;
}

static void expire_fields(struct call *c, int64_t unit, int64_t base)
{
    struct wish w;
    if (!key_fits(c, TYPE_HASH) || !wish_read(c, unit, base, &w) || items_defer(c, (uint64_t)c->argc))
        return;
    if (!call_key(c, 0)->entry) {
        reply_no_fields(c, c->argc - w.first);
        return;
    }
    enum rc rc = wish_all(c, &w);
    if (rc)
        call_fail(c, rc);
}

void cmd_hexpire(struct call *c)
{
    expire_fields(c, 1000, c->now_ms);
}

void cmd_hpexpire(struct call *c)
{
    expire_fields(c, 1, c->now_ms);
}

void cmd_hexpireat(struct call *c)
{
    expire_fields(c, 1000, 0);
}

void cmd_hpexpireat(struct call *c)
{
    expire_fields(c, 1, 0);
}

#define ERR_FIELD_COUNT "ERR Number of fields must be a positive integer"

static enum rc persist_field(struct call *c, struct dict *d, struct bytes field, int *did)
{
    struct dict_place at;
    enum rc rc = hash_find(c, d, field, &at);
    *did = !at.found ? NO_FIELD : !at.until_ms ? NO_EXPIRY : DONE;
    return rc || *did != DONE ? rc : dict_set_until(d, &at, field, 0);
}

void cmd_hpersist(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct dict d;
    int first, did;
    bool any = false;
    enum rc rc = RC_OK;
    if (!key_fits(c, TYPE_HASH) || !field_list(c, 2, ERR_FIELD_COUNT, &first) ||
        items_defer(c, (uint64_t)c->argc))
        return;
    if (!k->entry) {
        reply_no_fields(c, c->argc - first);
        return;
    }
    hash_change(c, &d);
    reply_array(c->reply, (size_t)(c->argc - first));
    for (int i = first; i < c->argc && !rc; i++) {
        rc = persist_field(c, &d, c->argv[i], &did);
        any |= !rc && did == DONE;
        reply_int(c->reply, did);
    }
    if (!rc)
        rc = dict_end(&d);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (any)
        call_notify(c, NOTIFY_HASH, "hpersist", k);
    hash_changed(c, k, true);
}

/* ---- asking ---- */

/* Milliseconds from base on; seconds are rounded up. */
static void reply_until(struct call *c, int64_t base, bool seconds)
{
    struct dict d;
    struct dict_place at;
    int first;
    if (!key_fits(c, TYPE_HASH) || !field_list(c, 2, ERR_FIELD_COUNT, &first) ||
        items_defer(c, (uint64_t)c->argc))
        return;
    if (!dict_arg_read(c, &d)) {
        reply_no_fields(c, c->argc - first);
        return;
    }
    reply_array(c->reply, (size_t)(c->argc - first));
    for (int i = first; i < c->argc; i++) {
        int64_t v = NO_FIELD;
        if (dict_find(&d, c->argv[i], &at))
            v = !at.until_ms ? NO_EXPIRY : seconds ? (at.until_ms - base + 999) / 1000 : at.until_ms - base;
        reply_int(c->reply, v);
    }
}

void cmd_httl(struct call *c)
{
    reply_until(c, c->now_ms, true);
}

void cmd_hpttl(struct call *c)
{
    reply_until(c, c->now_ms, false);
}

void cmd_hexpiretime(struct call *c)
{
    reply_until(c, 0, true);
}

void cmd_hpexpiretime(struct call *c)
{
    reply_until(c, 0, false);
}
