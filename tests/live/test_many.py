"""Many connectors in one process: each with its slot, its threads and its own failures."""
import os, threading

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
