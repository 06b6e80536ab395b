/* metrics.c - the meters of a process, and their text for Prometheus.
 *
 * What the worker knows of a task (its state, its totals) is there for every connector; what a pipeline has
 * measured is found by the connector's name and the task's number. A connector that is on its way out may
 * have the name of its successor: the meter made last is the one meant. */
#include "metrics.h"

#include "clock.h"
#include "worker.h"
#include "xmalloc.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scanned {
    char *name; /* schema.table */
    uint64_t rows;
};

struct meter {
    struct metrics *owner;
    struct meter *next;
    char *connector, *slot;
    int task;
    struct readings readings;
    struct scanned *tables;
    size_t n_tables;
};

struct metrics {
    pthread_mutex_t lock; /* all meters: what it guards are short copies */
    struct meter *meters; /* the newest first */
};

/* One task while the text is written. */
struct sample {
    const char *connector, *prefix;
    char *slot;
    int task;
    enum connector_state state;
    struct readings r;
};

struct samples {
    struct metrics *m;
    struct buf *out;
    struct sample *items;
    size_t count;
};

/* ---- meters ---- */

void readings_clear(struct readings *r)
{
    *r = (struct readings){0};
    for (int i = 0; i < READING_COUNT; i++)
        r->v[i] = READING_NONE;
}

struct metrics *metrics_new(void)
{
    struct metrics *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

struct meter *meter_new(struct metrics *m, const char *connector, int task, const char *slot)
{
    if (!m)
        return NULL;
    struct meter *meter = xcalloc(1, sizeof *meter);
    *meter = (struct meter){.owner = m, .connector = xstrdup(connector), .slot = xstrdup(slot), .task = task};
    readings_clear(&meter->readings);
    pthread_mutex_lock(&m->lock);
    meter->next = m->meters;
    m->meters = meter;
    pthread_mutex_unlock(&m->lock);
    return meter;
}

static void tables_drop(struct meter *meter)
{
    for (size_t i = 0; i < meter->n_tables; i++)
        free(meter->tables[i].name);
    free(meter->tables);
    meter->tables = NULL;
    meter->n_tables = 0;
}

void meter_free(struct meter *meter)
{
    if (!meter)
        return;
    pthread_mutex_lock(&meter->owner->lock);
    struct meter **at = &meter->owner->meters;
    while (*at != meter)
        at = &(*at)->next;
    *at = meter->next;
    pthread_mutex_unlock(&meter->owner->lock);
    tables_drop(meter);
    free(meter->connector);
    free(meter->slot);
    free(meter);
}

void meter_publish(struct meter *meter, const struct readings *r)
{
    if (!meter)
        return;
    pthread_mutex_lock(&meter->owner->lock);
    meter->readings = *r;
    pthread_mutex_unlock(&meter->owner->lock);
}

void meter_read(struct meter *meter, struct readings *out)
{
    readings_clear(out);
    if (!meter)
        return;
    pthread_mutex_lock(&meter->owner->lock);
    *out = meter->readings;
    pthread_mutex_unlock(&meter->owner->lock);
}

/* Asked for the same table many times in a row: it is the last one, or near it. */
static struct scanned *table_find(struct meter *meter, const char *name)
{
    for (size_t i = meter->n_tables; i > 0; i--)
        if (strcmp(meter->tables[i - 1].name, name) == 0)
            return &meter->tables[i - 1];
    meter->tables = xrealloc(meter->tables, (meter->n_tables + 1) * sizeof *meter->tables);
    meter->tables[meter->n_tables] = (struct scanned){.name = xstrdup(name)};
    return &meter->tables[meter->n_tables++];
}

void meter_table(struct meter *meter, const char *schema, const char *table, uint64_t rows)
{
    if (!meter)
        return;
    char *name = xasprintf("%s.%s", schema, table);
    pthread_mutex_lock(&meter->owner->lock);
    table_find(meter, name)->rows = rows;
    pthread_mutex_unlock(&meter->owner->lock);
    free(name);
}

void meter_tables_clear(struct meter *meter)
{
    if (!meter)
        return;
    pthread_mutex_lock(&meter->owner->lock);
    tables_drop(meter);
    pthread_mutex_unlock(&meter->owner->lock);
}

/* ---- text ---- */

static void put_escaped(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_char(b, '\\');
        buf_str(b, *text == '\n' ? "\\n" : (char[]){*text, 0});
    }
}

