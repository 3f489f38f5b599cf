/* shm/slot.h - what one process owns in the arena: its lane, its magazines, its counters, its marks.
 * Owner     the process that took the slot; after its death the repairer, then the replacement adopts it.
 * Locks     none: nobody else writes here (but mail, and the flags that say so).
 * Crash     every store may be the last; shm/README.md tells what repair makes of it.
 * Survives  worker death: yes, by adoption.
 * Fails     never.
 * Tests     tests/crash/crash_points.c */
#ifndef SKEP_SLOT_H
#define SKEP_SLOT_H

#include "shm/arena.h"
#include "shm/latch.h"

/* A lane's lists start with this room, which suffices for splitting a segment of 64 buckets: 66 latches,
 * 64 directory words, one segment, at most 64 overflow cells on each side. Larger transactions move
 * their lists into a block of their own. */
#define LANE_INLINE     192u
#define LANE_UNDO       4096u
#define NEST_WORDS      160u
#define MAG_BLOCKS      64u
#define RETIRE_RING     1024u
#define STAT_COMMANDS   512u
#define LATENCY_BUCKETS 24u

enum lane_state {
    LANE_IDLE = 0,
    LANE_OPEN,      /* a crash now undoes */
    LANE_COMMITTED, /* a crash now completes */
    LANE_FREEING,   /* published for good: freed blocks may have other owners, no word is stored again */
    LANE_UNLOCKING, /* all is done but for the latches */
};

struct lane_redo {
    shm_ref at;
    uint64_t word;
};

/* A block in a lane's list or in a retire ring: its class stands in the upper bits. */
#define BLOCK_REF(b)   ((b) & ((1ull << 48) - 1))
#define BLOCK_CLASS(b) ((uint32_t)((b) >> 48) & 0x7fu)
#define BLOCK_RETIRE   (1ull << 63) /* free it only when nobody can still be looking at it */
#define CLASS_SPAN     0x7fu        /* not of a size class: a span of units */
#define LOCK_RETIRE    1ull         /* in a noted latch: retire it instead of releasing it */
#define LOCK_BORN      2ull         /* of a block that this transaction built: an abort frees it as it is */
#define LOCK_FLAGS     3ull

struct shm_lane {
    uint64_t commit; /* enum lane_state: the only commit point */
    uint32_t nlock, nredo;
    uint32_t nalloc, nfreed;
    uint32_t freed_done, undo_bytes;
    shm_ref lists;    /* where this transaction's lists have moved to, 0: they are below */
    shm_ref undo_at;  /* likewise for the undo log */
    shm_ref store[4]; /* the lane's own spans to move to: two for the lists, two for the undo log, by turns */
    shm_ref built;    /* a span with a value that the next transaction may take, 0: none */
    uint64_t lock[LANE_INLINE];
    struct lane_redo redo[LANE_INLINE];
    uint64_t alloc[LANE_INLINE];
    uint64_t freed[LANE_INLINE];
    uint8_t undo[LANE_UNDO]; /* records: the old bytes, padded to 8, then at (8) and their number (8) */
};

/* How many entries each list has room for, and where the list of allocated blocks is. */
static inline uint64_t span_bytes(shm_ref r)
{
    return arena_units()[unit_of(r)].span_units * UNIT_BYTES;
}
static inline uint64_t lane_cap(const struct shm_lane *lane)
{
    return lane->lists ? span_bytes(lane->lists) / 40 : LANE_INLINE;
}
static inline uint64_t *lane_alloc_list(struct shm_lane *lane)
{
    return lane->lists ? (uint64_t *)shm_at(lane->lists) + 3 * lane_cap(lane) : lane->alloc;
}

enum nest_range {
    RANGE_NONE = 0,
    RANGE_TAKE, /* undo: the units are free */
    RANGE_GIVE, /* undo: the units are taken */
};

/* A nested action: what is changed under a latch that is released before the outer commit. */
struct shm_nest {
    uint64_t open; /* 0 none, 1 a crash undoes, 2 done but for the latches */
    uint32_t nword, nlatch;
    shm_ref latch[2];
    uint64_t range_op, range_first, range_n;
    struct {
        shm_ref at; /* bit 0: a word of 4 bytes */
        uint64_t old;
    } word[NEST_WORDS];
};

struct shm_mag {
    uint64_t count;
    shm_ref block[MAG_BLOCKS];
};

struct shm_retire {
    uint64_t head, tail;
    struct {
        uint64_t block, epoch;
    } ring[RETIRE_RING];
};

