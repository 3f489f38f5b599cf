/* worker/commands/zset_args.h - what the handlers of sorted set commands share.
 * Owner     the process that runs the command.
 * Locks     none: dispatch has latched the keys.
 * Crash     part of the caller's transaction.
 * Survives  nothing to survive.
 * Fails     false: the error has been written, the handler returns.
 * Tests     tests/regress */
#ifndef SKEP_ZSET_ARGS_H
#define SKEP_ZSET_ARGS_H

#include "shm/types/zset.h"
#include "worker/commands/string_args.h"

/* What walks, adds or removes more members than this goes to the slow lane: some milliseconds. */
#define ZSET_LONG 4096u

#define ERR_SCORE_RANGE  "ERR min or max is not a float"
#define ERR_MEMBER_RANGE "ERR min or max not valid string range item"
#define ERR_POSITIVE     "ERR value is out of range, must be positive"

static inline bool zset_fits(struct call *c, const struct shm_entry *e)
{
    if (!e || entry_type(e) == TYPE_ZSET)
        return true;
    reply_error(c->reply, ERR_WRONGTYPE);
    return false;
}

/* Opens the sorted set of the i-th key, an empty one if there is no such key. */
static inline bool zset_arg(struct call *c, unsigned i, struct zset *z)
{
    const struct shm_entry *e = key_entry(call_key(c, i));
    if (!zset_fits(c, e))
        return false;
    zset_open(c->tx, e, z);
    return true;
}

static inline struct zset_limits zset_limits(const struct call *c, const struct key_ref *k)
{
    return (struct zset_limits){c->cfg->zset_max_listpack_entries, c->cfg->zset_max_listpack_value,
                                call_clock(c, k)};
}

static inline bool arg_double(struct call *c, int i, double *v)
{
    if (LIKELY(number_to_double(c->argv[i], v)))
        return true;
    reply_error(c->reply, ERR_NOT_FLOAT);
    return false;
}

/* An integer of at least 0. */
static inline bool arg_positive(struct call *c, int i, int64_t *v)
{
    bool ok = number_to_int64(c->argv[i], v) && *v >= 0;
    if (!ok)
        reply_error(c->reply, ERR_POSITIVE);
    return ok;
}

/* ---- ranges, as clients write them ---- */

enum zset_by { BY_RANK, BY_SCORE, BY_MEMBER };

struct zset_bound {
    double score;
    struct bytes member;
    int64_t rank;
    bool exclusive;
    int end; /* of members: -1 before all, 1 behind all, 0: member says it */
};
struct zset_range {
    enum zset_by by;
    struct zset_bound min, max;
};
struct zset_ranks {
    uint64_t from, to; /* [from, to) */
};

/* Reads the bounds from two arguments. */
bool zset_range_args(struct call *c, enum zset_by by, struct bytes min, struct bytes max,
                     struct zset_range *r);
struct zset_ranks zset_ranks(const struct zset *z, const struct zset_range *r);

/* ---- used by several files ---- */

/* Sets of pairs, in private memory. */
struct pair_list {
    struct zset_pair *v;
    size_t n, room;
};
void pair_add(struct pair_list *l, struct zset_pair p);
/* Puts the pairs (any order, no member twice) under the key, or deletes it when there are none. */
enum rc zset_store_pairs(struct call *c, struct key_ref *k, struct pair_list *l);
void zset_tell_store(struct call *c, struct key_ref *k, const char *event);

/* Writes count members from the low or the high end and removes them. */
struct zset_pop {
    bool high, nested;
    uint64_t count;
};
enum rc zset_pop_reply(struct call *c, struct key_ref *k, const struct zset_pop *p);
void zset_tell_pop(struct call *c, struct key_ref *k, bool high); /* as a keyspace event */
bool zset_mpop_args(struct call *c, int first, int64_t *nkeys, struct zset_pop *p);
/* ZMPOP from the key, which holds a sorted set. */
void zset_mpop_from(struct call *c, struct key_ref *k, const struct zset_pop *p);

#endif
