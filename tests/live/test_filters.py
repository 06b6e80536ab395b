"""Subscriptions with `where`: what a client folds is what SELECT ... WHERE gives, for every type and whatever moves."""
import json, random

from fold import difference, name_of, table
from services import WebSocket
from subscriptions import Client, Told, started, subscribe
from writer import Writer

# ---- folding while rows move in and out ----


class Filtered(Told):
    """A filtered subscription, folded as docs/PROTOCOL.md says: strictly where the server knows the old row, otherwise by
    upserts, and a key that is not held is ignored."""

    def __init__(self, sub_id, table, where, strict, **request):
        super().__init__(sub_id, where=where, **request)
        self.request["table"], self.strict = table, strict

    def _change(self, m):
        assert m["pos"] > self.pos, f"{m['pos']} after {self.pos}"
        self.pos, key, op = m["pos"], name_of(m["key"]), m["op"]
        self.changes.append(m)
        if self.strict:
            held = op not in ("c", "enter")
            assert (key in self.rows) == held, f"{op} of {key}, which is {'' if key in self.rows else 'not '}there"
        if op in ("d", "exit"):
            assert m["row"] is None
            self.rows.pop(key, None)
        else:
            self.rows[key] = m["row"]


# A tree, and the same in SQL as somebody would write it by hand.
FILTERS = [
    (["owner", "eq", 3], "owner = 3"),
    (["owner", "in", [1, 5, 7]], "owner in (1, 5, 7)"),
    (["owner", "nin", [1, 2, 3, 4]], "owner not in (1, 2, 3, 4)"),
    (["state", "eq", "open"], "state = 'open'"),
    (["state", "null"], "state is null"),
    (["state", "like", "%e%"], "state like '%e%'"),
    ({"and": [["owner", "eq", 2], {"not": ["state", "eq", "done"]}]}, "owner = 2 and not state = 'done'"),
    ({"or": [["owner", "eq", 4], ["v", "lt", 0], ["state", "prefix", "d"]]}, "owner = 4 or v < 0 or state like 'd%'"),
    ({"and": [["v", "ge", 10], ["v", "lt", 60]]}, "v >= 10 and v < 60"),
    (["id", "lt", 300], "id < 300"),
]

MOVES = """
    n := 1 + (i * 7919 + seed * 104729) % 500;
    case (i + seed) % 8
      when 0 then insert into {t} values (seed * 1000000 + i, i % 9, 'new', i % 100);
      when 1 then update {t} set owner = (owner + 1) % 9 where id = n;
      when 2 then update {t} set state = (array['open', 'done', 'held', null])[1 + i % 4] where id = n;
      when 3 then update {t} set v = v - 40 where id between n and n + 3;
      when 4 then delete from {t} where id = n;
      when 5 then insert into {t} values (n, i % 9, 'open', i % 100) on conflict (id) do update set owner = excluded.owner;
      when 6 then update {t} set id = nextval('fresh') where id = n;
      else update {t} set owner = i % 9, state = 'done', v = i % 100 where id in (n, n + 7);
    end case;"""


def fold_filters(ctx, identity, strict):
    setup = (f"create table moves(id bigint primary key, owner int, state text, v int); alter table moves replica identity {identity};"
             "create sequence fresh start 100000000; create table marker(id int primary key);"
             "insert into moves select i, i % 9, (array['open', 'done', null])[1 + i % 3], i % 100 from generate_series(1, 500) i;")
    db, _, engine = started(ctx, setup, table__include__list="public.moves,public.marker")
    clients = [Client(engine) for _ in range(3)]
    with Writer(ctx.postgres, db, MOVES.replace("{t}", "moves"), seeds=(1, 2), pause=0.01):
        for n in range(30):
            where = FILTERS[n % len(FILTERS)][0]
            told = clients[n % 3].subscribe(Filtered(n, "public.moves", where, strict, snapshot=True))
            clients[n % 3].read(lambda: told.ready)
        for c in clients:
            c.read(lambda: sum(len(t.changes) for t in c.told.values()) > 4000, 60)
    ends = [c.subscribe(Filtered(99, "public.marker", ["id", "gt", 0], True)) for c in clients]
    for c, end in zip(clients, ends):
        c.read(lambda: end.subscribed)
    ctx.postgres.psql("insert into marker values (1)", db)
    total, ops, whole = 0, set(), table(ctx.postgres, db, "moves")
    for c, end in zip(clients, ends):
        c.read(lambda: end.changes, 60)
        for n, told in c.told.items():
            if told is end:
                continue
            assert told.subscribed["deletes"] == ("filtered" if strict or n % len(FILTERS) == 9 else "unfiltered")
            ids = ctx.postgres.psql(f"select id from moves where {FILTERS[n % len(FILTERS)][1]}", db).split()
            wanted = {name_of({"id": int(i)}): whole[name_of({"id": int(i)})] for i in ids}
            assert difference(told.rows, wanted) == "", f"subscription {n}: {difference(told.rows, wanted)}"
            total += len(told.changes)
            ops |= {m["op"] for m in told.changes}
    assert total > 12000 and ops >= ({"c", "u", "d", "enter", "exit"} if strict else {"c", "u", "d", "exit"}), (total, ops)
    return f"{total} changes"


