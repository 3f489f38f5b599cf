/* The operations that the crash tests interrupt. Together they must pass every point of CRASH_POINTS. */
#include "tests/crash/dict_ops.h"
#include "tests/crash/exec_ops.h"
#include "tests/crash/library_ops.h"
#include "tests/crash/snap_ops.h"
#include "tests/crash/track_ops.h"
#include "tests/crash/list_ops.h"
#include "tests/crash/pubsub_ops.h"
#include "tests/crash/zset_ops.h"
#include "shm/nest.h"
#include "shm/config.h"
#include "shm/pages.h"
#include "shm/session.h"
#include "shm/types/string.h"
#include "shm/wal.h"

#include <stdio.h>
#include <stdlib.h>

void (*crash_between)(void);

static void with_name(struct shm_ctx *ctx, uint32_t db, const char *prefix, unsigned i, size_t n,
                      int64_t expiry)
{
    struct name k = name_of(prefix, i);
    char *v = malloc(n + 1);
    fill(v, n, i + 7);
    ok(ks_set(ctx, db, NAME_BYTES(k), (struct bytes){v, n}, expiry));
    free(v);
}
#define KEY(var, prefix, i)                                                                                  \
    struct name var##_name = name_of(prefix, i);                                                             \
    struct bytes var = NAME_BYTES(var##_name)

static uint64_t hash_of(struct shm_ctx *ctx, const char *prefix, unsigned i)
{
    KEY(k, prefix, i);
    return key_hash(ctx->root, k);
}

static struct shm_table *table_of(struct shm_ctx *ctx, uint32_t db)
{
    struct shm_table *t;
    ok(db_table_make(ctx, db, &t));
    return t;
}

/* ---- the beginning ---- */

void crash_arena(void)
{
    struct arena_sizes sizes = {.arena_bytes = 160ull << 20, .nslots = 5, .ndbs = 8, .nsessions = 8};
    struct shm_ctx ctx;
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    ((struct shm_config *)shm_at(arena_root()->config))->huge_pages = true;
    arena_root()->seed[0] = 0x0123456789abcdefull;
    arena_root()->seed[1] = 0xfedcba9876543210ull;
    slot_ctx(&ctx, VICTIM);
    struct shm_table *t = table_of(&ctx, 0);
    for (unsigned i = 0; i < 700; i++) {
        KEY(k, "n", i);
        with_name(&ctx, 0, "k", i, i % 11 * 9, i % 3 ? -1 : (int64_t)1000 + i);
        table_adjust(&ctx, t, hash_of(&ctx, "k", i));
        if (i % 4 == 0)
            ok(ks_set_int(&ctx, 0, k, (int64_t)i));
        retire_reclaim(&ctx);
    }
    with_name(&ctx, 0, "mid", 0, 20000, -1);
    with_name(&ctx, 0, "big", 0, 400000, 5);
}

/* ---- single keys ---- */

static void set_new(struct shm_ctx *ctx)
{
    with_name(ctx, 0, "new", 1, 64, -1);
}
static void set_over(struct shm_ctx *ctx)
{
    with_name(ctx, 0, "k", 10, 100, 77);
}
static void set_mid(struct shm_ctx *ctx)
{
    with_name(ctx, 0, "mid", 0, 9000, -1);
}
static void set_big(struct shm_ctx *ctx)
{
    with_name(ctx, 0, "big", 1, 300000, -1);
}
static void over_big(struct shm_ctx *ctx)
{
    with_name(ctx, 0, "big", 0, 500000, -1);
}
static void del_big(struct shm_ctx *ctx)
{
    KEY(k, "big", 0);
    ok(ks_del(ctx, 0, k));
}
static void incr(struct shm_ctx *ctx)
{
    int64_t v;
    KEY(k, "n", 8);
    ok(ks_incr(ctx, 0, k, 5, &v));
}
static void del(struct shm_ctx *ctx)
{
    KEY(k, "k", 20);
    ok(ks_del(ctx, 0, k));
}
static void expire_new(struct shm_ctx *ctx)
{
    KEY(k, "k", 31);
    KEY(big, "mid", 0);
    ok(ks_expire(ctx, 0, k, 4711));
    between();
    ok(ks_expire(ctx, 0, big, 4711));
}
static void expire_in_place(struct shm_ctx *ctx)
{
    KEY(k, "k", 30);
    ok(ks_expire(ctx, 0, k, 4711));
}
static void renames(struct shm_ctx *ctx)
{
    KEY(a, "k", 40);
    KEY(b, "k", 41);
    KEY(c, "new", 41);
    KEY(big, "big", 0);
    ok(ks_rename(ctx, 0, a, b));
    between();
    ok(ks_rename(ctx, 0, big, c));
}
static void set_range(struct shm_ctx *ctx)
{
    KEY(k, "k", 10);
    ok(ks_set_range(ctx, 0, k, 3, BYTES_LIT("0123456789012345678901234567890")));
}
static void set_range_long(struct shm_ctx *ctx)
{
    static char part[9000];
    KEY(k, "mid", 0);
    memset(part, '#', sizeof(part));
    ok(ks_set_range(ctx, 0, k, 100, (struct bytes){part, sizeof(part)}));
}

/* The strings' own changes. A value that has room for more, one that has none, and one whose bytes are logged. */
static void append(struct shm_ctx *ctx, struct bytes key, size_t n)
{
    char *more = malloc(n);
    fill(more, n, 9);
    ok(ks_append(ctx, 0, key, (struct bytes){more, n}));
    free(more);
}
static void append_short(struct shm_ctx *ctx)
{
    KEY(k, "k", 10);
    append(ctx, k, 1); /* 102 bytes lie in a block of 104: it stays there */
}
static void append_outgrows(struct shm_ctx *ctx)
{
    KEY(k, "k", 11);
    append(ctx, k, 700);
    between();
    append(ctx, k, 9000); /* longer than an entry holds */
}
static void append_number(struct shm_ctx *ctx)
{
    KEY(k, "n", 8);
    append(ctx, k, 3);
}
static void append_room_ready(struct shm_ctx *ctx)
{
    KEY(k, "mid", 0);
    append(ctx, k, 10); /* its block is now twice as long */
}
static void append_in_place(struct shm_ctx *ctx)
{
    KEY(k, "mid", 0);
    append(ctx, k, 5000);
}
static void append_span(struct shm_ctx *ctx)
{
    KEY(k, "big", 0);
    append(ctx, k, 100);
    between();
    append(ctx, k, 200000);
}
static void range_in_place(struct shm_ctx *ctx)
{
    static char part[30000];
    KEY(k, "big", 0);
    fill(part, sizeof(part), 3);
    ok(ks_write_range(ctx, 0, k, 1000, (struct bytes){part, sizeof(part)}));
    between();
    ok(ks_write_range(ctx, 0, k, 399990, BYTES_LIT("over its end, which the room allows")));
}
static void range_rewrites(struct shm_ctx *ctx)
{
    static char part[90000];
    KEY(k, "big", 0);
    fill(part, sizeof(part), 4);
    ok(ks_write_range(ctx, 0, k, 1000, (struct bytes){part, sizeof(part)}));
    between();
    KEY(absent, "new", 7);
    ok(ks_write_range(ctx, 0, absent, 5000, BYTES_LIT("behind zeros")));
}
/* A byte within a value that keeps its length, as SETBIT changes it: of a long one, and of one in its entry. */
static void byte_in_place(struct shm_ctx *ctx)
{
    KEY(big, "big", 0);
    ok(ks_write_range(ctx, 0, big, 300000, BYTES_LIT("\1")));
    between();
    KEY(k, "k", 10);
    ok(ks_write_range(ctx, 0, k, 50, BYTES_LIT("\1")));
    between();
    ok(ks_write_range(ctx, 0, big, 399999, BYTES_LIT("\2\2"))); /* and one that lengthens it */
}
/* A value that is built before its transaction, over one and over nothing; and one that nobody takes. */
static void built(struct shm_ctx *ctx)
{
    size_t n = 1200000;
    char *value = malloc(n);
    KEY(over, "big", 0);
    fill(value, n, 12);
    ok(string_build(ctx, (struct bytes){value, n}));
    ok(ks_write(ctx, 0, over, (struct bytes){value, n}));
    CHECK(!ctx->slot->lane.built);
    string_build_end(ctx);
    between();
    fill(value, n, 13);
    ok(string_build(ctx, (struct bytes){value, n}));
    string_build_end(ctx);
    free(value);
}

/* ---- many keys ---- */

static void many(struct shm_ctx *ctx)
{
    ok(ks_many(ctx, &(struct ks_many){.prefix = "k", .first = 500, .n = 300, .value_bytes = 50, .seed = 3}));
}
static void dozen(struct shm_ctx *ctx)
{
    ok(ks_many(ctx, &(struct ks_many){.prefix = "k", .first = 694, .n = 12, .value_bytes = 20, .seed = 3}));
}
static void many_dels(struct shm_ctx *ctx)
{
    ok(ks_many(ctx, &(struct ks_many){.prefix = "k", .first = 100, .n = 250}));
}
static void many_aborted(struct shm_ctx *ctx)
{
    struct ks_many m = {.prefix = "k", .first = 650, .n = 120, .value_bytes = 50, .seed = 3, .give_up = true};
    CHECK(ks_many(ctx, &m) == RC_INVALID);
    m.n = 3;
    m.value_bytes = 290000;
    CHECK(ks_many(ctx, &m) == RC_INVALID);
}

/* Bytes changed in place, a value replaced twice, a long one freed, and all of it undone. */
static void undone(struct shm_ctx *ctx)
{
    struct tx tx;
    KEY(name, "k", 10);
    struct key_ref k = ks_ref(ctx, 0, name);
    tx_begin(&tx, ctx);
    ok(key_latch(&tx, &k));
    for (unsigned i = 0; i < 3; i++) {
        char *v = (char *)entry_bytes(key_entry(&k)).p;
        ok(tx_log(&tx, v + i, 11));
        memset(v + i, '0' + (int)i, 11);
    }
    struct entry_spec s = {.key = name, .enc = ENC_INT, .word = 1, .expiry_ms = 1};
    for (unsigned i = 0; i < 2; i++) {
        shm_ref e;
        ok(entry_new(&tx, &s, &e, NULL));
        ok(key_put(&tx, &k, e, false));
    }
    tx_abort(&tx);
}

/* A word is changed in a block that the same transaction frees, and so much is freed that the magazine is
 * flushed: another process may then have the block before the repair comes. */
static void change_and_free(struct shm_ctx *ctx)
{
    enum { N = 150 };
    struct name names[N];
    struct key_ref k[N];
    uint32_t at[N];
    struct tx tx;
    for (unsigned i = 0; i < N; i++) {
        names[i] = name_of("n", 4 * i);
        k[i] = ks_ref(ctx, 0, NAME_BYTES(names[i]));
        k[i].arg = i;
    }
    tx_begin(&tx, ctx);
    ok(keys_latch(&tx, k, N, at));
    for (unsigned i = 0; i < N; i++)
        ok(tx_redo(&tx, entry_word_at(key_entry(&k[i])), 0xdeadbeefdeadbeefull));
    for (unsigned i = 0; i < N; i++)
        ok(key_del(&tx, &k[i], false));
    tx_commit(&tx);
}

static void fill_databases(struct shm_ctx *ctx)
{
    for (uint32_t db = 0; db < 7; db++) {
        table_of(ctx, db);
        with_name(ctx, db, "d", 1, 10, -1);
    }
}
/* One transaction over more databases than a transaction counts at a time. */
static void databases(struct shm_ctx *ctx)
{
    struct key_ref k[14];
    struct name names[14];
    uint32_t at[14];
    struct tx tx;
    for (unsigned i = 0; i < 14; i++) {
        names[i] = name_of("d", i / 7);
        k[i] = ks_ref(ctx, i % 7, NAME_BYTES(names[i]));
        k[i].arg = i;
    }
    tx_begin(&tx, ctx);
    ok(keys_latch(&tx, k, 14, at));
    for (unsigned i = 0; i < 14; i++) {
        struct key_ref *r = &k[at[i]];
        struct entry_spec s = {.key = r->key, .enc = ENC_INT, .word = i, .expiry_ms = i % 2 ? 9 : -1};
        shm_ref e;
        ok(entry_new(&tx, &s, &e, NULL));
        ok(key_put(&tx, r, e, false));
    }
    tx_commit(&tx);
}

/* ---- segments ---- */

static void crowd(struct shm_ctx *ctx, uint32_t db, unsigned n)
{
    table_of(ctx, db);
    for (unsigned i = 0; i < n; i++)
        with_name(ctx, db, "c", i, 5, -1);
}
static void grow_ready(struct shm_ctx *ctx)
{
    crowd(ctx, 1, 60);
}
static void split_root_ready(struct shm_ctx *ctx)
{
    crowd(ctx, 1, 420);
}
static void adjust_db1(struct shm_ctx *ctx)
{
    CHECK(table_adjust_exact(ctx, table_of(ctx, 1), hash_of(ctx, "c", 0)));
}
static void split_run_ready(struct shm_ctx *ctx)
{
    crowd(ctx, 0, 900);
}
static void adjust_db0(struct shm_ctx *ctx)
{
    CHECK(table_adjust_exact(ctx, table_of(ctx, 0), hash_of(ctx, "c", 0)));
}
static void shrink_ready(struct shm_ctx *ctx)
{
    crowd(ctx, 1, 200);
    while (table_adjust(ctx, table_of(ctx, 1), 0))
        ;
    for (unsigned i = 1; i < 200; i++) {
        KEY(k, "c", i);
        ok(ks_del(ctx, 1, k));
    }
}

/* Names whose hash begins with so many zero bits: their segment is split again and again. */
static void crowd_deep(struct shm_ctx *ctx, unsigned bits, unsigned until_depth)
{
    struct shm_table *t = table_of(ctx, 1);
    struct key_ref k = {.table = t};
    for (unsigned i = 0, n = 0; n < 400; i++)
        if (hash_of(ctx, "z", i) >> (64 - bits) == 0) {
            with_name(ctx, 1, "z", i, 1, -1);
            n++;
        }
    for (key_locate(&k); dir_depth(k.dir) < until_depth; key_locate(&k)) {
        CHECK(table_adjust_exact(ctx, t, 0));
        retire_reclaim(ctx);
    }
}
static void split_node_ready(struct shm_ctx *ctx)
{
    crowd_deep(ctx, 7, 6);
}
static void retag_ready(struct shm_ctx *ctx)
{
    crowd_deep(ctx, 8, 7);
}
static void adjust_deep(struct shm_ctx *ctx)
{
    CHECK(table_adjust_exact(ctx, table_of(ctx, 1), 0));
}

/* ---- databases ---- */

static void make_table(struct shm_ctx *ctx)
{
    table_of(ctx, 5);
}
static void two_databases(struct shm_ctx *ctx)
{
    crowd(ctx, 1, 20);
}
static void gate_do(struct shm_ctx *ctx, enum rc rc)
{
    gate_open(ctx);
    ok(rc);
}
static void flush(struct shm_ctx *ctx)
{
    batch_leave(ctx);
    CHECK(gate_close(ctx, 1000000));
    gate_do(ctx, db_flush(ctx, (uint32_t[]){0, 1, 2}, 3));
    CHECK(batch_enter(ctx));
}
static void swap(struct shm_ctx *ctx)
{
    batch_leave(ctx);
    CHECK(gate_close(ctx, 1000000));
    gate_do(ctx, db_swap(ctx, 0, 1));
    CHECK(batch_enter(ctx));
}
static void dead_ready(struct shm_ctx *ctx)
{
    split_node_ready(ctx);
    with_name(ctx, 1, "big", 0, 300000, -1);
    ok(db_flush(ctx, (uint32_t[]){1}, 1));
}
static void bury(struct shm_ctx *ctx)
{
    while (graveyard_step(ctx, 50))
        ;
}

/* With a snapshot under way nothing may be buried yet. */
static void flush_and_bury(struct shm_ctx *ctx)
{
    flush(ctx);
    between();
    CHECK(!graveyard_step(ctx, 50));
}

/* More keys than a snapshot's ring holds at first leave in one transaction. */
#define CROWDED 17000u
static void crowded_ready(struct shm_ctx *ctx)
{
    table_of(ctx, 1);
    ok(ks_many(ctx, &(struct ks_many){.db = 1, .prefix = "c", .n = CROWDED, .numbers = true, .seed = 1}));
}
static void crowded_dels(struct shm_ctx *ctx)
{
    ok(ks_many(ctx, &(struct ks_many){.db = 1, .prefix = "c", .n = CROWDED}));
}

/* ---- mail ---- */

static void mail_out(struct shm_ctx *ctx)
{
    bool wake;
    char text[600];
    fill(text, sizeof(text), 1);
    ok(mail_send(ctx, PARTNER, &(struct mail){.kind = MAIL_RUN, .x = 5, .bytes = 600}, text, &wake));
    between();
    ok(mail_send(ctx, PARTNER, &(struct mail){.kind = MAIL_POKE, .x = 6}, NULL, &wake));
}
static void mail_in_ready(struct shm_ctx *ctx)
{
    struct shm_ctx partner;
    bool wake;
    (void)ctx;
    slot_ctx(&partner, PARTNER);
    char text[200];
    fill(text, sizeof(text), 2);
    for (unsigned i = 0; i < 3; i++)
        ok(mail_send(&partner, VICTIM, &(struct mail){.kind = MAIL_RUN, .x = i, .bytes = 70 * i}, text,
                     &wake));
}
static void mail_in(struct shm_ctx *ctx)
{
    uint32_t from;
    struct mail m;
    while (mail_next(ctx, &from, &m)) {
        ok(mail_done(ctx, from));
        between();
    }
}

/* ---- blocks ---- */

static void refill(struct shm_ctx *ctx)
{
    struct tx tx;
    shm_ref r;
    tx_begin(&tx, ctx);
    for (unsigned i = 0; i < 90; i++)
        ok(tx_alloc(&tx, 700, &r)); /* of a size that nobody has used: the run is made as well */
    tx_abort(&tx);
}
static void drain(struct shm_ctx *ctx)
{
    mags_drain(ctx);
}
static void retired_ready(struct shm_ctx *ctx)
{
    grow_ready(ctx);
    adjust_db1(ctx);
    crowd(ctx, 1, 200);
    adjust_db1(ctx);
}
static void reclaim(struct shm_ctx *ctx)
{
    batch_leave(ctx);
    retire_reclaim(ctx);
    CHECK(batch_enter(ctx));
}
static void trim(struct shm_ctx *ctx)
{
    static uint64_t before[64];
    pages_trim(ctx, before, 4);
    pages_trim(ctx, before, 4);
}
static void trim_ready(struct shm_ctx *ctx)
{
    del_big(ctx);
}
static void ahead(struct shm_ctx *ctx)
{
    uint64_t seen = ctx->root->unit_hint - 1;
    CHECK(pages_ahead(ctx, &seen) && seen == ctx->root->unit_hint);
}
/* As if so many units were taken: whole chunks are obtained. */
static void ahead_whole(struct shm_ctx *ctx)
{
    ctx->root->unit_hint = ctx->root->first_unit + 1100;
    ahead(ctx);
}
static void fold_ready(struct shm_ctx *ctx)
{
    with_name(ctx, 0, "new", 1, 2 * CHUNK_BYTES, -1);
}
static void fold(struct shm_ctx *ctx)
{
    uint64_t from = 0;
    pages_fold(ctx, &from); /* the system may refuse */
}
static void claim(struct shm_ctx *ctx)
{
    uint32_t hint = 0;
    struct shm_session *s;
    ok(session_claim(ctx, &hint, &s));
}

/* ---- the log ---- */

static void log_ready(struct shm_ctx *ctx)
{
    persist(ctx->root)->wal.on = persist(ctx->root)->wal.waits = 1;
}
static void log_set(struct shm_ctx *ctx)
{
    set_over(ctx);
    between();
    set_mid(ctx); /* its effect stands in the ring as well */
    between();
    over_big(ctx); /* its effect needs a block */
}
/* The next record does not fit before the ring's end. */
static void log_end_ready(struct shm_ctx *ctx)
{
    log_ready(ctx);
    set_new(ctx);
    ctx->slot->wal.tail = ctx->slot->wal.head = WAL_RING_BYTES - 48;
}
static void log_take_ready(struct shm_ctx *ctx)
{
    struct shm_ctx partner;
    log_ready(ctx);
    slot_ctx(&partner, PARTNER);
    set_over(&partner);
    over_big(&partner);
    set_mid(&partner);
}
static void log_take(struct shm_ctx *ctx)
{
    struct wal_reader r;
    struct wal_record rec;
    wal_reader_open(&r, ctx->root);
    wal_reader_look(&r);
    while (wal_reader_next(&r, &rec))
        ;
    ok(wal_reader_take(&r, ctx));
}

const struct crash_op crash_ops[] = {
    {"set-new", NULL, set_new, true},
    {"set-over", NULL, set_over, true},
    {"set-block", NULL, set_mid, true},
    {"set-span", NULL, set_big, true},
    {"overwrite-span", NULL, over_big, true},
    {"del-span", NULL, del_big, true},
    {"incr", NULL, incr, true},
    {"del", NULL, del, true},
    {"expire-new", NULL, expire_new, true},
    {"expire-in-place", NULL, expire_in_place, true},
    {"rename", NULL, renames, true},
    {"set-range", NULL, set_range, true},
    {"set-range-long", NULL, set_range_long, true},
    {"append-short", NULL, append_short, true},
    {"append-outgrows", NULL, append_outgrows, true},
    {"append-number", NULL, append_number, true},
    {"append-in-place", append_room_ready, append_in_place, true},
    {"append-span", NULL, append_span, true},
    {"range-in-place", NULL, range_in_place, true},
    {"range-rewrites", NULL, range_rewrites, true},
    {"byte-in-place", NULL, byte_in_place, true},
    {"built", NULL, built, false},
    {"dozen", NULL, dozen, true},
    {"many", NULL, many, true},
    {"many-dels", NULL, many_dels, true},
    {"many-aborted", NULL, many_aborted, true},
    {"undone", NULL, undone, false},
    {"change-and-free", NULL, change_and_free, false},
    {"databases", fill_databases, databases, false},
    {"grow", grow_ready, adjust_db1, false},
    {"shrink", shrink_ready, adjust_db1, false},
    {"split-root", split_root_ready, adjust_db1, false},
    {"split-run", split_run_ready, adjust_db0, false},
    {"split-node", split_node_ready, adjust_deep, false},
    {"split-retag", retag_ready, adjust_deep, false},
    {"table-make", NULL, make_table, false},
    {"flush", two_databases, flush, false},
    {"swap", two_databases, swap, false},
    {"graveyard", dead_ready, bury, false},
    {"mail-send", NULL, mail_out, false},
    {"mail-receive", mail_in_ready, mail_in, false},
    {"prefixes-change", prefixes_ready, prefixes_change, false},
    {"prefixes-end", prefixes_ready, prefixes_end, false},
    {"refill", NULL, refill, false},
    {"drain", NULL, drain, false},
    {"reclaim", retired_ready, reclaim, false},
    {"trim", trim_ready, trim, false},
    {"ahead", NULL, ahead, false},
    {"ahead-whole", NULL, ahead_whole, false},
    {"fold", fold_ready, fold, false},
    {"session", NULL, claim, false},
    {"log", log_ready, log_set, true},
    {"log-many", log_ready, many, true},
    {"log-end", log_end_ready, set_over, true},
    {"log-take", log_take_ready, log_take, false},
    /* hashes and sets */
    {"dict-packed", dicts_ready, dict_packed, true},
    {"dict-listpack", dicts_ready, dict_listpack, true},
    {"dict-converts", dicts_ready, dict_converts, true},
    {"dict-grows", dicts_ready, dict_grows, true},
    {"dict-shrinks", dicts_ready, dict_shrinks, true},
    {"dict-copies", dicts_ready, dict_copies, true},
    {"dict-stored", dicts_ready, dict_stored, true},
    {"dict-builds", dicts_ready, dict_builds, true},
    {"dict-deletes", dicts_ready, dict_deletes, true},
    {"fields-expire", fields_ready, fields_expire, true},
    {"fields-change", fields_ready, fields_change, true},
    {"fields-reaped", fields_ready, fields_reaped, true},
    {"fields-copied", fields_ready, fields_copied, true},
    {"fields-brief", fields_ready, fields_brief, true},
    {"list-packed", lists_ready, list_packed_ends, true},
    {"list-outgrows", lists_ready, list_outgrows, true},
    {"list-ends", lists_ready, list_tree_ends, true},
    {"list-middle", lists_ready, list_tree_middle, true},
    {"list-trims", lists_ready, list_trims, true},
    {"list-removes", lists_ready, list_removes, true},
    {"list-moves", lists_ready, list_moves, true},
    {"list-deletes", lists_ready, list_deletes, true},
    {"list-compresses", lists_deep_ready, list_compresses, true},
    {"list-deep-middle", lists_deep_ready, list_deep_middle, true},
    {"list-deep-trims", lists_deep_ready, list_deep_trims, true},
    {"list-builds", lists_ready, list_builds, true},
    {"list-deep-builds", lists_deep_ready, list_deep_builds, true},
    {"list-waits", NULL, list_waits, true},
    {"list-trees", lists_dead_ready, list_frees_trees, false},
    {"exec", exec_ready, exec_keys, false},
    {"script", exec_ready, script_keys, false},
    {"exec-gate", exec_ready, exec_gate, false},
    {"exec-gate-undone", exec_ready, exec_gate_undone, false},
    /* subscriptions and messages */
    {"topics", pubsub_ready, pubsub_registers, false},
    {"letters-sent", pubsub_ready, pubsub_sends, false},
    {"letters-taken", pubsub_ready, pubsub_takes, false},
    {"letters-of-keys", pubsub_ready, pubsub_tells, true},
    {"pubsub-adopted", pubsub_ready, pubsub_adopts, false},
    {"library-first", NULL, library_first, false},
    {"library-loads", libraries_ready, library_loads, false},
    {"library-replaces", libraries_ready, library_replaces, false},
    {"library-goes", libraries_ready, library_goes, false},
    {"library-flushes", libraries_ready, library_flushes, false},
    {"library-refused", libraries_ready, library_refused, false},
    {"library-gate", libraries_ready, library_gate, false},
    {"library-gate-undone", libraries_ready, library_gate_undone, false},
    /* sorted sets */
    {"zset-packed", zsets_ready, zset_packed, true},
    {"zset-listpack", zsets_ready, zset_listpack, true},
    {"zset-converts", zsets_ready, zset_converts, true},
    {"zset-grows", zsets_ready, zset_grows, true},
    {"zset-shrinks", zsets_ready, zset_shrinks, true},
    {"zset-copies", zsets_ready, zset_copies, true},
    {"zset-deletes", zsets_ready, zset_deletes, true},
    {"snap-new", NULL, set_new, CALLS | SNAP_ALL},
    {"snap-over", NULL, set_over, CALLS | SNAP_ALL},
    {"snap-over-span", NULL, over_big, CALLS | SNAP_ALL},
    {"snap-incr", NULL, incr, CALLS | SNAP_ALL},
    {"snap-expire-new", NULL, expire_new, CALLS | SNAP_ALL},
    {"snap-expire", NULL, expire_in_place, CALLS | SNAP_ALL},
    {"snap-rename", NULL, renames, CALLS | SNAP_ALL},
    {"snap-append", NULL, append_short, CALLS | SNAP_ALL},
    {"snap-append-span", NULL, append_span, CALLS | SNAP_ALL},
    {"snap-range", NULL, range_in_place, CALLS | SNAP_ALL},
    {"snap-dict-packed", dicts_ready, dict_packed, CALLS | SNAP_ALL},
    {"snap-dict-listpack", dicts_ready, dict_listpack, CALLS | SNAP_ALL},
    {"snap-dict-converts", dicts_ready, dict_converts, CALLS | SNAP_ALL},
    {"snap-dict-grows", dicts_ready, dict_grows, CALLS | SNAP_ALL},
    {"snap-dict-shrinks", dicts_ready, dict_shrinks, CALLS | SNAP_ALL},
    {"snap-dict-copies", dicts_ready, dict_copies, CALLS | SNAP_ALL},
    {"snap-dict-builds", dicts_ready, dict_builds, CALLS | SNAP_ALL},
    {"snap-dict-stored", dicts_ready, dict_stored, CALLS | SNAP_ALL},
    {"snap-dict-deletes", dicts_ready, dict_deletes, CALLS | SNAP_ALL},
    {"snap-fields-expire", fields_ready, fields_expire, CALLS | SNAP_ALL},
    {"snap-fields-change", fields_ready, fields_change, CALLS | SNAP_ALL},
    {"snap-fields-reaped", fields_ready, fields_reaped, CALLS | SNAP_ALL},
    {"snap-fields-copied", fields_ready, fields_copied, CALLS | SNAP_ALL},
    {"snap-list-ends", lists_ready, list_tree_ends, CALLS | SNAP_ALL},
    {"snap-list-middle", lists_ready, list_tree_middle, CALLS | SNAP_ALL},
    {"snap-list-trims", lists_ready, list_trims, CALLS | SNAP_ALL},
    {"snap-list-deletes", lists_ready, list_deletes, CALLS | SNAP_ALL},
    {"snap-list-builds", lists_ready, list_builds, CALLS | SNAP_ALL},
    {"snap-list-compresses", lists_deep_ready, list_compresses, CALLS | SNAP_ALL},
    {"snap-list-deep-trims", lists_deep_ready, list_deep_trims, CALLS | SNAP_ALL},
    {"snap-byte", NULL, byte_in_place, CALLS | SNAP_ALL},
    {"snap-zset-packed", zsets_ready, zset_packed, CALLS | SNAP_ALL},
    {"snap-zset-listpack", zsets_ready, zset_listpack, CALLS | SNAP_ALL},
    {"snap-zset-converts", zsets_ready, zset_converts, CALLS | SNAP_ALL},
    {"snap-zset-grows", zsets_ready, zset_grows, CALLS | SNAP_ALL},
    {"snap-zset-shrinks", zsets_ready, zset_shrinks, CALLS | SNAP_ALL},
    {"snap-zset-copies", zsets_ready, zset_copies, CALLS | SNAP_ALL},
    {"snap-zset-deletes", zsets_ready, zset_deletes, CALLS | SNAP_ALL},
    {"snap-many", NULL, many, CALLS | SNAP_HALF},
    {"snap-dels", NULL, many_dels, CALLS | SNAP_HALF},
    {"snap-aborted", NULL, many_aborted, CALLS | SNAP_HALF},
    {"snap-databases", fill_databases, databases, SNAP_ALL},
    {"snap-split", split_run_ready, adjust_db0, SNAP_HALF},
    {"snap-flush", two_databases, flush, SNAP_HALF},
    {"snap-swap", two_databases, swap, SNAP_HALF},
    {"snap-bury", NULL, flush_and_bury, SNAP_HALF},
    {"snap-ring", crowded_ready, crowded_dels, CALLS | SNAP_ALL},
    {"snap-library", libraries_ready, library_replaces, SNAP_ALL},
    {"snap-library-goes", libraries_ready, library_goes, SNAP_ALL},
    {"snap-library-gate", libraries_ready, library_gate, SNAP_HALF},
    {"snap-exec", exec_ready, exec_keys, SNAP_ALL},
    {"snap-exec-gate", exec_ready, exec_gate, SNAP_HALF},
    /* keys that are locked while others use their buckets */
    {"lock-script", exec_ready, script_locks, false},
    {"lock-set-new", NULL, set_new, LOCKS | CALLS},
    {"lock-set-over", NULL, set_over, LOCKS | CALLS},
    {"lock-over-span", NULL, over_big, LOCKS | CALLS},
    {"lock-del-span", NULL, del_big, LOCKS | CALLS},
    {"lock-incr", NULL, incr, LOCKS | CALLS},
    {"lock-rename", NULL, renames, LOCKS | CALLS},
    {"lock-append", NULL, append_short, LOCKS | CALLS},
    {"lock-many", NULL, many, LOCKS | CALLS},
    {"lock-many-dels", NULL, many_dels, LOCKS | CALLS},
    {"lock-many-aborted", NULL, many_aborted, LOCKS | CALLS},
    {"lock-dict-packed", dicts_ready, dict_packed, LOCKS | CALLS},
    {"lock-dict-converts", dicts_ready, dict_converts, LOCKS | CALLS},
    {"lock-dict-grows", dicts_ready, dict_grows, LOCKS | CALLS},
    {"lock-dict-copies", dicts_ready, dict_copies, LOCKS | CALLS},
    {"lock-dict-deletes", dicts_ready, dict_deletes, LOCKS | CALLS},
    {"lock-list-ends", lists_ready, list_tree_ends, LOCKS | CALLS},
    {"lock-list-moves", lists_ready, list_moves, LOCKS | CALLS},
    {"lock-list-deletes", lists_ready, list_deletes, LOCKS | CALLS},
    {"lock-letters-of-keys", pubsub_ready, pubsub_tells, LOCKS | CALLS},
    {"lock-zset-grows", zsets_ready, zset_grows, LOCKS | CALLS},
    {"lock-zset-deletes", zsets_ready, zset_deletes, LOCKS | CALLS},
    {"lock-exec", exec_ready, exec_keys, LOCKS},
    {"lock-exec-undone", exec_ready, exec_undone, LOCKS},
    {"lock-snap-over", NULL, set_over, LOCKS | CALLS | SNAP_ALL},
    {"lock-snap-incr", NULL, incr, LOCKS | CALLS | SNAP_ALL},
    {"lock-snap-rename", NULL, renames, LOCKS | CALLS | SNAP_ALL},
    {"lock-snap-append", NULL, append_short, LOCKS | CALLS | SNAP_ALL},
    {"lock-snap-dict-grows", dicts_ready, dict_grows, LOCKS | CALLS | SNAP_ALL},
    {"lock-snap-zset-shrinks", zsets_ready, zset_shrinks, LOCKS | CALLS | SNAP_ALL},
    {"lock-snap-list-middle", lists_ready, list_tree_middle, LOCKS | CALLS | SNAP_ALL},
    {"lock-snap-many", NULL, many, LOCKS | CALLS | SNAP_HALF},
    {"lock-snap-exec", exec_ready, exec_keys, LOCKS | SNAP_ALL},
    {"snap-cut", two_databases, snap_cuts, false},
    {"snap-walk", snap_ready, snap_walks, false},
    {"snap-discard", snap_ready, snap_discards, false},
};
const unsigned crash_op_count = ARRAY_LEN(crash_ops);

/* ---- the bystander ---- */

#define BYSTANDER_KEYS 60u
#define BYSTANDER_DBS  2u
static uint8_t stored[BYSTANDER_DBS][BYSTANDER_KEYS];

static size_t bystander_bytes(unsigned i)
{
    return (size_t[]){2, 12, 30, 50, 64}[i % 5];
}

void bystander_reset(void)
{
    memset(stored, 0, sizeof(stored));
}

static void bystander_fill(struct shm_ctx *ctx, uint32_t db)
{
    for (unsigned i = 0; i < BYSTANDER_KEYS; i++) {
        char v[64];
        KEY(k, "b", i);
        fill(v, sizeof(v), i);
        stored[db][i] = !ks_set(ctx, db, k, (struct bytes){v, bystander_bytes(i)}, -1);
    }
}

static void bystander_resize(struct shm_ctx *ctx, struct shm_table *t)
{
    /* A resize may free so much that it waits for a class latch, which the dead one may hold. */
    if (!t || slot_at(VICTIM)->nest.open)
        return;
    for (unsigned i = 0; i < 64; i++)
        table_adjust(ctx, t, (uint64_t)i << 58);
    for (unsigned i = 0; i < 16; i++)
        table_adjust(ctx, t, (uint64_t)i << 48);
}

void bystander_run(void)
{
    struct shm_ctx ctx;
    slot_ctx(&ctx, BYSTANDER);
    if (!batch_enter(&ctx))
        return;
    for (uint32_t db = 0; db < BYSTANDER_DBS; db++) {
        bystander_fill(&ctx, db);
        bystander_resize(&ctx, db_table(ctx.root, db));
    }
    batch_leave(&ctx);
}

void bystander_check(void)
{
    struct shm_ctx ctx;
    slot_ctx(&ctx, BYSTANDER);
    for (unsigned i = 0; i < BYSTANDER_DBS * BYSTANDER_KEYS; i++) {
        uint32_t of = i / BYSTANDER_KEYS;
        unsigned n = i % BYSTANDER_KEYS;
        char v[64], got[64];
        struct ks_value is;
        KEY(k, "b", n);
        fill(v, sizeof(v), n);
        bool found = false;
        for (uint32_t db = 0; stored[of][n] && db < BYSTANDER_DBS; db++) /* they may have been swapped */
            found |= !ks_get(&ctx, db, k, &is, got, sizeof(got)) && is.n == bystander_bytes(n) &&
                     memcmp(v, got, is.n) == 0;
        CHECKF(found || !stored[of][n], "the bystander's key %u of database %u is lost or torn", n, of);
    }
}
