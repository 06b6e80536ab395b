"""One Kafka broker (KRaft) on free loopback ports, its jars fetched by Maven once, and kcat to look into it."""
import hashlib, json, os, re, shutil, subprocess

from process import CACHE, Process, at_exit, free_port, temp_dir, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
CLUSTER = "walwiretestwalwiretest"  # 22 characters, as Kafka wants an id to be


def jars():
    """The directory of the pinned jars; a changed pom.xml makes a new one."""
    pom = os.path.join(HERE, "pom.xml")
    path = os.path.join(CACHE, "kafka-" + hashlib.sha256(open(pom, "rb").read()).hexdigest()[:12])
    if os.path.isdir(path):
        return path
    if not shutil.which("mvn"):
        raise RuntimeError("no Maven here: run tools/install test")
    part = f"{path}.{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    argv = ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part}"]
    for last in (False, False, True):  # a registry may stumble
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode == 0:
            break
        if last:
            raise RuntimeError(f"mvn: {done.stdout.strip()[-800:]}")
    os.rename(part, path)
    return path


class Kafka:
    def __init__(self, conf=None):
        self.dir = temp_dir("kafka")
        self.log, self.port, self.controller_port = os.path.join(self.dir, "log"), free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.properties = os.path.join(self.dir, "server.properties")
        self._write_properties(conf or {})
        self.java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp", os.path.join(jars(), "*"),
                     "-Dlog4j2.configurationFile=" + os.path.join(HERE, "log4j2.properties")]
        done = subprocess.run([*self.java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", self.properties],
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"kafka format: {done.stderr.strip()[-800:]}")
        self.process = None
        at_exit(self.stop)
        self.start()

    @classmethod
    def at(cls, bootstrap):
        """A broker that runs already and is not ours to stop."""
        self = cls.__new__(cls)
        self.bootstrap = bootstrap
        return self

    def _write_properties(self, more):
        settings = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": os.path.join(self.dir, "data"),
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1, "share.coordinator.state.topic.min.isr": 1,
            "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500, "group.initial.rebalance.delay.ms": 0, "message.max.bytes": 10485760, **more}
        with open(self.properties, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in settings.items())

    def start(self, timeout=90):
        self.process = Process([*self.java, "kafka.Kafka", self.properties], self.log)
        wait_until(self._ready, timeout, "Kafka to start", every=0.2)

    def _ready(self):
        if not self.process.running():
            raise SystemExit(f"Kafka did not start:\n{self.process.tail()}")
        return self._kcat("-L", "-m", "2").returncode == 0

    def stop(self):
        if self.process:
            self.process.stop(timeout=30)

    def running(self):
        return self.process is not None and self.process.running()

    def kill(self):
        self.process.kill()

    def _kcat(self, *args, **run):
        return subprocess.run(["kcat", "-b", self.bootstrap, *args], capture_output=True, **run)

    def topics(self):
        """Each topic's name and its number of partitions, without the broker's own."""
        done = self._kcat("-L", "-J")
        if done.returncode:
            raise RuntimeError(f"kcat: {done.stderr.decode(errors='replace').strip()}")
        return {t["topic"]: len(t["partitions"]) for t in json.loads(done.stdout)["topics"] if not t["topic"].startswith("__")
                or t["topic"].startswith("__debezium")}

    def ends(self, topic, committed=True):
        """The end offset of each partition; without `committed` behind what is in open transactions."""
        parts = self.topics().get(topic, 0)
        level = "read_committed" if committed else "read_uncommitted"
        done = self._kcat("-X", f"isolation.level={level}", "-Q", *(arg for p in range(parts) for arg in ("-t", f"{topic}:{p}:-1")))
        if done.returncode:
            raise RuntimeError(f"kcat: {done.stderr.decode(errors='replace').strip()}")
        return {int(p): int(end) for p, end in re.findall(rb"\[(\d+)\] offset (\d+)", done.stdout)}

    def all_ends(self, wanted):
        """Of the topics whose name wanted() wants: the sum of their partitions' ends, which without compaction and
        transactions is how many records each got."""
        ask = [arg for t, n in self.topics().items() if wanted(t) for p in range(n) for arg in ("-t", f"{t}:{p}:-1")]
        done = self._kcat("-Q", *ask) if ask else None
        if done and done.returncode:
            raise RuntimeError(f"kcat: {done.stderr.decode(errors='replace').strip()}")
        ends = {}
        for topic, end in re.findall(r"^(\S+) \[\d+\] offset (\d+)", done.stdout.decode() if done else "", re.M):
            ends[topic] = ends.get(topic, 0) + int(end)
        return ends

    def consume(self, topic, committed=True):
        """All that a topic holds now, in partition and offset order: dicts of key, value (texts or None), headers (list of
        pairs), partition, offset, ts. A topic that does not exist holds nothing. It ends under a steady writer too."""
        if topic not in self.topics():
            return []
        return sorted(self._read(topic, committed, self.ends(topic, committed)), key=lambda m: (m["partition"], m["offset"]))

    def _read(self, topic, committed, ends):
        level = "read_committed" if committed else "read_uncommitted"
        left = {p: end for p, end in ends.items() if end}  # a partition is done at its end, or when kcat finds nothing more
        argv = ["kcat", "-b", self.bootstrap, "-C", "-e", "-q", "-u", "-J", "-t", topic, "-X", f"isolation.level={level}",
                "-X", "fetch.wait.max.ms=20"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="surrogateescape") as kcat:
            for line in kcat.stdout:
                m = json.loads(line)
                pairs = m.get("headers") or []
                if m["offset"] < ends.get(m["partition"], 0):
                    yield {"key": m.get("key"), "value": m.get("payload"), "headers": list(zip(pairs[::2], pairs[1::2])),
                           "partition": m["partition"], "offset": m["offset"], "ts": m.get("ts")}
                if m["offset"] + 1 >= left.get(m["partition"], 0):
                    left.pop(m["partition"], None)
                if not left:
                    kcat.kill()
                    return
            if kcat.wait():
                raise RuntimeError(f"kcat: {kcat.stderr.read().strip()}")

    def consume_bytes(self, topic):
        """As consume, with key and value as bytes (or None) and no headers: for Avro and other binary formats."""
        if topic not in self.topics():
            return []
        raw, at, got = self._kcat("-C", "-e", "-q", "-X", "fetch.wait.max.ms=20", "-t", topic, "-f", "%p %o %T %K %S\n%k%s").stdout, 0, []
        while at < len(raw):
            end = raw.index(b"\n", at)
            partition, offset, ts, key_size, size = map(int, raw[at:end].split())
            at = end + 1
            key = raw[at:at + key_size] if key_size >= 0 else None
            at += max(key_size, 0)
            value = raw[at:at + size] if size >= 0 else None
            at += max(size, 0)
            got.append({"key": key, "value": value, "partition": partition, "offset": offset, "ts": ts})
        return sorted(got, key=lambda m: (m["partition"], m["offset"]))

    def produce(self, topic, value, key=None):
        args = ["-P", "-t", topic] + (["-K", "\x01"] if key is not None else [])
        text = value if key is None else f"{key}\x01{value}"
        done = self._kcat(*args, input=text.encode())
        if done.returncode:
            raise RuntimeError(f"kcat: {done.stderr.decode(errors='replace').strip()}")

    def wait_records(self, topic, count, timeout=30):
        """The topic's records once it has at least `count`."""
        def enough():
            got = self.consume(topic)
            if len(got) < count:
                raise RuntimeError(f"{len(got)} so far")
            return got
        return wait_until(enough, timeout, f"{count} records in {topic}", every=0.2)

    def offsets_of(self, topic):
        """The newest offset that a connector stored, for each key of a Connect offsets topic."""
        last = {}
        for m in self.consume(topic):
            last[m["key"]] = json.loads(m["value"]) if m["value"] else None
        return last

    def create_topic(self, topic, partitions=1, config=None):
        argv = [*self.java, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap, "--create", "--topic", topic,
                "--partitions", str(partitions), "--replication-factor", "1"]
        for k, v in (config or {}).items():
            argv += ["--config", f"{k}={v}"]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError("create topic: " + " ".join((done.stdout + done.stderr).split())[-400:])
