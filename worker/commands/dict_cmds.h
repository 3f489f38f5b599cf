/* worker/commands/dict_cmds.h - what the commands of hashes and sets share.
 * Owner     the process that runs the command.
 * Locks     none: dispatch holds the keys' latches.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     false: the reply is written, or the command goes elsewhere; the handler returns.
 * Tests     tests/regress */
#ifndef SKEP_DICT_CMDS_H
#define SKEP_DICT_CMDS_H

#include "shm/types/dict.h"
#include "worker/commands/string_args.h"

/* Looking at more items than this takes longer than a worker's other clients should wait: some 100 ns each. */
#define MANY_ITEMS 8192u

/* A negative count has to have a positive counterpart. */
#define ERR_COUNT_RANGE                                                                                      \
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"

/* Up to when fields have expired that are hidden by now (dict.h). */
static inline int64_t hides_ms(const struct call *c)
{
    return c->loading ? 0 : c->now_ms;
}

/* Is the entry (NULL: none) of this type? If not, the error is written. */
static inline bool type_fits(struct call *c, const struct shm_entry *e, unsigned type)
{
    if (LIKELY(!e || entry_type(e) == type))
        return true;
    reply_error(c->reply, ERR_WRONGTYPE);
    return false;
}

/* The same of the command's first key. */
static inline bool key_fits(struct call *c, unsigned type)
{
    return type_fits(c, key_entry(call_key(c, 0)), type);
}

/* That key's value for reading; false: there is none. */
static inline bool dict_arg_read(struct call *c, struct dict *d)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (e)
        dict_read(d, c->tx, e);
    d->now_ms = hides_ms(c);
    return e;
}

/* Does so much go to the slow lane? Then the handler returns. */
static inline bool items_defer(struct call *c, uint64_t n)
{
    return UNLIKELY(n > MANY_ITEMS) && call_defer(c);
}

/* A bulk string; *bytes: so many have been copied. What has become long belongs to the slow lane: false, the handler returns. */
static inline bool reply_item(struct call *c, size_t *bytes, struct bytes b)
{
    *bytes += b.n;
    if (UNLIKELY(*bytes > LONG_BYTES) && call_defer(c))
        return false;
    reply_bulk(c->reply, b.p, b.n);
    return true;
}

/* Calls fn for items chosen at random: count different ones (all, if there are no more), or, for a negative count, so many
 * that may be the same. fn may say stop (false). */
typedef bool sample_fn(void *arg, const struct hmap_item *item);
void dict_sample(const struct dict *d, int64_t count, sample_fn *fn, void *arg);
/* How many items that will be. */
static inline uint64_t sample_size(const struct dict *d, int64_t count)
{
    uint64_t n = dict_count(d);
    return !n ? 0 : count < 0 ? -(uint64_t)count : (uint64_t)count < n ? (uint64_t)count : n;
}

/* HEXISTS and SISMEMBER. */
void reply_dict_has(struct call *c, unsigned type);
/* HSCAN and SSCAN, of a key that holds this type. */
void reply_dict_scan(struct call *c, unsigned type);

#endif
