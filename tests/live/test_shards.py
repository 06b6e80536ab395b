"""walwire.slots: the tables of one database over several slots, with nothing lost, doubled or out of order within a table."""
import json

from fold import SLIM, body, events, fold, table, wait_equal, wait_folded
from services import WebSocket, run, wait_until
from writer import Writer

SEVEN = [f"t{i}" for i in range(7)]
TABLES = "create sequence version;" + "".join(
    f"create table {t}(id int primary key, v bigint); insert into {t} select i, 0 from generate_series(1, 300) i;" for t in SEVEN)

# A transaction touches three tables; every change takes a higher version.
CHANGES = "".join(f"""
    if i % 3 = {k % 3} then
      insert into t{k} values (1 + (i * 7919 + seed) % 400, nextval('version')) on conflict (id) do update set v = excluded.v;
      if i % 5 = 0 then delete from t{k} where id = 1 + (i * 104729 + seed) % 400; end if;
    end if;""" for k in range(7))


def sharded(ctx, db, slots=3, **settings):
    return ctx.connector(db, walwire__slots=str(slots), **settings)


def slots(spec):
    return [f"{spec['config']['slot.name']}_{i}" for i in range(int(spec["config"]["walwire.slots"]))]


def tasks(engine, spec):
    return engine.rest("GET", f"/connectors/{spec['name']}/status")[1]["tasks"]


def wait_all(ctx, engine, spec, timeout=60):
    """Until every slot is being read."""
    def reading():
        for t in tasks(engine, spec):
            if t["state"] == "FAILED":
                raise AssertionError(f"task {t['id']} failed: {t['trace'][:800]}")
        return all(ctx.postgres.streaming(s) for s in slots(spec))
    wait_until(reading, timeout, "all slots to be in use", every=0.1)


def wait_trace(engine, spec, task, timeout=30):
    def failed():
        t = tasks(engine, spec)
        return len(t) > task and t[task]["state"] == "FAILED" and t[task]["trace"]
    return wait_until(failed, timeout, f"task {task} to fail", every=0.1)


def published(ctx, spec, db):
    """The tables of each publication."""
    base = spec["config"]["publication.name"]
    rows = ctx.postgres.psql(f"select p.pubname, c.relname from pg_publication p left join pg_publication_rel r on r.prpubid = p.oid "
                             f"left join pg_class c on c.oid = r.prrelid where starts_with(p.pubname, '{base}_')", db).splitlines()
    found = {}
    for name, relation in (r.split("|") for r in rows):
        found.setdefault(int(name[len(base) + 1:]), set()).update([relation] if relation else [])
    return [found[i] for i in sorted(found)]


def key_of(spec, shard=None):
    server = spec["config"]["topic.prefix"] + ("" if shard is None else f"/{shard}")
    return json.dumps([spec["name"], {"server": server}], separators=(",", ":"))


def stored(ctx, spec):
    """The newest position of each shard."""
    every = ctx.kafka.offsets_of("connect-offsets")
    assert not every.get(key_of(spec)), "a shard's position is not to be taken for the whole connector's"
    return [every.get(key_of(spec, i)) for i in range(int(spec["config"]["walwire.slots"]))]


def where(name, n):
    """The shard of a new table, as engine/shard.c computes it."""
    mask, h = (1 << 64) - 1, 0xcbf29ce484222325
    for byte in f"public.{name}".encode():
        h = (h ^ byte) * 0x100000001b3 & mask
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        h = (h ^ h >> 33) * factor & mask
    return (h ^ h >> 33) % n


def names_for(shard, n, count):
    return [name for name in map("n{}".format, range(1000)) if where(name, n) == shard][:count]


def check_order(told, kills):
    """For each key the versions only rise, but for what is repeated after a kill."""
    last, back = {}, {}
    for e in told:
        key, v = e["key"]["id"], (e["after"] or {}).get("v")
        if v is not None:
            back[key] = back.get(key, 0) + (v < last.get(key, -1))
            last[key] = v
    assert max(back.values()) <= kills, back


# ---- the promise ----