def test_rows_move_in_and_out_with_whole_old_rows(ctx):
    """30 subscriptions while 2 sessions write; each change must fit what is held: replica identity full."""
    return fold_filters(ctx, "full", True)


def test_rows_move_in_and_out_with_keys_only(ctx):
    """The same where the old row is not known."""
    return fold_filters(ctx, "default", False)


# ---- the hub, the snapshot's condition and PostgreSQL agree ----

COLLATIONS = "create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
TEXTS = ["", "a", "A", "b", "B", "ab", "a b", "a%", "a_", "a\\b", "ü", "é", "e\u0301", "\U0001f600", "a\"q'x", "a\nb", "Z", "ä", "null", "a "]
KINDS = {  # column: its type, values as PostgreSQL reads them (None for NULL is added), the JSON of a value
    "i2": ("int2", ["0", "1", "-5", "32767"], int),
    "i8": ("int8", ["5", "0", "9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807"], int),
    "o": ("oid", ["0", "7", "4294967295"], int),
    "n": ("numeric", ["0", "1.5", "1.50", "-1.5", "-1.25", "12345678901234567890.5", "12345678901234567890.50", "NaN", "0.001", "1000"], str),
    "f4": ("float4", ["0", "0.1", "-0", "NaN", "Infinity", "1e10", "16777216", "3.4e38"], str),
    "f8": ("float8", ["0", "0.1", "0.30000000000000004", "NaN", "-Infinity", "1e300", "-2.5"], str),
    "b": ("bool", ["true", "false"], lambda v: v == "true"),
    "t": ("text", TEXTS, str),
    "te": ("text collate folded", TEXTS, str),
    "tu": ('text collate "und-x-icu"', TEXTS, str),
    "vc": ("varchar(20)", TEXTS, str),
    "c": ("char(6)", ["ab", "ab ", "b", "", "a b", "B"], str),
    "nm": ("name", ["ab", "b", "B", "pg_class"], str),
    "u": ("uuid", ["00000000-0000-0000-0000-000000000001", "a0000000-0000-0000-0000-000000000000", "ffffffff-0000-0000-0000-000000000000"], str),
    "x": ("bytea", ["", "00", "0000", "000001", "ff", "fb10", "61"], lambda v: __import__("base64").b64encode(bytes.fromhex(v)).decode()),
    "ts": ("timestamp", ["2024-02-29 00:00:00", "2024-02-29 00:00:00.5", "1999-12-31 23:59:59.999999", "infinity", "-infinity", "0044-03-15 12:00:00 BC", "12024-01-01 00:00:00"], str),
    "tz": ("timestamptz", ["2024-02-29T00:00:00Z", "2024-02-29T01:00:00+02:00", "1999-12-31T23:59:59.999999Z", "infinity", "12024-01-01 00:00:00+00"], str),
    "d": ("date", ["2024-02-29", "1999-12-31", "infinity", "0044-03-15 BC", "12024-01-01"], str),
    "tm": ("time", ["00:00:00", "09:30:00", "09:30:00.5", "24:00:00"], str),
    "dom": ("price", ["1.5", "2.50", "10"], str),
    "j": ("jsonb", ["null", "{}", "[1]"], None),
    "a": ("int[]", ["{}", "{1,2}", "{1,NULL}", "{2,1}", "[0:1]={1,2}", "{{1,2}}"], json.loads),
    "ta": ("text[]", ["{}", '{a,"b c"}', '{"null",NULL}', "{A}"], json.loads),
    "na": ("name[]", ["{}", "{ab}", "{ab,b}"], json.loads),
    "m": ("mood", ["good", "bad", "so so"], str),
    "ip": ("inet", ["10.0.0.1", "10.0.0.0/8", "::1"], str),
    "iv": ("interval", ["1 day", "01:00:00", "-00:00:01"], str),
    "p": ("point", ["(1,2)", "(0,0)"], str),
}
ARRAYS = {"{}": "[]", "{1,2}": "[1,2]", "[0:1]={1,2}": "[1,2]", "{1,NULL}": "[1,null]", "{2,1}": "[2,1]", '{a,"b c"}': '["a","b c"]', '{"null",NULL}': '["null",null]', "{A}": '["A"]', "{ab}": '["ab"]', "{ab,b}": '["ab","b"]'}
TEXT, ORDERED = {"t", "te", "tu", "vc", "c", "nm"}, {"eq", "ne", "lt", "le", "gt", "ge"}
SIGNS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
PATTERNS = ["a%", "%b", "_", "a\\%", "%ü%", "__", "%", "", "a_b", "%\\\\%", "_ %"]


