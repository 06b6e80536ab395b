"""Faults of Kafka (F45 to F57): a broker that hangs, dies, refuses, forgets or is slow.

Errors that a broker only gives in a state which is hard to bring about are made by librdkafka's mock cluster, in
tests/publishers/test_kafka_faults.c; their rows run that program.
"""
import os, re, subprocess, time

from process import ROOT
from proxy import DOWN
from trial import fault, stops
from walwire import BINARY

BUILD = os.path.dirname(BINARY)


def tool(t, name, *args):
    """One of Kafka's own commands."""
    argv = [*t.kafka.java, f"org.apache.kafka.tools.{name}", "--bootstrap-server", t.kafka.bootstrap, *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{name} {args}: {(done.stdout + done.stderr)[-600:]}"


def stands_still(t, seconds):
    """For so long nothing is acknowledged, the connector does not fail, and the writer is not held up."""
    time.sleep(1)  # what was on its way when the fault began
    at = t.confirmed()
    t.writer.more(50)
    time.sleep(seconds)
    assert t.confirmed() == at, f"{t.confirmed() - at} bytes of WAL were acknowledged while Kafka took nothing"
    assert t.state()[0] == "RUNNING", f"the connector is {t.state()}"


@fault("F45", "the broker hangs (SIGSTOP) for 20 s", catchup=60)
def broker_hangs(t):
    """Nothing is acknowledged meanwhile, and what was sent before is neither lost nor told twice."""
    t.pause(t.kafka)
    stands_still(t, 19)


@fault("F45b", "the broker hangs (SIGSTOP) for 4 s, with wal_sender_timeout=3s", short=True, most_duplicates=0)
def broker_hangs_shortly(t):
    """The link to PostgreSQL is kept: the same walsender serves before and after, and nothing comes twice."""
    sender = t.sql(f"select active_pid from pg_replication_slots where slot_name = '{t.slot}'")
    t.pause(t.kafka)
    stands_still(t, 4)
    now = t.sql(f"select active_pid from pg_replication_slots where slot_name = '{t.slot}'")
    assert sender == now, f"walsender {sender} is gone, the slot has {now or 'none'}"


@fault("F46", "kill -9 of the broker, and a start", catchup=60, short=True)
def broker_killed(t):
    """What the broker had taken and not confirmed comes again at most; nothing is lost."""
    t.kafka.kill()
    t.writer.more(50)
    t.kafka.start()


@fault("F47", "the broker is down for 3 minutes, with wal_sender_timeout=3s", timeout=400, catchup=90, rss_mb=300,
       workload={"pace": 0.5})
def broker_down_long(t):
    """Memory stays flat: what is not taken waits in PostgreSQL. The link is kept or made anew cleanly."""
    t.kafka.kill()
    for _ in range(36):
        time.sleep(5)
        assert t.state()[0] in ("RUNNING", "RESTARTING"), f"the connector is {t.state()}"


@fault("F48", "PostgreSQL is shut down (fast) while the broker is down", catchup=60, short=True)
def shutdown_without_broker(t):
    """A server that waits for what cannot be acknowledged is not held up for ever."""
    t.kafka.kill()
    t.writer.more(50)
    t.writer.pause()
    start = time.monotonic()
    t.postgres.process.stop(2, 60)
    took = time.monotonic() - start
    t.postgres.start()
    t.kafka.start()
    t.writer.resume()
    assert took < 20, f"pg_ctl stop -m fast took {took:.0f} s"


@fault("F51", "a topic is deleted while it is written to", catchup=60, waive={
    name: "what the deleted topic held is gone with it" for name in ("I1", "I2", "I4", "I5", "I7", "I8")})
def topic_deleted(t):
    """It is made again and written to; the connector goes on, and says nothing that did not happen."""
    tool(t, "TopicCommand", "--delete", "--topic", f"{t.prefix}.public.acc")
    t.writer.more(100)


@fault("F51b", "there are no topics, and the broker makes none by itself until it is told to", own=("kafka",), start=False, catchup=90,
       kafka={"auto.create.topics.enable": "false"}, timeout=180)
def topic_missing(t):
    """What cannot be written is waited for and not acknowledged; once there are topics it goes on."""
    t.start(wait=False)
    t.eventually(lambda: t.postgres.slot(t.slot), 20, "the slot to be created")
    stands_still(t, 8)
    t.kafka.stop()
    t.kafka.configure({})
    t.kafka.start()


@fault("F51c", "writing to one topic is denied by an ACL in mid-run", own=("kafka",), expect=stops(r"public\.whole.*grant"), kafka={
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "allow.everyone.if.no.acl.found": "true"})
def topic_denied(t):
    """A refused record stops the connector; no later position is acknowledged."""
    topic = f"{t.prefix}.public.whole"
    tool(t, "AclCommand", "--add", "--allow-principal", "User:ANONYMOUS", "--operation", "Read", "--topic", topic)  # for the checker
    tool(t, "AclCommand", "--add", "--deny-principal", "User:ANONYMOUS", "--operation", "Write", "--topic", topic)


@fault("F52", "a record is larger than the topic's max.message.bytes", expect=stops(r"public\.acc.*max\.message\.bytes"), short=True,
       workload={"toast": False})
def record_too_large(t):
    """It stops with topic, size and limit; what stands before it in the log is there, what stands behind it is not acknowledged."""
    t.transaction("large", "insert into acc(id, ver, val, pad) select 900000001, 0, 0, string_agg(md5(i::text), '') "
                  "from generate_series(1, 160000) i", 1)


@fault("F52b", "records that are together, but not one by one, larger than the topic takes", workload={"toast": False}, catchup=60)
def batch_too_large(t):
    """A batch that is refused is sent again in smaller ones."""
    tool(t, "TopicCommand", "--create", "--topic", f"{t.prefix}.public.batchy", "--partitions", "1",
         "--replication-factor", "1", "--config", "max.message.bytes=60000")
    t.sql(f"create table batchy(id bigint primary key, ver int not null, val bigint, pad text); alter publication {t.publication} add table batchy;")
    insert_counted(t, "batchy", 400)


def insert_counted(t, table, n):
    """A transaction of n rows of 4 KB that `truth` tells of, as those of the writer."""
    first = t.random.randrange(1 << 40)
    t.transaction(f"row-{first}", f"insert into {table} select {first} + i, 0, i, string_agg(md5(i || '/' || k), '') "
                  f"from generate_series(1, {n}) i, generate_series(1, 128) k group by i", n)


@fault("F53", "the producer's queue is full for 10 s", worker={"producer.buffer.memory": "1048576"}, catchup=60,
       workload={"toast": False})
def queue_full(t):
    """Reading stops, the link is kept alive, memory stays flat, and the order is kept when it goes on."""
    t.pause(t.kafka)
    insert_bulk(t, 20000)
    stands_still(t, 9)


def insert_bulk(t, n):
    first = t.random.randrange(1 << 40)
    t.transaction(f"row-{first}", f"insert into bulk select {first} + i, 0, i from generate_series(1, {n}) i", n)


@fault("F54", "a topic gets more partitions while it is written to", catchup=60,
       waive={"I4": "a key's earlier records stay in the partition they were in", "I1": "the order between partitions is not kept"})
def more_partitions(t):
    """Nothing is lost; that a key may move to another partition is Kafka's rule, for every producer."""
    tool(t, "TopicCommand", "--alter", "--topic", f"{t.prefix}.public.acc", "--partitions", "3")
    t.writer.more(200)


@fault("F55", "a table without a key, whose topic is compacted", expect=stops(r"public\.nokey.*compact"), start=False)
def compacted_without_key(t):
    """Kafka refuses records without a key there: the connector stops and names the topic and its cleanup.policy."""
    tool(t, "TopicCommand", "--create", "--topic", f"{t.prefix}.public.nokey", "--partitions", "1", "--replication-factor", "1",
         "--config", "cleanup.policy=compact")
    t.start(wait=False)


def wake_beside_another(t):
    """The engine is stopped, another one takes over, the first one goes on. Returns the other one."""
    t.pause(t.engine)
    t.eventually(lambda: not t.postgres.streaming(t.slot), 20, "the server to end the first engine's walsender")
    second = t.another()
    second.start()
    t.writer.resume()
    second.wait_streaming(t.spec, t.postgres, 30)
    t.writer.more(100)
    t.resume(t.engine)
    t.writer.more(100)
    assert second.status(t.spec["name"])[0] == "RUNNING", "the second engine lost its place"
    assert t.postgres.streaming(t.slot)
    return second


@fault("F56", "a zombie: the engine is stopped (SIGSTOP), a second one takes over, the first one goes on", catchup=60)
def zombie(t):
    """The slot has one reader: the one that wakes up does not get it back while the other one lives. What it had in hand for Kafka
    when it was stopped would still be written: it has nothing here, see F56b."""
    t.writer.pause()
    t.acknowledged()
    t.at_heal(wake_beside_another(t).sigterm)


@fault("F56b", "the same zombie under load, with exactly once", catchup=60, worker={"exactly.once.source.support": "enabled"},
       settings={"exactly.once.support": "required", "producer.override.transaction.timeout.ms": "5000"})
def zombie_once(t):
    """It is fenced off: what it had in hand is seen by nobody who reads committed records."""
    first, t.engine = t.engine, wake_beside_another(t)
    first.sigterm()


def mock(case):
    """Cases of a unit test that has its own broker; returns how many checks passed."""
    program = os.path.join(BUILD, "tests", "publishers", "test_kafka_faults")
    if not os.path.exists(program):
        done = subprocess.run(["ninja", "-C", BUILD, "tests/publishers/test_kafka_faults"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-1500:]
    done = subprocess.run([program], capture_output=True, text=True, timeout=100, env={**os.environ, "CK_RUN_CASE": case})
    checks = re.search(r"Checks: (\d+)", done.stdout)
    assert done.returncode == 0 and checks and int(checks[1]), done.stdout[-1500:] + done.stderr[-500:]
    return int(checks[1])


@fault("F49", "passing errors of the broker at the n-th request", plain=True,
       held_by="tests/publishers/test_kafka_faults.c")
def passing_errors(t):
    """NOT_LEADER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS and their like change neither order nor number."""
    return mock("passing")


@fault("F50", "errors after which an idempotent producer cannot go on", plain=True,
       held_by="tests/publishers/test_kafka_faults.c")
def fatal_errors(t):
    """OUT_OF_ORDER_SEQUENCE, UNKNOWN_PRODUCER_ID, INVALID_PRODUCER_EPOCH: nothing after them counts as delivered."""
    return mock("fatal")


@fault("F57", "the answer is lost after the broker has taken the records", proxies=("kafka",), short=True, most_duplicates=0)
def answer_lost(t):
    """They are sent again under the same numbers, and are there once."""
    proxy = t.proxy("kafka")
    for _ in range(3):
        t.writer.more(20)
        proxy.swallow(DOWN)
        t.writer.more(20)
        lost = proxy.swallowed
        proxy.heal()
        proxy.cut(reset=True)
        assert lost, "no answer was lost"
