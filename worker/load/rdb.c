/* RDB files: keys are found on the way through, and put in batches so that memory is fetched ahead. */
#include "shm/base/clock.h"
#include "shm/base/number.h"
#include "shm/evict.h"
#include "shm/format/rdb_build.h"
#include "shm/types/string.h"
#include "worker/load/load.h"
#include "worker/script/libraries.h"

#include <stdlib.h>
#include <time.h>

#define BATCH     64u
#define COPY_ROOM (256u << 10) /* for what was packed in the file: a batch of it */
#define AT_ONCE                                                                                              \
    (1u << 20) /* elements: private memory for some 100 bytes each, and 40 in the lane's list of blocks */

struct rdb_key {
    struct key_ref k;
    struct rdb_string v;
    int64_t expiry_ms;
    uint32_t clock;
    bool collection; /* its elements come by rdb_build */
    bool whole;      /* the first of them, or all, at once */
};

struct rdb_batch {
    struct rdb_in in;
    bool keep_expired;
    int64_t now_ms;
    unsigned n;
    size_t copied;
    struct rdb_key key[BATCH];
    char copy[COPY_ROOM];
    struct rdb_build build; /* of the collection that is being read */
    unsigned empty;         /* collections without elements */
};

/* ---- putting ---- */

static enum rc put_elements(struct rdb_build *b, struct tx *tx, struct rdb_key *p)
{
    enum rc rc = p->whole ? rdb_build_whole(b, tx, &p->k, AT_ONCE) : rdb_build_put(b, tx, &p->k);
    if (rc || b->begun || p->expiry_ms == -1)
        return rc;
    rc = key_set_expiry(tx, &p->k, p->expiry_ms);
    enum rc again = rc && p->whole ? rdb_build_again(b) : RC_OK;
    return again ? again : rc;
}

static enum rc put(struct loader *l, struct rdb_key *p)
{
    struct tx tx;
    bool first = !p->collection || !l->rdb->build.begun;
    tx_begin(&tx, &l->w.ctx);
    enum rc rc = key_latch(&tx, &p->k);
    if (!rc && first && p->k.entry && !l->load->merge)
        rc = RC_EXISTS;
    if (!rc && p->collection)
        rc = put_elements(&l->rdb->build, &tx, p);
    else if (!rc && p->v.is_integer)
        rc = string_put_integer(&tx, &p->k, p->v.integer, p->expiry_ms, p->clock);
    else if (!rc)
        rc = string_set(&tx, &p->k, p->v.bytes, p->expiry_ms, p->clock);
    return tx_end(&tx, rc);
}

/* Keys find their buckets: inside the batch, since a bucket that was found in an earlier one may be something else
 * by now. */
static void locate(struct rdb_key *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        key_prefetch_directory(&p[i].k);
    for (unsigned i = 0; i < n; i++) {
        key_locate(&p[i].k);
        key_prefetch_bucket(&p[i].k);
    }
}

/* A latch that is not had belongs to another loader's split, or to one whose process does not run just now. */
static enum rc put_again(struct loader *l, struct rdb_key *p, unsigned n)
{
    enum rc rc = RC_BUSY;
    for (unsigned tries = 0; rc == RC_BUSY; tries++) {
        struct timespec nap = {0, 20000};
        load_leave(l);
        if (tries > 2)
            nanosleep(&nap, NULL);
        load_enter(l);
        locate(p, n);
        rc = put(l, p);
    }
    return rc;
}

__attribute__((noreturn)) static void bad_rdb(struct loader *l)
{
    const struct rdb_in *in = &l->rdb->in;
    load_fail(l, "Loading %s: %s (at offset %zu)", l->file->path, in->error, in->error_at);
}

/* As many as can be put: *p moves to the one that cannot. */
static enum rc put_batch(struct loader *l, struct rdb_key **at, unsigned n)
{
    load_enter(l);
    locate(*at, n);
    for (; n; ++*at, n--) {
        struct rdb_key *p = *at;
        enum rc rc = put(l, p);
        if (UNLIKELY(rc == RC_BUSY))
            rc = put_again(l, p, n);
        if (UNLIKELY(rc))
            return rc;
        if (UNLIKELY(p->k.overflowed) && (!(p->k.hash & 7) || dir_buckets(p->k.dir) <= 16))
            table_adjust(&l->w.ctx, p->k.table, p->k.hash);
        l->load->loader[l->index].keys += !p->collection || !l->rdb->build.begun;
    }
    return RC_OK;
}

/* RC_MISSING: a collection that is put as a whole has no elements; RC_RANGE: too many. What is refused ends this process,
 * outside of its batch: inside it would be taken for a crash. */
