"""The requests of the contract: what clients of Kafka Connect's REST interface send, good and bad, in one order.

A step is one request. `wait` says what /status must show before it is sent (None: that it answers 404). `here` is for the few
answers that differ on purpose: status and a part of the body that walwire answers instead. `brief` keeps of a validation only
what has errors.
"""
CLASS = "io.debezium.connector.postgresql.PostgresConnector"
PLUGIN = f"/connector-plugins/{CLASS}/config"
JSON = "application/json"


class Contract:
    """Collects steps; `base` is a sound configuration for the server that the connector is to read from."""

    def __init__(self, base):
        self.base, self.steps = base, []

    def add(self, method, path, body=None, type=JSON, wait=False, here=None, brief=False, accept=None, mask=()):
        self.steps.append({"method": method, "path": path, "body": body, "type": type, "wait": wait, "here": here, "brief": brief,
                           "accept": accept, "mask": mask})

    def config(self, connector, **changes):
        slot = connector.replace("-", "_")
        config = {**self.base, "topic.prefix": slot, "slot.name": slot, "publication.name": slot + "_pub", **changes}
        return {k: v for k, v in config.items() if v is not ...}


def steps(base):
    c = Contract(base)
    for part in (server, methods, unknown_connectors, bad_creations, stopped, offsets, configurations, running, states, topics_and_tasks,
                 restarts, failing, names, plugins, validation, loggers, debezium_ui, terraform, strimzi, kcctl, python_client, the_end):
        part(c)
    return c.steps


# ---- without a connector ----

def server(c):
    for path in ("/", "/?pretty", "/health", "/health/", "/connectors", "/connectors/", "/connectors?expand=info", "/connectors?expand=status",
                 "/connectors?expand=info&expand=status", "/connectors?expand=tasks", "/connectors?expand=INFO", "/connectors?expand=",
                 "/connectors?unknown=1"):
        c.add("GET", path)
    for path in ("/", "/connectors", "/health", "/connectors/contract-none", "/admin/loggers/root", PLUGIN):
        c.add("HEAD", path)
    for path in ("/nothing", "/connectors/a/b", "/connectors/a/tasks/0", "/connectors/a/tasks/0/state", "/admin", "/internal", "/connector-plugins/a",
                 "/connectors/a/tasks-config", "/openapi.json", "/application.wadl"):
        c.add("GET", path)
        c.add("PUT", path, {})
    for accept in ("application/json", "*/*", "application/*", "text/html, */*;q=0.1", "application/json;q=0.9, text/plain", "text/html",
                   "text/plain", "application/xml", "application/jsonx"):
        c.add("GET", "/connectors", accept=accept)
        c.add("GET", "/nothing", accept=accept)
    for type in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "application/json; charset=utf-8", "APPLICATION/JSON"):
        c.add("POST", "/connectors", {"name": "contract-a", "config": {}}, type=type)
        c.add("PUT", "/connectors/contract-a/config", {}, type=type)


PATHS = {"/": "GET", "/connectors": "GET POST", "/connectors/a": "GET DELETE", "/connectors/a/config": "GET PUT PATCH",
         "/connectors/a/status": "GET", "/connectors/a/restart": "POST", "/connectors/a/pause": "PUT", "/connectors/a/resume": "PUT",
         "/connectors/a/stop": "PUT", "/connectors/a/tasks/0/status": "GET", "/connectors/a/tasks/0/restart": "POST",
         "/connectors/a/topics": "GET", "/connectors/a/topics/reset": "PUT", "/connectors/a/offsets": "GET PATCH DELETE",
         "/connector-plugins": "GET", PLUGIN: "GET", PLUGIN + "/validate": "PUT", "/admin/loggers": "GET", "/admin/loggers/root": "GET PUT",
         "/health": "GET"}


