#include "shm/tx.h"
#include "shm/crashpoint.h"
#include "shm/keylock.h"
#include "shm/nest.h"
#include "shm/table.h"

#include <sched.h>
#include <stdlib.h>

/* The end of each list is kept for what the commit itself adds: it must not fail for want of room. */
#define COUNTER_ROOM (1 + 3 * TX_TABLES + 2) /* counters; the log's tail and floor */

/* Stores above this size are given back when their transaction has ended. */
#define STORE_KEEP_BYTES (16 * UNIT_BYTES)

/* ---- where a lane's lists are ---- */

static void lane_lists(struct tx *tx)
{
    struct shm_lane *lane = tx->lane;
    uint64_t cap = lane_cap(lane);
    tx->cap = (uint32_t)cap - COUNTER_ROOM;
    if (LIKELY(!lane->lists)) {
        tx->lock = lane->lock;
        tx->redo = lane->redo;
        tx->alloc = lane->alloc;
        tx->freed = lane->freed;
        return;
    }
    uint64_t *base = shm_at(lane->lists);
    tx->lock = base;
    tx->redo = (struct lane_redo *)(base + cap);
    tx->alloc = base + 3 * cap;
    tx->freed = base + 4 * cap;
}

static uint8_t *lane_undo(struct shm_lane *lane)
{
    return lane->undo_at ? shm_at(lane->undo_at) : lane->undo;
}

void tx_begin(struct tx *tx, struct shm_ctx *ctx)
{
    struct shm_lane *lane = &ctx->slot->lane;
    CHECK(lane->commit == LANE_IDLE);
    lane->nlock = lane->nredo = lane->nalloc = lane->nfreed = 0;
    lane->freed_done = lane->undo_bytes = 0;
    lane->lists = lane->undo_at = 0;
    SHM_ORDER();
    __atomic_store_n(&lane->commit, LANE_OPEN, __ATOMIC_RELAXED);
    STEP(ctx, TX_OPEN);
    tx->ctx = ctx;
    tx->lane = lane;
    tx->used_delta = 0;
    tx->ncount = 0;
    tx->indexed = 0;
    tx->spilled = tx->trees = tx->dbs = tx->reads = tx->locks = false;
    tx->buried = tx->buried_last = tx->nburied = 0;
    tx->wal.at = NULL;
    tx->wal.len = tx->wal.lsn = 0;
    tx->wal.nmarks = 0;
    tx->handed = 0;
    tx->cap = LANE_INLINE - COUNTER_ROOM;
    tx->lock = lane->lock;
    tx->redo = lane->redo;
    tx->alloc = lane->alloc;
    tx->freed = lane->freed;
    tx->undo = lane->undo;
    tx->undo_cap = LANE_UNDO;
}

/* Of a pair of stores, the one that is not in use, with room for so many bytes. */
static enum rc other_store(struct tx *tx, unsigned pair, shm_ref in_use, uint64_t bytes, shm_ref *out)
{
    struct shm_lane *lane = tx->lane;
    shm_ref *s = &lane->store[2 * pair];
    if (*s && *s == in_use)
        s++;
    if (*s && span_bytes(*s) < bytes)
        span_drop(tx->ctx, s);
    if (!*s) {
        enum rc rc = span_keep(tx->ctx, bytes, s);
        if (rc)
            return rc;
    }
    *out = *s;
    return RC_OK;
}

enum rc tx_reserve(struct tx *tx, unsigned entries)
{
    struct shm_lane *lane = tx->lane;
    shm_ref store;
    if (entries <= tx->cap)
        return RC_OK;
    enum rc rc = other_store(tx, 0, lane->lists, 40ull * (entries + COUNTER_ROOM), &store);
    if (rc)
        return rc;
    uint64_t *base = shm_at(store), cap = span_bytes(store) / 40;
    memcpy(base, tx->lock, 8ull * lane->nlock);
    memcpy(base + cap, tx->redo, 16ull * lane->nredo);
    memcpy(base + 3 * cap, tx->alloc, 8ull * lane->nalloc);
    memcpy(base + 4 * cap, tx->freed, 8ull * lane->nfreed);
    SHM_ORDER();
    lane->lists = store;
    STEP(tx->ctx, STORE_MOVED);
    lane_lists(tx);
    return RC_OK;
}

static inline enum rc room_for_one(struct tx *tx, uint32_t n)
{
    return LIKELY(n < tx->cap) ? RC_OK : tx_reserve(tx, tx->cap * 2);
}

