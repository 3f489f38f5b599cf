/* worker/dispatch/monitor.h - feeds those who MONITOR, on every worker.
 * Owner     the worker that ran the command formats the line; mail takes it to the others once a turn.
 * Locks     none.
 * Crash     lines not yet sent are lost with their worker.
 * Survives  no.
 * Fails     a watcher that reads too slowly is closed by its output limit; one that would miss a line is closed, too.
 * Tests     tests/regress/sql/server_monitor.cmd  tests/crash/talk.py */
#ifndef SKEP_MONITOR_H
#define SKEP_MONITOR_H

#include "worker/net/client.h"

void monitor_feed(struct client *cl, const struct command *cmd, const struct request *rq);
void monitor_feed_queue(struct client *cl); /* what EXEC has run, or the lane is about to */
/* A line for watchers; who: an address, or lua. */
void monitor_line(struct reply *r, int64_t now_ms, uint32_t db, const char *who, const struct command *cmd,
                  const struct bytes *argv, int argc);
void monitor_from_lane(struct worker *w, const struct reply *lines);
void monitor_flush(struct worker *w);                            /* after the turn: to the other workers */
void monitor_deliver(struct worker *w, const void *p, size_t n); /* to our own watchers */

bool monitor_owes(const struct worker *w); /* somebody's ring had no room */
void monitor_give_up(struct worker *w);    /* this worker leaves, and owes: who would miss lines is closed */

/* When a watcher changes its worker, lines that are made meanwhile reach neither the old nor the new one. calm: all
 * that were begun have been sent, mark tells how many; when our mail has been read the watcher has had them all.
 * arrive answers whether none has been begun since. Otherwise it has missed some, and is to be closed. */
bool monitor_calm(struct worker *w, uint64_t *mark);
void monitor_depart(struct client *cl);
bool monitor_arrive(struct client *cl, uint64_t mark);

#endif
