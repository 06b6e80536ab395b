"""What Kafka holds after a case, in a form in which two right answers are equal; and golden files of it."""
import hashlib, json, re

TIMES = {"ts_ms", "ts_us", "ts_ns"}
POSITION = TIMES | {"lsn", "txId", "xmin", "sequence"}
# Debezium prints a Java object here, with its identity hash; walwire says "message".
JAVA_OBJECT = re.compile(r"io\.debezium\.[\w.]*LogicalDecodingMessageMonitor\$LogicalDecodingMessageId@[0-9a-f]+")
LONG_TEXT, LONG_LIST, LONG_TOPIC, ENDS = 2000, 500, 1000, 5  # characters, items, records; and records kept at either end


class Number(str):
    """The text of a JSON number with a fraction or an exponent: 1.0E10 and 1e10 are equal, but not the same."""


def parse_json(text):
    return json.loads(text, parse_float=Number)


class Masker:
    """`words` are pairs of a name that one run gave and the word that stands for it. `live`: both sides follow one database,
    so that positions, transaction ids and commit times of streamed changes must be equal."""

    def __init__(self, words, live):
        self.words, self.live = words, live

    def rename(self, text):
        text = JAVA_OBJECT.sub("message", text)
        for own, word in self.words:
            text = text.replace(own, word)
        return text

    def parse(self, text):
        if text is None:
            return None
        try:
            return self.mask(parse_json(text))
        except ValueError:
            return self.rename(text)

    def record(self, message):
        headers = sorted([k, "RUN" if k == "__debezium.context.runId" else self.parse(v)] for k, v in message["headers"])
        return {"key": self.parse(message["key"]), "value": self.parse(message["value"]), "headers": headers}

    def mask(self, value):
        if isinstance(value, dict):
            return {k: self.mask(v) for k, v in self.mask_object(value).items()}
        if isinstance(value, list):
            return [self.mask(v) for v in value]
        return self.rename(value) if isinstance(value, str) and not isinstance(value, Number) else value

    def mask_object(self, value):
        """One JSON object, its members masked by what kind of object it is."""
        keys = set(value)
        if {"connector", "ts_ms", "snapshot"} <= keys:  # a source block
            value = dict(value, version="VERSION")
            # Each side's slot has an xmin of its own.
            hidden, word = ({"xmin"} if self.live and value["snapshot"] in ("false", None) else POSITION), "POSITION"
        elif {"aggregate_type", "id", "type"} <= keys or keys == {"id"} and re.fullmatch(r"[0-9a-f-]{36}", str(value["id"])):  # notification
            return {k: "NOTE" if k in ("id", "timestamp") else v for k, v in value.items()}
        elif keys == {"id"} and re.fullmatch(r"\d+:\d+", str(value["id"])):  # a transaction record's key
            return value if self.live else {"id": "TRANSACTION"}
        elif keys == {"id", "total_order", "data_collection_order"} or {"status", "id", "event_count"} <= keys:  # transaction
            masked = {k: "TIME" if k in TIMES else "TRANSACTION" if k == "id" and not self.live else v for k, v in value.items()}
            if masked.get("data_collections"):  # a Java object's place in a HashMap is by chance
                masked["data_collections"] = sorted(masked["data_collections"], key=lambda c: self.rename(c["data_collection"]) == "message")
            return masked
        elif TIMES & keys and ({"op", "source"} & keys or {"status", "id"} <= keys or keys <= TIMES):  # envelope
            return {k: "TIME" if k in TIMES and isinstance(v, int) else v for k, v in value.items()}
        else:
            return value
        return {k: word if k in hidden and v is not None else v for k, v in value.items()}


def differences(want, got, path="$"):
    """One line for each place where the two differ, members' order included where a reader could see it."""
    if type(want) is not type(got):
        yield f"{path}: want {short(want)} got {short(got)}"
    elif isinstance(want, dict):
        for k in [*want, *(k for k in got if k not in want)]:
            if k not in got:
                yield f"{path}.{k}: missing (want {short(want[k])})"
            elif k not in want:
                yield f"{path}.{k}: unexpected {short(got[k])}"
            else:
                yield from differences(want[k], got[k], f"{path}.{k}")
        if list(want) != list(got) and set(want) == set(got) and path.endswith(
                ("payload", "value", "key", "before", "after", "source", "transaction")):
            yield f"{path}: field order {list(got)} want {list(want)}"
    elif isinstance(want, list):
        if len(want) != len(got):
            yield f"{path}: {len(got)} entries, want {len(want)}"
        for i, (a, b) in enumerate(zip(want, got)):
            yield from differences(a, b, f"{path}[{i}]")
    elif want != got:
        yield f"{path}: want {short(want)} got {short(got)}"


def short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 160 else text[:157] + "..."


# ---- golden files: {"schemas": [...], "topics": {topic: [record, ...]}}; a record's schema is a number in that list ----

def digest(text):
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def abridge(value):
    """Long texts and lists by their length and digest, so that a golden file can be read, and kept."""
    if isinstance(value, dict):
        return {k: abridge(v) for k, v in value.items()}
    if isinstance(value, list):
        if len(value) > LONG_LIST:
            return [abridge(value[0]), f"{len(value)} items, {digest(json.dumps(value))}"]
        return [abridge(v) for v in value]
    if isinstance(value, str) and len(value) > LONG_TEXT:
        return f"{value[:40]}... {len(value)} characters, {digest(value)}"
    return value


def abridge_topics(topics):
    """As abridge; and of a topic with very many records the first, the last, and a digest of all."""
    out = {}
    for name, records in topics.items():
        if len(records) > LONG_TOPIC:
            whole = {"records": len(records), "digest": digest(json.dumps(records))}
            records = [*records[:ENDS], whole, *records[-ENDS:]]
        out[name] = [abridge(r) for r in records]
    return out


def count(topics):
    """How many records an abridged form stands for."""
    return sum(sum(r["records"] - 2 * ENDS if "records" in r else 1 for r in records) for records in topics.values())


NUMBER = "\ue000"  # marks the text of a number until it is written, without quotes


def write_golden(path, topics):
    schemas = {}

    def fold(value):
        if isinstance(value, Number):
            return NUMBER + value
        if isinstance(value, list):
            return [fold(v) for v in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"schema", "payload"} and isinstance(value["schema"], dict):
            number = schemas.setdefault(line(fold(value["schema"])), len(schemas))
            return {"schema": number, "payload": fold(value["payload"])}
        return {k: fold(v) for k, v in value.items()}

    lines = [f"{line(name)}: [\n" + ",\n".join(line(fold(r)) for r in records) + "\n]" for name, records in topics.items()]
    with open(path, "w") as f:
        f.write('{"schemas": [\n' + ",\n".join(schemas) + '\n],\n"topics": {\n' + ",\n".join(lines) + "\n}}\n")


def line(value):
    text = re.sub(f'"{NUMBER}([^"]*)"', r"\1", json.dumps(value, ensure_ascii=False))
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):x}", text)  # of a pair that was cut: UTF-8 has no form for it


def read_golden(path):
    with open(path) as f:
        golden = parse_json(f.read())
    schemas = golden["schemas"]

    def unfold(value):
        if isinstance(value, list):
            return [unfold(v) for v in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"schema", "payload"} and isinstance(value["schema"], int):
            return {"schema": schemas[value["schema"]], "payload": unfold(value["payload"])}
        return {k: unfold(v) for k, v in value.items()}

    return {name: [unfold(r) for r in records] for name, records in golden["topics"].items()}
