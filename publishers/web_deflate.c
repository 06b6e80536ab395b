/* web_deflate.c - permessage-deflate, as far as it is negotiated and read (RFC 7692).
 *
 * libwebsockets' own would keep up to 300 KB for each connection. Here it knows of an extension that does
 * nothing, so that it lets the marked frames of a client through; what we send deflated is deflated once for
 * all (frame.h), and no message refers to one before it, in either direction: "no context takeover".
 * libwebsockets answers an offer with the extension's name alone; the parameters are added behind it, where
 * the header ends. tests/publishers/test_web_deflate.c sees whether a newer one still does so. */
#include "web_impl.h"

#include <stdlib.h>

static const char name[] = "permessage-deflate";
static const char answer[] =
    "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12\r\n";
_Static_assert(FRAME_WINDOW_BITS == 12, "what is answered");

static int on_extension(struct lws_context *context, const struct lws_extension *ext, struct lws *wsi,
                        enum lws_extension_callback_reasons reason, void *user, void *in, size_t len)
{
    static const struct lws_ext_options none[] = {{NULL, EXTARG_NONE}};
    if (reason == LWS_EXT_CB_CONSTRUCT)
        *(const struct lws_ext_options **)in = none;
    return 0;
}

const struct lws_extension web_extensions[] = {{name, on_extension, name}, {NULL, NULL, NULL}};

/* Cuts off what stands before the separator. */
static struct slice piece(struct slice *rest, char separator)
{
    const char *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice first = at ? slice_cut(*rest, 0, (size_t)(at - rest->ptr)) : *rest;
    *rest = slice_cut(*rest, first.len + (at ? 1 : 0), rest->len);
    return slice_trim(first);
}

/* The value is a number, perhaps in quotes. */
static bool window_allows(struct slice parameter)
{
    struct slice rest = parameter;
    piece(&rest, '=');
    rest = slice_trim(rest);
    if (rest.len && rest.ptr[0] == '"')
        rest = slice_cut(rest, 1, rest.len);
    int bits = 0;
    for (size_t i = 0; i < rest.len && i < 2 && rest.ptr[i] >= '0' && rest.ptr[i] <= '9'; i++)
        bits = bits * 10 + (rest.ptr[i] - '0');
    return bits >= FRAME_WINDOW_BITS && bits <= 15;
}

/* One with parameters that we do not know is not for us. */
bool deflate_acceptable(struct slice offer)
{
    static const char *const known[] = {"server_no_context_takeover", "client_no_context_takeover",
                                        "client_max_window_bits", "server_max_window_bits"};
    if (!slice_is(piece(&offer, ';'), name))
        return false;
    while (offer.len) {
        struct slice parameter = piece(&offer, ';'), rest = parameter, key = piece(&rest, '=');
        size_t i = 0;
        while (i < 4 && !slice_is(key, known[i]))
            i++;
        if (i == 4 || (i == 3 && !window_allows(parameter)))
            return false;
    }
    return true;
}

/* libwebsockets takes the first offer or none. */
int deflate_confirm(struct lws *wsi, struct conn *c)
{
    struct buf header = BUF_EMPTY;
    struct slice offers = header_copy(wsi, WSI_TOKEN_EXTENSIONS, &header) ? buf_view(&header) : SLICE("");
    c->deflate = deflate_acceptable(piece(&offers, ','));
    buf_free(&header);
    return c->deflate ? 0 : 1;
}

int deflate_answer(struct conn *c, struct lws_process_html_args *args)
{
    static const char before[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    size_t n = sizeof(before) - 1, more = sizeof(answer) - 1;
    if (!c->deflate)
        return 0;
    if (memcmp(args->p - n, before, n) != 0 || args->max_len < (int)more)
        return -1;
    memcpy(args->p - 2, answer, more);
    args->p += more - 2;
    return 0;
}
