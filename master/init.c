/* The two neighbours above the master: systemd's notification socket, and a tiny init for containers. */
#include "master/process.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/base/log.h"

/* One per process by nature, like the environment that it comes from. */
static struct sockaddr_un notify_to;
static socklen_t notify_len;

bool notify_open(int supervised)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (supervised == SUPERVISED_UPSTART ||
        (supervised == SUPERVISED_AUTO && !path && getenv("UPSTART_JOB"))) {
        raise(SIGSTOP); /* what upstart's "expect stop" waits for */
        return false;
    }
    if (supervised == SUPERVISED_NO || !path)
        return false;
    size_t n = strlen(path);
    if (n < 2 || n >= sizeof(notify_to.sun_path) || (path[0] != '@' && path[0] != '/'))
        return false;
    notify_to.sun_family = AF_UNIX;
    memcpy(notify_to.sun_path, path, n);
    if (path[0] == '@')
        notify_to.sun_path[0] = '\0';
    notify_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return true;
}

void notify_systemd(const char *fmt, ...)
{
    char text[512];
    va_list ap;
    if (!notify_len)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&notify_to, notify_len) < 0)
        log_verbose("Telling systemd failed: %s", strerror(errno));
    close(fd);
}

double notify_watchdog_s(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || !notify_len || (pid && atoi(pid) != (int)getpid()))
        return 0;
    return atof(usec) / 2e6;
}

/* The log's writer may outlive the server until it has written what there is. */
#define DRAIN_S 60

/* Waits for signals and passes them on; answers the server's exit status. */
static int mind(int server, const sigset_t *all)
{
    int status = 0;
    bool ended = false;
    double until = 0;
    for (;;) {
        siginfo_t info;
        struct timespec slice = {0, 100 * 1000 * 1000}, now;
        int sig = ended ? sigtimedwait(all, &info, &slice) : sigwaitinfo(all, &info);
        if (sig > 0 && sig != SIGCHLD && !ended)
            kill(server, sig);
        for (int pid, st; (pid = waitpid(-1, &st, WNOHANG)) != 0;) {
            if (pid < 0)
                return status; /* nobody is left */
            if (pid == server) {
                ended = true;
                status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
            }
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        double t = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
        if (ended && !until)
            until = t + DRAIN_S;
        if (ended && t > until)
            return status; /* what remains is not ours to wait for */
    }
}

void init_above(void)
{
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    int server = fork();
    if (server < 0) {
        fprintf(stderr, "skep: fork failed: %s\n", strerror(errno));
        _exit(1);
    }
    if (server) {
        prctl(PR_SET_NAME, "skep-init");
        title_set("skep: init");
        _exit(mind(server, &all));
    }
    /* The init's end is the container's; a test's fake init may be killed as well, and then so are we. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}