def test_three_slots_seven_tables_and_kill_9(ctx):
    """Writers before, while and after the snapshots and through two kills: each topic folded is its table, each key's rows are
    in order, and every shard has a position of its own."""
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, table__include__list="public.t.")
    with Writer(ctx.postgres, db, CHANGES, seeds=(1, 2)):
        engine = ctx.walwire(spec, **{**SLIM, "offset__flush__interval__ms": "20"})
        wait_all(ctx, engine, spec)
        parts = published(ctx, spec, db)
        assert len(parts) == 3 and sorted(t for p in parts for t in p) == SEVEN and min(map(len, parts)) >= 1, parts
        for _ in range(2):
            then = int(ctx.postgres.psql("select last_value from version", db))
            wait_until(lambda: int(ctx.postgres.psql("select last_value from version", db)) > then + 2000, 30, every=0.05)
            engine.sigkill()
            wait_until(lambda: not any(ctx.postgres.streaming(s) for s in slots(spec)), 20, "the server to notice")
            engine.start()
            wait_all(ctx, engine, spec)
            assert published(ctx, spec, db) == parts, "a start moves no table"
    for name in SEVEN:
        check_order(wait_folded(ctx, spec, db, name, timeout=40), 2)
    wait_until(lambda: all(p and "lsn_commit" in p for p in stored(ctx, spec)), 20, "three positions")
    assert [p["walwire_slots"] for p in stored(ctx, spec)] == [3, 3, 3]
    assert [t["id"] for t in tasks(engine, spec)] == [0, 1, 2]
    assert engine.sigterm() == 0


test_three_slots_seven_tables_and_kill_9.timeout = 180


def test_a_killed_walsender_and_a_lost_slot_stop_one_task_only(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, table__include__list="public.t.", retriable__restart__connector__wait__ms="500")
    engine = ctx.walwire(spec, **SLIM)
    wait_all(ctx, engine, spec)
    name, middle = spec["name"], slots(spec)[1]

    def readers():
        return [ctx.postgres.psql(f"select active_pid from pg_replication_slots where slot_name = '{s}'") for s in slots(spec)]
    before = readers()
    ctx.postgres.psql(f"select pg_terminate_backend({before[1]})")
    wait_until(lambda: readers()[1] not in ("", before[1]), 30, "the killed one to come again")
    assert readers()[::2] == before[::2], "the others never noticed"

    def lost():
        ctx.postgres.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{middle}' and active")
        ctx.postgres.psql(f"select pg_drop_replication_slot('{middle}')")
        return True
    wait_until(lost, 20, "the slot to be gone", every=0.02)
    assert middle in wait_trace(engine, spec, 1)
    assert [t["state"] for t in tasks(engine, spec)] == ["RUNNING", "FAILED", "RUNNING"] and readers()[::2] == before[::2]
    parts = published(ctx, spec, db)
    ctx.postgres.psql("".join(f"insert into {t} values (5000, 1);" for t in SEVEN), db)
    for t in parts[0] | parts[2]:
        wait_folded(ctx, spec, db, t)
    assert engine.rest("GET", f"/connectors/{name}/tasks/1/status")[1]["state"] == "FAILED"
    assert engine.rest("GET", f"/connectors/{name}/tasks/3/status")[0] == 404
    assert engine.rest("POST", f"/connectors/{name}/tasks/3/restart")[0] == 404
    assert engine.rest("POST", f"/connectors/{name}/tasks/0/restart")[0] == 204
    wait_until(lambda: readers()[0] not in ("", before[0]), 30, "task 0 to be started again")
    assert readers()[2] == before[2]
    metrics = engine.rest("GET", "/metrics")[1]
    assert f'walwire_connector_state{{connector="{name}",task="1",state="FAILED"}} 1' in metrics
    lines = [line for line in metrics.splitlines() if not line.startswith("#")]
    assert len({line.rsplit(" ", 1)[0] for line in lines}) == len(lines), "a series is there twice"


# ---- the number of slots ----

def test_another_number_of_slots_is_refused(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, table__include__list="public.t.")
    engine, name = ctx.walwire(spec, **SLIM), spec["name"]
    wait_all(ctx, engine, spec)
    wait_until(lambda: all(stored(ctx, spec)), 20, "three positions")
    parts = published(ctx, spec, db)
    for other, task in (("2", 1), ("4", 3), ("1", 0)):
        assert engine.rest("PUT", f"/connectors/{name}/config", {**spec["config"], "walwire.slots": other})[0] == 200
        why = wait_trace(engine, spec, task)
        assert "walwire.slots=3" in why and "several-slots.md" in why, why
    assert not ctx.postgres.slot(spec["config"]["slot.name"]) and published(ctx, spec, db) == parts, "a refusal makes nothing"
    assert engine.rest("PUT", f"/connectors/{name}/config", spec["config"])[0] == 200
    wait_all(ctx, engine, spec)
    one = ctx.connector(db, table__include__list="public.t0")
    engine.create(one)
    engine.wait_streaming(one, ctx.postgres)
    wait_until(lambda: ctx.kafka.offsets_of("connect-offsets").get(key_of(one)), 20, "the position of one slot, under Debezium's key")
    assert engine.rest("PUT", f"/connectors/{one['name']}/config", {**one["config"], "walwire.slots": "2"})[0] == 200
    assert "walwire.slots=1" in wait_trace(engine, one, 1)


