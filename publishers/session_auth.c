/* session_auth.c - who a client is: the token that lets it in, a newer one in time, and the end of both.
 *
 * A token is good until its end by whichever clock gets there first: the wall clock may be set back. A newer
 * one may change what its owner sees, so each subscription that would be another one now is reset. */
#include <stdlib.h>

#include "clock.h"
#include "hub_impl.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

enum {
    TOKEN_MS = 10000, /* how long a client may stay without a token */
    AUTHS_MS = 10000, /* in such a time */
    AUTHS_MOST = 10,  /* so many tokens: each costs a signature, and all tables are gone through */
};

static int64_t left_ms(const struct claims *c)
{
    return c->expires * 1000 - clock_wall_ms();
}

/* false: its subject has too many connections. Takes the claims in any case. */
static bool claims_take(struct session *s, struct claims *claims, int64_t now_ms)
{
    struct access *a = s->hub->access;
    bool known = s->claims;
    if (!known && !access_subject_entered(a, claims)) {
        claims_free(claims);
        session_end(s, CLOSE_TOO_MANY, "too many connections");
        return false;
    }
    claims_free(s->claims);
    s->claims = claims;
    s->expires_ms = now_ms + left_ms(claims);
    s->auth_until_ms = 0;
    return true;
}

void auth_open(struct session *s, struct claims *claims, int64_t now_ms)
{
    const struct access *a = s->hub->access;
    if (claims && !claims_take(s, claims, now_ms))
        return;
    if (!a || s->claims || access_open(a))
        session_admit(s);
    else
        s->auth_until_ms = now_ms + TOKEN_MS;
}

void auth_close(struct session *s)
{
    if (s->claims)
        access_subject_left(s->hub->access, s->claims);
    claims_free(s->claims);
    s->claims = NULL;
}

void auth_tick(struct session *s, int64_t now_ms)
{
    if (s->auth_until_ms && now_ms >= s->auth_until_ms)
        session_end(s, CLOSE_BAD_TOKEN, "no token came");
    if (s->claims && (now_ms >= s->expires_ms || left_ms(s->claims) <= 0))
        session_end(s, CLOSE_EXPIRED, "the token has expired");
}

/* ---- other rights ---- */

static void sub_review(struct sub *sub)
{
    struct session *s = sub->session;
    const struct hub_table *t = sub->channel->table;
    struct view view;
    struct err e = {0};
    bool seen = view_take(s, t, &view, &e);
    char *text = seen ? view_text(s, t, &view) : NULL;
    bool same = seen && (text && sub->view ? strcmp(text, sub->view) == 0 : !text && !sub->view);
    if (seen)
        view_clear(&view);
    free(text);
    if (!same)
        sub_reset_to(sub, "auth", seen ? "resubscribe" : "stop");
}

static void subs_review(struct session *s)
{
    for (struct sub *sub = LIST_FIRST(&s->subs), *next; sub; sub = next) {
        next = LIST_NEXT(sub, in_session);
        sub_review(sub);
    }
}

void hub_access_changed(struct hub *h)
{
    struct session *s;
    LIST_FOREACH(s, &h->sessions, in_hub)
    if (s->claims && !access_trusts(h->access, s->claims))
        session_end(s, CLOSE_EXPIRED, "the token's key is not accepted any more");
    else
        subs_review(s);
}

/* ---- the message ---- */

static void authorized(struct session *s)
{
    session_line(s);
    BUF_LIT(&s->control, "{\"type\":\"authorized\"");
    json_field_i64(&s->control, "expires_in_ms", left_ms(s->claims));
    tables_append(s, &s->control);
    buf_char(&s->control, '}');
}

static bool same_owner(const struct claims *a, const struct claims *b)
{
    return strcmp(a->subject, b->subject) == 0 && strcmp(a->issuer, b->issuer) == 0;
}

static void auth_accept(struct session *s, struct claims *claims, int64_t now_ms)
{
    if (s->claims && !same_owner(s->claims, claims)) {
        claims_free(claims);
        session_error(s, -1, "auth_refused", false, "the token is another subject's: open a new connection");
        return;
    }
    if (!claims_take(s, claims, now_ms))
        return;
    if (!s->admitted) {
        session_admit(s);
        return;
    }
    authorized(s);
    subs_review(s);
}

static bool auth_too_often(struct session *s, int64_t now_ms)
{
    if (now_ms - s->auths_ms >= AUTHS_MS) {
        s->auths_ms = now_ms;
        s->auths = 0;
    }
    return ++s->auths > AUTHS_MOST;
}

void auth_message(struct session *s, struct slice token, int64_t now_ms)
{
    struct access *a = s->hub->access;
    struct claims *claims = NULL;
    if (!a || !access_asks(a)) {
        session_error(s, -1, "unsupported", false, "auth is not supported by this server");
        return;
    }
    if (auth_too_often(s, now_ms)) {
        session_end(s, CLOSE_TOO_MANY, "tokens come too often");
        return;
    }
    switch (access_verify(a, token, s->client, &claims)) {
    case TOKEN_GOOD:
        auth_accept(s, claims, now_ms);
        break;
    case TOKEN_LATER:
        session_end(s, CLOSE_NOT_YET, "the token's key is not known yet");
        break;
    case TOKEN_BAD:
        session_end(s, CLOSE_BAD_TOKEN, "the token is not accepted");
        break;
    }
}
