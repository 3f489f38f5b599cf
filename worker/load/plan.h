/* worker/load/plan.h - which files make up the keyspace, in which order.
 * Owner     each loader its own copy; all make the same from the same directory.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  no.
 * Fails     RC_INVALID or RC_IO with a sentence in why.
 * Tests     tests/crash/load_files.py  tests/crash/load_log.py */
#ifndef SKEP_LOAD_PLAN_H
#define SKEP_LOAD_PLAN_H

#include <limits.h>

#include "shm/persist.h"

struct shm_config;

enum load_kind {
    LOAD_RDB,     /* dump.rdb */
    LOAD_BASE,    /* what our log follows */
    LOAD_SEGMENT, /* of our log */
    LOAD_AOF,     /* Redis's, with or without an RDB in front */
};

struct load_file {
    enum load_kind kind;
    bool last;       /* the last one, whose end may be torn */
    uint64_t number; /* a base's LSN, a segment's number */
    uint64_t bytes;
    char path[PATH_MAX];
};

struct load_plan {
    struct load_file *file;
    unsigned n, cap;
    bool is_log;  /* what is loaded is a log, ours or Redis's */
    bool foreign; /* appendonly yes, and not our log */
    uint64_t total_bytes;
    uint64_t hash;
    uint64_t base_lsn, last_segment; /* of our own log */
    char why[1024];
};

/* No files at all is a plan, too: the keyspace is empty. log_dir: where skep-wal is, if anywhere. */
enum rc plan_make(struct load_plan *plan, const struct shm_config *cfg, const char *log_dir,
                  enum load_what what);
void plan_free(struct load_plan *plan);
/* Adds a file, which must be there. */
enum rc plan_add(struct load_plan *plan, enum load_kind kind, uint64_t number, const char *path);
__attribute__((format(printf, 3, 4))) enum rc plan_refuse(struct load_plan *plan, enum rc rc, const char *fmt,
                                                          ...);

/* manifest.c: Redis's list of AOF files. RC_MISSING: there is no such file. */
enum rc plan_manifest(struct load_plan *plan, const char *dir, const char *path);

#endif
