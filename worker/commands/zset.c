/* worker/commands/zset.c - sorted sets: members by name, and how many lie between two bounds. */
#include "worker/commands/zset_args.h"
#include "worker/dispatch/notify.h"

#include <math.h>
#include <stdlib.h>

/* ---- bounds ---- */

/* As strtod reads it: an empty text is 0, and what is too large is infinite. */
static bool score_bound(struct bytes b, struct zset_bound *out)
{
    char text[NUMBER_LONG_DOUBLE_MAX], *end;
    out->exclusive = b.n && b.p[0] == '(';
    if (out->exclusive)
        b = (struct bytes){b.p + 1, b.n - 1};
    if (b.n >= sizeof(text))
        return false;
    memcpy(text, b.p, b.n);
    text[b.n] = 0;
    out->score = strtod(text, &end);
    return !*end && !isnan(out->score);
}

static bool member_bound(struct bytes b, struct zset_bound *out)
{
    char c = b.n ? b.p[0] : 0;
    *out = (struct zset_bound){.exclusive = c == '(', .end = c == '-' ? -1 : c == '+'};
    if (out->end)
        return b.n == 1;
    out->member = (struct bytes){b.p + 1, b.n - 1};
    return c == '(' || c == '[';
}

bool zset_range_args(struct call *c, enum zset_by by, struct bytes min, struct bytes max,
                     struct zset_range *r)
{
    const char *error = NULL;
    r->by = by;
    if (by == BY_SCORE && !(score_bound(min, &r->min) && score_bound(max, &r->max)))
        error = ERR_SCORE_RANGE;
    if (by == BY_MEMBER && !(member_bound(min, &r->min) && member_bound(max, &r->max)))
        error = ERR_MEMBER_RANGE;
    if (by == BY_RANK && !(number_to_int64(min, &r->min.rank) && number_to_int64(max, &r->max.rank)))
        error = ERR_NOT_INT;
    if (error)
        reply_error(c->reply, error);
    return !error;
}

static uint64_t members_below(const struct zset *z, const struct zset_bound *b, bool equal)
{
    return b->end ? (b->end < 0 ? 0 : z->n) : zset_below_member(z, b->member, equal);
}

static struct zset_ranks by_rank(uint64_t n, int64_t from, int64_t to)
{
    int64_t len = (int64_t)n;
    from = from < 0 ? from + len : from;
    to = to < 0 ? to + len : to;
    from = from < 0 ? 0 : from;
    to = to >= len ? len - 1 : to;
    return (struct zset_ranks){(uint64_t)from, from > to ? (uint64_t)from : (uint64_t)to + 1};
}

struct zset_ranks zset_ranks(const struct zset *z, const struct zset_range *r)
{
    struct zset_ranks k;
    if (r->by == BY_RANK)
        return by_rank(z->n, r->min.rank, r->max.rank);
    if (r->by == BY_SCORE)
        k = (struct zset_ranks){zset_below(z, r->min.score, r->min.exclusive),
                                zset_below(z, r->max.score, !r->max.exclusive)};
    else
        k = (struct zset_ranks){members_below(z, &r->min, r->min.exclusive),
                                members_below(z, &r->max, !r->max.exclusive)};
    k.to = k.to < k.from ? k.from : k.to;
    return k;
}

/* ---- ZADD, ZINCRBY ---- */

struct add_args {
    unsigned flags; /* ZADD_* */
    bool changed;   /* CH */
    int first, n;   /* the pairs */
};

static const char *add_options(const struct call *c, struct add_args *o)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nx", ZADD_NX}, {"xx", ZADD_XX}, {"gt", ZADD_GT}, {"lt", ZADD_LT}, {"incr", ZADD_INCR}};
    int i = 2;
    for (; i < c->argc; i++) {
        unsigned flag = 0;
        for (unsigned w = 0; w < ARRAY_LEN(words); w++)
            flag |= bytes_is(c->argv[i], words[w].word) ? words[w].flag : 0;
        if (!flag && !bytes_is(c->argv[i], "ch"))
            break;
        o->flags |= flag;
        o->changed |= !flag;
    }
    o->first = i;
    o->n = (c->argc - i) / 2;
    if ((c->argc - i) % 2 || !o->n)
        return ERR_SYNTAX;
    unsigned f = o->flags;
    if (f & ZADD_NX && f & ZADD_XX)
        return "ERR XX and NX options at the same time are not compatible";
    if (__builtin_popcount(f & (ZADD_GT | ZADD_LT | ZADD_NX)) > 1)
        return "ERR GT, LT, and/or NX options at the same time are not compatible";
    return f & ZADD_INCR && o->n > 1 ? "ERR INCR option supports a single increment-element pair" : NULL;
}

/* All scores are looked at before the first change: they are read twice, which costs little where there are several. */
static bool scores_fit(struct call *c, const struct add_args *o, double *first)
{
    double more;
    for (int i = 0; i < o->n; i++)
        if (!arg_double(c, o->first + 2 * i, i ? &more : first))
            return false;
    return true;
}

/* The error that an addition deserves; NULL for those of the world, which the caller hands on. */
static const char *add_error(enum rc rc)
{
    if (rc == RC_RANGE)
        return "ERR resulting score is not a number (NaN)";
    return rc == RC_EXISTS ? "ERR another member has the same hash" : NULL;
}