def methods(c):
    for path, allowed in PATHS.items():
        c.add("OPTIONS", path)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if method not in allowed.split():
                c.add(method, path, {} if method in ("POST", "PUT", "PATCH") else None)


def unknown_connectors(c):
    none = "/connectors/contract-none"
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/config"), ("GET", "/status"), ("GET", "/tasks"), ("GET", "/tasks/0/status"),
                         ("GET", "/tasks/x/status"), ("GET", "/tasks/-1/status"), ("GET", "/tasks/99999999999/status"), ("PUT", "/pause"),
                         ("PUT", "/resume"), ("PUT", "/stop"), ("POST", "/restart"), ("POST", "/restart?includeTasks=true"),
                         ("POST", "/restart?onlyFailed=true"), ("POST", "/restart?includeTasks=true&onlyFailed=true"),
                         ("POST", "/tasks/0/restart"), ("POST", "/tasks/x/restart"), ("GET", "/topics"), ("PUT", "/topics/reset"),
                         ("GET", "/offsets"), ("DELETE", "/offsets")):
        c.add(method, none + path)
    c.add("PATCH", none + "/offsets", {"offsets": [{"partition": {"server": "x"}, "offset": {"lsn": 1}}]})
    c.add("PATCH", none + "/config", {"a": "b"})
    c.add("PUT", none + "/config", {})
    c.add("PUT", none + "/config", {"a": "b"})
    c.add("GET", "/connectors/a+b", here=(404, "a b"))  # a + is a blank here: it is written %2B
    for name in ("a%20b", "%C3%A9", "a.b", "a_b", "a~b"):
        c.add("GET", f"/connectors/{name}")


BROKEN = ["", "{", "[", "[]", "1", '"x"', "null", "nonsense", "{} {}", '{"a": }', '{"a" "b"}', "{'a': 'b'}", '{"a": {"b": "c"}}', '{"a": ["b"]}']


def bad_creations(c):
    for body in BROKEN:
        c.add("POST", "/connectors", body)
        c.add("PUT", "/connectors/contract-a/config", body)
    for body in ({}, {"name": "contract-a"}, {"name": "contract-a", "config": None}, {"config": {}}, {"name": "", "config": {}},
                 {"name": "contract-a", "config": {}}, {"name": "contract-a", "config": []}, {"name": "contract-a", "config": "x"},
                 {"name": 5, "config": {}}, {"name": True, "config": {}}, {"name": ["a"], "config": {}}, {"name": {}, "config": {}},
                 {"name": "contract-a", "config": {"a": {"b": 1}}}, {"name": "contract-a", "config": {"a": [1]}},
                 {"name": "contract-a", "config": {}, "initial_state": "UP"}, {"name": "contract-a", "config": {}, "initial_state": "paused"},
                 {"name": "contract-a", "config": {}, "initial_state": None}, {"name": "contract-a", "config": {}, "initial_state": ""},
                 {"name": "contract-a", "config": {}, "further": 1}, {"name": "contract-a", "config": {"name": "other"}},
                 {"name": "contract-a", "config": {"name": ""}}, {"name": "contract-a", "config": {"name": "contract-a"}},
                 {"name": "contract-a", "config": {"connector.class": "none"}}, {"name": "contract-a", "config": {"connector.class": ""}},
                 {"name": "contract-a", "config": {"connector.class": "org.example.JdbcSink", "topics": "a"}},
                 {"config": {**c.config("contract-a"), "name": "contract-a"}}, {"name": " ", "config": c.config("contract-a")},
                 {"name": "contract-a", "config": c.config("contract-a", **{"x.y": None})}):
        c.add("POST", "/connectors", body)
    for changes in ({"database.hostname": ...}, {"topic.prefix": ...}, {"database.user": ...}, {"database.dbname": ...}, {"tasks.max": "0"},
                    {"tasks.max": "-1"}, {"snapshot.mode": "sometimes"}, {"slot.name": "A-b"}, {"topic.prefix": "a b"},
                    {"database.hostname": ..., "topic.prefix": ...}, {"table.include.list": "a", "table.exclude.list": "b"}):
        c.add("POST", "/connectors", {"name": "contract-a", "config": c.config("contract-a", **changes)})
        c.add("PUT", "/connectors/contract-a/config", c.config("contract-a", **changes))
    c.add("PUT", "/connectors/contract-a/config", c.config("contract-a", name="other"))
    c.add("GET", "/connectors")


