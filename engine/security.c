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

/* Clients that are only asked for a certificate may as well have none: there is no such half here. */
static bool client_auth(const struct props *worker, bool *required, struct err *e)
{
    const char *value = https_setting(worker, "ssl.client.auth");
    *required = value && strcasecmp(value, "required") == 0;
    if (!value || *required || strcasecmp(value, "none") == 0)
        return true;
    if (strcasecmp(value, "requested") != 0)
        return err_set(e, ERR_CONFIG, "ssl.client.auth=%s: it must be required, requested or none", value);
    log_warn("ssl.client.auth=requested: clients are not asked for a certificate; set required, or none");
    return true;
}

bool security_web(const struct props *worker, struct web_options *out, struct err *e)
{
    const char *extensions = props_get(worker, "rest.extension.classes");
    out->users_file = props_get(worker, "walwire.rest.users.file");
    out->allowed_hosts = props_get(worker, "walwire.allowed.hosts");
    out->tls = (struct web_tls){.keystore = https_setting(worker, "ssl.keystore.location"),
                                .keystore_type = https_setting(worker, "ssl.keystore.type"),
                                .key_password = https_setting(worker, "ssl.key.password"),
                                .truststore = https_setting(worker, "ssl.truststore.location")};
    if (extensions && *extensions && !out->users_file)
        return err_set(e, ERR_CONFIG,
                       "rest.extension.classes=%s: extensions are Java; for a login on REST set "
                       "walwire.rest.users.file, and remove this",
                       extensions);
    return client_auth(worker, &out->tls.client_required, e);
}
