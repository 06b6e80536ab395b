"""A connector is taken over from Debezium, and handed back, in the middle of a transaction: nothing is lost or told twice.

The positions are written as Debezium 3.7 writes them (tests/compat/takeover.py does the same with Debezium itself)."""
import json

from fold import SLIM, events, wait_folded
from services import wait_until

TABLE = "create table t(id int primary key, v int); create publication {name}_pub for table t;"

# Changes as a stream has them: a transaction of single rows, one that begins with several rows of one WAL record, and one that
# has such a record in the middle.
STEPS = """
begin; insert into t select i, 0 from generate_series(1, 4) i; update t set v = 1 where id < 3; delete from t where id = 4; commit;
copy t from stdin;
{copy_a}
\\.
begin;
insert into t values (30, 0);
copy t from stdin;
{copy_b}
\\.
update t set v = 9 where id = 30;
commit;
insert into t values (99, 0);
"""
OPS = {"I": "INSERT", "U": "UPDATE", "D": "DELETE"}


def lines(ids):
    return "\n".join(f"{i}\t7" for i in ids)


def stream_of(ctx, db, slot, publication):
    """What the slot will send: (lsn, xid, first letter, for a BEGIN and a COMMIT its end) of each message, nothing consumed."""
    rows = ctx.postgres.psql(f"""
        select lsn - '0/0', xid, chr(get_byte(data, 0)) from pg_logical_slot_peek_binary_changes('{slot}', null, null,
          'proto_version', '1', 'publication_names', '{publication}')""", db)
    return [(int(lsn), int(xid), kind) for lsn, xid, kind in (row.split("|") for row in rows.splitlines())]


def positions(stream):
    """Debezium's offset after each row, with the number of rows done then, and how many of them come again because they share
    their transaction's first LSN."""
    found, commit, done, at, count, begin = [], None, 0, None, 0, None
    for lsn, xid, kind in stream:
        if kind == "B":
            begin = lsn
        elif kind == "C":
            commit, at = lsn, None
        elif kind in OPS:
            count = count + 1 if lsn == at else 1
            at, done = lsn, done + 1
            offset = {"lsn_proc": lsn, "lsn_events_processed": count, "messageType": OPS[kind], "lsn": lsn, "txId": xid,
                      "ts_usec": 1795264572956382}
            if commit:
                offset["lsn_commit"] = commit
            found.append((offset, done, 1 if lsn == begin and count > 1 else 0))
    return found


def test_it_goes_on_behind_the_row_that_debezium_told_last(ctx):
    """Each row of the stream is once the last one that Debezium has told: the rows after it come, those before it do not. Of
    rows that share their transaction's first LSN the last one is told again, which Debezium itself does at a restart."""
    db = ctx.database("create table t(id int primary key, v int); create publication taken for table t; alter table t replica identity full")
    slot = "s" + db
    ctx.postgres.psql(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')", db)
    ctx.postgres.psql(STEPS.format(copy_a=lines(range(10, 13)), copy_b=lines(range(40, 43))), db)
    stream = stream_of(ctx, db, slot, "taken")
    places = positions(stream)
    total = len(places)
    assert total == 16 and any(again for _, _, again in places) and any(o["lsn_events_processed"] == 3 and not again
                                                                       for o, _, again in places), places
    specs = []
    for i, (offset, _, _) in enumerate(places):
        name = f"{slot}_{i}"
        ctx.postgres.psql(f"select pg_copy_logical_replication_slot('{slot}', '{name}')", db)
        specs.append(ctx.connector(db, **{"slot.name": name, "publication.name": "taken", "publication.autocreate.mode": "disabled",
                                          "topic.prefix": name}))
        key = json.dumps([specs[-1]["name"], {"server": name}], separators=(",", ":"))
        if "connect-offsets" not in ctx.kafka.topics():
            ctx.kafka.create_topic("connect-offsets", 25, {"cleanup.policy": "compact"})
        ctx.kafka.produce("connect-offsets", json.dumps(offset), key)
    engine = ctx.walwire(*specs, **SLIM)
    ctx.postgres.psql("insert into t values (1000, 0)", db)
    for spec, (offset, done, again) in zip(specs, places):
        topic = spec["config"]["topic.prefix"] + ".public.t"
        wait_until(lambda: any(e["after"] and e["after"]["id"] == 1000 for e in events(ctx.kafka, topic)), 60, f"{topic} to end")
        told = [(e["op"], (e["after"] or e["before"])["id"], e["source"]["lsn"]) for e in events(ctx.kafka, topic)]
        wanted = total - done + again + 1
        assert len(told) == wanted, f"after {offset}: {len(told)} rows instead of {wanted}: {told}"
    engine.sigterm()


def stored(ctx, spec):
    """The connector's position as it is in the offsets topic now."""
    key = json.dumps([spec["name"], {"server": spec["config"]["topic.prefix"]}], separators=(",", ":"))
    return json.loads([m for m in ctx.kafka.consume("connect-offsets") if m["key"] == key][-1]["value"])


def test_a_clean_stop_inside_a_transaction_repeats_nothing(ctx):
    """A transaction that takes too long to be waited for is left in the middle, in Debezium's words, and gone on with there."""
    db = ctx.database("create table t(id int primary key, v int)")
    slow = {"producer.override.batch.size": "300", "producer.override.linger.ms": "0",
            "producer.override.max.in.flight.requests.per.connection": "1", "producer.override.buffer.memory": "100000"}
    spec = ctx.connector(db, **slow)
    topic = spec["config"]["topic.prefix"] + ".public.t"
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into t select i, 0 from generate_series(1, 20000) i", db)
    ctx.kafka.wait_records(topic, 1000)
    assert engine.sigterm() == 0
    offset, told = stored(ctx, spec), sum(ctx.kafka.ends(topic).values())
    assert told < 20000, "the whole transaction was sent: nothing was left in the middle"
    assert offset["messageType"] == "INSERT" and offset["lsn_events_processed"] == 1, offset
    engine.start()
    rows = wait_folded(ctx, spec, db, "t", timeout=60)
    assert len(rows) == 20000, f"{len(rows)} events for 20000 rows"


def test_a_position_ahead_of_the_server_is_refused(ctx):
    """Of a server that was restored, say: what it writes before it reaches that position would be skipped without a word."""
    db = ctx.database("create table t(id int primary key, v int)")
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into t values (1, 0)", db)
    ctx.kafka.wait_records(spec["config"]["topic.prefix"] + ".public.t", 1)
    assert engine.sigterm() == 0
    offset = stored(ctx, spec)
    key = json.dumps([spec["name"], {"server": spec["config"]["topic.prefix"]}], separators=(",", ":"))
    for field in ("lsn", "lsn_proc", "lsn_commit"):
        if field in offset:
            offset[field] += 1 << 40
    offset.pop("walwire_lsn", None)
    ctx.kafka.produce("connect-offsets", json.dumps(offset), key)
    engine.start()
    engine.wait_state(spec["name"], "FAILED")
    why = engine.status(spec["name"])[1]
    assert "ahead of the server" in why, why