static void put_head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* name{connector="c",task="0" - the brace is left open. */
static void put_task(struct buf *b, const char *name, const struct sample *s)
{
    buf_printf(b, "%s{connector=\"", name);
    put_escaped(b, s->connector);
    buf_printf(b, "\",task=\"%d\"", s->task);
}

static void put_label(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, ",%s=\"", name);
    put_escaped(b, value);
    buf_char(b, '"');
}

static void put_scaled(struct buf *b, int64_t value, double scale)
{
    if (scale == 1)
        buf_printf(b, "%lld\n", (long long)value);
    else
        buf_printf(b, "%.15g\n", (double)value * scale);
}

static void put_metric(struct samples *all, const struct metric *m, bool first)
{
    if (first)
        put_head(all->out, m->name, m->type, m->help);
    for (size_t i = 0; i < all->count; i++) {
        const struct sample *s = &all->items[i];
        if (s->r.v[m->reading] == READING_NONE)
            continue;
        put_task(all->out, m->name, s);
        if (m->label == LABEL_SLOT)
            put_label(all->out, "slot", s->slot);
        if (m->more)
            buf_printf(all->out, ",%s", m->more);
        buf_str(all->out, "} ");
        put_scaled(all->out, s->r.v[m->reading], m->scale);
    }
}

static bool alias_is_first(const struct metric *m)
{
    for (const struct metric *before = metrics_table; before < m; before++)
        if (before->jmx && strcmp(before->jmx, m->jmx) == 0)
            return false;
    return true;
}

/* Attributes that both beans have are one metric: their rows follow the first one. */
static void put_alias(struct samples *all, const struct metric *m)
{
    if (!m->jmx || !alias_is_first(m))
        return;
    buf_printf(all->out, "# HELP debezium_metrics_%s %s\n# TYPE debezium_metrics_%s %s\n", m->jmx, m->help,
               m->jmx, m->type);
    for (const struct metric *at = m; at->help; at++) {
        if (!at->jmx || strcmp(at->jmx, m->jmx) != 0)
            continue;
        for (size_t i = 0; i < all->count; i++) {
            const struct sample *s = &all->items[i];
            if (s->r.v[at->reading] == READING_NONE)
                continue;
            buf_printf(all->out, "debezium_metrics_%s{name=\"", at->jmx);
            put_escaped(all->out, s->prefix);
            buf_printf(all->out, "\",plugin=\"postgres\",context=\"%s\"", at->bean);
            put_label(all->out, "connector", s->connector);
            buf_printf(all->out, ",task=\"%d\"} ", s->task);
            put_scaled(all->out, s->r.v[at->reading], at->jmx_scale);
        }
    }
}

static void put_other_head(struct samples *all, int which)
{
    const struct metric_other *o = &metrics_others[which];
    put_head(all->out, o->name, o->type, o->help);
}

static void put_states(struct samples *all)
{
    put_other_head(all, OTHER_STATE);
    for (size_t i = 0; i < all->count; i++)
        for (int state = STATE_UNASSIGNED; state <= STATE_RESTARTING; state++) {
            put_task(all->out, metrics_others[OTHER_STATE].name, &all->items[i]);
            put_label(all->out, "state", connector_state_name(state));
            buf_printf(all->out, "} %d\n", (int)all->items[i].state == state);
        }
}

static void put_buckets(struct samples *all, const char *name, const struct sample *s,
                        const struct histogram *h)
{
    uint64_t sum = 0;
    for (int i = 0; i <= HISTOGRAM_STEPS; i++) {
        sum += h->counts[i];
        buf_printf(all->out, "%s_bucket{connector=\"", name);
        put_escaped(all->out, s->connector);
        buf_printf(all->out, "\",task=\"%d\",le=\"", s->task);
        if (i < HISTOGRAM_STEPS)
            buf_printf(all->out, "%g\"} %llu\n", histogram_steps[i], (unsigned long long)sum);
        else
            buf_printf(all->out, "+Inf\"} %llu\n", (unsigned long long)sum);
    }
    static const char *const ends[] = {"_sum", "_count"};
    for (int i = 0; i < 2; i++) {
        buf_printf(all->out, "%s%s{connector=\"", name, ends[i]);
        put_escaped(all->out, s->connector);
        buf_printf(all->out, "\",task=\"%d\"} %.17g\n", s->task, i ? (double)sum : (double)h->sum_us / 1e6);
    }
}

