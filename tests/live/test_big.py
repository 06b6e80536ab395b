"""Big things: rows that nobody takes, rows that fit into no message, and what of all that stays in memory."""
import json, os, re

from services import wait_until

FULL = bool(os.environ.get("BIG"))  # the whole sizes: `make big`
MB = 1 << 20
BYTES = "repeat('x', {n})"


def metric(engine, name):
    """The sum of a metric's series; None: there is none."""
    _, text = engine.rest("GET", "/metrics")
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
    return sum(map(float, found)) if found else None


def ids(records):
    return [json.loads(r["value"])["payload"]["after"]["id"] for r in records if r["value"]]


def documents(ctx, **settings):
    """A table of texts, and its connector that runs; the connector's own limit is Kafka's preset, 1 MB."""
    db = ctx.database("create table doc (id int primary key, body text)")
    spec = ctx.connector(db, **{"table.include.list": "public.doc", **settings})
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    return db, spec, engine


def insert(ctx, db, *sizes):
    """One transaction for each row, its id is its place."""
    ctx.postgres.psql("".join(f"insert into doc values ({i + 1}, {BYTES.format(n=n)});" for i, n in enumerate(sizes)), db)


# ---- larger than Kafka takes ----

def test_too_large_fails_and_says_which(ctx):
    db, spec, engine = documents(ctx)
    insert(ctx, db, 10, 2 * MB, 10)
    engine.wait_state(spec["name"], "FAILED")
    why = engine.status(spec["name"])[1]
    for phrase in ("public.doc", "LSN ", '"id":2', "2097152 bytes", "max.request.size=1048576", "walwire.record.too.large"):
        assert phrase in why, f"{phrase!r} is not in {why!r}"
    assert "xxxx" not in why + engine.log(), "the row's value is told"
    assert ids(ctx.kafka.consume(f"{spec['name']}.public.doc")) == [1]


def test_too_large_is_skipped_and_counted(ctx):
    db, spec, engine = documents(ctx, **{"walwire.record.too.large": "skip", "provide.transaction.metadata": "true"})
    insert(ctx, db, 10, 2 * MB, 10, 3 * MB, 10)
    assert ids(ctx.kafka.wait_records(f"{spec['name']}.public.doc", 3)) == [1, 3, 5]
    wait_until(lambda: metric(engine, "walwire_records_too_large_total") == 2, 10, "both to be counted")
    ends = [json.loads(r["value"])["payload"] for r in ctx.kafka.consume(f"{spec['name']}.transaction")]
    assert sum(e["event_count"] for e in ends if e["status"] == "END") == 3, "a transaction block counts what was left out"
    assert engine.log().count("left out, as walwire.record.too.large says") == 1, engine.log()


def test_what_was_left_out_counts_in_no_transaction(ctx):
    """Too large only as JSON: in the text of a delete, of which the tombstone stays, and of a logical message."""
    db, spec, engine = documents(ctx, **{"walwire.record.too.large": "skip", "provide.transaction.metadata": "true"})
    ctx.postgres.psql("alter table doc replica identity full;"
                      "insert into doc values (1, repeat('\"', 700000));"
                      "delete from doc where id = 1;"
                      "select pg_logical_emit_message(true, 'big', repeat('x', 1000000)) is null;"
                      "insert into doc values (2, 'a');", db)
    wait_until(lambda: metric(engine, "walwire_records_too_large_total") == 3, 20, "the three to be counted")
    ends = lambda: [p["event_count"] for r in ctx.kafka.consume(f"{spec['name']}.transaction")
                    for p in [json.loads(r["value"])["payload"]] if p["status"] == "END"]
    wait_until(lambda: ends()[-1:] == [1], 20, "the last transaction's end")
    assert sum(ends()) == 1, ends()
    assert [bool(r["value"]) for r in ctx.kafka.consume(f"{spec['name']}.public.doc")] == [False, True]


