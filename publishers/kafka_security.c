/* kafka_security.c - Java's ways to say who one is and whom one trusts, for librdkafka. */
#include "kafka_security.h"

#include "buf.h"
#include "kafka_client.h"
#include "props.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One login module and its options: which of them librdkafka has a setting for. */
struct login {
    const char *class_end, *constant, *constant_value;
    struct {
        const char *option, *name;
        bool needed;
    } options[4];
};

static const struct login LOGINS[] = {
    {".PlainLoginModule",
     NULL,
     NULL,
     {{"username", "sasl.username", true}, {"password", "sasl.password", true}}},
    {".ScramLoginModule",
     NULL,
     NULL,
     {{"username", "sasl.username", true}, {"password", "sasl.password", true}}},
    {".OAuthBearerLoginModule",
     "sasl.oauthbearer.method",
     "oidc",
     {{"clientId", "sasl.oauthbearer.client.id", true},
      {"clientSecret", "sasl.oauthbearer.client.secret", true},
      {"scope", "sasl.oauthbearer.scope", false}}},
    {".Krb5LoginModule",
     NULL,
     NULL,
     {{"keyTab", "sasl.kerberos.keytab", false},
      {"principal", "sasl.kerberos.principal", false},
      {"serviceName", "sasl.kerberos.service.name", false}}},
};

/* Java's StreamTokenizer: words end at blanks, = and ;, quotes of either kind hold anything, \ takes the next
 * char. */
static bool token_next(const char **at, struct buf *out)
{
    buf_reset(out);
    while (isspace((unsigned char)**at))
        (*at)++;
    char quote = **at == '"' || **at == '\'' ? *(*at)++ : 0;
    if (!quote && (**at == '=' || **at == ';')) {
        buf_char(out, *(*at)++);
        return true;
    }
    for (; **at; (*at)++) {
        if (quote ? **at == quote : strchr("=;\"'", **at) || isspace((unsigned char)**at))
            break;
        if (quote && **at == '\\' && (*at)[1])
            (*at)++;
        buf_char(out, **at);
    }
    if (!quote)
        return out->len > 0;
    if (**at != quote)
        return false;
    (*at)++;
    return true;
}

static bool jaas_option(const char **at, struct buf *token, struct props *options)
{
    char *name = xstrdup(token->ptr);
    bool ok = token_next(at, token) && strcmp(token->ptr, "=") == 0 && token_next(at, token);
    if (ok)
        props_set(options, name, token->ptr ? token->ptr : "");
    memset(token->ptr, 0, token->len);
    free(name);
    return ok;
}

/* "class control-flag name=value ... ;" */
static bool jaas_parse(const char *text, struct buf *class_name, struct props *options)
{
    struct buf token = BUF_EMPTY;
    bool ok = token_next(&text, class_name) && token_next(&text, &token);
    while (ok && (ok = token_next(&text, &token)) && strcmp(token.ptr, ";") != 0)
        ok = jaas_option(&text, &token, options);
    buf_free(&token);
    return ok;
}

/* librdkafka puts keytab and principal into a command line and hands that to a shell
 * (sasl.kerberos.kinit.cmd).
 */
static bool shell_safe(const struct login *login, const char *option, const char *value, struct err *e)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._@-+:=,";
    if (strcmp(login->class_end, ".Krb5LoginModule") != 0 ||
        (value[0] != '-' && value[strspn(value, plain)] == 0))
        return true;
    return err_set(
        e, ERR_CONFIG,
        "sasl.jaas.config: %s may hold letters, digits and /._@-+:=, only, for it becomes part of a "
        "command",
        option);
}

static bool login_apply(rd_kafka_conf_t *conf, const struct login *login, const struct props *options,
                        struct err *e)
{
    for (size_t i = 0; login->options[i].option; i++) {
        const char *value = props_get(options, login->options[i].option);
        if (!value && login->options[i].needed)
            return err_set(e, ERR_CONFIG, "sasl.jaas.config: %s needs %s", login->class_end + 1,
                           login->options[i].option);
        if (value && (!shell_safe(login, login->options[i].option, value, e) ||
                      !kafka_conf_put(conf, login->options[i].name, value, e)))
            return false;
    }
    return !login->constant || kafka_conf_put(conf, login->constant, login->constant_value, e);
}