def test_from_one_slot_to_three_and_back_in_flight(ctx):
    """As docs/why/several-slots.md says: no snapshot, no stop of the writers, nothing lost."""
    db = ctx.database(TABLES)
    spec = ctx.connector(db, table__include__list="public.t.")
    engine, name, slot, base = ctx.walwire(spec, **SLIM), spec["name"], spec["config"]["slot.name"], spec["config"]["publication.name"]

    def stored_now():
        return {o["partition"]["server"]: o["offset"] for o in engine.rest("GET", f"/connectors/{name}/offsets")[1]["offsets"]}

    def at(offset):
        return max(offset.get("lsn_commit", offset["lsn"]), offset.get("walwire_lsn", 0))

    def position(n, **more):
        return {"lsn": n, "lsn_proc": n, "lsn_commit": n, "messageType": "COMMIT", **more}

    def change(publications, n, copies):
        """copies gives, from what is stored, the new positions and the slot that each is copied from."""
        ctx.postgres.psql(publications, db)
        there = int(ctx.postgres.psql("select pg_current_wal_lsn() - '0/0'"))
        wait_until(lambda: min(map(at, stored_now().values())) > there, 40, "the positions to be past them")
        assert engine.rest("PUT", f"/connectors/{name}/stop")[0] == 204
        wait_until(lambda: not ctx.postgres.psql(f"select 1 from pg_replication_slots where active and database = '{db}'"), 20, "the stop")
        old = stored_now()
        offsets = [{"partition": {"server": server}, "offset": None} for server in old]
        for server, new_slot, offset, old_slot in copies(old):
            ctx.postgres.psql(f"select pg_copy_logical_replication_slot('{old_slot}', '{new_slot}')", db)
            offsets.append({"partition": {"server": server}, "offset": offset})
        code, answer = engine.rest("PATCH", f"/connectors/{name}/offsets", {"offsets": offsets})
        assert code == 200, answer
        config = {**spec["config"], "walwire.slots": str(n)}
        assert engine.rest("PUT", f"/connectors/{name}/config", config)[0] == 200
        assert engine.rest("PUT", f"/connectors/{name}/resume")[0] == 202
        return {"name": name, "config": config}

    def to_three(old):
        return [(f"{name}/{i}", f"{slot}_{i}", position(at(old[name]), walwire_slots=3), slot) for i in range(3)]

    def to_one(old):
        server = min(old, key=lambda s: at(old[s]))
        return [(name, slot, position(at(old[server])), f"{slot}_{server[-1]}")]
    with Writer(ctx.postgres, db, CHANGES):
        engine.wait_streaming(spec, ctx.postgres)
        parts = [[t for t in SEVEN if where(t, 3) == i] for i in range(3)]
        three = change("".join(f"create publication {base}_{i} for table {','.join(p)};" for i, p in enumerate(parts)), 3, to_three)
        wait_all(ctx, engine, three)
        ctx.postgres.psql(f"select pg_drop_replication_slot('{slot}'); drop publication {base}", db)
        change(f"create publication {base} for table {','.join(SEVEN)}", 1, to_one)
        engine.wait_streaming(spec, ctx.postgres)
        ctx.postgres.psql("".join(f"select pg_drop_replication_slot('{slot}_{i}'); drop publication {base}_{i};" for i in range(3)), db)
    for t in SEVEN:
        told = wait_folded(ctx, spec, db, t, timeout=40)
        check_order(told, 1)
        ops = "".join(e["op"] for e in told)
        assert "r" not in ops.lstrip("r"), "there was one snapshot only"


