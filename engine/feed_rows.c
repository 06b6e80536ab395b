/* feed_rows.c - snapshots at a gateway, asked of an engine.
 *
 * A body that breaks off is an error of the transfer, so rows that are missing are never taken for rows that
 * are not there. */
#include "feed_rows.h"

#include "feed_json.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    READERS = 8, /* as many as an engine reads at a time */
    TAKE_MS = 200,
    CONNECT_S = 10,
    BATCH_BYTES = 64 * 1024,
    TOKEN_MOST = 16 * 1024,
    REFUSAL_MOST = 4096,
    HEAD_MOST = 16000, /* an engine ends the connection at 16 KiB */
};

struct feed_rows {
    struct feed_rows_options options; /* owned texts */
    pthread_t threads[READERS];
    size_t n;
    atomic_bool stop;
};

/* One snapshot on its way. */
struct transfer {
    struct feed_rows *rows;
    uint64_t request;
    CURL *curl;
    char epoch[256], pos[64];
    bool placed, refused; /* refused: by the hub */
    struct buf line, batch, refusal;
    size_t n_rows;
};

/* ---- what comes ---- */

static void header_take(struct slice line, const char *name, char *to, size_t size)
{
    size_t n = strlen(name);
    if (line.len <= n || strncasecmp(line.ptr, name, n) != 0)
        return;
    struct slice value = slice_trim(slice_cut(line, n, line.len));
    if (value.len < size)
        snprintf(to, size, "%.*s", SLICE_ARG(value));
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    struct slice line = {bytes, size * n};
    header_take(line, "walwire-epoch:", t->epoch, sizeof t->epoch);
    header_take(line, "walwire-position:", t->pos, sizeof t->pos);
    return line.len;
}

static bool batch_send(struct transfer *t)
{
    if (!t->n_rows)
        return true;
    buf_char(&t->batch, ']');
    bool wanted = hub_rows(t->rows->options.hub, t->request, buf_view(&t->batch), t->n_rows);
    buf_reset(&t->batch);
    t->n_rows = 0;
    return wanted;
}

static bool row_take(struct transfer *t, struct slice row)
{
    if (!row.len)
        return true;
    buf_char(&t->batch, t->n_rows ? ',' : '[');
    buf_slice(&t->batch, row);
    t->n_rows++;
    return t->batch.len < BATCH_BYTES || batch_send(t);
}

/* Whole lines; what is left of one waits for the rest. */
static bool rows_take(struct transfer *t, struct slice bytes)
{
    for (const char *end; bytes.len && (end = memchr(bytes.ptr, '\n', bytes.len));) {
        struct slice part = {bytes.ptr, (size_t)(end - bytes.ptr)};
        buf_slice(&t->line, part);
        if (!row_take(t, buf_view(&t->line)))
            return false;
        buf_reset(&t->line);
        bytes = slice_cut(bytes, part.len + 1, bytes.len);
    }
    buf_slice(&t->line, bytes);
    return true;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    long status = 0;
    struct slice all = {bytes, size * n};
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        buf_slice(&t->refusal, slice_cut(all, 0, t->refusal.len < REFUSAL_MOST ? REFUSAL_MOST : 0));
        return all.len;
    }
    if (!t->placed && !hub_rows_at(t->rows->options.hub, t->request, t->epoch, t->pos)) {
        t->refused = true;
        return 0;
    }
    t->placed = true;
    return rows_take(t, all) ? all.len : 0;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct transfer *t = ctx;
    return atomic_load(&t->rows->stop) || !hub_rows_wanted(t->rows->options.hub, t->request);
}

/* ---- what is asked for ---- */

static void part_put(CURL *curl, struct buf *url, const char *name, const char *value)
{
    char *text = curl_easy_escape(curl, value, 0);
    buf_printf(url, "%s%s=%s", name[0] == 't' ? "?" : "&", name, text ? text : "");
    curl_free(text);
}

static char *url_make(const struct transfer *t, const struct hub_request *q)
{
    struct buf url = BUF_EMPTY, names = BUF_EMPTY;
    buf_char(&names, '[');
    for (size_t i = 0; i < q->n_columns; i++) {
        json_comma(&names);
        json_string(&names, slice_of(q->columns[i]));
    }
    buf_char(&names, ']');
    buf_printf(&url, "%s/v1/snapshot", t->rows->options.url);
    part_put(t->curl, &url, "table", q->table);
    part_put(t->curl, &url, "connector", t->rows->options.connector);
    part_put(t->curl, &url, "columns", names.ptr);
    if (q->filter)
        part_put(t->curl, &url, "where", q->filter);
    buf_free(&names);
    return buf_take(&url);
}

/* NULL: no token, or none that can be read (which the engine then refuses). */
static struct curl_slist *headers_make(const struct feed_rows_options *o)
{
    char text[TOKEN_MOST] = "";
    FILE *f = o->token_file ? fopen(o->token_file, "r") : NULL;
    if (f) {
        text[fread(text, 1, sizeof text - 1, f)] = 0;
        fclose(f);
    }
    struct slice token = slice_trim(slice_of(f ? text : o->token ? o->token : ""));
    if (!token.len)
        return NULL;
    char *line = xasprintf("Authorization: Bearer %.*s", SLICE_ARG(token));
    struct curl_slist *list = curl_slist_append(NULL, line);
    explicit_bzero(line, strlen(line));
    explicit_bzero(text, sizeof text);
    free(line);
    return list;
}

