/* worker/commands/sort.c - SORT and SORT_RO. What is to be sorted is copied first. Patterns name keys that no plan knows:
 * each is read under a latch of its own, which is tried as always and given back at once. */
#include "worker/commands/dict_cmds.h"
#include "shm/types/list.h"
#include "shm/types/string.h"
#include "shm/types/zset.h"
#include "shm/wal.h"
#include "worker/commands/effects.h"
#include "worker/commands/list_args.h"
#include "worker/dispatch/keyplan.h"
#include "worker/dispatch/notify.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Looking up a pattern's key takes some 200 ns, comparing less: more of both than this is for the slow lane. */
#define SORT_STEPS 4096u

/* A pattern, cut: prefix*suffix, and the field of a hash behind "->". */
struct pattern {
    struct bytes prefix, suffix, field;
    bool self;    /* "#" */
    bool nothing; /* no star: it names no key */
};

struct options {
    bool alpha, desc, read_only;
    bool unsorted; /* BY a pattern without a star */
    bool by;
    struct pattern weight, *get;
    unsigned nget;
    int store; /* the argument, 0: none */
    int64_t start, count;
};

/* An element, and what it is sorted by. Bytes are ours (malloc). */
struct element {
    struct bytes self, weight; /* weight.p NULL: its key is missing */
    double score;
    unsigned place; /* before sorting */
};

struct sort {
    struct options o;
    struct element *e;
    unsigned n, start, end; /* end excluded */
};

/* ---- arguments ---- */

static struct pattern pattern_of(struct bytes b)
{
    const char *star = memchr(b.p, '*', b.n);
    struct pattern p = {.self = b.n == 1 && b.p[0] == '#', .nothing = !star};
    if (!star)
        return p;
    p.prefix = (struct bytes){b.p, (size_t)(star - b.p)};
    p.suffix = (struct bytes){star + 1, b.n - p.prefix.n - 1};
    const char *arrow = memmem(p.suffix.p, p.suffix.n, "->", 2);
    if (arrow && arrow + 2 < b.p + b.n) {
        p.field = (struct bytes){arrow + 2, (size_t)(b.p + b.n - arrow) - 2};
        p.suffix.n = (size_t)(arrow - p.suffix.p);
    }
    return p;
}

/* The option at argument i; how many arguments follow it, -1: the error is written. */
static int option(struct call *c, int i, struct options *o)
{
    struct bytes word = c->argv[i];
    int more = c->argc - i - 1;
    if (bytes_is(word, "asc") || bytes_is(word, "desc")) {
        o->desc = word.n == 4;
        return 0;
    }
    if (bytes_is(word, "alpha")) {
        o->alpha = true;
        return 0;
    }
    if (bytes_is(word, "limit") && more >= 2)
        return arg_int64(c, i + 1, &o->start) && arg_int64(c, i + 2, &o->count) ? 2 : -1;
    if (!o->read_only && bytes_is(word, "store") && more >= 1) {
        o->store = i + 1;
        return 1;
    }
    if (bytes_is(word, "by") && more >= 1) {
        o->weight = pattern_of(c->argv[i + 1]);
        o->unsorted = o->weight.nothing; /* for good, as in Redis, whatever further patterns say */
        o->by = true;
        return 1;
    }
    if (bytes_is(word, "get") && more >= 1) {
        o->get[o->nget++] = pattern_of(c->argv[i + 1]);
        return 1;
    }
    reply_error(c->reply, ERR_SYNTAX);
    return -1;
}

static bool options(struct call *c, struct options *o)
{
    for (int i = 2, takes; i < c->argc; i += 1 + takes) {
        takes = option(c, i, o);
        if (takes < 0)
            return false;
    }
    return true;
}

/* ---- keys that patterns name ---- */

static struct bytes copy(struct bytes b)
{
    char *p = malloc(b.n + 1);
    CHECK(p);
    memcpy(p, b.p, b.n);
    return (struct bytes){p, b.n};
}

