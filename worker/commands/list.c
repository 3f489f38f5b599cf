/* worker/commands/list.c - commands on lists. */
#include "shm/types/list.h"
#include "worker/commands/effects.h"
#include "worker/commands/list_args.h"
#include "worker/dispatch/notify.h"

/* So many elements take about a millisecond to reply, to compare, and to remove. */
#define MANY_REPLIED 8192u
#define MANY_LOOKED  65536u

bool list_fits(struct call *c, const struct shm_entry *e)
{
    if (LIKELY(!e || entry_type(e) == TYPE_LIST))
        return true;
    reply_error(c->reply, ERR_WRONGTYPE);
    return false;
}

static bool is_long(struct call *c, const struct shm_entry *e)
{
    return coll_is_tree(e) && list_length(e) > MANY_LOOKED && call_defer(c);
}

/* ---- pushing ---- */

static void push(struct call *c, bool front, bool only_there)
{
    struct key_ref *k = call_key(c, 0);
    if (!list_fits(c, key_entry(k)))
        return;
    if (only_there && !k->entry) {
        reply_int(c->reply, 0);
        return;
    }
    struct list_how how = list_how_of(c, k);
    enum rc rc = list_push(c->tx, k, c->argv + 2, (unsigned)c->argc - 2, front, &how);
    if (UNLIKELY(rc)) {
        call_fail(c, rc);
        return;
    }
    reply_int(c->reply, (long long)list_length(key_entry(k)));
    call_notify(c, NOTIFY_LIST, front ? "lpush" : "rpush", k);
}

void cmd_lpush(struct call *c)
{
    push(c, true, false);
}

void cmd_rpush(struct call *c)
{
    push(c, false, false);
}

void cmd_lpushx(struct call *c)
{
    push(c, true, true);
}

void cmd_rpushx(struct call *c)
{
    push(c, false, true);
}

void cmd_linsert(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    struct list_walk w;
    struct bytes item;
    bool after = bytes_is(c->argv[2], "after");
    if (!after && !bytes_is(c->argv[2], "before")) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if (!list_fits(c, e))
        return;
    if (!e) {
        reply_int(c->reply, 0);
        return;
    }
    if (is_long(c, e))
        return;
    uint64_t pos = 0;
    for (list_walk(e, 0, false, &w); list_next(&w, &item) && !bytes_equal(item, c->argv[3]);)
        pos++;
    if (pos == list_length(e)) {
        reply_int(c->reply, -1);
        return;
    }
    struct list_how how = list_how_of(c, k);
    enum rc rc = list_insert(c->tx, k, pos + after, c->argv[4], &how);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    call_notify(c, NOTIFY_LIST, "linsert", k);
    reply_int(c->reply, (long long)list_length(key_entry(k)));
}

/* ---- popping ---- */

/* Replies n items from an end, the outermost first. False: that is for the slow lane. */
bool list_reply(struct call *c, const struct shm_entry *e, uint64_t pos, uint64_t n, bool back)
{
    struct list_walk w;
    struct bytes item;
    size_t mark = c->reply->len;
    if (n > MANY_REPLIED && call_defer(c))
        return false;
    reply_array(c->reply, n);
    list_walk(e, pos, back, &w);
    for (uint64_t i = 0; i < n && list_next(&w, &item); i++) {
        reply_bulk(c->reply, item.p, item.n);
        if (UNLIKELY(c->reply->len - mark > LONG_BYTES) && call_defer(c))
            return false;
    }
    return true;
}

/* The n items at an end of the list go; they have been replied. */
enum rc list_pop(struct call *c, struct key_ref *k, uint64_t n, bool front)
{
    struct list_how how = list_how_of(c, k);
    uint64_t length = list_length(key_entry(k));
    return list_cut(c->tx, k, front ? 0 : length - n, n, &how);
}

void list_tell_pop(struct call *c, struct key_ref *k, bool front)
{
    call_notify_taken(c, NOTIFY_LIST, front ? "lpop" : "rpop", k);
}

