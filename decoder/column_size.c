/* column_size.c - lengths and scales by pgjdbc's rules, odd as some of them are. */
#include "column_size.h"

#include <limits.h>

enum {
    BOOL = 16,
    BYTEA = 17,
    CHAR = 18,
    NAME = 19,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    TEXT = 25,
    OID = 26,
    FLOAT4 = 700,
    FLOAT8 = 701,
    BPCHAR = 1042,
    VARCHAR = 1043,
    DATE = 1082,
    TIME = 1083,
    TIMESTAMP = 1114,
    TIMESTAMPTZ = 1184,
    INTERVAL = 1186,
    TIMETZ = 1266,
    BIT = 1560,
    VARBIT = 1562,
    NUMERIC = 1700,
};

enum { UNBOUNDED = INT_MAX, NUMERIC_WIDEST = 131089, VARHDRSZ = 4, DOMAINS_MOST = 32 };

/* Arrays are measured as their elements. */
static uint32_t measured(const struct type *type)
{
    return type->element != 0 && type->name[0] == '_' ? type->element : type->oid;
}

static int seconds_width(int typmod)
{
    switch (typmod) {
    case -1:
        return 7;
    case 0:
        return 0;
    case 1:
        return 3;
    default:
        return typmod + 1;
    }
}

/* How wide a value is when it is shown. */
static int display_size(uint32_t oid, int typmod)
{
    switch (oid) {
    case INT2:
        return 6;
    case INT4:
        return 11;
    case OID:
        return 10;
    case INT8:
        return 20;
    case FLOAT4:
        return 15;
    case FLOAT8:
        return 25;
    case CHAR:
    case BOOL:
        return 1;
    case DATE:
        return 13;
    case TIME:
        return 8 + seconds_width(typmod);
    case TIMETZ:
        return 14 + seconds_width(typmod);
    case TIMESTAMP:
        return 22 + seconds_width(typmod);
    case TIMESTAMPTZ:
        return 28 + seconds_width(typmod);
    case INTERVAL:
        return 49;
    case NUMERIC:
        return typmod == -1
                   ? NUMERIC_WIDEST
                   : 1 + ((typmod - VARHDRSZ) >> 16 & 0xffff) + (((typmod - VARHDRSZ) & 0xffff) != 0);
    case VARCHAR:
    case BPCHAR:
        return typmod == -1 ? UNBOUNDED : typmod - VARHDRSZ;
    case BIT:
        return typmod;
    case VARBIT:
        return typmod == -1 ? UNBOUNDED : typmod;
    default:
        return UNBOUNDED;
    }
}

/* 0: the type has no precision, or none was given. */
static int precision(uint32_t oid, int typmod)
{
    switch (oid) {
    case INT2:
        return 5;
    case INT4:
    case OID:
        return 10;
    case INT8:
        return 19;
    case FLOAT4:
        return 8;
    case FLOAT8:
        return 17;
    case NUMERIC:
        return typmod == -1 ? 0 : (typmod - VARHDRSZ) >> 16 & 0xffff;
    case CHAR:
    case BOOL:
        return 1;
    case VARCHAR:
    case BPCHAR:
        return typmod == -1 ? 0 : typmod - VARHDRSZ;
    case DATE:
    case TIME:
    case TIMETZ:
    case TIMESTAMP:
    case TIMESTAMPTZ:
    case INTERVAL:
        return display_size(oid, typmod);
    case BIT:
        return typmod;
    case VARBIT:
        return typmod == -1 ? 0 : typmod;
    default:
        return 0;
    }
}

static int scale(uint32_t oid, int typmod)
{
    switch (oid) {
    case FLOAT4:
        return 8;
    case FLOAT8:
        return 17;
    case NUMERIC:
        return typmod == -1 ? 0 : (typmod - VARHDRSZ) & 0xffff;
    case TIME:
    case TIMETZ:
    case TIMESTAMP:
    case TIMESTAMPTZ:
        return typmod == -1 ? 6 : typmod;
    case INTERVAL:
        return typmod == -1 ? 6 : typmod & 0xffff;
    default:
        return 0;
    }
}

static int size_of(uint32_t oid, int typmod)
{
    int size = precision(oid, typmod);
    return size ? size : display_size(oid, typmod);
}

/* What a type is without a modifier of the column's own: a domain's, or the nearest below it that has one. */
static struct column_size default_size(const struct type *type, const struct types *types)
{
    for (int i = 0; type->kind == 'd' && i < DOMAINS_MOST; i++) {
        const struct type *base = types_find(types, type->base);
        if (!base)
            break;
        if (type->typmod != -1) {
            int size = size_of(measured(base), type->typmod);
            return (struct column_size){size ? size : UNBOUNDED, scale(measured(base), type->typmod)};
        }
        type = base;
    }
    return (struct column_size){size_of(measured(type), -1), scale(measured(type), -1)};
}

static bool is_vector(const struct type *type)
{
    return strcmp(type->name, "vector") == 0 || strcmp(type->name, "halfvec") == 0 ||
           strcmp(type->name, "sparsevec") == 0;
}

struct column_size column_size_of(const struct column *column, const struct types *types, bool snapshot)
{
    const struct type *type = types_find(types, column->type_oid);
    int typmod = column->typmod;
    if (!type)
        return (struct column_size){COLUMN_UNSET, COLUMN_UNSET};
    if (is_vector(type))
        return (struct column_size){typmod, 0};
    if (type->kind == 'd' || (!snapshot && typmod == -1))
        return default_size(type, types);
    uint32_t oid = measured(type);
    struct column_size s = {precision(oid, typmod), scale(oid, typmod)};
    if (snapshot && type->oid == NUMERIC && s.length == 0)
        s.scale = COLUMN_UNSET;
    else if (snapshot && s.length == 0)
        s.length = display_size(oid, typmod);
    return s;
}

const char *column_type_name(const struct column *column, const struct types *types)
{
    const struct type *type = types_find(types, column->type_oid);
    bool counts = column->preset && strstr(column->preset, "nextval(");
    switch (counts ? column->type_oid : 0) {
    case INT2:
        return "smallserial";
    case INT4:
        return "serial";
    case INT8:
        return "bigserial";
    default:
        return type ? type->name : "";
    }
}

bool column_is_text(const struct column *column, const struct types *types)
{
    int32_t typmod = -1;
    bool not_null = false;
    const struct type *root = types_root(types, column->type_oid, &typmod, &not_null);
    if (!root)
        return false;
    return root->kind == 'e' || root->oid == TEXT || root->oid == VARCHAR || root->oid == BPCHAR ||
           root->oid == CHAR || root->oid == NAME;
}
