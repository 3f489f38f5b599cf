/* worker/control.h - a child's end of the socket to the master.
 * Owner     the child process.
 * Locks     none.
 * Crash     the master sees EOF and the death itself.
 * Survives  no.
 * Fails     a full socket: messages wait in a queue and go out as it drains.
 * Tests     tests/crash */
#ifndef SKEP_WORKER_CONTROL_H
#define SKEP_WORKER_CONTROL_H

#include "include/control.h"
#include "worker/worker.h"

struct control_queue;

void control_open(struct worker *w, int fd);
/* Sends, or queues. passed: a descriptor that rides along, -1 none; it must stay open until it has gone. */
void control_send(struct worker *w, const struct control_msg *m, int passed);
void control_flush(struct worker *w);
bool control_queued(const struct worker *w);
/* The next message; passed gets the descriptor that came with it or -1. False: none. *closed: the master left. */
bool control_receive(struct worker *w, struct control_msg *m, int *passed, bool *closed);
/* Whether a message was put aside by control_ask: the socket does not tell of it. */
bool control_heard(const struct worker *w);
/* Asks the master and waits for the answer: only for the slow lane, which serves nobody directly. False: there is none.
 * What else comes meanwhile is kept for control_receive. */
bool control_ask(struct worker *w, enum control_ask ask, char answer[CONTROL_TEXT]);
int control_fd(const struct worker *w);

#endif
