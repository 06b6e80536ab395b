/* retention.h - how far back browsers may resume: websocket.retention.* of the worker file. */
#ifndef ENGINE_RETENTION_H
#define ENGINE_RETENTION_H

#include "hub.h"
#include "props.h"

/* Sets window_bytes and retention_ms. ERR_CONFIG: a number that is none or out of bounds, a name that does
 * not exist. */
bool retention_options(const struct props *worker, struct hub_options *out, struct err *e);
/* Keeps the hub's window in websocket.retention.dir, where that is set. ERR_CONFIG as hub_keep. */
bool retention_keep(const struct props *worker, struct hub *hub, struct err *e);

#endif
