/* worker/commands/string_change.c - commands that change a string from what it was. */
#include "shm/types/string.h"
#include "worker/commands/effects.h"
#include "worker/commands/string_args.h"
#include "worker/dispatch/notify.h"

#include <math.h>

/* ---- numbers ---- */

static void add(struct call *c, int64_t delta)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    int64_t v = 0;
    if (!string_fits(c, e))
        return;
    if (e && string_integer(e, &v)) {
        reply_error(c->reply, ERR_NOT_INT);
        return;
    }
    if (__builtin_add_overflow(v, delta, &v)) {
        reply_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    enum rc rc = string_set_integer(c->tx, k, v, call_clock(c, k));
    if (UNLIKELY(rc)) {
        call_fail(c, rc);
        return;
    }
    call_notify(c, NOTIFY_STRING, "incrby", k);
    reply_int(c->reply, v);
}

void cmd_incr(struct call *c)
{
    add(c, 1);
}

void cmd_decr(struct call *c)
{
    add(c, -1);
}

void cmd_incrby(struct call *c)
{
    int64_t delta;
    if (arg_int64(c, 2, &delta))
        add(c, delta);
}

void cmd_decrby(struct call *c)
{
    int64_t delta;
    if (!arg_int64(c, 2, &delta))
        return;
    if (delta == INT64_MIN) {
        reply_error(c->reply, "ERR decrement would overflow");
        return;
    }
    add(c, -delta);
}

void cmd_incrbyfloat(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    long double v = 0, delta;
    char digits[STRING_DIGITS], text[NUMBER_LONG_DOUBLE_MAX];
    if (!string_fits(c, e))
        return;
    if ((e && !number_to_long_double(string_bytes(e, digits), &v)) ||
        !number_to_long_double(c->argv[2], &delta)) {
        reply_error(c->reply, ERR_NOT_FLOAT);
        return;
    }
    v += delta;
    if (isnan(v) || isinf(v)) {
        reply_error(c->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct bytes b = {text, number_from_long_double(text, v)};
    enum rc rc = string_set_bytes(c->tx, k, b, e ? entry_expiry(e) : -1, call_clock(c, k));
    if (!rc)
        rc = effect_set_keepttl(c, k->key, b);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    call_notify(c, NOTIFY_STRING, "incrbyfloat", k);
    reply_bulk(c->reply, b.p, b.n);
}

/* ---- bytes ---- */

/* May a string become so long? */
static bool length_fits(struct call *c, uint64_t at, uint64_t more)
{
    uint64_t total;
    if (!__builtin_add_overflow(at, more, &total) && total <= (uint64_t)c->cfg->proto_max_bulk_len)
        return true;
    reply_error(c->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

bool change_defers(struct call *c, const struct key_ref *k, size_t len, uint64_t from, uint64_t total)
{
    const struct shm_entry *e = key_entry(k);
    if (LIKELY(total <= LONG_BYTES && len <= LONG_BYTES))
        return false;
    if (clone_defers(c, k))
        return true;
    bool moves = !e || !(e->flags & ENTRY_BIG) || entry_big(e)->room < total;
    bool pads = from > len && from - len > LONG_BYTES;
    return ((moves && len > LONG_BYTES) || pads) && call_defer(c);
}

void cmd_append(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    struct bytes more = c->argv[2];
    size_t length = more.n;
    enum rc rc;
    if (!string_fits(c, e))
        return;
    if (!e) {
        rc = string_set(c->tx, k, more, -1, call_clock(c, k));
    } else {
        size_t was = string_length(e);
        if (!length_fits(c, was, more.n) || change_defers(c, k, was, was, was + more.n))
            return;
        rc = string_append(c->tx, k, more, call_clock(c, k), &length);
    }
    if (rc) {
        call_fail(c, rc);
        return;
    }
    call_notify(c, NOTIFY_STRING, "append", k);
    reply_int(c->reply, (long long)length);
}

void cmd_setrange(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    struct bytes part = c->argv[3];
    int64_t offset;
    if (!arg_int64(c, 2, &offset))
        return;
    if (offset < 0) {
        reply_error(c->reply, "ERR offset is out of range");
        return;
    }
    if (!string_fits(c, e))
        return;
    size_t length = e ? string_length(e) : 0;
    if (part.n) {
        uint64_t from = (uint64_t)offset;
        if (!length_fits(c, from, part.n) || change_defers(c, k, length, from, from + part.n))
            return;
        enum rc rc = string_set_range(c->tx, k, from, part, call_clock(c, k), &length);
        if (rc) {
            call_fail(c, rc);
            return;
        }
        call_notify(c, NOTIFY_STRING, "setrange", k);
    }
    reply_int(c->reply, (long long)length);
}