/* The value that the entry has for the pattern: a string, or a field of a hash. out->p stays NULL if there is none. */
static void value_copy(struct call *c, const struct pattern *p, const struct shm_entry *e, struct bytes *out)
{
    char digits[STRING_DIGITS];
    if (entry_expiry(e) >= 0 && entry_expiry(e) <= c->now_ms && !c->loading)
        return;
    if (!p->field.n && entry_type(e) == TYPE_STRING)
        *out = copy(string_bytes(e, digits));
    if (p->field.n && entry_type(e) == TYPE_HASH) {
        struct dict d;
        struct dict_place at;
        dict_read(&d, c->tx, e);
        d.now_ms = hides_ms(c);
        if (dict_find(&d, p->field, &at))
            *out = copy(at.value);
    }
}

static void note_beyond(struct call *c, const struct key_ref *k)
{
    if (LIKELY(!persist(c->ctx->root)->wal.waits))
        return;
    uint64_t seen = wal_seen(c->ctx->root, k->hash);
    c->beyond = seen > c->beyond ? seen : c->beyond;
}

/* RC_BUSY: its latch is not to be had, and the command is run again. What a command before this one has put is known to the
 * transaction's plan alone. */
static enum rc key_value(struct call *c, const struct pattern *p, struct bytes name, struct bytes *out)
{
    struct key_ref k = {.key = name, .db = c->db, .table = db_table(c->ctx->root, c->db)};
    bool ours = true;
    if (!k.table)
        return RC_OK;
    k.hash = key_hash(c->ctx->root, name);
    const struct key_ref *planned = c->in_exec ? keyplan_look(c->plan, name, k.hash, c->db) : NULL;
    enum rc rc = planned ? RC_OK : key_latch_late(c->tx, &k, &ours);
    if (rc)
        return rc;
    k.entry = planned ? planned->entry : k.entry;
    call_missed(c, &k);
    if (k.entry)
        value_copy(c, p, key_entry(&k), out);
    note_beyond(c, &k);
    if (!ours)
        tx_unlatch_last(c->tx);
    return RC_OK;
}

static enum rc lookup(struct call *c, const struct pattern *p, struct bytes element, struct bytes *out)
{
    *out = (struct bytes){NULL, 0};
    if (p->self) {
        *out = copy(element);
        return RC_OK;
    }
    if (p->nothing)
        return RC_OK;
    size_t n = p->prefix.n + element.n + p->suffix.n;
    char *name = malloc(n + 1), *to = name;
    CHECK(name);
    to = mempcpy(to, p->prefix.p, p->prefix.n);
    to = mempcpy(to, element.p, element.n);
    memcpy(to, p->suffix.p, p->suffix.n);
    enum rc rc = key_value(c, p, (struct bytes){name, n}, out);
    free(name);
    return rc;
}

/* ---- what is sorted ---- */

static uint64_t length_of(struct call *c, const struct shm_entry *e)
{
    struct dict d;
    struct zset z;
    if (!e)
        return 0;
    if (entry_type(e) == TYPE_LIST)
        return list_length(e);
    if (entry_type(e) == TYPE_ZSET) {
        zset_open(c->tx, e, &z);
        return z.n;
    }
    dict_read(&d, c->tx, e);
    return dict_count(&d);
}

static void take(struct sort *s, struct bytes b)
{
    s->e[s->n] = (struct element){.self = copy(b), .place = s->n};
    s->n++;
}

static void take_all(struct call *c, const struct shm_entry *e, struct sort *s)
{
    struct bytes item;
    if (entry_type(e) == TYPE_LIST) {
        struct list_walk w;
        for (list_walk(e, 0, false, &w); list_next(&w, &item);)
            take(s, item);
    } else if (entry_type(e) == TYPE_ZSET) {
        struct zset z;
        struct zset_place at;
        zset_open(c->tx, e, &z);
        for (bool more = zset_at(&z, 0, &at); more; more = zset_next(&at))
            take(s, zset_pair(&at).member);
    } else {
        struct dict d;
        struct dict_walk w;
        struct hmap_item member;
        dict_read(&d, c->tx, e);
        dict_walk(&d, &w);
        while (dict_next(&w, &member))
            take(s, member.key);
        dict_walk_end(&w);
    }
}

