/* web_listen.c - the listening sockets.
 *
 * They are ours and not libwebsockets': it would log a failed bind where nobody looks and go on without. */
#include "web_impl.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 512 };

struct address {
    char host[256]; /* "": all */
    char port[8];
};

/* Cuts "http://host:port", "https://host:port", "host:port", "[v6]:port" or ":port" in two. */
static bool address_parse(struct slice text, struct address *out)
{
    if (slice_starts(text, "http://"))
        text = slice_cut(text, 7, text.len);
    else if (slice_starts(text, "https://"))
        text = slice_cut(text, 8, text.len);
    if (text.len && text.ptr[text.len - 1] == '/')
        text.len--;
    const char *colon = memrchr(text.ptr, ':', text.len);
    if (!colon || memmem(text.ptr, text.len, "//", 2))
        return false;
    struct slice host = {text.ptr, (size_t)(colon - text.ptr)};
    struct slice port = slice_cut(text, host.len + 1, text.len);
    if (host.len > 1 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = slice_cut(host, 1, host.len - 2);
    else if (memchr(host.ptr, ':', host.len))
        return false;
    if (host.len >= sizeof(out->host) || port.len == 0 || port.len > 5)
        return false;
    snprintf(out->host, sizeof(out->host), SLICE_FMT, SLICE_ARG(host));
    snprintf(out->port, sizeof(out->port), SLICE_FMT, SLICE_ARG(port));
    return strspn(out->port, "0123456789") == port.len && atoi(out->port) <= 65535;
}

static bool bind_failed(const struct site *site, const struct address *a, int error, struct err *e)
{
    const char *host = a->host[0] ? a->host : "this machine";
    if (error == EADDRINUSE)
        return err_set(e, ERR_CONFIG, "port %s of %s is in use: stop the other program or set %s", a->port,
                       host, site->setting);
    if (error == EADDRNOTAVAIL)
        return err_set(e, ERR_CONFIG, "%s is not an address of this machine: set %s", host, site->setting);
    if (error == EACCES)
        return err_set(e, ERR_CONFIG, "port %s of %s needs more privileges: set %s to one above 1023",
                       a->port, host, site->setting);
    return err_set(e, ERR_CONFIG, "port %s of %s, in %s, cannot be opened: %s", a->port, host, site->setting,
                   strerror(error));
}

static int port_of(int fd, bool *open)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        return 0;
    *open = !address_is_loopback(&at);
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

static int socket_bind(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The first of a name's addresses that can be bound; of "all", IPv4's. */
static bool listen_at(struct site *site, const struct address *a, struct err *e)
{
    bool all = !a->host[0] || strcmp(a->host, "*") == 0;
    struct addrinfo hints = {.ai_family = all ? AF_INET : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *found;
    int code = getaddrinfo(all ? NULL : a->host, a->port, &hints, &found);
    if (code != 0)
        return err_set(e, ERR_CONFIG, "%s, in %s, is not a known host: %s", a->host, site->setting,
                       gai_strerror(code));
    int fd = -1;
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
        fd = socket_bind(at);
    int error = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return bind_failed(site, a, error, e);
    site->ports[site->n] = port_of(fd, &site->open[site->n]);
    site->fds[site->n++] = fd;
    return true;
}

bool site_listen(struct site *site, const char *listeners, struct err *e)
{
    struct slice rest = slice_of(listeners ? listeners : "");
    while (rest.len) {
        struct slice one = slice_trim(slice_take(&rest, ','));
        struct address a;
        if (one.len == 0)
            continue;
        if (!address_parse(one, &a))
            return err_set(e, ERR_CONFIG,
                           "%s: \"" SLICE_FMT "\" is not of the form http://host:port or https://host:port",
                           site->setting, SLICE_ARG(one));
        if (site->n == LISTENERS_MAX)
            return err_set(e, ERR_CONFIG, "%s: more than %d addresses", site->setting, LISTENERS_MAX);
        site->tls[site->n] = slice_starts(one, "https://");
        if (!listen_at(site, &a, e))
            return false;
    }
    return true;
}

void site_close(struct site *site)
{
    for (size_t i = 0; i < site->n; i++)
        if (site->fds[i] >= 0)
            close(site->fds[i]);
    site->n = 0;
}
