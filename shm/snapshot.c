#include "shm/snapshot.h"
#include "shm/crashpoint.h"
#include "shm/wal.h"
#include "shm/walk.h"

#include <stdlib.h>
#include <time.h>

/* What a slot may have waiting for the snapshotter: so many entries (128 KB of ring), and so many bytes when a
 * transaction begins to hand over. It bounds what a snapshot costs in memory: some megabytes for each slot. */
/* How far the snapshotter may lag behind: while it writes one huge collection it takes nothing in, and writers that
 * have handed over so much wait. What the rings hold is memory that the snapshot costs, so it is a share of all. */
#define LAG_SHARE    64u
#define LAG_MIN      (2ull << 20)
#define RING_ENTRIES 16384u /* at least; */
#define ENTRY_BYTES  128u   /* otherwise room for entries of this size */

#define FREE_AT_ONCE 64u /* entries: with their long values fewer blocks than a lane's list holds */
#define GATE_WAIT_US 500u
#define GATE_NAPS    4u  /* 1, 2, ... 16 ms: in which the rings are not looked at */
#define STEP_BUCKETS 32u /* some 150 entries: 10 us or so in one batch */
#define STAGE_BYTES  (64u << 10)
#define COPY_MAX     (16u << 10) /* of one bucket, under its latch */

/* ---- the ring: the writers' side ---- */

/* A word of the ring: a place in 8-byte units, as in a table's slot, what lies there, and an entry's database. */
#define WORD_KIND_SHIFT 38
#define WORD_DB_SHIFT   40
_Static_assert(SHM_DBS_MAX + HIDDEN_DBS <= 1 << (64 - WORD_DB_SHIFT), "an entry's database");
enum handed_kind {
    HANDED_ENTRY = 0,
    HANDED_SHELL, /* an entry of which its own block is all that is freed: its value stays in use, or lies in it */
    HANDED_BLOCK, /* a block of a value */
};
static inline uint64_t word_of(shm_ref block, enum handed_kind kind, uint64_t db)
{
    return block >> 3 | (uint64_t)kind << WORD_KIND_SHIFT | db << WORD_DB_SHIFT;
}
static inline shm_ref word_ref(uint64_t w)
{
    return SLOT_REF(w);
}
static inline enum handed_kind word_kind(uint64_t w)
{
    return (enum handed_kind)(w >> WORD_KIND_SHIFT & 3);
}
static inline uint32_t word_db(uint64_t w)
{
    return (uint32_t)(w >> WORD_DB_SHIFT);
}

static inline uint64_t *ring_words(const struct shm_snap_ring *r)
{
    return shm_at(r->data[r->which]);
}
static inline uint64_t ring_room(const struct shm_snap_ring *r)
{
    return r->data[r->which] ? span_bytes(r->data[r->which]) / 8 : 0;
}

static uint64_t lag_bytes(void)
{
    uint64_t share = persist(arena_root())->snap.used_at_cut / LAG_SHARE;
    return share > LAG_MIN ? share : LAG_MIN;
}

bool snapshot_crowded(const struct shm_slot *s)
{
    const struct shm_snap_ring *r = &s->snap;
    uint64_t used = r->tail - __atomic_load_n(&r->head, __ATOMIC_RELAXED);
    uint64_t bytes = r->bytes_in - __atomic_load_n(&r->bytes_out, __ATOMIC_RELAXED);
    return used && (used > ring_room(r) / 2 || bytes > lag_bytes() / 2);
}

static uint64_t ring_room_wanted(void)
{
    uint64_t entries = lag_bytes() / ENTRY_BYTES;
    return entries > RING_ENTRIES ? entries : RING_ENTRIES;
}

/* An empty ring is exchanged for a larger one: when the keyspace has grown since it was made, or a single transaction
 * hands over more than it holds. Nobody looks at an empty ring's words; those that this transaction has put behind the tail move along. */
