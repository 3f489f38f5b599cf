/* The helper: everything that may take its time. It syncs once a second, prepares the next segment, deletes what a
 * base covers, and packs closed segments. All but the sync is done in small pieces. */
#include "persist/wal/pack.h"
#include "persist/wal/writer.h"
#include "shm/base/clock.h"
#include "shm/format/wal_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SYNC_EVERY_MS 1000
#define ZERO_NAP_MS   2  /* between pieces of 256 KB */
#define PACK_NAP_MS   20 /* between frames of 1 MB: a segment takes a second and some */

struct helper {
    struct writer *w;
    struct packing packing;
    int64_t sync_ms;    /* when the next sync is due */
    bool seen;          /* the base that this writer has found */
    uint64_t base_seen; /* the base whose predecessors were deleted */
};

/* ---- the list ---- */

void writer_add_closed(struct writer *w, uint64_t number, uint64_t bytes, uint64_t last, bool pending)
{
    pthread_mutex_lock(&w->list);
    struct closed_segment *more = realloc(w->closed, (w->nclosed + 1) * sizeof(*more));
    CHECK(more);
    more[w->nclosed++] = (struct closed_segment){number, bytes, last, false, pending};
    w->closed = more;
    __atomic_store_n(&w->closed_bytes, w->closed_bytes + bytes, __ATOMIC_RELAXED);
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->list);
}

void writer_count(struct writer *w)
{
    w->wal->segments = __atomic_load_n(&w->nclosed, __ATOMIC_RELAXED) + (w->segment.fd >= 0);
    w->wal->bytes =
        __atomic_load_n(&w->closed_bytes, __ATOMIC_RELAXED) + (w->segment.fd >= 0 ? w->segment.at : 0);
}

/* ---- deleting ---- */

/* The oldest, if the base holds all of it. */
static bool take_covered(struct writer *w, uint64_t base, uint64_t *number)
{
    bool found = false;
    pthread_mutex_lock(&w->list);
    if (w->nclosed && w->closed[0].last <= base && !w->closed[0].pending) {
        *number = w->closed[0].number;
        __atomic_store_n(&w->closed_bytes, w->closed_bytes - w->closed[0].bytes, __ATOMIC_RELAXED);
        w->nclosed--;
        memmove(w->closed, w->closed + 1, w->nclosed * sizeof(*w->closed));
        found = true;
    }
    pthread_mutex_unlock(&w->list);
    return found;
}

static void delete_old_bases(struct writer *w, uint64_t newest)
{
    struct wal_dir d;
    char name[WAL_NAME_MAX];
    if (wal_dir_list(&d, w->dirfd) == RC_OK)
        for (unsigned i = 0; i < d.nbases && d.base[i] < newest; i++) {
            wal_base_name(name, d.base[i]);
            unlinkat(w->dirfd, name, 0);
        }
    wal_dir_free(&d);
}

/* Older bases go once the newest is seen in its place; a segment, when the base has all of its records. */
static void delete_covered(struct helper *h)
{
    struct writer *w = h->w;
    uint64_t base = __atomic_load_n(&w->wal->base_lsn, __ATOMIC_ACQUIRE), number;
    char name[WAL_NAME_MAX];
    struct stat st;
    wal_base_name(name, base);
    if (w->wal->state != WAL_ON || w->wal->pending_from || fstatat(w->dirfd, name, &st, 0))
        return;
    bool another = base != h->base_seen || w->wal->base_bytes != (uint64_t)st.st_size;
    bool newer = another && h->seen;
    h->seen = true;
    if (another) {
        w->wal->base_bytes = (uint64_t)st.st_size;
        delete_old_bases(w, base);
        h->base_seen = base;
    }
    while (take_covered(w, base, &number)) {
        if (h->packing.active && h->packing.number == number)
            packing_drop(&h->packing); /* or it would come back under its name */
        wal_segment_name(name, number);
        unlinkat(w->dirfd, name, 0);
    }
    writer_count(w);
    if (newer || w->wal->bytes < w->wal->kept_bytes)
        w->wal->kept_bytes = w->wal->bytes;
}