static const struct login *login_find(struct slice class_name)
{
    for (size_t i = 0; i < sizeof LOGINS / sizeof *LOGINS; i++) {
        size_t len = strlen(LOGINS[i].class_end);
        if (class_name.len > len && strcmp(class_name.ptr + class_name.len - len, LOGINS[i].class_end) == 0)
            return &LOGINS[i];
    }
    return NULL;
}

bool kafka_jaas_apply(rd_kafka_conf_t *conf, const char *text, struct err *e)
{
    struct buf class_name = BUF_EMPTY;
    struct props *options = props_new();
    bool ok = jaas_parse(text, &class_name, options);
    const struct login *login = ok ? login_find(buf_view(&class_name)) : NULL;
    if (!ok)
        err_set(e, ERR_CONFIG,
                "sasl.jaas.config: cannot be read; wanted: org.apache.kafka.common.security.plain."
                "PlainLoginModule required username=\"...\" password=\"...\";");
    else if (!login)
        err_set(e, ERR_CONFIG,
                "sasl.jaas.config: there is no match for %s outside Java; use PlainLoginModule, "
                "ScramLoginModule, OAuthBearerLoginModule or Krb5LoginModule",
                class_name.ptr);
    ok = login && login_apply(conf, login, options, e);
    props_free(options);
    buf_free(&class_name);
    return ok;
}

enum store_kind { STORE_PEM, STORE_JKS, STORE_OTHER };

static bool store_kind_of(const char *setting, const char *path, enum store_kind *kind, struct err *e)
{
    char head[64 * 1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, head, sizeof head);
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return err_set(e, ERR_CONFIG, "%s=%s: %s", setting, path, strerror(why));
    bool jks = len >= 4 && memcmp(head, "\xFE\xED\xFE\xED", 4) == 0;
    bool pem = memmem(head, (size_t)len, "-----BEGIN ", 11);
    *kind = pem ? STORE_PEM : jks ? STORE_JKS : STORE_OTHER;
    return true;
}

bool kafka_truststore_apply(rd_kafka_conf_t *conf, const char *path, struct err *e)
{
    enum store_kind kind;
    if (!store_kind_of("ssl.truststore.location", path, &kind, e))
        return false;
    if (kind == STORE_PEM)
        return kafka_conf_put(conf, "ssl.ca.location", path, e);
    return err_set(e, ERR_CONFIG,
                   "ssl.truststore.location=%s is not PEM, and a Java keystore cannot be read here; convert "
                   "it: keytool -list -rfc -keystore %s > ca.pem, then set ssl.truststore.location=ca.pem",
                   path, path);
}

bool kafka_keystore_apply(rd_kafka_conf_t *conf, const char *path, struct err *e)
{
    enum store_kind kind;
    if (!store_kind_of("ssl.keystore.location", path, &kind, e))
        return false;
    if (kind == STORE_PEM)
        return kafka_conf_put(conf, "ssl.certificate.location", path, e) &&
               kafka_conf_put(conf, "ssl.key.location", path, e);
    if (kind == STORE_OTHER)
        return kafka_conf_put(conf, "ssl.keystore.location", path, e);
    return err_set(
        e, ERR_CONFIG,
        "ssl.keystore.location=%s is a JKS keystore, which cannot be read here; convert it: "
        "keytool -importkeystore -srckeystore %s -destkeystore client.p12 -deststoretype PKCS12, then set "
        "ssl.keystore.location=client.p12",
        path, path);
}

/* Blanks outside the dashed lines become line ends. */
static void pem_lines(struct buf *out, const char *text)
{
    bool dashed = false;
    for (const char *at = text; *at; at++) {
        if (strncmp(at, "-----", 5) == 0) {
            dashed = !dashed;
            buf_str(out, "-----");
            at += 4;
        } else {
            buf_char(out, !dashed && *at == ' ' ? '\n' : *at);
        }
    }
    buf_char(out, '\n');
}

bool kafka_pem_apply(rd_kafka_conf_t *conf, const char *name, const char *text, struct err *e)
{
    if (strchr(text, '\n'))
        return kafka_conf_put(conf, name, text, e);
    struct buf out = BUF_EMPTY;
    pem_lines(&out, text);
    bool ok = kafka_conf_put(conf, name, out.ptr, e);
    explicit_bzero(out.ptr, out.len);
    buf_free(&out);
    return ok;
}
