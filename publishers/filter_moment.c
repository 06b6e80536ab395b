/* filter_moment.c - dates and times as numbers, from ISO-8601 and from what PostgreSQL writes.
 *
 * The epoch is PostgreSQL's, 2000-01-01: its last timestamp does not fit when counted from 1970. */
#include "filter_value.h"

#include <stdio.h>

static const int64_t DAY_US = INT64_C(86400) * 1000000;
static const int64_t LEAST_DAY = -2451545;      /* 4714-11-24 BC, which is Julian day 0 */
static const int64_t END_TIMESTAMP = 106751983; /* days: 294277-01-01 */
static const int64_t END_DATE = 2145031949;     /* 5874898-01-01 */

/* Days since 2000-01-01 in the Gregorian calendar, whose years are counted through 0 (1 BC). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 730425;
}

static void civil_of(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 730425, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

/* Takes `least` to `most` digits off the front. */
static bool digits(struct slice *s, size_t least, size_t most, int64_t *out)
{
    size_t n = 0;
    *out = 0;
    while (n < s->len && n < most && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        *out = *out * 10 + s->ptr[n++] - '0';
    *s = slice_cut(*s, n, s->len);
    return n >= least;
}

static bool sign(struct slice *s, char c)
{
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = slice_cut(*s, 1, s->len);
    return true;
}

static bool ends(struct slice *s, const char *end)
{
    size_t n = strlen(end);
    if (s->len < n || memcmp(s->ptr + s->len - n, end, n) != 0)
        return false;
    s->len -= n;
    return true;
}

static bool read_date(struct slice *s, bool bc, int64_t *days)
{
    int64_t year, month, day, wanted, back;
    if (!(digits(s, 4, 7, &year) && sign(s, '-') && digits(s, 2, 2, &month) && sign(s, '-') &&
          digits(s, 2, 2, &day)))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    year = bc ? 1 - year : year;
    int m, d;
    *days = wanted = days_of(year, month, day);
    civil_of(wanted, &back, &m, &d); /* the 30th of February is another day */
    return back == year && m == month && d == day && wanted >= LEAST_DAY;
}

static bool read_fraction(struct slice *s, int64_t *us)
{
    size_t before = s->len;
    *us = 0;
    if (!sign(s, '.'))
        return true;
    if (!digits(s, 1, 6, us))
        return false;
    for (size_t n = before - s->len - 1; n < 6; n++)
        *us *= 10;
    return true;
}

static bool read_clock(struct slice *s, int64_t *us)
{
    int64_t hour, minute, second = 0, fraction = 0;
    if (!(digits(s, 2, 2, &hour) && sign(s, ':') && digits(s, 2, 2, &minute)))
        return false;
    if (sign(s, ':') && !(digits(s, 2, 2, &second) && read_fraction(s, &fraction)))
        return false;
    *us = ((hour * 60 + minute) * 60 + second) * 1000000 + fraction;
    return minute < 60 && second < 60 && (hour < 24 || *us == DAY_US);
}

/* Z, or what is east of Greenwich. */
static bool read_zone(struct slice *s, int64_t *us)
{
    int64_t hour, minute = 0;
    if (sign(s, 'Z'))
        return true;
    bool west = s->len && s->ptr[0] == '-';
    if (!(sign(s, '+') || sign(s, '-')) || !digits(s, 2, 2, &hour))
        return false;
    if (s->len && ((void)sign(s, ':'), !digits(s, 2, 2, &minute)))
        return false;
    int64_t offset = (hour * 60 + minute) * 60 * 1000000;
    *us -= west ? -offset : offset;
    return hour < 16 && minute < 60;
}

static bool read_timestamp(enum value_kind kind, struct slice *s, bool bc, int64_t *out)
{
    int64_t days, us = 0;
    if (!read_date(s, bc, &days) || days >= END_TIMESTAMP)
        return false;
    if (s->len || kind == VALUE_INSTANT) {
        if (!(sign(s, 'T') || sign(s, ' ')) || !read_clock(s, &us) || us == DAY_US)
            return false;
        if (kind == VALUE_INSTANT && !read_zone(s, &us))
            return false;
    }
    *out = days * DAY_US + us;
    return *out >= LEAST_DAY * DAY_US && *out < END_TIMESTAMP * DAY_US;
}

bool moment_read(enum value_kind kind, struct slice text, int64_t *out)
{
    struct slice s = text;
    bool good;
    if (kind == VALUE_TIME)
        return read_clock(&s, out) && !s.len;
    if (slice_is(text, "infinity") || slice_is(text, "-infinity")) {
        *out = text.ptr[0] == '-' ? INT64_MIN : INT64_MAX;
        return true;
    }
    bool bc = ends(&s, " BC");
    if (kind == VALUE_DATE)
        good = read_date(&s, bc, out) && *out < END_DATE;
    else
        good = read_timestamp(kind, &s, bc, out);
    return good && !s.len;
}

void moment_write(enum value_kind kind, int64_t moment, char out[48])
{
    if (kind != VALUE_TIME && (moment == INT64_MAX || moment == INT64_MIN)) {
        snprintf(out, 48, "%s", moment < 0 ? "-infinity" : "infinity");
        return;
    }
    int64_t day = kind == VALUE_DATE ? moment : moment / DAY_US,
            us = kind == VALUE_DATE ? 0 : moment % DAY_US, year;
    int month, date, n = 0;
    if (us < 0) {
        us += DAY_US;
        day--;
    }
    unsigned second = (unsigned)(us / 1000000), micro = (unsigned)(us % 1000000);
    if (kind == VALUE_TIME) { /* 24:00:00 is a time */
        snprintf(out, 48, "%02u:%02u:%02u.%06u", (unsigned)day * 24 + second / 3600, second / 60 % 60,
                 second % 60, micro);
        return;
    }
    civil_of(day, &year, &month, &date);
    n = snprintf(out, 48, "%04lld-%02d-%02d", (long long)(year > 0 ? year : 1 - year), month, date);
    if (kind != VALUE_DATE)
        n += snprintf(out + n, 48 - (size_t)n, " %02u:%02u:%02u.%06u%s", second / 3600, second / 60 % 60,
                      second % 60, micro, kind == VALUE_INSTANT ? "+00" : "");
    if (year <= 0)
        snprintf(out + n, 48 - (size_t)n, " BC");
}
