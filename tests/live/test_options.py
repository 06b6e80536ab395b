"""Options that decide how a connector treats its slot, its tables and its topics."""
import os, subprocess, time

from services import BINARY, ROOT, run, wait_until

SHOP = "create table orders (id int primary key, note text); create table users (id int primary key); insert into orders values (1, 'a')"


def streaming(ctx, db, engine=None, **settings):
    spec = ctx.connector(db, **settings)
    engine = engine or ctx.walwire()
    engine.create(spec)
    engine.wait_streaming(spec, ctx.postgres)
    return engine, spec


def reconfigure(engine, spec, **settings):
    """PUTs the same configuration with other settings while the connector is stopped, and resumes it."""
    spec["config"].update(settings)
    code, answer = engine.rest("PUT", f"/connectors/{spec['name']}/config", spec["config"])
    assert code == 200, answer
    engine.rest("PUT", f"/connectors/{spec['name']}/resume")


def stop(ctx, engine, spec):
    engine.rest("PUT", f"/connectors/{spec['name']}/stop")
    wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 15, "the slot to be free")


def confirmed(ctx, spec):
    return ctx.postgres.slot(spec["config"]["slot.name"])["confirmed"]


def flushed(ctx, spec):
    """All that was written up to now is behind the slot's position."""
    now = ctx.postgres.psql("select pg_current_wal_lsn()")
    slot = spec["config"]["slot.name"]
    ask = f"select confirmed_flush_lsn >= '{now}' from pg_replication_slots where slot_name = '{slot}'"
    return wait_until(lambda: ctx.postgres.psql(ask) == "t", 30, "the slot to be acknowledged up to now")


def orders(ctx, spec, count):
    return ctx.kafka.wait_records(f"{spec['name']}.public.orders", count)


def fails(engine, spec, *phrases, timeout=30):
    engine.wait_state(spec["name"], "FAILED", timeout)
    trace = engine.status(spec["name"])[1]
    for phrase in phrases:
        assert phrase in trace, trace


def logged(engine, phrase, timeout=20):
    return wait_until(lambda: phrase in engine.log(), timeout, f"the log to say {phrase!r}")


# ---- the slot ----

def test_a_slot_in_use_is_waited_for(ctx):
    db = ctx.database(SHOP)
    engine, first = streaming(ctx, db)
    slot, publication = first["config"]["slot.name"], first["config"]["publication.name"]
    second = ctx.connector(db, **{"slot.name": slot, "publication.name": publication, "snapshot.mode": "no_data",
                                  "slot.max.retries": "30", "slot.retry.delay.ms": "1000"})
    engine.create(second)
    logged(engine, f"slot {slot} is in use by process")
    logged(engine, "waiting for it")
    engine.rest("DELETE", f"/connectors/{first['name']}")
    engine.wait_streaming(second, ctx.postgres)
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    assert len(orders(ctx, second, 1)) == 1


def test_creating_a_slot_is_given_up_in_time_and_tried_again(ctx):
    db = ctx.database(SHOP)
    holder = subprocess.Popen([ctx.postgres.program("psql"), "-qX", "-d", ctx.postgres.conninfo(db)], stdin=subprocess.PIPE, text=True)
    holder.stdin.write("begin; insert into users values (1);\n")
    holder.stdin.flush()
    try:
        wait_until(lambda: ctx.postgres.psql("select count(*) from pg_stat_activity where backend_xid is not null") != "0", 10, "a transaction")
        spec = ctx.connector(db, **{"internal.create.slot.command.timeout": "1", "slot.max.retries": "60", "slot.retry.delay.ms": "200"})
        engine = ctx.walwire()
        engine.create(spec)
        logged(engine, "waited for running transactions for 1 s")
        logged(engine, "2 of 60")
    finally:
        holder.stdin.close()
        holder.wait(10)
    engine.wait_streaming(spec, ctx.postgres)
    orders(ctx, spec, 1)


def test_failover_slots_where_the_server_has_them(ctx):
    db = ctx.database(SHOP)
    _, spec = streaming(ctx, db, **{"slot.failover": "true"})
    if int(ctx.postgres.psql("show server_version_num")) >= 170000:
        assert ctx.postgres.psql(f"select failover from pg_replication_slots where slot_name = '{spec['config']['slot.name']}'") == "t"
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    orders(ctx, spec, 2)


