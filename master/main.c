/* skep: from the command line to the master's loop. Everything that can be refused is asked for before the
 * first fork, so that a failing start is one line and an exit code. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "master/privileges.h"
#include "master/process.h"
#include "master/supervise.h"
#include "master/upgrade.h"
#include "shm/base/clock.h"
#include "shm/base/log.h"

static const char usage[] =
    "Usage: skep [CONFIG FILE] [--directive value ...] [-]\n"
    "       skep -            read the configuration from standard input\n"
    "       skep -v, --version\n"
    "       skep -h, --help\n"
    "       skep --test-memory MEGABYTES\n"
    "\n"
    "A Redis-compatible server. The configuration file has the syntax of redis.conf; a --directive on the\n"
    "command line counts more than the same directive in the file.\n"
    "\n"
    "Examples:\n"
    "       skep --port 7777 --workers 4\n"
    "       skep /etc/skep/skep.conf --loglevel verbose\n"
    "       echo 'maxmemory 128mb' | skep -\n"
    "\n"
    "Signals to the master: TERM, INT stop; HUP reads the configuration again and replaces the workers;\n"
    "USR1 opens the log file again; USR2 goes over to a new binary. See also skepctl(1).\n";

/* To the terminal and, if there is one, to the log file: whoever started us looks at one of them. */
__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *fmt, ...)
{
    char why[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    fprintf(stderr, "skep: %s\n", why);
    if (log_fd() > STDERR_FILENO)
        log_warning("%s", why);
    exit(1);
}

/* Writes a pattern over fresh memory and reads it back, as people use it to look for broken RAM. */
static int test_memory(long megabytes)
{
    size_t n = (size_t)megabytes * 1024 * 1024 / sizeof(uint64_t);
    volatile uint64_t *p = malloc(n * sizeof(*p));
    unsigned long faults = 0;
    if (!p) {
        fprintf(stderr, "skep: %ld MB cannot be allocated: %s\n", megabytes, strerror(errno));
        return 1;
    }
    for (unsigned pass = 0; pass < 4; pass++) {
        uint64_t salt = 0x5555555555555555ull << (pass & 1) ^ (pass & 2 ? 0x9e3779b97f4a7c15ull : 0);
        for (size_t i = 0; i < n; i++)
            p[i] = i * salt + salt;
        for (size_t i = 0; i < n; i++)
            faults += p[i] != i * salt + salt;
    }
    printf(faults ? "Your memory has FAILED this test: %lu faults\n" : "Your memory passed this test.\n",
           faults);
    free((void *)(uintptr_t)p);
    return faults != 0;
}

/* As it was called, so that an upgrade follows a link that points elsewhere by then. */
static void name_ourselves(struct master *m)
{
    char cwd[PATH_MAX];
    int n = -1;
    if (m->argc && m->argv[0][0] == '/')
        n = snprintf(m->exe, sizeof(m->exe), "%s", m->argv[0]);
    else if (m->argc && strchr(m->argv[0], '/') && getcwd(cwd, sizeof(cwd)))
        n = snprintf(m->exe, sizeof(m->exe), "%s/%s", cwd, m->argv[0]);
    if (n > 0 && (size_t)n < sizeof(m->exe) && !access(m->exe, X_OK))
        return;
    ssize_t len = readlink("/proc/self/exe", m->exe, sizeof(m->exe) - 1);
    m->exe[len > 0 ? len : 0] = '\0';
}

/* For INFO. A path that does not fit is not told: half a path would be another one. */
static void show_path(char to[SHM_PATH_BYTES], const char *path)
{
    size_t n = strlen(path) + 1;
    memcpy(to, n <= SHM_PATH_BYTES ? path : "", n <= SHM_PATH_BYTES ? n : 1);
}

static void show_paths(const struct master *m)
{
    show_path(m->root->executable, m->exe);
    show_path(m->root->config_file, m->request->path);
}

static uint32_t count_workers(const struct shm_config *cfg)
{
    cpu_set_t cpus;
    int n = (int)cfg->workers;
    if (!n)
        n = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);
    return (uint32_t)(n < CONF_WORKERS_MAX ? n : CONF_WORKERS_MAX);
}

