#include "persist/wal/writer.h"
#include "shm/base/clock.h"
#include "shm/format/wal_dir.h"
#include "shm/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define RETRY_MS 1000

/* A worker says what it waits for and then looks at durable and fault; here it is the other way round. */
void writer_wake(struct writer *w)
{
    uint64_t durable = __atomic_load_n(&w->wal->durable, __ATOMIC_SEQ_CST);
    bool fault = __atomic_load_n(&w->wal->fault, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++) {
        uint64_t waits = __atomic_load_n(&slot_at(i)->wal_waits, __ATOMIC_SEQ_CST), one = 1;
        if (!waits || (waits > durable && !fault) || !slot_wake(i))
            continue;
        ssize_t n = write(w->wakefd[i], &one, sizeof(one));
        (void)n; /* a full counter wakes as well */
    }
}

bool writer_unsynced(const struct writer *w)
{
    return __atomic_load_n(&w->last, __ATOMIC_ACQUIRE) != __atomic_load_n(&w->synced, __ATOMIC_ACQUIRE);
}

/* Whoever waits has it synced, whatever the policy is: a reply that began to wait under another one is not left waiting, and
 * WAITAOF asks for nothing else. */
static bool anybody_waits(const struct writer *w)
{
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        if (__atomic_load_n(&slot_at(i)->wal_waits, __ATOMIC_SEQ_CST))
            return true;
    return false;
}

bool writer_syncs_suspended(const struct writer *w)
{
    return w->cfg->no_appendfsync_on_rewrite &&
           __atomic_load_n(&w->snap->state, __ATOMIC_ACQUIRE) != SNAP_IDLE;
}

bool writer_sync_wanted(const struct writer *w)
{
    return (w->cfg->appendfsync == FSYNC_ALWAYS && !writer_syncs_suspended(w)) || anybody_waits(w);
}

void writer_fault(struct writer *w, int err, const char *what, bool lost)
{
    struct shm_wal *wal = w->wal;
    bool again = wal->fault;
    if (lost && !w->heal_from)
        w->heal_from = wal->written > w->last ? wal->written : w->last;
    w->retry_ms = mono_ms() + RETRY_MS;
    snprintf(wal->error, sizeof(wal->error), "%s: %s", what, strerror(err));
    __atomic_store_n(&wal->fault, (uint32_t)(err ? err : EIO), __ATOMIC_SEQ_CST);
    if (!again)
        log_warning("The log cannot be written: %s. Writes are refused until %s.", wal->error,
                    lost ? "a new base is complete" : "that works again");
    writer_wake(w);
}

void writer_healed(struct writer *w)
{
    w->heal_from = 0;
    w->wal->error[0] = 0;
    __atomic_store_n(&w->wal->fault, 0, __ATOMIC_SEQ_CST);
    log_notice("The log is written again, from segment %llu on", (unsigned long long)w->segment.head.number);
    writer_wake(w);
}

static bool rename_pending(struct writer *w, uint64_t number)
{
    char from[WAL_NAME_MAX], to[WAL_NAME_MAX];
    wal_pending_name(from, number);
    wal_segment_name(to, number);
    return renameat(w->dirfd, from, w->dirfd, to) == 0 || errno == ENOENT;
}

/* Ascending, so that a death in between leaves no gap; the successor goes on. */
enum rc writer_settle_names(struct writer *w)
{
    bool good = true;
    if (!w->wal->pending_from || !wal_has_base(w->wal))
        return RC_OK;
    pthread_mutex_lock(&w->list);
    for (unsigned i = 0; good && i < w->nclosed; i++) {
        if (w->closed[i].pending)
            good = rename_pending(w, w->closed[i].number);
        w->closed[i].pending &= !good;
    }
    pthread_mutex_unlock(&w->list);
    if (good && w->segment.fd >= 0 && w->segment.pending) {
        good = rename_pending(w, w->segment.head.number);
        w->segment.pending &= !good;
    }
    if (!good || fsync(w->dirfd))
        return RC_IO;
    __atomic_store_n(&w->wal->pending_from, 0, __ATOMIC_SEQ_CST);
    writer_wake(w); /* what was synced before counts from now on */
    return RC_OK;
}

void writer_note_sync(struct shm_wal *wal, int64_t from_us)
{
    int64_t us = mono_us() - from_us;
    uint64_t t = us > 0 ? (uint64_t)us : 0;
    wal->syncs++;
    wal->sync_us_sum += t;
    wal->last_sync_us = t;
    if (t > wal->sync_us_max)
        wal->sync_us_max = t;
}

/* file is held. Nothing is told to be durable that would not be found after a restart: names first. */
static bool sync_file(struct writer *w, uint64_t last)
{
    if (w->synced != last) {
        int64_t from = mono_us();
        if (fdatasync(w->segment.fd)) {
            writer_fault(w, errno, "a segment cannot be synced", true);
            return false;
        }
        writer_note_sync(w->wal, from);
        __atomic_store_n(&w->synced, last, __ATOMIC_RELEASE);
    }
    if (writer_settle_names(w)) {
        writer_fault(w, errno, "a segment cannot be renamed", false);
        return false;
    }
    return true;
}

bool writer_sync(struct writer *w)
{
    struct shm_wal *wal = w->wal;
    pthread_mutex_lock(&w->file);
    uint64_t written = __atomic_load_n(&wal->written, __ATOMIC_ACQUIRE);
    uint64_t last = __atomic_load_n(&w->last, __ATOMIC_ACQUIRE);
    bool good = !wal->fault && sync_file(w, last);
    if (good && written > wal->durable)
        __atomic_store_n(&wal->durable, written, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&w->file);
    if (good)
        writer_wake(w);
    return good;
}
