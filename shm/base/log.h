/* shm/base/log.h - the log, in Redis's line format: "pid:role dd Mon yyyy hh:mm:ss.mmm level text".
 * Owner     each process its own copy of the settings, inherited over fork.
 * Locks     none: a line is one write(2) to a file opened with O_APPEND, so lines of several processes do not mix.
 * Crash     a line is out, or not.
 * Survives  the file does.
 * Fails     log_open and log_reopen say RC_IO; a line that cannot be written is dropped, for want of a place to say so.
 * Tests     tests/unit/test_log.c */
#ifndef SKEP_LOG_H
#define SKEP_LOG_H

#include <stdbool.h>

#include "include/rc.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING, LOG_LEVEL_NOTHING };

enum log_role { LOG_MASTER = 'M', LOG_WORKER = 'W', LOG_SLOW_LANE = 'L', LOG_CHILD = 'C' };

/* A longer line is cut: it is built on the stack, so that a process out of memory can still say so. */
#define LOG_LINE_MAX 2048

struct log_settings {
    const char
        *path; /* "" is standard output; it is copied, and made absolute so that a chdir does not move it */
    enum log_level level;
    bool syslog;
    const char *syslog_ident; /* kept by reference, as openlog(3) does */
    int syslog_facility;
};

/* Opens (creates) the file. Until the first call, lines of notice and above go to standard output. */
enum rc log_open(const struct log_settings *s);
/* Opens the same path again, after somebody has renamed the file. The old file stays in use when that fails.
 */
enum rc log_reopen(void);
/* Writes to this descriptor from now on: how a process that may open nothing gets a reopened file. */
void log_use_fd(int fd);
int log_fd(void);
/* For the process that daemonizes without a log file: lines go nowhere, syslog excepted. */
void log_silence(void);

void log_set_role(enum log_role role);
void log_set_level(enum log_level level);
bool log_shows(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *fmt, ...);

#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_line(LOG_LEVEL_VERBOSE, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)

#endif
