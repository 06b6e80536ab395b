/* api.h - the REST interface: Kafka Connect's paths, bodies and codes, with /metrics beside them.
 *
 * A route is a row: method, path, handler, what it is for. Handlers run on several threads at a time; they
 * may wait for Kafka, but never speak SQL. */
#ifndef ENGINE_API_H
#define ENGINE_API_H

#include "props.h"
#include "web.h"
#include "worker.h"

/* One request on its way through a handler. */
struct api_call {
    struct worker *worker;
    const struct http_request *request;
    struct http_reply *reply;
    char params[2][256]; /* what stood at {name} and {task}, percent-decoded */
    size_t nulls;        /* options whose value was null, by api_body_* */
};

typedef void api_handler(struct api_call *call);

struct api_route {
    const char *method, *path; /* "/connectors/{name}/status" */
    api_handler *handler;
    const char *text;
    bool text_answer; /* whatever the client says it accepts */
};

/* The tables, each ended by a row without method. */
extern const struct api_route api_routes_server[], api_routes_connectors[], api_routes_topics[],
    api_routes_offsets[], api_routes_plugins[], api_routes_admin[];

/* A handler for web.h's dispatcher; ctx is the struct worker. Answers every path: 404 and 405 as Connect
 * does. */
void api_handle(void *ctx, const struct http_request *request, struct http_reply *reply);

/* ---- for handlers ---- */

/* {"error_code":404,"message":"..."} */
void api_error(struct api_call *call, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct buf *api_json(struct api_call *call, int status); /* begins a JSON answer; append to it */
/* True when the query has name=value; value NULL: any. */
bool api_query(const struct api_call *call, const char *name, const char *value);
/* The body as a flat configuration; NULL: answered 400. Owned by the caller. */
struct props *api_body_props(struct api_call *call);
/* The body of POST /connectors. false: answered 400; what is filled in is the caller's in any case. */
struct api_create {
    char *name;
    struct props *config;
    enum connector_state target;
};
bool api_body_create(struct api_call *call, struct api_create *out);
/* Applies the body's members to a configuration; null removes one. false: answered 400. */
bool api_body_patch(struct api_call *call, struct props *config);
/* Connect's 400 with all findings, or false when there are none. */
bool api_reject_invalid(struct api_call *call, const char *name, const struct props *config);
/* Connect's 400 for a configuration without connector.class. */
void api_no_class(struct api_call *call, const struct props *config);
#define API_NULL_TEXT "Null value can not be supplied as the configuration value."
/* An answer without a body. */
void api_empty(struct api_call *call, int status);
void api_metrics(struct api_call *call); /* api_metrics.c */

/* The body as an object, to be put by the caller; NULL: answered 400. */
struct json_object;
struct json_object *api_body_object(struct api_call *call);

#endif