def test_slots_and_publications_of_another_number_are_refused_without_positions(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, 2)
    base, slot = spec["config"]["publication.name"], spec["config"]["slot.name"]
    ctx.postgres.psql(f"create publication {base}_0 for table t0", db)
    engine = ctx.walwire(spec, kafka=False)
    assert f"{base}_0 is there" in wait_trace(engine, spec, 0)
    ctx.postgres.psql(f"drop publication {base}_0; select pg_create_logical_replication_slot('{slot}_7', 'pgoutput')", db)
    assert engine.rest("POST", f"/connectors/{spec['name']}/restart?includeTasks=true")[0] == 202
    wait_until(lambda: f"{slot}_7" in wait_trace(engine, spec, 1), 20)
    ctx.postgres.psql(f"select pg_drop_replication_slot('{slot}_7')", db)
    assert engine.rest("POST", f"/connectors/{spec['name']}/restart?onlyFailed=true&includeTasks=true")[0] == 202
    wait_until(lambda: all(ctx.postgres.streaming(s) for s in slots(spec)), 30, "all slots to be in use")


def test_what_needs_one_slot_is_refused_by_name(ctx):
    spec = ctx.connector("postgres")
    engine = ctx.walwire(kafka=False)
    for more, words in (({"provide.transaction.metadata": "true"}, "provide.transaction.metadata"),
                        ({"publication.autocreate.mode": "no_tables"}, "publication.autocreate.mode"),
                        ({"walwire.slots": "65"}, "64"), ({"walwire.slots": "0"}, "positive"),
                        ({"slot.name": "s" * 62}, "slot.name"), ({"publication.name": "p" * 62}, "publication.name"),
                        ({"walwire.slots": "11", "slot.name": "s" * 61}, "slot.name")):
        code, answer = engine.rest("POST", "/connectors", {"name": "refused", "config": {**spec["config"], "walwire.slots": "2", **more}})
        assert code == 400 and "walwire.slots" in answer["message"] and words in answer["message"], (more, answer)
    longest = {**spec["config"], "walwire.slots": "2", "slot.name": "s" * 61, "publication.name": "p" * 61}
    assert engine.rest("POST", "/connectors", {"name": "fits", "config": longest, "initial_state": "STOPPED"})[0] == 201


# ---- which table is where ----

def test_a_table_stays_where_it_is_and_new_ones_come_in_at_a_start(ctx):
    """A renamed table keeps its shard although its new name's would be another one; an empty shard is no error."""
    old, new = names_for(0, 2, 1)[0], names_for(1, 2, 1)[0]
    db = ctx.database(f"create table {old}(id int primary key, v int); insert into {old} values (1, 1);")
    spec = sharded(ctx, db, 2)
    engine = ctx.walwire(spec, **SLIM)
    wait_all(ctx, engine, spec)
    assert published(ctx, spec, db) == [{old}, set()]
    ctx.postgres.psql(f"alter table {old} rename to {new}; insert into {new} values (2, 2)", db)
    late = names_for(1, 2, 2)[1]
    ctx.postgres.psql(f"create table {late}(id int primary key, v int); insert into {late} values (1, 1)", db)
    engine.restart()
    wait_all(ctx, engine, spec)
    assert published(ctx, spec, db) == [{new}, {late}]
    ctx.postgres.psql(f"insert into {new} values (3, 3); insert into {late} values (2, 2)", db)
    topic = f"{spec['name']}.public."
    wait_until(lambda: [e["after"]["id"] for e in events(ctx.kafka, topic + new)] == [2, 3], 30, "rows under the new name")
    wait_until(lambda: [e["after"]["id"] for e in events(ctx.kafka, topic + late)] == [2], 30, "rows of the new table")
    ctx.postgres.psql(f"drop table {late}", db)
    engine.restart()
    wait_all(ctx, engine, spec)
    assert published(ctx, spec, db) == [{new}, set()]


def test_all_tables_means_those_of_the_start(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, 2, publication__autocreate__mode="all_tables")
    engine = ctx.walwire(spec, kafka=False)
    wait_all(ctx, engine, spec)
    assert sorted(t for p in published(ctx, spec, db) for t in p) == SEVEN
    base = spec["config"]["publication.name"]
    assert ctx.postgres.psql(f"select bool_or(puballtables) from pg_publication where pubname like '{base}%'", db) == "f"


PARTED = ("create table {top}(id int, region text, v int, primary key (id, region)) partition by list (region);"
          "create table {a} partition of {top} for values in ('a'); create table {b} partition of {top} for values in ('b');"
          "insert into {top} values (1, 'a', 1), (2, 'b', 2);")


