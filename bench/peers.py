"""What is measured against, and on: PostgreSQL, a Kafka broker, and Kafka Connect with Debezium, each our own and on loopback."""
import ctypes, hashlib, os, re, shutil, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
from kafka import Kafka
from postgres import Postgres
from process import CACHE, Process, at_exit, free_port, temp_dir, wait_until
from walwire import Walwire

POM = os.path.join(ROOT, "bench", "pom.xml")
LOGGING = "-Dlog4j2.configurationFile=" + os.path.join(ROOT, "tests", "lib", "log4j2.properties")

# synchronous_commit stays on: without it a commit is flushed, and so seen by a walsender, up to 600 ms late. fsync is off in
# the tests' server, so that no disk is measured.
POSTGRES = {"shared_buffers": "512MB", "max_wal_size": "8GB", "wal_sender_timeout": "0",
            "autovacuum": "off", "max_replication_slots": "60", "max_wal_senders": "40", "full_page_writes": "on"}
BROKER = {"log.segment.delete.delay.ms": "0"}
BROKER_HEAP, CONNECT_HEAP = "1g", "2g"
WORKER = {"offset.flush.interval.ms": "1000"}  # of walwire and of Kafka Connect


def version(what):
    with open(POM) as f:
        return re.search(rf"<{what}.version>(.*?)<", f.read()).group(1)


def jars(profile):
    """The directory of a profile's pinned jars, from Maven once; a changed pom.xml makes a new one."""
    with open(POM, "rb") as f:
        path = os.path.join(CACHE, f"bench-{profile}-" + hashlib.sha256(f.read()).hexdigest()[:12])
    if os.path.isdir(path):
        return path
    part = f"{path}.{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    argv = ["mvn", "-q", "-B", "-f", POM, f"-P{profile}", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part}"]
    for last in (False, False, True):  # a registry may stumble
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode == 0:
            break
        if last:
            raise RuntimeError(f"mvn: {done.stdout.strip()[-800:]}")
    os.rename(part, path)
    return path


class Broker(Kafka):
    """The tests' broker, with the compiler and the heap that one would give it."""

    def __init__(self):
        super().__init__(BROKER)

    def start(self, timeout=90):
        classpath = self.java[self.java.index("-cp") + 1]
        self.java = ["java", f"-Xmx{BROKER_HEAP}", "-cp", classpath, LOGGING]
        super().start(timeout)


class Connect(Walwire):
    """Kafka Connect with Debezium; it answers the REST API that walwire answers."""

    def __init__(self, kafka, **more):
        self.dir = temp_dir("connect")
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log_path, self.process = os.path.join(self.dir, "log"), None
        json = "org.apache.kafka.connect.json.JsonConverter"
        settings = {"bootstrap.servers": kafka.bootstrap, "group.id": "bench", "key.converter": json, "value.converter": json,
                    **{f"{kind}.storage.topic": f"bench-{kind}" for kind in ("offset", "config", "status")},
                    **{f"{kind}.storage.replication.factor": "1" for kind in ("offset", "config", "status")},
                    "listeners": self.base, "plugin.path": self._plugins(), "plugin.discovery": "service_load", **WORKER, **more}
        self.properties = self._write("worker.properties", "".join(f"{k}={v}\n" for k, v in settings.items()))
        at_exit(self.stop)

    def _plugins(self):
        """Debezium's jars without those that Connect itself has."""
        path = os.path.join(self.dir, "plugins")
        shutil.copytree(jars("debezium"), os.path.join(path, "debezium"),
                        ignore=shutil.ignore_patterns("kafka-clients*", "connect-api*", "slf4j-api*"))
        return path

    def start(self, timeout=120):
        argv = ["java", f"-Xmx{CONNECT_HEAP}", "-cp", os.path.join(jars("connect"), "*"), LOGGING,
                "org.apache.kafka.connect.cli.ConnectDistributed", self.properties]
        self.process = Process(argv, self.log_path, cwd=self.dir)
        wait_until(self._answers, timeout, "Kafka Connect to answer", every=0.5)

    def _answers(self):
        if not self.process.running():
            raise AssertionError(f"Kafka Connect did not start:\n{self.process.tail()}")
        return self.rest("GET", "/connectors")[0] == 200

    def stop(self):
        return self.process.stop(timeout=30) if self.process else None


