/* Reading. A directive's last place decides, as its last value does: whether something is missing in this
 * version is asked at the end, so that "--cluster-enabled no" may repair a file that says yes. */
#include "master/conf_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/base/words.h"

/* A file that includes itself would be read until the stack ends. */
#define INCLUDE_DEPTH_MAX 16

struct place {
    const char *file;
    int line;
    struct bytes text;
};

struct origin {
    char *file; /* NULL: still the default */
    char *text;
    int line;
};

struct loader {
    struct shm_config *cfg;
    struct conf_report *report;
    int depth;
    struct origin origins[CONFIG_COUNT];
};

static char *copy_bytes(struct bytes b)
{
    char *s = malloc(b.n + 1);
    if (s) {
        memcpy(s, b.p, b.n);
        s[b.n] = '\0';
    }
    return s;
}

/* The line is shown as it is, unless it holds a secret, which must not get into a log. */
static struct bytes shown(struct bytes line)
{
    size_t n = 0;
    while (n < line.n && !isspace((unsigned char)line.p[n]))
        n++;
    int id = config_find((struct bytes){line.p, n});
    return id >= 0 && (config_flags(id) & DIR_SENS) ? (struct bytes){line.p, n} : line;
}

__attribute__((format(printf, 3, 4))) static enum rc fail_at(struct loader *l, const struct place *at,
                                                             const char *fmt, ...)
{
    char why[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);

    struct bytes line = shown(at->text);
    char *text;
    if (asprintf(&text,
                 "*** FATAL CONFIG FILE ERROR (Skep " SKEP_VERSION ") ***\n"
                 "Reading the configuration file, at line %d of %s\n>>> '%.*s'\n%s",
                 at->line, at->file, (int)line.n, line.p, why) < 0)
        return RC_NOMEM;
    free(l->report->error);
    l->report->error = text;
    return RC_INVALID;
}

static enum rc fail_open(struct loader *l, const char *path)
{
    char *text;
    if (asprintf(&text, "Fatal error, can't open config file '%s': %s", path, strerror(errno)) < 0)
        return RC_NOMEM;
    free(l->report->error);
    l->report->error = text;
    return RC_IO;
}

__attribute__((format(printf, 4, 5))) static enum rc warn_at(struct conf_report *report, const char *file,
                                                             int line, const char *fmt, ...)
{
    struct conf_warning *more = realloc(report->warnings, (size_t)(report->nwarnings + 1) * sizeof(*more));
    if (!more)
        return RC_NOMEM;
    report->warnings = more;
    struct conf_warning *w = &more[report->nwarnings];
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&w->text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return RC_NOMEM;
    w->file = strdup(file);
    w->line = line;
    if (!w->file) {
        free(w->text);
        return RC_NOMEM;
    }
    report->nwarnings++;
    return RC_OK;
}

static enum rc remember(struct loader *l, int id, const struct place *at)
{
    struct origin *o = &l->origins[id];
    char *file = strdup(at->file), *text = copy_bytes(at->text);
    if (!file || !text) {
        free(file);
        free(text);
        return RC_NOMEM;
    }
    free(o->file);
    free(o->text);
    *o = (struct origin){file, text, at->line};
    return RC_OK;
}

static enum rc set_directive(struct loader *l, int id, const struct words *w, const struct place *at)
{
    char err[CONFIG_ERR_MAX];
    struct words inner = {0};
    const struct bytes *values = w->v + 1;
    int n = w->n - 1;
    bool multi = config_flags(id) & DIR_MULTI;

    if (n == 0 && !multi)
        return fail_at(l, at, "wrong number of arguments");
    if (n == 1 && multi && values[0].n > 0) { /* save "3600 1" says the same as save 3600 1 */
        enum rc rc = words_split(values[0], &inner);
        if (rc == RC_NOMEM)
            return rc;
        if (rc != RC_OK)
            return fail_at(l, at, "Unbalanced quotes in configuration line");
        values = inner.v;
        n = inner.n;
    }
    enum rc rc = config_set(l->cfg, w->v[0], values, n, CONFIG_FROM_FILE, err, sizeof(err));
    words_free(&inner);
    return rc == RC_OK ? remember(l, id, at) : fail_at(l, at, "%s", err);
}

