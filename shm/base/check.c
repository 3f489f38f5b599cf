#include "include/rc.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
void check_failed(const char *file, int line, const char *expr, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "CHECK %s:%d %s ", file, line, expr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    abort();
}
