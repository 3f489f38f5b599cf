#include "worker/load/plan.h"
#include "shm/config.h"
#include "shm/format/wal_dir.h"
#include "shm/format/wal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum rc plan_refuse(struct load_plan *plan, enum rc rc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(plan->why, sizeof(plan->why), fmt, ap);
    va_end(ap);
    return rc;
}

static void hash_bytes(uint64_t *hash, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *hash = (*hash ^ ((const unsigned char *)p)[i]) * 1099511628211ull;
}

enum rc plan_add(struct load_plan *plan, enum load_kind kind, uint64_t number, const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return plan_refuse(plan, RC_IO, "Cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return plan_refuse(plan, RC_INVALID, "%s is not a file", path);
    if (plan->n == plan->cap) {
        plan->cap = plan->cap ? plan->cap * 2 : 4;
        plan->file = realloc(plan->file, plan->cap * sizeof(*plan->file));
        CHECK(plan->file);
    }
    struct load_file *f = &plan->file[plan->n++];
    *f = (struct load_file){.kind = kind, .number = number, .bytes = (uint64_t)st.st_size};
    snprintf(f->path, sizeof(f->path), "%s", path);
    plan->total_bytes += f->bytes;
    return RC_OK;
}

void plan_free(struct load_plan *plan)
{
    free(plan->file);
    *plan = (struct load_plan){0};
}

/* False: the path is too long. */
static bool join(struct load_plan *plan, char out[PATH_MAX], const char *dir, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
        return true;
    plan_refuse(plan, RC_INVALID, "The path %s/%s is too long", dir, name);
    return false;
}

/* RC_MISSING: there is no such thing. Whatever else keeps us from seeing it is an error: to start empty beside
 * data that cannot be read would be worse than not to start. */
static enum rc look(struct load_plan *plan, const char *path)
{
    struct stat st;
    if (!stat(path, &st))
        return RC_OK;
    if (errno == ENOENT)
        return RC_MISSING;
    return plan_refuse(plan, RC_IO, "Cannot look at %s: %s", path, strerror(errno));
}

static enum rc add_if_there(struct load_plan *plan, enum load_kind kind, const char *dir, const char *name)
{
    char path[PATH_MAX];
    if (!join(plan, path, dir, name))
        return RC_INVALID;
    enum rc rc = look(plan, path);
    return rc ? rc : plan_add(plan, kind, 0, path);
}

/* ---- our own log ---- */

/* What stands in front of the segment. False: the head cannot be read, and whoever loads it says why. */
static bool segment_before(int dirfd, uint64_t number, uint64_t *before)
{
    char name[WAL_NAME_MAX], bytes[WAL_HEAD_BYTES];
    struct wal_head head;
    wal_segment_name(name, number);
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, bytes, sizeof(bytes));
    close(fd);
    if (n != (ssize_t)sizeof(bytes) || wal_head_get(&head, bytes, sizeof(bytes)))
        return false;
    *before = head.before;
    return true;
}

/* Segments of which the base has everything wait for being deleted: the one behind them begins within it. */
static unsigned first_needed(const struct wal_dir *d, int dirfd, uint64_t base)
{
    uint64_t before;
    unsigned i = d->nsegments;
    while (i-- > 1)
        if (segment_before(dirfd, d->segment[i], &before) && before <= base)
            return i;
    return 0;
}

static enum rc add_log(struct load_plan *plan, const char *dir, const struct wal_dir *d, int dirfd)
{
    char path[PATH_MAX], name[WAL_NAME_MAX];
    uint64_t base = plan->base_lsn = d->base[d->nbases - 1];
    wal_base_name(name, base);
    enum rc rc = join(plan, path, dir, name) ? plan_add(plan, LOAD_BASE, base, path) : RC_INVALID;
    unsigned first = first_needed(d, dirfd, base);
    for (unsigned i = first; i < d->nsegments && !rc; i++) {
        uint64_t number = d->segment[i];
        wal_segment_name(name, number);
        if (i > first && number != d->segment[i - 1] + 1)
            return plan_refuse(
                plan, RC_INVALID,
                "The log is damaged: the segment before %s is missing in %s. 'skepctl wal check' says "
                "more, 'skepctl wal repair' keeps what is good",
                name, dir);
        rc = join(plan, path, dir, name) ? plan_add(plan, LOAD_SEGMENT, number, path) : RC_INVALID;
        plan->last_segment = number;
    }
    return rc;
}