# ---- one connector's life ----

A = "/connectors/contract-a"


def reads(c, path, wait=False):
    for what in ("", "/config", "/status", "/tasks", "/tasks/0/status", "/tasks/1/status", "/topics"):
        c.add("GET", path + what, wait=wait)
    c.add("GET", "/connectors?expand=info&expand=status")


def stopped(c):
    c.add("POST", "/connectors", {"name": "contract-a", "config": c.config("contract-a"), "initial_state": "STOPPED"})
    reads(c, A, wait=("STOPPED", []))
    c.add("GET", "/connectors")
    c.add("GET", A + "/")
    c.add("HEAD", A)
    c.add("POST", "/connectors", {"name": "contract-a", "config": c.config("contract-a")})
    c.add("POST", "/connectors", {"name": " contract-a ", "config": c.config("contract-a")})
    c.add("POST", "/connectors", {"name": "contract-a", "config": {}})
    c.add("POST", A + "/restart")
    c.add("POST", A + "/restart?includeTasks=true", wait=("STOPPED", []))
    c.add("POST", A + "/restart?onlyFailed=true&includeTasks=true", wait=("STOPPED", []))
    c.add("POST", A + "/tasks/0/restart")
    c.add("PUT", A + "/stop")
    c.add("GET", A + "/status", wait=("STOPPED", []))


def offsets(c):
    path, server = A + "/offsets", {"server": "contract_a"}
    c.add("DELETE", path)
    c.add("GET", path)
    for body in BROKEN:
        c.add("PATCH", path, body)
    for body in ({"offsets": []}, {"offsets": None}, {}, {"x": 1}, {"offsets": "x"}, {"offsets": [1]}, {"offsets": [{"partition": "x"}]},
                 {"offsets": [{"partition": server, "offset": {"lsn": 1, "further": {"a": 1}}}]},
                 {"offsets": [{"partition": server, "offset": {"lsn": [1]}}]},
                 {"offsets": [{"partition": server, "offset": {"lsn": 7, "lsn_proc": 5, "txId": 9, "ts_usec": 12345678901234}}]},
                 {"offsets": [{"partition": server, "offset": {"a": 1.5, "b": True, "c": None, "d": "text", "e": "/"}}]},
                 {"offsets": [{"partition": {"server": "other"}, "offset": {"lsn": 1}}]},
                 {"offsets": [{"partition": {"server": "other"}, "offset": None}]},
                 {"offsets": [{"partition": server, "offset": {"a": 1}}, {"partition": server, "offset": {"a": 2}}]},
                 {"offsets": [{"partition": server, "offset": None}]},
                 {"offsets": [{"partition": {}, "offset": {}}]}):
        c.add("PATCH", path, body)
        c.add("GET", path)
    c.add("DELETE", path)
    c.add("GET", path)
    c.add("DELETE", path)


def configurations(c):
    path = A + "/config"
    for body in ({"poll.interval.ms": "400"}, {"poll.interval.ms": 300, "tombstones.on.delete": False}, {"poll.interval.ms": None}, {},
                 {"tombstones.on.delete": None, "unknown.option": "x"}, {"unknown.option": None}, {"never.there": None},
                 {"snapshot.mode": "sometimes"}, {"connector.class": None}, {"database.hostname": None}):
        c.add("PATCH", path, body)
        c.add("GET", path)
    for body in BROKEN:
        c.add("PATCH", path, body)
    c.add("PUT", path, {"connector.class": CLASS}, here=(400, "database.hostname"))
    c.add("PUT", path, {**c.config("contract-a"), "name": "other"})
    c.add("PUT", path, {**c.config("contract-a"), "name": "contract-a"})
    c.add("PUT", path, c.config("contract-a", **{"tasks.max": 1}))
    c.add("PUT", path, c.config("contract-a", **{"tasks.max": None}), here=(400, "Null value can not be supplied"))
    c.add("GET", path)
    c.add("GET", A)