static enum rc put_all(struct loader *l, struct rdb_key *p, unsigned n)
{
    enum rc rc = put_batch(l, &p, n);
    load_leave(l);
    if (rc == RC_NOMEM)
        load_fail_full(l);
    if (rc == RC_EXISTS)
        load_fail(l, "Loading %s: the file has the key '%.*s' of database %u twice", l->file->path,
                  (int)(p->k.key.n < 128 ? p->k.key.n : 128), p->k.key.p, p->k.db);
    if (rc == RC_INVALID)
        bad_rdb(l);
    CHECK(!rc || rc == RC_MISSING || rc == RC_RANGE);
    return rc;
}

static void flush(struct loader *l)
{
    struct rdb_batch *b = l->rdb;
    if (!b->n)
        return;
    put_all(l, b->key, b->n);
    load_tick(l, b->in.pos);
    b->n = 0;
    b->copied = 0;
}

/* ---- gathering ---- */

/* Keeps the bytes for as long as the batch waits: those that stand in the file as they are stay where they are.
 * False: there is no room for a copy. */
static bool keep(struct loader *l, struct bytes *s)
{
    struct rdb_batch *b = l->rdb;
    if (s->p >= l->map.p && s->p < l->map.p + l->map.n)
        return true;
    if (s->n > COPY_ROOM - b->copied)
        return false;
    char *to = b->copy + b->copied;
    memcpy(to, s->p, s->n);
    b->copied += s->n;
    s->p = to;
    return true;
}

/* What is too long to be kept: the batch is put, then this key from where it lies. */
static void put_alone(struct loader *l, struct rdb_key p)
{
    flush(l);
    put_all(l, &p, 1);
}

static struct shm_table *table_of(struct loader *l, uint32_t db)
{
    struct shm_table *t = db_table(l->w.ctx.root, db);
    enum rc rc = t ? RC_OK : db_table_make(&l->w.ctx, db, &t);
    while (rc == RC_BUSY)
        rc = db_table_make(&l->w.ctx, db, &t);
    if (rc == RC_NOMEM)
        load_fail_full(l);
    CHECK(!rc);
    return t;
}

static struct rdb_key key_of(struct loader *l, const struct rdb_item *it, uint64_t hash)
{
    uint32_t db = (uint32_t)it->db;
    return (struct rdb_key){
        .k = {.key = it->key, .hash = hash, .db = db, .table = table_of(l, db)},
        .expiry_ms = it->expiry_ms < -1 ? 0 : it->expiry_ms,
        .clock = evict_clock_told(l->w.cfg->maxmemory_policy, l->rdb->now_ms, it->idle_s, it->freq),
        .collection = it->type != RDB_STRING,
    };
}

/* All elements are a transaction if these are not too many, or a list's first ones, and then some at a time: nobody sees the
 * collection before it is whole. */
static void take_collection(struct loader *l, const struct rdb_item *it, uint64_t hash)
{
    struct rdb_batch *b = l->rdb;
    struct rdb_build *build = &b->build;
    struct rdb_key key = key_of(l, it, hash);
    enum rc rc = rdb_build_open(build, &b->in, it->type, l->w.cfg, key.clock);
    if (!rc) {
        struct rdb_key all = key;
        all.whole = true;
        rc = put_all(l, &all, 1);
        build->begun = !rc;
        rc = rc == RC_RANGE ? RC_OK : rc;
    }
    while (!rc && !(rc = rdb_build_read(build))) {
        struct rdb_key some = key;
        put_all(l, &some, 1);
        rdb_build_next(build);
        load_tick(l, b->in.pos);
    }
    if (rc == RC_NOMEM)
        load_fail_full(l);
    if (rc != RC_MISSING)
        bad_rdb(l);
    if (!build->begun && b->empty++ < 10)
        log_warning("rdbLoad skipping empty key: %.*s", (int)(it->key.n < 128 ? it->key.n : 128), it->key.p);
    rdb_build_close(build);
}

static void take(struct loader *l, const struct rdb_item *it, uint64_t hash)
{
    struct rdb_batch *b = l->rdb;
    if (b->n == BATCH)
        flush(l);
    struct rdb_key *p = &b->key[b->n];
    *p = key_of(l, it, hash);
    if (rdb_string_value(&b->in, &p->v))
        bad_rdb(l);
    if (keep(l, &p->k.key) && (p->v.is_integer || keep(l, &p->v.bytes)))
        b->n++;
    else
        put_alone(l, *p);
}

