/* Whole operations on the keyspace for the crash tests. */
#include "tests/crash/keyspace.h"
#include "shm/library.h"
#include "shm/wal.h"
#include "shm/types/dict.h"
#include "shm/types/list.h"
#include "shm/types/zset.h"
#include "shm/types/string.h"

#include <stdio.h>
#include <stdlib.h>

struct name name_of(const char *prefix, unsigned i)
{
    struct name n;
    n.n = (size_t)snprintf(n.s, sizeof(n.s), "%s:%u", prefix, i);
    return n;
}

void fill(char *to, size_t n, unsigned seed)
{
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        to[i] = (char)('a' + (x >> 24) % 26);
    }
}

void (*ks_begin)(void);
_Thread_local bool ks_locks;
void (*ks_locked)(void);

static void begin(struct tx *tx, struct shm_ctx *ctx)
{
    if (ks_begin)
        ks_begin();
    tx_begin(tx, ctx);
}

struct key_ref ks_ref(struct shm_ctx *ctx, uint32_t db, struct bytes key)
{
    struct key_ref k = {.key = key, .db = db, .table = db_table(ctx->root, db)};
    k.hash = key_hash(ctx->root, key);
    if (k.table)
        key_locate(&k);
    return k;
}

struct key_ref *ks_open(struct work *w, struct shm_ctx *ctx, struct name a, struct name b)
{
    unsigned n = bytes_equal(NAME_BYTES(a), NAME_BYTES(b)) ? 1 : 2;
    w->name[0] = a;
    w->name[1] = b;
    for (unsigned i = 0; i < n; i++) {
        w->k[i] = ks_ref(ctx, 0, NAME_BYTES(w->name[i]));
        w->k[i].arg = i;
    }
    begin(&w->tx, ctx);
    w->n = n;
    CHECK(!keys_latch(&w->tx, w->k, n, w->at));
    CHECK(!ks_locks || !keys_lock(&w->tx, w->k, n));
    return &w->k[w->at[0]];
}

enum rc ks_end(struct tx *tx, struct key_ref *k, unsigned n, enum rc rc)
{
    if (!rc && tx->locks && ks_locked)
        ks_locked();
    return tx_end(tx, rc ? rc : keys_publish(tx, k, n));
}

void ks_commit(struct work *w)
{
    CHECK(!ks_end(&w->tx, w->k, w->n, RC_OK));
}

/* While the log is on, the operations tell it what they do, as commands would. */
static enum rc tell_set(struct tx *tx, const struct key_ref *k, struct bytes value)
{
    tx_effect_key(tx, k->hash);
    return tx_effect(tx, k->db, (struct bytes[]){BYTES_LIT("SET"), k->key, value}, 3);
}

static enum rc open_key(struct tx *tx, struct shm_ctx *ctx, struct key_ref *k, uint32_t db, struct bytes key)
{
    *k = ks_ref(ctx, db, key);
    if (!k->table)
        return RC_MISSING;
    begin(tx, ctx);
    enum rc rc = key_latch(tx, k);
    if (!rc && ks_locks)
        rc = keys_lock(tx, k, 1);
    if (rc)
        tx_abort(tx);
    return rc;
}

/* Builds an entry with this value, in a block of its own when it is long. */
static enum rc value_new(struct tx *tx, struct bytes key, struct bytes value, int64_t expiry_ms, shm_ref *e)
{
    struct entry_spec s = {.key = key, .expiry_ms = expiry_ms, .inline_len = value.n};
    char *at;
    enum rc rc;
    if (value.n > INLINE_MAX) {
        shm_ref big;
        rc = tx_alloc(tx, sizeof(struct shm_big) + value.n, &big);
        if (rc)
            return rc;
        struct shm_big *b = shm_at(big);
        b->len = b->room = value.n;
        memcpy(b + 1, value.p, value.n);
        s.inline_len = 0;
        s.big = true;
        s.word = big;
        return entry_new(tx, &s, e, &at);
    }
    rc = entry_new(tx, &s, e, &at);
    if (!rc && value.n)
        memcpy(at, value.p, value.n);
    return rc;
}