def running(c):
    c.add("PUT", A + "/resume")
    reads(c, A, wait=("RUNNING", ["RUNNING"]))
    c.add("GET", A + "/offsets")
    c.add("DELETE", A + "/offsets")
    c.add("PATCH", A + "/offsets", {"offsets": [{"partition": {"server": "contract_a"}, "offset": {"lsn": 1}}]})
    c.add("PATCH", A + "/offsets", {"offsets": []})
    c.add("PUT", A + "/resume")
    c.add("POST", "/connectors", {"name": "contract-a", "config": c.config("contract-a")})
    c.add("POST", "/connectors", {"name": "contract-b", "config": c.config("contract-b"), "initial_state": "PAUSED"})
    reads(c, "/connectors/contract-b", wait=("PAUSED", []))  # it has never run: there are no tasks to pause
    c.add("DELETE", "/connectors/contract-b/offsets")
    c.add("GET", "/connectors")


def states(c):
    b = "/connectors/contract-b"
    c.add("PUT", A + "/pause")
    c.add("GET", A + "/status", wait=("PAUSED", ["PAUSED"]))
    c.add("GET", A + "/tasks/0/status")
    c.add("PUT", A + "/pause")
    c.add("GET", A + "/tasks")
    c.add("DELETE", A + "/offsets")
    c.add("PUT", b + "/resume")
    c.add("GET", b + "/status", wait=("RUNNING", ["RUNNING"]))
    c.add("PUT", b + "/stop")
    c.add("GET", b + "/status", wait=("STOPPED", []))
    c.add("GET", b + "/tasks")
    c.add("PUT", b + "/pause")
    c.add("GET", b + "/status", wait=("PAUSED", []))
    c.add("PUT", b + "/stop", {})
    c.add("GET", b + "/offsets", wait=("STOPPED", []))
    c.add("DELETE", b + "/offsets")
    c.add("GET", b + "/offsets")
    c.add("DELETE", b)
    c.add("GET", b, wait=None)
    c.add("DELETE", b)
    c.add("GET", "/connectors")
    c.add("PUT", A + "/resume")
    c.add("GET", A + "/status", wait=("RUNNING", ["RUNNING"]))


def topics_and_tasks(c):
    for path in ("/topics", "/tasks/0/status", "/tasks/1/status", "/tasks/x/status", "/tasks/00/status", "/tasks/+0/status"):
        c.add("GET", A + path)
    c.add("PUT", A + "/topics/reset")
    c.add("GET", A + "/topics", mask=("topics",))
    c.add("PUT", A + "/topics/reset", {})
    for task in ("1", "x", "-1", "99999999999"):
        c.add("POST", f"{A}/tasks/{task}/restart")
    c.add("POST", A + "/tasks/0/restart")
    c.add("GET", A + "/tasks/0/status", wait=("RUNNING", ["RUNNING"]))


def restarts(c):
    up = ("RUNNING", ["RUNNING"])
    for query in ("", "?includeTasks=false", "?onlyFailed=false", "?includeTasks=true", "?onlyFailed=true", "?includeTasks=true&onlyFailed=true",
                  "?includeTasks=true&onlyFailed=false", "?includeTasks=false&onlyFailed=true", "?includeTasks=x&onlyFailed=y", "?other=1",
                  "?includeTasks=TRUE"):
        c.add("POST", A + "/restart" + query, wait=up)
    c.add("POST", A + "/restart?includeTasks=true", {}, wait=up)
    c.add("GET", A + "/status", wait=up)


