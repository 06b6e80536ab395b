/* types_interval.c - interval, as microseconds or as ISO 8601.
 *
 * Surprising: seconds go through a double on their way to ISO text and are cut to nanoseconds there, so that
 * some end in 999; a month has 30.4375 days. Source: io.debezium.time.MicroDuration,
 * io.debezium.time.Interval; pgjdbc's PGInterval. */
#include "codec.h"

#include "json.h"
#include "moment.h"

#include <stdio.h>

enum { ISO_MOST = 192 };

static bool interval_shape(struct codec *c, struct schema *s, struct arena *a)
{
    bool text = c->modes->interval == INTERVAL_STRING;
    *s = (struct schema){
        .type = text ? SCHEMA_STRING : SCHEMA_INT64,
        .name = text ? "io.debezium.time.Interval" : "io.debezium.time.MicroDuration",
        .version = 1,
    };
    return true;
}

/* PGInterval.getSeconds: the sum of two doubles, not the nearest to the decimal. */
static double seconds_of(int64_t us)
{
    return (double)(us / 1000000) + (double)(us % 1000000) / 1000000.0;
}

/* MicroDuration.durationMicros, step by step as Java does it: no step may be fused with the next. */
static int64_t interval_micros(const struct interval *iv)
{
    volatile double days = (double)(iv->years * 12 + iv->months) * (365.25 / 12.0);
    days += (double)iv->days;
    volatile double seconds = days * 24;
    seconds += (double)iv->hours;
    seconds *= 60;
    seconds += (double)iv->minutes;
    seconds *= 60;
    seconds += seconds_of(iv->us);
    double us = seconds * 1e6;
    if (us >= 0x1p63)
        return INT64_MAX;
    return us < -0x1p63 ? INT64_MIN : (int64_t)us;
}

/* The seconds as BigDecimal.valueOf(double) cut to nine digits has them: where the double lies below the
 * decimal, one nanosecond less. With the S behind them. */
static int put_seconds(char *out, size_t room, int64_t us)
{
    double have = seconds_of(us), want = (double)us / 1e6;
    int64_t ns = us * 1000;
    if (have != want && (have < 0 ? have > want : have < want))
        ns -= us < 0 ? -1 : 1;
    char fraction[16];
    int64_t size = ns < 0 ? -ns : ns;
    int n = snprintf(fraction, sizeof fraction, "%09lld", (long long)(size % 1000000000));
    while (n > 0 && fraction[n - 1] == '0')
        n--;
    fraction[n] = 0;
    return snprintf(out, room, "%s%lld%s%sS", ns < 0 ? "-" : "", (long long)(size / 1000000000), n ? "." : "",
                    fraction);
}

static struct slice interval_iso(const struct interval *iv, char out[ISO_MOST])
{
    int n =
        snprintf(out, ISO_MOST, "P%lldY%lldM%lldDT%lldH%lldM", (long long)iv->years, (long long)iv->months,
                 (long long)iv->days, (long long)iv->hours, (long long)iv->minutes);
    n += put_seconds(out + n, ISO_MOST - (size_t)n, iv->us);
    return (struct slice){out, (size_t)n};
}

static bool bad_text(struct err *e)
{
    return err_set(e, ERR_DATA, "malformed text of an interval");
}

static bool interval_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                           struct err *e)
{
    struct interval iv;
    char iso[ISO_MOST];
    if (!interval_parse(text, &iv))
        return bad_text(e);
    if (c->modes->interval == INTERVAL_STRING)
        *out = value_string(arena_slice(a, interval_iso(&iv, iso)));
    else
        *out = value_int(interval_micros(&iv));
    return true;
}

static bool interval_write(const struct codec *c, struct slice text, struct buf *b,
                           const struct json_style *style, struct err *e)
{
    struct interval iv;
    char iso[ISO_MOST];
    if (!interval_parse(text, &iv))
        return bad_text(e);
    if (c->modes->interval == INTERVAL_STRING)
        json_string(b, interval_iso(&iv, iso));
    else
        buf_i64(b, interval_micros(&iv));
    return true;
}

static bool interval_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    struct err ignored;
    return interval_value(c, literal, a, out, &ignored);
}

static void interval_absent(const struct codec *c, struct arena *a, struct value *out)
{
    interval_preset(c, SLICE("00:00:00"), a, out);
}

const struct type_rule type_rules_interval[] = {
    {.name = "interval",
     .shape = interval_shape,
     .value = interval_value,
     .write = interval_write,
     .absent = interval_absent,
     .preset = interval_preset},
    {.name = NULL},
};
