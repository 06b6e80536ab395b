/* binary_time.c - dates and times from their binary form. The calendar is Gregorian for ever, and there is no
 * year 0: what would be is 1 BC. */
#include "binary_time.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_US       INT64_C(86400000000)
#define SECOND_US    INT64_C(1000000)
#define DAYS_TO_2000 730425 /* from 0000-03-01 */

struct date {
    int64_t year;
    int month, day;
};

/* By eras of 400 years that begin in March. */
static struct date date_of(int64_t days)
{
    enum { ERA = 146097 };
    days += DAYS_TO_2000;
    int64_t era = (days >= 0 ? days : days - (ERA - 1)) / ERA;
    int64_t of_era = days - era * ERA;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * of_year + 2) / 153);
    int day = (int)(of_year - (153 * month + 2) / 5) + 1;
    return (struct date){era * 400 + year + (month >= 10), month < 10 ? month + 3 : month - 9, day};
}

static void write_date(struct buf *b, struct date d)
{
    buf_printf(b, "%04lld-%02d-%02d", (long long)(d.year > 0 ? d.year : 1 - d.year), d.month, d.day);
}

static void write_era(struct buf *b, struct date d)
{
    if (d.year <= 0)
        BUF_LIT(b, " BC");
}

/* ":SS" and what there is of a fraction. */
static void write_seconds(struct buf *b, int64_t us)
{
    buf_printf(b, ":%02d", (int)(us / SECOND_US % 60));
    int64_t part = us % SECOND_US;
    if (!part)
        return;
    char digits[8];
    int n = snprintf(digits, sizeof digits, "%06d", (int)part);
    while (digits[n - 1] == '0')
        n--;
    buf_char(b, '.');
    buf_append(b, digits, (size_t)n);
}

static void write_time(struct buf *b, int64_t us)
{
    buf_printf(b, "%02d:%02d", (int)(us / (3600 * SECOND_US)), (int)(us / (60 * SECOND_US) % 60));
    write_seconds(b, us);
}

void binary_date(struct reader *r, struct buf *b)
{
    int32_t days = (int32_t)read_u32(r);
    if (days == INT32_MAX || days == INT32_MIN) {
        buf_str(b, days > 0 ? "infinity" : "-infinity");
        return;
    }
    struct date d = date_of(days);
    write_date(b, d);
    write_era(b, d);
}

void binary_time(struct reader *r, struct buf *b)
{
    int64_t us = (int64_t)read_u64(r);
    r->bad |= us < 0 || us > DAY_US;
    if (!r->bad)
        write_time(b, us);
}

/* The zone is told in seconds west of Greenwich, and written as hours east. */
void binary_timetz(struct reader *r, struct buf *b)
{
    binary_time(r, b);
    int32_t west = (int32_t)read_u32(r);
    r->bad |= west <= -86400 || west >= 86400;
    if (r->bad)
        return;
    int s = abs(west);
    buf_printf(b, "%c%02d", west > 0 ? '-' : '+', s / 3600);
    if (s % 3600)
        buf_printf(b, ":%02d", s / 60 % 60);
    if (s % 60)
        buf_printf(b, ":%02d", s % 60);
}

static void write_timestamp(struct reader *r, struct buf *b, const char *zone)
{
    int64_t us = (int64_t)read_u64(r);
    if (us == INT64_MAX || us == INT64_MIN) {
        buf_str(b, us > 0 ? "infinity" : "-infinity");
        return;
    }
    int64_t days = us / DAY_US, of_day = us % DAY_US;
    if (of_day < 0) {
        of_day += DAY_US;
        days--;
    }
    struct date d = date_of(days);
    write_date(b, d);
    buf_char(b, ' ');
    write_time(b, of_day);
    buf_str(b, zone);
    write_era(b, d);
}

void binary_timestamp(struct reader *r, struct buf *b)
{
    write_timestamp(r, b, "");
}

void binary_timestamptz(struct reader *r, struct buf *b)
{
    write_timestamp(r, b, "+00");
}

/* A part behind a negative one shows its sign. */
static void write_part(struct buf *b, size_t start, int64_t n, const char *unit, bool *negative)
{
    if (!n)
        return;
    buf_printf(b, "%s%s%lld %s%s", b->len > start ? " " : "", *negative && n > 0 ? "+" : "", (long long)n,
               unit, n != 1 ? "s" : "");
    *negative = n < 0;
}

void binary_interval(struct reader *r, struct buf *b)
{
    int64_t us = (int64_t)read_u64(r);
    int32_t days = (int32_t)read_u32(r), months = (int32_t)read_u32(r);
    size_t start = b->len;
    bool negative = false;
    if ((us == INT64_MAX && days == INT32_MAX && months == INT32_MAX) ||
        (us == INT64_MIN && days == INT32_MIN && months == INT32_MIN)) {
        buf_str(b, us > 0 ? "infinity" : "-infinity");
        return;
    }
    write_part(b, start, months / 12, "year", &negative);
    write_part(b, start, months % 12, "mon", &negative);
    write_part(b, start, days, "day", &negative);
    if (!us && b->len > start)
        return;
    uint64_t n = us < 0 ? -(uint64_t)us : (uint64_t)us;
    buf_printf(b, "%s%s%02llu:%02d", b->len > start ? " " : "",
               us < 0     ? "-"
               : negative ? "+"
                          : "",
               (unsigned long long)(n / (3600 * SECOND_US)), (int)(n / (60 * SECOND_US) % 60));
    write_seconds(b, (int64_t)(n % (60 * SECOND_US)));
}
