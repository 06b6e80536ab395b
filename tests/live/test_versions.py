"""What only some major versions have, on those that have it: publications with filters, two phases, origins, standbys, and
each way in which a server takes a slot or a publication away."""
import contextlib, functools, json, os, threading, time

from fold import SLIM, body, events, fold, table, wait_equal
from proxy import Proxy
from services import Postgres, Skip, WebSocket, at_exit, run, shared, wait_until
from writer import Writer

ITEMS = "create table items(id int primary key, v int, note text);"


def needs(server, least, what):
    if server.version() < least:
        raise Skip(f"{what} came with PostgreSQL {least}, this is {server.version()}")


def topic_of(spec, name):
    return f"{spec['config']['topic.prefix']}.public.{name}"


def wait_events(ctx, spec, count, name="items", timeout=30):
    def enough():
        got = events(ctx.kafka, topic_of(spec, name))
        if len(got) < count:
            raise RuntimeError(f"{len(got)} so far: {[(e['op'], e['after']) for e in got]}")
        return got
    return wait_until(enough, timeout, f"{count} events of {name}", every=0.2)


def told(got):
    """Op and id of each."""
    return [(e["op"], (e["after"] or e["before"])["id"]) for e in got]


def streaming(ctx, db, publication, server=None, **settings):
    """An engine that streams what a publication made by hand has, from now on."""
    spec = ctx.connector(db, server, **{"snapshot.mode": "no_data", "publication.autocreate.mode": "disabled",
                                        "publication.name": publication, **settings})
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, server or ctx.postgres)
    return spec, engine


def failed(engine, spec, *phrases):
    engine.wait_state(spec["name"], "FAILED", 30)
    why = engine.status(spec["name"])[1]
    assert all(p in why for p in phrases), why
    return why


def confirmed(server, spec):
    return server.psql(f"select confirmed_flush_lsn - '0/0' from pg_replication_slots where slot_name = '{spec['config']['slot.name']}'")


def checked(ctx, spec):
    path = os.path.join(ctx.temp_dir(), "connector.json")
    with open(path, "w") as f:
        json.dump(spec, f)
    return run("check", path).stdout


# ---- publications ----

def test_a_row_filter(ctx):
    """A row that leaves the filter is deleted, one that enters it is created; what stays outside is not told."""
    needs(ctx.postgres, 15, "row filters")
    db = ctx.database(ITEMS + "alter table items replica identity full; insert into items values (9, -9, 'out');"
                      "create publication part for table items where (v > 0)")
    spec, _ = streaming(ctx, db, "part")
    ctx.postgres.psql("""insert into items values (1, 1, 'in'); insert into items values (2, -1, 'out'); update items set v = -1 where id = 1;
                         update items set v = -2 where id = 2; update items set v = 5 where id = 2; update items set v = 6 where id = 2;
                         delete from items where id = 1; delete from items where id = 2; insert into items values (3, 3, 'end')""", db)
    got = wait_events(ctx, spec, 6)
    assert told(got) == [("c", 1), ("d", 1), ("c", 2), ("u", 2), ("d", 2), ("c", 3)], got
    assert got[1]["before"] == {"id": 1, "v": 1, "note": "in"} and got[2]["after"] == {"id": 2, "v": 5, "note": "out"}, got[1:3]


def test_a_row_filter_that_fails(ctx):
    """The application's INSERT passes, and decoding it cannot: the change is named, and nothing behind it is told."""
    needs(ctx.postgres, 15, "row filters")
    db = ctx.database(ITEMS + "create publication part for table items where (10 / v > 0)")
    spec, engine = streaming(ctx, db, "part")
    ctx.postgres.psql("insert into items values (1, 1, ''); insert into items values (2, 0, ''); insert into items values (3, 3, '')", db)
    failed(engine, spec, "division by zero", "change callback", "associated LSN")
    assert told(wait_events(ctx, spec, 1)) == [("c", 1)]


