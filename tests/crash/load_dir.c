/* Fills a keyspace from a directory as a server does at its start, and prints what came of it: for the tests of the
 * loaders, which know of no clients.
 *
 *   load_dir [--loaders N] [--arena MB] [--repeat N] [--show yes|digest|no] [DIRECTIVE VALUE]...
 *
 * Prints "ok" or "failed: WHY" or "died", then words of shm_load and shm_wal, then a line for each key. Exit: 0 loaded,
 * 1 refused, 2 something is wrong with us. */
#include "shm/library.h"
#include "shm/config.h"
#include "shm/format/rdb_out.h"
#include "shm/persist.h"
#include "shm/repair.h"
#include "shm/types/string.h"
#include "include/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned loaders = 2;
static uint64_t arena_mb = 1024;
static const char *show = "yes";

static int64_t now_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void directive(struct shm_config *cfg, const char *name, const char *value)
{
    char why[CONFIG_ERR_MAX] = "";
    struct bytes v = {value, strlen(value)};
    if (config_set(cfg, (struct bytes){name, strlen(name)}, &v, 1, CONFIG_FROM_FILE, why, sizeof(why))) {
        fprintf(stderr, "%s: %s\n", name, why);
        exit(2);
    }
}

static void arguments(int argc, char **argv, struct shm_config *cfg)
{
    config_defaults(cfg);
    directive(cfg, "maxmemory-policy", "noeviction");
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--loaders"))
            loaders = (unsigned)atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--arena"))
            arena_mb = (uint64_t)atoll(argv[i + 1]);
        else if (!strcmp(argv[i], "--show"))
            show = argv[i + 1];
        else
            directive(cfg, argv[i], argv[i + 1]);
    }
}

/* ---- the keys ---- */

