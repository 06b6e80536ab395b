"""The REST interface as whoever comes from Kafka Connect expects it on the first day."""
import functools, json, urllib.request

from services import Postgres, shared, wait_until

CLASS = "io.debezium.connector.postgresql.PostgresConnector"
MASK = "********"
PASSWORD = "Narzisse-0815-plugh"
TABLES = "create table orders (id int primary key, note text); create table users (id int primary key); insert into orders values (1, 'a');"


@functools.cache
def guarded():
    """A server that asks `keeper` for a password."""
    server = shared(lambda: Postgres(hba=["host all keeper 127.0.0.1/32 scram-sha-256"]))
    server.psql(f"create role keeper superuser login password '{PASSWORD}'")
    return server


def ids(ctx, spec, count, table="orders"):
    """The ids in a table's topic, in order, once there are that many."""
    return [json.loads(m["value"])["payload"]["after"]["id"] for m in ctx.kafka.wait_records(f"{spec['name']}.public.{table}", count)]


def running(ctx, db, **settings):
    """A worker with one connector that streams."""
    spec = ctx.connector(db, **settings)
    engine = ctx.walwire()
    engine.create(spec)
    engine.wait_streaming(spec, ctx.postgres)
    return engine, spec, f"/connectors/{spec['name']}"


def error(answer, code, *phrases):
    """An error as Kafka Connect answers it."""
    assert answer[0] == code and isinstance(answer[1], dict), answer
    assert set(answer[1]) == {"error_code", "message"} and answer[1]["error_code"] == code, answer
    for phrase in phrases:
        assert phrase in answer[1]["message"], answer


def wait_released(ctx, spec):
    return wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 15, "the slot to be released")


# ---- reading ----

def test_the_server_and_its_plugin(ctx):
    engine = ctx.walwire(kafka=False)
    code, root = engine.rest("GET", "/")
    assert code == 200 and set(root) == {"version", "commit", "kafka_cluster_id"}, root
    code, plugins = engine.rest("GET", "/connector-plugins")
    assert code == 200 and [(p["class"], p["type"]) for p in plugins] == [(CLASS, "source")], plugins
    code, options = engine.rest("GET", f"/connector-plugins/{CLASS}/config")
    assert code == 200 and {"slot.name", "snapshot.mode", "table.include.list"} <= {o["name"] for o in options}
    assert engine.rest("GET", "/connectors") == (200, [])


def test_validation(ctx):
    engine = ctx.walwire(kafka=False)
    path = f"/connector-plugins/{CLASS}/config/validate"
    good = {"name": "x", **ctx.connector(ctx.database())["config"]}
    assert engine.rest("PUT", path, good)[1]["error_count"] == 0
    code, answer = engine.rest("PUT", path, {**good, "snapshot.mode": "sometimes", "database.password": PASSWORD})
    wrong = {c["value"]["name"]: c["value"]["errors"] for c in answer["configs"] if c["value"]["errors"]}
    assert code == 200 and answer["error_count"] == 1 and list(wrong) == ["snapshot.mode"], wrong
    assert PASSWORD not in json.dumps(answer)


def test_create_and_look(ctx):
    engine, spec, path = running(ctx, ctx.database(TABLES))
    name, worker = spec["name"], engine.base.removeprefix("http://")
    shown = {**spec["config"], "database.password": MASK, "name": name}
    info = {"name": name, "config": shown, "tasks": [{"connector": name, "task": 0}], "type": "source"}
    assert engine.rest("GET", "/connectors") == (200, [name])
    assert engine.rest("GET", path) == (200, info)
    assert engine.rest("GET", path + "/config") == (200, shown)
    code, status = engine.rest("GET", path + "/status")
    assert code == 200 and (status["name"], status["type"]) == (name, "source")
    assert (status["connector"]["state"], status["connector"]["worker_id"]) == ("RUNNING", worker), status
    task, = status["tasks"]
    assert (task["id"], task["state"], task["worker_id"]) == (0, "RUNNING", worker) and "trace" not in task
    assert engine.rest("GET", path + "/tasks")[1][0]["id"] == {"connector": name, "task": 0}
    assert engine.rest("GET", path + "/tasks/0/status")[1] == task
    assert engine.rest("GET", "/connectors?expand=info&expand=status") == (200, {name: {"status": status, "info": info}})


