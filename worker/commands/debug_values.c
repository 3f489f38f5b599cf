/* worker/commands/debug_values.c - DEBUG DIGEST and its kin: what a value is, whatever it is made of; and what it is made of. */
#include "worker/commands/debug_values.h"
#include "shm/base/number.h"
#include "shm/base/sha1.h"
#include "shm/types/dict.h"
#include "shm/types/list.h"
#include "shm/types/string.h"
#include "shm/types/zset.h"
#include "worker/commands/server_cmds.h"
#include "worker/commands/string_args.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>

enum rc debug_peek(struct call *c, struct tx *tx, struct key_ref *k, struct bytes key)
{
    *k = (struct key_ref){.key = key, .db = c->db, .table = db_table(c->ctx->root, c->db)};
    tx_begin(tx, c->ctx);
    tx->reads = true;
    if (!k->table)
        return RC_OK;
    k->hash = key_hash(c->ctx->root, key);
    key_locate(k);
    return key_latch(tx, k);
}

/* ---- digests, as Redis makes them, so that data of both can be compared ---- */

struct digest {
    uint8_t b[SHA1_BYTES];
};

/* In any order: what is added twice is gone again. */
static void digest_xor(struct digest *d, struct bytes b)
{
    uint8_t h[SHA1_BYTES];
    sha1(b.p, b.n, h);
    for (unsigned i = 0; i < SHA1_BYTES; i++)
        d->b[i] ^= h[i];
}

/* In this order. */
static void digest_mix(struct digest *d, struct bytes b)
{
    digest_xor(d, b);
    sha1(d->b, SHA1_BYTES, d->b);
}

static void digest_pair(struct digest *d, struct bytes first, struct bytes second)
{
    struct digest pair = {{0}};
    digest_mix(&pair, first);
    digest_mix(&pair, second);
    digest_xor(d, (struct bytes){(const char *)pair.b, SHA1_BYTES});
}

static void digest_number(struct digest *d, uint32_t n)
{
    n = htonl(n);
    digest_mix(d, (struct bytes){(const char *)&n, sizeof(n)});
}

static void digest_dict(struct tx *tx, const struct shm_entry *e, struct digest *d)
{
    struct dict dict;
    struct dict_walk w;
    struct hmap_item it;
    dict_read(&dict, tx, e);
    for (dict_walk(&dict, &w); dict_next(&w, &it);)
        if (entry_type(e) == TYPE_HASH)
            digest_pair(d, it.key, it.value);
        else
            digest_xor(d, it.key);
    dict_walk_end(&w);
}

static void digest_zset(struct tx *tx, const struct shm_entry *e, struct digest *d)
{
    struct zset z;
    struct zset_place at;
    char score[64];
    zset_open(tx, e, &z);
    for (bool more = zset_at(&z, 0, &at); more; more = zset_next(&at)) {
        struct zset_pair p = zset_pair(&at);
        int n = snprintf(score, sizeof(score), "%.17g", p.score);
        digest_pair(d, p.member, (struct bytes){score, (size_t)n});
    }
}

static void digest_list(const struct shm_entry *e, struct digest *d)
{
    struct list_walk w;
    struct bytes item;
    for (list_walk(e, 0, false, &w); list_next(&w, &item);)
        digest_mix(d, item);
}

static void digest_value(struct tx *tx, const struct shm_entry *e, struct digest *d)
{
    char digits[STRING_DIGITS];
    digest_number(d, entry_type(e));
    if (entry_type(e) == TYPE_STRING)
        digest_mix(d, string_bytes(e, digits));
    else if (entry_type(e) == TYPE_LIST)
        digest_list(e, d);
    else if (entry_type(e) == TYPE_ZSET)
        digest_zset(tx, e, d);
    else
        digest_dict(tx, e, d);
    if (entry_expiry(e) >= 0)
        digest_xor(d, BYTES_LIT("!!expire!!"));
}

static void reply_digest(struct call *c, const struct digest *d)
{
    char text[2 * SHA1_BYTES + 1];
    for (unsigned i = 0; i < SHA1_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", d->b[i]);
    reply_status(c->reply, text);
}

void debug_digest_value(struct call *c)
{
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        struct digest d = {{0}};
        struct tx tx;
        struct key_ref k;
        enum rc rc = debug_peek(c, &tx, &k, c->argv[i]);
        if (!rc && k.entry)
            digest_value(&tx, key_entry(&k), &d);
        tx_abort(&tx);
        if (rc) {
            call_fail(c, rc);
            return;
        }
        reply_digest(c, &d);
    }
}

struct dataset {
    struct tx tx; /* for readers, which want its context */
    uint32_t db;
    struct digest sum;
    bool locked; /* a key that a transaction is changing was met */
};

static void digest_entry(void *arg, const struct shm_entry *e)
{
    struct dataset *s = arg;
    struct digest d = {{0}};
    struct key_ref k = {.db = s->db, .hash = key_hash(s->tx.ctx->root, entry_key(e))};
    s->locked |= key_locked(&s->tx, &k);
    if (s->locked)
        return;
    digest_mix(&d, entry_key(e));
    digest_value(&s->tx, e, &d);
    digest_xor(&s->sum, (struct bytes){(const char *)d.b, SHA1_BYTES});
}

