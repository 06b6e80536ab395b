"""`walwire check`: what would stand in a connector's way, each finding with the command that mends it, and that it does."""
import functools, json, os, subprocess

from services import Postgres, free_port, run, shared, wait_until

TABLES = "create table orders (id int primary key, note text); create table users (id int primary key);"


@functools.cache
def private():
    """A server that may be restarted and run out of things."""
    return shared(lambda: Postgres(conf={"wal_level": "replica", "max_replication_slots": 1, "max_wal_senders": 1}))


class Found(list):
    """The findings of a run, (level, text, commands) each, and its exit code."""
    code = None

    def about(self, *phrases):
        """The one finding with all these phrases."""
        got = [f for f in self if all(p in f[1] for p in phrases)]
        assert len(got) == 1, (phrases, self)
        return got[0]

    def bad(self):
        return [f for f in self if f[0] != "ok"]


def check(ctx, target, *args):
    """Runs it for a connector's spec or for a connection string."""
    if isinstance(target, dict):
        path = os.path.join(ctx.temp_dir(), "connector.json")
        with open(path, "w") as f:
            json.dump(target, f)
        target = path
    done = run("check", target, *args)
    found = Found()
    for line in done.stdout.splitlines():
        if line.startswith("        "):
            found[-1][2].append(line.strip())
        else:
            level, text = line[:4].strip(), line[6:]
            assert level in ("ok", "warn", "FAIL"), done.stdout
            found.append((level, text, []))
    found.code = done.returncode
    assert found.code == (1 if any(f[0] == "FAIL" for f in found) else 0) and done.stderr == "", done
    return found


def mend(server, db, finding):
    """Does what the finding says: its commands, and a restart where it asks for one."""
    assert finding[2], f"no command with {finding}"
    server.psql("\n".join(finding[2]), db)
    if "restart PostgreSQL" in finding[2][-1]:
        server.restart()


def mended(ctx, spec, level, *phrases, server=None, sound=True):
    """The finding is there, its command is run, and it is no longer there; with `sound` nothing else is wrong either."""
    server, db = server or ctx.postgres, spec["config"]["database.dbname"]
    finding = check(ctx, spec).about(*phrases)
    assert finding[0] == level, finding
    mend(server, db, finding)
    after = check(ctx, spec)
    assert not [f for f in after if all(p in f[1] for p in phrases)], after
    assert not sound or (after.code == 0 and not after.bad()), after
    return after


def role_of(ctx, db, options):
    """A role that goes with its database."""
    role = f"{db}_role"
    ctx.postgres.psql(f"create role {role} login {options}")
    return role


def drop_role(ctx, db, role):
    ctx.postgres.psql(f"drop owned by {role} cascade; drop role {role}", db)


# ---- when all is well ----

def test_a_healthy_server(ctx):
    """Nothing is found, nothing is changed, and it is the same by connection string."""
    db = ctx.database(TABLES)
    spec = ctx.connector(db)
    found = check(ctx, spec)
    assert found.code == 0 and not found.bad(), found
    for phrases in ((f"database {db}", "as postgres"), ("wal_level is logical",), ("may replicate",), ("slot", "does not exist yet: it will be created"),
                    ("2 tables are captured", '"public"."orders"'), ("replica identity",), ("publication", "it will be created")):
        assert found.about(*phrases)[0] == "ok"
    assert ctx.postgres.psql("select count(*) from pg_publication", db) == "0" and not ctx.postgres.slot(spec["config"]["slot.name"])
    assert check(ctx, ctx.postgres.url(db)).code == 0


