/* worker/commands/zset_range.c - sorted sets: ZRANGE and its family. Every range becomes one of ranks, and is walked from
 * one of its ends. */
#include "worker/commands/zset_args.h"
#include "worker/dispatch/notify.h"

#include <stdlib.h>

struct range_args {
    enum zset_by by;
    bool fixed, rev; /* fixed: by is the command's */
    bool fixed_rev;  /* rev too */
    bool scores, store;
    int64_t offset, limit;
};

/* One option at argument i; *used: how many arguments it takes, 0: it is none. */
static bool range_option(struct call *c, int i, struct range_args *a, int *used)
{
    struct bytes word = c->argv[i];
    *used = 1;
    if (!a->store && bytes_is(word, "withscores")) {
        a->scores = true;
    } else if (bytes_is(word, "limit") && c->argc - i > 2) {
        *used = 3;
        return arg_int64(c, i + 1, &a->offset) && arg_int64(c, i + 2, &a->limit);
    } else if (!a->fixed_rev && bytes_is(word, "rev")) {
        a->rev = a->fixed_rev = true;
    } else if (!a->fixed && (bytes_is(word, "bylex") || bytes_is(word, "byscore"))) {
        a->by = bytes_is(word, "bylex") ? BY_MEMBER : BY_SCORE;
        a->fixed = true;
    } else {
        *used = 0;
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    return true;
}

static bool range_options(struct call *c, int i, struct range_args *a)
{
    const char *error = NULL;
    a->limit = -1;
    for (int used; i < c->argc; i += used)
        if (!range_option(c, i, a, &used))
            return false;
    if (a->limit != -1 && a->by == BY_RANK)
        error = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    else if (a->scores && a->by == BY_MEMBER)
        error = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    if (error)
        reply_error(c->reply, error);
    return !error;
}

/* What OFFSET and COUNT leave of it. */
static void apply_limit(struct zset_ranks *r, const struct range_args *a)
{
    uint64_t n = r->to - r->from, skip = a->offset < 0 ? n : (uint64_t)a->offset;
    skip = skip > n ? n : skip;
    uint64_t left = n - skip, take = a->limit >= 0 && (uint64_t)a->limit < left ? (uint64_t)a->limit : left;
    if (a->rev)
        *r = (struct zset_ranks){r->to - skip - take, r->to - skip};
    else
        *r = (struct zset_ranks){r->from + skip, r->from + skip + take};
}

static bool reverse_ranks(const struct zset *z, struct zset_range *r)
{
    struct zset_ranks k = zset_ranks(z, r);
    r->min.rank = (int64_t)(z->n - k.to);
    r->max.rank = (int64_t)(z->n - k.from) - 1;
    return k.to > k.from;
}

/* Reads the arguments from the key at first on, and finds the range. False: a reply has been written. */
static bool find_range(struct call *c, int first, struct range_args *a, struct zset *z,
                       struct zset_ranks *ranks)
{
    struct zset_range r;
    int min = first + 1, max = first + 2;
    if (!range_options(c, first + 3, a))
        return false;
    if (a->rev && a->by != BY_RANK)
        min = first + 2, max = first + 1;
    if (!zset_range_args(c, a->by, c->argv[min], c->argv[max], &r) || !zset_arg(c, (unsigned)first - 1, z))
        return false;
    if (a->store)
        call_missed(c, call_key(c, (unsigned)first - 1));
    *ranks = (struct zset_ranks){0, 0};
    if (a->rev && a->by == BY_RANK && !reverse_ranks(z, &r))
        return true;
    *ranks = zset_ranks(z, &r);
    if (a->by != BY_RANK)
        apply_limit(ranks, a);
    return true;
}

static void put_range(struct call *c, struct range_args a)
{
    struct zset z;
    struct zset_place at;
    struct zset_ranks r;
    if (!find_range(c, 1, &a, &z, &r))
        return;
    uint64_t n = r.to - r.from;
    bool nested = a.scores && c->reply->resp == 3;
    if (n > ZSET_LONG && call_defer(c))
        return;
    reply_array(c->reply, a.scores && !nested ? n * 2 : n);
    bool more = n && zset_at(&z, a.rev ? r.to - 1 : r.from, &at);
    for (; more && n--; more = a.rev ? zset_prev(&at) : zset_next(&at)) {
        struct zset_pair p = zset_pair(&at);
        if (nested)
            reply_array(c->reply, 2);
        reply_bulk(c->reply, p.member.p, p.member.n);
        if (a.scores)
            reply_double(c->reply, p.score);
    }
}

void cmd_zrange(struct call *c)
{
    put_range(c, (struct range_args){.by = BY_RANK});
}

void cmd_zrevrange(struct call *c)
{
    put_range(c, (struct range_args){.by = BY_RANK, .fixed = true, .fixed_rev = true, .rev = true});
}

void cmd_zrangebyscore(struct call *c)
{
    put_range(c, (struct range_args){.by = BY_SCORE, .fixed = true, .fixed_rev = true});
}

void cmd_zrevrangebyscore(struct call *c)
{
    put_range(c, (struct range_args){.by = BY_SCORE, .fixed = true, .fixed_rev = true, .rev = true});
}

void cmd_zrangebylex(struct call *c)
{
    put_range(c, (struct range_args){.by = BY_MEMBER, .fixed = true, .fixed_rev = true});
}

void cmd_zrevrangebylex(struct call *c)
{
    put_range(c, (struct range_args){.by = BY_MEMBER, .fixed = true, .fixed_rev = true, .rev = true});
}

/* ---- storing ---- */

void pair_add(struct pair_list *l, struct zset_pair p)
{
    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->v = realloc(l->v, l->room * sizeof(*l->v));
        CHECK(l->v);
    }
    l->v[l->n++] = p;
}

enum rc zset_store_pairs(struct call *c, struct key_ref *k, struct pair_list *l)
{
    struct zset_limits limits = zset_limits(c, k);
    bool was = k->entry;
    enum rc rc = RC_OK;
    if (l->n) {
        qsort(l->v, l->n, sizeof(*l->v), zset_pair_order);
        rc = zset_store(c->tx, k, &limits, l->v, l->n);
        k->born &= !was;
    } else if (was) {
        rc = key_del(c->tx, k, false);
    }
    return rc;
}

void zset_tell_store(struct call *c, struct key_ref *k, const char *event)
{
    if (k->entry)
        call_notify(c, NOTIFY_ZSET, event, k);
    else if (k->logged)
        call_notify(c, NOTIFY_GENERIC, "del", k);
}

void cmd_zrangestore(struct call *c)
{
    struct range_args a = {.by = BY_RANK, .store = true};
    struct pair_list list = {0};
    struct zset z;
    struct zset_place at;
    struct zset_ranks r;
    if (!find_range(c, 2, &a, &z, &r) || (r.to - r.from > ZSET_LONG && call_defer(c)))
        return;
    bool more = r.from < r.to && zset_at(&z, r.from, &at);
    for (uint64_t n = r.to - r.from; more && n--; more = zset_next(&at))
        pair_add(&list, zset_pair(&at));
    enum rc rc = zset_store_pairs(c, call_key(c, 0), &list);
    if (rc) {
        call_fail(c, rc);
    } else {
        reply_int(c->reply, (long long)list.n);
        zset_tell_store(c, call_key(c, 0), "zrangestore");
    }
    free(list.v);
}
