/* metrics.h - what is measured of each task, and its text for Prometheus.
 *
 * A metric is a row of a table in metrics_table.c; a reading is its value. A pipeline counts for itself and
 * hands over a copy once a round, so that a row costs nothing. All calls are thread-safe. */
#ifndef ENGINE_METRICS_H
#define ENGINE_METRICS_H

#include "buf.h"
#include "histogram.h"
#include "hub.h"

#define READING_NONE INT64_MIN /* not known: the series is left out */

/* Counters go on over the runs of a task. Times are in milliseconds, positions in bytes. */
enum reading_id {
    /* of connector.h's status, there for every task */
    READ_EVENTS,
    READ_TRANSACTIONS,
    READ_BYTES,
    READ_LAG_MS,
    READ_RECEIVED_LSN,
    READ_FLUSHED_LSN,
    READ_CONNECTED,
    READ_SNAPSHOT_RUNNING,
    /* counted by the pipeline */
    READ_CREATED,
    READ_UPDATED,
    READ_DELETED,
    READ_TRUNCATED,
    READ_SNAPSHOT_ROWS,
    READ_MESSAGES,
    READ_FILTERED,
    READ_ERRONEOUS,
    READ_FAILED_RUNS,
    READ_CHECKPOINTS,
    READ_TOO_LARGE,
    /* what it saw last */
    READ_LAST_EVENT_MS,
    READ_IDLE_MS, /* since then, made when asked */
    READ_LAST_LSN,
    READ_LAST_TX,
    READ_CAPTURED_TABLES,
    /* queues */
    READ_QUEUE_BATCHES,
    READ_QUEUE_ROOM,
    READ_QUEUE_CAPACITY,
    READ_QUEUE_BYTES,
    READ_QUEUE_MOST_BYTES,
    READ_IN_FLIGHT,
    READ_IN_FLIGHT_BYTES,
    READ_LARGEST_ROW,
    /* the slot, asked for from time to time */
    READ_SERVER_LSN,
    READ_SLOT_LAG,
    READ_SLOT_RETAINED,
    READ_SLOT_SAFE,
    /* the snapshot */
    READ_SNAPSHOT_COMPLETED,
    READ_SNAPSHOT_ABORTED,
    READ_SNAPSHOT_SKIPPED,
    READ_SNAPSHOT_PAUSED,
    READ_SNAPSHOT_MS,
    READ_SNAPSHOT_START_MS,
    READ_TABLES,
    READ_TABLES_LEFT,
    READING_COUNT
};

struct readings {
    int64_t v[READING_COUNT];
    struct histogram delivery; /* from the producer's queue to Kafka's answer; the last of each report */
    struct histogram lag;      /* from commit to here; once a round */
};
void readings_clear(struct readings *r); /* nothing known */

struct metrics; /* the meters of a process */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* One task's. All calls take NULL, which measures nothing. */
struct meter;
struct meter *meter_new(struct metrics *m, const char *connector, int task, const char *slot);
void meter_free(struct meter *meter);
void meter_publish(struct meter *meter, const struct readings *r);
void meter_read(struct meter *meter, struct readings *out);
/* Rows that the snapshot has read of a table. */
void meter_table(struct meter *meter, const char *schema, const char *table, uint64_t rows);
void meter_tables_clear(struct meter *meter);

struct worker;
/* All connectors of the worker and the process itself, in Prometheus' text format 0.0.4. */
void metrics_write(struct metrics *m, struct worker *worker, struct buf *out);

/* ---- the table ---- */

enum metric_label { LABEL_TASK, LABEL_SLOT };

struct metric {
    const char *name; /* NULL: Debezium's name only */
    const char *type; /* "counter", "gauge" */
    enum metric_label label;
    const char *more; /* a further label, `op="create"`; NULL: none */
    enum reading_id reading;
    double scale; /* of the reading, to seconds and bytes */
    const char
        *jmx; /* the attribute of Debezium's MBean, written as debezium_metrics_ATTRIBUTE; NULL: none */
    const char *bean; /* its context: "streaming", "snapshot" */
    double jmx_scale;
    const char *help;
};
extern const struct metric metrics_table[]; /* rows of one name in a row; ended by one without help */

/* Metrics that are no reading: name, type and help. */
struct metric_other {
    const char *name, *type, *jmx, *bean, *help;
};
extern const struct metric_other metrics_others[]; /* ended by one without name */
enum {
    OTHER_STATE,
    OTHER_ROWS_SCANNED,
    OTHER_DELIVERY,
    OTHER_LAG,
    OTHER_BUILD,
    OTHER_RSS,
    OTHER_VIRTUAL,
    OTHER_CPU,
    OTHER_START,
    OTHER_FDS,
    OTHER_THREADS,
    OTHER_SESSIONS,
    OTHER_SUBSCRIPTIONS,
    OTHER_RESETS,
    OTHER_WINDOW_BYTES,
    OTHER_WINDOW_AGE,
    OTHER_SPOOL_BYTES
};

void metrics_hub(struct hub *hub, struct buf *out); /* those of browsers; hub NULL: nothing */
void metrics_document(struct buf *out);             /* both tables, as docs/METRICS.md has them */

#endif