def test_with_the_worker_file(ctx):
    """Kafka and the stored position are looked at too, before and after the connector has run."""
    db = ctx.database(TABLES)
    spec = ctx.connector(db)
    engine = ctx.walwire(start=False)
    found = check(ctx, spec, "--worker", engine.files[0])
    assert found.code == 0 and not found.bad(), found
    assert found.about("Kafka answers at", ctx.kafka.bootstrap) and found.about("no position is stored", "begins with its snapshot")
    engine.start()
    engine.create(spec)
    engine.wait_streaming(spec, ctx.postgres)
    found = check(ctx, spec, "--worker", engine.files[0])
    assert found.about("a position is stored", "goes on at") and found.about("slot", "is in use by process")[0] == "warn"
    engine.sigterm()
    found = check(ctx, spec, "--worker", engine.files[0])
    assert found.about("slot", "exists, is free")[0] == "ok" and found.about("has all captured tables")[0] == "ok" and found.code == 0, found


# ---- the server ----

def test_wal_level_then_slots_then_senders(ctx):
    """One server with everything wrong, mended step by step with what is printed."""
    server = private()
    server.psql("create database shop")
    server.psql(TABLES, "shop")
    spec = ctx.connector("shop", server)
    mended(ctx, spec, "FAIL", "wal_level is replica, but must be logical", server=server)
    server.psql("select pg_create_physical_replication_slot('taken')")
    mended(ctx, spec, "FAIL", "all 1 replication slots are in use", server=server, sound=False)
    with streaming(server):
        finding = check(ctx, spec).about("all 1 WAL senders are in use")
        assert finding[0] == "FAIL", finding
    mend(server, "shop", finding)
    with streaming(server):
        found = check(ctx, spec)
        assert found.code == 0 and not found.bad() and found.about("1 of 11 WAL senders"), found


