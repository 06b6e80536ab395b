/* test_security.c - what the worker file says about who may reach the process. */
#include "security.h"

#include "suite.h"

static struct err e;

static bool read_auth(const char *name, const char *value, struct web_options *out)
{
    struct props *worker = props_new();
    memset(&e, 0, sizeof e);
    memset(out, 0, sizeof *out);
    if (name)
        props_set(worker, name, value);
    bool ok = security_web(worker, out, &e);
    props_free(worker);
    return ok;
}

/* A value that is not understood must not mean that everybody may come in. */
START_TEST(client_auth_is_one_of_three)
{
    static const struct {
        const char *value;
        bool ok, required;
    } cases[] = {{"required", true, true},   {"REQUIRED", true, true},  {"none", true, false},
                 {"requested", true, false}, {"require", false, false}, {"true", false, false},
                 {"", false, false}};
    static const char *const names[] = {"ssl.client.auth", "listeners.https.ssl.client.auth"};
    struct web_options out;
    ck_assert(read_auth(NULL, NULL, &out) && !out.tls.client_required);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n = 0; n < 2; n++) {
            ck_assert_msg(read_auth(names[n], cases[i].value, &out) == cases[i].ok, "%s", cases[i].value);
            ck_assert(out.tls.client_required == cases[i].required);
            ck_assert(cases[i].ok || (e.kind == ERR_CONFIG && strstr(e.text, "required, requested or none")));
        }
}
END_TEST

/* Connect's extensions guard REST there: without one, REST would be open. */
START_TEST(extensions_are_refused_without_a_login_of_ours)
{
    struct web_options out;
    ck_assert(!read_auth("rest.extension.classes", "com.example.Auth", &out));
    ck_assert(e.kind == ERR_CONFIG && strstr(e.text, "walwire.rest.users.file"));
    ck_assert(read_auth("rest.extension.classes", "", &out));
}
END_TEST

SUITE_MAIN("security", client_auth_is_one_of_three, extensions_are_refused_without_a_login_of_ours)