/* Counters that INFO sums over the slots. */
/* clang-format off */
#define SLOT_STATS(X)                                                                              \
    X(commands) X(connections) X(rejected) X(net_in) X(net_out) X(expired) X(evicted) X(hits)      \
    X(misses) X(evicted_clients) X(expired_stale) X(expire_limit_hit) X(errors) X(client_timeouts) \
    X(total_reads) X(total_writes) X(parked) X(slow_lane) X(protocol_errors) X(auth_denied)        \
    X(query_limit) X(output_limit) X(splits) X(oom_rejected) X(active_expire_us) \
    X(dirty) X(expired_fields) X(turns) X(turns_us) X(lazyfreed)
/* clang-format on */

struct shm_stats {
#define X(name) uint64_t name;
    SLOT_STATS(X)
#undef X
};

struct shm_cmdstat {
    uint64_t calls, usec, rejected, failed;
};

#define ERRSTATS 64u
struct shm_errstat {
    char name[32];
    uint64_t count;
};

/* Figures "per second": what was added since the last look, kept for the last looks. */
#define METRIC_SAMPLES 16u
enum { METRIC_COMMANDS, METRIC_NET_IN, METRIC_NET_OUT, METRIC_TURNS, METRIC_TURNS_US, METRICS };
struct shm_metric {
    uint64_t last_us, last_value, at;
    uint64_t per_second[METRIC_SAMPLES];
};

/* What took long, an event a row, as LATENCY tells it. */
#define LATENCY_EVENTS(X)                                                                                    \
    X(COMMAND, "command")                                                                                    \
    X(FAST, "fast-command")                                                                                  \
    X(EXPIRE, "expire-cycle")                                                                                \
    X(EVICT, "eviction-cycle")                                                                               \
    X(EVICT_DEL, "eviction-del")                                                                             \
    X(REPAIR, "repair")
enum latency_event {
#define X(id, name) LATENCY_##id,
    LATENCY_EVENTS(X)
#undef X
        LATENCY_COUNT
};
_Static_assert(LATENCY_COUNT <= LATENCY_EVENTS_MAX, "the root has a reset count for each event");
#define LATENCY_SAMPLES 160u
struct shm_latency {
    uint64_t epoch; /* the samples are of this one; LATENCY RESET begins another */
    uint64_t n;     /* how many there have been; the last 160 are kept */
    uint64_t max_ms;
    uint64_t sample[LATENCY_SAMPLES]; /* seconds since 1970 << 32 | ms */
};

/* This slot's part of the log's ring (shm/wal.h). head is the writer's, the rest the slot's own; positions grow
 * for ever. floor: 0, or a number such that those above it may still be given to a record of this slot. */
#define WAL_RING_BYTES (4ull << 20)
struct shm_wal_ring {
    shm_ref data; /* a span, 0: nothing was logged yet */
    uint64_t tail, floor;
    _Alignas(64) uint64_t head;
};

/* Entries that this slot's transactions took out of the keyspace while the running snapshot had still to show
 * them (shm/snapshot.h), with the database. head and bytes_out are the snapshotter's, the rest the slot's own;
 * positions and sums grow for ever. */
struct shm_snap_ring {
    shm_ref data[2]; /* spans: one is in use; the other is made when it is too small, and takes its place */
    uint64_t which;
    uint64_t tail, bytes_in;
    _Alignas(64) uint64_t head, bytes_out;
};

/* The keys that this slot's transaction has locked (shm/keylock.h). The slot's own, but for wanted. */
struct shm_keylocks {
    shm_ref set;     /* a span, 0: none yet */
    uint64_t view;   /* set, and in its low bits the logarithm of how many words of it are in use */
    uint64_t n;      /* 0: nothing is locked, whatever the set says */
    uint64_t wanted; /* a key that somebody was refused: a hint that anybody stores */
    uint64_t resting;
    int64_t rests_until_us;
};

enum slot_state {
    SLOT_FREE = 0,
    SLOT_STARTING,
    SLOT_RUNNING,
    SLOT_STOPPING, /* replaced or shut down: takes no new clients */
    SLOT_DEAD,     /* its process has ended; repair has not finished */
};

enum slot_role {
    ROLE_NONE = 0,
    ROLE_MASTER,
    ROLE_WORKER,
    ROLE_LANE,   /* the slow lane */
    ROLE_WAL,    /* the log's writer */
    ROLE_SNAP,   /* the snapshotter */
    ROLE_LOADER, /* fills the keyspace at the start */
};

#define SCRIPT_TOLD 512u

