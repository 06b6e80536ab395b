/* sample.h - codecs for the tests of the type families: a registry with the types they need, and both ways
 * from text to JSON, which must agree. The expected texts in those tests were read from Debezium 3.7's
 * topics. */
#ifndef TESTS_DECODER_SAMPLE_H
#define TESTS_DECODER_SAMPLE_H

#include "codec.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct sample {
    struct types *types;
    struct type_modes modes;
    struct arena arena;
    struct err err;
};

static inline struct sample *sample_new(void)
{
    struct sample *s = calloc(1, sizeof *s);
    s->types = types_new();
    s->modes = (struct type_modes){.money_digits = 2, .placeholder = SLICE("__debezium_unavailable_value")};
    return s;
}

static inline void sample_free(struct sample *s)
{
    types_free(s->types);
    arena_free(&s->arena);
    free(s);
}

static inline char sample_kind(const char *name)
{
    size_t n = strlen(name);
    if (strcmp(name, "mood") == 0)
        return 'e';
    if (strcmp(name, "pair") == 0)
        return 'c';
    return n > 5 && strcmp(name + n - 5, "range") == 0 ? 'r' : 'b';
}

/* Registers the type (and for "name[]" its array; "mood" is an enum, "pair" a composite) and gives its oid.
 */
static inline uint32_t sample_type(struct sample *s, const char *name)
{
    static const char *const labels[] = {"sad", "ok", "a,b"};
    char base[64];
    size_t n = strlen(name);
    bool array = n > 2 && strcmp(name + n - 2, "[]") == 0;
    snprintf(base, sizeof base, "_%.*s", (int)(array ? n - 2 : n), name);
    struct type type = {
        .oid = 100, .schema = "pg_catalog", .name = base + 1, .kind = sample_kind(base + 1), .typmod = -1};
    if (type.kind == 'e') {
        type.labels = labels;
        type.n_labels = 3;
    }
    types_set(s->types, &type);
    if (!array)
        return 100;
    types_set(
        s->types,
        &(struct type){
            .oid = 101, .schema = "pg_catalog", .name = base, .kind = 'b', .element = 100, .typmod = -1});
    return 101;
}

/* NULL: the column is left out. */
static inline const struct codec *sample_codec(struct sample *s, const char *type, int32_t typmod,
                                               bool not_null)
{
    struct column column = {
        .name = "c", .type_oid = sample_type(s, type), .typmod = typmod, .not_null = not_null};
    const struct codec *codec;
    ck_assert_msg(codec_make(&column, s->types, &s->modes, &s->arena, &codec, &s->err), "%s", s->err.text);
    return codec;
}

static inline const char *sample_kept(struct sample *s, struct buf *b)
{
    const char *text = arena_slice(&s->arena, buf_view(b)).ptr;
    buf_free(b);
    return text;
}

static inline const char *sample_schema(struct sample *s, const struct codec *c)
{
    struct buf b = BUF_EMPTY;
    schema_json(&b, c->schema, NULL);
    return sample_kept(s, &b);
}

static inline const char *sample_value(struct sample *s, const struct codec *c, const struct value *v)
{
    struct buf b = BUF_EMPTY;
    value_json(&b, c->schema, v, &(struct json_style){.null_as_default = true});
    return sample_kept(s, &b);
}

/* The text's JSON, by the tree and by the shortcut; "error" where it cannot be converted. The text is given
 * to the codec in memory of just its size. */
static inline const char *sample_json_bytes(struct sample *s, const struct codec *c, struct slice text)
{
    char *exact = malloc(text.len ? text.len : 1);
    memcpy(exact, text.ptr, text.len);
    struct slice input = {exact, text.len};
    struct buf b = BUF_EMPTY;
    struct value v;
    bool ok = codec_value(c, input, &s->arena, &v, &s->err);
    const char *tree = ok ? sample_value(s, c, &v) : "error";
    buf_str(&b, "before:");
    bool written =
        codec_write(c, input, &b, &s->arena, &(struct json_style){.null_as_default = true}, &s->err);
    const char *shortcut = sample_kept(s, &b);
    ck_assert_int_eq(ok, written);
    ck_assert_msg(strncmp(shortcut, "before:", 7) == 0, "%s", shortcut);
    ck_assert_str_eq(shortcut + 7, written ? tree : "");
    ck_assert(ok || s->err.kind == ERR_DATA);
    free(exact);
    return tree;
}

static inline const char *sample_json(struct sample *s, const struct codec *c, const char *text)
{
    return sample_json_bytes(s, c, slice_of(text));
}

static inline const char *sample_absent(struct sample *s, const struct codec *c)
{
    struct value v;
    codec_absent(c, &s->arena, &v);
    return sample_value(s, c, &v);
}

static inline const char *sample_unavailable(struct sample *s, const struct codec *c)
{
    struct value v;
    codec_unavailable(c, &s->arena, &v);
    return sample_value(s, c, &v);
}

/* Text that might be PostgreSQL's: a start of `like`, then characters of it in any order, now and then any
 * byte. */
static inline struct slice sample_noise(struct sample *s, const char *like, unsigned seed)
{
    size_t n = strlen(like), kept = (size_t)rand_r(&seed) % (n + 1), len = kept + (size_t)rand_r(&seed) % 12;
    char *text = arena_alloc(&s->arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        int any = rand_r(&seed);
        text[i] = i < kept ? like[i] : n && any % 8 ? like[(size_t)rand_r(&seed) % n] : (char)(any >> 8);
    }
    return (struct slice){text, len};
}

#endif
