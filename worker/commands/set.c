/* worker/commands/set.c - commands on the members of a set. */
#include "worker/commands/effects.h"
#include "worker/commands/set_args.h"
#include "worker/dispatch/notify.h"

#include <stdlib.h>

/* ---- reading ---- */

void cmd_sismember(struct call *c)
{
    reply_dict_has(c, TYPE_SET);
}

void cmd_smismember(struct call *c)
{
    struct dict d;
    struct dict_place at;
    if (!key_fits(c, TYPE_SET) || items_defer(c, (uint64_t)c->argc))
        return;
    bool there = dict_arg_read(c, &d);
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        reply_int(c->reply, there && dict_find(&d, c->argv[i], &at));
}

void cmd_scard(struct call *c)
{
    struct dict d;
    if (key_fits(c, TYPE_SET))
        reply_int(c->reply, dict_arg_read(c, &d) ? (long long)dict_count(&d) : 0);
}

void cmd_smembers(struct call *c)
{
    struct dict d;
    struct dict_walk w;
    struct hmap_item it;
    size_t bytes = 0;
    if (!key_fits(c, TYPE_SET))
        return;
    bool there = dict_arg_read(c, &d);
    uint64_t n = there ? dict_count(&d) : 0;
    if (items_defer(c, n))
        return;
    reply_set(c->reply, n);
    if (!there)
        return;
    for (dict_walk(&d, &w); dict_next(&w, &it) && reply_item(c, &bytes, it.key);)
        ;
    dict_walk_end(&w);
}

void cmd_sscan(struct call *c)
{
    reply_dict_scan(c, TYPE_SET);
}

/* ---- adding and removing ---- */

void cmd_sadd(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct set_limits l = set_limits(c);
    struct dict d;
    long long n = 0;
    if (!key_fits(c, TYPE_SET) || items_defer(c, (uint64_t)c->argc))
        return;
    enum rc rc = set_open(&d, c->tx, k, call_clock(c, k), &l, c->argv[2], (uint64_t)c->argc - 2);
    for (int i = 2; i < c->argc && !rc; i++) {
        bool added;
        rc = set_add(&d, &l, c->argv[i], &added);
        n += added;
    }
    if (!rc)
        rc = dict_end(&d);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (n)
        call_notify(c, NOTIFY_SET, "sadd", k);
    reply_int(c->reply, n);
}

static void open_present(struct call *c, struct key_ref *k, struct dict *d)
{
    dict_open(d, c->tx, k, &(struct coll_shape){.type = TYPE_SET, .clock = call_clock(c, k)});
}

void cmd_srem(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct dict d;
    long long n = 0;
    enum rc rc = RC_OK;
    if (!key_fits(c, TYPE_SET) || items_defer(c, (uint64_t)c->argc))
        return;
    open_present(c, k, &d);
    for (int i = 2; i < c->argc && !rc; i++) {
        bool removed;
        rc = set_del(&d, c->argv[i], &removed);
        n += removed;
    }
    if (!rc)
        rc = dict_end(&d);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (n)
        call_notify_taken(c, NOTIFY_SET, "srem", k);
    reply_int(c->reply, n);
}

static enum rc add_one(struct call *c, struct key_ref *k, struct bytes member, bool *added)
{
    struct set_limits l = set_limits(c);
    struct dict d;
    enum rc rc = set_open(&d, c->tx, k, call_clock(c, k), &l, member, 1);
    if (!rc)
        rc = set_add(&d, &l, member, added);
    return rc ? rc : dict_end(&d);
}

void cmd_smove(struct call *c)
{
    struct key_ref *from = call_key(c, 0), *to = call_key(c, 1);
    struct dict d;
    struct dict_place at;
    if (!from->entry) {
        reply_int(c->reply, 0);
        return;
    }
    if (!key_fits(c, TYPE_SET) || !type_fits(c, key_entry(to), TYPE_SET))
        return;
    open_present(c, from, &d);
    bool there = dict_find(&d, c->argv[3], &at), moves = there && from != to, added = false;
    enum rc rc = moves ? dict_del(&d, &at) : RC_OK;
    if (!rc && moves)
        rc = dict_end(&d);
    if (!rc && moves)
        rc = add_one(c, to, c->argv[3], &added);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (moves)
        call_notify_taken(c, NOTIFY_SET, "srem", from);
    if (added)
        call_notify(c, NOTIFY_SET, "sadd", to);
    reply_int(c->reply, there);
}