struct shm_slot {
    uint32_t state, role;
    uint32_t index; /* worker 3 */
    int32_t pid;
    uint32_t generation; /* grows with each process that takes the slot */
    uint32_t life;       /* the life lock: a robust futex, released by the kernel as the process dies */
    uint32_t restarts;
    uint32_t stop; /* set by the master: finish, hand over, leave */
    uint64_t heartbeat_ms;
    uint64_t busy_since_ms;            /* 0: waiting for events; a lane: for requests */
    uint64_t script_since_ms;          /* a lane: since when it runs a script; 0: it does not */
    uint32_t script_kind, script_kill; /* worker/dispatch/busy.h; 0, or which one is to end */
    uint64_t lua_bytes;                /* of its Lua states */
    int64_t body_bytes; /* of scripts that it stored less those that it removed: a figure, not undone */
    char script_told[SCRIPT_TOLD]; /* the same: what FUNCTION STATS says of it */
    uint64_t clients;
    uint32_t watchers;     /* clients that MONITOR */
    uint32_t kills;        /* how often a session of it was told to close: session_kill */
    int64_t over_since_ms; /* since when it has seen more than maxmemory in use; 0: it does not */
    uint64_t over_ms;      /* how long it has seen that before */
    uint64_t monitor_begun,
        monitor_ended;   /* turns whose lines it has made, and has sent: worker/dispatch/monitor.h */
    uint64_t post_turn;  /* odd: it has noted messages, or is about to, and has not sent them yet */
    uint64_t registered; /* its topics in shm/pubsub.h */
    shm_ref prefixes;    /* struct shm_prefixes, 0: none (shm/track.h) */
    uint64_t tracking_clients, tracked_keys, tracked_items; /* for INFO, and for the limit of all together */
    uint64_t distinct
        [3]; /* names it has added first, less those it was the last to remove; one slot alone says nothing */
    uint64_t seen_stats_epoch;
    /* Published every 100 ms by worker/publish.c: what this process costs. */
    uint64_t cpu_user_us, cpu_sys_us;
    uint64_t rss_bytes; /* its private memory: the arena, which all share, is not in it */
    uint64_t heap_bytes, heap_active, heap_resident; /* as its allocator counts them */
    struct shm_metric metric[METRICS];
    /* The gate's mark and the reclaiming epoch in one: 0 outside a batch, else the epoch seen at its start. */
    _Alignas(64) uint64_t inside;
    uint64_t wal_waits;              /* replies here wait until the log is on disk so far; 0: none does */
    _Alignas(64) uint64_t wake;      /* set to 1 by a sender before it writes the eventfd */
    _Alignas(64) int64_t used_bytes; /* blocks that this slot's process allocated less those it freed */
    struct shm_stats stats;
    struct shm_cmdstat cmd[STAT_COMMANDS];
    uint32_t hist[STAT_COMMANDS][LATENCY_BUCKETS]; /* powers of two of a microsecond */
    struct shm_errstat err[ERRSTATS];
    struct shm_latency latency[LATENCY_COUNT];
    _Alignas(64) struct shm_lane lane;
    _Alignas(64) struct shm_nest nest;
    _Alignas(64) struct shm_wal_ring wal;
    _Alignas(64) struct shm_snap_ring snap;
    _Alignas(64) struct shm_keylocks keylocks;
    struct shm_retire retire;
    struct shm_mag mag[SHM_CLASSES];
};
#define SLOT_STRIDE ((sizeof(struct shm_slot) + 4095) / 4096 * 4096)

static inline struct shm_slot *slot_at(uint32_t i)
{
    return shm_at(arena_root()->slots + i * SLOT_STRIDE);
}

/* Whether a process works in the slot: what it published is of now. */
static inline bool slot_lives(const struct shm_slot *s)
{
    uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
    return state != SLOT_FREE && state != SLOT_DEAD;
}

/* Makes ctx speak for slot i. */
void slot_ctx(struct shm_ctx *ctx, uint32_t i);
/* Takes the slot for this process: pid, generation, the life lock. Its blocks and lists are adopted. */
void slot_adopt(struct shm_ctx *ctx, uint32_t i, enum slot_role role, uint32_t index);
/* Registers the life lock of the calling thread, so that the kernel tells of its death at once. */
void life_lock_take(struct shm_slot *slot);

/* A batch of commands stands between these two: the gate cannot close meanwhile, and nothing that was
 * reachable inside is reused. batch_enter answers false while the gate is closed. */
bool batch_enter(struct shm_ctx *ctx);
void batch_leave(struct shm_ctx *ctx);

/* Closes the gate: true when every process is outside. Gives up after about wait_us and opens it again, or when somebody else has it
 * closed; held_by says who was in the way. */
bool gate_close(struct shm_ctx *ctx, unsigned wait_us);
void gate_open(struct shm_ctx *ctx);

/* Bytes in use, over all slots. */
int64_t slots_used_bytes(void);

#endif