def test_a_column_list(ctx):
    """Other columns are not there; a list that changes while streaming changes the records."""
    needs(ctx.postgres, 15, "column lists")
    db = ctx.database(ITEMS + "create publication part for table items (id, v)")
    spec, _ = streaming(ctx, db, "part")
    ctx.postgres.psql("insert into items values (1, 1, 'hidden'); update items set v = 2, note = 'too'; delete from items", db)
    got = wait_events(ctx, spec, 3)
    assert [e["after"] for e in got] == [{"id": 1, "v": 1}, {"id": 1, "v": 2}, None], got
    ctx.postgres.psql("alter publication part set table items (id, note)", db)
    ctx.postgres.psql("insert into items values (2, 2, 'shown')", db)
    assert wait_events(ctx, spec, 4)[-1]["after"] == {"id": 2, "note": "shown"}


def test_tables_in_a_schema(ctx):
    """Also those that are made later; the check counts them as published."""
    needs(ctx.postgres, 15, "TABLES IN SCHEMA")
    db = ctx.database(ITEMS + "create schema other; create table other.items(id int primary key); create publication part for tables in schema public")
    spec, _ = streaming(ctx, db, "part", **{"schema.include.list": "public"})
    ctx.postgres.psql("create table later(id int primary key)", db)
    ctx.postgres.psql("insert into items values (1, 1, ''); insert into other.items values (2); insert into later values (3)", db)
    assert told(wait_events(ctx, spec, 1)) == [("c", 1)] and told(wait_events(ctx, spec, 1, "later")) == [("c", 3)]
    assert f"{spec['config']['topic.prefix']}.other.items" not in ctx.kafka.topics()
    assert 'publication "part" has all captured tables' in checked(ctx, spec)


def test_rows_of_partitions_under_their_root(ctx):
    db = ctx.database("create table items(id int primary key, v int) partition by range (id); create table low partition of items for values from (0) to (10);"
                      "create table high partition of items for values from (10) to (20);")
    spec = ctx.connector(db, **{"publish.via.partition.root": "true", "snapshot.mode": "no_data"})
    ctx.walwire(spec, **SLIM).wait_streaming(spec, ctx.postgres)
    assert ctx.postgres.psql("select pubviaroot from pg_publication", db) == "t"
    ctx.postgres.psql("insert into items values (1, 1); insert into items values (11, 1); update items set id = 12 where id = 1; "
                      "delete from high where id = 11", db)
    assert told(wait_events(ctx, spec, 5)) == [("c", 1), ("c", 11), ("d", 1), ("c", 12), ("d", 11)]
    assert not [t for t in ctx.kafka.topics() if t.startswith(topic_of(spec, "")) and not t.endswith(".items")]


def test_generated_columns(ctx):
    """Stored ones are there when the publication says so, which is new in 18; before, and otherwise, they are left out."""
    db = ctx.database("create table items(id int primary key, v int, twice int generated always as (v * 2) stored); create publication plain for table items;")
    new = ctx.postgres.version() >= 18
    if new:
        ctx.postgres.psql("create publication every for table items with (publish_generated_columns = stored)", db)
    specs = {name: streaming(ctx, db, name)[0] for name in (("plain", "every") if new else ("plain",))}
    ctx.postgres.psql("insert into items values (1, 21); update items set v = 4", db)
    assert [e["after"] for e in wait_events(ctx, specs["plain"], 2)] == [{"id": 1, "v": 21}, {"id": 1, "v": 4}]
    if new:
        assert [e["after"] for e in wait_events(ctx, specs["every"], 2)] == [{"id": 1, "v": 21, "twice": 42}, {"id": 1, "v": 4, "twice": 8}]


# ---- transactions ----

