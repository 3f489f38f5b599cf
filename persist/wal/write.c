#include "persist/wal/writer.h"
#include "shm/base/clock.h"
#include "shm/format/wal_dir.h"

#include <errno.h>
#include <unistd.h>

#define DELAYED_MS     2000       /* as Redis counts it: a sync that is due for so long */
#define UNZEROED_BYTES (1u << 20) /* under appendfsync always a segment without zeros is left after so much */

/* ---- segments ---- */

/* Takes over what the helper has prepared; it must be complete, or the helper may be writing to it. */
static struct prepared take_prepared(struct writer *w)
{
    struct prepared p = {.fd = -1};
    pthread_mutex_lock(&w->list);
    if (w->ready) {
        p = w->next;
        w->next.fd = -1;
    }
    w->ready = false;
    w->want_next = false;
    w->zeros_due = 0;
    pthread_mutex_unlock(&w->list);
    return p;
}

enum rc writer_next_segment(struct writer *w)
{
    struct shm_wal *wal = w->wal;
    struct wal_head head = {wal->log_id, wal->next_segment, w->last, (uint64_t)wall_ms()};
    struct prepared p = take_prepared(w);
    bool pending = wal->pending_from != 0;
    enum rc rc = segment_begin(&w->segment, w->dirfd, &head, pending, &p);
    if (rc) {
        writer_fault(w, errno, "a segment cannot be begun", false);
        return rc;
    }
    wal->next_segment++;
    writer_count(w);
    return RC_OK;
}

/* Synced before another segment appears: whoever finds this one and a later one knows that it is complete. */
static enum rc finish_segment(struct writer *w)
{
    struct segment *s = &w->segment;
    uint64_t bytes = s->at;
    int64_t from = mono_us();
    if (s->fd < 0)
        return RC_OK;
    if (segment_close(s)) {
        writer_fault(w, errno, "a segment cannot be synced", true);
        return RC_IO;
    }
    writer_note_sync(w->wal, from);
    __atomic_store_n(&w->synced, w->last, __ATOMIC_RELEASE);
    writer_add_closed(w, s->head.number, bytes, w->last, s->pending);
    return RC_OK;
}

/* Before anybody waits: under appendfsync always the first segment has its zeros from the beginning. It is small, so that
 * this is soon done; each one is twice as long as the one before. */
void writer_prepare_first(struct writer *w)
{
    bool done = false;
    if (w->cfg->appendfsync != FSYNC_ALWAYS)
        return;
    enum rc rc = segment_prepare(&w->next, w->dirfd, "next.tmp", SEGMENT_FIRST);
    while (!rc && !done)
        rc = segment_prepare_zeros(&w->next, &done);
    if (rc)
        segment_prepare_drop(&w->next, w->dirfd);
    w->ready = !rc;
}

static enum rc rotate(struct writer *w)
{
    pthread_mutex_lock(&w->file);
    enum rc rc = finish_segment(w);
    if (!rc)
        rc = writer_next_segment(w);
    pthread_mutex_unlock(&w->file);
    return rc;
}

static void ask(struct writer *w, bool zeros, uint64_t due, uint64_t bytes)
{
    pthread_mutex_lock(&w->list);
    w->want_next = true;
    w->zeros = zeros;
    w->zeros_due = due;
    w->next_bytes = bytes;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->list);
}

/* What the helper writes is in the way of the syncs that clients wait for. So the next segment's zeros keep step with what
 * is written to this one, and are complete when it is filled to three quarters. */
static uint64_t zeros_due(const struct segment *s, uint64_t next)
{
    return next / ZERO_PIECE * s->at / (s->size / 4 * 3) * ZERO_PIECE;
}

static void ask_for_next(struct writer *w)
{
    const struct segment *s = &w->segment;
    bool zeros = w->cfg->appendfsync == FSYNC_ALWAYS;
    uint64_t size = s->size ? s->size : SEGMENT_BYTES;
    if (zeros && s->zeroed) {
        uint64_t next = size < SEGMENT_BYTES / 2 ? 2 * size : SEGMENT_BYTES, due = zeros_due(s, next);
        if (due > w->zeros_due || (due && !w->want_next))
            ask(w, true, due, next);
    } else if (!w->want_next && s->at >= (zeros && s->size ? UNZEROED_BYTES : size / 2)) {
        ask(w, zeros, UINT64_MAX, zeros ? SEGMENT_FIRST : SEGMENT_BYTES);
    }
}

static bool segment_full(struct writer *w, uint64_t bytes)
{
    const struct segment *s = &w->segment;
    uint64_t limit = s->size ? s->size : SEGMENT_BYTES;
    if (s->at > WAL_HEAD_BYTES && s->at + bytes > limit)
        return true;
    if (s->zeroed || w->cfg->appendfsync != FSYNC_ALWAYS || s->at < UNZEROED_BYTES)
        return false;
    pthread_mutex_lock(&w->list);
    bool better = w->ready && w->next.zeroed;
    pthread_mutex_unlock(&w->list);
    return better;
}

/* ---- frames ---- */

/* What was refused is cut off again. If that, and a sync, works, all that was written before is there, and a new
 * segment goes on with what the ring still holds. */
static void write_failed(struct writer *w)
{
    int err = errno;
    pthread_mutex_lock(&w->file);
    writer_fault(w, err, "a segment cannot be written", false);
    if (!finish_segment(w) && w->last > w->wal->durable)
        __atomic_store_n(&w->wal->durable, w->last, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&w->file);
}

