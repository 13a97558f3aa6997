#include "common/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"

enum { LINE_BYTES = 2048 };

static char log_origin[64] = "-";
static atomic_int log_level_max = LOG_INFO;

void log_init(const char *origin, enum log_level level)
{
    snprintf(log_origin, sizeof log_origin, "%s", origin);
    atomic_store(&log_level_max, (int)level);
}

// Text may quote what a peer sent: it must not be able to start a line of its own.
static void blank_control_bytes(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = ' ';
    }
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if ((int)level > atomic_load(&log_level_max)) return;

    struct timespec t;
    struct tm utc;
    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
    CHECK(gmtime_r(&t.tv_sec, &utc) != NULL);

    char line[LINE_BYTES];
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    used += (size_t)snprintf(line + used, sizeof line - used, ".%03ldZ %c %s ", t.tv_nsec / 1000000,
                             "EWID"[level], log_origin);

    va_list ap;
    va_start(ap, fmt);
    int wanted = vsnprintf(line + used, sizeof line - used, fmt, ap);
    va_end(ap);
    if (wanted < 0) return;

    blank_control_bytes(line + used);
    size_t size = strlen(line);
    if (size == sizeof line - 1) size--; // cut: the new line takes the last place
    line[size] = '\n';

    // One write a line, so that lines of several threads never mix.  A log that
    // cannot be written is no reason to stop.
    ssize_t written = write(STDERR_FILENO, line, size + 1);
    (void)written;
}
