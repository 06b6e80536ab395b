"""F01-F19: the engine ends at any moment, by itself, by a signal or because another one takes over.

What a kill at a place must leave, and how one is reached at its nth hit, is in sweep.py.
"""
import os, signal, time

import checker
from sweep import HITS, ONCE, QUICK, WORKLOAD, Sweep
from trial import fault

SWEEP = {"start": False, "worker": QUICK, "workload": WORKLOAD, "needs": "failpoints", "catchup": 60}


def kills(id, title, *names, store="kafka", hits=HITS, **more):
    """A row that kills at the places of these names, at each of the hits."""
    def row(t):
        sweep = Sweep(t, store)
        if names[0] in BEFORE_STREAM:
            sweep.first_hits(sweep.named(*names))
        else:
            t.start()
        sweep.later_hits(hits, sweep.named(*names))
        sweep.all_reached(hits, names)
    row.__doc__ = "Nothing is missing, each key keeps its order, nothing that was acknowledged comes again."
    return fault(id, title, **{**SWEEP, **more})(row)


BEFORE_STREAM = {"slot-create", "slot-created", "snapshot-import", "snapshot-begin", "snapshot-read", "snapshot-row", "snapshot-end",
                 "snapshot-store", "snapshot-done"}


@fault("F01s", "kill -9 at every place, each at its first hit", short=True, timeout=90, **SWEEP)
def every_place_once(t):
    """An engine that ends anywhere loses nothing: not the slot, not the snapshot, not a row, not its position."""
    sweep = Sweep(t, "kafka")
    sweep.first_hits()
    sweep.all_reached()


@fault("F10s", "kill -9 at every place on the way to a file of positions", short=True, timeout=60, **SWEEP)
def every_place_of_the_file(t):
    """The file is whole whenever the engine ends, and never behind what the slot has acknowledged."""
    sweep = Sweep(t, "file")
    t.start()
    t.engine.sigkill()
    sweep.first_hits([*sweep.of_stage("file"), *sweep.named("checkpoint-stored", "acknowledge", "acknowledged")])
    sweep.all_reached()


@fault("F01e", "every place that can fail does so once", timeout=240,
       **{**SWEEP, "settings": {"retriable.restart.connector.wait.ms": "50", "snapshot.mode": "always"}})
def every_place_fails(t):
    """What fails for once is tried again by itself, from what is stored, without an end of the process."""
    places = [p for p in Sweep(t).places if "error" in p.actions and "stop" not in p.stage]
    for at in range(0, len(places), 3):  # a connector that never ran is tried four times
        some = places[at:at + 3]
        t.start(env={"WALWIRE_FAILPOINT": ",".join(f"{p.name}:1:error" for p in some)})
        for p in some:
            t.eventually(lambda: f"failpoint {p.name}:1:error" in t.engine.log(), 20, f"{p.name} to fail")  # noqa: B023
        t.engine.wait_streaming(t.spec, t.postgres)
        t.engine.sigterm()


kills("F01", "kill -9 after the slot is created, before anything is stored of it", "slot-created", hits=())
kills("F02", "kill -9 after the snapshot is exported, before it is imported", "slot-created", "snapshot-import", hits=())
kills("F03", "kill -9 in the middle of a snapshot", "snapshot-row")
kills("F04", "kill -9 after the snapshot's last row, before it is stored as done", "snapshot-end", "snapshot-store", hits=(7,))
kills("F05", "kill -9 between the end of the snapshot and the start of the stream", "snapshot-done", "start-position", "stream-start",
      "stream-open", hits=(7,))
kills("F06", "kill -9 after BEGIN", "batch-taken", "transaction-begin")
kills("F07", "kill -9 in the middle of a transaction", "frame-read", "batch-over", "row", "produce")
kills("F08", "kill -9 after a record is produced, before its report", "produced", "transaction-end", "transaction-ended", "reports")
kills("F09", "kill -9 after all reports, before the position is stored", "reported", "ledger-safe", "checkpoint", "offset-produce",
      "offset-produced", "offset-reported")
