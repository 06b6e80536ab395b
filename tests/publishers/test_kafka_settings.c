/* test_kafka_settings.c - settings keep their meaning when they move over from Kafka Connect, and never less
 * safely. */
#include "kafka_settings.h"

#include "kafka_client.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct props *worker, *connector;
static struct err e;

static void setup(void)
{
    worker = props_new();
    connector = props_new();
    memset(&e, 0, sizeof e);
    props_set(worker, "bootstrap.servers", "127.0.0.1:9092");
}

static void teardown(void)
{
    props_free(worker);
    props_free(connector);
}

static rd_kafka_conf_t *must(void)
{
    rd_kafka_conf_t *conf = kafka_settings_producer(worker, connector, "inventory", &e);
    ck_assert_msg(conf != NULL, "%s", e.text);
    return conf;
}

static void expect(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[4096];
    size_t len = sizeof text;
    ck_assert_int_eq(rd_kafka_conf_get(conf, name, text, &len), RD_KAFKA_CONF_OK);
    ck_assert_msg(strcmp(text, value) == 0, "%s is %s, not %s", name, text, value);
}

static void expect_topic(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[200];
    size_t len = sizeof text;
    ck_assert_int_eq(rd_kafka_topic_conf_get(rd_kafka_conf_get_default_topic_conf(conf), name, text, &len),
                     RD_KAFKA_CONF_OK);
    ck_assert_str_eq(text, value);
}

static void expect_refused(const char *said)
{
    rd_kafka_conf_t *conf = kafka_settings_producer(worker, connector, "inventory", &e);
    ck_assert_ptr_null(conf);
    ck_assert_int_eq(e.kind, ERR_CONFIG);
    ck_assert_msg(strstr(e.text, said) != NULL, "%s", e.text);
}

