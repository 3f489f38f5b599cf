/* Hashes and sets against a model: every encoding and what it may become, some changes taken back, some while a snapshot shares
 * the nodes; fields that expire; scans while the collection changes. The arena is empty in the end. */
#include "shm/snapshot.h"
#include "shm/types/hash.h"
#include "shm/types/set.h"
#include "shm/types/string.h"
#include "tests/lib/chance.h"
#include "tests/unit/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELDS 1500u

static unsigned met[3][9], cuts, reaped; /* how often each form and encoding was compared; snapshots */

struct model { /* value 0: it is not there */
    unsigned value[FIELDS], count;
    int64_t until_ms[FIELDS]; /* 0: never */
    int64_t expiry_ms;
};

/* Some are integers, some need a block of their own. */
static struct bytes field(char *buf, unsigned i)
{
    size_t n = (size_t)sprintf(buf, i % 3 ? "%d" : "field:%d", (int)i - 300);
    size_t more = i % 297 == 0 ? 1500 : i % 21 == 0 ? 260 : 0;
    memset(buf + n, '.', more);
    return (struct bytes){buf, n + more};
}

static struct bytes value(char *buf, unsigned v)
{
    size_t n = v % 451 == 0 ? 2000 : v % 17 == 0 ? 300 : v % 20;
    memset(buf, 'a' + (int)(v % 26), n);
    return (struct bytes){buf, n};
}

static struct key_ref ref_of(struct bytes name)
{
    struct key_ref k = {.key = name};
    CHECK(!db_table_make(&ctx, 0, &k.table));
    k.hash = key_hash(ctx.root, k.key);
    key_locate(&k);
    return k;
}

static void latch(struct tx *tx, struct key_ref *k, struct bytes name)
{
    *k = ref_of(name);
    tx_begin(tx, &ctx);
    CHECK(!key_latch(tx, k));
}

/* ---- comparing ---- */

static void compare_items(const struct dict *d, const struct model *m)
{
    static char buf[2100], vbuf[2100];
    struct dict_walk w;
    struct hmap_item it;
    struct dict_place at;
    unsigned n = 0;
    for (unsigned i = 0; i < FIELDS; i++) {
        CHECKF(dict_find(d, field(buf, i), &at) == (m->value[i] != 0), "field %u", i);
        CHECKF(at.until_ms == m->until_ms[i], "field %u expires at another moment", i);
        if (m->value[i] && d->pairs)
            CHECK(bytes_equal(at.value, value(vbuf, m->value[i])));
    }
    long long last = -1000000;
    for (dict_walk(d, &w); dict_next(&w, &it); n++) {
        CHECK(dict_find(d, it.key, &at));
        if (d->shape.enc == ENC_INTSET) {
            memcpy(buf, it.key.p, it.key.n);
            buf[it.key.n] = 0;
            CHECK(atoll(buf) > last);
            last = atoll(buf);
        }
    }
    dict_walk_end(&w);
    CHECK(n == m->count);
    it = dict_at(d, chance(n));
    CHECK(dict_find(d, it.key, &at));
}

static void count_item(void *arg, const struct hmap_item *it)
{
    (void)it;
    ++*(unsigned *)arg;
}

/* Fields that expire up to some moment are hidden: from a search, a walk, a scan and the count. */
static void compare_hidden(const struct dict *whole, const struct model *m)
{
    static struct dict d;
    static char buf[2100];
    struct dict_walk w;
    struct hmap_item it;
    struct dict_place at;
    unsigned shown = 0, walked = 0, scanned = 0;
    d = *whole;
    d.now_ms = 1 + chance(1100);
    for (unsigned i = 0; i < FIELDS; i++) {
        bool hidden = m->until_ms[i] && m->until_ms[i] <= d.now_ms;
        CHECK(dict_find(&d, field(buf, i), &at) == (m->value[i] && !hidden));
        CHECK(at.there == (m->value[i] != 0));
        shown += m->value[i] && !hidden;
    }
    for (dict_walk(&d, &w); dict_next(&w, &it); walked++)
        CHECK(!it.until_ms || it.until_ms > d.now_ms);
    dict_walk_end(&w);
    CHECK(!dict_scan(&d, 0, UINT64_MAX, count_item, &scanned));
    CHECK(dict_count(&d) == shown && walked == shown && scanned == shown && dict_size(&d) == m->count);
}