enum rc ks_set(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct bytes value, int64_t expiry_ms)
{
    struct tx tx;
    struct key_ref k;
    shm_ref e;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    rc = value_new(&tx, key, value, expiry_ms, &e);
    if (!rc)
        rc = key_put(&tx, &k, e, false);
    return ks_end(&tx, &k, 1, rc ? rc : tell_set(&tx, &k, value));
}

static enum rc int_new(struct tx *tx, struct bytes key, int64_t v, shm_ref *e)
{
    struct entry_spec s = {.key = key, .enc = ENC_INT, .word = (uint64_t)v, .expiry_ms = -1};
    return entry_new(tx, &s, e, NULL);
}

enum rc ks_set_int(struct shm_ctx *ctx, uint32_t db, struct bytes key, int64_t v)
{
    struct tx tx;
    struct key_ref k;
    shm_ref e;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    rc = int_new(&tx, key, v, &e);
    return ks_end(&tx, &k, 1, rc ? rc : key_put(&tx, &k, e, false));
}

enum rc ks_incr(struct shm_ctx *ctx, uint32_t db, struct bytes key, int64_t by, int64_t *out)
{
    struct tx tx;
    struct key_ref k;
    shm_ref e;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    if (k.entry && (rc = key_own(&tx, &k)))
        return ks_end(&tx, &k, 1, rc);
    if (k.entry && entry_enc(key_entry(&k)) == ENC_INT) {
        *out = entry_int(key_entry(&k)) + by;
        return ks_end(&tx, &k, 1, tx_redo(&tx, entry_word_at(key_entry(&k)), (uint64_t)*out));
    }
    *out = by;
    rc = int_new(&tx, key, by, &e);
    return ks_end(&tx, &k, 1, rc ? rc : key_put(&tx, &k, e, false));
}

enum rc ks_del(struct shm_ctx *ctx, uint32_t db, struct bytes key)
{
    struct tx tx;
    struct key_ref k;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    rc = key_del(&tx, &k, false);
    return ks_end(&tx, &k, 1, rc ? rc : tx_effect_del(&tx, db, key, k.hash));
}

enum rc ks_expire(struct shm_ctx *ctx, uint32_t db, struct bytes key, int64_t expiry_ms)
{
    struct tx tx;
    struct key_ref k;
    shm_ref e;
    bool moved;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    if (!k.entry)
        return ks_end(&tx, &k, 1, RC_MISSING);
    if (expiry_ms >= 0 && key_entry(&k)->flags & ENTRY_EXPIRES) {
        rc = key_own(&tx, &k);
        if (!rc)
            rc = tx_redo(&tx, (uint64_t *)entry_expiry_at(key_entry(&k)), (uint64_t)expiry_ms);
        return ks_end(&tx, &k, 1, rc);
    }
    rc = key_renew(&tx, &k, key, expiry_ms, &e, &moved);
    return ks_end(&tx, &k, 1, rc ? rc : key_put(&tx, &k, e, moved));
}

enum rc ks_rename(struct shm_ctx *ctx, uint32_t db, struct bytes from, struct bytes to)
{
    struct key_ref k[2] = {ks_ref(ctx, db, from), ks_ref(ctx, db, to)};
    uint32_t at[2];
    struct tx tx;
    shm_ref e;
    bool moved;
    if (!k[0].table)
        return RC_MISSING;
    k[1].arg = 1;
    begin(&tx, ctx);
    enum rc rc = keys_latch(&tx, k, 2, at);
    if (rc)
        return ks_end(&tx, k, 2, rc);
    struct key_ref *a = &k[at[0]], *b = &k[at[1]];
    if (!a->entry)
        return ks_end(&tx, k, 2, RC_MISSING);
    rc = key_renew(&tx, a, to, entry_expiry(key_entry(a)), &e, &moved);
    if (!rc)
        rc = key_del(&tx, a, moved);
    if (!rc)
        rc = key_put(&tx, b, e, false);
    return ks_end(&tx, k, 2, rc);
}

