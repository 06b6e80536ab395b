/* test_preflight.c - `walwire check` says what is wrong and how to mend it, and its exit code can be relied
 * on. What it finds on a server is tested against a real one, in tests/live. */
#include "preflight.h"

#include "suite.h"
#include "xmalloc.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static char *output;
static size_t output_size;

static int run(const struct props *connector, const struct props *worker)
{
    free(output);
    FILE *out = open_memstream(&output, &output_size);
    int fails = preflight_run("shop", connector, worker, out);
    fclose(out);
    return fails;
}

static struct props *sound(const char *port)
{
    struct props *p = props_new();
    props_set(p, "database.hostname", "127.0.0.1");
    props_set(p, "database.port", port);
    props_set(p, "database.user", "u");
    props_set(p, "database.password", "geheim");
    props_set(p, "database.dbname", "d");
    props_set(p, "topic.prefix", "shop");
    return p;
}

/* A port of this machine that is bound, so that nobody else has it, but not listened on, so that it refuses.
 */
static int refusing_port(char *text, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(text, size, "%d", ntohs(address.sin_port));
    return fd;
}

START_TEST(every_error_of_the_configuration_is_a_line)
{
    struct props *p = sound("5432");
    props_set(p, "slot.name", "No Good");
    props_set(p, "transforms", "unwrap");
    ck_assert_int_eq(run(p, NULL), 2);
    ck_assert_ptr_nonnull(strstr(output, "FAIL  The 'slot.name' value is invalid: "));
    ck_assert_ptr_nonnull(strstr(output, "\nFAIL  The 'transforms' value is invalid: "));
    props_free(p);
}
END_TEST

START_TEST(a_server_that_refuses_is_told_with_what_to_look_at)
{
    char port[10];
    int fd = refusing_port(port, sizeof port);
    struct props *p = sound(port);
    ck_assert_int_eq(run(p, NULL), 1);
    ck_assert_msg(strncmp(output, "ok    the configuration of shop is sound\nFAIL  ", 47) == 0, "%s", output);
    ck_assert_ptr_nonnull(strstr(output, "database.port"));
    ck_assert_ptr_null(strstr(output, "geheim"));
    props_free(p);
    close(fd);
}
END_TEST

START_TEST(the_worker_is_checked_though_the_server_is_away)
{
    char port[10];
    int fd = refusing_port(port, sizeof port);
    struct props *p = sound(port), *worker = props_new();
    props_set(worker, "offset.storage.file.filename", "/nowhere/at/all/offsets");
    ck_assert_int_eq(run(p, worker), 2);
    ck_assert_ptr_nonnull(strstr(output, "warn  the worker file has no bootstrap.servers"));
    ck_assert_ptr_nonnull(strstr(output, "FAIL  stored positions: "));
    props_free(worker);
    props_free(p);
    close(fd);
}
END_TEST

START_TEST(servers_with_a_known_loss_are_told)
{
    ck_assert_int_eq(preflight_fixed_in(150012), 150013);
    ck_assert_int_eq(preflight_fixed_in(150013), 0);
    ck_assert_int_eq(preflight_fixed_in(140000), 140018);
    ck_assert_int_eq(preflight_fixed_in(160008), 160009);
    ck_assert_int_eq(preflight_fixed_in(170004), 170005);
    ck_assert_int_eq(preflight_fixed_in(170011), 0);
    ck_assert_int_eq(preflight_fixed_in(180000), 0);
}
END_TEST

static int command(char *target, char *option)
{
    char name[] = "check";
    char *argv[] = {name, target, option, NULL};
    return preflight_main(option ? 3 : target ? 2 : 1, argv);
}

START_TEST(a_wrong_command_is_told_apart_from_a_failed_check)
{
    char nonsense[] = "nonsense", missing[] = "/nowhere/a.json", option[] = "--what", refused[100], port[10];
    ck_assert_int_eq(command(NULL, NULL), 2);
    ck_assert_int_eq(command(nonsense, NULL), 2);
    ck_assert_int_eq(command(missing, NULL), 2);
    ck_assert_int_eq(command(nonsense, option), 2);
    int fd = refusing_port(port, sizeof port);
    snprintf(refused, sizeof refused, "host=127.0.0.1 port=%s user=u dbname=d", port);
    ck_assert_int_eq(command(refused, NULL), 1);
    close(fd);
}
END_TEST

SUITE_MAIN("preflight", every_error_of_the_configuration_is_a_line,
           a_server_that_refuses_is_told_with_what_to_look_at,
           the_worker_is_checked_though_the_server_is_away, servers_with_a_known_loss_are_told,
           a_wrong_command_is_told_apart_from_a_failed_check)
