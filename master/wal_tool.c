#include "master/wal_tool.h"
#include "master/conf_file.h"
#include "shm/format/rdb_in.h"
#include "shm/format/wal_dir.h"
#include "shm/format/wal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char wal_tool_usage[] =
    "Usage: skepctl wal check|repair|dump [--config FILE] [--yes] [--all] [DIR]\n"
    "\n"
    "  check    reads the whole log and says whether it is sound: exit status 0 sound, 2 its end is torn\n"
    "           (the next start cuts it), 3 damaged, 1 it cannot be read\n"
    "  repair   cuts a torn end; of a damaged log keeps what is good from the base on without a gap, and\n"
    "           moves the rest aside. Says what would be lost, and does it with --yes. Needs a stopped "
    "server\n"
    "  dump     prints what follows the base as commands, for redis-cli --pipe; with --all the records that\n"
    "           the base holds as well\n"
    "\n"
    "  DIR      the server's dir, or skep-wal in it (dir of the configuration file, or the present folder)\n";

enum { EXIT_SOUND = 0, EXIT_UNREADABLE = 1, EXIT_TORN = 2, EXIT_DAMAGED = 3 };

struct mapped {
    char *p;
    uint64_t n;
};

/* The log as a loader would take it. */
struct tool {
    char path[PATH_MAX];
    bool yes, all;
    int dirfd;
    struct wal_dir d;
    uint64_t base;
    bool base_sound;
    unsigned first; /* the first segment that the base does not make superfluous */
    /* how far the good part goes */
    int verdict;      /* an exit status */
    unsigned segment; /* the one in which it ends */
    uint64_t end_at;  /* there */
    uint64_t lsn, records;
    uint64_t log_id;
    char why[256];
};

static int cannot(const char *what, const char *name)
{
    fprintf(stderr, "skepctl: cannot %s %s: %s\n", what, name, strerror(errno));
    return EXIT_UNREADABLE;
}

/* ---- files ---- */

static bool map_file(int dirfd, const char *name, struct mapped *m)
{
    struct stat st;
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    *m = (struct mapped){0};
    if (fd < 0)
        return false;
    bool good = fstat(fd, &st) == 0;
    m->n = good ? (uint64_t)st.st_size : 0;
    if (m->n) {
        m->p = mmap(NULL, m->n, PROT_READ, MAP_SHARED, fd, 0);
        good = m->p != MAP_FAILED;
    }
    close(fd);
    return good;
}

static void unmap_file(struct mapped *m)
{
    if (m->n)
        munmap(m->p, m->n);
}

/* What a loader must find there: every item, the checksum, and the record that the name tells. */
static bool base_good(const struct mapped *m, uint64_t base, uint64_t *keys, char *why, size_t room)
{
    struct rdb_in in;
    struct rdb_item item = {0};
    int64_t lsn;
    bool other = false;
    *keys = 0;
    enum rc rc = rdb_in_open(&in, (struct bytes){m->p, m->n}, true);
    while (!rc && !other && !(rc = rdb_next(&in, &item)) && item.kind != RDB_ITEM_END) {
        other = rdb_tells_lsn(&item, &lsn) && (uint64_t)lsn != base;
        if (item.kind == RDB_ITEM_KEY) {
            rc = rdb_skip_value(&in, item.type);
            *keys += 1;
        }
    }
    snprintf(why, room, "%s", rc ? in.error : "");
    if (other)
        snprintf(why, room, "it holds everything up to record %" PRId64 ", not %" PRIu64 " as its name says",
                 lsn, base);
    rdb_in_close(&in);
    return !rc && !other;
}

/* ---- reading as a loader does ---- */

static void bad(struct tool *t, int verdict, unsigned segment, uint64_t at, const char *why)
{
    t->verdict = verdict;
    t->segment = segment;
    t->end_at = at;
    snprintf(t->why, sizeof(t->why), "%s", why);
}

static const char *chain_fault(const struct tool *t, unsigned i, const struct wal_cursor *c)
{
    if (c->head.number != t->d.segment[i])
        return "it is another segment than its name says";
    if (t->log_id && c->head.log_id != t->log_id)
        return "it belongs to another log";
    if (c->head.before > t->base && c->head.before != t->lsn)
        return "records between it and what is in front of it are missing";
    return NULL;
}

