/* Snapshots of a keyspace that threads, each standing for a process with a slot of its own, change in every way
 * meanwhile. While the gate is closed for the cut all keys are written down; what the walk shows afterwards must be
 * just that, each key once. Some snapshots fail on the way: then the marks and rings must be clean all the same.
 *   threads_snapshot [--seconds N] [--seed N] */
#include "shm/base/number.h"
#include "shm/repair.h"
#include "shm/snapshot.h"
#include "shm/types/hash.h"
#include "shm/types/list.h"
#include "shm/types/set.h"
#include "shm/types/string.h"
#include "shm/types/zset.h"
#include "tests/crash/keyspace.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 4u
#define KEYS    3000u
#define DBS     3u
#define COLLS   160u /* keys of collections: the number tells type and size */
#define SNAPPER (THREADS + 1)

static bool stop;
static uint64_t operations[THREADS + 1];

/* ---- changes of every kind ---- */

static size_t length_for(unsigned r)
{
    return r % 211 == 0 ? 200000 : r % 41 == 0 ? 5000 + r % 9000 : r % 13 == 0 ? 2000 + r % 2000 : r % 120;
}

static void set(struct shm_ctx *ctx, uint32_t db, struct bytes key, unsigned r)
{
    static _Thread_local char v[200000];
    size_t n = length_for(r);
    memset(v, 'a' + (int)(r % 26), n);
    memcpy(v, &r, n < sizeof(r) ? n : sizeof(r));
    if (r & 1)
        ks_set_int(ctx, db, key, r);
    else
        ks_set(ctx, db, key, (struct bytes){v, n}, r % 5 == 0 ? (int64_t)r : -1);
}

/* What the type does in place. */
static void change_string(struct shm_ctx *ctx, uint32_t db, struct bytes key, unsigned r)
{
    struct key_ref k = ks_ref(ctx, db, key);
    struct tx tx;
    size_t length;
    if (!k.table)
        return;
    tx_begin(&tx, ctx);
    enum rc rc = key_latch(&tx, &k);
    if (!rc && !k.entry)
        rc = RC_MISSING;
    if (rc) {
        tx_abort(&tx);
        return;
    }
    char text[16];
    memset(text, 'A' + (int)(r % 26), sizeof(text));
    struct bytes part = {text, 1 + r / 32 % sizeof(text)};
    switch (r % 5) {
    case 0:
        rc = string_append(&tx, &k, part, r, &length);
        break;
    case 1:
        rc = string_set_range(&tx, &k, r % 50, part, r, &length);
        break;
    case 2:
        rc = key_set_expiry(&tx, &k, r % 3 ? (int64_t)r : -1);
        break;
    case 3:
        rc = string_set_integer(&tx, &k, r, r);
        break;
    default: /* several in one transaction, and the last is undone in half of them */
        rc = string_append(&tx, &k, part, r, &length);
        if (!rc)
            rc = key_set_expiry(&tx, &k, (int64_t)r);
        if (!rc)
            rc = r & 64 ? RC_INVALID : string_append(&tx, &k, part, r, &length);
    }
    tx_end(&tx, rc);
}

/* ---- collections ---- */

/* One of the elements that a collection may have: 20, 300 or 6000, so that some are packed and some have many leaves. */
static struct bytes element(char buf[2000], unsigned coll, unsigned r)
{
    static const unsigned most[] = {20, 300, 6000};
    unsigned i = r % most[coll / 4 % 3];
    int n = snprintf(buf, 2000, "element:%u", i);
    size_t more = i % 97 == 0 ? 1500 : i % 40;
    memset(buf + n, 'a' + (int)(i % 26), more);
    return (struct bytes){buf, (size_t)n + more};
}

static enum rc change_list(struct tx *tx, struct key_ref *k, unsigned coll, unsigned r)
{
    struct list_how how = {.fill = -2, .depth = r / 64 % 3, .clock = r & 0xffffff};
    char buf[2000];
    struct bytes b = element(buf, coll, r / 8), many[40];
    uint64_t n = k->entry ? list_length(key_entry(k)) : 0, pos = n ? r / 8 % n : 0, gone;
    for (unsigned i = 0; i < ARRAY_LEN(many); i++)
        many[i] = b;
    if (!n || r % 8 < 3)
        return list_push(tx, k, many, n > 4000 ? 1 : 1 + r / 64 % ARRAY_LEN(many), r & 1, &how);
    switch (r % 8) {
    case 3:
        return list_set(tx, k, pos, b, &how);
    case 4:
        return list_insert(tx, k, pos, b, &how);
    case 5:
        return list_remove(tx, k, b, 2, &how, &gone);
    default:
        return list_cut(tx, k, r & 64 ? 0 : pos, 1 + r / 512 % (n - pos), &how);
    }
}

