#include "shm/config.h"
#include "shm/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "shm/base/glob.h"
#include "shm/base/number.h"
#include "shm/base/words.h"
#include "shm/config_own.h"

struct enum_word {
    const char *name;
    int value;
};

/* A table ends with a NULL name. Where two words mean the same, the first is the one that is shown. */
static const struct enum_word crash_policy_words[] = {
    {"repair", CRASH_REPAIR}, {"rebuild", CRASH_REBUILD}, {NULL, 0}};
static const struct enum_word tls_auth_words[] = {{"no", 0}, {"yes", 1}, {"optional", 2}, {NULL, 0}};
static const struct enum_word supervised_words[] = {{"upstart", SUPERVISED_UPSTART},
                                                    {"systemd", SUPERVISED_SYSTEMD},
                                                    {"auto", SUPERVISED_AUTO},
                                                    {"no", SUPERVISED_NO},
                                                    {NULL, 0}};
static const struct enum_word loglevel_words[] = {
    {"debug", LOG_LEVEL_DEBUG},     {"verbose", LOG_LEVEL_VERBOSE}, {"notice", LOG_LEVEL_NOTICE},
    {"warning", LOG_LEVEL_WARNING}, {"nothing", LOG_LEVEL_NOTHING}, {NULL, 0}};