def test_the_answer_to_post(ctx):
    spec = ctx.connector(ctx.database(TABLES))
    engine = ctx.walwire()
    request = urllib.request.Request(engine.base + "/connectors", json.dumps(spec).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201 and answer.headers["Location"].endswith(f"/connectors/{spec['name']}")
        body = json.load(answer)
    assert (body["name"], body["type"]) == (spec["name"], "source")
    assert body["config"] == {**spec["config"], "database.password": MASK, "name": spec["name"]}


# ---- errors ----

def test_errors_are_kafka_connects(ctx):
    engine, spec, path = running(ctx, ctx.database(TABLES))
    name = spec["name"]
    error(engine.rest("POST", "/connectors", spec), 409, f"Connector {name} already exists")
    error(engine.rest("GET", "/connectors/none"), 404, "Connector none not found")
    error(engine.rest("GET", "/connectors/none/config"), 404, "Connector none not found")
    error(engine.rest("GET", "/connectors/none/status"), 404, "No status found for connector none")
    error(engine.rest("DELETE", "/connectors/none"), 404, "Connector none not found")
    error(engine.rest("PUT", "/connectors/none/pause"), 404, "none")
    error(engine.rest("POST", "/connectors/none/restart"), 404, "Unknown connector: none")
    error(engine.rest("GET", "/nothing/here"), 404, "HTTP 404 Not Found")
    error(engine.rest("DELETE", "/connectors"), 405, "HTTP 405 Method Not Allowed")
    error(engine.rest("POST", "/connectors", {"name": "x"}), 400, "config")
    error(engine.rest("POST", "/connectors", {"name": "x", "config": {}}), 400, "contains no connector type")
    error(engine.rest("POST", "/connectors", {"name": "x", "config": {"connector.class": "org.other.Sink"}}), 400,
          "Failed to find any class that implements Connector", "org.other.Sink")
    error(engine.rest("PUT", path + "/config", {**spec["config"], "name": "y"}), 400, "doesn't match connector name in the URL")
    assert engine.status(name)[0] == "RUNNING"


def test_bodies_that_are_no_json(ctx):
    engine = ctx.walwire(kafka=False)

    def post(body, kind="application/json"):
        request = urllib.request.Request(engine.base + "/connectors", body, {"Content-Type": kind})
        try:
            urllib.request.urlopen(request).close()
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)
    error(post(b'{"name": "x", '), 400)
    error(post(b"[1]"), 400)
    error(post(b"\xff\xfe"), 400)
    error(post(b'{"name": "x", "config": {"a": {"b": 1}}}'), 400)
    error(post(b"name=x", "application/x-www-form-urlencoded"), 415, "Unsupported Media Type")
    error(post(b'{"name": "x", "config": {}}', "text/plain"), 415)
    assert engine.rest("GET", "/connectors") == (200, [])


# ---- secrets ----

