#include "shm/config_own.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/base/number.h"
#include "shm/base/words.h"

/* A text that grows in a caller's buffer; what does not fit is cut, which the sizes in config.h rule out. */
struct text {
    char *p;
    size_t n, cap;
};

static struct text text_begin(char *buf, size_t cap)
{
    CHECK(cap > 0);
    buf[0] = '\0';
    return (struct text){buf, 0, cap};
}

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->p + t->n, t->cap - t->n, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->n += (size_t)n < t->cap - t->n ? (size_t)n : t->cap - t->n - 1;
}

bool config_refuse(char *err, size_t errlen, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err, errlen, fmt, ap);
    va_end(ap);
    return false;
}

size_t config_format_memory(char *buf, size_t cap, uint64_t bytes)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}, {"", 1}};
    size_t i = 0;
    while (bytes == 0 ? i < 3 : bytes % units[i].bytes != 0)
        i++;
    return (size_t)snprintf(buf, cap, "%llu%s", (unsigned long long)(bytes / units[i].bytes), units[i].name);
}

/* strtoll's idea of an integer, which Redis uses for save and a few others: spaces, plus and zeros are fine,
 * nothing is 0.
 */
static bool loose_integer(struct bytes b, long long *out)
{
    char buf[32], *end;
    if (b.n >= sizeof(buf))
        return false;
    memcpy(buf, b.p, b.n);
    buf[b.n] = '\0';
    errno = 0;
    *out = strtoll(buf, &end, 10);
    return end == buf + b.n && errno == 0;
}

/* bind */

static void bind_reset(struct shm_config *cfg)
{
    strcpy(cfg->bind_value, "* -::*");
}

/* Words of a list joined by single spaces into room bytes. */
static bool join(const struct bytes *words, int n, char *out, size_t room)
{
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (len + words[i].n + 2 > room || memchr(words[i].p, '\0', words[i].n))
            return false;
        if (i > 0)
            out[len++] = ' ';
        memcpy(out + len, words[i].p, words[i].n);
        len += words[i].n;
        out[len] = '\0';
    }
    return true;
}

static bool bind_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                     char *err, size_t errlen)
{
    (void)from;
    char joined[sizeof(cfg->bind_value)];
    if (n > CONFIG_BINDS_MAX)
        return config_refuse(err, errlen, "Too many bind addresses specified.");
    for (int i = 0; i < n; i++) {
        bool empty = words[i].n == 0 || memchr(words[i].p, ' ', words[i].n);
        if (empty && !(n == 1 && words[i].n == 0)) /* bind "" means no address at all */
            return config_refuse(err, errlen, "Failed to bind to specified addresses.");
    }
    if (!join(words, n, joined, sizeof(joined)))
        return config_refuse(err, errlen, "argument is longer than %zu bytes", sizeof(joined) - 1);
    memcpy(cfg->bind_value, joined, sizeof(joined));
    return true;
}

static size_t bind_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    text_add(&t, "%s", cfg->bind_value);
    return t.n;
}

/* Addresses stand bare, as people write them; only a word with a quote or a tab in it needs quotes. If it is the
 * only one it needs two pairs, since a line's single word is taken apart once more. */
static enum rc bind_file(const struct shm_config *cfg, int line, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    const char *p = cfg->bind_value;
    char word[CONFIG_FILE_VALUE_MAX];
    if (line > 0)
        return RC_MISSING;
    for (struct bytes b = {p, strcspn(p, " ")};;
         b = (struct bytes){b.p + b.n + 1, strcspn(b.p + b.n + 1, " ")}) {
        if (words_write(b, word, sizeof(word)) == 0)
            return RC_NOMEM;
        text_add(&t, "%s%s", t.n ? " " : "", word);
        if (b.p[b.n] == '\0')
            break;
    }
    bool alone = p[0] && !strchr(p, ' ');
    if (!alone || word[0] != '"')
        return RC_OK;
    return words_quote((struct bytes){word, strlen(word)}, buf, cap) ? RC_OK : RC_NOMEM;
}

const struct config_own config_own_bind = {bind_reset, bind_set, bind_get, bind_file};

/* client-output-buffer-limit */

static const char *const class_names[OUTPUT_CLASSES] = {"normal", "slave", "pubsub"};

static void output_reset(struct shm_config *cfg)
{
    cfg->output_limits[OUTPUT_NORMAL] = (struct output_limit){0, 0, 0};
    cfg->output_limits[OUTPUT_REPLICA] = (struct output_limit){256 << 20, 64 << 20, 60};
    cfg->output_limits[OUTPUT_PUBSUB] = (struct output_limit){32 << 20, 8 << 20, 60};
}