static void read_configuration(struct master *m, struct shm_config *cfg)
{
    static struct conf_request request; /* lives as long as the process: SIGHUP loads again */
    struct conf_report report = {0};
    char err[512];
    m->request = &request;
    if (conf_read_args(m->argc, m->argv, &request, err, sizeof(err)))
        refuse("%s", err);
    if (request.mode == CONF_VERSION)
        printf("Skep server v=%s sha=00000000:0 malloc=jemalloc bits=64 layout=%u\n", SKEP_VERSION,
               SHM_LAYOUT);
    if (request.mode == CONF_HELP)
        fputs(usage, stdout);
    if (request.mode == CONF_TEST_MEMORY)
        exit(test_memory(request.test_megabytes));
    if (request.mode != CONF_RUN)
        exit(0);
    if (conf_load(&request, cfg, &report)) {
        conf_print_error(stderr, &report);
        exit(1);
    }
    struct log_settings log = {cfg->logfile, (enum log_level)cfg->loglevel, cfg->syslog_enabled,
                               cfg->syslog_ident, cfg->syslog_facility};
    if (log_open(&log))
        refuse("Can't open the log file %s: %s", cfg->logfile, strerror(errno));
    if (cfg->dir_value[0] && chdir(cfg->dir_value))
        refuse("Can't chdir to '%s': %s", cfg->dir_value, strerror(errno));
    conf_log_warnings(&report);
    conf_report_free(&report);
}

static void fill_run_id(struct shm_root *r)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char raw[20];
    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        memset(raw, 7, sizeof(raw));
    for (unsigned i = 0; i < 40; i++)
        ((char *)r->run_id)[i] = hex[raw[i / 2] >> (i & 1 ? 0 : 4) & 15];
}

/* Beside the posts there are the log's writer and a snapshotter. */
#define OTHER_SLOTS 2u

/* Twice as many slots as posts: during a replacement old and new stand side by side, at the start each worker has a
 * loader beside it, and the number of workers may grow with an upgrade. */
static void create_arena(struct master *m, const struct shm_config *cfg)
{
    uint32_t posts = m->nworkers + m->nlanes, slots = 2 * (posts + OTHER_SLOTS) + 4;
    struct arena_sizes sizes = {.arena_bytes = cfg->arena_size ? cfg->arena_size : arena_default_bytes(),
                                .nslots = slots < 16              ? 16
                                          : slots > SHM_SLOTS_MAX ? SHM_SLOTS_MAX
                                                                  : slots,
                                .ndbs = (uint32_t)cfg->databases,
                                .nsessions =
                                    (uint32_t)(cfg->maxclients > 9900 ? cfg->maxclients + 100 : 10000)};
    enum rc rc = arena_create(&sizes, &m->arena_fd);
    if (rc == RC_INVALID)
        refuse("arena-size %llu is too small for maxclients %u and databases %u",
               (unsigned long long)sizes.arena_bytes, (unsigned)cfg->maxclients, sizes.ndbs);
    if (rc)
        refuse("the arena of %llu bytes was refused: %s (arena-size says how large it may be)",
               (unsigned long long)sizes.arena_bytes, strerror(errno));
    fcntl(m->arena_fd, F_SETFD, 0); /* an upgrade takes it along */
    m->root = arena_root();
    m->cfg = shm_at(m->root->config);
    *m->cfg = *cfg;
    m->root->boot_time_ms = (uint64_t)wall_ms();
    fill_run_id(m->root);
    show_paths(m);
}