def test_the_mask_keeps_the_password(ctx):
    """Shown by a server that asks for it: with another password the connector fails, with the mask it goes on."""
    server = guarded()
    server.psql("drop database if exists shop with (force)")
    server.psql("create database shop")
    server.psql(TABLES, "shop")
    spec = ctx.connector("shop", server, **{"database.user": "keeper", "database.password": PASSWORD})
    engine, path = ctx.walwire(), f"/connectors/{spec['name']}"
    try:
        engine.create(spec)
        engine.wait_streaming(spec, server)
        shown = engine.rest("GET", path + "/config")[1]
        assert shown["database.password"] == MASK
        code, answer = engine.rest("PUT", path + "/config", {**shown, "poll.interval.ms": "400"})
        assert code == 200 and answer["config"]["poll.interval.ms"] == "400" and answer["config"]["database.password"] == MASK
        engine.wait_streaming(spec, server)
        server.psql("insert into orders values (2, 'b')", "shop")
        assert ids(ctx, spec, 2) == [1, 2]
        assert engine.rest("PUT", path + "/config", {**shown, "database.password": PASSWORD + "-wrong"})[0] == 200
        engine.wait_state(spec["name"], "FAILED")
        assert "password authentication failed" in engine.status(spec["name"])[1]
        assert engine.rest("PATCH", path + "/config", {"database.password": PASSWORD})[0] == 200
        engine.wait_streaming(spec, server)
        seen = [engine.rest("GET", p) for p in (path, path + "/config", path + "/status", path + "/tasks", "/connectors?expand=info")]
        assert PASSWORD not in json.dumps(seen) and PASSWORD not in engine.log()
    finally:
        engine.sigterm()
        server.drop_database("shop")


def test_every_kind_of_secret_is_masked(ctx):
    jaas = f'org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="{PASSWORD}";'
    secrets = {"producer.override.sasl.jaas.config": jaas, "database.sslpassword": PASSWORD, "producer.override.ssl.key.password": PASSWORD}
    spec = ctx.connector(ctx.database(TABLES), **{"database.password": "${env:SHOP_PASSWORD}", **secrets})
    engine = ctx.walwire(env={"SHOP_PASSWORD": PASSWORD})
    answer = engine.rest("POST", "/connectors", {**spec, "initial_state": "STOPPED"})
    assert answer[0] == 201, answer
    shown = engine.rest("GET", f"/connectors/{spec['name']}/config")[1]
    assert {shown[name] for name in secrets} == {MASK}
    assert shown["database.password"] == "${env:SHOP_PASSWORD}", "a reference is shown as it was given"
    assert PASSWORD not in json.dumps([answer, engine.rest("GET", "/connectors?expand=info")]) and PASSWORD not in engine.log()


# ---- acting ----

def test_pause_stops_and_resume_loses_nothing(ctx):
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db)
    assert ids(ctx, spec, 1) == [1]
    assert engine.rest("PUT", path + "/pause") == (202, None)
    engine.wait_state(spec["name"], "PAUSED")
    assert engine.rest("GET", path + "/status")[1]["connector"]["state"] == "PAUSED"
    wait_released(ctx, spec)
    ctx.postgres.psql("".join(f"insert into orders values ({i}, 'while paused');" for i in range(2, 102)), db)
    assert ids(ctx, spec, 1) == [1]
    assert engine.rest("PUT", path + "/resume") == (202, None)
    engine.wait_streaming(spec, ctx.postgres)
    assert ids(ctx, spec, 101) == list(range(1, 102)), "each row once, in order"


def test_stop_and_resume(ctx):
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db)
    assert engine.rest("PUT", path + "/stop") == (204, None)
    wait_until(lambda: engine.rest("GET", path + "/status")[1]["connector"]["state"] == "STOPPED", 15, "the connector to stop")
    assert engine.rest("GET", path + "/status")[1]["tasks"] == [] and engine.rest("GET", path + "/tasks")[1] == []
    assert ctx.postgres.psql(f"select count(*) from pg_stat_activity where datname = '{db}' and pid <> pg_backend_pid()") == "0"
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    assert engine.rest("PUT", path + "/resume") == (202, None)
    assert ids(ctx, spec, 2) == [1, 2]