/* ---- reserve and prepare ---- */

static inline enum rc latch_note(struct tx *tx, struct shm_latch *l)
{
    struct shm_lane *lane = tx->lane;
    enum rc rc = room_for_one(tx, lane->nlock);
    if (rc)
        return rc;
    tx->lock[lane->nlock] = shm_ref_of(l);
    SHM_ORDER();
    lane->nlock++;
    STEP(tx->ctx, TX_LOCK_NOTED);
    return RC_OK;
}

enum rc tx_latch(struct tx *tx, struct shm_latch *l)
{
    enum rc rc = latch_note(tx, l);
    if (rc)
        return rc;
    if (UNLIKELY(!latch_try(l, tx->ctx->id)) && !latch_spin(l, tx->ctx->id)) {
        tx->ctx->held_by = latch_owner(latch_load(l));
        tx->lane->nlock--;
        return RC_BUSY;
    }
    STEP(tx->ctx, TX_LOCKED);
    return RC_OK;
}

enum rc tx_latch_try(struct tx *tx, struct shm_latch *l)
{
    enum rc rc = latch_note(tx, l);
    if (rc)
        return rc;
    if (latch_try(l, tx->ctx->id))
        return RC_OK;
    tx->lane->nlock--;
    return RC_BUSY;
}

void tx_unlatch_last(struct tx *tx)
{
    struct shm_lane *lane = tx->lane;
    latch_release(shm_at(tx->lock[lane->nlock - 1]));
    SHM_ORDER();
    lane->nlock--;
}

enum rc tx_latch_born(struct tx *tx, struct shm_latch *l)
{
    struct shm_lane *lane = tx->lane;
    enum rc rc = room_for_one(tx, lane->nlock);
    if (rc)
        return rc;
    l->word = tx->ctx->id + 1;
    tx->lock[lane->nlock] = shm_ref_of(l) | LOCK_BORN;
    SHM_ORDER();
    lane->nlock++;
    return RC_OK;
}

void tx_latch_retire(struct tx *tx, unsigned i)
{
    tx->lock[i] |= LOCK_RETIRE;
}

enum rc tx_alloc(struct tx *tx, uint64_t bytes, shm_ref *out)
{
    struct shm_lane *lane = tx->lane;
    uint32_t cls = class_of(bytes);
    enum rc rc = room_for_one(tx, lane->nalloc);
    if (UNLIKELY(rc))
        return rc;
    if (UNLIKELY(cls == CLASS_SPAN)) {
        rc = span_alloc(tx->ctx, bytes, out);
        if (!rc)
            tx->used_delta += (int64_t)span_bytes(*out);
        return rc;
    }
    struct shm_mag *m = &tx->ctx->slot->mag[cls];
    if (UNLIKELY(!m->count) && (rc = mag_refill(tx->ctx, cls)))
        return rc;
    shm_ref r = m->block[m->count - 1];
    tx->alloc[lane->nalloc] = r | (uint64_t)cls << 48;
    SHM_ORDER();
    lane->nalloc++;
    STEP(tx->ctx, ALLOC_NOTED);
    m->count--;
    STEP(tx->ctx, ALLOC_POPPED);
    tx->used_delta += (int64_t)class_bytes(cls);
    *out = r;
    return RC_OK;
}

/* One redo word takes it from the lane, others give it to a key: the commit moves it, and a death before the
 * commit leaves it where repair looks for it. */
enum rc tx_take_built(struct tx *tx, shm_ref *out)
{
    uint64_t *at = &tx->lane->built;
    *out = tx_word(tx, at, 0);
    if (!*out)
        return RC_OK;
    enum rc rc = tx_redo(tx, at, 0);
    if (!rc)
        tx->used_delta += (int64_t)span_bytes(*out);
    return rc;
}

static enum rc note_freed(struct tx *tx, uint64_t block, uint64_t bytes)
{
    struct shm_lane *lane = tx->lane;
    uint32_t cls = class_of(bytes);
    enum rc rc = room_for_one(tx, lane->nfreed);
    if (UNLIKELY(rc))
        return rc;
    DCHECK(slab_block_bytes(BLOCK_REF(block)) == block_bytes(bytes));
    tx->freed[lane->nfreed] = block | (uint64_t)cls << 48;
    SHM_ORDER();
    lane->nfreed++;
    tx->used_delta -= (int64_t)block_bytes(bytes);
    return RC_OK;
}

