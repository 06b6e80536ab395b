/* types_time.c - date, time, timetz, timestamp, timestamptz, in every time.precision.mode.
 *
 * Surprising, and all of it Debezium's: infinity is a number by type and mode; microseconds of a timestamp
 * beyond Java's long stop at its limit and then wrap; 24:00:00 is 00:00:00Z as ISO text, but 24:00:00Z as a
 * timetz. In snapshots and in arrays a date goes through java.sql.Date, which loses the era;
 * in arrays a timestamp goes through java.util's calendar, which is Julian before 1582-10-15, and a time
 * through java.sql.Time, which has milliseconds and no 24:00. Not so with walwire.calendar.
 */
#include "codec.h"

#include "moment.h"

enum { FRACTION_PRESET = 6 };
enum { TEXT_MOST = 2 * MOMENT_TEXT_MOST }; /* a date and a time */

/* A result on its way out: a number or a short text. */
struct shown {
    bool is_text;
    int64_t number;
    size_t len;
    char text[TEXT_MOST];
};

typedef bool show_fn(const struct codec *c, struct slice text, struct shown *out, struct err *e);

static bool bad_text(const struct codec *c, struct err *e)
{
    return err_set(e, ERR_DATA, "malformed text of a %s, or more than its mode can hold", c->type->name);
}

static bool show_number(struct shown *out, int64_t n)
{
    out->is_text = false;
    out->number = n;
    return true;
}

static bool show_text(struct shown *out, const char *text)
{
    out->is_text = true;
    out->len = strlen(text);
    memcpy(out->text, text, out->len);
    return true;
}

/* `end` is one behind what was put into out->text; a Z is added. */
static bool show_zulu(struct shown *out, char *end)
{
    *end++ = 'Z';
    out->is_text = true;
    out->len = (size_t)(end - out->text);
    return true;
}

static void value_of(const struct shown *s, struct arena *a, struct value *out)
{
    if (s->is_text)
        *out = value_string(arena_slice(a, (struct slice){s->text, s->len}));
    else
        *out = value_int(s->number);
}

static bool show_value(show_fn *show, const struct codec *c, struct slice text, struct arena *a,
                       struct value *out, struct err *e)
{
    struct shown s;
    if (!show(c, text, &s, e))
        return false;
    value_of(&s, a, out);
    return true;
}

static bool show_write(show_fn *show, const struct codec *c, struct slice text, struct buf *b, struct err *e)
{
    struct shown s;
    if (!show(c, text, &s, e))
        return false;
    if (!s.is_text) {
        buf_i64(b, s.number);
        return true;
    }
    char *at = buf_room(b, s.len + 2);
    at[0] = '"';
    memcpy(at + 1, s.text, s.len);
    at[s.len + 1] = '"';
    buf_added(b, s.len + 2);
    return true;
}

static bool named(struct schema *s, enum schema_type type, const char *name)
{
    *s = (struct schema){.type = type, .name = name, .version = 1};
    return true;
}

static void scale_set(struct codec *c)
{
    c->scale = c->typmod >= 0 && c->typmod < FRACTION_PRESET ? c->typmod : FRACTION_PRESET;
}

/* ---- date ---- */

static bool date_shape(struct codec *c, struct schema *s, struct arena *a)
{
    if (c->modes->time == TIME_ISOSTRING)
        return named(s, SCHEMA_STRING, "io.debezium.time.IsoDate");
    if (c->modes->time == TIME_CONNECT)
        return named(s, SCHEMA_INT32, "org.apache.kafka.connect.data.Date");
    return named(s, SCHEMA_INT32, "io.debezium.time.Date");
}

static bool date_days(const struct codec *c, int64_t days, struct shown *out)
{
    if (c->modes->time == TIME_ISOSTRING)
        return show_zulu(out, moment_put_date(out->text, days));
    return show_number(out, (int32_t)(uint32_t)(uint64_t)days);
}

/* Infinities are those of pgjdbc: the day of 292278994-08-16, and of 292269055-12-02 BC without its era. */
static const int64_t SQL_LAST_DAY = INT64_C(106751991166), SQL_FIRST_DAY = INT64_C(106748361128);

static bool date_of_sql(const struct codec *c, const struct moment *m, struct shown *out)
{
    int64_t days;
    if (m->infinity)
        return date_days(c, m->infinity > 0 ? SQL_LAST_DAY : SQL_FIRST_DAY, out);
    return moment_sql_date(m->days, &days) && date_days(c, days, out);
}

static bool date_show(const struct codec *c, struct slice text, struct shown *out, struct err *e)
{
    struct moment m;
    if (!moment_parse(text, MOMENT_DATE, &m))
        return bad_text(c, e);
    if ((c->modes->snapshot || c->nested) && !c->modes->better.calendar)
        return date_of_sql(c, &m, out) || bad_text(c, e);
    if (m.infinity)
        return date_days(c, m.infinity > 0 ? INT64_C(2146033979) : INT64_C(-2147472691), out);
    return date_days(c, m.days, out);
}