def test_restart(ctx):
    """In the middle of writing: each row is there once, for a clean restart repeats nothing."""
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db)
    for start in (2, 102, 202):
        ctx.postgres.psql("".join(f"insert into orders values ({i}, 'x');" for i in range(start, start + 100)), db)
        assert engine.rest("POST", path + "/restart") == (204, None)
    assert ids(ctx, spec, 301) == list(range(1, 302))
    wait_until(lambda: engine.status(spec["name"])[0] == "RUNNING", 15, "RUNNING")
    code, status = engine.rest("POST", path + "/restart?includeTasks=true")
    assert code == 202 and (status["name"], status["tasks"][0]["state"]) == (spec["name"], "RESTARTING"), status


def test_restart_after_a_failure_was_mended(ctx):
    db = ctx.database("create table users (id int primary key)")
    spec = ctx.connector(db, **{"table.include.list": "public.orders"})
    engine, path = ctx.walwire(), f"/connectors/{spec['name']}"
    engine.create(spec)
    engine.wait_state(spec["name"], "FAILED")
    status = engine.rest("GET", path + "/status")[1]
    assert status["connector"]["state"] == "RUNNING" and "no table matches" in status["tasks"][0]["trace"], "as Connect shows a failed task"
    ctx.postgres.psql("create table orders (id int primary key); insert into orders values (1)", db)
    assert engine.rest("POST", path + "/restart?includeTasks=true&onlyFailed=true")[0] == 202
    engine.wait_streaming(spec, ctx.postgres)
    assert ids(ctx, spec, 1) == [1] and "trace" not in engine.rest("GET", path + "/status")[1]["tasks"][0]


def test_delete_leaves_the_slot_and_a_new_one_goes_on(ctx):
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db)
    slot, publication = spec["config"]["slot.name"], spec["config"]["publication.name"]
    assert ids(ctx, spec, 1) == [1]
    assert engine.rest("DELETE", path) == (204, None)
    error(engine.rest("GET", path), 404, "not found")
    assert engine.rest("GET", "/connectors") == (200, [])
    wait_released(ctx, spec)
    assert ctx.postgres.slot(slot) and ctx.postgres.psql("select pubname from pg_publication", db) == publication
    ctx.postgres.psql("insert into orders values (2, 'while there was none')", db)
    engine.create(spec)
    assert ids(ctx, spec, 2) == [1, 2], "the snapshot was not taken again, and nothing is missing"


def test_delete_and_create_at_once(ctx):
    """The former one still drains: the new one waits for it and does not fail over the slot in use."""
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db)
    for i in range(2, 6):
        ctx.postgres.psql(f"insert into orders values ({i}, 'x')", db)
        assert engine.rest("DELETE", path) == (204, None)
        engine.create(spec)
    engine.wait_streaming(spec, ctx.postgres)
    assert ids(ctx, spec, 5) == [1, 2, 3, 4, 5]


# ---- changing ----

def test_a_new_configuration_takes_effect(ctx):
    """Another table is captured from then on; the stored position is kept; the publication follows."""
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db, **{"table.include.list": "public.orders"})
    next_config = {**spec["config"], "table.include.list": "public.orders,public.users", "tombstones.on.delete": "false"}
    code, answer = engine.rest("PUT", path + "/config", next_config)
    assert code == 200 and answer["config"]["table.include.list"] == "public.orders,public.users", answer
    engine.wait_streaming(spec, ctx.postgres)
    wait_until(lambda: ctx.postgres.psql("select count(*) from pg_publication_tables", db) == "2", 15, "the publication to have both tables")
    ctx.postgres.psql("insert into users values (7); insert into orders values (2, 'b'); delete from orders where id = 2; "
                      "insert into orders values (3, 'c')", db)
    assert ids(ctx, spec, 1, "users") == [7]
    values = [m["value"] and json.loads(m["value"])["payload"]["op"] for m in ctx.kafka.wait_records(spec["name"] + ".public.orders", 4)]
    assert values == ["r", "c", "d", "c"], "no second snapshot, no tombstone"


