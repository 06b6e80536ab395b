/* kafka_security.h - Java's ways to say who one is and whom one trusts (JAAS, key stores), for librdkafka. */
#ifndef PUBLISHERS_KAFKA_SECURITY_H
#define PUBLISHERS_KAFKA_SECURITY_H

#include "err.h"

#include <librdkafka/rdkafka.h>

/* sasl.jaas.config: user and password of PlainLoginModule and ScramLoginModule, clientId and clientSecret of
 * OAuthBearerLoginModule, keyTab and principal of Krb5LoginModule. ERR_CONFIG never shows the text. */
bool kafka_jaas_apply(rd_kafka_conf_t *conf, const char *text, struct err *e);

/* ssl.truststore.location: a PEM file. ERR_CONFIG for a Java keystore tells how to convert it. */
bool kafka_truststore_apply(rd_kafka_conf_t *conf, const char *path, struct err *e);

/* ssl.keystore.location: a PEM file with key and certificates, or PKCS#12. ERR_CONFIG for JKS tells how to
 * convert. */
bool kafka_keystore_apply(rd_kafka_conf_t *conf, const char *path, struct err *e);

/* PEM text under librdkafka's name; Java also takes it on one line with blanks for line ends. */
bool kafka_pem_apply(rd_kafka_conf_t *conf, const char *name, const char *text, struct err *e);

#endif