def test_a_partition_tree_is_never_split(ctx):
    """Partitions whose own names belong elsewhere go with their root, told under the root's name or under their own, also one
    that is attached while streaming."""
    top, a, b, c = *names_for(0, 2, 1), *names_for(1, 2, 3)
    for via_root in ("true", "false"):
        db = ctx.database(PARTED.format(top=top, a=a, b=b))
        spec = sharded(ctx, db, 2, publish__via__partition__root=via_root, snapshot__mode="no_data")
        engine = ctx.walwire(spec, **SLIM)
        wait_all(ctx, engine, spec)
        assert published(ctx, spec, db) == [{top, a, b}, set()]
        ctx.postgres.psql(f"create table {c} partition of {top} for values in ('c'); insert into {top} values (3, 'c', 3), (4, 'a', 4);"
                          f"update {top} set v = 9 where id = 2", db)

        def told():
            return [(t, e["op"], e["after"]["id"]) for t in (top, a, b, c) for e in events(ctx.kafka, f"{spec['name']}.public.{t}")]
        wanted = [("c", 3), ("c", 4), ("u", 2)]
        wanted = [(top, *w) for w in wanted] if via_root == "true" else [(a, "c", 4), (b, "u", 2), (c, "c", 3)]
        wait_until(lambda: told() == wanted, 30, "each change to be told once")
        engine.sigterm()
        assert told() == wanted


def test_publications_of_ones_own_decide(ctx):
    """publication.autocreate.mode=disabled: the tables are where the publications have them; one that is in none, or in two, is
    named."""
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, 2, publication__autocreate__mode="disabled", table__include__list="public.t[0-2]")
    base = spec["config"]["publication.name"]
    engine = ctx.walwire(spec, **SLIM)

    def again(task=0):
        assert engine.rest("POST", f"/connectors/{spec['name']}/restart?includeTasks=true")[0] == 202
        return wait_trace(engine, spec, task)
    assert f"{base}_0 to {base}_1" in wait_trace(engine, spec, 0)
    ctx.postgres.psql(f"create publication {base}_0 for table t0, t1; create publication {base}_1 for table t1", db)
    wait_until(lambda: "public.t1" in again() and "several" in again(), 20)
    ctx.postgres.psql(f"alter publication {base}_0 set table t0", db)
    wait_until(lambda: "public.t2 is in none" in again(1), 20)
    ctx.postgres.psql(f"alter publication {base}_0 add table t2", db)
    wait_until(lambda: engine.rest("POST", f"/connectors/{spec['name']}/restart?onlyFailed=true&includeTasks=true")[0] == 202 and
               all(ctx.postgres.streaming(s) for s in slots(spec)), 30, "all slots to be in use", every=1)
    assert published(ctx, spec, db) == [{"t0", "t2"}, {"t1"}]
    for t in ("t0", "t1", "t2"):
        assert len(wait_folded(ctx, spec, db, t)) == 300, "each row is read once"


def test_check_tells_who_has_which_table_and_how_to_make_the_publications(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, table__include__list="public.t.")

    def check(spec):
        path = f"{ctx.temp_dir()}/connector.json"
        with open(path, "w") as f:
            json.dump(spec, f)
        done = run("check", path)
        assert done.stderr == "", done.stderr
        return done.returncode, done.stdout
    base = spec["config"]["publication.name"]
    code, said = check(spec)
    assert code == 0 and all(f"slot {s} does not exist yet" in said for s in slots(spec)), said
    assert all(f"publication {base}_{i} will be created: " in said for i in range(3)) and all(f'"{t}"' in said for t in SEVEN), said
    disabled = {**spec, "config": {**spec["config"], "publication.autocreate.mode": "disabled"}}
    code, said = check(disabled)
    commands = [line.strip() for line in said.splitlines() if line.startswith("        CREATE PUBLICATION")]
    assert code == 1 and len(commands) == 3, said
    ctx.postgres.psql("\n".join(commands), db)
    code, said = check(disabled)
    assert code == 0 and said.count(" is there: ") == 3, said
    assert [set(t for t in SEVEN if where(t, 3) == i) for i in range(3)] == published(ctx, spec, db), "as walwire itself would have done it"
    code, said = check({**spec, "config": {**spec["config"], "walwire.slots": "64"}})
    assert code == 1 and "ALTER SYSTEM SET max_wal_senders" in said and "walwire.slots=64 needs the publications" in said, said


