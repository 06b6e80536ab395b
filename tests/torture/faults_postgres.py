"""Faults of PostgreSQL: its processes, its slots and publications, its roles, its past (F20 to F38)."""
import errno, os, shutil, signal, subprocess, time

from copies import own
from process import Skip, at_exit
from session import Failed, Session
from trial import fault, stops

SHUTDOWN = 10  # seconds
MOVED = {"I7": "the slot was moved by somebody else"}
BACK = "the database has forgotten what was told"


def drop_slot(t):
    """Between two connections of walwire's, if it is running."""
    def gone():
        t.end_sender()
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


AT_ONCE = {"retriable.restart.connector.wait.ms": "100"}


@fault("F22", "pg_terminate_backend of the walsender, twenty times", settings=AT_ONCE)
def terminate(t):
    """Each new connection begins at the stored position."""
    for _ in range(20):
        t.eventually(t.end_sender, 20, "the slot to be in use again")
        time.sleep(t.random.random() / 2)


@fault("F22b", "pg_terminate_backend of all sessions of walwire's, ten times", settings=AT_ONCE)
def terminate_all(t):
    """The session that reads the catalogue is made anew with the stream."""
    for _ in range(10):
        t.eventually(lambda: t.postgres.streaming(t.slot), 20, "the slot to be in use again")
        ended = t.postgres.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'Debezium%' "
                                f"and datname = '{t.db}'").split()
        assert len(ended) > 1, f"{len(ended)} sessions were there to be ended, not that of the stream and that of the catalogue"
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
       catchup=60, workload={"ddl": False})
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
    t.transaction("late-3", "insert into late values (3, 0, 0)", 1, "late")
    t.eventually(lambda: any(m["key"] == '{"id":3}' for m in t.kafka.consume(f"{t.prefix}.public.late")), 20, "the row after it")


@fault("F29", "Kafka takes nothing for more than twice wal_sender_timeout", workload={"pace": 0.01}, most_duplicates=0)
def blocked_sink(t):
    """The connection is kept: the server hears of walwire while walwire reads nothing."""
    pid = t.sender()
    t.pause(t.kafka)
    time.sleep(7.5)  # storing a position is given up after 10 s, and with it the run
    now = t.sender()
    assert now == pid, f"the walsender was {pid}, and is {now or 'gone'}"


@fault("F30", "a transaction of 200,000 rows, spilled by the server, with wal_sender_timeout at 3 s", timeout=240, catchup=120)
def large(t):
    """It is streamed without being held whole, and the connection outlives it."""
    t.transaction("large", "insert into bulk select 5000000000000 + i, 0, i from generate_series(1, 200000) i", 200000, "big")


def with_role(t, attributes, password="none"):
    role = t.db
    t.postgres.psql(f"create role {role} {attributes} login")
    t.at_heal(lambda: t.postgres.psql(f"drop owned by {role}; drop role {role}", t.db))
    t.sql(f"grant select on all tables in schema public to {role}; alter default privileges in schema public grant select on tables to {role}")
    t.configure({"database.user": role, "database.password": password})
    t.start()
    t.eventually(lambda: "streaming from" in t.engine.log(), 20, "the snapshot to be done")
    t.writer.more(20)
    return role


@fault("F31", "the role loses REPLICATION", expect=stops(r"ALTER ROLE .* REPLICATION"), start=False, workload={"ddl": False})
def no_replication(t):
    """It is told what to grant, and not tried for ever."""
    role = with_role(t, "replication")
    t.postgres.psql(f"alter role {role} noreplication")
    t.end_sender()


@fault("F31b", "the role may not log in any more", expect=stops(r"LOGIN"), start=False, workload={"ddl": False})
def no_login(t):
    """The same for LOGIN."""
    role = with_role(t, "replication")
    t.postgres.psql(f"alter role {role} nologin")
    t.end_sender()


@fault("F32", "pg_hba.conf refuses the role", expect=stops(r"pg_hba\.conf"), own=("postgres",), start=False, workload={"ddl": False})
def refused(t):
    """It is told where it is refused, and not tried for ever."""
    role = with_role(t, "replication")
    add_rule(t, f"host all {role} 127.0.0.1/32 reject")
    t.end_sender()


def add_rule(t, rule):
    """Of pg_hba.conf, before the others, for sessions from now on."""
    path = os.path.join(t.postgres.data, "pg_hba.conf")
    rules = open(path).read()
    with open(path, "w") as f:
        f.write(rule + "\n" + rules)
    t.postgres.psql("select pg_reload_conf()")
    t.eventually(lambda: t.postgres.psql("select auth_method from pg_hba_file_rules order by line_number limit 1") == rule.split()[-1], 5,
                 "the rule to be read")
    time.sleep(0.5)  # the server itself reads them a moment later than a session does


