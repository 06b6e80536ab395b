"""What may become of a slot and its server while a position is stored: walwire goes on where nothing is missing, and stops
with the reason where it would have to skip something."""
import json, time

from copies import copy_of
from fold import SLIM, events
from postgres import Postgres
from services import wait_until

TABLE = "create table t(id int primary key, v int);"
JSON_KEY = {"separators": (",", ":")}


def key(spec):
    return json.dumps([spec["name"], {"server": spec["name"]}], **JSON_KEY)


def stored(ctx, spec):
    return ctx.kafka.offsets_of("connect-offsets").get(key(spec))


def ids(ctx, spec):
    return [e["key"]["id"] for e in events(ctx.kafka, f"{spec['name']}.public.t")]


def wait_ids(ctx, spec, wanted, timeout=30):
    return wait_until(lambda: ids(ctx, spec) == wanted or (_ for _ in ()).throw(RuntimeError(str(ids(ctx, spec)))), timeout,
                      f"the rows {wanted}", every=0.2)


def begin(ctx, server, db, **settings):
    """walwire streams from the server, and has told rows 1 and 2."""
    spec = ctx.connector(db, server, **settings)
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, server)
    server.psql("insert into t values (1, 0); insert into t values (2, 0)", db)
    wait_ids(ctx, spec, [1, 2])
    wait_until(lambda: stored(ctx, spec) and stored(ctx, spec)["lsn"], 10, "the position to be stored")
    return engine, spec


def fails(engine, spec, *texts):
    """It fails with these words and stays so: nothing that an operator has to decide is tried again."""
    engine.wait_state(spec["name"], "FAILED")
    why = engine.status(spec["name"])[1]
    for text in texts:
        assert text in why, why
    runs = engine.log().count("\n")
    time.sleep(1.5)
    assert engine.log().count("\n") == runs and engine.status(spec["name"])[0] == "FAILED"
    return why


def change(engine, spec, **settings):
    spec["config"].update({k.replace("__", "."): v for k, v in settings.items()})
    code, answer = engine.rest("PUT", f"/connectors/{spec['name']}/config", spec["config"])
    assert code == 200, answer


def drop_slot(server, slot):
    server.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{slot}' and active")
    wait_until(lambda: server.psql(f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{slot}' "
                                   "and not active; select count(*) from pg_replication_slots "
                                   f"where slot_name = '{slot}'").endswith("0"), 10, "the slot to go", every=0.001)


# ---- the slot ----

def test_dropped_while_streaming(ctx):
    db = ctx.database(TABLE)
    engine, spec = begin(ctx, ctx.postgres, db)
    drop_slot(ctx.postgres, spec["config"]["slot.name"])
    ctx.postgres.psql("insert into t values (3, 0)", db)
    fails(engine, spec, "does not exist", "snapshot mode when needed")
    assert ctx.postgres.slot(spec["config"]["slot.name"]) is None, "a refusal makes no slot"
    change(engine, spec, snapshot__mode="when_needed")
    engine.wait_streaming(spec, ctx.postgres)
    wait_ids(ctx, spec, [1, 2, 1, 2, 3])