def test_a_bad_configuration_changes_nothing(ctx):
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db)
    before = engine.rest("GET", path + "/config")
    error(engine.rest("PUT", path + "/config", {**spec["config"], "snapshot.mode": "sometimes"}), 400, "snapshot.mode")
    assert engine.rest("GET", path + "/config") == before and engine.status(spec["name"])[0] == "RUNNING"
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    assert ids(ctx, spec, 2) == [1, 2]


def test_put_creates(ctx):
    spec = ctx.connector(ctx.database(TABLES))
    engine = ctx.walwire()
    code, answer = engine.rest("PUT", f"/connectors/{spec['name']}/config", spec["config"])
    assert code == 201 and answer["name"] == spec["name"], answer
    engine.wait_streaming(spec, ctx.postgres)


def test_patch_sets_and_removes(ctx):
    engine, spec, path = running(ctx, ctx.database(TABLES), **{"poll.interval.ms": "400"})
    code, answer = engine.rest("PATCH", path + "/config", {"poll.interval.ms": None, "tombstones.on.delete": "false"})
    assert code == 200 and "poll.interval.ms" not in answer["config"] and answer["config"]["tombstones.on.delete"] == "false", answer
    engine.wait_streaming(spec, ctx.postgres)


def test_initial_state(ctx):
    db = ctx.database(TABLES)
    spec = ctx.connector(db)
    engine, path = ctx.walwire(), f"/connectors/{spec['name']}"
    engine.create({**spec, "initial_state": "PAUSED"})
    wait_until(lambda: engine.rest("GET", path + "/status")[1]["connector"]["state"] == "PAUSED", 15, "the connector to be paused")
    assert engine.rest("GET", path + "/tasks") == (200, []), "as in Connect: what has never run has no tasks"
    assert ctx.postgres.slot(spec["config"]["slot.name"]) is None, "nothing was begun"
    engine.rest("PUT", path + "/resume")
    engine.wait_streaming(spec, ctx.postgres)
    assert ids(ctx, spec, 1) == [1]


# ---- keeping ----

def kept(ctx, topic, **more):
    return ctx.walwire(**{"config.storage.topic": topic, "config.storage.replication.factor": "1", **more})


def newest(ctx, topic):
    """The newest value of each key, deletions included, as Kafka Connect would read them."""
    return {m["key"]: m["value"] and json.loads(m["value"]) for m in ctx.kafka.consume(topic)}


def shown(engine):
    return {n: v["status"]["connector"]["state"] for n, v in engine.rest("GET", "/connectors?expand=status")[1].items()}


def test_connectors_and_their_states_survive_a_restart(ctx):
    db = ctx.database(TABLES)
    specs = [ctx.connector(db) for _ in range(4)]
    engine = kept(ctx, f"configs-{specs[0]['name']}")
    a, b, c, d = (s["name"] for s in specs)
    for spec, state in zip(specs, ("RUNNING", "PAUSED", "STOPPED", "RUNNING")):
        engine.create({**spec, "initial_state": state})
    engine.wait_streaming(specs[0], ctx.postgres)
    assert engine.rest("PATCH", f"/connectors/{a}/config", {"poll.interval.ms": "123"})[0] == 200
    assert engine.rest("DELETE", f"/connectors/{d}")[0] == 204
    assert engine.rest("PUT", f"/connectors/{c}/pause")[0] == 202 and engine.rest("PUT", f"/connectors/{b}/stop")[0] == 204
    engine.restart()
    wait_until(lambda: shown(engine) == {a: "RUNNING", b: "STOPPED", c: "PAUSED"}, 20, "the connectors to be as they were")
    assert engine.rest("GET", f"/connectors/{a}/config")[1]["poll.interval.ms"] == "123"
    engine.wait_streaming(specs[0], ctx.postgres)
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    assert ids(ctx, specs[0], 2) == [1, 2]