def test_nobody_acknowledges_in_mode_manual(ctx):
    db = ctx.database(SHOP)
    engine, spec = streaming(ctx, db, **{"lsn.flush.mode": "manual", "status.update.interval.ms": "100"})
    before = confirmed(ctx, spec)
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    orders(ctx, spec, 2)
    stop(ctx, engine, spec)  # a last status, and the position is stored
    assert confirmed(ctx, spec) == before
    reconfigure(engine, spec, **{"lsn.flush.mode": "connector"})
    engine.wait_streaming(spec, ctx.postgres)
    ctx.postgres.psql("insert into orders values (3, 'c')", db)
    assert len(orders(ctx, spec, 3)) == 3
    flushed(ctx, spec)


def test_a_slot_behind_the_stored_position_is_moved(ctx):
    db = ctx.database(SHOP)
    engine, spec = streaming(ctx, db, **{"lsn.flush.mode": "manual"})
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    orders(ctx, spec, 2)
    stop(ctx, engine, spec)
    before = confirmed(ctx, spec)
    reconfigure(engine, spec, **{"lsn.flush.mode": "connector", "offset.mismatch.strategy": "trust_offset"})
    engine.wait_streaming(spec, ctx.postgres)
    assert f"moving slot {spec['config']['slot.name']} to the stored offset" in engine.log()
    assert confirmed(ctx, spec) != before
    ctx.postgres.psql("insert into orders values (3, 'c')", db)
    assert len(orders(ctx, spec, 3)) == 3


def test_a_slot_past_the_stored_position(ctx):
    """Refused, since what is between would be lost without a word; trust_slot goes on without it."""
    db = ctx.database(SHOP)
    engine, spec = streaming(ctx, db)
    stop(ctx, engine, spec)
    slot = spec["config"]["slot.name"]
    ctx.postgres.psql("insert into orders values (2, 'lost')", db)
    ctx.postgres.psql(f"select pg_replication_slot_advance('{slot}', pg_current_wal_lsn())", db)
    reconfigure(engine, spec)
    fails(engine, spec, f"slot {slot} was moved", "offset.mismatch.strategy=trust_slot")
    stop(ctx, engine, spec)
    reconfigure(engine, spec, **{"offset.mismatch.strategy": "trust_slot"})
    engine.wait_streaming(spec, ctx.postgres)
    assert "as offset.mismatch.strategy says" in engine.log()
    ctx.postgres.psql("insert into orders values (3, 'c')", db)
    got = [m["value"] for m in orders(ctx, spec, 2)]
    assert len(got) == 2 and '"c"' in got[1] and "lost" not in got[1], got


def test_a_snapshot_that_broke_off_is_read_after_the_slot_was_trusted(ctx):
    """The position is of another server, where a snapshot was being read: the one of this server has not begun yet."""
    db = ctx.database(SHOP)
    engine, spec = streaming(ctx, db, **{"offset.mismatch.strategy": "trust_slot"})
    stop(ctx, engine, spec)
    orders(ctx, spec, 1)
    path = f"/connectors/{spec['name']}/offsets"
    stored = engine.rest("GET", path)[1]["offsets"]
    stored[0]["offset"].update({"snapshot": "INITIAL", "snapshot_completed": False, "last_snapshot_record": False, "walwire_system": "1"})
    code, answer = engine.rest("PATCH", path, {"offsets": stored})
    assert code == 200, answer
    reconfigure(engine, spec)
    engine.wait_streaming(spec, ctx.postgres)
    again = orders(ctx, spec, 2)[1]["value"]
    assert '"op":"r"' in again, again
    assert "is of another PostgreSQL server" in engine.log() and "as offset.mismatch.strategy says" in engine.log()


def test_further_options_reach_the_servers_plugin(ctx):
    db = ctx.database(SHOP)
    params = "proto_version=1;messages=false" if int(ctx.postgres.psql("show server_version_num")) >= 140000 else "proto_version=1"
    _, spec = streaming(ctx, db, **{"slot.stream.params": params})
    ctx.postgres.psql("select pg_logical_emit_message(true, 'app', 'x'); insert into orders values (2, 'b')", db)
    orders(ctx, spec, 2)
    assert ("messages" not in params) or f"{spec['name']}.message" not in ctx.kafka.topics()


# ---- tables ----

def test_too_many_tables(ctx):
    db, engine = ctx.database(SHOP), ctx.walwire()
    spec = ctx.connector(db, **{"guardrail.collections.max": "1", "guardrail.collections.limit.action": "fail"})
    engine.create(spec)
    fails(engine, spec, "Guardrail limit exceeded: 2 tables/collections configured for capture, but maximum allowed is 1.")
    streaming(ctx, db, engine, **{"guardrail.collections.max": "1"})
    assert engine.log().count("Guardrail limit exceeded") > 1