def recreate(server, spec, db, row):
    """Another slot of the same name, behind a row that it does not have."""
    slot = spec["config"]["slot.name"]
    drop_slot(server, slot)
    server.psql(f"insert into t values ({row}, 0)", db)
    server.psql(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')", db)


def test_recreated_while_stopped(ctx):
    db = ctx.database(TABLE)
    engine, spec = begin(ctx, ctx.postgres, db)
    assert engine.sigterm() == 0
    recreate(ctx.postgres, spec, db, 3)
    engine.start()
    fails(engine, spec, spec["config"]["slot.name"], "has moved on")


def test_recreated_before_anything_was_streamed(ctx):
    """The position is stored with the slot: what is written before the first change is not forgotten with it."""
    db = ctx.database(TABLE)
    spec = ctx.connector(db, snapshot__mode="no_data")
    engine = ctx.walwire(spec, **SLIM)
    engine.wait_streaming(spec, ctx.postgres)
    engine.sigkill()
    recreate(ctx.postgres, spec, db, 1)
    engine.start()
    fails(engine, spec, spec["config"]["slot.name"], "has moved on")


def test_invalidated(ctx):
    """A server with little room for WAL gives up the slot of a connector that is stopped."""
    class Small(Postgres):
        initdb = ("--wal-segsize=1",)
    server = Small({"max_slot_wal_keep_size": "1MB", "max_wal_size": "2MB", "min_wal_size": "2MB"})
    server.psql("create database d")
    server.psql(TABLE, "d")
    engine, spec = begin(ctx, server, "d")
    assert engine.sigterm() == 0
    slot = spec["config"]["slot.name"]
    for _ in range(8):
        server.psql("insert into t select i + 100, 0 from generate_series(1, 10000) i; delete from t where id > 100; checkpoint", "d")
        server.psql("select pg_switch_wal(); checkpoint")
    assert server.psql(f"select wal_status from pg_replication_slots where slot_name = '{slot}'") == "lost"
    engine.start()
    fails(engine, spec, f"slot {slot} has lost its WAL", "snapshot mode when needed")


def test_acknowledged_by_debezium_s_driver(ctx):
    """With lsn.flush.mode=connector_and_driver Debezium's driver acknowledges WAL that is not captured, past the position that
    Debezium stores. A hand-over goes on; a position that walwire has stored is never behind."""
    db = ctx.database(TABLE)
    engine, spec = begin(ctx, ctx.postgres, db, **{"lsn.flush.mode": "connector_and_driver"})
    assert engine.sigterm() == 0
    slot, name = spec["config"]["slot.name"], key(spec)
    ctx.postgres.psql("create table other(id int); insert into other values (1)", db)
    ctx.postgres.psql(f"select pg_replication_slot_advance('{slot}', pg_current_wal_lsn())", db)
    engine.start()
    fails(engine, spec, f"slot {slot} was moved")
    assert engine.sigterm() == 0
    offset = {k: v for k, v in stored(ctx, spec).items() if not k.startswith("walwire_")}
    ctx.kafka.produce("connect-offsets", json.dumps(offset), name)
    engine.start()
    engine.wait_streaming(spec, ctx.postgres)
    assert "since Debezium's driver acknowledged it" in engine.log()
    ctx.postgres.psql("insert into t values (3, 0)", db)
    wait_ids(ctx, spec, [1, 2, 3])


# ---- the server ----

def server_with_table(**conf):
    server = Postgres(conf)
    server.psql("create database d")
    server.psql(TABLE, "d")
    return server


def move_to(engine, spec, server):
    change(engine, spec, **{"database.port": str(server.port)})


def test_another_server_at_the_same_place(ctx):
    first, second = server_with_table(), server_with_table()
    engine, spec = begin(ctx, first, "d")
    first.stop()
    second.psql("insert into t values (7, 0)", "d")
    move_to(engine, spec, second)
    fails(engine, spec, "of another PostgreSQL server", "offset.mismatch.strategy=trust_slot", "snapshot.mode=when_needed")
    assert ids(ctx, spec) == [1, 2] and second.slot(spec["config"]["slot.name"]) is None
    change(engine, spec, snapshot__mode="when_needed")
    engine.wait_streaming(spec, second)
    wait_ids(ctx, spec, [1, 2, 7])


def test_a_backup_restored_to_a_point_before_the_position(ctx):
    """What was told after that point is not in the server; what it writes now has positions that were told already."""
    server = server_with_table()
    engine, spec = begin(ctx, server, "d")
    server.stop()
    backup = copy_of(server, signal="recovery")
    server.start()
    engine.wait_streaming(spec, server)
    server.psql("insert into t values (3, 0)", "d")
    wait_ids(ctx, spec, [1, 2, 3])
    assert engine.sigterm() == 0
    server.stop()
    backup.start()
    backup.psql("insert into t select i, 0 from generate_series(11, 20) i", "d")
    assert backup.psql("select timeline_id from pg_control_checkpoint()") == "2"
    backup.psql("insert into t select i + 1000, 0 from generate_series(1, 10000) i; delete from t where id > 1000", "d")
    engine.connectors[0]["config"]["database.port"] = str(backup.port)
    engine = ctx.walwire(spec, **SLIM)
    fails(engine, spec, "is of timeline 1, which the server left at", "for timeline 2", "trust_slot")
    change(engine, spec, **{"offset.mismatch.strategy": "trust_slot"})
    engine.wait_streaming(spec, backup)
    wait_until(lambda: set(range(11, 21)) <= set(ids(ctx, spec)), 30, "what the restored server has written")
    wait_until(lambda: stored(ctx, spec)["walwire_timeline"] == 2, 10, "the new timeline to be stored")


def test_files_put_back_without_a_new_timeline(ctx):
    """As a snapshot of a disk does: only the position tells, as long as the server has not written past it."""
    server = server_with_table()
    engine, spec = begin(ctx, server, "d")
    server.stop()
    backup = copy_of(server)
    server.start()
    engine.wait_streaming(spec, server)
    server.psql("insert into t select i + 100, 0 from generate_series(1, 1000) i", "d")
    wait_until(lambda: len(ids(ctx, spec)) == 1002, 30)
    assert engine.sigterm() == 0
    server.stop()
    backup.start()
    engine = ctx.walwire({**spec, "config": {**spec["config"], "database.port": str(backup.port)}}, **SLIM)
    fails(engine, spec, "ahead of the server")


def promoted(ctx, lagging):
    """A standby that has the slot takes over from its primary, which is gone. Lagging, it lacks row 3, which was told."""
    server = server_with_table()
    engine, spec = begin(ctx, server, "d")
    server.stop()
    standby = copy_of(server, signal="standby", primary_conninfo=server.conninfo(), hot_standby_feedback="on")
    server.start()
    engine.wait_streaming(spec, server)
    if not lagging:
        standby.start()
    before = stored(ctx, spec)["lsn"]
    server.psql("insert into t values (3, 0)", "d")
    wait_ids(ctx, spec, [1, 2, 3])
    wait_until(lambda: stored(ctx, spec)["lsn"] > before, 10, "the position of row 3 to be stored")
    if not lagging:
        wait_until(lambda: standby.psql("select count(*) from t", "d") == "3", 20, "the standby to follow")
    server.kill()
    if lagging:
        standby.start()
    standby.psql("select pg_promote()")
    standby.psql("insert into t values (4, 0)", "d")
    move_to(engine, spec, standby)
    return engine, spec, standby


def test_a_standby_with_the_slot_is_promoted(ctx):
    engine, spec, standby = promoted(ctx, lagging=False)
    engine.wait_streaming(spec, standby)
    wait_ids(ctx, spec, [1, 2, 3, 4])
    wait_until(lambda: stored(ctx, spec)["walwire_timeline"] == 2, 15, "the new timeline to be stored")


def test_a_promoted_standby_that_lags_behind_the_position(ctx):
    engine, spec, _ = promoted(ctx, lagging=True)
    fails(engine, spec, "is of timeline 1, which the server left at")
    assert ids(ctx, spec) == [1, 2, 3]
