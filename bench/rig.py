"""The bench itself: servers that run for all measurements, a backlog to drain, and one connector at a time on it."""
import contextlib, os, re, subprocess, time, uuid

from peers import POSTGRES, WORKER, Broker, Connect, Postgres, Topics, Usage, Walwire, wait_until
from release import BUILD
from walwire import connector

JSON = "org.apache.kafka.connect.json.JsonConverter"
TABLE = """
    create table bench(id bigserial primary key, cust int, sku text, qty int, price numeric(10,2), note text,
                       created timestamptz default now(), ok bool default true);
    create publication bench_pub for table bench;"""
STEP = 1000  # rows of a transaction
INSERT = f"""
    insert into bench(cust, sku, qty, price, note)
    select g % 1000, 'SKU-' || (g % 5000), g % 10, (g % 10000) / 100.0, 'note for row number ' || g from generate_series(1, {STEP}) g;"""
WARM_ROWS = 100000
PATIENCE = 600  # seconds for one run


class Backlog:
    """A database that was written to after a slot was made: each run reads the same from a copy of that slot. `setup` and
    `fill` are SQL, or functions of the database's name; `rows` is how many changes of published rows `fill` makes, `skip` how many of the first count for no speed."""
    skip = 0

    def __init__(self, postgres, rows, setup=TABLE, fill=None, after="vacuum analyze bench;"):
        self.postgres, self.rows, self.db = postgres, rows if fill else max(rows // STEP, 1) * STEP, f"b{uuid.uuid4().hex[:8]}"
        postgres.psql(f"create database {self.db}")
        self._do(setup)
        postgres.psql(f"select pg_create_logical_replication_slot('{self.db}', 'pgoutput')", self.db)
        self._do(fill or INSERT * (self.rows // STEP))
        self.end = postgres.psql("select pg_current_wal_insert_lsn()")
        postgres.psql(f"{after} checkpoint;", self.db)

    def _do(self, what):
        if callable(what):
            what(self.db)
        else:
            self.postgres.psql(what, self.db)

    def drop(self):
        self.postgres.drop_database(self.db)

    def copy_slot(self, name):
        self.postgres.psql(f"select pg_copy_logical_replication_slot('{self.db}', '{name}')", self.db)


class Rig:
    def __init__(self, options):
        self.options = options
        self.postgres = Postgres(POSTGRES)
        self.broker = Broker()
        self.topics = Topics(self.broker.bootstrap)
        self.started, self.made, self.backlogs, self.loads, self.sizes = None, 0, {}, {}, {}

    @property
    def connect(self):
        if not self.started:
            more = {"producer.compression.type": self.options.compression} if self.options.compression else {}
            self.started = Connect(self.broker, **more)
        if not self.started.running():
            self.started.start()
        return self.started

    @property
    def host(self):
        """Where everyone but Debezium, whose driver knows TCP only, finds the server."""
        return self.postgres.dir if self.options.socket else self.postgres.host

    def conninfo(self, db, **more):
        return self.postgres.conninfo(db, **{"host": self.host, **more})

    def program(self, name):
        return os.path.join(self.postgres.bin, name)

    def backlog(self, rows=None):
        rows = rows or self.options.rows
        if rows not in self.backlogs:
            self.backlogs[rows] = Backlog(self.postgres, rows)
        return self.backlogs[rows]

    def load(self, key, make):
        """What make() answers, kept until the case is done."""
        if key not in self.loads:
            self.loads[key] = make()
        return self.loads[key]

    def case_done(self):
        """Frees the log and the disk that the case's own backlogs hold."""
        for backlog in self.loads.values():
            backlog.drop()
        self.loads = {}

    def warm_backlog(self):
        return self.backlog(min(WARM_ROWS, self.options.rows))

    def empty(self):
        """A fresh database with the table."""
        db = f"e{uuid.uuid4().hex[:8]}"
        self.postgres.psql(f"create database {db}")
        self.postgres.psql(TABLE, db)
        return db

    def name(self, side):
        self.made += 1
        return f"{re.sub('[^a-z]', '', side)}{self.made}"

    # ---- one connector at a time ----

    def spec(self, side, name, db, schemas=False, **settings):
        text = str(schemas).lower()
        spec = connector(name, self.postgres, db, **{
            "publication.name": "bench_pub", "publication.autocreate.mode": "disabled", "table.include.list": "public.bench",
            "snapshot.mode": "no_data", "key.converter": JSON, "value.converter": JSON, "key.converter.schemas.enable": text,
            "value.converter.schemas.enable": text, **settings})
        if side == "walwire":
            spec["config"].update({"database.hostname": self.host, **dict(pair.split("=", 1) for pair in self.options.walwire)})
        return spec

    @contextlib.contextmanager
    def engine(self, side, kafka=True):
        """Kafka Connect, which stays warm, or a walwire of its own for this run."""
        if side == "debezium":
            yield self.connect
            return
        more = {"producer.compression.type": self.options.compression} if self.options.compression and kafka else {}
        engine = Walwire((), self.broker if kafka else None, **{**WORKER, **more})
        try:
            yield engine
        finally:
            engine.sigterm()

    @contextlib.contextmanager
    def running(self, engine, spec):
        """The connector, created, with its topic there already; afterwards it, its slot and its topic are gone."""
        name = spec["name"]
        try:
            self.topics.create(f"{name}.public.bench")
            engine.create(spec)
            yield
        finally:
            with contextlib.suppress(OSError, RuntimeError, AssertionError):
                engine.rest("DELETE", f"/connectors/{name}")
            self.drop_slot(name)
            self.topics.delete(f"{name}.public.bench")

    def drop_slot(self, name):
        """Whoever reads it still."""
        def gone():
            return self.postgres.psql(f"""
                select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{name}' and active;
                select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{name}' and not active;
                select count(*) from pg_replication_slots where slot_name = '{name}'""").endswith("0")
        wait_until(gone, 30, f"slot {name} to go", every=0.2)

    # ---- watching ----

    def usage(self, **processes):
        usage = Usage().watch("broker", self.broker.process.pid)
        for name, pid in processes.items():
            usage.watch(name, pid)
        return usage

    def watch_walsender(self, usage, slot):
        """Its process exists only while the slot is read; it counts from its start."""
        if "walsender" not in usage.pids:
            pid = self.postgres.psql(f"select active_pid from pg_replication_slots where slot_name = '{slot}'")
            if pid:
                usage.watch("walsender", int(pid), since_start=True)

    def follow(self, progress, rows, usage, slot, check=lambda: None):
        """Until progress() is `rows`. Two speeds: over all, and from the first sight of a row."""
        start = look = time.monotonic()
        first, n = None, 0
        while n < rows:
            now, n = time.monotonic(), progress()
            if n and not first:
                first = (now, n)
            usage.sample()
            if now - look > 0.1:
                if slot:
                    self.watch_walsender(usage, slot)
                if now - look > 2:
                    check()
                    look = now
            if now - start > PATIENCE:
                raise RuntimeError(f"{n} of {rows} rows after {PATIENCE} s")
            time.sleep(0.01)
        end = time.monotonic()
        usage.sample()
        steady = (n - first[1]) / (end - first[0]) if n > first[1] else n / (end - start)
        return {"rows": n, "total_s": end - start, "rows_per_s": steady}

    def run(self, argv, usage, slot=None, stdout=subprocess.DEVNULL):
        """A program to its end: seconds, processor seconds, peak memory, and its output when that is a pipe."""
        start = time.monotonic()
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True) as child:
            while True:
                pid, status, used = os.wait4(child.pid, os.WNOHANG)
                if pid:
                    break
                if slot:
                    self.watch_walsender(usage, slot)
                usage.sample()
                if time.monotonic() - start > PATIENCE:
                    child.kill()
                time.sleep(0.005 if "walsender" in usage.pids or not slot else 0.02)
            seconds, child.returncode = time.monotonic() - start, os.waitstatus_to_exitcode(status)
            output, errors = child.stdout.read() if child.stdout else "", child.stderr.read()
        if child.returncode:
            raise RuntimeError(f"{os.path.basename(argv[0])} ended with {child.returncode}: {errors.strip()[-500:]}")
        return {"total_s": seconds, "cpu_s": used.ru_utime + used.ru_stime, "peak_rss_mb": used.ru_maxrss / 1024}, output


def bench_program(name):
    return os.path.join(BUILD, "bench", name)