static void pop(struct call *c, bool front)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    struct list_walk w;
    struct bytes item;
    int64_t count = 1;
    bool counts = c->argc == 3;
    if (c->argc > 3) {
        reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->cmd->name);
        return;
    }
    if (counts && (!number_to_int64(c->argv[2], &count) || count < 0)) {
        reply_error(c->reply, "ERR value is out of range, must be positive");
        return;
    }
    if (!list_fits(c, e))
        return;
    if (!e || !count) {
        if (!counts)
            reply_null(c->reply);
        else if (!e)
            reply_null_array(c->reply);
        else
            reply_array(c->reply, 0);
        return;
    }
    uint64_t length = list_length(e), n = (uint64_t)count < length ? (uint64_t)count : length;
    list_walk(e, front ? 0 : length - 1, !front, &w);
    if (counts) {
        if (!list_reply(c, e, front ? 0 : length - 1, n, !front))
            return;
    } else if (list_next(&w, &item)) {
        if (item.n > LONG_BYTES && call_defer(c))
            return;
        reply_bulk(c->reply, item.p, item.n);
    }
    enum rc rc = list_pop(c, k, n, front);
    if (UNLIKELY(rc))
        call_fail(c, rc);
    else
        list_tell_pop(c, k, front);
}

void cmd_lpop(struct call *c)
{
    pop(c, true);
}

void cmd_rpop(struct call *c)
{
    pop(c, false);
}

/* ---- popping from the first of several lists ---- */

bool list_end_arg(struct call *c, int i, bool *front)
{
    *front = bytes_is(c->argv[i], "left");
    if (*front || bytes_is(c->argv[i], "right"))
        return true;
    reply_error(c->reply, ERR_SYNTAX);
    return false;
}

/* numkeys key ... LEFT|RIGHT [COUNT count], from argument first on, with Redis's errors. */
bool list_mpop_arguments(struct call *c, int first, struct list_mpop *o)
{
    *o = (struct list_mpop){.count = 1};
    if (!number_to_int64(c->argv[first], &o->keys) || o->keys < 1) {
        reply_error(c->reply, "ERR numkeys should be greater than 0");
        return false;
    }
    if (o->keys > c->argc - first - 2) {
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    int i = first + 1 + (int)o->keys;
    if (!list_end_arg(c, i, &o->front))
        return false;
    if (i + 1 == c->argc)
        return true;
    const char *error = NULL;
    if (i + 3 > c->argc || !bytes_is(c->argv[i + 1], "count"))
        error = ERR_SYNTAX;
    else if (!number_to_int64(c->argv[i + 2], &o->count) || o->count < 1)
        error = "ERR count should be greater than 0";
    else if (i + 3 < c->argc)
        error = ERR_SYNTAX;
    if (error)
        reply_error(c->reply, error);
    return !error;
}

/* The log is told of the one list that is changed. */
static enum rc effect_pop(struct call *c, struct bytes key, uint64_t n, bool front)
{
    char digits[NUMBER_INT_MAX];
    struct bytes count = {digits, number_from_uint64(digits, n)};
    return call_effect(c, 3, (struct bytes[]){front ? BYTES_LIT("LPOP") : BYTES_LIT("RPOP"), key, count});
}

/* Pops from the i-th key, which holds a list. */
void list_mpop_from(struct call *c, unsigned i, const struct list_mpop *o)
{
    struct key_ref *k = call_key(c, i);
    const struct shm_entry *e = key_entry(k);
    uint64_t length = list_length(e), n = (uint64_t)o->count < length ? (uint64_t)o->count : length;
    reply_array(c->reply, 2);
    reply_bulk(c->reply, k->key.p, k->key.n);
    if (!list_reply(c, e, o->front ? 0 : length - 1, n, !o->front))
        return;
    enum rc rc = list_pop(c, k, n, o->front);
    if (!rc)
        rc = effect_pop(c, k->key, n, o->front);
    if (rc)
        call_fail(c, rc);
    else
        list_tell_pop(c, k, o->front);
}

void cmd_lmpop(struct call *c)
{
    struct list_mpop o;
    if (!list_mpop_arguments(c, 1, &o))
        return;
    for (unsigned i = 0; i < (unsigned)o.keys; i++) {
        const struct shm_entry *e = key_entry(call_key(c, i));
        if (!e)
            continue;
        if (list_fits(c, e))
            list_mpop_from(c, i, &o);
        return;
    }
    reply_null_array(c->reply);
}

/* ---- moving ---- */

static enum rc move_item(struct call *c, struct key_ref *from, struct key_ref *to, struct bytes v, bool front,
                         bool to_front)
{
    enum rc rc = list_pop(c, from, 1, front);
    struct list_how how = list_how_of(c, to);
    return rc ? rc : list_push(c->tx, to, &v, 1, to_front, &how);
}

/* The source is there and is a list. The value is copied if it stands among others: popping and pushing may use its place.
 * (A long one is a block, which stays until the transaction ends.) */
void list_move(struct call *c, bool front, bool to_front)
{
    struct key_ref *from = call_key(c, 0), *to = call_key(c, 1);
    const struct shm_entry *e = key_entry(from);
    struct list_walk w;
    struct bytes v = {"", 0};
    char held[ITEM_MAX];
    uint64_t length = list_length(e);
    if (!list_fits(c, key_entry(to)))
        return;
    list_walk(e, front ? 0 : length - 1, false, &w);
    list_next(&w, &v);
    if (v.n > LONG_BYTES && call_defer(c))
        return;
    if (v.n <= ITEM_MAX) {
        bytes_copy(held, v.p, v.n);
        v.p = held;
    }
    bool stays = from == to && (length == 1 || front == to_front);
    enum rc rc = stays ? RC_OK : move_item(c, from, to, v, front, to_front);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    call_notify(c, NOTIFY_LIST, to_front ? "lpush" : "rpush", to);
    reply_bulk(c->reply, v.p, v.n);
    list_tell_pop(c, from, front);
}

static void move(struct call *c, bool front, bool to_front)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (!e)
        reply_null(c->reply);
    else if (list_fits(c, e))
        list_move(c, front, to_front);
}