/* ---- chance ---- */

struct chosen {
    struct call *c;
    size_t bytes;
    struct place { /* in the reply */
        size_t at, n;
    } * place; /* NULL: not wanted */
    size_t n;
};

static bool reply_chosen(void *arg, const struct hmap_item *it)
{
    struct chosen *s = arg;
    if (!reply_item(s->c, &s->bytes, it->key))
        return false;
    if (s->place)
        s->place[s->n++] = (struct place){s->c->reply->len - 2 - it->key.n, it->key.n};
    return true;
}

/* The set, and how many of its members are wanted; the reply has its head. 0: it is complete, or goes elsewhere. */
static uint64_t begin_choice(struct call *c, struct dict *d, int64_t count,
                             void (*head)(struct reply *r, size_t n))
{
    bool there = dict_arg_read(c, d), one = c->argc == 2;
    uint64_t n = there ? sample_size(d, count) : 0;
    if (items_defer(c, n))
        return 0;
    if (!one)
        head(c->reply, n);
    else if (!there)
        reply_null(c->reply);
    return n;
}

void cmd_srandmember(struct call *c)
{
    struct dict d;
    struct chosen s = {.c = c};
    int64_t count = 1;
    if (c->argc > 3) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if (c->argc > 2 && !arg_int64(c, 2, &count))
        return;
    if (count == INT64_MIN) {
        reply_error(c->reply, ERR_COUNT_RANGE);
        return;
    }
    if (!key_fits(c, TYPE_SET))
        return;
    if (begin_choice(c, &d, count, reply_array))
        dict_sample(&d, count, reply_chosen, &s);
}

/* The log is told which they were. They stand in the reply, since removing one may move others. */
static enum rc remove_chosen(struct call *c, struct key_ref *k, const struct chosen *s)
{
    struct dict d;
    bool removed;
    enum rc rc = RC_OK;
    struct bytes *argv = malloc((s->n + 2) * sizeof(*argv));
    CHECK(argv);
    argv[0] = BYTES_LIT("SREM");
    argv[1] = k->key;
    open_present(c, k, &d);
    for (size_t i = 0; i < s->n && !rc; i++) {
        argv[i + 2] = (struct bytes){c->reply->buf + s->place[i].at, s->place[i].n};
        rc = set_del(&d, argv[i + 2], &removed);
    }
    if (!rc)
        rc = dict_end(&d);
    if (!rc)
        rc = k->entry ? call_effect(c, (unsigned)s->n + 2, argv) : effect_del(c, k->key);
    free(argv);
    return rc;
}

static bool pop_count(struct call *c, int64_t *count)
{
    if (c->argc > 3) {
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    *count = 1;
    if (c->argc == 3 && (!number_to_int64(c->argv[2], count) || *count < 0)) {
        reply_error(c->reply, "ERR value is out of range, must be positive");
        return false;
    }
    return true;
}

void cmd_spop(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct chosen s = {.c = c};
    struct dict d;
    int64_t count;
    if (!pop_count(c, &count) || !key_fits(c, TYPE_SET))
        return;
    uint64_t n = begin_choice(c, &d, count, reply_set);
    if (!n)
        return;
    s.place = malloc(n * sizeof(*s.place));
    CHECK(s.place);
    dict_sample(&d, count, reply_chosen, &s);
    enum rc rc = c->rc ? c->rc : remove_chosen(c, k, &s);
    if (rc)
        call_fail(c, rc);
    else
        call_notify_first(c, NOTIFY_SET, "spop", k);
    if (!rc && !k->entry)
        call_notify(c, NOTIFY_GENERIC, "del", k);
    free(s.place);
}