static int class_of(struct bytes word)
{
    if (bytes_is(word, "replica"))
        return OUTPUT_REPLICA;
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        if (bytes_is(word, class_names[i]))
            return i;
    return -1;
}

static bool output_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                       char *err, size_t errlen)
{
    (void)from;
    struct output_limit limits[OUTPUT_CLASSES];
    memcpy(limits, cfg->output_limits, sizeof(limits));
    if (n % 4 != 0)
        return config_refuse(err, errlen, "Wrong number of arguments in buffer limit configuration.");
    for (int i = 0; i < n; i += 4) {
        int class = class_of(words[i]);
        if (class < 0)
            return config_refuse(err, errlen,
                                 "Invalid client class specified in buffer limit configuration.");
        struct output_limit *l = &limits[class];
        long long seconds;
        if (!number_to_memory(words[i + 1], &l->hard_bytes) ||
            !number_to_memory(words[i + 2], &l->soft_bytes) || !loose_integer(words[i + 3], &seconds) ||
            seconds < 0)
            return config_refuse(
                err, errlen, "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        l->soft_seconds = seconds;
    }
    memcpy(cfg->output_limits, limits, sizeof(limits));
    return true;
}

static size_t output_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    for (int i = 0; i < OUTPUT_CLASSES; i++) {
        const struct output_limit *l = &cfg->output_limits[i];
        text_add(&t, "%s%s %llu %llu %lld", i ? " " : "", class_names[i], (unsigned long long)l->hard_bytes,
                 (unsigned long long)l->soft_bytes, (long long)l->soft_seconds);
    }
    return t.n;
}

static enum rc output_file(const struct shm_config *cfg, int line, char *buf, size_t cap)
{
    if (line >= OUTPUT_CLASSES)
        return RC_MISSING;
    const struct output_limit *l = &cfg->output_limits[line];
    char hard[32], soft[32];
    config_format_memory(hard, sizeof(hard), l->hard_bytes);
    config_format_memory(soft, sizeof(soft), l->soft_bytes);
    snprintf(buf, cap, "%s %s %s %lld", line == OUTPUT_REPLICA ? "replica" : class_names[line], hard, soft,
             (long long)l->soft_seconds);
    return RC_OK;
}

const struct config_own config_own_output_limit = {output_reset, output_set, output_get, output_file};

/* dir: relative to the directory so far, as if each directive changed into it at once. */

static void dir_reset(struct shm_config *cfg)
{
    if (!getcwd(cfg->dir_value, sizeof(cfg->dir_value)))
        strcpy(cfg->dir_value, "/");
}

static bool dir_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                    char *err, size_t errlen)
{
    (void)from;
    char path[PATH_MAX], real[PATH_MAX];
    struct stat st;
    if (n != 1)
        return config_refuse(err, errlen, "wrong number of arguments");
    if (words[0].n > 1023 || memchr(words[0].p, '\0', words[0].n))
        return config_refuse(err, errlen, "%s", strerror(ENAMETOOLONG));
    bool absolute = words[0].n && words[0].p[0] == '/';
    snprintf(path, sizeof(path), "%s%s%.*s", absolute ? "" : cfg->dir_value, absolute ? "" : "/",
             (int)words[0].n, words[0].p);
    if (words[0].n == 0)
        errno = ENOENT;
    if (words[0].n == 0 || !realpath(path, real) || stat(real, &st) != 0)
        return config_refuse(err, errlen, "%s", strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return config_refuse(err, errlen, "%s", strerror(ENOTDIR));
    if (access(real, X_OK) != 0)
        return config_refuse(err, errlen, "%s", strerror(errno));
    if (strlen(real) >= sizeof(cfg->dir_value))
        return config_refuse(err, errlen, "%s", strerror(ENAMETOOLONG));
    strcpy(cfg->dir_value, real);
    return true;
}

static size_t dir_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    text_add(&t, "%s", cfg->dir_value);
    return t.n;
}

static enum rc dir_file(const struct shm_config *cfg, int line, char *buf, size_t cap)
{
    if (line > 0)
        return RC_MISSING;
    return words_quote((struct bytes){cfg->dir_value, strlen(cfg->dir_value)}, buf, cap) ? RC_OK : RC_NOMEM;
}

const struct config_own config_own_dir = {dir_reset, dir_set, dir_get, dir_file};

/* oom-score-adj-values */

static void oom_reset(struct shm_config *cfg)
{
    cfg->oom_values[0] = 0;
    cfg->oom_values[1] = 200;
    cfg->oom_values[2] = 800;
}

