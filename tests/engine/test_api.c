/* test_api.c - the REST interface answers as Kafka Connect 4.3.1 was seen to answer. */
#include "api.h"

#include "fake_connector.h"
#include "log.h"
#include "suite.h"

#include <json-c/json.h>

static struct worker *worker;
static struct http_reply reply;

static void start(void)
{
    static struct props *props;
    struct err e = {0};
    props = props_new();
    props_set(props, "listeners", "http://127.0.0.1:8083");
    worker = worker_new(props, NULL, NULL, &e);
}

/* Whatever calls itself JSON must be that. */
static void expect_json(void)
{
    if (!reply.body.len || strcmp(reply.content_type, "application/json") != 0)
        return;
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *parsed = json_tokener_parse_ex(tokener, reply.body.ptr, (int)reply.body.len);
    ck_assert_msg(parsed != NULL, "%s", reply.body.ptr);
    json_object_put(parsed);
    json_tokener_free(tokener);
}

static void ask_as(const char *content_type, const char *method, const char *path, const char *body)
{
    char *query = strchr(path, '?');
    char *plain = xstrndup(path, query ? (size_t)(query - path) : strlen(path));
    struct http_request request = {.method = method,
                                   .path = plain,
                                   .query = query ? query + 1 : "",
                                   .content_type = content_type,
                                   .host = "",
                                   .body = slice_of(body)};
    buf_free(&reply.body);
    buf_free(&reply.headers);
    reply = (struct http_reply){.status = 200, .content_type = "application/json"};
    api_handle(worker, &request, &reply);
    free(plain);
    expect_json();
}

static void ask(const char *method, const char *path, const char *body)
{
    ask_as("application/json", method, path, body);
}

static void expect(const char *method, const char *path, const char *body, int status, const char *answer)
{
    ask(method, path, body);
    ck_assert_msg(reply.status == status, "%s %s: %d %s", method, path, reply.status, reply.body.ptr);
    ck_assert_str_eq(reply.body.ptr ? reply.body.ptr : "", answer);
}

#define CLASS "\"connector.class\":\"io.debezium.connector.postgresql.PostgresConnector\""
#define GOOD                                                                                                 \
    CLASS ",\"database.hostname\":\"db\",\"database.port\":5432,\"database.user\":\"u\",\"database."         \
          "password\":\"geheim\","                                                                           \
          "\"database.dbname\":\"d\",\"topic.prefix\":\"shop\",\"slot.name\":\"s\""
#define SHOWN                                                                                                \
    "{" CLASS ",\"database.hostname\":\"db\",\"database.port\":\"5432\",\"database.user\":\"u\","            \
    "\"database.password\":\"********\",\"database.dbname\":\"d\",\"topic.prefix\":\"shop\",\"slot.name\":"  \
    "\"s\","                                                                                                 \
    "\"name\":\"a\"}"
#define INFO(tasks) "{\"name\":\"a\",\"config\":" SHOWN ",\"tasks\":[" tasks "],\"type\":\"source\"}"
#define TASK_LINK   "{\"connector\":\"a\",\"task\":0}"
#define STATE(state)                                                                                         \
    "\"state\":\"" state "\",\"worker_id\":\"127.0.0.1:8083\",\"version\":\"" WALWIRE_VERSION "\""
#define STATUS(connector, tasks)                                                                             \
    "{\"name\":\"a\",\"connector\":{" STATE(connector) "},\"tasks\":[" tasks "],\"type\":\"source\"}"
#define CREATE "{\"name\":\"a\",\"config\":{" GOOD "}}"

static bool sent_header(const char *text)
{
    return memmem(reply.headers.ptr, reply.headers.len, text, strlen(text)) != NULL;
}

