"""What a live test is given: shared services that start when first asked for, and things of its own that are gone after it."""
import os, subprocess, uuid

import node
from browser import Browser
from kafka import Kafka
from postgres import Postgres
from process import ROOT, at_exit, shared, temp_dir
from walwire import Walwire, connector


class Context:
    """One a test; `common` holds the services that all tests of a run share."""
    common = {}

    def __init__(self, name):
        self.name, self.engines, self.databases, self.broker = name, [], [], None

    def _shared(self, name, make):
        service = self.common.get(name)
        if service is None:
            service = self.common[name] = shared(make)
        if not service.running():  # a test before this one killed it
            service.start()
        return service

    @property
    def postgres(self):
        return self._shared("postgres", Postgres)

    @property
    def kafka(self):
        return self.broker or self._shared("kafka", Kafka)

    def own_kafka(self):
        """From now on `kafka` is a broker of this test alone, for what would hurt the others'."""
        self.broker = Kafka()

    def database(self, setup=""):
        """A fresh database; returns its name. It goes after the test, with its slots."""
        name = f"t{uuid.uuid4().hex[:10]}"
        self.postgres.psql(f"create database {name}")
        self.databases.append(name)
        if setup:
            self.postgres.psql(setup, name)
        return name

    def connector(self, db, postgres=None, **settings):
        """A connector with a name of its own, which is also its topic prefix and slot."""
        return connector(f"c{uuid.uuid4().hex[:10]}", postgres or self.postgres, db, **settings)

    def walwire(self, *connectors, kafka=True, **worker):
        """walwire serve, answering; with `kafka` it writes to the shared broker (False: to browsers only)."""
        broker = self.kafka if kafka is True else kafka or None
        self.engines.append(Walwire(connectors, broker, **worker))
        return self.engines[-1]

    def temp_dir(self):
        return temp_dir("test")

    def browser(self):
        """A headless browser with a fresh profile, closed after the test."""
        browser = Browser(node.program(), node.environment())
        at_exit(browser.close)
        return browser

    def node(self, script, *args, timeout=90, **env):
        """Runs a script in Node, with NODE_MODULES, PLAYWRIGHT_DIR and CHROMIUM in its environment; returns its output."""
        more = {**node.environment(), **{k: str(v) for k, v in env.items()}}
        done = subprocess.run([node.program(), script, *map(str, args)], capture_output=True, text=True, timeout=timeout, cwd=ROOT,
                              env={**os.environ, **more})
        assert done.returncode == 0, f"{os.path.basename(script)} ended with {done.returncode}:\n{done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done.stdout

    def logs(self):
        broker = self.broker or self.common.get("kafka")
        return "".join(f"--- walwire {i + 1}\n{e.log()}" for i, e in enumerate(self.engines) if os.path.exists(e.log_path)) + \
            (f"--- Kafka\n{broker.process.tail()}\n" if broker else "")

    def close(self):
        for engine in self.engines:
            engine.sigterm()
        for db in self.databases:
            self.postgres.drop_database(db)
        if self.broker:
            self.broker.stop()
