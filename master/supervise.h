/* master/supervise.h - the child table: starting processes, noticing their deaths, repairing, replacing.
 * Owner     the master.
 * Locks     none.
 * Crash     a child's death at any moment is the normal case; see master/README.md.
 * Survives  an upgrade: the new binary goes on with the same children.
 * Fails     a fork that is refused is tried again, later and later.
 * Tests     tests/crash */
#ifndef SKEP_SUPERVISE_H
#define SKEP_SUPERVISE_H

#include "master/master.h"

/* Workers and slow lanes; the others work with the disk. */
static inline bool serves(enum slot_role role)
{
    return role == ROLE_WORKER || role == ROLE_LANE;
}

/* master/spawn.c */
/* Starts a process for the post in a free slot; answers the slot, or -1. */
int spawn_child(struct master *m, struct post *p);
/* Forks a process that repairs the slot of c; answers its pid, or -1. */
int spawn_repairer(struct master *m, struct child *c);
void children_wake(struct master *m); /* everybody looks again at what it waits for */

/* master/supervise.c */
void child_ready(struct master *m, struct child *c);
void started_check(struct master *m); /* says once that all serve */
/* No code of c runs any more; its status may be known or not. */
void child_gone(struct master *m, struct child *c);
void children_reap(struct master *m);
void post_start_due(struct master *m); /* restarts whose time has come */
void post_vacant(struct master *m, struct post *p, bool early);
/* Whether the post's next process, after the death of c now, would have to wait. */
bool restart_waits(const struct post *p, const struct child *c);
void child_stop(struct master *m, struct child *c, bool move);
void children_stop(struct master *m, enum slot_role role);
void children_kill(struct master *m);
bool children_any(struct master *m, enum slot_role role);
void repairs_retry(struct master *m);
void watchdog_look(struct master *m);

/* master/life.c: a thread that waits for the life locks. */
bool life_open(int *eventfd_out);
void life_watch(uint32_t slot);
void life_forget(uint32_t slot);
bool life_over(uint32_t slot); /* and takes the notice */

/* master/custody.c: the clients' sockets, and the talk with the children. */
void custody_open(struct master *m);
void child_connect(struct master *m, struct child *c, int fd);
void child_disconnect(struct master *m, struct child *c);
void child_tell(struct master *m, struct child *c, const struct control_msg *msg, int passed);
void child_hear(struct master *m, struct child *c); /* reads all that has been sent */
void children_flush(struct master *m);
/* What the dead process's sessions become. Answers how many were kept. */
unsigned sessions_settle(struct master *m, struct child *c);
/* Steps x to the first session from x on that belongs to slot and is not free. False: there is none. */
bool sessions_next(uint32_t slot, uint32_t *x);
void sessions_house(struct master *m); /* finds owners for the homeless */
struct child *least_loaded(struct master *m);

#endif