def test_lists_that_match_nothing_are_told(ctx):
    db = ctx.database(SHOP)
    engine, _ = streaming(ctx, db, **{"table.include.list": "public.ordres", "publication.autocreate.mode": "all_tables"})
    assert "no changes will be captured. Please check your configuration!" in engine.log()


def test_replica_identities_are_set(ctx):
    db = ctx.database(SHOP + "; create table pair (id int primary key, u int not null); create unique index pair_u on pair (u)")
    engine, spec = streaming(ctx, db, **{"replica.identity.autoset.values":
                                         "public.orders:full,public.pair:INDEX pair_u,public.us.*:FULL,public.users:NOTHING"})
    ask = "select string_agg(relname || relreplident::text, ',' order by relname) from pg_class where relname in ('orders', 'pair', 'users')"
    assert ctx.postgres.psql(ask, db) == "ordersf,pairi,usersd"
    assert "more than one expression matches table public.users" in engine.log()
    ctx.postgres.psql("update orders set note = 'b'", db)
    assert '"before":{"id":1,"note":"a"}' in orders(ctx, spec, 2)[1]["value"]


# ---- heartbeats ----

def test_a_failing_heartbeat_query_is_logged_and_streaming_goes_on(ctx):
    db = ctx.database(SHOP)
    engine, spec = streaming(ctx, db, **{"heartbeat.interval.ms": "100", "heartbeat.action.query": "set search_path = nowhere; select 1/0"})
    logged(engine, "heartbeat.action.query: division by zero")
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    orders(ctx, spec, 2)


def test_a_heartbeat_query_has_a_time_limit(ctx):
    db = ctx.database(SHOP)
    engine, spec = streaming(ctx, db, **{"heartbeat.interval.ms": "100", "heartbeat.action.query": "select pg_sleep(60)",
                                         "database.query.timeout.ms": "200"})
    logged(engine, "statement timeout")
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    orders(ctx, spec, 2)


def test_a_heartbeat_query_without_its_table_ends_the_connector(ctx):
    db = ctx.database(SHOP)
    spec = ctx.connector(db, **{"heartbeat.interval.ms": "100", "heartbeat.action.query": "insert into beats values (1)"})
    engine = ctx.walwire()
    engine.create(spec)
    fails(engine, spec, "heartbeat.action.query", "beats")


# ---- topics ----

def test_topics_are_made_as_their_groups_say(ctx):
    db = ctx.database(SHOP + "; insert into users values (1)")
    engine, spec = streaming(ctx, db, **{
        "topic.creation.default.partitions": "3", "topic.creation.default.replication.factor": "1",
        "topic.creation.groups": "one, two", "topic.creation.one.include": ".*orders,.*none", "topic.creation.one.partitions": "2",
        "topic.creation.two.include": ".*", "topic.creation.two.exclude": ".*users", "topic.creation.two.partitions": "4",
        "heartbeat.interval.ms": "100", "topic.heartbeat.name": f"beats-{db}"})
    orders(ctx, spec, 1)
    ctx.kafka.wait_records(f"{spec['name']}.public.users", 1)
    ctx.kafka.wait_records(f"beats-{db}", 1)
    assert [len(ctx.kafka.ends(t)) for t in (f"{spec['name']}.public.orders", f"{spec['name']}.public.users", f"beats-{db}")] == [2, 3, 4]


# ---- walwire check ----

def test_a_broker_that_is_down_is_waited_for_once(ctx):
    db = ctx.database(SHOP)
    engine = ctx.walwire(kafka=False)
    spec = ctx.connector(db)
    file = engine._write("checked.properties", "".join(f"{k}={v}\n" for k, v in spec["config"].items()))
    worker = engine._write("down.properties", "bootstrap.servers=127.0.0.1:9\n")
    start = time.monotonic()
    done = run("check", file, "--worker", worker)
    took = time.monotonic() - start
    assert done.returncode == 1 and "were not looked at" in done.stdout, done.stdout
    assert took < 9, f"{took:.1f} s"


def test_the_document_names_what_there_is(ctx):
    printed = subprocess.run([BINARY, "options", "--markdown"], capture_output=True, text=True, check=True).stdout
    with open(os.path.join(ROOT, "docs", "OPTIONS.md")) as f:
        assert f.read() == printed, "docs/OPTIONS.md is old: walwire options --markdown > docs/OPTIONS.md"
