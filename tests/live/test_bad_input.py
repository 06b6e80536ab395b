"""What bad input gets: one line that says what is wrong and what to do, a FAILED status or an exit code with that text;
nothing written, nothing acknowledged, and no password anywhere."""
import functools, json, os, shutil, socket, subprocess

from services import BINARY, Postgres, Walwire, free_port, run, shared, wait_until

PASSWORD = "Tulpe-4711-xyzzy"
SHOP = "create table orders (id int primary key, note text); insert into orders values (1, 'a'), (2, 'b');"


@functools.cache
def guarded():
    """A server that asks `keeper` for a password and gives out one slot only."""
    server = shared(lambda: Postgres(conf={"max_replication_slots": 1}, hba=["host all keeper 127.0.0.1/32 scram-sha-256"]))
    server.psql(f"create role keeper login replication password '{PASSWORD}'")
    return server


@functools.cache
def not_logical():
    return shared(lambda: Postgres(conf={"wal_level": "replica"}))


def shop_of(server):
    server.psql("drop database if exists shop with (force)")
    server.psql("create database shop")
    server.psql(SHOP + "create schema if not exists extra; grant all on all tables in schema public to public", "shop")
    return "shop"


def spec_of(ctx, db, postgres=None, **settings):
    return ctx.connector(db, postgres, **{"database.password": PASSWORD, **settings})


def no_secret(*texts):
    for text in texts:
        assert PASSWORD not in (text if isinstance(text, str) else json.dumps(text)), f"the password is shown: {text}"


def all_answers(engine, name):
    paths = [f"/connectors/{name}" + rest for rest in ("", "/config", "/status", "/tasks", "/tasks/0/status")]
    return [engine.rest("GET", path) for path in [*paths, "/connectors?expand=info&expand=status", "/metrics"]]


def lines_with(text, *phrases):
    return [line for line in text.splitlines() if all(p in line for p in phrases)]


def fails(engine, spec, *phrases, timeout=30):
    """The connector's status becomes FAILED with these words in one line, and the log says the same."""
    engine.create(spec)
    engine.wait_state(spec["name"], "FAILED", timeout)
    trace = engine.status(spec["name"])[1]
    for phrase in phrases:
        assert phrase in trace, f"{phrase!r} is not in {trace!r}"
    assert "\n" not in trace, trace
    assert len(lines_with(engine.log(), "ERROR", *phrases)) == 1, engine.log()
    no_secret(engine.log(), *all_answers(engine, spec["name"]))


def nothing_written(ctx, spec, offsets="connect-offsets"):
    """Neither a topic of the connector nor a position."""
    name = spec["name"]
    assert [t for t in ctx.kafka.topics() if t.startswith(name)] == []
    assert [k for k in ctx.kafka.offsets_of(offsets) if name in (k or "")] == []


