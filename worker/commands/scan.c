/* worker/commands/scan.c - walking through the keys: KEYS, SCAN, RANDOMKEY.
 *
 * A bucket is looked at under its latch, so what a visit does stays short: the reply gets its room before. */
#include "shm/base/glob.h"
#include "shm/evict.h"
#include "shm/expire.h"
#include "worker/dispatch/busy.h"
#include "worker/commands/args.h"
#include "worker/commands/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A cursor is a position in hash order without its lowest bits, to stay below 2^53 for clients that keep
 * numbers as doubles. A position rounded down by that means that a bucket may be seen twice. */
#define CURSOR_SHIFT 11

/* Buckets between two breaths of KEYS: about 50 us. */
#define PIECE 512u

/* What RANDOMKEY looks at before it goes on in the slow lane; only a table of expired keys makes it walk. */
#define RANDOM_BUCKETS 2048u

struct walk {
    struct call *c;
    struct bytes pattern; /* p NULL: every key */
    int type;             /* -1: every type */
    size_t seen, found;
    bool stale; /* it met expired keys */
};

static inline bool alive(const struct call *c, const struct shm_entry *e)
{
    return entry_expiry(e) < 0 || entry_expiry(e) > c->now_ms;
}

static void visit(void *arg, const struct shm_entry *e)
{
    struct walk *w = arg;
    struct bytes key = entry_key(e);
    w->seen++;
    w->stale |= !alive(w->c, e);
    if (!alive(w->c, e) || (w->type >= 0 && (unsigned)w->type != entry_type(e)))
        return;
    if (w->pattern.p && !glob_match(w->pattern, key, false))
        return;
    reply_bulk(w->c->reply, key.p, key.n);
    w->found++;
}

/* What SCAN and RANDOMKEY have seen to be expired goes, as with any command that meets it. */
static void drop_stale(struct call *c, uint64_t pos, bool *stale)
{
    if (UNLIKELY(*stale) && !c->in_exec) /* EXEC's transaction is open: there it is only passed over */
        c->ctx->slot->stats.expired += expire_bucket(c->ctx, c->db, pos, c->now_ms);
    *stale = false;
}

static void make_room(struct reply *r)
{
    if (r->cap - r->len < 65536)
        reply_grow(r, 65536);
}

static bool matches_all(struct bytes pattern)
{
    return pattern.n == 1 && pattern.p[0] == '*';
}

/* ---- KEYS ---- */

void cmd_keys(struct call *c)
{
    struct walk w = {.c = c, .type = -1};
    size_t mark = reply_defer(c->reply);
    uint64_t pos = 0;
    unsigned n = 0;
    if (!matches_all(c->argv[1]))
        w.pattern = c->argv[1];
    do {
        /* Only between two batches can another table come to stand here. */
        struct shm_table *t = db_table(c->ctx->root, c->db);
        if (!t)
            break;
        make_room(c->reply);
        enum rc rc = table_visit(c->ctx, t, pos, visit, &w, &pos);
        const char *busy = rc == RC_BUSY ? busy_words(c->ctx, c->cfg) : NULL;
        if (UNLIKELY(busy)) { /* a script holds a key for too long to be waited for */
            c->reply->len = mark;
            reply_error(c->reply, busy);
            return;
        }
        if (rc || ++n % PIECE == 0)
            call_breathe(c);
    } while (pos || n == 0);
    reply_defer_array(c->reply, mark, w.found);
}

/* ---- SCAN ---- */

command_fn cmd_hscan;

struct scan_options {
    uint64_t pos;
    struct scan_args args;
    int type; /* -1: all; -2: none has it */
};

/* As strtoul reads it, signs and leading zeros included, since Redis lets it judge. */
bool scan_cursor(struct call *c, int i, uint64_t *cursor)
{
    char text[64], *end = text;
    struct bytes b = c->argv[i];
    if (b.n < sizeof(text) && !(b.n && isspace((unsigned char)b.p[0]))) {
        memcpy(text, b.p, b.n);
        text[b.n] = 0;
        errno = 0;
        *cursor = strtoul(text, &end, 10);
        if (!*end && !errno)
            return true;
    }
    reply_error(c->reply, "ERR invalid cursor");
    return false;
}

static int scan_type(struct bytes name)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {
        {"string", TYPE_STRING}, {"list", TYPE_LIST}, {"set", TYPE_SET},
        {"zset", TYPE_ZSET},     {"hash", TYPE_HASH}, {"stream", TYPE_STREAM},
    };
    for (unsigned i = 0; i < ARRAY_LEN(types); i++)
        if (bytes_is(name, types[i].name))
            return types[i].type;
    return -2;
}

