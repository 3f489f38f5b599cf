/* Going over to a new binary in place, and starting anew with an empty arena. Both exec: the process keeps its
 * number, its children and its descriptors, and what it knows of them travels in a memfd. */
#include "master/upgrade.h"
#include "shm/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "master/process.h"
#include "shm/base/log.h"

#define SAVED_MAGIC  0x31564153504b5331ull
#define PROBE_ANSWER "skep-upgrade-ok"
#define PROBE_MAX_S  15.0
#define DRAIN_MAX_S  10.0

struct saved_child {
    enum child_phase phase;
    enum slot_role role;
    uint32_t slot, index, sessions;
    int pid, control;
    double started_at;
};

/* Then follow nsessions descriptors and what standard input held. Both binaries must agree on this struct: its
 * size and the magic stand in front, and the probe compares them. */
struct saved {
    uint64_t magic, bytes, shape, config;
    uint32_t nslots, nsessions, nposts, nworkers, nlanes;
    bool empty; /* a rebuild: there is no arena and no child */
    bool started;
    int arena_fd, dir_lock, alive[2];
    unsigned load_tries;
    int wakefd[SHM_SLOTS_MAX];
    struct listen_set listen;
    struct saved_child child[SHM_SLOTS_MAX];
    struct post post[POSTS_MAX];
    struct shm_config cfg; /* for a rebuild: CONFIG SET's changes outlive the arena */
    char start_dir[PATH_MAX];
    uint64_t input_len;
};

/* ---- saving ---- */

static bool write_all(int fd, const void *p, size_t n)
{
    for (const char *at = p; n;) {
        ssize_t w = write(fd, at, n);
        if (w <= 0)
            return false;
        at += w;
        n -= (size_t)w;
    }
    return true;
}

static void fill_saved(struct master *m, struct saved *s, bool empty)
{
    *s = (struct saved){.magic = SAVED_MAGIC,
                        .bytes = sizeof(*s),
                        .shape = arena_shape(),
                        .config = config_layout(),
                        .nslots = m->nslots,
                        .nsessions = empty ? 0 : m->root->nsessions,
                        .nposts = m->nposts,
                        .nworkers = m->nworkers,
                        .nlanes = m->nlanes,
                        .empty = empty,
                        .started = m->started,
                        .arena_fd = m->arena_fd,
                        .dir_lock = m->dir_lock,
                        .alive = {m->durable.alive[0], m->durable.alive[1]},
                        .load_tries = m->durable.load_tries,
                        .listen = m->listen,
                        .cfg = *m->cfg,
                        .input_len = m->request->input ? m->request->input_len : 0};
    memcpy(s->wakefd, m->wakefd, m->nslots * sizeof(int));
    memcpy(s->post, m->post, sizeof(s->post));
    memcpy(s->start_dir, m->request->start_dir, sizeof(s->start_dir));
    for (uint32_t i = 0; i < m->nslots && !empty; i++) {
        const struct child *c = &m->child[i];
        s->child[i] = (struct saved_child){c->phase,    c->role, c->slot,       c->index,
                                           c->sessions, c->pid,  c->control.fd, c->started_at};
    }
}

/* Answers a memfd that is inherited over exec, or -1. */
static int save(struct master *m, bool empty)
{
    struct saved *s = calloc(1, sizeof(*s));
    int fd = memfd_create("skep-state", 0);
    if (!s || fd < 0) {
        free(s);
        return -1;
    }
    fill_saved(m, s, empty);
    bool ok = write_all(fd, s, sizeof(*s)) && write_all(fd, m->client_fd, s->nsessions * sizeof(int)) &&
              write_all(fd, m->request->input, s->input_len);
    free(s);
    if (ok)
        return fd;
    close(fd);
    return -1;
}

/* ---- exec ---- */

/* The original arguments, behind one hidden option. */
static void run_binary(struct master *m, int exe, const char *option, int state)
{
    char number[16];
    char **argv = calloc((size_t)m->argc + 3, sizeof(*argv));
    CHECK(argv);
    snprintf(number, sizeof(number), "%d", state);
    argv[0] = m->argv[0];
    argv[1] = (char *)(uintptr_t)option;
    argv[2] = number;
    for (int i = 1; i < m->argc; i++)
        argv[i + 2] = m->argv[i];
    fexecve(exe, argv, environ);
    free(argv);
}

