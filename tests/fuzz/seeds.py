#!/usr/bin/env -S python3 -B
"""Writes the seed corpora, tests/fuzz/corpus/NAME/*, from the golden cases' configurations, the requests of the REST contract
and what is listed here. The corpora are in the repository: this runs again when a fuzzer's input changes its form."""
import glob, json, os, re, shutil, struct, sys

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "corpus")
CLASS = "io.debezium.connector.postgresql.PostgresConnector"
CONFIG = {"connector.class": CLASS, "database.hostname": "db", "database.port": "5432", "database.user": "u", "database.password": "p",
          "database.dbname": "d", "topic.prefix": "shop", "slot.name": "s"}


def write(name, seeds):
    """seeds: (label, bytes)"""
    path = os.path.join(CORPUS, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    for label, data in seeds:
        with open(os.path.join(path, label), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())


# ---- pgoutput ----

def cstr(text):
    return text.encode() + b"\0"


def relation(oid, columns, schema="public", table="t", identity="d"):
    body = b"R" + struct.pack(">I", oid) + cstr(schema) + cstr(table) + identity.encode() + struct.pack(">H", len(columns))
    return body + b"".join(bytes([key]) + cstr(name) + struct.pack(">Ii", type, -1) for key, name, type in columns)


def row(*values):
    out = struct.pack(">H", len(values))
    for v in values:
        out += b"n" if v is None else b"u" if v is ... else b"t" + struct.pack(">I", len(v.encode())) + v.encode()
    return out


def begin(lsn=500, xid=7):
    return b"B" + struct.pack(">QqI", lsn, 0, xid)


def commit(lsn=500):
    return b"C\0" + struct.pack(">QQq", lsn, lsn + 48, 0)


def stream(*messages):
    return b"".join(struct.pack(">H", len(m)) + m for m in messages)


def streams():
    three = relation(9, [(1, "id", 2), (0, "name", 9), (0, "n", 7)])
    rows = [b"I" + struct.pack(">I", 9) + b"N" + row("1", "a\"b", "1.50"),
            b"U" + struct.pack(">I", 9) + b"N" + row("1", ..., None),
            b"U" + struct.pack(">I", 9) + b"K" + row("1", None, None) + b"N" + row("2", "x", "NaN"),
            b"U" + struct.pack(">I", 9) + b"O" + row("2", "x", "3") + b"N" + row("2", "é😀", "-0.00"),
            b"D" + struct.pack(">I", 9) + b"K" + row("2", None, None)]
    yield "rows", stream(begin(), three, *rows, commit())
    yield "truncate", stream(begin(), three, b"T" + struct.pack(">IBI", 1, 3, 9), commit())
    yield "message", stream(b"M\0" + struct.pack(">Q", 400) + cstr("p") + struct.pack(">I", 3) + b"abc")
    yield "type_origin", stream(begin(), b"O" + struct.pack(">Q", 300) + cstr("up"), b"Y" + struct.pack(">I", 51) + cstr("public") + cstr("mood"),
                                relation(9, [(1, "id", 50)], identity="f"), b"I" + struct.pack(">I", 9) + b"N" + row("sad"), commit())
    yield "altered", stream(begin(), three, rows[0], relation(9, [(1, "id", 2), (0, "more", 35)]),
                            b"I" + struct.pack(">I", 9) + b"N" + row("5", '"a"=>"1"'), commit())


# ---- values: type's number in registry.h, two bytes of modes, one of typmod; then the text ----

VALUES = """
bool t
int2 -32768
int4 2147483647
int8 -9223372036854775808
oid 4294967295
float4 1.17549e-38
float8 -Infinity
numeric -123456789.0123456789000
numeric NaN
money -$1,234.56
text line\\nquote" é 😀
bpchar ab\x20\x20
bytea \\x00ff10
uuid 6f1d3c4e-0000-4000-8000-00000000abcd
json {"a": [1, "x\\u0000", null]}
jsonb {"a": {"b": 1.5e10}}
xml <a b="c">d</a>
date 4714-11-24 BC
date infinity
time 24:00:00
timetz 12:34:56.789+15:59:59
timestamp 294276-12-31 23:59:59.999999
timestamptz 2024-02-29 12:00:00.5+00
timestamptz 0001-01-01 00:00:00+00 BC
interval -1 years -2 mons +3 days -04:05:06.789
interval 178000000 years
bit 10101
inet ::1/64
macaddr8 08:00:2b:01:02:03:04:05
point (1.5,-2e300)
circle <(0,0),1>
polygon ((0,0),(1,1),(2,0))
hstore "a"=>"1", "b"=>NULL, "c\\"d"=>"\\\\"
ltree top.a_b
geometry 0101000020E6100000000000000000F03F0000000000000040
int4range [1,10)
numrange (,5.5]
tstzrange ["2024-01-01 00:00:00+00",infinity)
daterange empty
int4multirange {[1,3),[5,8)}
vector [1,2.5,-3e-5]
sparsevec {1:1.5,3:2}/5
tsvector 'a':1A,2 'b c':3
mood a,b
pair (1,"x ""y"" \\\\")
outer "(1,z)","{1,NULL,3}",12.345,
positive 99.5
int4[] {1,NULL,3}
int4[] [0:1][2:3]={{1,2},{3,4}}
text[] {"a,b","NULL",NULL,"q\\"\\\\"}
numeric[] {1.5,NaN}
bytea[] {"\\\\x00","\\\\xff"}
timestamptz[] {"2024-01-01 00:00:00+00",infinity}
interval[] {"1 day",-00:00:01}
hstore[] {"\\"a\\"=>\\"1\\""}
pair[] {"(1,x)","(,)"}
json[] {"{\\"a\\": 1}",null}
"""


def values():
    bases = re.findall(r'\{"(\w+)", \'\w\'\}', open(os.path.join(HERE, "registry.h")).read())
    for n, line in enumerate(VALUES.strip("\n").split("\n")):
        type, text = line.split(" ", 1)
        array = type.endswith("[]")
        first = next(b for b in range(128 if array else 0, 256) if bases[b % len(bases)] == type.removesuffix("[]"))
        for modes in ([0, 0], [0x55, 0x41], [0x8a, 0x42])[:: 1 if n % 4 == 0 else 3]:
            yield f"{n:02}_{type.replace('[]', '_array')}_{modes[0]:02x}", bytes([first, *modes, 0]) + text.encode()


# ---- values in binary form: type's number in fuzz_binary.c, then the bytes ----

def item(data):
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def array(oid, items, bounds):
    return struct.pack(">iiI", len(bounds), None in items, oid) + b"".join(struct.pack(">ii", *b) for b in bounds) + b"".join(map(item, items))


def record(*fields):
    return struct.pack(">i", len(fields)) + b"".join(struct.pack(">I", oid) + item(data) for oid, data in fields)


def in_themselves(oid, depth):
    """Composites in composites: quotes would double with each."""
    data = b'"'
    for _ in range(depth):
        data = record((oid if data != b'"' else 10, data))
    return data


def binaries():
    here = os.path.join(HERE, "fuzz_binary.c")
    names = re.findall(r'\{"(\w+)", \'\w\'\}', open(os.path.join(HERE, "registry.h")).read() + open(here).read())
    number = {name: i for i, name in enumerate(names)}
    oid = {name: i + 1 for i, name in enumerate(names)}  # of what registry.h has

    def first(type):
        return bytes([number[type] if type in number else
                      next(b for b in range(128, 255) if b % len(names) == number[type.removesuffix("[]")])])
    seen = set()
    for type, data in re.findall(r'^    \{"(\w+)", "([0-9a-f]*)"', open(os.path.join(HERE, "../decoder/test_binary_text.c")).read(), re.M):
        if type in number and type not in seen and type not in ("pair", "int2vector", "oidvector"):  # these have oids in them
            seen.add(type)
            yield type, first(type) + bytes.fromhex(data)
    one, text = struct.pack(">i", 1), 'a"\\ é'.encode()
    pair = record((oid["int4"], one), (oid["text"], text))
    held = {"int4[]": array(oid["int4"], [one, None, one], [(3, 1)]), "text[]": array(oid["text"], [text, b"", b"NULL", None], [(2, 0), (2, -5)]),
            "box[]": array(70, [bytes(32)], [(1, 1)]), "int2vector": array(oid["int2"], [b"\0\1", b"\0\2"], [(2, 0)]), "pair": pair,
            "pair[]": array(oid["pair"], [pair, None], [(2, 1)]), "outer": record((oid["pair"], pair), (oid["positive"], None)),
            "shifted[]": array(oid["int4"], [one, one], [(2, 0x7fffffff)]), "nested": in_themselves(oid["pair"], 31)}
    for label, data in held.items():
        yield label.replace("[]", "_array"), first({"shifted[]": "int4[]", "nested": "pair"}.get(label, label)) + data
    cells = [first("int4") + one, first("text") + text, b"", first("pair") + pair, first("bytea") + bytes(20)]
    yield "row", b"\xff\0" + stream(*cells)
    yield "row_small", b"\xff\x80" + stream(*cells)


# ---- filters: the columns' types, what is hidden, the tree, rows (fuzz_filter.c) ----

def filters():
    bases = re.findall(r'\{"(\w+)", \'\w\'\}', open(os.path.join(HERE, "registry.h")).read())
    words = re.findall(r'^    "((?:[^"\\]|\\.)*)",$', open(os.path.join(HERE, "fuzz_filter.c")).read(), re.M)

    def type(name):
        array = name.endswith("[]")
        return next(b for b in range(128 if array else 0, 256) if bases[b % len(bases)] == name.removesuffix("[]"))

    def row(mask, *cells):
        return bytes([mask]) + b"".join({None: b"\1", ...: b"\0"}.get(c) or bytes([3, words.index(c)]) for c in cells)

    def play(types, where, *rows):
        return bytes([len(types) - 1, *map(type, types), 0]) + json.dumps(where, ensure_ascii=False).encode() + b"\xff" + b"".join(rows)
    yield "numbers", play(["int8", "numeric"], {"or": [["id", "in", [1, 100, "9223372036854775807"]], ['na"me', "eq", 1.5]]},
                          row(1, "100", "1.50"), row(2, "9223372036854775807", None), row(0, ..., "1.50"))
    yield "reals", play(["float4", "float8"], {"and": [["id", "gt", "-Infinity"], ['na"me', "le", "NaN"]]}, row(1, "1e2", "NaN"), row(2, "-0.00", "1.5"))
    yield "zero", play(["float8", "float4"], {"and": [["id", "in", [0, 1]], ['na"me', "notnull"]]}, row(2, "-0.00", "1.5"), row(0, None, None))
    yield "texts", play(["text", "bpchar", "name"], {"and": [["id", "like", "a%"], {"not": ['na"me', "eq", "a"]}, ["b c", "prefix", "it's"]]},
                        row(1, "a%b_c\\\\", "a  ", "a"), row(4, "a", "t", ...))
    yield "moments", play(["date", "timestamptz", "timestamp", "time"], {"or": [["id", "lt", "2024-03-01"], ['na"me', "ge", "2024-02-29T12:00:00.5Z"],
                          ["b c", "ne", "infinity"], ["\\", "eq", "24:00:00"]]},
                          row(3, "2024-02-29", "2024-02-29 12:00:00.5+00", "infinity", "24:00:00"), row(0, "0044-03-15 BC", None, ..., "12:34:56.789"))
    yield "bytes", play(["bytea", "uuid", "bool"], {"and": [["id", "eq", "AP8Q"], ['na"me', "notnull"], ["b c", "eq", True]]},
                        row(1, "\\\\x00ff10", "6f1d3c4e-0000-4000-8000-00000000abcd", "t"))
    yield "arrays", play(["int4[]", "text[]"], {"or": [["id", "eq", [1, None, 3]], ['na"me', "ne", ["a", "b c", None]]]}, row(2, "{1,NULL,3}", "{{1},{2}}"))
    yield "others", play(["mood", "positive", "jsonb", "point"], {"and": [["id", "nin", ["ok", "sad"]], ['na"me', "eq", "1.50"], {"not": ["b c", "null"]},
                         ["\\", "eq", "(1,2)"]]}, row(1, "sad", "1.5", "null", ...))
    yield "short", bytes([1, type("int4"), type("text"), 0, 0, 1, 7, 0, 0, 0, 9, 7, 1, 10, 1, 16]) + row(1, "100", "a") + row(2, "0", "t")


# ---- texts ----

SUBSCRIBE = {"type": "subscribe", "id": 1, "table": "public.items"}


def sessions():
    def play(*pieces):
        return b"\xff".join(p if isinstance(p, bytes) else json.dumps(p, separators=(",", ":")).encode() for p in pieces)
    yield "live", play(SUBSCRIBE, b".", b"+c1", b"+u1", b"<", b"+d1", b"+t", b"<", {"type": "ping", "n": 4})
    yield "snapshot", play({**SUBSCRIBE, "snapshot": True}, b".", b">", b"<", b"+c5", b">>", b"<", {"type": "unsubscribe", "id": 1})
    yield "columns", play({**SUBSCRIBE, "columns": ["id", "big"], "ops": "cu", "old": "changed"}, b"+u7", b"<")
    yield "resume", play({**SUBSCRIBE, "from": "000000000000006400000000"}, b"+c1", b"!", b"<")
    yield "schema", play(SUBSCRIBE, b"+c1", b"*", b"+c2", b"<", b"**", b"<")
    yield "epoch", play(SUBSCRIBE, b"+c1", b"!!", b"<", b"~~~~~~~", b"<", b"-")
    yield "paced", play({**SUBSCRIBE, "snapshot": True, "paced": True}, b">>>", b"<", b">", b"<", {"type": "more", "id": 1}, b"~~", b">>>", b"<",
                        b"~" * 50, b"<", {"type": "more", "id": 1}, b">", b"<")
    yield "transactions", play({**SUBSCRIBE, "transactions": True}, {**SUBSCRIBE, "id": 2, "transactions": True, "where": ["id", "eq", 50]},
                               b"+c1", b"+c2&", b"<", b"+d2&", b".", b"<", b"+u1", b"+c2&", {"type": "unsubscribe", "id": 1}, b"<", b".", b"<")
    yield "envelopes", play(SUBSCRIBE, b"+c1", {**SUBSCRIBE, "id": 2, "format": "debezium"}, b"+c1#", b"+u1", b"<", b"~" * 100, b"+t#", b"<",
                            {**SUBSCRIBE, "id": 3, "format": "debezium", "columns": ["id"]}, b"<")
    yield "added", play({**SUBSCRIBE, "where": ["id", "gt", 3], "transactions": True}, b"+c9", b"***", b"+u9&", b"<", b".", b"+c9", b"<", b"*", b"<")
    yield "bad", play(b"{", b"[]", {"type": "dance"}, {"type": "auth", "token": "x"}, {**SUBSCRIBE, "where": ["id", "eq", 1]}, b"--")


def tokens():
    """What signs and what becomes of it (fuzz_token.c), header, claims, changes of three bytes each."""
    raw, stranger, public_secret, plain = 0x10, 0x20, 0x40, 0x80
    algs = re.findall(r'\{"(\w+)", (?:NULL|"[\w-]+"), "(\w*)"\}', open(os.path.join(HERE, "fuzz_token.c")).read())
    good = {"exp": 2000000060, "nbf": 1999999999.5, "iat": 2000000000, "aud": "shop", "iss": "https://issuer", "sub": "é", "roles": ["a", {"b": None}]}

    def play(how, header, claims, changes=b""):
        return bytes([how]) + b"\xff".join([json.dumps(header).encode(), json.dumps(claims, ensure_ascii=False).encode(), changes])
    for i, (alg, kid) in enumerate(algs):
        yield f"{alg}_plain", bytes([plain | i])
        yield f"{alg}_short", bytes([plain | i, 0x80, 2, 0])  # without its last three characters
        yield alg, play(i, {"alg": alg, "typ": "at+jwt", **({"kid": kid} if kid else {})}, good)
    for change in (1, 3, 7, 15):  # to the next letter, so that only bits differ that stand for nothing
        yield f"last_{change}", bytes([plain, 0x80, 0, change])
        yield f"last_{change}_rsa", bytes([plain | 3, 0x80, 0, change])
    yield "of_a_stranger", play(stranger | 3, {"alg": "RS256", "jwk": {}, "jku": "https://stranger/keys"}, good)
    yield "public_secret", play(public_secret | 9, {"alg": "HS256", "kid": "p"}, good)
    yield "none", bytes([raw]) + b"eyJhbGciOiJub25lIn0.eyJleHAiOjIwMDAwMDAwNjB9."
    yield "critical", play(0, {"alg": "HS256", "crit": ["b64"], "b64": False}, good)
    yield "times", play(0, {"alg": "HS256"}, {"exp": 1e300, "nbf": "1", "iat": -1, "aud": ["x", 5, "desk"]})
    yield "twice", bytes([0]) + b'{"alg":"none","alg":"HS256"}\xff{"exp":2000000060,"aud":"shop"}\xff'
    yield "vertical_tab", bytes([0]) + b'\v{"alg":"HS256"}\xff{"exp":2000000060,"aud":"shop"}\xff'


def configs():
    yield "least", json.dumps(CONFIG)
    yield "key_regex_alone", json.dumps({**CONFIG, "topic.naming.strategy": "io.debezium.schema.SchemaRegexTopicNamingStrategy",  # once a crash
                                         "topic.regex": "a", "topic.replacement": "b", "topic.key.field.regex": "a"})
    named = {}
    for path in sorted(glob.glob(os.path.join(HERE, "../compat/cases/*/config.json"))):
        more = json.load(open(path))
        if set(more) - set(named):
            named.update(more)
            yield os.path.basename(os.path.dirname(path)), json.dumps({**CONFIG, **more})


def requests():
    created = json.dumps({"name": "a", "config": CONFIG})
    offsets = json.dumps({"offsets": [{"partition": {"server": "shop"}, "offset": {"lsn": 5, "ts_usec": 7}}]})
    plays = {
        "life": ["POST /connectors\n" + created, "GET /connectors?expand=status&expand=info", "PUT /connectors/a/pause", "DELETE /connectors/a"],
        "offsets": ["POST /connectors\n" + created, "PUT /connectors/a/stop", "PATCH /connectors/a/offsets\n" + offsets,
                    "GET /connectors/a/offsets", "DELETE /connectors/a/offsets"],
        "config": ["PUT /connectors/b/config\n" + json.dumps(CONFIG), 'PATCH /connectors/b/config\n{"table.include.list":"a","slot.name":null}',
                   "GET /connectors/b/config", "POST /connectors/b/restart?includeTasks=true&onlyFailed=true"],
        "validate": [f"PUT /connector-plugins/{CLASS}/config/validate\n" + json.dumps(CONFIG), "GET /connector-plugins?connectorsOnly=false"],
        "tasks": ["POST /connectors\n" + created, "GET /connectors/a/tasks/0/status", "POST /connectors/a/tasks/0/restart",
                  "GET /connectors/a/topics", "PUT /connectors/a/topics/reset"],
        "admin": ["GET /admin/loggers", 'PUT /admin/loggers/io.debezium?scope=cluster\n{"level":"ERROR"}', "GET /metrics", "GET /", "OPTIONS /connectors"],
        "bad": [" POST /connectors\nx", "POST /connectors\n{", 'POST /connectors\n{"name":"%2e%2e"}', "GET /connectors/%zz/status", "HEAD //"],
    }
    for name, play in plays.items():
        yield name, b"\xff".join(p.encode() for p in play)


def positions():
    full = {"lsn_proc": 24023128, "messageType": "COMMIT", "lsn_commit": 24023128, "lsn": 24023128, "txId": 555, "ts_usec": 1700000000000000}
    yield "streaming", "p" + json.dumps(full)
    yield "snapshot", "p" + json.dumps({"last_snapshot_record": False, "snapshot": "INITIAL", "snapshot_completed": False, "lsn": 1, "txId": 2, "ts_usec": 3})
    yield "ours", "p" + json.dumps({**full, "lsn_events_processed": 3, "walwire_slots": 4, "walwire_lsn": 24023200, "transaction_id": None})
    yield "no_slots", "p" + json.dumps({**full, "walwire_slots": 0})
    yield "file", "f" + json.dumps({json.dumps(["shop", {"server": "shop"}]): full})
    yield "damaged", "f{\"[]\": 1, \"x\": {}"
    yield "java", b"f\xac\xed\x00\x05sr"


def main():
    everything = dict(streams())
    write("fuzz_pgoutput", everything.items())
    write("fuzz_envelope", [(f"{name}_{i}", head + data) for i, head in enumerate((b"\0\0\0\1\1\0", b"\xaa\x61\x0b\0\1\2")) for name, data in streams()])
    write("fuzz_values", values())
    write("fuzz_binary", binaries())
    write("fuzz_filter", filters())
    write("fuzz_session", sessions())
    write("fuzz_token", tokens())
    write("fuzz_config", configs())
    write("fuzz_props", list(configs())[:3])
    write("fuzz_api", requests())
    write("fuzz_offsets", positions())
    write("fuzz_copy", [("rows", b"\3" + b"1\ta\\tb\t\\N\n2\t\\\\\t\n"), ("none", b"\0\n\n"), ("short", b"\2a\n")])
    write("fuzz_pattern", [("list", b"\0\x16public\\.(a|b),\"x\".\\S+public.a"), ("class", b"\0\x0b[a-z]+\\.t,b" + b"q.t")])


if __name__ == "__main__":
    sys.exit(main())
