/* json.h - append-only JSON text on a buf; no tree (reading is json-c's).
 * Escaping is Jackson's, because Kafka Connect's JsonConverter is: \" \\ \b \f \n \r \t, other bytes below
 * 0x20 as \u00XX with upper-case hex digits, characters above U+FFFF as a pair of \uXXXX, everything else raw
 * UTF-8: as Jackson writes bytes. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "buf.h"

void json_string(struct buf *b, struct slice s);  /* quoted and escaped */
void json_escaped(struct buf *b, struct slice s); /* escaped, without the quotes */
void json_text(struct buf *b,
               struct slice s); /* as json_string, but all UTF-8 raw: as Jackson writes a String */
void json_base64(struct buf *b, struct slice bytes); /* quoted standard base64 with padding */

/* Java's Float.toString and Double.toString, as they are since JDK 19: the shortest decimal that reads back
 * as the same number. NaN, Infinity and -Infinity become quoted strings. */
void json_float(struct buf *b, float f);
void json_double(struct buf *b, double d);
void json_boolean(struct buf *b, bool v);

/* Puts a comma unless the last byte opens an object or array. For config and REST bodies, not for rows. */
void json_comma(struct buf *b);
void json_key(struct buf *b, const char *key);                     /* comma if needed, "key": */
void json_field(struct buf *b, const char *key, const char *text); /* NULL text writes null */
void json_field_i64(struct buf *b, const char *key, int64_t n);

void base64_append(struct buf *b, struct slice bytes, bool url_safe); /* padded, no quotes */

/* Append the bytes. Base64: either alphabet, with all of the padding or none. False, and nothing is appended:
 * not base64; an odd length or not hex. */
bool base64_decode(struct buf *b, struct slice text);
bool hex_decode(struct buf *b, struct slice text);

#endif
