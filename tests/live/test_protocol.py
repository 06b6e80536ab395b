"""What a subscription can ask for beside rows: its pace, transactions, Kafka's envelopes; and columns that come while it lasts.
Source: docs/PROTOCOL.md."""
import subprocess, time, uuid

from fold import difference, events, name_of, table
from process import Skip
from services import WebSocket, wait_until
from subscriptions import Client, Told, changes, started, subscribe, welcomes

ITEMS = "create table items(id bigint primary key, v int, note text);"


def readers(ctx, db):
    return int(ctx.postgres.psql(f"select count(*) from pg_stat_activity where datname = '{db}' and application_name = 'walwire live rows'"))


# ---- pace ----

def test_paced_clients_get_a_batch_when_they_ask_for_it(ctx):
    """One dawdles in the middle of its rows: others are read meanwhile, unpaced and paced; then it goes on, and nothing is missing."""
    db, _, engine = started(ctx, ITEMS + "insert into items select i, i, 'n' from generate_series(1, 3000) i;")
    with WebSocket(engine.ws) as slow, WebSocket(engine.ws) as other:
        assert subscribe(slow, table="public.items", snapshot=True, paced=True)["mode"] == "snapshot"
        rows = slow.recv_type("rows")["rows"]
        slow.send({"type": "ping", "n": 1})
        assert slow.recv()["type"] == "pong", "a batch that nobody asked for"
        assert readers(ctx, db) == 1
        ctx.postgres.psql("update items set v = -1 where id % 2 = 0; delete from items where id > 2990", db)
        for n, paced in ((1, False), (2, True)):
            subscribe(other, n, table="public.items", snapshot=True, paced=paced)
            while (m := other.recv())["type"] != "ready":
                if paced and m["type"] == "rows":
                    other.send({"type": "more", "id": n})
            assert m["count"] == 2990
            other.send({"type": "unsubscribe", "id": n})
        batches, got, told = 1, None, []
        slow.send({"type": "more", "id": 1})
        while (got := slow.recv(20))["type"] != "ready":
            assert got["type"] == "rows"
            rows += got["rows"]
            batches += 1
            slow.send({"type": "more", "id": 1})
        assert len(rows) == 3000 == got["count"] and 4 < batches < 100 and all(r["v"] == r["id"] for r in rows)
        folded = {name_of({"id": r["id"]}): r for r in rows}
        for m in changes(slow, 1510, 20):
            folded[name_of(m["key"])] = m["row"]
        assert difference({k: r for k, r in folded.items() if r}, table(ctx.postgres, db, "items")) == ""
        wait_until(lambda: readers(ctx, db) == 0, 5, "the transactions to be over")


def test_a_paced_client_that_goes_leaves_no_transaction(ctx):
    db, _, engine = started(ctx, ITEMS + "insert into items select i, i, 'n' from generate_series(1, 3000) i;")
    ws = WebSocket(engine.ws)
    subscribe(ws, table="public.items", snapshot=True, paced=True)
    ws.recv_type("rows")
    assert readers(ctx, db) == 1
    ws.close()
    wait_until(lambda: readers(ctx, db) == 0, 5, "the transaction to be over", every=0.05)


