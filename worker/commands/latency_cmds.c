/* worker/commands/latency_cmds.c - LATENCY: what took long, told as lists, pictures and words. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/config.h"
#include "shm/latency.h"
#include "worker/commands/server_cmds.h"
#include "worker/dispatch/stats.h"

command_fn cmd_latency_doctor, cmd_latency_graph, cmd_latency_histogram, cmd_latency_history,
    cmd_latency_latest, cmd_latency_reset;

struct series {
    uint64_t sample[LATENCY_SAMPLES];
    unsigned n;
    uint64_t max_ms;
};

static void load_series(struct series *s, int event)
{
    s->n = latency_samples((enum latency_event)event, s->sample, &s->max_ms);
}

void cmd_latency_latest(struct call *c)
{
    size_t mark = reply_defer(c->reply), n = 0;
    for (int e = 0; e < LATENCY_COUNT; e++) {
        struct series s;
        load_series(&s, e);
        if (!s.n)
            continue;
        uint64_t last = s.sample[s.n - 1];
        reply_array(c->reply, 4);
        reply_bulk_str(c->reply, latency_event_name((enum latency_event)e));
        reply_int(c->reply, latency_time_s(last));
        reply_int(c->reply, latency_ms(last));
        reply_int(c->reply, (long long)s.max_ms);
        n++;
    }
    reply_defer_array(c->reply, mark, n);
}

void cmd_latency_history(struct call *c)
{
    struct series s = {.n = 0};
    int e = latency_event_find(c->argv[2]);
    if (e >= 0)
        load_series(&s, e);
    reply_array(c->reply, s.n);
    for (unsigned i = 0; i < s.n; i++) {
        reply_array(c->reply, 2);
        reply_int(c->reply, latency_time_s(s.sample[i]));
        reply_int(c->reply, latency_ms(s.sample[i]));
    }
}

void cmd_latency_reset(struct call *c)
{
    unsigned n = 0;
    for (int e = 0; c->argc == 2 && e < LATENCY_COUNT; e++)
        n += latency_reset((enum latency_event)e);
    for (int i = 2; i < c->argc; i++) {
        int e = latency_event_find(c->argv[i]);
        n += e >= 0 && latency_reset((enum latency_event)e);
    }
    reply_int(c->reply, n);
}

/* ---- GRAPH ---- */

#define GRAPH_ROWS    4
#define GRAPH_COLUMNS 80

static void put_line(struct reply *text, const char *line, size_t n)
{
    reply_raw(text, line, n);
    REPLY_LIT(text, "\n");
}

/* How long ago, in the largest unit that gives two digits, and its letter. */
static void age_label(char label[8], int64_t seconds)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    unsigned u = 0;
    while (u < ARRAY_LEN(units) - 1 && seconds < units[u].seconds)
        u++;
    int64_t v = seconds > 0 ? seconds / units[u].seconds : 0;
    snprintf(label, 8, "%d%c", (int)(v < 9999 ? v : 9999), units[u].letter);
}

/* A column's mark at a height: '|' below its top; the top is '_', 'o' or '#' by how much of the row it fills.
 */
static char column_at(uint64_t level, uint64_t step, unsigned row_from_below)
{
    uint64_t base = (uint64_t)row_from_below * step;
    if (level >= base + step)
        return '|';
    if (level < base)
        return ' ';
    uint64_t third = (level - base) * 3 / step;
    return third == 0 ? '_' : third == 1 ? 'o' : '#';
}

static void put_columns(struct reply *text, const struct series *s, unsigned from, uint64_t low,
                        uint64_t high)
{
    const uint64_t levels = GRAPH_ROWS * 3; /* three marks a row; the highest value fills the last */
    for (unsigned row = GRAPH_ROWS; row-- > 0;) {
        char line[GRAPH_COLUMNS];
        for (unsigned i = from; i < s->n; i++) {
            uint64_t level = high > low ? (latency_ms(s->sample[i]) - low) * levels / (high - low) : 0;
            line[i - from] = column_at(level < levels ? level : levels - 1, 3, row);
        }
        put_line(text, line, s->n - from);
    }
}