/* type NULL: there is no such option. */
static bool scan_options(struct call *c, int from, struct scan_args *o, int *type)
{
    const char *error = NULL;
    *o = (struct scan_args){.count = 10};
    for (int i = from; i < c->argc && !error; i += 2) {
        bool more = i + 1 < c->argc;
        if (bytes_is(c->argv[i], "novalues")) {
            o->names_only = true;
            i--;
            if (c->cmd->run != cmd_hscan)
                error = "ERR NOVALUES option can only be used in HSCAN";
        } else if (more && bytes_is(c->argv[i], "count")) {
            if (!number_to_int64(c->argv[i + 1], &o->count))
                error = ERR_NOT_INT;
            else if (o->count < 1)
                error = ERR_SYNTAX;
        } else if (more && bytes_is(c->argv[i], "match")) {
            o->pattern = matches_all(c->argv[i + 1]) ? (struct bytes){0} : c->argv[i + 1];
        } else if (more && type && bytes_is(c->argv[i], "type")) {
            *type = scan_type(c->argv[i + 1]);
        } else {
            error = ERR_SYNTAX;
        }
    }
    if (error)
        reply_error(c->reply, error);
    return !error;
}

bool scan_args(struct call *c, int from, struct scan_args *o)
{
    return scan_options(c, from, o, NULL);
}

/* Visits from pos on, until enough keys have been seen or many buckets were empty. RC_BUSY before the first
 * bucket: the caller has nothing to answer with. */
static enum rc scan_some(struct walk *w, struct shm_table *t, const struct scan_options *o, uint64_t *pos)
{
    int64_t count = o->args.count;
    uint64_t buckets = count > INT64_MAX / 10 ? INT64_MAX : (uint64_t)count * 10, n = 0;
    do {
        make_room(w->c->reply);
        uint64_t at = *pos;
        enum rc rc = table_visit(w->c->ctx, t, at, visit, w, pos);
        if (rc)
            return n ? RC_OK : rc; /* the cursor says where to go on */
        drop_stale(w->c, at, &w->stale);
    } while (*pos && ++n < buckets && w->seen < (uint64_t)count);
    return RC_OK;
}

void cmd_scan(struct call *c)
{
    struct scan_options o = {.type = -1};
    if (!scan_cursor(c, 1, &o.pos) || !scan_options(c, 2, &o.args, &o.type))
        return;
    o.pos <<= CURSOR_SHIFT;
    /* Ten thousand keys are a millisecond. */
    if (o.args.count > 10000 && call_defer(c))
        return;
    struct walk w = {.c = c, .pattern = o.args.pattern, .type = o.type == -2 ? INT_MAX : o.type};
    struct shm_table *t = db_table(c->ctx->root, c->db);
    reply_array(c->reply, 2);
    size_t at = c->reply->len, keys;
    /* The cursor stands first and is known last: the keys are written behind, then moved. */
    keys = reply_defer(c->reply);
    uint64_t pos = o.pos;
    enum rc rc = t ? scan_some(&w, t, &o, &pos) : RC_OK;
    if (rc) {
        call_fail(c, rc);
        return;
    }
    reply_defer_array(c->reply, keys, w.found);
    size_t n = c->reply->len - at;
    char text[NUMBER_INT_MAX], head[32];
    size_t digits = number_from_uint64(text, t ? pos >> CURSOR_SHIFT : 0);
    int h = snprintf(head, sizeof(head), "$%zu\r\n%s\r\n", digits, text);
    reply_grow(c->reply, (size_t)h);
    memmove(c->reply->buf + at + h, c->reply->buf + at, n);
    memcpy(c->reply->buf + at, head, (size_t)h);
    c->reply->len += (size_t)h;
}

/* ---- RANDOMKEY ---- */

struct pick {
    struct call *c;
    uint64_t seen;
    size_t mark;
    bool stale;
};

/* Of the bucket's n-th key, one in n replaces what was chosen before: all are as likely. */
static void pick_one(void *arg, const struct shm_entry *e)
{
    struct pick *p = arg;
    struct bytes key = entry_key(e);
    p->stale |= !alive(p->c, e);
    if (!alive(p->c, e) || evict_random() % ++p->seen)
        return;
    p->c->reply->len = p->mark;
    reply_bulk(p->c->reply, key.p, key.n);
}

void cmd_randomkey(struct call *c)
{
    struct shm_table *t = db_table(c->ctx->root, c->db);
    struct pick p = {.c = c, .mark = c->reply->len};
    uint64_t start = evict_random(), pos = start;
    bool wrapped = false;
    for (unsigned n = 1; t && table_keys(t) && !(wrapped && pos > start); n++) {
        make_room(c->reply);
        uint64_t at = pos;
        enum rc rc = table_visit(c->ctx, t, at, pick_one, &p, &pos);
        if (rc) {
            call_fail(c, rc);
            return;
        }
        drop_stale(c, at, &p.stale);
        if (p.seen)
            return;
        if (!pos && wrapped)
            break;
        wrapped |= !pos;
        if (n == RANDOM_BUCKETS && call_defer(c))
            return;
        if (n % PIECE == 0) {
            call_breathe(c);
            t = db_table(c->ctx->root, c->db);
        }
    }
    reply_null(c->reply);
}
