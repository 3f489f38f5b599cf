/* master/durable.h - what the master does for durability: loading at the start, snapshots, the log's writer, and the
 * clients that wait for these. It reads and writes no file of data itself.
 * Owner     the master's one thread.
 * Locks     none.
 * Crash     the master's death ends all but the writer, which drains the ring; the next start finds the rest on disk.
 * Survives  an upgrade, which waits until nothing of this is under way.
 * Fails     a start that cannot load, or cannot log, ends with code 1; at run time the log says what failed.
 * Tests     tests/crash/persist.py  tests/crash/disk.py */
#ifndef SKEP_DURABLE_H
#define SKEP_DURABLE_H

#include "shm/persist.h"

struct master;
struct child;
struct post;
struct control_msg;

enum load_step {
    LOADED = 0,
    AT_LANES, /* DEBUG: writes wait, and those that run come to their end */
    AT_SAVE,  /* DEBUG RELOAD: a snapshot is made first */
    AT_QUIET, /* DEBUG: the log's writer drains and ends */
    AT_FILES, /* the loaders work */
    AT_LOG,   /* the log's writer starts */
    AT_BASE,  /* the base that the log follows is made */
};

/* Who wanted the snapshot that is under way. */
enum snap_why {
    SNAP_FOR_POINT = 1, /* a save point, or BGSAVE */
    SNAP_FOR_SAVE,      /* SAVE: clients wait for it */
    SNAP_FOR_REWRITE,   /* BGREWRITEAOF, by a client or by size */
    SNAP_FOR_LOG,       /* the log begins, or is healed */
    SNAP_FOR_LOAD,      /* a step of loading */
    SNAP_FOR_END,       /* the last one */
    SNAP_FOR_NOBODY,    /* called off */
};

/* A client that waits for an answer. begun: what it waits for is under way; those that ask later wait for the next. */
struct asker {
    uint32_t ask, session;
    uint64_t id;
    bool begun;
};

#define REWRITE_BEGUN "+Background append only file rewriting started"
#define REWRITE_SOON  "+Background append only file rewriting scheduled"
#define REWRITE_FAILED                                                                                       \
    "-ERR Can't execute an AOF background rewriting. Please check the server logs for more information."

struct durable {
    int alive
        [2]; /* include/child.h; the master holds both ends, so that EOF comes after its own death alone */
    enum load_step step;
    bool again;          /* loading at run time: DEBUG RELOAD or LOADAOF */
    bool load_failed;    /* at run time */
    unsigned load_tries; /* starts over, after a crash while loading */
    bool log_closed;     /* the writer that ends now is the last of its log */
    unsigned log_tries;  /* writers that ended before they were ready */
    uint32_t reload;     /* RELOAD_* */
    enum load_what what;
    uint64_t quiet_epoch; /* batches that began before this one may have missed that writes wait */
    double told_at;       /* when the progress was last told */

    enum snap_why why; /* 0: no snapshot is under way */
    bool snap_died;    /* the present one is only ended, without a file */
    uint32_t failed_before;
    double snap_restart, snap_delay;
    bool bgsave_scheduled;
    int64_t tried_s;    /* when the last background save began */
    double base_at;     /* when the last base was complete, or had failed */
    double second;      /* when the next look at what is due is taken */
    double log_granted; /* until when the log is open although appendonly is not yes yet */
    bool
        rewrite_alone; /* a base is wanted although there is no log: it is open, and off, until that is made */

    struct asker *askers;
    uint32_t naskers, room;
};

/* master/loading.c */
void loading_prepare(
    struct master *m); /* before the first children: decides whether there is something to load */
void loading_children(struct master *m);
void loading_child_ended(struct master *m, struct child *c, bool crashed);
void loading_go_on(struct master *m); /* a step may be done */
void loading_snapshot_ended(struct master *m, bool ok);
void loading_tick(struct master *m);
void loading_again(struct master *m, const struct control_msg *msg); /* DEBUG RELOAD, DEBUG LOADAOF */
void loading_call_off(struct master *m); /* what is there is still whole: it stays */
__attribute__((noreturn)) void start_failed(struct master *m, const char *why);

/* master/saving.c */
bool snap_begin(struct master *m, enum snap_kind kind, bool log_begins, enum snap_why why);
void snap_child_ended(struct master *m, bool crashed);
void snap_call_off(struct master *m);
void saving_tick(struct master *m);
void save_ask(struct master *m, const struct control_msg *msg);
void bgsave_ask(struct master *m, const struct control_msg *msg);
void rewrite_ask(struct master *m, const struct control_msg *msg);

/* master/logging.c: the log's writer */
void log_open_writer(struct master *m, bool begins);
void log_close_writer(struct master *m);
void log_writer_ready(struct master *m);
void log_writer_left(struct master *m, bool crashed);
void log_writer_ended(struct master *m, bool was_ready);
void log_follow(struct master *m);  /* what the configuration says */
bool log_begin(struct master *m);   /* a base with which the log begins, unless a snapshot is under way */
bool log_rewrite(struct master *m); /* a new base; false: not now, perhaps soon */
void log_ask(struct master *m, const struct control_msg *msg);
struct post *log_post(struct master *m);

/* master/ask.c: clients that wait */
void ask_handle(struct master *m, const struct control_msg *msg);
void ask_note(struct master *m, const struct control_msg *msg);
void ask_begin(struct master *m, uint32_t ask); /* those who have asked so far wait for what begins now */
bool ask_waits(const struct master *m, uint32_t ask);
void ask_answer(struct master *m, uint32_t ask, const char *text); /* to those for whom it had begun */
void ask_reply(struct master *m, const struct control_msg *msg, const char *text);

/* master/ending.c */
void ending_step(struct master *m);
void ending_saved(struct master *m, bool ok);
void ending_ask(struct master *m, const struct control_msg *msg);
bool ending_needs(struct master *m, const struct post *p, bool crashed);
bool ending_stops(const struct master *m, uint32_t role);
__attribute__((noreturn)) void end_now(struct master *m, int code);

static inline void heed_set(struct shm_persist *p, uint32_t what, bool on)
{
    __atomic_store_n(&p->heed, on ? p->heed | what : p->heed & ~what, __ATOMIC_RELEASE);
}

#endif
