"""Faults of PostgreSQL: its processes, its slots and publications, its roles, its past (F20 to F38)."""
import os, shutil, signal, time

from copies import own
from session import Failed, Session
from trial import fault, stops

SHUTDOWN = 10  # seconds
MOVED = {"I7": "the slot was moved by somebody else"}
BACK = "the database has forgotten what was told"


def end_sender(t):
    t.postgres.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{t.slot}' and active")


def drop_slot(t):
    """Between two connections of walwire's, if it is running."""
    def gone():
        end_sender(t)
        t.postgres.psql(f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{t.slot}' and not active")
        return t.postgres.slot(t.slot) is None
    t.eventually(gone, 15, "the slot to be dropped", every=0.001)


def stop_server(t):
    start = time.monotonic()
    t.postgres.stop()
    took = time.monotonic() - start
    assert took < SHUTDOWN, f"the fast shutdown took {took:.1f} s"


@fault("F20", "PostgreSQL restarts (pg_ctl restart -m fast) under load", short=True)
def restart_fast(t):
    """The server is not kept waiting, and what it sent before its end is not sent again."""
    stop_server(t)
    t.postgres.start()


@fault("F21", "PostgreSQL crashes (pg_ctl stop -m immediate) three times", own=("postgres",), catchup=60)
def crash(t):
    """The slot may have gone back in the crash: what was acknowledged is still not sent again."""
    for _ in range(3):
        t.writer.more(t.random.randrange(20, 100))
        t.postgres.kill()
        t.postgres.start()
        t.eventually(lambda: t.postgres.streaming(t.slot), 30, "the slot to be in use")


@fault("F22", "pg_terminate_backend of the walsender, twenty times")
def terminate(t):
    """Each new connection begins at the stored position."""
    for _ in range(20):
        end_sender(t)
        time.sleep(t.random.random() / 2)


@fault("F22b", "pg_terminate_backend of all sessions of walwire's, ten times")
def terminate_all(t):
    """The session that reads the catalogue is made anew with the stream."""
    for _ in range(10):
        t.postgres.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'Debezium%' "
                        f"and datname = '{t.db}'")
        time.sleep(t.random.random())


@fault("F23", "the slot is dropped while it is streamed from", expect=stops(r"slot \w+ does not exist"), short=True)
def dropped(t):
    """A new slot would begin behind changes that nobody has seen: none is made."""
    drop_slot(t)


@fault("F24", "the slot is dropped while walwire is stopped", expect=stops(r"slot \w+ does not exist"))
def dropped_while_stopped(t):
    """The same at a start."""
    t.engine.sigterm()
    drop_slot(t)
    t.start(wait=False)


@fault("F25", "the slot is dropped and made anew while walwire is stopped", expect=stops(r"slot \w+ (has|was) moved"),
       waive=MOVED)
def recreated(t):
    """A slot of the same name that is younger than the stored position is another one."""
    t.engine.sigterm()
    drop_slot(t)
    t.writer.more(10)
    t.writer.pause()
    t.sql(f"select pg_create_logical_replication_slot('{t.slot}', 'pgoutput')")
    t.writer.resume()
    t.start(wait=False)


@fault("F25b", "the slot is dropped and made anew under a running walwire", expect=stops(r"slot \w+ (has|was) moved|does not exist"),
       waive=MOVED)
def recreated_while_running(t):
    """The same between two connections."""
    drop_slot(t)
    t.writer.pause()
    try:
        t.sql(f"select pg_create_logical_replication_slot('{t.slot}', 'pgoutput')")
    finally:
        t.writer.resume()


@fault("F26", "the slot is moved forward by hand", expect=stops(r"slot \w+ (has|was) moved"), waive=MOVED)
def advanced(t):
    """pg_replication_slot_advance past the stored position."""
    t.engine.sigkill()
    t.eventually(lambda: not t.postgres.streaming(t.slot), 10, "the server to notice")
    t.writer.more(20)
    t.sql(f"select pg_replication_slot_advance('{t.slot}', pg_current_wal_lsn())")
    t.start(wait=False)


@fault("F27", "the slot loses its WAL (max_slot_wal_keep_size)", expect=stops(r"slot \w+ has lost its WAL"),
       postgres={"max_slot_wal_keep_size": "2MB", "max_wal_size": "4MB", "min_wal_size": "2MB"}, workload={"pace": 0.1, "big": False, "copies": False})