/* Each column's age, written downwards. */
static void put_ages(struct reply *text, const struct series *s, unsigned from, int64_t now_s)
{
    char labels[GRAPH_COLUMNS][8], line[GRAPH_COLUMNS];
    size_t rows = 0, n = s->n - from;
    for (unsigned i = 0; i < n; i++) {
        age_label(labels[i], now_s - (int64_t)latency_time_s(s->sample[from + i]));
        size_t len = strlen(labels[i]);
        rows = len > rows ? len : rows;
    }
    memset(line, ' ', n);
    put_line(text, line, n);
    for (size_t row = 0; row < rows; row++) {
        for (unsigned i = 0; i < n; i++)
            line[i] = row < strlen(labels[i]) ? labels[i][row] : ' ';
        put_line(text, line, n);
    }
}

void cmd_latency_graph(struct call *c)
{
    struct series s = {.n = 0};
    struct reply text = {0};
    char head[160];
    int e = latency_event_find(c->argv[2]);
    if (e >= 0)
        load_series(&s, e);
    if (!s.n) {
        reply_errorf(c->reply, "ERR No samples available for event '%.*s'", (int)c->argv[2].n, c->argv[2].p);
        return;
    }
    unsigned from = s.n > GRAPH_COLUMNS ? s.n - GRAPH_COLUMNS : 0;
    uint64_t low = UINT64_MAX, high = 0;
    for (unsigned i = from; i < s.n; i++) {
        uint64_t ms = latency_ms(s.sample[i]);
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    int n = snprintf(head, sizeof(head), "%s - high %llu ms, low %llu ms (all time high %llu ms)",
                     latency_event_name((enum latency_event)e), (unsigned long long)high,
                     (unsigned long long)low, (unsigned long long)s.max_ms);
    put_line(&text, head, (size_t)n);
    memset(head, '-', GRAPH_COLUMNS);
    put_line(&text, head, GRAPH_COLUMNS);
    put_columns(&text, &s, from, low, high);
    put_ages(&text, &s, from, c->now_ms / 1000);
    reply_verbatim(c->reply, "txt", (struct bytes){text.buf, text.len});
    reply_free(&text);
}

/* ---- DOCTOR ---- */

#define SAY(text, s) REPLY_LIT(text, s "\n")

static void describe(struct reply *text, int event, unsigned number, const struct series *s)
{
    char line[256];
    uint64_t sum = 0, differences = 0;
    for (unsigned i = 0; i < s->n; i++)
        sum += latency_ms(s->sample[i]);
    uint64_t average = sum / s->n;
    for (unsigned i = 0; i < s->n; i++) {
        uint64_t ms = latency_ms(s->sample[i]);
        differences += ms > average ? ms - average : average - ms;
    }
    uint32_t span = latency_time_s(s->sample[s->n - 1]) - latency_time_s(s->sample[0]);
    int n = snprintf(
        line, sizeof(line),
        "%u. %s: %u spikes (average %llums, mean deviation %llums, one every %.2f seconds). The worst "
        "took %llums.",
        number, latency_event_name((enum latency_event)event), s->n, (unsigned long long)average,
        (unsigned long long)(differences / s->n), (double)span / s->n, (unsigned long long)s->max_ms);
    put_line(text, line, (size_t)n);
}

static void advise(struct call *c, struct reply *text, const bool *seen)
{
    int64_t slower = c->cfg->slowlog_log_slower_than, threshold_us = c->cfg->latency_monitor_threshold * 1000;
    SAY(text, "");
    if (seen[LATENCY_COMMAND] || seen[LATENCY_FAST]) {
        if (slower < 0 || slower > threshold_us) {
            char line[160];
            int n = snprintf(
                line, sizeof(line),
                "- The slow log does not show all of these commands: CONFIG SET slowlog-log-slower-than "
                "%lld would make it do so.",
                (long long)threshold_us);
            put_line(text, line, (size_t)n);
        }
        SAY(text, "- SLOWLOG GET tells which commands were slow.");
        SAY(text, "- A long command delays the client that sent it, and those that want the same keys; "
                  "others only");
        SAY(text, "  wait where workers are fewer than busy processors, or where the machine swaps.");
    }
    if (seen[LATENCY_FAST])
        SAY(text, "- Commands that take constant time were slow: look for a busy or swapping machine.");
    if (seen[LATENCY_EXPIRE])
        SAY(text, "- Many keys expire together: spread their times, or lower active-expire-effort.");
    if (seen[LATENCY_EVICT] || seen[LATENCY_EVICT_DEL])
        SAY(text, "- Eviction is busy: raise maxmemory, or store less.");
    if (seen[LATENCY_REPAIR])
        SAY(text, "- A worker died and was repaired: the log tells of what it died.");
}

void cmd_latency_doctor(struct call *c)
{
    struct reply text = {0};
    bool seen[LATENCY_COUNT] = {false};
    unsigned number = 0;
    for (int e = 0; e < LATENCY_COUNT; e++) {
        struct series s;
        load_series(&s, e);
        if (!s.n)
            continue;
        if (!number)
            SAY(&text, "Some events took longer than latency-monitor-threshold:\n");
        describe(&text, e, ++number, &s);
        seen[e] = true;
    }
    if (number)
        advise(c, &text, seen);
    else if (!c->cfg->latency_monitor_threshold)
        SAY(&text,
            "Latency monitoring is off. CONFIG SET latency-monitor-threshold MILLISECONDS turns it on.");
    else
        SAY(&text, "No event has taken longer than latency-monitor-threshold. All is well.");
    reply_verbatim(c->reply, "txt", (struct bytes){text.buf, text.len});
    reply_free(&text);
}

/* ---- HISTOGRAM ---- */

/* Sums a command's buckets over all slots; the number of its calls. */
static uint64_t sum_histogram(uint16_t row, uint64_t out[LATENCY_BUCKETS])
{
    uint64_t calls = 0;
    memset(out, 0, LATENCY_BUCKETS * sizeof(*out));
    for (uint32_t i = 0; i < arena_root()->nslots; i++) {
        const struct shm_slot *s = slot_at(i);
        if (!stats_count(s))
            continue;
        for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
            out[b] += s->hist[row][b];
            calls += s->hist[row][b];
        }
    }
    return calls;
}

