/* shm/arena.h - the shared memory itself: one sparse memfd, its root page, and its 64 KB units.
 * Owner     the master creates and maps it before any fork; everybody inherits the mapping.
 * Locks     the arena latch (rank 4), as a nested action (shm/nest.h).
 * Crash     unit_take and unit_give are nested actions: rolled back unless their commit was stored.
 * Survives  worker death and a change of binary: yes (the layout is checked). Restart of the host: no.
 * Fails     RC_NOMEM when the machine or the arena has no room, RC_BUSY when the latch stays taken.
 * Tests     tests/unit/test_arena.c  tests/crash/crash_points.c */
#ifndef SKEP_ARENA_H
#define SKEP_ARENA_H

#include "include/bytes.h"
#include "include/rc.h"

/* A place in the arena: a byte offset from its start, 0 for none. Never a pointer, since a new binary
 * may map the arena elsewhere. */
typedef uint64_t shm_ref;

extern char *shm_base; /* where this process has the arena; set once, before any fork */
extern int shm_fd;     /* its memfd */

static inline void *shm_at(shm_ref r)
{
    return shm_base + r;
}
static inline shm_ref shm_ref_of(const void *p)
{
    return (shm_ref)((const char *)p - shm_base);
}

/* A death keeps the program order of a process's stores, so a recipe only has to keep the compiler from
 * moving them. The name marks a place where tests may kill the process (shm/crashpoint.h). */
#define SHM_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#define SHM_MAGIC 0x31304150454b5330ull
#ifndef SHM_LAYOUT /* a test builds a binary with another one */
#define SHM_LAYOUT 4u
#endif
#define UNIT_BYTES         65536ull
#define ARENA_BYTES_MAX    (1ull << 41) /* a slot's word has 38 bits for a place, in steps of 8 */
#define SHM_SLOTS_MAX      250u
#define SLOT_WORDS         4u              /* a set of slots: one bit each */
#define SHM_DBS_MAX        ((1 << 24) - 2) /* what a record of the log, and of a snapshot's ring, has room for */
#define SHM_CLASSES        103u
#define SHM_CONFIG_BYTES   262144u
#define LATENCY_EVENTS_MAX 8u
#define SHM_PATH_BYTES     1024u

/* A latch word: who holds it (slot + 1, 0: nobody) and how often what it guards has changed. */
struct shm_latch {
    uint32_t word; /* bits 0-7 owner, bits 8-31 version */
};

/* A size class's list of runs that have a free block. */
struct shm_class {
    struct shm_latch latch;
    uint32_t partial; /* unit number of the first such run, 0: none */
};

enum unit_state {
    UNIT_FREE = 0,
    UNIT_RUN,      /* first unit of a run of equal blocks */
    UNIT_RUN_TAIL, /* further unit of one: head says where it begins */
    UNIT_SPAN,     /* first unit of one large block; the others of it are not marked */
};

/*  0        4      6      8        12       16      20     24     28       32         40            64
 *  +--------+------+------+--------+--------+-------+------+------+--------+----------+-------------+
 *  | state  |class |nunits| head   | blocks | nfree | next | prev | first  | bitmap   | span_units  |
 *  +--------+------+------+--------+--------+-------+------+------+--------+----------+-------------+ */
struct shm_unit {
    uint32_t state;
    uint16_t cls;
    uint16_t nunits;
    uint32_t head;
    uint32_t blocks;
    uint32_t nfree;
    uint32_t next, prev;   /* neighbours in the class's partial list */
    uint32_t first_offset; /* where the first block lies in the run: behind the bitmap when that is inside */
    uint64_t bitmap;       /* free blocks, when there are at most 64 of them */
    uint64_t span_units;
    uint64_t spare[2];
};
_Static_assert(sizeof(struct shm_unit) == 64, "one line per unit");

struct shm_db {
    shm_ref table;    /* 0: never used */
    uint64_t changes; /* how often the table was cut off or exchanged */
};

