"""One fault, done to walwire between a real PostgreSQL and a real Kafka while a seeded workload writes; then the promises
of docs/GUARANTEES.md are checked.

How to write a row, in a file faults_*.py beside this one (its name is all that is needed for tests/torture/run to find it):

    from trial import SURVIVES, fault, stops

    @fault("F20", "pg_ctl restart -m fast under load", expect=SURVIVES, short=True)
    def restart_fast(t):
        '''Which promise is at stake, in a sentence.'''
        t.postgres.restart()

When the function is called, the engine streams and the writer has committed some transactions and goes on writing. After it
returns the harness heals what it knows to be broken (proxies, paused processes, everything given to t.at_heal, a dead engine
or server is started again; an engine that ended by itself, though, fails the trial), lets the writer commit some more, stops it, waits until all is acknowledged, and checks the
invariants (checker.py). A row that finds something itself just asserts.

    @fault("F23", "slot dropped while streaming", expect=stops(r"slot .* is gone"))

With stops(REGEX) nothing is healed: the connector must become FAILED with a trace that the expression finds, or the process
must end with a log whose last lines it finds; and nothing may be acknowledged that is not in Kafka.

Further arguments of @fault, all optional:
    short=True                 part of `make test`: keep it under 12 s
    proxies=("postgres",)      walwire reaches "postgres" and/or "kafka" through t.proxy("postgres"): see proxy.py
    own=("postgres",)          a server of its own, "postgres" and/or "kafka", for faults that would harm the next trial
    postgres={"max_...": 5}    settings of that own server;  kafka={...} the same for an own broker
    settings={"a.b": "c"}      of the connector;  worker={"a.b": "c"} of the worker file
    workload={"ddl": False}    see workload.py: ddl, big, toast, copies, pace, sessions
    start=False                the engine is not started: the writer writes already, and the row calls t.start() itself
    catchup=30                 seconds that it may take from the healing until all is acknowledged
    most_duplicates=0          how many events may come twice; preset: any that were not acknowledged
    rss_mb=400                 most memory that the engine may take
    idle=True                  the server must also free its log afterwards, which takes up to 15 s; else one trial in ten looks
    waive={"I6": "reason"}     invariants that do not hold under this fault, and why: it goes into the table of faults
    timeout=120                seconds for the whole trial
    needs="failpoints"         skipped unless the program knows `walwire failpoints`
    plain=True                 no servers, no engine: the row gets a Trial with t.random only, and returns the number of its checks
    held_by="tests/..."        another test that holds it, for the table of faults

What a row has (t):
    t.random                   the only source of chance; seeded by --seed and the fault's id
    t.postgres, t.kafka        tests/lib/postgres.py and kafka.py
    t.db, t.spec, t.slot       database, connector (as POSTed), name of its slot;  t.publication;  t.prefix of its topics
    t.engine                   tests/lib/walwire.py;  t.start(env={...}, wait=True), t.restart(): sigterm and start;
                               t.start(env={"WALWIRE_FAILPOINT": "name:1:abort"}, wait=False) may end at once
    t.writer                   workload.py: t.writer.more(100) waits for as many commits, t.writer.pause() / .resume()
    t.proxy("postgres")        proxy.py
    t.worker, t.settings       what the worker file and the connector were given (change them with t.configure(...) before t.start)
    t.sql(text)                runs in t.db;  t.confirmed() and t.restart_lsn(): the slot's positions as numbers
    t.sender(), t.end_sender() the walsender's process id; ends it, and says whether there was one
    t.transaction(name, sql, n)  commits sql with a row of truth that says that it has n events
    t.another()                a second engine of the same connector, not started
    t.pause(process)           SIGSTOP of t.engine, t.kafka or t.postgres (with its children); healed by SIGCONT, or t.resume(process)
    t.at_heal(fn)              called when the row is over, last given first
    t.eventually(fn, timeout=10, what="...")
    t.acknowledged()           waits until all that is committed now is acknowledged
    t.state()                  (RUNNING, "") or (FAILED, trace) or (ENDED, end of the log)

Run one:    tests/torture/run F20            tests/torture/run --seed 7 --seconds 600
With WALWIRE_BIN=... that program is taken as it is, else BUILD (build) is built. The engine's log of each fault's last trial is kept in
build/test-logs/torture_F20.log. A row that this machine or server cannot run raises process.Skip.
"""
import os, random, re, signal, sys, time, uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [p for p in (os.path.join(os.path.dirname(HERE), "lib"), HERE) if p not in sys.path]