START_TEST(the_life_of_a_connector)
{
    start();
    expect("GET", "/connectors", "", 200, "[]");
    expect("POST", "/connectors", CREATE, 201, INFO(""));
    ck_assert(sent_header("http://127.0.0.1:8083/connectors/a"));
    expect("POST", "/connectors", CREATE, 409,
           "{\"error_code\":409,\"message\":\"Connector a already exists\"}");
    expect("GET", "/connectors", "", 200, "[\"a\"]");
    expect("GET", "/connectors/a/", "", 200, INFO(TASK_LINK));
    expect("GET", "/connectors/a/config", "", 200, SHOWN);
    expect("GET", "/connectors/a/status", "", 200, STATUS("RUNNING", "{\"id\":0," STATE("RUNNING") "}"));
    expect("GET", "/connectors/a/tasks/0/status", "", 200, "{\"id\":0," STATE("RUNNING") "}");
    expect("GET", "/connectors?expand=status&expand=info", "", 200,
           "{\"a\":{\"status\":" STATUS("RUNNING",
                                        "{\"id\":0," STATE("RUNNING") "}") ",\"info\":" INFO(TASK_LINK) "}}");
    expect("GET", "/connectors?expand=x", "", 200, "{\"a\":{}}");
    expect("PUT", "/connectors/a/pause", "", 202, "");
    expect("GET", "/connectors/a/status", "", 200, STATUS("PAUSED", "{\"id\":0," STATE("PAUSED") "}"));
    expect("PUT", "/connectors/a/resume", "", 202, "");
    expect("PUT", "/connectors/a/stop", "", 204, "");
    expect("GET", "/connectors/a/status", "", 200, STATUS("STOPPED", ""));
    expect("GET", "/connectors/a/tasks", "", 200, "[]");
    expect("DELETE", "/connectors/a", "", 204, "");
    expect("GET", "/connectors/a", "", 404, "{\"error_code\":404,\"message\":\"Connector a not found\"}");
    worker_free(worker);
}
END_TEST

START_TEST(restarting)
{
    start();
    ask("POST", "/connectors", CREATE);
    expect("POST", "/connectors/a/restart", "", 204, "");
    expect("POST", "/connectors/a/tasks/0/restart", "", 204, "");
    ck_assert_int_eq(fake.restarted, 2);
    expect("POST", "/connectors/a/restart?includeTasks=true", "", 202,
           STATUS("RESTARTING", "{\"id\":0," STATE("RESTARTING") "}"));
    expect("POST", "/connectors/a/restart?includeTasks=true&onlyFailed=true", "", 202,
           STATUS("RUNNING", "{\"id\":0," STATE("RUNNING") "}"));
    ck_assert_int_eq(fake.restarted, 3);
    expect("POST", "/connectors/a/tasks/7/restart", "", 404,
           "{\"error_code\":404,\"message\":\"Unknown task: a-7\"}");
    worker_free(worker);
}
END_TEST

START_TEST(a_failure_is_seen_in_the_task)
{
    start();
    ask("POST", "/connectors", "{\"name\":\"a\",\"config\":{" GOOD ",\"snapshot.delay.ms\":13}}");
    expect("GET", "/connectors/a/status", "", 200,
           STATUS("RUNNING", "{\"id\":0," STATE("FAILED") ",\"trace\":\"it broke\"}"));
    worker_free(worker);
}
END_TEST

static const char *const unknown[][3] = {
    {"GET", "/connectors/nope", "Connector nope not found"},
    {"GET", "/connectors/nope/config", "Connector nope not found"},
    {"GET", "/connectors/nope/status", "No status found for connector nope"},
    {"GET", "/connectors/nope/tasks", "Connector nope not found"},
    {"GET", "/connectors/nope/tasks/0/status", "No status found for task nope-0"},
    {"GET", "/connectors/nope/tasks/x/status", "HTTP 404 Not Found"},
    {"POST", "/connectors/nope/restart", "Unknown connector: nope"},
    {"POST", "/connectors/nope/tasks/0/restart", "Unknown connector: nope"},
    {"PUT", "/connectors/nope/pause", "Unknown connector nope"},
    {"PUT", "/connectors/nope/resume", "Unknown connector nope"},
    {"PUT", "/connectors/nope/stop", "Unknown connector nope"},
    {"DELETE", "/connectors/nope", "Connector nope not found"},
    {"GET", "/nope", "HTTP 404 Not Found"},
    {"GET", "/connectors/nope/nope", "HTTP 404 Not Found"},
    {"GET", "/connectors/%00", "HTTP 404 Not Found"},
    {"GET", "/connector-plugins/nope/config", "Unknown plugin nope."},
};