/* The root page. Everything that outlives a process is found from here. */
struct shm_root {
    uint64_t magic;
    uint32_t layout;
    uint32_t unit_bytes;
    uint64_t shape; /* a hash of every structure's size: a binary with another one must not map us */
    uint64_t arena_bytes;
    uint64_t seed[2]; /* of the key hash */
    uint64_t nunits;
    shm_ref units;        /* struct shm_unit[nunits] */
    shm_ref unit_used;    /* bitmap: the unit is taken */
    shm_ref unit_present; /* bitmap: the unit's pages have been obtained from the system */
    shm_ref chunk_folded; /* bitmap: the chunk lies in a huge page (shm/pages.h) */
    uint64_t first_unit;  /* those below hold the root's own structures */
    uint64_t unit_hint;   /* where the next search begins */
    struct shm_latch arena_latch;
    uint32_t nslots;
    shm_ref slots; /* struct shm_slot[nslots], each SLOT_STRIDE apart */
    uint32_t ndbs;
    uint32_t nsessions;
    uint32_t sessions_high; /* sessions from here on were never used: looking at them would cost memory */
    struct shm_latch trim_latch; /* free units' pages come and go under it */
    shm_ref dbs;                 /* struct shm_db[ndbs + HIDDEN_DBS] */
    shm_ref sessions;            /* struct shm_session[nsessions] */
    shm_ref config;              /* SHM_CONFIG_BYTES for the server's configuration */
    shm_ref mail;                /* the mailboxes' directory */
    shm_ref waiters;             /* struct shm_waiters */
    shm_ref slowlog;             /* struct shm_slowlog[nslots] */
    shm_ref persist;             /* struct shm_persist */
    shm_ref watch;               /* struct shm_watch */
    shm_ref pubsub;              /* struct shm_pubsub */
    shm_ref scripting;           /* struct shm_scripting */
    shm_ref track;               /* struct shm_track */
    shm_ref extra;               /* a page for the master's own persistent state (upgrade) */
    struct shm_class classes[SHM_CLASSES];
    _Alignas(64) uint64_t gate;                  /* 0: open; otherwise the closer's slot + 1 */
    _Alignas(64) uint64_t epoch;                 /* grows with every retirement */
    _Alignas(64) uint64_t keylocked[SLOT_WORDS]; /* slots that have locked keys (shm/keylock.h) */
    _Alignas(64) struct shm_latch db_latch;      /* databases' words and the graveyard (rank 0) */
    shm_ref graveyard;                           /* tables that were cut off and wait to be freed */
    uint64_t graveyard_keys;                     /* in them, those that are freed no more counted */
    struct shm_latch trees_latch;                /* the list of trees to be freed; taken last, for a moment */
    shm_ref dead_trees;
    uint64_t ndead_trees;
    uint64_t boot_time_ms;
    uint64_t session_ids;                          /* the next client id */
    uint32_t crash_point, crash_count, crash_slot; /* test builds: where to die */
    uint32_t pause_mode;                           /* CLIENT PAUSE: 0 none, 1 writes, 2 all */
    int64_t pause_until_ms;
    uint32_t monitors;          /* how many clients watch the stream of commands */
    uint32_t active_expire_off; /* DEBUG SET-ACTIVE-EXPIRE 0 */
    uint64_t tracked;           /* shm/track.h: some client has asked for invalidations since the start */
    uint64_t stats_epoch;       /* CONFIG RESETSTAT adds one: every process then clears its own */
    uint64_t run_id[5];         /* 40 hexadecimal digits */
    uint64_t crashes_repaired, last_repair_us, sessions_kept, handovers;
    struct shm_latch config_latch; /* CONFIG SET takes turns (a rank of its own: nothing is taken inside) */
    uint64_t slowlog_ids;          /* the next entry's id */
    uint64_t slowlog_floor;        /* SLOWLOG RESET: older entries are not shown */
    uint64_t latency_epoch[LATENCY_EVENTS_MAX]; /* LATENCY RESET adds one */
    uint64_t peak_bytes, startup_bytes; /* of used memory: the most so far, and before the first command */
    char config_file[SHM_PATH_BYTES], executable[SHM_PATH_BYTES]; /* absolute; written by the master */
    uint64_t
        refusals; /* reloads and upgrades that the master has refused; and why the last one, in one line */
    char refusal[512];
    uint64_t fatal; /* a repair found the impossible: everything must stop */
};
_Static_assert(sizeof(struct shm_root) <= 8192, "the root fits its two pages");

