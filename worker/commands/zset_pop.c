/* worker/commands/zset_pop.c - sorted sets: taking from an end, choosing at random, walking through. */
#include "shm/base/glob.h"
#include "worker/commands/scan.h"
#include "worker/commands/zset_args.h"
#include "worker/dispatch/notify.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- ZPOPMIN, ZPOPMAX, ZMPOP ---- */

void zset_tell_pop(struct call *c, struct key_ref *k, bool high)
{
    call_notify_taken(c, NOTIFY_ZSET, high ? "zpopmax" : "zpopmin", k);
}

enum rc zset_pop_reply(struct call *c, struct key_ref *k, const struct zset_pop *p)
{
    struct zset z;
    struct zset_place at;
    zset_open(c->tx, key_entry(k), &z);
    uint64_t n = p->count < z.n ? p->count : z.n, from = p->high ? z.n - n : 0;
    reply_array(c->reply, p->nested ? n : n * 2);
    bool more = n && zset_at(&z, p->high ? z.n - 1 : 0, &at);
    for (uint64_t i = 0; more && i < n; i++, more = p->high ? zset_prev(&at) : zset_next(&at)) {
        struct zset_pair pair = zset_pair(&at);
        if (p->nested)
            reply_array(c->reply, 2);
        reply_bulk(c->reply, pair.member.p, pair.member.n);
        reply_double(c->reply, pair.score);
    }
    enum rc rc = n ? zset_remove_ranks(c->tx, k, from, from + n) : RC_OK;
    if (n && !rc)
        zset_tell_pop(c, k, p->high);
    return rc;
}

static void pop_end(struct call *c, bool high)
{
    struct key_ref *k = call_key(c, 0);
    int64_t count = 1;
    if (c->argc > 3) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if ((c->argc == 3 && !arg_positive(c, 2, &count)) || !zset_fits(c, key_entry(k)))
        return;
    if (!k->entry || !count) {
        reply_array(c->reply, 0);
        return;
    }
    if (count > (int64_t)ZSET_LONG && call_defer(c))
        return;
    struct zset_pop p = {high, c->argc == 3 && c->reply->resp == 3, (uint64_t)count};
    enum rc rc = zset_pop_reply(c, k, &p);
    if (rc)
        call_fail(c, rc);
}

void cmd_zpopmin(struct call *c)
{
    pop_end(c, false);
}

void cmd_zpopmax(struct call *c)
{
    pop_end(c, true);
}

/* numkeys key ... MIN|MAX [COUNT count], from argument first on; the key count has the error that it deserves. */
bool zset_mpop_args(struct call *c, int first, int64_t *nkeys, struct zset_pop *p)
{
    const char *error = NULL;
    int64_t count = 1;
    if (!number_to_int64(c->argv[first], nkeys) || *nkeys < 1)
        error = "ERR numkeys should be greater than 0";
    else if (*nkeys > c->argc - first - 2)
        error = ERR_SYNTAX;
    int at = error ? c->argc : (int)*nkeys + first + 1, more = c->argc - at - 1;
    if (!error && !(p->high = bytes_is(c->argv[at], "max")) && !bytes_is(c->argv[at], "min"))
        error = ERR_SYNTAX;
    else if (!error && more && (more < 2 || !bytes_is(c->argv[at + 1], "count")))
        error = ERR_SYNTAX;
    else if (!error && more && (!number_to_int64(c->argv[at + 2], &count) || count < 1))
        error = "ERR count should be greater than 0";
    else if (!error && more > 2)
        error = ERR_SYNTAX;
    p->count = (uint64_t)count;
    p->nested = true;
    if (error)
        reply_error(c->reply, error);
    return !error;
}

/* The log is told of the one key that was chosen. */
static enum rc mpop_effect(struct call *c, const struct key_ref *k, const struct zset_pop *p)
{
    char digits[NUMBER_INT_MAX];
    struct bytes count = {digits, number_from_uint64(digits, p->count)};
    return call_effect(
        c, 3, (struct bytes[]){p->high ? BYTES_LIT("ZPOPMAX") : BYTES_LIT("ZPOPMIN"), k->key, count});
}

void zset_mpop_from(struct call *c, struct key_ref *k, const struct zset_pop *p)
{
    if (p->count > ZSET_LONG && call_defer(c))
        return;
    reply_array(c->reply, 2);
    reply_bulk(c->reply, k->key.p, k->key.n);
    enum rc rc = zset_pop_reply(c, k, p);
    if (!rc)
        rc = mpop_effect(c, k, p);
    if (rc)
        call_fail(c, rc);
}

void cmd_zmpop(struct call *c)
{
    int64_t nkeys;
    struct zset_pop p = {0};
    struct key_ref *k = NULL;
    if (!zset_mpop_args(c, 1, &nkeys, &p))
        return;
    for (unsigned i = 0; i < c->nkeys && !(k && k->entry); i++) {
        k = call_key(c, i);
        if (!zset_fits(c, key_entry(k)))
            return;
    }
    if (k && k->entry)
        zset_mpop_from(c, k, &p);
    else
        reply_null_array(c->reply);
}

/* ---- ZRANDMEMBER ---- */

/* So many members with repetition are 2 GB of reply at least. */
#define RANDOM_MOST (1ll << 27)

struct random_args {
    int64_t count;
    bool many, scores;
};