def test_a_table_about_to_be_locked_is_read_to_the_end(ctx):
    """ALTER TABLE waits for a client in the middle of its rows, everybody else behind it: that client gets the rest at once, so that the
    table is free soon, and then the others get theirs."""
    db, _, engine = started(ctx, ITEMS + "insert into items select i, i, 'n' from generate_series(1, 3000) i;")

    def waiting(name):
        return int(ctx.postgres.psql(f"select count(*) from pg_stat_activity where datname = '{db}' and wait_event_type = 'Lock' and application_name ~ '{name}'"))
    with WebSocket(engine.ws) as first, WebSocket(engine.ws) as others:
        subscribe(first, table="public.items", snapshot=True, paced=True)
        first.recv_type("rows")
        alter = subprocess.Popen([ctx.postgres.program("psql"), "-qAtX", "-d", ctx.postgres.conninfo(db), "-c", "alter table items add extra int"])
        wait_until(lambda: waiting("psql") == 1, 10, "ALTER TABLE to wait")
        for n in range(3):
            others.send({"type": "subscribe", "id": n, "table": "public.items", "snapshot": True})
        wait_until(lambda: waiting("walwire"), 10, "the others to wait")
        start = time.monotonic()
        first.send({"type": "more", "id": 1})
        while (m := first.recv(30))["type"] != "ready":
            first.send({"type": "more", "id": 1})
        assert m["count"] == 3000 and time.monotonic() - start < 4, f"{m} after {time.monotonic() - start:.1f} s"
        assert alter.wait(5) == 0
        ready = [others.recv_type(("ready", "error", "reset"), 10) for _ in range(3)]
        assert [m.get("count") for m in ready] == [3000] * 3, ready


def test_rows_that_take_long_to_find_hold_up_nobody(ctx):
    """The server is at a statement for one client: others are read meanwhile, so that their tables are free soon, and the statement
    ends with its client."""
    role = f"r{uuid.uuid4().hex[:10]}"
    db = ctx.database(ITEMS + f"""insert into items select i, i, 'n' from generate_series(1, 3000) i; create table long(id int primary key);
        insert into long values (1); create role {role} login replication; grant select on items, long to {role};
        alter table long enable row level security; create policy asleep on long using (pg_sleep(60) is not null); create publication part for table items, long""")
    spec = ctx.connector(db, publication__name="part", publication__autocreate__mode="disabled", snapshot__mode="no_data", database__user=role)
    engine = ctx.walwire(spec, kafka=False)
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: welcomes(engine), 10, "the stream to be open to clients")
    with WebSocket(engine.ws) as first, WebSocket(engine.ws) as other:
        subscribe(first, table="public.items", snapshot=True, paced=True)
        first.recv_type("rows")
        long = WebSocket(engine.ws)
        subscribe(long, table="public.long", snapshot=True)
        wait_until(lambda: ctx.postgres.psql(f"select count(*) from pg_stat_activity where datname = '{db}' and wait_event = 'PgSleep'") == "1", 10, "the rows to be looked for")
        assert subscribe(other, table="public.items", snapshot=True)["type"] == "subscribed"
        assert other.recv_type("ready", 10)["count"] == 3000
        first.send({"type": "more", "id": 1})
        while (m := first.recv(10))["type"] != "ready":
            first.send({"type": "more", "id": 1})
        assert m["count"] == 3000 and readers(ctx, db) == 1
        long.close()
        wait_until(lambda: readers(ctx, db) == 0, 5, "the statement to be over", every=0.05)
    engine.sigterm()
    ctx.postgres.psql(f"drop owned by {role}; drop role {role}", db)


# ---- transactions ----

def test_transactions_are_framed_across_tables(ctx):
    db, _, engine = started(ctx, ITEMS + "create table other(id int primary key);")
    with WebSocket(engine.ws) as ws:
        ids = {subscribe(ws, n, table=f"public.{name}", transactions=True)["channel"]: name for n, name in enumerate(("items", "other"))}
        ctx.postgres.psql("begin; insert into items values (1, 1, 'a'); insert into other values (1); update items set id = 2; commit;"
                          "insert into other values (2);", db)
        got = [ws.recv_type(("begin", "change", "commit")) for _ in range(11)]
        xids = [int(x) for x in ctx.postgres.psql("select xmin from items union all select xmin from other where id = 2", db).split()]
    steps = [(m["type"], ids[m["channel"]]) for m in got if m["tx"] == xids[0]]
    assert sorted(steps[-2:]) == [("commit", "items"), ("commit", "other")]
    assert steps[:2] == [("begin", "items"), ("change", "items")] and steps[2:4] == [("begin", "other"), ("change", "other")]
    assert steps[4:6] == [("change", "items")] * 2, "an update of the key is a delete and a creation"
    assert {m["count"] for m in got[:8] if m["type"] == "commit"} == {3, 1}
    assert [(m["type"], ids[m["channel"]], m["tx"]) for m in got[8:]] == [(t, "other", xids[1]) for t in ("begin", "change", "commit")]
    assert [m["pos"] for m in got] == sorted(m["pos"] for m in got) and got[8]["pos"] > got[7]["pos"]