def failing(c):
    """No table fits, so the task cannot start; a configuration that fits mends it."""
    path = "/connectors/contract-f"
    missing = c.config("contract-f", **{"database.hostname": "127.0.0.1", "publication.autocreate.mode": "disabled"})
    c.add("POST", "/connectors", {"name": "contract-f", "config": missing})
    failed = ("RUNNING", ["FAILED"])
    c.add("GET", path + "/status", wait=failed)
    c.add("GET", path + "/tasks/0/status")
    c.add("GET", path)
    c.add("POST", path + "/restart?onlyFailed=true")
    c.add("POST", path + "/restart?includeTasks=true&onlyFailed=true", wait=failed)
    c.add("POST", path + "/tasks/0/restart", wait=failed)
    c.add("GET", path + "/status", wait=failed)
    c.add("DELETE", path)
    c.add("GET", path + "/config", wait=None)


def names(c):
    for name, quoted in (("contract b", "contract%20b"), ("contract-\u00e9", "contract-%C3%A9"), ("contract.a_b~c", "contract.a_b~c"),
                         ("contract:1", "contract:1"), ("contract@home", "contract%40home")):
        path, config = "/connectors/" + quoted, c.config("contract-n")
        c.add("POST", "/connectors", {"name": name, "config": config, "initial_state": "STOPPED"})
        c.add("GET", path + "/status", wait=("STOPPED", []))
        c.add("GET", path)
        c.add("GET", path + "/topics")
        c.add("DELETE", path)
        c.add("GET", path + "/config", wait=None)


# ---- plugins ----

def plugins(c):
    for path in ("/connector-plugins", "/connector-plugins/", "/connector-plugins?connectorsOnly=true", "/connector-plugins?connectorsOnly=TRUE",
                 "/connector-plugins?connectorsOnly=", "/connector-plugins?connectorsOnly=false", "/connector-plugins?connectorsOnly=no"):
        c.add("GET", path)
    for name in (CLASS, "PostgresConnector", "Postgres", "postgres", "none", "org.example.JdbcSink", "org.apache.kafka.connect.json.JsonConverter",
                 "JsonConverter", "org.apache.kafka.connect.storage.SimpleHeaderConverter"):
        c.add("GET", f"/connector-plugins/{name}/config", mask=("definitions",) if "Json" in name else ())
        c.add("PUT", f"/connector-plugins/{name}/config/validate", {**c.config("contract-v"), "name": "contract-v"}, brief=True)
    for given in ("PostgresConnector", "Postgres", "none", "", CLASS):
        c.add("PUT", "/connector-plugins/PostgresConnector/config/validate", {"connector.class": given}, brief=True)
        c.add("PUT", PLUGIN + "/validate", {"connector.class": given, "name": "x"}, brief=True)
    for body in BROKEN + [{}, {"name": "x"}, {"connector.class": None}]:
        c.add("PUT", PLUGIN + "/validate", body)


GOOD = {"snapshot.mode": "initial always no_data initial_only when_needed INITIAL", "decimal.handling.mode": "precise double string Precise",
        "time.precision.mode": "adaptive connect isostring microseconds nanoseconds adaptive_time_microseconds",
        "binary.handling.mode": "bytes base64 base64-url-safe hex", "hstore.handling.mode": "json map", "interval.handling.mode": "numeric string",
        "publication.autocreate.mode": "all_tables disabled filtered no_tables", "skipped.operations": "none c c,u,d,t",
        "database.sslmode": "disable prefer allow", "tombstones.on.delete": "true false TRUE", "heartbeat.interval.ms": "0 1000",
        "slot.name": "a a_1 0", "errors.max.retries": "-1 0 5", "max.queue.size": "4096"}