static enum rc ring_grow(struct tx *tx, struct shm_snap_ring *r)
{
    uint64_t old_room = ring_room(r), other = 1 - r->which, wanted = ring_room_wanted();
    if (r->data[other]) /* a death came between the exchange and the drop */
        span_drop(tx->ctx, &r->data[other]);
    enum rc rc = span_keep(tx->ctx, 8 * (2 * old_room > wanted ? 2 * old_room : wanted), &r->data[other]);
    if (rc)
        return rc;
    uint64_t *words = shm_at(r->data[other]), room = span_bytes(r->data[other]) / 8;
    for (uint64_t at = r->tail; at != r->tail + tx->handed; at++)
        words[at % room] = ring_words(r)[at % old_room];
    __atomic_store_n(&r->which, other, __ATOMIC_RELEASE);
    STEP(tx->ctx, SNAP_RING_GROWN);
    if (r->data[1 - other])
        span_drop(tx->ctx, &r->data[1 - other]);
    return RC_OK;
}

static enum rc ring_ready(struct tx *tx, struct shm_snap_ring *r)
{
    uint64_t used = r->tail - __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
    uint64_t room = ring_room(r);
    if (LIKELY(used + tx->handed < room && (used || tx->handed || room >= ring_room_wanted())))
        return RC_OK;
    return used ? RC_BUSY : ring_grow(tx, r);
}

/* The first entry of a transaction: from now on its redos for tail and bytes_in only count up. */
static enum rc hand_begin(struct tx *tx, struct shm_snap_ring *r)
{
    if (r->bytes_in - __atomic_load_n(&r->bytes_out, __ATOMIC_ACQUIRE) > lag_bytes())
        return RC_BUSY;
    tx->handed_redo = tx->lane->nredo;
    enum rc rc = tx_redo(tx, &r->tail, r->tail);
    return rc ? rc : tx_redo(tx, &r->bytes_in, r->bytes_in);
}

/* The bytes leave the count of used memory here, as if they were freed: so eviction sees that it gained something.
 * The snapshotter, who frees them, does not count them again. */
static enum rc hand(struct tx *tx, uint64_t word, uint64_t bytes)
{
    struct shm_snap_ring *r = &tx->ctx->slot->snap;
    enum rc rc = tx->handed ? RC_OK : hand_begin(tx, r);
    if (!rc)
        rc = ring_ready(tx, r);
    if (rc)
        return rc;
    ring_words(r)[(r->tail + tx->handed) % ring_room(r)] = word;
    tx->handed++;
    tx->redo[tx->handed_redo].word = r->tail + tx->handed;
    tx->redo[tx->handed_redo + 1].word += bytes;
    tx->used_delta -= (int64_t)bytes;
    STEP(tx->ctx, SNAP_HANDED);
    return RC_OK;
}

enum rc snapshot_hand(struct tx *tx, const struct key_ref *k, bool shares)
{
    const struct shm_entry *e = key_entry(k);
    bool shell = shares || !(e->flags & (ENTRY_BIG | ENTRY_TREE));
    uint64_t bytes = shell ? block_bytes(entry_bytes_total(e)) : entry_memory(e);
    return hand(tx, word_of(k->entry, shell ? HANDED_SHELL : HANDED_ENTRY, k->table->snap_db), bytes);
}

enum rc snapshot_hand_block(struct tx *tx, shm_ref block)
{
    return hand(tx, word_of(block, HANDED_BLOCK, 0), slab_block_bytes(block));
}

/* ---- the snapshotter's transactions ---- */

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

/* Each is in a batch: who has closed the gate finds everything at rest. No batch holds anything up for long: files
 * are written between them. */
static void enter(struct shm_ctx *ctx)
{
    while (!batch_enter(ctx))
        nap();
}

/* ---- the cut ---- */

_Static_assert(offsetof(struct shm_persist, wal) % 8 == 0 && offsetof(struct shm_wal, on) == 0 &&
                   offsetof(struct shm_wal, state) == 4,
               "wal.on and wal.state change by one word");

static enum rc cut_tables(struct tx *tx, uint64_t *list, uint64_t *keys)
{
    struct shm_root *root = tx->ctx->root;
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < dbs_all(root) && !rc; i++) {
        struct shm_table *t = i == scripts_db(root) ? NULL : db_table(root, i); /* scripts are in no file */
        list[i] = t ? shm_ref_of(t) : 0;
        if (!t)
            continue;
        rc = tx_redo(tx, &t->snap_from, 1);
        if (!rc)
            rc = tx_redo(tx, &t->snap_db, i);
        *keys += i < root->ndbs ? (uint64_t)table_keys(t) : 0;
    }
    return rc;
}

