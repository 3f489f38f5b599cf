/* worker/commands/zset_sets.c - sorted sets: unions, intersections and differences, of sorted sets and of sets. */
#include "shm/types/hmap.h"
#include "worker/commands/zset_args.h"
#include "worker/dispatch/notify.h"

#include <math.h>
#include <stdlib.h>

enum set_op { OP_UNION, OP_INTER, OP_DIFF };
enum aggregate { SUM, MIN, MAX };

/* One of the sets that go in. A set's members all have the score 1. */
struct source {
    const struct shm_entry *e;
    bool is_set, mapped; /* mapped: a set in an hmap */
    struct zset z;
    struct hmap map;
    uint64_t n;
    double weight;
    unsigned given; /* which argument it was */
};

struct sets {
    enum set_op op;
    bool store, count_only, scores;
    enum aggregate aggregate;
    int64_t limit;
    unsigned n;
    struct source *src;
};

/* ---- sources ---- */

static void source_open(struct call *c, const struct shm_entry *e, struct source *s)
{
    s->e = e;
    s->weight = 1;
    s->is_set = e && entry_type(e) == TYPE_SET;
    s->mapped = s->is_set && coll_is_tree(e) && entry_enc(e) != ENC_LISTPACK;
    if (s->mapped)
        s->map.tree = (struct tree){.tx = c->tx, .root = entry_word_at((struct shm_entry *)(uintptr_t)e)};
    zset_open(c->tx, s->is_set ? NULL : e, &s->z);
    s->n = s->is_set ? coll_items(e) : s->z.n;
}

static bool source_find(const struct source *s, struct bytes member, double *score)
{
    struct zset_place at;
    struct hmap_place slot;
    struct coll_walk w;
    struct bytes item;
    *score = 1;
    if (!s->e)
        return false;
    if (!s->is_set) {
        bool found = zset_find(&s->z, member, &at);
        *score = found ? zset_pair(&at).score : 0;
        return found;
    }
    if (s->mapped)
        return hmap_find(&s->map, member, &slot, NULL);
    for (coll_walk(NULL, s->e, &w); coll_next(&w, &item);)
        if (bytes_equal(item, member))
            return true;
    return false;
}

typedef void member_fn(void *arg, const struct zset_pair *p);

static void hmap_walk(const struct hmap *m, member_fn *fn, void *arg)
{
    struct tree_path p;
    tree_first(&m->tree, &p);
    for (bool more = p.leaf; more; more = tree_next(&p))
        for (unsigned i = 0; i < p.leaf->n; i++)
            fn(arg, &(struct zset_pair){1, hmap_item(m, p.leaf, i).key});
}

static void source_walk(const struct source *s, member_fn *fn, void *arg)
{
    struct zset_place at;
    struct coll_walk w;
    struct zset_pair p = {.score = 1};
    if (s->mapped) {
        hmap_walk(&s->map, fn, arg);
    } else if (s->is_set) {
        for (coll_walk(NULL, s->e, &w); coll_next(&w, &p.member);)
            fn(arg, &p);
    } else {
        for (bool more = zset_at(&s->z, 0, &at); more; more = zset_next(&at)) {
            p = zset_pair(&at);
            fn(arg, &p);
        }
    }
}

/* ---- scores ---- */

/* inf - inf and inf * 0 are no numbers: 0 then. */
static double number_or_0(double v)
{
    return isnan(v) ? 0 : v;
}

static double join_scores(enum aggregate how, double a, double b)
{
    if (how == SUM)
        return number_or_0(a + b);
    if (how == MIN)
        return b < a ? b : a;
    return b > a ? b : a;
}

/* ---- the three operations ---- */

struct gather {
    const struct sets *s;
    const struct source *from;
    struct pair_list out;
    struct seen { /* of a union: all members of all sources */
        struct zset_pair p;
        size_t order;
    } * seen;
    size_t nseen;
};

static void see_member(void *arg, const struct zset_pair *p)
{
    struct gather *g = arg;
    g->seen[g->nseen] = (struct seen){{number_or_0(p->score * g->from->weight), p->member}, g->nseen};
    g->nseen++;
}

