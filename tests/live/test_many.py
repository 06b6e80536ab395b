"""Many connectors in one process: each with its slot, its threads and its own failures."""
import os, threading

from process import Process, at_exit
from services import wait_until
from walwire import connector

DATABASES, EACH = 10, 5
MOST_KB, MOST_THREADS = 12288, 3  # of a connector that has nothing to do


def threads(engine):
    return len(os.listdir(f"/proc/{engine.process.pid}/task"))


def pgs(postgres, sql, databases):
    """One statement on all of them, side by side."""
    running = [threading.Thread(target=postgres.psql, args=(sql, db)) for db in databases]
    for t in running:
        t.start()
    for t in running:
        t.join()


def test_fifty_connectors_fail_each_alone(ctx):
    from postgres import Postgres
    postgres = Postgres({"max_replication_slots": 80, "max_wal_senders": 80, "max_connections": 300, "shared_buffers": "32MB"})
    names = [f"many{i}" for i in range(DATABASES)]
    for db in names:
        postgres.psql(f"create database {db}")
    pgs(postgres, "".join(f"create table t{i}(id int primary key, v text); insert into t{i} values (1, 'first');" for i in range(EACH)), names)
    specs = [connector(f"{db}_{i}", postgres, db, **{"table.include.list": f"public.t{i}", "errors.max.retries": "2",
                                                    "retriable.restart.connector.wait.ms": "300", "slot.max.retries": "0"})
             for db in names for i in range(EACH)]
    engine = ctx.walwire(kafka=False, websocket__listeners="none")
    idle_kb, idle_threads = engine.rss_kb(), threads(engine)
    for spec in specs:
        engine.create(spec)

    def active():
        return int(postgres.psql("select count(*) from pg_replication_slots where active"))
    wait_until(lambda: active() == len(specs), 90, f"{len(specs)} slots to be read", every=0.3)
    wait_until(lambda: states(engine).count("RUNNING") == len(specs), 20, "all to run")
    each_kb, each_threads = (engine.rss_kb() - idle_kb) / len(specs), (threads(engine) - idle_threads) / len(specs)
    print(f"        {len(specs)} connectors: {each_kb:.0f} kB and {each_threads:.1f} threads each", flush=True)
    assert each_kb < MOST_KB, f"{each_kb:.0f} kB for each connector"
    assert each_threads <= MOST_THREADS, f"{each_threads} threads for each connector"
    fail_some(engine, postgres, specs)
    engine.sigterm()
    postgres.stop()


def states(engine):
    _, found = engine.rest("GET", "/connectors?expand=status")
    return [c["status"]["tasks"][0]["state"] for c in found.values() if c["status"]["tasks"]]


def failed(engine):
    _, found = engine.rest("GET", "/connectors?expand=status")
    return sorted(n for n, c in found.items() if c["status"]["tasks"] and c["status"]["tasks"][0]["state"] == "FAILED")


def fail_some(engine, postgres, specs):
    """A slot that is dropped and a database that is dropped: their connectors fail, after errors.max.retries, and no other."""
    gone = specs[7]["config"]["slot.name"]
    postgres.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{gone}'")
    drop_slots(postgres, f"slot_name = '{gone}'")
    wait_until(lambda: failed(engine) == [specs[7]["name"]], 30, "the connector without a slot to fail, and no other")
    db = specs[-1]["config"]["database.dbname"]
    drop_slots(postgres, f"database = '{db}'")
    postgres.psql(f"drop database {db} with (force)")
    wanted = sorted([specs[7]["name"], *(s["name"] for s in specs if s["config"]["database.dbname"] == db)])
    wait_until(lambda: failed(engine) == wanted, 60, "the connectors of the dropped database to fail, and no other")
    others = [s for s in specs if s["name"] not in wanted]
    for s in others[::9]:
        table, db = s["config"]["table.include.list"], s["config"]["database.dbname"]
        before = flushed(postgres, s)
        postgres.psql(f"insert into {table} values (2, 'second')", db)
        wait_until(lambda: flushed(postgres, s) > before, 30, f"{s['name']} to go on")
    assert len(others) == len(specs) - len(wanted) and failed(engine) == wanted