import checker, workload
from fold import SLIM
from process import scope, temp_dir, wait_until
from proxy import Proxy
from walwire import BINARY, Walwire, connector, run
from watch import Watch, lsn_number

SURVIVES = None  # what `expect` is when all must arrive
ROWS = {}        # id to Fault, in the order of the files


class Fault:
    """A row of the table of faults."""

    def __init__(self, fn, id, title, **more):
        self.fn, self.id, self.title = fn, id, title
        preset = {"expect": SURVIVES, "short": False, "proxies": (), "own": (), "postgres": None, "kafka": None, "settings": {},
                  "worker": {}, "workload": {}, "start": True, "idle": False, "catchup": 30, "rss_mb": 400, "most_duplicates": None,
                  "waive": {}, "timeout": 120, "needs": None, "plain": False, "held_by": None}
        unknown = more.keys() - preset.keys()
        assert not unknown, f"{id}: no argument is called {', '.join(sorted(unknown))}"
        self.__dict__.update({**preset, **more})
        self.own = tuple(self.own) + tuple(n for n in ("postgres", "kafka") if getattr(self, n) and n not in self.own)
        self.promise = " ".join((fn.__doc__ or "").split())


class Stops:
    """The connector is to end with a reason."""

    def __init__(self, pattern):
        self.pattern = pattern

    def found_in(self, text):
        return re.search(self.pattern, text, re.S) is not None


def stops(pattern):
    return Stops(pattern)


def fault(id, title, **more):
    """Makes a function a row; see the top of this file."""
    def take(fn):
        assert id not in ROWS, f"{id} is there twice: {ROWS[id].fn.__name__} and {fn.__name__}"
        ROWS[id] = Fault(fn, id, title, **more)
        return fn
    return take


class Engine(Walwire):
    """Knows whether its end is the harness's doing: a signal, or a failpoint, which ends it by SIGKILL. `may_end` is also set by rows
    that end it in another way."""
    may_end, may_be_killed = True, False

    def start(self, timeout=20):
        self.look()
        self.may_end, self.may_be_killed = False, ":abort" in (self.env or {}).get("WALWIRE_FAILPOINT", "")
        super().start(timeout)

    def sigterm(self, timeout=20):
        self.look()
        self.may_end = True
        return super().sigterm(timeout)

    stop = sigterm

    def sigkill(self):
        self.look()
        self.may_end = True
        return super().sigkill()

    def look(self, signalled=False):
        """That it has not ended by itself; with `signalled` it may have, but with an exit code of its own."""
        code = self.process.child.poll() if self.process else None
        wanted = self.may_end or (self.may_be_killed and code == -signal.SIGKILL) or (signalled and code is not None and code >= 0)
        if code is not None and not wanted:
            self.may_end = True  # it is told once
            raise AssertionError(f"the engine ended by itself with {code}:\n{self.process.tail()}")