enum rc ks_set_range(struct shm_ctx *ctx, uint32_t db, struct bytes key, size_t at, struct bytes part)
{
    struct tx tx;
    struct key_ref k;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    if (!k.entry)
        return ks_end(&tx, &k, 1, RC_MISSING);
    rc = key_own(&tx, &k);
    if (rc)
        return ks_end(&tx, &k, 1, rc);
    char *p = (char *)entry_bytes(key_entry(&k)).p + at;
    rc = tx_log(&tx, p, part.n);
    for (size_t i = 0; !rc && i < part.n; i++) /* byte by byte: a death may come in the middle */
        ((volatile char *)p)[i] = part.p[i];
    return ks_end(&tx, &k, 1, rc);
}

enum rc ks_append(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct bytes more)
{
    struct tx tx;
    struct key_ref k;
    size_t length;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    return ks_end(&tx, &k, 1, k.entry ? string_append(&tx, &k, more, 0, &length) : RC_MISSING);
}

enum rc ks_write(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct bytes value)
{
    struct tx tx;
    struct key_ref k;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    return ks_end(&tx, &k, 1, string_set(&tx, &k, value, -1, 0));
}

enum rc ks_write_range(struct shm_ctx *ctx, uint32_t db, struct bytes key, uint64_t offset, struct bytes part)
{
    struct tx tx;
    struct key_ref k;
    size_t length;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    return ks_end(&tx, &k, 1, string_set_range(&tx, &k, offset, part, 0, &length));
}

static enum rc many_one(struct tx *tx, const struct ks_many *m, struct key_ref *k, char *value)
{
    shm_ref e;
    if (!m->value_bytes && !m->numbers) {
        enum rc rc = key_del(tx, k, false);
        return rc == RC_MISSING ? RC_OK : rc;
    }
    enum rc rc = m->numbers ? int_new(tx, k->key, (int64_t)m->seed, &e)
                            : value_new(tx, k->key, (struct bytes){value, m->value_bytes}, -1, &e);
    if (!rc)
        rc = key_put(tx, k, e, false);
    return rc ? rc : tell_set(tx, k, (struct bytes){value, m->value_bytes});
}

enum rc ks_many(struct shm_ctx *ctx, const struct ks_many *m)
{
    struct name *names = calloc(m->n, sizeof(*names));
    struct key_ref *k = calloc(m->n, sizeof(*k));
    uint32_t *at = calloc(m->n, sizeof(*at));
    char *value = malloc(m->value_bytes + 1);
    struct tx tx;
    fill(value, m->value_bytes, m->seed);
    for (unsigned i = 0; i < m->n; i++) {
        names[i] = name_of(m->prefix, m->first + i);
        k[i] = ks_ref(ctx, m->db, NAME_BYTES(names[i]));
        k[i].arg = i;
    }
    begin(&tx, ctx);
    enum rc rc = keys_latch(&tx, k, m->n, at);
    if (!rc && ks_locks)
        rc = keys_lock(&tx, k, m->n);
    for (unsigned i = 0; i < m->n && !rc; i++)
        rc = many_one(&tx, m, &k[at[i]], value);
    rc = ks_end(&tx, k, m->n, rc ? rc : m->give_up ? RC_INVALID : RC_OK);
    free(names);
    free(k);
    free(at);
    free(value);
    return rc;
}

enum rc ks_get(struct shm_ctx *ctx, uint32_t db, struct bytes key, struct ks_value *out, char *buf,
               size_t room)
{
    struct tx tx;
    struct key_ref k;
    enum rc rc = open_key(&tx, ctx, &k, db, key);
    if (rc)
        return rc;
    const struct shm_entry *e = key_entry(&k);
    if (!e) {
        tx_abort(&tx);
        return RC_MISSING;
    }
    *out = (struct ks_value){.expiry_ms = entry_expiry(e)};
    if (entry_enc(e) == ENC_INT) {
        out->is_int = true;
        out->v = entry_int(e);
    } else {
        struct bytes b = entry_bytes(e);
        out->n = b.n;
        memcpy(buf, b.p, b.n < room ? b.n : room);
    }
    tx_abort(&tx); /* it only looked */
    return RC_OK;
}