static bool date_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    return show_value(date_show, c, text, a, out, e);
}

static bool date_write(const struct codec *c, struct slice text, struct buf *b,
                       const struct json_style *style, struct err *e)
{
    return show_write(date_show, c, text, b, e);
}

/* The end of Java's LocalDate, of which an int keeps the low half. */
static const int64_t JAVA_LAST_DAY = INT64_C(365241780471), JAVA_FIRST_DAY = INT64_C(-365243219162);

static bool date_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    struct moment m;
    struct shown s;
    if (!moment_parse(literal, MOMENT_DATE | MOMENT_TIME | MOMENT_OFFSET | MOMENT_LAX, &m))
        return false;
    if (m.infinity)
        m.days = m.infinity > 0 ? JAVA_LAST_DAY : JAVA_FIRST_DAY;
    date_days(c, m.days, &s);
    value_of(&s, a, out);
    return true;
}

static void date_absent(const struct codec *c, struct arena *a, struct value *out)
{
    date_preset(c, SLICE("1970-01-01"), a, out);
}

/* ---- time ---- */

/* One of the four forms that a time or timestamp has. */
enum unit { UNIT_MILLIS, UNIT_MICROS, UNIT_NANOS, UNIT_ISO };

static enum unit time_unit(const struct codec *c)
{
    switch (c->modes->time) {
    case TIME_ADAPTIVE:
        return c->scale <= 3 ? UNIT_MILLIS : UNIT_MICROS;
    case TIME_ADAPTIVE_MICROS:
    case TIME_MICROS:
        return UNIT_MICROS;
    case TIME_CONNECT:
        return UNIT_MILLIS;
    case TIME_ISOSTRING:
        return UNIT_ISO;
    case TIME_NANOS:
        break;
    }
    return UNIT_NANOS;
}

static bool time_shape(struct codec *c, struct schema *s, struct arena *a)
{
    scale_set(c);
    if (c->modes->time == TIME_CONNECT)
        return named(s, SCHEMA_INT32, "org.apache.kafka.connect.data.Time");
    switch (time_unit(c)) {
    case UNIT_MILLIS:
        return named(s, SCHEMA_INT32, "io.debezium.time.Time");
    case UNIT_MICROS:
        return named(s, SCHEMA_INT64, "io.debezium.time.MicroTime");
    case UNIT_NANOS:
        return named(s, SCHEMA_INT64, "io.debezium.time.NanoTime");
    case UNIT_ISO:
        break;
    }
    return named(s, SCHEMA_STRING, "io.debezium.time.IsoTime");
}

static bool time_nanos(const struct codec *c, int64_t ns, struct shown *out)
{
    switch (time_unit(c)) {
    case UNIT_MILLIS:
        return show_number(out, ns / 1000000);
    case UNIT_MICROS:
        return show_number(out, ns / 1000);
    case UNIT_NANOS:
        return show_number(out, ns);
    case UNIT_ISO:
        break;
    }
    return show_zulu(out, moment_put_time(out->text, ns / 1000 % DAY_US, -1));
}

static bool time_show(const struct codec *c, struct slice text, struct shown *out, struct err *e)
{
    struct moment m;
    if (!moment_parse(text, MOMENT_TIME, &m))
        return bad_text(c, e);
    if (c->nested && !c->modes->better.calendar)
        m.us = m.us % DAY_US / 1000 * 1000;
    return time_nanos(c, m.us * 1000, out);
}

static bool time_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                       struct err *e)
{
    return show_value(time_show, c, text, a, out, e);
}

static bool time_write(const struct codec *c, struct slice text, struct buf *b,
                       const struct json_style *style, struct err *e)
{
    return show_write(time_show, c, text, b, e);
}

/* A default goes through LocalTime, where 24:00:00 becomes the last nanosecond of the day. */
static bool time_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    struct moment m;
    struct shown s;
    if (!moment_parse(literal, MOMENT_TIME | MOMENT_LAX, &m))
        return false;
    if (m.us < DAY_US)
        time_nanos(c, m.us * 1000, &s);
    else if (time_unit(c) == UNIT_ISO)
        show_text(&s, "23:59:59.999999999Z");
    else
        time_nanos(c, DAY_US * 1000 - 1, &s);
    value_of(&s, a, out);
    return true;
}

static void time_absent(const struct codec *c, struct arena *a, struct value *out)
{
    time_preset(c, SLICE("00:00"), a, out);
}

/* ---- timetz ---- */

