/* Walking a large sorted set with a cursor. The map stands in hash order, which nothing but a member's coming and going changes,
 * but has hashes in the place of names. A name is found by the score that stands beside the hash, in the order tree: at
 * once where few share the score, by going through all of them where many do. */
#include "shm/types/hmap.h"
#include "shm/types/zset.h"

#include <stdlib.h>

#define LOOKS_EACH 64u /* members that are gone through for one that is shown, at most: or more are shown */

struct walk {
    const struct zset *z;
    struct hmap map;
    struct tree_path path;
    uint64_t low, high; /* places in hash order: what lies in between is shown */
    double *score;      /* of all that does: private memory */
    uint64_t n, cap;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void take_leaf(struct walk *w)
{
    const struct shm_node *leaf = w->path.leaf;
    if (w->n + leaf->n > w->cap) {
        w->cap = w->cap * 2 + leaf->n;
        w->score = realloc(w->score, w->cap * sizeof(*w->score));
        CHECK(w->score);
    }
    for (unsigned i = 0; i < leaf->n; i++)
        memcpy(&w->score[w->n++], hmap_item(&w->map, leaf, i).value.p, sizeof(*w->score));
    w->high = tree_high(&w->path);
    tree_next(&w->path);
}

static uint64_t group_end(const struct walk *w, uint64_t from)
{
    uint64_t to = from + 1;
    while (to < w->n && w->score[to] == w->score[from])
        to++;
    return to;
}

/* How many members have one of the scores. */
static uint64_t looks(const struct walk *w)
{
    uint64_t sum = 0;
    qsort(w->score, w->n, sizeof(*w->score), by_value);
    for (uint64_t i = 0; i < w->n; i = group_end(w, i))
        sum += zset_below(w->z, w->score[i], true) - zset_below(w->z, w->score[i], false);
    return sum;
}

/* Leaves from the cursor on, until there are count members, and enough for what it takes to find their names. False:
 * that is more than most. */
static bool collect(struct walk *w, const struct zset_scan *s)
{
    uint64_t want = s->count, looked;
    tree_find(&w->z->map, s->cursor << HMAP_COARSE, &w->path);
    w->low = tree_low(&w->path);
    do {
        do
            take_leaf(w);
        while (w->high != UINT64_MAX && w->n < want);
        looked = looks(w);
        if (looked > s->most)
            return false;
        want = looked / LOOKS_EACH > w->n * 2 ? looked / LOOKS_EACH : w->n * 2;
    } while (w->high != UINT64_MAX && looked > w->n * LOOKS_EACH);
    return true;
}

/* All n of them that have this score. */
static void show_group(const struct walk *w, double score, uint64_t n, zset_scan_fn *fn, void *arg)
{
    struct zset_place at = {.z = w->z};
    bool more = order_from(&w->z->order, score, false, &at.tree);
    for (; more && n; more = zset_next(&at)) {
        struct zset_pair p = zset_pair(&at);
        uint64_t place = zset_map_place(w->z, p.member);
        if (place < w->low || place > w->high)
            continue;
        fn(arg, &p);
        n--;
    }
}

bool zset_scan(const struct zset *z, struct zset_scan *s, zset_scan_fn *fn, void *arg)
{
    struct walk w = {.z = z, .map = {z->map, true}};
    bool fits = collect(&w, s);
    for (uint64_t i = 0, end; fits && i < w.n; i = end) {
        end = group_end(&w, i);
        show_group(&w, w.score[i], end - i, fn, arg);
    }
    free(w.score);
    if (fits)
        s->cursor = w.high == UINT64_MAX ? 0 : (w.high + 1) >> HMAP_COARSE;
    return fits;
}
