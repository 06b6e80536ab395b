/* frame.c - WebSocket frames, prepared once for all who get them.
 *
 * A deflated payload ends with an empty stored block whose last four bytes are not sent: whoever inflates
 * puts them back. */
#include "frame.h"

#include <stdlib.h>
#include <zlib.h>

#include "xmalloc.h"

enum {
    FINAL_TEXT = 0x81,
    DEFLATED = 0x40,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    LEVEL = 1, /* of 9: each further one costs more time than bytes */
    MEMORY_LEVEL = 8,
    WINDOW_BITS_MOST = 15,
    PIECE = 4096 /* bytes that are inflated at once */
};

static const unsigned char tail[] = {0, 0, 0xff, 0xff};

size_t frame_head(unsigned char *out, size_t len, bool deflated)
{
    size_t wide = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[0] = FINAL_TEXT | (deflated ? DEFLATED : 0);
    out[1] = (unsigned char)(wide == 0 ? len : wide == 2 ? LENGTH_16 : LENGTH_64);
    for (size_t i = 0; i < wide; i++)
        out[2 + i] = (unsigned char)((uint64_t)len >> 8 * (wide - 1 - i));
    return 2 + wide;
}

static struct ws_frame *frame_of(struct slice payload, bool deflated)
{
    struct ws_frame *f = xmalloc(sizeof(*f) + FRAME_HEAD_MAX + payload.len);
    size_t head = frame_head(f->bytes, payload.len, deflated);
    if (payload.len)
        memcpy(f->bytes + head, payload.ptr, payload.len);
    f->holders = 1;
    f->len = head + payload.len;
    return f;
}

struct ws_frame *frame_new(struct slice payload)
{
    return frame_of(payload, false);
}

struct ws_frame *frame_hold(struct ws_frame *f)
{
    f->holders++;
    return f;
}

void frame_release(struct ws_frame *f)
{
    if (f && --f->holders == 0)
        free(f);
}

struct slice frame_payload(const struct ws_frame *f)
{
    size_t head = f->bytes[1] == LENGTH_16 ? 4 : f->bytes[1] == LENGTH_64 ? 10 : 2;
    return (struct slice){(const char *)f->bytes + head, f->len - head};
}

/* ---- compression ---- */

struct codec {
    z_stream deflater, inflater;
    bool deflates, inflates; /* they are made */
};

struct codec *codec_new(void)
{
    return xcalloc(1, sizeof(struct codec));
}

void codec_free(struct codec *c)
{
    if (!c)
        return;
    if (c->deflates)
        deflateEnd(&c->deflater);
    if (c->inflates)
        inflateEnd(&c->inflater);
    free(c);
}

static bool deflater_ready(struct codec *c)
{
    if (c->deflates)
        return deflateReset(&c->deflater) == Z_OK;
    c->deflates = deflateInit2(&c->deflater, LEVEL, Z_DEFLATED, -FRAME_WINDOW_BITS, MEMORY_LEVEL,
                               Z_DEFAULT_STRATEGY) == Z_OK;
    return c->deflates;
}

struct ws_frame *codec_deflate(struct codec *c, struct slice payload)
{
    z_stream *z = &c->deflater;
    struct ws_frame *f = NULL;
    if (payload.len <= sizeof(tail) || payload.len > INT32_MAX || !deflater_ready(c))
        return NULL;
    unsigned char *out = xmalloc(payload.len);
    z->next_in = (unsigned char *)payload.ptr;
    z->avail_in = (uInt)payload.len;
    z->next_out = out;
    z->avail_out = (uInt)payload.len;
    /* room left says that all of it is there */
    if (deflate(z, Z_SYNC_FLUSH) == Z_OK && z->avail_out > 0)
        f = frame_of((struct slice){(char *)out, payload.len - z->avail_out - sizeof(tail)}, true);
    free(out);
    return f;
}

static bool inflater_ready(struct codec *c)
{
    if (c->inflates)
        return inflateReset(&c->inflater) == Z_OK;
    c->inflates = inflateInit2(&c->inflater, -WINDOW_BITS_MOST) == Z_OK;
    return c->inflates;
}

/* A stream that ends is followed by nothing that counts. */
static bool inflate_all(z_stream *z, const void *bytes, size_t n, size_t most, struct buf *out)
{
    z->next_in = (unsigned char *)bytes;
    z->avail_in = (uInt)n;
    for (int code = Z_OK; code == Z_OK;) {
        z->next_out = (unsigned char *)buf_room(out, PIECE);
        z->avail_out = PIECE;
        code = inflate(z, Z_SYNC_FLUSH);
        buf_added(out, PIECE - z->avail_out);
        if ((code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) || out->len > most)
            return false;
        if (z->avail_out > 0 && z->avail_in == 0)
            break;
    }
    return true;
}

bool codec_inflate(struct codec *c, struct slice deflated, size_t most, struct buf *out)
{
    if (deflated.len > INT32_MAX || !inflater_ready(c))
        return false;
    size_t limit = out->len + most;
    return inflate_all(&c->inflater, deflated.ptr, deflated.len, limit, out) &&
           inflate_all(&c->inflater, tail, sizeof(tail), limit, out);
}
