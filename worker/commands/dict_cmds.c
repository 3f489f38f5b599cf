#include "worker/commands/dict_cmds.h"
#include "shm/base/glob.h"
#include "worker/commands/scan.h"

#include <stdlib.h>

void reply_dict_has(struct call *c, unsigned type)
{
    struct dict d;
    struct dict_place at;
    if (key_fits(c, type))
        reply_int(c->reply, dict_arg_read(c, &d) && dict_find(&d, c->argv[2], &at));
}

/* ---- choosing at random ---- */

/* Where those items stand that are not hidden; NULL: none is hidden. */
static uint64_t *places_shown(const struct dict *d)
{
    struct dict all = *d;
    struct dict_walk w;
    struct hmap_item it;
    uint64_t shown = d->pairs ? dict_count(d) : 0, *place, n = 0;
    if (LIKELY(!d->pairs) || shown == dict_size(d))
        return NULL;
    place = malloc((shown + 1) * sizeof(*place));
    CHECK(place);
    all.now_ms = 0;
    dict_walk(&all, &w);
    for (uint64_t pos = 0; n < shown && dict_next(&w, &it); pos++)
        if (!dict_hides(d, it.until_ms))
            place[n++] = pos;
    dict_walk_end(&w);
    return place;
}

static struct hmap_item item_shown(const struct dict *d, const uint64_t *place, uint64_t pos)
{
    return dict_at(d, place ? place[pos] : pos);
}

static void sample_repeating(const struct dict *d, uint64_t count, sample_fn *fn, void *arg)
{
    uint64_t n = dict_count(d), *place = places_shown(d);
    for (uint64_t i = 0; i < count; i++) {
        struct hmap_item it = item_shown(d, place, evict_random() % n);
        if (!fn(arg, &it))
            break;
    }
    free(place);
}

/* Of those that are left, each is as likely to be among those that are still wanted. */
static void sample_walking(const struct dict *d, uint64_t count, sample_fn *fn, void *arg)
{
    struct dict_walk w;
    struct hmap_item it;
    uint64_t left = dict_count(d);
    for (dict_walk(d, &w); count && dict_next(&w, &it); left--)
        if (evict_random() % left < count) {
            count--;
            if (!fn(arg, &it))
                break;
        }
    dict_walk_end(&w);
}

/* Few of many: places are drawn again until they are new, which takes three tries for two at the worst. */
static void sample_drawing(const struct dict *d, uint64_t count, sample_fn *fn, void *arg)
{
    uint64_t n = dict_count(d), *seen = calloc(n / 64 + 1, sizeof(*seen)), *place = places_shown(d);
    CHECK(seen);
    while (count) {
        uint64_t pos = evict_random() % n, bit = 1ull << (pos & 63);
        if (seen[pos / 64] & bit)
            continue;
        seen[pos / 64] |= bit;
        count--;
        struct hmap_item it = item_shown(d, place, pos);
        if (!fn(arg, &it))
            break;
    }
    free(place);
    free(seen);
}

void dict_sample(const struct dict *d, int64_t count, sample_fn *fn, void *arg)
{
    uint64_t n = sample_size(d, count);
    if (count == 1 || count < 0)
        sample_repeating(d, n, fn, arg);
    else if (d->form == DICT_HMAP && n <= dict_count(d) / 3)
        sample_drawing(d, n, fn, arg);
    else
        sample_walking(d, n, fn, arg);
}

/* ---- HSCAN and SSCAN ---- */

struct scan_reply {
    struct reply *r;
    struct bytes pattern; /* p NULL: every item */
    bool values;
    size_t n;
};

static void scan_item(void *arg, const struct hmap_item *it)
{
    struct scan_reply *s = arg;
    if (s->pattern.p && !glob_match(s->pattern, it->key, false))
        return;
    reply_bulk(s->r, it->key.p, it->key.n);
    if (s->values)
        reply_bulk(s->r, it->value.p, it->value.n);
    s->n += 1 + s->values;
}

/* The cursor stands first in the reply, and is known last: the scan writes to a reply of its own. */
static void scan(struct call *c, const struct dict *d, uint64_t cursor, const struct scan_args *o)
{
    struct reply items = {.resp = c->reply->resp};
    struct scan_reply s = {.r = &items, .pattern = o->pattern, .values = d->pairs && !o->names_only};
    cursor = dict_scan(d, cursor, (uint64_t)o->count, scan_item, &s);
    char text[NUMBER_INT_MAX];
    reply_array(c->reply, 2);
    reply_bulk(c->reply, text, number_from_uint64(text, cursor));
    reply_array(c->reply, s.n);
    reply_raw(c->reply, items.buf, items.len);
    reply_free(&items);
}

void reply_dict_scan(struct call *c, unsigned type)
{
    const struct shm_entry *e;
    struct scan_args o;
    struct dict d;
    uint64_t cursor;
    if (!scan_cursor(c, 2, &cursor))
        return;
    e = key_entry(call_key(c, 0));
    if (!e) {
        REPLY_LIT(c->reply, "*2\r\n$1\r\n0\r\n*0\r\n");
        return;
    }
    if (!type_fits(c, e, type) || !scan_args(c, 3, &o))
        return;
    dict_read(&d, c->tx, e);
    d.now_ms = hides_ms(c);
    bool all = d.form != DICT_HMAP || d.shape.enc != ENC_HASHTABLE;
    if (!items_defer(c, all ? dict_size(&d) : (uint64_t)o.count))
        scan(c, &d, cursor, &o);
}