static enum rc change_hash(struct tx *tx, struct key_ref *k, unsigned coll, unsigned r)
{
    static const struct hash_limits limits = {128, 64};
    struct dict d;
    struct dict_place at;
    char field[2000], value[2000];
    enum rc rc = RC_OK;
    hash_open(&d, tx, k, r & 0xffffff);
    for (unsigned i = 0; i < 1 + r / 16 % 20 && !rc; i++) {
        struct bytes f = element(field, coll, r / 8 + i * i), v = element(value, 8, r / 8 + i);
        if (!dict_find(&d, f, &at) || r & 1)
            rc = hash_put(&d, &at, &limits, f, v);
        else
            rc = dict_del(&d, &at);
    }
    return rc ? rc : dict_end(&d);
}

static enum rc change_set(struct tx *tx, struct key_ref *k, unsigned coll, unsigned r)
{
    static const struct set_limits limits = {128, 64, 64};
    struct dict d;
    bool did;
    char digits[NUMBER_INT_MAX], buf[2000];
    struct bytes first = {digits, number_from_int64(digits, r / 8 % 700)};
    enum rc rc = set_open(&d, tx, k, r & 0xffffff, &limits, first, 1);
    for (unsigned i = 0; i < 1 + r / 16 % 20 && !rc; i++) {
        struct bytes m = {digits, number_from_int64(digits, (r / 8 + i * i) % 700)};
        m = coll & 64 ? element(buf, coll, r / 8 + i * i) : m;
        rc = r & 1 ? set_add(&d, &limits, m, &did) : set_del(&d, m, &did);
    }
    return rc ? rc : dict_end(&d);
}

static enum rc change_zset(struct tx *tx, struct key_ref *k, unsigned coll, unsigned r)
{
    static const struct zset_limits limits = {128, 64, 1};
    char buf[2000];
    enum rc rc = RC_OK;
    bool found;
    for (unsigned i = 0; i < 1 + r / 16 % 10 && !rc; i++) {
        struct zset_add a = {.member = element(buf, coll, r / 8 + i * i), .score = r / 4 % 50 + i};
        if (r % 8 < 5 || !k->entry)
            rc = zset_add(tx, k, &limits, &a);
        else if (r % 8 < 7)
            rc = zset_remove(tx, k, a.member, &found);
        else
            rc = zset_remove_ranks(tx, k, r / 64 % 100, r / 64 % 100 + 3);
    }
    return rc;
}

static enum rc change_one(struct tx *tx, struct key_ref *k, unsigned coll, unsigned r)
{
    if (k->entry && r % 701 == 0)
        return key_del(tx, k, false);
    if (k->entry && r % 31 == 0)
        return key_set_expiry(tx, k, r & 1 ? (int64_t)r : -1);
    switch (coll % 4) {
    case 0:
        return change_list(tx, k, coll, r);
    case 1:
        return change_hash(tx, k, coll, r);
    case 2:
        return change_set(tx, k, coll, r);
    default:
        return change_zset(tx, k, coll, r);
    }
}

/* Some changes in one transaction, which is undone now and then. */
static void change_collection(struct shm_ctx *ctx, uint32_t db, unsigned r)
{
    unsigned coll = r % COLLS;
    struct name name = name_of("c", coll);
    struct key_ref k = ks_ref(ctx, db, NAME_BYTES(name));
    struct tx tx;
    tx_begin(&tx, ctx);
    enum rc rc = key_latch(&tx, &k);
    if (!rc && ks_locks)
        rc = keys_lock(&tx, &k, 1);
    for (unsigned i = 0; i < 1 + r / 7 % 3 && !rc; i++)
        rc = change_one(&tx, &k, coll, r / 16 + i * 7919);
    if (!rc)
        rc = keys_publish(&tx, &k, 1);
    if (rc || r % 13 == 0)
        tx_abort(&tx);
    else
        tx_commit(&tx);
    CHECKF(!rc || rc == RC_BUSY || rc == RC_NOMEM, "a change of a collection came back with %d", rc);
}

