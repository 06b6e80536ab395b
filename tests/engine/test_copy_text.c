/* test_copy_text.c - rows of COPY come back as the values that were stored; what is no row is refused. */
#include "copy_text.h"
#include "suite.h"

#include <stdio.h>

/* Splits `text`, writable and without a NUL behind it, so that a sanitizer sees a read too far. */
static char *split(const char *text, char **row, struct cell *cells, size_t n, struct err *e)
{
    size_t len = strlen(text);
    *row = malloc(len ? len : 1);
    memcpy(*row, text, len);
    return copy_text_row(*row, *row + len, cells, n, e);
}

static void check_value(const char *text, const char *value, size_t len)
{
    struct cell cells[2];
    struct err e = {0};
    char *row, line[256];
    snprintf(line, sizeof line, "%s\t7\n", text);
    char *end = split(line, &row, cells, 2, &e);
    ck_assert_ptr_eq(end, row + strlen(line));
    ck_assert_int_eq(cells[0].kind, 't');
    ck_assert_uint_eq(cells[0].data.len, len);
    ck_assert_mem_eq(cells[0].data.ptr, value, len);
    ck_assert(slice_is(cells[1].data, "7"));
    free(row);
}

START_TEST(values_come_back)
{
    check_value("plain", "plain", 5);
    check_value("", "", 0);
    check_value("a\\tb\\nc\\\\d", "a\tb\nc\\d", 7);
    check_value("\\b\\f\\r\\v", "\b\f\r\v", 4);
    check_value("\\\\N", "\\N", 2);
    check_value("\\\\x00ff", "\\x00ff", 6);
    check_value("N", "N", 1);
    check_value("caf\xc3\xa9", "caf\xc3\xa9", 5);
}
END_TEST

START_TEST(null_is_not_an_empty_text)
{
    struct cell cells[3];
    struct err e = {0};
    char *row, *end = split("\\N\t\t\\N\n", &row, cells, 3, &e);
    ck_assert_ptr_nonnull(end);
    ck_assert_int_eq(cells[0].kind, 'n');
    ck_assert_int_eq(cells[1].kind, 't');
    ck_assert_uint_eq(cells[1].data.len, 0);
    ck_assert_int_eq(cells[2].kind, 'n');
    free(row);
}
END_TEST

START_TEST(rows_follow_one_another)
{
    struct cell cells[1];
    struct err e = {0};
    const char *text = "one\n\ntw\\no\n";
    char *row, *at = split(text, &row, cells, 1, &e);
    ck_assert(slice_is(cells[0].data, "one"));
    at = copy_text_row(at, row + strlen(text), cells, 1, &e);
    ck_assert_uint_eq(cells[0].data.len, 0);
    at = copy_text_row(at, row + strlen(text), cells, 1, &e);
    ck_assert(slice_is(cells[0].data, "tw\no"));
    ck_assert_ptr_eq(at, row + strlen(text));
    free(row);
}
END_TEST

START_TEST(a_table_without_columns_has_rows)
{
    struct err e = {0};
    char *row, *at = split("\n", &row, NULL, 0, &e);
    ck_assert_ptr_eq(at, row + 1);
    free(row);
}
END_TEST

static void check_refused(const char *text, size_t n)
{
    struct cell cells[3];
    struct err e = {0};
    char *row;
    ck_assert_ptr_null(split(text, &row, cells, n, &e));
    ck_assert_int_eq(e.kind, ERR_DATA);
    free(row);
}

START_TEST(what_is_no_row_is_refused)
{
    check_refused("1\n", 2);
    check_refused("1\t2\t3\n", 2);
    check_refused("1\t2", 2);
    check_refused("", 1);
    check_refused("1\\", 1);
    check_refused("\\N", 1);
    check_refused("1\n", 0);
}
END_TEST

SUITE_MAIN("copy_text", values_come_back, null_is_not_an_empty_text, rows_follow_one_another,
           a_table_without_columns_has_rows, what_is_no_row_is_refused)
