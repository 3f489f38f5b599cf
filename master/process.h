/* master/process.h - what a server process does about itself: title, limits, lock, pid file, terminal.
 * Owner     the process that calls.
 * Locks     dir_lock: an advisory lock on a file in the working directory, held until the process ends.
 * Crash     the kernel gives the lock back; a stale pid file names a process that is gone.
 * Survives  an upgrade keeps title room, lock and pid.
 * Fails     with a sentence, or a log line where the server can go on.
 * Tests     tests/crash/second_instance.py */
#ifndef SKEP_PROCESS_H
#define SKEP_PROCESS_H

#include "shm/config.h"

/* Moves the environment away and remembers the room that argv and it had; copies argv first. */
char **title_init(int argc, char **argv);
__attribute__((format(printf, 1, 2))) void title_set(const char *fmt, ...);

/* Raises the limit of open files to what maxclients needs, or lowers maxclients to what the limit allows. */
void limit_open_files(struct shm_config *cfg, unsigned reserve);

/* Locks the current directory for this instance. *fd is -1 if it cannot be written to: nothing is kept there
 * yet, so that is no reason not to start. RC_BUSY: why says who has it. */
enum rc dir_lock(int *fd, char *why, size_t why_bytes);
void dir_lock_note_pid(int fd);

void daemonize(void);
void pidfile_write(const char *path);
void pidfile_remove(const char *path);

/* As pid 1: forks the server, and in the parent reaps and passes signals on until the server has ended. */
void init_above(void);

/* Closes all descriptors from 3 on but these (sorted here). */
void close_all_but(int *keep, int n);
void oom_offer(int score);

/* systemd's notification protocol: one datagram to the socket that it names. */
__attribute__((format(printf, 1, 2))) void notify_systemd(const char *fmt, ...);
bool notify_open(int supervised); /* true: somebody listens */
double notify_watchdog_s(void);   /* how often to say WATCHDOG=1, 0: never */

#endif
