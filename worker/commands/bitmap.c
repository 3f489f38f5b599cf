/* worker/commands/bitmap.c - commands on the bits of strings. */
#include "shm/base/bits.h"
#include "shm/types/string.h"
#include "worker/commands/string_args.h"
#include "worker/dispatch/notify.h"

#include <stdlib.h>

#define ERR_BIT_OFFSET "ERR bit offset is not an integer or out of range"
#define ERR_FIELD_TYPE                                                                                       \
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."

/* Reading so much takes a millisecond, at some 10 GB/s. */
#define SCAN_BYTES (8u << 20)
/* And combining so much, together with the memory that the result needs. */
#define COMBINE_BYTES (1u << 20)

/* A place that a string may have. bits: of the field, whose number #N asks for; 0: there are no fields. */
static bool arg_offset(struct call *c, int i, unsigned bits, uint64_t *offset)
{
    struct bytes b = c->argv[i];
    int64_t v;
    bool fields = bits && b.n && b.p[0] == '#';
    b.p += fields;
    b.n -= fields;
    if (number_to_int64(b, &v) && v >= 0 && (!fields || !__builtin_mul_overflow(v, (int64_t)bits, &v)) &&
        (c->loading || v >> 3 < c->cfg->proto_max_bulk_len)) {
        *offset = (uint64_t)v;
        return true;
    }
    reply_error(c->reply, ERR_BIT_OFFSET);
    return false;
}

/* The value of the command's first key; empty where there is none. */
static struct bytes value_of(const struct shm_entry *e, char digits[STRING_DIGITS])
{
    return e ? string_bytes(e, digits) : (struct bytes){digits, 0};
}

static void window_read(struct bytes value, uint64_t offset, uint8_t window[FIELD_BYTES])
{
    uint64_t at = offset >> 3;
    size_t n = at < value.n ? value.n - at : 0;
    memset(window, 0, FIELD_BYTES);
    if (n)
        memcpy(window, value.p + at, n < FIELD_BYTES ? n : FIELD_BYTES);
}

/* ---- one bit ----
 * As in Redis, a value that bits are to be set in becomes raw, even if none of them changes. */

void cmd_getbit(struct call *c)
{
    char digits[STRING_DIGITS];
    uint64_t offset;
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (!arg_offset(c, 2, 0, &offset) || !string_fits(c, e))
        return;
    struct bytes b = value_of(e, digits);
    reply_int(c->reply, offset >> 3 < b.n ? (uint8_t)b.p[offset >> 3] >> (7 - (offset & 7)) & 1 : 0);
}

void cmd_setbit(struct call *c)
{
    struct key_ref *k = call_key(c, 0);
    const struct shm_entry *e = key_entry(k);
    char digits[STRING_DIGITS];
    uint64_t offset;
    int64_t on;
    if (!arg_offset(c, 2, 0, &offset))
        return;
    if (!number_to_int64(c->argv[3], &on) || on & ~1) {
        reply_error(c->reply, "ERR bit is not an integer or out of range");
        return;
    }
    if (!string_fits(c, e))
        return;
    struct bytes b = value_of(e, digits);
    uint64_t at = offset >> 3;
    size_t length;
    uint8_t was = at < b.n ? (uint8_t)b.p[at] : 0, bit = (uint8_t)(0x80 >> (offset & 7));
    if (at >= b.n || !!(was & bit) != on || entry_enc(e) != ENC_RAW) {
        char byte = (char)(on ? was | bit : was & ~bit);
        if (change_defers(c, k, b.n, at, at + 1))
            return;
        enum rc rc = string_set_range(c->tx, k, at, (struct bytes){&byte, 1}, call_clock(c, k), &length);
        if (UNLIKELY(rc)) {
            call_fail(c, rc);
            return;
        }
    }
    if (at >= b.n || !!(was & bit) != on)
        call_notify(c, NOTIFY_STRING, "setbit", k);
    reply_int(c->reply, !!(was & bit));
}

/* ---- counting and searching ---- */

/* A range as the arguments from start on tell it: in bytes, or bits. False: the error has been written. */
struct range {
    int64_t start, end; /* end included */
    bool bits;
    bool
        backwards; /* both from the end, and start behind end: nothing, even where both lie before the beginning */
};

