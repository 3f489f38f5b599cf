/* worker/dispatch/monitor.h - feeds those who MONITOR, on every worker.
 * Owner     the worker that ran the command formats the line; mail takes it to the others once a turn.
 * Locks     none.
 * Crash     lines not yet sent are lost with their worker.
 * Survives  no.
 * Fails     a watcher that reads too slowly is closed by its output limit.
 * Tests     tests/regress/conn_monitor */
#ifndef SKEP_MONITOR_H
#define SKEP_MONITOR_H

#include "worker/net/client.h"

void monitor_feed(struct client *cl, const struct command *cmd, const struct request *rq);
void monitor_flush(struct worker *w);                            /* after the turn: to the other workers */
void monitor_deliver(struct worker *w, const void *p, size_t n); /* to our own watchers */

#endif