static int by_member(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    struct zset_pair m = {0, x->p.member}, n = {0, y->p.member};
    int order = zset_pair_order(&m, &n);
    return order ? order : x->order < y->order ? -1 : 1;
}

static void make_union(struct gather *g)
{
    const struct sets *s = g->s;
    uint64_t all = 0;
    for (unsigned i = 0; i < s->n; i++)
        all += s->src[i].n;
    g->seen = malloc((all + 1) * sizeof(*g->seen));
    CHECK(g->seen);
    for (unsigned i = 0; i < s->n; i++) {
        g->from = &s->src[i];
        source_walk(g->from, see_member, g);
    }
    if (g->nseen)
        qsort(g->seen, g->nseen, sizeof(*g->seen), by_member);
    for (size_t i = 0, k; i < g->nseen; i = k) {
        struct zset_pair p = g->seen[i].p;
        for (k = i + 1; k < g->nseen && bytes_equal(g->seen[k].p.member, p.member); k++)
            p.score = join_scores(s->aggregate, p.score, g->seen[k].p.score);
        pair_add(&g->out, p);
    }
    free(g->seen);
}

static void meet_member(void *arg, const struct zset_pair *p)
{
    struct gather *g = arg;
    const struct sets *s = g->s;
    double score = number_or_0(p->score * s->src[0].weight), more;
    if (s->count_only && s->limit && (int64_t)g->out.n >= s->limit)
        return;
    for (unsigned i = 1; i < s->n; i++) {
        if (!source_find(&s->src[i], p->member, &more))
            return;
        score = join_scores(s->aggregate, score, more * s->src[i].weight);
    }
    pair_add(&g->out, (struct zset_pair){score, p->member});
}

static void keep_member(void *arg, const struct zset_pair *p)
{
    struct gather *g = arg;
    double score;
    for (unsigned i = 1; i < g->s->n; i++)
        if (source_find(&g->s->src[i], p->member, &score))
            return;
    pair_add(&g->out, *p);
}

static void gather(struct gather *g)
{
    if (g->s->op == OP_UNION)
        make_union(g);
    else
        source_walk(&g->s->src[0], g->s->op == OP_INTER ? meet_member : keep_member, g);
}

/* ---- arguments ---- */

static bool number_of_keys(struct call *c, int at, unsigned *n)
{
    int64_t v;
    if (!arg_int64(c, at, &v))
        return false;
    if (v < 1)
        reply_errorf(c->reply, "ERR at least 1 input key is needed for '%s' command",
                     command_fullname(c->cmd));
    else if (v > c->argc - at - 1)
        reply_error(c->reply, ERR_SYNTAX);
    else
        *n = (unsigned)v;
    return v >= 1 && v <= c->argc - at - 1;
}

static bool open_sources(struct call *c, struct sets *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct key_ref *k = call_key(c, i + s->store);
        const struct shm_entry *e = key_entry(k);
        if (s->store)
            call_missed(c, k);
        if (e && entry_type(e) != TYPE_ZSET && entry_type(e) != TYPE_SET) {
            reply_error(c->reply, ERR_WRONGTYPE);
            return false;
        }
        s->src[i] = (struct source){.given = i};
        source_open(c, e, &s->src[i]);
    }
    return true;
}

static bool read_weights(struct call *c, int at, struct sets *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (number_to_double(c->argv[at + (int)i], &s->src[i].weight))
            continue;
        reply_error(c->reply, "ERR weight value is not a float");
        return false;
    }
    return true;
}

static bool read_limit(struct call *c, int at, struct sets *s)
{
    bool ok = number_to_int64(c->argv[at], &s->limit) && s->limit >= 0;
    if (!ok)
        reply_error(c->reply, "ERR LIMIT can't be negative");
    return ok;
}

static bool read_aggregate(struct call *c, int at, struct sets *s)
{
    static const char *const words[] = {[SUM] = "sum", [MIN] = "min", [MAX] = "max"};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (bytes_is(c->argv[at], words[i])) {
            s->aggregate = (enum aggregate)i;
            return true;
        }
    reply_error(c->reply, ERR_SYNTAX);
    return false;
}

