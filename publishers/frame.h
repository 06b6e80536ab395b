/* frame.h - WebSocket frames as a server sends them: text, whole, not masked; and what deflates and inflates.
 *
 * The bytes of such a frame depend on nothing but its payload, and those of a deflated one neither, as
 * nothing in it refers to what was sent before: one frame serves all clients. Sources: RFC 6455, 5.2; RFC
 * 7692, 7.2. */
#ifndef PUBLISHERS_FRAME_H
#define PUBLISHERS_FRAME_H

#include "buf.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FRAME_HEAD_MAX = 10,
    FRAME_WINDOW_BITS = 12, /* of what we deflate: clients that set a limit rarely set a lower one */
};

/* Never changed once it is made. The web thread counts who holds it; others may read the bytes meanwhile. */
struct ws_frame {
    size_t holders, len;
    unsigned char bytes[];
};

/* Writes what stands before a payload of `len` bytes. How many bytes that is: at most FRAME_HEAD_MAX. */
size_t frame_head(unsigned char *out, size_t len, bool deflated);

struct ws_frame *frame_new(struct slice payload);
struct ws_frame *frame_hold(struct ws_frame *f);
void frame_release(struct ws_frame *f); /* NULL is allowed */
struct slice frame_payload(const struct ws_frame *f);

/* Compressors that are used again and again: to make one costs more than a small frame. One thread's. */
struct codec;
struct codec *codec_new(void);
void codec_free(struct codec *c); /* NULL is allowed */
/* A frame with the payload deflated. NULL: it would not be shorter. */
struct ws_frame *codec_deflate(struct codec *c, struct slice payload);
/* Appends what a message says that was deflated without regard to those before it. false: it is malformed, or
 * says more than `most` bytes. */
bool codec_inflate(struct codec *c, struct slice deflated, size_t most, struct buf *out);

#endif
