"""F58-F68: the machine under the engine fails: its disk, its clock, its memory, its limits.

What is done by a rule of the shim (shim.c) is given as text to Shim.rules(); the engine runs with it preloaded. Positions are in a
file in these rows, for the files of the engine are what a disk can harm.
"""
import json, os, resource, shutil, signal, subprocess, time

from process import Skip, wait_until
from sweep import QUICK, WORKLOAD, position_in
from trial import BINARY, fault, stops

MACHINE = {"start": False, "worker": QUICK, "workload": WORKLOAD,
           "settings": {"retriable.restart.connector.wait.ms": "100", "errors.max.retries": "-1"}}


class Shim:
    """The preloaded library and its rules; `file` makes the trial's engine keep its positions in a file of that name."""

    def __init__(self, t, file=True):
        self.t, self.dir = t, t.temp_dir()
        self.control, self.file = os.path.join(self.dir, "rules"), os.path.join(self.dir, "offsets")
        self.env = {"LD_PRELOAD": library(), "WALWIRE_SHIM": self.control}
        if file:
            t.configure(worker={"offset.storage.topic": None, "offset.storage.partitions": None, "offset.storage.file.filename": self.file})
        self.rules("")
        t.at_heal(lambda: self.rules(""))

    def rules(self, text):
        with open(self.control + ".new", "w") as f:
            f.write(text + "\n")
        os.rename(self.control + ".new", self.control)

    def start(self, **more):
        self.t.start(env=self.env, **more)


