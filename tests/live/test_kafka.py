"""End to end to a real Kafka: what is in the tables is in the topics, in order, and nothing is acknowledged before that."""
import json, subprocess, time

from fold import SLIM, body, events, fold, table, wait_folded
from services import wait_until
from writer import Writer

ITEMS = "create table items(id int primary key, v int, note text);"


def topic_of(spec, name):
    return f"{spec['config']['topic.prefix']}.public.{name}"


def ops(envelopes):
    return "".join(e["op"] for e in envelopes)


def lsn(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def confirmed(ctx, spec):
    return lsn(ctx.postgres.slot(spec["config"]["slot.name"])["confirmed"])


def wal_now(ctx):
    return lsn(ctx.postgres.psql("select pg_current_wal_lsn()"))


def wait_events(ctx, spec, name, count, timeout=30):
    def enough():
        got = events(ctx.kafka, topic_of(spec, name))
        if len(got) < count:
            raise RuntimeError(f"{len(got)} so far")
        return got
    return wait_until(enough, timeout, f"{count} events of {name}", every=0.2)


# Nothing is consumed while a writer is steady: kcat stops at the end of a topic, and such a topic has none.

# ---- snapshot, then stream ----

CHANGES = """
    n := 1 + (i * 7919 + seed * 104729) % 30000;
    case i % 4
      when 0 then insert into items values (100000000 * seed + i, i, 'new');
      when 1 then update items set v = v + 1 where id = n;
      when 2 then delete from items where id = n;
      else update items set note = seed || '-' || i where id between n and n + 5;
    end case;"""


def test_snapshot_and_stream_meet_exactly(ctx):
    """Three writers change the table before, while and after it is read: folded by key the topic is the table, each key's
    rows come in the order of their versions, and no change is told twice."""
    db = ctx.database(ITEMS + "insert into items select i, 0, repeat('x', 300) from generate_series(1, 30000) i;")
    with Writer(ctx.postgres, db, CHANGES, seeds=(1, 2, 3)):
        spec = ctx.connector(db, table__include__list="public.items")
        engine = ctx.walwire(spec, **SLIM)
        engine.wait_streaming(spec, ctx.postgres)
        began = confirmed(ctx, spec)
        wait_until(lambda: confirmed(ctx, spec) > began, 30, "changes after the snapshot")
    told = wait_folded(ctx, spec, db, "items", timeout=40)
    read = ops(told).rstrip("cud")
    assert set(read) == {"r"}, "a change came before the snapshot's last row"
    assert len({e["key"]["id"] for e in told[:len(read)]}) == len(read), "a row was read twice"
    changes = [(e["source"]["lsn"], e["op"], e["key"]["id"]) for e in told[len(read):]]
    assert len(set(changes)) == len(changes), "a change was told twice"


def test_a_snapshot_needs_no_more_memory_for_a_large_table(ctx):
    """300,000 rows of 500 bytes, 220 MB of records, are read with less than 100 MB, as fewer and more rows are."""
    db = ctx.database("create table wide(id int primary key, pad text);"
                      "insert into wide select i, repeat(md5(i::text), 16) from generate_series(1, 300000) i;")
    spec = ctx.connector(db)
    engine, most = ctx.walwire(spec, **SLIM), [0]

    def done():
        most[0] = max(most[0], engine.rss_kb())
        return ctx.postgres.streaming(spec["config"]["slot.name"]) and "snapshot complete" in engine.log()
    wait_until(done, 90, "the snapshot to be complete", every=0.02)
    assert "300000 rows" in engine.log()
    assert most[0] < 100 * 1024, f"{most[0]} kB"
    counted = subprocess.run(["kcat", "-b", ctx.kafka.bootstrap, "-C", "-e", "-q", "-t", topic_of(spec, "wide"), "-f", "%o\n"],
                             capture_output=True, check=True).stdout.count(b"\n")
    assert counted == 300000


def test_snapshot_mode_initial_only_reads_and_then_rests(ctx):
    db = ctx.database(ITEMS + "insert into items values (1, 1, 'a'), (2, 2, 'b');")
    spec = ctx.connector(db, snapshot__mode="initial_only")
    engine = ctx.walwire(spec, **SLIM)
    assert ops(wait_events(ctx, spec, "items", 2)) == "rr"
    engine.wait_running(spec["name"])
    ctx.postgres.psql("insert into items values (3, 3, 'c')", db)
    assert ctx.postgres.slot(spec["config"]["slot.name"]) is None, "nothing is streamed, so no slot may hold WAL back"
    engine.restart()
    engine.wait_running(spec["name"])
    assert engine.sigterm() == 0
    assert ops(events(ctx.kafka, topic_of(spec, "items"))) == "rr"


def test_snapshot_mode_no_data_tells_only_what_changes(ctx):
    db = ctx.database(ITEMS + "insert into items values (1, 1, 'a');")
    spec = ctx.connector(db, snapshot__mode="no_data")
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (2, 2, 'b'); update items set v = 9 where id = 1;", db)
    assert ops(wait_events(ctx, spec, "items", 2)) == "cu"


def test_snapshot_mode_always_reads_at_every_start(ctx):
    """What was written between the starts is streamed first: no change is left out."""
    db = ctx.database(ITEMS + "insert into items values (1, 1, 'a'), (2, 2, 'b');")
    spec = ctx.connector(db, snapshot__mode="always")
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    assert ops(wait_events(ctx, spec, "items", 2)) == "rr"
    assert engine.sigterm() == 0
    ctx.postgres.psql("delete from items where id = 1; insert into items values (3, 3, 'c')", db)
    engine.start()
    assert ops(wait_events(ctx, spec, "items", 6)) == "rrdcrr"
    ctx.postgres.psql("insert into items values (4, 4, 'd')", db)
    assert ops(wait_events(ctx, spec, "items", 7)) == "rrdcrrc"


def test_a_lost_slot_is_refused_and_snapshot_mode_when_needed_begins_anew(ctx):
    db = ctx.database(ITEMS + "insert into items values (1, 1, 'a');")
    spec = ctx.connector(db)
    name, slot = spec["name"], spec["config"]["slot.name"]
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (2, 2, 'b')", db)
    wait_events(ctx, spec, "items", 2)
    wait_until(lambda: ctx.kafka.offsets_of("connect-offsets").get(json.dumps([name, {"server": name}], separators=(",", ":"))), 10)
    assert engine.sigterm() == 0
    ctx.postgres.psql(f"select pg_drop_replication_slot('{slot}'); delete from items where id = 1", db)
    engine.start()
    why = engine.wait_state(name, "FAILED") and engine.status(name)[1]
    assert "no longer available on the server" in why and slot in why
    assert ctx.postgres.slot(slot) is None, "a refusal makes no slot"
    config = {**spec["config"], "snapshot.mode": "when_needed"}
    assert engine.rest("PUT", f"/connectors/{name}/config", config)[0] == 200
    engine.wait_streaming(spec, ctx.postgres)
    told = wait_events(ctx, spec, "items", 3)
    assert ops(told) == "rcr" and told[-1]["after"]["id"] == 2
    ctx.postgres.psql("insert into items values (3, 3, 'c')", db)
    assert ops(wait_events(ctx, spec, "items", 4)) == "rcrc"


# ---- publications ----

def published(ctx, spec, db):
    return set(ctx.postgres.psql(f"select tablename from pg_publication_tables where pubname = '{spec['config']['publication.name']}'",
                                 db).split())


def test_publication_modes_filtered_and_all_tables(ctx):
    db = ctx.database(ITEMS + "create table other(id int primary key);")
    spec = ctx.connector(db, table__include__list="public.items")
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    assert published(ctx, spec, db) == {"items"}
    config = {**spec["config"], "table.include.list": "public.items,public.other"}
    assert engine.rest("PUT", f"/connectors/{spec['name']}/config", config)[0] == 200
    wait_until(lambda: published(ctx, spec, db) == {"items", "other"}, 20, "the publication to follow the configuration")
    everything = ctx.connector(db, publication__autocreate__mode="all_tables", table__include__list="public.other")
    engine.create(everything)
    engine.wait_streaming(everything, ctx.postgres)
    named = everything["config"]["publication.name"]
    assert ctx.postgres.psql(f"select puballtables from pg_publication where pubname = '{named}'", db) == "t"
    ctx.postgres.psql("insert into items values (1, 1, 'a'); insert into other values (1)", db)
    assert ops(wait_events(ctx, everything, "other", 1)) == "c"
    assert events(ctx.kafka, topic_of(everything, "items")) == [], "what is published but not included is not written"


def test_publication_mode_disabled_wants_one_that_is_there(ctx):
    db = ctx.database(ITEMS + "create table other(id int primary key);")
    spec = ctx.connector(db, publication__autocreate__mode="disabled")
    name = spec["config"]["publication.name"]
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_state(spec["name"], "FAILED")
    why = engine.status(spec["name"])[1]
    assert name in why and "CREATE PUBLICATION" in why
    assert ctx.postgres.slot(spec["config"]["slot.name"]) is None
    ctx.postgres.psql(f"create publication {name} for table items", db)
    assert engine.rest("POST", f"/connectors/{spec['name']}/restart?includeTasks=true")[0] in (200, 202, 204)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into other values (1); insert into items values (1, 1, 'a')", db)
    assert ops(wait_events(ctx, spec, "items", 1)) == "c"
    assert events(ctx.kafka, topic_of(spec, "other")) == [] and published(ctx, spec, db) == {"items"}


def test_publication_mode_no_tables_is_filled_by_hand(ctx):
    db = ctx.database(ITEMS)
    spec = ctx.connector(db, publication__autocreate__mode="no_tables", snapshot__mode="no_data")
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    assert published(ctx, spec, db) == set()
    ctx.postgres.psql(f"insert into items values (1, 1, 'unseen'); alter publication {spec['config']['publication.name']} "
                      "add table items; insert into items values (2, 2, 'seen')", db)
    assert [e["after"]["note"] for e in wait_events(ctx, spec, "items", 1)] == ["seen"]


# ---- records ----

def murmur2(data):
    """As org.apache.kafka.common.utils.Utils.murmur2 computes it, unsigned."""
    m, mask = 0x5bd1e995, 0xffffffff
    h = 0x9747b28c ^ len(data)
    for i in range(0, len(data) - len(data) % 4, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    rest = data[len(data) - len(data) % 4:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_keys_choose_the_partition_that_java_chooses(ctx):
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
             b"a-little-bit-longer-string": -1486304829, b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, b"abc": 479470107}
    assert {k: murmur2(k) for k in known} == {k: v & 0xffffffff for k, v in known.items()}  # from Kafka's own UtilsTest
    db = ctx.database(ITEMS)
    spec = ctx.connector(db, topic__creation__default__partitions="7", topic__creation__default__replication__factor="1")
    engine = ctx.walwire(spec, key__converter__schemas__enable="false")
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items select i, i, 'n' from generate_series(1, 500) i", db)
    told = wait_events(ctx, spec, "items", 500)
    assert ctx.kafka.topics()[topic_of(spec, "items")] == 7
    assert {e["record"]["partition"] for e in told} == set(range(7))
    for e in told:
        assert e["record"]["partition"] == (murmur2(e["record"]["key"].encode()) & 0x7fffffff) % 7, e["record"]["key"]


def test_topics_are_created_as_the_configuration_says(ctx):
    db = ctx.database(ITEMS + "create table other(id int primary key);")
    spec = ctx.connector(db, topic__creation__default__partitions="3", topic__creation__default__replication__factor="1",
                         topic__creation__default__cleanup__policy="compact", topic__creation__default__compression__type="lz4",
                         topic__creation__groups="few", topic__creation__few__include=".*other", topic__creation__few__partitions="2",
                         topic__creation__few__replication__factor="1", topic__creation__few__retention__ms="123456789")
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (1, 1, 'a'); insert into other values (1)", db)
    wait_events(ctx, spec, "items", 1)
    wait_events(ctx, spec, "other", 1)

    def described(name):
        return subprocess.run([*ctx.kafka.java, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", ctx.kafka.bootstrap,
                               "--describe", "--topic", topic_of(spec, name)], capture_output=True, text=True, check=True).stdout
    items, other = described("items"), described("other")
    assert "PartitionCount: 3" in items and "cleanup.policy=compact" in items and "compression.type=lz4" in items, items
    assert "PartitionCount: 2" in other and "retention.ms=123456789" in other, other


def test_deletes_tombstones_and_changed_keys(ctx):
    db = ctx.database(ITEMS)
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (1, 1, 'a'); update items set id = 2 where id = 1; delete from items where id = 2", db)
    got = ctx.kafka.wait_records(topic_of(spec, "items"), 6)
    assert [(body(m["key"])["id"], (body(m["value"]) or {"op": None})["op"]) for m in got] == [
        (1, "c"), (1, "d"), (1, None), (2, "c"), (2, "d"), (2, None)]
    headers = [{k: v for k, v in m["headers"] if not k.startswith("__debezium.context.")} for m in got]
    assert [sorted(h) for h in headers] == [[], ["__debezium.newkey"], ["__debezium.newkey"], ["__debezium.oldkey"], [], []]
    assert body(headers[1]["__debezium.newkey"]) == {"id": 2} and body(headers[3]["__debezium.oldkey"]) == {"id": 1}


def test_changed_tables_give_their_new_shape(ctx):
    """Columns that come, go or are renamed, and a new value of an enum, between rows of one stream."""
    db = ctx.database("create type mood as enum ('sad', 'glad'); create table shape(id int primary key, a int, m mood);")
    spec = ctx.connector(db)
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("""
        insert into shape values (1, 10, 'sad');
        alter table shape add column b text default 'old'; insert into shape values (2, 20, 'glad', 'new');
        alter type mood add value 'calm'; insert into shape values (3, 30, 'calm', 'x');
        alter table shape rename column a to renamed; insert into shape values (4, 40, 'sad', 'y');
        alter table shape drop column renamed; insert into shape values (5, 'sad', 'z');
        alter table shape alter column b drop default, alter column b type int using 7; update shape set b = 8 where id = 5;""", db)
    got = ctx.kafka.wait_records(topic_of(spec, "shape"), 6)
    assert [body(m["value"])["after"] for m in got] == [
        {"id": 1, "a": 10, "m": "sad"}, {"id": 2, "a": 20, "m": "glad", "b": "new"}, {"id": 3, "a": 30, "m": "calm", "b": "x"},
        {"id": 4, "renamed": 40, "m": "sad", "b": "y"}, {"id": 5, "m": "sad", "b": "z"}, {"id": 5, "m": "sad", "b": 8}]
    schemas = [{f["field"]: f for f in json.loads(m["value"])["schema"]["fields"]}["after"]["fields"] for m in got]
    assert [[f["field"] for f in s] for s in schemas][-1] == ["id", "m", "b"] and schemas[-1][-1]["type"] == "int32"
    allowed = {f["field"]: f for f in schemas[2]}["m"]["parameters"]["allowed"]
    assert allowed == "sad,glad,calm"


# What sets a session's text output apart, none of which may reach the records.
SHAPES = {"datestyle": "SQL, DMY", "intervalstyle": "sql_standard", "timezone": "Asia/Kathmandu", "bytea_output": "escape",
          "extra_float_digits": "-10", "xmloption": "document", "search_path": "nowhere", "lc_monetary": "C"}
VALUES = ("1, date '2026-03-04', timestamp '2026-03-04 05:06:07.123456', timestamptz '2026-03-04 05:06:07.123456+02', "
          "timetz '05:06:07+02', interval '1 year 2 mons 3 days 04:05:06.7', '\\x00ff5c27'::bytea, 0.1::float8 + 0.2::float8, "
          "1.1::float4 / 3, '1234.5'::money, tstzrange('2026-03-04 05:06:07+02', null), "
          "array[timestamptz '2026-03-04 05:06:07+02'], array[interval '-1 day'], '$now'::text")
SHAPED = ("create table shaped(id int primary key, d date, ts timestamp, tz timestamptz, ttz timetz, i interval, b bytea, f8 float8, "
          "f4 float4, m money, r tstzrange, atz timestamptz[], ai interval[], t text);" f"insert into shaped values ({VALUES});")


def test_session_settings_do_not_shape_the_records(ctx):
    told = {}
    ctx.postgres.psql("create role shaped superuser login replication")
    try:
        for shaped in (False, True):
            db = ctx.database(SHAPED)
            for i, (name, value) in enumerate(SHAPES.items() if shaped else ()):
                whom = f"database {db}" if i % 2 else "role shaped"
                value = value if name in ("datestyle", "search_path") else f"'{value}'"
                ctx.postgres.psql(f"alter {whom} set {name} = {value}", db)
            spec = ctx.connector(db, database__user="shaped" if shaped else "postgres")
            ctx.walwire(spec, **SLIM).wait_streaming(spec, ctx.postgres)
            ctx.postgres.psql("set search_path = public; update shaped set id = 1; "
                              f"insert into shaped values ({VALUES.replace('1,', '2,', 1)})", db)
            told[shaped] = [e["after"] for e in wait_events(ctx, spec, "shaped", 3)]
            ctx.engines[-1].sigterm()
        assert told[True] == told[False]
        assert told[True][0]["b"] == "AP9cJw==" and told[True][0]["f8"] == 0.30000000000000004
    finally:
        for db in ctx.databases:
            ctx.postgres.drop_database(db)
        ctx.databases.clear()
        ctx.postgres.psql("drop role shaped")


# ---- positions ----

def offset_of(ctx, spec):
    key = json.dumps([spec["name"], {"server": spec["config"]["topic.prefix"]}], separators=(",", ":"))
    return ctx.kafka.offsets_of("connect-offsets").get(key)


def test_offsets_have_the_form_that_debezium_reads(ctx):
    db = ctx.database(ITEMS + "insert into items values (1, 1, 'a');")
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (2, 2, 'b')", db)
    last = wait_events(ctx, spec, "items", 2)[-1]["source"]
    offset = wait_until(lambda: (o := offset_of(ctx, spec)) and o.get("messageType") and o, 10, "the offset of a COMMIT")
    assert offset["messageType"] == "COMMIT" and offset["txId"] == last["txId"]
    assert offset["lsn"] == offset["lsn_proc"] == offset["lsn_commit"] > last["lsn"]
    assert offset["ts_usec"] // 1000 == last["ts_ms"]
    wait_until(lambda: confirmed(ctx, spec) >= offset["lsn_commit"], 10, "the slot to follow the stored offset")


def test_an_idle_slot_follows_the_wal_of_others(ctx):
    """Neither a busy table that is not captured nor a busy database beside it holds WAL back."""
    db, beside = ctx.database(ITEMS + "create table busy(t text);"), ctx.database("create table busy(t text)")
    spec = ctx.connector(db, table__include__list="public.items")
    ctx.walwire(spec, **SLIM).wait_streaming(spec, ctx.postgres)
    for busy in (db, beside):
        ctx.postgres.psql("insert into busy select repeat(md5(i::text), 100) from generate_series(1, 30000) i", busy)
        ctx.postgres.psql("checkpoint")
        end = wal_now(ctx)
        wait_until(lambda: confirmed(ctx, spec) >= end, 30, "the idle slot to follow", every=0.2)
    ctx.postgres.psql("insert into items values (1, 1, 'a')", db)
    assert ops(wait_events(ctx, spec, "items", 1)) == "c"


def test_nothing_is_acknowledged_before_kafka_has_it(ctx):
    """While Kafka is down rows are read but neither the slot nor the stored offset moves; then all arrive, in order."""
    db = ctx.database(ITEMS + "create table busy(t text);")
    spec = ctx.connector(db, table__include__list="public.items")
    path = ctx.temp_dir() + "/offsets"
    engine = ctx.walwire(spec, offset__storage__topic=None, offset__storage__replication__factor=None,
                         offset__storage__file__filename=path, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items select 0, 0, 'before'", db)
    wait_events(ctx, spec, "items", 1)
    end = wal_now(ctx)
    wait_until(lambda: confirmed(ctx, spec) >= end, 30, "the first row to be acknowledged")
    kafka = ctx.kafka  # asking for ctx.kafka starts it again
    kafka.stop()
    try:
        ctx.postgres.psql("do $$ begin for i in 1..300 loop insert into items values (i, i, 'while down'); commit; end loop; end $$;", db)
        before, stored = confirmed(ctx, spec), open(path).read()
        ctx.postgres.psql("insert into busy select repeat(md5(i::text), 100) from generate_series(1, 20000) i", db)
        end = wal_now(ctx)

        def seen():
            row = ctx.postgres.psql("select write_lsn from pg_stat_replication join pg_replication_slots on pid = active_pid "
                                    f"where slot_name = '{spec['config']['slot.name']}'")
            return row and lsn(row) >= end
        wait_until(seen, 30, "walwire to have received what was written")
        ctx.postgres.psql("checkpoint")
        assert confirmed(ctx, spec) == before and open(path).read() == stored
    finally:
        kafka.start()
    told = wait_events(ctx, spec, "items", 301, 60)
    assert [e["key"]["id"] for e in told] == list(range(301))
    wait_until(lambda: confirmed(ctx, spec) >= end and open(path).read() != stored, 30, "the slot to follow")


def test_sigterm_ends_within_ten_seconds_even_without_kafka(ctx):
    """With rows of one connector on their way and positions of others to be stored; the rows come after the next start."""
    db = ctx.database(ITEMS + "create table busy(id int);")
    specs = [ctx.connector(db, table__include__list="public.items") for _ in range(3)]
    engine = ctx.walwire(*specs, **SLIM)
    for spec in specs:
        engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into items values (1, 1, 'a')", db)
    for spec in specs:
        wait_events(ctx, spec, "items", 1)
        wait_until(lambda: offset_of(ctx, spec)["messageType"], 10)
    assert engine.rest("PUT", f"/connectors/{specs[0]['name']}/pause")[0] == 202
    kafka = ctx.kafka  # asking for ctx.kafka starts it again
    kafka.kill()
    try:
        ctx.postgres.psql("insert into busy select i from generate_series(1, 400000) i", db)
        end = wal_now(ctx)
        wait_until(lambda: all(lsn(sent) >= end for sent in ctx.postgres.psql(
            f"select sent_lsn from pg_stat_replication where pid in (select active_pid from pg_replication_slots where database = '{db}')"
        ).split()), 30, "more to be sent than a position can be stored for")
        ctx.postgres.psql("insert into items values (2, 2, 'b')", db)
        start = time.monotonic()
        assert engine.sigterm(30) == 0
        assert time.monotonic() - start < 10
    finally:
        kafka.start()
    engine.start()
    for spec in specs[1:]:
        assert [e["key"]["id"] for e in wait_events(ctx, spec, "items", 2, 40)] == [1, 2]


def test_a_clean_restart_tells_nothing_twice(ctx):
    """SIGTERM three times under a steady writer: exit code 0 within ten seconds, and each row once, in order."""
    db = ctx.database(ITEMS)
    spec = ctx.connector(db, table__include__list="public.items")
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    with Writer(ctx.postgres, db, "insert into items values (i, i, 'n');", pause=0.0005):
        for _ in range(3):
            began = confirmed(ctx, spec)
            wait_until(lambda: confirmed(ctx, spec) > began, 30, "changes to be on their way")
            start = time.monotonic()
            assert engine.sigterm() == 0 and time.monotonic() - start < 10
            engine.start()
    told = wait_folded(ctx, spec, db, "items")
    assert [e["key"]["id"] for e in told] == list(range(1, len(table(ctx.postgres, db, "items")) + 1))
    assert fold(told) == table(ctx.postgres, db, "items")