static void file_write(const char *path, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

/* With nothing set, no message can be lost, doubled or reordered by the producer, and keys land where Java
 * puts them. */
START_TEST(presets_are_safe)
{
    rd_kafka_conf_t *conf = must();
    expect(conf, "enable.idempotence", "true");
    expect(conf, "client.id", "connector-producer-inventory-0");
    expect_topic(conf, "acks", "-1");
    expect_topic(conf, "message.timeout.ms", "0");
    expect_topic(conf, "partitioner", "murmur2_random");
    rd_kafka_t *rk = kafka_client_new(RD_KAFKA_PRODUCER, conf, &e);
    ck_assert_msg(rk != NULL, "%s", e.text);
    rd_kafka_destroy(rk);
}
END_TEST

/* producer.override.* of the connector wins over producer.* of the worker, and that over the plain name. */
START_TEST(the_nearest_place_wins)
{
    props_set(worker, "security.protocol", "SSL");
    props_set(worker, "producer.security.protocol", "SASL_SSL");
    props_set(worker, "producer.linger.ms", "20");
    props_set(worker, "producer.compression.type", "gzip");
    props_set(connector, "producer.override.linger.ms", "40");
    props_set(worker, "linger.ms", "80");
    rd_kafka_conf_t *conf = must();
    expect(conf, "security.protocol", "sasl_ssl");
    expect(conf, "linger.ms", "40");
    expect(conf, "compression.codec", "gzip");
    rd_kafka_conf_destroy(conf);
}
END_TEST

START_TEST(java_units_are_translated)
{
    props_set(connector, "producer.override.buffer.memory", "33554432");
    props_set(connector, "producer.override.max.request.size", "5242880");
    props_set(connector, "producer.override.send.buffer.bytes", "-1");
    props_set(connector, "producer.override.batch.size", "0");
    props_set(connector, "producer.override.max.in.flight.requests.per.connection", "10");
    props_set(connector, "producer.override.delivery.timeout.ms", "120000");
    rd_kafka_conf_t *conf = must();
    expect(conf, "queue.buffering.max.kbytes", "32768");
    expect(conf, "message.max.bytes", "5242880");
    expect(conf, "socket.send.buffer.bytes", "0");
    expect(conf, "batch.size", "1");
    expect(conf, "max.in.flight", "5");
    expect_topic(conf, "message.timeout.ms", "120000");
    rd_kafka_conf_destroy(conf);
}
END_TEST

/* Java's own rule; then one request at a time keeps the order that idempotence would have kept. */
START_TEST(fewer_acks_give_up_idempotence_but_not_order)
{
    props_set(worker, "producer.acks", "1");
    rd_kafka_conf_t *conf = must();
    expect(conf, "enable.idempotence", "false");
    expect(conf, "max.in.flight", "1");
    rd_kafka_conf_destroy(conf);
}
END_TEST

static const struct {
    const char *jaas, *user, *password;
} LOGINS[] = {
    {"org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" "
     "password=\"a;b=c\";",
     "alice", "a;b=c"},
    {"org.apache.kafka.common.security.scram.ScramLoginModule   required\n  username='bob'\n  "
     "password=\"q\\\"uo\\\\te\" ;",
     "bob", "q\"uo\\te"},
    {"org.apache.kafka.common.security.plain.PlainLoginModule required username=carol password=plain "
     "serviceName=\"x\";",
     "carol", "plain"},
};

START_TEST(jaas_user_and_password_are_taken)
{
    props_set(worker, "security.protocol", "SASL_PLAINTEXT");
    props_set(worker, "sasl.mechanism", "PLAIN");
    props_set(worker, "sasl.jaas.config", LOGINS[_i].jaas);
    rd_kafka_conf_t *conf = must();
    expect(conf, "sasl.mechanisms", "PLAIN");
    expect(conf, "sasl.username", LOGINS[_i].user);
    expect(conf, "sasl.password", LOGINS[_i].password);
    rd_kafka_conf_destroy(conf);
}
END_TEST

/* A login that cannot be read is an error that does not show the password. */
START_TEST(bad_jaas_is_refused_without_showing_it)
{
    static const struct {
        const char *jaas, *said;
    } BAD[] = {
        {"org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\" password=\"hunter2",
         "cannot be read"},
        {"org.apache.kafka.common.security.plain.PlainLoginModule required password=\"hunter2\";",
         "needs username"},
        {"software.amazon.msk.auth.iam.IAMLoginModule required secret=\"hunter2\";", "IAMLoginModule"},
        {"com.sun.security.auth.module.Krb5LoginModule required principal=\"a; hunter2 #\";",
         "part of a command"},
        {"com.sun.security.auth.module.Krb5LoginModule required keyTab=\"/k\\\" $(hunter2) \\\"\";",
         "part of a command"},
        {"com.sun.security.auth.module.Krb5LoginModule required principal=\"-x\";", "part of a command"},
        {"", ""},
    };
    for (size_t i = 0; *BAD[i].jaas; i++) {
        props_set(worker, "sasl.jaas.config", BAD[i].jaas);
        expect_refused(BAD[i].said);
        ck_assert_ptr_null(strstr(e.text, "hunter2"));
    }
}
END_TEST

START_TEST(pem_trust_store_is_used_and_java_one_explained)
{
    char path[] = "/tmp/test-kafka-settings-XXXXXX";
    close(mkstemp(path));
    props_set(worker, "ssl.truststore.location", path);
    props_set(worker, "ssl.truststore.password", "changeit");
    file_write(path, "\xFE\xED\xFE\xED\0\0\0\2", 8);
    expect_refused("keytool -list -rfc");
    static const char PEM[] = "CN = test\n-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
    file_write(path, PEM, sizeof PEM - 1);
    rd_kafka_conf_t *conf = must();
    expect(conf, "ssl.ca.location", path);
    rd_kafka_conf_destroy(conf);
    unlink(path);
    expect_refused("No such file");
}
END_TEST

START_TEST(key_store_by_its_content)
{
    char path[] = "/tmp/test-kafka-settings-XXXXXX";
    close(mkstemp(path));
    props_set(worker, "ssl.keystore.location", path);
    file_write(path, "\xFE\xED\xFE\xED\0\0\0\2", 8);
    expect_refused("-deststoretype PKCS12");
    file_write(path, "\x30\x82\x01\x02", 4);
    rd_kafka_conf_t *conf = must();
    expect(conf, "ssl.keystore.location", path);
    rd_kafka_conf_destroy(conf);
    file_write(path, "-----BEGIN PRIVATE KEY-----\n", 28);
    conf = must();
    expect(conf, "ssl.key.location", path);
    expect(conf, "ssl.certificate.location", path);
    rd_kafka_conf_destroy(conf);
    unlink(path);
}
END_TEST

/* Java takes PEM on one line, as a properties file with continuation lines gives it; OpenSSL wants lines. */
START_TEST(pem_on_one_line_gets_its_lines_back)
{
    props_set(worker, "ssl.truststore.certificates",
              "-----BEGIN CERTIFICATE----- AAAA BBBB -----END CERTIFICATE-----");
    rd_kafka_conf_t *conf = must();
    expect(conf, "ssl.ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n");
    rd_kafka_conf_destroy(conf);
}
END_TEST

/* An empty algorithm is how Java switches the check off. */
START_TEST(host_name_check_as_in_java)
{
    rd_kafka_conf_t *conf = must();
    expect(conf, "ssl.endpoint.identification.algorithm", "https");
    rd_kafka_conf_destroy(conf);
    props_set(worker, "ssl.endpoint.identification.algorithm", "");
    conf = must();
    expect(conf, "ssl.endpoint.identification.algorithm", "none");
    rd_kafka_conf_destroy(conf);
}
END_TEST

/* What loads code, prints secrets, changes where keys go or reaches beyond a connector's rights does not
 * pass. */
static const char *const DANGEROUS[][2] = {
    {"producer.override.plugin.library.paths", "/tmp/x.so"},
    {"producer.override.ssl.engine.location", "/tmp/x.so"},
    {"producer.override.ssl.providers", "legacy"},
    {"producer.override.debug", "all"},
    {"producer.override.transactional.id", "t"},
    {"producer.override.partitioner.class", "com.example.Mine"},
    {"producer.override.partitioner.ignore.keys", "true"},
    {"producer.override.sasl.kerberos.kinit.cmd", "touch x"},
};

START_TEST(dangerous_settings_are_refused)
{
    props_set(connector, DANGEROUS[_i][0], DANGEROUS[_i][1]);
    expect_refused(strstr(DANGEROUS[_i][0], "override.") + 9);
}
END_TEST

/* A configuration that ran under Connect starts here too. */
START_TEST(java_classes_and_unknown_names_do_not_stop_the_start)
{
    props_set(worker, "producer.interceptor.classes",
              "io.confluent.monitoring.clients.interceptor.Monitoring");
    props_set(worker, "producer.max.block.ms", "60000");
    props_set(worker, "producer.no.such.setting", "1");
    props_set(worker, "key.converter", "org.apache.kafka.connect.json.JsonConverter");
    rd_kafka_conf_destroy(must());
}
END_TEST

START_TEST(bad_values_are_named)
{
    props_set(connector, "producer.override.linger.ms", "soon");
    expect_refused("linger.ms=soon");
    props_set(connector, "producer.override.linger.ms", NULL);
    props_set(worker, "bootstrap.servers", NULL);
    expect_refused("bootstrap.servers");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_settings");
    TCase *tcase = tcase_create("kafka_settings");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, presets_are_safe);
    tcase_add_test(tcase, the_nearest_place_wins);
    tcase_add_test(tcase, java_units_are_translated);
    tcase_add_test(tcase, fewer_acks_give_up_idempotence_but_not_order);
    tcase_add_loop_test(tcase, jaas_user_and_password_are_taken, 0, 3);
    tcase_add_test(tcase, bad_jaas_is_refused_without_showing_it);
    tcase_add_test(tcase, pem_trust_store_is_used_and_java_one_explained);
    tcase_add_test(tcase, key_store_by_its_content);
    tcase_add_test(tcase, pem_on_one_line_gets_its_lines_back);
    tcase_add_test(tcase, host_name_check_as_in_java);
    tcase_add_loop_test(tcase, dangerous_settings_are_refused, 0, sizeof DANGEROUS / sizeof *DANGEROUS);
    tcase_add_test(tcase, java_classes_and_unknown_names_do_not_stop_the_start);
    tcase_add_test(tcase, bad_values_are_named);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}