static bool timetz_shape(struct codec *c, struct schema *s, struct arena *a)
{
    return named(s, SCHEMA_STRING, "io.debezium.time.ZonedTime");
}

static bool timetz_show(const struct codec *c, struct slice text, struct shown *out, struct err *e)
{
    struct moment m;
    if (!moment_parse(text, MOMENT_TIME | MOMENT_OFFSET, &m) || m.seconds)
        return bad_text(c, e);
    if (m.us == DAY_US && m.offset == 0)
        return show_text(out, "24:00:00Z");
    moment_utc(&m);
    return show_zulu(out, moment_put_time(out->text, m.us, -1));
}

static bool timetz_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                         struct err *e)
{
    return show_value(timetz_show, c, text, a, out, e);
}

static bool timetz_write(const struct codec *c, struct slice text, struct buf *b,
                         const struct json_style *style, struct err *e)
{
    return show_write(timetz_show, c, text, b, e);
}

static void timetz_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_string(SLICE("00:00:00Z"));
}

/* ---- timestamp ---- */

static enum unit timestamp_unit(const struct codec *c)
{
    return c->modes->time == TIME_ADAPTIVE_MICROS && c->scale <= 3 ? UNIT_MILLIS : time_unit(c);
}

static bool timestamp_shape(struct codec *c, struct schema *s, struct arena *a)
{
    scale_set(c);
    if (c->modes->time == TIME_CONNECT)
        return named(s, SCHEMA_INT64, "org.apache.kafka.connect.data.Timestamp");
    switch (timestamp_unit(c)) {
    case UNIT_MILLIS:
        return named(s, SCHEMA_INT64, "io.debezium.time.Timestamp");
    case UNIT_MICROS:
        return named(s, SCHEMA_INT64, "io.debezium.time.MicroTimestamp");
    case UNIT_NANOS:
        return named(s, SCHEMA_INT64, "io.debezium.time.NanoTimestamp");
    case UNIT_ISO:
        break;
    }
    return named(s, SCHEMA_STRING, "io.debezium.time.IsoTimestamp");
}

/* Java's TimeUnit.SECONDS.toMicros stops at the ends of a long; the fraction added behind it then wraps. */
static int64_t timestamp_micros(const struct moment *m)
{
    int64_t seconds = m->days * 86400 + m->us / 1000000, us;
    if (__builtin_mul_overflow(seconds, 1000000, &us))
        us = seconds < 0 ? INT64_MIN : INT64_MAX;
    return (int64_t)((uint64_t)us + (uint64_t)(m->us % 1000000));
}

static bool timestamp_nanos(const struct moment *m, int64_t *ns)
{
    return !__builtin_mul_overflow(m->days, DAY_US * 1000, ns) &&
           !__builtin_add_overflow(*ns, m->us * 1000, ns);
}

static bool infinity_show(const struct codec *c, bool positive, struct shown *out)
{
    switch (timestamp_unit(c)) {
    case UNIT_MILLIS:
        return show_number(out, positive ? INT64_C(9223372036825200000) : INT64_C(-9223372036832400000));
    case UNIT_MICROS:
    case UNIT_NANOS:
        return show_number(out, positive ? INT64_MAX : INT64_MIN);
    case UNIT_ISO:
        break;
    }
    return show_text(out, positive ? "+292278994-08-16T23:00:00Z" : "-292275055-05-16T23:00:00Z");
}

static bool timestamp_finite(const struct codec *c, const struct moment *m, struct shown *out)
{
    switch (timestamp_unit(c)) {
    case UNIT_MILLIS:
        return show_number(out, m->days * 86400000 + m->us / 1000);
    case UNIT_MICROS:
        return show_number(out, timestamp_micros(m));
    case UNIT_NANOS:
        out->is_text = false;
        return timestamp_nanos(m, &out->number);
    case UNIT_ISO:
        break;
    }
    char *end = moment_put_date(out->text, m->days);
    *end++ = 'T';
    return show_zulu(out, moment_put_time(end, m->us, -1));
}

static bool timestamp_show(const struct codec *c, struct slice text, struct shown *out, struct err *e)
{
    struct moment m;
    if (!moment_parse(text, MOMENT_DATE | MOMENT_TIME, &m) || m.us == DAY_US)
        return bad_text(c, e);
    if (m.infinity)
        return infinity_show(c, m.infinity > 0, out);
    if (c->nested && !c->modes->better.calendar)
        m.days = moment_julian(m.days);
    return timestamp_finite(c, &m, out) || bad_text(c, e);
}

static bool timestamp_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                            struct err *e)
{
    return show_value(timestamp_show, c, text, a, out, e);
}

static bool timestamp_write(const struct codec *c, struct slice text, struct buf *b,
                            const struct json_style *style, struct err *e)
{
    return show_write(timestamp_show, c, text, b, e);
}