static enum rc copy_one(struct tx *tx, struct key_ref *from, struct key_ref *to)
{
    const struct shm_entry *e = key_entry(from);
    switch (entry_type(e)) {
    case TYPE_LIST:
        return list_copy(tx, e, to, &(struct list_how){.depth = 1, .clock = 1});
    case TYPE_ZSET:
        return zset_copy(tx, e, to, entry_expiry(e), 1);
    default:
        return dict_copy(tx, e, to, 1);
    }
}

static void copy_collection(struct shm_ctx *ctx, uint32_t db, unsigned r)
{
    struct name name[2] = {name_of("c", r % COLLS), name_of("c", (r + 4 * (r / COLLS % 30)) % COLLS)};
    struct key_ref k[2];
    uint32_t at[2];
    struct tx tx;
    if (bytes_equal(NAME_BYTES(name[0]), NAME_BYTES(name[1])))
        return;
    for (unsigned i = 0; i < 2; i++) {
        k[i] = ks_ref(ctx, db, NAME_BYTES(name[i]));
        k[i].arg = i;
    }
    tx_begin(&tx, ctx);
    enum rc rc = keys_latch(&tx, k, 2, at);
    if (!rc && ks_locks)
        rc = keys_lock(&tx, k, 2);
    if (!rc)
        rc = k[at[0]].entry ? copy_one(&tx, &k[at[0]], &k[at[1]]) : RC_MISSING;
    ks_end(&tx, k, 2, rc);
}

/* ---- whole databases, and all kinds ---- */

static bool want_some(void *arg, const struct shm_entry *e)
{
    return entry_bytes_total(e) % 16 == *(const unsigned *)arg % 16;
}

static void purge(struct shm_ctx *ctx, uint32_t db, unsigned r)
{
    uint64_t next;
    unsigned removed = 0;
    if (db_table(ctx->root, db))
        table_purge(ctx, db, (uint64_t)r << 32, want_some, &r, &next, &removed);
}

static void whole_database(struct shm_ctx *ctx, unsigned r)
{
    batch_leave(ctx);
    if (gate_close(ctx, 2000)) {
        uint32_t a = r % DBS, b = r / 7 % DBS;
        if (r & 1024)
            db_flush(ctx, &a, 1);
        else if (a != b)
            db_swap(ctx, a, b);
        gate_open(ctx);
    }
    while (!batch_enter(ctx))
        sched_yield();
}

static void resize(struct shm_ctx *ctx, uint32_t db, unsigned r)
{
    struct shm_table *t = db_table(ctx->root, db);
    for (unsigned i = 0; t && i < 8; i++)
        table_adjust(ctx, t, (uint64_t)(r + i * 77) << 40);
    retire_reclaim(ctx);
}

/* As the slow lane does, outside of batches. */
static void bury_some(struct shm_ctx *ctx)
{
    batch_leave(ctx);
    trees_step(ctx, 20);
    while (!batch_enter(ctx))
        sched_yield();
}

static void one(struct shm_ctx *ctx, unsigned r, unsigned kind)
{
    uint32_t db = r / 11 % DBS;
    struct name a = name_of("k", r % KEYS), b = name_of("k", r / 3 % KEYS);
    struct name c = name_of("c", r % COLLS), d = name_of("c", (r + 4 * (r / COLLS % 30)) % COLLS);
    struct ks_many m = {.db = db, .prefix = "k", .first = r % KEYS, .n = 30, .numbers = r & 1, .seed = r};
    struct shm_table *t;
    int64_t now;
    ks_locks = r >> 9 & 1;
    if (!db_table(ctx->root, db) && db_table_make(ctx, db, &t))
        return;
    switch (kind % 24) {
    case 16:
        if (r % 8 == 0)
            ks_rename(ctx, db, NAME_BYTES(c), NAME_BYTES(d));
        break;
    case 17:
        if (r % 8 == 0)
            copy_collection(ctx, db, r);
        break;
    case 18:
    case 19:
    case 20:
    case 21:
    case 22:
    case 23:
        change_collection(ctx, db, r);
        break;
    case 0:
        ks_rename(ctx, db, NAME_BYTES(a), NAME_BYTES(b));
        break;
    case 1:
        m.give_up = r & 64;
        m.value_bytes = r & 128 ? 20 : 0;
        ks_many(ctx, &m);
        break;
    case 2:
        ks_del(ctx, db, NAME_BYTES(a));
        break;
    case 3:
        ks_incr(ctx, db, NAME_BYTES(a), 3, &now);
        break;
    case 4:
        ks_expire(ctx, db, NAME_BYTES(a), r & 1 ? (int64_t)r : -1);
        break;
    case 5:
        resize(ctx, db, r);
        break;
    case 6:
        purge(ctx, db, r);
        break;
    case 7:
        if (r % 64 == 0)
            whole_database(ctx, r / 64);
        else if (r % 16 == 1)
            graveyard_step(ctx, 100);
        else if (r % 16 == 2)
            bury_some(ctx);
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        change_string(ctx, db, NAME_BYTES(a), r / 5);
        break;
    default:
        set(ctx, db, NAME_BYTES(a), r / 5);
    }
}

