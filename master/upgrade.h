/* master/upgrade.h - going over to a new binary in place (SIGUSR2), and starting anew with an empty arena.
 * Owner     the master; between the two binaries, the memfd that describes what is open.
 * Locks     none.
 * Crash     the death of the master ends everything, before, during and after.
 * Survives  this is how children, sockets, arena and configuration survive a change of binary.
 * Fails     a probe that finds the new binary unable refuses the upgrade; the old one goes on.
 * Tests     tests/crash/upgrade.py */
#ifndef SKEP_UPGRADE_H
#define SKEP_UPGRADE_H

#include "master/supervise.h"

struct saved;

void upgrade_step(struct master *m);                        /* time has passed */
bool upgrade_reaped(struct master *m, int pid, int status); /* answers whether pid was the probe */
int upgrade_probe(int fd, int argc, char **argv);           /* in the probe: answers its exit code */

/* In the new binary. First what is needed for creating or mapping; then, with all tables made, the rest. */
struct saved *upgrade_load(struct master *m, int fd, bool *empty);
const struct shm_config *upgrade_config(const struct saved *s);
void upgrade_restore(struct master *m, struct saved *s, int fd);

#endif