def test_without_kafka_a_file_keeps_them(ctx):
    engine = ctx.walwire(kafka=False)
    spec = ctx.connector(ctx.database(TABLES))
    engine.create({**spec, "initial_state": "STOPPED"})
    engine.restart()
    wait_until(lambda: shown(engine) == {spec["name"]: "STOPPED"}, 20, "the connector to be there")
    assert engine.rest("PUT", f"/connectors/{spec['name']}/resume")[0] == 202
    engine.restart()
    engine.wait_streaming(spec, ctx.postgres)
    assert engine.rest("DELETE", f"/connectors/{spec['name']}")[0] == 204
    engine.restart()
    assert engine.rest("GET", "/connectors") == (200, [])


def test_a_connector_of_the_command_line_is_its_files(ctx):
    spec = ctx.connector(ctx.database(TABLES))
    engine = ctx.walwire(spec, kafka=False)
    engine.wait_streaming(spec, ctx.postgres)
    assert engine.rest("PUT", f"/connectors/{spec['name']}/stop")[0] == 204
    engine.restart()
    engine.wait_streaming(spec, ctx.postgres)


def test_the_records_are_kafka_connects(ctx):
    """As Connect 4.3 was seen to write them: it goes on with what walwire wrote."""
    spec = ctx.connector(ctx.database(TABLES))
    name, topic = spec["name"], f"configs-{spec['name']}"
    engine, path = kept(ctx, topic), f"/connectors/{name}"
    config = {**spec["config"], "name": name}
    task = {**config, "task.class": CLASS + "Task"}
    engine.create(spec)
    assert newest(ctx, topic) == {f"connector-{name}": {"properties": config}, f"task-{name}-0": {"properties": task},
                                  f"commit-{name}": {"tasks": 1}}
    for action, code, state, v2, tasks in (("pause", 202, "PAUSED", "PAUSED", 1), ("stop", 204, "PAUSED", "STOPPED", 0),
                                           ("resume", 202, "STARTED", "STARTED", 1)):
        assert engine.rest("PUT", f"{path}/{action}")[0] == code
        now = newest(ctx, topic)
        assert now[f"target-state-{name}"] == {"state": state, "state.v2": v2} and now[f"commit-{name}"] == {"tasks": tasks}, (action, now)
    assert engine.rest("DELETE", path)[0] == 204
    now = newest(ctx, topic)
    assert now[f"connector-{name}"] is None and now[f"target-state-{name}"] is None
    assert len(ctx.kafka.ends(topic)) == 1, "Connect wants one partition"


def test_a_connect_clusters_connectors_are_taken_over(ctx):
    """Debezium's run on; those of other classes, and keys of other kinds, are left as they are."""
    spec = ctx.connector(ctx.database(TABLES))
    name, topic = spec["name"], f"configs-{spec['name']}"
    config = {**spec["config"], "name": name}
    sink = {"connector.class": "org.example.JdbcSink", "topics": "a", "name": "sink"}
    ctx.kafka.create_topic(topic, 1, {"cleanup.policy": "compact"})
    before = {"session-key": {"key": "x", "algorithm": "HmacSHA256", "creation-timestamp": 1},
              "connector-sink": {"properties": sink}, "commit-sink": {"tasks": 1},
              "target-state-sink": {"state": "PAUSED", "state.v2": "PAUSED"},
              f"connector-{name}": {"properties": config}, f"restart-connector-{name}": {"include-tasks": True, "only-failed": False},
              f"task-{name}-0": {"properties": {**config, "task.class": CLASS + "Task"}}, f"commit-{name}": {"tasks": 1},
              "connector-bad": {"properties": {**config, "name": "bad", "snapshot.mode": "sometimes"}}}
    for key, value in before.items():
        ctx.kafka.produce(topic, json.dumps(value), key)
    engine = kept(ctx, topic)
    engine.wait_streaming(spec, ctx.postgres)
    assert engine.rest("GET", "/connectors") == (200, ["bad", name])
    assert ids(ctx, spec, 1) == [1]
    status = engine.rest("GET", "/connectors/bad/status")[1]
    assert (status["connector"]["state"], status["tasks"]) == ("FAILED", []) and "snapshot.mode" in status["connector"]["trace"], status
    error(engine.rest("POST", "/connectors", {"name": "sink", "config": spec["config"]}), 409, "Connector sink already exists")
    error(engine.rest("PUT", "/connectors/sink/config", spec["config"]), 409)
    error(engine.rest("DELETE", "/connectors/sink"), 404)
    assert newest(ctx, topic) == before
    mended = {**config, "name": "bad", "slot.name": "mended", "topic.prefix": "mended"}
    assert engine.rest("PUT", "/connectors/bad/config", mended)[0] == 200
    engine.wait_running("bad")
    assert engine.rest("DELETE", "/connectors/bad")[0] == 204


