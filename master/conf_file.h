/* master/conf_file.h - from the command line, redis.conf and standard input to a struct shm_config, and back.
 * Owner     the master; struct conf_request lives as long as it does, so that SIGHUP can load again.
 * Locks     none: runs before the fork, or on a copy of the configuration.
 * Crash     nothing shared is touched. A rewritten file appears whole, by rename, or not at all.
 * Survives  the file does.
 * Fails     with words that name file and line, in struct conf_report or err; the configuration is unusable.
 * Tests     tests/unit/test_config.c  tests/fuzz/fuzz_config.c  tests/regress/start.py */
#ifndef SKEP_CONF_FILE_H
#define SKEP_CONF_FILE_H

#include <stdio.h>

#include "shm/config.h"

enum conf_mode { CONF_RUN, CONF_HELP, CONF_VERSION, CONF_TEST_MEMORY };

struct conf_request {
    enum conf_mode mode;
    long test_megabytes;
    char start_dir[PATH_MAX]; /* where we were started: what relative paths count from at every reload */
    char path[PATH_MAX];      /* the configuration file, absolute; "" when none was named */
    char *input;              /* what standard input held, NULL when it was not asked for */
    size_t input_len;
    char *options; /* the --directives, a line each */
};

struct conf_warning {
    char *file;
    int line;
    char *text;
};

struct conf_report {
    struct conf_warning *warnings; /* for the log, once it is open: conf_log_warnings */
    int nwarnings;
    char *error; /* of several lines, for conf_print_error; NULL when all is well */
};

/* Takes argv apart as redis-server does: [FILE] [--directive value ...] [-]. Standard input is read here,
 * once. */
enum rc conf_read_args(int argc, char **argv, struct conf_request *req, char *err, size_t errlen);
void conf_request_free(struct conf_request *req);

/* Fills cfg: defaults, then the file, standard input and the command line, the later over the earlier.
 * RC_INVALID, RC_IO or RC_NOMEM leave report->error. */
enum rc conf_load(const struct conf_request *req, struct shm_config *cfg, struct conf_report *report);
void conf_print_error(FILE *to, const struct conf_report *report);
void conf_log_warnings(const struct conf_report *report);
void conf_report_free(struct conf_report *report);

/* CONFIG REWRITE. err is the whole error reply without the leading '-'. path "" means: started without a
 * file. */
enum rc conf_rewrite(const char *path, const struct shm_config *cfg, char *err, size_t errlen);

/* Reads all of a descriptor into fresh memory, with an end mark behind it. */
enum rc conf_slurp(int fd, char **out, size_t *len);

#endif
