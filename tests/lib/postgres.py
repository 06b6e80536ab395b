"""A private PostgreSQL server on a free loopback port, in a directory that is gone afterwards."""
import glob, os, re, shutil, signal, subprocess

from process import Process, at_exit, free_port, temp_dir, wait_until

DEFAULTS = {
    "wal_level": "logical", "max_wal_senders": 40, "max_replication_slots": 40, "max_prepared_transactions": 10,
    "fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1", "max_wal_size": "2GB", "log_line_prefix": "%m [%p] %q%a ",
}


def server_programs():
    """The newest installed server's bin directory; PGBIN names another one."""
    found = [os.environ["PGBIN"]] if os.environ.get("PGBIN") else sorted(
        glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin"), key=lambda p: int(re.search(r"\d+", p).group()))
    found = [p for p in found if os.path.exists(os.path.join(p, "initdb"))]
    if not found and shutil.which("initdb"):
        found = [os.path.dirname(os.path.realpath(shutil.which("initdb")))]
    if not found:
        raise RuntimeError("no PostgreSQL server here: run tools/install demo, or set PGBIN")
    return found[-1]


class Postgres:
    """The superuser is `postgres`, without a password from loopback. `hba` are lines for pg_hba.conf before that rule."""
    host, user, initdb = "127.0.0.1", "postgres", ()  # further arguments of initdb
    env = None  # of the server's own, more variables

    def __init__(self, conf=None, hba=(), programs=None, name="pg", env=None):
        self.bin, self.env = programs or server_programs(), env
        self.dir = temp_dir(name)
        self.data, self.log = os.path.join(self.dir, "data"), os.path.join(self.dir, "log")
        self.port = free_port()
        self.account = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
        if self.account:
            shutil.chown(self.dir, self.account, self.account)
        self._initdb()
        settings = {**DEFAULTS, "port": self.port, "unix_socket_directories": self.dir, **(conf or {})}
        with open(os.path.join(self.data, "postgresql.conf"), "a") as f:
            f.writelines(f"{k} = '{v}'\n" for k, v in settings.items())
        path = os.path.join(self.data, "pg_hba.conf")
        rules = open(path).read()
        open(path, "w").write("".join(line + "\n" for line in hba) + rules)
        self.process = None
        at_exit(self.stop)
        self.start()

    def standby(self, conf=None, name="standby"):
        """A physical standby of this server, streaming from it through a slot of its own. The server is stopped for a moment: its
        files are copied, for the packages of older and newer servers bring no pg_basebackup."""
        self.stop()
        other = Postgres.__new__(Postgres)
        other.bin, other.env, other.account, other.port, other.process = self.bin, self.env, self.account, free_port(), None
        other.dir = temp_dir(name)
        other.data, other.log = os.path.join(other.dir, "data"), os.path.join(other.dir, "log")
        shutil.copytree(self.data, other.data, ignore=shutil.ignore_patterns("postmaster.*"))
        shutil.rmtree(os.path.join(other.data, "pg_replslot"))
        os.mkdir(os.path.join(other.data, "pg_replslot"), 0o700)
        settings = {"port": other.port, "unix_socket_directories": other.dir, "hot_standby_feedback": "on",
                    "wal_receiver_status_interval": "1", "primary_slot_name": f"{name}_slot",
                    "primary_conninfo": self.conninfo(application_name=name), **(conf or {})}
        with open(os.path.join(other.data, "postgresql.conf"), "a") as f:
            f.writelines(f"{k} = '{v}'\n" for k, v in settings.items())
        open(os.path.join(other.data, "standby.signal"), "w").close()
        if other.account:
            for place, _, files in os.walk(other.dir):
                for path in (place, *(os.path.join(place, f) for f in files)):
                    shutil.chown(path, other.account, other.account)
        self.start()
        self.psql(f"select pg_create_physical_replication_slot('{name}_slot', true)")
        at_exit(other.stop)
        other.start()
        return other

    def promote(self):
        """A standby becomes a primary."""
        self.psql("select pg_promote()")

    @classmethod
    def at(cls, port):
        """A server that runs already and is not ours to stop."""
        self = cls.__new__(cls)
        self.bin, self.port = server_programs(), port
        return self

    def program(self, name):
        """A client program of the server's own release, or the machine's: some packages of servers bring none."""
        for place in (self.bin, os.path.dirname(shutil.which(name) or "")):
            if os.path.exists(os.path.join(place, name)):
                return os.path.join(place, name)
        return os.path.join(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1], name)

    def _initdb(self):
        argv = [os.path.join(self.bin, "initdb"), "-D", self.data, "-A", "trust", "-U", self.user, "-E", "UTF8", "--locale=C.UTF-8", "-N", *self.initdb]
        as_user = {"user": self.account, "group": self.account, "extra_groups": []} if self.account else {}
        done = subprocess.run(argv, capture_output=True, text=True, cwd=self.dir, **as_user)
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stderr.strip() or done.stdout.strip()}")

    def start(self, timeout=60):
        argv = [os.path.join(self.bin, "postgres"), "-D", self.data]
        self.process = Process(argv, self.log, user=self.account, soft=signal.SIGINT, cwd=self.dir, env=self.env)
        wait_until(self._ready, timeout, "PostgreSQL to start", every=0.1)

    def _ready(self):
        if not self.process.running():
            raise SystemExit(f"PostgreSQL did not start:\n{self.process.tail()}")
        recovers = self.psql("select pg_is_in_recovery()") == "t"
        return recovers == os.path.exists(os.path.join(self.data, "standby.signal"))

    def stop(self):
        """A fast shutdown: sessions are ended, a checkpoint is written."""
        if self.process:
            self.process.stop(signal.SIGINT)

    def running(self):
        return self.process is not None and self.process.running()

    def kill(self):
        """As after a crash: nothing is written, the next start recovers from the log."""
        self.process.stop(signal.SIGQUIT)

    def restart(self):
        self.stop()
        self.start()

    def conninfo(self, db="postgres", **more):
        return " ".join(f"{k}={v}" for k, v in {"host": self.host, "port": self.port, "user": self.user, "dbname": db, **more}.items())

    def url(self, db="postgres", user=None):
        return f"postgresql://{user or self.user}@{self.host}:{self.port}/{db}"

    def version(self):
        """The major one."""
        return int(self.psql("show server_version_num")) // 10000

    def psql(self, sql, db="postgres", user=None):
        """Runs a script; returns its rows as text, columns split by `|`. The first error stops it and is raised."""
        argv = [self.program("psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(db, user=user or self.user)]
        done = subprocess.run(argv, input=sql, capture_output=True, text=True, env={**os.environ, "PGTZ": "UTC"})
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def held(self, db, statement):
        """A session that has run the statement in a transaction and keeps it open until it is ended."""
        psql = subprocess.Popen([self.program("psql"), "-qAtX", "-d", self.conninfo(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True)
        at_exit(lambda: (psql.stdin.close(), psql.wait(10)))
        psql.stdin.write(f"begin; {statement}; select 'held';\n")
        psql.stdin.flush()
        while psql.stdout.readline().strip() != "held":
            assert psql.poll() is None, "the session has ended"
        return psql

    def slot(self, name):
        """The slot's row as a dict of texts, or None."""
        row = self.psql("select active, confirmed_flush_lsn, restart_lsn, plugin, database "
                        f"from pg_replication_slots where slot_name = '{name}'")
        return dict(zip(("active", "confirmed", "restart", "plugin", "database"), row.split("|"))) if row else None

    def streaming(self, slot):
        """Whether somebody reads it: a slot that is being made is in use, too."""
        return self.psql(f"select a.query ilike 'START_REPLICATION%' from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid "
                         f"where s.slot_name = '{slot}'") == "t"

    def drop_database(self, db):
        """With its slots, whoever reads them."""
        self.psql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where database = '{db}' and active")
        wait_until(lambda: self.psql(
            f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '{db}' and not active;"
            f"select count(*) from pg_replication_slots where database = '{db}'").endswith("0"), 20, f"the slots of {db} to go")
        self.psql(f"drop database if exists {db} with (force)")