def quote(text):
    return "null" if text is None else "E'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def literal(column, text):
    kind = KINDS[column][0].split(" collate")[0]
    return (quote("\\x" + text) if column == "x" else quote(text)) + "::" + ("bpchar" if column == "c" else "text" if column in TEXT else kind)


def predicate(rng):
    """A random condition as JSON, and in SQL."""
    column = rng.choice(list(KINDS))
    _, values, to_json = KINDS[column]
    array, other, text = column in ("a", "ta", "na"), column in ("m", "ip", "iv", "p"), column in TEXT
    ops = (["null", "notnull"] if column == "j" else ["eq", "ne", "null"] if array else ["eq", "ne", "in", "nin", "notnull"] if other
           else [*ORDERED, "in", "nin", "null"] + (["like", "prefix"] * 2 if text else []))
    op, sql = rng.choice(ops), f'{column}::text collate "C"' if column == "nm" else f'{column} collate "C"' if text else f"{column}::text" if column == "p" else column
    if op in ("null", "notnull"):
        is_null = f"({sql} is null or j::text = 'null')" if column == "j" else f"{sql} is null"
        return [column, op], is_null if op == "null" else f"not ({is_null})"
    if op in ("like", "prefix"):
        pattern = rng.choice(PATTERNS if op == "like" else TEXTS)
        return [column, op, pattern], f"{sql} like {quote(pattern)}" if op == "like" else f"left({column}::text, {len(pattern)}) collate \"C\" = {quote(pattern)}" if column != "c" else f"{column} collate \"C\" like {quote(escape(pattern))}"
    if op in ("in", "nin"):
        some = rng.sample(values, rng.randint(1, min(3, len(values))))
        listed = ", ".join(quote(v) if column == "p" else literal(column, v) for v in some)
        return [column, op, [to_json(v) for v in some]], f"{sql} {'not ' if op == 'nin' else ''}in ({listed})"
    value = rng.choice([v for v in values if v != "{{1,2}}"])
    if array:
        return [column, op, json.loads(ARRAYS[value])], f"{column}[:] {SIGNS[op]} {quote(value)}::{KINDS[column][0]}[:]".replace("[][:]", "[]") if value[0] == "{" else f"{column}[:] {SIGNS[op]} '{{1,2}}'::int[]"
    return [column, op, to_json(value)], f"{sql} {SIGNS[op]} {quote(value) if column == 'p' else literal(column, value)}"


def escape(text):
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def tree(rng, depth=0):
    if depth == 3 or rng.random() < 0.5:
        return predicate(rng)
    kind = rng.choice(("and", "or", "not"))
    parts = [tree(rng, depth + 1) for _ in range(1 if kind == "not" else rng.randint(1, 3))]
    if kind == "not":
        return {"not": parts[0][0]}, f"(not ({parts[0][1]}))"
    return {kind: [p[0] for p in parts]}, "(" + f" {kind} ".join(f"({p[1]})" for p in parts) + ")"


def told_ids(ws):
    """What each subscription is told until the marker comes: channel or id to the ids of its rows."""
    got = {}
    while True:
        m = ws.recv(60)
        if m["type"] == "change" and "mark" in m["key"]:
            return got
        if m["type"] == "change":
            assert m["op"] == "c", m
            got.setdefault(m["channel"], set()).add(m["key"]["id"])