# ---- envelopes ----

EVENTS = """insert into items values (1, 1, 'a'), (2, 2, null); update items set v = 5 where id = 1; update items set id = 3 where id = 2;
    update items set note = repeat('x', 5000) where id = 1; delete from items where id = 3; truncate items;"""


def test_envelopes_are_what_kafka_gets(ctx):
    """Byte for byte as JSON: with schemas in Kafka, for old rows, changed keys and a large value that is left as it was."""
    db = ctx.database(ITEMS + "alter table items replica identity full;")
    spec = ctx.connector(db, provide__transaction__metadata="true", skipped__operations="none")
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: welcomes(engine), 10, "the stream to be open to clients")
    with WebSocket(engine.ws) as ws:
        assert subscribe(ws, table="public.items", format="debezium")["type"] == "subscribed"
        ctx.postgres.psql(EVENTS, db)
        got = changes(ws, 8)
    assert [m["op"] for m in got] == ["c", "c", "u", "d", "c", "u", "d", "t"]
    topic = f"{spec['config']['topic.prefix']}.public.items"
    wait_until(lambda: len(events(ctx.kafka, topic)) == 8, 20, "the records")
    for told, record in zip(got, events(ctx.kafka, topic)):
        assert told["envelope"] == {k: v for k, v in record.items() if k not in ("key", "record")}, told
        assert told["key"] == record["key"] and "row" not in told and "old" not in told
    assert got[5]["envelope"]["after"]["note"] == "x" * 5000 and got[2]["envelope"]["transaction"]["id"]


def test_what_kafka_does_not_get_is_null(ctx):
    """A truncate is skipped unless skipped.operations says otherwise."""
    db, _, engine = started(ctx, ITEMS)
    with WebSocket(engine.ws) as ws:
        subscribe(ws, table="public.items", format="debezium", where=["v", "gt", 0])
        ctx.postgres.psql("insert into items values (1, 0, 'a'), (2, 2, 'b'); truncate items", db)
        c, t = changes(ws, 2)
        assert c["key"] == {"id": 2} and c["envelope"]["after"] == {"id": 2, "v": 2, "note": "b"}
        assert (t["op"], t["envelope"]) == ("t", None)


# ---- columns ----

def test_columns_that_are_gone_before_the_stream_tells(ctx):
    """A column is dropped, another gets a new name, and no row has changed since: whoever comes meanwhile gets the rows without them,
    and a reset with the next change."""
    db, _, engine = started(ctx, ITEMS + "insert into items values (1, 1, 'a'); create table named(id int primary key, was text, \"a \"\"b\" int);"
                            "insert into named values (1, 'x', 7);")
    ctx.postgres.psql("alter table items drop note; alter table named rename was to now", db)
    with WebSocket(engine.ws) as ws:
        for n, (name, row) in enumerate({"items": {"id": 1, "v": 1}, "named": {"id": 1, 'a "b': 7}}.items()):
            assert subscribe(ws, n, table=f"public.{name}", snapshot=True)["type"] == "subscribed"
            assert ws.recv_type("rows")["rows"] == [row]
            assert ws.recv_type("ready")["count"] == 1
        ctx.postgres.psql("insert into items values (2, 2); insert into named values (2, 'y')", db)
        resets = [ws.recv_type(("change", "reset")) for _ in range(2)]
        assert [(m["type"], m["reason"]) for m in resets] == [("reset", "schema")] * 2, resets
        assert [c["name"] for c in subscribe(ws, 5, table="public.named", snapshot=True)["columns"]] == ["id", "now", 'a "b']