static enum rc write_frame(struct writer *w)
{
    struct frame *f = &w->frame;
    if (frame_empty(f))
        return RC_OK;
    if (segment_full(w, frame_bytes(f)) && rotate(w))
        return RC_IO;
    frame_seal(f, &w->segment.head, w->segment.at, __atomic_load_n(&w->synced, __ATOMIC_ACQUIRE));
    if (segment_write(&w->segment, f->piece, f->n, frame_bytes(f))) {
        write_failed(w);
        return RC_IO;
    }
    __atomic_store_n(&w->last, f->head.last, __ATOMIC_RELEASE);
    frame_reset(f);
    ask_for_next(w);
    return RC_OK;
}

/* Records that the file has already, or a base that healed it, are stepped over: a writer may have died, or failed,
 * between writing and freeing them. */
static enum rc write_records(struct writer *w)
{
    struct wal_record r;
    enum rc rc = RC_OK;
    frame_reset(&w->frame);
    w->records = 0;
    while (!rc && wal_reader_next(&w->reader, &r)) {
        w->records++;
        if (r.lsn <= w->last)
            continue;
        if (!frame_add(&w->frame, &r)) {
            rc = write_frame(w);
            if (!rc)
                frame_add(&w->frame, &r);
        }
    }
    return rc ? rc : write_frame(w);
}

/* Counts each time that nothing was synced for too long although there was something to sync. */
static void note_delay(struct writer *w)
{
    int64_t now = mono_ms();
    uint64_t synced = __atomic_load_n(&w->synced, __ATOMIC_ACQUIRE);
    bool due = w->cfg->appendfsync == FSYNC_EVERYSEC && !writer_syncs_suspended(w);
    if (synced != w->seen_synced || !writer_unsynced(w) || !due) {
        w->seen_synced = synced;
        w->unsynced_ms = now;
        w->delayed = false;
    } else if (!w->delayed && now - w->unsynced_ms > DELAYED_MS) {
        w->wal->delayed_syncs++;
        w->delayed = true;
    }
}

/* As soon as the base is complete the segments behind it count, synced or not: with appendfsync no there is no sync
 * that would see to it, and what the kernel has been given outlives all of our processes. */
static void settle_names_soon(struct writer *w)
{
    if (LIKELY(!w->wal->pending_from) || !wal_has_base(w->wal))
        return;
    pthread_mutex_lock(&w->file);
    if (!w->wal->fault && writer_settle_names(w))
        writer_fault(w, errno, "a segment cannot be renamed", false);
    pthread_mutex_unlock(&w->file);
}

/* What the base holds ends here, or the log would be as long after a rewrite as before, until the segment is full. Not
 * at the cut: who may not write to the folder fails to make a base, and the log goes on in the file that it has. */
static enum rc part_at_base(struct writer *w)
{
    uint64_t base = __atomic_load_n(&w->wal->base_lsn, __ATOMIC_ACQUIRE);
    bool parts = base != w->base && w->segment.fd >= 0 && w->segment.at > WAL_HEAD_BYTES;
    w->base = base;
    return parts ? rotate(w) : RC_OK;
}

bool writer_turn(struct writer *w, bool *stuck)
{
    struct shm_wal *wal = w->wal;
    settle_names_soon(w);
    wal_reader_look(&w->reader);
    if (part_at_base(w) || write_records(w)) {
        wal_reader_open(&w->reader, w->ctx.root); /* nothing was taken: it is all still there */
        *stuck = true;
        return false;
    }
    *stuck = w->reader.nactive != 0;
    if (wal_reader_take(&w->reader, &w->ctx))
        *stuck = true;
    if (w->reader.bound > wal->written)
        __atomic_store_n(&wal->written, w->reader.bound, __ATOMIC_RELEASE);
    if (wal->written != wal->durable && (!writer_unsynced(w) || writer_sync_wanted(w)))
        writer_sync(w);
    note_delay(w);
    if (w->records)
        writer_count(w);
    return w->records;
}

/* ---- after a fault ---- */

/* The base must hold all that went into the file that failed: one that was cut before the fault does not. */
static bool base_heals(struct writer *w)
{
    if (!__atomic_exchange_n(&w->wal->heal, 0, __ATOMIC_ACQ_REL))
        return false;
    uint64_t base = __atomic_load_n(&w->wal->base_lsn, __ATOMIC_ACQUIRE);
    return base >= w->heal_from && base >= w->last;
}

static void begin_behind_base(struct writer *w)
{
    uint64_t base = __atomic_load_n(&w->wal->base_lsn, __ATOMIC_ACQUIRE);
    struct segment *s = &w->segment;
    if (s->fd >= 0) {
        uint64_t bytes = s->at;
        segment_abandon(s);
        writer_add_closed(w, s->head.number, bytes, w->last, s->pending);
    }
    if (base > w->last)
        __atomic_store_n(&w->last, base, __ATOMIC_RELEASE);
    __atomic_store_n(&w->synced, w->last, __ATOMIC_RELEASE);
    if (w->last > w->wal->written)
        __atomic_store_n(&w->wal->written, w->last, __ATOMIC_RELEASE);
    w->heal_from = 0;
}

void writer_heal(struct writer *w)
{
    pthread_mutex_lock(&w->file);
    bool base = base_heals(w);
    if (base)
        begin_behind_base(w);
    if (!w->heal_from && (base || mono_ms() >= w->retry_ms) &&
        !(w->segment.fd >= 0 ? writer_settle_names(w) : writer_next_segment(w)))
        writer_healed(w);
    pthread_mutex_unlock(&w->file);
    wal_reader_open(&w->reader, w->ctx.root);
}

void writer_close(struct writer *w)
{
    pthread_mutex_lock(&w->file);
    if (!w->wal->fault && writer_settle_names(w))
        writer_fault(w, errno, "a segment cannot be renamed", false);
    if (!w->wal->fault && !finish_segment(w))
        __atomic_store_n(&w->wal->durable, w->wal->written, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&w->file);
    writer_wake(w);
}
