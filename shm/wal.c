/* The ring. A record lies at a multiple of 16 bytes and never wraps: a filler leads to the ring's beginning.
 *
 *  0        8        12     15     16
 *  +--------+--------+------+------+---------------------------+
 *  |  LSN   | bytes  |  db  | kind | effect, padded to 16      |   kind INLINE
 *  |  LSN   | bytes  |  db  | kind | block (8) | its bytes (8) |   kind BLOCK: the effect stands in a block
 *  |        |        |      | kind |                             kind FILL: go on at the beginning
 *  +--------+--------+------+------+ */
#include "shm/wal.h"
#include "shm/base/number.h"
#include "shm/crashpoint.h"

#define RECORD_HEAD 16u
#define INLINE_MAX_BYTES                                                                                     \
    16384u /* a longer effect gets a block, so that the ring holds some hundreds of records */
#define EFFECT_MAX  (UINT32_MAX - 64u) /* a frame counts its records' bytes, heads included, in 32 bits */
#define TAKE_BLOCKS 64u                /* freed in one transaction: its lists need not grow for them */

enum record_kind { RECORD_INLINE = 1, RECORD_BLOCK, RECORD_FILL };

struct record_head {
    uint64_t lsn;
    uint32_t bytes;
    uint32_t db : 24, kind : 8;
};
_Static_assert(sizeof(struct record_head) == RECORD_HEAD, "as drawn above");
_Static_assert(SHM_DBS_MAX <= 1 << 24, "a record's database");

static inline uint64_t padded(uint64_t n)
{
    return (n + 15) & ~15ull;
}
static inline struct record_head *record_at(const struct shm_wal_ring *ring, uint64_t pos)
{
    return shm_at(ring->data + pos % WAL_RING_BYTES);
}

/* ---- making a record ---- */

/* Where the next record begins. Beyond the tail everything is ours: nobody looks there. */
static enum rc record_begin(struct tx *tx)
{
    struct shm_wal_ring *ring = &tx->ctx->slot->wal;
    if (UNLIKELY(!ring->data)) {
        enum rc rc = span_keep(tx->ctx, WAL_RING_BYTES, &ring->data);
        if (rc)
            return rc;
    }
    uint64_t start = ring->tail, left = WAL_RING_BYTES - start % WAL_RING_BYTES;
    uint64_t used = start - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    if (UNLIKELY(WAL_RING_BYTES - used < 2 * (RECORD_HEAD + INLINE_MAX_BYTES)))
        return RC_BUSY; /* room for the filler, and for the record behind it */
    if (UNLIKELY(left < RECORD_HEAD + INLINE_MAX_BYTES)) {
        record_at(ring, start)->kind = RECORD_FILL;
        start += left;
    }
    tx->wal.start = start;
    tx->wal.at = (char *)(record_at(ring, start) + 1);
    tx->wal.cap = INLINE_MAX_BYTES;
    tx->wal.block = 0;
    return RC_OK;
}

/* The effect moves to a block of its own, or to a larger one. */
static enum rc record_grow(struct tx *tx, uint64_t need)
{
    struct tx_wal *w = &tx->wal;
    uint64_t bytes = block_bytes(w->len && need < 2 * w->len ? 2 * w->len : need);
    shm_ref r;
    enum rc rc = tx_alloc(tx, bytes, &r);
    if (!rc && w->block)
        rc = tx_free(tx, w->block, w->cap);
    if (rc)
        return rc;
    memcpy(shm_at(r), w->at, w->len);
    w->at = shm_at(r);
    w->cap = bytes;
    w->block = r;
    return RC_OK;
}

