/* The end of a failed CHECK: words in the log, then SIGABRT, after which the supervisor repairs what we held.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "include/rc.h"
#include "shm/base/log.h"

void check_failed(const char *file, int line, const char *expr, const char *fmt, ...)
{
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    log_set_level(LOG_LEVEL_WARNING); /* a log that shows nothing shows this */
    log_line(LOG_LEVEL_WARNING, "Check failed at %s:%d: (%s)%s%s; this process ends now", file, line, expr,
             why[0] ? ": " : "", why);
    abort();
}