def test_two_phases(ctx):
    """A prepared transaction comes when it is committed, as any other, also over a restart; one rolled back never comes."""
    db = ctx.database(ITEMS + "create publication part for table items")
    spec, engine = streaming(ctx, db, "part", **{"provide.transaction.metadata": "true"})
    one, two = f"{db}-one", f"{db}-two"
    ctx.postgres.psql(f"begin; insert into items values (1, 1, 'later'); prepare transaction '{one}'", db)
    ctx.postgres.psql(f"begin; insert into items values (2, 2, 'never'); prepare transaction '{two}'", db)
    ctx.postgres.psql("insert into items values (3, 3, 'first')", db)
    assert told(wait_events(ctx, spec, 1)) == [("c", 3)]
    engine.restart()
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql(f"commit prepared '{one}'", db)
    ctx.postgres.psql(f"rollback prepared '{two}'", db)
    ctx.postgres.psql("insert into items values (4, 4, 'last')", db)
    got = wait_events(ctx, spec, 3)
    assert told(got) == [("c", 3), ("c", 1), ("c", 4)] and got[1]["transaction"]["total_order"] == 1, got
    counts = [body(m["value"]) for m in ctx.kafka.consume(f"{spec['config']['topic.prefix']}.transaction")]
    assert [c["event_count"] for c in counts if c["status"] == "END"] == [1, 1, 1], counts