static void print_quoted(struct bytes s)
{
    putchar('"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 32 || c > 126 || c == '"' || c == '\\')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
    putchar('"');
}

struct shown {
    uint32_t db;
    uint64_t keys, digest;
};

static uint64_t mix(uint64_t h, struct bytes s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211ull;
    return (h ^ s.n) * 0x9e3779b97f4a7c15ull;
}

static void print_key(uint32_t db, const struct shm_entry *e, struct bytes value)
{
    printf("key %u ", db);
    print_quoted(entry_key(e));
    putchar(' ');
    print_quoted(value);
    printf(" %lld %s %u\n", (long long)entry_expiry(e), entry_enc_name(e), e->meta & 0xffffff);
}

/* Of a collection, what DUMP would say: redis-server can tell what that is. */
static struct bytes shown_value(const struct shm_entry *e, char digits[STRING_DIGITS], struct rdb_out *dump)
{
    if (entry_type(e) == TYPE_STRING)
        return string_bytes(e, digits);
    if (rdb_out_open(dump, 256, NULL, NULL) || rdb_out_dump(dump, e))
        exit(2);
    return (struct bytes){dump->buf, dump->len};
}

/* The sum does not depend on the order. */
static void visit(void *arg, const struct shm_entry *e)
{
    struct shown *s = arg;
    char digits[STRING_DIGITS];
    struct rdb_out dump = {0};
    struct bytes key = entry_key(e), value = shown_value(e, digits, &dump);
    uint64_t h = mix(mix(14695981039346656037ull + s->db, key), value);
    h ^= (uint64_t)entry_expiry(e) * 0xff51afd7ed558ccdull;
    s->digest += h ^ h >> 29;
    s->keys++;
    if (strcmp(show, "yes") == 0)
        print_key(s->db, e, value);
    rdb_out_close(&dump);
}

static void show_keys(struct shm_ctx *ctx)
{
    struct shown s = {0};
    for (s.db = 0; s.db < ctx->root->ndbs; s.db++) {
        struct shm_table *t = db_table(ctx->root, s.db);
        uint64_t pos = 0;
        do
            while (t && table_visit(ctx, t, pos, visit, &s, &pos) == RC_BUSY)
                ;
        while (t && pos);
    }
    printf("keys %llu digest %016llx\n", (unsigned long long)s.keys, (unsigned long long)s.digest);
}

static void show_libraries(struct shm_ctx *ctx)
{
    struct library_copy copy = {0};
    struct library lib;
    CHECK(!libraries_read(ctx, &copy));
    for (struct bytes rest = copy.all; library_next(&rest, &lib);)
        printf("library_%.*s %u\n", (int)lib.name.n, lib.name.p, lib.nfunctions);
    free(copy.p);
}

/* ---- the loaders ---- */

static pid_t start_loader(unsigned i, const int *wakefd)
{
    struct child_start start = {.slot = 1 + i, .index = i, .control = -1, .wakefd = wakefd, .alive = -1};
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    loader_main(&start);
}

/* What the master does with one that ends: 0: all have stored everything. */
static int wait_for_loaders(pid_t *pid)
{
    int worst = 0;
    for (unsigned left = loaders; left; left--) {
        int status;
        pid_t gone = wait(&status);
        if (gone < 0)
            exit(2);
        for (unsigned i = 0; i < loaders; i++) {
            if (pid[i] == gone)
                pid[i] = 0;
        }
        if (!WIFEXITED(status) && worst < 2) {
            worst = 2;
            for (unsigned i = 0; i < loaders; i++)
                if (pid[i])
                    kill(pid[i], SIGKILL);
        } else if (WIFEXITED(status) && WEXITSTATUS(status) > worst) {
            worst = WEXITSTATUS(status);
        }
    }
    return worst;
}

static void print_words(const struct shm_persist *p)
{
    uint64_t keys = 0, expired = 0;
    for (unsigned i = 0; i < loaders; i++) {
        keys += p->load.loader[i].keys;
        expired += p->load.loader[i].expired;
    }
    printf("aof %u needs_base %u rdb_keys %llu rdb_expired %llu files %u\n", p->load.aof, p->load.needs_base,
           (unsigned long long)keys, (unsigned long long)expired, p->load.file);
    printf("lsn %llu base %llu next_segment %llu written %llu durable %llu\n", (unsigned long long)p->wal.lsn,
           (unsigned long long)p->wal.base_lsn, (unsigned long long)p->wal.next_segment,
           (unsigned long long)p->wal.written, (unsigned long long)p->wal.durable);
}

int main(int argc, char **argv)
{
    static struct shm_config cfg;
    static int wakefd[SHM_SLOTS_MAX];
    pid_t pid[LOADERS_MAX];
    struct shm_ctx ctx;
    int fd;
    char why[256];
    arguments(argc, argv, &cfg);
    struct arena_sizes sizes = {arena_mb << 20, loaders + 1, (uint32_t)cfg.databases, 16};
    if (loaders < 1 || loaders > LOADERS_MAX || arena_create(&sizes, &fd))
        return 2;
    slot_adopt(&ctx, 0, ROLE_MASTER, 0);
    memcpy(shm_at(ctx.root->config), &cfg, sizeof(cfg));
    struct shm_persist *p = persist(ctx.root);
    p->load =
        (struct shm_load){.state = LOAD_RUNNING, .nloaders = loaders, .start_ms = now_ms(CLOCK_REALTIME)};
    fflush(stdout);
    int64_t from = now_ms(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < loaders; i++)
        pid[i] = start_loader(i, wakefd);
    int end = wait_for_loaders(pid);
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    fprintf(stderr, "%.3f s; user %.3f s, system %.3f s\n", (double)(now_ms(CLOCK_MONOTONIC) - from) / 1000,
            (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6,
            (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6);
    if (end > 1) {
        printf("died\n");
        return 2;
    }
    if (end || p->load.state == LOAD_FAILED) {
        printf("failed: %s\n", p->load.error);
        return p->load.state == LOAD_FAILED && end == 1 ? 1 : 2;
    }
    printf("ok\n");
    print_words(p);
    if (strcmp(show, "no") != 0)
        show_keys(&ctx);
    show_libraries(&ctx);
    if (arena_check(why, sizeof(why))) {
        printf("arena: %s\n", why);
        return 2;
    }
    return 0;
}