BAD = {"snapshot.mode": ["sometimes", "initial,always"], "decimal.handling.mode": ["exact"], "time.precision.mode": ["fast"],
       "binary.handling.mode": ["octal"], "hstore.handling.mode": ["xml"], "interval.handling.mode": ["x"],
       "publication.autocreate.mode": ["some_tables"], "skipped.operations": ["x", "c,x", "c;u"], "database.sslmode": ["maybe"],
       "database.port": ["abc", "5432.5", "99999999999"], "heartbeat.interval.ms": ["-1", "x"], "poll.interval.ms": ["0", "-1", "x"],
       "max.batch.size": ["0", "x"], "max.queue.size": ["x", "10"], "status.update.interval.ms": ["0", "x"], "slot.name": ["A", "a-b", "a b", "x" * 64],
       "topic.prefix": ["a b", "a/b", "\u00e9"], "tombstones.on.delete": ["yes", "1", ""], "plugin.name": ["wal2json"],
       "table.include.list": ["[", "(", "a,(b"], "table.exclude.list": ["["], "schema.include.list": ["("], "schema.exclude.list": ["("],
       "column.include.list": ["["], "column.exclude.list": ["*"], "message.prefix.include.list": ["["], "message.key.columns": ["a", "a.b", "a.b:"],
       "tasks.max": ["0", "-5", "x", ""], "errors.tolerance": ["some"], "config.action.reload": ["x"], "exactly.once.support": ["x"],
       "retriable.restart.connector.wait.ms": ["x", "-1"], "errors.max.retries": ["x"], "slot.max.retries": ["x"],
       "snapshot.fetch.size": ["x"], "lsn.flush.mode": ["x"], "name": [""],
       "database.hostname": ["", "a b"], "database.user": [""], "database.dbname": [""]}
PAIRS = [{"table.include.list": "a", "table.exclude.list": "b"}, {"schema.include.list": "a", "schema.exclude.list": "b"},
         {"column.include.list": "a", "column.exclude.list": "b"}, {"message.prefix.include.list": "a", "message.prefix.exclude.list": "b"},
         {"database.hostname": ..., "database.user": ..., "database.dbname": ..., "topic.prefix": ...},
         {"database.password": ...}, {"slot.name": ...}, {"unknown.option": "1", "further.unknown.option": "2"}]


def validation(c):
    def validate(changes, brief=True):
        c.add("PUT", PLUGIN + "/validate", {"name": "contract-v", **c.config("contract-v", **changes)}, brief=brief)
    validate({}, brief=False)
    validate({"tasks.max": "2", "errors.log.enable": "true"}, brief=False)
    for option, values in GOOD.items():
        for value in values.split():
            validate({option: value})
    for option, values in BAD.items():
        for value in values:
            validate({option: value})
    for changes in PAIRS:
        validate(changes)


def loggers(c):
    """No server forgets a logger, so each run has names of its own: RUN stands for them."""
    c.add("PUT", "/admin/loggers/root", {"level": "WARN"}, mask=("loggers",))
    for path in ("/admin/loggers/root", "/admin/loggers/contract.RUN", "/admin/loggers/contract.RUN.a", "/admin/loggers/"):
        c.add("GET", path, mask=("loggers", "level") if path.endswith(("s/", "root")) else ())
    for name, body in (("contract.RUN", {"level": "INFO"}), ("contract.RUN.a", {"level": "debug"}), ("contract.RUN", {"level": "TRACE"}),
                       ("contract.RUN", {"level": "TRACE"}), ("contract.RUN?scope=worker", {"level": "WARN"}), ("contract.RUN?scope=cluster", {"level": "ERROR"}),
                       ("contract.RUN?scope=CLUSTER", {"level": "OFF"}), ("contract.RUN?scope=other", {"level": "ALL"}), ("contract.RUN", {"level": "loud"}),
                       ("contract.RUN", {"level": ""}), ("contract.RUN", {}), ("contract.RUN", {"level": None}), ("contract.RUN", {"level": 5}),
                       ("contract.RUN", {"level": "FATAL", "more": "x"}), ("contract.RUN", {"other": "x"}), ("contract.RUN", {"level": {}}),
                       ("contract.RUN.a", {"level": "INFO"}), ("contract.RUN", {"level": "INFO"}), ("contract.RUN?scope=cluster", {"level": "loud"}),
                       ("contract.RUN?scope=cluster", {})):
        c.add("PUT", "/admin/loggers/" + name, body)
        if "scope=" not in name or "worker" in name:  # a cluster hears of it later
            c.add("GET", "/admin/loggers/" + name.split("?")[0])
    for body in BROKEN[:12]:
        c.add("PUT", "/admin/loggers/contract.RUN", body)


