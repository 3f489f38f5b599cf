/* worker/commands/help.h - the reply of X HELP.
 * Owner     the process that runs the command.
 * Locks     none.
 * Crash     private memory.
 * Survives  no.
 * Fails     never.
 * Tests     tests/unit/test_command.c  tests/regress/command.cmd */
#ifndef SKEP_HELP_H
#define SKEP_HELP_H

struct call;

/* Lines written by hand, for a command whose subcommands are no rows of the table (DEBUG). The last is NULL;
 * the first line and HELP itself are added here. A subcommand and what it does are separate lines, the latter
 * indented. */
void reply_help(struct call *c, const char *const *lines);

/* cmd_help(c) is the handler of all HELP rows: it makes the reply from the rows beside its own. */

#endif