static void put_histograms(struct samples *all)
{
    for (int which = OTHER_DELIVERY; which <= OTHER_LAG; which++) {
        put_other_head(all, which);
        for (size_t i = 0; i < all->count; i++) {
            const struct sample *s = &all->items[i];
            put_buckets(all, metrics_others[which].name, s,
                        which == OTHER_DELIVERY ? &s->r.delivery : &s->r.lag);
        }
    }
}

static void put_scanned(struct samples *all, const char *name, const struct sample *s, bool alias)
{
    struct metrics *m = all->m;
    pthread_mutex_lock(&m->lock);
    struct meter *meter = m->meters;
    while (meter && (meter->task != s->task || strcmp(meter->connector, s->connector) != 0))
        meter = meter->next;
    for (size_t i = 0; meter && i < meter->n_tables; i++) {
        put_task(all->out, name, s);
        put_label(all->out, "table", meter->tables[i].name);
        if (alias) {
            put_label(all->out, "name", s->prefix);
            buf_str(all->out, ",plugin=\"postgres\",context=\"snapshot\"");
        }
        buf_printf(all->out, "} %llu\n", (unsigned long long)meter->tables[i].rows);
    }
    pthread_mutex_unlock(&m->lock);
}

static void put_rows_scanned(struct samples *all)
{
    const struct metric_other *o = &metrics_others[OTHER_ROWS_SCANNED];
    put_other_head(all, OTHER_ROWS_SCANNED);
    for (size_t i = 0; i < all->count; i++)
        put_scanned(all, o->name, &all->items[i], false);
    put_head(all->out, "debezium_metrics_RowsScanned", o->type, o->help);
    for (size_t i = 0; i < all->count; i++)
        put_scanned(all, "debezium_metrics_RowsScanned", &all->items[i], true);
}

/* ---- the process ---- */

static size_t count_files(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (const struct dirent *d; dir && (d = readdir(dir));)
        n += d->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n ? n - 1 : 0; /* the directory's own */
}

