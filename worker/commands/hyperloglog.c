/* worker/commands/hyperloglog.c - commands on HyperLogLogs. */
#include "shm/persist.h"
#include "shm/types/hll.h"
#include "shm/types/string.h"
#include "shm/wal.h"
#include "worker/commands/effects.h"
#include "worker/commands/string_args.h"
#include "worker/dispatch/notify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ERR_NOT_HLL "WRONGTYPE Key is not a valid HyperLogLog string value."
#define ERR_CORRUPT "INVALIDOBJ Corrupted HLL object detected"

/* Of the dense ones some 40 are merged in a millisecond. */
#define MERGE_KEYS 32u

/* Is the entry (NULL: none) a HyperLogLog? If not, the error is written. */
static bool hll_fits(struct call *c, const struct shm_entry *e)
{
    if (!e)
        return true;
    if (!string_fits(c, e))
        return false;
    if (entry_enc(e) != ENC_INT && hll_is(entry_bytes(e)))
        return true;
    reply_error(c->reply, ERR_NOT_HLL);
    return false;
}

/* Damage is told to the client, all else to dispatch. */
static void hll_fail(struct call *c, enum rc rc)
{
    if (rc == RC_INVALID)
        reply_error(c->reply, ERR_CORRUPT);
    else
        call_fail(c, rc);
}

void cmd_pfadd(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    if (!hll_fits(c, key_entry(k)))
        return;
    struct hll_change how = {.sparse_max = c->cfg->hll_sparse_max_bytes, .clock = call_clock(c, k)};
    unsigned changed;
    enum rc rc = hll_add(c->tx, k, &how, c->argv + 2, (size_t)c->argc - 2, &changed);
    if (rc) {
        hll_fail(c, rc);
        return;
    }
    if (changed)
        call_notify(c, NOTIFY_STRING, "pfadd", k);
    reply_int(c->reply, changed > 0);
}

/* ---- PFCOUNT ---- */

/* Keeping the number is worth a few bytes that are changed in place, and no more: not where it needs memory, nor where
 * the disk or a pause forbids what changes keys, since PFCOUNT itself is not forbidden there. */
static bool may_cache(const struct call *c, const struct key_ref *k)
{
    const struct shm_root *root = c->ctx->root;
    if (entry_enc(key_entry(k)) != ENC_RAW || key_pending(k) || heeds(root, ~0u))
        return false;
    if (root_paused(root, c->now_ms))
        return false;
    return !wal_on(root) || !__atomic_load_n(&persist(root)->wal.fault, __ATOMIC_ACQUIRE);
}

/* The log is told the bytes: PFCOUNT reads, so a log that names it would not be believed. */
static enum rc cache(struct call *c, struct key_ref *k, uint64_t count)
{
    char card[8];
    enum rc rc = hll_cache(c->tx, k, count, key_entry(k)->meta & 0xffffff, card);
    if (rc)
        return rc;
    return call_effect(c, 4,
                       (struct bytes[]){BYTES_LIT("SETRANGE"), k->key, BYTES_LIT("8"), {card, sizeof(card)}});
}

static void pfcount_one(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    uint64_t count = 0;
    enum rc rc = RC_OK;
    if (!hll_fits(c, key_entry(k)))
        return;
    if (k->entry && !hll_cached(entry_bytes(key_entry(k)), &count)) {
        rc = hll_count(entry_bytes(key_entry(k)), &count);
        if (!rc && may_cache(c, k))
            rc = cache(c, k, count);
    }
    if (rc)
        hll_fail(c, rc);
    else
        reply_int(c->reply, (long long)count);
}