class Topics:
    """How far a topic is, asked without a program being started for it: librdkafka, which walwire needs anyway."""

    def __init__(self, bootstrap):
        self.lib = ctypes.CDLL("librdkafka.so.1")
        for name in ("conf_new", "new", "DeleteTopic_new", "NewTopic_new", "queue_new", "queue_poll", "version_str"):
            getattr(self.lib, f"rd_kafka_{name}").restype = ctypes.c_char_p if name == "version_str" else ctypes.c_void_p
        why = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self.lib.rd_kafka_conf_new())
        for name, value in (("bootstrap.servers", bootstrap), ("log_level", "0"), ("allow.auto.create.topics", "false")):
            if self.lib.rd_kafka_conf_set(conf, name.encode(), value.encode(), why, len(why)):
                raise RuntimeError(why.value.decode())
        self.handle = ctypes.c_void_p(self.lib.rd_kafka_new(1, conf, why, len(why)))
        if not self.handle:
            raise RuntimeError(why.value.decode())

    def version(self):
        return self.lib.rd_kafka_version_str().decode()

    def end(self, topic):
        """What consumers can read of partition 0, in messages; None when there is no such topic."""
        low, high = ctypes.c_int64(), ctypes.c_int64()
        failed = self.lib.rd_kafka_query_watermark_offsets(self.handle, topic.encode(), 0, ctypes.byref(low), ctypes.byref(high), 2000)
        if failed:
            self._refresh()
        return None if failed else high.value

    def create(self, topic):
        """With one partition; it can be asked for when this returns."""
        why = ctypes.create_string_buffer(512)
        one = ctypes.c_void_p(self.lib.rd_kafka_NewTopic_new(topic.encode(), 1, 1, why, len(why)))
        self._ask("CreateTopics", one)
        self.lib.rd_kafka_NewTopic_destroy(one)
        wait_until(lambda: self._refresh() and self.end(topic) is not None, 30, f"topic {topic} to be there")

    def delete(self, topic):
        """Frees the disk; no error when there is no such topic."""
        one = ctypes.c_void_p(self.lib.rd_kafka_DeleteTopic_new(topic.encode()))
        self._ask("DeleteTopics", one)
        self.lib.rd_kafka_DeleteTopic_destroy(one)

    def _refresh(self):
        """All topics' metadata: without it librdkafka goes on believing that a topic is not there."""
        found = ctypes.c_void_p()
        failed = self.lib.rd_kafka_metadata(self.handle, 1, None, ctypes.byref(found), 2000)
        if not failed:
            self.lib.rd_kafka_metadata_destroy(found)
        return not failed

    def _ask(self, what, one):
        answers = ctypes.c_void_p(self.lib.rd_kafka_queue_new(self.handle))
        getattr(self.lib, f"rd_kafka_{what}")(self.handle, ctypes.byref(one), ctypes.c_size_t(1), None, answers)
        event = ctypes.c_void_p(self.lib.rd_kafka_queue_poll(answers, 10000))
        if event:
            self.lib.rd_kafka_event_destroy(event)
        self.lib.rd_kafka_queue_destroy(answers)


class Usage:
    """Processor seconds and peak memory of processes between two moments, read from /proc. A process that may go before the
    second moment, as a walsender does, is sampled on the way."""

    def __init__(self):
        self.pids, self.first, self.last, self.peak = {}, {}, {}, {}

    def watch(self, name, pid, since_start=False):
        """Counts from now, or what it has used since it started."""
        try:
            with open(f"/proc/{pid}/clear_refs", "w") as f:
                f.write("5")  # the peak from now on
        except OSError:
            pass
        self.pids[name], now = pid, cpu_seconds(pid)
        self.first[name] = 0 if since_start else now
        self.last[name] = now
        return self

    def start_again(self):
        """What was used until the last sample does not count."""
        self.first.update(self.last)

    def sample(self):
        for name, pid in self.pids.items():
            try:
                self.last[name] = cpu_seconds(pid)
                self.peak[name] = peak_mb(pid)
            except (OSError, ValueError, StopIteration):
                pass

    def cpu(self):
        return {name: self.last[name] - self.first[name] for name in self.pids}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmHWM")).split()[1]) / 1024
