/* worker/commands/set_ops.c - commands that combine sets. The result is a list of members that stand in the sets
 * themselves; what is stored is a new set, so that a destination may be one of the sources. */
#include "worker/commands/set_args.h"
#include "worker/dispatch/notify.h"

#include <stdlib.h>

enum op {
    OP_INTER,
    OP_UNION,
    OP_DIFF,
};

struct sets {
    struct dict **set; /* those that exist; for OP_DIFF the first one stands first */
    unsigned n, absent;
    bool first_absent;
    uint64_t members; /* of all of them */
};

struct result {
    struct bytes *member;
    size_t n, cap;
    uint64_t limit; /* no more are wanted */
    bool absent;    /* an intersection with a key that is missing */
};

static void result_add(struct result *r, struct bytes b)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->member = realloc(r->member, r->cap * sizeof(*r->member));
        CHECK(r->member);
    }
    r->member[r->n++] = b;
}

static void sets_close(struct sets *s)
{
    for (unsigned i = 0; i < s->n; i++)
        free(s->set[i]);
    free(s->set);
}

/* Keys [from, to) of the command. False: one of them is no set, and the error is written. */
static bool sets_open(struct call *c, unsigned from, unsigned to, struct sets *s)
{
    *s = (struct sets){.set = malloc((to - from + 1) * sizeof(*s->set))};
    CHECK(s->set);
    for (unsigned i = from; i < to; i++) {
        const struct shm_entry *e = key_entry(call_key(c, i));
        if (!type_fits(c, e, TYPE_SET)) {
            sets_close(s);
            return false;
        }
        if (!e) {
            if (c->cmd->flags & F_WRITE)
                call_missed(c, call_key(c, i));
            s->absent++;
            s->first_absent |= i == from;
            continue;
        }
        struct dict *d = malloc(sizeof(*d));
        CHECK(d);
        dict_read(d, c->tx, e);
        s->members += dict_count(d);
        s->set[s->n++] = d;
    }
    return true;
}

static int by_count(const void *a, const void *b)
{
    uint64_t x = dict_count(*(struct dict *const *)a), y = dict_count(*(struct dict *const *)b);
    return x < y ? -1 : x > y;
}

/* Members of the first set that are in all of the others, or in none of them. */
static void sift(const struct sets *s, bool in_all, struct result *r)
{
    struct dict_walk w;
    struct hmap_item it;
    struct dict_place at;
    for (dict_walk(s->set[0], &w); r->n < r->limit && dict_next(&w, &it);) {
        bool fits = true;
        for (unsigned i = 1; i < s->n && fits; i++)
            fits = dict_find(s->set[i], it.key, &at) == in_all;
        if (fits)
            result_add(r, it.key);
    }
    dict_walk_end(&w);
}

static int by_bytes(const void *a, const void *b)
{
    const struct bytes *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = 0, y = 0;
    number_to_int64(*(const struct bytes *)a, &x);
    number_to_int64(*(const struct bytes *)b, &y);
    return x < y ? -1 : x > y;
}

/* Sorted, so that members of several sets stand side by side; integers as they would stand in an intset. */
static void unite(const struct sets *s, struct result *r)
{
    bool integers = true;
    for (unsigned i = 0; i < s->n; i++) {
        struct dict_walk w;
        struct hmap_item it;
        integers &= s->set[i]->shape.enc == ENC_INTSET;
        for (dict_walk(s->set[i], &w); dict_next(&w, &it);)
            result_add(r, it.key);
        dict_walk_end(&w);
    }
    if (s->n < 2)
        return;
    if (r->n)
        qsort(r->member, r->n, sizeof(*r->member), integers ? by_number : by_bytes);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (!n || !bytes_equal(r->member[n - 1], r->member[i]))
            r->member[n++] = r->member[i];
    r->n = n;
}

static void combine(struct sets *s, enum op op, struct result *r)
{
    bool none = !s->n || (op == OP_INTER && s->absent) || (op == OP_DIFF && s->first_absent);
    r->absent = op == OP_INTER && s->absent;
    if (none)
        return;
    if (op == OP_UNION) {
        unite(s, r);
        return;
    }
    if (op == OP_INTER) /* the fewest members have to be looked for in the others */
        qsort(s->set, s->n, sizeof(*s->set), by_count);
    sift(s, op == OP_INTER, r);
}