def invalidated(t):
    """A server with little room for WAL gives up the slot of a walwire that is stopped."""
    t.engine.sigterm()

    def lost():
        t.sql("create table if not exists filler(a text); insert into filler select repeat('x', 1000) from generate_series(1, 4000)")
        t.postgres.psql("select pg_switch_wal(); checkpoint")
        return t.postgres.psql(f"select wal_status from pg_replication_slots where slot_name = '{t.slot}'") == "lost"
    t.eventually(lost, 40, "the slot to be lost")
    t.start(wait=False)


@fault("F28", "the publication is dropped and made anew under load", expect=stops(r"publication \S+ does not exist|skipped loading publication"),
       catchup=60)
def publication_recreated(t):
    """What changed in between cannot be read any more, though the publication is there again."""
    t.sql(f"drop publication {t.publication}")
    t.writer.more(20)
    t.sql(f"create publication {t.publication} for all tables")


@fault("F28b", "a table is added to the publication while a transaction that has written to it is open", short=True)
def table_added(t):
    """What is written to it after that arrives, also in the transaction that was open."""
    t.sql("create table late(id bigint primary key, ver int not null, val bigint)")
    session = Session(t.postgres.conninfo(t.db))
    session("begin; savepoint s; insert into late values (1, 0, 0); rollback to s")
    t.sql(f"alter publication {t.publication} add table late")
    session("insert into late values (2, 0, 0); insert into truth values ('late-2', txid_current(), 1, 'late'); commit")
    session.close()
    t.sql("begin; insert into late values (3, 0, 0); insert into truth values ('late-3', txid_current(), 1, 'late'); commit")
    t.eventually(lambda: any(m["key"] == '{"id":3}' for m in t.kafka.consume(f"{t.prefix}.public.late")), 20, "the row after it")


@fault("F29", "Kafka takes nothing for more than twice wal_sender_timeout", workload={"pace": 0.01})
def blocked_sink(t):
    """The connection is kept: the server hears of walwire while walwire reads nothing."""
    pid = t.postgres.psql(f"select active_pid from pg_replication_slots where slot_name = '{t.slot}'")
    t.pause(t.kafka)
    time.sleep(7.5)  # storing a position is given up after 10 s, and with it the run
    now = t.postgres.psql(f"select active_pid from pg_replication_slots where slot_name = '{t.slot}'")
    assert now == pid, f"the walsender was {pid}, and is {now or 'gone'}"


@fault("F30", "a transaction of 200,000 rows, spilled by the server, with wal_sender_timeout at 3 s", timeout=240, catchup=120)
def large(t):
    """It is streamed without being held whole, and the connection outlives it."""
    t.sql("begin; insert into bulk select 5000000000000 + i, 0, i from generate_series(1, 200000) i;"
          "insert into truth values ('large', txid_current(), 200000, 'big'); commit")


def with_role(t, attributes):
    role = t.db
    t.postgres.psql(f"create role {role} {attributes} login")
    t.at_heal(lambda: t.postgres.psql(f"drop owned by {role}; drop role {role}", t.db))
    t.sql(f"grant select on all tables in schema public to {role}; alter default privileges in schema public grant select on tables to {role}")
    t.configure({"database.user": role})
    t.start()
    t.eventually(lambda: "streaming from" in t.engine.log(), 20, "the snapshot to be done")
    t.writer.more(20)
    return role


@fault("F31", "the role loses REPLICATION", expect=stops(r"ALTER ROLE .* REPLICATION"), start=False, workload={"ddl": False})
def no_replication(t):
    """It is told what to grant, and not tried for ever."""
    role = with_role(t, "replication")
    t.postgres.psql(f"alter role {role} noreplication")
    end_sender(t)


@fault("F31b", "the role may not log in any more", expect=stops(r"LOGIN"), start=False, workload={"ddl": False})
def no_login(t):
    """The same for LOGIN."""
    role = with_role(t, "replication")
    t.postgres.psql(f"alter role {role} nologin")
    end_sender(t)


@fault("F32", "pg_hba.conf refuses the role", expect=stops(r"pg_hba\.conf"), own=("postgres",), start=False, workload={"ddl": False})
def refused(t):
    """It is told where it is refused, and not tried for ever."""
    role = with_role(t, "replication")
    path = os.path.join(t.postgres.data, "pg_hba.conf")
    rules = open(path).read()
    with open(path, "w") as f:
        f.write(f"host all {role} 127.0.0.1/32 reject\n" + rules)
    t.postgres.psql("select pg_reload_conf()")
    time.sleep(0.5)
    end_sender(t)