def test_another_table_of_the_same_name_begins_anew(ctx):
    """Dropped and made again, or swapped by renaming, with the same columns: rows of the one before are nobody's any more."""
    db, _, engine = started(ctx, ITEMS + "insert into items values (1, 1, 'a');", publication__autocreate__mode="all_tables")
    swaps = ("drop table items; " + ITEMS + "insert into items values (2, 2, 'b')",
             "create table fresh (like items including all); insert into fresh values (3, 3, 'c'); alter table items rename to stale;"
             "alter table fresh rename to items; insert into items values (4, 4, 'd')")
    with WebSocket(engine.ws) as ws:
        epoch = ws.recv_type("welcome")["epoch"]
        for n, (swap, ids) in enumerate(zip(swaps, ([2], [3, 4]))):
            assert subscribe(ws, n, table="public.items", snapshot=True)["type"] == "subscribed"
            pos = ws.recv_type("ready")["pos"]
            ctx.postgres.psql(swap, db)
            got = ws.recv_type(("reset", "change"))
            assert (got["type"], got.get("reason")) == ("reset", "schema"), got
            got = subscribe(ws, n, table="public.items", **{"from": {"epoch": epoch, "pos": pos}})
            assert (got["type"], got["reason"]) == ("reset", "schema"), got
            assert subscribe(ws, n, table="public.items", snapshot=True)["type"] == "subscribed"
            assert [r["id"] for r in ws.recv_type("rows")["rows"]] == ids
            ws.recv_type("ready")
            ws.send({"type": "unsubscribe", "id": n})


def test_columns_that_come_and_go(ctx):
    """ADD COLUMN appears in a new `subscribed` before the first change that has it; named columns go on; DROP COLUMN resets."""
    db, _, engine = started(ctx, ITEMS + "insert into items values (1, 1, 'a');")
    with WebSocket(engine.ws) as ws:
        first = subscribe(ws, 1, table="public.items", transactions=True)
        subscribe(ws, 2, table="public.items", columns=["id", "v"], where=["v", "gt", 0])
        ctx.postgres.psql("begin; update items set v = 2; alter table items add extra int default 7; update items set v = 3; commit;"
                          "insert into items values (2, 2, 'b', 8)", db)
        got = [ws.recv_type(("subscribed", "change", "begin", "commit", "reset")) for _ in range(11)]
        mine = [m for m in got if m.get("id") == 1 or "tx" in m]
        assert [m["type"] for m in mine] == ["begin", "change", "subscribed", "change", "commit", "begin", "change", "commit"], mine
        again = mine[2]
        assert [c["name"] for c in again["columns"]] == ["id", "v", "note", "extra"] and again["mode"] == "live"
        assert mine[1]["channel"] == first["channel"] != again["channel"] == mine[3]["channel"] == mine[4]["channel"]
        assert mine[3]["row"] == {"id": 1, "v": 3, "note": "a", "extra": 7} and mine[4]["count"] == 2
        named = [m for m in got if m["type"] == "change" and "tx" not in m]
        assert [m["row"] for m in named] == [{"id": 1, "v": 2}, {"id": 1, "v": 3}, {"id": 2, "v": 2}]
        ctx.postgres.psql("alter table items drop note; insert into items values (3, 3, 9)", db)
        resets = [ws.recv_type(("change", "reset")) for _ in range(2)]
        assert [(m["type"], m["reason"]) for m in resets] == [("reset", "schema")] * 2
        assert subscribe(ws, 1, table="public.items", where=["extra", "ge", 9], snapshot=True)["type"] == "subscribed"
        ws.recv_type("ready")
        ctx.postgres.psql("insert into items values (4, 4, 10)", db)
        assert ws.recv_type("change")["row"] == {"id": 4, "v": 4, "extra": 10}