static bool oom_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                    char *err, size_t errlen)
{
    (void)from;
    int values[3];
    if (n != 3)
        return config_refuse(err, errlen, "wrong number of arguments");
    for (int i = 0; i < 3; i++) {
        long long v;
        if (!loose_integer(words[i], &v) || v < -2000 || v > 2000)
            return config_refuse(err, errlen,
                                 "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
        values[i] = (int)v;
    }
    memcpy(cfg->oom_values, values, sizeof(values));
    return true;
}

static size_t oom_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    text_add(&t, "%d %d %d", cfg->oom_values[0], cfg->oom_values[1], cfg->oom_values[2]);
    return t.n;
}

const struct config_own config_own_oom_values = {oom_reset, oom_set, oom_get, NULL};

/* latency-tracking-info-percentiles */

static void percentiles_reset(struct shm_config *cfg)
{
    static const double built_in[] = {50, 99, 99.9};
    memcpy(cfg->percentiles, built_in, sizeof(built_in));
    cfg->npercentiles = ARRAY_LEN(built_in);
}

static bool percentiles_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                            char *err, size_t errlen)
{
    (void)from;
    double values[CONFIG_QUANTS_MAX];
    if (n == 1 && words[0].n == 0)
        n = 0;
    if (n > CONFIG_QUANTS_MAX)
        return config_refuse(err, errlen, "no more than %d percentiles are kept", CONFIG_QUANTS_MAX);
    for (int i = 0; i < n; i++) {
        if (!number_to_double(words[i], &values[i]))
            return config_refuse(err, errlen, "Invalid latency-tracking-info-percentiles parameters");
        if (values[i] < 0 || values[i] > 100)
            return config_refuse(
                err, errlen, "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    }
    memcpy(cfg->percentiles, values, (size_t)n * sizeof(values[0]));
    cfg->npercentiles = n;
    return true;
}

static size_t percentiles_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    for (int i = 0; i < cfg->npercentiles; i++)
        text_add(&t, "%s%.10g", i ? " " : "", cfg->percentiles[i]);
    return t.n;
}

static enum rc percentiles_file(const struct shm_config *cfg, int line, char *buf, size_t cap)
{
    if (line > 0)
        return RC_MISSING;
    if (percentiles_get(cfg, buf, cap) == 0)
        snprintf(buf, cap, "\"\"");
    return RC_OK;
}

const struct config_own config_own_percentiles = {percentiles_reset, percentiles_set, percentiles_get,
                                                  percentiles_file};

/* notify-keyspace-events. In the order in which Redis shows them; 'A' stands for those in NOTIFY_ALL, and
 * hides n. */

static const struct {
    char letter;
    int flag;
} notify_letters[] = {
    {'g', NOTIFY_GENERIC},  {'$', NOTIFY_STRING},   {'l', NOTIFY_LIST},    {'s', NOTIFY_SET},
    {'h', NOTIFY_HASH},     {'z', NOTIFY_ZSET},     {'x', NOTIFY_EXPIRED}, {'e', NOTIFY_EVICTED},
    {'t', NOTIFY_STREAM},   {'d', NOTIFY_MODULE},   {'n', NOTIFY_NEW},     {'K', NOTIFY_KEYSPACE},
    {'E', NOTIFY_KEYEVENT}, {'m', NOTIFY_KEY_MISS},
};

static void notify_reset(struct shm_config *cfg)
{
    cfg->notify_flags = 0;
}

static int notify_flag(char c)
{
    if (c == 'A')
        return NOTIFY_ALL;
    for (size_t i = 0; i < ARRAY_LEN(notify_letters); i++)
        if (notify_letters[i].letter == c)
            return notify_letters[i].flag;
    return 0;
}

static bool notify_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                       char *err, size_t errlen)
{
    (void)from;
    int flags = 0;
    if (n != 1)
        return config_refuse(err, errlen, "wrong number of arguments");
    for (size_t i = 0; i < words[0].n; i++) {
        int flag = notify_flag(words[0].p[i]);
        if (!flag)
            return config_refuse(err, errlen, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        flags |= flag;
    }
    cfg->notify_flags = flags;
    return true;
}

static size_t notify_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    bool all = (cfg->notify_flags & NOTIFY_ALL) == NOTIFY_ALL;
    if (all)
        text_add(&t, "A");
    for (size_t i = 0; i < ARRAY_LEN(notify_letters); i++) {
        int flag = notify_letters[i].flag;
        if ((cfg->notify_flags & flag) && !(all && (flag & (NOTIFY_ALL | NOTIFY_NEW))))
            text_add(&t, "%c", notify_letters[i].letter);
    }
    return t.n;
}