/* All but the log's writer have been killed. It finds its sockets closed, repairs what they left and writes what the ring holds, unless
 * that is what cannot be trusted: so it is given up when it gets nowhere. */
static void wait_for_children(struct master *m)
{
    const struct shm_wal *w = &persist(m->root)->wal;
    uint64_t written = 0;
    double until = 0;
    for (uint32_t i = 0; i < m->nslots; i++)
        child_disconnect(m, &m->child[i]);
    close(m->durable.alive[0]);
    close(m->durable.alive[1]);
    for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) >= 0 || errno == EINTR;) {
        if (pid)
            continue;
        uint64_t now = __atomic_load_n(&w->written, __ATOMIC_RELAXED);
        if (!until || now != written)
            until = now_s() + DRAIN_MAX_S;
        written = now;
        for (uint32_t i = 0; now_s() > until && i < m->nslots; i++)
            if (m->child[i].role == ROLE_WAL && m->child[i].phase != CHILD_NONE && m->child[i].pid)
                kill(m->child[i].pid, SIGKILL);
        nanosleep(&(struct timespec){0, 10 * 1000 * 1000}, NULL);
    }
}

void rebuild_begin(struct master *m, const char *why)
{
    bool disk = m->cfg->appendonly || m->cfg->nsaves || !access(m->cfg->dbfilename, F_OK);
    log_warning("REBUILD: %s. All workers are stopped, and the server starts again %s.", why,
                disk ? "with what is on disk" : "with an empty keyspace, since nothing is kept on disk");
    m->durable.load_tries += m->durable.step != LOADED;
    children_kill(m);
    wait_for_children(m);
    for (uint32_t x = 0; x < m->root->nsessions; x++)
        if (m->client_fd[x] >= 0)
            close(m->client_fd[x]);
    close(m->arena_fd);
    int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), state = save(m, true);
    if (exe >= 0 && state >= 0)
        run_binary(m, exe, "--upgrade-resume", state);
    log_warning("Starting again failed: %s", strerror(errno));
    exit(1);
}

/* ---- the probe, seen from the old binary ---- */

static void probe_end(struct master *m)
{
    struct probe *p = &m->probe;
    if (p->reader >= 0) {
        ev_io_stop(m->loop, &p->io);
        close(p->reader);
    }
    if (p->exe >= 0)
        close(p->exe);
    if (p->state >= 0)
        close(p->state);
    *p = (struct probe){.reader = -1, .exe = -1, .state = -1};
}

static void refuse_upgrade(struct master *m, const char *why)
{
    refusal_note(m, "The upgrade to %s is refused: %s. Everything goes on as before.", m->exe, why);
    probe_end(m);
    notify_systemd("READY=1\nSTATUS=Ready to accept connections");
}

static void on_probe_output(struct ev_loop *loop, ev_io *w, int events)
{
    struct master *m = w->data;
    struct probe *p = &m->probe;
    (void)events;
    size_t room = sizeof(p->text) - 1 - p->len;
    ssize_t n = read(p->reader, p->text + p->len, room);
    if (n > 0)
        p->len += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        ev_io_stop(loop, w);
    p->text[p->len] = '\0';
}

__attribute__((noreturn)) static void be_probe(struct master *m, int out)
{
    sigset_t none;
    int keep[] = {m->probe.state, m->arena_fd, m->probe.exe, 3};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, 1);
    dup2(out, 2);
    keep[3] = m->probe.exe;
    close_all_but(keep, 4);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    run_binary(m, m->probe.exe, "--upgrade-probe", m->probe.state);
    printf("it cannot be run: %s\n", strerror(errno));
    fflush(stdout);
    _exit(1);
}

/* What the new binary could not take up in the middle. */
static bool disk_is_busy(const struct master *m)
{
    return m->durable.step != LOADED || m->durable.why || m->durable.naskers;
}

