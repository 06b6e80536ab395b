"""walwire.v1 on the wire: what a client is told is exactly what happened to the table. Source: docs/PROTOCOL.md."""
import json, os, shutil, subprocess

from fold import difference, name_of, table
from services import Closed, Postgres, Refused, Skip, WebSocket, wait_until
from subscriptions import Client, Told, changes, started, started_on, subscribe, welcomes
from writer import Writer

ITEMS = "create table items(id bigint primary key, v int, note text);"

# ---- the exact hand-over ----

CHANGES = """
    n := 1 + (i * 7919 + seed * 104729) % 2000;
    case i % 6
      when 0 then insert into items values (seed * 100000000 + i, i, 'new');
      when 1 then update items set v = v + 1 where id = n;
      when 2 then delete from items where id = n;
      when 3 then update items set id = nextval('fresh') where id = n;
      when 4 then update items set note = seed || '-' || i where id between n and n + 2;
      else insert into items values (n, i, 'again') on conflict (id) do nothing;
    end case;"""


def test_rows_and_changes_meet_exactly_while_others_write(ctx):
    """80 subscriptions on 4 connections while 4 sessions insert, update, delete and change keys: each, folded strictly, is
    the table in the end."""
    db, _, engine = started(ctx, ITEMS + "create sequence fresh start 1000000000;"
                            "insert into items select i, 0, 'first' from generate_series(1, 2000) i;", table__include__list="public.items")
    clients = [Client(engine) for _ in range(4)]
    with Writer(ctx.postgres, db, CHANGES, seeds=(1, 2, 3, 4), pause=0.02):  # each change is folded eighty times
        for n in range(80):
            client, part = clients[n % 4], {"columns": ["id", "v"]} if n % 3 == 0 else {}
            told = client.subscribe(Told(n, snapshot=True, **part))
            client.read(lambda: told.ready)
    ctx.postgres.psql("insert into items values (-1, 0, 'the end')", db)
    whole = table(ctx.postgres, db, "items")
    for client in clients:
        client.read(lambda: all('{"id": -1}' in t.rows for t in client.told.values()), 30)
        for n, told in client.told.items():
            part = {k: {c: r[c] for c in told.request.get("columns", r)} for k, r in whole.items()}
            assert difference(told.rows, part) == "", f"subscription {n}: {difference(told.rows, part)}"
    assert sum(len(t.changes) for c in clients for t in c.told.values()) > 2000


def test_a_transaction_still_open_at_the_snapshot_comes_as_changes(ctx):
    """Rows written before the subscription and committed after it, and a part that was undone."""
    db, _, engine = started(ctx, ITEMS + "insert into items values (1, 0, 'a'), (2, 0, 'b');")
    psql = ctx.postgres.held(db, "update items set v = 1 where id = 1; insert into items values (3, 0, 'c'); savepoint s; "
                             "delete from items where id = 2; rollback to s")
    client = Client(engine)
    told = client.subscribe(Told(1, snapshot=True))
    client.read(lambda: told.ready)
    assert sorted(told.rows) == ['{"id": 1}', '{"id": 2}'] and told.rows['{"id": 1}']["v"] == 0
    psql.communicate("commit;\n")
    client.read(lambda: len(told.changes) == 2)
    assert [(c["op"], c["key"]["id"]) for c in told.changes] == [("u", 1), ("c", 3)]
    assert difference(told.rows, table(ctx.postgres, db, "items")) == ""


class Overlapping(Told):
    """What was committed around the snapshot may come as rows and as changes too."""

    def _change(self, m):
        key = name_of(m["key"])
        if m["op"] == "c":
            self.rows.pop(key, None)
        elif key not in self.rows:
            self.rows[key] = {}
        super()._change(m)