def test_nothing_is_changed_that_cannot_be_stored(ctx):
    spec = ctx.connector(ctx.database(TABLES))
    engine = ctx.walwire(kafka=False)
    place = engine.dir + "/offsets.connectors"
    engine.create({**spec, "initial_state": "STOPPED"})
    wait_until(lambda: shown(engine) == {spec["name"]: "STOPPED"}, 10, "it to stand")
    with open(place) as f:
        sound = f.read()
    for damaged in (place, place + ".previous"):  # with one of them sound it goes on
        with open(damaged, "w") as f:
            f.write("damaged")
    path = f"/connectors/{spec['name']}"
    error(engine.rest("PUT", path + "/resume"), 500, "offsets.connectors")
    error(engine.rest("DELETE", path), 500)
    error(engine.rest("POST", "/connectors", ctx.connector("x")), 500)
    assert shown(engine) == {spec["name"]: "STOPPED"}
    with open(place, "w") as f:
        f.write(sound)
    assert engine.rest("DELETE", path)[0] == 204


def test_positions_are_set_and_forgotten(ctx):
    """What is set is where the connector goes on; what is forgotten it reads anew."""
    db = ctx.database(TABLES)
    engine, spec, path = running(ctx, db)
    assert ids(ctx, spec, 1) == [1]
    error(engine.rest("DELETE", path + "/offsets"), 400, "STOPPED state", path + "/stop")
    assert engine.rest("PUT", path + "/stop")[0] == 204
    wait_released(ctx, spec)
    code, answer = engine.rest("GET", path + "/offsets")
    stored = answer["offsets"]
    assert code == 200 and [o["partition"] for o in stored] == [{"server": spec["name"]}] and stored[0]["offset"]["lsn"], answer
    assert engine.rest("DELETE", path + "/offsets")[0] == 200 and engine.rest("GET", path + "/offsets") == (200, {"offsets": []})
    ctx.postgres.psql("insert into orders values (2, 'b')", db)
    assert engine.rest("PATCH", path + "/offsets", {"offsets": stored})[0] == 200
    engine.rest("PUT", path + "/resume")
    assert ids(ctx, spec, 2) == [1, 2], "no second snapshot"
    assert engine.rest("GET", path + "/topics") == (200, {spec["name"]: {"topics": [f"{spec['name']}.public.orders"]}})


def test_the_log_level_changes_while_it_runs(ctx):
    engine = ctx.walwire(kafka=False)
    assert engine.rest("GET", "/admin/loggers/root") == (200, {"level": "INFO", "last_modified": None})
    code, changed = engine.rest("PUT", "/admin/loggers/io.debezium.connector", {"level": "DEBUG"})
    assert (code, changed) == (200, ["io.debezium.connector"])
    engine.create({**ctx.connector(ctx.database(TABLES)), "initial_state": "STOPPED"})
    code, changed = engine.rest("PUT", "/admin/loggers/root", {"level": "ERROR"})
    assert code == 200 and changed == ["root", "io.debezium.connector"]
