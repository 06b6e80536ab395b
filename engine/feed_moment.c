/* feed_moment.c - dates and times of Kafka records as PostgreSQL writes them, in DateStyle ISO. */
#include "feed_moment.h"

#include "moment.h"

#include <stdio.h>
#include <stdlib.h>

/* ISO's year 0 is 1 BC. The month and the day are given as "-MM-DD". Returns whether it is BC. */
static bool put_year(struct buf *out, int64_t year, struct slice rest)
{
    bool bc = year <= 0;
    buf_printf(out, "%04lld", (long long)(bc ? 1 - year : year));
    buf_slice(out, rest);
    return bc;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_of(struct slice s)
{
    size_t n = 0;
    while (n < s.len && is_digit(s.ptr[n]))
        n++;
    return n;
}

/* Cuts [+-]YYYY-MM-DD off. */
static bool put_date(struct buf *out, struct slice *iso, bool *bc)
{
    size_t sign = iso->len && (iso->ptr[0] == '-' || iso->ptr[0] == '+');
    size_t n = digits_of(slice_cut(*iso, sign, iso->len));
    struct slice rest = slice_cut(*iso, sign + n, 6);
    if (n < 4 || n > 9 || rest.len != 6 || rest.ptr[0] != '-' || rest.ptr[3] != '-' ||
        digits_of(slice_cut(rest, 1, 2)) != 2 || digits_of(slice_cut(rest, 4, 2)) != 2)
        return false;
    int64_t year = 0;
    for (size_t i = 0; i < n; i++)
        year = year * 10 + (iso->ptr[sign + i] - '0');
    *bc = put_year(out, iso->ptr[0] == '-' ? -year : year, rest);
    *iso = slice_cut(*iso, sign + n + 6, iso->len);
    return true;
}

/* HH:MM:SS and a fraction, without the zeros at its end; a Z behind it. */
static bool put_time(struct buf *out, struct slice iso)
{
    enum { BASE = 8 };
    if (iso.len && iso.ptr[iso.len - 1] == 'Z')
        iso.len--;
    if (iso.len < BASE || iso.ptr[2] != ':' || iso.ptr[5] != ':' || digits_of(iso) != 2 ||
        digits_of(slice_cut(iso, 3, 2)) != 2 || digits_of(slice_cut(iso, 6, 2)) != 2)
        return false;
    if (iso.len > BASE &&
        (iso.ptr[BASE] != '.' || digits_of(slice_cut(iso, BASE + 1, iso.len)) + BASE + 1 != iso.len))
        return false;
    if (iso.len > BASE + 7)
        iso.len = BASE + 7;
    while (iso.len > BASE && (iso.ptr[iso.len - 1] == '0' || iso.ptr[iso.len - 1] == '.'))
        iso.len--;
    buf_slice(out, iso);
    return true;
}

bool feed_iso_text(struct buf *out, struct slice iso, const char *zone)
{
    bool bc = false, dated = iso.len < 3 || iso.ptr[2] != ':';
    if (dated && !put_date(out, &iso, &bc))
        return false;
    if (dated && iso.len && iso.ptr[0] == 'T') {
        buf_char(out, ' ');
        iso = slice_cut(iso, 1, iso.len);
        dated = false;
    }
    if (dated ? iso.len > 0 && !slice_is(iso, "Z") : !put_time(out, iso))
        return false;
    if (!dated)
        buf_str(out, zone);
    if (bc)
        BUF_LIT(out, " BC");
    return true;
}

void feed_date_text(struct buf *out, int64_t days)
{
    char text[MOMENT_TEXT_MOST];
    bool bc;
    struct slice iso = {text, (size_t)(moment_put_date(text, days) - text)};
    (void)put_date(out, &iso, &bc);
    if (bc)
        BUF_LIT(out, " BC");
}

bool feed_time_text(struct buf *out, int64_t us)
{
    char text[MOMENT_TEXT_MOST];
    if (us == DAY_US) {
        BUF_LIT(out, "24:00:00");
        return true;
    }
    if (us < 0 || us > DAY_US)
        return false;
    buf_append(out, text, (size_t)(moment_put_time(text, us, -1) - text));
    return true;
}

void feed_timestamp_text(struct buf *out, int64_t us)
{
    char text[2 * MOMENT_TEXT_MOST];
    int64_t days = us / DAY_US - (us % DAY_US < 0), rest = us - days * DAY_US;
    char *end = moment_put_date(text, days);
    *end++ = 'T';
    end = moment_put_time(end, rest, -1);
    (void)feed_iso_text(out, (struct slice){text, (size_t)(end - text)}, "");
}

/* ---- intervals ---- */

struct part {
    char letter;
    const char *one, *more;
};

/* A number with a sign, then its letter. */
static bool take_part(struct slice *iso, char letter, struct slice *number)
{
    size_t n = iso->len && (iso->ptr[0] == '-' || iso->ptr[0] == '+');
    while (n < iso->len && (is_digit(iso->ptr[n]) || iso->ptr[n] == '.'))
        n++;
    if (n == 0 || n >= iso->len || iso->ptr[n] != letter)
        return false;
    *number = (struct slice){iso->ptr, n};
    *iso = slice_cut(*iso, n + 1, iso->len);
    return true;
}

static int64_t whole(struct slice number)
{
    char text[24] = "";
    memcpy(text, number.ptr, number.len < sizeof text ? number.len : sizeof text - 1);
    return strtoll(text, NULL, 10);
}

/* A part behind a negative one gets a +, as PostgreSQL writes it. */
static void put_part(struct buf *out, int64_t n, const struct part *p, bool *negative)
{
    if (!n)
        return;
    buf_printf(out, "%s%s%lld %s", out->len ? " " : "", *negative && n > 0 ? "+" : "", (long long)n,
               n == 1 ? p->one : p->more);
    *negative = n < 0;
}

static bool seconds_us(struct slice number, int64_t *us)
{
    bool minus = number.ptr[0] == '-';
    const char *dot = memchr(number.ptr, '.', number.len);
    size_t n = dot ? (size_t)(dot - number.ptr) : number.len, digits = dot ? number.len - n - 1 : 0;
    int64_t fraction = 0;
    for (size_t i = 0; i < 6; i++)
        fraction = fraction * 10 + (i < digits ? dot[1 + i] - '0' : 0);
    *us = llabs(whole((struct slice){number.ptr, n})) * 1000000 + fraction;
    *us = minus ? -*us : *us;
    return true;
}

static bool take_clock(struct slice *iso, int64_t *us)
{
    struct slice number;
    int64_t seconds = 0;
    *us = 0;
    if (take_part(iso, 'H', &number))
        *us += whole(number) * INT64_C(3600000000);
    if (take_part(iso, 'M', &number))
        *us += whole(number) * INT64_C(60000000);
    if (take_part(iso, 'S', &number) && seconds_us(number, &seconds))
        *us += seconds;
    return iso->len == 0;
}

static void put_clock(struct buf *out, size_t start, int64_t us, bool negative)
{
    if (!us && out->len > start)
        return;
    int64_t abs = us < 0 ? -us : us, seconds = abs / 1000000;
    buf_printf(out, "%s%s%02lld:%02lld:%02lld", out->len > start ? " " : "",
               us < 0     ? "-"
               : negative ? "+"
                          : "",
               (long long)(seconds / 3600), (long long)(seconds / 60 % 60), (long long)(seconds % 60));
    char fraction[8];
    int n = snprintf(fraction, sizeof fraction, ".%06d", (int)(abs % 1000000));
    while (n > 0 && (fraction[n - 1] == '0' || fraction[n - 1] == '.'))
        n--;
    buf_append(out, fraction, (size_t)n);
}

bool feed_interval_text(struct buf *out, struct slice iso)
{
    static const struct part parts[] = {{'Y', "year", "years"}, {'M', "mon", "mons"}, {'D', "day", "days"}};
    int64_t n[3] = {0}, us = 0;
    struct slice number;
    bool negative = false;
    if (!iso.len || iso.ptr[0] != 'P')
        return false;
    iso = slice_cut(iso, 1, iso.len);
    for (size_t i = 0; i < 3; i++)
        if (take_part(&iso, parts[i].letter, &number))
            n[i] = whole(number);
    if (iso.len && iso.ptr[0] == 'T') {
        iso = slice_cut(iso, 1, iso.len);
        if (!take_clock(&iso, &us))
            return false;
    }
    if (iso.len)
        return false;
    n[0] += n[1] / 12; /* PostgreSQL keeps months only */
    n[1] %= 12;
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < 3; i++)
        put_part(&text, n[i], &parts[i], &negative);
    put_clock(&text, 0, us, negative);
    buf_slice(out, buf_view(&text));
    buf_free(&text);
    return true;
}
