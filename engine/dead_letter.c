/* dead_letter.c - one record too large for Kafka must not stop a stream for ever, where its owner says so.
 *
 * A dead letter has the record's own key and tells where the row is to be found; the row's values stay out of
 * it, because they are what does not fit. An event that is left out counts in no transaction block. */
#include "dead_letter.h"

#include "json.h"
#include "log.h"

#include <stdlib.h>

enum { N_FACTS = 10 };

/* One fact of a letter: in its value, and as a header to filter by. */
struct fact {
    const char *header, *name;
    char number[32]; /* "": `text` it is */
    const char *text;
};

static struct topic *letters(struct pipeline *p)
{
    const struct config *c = p->config;
    char *name = c->dead_letter_topic && *c->dead_letter_topic ? xstrdup(c->dead_letter_topic)
                                                               : xasprintf("%s.dead-letter", c->topic_prefix);
    struct topic *t = topics_get(p->topics, name);
    free(name);
    return t;
}

static struct fact number_fact(const char *header, long long n)
{
    struct fact f = {header, header + strlen("walwire."), "", NULL};
    snprintf(f.number, sizeof f.number, "%lld", n);
    return f;
}

static struct fact text_fact(const char *header, const char *text)
{
    return (struct fact){header, header + strlen("walwire."), "", text};
}

static void fill_facts(const struct pipeline *p, const struct message *m, const struct refusal *r,
                       const char *op, const char *reason, struct fact *facts)
{
    const struct source *s = &p->source;
    const struct fact all[N_FACTS] = {
        text_fact("walwire.table", m->table),
        text_fact("walwire.op", *op ? op : NULL),
        number_fact("walwire.lsn", (long long)s->lsn),
        number_fact("walwire.tx", (long long)s->tx_id),
        number_fact("walwire.ts_ms", (long long)(s->ts_us / 1000)),
        text_fact("walwire.topic", m->topic->name),
        number_fact("walwire.size", (long long)r->size),
        number_fact("walwire.limit", (long long)(r->told ? r->told : r->limit)),
        text_fact("walwire.limit_name", r->limit_name),
        text_fact("walwire.reason", reason),
    };
    memcpy(facts, all, sizeof all);
}

static void write_facts(const struct fact *facts, struct buf *b)
{
    buf_char(b, '{');
    for (size_t i = 0; i < N_FACTS; i++) {
        if (!facts[i].number[0]) {
            json_field(b, facts[i].name, facts[i].text);
            continue;
        }
        json_key(b, facts[i].name);
        buf_str(b, facts[i].number);
    }
    buf_char(b, '}');
}

static bool send_letter(struct pipeline *p, const struct message *m, const struct refusal *r,
                        const char *reason, struct err *e)
{
    struct fact facts[N_FACTS];
    struct header headers[N_FACTS];
    size_t n = 0;
    const char op[2] = {m->op, 0};
    fill_facts(p, m, r, op, reason, facts);
    for (size_t i = 0; i < N_FACTS; i++) {
        const char *text = facts[i].number[0] ? facts[i].number : facts[i].text;
        if (text)
            headers[n++] = (struct header){slice_of(facts[i].header), slice_of(text)};
    }
    struct buf value = BUF_EMPTY;
    write_facts(facts, &value);
    const struct message letter = {.topic = letters(p),
                                   .key = m->key,
                                   .value = buf_view(&value),
                                   .headers = headers,
                                   .n_headers = n,
                                   .context = m->context,
                                   .partition = -1,
                                   .mark = m->mark,
                                   .table = m->table};
    bool ok = pipeline_put(p, &letter, e);
    buf_free(&value);
    return ok;
}

static void tell_once(const struct pipeline *p, const struct message *m, const char *reason)
{
    bool skips = p->config->too_large == TOO_LARGE_SKIP;
    if (!m->topic->overran)
        log_warn("%s; it is %s, as walwire.record.too.large says (told once a topic)", reason,
                 skips ? "left out" : "told of in the dead-letter topic");
    m->topic->overran = true;
}

static bool settle(struct pipeline *p, const struct message *m, const struct refusal *r, struct err *e)
{
    err_prefix(e, "%s%sLSN " LSN_FMT, m->table ? m->table : "", m->table ? ", " : "", LSN_ARG(p->source.lsn));
    if (p->config->too_large == TOO_LARGE_FAIL) {
        struct err why = *e;
        return err_set(e, ERR_DATA,
                       "%s, or set walwire.record.too.large=dead.letter or skip to go on without it",
                       why.text);
    }
    struct err reason = *e;
    *e = (struct err){0};
    tell_once(p, m, reason.text);
    p->counts.too_large++;
    return p->config->too_large == TOO_LARGE_SKIP || send_letter(p, m, r, reason.text, e);
}

/* What makes a letter too large is its key. */
static bool without_key(struct pipeline *p, const struct message *letter, struct err *e)
{
    struct message m = *letter;
    m.key = (struct slice){NULL, 0};
    *e = (struct err){0};
    return pipeline_put(p, &m, e);
}

bool dead_letter_take(struct pipeline *p, const struct message *m, struct err *e)
{
    struct refusal r = {0};
    if (p->sink_type->refusal)
        p->sink_type->refusal(p->sink, &r);
    bool letter = p->config->too_large == TOO_LARGE_DEAD_LETTER && m->topic == letters(p);
    if (letter && m->key.ptr)
        return without_key(p, m, e);
    return letter ? false : settle(p, m, &r, e);
}

/* ---- before the record is made ---- */

/* One record comes of it, with all of the row in it. */
static bool makes_one(const struct pipeline *p, const struct change *c)
{
    const struct envelope_rules *rules = &p->rules;
    return c->op == OP_READ || (c->op == OP_INSERT && !rules->skip_create) ||
           (c->op == OP_UPDATE && !rules->skip_update && !rules->skip_unchanged);
}

static bool same_key(struct pipeline *p, struct plan *plan, const struct change *c)
{
    struct err ignored = {0};
    buf_reset(&p->value);
    bool same = !c->before || (plan_key(plan, c->before, &p->value, &ignored) &&
                               slice_eq(buf_view(&p->value), buf_view(&p->key)));
    buf_reset(&p->value);
    return same;
}

/* A key that cannot be written stops the row where its record is made. */
static bool make_key(struct pipeline *p, struct plan *plan, const struct change *c)
{
    struct err ignored = {0};
    buf_reset(&p->key);
    return !plan_has_key(plan) || (plan_key(plan, c->after, &p->key, &ignored) && same_key(p, plan, c));
}

bool dead_letter_early(struct pipeline *p, struct capture *c, const struct change *change, bool *taken,
                       struct err *e)
{
    *taken = false;
    if (!p->sink_type->room || p->muted || !makes_one(p, change))
        return true;
    struct refusal r = {0};
    p->sink_type->room(p->sink, c->topic, &r);
    r.size = plan_least_size(c->plan, change->before, change->after);
    r.estimated = true;
    if (r.size <= r.limit || !make_key(p, c->plan, change))
        return true;
    const struct message m = {.topic = c->topic,
                              .key = plan_has_key(c->plan) ? buf_view(&p->key) : (struct slice){NULL, 0},
                              .context = p->config->extended_headers,
                              .mark = p->mark,
                              .table = c->tally->collection,
                              .op = (char)change->op};
    *taken = true;
    refusal_set(&r, &m, e);
    bool ok = settle(p, &m, &r, e);
    buf_reset(&p->key);
    return ok;
}