static enum rc cut_words(struct tx *tx, shm_ref list)
{
    struct shm_persist *p = persist(tx->ctx->root);
    uint64_t begins = 1 | (uint64_t)WAL_BEGINS << 32;
    enum rc rc = tx_redo(tx, &p->snap.tables, list);
    if (!rc)
        rc = tx_redo(tx, &p->snap.lsn, wal_lsn(tx->ctx->root));
    if (!rc)
        rc = tx_redo(tx, &p->snap.serial, p->snap.serial + 1);
    if (!rc)
        rc = tx_redo(tx, &p->snap.shares, 1);
    if (!rc)
        rc = tx_redo(tx, &p->snap.dirty_at_cut, persist_dirty(tx->ctx->root));
    if (!rc && p->snap.log_begins)
        rc = tx_redo(tx, (uint64_t *)&p->wal.on, begins);
    return rc ? rc : tx_redo(tx, &p->snap.state, SNAP_WALKING);
}

enum rc snapshot_cut(struct shm_ctx *ctx)
{
    struct shm_snap *snap = &persist(ctx->root)->snap;
    uint64_t keys = 0;
    struct tx tx;
    shm_ref list;
    tx_begin(&tx, ctx);
    enum rc rc = tx_latch(&tx, &ctx->root->db_latch);
    if (!rc)
        rc = tx_alloc(&tx, dbs_all(ctx->root) * 8ull, &list);
    if (!rc)
        rc = cut_tables(&tx, shm_at(list), &keys);
    if (!rc)
        rc = cut_words(&tx, list);
    STEP(ctx, SNAP_CUT);
    if (rc) {
        tx_abort(&tx);
        return rc;
    }
    snap->keys_total = keys;
    snap->keys_done = 0;
    snap->handed = 0;
    snap->used_at_cut = (uint64_t)slots_used_bytes();
    tx_commit(&tx);
    return RC_OK;
}

void snapshot_end(struct shm_ctx *ctx)
{
    struct shm_snap *snap = &persist(ctx->root)->snap;
    struct tx tx;
    enter(ctx);
    tx_begin(&tx, ctx);
    /* A snapshotter that died before the cut has left no list. */
    enum rc rc = snap->tables ? tx_free(&tx, snap->tables, dbs_all(ctx->root) * 8ull) : RC_OK;
    if (!rc)
        rc = tx_redo(&tx, &snap->tables, 0);
    if (!rc)
        rc = tx_redo(&tx, &snap->state, SNAP_IDLE);
    CHECK(!rc); /* its lists need not grow for these few */
    tx_commit(&tx);
    batch_leave(ctx);
}

/* ---- showing ---- */

static void show(struct snapshot *s, uint32_t db, const struct shm_entry *e)
{
    struct shm_snap *snap = &persist(s->ctx->root)->snap;
    snap->keys_done += db < s->ctx->root->ndbs;
    if (!s->fn)
        return;
    s->rc = s->fn(s->arg, db, e);
    if (s->rc) {
        s->fn = NULL;
        __atomic_store_n(&snap->state, SNAP_DISCARDING, __ATOMIC_RELEASE);
    }
}

/* Few are noted at a time: the entries of one bucket. */
static bool was_shown(const struct snapshot *s, shm_ref r)
{
    for (unsigned i = 0; i < s->nnoted; i++)
        if (s->noted[i] == r)
            return true;
    return false;
}

/* ---- what was handed over ---- */

/* The entry itself has left the cache since it was shown: it is not looked at where its block says enough. */
static enum rc free_one(struct tx *tx, uint64_t w, uint64_t *bytes)
{
    shm_ref r = word_ref(w);
    bool entry = word_kind(w) == HANDED_ENTRY;
    uint64_t n = entry ? entry_memory(shm_at(r)) : slab_block_bytes(r);
    *bytes += n;
    return entry ? entry_free(tx, r, true) : tx_free(tx, r, n);
}