enum rc tx_free(struct tx *tx, shm_ref r, uint64_t bytes)
{
    return note_freed(tx, r, bytes);
}

enum rc tx_retire(struct tx *tx, shm_ref r, uint64_t bytes)
{
    const struct shm_retire *q = &tx->ctx->slot->retire;
    if (q->tail - q->head + 8 >= RETIRE_RING)
        return RC_BUSY; /* eight: no transaction retires more */
    return note_freed(tx, r | BLOCK_RETIRE, bytes);
}

enum rc tx_redo(struct tx *tx, uint64_t *at, uint64_t word)
{
    struct shm_lane *lane = tx->lane;
    enum rc rc = room_for_one(tx, lane->nredo);
    if (UNLIKELY(rc))
        return rc;
    tx->redo[lane->nredo].at = shm_ref_of(at);
    tx->redo[lane->nredo].word = word;
    SHM_ORDER();
    lane->nredo++;
    STEP(tx->ctx, TX_REDO_NOTED);
    return RC_OK;
}

/* Long lists (MSET of thousands of keys) are searched by an index: open addressing, private to the thread,
 * built when it is first wanted and brought up to date at each search. */
#define LIST_SHORT 32u

static _Thread_local struct redo_index {
    uint32_t *at; /* number of a redo + 1; 0: free */
    uint32_t cap; /* a power of two, at least twice the redos */
} redo_index;