static enum rc notify_file(const struct shm_config *cfg, int line, char *buf, size_t cap)
{
    char letters[32];
    if (line > 0)
        return RC_MISSING;
    notify_get(cfg, letters, sizeof(letters));
    snprintf(buf, cap, "\"%s\"", letters);
    return RC_OK;
}

const struct config_own config_own_notify = {notify_reset, notify_set, notify_get, notify_file};

/* save */

static void save_reset(struct shm_config *cfg)
{
    static const struct save_point built_in[] = {{3600, 1}, {300, 100}, {60, 10000}};
    memcpy(cfg->saves, built_in, sizeof(built_in));
    cfg->nsaves = ARRAY_LEN(built_in);
    cfg->save_given = false;
}

static bool save_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                     char *err, size_t errlen)
{
    struct save_point points[CONFIG_SAVES_MAX];
    bool clear = n == 0 || (n == 1 && words[0].n == 0);
    /* The lines of a file add up, the first one puts the built-in points aside; a client's value replaces. */
    int have = clear || from == CONFIG_FROM_CLIENT || !cfg->save_given ? 0 : cfg->nsaves;
    if (clear)
        n = 0;
    if (n % 2 != 0)
        return config_refuse(err, errlen, "Invalid save parameters");
    if (have + n / 2 > CONFIG_SAVES_MAX)
        return config_refuse(err, errlen, "no more than %d save points are kept", CONFIG_SAVES_MAX);
    for (int i = 0; i < n; i += 2) {
        long long seconds, changes;
        if (!loose_integer(words[i], &seconds) || !loose_integer(words[i + 1], &changes) || seconds < 1 ||
            changes < 0)
            return config_refuse(err, errlen, "Invalid save parameters");
        points[i / 2] = (struct save_point){seconds, changes};
    }
    memcpy(cfg->saves + have, points, (size_t)(n / 2) * sizeof(points[0]));
    cfg->nsaves = have + n / 2;
    if (from == CONFIG_FROM_FILE)
        cfg->save_given = true;
    return true;
}

static size_t save_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    for (int i = 0; i < cfg->nsaves; i++)
        text_add(&t, "%s%lld %lld", i ? " " : "", (long long)cfg->saves[i].seconds,
                 (long long)cfg->saves[i].changes);
    return t.n;
}

static enum rc save_file(const struct shm_config *cfg, int line, char *buf, size_t cap)
{
    if (line >= cfg->nsaves && !(line == 0 && cfg->nsaves == 0))
        return RC_MISSING;
    if (cfg->nsaves == 0)
        snprintf(buf, cap, "\"\"");
    else
        snprintf(buf, cap, "%lld %lld", (long long)cfg->saves[line].seconds,
                 (long long)cfg->saves[line].changes);
    return RC_OK;
}

const struct config_own config_own_save = {save_reset, save_set, save_get, save_file};

/* replicaof */

static void replicaof_reset(struct shm_config *cfg)
{
    cfg->replicaof_value[0] = '\0';
}

static bool replicaof_set(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from,
                          char *err, size_t errlen)
{
    (void)from;
    char joined[sizeof(cfg->replicaof_value)];
    long long port;
    if (n != 2)
        return config_refuse(err, errlen, "wrong number of arguments");
    if (bytes_is(words[0], "no") && bytes_is(words[1], "one")) {
        cfg->replicaof_value[0] = '\0';
        return true;
    }
    if (!loose_integer(words[1], &port) || port < 0 || port > 65535)
        return config_refuse(err, errlen, "Invalid master port");
    if (!join(words, n, joined, sizeof(joined)))
        return config_refuse(err, errlen, "argument is longer than %zu bytes", sizeof(joined) - 1);
    memcpy(cfg->replicaof_value, joined, sizeof(joined));
    return true;
}

static size_t replicaof_get(const struct shm_config *cfg, char *buf, size_t cap)
{
    struct text t = text_begin(buf, cap);
    text_add(&t, "%s", cfg->replicaof_value);
    return t.n;
}

static enum rc replicaof_file(const struct shm_config *cfg, int line, char *buf, size_t cap)
{
    if (line > 0 || !cfg->replicaof_value[0])
        return RC_MISSING;
    replicaof_get(cfg, buf, cap);
    return RC_OK;
}

const struct config_own config_own_replicaof = {replicaof_reset, replicaof_set, replicaof_get,
                                                replicaof_file};