def library():
    """Beside the program, where meson puts it."""
    build = os.path.dirname(BINARY)
    path = os.path.join(build, "tests", "torture", "shim.so")
    if not os.path.exists(path):
        done = subprocess.run(["ninja", "-C", build, "tests/torture/shim.so"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-1000:]
    return path


def stored(path):
    """The position in the file, as a number."""
    return position_in(path) or 0


def stands_still(t, shim, seconds=1.5):
    """Neither the file nor the slot goes on while the writer does."""
    time.sleep(0.3)  # what was on its way
    at, slot = stored(shim.file), t.confirmed()
    time.sleep(seconds)
    assert stored(shim.file) == at, "a position was stored though the disk failed"
    assert t.confirmed() == slot, f"{t.confirmed() - slot} bytes were acknowledged while no position could be stored"


def full_disk(t, rule):
    shim = Shim(t)
    shim.start()
    t.writer.more(30)
    shim.rules(rule)
    t.eventually(lambda: "No space left" in t.state()[1] or "No space left" in t.engine.log(), 10, "the full disk to be told")
    stands_still(t, shim)
    shim.rules("")
    t.engine.wait_streaming(t.spec, t.postgres)


@fault("F58", "the disk with the positions is full", short=True, **MACHINE)
def disk_full(t):
    """Nothing is acknowledged that is not stored; with room again it goes on by itself."""
    full_disk(t, "write *offsets.next ENOSPC")


@fault("F58b", "the disk is found full by fsync, by open, by rename", **MACHINE)
def disk_full_late(t):
    """The same when the file system reserves no room before."""
    shim = Shim(t)
    shim.start()
    for rule in ("fsync *offsets.next ENOSPC", "open *offsets.next ENOSPC", "rename *offsets ENOSPC", "fsync *offsets.next EDQUOT"):
        t.writer.more(20)
        shim.rules(rule)
        stands_still(t, shim, 0.7)
        shim.rules("")
        t.engine.wait_streaming(t.spec, t.postgres)
        at = t.confirmed()
        t.eventually(lambda: t.confirmed() > at, 10, f"it to go on after {rule}")  # noqa: B023


@fault("F59", "fsync fails once with EIO", expect=stops(r"not used any more until the next start, because its disk has failed"),
       short=True, **MACHINE)
def fsync_fails(t):
    """What the kernel could not write it may have dropped, and a second fsync would not say so: the first failure is for good."""
    shim = Shim(t)
    shim.start()
    t.writer.more(30)
    shim.rules("fsync *offsets.next EIO 1 1")
    t.eventually(lambda: t.state()[0] == "FAILED", 10, "the connector to fail")
    assert "Input/output error: what is on this disk is not known" in t.state()[1], t.state()
    stands_still(t, shim, 1)
    t.engine.rest("POST", f"/connectors/{t.prefix}/restart")
    t.eventually(lambda: t.state()[0] == "FAILED", 10, "the connector to fail again: the disk is as it was")
    stands_still(t, shim, 1)


@fault("F59b", "fsync of the directory fails once with EIO, then the engine is started again", **MACHINE)
def directory_fsync_fails(t):
    """After a new start on a sound disk it goes on from what is stored."""
    shim = Shim(t)
    shim.start()
    t.writer.more(30)
    shim.rules(f"fsync {shim.dir} EIO 1 1")
    t.eventually(lambda: t.state()[0] == "FAILED", 10, "the connector to fail")
    stands_still(t, shim, 1)
    t.engine.sigterm()
    shim.rules("")
    shim.start()


@fault("F59c", "write fails with EIO for a second", **MACHINE)
def write_fails(t):
    """A write that failed leaves the old file in its place; the next try is a new file."""
    shim = Shim(t)
    shim.start()
    shim.rules("write *offsets.next EIO")
    stands_still(t, shim, 1)
    shim.rules("")
    t.engine.wait_streaming(t.spec, t.postgres)


@fault("F60", "short writes and interrupted calls", **MACHINE)
def short_writes(t):
    """A write that took half and a call that a signal broke off are gone on with: nobody notices."""
    shim = Shim(t)
    shim.rules("write *offsets.next SHORT\nwrite *offsets.next EINTR 3 1\nfsync * EINTR 2 3")
    shim.start()
    t.writer.more(60)
    at = stored(shim.file)
    t.eventually(lambda: stored(shim.file) > at, 10, "a position to be stored")
    assert t.state()[0] == "RUNNING", t.state()


@fault("F61", "the directory with the positions becomes read-only", expect=stops(r"Read-only file system.*give the process's user the right"),
       **MACHINE)
def read_only(t):
    """It says which file it may not write, and acknowledges nothing more."""
    shim = Shim(t)
    shim.start()
    t.writer.more(30)
    shim.rules("open *offsets.next EROFS")
    t.eventually(lambda: t.state()[0] == "FAILED", 10, "the connector to fail")
    stands_still(t, shim, 1)


# ---- a file that was harmed ----


def harmed(t, harm, previous=False):
    """Runs for a while, ends, lets harm(path) at the file and its `previous`, starts again."""
    shim = Shim(t)
    shim.start()
    t.writer.more(60)
    t.eventually(lambda: os.path.exists(shim.file + ".previous"), 10, "two generations of the file")
    t.engine.sigkill() if previous else t.engine.sigterm()
    harm(shim.file)
    t.writer.more(20)
    t.start(env=shim.env, wait=False)
    return shim


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def zero(path):
    size = os.path.getsize(path)
    with open(path, "wb") as f:
        f.write(bytes(size))


def empty(path):
    os.truncate(path, 0)


def both(harm):
    def do(path):
        harm(path)
        harm(path + ".previous")
    return do


def digit(path):
    """A later position than the true one: believed, it would leave out what is between."""
    with open(path) as f:
        text = f.read()
    at = text.index('"lsn":') + 6
    end = next(i for i in range(at, len(text)) if not text[i].isdigit())
    with open(path, "w") as f:
        f.write(text[:at] + str(int(text[at:end]) + 4096) + text[end:])


DAMAGED = r"offsets.*is damaged.*put back a copy of it, or remove it"
PASSED = r"slot \S+ was moved to .*, past the stored offset|offsets.*is damaged"


def both_harmed(id, harm, title):
    def row(t):
        """A file that says nothing true is not an empty one: it is refused, and the slot stays where it was."""
        shim = harmed(t, both(harm))
        t.eventually(lambda: t.state()[0] == "ENDED", 10, "the start to be refused")
        assert not os.path.exists(shim.file + ".next")
    fault(id, title, expect=stops(DAMAGED), **MACHINE)(row)


both_harmed("F62", cut, "both generations of the file of positions are cut short")
both_harmed("F62b", zero, "both generations of the file are zeros")
both_harmed("F62c", empty, "both generations of the file are empty")
both_harmed("F62d", digit, "a digit of a position is another, in both generations")


@fault("F62e", "the newest file is torn by a crash before its position was acknowledged", needs="failpoints", **MACHINE)
def torn_by_a_crash(t):
    """What a crash of the machine tears is what was not acknowledged yet: the one before it is gone on from, by itself."""
    shim = Shim(t)
    shim.start()
    t.writer.more(60)
    t.engine.sigterm()
    t.start(env={**shim.env, "WALWIRE_FAILPOINT": "file-renamed:5:abort"}, wait=False)
    t.eventually(lambda: not t.engine.running(), 15, "the engine to end after the rename")
    assert t.engine.process.child.returncode == -signal.SIGKILL, "it ended elsewhere"
    t.random.choice((cut, zero, empty))(shim.file)
    shim.start()
    assert "the one before it" in t.engine.log()


@fault("F62f", "the newest file is damaged after its position was acknowledged", expect=stops(PASSED), **MACHINE)
def damaged_after_acknowledge(t):
    """The one before it is behind the slot: what is between cannot be read again, so it stops and says so."""
    harmed(t, zero)


@fault("F62g", "the file of positions is of another connector",
       waive={"I1": "rows deleted between the lost position and the new snapshot are not told, as with Debezium", "I4": "for the same reason"},
       **MACHINE)
def of_another(t):
    """It is as if nothing were stored for this one: the snapshot is taken anew, never gone on from the end of the log."""

    def rename_connector(path):
        with open(path) as f:
            text = f.read()
        inner = json.loads(text)
        with open(path, "w") as f:
            json.dump({k.replace(t.prefix, "other"): v for k, v in inner.items() if k != "walwire"}, f)
    t.anew = True
    harmed(t, rename_connector)
    t.engine.wait_streaming(t.spec, t.postgres)
    assert "snapshot complete" in t.engine.log().rsplit("is up", 1)[1]


@fault("F62h", "the file of positions is that of an hour ago", expect=stops(PASSED), **MACHINE)
def old_copy(t):
    """A backup put back is behind the slot: it stops and says what would be missing."""
    copy = []

    def put_back(path):
        os.replace(copy[0], path)
    shim = Shim(t)
    shim.start()
    t.writer.more(20)
    copy.append(shutil.copy(shim.file, shim.file + ".copy"))
    t.writer.more(60)
    t.acknowledged()
    t.engine.sigterm()
    put_back(shim.file)
    t.start(env=shim.env, wait=False)


# ---- clock, limits, signals ----


@fault("F63", "the clock jumps an hour back, an hour on, and back to the truth", short=True, most_duplicates=0, **MACHINE)
def clock_jumps(t):
    """Nothing that waits measures with the clock of the wall: no connection is lost, and positions are stored as before."""
    shim = Shim(t)
    shim.start()
    starts = t.engine.log().count("streaming from")
    for jump in (-3600, 3600, 0):
        shim.rules(f"clock {jump}")
        t.writer.more(30)
        at = stored(shim.file)
        t.eventually(lambda: stored(shim.file) > at, 5, f"a position to be stored with a clock {jump} s ahead")  # noqa: B023
        t.acknowledged(10)
    assert t.engine.log().count("streaming from") == starts, "the stream was begun anew"


def limit(pid, what, soft):
    """Sets a limit of a living process and gives what undoes it."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (soft, before[1]))
    return lambda: resource.prlimit(pid, what, before)


@fault("F64", "no file descriptor is left", waive={"I11": "it holds those that it opened late"}, **MACHINE)
def no_descriptors(t):
    """What cannot be opened is tried again; with descriptors to spare it goes on by itself."""
    shim = Shim(t)
    shim.start()
    pid = t.engine.process.pid
    undo = limit(pid, resource.RLIMIT_NOFILE, 3)
    time.sleep(1)
    t.end_sender()  # unless it has left by itself, for it can store no position
    time.sleep(2)
    assert t.engine.running(), "it ended for want of a descriptor"
    assert stored(shim.file) >= t.confirmed()
    assert "Too many open files" in t.engine.log(), "it did not want for a descriptor"
    undo()
    t.engine.wait_streaming(t.spec, t.postgres)


def ends_or_lives(t, start, times, why):
    """Starts it so often; each time it may live, or end with a line that says why. A library that does not look at what it was
    given (json-c) ends it without one."""
    ended = 0
    for _ in range(times):
        before = len(t.engine.log()) if os.path.exists(t.engine.log_path) else 0
        start()
        t.engine.may_end = True
        try:
            wait_until(lambda: not t.engine.running(), 3, "the end")
        except AssertionError:
            t.engine.sigkill()
            continue
        ended += 1
        said = t.engine.log()[before:]
        assert any(w in said for w in why) or t.engine.process.child.returncode == -signal.SIGSEGV, f"it ended with {t.engine.process.child.returncode} and said nothing of memory:\n{said[-800:]}"
    return ended


MEMORY = ("memory", "alloc")  # librdkafka asserts that rd_malloc gave it some


@fault("F65", "an allocation fails, any one", timeout=180, **MACHINE)
def allocation_fails(t):
    """It ends with a line that says why, or goes on; either way nothing is lost, and what was acknowledged does not come again."""
    shim = Shim(t)

    def start():
        shim.rules("")
        shim.start()
        shim.rules(f"malloc {t.random.randrange(1, 20000)} 1")
    ended = ends_or_lives(t, start, 8, MEMORY)
    assert ended, "no allocation that failed ended it: the shim does nothing"


@fault("F65b", "the address space is bounded below what it needs", timeout=120, **MACHINE)
def address_space(t):
    """The same where the limit is the system's."""
    shim = Shim(t)

    def start():
        shim.start()
        pid = t.engine.process.pid
        with open(f"/proc/{pid}/statm") as f:
            used = int(f.read().split()[0]) * resource.getpagesize()
        limit(pid, resource.RLIMIT_AS, used + t.random.randrange(0, 1 << 16))
        t.transaction(f"large{pid}", f"insert into acc(id, ver, val, pad) select -{pid} * 10 - i, 0, 0, repeat(md5(i::text), 100000) "
                      "from generate_series(1, 4) i; delete from acc where id < 0", 8, "large")
    ended = ends_or_lives(t, start, 4, MEMORY)
    if not ended and "memory" not in t.engine.log():
        raise Skip("the allocator had room within the bound: it was never felt")


@fault("F66", "the engine is stopped for ten seconds", timeout=90)
def stopped_for_ten_seconds(t):
    """The server ends its side after wal_sender_timeout; once awake the engine connects again and goes on where it was."""
    t.pause(t.engine)
    t.eventually(lambda: not t.postgres.streaming(t.slot), 12, "the server to give up")
    time.sleep(6)
    t.resume(t.engine)
    t.eventually(lambda: t.postgres.streaming(t.slot), 20, "a new stream")


@fault("F67", "SIGPIPE and SIGHUP, and a reader of the log that goes away", short=True)
def pipes_and_hangups(t):
    """A broken pipe is an error of a call and no end; a hang-up has keys and rules read again, and nothing else."""
    for _ in range(20):
        os.kill(t.engine.process.pid, signal.SIGPIPE)
        time.sleep(0.01)
    assert t.state()[0] == "RUNNING", t.state()
    os.kill(t.engine.process.pid, signal.SIGHUP)
    t.writer.more(20)
    assert t.engine.running() and t.state()[0] == "RUNNING", t.state()
    t.engine.sigterm()
    log_without_reader(t)
    t.start()


def log_without_reader(t):
    """Its log goes to a pipe that nobody reads any more while it connects anew, which it says."""
    pipe, file = os.path.join(t.temp_dir(), "pipe"), t.engine.log_path
    os.mkfifo(pipe)
    reader, t.engine.log_path, t.engine.env = os.open(pipe, os.O_RDWR | os.O_NONBLOCK), pipe, None
    try:
        t.engine.start()
        t.engine.wait_streaming(t.spec, t.postgres)
        t.eventually(lambda: b"streaming from" in os.read(reader, 1 << 16), 10, "the pipe to be written to")
    finally:
        os.close(reader)
        t.engine.log_path = file
    for _ in range(3):
        t.eventually(t.end_sender, 20, "the slot to be in use again")
    t.eventually(lambda: t.postgres.streaming(t.slot), 20, "the slot to be in use again")
    t.writer.more(20)
    assert t.state()[0] == "RUNNING", t.state()
    t.engine.sigterm()


@fault("F68", "the file of positions is of an earlier walwire", **MACHINE)
def earlier_file(t):
    """It goes on from it, without a new snapshot."""
    def as_before(path):
        with open(path) as f:
            inner = json.load(f)
        with open(path, "w") as f:
            json.dump({k: v for k, v in inner.items() if k != "walwire"}, f)
        os.unlink(path + ".previous")
    harmed(t, as_before)
    t.engine.wait_streaming(t.spec, t.postgres)
    assert t.engine.log().count("snapshot complete") == 1, "a snapshot was taken anew"


@fault("F68b", "the file of positions is of a later walwire", expect=stops(r"offsets was written by a newer walwire \(version 7"), **MACHINE)
def later_file(t):
    """What it cannot know it does not read: it says which program wrote it."""
    def as_after(path):
        with open(path) as f:
            inner = json.load(f)
        inner["walwire"] = {"version": 7}
        with open(path, "w") as f:
            json.dump(inner, f)
    harmed(t, as_after)
