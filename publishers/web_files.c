/* web_files.c - the files of the live page: a table of them, so that no path from outside reaches the file
 * system. */
#include "web_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    const char *path, *file, *type;
    bool shared; /* pages of other origins may load it */
} files[] = {
    {"/", "index.html", "text/html; charset=utf-8"},
    {"/index.html", "index.html", "text/html; charset=utf-8"},
    {"/app.js", "app.js", "text/javascript; charset=utf-8"},
    {"/walwire.js", "walwire.js", "text/javascript; charset=utf-8", .shared = true},
    {"/walwire.d.ts", "walwire.d.ts", "text/plain; charset=utf-8", .shared = true},
    {"/dom.js", "dom.js", "text/javascript; charset=utf-8"},
    {"/engine.js", "engine.js", "text/javascript; charset=utf-8"},
    {"/log.js", "log.js", "text/javascript; charset=utf-8"},
    {"/query.js", "query.js", "text/javascript; charset=utf-8"},
    {"/rows.js", "rows.js", "text/javascript; charset=utf-8"},
    {"/react.js", "react.js", "text/javascript; charset=utf-8", .shared = true},
    {"/react.d.ts", "react.d.ts", "text/plain; charset=utf-8", .shared = true},
    {"/style.css", "style.css", "text/css; charset=utf-8"},
    {"/icon.svg", "icon.svg", "image/svg+xml"},
    {"/examples/chat/", "examples/chat/index.html", "text/html; charset=utf-8"},
    {"/examples/chat/chat.js", "examples/chat/chat.js", "text/javascript; charset=utf-8"},
    {"/examples/chat/chat.css", "examples/chat/chat.css", "text/css; charset=utf-8"},
    {"/examples/shop/", "examples/shop/index.html", "text/html; charset=utf-8"},
    {"/examples/shop/shop.js", "examples/shop/shop.js", "text/javascript; charset=utf-8"},
    {"/examples/shop/shop.css", "examples/shop/shop.css", "text/css; charset=utf-8"},
};

static bool file_read(const struct web *w, const char *name, struct buf *out)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", w->web_dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n;
    do {
        n = read(fd, buf_room(out, 65536), 65536);
        buf_added(out, n > 0 ? (size_t)n : 0);
    } while (n > 0 && out->len < FILE_MAX);
    close(fd);
    return n == 0;
}

static void refuse(struct http_reply *reply, int status, const char *text)
{
    buf_reset(&reply->body);
    reply->status = status;
    reply->content_type = "text/plain; charset=utf-8";
    buf_str(&reply->body, text);
}

void file_reply(const struct web *w, const struct http_request *request, struct http_reply *reply)
{
    size_t i = 0, n = sizeof(files) / sizeof(*files);
    while (i < n && strcmp(files[i].path, request->path) != 0)
        i++;
    if (i == n || !file_read(w, files[i].file, &reply->body)) {
        refuse(reply, 404, "There is nothing here.\n");
    } else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
        refuse(reply, 405, "This can only be read.\n");
        http_reply_header(reply, "allow", "GET, HEAD");
    } else {
        reply->content_type = files[i].type;
        if (files[i].shared)
            http_reply_header(reply, "access-control-allow-origin", "*");
    }
    http_reply_header(
        reply, "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    http_reply_header(reply, "referrer-policy", "no-referrer");
    http_reply_header(reply, "cache-control", "no-cache");
}