def told(ws, n, name):
    """What a table is said to be, and its rows."""
    got = subscribe(ws, n, table=name, snapshot=True)
    rows, ready = [], None
    while got["type"] == "subscribed" and ready is None:
        m = ws.recv_type(("rows", "ready", "error", "reset"))
        rows += m.get("rows", [])
        ready = m if m["type"] == "ready" else None
        assert m["type"] in ("rows", "ready"), m
    return got, rows


def test_columns_of_another_width_and_columns_made_anew_reset(ctx):
    """Their values are others, and no change tells of that."""
    db, _, engine = started(ctx, "create table goods(id int primary key, price numeric(9, 2), label varchar(9), note text); insert into goods values (1, 1.55, 'abcdef', 'a');")
    with WebSocket(engine.ws) as ws:
        for n, (alter, row) in enumerate((("alter price type numeric(9, 0)", {"id": 1, "price": "2", "label": "abcdef", "note": "a"}),
                                          ("alter label type varchar(3) using left(label, 3)", {"id": 1, "price": "2", "label": "abc", "note": "a"}),
                                          ("drop note, add note text default 'new'", {"id": 1, "price": "2", "label": "abc", "note": "new"}))):
            assert told(ws, n, "public.goods")[0]["type"] == "subscribed"
            ctx.postgres.psql(f"alter table goods {alter}; insert into goods values (2, 2); delete from goods where id = 2", db)
            got = ws.recv_type(("reset", "change"))
            assert (got["type"], got.get("reason")) == ("reset", "schema"), (alter, got)
            assert told(ws, n, "public.goods")[1] == [row]
            ws.send({"type": "unsubscribe", "id": n})


def test_a_column_that_goes_while_the_rows_are_asked_for(ctx):
    """Its ALTER TABLE is still open when the client comes: it may ask again at once."""
    db, _, engine = started(ctx, ITEMS + "insert into items values (1, 1, 'a');")
    alter = ctx.postgres.held(db, "alter table items drop note")
    with WebSocket(engine.ws) as ws:
        subscribe(ws, table="public.items", snapshot=True)
        wait_until(lambda: ctx.postgres.psql(f"select count(*) from pg_stat_activity where datname = '{db}' and wait_event_type = 'Lock'") == "1", 10,
                   "the rows to be asked for")
        alter.communicate("commit;\n")
        got = ws.recv_type(("error", "ready"))
        assert (got.get("code"), got.get("retry")) == ("snapshot_failed", True), got
        subscribe(ws, table="public.items", snapshot=True)
        assert ws.recv_type("rows")["rows"] == [{"id": 1, "v": 1}]


# ---- what there is to subscribe to ----

PARTS = """create table parts(id int, k int, primary key (id, k)) partition by list (k);
    create table parts_1 partition of parts for values in (1); create table parts_2 partition of parts for values in (2);
    insert into parts values (1, 1), (2, 2);"""


def test_partitioned_tables_are_there_by_the_names_that_changes_have(ctx):
    """Rows without the changes behind them would be a gap: of a table and its partitions only those have both."""
    for by_root, names in (("false", ["public.parts_1", "public.parts_2"]), ("true", ["public.parts"])):
        db, _, engine = started(ctx, PARTS, publish__via__partition__root=by_root)
        with WebSocket(engine.ws) as ws:
            assert [t["name"] for t in ws.recv_type("welcome")["tables"]] == names
            rows = {}
            for n, name in enumerate(("public.parts", "public.parts_1", "public.parts_2")):
                got, some = told(ws, n, name)
                assert got["type"] == ("subscribed" if name in names else "error"), got
                rows.update({(r["id"], r["k"]): r for r in some})
            assert sorted(rows) == [(1, 1), (2, 2)]
            ctx.postgres.psql("insert into parts values (3, 1); update parts set k = 2 where id = 1; delete from parts where id = 2", db)
            assert sorted((m["op"], m["key"]["id"], m["key"]["k"]) for m in changes(ws, 4)) == [("c", 1, 2), ("c", 3, 1), ("d", 1, 1), ("d", 2, 2)]


