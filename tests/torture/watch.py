"""What is seen from outside during a trial: the slot's positions, the engine's memory, descriptors and processor time."""
import os, threading, time

from process import wait_until
from session import Failed, Session

TICK = os.sysconf("SC_CLK_TCK")


def lsn_number(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next((int(line.split()[1]) for line in f if line.startswith("VmRSS")), 0)


class Watch:
    """Looks every 50 ms. `slots` are (seconds since 1970, confirmed_flush_lsn), taken after the server answered: what it tells
    was acknowledged before that moment. A slot that is gone or a server that is down leaves a hole."""

    def __init__(self, trial):
        self.trial, self.slots, self.peak_kb, self.files, self.done = trial, [], 0, None, threading.Event()
        self.looks, self.error = 0, None  # answers of the server about the slot; what ended the thread
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def started(self):
        """Remembers how many descriptors an engine that streams has."""
        self.files = open_files(self.trial.engine.process.pid)

    def check(self, confirmed=None):
        """What was seen can be judged by: it looks still, it saw the slot, and of one that is there its last position."""
        if self.error:
            raise self.error
        assert self.thread.is_alive(), "nobody watched the slot to the end"
        assert self.looks > 5 and self.slots, f"the slot was looked at {self.looks} times and had {len(self.slots)} positions"
        if confirmed is not None:
            assert len(self.slots) > 1, "nothing was acknowledged while it was watched"
            wait_until(lambda: self.slots[-1][1] >= confirmed, 5, f"the watch to see that {confirmed:X} is acknowledged")

    def _run(self):
        try:
            self._look()
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def _look(self):
        session = None
        while not self.done.wait(0.05):
            self._look_at_engine()
            try:
                session = session or Session(self.trial.postgres.conninfo())
                self._look_at_slot(session)
            except Failed:
                if session:
                    session.close()
                session = None
        if session:
            session.close()

    def _look_at_slot(self, session):
        rows = session(f"select confirmed_flush_lsn from pg_replication_slots where slot_name = '{self.trial.slot}' "
                       "and confirmed_flush_lsn is not null")
        self.looks += 1
        if rows:
            now, at = time.time(), lsn_number(rows[0][0])
            if not self.slots or self.slots[-1][1] != at:
                self.slots.append((now, at))

    def _look_at_engine(self):
        process = self.trial.engine.process
        try:
            self.peak_kb = max(self.peak_kb, rss_kb(process.pid) if process else 0)
        except OSError:
            pass  # it just ended

    def stop(self):
        self.done.set()
        self.thread.join()
