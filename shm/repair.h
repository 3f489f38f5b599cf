/* shm/repair.h - what is done with the slot of a process that has ended.
 * Owner     the repairer, a short-lived child of the master; tests call it directly.
 * Locks     acts as the dead slot: the latches that it held are its own.
 * Crash     every step may be repeated: a repairer that dies is followed by another.
 * Survives  see shm/README.md, the proof of repair.
 * Fails     a CHECK ends the repairer when it finds the impossible; the master then rebuilds from disk.
 * Tests     tests/crash/crash_points.c  tests/crash/single_step.c */
#ifndef SKEP_REPAIR_H
#define SKEP_REPAIR_H

#include "shm/slot.h"

/* Forward or back, locks and gate released, mail told of. Afterwards the slot may be adopted. It may wait for
 * the latch of a size class or of the arena. When several processes have died, end the nested actions of
 * all of them first, so that it does not wait for another dead one; and if one dies meanwhile, do not wait
 * for this repair before that slot's nested action is ended. */
void slot_repair(uint32_t slot);
void slot_repair_nested(uint32_t slot);

/* Walks the whole arena while nothing runs in it: every block reachable or free and none both, every entry
 * where its hash says, every latch free, every counter true. Returns the number of faults; the first
 * few are described in why. */
unsigned arena_check(char *why, size_t why_bytes);

#endif
