/* log.c - one line an event, in one write(2), so that lines of several threads never mix. */
#include "log.h"

#include "buf.h"
#include "clock.h"
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name, *text;
} LEVELS[] = {
    [LOG_ERROR] = {"error", "ERROR"},
    [LOG_WARN] = {"warn", "WARN "},
    [LOG_INFO] = {"info", "INFO "},
    [LOG_DEBUG] = {"debug", "DEBUG"},
};

static atomic_int most_level = LOG_INFO;
static atomic_bool as_json;
static _Thread_local char context[64];
static _Thread_local const lsn_t *position;

static void spaces_for_controls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = ' ';
}

static void time_text(char out[40])
{
    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + len, 40 - len, ".%03dZ", (int)(ms % 1000));
}

static void line_text(struct buf *line, enum log_level level, const char *message)
{
    char when[40];
    time_text(when);
    buf_printf(line, "%s %s ", when, LEVELS[level].text);
    bool placed = position && *position;
    if (context[0] || placed)
        buf_printf(line, "[%s%s", context, context[0] && placed ? " " : "");
    if (placed)
        buf_printf(line, LSN_FMT, LSN_ARG(*position));
    buf_str(line, context[0] || placed ? "] " : "");
    buf_str(line, message);
}

static void line_json(struct buf *line, enum log_level level, const char *message)
{
    char when[40];
    time_text(when);
    buf_char(line, '{');
    json_field(line, "time", when);
    json_field(line, "level", LEVELS[level].name);
    if (context[0])
        json_field(line, "connector", context);
    if (position && *position) {
        char lsn[24];
        snprintf(lsn, sizeof lsn, LSN_FMT, LSN_ARG(*position));
        json_field(line, "lsn", lsn);
    }
    json_field(line, "message", message);
    buf_char(line, '}');
}

/* Nothing can be done about a standard error that is full or gone. */
static void line_write(struct slice line)
{
    while (line.len) {
        ssize_t n = write(STDERR_FILENO, line.ptr, line.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        line = slice_cut(line, (size_t)n, line.len);
    }
}

void log_set_level(enum log_level level)
{
    atomic_store(&most_level, (int)level);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load(&most_level);
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < sizeof LEVELS / sizeof *LEVELS; i++)
        if (strcasecmp(name, LEVELS[i].name) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

void log_set_json(bool json)
{
    atomic_store(&as_json, json);
}

void log_set_context(const char *name)
{
    snprintf(context, sizeof context, "%s", name ? name : "");
    spaces_for_controls(context, strlen(context));
}

void log_set_position(const lsn_t *lsn)
{
    position = lsn;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > log_get_level())
        return;
    int kept = errno;
    char *message;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&message, format, args);
    va_end(args);
    if (len >= 0) {
        struct buf line = BUF_EMPTY;
        spaces_for_controls(message, (size_t)len);
        (atomic_load(&as_json) ? line_json : line_text)(&line, level, message);
        buf_char(&line, '\n');
        line_write(buf_view(&line));
        buf_free(&line);
        free(message);
    }
    errno = kept;
}
