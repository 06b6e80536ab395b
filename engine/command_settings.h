/* command_settings.h - what the commands that serve have in common: their properties file, log and listeners.
 */
#ifndef ENGINE_COMMAND_SETTINGS_H
#define ENGINE_COMMAND_SETTINGS_H

#include "err.h"
#include "props.h"

/* Reads and expands a .properties file, which says itself what its placeholders may read. NULL: ERR_CONFIG.
 */
struct props *settings_read(const char *path, struct err *e);
/* log.level and log.format, or WALWIRE_LOG_LEVEL and WALWIRE_LOG_FORMAT. */
bool settings_log(const struct props *p, struct err *e);
/* A list of listeners; "none" is "". */
const char *settings_listeners(const struct props *p, const char *name, const char *preset);
/* websocket.threads: how many write to browsers; preset: half of the machine's cores, 1 to 4. */
bool settings_threads(const struct props *p, size_t *out, struct err *e);
/* Where the live page's files are: web.dir; beside the binary in a checkout (build/walwire, web/), or where
 * `make install` puts it. The caller's. */
char *settings_web_dir(const struct props *p);

#endif
