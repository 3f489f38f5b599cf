/* worker/worker_main.h - where worker and slow-lane processes begin; all that the master knows of them.
 * Owner     the child process, from fork to exit.
 * Locks     none.
 * Crash     see shm/README.md.
 * Survives  no.
 * Fails     exits with code 1 and a log line when its surroundings are unusable.
 * Tests     tests/regress  tests/crash */
#ifndef SKEP_WORKER_MAIN_H
#define SKEP_WORKER_MAIN_H

#include <stdint.h>

#define LISTENERS_MAX 64

/* What a child inherits. The arena is mapped; the slot is free or has been repaired. */
struct child_start {
    uint32_t slot, index;
    int listeners[LISTENERS_MAX]; /* this worker's own listening sockets, non-blocking */
    int nlisteners;
    int control;       /* its end of the unix socket (SOCK_SEQPACKET) to the master: struct control_msg */
    const int *wakefd; /* the eventfds of all slots, by slot number */
    int master_pid;
};

/* Both never return. The caller has closed what is not the child's, set PR_SET_PDEATHSIG and the title,
 * and ignores SIGINT. */
__attribute__((noreturn)) void worker_main(const struct child_start *start);
__attribute__((noreturn)) void lane_main(const struct child_start *start);

#endif
