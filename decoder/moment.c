/* moment.c - dates, times of day and intervals as text. */
#include "moment.h"

enum { YEAR_DIGITS_MOST = 7 }; /* the last date is 5874897-12-31 */

struct cursor {
    const char *at, *end;
};

static bool eat(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* Between min and most digits, all that are there. */
static bool digits_read(struct cursor *c, int min, int most, int64_t *out)
{
    int n = 0;
    int64_t value = 0;
    for (; c->at < c->end && (unsigned)(*c->at - '0') <= 9; n++, c->at++) {
        if (n == most)
            return false;
        value = value * 10 + (*c->at - '0');
    }
    *out = value;
    return n >= min;
}

static bool pair_read(struct cursor *c, int64_t least, int64_t most, int64_t *out)
{
    if (c->end - c->at < 2)
        return false;
    unsigned tens = (unsigned)(c->at[0] - '0'), ones = (unsigned)(c->at[1] - '0');
    c->at += 2;
    *out = tens * 10 + ones;
    return tens <= 9 && ones <= 9 && *out >= least && *out <= most;
}

/* After Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": eras of 400 years that begin in
 * March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_of(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t month_days(int64_t year, int64_t month)
{
    return month == 2 ? 28 + is_leap(year) : 30 + ((month + (month > 7)) & 1);
}

static bool time_read(struct cursor *c, bool lax, int64_t *us)
{
    int64_t hour, minute, second = 0, fraction = 0;
    if (!pair_read(c, 0, 24, &hour) || !eat(c, ':') || !pair_read(c, 0, 59, &minute))
        return false;
    if (eat(c, ':')) {
        if (!pair_read(c, 0, 59, &second))
            return false;
        if (eat(c, '.')) {
            const char *start = c->at;
            if (!digits_read(c, 1, 6, &fraction))
                return false;
            for (long n = c->at - start; n < 6; n++)
                fraction *= 10;
        }
    } else if (!lax) {
        return false;
    }
    *us = ((hour * 60 + minute) * 60 + second) * 1000000 + fraction;
    return *us <= DAY_US;
}

static bool offset_read(struct cursor *c, struct moment *m)
{
    if (c->at == c->end || (*c->at != '+' && *c->at != '-'))
        return true;
    bool west = *c->at++ == '-';
    int64_t hours, minutes = 0, seconds = 0;
    if (!pair_read(c, 0, 18, &hours) || (eat(c, ':') && !pair_read(c, 0, 59, &minutes)))
        return false;
    m->seconds = eat(c, ':');
    if (m->seconds && !pair_read(c, 0, 59, &seconds))
        return false;
    int offset = (int)((hours * 60 + minutes) * 60 + seconds);
    m->offset = west ? -offset : offset;
    return true;
}

static bool infinity_read(struct slice text, struct moment *out)
{
    *out = (struct moment){.infinity = slice_is(text, "infinity") - slice_is(text, "-infinity")};
    return out->infinity != 0;
}

bool moment_parse(struct slice text, unsigned parts, struct moment *out)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    int64_t year = 1970, month = 1, day = 1;
    bool date = parts & MOMENT_DATE, lax = parts & MOMENT_LAX, more = parts & MOMENT_TIME;
    if (date && infinity_read(text, out))
        return true;
    *out = (struct moment){0};
    if (date && !(digits_read(&c, 4, YEAR_DIGITS_MOST, &year) && eat(&c, '-') &&
                  pair_read(&c, 1, 12, &month) && eat(&c, '-') && pair_read(&c, 1, 31, &day)))
        return false;
    if (date && more)
        more = (c.end - c.at >= 2 && c.at[1] != 'B' && eat(&c, ' ')) || !lax;
    if (more && !time_read(&c, lax, &out->us))
        return false;
    if ((parts & MOMENT_OFFSET) && !offset_read(&c, out))
        return false;
    if (date && c.end - c.at == 3 && memcmp(c.at, " BC", 3) == 0) {
        c.at += 3;
        year = 1 - year;
    }
    out->days = days_of(year, month, day);
    return c.at == c.end && day <= month_days(year, month);
}

enum { REFORM_FIRST = -141437, REFORM_LAST = -141428, REFORM_DAYS = 10 }; /* 1582-10-05 to 14 */

int64_t moment_julian(int64_t days)
{
    int64_t year;
    int month, day;
    if (days > REFORM_LAST)
        return days;
    civil_of(days, &year, &month, &day);
    year -= month <= 2;
    int64_t centuries = (year >= 0 ? year : year - 99) / 100, eras = (year >= 0 ? year : year - 399) / 400;
    return days + centuries - eras - 2;
}

bool moment_sql_date(int64_t days, int64_t *out)
{
    int64_t year;
    int month, day;
    *out = days + (days >= REFORM_FIRST && days <= REFORM_LAST ? REFORM_DAYS : 0);
    civil_of(days, &year, &month, &day);
    if (year > 0)
        return true;
    *out = days_of(1 - year, month, day);
    return day <= month_days(1 - year, month);
}

void moment_utc(struct moment *m)
{
    m->us -= (int64_t)m->offset * 1000000;
    m->offset = 0;
    int64_t shift = m->us < 0 ? -1 : m->us / DAY_US;
    m->days += shift;
    m->us -= shift * DAY_US;
}

static char *put_padded(char *out, int64_t n, int width)
{
    for (int i = width - 1; i >= 0; i--, n /= 10)
        out[i] = (char)('0' + n % 10);
    return out + width;
}

char *moment_put_date(char *out, int64_t days)
{
    int64_t year;
    int month, day;
    civil_of(days, &year, &month, &day);
    if (year < 0 || year > 9999)
        *out++ = year < 0 ? '-' : '+';
    int64_t size = year < 0 ? -year : year;
    int width = 4;
    for (int64_t most = 9999; size > most; most = most * 10 + 9)
        width++;
    out = put_padded(out, size, width);
    *out++ = '-';
    out = put_padded(out, month, 2);
    *out++ = '-';
    return put_padded(out, day, 2);
}

char *moment_put_time(char *out, int64_t us, int digits)
{
    int64_t seconds = us / 1000000, fraction = us % 1000000;
    out = put_padded(out, seconds / 3600, 2);
    *out++ = ':';
    out = put_padded(out, seconds / 60 % 60, 2);
    *out++ = ':';
    out = put_padded(out, seconds % 60, 2);
    int width = digits;
    if (digits < 0) {
        width = fraction == 0 ? 0 : 6;
        for (int64_t rest = fraction; width > 0 && rest % 10 == 0; rest /= 10)
            width--;
    }
    if (width == 0)
        return out;
    *out++ = '.';
    put_padded(out, fraction, 6);
    return out + width;
}

/* The count and the unit that follows it: year(s), mon(s), day(s). */
static bool unit_read(struct cursor *c, bool negative, int64_t n, struct interval *out)
{
    struct slice rest = {c->at, (size_t)(c->end - c->at)};
    int64_t *field = slice_starts(rest, " year")  ? &out->years
                     : slice_starts(rest, " mon") ? &out->months
                     : slice_starts(rest, " day") ? &out->days
                                                  : NULL;
    if (!field)
        return false;
    c->at += field == &out->years ? 5 : 4;
    eat(c, 's');
    *field = negative ? -n : n;
    return true;
}

/* What follows the hours of the clock part, which ends the text. */
static bool clock_read(struct cursor *c, bool negative, int64_t hours, struct interval *out)
{
    int64_t minutes, seconds = 0, fraction = 0;
    if (!eat(c, ':') || !pair_read(c, 0, 59, &minutes))
        return false;
    if (eat(c, ':')) {
        if (!pair_read(c, 0, 59, &seconds))
            return false;
        if (eat(c, '.')) {
            const char *start = c->at;
            if (!digits_read(c, 1, 6, &fraction))
                return false;
            for (long n = c->at - start; n < 6; n++)
                fraction *= 10;
        }
    }
    int64_t us = seconds * 1000000 + fraction;
    out->hours = negative ? -hours : hours;
    out->minutes = negative ? -minutes : minutes;
    out->us = negative ? -us : us;
    return c->at == c->end;
}

bool interval_parse(struct slice text, struct interval *out)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    *out = (struct interval){0};
    if (slice_is(text, "infinity") || slice_is(text, "-infinity"))
        return true;
    while (c.at < c.end) {
        int64_t n;
        bool negative = *c.at == '-';
        if (*c.at == '-' || *c.at == '+')
            c.at++;
        if (!digits_read(&c, 1, 18, &n))
            return false;
        if (c.at < c.end && *c.at == ':')
            return clock_read(&c, negative, n, out);
        if (!unit_read(&c, negative, n, out) || (c.at < c.end && !eat(&c, ' ')))
            return false;
    }
    return text.len > 0;
}
