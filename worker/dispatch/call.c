#include "shm/base/clock.h"
#include "worker/dispatch/notify.h"
#include "worker/net/pubsub.h"
#include "worker/net/tracking.h"
#include "worker/dispatch/call.h"
#include "shm/base/number.h"
#include "shm/evict.h"
#include "shm/wal.h"
#include "shm/watch.h"
#include "worker/dispatch/block.h"
#include "worker/dispatch/script.h"
#include "worker/dispatch/stats.h"
#include "worker/worker.h"

#include <sched.h>
#include <stdlib.h>

command_fn cmd_get;

/* Plans of up to this many keys lie on the stack. */
#define KEYS_INLINE 16

#define COPY_PIECE (1u << 20)

void call_breathe(struct call *c)
{
    if (!c->in_lane || c->cmd->flags & F_GATE || c->in_exec || (c->tx && c->tx->locks && !c->tx->reads))
        return;
    c->ctx->slot->heartbeat_ms = (uint64_t)mono_ms();
    batch_leave(c->ctx);
    while (!batch_enter(c->ctx))
        sched_yield();
}

static bool expired(const struct call *c, const struct shm_entry *e)
{
    return UNLIKELY(e->flags & ENTRY_EXPIRES) && entry_expiry(e) <= c->now_ms && !c->loading;
}

/* LRU: the time of this access. LFU: a counter that has decayed since the last one, and perhaps grows. */
static inline uint32_t clock_after_access(const struct call *c, uint32_t was)
{
    if (LIKELY(!evict_is_lfu(c->cfg->maxmemory_policy)))
        return c->clock;
    return evict_touched(was, c->cfg, c->now_ms);
}

static void clock_store(struct shm_entry *e, uint32_t clock)
{
    uint32_t meta = e->meta;
    if ((meta & 0xffffff) != clock)
        __atomic_store_n(&e->meta, (meta & 0xff000000) | clock, __ATOMIC_RELAXED);
}

static void touch(const struct call *c, struct shm_entry *e)
{
    clock_store(e, clock_after_access(c, e->meta & 0xffffff));
}

/* ---- GET without a lock ---- */

/* The clock byte may only be changed under the latch; this happens once a second for a key. */
static void touch_latched(struct call *c, struct key_ref *k, uint32_t version, uint32_t clock)
{
    struct tx tx;
    tx_begin(&tx, c->ctx);
    if (!tx_latch_try(&tx, &k->bucket->latch)) {
        uint32_t now = latch_load(&k->bucket->latch);
        if ((now & ~LATCH_OWNER) == version && key_current(k))
            clock_store(key_entry(k), clock);
    }
    tx_abort(&tx);
}

/* A long value, in the lane: a look at the version after each piece, so that a block which is freed meanwhile is not
 * read to its end. */
static bool copy_big(struct call *c, struct key_ref *k, uint32_t version, shm_ref at)
{
    struct reply *r = c->reply;
    const struct shm_big *b = shm_at(at);
    size_t mark = r->len, len = b->len;
    if (!key_read_valid(k, version))
        return false;
    char *to = reply_bulk_room(r, len);
    for (size_t i = 0, n; i < len; i += n) {
        n = len - i < COPY_PIECE ? len - i : COPY_PIECE;
        memcpy(to + i, (const char *)(b + 1) + i, n);
        if (!key_read_valid(k, version)) {
            r->len = mark;
            return false;
        }
    }
    c->ctx->slot->stats.hits++;
    return true;
}

