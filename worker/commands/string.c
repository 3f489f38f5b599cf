/* worker/commands/string.c - commands that read and set strings. */
#include "shm/types/string.h"
#include "worker/commands/effects.h"
#include "worker/commands/string_args.h"
#include "worker/dispatch/notify.h"

#include <math.h>

bool string_fits(struct call *c, const struct shm_entry *e)
{
    if (LIKELY(!e || entry_type(e) == TYPE_STRING))
        return true;
    reply_error(c->reply, ERR_WRONGTYPE);
    return false;
}

static void reply_value(struct call *c, const struct shm_entry *e)
{
    if (entry_enc(e) == ENC_INT) {
        reply_bulk_int(c->reply, entry_int(e));
        return;
    }
    struct bytes b = entry_bytes(e);
    reply_bulk(c->reply, b.p, b.n);
}

/* Is this value one that only the slow lane should copy? Then the handler returns. */
static inline bool value_defers(struct call *c, const struct shm_entry *e)
{
    return UNLIKELY(e->flags & ENTRY_BIG) && entry_big(e)->len > LONG_BYTES && call_defer(c);
}

/* Replies what GET replies. False: an error, or not here. */
static bool reply_get(struct call *c, const struct shm_entry *e)
{
    if (!e) {
        reply_null(c->reply);
        return true;
    }
    if (!string_fits(c, e) || value_defers(c, e))
        return false;
    reply_value(c, e);
    return true;
}

/* ---- reading ---- */

void cmd_get(struct call *c)
{
    reply_get(c, key_entry(call_key(c, 0)));
}

void cmd_mget(struct call *c)
{
    size_t bytes = 0;
    unsigned n = (unsigned)c->argc - 1;
    if (keys_defer(c))
        return;
    reply_array(c->reply, n);
    for (unsigned i = 0; i < n; i++) {
        const struct shm_entry *e = key_entry(call_key(c, i));
        if (!e || entry_type(e) != TYPE_STRING) {
            reply_null(c->reply);
            continue;
        }
        bytes += e->flags & ENTRY_BIG ? entry_big(e)->len : e->inline_len;
        if (UNLIKELY(bytes > LONG_BYTES) && call_defer(c))
            return;
        reply_value(c, e);
    }
}

void cmd_strlen(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (string_fits(c, e))
        reply_int(c->reply, e ? (long long)string_length(e) : 0);
}

void cmd_getrange(struct call *c)
{
    int64_t start, end;
    if (!arg_int64(c, 2, &start) || !arg_int64(c, 3, &end))
        return;
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (!string_fits(c, e))
        return;
    char digits[STRING_DIGITS];
    struct bytes b = e ? string_bytes(e, digits) : (struct bytes){digits, 0};
    int64_t len = (int64_t)b.n;
    bool backwards = start < 0 && end < 0 && start > end;
    start = start < 0 ? (start + len < 0 ? 0 : start + len) : start;
    end = end < 0 ? (end + len < 0 ? 0 : end + len) : end;
    end = end >= len ? len - 1 : end;
    if (backwards || start > end) {
        reply_bulk(c->reply, "", 0);
        return;
    }
    size_t n = (size_t)(end - start) + 1;
    if (UNLIKELY(n > LONG_BYTES) && call_defer(c))
        return;
    reply_bulk(c->reply, b.p + start, n);
}

void cmd_substr(struct call *c)
{
    cmd_getrange(c);
}

/* ---- options of SET and GETEX ---- */

static enum ttl_kind ttl_word(struct bytes word, bool getex)
{
    if (bytes_is(word, "ex"))
        return TTL_EX;
    if (bytes_is(word, "px"))
        return TTL_PX;
    if (bytes_is(word, "exat"))
        return TTL_EXAT;
    if (bytes_is(word, "pxat"))
        return TTL_PXAT;
    if (!getex && bytes_is(word, "keepttl"))
        return TTL_KEEP;
    return getex && bytes_is(word, "persist") ? TTL_PERSIST : TTL_NONE;
}

