/* Redis's append-only files: an RDB file in front, perhaps, then commands. */
#include "worker/load/load.h"

#include <errno.h>
#include <unistd.h>

struct aof {
    struct loader *l;
    const char *p;
    size_t n, at;
};

/* Whether the block that begins at at ends within the file: its EXEC may be missing after a crash. */
static bool block_is_whole(const struct aof *a, size_t at)
{
    const struct bytes *argv;
    unsigned argc;
    size_t used;
    while (at < a->n) {
        enum replay_result res = replay_peek(a->l, a->p + at, a->n - at, &used, &argv, &argc);
        if (res == REPLAY_BAD)
            return true; /* which is then found by who runs it */
        if (res == REPLAY_CUT)
            return false;
        if (bytes_is(argv[0], "exec"))
            return true;
        at += used;
    }
    return false;
}

/* The file ends within a command or a block. All loaders have come here, and nobody reads on. */
static void cut(struct aof *a)
{
    struct loader *l = a->l;
    const char *path = l->file->path;
    if (!l->file->last)
        load_fail(l, "Fatal error: the truncated file %s is not the last file", path);
    if (!l->w.cfg->aof_load_truncated)
        load_fail(l,
                  "Unexpected end of file reading the append only file %s. You can: 1) Make a backup of your "
                  "AOF file, "
                  "then use redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the "
                  "'aof-load-truncated' configuration option to yes and restart the server.",
                  path);
    load_meet(l);
    if (load_is_first(l)) {
        log_warning("!!! Warning: short read while loading the AOF file %s!!!", path);
        log_warning("!!! Truncating the AOF %s at offset %zu !!!", path, a->at);
        if (!load_cut(l, a->at))
            load_fail(l, "Error truncating the AOF file %s: %s", path, strerror(errno));
        log_warning("AOF %s loaded anyway because aof-load-truncated is enabled", path);
    }
    load_go_on(l);
}

/* MULTI and EXEC only bind a block together; what counts is that all of it is there. */
static bool is_bracket(struct aof *a, size_t *used, bool *whole)
{
    const char *p = a->p + a->at;
    const struct bytes *argv;
    unsigned argc;
    *whole = true;
    /* "*1" first: most commands are told apart from these two by their second byte. */
    if (a->n - a->at < 4 || p[1] != '1' || (p[2] != '\r' && p[2] != '\n') ||
        replay_peek(a->l, p, a->n - a->at, used, &argv, &argc))
        return false;
    bool multi = bytes_is(argv[0], "multi"), exec = bytes_is(argv[0], "exec");
    if (multi)
        *whole = block_is_whole(a, a->at + *used);
    return multi || exec;
}

static bool is_annotation(const struct aof *a, size_t *used)
{
    const char *p = a->p + a->at, *end = memchr(p, '\n', a->n - a->at);
    *used = end ? (size_t)(end - p) + 1 : a->n - a->at;
    return *p == '#';
}

static void commands(struct aof *a)
{
    struct loader *l = a->l;
    while (a->at < a->n) {
        size_t used;
        bool whole;
        if (UNLIKELY(a->p[a->at] == '#') && is_annotation(a, &used)) {
            a->at += used;
            continue;
        }
        if (is_bracket(a, &used, &whole)) {
            if (!whole) {
                if (load_is_first(l))
                    log_warning("Revert incomplete MULTI/EXEC transaction in AOF file %s", l->file->path);
                cut(a);
                return;
            }
            a->at += used;
            continue;
        }
        enum replay_result res = replay_next(l, a->p + a->at, a->n - a->at, &used);
        if (res == REPLAY_BAD)
            load_fail(
                l,
                "Bad file format reading the append only file %s (at offset %zu): make a backup of your AOF "
                "file, then use redis-check-aof --fix <filename.manifest>",
                l->file->path, a->at);
        if (res == REPLAY_CUT) {
            cut(a);
            return;
        }
        a->at += used;
        load_tick(l, a->at);
    }
}

void load_aof(struct loader *l)
{
    struct aof a = {.l = l, .p = l->map.p, .n = l->map.n};
    l->db = 0;
    if (a.n >= 5 && !memcmp(a.p, "REDIS", 5)) {
        if (load_is_first(l))
            log_notice("Reading RDB preamble from AOF file %s...", l->file->path);
        load_rdb(l, true, &a.at);
        if (a.at < a.n && load_is_first(l))
            log_notice("Reading the remaining AOF tail...");
    }
    commands(&a);
}

bool load_cut(const struct loader *l, uint64_t at)
{
    return !truncate(l->file->path, (off_t)at);
}