START_TEST(what_is_not_there_is_404_in_connects_words)
{
    start();
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char *want = xasprintf("{\"error_code\":404,\"message\":\"%s\"}", unknown[i][2]);
        expect(unknown[i][0], unknown[i][1], "", 404, want);
        free(want);
    }
    expect("DELETE", "/connectors", "", 405,
           "{\"error_code\":405,\"message\":\"HTTP 405 Method Not Allowed\"}");
    worker_free(worker);
}
END_TEST

#define LIST_END                                                                                             \
    "\\nYou can also find the above list of errors at the endpoint "                                         \
    "`/connector-plugins/{connectorType}/config/validate`\"}"

START_TEST(bad_requests)
{
    start();
    expect("POST", "/connectors", "{\"name\":\"a\",\"config\":{" CLASS "}}", 400,
           "{\"error_code\":400,\"message\":\"Connector configuration is invalid and contains the following "
           "4 error(s):\\n"
           "The 'database.hostname' value is invalid: A value is required\\n"
           "The 'database.user' value is invalid: A value is required\\n"
           "The 'database.dbname' value is invalid: A value is required\\n"
           "The 'topic.prefix' value is invalid: A value is required" LIST_END);
    expect("POST", "/connectors", "{\"name\":\"a\",\"config\":{\"password\":\"geheim\"}}", 400,
           "{\"error_code\":400,\"message\":\"Connector config {password=********, name=a} contains no "
           "connector type\"}");
    expect("POST", "/connectors", "{\"name\":\"a\",\"config\":{\"name\":\"b\"}}", 400,
           "{\"error_code\":400,\"message\":\"Connector name configuration (b) doesn't match connector name "
           "in the URL (a)\"}");
    static const char *const bodies[] = {"",
                                         "{bad",
                                         "[]",
                                         "{}",
                                         "{\"name\":\"a\"}",
                                         "{\"name\":1,\"config\":{}}",
                                         "{\"name\":\"a\",\"config\":[]}",
                                         "{\"name\":\"a\",\"config\":{\"x\":{}}}",
                                         "{\"name\":\"a\",\"config\":{" GOOD "},\"initial_state\":\"FOO\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        ask("POST", "/connectors", bodies[i]);
        ck_assert_msg(reply.status == 400, "%s: %d", bodies[i], reply.status);
    }
    expect("GET", "/connectors", "", 200, "[]");
    worker_free(worker);
}
END_TEST

START_TEST(a_form_on_a_web_page_cannot_create_connectors)
{
    start();
    ask_as("text/plain", "POST", "/connectors", CREATE);
    ck_assert_int_eq(reply.status, 415);
    ask_as("", "POST", "/connectors", CREATE);
    ck_assert_int_eq(reply.status, 415);
    expect("GET", "/connectors", "", 200, "[]");
    ask_as("application/json; charset=utf-8", "POST", "/connectors", CREATE);
    ck_assert_int_eq(reply.status, 201);
    worker_free(worker);
}
END_TEST

