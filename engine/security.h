/* security.h - what the worker file says about who may reach the process, and what of it others may see.
 * docs/SECURITY.md. */
#ifndef ENGINE_SECURITY_H
#define ENGINE_SECURITY_H

#include "err.h"
#include "props.h"
#include "web.h"

/* Keeps rows and passwords out of core dumps and away from debuggers of the same user, unless
 * WALWIRE_DUMPABLE is set. Once, early. */
void security_undumpable(void);
/* Fills in what the web server asks for: users, names, TLS. Borrowed from the worker file. ERR_CONFIG: it
 * names a REST extension of Kafka Connect, which would have protected REST and cannot run here, or an
 * ssl.client.auth that there is not. */
bool security_web(const struct props *worker, struct web_options *out, struct err *e);

/* Who may read what over a WebSocket, and how many at a time; borrowed from the worker file. ERR_CONFIG: a
 * setting of these that is not known or out of range. */
bool security_access(const struct props *worker, struct access_options *out, struct err *e);

#endif