static enum rc load_file(struct loader *l, const char *path, const struct place *included_at);

/* Paths count from the directory that the lines before have chosen. No match of a pattern is fine. */
static enum rc include(struct loader *l, const char *pattern, const struct place *at)
{
    char path[2 * PATH_MAX];
    bool relative = pattern[0] != '/';
    if (l->depth >= INCLUDE_DEPTH_MAX)
        return fail_at(l, at, "files include each other more than %d deep", INCLUDE_DEPTH_MAX);
    int n = snprintf(path, sizeof(path), "%s%s%s", relative ? l->cfg->dir_value : "", relative ? "/" : "",
                     pattern);
    if (n < 0 || (size_t)n >= sizeof(path))
        return fail_at(l, at, "can't open config file '%.256s': %s", pattern, strerror(ENAMETOOLONG));
    if (!strpbrk(pattern, "*?["))
        return load_file(l, path, at);

    glob_t found;
    enum rc rc = RC_OK;
    int g = glob(path, 0, NULL, &found);
    if (g == GLOB_NOSPACE)
        return RC_NOMEM;
    for (size_t i = 0; g == 0 && rc == RC_OK && i < found.gl_pathc; i++)
        rc = load_file(l, found.gl_pathv[i], at);
    globfree(&found);
    return rc;
}

/* redis-server itself appends such a line to each file that CONFIG REWRITE touches: the default user as it is
 * anyway. */
static bool is_plain_default_user(const struct words *w)
{
    static const char *const plain[] = {"on",    "nopass",  "sanitize-payload", "~*",         "&*",
                                        "+@all", "allkeys", "allchannels",      "allcommands"};
    if (w->n < 2 || !bytes_is(w->v[1], "default"))
        return false;
    for (int i = 2; i < w->n; i++) {
        size_t k = 0;
        while (k < ARRAY_LEN(plain) && !bytes_is(w->v[i], plain[k]))
            k++;
        if (k == ARRAY_LEN(plain))
            return false;
    }
    return true;
}

/* Words that are no directives with a value. */
static enum rc other_line(struct loader *l, const struct words *w, const struct place *at)
{
    static const char *const outlived[] = {"list-max-ziplist-entries", "list-max-ziplist-value",
                                           "lua-replicate-commands"};
    struct bytes name = w->v[0];
    if (bytes_is(name, "include") && w->n == 2)
        return include(l, w->v[1].p, at);
    for (size_t i = 0; i < ARRAY_LEN(outlived); i++)
        if (bytes_is(name, outlived[i]) && w->n == 2)
            return warn_at(l->report, at->file, at->line, "'%s' has long had no effect", outlived[i]);
    if (bytes_is(name, "user") && w->n >= 2)
        return is_plain_default_user(w) ? RC_OK : fail_at(l, at, "this version has no ACL users");
    if (bytes_is(name, "rename-command") && w->n == 3)
        return fail_at(l, at, "this version cannot rename commands");
    if (w->n >= 2 && (bytes_is(name, "loadmodule") || memchr(name.p, '.', name.n)))
        return fail_at(l, at, "this version has no modules");
    if (bytes_is(name, "sentinel"))
        return fail_at(l, at, "sentinel directive while not in sentinel mode");
    return fail_at(l, at, "Bad directive or wrong number of arguments");
}

static enum rc load_line(struct loader *l, const struct place *at)
{
    struct words w;
    if (at->text.n == 0 || at->text.p[0] == '#')
        return RC_OK;
    enum rc rc = words_split(at->text, &w);
    if (rc == RC_NOMEM)
        return rc;
    if (rc != RC_OK)
        return fail_at(l, at, "Unbalanced quotes in configuration line");
    if (w.n > 0) {
        int id = config_find(w.v[0]);
        rc = id >= 0 ? set_directive(l, id, &w, at) : other_line(l, &w, at);
    }
    words_free(&w);
    return rc;
}