# ---- what clients send ----

def debezium_ui(c):
    c.add("GET", "/connector-plugins", accept=JSON)
    c.add("PUT", PLUGIN + "/validate", {"name": "contract-ui", **c.config("contract-ui")}, brief=True, accept=JSON)
    c.add("POST", "/connectors", {"name": "contract-ui", "config": c.config("contract-ui")}, accept=JSON)
    path, up = "/connectors/contract-ui", ("RUNNING", ["RUNNING"])
    c.add("GET", path + "/status", wait=up, accept=JSON)
    c.add("GET", "/connectors?expand=info&expand=status", accept=JSON, mask=("status",))
    c.add("GET", path + "/config", accept=JSON)
    c.add("PUT", path + "/pause", accept=JSON)
    c.add("GET", path + "/status", wait=("PAUSED", ["PAUSED"]), accept=JSON)
    c.add("PUT", path + "/resume", accept=JSON)
    c.add("POST", path + "/restart", wait=up, accept=JSON)
    c.add("POST", path + "/tasks/0/restart", wait=up, accept=JSON)
    c.add("PUT", path + "/config", c.config("contract-ui", **{"poll.interval.ms": "250"}), wait=up, accept=JSON)
    c.add("GET", path, wait=up, accept=JSON)
    c.add("DELETE", path, accept=JSON)
    c.add("GET", path, wait=None, accept=JSON)


def terraform(c):
    """mongey/kafka-connect: creates, reads back, updates, deletes, and reads once more."""
    path, up = "/connectors/contract-tf", ("RUNNING", ["RUNNING"])
    c.add("POST", "/connectors", {"name": "contract-tf", "config": {"name": "contract-tf", **c.config("contract-tf")}}, accept=JSON)
    c.add("GET", path, wait=up, accept=JSON)
    c.add("GET", path + "/config", accept=JSON)
    c.add("PUT", path + "/config", {"name": "contract-tf", **c.config("contract-tf", **{"heartbeat.interval.ms": "5000"})}, accept=JSON)
    c.add("GET", path, wait=up, accept=JSON)
    c.add("DELETE", path, accept=JSON)
    c.add("GET", path, wait=None, accept=JSON)