/* Copies the value between two looks at the version. False: it could not be done this way. */
static bool copy_value(struct call *c, struct key_ref *k, uint32_t version)
{
    struct reply *r = c->reply;
    const struct shm_entry *e = key_entry(k);
    uint8_t type_enc = e->type_enc, flags = e->flags;
    size_t len = e->inline_len, mark = r->len;
    uint32_t meta = e->meta;
    int64_t word = *(const int64_t *)(e + 1), expiry = word;
    if (flags & ENTRY_EXPIRES)
        word = *((const int64_t *)(e + 1) + 1);
    const char *value = (const char *)e + 8 + (flags & ENTRY_EXPIRES ? 8 : 0) + k->key.n;
    if (type_enc >> 4 != TYPE_STRING || (flags & ENTRY_BIG && !c->in_lane) || k->key.n >= KEY_SHORT ||
        !key_read_valid(k, version))
        return false;
    if (flags & ENTRY_EXPIRES && expiry <= c->now_ms)
        return false;
    if (flags & ENTRY_BIG)
        return copy_big(c, k, version, (shm_ref)word);
    if ((type_enc & 15) == ENC_INT)
        reply_bulk_int(r, word);
    else
        reply_bulk(r, value, len);
    if (!key_read_valid(k, version)) {
        r->len = mark;
        return false;
    }
    uint32_t clock = clock_after_access(c, meta & 0xffffff);
    if (UNLIKELY(clock != (meta & 0xffffff)) && !(c->session->flags & SESSION_F_NO_TOUCH))
        touch_latched(c, k, version, clock);
    c->ctx->slot->stats.hits++;
    return true;
}

static void note_miss(struct call *c, struct key_ref *k);

static bool get_unlocked(struct call *c, struct key_ref *k)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        uint32_t version;
        enum rc rc = key_read_begin(k, &version);
        if (rc == RC_MISSING) {
            key_locate(k);
            continue;
        }
        if (rc == RC_BUSY) {
            cpu_relax();
            continue;
        }
        if (k->entry && copy_value(c, k, version))
            return true;
        if (k->entry && !c->in_lane)
            return false;
        if (k->entry)
            continue; /* the lane has the time to try again: to copy a long value under the latch is worse */
        c->ctx->slot->stats.misses++;
        note_miss(c, k);
        reply_null(c->reply);
        return true;
    }
    return false;
}

/* ---- the plan: which keys, in which databases ---- */

int call_wants(const struct call *c, struct key_want *out, int max)
{
    if (c->cmd->wants)
        return c->cmd->wants(c, out, max);
    struct key_pos stack[KEYS_INLINE], *pos = stack;
    int n = command_keys(c->cmd, c->argv, c->argc, pos, KEYS_INLINE);
    if (n > KEYS_INLINE && max >= n) {
        pos = malloc((size_t)n * sizeof(*pos));
        CHECK(pos);
        command_keys(c->cmd, c->argv, c->argc, pos, n);
    }
    for (int i = 0; i < n && i < max && (pos != stack || n <= KEYS_INLINE); i++)
        out[i] = (struct key_want){.arg = pos[i].index, .db = c->db};
    if (pos != stack)
        free(pos);
    return n;
}

static enum rc plan_keys(struct call *c, struct key_ref **keys, uint32_t **index, unsigned *n)
{
    struct key_want stack[KEYS_INLINE], *want = stack;
    int found = call_wants(c, want, KEYS_INLINE);
    if (found < 0)
        return RC_INVALID;
    if (found > KEYS_INLINE) {
        want = malloc((size_t)found * sizeof(*want));
        CHECK(want);
        call_wants(c, want, found);
    }
    if (found > KEYS_INLINE) {
        *keys = malloc((size_t)found * sizeof(**keys));
        *index = malloc((size_t)found * sizeof(**index));
        CHECK(*keys && *index);
    }
    for (int i = 0; i < found; i++) {
        struct key_ref *k = &(*keys)[i];
        *k = (struct key_ref){.key = c->argv[want[i].arg], .db = want[i].db, .arg = (uint32_t)i};
        k->hash = key_hash(c->ctx->root, k->key);
    }
    if (want != stack)
        free(want);
    *n = (unsigned)found;
    return RC_OK;
}