static void compare(struct bytes name, const struct model *m, unsigned type)
{
    struct tx tx;
    struct key_ref k;
    struct dict d;
    latch(&tx, &k, name);
    const struct shm_entry *e = key_entry(&k);
    CHECK(!e == !m->count);
    if (e) {
        CHECK(entry_type(e) == type && entry_expiry(e) == m->expiry_ms);
        dict_read(&d, &tx, e);
        CHECK(dict_count(&d) == m->count);
        compare_items(&d, m);
        compare_hidden(&d, m);
        const char *wrong = d.pairs ? dict_fields_wrong(e) : NULL;
        CHECKF(!wrong, "%s", wrong);
        met[d.form][d.shape.enc]++;
    }
    tx_abort(&tx);
}

/* ---- changing ---- */

static int64_t some_moment(void)
{
    return chance(3) ? 1 + (int64_t)chance(1000) : 0;
}

static enum rc change_hash(struct dict *d, struct model *m, unsigned i, bool del, bool expires)
{
    static const struct hash_limits limits = {100, 300};
    static char buf[2100], vbuf[2100];
    struct dict_place at;
    struct bytes f = field(buf, i);
    bool found = dict_find(d, f, &at);
    CHECK(found == (m->value[i] != 0));
    if (expires && found && chance(3) == 0) {
        m->until_ms[i] = some_moment();
        return dict_set_until(d, &at, f, m->until_ms[i]);
    }
    m->count += (unsigned)!del - found;
    m->value[i] = del ? 0 : 1 + chance(500);
    m->until_ms[i] = del || !expires ? 0 : some_moment();
    if (del)
        return found ? dict_del(d, &at) : RC_OK;
    return hash_put_until(d, &at, &limits, f, value(vbuf, m->value[i]), m->until_ms[i]);
}

/* Some of the fields that expire up to some moment go. */
static void reap(struct tx *tx, struct key_ref *k, struct model *m)
{
    static char buf[2100];
    int64_t now_ms = chance(4) ? 1 + (int64_t)chance(200) : 1000;
    unsigned removed, due = 0, most = chance(2) ? 5 : FIELDS;
    for (unsigned i = 0; i < FIELDS; i++)
        due += m->until_ms[i] && m->until_ms[i] <= now_ms;
    CHECK(!hash_reap(tx, k, now_ms, most, &removed) && removed == (due < most ? due : most));
    reaped += removed;
    for (unsigned i = 0; i < FIELDS; i++)
        if (m->until_ms[i]) {
            struct dict d;
            struct dict_place at;
            if (k->entry)
                dict_read(&d, tx, key_entry(k));
            if (k->entry && dict_find(&d, field(buf, i), &at))
                continue;
            CHECK(m->until_ms[i] <= now_ms);
            m->until_ms[i] = 0;
            m->value[i] = 0;
            m->count--;
            removed--;
        }
    CHECK(!removed);
}

static enum rc change_set(struct dict *d, struct model *m, unsigned i, bool del)
{
    static const struct set_limits limits = {200, 60, 300};
    static char buf[2100];
    bool did, found = m->value[i] != 0;
    enum rc rc = del ? set_del(d, field(buf, i), &did) : set_add(d, &limits, field(buf, i), &did);
    m->count += (unsigned)!del - found;
    m->value[i] = !del;
    CHECK(rc || did == (del ? found : !found));
    return rc;
}