/* ---- the next segment ---- */

static unsigned prepare_step(struct writer *w)
{
    bool done = true;
    pthread_mutex_lock(&w->list);
    bool wanted = w->want_next && !w->ready, zeros = w->zeros;
    uint64_t due = w->zeros_due, bytes = w->next_bytes;
    pthread_mutex_unlock(&w->list);
    if (!wanted || (zeros && w->next.fd >= 0 && w->next.zeroed >= due))
        return 0;
    enum rc rc = w->next.fd < 0 ? segment_prepare(&w->next, w->dirfd, "next.tmp", bytes) : RC_OK;
    if (!rc && zeros)
        rc = segment_prepare_zeros(&w->next, &done);
    if (rc) /* the disk is full, say: whoever needs the segment will tell */
        segment_prepare_drop(&w->next, w->dirfd);
    pthread_mutex_lock(&w->list);
    w->ready = !rc && done;
    w->want_next = !rc;
    pthread_mutex_unlock(&w->list);
    return rc || done ? 0 : ZERO_NAP_MS;
}

/* ---- packing ---- */

static bool choose(struct writer *w, struct closed_segment *out)
{
    bool found = false;
    pthread_mutex_lock(&w->list);
    for (unsigned i = 0; i < w->nclosed && !found; i++)
        if (!w->closed[i].packed && !w->closed[i].pending) {
            *out = w->closed[i];
            found = true;
        }
    pthread_mutex_unlock(&w->list);
    return found;
}

static void note_packed(struct writer *w, uint64_t number, uint64_t bytes)
{
    pthread_mutex_lock(&w->list);
    for (unsigned i = 0; i < w->nclosed; i++)
        if (w->closed[i].number == number) {
            __atomic_store_n(&w->closed_bytes, w->closed_bytes - w->closed[i].bytes + bytes,
                             __ATOMIC_RELAXED);
            w->closed[i].bytes = bytes;
            w->closed[i].packed = true;
        }
    pthread_mutex_unlock(&w->list);
    writer_count(w);
}

static unsigned pack_step(struct helper *h)
{
    struct writer *w = h->w;
    struct closed_segment s;
    if (!h->packing.active) {
        if (!w->cfg->wal_compression || w->wal->fault || !choose(w, &s))
            return 0;
        if (!packing_begin(&h->packing, w->dirfd, s.number, s.bytes))
            note_packed(w, s.number, s.bytes);
        return PACK_NAP_MS;
    }
    if (!packing_step(&h->packing))
        note_packed(w, h->packing.number, h->packing.outcome);
    return PACK_NAP_MS;
}

/* ---- the thread ---- */

static void sleep_until_work(struct writer *w, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&w->list);
    if (!w->ending)
        pthread_cond_timedwait(&w->work, &w->list, &until);
    pthread_mutex_unlock(&w->list);
}

static bool ending(struct writer *w)
{
    pthread_mutex_lock(&w->list);
    bool end = w->ending;
    pthread_mutex_unlock(&w->list);
    return end;
}

static void sync_each_second(struct helper *h)
{
    struct writer *w = h->w;
    int64_t now = mono_ms();
    if (now < h->sync_ms)
        return;
    h->sync_ms = now + SYNC_EVERY_MS;
    if (w->cfg->appendfsync == FSYNC_EVERYSEC && writer_unsynced(w) && !writer_syncs_suspended(w))
        writer_sync(w);
}

void *writer_helper(void *arg)
{
    struct helper h = {.w = arg};
    while (!ending(h.w)) {
        sync_each_second(&h);
        delete_covered(&h);
        unsigned nap = prepare_step(h.w);
        if (!nap)
            nap = pack_step(&h);
        struct timespec pause = {0, nap * 1000000l};
        int64_t left = h.sync_ms - mono_ms();
        if (nap) /* whole: whatever else there is to do, the disk is others' meanwhile */
            nanosleep(&pause, NULL);
        else
            sleep_until_work(h.w, left > 0 ? (unsigned)left : 0);
    }
    packing_drop(&h.packing);
    segment_prepare_drop(&h.w->next, h.w->dirfd);
    return NULL;
}