typedef void record_fn(struct tool *t, const struct wal_entry *e);

/* One segment. False: the good part ends in it. */
static bool read_segment(struct tool *t, unsigned i, const struct mapped *m, record_fn *fn, uint64_t *records)
{
    struct wal_cursor c;
    struct wal_entry e;
    const char *why = NULL;
    if (i > t->first && t->d.segment[i] != t->d.segment[i - 1] + 1) {
        bad(t, EXIT_DAMAGED, i, 0, "the segment before this one is missing");
        return false;
    }
    bool good = wal_cursor_open(&c, m->p, m->n, i + 1 == t->d.nsegments);
    if (good && (why = chain_fault(t, i, &c)))
        bad(t, EXIT_DAMAGED, i, 0, why);
    if (good)
        t->log_id = c.head.log_id;
    while (good && !why && wal_cursor_frame(&c))
        while (wal_cursor_record(&c, &e)) {
            ++*records;
            if (fn)
                fn(t, &e);
        }
    if (!why && c.end != WAL_CLEAN)
        bad(t, c.end == WAL_TORN ? EXIT_TORN : EXIT_DAMAGED, i, c.end_at, c.why);
    if (!why && good)
        t->lsn = c.lsn;
    wal_cursor_close(&c);
    return !why && c.end == WAL_CLEAN;
}

static void say_segment(const struct tool *t, unsigned i, const struct mapped *m, uint64_t from,
                        uint64_t records, bool good)
{
    char name[WAL_NAME_MAX];
    wal_segment_name(name, t->d.segment[i]);
    printf("%s  %12" PRIu64 " bytes  %9" PRIu64 " records", name, m->n, records);
    if (records)
        printf("  behind %" PRIu64 " to %" PRIu64, from, t->lsn);
    puts(good ? "  sound" : t->verdict == EXIT_TORN ? "  torn at its end" : "  damaged");
}

static int read_log(struct tool *t, record_fn *fn, bool says)
{
    bool good = true;
    t->lsn = t->base;
    for (unsigned i = t->all ? 0 : t->first; good && i < t->d.nsegments; i++) {
        char name[WAL_NAME_MAX];
        struct mapped m;
        uint64_t records = 0, from = t->lsn;
        wal_segment_name(name, t->d.segment[i]);
        if (!map_file(t->dirfd, name, &m))
            return cannot("read", name);
        good = read_segment(t, i, &m, fn, &records);
        t->records += records;
        if (says)
            say_segment(t, i, &m, from, records, good);
        unmap_file(&m);
    }
    return t->verdict;
}

/* ---- opening ---- */

static bool before_of(const struct tool *t, unsigned i, uint64_t *before)
{
    char name[WAL_NAME_MAX];
    struct mapped m;
    struct wal_head head;
    wal_segment_name(name, t->d.segment[i]);
    bool good = map_file(t->dirfd, name, &m) && !wal_head_get(&head, m.p, m.n);
    *before = good ? head.before : 0;
    unmap_file(&m);
    return good;
}

/* A segment is superfluous if the next one begins within the base. */
static void find_first(struct tool *t)
{
    uint64_t before;
    t->first = 0;
    for (unsigned i = t->d.nsegments; i-- > 1;)
        if (before_of(t, i, &before) && before <= t->base) {
            t->first = i;
            return;
        }
}

static int open_dir(struct tool *t)
{
    char inner[PATH_MAX + 16];
    snprintf(inner, sizeof(inner), "%s/%s", t->path, WAL_DIR_NAME);
    t->dirfd = open(inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->dirfd < 0 && errno == ENOENT) {
        size_t n = strlen(t->path), tail = strlen(WAL_DIR_NAME);
        while (n > 1 && t->path[n - 1] == '/')
            t->path[--n] = 0;
        if (n >= tail && strcmp(t->path + n - tail, WAL_DIR_NAME) == 0)
            t->dirfd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } else if (t->dirfd >= 0) {
        snprintf(t->path, sizeof(t->path), "%.*s", (int)sizeof(t->path) - 1, inner);
    }
    if (t->dirfd < 0)
        return cannot("open", inner);
    return wal_dir_list(&t->d, t->dirfd) ? cannot("read", t->path) : 0;
}