def with_password(t):
    """A role that has to say its password; gives its name."""
    add_rule(t, f"host all {t.db} 127.0.0.1/32 scram-sha-256")
    return with_role(t, f"replication password '{t.secret}'", t.secret)


@fault("F32b", "the role's password is changed", expect=stops(r"password authentication failed.*database\.password"), own=("postgres",),
       start=False, workload={"ddl": False})
def password_changed(t):
    """It is told to look at the password, and not tried for ever; neither password is in the log."""
    role = with_password(t)
    t.postgres.psql(f"alter role {role} password 'another'")
    t.end_sender()


@fault("F32c", "the role's password expires (VALID UNTIL)", expect=stops(r"password authentication failed.*VALID UNTIL"), own=("postgres",),
       start=False, workload={"ddl": False})
def password_expired(t):
    """The server says of it only that the password is wrong: what may be the reason is told."""
    role = with_password(t)
    t.postgres.psql(f"alter role {role} valid until '2001-01-01'")
    t.end_sender()


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


def small_disk(t, part, mb):
    """A file system of its own, of so many MB, for a part of the server's files; gives a function that fills it and one that makes
    room again."""
    place = t.temp_dir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mb}m", "walwire-torture", place], capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"no file system can be mounted here: {done.stderr.strip()}")
    at_exit(lambda: subprocess.run(["umount", "-l", place], capture_output=True))
    stop_server(t)
    path, moved, filler = os.path.join(t.postgres.data, part), os.path.join(place, part), os.path.join(place, "filler")
    shutil.move(path, moved)
    os.symlink(moved, path)
    os.chmod(place, 0o755)
    own(t.postgres)
    for where, _, files in os.walk(moved):
        for name in (where, *(os.path.join(where, f) for f in files)):
            if t.postgres.account:
                shutil.chown(name, t.postgres.account, t.postgres.account)
    t.postgres.start()
    t.eventually(lambda: t.postgres.streaming(t.slot), 30, "the slot to be in use")

    def fill():
        with open(filler, "wb", buffering=0) as f:
            try:
                while f.write(bytes(1 << 12)):
                    pass
            except OSError as e:
                assert e.errno == errno.ENOSPC, e

    def empty():
        if os.path.exists(filler):
            os.unlink(filler)
    t.at_heal(empty)
    return fill, empty


def server_said(t, text, after=0):
    with open(t.postgres.log, errors="replace") as f:
        return text in f.read()[after:]


@fault("F35", "the disk with PostgreSQL's log is full, and the server ends by that", own=("postgres",), catchup=60,
       postgres={"max_wal_size": "8MB", "min_wal_size": "4MB"}, workload={"big": False, "toast": False})
def server_disk_full(t):
    """It is waited for, and gone on with where it was, once there is room again and the server is started."""
    fill, empty = small_disk(t, "pg_wal", 48)
    t.writer.more(40)
    fill()

    def fails():
        try:
            t.postgres.psql("create table if not exists filler(a text); insert into filler select repeat('x', 1000) from generate_series(1, 2000); "
                            "truncate filler", "postgres")
        except RuntimeError:
            return server_said(t, "No space left on device")
        return False
    t.eventually(fails, 40, "the server to find its disk full")
    t.eventually(lambda: not t.postgres.running(), 30, "the server to end")
    time.sleep(3)
    assert t.state()[0] in ("RUNNING", "RESTARTING"), f"the connector is {t.state()}"
    empty()


@fault("F35b", "PostgreSQL has no room to spill a large transaction", own=("postgres",), catchup=60, settings=AT_ONCE,
       postgres={"logical_decoding_work_mem": "64kB"}, workload={"big": False, "toast": False, "copies": False})
def no_room_to_spill(t):
    """The walsender fails whenever it gets there; it is tried again until there is room, and nothing of the transaction comes before."""
    fill, empty = small_disk(t, "pg_replslot", 8)
    fill()
    t.transaction("spilled", "insert into bulk select 7000000000000 + i, 0, i from generate_series(1, 20000) i", 20000, "big")
    t.eventually(lambda: server_said(t, "No space left on device"), 30, "the walsender to find no room")
    t.writer.more(40)
    time.sleep(2)
    assert t.state()[0] in ("RUNNING", "RESTARTING"), f"the connector is {t.state()}"
    empty()


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
    before = t.sender()
    assert before and t.end_sender(), "no session to be ended"
    try:
        t.eventually(lambda: t.sender() not in ("", before), 15, "the slot to be in use by another session")
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
    while time.monotonic() < end or "too many clients" not in t.engine.log():
        assert time.monotonic() < end + 20, "walwire was never refused a connection"
        take_all()
        time.sleep(0.02)
    for session in taken:
        session.close()
