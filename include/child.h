/* include/child.h - where child processes begin, and what they inherit; all that the master knows of them.
 * Owner     the child process, from fork to exit.
 * Locks     none.
 * Crash     see shm/README.md.
 * Survives  no.
 * Fails     exits with code 1 and a log line when its surroundings are unusable.
 * Tests     tests/regress  tests/crash */
#ifndef SKEP_CHILD_H
#define SKEP_CHILD_H

#include <stdint.h>

#define LISTENERS_MAX 64

/* What a child inherits. The arena is mapped; the slot is free or has been repaired. */
struct child_start {
    uint32_t slot, index;
    int listeners[LISTENERS_MAX]; /* a worker's own listening sockets, non-blocking */
    int nlisteners;
    int control;       /* its end of the unix socket (SOCK_SEQPACKET) to the master: struct control_msg */
    const int *wakefd; /* the eventfds of all slots, by slot number */
    int alive; /* workers and lanes hold the writing end of this pipe, the log's writer the reading end:
                        * its EOF says that none of them is left. -1: not for this child */
    int master_pid;
};

/* None returns. The caller has closed what is not the child's, set PR_SET_PDEATHSIG (but for the log's writer, who
 * outlives the master to drain the ring) and the title, and ignores SIGINT. */
__attribute__((noreturn)) void worker_main(const struct child_start *start); /* worker/worker_main.c */
__attribute__((noreturn)) void lane_main(const struct child_start *start);   /* worker/lane_main.c */
__attribute__((noreturn)) void loader_main(const struct child_start *start); /* worker/loader_main.c */
__attribute__((noreturn)) void wal_main(const struct child_start *start);    /* persist/wal_main.c */
__attribute__((noreturn)) void snap_main(const struct child_start *start);   /* persist/snap_main.c */

#endif