static int dir_from_config(struct tool *t, const char *file)
{
    static struct shm_config cfg;
    struct conf_request req = {.mode = CONF_RUN};
    struct conf_report report = {0};
    if (!getcwd(req.start_dir, sizeof(req.start_dir)) || !realpath(file, req.path))
        return cannot("read", file);
    if (conf_load(&req, &cfg, &report)) {
        conf_print_error(stderr, &report);
        return EXIT_UNREADABLE;
    }
    conf_report_free(&report);
    snprintf(t->path, sizeof(t->path), "%s", cfg.dir_value);
    return 0;
}

/* ---- check ---- */

/* Says what became of the base. False: it cannot be used. */
static bool check_base(struct tool *t, bool says)
{
    char name[WAL_NAME_MAX], why[sizeof(t->why)];
    struct mapped m;
    uint64_t keys;
    if (!t->d.nbases) {
        if (t->d.nsegments)
            bad(t, EXIT_DAMAGED, 0, 0, "there are segments, but not the base that they follow");
        return !t->d.nsegments;
    }
    t->base = t->d.base[t->d.nbases - 1];
    wal_base_name(name, t->base);
    if (!map_file(t->dirfd, name, &m)) {
        t->verdict = cannot("read", name);
        return false;
    }
    bool good = base_good(&m, t->base, &keys, why, sizeof(why));
    if (!good)
        bad(t, EXIT_DAMAGED, 0, 0, why);
    if (says)
        printf("%s  %7" PRIu64 " bytes  holds %" PRIu64 " keys, everything up to record %" PRIu64 "%s%s\n",
               name, m.n, good ? keys : 0, t->base, good ? "" : ": damaged: ", good ? "" : why);
    unmap_file(&m);
    t->base_sound = good;
    return good;
}

static int say_verdict(const struct tool *t)
{
    char name[WAL_NAME_MAX] = "";
    if (t->d.nsegments)
        wal_segment_name(name, t->d.segment[t->segment]);
    if (t->verdict == EXIT_DAMAGED && !t->base_sound) {
        printf("The log is damaged: %s%s\n", t->d.nbases ? "its base is bad: " : "", t->why);
        return t->verdict;
    }
    if (t->verdict == EXIT_SOUND)
        printf("The log is sound: %" PRIu64 " records behind the base, the last one is %" PRIu64 ".\n",
               t->records, t->lsn);
    else if (t->verdict == EXIT_TORN)
        printf("The log's end is torn: %s, offset %" PRIu64 ": %s. The next start cuts it; record %" PRIu64
               " is the last one.\n",
               name, t->end_at, t->why, t->lsn);
    else
        printf("The log is damaged: %s, offset %" PRIu64 ": %s. Up to record %" PRIu64 " it is good.\n", name,
               t->end_at, t->why, t->lsn);
    return t->verdict;
}

static int examine(struct tool *t, bool says)
{
    if (!t->d.nbases && !t->d.nsegments) {
        printf("There is no log in %s.\n", t->path);
        return EXIT_SOUND;
    }
    if (!check_base(t, says))
        return says && t->verdict != EXIT_UNREADABLE ? say_verdict(t) : t->verdict;
    find_first(t);
    if (says && t->first)
        printf("%u older segments wait for being deleted: the base holds all of them\n", t->first);
    if (read_log(t, NULL, says) == EXIT_UNREADABLE)
        return EXIT_UNREADABLE;
    return says ? say_verdict(t) : t->verdict;
}

static void warn_of_server(const struct tool *t)
{
    int fd;
    if (wal_dir_lock(t->dirfd, 0, &fd) == RC_BUSY)
        fprintf(stderr, "skepctl: a server is writing this log: what was written last may look torn\n");
    else if (fd >= 0)
        close(fd);
}

/* ---- repair ---- */

