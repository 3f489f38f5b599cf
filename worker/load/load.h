/* worker/load/load.h - filling the keyspace from files, by several processes at once.
 * Owner     a loader process; there are load.nloaders of them, and the first has some duties more.
 * Locks     none; meetings (load_meet) order what concerns several loaders' keys.
 * Crash     a loader's death fails the loading: the keyspace is then incomplete.
 * Survives  no.
 * Fails     load_fail: says why in shm_load.error, and ends the process with 1.
 * Tests     tests/crash/load_files.py  tests/crash/load_log.py  tests/crash/recovery.py */
#ifndef SKEP_LOAD_H
#define SKEP_LOAD_H

#include "shm/config.h"
#include "shm/persist.h"
#include "worker/load/plan.h"
#include "worker/worker.h"

/* Every loader reads all of every file, and stores the keys of its share: a range of the hash, so that no two
 * loaders touch the same segments of a table once there are more than a few. */
struct loader {
    struct worker w;
    struct shm_load *load;
    unsigned index, n;
    struct load_plan plan;
    const struct load_file *file; /* the present one */
    struct bytes map;             /* its bytes */
    uint32_t db;
    uint64_t meetings; /* how many there were, over all files */
    /* Of our own log: what the base holds, the last record that was run (or skipped, the base has it), where the
     * segments so far have ended. */
    uint64_t base_lsn, lsn, segment_end, log_id;
    uint64_t errors; /* commands that failed: the first few are logged */
    uint64_t ticks;
    int64_t ticked_ms;
    struct shm_session session; /* what commands look at; nobody else's */
    struct rdb_batch *rdb;
    struct replay *replay;
};

static inline bool load_is_first(const struct loader *l)
{
    return l->index == 0;
}
static inline unsigned load_share(const struct loader *l, uint64_t hash)
{
    return (unsigned)((hash >> 32) * l->n >> 32);
}

__attribute__((noreturn, cold, format(printf, 2, 3))) void load_fail(struct loader *l, const char *fmt, ...);
__attribute__((noreturn, cold)) void load_fail_full(struct loader *l);

/* Comes to the next meeting. In the first loader it returns when all others are there and wait; it does what is
 * to be done and says load_go_on. In the others it returns after that. */
void load_meet(struct loader *l);
void load_go_on(struct loader *l);

void load_wait(struct loader *l, const uint64_t *word, uint64_t at); /* until the word is at least at */

/* Now and then, from where much is done: progress, heartbeat. at: bytes of the present file. */
void load_tick(struct loader *l, uint64_t at);

/* A batch: what is located in it stays where it is. */
void load_enter(struct loader *l);
void load_leave(struct loader *l);

/* ---- rdb.c ---- */

struct rdb_batch *rdb_batch_new(void); /* NULL: no memory */

/* Reads an RDB file from the map's beginning; *end: where it ends. keep_expired: a log follows, which says
 * itself what has gone. */
void load_rdb(struct loader *l, bool keep_expired, size_t *end);

/* ---- replay.c ---- */

struct replay *replay_new(void); /* NULL: no memory */

enum replay_result { REPLAY_OK, REPLAY_CUT, REPLAY_BAD };
/* Runs the next command of p, or leaves it to the loader whose share it is. *used: its bytes. Its arguments
 * must stay where they are until replay_flush. REPLAY_CUT: p ends within a command. REPLAY_BAD: it is none. */
enum replay_result replay_next(struct loader *l, const char *p, size_t n, size_t *used);
/* The same without running it; the arguments are good until the next call. */
enum replay_result replay_peek(struct loader *l, const char *p, size_t n, size_t *used,
                               const struct bytes **argv, unsigned *argc);
void replay_flush(struct loader *l); /* runs what has been gathered */

/* ---- aof.c, wal.c ---- */

void load_aof(struct loader *l);
void load_segment(struct loader *l);
/* Cuts the present file, for the first loader; false: errno says why not. */
bool load_cut(const struct loader *l, uint64_t at);

#endif
