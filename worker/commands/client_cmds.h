/* worker/commands/client_cmds.h - what HELLO, AUTH and RESET share with CLIENT.
 * Owner     the worker that serves the client.
 * Locks     none.
 * Crash     fields of the session change one by one; each alone makes sense.
 * Survives  what is in the session does.
 * Fails     false: the error has been replied.
 * Tests     tests/regress/conn_client  conn_hello  conn_reset */
#ifndef SKEP_CLIENT_CMDS_H
#define SKEP_CLIENT_CMDS_H

#include "worker/dispatch/call.h"

bool client_name_check(struct call *c, struct bytes name);
void client_name_set(struct shm_session *s, struct bytes name);
/* Sets or clears a mark of the session that others may read at any time. */
void session_mark(struct shm_session *s, uint32_t flag, bool on);

#endif