/* RC_BUSY: a latch is taken; nothing happened. */
static enum rc ring_free(struct snapshot *s, struct shm_snap_ring *r, unsigned n)
{
    uint64_t bytes = 0, room = ring_room(r);
    struct tx tx;
    enum rc rc = RC_OK;
    enter(s->ctx);
    tx_begin(&tx, s->ctx);
    for (uint64_t at = r->head; at != r->head + n && !rc; at++)
        rc = free_one(&tx, ring_words(r)[at % room], &bytes);
    if (!rc)
        rc = tx_redo(&tx, &r->head, r->head + n);
    if (!rc)
        rc = tx_redo(&tx, &r->bytes_out, r->bytes_out + bytes);
    if (rc) {
        tx_abort(&tx);
    } else {
        tx.used_delta += (int64_t)bytes;
        STEP(s->ctx, SNAP_TAKEN);
        tx_commit(&tx);
    }
    batch_leave(s->ctx);
    return rc;
}

static void ring_show(struct snapshot *s, const struct shm_snap_ring *r, uint64_t *at)
{
    uint64_t tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE), room = ring_room(r);
    const uint64_t *words = ring_words(r);
    for (; *at != tail; ++*at) {
        uint64_t w = words[*at % room];
        if (*at + 8 < tail) {
            const char *soon = shm_at(word_ref(words[(*at + 8) % room]));
            __builtin_prefetch(soon);
            __builtin_prefetch(soon + 64);
        }
        if (word_kind(w) == HANDED_BLOCK)
            continue;
        persist(s->ctx->root)->snap.handed++;
        if (!was_shown(s, word_ref(w)))
            show(s, word_db(w), shm_at(word_ref(w)));
    }
}

/* A round: everything that has been handed over is shown, then what had been in the rings at the beginning of the last
 * round is freed. A block is handed over later than the entry that the snapshot knows it by, but perhaps by another
 * slot, whose ring is looked at sooner: a round later that entry has been shown for certain. */
static void round_of(struct snapshot *s)
{
    uint64_t tails[SHM_SLOTS_MAX];
    for (uint32_t i = 0; i < s->ctx->root->nslots; i++) {
        const struct shm_snap_ring *r = &slot_at(i)->snap;
        tails[i] = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
        s->shown[i] = s->shown[i] > r->head ? s->shown[i] : r->head;
    }
    for (uint32_t i = 0; i < s->ctx->root->nslots; i++)
        ring_show(s, &slot_at(i)->snap, &s->shown[i]);
    for (uint32_t i = 0; i < s->ctx->root->nslots; i++) {
        struct shm_snap_ring *r = &slot_at(i)->snap;
        while (r->head < s->aged[i]) {
            uint64_t n = s->aged[i] - r->head;
            if (ring_free(s, r, n < FREE_AT_ONCE ? (unsigned)n : FREE_AT_ONCE))
                break; /* the next round frees it */
        }
        s->aged[i] = tails[i] > s->aged[i] ? tails[i] : s->aged[i];
    }
}

static bool rings_empty(const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->ctx->root->nslots; i++) {
        const struct shm_snap_ring *r = &slot_at(i)->snap;
        if (r->head != __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE))
            return false;
    }
    return true;
}

void snapshot_drain(struct snapshot *s)
{
    if (!rings_empty(s))
        round_of(s);
}

/* ---- the walk ---- */

/* One bucket, or the part of it that lies in the range, under its latch. */
struct passing {
    struct snapshot *s;
    const struct shm_root *root;
    bool whole;          /* all of its entries lie in the range */
    uint64_t from, last; /* hashes */
    size_t bytes;        /* of its pending entries */
    bool too_long;       /* to be copied under the latch */
    struct tx *tx;
};

static bool in_range(const struct passing *p, const struct shm_entry *e)
{
    if (LIKELY(p->whole))
        return true;
    uint64_t h = key_hash(p->root, entry_key(e));
    return h >= p->from && h <= p->last;
}

static bool is_pending(const struct passing *p, const struct shm_entry *e)
{
    return !(e->flags & ENTRY_FRESH) && in_range(p, e);
}

static void measure_one(void *arg, const struct shm_entry *e)
{
    struct passing *p = arg;
    if (!is_pending(p, e))
        return;
    p->bytes += entry_bytes_total(e) + 8;
    p->too_long |= e->flags & (ENTRY_BIG | ENTRY_TREE) || p->bytes > COPY_MAX;
}

