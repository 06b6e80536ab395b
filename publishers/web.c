/* web.c - the web server's thread, and the one callback through which libwebsockets speaks.
 *
 * Other threads may call lws_cancel_service and nothing else. The listening sockets are ours, adopted as
 * plain files; what is accepted on them is given to the virtual host that they belong to. */
#include "web.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "web_impl.h"
#include "xmalloc.h"

enum {
    DRAIN_MS = 1000,
    DEAD_MS = 30000,
    TICK_US = 1000000,
    TX_PACKET = 65536,
    RX_PACKET = 1024, /* of every connection, for as long as it is there */
    FILES_MOST = 1048576,
    FILES_GOOD = 65536,
    FILES_KEPT = 8 /* this part of the files is for others than connections */
};

/* ---- listening ---- */

static struct lws_vhost *vhost_of(const struct site *site, const struct lws *listener)
{
    size_t i = 0;
    while (i + 1 < site->n && site->wsi[i] != listener)
        i++;
    return site->tls[i] ? site->web->tls_vhost : site->web->vhost;
}

static int site_accept(struct site *site, struct lws *listener)
{
    int fd = accept4(lws_get_socket_fd(listener), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int dead_ms = DEAD_MS, on = 1;
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            lws_rx_flow_control(listener, 0); /* until the next tick */
        return 0;
    }
    if (fd >= site->web->files) {
        close(fd);
        return 0;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct lws *wsi = lws_adopt_socket_vhost(vhost_of(site, listener), fd); /* closes it when it cannot */
    if (wsi)
        lws_set_opaque_user_data(wsi, site);
    return 0;
}

static void site_resume(struct site *site)
{
    for (size_t i = 0; i < site->n; i++)
        if (site->wsi[i])
            lws_rx_flow_control(site->wsi[i], 1);
}

static bool site_adopt(struct site *site)
{
    for (size_t i = 0; i < site->n; i++) {
        lws_sock_file_fd_type fd = {.filefd = site->fds[i]};
        site->wsi[i] =
            lws_adopt_descriptor_vhost(site->web->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "listen", NULL);
        if (!site->wsi[i])
            return false;
        lws_set_opaque_user_data(site->wsi[i], site);
        site->fds[i] = -1;
    }
    return true;
}

/* ---- libwebsockets ---- */

static int on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    return reason == LWS_CALLBACK_RAW_RX_FILE ? site_accept(lws_get_opaque_user_data(wsi), wsi) : 0;
}

static int on_connection(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct site *site = lws_get_opaque_user_data(wsi);
    struct conn *c = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return site && c ? http_begin(site, wsi, c) : -1;
    case LWS_CALLBACK_HTTP_BODY:
        return http_body(site, wsi, c, (struct slice){in, len});
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_body_end(site, wsi, c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return http_writable(wsi, c);
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        if (c)
            http_end(c);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return site ? socket_confirm(site, wsi) : -1;
    case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
        return deflate_confirm(wsi, c);
    case LWS_CALLBACK_ADD_HEADERS:
        return c ? deflate_answer(c, in) : 0;
    case LWS_CALLBACK_ESTABLISHED:
        return socket_open(site, wsi, c);
    case LWS_CALLBACK_RECEIVE:
        return socket_receive(wsi, c, (struct slice){in, len});
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return socket_writable(wsi, c);
    case LWS_CALLBACK_CLOSED:
        socket_close(site, c);
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        ((struct web *)lws_context_user(lws_get_context(wsi)))->ssl_ctx = user;
        return 0;
    default:
        return 0;
    }
}

/* The first one is for connections that name no protocol. */
static const struct lws_protocols protocols[] = {
    {.name = "walwire.v1",
     .callback = on_connection,
     .per_session_data_size = sizeof(struct conn),
     .rx_buffer_size = RX_PACKET,
     .tx_packet_size = TX_PACKET},
    {.name = "listen", .callback = on_listener},
    {0},
};

static void on_log(int level, const char *line)
{
    log_debug("libwebsockets: %s", line);
}