/* Everybody serves and nothing waits to be sent: what travels in the memfd is then the whole truth. */
static bool is_calm(const struct master *m)
{
    if (m->roll != ROLL_NONE || m->ending || m->nhomeless || disk_is_busy(m))
        return false;
    for (uint32_t i = 0; i < m->nslots; i++) {
        const struct child *c = &m->child[i];
        if (c->phase != CHILD_NONE && (c->phase != CHILD_RUNNING || channel_waits(&c->control)))
            return false;
    }
    return true;
}

void upgrade_begin(struct master *m)
{
    struct probe *p = &m->probe;
    int pipe_fd[2];
    if (m->ending || p->pid || p->passed)
        return;
    probe_end(m);
    log_notice("Upgrading to %s: trying it first", m->exe);
    p->exe = open(m->exe, O_RDONLY | O_CLOEXEC);
    p->state = p->exe < 0 ? -1 : save(m, false);
    if (p->state < 0 || pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK)) {
        refuse_upgrade(m, strerror(errno));
        return;
    }
    p->pid = fork();
    if (p->pid == 0)
        be_probe(m, pipe_fd[1]);
    close(pipe_fd[1]);
    p->reader = pipe_fd[0];
    ev_io_init(&p->io, on_probe_output, p->reader, EV_READ);
    p->io.data = m;
    if (p->pid < 0) {
        p->pid = 0;
        refuse_upgrade(m, strerror(errno));
        return;
    }
    ev_io_start(m->loop, &p->io);
    p->deadline = now_s() + PROBE_MAX_S;
}

/* Answers whether pid was the probe. */
bool upgrade_reaped(struct master *m, int pid, int status)
{
    struct probe *p = &m->probe;
    if (!p->pid || p->pid != pid)
        return false;
    p->pid = 0;
    on_probe_output(m->loop, &p->io, 0);
    log_verbose("The probe says: %s", p->text);
    char *line = p->text + strspn(p->text, "\n");
    line[strcspn(line, "\n")] = '\0';
    if (WIFEXITED(status) && !WEXITSTATUS(status) && !strcmp(line, PROBE_ANSWER))
        p->passed = true;
    else
        refuse_upgrade(m, line[0] ? line : "it did not answer as a binary of ours does");
    upgrade_step(m);
    return true;
}

/* Execs the very file that was tried, as soon as there is a calm moment. */
void upgrade_step(struct master *m)
{
    struct probe *p = &m->probe;
    if (p->pid && now_s() > p->deadline)
        kill(p->pid, SIGKILL);
    if (p->passed && !p->told && disk_is_busy(m)) {
        log_notice("The upgrade waits until loading and snapshots have ended");
        p->told = true;
    }
    if (!p->passed || !is_calm(m))
        return;
    int state = save(m, false);
    if (state < 0) {
        refuse_upgrade(m, strerror(errno));
        return;
    }
    log_notice("The new binary can take over; going over to it");
    notify_systemd("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)mono_us());
    run_binary(m, p->exe, "--upgrade-resume", state);
    close(state);
    refuse_upgrade(m, strerror(errno));
}

/* ---- the new binary ---- */

static bool read_all(int fd, void *to, size_t n)
{
    for (char *at = to; n;) {
        ssize_t r = read(fd, at, n);
        if (r <= 0)
            return false;
        at += r;
        n -= (size_t)r;
    }
    return true;
}

static struct saved *load(int fd, char *why, size_t cap)
{
    struct saved *s = calloc(1, sizeof(*s));
    uint64_t head[2] = {0, 0};
    CHECK(s);
    if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) || head[0] != SAVED_MAGIC ||
        head[1] != sizeof(*s) || lseek(fd, 0, SEEK_SET) || !read_all(fd, s, sizeof(*s)))
        snprintf(why, cap, "the old binary describes its state in a way that this one does not know");
    else if (s->shape != arena_shape())
        snprintf(why, cap, "the arena's layout is %016llx, this binary's is %016llx",
                 (unsigned long long)s->shape, (unsigned long long)arena_shape());
    else if (s->config != config_layout())
        snprintf(why, cap, "the configuration's layout differs from this binary's");
    else
        return s;
    free(s);
    return NULL;
}