static void make_posts(struct master *m)
{
    uint32_t log = m->nworkers + m->nlanes;
    for (uint32_t i = 0; i <= log; i++) {
        bool lane = i >= m->nworkers;
        m->post[i] = (struct post){.role = i == log ? ROLE_WAL
                                           : lane   ? ROLE_LANE
                                                    : ROLE_WORKER,
                                   .index = i == log ? 0
                                            : lane   ? i - m->nworkers
                                                     : i,
                                   .off = i == log,
                                   .slot = -1,
                                   .next = -1,
                                   .last_slot = (int)i,
                                   .lent_to = -1,
                                   .delay = 0};
    }
    m->nposts = log + 1;
}

static void make_tables(struct master *m)
{
    m->nslots = m->root->nslots;
    m->child = calloc(m->nslots, sizeof(*m->child));
    CHECK(m->child);
    for (uint32_t i = 0; i < m->nslots; i++)
        m->child[i].control.fd = -1;
    custody_open(m);
    if (!m->wakefd)
        m->wakefd = calloc(SHM_SLOTS_MAX, sizeof(*m->wakefd));
    CHECK(m->wakefd);
    for (uint32_t i = 0; i < m->nslots; i++) {
        if (m->wakefd[i] > 0) /* from the binary before us */
            continue;
        m->wakefd[i] = eventfd(0, EFD_NONBLOCK);
        if (m->wakefd[i] < 0)
            refuse("no eventfd for slot %u: %s", i, strerror(errno));
    }
}

/* From nothing: every refusal first, then the daemon, then the children's posts. */
static void start_new(struct master *m)
{
    static struct shm_config cfg;
    char why[512];
    struct privileges user;
    read_configuration(m, &cfg);
    if (privileges_find(cfg.run_as, &user, why, sizeof(why)))
        refuse("%s", why);
    m->nworkers = count_workers(&cfg);
    m->nlanes = (uint32_t)cfg.slow_lanes;
    limit_open_files(&cfg, 128 + 4 * (m->nworkers + m->nlanes) + 16 * m->nworkers);
    if (dir_lock(&m->dir_lock, why, sizeof(why)) ||
        listen_open(&m->listen, &cfg, m->nworkers, why, sizeof(why)))
        refuse("%s", why);
    if (!m->listen.naddrs)
        refuse("there is no address to listen on");
    create_arena(m, &cfg);
    make_tables(m);
    make_posts(m);
    if (cfg.daemonize)
        daemonize();
    m->pid = getpid();
    if (cfg.daemonize && !cfg.logfile[0] && !cfg.syslog_enabled)
        log_silence();
    if (cfg.daemonize && !cfg.pidfile[0])
        snprintf(m->cfg->pidfile, sizeof(m->cfg->pidfile), "/var/run/skep.pid");
    if (m->cfg->pidfile[0])
        pidfile_write(m->cfg->pidfile);
    dir_lock_note_pid(m->dir_lock);
    if (privileges_drop(&user, why, sizeof(why)))
        refuse("%s", why);
    log_notice("Skep %s is starting: %u workers, %u slow lanes, an arena of %llu MB", SKEP_VERSION,
               m->nworkers, m->nlanes, (unsigned long long)(m->root->arena_bytes >> 20));
    log_notice("Running mode=standalone, port=%d.", (int)cfg.port);
}

static void open_loop(struct master *m)
{
    m->loop = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOSIGMASK);
    if (!m->loop)
        refuse("no event loop: %s", strerror(errno));
    m->seen_generation = m->cfg->generation;
    signals_open(m);
}

static void first_children(struct master *m)
{
    if (pipe(m->durable.alive))
        refuse("no pipe: %s", strerror(errno));
    loading_prepare(m);
    for (uint32_t i = 0; i < m->nposts; i++) {
        if (m->post[i].off)
            continue;
        m->post[i].slot = spawn_child(m, &m->post[i]);
        if (m->post[i].slot < 0) {
            children_kill(m);
            refuse("%s %u could not be forked: %s", role_names[m->post[i].role], m->post[i].index,
                   strerror(errno));
        }
    }
    log_notice("Server initialized");
    loading_children(m);
    if (m->durable.step == LOADED)
        log_follow(m);
}