/* A limit beyond ten million makes libwebsockets fall back to 2560 connections; a low one is not enough for
 * browsers. Returns the first file that no connection may have: the kernel gives the lowest that is free, so
 * those behind it are left for PostgreSQL, Kafka and files, whoever connects and says nothing. */
static int files_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return INT_MAX;
    if (limit.rlim_cur > FILES_MOST)
        limit.rlim_cur = FILES_MOST;
    else if (limit.rlim_cur < FILES_GOOD)
        limit.rlim_cur = limit.rlim_max < FILES_GOOD ? limit.rlim_max : FILES_GOOD;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (int)(limit.rlim_cur - limit.rlim_cur / FILES_KEPT);
}

static bool tls_start(struct web *w, struct lws_context_creation_info info, struct err *e)
{
    const char *setting = NULL;
    for (size_t i = 0; i < w->rest.n + w->page.n; i++) {
        const struct site *site = i < w->rest.n ? &w->rest : &w->page;
        if (site->tls[i < w->rest.n ? i : i - w->rest.n])
            setting = site->setting;
    }
    if (!setting)
        return true;
    if (!tls_check(&w->tls, setting, e))
        return false;
    tls_apply(&w->tls, &info);
    info.vhost_name = "walwire-tls";
    w->certificate = certificate_new(&w->tls, e);
    if (!w->certificate)
        return false;
    w->tls_vhost = lws_create_vhost(w->context, &info);
    if (!w->tls_vhost || !w->ssl_ctx)
        return err_set(e, ERR_CONFIG, "ssl.keystore.location=%s: https cannot be set up with it",
                       w->tls.keystore);
    certificate_serve(w->certificate, w->ssl_ctx);
    return true;
}

/* A client that is gone is found by what it is sent and does not acknowledge (DEAD_MS): heartbeats at least.
 * libwebsockets' own pings would keep all connections in one sorted list, and look for a client's place in it
 * whenever it comes or says something. */
static const lws_retry_bo_t no_pings;

static bool context_start(struct web *w, struct err *e)
{
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN_SERVER,
                                             .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                                                        LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
                                             .gid = -1,
                                             .uid = -1,
                                             .max_http_header_data = 16384,
                                             .pt_serv_buf_size = TX_PACKET,
                                             .vhost_name = "walwire",
                                             .protocols = protocols,
                                             .user = w,
                                             .extensions = web_extensions,
                                             .server_string = "walwire",
                                             .retry_and_idle_policy = &no_pings,
                                             .keepalive_timeout = 60};
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    w->files = files_limit();
    w->vhost = loop_open(w, &info) ? lws_create_vhost(w->context, &info) : NULL;
    if (w->vhost && !tls_start(w, info, e))
        return false;
    if (!w->vhost || !site_adopt(&w->rest) || !site_adopt(&w->page))
        return err_set(e, ERR_FATAL, "the web server cannot be set up: libwebsockets refused");
    return true;
}

/* ---- the thread ---- */

static void on_wake(void *ctx)
{
    struct web *w = ctx;
    __atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
    lws_cancel_service(w->context);
}

static void on_tick(lws_sorted_usec_list_t *sul)
{
    struct web *w = lws_container_of(sul, struct web, tick);
    site_resume(&w->rest);
    site_resume(&w->page);
    bool forced = __atomic_exchange_n(&w->reload, false, __ATOMIC_ACQ_REL);
    if (w->certificate)
        certificate_turn(w->certificate, forced);
    if (w->hub) {
        if (access_turn(w->access, forced))
            hub_access_changed(w->hub);
        hub_turn(w->hub);
        hub_tick(w->hub, clock_mono_ms());
    }
    lws_sul_schedule(w->context, 0, &w->tick, on_tick, TICK_US);
}

static bool drained(struct web *w, int64_t *until)
{
    if (!__atomic_load_n(&w->stopping, __ATOMIC_ACQUIRE))
        return false;
    if (!w->draining) {
        w->draining = true;
        *until = clock_mono_ms() + DRAIN_MS;
        if (w->hub) {
            hub_turn(w->hub);
            hub_end_sessions(w->hub, CLOSE_SHUTDOWN, "the server is shutting down");
        }
    }
    return w->n_sockets == 0 || clock_mono_ms() >= *until;
}

