/* Walking tables in hash order, and what concerns a database as a whole. */
#include "shm/base/number.h"
#include "shm/track.h"
#include "shm/wal.h"
#include "shm/walk.h"
#include "shm/watch.h"

/* Where bucket i of k's segment begins; i may be one too many. */
static uint64_t position_of(const struct key_ref *k, uint64_t i)
{
    unsigned depth = dir_depth(k->dir), base = dir_base(k->dir), n = dir_buckets(k->dir);
    unsigned valid = TAG_BITS - (depth - base);
    uint64_t prefix = depth ? k->hash >> (64 - depth) : 0;
    if (i == n)
        return depth && prefix + 1 < 1ull << depth ? (prefix + 1) << (64 - depth) : 0;
    uint64_t v = ((i << valid) + n - 1) / n;
    return (depth ? prefix << (64 - depth) : 0) | v << (64 - depth - valid);
}

static uint64_t bucket_number(const struct key_ref *k)
{
    return (uint64_t)(k->bucket - (struct shm_bucket *)shm_at(dir_ref(k->dir)));
}

uint64_t position_here(const struct key_ref *k)
{
    return position_of(k, bucket_number(k));
}

uint64_t position_next(const struct key_ref *k)
{
    return position_of(k, bucket_number(k) + 1);
}

void visit_chain(struct shm_bucket *b, visit_fn *fn, void *arg)
{
    uint64_t *slot = b->slot;
    for (unsigned n = BUCKET_SLOTS; slot; n = CELL_SLOTS) {
        uint64_t *next = NULL;
        for (unsigned i = 0; i < n; i++) {
            if (slot[i] & SLOT_LINK)
                next = shm_at(SLOT_REF(slot[i]));
            else if (slot[i])
                fn(arg, shm_at(SLOT_REF(slot[i])));
        }
        slot = next;
    }
}

enum rc position_latch(struct tx *tx, struct key_ref *k)
{
    for (;;) {
        key_locate(k);
        enum rc rc = tx_latch(tx, &k->bucket->latch);
        if (rc == RC_OK && key_current(k))
            return RC_OK;
        if (rc == RC_OK)
            tx_unlatch_last(tx);
        else if (key_current(k))
            return rc;
    }
}

enum rc table_visit(struct shm_ctx *ctx, struct shm_table *t, uint64_t pos, visit_fn *fn, void *arg,
                    uint64_t *next)
{
    struct key_ref k = {.table = t, .hash = pos};
    struct tx tx;
    if (UNLIKELY(ctx->slot->lane.commit == LANE_OPEN)) { /* inside EXEC, behind the gate: we are alone */
        key_locate(&k);
        visit_chain(k.bucket, fn, arg);
        *next = position_next(&k);
        return RC_OK;
    }
    tx_begin(&tx, ctx);
    enum rc rc = position_latch(&tx, &k);
    if (!rc) {
        visit_chain(k.bucket, fn, arg);
        *next = position_next(&k);
    }
    tx_abort(&tx); /* nothing was changed: this only lets the latch go */
    return rc;
}

#define PURGE_TOLD 64u /* a chain is never so long */

struct purge {
    struct tx *tx;
    struct key_ref *at; /* the bucket */
    want_fn *want;
    void *arg;
    unsigned removed, left;
    enum rc rc;
    struct bytes key[PURGE_TOLD]; /* what goes: in the entries, which the commit frees */
};

/* The chain's words stay as they are until the commit, so the walk may go on. */
static void purge_one(void *arg, const struct shm_entry *e)
{
    struct purge *p = arg;
    if (p->rc || !p->want(p->arg, e)) {
        p->left++;
        return;
    }
    struct key_ref k = {.key = entry_key(e), .table = p->at->table, .db = p->at->db};
    k.hash = key_hash(p->tx->ctx->root, k.key);
    if (key_locked(p->tx, &k)) {
        p->left++;
        return;
    }
    key_locate(&k);
    CHECK(k.bucket == p->at->bucket);
    key_find(&k);
    p->rc = key_del(p->tx, &k, false);
    if (!p->rc && k.db < p->tx->ctx->root->ndbs) /* what hidden databases hold is in no log */
        p->rc = tx_effect_del(p->tx, k.db, k.key, k.hash);
    if (p->removed < PURGE_TOLD)
        p->key[p->removed] = k.key;
    p->removed++;
}

