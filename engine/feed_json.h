/* feed_json.h - a Kafka record's JSON cut apart without being parsed: schemas are large and nearly always the
 * same, so their bytes are compared and only the payload is read. */
#ifndef ENGINE_FEED_JSON_H
#define ENGINE_FEED_JSON_H

#include "slice.h"

#include <json-c/json.h>

/* {"schema":S,"payload":P}, in any order. A part that is absent or null has ptr NULL. false: malformed, or
 * not such an object: schemas are not enabled. */
bool feed_json_split(struct slice text, struct slice *schema, struct slice *payload);

/* Of any depth up to 64; NULL: malformed. json_object_put. */
struct json_object *feed_json_parse(struct slice text);

#endif