/* Good records behind the place where it breaks: they cannot be used, since something in front of them is gone. */
static void count_lost(const struct tool *t, uint64_t *records, uint64_t *last)
{
    struct wal_entry e;
    *records = *last = 0;
    for (unsigned i = t->segment; i < t->d.nsegments; i++) {
        char name[WAL_NAME_MAX];
        struct mapped m;
        struct wal_cursor c;
        wal_segment_name(name, t->d.segment[i]);
        if (!map_file(t->dirfd, name, &m))
            continue;
        bool good = wal_cursor_open(&c, m.p, m.n, true);
        while (good && (wal_cursor_frame(&c) || wal_cursor_resume(&c)))
            while (wal_cursor_record(&c, &e))
                if (e.lsn > t->lsn && (i > t->segment || c.frame_at >= t->end_at)) {
                    *records += 1;
                    *last = e.lsn;
                }
        wal_cursor_close(&c);
        unmap_file(&m);
    }
}

static bool copy_tail(const struct tool *t, const char *name, int asidefd)
{
    struct mapped m;
    char to[WAL_NAME_MAX + 32];
    snprintf(to, sizeof(to), "%s.from-%" PRIu64, name, t->end_at);
    if (!map_file(t->dirfd, name, &m))
        return false;
    int fd = openat(asidefd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (uint64_t at = t->end_at; good && at < m.n;) {
        ssize_t n = write(fd, m.p + at, m.n - at);
        good = n > 0;
        at += good ? (uint64_t)n : 0;
    }
    good = good && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    unmap_file(&m);
    return good;
}

static bool cut(const struct tool *t, const char *name)
{
    int fd = openat(t->dirfd, name, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && ftruncate(fd, (off_t)t->end_at) == 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

/* From the last segment backwards, so that an interruption leaves a shorter log and no gap. */
static int set_aside(const struct tool *t)
{
    char aside[64], name[WAL_NAME_MAX];
    snprintf(aside, sizeof(aside), "damaged-%lld", (long long)time(NULL));
    if (mkdirat(t->dirfd, aside, 0700))
        return cannot("make", aside);
    int fd = openat(t->dirfd, aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool keeps = t->end_at > WAL_HEAD_BYTES;
    for (unsigned i = t->d.nsegments; fd >= 0 && i-- > t->segment + keeps;) {
        wal_segment_name(name, t->d.segment[i]);
        if (renameat(t->dirfd, name, fd, name))
            return cannot("move", name);
    }
    wal_segment_name(name, t->d.segment[t->segment]);
    if (fd < 0 || (keeps && (!copy_tail(t, name, fd) || !cut(t, name))))
        return cannot("set aside the end of", name);
    if (fsync(fd) || fsync(t->dirfd))
        return cannot("sync", t->path);
    printf("Done. What could not be used is in %s/%s.\n", t->path, aside);
    return 0;
}

static int repair_damage(struct tool *t)
{
    uint64_t records, last;
    if (!t->base_sound) {
        fprintf(stderr, "skepctl: without a good base nothing can be kept: put it back, or move %s away\n",
                t->path);
        return EXIT_UNREADABLE;
    }
    count_lost(t, &records, &last);
    printf("To be kept: everything up to record %" PRIu64 ". To be lost: everything behind it", t->lsn);
    if (records)
        printf("; %" PRIu64 " records up to %" PRIu64 " can still be read, but what they follow cannot",
               records, last);
    puts(".");
    if (!t->yes) {
        puts("Nothing was done. With --yes it is.");
        return EXIT_DAMAGED;
    }
    return set_aside(t);
}

static int repair(struct tool *t)
{
    char name[WAL_NAME_MAX];
    int lock;
    if (wal_dir_lock(t->dirfd, 0, &lock)) {
        fprintf(stderr, "skepctl: a server is writing this log: stop it first\n");
        return EXIT_UNREADABLE;
    }
    int verdict = examine(t, true);
    if (verdict == EXIT_DAMAGED)
        return repair_damage(t);
    if (verdict != EXIT_TORN)
        return verdict;
    wal_segment_name(name, t->d.segment[t->segment]);
    if (!cut(t, name))
        return cannot("cut", name);
    printf("%s is cut at offset %" PRIu64 ".\n", name, t->end_at);
    return 0;
}

/* ---- dump ---- */

static uint64_t dump_db = UINT64_MAX;

/* *at stands at "*3\r\n" or "$5\r\n": steps behind it. */
static bool read_count(struct bytes in, size_t *at, char sign, uint64_t *n)
{
    *n = 0;
    if (*at >= in.n || in.p[*at] != sign)
        return false;
    for (++*at; *at < in.n && in.p[*at] >= '0' && in.p[*at] <= '9'; ++*at)
        *n = *n * 10 + (uint64_t)(in.p[*at] - '0');
    *at += 2;
    return *at <= in.n;
}

/* How many commands there are, and whether one of them is SELECT. */
static unsigned count_commands(struct bytes effect, bool *selects)
{
    unsigned commands = 0;
    *selects = false;
    for (size_t at = 0; at < effect.n; commands++) {
        uint64_t argc, n;
        if (!read_count(effect, &at, '*', &argc))
            break;
        for (uint64_t i = 0; i < argc; i++) {
            if (!read_count(effect, &at, '$', &n) || n > effect.n - at)
                return commands;
            if (i == 0 && n == 6 && strncasecmp(effect.p + at, "SELECT", 6) == 0)
                *selects = true;
            at += n + 2;
        }
    }
    return commands;
}

static void dump_record(struct tool *t, const struct wal_entry *e)
{
    bool selects;
    if (e->lsn <= t->base && !t->all)
        return;
    unsigned commands = count_commands(e->effect, &selects);
    if (dump_db != e->db) {
        char db[16];
        int n = snprintf(db, sizeof(db), "%" PRIu32, e->db);
        printf("*2\r\n$6\r\nSELECT\r\n$%d\r\n%s\r\n", n, db);
    }
    dump_db = selects ? UINT64_MAX : e->db;
    if (commands > 1)
        fputs("*1\r\n$5\r\nMULTI\r\n", stdout);
    fwrite(e->effect.p, 1, e->effect.n, stdout);
    if (commands > 1)
        fputs("*1\r\n$4\r\nEXEC\r\n", stdout);
}

static int dump(struct tool *t)
{
    char name[WAL_NAME_MAX];
    if (t->d.nbases) {
        t->base = t->d.base[t->d.nbases - 1];
        wal_base_name(name, t->base);
        fprintf(stderr,
                "skepctl: these commands follow %s/%s, which holds everything up to record %" PRIu64 "\n",
                t->path, name, t->base);
    }
    find_first(t);
    int verdict = read_log(t, dump_record, false);
    if (fflush(stdout) || ferror(stdout))
        return cannot("write", "to standard output");
    if (verdict == EXIT_DAMAGED || verdict == EXIT_TORN)
        fprintf(stderr, "skepctl: it ends at record %" PRIu64 ": %s\n", t->lsn, t->why);
    return verdict;
}

/* ---- the command line ---- */

int wal_tool(int argc, char **argv)
{
    static struct tool t = {.path = "."};
    const char *what = argc ? argv[0] : "", *config = NULL, *dir = NULL;
    bool known = !strcmp(what, "check") || !strcmp(what, "repair") || !strcmp(what, "dump");
    for (int i = 1; i < argc && known; i++) {
        if (!strcmp(argv[i], "--yes"))
            t.yes = true;
        else if (!strcmp(argv[i], "--all"))
            t.all = true;
        else if ((!strcmp(argv[i], "--config") || !strcmp(argv[i], "-c")) && i + 1 < argc)
            config = argv[++i];
        else if (argv[i][0] != '-' && !dir)
            dir = argv[i];
        else {
            fprintf(stderr, "skepctl: wal: what is '%s'?\n\n", argv[i]);
            known = false;
        }
    }
    if (!known) {
        fputs(wal_tool_usage, stderr);
        return EXIT_UNREADABLE;
    }
    if (dir)
        snprintf(t.path, sizeof(t.path), "%s", dir);
    else if (config && dir_from_config(&t, config))
        return EXIT_UNREADABLE;
    if (open_dir(&t))
        return EXIT_UNREADABLE;
    if (strcmp(what, "check") == 0) {
        warn_of_server(&t);
        return examine(&t, true);
    }
    return strcmp(what, "dump") == 0 ? dump(&t) : repair(&t);
}