/* Behind the databases that are configured there are two that no client can select: scripts by their digests, and
 * functions. Whoever walks over databases for clients stops at ndbs. */
#define HIDDEN_DBS 2u
static inline uint32_t scripts_db(const struct shm_root *root)
{
    return root->ndbs;
}
static inline uint32_t functions_db(const struct shm_root *root)
{
    return root->ndbs + 1;
}
static inline uint32_t dbs_all(const struct shm_root *root)
{
    return root->ndbs + HIDDEN_DBS;
}

struct tx;

/* What a process knows of itself: which slot it works in. */
struct shm_ctx {
    struct shm_root *root;
    struct shm_slot *slot;
    uint32_t id; /* the slot's number */
    /* NULL, or told right before the commit which keys go because of their time or for want of memory. Inside a batch.
     * RC_BUSY: they do not go now. */
    enum rc (*gone)(struct tx *tx, uint32_t db, const struct bytes *key, unsigned n);
    /* Likewise of a hash that has lost fields; emptied: and itself, with them. */
    enum rc (*fields_gone)(struct tx *tx, uint32_t db, struct bytes key, bool emptied);
    uint32_t held_by; /* slot + 1 of who held the latch that was not had last, or had to do with the gate */
    const char *built_from; /* what the value was copied from that lies in lane.built; NULL: none does */
};

struct arena_sizes {
    uint64_t arena_bytes;
    uint32_t nslots, ndbs, nsessions;
};

/* Creates and maps an arena; *fd is the memfd. On failure errno tells why. */
enum rc arena_create(const struct arena_sizes *sizes, int *fd);
/* Maps the arena behind fd; RC_INVALID and a sentence in why if this binary cannot read it. */
enum rc arena_attach(int fd, char *why, size_t why_bytes);
void arena_detach(void);            /* tests only */
uint64_t arena_default_bytes(void); /* what the machine or the cgroup allows */
uint64_t arena_shape(void);

/* CLIENT PAUSE lasts: nothing changes, and what is over is not removed either. */
static inline bool root_paused(const struct shm_root *root, int64_t now_ms)
{
    return root->pause_mode && root->pause_until_ms > now_ms;
}
static inline struct shm_root *arena_root(void)
{
    return (struct shm_root *)shm_base;
}
static inline struct shm_unit *arena_units(void)
{
    return shm_at(arena_root()->units);
}
static inline uint32_t unit_of(shm_ref r)
{
    return (uint32_t)(r / UNIT_BYTES);
}

/* Takes n neighbouring units, inside an open nested action that holds the arena latch. Before they are written
 * to, units_obtain (shm/pages.h) makes sure that the system stands behind them. */
enum rc unit_take_locked(struct shm_ctx *ctx, uint64_t n, uint64_t *first);
void unit_give_locked(struct shm_ctx *ctx, uint64_t first, uint64_t n);
/* One large block of its own. Who owns it is a part of the nested action, since no crash between the two
 * could be repaired: span_alloc notes it in the lane, span_keep stores it in *owner; span_free stores
 * the caller's progress, span_drop clears *owner. The latter two wait for the arena latch. */
enum rc span_alloc(struct shm_ctx *ctx, uint64_t bytes, shm_ref *out);
enum rc span_keep(struct shm_ctx *ctx, uint64_t bytes, shm_ref *owner);
void span_free(struct shm_ctx *ctx, shm_ref r, uint32_t *progress, uint32_t done);
void span_drop(struct shm_ctx *ctx, shm_ref *owner);

#endif