static enum rc plan_listed(struct load_plan *plan, const char *dir, int dirfd)
{
    struct wal_dir d;
    enum rc rc = wal_dir_list(&d, dirfd);
    if (rc)
        plan_refuse(plan, rc, "Cannot read the folder %s: %s", dir, strerror(errno));
    else if (d.nbases)
        rc = add_log(plan, dir, &d, dirfd);
    else if (!d.nsegments)
        rc = RC_MISSING; /* a log that had only just begun: its segments still have other names */
    else
        rc = plan_refuse(
            plan, RC_INVALID,
            "The log is damaged: %s holds segments, but the base-*.rdb that they follow has gone. Put it "
            "back, or move the folder away",
            dir);
    wal_dir_free(&d);
    return rc;
}

static enum rc plan_own_log(struct load_plan *plan, const char *log_dir)
{
    char dir[PATH_MAX];
    if (!join(plan, dir, log_dir, WAL_DIR_NAME))
        return RC_INVALID;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return RC_MISSING;
    if (fd < 0)
        return plan_refuse(plan, RC_IO, "Cannot read the folder %s: %s", dir, strerror(errno));
    enum rc rc = plan_listed(plan, dir, fd);
    close(fd);
    return rc;
}

/* ---- Redis's files ---- */

static enum rc plan_redis_log(struct load_plan *plan, const struct shm_config *cfg)
{
    char dir[PATH_MAX], path[PATH_MAX], name[PATH_MAX];
    snprintf(name, sizeof(name), "%s.manifest", cfg->appendfilename);
    if (!join(plan, dir, cfg->dir_value, cfg->appenddirname) || !join(plan, path, dir, name))
        return RC_INVALID;
    enum rc rc = plan_manifest(plan, dir, path);
    if (rc == RC_MISSING)
        rc = add_if_there(plan, LOAD_AOF, cfg->dir_value, cfg->appendfilename);
    return rc;
}

static enum rc choose(struct load_plan *plan, const struct shm_config *cfg, const char *log_dir,
                      enum load_what what)
{
    if (what == LOAD_DUMP || (what == LOAD_AT_START && !cfg->appendonly))
        return add_if_there(plan, LOAD_RDB, cfg->dir_value, cfg->dbfilename);
    plan->is_log = true;
    enum rc rc = plan_own_log(plan, log_dir);
    if (rc != RC_MISSING)
        return rc;
    plan->foreign = true;
    rc = plan_redis_log(plan, cfg);
    if (rc != RC_MISSING)
        return rc;
    plan->is_log = false;
    return add_if_there(plan, LOAD_RDB, cfg->dir_value, cfg->dbfilename);
}

enum rc plan_make(struct load_plan *plan, const struct shm_config *cfg, const char *log_dir,
                  enum load_what what)
{
    *plan = (struct load_plan){0};
    enum rc rc = choose(plan, cfg, log_dir, what);
    if (rc && rc != RC_MISSING)
        return rc;
    uint64_t hash = 14695981039346656037ull;
    for (unsigned i = 0; i < plan->n; i++) {
        hash_bytes(&hash, plan->file[i].path, strlen(plan->file[i].path) + 1);
        hash_bytes(&hash, &plan->file[i].bytes, sizeof(plan->file[i].bytes));
    }
    plan->hash = hash ? hash : 1;
    if (plan->n)
        plan->file[plan->n - 1].last = true;
    return RC_OK;
}
