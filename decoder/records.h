/* records.h - the records that are not row changes: transaction boundaries, logical decoding messages,
 * heartbeats. They are rare, so they go the plain way: value tree, then JSON. Source:
 * io.debezium.pipeline.txmetadata.TransactionMonitor, LogicalDecodingMessageMonitor, HeartbeatImpl. */
#ifndef DECODER_RECORDS_H
#define DECODER_RECORDS_H

#include "plan.h"

struct record_style {
    struct json_style key, value;
    enum binary_mode binary;
};

struct collection_count {
    const char *name; /* schema.table, or "message" */
    int64_t events;
};

/* Each appends a whole key and value. `a` is scratch. */
void record_begin(struct buf *key, struct buf *value, const struct record_style *style,
                  const struct order *order, int64_t ts_ms, struct arena *a);
void record_end(struct buf *key, struct buf *value, const struct record_style *style,
                const struct order *order, int64_t ts_ms, const struct collection_count *counts,
                size_t n_counts, struct arena *a); /* order->total: events in all */
void record_message(struct buf *key, struct buf *value, const struct record_style *style,
                    const struct change *change, const struct source *source, const struct order *order,
                    int64_t ts_ms, struct arena *a);
void record_heartbeat(struct buf *key, struct buf *value, const struct record_style *style,
                      const char *server, int64_t ts_ms, struct arena *a);

#endif
