"""The program under test: `walwire serve` with a worker file and connectors of its own, in a directory of its own."""
import json, os, signal, subprocess, urllib.error, urllib.request

from process import ROOT, Process, at_exit, free_port, temp_dir, wait_until

BINARY = os.environ.get("WALWIRE_BIN") or os.path.join(ROOT, os.environ.get("BUILD") or "build", "walwire")


def run(*args, timeout=60, **more):
    """`walwire ARGS` to its end: a CompletedProcess with texts."""
    return subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=timeout, **more)


def connector(name, postgres, db, **settings):
    """A connector as it is POSTed. Settings override; dots are written as `__` or given in a dict by `**{...}`."""
    config = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": postgres.host, "database.port": str(postgres.port), "database.user": postgres.user,
        "database.password": "none", "database.dbname": db, "topic.prefix": name, "plugin.name": "pgoutput",
        "slot.name": name.replace("-", "_"), "publication.name": name.replace("-", "_") + "_pub",
        "publication.autocreate.mode": "filtered"}
    config.update({k.replace("__", "."): v for k, v in settings.items()})
    return {"name": name, "config": config}


class Walwire:
    """`worker` overrides the worker file's keys (None leaves one out). Without kafka, checkpoints are kept in a file."""

    def __init__(self, connectors=(), kafka=None, start=True, env=None, **worker):
        self.dir = temp_dir("serve")
        self.port, self.ws_port = free_port(), free_port()
        self.base, self.web = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.ws_port}"
        self.ws = f"ws://127.0.0.1:{self.ws_port}/ws"
        self.log_path, self.env, self.process = os.path.join(self.dir, "log"), env, None
        json_converter = "org.apache.kafka.connect.json.JsonConverter"
        settings = {"bootstrap.servers": kafka.bootstrap if kafka else None, "group.id": "walwire-test",
                    "key.converter": json_converter, "value.converter": json_converter,
                    "offset.storage.topic": "connect-offsets" if kafka else None,
                    "offset.storage.replication.factor": "1" if kafka else None,
                    "offset.storage.file.filename": None if kafka else os.path.join(self.dir, "offsets"),
                    "offset.flush.interval.ms": "200", "listeners": self.base, "websocket.listeners": self.web,
                    "web.dir": os.path.join(ROOT, "web"),
                    **{k.replace("__", "."): v for k, v in worker.items()}}
        self.files = [self._write("worker.properties", "".join(f"{k}={v}\n" for k, v in settings.items() if v is not None))]
        self.connectors = list(connectors)
        for c in self.connectors:
            self.files.append(self._write(c["name"] + ".json", json.dumps(c)))
        at_exit(self.sigterm)
        if start:
            self.start()

    @classmethod
    def at(cls, base):
        """Any server with Kafka Connect's REST API that runs already and is not ours to stop."""
        self = cls.__new__(cls)
        self.base = base
        return self

    def _write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self, timeout=20):
        self.process = Process([BINARY, "serve", *self.files], self.log_path, env=self.env, cwd=self.dir)
        wait_until(self._answers, timeout, "walwire to answer")

    def _answers(self):
        if not self.process.running():
            raise AssertionError(f"walwire ended with {self.process.child.returncode}:\n{self.process.tail()}")
        return self.rest("GET", "/connectors")[0] == 200

    def rest(self, method, path, body=None):
        """Status code and the answer: parsed when it is JSON, else text, None when empty."""
        request = urllib.request.Request(self.base + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=30) as r:
                code, text = r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            code, text = e.code, e.read().decode()
        try:
            return code, json.loads(text) if text else None
        except ValueError:
            return code, text

    def create(self, spec):
        code, answer = self.rest("POST", "/connectors", spec)
        assert code == 201, f"POST /connectors answered {code}: {answer}"
        return answer

    def status(self, name):
        """The task's state (NONE before there is one) and its trace."""
        code, body = self.rest("GET", f"/connectors/{name}/status")
        tasks = body.get("tasks", []) if code == 200 else []
        return (tasks[0]["state"], tasks[0].get("trace", "")) if tasks else ("NONE", str(body))

    def wait_state(self, name, state, timeout=30):
        def reached():
            now, why = self.status(name)
            if now == "FAILED" != state:
                raise AssertionError(f"{name} failed: {why[:800]}")
            if now != state:
                raise RuntimeError(f"{now}: {why[:200]}")
            return True
        return wait_until(reached, timeout, f"{name} to be {state}", every=0.1)

    def wait_running(self, name, timeout=30):
        return self.wait_state(name, "RUNNING", timeout)

    def wait_streaming(self, spec, postgres, timeout=60):
        """Running, and its slot in use. `spec` is the connector as from connector()."""
        self.wait_running(spec["name"], timeout)
        slot = spec["config"]["slot.name"]
        return wait_until(lambda: self.wait_running(spec["name"]) and postgres.streaming(slot), timeout, f"slot {slot} to be in use",
                          every=0.1)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def running(self):
        return self.process is not None and self.process.running()

    def sigterm(self, timeout=20):
        """Asks it to end; returns the exit code."""
        return self.process.stop(signal.SIGTERM, timeout) if self.process else None

    def sigkill(self):
        return self.process.kill()

    stop = sigterm

    def restart(self):
        self.sigterm()
        self.start()

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