/* The options from this argument on. */
static bool read_options(struct call *c, int at, struct sets *s)
{
    while (at < c->argc) {
        struct bytes word = c->argv[at];
        int left = c->argc - at++;
        bool weighs = s->op != OP_DIFF && !s->count_only;
        if (weighs && left > (int)s->n && bytes_is(word, "weights")) {
            if (!read_weights(c, at, s))
                return false;
            at += (int)s->n;
        } else if (weighs && left >= 2 && bytes_is(word, "aggregate")) {
            if (!read_aggregate(c, at++, s))
                return false;
        } else if (!s->store && !s->count_only && bytes_is(word, "withscores")) {
            s->scores = true;
        } else if (s->count_only && left >= 2 && bytes_is(word, "limit")) {
            if (!read_limit(c, at++, s))
                return false;
        } else {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static int by_size(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return x->given < y->given ? -1 : 1;
}

/* How many members are looked at. */
static uint64_t effort(const struct sets *s)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->n; i++)
        sum += s->src[i].n;
    return s->op == OP_UNION ? sum : s->src[0].n * s->n;
}

/* ---- the commands ---- */

static void put_members(struct call *c, const struct sets *s, struct pair_list *l)
{
    bool nested = s->scores && c->reply->resp == 3;
    if (l->n) /* of nothing there is no array */
        qsort(l->v, l->n, sizeof(*l->v), zset_pair_order);
    reply_array(c->reply, s->scores && !nested ? l->n * 2 : l->n);
    for (size_t i = 0; i < l->n; i++) {
        if (nested)
            reply_array(c->reply, 2);
        reply_bulk(c->reply, l->v[i].member.p, l->v[i].member.n);
        if (s->scores)
            reply_double(c->reply, l->v[i].score);
    }
}

static void answer(struct call *c, const struct sets *s)
{
    static const char *const event[] = {
        [OP_UNION] = "zunionstore", [OP_INTER] = "zinterstore", [OP_DIFF] = "zdiffstore"};
    struct gather g = {.s = s};
    enum rc rc = RC_OK;
    gather(&g);
    if (s->store)
        rc = zset_store_pairs(c, call_key(c, 0), &g.out);
    if (rc)
        call_fail(c, rc);
    else if (s->store || s->count_only)
        reply_int(c->reply, (long long)g.out.n);
    else
        put_members(c, s, &g.out);
    if (s->store && !rc)
        zset_tell_store(c, call_key(c, 0), event[s->op]);
    free(g.out.v);
}

static void run_sets(struct call *c, struct sets s)
{
    int at = s.store ? 2 : 1;
    if (!number_of_keys(c, at, &s.n))
        return;
    s.src = malloc(s.n * sizeof(*s.src));
    CHECK(s.src);
    c->looked = open_sources(c, &s);
    if (c->looked && read_options(c, at + 1 + (int)s.n, &s)) {
        if (s.op != OP_DIFF)
            qsort(s.src, s.n, sizeof(*s.src), by_size);
        if (effort(&s) <= ZSET_LONG || !call_defer(c))
            answer(c, &s);
    }
    free(s.src);
}

void cmd_zunion(struct call *c)
{
    run_sets(c, (struct sets){.op = OP_UNION});
}

void cmd_zunionstore(struct call *c)
{
    run_sets(c, (struct sets){.op = OP_UNION, .store = true});
}

void cmd_zinter(struct call *c)
{
    run_sets(c, (struct sets){.op = OP_INTER});
}

void cmd_zinterstore(struct call *c)
{
    run_sets(c, (struct sets){.op = OP_INTER, .store = true});
}

void cmd_zintercard(struct call *c)
{
    run_sets(c, (struct sets){.op = OP_INTER, .count_only = true});
}

void cmd_zdiff(struct call *c)
{
    run_sets(c, (struct sets){.op = OP_DIFF});
}

void cmd_zdiffstore(struct call *c)
{
    run_sets(c, (struct sets){.op = OP_DIFF, .store = true});
}