static const struct enum_word syslog_words[] = {{"user", LOG_USER},     {"local0", LOG_LOCAL0},
                                                {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
                                                {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
                                                {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
                                                {"local7", LOG_LOCAL7}, {NULL, 0}};
static const struct enum_word shutdown_words[] = {{"default", 0},
                                                  {"save", SHUTDOWN_WORD_SAVE},
                                                  {"nosave", SHUTDOWN_WORD_NOSAVE},
                                                  {"now", SHUTDOWN_WORD_NOW},
                                                  {"force", SHUTDOWN_WORD_FORCE},
                                                  {NULL, 0}};
static const struct enum_word oom_words[] = {
    {"no", OOM_NO}, {"yes", OOM_RELATIVE}, {"relative", OOM_RELATIVE}, {"absolute", OOM_ABSOLUTE}, {NULL, 0}};
static const struct enum_word acl_pubsub_words[] = {{"allchannels", 0}, {"resetchannels", 1}, {NULL, 0}};
static const struct enum_word protected_words[] = {
    {"no", PROTECTED_NO}, {"yes", PROTECTED_YES}, {"local", PROTECTED_LOCAL}, {NULL, 0}};
static const struct enum_word sanitize_words[] = {{"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};
static const struct enum_word maxmemory_words[] = {{"volatile-lru", EVICT_VOLATILE_LRU},
                                                   {"volatile-lfu", EVICT_VOLATILE_LFU},
                                                   {"volatile-random", EVICT_VOLATILE_RANDOM},
                                                   {"volatile-ttl", EVICT_VOLATILE_TTL},
                                                   {"allkeys-lru", EVICT_ALLKEYS_LRU},
                                                   {"allkeys-lfu", EVICT_ALLKEYS_LFU},
                                                   {"allkeys-random", EVICT_ALLKEYS_RANDOM},
                                                   {"noeviction", EVICT_NOEVICTION},
                                                   {NULL, 0}};
static const struct enum_word appendfsync_words[] = {
    {"everysec", FSYNC_EVERYSEC}, {"always", FSYNC_ALWAYS}, {"no", FSYNC_NO}, {NULL, 0}};
static const struct enum_word diskless_load_words[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {NULL, 0}};
static const struct enum_word propagation_words[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0}};
static const struct enum_word endpoint_words[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0}};

enum kind { KIND_BOOL, KIND_INT, KIND_UINT, KIND_ENUM, KIND_TEXT, KIND_OWN };

struct directive {
    const char *name, *alias, *lacks;
    enum kind kind;
    enum directive_status status;
    unsigned flags;
    size_t offset, size;
    int64_t preset; /* of a bool, a number or an enum; an unsigned one by its bits */
    int64_t min;
    uint64_t max;
    const struct enum_word *words;
    const char *text;
    const struct config_own *own;
};

/* The bare words in which the rows are written. */
#define IMM       DIR_IMM
#define PROT      DIR_PROT
#define HID       DIR_HID
#define SENS      DIR_SENS
#define MULTI     DIR_MULTI
#define MEM       DIR_MEM
#define PCT       DIR_PCT
#define OCT       DIR_OCT
#define NUL       DIR_NUL
#define PLACE(id) .offset = offsetof(struct shm_config, id), .size = sizeof(((struct shm_config *)0)->id)
#define HEAD(name_, alias_, kind_, flags_, status_, lacks_)                                                  \
    .name = name_, .alias = alias_, .kind = kind_, .flags = flags_, .status = DIR_##status_, .lacks = lacks_

static const struct directive directives[CONFIG_COUNT] = {
#define DIR_BOOL(id, nm, al, def, fl, st, why)                                                               \
    [D_##id] = {HEAD(nm, al, KIND_BOOL, fl, st, why), PLACE(id), .preset = def},
#define DIR_INT(id, nm, al, def, lo, hi, fl, st, why)                                                        \
    [D_##id] = {HEAD(nm, al, KIND_INT, fl, st, why), PLACE(id), .preset = def, .min = lo, .max = hi},
#define DIR_UINT(id, nm, al, def, lo, hi, fl, st, why)                                                       \
    [D_##id] = {HEAD(nm, al, KIND_UINT, fl, st, why), PLACE(id), .preset = def, .min = lo, .max = hi},
#define DIR_ENUM(id, nm, al, wd, def, fl, st, why)                                                           \
    [D_##id] = {HEAD(nm, al, KIND_ENUM, fl, st, why), PLACE(id), .preset = def, .words = wd},
#define DIR_TEXT(id, nm, al, room, def, fl, st, why)                                                         \
    [D_##id] = {HEAD(nm, al, KIND_TEXT, fl, st, why), PLACE(id), .text = def},
#define DIR_OWN(id, nm, al, fn, fl, st, why)                                                                 \
    [D_##id] = {HEAD(nm, al, KIND_OWN, fl, st, why), .own = &config_own_##fn},
#include "include/directives.def"
};

static void *place_of(struct shm_config *cfg, const struct directive *d)
{
    return (char *)cfg + d->offset;
}

static const void *value_of(const struct shm_config *cfg, const struct directive *d)
{
    return (const char *)cfg + d->offset;
}

static const struct directive *row(int id)
{
    CHECK(id >= 0 && id < CONFIG_COUNT);
    return &directives[id];
}

static int64_t number_of(const struct shm_config *cfg, const struct directive *d)
{
    switch (d->kind) {
    case KIND_BOOL:
        return *(const bool *)value_of(cfg, d);
    case KIND_ENUM:
        return *(const int *)value_of(cfg, d);
    default:
        return *(const int64_t *)value_of(cfg, d);
    }
}

static void store_number(struct shm_config *cfg, const struct directive *d, int64_t v)
{
    if (d->kind == KIND_BOOL)
        *(bool *)place_of(cfg, d) = v != 0;
    else if (d->kind == KIND_ENUM)
        *(int *)place_of(cfg, d) = (int)v;
    else
        *(int64_t *)place_of(cfg, d) = v;
}

void config_defaults(struct shm_config *cfg)
{
    memset(cfg, 0, sizeof(*cfg));
    for (int id = 0; id < CONFIG_COUNT; id++) {
        const struct directive *d = &directives[id];
        if (d->kind == KIND_OWN)
            d->own->reset(cfg);
        else if (d->kind == KIND_TEXT)
            snprintf(place_of(cfg, d), d->size, "%s", d->text);
        else
            store_number(cfg, d, d->preset);
    }
}

/* About 200 rows, looked through by administrators only. */
int config_find(struct bytes name)
{
    for (int id = 0; id < CONFIG_COUNT; id++)
        if (bytes_is(name, directives[id].name) ||
            (directives[id].alias && bytes_is(name, directives[id].alias)))
            return id;
    return -1;
}

const char *config_name(int id)
{
    return row(id)->name;
}

const char *config_alias(int id)
{
    return row(id)->alias;
}

unsigned config_flags(int id)
{
    return row(id)->flags;
}

enum directive_status config_status(int id)
{
    return row(id)->status;
}

const char *config_lacks(int id)
{
    return row(id)->lacks;
}

/* One setter per kind: true, or words in err and nothing changed. */

static bool set_bool(struct shm_config *cfg, const struct directive *d, struct bytes v, enum config_from from,
                     char *err, size_t errlen)
{
    bool yes = bytes_is(v, "yes");
    if (!yes && !bytes_is(v, "no"))
        return config_refuse(err, errlen, "argument must be 'yes' or 'no'");
    if (yes && from == CONFIG_FROM_CLIENT && d == &directives[D_activedefrag])
        return config_refuse(
            err, errlen,
            "Active defragmentation cannot be enabled: this allocator returns memory without it");
    store_number(cfg, d, yes);
    return true;
}

/* Reads digits in the spelling that the flags ask for; a percentage comes back negative. */
static bool parse_number(const struct directive *d, struct bytes v, int64_t *out, char *err, size_t errlen)
{
    uint64_t size;
    if (d->flags & DIR_MEM) {
        if ((d->flags & DIR_PCT) && v.n > 1 && v.p[v.n - 1] == '%') {
            if (number_to_int64((struct bytes){v.p, v.n - 1}, out) && *out >= 0) {
                *out = -*out;
                return true;
            }
        } else if (number_to_memory(v, &size) && (size <= INT64_MAX || !(d->flags & DIR_PCT))) {
            *out = (int64_t)size; /* too large a signed one is negative by now, and out of range by that */
            return true;
        }
        return config_refuse(err, errlen,
                             d->flags & DIR_PCT ? "argument must be a memory or percent value"
                                                : "argument must be a memory value");
    }
    if (d->flags & DIR_OCT) {
        int64_t sum = 0;
        bool good = v.n > 0 && v.n < 12;
        for (size_t i = 0; good && i < v.n; i++) {
            good = v.p[i] >= '0' && v.p[i] <= '7';
            sum = sum * 8 + (v.p[i] - '0');
        }
        *out = sum;
        return good || config_refuse(err, errlen, "argument couldn't be parsed as an octal number");
    }
    return number_to_int64(v, out) ||
           config_refuse(err, errlen, "argument couldn't be parsed into an integer");
}

static bool set_number(struct shm_config *cfg, const struct directive *d, struct bytes v,
                       enum config_from from, char *err, size_t errlen)
{
    int64_t n = 0;
    if (!parse_number(d, v, &n, err, errlen))
        return false;
    if (d->kind == KIND_UINT) {
        /* A negative number counts as a huge one, and is out of range by that. */
        bool inside = (uint64_t)n >= (uint64_t)d->min && (uint64_t)n <= d->max;
        const char *form = d->flags & DIR_OCT ? "argument must be between %lo and %lo inclusive"
                                              : "argument must be between %lu and %lu inclusive";
        if (!inside) {
            snprintf(err, errlen, form, (unsigned long)d->min, (unsigned long)d->max);
            return false;
        }
    } else if (n < 0 && (d->flags & DIR_PCT)) {
        if (n < d->min)
            return config_refuse(err, errlen, "percentage argument must be less or equal to %lld",
                                 -(long long)d->min);
    } else if (n < d->min || n > (int64_t)d->max) {
        return config_refuse(err, errlen, "argument must be between %lld and %lld inclusive",
                             (long long)d->min, (long long)d->max);
    }
    if (d == &directives[D_hz]) /* as Redis: taken, and bent into what a timer can do */
        n = n < 1 ? 1 : n > 500 ? 500 : n;
    if (d == &directives[D_repl_backlog_size] && from == CONFIG_FROM_CLIENT && n < 16384)
        n = 16384; /* as Redis, whose backlog is one block or more */
    store_number(cfg, d, n);
    return true;
}

static bool refuse_word(const struct directive *d, char *err, size_t errlen)
{
    size_t n = (size_t)snprintf(err, errlen, "argument(s) must be one of the following: ");
    for (const struct enum_word *w = d->words; w->name && n < errlen; w++)
        n += (size_t)snprintf(err + n, errlen - n, "%s%s", w == d->words ? "" : ", ", w->name);
    return false;
}

static bool set_enum(struct shm_config *cfg, const struct directive *d, const struct bytes *words, int n,
                     char *err, size_t errlen)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        const struct enum_word *w = d->words;
        while (w->name && !bytes_is(words[i], w->name))
            w++;
        if (!w->name)
            return refuse_word(d, err, errlen);
        value |= w->value; /* only a MULTI enum has several words, and its values are bits */
    }
    if (n == 0)
        return refuse_word(d, err, errlen);
    int both = SHUTDOWN_WORD_SAVE | SHUTDOWN_WORD_NOSAVE;
    if (d->words == shutdown_words && (value & both) == both)
        return config_refuse(err, errlen, "shutdown options SAVE and NOSAVE can't be used simultaneously");
    store_number(cfg, d, value);
    return true;
}

/* A title must name known things only, and must not come out as nothing; {title} itself counts for nothing.
 */
static bool title_is_valid(struct bytes v)
{
    static const char *const known[] = {"{title}",    "{listen-addr}", "{server-mode}", "{port}",
                                        "{tls-port}", "{config-file}", "{unixsocket}"};
    bool shows = false;
    for (size_t i = 0; i < v.n;) {
        size_t k = 0, left = v.n - i;
        if (v.p[i] != '{' || (left > 1 && v.p[i + 1] == '{')) {
            shows |= v.p[i] != ' ';
            i += v.p[i] == '{' ? 2 : 1;
            continue;
        }
        while (k < ARRAY_LEN(known) &&
               (strlen(known[k]) > left || strncmp(known[k], v.p + i, strlen(known[k]))))
            k++;
        if (k == ARRAY_LEN(known))
            return false;
        shows |= k == 1 || k == 3 || k == 4; /* these never come out empty */
        i += strlen(known[k]);
    }
    return shows;
}

static const char *refuse_text(const struct directive *d, struct bytes v)
{
    bool path = memchr(v.p, '/', v.n) != NULL;
    switch ((int)(d - directives)) {
    case D_dbfilename:
        return path ? "dbfilename can't be a path, just a filename" : NULL;
    case D_appendfilename:
        if (v.n == 0)
            return "appendfilename can't be empty";
        return path ? "appendfilename can't be a path, just a filename" : NULL;
    case D_appenddirname:
        if (v.n == 0)
            return "appenddirname can't be empty";
        return path ? "appenddirname can't be a path, just a dirname" : NULL;
    case D_proc_title_template:
        return title_is_valid(v) ? NULL : "template format is invalid or contains unknown variables";
    case D_cluster_announce_hostname:
        if (v.n >= 256)
            return "Hostnames must be less than 256 characters";
        for (size_t i = 0; i < v.n; i++)
            if (!((v.p[i] >= 'a' && v.p[i] <= 'z') || (v.p[i] >= 'A' && v.p[i] <= 'Z') ||
                  (v.p[i] >= '0' && v.p[i] <= '9') || v.p[i] == '-' || v.p[i] == '.'))
                return "Hostnames may only contain alphanumeric characters, hyphens or dots";
        return NULL;
    default:
        return NULL;
    }
}

static bool set_text(struct shm_config *cfg, const struct directive *d, struct bytes v, char *err,
                     size_t errlen)
{
    const char *why = refuse_text(d, v);
    if (why)
        return config_refuse(err, errlen, "%s", why);
    if (v.n >= d->size)
        return config_refuse(err, errlen, "argument is longer than %zu bytes", d->size - 1);
    if (memchr(v.p, '\0', v.n))
        return config_refuse(err, errlen, "argument must not hold a zero byte");
    char *place = place_of(cfg, d);
    memcpy(place, v.p, v.n);
    memset(place + v.n, 0, d->size - v.n); /* nothing of an older password stays behind */
    return true;
}

static enum rc set_row(struct shm_config *cfg, const struct directive *d, const struct bytes *words, int n,
                       enum config_from from, char *err, size_t errlen)
{
    bool good;
    if (n != 1 && !(d->flags & DIR_MULTI))
        good = config_refuse(err, errlen, "wrong number of arguments");
    else if (d->kind == KIND_OWN)
        good = d->own->set(cfg, words, n, from, err, errlen);
    else if (d->kind == KIND_ENUM)
        good = set_enum(cfg, d, words, n, err, errlen);
    else if (d->kind == KIND_TEXT)
        good = set_text(cfg, d, words[0], err, errlen);
    else if (d->kind == KIND_BOOL)
        good = set_bool(cfg, d, words[0], from, err, errlen);
    else
        good = set_number(cfg, d, words[0], from, err, errlen);
    return good ? RC_OK : RC_INVALID;
}

enum rc config_set(struct shm_config *cfg, struct bytes name, const struct bytes *words, int nwords,
                   enum config_from from, char *err, size_t errlen)
{
    int id = config_find(name);
    if (id < 0)
        return RC_MISSING;
    enum rc rc = set_row(cfg, row(id), words, nwords, from, err, errlen);
    if (rc == RC_OK)
        cfg->generation++;
    return rc;
}

/* CONFIG SET's value of several words: cut at each single space, so that two in a row hold an empty word. */
static int split_value(struct bytes v, struct bytes *words, int max)
{
    int n = 0;
    if (v.n == 0)
        return 0;
    for (;;) {
        const char *space = memchr(v.p, ' ', v.n);
        size_t len = space ? (size_t)(space - v.p) : v.n;
        if (n == max)
            return -1;
        words[n++] = (struct bytes){v.p, len};
        if (!space)
            return n;
        v.p += len + 1;
        v.n -= len + 1;
    }
}

static void fail_pair(struct bytes name, const char *why, char *err, size_t errlen)
{
    snprintf(err, errlen, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", (int)name.n,
             name.p, why);
}

static bool same_word(struct bytes a, struct bytes b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* The first pass: may these names be set at all? The first objection wins, in the order of the pairs. */
static bool names_are_settable(const struct config_pair *pairs, int npairs, bool may_protected, char *err,
                               size_t errlen)
{
    for (int i = 0; i < npairs; i++) {
        struct bytes name = pairs[i].name;
        int id = config_find(name);
        const char *why = NULL;
        if (id < 0) {
            snprintf(err, errlen, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                     (int)name.n, name.p);
            return false;
        }
        if (row(id)->flags & DIR_IMM)
            why = "can't set immutable config";
        else if ((row(id)->flags & DIR_PROT) && !may_protected)
            why = "can't set protected config";
        for (int k = 0; !why && k < i;
             k++) /* a name and its alias may stand side by side, and the later wins */
            if (same_word(pairs[k].name, name))
                why = "duplicate parameter";
        if (why) {
            fail_pair(name, why, err, errlen);
            return false;
        }
    }
    return true;
}

static bool set_pair(struct shm_config *cfg, const struct config_pair *pair, char *err, size_t errlen)
{
    struct bytes words[4 * CONFIG_SAVES_MAX];
    char why[CONFIG_ERR_MAX];
    int id = config_find(pair->name), n = 1;
    const struct directive *d = row(id);
    words[0] = pair->value;
    if (d->flags & DIR_MULTI)
        n = split_value(pair->value, words, ARRAY_LEN(words));

    enum rc rc = RC_INVALID;
    if (n < 0)
        snprintf(why, sizeof(why), "too many words");
    else
        rc = set_row(cfg, d, words, n, CONFIG_FROM_CLIENT, why, sizeof(why));
    if (rc == RC_OK && d->status == DIR_STOPS && config_asks(cfg, id)) {
        snprintf(why, sizeof(why), "this version has no %s", d->lacks);
        rc = RC_INVALID;
    }
    if (rc != RC_OK) {
        const char *shown = bytes_is(pair->name, d->name) ? d->name : d->alias;
        fail_pair((struct bytes){shown, strlen(shown)}, why, err, errlen);
    }
    return rc == RC_OK;
}

enum rc config_set_many(struct shm_config *cfg, const struct config_pair *pairs, int npairs,
                        bool may_protected, struct config_changes *changed, char *err, size_t errlen)
{
    if (!names_are_settable(pairs, npairs, may_protected, err, errlen))
        return RC_INVALID;
    struct shm_config copy = *cfg;
    for (int i = 0; i < npairs; i++)
        if (!set_pair(&copy, &pairs[i], err, errlen))
            return RC_INVALID;
    config_compare(cfg, &copy, changed);

    /* The generation last: whoever sees it grow sees what it announces. */
    copy.generation = cfg->generation;
    memcpy(cfg, &copy, sizeof(*cfg));
    __atomic_fetch_add(&cfg->generation, 1, __ATOMIC_RELEASE);
    return RC_OK;
}

static size_t get_enum(const struct shm_config *cfg, const struct directive *d, char *buf, size_t cap)
{
    int value = (int)number_of(cfg, d);
    size_t n = 0;
    buf[0] = '\0';
    for (const struct enum_word *w = d->words; w->name; w++) {
        if (w->value == value)
            return (size_t)snprintf(buf, cap, "%s", w->name);
        if (w->value && (d->flags & DIR_MULTI) && (value & w->value) && n < cap)
            n += (size_t)snprintf(buf + n, cap - n, "%s%s", n ? " " : "", w->name);
    }
    return n;
}

size_t config_get(const struct shm_config *cfg, int id, char *buf, size_t cap)
{
    const struct directive *d = row(id);
    int64_t v = d->kind == KIND_OWN || d->kind == KIND_TEXT ? 0 : number_of(cfg, d);
    switch (d->kind) {
    case KIND_OWN:
        return d->own->get(cfg, buf, cap);
    case KIND_ENUM:
        return get_enum(cfg, d, buf, cap);
    case KIND_TEXT:
        return (size_t)snprintf(buf, cap, "%s", (const char *)value_of(cfg, d));
    case KIND_BOOL:
        return (size_t)snprintf(buf, cap, "%s", v ? "yes" : "no");
    case KIND_UINT:
        return (size_t)snprintf(buf, cap, d->flags & DIR_OCT ? "%lo" : "%lu", (unsigned long)v);
    case KIND_INT:
        if (v < 0 && (d->flags & DIR_PCT))
            return (size_t)snprintf(buf, cap, "%lld%%", -(long long)v);
        return (size_t)snprintf(buf, cap, "%lld", (long long)v);
    }
    return 0;
}

enum rc config_file_value(const struct shm_config *cfg, int id, int line, char *buf, size_t cap)
{
    const struct directive *d = row(id);
    if (d->kind == KIND_OWN && d->own->file_value)
        return d->own->file_value(cfg, line, buf, cap);
    if (line > 0)
        return RC_MISSING;
    if (d->kind == KIND_TEXT) {
        struct bytes v = {value_of(cfg, d), strlen(value_of(cfg, d))};
        if (v.n == 0 && (d->flags & DIR_NUL))
            return RC_MISSING;
        return words_quote(v, buf, cap) ? RC_OK : RC_NOMEM;
    }
    if ((d->flags & DIR_MEM) && number_of(cfg, d) >= 0)
        config_format_memory(buf, cap, (uint64_t)number_of(cfg, d));
    else
        config_get(cfg, id, buf, cap);
    return RC_OK;
}

static bool is_new(const struct config_hit *hits, int n, struct bytes name)
{
    for (int i = 0; i < n; i++)
        if (same_word(hits[i].name, name))
            return false;
    return true;
}

static int select_name(struct bytes pattern, const char *name, int id, struct config_hit *hits, int n)
{
    if (!name)
        return n;
    struct bytes b = {name, strlen(name)};
    if (glob_match(pattern, b, true) && is_new(hits, n, b))
        hits[n++] = (struct config_hit){b, id};
    return n;
}

int config_select(const struct bytes *patterns, int npatterns, struct config_hit *hits)
{
    int n = 0;
    for (int i = 0; i < npatterns; i++) {
        struct bytes p = patterns[i];
        bool exact = !memchr(p.p, '*', p.n) && !memchr(p.p, '?', p.n) && !memchr(p.p, '[', p.n);
        int id = exact ? config_find(p) : -1;
        if (id >= 0 && is_new(hits, n, p))
            hits[n++] = (struct config_hit){p, id};
        for (id = 0; !exact && id < CONFIG_COUNT; id++) {
            if (directives[id].flags & DIR_HID)
                continue;
            n = select_name(p, directives[id].name, id, hits, n);
            n = select_name(p, directives[id].alias, id, hits, n);
        }
    }
    return n;
}

bool config_asks(const struct shm_config *cfg, int id)
{
    const struct directive *d = row(id);
    char value[CONFIG_VALUE_MAX];
    config_get(cfg, id, value, sizeof(value));
    if (d->kind == KIND_OWN || d->kind == KIND_TEXT)
        return value[0] != '\0';
    return strcmp(value, "no") != 0 && strcmp(value, "disabled") != 0 && strcmp(value, "0") != 0;
}

bool config_is_default(const struct shm_config *cfg, int id)
{
    const struct directive *d = row(id);
    if (d->kind == KIND_TEXT)
        return strcmp(value_of(cfg, d), d->text) == 0;
    if (d->kind != KIND_OWN)
        return number_of(cfg, d) == d->preset;

    struct shm_config built_in;
    char have[CONFIG_VALUE_MAX], want[CONFIG_VALUE_MAX];
    d->own->reset(&built_in);
    d->own->get(cfg, have, sizeof(have));
    d->own->get(&built_in, want, sizeof(want));
    return strcmp(have, want) == 0;
}

void config_compare(const struct shm_config *a, const struct shm_config *b, struct config_changes *changed)
{
    memset(changed, 0, sizeof(*changed));
    for (int id = 0; id < CONFIG_COUNT; id++) {
        char x[CONFIG_VALUE_MAX], y[CONFIG_VALUE_MAX];
        config_get(a, id, x, sizeof(x));
        config_get(b, id, y, sizeof(y));
        if (strcmp(x, y) != 0)
            changed->bits[id / 64] |= 1ull << (id % 64);
    }
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    const unsigned char *c = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ c[i]) * 0x100000001b3ull; /* FNV-1a */
    return h;
}

uint64_t config_layout(void)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (int id = 0; id < CONFIG_COUNT; id++) {
        const struct directive *d = &directives[id];
        h = mix(h, d->name, strlen(d->name));
        h = mix(h, &d->offset, sizeof(d->offset));
        h = mix(h, &d->size, sizeof(d->size));
    }
    size_t total = sizeof(struct shm_config);
    return mix(h, &total, sizeof(total));
}