static void *web_run(void *ctx)
{
    struct web *w = ctx;
    int64_t until = 0;
    on_tick(&w->tick);
    while (!drained(w, &until)) {
        if (!loop_turn(w, w->n_queue == 0))
            break;
        http_answered(w);
        if (w->hub && __atomic_exchange_n(&w->woken, false, __ATOMIC_ACQ_REL))
            hub_turn(w->hub);
        sockets_write(w);
    }
    lws_sul_cancel(&w->tick);
    return NULL;
}

/* ---- public ---- */

static void web_free(struct web *w)
{
    pool_stop(w);
    if (w->hub)
        hub_set_wake(w->hub, NULL, NULL);
    loop_close(w);
    certificate_free(w->certificate);
    if (w->hub)
        hub_set_access(w->hub, NULL);
    pool_free(w);
    site_close(&w->rest);
    site_close(&w->page);
    senders_stop(w);
    codec_free(w->codec);
    buf_free(&w->frame);
    buf_free(&w->message);
    free(w->allowed_origins);
    free(w->allowed_hosts);
    users_free(w->users);
    access_free(w->access);
    free(w->web_dir);
    free(w);
}

static bool web_open(struct web *w, const struct web_options *o, struct err *e)
{
    if (!site_listen(&w->rest, o->listeners, e) || !site_listen(&w->page, o->websocket_listeners, e))
        return false;
    if (w->page.n && access(w->web_dir, R_OK | X_OK) != 0)
        return err_set(
            e, ERR_CONFIG,
            "web.dir: the live page's directory %s cannot be read: name the one that walwire came with, "
            "or set websocket.listeners=none",
            w->web_dir);
    if (o->users_file && !(w->users = users_read(o->users_file, e)))
        return false;
    if (w->hub && (!(w->access = access_new(&o->access, e)) || !page_guarded(w, o->access.anonymous, e)))
        return false;
    if (!context_start(w, e))
        return false;
    web_warn(w);
    if (w->hub) {
        hub_set_access(w->hub, w->access);
        hub_set_wake(w->hub, on_wake, w);
    }
    if (!pool_start(w, e) || !senders_start(w, o->websocket_threads, e))
        return false;
    int error = pthread_create(&w->thread, NULL, web_run, w);
    return error == 0 || err_set(e, ERR_FATAL, "the web thread cannot be started: %s", strerror(error));
}

struct web *web_start(const struct web_options *options, struct err *e)
{
    struct web *w = xcalloc(1, sizeof(*w));
    pthread_mutex_init(&w->pool.lock, NULL);
    pthread_cond_init(&w->pool.wake, NULL);
    w->pool.waiting_end = &w->pool.waiting;
    w->hub = options->hub;
    w->codec = codec_new();
    w->handler = options->handler;
    w->handler_ctx = options->handler_ctx;
    w->allowed_origins = xstrdup(options->allowed_origins ? options->allowed_origins : "");
    w->allowed_hosts = xstrdup(options->allowed_hosts ? options->allowed_hosts : "");
    w->tls = options->tls;
    w->web_dir = xstrdup(options->web_dir ? options->web_dir : "web");
    w->rest = (struct site){.web = w, .setting = "listeners"};
    w->page = (struct site){.web = w, .setting = "websocket.listeners"};
    if (web_open(w, options, e))
        return w;
    web_free(w);
    return NULL;
}

int web_rest_port(const struct web *w, size_t i)
{
    return i < w->rest.n ? w->rest.ports[i] : 0;
}

int web_page_port(const struct web *w, size_t i)
{
    return i < w->page.n ? w->page.ports[i] : 0;
}

void web_reload(struct web *w)
{
    __atomic_store_n(&w->reload, true, __ATOMIC_RELEASE);
}

void web_stop(struct web *w)
{
    if (!w)
        return;
    __atomic_store_n(&w->stopping, true, __ATOMIC_RELEASE);
    lws_cancel_service(w->context);
    pthread_join(w->thread, NULL);
    web_free(w);
}
