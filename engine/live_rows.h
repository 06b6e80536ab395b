/* live_rows.h - the thread that reads tables for browsers: one a connector, one request at a time. */
#ifndef ENGINE_LIVE_ROWS_H
#define ENGINE_LIVE_ROWS_H

#include "config.h"
#include "hub.h"

struct live_rows;
struct live_rows *live_rows_new(struct hub *hub, int source, const struct config *config, int wake_fd);
void live_rows_free(struct live_rows *r);

#endif
