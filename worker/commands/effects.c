/* worker/commands/effects.c - times are told as the moment they mean, and what depends on chance or on the old value
 * as its outcome, so that replaying gives the same keys at any time. */
#include "worker/commands/effects.h"
#include "shm/base/number.h"

#include <stdlib.h>

enum rc effect_del(struct call *c, struct bytes key)
{
    return call_effect(c, 2, (struct bytes[]){BYTES_LIT("DEL"), key});
}

enum rc effect_persist(struct call *c, struct bytes key)
{
    return call_effect(c, 2, (struct bytes[]){BYTES_LIT("PERSIST"), key});
}

enum rc effect_pexpireat(struct call *c, struct bytes key, int64_t expiry_ms)
{
    char digits[NUMBER_INT_MAX];
    struct bytes ms = {digits, number_from_int64(digits, expiry_ms)};
    return call_effect(c, 3, (struct bytes[]){BYTES_LIT("PEXPIREAT"), key, ms});
}

/* Some words, and fields behind them. */
static enum rc effect_fields(struct call *c, const struct bytes *words, unsigned nwords,
                             const struct bytes *field, unsigned n)
{
    struct bytes *argv = malloc((nwords + n) * sizeof(*argv));
    CHECK(argv);
    memcpy(argv, words, nwords * sizeof(*argv));
    memcpy(argv + nwords, field, n * sizeof(*argv));
    enum rc rc = call_effect(c, nwords + n, argv);
    free(argv);
    return rc;
}

enum rc effect_hpexpireat(struct call *c, struct bytes key, int64_t until_ms, const struct bytes *field,
                          unsigned n)
{
    char ms[NUMBER_INT_MAX], count[NUMBER_INT_MAX];
    struct bytes words[5] = {BYTES_LIT("HPEXPIREAT"),
                             key,
                             {ms, number_from_int64(ms, until_ms)},
                             BYTES_LIT("FIELDS"),
                             {count, number_from_int64(count, n)}};
    return effect_fields(c, words, 5, field, n);
}

enum rc effect_hdel(struct call *c, struct bytes key, const struct bytes *field, unsigned n)
{
    return effect_fields(c, (struct bytes[]){BYTES_LIT("HDEL"), key}, 2, field, n);
}

enum rc effect_set(struct call *c, struct bytes key, struct bytes value, int64_t expiry_ms)
{
    char digits[NUMBER_INT_MAX];
    struct bytes argv[5] = {BYTES_LIT("SET"), key, value, BYTES_LIT("PXAT")};
    if (expiry_ms < 0)
        return call_effect(c, 3, argv);
    argv[4] = (struct bytes){digits, number_from_int64(digits, expiry_ms)};
    return call_effect(c, 5, argv);
}

enum rc effect_set_keepttl(struct call *c, struct bytes key, struct bytes value)
{
    return call_effect(c, 4, (struct bytes[]){BYTES_LIT("SET"), key, value, BYTES_LIT("KEEPTTL")});
}

enum rc effect_restore(struct call *c, struct bytes key, struct bytes payload, int64_t expiry_ms)
{
    char digits[NUMBER_INT_MAX];
    struct bytes argv[6] = {BYTES_LIT("RESTORE"), key, BYTES_LIT("0"), payload, BYTES_LIT("REPLACE"),
                            BYTES_LIT("ABSTTL")};
    if (expiry_ms >= 0)
        argv[2] = (struct bytes){digits, number_from_int64(digits, expiry_ms)};
    return call_effect(c, 6, argv);
}