static void curl_setup(struct transfer *t, const char *url, struct curl_slist *headers)
{
    CURL *c = t->curl;
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "walwire-gateway");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    if (t->rows->options.ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, t->rows->options.ca_file);
}

/* ---- one snapshot ---- */

static bool refused(const struct transfer *t, long status, struct err *e)
{
    struct json_object *o = t->refusal.len ? feed_json_parse(buf_view(&t->refusal)) : NULL;
    struct json_object *text = NULL;
    if (json_object_is_type(o, json_type_object))
        json_object_object_get_ex(o, "message", &text);
    bool again = status >= 500 || status == 409 || status == 429;
    err_set(e, again ? ERR_RETRY : ERR_CONFIG, "the engine at gateway.upstream answered %ld%s%s", status,
            text ? ": " : "", text ? json_object_get_string(text) : "");
    json_object_put(o);
    return false;
}

/* An answer without rows has told its position, too. */
static bool finish(struct transfer *t, struct err *e)
{
    struct hub *hub = t->rows->options.hub;
    if (!t->placed)
        t->refused = !hub_rows_at(hub, t->request, t->epoch, t->pos);
    if (t->refused)
        return err_set(e, ERR_RETRY, "the engine and this gateway do not follow the same history (yet)");
    if (!row_take(t, buf_view(&t->line)) || !batch_send(t))
        return err_set(e, ERR_RETRY, "nobody wants the rows any more");
    return true;
}

static bool transfer_run(struct transfer *t, const struct hub_request *q, struct err *e)
{
    char *url = url_make(t, q);
    struct curl_slist *headers = headers_make(&t->rows->options);
    long status = 0;
    bool fits = strlen(url) + (headers ? strlen(headers->data) : 0) <= HEAD_MOST;
    curl_setup(t, url, headers);
    CURLcode code = fits ? curl_easy_perform(t->curl) : CURLE_URL_MALFORMAT;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    free(url);
    if (!fits)
        return err_set(e, ERR_CONFIG, "the columns' names and the filter are too long to be asked for here");
    if (t->refused)
        return finish(t, e);
    if (code != CURLE_OK)
        return err_set(e, ERR_RETRY, "the engine at gateway.upstream: %s", curl_easy_strerror(code));
    return status == 200 ? finish(t, e) : refused(t, status, e);
}

static void serve(struct feed_rows *r, CURL *curl, const struct hub_request *q)
{
    struct err e = {0};
    struct transfer t = {.rows = r, .request = q->id, .curl = curl};
    curl_easy_reset(curl);
    if (transfer_run(&t, q, &e)) {
        hub_rows_end(r->options.hub, q->id);
    } else {
        if (hub_rows_wanted(r->options.hub, q->id))
            log_warn("snapshot of %s: %s", q->table, e.text);
        hub_rows_fail(r->options.hub, q->id, e.text, e.kind == ERR_RETRY);
    }
    buf_free(&t.line);
    buf_free(&t.batch);
    buf_free(&t.refusal);
}

static void *reader_main(void *ctx)
{
    struct feed_rows *r = ctx;
    struct hub_request q;
    CURL *curl = curl_easy_init();
    while (curl && !atomic_load(&r->stop))
        if (hub_request_take(r->options.hub, r->options.source, TAKE_MS, &q))
            serve(r, curl, &q);
    curl_easy_cleanup(curl);
    return NULL;
}

/* ---- their life ---- */

static bool url_is_good(const char *url)
{
    char *scheme = NULL;
    CURLU *u = curl_url();
    bool ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strncmp(scheme, "http", 4) == 0;
    curl_free(scheme);
    curl_url_cleanup(u);
    return ok;
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void rows_free(struct feed_rows *r)
{
    free((char *)r->options.url);
    free((char *)r->options.connector);
    free((char *)r->options.token);
    free((char *)r->options.token_file);
    free((char *)r->options.ca_file);
    free(r);
}

struct feed_rows *feed_rows_start(const struct feed_rows_options *o, struct err *e)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!url_is_good(o->url)) {
        err_set(e, ERR_CONFIG,
                "gateway.upstream=%s: use the address of an engine's websocket.listeners, such "
                "as http://engine:8000",
                o->url);
        return NULL;
    }
    struct feed_rows *r = xcalloc(1, sizeof *r);
    r->options =
        (struct feed_rows_options){o->hub,         o->source,           copy(o->url),    copy(o->connector),
                                   copy(o->token), copy(o->token_file), copy(o->ca_file)};
    for (char *end = strchr(r->options.url, 0); end > r->options.url && end[-1] == '/';)
        *--end = 0;
    for (; r->n < READERS; r->n++)
        if (pthread_create(&r->threads[r->n], NULL, reader_main, r) != 0)
            break;
    return r;
}

void feed_rows_stop(struct feed_rows *r)
{
    if (!r)
        return;
    atomic_store(&r->stop, true);
    while (r->n > 0)
        pthread_join(r->threads[--r->n], NULL);
    rows_free(r);
}