/* Words of different kinds exclude each other; the same again is fine, and the last counts. */
static bool string_options(struct call *c, int from, bool getex, struct set_options *o)
{
    for (int i = from; i < c->argc; i++) {
        struct bytes word = c->argv[i];
        enum ttl_kind ttl = ttl_word(word, getex);
        if (ttl && (!o->ttl || o->ttl == ttl) && (ttl >= TTL_KEEP || i + 1 < c->argc)) {
            o->ttl = ttl;
            if (ttl < TTL_KEEP)
                o->ttl_arg = ++i;
        } else if (!getex && bytes_is(word, "nx") && !o->xx) {
            o->nx = true;
        } else if (!getex && bytes_is(word, "xx") && !o->nx) {
            o->xx = true;
        } else if (!getex && bytes_is(word, "get")) {
            o->get = true;
        } else {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* The moment that the argument means; -1 without one. */
static bool option_expiry(struct call *c, const struct set_options *o, int64_t *expiry_ms)
{
    int64_t v, base = o->ttl == TTL_EX || o->ttl == TTL_PX ? c->now_ms : 0;
    *expiry_ms = -1;
    if (!o->ttl_arg)
        return true;
    if (!arg_int64(c, o->ttl_arg, &v))
        return false;
    int64_t unit = o->ttl == TTL_EX || o->ttl == TTL_EXAT ? 1000 : 1;
    if (v <= 0 || __builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(v, base, &v)) {
        reply_errorf(c->reply, "ERR invalid expire time in '%s' command", c->cmd->name);
        return false;
    }
    *expiry_ms = v;
    return true;
}

/* ---- setting ---- */

/* What SET and its older forms have in common. */
static void set(struct call *c, struct bytes value, const struct set_options *o)
{
    struct key_ref *k = call_key(c, 0);
    int64_t expiry_ms;
    if (!option_expiry(c, o, &expiry_ms))
        return;
    if (o->get)
        call_missed(c, k);
    if (o->get && !reply_get(c, key_entry(k)))
        return;
    if ((o->nx && k->entry) || (o->xx && !k->entry)) {
        if (o->counts)
            reply_int(c->reply, 0);
        else if (!o->get)
            reply_null(c->reply);
        return;
    }
    if (o->ttl == TTL_KEEP && k->entry)
        expiry_ms = entry_expiry(key_entry(k));
    enum rc rc = string_set(c->tx, k, value, expiry_ms, call_clock(c, k));
    if (!rc && UNLIKELY(o->ttl || o->get || c->argc > 3))
        rc = effect_set(c, k->key, value, expiry_ms);
    if (UNLIKELY(rc)) {
        call_fail(c, rc);
        return;
    }
    call_notify(c, NOTIFY_STRING, "set", k);
    if (o->ttl_arg)
        call_notify(c, NOTIFY_GENERIC, "expire", k);
    if (o->counts)
        reply_int(c->reply, 1);
    else if (!o->get)
        reply_ok(c->reply);
}

void cmd_set(struct call *c)
{
    struct set_options o = {0};
    if (c->argc == 3 || string_options(c, 3, false, &o))
        set(c, c->argv[2], &o);
}

void cmd_setnx(struct call *c)
{
    set(c, c->argv[2], &(struct set_options){.nx = true, .counts = true});
}

void cmd_setex(struct call *c)
{
    set(c, c->argv[3], &(struct set_options){.ttl = TTL_EX, .ttl_arg = 2});
}

void cmd_psetex(struct call *c)
{
    set(c, c->argv[3], &(struct set_options){.ttl = TTL_PX, .ttl_arg = 2});
}

void cmd_getset(struct call *c)
{
    set(c, c->argv[2], &(struct set_options){.get = true});
}

void cmd_getdel(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    call_missed(c, k);
    if (!reply_get(c, key_entry(k)) || !k->entry)
        return;
    enum rc rc = key_del(c->tx, k, false);
    if (!rc)
        rc = effect_del(c, k->key);
    if (rc)
        call_fail(c, rc);
    else
        call_notify(c, NOTIFY_GENERIC, "del", k);
}

void cmd_getex(struct call *c)
{
    struct set_options o = {0};
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    int64_t expiry_ms;
    if (!string_options(c, 2, true, &o))
        return;
    if (!e) {
        call_missed(c, k);
        reply_null(c->reply);
        return;
    }
    if (!string_fits(c, e) || !option_expiry(c, &o, &expiry_ms) || !reply_get(c, e) || !o.ttl)
        return;
    enum rc rc;
    bool goes = (o.ttl == TTL_EXAT || o.ttl == TTL_PXAT) && expiry_ms <= c->now_ms && !c->loading;
    if (!goes && clone_defers(c, k))
        return;
    rc = goes ? key_del(c->tx, k, false) : key_set_expiry(c->tx, k, expiry_ms);
    if (!rc && k->logged)
        rc = goes             ? effect_del(c, k->key)
             : expiry_ms >= 0 ? effect_pexpireat(c, k->key, expiry_ms)
                              : effect_persist(c, k->key);
    if (rc)
        call_fail(c, rc);
    else if (k->logged)
        call_notify(c, NOTIFY_GENERIC, goes ? "del" : expiry_ms >= 0 ? "expire" : "persist", k);
}

/* ---- several keys ---- */

static void mset(struct call *c)
{
    unsigned n = (unsigned)c->argc / 2;
    for (unsigned i = 0; i < n; i++) {
        struct key_ref *k = call_key(c, i);
        enum rc rc = string_set(c->tx, k, c->argv[2 + 2 * i], -1, call_clock(c, k));
        if (rc) {
            call_fail(c, rc);
            return;
        }
        call_notify(c, NOTIFY_STRING, "set", k);
    }
}

static bool mset_pairs(struct call *c)
{
    if (c->argc % 2)
        return true;
    reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->cmd->name);
    return false;
}

void cmd_mset(struct call *c)
{
    if (!mset_pairs(c) || keys_defer(c))
        return;
    mset(c);
    reply_ok(c->reply);
}

void cmd_msetnx(struct call *c)
{
    if (!mset_pairs(c) || keys_defer(c))
        return;
    for (unsigned i = 0; i < c->nkeys; i++)
        if (call_key(c, i)->entry) {
            reply_int(c->reply, 0);
            return;
        }
    mset(c);
    reply_int(c->reply, 1);
}