/* key-load-delay: so many microseconds for each key; a negative number: one for every so many keys. */
static void delay(const struct loader *l)
{
    int64_t us = l->w.cfg->key_load_delay;
    us = us < 0 ? rand() % -us == 0 : us;
    if (UNLIKELY(us))
        nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

static void on_key(struct loader *l, const struct rdb_item *it)
{
    struct rdb_batch *b = l->rdb;
    if (it->type != RDB_STRING && rdb_collection_type(it->type) < 0) {
        rdb_refuse_type(&b->in, it);
        bad_rdb(l);
    }
    uint64_t hash = key_hash(l->w.ctx.root, it->key);
    bool mine = load_share(l, hash) == l->index;
    bool over = it->expiry_ms != -1 && it->expiry_ms < b->now_ms && !b->keep_expired;
    if (mine && !over) {
        if (it->type == RDB_STRING)
            take(l, it, hash);
        else
            take_collection(l, it, hash);
        delay(l);
        return;
    }
    l->load->loader[l->index].expired += mine;
    if (rdb_skip_value(&b->in, it->type))
        bad_rdb(l);
}

/* ---- the other items: the first loader tells of them ---- */

/* dump.rdb and the base may be one file by two names: who writes a backup over the first has written over the second. */
static void check_base(struct loader *l, int64_t lsn)
{
    if (l->file->kind == LOAD_BASE && (uint64_t)lsn != l->file->number)
        load_fail(l,
                  "The log is damaged: %s holds everything up to record %lld, which is not the base that its "
                  "name says. Was an older file written over it, or over the dump.rdb of the same content?",
                  l->file->path, (long long)lsn);
}

static void on_aux(struct loader *l, const struct rdb_item *it)
{
    int64_t v;
    if (rdb_tells_lsn(it, &v))
        check_base(l, v);
    if (!load_is_first(l))
        return;
    if (bytes_is(it->key, "redis-ver"))
        log_notice("Loading RDB produced by version %.*s", (int)(it->text.n < 64 ? it->text.n : 64),
                   it->text.p);
    else if (bytes_is(it->key, "ctime") && number_to_int64(it->text, &v))
        log_notice("RDB age %lld seconds",
                   (long long)(l->rdb->now_ms / 1000 > v ? l->rdb->now_ms / 1000 - v : 0));
    else if (bytes_is(it->key, "used-mem") && number_to_int64(it->text, &v))
        log_notice("RDB memory usage when created %.2f Mb", (double)v / (1024 * 1024));
}

/* Libraries are loaded by the first loader, one after the other. One that is refused is an error of the file. */
static void on_function(struct loader *l, const struct rdb_item *it)
{
    char error[LIBRARY_ERROR];
    enum rc rc = RC_BUSY;
    if (!load_is_first(l))
        return;
    flush(l);
    while (rc == RC_BUSY) {
        load_enter(l);
        rc = libraries_load(&l->w.ctx, it->text, l->load->merge, error);
        load_leave(l);
    }
    if (rc == RC_INVALID)
        load_fail(l, "Loading %s: failed creating the library of functions: %s", l->file->path, error);
    if (rc == RC_NOMEM)
        load_fail_full(l);
    CHECK(!rc);
}

static void on_item(struct loader *l, const struct rdb_item *it)
{
    switch (it->kind) {
    case RDB_ITEM_KEY:
        on_key(l, it);
        break;
    case RDB_ITEM_AUX:
        on_aux(l, it);
        break;
    case RDB_ITEM_SELECT:
        if (it->db >= l->w.ctx.root->ndbs)
            load_fail(
                l,
                "FATAL: Data file was created with a server configured to handle more than %u databases "
                "(%s has database %llu). Exiting",
                l->w.ctx.root->ndbs, l->file->path, (unsigned long long)it->db);
        break;
    case RDB_ITEM_FUNCTION:
        on_function(l, it);
        break;
    case RDB_ITEM_MODULE_AUX:
        load_fail(l, "Loading %s: the file holds data of the module '%.*s', which nobody here understands",
                  l->file->path, (int)it->text.n, it->text.p);
    case RDB_ITEM_SIZES:
    case RDB_ITEM_END:
        break;
    }
}

static void say_done(const struct loader *l)
{
    uint64_t keys = 0, expired = 0;
    for (unsigned i = 0; i < l->n; i++) {
        keys += l->load->loader[i].keys;
        expired += l->load->loader[i].expired;
    }
    log_notice("Done loading RDB, keys loaded: %llu, keys expired: %llu.", (unsigned long long)keys,
               (unsigned long long)expired);
}

void load_rdb(struct loader *l, bool keep_expired, size_t *end)
{
    struct rdb_batch *b = l->rdb;
    struct rdb_item it = {.kind = RDB_ITEM_SIZES};
    b->now_ms = wall_ms();
    b->keep_expired = keep_expired;
    if (rdb_in_open(&b->in, l->map, load_is_first(l) && l->w.cfg->rdbchecksum))
        bad_rdb(l);
    while (it.kind != RDB_ITEM_END) {
        if (rdb_next(&b->in, &it))
            bad_rdb(l);
        on_item(l, &it);
    }
    flush(l);
    *end = b->in.pos;
    rdb_in_close(&b->in);
    /* What follows must find everything, whoever has read it. */
    load_meet(l);
    if (load_is_first(l))
        say_done(l);
    load_go_on(l);
}

struct rdb_batch *rdb_batch_new(void)
{
    return calloc(1, sizeof(struct rdb_batch));
}
