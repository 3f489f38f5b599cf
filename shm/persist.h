/* shm/persist.h - what workers, master and the processes that work with the disk tell each other.
 * Owner     each word has one writer, named beside it; everybody reads.
 * Locks     none: words are stored one by one, and those that belong together only with the gate closed.
 * Crash     every word is valid by itself; what must change together changes by a transaction.
 * Survives  worker death, and the death of each of these processes: yes. Restart: no, it is found on disk.
 * Fails     never.
 * Tests     tests/crash  tests/regress */
#ifndef SKEP_PERSIST_H
#define SKEP_PERSIST_H

#include "shm/slot.h"

/* The keyspace's state as to the disk at its start. */
enum load_state {
    LOAD_NONE = 0, /* nothing is being loaded: commands run */
    LOAD_RUNNING,  /* loaders fill the keyspace: clients get -LOADING */
    LOAD_FAILED,   /* error says why: the master ends */
};

enum load_what {
    LOAD_AT_START = 0, /* what the configuration says */
    LOAD_DUMP,         /* DEBUG RELOAD: dbfilename. Only keys are stored: log and snapshot keep their words */
    LOAD_LOG,          /* DEBUG LOADAOF: the log, in the same way; wal.on is 0 meanwhile */
};

#define LOADERS_MAX 64u
/* One for each loader: it alone writes here, once the master has cleared all of struct shm_load. */
struct shm_loader {
    _Alignas(64) uint64_t position; /* how many meetings it has come to (shm_load.barrier) */
    uint64_t keys;                  /* of RDB files: it has stored so many */
    uint64_t expired;               /* and left out so many */
    uint64_t bytes_done;            /* of the present file */
    uint32_t done;                  /* all is stored; the first loader's comes last, when all words are set */
};

/* The master clears it, sets nloaders, what, start_ms and state, and starts the loaders. When all of them have ended
 * with 0, the master ends the loading: with needs_base it has a base made first, and what must be so before the
 * first write (the log is on, say) it does before it sets LOAD_NONE. A loader that ends otherwise has failed:
 * with 1, error says why (at the start the master puts it into the log, otherwise the loader has done so); killed
 * by a signal, it could say nothing, and the others, who may be waiting for it, are to be ended. */
struct shm_load {
    uint32_t state; /* enum load_state: the master; LOAD_FAILED also the loader that failed first */
    uint32_t nloaders;
    uint32_t what;  /* enum load_what: the master */
    uint32_t flush; /* first of all the databases are emptied: the master */
    uint32_t
        merge; /* keys of the file replace those that are there; otherwise these are a fault. The master */
    int64_t start_ms;             /* wall clock: the master */
    uint64_t total_bytes;         /* of all files, for the progress; from here on the first loader */
    uint64_t loaded_bytes_before; /* of files that are done */
    /* Files end, and commands that concern several loaders' keys run, when all have come to the same place: the
     * barrier follows when the first loader has done there what is to be done. */
    uint64_t barrier;
    uint64_t plan;       /* a hash of the list of files: every loader makes the same list; 0: not yet */
    uint32_t file;       /* which file of the plan is being loaded */
    uint32_t aof;        /* a log is being loaded (for INFO) */
    uint32_t needs_base; /* appendonly yes, but the data do not come from our own log */
    uint32_t failing;    /* claimed by the first loader that fails: it writes error, then state */
    char error[512];
    struct shm_loader loader[LOADERS_MAX];
};

enum snap_kind {
    SNAP_RDB = 1,  /* dir/dbfilename; becomes the log's base as well while the log is on */
    SNAP_BASE = 2, /* a base for the log only (BGREWRITEAOF, the log's beginning, its healing) */
};
enum snap_state {
    SNAP_IDLE = 0,
    SNAP_STARTING,  /* the snapshotter is being forked: nothing has been cut */
    SNAP_WALKING,   /* cut: tables with snap_from have entries that were not written */
    SNAP_DISCARDING /* it failed or its process died: the walk is ended without a file */
};