def test_too_large_goes_to_the_dead_letters(ctx):
    """The dead letter has the record's own key and tells where the row is; deletes of such rows go their usual way."""
    db, spec, engine = documents(ctx, **{"walwire.record.too.large": "dead.letter"})
    insert(ctx, db, 10, 2 * MB, 10)
    ctx.postgres.psql("delete from doc where id = 2", db)
    records = ctx.kafka.wait_records(f"{spec['name']}.public.doc", 4)
    assert [json.loads(r["key"])["payload"]["id"] for r in records] == [1, 3, 2, 2] and records[3]["value"] is None
    letter, = ctx.kafka.consume(f"{spec['name']}.dead-letter")
    assert json.loads(letter["key"])["payload"] == {"id": 2}
    told, headers = json.loads(letter["value"]), dict(letter["headers"])
    assert told["table"] == "public.doc" and told["op"] == "c" and told["lsn"] > 0 and told["tx"] > 0, told
    assert told["topic"] == f"{spec['name']}.public.doc" and told["limit"] == 1048576 and told["size"] > 2 * MB - 1, told
    assert headers["walwire.table"] == "public.doc" and headers["walwire.lsn"] == str(told["lsn"]), headers
    assert "xxxx" not in letter["value"]


def test_too_large_in_a_snapshot(ctx):
    db = ctx.database(f"create table doc (id int primary key, body text); insert into doc values (1, 'a'), (2, {BYTES.format(n=2 * MB)}), (3, 'c')")
    spec = ctx.connector(db, **{"walwire.record.too.large": "dead.letter", "walwire.dead.letter.topic": db + "-dead"})
    ctx.walwire(spec)
    assert ids(ctx.kafka.wait_records(f"{spec['name']}.public.doc", 2)) == [1, 3]
    letter, = ctx.kafka.wait_records(db + "-dead", 1)
    assert json.loads(letter["value"])["op"] == "r"


def test_a_topic_that_takes_less(ctx):
    """Its max.message.bytes is below the producer's limit: small messages come through in smaller batches, and what is too large for
    it stops the connector once with the reason, or follows the policy. Nothing is tried for ever."""
    for policy, wanted in (("fail", "FAILED"), ("dead.letter", "RUNNING")):
        db = ctx.database("create table doc (id int primary key, body text)")
        spec = ctx.connector(db, **{"walwire.record.too.large": policy, "retriable.restart.connector.wait.ms": "500",
                                    "producer.override.linger.ms": "50"})
        topic = f"{spec['name']}.public.doc"
        ctx.kafka.create_topic(topic, config={"max.message.bytes": "20000"})
        engine = ctx.walwire(spec)
        engine.wait_streaming(spec, ctx.postgres)
        noise = "(select string_agg(md5((i + s)::text), '') from generate_series(1, {n}) s)"  # does not compress
        ctx.postgres.psql(f"insert into doc select i, {noise.format(n=100)} from generate_series(1, 300) i", db)
        wait_until(lambda: len(set(ids(ctx.kafka.consume(topic)))) == 300, 30, "messages that fit")
        ctx.postgres.psql(f"insert into doc select 301, {noise.format(n=2000)} from (values (0)) v(i); insert into doc values (302, 'small')", db)
        if policy == "fail":
            engine.wait_state(spec["name"], wanted)
            why = engine.status(spec["name"])[1]
            assert "public.doc" in why and '"id":301' in why and "max.message.bytes" in why, why
            assert 302 not in ids(ctx.kafka.consume(topic))
        else:
            wait_until(lambda: 302 in ids(ctx.kafka.consume(topic)), 30, "what comes after it")
            letter = ctx.kafka.wait_records(f"{spec['name']}.dead-letter", 1)[0]
            assert json.loads(letter["value"])["limit_name"] == "max.message.bytes", letter
        assert engine.log().count("trying again") <= 3, engine.log()
        engine.sigterm()


# ---- larger than PostgreSQL sends ----