def test_rows_of_a_standby_and_changes_meet(ctx):
    """A standby does not tell which transactions were in progress: none of their changes may be missing."""
    if int(ctx.postgres.psql("show server_version_num")) < 160000:
        raise Skip("slots on standbys came with PostgreSQL 16")
    primary = Postgres(name="primary")
    standby = primary.standby()
    primary.psql("create database shop")
    primary.psql(ITEMS + "create sequence fresh start 1000000000; insert into items select i, 0, 'first' from generate_series(1, 2000) i;"
                 "create publication part for table items", "shop")
    wait_until(lambda: standby.psql("select count(*) from pg_publication", "shop") == "1", 20, "the standby to follow")
    engine = ctx.walwire(ctx.connector("shop", standby, publication__name="part", table__include__list="public.items"), kafka=False)
    wait_until(lambda: primary.psql("select pg_log_standby_snapshot()") and "streaming from" in engine.log(), 30, "the stream", every=0.2)
    wait_until(lambda: welcomes(engine), 10, "the stream to be open to clients")
    client, count = Client(engine), 25
    with Writer(primary, "shop", CHANGES, seeds=(1, 2, 3), pause=0.004):
        for n in range(count):
            told = client.subscribe(Overlapping(n, snapshot=True))
            client.read(lambda: told.ready)
    primary.psql("insert into items values (-1, 0, 'the end')", "shop")
    client.read(lambda: all('{"id": -1}' in t.rows for t in client.told.values()), 30)
    whole = table(primary, "shop", "items")
    wrong = [f"{n}: {difference(told.rows, whole)}" for n, told in client.told.items() if told.rows != whole]
    assert not wrong, f"{len(wrong)} of {count} subscriptions differ, such as {wrong[0]}"
    engine.sigterm()


def locked(ctx, db):
    """A session that keeps the table to itself until its standard input is closed."""
    return ctx.postgres.held(db, "lock table items in access exclusive mode")


def readers(ctx, db, waiting=""):
    return ctx.postgres.psql(f"select count(*) from pg_stat_activity where datname = '{db}' and application_name = 'walwire live rows'" + waiting)


def test_rows_that_nobody_waits_for_are_not_read_on(ctx):
    """The table is locked. A client that leaves, and a connector that is changed, end the statement that waits for it: the
    connector streams again at once."""
    db, spec, engine = started(ctx, ITEMS + "insert into items values (1, 0, 'a');", table__include__list="public.items")
    psql = locked(ctx, db)
    try:
        for leave in (lambda ws: ws.close(), lambda ws: engine.rest("PUT", f"/connectors/{spec['name']}/config",
                                                                    {**spec["config"], "poll.interval.ms": "123"})):
            ws = WebSocket(engine.ws)
            ws.recv_type("welcome")
            assert subscribe(ws, table="public.items", snapshot=True)["type"] == "subscribed"
            wait_until(lambda: readers(ctx, db, " and wait_event_type = 'Lock'") == "1", 10, "the rows to be asked for")
            leave(ws)
            wait_until(lambda: readers(ctx, db) == "0", 3, "the statement to be ended", every=0.05)
        before = engine.log().count("streaming from")
        assert before == 2 or wait_until(lambda: engine.log().count("streaming from") == 2, 3, "the changed connector to stream")
    finally:
        psql.communicate("rollback;\n")
    client = Client(engine)
    told = client.subscribe(Told(1, snapshot=True))
    client.read(lambda: told.ready)
    assert sorted(told.rows) == ['{"id": 1}']


def test_a_client_is_told_that_a_table_is_locked(ctx):
    db, _, engine = started(ctx, ITEMS, table__include__list="public.items")
    psql = locked(ctx, db)
    with WebSocket(engine.ws) as ws:
        subscribe(ws, table="public.items", snapshot=True)
        error = ws.recv_type("error", 15)
        assert error["code"] == "snapshot_failed" and error["retry"] is True, error
    psql.communicate("rollback;\n")