/* Buckets are told cumulatively, and only where the count grows. */
static bool put_histogram(struct call *c, const struct command *row)
{
    uint64_t bucket[LATENCY_BUCKETS], total = 0;
    uint64_t calls = sum_histogram(row->id, bucket);
    size_t n = 0;
    if (!calls)
        return false;
    reply_bulk_str(c->reply, command_fullname(row));
    reply_map(c->reply, 2);
    reply_bulk_str(c->reply, "calls");
    reply_int(c->reply, (long long)calls);
    reply_bulk_str(c->reply, "histogram_usec");
    size_t mark = reply_defer(c->reply);
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        if (!bucket[b])
            continue;
        total += bucket[b];
        reply_int(c->reply, (long long)(stats_bucket_ns(b) / 1000));
        reply_int(c->reply, (long long)total);
        n++;
    }
    reply_defer_map(c->reply, mark, n);
    return true;
}

/* A container's own row counts nothing: its subcommands do. */
static size_t put_named(struct call *c, struct bytes name)
{
    const char *bar = memchr(name.p, '|', name.n);
    struct bytes first = {name.p, bar ? (size_t)(bar - name.p) : name.n};
    const struct command *row = command_find(first);
    if (row && bar)
        row = command_find_sub(row, (struct bytes){bar + 1, name.n - first.n - 1});
    if (!row)
        return 0;
    size_t n = put_histogram(c, row);
    for (unsigned i = 0; i < row->nsubs; i++)
        n += put_histogram(c, &command_rows[row->first_sub + i]);
    return n;
}

void cmd_latency_histogram(struct call *c)
{
    size_t mark = reply_defer(c->reply), n = 0;
    for (unsigned i = 0; c->argc == 2 && i < command_rows_n; i++)
        n += put_histogram(c, &command_rows[i]);
    for (int i = 2; i < c->argc; i++)
        n += put_named(c, c->argv[i]);
    reply_defer_map(c->reply, mark, n);
}