START_TEST(configurations_are_put_and_patched_and_secrets_survive_both)
{
    struct worker_view v;
    start();
    ask("PUT", "/connectors/a/config", "{" GOOD "}");
    ck_assert_int_eq(reply.status, 201);
    ask("GET", "/connectors/a/config", "");
    char *shown = xstrdup(reply.body.ptr);
    ask("PUT", "/connectors/a/config", shown);
    ck_assert_msg(reply.status == 200, "%s", reply.body.ptr);
    free(shown);
    ask("PATCH", "/connectors/a/config", "{\"heartbeat.interval.ms\":1000,\"slot.name\":null}");
    ck_assert_int_eq(reply.status, 200);
    worker_look(worker, "a", &v);
    ck_assert_str_eq(props_get(v.config, "database.password"), "geheim");
    ck_assert_str_eq(props_get(v.config, "heartbeat.interval.ms"), "1000");
    ck_assert_ptr_null(props_get(v.config, "slot.name"));
    worker_view_free(&v);
    ask("PATCH", "/connectors/a/config", "{\"slot.name\":\"No Good\"}");
    ck_assert_int_eq(reply.status, 400);
    ck_assert_ptr_null(strstr(reply.body.ptr, "geheim"));
    worker_free(worker);
}
END_TEST

/* Answers tell what the user wrote, not what it stands for. */
START_TEST(what_placeholders_stand_for_is_not_told)
{
    static const char *const settings[] = {
        "\"slot.name\":\"${env:HIDDEN}\"",
        "\"tasks.max\":\"${env:HIDDEN}\"",
        "\"snapshot.mode\":\"${env:HIDDEN}\"",
        "\"table.include.list\":\"${env:HIDDEN}\",\"table.exclude.list\":\"b\"",
    };
    start();
    setenv("HIDDEN", "Geheim(Text", 1);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char *config = xasprintf("{\"name\":\"a\"," GOOD ",%s}", settings[i]);
        char *created = xasprintf("{\"name\":\"a\",\"config\":%s}", config);
        ask("POST", "/connectors", created);
        ck_assert_int_eq(reply.status, 400);
        ck_assert_msg(!strstr(reply.body.ptr, "Geheim"), "%s", reply.body.ptr);
        ask("PUT", "/connector-plugins/PostgresConnector/config/validate", config);
        ck_assert_int_eq(reply.status, 200);
        ck_assert_ptr_null(strstr(reply.body.ptr, "\"error_count\":0"));
        ck_assert_msg(!strstr(reply.body.ptr, "Geheim"), "%s", reply.body.ptr);
        free(config);
        free(created);
    }
    unsetenv("HIDDEN");
    worker_free(worker);
}
END_TEST

START_TEST(a_connector_may_begin_stopped)
{
    start();
    ask("POST", "/connectors", "{\"name\":\"a\",\"config\":{" GOOD "},\"initial_state\":\"STOPPED\"}");
    ck_assert_int_eq(reply.status, 201);
    expect("GET", "/connectors/a/status", "", 200, STATUS("STOPPED", ""));
    worker_free(worker);
}
END_TEST

/* The server resolves dots and takes %2F for a slash. */
START_TEST(names_that_no_path_can_hold)
{
    start();
    static const char *const names[] = {"a/b", "../../up", ".", ".."};
    for (int i = 0; i < 4; i++) {
        char *body = xasprintf("{\"name\":\"%s\",\"config\":{" GOOD "}}", names[i]);
        ask("POST", "/connectors", body);
        ck_assert_int_eq(reply.status, 400);
        free(body);
    }
    expect("GET", "/connectors", "", 200, "[]");
    worker_free(worker);
}
END_TEST

START_TEST(names_with_other_characters)
{
    start();
    ask("POST", "/connectors", "{\"name\":\"a b?c\",\"config\":{" GOOD "}}");
    ck_assert_int_eq(reply.status, 201);
    ck_assert(sent_header("/connectors/a%20b%3Fc"));
    ask("GET", "/connectors/a%20b%3Fc/status", "");
    ck_assert_int_eq(reply.status, 200);
    worker_free(worker);
}
END_TEST

