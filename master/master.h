/* master/master.h - what the master knows: its children, the posts that they fill, and the sockets it keeps.
 * Owner     the master's one thread; the life thread (master/life.c) touches nothing here.
 * Locks     none.
 * Crash     the master's death ends every child; nothing here has to be repaired.
 * Survives  an upgrade: master/upgrade.c writes what counts into a memfd, and the new binary reads it.
 * Fails     never.
 * Tests     tests/crash */
#ifndef SKEP_MASTER_H
#define SKEP_MASTER_H

#include <ev.h>
#include <signal.h>

#include "master/conf_file.h"
#include "master/durable.h"
#include "master/listen.h"
#include "shm/base/channel.h"
#include "shm/session.h"

#define POSTS_MAX (CONF_WORKERS_MAX + 64 + 1)

enum child_phase {
    CHILD_NONE = 0,
    CHILD_STARTING, /* forked; CTL_READY has not come */
    CHILD_RUNNING,
    CHILD_STOPPING,  /* CTL_STOP was sent */
    CHILD_DEAD,      /* no code of it runs any more; its exit status or a new try of the repair is awaited */
    CHILD_REPAIRING, /* a repairer works in its slot */
};

/* One for each slot: the process that has the slot, or had it until the repair is done. */
struct child {
    enum child_phase phase;
    enum slot_role role;
    uint32_t slot, index;
    int pid; /* 0: reaped */
    int status;
    bool was_ready;  /* CTL_READY came */
    bool left;       /* CTL_LEFT came: it has nothing any more, and ends by itself */
    bool moving_out; /* CTL_STOP with y=1 */
    struct channel control;
    ev_io in, out;
    uint32_t sessions; /* how many the master knows to be its */
    double started_at, deadline;
    double stopped_at; /* since when it has been stopped by a signal, 0: it runs */
    int repairer;      /* pid, 0: none */
    unsigned repairs;  /* tries so far */
    double repair_at;  /* when the next try is due, 0: none */
    uint64_t died_us;
};

/* What must always be filled: worker 3, slow lane 0, and while the log is on its writer. During a replacement two
 * processes stand on a post. */
struct post {
    enum slot_role role;
    uint32_t index;
    int slot;      /* of the process that serves, -1 none */
    int next;      /* of its successor while a replacement is under way, -1 none */
    int last_slot; /* preferred for the next process: its magazines are full */
    uint32_t restarts;
    double delay;    /* how long the next restart waits, if the process ends early */
    double start_at; /* a restart is due then, 0: none */
    int lent_to;     /* the slot that accepts for this post meanwhile, -1 none */
    bool off;        /* nobody is wanted now */
    bool owes; /* though it is off: the last one died before its work was done, and another one ends it */
};

/* A process that has died and whose slot is repaired, but that the kernel still takes apart. */
#define GHOSTS_MAX 64
struct ghost {
    int pid;
    enum slot_role role;
    uint32_t index;
};

enum roll_step { ROLL_NONE = 0, ROLL_START, ROLL_READY, ROLL_LEAVE };

/* A new binary that is being tried. */
struct probe {
    int pid;
    bool passed; /* the exec waits for a calm moment */
    bool told;   /* that it waits for the disk */
    int exe, state, reader;
    ev_io io;
    double deadline;
    size_t len;
    char text[512];
};

struct master {
    struct ev_loop *loop;
    struct conf_request *request;
    struct shm_config *cfg; /* in the arena */
    struct shm_root *root;
    int arena_fd;
    int argc;
    char **argv; /* copies: the originals are overwritten by the title */
    char exe[PATH_MAX];
    int pid;
    int dir_lock; /* -1: the directory cannot be locked */
    struct listen_set listen;
    int *wakefd; /* by slot */
    uint32_t nslots;

    struct child *child; /* by slot */
    struct post post[POSTS_MAX];
    uint32_t nposts, nworkers, nlanes;
    struct ghost ghost[GHOSTS_MAX];

    int *client_fd;     /* by session: our duplicate, -1 none. The truth; session->master_fd is its image */
    uint32_t *homeless; /* sessions without a living owner, until a worker runs */
    uint32_t nhomeless;
    bool warned_no_fds;

    sigset_t old_mask;
    ev_io signals, deaths;
    ev_timer tick;
    uint64_t seen_generation;
    bool reload_due; /* the configuration was being changed when it was to be read again */

    bool started; /* READY has been told */
    enum { RUN, SAVE_LAST, STOP_WORKERS, STOP_LANES, STOP_LOG } ending;
    unsigned ending_flags;   /* SHUTDOWN_* */
    bool ending_saves;       /* a last snapshot is made */
    double ending_at;        /* when patience ends */
    unsigned ending_writers; /* of the log, that died meanwhile */
    double ending_told;      /* when it is told next that the end takes long */
    enum roll_step roll;
    uint32_t roll_post, roll_tries;
    bool roll_again;
    double roll_deadline;
    double roll_began;
    double next_watchdog_ping;
    struct probe probe;
    struct durable durable;
};

extern const char *const role_names[];

static inline struct child *post_child(struct master *m, const struct post *p)
{
    return p->slot < 0 ? NULL : &m->child[p->slot];
}
struct post *post_find(struct master *m, enum slot_role role, uint32_t index);

double now_s(void);

/* master/signals.c */
void signals_open(struct master *m);
void signals_block(sigset_t *old);
void master_run(struct master *m);

/* master/ending.c */
void stop_all(struct master *m, unsigned flags); /* SHUTDOWN_* */

/* master/rolling.c: replaces the processes one by one. */
void roll_begin(struct master *m);
void roll_step(struct master *m); /* something has happened, or time has passed */
/* Reads the configuration again and stores what may change while the server runs. */
void config_reload(struct master *m);
/* Logs why a reload or an upgrade is not done, and has INFO tell it. */
void refusal_note(struct master *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Listens where the configuration says. On failure everything stays as it was, and why tells the reason. */
enum rc config_listen(struct master *m, char *why, size_t why_bytes);
void config_notice(struct master *m); /* acts upon what a client's CONFIG SET has changed */

/* master/upgrade.c */
void upgrade_begin(struct master *m);
__attribute__((noreturn)) void rebuild_begin(struct master *m, const char *why);

#endif
