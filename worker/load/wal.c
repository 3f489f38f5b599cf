/* Segments of our own log: frames, records, and in them the commands that were their effect. */
#include "shm/format/wal_file.h"
#include "worker/load/load.h"

#include <errno.h>

#define WHAT_TO_DO "'skepctl wal check' says more, 'skepctl wal repair' keeps what is good"

__attribute__((noreturn)) static void damaged(struct loader *l, uint64_t at, const char *why)
{
    load_fail(l, "The log is damaged: %s, offset %llu: %s. " WHAT_TO_DO, l->file->path,
              (unsigned long long)at, why);
}

static void run_record(struct loader *l, const struct wal_cursor *c, const struct wal_entry *e)
{
    const char *p = e->effect.p;
    size_t left = e->effect.n, used;
    if (e->db >= l->w.ctx.root->ndbs)
        load_fail(l, "%s has changes of database %u, but there are %u of them: raise 'databases'",
                  l->file->path, e->db, l->w.ctx.root->ndbs);
    l->db = e->db;
    for (; left; p += used, left -= used)
        if (replay_next(l, p, left, &used))
            damaged(l, c->frame_at, "a record holds no whole command");
}

static void run_frame(struct loader *l, struct wal_cursor *c)
{
    struct wal_entry e;
    while (wal_cursor_record(c, &e))
        if (e.lsn > l->lsn) {
            run_record(l, c, &e);
            l->lsn = e.lsn;
        }
    if (c->frame.stored < c->frame.raw)
        replay_flush(l); /* it was unpacked to where the next one will be */
    load_tick(l, c->frame_at);
}

/* What stands in front of the segment has been read, or lies in the base. */
static void check_chain(struct loader *l, const struct wal_cursor *c)
{
    if (c->head.number != l->file->number)
        damaged(l, 0, "it is another segment than its name says");
    if (l->log_id && c->head.log_id != l->log_id)
        damaged(l, 0, "it belongs to another log");
    if (c->head.before != l->segment_end && c->head.before > l->base_lsn)
        damaged(l, 0, "records between it and what is in front of it are missing");
    l->log_id = c->head.log_id;
}

/* A crash of the machine has left something at the end that was never promised to anybody. */
static void cut(struct loader *l, const struct wal_cursor *c)
{
    unsigned long long at = c->end_at;
    if (!l->w.cfg->aof_load_truncated)
        load_fail(l,
                  "The log's end is torn: %s, offset %llu: %s. A crash of the machine leaves such an end; "
                  "'aof-load-truncated yes' cuts it",
                  l->file->path, at, c->why);
    load_meet(l);
    if (load_is_first(l)) {
        log_warning("The log's end is torn: %s is cut at offset %llu (%s)", l->file->path, at, c->why);
        if (!load_cut(l, at))
            load_fail(l, "Cannot cut %s: %s", l->file->path, strerror(errno));
    }
    load_go_on(l);
}

void load_segment(struct loader *l)
{
    struct wal_cursor c;
    bool good = wal_cursor_open(&c, l->map.p, l->map.n, l->file->last);
    if (good)
        check_chain(l, &c);
    while (good && wal_cursor_frame(&c))
        run_frame(l, &c);
    replay_flush(l);
    if (c.end == WAL_DAMAGED)
        damaged(l, c.end_at, c.why);
    if (c.end == WAL_TORN)
        cut(l, &c);
    l->segment_end = c.lsn;
    wal_cursor_close(&c);
}
