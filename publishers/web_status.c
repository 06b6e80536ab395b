/* web_status.c - what the live page shows of the server itself.
 *
 * The page and REST are two listeners, and a browser lets a page ask only its own. So the page's listener
 * passes on what REST would answer anyway, to readers on this machine: the connectors' states, the metrics,
 * and how many subscribers there are. Others, those behind a proxy that says so, and all where one of the
 * two listeners asks for a login, get a 404 and see a page without it. */
#include "web_impl.h"

#include <sys/socket.h>

static bool is_local(struct lws *wsi)
{
    struct sockaddr_storage here = {0}, there = {0};
    socklen_t here_size = sizeof here, there_size = sizeof there;
    int fd = lws_get_socket_fd(wsi);
    return getsockname(fd, (struct sockaddr *)&here, &here_size) == 0 && address_is_loopback(&here) &&
           getpeername(fd, (struct sockaddr *)&there, &there_size) == 0 && address_is_loopback(&there) &&
           lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) <= 0 &&
           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_VIA) <= 0;
}

/* That REST would tell this reader. */
static bool is_shown(const struct web *w, struct lws *wsi, const struct conn *c)
{
    return (strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0) && w->rest.n && !w->users &&
           !(w->access && access_asks(w->access)) && is_local(wsi);
}

bool status_passed_on(const struct web *w, struct lws *wsi, struct conn *c)
{
    bool states = strcmp(c->path.ptr, "/connectors") == 0;
    if ((!states && strcmp(c->path.ptr, "/metrics") != 0) || !is_shown(w, wsi, c))
        return false;
    if (!states)
        return true;
    buf_reset(&c->query);
    BUF_LIT(&c->query, "expand=status");
    return true;
}

bool status_reply(const struct web *w, struct lws *wsi, const struct conn *c, struct http_reply *reply)
{
    if (strcmp(c->path.ptr, "/subscribers.json") != 0 || !w->hub || !is_shown(w, wsi, c))
        return false;
    struct hub_stats s;
    hub_stats(w->hub, &s);
    buf_printf(&reply->body,
               "{\"sessions\":%llu,\"subscriptions\":%llu,\"channels\":%llu,\"window_changes\":%llu,"
               "\"window_bytes\":%llu,\"sent\":%llu,\"resets\":%llu}",
               (unsigned long long)s.sessions, (unsigned long long)s.subscriptions,
               (unsigned long long)s.channels, (unsigned long long)s.window_changes,
               (unsigned long long)s.window_bytes, (unsigned long long)s.sent, (unsigned long long)s.resets);
    http_reply_header(reply, "cache-control", "no-store");
    return true;
}
