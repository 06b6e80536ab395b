/* security.c - what the worker file says about who may reach the process, and what of it others may see. */
#include "security.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

#include "log.h"

/* The leak sanitizer looks at the process as a debugger would. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

void security_undumpable(void)
{
    if (!SANITIZED && !getenv("WALWIRE_DUMPABLE") && prctl(PR_SET_DUMPABLE, 0) != 0)
        log_warn("core dumps cannot be turned off");
}

/* Connect's rule: listeners.https.NAME before NAME. */
static const char *https_setting(const struct props *worker, const char *name)
{
    char own[100];
    snprintf(own, sizeof own, "listeners.https.%s", name);
    const char *value = props_get(worker, own);
    return value ? value : props_get(worker, name);
}

bool security_web(const struct props *worker, struct web_options *out, struct err *e)
{
    const char *extensions = props_get(worker, "rest.extension.classes");
    const char *client = https_setting(worker, "ssl.client.auth");
    out->users_file = props_get(worker, "walwire.rest.users.file");
    out->allowed_hosts = props_get(worker, "walwire.allowed.hosts");
    out->tls = (struct web_tls){.keystore = https_setting(worker, "ssl.keystore.location"),
                                .keystore_type = https_setting(worker, "ssl.keystore.type"),
                                .key_password = https_setting(worker, "ssl.key.password"),
                                .truststore = https_setting(worker, "ssl.truststore.location"),
                                .client_required = client && strcasecmp(client, "required") == 0};
    if (extensions && *extensions && !out->users_file)
        return err_set(e, ERR_CONFIG,
                       "rest.extension.classes=%s: extensions are Java; for a login on REST set "
                       "walwire.rest.users.file, and remove this",
                       extensions);
    return true;
}