/* A snapshot under way, and how the last ones ended. The cut sets state, lsn and the tables in one transaction. */
struct shm_snap {
    uint64_t state;      /* enum snap_state: the master sets STARTING, the snapshotter the others */
    uint32_t kind;       /* enum snap_kind: the master, before the fork */
    uint32_t log_begins; /* the cut turns the log on */
    uint64_t shares;     /* 1: what is older than this cut may be in use by the snapshot as well */
    uint64_t serial;     /* how many cuts there have been: nodes of collections carry the last one's */
    uint64_t lsn;        /* the log's position at the cut */
    uint64_t tables;     /* shm_ref of the list of tables being walked, one word for each database; 0: none */
    int64_t start_ms;
    uint64_t keys_total, keys_done; /* for INFO */
    uint64_t dirty_at_cut;
    uint64_t handed;      /* entries that writers gave over */
    uint64_t used_at_cut; /* bytes of memory, of which a share may stand in each slot's ring */
    int64_t pid;          /* whose temporary file it is; the snapshotter */
    /* How it ended: the snapshotter, then state is SNAP_IDLE again. */
    uint32_t failed; /* the last one of SNAP_RDB */
    uint32_t base_failed;
    int64_t last_save_s; /* LASTSAVE */
    int64_t last_s;      /* how long the last one took, -1: there was none */
    int64_t base_last_s;
    uint64_t saves;
    uint64_t dirty_saved; /* changes that the last good one holds */
    uint64_t busy; /* enum snap_kind: what is under way as clients see it, 0: another may begin. The master */
    char error[256];
};

enum wal_state {
    WAL_OFF = 0,
    WAL_BEGINS, /* records are made, but the base that they follow is not complete yet */
    WAL_ON,
    WAL_ENDS, /* no record is made any more, but what was written counts: the base is complete */
};

/* Readers of a key wait for the last record that concerns it, or shares its place here. */
#define WAL_SEEN 65536u

struct shm_wal {
    uint32_t on;    /* records are made: changes with the gate closed (on), or at any time (off) */
    uint32_t state; /* enum wal_state: the master, the snapshotter at the base's completion */
    uint32_t
        fault; /* an errno: the log cannot be written, and writes are refused; 0: all is well. The writer */
    uint32_t waits;    /* replies wait for the disk, as soon as there are records: appendfsync always, and
                        * no snapshot for which syncs pause. The master */
    uint32_t writer;   /* slot of the writer + 1, 0: none */
    uint64_t base_lsn; /* the base holds everything up to here. The snapshotter, when the file is in place */
    uint64_t
        heal; /* the writer is to begin anew behind the base; 0: no. The snapshotter sets, the writer clears */
    uint64_t next_segment; /* number of the next segment: the loader at the start, then the writer */
    uint64_t log_id;
    _Alignas(64) uint64_t lsn;     /* the last number that was drawn */
    _Alignas(64) uint64_t written; /* handed to the kernel up to here */
    uint64_t durable;              /* on disk up to here */
    uint32_t asleep; /* the writer sleeps: whoever makes a record and wants it on disk soon wakes it */
    _Alignas(64) uint64_t seen_all; /* what concerns all keys: FLUSHALL and its like */
    uint64_t seen[WAL_SEEN];        /* while waits only */
    /* For INFO: the writer. */
    _Alignas(64) uint64_t segments, bytes, base_bytes, syncs, sync_us_sum, sync_us_max, last_sync_us,
        delayed_syncs;
    uint64_t kept_bytes; /* of segments that the last new base has left over */
    uint64_t begun_ms;
    char error[256];
    /* The writer: segments from this number on count only when the base is complete; 0: there are none. */
    uint64_t pending_from;
    char dir[1024]; /* of skep-wal's directory: the log stays there when dir changes. Who opens it first */
};

/* What a worker must mind before it runs a command; the master's. */
enum {
    HEED_LOADING = 1u << 0,     /* the keyspace is being loaded: -LOADING, and nobody removes keys */
    HEED_SAVE_FAILED = 1u << 1, /* the last background save failed: see stop-writes-on-bgsave-error */
    HEED_LAST_SAVE = 1u << 2,   /* the last snapshot before the end is being made: writes wait */
    HEED_RELOAD = 1u << 3,      /* what is there is about to be loaded again: writes wait */
};

struct shm_persist {
    uint32_t heed; /* HEED_*: in a line of its own, since every command reads it */
    uint32_t rewrite_scheduled, rewrites, rewrite_failures; /* for INFO: the master */
    uint32_t flushed; /* FLUSHALL: the file is to follow. Who ran it sets it, the master clears it */
    _Alignas(64) struct shm_load load;
    struct shm_snap snap;
    struct shm_wal wal;
};

static inline struct shm_persist *persist(const struct shm_root *root)
{
    return shm_at(root->persist);
}

static inline bool heeds(const struct shm_root *root, uint32_t what)
{
    return UNLIKELY(__atomic_load_n(&persist(root)->heed, __ATOMIC_ACQUIRE) & what);
}

/* A start would read what the log's writer has written: the base that it follows is on disk. */
static inline bool wal_has_base(const struct shm_wal *w)
{
    return __atomic_load_n(&w->state, __ATOMIC_ACQUIRE) >= WAL_ON;
}

/* Changes of keys since the start, over all slots. */
uint64_t persist_dirty(const struct shm_root *root);

#endif
