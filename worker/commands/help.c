/* worker/commands/help.c - HELP, made from the rows of the command table. */
#include "worker/commands/help.h"

#include <ctype.h>
#include <stdio.h>

#include "worker/dispatch/call.h"
#include "worker/dispatch/command.h"
#include "worker/dispatch/docs.h"
#include "worker/proto/reply.h"

#define INDENT     "    "
#define LINE_BYTES 78 /* a help line fits a terminal of 80 columns */

command_fn cmd_help;

static void upper(char *s)
{
    for (; *s; s++)
        *s = (char)toupper((unsigned char)*s);
}

static void head(struct call *c, const char *name)
{
    char line[128];
    snprintf(line, sizeof line, "%s", name);
    upper(line);
    size_t n = strlen(line);
    snprintf(line + n, sizeof line - n, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    reply_status(c->reply, line);
}

void reply_help(struct call *c, const char *const *lines)
{
    size_t n = 0;
    while (lines[n])
        n++;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)c->argv[0].n, c->argv[0].p);
    reply_array(c->reply, n + 3);
    head(c, name);
    for (size_t i = 0; i < n; i++)
        reply_status(c->reply, lines[i]);
    reply_status(c->reply, "HELP");
    reply_status(c->reply, INDENT "Prints this help.");
}

/* Writes a sentence as indented lines, broken at blanks; the number of lines. */
static size_t put_sentence(struct call *c, const char *text)
{
    const size_t room = LINE_BYTES - strlen(INDENT);
    size_t lines = 0;
    while (*text) {
        size_t n = strlen(text);
        if (n > room) {
            n = room;
            while (n > 1 && text[n] != ' ')
                n--;
        }
        char line[LINE_BYTES + 1];
        snprintf(line, sizeof line, INDENT "%.*s", (int)n, text);
        reply_status(c->reply, line);
        lines++;
        text += n;
        text += *text == ' ';
    }
    return lines;
}

static size_t put_row(struct call *c, const struct command *cmd)
{
    char line[256];
    snprintf(line, sizeof line, "%s ", cmd->name);
    upper(line);
    size_t n = strlen(line);
    docs_usage(cmd, line + n, sizeof line - n);
    if (!line[n])
        line[n - 1] = 0; /* no arguments, so no blank behind the name */
    reply_status(c->reply, line);
    return 1 + put_sentence(c, cmd->brief);
}

void cmd_help(struct call *c)
{
    const char *name = c->cmd->parent;
    const struct command *box = command_find((struct bytes){name, strlen(name)});
    size_t mark = reply_defer(c->reply), lines = 1;
    head(c, name);
    if (box->run) {
        reply_status(c->reply, "(no subcommand)");
        lines += 1 + put_sentence(c, box->brief);
    }
    for (unsigned i = 0; i < box->nsubs; i++)
        lines += put_row(c, &command_rows[box->first_sub + i]);
    reply_defer_array(c->reply, mark, lines);
}
