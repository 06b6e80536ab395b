/* web_loop.c - how the web thread waits: by epoll where libwebsockets can, which is with its plugin for
 * libev.
 *
 * libwebsockets' own loop hands the kernel all sockets at each turn: with ten thousand that is a millisecond
 * of which nothing comes, as often as one of them says something. It stays for where the plugin is not
 * installed. libev's loop is ours, so that a turn of it can end where other work is to be done. */
#include "log.h"
#include "web_impl.h"

#ifdef WALWIRE_LIBEV
#include <ev.h>

static bool loop_new(struct web *w, struct lws_context_creation_info info)
{
    void *loops[] = {ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL)};
    if (!loops[0])
        return false;
    info.options |= LWS_SERVER_OPTION_LIBEV;
    info.foreign_loops = loops;
    w->context = lws_create_context(&info);
    if (!w->context) {
        ev_loop_destroy(loops[0]);
        return false;
    }
    w->loop = loops[0];
    lws_cancel_service(w->context); /* its timers are looked at behind an event only */
    return true;
}

static void loop_run(struct web *w, bool wait)
{
    ev_run(w->loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
}

static void loop_free(struct web *w)
{
    ev_loop_destroy(w->loop);
}
#else
static bool loop_new(struct web *w, struct lws_context_creation_info info)
{
    return false;
}

static void loop_run(struct web *w, bool wait)
{
}

static void loop_free(struct web *w)
{
}
#endif

bool loop_open(struct web *w, const struct lws_context_creation_info *info)
{
    if (loop_new(w, *info))
        return true;
    log_info("browsers are served with poll: for thousands of them libwebsockets' plugin for libev should be "
             "installed (libwebsockets-evlib-ev)");
    w->context = lws_create_context(info);
    return w->context;
}

bool loop_turn(struct web *w, bool wait)
{
    if (!w->loop)
        return lws_service(w->context, wait ? 0 : -1) >= 0;
    loop_run(w, wait);
    return true;
}

void loop_close(struct web *w)
{
    if (w->context)
        lws_context_destroy(w->context);
    if (w->loop)
        loop_free(w);
}