/* The result of keys [from, to). False: an error is written, or it is for the slow lane. */
static bool combined(struct call *c, unsigned from, unsigned to, enum op op, struct result *r)
{
    struct sets s;
    if (!sets_open(c, from, to, &s))
        return false;
    bool here = !items_defer(c, s.members);
    if (here)
        combine(&s, op, r);
    sets_close(&s);
    return here;
}

static void reply_combined(struct call *c, enum op op)
{
    struct result r = {.limit = UINT64_MAX};
    size_t bytes = 0;
    if (!combined(c, 0, c->nkeys, op, &r))
        return;
    reply_set(c->reply, r.n);
    for (size_t i = 0; i < r.n && reply_item(c, &bytes, r.member[i]); i++)
        ;
    free(r.member);
}

void cmd_sinter(struct call *c)
{
    reply_combined(c, OP_INTER);
}

void cmd_sunion(struct call *c)
{
    reply_combined(c, OP_UNION);
}

void cmd_sdiff(struct call *c)
{
    reply_combined(c, OP_DIFF);
}

/* ---- storing ---- */

/* What stood under the key is freed at the commit, so that members may be read from it until then. */
static enum rc store(struct call *c, struct key_ref *k, const struct result *r)
{
    struct set_limits l = set_limits(c);
    uint32_t clock = call_clock(c, k);
    bool was = k->entry;
    enum rc rc = was ? key_del(c->tx, k, false) : RC_OK;
    if (rc || !r->n)
        return rc;
    rc = set_store(c->tx, k, clock, &l, r->member, r->n);
    k->born &= !was;
    return rc;
}

/* Events stand before and behind the reply as in Redis. */
static void answer_stored(struct call *c, enum op op, struct key_ref *k, const struct result *r)
{
    static const char *const event[] = {"sinterstore", "sunionstore", "sdiffstore"};
    bool goes = !k->entry && k->logged;
    if (goes && r->absent)
        call_notify(c, NOTIFY_GENERIC, "del", k);
    reply_int(c->reply, (long long)r->n);
    if (goes && !r->absent)
        call_notify(c, NOTIFY_GENERIC, "del", k);
    if (k->entry)
        call_notify(c, NOTIFY_SET, event[op], k);
}

static void store_combined(struct call *c, enum op op)
{
    struct result r = {.limit = UINT64_MAX};
    if (!combined(c, 1, c->nkeys, op, &r))
        return;
    enum rc rc = store(c, call_key(c, 0), &r);
    if (rc)
        call_fail(c, rc);
    else
        answer_stored(c, op, call_key(c, 0), &r);
    free(r.member);
}

void cmd_sinterstore(struct call *c)
{
    store_combined(c, OP_INTER);
}

void cmd_sunionstore(struct call *c)
{
    store_combined(c, OP_UNION);
}

void cmd_sdiffstore(struct call *c)
{
    store_combined(c, OP_DIFF);
}

/* ---- SINTERCARD ---- */

/* How many keys there are, and how many members at most are to be counted. */
static bool intercard_arguments(struct call *c, int64_t *keys, int64_t *limit)
{
    const char *error = NULL;
    *limit = 0;
    if (!number_to_int64(c->argv[1], keys) || *keys < 1)
        error = "ERR numkeys should be greater than 0";
    else if (*keys > c->argc - 2)
        error = "ERR Number of keys can't be greater than number of args";
    for (int i = error ? c->argc : 2 + (int)*keys; i < c->argc && !error; i += 2) {
        if (!bytes_is(c->argv[i], "limit") || i + 1 == c->argc)
            error = ERR_SYNTAX;
        else if (!number_to_int64(c->argv[i + 1], limit) || *limit < 0)
            error = "ERR LIMIT can't be negative";
    }
    if (error)
        reply_error(c->reply, error);
    return !error;
}

void cmd_sintercard(struct call *c)
{
    int64_t keys, limit;
    if (!intercard_arguments(c, &keys, &limit))
        return;
    struct result r = {.limit = limit ? (uint64_t)limit : UINT64_MAX};
    if (!combined(c, 0, (unsigned)keys, OP_INTER, &r))
        return;
    reply_int(c->reply, (long long)r.n);
    free(r.member);
}