def test_hub_snapshot_and_postgres_agree(ctx, seed=11, count=180, rows=300):
    """Random filters on random rows of every type: judged by the hub on inserts, read by a snapshot, and asked of PostgreSQL
    in words of our own."""
    rng = random.Random(seed)
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in KINDS.items())
    db, _, engine = started(ctx, COLLATIONS + "create type mood as enum ('good', 'bad', 'so so'); create domain price as numeric(10, 2);"
                            f"create table kinds(id int primary key, {columns}); create table marks(mark int primary key);")
    trees = [tree(rng) for _ in range(count)]
    sockets, channels = [WebSocket(engine.ws) for _ in range(0, count, 60)], []
    for n, (where, _) in enumerate(trees):
        got = subscribe(sockets[n // 60], n, table="public.kinds", columns=["id"], where=where)
        assert got["type"] == "subscribed", f"{json.dumps(where)}: {got}"
        channels.append(got["channel"])
    for ws in sockets:
        assert subscribe(ws, 999, table="public.marks")["type"] == "subscribed"
    lines = []
    for i in range(rows):
        cells = [None if rng.random() < 0.2 else rng.choice(values) for _, values, _ in KINDS.values()]
        texts = [quote("\\x" + c) if c is not None and k == "x" else quote(c) for k, c in zip(KINDS, cells)]
        lines.append(f"({i}, {', '.join(texts)})")
    ctx.postgres.psql("insert into kinds values " + ",\n".join(lines) + "; insert into marks values (1);", db)
    streamed = [told_ids(ws) for ws in sockets]
    asked = ctx.postgres.psql(" union all ".join(f"(select {n}, coalesce(string_agg(id::text, ','), '') from kinds where {sql})"
                                                 for n, (_, sql) in enumerate(trees)), db)
    wanted = {int(line.split("|")[0]): {int(i) for i in line.split("|")[1].split(",") if i} for line in asked.splitlines()}
    some = 0
    for n, (where, sql) in enumerate(trees):
        by_hub = streamed[n // 60].get(channels[n], set())
        assert by_hub == wanted[n], f"{json.dumps(where)}: hub and PostgreSQL differ in {sorted(by_hub ^ wanted[n])[:5]} ({sql})"
        some += 0 < len(by_hub) < rows
    assert some > count / 2, f"only {some} filters tell rows apart"
    for ws in sockets:
        ws.close()
    for start in range(0, count, 60):
        with WebSocket(engine.ws) as ws:
            for n in range(start, start + 60):
                ws.send({"type": "subscribe", "id": n, "table": "public.kinds", "columns": ["id"], "where": trees[n][0], "snapshot": True})
            read, ready = {}, 0
            while ready < 60:
                m = ws.recv(60)
                assert m["type"] not in ("error", "reset"), f"{m}: {json.dumps(trees[m.get('id', 0)][0])}"
                ready += m["type"] == "ready"
                if m["type"] == "rows":
                    read.setdefault(m["id"], set()).update(r["id"] for r in m["rows"])
            for n in range(start, start + 60):
                assert read.get(n, set()) == wanted[n], f"{json.dumps(trees[n][0])}: the snapshot differs: {sorted(read.get(n, set()) ^ wanted[n])[:5]}"
    return f"{count} filters, {rows} rows"


# ---- what is said ----

def test_filters_that_make_no_sense_are_refused(ctx):
    db, _, engine = started(ctx, "create table items(id bigint primary key, v int); create domain price as numeric(10,2); create table shop(id int primary key, cost price, tag text[]);")
    with WebSocket(engine.ws) as ws:
        for where, said in ((["v", "eq", "x"], "column v is int4"), (["cost", "gt", True], "column cost is price, that is numeric"),
                            (["tag", "gt", []], "column tag is text[]"), (["no", "eq", 1], "no column no"), ({"xor": []}, "one member")):
            got = subscribe(ws, 1, table="public.items" if "v" in where else "public.shop", where=where)
            assert got["code"] == "bad_filter" and said in got["message"] and got["retry"] is False, got
        assert subscribe(ws, 1, table="public.shop", where=["cost", "gt", "9.5"])["type"] == "subscribed"
        ctx.postgres.psql("insert into shop values (1, 9.5, null), (2, 10, null)", db)
        assert ws.recv_type("change")["key"] == {"id": 2}


def test_a_large_unchanged_value_that_decides_resets(ctx):
    """Its column is not in the replica identity, so nobody knows; with it there, it is known."""
    setup = "create table big(id int primary key, v int, doc text); alter table big alter doc set storage external;"
    db, _, engine = started(ctx, setup + setup.replace("big", "whole") + "alter table whole replica identity full;")
    with WebSocket(engine.ws) as ws:
        for n, name in enumerate(("big", "whole")):
            subscribe(ws, n, table=f"public.{name}", columns=["id", "v"], where=["doc", "prefix", "xx"])
            ctx.postgres.psql(f"insert into {name} values (1, 1, repeat('x', 10000))", db)
            assert ws.recv_type("change")["op"] == "c"
            ctx.postgres.psql(f"update {name} set v = 2", db)
            got = ws.recv_type(("change", "reset"))
            assert (got["reason"] if n == 0 else got["op"]) == ("unknown" if n == 0 else "u"), got