kills("F10", "kill -9 after the new file of positions is written, before its fsync", "file-write", "file-sync", store="file")
kills("F11", "kill -9 after the fsync, before the rename", "file-link", "file-rename", store="file")
kills("F12", "kill -9 after the rename, before the directory's fsync", "file-renamed", store="file")
kills("F13", "kill -9 after the position is stored, before it is acknowledged", "checkpoint-stored", "acknowledge")
kills("F14", "kill -9 after it is acknowledged", "acknowledged")


EXACT = {**SWEEP, **ONCE, "timeout": 180}


def kills_once(id, title, *names, hits=HITS):
    def row(t):
        """With exactly once, whoever reads committed records sees each event once."""
        sweep = Sweep(t, exactly_once=True)
        t.start()
        t.engine.sigkill()
        sweep.later_hits(hits, sweep.named(*names))
        sweep.all_reached(hits, names)
        t.start()
        t.writer.more(20)
        t.writer.pause()
        t.acknowledged(60)
        twice = checker.history(t, False).duplicates
        assert not twice, f"I6: {twice} events are there more than once"
        t.writer.resume()
    return fault(id, title, **EXACT)(row)


kills_once("F15", "kill -9 inside a Kafka transaction, up to its commit", "row", "produced", "reports", "kafka-commit")
kills_once("F16", "kill -9 after the commit of a Kafka transaction, before anyone is told", "kafka-committed", "checkpoint-stored",
           "acknowledge", "acknowledged")


@fault("F17", "signals while it stops", workload=WORKLOAD, needs="failpoints", timeout=120)
def signals_while_stopping(t):
    """Asked to stop it ends with 0 within ten seconds, however often and by whatever it is asked, and what it was at goes on."""
    for extra in ([signal.SIGTERM], [signal.SIGINT] * 50, [signal.SIGHUP, signal.SIGUSR1] * 3):
        pid, began = t.engine.process.pid, time.monotonic()
        os.kill(pid, signal.SIGTERM)
        t.engine.may_end = True
        for s in extra:
            time.sleep(0.002)
            send(pid, s)
        code = t.engine.process.child.wait(12)
        assert code in (0, -signal.SIGHUP, -signal.SIGUSR1), f"it ended with {code} after {[s.name for s in extra[:2]]}"
        assert time.monotonic() - began < 10, "it took more than ten seconds to end"
        t.start()
    t.engine.sigterm()
    sweep = Sweep(t)
    sweep.first_hits(sweep.of_stage("stop"))
    sweep.all_reached()
    t.start()


def send(pid, s):
    try:
        os.kill(pid, s)
    except ProcessLookupError:
        pass


@fault("F18", "kill -9 again and again, every half to two seconds for a minute", workload={**WORKLOAD, "ddl": True}, timeout=180,
       catchup=60, waive={"I11": "the process that is measured is one of fifty"})
def kill_loop(t):
    """However often it is killed it gets on: what arrives later is what was committed, once everything is quiet."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(t.random.uniform(0.5, 2))
        t.engine.sigkill()
        t.start(wait=False)


@fault("F19", "two engines on one slot; the first is killed", workload=WORKLOAD, timeout=90, settings={"slot.max.retries": "600",
       "slot.retry.delay.ms": "100"})
def two_engines(t):
    """The second waits, writes nothing, and takes over when the first is gone, without a gap and without what was acknowledged."""
    second = t.another()
    second.start()
    t.eventually(lambda: f"slot {t.slot}" in second.log() and "in use" in second.log(), 20, "the second engine to say that it waits")
    t.writer.more(60)
    assert "streaming from" not in second.log(), "two engines stream from one slot"
    first, t.engine = t.engine, second
    first.sigkill()
    began = time.monotonic()
    t.eventually(lambda: "streaming from" in second.log(), 15, "the second engine to take over")
    assert time.monotonic() - began < 8, f"it took {time.monotonic() - began:.1f} s to take over"
    t.watch.started()
