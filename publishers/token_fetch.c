/* token_fetch.c - the thread that asks a URL for keys: at start, every ten minutes, and when a token names a
 * key that is not known, though for that at most every ten seconds.
 *
 * What cannot be fetched leaves the keys as they were. The URL is the operator's; what it leads to must be
 * https, or this machine, and is not followed anywhere else. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "token_impl.h"
#include "xmalloc.h"

enum {
    RENEW_MS = 600000,
    AGAIN_MS = 10000,
    FAILED_MS = 5000, /* before the first keys came */
    ANSWER_S = 10,
};

struct fetch {
    char *url;
    bool local; /* http: to this machine only */
    CURL *curl; /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending, asked;
    int64_t last_ms; /* when it was asked last; 0: never */
    bool underway;
    struct keys *came;
};

/* ---- the URL ---- */

static bool host_is_local(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

static bool url_check(struct fetch *f, struct err *e)
{
    char *scheme = NULL, *host = NULL;
    CURLU *u = curl_url();
    bool ok = curl_url_set(u, CURLUPART_URL, f->url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    f->local = ok && strcmp(scheme, "http") == 0 && host_is_local(host);
    ok = ok && (f->local || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return ok || err_set(e, ERR_CONFIG, "websocket.auth.jwt.jwks.url: use https://, or http:// to localhost");
}

/* ---- one request ---- */

static size_t on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    struct buf *body = ctx;
    if (body->len + size * n > KEY_FILE_MOST)
        return 0;
    buf_append(body, bytes, size * n);
    return size * n;
}

/* Link-local addresses lead to a cloud's metadata. Without TLS, what a name resolves to is looked at, too. */
static bool address_allowed(const struct sockaddr *at, bool local)
{
    if (at->sa_family == AF_INET) {
        uint32_t ip = ntohl(((const struct sockaddr_in *)at)->sin_addr.s_addr);
        return local ? ip >> 24 == 127 : ip >> 16 != 0xA9FE;
    }
    const struct in6_addr *ip = &((const struct sockaddr_in6 *)at)->sin6_addr;
    return at->sa_family == AF_INET6 &&
           (local ? IN6_IS_ADDR_LOOPBACK(ip) : !IN6_IS_ADDR_LINKLOCAL(ip) && !IN6_IS_ADDR_V4MAPPED(ip));
}

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *at)
{
    const struct fetch *f = ctx;
    if (!address_allowed(&at->addr, f->local))
        return CURL_SOCKET_BAD;
    return socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
}

/* It can be told to stop in the middle. */
static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    return __atomic_load_n(&((struct fetch *)ctx)->ending, __ATOMIC_RELAXED);
}

static void curl_setup(struct fetch *f)
{
    CURL *c = f->curl;
    curl_easy_setopt(c, CURLOPT_URL, f->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, f->local ? "http" : "https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)ANSWER_S);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)KEY_FILE_MOST);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "walwire");
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    if (f->local)
        curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
}

static struct keys *ask(struct fetch *f, struct err *e)
{
    struct buf body = BUF_EMPTY;
    struct keys *k = xcalloc(1, sizeof(*k));
    long status = 0;
    curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(f->curl);
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    bool ok = code == CURLE_OK || err_set(e, ERR_RETRY, "%s", curl_easy_strerror(code));
    if (ok && status != 200)
        ok = err_set(e, ERR_RETRY, "it answers with status %ld", status);
    ok = ok && keys_jwks(k, buf_view(&body), false, e);
    buf_free(&body);
    if (ok)
        return k;
    keys_free(k);
    return NULL;
}

/* ---- the thread ---- */

static void wait_ms(struct fetch *f, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    while (!f->ending && !f->asked && pthread_cond_timedwait(&f->wake, &f->lock, &until) != ETIMEDOUT)
        ;
}

static void *fetch_run(void *ctx)
{
    struct fetch *f = ctx;
    bool known = false;
    pthread_mutex_lock(&f->lock);
    while (!f->ending) {
        struct err e = {0};
        f->asked = false;
        f->underway = true;
        f->last_ms = clock_mono_ms();
        pthread_mutex_unlock(&f->lock);
        struct keys *k = ask(f, &e);
        if (!k && !__atomic_load_n(&f->ending, __ATOMIC_RELAXED))
            log_error("websocket.auth.jwt.jwks.url: no keys came: %s; %s", e.text,
                      known ? "those that are known stay" : "no token is good until some do");
        pthread_mutex_lock(&f->lock);
        f->underway = false;
        if (k) {
            keys_free(f->came);
            f->came = k;
            known = true;
        }
        wait_ms(f, known ? RENEW_MS : FAILED_MS);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

struct fetch *fetch_new(const char *url, struct err *e)
{
    struct fetch *f = xcalloc(1, sizeof(*f));
    pthread_condattr_t monotonic;
    f->url = xstrdup(url);
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    bool ok = url_check(f, e) && (f->curl = curl_easy_init());
    if (ok) {
        curl_setup(f);
        f->underway = true;
        int error = pthread_create(&f->thread, NULL, fetch_run, f);
        ok = error == 0 || err_set(e, ERR_FATAL, "a thread cannot be started: %s", strerror(error));
    }
    if (ok)
        return f;
    curl_easy_cleanup(f->curl);
    free(f->url);
    free(f);
    return NULL;
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    __atomic_store_n(&f->ending, true, __ATOMIC_RELAXED);
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    curl_easy_cleanup(f->curl);
    keys_free(f->came);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f->url);
    free(f);
}

bool fetch_again(struct fetch *f, bool forced)
{
    pthread_mutex_lock(&f->lock);
    bool soon = f->underway || f->asked || f->came;
    if (forced || (!soon && clock_mono_ms() - f->last_ms >= AGAIN_MS)) {
        f->asked = soon = true;
        pthread_cond_signal(&f->wake);
    }
    pthread_mutex_unlock(&f->lock);
    return soon;
}

struct keys *fetch_take(struct fetch *f)
{
    pthread_mutex_lock(&f->lock);
    struct keys *came = f->came;
    f->came = NULL;
    pthread_mutex_unlock(&f->lock);
    return came;
}
