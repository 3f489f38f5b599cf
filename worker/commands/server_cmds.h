/* worker/commands/server_cmds.h - what the server's own commands share with each other and with the loop.
 * Owner     the process.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  no.
 * Fails     never.
 * Tests     tests/regress/server_monitor  server_info */
#ifndef SKEP_SERVER_CMDS_H
#define SKEP_SERVER_CMDS_H

#include "include/control.h"
#include "include/version.h"
#include "shm/entry.h"
#include "worker/dispatch/call.h"

struct client;
/* Begins and ends MONITOR: to be called, too, before a client that watches is closed or handed over. */
void monitor_start(struct client *cl);
void monitor_stop(struct client *cl);

/* "1.50M", as INFO shows sizes; out has room for 24 bytes. */
void human_bytes(char out[24], uint64_t n);

/* Around a wait in the slow lane: nobody may have to wait for a batch of ours meanwhile. */
void lane_step_out(struct call *c);
void lane_step_in(struct call *c);

/* Asks the master on behalf of the client. True: this is its answer. False: the question is on its way; the handler
 * returns at once, the client waits, and the command is run again from its beginning when the answer is there. So
 * it must not have changed anything before it asks. Not for the slow lane, which has no clients. */
bool ask_master(struct call *c, enum control_ask ask, unsigned options, char answer[CONTROL_TEXT]);
/* The same in the slow lane, which has no clients and waits. False: there is no answer. */
bool ask_in_lane(struct call *c, enum control_ask ask, char answer[CONTROL_TEXT]);
/* The answer, if this is the run that has one. */
bool take_answer(struct call *c, char answer[CONTROL_TEXT]);
void reply_told(struct call *c, const char *answer);

/* "ERR unknown subcommand or wrong number of arguments for 'X'. Try CMD HELP." */
void reply_subcommand_syntax(struct call *c);

#endif
