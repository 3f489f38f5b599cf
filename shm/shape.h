/* shm/shape.h - the sizes of all that lies in the arena, so that another binary can tell whether it fits.
 * Owner     nobody: numbers of this binary.
 * Locks     none.
 * Crash     read-only.
 * Survives  compared at an upgrade.
 * Fails     never.
 * Tests     tests/unit/test_arena.c */
#ifndef SKEP_SHAPE_H
#define SKEP_SHAPE_H

#include <stdint.h>

uint64_t shape_session_bytes(void);
uint64_t shape_mail_bytes(uint32_t nslots);
uint64_t shape_slowlog_bytes(void); /* of one slot */
uint64_t shape_persist_bytes(void);
uint64_t shape_waiters_bytes(void);
uint64_t shape_watch_bytes(void);
uint64_t shape_pubsub_bytes(void);
uint64_t shape_scripting_bytes(void);
uint64_t shape_track_bytes(uint32_t nslots);

#endif