class streaming:
    """Takes a WAL sender for a while."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.child = subprocess.Popen([self.server.program("psql"), "-X", "-d", self.server.conninfo(replication="true")], stdin=subprocess.PIPE)
        wait_until(lambda: self.senders() == "1", 15, "the WAL sender to be taken")

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait(10)
        wait_until(lambda: self.senders() == "0", 15, "the WAL sender to be free")

    def senders(self):
        return self.server.psql("select count(*) from pg_stat_replication")


def test_a_limit_that_may_cost_the_slot(ctx):
    server = private()
    server.psql("alter system set max_slot_wal_keep_size = '100MB'; select pg_reload_conf()".replace("; ", ";\n"))
    wait_until(lambda: server.psql("show max_slot_wal_keep_size") == "100MB", 10, "the setting")
    server.psql("drop database if exists keep")
    server.psql("create database keep")
    server.psql(TABLES, "keep")
    finding = check(ctx, ctx.connector("keep", server)).about("max_slot_wal_keep_size is 100")
    assert finding[0] == "warn", finding
    server.psql("\n".join(c.replace("; ", ";\n") for c in finding[2]))  # ALTER SYSTEM runs alone
    wait_until(lambda: server.psql("show max_slot_wal_keep_size") == "-1", 10, "the setting to be mended")


def test_a_transaction_that_the_slot_waits_for(ctx):
    db = ctx.database(TABLES)
    gid = f"it's {db}"
    quoted = gid.replace("'", "''")
    ctx.postgres.psql(f"begin; insert into users values (1); prepare transaction '{quoted}'", db)
    try:
        mended(ctx, ctx.connector(db), "warn", "creating the slot will wait for", f"prepared transaction {gid}")
    finally:
        if ctx.postgres.psql(f"select 1 from pg_prepared_xacts where database = '{db}'"):
            ctx.postgres.psql(f"rollback prepared '{quoted}'", db)


# ---- the role ----

def test_the_replication_privilege(ctx):
    db = ctx.database(TABLES)
    role = role_of(ctx, db, "noreplication")
    try:
        ctx.postgres.psql(f"grant create on database {db} to {role}; alter table orders owner to {role}; alter table users owner to {role}", db)
        spec = ctx.connector(db, **{"database.user": role})
        after = mended(ctx, spec, "FAIL", f"role {role} may not replicate")
        assert after.about("a replication connection gets through")[0] == "ok"
    finally:
        drop_role(ctx, db, role)


def test_tables_that_cannot_be_read(ctx):
    """Both grants are asked for, and together they are enough."""
    db = ctx.database(TABLES + 'create schema "Back Office"; create table "Back Office"."Pay ""Roll" (id int primary key)')
    role = role_of(ctx, db, "replication")
    try:
        ctx.postgres.psql("create publication every for all tables", db)
        spec = ctx.connector(db, **{"database.user": role, "table.include.list": 'Back Office\\.Pay "Roll', "publication.name": "every",
                                    "publication.autocreate.mode": "disabled"})
        finding = check(ctx, spec).about("cannot be read by", role)
        assert len(finding[2]) == 2 and "GRANT USAGE ON SCHEMA" in finding[2][0] and "GRANT SELECT ON" in finding[2][1], finding
        mended(ctx, spec, "FAIL", "cannot be read by", role)
    finally:
        drop_role(ctx, db, role)


def test_a_publication_that_may_not_be_made(ctx):
    """Without CREATE on the database, and without ownership of the tables."""
    db = ctx.database(TABLES)
    role = role_of(ctx, db, "replication")
    try:
        ctx.postgres.psql(f"grant select on orders, users to {role}", db)
        spec = ctx.connector(db, **{"database.user": role})
        mended(ctx, spec, "FAIL", "may not create objects in", sound=False)
        finding = check(ctx, spec).about("needs ownership", '"public"."orders"', '"public"."users"')
        assert finding[0] == "FAIL" and "publication.autocreate.mode=disabled" in finding[2][0], finding
    finally:
        drop_role(ctx, db, role)


# ---- the tables ----

def test_a_table_without_replica_identity(ctx):
    db = ctx.database(TABLES + 'create table "Log" (line text); create table quiet (id int primary key); alter table quiet replica identity nothing')
    spec = ctx.connector(db)
    mended(ctx, spec, "warn", '"public"."Log"', "has no primary key", "UPDATE and DELETE on it fail", sound=False)
    mended(ctx, spec, "warn", '"public"."quiet"', "has no replica identity")


def test_a_list_that_matches_nothing(ctx):
    db = ctx.database(TABLES)
    finding = check(ctx, ctx.connector(db, **{"table.include.list": "orders"})).about("no table is captured")
    assert finding[0] == "FAIL" and "table.include.list" in finding[2][0] and db in finding[2][0], finding


# ---- the publication ----

def test_a_missing_publication(ctx):
    db = ctx.database(TABLES)
    spec = ctx.connector(db, **{"publication.autocreate.mode": "disabled", "publication.name": "My Own"})
    mended(ctx, spec, "FAIL", '"My Own" does not exist', "publication.autocreate.mode is disabled")


def test_a_publication_that_lacks_a_table(ctx):
    db = ctx.database(TABLES + "create publication mine for table orders")
    spec = ctx.connector(db, **{"publication.autocreate.mode": "disabled", "publication.name": "mine"})
    mended(ctx, spec, "warn", '"mine" lacks "public"."users"')


def test_a_publication_that_leaves_out_changes(ctx):
    db = ctx.database(TABLES + "create publication mine for all tables with (publish = 'insert')")
    spec = ctx.connector(db, **{"publication.autocreate.mode": "disabled", "publication.name": "mine"})
    mended(ctx, spec, "warn", '"mine" leaves out some of insert, update and delete')


def test_a_publication_of_the_other_mode(ctx):
    db = ctx.database(TABLES + "create publication mine for all tables")
    spec = ctx.connector(db, **{"publication.autocreate.mode": "filtered", "publication.name": "mine"})
    mended(ctx, spec, "FAIL", '"mine" is for all tables, but publication.autocreate.mode is filtered')


# ---- the slot ----

def test_slots_that_do_not_fit(ctx):
    """Of another plugin, of another database, and a physical one: each says to set another slot.name."""
    db, other = ctx.database(TABLES), ctx.database()
    slot = f"{db}_slot"
    spec = ctx.connector(db, **{"slot.name": slot})

    def finding(create, *phrases):
        ctx.postgres.psql(create, other if "another" in phrases else db)
        try:
            got = check(ctx, spec).about(f"slot {slot}", "set another slot.name", *[p for p in phrases if p != "another"])
            assert got[0] == "FAIL", got
        finally:
            ctx.postgres.psql(f"select pg_drop_replication_slot('{slot}')")
    finding(f"select pg_create_logical_replication_slot('{slot}', 'test_decoding')", "plugin test_decoding, not pgoutput")
    finding(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')", f"belongs to database {other}", "another")
    finding(f"select pg_create_physical_replication_slot('{slot}')", "is a physical one")
    assert not check(ctx, spec).bad()


# ---- what is around ----

def test_placeholders_are_what_the_worker_file_makes_them(ctx):
    """Providers have the names and the bounds that they have under serve: what it would refuse is told here, what it takes is no finding."""
    folder = ctx.temp_dir()
    secrets = os.path.join(folder, "secrets")
    with open(secrets, "w") as f:
        f.write("user=postgres\n")
    os.chmod(secrets, 0o600)
    worker = ctx.walwire(kafka=False, start=False, **{
        "config.providers.vault.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.vault.param.allowed.paths": folder}).files[0]
    db = ctx.database(TABLES)
    found = check(ctx, ctx.connector(db, **{"database.user": f"${{vault:{secrets}:user}}"}), "--worker", worker)
    assert found.code == 0 and found.about(f"database {db}", "as postgres"), found
    found = check(ctx, ctx.connector(db, **{"database.user": "${file:/etc/os-release:ID}"}), "--worker", worker)
    assert found.about("/etc/os-release is not in one of config.providers' allowed.paths")[0] == "FAIL", found


def test_kafka_that_is_not_there(ctx):
    class Down:
        bootstrap = f"127.0.0.1:{free_port()}"
    spec = ctx.connector(ctx.database(TABLES))
    found = check(ctx, spec, "--worker", ctx.walwire(kafka=Down, start=False).files[0])
    bad = found.bad()
    assert [f[0] for f in bad] == ["FAIL", "FAIL"] and bad[1][1].startswith("stored positions: "), found
    assert bad[0][1].startswith(f"Kafka at {Down.bootstrap} is not reachable: ") and "start it or correct bootstrap.servers" in bad[0][1], bad


def test_a_checkpoint_file_that_cannot_be(ctx):
    path = os.path.join(ctx.temp_dir(), "missing", "offsets")
    engine = ctx.walwire(kafka=False, start=False, **{"offset.storage.file.filename": path})
    found = check(ctx, ctx.connector(ctx.database(TABLES)), "--worker", engine.files[0])
    assert found.about("stored positions", path, "name another file")[0] == "FAIL", found
    assert found.about("no bootstrap.servers")[0] == "warn"


def test_a_server_that_is_not_there(ctx):
    port = free_port()
    found = check(ctx, f"postgresql://postgres@127.0.0.1:{port}/postgres")
    assert found.about(f"port {port}", "check database.hostname and database.port")[0] == "FAIL" and len(found) == 2, found


def test_a_configuration_with_errors(ctx):
    """All of them at once, and no connection is tried."""
    spec = ctx.connector("nowhere", **{"snapshot.mode": "sometimes", "table.include.list": "a.b", "table.exclude.list": "c.d"})
    found = check(ctx, spec)
    assert len(found) == 2 and found.about("'snapshot.mode' value is invalid") and found.about('"table.include.list" is already specified'), found


def test_wrong_usage(ctx):
    for args in ([], ["a", "b"], ["--nonsense"], ["no-such-file.json"], ["dbname=x", "--worker", "no-such-file.properties"]):
        done = run("check", *args)
        assert done.returncode == 2 and done.stdout == "" and done.stderr, done
    for command in ("serve", "gateway", "stream", "check"):
        for flag in ("--help", "-h"):
            done = run(command, flag)
            assert done.returncode == 0 and done.stdout.startswith(f"Usage: walwire {command} "), done
