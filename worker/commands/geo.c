/* worker/commands/geo.c - places: sorted sets whose scores are geohashes. */
#include "shm/types/geo.h"
#include "worker/commands/zset_args.h"
#include "worker/dispatch/notify.h"

#include <stdio.h>
#include <stdlib.h>

#define ERR_NO_MEMBER "ERR could not decode requested zset member"

command_fn cmd_zadd;
key_wants_fn georadius_wants;

/* ---- arguments ---- */

static bool arg_point(struct call *c, int i, struct geo_point *p)
{
    if (!arg_double(c, i, &p->lon) || !arg_double(c, i + 1, &p->lat))
        return false;
    bool ok =
        p->lon >= -GEO_LON_MAX && p->lon <= GEO_LON_MAX && p->lat >= -GEO_LAT_MAX && p->lat <= GEO_LAT_MAX;
    if (!ok)
        reply_errorf(c->reply, "ERR invalid longitude,latitude pair %f,%f", p->lon, p->lat);
    return ok;
}

static bool arg_unit(struct call *c, int i, double *meters)
{
    static const struct {
        const char *name;
        double meters;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (unsigned u = 0; u < ARRAY_LEN(units); u++)
        if (bytes_is(c->argv[i], units[u].name)) {
            *meters = units[u].meters;
            return true;
        }
    reply_error(c->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

static bool arg_length(struct call *c, int i, double *v, const char *error)
{
    bool ok = number_to_double(c->argv[i], v);
    if (!ok)
        reply_error(c->reply, error);
    return ok;
}

/* ---- GEOADD ---- */

/* It is a ZADD whose scores are made from places. */
void cmd_geoadd(struct call *c)
{
    int first = 2;
    bool nx = false, xx = false;
    for (; first < c->argc; first++) {
        bool is_nx = bytes_is(c->argv[first], "nx"), is_xx = bytes_is(c->argv[first], "xx");
        if (!is_nx && !is_xx && !bytes_is(c->argv[first], "ch"))
            break;
        nx |= is_nx;
        xx |= is_xx;
    }
    int n = (c->argc - first) / 3;
    if ((c->argc - first) % 3 || (nx && xx)) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    struct bytes *argv = malloc((size_t)(first + 2 * n) * sizeof(*argv));
    char(*text)[NUMBER_DOUBLE_MAX] = malloc((size_t)(n + 1) * sizeof(*text));
    struct geo_point p;
    bool ok = argv && text;
    CHECK(ok);
    memcpy(argv, c->argv, (size_t)first * sizeof(*argv));
    for (int i = 0; i < n && ok; i++) {
        ok = arg_point(c, first + 3 * i, &p);
        argv[first + 2 * i] = (struct bytes){text[i], ok ? number_from_double(text[i], geo_score(p)) : 0};
        argv[first + 2 * i + 1] = c->argv[first + 3 * i + 2];
    }
    struct call add = *c;
    add.argv = argv;
    add.argc = first + 2 * n;
    if (ok)
        cmd_zadd(&add);
    c->rc = add.rc;
    free(argv);
    free(text);
}

/* ---- GEOPOS, GEOHASH, GEODIST ---- */

static bool member_point(const struct zset *z, struct bytes member, struct geo_point *p)
{
    struct zset_place at;
    bool found = zset_find(z, member, &at);
    if (found)
        *p = geo_of_score(zset_pair(&at).score);
    return found;
}

static void put_coordinate(struct reply *r, double v)
{
    char text[NUMBER_LONG_DOUBLE_MAX];
    size_t n = number_from_long_double(text, (long double)v);
    if (r->resp != 3) {
        reply_bulk(r, text, n);
        return;
    }
    REPLY_LIT(r, ",");
    reply_raw(r, text, n);
    REPLY_LIT(r, "\r\n");
}

static void put_point(struct reply *r, struct geo_point p)
{
    reply_array(r, 2);
    put_coordinate(r, p.lon);
    put_coordinate(r, p.lat);
}

void cmd_geopos(struct call *c)
{
    struct zset z;
    struct geo_point p;
    if (!zset_arg(c, 0, &z) || (c->argc > (int)ZSET_LONG && call_defer(c)))
        return;
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        if (member_point(&z, c->argv[i], &p))
            put_point(c->reply, p);
        else
            reply_null_array(c->reply);
}

void cmd_geohash(struct call *c)
{
    struct zset z;
    struct geo_point p;
    char text[11];
    if (!zset_arg(c, 0, &z) || (c->argc > (int)ZSET_LONG && call_defer(c)))
        return;
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        if (!member_point(&z, c->argv[i], &p)) {
            reply_null(c->reply);
            continue;
        }
        geo_hash(p, text);
        reply_bulk(c->reply, text, sizeof(text));
    }
}

static void put_distance(struct reply *r, double meters)
{
    reply_bulkf(r, "%.4f", meters);
}

void cmd_geodist(struct call *c)
{
    struct zset z;
    struct geo_point a, b;
    double meters = 1;
    if (c->argc > 5) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if ((c->argc == 5 && !arg_unit(c, 4, &meters)) || !zset_arg(c, 0, &z))
        return;
    if (member_point(&z, c->argv[2], &a) && member_point(&z, c->argv[3], &b))
        put_distance(c->reply, geo_distance(a, b) / meters);
    else
        reply_null(c->reply);
}

/* ---- searching: arguments ---- */

enum form { BY_COORDS, BY_MEMBER_NAME, SEARCH, SEARCH_STORE };

struct search {
    enum form form;
    bool readonly; /* the _RO forms: no STORE */
    struct zset z;
    struct geo_shape shape;
    double meters; /* of the unit */
    bool dist, hash, coords, any;
    bool from_member, from_point, by_radius, by_box;
    int sort; /* 1 ascending, -1 descending */
    int64_t count;
    int store_at; /* argument with the key to store under; 0: none */
    bool store_dist;
};

static bool radius_args(struct call *c, int i, struct search *s)
{
    if (!arg_length(c, i, &s->shape.radius, "ERR need numeric radius"))
        return false;
    if (s->shape.radius < 0) {
        reply_error(c->reply, "ERR radius cannot be negative");
        return false;
    }
    if (!arg_unit(c, i + 1, &s->meters))
        return false;
    s->shape.radius *= s->meters;
    s->shape.box = false;
    return true;
}

static bool box_args(struct call *c, int i, struct search *s)
{
    if (!arg_length(c, i, &s->shape.width, "ERR need numeric width") ||
        !arg_length(c, i + 1, &s->shape.height, "ERR need numeric height"))
        return false;
    if (s->shape.width < 0 || s->shape.height < 0) {
        reply_error(c->reply, "ERR height or width cannot be negative");
        return false;
    }
    if (!arg_unit(c, i + 2, &s->meters))
        return false;
    s->shape.width *= s->meters;
    s->shape.height *= s->meters;
    s->shape.box = true;
    return true;
}

/* A set that does not exist has no members to be missed in. */
static bool center_member(struct call *c, int i, struct search *s)
{
    if (!s->z.n || member_point(&s->z, c->argv[i], &s->shape.center))
        return true;
    reply_error(c->reply, ERR_NO_MEMBER);
    return false;
}

static bool count_arg(struct call *c, int i, struct search *s)
{
    if (!arg_int64(c, i, &s->count))
        return false;
    if (s->count <= 0)
        reply_error(c->reply, "ERR COUNT must be > 0");
    return s->count > 0;
}

/* Options that are a word alone. */
static bool plain_option(struct search *s, struct bytes word)
{
    if (bytes_is(word, "withdist"))
        s->dist = true;
    else if (bytes_is(word, "withhash"))
        s->hash = true;
    else if (bytes_is(word, "withcoord"))
        s->coords = true;
    else if (bytes_is(word, "any"))
        s->any = true;
    else if (bytes_is(word, "asc"))
        s->sort = 1;
    else if (bytes_is(word, "desc"))
        s->sort = -1;
    else if (s->form == SEARCH_STORE && bytes_is(word, "storedist"))
        s->store_dist = true;
    else
        return false;
    return true;
}

/* How many arguments belong to the option at i, itself included; 0: it is none. Where it is wrong, *ok is false and the
 * error has been written. */
static int option(struct call *c, int i, struct search *s, bool *ok)
{
    struct bytes word = c->argv[i];
    int left = c->argc - i - 1;
    bool search = s->form >= SEARCH;
    if (plain_option(s, word))
        return 1;
    if (left >= 1 && bytes_is(word, "count")) {
        *ok = count_arg(c, i + 1, s);
        return 2;
    }
    if (left >= 1 && !search && !s->readonly && (bytes_is(word, "store") || bytes_is(word, "storedist"))) {
        s->store_at = i + 1;
        s->store_dist = bytes_is(word, "storedist");
        return 2;
    }
    if (left >= 1 && search && bytes_is(word, "frommember") && !s->from_point) {
        *ok = center_member(c, i + 1, s);
        s->from_member = true;
        return 2;
    }
    if (left >= 2 && search && bytes_is(word, "fromlonlat") && !s->from_member) {
        *ok = arg_point(c, i + 1, &s->shape.center);
        s->from_point = true;
        return 3;
    }
    if (left >= 2 && search && bytes_is(word, "byradius") && !s->by_box) {
        *ok = radius_args(c, i + 1, s);
        s->by_radius = true;
        return 3;
    }
    if (left >= 3 && search && bytes_is(word, "bybox") && !s->by_radius) {
        *ok = box_args(c, i + 1, s);
        s->by_box = true;
        return 4;
    }
    return 0;
}

/* What does not fit together. */
static bool options_fit(struct call *c, const struct search *s)
{
    struct bytes name = c->argv[0];
    if (s->store_at && (s->dist || s->hash || s->coords))
        reply_errorf(c->reply, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     s->form == SEARCH_STORE ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (s->form >= SEARCH && !s->from_member && !s->from_point)
        reply_errorf(c->reply, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                     (int)name.n, name.p);
    else if (s->form >= SEARCH && !s->by_radius && !s->by_box)
        reply_errorf(c->reply, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", (int)name.n,
                     name.p);
    else if (s->any && !s->count)
        reply_error(c->reply, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

/* The arguments before the options; *next: where those begin. */
static bool leading_args(struct call *c, struct search *s, int *next)
{
    *next = s->form == BY_COORDS ? 6 : s->form == BY_MEMBER_NAME ? 5 : s->form == SEARCH ? 2 : 3;
    if (s->form == SEARCH_STORE)
        s->store_at = 1;
    if (s->form == BY_COORDS && !arg_point(c, 2, &s->shape.center))
        return false;
    if (s->form == BY_MEMBER_NAME && (!s->z.n || !center_member(c, 2, s)))
        return !s->z.n;
    return s->form >= SEARCH || radius_args(c, *next - 2, s);
}

static bool search_args(struct call *c, struct search *s)
{
    int next, used;
    bool ok = true;
    s->meters = 1;
    if (!zset_arg(c, s->form == SEARCH_STORE, &s->z) || !leading_args(c, s, &next))
        return false;
    for (; next < c->argc && ok; next += used) {
        used = option(c, next, s, &ok);
        if (!used) {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
    }
    return ok && options_fit(c, s);
}

/* GEORADIUS may store under the last key that STORE or STOREDIST names. */
int georadius_wants(const struct call *c, struct key_want *out, int max)
{
    int store = 0, first = c->cmd->arity == -6 ? 6 : 5;
    for (int i = first; i + 1 < c->argc; i++) {
        bool named = bytes_is(c->argv[i], "store") || bytes_is(c->argv[i], "storedist");
        store = named ? i + 1 : store;
        i += named || bytes_is(c->argv[i], "count");
    }
    for (int i = 0; i < 2 && i < max; i++)
        out[i] = (struct key_want){.arg = i ? store : 1, .db = c->db};
    return store ? 2 : 1;
}

/* ---- searching: the search ---- */

struct found {
    struct zset_pair pair;
    struct geo_point point;
    double distance;
    size_t order; /* keeps equal ones as they were found */
};
struct founds {
    struct found *v;
    size_t n, room;
};

static void found_add(struct founds *f, struct found one)
{
    if (f->n == f->room) {
        f->room = f->room ? f->room * 2 : 64;
        f->v = realloc(f->v, f->room * sizeof(*f->v));
        CHECK(f->v);
    }
    one.order = f->n;
    f->v[f->n++] = one;
}

static void search_range(const struct search *s, struct geo_range r, struct founds *out)
{
    struct zset_place at;
    struct found one;
    bool more = zset_at(&s->z, zset_below(&s->z, r.from, false), &at);
    for (; more; more = zset_next(&at)) {
        one.pair = zset_pair(&at);
        if (one.pair.score >= r.to || (s->any && out->n >= (uint64_t)s->count))
            return;
        one.point = geo_of_score(one.pair.score);
        if (geo_inside(&s->shape, one.point, &one.distance))
            found_add(out, one);
    }
}

static int nearer(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static int farther(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance > y->distance ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void put_found(struct call *c, const struct search *s, const struct founds *f)
{
    unsigned options = s->dist + s->hash + s->coords;
    reply_array(c->reply, f->n);
    for (size_t i = 0; i < f->n; i++) {
        const struct found *one = &f->v[i];
        if (options)
            reply_array(c->reply, options + 1u);
        reply_bulk(c->reply, one->pair.member.p, one->pair.member.n);
        if (s->dist)
            put_distance(c->reply, one->distance / s->meters);
        if (s->hash)
            reply_int(c->reply, (long long)one->pair.score);
        if (s->coords)
            put_point(c->reply, one->point);
    }
}

static void store_found(struct call *c, const struct search *s, const struct founds *f)
{
    struct pair_list list = {0};
    struct key_ref *k = call_key(c, s->form != SEARCH_STORE);
    for (size_t i = 0; i < f->n; i++)
        pair_add(&list, (struct zset_pair){s->store_dist ? f->v[i].distance / s->meters : f->v[i].pair.score,
                                           f->v[i].pair.member});
    enum rc rc = zset_store_pairs(c, k, &list);
    if (rc) {
        call_fail(c, rc);
    } else {
        zset_tell_store(c, k, s->form == SEARCH_STORE ? "geosearchstore" : "georadiusstore");
        reply_int(c->reply, (long long)list.n);
    }
    free(list.v);
}

/* Members that may have to be looked at. */
static uint64_t candidates(const struct search *s, const struct geo_range *r, unsigned n)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += zset_below(&s->z, r[i].to, false) - zset_below(&s->z, r[i].from, false);
    return sum;
}

static void search(struct call *c, struct search s)
{
    struct geo_range ranges[GEO_RANGES];
    struct founds f = {0};
    c->looked = true;
    if (c->cmd->flags & F_WRITE)
        call_missed(c, call_key(c, s.form == SEARCH_STORE));
    if (!search_args(c, &s))
        return;
    unsigned n = s.z.n ? geo_ranges(&s.shape, ranges) : 0;
    if (candidates(&s, ranges, n) > ZSET_LONG && call_defer(c))
        return;
    for (unsigned i = 0; i < n; i++)
        search_range(&s, ranges[i], &f);
    if (s.count && !s.any && !s.sort)
        s.sort = 1;
    if (s.sort && f.n)
        qsort(f.v, f.n, sizeof(*f.v), s.sort > 0 ? nearer : farther);
    if (s.count && f.n > (uint64_t)s.count)
        f.n = (size_t)s.count;
    if (s.store_at)
        store_found(c, &s, &f);
    else
        put_found(c, &s, &f);
    free(f.v);
}

void cmd_georadius(struct call *c)
{
    search(c, (struct search){.form = BY_COORDS});
}

void cmd_georadius_ro(struct call *c)
{
    search(c, (struct search){.form = BY_COORDS, .readonly = true});
}

void cmd_georadiusbymember(struct call *c)
{
    search(c, (struct search){.form = BY_MEMBER_NAME});
}

void cmd_georadiusbymember_ro(struct call *c)
{
    search(c, (struct search){.form = BY_MEMBER_NAME, .readonly = true});
}

void cmd_geosearch(struct call *c)
{
    search(c, (struct search){.form = SEARCH});
}

void cmd_geosearchstore(struct call *c)
{
    search(c, (struct search){.form = SEARCH_STORE});
}