TYPES = """
create extension if not exists hstore; create extension if not exists ltree; create extension if not exists citext;
create type mood as enum ('sad', 'ok', 'so "so"'); create type pair as (a int, b text, c numeric); create domain small as numeric(9,3);
create table kinds (id int primary key, k_bool bool, k_char "char", k_int2 int2, k_int4 int4, k_int8 int8, k_oid oid, k_float4 float4, k_float8 float8,
  k_num numeric, k_num2 numeric(20,5), k_money money, k_text text, k_varchar varchar(40), k_bpchar char(12), k_name name, k_bytea bytea, k_json json,
  k_jsonb jsonb, k_xml xml, k_uuid uuid, k_date date, k_time time, k_time3 time(3), k_timetz timetz, k_ts timestamp, k_tstz timestamptz, k_interval interval,
  k_bit bit(13), k_varbit varbit, k_inet inet, k_cidr cidr, k_mac macaddr, k_mac8 macaddr8, k_point point, k_line line, k_lseg lseg, k_box box,
  k_path path, k_polygon polygon, k_circle circle, k_lsn pg_lsn, k_xid8 xid8, k_tid tid, k_tsv tsvector, k_ints int[], k_texts text[], k_nums numeric[],
  k_stamps timestamptz[], k_boxes box[], k_i4r int4range, k_nr numrange, k_tsr tsrange, k_dr daterange, k_hstore hstore, k_ltree ltree, k_citext citext,
  k_mood mood, k_moods mood[], k_pair pair, k_pairs pair[], k_small small, k_i2v int2vector, k_oidv oidvector, k_jp jsonpath);
alter table kinds replica identity full
"""
ROWS = r"""
select setseed(0.42);
insert into kinds select i, i % 3 = 0, chr(33 + i % 90)::"char", (random() * 65535 - 32768)::int::int2, (random() * 4e9 - 2e9)::int8::int4,
  ((random() - 0.5) * 1.8e19)::numeric::int8, (random() * 4e9)::int8::oid, case i % 4 when 0 then i else (random() - 0.5) * power(10, i % 70 - 35) end,
  case i % 4 when 0 then i * 1000 else (random() - 0.5) * power(10, i % 600 - 300) end,
  (random() - 0.5)::numeric * power(10::numeric, i % 60 - 30), ((random() - 0.5) * power(10, i % 14))::numeric, ((random() - 0.5) * power(10, i % 13))::numeric::money,
  v, left(v, 40), left(v, 12), left(v, 30), decode(md5(i::text), 'hex'), json_build_object('a', v, 'b', i), jsonb_build_object('a', v, 'n', random()),
  xmlelement(name a, v), md5(v)::uuid, date '2000-01-01' + (random() * 4e5 - 3e5)::int, time '00:00' + random() * interval '24 hours', time '00:00' + random() * interval '24 hours',
  ((time '00:00' + random() * interval '23 hours')::text || case when i % 2 = 0 then '+05:30' else '-11:15:07' end)::timetz,
  timestamp '2000-01-01' + (random() - 0.5) * 2 * interval '1500 years', timestamptz '2000-01-01' + (random() - 0.5) * 2 * interval '2500 years',
  make_interval((random() * 20 - 10)::int, (random() * 30 - 15)::int, 0, (random() * 60 - 30)::int, (random() * 60 - 30)::int, 0, random() * 200 - 100),
  (i * 37 % 8192)::int::bit(13), ('1' || repeat('01', i % 9))::varbit, case i % 3 when 0 then '10.1.2.3/8' when 1 then '192.168.0.1' else '2001:db8::' || to_hex(i) || '/64' end::inet,
  case i % 2 when 0 then '10.0.0.0/8' else '2001:db8::/32' end::cidr, left(md5(v), 12)::macaddr, left(md5(v), 16)::macaddr8,
  point(random() * i, -random()), line(point(random(), 1), point(2, random())), lseg(point(random(), 1), point(2, random())), box(point(random(), 1), point(-2, random())),
  case i % 2 when 0 then path '((1,2),(3.5,4))' else path '[(1,2),(3,1e20),(0,0)]' end, polygon '((1,2),(3.25,4),(5,-6))', circle(point(random(), 0), random() * 9),
  ('16/' || to_hex(i * 7919))::pg_lsn, i::text::xid8, ('(' || i || ',3)')::tid, setweight(to_tsvector('simple', v || ' b''c'), 'B') || to_tsvector('simple', 'fat rat ' || i),
  array[i, null, -i], array[v, null, 'NULL', '', 'a b', '{,}'], array[[1.5, i], [null, numeric 'NaN']], array[now() - i * interval '1 day', 'infinity'], array[box '((1,2),(3,4))', box '((0,0),(1,1))'],
  case i % 5 when 0 then 'empty' when 1 then int4range(null, i) else int4range(i, i + 7, '(]') end, numrange(random()::numeric, i + 1), tsrange(timestamp '2020-01-01 00:00:00.5', null, '(]'),
  daterange(date '2020-01-01', date '2020-01-01' + i), hstore(array['k', v, 'null "k"', null]), ('top.n' || i)::ltree, v::citext,
  (array['sad', 'ok', 'so "so"'])[i % 3 + 1]::mood, array['sad', null, 'so "so"']::mood[], row(i, v, random())::pair, array[row(null, '', 1)::pair, null], random()::numeric,
  '1 2 3', '4 5', '$.a[*] ? (@ > 1)'
from (select i, case i % 6 when 0 then 'plain' when 1 then '' when 2 then E'a "quoted" \\ back (x), {y}, [z]' when 3 then E'line\nbreak\ttab' when 4 then 'Grüße 🦉' else 'NULL' end || case i % 6 when 1 then '' when 5 then '' else i::text end as v
      from generate_series(1, {n}) i) q;
insert into kinds (id) values (0);
insert into kinds (id, k_float4, k_float8, k_num, k_date, k_ts, k_tstz, k_interval, k_time, k_num2, k_ints, k_i4r) values
  (-1, 'NaN', 'NaN', 'NaN', 'infinity', 'infinity', '-infinity', '0', '24:00', 0, '{}', '(,)'),
  (-2, 'Infinity', '-Infinity', '1e100', '-infinity', '0044-03-15 BC', '0001-01-01 00:00:00+00', '-1 mon +1 day -00:00:00.000001', '00:00:00.000001', -0.00001, '[0:1]={7,8}', '[5,5]'),
  (-3, 1e-40, 5e-324, 0.0001, '4713-01-01 BC', '4713-01-01 BC', '4713-01-01 00:00:00+00 BC', '1 year -1 mons', '23:59:59.999999', 12345.00000, '{{1},{2}}', 'empty'),
  (-4, 1e6, 1e15, 1e-30, '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', '12:00', 1, null, null),
  (-5, 123456, 123456789012345, 100000, '2000-02-29', '2000-02-29 12:00:00.1', '1999-12-31 23:59:59.9+00', '1 day', '12:00:00.100', 1, null, null),
  (-6, 99999.99, 0.0001, 10000.0001, '1900-03-01', '1582-10-15', '1600-02-29 00:00+00', '00:00:01.5', '01:02:03', 1, null, null);
update kinds set k_int2 = 7 where id % 5 = 0;
delete from kinds where id % 7 = 0
"""