def test_what_a_publication_leaves_out_is_left_out_of_snapshots(ctx):
    """Tables, and since version 15 columns and rows: of what is left out there are no changes."""
    if ctx.postgres.version() < 15:
        raise Skip("publications have lists of columns and conditions since PostgreSQL 15")
    db = ctx.database("""create table users(id int primary key, name text, secret text); insert into users values (1, 'a', 'x');
        create table high(id int primary key, v int); alter table high replica identity full; insert into high values (1, 1), (2, 20), (3, 30);
        create table absent(id int primary key); create publication part for table users (id, name), high where (v > 10 or v is null)""")
    spec = ctx.connector(db, publication__name="part", publication__autocreate__mode="disabled")
    engine = ctx.walwire(spec, kafka=False)
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: welcomes(engine), 10, "the stream to be open to clients")
    with WebSocket(engine.ws) as ws:
        assert [t["name"] for t in ws.recv_type("welcome")["tables"]] == ["public.high", "public.users"]
        assert subscribe(ws, 1, table="public.absent")["code"] == "unknown_table"
        assert told(ws, 2, "public.users")[1] == [{"id": 1, "name": "a"}]
        assert told(ws, 3, "public.high")[1] == [{"id": 2, "v": 20}, {"id": 3, "v": 30}]
        assert subscribe(ws, 4, table="public.high", where=["v", "lt", 25], snapshot=True)["type"] == "subscribed"
        assert ws.recv_type("rows")["rows"] == [{"id": 2, "v": 20}]
        ws.send({"type": "unsubscribe", "id": 4})
        ctx.postgres.psql("insert into users values (2, 'b', 'y'); update high set v = 50 where id = 1; update high set v = 5 where id = 2", db)
        assert [(m["op"], m["row"]) for m in changes(ws, 3)] == [("c", {"id": 2, "name": "b"}), ("c", {"id": 1, "v": 50}), ("d", None)]


def test_columns_and_identities_are_those_of_the_stream_from_the_start(ctx):
    """A generated column is in Kafka's snapshot, a replica identity is set by the connector itself, and tables inherit: the first
    change finds what was told before it. Since version 18 a full identity and a generated column exclude each other."""
    full = ["public.loose"] if ctx.postgres.version() >= 18 else ["public.loose", "public.made"]
    db, _, engine = started(ctx, """create table made(id int primary key, v int, twice int generated always as (v * 2) stored); insert into made values (1, 1);
        create table loose(v int, w int); insert into loose values (1, 1); create table kid(x int) inherits (loose); insert into kid values (2, 2, 2);""",
                            **{"replica.identity.autoset.values": ",".join(f"{t}:FULL" for t in full)})
    with WebSocket(engine.ws) as ws:
        got, rows = told(ws, 1, "public.made")
        assert ([c["name"] for c in got["columns"]], rows) == (["id", "v"], [{"id": 1, "v": 1}])
        got, rows = told(ws, 2, "public.loose")
        assert (got["key"], rows) == ([], [{"v": 1, "w": 1}]), "rows of another table, whose changes come there"
        for i, name in enumerate(full):
            assert subscribe(ws, 3 + i, table=name, where=["v", "eq", 1])["deletes"] == "filtered"
        ctx.postgres.psql("update made set v = 2; update only loose set v = 2", db)
        got = [ws.recv_type(("change", "reset")) for _ in range(2 + len(full))]
        assert sorted(m.get("op", m["type"]) for m in got) == ["exit"] * len(full) + ["u", "u"], got
