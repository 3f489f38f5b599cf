#include "shm/base/log.h"

#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

static char path[] = "/tmp/test_log.XXXXXX", moved[sizeof(path) + 8];

static size_t read_file(const char *name, char *buf, size_t cap)
{
    FILE *f = fopen(name, "r");
    CHECK(f);
    size_t n = fread(buf, 1, cap - 1, f);
    buf[n] = '\0';
    fclose(f);
    return n;
}

static void open_at(enum log_level level)
{
    struct log_settings s = {
        .path = path, .level = level, .syslog_ident = "skep", .syslog_facility = LOG_LOCAL0};
    CHECK(log_open(&s) == RC_OK);
}

static void line_format(void)
{
    char buf[4096], want[256];
    regex_t re;
    log_set_role(LOG_WORKER);
    log_debug("not shown");
    log_verbose("not shown");
    log_notice("a %s of %d", "line", 7);
    log_warning("b");
    read_file(path, buf, sizeof(buf));
    snprintf(want, sizeof(want),
             "^%d:W [0-9][0-9] [A-Z][a-z][a-z] [0-9]{4} [0-9:]{8}\\.[0-9]{3} \\* a line of 7\n"
             "%d:W [^\n]* # b\n$",
             (int)getpid(), (int)getpid());
    CHECK(regcomp(&re, want, REG_EXTENDED | REG_NOSUB) == 0);
    CHECKF(regexec(&re, buf, 0, NULL, 0) == 0, "%s", buf);
    regfree(&re);
}

static void levels(void)
{
    CHECK(!log_shows(LOG_LEVEL_VERBOSE) && log_shows(LOG_LEVEL_NOTICE));
    log_set_level(LOG_LEVEL_DEBUG);
    CHECK(log_shows(LOG_LEVEL_DEBUG));
    log_set_level(LOG_LEVEL_NOTHING);
    CHECK(!log_shows(LOG_LEVEL_WARNING) && !log_shows(LOG_LEVEL_NOTHING));
    log_set_level(LOG_LEVEL_NOTICE);
}

/* logrotate's way: rename, tell, and the next line is in a fresh file. */
static void reopening(void)
{
    char buf[4096];
    snprintf(moved, sizeof(moved), "%s.1", path);
    CHECK(rename(path, moved) == 0);
    log_notice("still in the old file");
    CHECK(log_reopen() == RC_OK);
    log_notice("in the new file");
    read_file(moved, buf, sizeof(buf));
    CHECK(strstr(buf, "still in the old file\n") && !strstr(buf, "in the new file"));
    read_file(path, buf, sizeof(buf));
    CHECK(strstr(buf, "in the new file\n"));
}

static void long_line(void)
{
    static char huge[3 * LOG_LINE_MAX], buf[8 * LOG_LINE_MAX];
    memset(huge, 'x', sizeof(huge) - 1);
    log_notice("%s", huge);
    size_t n = read_file(path, buf, sizeof(buf));
    CHECK(n > LOG_LINE_MAX / 2 && buf[n - 1] == '\n' && strlen(strstr(buf, "xxx")) <= LOG_LINE_MAX);
}

static void failed_check(void)
{
    static char buf[16 * LOG_LINE_MAX];
    int status, two = 2;
    pid_t child = fork();
    if (child == 0) {
        log_set_level(LOG_LEVEL_NOTHING);
        CHECKF(two == 3, "two is %d", two);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    read_file(path, buf, sizeof(buf));
    CHECK(strstr(buf, "test_log.c:") && strstr(buf, "(two == 3): two is 2"));
}

int main(void)
{
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    struct log_settings nowhere = {.path = "/nonexistent/log"};
    CHECK(log_open(&nowhere) == RC_IO);
    open_at(LOG_LEVEL_NOTICE);
    line_format();
    levels();
    reopening();
    long_line();
    failed_check();
    log_silence();
    log_warning("to nobody");
    unlink(path);
    unlink(moved);
    return 0;
}
