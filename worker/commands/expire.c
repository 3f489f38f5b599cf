/* worker/commands/expire.c - when keys expire. */
#include "shm/types/string.h"
#include "worker/commands/effects.h"
#include "worker/commands/string_args.h"
#include "worker/dispatch/notify.h"

enum { IF_NX = 1, IF_XX = 2, IF_GT = 4, IF_LT = 8 };

static bool conditions(struct call *c, unsigned *flags)
{
    *flags = 0;
    for (int i = 3; i < c->argc; i++) {
        struct bytes word = c->argv[i];
        unsigned f = bytes_is(word, "nx")   ? IF_NX
                     : bytes_is(word, "xx") ? IF_XX
                     : bytes_is(word, "gt") ? IF_GT
                     : bytes_is(word, "lt") ? IF_LT
                                            : 0;
        if (!f) {
            reply_errorf(c->reply, "ERR Unsupported option %.*s", (int)(word.n < 1024 ? word.n : 1024),
                         word.p);
            return false;
        }
        *flags |= f;
    }
    const char *error = NULL;
    if (*flags & IF_NX && *flags & (IF_XX | IF_GT | IF_LT))
        error = "ERR NX and XX, GT or LT options at the same time are not compatible";
    else if (*flags & IF_GT && *flags & IF_LT)
        error = "ERR GT and LT options at the same time are not compatible";
    if (error)
        reply_error(c->reply, error);
    return !error;
}

/* A key without an expiry counts as one that never expires. */
static bool condition_holds(unsigned flags, int64_t now, int64_t wanted)
{
    if ((flags & IF_NX && now >= 0) || (flags & IF_XX && now < 0))
        return false;
    if (flags & IF_GT && (now < 0 || wanted <= now))
        return false;
    return !(flags & IF_LT && now >= 0 && wanted >= now);
}

/* The argument counts units of milliseconds from base. */
static void expire(struct call *c, int64_t unit, int64_t base)
{
    unsigned flags;
    int64_t v;
    if (!conditions(c, &flags) || !arg_int64(c, 2, &v))
        return;
    if (__builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(v, base, &v)) {
        reply_errorf(c->reply, "ERR invalid expire time in '%s' command", c->cmd->name);
        return;
    }
    struct key_ref *k = call_key(c, 0);
    if (!k->entry || !condition_holds(flags, entry_expiry(key_entry(k)), v)) {
        reply_int(c->reply, 0);
        return;
    }
    bool goes = v <= c->now_ms && !c->loading;
    v = v < 0 ? 0 : v; /* in a file: what follows there counts on the key, though its time is over */
    if (!goes && clone_defers(c, k))
        return;
    enum rc rc = goes ? key_del(c->tx, k, false) : key_set_expiry(c->tx, k, v);
    if (!rc && k->logged)
        rc = goes ? effect_del(c, k->key) : effect_pexpireat(c, k->key, v);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (goes)
        call_notify(c, NOTIFY_GENERIC, "del", k);
    reply_int(c->reply, 1);
    if (!goes)
        call_notify(c, NOTIFY_GENERIC, "expire", k);
}

void cmd_expire(struct call *c)
{
    expire(c, 1000, c->now_ms);
}

void cmd_pexpire(struct call *c)
{
    expire(c, 1, c->now_ms);
}

void cmd_expireat(struct call *c)
{
    expire(c, 1000, 0);
}

void cmd_pexpireat(struct call *c)
{
    expire(c, 1, 0);
}

void cmd_persist(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    bool expires = k->entry && entry_expiry(key_entry(k)) >= 0;
    if (expires && clone_defers(c, k))
        return;
    enum rc rc = expires ? key_set_expiry(c->tx, k, -1) : RC_OK;
    if (expires && !rc)
        call_notify(c, NOTIFY_GENERIC, "persist", k);
    if (rc)
        call_fail(c, rc);
    else
        reply_int(c->reply, expires);
}

/* -2: no key, -1: no expiry, otherwise the milliseconds from base on; seconds are rounded. (The last half
 * second of all time wraps around, as it does in Redis.) */
static void reply_ttl(struct call *c, int64_t base, bool seconds)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    int64_t v = e ? entry_expiry(e) : -2;
    if (v >= 0) {
        v = v > base ? v - base : 0;
        v = seconds ? (int64_t)((uint64_t)v + 500) / 1000 : v;
    }
    reply_int(c->reply, v);
}

void cmd_ttl(struct call *c)
{
    reply_ttl(c, c->now_ms, true);
}

void cmd_pttl(struct call *c)
{
    reply_ttl(c, c->now_ms, false);
}

void cmd_expiretime(struct call *c)
{
    reply_ttl(c, 0, true);
}

void cmd_pexpiretime(struct call *c)
{
    reply_ttl(c, 0, false);
}