static uint32_t *index_place(const struct tx *tx, shm_ref at)
{
    uint32_t mask = redo_index.cap - 1, i = (uint32_t)((at >> 3) * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (redo_index.at[i] && tx->redo[redo_index.at[i] - 1].at != at)
        i = (i + 1) & mask;
    return &redo_index.at[i];
}

static void index_follow(struct tx *tx)
{
    uint32_t n = tx->lane->nredo;
    if (!tx->indexed || redo_index.cap < 2 * n) {
        uint32_t cap = redo_index.cap ? redo_index.cap : 1024;
        while (cap < 4 * n)
            cap *= 2;
        if (cap != redo_index.cap) {
            free(redo_index.at);
            redo_index.at = malloc(cap * sizeof(*redo_index.at));
            CHECK(redo_index.at);
            redo_index.cap = cap;
        }
        memset(redo_index.at, 0, cap * sizeof(*redo_index.at));
        tx->indexed = 0;
    }
    for (; tx->indexed < n; tx->indexed++)
        *index_place(tx, tx->redo[tx->indexed].at) = tx->indexed + 1;
}

void tx_thread_ends(void)
{
    free(redo_index.at);
    redo_index = (struct redo_index){0};
}

static struct lane_redo *redo_find(struct tx *tx, const uint64_t *at, unsigned from)
{
    shm_ref r = shm_ref_of(at);
    if (UNLIKELY(tx->lane->nredo > from && tx->lane->nredo - from > LIST_SHORT)) {
        index_follow(tx);
        uint32_t i = *index_place(tx, r);
        return i ? &tx->redo[i - 1] : NULL;
    }
    for (unsigned i = tx->lane->nredo; i-- > from;)
        if (tx->redo[i].at == r)
            return &tx->redo[i];
    return NULL;
}

uint64_t tx_word(struct tx *tx, const uint64_t *at, unsigned from)
{
    const struct lane_redo *r = redo_find(tx, at, from);
    return r ? r->word : *at;
}

enum rc tx_set_word(struct tx *tx, uint64_t *at, uint64_t word, unsigned from)
{
    struct lane_redo *r = redo_find(tx, at, from);
    if (!r)
        return tx_redo(tx, at, word);
    r->word = word;
    return RC_OK;
}

static enum rc undo_grow(struct tx *tx, uint64_t bytes)
{
    struct shm_lane *lane = tx->lane;
    shm_ref store;
    enum rc rc = other_store(tx, 1, lane->undo_at, bytes, &store);
    if (rc)
        return rc;
    memcpy(shm_at(store), lane_undo(lane), lane->undo_bytes);
    SHM_ORDER();
    lane->undo_at = store;
    STEP(tx->ctx, STORE_MOVED);
    tx->undo = shm_at(store);
    tx->undo_cap = span_bytes(store);
    return RC_OK;
}

enum rc tx_log_bytes(struct tx *tx, void *at, uint64_t bytes)
{
    struct shm_lane *lane = tx->lane;
    uint64_t padded = (bytes + 7) / 8 * 8;
    if (lane->undo_bytes + padded + 16 > tx->undo_cap) {
        enum rc rc = undo_grow(tx, 2 * (lane->undo_bytes + padded + 16));
        if (rc)
            return rc;
    }
    uint8_t *u = tx->undo + lane->undo_bytes;
    uint64_t trailer[2] = {shm_ref_of(at), bytes};
    memcpy(u, at, bytes);
    memcpy(u + padded, trailer, sizeof(trailer));
    SHM_ORDER();
    lane->undo_bytes += padded + 16;
    STEP(tx->ctx, TX_UNDO_NOTED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* readers without a lock see the latch before any new byte */
    return RC_OK;
}

/* Adds to what the counter will be. */
static enum rc counter_add(struct tx *tx, int64_t *at, int64_t delta)
{
    return delta ? tx_set_word(tx, (uint64_t *)at, tx_word(tx, (uint64_t *)at, 0) + (uint64_t)delta, 0)
                 : RC_OK;
}

/* What the transaction adds to a table's counters becomes redo words. */
static enum rc count_spill(struct tx *tx, struct tx_count *n)
{
    struct shm_table_count *c = table_count(n->table, tx->ctx->id);
    enum rc rc = counter_add(tx, &c->keys, n->keys);
    n->keys = rc ? n->keys : 0;
    if (!rc)
        rc = counter_add(tx, &c->expires, n->expires);
    n->expires = rc ? n->expires : 0;
    if (!rc)
        rc = counter_add(tx, &c->fields, n->fields);
    if (!rc)
        tx->spilled = true;
    return rc;
}

enum rc tx_count_add(struct tx *tx, const struct tx_count *more)
{
    for (unsigned i = 0; i < tx->ncount; i++)
        if (tx->count[i].table == more->table) {
            tx->count[i].keys += more->keys;
            tx->count[i].expires += more->expires;
            tx->count[i].fields += more->fields;
            return RC_OK;
        }
    if (UNLIKELY(tx->ncount == TX_TABLES)) { /* EXEC over many databases: the first one makes room */
        enum rc rc = count_spill(tx, &tx->count[0]);
        if (rc)
            return rc;
        tx->count[0] = tx->count[--tx->ncount];
    }
    tx->count[tx->ncount++] = *more;
    return RC_OK;
}

/* The words of slots are left alone: other processes follow them without a gate (rings), or they are our own. */
static bool in_slots(const struct shm_root *root, shm_ref at)
{
    return at >= root->slots && at < root->slots + root->nslots * SLOT_STRIDE;
}

enum rc tx_expose(struct tx *tx)
{
    DCHECK(!tx->locks);
    for (; tx->ncount; tx->ncount--) {
        enum rc rc = count_spill(tx, &tx->count[tx->ncount - 1]);
        if (rc)
            return rc;
    }
    for (uint32_t i = 0; i < tx->lane->nredo; i++) {
        uint64_t *at = shm_at(tx->redo[i].at);
        if (*at == tx->redo[i].word || in_slots(tx->ctx->root, tx->redo[i].at))
            continue;
        enum rc rc = tx_log(tx, at, sizeof(*at));
        if (rc)
            return rc;
        __atomic_store_n(at, tx->redo[i].word, __ATOMIC_RELEASE);
        STEP(tx->ctx, TX_EXPOSED_ONE);
    }
    return RC_OK;
}

/* ---- commit and what follows, also as repair repeats it ---- */

static void redo_apply(struct shm_ctx *ctx, const struct lane_redo *redo, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        __atomic_store_n((uint64_t *)shm_at(redo[i].at), redo[i].word, __ATOMIC_RELEASE);
        STEP(ctx, TX_PUBLISHED_ONE);
    }
    STEP(ctx, TX_PUBLISHED);
}

static void mag_push(struct shm_ctx *ctx, uint64_t block)
{
    uint32_t cls = BLOCK_CLASS(block);
    struct shm_mag *m = &ctx->slot->mag[cls];
    if (UNLIKELY(m->count >= mag_limit(cls)))
        mag_flush(ctx, cls);
    m->block[m->count] = BLOCK_REF(block);
    SHM_ORDER();
    m->count++;
    STEP(ctx, FREE_PUSHED);
}

static void retire_push(struct shm_ctx *ctx, uint64_t block)
{
    struct shm_retire *q = &ctx->slot->retire;
    CHECK(q->tail - q->head < RETIRE_RING);
    q->ring[q->tail % RETIRE_RING].block = block & ~BLOCK_RETIRE;
    /* A number that is drawn and lost in a crash is harmless: epochs only have to grow. */
    q->ring[q->tail % RETIRE_RING].epoch = __atomic_fetch_add(&ctx->root->epoch, 1, __ATOMIC_SEQ_CST);
    SHM_ORDER();
    q->tail++;
    STEP(ctx, TX_RETIRED_ONE);
}

/* Has the push of this block happened already? Only the last push before a death can be in doubt. */
static bool was_pushed(const struct shm_ctx *ctx, uint64_t block)
{
    if (block & BLOCK_RETIRE) {
        const struct shm_retire *q = &ctx->slot->retire;
        return q->tail != q->head && q->ring[(q->tail - 1) % RETIRE_RING].block == (block & ~BLOCK_RETIRE);
    }
    if (BLOCK_CLASS(block) == CLASS_SPAN)
        return false; /* its progress word is part of the nested action */
    const struct shm_mag *m = &ctx->slot->mag[BLOCK_CLASS(block)];
    return m->count && m->block[m->count - 1] == BLOCK_REF(block);
}

static void free_noted(struct shm_ctx *ctx, const uint64_t *freed)
{
    struct shm_lane *lane = &ctx->slot->lane;
    while (lane->freed_done < lane->nfreed) {
        uint64_t block = freed[lane->freed_done];
        if (BLOCK_CLASS(block) == CLASS_SPAN && !(block & BLOCK_RETIRE)) {
            span_free(ctx, BLOCK_REF(block), &lane->freed_done, lane->freed_done + 1);
            continue;
        }
        if (block & BLOCK_RETIRE)
            retire_push(ctx, block);
        else
            mag_push(ctx, block);
        lane->freed_done++;
        STEP(ctx, FREE_COUNTED);
    }
    STEP(ctx, TX_FREED);
}

/* Stores too large to keep go back, then the lane is free for the next transaction. */
static void lane_close(struct shm_ctx *ctx)
{
    struct shm_lane *lane = &ctx->slot->lane;
    if (UNLIKELY(lane->lists || lane->undo_at))
        for (unsigned i = 0; i < ARRAY_LEN(lane->store); i++)
            if (lane->store[i] && span_bytes(lane->store[i]) > STORE_KEEP_BYTES)
                span_drop(ctx, &lane->store[i]);
    __atomic_store_n(&lane->commit, LANE_IDLE, __ATOMIC_RELEASE);
    SHM_ORDER();
}

static void unlock_noted(struct shm_ctx *ctx, const uint64_t *lock)
{
    struct shm_lane *lane = &ctx->slot->lane;
    STEP(ctx, TX_UNLOCKING);
    for (uint32_t i = 0; i < lane->nlock; i++) {
        struct shm_latch *l = shm_at(lock[i] & ~LOCK_FLAGS);
        if (!lock[i] || !latch_mine(l, ctx->id))
            continue; /* repair: released before the death, or noted and never taken */
        if (lock[i] & LOCK_RETIRE)
            latch_retire(l);
        else
            latch_release(l);
        STEP(ctx, TX_UNLOCKED_ONE);
    }
    STEP(ctx, TX_UNLOCKED);
    keylock_end(ctx);
    /* The lists may lie in a store that lane_close gives back: they must not be read again. */
    lane->nlock = 0;
    lane_close(ctx);
}

void tx_redo_last(struct tx *tx, uint64_t *at, uint64_t word)
{
    struct shm_lane *lane = tx->lane;
    tx->redo[lane->nredo].at = shm_ref_of(at);
    tx->redo[lane->nredo].word = word;
    SHM_ORDER();
    lane->nredo++;
}

static void redo_counter(struct tx *tx, int64_t *at, int64_t delta)
{
    if (delta)
        tx_redo_last(tx, (uint64_t *)at,
                     (UNLIKELY(tx->spilled) ? tx_word(tx, (uint64_t *)at, 0) : (uint64_t)*at) +
                         (uint64_t)delta);
}

/* Counters are absolute, so that repeating their store changes nothing. */
static void redo_counters(struct tx *tx)
{
    redo_counter(tx, &tx->ctx->slot->used_bytes, tx->used_delta);
    for (unsigned i = 0; i < tx->ncount; i++) {
        struct shm_table_count *c = table_count(tx->count[i].table, tx->ctx->id);
        redo_counter(tx, &c->keys, tx->count[i].keys);
        redo_counter(tx, &c->expires, tx->count[i].expires);
        redo_counter(tx, &c->fields, tx->count[i].fields);
    }
}

/* All that follows the commit. The words are stored again by a repair only while none of the blocks that
 * the transaction frees can have another owner: it may have changed a word of such a block before. */
static void roll_forward(struct shm_ctx *ctx, struct tx *tx)
{
    struct shm_lane *lane = tx->lane;
    if (lane->commit == LANE_COMMITTED)
        redo_apply(ctx, tx->redo, lane->nredo);
    SHM_ORDER();
    lane->commit = LANE_FREEING;
    STEP(ctx, TX_FREEING);
    free_noted(ctx, tx->freed);
    SHM_ORDER();
    lane->commit = LANE_UNLOCKING;
    unlock_noted(ctx, tx->lock);
}

void tx_commit(struct tx *tx)
{
    struct shm_ctx *ctx = tx->ctx;
    struct shm_lane *lane = tx->lane;
    STEP(ctx, TX_PREPARED);
    redo_counters(tx);
    if (UNLIKELY(tx->wal.at))
        tx_wal_finish(tx);
    STEP(ctx, TX_BEFORE_COMMIT);
    __atomic_store_n(&lane->commit, LANE_COMMITTED, __ATOMIC_RELEASE);
    STEP(ctx, TX_COMMITTED);
    roll_forward(ctx, tx);
}

/* ---- abort ---- */

static void undo_apply(struct shm_lane *lane)
{
    uint8_t *base = lane_undo(lane);
    while (lane->undo_bytes) {
        uint64_t trailer[2];
        memcpy(trailer, base + lane->undo_bytes - 16, sizeof(trailer));
        uint32_t start = lane->undo_bytes - 16 - (uint32_t)((trailer[1] + 7) / 8 * 8);
        memcpy(shm_at(trailer[0]), base + start, trailer[1]);
        SHM_ORDER();
        lane->undo_bytes = start;
    }
}

static void alloc_give_back(struct shm_ctx *ctx)
{
    struct shm_lane *lane = &ctx->slot->lane;
    const uint64_t *alloc = lane_alloc_list(lane);
    while (lane->nalloc) {
        uint64_t block = alloc[lane->nalloc - 1];
        if (BLOCK_CLASS(block) == CLASS_SPAN) {
            span_free(ctx, BLOCK_REF(block), &lane->nalloc, lane->nalloc - 1);
            continue;
        }
        mag_push(ctx, block);
        lane->nalloc--;
        STEP(ctx, TX_ABORT_FREED);
    }
}

static void lane_abort(struct shm_ctx *ctx, const uint64_t *lock)
{
    struct shm_lane *lane = &ctx->slot->lane;
    STEP(ctx, TX_ABORTING);
    undo_apply(lane);
    STEP(ctx, TX_UNDONE);
    alloc_give_back(ctx);
    SHM_ORDER();
    lane->commit = LANE_UNLOCKING;
    unlock_noted(ctx, lock);
}

void tx_abort(struct tx *tx)
{
    /* A latch that was to be retired is released after all; one in a block of our own goes with the block. */
    for (uint32_t i = 0; i < tx->lane->nlock; i++)
        tx->lock[i] = tx->lock[i] & LOCK_BORN ? 0 : tx->lock[i] & ~LOCK_FLAGS;
    lane_abort(tx->ctx, tx->lock);
}

/* ---- repair ---- */

void lane_recover(struct shm_ctx *ctx)
{
    struct shm_lane *lane = &ctx->slot->lane;
    struct tx tx = {.ctx = ctx, .lane = lane};
    nest_rollback(ctx);
    if (lane->commit == LANE_IDLE)
        return;
    lane_lists(&tx);
    switch (lane->commit) {
    case LANE_OPEN:
        if (lane->nalloc && was_pushed(ctx, tx.alloc[lane->nalloc - 1]))
            lane->nalloc--; /* noted and not popped yet, or given back already */
        tx_abort(&tx);
        break;
    case LANE_FREEING:
        if (lane->freed_done < lane->nfreed && was_pushed(ctx, tx.freed[lane->freed_done]))
            lane->freed_done++;
        roll_forward(ctx, &tx);
        break;
    case LANE_COMMITTED:
        roll_forward(ctx, &tx);
        break;
    case LANE_UNLOCKING:
        unlock_noted(ctx, tx.lock);
        break;
    default:
        CHECKF(false, "lane state %llu", (unsigned long long)lane->commit);
    }
}