static struct bytes trim(struct bytes b)
{
    while (b.n && isspace((unsigned char)b.p[b.n - 1]))
        b.n--;
    while (b.n && isspace((unsigned char)*b.p)) {
        b.p++;
        b.n--;
    }
    return b;
}

static enum rc load_text(struct loader *l, struct bytes text, const char *file)
{
    enum rc rc = RC_OK;
    for (int line = 1; rc == RC_OK && text.n > 0; line++) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t len = end ? (size_t)(end - text.p) : text.n;
        struct place at = {file, line, trim((struct bytes){text.p, len})};
        rc = load_line(l, &at);
        len += end != NULL;
        text.p += len;
        text.n -= len;
    }
    return rc;
}

static enum rc load_file(struct loader *l, const char *path, const struct place *included_at)
{
    char *text;
    size_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum rc rc = fd < 0 ? RC_IO : conf_slurp(fd, &text, &len);
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    if (rc == RC_IO)
        return included_at
                   ? fail_at(l, included_at, "can't open config file '%.512s': %s", path, strerror(why))
                   : fail_open(l, path);
    if (rc != RC_OK)
        return rc;
    l->depth++;
    rc = load_text(l, (struct bytes){text, len}, path);
    l->depth--;
    free(text);
    return rc;
}

/* What we do not have yet: a warning where nobody is harmed, the end of the start where a promise would
 * break. */
static enum rc judge(struct loader *l)
{
    enum rc rc = RC_OK;
    for (int id = 0; rc == RC_OK && id < CONFIG_COUNT; id++) {
        const struct origin *o = &l->origins[id];
        if (!o->file || config_status(id) == DIR_WORKS || !config_asks(l->cfg, id))
            continue;
        struct place at = {o->file, o->line, {o->text, strlen(o->text)}};
        if (config_status(id) == DIR_STOPS)
            rc = fail_at(l, &at, "this version has no %s", config_lacks(id));
        else
            rc = warn_at(l->report, o->file, o->line, "'%s' has no effect: this version has no %s",
                         config_name(id), config_lacks(id));
    }
    return rc;
}

enum rc conf_load(const struct conf_request *req, struct shm_config *cfg, struct conf_report *report)
{
    memset(report, 0, sizeof(*report));
    struct loader *l = calloc(1, sizeof(*l));
    if (!l)
        return RC_NOMEM;
    l->cfg = cfg;
    l->report = report;
    config_defaults(cfg);
    if (strlen(req->start_dir) < sizeof(cfg->dir_value))
        strcpy(cfg->dir_value, req->start_dir);

    enum rc rc = RC_OK;
    if (req->path[0])
        rc = load_file(l, req->path, NULL);
    if (rc == RC_OK && req->input)
        rc = load_text(l, (struct bytes){req->input, req->input_len}, "standard input");
    if (rc == RC_OK && req->options)
        rc = load_text(l, (struct bytes){req->options, strlen(req->options)}, "the command line");
    if (rc == RC_OK)
        rc = judge(l);
    for (int id = 0; id < CONFIG_COUNT; id++) {
        free(l->origins[id].file);
        free(l->origins[id].text);
    }
    free(l);
    return rc;
}

void conf_print_error(FILE *to, const struct conf_report *report)
{
    fprintf(to, "\n%s\n", report->error ? report->error : "Out of memory while reading the configuration");
}

void conf_log_warnings(const struct conf_report *report)
{
    for (int i = 0; i < report->nwarnings; i++)
        log_warning("%s:%d: %s", report->warnings[i].file, report->warnings[i].line,
                    report->warnings[i].text);
}

void conf_report_free(struct conf_report *report)
{
    for (int i = 0; i < report->nwarnings; i++) {
        free(report->warnings[i].file);
        free(report->warnings[i].text);
    }
    free(report->warnings);
    free(report->error);
    memset(report, 0, sizeof(*report));
}