/* Merges all keys. False: the error is written. */
static bool merge_keys(struct call *c, uint8_t registers[HLL_REGISTERS], bool *dense)
{
    memset(registers, 0, HLL_REGISTERS);
    *dense = false;
    for (unsigned i = 0; i < c->nkeys; i++) {
        const struct shm_entry *e = key_entry(call_key(c, i));
        if (c->cmd->flags & F_WRITE)
            call_missed(c, call_key(c, i));
        if (!hll_fits(c, e))
            return false;
        if (!e)
            continue;
        *dense |= hll_is_dense(entry_bytes(e));
        enum rc rc = hll_merge(registers, entry_bytes(e));
        if (rc) {
            hll_fail(c, rc);
            return false;
        }
    }
    return true;
}

static bool merge_defers(struct call *c)
{
    return UNLIKELY(c->nkeys > MERGE_KEYS) && call_defer(c);
}

void cmd_pfcount(struct call *c)
{
    uint8_t registers[HLL_REGISTERS];
    bool dense;
    if (c->argc == 2)
        pfcount_one(c);
    else if (!merge_defers(c) && merge_keys(c, registers, &dense))
        reply_int(c->reply, (long long)hll_count_registers(registers));
}

/* ---- PFMERGE ---- */

static enum rc merge_into(struct call *c, struct key_ref *k, const uint8_t *registers, bool dense)
{
    struct hll h;
    bool raised;
    enum rc rc = RC_OK;
    if (k->entry)
        rc = hll_open(&h, entry_bytes(key_entry(k)));
    else
        hll_new(&h);
    if (!rc && dense)
        rc = hll_to_dense(&h);
    for (unsigned i = 0; i < HLL_REGISTERS && !rc; i++)
        if (registers[i])
            rc = hll_raise(&h, i, registers[i], c->cfg->hll_sparse_max_bytes, &raised);
    if (rc)
        return rc;
    hll_outdate(&h);
    return hll_store(c->tx, k, &h, call_clock(c, k));
}

void cmd_pfmerge(struct call *c)
{
    uint8_t registers[HLL_REGISTERS];
    bool dense;
    if (merge_defers(c) || !merge_keys(c, registers, &dense))
        return;
    enum rc rc = merge_into(c, call_key(c, 0), registers, dense);
    if (rc) {
        hll_fail(c, rc);
        return;
    }
    call_notify(c, NOTIFY_STRING, "pfadd", call_key(c, 0));
    reply_ok(c->reply);
}

/* ---- PFDEBUG ---- */

static enum rc make_dense(struct call *c, struct key_ref *k)
{
    struct hll h;
    enum rc rc = hll_open(&h, entry_bytes(key_entry(k)));
    if (!rc)
        rc = hll_to_dense(&h);
    return rc ? rc : hll_store(c->tx, k, &h, call_clock(c, k));
}

static void debug_registers(struct call *c, struct key_ref *k)
{
    if (!hll_is_dense(entry_bytes(key_entry(k)))) {
        enum rc rc = make_dense(c, k);
        if (rc) {
            hll_fail(c, rc);
            return;
        }
    }
    const uint8_t *registers = (const uint8_t *)entry_bytes(key_entry(k)).p + HLL_HEAD;
    reply_array(c->reply, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        reply_int(c->reply, hll_register(registers, i));
}

/* z: a zero, Z: a long one, v: a value. A run takes at most 10 letters ("Z:16384 " has 8). */
static void debug_decode(struct call *c, struct bytes value)
{
    const uint8_t *p = (const uint8_t *)value.p + HLL_HEAD, *end = (const uint8_t *)value.p + value.n;
    if (hll_is_dense(value)) {
        reply_error(c->reply, "ERR HLL encoding is not sparse");
        return;
    }
    char *text = malloc((value.n - HLL_HEAD) * 10 + 1), *to = text;
    CHECK(text);
    while (p < end) {
        unsigned n = 1;
        if (*p & 0x80) {
            to += sprintf(to, "v:%u,%u ", (*p >> 2 & 31u) + 1, (*p & 3u) + 1);
        } else if (!(*p & 0x40)) {
            to += sprintf(to, "z:%u ", (*p & 63u) + 1);
        } else {
            n = 2;
            to += sprintf(to, "Z:%u ", ((*p & 63u) << 8 | (p + 1 < end ? p[1] : 0)) + 1);
        }
        p += n;
    }
    reply_bulk(c->reply, text, (size_t)(to - text) - (to > text));
    free(text);
}

void cmd_pfdebug(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    struct bytes what = c->argv[1];
    if (!k->entry) {
        reply_error(c->reply, "ERR The specified key does not exist");
        return;
    }
    if (!hll_fits(c, key_entry(k)))
        return;
    struct bytes value = entry_bytes(key_entry(k));
    bool dense = hll_is_dense(value);
    if (bytes_is(what, "getreg")) {
        debug_registers(c, k);
    } else if (bytes_is(what, "decode")) {
        debug_decode(c, value);
    } else if (bytes_is(what, "encoding")) {
        reply_status(c->reply, dense ? "dense" : "sparse");
    } else if (bytes_is(what, "todense")) {
        enum rc rc = dense ? RC_OK : make_dense(c, k);
        if (rc)
            hll_fail(c, rc);
        else
            reply_int(c->reply, !dense);
    } else {
        reply_errorf(c->reply, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)(what.n < 128 ? what.n : 128),
                     what.p);
    }
}

