#!/usr/bin/env -S python3 -B
"""kill -9 at every place where the engine can be told to end (`walwire failpoints`), and at random moments.

    tests/torture/sweep.py                          every place at its first, seventh and hundredth hit, both stores of positions
    tests/torture/sweep.py --moments 200            and at so many random moments
    tests/torture/sweep.py --places checkpoint,row --hits 1,2,3 --store file --seed 7
    tests/torture/sweep.py --exactly-once           the same with exactly once: then nothing may come twice

One engine after the other runs on one database with a writer that does not stop: the start after a kill is the recovery from it
and the way to the next one. What each kill must leave is looked at once it is dead, the invariants (checker.py) at the end.
"""
import argparse, importlib.machinery, json, os, subprocess, sys, time

if __name__ == "__main__":
    run = importlib.machinery.SourceFileLoader("run", os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")).load_module()

from process import wait_until
from trial import BINARY, Fault, Trial
from watch import lsn_number

HITS = (1, 7, 100)
WAIT = 12        # seconds for a place to be reached
RESTARTS = 30    # seconds for one that is reached once a start of the connector,
MOST_STARTS = 7  # of which more are not worth their time, unless such a place is asked for by its name
QUICK = {"offset.flush.interval.ms": "20"}
ONCE = {"worker": {**QUICK, "exactly.once.source.support": "enabled"},
        "settings": {"exactly.once.support": "required", "producer.override.transaction.timeout.ms": "5000"}}
WORKLOAD = {"big": False, "ddl": False, "toast": False, "pace": 0.05}  # what is told again and again is to be read in the end
EVERY_START = {"snapshot.mode": "always"}  # so that a snapshot's places are reached as often as wanted
KILLED = -9
ONLY_ONCE = ("slot-create", "slot-created")  # there is a slot then
OTHERWISE = ("ledger-safe", "offset-produce", "offset-produced", "offset-reported")  # positions go with a Kafka transaction instead


class Place:
    """A line of `walwire failpoints`."""

    def __init__(self, line):
        self.name, stage, actions, self.text = line.split("\t")
        self.stage, self.actions = stage.split(), actions.split(",")
        self.once = bool({"start", "stop", "snapshot"} & set(self.stage)) and self.name != "snapshot-row"  # a start of the connector

    def within(self, store):
        """Whether it is on the way of an engine whose positions are in `store` (file, kafka)."""
        return not {"file", "kafka"} & set(self.stage) or store in self.stage


def places():
    done = subprocess.run([BINARY, "failpoints"], capture_output=True, text=True)
    assert done.returncode == 0, f"{BINARY} was built without failpoints"
    return [Place(line) for line in done.stdout.splitlines()]


class Sweep:
    """Kills the engine of a trial, again and again. The trial is one with start=False; the first start is a kill's."""

    def __init__(self, trial, store="kafka", exactly_once=False):
        self.t, self.store, self.killed, self.missed, self.untried = trial, store, [], [], []
        self.seconds = self.log_at = 0
        self.places = [p for p in places() if p.within(store) and ("eos" not in p.stage or exactly_once)
                       and not (exactly_once and p.name in OTHERWISE)]
        self.file, trial.snapshot_again = None, True
        if store == "file":
            self.file = os.path.join(trial.temp_dir(), "offsets")
            trial.configure(worker={"offset.storage.topic": None, "offset.storage.partitions": None, "offset.storage.file.filename": self.file})

    def named(self, *names):
        found = {p.name: p for p in self.places}
        return [found[n] for n in names]

    def of_stage(self, *stages):
        return [p for p in self.places if set(stages) & set(p.stage)]

    # one kill

    def kill(self, place, nth=1, action="abort"):
        """True when the place was reached so often and the engine died there; what that must leave is looked at."""
        t, began = self.t, time.monotonic()
        if t.engine.running():
            t.engine.sigkill()
        hits = os.path.join(t.engine.dir, "hits")
        self.log_at = os.path.getsize(t.engine.log_path) if os.path.exists(t.engine.log_path) else 0
        t.start(env={"WALWIRE_FAILPOINT": f"{place.name}:{nth}:{action}", "WALWIRE_FAILPOINT_HITS": hits}, wait=False)
        reached = self._reach(place, nth)
        self.seconds += time.monotonic() - began
        if reached:
            self.killed.append((place.name, nth))
            self.look()
        else:
            t.engine.sigterm()
            self.missed.append((place.name, nth, hits_of(hits, place.name)))
        return reached

    def _reach(self, place, nth):
        if "stop" in place.stage or place.once and nth > 1:
            return self._reach_by_restarts(place, nth)
        return self._dies(WAIT)

    def _dies(self, seconds):
        process = self.t.engine.process
        end = time.monotonic() + seconds
        while process.running() and time.monotonic() < end:
            time.sleep(0.01)
        return not process.running() and self._is_kill(process.child.returncode)

    def _is_kill(self, code):
        assert code == KILLED, f"the engine ended with {code} by itself:\n{self.t.engine.process.tail()}"
        return True

    def _reach_by_restarts(self, place, nth):
        """The connector is restarted in the living process; the last time, at a place of the stop, the process itself ends."""
        t, end = self.t, time.monotonic() + RESTARTS
        for n in range(1, nth + 2):
            if not self._comes("snapshot complete" if "snapshot" in place.stage else "streaming from", n):
                return self._dies(0)
            if "stop" in place.stage and n == nth:
                return self._is_kill(t.engine.sigterm(20))
            if time.monotonic() > end:
                return False
            try:
                t.engine.rest("POST", f"/connectors/{t.spec['name']}/restart")
            except OSError:
                return self._dies(2)
        return self._dies(WAIT)

    def _comes(self, sign, times):
        """Waits until its log has said something so many times; false when it died on the way there."""
        t = self.t

        def there():
            if not t.engine.running():
                return "dead"
            with open(t.engine.log_path, errors="replace") as f:
                f.seek(self.log_at)
                said = f.read()
            assert " ERROR " not in said, f"the connector failed: {said[-800:]}"
            return said.count(sign) >= times and "there"
        return wait_until(there, 20, "the connector to stream, or to be killed", every=0.02) == "there"

    def all_reached(self, hits=(), names=()):
        """Every kill took place; with names also that each of them was killed at, at each of these hits that can come."""
        assert not self.missed, f"not reached: {self.missed}"
        wanted = {(p.name, nth) for p in self.named(*names) for nth in hits if nth <= MOST_STARTS or not p.once}
        assert wanted <= set(self.killed), f"not killed at: {sorted(wanted - set(self.killed))}"
        assert set(names) <= {name for name, _ in self.killed}, f"killed only at {self.killed}"

    # what a kill leaves

    def look(self):
        """R5: what the slot has acknowledged, beyond where it began, is stored. What is stored is whole."""
        slot = self.t.postgres.slot(self.t.slot)
        if not slot or not slot["confirmed"]:
            return
        acknowledged, began = lsn_number(slot["confirmed"]), wait_until(lambda: self.t.watch.slots, 5, "the slot to be seen")[0][1]
        stored = position_in(self.file) if self.file else position_in_topic(self.t)
        assert acknowledged <= began or stored is not None and stored >= acknowledged, \
            f"after {self.killed[-1]} {stored or 0:X} is stored, the slot began at {began:X} and has acknowledged {acknowledged:X}"

    # many

    def first_hits(self, chosen=None):
        """Each place once, in the order of the table, which is that of a connector's life."""
        for place in chosen or self.places:
            self.kill(place)

    def later_hits(self, hits, chosen=None, most_starts=MOST_STARTS):
        """The connector takes a snapshot with each start, so that a later hit of a place of the snapshot comes at all."""
        for place in chosen or self.places:
            wanted = EVERY_START if "snapshot" in place.stage else {"snapshot.mode": "initial"}
            self.set(wanted)
            for nth in hits if place.name not in ONLY_ONCE else ():
                if nth > most_starts and place.once:
                    self.untried.append((place.name, nth))
                elif not self.kill(place, nth):
                    break  # a later one is not reached either
        self.set({"snapshot.mode": "initial"})

    def set(self, settings):
        """Changes the connector between two engines; the log goes on."""
        t = self.t
        if {k: t.settings.get(k, "initial") for k in settings} != settings:
            log = t.engine.log_path
            t.configure(settings=settings)
            t.engine.log_path = log

    def moments(self, n, most=1.5):
        """Anywhere, also between two places: from the start of the process to a second into the stream."""
        t = self.t
        for _ in range(n):
            began, after = time.monotonic(), t.random.uniform(0, most)
            t.start(wait=False)
            time.sleep(max(0.0, after - (time.monotonic() - began)))
            t.engine.sigkill()
            self.seconds += time.monotonic() - began
            self.killed.append(("moment", round(after, 3)))
            self.look()

    def told(self):
        lines = [f"{len(self.killed)} kills at {len({n for n, _ in self.killed} - {'moment'})} places and "
                 f"{sum(n == 'moment' for n, _ in self.killed)} moments, {self.seconds / max(len(self.killed), 1):.2f} s each"]
        if self.untried:
            lines.append(f"    not tried, for they come once a start: {', '.join(f'{n} hit {nth}' for n, nth in self.untried)}")
        return lines + [f"    not reached: {name}, hit {nth} ({hits} in one run)" for name, nth, hits in self.missed]


def hits_of(path, name):
    """From the file that the engine wrote at its end."""
    try:
        with open(path) as f:
            return int(dict(line.split("\t") for line in f).get(name, 0))
    except FileNotFoundError:
        return "unknown"


def position_in(path):
    """The position in a file of one connector, None without one: it must be whole whenever one looks."""
    try:
        with open(path) as f:
            values = [v for k, v in json.load(f).items() if k.startswith("[")]
    except FileNotFoundError:
        return None
    assert len(values) == 1, f"{path} has {len(values)} positions"
    return position_of(values[0])


def position_in_topic(t):
    """The last one in the connector's topic of positions, None without one."""
    argv = ["kcat", "-b", t.kafka.bootstrap, "-C", "-e", "-q", "-u", "-J", "-t", t.worker["offset.storage.topic"], "-o", "-100", "-X",
            "fetch.wait.max.ms=20", "-X", "isolation.level=read_committed"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    if done.returncode and "Unknown topic" in done.stderr:
        return None
    assert done.returncode == 0, f"kcat: {done.stderr[-400:]}"
    values = [m["payload"] for m in map(json.loads, done.stdout.splitlines()) if t.prefix in (m["key"] or "")]
    return position_of(json.loads(values[-1])) if values and values[-1] else None


def position_of(offset):
    """As the engine reads it: what is acknowledged of it (engine/checkpoint.c)."""
    reading = offset.get("snapshot") and not offset.get("snapshot_completed")
    lsn = 0 if reading else offset.get("lsn", 0)  # of an unfinished snapshot it is where its rows stand
    return max(offset.get("lsn_commit") or offset.get("lsn_proc") or lsn, offset.get("walwire_lsn", 0))


def numbers(text):
    return tuple(int(n) for n in text.split(","))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--hits", type=numbers, default=HITS)
    parser.add_argument("--places", type=lambda text: text.split(","), default=[])
    parser.add_argument("--moments", type=int, default=0)
    parser.add_argument("--store", choices=("file", "kafka"), action="append")
    parser.add_argument("--exactly-once", action="store_true")
    return parser.parse_args()


def sweep_all(t, args, store):
    sweep = Sweep(t, store, args.exactly_once)
    chosen = sweep.named(*[n for n in args.places if n in {p.name for p in sweep.places}]) if args.places else sweep.places
    if store == "file" and not args.places:
        chosen = [p for p in chosen if "file" in p.stage]  # the rest is the same with each store
    if 1 in args.hits:
        sweep.first_hits(chosen)
    if args.exactly_once:  # a snapshot with each start is told with each start
        chosen = [p for p in chosen if "snapshot" not in p.stage]
    sweep.later_hits([n for n in args.hits if n > 1], chosen, MOST_STARTS if not args.places else 10**6)
    sweep.moments(args.moments)
    print("\n".join(sweep.told()), flush=True)
    sweep.all_reached()


def main():
    args, failed = arguments(), 0
    run.build()
    from process import close_all
    from servers import Servers
    servers = Servers()
    more = ONCE if args.exactly_once else {"worker": QUICK, "settings": {}}
    for store in ["kafka"] if args.exactly_once else args.store or ("kafka", "file"):
        row = Fault(lambda t: sweep_all(t, args, store), f"sweep {store}", "", start=False, **more,  # noqa: B023
                    workload={**WORKLOAD, "copies": False}, catchup=60)  # each snapshot tells every row again
        began, trial = time.monotonic(), Trial(row, args.seed, servers)
        try:
            got = trial.run()
            print(f"ok      {store}: {got['events']} events, {got['duplicates']} duplicates, {time.monotonic() - began:.0f} s", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {store}: {type(e).__name__}: {e}\n{trial.keep_logs(os.path.join(os.path.dirname(BINARY), 'test-logs'))}", flush=True)
    close_all()
    return failed


if __name__ == "__main__":
    sys.exit(main())