/* With nothing but the sockets left: as a first start, but on them, and with the configuration as it was. */
static void start_empty(struct master *m, const struct saved *saved)
{
    m->nworkers = count_workers(upgrade_config(saved));
    m->nlanes = (uint32_t)upgrade_config(saved)->slow_lanes;
    create_arena(m, upgrade_config(saved));
    make_tables(m);
    make_posts(m);
}

/* The arena, its configuration and all children are there. Of the configuration as the files say it now, only
 * the number of processes counts: a replacement follows anyway. */
static void start_over(struct master *m, const struct shm_config *cfg)
{
    char why[512];
    m->root = arena_root();
    m->cfg = shm_at(m->root->config);
    m->nworkers = count_workers(cfg);
    m->nlanes = (uint32_t)cfg->slow_lanes;
    while (m->nworkers > 1 && m->nworkers + m->nlanes + 1 + OTHER_SLOTS > m->root->nslots)
        m->nworkers--;
    m->cfg->workers = m->nworkers;
    m->cfg->slow_lanes = m->nlanes;
    show_paths(m);
    make_tables(m);
    make_posts(m);
    if (listen_open(&m->listen, m->cfg, m->nworkers, why, sizeof(why)))
        log_warning("%s", why);
}

static void resume(struct master *m, int fd)
{
    static struct shm_config cfg;
    bool empty;
    struct saved *saved = upgrade_load(m, fd, &empty);
    name_ourselves(m);
    read_configuration(m, &cfg);
    if (empty)
        start_empty(m, saved);
    else
        start_over(m, &cfg);
    /* CONFIG SET may have led elsewhere than the files say. */
    if (m->cfg->dir_value[0] && chdir(m->cfg->dir_value))
        log_warning("Can't chdir to '%s': %s", m->cfg->dir_value, strerror(errno));
    m->pid = getpid();
    log_notice("Skep %s has taken over", SKEP_VERSION);
    open_loop(m);
    upgrade_restore(m, saved, fd);
    if (empty) {
        first_children(m);
        return;
    }
    for (uint32_t i = 0; i < m->nposts; i++)
        if (m->post[i].slot < 0 && !m->post[i].start_at && !m->post[i].off)
            m->post[i].start_at = now_s(); /* a post that is new */
    post_start_due(m);
    roll_begin(m);
}

int main(int argc, char **argv)
{
    static struct master m = {
        .dir_lock = -1, .arena_fd = -1, .probe = {.exe = -1, .state = -1, .reader = -1}};
    const char *hidden = argc > 2 && !strncmp(argv[1], "--upgrade-", 10) ? argv[1] + 10 : "";
    int hidden_args = hidden[0] ? 2 : 0, state = hidden[0] ? atoi(argv[2]) : -1;
    char **args = title_init(argc, argv), *name = args[0];
    args[0] = args[hidden_args]; /* the hidden ones stay in front, unseen */
    args[hidden_args] = name;
    m.argc = argc - hidden_args;
    m.argv = args + hidden_args;
    if (!strcmp(hidden, "probe")) {
        int code = upgrade_probe(state, m.argc, m.argv);
        fflush(stdout);
        _exit(code); /* its answer is all that it leaves */
    }
    if (getpid() == 1)
        init_above();
    prctl(PR_SET_NAME, "skep");
    signals_block(&m.old_mask);
    if (!strcmp(hidden, "resume")) {
        resume(&m, state);
    } else {
        name_ourselves(&m);
        start_new(&m);
        open_loop(&m);
        first_children(&m);
    }
    if (m.cfg->set_proc_title)
        title_set("skep: master *:%d", m.listen.port);
    notify_open(m.cfg->supervised);
    master_run(&m);
    return 0;
}
