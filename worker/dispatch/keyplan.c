#include "worker/dispatch/keyplan.h"
#include "shm/tx.h"

#include <stdlib.h>

#define LOOK_THROUGH 12u /* so many keys are compared one by one */

void keyplan_again(struct keyplan *p)
{
    p->n = p->found = 0;
    p->refused = p->shared = false;
}

void keyplan_free(struct keyplan *p)
{
    for (unsigned i = 0; i < p->ngrown; i++)
        free(p->grown[i].key);
    free(p->grown);
    free(p->keys);
    free(p->index);
    free(p->find);
}

void keyplan_add(struct keyplan *p, struct bytes key, uint64_t hash, uint32_t db)
{
    if (p->n == p->cap) {
        p->cap = p->cap * 2 + 16;
        p->keys = realloc(p->keys, p->cap * sizeof(*p->keys));
        p->index = realloc(p->index, p->cap * sizeof(*p->index));
        CHECK(p->keys && p->index);
    }
    p->keys[p->n] = (struct key_ref){.key = key, .hash = hash, .db = db, .arg = p->n};
    p->n++;
}

void keyplan_add_grown(struct keyplan *p)
{
    for (unsigned i = 0; i < p->ngrown; i++)
        keyplan_add(p, (struct bytes){p->grown[i].key, p->grown[i].n}, p->grown[i].hash, p->grown[i].db);
}

enum rc keyplan_tables(struct keyplan *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        struct key_ref *k = &p->keys[i];
        k->table = db_table(p->ctx->root, k->db);
        enum rc rc = k->table ? RC_OK : db_table_make(p->ctx, k->db, &k->table);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc keyplan_latch(struct keyplan *p, struct tx *tx, bool lasts)
{
    enum rc rc = p->n ? keys_latch(tx, p->keys, p->n, p->index) : RC_OK;
    return rc || !lasts ? rc : keys_lock(tx, p->keys, p->n);
}

enum rc keyplan_find_again(struct keyplan *p, struct tx *tx)
{
    p->shared = true; /* buckets that are not latched, which does not show whose they are */
    for (unsigned i = 0; i < p->n; i++) {
        struct key_ref *k = &p->keys[i];
        k->table = db_table(p->ctx->root, k->db);
        enum rc rc = k->table ? RC_OK : db_make_in(tx, k->db, &k->table);
        if (rc)
            return rc;
        k->redo_from = 0;
        key_locate(k);
        key_find(k);
    }
    return RC_OK;
}

/* ---- keys that come late ---- */

static bool is_key(const struct key_ref *k, struct bytes key, uint64_t hash, uint32_t db)
{
    return k->hash == hash && k->db == db && bytes_equal(k->key, key);
}

/* Of keys that were planned twice the first is the one that counts, and it is met first. */
static uint32_t *place_of(const struct keyplan *p, struct bytes key, uint64_t hash, uint32_t db)
{
    uint32_t mask = p->find_cap - 1, i = (uint32_t)(hash >> 16) & mask;
    while (p->find[i] && !is_key(&p->keys[p->find[i] - 1], key, hash, db))
        i = (i + 1) & mask;
    return &p->find[i];
}

static void find_follow(struct keyplan *p)
{
    if (p->find_cap < 2 * p->n) {
        free(p->find);
        p->find_cap = 64;
        while (p->find_cap < 4 * p->n)
            p->find_cap *= 2;
        p->find = malloc(p->find_cap * sizeof(*p->find));
        CHECK(p->find);
        p->found = 0;
    }
    if (!p->found)
        memset(p->find, 0, p->find_cap * sizeof(*p->find));
    for (; p->found < p->n; p->found++) {
        const struct key_ref *k = &p->keys[p->found];
        uint32_t *at = place_of(p, k->key, k->hash, k->db);
        if (!*at)
            *at = p->found + 1;
    }
}

static bool find(struct keyplan *p, struct bytes key, uint64_t hash, uint32_t db, unsigned *at)
{
    if (p->n <= LOOK_THROUGH) {
        for (*at = 0; *at < p->n; ++*at)
            if (is_key(&p->keys[*at], key, hash, db))
                return true;
        return false;
    }
    find_follow(p);
    uint32_t i = *place_of(p, key, hash, db);
    *at = i - 1;
    return i;
}

/* The name is the script's, which may be gone before the next try. */
static struct bytes keep_name(struct keyplan *p, struct bytes key, uint64_t hash, uint32_t db)
{
    if (p->ngrown == p->grown_cap) {
        p->grown_cap = p->grown_cap * 2 + 16;
        p->grown = realloc(p->grown, p->grown_cap * sizeof(*p->grown));
        CHECK(p->grown);
    }
    struct keyplan_name *g = &p->grown[p->ngrown++];
    *g = (struct keyplan_name){.key = malloc(key.n + 1), .n = key.n, .hash = hash, .db = db};
    CHECK(g->key);
    bytes_copy(g->key, key.p, key.n);
    return (struct bytes){g->key, g->n};
}

/* From now on every key looks for its words in the whole log: a bucket may have several keys, and what each of them did
 * may stand in any redo. Once for all keys, since thousands of late ones meet in few buckets. */
static void share_buckets(struct keyplan *p)
{
    for (unsigned i = 0; !p->shared && i < p->n; i++)
        p->keys[i].redo_from = 0;
    p->shared = true;
}

static enum rc latch_late(struct keyplan *p, struct tx *tx, struct key_ref *k)
{
    k->table = db_table(p->ctx->root, k->db);
    if (!k->table)
        return RC_BUSY; /* to make one takes a transaction: before the next try */
    bool shared;
    enum rc rc = key_latch_late(tx, k, &shared);
    if (rc)
        return rc;
    if (shared)
        share_buckets(p);
    if (p->shared)
        k->redo_from = 0;
    return tx->locks ? key_lock_late(tx, k) : RC_OK;
}

const struct key_ref *keyplan_look(struct keyplan *p, struct bytes key, uint64_t hash, uint32_t db)
{
    unsigned at;
    return find(p, key, hash, db, &at) ? &p->keys[at] : NULL;
}

enum rc keyplan_key(struct keyplan *p, struct tx *tx, struct bytes key, uint32_t db, unsigned *at)
{
    uint64_t hash = key_hash(p->ctx->root, key);
    if (LIKELY(find(p, key, hash, db, at)))
        return RC_OK;
    keyplan_add(p, keep_name(p, key, hash, db), hash, db);
    *at = p->n - 1;
    enum rc rc = latch_late(p, tx, &p->keys[*at]);
    if (rc) {
        p->refused |= rc == RC_BUSY;
        p->n--;
    }
    return rc;
}
