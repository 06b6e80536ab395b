/* log.h - one line an event: constant message, fields apart. To stderr, as text or JSON.
 *
 * Levels: error = needs a person, warn = will need one, info = life events, debug = per transaction.
 * Each thread may set a context (the connector's name) and a position that its lines carry. No value of a row
 * and no secret is logged, at any level.
 *
 * Text: "2026-11-21T10:00:00.123Z INFO  [inventory 0/16B3748] message".
 * JSON: an object of "time", "level", "connector" and "lsn" (where there are) and "message". */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "lsn.h"
#include "slice.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_level_parse(const char *name, enum log_level *out); /* "error" "warn" "info" "debug", any case */
void log_set_json(bool json);
void log_set_context(const char *name);  /* this thread's; copied, at most 63 bytes; NULL or "" for none */
void log_set_position(const lsn_t *lsn); /* this thread's; read with each line, 0 is none; NULL for none */

/* Control characters in the message become spaces, so that data cannot forge lines. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