@fault("F33", "the server comes back as a standby of nobody and is promoted: another timeline, the same past", own=("postgres",), catchup=60)
def promoted(t):
    """The stored position is before the fork, so nothing is missing. What came with it goes on on the new timeline."""
    stop_server(t)
    path = os.path.join(t.postgres.data, "standby.signal")
    open(path, "w").close()
    own(t.postgres)
    t.postgres.start()
    t.postgres.psql("select pg_promote()")
    t.eventually(lambda: not os.path.exists(path), 30, "the promotion")
    t.eventually(lambda: t.postgres.streaming(t.slot), 30, "the slot to be in use")
    assert t.postgres.psql("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == "00000002"


def go_back(t, signal_file=None):
    """The server is put back to what it was some transactions ago."""
    t.writer.pause()
    t.acknowledged()
    t.engine.sigterm()
    stop_server(t)
    backup = os.path.join(t.temp_dir(), "data")
    shutil.copytree(t.postgres.data, backup, ignore=shutil.ignore_patterns("postmaster.*"))
    t.postgres.start()
    t.start()
    t.writer.resume()
    t.writer.more(100)
    t.writer.pause()
    t.acknowledged()
    t.engine.sigterm()
    stop_server(t)
    shutil.rmtree(t.postgres.data)
    shutil.copytree(backup, t.postgres.data)
    if signal_file:
        open(os.path.join(t.postgres.data, signal_file), "w").close()
        with open(os.path.join(t.postgres.data, "postgresql.conf"), "a") as f:
            f.write("restore_command = 'false'\n")
    own(t.postgres)
    t.postgres.start()


@fault("F34", "a backup of the server is restored behind the same address", expect=stops(r"is of timeline 1, which the server left at"),
       own=("postgres",), timeout=180, waive={"I1": BACK, "I2": BACK, "I3": BACK, "I7": BACK})
def restored(t):
    """What was told after the backup is not there, and what is written now has positions that were told already."""
    go_back(t, "recovery.signal")
    t.sql("create table filler(a text)")
    for _ in range(3):
        t.sql("insert into filler select repeat('x', 1000) from generate_series(1, 4000)")
    t.start(wait=False)


@fault("F34b", "the server's files are put back to an earlier state", expect=stops(r"ahead of the server"),
       own=("postgres",), timeout=180, waive={"I1": BACK, "I2": BACK, "I3": BACK, "I7": BACK})
def files_put_back(t):
    """No new timeline tells of it, but the stored position is ahead of the server."""
    go_back(t)
    t.start(wait=False)


@fault("F36", "the connector's database is idle while another one writes 64 MB of WAL", idle=True)
def idle(t):
    """The slot follows, so that the server may drop its log."""
    t.writer.pause()
    t.acknowledged()
    before = t.restart_lsn()
    other = t.db + "_other"
    t.postgres.psql(f"create database {other}")
    t.at_heal(lambda: t.postgres.psql(f"drop database {other} with (force)"))
    t.postgres.psql("create table filler as select repeat('x', 1000) a from generate_series(1, 60000)", other)
    t.eventually(lambda: t.restart_lsn() > before + (48 << 20), 45, "restart_lsn to follow", every=0.5)
    t.writer.resume()


@fault("F37", "a captured table is locked (ACCESS EXCLUSIVE) while walwire connects anew", workload={"ddl": False})
def locked(t):
    """The stream waits for nobody's lock: it comes back while the table is locked."""
    session = Session(t.postgres.conninfo(t.db))
    session("begin; lock table shown in access exclusive mode")
    end_sender(t)
    try:
        t.eventually(lambda: t.postgres.streaming(t.slot), 15, "the slot to be in use")
        time.sleep(5)
    finally:
        session("rollback")
        session.close()


@fault("F38", "no connection is left when walwire connects anew", postgres={"max_connections": 24}, workload={"sessions": 2}, catchup=60)
def no_connection_left(t):
    """It is tried again until there is one."""
    pids = [int(p) for p in t.postgres.psql(f"select pid from pg_stat_activity where datname = '{t.db}' and application_name like 'Debezium%'").split()]
    taken = []

    def take_all():
        try:
            while True:
                taken.append(Session(t.postgres.conninfo(t.db)))
        except Failed:
            pass
    take_all()
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        take_all()
        time.sleep(0.02)
    for session in taken:
        session.close()