/* ---- the digest ---- */

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    const unsigned char *c = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ c[i]) * 1099511628211ull;
    return h ^ h >> 29;
}

struct digest {
    uint64_t sum;
    uint32_t db;
    char skip;
};

/* The items of a hash or a set: in their order, but for an hmap's, which has no meaning. */
static uint64_t mix_dict(uint64_t h, const struct shm_entry *e)
{
    struct tx tx = {0};
    struct dict d;
    struct dict_walk w;
    struct hmap_item it;
    uint64_t sum = 0;
    dict_read(&d, &tx, e);
    h = mix(h, &e->type_enc, 1);
    for (dict_walk(&d, &w); dict_next(&w, &it);) {
        uint64_t item =
            mix(mix(d.form == DICT_HMAP ? 14695981039346656037ull : h, it.key.p, it.key.n), &it.key.n, 8);
        item = mix(mix(item, it.value.p, it.value.n), &it.value.n, 8);
        item = mix(item, &it.until_ms, 8);
        sum += item;
        h = d.form == DICT_HMAP ? h : item;
    }
    dict_walk_end(&w);
    return mix(h, &sum, sizeof(sum));
}

/* What the map of a sorted set says, in no order. */
static uint64_t mix_map(const struct shm_zset *z)
{
    struct hmap m = {{.root = (uint64_t *)(uintptr_t)&z->map}, true};
    struct tree_path p;
    uint64_t sum = 0;
    tree_first(&m.tree, &p);
    for (bool more = p.leaf; more; more = tree_next(&p))
        for (unsigned i = 0; i < p.leaf->n; i++) {
            struct hmap_item it = hmap_item(&m, p.leaf, i);
            sum += mix(mix(7, it.key.p, it.key.n), it.value.p, it.value.n);
        }
    return sum;
}

/* The members of a sorted set with their scores; its map must say the same. */
static uint64_t mix_zset(uint64_t h, const struct shm_entry *e)
{
    struct coll_walk w;
    struct bytes name, score;
    uint64_t sum = 0;
    h = mix(h, &e->type_enc, 1);
    for (coll_walk(NULL, e, &w); coll_next(&w, &name) && coll_next(&w, &score);) {
        uint64_t key = key_hash(arena_root(), name);
        sum += mix(mix(7, &key, sizeof(key)), score.p, score.n);
        h = mix(mix(mix(h, name.p, name.n), &name.n, 8), score.p, score.n);
    }
    if (entry_enc(e) == ENC_SKIPLIST)
        CHECK(sum == mix_map(shm_at(*entry_word_at((struct shm_entry *)(uintptr_t)e))));
    return h;
}

/* What a packed collection holds, or one in a tree of items in their own order. */
static uint64_t mix_items(uint64_t h, const struct shm_entry *e)
{
    struct coll_walk w;
    struct bytes item;
    uint64_t size = entry_type(e) == TYPE_LIST ? list_listpack_bytes(e) : 0;
    h = mix(h, &e->type_enc, 1);
    h = mix(h, &size, sizeof(size));
    for (coll_walk(NULL, e, &w); coll_next(&w, &item);) {
        h = mix(h, &item.n, sizeof(item.n));
        h = mix(h, item.p, item.n);
    }
    return h;
}

uint64_t ks_entry_digest(uint32_t db, const struct shm_entry *e)
{
    struct bytes k = entry_key(e);
    int64_t expiry = entry_expiry(e), v;
    uint64_t h = 14695981039346656037ull;
    h = mix(h, &db, sizeof(db));
    h = mix(h, k.p, k.n);
    h = mix(h, &expiry, sizeof(expiry));
    if (entry_enc(e) == ENC_INT) {
        v = entry_int(e);
        h = mix(h, &v, sizeof(v));
    } else if (entry_type(e) == TYPE_HASH || entry_type(e) == TYPE_SET) {
        h = mix_dict(h, e);
    } else if (entry_type(e) == TYPE_ZSET) {
        h = mix_zset(h, e);
    } else if (entry_type(e) != TYPE_STRING) {
        h = mix_items(h, e);
    } else {
        struct bytes b = entry_bytes(e);
        h = mix(h, b.p, b.n);
    }
    return h * 0x9e3779b97f4a7c15ull;
}

