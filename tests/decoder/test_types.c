/* test_types.c - the registry keeps its own copies, and domains lead to the type they stand on. */
#include "suite.h"
#include "types.h"

START_TEST(types_are_copied_and_replaced)
{
    char name[] = "mood", label[] = "sad";
    const char *labels[] = {label};
    struct types *t = types_new();
    ck_assert_ptr_null(types_find(t, 5));
    types_set(t,
              &(struct type){
                  .oid = 5, .schema = "public", .name = name, .kind = 'e', .labels = labels, .n_labels = 1});
    name[0] = label[0] = 'X';
    labels[0] = NULL;
    const struct type *found = types_find(t, 5);
    ck_assert_str_eq(found->name, "mood");
    ck_assert_str_eq(found->schema, "public");
    ck_assert_str_eq(found->labels[0], "sad");
    types_set(t, found);
    ck_assert_ptr_eq(types_find(t, 5), found); /* the same again is no change */
    types_set(t, &(struct type){.oid = 5, .schema = "s", .name = "other", .kind = 'b'});
    ck_assert_str_eq(found->labels[0], "sad"); /* a plan may still use it */
    ck_assert_str_eq(types_find(t, 5)->name, "other");
    ck_assert_uint_eq(types_find(t, 5)->n_labels, 0);
    types_free(t);
    types_free(NULL);
}
END_TEST

/* An array of an enum is told with the labels that were found first. */
START_TEST(the_first_of_a_name_is_kept)
{
    const char *labels[] = {"sad", "glad"};
    struct types *t = types_new();
    for (size_t n = 1; n <= 2; n++)
        types_set(t,
                  &(struct type){
                      .oid = 5, .schema = "s", .name = "mood", .kind = 'e', .labels = labels, .n_labels = n});
    ck_assert_uint_eq(types_find(t, 5)->n_labels, 2);
    ck_assert_uint_eq(types_first(t, 5)->n_labels, 1);
    types_set(t, &(struct type){
                     .oid = 5, .schema = "s", .name = "other", .kind = 'e', .labels = labels, .n_labels = 2});
    ck_assert_uint_eq(types_first(t, 5)->n_labels, 2);
    ck_assert_ptr_null(types_first(t, 6));
    types_free(t);
}
END_TEST

START_TEST(domains_are_followed)
{
    struct types *t = types_new();
    int32_t typmod = -1;
    bool not_null = false;
    types_set(
        t, &(struct type){.oid = 1700, .schema = "pg_catalog", .name = "numeric", .kind = 'b', .typmod = -1});
    types_set(t, &(struct type){
                     .oid = 10, .schema = "s", .name = "price", .kind = 'd', .base = 1700, .typmod = 327686});
    types_set(t, &(struct type){.oid = 11,
                                .schema = "s",
                                .name = "must",
                                .kind = 'd',
                                .base = 10,
                                .typmod = -1,
                                .not_null = true});
    ck_assert_str_eq(types_root(t, 11, &typmod, &not_null)->name, "numeric");
    ck_assert_int_eq(typmod, 327686);
    ck_assert(not_null);
    typmod = 7;
    not_null = false;
    ck_assert_str_eq(types_root(t, 1700, &typmod, &not_null)->name, "numeric");
    ck_assert(typmod == 7 && !not_null);
    types_free(t);
}
END_TEST

START_TEST(unknown_types_and_rings_of_domains_have_no_root)
{
    struct types *t = types_new();
    int32_t typmod = -1;
    bool not_null = false;
    types_set(t, &(struct type){.oid = 1, .schema = "s", .name = "a", .kind = 'd', .base = 2, .typmod = -1});
    ck_assert_ptr_null(types_root(t, 1, &typmod, &not_null));
    ck_assert_ptr_null(types_root(t, 9, &typmod, &not_null));
    types_set(t, &(struct type){.oid = 2, .schema = "s", .name = "b", .kind = 'd', .base = 1, .typmod = -1});
    ck_assert_ptr_null(types_root(t, 1, &typmod, &not_null));
    types_free(t);
}
END_TEST

SUITE_MAIN("types", the_first_of_a_name_is_kept, types_are_copied_and_replaced, domains_are_followed,
           unknown_types_and_rings_of_domains_have_no_root)