static inline char *put_count(char *p, char sign, uint64_t n)
{
    *p++ = sign;
    p += number_from_uint64(p, n);
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

/* Room for a count or length: a sign, 20 digits, the line's end. */
#define COUNT_ROOM 23u

static enum rc put_command(struct tx *tx, const struct bytes *argv, unsigned argc)
{
    struct tx_wal *w = &tx->wal;
    uint64_t need = w->len + COUNT_ROOM;
    for (unsigned i = 0; i < argc; i++)
        need += COUNT_ROOM + argv[i].n + 2;
    if (UNLIKELY(need > EFFECT_MAX))
        return RC_RANGE;
    if (UNLIKELY(need > w->cap)) {
        enum rc rc = record_grow(tx, need);
        if (rc)
            return rc;
    }
    char *p = put_count(w->at + w->len, '*', argc);
    for (unsigned i = 0; i < argc; i++) {
        p = put_count(p, '$', argv[i].n);
        bytes_copy(p, argv[i].p, argv[i].n);
        p += argv[i].n;
        *p++ = '\r';
        *p++ = '\n';
    }
    w->len = (uint64_t)(p - w->at);
    return RC_OK;
}

static enum rc put_select(struct tx *tx, uint32_t db)
{
    char digits[24];
    struct bytes argv[2] = {BYTES_LIT("SELECT"), {digits, number_from_uint64(digits, db)}};
    return put_command(tx, argv, 2);
}

enum rc tx_effect(struct tx *tx, uint32_t db, const struct bytes *argv, unsigned argc)
{
    struct tx_wal *w = &tx->wal;
    enum rc rc = RC_OK;
    if (!tx_tells(tx))
        return RC_OK;
    if (!w->at) {
        rc = record_begin(tx);
        w->db = w->db_now = db;
    }
    if (!rc && UNLIKELY(w->db_now != db)) {
        rc = put_select(tx, db);
        w->db_now = db;
    }
    if (!rc)
        rc = put_command(tx, argv, argc);
    STEP(tx->ctx, WAL_FILLED);
    return rc;
}

void tx_effect_key(struct tx *tx, uint64_t hash)
{
    struct tx_wal *w = &tx->wal;
    if (w->nmarks < ARRAY_LEN(w->mark))
        w->mark[w->nmarks] = (uint16_t)(hash >> 48);
    if (w->nmarks <= ARRAY_LEN(w->mark)) /* one more than there is room for stands for all */
        w->nmarks++;
}

void tx_effect_all(struct tx *tx)
{
    tx->wal.nmarks = ARRAY_LEN(tx->wal.mark) + 1;
}

enum rc tx_effect_del(struct tx *tx, uint32_t db, struct bytes key, uint64_t hash)
{
    struct bytes argv[2] = {BYTES_LIT("DEL"), key};
    tx_effect_key(tx, hash);
    return tx_effect(tx, db, argv, 2);
}

/* Several may raise the same word: the highest stays. */
static void raise_to(uint64_t *at, uint64_t lsn)
{
    uint64_t was = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (was < lsn && !__atomic_compare_exchange_n(at, &was, lsn, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

/* A death between this and the commit leaves marks of a number that is lost: readers wait in vain for a sync that
 * comes anyway. */
static void mark_seen(const struct tx_wal *w, struct shm_wal *wal)
{
    if (!w->nmarks || w->nmarks > ARRAY_LEN(w->mark)) {
        raise_to(&wal->seen_all, w->lsn);
        return;
    }
    for (unsigned i = 0; i < w->nmarks; i++)
        raise_to(&wal->seen[w->mark[i]], w->lsn);
}

/* The floor first, then the number: whoever sees a number drawn sees a floor below it, until the record is
 * shown. So the writer never passes over a record that is still to come. */
void tx_wal_finish(struct tx *tx)
{
    struct shm_wal *wal = &persist(tx->ctx->root)->wal;
    struct shm_wal_ring *ring = &tx->ctx->slot->wal;
    struct tx_wal *w = &tx->wal;
    struct record_head *h = record_at(ring, w->start);
    uint64_t body = w->block ? 16 : w->len;
    __atomic_store_n(&ring->floor, __atomic_load_n(&wal->lsn, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
    STEP(tx->ctx, WAL_FLOOR);
    w->lsn = __atomic_add_fetch(&wal->lsn, 1, __ATOMIC_SEQ_CST);
    STEP(tx->ctx, WAL_DRAWN);
    *h = (struct record_head){w->lsn, (uint32_t)w->len, w->db & 0xffffffu,
                              w->block ? RECORD_BLOCK : RECORD_INLINE};
    if (w->block) {
        uint64_t where[2] = {w->block, w->cap};
        memcpy(h + 1, where, sizeof(where));
    }
    if (wal->waits)
        mark_seen(w, wal);
    tx_redo_last(tx, &ring->tail, w->start + RECORD_HEAD + padded(body));
    tx_redo_last(tx, &ring->floor, 0);
}

void wal_repair(struct shm_slot *slot)
{
    __atomic_store_n(&slot->wal.floor, 0, __ATOMIC_RELEASE);
}

/* ---- the writer's side ---- */

/* Steps over fillers. The position of a record, or the tail. */
static uint64_t record_find(const struct shm_wal_ring *ring, uint64_t pos, uint64_t tail)
{
    if (pos != tail && record_at(ring, pos)->kind == RECORD_FILL)
        pos += WAL_RING_BYTES - pos % WAL_RING_BYTES;
    return pos;
}

static uint64_t record_end(const struct record_head *h, uint64_t pos)
{
    return pos + RECORD_HEAD + padded(h->kind == RECORD_BLOCK ? 16 : h->bytes);
}

void wal_reader_open(struct wal_reader *r, struct shm_root *root)
{
    r->root = root;
    r->bound = 0;
    r->nactive = 0;
    for (uint32_t i = 0; i < root->nslots; i++)
        r->at[i] = r->tail[i] = slot_at(i)->wal.head;
}

/* A number up to the counter's present value was drawn before we look: its floor is seen, or its tail. */
void wal_reader_look(struct wal_reader *r)
{
    uint64_t bound = wal_lsn(r->root);
    for (uint32_t i = 0; i < r->root->nslots; i++) {
        uint64_t floor = __atomic_load_n(&slot_at(i)->wal.floor, __ATOMIC_ACQUIRE);
        if (floor && floor - 1 < bound)
            bound = floor - 1;
    }
    r->nactive = 0;
    for (uint32_t i = 0; i < r->root->nslots; i++) {
        const struct shm_wal_ring *ring = &slot_at(i)->wal;
        r->tail[i] = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
        r->at[i] = r->tail[i] == r->at[i] ? r->at[i] : record_find(ring, r->at[i], r->tail[i]);
        if (r->at[i] != r->tail[i])
            r->active[r->nactive++] = (uint8_t)i;
    }
    r->bound = bound;
}

bool wal_reader_next(struct wal_reader *r, struct wal_record *out)
{
    const struct record_head *best = NULL;
    unsigned which = 0;
    for (unsigned k = 0; k < r->nactive; k++) {
        const struct record_head *h = record_at(&slot_at(r->active[k])->wal, r->at[r->active[k]]);
        if (!best || h->lsn < best->lsn) {
            best = h;
            which = k;
        }
    }
    if (!best || best->lsn > r->bound)
        return false;
    uint32_t i = r->active[which];
    shm_ref block;
    out->lsn = best->lsn;
    out->db = best->db;
    out->effect = (struct bytes){(const char *)(best + 1), best->bytes};
    if (best->kind == RECORD_BLOCK) {
        memcpy(&block, best + 1, sizeof(block));
        out->effect.p = shm_at(block);
    }
    r->at[i] = record_find(&slot_at(i)->wal, record_end(best, r->at[i]), r->tail[i]);
    if (r->at[i] == r->tail[i])
        r->active[which] = r->active[--r->nactive];
    return true;
}

/* Frees the blocks of the records up to *pos, or of the first of them: then *pos is how far it came. */
static enum rc free_blocks(struct tx *tx, const struct shm_wal_ring *ring, uint64_t *pos)
{
    uint64_t at = record_find(ring, ring->head, *pos);
    for (unsigned n = 0; at != *pos && n < TAKE_BLOCKS;) {
        const struct record_head *h = record_at(ring, at);
        if (h->kind == RECORD_BLOCK) {
            uint64_t where[2];
            memcpy(where, h + 1, sizeof(where));
            enum rc rc = tx_free(tx, where[0], where[1]);
            if (rc)
                return rc;
            n++;
        }
        at = record_find(ring, record_end(h, at), *pos);
    }
    *pos = at;
    return RC_OK;
}

static enum rc take_from(struct shm_ctx *ctx, struct shm_wal_ring *ring, uint64_t to)
{
    while (ring->head != to) {
        struct tx tx;
        uint64_t pos = to;
        tx_begin(&tx, ctx);
        enum rc rc = free_blocks(&tx, ring, &pos);
        if (!rc)
            rc = tx_redo(&tx, &ring->head, pos);
        if (rc) {
            tx_abort(&tx);
            return rc;
        }
        tx_commit(&tx);
    }
    return RC_OK;
}

enum rc wal_reader_take(struct wal_reader *r, struct shm_ctx *ctx)
{
    for (uint32_t i = 0; i < r->root->nslots; i++) {
        struct shm_wal_ring *ring = &slot_at(i)->wal;
        enum rc rc = ring->head == r->at[i] ? RC_OK : take_from(ctx, ring, r->at[i]);
        if (rc)
            return rc;
    }
    return RC_OK;
}

uint64_t wal_ring_used(const struct shm_root *root)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < root->nslots; i++) {
        const struct shm_wal_ring *ring = &slot_at(i)->wal;
        n += __atomic_load_n(&ring->tail, __ATOMIC_RELAXED) - __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    }
    return n;
}

void wal_ring_blocks(const struct shm_slot *s, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg)
{
    const struct shm_wal_ring *ring = &s->wal;
    for (uint64_t at = record_find(ring, ring->head, ring->tail); at != ring->tail;) {
        const struct record_head *h = record_at(ring, at);
        if (h->kind == RECORD_BLOCK) {
            uint64_t where[2];
            memcpy(where, h + 1, sizeof(where));
            fn(arg, where[0], where[1]);
        }
        at = record_find(ring, record_end(h, at), ring->tail);
    }
}

uint64_t persist_dirty(const struct shm_root *root)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < root->nslots; i++)
        n += __atomic_load_n(&slot_at(i)->stats.dirty, __ATOMIC_RELAXED);
    return n;
}