START_TEST(validation_names_each_option_with_its_errors)
{
    start();
    ask("PUT", "/connector-plugins/PostgresConnector/config/validate",
        "{\"connector.class\":\"PostgresConnector\",\"name\":\"a\",\"database.password\":\"geheim\","
        "\"database.connection.factory.class\":\"a\"}");
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(
        strstr(reply.body.ptr, "{\"name\":\"PostgresConnector\",\"error_count\":5,\"groups\":["));
    ck_assert_ptr_nonnull(strstr(
        reply.body.ptr, "\"errors\":[\"The 'database.hostname' value is invalid: A value is required\"]"));
    ck_assert_ptr_nonnull(
        strstr(reply.body.ptr, "\"errors\":[\"The 'database.connection.factory.class' value is invalid"));
    ck_assert_ptr_null(strstr(reply.body.ptr, "geheim"));
    ask("PUT", "/connector-plugins/PostgresConnector/config/validate", "{\"connector.class\":\"foo\"}");
    ck_assert_int_eq(reply.status, 400);
    ask("GET", "/connector-plugins/Postgres/config", "");
    ck_assert_int_eq(reply.status, 200);
    expect("GET", "/connector-plugins", "", 200,
           "[{\"class\":\"io.debezium.connector.postgresql.PostgresConnector\",\"type\":\"source\","
           "\"version\":\"" WALWIRE_VERSION "\"}]");
    worker_free(worker);
}
END_TEST