def test_a_table_that_is_written_anew_is_not_taken_for_an_empty_one(ctx):
    """To a snapshot of before an ALTER TABLE that writes all rows anew has none, and no change tells of them. Nor is a truncated
    table what it was at the snapshot's position."""
    for change, rows in (("alter table items alter v type bigint", 5), ("alter table items add extra float8 default random()", 5), ("truncate items", 0)):
        db, _, engine = started(ctx, ITEMS + "insert into items select i, 0, 'a' from generate_series(1, 5) i;", table__include__list="public.items")
        psql = locked(ctx, db)
        with WebSocket(engine.ws) as ws:
            assert subscribe(ws, table="public.items", snapshot=True)["type"] == "subscribed"
            wait_until(lambda: readers(ctx, db, " and wait_event_type = 'Lock'") == "1", 10, "the rows to be asked for")
            psql.communicate(f"{change}; commit;\n")
            error = ws.recv_type(("error", "ready"))
            assert (error["type"], error.get("code"), error.get("retry")) == ("error", "snapshot_failed", True), (change, error)
            assert subscribe(ws, table="public.items", snapshot=True)["type"] == "subscribed"
            assert ws.recv_type("ready")["count"] == rows, change
        engine.sigterm()


def test_rows_of_commits_that_are_seen_out_of_order_have_no_position(ctx):
    """A commit waits for a standby, a later one does not: no position has the second and not the first. Whoever went on from one
    would be told the second once more."""
    server = Postgres(name="waits")
    engine = started_on(ctx, server, ITEMS)
    server.psql("alter system set synchronous_standby_names = 'nobody'")
    server.psql("select pg_reload_conf()")
    first = subprocess.Popen([server.program("psql"), "-qAtX", "-d", server.conninfo("shop")], stdin=subprocess.PIPE, text=True)
    wait_until(lambda: server.psql("show synchronous_standby_names") == "nobody", 10, "the setting")
    first.stdin.write("insert into items values (1, 0, 'first');\n")
    first.stdin.flush()
    wait_until(lambda: server.psql("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == "1", 10, "the commit to wait")
    server.psql("set synchronous_commit = local; insert into items values (2, 0, 'second')", "shop")
    with WebSocket(engine.ws) as ws:
        subscribe(ws, table="public.items", snapshot=True)
        error = ws.recv_type(("error", "ready"))
        assert (error["type"], error.get("code"), error.get("retry")) == ("error", "snapshot_failed", True), error
        server.psql("alter system reset synchronous_standby_names")
        server.psql("select pg_reload_conf()")
        first.communicate("")
        subscribe(ws, table="public.items", snapshot=True)
        assert ws.recv_type("ready")["count"] == 2
    engine.sigterm()


# ---- messages ----

def test_welcome_and_its_ways_in(ctx):
    db, spec, engine = started(ctx, ITEMS)
    for path, protocols in (("", ("walwire.v1",)), ("/some-client", ("walwire.v1",)), ("", ())):
        with WebSocket(engine.ws + path, protocols=protocols) as ws:
            welcome = ws.recv()
            assert welcome["type"] == "welcome" and welcome["version"] == "walwire.v1"
            assert welcome["session"] and welcome["epoch"] and welcome["pos"] and welcome["heartbeat_ms"] > 0
            assert welcome["limits"].keys() == {"message_bytes", "subscriptions", "rate"}
            assert ws.protocol == (protocols[0] if protocols else None)
            ws.send({"type": "ping", "n": 7})
            assert ws.recv() == {"type": "pong", "n": 7}


def test_subscribed_names_key_and_columns(ctx):
    db, _, engine = started(ctx, "create table pair(a int, b text, c numeric(10,2), d timestamptz, primary key (b, a));"
                            "insert into pair values (1, 'x', 1.50, '2026-01-02 03:04:05+00');")
    with WebSocket(engine.ws) as ws:
        got = subscribe(ws, table="public.pair", snapshot=True)
        assert got["mode"] == "snapshot" and got["key"] == ["b", "a"] and got["id"] == 1
        assert [c["name"] for c in got["columns"]] == ["a", "b", "c", "d"]
        assert [c["type"] for c in got["columns"]] == ["int4", "text", "numeric", "timestamptz"]
        assert ws.recv_type("rows")["rows"] == [{"a": 1, "b": "x", "c": "1.50", "d": "2026-01-02T03:04:05.000000Z"}]
        assert ws.recv_type("ready")["count"] == 1
        got = subscribe(ws, 2, table="public.pair", columns=["c", "b", "a"], snapshot=True)
        assert sorted(c["name"] for c in got["columns"]) == ["a", "b", "c"] and got["key"] == ["b", "a"]
        assert ws.recv_type("rows")["rows"] == [{"a": 1, "b": "x", "c": "1.50"}]


def test_values_are_what_a_browser_can_use(ctx):
    db, _, engine = started(ctx, """create table val(id int primary key, i8 bigint, big bigint, n numeric, b bytea, j jsonb, a int[],
        ts timestamp, d date, f float8, t text, nil text, yes bool, u uuid)""")
    row = ("1, 42, 9007199254740993, 12345678901234567890.10, '\\x00ff', '{\"a\": [1, null]}', '{1,null,3}', '2026-01-02 03:04:05.6', "
           "'2026-01-02', 1.5, E'tab\\t\"ü\"', null, true, '12345678-1234-1234-1234-123456789abc'")
    wanted = {"id": 1, "i8": 42, "big": "9007199254740993", "n": "12345678901234567890.10", "b": "AP8=", "j": {"a": [1, None]},
              "a": [1, None, 3], "ts": "2026-01-02T03:04:05.600000", "d": "2026-01-02", "f": 1.5, "t": 'tab\t"ü"', "nil": None,
              "yes": True, "u": "12345678-1234-1234-1234-123456789abc"}
    with WebSocket(engine.ws) as ws:
        subscribe(ws, table="public.val", snapshot=True)
        ws.recv_type("ready")
        ctx.postgres.psql(f"insert into val values ({row})", db)
        assert ws.recv_type("change")["row"] == wanted
        subscribe(ws, 2, table="public.val", snapshot=True)
        assert ws.recv_type("rows")["rows"] == [wanted], "a snapshot writes values as a change does"


def test_changed_keys_truncates_and_old_images(ctx):
    db, _, engine = started(ctx, ITEMS + "create table whole(id int primary key, v int); alter table whole replica identity full;"
                            "insert into items values (1, 1, 'a'); insert into whole values (1, 1);")
    with WebSocket(engine.ws) as ws:
        assert subscribe(ws, 1, table="public.items")["mode"] == "live"
        ctx.postgres.psql("update items set id = 2 where id = 1", db)
        d, c = changes(ws, 2)
        assert (d["op"], d["key"], d["row"]) == ("d", {"id": 1}, None) and (c["op"], c["key"]) == ("c", {"id": 2})
        assert c["pos"] > d["pos"] and c["row"] == {"id": 2, "v": 1, "note": "a"} and c["ts_ms"] == d["ts_ms"] > 0
        ctx.postgres.psql("insert into items values (3, 3, 'c'); truncate items", db)
        c, t = changes(ws, 2)
        assert (c["op"], t["op"], t["row"]) == ("c", "t", None) and t["pos"] > c["pos"]
        channels = {old: subscribe(ws, n, table="public.whole", old=old)["channel"]
                    for n, old in enumerate(("key", "full", "none"), 2)}
        ctx.postgres.psql("update whole set v = 2; delete from whole", db)
        got = changes(ws, 6)
        old = {name: [m.get("old") for m in got if m["channel"] == channel] for name, channel in channels.items()}
        assert old["full"] == [{"id": 1, "v": 1}, {"id": 1, "v": 2}] and old["none"] == [None, None]
        assert all(o is None or o == {"id": 1} for o in old["key"])


def test_rows_are_told_apart_as_the_replica_identity_does(ctx):
    """By another index than the primary key's, or where messages have a key of their own: the key that browsers are told is one
    that old rows have, so that folding by it is the table."""
    db, _, engine = started(ctx, """create table part(id int primary key, code text not null, v int); create unique index part_code on part(code);
        alter table part replica identity using index part_code; insert into part values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
        create table own(id int primary key, code text, v int); insert into own values (1, 'a', 1), (2, null, 2), (3, 'c', 3), (7, null, 7);
        create table loose(code text not null, v int); create unique index loose_code on loose(code);
        alter table loose replica identity using index loose_code; insert into loose values ('a', 1), ('b', 2), ('c', 3);""",
                            message__key__columns="public.own:code")
    changes = """update {0} set v = 5 where code = 'a'; update {0} set code = 'z' where v = 2; delete from {0} where code = 'c';
        insert into {0} select {1} 'd', 4; update {0} set v = 6 where code = 'd'"""
    with WebSocket(engine.ws) as ws:
        for n, (name, key) in enumerate({"part": ["code"], "own": ["id"], "loose": ["code"]}.items()):
            told = subscribe(ws, n, table=f"public.{name}", snapshot=True)
            assert told["key"] == key, told
            rows = {r[key[0]]: r for r in ws.recv_type("rows")["rows"]}
            ws.recv_type("ready")
            ctx.postgres.psql(changes.format(name, "" if name == "loose" else "4,"), db)
            if name != "loose":
                ctx.postgres.psql(f"update {name} set id = id + 100 where v in (5, 2, 7); delete from {name} where v = 6", db)
            ctx.postgres.psql(f"insert into {name} (code, v{'' if name == 'loose' else ', id'}) values ('end', 0{'' if name == 'loose' else ', 9'})", db)
            while "end" not in [r["code"] for r in rows.values()]:
                m = ws.recv_type("change")
                assert list(m["key"]) == key, m
                assert (m["key"][key[0]] in rows) == (m["op"] != "c"), m
                if m["op"] == "d":
                    del rows[m["key"][key[0]]]
                else:
                    rows[m["key"][key[0]]] = m["row"]
            whole = [json.loads(line) for line in ctx.postgres.psql(f"select row_to_json(x) from {name} x order by code", db).splitlines()]
            assert sorted(rows.values(), key=lambda r: r["code"] or "zz") == sorted(whole, key=lambda r: r["code"] or "zz"), (rows, whole)


def test_an_unchanged_toast_value_is_named(ctx):
    db, _, engine = started(ctx, "create table big(id int primary key, v int, doc text); alter table big alter doc set storage external;"
                            "insert into big values (1, 1, repeat('x', 10000));")
    with WebSocket(engine.ws) as ws:
        subscribe(ws, table="public.big")
        ctx.postgres.psql("update big set v = 2", db)
        got = ws.recv_type("change")
        assert got["row"] == {"id": 1, "v": 2} and got["unchanged"] == ["doc"]


def test_identical_subscriptions_share_a_channel(ctx):
    db, _, engine = started(ctx, ITEMS)
    with WebSocket(engine.ws) as one, WebSocket(engine.ws) as two:
        a, b = subscribe(one, 1, table="public.items"), subscribe(two, 9, table="public.items")
        other = subscribe(two, 10, table="public.items", columns=["id"])
        assert a["channel"] == b["channel"] != other["channel"]
        ctx.postgres.psql("insert into items values (1, 1, 'a')", db)
        first = one.recv_type("change")
        both = {m["channel"]: m for m in changes(two, 2)}
        assert both[a["channel"]] == first and both[other["channel"]]["row"] == {"id": 1}


def test_unsubscribe_ends_the_changes(ctx):
    db, _, engine = started(ctx, ITEMS)
    with WebSocket(engine.ws) as ws:
        kept, gone = subscribe(ws, 1, table="public.items"), subscribe(ws, 2, table="public.items", columns=["id"])
        ws.send({"type": "unsubscribe", "id": 2})
        ws.send({"type": "ping", "n": 1})
        ws.recv_type("pong")
        ctx.postgres.psql("insert into items values (1, 1, 'a'), (2, 2, 'b')", db)
        assert [m["channel"] for m in changes(ws, 2)] == [kept["channel"]] * 2 and gone["channel"] != kept["channel"]
        assert subscribe(ws, 2, table="public.items")["type"] == "subscribed", "the id is free again"


def test_resume_continues_with_the_next_change(ctx):
    db, _, engine = started(ctx, ITEMS)
    with WebSocket(engine.ws) as ws:
        epoch = ws.recv_type("welcome")["epoch"]
        subscribe(ws, table="public.items")
        ctx.postgres.psql("insert into items select i, i, 'n' from generate_series(1, 10) i", db)
        got = changes(ws, 10)
        answer = subscribe(ws, 2, table="public.items", **{"from": {"epoch": epoch, "pos": got[3]["pos"]}})
        assert answer["mode"] == "resume"
        ctx.postgres.psql("insert into items values (11, 11, 'n')", db)
        again = [m for m in changes(ws, 8) if m["channel"] == answer["channel"]]
        assert [m["key"]["id"] for m in again] == [5, 6, 7, 8, 9, 10, 11]
        other = subscribe(ws, 3, table="public.items", **{"from": {"epoch": "another", "pos": got[3]["pos"]}})
        assert (other["type"], other["reason"]) == ("reset", "epoch")


def test_what_cannot_be_done_is_said(ctx):
    db, _, engine = started(ctx, ITEMS)
    with WebSocket(engine.ws) as ws:
        assert subscribe(ws, 1, table="public.items")["type"] == "subscribed"
        for code, request in {
                "unknown_table": {"table": "public.nothing"}, "unknown_column": {"table": "public.items", "columns": ["nothing"]},
                "bad_filter": {"table": "public.items", "where": ["v", "gt", "one"]}}.items():
            assert subscribe(ws, 2, **request)["code"] == code
        for request in ({}, {"table": 7}, {"table": "public.items", "columns": []}, {"table": "public.items", "ops": "x"},
                        {"table": "public.items", "snapshot": "yes"}, {"table": "public.items", "old": "some"},
                        {"table": "public.items", "from": {"epoch": "x"}}, {"table": "public.items", "format": "avro"},
                        {"table": "public.items", "paced": 1}, {"table": "public.items", "transactions": "yes"},
                        {"table": "public.items", "format": "debezium", "columns": ["id"]}):
            assert subscribe(ws, 2, **request)["code"] == "bad_request", request
        assert subscribe(ws, 2, table="public.items", filter=1)["code"] == "unsupported"
        assert subscribe(ws, 1, table="public.items")["code"] == "bad_request", "the id is in use"
        ws.send("no json")
        assert ws.recv_type("error")["code"] == "bad_json"
        ws.send({"type": "dance", "id": 5})
        got = ws.recv_type("error")
        assert got["code"] == "bad_request" and got["id"] == 5 and "dance" in got["message"]
        assert subscribe(ws, 3, table="public.items", columns=["id"])["type"] == "subscribed", "an error ends nothing"


def closing(ws, send):
    """What `closing` says, and that the connection then closes with the same code."""
    send(ws, ws.recv_type("welcome")["limits"])
    said = ws.recv_type("closing")
    try:
        while True:
            ws.text()
    except Closed as closed:
        assert closed.code == said["code"], f"{said}, then {closed}"
    return said["code"]


def test_bad_clients_are_closed(ctx):
    db, _, engine = started(ctx, ITEMS)

    def hurried(ws, limits):
        for n in range(limits["rate"] + 1):
            ws.send({"type": "ping", "n": n})
    assert closing(WebSocket(engine.ws), lambda ws, _: ws.send(b"bytes")) == 4101
    assert closing(WebSocket(engine.ws), lambda ws, _: ws.send(json.dumps({"type": "ping", "pad": "x" * 70000}))) == 4101
    assert closing(WebSocket(engine.ws), hurried) == 4029


def test_a_foreign_origin_is_refused_before_the_upgrade(ctx):
    db, _, engine = started(ctx, ITEMS)
    bodies = set()
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{engine.ws_port + 1}"):
        try:
            WebSocket(engine.ws, headers={"Origin": origin})
            raise AssertionError(f"{origin} was let in")
        except Refused as refused:
            assert refused.status == 403
            bodies.add(refused.body)
    assert len(bodies) == 1
    with WebSocket(engine.ws, headers={"Origin": engine.web}) as ws:
        assert ws.recv()["type"] == "welcome"


def test_heartbeats_move_the_position_on(ctx):
    """Also where nothing matched: another table's changes."""
    db, _, engine = started(ctx, ITEMS + "create table other(id int primary key);")
    with WebSocket(engine.ws) as ws:
        before = ws.recv_type("welcome")["pos"]
        subscribe(ws, table="public.items")
        ctx.postgres.psql("insert into other values (1)", db)
        beat = ws.recv_type("heartbeat", 40)
        assert beat["pos"] > before and beat["lag_ms"] >= 0


def test_a_change_that_cannot_be_stored_leaves_browsers_alone(ctx):
    """PUT .../config answers 500 while its storage is gone; the connector and its clients go on."""
    kept = os.path.join(ctx.temp_dir(), "kept")
    os.mkdir(kept)
    db = ctx.database(ITEMS)
    spec = ctx.connector(db)
    engine = ctx.walwire(kafka=False, config__storage__file__filename=os.path.join(kept, "connectors"))
    engine.create(spec)
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: welcomes(engine), 10, "the stream to be open to clients")
    with WebSocket(engine.ws) as ws:
        ws.recv_type("welcome")
        subscribe(ws, table="public.items")
        shutil.rmtree(kept)
        code, answer = engine.rest("PUT", f"/connectors/{spec['name']}/config", {**spec["config"], "max.batch.size": "1000"})
        assert code == 500, f"{code}: {answer}"
        ctx.postgres.psql("insert into items values (1, 1, 'a')", db)
        assert ws.recv_type("change")["key"] == {"id": 1}


def test_a_shutdown_is_said_and_a_client_goes_on_where_it_was(ctx):
    """A last heartbeat, `closing` 4001 with a time to wait; what is committed while the engine is away comes after the restart, once."""
    db, spec, engine = started(ctx, ITEMS)
    ws = WebSocket(engine.ws)
    epoch = ws.recv_type("welcome")["epoch"]
    subscribe(ws, table="public.items")
    ctx.postgres.psql("insert into items values (1, 1, 'a')", db)
    pos = ws.recv_type("change")["pos"]
    assert engine.sigterm() == 0
    pos = max(pos, ws.recv_type("heartbeat")["pos"])
    said = ws.recv_type("closing")
    assert said["code"] == 4001 and said["reason"] and said["retry_after_ms"] > 0
    try:
        ws.text()
        raise AssertionError("the connection is still open")
    except Closed as closed:
        assert closed.code == 4001
    ctx.postgres.psql("insert into items values (2, 2, 'b'); delete from items where id = 1", db)
    engine.start()
    engine.wait_streaming(spec, ctx.postgres)

    def resumed():
        with WebSocket(engine.ws) as again:
            if again.recv_type(("welcome", "closing"))["type"] == "closing":
                return None
            answer = subscribe(again, table="public.items", **{"from": {"epoch": epoch, "pos": pos}})
            assert answer["type"] == "subscribed" and answer["mode"] == "resume", answer
            return [(m["op"], m["key"]["id"]) for m in changes(again, 2)]
    assert wait_until(resumed, 10) == [("c", 2), ("d", 1)]
