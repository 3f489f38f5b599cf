/* worker/commands/debug.c - DEBUG. What takes long, or needs the others to stand still, runs in the slow
 * lane. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shm/base/glob.h"
#include "shm/base/log.h"
#include "shm/base/number.h"
#include "shm/config.h"
#include "shm/crashpoint.h"
#include "shm/pages.h"
#include "shm/persist.h"
#include "shm/repair.h"
#include "shm/types/list.h"
#include "shm/types/string.h"
#include "shm/waiters.h"
#include "shm/wal.h"
#include "worker/commands/debug_values.h"
#include "worker/commands/help.h"
#include "worker/commands/server_cmds.h"
#include "worker/net/client.h"

command_fn cmd_debug;

/* ---- looking at a key ---- */

/* A key that has expired is not there. */
static enum rc peek(struct call *c, struct tx *tx, struct key_ref *k, struct bytes key)
{
    enum rc rc = debug_peek(c, tx, k, key);
    if (!rc && k->entry && entry_expiry(key_entry(k)) >= 0 && entry_expiry(key_entry(k)) <= c->now_ms)
        k->entry = 0;
    return rc;
}

/* What the value takes in a dump: small integers by their size, others as a length and bytes; collections about what they
 * take in memory. */
static size_t dump_bytes(const struct shm_entry *e)
{
    if (entry_type(e) != TYPE_STRING) /* a collection: about what it takes here */
        return coll_is_tree(e) ? coll_memory(e, 16) : coll_packed(e).n;
    size_t n = string_length(e);
    if (entry_enc(e) == ENC_INT) {
        int64_t v = entry_int(e);
        if (v == (int8_t)v)
            return 2;
        if (v == (int16_t)v)
            return 3;
        if (v == (int32_t)v)
            return 5;
    }
    return n + (n < 64 ? 1 : n < 16384 ? 2 : 5);
}

/* Of a list that is called quicklist, what Redis tells of the nodes. */
static void put_nodes(const struct call *c, const struct shm_entry *e, char *to, size_t room)
{
    uint64_t nodes = 0;
    struct tree_path p;
    *to = '\0';
    if (entry_type(e) != TYPE_LIST || entry_enc(e) != ENC_QUICKLIST)
        return;
    struct tree t = {.root = coll_is_tree(e) ? entry_word_at((struct shm_entry *)(uintptr_t)e) : &nodes};
    tree_first(&t, &p);
    do
        nodes++;
    while (p.leaf && tree_next(&p));
    snprintf(
        to, room,
        " ql_nodes:%llu ql_avg_node:%.2f ql_listpack_max:%lld ql_compressed:%d ql_uncompressed_size:%llu",
        (unsigned long long)nodes, (double)list_length(e) / (double)nodes,
        (long long)c->cfg->list_max_listpack_size, c->cfg->list_compress_depth != 0,
        (unsigned long long)(list_listpack_bytes(e) + (nodes - 1) * LISTPACK_EMPTY));
}

static void debug_object(struct call *c)
{
    struct tx tx;
    struct key_ref k;
    char line[512], nodes[256];
    enum rc rc = peek(c, &tx, &k, c->argv[2]);
    const struct shm_entry *e = rc ? NULL : key_entry(&k);
    if (e) {
        uint32_t lru = e->meta & 0xffffff;
        bool lfu =
            c->cfg->maxmemory_policy == EVICT_ALLKEYS_LFU || c->cfg->maxmemory_policy == EVICT_VOLATILE_LFU;
        put_nodes(c, e, nodes, sizeof(nodes));
        snprintf(line, sizeof(line),
                 "Value at:0x%llx refcount:1 encoding:%s serializedlength:%zu lru:%u lru_seconds_idle:%u%s",
                 (unsigned long long)k.entry, entry_enc_name(e), dump_bytes(e), lru,
                 lfu ? 0 : (c->clock - lru) & 0xffffff, nodes);
    }
    tx_abort(&tx);
    if (rc)
        call_fail(c, rc);
    else if (e)
        reply_status(c->reply, line);
    else
        reply_error(c->reply, ERR_NO_KEY);
}

/* ---- replies of every kind ---- */

static void put_map(struct reply *r)
{
    reply_map(r, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(r, i);
        reply_bool(r, i == 1);
    }
}