static bool range_unit(struct call *c, int i, struct range *r)
{
    r->bits = bytes_is(c->argv[i], "bit");
    if (r->bits || bytes_is(c->argv[i], "byte"))
        return true;
    reply_error(c->reply, ERR_SYNTAX);
    return false;
}

/* From the end to the beginning, and cut at both; then in bits, end excluded. */
static void range_settle(struct range *r, size_t bytes, uint64_t *from, uint64_t *end)
{
    int64_t total = (int64_t)(r->bits ? bytes << 3 : bytes);
    r->start = r->start < 0 ? r->start + total : r->start;
    r->end = r->end < 0 ? r->end + total : r->end;
    r->start = r->start < 0 ? 0 : r->start;
    r->end = r->end < 0 ? 0 : r->end;
    r->end = r->end >= total ? total - 1 : r->end;
    *from = *end = 0;
    if (r->start <= r->end) {
        *from = (uint64_t)r->start << (r->bits ? 0 : 3);
        *end = (uint64_t)(r->end + 1) << (r->bits ? 0 : 3);
    }
}

static bool scan_defers(struct call *c, uint64_t from, uint64_t end)
{
    return UNLIKELY(end - from > (uint64_t)SCAN_BYTES * 8) && call_defer(c);
}

void cmd_bitcount(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    char digits[STRING_DIGITS];
    struct range r = {.end = -1};
    uint64_t from, end;
    if (!e || !string_fits(c, e)) {
        if (!e)
            reply_int(c->reply, 0);
        return;
    }
    if (c->argc == 3 || c->argc > 5) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if (c->argc > 3) {
        if (!arg_int64(c, 2, &r.start) || !arg_int64(c, 3, &r.end))
            return;
        r.backwards = r.start < 0 && r.end < 0 && r.start > r.end;
        if (!r.backwards && c->argc == 5 && !range_unit(c, 4, &r))
            return;
    }
    struct bytes b = value_of(e, digits);
    range_settle(&r, b.n, &from, &end);
    if (!r.backwards && scan_defers(c, from, end))
        return;
    reply_int(c->reply, r.backwards ? 0 : (long long)bits_count(b.p, from, end));
}

