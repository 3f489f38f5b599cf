/* skepctl: looks after a running server. It finds the master by a pid file or by asking the server at a port,
 * sends it the signal that the command stands for, and then waits until INFO shows that it was done. */
#include "master/wal_tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 256
#define WAIT_S      60
#define ANSWER_S    15

static const char usage[] =
    "Usage: skepctl [options] status|reload|restart-workers|upgrade|stop|check\n"
    "       skepctl wal check|repair|dump [--config FILE] [--yes] [--all] [DIR]\n"
    "\n"
    "  status           the processes and what they do, the last snapshot, the log\n"
    "  reload           read the configuration again and replace the workers\n"
    "  restart-workers  replace the workers one by one; clients notice nothing\n"
    "  upgrade          replace the binary in place; clients notice nothing\n"
    "  stop             finish what runs and stop\n"
    "  check            walk the whole shared memory and say what is wrong in it\n"
    "  wal ...          look at the log's files, repair them, print them: skepctl wal --help\n"
    "\n"
    "  -p, --port N          the server's port (6379)\n"
    "  -h, --host NAME       where it is (127.0.0.1); signals reach this machine only\n"
    "  -s, --socket PATH     its unix socket\n"
    "  -a, --password WORD   its password; the environment's SKEPCTL_AUTH will do as well\n"
    "      --pid-file PATH   its pid file (also --pidfile)\n"
    "      --json            JSON instead of a table\n";

struct options {
    const char *host, *port, *socket, *password, *pid_file, *command;
    bool json;
};

struct worker {
    int index, pid;
    char state[32];
    long long clients, commands, restarts, cpu_ms;
};

/* A process that has no clients: a slow lane, the log's writer, a snapshotter, a loader. */
#define HELPERS_MAX 72
struct helper {
    char name[24], state[32];
    int index, pid;
    long long restarts, cpu_ms;
};