enum rc table_purge(struct shm_ctx *ctx, uint32_t db, uint64_t pos, want_fn *want, void *arg, uint64_t *next,
                    unsigned *removed)
{
    struct shm_table *t = db_table(ctx->root, db);
    struct key_ref k = {.table = t, .hash = pos, .db = db};
    struct tx tx;
    struct purge p;
    p.tx = &tx, p.at = &k, p.want = want, p.arg = arg;
    p.removed = p.left = 0, p.rc = RC_OK; /* the keys are not cleared: they are many */
    tx_begin(&tx, ctx);
    enum rc rc = position_latch(&tx, &k);
    if (!rc) {
        visit_chain(k.bucket, purge_one, &p);
        *next = position_next(&k);
        rc = p.rc;
    }
    if (!rc && p.removed && ctx->gone)
        rc = ctx->gone(&tx, db, p.key, p.removed < PURGE_TOLD ? p.removed : PURGE_TOLD);
    if (rc || !p.removed) {
        tx_abort(&tx);
        return rc;
    }
    tx_commit(&tx);
    *removed += p.removed;
    if (!p.left)
        table_adjust(ctx, t, pos);
    return RC_OK;
}

static void count_dir(uint64_t w, uint64_t *buckets, uint64_t *segments, uint64_t *nodes)
{
    if (dir_kind(w) == DIR_SEGMENT) {
        *buckets += dir_buckets(w);
        ++*segments;
        return;
    }
    uint64_t *node = shm_at(dir_ref(w)), last = 0;
    ++*nodes;
    for (unsigned i = 0; i < NODE_WORDS; i++)
        if (node[i] != last)
            count_dir(last = node[i], buckets, segments, nodes);
}

uint64_t table_buckets(const struct shm_table *t, uint64_t *segments, uint64_t *nodes)
{
    uint64_t buckets = 0;
    *segments = *nodes = 0;
    if (t)
        count_dir(t->dir, &buckets, segments, nodes);
    return buckets;
}

/* ---- databases ---- */

static struct shm_db *db_at(struct shm_ctx *ctx, uint32_t db)
{
    return (struct shm_db *)shm_at(ctx->root->dbs) + db;
}

static size_t table_bytes(const struct shm_root *root)
{
    return sizeof(struct shm_table) + root->nslots * sizeof(struct shm_table_count);
}

static enum rc table_build(struct tx *tx, uint32_t db, struct shm_table **out)
{
    shm_ref t, seg;
    size_t bytes = table_bytes(tx->ctx->root);
    enum rc rc = tx_alloc(tx, bytes, &t);
    if (!rc)
        rc = tx_alloc(tx, SEG_MIN * sizeof(struct shm_bucket), &seg);
    if (rc)
        return rc;
    memset(shm_at(t), 0, bytes);
    memset(shm_at(seg), 0, SEG_MIN * sizeof(struct shm_bucket));
    *out = shm_at(t);
    (*out)->dir = dir_segment(seg, SEG_MIN, 0, 0);
    (*out)->watched = watch_of(tx->ctx->root)->used;
    return tx_redo(tx, &db_at(tx->ctx, db)->table, t);
}

enum rc db_table_make(struct shm_ctx *ctx, uint32_t db, struct shm_table **out)
{
    struct tx tx;
    tx_begin(&tx, ctx);
    enum rc rc = tx_latch(&tx, &ctx->root->db_latch);
    if (!rc && db_at(ctx, db)->table) {
        tx_abort(&tx);
        *out = db_table(ctx->root, db);
        return RC_OK;
    }
    if (!rc)
        rc = table_build(&tx, db, out);
    return tx_end(&tx, rc);
}