void cmd_lmove(struct call *c)
{
    bool front, to_front;
    if (list_end_arg(c, 3, &front) && list_end_arg(c, 4, &to_front))
        move(c, front, to_front);
}

void cmd_rpoplpush(struct call *c)
{
    move(c, false, true);
}

/* ---- places ---- */

/* Negative indexes count from the end. */
static bool index_in(const struct shm_entry *e, int64_t index, uint64_t *pos)
{
    int64_t length = (int64_t)list_length(e);
    *pos = (uint64_t)(index < 0 ? index + length : index);
    return *pos < (uint64_t)length;
}

/* [start, stop] as a first place and a number of items. */
static void range_in(uint64_t length, int64_t start, int64_t stop, uint64_t *pos, uint64_t *n)
{
    int64_t len = (int64_t)length;
    start = start < 0 ? start + len : start;
    stop = stop < 0 ? stop + len : stop;
    start = start < 0 ? 0 : start;
    stop = stop >= len ? len - 1 : stop;
    *pos = (uint64_t)start;
    *n = start > stop ? 0 : (uint64_t)(stop - start) + 1;
}

void cmd_llen(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (list_fits(c, e))
        reply_int(c->reply, e ? (long long)list_length(e) : 0);
}

void cmd_lindex(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    struct list_walk w;
    struct bytes item;
    int64_t index;
    uint64_t pos;
    if (!e) {
        reply_null(c->reply);
        return;
    }
    if (!list_fits(c, e) || !arg_int64(c, 2, &index))
        return;
    if (!index_in(e, index, &pos)) {
        reply_null(c->reply);
        return;
    }
    list_walk(e, pos, false, &w);
    list_next(&w, &item);
    if (item.n <= LONG_BYTES || !call_defer(c))
        reply_bulk(c->reply, item.p, item.n);
}

void cmd_lset(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    int64_t index;
    uint64_t pos;
    if (!e) {
        reply_error(c->reply, ERR_NO_KEY);
        return;
    }
    if (!list_fits(c, e) || !arg_int64(c, 2, &index))
        return;
    if (!index_in(e, index, &pos)) {
        reply_error(c->reply, "ERR index out of range");
        return;
    }
    struct list_how how = list_how_of(c, k);
    enum rc rc = list_set(c->tx, k, pos, c->argv[3], &how);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    reply_ok(c->reply);
    call_notify(c, NOTIFY_LIST, "lset", k);
}

void cmd_lrange(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    int64_t start, stop;
    uint64_t pos, n;
    if (!arg_int64(c, 2, &start) || !arg_int64(c, 3, &stop) || !list_fits(c, e))
        return;
    range_in(e ? list_length(e) : 0, start, stop, &pos, &n);
    if (n)
        list_reply(c, e, pos, n, false);
    else
        reply_array(c->reply, 0);
}

