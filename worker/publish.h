/* worker/publish.h - what a process tells of itself in its slot: time, memory, figures per second.
 * Owner     the process; called every 100 ms by its loop.
 * Locks     none.
 * Crash     figures are stored singly; the next process overwrites them.
 * Survives  no.
 * Fails     without /proc the private memory is shown as 0.
 * Tests     tests/regress/server_info */
#ifndef SKEP_PUBLISH_H
#define SKEP_PUBLISH_H

#include "shm/slot.h"

/* Opens what is read later, since a worker opens nothing while it serves. */
void publish_start(struct shm_ctx *ctx);
void slot_publish(struct shm_ctx *ctx);

/* Bytes in use: the arena's blocks and every process's private heap. */
uint64_t used_memory_bytes(void);

#endif
