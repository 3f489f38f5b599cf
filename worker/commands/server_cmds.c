/* worker/commands/server_cmds.c - TIME ROLE SHUTDOWN MONITOR LOLWUT, and what the server's commands share. */
#include "worker/commands/server_cmds.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "shm/base/number.h"
#include "worker/commands/client_cmds.h"
#include "worker/control.h"
#include "worker/net/client.h"

command_fn cmd_lolwut, cmd_monitor, cmd_role, cmd_shutdown, cmd_time;

void human_bytes(char out[24], uint64_t n)
{
    static const char units[] = "BKMGTPE";
    unsigned u = 0;
    double v = (double)n;
    while (v >= 1024 && u < 6) {
        v /= 1024;
        u++;
    }
    snprintf(out, 24, u ? "%.2f%c" : "%.0f%c", v, units[u]);
}

void reply_subcommand_syntax(struct call *c)
{
    char parent[24];
    const char *name = c->cmd->parent ? c->cmd->parent : c->cmd->name;
    size_t n = 0;
    for (; name[n] && n < sizeof(parent) - 1; n++)
        parent[n] = (char)toupper((unsigned char)name[n]);
    parent[n] = 0;
    struct bytes word = c->argc > 1 ? c->argv[1] : BYTES_LIT("");
    reply_errorf(c->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                 (int)(word.n < 128 ? word.n : 128), word.p, parent);
}

void lane_step_out(struct call *c)
{
    batch_leave(c->ctx);
}

void lane_step_in(struct call *c)
{
    const struct timespec nap = {0, 20000};
    while (!batch_enter(c->ctx))
        nanosleep(&nap, NULL);
}

void cmd_time(struct call *c)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    reply_array(c->reply, 2);
    reply_bulk_int(c->reply, t.tv_sec);
    reply_bulk_int(c->reply, t.tv_nsec / 1000);
}

void cmd_role(struct call *c)
{
    reply_array(c->reply, 3);
    reply_bulk_str(c->reply, "master");
    reply_int(c->reply, 0);
    reply_array(c->reply, 0);
}

/* ---- SHUTDOWN ---- */

/* The bits for the master, or -1. */
static int parse_shutdown(const struct call *c)
{
    static const struct {
        const char *word;
        unsigned bit;
    } options[] = {{"nosave", SHUTDOWN_NOSAVE},
                   {"save", SHUTDOWN_SAVE},
                   {"now", SHUTDOWN_NOW},
                   {"force", SHUTDOWN_FORCE},
                   {"abort", SHUTDOWN_ABORT}};
    unsigned bits = 0;
    for (int i = 1; i < c->argc; i++) {
        unsigned k = 0;
        while (k < ARRAY_LEN(options) && !bytes_is(c->argv[i], options[k].word))
            k++;
        if (k == ARRAY_LEN(options))
            return -1;
        bits |= options[k].bit;
    }
    bool both = (bits & SHUTDOWN_SAVE) && (bits & SHUTDOWN_NOSAVE);
    bool mixed = (bits & SHUTDOWN_ABORT) && bits != SHUTDOWN_ABORT;
    return both || mixed ? -1 : (int)bits;
}

/* Success has no reply: the connection ends with the server. */
void cmd_shutdown(struct call *c)
{
    int bits = parse_shutdown(c);
    if (bits < 0) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    char answer[CONTROL_TEXT];
    if (ask_master(c, ASK_SHUTDOWN, (unsigned)bits, answer))
        reply_told(c, answer);
}

/* ---- MONITOR ---- */

/* The slot's number never exceeds its share of the root's, whatever the moment of a death: what slot_adopt
 * then takes back leaves one too many at the worst, which only costs time. */
void monitor_start(struct client *cl)
{
    if (cl->monitor)
        return;
    cl->monitor = true;
    session_mark(cl->session, SESSION_F_MONITOR, true);
    __atomic_fetch_add(&cl->w->ctx.root->monitors, 1, __ATOMIC_SEQ_CST);
    cl->w->ctx.slot->watchers++;
}

void monitor_stop(struct client *cl)
{
    if (!cl->monitor)
        return;
    cl->monitor = false;
    session_mark(cl->session, SESSION_F_MONITOR, false);
    cl->w->ctx.slot->watchers--;
    __atomic_fetch_sub(&cl->w->ctx.root->monitors, 1, __ATOMIC_ACQ_REL);
}

void cmd_monitor(struct call *c)
{
    if (c->in_exec) {
        reply_error(c->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    monitor_start(c->client);
    reply_ok(c->reply);
}

/* ---- LOLWUT ---- */

#define ART_COLUMNS 66
#define ART_ROWS    20

static uint32_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

/* A skep is a hive of straw: a dome of coils, and a few bees around it. */
static char art_at(int row, int column, uint64_t *random)
{
    int middle = ART_COLUMNS / 2, y = row - 3;
    /* Half the width of coil y: a quarter of an ellipse of 14 rows and 20 columns, in whole numbers. */
    int half = 0;
    while (y >= 0 && y <= 14 && (half + 1) * (half + 1) * 196 <= 400 * (196 - (14 - y) * (14 - y)))
        half++;
    int from = column - middle < 0 ? middle - column : column - middle;
    if (y > 10 && y <= 14 && from < 3)
        return ' '; /* the door */
    if (half && from < half)
        return (column + row) % 3 ? '=' : '~';
    if (half && from == half)
        return column < middle ? '(' : ')';
    return next_random(random) % 60 == 0 ? '*' : ' ';
}

static void put_art(struct reply *text, uint64_t seed)
{
    uint64_t random = seed * 2654435769u + 88172645463325252ull;
    for (int row = 0; row < ART_ROWS; row++) {
        char line[ART_COLUMNS + 1];
        int n = 0;
        for (int column = 0; column < ART_COLUMNS; column++)
            line[n++] = art_at(row, column, &random);
        while (n && line[n - 1] == ' ')
            n--;
        line[n++] = '\n';
        reply_raw(text, line, (size_t)n);
    }
}

/* VERSION chooses among Redis's pictures. We have the one, for all versions; further arguments that are
 * numbers sow the bees. */
void cmd_lolwut(struct call *c)
{
    uint64_t seed = (uint64_t)c->now_ms;
    struct reply text = {0};
    int64_t v;
    bool versioned = c->argc >= 3 && bytes_is(c->argv[1], "version");
    if (versioned && !number_to_int64(c->argv[2], &v)) {
        reply_error(c->reply, ERR_NOT_INT);
        return;
    }
    for (int i = versioned ? 3 : 1; i < c->argc; i++)
        if (number_to_int64(c->argv[i], &v))
            seed = seed * 31 + (uint64_t)v;
    put_art(&text, seed);
    REPLY_LIT(&text,
              "\nA skep, home of many workers. Redis ver. " REDIS_VERSION ", skep ver. " SKEP_VERSION "\n");
    reply_verbatim(c->reply, "txt", (struct bytes){text.buf, text.len});
    reply_free(&text);
}
