/* test_rules.c - the file of rules: what it may say, and whom a rule is for. */
#include "rules.h"

#include "suite.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const char *const BAD[] = {
    "",
    "[]",
    "{}",
    "{\"rules\":{}}",
    "{\"rules\":[],\"rules\":[]}",
    "{\"rules\":[],\"version\":1}",
    "{\"rules\":[],\"roles_claim\":[\"a\"]}",
    "{\"rules\":[5]}",
    "{\"rules\":[{}]}",
    "{\"rules\":[{\"table\":5}]}",
    "{\"rules\":[{\"table\":[]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"role\":[\"x\"]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"roles\":\"x\"}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"roles\":[]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"columns\":[]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"claims\":[\"x\"]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"claims\":{\"x\":null}}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"claims\":{\"x\":[]}}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":null}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":{}}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":{\"and\":[]}}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":{\"claim\":\"x\"}}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":{\"and\":[[\"a\",\"eq\",1]],\"or\":[[\"a\",\"eq\",1]]}}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":[\"a\",\"is\",1]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":[\"a\",\"eq\",{\"claim\":5}]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":[\"a\",\"eq\",{\"claims\":\"x\"}]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":[{\"claim\":\"x\"},\"eq\",1]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":[\"a\",\"prefix\",{\"claim\":\"x\"}]}]}",
    "{\"rules\":[{\"table\":\"a.b\",\"where\":{\"not\":[\"a\",\"like\",{\"claim\":\"x\"}]}}]}",
};

START_TEST(a_slip_of_the_pen_is_refused)
{
    struct err e = {0};
    ck_assert_msg(!rules_parse(BAD[_i], strlen(BAD[_i]), &e), "%s", BAD[_i]);
    ck_assert_int_eq(e.kind, ERR_CONFIG);
}
END_TEST

static const char FILE_TEXT[] =
    "{\"rules\":["
    "{\"table\":\"shop.secrets\",\"roles\":[\"admin\"]},"
    "{\"table\":[\"shop.*\",\"x.y\"],\"roles\":[\"admin\",\"support\"]},"
    "{\"table\":\"shop.orders\",\"claims\":{\"plan\":[\"gold\",\"silver\"]},\"columns\":[\"id\",\"org\"],"
    "\"where\":{\"or\":[[\"org\",\"eq\",{\"claim\":\"app.org\"}],[\"team\",\"in\",{\"claim\":\"teams\"}]]}},"
    "{\"table\":\"shop.lists\",\"where\":{\"not\":[\"team\",\"nin\",[0,{\"claim\":\"teams\"},{\"claim\":"
    "\"n\"}]]}},"
    "{\"table\":\"shop.dotted\",\"where\":[\"a\",\"eq\",{\"claim\":\"https://x.y/z\"}]},"
    "{\"table\":\"open.*.end\"}]}";

static const struct {
    const char *table, *claims;
    size_t rule; /* 0: none */
    const char *where;
} ALLOWED[] = {
    {"shop.secrets", "{\"role\":\"admin\"}", 1, NULL},
    {"shop.secrets", "{\"role\":\"support\"}", 2, NULL},
    {"shop.secrets", "{\"role\":\"adm\"}", 0, NULL},
    {"shop.secrets", "{\"role\":[\"x\",\"admin\"]}", 1, NULL},
    {"shop.secrets", "{\"roles\":[\"support\"]}", 2, NULL},
    {"shop.secrets", "{\"roles\":{\"support\":true}}", 0, NULL},
    {"shop.secrets", NULL, 0, NULL},
    {"x.y", "{\"role\":\"support\"}", 2, NULL},
    {"x.yz", "{\"role\":\"support\"}", 0, NULL},
    {"shop.orders", "{\"plan\":\"gold\",\"app\":{\"org\":7},\"teams\":[1,2]}", 3,
     "{\"or\":[[\"org\",\"eq\",7],[\"team\",\"in\",[1,2]]]}"},
    {"shop.orders", "{\"plan\":\"gold\",\"app.org\":8,\"app\":{\"org\":7},\"teams\":3}", 3,
     "{\"or\":[[\"org\",\"eq\",8],[\"team\",\"in\",[3]]]}"},
    {"shop.orders", "{\"plan\":\"iron\",\"app\":{\"org\":7},\"teams\":[1,2]}", 0, NULL},
    {"shop.orders", "{\"plan\":\"gold\",\"teams\":[1,2]}", 0, NULL}, /* a claim is missing */
    {"shop.orders", "{\"plan\":\"gold\",\"app\":{\"org\":null},\"teams\":[1,2]}", 0, NULL},
    {"shop.orders", "{\"plan\":\"gold\",\"app\":{\"org\":{}},\"teams\":[1,2]}", 0, NULL},
    {"shop.orders", "{\"plan\":\"gold\",\"app\":{\"org\":7},\"teams\":[1,[2]]}", 0, NULL},
    {"shop.lists", "{\"teams\":[1,2],\"n\":\"x\"}", 4, "{\"not\":[\"team\",\"nin\",[0,1,2,\"x\"]]}"},
    {"shop.lists", "{\"teams\":[1,2]}", 0, NULL},
    {"shop.dotted", "{\"https://x.y/z\":true}", 5, "[\"a\",\"eq\",true]"},
    {"open.a.b.end", NULL, 6, NULL},
    {"open.end", NULL, 0, NULL},
    {"open..end", NULL, 6, NULL},
};

START_TEST(the_first_rule_that_fits_decides)
{
    struct err e = {0};
    struct rules *r = rules_parse(FILE_TEXT, strlen(FILE_TEXT), &e);
    ck_assert_msg(r, "%s", e.text);
    struct json_object *claims = ALLOWED[_i].claims ? json_tokener_parse(ALLOWED[_i].claims) : NULL;
    struct allowance a;
    bool allowed = rules_allow(r, ALLOWED[_i].table, claims, &a, &e);
    ck_assert_int_eq(allowed, ALLOWED[_i].rule > 0);
    if (allowed)
        ck_assert_uint_eq(a.rule, ALLOWED[_i].rule);
    if (ALLOWED[_i].where)
        ck_assert_str_eq(json_object_to_json_string_ext(a.where, JSON_C_TO_STRING_PLAIN), ALLOWED[_i].where);
    else
        ck_assert_ptr_null(a.where);
    allowance_clear(&a);
    json_object_put(claims);
    rules_free(r);
}
END_TEST

START_TEST(roles_may_be_in_a_claim_of_another_name)
{
    static const char text[] =
        "{\"roles_claim\":\"realm.roles\",\"rules\":[{\"table\":\"a.b\",\"roles\":[\"x\"]}]}";
    struct err e = {0};
    struct rules *r = rules_parse(text, strlen(text), &e);
    struct json_object *yes = json_tokener_parse("{\"realm\":{\"roles\":[\"x\"]}}"),
                       *no = json_tokener_parse("{\"role\":\"x\",\"roles\":[\"x\"]}");
    struct allowance a;
    ck_assert(rules_allow(r, "a.b", yes, &a, &e));
    ck_assert(!rules_allow(r, "a.b", no, &a, &e));
    json_object_put(yes);
    json_object_put(no);
    rules_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rules");
    TCase *t = tcase_create("rules");
    suite_add_tcase(s, t);
    tcase_add_loop_test(t, a_slip_of_the_pen_is_refused, 0, sizeof(BAD) / sizeof(*BAD));
    tcase_add_loop_test(t, the_first_rule_that_fits_decides, 0, sizeof(ALLOWED) / sizeof(*ALLOWED));
    tcase_add_test(t, roles_may_be_in_a_claim_of_another_name);
    return suite_end(s);
}