class Trial:
    """One run of a row. `services` gives the shared servers and makes a row's own."""

    def __init__(self, row, seed, services):
        self.row, self.random, self.services = row, random.Random(f"{seed}/{row.id}"), services
        self.engine = self.writer = self.watch = self.postgres = self.kafka = None
        self.healers, self.proxies, self.paused, self.log_text = [], {}, [], ""

    # what the harness calls

    def missing(self):
        """Why the row cannot run here, empty when it can."""
        if self.row.needs == "failpoints" and run("failpoints").returncode:
            return "this program has no failpoints"
        return ""

    def keep_logs(self, place):
        """The engine's log whole in a file; its name and end as text."""
        if not self.log_text:
            return ""
        os.makedirs(place, exist_ok=True)
        path = os.path.join(place, f"torture_{self.row.id}.log")
        with open(path, "w") as f:
            f.write(self.log_text)
        return "\n".join(["", path + ":", *self.log_text.splitlines()[-12:]])

    def run(self):
        """Everything, to the end; returns {"events": n, "duplicates": n}. What is wrong is raised."""
        with scope():
            try:
                if self.row.plain:
                    return {"events": self.row.fn(self) or 0, "duplicates": 0}
                self._open()
                self.row.fn(self)
                return self._judge()
            finally:
                self._close()

    def _open(self):
        row = self.row
        self.postgres = self.services.postgres(row.postgres, "postgres" in row.own)
        self.kafka = self.services.kafka(row.kafka, "kafka" in row.own)
        name = self.prefix = f"t{uuid.uuid4().hex[:10]}"
        self.db, self.slot, self.publication, self.secret = name, name, name + "_pub", "hush-" + uuid.uuid4().hex
        self.postgres.psql(f"create database {name}")
        self.writer = workload.Writer(self.postgres, self.db, self.publication, self.random.random(), **row.workload)
        self._open_proxies()
        self.settings = {"publication.autocreate.mode": "disabled", "database.password": self.secret,
                         "retriable.restart.connector.wait.ms": "2000",
                         "provide.transaction.metadata": str(self.random.random() < 0.5).lower(),
                         **self._postgres_address(), **row.settings}
        self.worker = {**{k.replace("__", "."): v for k, v in SLIM.items()}, "offset.storage.topic": name + "-offsets",
                       "offset.storage.partitions": "1", "producer.max.request.size": "4194304",
                       **self._kafka_address(), **row.worker}
        self.configure()
        self.watch = Watch(self)
        if row.start:
            self.start()
        self.writer.start()
        self.writer.more(40)

    def configure(self, settings=None, worker=None):
        """Makes the engine anew, not started, with changed settings of connector and worker."""
        self.settings.update(settings or {})
        self.worker.update(worker or {})
        self.spec = connector(self.prefix, self.postgres, self.db, **self.settings)
        self.engine = self.another()

    def another(self):
        return Engine([self.spec], self.kafka, start=False, **self.worker)

    def _open_proxies(self):
        for name in self.row.proxies:
            place = (self.postgres.port,) if name == "postgres" else (self.kafka.proxied_port, self.kafka.proxy_port)
            self.proxies[name] = Proxy(*place)

    def _postgres_address(self):
        return {"database.port": str(self.proxies["postgres"].port)} if "postgres" in self.proxies else {}

    def _kafka_address(self):
        return {"bootstrap.servers": f"127.0.0.1:{self.proxies['kafka'].port}"} if "kafka" in self.proxies else {}

    def _judge(self):
        if self.row.expect is not SURVIVES:
            self._wait_stopped()
        else:
            self.heal()
            healed = time.monotonic()
            self.writer.more(40, timeout=self.row.catchup)
        self.writer.stop()
        if self.row.expect is SURVIVES:
            self.acknowledged(max(self.row.catchup - (time.monotonic() - healed), 5))
        return checker.check(self)

    def _wait_stopped(self):
        def stopped():
            state, why = self.state()
            if state not in ("FAILED", "ENDED"):
                raise RuntimeError(f"it is {state} {why}")
            return True
        wait_until(stopped, self.row.catchup, "the connector to stop", every=0.2)
        self.engine.look(signalled=True)
        why = self.state()[1]
        assert self.row.expect.found_in(why), f"the reason does not say {self.row.expect.pattern!r}: {why}"

    def heal(self):
        self.engine.look()
        while self.healers:
            self.healers.pop()()
        for proxy in self.proxies.values():
            proxy.heal()
        for process in list(self.paused):
            self.resume(process)
        for service in (self.postgres, self.kafka):
            if not service.running():
                service.start()
        if not self.engine.running():
            self.start(wait=False)

    def _close(self):
        """Leaves the shared servers as they were found; nothing here hides the reason of a failure."""
        if self.engine and os.path.exists(self.engine.log_path):
            self.log_text = self.engine.log()
        for close in (self._stop_writer, self._unpause, self._stop_engine, self._stop_watch, self._stop_proxies, self._drop):
            try:
                close()
            except Exception as e:  # pylint: disable=broad-except
                if sys.exc_info()[0] is None:
                    raise
                print(f"        cleaning up: {e}", file=sys.stderr)

    def _stop_writer(self):
        if self.writer:
            self.writer.abandon()

    def _unpause(self):
        for process in list(self.paused):
            self.resume(process)

    def _stop_engine(self):
        if self.engine and self.engine.running():
            self.engine.sigkill()

    def _stop_watch(self):
        if self.watch:
            self.watch.stop()

    def _stop_proxies(self):
        for proxy in self.proxies.values():
            proxy.close()

    def _drop(self):
        for healer in reversed(self.healers):
            healer()
        if self.postgres and not self.row.own.count("postgres"):
            if not self.postgres.running():
                self.postgres.start()
            self.postgres.drop_database(self.db)

    # what rows call

    def start(self, env=None, wait=True, timeout=30):
        """Starts the engine. Without `wait` it may end at once, as at a failpoint."""
        self.engine.env, said = env, len(self.engine.log()) if os.path.exists(self.engine.log_path) else 0
        self.engine.look()
        try:
            self.engine.start()
        except AssertionError:
            if wait or self.engine.running():
                raise
            return
        if wait:
            self.engine.wait_streaming(self.spec, self.postgres, timeout)
            self.eventually(lambda: " streaming from " in self.engine.log()[said:], timeout, "the stream to begin")
            self.watch.started()

    def _snapshot_done(self):
        """A snapshot that broke off is taken again behind the changes since, which are acknowledged before it is told."""
        said = self.engine.log().rsplit(" is up", 1)[-1]
        if said.rfind("snapshot complete") < said.rfind(" tables in "):
            return False
        stored = self.engine.rest("GET", f"/connectors/{self.spec['name']}/offsets")[1]["offsets"]
        return not any(o["offset"].get("snapshot") and not o["offset"].get("snapshot_completed") for o in stored)

    def restart(self, env=None):
        self.engine.sigterm()
        self.start(env)

    def proxy(self, name):
        assert name in self.proxies, f'say proxies=("{name}",) in @fault'
        return self.proxies[name]

    def sql(self, text):
        return self.postgres.psql(text, self.db)

    def transaction(self, name, sql, n, kind="row"):
        """As one of the writer's: the checker knows how many events it has, and after which position."""
        end = self.sql(f"begin; {sql}; insert into truth values ('{name}', txid_current(), {n}, '{kind}'); commit; "
                       "select pg_current_wal_insert_lsn()")
        self.writer.commits[name] = end.splitlines()[-1]

    def sender(self):
        """The server's process that serves the slot, empty without one."""
        return self.sql(f"select active_pid from pg_replication_slots where slot_name = '{self.slot}'")

    def end_sender(self):
        """Whether there was one to end."""
        return self.sql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{self.slot}' and active") == "t"

    def confirmed(self):
        return lsn_number(self.postgres.slot(self.slot)["confirmed"])

    def restart_lsn(self):
        return lsn_number(self.postgres.slot(self.slot)["restart"])

    def pids(self, process):
        """A server's process and, of PostgreSQL, its children."""
        top = process.process.pid
        with open(f"/proc/{top}/task/{top}/children") as f:
            return [top, *map(int, f.read().split())]

    def pause(self, process):
        for pid in self.pids(process):
            os.kill(pid, signal.SIGSTOP)
        self.paused.append(process)

    def resume(self, process):
        self.paused.remove(process)
        if process.running():
            for pid in reversed(self.pids(process)):
                os.kill(pid, signal.SIGCONT)

    def at_heal(self, fn):
        self.healers.append(fn)

    def eventually(self, fn, timeout=10, what=None, every=0.05):
        return wait_until(fn, timeout, what, every)

    def acknowledged(self, timeout=30):
        """Until the server is told that all which is committed now has arrived; a connector that fails meanwhile is the reason."""
        end = lsn_number(self.sql("select pg_current_wal_insert_lsn()"))

        def reached():
            state, why = self.state()
            assert state not in ("FAILED", "ENDED"), f"the connector is {state}: {why}"
            at = self.confirmed()
            if at < end:
                raise RuntimeError(f"{end - at} bytes of WAL are not acknowledged, the connector is {state} {why[-400:]}")
            if not self._snapshot_done():
                raise RuntimeError("the snapshot is not complete")
            return True
        return wait_until(reached, timeout, "I10: everything to be acknowledged", every=0.1)

    def state(self):
        if not self.engine.running():
            return "ENDED", self.engine.process.tail(30)
        try:
            return self.engine.status(self.spec["name"])
        except OSError as e:
            return "SILENT", str(e)

    @property
    def exactly_once(self):
        return self.worker.get("exactly.once.source.support") == "enabled"

    def temp_dir(self):
        return temp_dir("torture")


__all__ = ["BINARY", "ROWS", "SURVIVES", "Fault", "Trial", "fault", "stops"]