static void add_members(struct call *c, const struct add_args *o)
{
    struct key_ref *k = call_key(c, 0);
    struct zset_limits limits = zset_limits(c, k);
    struct zset_add a = {.flags = o->flags};
    long long added = 0, updated = 0;
    double first;
    if (!scores_fit(c, o, &first) || !zset_fits(c, key_entry(k)) || (o->n > (int)ZSET_LONG && call_defer(c)))
        return;
    for (int i = 0; i < o->n; i++) {
        a.member = c->argv[o->first + 2 * i + 1];
        a.score = first;
        if (i)
            number_to_double(c->argv[o->first + 2 * i], &a.score);
        enum rc rc = zset_add(c->tx, k, &limits, &a);
        const char *error = add_error(rc);
        if (error)
            reply_error(c->reply, error);
        else if (rc)
            call_fail(c, rc);
        if (rc)
            return;
        added += a.did == ZSET_ADDED;
        updated += a.did == ZSET_UPDATED;
    }
    if (!(o->flags & ZADD_INCR))
        reply_int(c->reply, o->changed ? added + updated : added);
    else if (a.did == ZSET_NOTHING)
        reply_null(c->reply);
    else
        reply_double(c->reply, a.score);
    if (added || updated)
        call_notify(c, NOTIFY_ZSET, o->flags & ZADD_INCR ? "zincr" : "zadd", k);
}

void cmd_zadd(struct call *c)
{
    struct add_args o = {0};
    const char *error = add_options(c, &o);
    if (error)
        reply_error(c->reply, error);
    else
        add_members(c, &o);
}

void cmd_zincrby(struct call *c)
{
    add_members(c, &(struct add_args){.flags = ZADD_INCR, .first = 2, .n = 1});
}

/* ---- ZREM ---- */

void cmd_zrem(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    long long removed = 0;
    if (!zset_fits(c, key_entry(k)) || (c->argc > (int)ZSET_LONG && call_defer(c)))
        return;
    for (int i = 2; i < c->argc && k->entry; i++) {
        bool found;
        enum rc rc = zset_remove(c->tx, k, c->argv[i], &found);
        if (rc) {
            call_fail(c, rc);
            return;
        }
        removed += found;
    }
    if (removed)
        call_notify_taken(c, NOTIFY_ZSET, "zrem", k);
    reply_int(c->reply, removed);
}

static void remove_range(struct call *c, enum zset_by by)
{
    struct key_ref *k = call_key(c, 0);
    struct zset_range r;
    struct zset z;
    if (!zset_range_args(c, by, c->argv[2], c->argv[3], &r) || !zset_arg(c, 0, &z))
        return;
    struct zset_ranks ranks = zset_ranks(&z, &r);
    uint64_t n = ranks.to - ranks.from;
    if (n > ZSET_LONG && n < z.n && call_defer(c))
        return;
    static const char *const event[] = {
        [BY_RANK] = "zremrangebyrank", [BY_SCORE] = "zremrangebyscore", [BY_MEMBER] = "zremrangebylex"};
    enum rc rc = n ? zset_remove_ranks(c->tx, k, ranks.from, ranks.to) : RC_OK;
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (n)
        call_notify_taken(c, NOTIFY_ZSET, event[by], k);
    reply_int(c->reply, (long long)n);
}

void cmd_zremrangebyrank(struct call *c)
{
    remove_range(c, BY_RANK);
}

void cmd_zremrangebyscore(struct call *c)
{
    remove_range(c, BY_SCORE);
}

void cmd_zremrangebylex(struct call *c)
{
    remove_range(c, BY_MEMBER);
}

/* ---- looking ---- */

void cmd_zcard(struct call *c)
{
    struct zset z;
    if (zset_arg(c, 0, &z))
        reply_int(c->reply, (long long)z.n);
}

void cmd_zscore(struct call *c)
{
    struct zset z;
    struct zset_place at;
    if (!zset_arg(c, 0, &z))
        return;
    if (zset_find(&z, c->argv[2], &at))
        reply_double(c->reply, zset_pair(&at).score);
    else
        reply_null(c->reply);
}

void cmd_zmscore(struct call *c)
{
    struct zset z;
    struct zset_place at;
    if (!zset_arg(c, 0, &z) || (c->argc > (int)ZSET_LONG && call_defer(c)))
        return;
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        if (zset_find(&z, c->argv[i], &at))
            reply_double(c->reply, zset_pair(&at).score);
        else
            reply_null(c->reply);
}

static void put_rank(struct call *c, bool reverse)
{
    struct zset z;
    struct zset_place at;
    bool score = c->argc > 3;
    if (c->argc > 4) {
        reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", command_fullname(c->cmd));
        return;
    }
    if (score && !bytes_is(c->argv[3], "withscore")) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if (!zset_arg(c, 0, &z))
        return;
    if (!zset_find(&z, c->argv[2], &at)) {
        if (score)
            reply_null_array(c->reply);
        else
            reply_null(c->reply);
        return;
    }
    uint64_t rank = zset_rank(&at);
    if (score)
        reply_array(c->reply, 2);
    reply_int(c->reply, (long long)(reverse ? z.n - 1 - rank : rank));
    if (score)
        reply_double(c->reply, zset_pair(&at).score);
}

void cmd_zrank(struct call *c)
{
    put_rank(c, false);
}

void cmd_zrevrank(struct call *c)
{
    put_rank(c, true);
}

static void count_range(struct call *c, enum zset_by by)
{
    struct zset_range r;
    struct zset z;
    if (!zset_range_args(c, by, c->argv[2], c->argv[3], &r) || !zset_arg(c, 0, &z))
        return;
    struct zset_ranks ranks = zset_ranks(&z, &r);
    reply_int(c->reply, (long long)(ranks.to - ranks.from));
}

void cmd_zcount(struct call *c)
{
    count_range(c, BY_SCORE);
}

void cmd_zlexcount(struct call *c)
{
    count_range(c, BY_MEMBER);
}