def strimzi(c):
    """The operator's loop over a KafkaConnector resource."""
    path, up = "/connectors/contract-sz", ("RUNNING", ["RUNNING"])
    c.add("GET", "/", accept=JSON)
    c.add("GET", "/connector-plugins", accept=JSON)
    c.add("GET", "/admin/loggers", accept=JSON, mask=("loggers",))
    c.add("PUT", "/admin/loggers/root", {"level": "WARN"}, accept="*/*", mask=("loggers",))
    c.add("PUT", "/admin/loggers/strimzi.RUN", {"level": "WARN"}, accept="*/*")
    c.add("GET", "/connectors", accept=JSON)
    c.add("GET", path, accept=JSON)
    c.add("PUT", path + "/config", c.config("contract-sz"), accept=JSON)
    c.add("GET", path + "/status", wait=up, accept=JSON)
    c.add("GET", path + "/config", accept=JSON)
    c.add("GET", path + "/topics", accept=JSON)
    c.add("PUT", path + "/pause", accept=JSON)
    c.add("GET", path + "/status", wait=("PAUSED", ["PAUSED"]), accept=JSON)
    c.add("PUT", path + "/stop", accept=JSON)
    c.add("GET", path + "/offsets", wait=("STOPPED", []), accept=JSON)
    c.add("PATCH", path + "/offsets", {"offsets": [{"partition": {"server": "contract_sz"}, "offset": {"lsn": 1}}]}, accept=JSON)
    c.add("GET", path + "/offsets", accept=JSON)
    c.add("DELETE", path + "/offsets", accept=JSON)
    c.add("PUT", path + "/resume", accept=JSON)
    c.add("POST", path + "/restart?includeTasks=false&onlyFailed=false", wait=up, accept=JSON)
    c.add("POST", path + "/restart?includeTasks=true&onlyFailed=false", wait=up, accept=JSON)
    c.add("POST", path + "/tasks/0/restart", wait=up, accept=JSON)
    c.add("GET", path + "/status", wait=up, accept=JSON)
    c.add("DELETE", path, accept=JSON)
    c.add("GET", path + "/status", wait=None, accept=JSON)


def kcctl(c):
    path, up = "/connectors/contract-kc", ("RUNNING", ["RUNNING"])
    c.add("GET", "/")
    c.add("GET", "/connector-plugins/?connectorsOnly=false", mask=("plugins",))
    c.add("POST", "/connectors/", {"name": "contract-kc", "config": c.config("contract-kc")})
    c.add("GET", path + "/", wait=up)
    c.add("GET", "/connectors/?expand=status&expand=info", mask=("status",))
    c.add("GET", path + "/status/")
    c.add("GET", path + "/topics/")
    c.add("GET", path + "/tasks/")
    c.add("PUT", path + "/config/", c.config("contract-kc", **{"snapshot.mode": "no_data"}))
    c.add("POST", path + "/restart/", wait=up)
    c.add("POST", path + "/tasks/0/restart/", wait=up)
    c.add("PUT", path + "/pause/", wait=up)
    c.add("PUT", path + "/resume/", wait=("PAUSED", ["PAUSED"]))
    c.add("PUT", path + "/stop/", wait=up)
    c.add("GET", path + "/offsets/", wait=("STOPPED", []))
    c.add("DELETE", path + "/offsets/")
    c.add("GET", "/admin/loggers/", mask=("loggers",))
    c.add("PUT", "/admin/loggers/kcctl.RUN", {"level": "DEBUG"})
    c.add("DELETE", path + "/")
    c.add("GET", "/connectors/", wait=False)


def python_client(c):
    path, up = "/connectors/contract-py", ("RUNNING", ["RUNNING"])
    c.add("GET", "/", accept="*/*")
    c.add("POST", "/connectors", {"name": "contract-py", "config": c.config("contract-py")}, accept="*/*")
    c.add("GET", path + "/status", wait=up, accept="*/*")
    c.add("GET", path + "/config", accept="*/*")
    c.add("PATCH", path + "/config", {"poll.interval.ms": "100"}, accept="*/*")
    c.add("PUT", path + "/pause", type=None, accept="*/*")
    c.add("PUT", path + "/resume", type=None, wait=("PAUSED", ["PAUSED"]), accept="*/*")
    c.add("POST", path + "/restart", type=None, wait=up, accept="*/*")
    c.add("DELETE", path, type=None, wait=up, accept="*/*")
    c.add("GET", "/connectors", accept="*/*")


def the_end(c):
    c.add("PUT", A + "/stop")
    c.add("DELETE", A + "/offsets", wait=("STOPPED", []))
    c.add("GET", A + "/offsets")
    c.add("DELETE", A)
    c.add("GET", A + "/status", wait=None)
    c.add("GET", "/connectors")