static void put_attribute(struct reply *r)
{
    if (r->resp == 3) {
        reply_attribute(r, 1);
        reply_bulk_str(r, "key-popularity");
        reply_array(r, 2);
        reply_bulk_str(r, "key:123");
        reply_int(r, 90);
    }
    reply_bulk_str(r, "Some real reply following the attribute");
}

static void put_push(struct reply *r)
{
    if (r->resp == 2) {
        reply_error(r, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(r, 2);
    reply_bulk_str(r, "server-cpu-usage");
    reply_int(r, 42);
    reply_bulk_str(r, "Some real reply following the push reply");
}

static void put_numbers(struct reply *r, bool set)
{
    if (set)
        reply_set(r, 3);
    else
        reply_array(r, 3);
    for (int i = 0; i < 3; i++)
        reply_int(r, i);
}

static void debug_protocol(struct call *c)
{
    struct bytes type = c->argv[2];
    struct reply *r = c->reply;
    if (bytes_is(type, "string"))
        reply_bulk_str(r, "Hello World");
    else if (bytes_is(type, "integer"))
        reply_int(r, 12345);
    else if (bytes_is(type, "double"))
        reply_double(r, 3.141);
    else if (bytes_is(type, "null"))
        reply_null(r);
    else if (bytes_is(type, "array"))
        put_numbers(r, false);
    else if (bytes_is(type, "set"))
        put_numbers(r, true);
    else if (bytes_is(type, "map"))
        put_map(r);
    else if (bytes_is(type, "attrib"))
        put_attribute(r);
    else if (bytes_is(type, "push"))
        put_push(r);
    else if (bytes_is(type, "verbatim"))
        reply_verbatim(r, "txt", BYTES_LIT("This is a verbatim\nstring"));
    else if (bytes_is(type, "true") || bytes_is(type, "false"))
        reply_bool(r, bytes_is(type, "true"));
    else if (bytes_is(type, "bignum"))
        reply_bignum(r, BYTES_LIT("1234567999999999999999999999999999999"));
    else
        reply_error(r, "ERR Wrong protocol type name. Please use one of the following: "
                       "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

/* ---- small ones ---- */

static char *copy_text(struct bytes b)
{
    char *s = malloc(b.n + 1);
    CHECK(s);
    memcpy(s, b.p, b.n);
    s[b.n] = 0;
    return s;
}

static void debug_error(struct call *c)
{
    char *text = copy_text(c->argv[2]);
    reply_error(c->reply, text);
    free(text);
}

static void debug_log(struct call *c)
{
    log_warning("DEBUG LOG: %.*s", (int)c->argv[2].n, c->argv[2].p);
    reply_ok(c->reply);
}

static void debug_active_expire(struct call *c)
{
    char *text = copy_text(c->argv[2]);
    c->ctx->root->active_expire_off = atoi(text) == 0;
    free(text);
    reply_ok(c->reply);
}

/* Whether a pattern matches a string of so many 'a': how long that takes is what one wants to see. */
static void debug_stringmatch(struct call *c)
{
    int64_t n;
    if (!number_to_int64(c->argv[2], &n) || n < 0 || n > 1 << 20) {
        reply_error(c->reply, "ERR value is out of range, must be positive");
        return;
    }
    char *text = malloc((size_t)n + 1);
    CHECK(text);
    memset(text, 'a', (size_t)n);
    reply_int(c->reply, glob_match(c->argv[3], (struct bytes){text, (size_t)n}, false));
    free(text);
}

static void debug_structsize(struct call *c)
{
    reply_bulkf(c->reply, "bits:%zu entry:%zu bucket:%zu cell:%zu session:%zu slot:%zu lane:%zu unit:%zu",
                sizeof(long) * 8, sizeof(struct shm_entry), sizeof(struct shm_bucket),
                sizeof(struct shm_cell), sizeof(struct shm_session), sizeof(struct shm_slot),
                sizeof(struct shm_lane), sizeof(struct shm_unit));
}

/* Redis stands still meanwhile; here only this client's reply, and what it has sent behind it, come later. */
static void debug_sleep(struct call *c)
{
    char *text = copy_text(c->argv[2]);
    double s = strtod(text, NULL), most = (double)(INT64_MAX / 2000000);
    free(text);
    if (!(s > 0)) {
        reply_ok(c->reply);
        return;
    }
    if (c->in_exec) {
        reply_error(c->reply, "ERR a transaction cannot sleep");
        return;
    }
    c->slept_us = (uint64_t)((s < most ? s : most) * 1e6);
    client_sleep(c->client, (int64_t)((c->slept_us + 999) / 1000));
}

/* ---- in the slow lane ---- */

static enum rc populate_one(struct call *c, struct bytes key, struct bytes value)
{
    struct tx tx;
    struct key_ref k = {.key = key, .db = c->db};
    enum rc rc = db_table_make(c->ctx, c->db, &k.table);
    if (rc)
        return rc;
    tx_begin(&tx, c->ctx);
    k.hash = key_hash(c->ctx->root, key);
    key_locate(&k);
    rc = key_latch(&tx, &k);
    bool there = !rc && k.entry;
    if (!rc && !there)
        rc = string_set(&tx, &k, value, -1, c->clock);
    if (!rc && !there) {
        tx_effect_key(&tx, k.hash);
        rc = tx_effect(&tx, c->db, (struct bytes[]){BYTES_LIT("SET"), key, value}, 3);
    }
    if (rc || there) {
        tx_abort(&tx);
        return rc;
    }
    tx_commit(&tx);
    if (k.overflowed)
        table_adjust(c->ctx, k.table, k.hash);
    return RC_OK;
}

/* The growing table retires blocks; without a place to note them it would stop growing. */
static void breathe_and_reclaim(struct call *c)
{
    lane_step_out(c);
    retire_reclaim(c->ctx);
    lane_step_in(c);
}

/* A value "value:7", filled up with zero bytes or cut to the size that is wanted; 0: as it is. */
static void populate(struct call *c, int64_t count, struct bytes prefix, size_t size)
{
    char *key = malloc(prefix.n + NUMBER_INT_MAX + 2), *value = calloc(1, (size > 64 ? size : 64));
    CHECK(key && value);
    enum rc rc = RC_OK;
    for (int64_t i = 0; i < count && !rc; i++) {
        int n = snprintf(value, 64, "value:%lld", (long long)i);
        if (size && (size_t)n > size)
            memset(value + size, 0, 64 - size);
        memcpy(key, prefix.p, prefix.n);
        int m = snprintf(key + prefix.n, NUMBER_INT_MAX + 2, ":%lld", (long long)i);
        do {
            if (i % 64 == 0 || rc == RC_BUSY)
                breathe_and_reclaim(c);
            rc = populate_one(c, (struct bytes){key, prefix.n + (size_t)m},
                              (struct bytes){value, size ? size : (size_t)n});
        } while (rc == RC_BUSY);
    }
    free(key);
    free(value);
    if (rc)
        call_fail(c, rc);
    else
        reply_ok(c->reply);
}

static void debug_populate(struct call *c)
{
    if (heeds(c->ctx->root, HEED_LOADING)) { /* DEBUG itself is allowed then */
        reply_error(c->reply, ERR_LOADING);
        return;
    }
    int64_t count, size = 0;
    struct bytes prefix = BYTES_LIT("key");
    if (!number_to_int64(c->argv[2], &count) || count < 0 ||
        (c->argc > 4 &&
         (!number_to_int64(c->argv[4], &size) || size < 0 || size > c->cfg->proto_max_bulk_len))) {
        reply_error(c->reply, "ERR value is out of range, must be positive");
        return;
    }
    if (c->argc > 3)
        prefix = c->argv[3];
    populate(c, count, prefix, (size_t)size);
}

#define GATE_WAIT_US 1000000u
#define GATE_ALL_US  (10 * GATE_WAIT_US) /* another process may have it: a cut, a change of all keys */

/* Runs fn while no other process is inside a batch, so that no key changes. Mail and idle magazines, which need no
 * batch, may still be on their way. */
static bool with_gate_closed(struct call *c, void (*fn)(struct call *c, void *arg), void *arg)
{
    const struct timespec nap = {0, 1000000};
    int64_t until = mono_us() + GATE_ALL_US;
    lane_step_out(c);
    bool closed = gate_close(c->ctx, GATE_WAIT_US);
    while (!closed && mono_us() < until) {
        nanosleep(&nap, NULL);
        closed = gate_close(c->ctx, GATE_WAIT_US);
    }
    if (closed) {
        fn(c, arg);
        gate_open(c->ctx);
    }
    lane_step_in(c);
    return closed;
}

#define CHECK_TRIES 5
#define NEST_MS     200

struct check {
    unsigned faults;
    char why[1024];
};

/* A lane that obtains memory ahead or gives some back is in no batch, and needs dozens of milliseconds for a piece where the host
 * gives it late; while the gate is closed it begins no other one. */
static void let_nests_end(const struct shm_root *r)
{
    const struct timespec nap = {0, 1000000};
    for (unsigned i = 0, ms = 0; i < r->nslots; i++)
        while (__atomic_load_n(&slot_at(i)->nest.open, __ATOMIC_ACQUIRE) && ms++ < NEST_MS)
            nanosleep(&nap, NULL);
}

static void check_arena(struct call *c, void *arg)
{
    struct check *check = arg;
    let_nests_end(c->ctx->root);
    check->faults = arena_check(check->why, sizeof(check->why));
}

/* What is wrong stays wrong; what was only on its way is not met again. */
static bool check_settled(struct call *c, struct check *check)
{
    struct timespec nap = {0, 20000000};
    for (int i = 0; i < CHECK_TRIES; i++) {
        if (i)
            nanosleep(&nap, NULL);
        if (!with_gate_closed(c, check_arena, check))
            return false;
        if (!check->faults)
            break;
    }
    return true;
}

static void arena_checked(struct call *c)
{
    struct check check = {0};
    if (!check_settled(c, &check))
        reply_error(c->reply, "ERR a process did not leave its batch; try again");
    else if (check.faults)
        reply_errorf(c->reply, "ERR %u faults: %s", check.faults, check.why);
    else
        reply_ok(c->reply);
}

static uint64_t count_bits(shm_ref map, uint64_t n)
{
    const uint64_t *w = shm_at(map);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n / 64; i++)
        sum += (uint64_t)__builtin_popcountll(w[i]);
    for (uint64_t i = n / 64 * 64; i < n; i++)
        sum += w[i / 64] >> i % 64 & 1;
    return sum;
}

static void arena_stats(struct call *c)
{
    const struct shm_root *r = c->ctx->root;
    reply_bulkf(
        c->reply,
        "arena_bytes:%llu\r\nresident_bytes:%llu\r\nused_bytes:%lld\r\nunit_bytes:%llu\r\nunits:%llu\r\n"
        "units_used:%llu\r\nunits_present:%llu\r\nfirst_unit:%llu\r\nslots:%u\r\nsessions:%u\r\n"
        "databases:%u\r\nepoch:%llu\r\n",
        (unsigned long long)r->arena_bytes, (unsigned long long)pages_resident_bytes(),
        (long long)slots_used_bytes(), (unsigned long long)UNIT_BYTES, (unsigned long long)r->nunits,
        (unsigned long long)count_bits(r->unit_used, r->nunits),
        (unsigned long long)count_bits(r->unit_present, r->nunits), (unsigned long long)r->first_unit,
        r->nslots, r->nsessions, r->ndbs, (unsigned long long)r->epoch);
}

static void debug_arena(struct call *c)
{
    if (bytes_is(c->argv[2], "check"))
        arena_checked(c);
    else if (bytes_is(c->argv[2], "stats"))
        arena_stats(c);
    else
        reply_subcommand_syntax(c);
}

struct table_figures {
    uint32_t db;
    uint64_t buckets, segments, nodes;
};

static void count_table(struct call *c, void *arg)
{
    struct table_figures *f = arg;
    f->buckets = table_buckets(db_table(c->ctx->root, f->db), &f->segments, &f->nodes);
}

static void debug_htstats(struct call *c)
{
    int64_t db;
    if (!number_to_int64(c->argv[2], &db) || db < 0 || db >= c->ctx->root->ndbs) {
        reply_error(c->reply, "ERR Out of range database");
        return;
    }
    struct table_figures f = {.db = (uint32_t)db};
    if (!with_gate_closed(c, count_table, &f)) {
        reply_error(c->reply, "ERR a process did not leave its batch; try again");
        return;
    }
    const struct shm_table *t = db_table(c->ctx->root, f.db);
    char text[256];
    int n = snprintf(
        text, sizeof(text),
        "keys: %lld\nwith an expiry: %lld\nbuckets: %llu (%u slots each)\nsegments: %llu\nnodes: %llu\n",
        (long long)(t ? table_keys(t) : 0), (long long)(t ? table_expires(t) : 0),
        (unsigned long long)f.buckets, BUCKET_SLOTS, (unsigned long long)f.segments,
        (unsigned long long)f.nodes);
    reply_verbatim(c->reply, "txt", (struct bytes){text, (size_t)n});
}

/* ---- loading again ---- */

static void debug_reload(struct call *c)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"merge", RELOAD_MERGE}, {"noflush", RELOAD_NOFLUSH}, {"nosave", RELOAD_NOSAVE}};
    unsigned bits = 0;
    char answer[CONTROL_TEXT];
    for (int i = 2; i < c->argc; i++) {
        unsigned k = 0;
        while (k < ARRAY_LEN(words) && !bytes_is(c->argv[i], words[k].word))
            k++;
        if (k == ARRAY_LEN(words)) {
            reply_error(c->reply, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
            return;
        }
        bits |= words[k].bit;
    }
    if (ask_master(c, ASK_RELOAD, bits, answer)) {
        waiters_stir(c->ctx->root); /* the loaders told nobody what came */
        reply_told(c, answer);
    }
}

static void debug_loadaof(struct call *c)
{
    char answer[CONTROL_TEXT];
    if (ask_master(c, ASK_LOADAOF, 0, answer)) {
        waiters_stir(c->ctx->root);
        reply_told(c, answer);
    }
}

/* ---- dying on purpose ---- */

static void debug_segfault(struct call *c)
{
    (void)c;
    raise(SIGSEGV);
}

static void debug_panic(struct call *c)
{
    (void)c;
    CHECKF(false, "asked for by DEBUG");
}

#ifdef SKEP_DEBUG
/* Arms a crash point: the count-th time that any process (or the one in the slot named) comes there, it dies.
 */
static void debug_crashpoint(struct call *c)
{
    char *name = copy_text(c->argv[2]);
    enum crash_point p = crash_point_find(name);
    free(name);
    int64_t count = 1, slot = -1;
    if (p == CP_NONE || (c->argc > 3 && !number_to_int64(c->argv[3], &count)) ||
        (c->argc > 4 && !number_to_int64(c->argv[4], &slot))) {
        reply_error(c->reply, "ERR no such crash point, or not a number");
        return;
    }
    c->ctx->root->crash_slot = (uint32_t)(slot + 1);
    c->ctx->root->crash_count = (uint32_t)count;
    __atomic_store_n(&c->ctx->root->crash_point, (uint32_t)p, __ATOMIC_RELEASE);
    reply_ok(c->reply);
}
#else
static void debug_crashpoint(struct call *c)
{
    reply_error(c->reply, "ERR this build has no crash points (build with -DSKEP_DEBUG=ON)");
}
#endif

static void debug_refuse(struct call *c)
{
    reply_errorf(c->reply, "ERR DEBUG %.*s is not supported by this server", (int)c->argv[1].n, c->argv[1].p);
}

static void debug_help(struct call *c)
{
    static const char *const lines[] = {
        "ARENA CHECK|STATS",
        "    Check every block, entry and counter of the shared memory, or tell its figures.",
        "ASSERT",
        "    Let this worker fail an assertion.",
        "CRASHPOINT <name> [<count> [<slot>]]",
        "    Kill a process as it passes the named point for the count-th time (test builds).",
        "DIGEST",
        "    Tell a digest of all databases, which is redis-server's for the same data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Tell the digests of values.",
        "ERROR <string>",
        "    Reply with this error.",
        "HTSTATS <dbid>",
        "    Tell the shape of a database's table.",
        "HTSTATS-KEY <key>",
        "    Tell the shape of a large set, hash or sorted set.",
        "LISTPACK <key>",
        "    Print the items of a small collection on the server's standard output.",
        "LOADAOF",
        "    Empty all databases, and load the log again.",
        "LOG <message>",
        "    Write a line into the log.",
        "OBJECT <key>",
        "    Tell how a key is stored.",
        "PANIC",
        "    Let this worker end itself.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Create string keys named prefix:number (prefix: key), unless they exist.",
        "PROTOCOL <type>",
        "    Reply with a value of this type: string, integer, double, bignum, null, array, set,",
        "    map, attrib, push, verbatim, true or false.",
        "QUICKLIST <key> [<0|1>]",
        "    Print the items of a large list on the server's standard output.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Nothing: from which size on an element lies apart is fixed here.",
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "    Save the keys, empty all databases, and load the file. NOSAVE loads the file that is there, "
        "NOFLUSH",
        "    leaves the databases as they are, MERGE lets keys of the file replace those that exist.",
        "SEGFAULT",
        "    Let this worker die of a memory fault.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Switch the removal of expired keys that nobody touches off or on.",
        "SLEEP <seconds>",
        "    Reply after so many seconds. Other clients are not delayed.",
        "STRINGMATCH-LEN <length> <pattern>",
        "    Match a pattern with a string of so many 'a'.",
        "STRUCTSIZE",
        "    Tell the sizes of the main structures.",
        NULL,
    };
    reply_help(c, lines);
}

/* ---- the list ---- */

static const struct subcommand {
    const char *name;
    int min, max; /* arguments, DEBUG and the subcommand included */
    bool lane;
    command_fn *run;
} subcommands[] = {
    {"help", 2, 2, false, debug_help},
    {"arena", 3, 3, true, debug_arena},
    {"assert", 2, 2, false, debug_panic},
    {"crashpoint", 3, 5, false, debug_crashpoint},
    {"digest", 2, 2, true, debug_digest},
    {"digest-value", 2, INT32_MAX, true, debug_digest_value},
    {"error", 3, 3, false, debug_error},
    {"htstats", 3, 3, true, debug_htstats},
    {"htstats-key", 3, 3, true, debug_htstats_key},
    {"listpack", 3, 3, true, debug_listpack},
    {"loadaof", 2, 2, false, debug_loadaof},
    {"log", 3, 3, false, debug_log},
    {"object", 3, 3, false, debug_object},
    {"oom", 2, 2, false, debug_panic},
    {"panic", 2, 2, false, debug_panic},
    {"populate", 3, 5, true, debug_populate},
    {"protocol", 3, 3, false, debug_protocol},
    {"quicklist", 3, 4, true, debug_quicklist},
    {"quicklist-packed-threshold", 3, 3, false, debug_quicklist_threshold},
    {"reload", 2, INT32_MAX, false, debug_reload},
    {"segfault", 2, 2, false, debug_segfault},
    {"set-active-expire", 3, 3, false, debug_active_expire},
    {"sleep", 3, 3, false, debug_sleep},
    {"stringmatch-len", 4, 4, true, debug_stringmatch},
    {"structsize", 2, 2, false, debug_structsize},
    /* Redis's, about what is not there yet or made otherwise. */
    {"aof-flush-sleep", 2, INT32_MAX, false, debug_refuse},
    {"change-repl-id", 2, INT32_MAX, false, debug_refuse},
    {"client-eviction", 2, INT32_MAX, false, debug_refuse},
    {"config-rewrite-force-all", 2, INT32_MAX, false, debug_refuse},
    {"crash-and-recover", 2, INT32_MAX, false, debug_refuse},
    {"leak", 2, INT32_MAX, false, debug_refuse},
    {"mallctl", 2, INT32_MAX, false, debug_refuse},
    {"mallctl-str", 2, INT32_MAX, false, debug_refuse},
    {"pause-cron", 2, INT32_MAX, false, debug_refuse},
    {"replicate", 2, INT32_MAX, false, debug_refuse},
    {"replybuffer", 2, INT32_MAX, false, debug_refuse},
    {"restart", 2, INT32_MAX, false, debug_refuse},
    {"sdslen", 2, INT32_MAX, false, debug_refuse},
    {"set-skip-checksum-validation", 2, INT32_MAX, false, debug_refuse},
    {"stringmatch-test", 2, INT32_MAX, false, debug_refuse},
};

/* enable-debug-command local means: over the loopback or the unix socket. */
static bool is_local(const struct shm_session *s)
{
    return s->flags & SESSION_F_UNIX || strncmp(s->addr, "127.0.0.1:", 10) == 0 ||
           strncmp(s->addr, "[::1]:", 6) == 0 || strncmp(s->addr, "::1:", 4) == 0;
}

/* DEBUG ARENA changes nothing and is what skepctl check asks for: on the machine itself it is always allowed. */
static bool allowed(const struct call *c)
{
    int mode = c->cfg->enable_debug_command;
    bool harmless = bytes_is(c->argv[1], "arena");
    return mode == PROTECTED_YES || ((harmless || mode == PROTECTED_LOCAL) && is_local(c->session));
}

void cmd_debug(struct call *c)
{
    const struct subcommand *sub = NULL;
    if (!allowed(c)) {
        reply_error(
            c->reply,
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can "
            "run it from a local connection, otherwise you need to set this option in the configuration "
            "file, and then restart the server.");
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(subcommands) && !sub; i++)
        if (bytes_is(c->argv[1], subcommands[i].name))
            sub = &subcommands[i];
    if (!sub || c->argc < sub->min || c->argc > sub->max)
        reply_subcommand_syntax(c);
    else if (!sub->lane || !call_defer(c))
        sub->run(c);
}