def rows_of(records):
    """Key and row images, without what differs from connector to connector."""
    found = []
    for r in records:
        payload = json.loads(r["value"])["payload"] if r["value"] else None
        found.append((json.loads(r["key"])["payload"], payload and {k: payload[k] for k in ("op", "before", "after")}))
    return found


def test_binary_form_gives_the_same_records(ctx):
    """Values of every type, read once as text and once in binary form."""
    db = ctx.database(TYPES)
    better = {f"walwire.{k}": "true" for k in ("types.all", "names", "composites", "ranges", "arrays.nested", "arrays.all", "arrays.nulls")}
    specs = [ctx.connector(db, **{"table.include.list": "public.kinds", "include.unknown.datatypes": "true", **more})
             for more in ({}, {"slot.stream.params": "binary=true"}, better, {"slot.stream.params": "binary=true", **better})]
    engine = ctx.walwire(*specs)
    for spec in specs:
        engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql(ROWS.replace("{n}", "2000" if FULL else "300"), db)
    count = int(ctx.postgres.psql("select count(*) from kinds", db))
    got = []
    for spec in specs:
        topic, last = f"{spec['name']}.public.kinds", []
        def settled():
            nonlocal last
            before, last = last, ctx.kafka.consume(topic)
            return len(last) > count and len(before) == len(last)
        wait_until(settled, 60, f"{topic} to be whole", every=0.5)
        got.append(rows_of(last))
    for text, binary in (got[:2], got[2:]):
        assert len(text) == len(binary) > count
        for (key, one), (other_key, other) in zip(text, binary):
            assert key == other_key
            for part in ("before", "after"):
                a, b = (one or {}).get(part) or {}, (other or {}).get(part) or {}
                assert a.keys() == b.keys()
                for column in a:
                    assert a[column] == b[column], f"row {key}, {part}.{column}: text {a[column]!r}, binary {b[column]!r}"