def drop_slots(postgres, which):
    """Faster than a reader that tries again."""
    postgres.psql(f"""
        do $$
        declare s record;
        begin
          for s in select slot_name from pg_replication_slots where {which} loop
            for n in 1 .. 200 loop
              begin
                perform pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = s.slot_name and active;
                perform pg_drop_replication_slot(s.slot_name);
                exit;
              exception when object_in_use then
                perform pg_sleep(0.02);
              end;
            end loop;
          end loop;
        end $$""")


def flushed(postgres, spec):
    return int(postgres.psql(f"select confirmed_flush_lsn - '0/0' from pg_replication_slots where slot_name = '{spec['config']['slot.name']}'"))


test_fifty_connectors_fail_each_alone.timeout = 240


def occupy(ctx, postgres, db, slot):
    """Another reader on the slot, until it is stopped."""
    reader = Process([postgres.program("pg_recvlogical"), "-d", postgres.conninfo(db), "-S", slot, "--start", "-f", "/dev/null",
                      "-o", "proto_version=1", "-o", "publication_names=dbz_publication"], os.path.join(ctx.temp_dir(), "log"))
    at_exit(reader.stop)
    wait_until(lambda: postgres.streaming(slot), 20, f"slot {slot} to be in use")
    return reader


def test_a_task_is_tried_again_as_often_as_errors_max_retries_says(ctx):
    """Two tries more and no third; without a limit it goes on as soon as what was in its way is gone."""
    db = ctx.database("create table t(id int primary key); insert into t values (1)")
    spec = ctx.connector(db, slot__max__retries="0", retriable__restart__connector__wait__ms="400", errors__max__retries="2")
    engine, name = ctx.walwire(spec), spec["name"]
    reader, before = resume_while_occupied(ctx, engine, db, spec)
    wait_until(lambda: engine.status(name)[0] == "FAILED", 30, "the task to fail")
    assert "is in use by process" in engine.status(name)[1], engine.status(name)
    assert tries(engine) - before == 2, f"{tries(engine) - before} tries more"
    reader.stop()
    engine.rest("PATCH", f"/connectors/{name}/config", {"errors.max.retries": "-1"})
    reader, before = resume_while_occupied(ctx, engine, db, spec)
    wait_until(lambda: tries(engine) - before > 6, 30, "more tries than two")
    reader.stop()
    engine.wait_streaming(spec, ctx.postgres)


def tries(engine):
    return engine.log().count("trying again in")


def resume_while_occupied(ctx, engine, db, spec):
    """Another has the slot when the connector, which has streamed before, wants it back."""
    engine.wait_streaming(spec, ctx.postgres)
    engine.rest("PUT", f"/connectors/{spec['name']}/stop")
    wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 20, "the slot to be free")
    reader, before = occupy(ctx, ctx.postgres, db, spec["config"]["slot.name"]), tries(engine)
    engine.rest("PUT", f"/connectors/{spec['name']}/resume")
    return reader, before


def test_parts_of_a_configuration_changed_at_once_are_all_kept(ctx):
    db = ctx.database("create table t(id int primary key)")
    spec = ctx.connector(db)
    engine, name = ctx.walwire(spec, kafka=False), spec["name"]
    engine.wait_running(name)
    codes = []

    def change(i):
        codes.append(engine.rest("PATCH", f"/connectors/{name}/config", {f"custom.part{i}": str(i)})[0])
    running = [threading.Thread(target=change, args=(i,)) for i in range(8)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert codes == [200] * 8, codes
    config = engine.rest("GET", f"/connectors/{name}/config")[1]
    assert [config.get(f"custom.part{i}") for i in range(8)] == [str(i) for i in range(8)], config