/* ---- PFSELFTEST ---- */

#define TEST_ELEMENTS 1000000u

/* Registers that are set at random in a dense one are those that were set. */
static bool test_registers(struct hll *h)
{
    static uint8_t is[HLL_REGISTERS];
    bool raised;
    memset(is, 0, sizeof(is));
    hll_new(h);
    hll_to_dense(h);
    for (unsigned i = 0; i < 4 * HLL_REGISTERS; i++) {
        unsigned at = (unsigned)random() % HLL_REGISTERS, rank = (unsigned)random() % 64;
        hll_raise(h, at, rank, 0, &raised);
        if (raised != (rank > is[at]))
            return false;
        is[at] = raised ? (uint8_t)rank : is[at];
    }
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        if (hll_register(h->p + HLL_HEAD, i) != is[i])
            return false;
    return true;
}

/* Sparse or dense, the estimate is the same, and no farther off than six standard errors (1.04 / sqrt(registers)). */
static bool test_estimate(const struct hll *dense, const struct hll *sparse, uint64_t n)
{
    uint64_t a, b;
    if (hll_count((struct bytes){(char *)dense->p, dense->n}, &a) ||
        hll_count((struct bytes){(char *)sparse->p, sparse->n}, &b) || a != b)
        return false;
    return fabs((double)a - (double)n) <= ceil(6 * 1.04 / sqrt(HLL_REGISTERS) * (double)n);
}

static bool test_counting(struct call *c, struct hll *dense, struct hll *sparse)
{
    uint64_t seed = (uint64_t)random() << 32;
    hll_new(dense);
    hll_to_dense(dense);
    hll_new(sparse);
    for (uint64_t i = 1, look = 1; i <= TEST_ELEMENTS; i++) {
        uint64_t element = seed ^ i;
        unsigned index, rank = hll_rank((struct bytes){(char *)&element, sizeof(element)}, &index);
        bool a, b;
        if (hll_raise(dense, index, rank, 0, &a) ||
            hll_raise(sparse, index, rank, c->cfg->hll_sparse_max_bytes, &b) || a != b)
            return false;
        if (i < look)
            continue;
        look *= 10;
        call_breathe(c);
        if (!test_estimate(dense, sparse, i))
            return false;
    }
    return true;
}

void cmd_pfselftest(struct call *c)
{
    struct hll *h = malloc(2 * sizeof(*h));
    CHECK(h);
    if (!test_registers(h))
        reply_error(c->reply, "TESTFAILED registers do not hold what was stored in them");
    else if (!test_counting(c, &h[0], &h[1]))
        reply_error(c->reply, "TESTFAILED the estimate is too far off, or depends on the representation");
    else
        reply_ok(c->reply);
    free(h);
}
