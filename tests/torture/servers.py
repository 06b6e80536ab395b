"""The servers that trials share, and those of a trial's own."""
from kafka import Kafka
from postgres import Postgres
from process import free_port, shared

POSTGRES = {"wal_sender_timeout": "3s", "min_wal_size": "8MB", "max_wal_size": "256MB", "shared_buffers": "32MB",
            "logical_decoding_work_mem": "256kB"}
RENEW = 20  # trials after which the broker is made anew: each leaves a dozen topics


class TorturePostgres(Postgres):
    """With segments of 1 MB, so that the log is dropped, recycled and missed soon."""
    initdb = ("--wal-segsize=1",)

    def __init__(self, conf=None, **more):
        super().__init__({**POSTGRES, **(conf or {})}, **more)


class TortureKafka(Kafka):
    """Besides its own listener one that is advertised as the address of a proxy. Records have the time at which they were appended,
    which the checker holds against the time of acknowledgements."""

    def __init__(self, conf=None):
        self.proxied_port, self.proxy_port = free_port(), free_port()
        super().__init__(conf)

    def configure(self, conf):
        """Other settings for the next start."""
        self._write_properties(conf)

    def _write_properties(self, more):
        controller, proxied = f"CONTROLLER://127.0.0.1:{self.controller_port}", f"127.0.0.1:{self.proxied_port}"
        super()._write_properties({
            "listeners": f"PLAINTEXT://{self.bootstrap},PROXIED://{proxied},{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},PROXIED://127.0.0.1:{self.proxy_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.message.timestamp.type": "LogAppendTime", **more})


class Servers:
    """The shared ones start when first asked for."""

    def __init__(self):
        self.kept, self.used = {}, 0

    def postgres(self, conf=None, own=False):
        return TorturePostgres(conf) if own else self._shared("postgres", TorturePostgres)

    def kafka(self, conf=None, own=False):
        if own:
            return TortureKafka(conf)
        self.used += 1
        if self.used > RENEW and "kafka" in self.kept:
            self.kept.pop("kafka").stop()
            self.used = 1
        return self._shared("kafka", TortureKafka)

    def _shared(self, name, make):
        server = self.kept.get(name)
        if server is None:
            server = self.kept[name] = shared(make)
        if not server.running():
            server.start()
        return server