/* The range of BITPOS: without an end it goes on in zeros. */
static bool bitpos_range(struct call *c, struct range *r, bool *open)
{
    *open = c->argc < 5;
    *r = (struct range){.end = -1};
    if (c->argc > 6) {
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    return (c->argc < 4 || arg_int64(c, 3, &r->start)) && (c->argc < 6 || range_unit(c, 5, r)) &&
           (c->argc < 5 || arg_int64(c, 4, &r->end));
}

void cmd_bitpos(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    char digits[STRING_DIGITS];
    struct range r;
    int64_t bit;
    uint64_t from, end;
    bool open;
    if (!arg_int64(c, 2, &bit))
        return;
    if (bit & ~1) {
        reply_error(c->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!e) {
        reply_int(c->reply, bit ? -1 : 0);
        return;
    }
    if (!string_fits(c, e) || !bitpos_range(c, &r, &open))
        return;
    struct bytes b = value_of(e, digits);
    range_settle(&r, b.n, &from, &end);
    if (scan_defers(c, from, end))
        return;
    uint64_t found = bits_find(b.p, from, end, bit);
    bool none = from == end || (found == end && (bit || !open));
    reply_int(c->reply, none ? -1 : (long long)found);
}

/* ---- BITOP ---- */

static bool bitop_word(struct call *c, enum bits_op *op)
{
    static const char *const words[] = {
        [BITS_AND] = "and", [BITS_OR] = "or", [BITS_XOR] = "xor", [BITS_NOT] = "not"};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (bytes_is(c->argv[1], words[i])) {
            *op = (enum bits_op)i;
            if (i != BITS_NOT || c->argc == 4)
                return true;
            reply_error(c->reply, "ERR BITOP NOT must be called with a single source key.");
            return false;
        }
    reply_error(c->reply, ERR_SYNTAX);
    return false;
}

static enum rc bitop_store(struct call *c, enum bits_op op, const struct bytes *src, unsigned n, size_t len)
{
    struct key_ref *k = call_key(c, 0);
    shm_ref r;
    char *to;
    if (!len)
        return k->entry ? key_del(c->tx, k, false) : RC_OK;
    enum rc rc = string_begin(c->tx, k, len, -1, call_clock(c, k), &r, &to);
    if (rc)
        return rc;
    bits_combine(op, to, len, src, n);
    return key_put(c->tx, k, r, false);
}

static void bitop(struct call *c, enum bits_op op, struct bytes *src, char (*digits)[STRING_DIGITS],
                  unsigned n)
{
    size_t len = 0;
    uint64_t all = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct shm_entry *e = key_entry(call_key(c, i + 1));
        call_missed(c, call_key(c, i + 1));
        if (!string_fits(c, e))
            return;
        src[i] = value_of(e, digits[i]);
        len = src[i].n > len ? src[i].n : len;
        all += src[i].n;
    }
    if (all > COMBINE_BYTES && call_defer(c))
        return;
    struct key_ref *k = call_key(c, 0);
    enum rc rc = bitop_store(c, op, src, n, len);
    if (rc) {
        call_fail(c, rc);
        return;
    }
    if (len)
        call_notify(c, NOTIFY_STRING, "set", k);
    else if (k->logged)
        call_notify(c, NOTIFY_GENERIC, "del", k);
    reply_int(c->reply, (long long)len);
}

void cmd_bitop(struct call *c)
{
    enum bits_op op;
    if (!bitop_word(c, &op) || keys_defer(c))
        return;
    unsigned n = c->nkeys - 1;
    struct bytes *src = malloc(n * sizeof(*src));
    char(*digits)[STRING_DIGITS] = malloc(n * sizeof(*digits));
    CHECK(src && digits);
    bitop(c, op, src, digits, n);
    free(src);
    free(digits);
}

/* ---- BITFIELD ---- */

struct field_op {
    enum { FIELD_GET, FIELD_SET, FIELD_INCRBY } op;
    struct field_kind kind;
    uint64_t offset;
    int64_t v;
};

static bool field_type(struct call *c, int i, struct field_kind *f)
{
    struct bytes b = c->argv[i];
    int64_t bits;
    f->is_signed = b.n && b.p[0] == 'i';
    if (b.n > 1 && (f->is_signed || b.p[0] == 'u') &&
        number_to_int64((struct bytes){b.p + 1, b.n - 1}, &bits) && bits >= 1 &&
        bits <= (f->is_signed ? 64 : 63)) {
        f->bits = (uint8_t)bits;
        return true;
    }
    reply_error(c->reply, ERR_FIELD_TYPE);
    return false;
}

static bool field_overflow_word(struct call *c, int i, uint8_t *overflow)
{
    static const char *const words[] = {[FIELD_WRAP] = "wrap", [FIELD_SAT] = "sat", [FIELD_FAIL] = "fail"};
    for (uint8_t w = 0; w < ARRAY_LEN(words); w++)
        if (bytes_is(c->argv[i], words[w])) {
            *overflow = w;
            return true;
        }
    reply_error(c->reply, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* The operation that begins at argument *i, which moves on behind it; *overflow stays for those that follow. op->kind.bits
 * is 0 when it was none but OVERFLOW. */
static bool field_parse(struct call *c, int *i, uint8_t *overflow, struct field_op *op)
{
    struct bytes word = c->argv[*i];
    int at = *i + 1, more = c->argc - at;
    *op = (struct field_op){.kind.overflow = *overflow};
    if (bytes_is(word, "overflow") && more >= 1) {
        *i += 2;
        return field_overflow_word(c, at, overflow);
    }
    op->op = bytes_is(word, "set") ? FIELD_SET : bytes_is(word, "incrby") ? FIELD_INCRBY : FIELD_GET;
    int takes = op->op == FIELD_GET ? 2 : 3;
    if (more < takes || (op->op == FIELD_GET && !bytes_is(word, "get"))) {
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    *i = at + takes;
    return field_type(c, at, &op->kind) && arg_offset(c, at + 1, op->kind.bits, &op->offset) &&
           (op->op == FIELD_GET || arg_int64(c, at + 2, &op->v));
}

/* All operations, so that what is wrong with the last is said before the first is done. */
struct field_plan {
    struct field_op *op;
    unsigned n;
    bool writes;
    uint64_t last_byte; /* that a write reaches */
};

static bool fields_parse(struct call *c, struct field_plan *p)
{
    uint8_t overflow = FIELD_WRAP;
    p->op = malloc((size_t)c->argc * sizeof(*p->op));
    CHECK(p->op);
    for (int i = 2; i < c->argc;) {
        struct field_op *op = &p->op[p->n];
        if (!field_parse(c, &i, &overflow, op))
            return false;
        if (!op->kind.bits)
            continue;
        p->n++;
        if (op->op == FIELD_GET)
            continue;
        uint64_t last = (op->offset + op->kind.bits - 1) >> 3;
        p->last_byte = last > p->last_byte ? last : p->last_byte;
        p->writes = true;
    }
    return true;
}

/* An unsigned field's numbers fit an int64, as it has at most 63 bits. */
static void field_read(struct call *c, struct bytes value, const struct field_op *op)
{
    uint8_t window[FIELD_BYTES];
    window_read(value, op->offset, window);
    reply_int(c->reply, field_number(&op->kind, field_get(window, op->offset & 7, op->kind.bits)));
}

static enum rc field_write(struct call *c, struct key_ref *k, const struct field_op *op, bool grown,
                           bool *changes)
{
    char digits[STRING_DIGITS];
    uint8_t window[FIELD_BYTES];
    unsigned at = op->offset & 7, bits = op->kind.bits;
    size_t bytes = (at + bits + 7) / 8, length;
    window_read(value_of(key_entry(k), digits), op->offset, window);
    int64_t was = field_number(&op->kind, field_get(window, at, bits)), now;
    bool set = op->op == FIELD_SET;
    if (!field_add(&op->kind, set ? op->v : was, set ? 0 : op->v, &now)) {
        reply_null(c->reply);
        return RC_OK;
    }
    reply_int(c->reply, set ? was : now);
    *changes |= grown || was != now;
    if (was == now)
        return RC_OK;
    field_put(window, at, bits, (uint64_t)now);
    return string_set_range(c->tx, k, op->offset >> 3, (struct bytes){(char *)window, bytes},
                            call_clock(c, k), &length);
}

/* Before the first operation the string becomes as long as the farthest write needs it, as in Redis. */
static enum rc fields_room(struct call *c, struct key_ref *k, uint64_t last_byte)
{
    char digits[STRING_DIGITS];
    struct bytes b = value_of(key_entry(k), digits);
    char byte = last_byte < b.n ? b.p[last_byte] : 0;
    size_t length;
    if (change_defers(c, k, b.n, last_byte, last_byte + 1))
        return RC_DEFER;
    if (last_byte < b.n && entry_enc(key_entry(k)) == ENC_RAW)
        return RC_OK;
    return string_set_range(c->tx, k, last_byte, (struct bytes){&byte, 1}, call_clock(c, k), &length);
}

static void fields_run(struct call *c, const struct field_plan *p)
{
    struct key_ref *k = call_key(c, 0);
    char digits[STRING_DIGITS];
    bool grown = p->last_byte >= value_of(key_entry(k), digits).n, changes = false;
    enum rc rc = p->writes ? fields_room(c, k, p->last_byte) : RC_OK;
    if (!rc)
        reply_array(c->reply, p->n);
    for (unsigned i = 0; i < p->n && !rc; i++)
        if (p->op[i].op == FIELD_GET)
            field_read(c, value_of(key_entry(k), digits), &p->op[i]);
        else
            rc = field_write(c, k, &p->op[i], grown, &changes);
    if (rc)
        call_fail(c, rc);
    else if (changes)
        call_notify(c, NOTIFY_STRING, "setbit", k);
    else if (UNLIKELY(c->cfg->notify_flags)) /* it was made, and all writes failed */
        notify_born(c, k);
}

static void bitfield(struct call *c, bool only_reads)
{
    struct field_plan p = {0};
    if (fields_parse(c, &p)) {
        if (!only_reads && !p.writes)
            call_missed(c, call_key(c, 0));
        if (only_reads && p.writes)
            reply_error(c->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        else if (string_fits(c, key_entry(call_key(c, 0))))
            fields_run(c, &p);
    }
    free(p.op);
}

void cmd_bitfield(struct call *c)
{
    bitfield(c, false);
}

void cmd_bitfield_ro(struct call *c)
{
    bitfield(c, true);
}
