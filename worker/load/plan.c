#include "worker/load/plan.h"
#include "shm/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LOG_DIR "skep-wal"

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

struct found { /* in the log's folder */
    uint64_t base, *segment;
    bool has_base;
    unsigned n, cap;
};

/* prefix, 16 hexadecimal digits, suffix. */
static bool name_number(const char *name, const char *prefix, const char *suffix, uint64_t *v)
{
    size_t p = strlen(prefix);
    if (strncmp(name, prefix, p) || strlen(name) != p + 16 + strlen(suffix) || strcmp(name + p + 16, suffix))
        return false;
    *v = 0;
    for (const char *d = name + p; d < name + p + 16; d++) {
        if (!(*d >= '0' && *d <= '9') && !(*d >= 'a' && *d <= 'f'))
            return false;
        *v = *v << 4 | (uint64_t)(*d <= '9' ? *d - '0' : *d - 'a' + 10);
    }
    return true;
}

static void found_name(struct found *f, const char *name)
{
    uint64_t v;
    if (name_number(name, "base-", ".rdb", &v)) {
        f->base = !f->has_base || v > f->base ? v : f->base;
        f->has_base = true;
    } else if (name_number(name, "", ".wal", &v)) {
        if (f->n == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 16;
            f->segment = realloc(f->segment, f->cap * sizeof(*f->segment));
            CHECK(f->segment);
        }
        f->segment[f->n++] = v;
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static enum rc add_log(struct load_plan *plan, const char *dir, const struct found *f)
{
    char path[PATH_MAX], name[32];
    enum rc rc = RC_OK;
    snprintf(name, sizeof(name), "base-%016llx.rdb", (unsigned long long)f->base);
    if (!join(plan, path, dir, name))
        return RC_INVALID;
    rc = plan_add(plan, LOAD_BASE, f->base, path);
    for (unsigned i = 0; i < f->n && !rc; i++) {
        snprintf(name, sizeof(name), "%016llx.wal", (unsigned long long)f->segment[i]);
        if (!join(plan, path, dir, name))
            return RC_INVALID;
        rc = plan_add(plan, LOAD_SEGMENT, f->segment[i], path);
        if (!rc && i && f->segment[i] != f->segment[i - 1] + 1)
            rc = plan_refuse(plan, RC_INVALID,
                             "The log's segment %016llx.wal is missing in %s: ask 'skepctl wal check' what can be "
                             "saved",
                             (unsigned long long)f->segment[i - 1] + 1, dir);
    }
    return rc;
}

/* Segments without a base: the log had begun, and its first base was not complete when the server ended. What
 * stands in them follows a state that was kept nowhere. */
static enum rc without_base(struct load_plan *plan, const char *dir, const struct found *f)
{
    if (!f->n)
        return RC_MISSING;
    return plan_refuse(plan, RC_INVALID,
                       "%s holds segments of a log but no base-*.rdb that they follow: if it was removed, put it "
                       "back; if the log had only just begun, move the folder away and what was saved before is "
                       "loaded",
                       dir);
}

static enum rc plan_own_log(struct load_plan *plan, const struct shm_config *cfg)
{
    char dir[PATH_MAX];
    struct found f = {0};
    if (!join(plan, dir, cfg->dir_value, LOG_DIR))
        return RC_INVALID;
    DIR *d = opendir(dir);
    if (!d && errno == ENOENT)
        return RC_MISSING;
    if (!d)
        return plan_refuse(plan, RC_IO, "Cannot read the folder %s: %s", dir, strerror(errno));
    for (struct dirent *e; (e = readdir(d));)
        found_name(&f, e->d_name);
    closedir(d);
    qsort(f.segment, f.n, sizeof(*f.segment), by_number);
    enum rc rc = f.has_base ? add_log(plan, dir, &f) : without_base(plan, dir, &f);
    free(f.segment);
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

static enum rc choose(struct load_plan *plan, const struct shm_config *cfg)
{
    if (!cfg->appendonly)
        return add_if_there(plan, LOAD_RDB, cfg->dir_value, cfg->dbfilename);
    plan->is_log = true;
    enum rc rc = plan_own_log(plan, cfg);
    if (rc != RC_MISSING)
        return rc;
    plan->foreign = true;
    rc = plan_redis_log(plan, cfg);
    if (rc != RC_MISSING)
        return rc;
    plan->is_log = false;
    return add_if_there(plan, LOAD_RDB, cfg->dir_value, cfg->dbfilename);
}

enum rc plan_make(struct load_plan *plan, const struct shm_config *cfg)
{
    *plan = (struct load_plan){0};
    enum rc rc = choose(plan, cfg);
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
