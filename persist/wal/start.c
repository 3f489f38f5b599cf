/* What a writer finds: the files of an earlier run that was loaded, of a log that was given up, or of a writer that
 * died a moment ago. */
#include "persist/wal/writer.h"
#include "shm/base/clock.h"
#include "shm/format/wal_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_RIGHTS   0755
#define LOCK_WAIT_MS 10000 /* a predecessor that drains its ring: 4 MB for each slot at most */

/* ---- the directory ---- */

static enum rc refuse(struct writer *w, const char *what)
{
    snprintf(w->wal->error, sizeof(w->wal->error), "%s: %s", what, strerror(errno));
    log_warning("Can't open or create append-only dir %s/%s: %s", w->wal->dir, WAL_DIR_NAME, w->wal->error);
    return RC_IO;
}

static enum rc open_directory(struct writer *w)
{
    struct shm_wal *wal = w->wal;
    if (!wal->dir[0])
        snprintf(wal->dir, sizeof(wal->dir), "%s", w->cfg->dir_value);
    int parent = open(wal->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return refuse(w, "open");
    bool made = mkdirat(parent, WAL_DIR_NAME, DIR_RIGHTS) == 0;
    bool bad = (!made && errno != EEXIST) || (made && fsync(parent));
    w->dirfd = bad ? -1 : openat(parent, WAL_DIR_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dirfd < 0)
        refuse(w, made ? "fsync" : "mkdir");
    close(parent);
    return w->dirfd < 0 ? RC_IO : RC_OK;
}

static enum rc lock_directory(struct writer *w)
{
    enum rc rc = wal_dir_lock(w->dirfd, LOCK_WAIT_MS, &w->lockfd);
    if (rc == RC_BUSY) {
        log_warning("Another server writes its log to %s/%s: this one cannot.", w->wal->dir, WAL_DIR_NAME);
        snprintf(w->wal->error, sizeof(w->wal->error), "another server writes its log there");
    } else if (rc)
        refuse(w, "lock");
    return rc;
}

/* ---- what was begun and not finished ---- */

/* A pending segment of this very beginning holds records that are no longer in the ring. */
static bool keeps(const struct writer *w, const char *name)
{
    uint64_t n, from = w->wal->pending_from;
    return from && wal_pending_read(name, &n) && n >= from && n < w->wal->next_segment;
}

/* The first writer clears everything away; a later one only what a writer leaves, since somebody else may be about
 * to finish the rest. */
static bool ours(const char *name)
{
    uint64_t n;
    return wal_pending_read(name, &n) || strcmp(name, "next.tmp") == 0 || strcmp(name, "begin.tmp") == 0 ||
           strcmp(name, "pack.tmp") == 0;
}

static void remove_unfinished(struct writer *w, bool all)
{
    int fd = openat(w->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    uint64_t n;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (wal_name_read(e->d_name, &n) == WAL_NAME_TMP && !keeps(w, e->d_name) && (all || ours(e->d_name)))
            unlinkat(w->dirfd, e->d_name, 0);
    closedir(dir);
}

void writer_forget_pending(struct writer *w)
{
    struct shm_wal *wal = w->wal;
    if (!wal->pending_from)
        return;
    segment_abandon(&w->segment);
    wal->next_segment = wal->pending_from;
    wal->pending_from = 0;
    remove_unfinished(w, false);
}

/* ---- segments ---- */

struct found {
    int fd;
    uint64_t number, bytes;
    bool pending;
    struct wal_head head;
};

static bool open_found(const struct writer *w, struct found *f, int flags)
{
    char name[WAL_NAME_MAX], bytes[WAL_HEAD_BYTES];
    struct stat st;
    wal_segment_name(name, f->number);
    f->pending = false;
    f->fd = openat(w->dirfd, name, flags | O_CLOEXEC);
    if (f->fd < 0 && errno == ENOENT) {
        wal_pending_name(name, f->number);
        f->pending = true;
        f->fd = openat(w->dirfd, name, flags | O_CLOEXEC);
    }
    if (f->fd < 0)
        return false;
    ssize_t n = pread(f->fd, bytes, sizeof(bytes), 0);
    f->bytes = fstat(f->fd, &st) ? 0 : (uint64_t)st.st_size;
    if (n == (ssize_t)sizeof(bytes) && !wal_head_get(&f->head, bytes, sizeof(bytes)))
        return true;
    close(f->fd);
    return false;
}

/* Reads it to its end, and cuts what stands behind. */
static enum rc cut(struct found *f, struct wal_cursor *c)
{
    void *map = mmap(NULL, f->bytes, PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED)
        return RC_IO;
    wal_cursor_open(c, map, f->bytes, true);
    while (wal_cursor_frame(c))
        ;
    wal_cursor_close(c);
    munmap(map, f->bytes);
    if (c->end == WAL_DAMAGED)
        return RC_INVALID;
    if (c->end == WAL_TORN)
        log_warning("The log's segment %016llx is cut at offset %llu, record %llu: %s",
                    (unsigned long long)f->number, (unsigned long long)c->end_at, (unsigned long long)c->lsn,
                    c->why);
    if (c->end_at != f->bytes && ftruncate(f->fd, (off_t)c->end_at))
        return RC_IO;
    return fdatasync(f->fd) ? RC_IO : RC_OK;
}

/* The last segment that counts. Afterwards w->last is the last record that is safely there. */
static enum rc take_newest(struct writer *w, uint64_t number)
{
    struct shm_wal *wal = w->wal;
    struct wal_cursor c = {0};
    struct found f = {.number = number};
    if (!open_found(w, &f, O_RDWR))
        return RC_INVALID;
    if (!wal->log_id)
        wal->log_id = f.head.log_id;
    enum rc rc = f.head.log_id != wal->log_id ? RC_INVALID : cut(&f, &c);
    close(f.fd);
    if (rc) {
        if (rc == RC_INVALID)
            log_warning(
                "The log's segment %016llx is damaged at offset %llu: %s. skepctl wal check tells more.",
                (unsigned long long)number, (unsigned long long)c.end_at,
                c.why[0] ? c.why : "it belongs to another log");
        return rc;
    }
    if (c.lsn > w->last)
        w->last = c.lsn;
    if (c.end_at == WAL_HEAD_BYTES) /* nothing is in it: the next one takes its name */
        wal->next_segment = number;
    else
        writer_add_closed(w, number, c.end_at, c.lsn, f.pending);
    return RC_OK;
}

/* What a segment holds ends where the next one says that it begins. */
static void list_older(struct writer *w, const uint64_t *number, unsigned n)
{
    struct found f = {.fd = -1}, next = {.fd = -1};
    for (unsigned i = 0; i + 1 < n; i++) {
        f.number = number[i];
        next.number = number[i + 1];
        if (!open_found(w, &f, O_RDONLY))
            continue;
        if (open_found(w, &next, O_RDONLY)) {
            writer_add_closed(w, f.number, f.bytes, next.head.before, f.pending);
            close(next.fd);
        }
        close(f.fd);
    }
}

/* Segments that count, and pending ones behind them. */
static uint64_t *all_segments(const struct writer *w, const struct wal_dir *d, unsigned *n)
{
    const struct shm_wal *wal = w->wal;
    uint64_t pending = wal->pending_from ? wal->next_segment - wal->pending_from : 0;
    uint64_t *list = calloc(d->nsegments + pending + 1, sizeof(*list));
    CHECK(list);
    *n = d->nsegments;
    if (d->nsegments)
        memcpy(list, d->segment, d->nsegments * sizeof(*list));
    for (uint64_t i = wal->pending_from; pending && i < wal->next_segment; i++)
        if (!*n || list[*n - 1] < i)
            list[(*n)++] = i;
    return list;
}

/* ---- beginnings ---- */

/* Whatever lies here belongs to an earlier life of the log and counts until the new base is complete. Numbers go on
 * behind it, so that the new base is the newest. */
static enum rc begin_log(struct writer *w, const struct wal_dir *d)
{
    struct shm_wal *wal = w->wal;
    uint64_t lsn = d->nbases ? d->base[d->nbases - 1] : 0;
    if (d->nsegments) {
        struct found f = {.number = d->segment[d->nsegments - 1]};
        struct wal_cursor c;
        if (open_found(w, &f, O_RDWR)) {
            if (f.bytes && !cut(&f, &c) && c.lsn > lsn)
                lsn = c.lsn;
            close(f.fd);
        }
        if (wal->next_segment <= f.number)
            wal->next_segment = f.number + 1;
    }
    uint64_t now = wal_lsn(w->ctx.root);
    while (now < lsn &&
           !__atomic_compare_exchange_n(&wal->lsn, &now, lsn, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
        ;
    w->last = lsn;
    wal->kept_bytes = 0;
    list_older(w, d->segment, d->nsegments);
    if (d->nsegments)
        writer_add_closed(w, d->segment[d->nsegments - 1], 0, lsn, false);
    wal->pending_from = wal->next_segment ? wal->next_segment : 1;
    return RC_OK;
}

/* Goes on with the log that was loaded, or with a dead writer's. */
static enum rc go_on(struct writer *w, const struct wal_dir *d, bool first)
{
    struct shm_wal *wal = w->wal;
    unsigned n;
    uint64_t *number = all_segments(w, d, &n);
    enum rc rc = RC_OK;
    w->last = wal->base_lsn;
    list_older(w, number, n);
    if (n && wal->next_segment <= number[n - 1])
        wal->next_segment = number[n - 1] + 1;
    if (n)
        rc = take_newest(w, number[n - 1]);
    free(number);
    if (rc && first)
        return rc;
    if (rc) /* the ring is ahead of a file that cannot be trusted */
        writer_fault(w, EIO, "the last segment cannot be read", true);
    return RC_OK;
}

static void draw_identity(struct shm_wal *wal)
{
    while (!wal->log_id)
        if (getrandom(&wal->log_id, sizeof(wal->log_id), 0) != (ssize_t)sizeof(wal->log_id))
            wal->log_id = (uint64_t)mono_us();
}

static enum rc settle(struct writer *w, const struct wal_dir *d)
{
    struct shm_wal *wal = w->wal;
    bool first = !wal->begun_ms;
    bool fresh = wal->state == WAL_BEGINS && !wal->pending_from;
    remove_unfinished(w, first && wal->state != WAL_BEGINS);
    enum rc rc = fresh ? begin_log(w, d) : go_on(w, d, first);
    if (rc)
        return rc;
    draw_identity(wal);
    if (!wal->next_segment)
        wal->next_segment = 1;
    if (!wal->begun_ms)
        wal->begun_ms = (uint64_t)mono_ms();
    w->synced = w->last;
    if (wal->written < w->last)
        wal->written = w->last;
    if (wal->durable < w->last)
        wal->durable = w->last;
    return RC_OK;
}

/* A disk that is full now may have room later: only what cannot get better by itself is refused. */
enum rc writer_open(struct writer *w)
{
    struct wal_dir d;
    enum rc rc = open_directory(w);
    if (rc || (rc = lock_directory(w)))
        return rc;
    rc = wal_dir_list(&d, w->dirfd);
    if (rc)
        refuse(w, "read");
    else
        rc = settle(w, &d);
    wal_dir_free(&d);
    if (rc)
        return rc;
    if (w->wal->fault && w->heal_from)
        return RC_OK;
    writer_prepare_first(w);
    pthread_mutex_lock(&w->file);
    bool was = w->wal->fault;
    if (!writer_next_segment(w) && was)
        writer_healed(w);
    pthread_mutex_unlock(&w->file);
    writer_wake(w); /* the predecessor may have died between a sync and telling of it */
    return RC_OK;
}
