/* access.h - who may open a WebSocket, and what he may read there: tokens, rules and limits, as the worker
 * file sets them. Belongs to the web thread. Source: docs/SECURITY.md. */
#ifndef PUBLISHERS_ACCESS_H
#define PUBLISHERS_ACCESS_H

#include "rules.h"
#include "token.h"

struct access_options {
    struct token_options token;
    bool anonymous;                               /* who shows no token is let in, with no claims */
    const char *rules_file;                       /* NULL: who is let in reads everything */
    size_t connections, per_address, per_subject; /* at a time; 0: no limit, of all: what open files allow */
    size_t rate;                                  /* new ones a second of one address; 0: no limit */
};

struct access;

/* ERR_CONFIG: a file is no good, rules without tokens. */
struct access *access_new(const struct access_options *o, struct err *e);
void access_free(struct access *a);

bool access_asks(const struct access *a); /* there are keys: tokens are looked at */
bool access_open(const struct access *a); /* who shows no token is let in */
bool access_ruled(const struct access *a);

/* About once a second: files that changed (forced: all) and keys that were fetched are taken over; what is no
 * good is logged, and what was before stays. True: hub_access_changed shall be called. */
bool access_turn(struct access *a, bool forced);

/* As tokens_verify; why a token is refused is logged, as far as there are not too many of them. `who`: for
 * the log. Only when access_asks. */
enum token_verdict access_verify(struct access *a, struct slice token, const char *who, struct claims **out);
bool access_trusts(const struct access *a, const struct claims *c);
/* As rules_allow; without rules everything is allowed. */
bool access_allows(const struct access *a, const char *table, const struct claims *c, struct allowance *out,
                   struct err *e);

/* An INFO line, unless there were too many of them in this second. */
void access_log(struct access *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- limits ---- */

enum entry_verdict { ENTRY_GRANTED, ENTRY_FULL, ENTRY_TOO_MANY };
/* One more connection is asked for by this address. Counts the attempt. */
enum entry_verdict access_entry(struct access *a, const char *address);
void access_entered(struct access *a, const char *address);
void access_left(struct access *a, const char *address);
bool access_subject_full(const struct access *a, const struct claims *c);
/* A connection becomes one of this subject. false: that has too many already. */
bool access_subject_entered(struct access *a, const struct claims *c);
void access_subject_left(struct access *a, const struct claims *c);

#endif