static void digest_entry(struct digest *d, const struct shm_entry *e)
{
    struct bytes k = entry_key(e);
    if (!k.n || k.p[0] != d->skip)
        d->sum += ks_entry_digest(d->db, e);
}

static void digest_chain(struct digest *d, const uint64_t *slot)
{
    for (unsigned n = BUCKET_SLOTS; slot; n = CELL_SLOTS) {
        const uint64_t *next = NULL;
        for (unsigned i = 0; i < n; i++)
            if (slot[i] & SLOT_LINK)
                next = shm_at(SLOT_REF(slot[i]));
            else if (slot[i])
                digest_entry(d, shm_at(SLOT_REF(slot[i])));
        slot = next;
    }
}

static void digest_dir(struct digest *d, uint64_t w)
{
    if (dir_kind(w) == DIR_NODE) {
        const uint64_t *node = shm_at(dir_ref(w));
        uint64_t last = 0;
        for (unsigned i = 0; i < NODE_WORDS; i++)
            if (node[i] != last)
                digest_dir(d, last = node[i]);
        return;
    }
    const struct shm_bucket *b = shm_at(dir_ref(w));
    for (unsigned i = 0; i < dir_buckets(w); i++)
        digest_chain(d, b[i].slot);
}

static void digest_mail(struct digest *d)
{
    const struct shm_root *r = arena_root();
    for (uint32_t to = 0; to < r->nslots; to++)
        for (uint32_t from = 0; from < r->nslots; from++) {
            const struct shm_ring *ring = (struct shm_ring *)shm_at(r->mail + sizeof(struct shm_mail)) +
                                          (uint64_t)to * r->nslots + from;
            for (uint64_t i = ring->head; i != ring->tail; i++) {
                const struct mail *m = &ring->mail[i % MAIL_RING];
                uint64_t h = mix(i * 77 + to * 5 + from, &m->kind, 8);
                h = mix(h, &m->x, sizeof(m->x));
                d->sum += m->bytes ? mix(h, shm_at(m->block), m->bytes) : h;
            }
        }
}

/* Records count by what they say: their numbers depend on what others did meanwhile. */
static void digest_log(struct digest *d)
{
    struct wal_reader r;
    struct wal_record rec;
    uint64_t last = 0;
    wal_reader_open(&r, arena_root());
    wal_reader_look(&r);
    while (wal_reader_next(&r, &rec)) {
        const char *p = rec.effect.p;
        CHECK(rec.lsn > last);
        last = rec.lsn;
        for (unsigned lines = 0; lines < 4; p++)
            lines += *p == '\n';
        if (*p != d->skip)
            d->sum +=
                mix(14695981039346656037ull + rec.db, rec.effect.p, rec.effect.n) * 0x9e3779b97f4a7c15ull;
    }
    CHECK(r.bound == wal_lsn(arena_root())); /* nobody holds the log up */
}

static void digest_databases(struct digest *d)
{
    for (d->db = 0; d->db < dbs_all(arena_root()); d->db++)
        if (db_table(arena_root(), d->db))
            digest_dir(d, db_table(arena_root(), d->db)->dir);
}

uint64_t ks_entries_digest(void)
{
    struct digest d = {0};
    digest_databases(&d);
    return d.sum;
}

uint64_t ks_digest(char skip)
{
    struct digest d = {.skip = skip};
    digest_databases(&d);
    digest_mail(&d);
    digest_log(&d);
    d.sum += libraries_epoch(arena_root()) * 0xd6e8feb86659fd93ull; /* it changes with the value */
    return d.sum;
}