static void copy_one(void *arg, const struct shm_entry *e)
{
    struct passing *p = arg;
    struct snapshot *s = p->s;
    if (!is_pending(p, e))
        return;
    size_t n = entry_bytes_total(e);
    memcpy(s->stage + s->staged, e, n);
    s->staged += (n + 7) & ~(size_t)7;
}

static void note_one(void *arg, const struct shm_entry *e)
{
    struct passing *p = arg;
    struct snapshot *s = p->s;
    if (!is_pending(p, e))
        return;
    if (s->nnoted == s->noted_room) {
        s->noted_room = s->noted_room ? 2 * s->noted_room : 32;
        s->noted = realloc(s->noted, s->noted_room * sizeof(*s->noted));
        CHECK(s->noted);
    }
    s->noted[s->nnoted++] = shm_ref_of(e);
}

/* No log has it: a death here leaves some entries pending that need not be, and who replaces them hands them over
 * to those who discard. Behind the walk there is never a mark, since it goes before the position moves. */
/* A transaction that has only locked the key may read the other flags of this byte meanwhile. */
READS_RACILY static void unmark_one(void *arg, const struct shm_entry *e)
{
    uint8_t *flags = (uint8_t *)(uintptr_t)&e->flags;
    if (UNLIKELY(*flags & ENTRY_FRESH) && in_range(arg, e))
        __atomic_store_n(flags, (uint8_t)(*flags & ~ENTRY_FRESH), __ATOMIC_RELAXED);
}

/* Moves the position behind last, with the bucket's latch held: what lies before it is everybody's again. */
static void pass(struct passing *p, struct shm_table *t, uint64_t *listed, struct shm_bucket *b)
{
    uint64_t from = p->last == UINT64_MAX ? 0 : p->last + 2; /* the next position, plus 1 */
    enum rc rc = tx_redo(p->tx, &t->snap_from, from);
    if (!rc && !from)
        rc = tx_redo(p->tx, listed, 0);
    CHECK(!rc); /* it is the transaction's first */
    visit_chain(b, unmark_one, p);
    STEP(p->tx->ctx, SNAP_MARKS);
    tx_commit(p->tx);
}

/* Asks for the entries of a bucket that comes soon, or each would be waited for under its latch. What is read without
 * a latch here is believed by nobody. */
READS_RACILY static void prefetch_entries(const struct key_ref *k, unsigned ahead)
{
    const struct shm_bucket *b = k->bucket + ahead;
    __builtin_prefetch(b + ahead);
    if (b >= (const struct shm_bucket *)shm_at(dir_ref(k->dir)) + dir_buckets(k->dir))
        return;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        const char *e = shm_at(SLOT_REF(__atomic_load_n(&b->slot[i], __ATOMIC_RELAXED)));
        __builtin_prefetch(e);
        __builtin_prefetch(e + 64);
    }
}

/* Takes what is pending in the bucket at the table's position, up to the hash limit, and passes it. If it is too
 * long to be copied under the latch it is noted instead, and stays pending. RC_BUSY: nothing happened. */
static enum rc bucket_take(struct snapshot *s, struct shm_table *t, uint64_t *listed, uint64_t limit)
{
    struct key_ref k = {.table = t, .hash = t->snap_from - 1};
    struct tx tx;
    struct passing p = {.s = s, .root = s->ctx->root, .from = k.hash, .tx = &tx};
    tx_begin(&tx, s->ctx);
    enum rc rc = position_latch(&tx, &k);
    if (rc) {
        tx_abort(&tx);
        return rc;
    }
    prefetch_entries(&k, 2);
    uint64_t last = position_next(&k) - 1;
    p.last = last < limit ? last : limit;
    p.whole = p.last == last && position_here(&k) == p.from;
    if (s->fn && !s->nnoted) {
        visit_chain(k.bucket, measure_one, &p);
        if (p.too_long) {
            visit_chain(k.bucket, note_one, &p);
            s->noted_last = p.last;
            tx_abort(&tx); /* nothing was changed */
            return RC_OK;
        }
        visit_chain(k.bucket, copy_one, &p);
    }
    pass(&p, t, listed, k.bucket);
    return RC_OK;
}

