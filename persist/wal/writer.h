/* persist/wal/writer.h - the log's writer: its two threads and what they share.
 * Owner     the writer's process. The main thread merges, writes and, under appendfsync always, syncs; the helper
 *           syncs once a second, prepares the next segment, deletes and packs closed ones.
 * Locks     file: the open segment and its syncs; after it list: closed segments and what is prepared.
 * Crash     what is in the ring stays there until it is written; see persist/README.md.
 * Survives  worker death: yes. Its own death: its successor goes on.
 * Fails     what the disk refuses becomes wal.fault, and the ring waits until it heals.
 * Tests     tests/crash/wal_writer.c */
#ifndef SKEP_PERSIST_WRITER_H
#define SKEP_PERSIST_WRITER_H

#include "include/child.h"
#include "persist/wal/frame.h"
#include "persist/wal/segment.h"
#include "shm/base/channel.h"
#include "shm/base/give_way.h"
#include "shm/config.h"

#include <pthread.h>

/* A segment that nobody writes to any more. */
struct closed_segment {
    uint64_t number, bytes;
    uint64_t last; /* its last record, or one of before: a base from there on makes it superfluous */
    bool packed;   /* nothing more to gain */
    bool pending;
};

struct writer {
    struct shm_ctx ctx;
    struct shm_wal *wal;
    const struct shm_snap *snap;
    const struct shm_config *cfg;
    const int *wakefd;
    int alive;
    struct channel control;
    int dirfd, lockfd;
    /* the main thread's */
    struct wal_reader reader;
    struct frame frame;
    bool stop_asked, orphan;
    int64_t retry_ms; /* when to try again to begin a segment */
    uint64_t seen_synced;
    uint64_t base;       /* the last one that was seen */
    int64_t unsynced_ms; /* when synced moved, or there was nothing to sync */
    bool delayed;        /* that this sync is late has been counted */
    unsigned rest_ms;    /* how long the last sleep was */
    uint64_t records;    /* taken by the last turn */
    struct give_way way;
    unsigned stuck_us; /* the last one with something that could not be written; 0: all could */
    /* under file */
    pthread_mutex_t file;
    struct segment segment;
    uint64_t last;      /* the last record in the file; read without the lock by the helper */
    uint64_t synced;    /* the last record that was synced */
    uint64_t heal_from; /* only a base that holds this record heals; 0: nothing is lost, a new segment does */
    /* under list */
    pthread_mutex_t list;
    pthread_cond_t work; /* the helper has something to do */
    struct closed_segment *closed;
    unsigned nclosed;
    uint64_t closed_bytes;
    struct prepared next;
    bool want_next;      /* the open segment is far enough for the next one to be prepared */
    bool zeros;          /* and with zeros */
    uint64_t zeros_due;  /* so many of them by now */
    uint64_t next_bytes; /* its size */
    bool ready;          /* next is complete */
    bool ending;         /* the helper is to end */
    pthread_t helper;
};

/* start.c: opens the directory and everything in it. A refusal is logged. */
enum rc writer_open(struct writer *w);
void writer_forget_pending(struct writer *w); /* the log ends before its base was complete */

/* write.c, main thread */
/* Writes what the rings hold. True: there was something. *stuck: something is left that cannot be written yet. */
bool writer_turn(struct writer *w, bool *stuck);
/* While wal.fault says so: begins a new segment if that is enough, or the base is there. */
void writer_heal(struct writer *w);
/* Begins the segment that follows; file is held. */
enum rc writer_next_segment(struct writer *w);
void writer_prepare_first(struct writer *w); /* before there is a helper */
void writer_close(struct writer *w);         /* drained: syncs and closes the segment */

/* sync.c, both threads */
bool writer_sync(struct writer *w);
void writer_note_sync(struct shm_wal *wal, int64_t from_us); /* figures for INFO */
bool writer_unsynced(const struct writer *w);
bool writer_sync_wanted(const struct writer *w);     /* by policy, at the next occasion */
bool writer_syncs_suspended(const struct writer *w); /* the policy rests while a snapshot is made */
/* The log cannot be written; file is held. lost: what is in the file may not be on disk, in spite of a later sync. */
void writer_fault(struct writer *w, int err, const char *what, bool lost);
void writer_healed(struct writer *w);
/* Wakes who waits for what is durable now, or for bad news. */
void writer_wake(struct writer *w);
/* The base is complete: what was pending gets its name. RC_IO: not yet. file is held. */
enum rc writer_settle_names(struct writer *w);

/* closed.c: the helper */
void *writer_helper(void *arg);
void writer_add_closed(struct writer *w, uint64_t number, uint64_t bytes, uint64_t last, bool pending);
void writer_count(struct writer *w); /* figures for INFO */

#endif