static bool score_of(struct element *e, struct bytes b)
{
    char *end, *text = (char *)copy(b).p;
    text[b.n] = 0;
    errno = 0;
    e->score = strtod(text, &end);
    bool fits = !*end && errno != ERANGE && !isnan(e->score);
    free(text);
    return fits;
}

/* *number: are all weights numbers, if they are to be? */
static enum rc weigh(struct call *c, struct sort *s, bool *number)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct element *e = &s->e[i];
        enum rc rc = s->o.by ? lookup(c, &s->o.weight, e->self, &e->weight) : RC_OK;
        if (rc)
            return rc;
        if (!s->o.alpha && (e->weight.p || !s->o.by))
            *number &= score_of(e, s->o.by ? e->weight : e->self);
    }
    return RC_OK;
}

static int by_bytes(struct bytes a, struct bytes b)
{
    int d = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return d ? d : (a.n > b.n) - (a.n < b.n);
}

static int by_weight(const struct element *a, const struct element *b, const struct options *o)
{
    if (!o->alpha) {
        int d = (a->score > b->score) - (a->score < b->score);
        return d ? d : by_bytes(a->self, b->self);
    }
    if (!o->by)
        return by_bytes(a->self, b->self);
    if (!a->weight.p || !b->weight.p)
        return !!a->weight.p - !!b->weight.p;
    return by_bytes(a->weight, b->weight);
}

/* Equal ones stay in their order. */
static int by_order(const void *x, const void *y, void *options_of)
{
    const struct element *a = x, *b = y;
    const struct options *o = options_of;
    int d = by_weight(a, b, o);
    return d ? (o->desc ? -d : d) : (a->place > b->place) - (a->place < b->place);
}

static void reverse(struct sort *s)
{
    for (unsigned i = 0; i < s->n / 2; i++) {
        struct element e = s->e[i];
        s->e[i] = s->e[s->n - 1 - i];
        s->e[s->n - 1 - i] = e;
    }
}

/* LIMIT, cut to what there is. */
static void limit(struct sort *s)
{
    int64_t n = s->n, start = s->o.start < 0 ? 0 : s->o.start;
    start = start < n ? start : n;
    s->start = (unsigned)start;
    s->end = (unsigned)(s->o.count < 0 || s->o.count > n - start ? n : start + s->o.count);
}

/* False: the error is written, or c->rc says what it is. */
static bool arrange(struct call *c, const struct shm_entry *e, struct sort *s)
{
    bool number = true;
    struct options *o = &s->o;
    if (e)
        take_all(c, e, s);
    /* A set has no order that a log could repeat: what is stored is sorted nevertheless. */
    if (o->unsorted && e && entry_type(e) == TYPE_SET && o->store) {
        o->unsorted = o->by = false;
        o->alpha = true;
    }
    if (!o->unsorted) {
        enum rc rc = weigh(c, s, &number);
        if (rc) {
            call_fail(c, rc);
            return false;
        }
        qsort_r(s->e, s->n, sizeof(*s->e), by_order, o);
    } else if (o->desc && e && entry_type(e) != TYPE_SET) {
        reverse(s);
    }
    limit(s);
    if (!number)
        reply_error(c->reply, "ERR One or more scores can't be converted into double");
    return number;
}

/* ---- what becomes of it ---- */