static void show_staged(struct snapshot *s)
{
    for (size_t at = 0; at < s->staged;) {
        const struct shm_entry *e = (const struct shm_entry *)(s->stage + at);
        show(s, s->db, e);
        s->walked++;
        at += (entry_bytes_total(e) + 7) & ~(size_t)7;
    }
    s->staged = 0;
}

/* The noted entries are pending, so they stay as they are while they are shown. Then the part of the table that
 * they stood in is passed, which may be several buckets by now. Who replaced one meanwhile has handed it over, and
 * has done so before its bucket could be passed: so all of these come with the next look at the rings. */
static void show_noted(struct snapshot *s, struct shm_table *t, uint64_t *listed)
{
    for (unsigned i = 0; i < s->nnoted; i++)
        show(s, s->db, shm_at(s->noted[i]));
    s->walked += s->nnoted;
    while (t->snap_from && t->snap_from - 1 <= s->noted_last) {
        bool last = s->noted_last == UINT64_MAX;
        enter(s->ctx);
        enum rc rc = bucket_take(s, t, listed, s->noted_last);
        bool done = !rc && last && !*listed;
        batch_leave(s->ctx);
        if (done)
            break; /* the table may be buried from now on */
        if (rc) {
            snapshot_drain(s);
            nap();
        }
    }
    snapshot_drain(s);
    s->nnoted = 0;
}

/* The word of a table that is still to be walked. */
static uint64_t *next_table(struct snapshot *s)
{
    uint64_t *list = shm_at(persist(s->ctx->root)->snap.tables);
    const struct shm_root *root = s->ctx->root;
    if (!persist(root)->snap.tables)
        return NULL;
    /* Functions come first: who loads the file has them before keys. The scripts' database, which is not listed, ends it. */
    for (; s->db != scripts_db(root); s->db = s->db == functions_db(root) ? 0 : s->db + 1)
        if (list[s->db])
            return &list[s->db];
    return NULL;
}

/* All tables have been walked: no entry is handed over any more, and behind the gate nobody goes on handing blocks. True:
 * the rings are empty, and stay so. */
static bool settle(struct snapshot *s)
{
    struct shm_snap *snap = &persist(s->ctx->root)->snap;
    if (snap->shares && !gate_close(s->ctx, GATE_WAIT_US)) {
        /* Somebody is inside for long: the others shall work meanwhile. */
        nanosleep(&(struct timespec){.tv_nsec = 1000000l << s->gate_failed}, NULL);
        s->gate_failed += s->gate_failed < GATE_NAPS;
        return false;
    }
    if (snap->shares) {
        snap->shares = 0;
        gate_open(s->ctx);
    }
    return rings_empty(s);
}

bool snapshot_step(struct snapshot *s)
{
    uint64_t *listed = next_table(s);
    snapshot_drain(s);
    if (!listed)
        return !settle(s);
    struct shm_table *t = shm_at(*listed);
    enum rc rc = RC_OK;
    enter(s->ctx);
    for (unsigned n = 0; n < s->buckets && *listed && !s->nnoted && s->staged < STAGE_BYTES && !rc; n++)
        rc = bucket_take(s, t, listed, UINT64_MAX);
    batch_leave(s->ctx);
    show_staged(s);
    if (s->nnoted)
        show_noted(s, t, listed);
    else if (rc)
        nap(); /* the latch's holder has been preempted, or is dead */
    return true;
}

void snapshot_open(struct snapshot *s, struct shm_ctx *ctx, snapshot_fn *fn, void *arg)
{
    *s = (struct snapshot){
        .ctx = ctx, .fn = fn, .arg = arg, .buckets = STEP_BUCKETS, .db = functions_db(ctx->root)};
    s->stage = malloc(STAGE_BYTES + COPY_MAX);
    CHECK(s->stage);
}

void snapshot_close(struct snapshot *s)
{
    free(s->stage);
    free(s->noted);
    s->stage = NULL;
    s->noted = NULL;
}

void snapshot_ring_entries(const struct shm_slot *s, void (*fn)(void *arg, shm_ref r, bool entry), void *arg)
{
    const struct shm_snap_ring *r = &s->snap;
    for (uint64_t at = r->head; at != r->tail; at++)
        fn(arg, word_ref(ring_words(r)[at % ring_room(r)]),
           word_kind(ring_words(r)[at % ring_room(r)]) == HANDED_ENTRY);
}