/* Every key gets its table. A command that only reads is content with none. */
static enum rc plan_tables(struct call *c, struct key_ref *keys, unsigned n, bool *absent)
{
    *absent = false;
    for (unsigned i = 0; i < n; i++) {
        keys[i].table = db_table(c->ctx->root, keys[i].db);
        if (keys[i].table)
            continue;
        if (!(c->cmd->flags & (F_WRITE | F_WATCHES))) {
            *absent = true;
            continue;
        }
        enum rc rc = db_table_make(c->ctx, keys[i].db, &keys[i].table);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* ---- running ---- */

/* OBJECT and its like look at the entry, not for the key. */
static void note_miss(struct call *c, struct key_ref *k)
{
    if (!(c->cmd->flags & (F_WRITE | F_WATCHES)) && !c->cmd->parent)
        call_notify_first(c, NOTIFY_KEY_MISS, "keymiss", k);
}

static inline void note_change(struct call *c, const struct key_ref *k, bool expired)
{
    if (UNLIKELY(track_used(c->ctx->root)))
        change_note(c, k, expired);
}

/* What has expired is removed by a command that writes, hidden from one that reads. */
static enum rc settle_key(struct call *c, struct key_ref *k, bool *stale)
{
    struct shm_entry *e = key_entry(k);
    bool counts = !(c->cmd->flags & (F_WRITE | F_WATCHES)); /* as a hit or a miss */
    if (!e) {
        c->ctx->slot->stats.misses += counts;
        note_miss(c, k);
        return RC_OK;
    }
    if (expired(c, e)) {
        if (c->removes) {
            enum rc rc = key_del(c->tx, k, false);
            c->ctx->slot->stats.expired += !rc;
            k->logged = false;
            k->changed = true;
            note_change(c, k, true);
            if (!rc)
                call_notify(c, NOTIFY_EXPIRED, "expired", k);
            return rc ? rc : tx_effect_del(c->tx, k->db, k->key, k->hash);
        }
        *stale = true; /* that it is missing is told when it has expired */
        k->stale = true;
        k->entry = 0;
        c->ctx->slot->stats.misses += counts;
        return RC_OK;
    }
    c->ctx->slot->stats.hits += counts;
    if (!(c->cmd->flags & F_NOTOUCH) && !(c->session->flags & SESSION_F_NO_TOUCH))
        touch(c, e);
    return RC_OK;
}

static enum rc settle(struct call *c, bool *stale)
{
    if (c->nkeys == 1)
        return settle_key(c, c->keys, stale);
    for (unsigned i = 0; i < c->nkeys; i++) {
        enum rc rc = settle_key(c, call_key(c, i), stale);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static bool bucket_is_empty(const struct key_ref *k)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++)
        any |= k->bucket->slot[i];
    return !any;
}

/* The table's size follows what was put and taken; nothing waits for it. At its usual load every third insert
 * meets a full bucket, while a segment grows once in some forty inserts: one look in eight is often enough,
 * and which one is told by the key's hash. Small segments are looked at each time. */
void call_adjust(struct shm_ctx *ctx, struct key_ref *k)
{
    if (LIKELY(!k->changed) || (k->hash & 7 && dir_buckets(k->dir) > 16))
        return;
    if (k->overflowed || (!k->entry && bucket_is_empty(k)))
        table_adjust(ctx, k->table, k->hash);
}

/* It goes behind the read that found it missing, and a client that keeps that goes on doing so: also one that hears
 * nothing of what it has caused. */
static void note_expiry(struct call *c, const struct key_ref *k)
{
    note_change(c, k, true);
    if (UNLIKELY(c->client && c->client->track) && tracking_keeps(c->client))
        change_read(c->w, c->client, k->key, k->hash);
}

static enum rc tell_expiry(struct call *c, struct tx *tx, struct key_ref *k)
{
    size_t posted = post_mark(c->w), noted = changes_mark(c->w);
    note_expiry(c, k);
    call_notify_first(c, NOTIFY_EXPIRED, "expired", k);
    enum rc rc = post_with(c->w, tx, posted);
    if (rc) {
        post_cut(c->w, posted);
        changes_cut(c->w, noted);
    }
    return rc;
}

void call_expire(struct call *c, const struct key_ref *seen)
{
    struct key_ref k = *seen;
    struct tx tx;
    k.table = db_table(c->ctx->root, k.db); /* a handler that breathes may have lost the one before */
    if (!k.table)
        return;
    tx_begin(&tx, c->ctx);
    key_locate(&k);
    enum rc rc = root_paused(c->ctx->root, c->now_ms) ? RC_MISSING : key_latch(&tx, &k);
    if (!rc)
        rc = k.entry && expired(c, key_entry(&k)) ? key_del(&tx, &k, false) : RC_MISSING;
    if (!rc)
        rc = tx_effect_del(&tx, k.db, k.key, k.hash);
    if (!rc)
        rc = tell_expiry(c, &tx, &k);
    if (rc) {
        tx_abort(&tx);
    } else {
        tx_commit(&tx);
        c->ctx->slot->stats.expired++;
    }
    if (seen->stale)
        note_miss(c, &k);
}

/* What lasts locks its keys. Behind the closed gate there is nobody to hold up. */
bool call_lasts(const struct call *c)
{
    return c->in_lane && !c->w->gated && !c->loading;
}

static enum rc latch_keys(struct call *c)
{
    c->tx->reads = !(c->cmd->flags & (F_WRITE | F_CACHES));
    enum rc rc =
        c->nkeys == 1 ? key_latch(c->tx, c->keys) : keys_latch(c->tx, c->keys, c->nkeys, c->key_index);
    return !rc && UNLIKELY(call_lasts(c)) ? keys_lock(c->tx, c->keys, c->nkeys) : rc;
}

/* ---- the log ---- */

enum rc call_effect(struct call *c, unsigned argc, const struct bytes *argv)
{
    c->told = true;
    return tx_effect(c->tx, c->db, argv, argc);
}

static enum rc tell_log(struct call *c)
{
    unsigned changed = 0;
    bool on = tx_tells(c->tx);
    for (unsigned i = 0; i < c->nkeys; i++) {
        struct key_ref *k = call_key(c, i);
        if (!k->logged)
            continue;
        k->logged = false;
        k->changed = true;
        changed++;
        watch_touch(c->ctx->root, k);
        note_change(c, k, false);
        if (on)
            tx_effect_key(c->tx, k->hash);
    }
    if (!changed)
        return RC_OK;
    c->ctx->slot->stats.dirty += changed;
    return !on || c->told ? RC_OK : tx_effect(c->tx, c->db, c->argv, (unsigned)c->argc);
}

/* What was read or changed may be told when it is on disk. */
static inline void note_need(struct call *c, uint64_t written)
{
    if (LIKELY(!persist(c->ctx->root)->wal.waits))
        return;
    c->need = written > c->beyond ? written : c->beyond;
    for (unsigned i = 0; i < c->nkeys; i++) {
        uint64_t seen = wal_seen(c->ctx->root, c->keys[i].hash);
        c->need = seen > c->need ? seen : c->need;
    }
}

/* A command that only reads and answers with an error has not looked for its keys: Redis reads arguments first. */
static void misses_forget(struct call *c, size_t mark, size_t posted)
{
    if (UNLIKELY(c->cfg->notify_flags & NOTIFY_KEY_MISS) && !c->loading && !c->rc && !c->looked &&
        c->reply->len > mark && c->reply->buf[mark] == '-')
        post_cut(c->w, posted);
}

enum rc call_step(struct call *c, bool *stale)
{
    size_t mark = c->reply->len, posted = c->removes ? 0 : post_mark(c->w);
    c->told = false;
    enum rc rc = settle(c, stale);
    if (!rc && block_any(c->ctx->root, c->keys, c->nkeys))
        rc = block_queue_ahead(c);
    if (UNLIKELY(rc))
        return rc;
    c->cmd->run(c);
    if (!c->removes)
        misses_forget(c, mark, posted);
    return c->rc || !(c->cmd->flags & (F_WRITE | F_CACHES)) ? c->rc : tell_log(c);
}

static enum rc run_latched(struct call *c)
{
    struct tx tx;
    size_t mark = c->reply->len;
    bool stale = false, write = c->cmd->flags & (F_WRITE | F_CACHES);
    size_t posted = c->loading ? 0 : post_mark(c->w), noted = c->loading ? 0 : changes_mark(c->w);
    struct keyspace_counts counted;
    bool tells = UNLIKELY(c->cfg->notify_flags) && !c->loading;
    if (tells)
        counted = stats_mark(c->ctx);
    tx_begin(&tx, c->ctx);
    c->tx = &tx;
    c->removes = c->cmd->flags & F_WRITE;
    c->beyond = 0;
    enum rc rc = latch_keys(c);
    if (!rc)
        rc = call_step(c, &stale);
    if (!rc && write)
        rc = keys_publish(&tx, c->keys, c->nkeys);
    if (!rc && write && UNLIKELY(c->w->post) && !c->loading) {
        rc = post_with(c->w, &tx, posted);
        if (rc && tells) /* it is run again, and counts again */
            stats_cut(c->ctx, counted);
    }
    if (rc || !write)
        tx_abort(&tx);
    else
        tx_commit(&tx);
    c->tx = NULL;
    note_need(c, tx.wal.lsn);
    if (UNLIKELY(rc)) {
        c->reply->len = mark;
        if (!c->loading) {
            post_cut(c->w, posted);
            changes_cut(c->w, noted);
        }
        return rc;
    }
    if (write && block_any(c->ctx->root, c->keys, c->nkeys))
        block_wake(c->w, c->keys, c->nkeys);
    for (unsigned i = 0; write && i < c->nkeys; i++)
        call_adjust(c->ctx, &c->keys[i]);
    for (unsigned i = 0; UNLIKELY(stale) && i < c->nkeys; i++)
        call_expire(c, call_key(c, i));
    return RC_OK;
}

/* A database without a table: nothing to latch, nothing there. */
static enum rc run_absent(struct call *c)
{
    size_t mark = c->reply->len, posted = post_mark(c->w);
    for (unsigned i = 0; i < c->nkeys; i++) {
        c->keys[i].entry = 0;
        note_miss(c, &c->keys[i]);
        if (c->nkeys > 1)
            c->key_index[i] = i;
    }
    c->ctx->slot->stats.misses += c->nkeys;
    c->cmd->run(c);
    note_need(c, 0);
    misses_forget(c, mark, posted);
    if (c->rc) {
        c->reply->len = mark;
        post_cut(c->w, posted);
    }
    return c->rc;
}

static enum rc run_keyed(struct call *c)
{
    bool absent;
    enum rc rc = plan_tables(c, c->keys, c->nkeys, &absent);
    if (rc)
        return rc;
    if (absent)
        return run_absent(c);
    if (c->nkeys == 1) {
        key_locate(c->keys);
        if (c->cmd->run == cmd_get && get_unlocked(c, c->keys)) {
            note_need(c, 0);
            return RC_OK;
        }
    }
    return run_latched(c);
}

static enum rc run_plain(struct call *c)
{
    size_t mark = c->reply->len;
    c->cmd->run(c);
    if (c->rc)
        c->reply->len = mark;
    if (UNLIKELY(persist(c->ctx->root)->wal.waits) && c->cmd->flags & (F_READONLY | F_WRITE))
        c->need = wal_lsn(c->ctx->root); /* it has looked at no key, or at all of them */
    return c->rc;
}

enum rc call_run_located(struct call *c, struct key_ref *k)
{
    c->rc = RC_OK;
    c->keys = k;
    c->nkeys = 1;
    if (UNLIKELY(k->table != db_table(c->ctx->root, k->db)))
        return run_keyed(c);
    if (c->cmd->run == cmd_get && get_unlocked(c, k)) {
        note_need(c, 0);
        return RC_OK;
    }
    return run_latched(c);
}

enum rc call_run(struct call *c)
{
    struct key_ref stack[KEYS_INLINE], *keys = stack;
    uint32_t stack_index[KEYS_INLINE], *index = stack_index;
    c->rc = RC_OK;
    if (UNLIKELY(c->cmd->flags & F_SCRIPT))
        return script_call(c);
    if (!command_has_keys(c->cmd))
        return run_plain(c);
    unsigned n;
    if (plan_keys(c, &keys, &index, &n)) {
        c->nkeys = 0;
        return run_plain(c); /* arguments that fit no plan: the handler says what is wrong with them */
    }
    c->keys = keys;
    c->key_index = index;
    c->nkeys = n;
    enum rc rc = run_keyed(c);
    if (keys != stack) {
        free(keys);
        free(index);
    }
    return UNLIKELY(rc == RC_NOMEM) && call_has_pieces(c) ? call_run_pieces(c) : rc;
}