START_TEST(metrics_are_prometheus_text)
{
    start();
    ask("POST", "/connectors", "{\"name\":\"a\\\"b\",\"config\":{" GOOD "}}");
    ask("GET", "/metrics", "");
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(strstr(reply.content_type, "text/plain"));
    static const char *const lines[] = {
        "\n# TYPE walwire_transactions_total "
        "counter\nwalwire_transactions_total{connector=\"a\\\"b\",task=\"0\"} 5\n",
        "\nwalwire_lag_seconds{connector=\"a\\\"b\",task=\"0\"} 0.007\n",
        "\nwalwire_received_lsn{connector=\"a\\\"b\",task=\"0\"} 8192\n",
        "\nwalwire_flushed_lsn{connector=\"a\\\"b\",task=\"0\"} 4096\n",
        "\nwalwire_connector_state{connector=\"a\\\"b\",task=\"0\",state=\"RUNNING\"} 1\n",
        "\nwalwire_connector_state{connector=\"a\\\"b\",task=\"0\",state=\"FAILED\"} 0\n",
        "\ndebezium_metrics_MilliSecondsBehindSource{name=\"shop\",plugin=\"postgres\",context=\"streaming\","
        "connector=\"a\\\"b\",task=\"0\"} 7\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(strstr(reply.body.ptr, lines[i]) != NULL, "%s", lines[i]);
    worker_free(worker);
}
END_TEST

/* A client asks before it sends, and says what it can read. */
START_TEST(methods_are_told_and_other_types_are_not_acceptable)
{
    start();
    expect("OPTIONS", "/connectors/a/config", "", 200, "GET, HEAD, PUT, PATCH, OPTIONS");
    ck_assert(sent_header("GET, HEAD, PUT, PATCH, OPTIONS"));
    expect("OPTIONS", "/nothing", "", 404, "{\"error_code\":404,\"message\":\"HTTP 404 Not Found\"}");
    static const struct {
        const char *accept;
        int status;
    } cases[] = {{"", 200},
                 {"*/*", 200},
                 {"text/html, application/json;q=0.5", 200},
                 {"application/*", 200},
                 {"text/html", 406},
                 {"application/jsonx", 406}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request request = {.method = "GET",
                                       .path = "/connectors",
                                       .query = "",
                                       .content_type = "",
                                       .host = "",
                                       .body = SLICE(""),
                                       .accept = cases[i].accept};
        buf_free(&reply.body);
        reply = (struct http_reply){.status = 200, .content_type = "application/json"};
        api_handle(worker, &request, &reply);
        ck_assert_msg(reply.status == cases[i].status, "%s: %d", cases[i].accept, reply.status);
    }
    worker_free(worker);
}
END_TEST

START_TEST(active_topics_are_told_and_forgotten)
{
    start();
    expect("GET", "/connectors/a/topics", "", 200, "{\"a\":{\"topics\":[]}}");
    activity_note(worker_activity(worker), "a", "shop.public.t");
    expect("GET", "/connectors/a/topics", "", 200, "{\"a\":{\"topics\":[\"shop.public.t\"]}}");
    expect("PUT", "/connectors/a/topics/reset", "", 202, "");
    expect("GET", "/connectors/a/topics", "", 200, "{\"a\":{\"topics\":[]}}");
    worker_free(worker);
}
END_TEST

START_TEST(logger_levels_are_set_by_name)
{
    start();
    expect("GET", "/admin/loggers", "", 200, "{\"root\":{\"level\":\"INFO\",\"last_modified\":null}}");
    expect("PUT", "/admin/loggers/org.example", "{\"level\":\"debug\"}", 200, "[\"org.example\"]");
    ck_assert_int_eq(log_get_level(), LOG_INFO);
    expect("PUT", "/admin/loggers/io.debezium.x", "{\"level\":\"TRACE\"}", 200, "[\"io.debezium.x\"]");
    ck_assert_int_eq(log_get_level(), LOG_DEBUG);
    expect("PUT", "/admin/loggers/root", "{\"level\":\"ERROR\"}", 200,
           "[\"root\",\"io.debezium.x\",\"org.example\"]");
    ck_assert_int_eq(log_get_level(), LOG_ERROR);
    expect("PUT", "/admin/loggers/root?scope=cluster", "{\"level\":\"INFO\"}", 204, "");
    expect("PUT", "/admin/loggers/root", "{\"level\":\"loud\"}", 404,
           "{\"error_code\":404,\"message\":\"invalid log level 'loud'.\"}");
    worker_free(worker);
}
END_TEST

/* What listens already may not have its connectors yet: who asks shall come back. */
START_TEST(a_starting_server_says_so)
{
    start();
    worker_set_starting(worker, true);
    expect("GET", "/health", "", 503,
           "{\"status\":\"starting\",\"message\":\"Worker is still starting up.\"}");
    expect("GET", "/connectors", "", 503,
           "{\"error_code\":503,\"message\":\"Worker is still starting up.\"}");
    worker_set_starting(worker, false);
    expect("GET", "/connectors", "", 200, "[]");
    worker_free(worker);
}
END_TEST

START_TEST(the_server_tells_whose_interface_it_speaks)
{
    start();
    expect("GET", "/", "", 200,
           "{\"version\":\"4.3.1\",\"commit\":\"walwire-" WALWIRE_VERSION
           "\",\"kafka_cluster_id\":\"walwire\"}");
    expect("HEAD", "/health", "", 200,
           "{\"status\":\"healthy\",\"message\":\"Worker has completed startup and is ready to handle "
           "requests.\"}");
    worker_free(worker);
}
END_TEST

SUITE_MAIN("api", the_life_of_a_connector, restarting, a_failure_is_seen_in_the_task,
           what_is_not_there_is_404_in_connects_words, bad_requests,
           a_form_on_a_web_page_cannot_create_connectors,
           configurations_are_put_and_patched_and_secrets_survive_both, a_connector_may_begin_stopped,
           names_with_other_characters, names_that_no_path_can_hold,
           validation_names_each_option_with_its_errors, metrics_are_prometheus_text,
           methods_are_told_and_other_types_are_not_acceptable, active_topics_are_told_and_forgotten,
           logger_levels_are_set_by_name, what_placeholders_stand_for_is_not_told, a_starting_server_says_so,
           the_server_tells_whose_interface_it_speaks)
