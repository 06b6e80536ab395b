"""Child processes that never outlive us: each in a group of its own, ended by its id."""
import atexit, contextlib, ctypes, os, pwd, random, shutil, signal, socket, subprocess, tempfile, threading, time

CACHE = os.environ.get("WALWIRE_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "walwire")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_libc = ctypes.CDLL(None)
_scopes = [[]]  # what is to be stopped or removed, oldest first: the whole run, then a test inside it


class Timeout(AssertionError):
    pass


class Skip(Exception):
    """Raised by a test for which this machine or this server has not what it needs: it counts neither as passed nor as failed."""


def wait_until(fn, timeout=30, what=None, every=0.05):
    """Calls fn until it answers something true, and returns that. An error of fn in the last try is the reason given."""
    end, reason = time.monotonic() + timeout, None
    while True:
        try:
            got, reason = fn(), None
            if got:
                return got
        except (OSError, RuntimeError, ValueError, LookupError) as e:
            reason = e
        if time.monotonic() > end:
            raise Timeout(f"waited {timeout} s for {what or getattr(fn, '__name__', 'it')}" + (f": {reason}" if reason else ""))
        time.sleep(every)


given_ports = set()


def free_port():
    """Below the ports that the system gives to outgoing connections: a server that is down for a while must find its own
    free again, and a client that keeps trying to reach such a port may by chance connect from it to itself. None is given
    twice: between here and a server's start it is free for all who look."""
    while True:
        port = random.randrange(10000, 32000)
        if port not in given_ports and not port_taken(port):
            given_ports.add(port)
            return port


def port_taken(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return False
        except OSError:
            return True


def temp_dir(name):
    """A directory that anyone may enter and that is gone at exit."""
    path = tempfile.mkdtemp(prefix=f"walwire-{name}-")
    os.chmod(path, 0o755)
    at_exit(lambda: shutil.rmtree(path, ignore_errors=True))
    return path


def at_exit(fn):
    """Has fn called when the innermost scope ends."""
    _scopes[-1].append(fn)
    return fn


@contextlib.contextmanager
def scope():
    """What is started inside is stopped at the end."""
    _scopes.append([])
    try:
        yield
    finally:
        _close(_scopes.pop())


def shared(make):
    """Makes something that outlives the scope it was first asked for in."""
    inner, _scopes[1:] = _scopes[1:], []
    try:
        return make()
    finally:
        _scopes[1:] = inner


def _close(entries):
    while entries:
        try:
            entries.pop()()
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError):
            pass


@atexit.register
def close_all():
    while _scopes:
        _close(_scopes.pop())
    _scopes.append([])


class Process:
    """A daemon with its output in a log file. `user` is whom it runs as when we are root; `soft` asks it to end. Whoever
    starts one has it stopped with at_exit, or keeps it in an object that does."""

    def __init__(self, argv, log, user=None, soft=signal.SIGTERM, env=None, cwd=None):
        self.argv, self.log, self.soft = argv, log, soft
        start = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user and os.geteuid() == 0 else {}
        # The kernel ends the child when the thread that started it dies, so only the main thread may ask for that.
        tie = (lambda: _libc.prctl(1, soft)) if threading.current_thread() is threading.main_thread() else None
        with open(log, "ab") as out:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                          start_new_session=True, preexec_fn=tie, cwd=cwd,
                                          env={**os.environ, **(env or {})}, **start)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def stop(self, sig=None, timeout=20):
        """Asks it to end and waits; after `timeout` the whole group is killed. Returns the exit code."""
        if self.running():
            self.child.send_signal(sig or self.soft)
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.child.returncode

    def kill(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.child.wait(20)

    def tail(self, lines=15):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