static double boot_seconds(void)
{
    struct timespec mono, wall;
    clock_gettime(CLOCK_BOOTTIME, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (double)(wall.tv_sec - mono.tv_sec) + (double)(wall.tv_nsec - mono.tv_nsec) / 1e9;
}

static void put_value(struct samples *all, int which, double value)
{
    put_other_head(all, which);
    buf_printf(all->out, "%s %.17g\n", metrics_others[which].name, value);
}

/* proc(5): the fields behind the program's name, which may have blanks in it. */
static void put_process(struct samples *all)
{
    char text[1024] = "";
    FILE *f = fopen("/proc/self/stat", "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    const char *at = strrchr(text, ')');
    unsigned long long user, system, start, size;
    long threads, pages;
    if (at &&
        sscanf(at + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %ld %*d %llu %llu %ld",
               &user, &system, &threads, &start, &size, &pages) == 6) {
        double tick = (double)sysconf(_SC_CLK_TCK);
        put_value(all, OTHER_RSS, (double)pages * (double)sysconf(_SC_PAGESIZE));
        put_value(all, OTHER_VIRTUAL, (double)size);
        put_value(all, OTHER_CPU, (double)(user + system) / tick);
        put_value(all, OTHER_START, boot_seconds() + (double)start / tick);
        put_value(all, OTHER_THREADS, (double)threads);
    }
    put_value(all, OTHER_FDS, (double)count_files());
    put_other_head(all, OTHER_BUILD);
    BUF_LIT(all->out, "walwire_build_info{version=\"" WALWIRE_VERSION "\"} 1\n");
}

/* ---- samples ---- */

/* What its meter says, where it says anything. */
static void sample_measure(struct metrics *m, struct sample *s)
{
    pthread_mutex_lock(&m->lock);
    struct meter *meter = m->meters;
    while (meter && (meter->task != s->task || strcmp(meter->connector, s->connector) != 0))
        meter = meter->next;
    if (meter) {
        s->r.delivery = meter->readings.delivery;
        s->r.lag = meter->readings.lag;
        for (int i = 0; i < READING_COUNT; i++)
            if (meter->readings.v[i] != READING_NONE)
                s->r.v[i] = meter->readings.v[i];
        s->slot = xstrdup(meter->slot);
    }
    pthread_mutex_unlock(&m->lock);
}

static void sample_status(struct sample *s, const struct connector_status *status)
{
    int64_t *v = s->r.v;
    const char *step = status->step ? status->step : "";
    bool reads = strcmp(step, "stream") == 0 || strcmp(step, "snapshot") == 0 || strcmp(step, "drain") == 0 ||
                 strcmp(step, "idle") == 0;
    v[READ_EVENTS] = (int64_t)status->events;
    v[READ_TRANSACTIONS] = (int64_t)status->transactions;
    v[READ_BYTES] = (int64_t)status->bytes;
    v[READ_LAG_MS] = status->lag_ms < 0 ? READING_NONE : status->lag_ms;
    v[READ_RECEIVED_LSN] = (int64_t)status->received;
    v[READ_FLUSHED_LSN] = (int64_t)status->flushed;
    v[READ_CONNECTED] = status->state == STATE_RUNNING && reads;
    v[READ_SNAPSHOT_RUNNING] = status->snapshot_running;
}

/* What changes with the clock, and what ended with the session. */
static void sample_finish(struct sample *s)
{
    int64_t *v = s->r.v, now = clock_wall_ms();
    if (v[READ_LAST_EVENT_MS] != READING_NONE)
        v[READ_IDLE_MS] = now > v[READ_LAST_EVENT_MS] ? now - v[READ_LAST_EVENT_MS] : 0;
    if (v[READ_SNAPSHOT_RUNNING] == 1 && v[READ_SNAPSHOT_START_MS] != READING_NONE)
        v[READ_SNAPSHOT_MS] = now - v[READ_SNAPSHOT_START_MS];
    if (v[READ_CONNECTED] != 1)
        for (int i = READ_QUEUE_BATCHES; i <= READ_SLOT_SAFE; i++)
            v[i] = READING_NONE;
    if (!s->slot)
        s->slot = xstrdup("");
}

static void add_tasks(struct samples *all, const struct worker_view *v)
{
    all->items = xrealloc(all->items, (all->count + (size_t)v->n_tasks + 1) * sizeof *all->items);
    for (int i = 0; i < v->n_tasks; i++) {
        struct sample *s = &all->items[all->count++];
        *s = (struct sample){.connector = v->name, .task = i, .state = v->tasks[i].state};
        s->prefix = props_get_or(v->config, "topic.prefix", "");
        readings_clear(&s->r);
        sample_status(s, &v->tasks[i]);
        sample_measure(all->m, s);
        sample_finish(s);
    }
    if (v->broken) { /* there is no task to ask */
        struct sample *s = &all->items[all->count++];
        *s = (struct sample){.connector = v->name, .prefix = "", .slot = xstrdup(""), .state = STATE_FAILED};
        readings_clear(&s->r);
    }
}

static void put_all(struct samples *all)
{
    put_states(all);
    const char *name = "";
    for (const struct metric *m = metrics_table; m->help; m++) {
        if (m->name)
            put_metric(all, m, strcmp(m->name, name) != 0);
        name = m->name ? m->name : "";
    }
    for (const struct metric *m = metrics_table; m->help; m++)
        put_alias(all, m);
    put_rows_scanned(all);
    put_histograms(all);
    put_process(all);
}

void metrics_write(struct metrics *m, struct worker *worker, struct buf *out)
{
    struct samples all = {.m = m, .out = out};
    char **names = worker_names(worker);
    size_t n = 0, found = 0;
    while (names[n])
        n++;
    struct worker_view *views = xcalloc(n + 1, sizeof *views);
    for (size_t i = 0; i < n; i++)
        found += worker_look(worker, names[i], &views[found]) == WORKER_OK;
    for (size_t i = 0; i < found; i++)
        add_tasks(&all, &views[i]);
    put_all(&all);
    for (size_t i = 0; i < all.count; i++)
        free(all.items[i].slot);
    free(all.items);
    for (size_t i = 0; i < found; i++)
        worker_view_free(&views[i]);
    free(views);
    free(names);
}
