/* Snapshots of a keyspace that threads, each standing for a process with a slot of its own, change in every way
 * meanwhile. While the gate is closed for the cut all keys are written down; what the walk shows afterwards must be
 * just that, each key once. Some snapshots fail on the way: then the marks and rings must be clean all the same.
 *   threads_snapshot [--seconds N] [--seed N] */
#include "shm/repair.h"
#include "shm/snapshot.h"
#include "shm/types/string.h"
#include "tests/crash/keyspace.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 4u
#define KEYS    3000u
#define DBS     3u
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
    if (rc)
        tx_abort(&tx);
    else
        tx_commit(&tx);
}

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

static void one(struct shm_ctx *ctx, unsigned r, unsigned kind)
{
    uint32_t db = r / 11 % DBS;
    struct name a = name_of("k", r % KEYS), b = name_of("k", r / 3 % KEYS);
    struct ks_many m = {.db = db, .prefix = "k", .first = r % KEYS, .n = 30, .numbers = r & 1, .seed = r};
    struct shm_table *t;
    int64_t now;
    if (!db_table(ctx->root, db) && db_table_make(ctx, db, &t))
        return;
    switch (kind % 16) {
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
        for (unsigned i = 0; i < 50; i++, operations[ctx.id]++) {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            one(&ctx, (unsigned)(r >> 20), (unsigned)(r >> 8));
        }
        batch_leave(&ctx);
    }
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
        got.fail_at = snapshots % 5 == 3 ? 1 + snapshots * 37 % 2000 : 0;
        snapshot(&ctx, &was, &got);
        snapshots++;
        shown_keys += got.n;
        handed += persist(ctx.root)->snap.handed;
        if (snapshots % 8 == 0)
            check_arena(&ctx);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    uint64_t all = 0;
    for (unsigned i = 1; i <= THREADS; i++) {
        CHECK(!pthread_join(thread[i], NULL));
        all += operations[i];
    }
    check_arena(&ctx);
    printf("%llu operations, %llu snapshots that showed %llu keys, %llu of them handed over\n",
           (unsigned long long)all, (unsigned long long)snapshots, (unsigned long long)shown_keys,
           (unsigned long long)handed);
    free(was.item);
    free(got.item);
    return 0;
}