/* A default's infinity is Java's OffsetDateTime.MAX or MIN. */
static bool infinity_preset(const struct codec *c, bool positive, struct shown *out)
{
    if (timestamp_unit(c) == UNIT_ISO)
        return show_text(out,
                         positive ? "+999999999-12-31T23:59:59.999999999Z" : "-999999999-01-01T00:00:00Z");
    if (timestamp_unit(c) != UNIT_MICROS)
        return false;
    struct moment m = {.days = positive ? JAVA_LAST_DAY : JAVA_FIRST_DAY, .us = positive ? DAY_US - 1 : 0};
    return show_number(out, timestamp_micros(&m));
}

enum { ANY_TIMESTAMP = MOMENT_DATE | MOMENT_TIME | MOMENT_OFFSET | MOMENT_LAX };

static bool timestamp_preset(const struct codec *c, struct slice literal, struct arena *a, struct value *out)
{
    struct moment m;
    struct shown s;
    if (!moment_parse(literal, ANY_TIMESTAMP, &m))
        return false;
    if (m.infinity ? !infinity_preset(c, m.infinity > 0, &s) : !timestamp_finite(c, &m, &s))
        return false;
    value_of(&s, a, out);
    return true;
}

static void timestamp_absent(const struct codec *c, struct arena *a, struct value *out)
{
    timestamp_preset(c, SLICE("1970-01-01"), a, out);
}

/* ---- timestamptz ---- */

static bool timestamptz_shape(struct codec *c, struct schema *s, struct arena *a)
{
    scale_set(c);
    return named(s, SCHEMA_STRING, "io.debezium.time.ZonedTimestamp");
}

static bool timestamptz_finite(const struct codec *c, struct moment *m, struct shown *out)
{
    moment_utc(m);
    char *end = moment_put_date(out->text, m->days);
    *end++ = 'T';
    return show_zulu(out, moment_put_time(end, m->us, c->scale > 0 ? c->scale : -1));
}

static bool timestamptz_show(const struct codec *c, struct slice text, struct shown *out, struct err *e)
{
    struct moment m;
    if (!moment_parse(text, MOMENT_DATE | MOMENT_TIME | MOMENT_OFFSET, &m))
        return bad_text(c, e);
    bool by_sql = c->nested && !c->modes->better.calendar;
    if (m.infinity && (m.infinity > 0 || !by_sql))
        return show_text(out, m.infinity > 0 ? "infinity" : "-infinity");
    if (m.infinity) { /* of the two, Debezium takes this one for a date */
        m = (struct moment){.days = SQL_FIRST_DAY, .us = DAY_US / 24 * 23};
        return timestamptz_finite(c, &m, out);
    }
    moment_utc(&m);
    if (by_sql && !moment_sql_date(m.days, &m.days))
        return bad_text(c, e);
    return timestamptz_finite(c, &m, out);
}

static bool timestamptz_value(const struct codec *c, struct slice text, struct arena *a, struct value *out,
                              struct err *e)
{
    return show_value(timestamptz_show, c, text, a, out, e);
}

static bool timestamptz_write(const struct codec *c, struct slice text, struct buf *b,
                              const struct json_style *style, struct err *e)
{
    return show_write(timestamptz_show, c, text, b, e);
}

static bool timestamptz_preset(const struct codec *c, struct slice literal, struct arena *a,
                               struct value *out)
{
    struct moment m;
    struct shown s;
    if (!moment_parse(literal, ANY_TIMESTAMP, &m) || m.infinity)
        return false;
    timestamptz_finite(c, &m, &s);
    value_of(&s, a, out);
    return true;
}

/* Without the fraction that values have. */
static void timestamptz_absent(const struct codec *c, struct arena *a, struct value *out)
{
    *out = value_string(SLICE("1970-01-01T00:00:00Z"));
}

const struct type_rule type_rules_time[] = {
    {.name = "date",
     .shape = date_shape,
     .value = date_value,
     .write = date_write,
     .absent = date_absent,
     .preset = date_preset},
    {.name = "time",
     .shape = time_shape,
     .value = time_value,
     .write = time_write,
     .absent = time_absent,
     .preset = time_preset},
    {.name = "timetz",
     .shape = timetz_shape,
     .value = timetz_value,
     .write = timetz_write,
     .absent = timetz_absent},
    {.name = "timestamp",
     .shape = timestamp_shape,
     .value = timestamp_value,
     .write = timestamp_write,
     .absent = timestamp_absent,
     .preset = timestamp_preset},
    {.name = "timestamptz",
     .shape = timestamptz_shape,
     .value = timestamptz_value,
     .write = timestamptz_write,
     .absent = timestamptz_absent,
     .preset = timestamptz_preset},
    {.name = NULL},
};
