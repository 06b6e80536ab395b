/* pieces.h - cuts one fuzzer input at each byte 0xFF, which stands in no UTF-8 text, and checks what comes
 * out as JSON.
 *
 * Each piece is handed over in an allocation of exactly its size, so that the address sanitizer sees a read
 * of one byte too many. */
#ifndef TESTS_FUZZ_PIECES_H
#define TESTS_FUZZ_PIECES_H

#include "slice.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The next piece, for the caller to free; ptr is NULL at the end. */
static inline struct slice piece_next(const uint8_t **data, size_t *size)
{
    if (!*size)
        return (struct slice){NULL, 0};
    const uint8_t *end = memchr(*data, 0xFF, *size);
    size_t len = end ? (size_t)(end - *data) : *size;
    char *copy = malloc(len ? len : 1);
    if (copy && len)
        memcpy(copy, *data, len);
    size_t taken = len + (end ? 1 : 0);
    *data += taken;
    *size -= taken;
    return (struct slice){copy, len};
}

/* The next piece as a string, "" at the end; for the caller to free. */
static inline char *piece_text(const uint8_t **data, size_t *size)
{
    struct slice piece = piece_next(data, size);
    char *text = strndup(piece.ptr ? piece.ptr : "", piece.len);
    free((char *)piece.ptr);
    return text;
}

/* Ends the process unless the text is one JSON value and nothing else, with no byte in it that would end a
 * line. */
static inline void json_must_be(struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex(200);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *root = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    bool whole = error == json_tokener_continue /* a number may go on */ ||
                 (error == json_tokener_success && json_tokener_get_parse_end(tokener) == text.len);
    if (!whole || memchr(text.ptr, '\n', text.len) || memchr(text.ptr, 0, text.len)) {
        fprintf(stderr, "not JSON (%s): " SLICE_FMT "\n", json_tokener_error_desc(error), SLICE_ARG(text));
        abort();
    }
    json_object_put(root);
    json_tokener_free(tokener);
}

#endif