/* The replies of all patterns, element by element, in out (of malloc). */
static enum rc gather(struct call *c, const struct sort *s, struct bytes *out, size_t *n)
{
    enum rc rc = RC_OK;
    for (unsigned i = s->start; i < s->end && !rc; i++) {
        if (!s->o.nget)
            out[(*n)++] = copy(s->e[i].self);
        for (unsigned g = 0; g < s->o.nget && !rc; g++) {
            rc = lookup(c, &s->o.get[g], s->e[i].self, &out[*n]);
            *n += !rc;
        }
    }
    return rc;
}

/* The log is told the list: the keys that made it so stand in no order to this command. out begins two words behind its
 * memory, for the command's. */
static enum rc store(struct call *c, struct bytes *out, size_t n)
{
    struct key_ref *k = call_key(c, 1);
    bool was = k->entry;
    enum rc rc = was ? key_del(c->tx, k, false) : RC_OK;
    if (!rc && was)
        rc = effect_del(c, k->key);
    if (rc || !n)
        return rc;
    struct list_how how = list_how_of(c, k);
    for (size_t i = 0; i < n; i++)
        out[i].p = out[i].p ? out[i].p : "";
    rc = list_push(c->tx, k, out, (unsigned)n, false, &how);
    k->born &= !was;
    out[-2] = BYTES_LIT("RPUSH");
    out[-1] = k->key;
    return rc ? rc : call_effect(c, (unsigned)n + 2, out - 2);
}

static void answer_stored(struct call *c, size_t n)
{
    struct key_ref *k = call_key(c, 1);
    if (n)
        call_notify(c, NOTIFY_LIST, "sortstore", k);
    else if (k->logged)
        call_notify(c, NOTIFY_GENERIC, "del", k);
    reply_int(c->reply, (long long)n);
}

static void answer(struct call *c, const struct sort *s)
{
    size_t room = (size_t)(s->end - s->start) * (s->o.nget ? s->o.nget : 1), n = 0;
    struct bytes *all = malloc((room + 2) * sizeof(*all)), *out = all + 2, *mine;
    CHECK(all);
    enum rc rc = gather(c, s, out, &n);
    mine = malloc((n + 1) * sizeof(*mine));
    CHECK(mine);
    memcpy(mine, out, n * sizeof(*mine));
    if (!rc && s->o.store)
        rc = store(c, out, n);
    if (rc)
        call_fail(c, rc);
    else if (s->o.store)
        answer_stored(c, n);
    else
        reply_array(c->reply, n);
    for (size_t i = 0; i < n; i++) {
        if (!rc && !s->o.store && out[i].p)
            reply_bulk(c->reply, out[i].p, out[i].n);
        else if (!rc && !s->o.store)
            reply_null(c->reply);
        free((char *)mine[i].p);
    }
    free(mine);
    free(all);
}

static void sort(struct call *c, struct sort *s)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (!s->o.read_only)
        call_missed(c, call_key(c, 0));
    if (e && entry_type(e) != TYPE_LIST && entry_type(e) != TYPE_SET && entry_type(e) != TYPE_ZSET) {
        reply_error(c->reply, ERR_WRONGTYPE);
        return;
    }
    uint64_t n = length_of(c, e);
    if (n * (1 + s->o.by + s->o.nget) > SORT_STEPS && call_defer(c))
        return;
    s->e = malloc((n + 1) * sizeof(*s->e));
    CHECK(s->e);
    if (arrange(c, e, s))
        answer(c, s);
    for (unsigned i = 0; i < s->n; i++) {
        free((char *)s->e[i].self.p);
        free((char *)s->e[i].weight.p);
    }
    free(s->e);
}

static void sort_command(struct call *c, bool read_only)
{
    struct sort s = {.o = {.read_only = read_only, .count = -1}};
    s.o.get = malloc((size_t)c->argc * sizeof(*s.o.get));
    CHECK(s.o.get);
    if (options(c, &s.o))
        sort(c, &s);
    free(s.o.get);
}

void cmd_sort(struct call *c)
{
    sort_command(c, false);
}

void cmd_sort_ro(struct call *c)
{
    sort_command(c, true);
}