static void *work(void *arg)
{
    struct shm_ctx ctx;
    uint64_t r = (uintptr_t)arg * 0x9e3779b97f4a7c15ull | 1;
    slot_adopt(&ctx, (uint32_t)(uintptr_t)arg % 16, ROLE_WORKER, 0);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        while (!batch_enter(&ctx))
            sched_yield();
        for (unsigned i = 0; i < 10; i++) {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            one(&ctx, (unsigned)(r >> 20), (unsigned)(r >> 8));
        }
        batch_leave(&ctx);
        __atomic_fetch_add(&operations[ctx.id], 10, __ATOMIC_RELAXED);
        sched_yield(); /* here rather than in a batch, which the gate would wait for */
    }
    tx_thread_ends();
    return NULL;
}

/* ---- what a snapshot is compared with ---- */

struct item {
    uint64_t name, digest; /* hashes of the key, and of all that there is to it */
    uint32_t db;
};
struct items {
    struct item *item;
    size_t n, room;
    uint32_t db;
    size_t fail_at; /* 0: never */
};

static void add(struct items *l, uint32_t db, const struct shm_entry *e)
{
    if (l->n == l->room) {
        l->room = l->room ? 2 * l->room : 4096;
        l->item = realloc(l->item, l->room * sizeof(*l->item));
        CHECK(l->item);
    }
    l->item[l->n++] = (struct item){key_hash(arena_root(), entry_key(e)), ks_entry_digest(db, e), db};
}

static void add_visited(void *arg, const struct shm_entry *e)
{
    add(arg, ((struct items *)arg)->db, e);
}

static void write_down(struct shm_ctx *ctx, struct items *l)
{
    l->n = 0;
    for (l->db = 0; l->db < ctx->root->ndbs; l->db++) {
        struct shm_table *t = db_table(ctx->root, l->db);
        for (uint64_t pos = 0, next = 1; t && next; pos = next)
            CHECK(!table_visit(ctx, t, pos, add_visited, l, &next));
    }
}

static enum rc shown(void *arg, uint32_t db, const struct shm_entry *e)
{
    struct items *l = arg;
    if (l->fail_at && l->n == l->fail_at)
        return RC_IO;
    add(l, db, e);
    if (l->n % 256 == 0)
        sched_yield(); /* a disk is slower than this */
    return RC_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->db != y->db)
        return x->db < y->db ? -1 : 1;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    return x->digest < y->digest ? -1 : x->digest > y->digest;
}

static void compare(struct items *was, struct items *got)
{
    qsort(was->item, was->n, sizeof(*was->item), by_name);
    qsort(got->item, got->n, sizeof(*got->item), by_name);
    for (size_t i = 0; i < was->n && i < got->n; i++) {
        const struct item *x = &was->item[i], *y = &got->item[i];
        CHECKF(x->db == y->db && x->name == y->name, "a key is missing, or was shown twice (item %zu)", i);
        CHECKF(x->digest == y->digest, "a key was shown as it was at another time (item %zu)", i);
    }
    CHECKF(was->n == got->n, "there were %zu keys, %zu were shown", was->n, got->n);
}

static void cut(struct shm_ctx *ctx, struct items *was)
{
    for (;;) {
        while (!gate_close(ctx, 10000))
            sched_yield();
        write_down(ctx, was);
        enum rc rc = snapshot_cut(ctx);
        gate_open(ctx);
        if (!rc)
            break;
        sched_yield();
    }
    CHECK(persist(ctx->root)->snap.keys_total == was->n);
}

