/* metrics_document.c - docs/METRICS.md, made of the table. */
#include "metrics.h"

#include <string.h>

static const char head[] = "# Metrics\n\n"
                           "`GET /metrics` on the REST port answers in Prometheus' text format. This file is "
                           "what `walwire metrics` prints, from\n"
                           "the table in `engine/metrics_table.c`.\n\n"
                           "```yaml\n"
                           "scrape_configs:\n"
                           "  - job_name: walwire\n"
                           "    static_configs: [{targets: [\"127.0.0.1:8083\"]}]\n"
                           "```\n\n"
                           "Each series of a connector has the labels `connector` and `task` (`0` unless the "
                           "connector has several slots); those of\n"
                           "the slot also have `slot`. Positions are byte numbers of the WAL. A value that "
                           "is not known is left out, so an alert on\n"
                           "it should use `absent()` too. Counters start at 0 with the process and go on "
                           "over restarts of a connector.\n\n"
                           "The right column names the attribute of Debezium's MBean that means the same. "
                           "Its series is there as well, as\n"
                           "`debezium_metrics_ATTRIBUTE{name=\"PREFIX\",plugin=\"postgres\",context=\"...\","
                           "connector=\"...\",task=\"...\"}` in Debezium's\n"
                           "unit, which is the name that Debezium's dashboards use. "
                           "[grafana-dashboard.json](grafana-dashboard.json) is a dashboard\n"
                           "of the left column. What a gateway tells of itself is in "
                           "[GATEWAY.md](GATEWAY.md#metrics).\n\n"
                           "| metric | type | meaning | Debezium |\n|---|---|---|---|\n";

static const char tail[] =
    "\n## Worth an alert\n\n"
    "| when | why |\n|---|---|\n"
    "| `walwire_connector_state{state=\"FAILED\"} == 1` | it needs a person; the reason is in `GET "
    "/connectors/NAME/status` |\n"
    "| `walwire_slot_lag_bytes` keeps rising | changes are not delivered, or not fast enough |\n"
    "| `walwire_slot_safe_bytes` is small | the server will soon drop WAL that is still needed |\n"
    "| `walwire_lag_seconds` over what you promise | readers see old data |\n"
    "| `increase(walwire_run_failures_total[10m]) > 3` | the connector is tried again and again |\n"
    "| `increase(walwire_events_erroneous_total[1h]) > 0` | values that could not be converted were written "
    "as null |\n\n"
    "`debezium_metrics_MilliSecondsBehindSource` of Debezium stays as it was when the stream stands still.\n"
    "Here it grows while something that was read is not delivered.\n\n"
    "## What Debezium has and this has not\n\n"
    "| attribute | instead |\n|---|---|\n"
    "| `LastEvent` | text, which Prometheus cannot hold; `walwire_last_event_lsn` says where it is |\n"
    "| `NumberOfUnchangedEventsSkipped` | in `walwire_events_filtered_total` |\n"
    "| `ChunkId`, `ChunkFrom`, `ChunkTo`, `TableFrom`, `TableTo`, `TableChunkCounts`, "
    "`TableChunksCompletedCounts` | "
    "keys of rows, which do not belong into metrics; progress is `walwire_snapshot_rows_scanned` |\n"
    "| `SnapshotPausedDurationInSeconds` | `walwire_snapshot_paused` over time |\n"
    "| `reset()`, `resetLagBehindSource()` | Prometheus computes over any span of time |\n";

static void put_names(struct buf *out, const struct metric *m)
{
    if (m->name)
        buf_printf(out, "| `%s%s%s%s` | %s | ", m->name, m->more ? "{" : "", m->more ? m->more : "",
                   m->more ? "}" : "", m->type);
    else
        buf_printf(out, "| | %s | ", m->type);
}

static void put_jmx(struct buf *out, const char *jmx, const char *bean)
{
    if (jmx)
        buf_printf(out, "`%s`, %s |\n", jmx, bean);
    else
        buf_str(out, "|\n");
}

void metrics_document(struct buf *out)
{
    buf_str(out, head);
    for (const struct metric *m = metrics_table; m->help; m++) {
        put_names(out, m);
        buf_printf(out, "%s | ", m->help);
        put_jmx(out, m->jmx, m->bean);
    }
    for (const struct metric_other *o = metrics_others; o->name; o++) {
        buf_printf(out, "| `%s` | %s | %s | ", o->name, o->type, o->help);
        put_jmx(out, o->jmx, o->bean);
    }
    buf_str(out, tail);
}