/* What one look at the server shows. */
struct view {
    int pid;
    char version[64];
    long long port, uptime, clients, memory;
    long long repaired, repair_us, kept, handovers;
    int nworkers;
    struct worker worker[WORKERS_MAX];
    int nhelpers;
    struct helper helper[HELPERS_MAX];
    long long loading, eta_s;
    long long changes, saved_at, log_position, log_durable, log_segments, log_waiting;
    long long refusals;
    char loaded[16], save_status[8], log_state[16], log_fault[256], refusal[512];
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("skepctl: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

/* ---- a client of one question at a time ---- */

static int connect_unix(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_tcp(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &list))
        return -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static bool send_command(int fd, int n, const char *const *words)
{
    char buf[2048];
    int at = snprintf(buf, sizeof(buf), "*%d\r\n", n);
    for (int i = 0; i < n; i++)
        if (at < (int)sizeof(buf))
            at += snprintf(buf + at, sizeof(buf) - (size_t)at, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    return at < (int)sizeof(buf) && send(fd, buf, (size_t)at, MSG_NOSIGNAL) == at;
}

static bool read_line(int fd, char *line, size_t cap)
{
    for (size_t n = 0; n + 1 < cap; n++) {
        if (recv(fd, line + n, 1, 0) != 1)
            return false;
        if (line[n] == '\n') {
            line[n > 0 ? n - 1 : 0] = '\0';
            return true;
        }
    }
    return false;
}

/* The reply's text, to be freed: a simple string, an error (with its '-') or a bulk. NULL: none came. */
static char *ask(int fd, int n, const char *const *words)
{
    char line[4096];
    if (!send_command(fd, n, words) || !read_line(fd, line, sizeof(line)))
        return NULL;
    if (line[0] != '$')
        return strdup(line[0] == '-' ? line : line + 1);
    size_t len = strtoul(line + 1, NULL, 10), got = 0;
    char *text = len < 1u << 28 ? calloc(1, len + 3) : NULL;
    while (text && got < len + 2) {
        ssize_t r = recv(fd, text + got, len + 2 - got, 0);
        if (r <= 0) {
            free(text);
            return NULL;
        }
        got += (size_t)r;
    }
    if (text)
        text[len] = '\0';
    return text;
}

/* -1: it cannot be reached. A wrong password ends us. */
static int reach(const struct options *o)
{
    struct timeval limit = {ANSWER_S, 0};
    int fd = o->socket ? connect_unix(o->socket) : connect_tcp(o->host, o->port);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (o->password) {
        const char *const words[] = {"AUTH", o->password};
        char *answer = ask(fd, 2, words);
        if (!answer || strcmp(answer, "OK"))
            die("the server does not take the password: %s", answer ? answer : "no answer");
        free(answer);
    }
    return fd;
}

/* ---- INFO ---- */

static void read_worker(struct view *v, int index, const char *text)
{
    if (v->nworkers == WORKERS_MAX)
        return;
    struct worker *w = &v->worker[v->nworkers];
    *w = (struct worker){.index = index};
    if (sscanf(text, "pid=%d,state=%31[^,],clients=%lld,commands=%lld,restarts=%lld,cpu_ms=%lld", &w->pid,
               w->state, &w->clients, &w->commands, &w->restarts, &w->cpu_ms) == 6)
        v->nworkers++;
}

static void read_helper(struct view *v, const char *name, const char *text)
{
    struct helper *h = &v->helper[v->nhelpers];
    if (v->nhelpers == HELPERS_MAX || sscanf(name, "%23[a-z_]%d", h->name, &h->index) != 2)
        return;
    if (sscanf(text, "pid=%d,state=%31[^,],restarts=%lld,cpu_ms=%lld", &h->pid, h->state, &h->restarts,
               &h->cpu_ms) == 4)
        v->nhelpers++;
}

static void read_field(struct view *v, const char *name, const char *value)
{
    const struct {
        const char *name;
        long long *to;
    } numbers[] = {{"tcp_port", &v->port},
                   {"uptime_in_seconds", &v->uptime},
                   {"connected_clients", &v->clients},
                   {"used_memory", &v->memory},
                   {"crashes_repaired", &v->repaired},
                   {"last_repair_us", &v->repair_us},
                   {"sessions_kept", &v->kept},
                   {"handovers", &v->handovers},
                   {"loading", &v->loading},
                   {"loading_eta_seconds", &v->eta_s},
                   {"rdb_changes_since_last_save", &v->changes},
                   {"rdb_last_save_time", &v->saved_at},
                   {"wal_position", &v->log_position},
                   {"wal_durable_position", &v->log_durable},
                   {"wal_segments", &v->log_segments},
                   {"wal_ring_used", &v->log_waiting},
                   {"skep_refusals", &v->refusals}};
    const struct {
        const char *name;
        char *to;
        size_t cap;
    } texts[] = {{"skep_version", v->version, sizeof(v->version)},
                 {"loading_loaded_perc", v->loaded, sizeof(v->loaded)},
                 {"rdb_last_bgsave_status", v->save_status, sizeof(v->save_status)},
                 {"wal_state", v->log_state, sizeof(v->log_state)},
                 {"wal_fault", v->log_fault, sizeof(v->log_fault)},
                 {"skep_last_refusal", v->refusal, sizeof(v->refusal)}};
    int index, used = 0;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (!strcmp(name, numbers[i].name))
            *numbers[i].to = atoll(value);
    if (!strcmp(name, "process_id"))
        v->pid = atoi(value);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (!strcmp(name, texts[i].name))
            snprintf(texts[i].to, texts[i].cap, "%s", value);
    if (!strncmp(value, "pid=", 4))
        read_helper(v, name, value);
    if (sscanf(name, "worker%d%n", &index, &used) == 1 && !name[used])
        read_worker(v, index, value);
}

static bool look(const struct options *o, struct view *v)
{
    static const char *const sections[] = {"server", "clients", "memory", "workers", "persistence"};
    int fd = reach(o);
    bool ok = fd >= 0;
    memset(v, 0, sizeof(*v));
    for (unsigned i = 0; ok && i < sizeof(sections) / sizeof(*sections); i++) {
        const char *const words[] = {"INFO", sections[i]};
        char *text = ask(fd, 2, words), *save = NULL;
        ok = text && text[0] != '-';
        if (text && text[0] == '-')
            die("the server refuses INFO: %s", text + 1);
        for (char *line = ok ? strtok_r(text, "\r\n", &save) : NULL; line;
             line = strtok_r(NULL, "\r\n", &save)) {
            char *colon = strchr(line, ':');
            if (!colon)
                continue;
            *colon = '\0';
            read_field(v, line, colon + 1);
        }
        free(text);
    }
    if (fd >= 0)
        close(fd);
    if (ok && !v->version[0])
        die("the server at %s is not skep", o->socket ? o->socket : o->port);
    return ok;
}

/* ---- finding the master ---- */

/* The master's title tells its port: "skep: master *:6379". */
static void port_of(int pid, struct options *o)
{
    static char port[16];
    char path[64], title[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    if (fgets(title, sizeof(title), f) && sscanf(title, "skep: master *:%15[0-9]", port) == 1 &&
        port[0] != '0')
        o->port = port;
    fclose(f);
}

static int find_master(struct options *o, struct view *v)
{
    int pid = 0;
    if (o->pid_file) {
        FILE *f = fopen(o->pid_file, "re");
        if (!f || fscanf(f, "%d", &pid) != 1 || pid <= 1)
            die("no pid in %s%s%s", o->pid_file, f ? "" : ": ", f ? "" : strerror(errno));
        fclose(f);
        if (kill(pid, 0) && errno == ESRCH)
            die("the server (pid %d) does not run", pid);
        if (!o->port)
            port_of(pid, o);
    }
    if (!o->port)
        o->port = "6379";
    if (!look(o, v) && !pid)
        die("no server answers at %s", o->socket ? o->socket : o->port);
    return pid ? pid : v->pid;
}

/* ---- what it says ---- */

static bool is_lane(const struct helper *h)
{
    return !strcmp(h->name, "slow_lane");
}

static void print_json_helpers(const struct view *v, const char *name, bool lanes)
{
    const char *comma = "";
    printf("\"%s\":[", name);
    for (int i = 0; i < v->nhelpers; i++) {
        const struct helper *h = &v->helper[i];
        if (is_lane(h) != lanes)
            continue;
        printf(
            "%s{\"role\":\"%s\",\"index\":%d,\"pid\":%d,\"state\":\"%s\",\"restarts\":%lld,\"cpu_ms\":%lld}",
            comma, h->name, h->index, h->pid, h->state, h->restarts, h->cpu_ms);
        comma = ",";
    }
    printf("],");
}

static void print_json(const struct view *v)
{
    printf("{\"version\":\"%s\",\"pid\":%d,\"port\":%lld,\"uptime_s\":%lld,\"clients\":%lld,"
           "\"used_memory\":%lld,\"crashes_repaired\":%lld,\"last_repair_us\":%lld,\"sessions_kept\":%lld,"
           "\"handovers\":%lld,\"workers\":[",
           v->version, v->pid, v->port, v->uptime, v->clients, v->memory, v->repaired, v->repair_us, v->kept,
           v->handovers);
    for (int i = 0; i < v->nworkers; i++) {
        const struct worker *w = &v->worker[i];
        printf("%s{\"index\":%d,\"pid\":%d,\"state\":\"%s\",\"clients\":%lld,\"commands\":%lld,"
               "\"restarts\":%lld,\"cpu_ms\":%lld}",
               i ? "," : "", w->index, w->pid, w->state, w->clients, w->commands, w->restarts, w->cpu_ms);
    }
    printf("],");
    print_json_helpers(v, "slow_lanes", true);
    print_json_helpers(v, "disk_processes", false);
    printf("\"loading\":%s,\"last_save\":%lld,\"last_save_ok\":%s,\"changes_since_save\":%lld,\"log\":\"%s\","
           "\"log_position\":%lld,\"log_durable_position\":%lld,\"log_segments\":%lld,\"log_ring_used\":%lld,"
           "\"log_works\":%s}\n",
           v->loading ? "true" : "false", v->saved_at, strcmp(v->save_status, "err") ? "true" : "false",
           v->changes, v->log_state, v->log_position, v->log_durable, v->log_segments, v->log_waiting,
           v->log_fault[0] ? "false" : "true");
}

static void print_disk(const struct view *v)
{
    char when[32] = "";
    time_t saved_at = (time_t)v->saved_at;
    struct tm tm;
    if (localtime_r(&saved_at, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    if (v->loading)
        printf("loading: %s%%, about %lld s left\n", v->loaded, v->eta_s);
    printf("saved at %s, %lld %s since then%s\n", when, v->changes, v->changes == 1 ? "change" : "changes",
           strcmp(v->save_status, "err") ? "" : "; the last save in the background FAILED");
    if (!strcmp(v->log_state, "off"))
        printf("log: off\n");
    else
        printf("log: %s, record %lld (on disk %lld), %lld %s, %lld bytes wait\n", v->log_state,
               v->log_position, v->log_durable, v->log_segments,
               v->log_segments == 1 ? "segment" : "segments", v->log_waiting);
    if (v->log_fault[0])
        printf("log: CANNOT BE WRITTEN, writes are refused: %s\n", v->log_fault);
}

static void print_table(const struct view *v)
{
    printf("skep %s, pid %d, port %lld, up %lldd %02lld:%02lld:%02lld\n", v->version, v->pid, v->port,
           v->uptime / 86400, v->uptime / 3600 % 24, v->uptime / 60 % 60, v->uptime % 60);
    printf("%lld %s, %.1f MB in use\n\n", v->clients, v->clients == 1 ? "client" : "clients",
           (double)v->memory / (1 << 20));
    printf("%-11s %8s  %-9s %8s %12s %9s %10s\n", "process", "pid", "state", "clients", "commands",
           "restarts", "cpu ms");
    for (int i = 0; i < v->nworkers; i++) {
        const struct worker *w = &v->worker[i];
        printf("worker %-4d %8d  %-9s %8lld %12lld %9lld %10lld\n", w->index, w->pid, w->state, w->clients,
               w->commands, w->restarts, w->cpu_ms);
    }
    for (int i = 0; i < v->nhelpers; i++) {
        const struct helper *h = &v->helper[i];
        char name[40];
        bool several = is_lane(h) || !strcmp(h->name, "loader");
        snprintf(name, sizeof(name), several ? "%s %d" : "%s", h->name, h->index);
        for (char *p = name; *p; p++)
            *p = *p == '_' ? ' ' : *p;
        printf("%-12s%8d  %-9s %8s %12s %9lld %10lld\n", name, h->pid, h->state, "", "", h->restarts,
               h->cpu_ms);
    }
    printf("\n");
    print_disk(v);
    printf("repaired crashes %lld", v->repaired);
    if (v->repaired)
        printf(" (the last in %lld us)", v->repair_us);
    printf(", sessions kept %lld, handovers %lld\n", v->kept, v->handovers);
    if (v->refusals)
        printf("refused last: %s\n", v->refusal);
}

static void print_outcome(const struct options *o, bool done, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void print_outcome(const struct options *o, bool done, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *p = text; o->json && *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
            *p = '\'';
    if (o->json)
        printf("{\"command\":\"%s\",\"done\":%s,\"message\":\"%s\"}\n", o->command, done ? "true" : "false",
               text);
    else
        fprintf(done ? stdout : stderr, "%s\n", text);
}

/* ---- the commands ---- */

static int status(const struct options *o, const struct view *v)
{
    int running = 0;
    if (!v->version[0])
        die("the server does not answer");
    for (int i = 0; i < v->nworkers; i++)
        running += !strcmp(v->worker[i].state, "running");
    if (o->json)
        print_json(v);
    else
        print_table(v);
    return running ? 0 : 1;
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
}

/* Every worker that serves is one that did not serve before. */
static bool all_new(const struct view *before, const struct view *now)
{
    int running = 0;
    for (int i = 0; i < now->nworkers; i++) {
        if (strcmp(now->worker[i].state, "running"))
            return false;
        running++;
        for (int k = 0; k < before->nworkers; k++)
            if (now->worker[i].pid == before->worker[k].pid)
                return false;
    }
    return running;
}

static int replace(const struct options *o, int pid, const struct view *before, int sig)
{
    static struct view now;
    if (kill(pid, sig))
        die("signalling %d failed: %s", pid, strerror(errno));
    for (time_t until = time(NULL) + (sig == SIGUSR2 ? 20 : WAIT_S); time(NULL) < until; nap()) {
        bool answers = look(o, &now);
        if (answers && now.refusals != before->refusals) {
            print_outcome(o, false, "%s", now.refusal);
            return 1;
        }
        if (!answers || !all_new(before, &now))
            continue;
        print_outcome(o, true, "all %d workers are new (skep %s)", now.nworkers, now.version);
        return 0;
    }
    print_outcome(o, false, "the workers were not all replaced; the server's log says why");
    return 1;
}

static int stop(const struct options *o, int pid)
{
    if (kill(pid, SIGTERM))
        die("signalling %d failed: %s", pid, strerror(errno));
    for (time_t until = time(NULL) + WAIT_S; time(NULL) < until; nap()) {
        if (kill(pid, 0) && errno == ESRCH) {
            print_outcome(o, true, "the server has stopped");
            return 0;
        }
    }
    print_outcome(o, false, "the server (pid %d) has not stopped yet", pid);
    return 1;
}

static int check(const struct options *o)
{
    const char *const words[] = {"DEBUG", "ARENA", "CHECK"};
    int fd = reach(o);
    char *answer = fd < 0 ? NULL : ask(fd, 3, words);
    bool ok = answer && !strcmp(answer, "OK");
    if (!answer)
        die("the server does not answer");
    if (ok)
        print_outcome(o, true, "every block, entry and lock is as it should be");
    else
        print_outcome(o, false, "%s", answer);
    free(answer);
    return !ok;
}

static bool is_option(const char *arg, const char *brief, const char *full)
{
    return !strcmp(arg, full) || (brief && !strcmp(arg, brief));
}

static void read_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        const char **to = is_option(a, "-p", "--port")              ? &o->port
                          : is_option(a, "-h", "--host")            ? &o->host
                          : is_option(a, "-s", "--socket")          ? &o->socket
                          : is_option(a, "-a", "--password")        ? &o->password
                          : is_option(a, "--pidfile", "--pid-file") ? &o->pid_file
                                                                    : NULL;
        if (is_option(a, NULL, "--json")) {
            o->json = true;
        } else if (is_option(a, NULL, "--help")) {
            fputs(usage, stdout);
            exit(0);
        } else if (is_option(a, "-v", "--version")) {
            puts("skepctl " SKEP_VERSION);
            exit(0);
        } else if (to && value) {
            *to = value;
            i++;
        } else if (to) {
            fprintf(stderr, "skepctl: %s needs a value\n\n%s", a, usage);
            exit(1);
        } else if (a[0] != '-' && !o->command) {
            o->command = a;
        } else {
            fprintf(stderr, "skepctl: what is '%s'?\n\n%s", a, usage);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    struct options o = {.host = "127.0.0.1", .password = getenv("SKEPCTL_AUTH")};
    static struct view v;
    if (argc > 1 && !strcmp(argv[1], "wal"))
        return wal_tool(argc - 2, argv + 2);
    read_options(argc, argv, &o);
    const char *c = o.command ? o.command : "";
    bool known = !strcmp(c, "status") || !strcmp(c, "reload") || !strcmp(c, "restart-workers") ||
                 !strcmp(c, "upgrade") || !strcmp(c, "stop") || !strcmp(c, "check");
    if (!known) {
        fprintf(stderr, "skepctl: %s%s\n\n%s", c[0] ? "no such command: " : "which command?", c, usage);
        return 1;
    }
    int pid = find_master(&o, &v);
    if (!strcmp(c, "status"))
        return status(&o, &v);
    if (!strcmp(c, "check"))
        return check(&o);
    if (!strcmp(c, "stop"))
        return stop(&o, pid);
    return replace(&o, pid, &v, !strcmp(c, "upgrade") ? SIGUSR2 : SIGHUP);
}
