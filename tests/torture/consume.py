"""All topics of a connector, read with one kcat a topic and a few at a time."""
import concurrent.futures, json, subprocess


def topics(kafka, prefix):
    """Topic name to its records (as Kafka.consume gives them) in partition and offset order."""
    ends = kafka.all_ends(lambda name: name.startswith(prefix + "."))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return dict(zip(ends, pool.map(lambda name: read(kafka, name) if ends[name] else [], ends)))


def read(kafka, topic):
    argv = ["kcat", "-b", kafka.bootstrap, "-C", "-e", "-q", "-u", "-J", "-t", topic, "-X", "fetch.wait.max.ms=20",
            "-X", "isolation.level=read_committed"]
    done = subprocess.run(argv, capture_output=True, text=True, errors="surrogateescape", timeout=60)
    if done.returncode:
        raise RuntimeError(f"kcat: {done.stderr.strip()[-400:]}")
    return sorted(map(record, done.stdout.splitlines()), key=lambda r: (r["partition"], r["offset"]))


def record(line):
    m = json.loads(line)
    pairs = m.get("headers") or []
    return {"key": m.get("key"), "value": m.get("payload"), "headers": list(zip(pairs[::2], pairs[1::2])),
            "partition": m["partition"], "offset": m["offset"], "ts": m.get("ts")}