static enum rc dbs_latch(struct tx *tx)
{
    enum rc rc = tx->dbs ? RC_OK : tx_latch(tx, &tx->ctx->root->db_latch);
    tx->dbs |= !rc;
    return rc;
}

enum rc db_make_in(struct tx *tx, uint32_t db, struct shm_table **out)
{
    enum rc rc = dbs_latch(tx);
    if (!rc)
        rc = table_build(tx, db, out);
    return rc ? rc : tx_expose(tx);
}

/* What the database has now, and gets later, counts as watched: the marks of its buckets go with the old table. */
static enum rc table_changes(struct tx *tx, uint32_t db)
{
    struct shm_table *t = db_table(tx->ctx->root, db);
    if (t)
        t->watched |= watch_of(tx->ctx->root)->used;
    uint64_t *changes = &db_at(tx->ctx, db)->changes;
    return tx_redo(tx, changes, *changes + 1);
}

static enum rc flush(struct tx *tx, const uint32_t *dbs, unsigned n)
{
    struct shm_root *root = tx->ctx->root;
    enum rc rc = tx_reserve(tx, tx->lane->nredo + 4 * n + 8);
    if (!rc)
        rc = dbs_latch(tx);
    shm_ref first = root->graveyard;
    uint64_t keys = root->graveyard_keys;
    for (unsigned i = 0; i < n && !rc; i++) {
        struct shm_table *t = db_table(root, dbs[i]);
        if (!t)
            continue;
        rc = tx_redo(tx, &db_at(tx->ctx, dbs[i])->table, 0);
        if (!rc)
            rc = table_changes(tx, dbs[i]);
        if (!rc)
            rc = tx_redo(tx, &t->next_dead, first);
        if (!rc)
            rc = tx_effect(tx, dbs[i], &BYTES_LIT("FLUSHDB"), 1);
        first = shm_ref_of(t);
        keys += (uint64_t)table_keys(t);
    }
    if (!rc)
        rc = tx_redo(tx, &root->graveyard_keys, keys);
    return rc ? rc : tx_redo(tx, &root->graveyard, first);
}

static enum rc swap(struct tx *tx, uint32_t a, uint32_t b)
{
    uint64_t *x = &db_at(tx->ctx, a)->table, *y = &db_at(tx->ctx, b)->table;
    char digits[2][NUMBER_INT_MAX];
    struct bytes effect[3] = {BYTES_LIT("SWAPDB"),
                              {digits[0], number_from_uint64(digits[0], a)},
                              {digits[1], number_from_uint64(digits[1], b)}};
    enum rc rc = dbs_latch(tx);
    if (!rc)
        rc = tx_redo(tx, x, *y);
    if (!rc)
        rc = tx_redo(tx, y, *x);
    if (!rc)
        rc = table_changes(tx, a);
    if (!rc)
        rc = table_changes(tx, b);
    return rc ? rc : tx_effect(tx, a, effect, 3);
}

/* No key is named, so whoever caches is to drop all. Nobody can read before the gate opens again. */
static enum rc end(struct tx *tx, enum rc rc)
{
    rc = tx_end(tx, rc);
    track_stir(tx->ctx->root);
    return rc;
}

/* The same before the commit: without it a cache is emptied for nothing. */
static enum rc end_in(struct tx *tx, enum rc rc)
{
    tx_effect_all(tx);
    track_stir(tx->ctx->root);
    return rc ? rc : tx_expose(tx);
}

enum rc db_flush(struct shm_ctx *ctx, const uint32_t *dbs, unsigned n)
{
    struct tx tx;
    tx_begin(&tx, ctx);
    return end(&tx, flush(&tx, dbs, n));
}

enum rc db_swap(struct shm_ctx *ctx, uint32_t a, uint32_t b)
{
    struct tx tx;
    tx_begin(&tx, ctx);
    return end(&tx, swap(&tx, a, b));
}

enum rc db_flush_in(struct tx *tx, const uint32_t *dbs, unsigned n)
{
    return end_in(tx, flush(tx, dbs, n));
}

enum rc db_swap_in(struct tx *tx, uint32_t a, uint32_t b)
{
    return end_in(tx, swap(tx, a, b));
}