/* What standard input held is put there again, and relative paths count from where the first start was. */
static void restore_surroundings(int fd, const struct saved *s)
{
    if (chdir(s->start_dir))
        log_warning("chdir to %s: %s", s->start_dir, strerror(errno));
    if (!s->input_len)
        return;
    int in = memfd_create("skep-input", MFD_CLOEXEC);
    char buf[4096];
    lseek(fd, (off_t)(sizeof(*s) + s->nsessions * sizeof(int)), SEEK_SET);
    for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
        if (!write_all(in, buf, (size_t)n))
            break;
    lseek(in, 0, SEEK_SET);
    dup2(in, STDIN_FILENO);
    close(in);
}

int upgrade_probe(int fd, int argc, char **argv)
{
    char why[512] = "";
    struct saved *s = load(fd, why, sizeof(why));
    struct conf_request request;
    struct conf_report report = {0};
    static struct shm_config cfg;
    if (!s || arena_attach(s->arena_fd, why, sizeof(why))) {
        printf("%s\n", why);
        return 1;
    }
    restore_surroundings(fd, s);
    if (conf_read_args(argc, argv, &request, why, sizeof(why))) {
        printf("%s\n", why);
        return 1;
    }
    if (conf_load(&request, &cfg, &report)) {
        char *line = report.error; /* of several lines: only the first is shown */
        printf("its configuration: %s\n", line ? line : "out of memory");
        return 1;
    }
    printf(PROBE_ANSWER "\n");
    return 0;
}

static void restore_children(struct master *m, const struct saved *s)
{
    for (uint32_t i = 0; i < s->nslots; i++) {
        const struct saved_child *from = &s->child[i];
        struct child *c = &m->child[i];
        if (from->phase != CHILD_RUNNING)
            continue;
        *c = (struct child){.phase = CHILD_RUNNING,
                            .role = from->role,
                            .slot = from->slot,
                            .index = from->index,
                            .sessions = from->sessions,
                            .pid = from->pid,
                            .was_ready = true,
                            .control.fd = -1,
                            .started_at = from->started_at};
        child_connect(m, c, from->control);
        life_watch(c->slot);
    }
}

void upgrade_restore(struct master *m, struct saved *s, int fd)
{
    if (!s->empty) {
        lseek(fd, (off_t)sizeof(*s), SEEK_SET);
        CHECK(read_all(fd, m->client_fd, s->nsessions * sizeof(int)));
        restore_children(m, s);
        for (uint32_t i = 0; i < m->nposts; i++)
            for (uint32_t k = 0; k < s->nposts; k++)
                if (s->post[k].role == m->post[i].role && s->post[k].index == m->post[i].index)
                    m->post[i] = s->post[k];
    }
    close(fd);
    free(s);
}

struct saved *upgrade_load(struct master *m, int fd, bool *empty)
{
    char why[512];
    struct saved *s = load(fd, why, sizeof(why));
    if (s && !s->empty && arena_attach(s->arena_fd, why, sizeof(why))) {
        free(s);
        s = NULL;
    }
    if (!s) { /* the probe said that it would work: the world has changed since */
        fprintf(stderr, "skep: %s\n", why);
        exit(1);
    }
    restore_surroundings(fd, s);
    *empty = s->empty;
    m->listen = s->listen;
    m->dir_lock = s->dir_lock;
    m->arena_fd = s->empty ? -1 : s->arena_fd;
    m->started = s->started && !s->empty;
    memcpy(m->durable.alive, s->alive, sizeof(s->alive));
    m->durable.load_tries = s->load_tries;
    m->wakefd = malloc(SHM_SLOTS_MAX * sizeof(int));
    CHECK(m->wakefd);
    memcpy(m->wakefd, s->wakefd, SHM_SLOTS_MAX * sizeof(int));
    return s;
}

const struct shm_config *upgrade_config(const struct saved *s)
{
    return &s->cfg;
}