def test_the_origin_of_what_a_subscription_brings(ctx):
    """Rows that another database's changes brought are told, and whence they came."""
    far = ctx.database(ITEMS + "create publication outward for all tables")
    db = ctx.database(ITEMS + "create publication part for table items")
    name = f"{db}_sub"
    ctx.postgres.psql(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')", far)
    spec, _ = streaming(ctx, db, "part")
    ctx.postgres.psql(f"create subscription {name} connection '{ctx.postgres.conninfo(far)}' publication outward "
                      "with (create_slot = false, copy_data = false)", db)
    try:
        ctx.postgres.psql("insert into items values (1, 1, 'from afar')", far)
        wait_events(ctx, spec, 1)
        ctx.postgres.psql("insert into items values (2, 2, 'from here')", db)
        got = wait_events(ctx, spec, 2)
        oid = ctx.postgres.psql(f"select oid from pg_subscription where subname = '{name}'")
        assert [e["source"]["origin"] for e in got] == [f"pg_{oid}", None], [e["source"] for e in got]
        assert got[0]["source"]["origin_lsn"] > 0 and got[1]["source"]["origin_lsn"] is None, [e["source"] for e in got]
    finally:
        ctx.postgres.psql(f"drop subscription {name}", db)


def test_failover_slots(ctx):
    """slot.failover where the server has such slots; elsewhere the slot is an ordinary one, and the log says so."""
    db = ctx.database(ITEMS + "create publication part for table items")
    spec, engine = streaming(ctx, db, "part", **{"slot.failover": "true"})
    if ctx.postgres.version() >= 17:
        assert ctx.postgres.psql(f"select failover from pg_replication_slots where slot_name = '{spec['config']['slot.name']}'") == "t"
    else:
        assert "cannot be a failover slot: that needs PostgreSQL 17" in engine.log()
    ctx.postgres.psql("insert into items values (1, 1, '')", db)
    assert told(wait_events(ctx, spec, 1)) == [("c", 1)]


# ---- what is taken away ----

def lose_publication(ctx, db, spec, engine, before):
    """After the publication was dropped, a row was written and the publication made again: nothing more is acknowledged and
    nothing told until a new snapshot is taken."""
    failed(engine, spec, '"part"', "delete its offsets", "new snapshot")
    ctx.postgres.psql("insert into items values (3, 3, 'after')", db)
    engine.rest("POST", f"/connectors/{spec['name']}/restart?includeTasks=true")
    failed(engine, spec, '"part"', "delete its offsets", "new snapshot")
    engine.restart()
    failed(engine, spec, '"part"', "delete its offsets", "new snapshot")
    assert int(confirmed(ctx.postgres, spec)) <= int(before), "the missed row was acknowledged"
    assert told(wait_events(ctx, spec, 1)) == [("c", 1)]
    name = spec["name"]
    assert engine.rest("PUT", f"/connectors/{name}/stop")[0] == 204
    wait_until(lambda: engine.rest("DELETE", f"/connectors/{name}/offsets")[0] == 200, 20, "the offsets to go")
    assert engine.rest("PUT", f"/connectors/{name}/config", {**spec["config"], "snapshot.mode": "initial"})[0] == 200
    assert engine.rest("PUT", f"/connectors/{name}/resume")[0] == 202
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (4, 4, 'end')", db)
    assert told(wait_events(ctx, spec, 5))[1:] == [("r", 1), ("r", 2), ("r", 3), ("c", 4)]


def test_a_publication_dropped_while_streaming(ctx):
    """Until 17 the server makes an error of it; 18 warns and leaves the changes out, which must not pass either."""
    db = ctx.database(ITEMS + "create publication part for table items")
    spec, engine = streaming(ctx, db, "part", **{"heartbeat.interval.ms": "100", "status.update.interval.ms": "100"})
    ctx.postgres.psql("insert into items values (1, 1, '')", db)
    wait_events(ctx, spec, 1)
    before = ctx.postgres.psql("drop publication part; select pg_current_wal_lsn() - '0/0'; insert into items values (2, 2, 'missed'); "
                               "create publication part for table items; insert into items values (5, 5, ''); delete from items where id = 5", db)
    lose_publication(ctx, db, spec, engine, before)


def test_a_publication_dropped_while_stopped(ctx):
    db = ctx.database(ITEMS + "create publication part for table items")
    spec, engine = streaming(ctx, db, "part")
    ctx.postgres.psql("insert into items values (1, 1, '')", db)
    wait_events(ctx, spec, 1)
    engine.sigterm()
    before = ctx.postgres.psql("drop publication part; select pg_current_wal_lsn() - '0/0'; insert into items values (2, 2, 'missed')", db)
    engine.start()
    failed(engine, spec, "publication part does not exist", "CREATE PUBLICATION part")
    ctx.postgres.psql("create publication part for table items", db)
    engine.rest("POST", f"/connectors/{spec['name']}/restart?includeTasks=true")
    lose_publication(ctx, db, spec, engine, before)


@functools.cache
def tight():
    """A server whose settings may be changed."""
    return shared(lambda: Postgres(conf={"max_wal_size": "64MB"}, name="tight"))


@contextlib.contextmanager
def setting(server, name, value):
    def put(sql):
        server.psql(sql)
        loaded = server.psql("select pg_conf_load_time()")
        server.psql("select pg_reload_conf()")
        wait_until(lambda: server.psql("select pg_conf_load_time()") != loaded, 10, "the settings to be read")
    put(f"alter system set {name} = '{value}'")
    try:
        yield
    finally:
        put(f"alter system reset {name}")


def shop(server):
    server.psql("drop database if exists shop with (force)")
    server.psql("create database shop")
    server.psql(ITEMS + "create publication part for table items", "shop")


def write_much(server):
    for _ in range(4):  # a segment each
        server.psql("select pg_logical_emit_message(false, '', 'x'), pg_switch_wal()", "shop")
    server.psql("checkpoint", "shop")


def lost(ctx, server, spec, engine, *phrases):
    """FAILED with the reason, which the check gives too, and snapshot.mode=when_needed begins anew."""
    failed(engine, spec, spec["config"]["slot.name"], *phrases)
    line = next(line for line in checked(ctx, spec).splitlines() if "FAIL" in line)
    assert all(p in line for p in phrases), line
    assert engine.rest("PUT", f"/connectors/{spec['name']}/config", {**spec["config"], "snapshot.mode": "when_needed"})[0] == 200
    engine.wait_streaming(spec, server)
    server.psql("insert into items values (7, 7, 'end')", "shop")
    wait_until(lambda: ("c", 7) in told(events(ctx.kafka, topic_of(spec, "items"))), 20, "the row after the new snapshot", every=0.2)
    engine.sigterm()
    server.drop_database("shop")


def test_a_slot_that_fell_too_far_behind_while_stopped(ctx):
    server = tight()
    shop(server)
    spec, engine = streaming(ctx, "shop", "part", server)
    server.psql("insert into items values (1, 1, '')", "shop")
    wait_events(ctx, spec, 1)
    engine.sigterm()
    with setting(server, "max_slot_wal_keep_size", "1MB"):
        write_much(server)
        wait_until(lambda: server.psql(f"select wal_status from pg_replication_slots where slot_name = '{spec['config']['slot.name']}'") == "lost", 10)
        engine.start()
        lost(ctx, server, spec, engine, "has lost its WAL", "max_slot_wal_keep_size")


def test_a_slot_that_is_idle_too_long(ctx):
    server = tight()
    needs(server, 18, "idle_replication_slot_timeout")
    shop(server)
    spec, engine = streaming(ctx, "shop", "part", server)
    server.psql("insert into items values (1, 1, '')", "shop")
    wait_events(ctx, spec, 1)
    engine.sigterm()
    with setting(server, "idle_replication_slot_timeout", "1s"):
        assert "warn  idle_replication_slot_timeout is 1s: the slot is lost when walwire is stopped for longer" in checked(ctx, spec)

        def invalidated():
            server.psql("select pg_switch_wal(); checkpoint", "shop")
            return server.psql(f"select invalidation_reason from pg_replication_slots where slot_name = '{spec['config']['slot.name']}'") == "idle_timeout"
        wait_until(invalidated, 20, "the slot to be invalidated", every=0.5)
        engine.start()
        lost(ctx, server, spec, engine, "nobody had read from it for idle_replication_slot_timeout")


# ---- standbys ----

class snapshots_logged:
    """What a new slot on a standby waits for, which an idle primary writes seldom."""

    def __init__(self, primary):
        self.primary, self.done = primary, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.done.wait(0.2):
            self.primary.psql("select pg_log_standby_snapshot()")

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def test_a_standby(ctx):
    """Snapshot, stream, browsers and heartbeats from a server on which nothing can be written; then it becomes a primary, and
    the stream goes on."""
    needs(ctx.postgres, 16, "slots on standbys")
    primary = Postgres(name="primary")
    standby = primary.standby()
    primary.psql("create database shop")
    primary.psql(ITEMS + "insert into items values (1, 1, 'old')", "shop")
    wait_until(lambda: standby.psql("select count(*) from items", "shop") == "1", 20, "the standby to follow")
    spec = ctx.connector("shop", standby, **{"publication.name": "part", "heartbeat.interval.ms": "300", "slot.failover": "true",
                                             "table.include.list": "public.items",
                                             "heartbeat.action.query": "insert into items values (99, 99, 'beat')"})
    said = checked(ctx, spec)
    assert 'FAIL  publication "part" does not exist, and a standby cannot create it' in said and "CREATE PUBLICATION" in said, said
    engine = ctx.walwire(spec, **SLIM)
    failed(engine, spec, "part", "create it on the primary")
    primary.psql("create publication part for table items", "shop")
    wait_until(lambda: standby.psql("select count(*) from pg_publication", "shop") == "1", 20, "the standby to follow")
    said = checked(ctx, spec)
    assert "FAIL" not in said and "the server is a standby" in said, said
    engine.rest("POST", f"/connectors/{spec['name']}/restart?includeTasks=true")
    with snapshots_logged(primary):
        wait_until(lambda: "streaming from" in engine.log(), 30, "the stream")
    primary.psql("insert into items values (2, 2, 'new'); update items set v = 0 where id = 1", "shop")
    assert told(wait_events(ctx, spec, 3)) == [("r", 1), ("c", 2), ("u", 1)]
    wait_until(lambda: "read-only transaction" in engine.log(), 10, "the heartbeat's query to be tried")
    engine.wait_running(spec["name"])
    rows = {}
    with WebSocket(engine.ws) as ws:
        ws.recv_type("welcome")
        ws.send({"type": "subscribe", "id": 1, "table": "public.items", "snapshot": True})
        while len(rows) < 3:
            m = ws.recv(20)
            if m["type"] == "ready":
                assert sorted(rows) == [1, 2], rows
                primary.psql("insert into items values (3, 3, 'live')", "shop")
            rows.update({r["id"]: r for r in m.get("rows", [])} if m["type"] == "rows" else {m["key"]["id"]: m["row"]} if m["type"] == "change" else {})
    engine.restart()
    engine.wait_streaming(spec, standby)
    primary.stop()
    standby.promote()
    wait_until(lambda: standby.psql("select pg_is_in_recovery()") == "f", 20, "the standby to be a primary")
    standby.psql("insert into items values (4, 4, 'promoted')", "shop")
    got = wait_until(lambda: [e for e in told(events(ctx.kafka, topic_of(spec, "items"))) if e[1] != 99][4:], 30,
                     "the first change after the promotion", every=0.3)
    assert got == [("c", 4)], got
    engine.sigterm()


CHANGES = """
    n := 1 + (i * 7919 + seed * 104729) % 3000;
    case i % 4
      when 0 then insert into items values (100000000 * seed + i, i, 'new');
      when 1 then update items set v = v + 1 where id = n;
      when 2 then delete from items where id = n;
      else update items set note = seed || '-' || i where id between n and n + 5;
    end case;"""


def test_snapshot_and_stream_of_a_standby_meet_exactly(ctx):
    """While the primary is written to: folded by key the topic is the table, and no row or change is told twice."""
    needs(ctx.postgres, 16, "slots on standbys")
    primary = Postgres(name="primary")
    standby = primary.standby()
    primary.psql("create database shop")
    primary.psql(ITEMS + "insert into items select i, 0, '' from generate_series(1, 3000) i; create publication part for table items", "shop")
    spec = ctx.connector("shop", standby, **{"publication.name": "part", "table.include.list": "public.items"})
    wait_until(lambda: standby.psql("select count(*) from pg_publication", "shop") == "1", 20, "the standby to follow")
    with Writer(primary, "shop", CHANGES, seeds=(1, 2)), snapshots_logged(primary):
        engine = ctx.walwire(spec, **SLIM)
        wait_until(lambda: "streaming from" in engine.log(), 30, "the stream")
        began = int(confirmed(standby, spec))
        wait_until(lambda: int(confirmed(standby, spec)) > began, 30, "changes after the snapshot")
    got = []

    def fold_topic():
        got[:] = events(ctx.kafka, topic_of(spec, "items"))
        return fold(got)
    wait_equal(fold_topic, lambda: table(primary, "shop", "items"), 40, "the topic to be the primary's table")
    told_once = [(e["op"], e["key"]["id"], e["source"]["lsn"] if e["op"] != "r" else 0) for e in got]
    assert len(set(told_once)) == len(told_once) and "rc" in "".join(e["op"] for e in got if e["op"] in "rc"), "told twice"
    engine.sigterm()


def stopped_on_a_standby(ctx, **conf):
    """A primary, its standby, and a connector that has read from the standby and is stopped now."""
    needs(ctx.postgres, 16, "slots on standbys")
    primary = Postgres(name="primary")
    standby = primary.standby(conf)
    shop(primary)
    wait_until(lambda: standby.psql("select count(*) from pg_database where datname = 'shop'") == "1", 20, "the standby to follow")
    wait_until(lambda: standby.psql("select count(*) from pg_publication", "shop") == "1", 20, "the standby to follow")
    spec = ctx.connector("shop", standby, **{"publication.name": "part", "snapshot.mode": "no_data"})
    engine = ctx.walwire(spec, **SLIM)
    with snapshots_logged(primary):
        wait_until(lambda: "streaming from" in engine.log(), 30, "the stream")
    primary.psql("insert into items values (1, 1, '')", "shop")
    assert told(wait_events(ctx, spec, 1)) == [("c", 1)]
    engine.sigterm()
    return primary, standby, spec, engine


def slot_is_lost(standby, spec):
    return standby.psql(f"select wal_status from pg_replication_slots where slot_name = '{spec['config']['slot.name']}'") == "lost"


def test_a_standby_that_lets_the_primary_remove_rows(ctx):
    """The check warns of it, and what follows from it is told with its cause."""
    primary, standby, spec, engine = stopped_on_a_standby(ctx, hot_standby_feedback="off")
    assert "warn  the slot is lost when the primary removes rows of its catalogue" in checked(ctx, spec)
    primary.psql("create table gone (id int); drop table gone; vacuum pg_class, pg_attribute, pg_type, pg_depend", "shop")
    wait_until(lambda: slot_is_lost(standby, spec), 20, "the slot to be invalidated")
    engine.start()
    failed(engine, spec, "removed rows of the catalogue", "hot_standby_feedback = on")
    assert f"FAIL  slot {spec['config']['slot.name']} was invalidated" in checked(ctx, spec)
    engine.sigterm()


def test_a_primary_whose_wal_level_is_lowered(ctx):
    primary, standby, spec, engine = stopped_on_a_standby(ctx)
    assert "hot_standby_feedback" not in checked(ctx, spec)
    primary.psql("alter system set wal_level = 'replica'")
    primary.restart()
    wait_until(lambda: slot_is_lost(standby, spec), 20, "the slot to be invalidated")
    engine.start()
    failed(engine, spec, "wal_level was no longer logical")
    engine.sigterm()


def test_an_old_standby(ctx):
    """Before 16 there are no slots on standbys, and the check says so too."""
    if ctx.postgres.version() >= 16:
        raise Skip("slots on standbys work from 16 on")
    primary = Postgres(name="primary")
    primary.psql("create database shop")
    primary.psql(ITEMS + "create publication part for table items", "shop")
    standby = primary.standby()
    spec = ctx.connector("shop", standby, **{"publication.name": "part", "publication.autocreate.mode": "disabled"})
    engine = ctx.walwire(spec, **SLIM)
    failed(engine, spec, "logical decoding" if ctx.postgres.version() < 14 else "slots on standbys need PostgreSQL 16")
    assert "FAIL  the server is a standby: slots on standbys need PostgreSQL 16" in checked(ctx, spec)
    engine.sigterm()


# ---- failover ----

class Failover:
    """A primary, its standby that keeps the connector's slot in step, and an address that leads to either of them. With `waits` the
    primary tells walwire of nothing that the standby does not have."""
    COUNTS = "for n in 1 .. 3 loop update items set v = v + 1 where id = 1 + (i * 7 + n * 13) % 20; end loop;"

    def __init__(self, ctx, waits=True, **settings):
        needs(ctx.postgres, 17, "slots that a standby keeps in step")
        self.ctx, self.primary = ctx, Postgres(name="primary")
        self.primary.psql("create database shop")
        self.primary.psql(ITEMS + "insert into items select i, 0, '' from generate_series(1, 20) i", "shop")
        self.standby = self.primary.standby({"sync_replication_slots": "on"})
        if waits:
            self.primary.psql("alter system set synchronized_standby_slots = 'standby_slot'")
            self.primary.psql("select pg_reload_conf()")
        self.address = Proxy(self.primary.port)
        at_exit(self.address.close)
        self.spec = ctx.connector("shop", self.primary, **{
            "database.port": str(self.address.port), "slot.failover": "true", "table.include.list": "public.items", **settings})
        self.slot, self.topic = self.spec["config"]["slot.name"], topic_of(self.spec, "items")
        self.engine = ctx.walwire(self.spec, **SLIM)
        self.engine.wait_streaming(self.spec, self.primary)

    def in_step(self):
        """Its copy on the standby may be used after a promotion, and stands behind the snapshot."""
        return self.standby.psql(f"select synced and not temporary and invalidation_reason is null from pg_replication_slots "
                                 f"where slot_name = '{self.slot}'") == "t"

    def wait_in_step(self):
        with snapshots_logged(self.primary):
            wait_until(self.in_step, 60, "the slot to be in step on the standby", every=0.2)

    def told(self):
        return events(self.ctx.kafka, self.topic)

    def stored(self):
        return self.engine.rest("GET", f"/connectors/{self.spec['name']}/offsets")[1]["offsets"][0]["offset"]

    def nothing_is_missing(self):
        """The topic folded is the table of the new primary, and each row has had every value."""
        got = []

        def fold_topic():
            got[:] = self.told()
            return fold(got)
        wait_equal(fold_topic, lambda: table(self.standby, "shop", "items"), 40, "the topic to be the new primary's table")
        seen = {}
        for e in got:
            seen.setdefault(e["key"]["id"], set()).add(e["after"]["v"])
        gaps = [k for k, vs in seen.items() if vs != set(range(max(vs) + 1))]
        assert not gaps, f"changes of {gaps} are missing"
        return got


def test_a_failover_to_a_standby_that_has_the_slot(ctx):
    """The primary dies under load. The address leads to the standby before that is promoted, which is waited for; then the stream
    goes on from the standby's own copy of the slot, and nothing is missing."""
    f = Failover(ctx)
    with Writer(f.primary, "shop", f.COUNTS) as writer:
        f.wait_in_step()
        before = len(f.told())
        wait_until(lambda: len(f.told()) > before + 200, 30, "changes while the slot is in step", every=0.5)
        f.address.target = f.standby.port
        f.primary.kill()
        wait_until(lambda: writer.errors, 20, "the writer to notice")
        writer.errors.clear()
        writer.postgres = f.standby  # which is told when the writer is to end: it has ended
        wait_until(lambda: f"slot {f.slot} is the standby's copy" in f.engine.log(), 30, "the standby to be found")
        assert f.engine.status(f.spec["name"])[0] == "RUNNING"
        assert f.stored()["walwire_timeline"] == 1, f.stored()
        f.standby.promote()
    f.engine.wait_streaming(f.spec, f.standby)
    f.standby.psql("update items set v = v + 1; insert into items values (21, 0, 'of the new primary')", "shop")
    got = f.nothing_is_missing()
    assert sum(e["op"] == "r" for e in got) == 20, "there was another snapshot"
    wait_until(lambda: f.stored()["walwire_timeline"] == 2, 20, "the new timeline to be stored")
    f.engine.restart()
    f.engine.wait_streaming(f.spec, f.standby)
    f.standby.psql("insert into items values (22, 0, 'after a restart')", "shop")
    wait_until(lambda: told(f.told())[-1] == ("c", 22), 20, "the change after the restart", every=0.3)
    f.engine.sigterm()


test_a_failover_to_a_standby_that_has_the_slot.timeout = 240


def test_a_standby_that_is_behind_holds_the_stream_back(ctx):
    """With synchronized_standby_slots what the standby does not have is not told, so that a failover takes nothing back."""
    f = Failover(ctx)
    f.wait_in_step()
    f.standby.stop()
    f.primary.psql("insert into items values (21, 0, 'told')", "shop")
    time.sleep(3)
    assert told(f.told())[20:] == [] and f.engine.status(f.spec["name"])[0] == "RUNNING"
    f.standby.start()
    wait_until(lambda: told(f.told())[20:] == [("c", 21)], 30, "the change that the standby has", every=0.3)
    f.engine.sigterm()


def test_a_failover_to_a_standby_that_is_behind(ctx):
    """Without synchronized_standby_slots walwire may have told what the standby never got: it stops and says so."""
    f = Failover(ctx, waits=False)
    f.wait_in_step()
    f.standby.stop()
    before = f.stored()["lsn"]
    f.primary.psql("insert into items values (21, 0, 'told')", "shop")
    wait_until(lambda: told(f.told())[20:] == [("c", 21)], 20, "the change", every=0.3)
    wait_until(lambda: f.stored()["lsn"] > before, 20, "its position to be stored")
    f.address.target = f.standby.port
    f.primary.kill()
    f.standby.start()
    f.standby.promote()
    f.standby.psql("insert into items values (22, 0, 'of the new primary')", "shop")
    failed(f.engine, f.spec, "is of timeline 1, which the server left at", "for timeline 2", "offset.mismatch.strategy=trust_slot")
    assert told(f.told())[20:] == [("c", 21)]
    f.engine.sigterm()
