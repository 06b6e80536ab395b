"""Names chosen to be something else where they are put: in SQL, in replication commands, in topics, log lines, metrics, paths and
file names. They work as names or are refused; nothing of them is ever carried out."""
import json, os, re, urllib.parse

from process import wait_until
from websocket import WebSocket

EVIL = ['a"; drop table canary; --', "a'b", "a''; drop table canary; --", "Робот", "x\\", "$1", "${env:HOME}", "%s%n", "*", "a b", "\x1b[31mred",
        "line\nINFO forged", "q{le=\"1\"} 1", "../../up", "👾", "select", "-- ", "/* */", "a,b", "t\tab"]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(name):
    return "E'" + name.replace("\\", "\\\\").replace("'", "''") + "'"


def encoded(name):
    return urllib.parse.quote(name, safe="").replace("+", "%2B")


def nothing_happened(ctx, db, engine):
    assert ctx.postgres.psql("select count(*) from canary", db).strip() == "1", "the canary is gone"
    assert not CONTROL.search(engine.log()), [line for line in engine.log().splitlines() if CONTROL.search(line)]
    assert not re.search(r"^(INFO forged|\S+ +forged)", engine.log(), re.M), engine.log()
    code, metrics = engine.rest("GET", "/metrics")
    assert code == 200
    for line in metrics.splitlines():
        assert re.fullmatch(r'#.*|[a-zA-Z_:][\w:]*(\{([a-zA-Z_]\w*="([^"\\]|\\["\\n])*",?)*\})? [-+\w.]+', line), line


def test_schemas_tables_and_columns(ctx):
    """Each is snapshot, streamed and shown to browsers with all its rows."""
    db = ctx.database("create table canary (id int primary key); insert into canary values (1)")
    sql, streamed = [], []
    for i, name in enumerate(EVIL):
        schema = quoted(name) if i % 3 == 0 else "public"
        if i % 3 == 0:
            sql.append(f"create schema {schema};")
        sql.append(f"create table {schema}.{quoted(name)} (id int primary key, {quoted(name)} text);"
                   f"insert into {schema}.{quoted(name)} values (1, {literal(name)});")
        streamed.append(f"insert into {schema}.{quoted(name)} values (2, {literal(name)}); update {schema}.{quoted(name)} set {quoted(name)} = 'u' where id = 1;"
                        f"delete from {schema}.{quoted(name)} where id = 2;")
    ctx.postgres.psql("\n".join(sql), db)
    spec = ctx.connector(db, **{"topic.prefix": "names" + db, "schema.exclude.list": "none"})
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("\n".join(streamed), db)

    def records():
        return [json.loads(value) for topic in ctx.kafka.topics() if topic.startswith("names" + db)
                for value in values(ctx, topic)]
    wait_until(lambda: len(records()) >= 4 * len(EVIL) + 1, 30, "four records a table")
    seen = {}
    for record in records():
        payload = record.get("payload", record)
        seen.setdefault((payload["source"]["schema"], payload["source"]["table"]), []).append(payload)
    for i, name in enumerate(EVIL):
        got = seen[(name if i % 3 == 0 else "public", name)]
        assert [r["op"] for r in got] == ["r", "c", "u", "d"], (name, got)
        assert name in got[0]["after"] and got[0]["after"][name] == name, (name, got[0])
    with WebSocket(engine.ws) as browser:
        tables = {t["name"]: t for t in browser.recv_type("welcome")["tables"]}
        for i, name in enumerate(EVIL):
            table = f"{name if i % 3 == 0 else 'public'}.{name}"
            assert [c["name"] for c in tables[table]["columns"]] == ["id", name], table
            browser.send({"type": "subscribe", "id": i, "table": table, "snapshot": True})
            assert browser.recv_type("rows")["rows"][0][name] == "u", table
            browser.recv_type("ready")
            browser.send({"type": "unsubscribe", "id": i})
    nothing_happened(ctx, db, engine)