def test_binary_form_of_a_type_that_is_not_known(ctx):
    """It stops the connector with the column's name, unless the column is left out."""
    db = ctx.database("create table q (id int primary key, query tsquery)")
    base = {"table.include.list": "public.q", "slot.stream.params": "binary=true"}
    spec, without = ctx.connector(db, **base), ctx.connector(db, **{**base, "column.exclude.list": "public.q.query"})
    for s in (spec, without):
        s["config"]["walwire.types.all"] = "true"
    engine = ctx.walwire(spec, without)
    for s in (spec, without):
        engine.wait_streaming(s, ctx.postgres)
    ctx.postgres.psql("insert into q values (1, 'a & b')", db)
    engine.wait_state(spec["name"], "FAILED")
    assert "public.q column query" in engine.status(spec["name"])[1], engine.status(spec["name"])
    assert ids(ctx.kafka.wait_records(f"{without['name']}.public.q", 1)) == [1]


def huge(ctx, mb, **settings):
    """A running connector, and a transaction with one bytea of so many megabytes between two small rows."""
    db = ctx.database("create table huge (id int primary key, body bytea)")
    spec = ctx.connector(db, **{"table.include.list": "public.huge", "retriable.restart.connector.wait.ms": "500", **settings})
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    idle = engine.rss_kb()
    ctx.postgres.psql("begin; insert into huge values (1, 'a'); insert into huge select 2, convert_to(string_agg(p, ''), 'UTF8') "
                      f"from (select repeat('x', {MB}) p from generate_series(1, {mb})) q; insert into huge values (3, 'c'); commit;"
                      "insert into huge values (4, 'd')", db)
    return db, spec, engine, idle