/* ---- the graveyard: nobody can reach these tables, so no bucket latch is needed. What lies before
 * dead_pos has been freed and is not looked at again, so it is left as it was. A table that the snapshot has still
 * to walk waits, and those behind it wait with it: it is reached through the list of the walk alone. ---- */

static enum rc bury_chain(struct tx *tx, struct shm_bucket *b, unsigned *freed)
{
    uint64_t *slot = b->slot;
    for (unsigned n = BUCKET_SLOTS; slot; n = CELL_SLOTS) {
        uint64_t *next = NULL;
        for (unsigned i = 0; i < n; i++) {
            enum rc rc = RC_OK;
            if (slot[i] & SLOT_LINK) {
                next = shm_at(SLOT_REF(slot[i]));
                rc = tx_free(tx, SLOT_REF(slot[i]), sizeof(struct shm_cell));
            } else if (slot[i]) {
                rc = entry_free(tx, SLOT_REF(slot[i]), true);
                ++*freed;
            }
            if (rc)
                return rc;
        }
        slot = next;
    }
    return RC_OK;
}

/* When all entries are gone: the deepest node first, in the end the table itself. */
static enum rc bury_directory(struct tx *tx, struct shm_table *t)
{
    uint64_t *at = &t->dir;
    for (bool deeper = dir_kind(*at) == DIR_NODE; deeper;) {
        uint64_t *node = shm_at(dir_ref(*at));
        deeper = false;
        for (unsigned i = 0; i < NODE_WORDS && !deeper; i++)
            if (dir_kind(node[i]) == DIR_NODE) {
                at = &node[i];
                deeper = true;
            }
    }
    if (dir_kind(*at) == DIR_NODE) {
        enum rc rc = tx_free(tx, dir_ref(*at), NODE_WORDS * 8);
        return rc ? rc : tx_redo(tx, at, 0);
    }
    enum rc rc = tx_redo(tx, &tx->ctx->root->graveyard, t->next_dead);
    return rc ? rc : tx_free(tx, shm_ref_of(t), table_bytes(tx->ctx->root));
}

static enum rc bury_bucket(struct tx *tx, struct shm_table *t, unsigned *freed)
{
    uint64_t *keys = &tx->ctx->root->graveyard_keys;
    struct key_ref k = {.table = t, .hash = t->dead_pos == BURIED ? 0 : t->dead_pos};
    if (t->dead_pos == BURIED)
        return bury_directory(tx, t);
    key_locate(&k);
    unsigned before = *freed;
    enum rc rc = bury_chain(tx, k.bucket, freed);
    if (!rc && *freed != before)
        rc = tx_redo(tx, keys, *keys - (*freed - before));
    struct shm_bucket *seg = shm_at(dir_ref(k.dir));
    unsigned n = dir_buckets(k.dir);
    if (!rc && k.bucket == seg + n - 1)
        rc = tx_free(tx, shm_ref_of(seg), n * sizeof(*seg));
    uint64_t next = position_next(&k);
    return rc ? rc : tx_redo(tx, &t->dead_pos, next ? next : BURIED);
}

bool graveyard_step(struct shm_ctx *ctx, unsigned max)
{
    for (unsigned freed = 0, before; freed < max; freed++) {
        struct tx tx;
        if (!__atomic_load_n(&ctx->root->graveyard, __ATOMIC_RELAXED))
            return false;
        before = freed;
        tx_begin(&tx, ctx);
        enum rc rc = tx_latch(&tx, &ctx->root->db_latch);
        struct shm_table *t = !rc && ctx->root->graveyard ? shm_at(ctx->root->graveyard) : NULL;
        bool waits = t && __atomic_load_n(&t->snap_from, __ATOMIC_ACQUIRE);
        if (t && !waits)
            rc = bury_bucket(&tx, t, &freed);
        if (rc || waits) {
            tx_abort(&tx);
            return !waits;
        }
        tx_commit(&tx);
        ctx->slot->stats.lazyfreed += freed - before;
    }
    return true;
}
