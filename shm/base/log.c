#include "shm/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* One per process by nature, like standard output, which it replaces. */
static struct {
    int fd;
    enum log_role role;
    enum log_level level;
    bool use_syslog;
    char path[PATH_MAX];
} self = {.fd = STDOUT_FILENO, .role = LOG_MASTER, .level = LOG_LEVEL_NOTICE};

static enum rc set_path(const char *path)
{
    char cwd[PATH_MAX] = "";
    if (path[0] && path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
        return RC_IO;
    char full[PATH_MAX];
    int n = snprintf(full, sizeof(full), "%s%s%s", cwd, cwd[0] ? "/" : "", path);
    if (n < 0 || (size_t)n >= sizeof(full)) {
        errno = ENAMETOOLONG;
        return RC_IO;
    }
    memcpy(self.path, full, (size_t)n + 1);
    return RC_OK;
}

void log_use_fd(int fd)
{
    if (self.fd > STDERR_FILENO && self.fd != fd)
        close(self.fd);
    self.fd = fd;
}

int log_fd(void)
{
    return self.fd;
}

enum rc log_reopen(void)
{
    if (!self.path[0])
        return RC_OK;
    int fd = open(self.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return RC_IO;
    log_use_fd(fd);
    return RC_OK;
}

enum rc log_open(const struct log_settings *s)
{
    tzset(); /* reads the zone file now, so that no later line has to */
    enum rc rc = set_path(s->path);
    if (rc == RC_OK && !s->path[0])
        log_use_fd(STDOUT_FILENO);
    if (rc == RC_OK)
        rc = log_reopen();
    if (rc != RC_OK)
        return rc;
    self.level = s->level;
    self.use_syslog = s->syslog;
    if (s->syslog)
        openlog(s->syslog_ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, s->syslog_facility);
    return RC_OK;
}

void log_silence(void)
{
    self.path[0] = '\0';
    log_use_fd(-1);
}

void log_set_role(enum log_role role)
{
    self.role = role;
}

void log_set_level(enum log_level level)
{
    self.level = level;
}

bool log_shows(enum log_level level)
{
    return level >= self.level && level < LOG_LEVEL_NOTHING;
}

static int prefix(char *out, size_t cap, enum log_level level)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct timespec now;
    struct tm tm = {.tm_mday = 1};
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    return snprintf(out, cap, "%d:%c %02d %s %d %02d:%02d:%02d.%03d %c ", (int)getpid(), (char)self.role,
                    tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
                    (int)(now.tv_nsec / 1000000), ".-*#"[level]);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    if (!log_shows(level))
        return;

    int saved = errno; /* a caller may log first and look at errno afterwards */
    char line[LOG_LINE_MAX];
    size_t head = (size_t)prefix(line, sizeof(line), level);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line + head, sizeof(line) - head - 1, fmt, ap);
    va_end(ap);
    size_t len = head + (n < 0 ? 0 : (size_t)n);
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    if (self.use_syslog)
        syslog(priorities[level], "%.*s", (int)(len - head), line + head);
    line[len++] = '\n';
    if (self.fd >= 0 && write(self.fd, line, len) < 0) {
        /* A full disk or a closed terminal: nobody is left to be told. */
    }
    errno = saved;
}
