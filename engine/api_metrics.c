/* api_metrics.c - GET /metrics. */
#include "api.h"
#include "metrics.h"

void api_metrics(struct api_call *call)
{
    struct buf *b = api_json(call, 200);
    call->reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(worker_metrics(call->worker), call->worker, b);
    metrics_hub(worker_hub(call->worker), b);
}
