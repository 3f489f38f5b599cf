/* The list of AOF files that Redis keeps beside them since 7.0. A line: file NAME seq NUMBER type b|i|h. */
#include "shm/base/number.h"
#include "shm/base/words.h"
#include "worker/load/plan.h"

#include <errno.h>
#include <stdio.h>

#define LINE_MAX_BYTES 1024 /* Redis's own limit */

struct manifest {
    struct load_plan *plan;
    const char *dir, *path;
    unsigned line;
    bool has_base;
    int64_t last_seq; /* of the increments */
};

struct listed {
    struct bytes name;
    int64_t seq;
    char type;
};

static enum rc wrong(struct manifest *m, const char *why)
{
    return plan_refuse(m->plan, RC_INVALID, "%s, line %u: %s", m->path, m->line, why);
}

static enum rc fields(struct manifest *m, const struct words *w, struct listed *f)
{
    static const char format[] = "Invalid AOF manifest file format";
    *f = (struct listed){.seq = 0};
    if (w->n < 6 || w->n % 2)
        return wrong(m, format);
    for (int i = 0; i < w->n; i += 2) {
        struct bytes name = w->v[i], v = w->v[i + 1];
        if (bytes_is(name, "file"))
            f->name = v;
        else if (bytes_is(name, "seq") && !number_to_int64(v, &f->seq))
            return wrong(m, format);
        else if (bytes_is(name, "type"))
            f->type = v.n == 1 ? v.p[0] : '?';
    }
    if (!f->name.n || !f->seq || !f->type)
        return wrong(m, format);
    if (memchr(f->name.p, '/', f->name.n) || strlen(f->name.p) != f->name.n)
        return wrong(m, "File can't be a path, just a filename");
    return RC_OK;
}

static enum rc add(struct manifest *m, const struct listed *f)
{
    char path[PATH_MAX];
    if (f->type == 'h')
        return RC_OK; /* waits for being deleted */
    if (f->type != 'b' && f->type != 'i')
        return wrong(m, "Unknown AOF file type");
    if (f->type == 'b' && m->has_base)
        return wrong(m, "Found duplicate base file information");
    if (f->type == 'i' && f->seq <= m->last_seq)
        return wrong(m, "Found a non-monotonic sequence number");
    if (f->type == 'b' && m->last_seq)
        return wrong(m, "The base stands behind what follows it");
    if (snprintf(path, sizeof(path), "%s/%s", m->dir, f->name.p) >= (int)sizeof(path))
        return wrong(m, "The path is too long");
    m->has_base |= f->type == 'b';
    m->last_seq = f->type == 'i' ? f->seq : m->last_seq;
    return plan_add(m->plan, LOAD_AOF, 0, path);
}

static enum rc line(struct manifest *m, char *text)
{
    struct words w;
    struct listed f;
    char *end = strchr(text, '\n');
    if (text[0] == '#')
        return RC_OK;
    if (!end)
        return wrong(m, "The AOF manifest file contains too long line");
    if (words_split((struct bytes){text, (size_t)(end - text)}, &w))
        return wrong(m, "Invalid AOF manifest file format");
    enum rc rc = fields(m, &w, &f);
    if (!rc)
        rc = add(m, &f);
    words_free(&w);
    return rc;
}

enum rc plan_manifest(struct load_plan *plan, const char *dir, const char *path)
{
    struct manifest m = {.plan = plan, .dir = dir, .path = path};
    char text[LINE_MAX_BYTES + 1];
    enum rc rc = RC_OK;
    FILE *in = fopen(path, "re");
    if (!in && errno == ENOENT)
        return RC_MISSING;
    if (!in)
        return plan_refuse(plan, RC_IO, "Cannot open the AOF manifest file %s: %s", path, strerror(errno));
    while (!rc && fgets(text, sizeof(text), in)) {
        m.line++;
        rc = line(&m, text);
    }
    if (!rc && ferror(in))
        rc = plan_refuse(plan, RC_IO, "Cannot read the AOF manifest file %s: %s", path, strerror(errno));
    fclose(in);
    if (!rc && !m.line)
        rc = wrong(&m, "Found an empty AOF manifest");
    return rc;
}