static void snapshot(struct shm_ctx *ctx, struct items *was, struct items *got)
{
    struct snapshot s;
    struct shm_snap *snap = &persist(ctx->root)->snap;
    cut(ctx, was);
    got->n = 0;
    snapshot_open(&s, ctx, shown, got);
    s.buckets = 1 + (unsigned)was->n % 40;
    while (snapshot_step(&s))
        ;
    CHECK(!got->fail_at || got->fail_at >= was->n || (s.rc == RC_IO && snap->state == SNAP_DISCARDING));
    if (!s.rc) {
        compare(was, got);
        CHECK(snap->keys_done == snap->keys_total);
    }
    snapshot_end(ctx);
    snapshot_close(&s);
}

static uint64_t operations_all(void)
{
    uint64_t n = 0;
    for (unsigned i = 1; i <= THREADS; i++)
        n += __atomic_load_n(&operations[i], __ATOMIC_RELAXED);
    return n;
}

/* The gate would be closed most of the time, were there one snapshot after the other of few keys. */
static void let_them_work(uint64_t more)
{
    for (uint64_t from = operations_all(); operations_all() - from < more;)
        sched_yield();
}

static void check_arena(struct shm_ctx *ctx)
{
    static char why[4000];
    while (!gate_close(ctx, 10000))
        sched_yield();
    unsigned faults = arena_check(why, sizeof(why));
    gate_open(ctx);
    CHECKF(!faults, "%u faults:\n%s", faults, why);
}

/* One transaction that hands over more than a ring holds at first. */
static void large_transaction(struct shm_ctx *ctx, struct items *was, struct items *got)
{
    struct ks_many m = {.db = DBS, .prefix = "many", .n = 40000, .numbers = true, .seed = 1};
    struct snapshot s;
    struct shm_table *t;
    CHECK(!db_table_make(ctx, DBS, &t) && !ks_many(ctx, &m));
    cut(ctx, was);
    m.seed = 2;
    CHECK(!ks_many(ctx, &m));
    snapshot_open(&s, ctx, shown, got);
    got->n = 0;
    while (snapshot_step(&s))
        ;
    compare(was, got);
    CHECK(persist(ctx->root)->snap.handed == m.n);
    snapshot_end(ctx);
    snapshot_close(&s);
    check_arena(ctx);
    CHECK(gate_close(ctx, 10000) && !db_flush(ctx, (uint32_t[]){DBS}, 1));
    gate_open(ctx);
}

int main(int argc, char **argv)
{
    struct arena_sizes sizes = {.arena_bytes = 512ull << 20, .nslots = 7, .ndbs = 4, .nsessions = 4};
    uint64_t seconds = 3, seed = 1, snapshots = 0, shown_keys = 0, handed = 0;
    pthread_t thread[THREADS + 1];
    struct items was = {0}, got = {0};
    struct shm_ctx ctx;
    int fd;
    for (int i = 1; i + 1 < argc; i += 2)
        *(strcmp(argv[i], "--seed") == 0 ? &seed : &seconds) = strtoull(argv[i + 1], NULL, 10);
    CHECK(!arena_create(&sizes, &fd));
    slot_adopt(&ctx, SNAPPER, ROLE_SNAP, 0);
    large_transaction(&ctx, &was, &got);
    for (uintptr_t i = 1; i <= THREADS; i++)
        CHECK(!pthread_create(&thread[i], NULL, work, (void *)(i + 16 * (seed * THREADS + i))));
    time_t end = time(NULL) + (time_t)seconds;
    while (time(NULL) < end) {
        let_them_work(500 + snapshots % 10 * 500);
        got.fail_at = snapshots % 5 == 3 ? 1 + snapshots * 37 % 2000 : 0;
        snapshot(&ctx, &was, &got);
        snapshots++;
        shown_keys += got.n;
        handed += persist(ctx.root)->snap.handed;
        if (snapshots % 8 == 0)
            check_arena(&ctx);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 1; i <= THREADS; i++)
        CHECK(!pthread_join(thread[i], NULL));
    check_arena(&ctx);
    printf("%llu operations, %llu snapshots that showed %llu keys, %llu of them handed over\n",
           (unsigned long long)operations_all(), (unsigned long long)snapshots,
           (unsigned long long)shown_keys, (unsigned long long)handed);
    free(was.item);
    free(got.item);
    return 0;
}