# ---- beside the rows ----

def test_messages_and_the_heartbeat_query_are_not_multiplied(ctx):
    db = ctx.database(TABLES + "create table beats(at timestamptz);")
    spec = sharded(ctx, db, table__include__list="public.t.", heartbeat__interval__ms="300", snapshot__mode="no_data",
                   **{"heartbeat.action.query": "insert into beats values (now())"})
    engine = ctx.walwire(spec, **SLIM)
    wait_all(ctx, engine, spec)
    ctx.postgres.psql("select pg_logical_emit_message(true, 'p', 'one'); select pg_logical_emit_message(false, 'p', 'two');"
                      + "".join(f"insert into {t} values (1000, 1);" for t in SEVEN), db)
    for t in SEVEN:
        wait_until(lambda: [e["after"]["id"] for e in events(ctx.kafka, f"{spec['name']}.public.{t}")] == [1000], 30)
    told = wait_until(lambda: len(got := ctx.kafka.consume(f"{spec['name']}.message")) >= 2 and got, 30, "two messages")
    assert [body(m["value"])["message"]["prefix"] for m in told] == ["p", "p"], "once each"
    wait_until(lambda: int(ctx.postgres.psql("select count(*) from beats", db)) >= 3, 20, "beats")
    assert float(ctx.postgres.psql("select extract(epoch from max(at) - min(at)) / (count(*) - 1) from beats", db)) > 0.25
    assert ctx.kafka.consume(f"__debezium-heartbeat.{spec['name']}")
    headers = {dict(m["headers"])["__debezium.context.taskId"] for t in SEVEN for m in ctx.kafka.consume(f"{spec['name']}.public.{t}")}
    assert headers == {"0", "1", "2"}


def test_a_truncate_of_tables_in_several_shards(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, table__include__list="public.t.", snapshot__mode="no_data", skipped__operations="none")
    engine = ctx.walwire(spec, **SLIM)
    wait_all(ctx, engine, spec)
    ctx.postgres.psql("truncate " + ",".join(SEVEN), db)
    for t in SEVEN:
        wait_until(lambda: [e["op"] for e in events(ctx.kafka, f"{spec['name']}.public.{t}")] == ["t"], 30, f"one truncate of {t}")


def test_browsers_are_told_where_a_table_is(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, 2)
    engine = ctx.walwire(spec, kafka=False)
    wait_all(ctx, engine, spec)
    parts = published(ctx, spec, db)
    with WebSocket(f"{engine.ws}?connector={spec['name']}") as first:
        assert {t["name"] for t in first.recv_type("welcome")["tables"]} == {f"public.{t}" for t in parts[0]}
        here, there = min(parts[0]), min(parts[1])
        first.send({"type": "subscribe", "id": 1, "table": f"public.{there}"})
        error = first.recv_type("error")
        assert error["code"] == "unknown_table" and f"/ws?connector={spec['name']}/1" in error["message"]
        first.send({"type": "subscribe", "id": 2, "table": f"public.{here}", "snapshot": True})
        assert first.recv_type("ready")["count"] == 300
    with WebSocket(f"{engine.ws}?connector={spec['name']}/1") as second:
        second.recv_type("welcome")
        second.send({"type": "subscribe", "id": 1, "table": f"public.{there}", "snapshot": True})
        assert second.recv_type("ready")["count"] == 300
        ctx.postgres.psql(f"insert into {there} values (1000, 7)", db)
        assert second.recv_type("change")["row"] == {"id": 1000, "v": 7}


def test_initial_only_reads_every_table_once(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, snapshot__mode="initial_only")
    engine = ctx.walwire(spec, **SLIM)
    for t in SEVEN:
        assert len(wait_folded(ctx, spec, db, t)) == 300
    assert published(ctx, spec, db) == [] and not any(ctx.postgres.slot(s) for s in slots(spec))
    assert engine.sigterm() == 0


def test_slot_drop_on_stop_drops_them_all(ctx):
    db = ctx.database(TABLES)
    spec = sharded(ctx, db, slot__drop__on__stop="true")
    engine = ctx.walwire(spec, kafka=False)
    wait_all(ctx, engine, spec)
    assert engine.sigterm() == 0
    assert not any(ctx.postgres.slot(s) for s in slots(spec))