def values(ctx, topic):
    return [r["value"] if isinstance(r["value"], str) else json.dumps(r["value"]) for r in ctx.kafka.consume(topic) if r["value"] is not None]


def test_publications(ctx):
    """A publication may have any name; the one that is meant is made, and nothing else."""
    db = ctx.database("create table canary (id int primary key); insert into canary values (1)")
    engine = ctx.walwire(kafka=False)
    for i, name in enumerate(['p"; drop table canary; --', "p'q", "Публикация", "p\\", "p q"]):
        spec = ctx.connector(db, **{"publication.name": name})
        code, answer = engine.rest("POST", "/connectors", spec)
        assert code == 201, (name, answer)
        try:
            engine.wait_streaming(spec, ctx.postgres, 20)
        except AssertionError:
            state, trace = engine.status(spec["name"])
            assert state == "FAILED" and "ublication" in trace, (name, trace)
        else:
            made = ctx.postgres.psql("select pubname from pg_publication order by oid desc limit 1", db).strip()
            assert made == name, (made, name)
        engine.rest("DELETE", "/connectors/" + spec["name"])
    nothing_happened(ctx, db, engine)


def test_slots_and_prefixes_are_refused(ctx):
    db = ctx.database("create table canary (id int primary key); insert into canary values (1)")
    engine = ctx.walwire(kafka=False)
    for name in ['s"; drop table canary; --', "s'", "Слот", "s s", "S", "s\n", "s" * 64, "s-1", "../s"]:
        code, answer = engine.rest("POST", "/connectors", ctx.connector(db, **{"slot.name": name}))
        assert code == 400 and "slot.name" in str(answer), (name, code, answer)
    for name in ["p/../q", "p\nq", "p q", "Префикс", "p\"", "p'", "../p", "\x1b[31m"]:
        code, answer = engine.rest("POST", "/connectors", ctx.connector(db, **{"topic.prefix": name}))
        assert code == 400 and "topic.prefix" in str(answer), (name, code, answer)
    assert engine.rest("GET", "/connectors") == (200, [])
    nothing_happened(ctx, db, engine)


def test_connectors(ctx):
    """A connector may have nearly any name. Where it is kept, shown, logged and counted, it is one name."""
    db = ctx.database("create table canary (id int primary key); insert into canary values (1)")
    engine = ctx.walwire(kafka=False)
    before = set(os.listdir(engine.dir)) | {"offsets", "offsets.connectors"}
    made = []
    for i, name in enumerate(EVIL):
        spec = {**ctx.connector(db, **{"slot.name": f"names_{db}_{i}"}), "name": name}
        code, answer = engine.rest("POST", "/connectors", spec)
        assert code in (201, 400), (name, answer)
        kept = name.strip(" \t\r\n")
        if code == 400:
            continue
        made.append(kept)
        wait_until(lambda: engine.rest("GET", f"/connectors/{encoded(kept)}/status")[1]["connector"]["state"] == "RUNNING", 20, kept)
        assert engine.rest("GET", f"/connectors/{encoded(kept)}")[1]["name"] == kept
        if len(made) > 4:  # a few at a time: the server has slots for ten
            assert engine.rest("DELETE", f"/connectors/{encoded(made.pop(0))}")[0] == 204
    assert sorted(engine.rest("GET", "/connectors")[1]) == sorted(made)
    wait_until(lambda: ctx.postgres.psql("select count(*) from pg_stat_replication", db).strip() != "0", 20)
    nothing_happened(ctx, db, engine)
    engine.restart()
    assert sorted(engine.rest("GET", "/connectors")[1]) == sorted(made)
    for name in made:
        assert engine.rest("DELETE", f"/connectors/{encoded(name)}")[0] == 204, name
    assert {f for f in os.listdir(engine.dir) if not f.startswith("offsets")} <= before
    nothing_happened(ctx, db, engine)