/* A bucket whose keys a transaction is changing is looked at again later. */
static void digest_bucket(struct dataset *s, struct shm_table *t, uint64_t *pos)
{
    struct digest before = s->sum;
    uint64_t next;
    s->locked = false;
    if (table_visit(s->tx.ctx, t, *pos, digest_entry, s, &next) || s->locked) {
        s->sum = before;
        sched_yield();
        return;
    }
    *pos = next;
}

/* Of one moment only while nobody writes: buckets are latched one by one. */
void debug_digest(struct call *c)
{
    struct dataset s = {.tx.ctx = c->ctx, .tx.reads = true};
    for (uint32_t db = 0; db < c->ctx->root->ndbs; db++) {
        uint64_t pos = 0;
        const struct shm_table *there = db_table(c->ctx->root, db);
        if (!there || !table_keys(there))
            continue;
        digest_number(&s.sum, db);
        do {
            struct shm_table *t = db_table(c->ctx->root, db);
            if (!t)
                break;
            s.db = db;
            digest_bucket(&s, t, &pos);
            call_breathe(c);
        } while (pos);
    }
    reply_digest(c, &s.sum);
}

/* ---- what it is made of ---- */

/* As Redis does it: on the server's standard output. */
static void print_bytes(struct bytes b)
{
    printf("\"");
    for (size_t i = 0; i < b.n && i < 64; i++)
        printf(b.p[i] >= ' ' && b.p[i] <= '~' ? "%c" : "\\x%02x", (unsigned char)b.p[i]);
    printf("\"%s\n", b.n > 64 ? "..." : "");
}

static void count_block(void *arg, shm_ref r, uint64_t bytes)
{
    uint64_t *sum = arg;
    (void)r;
    sum[0]++;
    sum[1] += bytes;
}

static void print_items(struct call *c, const struct shm_entry *e)
{
    struct coll_walk w;
    struct bytes item;
    uint64_t sum[2] = {0}, i = 0;
    if (coll_is_tree(e))
        coll_blocks(e, count_block, sum);
    printf("{items: %llu} {%s} {blocks apart from the entry: %llu, of %llu bytes}\n",
           (unsigned long long)coll_items(e), coll_is_tree(e) ? "nodes" : "in the entry",
           (unsigned long long)sum[0], (unsigned long long)sum[1]);
    for (coll_walk(c->ctx, e, &w); coll_next(&w, &item); i++) {
        printf("{item %llu, %zu bytes} ", (unsigned long long)i, item.n);
        print_bytes(item);
    }
    fflush(stdout);
}

/* Runs fn for the key of DEBUG X key ..., or says that there is none. */
static void with_value(struct call *c, void (*fn)(struct call *c, const struct shm_entry *e))
{
    struct tx tx;
    struct key_ref k;
    enum rc rc = debug_peek(c, &tx, &k, c->argv[2]);
    if (rc)
        call_fail(c, rc);
    else if (k.entry)
        fn(c, key_entry(&k));
    else
        reply_error(c->reply, ERR_NO_KEY);
    tx_abort(&tx);
}

static void tell_listpack(struct call *c, const struct shm_entry *e)
{
    if (entry_type(e) == TYPE_STRING || entry_enc(e) != ENC_LISTPACK) {
        reply_error(c->reply, "ERR Not a listpack encoded object.");
        return;
    }
    print_items(c, e);
    reply_status(c->reply, "Listpack structure printed on stdout");
}

void debug_listpack(struct call *c)
{
    with_value(c, tell_listpack);
}

static void tell_quicklist(struct call *c, const struct shm_entry *e)
{
    if (entry_type(e) != TYPE_LIST || entry_enc(e) != ENC_QUICKLIST) {
        reply_error(c->reply, "ERR Not a quicklist encoded object.");
        return;
    }
    print_items(c, e);
    reply_status(c->reply, "Quicklist structure printed on stdout");
}

void debug_quicklist(struct call *c)
{
    with_value(c, tell_quicklist);
}

static void tell_table(struct call *c, const struct shm_entry *e)
{
    bool table = entry_type(e) == TYPE_ZSET ? entry_enc(e) == ENC_SKIPLIST
                                            : entry_type(e) != TYPE_STRING && entry_enc(e) == ENC_HASHTABLE;
    uint64_t sum[2] = {0};
    char text[200];
    if (!table) {
        reply_error(c->reply,
                    "ERR The value stored at the specified key is not represented using an hash table");
        return;
    }
    coll_blocks(e, count_block, sum);
    int n =
        snprintf(text, sizeof(text),
                 "A tree by the elements' hashes:\n number of elements: %llu\n blocks: %llu\n bytes: %llu\n",
                 (unsigned long long)(coll_items(e) / (entry_type(e) == TYPE_ZSET ? 2 : 1)),
                 (unsigned long long)sum[0], (unsigned long long)sum[1]);
    reply_verbatim(c->reply, "txt", (struct bytes){text, (size_t)n});
}

void debug_htstats_key(struct call *c)
{
    with_value(c, tell_table);
}

/* A long element lies in a block of its own here from a fixed length on, so there is nothing to set. Redis's tests set it in
 * order to see that commands do not depend on it, and ours do not. */
void debug_quicklist_threshold(struct call *c)
{
    uint64_t n;
    if (number_to_memory(c->argv[2], &n) && n <= (1ull << 32) - (1u << 20))
        reply_ok(c->reply);
    else
        reply_error(c->reply, "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
}