def old_slot(server, db, spec):
    """A slot that was there before, with something to read; returns its row, which must stay as it is."""
    slot = spec["config"]["slot.name"]
    server.psql(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput'); insert into orders values (9, 'unread')", db)
    return server.slot(slot)


def refused(files, *phrases):
    """`walwire serve` ends with an exit code and one line that has these words."""
    done = run("serve", *files)
    assert done.returncode == 1, (done.returncode, done.stderr)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("walwire: ") and all(p in last for p in phrases), done.stderr
    assert len(lines_with(done.stderr, *phrases)) == 1, done.stderr
    no_secret(done.stdout, done.stderr)


# ---- the database ----

def test_wrong_password(ctx):
    server = guarded()
    db = shop_of(server)
    spec = spec_of(ctx, db, server, **{"database.user": "keeper", "database.password": PASSWORD + "-wrong"})
    before = old_slot(server, db, spec)
    fails(ctx.walwire(), spec, "password authentication failed", "check database.user and database.password")
    assert server.slot(spec["config"]["slot.name"]) == before
    nothing_written(ctx, spec)
    server.drop_database(db)


def test_unresolvable_host(ctx):
    spec = spec_of(ctx, ctx.database(SHOP), **{"database.hostname": "no-such-host.invalid", "errors.max.retries": "0"})
    fails(ctx.walwire(), spec, "no-such-host.invalid", "check database.hostname")
    nothing_written(ctx, spec)


def test_refused_port(ctx):
    port = free_port()
    spec = spec_of(ctx, ctx.database(SHOP), **{"database.port": str(port), "errors.max.retries": "1"})
    fails(ctx.walwire(), spec, f"port {port}", "refused", "check database.hostname and database.port")
    nothing_written(ctx, spec)


def test_a_server_that_comes_later(ctx):
    """After a reboot walwire may be up before PostgreSQL: it waits, says for what, and goes on by itself."""
    server = Postgres()
    server.psql(SHOP)
    server.stop()
    spec = ctx.connector("postgres", server, **{"retriable.restart.connector.wait.ms": "600"})
    engine = ctx.walwire(spec)
    wait_until(lambda: len(lines_with(engine.log(), "WARN", f"port {server.port}", "trying again")) > 5, 30, "tries")
    state, why = engine.status(spec["name"])
    assert state == "RUNNING" and "refused" in why, (state, why)
    server.start()
    engine.wait_streaming(spec, server)
    assert len(ctx.kafka.wait_records(spec["name"] + ".public.orders", 2)) == 2
    engine.sigterm()
    server.stop()


def test_wal_level_replica(ctx):
    server = not_logical()
    spec = spec_of(ctx, shop_of(server), server)
    fails(ctx.walwire(), spec, "wal_level is replica", "ALTER SYSTEM SET wal_level = logical")
    nothing_written(ctx, spec)


def test_no_replication_privilege(ctx):
    db = ctx.database(SHOP)
    owner = f"{db}_owner"
    ctx.postgres.psql(f"create role {owner} login; grant create on database {db} to {owner}; alter table orders owner to {owner}", db)
    spec = spec_of(ctx, db, **{"database.user": owner})
    try:
        fails(ctx.walwire(), spec, f'grant it: ALTER ROLE "{owner}" REPLICATION')
        assert ctx.postgres.slot(spec["config"]["slot.name"]) is None
        nothing_written(ctx, spec)
    finally:
        ctx.engines[-1].sigterm()
        ctx.postgres.psql(f"drop owned by {owner} cascade; drop role {owner}", db)


def test_no_free_slot(ctx):
    server = guarded()
    db = shop_of(server)
    server.psql("select pg_create_physical_replication_slot('taken')")
    spec = spec_of(ctx, db, server)
    try:
        fails(ctx.walwire(), spec, "all replication slots are in use", "pg_replication_slots", "max_replication_slots")
        assert server.slot(spec["config"]["slot.name"]) is None
        nothing_written(ctx, spec)
    finally:
        server.psql("select pg_drop_replication_slot('taken')")


def test_slot_in_use(ctx):
    """The second reader is refused before it has written anything, and the first goes on."""
    db = ctx.database(SHOP)
    first = spec_of(ctx, db)
    engine = ctx.walwire(first)
    engine.wait_streaming(first, ctx.postgres)
    slot = first["config"]["slot.name"]
    second = spec_of(ctx, db, **{"slot.name": slot, "publication.name": first["config"]["publication.name"],
                               "slot.max.retries": "0", "errors.max.retries": "0"})
    pid = ctx.postgres.psql(f"select active_pid from pg_replication_slots where slot_name = '{slot}'")
    fails(engine, second, f"slot {slot} is in use by process {pid}", "slot.name")
    nothing_written(ctx, second)
    ctx.postgres.psql("insert into orders values (3, 'c')", db)
    assert len(ctx.kafka.wait_records(first["name"] + ".public.orders", 3)) == 3
    assert engine.status(first["name"])[0] == "RUNNING"


# ---- the connector's options ----

def test_unknown_option_value(ctx):
    """By REST as Kafka Connect's 400, on the command line as a refusal to start."""
    bad = spec_of(ctx, ctx.database(SHOP), **{"snapshot.mode": "sometimes"})
    phrases = "'snapshot.mode' value is invalid: Value must be one of", "initial"
    engine = ctx.walwire()
    code, answer = engine.rest("POST", "/connectors", bad)
    assert code == 400 and answer["error_code"] == 400, answer
    assert all(p in answer["message"] for p in phrases) and "contains the following 1 error(s)" in answer["message"], answer
    assert engine.rest("GET", "/connectors")[1] == []
    no_secret(answer, engine.log())
    refused(ctx.walwire(bad, start=False).files, *phrases)
    nothing_written(ctx, bad)


def test_contradictory_options(ctx):
    lists = {"table.include.list": "public.orders", "table.exclude.list": "public.users"}
    bad = spec_of(ctx, ctx.database(SHOP), **lists)
    phrases = "'table.exclude.list' value is invalid", '"table.include.list" is already specified'
    engine = ctx.walwire()
    code, answer = engine.rest("POST", "/connectors", bad)
    assert code == 400 and all(p in answer["message"] for p in phrases), answer
    no_secret(answer, engine.log())
    refused(ctx.walwire(bad, start=False).files, *phrases)
    nothing_written(ctx, bad)


def test_contradictory_checkpoint_options(ctx):
    engine = ctx.walwire(start=False, **{"offset.storage.file.filename": "/nowhere/offsets"})
    refused(engine.files, "both offset.storage.file.filename and offset.storage.topic are set", "remove one")


def test_a_missing_option_is_named(ctx):
    bad = spec_of(ctx, ctx.database())
    del bad["config"]["database.hostname"]
    code, answer = ctx.walwire().rest("POST", "/connectors", bad)
    assert code == 400 and "'database.hostname' value is invalid: A value is required" in answer["message"], answer


def test_table_list_that_matches_nothing(ctx):
    db = ctx.database(SHOP)
    spec = spec_of(ctx, db, **{"table.include.list": "orders"})  # without its schema, as is often tried first
    before = old_slot(ctx.postgres, db, spec)
    fails(ctx.walwire(), spec, "no table matches", "table.include.list", "schema.table")
    assert ctx.postgres.slot(spec["config"]["slot.name"]) == before
    nothing_written(ctx, spec)


def test_broken_files(ctx):
    """A connector file that is not JSON, and a worker file that is not there."""
    engine = ctx.walwire(start=False)
    path = os.path.join(engine.dir, "broken.json")
    with open(path, "w") as f:
        f.write('{"name": "x", "config": {"database.password": "' + PASSWORD)
    refused([engine.files[0], path], "broken.json", "JSON")
    refused([os.path.join(engine.dir, "missing.properties")], "missing.properties", "No such file")


# ---- Kafka ----

def test_kafka_down_at_start(ctx):
    """FAILED with the address; no slot is made and the one that is there stays where it is: nothing is read that could not be
    written."""
    class Down:
        bootstrap = f"127.0.0.1:{free_port()}"
    db = ctx.database(SHOP)
    spec = spec_of(ctx, db, **{"errors.max.retries": "0"})
    fails(ctx.walwire(kafka=Down), spec, f"Kafka at {Down.bootstrap} is not reachable", "start it or correct bootstrap.servers")
    assert ctx.postgres.slot(spec["config"]["slot.name"]) is None
    assert ctx.postgres.psql("select count(*) from pg_publication", db) == "0"
    before = old_slot(ctx.postgres, db, spec)
    assert ctx.engines[0].rest("POST", f"/connectors/{spec['name']}/restart")[0] == 204
    wait_until(lambda: len(lines_with(ctx.engines[0].log(), "ERROR", "is not reachable")) == 2, 20, "the second failure")
    assert ctx.postgres.slot(spec["config"]["slot.name"]) == before


# ---- checkpoints ----

def test_checkpoint_file_in_a_missing_directory(ctx):
    path = os.path.join(ctx.temp_dir(), "missing", "offsets")
    engine = ctx.walwire(spec_of(ctx, ctx.database(SHOP)), kafka=False, start=False, **{"offset.storage.file.filename": path})
    refused(engine.files, f"offset.storage.file.filename={path}", "No such file", "name another file")


def test_checkpoint_file_in_a_read_only_directory(ctx):
    """As root the right to write anywhere is given up first."""
    folder = ctx.temp_dir()
    path = os.path.join(folder, "offsets")
    engine = ctx.walwire(spec_of(ctx, ctx.database(SHOP)), kafka=False, start=False, **{"offset.storage.file.filename": path})
    os.chmod(folder, 0o555)
    plain = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    done = subprocess.run([*plain, BINARY, "serve", *engine.files], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done
    for phrase in (path, "cannot write into its directory: Permission denied", "give the process's user the right"):
        assert phrase in done.stderr, done.stderr
    no_secret(done.stderr)


def test_checkpoint_file_that_becomes_unwritable(ctx):
    """What cannot be kept is not acknowledged: after the directory is back, nothing is missing."""
    db, folder = ctx.database(SHOP), os.path.join(ctx.temp_dir(), "state")
    os.mkdir(folder)
    spec = spec_of(ctx, db)
    slot = spec["config"]["slot.name"]
    engine = ctx.walwire(spec, **{"offset.storage.topic": None, "offset.storage.replication.factor": None,
                                  "offset.storage.file.filename": os.path.join(folder, "offsets")})
    engine.wait_streaming(spec, ctx.postgres)
    ctx.kafka.wait_records(spec["name"] + ".public.orders", 2)
    wait_until(lambda: os.path.exists(os.path.join(folder, "offsets")), 10, "the first checkpoint")
    shutil.rmtree(folder)
    before = ctx.postgres.psql("select pg_current_wal_insert_lsn()")
    ctx.postgres.psql("insert into orders values (3, 'c')", db)
    engine.wait_state(spec["name"], "FAILED")
    trace = engine.status(spec["name"])[1]
    assert "offset.storage.file.filename=" in trace and "cannot create a file beside it" in trace, trace
    confirmed = ctx.postgres.slot(slot)["confirmed"]
    assert ctx.postgres.psql(f"select '{confirmed}'::pg_lsn <= '{before}'::pg_lsn") == "t", (confirmed, before)
    no_secret(engine.log(), *all_answers(engine, spec["name"]))


# ---- ports ----

def port_refused(ctx, listeners, setting):
    """The taken port is named with its setting, and the connector of the command line was not begun."""
    spec = spec_of(ctx, ctx.database(SHOP))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        engine = ctx.walwire(spec, start=False, **{listeners: f"http://127.0.0.1:{port}"})
        refused(engine.files, f"port {port} of 127.0.0.1 is in use", f"set {setting}")
    assert ctx.postgres.slot(spec["config"]["slot.name"]) is None
    nothing_written(ctx, spec)


def test_rest_port_in_use(ctx):
    port_refused(ctx, "listeners", "listeners")


def test_websocket_port_in_use(ctx):
    port_refused(ctx, "websocket.listeners", "websocket.listeners")


# ---- the other commands ----

def test_stream_and_check_say_the_same(ctx):
    """`walwire stream` and `walwire check` fail with the same words, and print no password of the connection string."""
    server = guarded()
    wrong = f"postgresql://keeper:{PASSWORD}x@127.0.0.1:{server.port}/{shop_of(server)}"
    for command in ("stream", "check"):
        done = run(command, wrong)
        assert done.returncode == 1, done
        text = done.stderr if command == "stream" else done.stdout
        assert len(lines_with(text, "password authentication failed", "check database.user and database.password")) == 1, done
        no_secret(done.stdout, done.stderr)


def test_a_broken_connection_string_is_not_repeated(ctx):
    """libpq's own words would quote the whole string, with the password in it."""
    for command in ("stream", "check"):
        for text in (f"postgresql://me:{PASSWORD}@[::1]x/db", f"host=127.0.0.1 passwort={PASSWORD}", f"host=127.0.0.1 password='{PASSWORD}"):
            done = run(command, text)
            assert done.returncode in (1, 2) and "connection string" in done.stderr, done
            assert len(done.stderr.splitlines()) == 1, done
            no_secret(done.stdout, done.stderr)