/* kind: 0 a hash, 1 a set, 2 one that is mostly integers, 3 a hash whose fields expire */
static unsigned some_field(unsigned kind, unsigned range)
{
    unsigned i = 1 + chance(range - 1);
    return kind == 2 && (i % 3 == 0 || i % 297 == 0) && chance(2000) ? (i + 1) % range + 1 : i;
}

static void one_step(struct bytes name, unsigned kind, struct model *m, unsigned range, unsigned dels)
{
    static const struct set_limits limits = {200, 60, 300};
    static struct model before;
    struct tx tx;
    struct key_ref k;
    struct dict d;
    before = *m;
    latch(&tx, &k, name);
    if (!k.entry)
        m->expiry_ms = -1;
    enum rc rc = RC_OK;
    bool set = kind == 1 || kind == 2;
    if (set)
        rc = set_open(&d, &tx, &k, 0, &limits, BYTES_LIT("1"), 1);
    else
        hash_open(&d, &tx, &k, 0);
    for (unsigned n = 1 + chance(chance(6) ? 3 : 60); n-- && !rc;) {
        unsigned i = some_field(kind, range);
        bool del = chance(100) < dels;
        rc = set ? change_set(&d, m, i, del) : change_hash(&d, m, i, del, kind == 3);
    }
    if (!rc)
        rc = dict_end(&d);
    CHECK(rc == RC_OK && !k.entry == !m->count);
    if (kind == 3 && k.entry && chance(5) == 0)
        reap(&tx, &k, m);
    CHECK(!k.entry == !m->count);
    if (k.entry && chance(20) == 0) {
        m->expiry_ms = chance(2) ? -1 : 1000 + (int64_t)chance(1000);
        CHECK(!key_set_expiry(&tx, &k, m->expiry_ms));
    }
    if (chance(4)) {
        tx_commit(&tx);
    } else {
        tx_abort(&tx);
        *m = before;
    }
}

static void copy(struct bytes from, struct bytes to)
{
    struct key_ref k[2] = {ref_of(from), ref_of(to)};
    uint32_t at[2];
    struct tx tx;
    k[1].arg = 1;
    tx_begin(&tx, &ctx);
    CHECK(!keys_latch(&tx, k, 2, at));
    struct key_ref *a = &k[at[0]], *b = &k[at[1]];
    enum rc rc = a->entry ? dict_copy(&tx, key_entry(a), b, 0) : b->entry ? key_del(&tx, b, false) : RC_OK;
    CHECK(!rc);
    tx_commit(&tx);
}

/* ---- snapshots ---- */

static struct shm_ctx snap_ctx;
static struct model at_cut;
static bool shown;

static enum rc show(void *arg, uint32_t db, const struct shm_entry *e)
{
    struct tx tx = {.ctx = &snap_ctx};
    struct dict d;
    (void)arg;
    (void)db;
    if (!bytes_equal(entry_key(e), BYTES_LIT("it")))
        return RC_OK;
    CHECK(!shown && at_cut.count);
    shown = true;
    dict_read(&d, &tx, e);
    CHECK(dict_count(&d) == at_cut.count);
    compare_items(&d, &at_cut);
    return RC_OK;
}

/* Now and then a snapshot begins, whose walk goes on beside the changes: it shows what there was at its cut. */
static void snapshots(const struct model *m, bool end)
{
    static struct snapshot s;
    static bool open;
    batch_leave(&ctx);
    if (!open && !end && chance(10) == 0) {
        CHECK(gate_close(&snap_ctx, 1000000) && !snapshot_cut(&snap_ctx));
        gate_open(&snap_ctx);
        snapshot_open(&s, &snap_ctx, show, NULL);
        s.buckets = 1;
        at_cut = *m;
        cuts++;
        shown = false;
        open = true;
    }
    while (open && (end || chance(3) == 0))
        if (!snapshot_step(&s)) {
            CHECK(!s.rc && shown == (at_cut.count > 0));
            snapshot_end(&snap_ctx);
            snapshot_close(&s);
            open = false;
        }
    while (!open && trees_step(&ctx, 100))
        ;
    CHECK(batch_enter(&ctx));
}