static bool random_args(struct call *c, struct random_args *a)
{
    const char *error = NULL;
    a->many = c->argc >= 3;
    a->scores = c->argc == 4;
    if (a->many && !arg_int64(c, 2, &a->count))
        return false;
    if (a->many && a->count == INT64_MIN)
        error = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    else if (c->argc > 4 || (a->scores && !bytes_is(c->argv[3], "withscores")))
        error = ERR_SYNTAX;
    else if (a->scores && (a->count < -INT64_MAX / 2 || a->count > INT64_MAX / 2))
        error = "ERR value is out of range";
    if (error)
        reply_error(c->reply, error);
    return !error;
}

static void put_member(struct call *c, const struct zset_place *at, bool score)
{
    struct zset_pair p = zset_pair(at);
    if (score && c->reply->resp == 3)
        reply_array(c->reply, 2);
    reply_bulk(c->reply, p.member.p, p.member.n);
    if (score)
        reply_double(c->reply, p.score);
}

static void put_any(struct call *c, const struct zset *z, uint64_t n, bool score)
{
    struct zset_place at;
    while (n--)
        if (zset_at(z, evict_random() % z->n, &at))
            put_member(c, &at, score);
}

/* Of the members that are left, each is taken as likely as the others. */
static void put_sample(struct call *c, const struct zset *z, uint64_t n, bool score)
{
    struct zset_place at;
    uint64_t left = z->n;
    for (bool more = zset_at(z, 0, &at); more && n; more = zset_next(&at), left--) {
        if (evict_random() % left >= n)
            continue;
        put_member(c, &at, score);
        n--;
    }
}

static int by_rank(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Few of many: ranks are drawn until they are enough different ones. */
static void put_few(struct call *c, const struct zset *z, uint64_t n, bool score)
{
    uint64_t *rank = malloc(n * sizeof(*rank)), have = 0;
    struct zset_place at;
    CHECK(rank);
    while (have < n) {
        uint64_t from = have, kept = 0;
        for (; from < n; from++)
            rank[from] = evict_random() % z->n;
        qsort(rank, n, sizeof(*rank), by_rank);
        for (uint64_t i = 0; i < n; i++)
            if (!kept || rank[i] != rank[kept - 1])
                rank[kept++] = rank[i];
        have = kept;
    }
    for (uint64_t i = 0; i < n; i++)
        if (zset_at(z, rank[i], &at))
            put_member(c, &at, score);
    free(rank);
}

void cmd_zrandmember(struct call *c)
{
    struct random_args a = {0};
    struct zset z;
    if (!random_args(c, &a) || !zset_arg(c, 0, &z))
        return;
    if (!a.many && !z.n) {
        reply_null(c->reply);
        return;
    }
    if (!a.many) {
        put_any(c, &z, 1, false);
        return;
    }
    if (z.n && a.count < -RANDOM_MOST) {
        reply_error(c->reply, "ERR value is out of range");
        return;
    }
    uint64_t n = a.count < 0 ? (uint64_t)-a.count : (uint64_t)a.count;
    n = !z.n ? 0 : a.count > 0 && n > z.n ? z.n : n;
    if (n > ZSET_LONG && call_defer(c))
        return;
    reply_array(c->reply, a.scores && c->reply->resp != 3 ? n * 2 : n);
    if (a.count < 0)
        put_any(c, &z, n, a.scores);
    else if (n < z.n / 8)
        put_few(c, &z, n, a.scores);
    else
        put_sample(c, &z, n, a.scores);
}

/* ---- ZSCAN ---- */

struct scan {
    struct reply *r;
    struct bytes pattern; /* p NULL: every member */
    uint64_t shown;
};

static void scan_put(void *arg, const struct zset_pair *p)
{
    struct scan *s = arg;
    char digits[NUMBER_DOUBLE_MAX];
    if (s->pattern.p && !glob_match(s->pattern, p->member, false))
        return;
    reply_bulk(s->r, p->member.p, p->member.n);
    reply_bulk(s->r, digits, number_from_double(digits, p->score));
    s->shown += 2;
}

/* Whatever the cursor. */
static void scan_all(const struct zset *z, struct scan *s)
{
    struct zset_place at;
    for (bool more = zset_at(z, 0, &at); more; more = zset_next(&at)) {
        struct zset_pair p = zset_pair(&at);
        scan_put(s, &p);
    }
}

/* False: the slow lane has the time. The cursor stands first in the reply, and is known last: the scan writes to a reply of
 * its own. */
static bool scan(struct call *c, const struct zset *z, struct zset_scan *at, struct scan *s)
{
    if (!z->map.root && z->n > ZSET_LONG && call_defer(c))
        return false;
    if (!z->map.root) {
        scan_all(z, s);
        at->cursor = 0;
    } else if (!zset_scan(z, at, scan_put, s)) {
        if (call_defer(c))
            return false;
        at->most = UINT64_MAX;
        zset_scan(z, at, scan_put, s);
    }
    return true;
}

void cmd_zscan(struct call *c)
{
    struct reply pairs = {.resp = c->reply->resp};
    struct scan s = {.r = &pairs};
    struct scan_args args = {.count = 10};
    struct zset_scan at = {.most = ZSET_LONG};
    struct zset z;
    if (!scan_cursor(c, 2, &at.cursor) || !zset_arg(c, 0, &z) || (z.n && !scan_args(c, 3, &args)))
        return;
    at.count = (uint64_t)args.count;
    s.pattern = args.pattern;
    if (!z.n)
        at.cursor = 0;
    if (!z.n || scan(c, &z, &at, &s)) {
        char next[NUMBER_INT_MAX];
        reply_array(c->reply, 2);
        reply_bulk(c->reply, next, number_from_uint64(next, at.cursor));
        reply_array(c->reply, s.shown);
        reply_raw(c->reply, pairs.buf, pairs.len);
    }
    reply_free(&pairs);
}