void cmd_ltrim(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    int64_t start, stop;
    uint64_t pos, n, length = 0;
    if (!arg_int64(c, 2, &start) || !arg_int64(c, 3, &stop) || !list_fits(c, e))
        return;
    if (e)
        length = list_length(e);
    range_in(length, start, stop, &pos, &n);
    if (n && length - n > MANY_LOOKED && call_defer(c))
        return;
    struct list_how how = list_how_of(c, k);
    enum rc rc = RC_OK;
    if (e && !n) {
        rc = key_del(c->tx, k, false);
    } else if (e) {
        rc = list_cut(c->tx, k, pos + n, length - pos - n, &how);
        rc = rc ? rc : list_cut(c->tx, k, 0, pos, &how);
    }
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (e)
        call_notify_taken(c, NOTIFY_LIST, "ltrim", k);
    reply_ok(c->reply);
}

/* ---- by value ---- */

void cmd_lrem(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    int64_t count;
    uint64_t removed = 0;
    if (!arg_int64(c, 2, &count) || !list_fits(c, e) || (e && is_long(c, e)))
        return;
    struct list_how how = list_how_of(c, k);
    enum rc rc = e ? list_remove(c->tx, k, c->argv[3], count, &how, &removed) : RC_OK;
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (removed)
        call_notify_taken(c, NOTIFY_LIST, "lrem", k);
    reply_int(c->reply, (long long)removed);
}

/* Between -INT64_MAX and INT64_MAX, so that its sign can be turned: Redis 7.2 refuses what 7.0 lets overflow. */
static bool lpos_rank(struct call *c, int i, int64_t *v)
{
    if (!arg_int64(c, i, v))
        return false;
    if (*v != INT64_MIN)
        return true;
    reply_error(c->reply,
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
    return false;
}

struct lpos_options {
    int64_t rank, count, maxlen; /* count -1: not given */
};

static bool lpos_not_negative(struct call *c, int i, int64_t *v, const char *error)
{
    if (number_to_int64(c->argv[i], v) && *v >= 0)
        return true;
    reply_error(c->reply, error);
    return false;
}

static bool lpos_arguments(struct call *c, struct lpos_options *o)
{
    *o = (struct lpos_options){1, -1, 0};
    for (int i = 3; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc, ok = true;
        if (more && bytes_is(c->argv[i], "rank"))
            ok = lpos_rank(c, i + 1, &o->rank);
        else if (more && bytes_is(c->argv[i], "count"))
            ok = lpos_not_negative(c, i + 1, &o->count, "ERR COUNT can't be negative");
        else if (more && bytes_is(c->argv[i], "maxlen"))
            ok = lpos_not_negative(c, i + 1, &o->maxlen, "ERR MAXLEN can't be negative");
        else
            ok = (reply_error(c->reply, ERR_SYNTAX), false);
        if (!ok)
            return false;
        if (o->rank == 0) {
            reply_error(c->reply,
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second "
                        "... or use negative to start from the end of the list");
            return false;
        }
    }
    return true;
}

/* Replies the places of the matches, want of them at most; how many there were. */
static uint64_t put_places(struct call *c, const struct shm_entry *e, const struct lpos_options *o,
                           uint64_t want)
{
    bool back = o->rank < 0;
    uint64_t length = list_length(e), pos = back ? length - 1 : 0, found = 0;
    uint64_t skip = (uint64_t)(back ? -o->rank : o->rank) - 1;
    uint64_t left = o->maxlen ? (uint64_t)o->maxlen : UINT64_MAX;
    struct list_walk w;
    struct bytes item;
    for (list_walk(e, pos, back, &w); left-- && found < want && list_next(&w, &item);
         pos += back ? -1ull : 1) {
        if (!bytes_equal(item, c->argv[2]))
            continue;
        if (skip) {
            skip--;
            continue;
        }
        reply_int(c->reply, (long long)pos);
        found++;
    }
    return found;
}

void cmd_lpos(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    struct lpos_options o;
    if (!lpos_arguments(c, &o) || !list_fits(c, e) || (e && is_long(c, e)))
        return;
    if (o.count < 0) {
        if (!e || !put_places(c, e, &o, 1))
            reply_null(c->reply);
        return;
    }
    size_t mark = reply_defer(c->reply);
    uint64_t found = e ? put_places(c, e, &o, o.count ? (uint64_t)o.count : UINT64_MAX) : 0;
    reply_defer_array(c->reply, mark, found);
}
