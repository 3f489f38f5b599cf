/* worker/commands/lcs.c - the longest common subsequence of two strings.
 *
 * The table of all prefixes' lengths is what Redis builds too; which of several longest subsequences is found
 * follows from how it is walked back, so that walk is the same: down the diagonal on equal bytes, otherwise
 * to the greater neighbour, and on a tie to the left. */
#include "shm/types/string.h"
#include "worker/commands/string_args.h"

#include <stdlib.h>

/* Cells that a worker fills while its other clients wait: about a millisecond's worth. */
#define CELLS_MAX (1u << 19)

struct lcs {
    struct bytes a, b;
    uint32_t *cell; /* (a.n + 1) rows of b.n + 1 */
    bool want_len, want_idx, with_length;
    int64_t min_match;
};

struct match { /* both runs end there (exclusive) and have so many bytes */
    size_t a_end, b_end, n;
};

static inline uint32_t *cell(const struct lcs *l, size_t i, size_t j)
{
    return &l->cell[i * (l->b.n + 1) + j];
}

static bool options(struct call *c, struct lcs *l)
{
    for (int i = 3; i < c->argc; i++) {
        struct bytes word = c->argv[i];
        if (bytes_is(word, "idx")) {
            l->want_idx = true;
        } else if (bytes_is(word, "len")) {
            l->want_len = true;
        } else if (bytes_is(word, "withmatchlen")) {
            l->with_length = true;
        } else if (bytes_is(word, "minmatchlen") && i + 1 < c->argc) {
            if (!arg_int64(c, ++i, &l->min_match))
                return false;
        } else {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
    }
    if (l->want_idx && l->want_len) {
        reply_error(c->reply, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static bool strings(struct call *c, struct lcs *l, char digits[2][STRING_DIGITS])
{
    struct bytes *out[2] = {&l->a, &l->b};
    for (unsigned i = 0; i < 2; i++) {
        const struct shm_entry *e = key_entry(call_key(c, i));
        if (e && entry_type(e) != TYPE_STRING) {
            reply_error(c->reply, "ERR The specified keys must contain string values");
            return false;
        }
        *out[i] = e ? string_bytes(e, digits[i]) : (struct bytes){digits[i], 0};
    }
    return true;
}

/* In the lane, a long computation works on copies, and its keys are anybody's: nothing has been changed, so the transaction
 * may end early. One of several commands of a transaction keeps what that holds. */
static char *detach(struct call *c, struct lcs *l)
{
    char *copy = malloc(l->a.n + l->b.n + 1);
    CHECK(copy);
    memcpy(copy, l->a.p, l->a.n);
    memcpy(copy + l->a.n, l->b.p, l->b.n);
    l->a.p = copy;
    l->b.p = copy + l->a.n;
    tx_abort(c->tx);
    return copy;
}

static void fill(struct call *c, struct lcs *l, bool detached)
{
    size_t since = 0;
    memset(l->cell, 0, (l->b.n + 1) * sizeof(*l->cell));
    for (size_t i = 1; i <= l->a.n; i++) {
        const uint32_t *above = cell(l, i - 1, 0);
        uint32_t *row = cell(l, i, 0);
        char byte = l->a.p[i - 1];
        row[0] = 0;
        for (size_t j = 1; j <= l->b.n; j++) {
            uint32_t best = above[j] > row[j - 1] ? above[j] : row[j - 1];
            row[j] = byte == l->b.p[j - 1] ? above[j - 1] + 1 : best;
        }
        since += l->b.n;
        if (detached && since > CELLS_MAX) {
            call_breathe(c);
            since = 0;
        }
    }
}

static size_t reply_match(struct call *c, const struct lcs *l, const struct match *m)
{
    if (!m->n || (l->min_match > 0 && m->n < (uint64_t)l->min_match))
        return 0;
    reply_array(c->reply, l->with_length ? 3 : 2);
    reply_array(c->reply, 2);
    reply_int(c->reply, (long long)(m->a_end - m->n));
    reply_int(c->reply, (long long)m->a_end - 1);
    reply_array(c->reply, 2);
    reply_int(c->reply, (long long)(m->b_end - m->n));
    reply_int(c->reply, (long long)m->b_end - 1);
    if (l->with_length)
        reply_int(c->reply, (long long)m->n);
    return 1;
}

/* Walks back from the end. text, unless NULL, has room for the subsequence; else the runs are replied, the
 * last first, and their number is returned. */
static size_t walk_back(struct call *c, const struct lcs *l, char *text)
{
    size_t i = l->a.n, j = l->b.n, at = *cell(l, i, j), found = 0;
    struct match m = {0};
    while (i && j) {
        if (l->a.p[i - 1] == l->b.p[j - 1]) {
            bool goes_on = m.n && m.a_end - m.n == i && m.b_end - m.n == j;
            if (!goes_on) {
                if (!text)
                    found += reply_match(c, l, &m);
                m = (struct match){i, j, 0};
            }
            m.n++;
            i--;
            j--;
            if (text)
                text[--at] = l->a.p[i];
        } else if (*cell(l, i - 1, j) > *cell(l, i, j - 1)) {
            i--;
        } else {
            j--;
        }
    }
    return text ? 0 : found + reply_match(c, l, &m);
}

static void reply_lcs(struct call *c, const struct lcs *l)
{
    uint32_t length = *cell(l, l->a.n, l->b.n);
    if (l->want_len) {
        reply_int(c->reply, length);
    } else if (l->want_idx) {
        reply_map(c->reply, 2);
        reply_bulk_str(c->reply, "matches");
        size_t mark = reply_defer(c->reply);
        reply_defer_array(c->reply, mark, walk_back(c, l, NULL));
        reply_bulk_str(c->reply, "len");
        reply_int(c->reply, length);
    } else {
        char *text = malloc(length + 1u);
        CHECK(text);
        walk_back(c, l, text);
        reply_bulk(c->reply, text, length);
        free(text);
    }
}

void cmd_lcs(struct call *c)
{
    struct lcs l = {0};
    char digits[2][STRING_DIGITS];
    if (!strings(c, &l, digits) || !options(c, &l))
        return;
    if (l.a.n >= UINT32_MAX - 1 || l.b.n >= UINT32_MAX - 1) {
        reply_error(c->reply, "ERR String too long for LCS");
        return;
    }
    uint64_t cells = (uint64_t)(l.a.n + 1) * (l.b.n + 1);
    if (cells > (uint64_t)c->cfg->proto_max_bulk_len / sizeof(*l.cell)) {
        reply_error(c->reply, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return;
    }
    if (cells > CELLS_MAX && call_defer(c))
        return;
    l.cell = malloc(cells * sizeof(*l.cell));
    if (!l.cell) {
        reply_error(c->reply, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    char *copy = c->in_lane && c->tx && !c->in_exec ? detach(c, &l) : NULL;
    fill(c, &l, copy);
    reply_lcs(c, &l);
    if (copy)
        tx_begin(c->tx, c->ctx); /* for dispatch to end it */
    free(copy);
    free(l.cell);
}
