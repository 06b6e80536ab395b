/* fuzz_api.c - any requests to the REST interface, over connectors that only remember what they were told:
 * each is answered, and what calls itself JSON is that.
 *
 * A piece is a request: "METHOD PATH?QUERY" in its first line, the body behind it. A leading blank sends it
 * with another content type. Positions are kept in a file, in memory. */
#include "api.h"
#include "log.h"
#include "offsets.h"
#include "pieces.h"

#include "../engine/fake_connector.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char offsets_dir[] = "/dev/shm/walwire-fuzz-XXXXXX";

static void forget_files(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/offsets", offsets_dir);
    unlink(path);
    rmdir(offsets_dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    if (!mkdtemp(offsets_dir))
        abort();
    atexit(forget_files);
    return 0;
}

/* The server hands over paths and queries without control characters, and one of seven methods. */
static const char *method_of(const char *word)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(word, known[i]) == 0)
            return known[i];
    return "GET";
}

static void reply_check(const struct http_reply *reply)
{
    if (reply->status < 200 || reply->status > 599)
        abort();
    if (reply->body.len && reply->content_type && strcmp(reply->content_type, "application/json") == 0)
        json_must_be(buf_view(&reply->body));
}

static void ask(struct worker *worker, char *text, struct slice body)
{
    const char *type = text[0] == ' ' ? "text/plain" : "application/json";
    text += text[0] == ' ';
    char *path = strchr(text, ' ');
    if (path)
        *path++ = 0;
    char *query = path ? strchr(path, '?') : NULL;
    if (query)
        *query++ = 0;
    struct http_request request = {.method = method_of(text),
                                   .path = path ? path : "/",
                                   .query = query ? query : "",
                                   .content_type = type,
                                   .host = "",
                                   .body = body};
    struct http_reply reply = {.status = 200, .content_type = "application/json"};
    api_handle(worker, &request, &reply);
    reply_check(&reply);
    buf_free(&reply.body);
    buf_free(&reply.headers);
}

static void ask_piece(struct worker *worker, struct slice piece)
{
    const char *end = memchr(piece.ptr, '\n', piece.len);
    size_t line = end ? (size_t)(end - piece.ptr) : piece.len;
    struct slice body = slice_cut(piece, line + (end ? 1 : 0), piece.len);
    char *text = strndup(piece.ptr, line);
    if (!memmem(body.ptr, body.len, "${", 2)) /* it would read this machine's files */
        ask(worker, text, body);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct props *props = props_new();
    char *path = xasprintf("%s/offsets", offsets_dir);
    unlink(path);
    props_set(props, "offset.storage.file.filename", path);
    props_set(props, "listeners", "http://127.0.0.1:8083");
    struct offsets *offsets = offsets_open(props, &e);
    struct worker *worker = worker_new(props, NULL, offsets, &e);
    log_set_level(LOG_ERROR);
    for (struct slice piece; (piece = piece_next(&data, &size)).ptr;) {
        ask_piece(worker, piece);
        free((char *)piece.ptr);
        fake.log[0] = 0;
    }
    worker_free(worker);
    offsets_close(offsets);
    props_free(props);
    free(path);
    return 0;
}