static void run(unsigned kind, unsigned rounds)
{
    static struct model m, copied;
    struct bytes name = BYTES_LIT("it"), other = BYTES_LIT("other");
    for (unsigned r = 0; r < rounds; r++) {
        unsigned phase = r / 100 % 4; /* small, of some fields, growing, shrinking */
        unsigned range[] = {15, 90, kind == 2 ? 450 : FIELDS, kind == 2 ? 450 : FIELDS};
        if (r % 200 == 0) { /* once more from the beginning */
            copy(BYTES_LIT("nothing"), name);
            memset(&m, 0, sizeof(m));
        }
        one_step(name, kind, &m, range[phase], (unsigned[]){50, 40, 20, 80}[phase]);
        snapshots(&m, r + 1 == rounds);
        if (r % 500 == 0)
            arena_sound();
        if (r % 10 == 0)
            compare(name, &m, kind % 3 ? TYPE_SET : TYPE_HASH);
        if (r % 50 == 0) {
            copied = m;
            copy(name, other);
        }
        if (r % 50 == 7)
            compare(other, &copied, kind % 3 ? TYPE_SET : TYPE_HASH);
    }
}

/* ---- scans ---- */

struct seen {
    bool field[FIELDS];
    unsigned calls;
};

static void note(void *arg, const struct hmap_item *it)
{
    struct seen *s = arg;
    unsigned i = 0;
    CHECK(sscanf(it->key.p, "f:%u", &i) == 1 && i < FIELDS);
    s->field[i] = true;
}

/* Fields that stay are all seen, whatever comes and goes meanwhile. */
static void scans(void)
{
    static const struct hash_limits limits = {10, 64};
    static struct seen s;
    uint64_t cursor = 0;
    struct bytes name = BYTES_LIT("scanned");
    do {
        struct tx tx;
        struct key_ref k;
        struct dict d;
        latch(&tx, &k, name);
        hash_open(&d, &tx, &k, 0);
        for (unsigned i = 0; i < FIELDS; i++) {
            char buf[32];
            struct dict_place at;
            struct bytes f = {buf, (size_t)sprintf(buf, "f:%u", i)};
            bool found = dict_find(&d, f, &at);
            if (i % 2 && found && chance(2))
                CHECK(!dict_del(&d, &at));
            else if (!found && (i % 2 == 0 || chance(2)))
                CHECK(!hash_put(&d, &at, &limits, f, f));
        }
        CHECK(!dict_end(&d));
        dict_read(&d, &tx, key_entry(&k));
        cursor = dict_scan(&d, cursor, 10, note, &s);
        CHECK(cursor < 1ull << 53);
        tx_commit(&tx);
        CHECKF(s.calls++ < FIELDS, "a scan that does not end");
    } while (cursor);
    for (unsigned i = 0; i < FIELDS; i += 2)
        CHECKF(s.field[i], "field %u was passed over", i);
    CHECK(s.calls > 10);
}

int main(void)
{
    arena_begin(512);
    slot_adopt(&snap_ctx, 2, ROLE_WORKER, 0);
    for (unsigned kind = 0; kind < 4; kind++)
        run(kind, 4000);
    scans();
    CHECK(met[DICT_PACKED][ENC_LISTPACK] && met[DICT_PACKED][ENC_INTSET] && met[DICT_SEQ][ENC_LISTPACK]);
    CHECK(met[DICT_HMAP][ENC_INTSET] && met[DICT_HMAP][ENC_HASHTABLE] && cuts > 20);
    CHECK(met[DICT_PACKED][ENC_LISTPACK_EX] && met[DICT_HMAP][ENC_LISTPACK_EX] && reaped > 1000);
    arena_end();
    return 0;
}
