/* A body's first byte says whether it stays (L) or came by EVAL (E). */
#include "worker/script/store.h"
#include "shm/slot.h"
#include "shm/tx.h"
#include "shm/types/string.h"

#include <sched.h>
#include <stdlib.h>

#define READ_TRIES 1000u

static struct key_ref ref_of(const struct shm_root *root, const char *sha, struct shm_table *t)
{
    struct bytes key = {sha, SHA1_HEX};
    struct key_ref k = {.key = key, .hash = key_hash(root, key), .db = scripts_db(root), .table = t};
    key_locate(&k);
    return k;
}

int64_t store_count(const struct shm_root *root)
{
    int64_t n = table_keys(db_table(root, scripts_db(root)));
    return n > 0 ? n : 0;
}

/* Between two looks at the version; RC_BUSY: somebody changed the bucket meanwhile. */
static enum rc copy_body(struct key_ref *k, struct reply *out)
{
    uint32_t version;
    struct read_view view;
    enum rc rc = key_read_begin(k, &version);
    if (rc == RC_MISSING) {
        key_locate(k);
        return RC_BUSY;
    }
    if (rc)
        return rc;
    if (!k->entry)
        return RC_MISSING;
    rc = key_read_view(k, version, &view);
    if (rc)
        return rc;
    size_t mark = out->len;
    reply_raw(out, view.value.p, view.value.n);
    if (key_read_valid(k, version))
        return RC_OK;
    out->len = mark;
    return RC_BUSY;
}

static enum rc read_body(struct shm_ctx *ctx, const char *sha, struct reply *out)
{
    struct shm_table *t = db_table(ctx->root, scripts_db(ctx->root));
    enum rc rc = RC_BUSY;
    if (!t)
        return RC_MISSING;
    struct key_ref k = ref_of(ctx->root, sha, t);
    for (unsigned i = 0; i < READ_TRIES && rc == RC_BUSY; i++) {
        rc = copy_body(&k, out);
        if (rc == RC_BUSY)
            cpu_relax();
    }
    return rc;
}

enum rc store_get(struct shm_ctx *ctx, const char *sha, struct reply *out)
{
    size_t mark = out->len;
    enum rc rc = read_body(ctx, sha, out);
    if (rc)
        return rc;
    memmove(out->buf + mark, out->buf + mark + 1, out->len - mark - 1);
    out->len--;
    return RC_OK;
}

/* ---- changing ---- */

static bool stays(const struct shm_entry *e)
{
    char digits[STRING_DIGITS];
    return string_bytes(e, digits).p[0] == 'L';
}

/* What came by EVAL under this digest, if it is still there, goes. Its bucket is tried: k's own is had already. */
static enum rc drop_oldest(struct tx *tx, const struct key_ref *k, const char *sha, int64_t *bytes)
{
    struct key_ref old = ref_of(tx->ctx->root, sha, k->table);
    if (old.bucket != k->bucket && tx_latch_try(tx, &old.bucket->latch))
        return RC_BUSY;
    if (!key_current(&old))
        return RC_BUSY;
    key_find(&old);
    if (!old.entry || stays(key_entry(&old)) || bytes_equal(old.key, k->key))
        return RC_OK;
    *bytes -= (int64_t)string_length(key_entry(&old));
    return key_del(tx, &old, false);
}

/* The oldest that came by EVAL gives its place in the ring to k. */
static enum rc displace(struct tx *tx, const struct key_ref *k, int64_t *bytes)
{
    struct shm_scripting *s = scripting(tx->ctx->root);
    enum rc rc = tx_latch(tx, &s->ring_latch);
    if (rc)
        return rc;
    uint64_t *place = s->ring[s->ring_at % EVAL_SCRIPTS];
    uint64_t words[SHA1_HEX / 8];
    memcpy(words, k->key.p, SHA1_HEX);
    if (place[0])
        rc = drop_oldest(tx, k, (const char *)place, bytes);
    for (unsigned i = 0; i < ARRAY_LEN(words) && !rc; i++)
        rc = tx_redo(tx, &place[i], words[i]);
    return rc ? rc : tx_redo(tx, &s->ring_at, s->ring_at + 1);
}

static enum rc put_in(struct tx *tx, struct key_ref *k, struct bytes value, bool keep, int64_t *bytes)
{
    enum rc rc = key_latch(tx, k);
    if (rc)
        return rc;
    if (k->entry && (!keep || stays(key_entry(k))))
        return RC_EXISTS;
    *bytes = (int64_t)value.n - (k->entry ? (int64_t)string_length(key_entry(k)) : 0);
    k->redo_from = 0; /* the one that is displaced may lie in the same bucket */
    if (!keep)
        rc = displace(tx, k, bytes);
    return rc ? rc : string_set_bytes(tx, k, value, -1, 0);
}

enum rc store_put(struct shm_ctx *ctx, const char *sha, struct bytes body, bool keep)
{
    uint32_t db = scripts_db(ctx->root);
    struct shm_table *t = db_table(ctx->root, db);
    enum rc rc = t ? RC_OK : db_table_make(ctx, db, &t);
    if (rc)
        return rc;
    struct key_ref k = ref_of(ctx->root, sha, t);
    int64_t bytes = 0;
    char *value = malloc(body.n + 1);
    CHECK(value);
    value[0] = keep ? 'L' : 'E';
    bytes_copy(value + 1, body.p, body.n);
    struct tx tx;
    tx_begin(&tx, ctx);
    rc = put_in(&tx, &k, (struct bytes){value, body.n + 1}, keep, &bytes);
    if (rc)
        tx_abort(&tx);
    else
        tx_commit(&tx);
    free(value);
    if (rc)
        return rc == RC_EXISTS ? RC_OK : rc;
    ctx->slot->body_bytes += bytes;
    table_adjust_exact(ctx, t, k.hash);
    return RC_OK;
}

static bool count_gone(void *arg, const struct shm_entry *e)
{
    *(int64_t *)arg += (int64_t)string_length(e);
    return true;
}

enum rc store_flush_some(struct shm_ctx *ctx, uint64_t *at, unsigned buckets)
{
    uint32_t db = scripts_db(ctx->root);
    enum rc (*gone)(struct tx *, uint32_t, const struct bytes *, unsigned) = ctx->gone;
    enum rc rc = RC_OK;
    ctx->gone = NULL; /* no client hears of what leaves a hidden database */
    do {
        int64_t bytes = 0;
        unsigned removed = 0;
        if (!db_table(ctx->root, db)) {
            *at = 0;
            break;
        }
        rc = table_purge(ctx, db, *at, count_gone, &bytes, at, &removed);
        ctx->slot->body_bytes -= rc ? 0 : bytes;
    } while (!rc && *at && --buckets);
    ctx->gone = gone;
    return rc;
}

int64_t store_bytes(void)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < arena_root()->nslots; i++)
        n += slot_at(i)->body_bytes;
    return n > 0 ? n : 0;
}