def peak_kb(engine):
    """The most that the process has had in memory."""
    with open(f"/proc/{engine.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


def test_a_row_that_cannot_be_sent_as_text(ctx):
    """More than 512 MB of bytea: PostgreSQL fails to write it as text each time the slot is read. Read in binary form the slot gets past
    it, and after that text is read again."""
    size = 900 if FULL else 540
    db, spec, engine, idle = huge(ctx, size, **{"walwire.record.too.large": "dead.letter"})
    topic = f"{spec['name']}.public.huge"
    wait_until(lambda: ids(ctx.kafka.consume(topic))[-3:] == [1, 3, 4], 90, "the rows around it")
    letter, = ctx.kafka.wait_records(f"{spec['name']}.dead-letter", 1)
    assert json.loads(letter["key"])["payload"] == {"id": 2} and json.loads(letter["value"])["size"] > size * MB, letter
    wait_until(lambda: "reading text again" in engine.log(), 30, "text to be read again")
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into huge values (5, 'e')", db)
    ctx.kafka.wait_records(topic, 4)
    peak, now = peak_kb(engine) - idle, engine.rss_kb() - idle
    print(f"        a row of {size} MB: {peak // 1024} MB at the most, {now // 1024} MB after it", flush=True)
    assert peak < 2.2 * size * 1024 and now < 60 * 1024
test_a_row_that_cannot_be_sent_as_text.timeout = 240


def test_a_row_that_cannot_be_read_by_a_snapshot(ctx):
    """The reason names the table and what to do."""
    db = ctx.database(f"create table huge (id int primary key, body bytea); insert into huge select 1, convert_to(string_agg(p, ''), 'UTF8') "
                      f"from (select repeat('x', {MB}) p from generate_series(1, 540)) q")
    spec = ctx.connector(db)
    engine = ctx.walwire(spec)
    engine.wait_state(spec["name"], "FAILED", 60)
    why = engine.status(spec["name"])[1]
    assert "public.huge" in why and "column.exclude.list" in why, why
test_a_row_that_cannot_be_read_by_a_snapshot.timeout = 180


def test_memory_comes_back(ctx):
    """A row of 80 MB leaves nothing behind: not in the buffers of the record, and not in libpq's."""
    db, spec, engine, idle = huge(ctx, 80, **{"walwire.record.too.large": "skip"})
    topic = f"{spec['name']}.public.huge"
    wait_until(lambda: ids(ctx.kafka.consume(topic))[-3:] == [1, 3, 4], 60, "the rows around it")
    assert metric(engine, "walwire_largest_row_bytes") is None or metric(engine, "walwire_largest_row_bytes") > 160 * MB
    wait_until(lambda: "connecting again, to give its memory back" in engine.log(), 30, "it to connect again")
    wait_until(lambda: engine.rss_kb() - idle < 20 * 1024, 20, "memory to come back")
    peak = peak_kb(engine) - idle
    print(f"        a row of 80 MB, 160 MB as text: {peak // 1024} MB at the most", flush=True)
    assert peak < 3 * 160 * 1024, peak
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into huge values (5, 'e')", db)
    wait_until(lambda: ids(ctx.kafka.consume(topic))[-1] == 5, 20, "the stream to go on")


def test_a_row_beyond_the_memory_allowed(ctx):
    """walwire.memory.max.mb: it is given up while it comes in, long before it is whole, and nothing is acknowledged."""
    db, spec, engine, idle = huge(ctx, 200, **{"walwire.memory.max.mb": "128"})
    engine.wait_state(spec["name"], "FAILED", 60)
    why = engine.status(spec["name"])[1]
    assert "walwire.memory.max.mb=128" in why and "LSN " in why, why
    assert peak_kb(engine) - idle < 128 * 1024, peak_kb(engine) - idle
    assert 4 not in ids(ctx.kafka.consume(f"{spec['name']}.public.huge"))
test_a_row_beyond_the_memory_allowed.timeout = 180


def test_a_snapshot_keeps_to_the_memory_allowed(ctx):
    """A row that is too large for it, and many that are not: rows are handed on as fast as they are taken."""
    db = ctx.database("create table huge (id int primary key, body text); create table large (id int primary key, body text);"
                      f"insert into large select i, repeat(i % 10 || '', {MB}) from generate_series(1, 64) i;"
                      f"insert into huge select 1, string_agg(p, '') from (select repeat('x', {MB}) p from generate_series(1, 200)) q")
    spec = ctx.connector(db, **{"table.include.list": "public.large,public.huge", "walwire.memory.max.mb": "128",
                                "walwire.record.too.large": "skip", "snapshot.include.collection.list": "public.large,public.huge"})
    engine = ctx.walwire(spec)
    engine.wait_state(spec["name"], "FAILED", 60)
    why = engine.status(spec["name"])[1]
    assert "public.huge" in why and "walwire.memory.max.mb=128" in why, why
    assert peak_kb(engine) < 160 * 1024, peak_kb(engine)
test_a_snapshot_keeps_to_the_memory_allowed.timeout = 180


# ---- many things ----

def delivered(engine, rows):
    return lambda: (metric(engine, "walwire_events_total") or 0) >= rows and metric(engine, "walwire_in_flight_messages") == 0


def test_a_large_transaction(ctx):
    """Memory does not grow with it."""
    rows = 5_000_000 if FULL else 300_000
    db = ctx.database("create table t (id int primary key, v text)")
    spec = ctx.connector(db, **{"table.include.list": "public.t"})
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into t select -i, md5(i::text) from generate_series(1, 30000) i", db)  # queues and buffers are warm
    wait_until(delivered(engine, 30000), 60, "the first rows")
    idle = engine.rss_kb()
    ctx.postgres.psql(f"insert into t select i, md5(i::text) from generate_series(1, {rows}) i", db)
    wait_until(delivered(engine, 30000 + rows), 1500, f"{rows} rows", every=0.5)
    grown = peak_kb(engine) - idle
    print(f"        {rows} rows in a transaction: {grown // 1024} MB at the most over {idle // 1024} MB", flush=True)
    assert sum(ctx.kafka.ends(f"{spec['name']}.public.t").values()) == 30000 + rows
    assert grown < 40 * 1024, grown
test_a_large_transaction.timeout = 1600 if FULL else 120


def test_many_tables(ctx):
    """Each table costs some kilobytes, with a snapshot and a row of each in the stream."""
    tables = 10_000 if FULL else 1_000
    db = ctx.database()
    for i in range(0, tables, 500):  # a transaction may hold only so many locks
        ctx.postgres.psql(f"do $$begin for i in {i} .. {i + 499} loop execute format('create table t%s (id int primary key, a text, b numeric, "
                          "c timestamptz)', i); end loop; end$$", db)
    spec = ctx.connector(db, **{"tasks.max": "1"})
    engine = ctx.walwire(spec, kafka=False)
    idle = engine.rss_kb()
    engine.wait_streaming(spec, ctx.postgres, timeout=600)
    for i in range(0, tables, 500):
        ctx.postgres.psql(f"do $$begin for i in {i} .. {i + 499} loop execute format('insert into t%s values (1, ''x'', 1.5, now())', i); end loop; end$$", db)
    wait_until(delivered_to_browsers(engine, tables), 600, f"a row of each of {tables} tables", every=0.5)
    each = (engine.rss_kb() - idle) / tables
    print(f"        {tables} tables: {each:.1f} kB each", flush=True)
    assert each < 40, each
test_many_tables.timeout = 1500 if FULL else 180


def delivered_to_browsers(engine, rows):
    return lambda: (metric(engine, "walwire_events_total") or 0) >= rows


def test_tables_that_change_all_the_time(ctx):
    """Each change of a table describes it anew: what it was like before is forgotten."""
    changes = 5_000 if FULL else 300
    db = ctx.database("create table t (id int primary key, v text)")
    spec = ctx.connector(db, **{"table.include.list": "public.t"})
    engine = ctx.walwire(spec)
    engine.wait_streaming(spec, ctx.postgres)

    def storm(first, n):
        ctx.postgres.psql("".join(f"alter table t rename column v to v{i}; insert into t (id) values ({i}); alter table t rename column v{i} to v;"
                                  f"update t set v = '{i}' where id = {i};" for i in range(first, first + n)), db)
    storm(0, 100)
    wait_until(delivered(engine, 200), 60, "the first changes")
    warm = engine.rss_kb()
    storm(100, changes)
    wait_until(delivered(engine, 200 + 2 * changes), 600, f"{changes} changes", every=0.2)
    grown = engine.rss_kb() - warm
    print(f"        {2 * changes} changes of a table: {grown} kB", flush=True)
    assert sum(ctx.kafka.ends(f"{spec['name']}.public.t").values()) == 200 + 2 * changes
    assert grown < 4096 + changes * 0.5, grown
test_tables_that_change_all_the_time.timeout = 900 if FULL else 180


def test_tables_that_come_and_go(ctx):
    """A table is dropped and made anew all the time: what the former ones were like is forgotten, though their rows may still be on
    their way when they are gone."""
    tables = 10_000 if FULL else 2_000
    db = ctx.database()
    columns = ", ".join(f"a_column_{i} text" for i in range(20))
    spec = ctx.connector(db, **{"table.include.list": "public.staging", "publication.autocreate.mode": "all_tables"})
    engine = ctx.walwire(spec, value__converter__schemas__enable="false", key__converter__schemas__enable="false")
    engine.wait_streaming(spec, ctx.postgres)

    def churn(first, n):
        ctx.postgres.psql(f"""do $$begin for i in {first} .. {first + n - 1} loop
            create table staging (id int primary key, {columns}); commit; insert into staging (id) values (i); commit;
            insert into staging (id) values (-i); drop table staging; commit; end loop; end$$""", db)
    churn(1, 600)
    wait_until(delivered(engine, 1200), 60, "the first tables")
    warm = engine.rss_kb()
    churn(601, tables)
    wait_until(delivered(engine, 1200 + 2 * tables), 600, f"{tables} tables", every=0.2)
    grown = engine.rss_kb() - warm
    print(f"        {tables} tables, one after another: {grown} kB", flush=True)
    told = [json.loads(m["value"])["after"]["id"] for m in ctx.kafka.consume(f"{spec['name']}.public.staging")]
    assert sorted(told) == sorted(s * i for i in range(1, 601 + tables) for s in (1, -1)), len(told)
    assert grown < 8192 + tables * 0.5 or "SANITIZE" in os.environ, grown
test_tables_that_come_and_go.timeout = 900 if FULL else 180
