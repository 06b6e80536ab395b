"""Sends the contract's requests to a server with Kafka Connect's REST interface, and reduces its answers to what must be alike."""
import http.client, json, os, re, sys, time, urllib.parse, uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from steps import steps

GOLDEN = os.path.join(HERE, "golden.json")
CONNECTOR = "contract"  # what the names of all connectors begin with


def base_config(host, port, user, db):
    return {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1", "database.hostname": host,
            "database.port": str(port), "database.user": user, "database.password": "none", "database.dbname": db,
            "plugin.name": "pgoutput", "publication.autocreate.mode": "filtered", "table.include.list": "public.t"}


TABLES = "create table t (id int primary key, v text); create table u (id int primary key); insert into t values (1, 'a')"


UP = ("RUNNING", ["RUNNING"])


class Client:
    def __init__(self, base):
        self.address = urllib.parse.urlparse(base).netloc
        self.run_name = f"r{uuid.uuid4().hex[:10]}"  # RUN in a step's path

    def send(self, method, path, body=None, type="application/json", accept=None):
        """Status, content type (None: none), Location's path, body as text."""
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        headers = {"Accept": accept} if accept else {}
        if type and text is not None:
            headers["Content-Type"] = type
        connection = http.client.HTTPConnection(self.address, timeout=90)
        connection.request(method, path.replace("RUN", self.run_name), None if text is None else text.encode(), headers)
        reply = connection.getresponse()
        kind, location = reply.getheader("Content-Type"), reply.getheader("Location")
        answer = (reply.status, kind and kind.split(";")[0].lower(), location and urllib.parse.urlparse(location).path,
                  reply.read().decode().replace(self.run_name, "RUN"))
        connection.close()
        return answer

    def wait(self, path, wanted, timeout=30):
        """Until the status of the connector in `path` is (state, tasks' states); None: until there is none."""
        status, until = "/".join(path.split("?")[0].split("/")[:3]) + "/status", time.monotonic() + timeout
        while True:
            code, _, _, text = self.send("GET", status)
            got = None if code == 404 else json.loads(text)
            now = got and (got["connector"]["state"], [t["state"] for t in got["tasks"]])
            if now == (wanted and tuple(wanted)) and (now != UP or self.has_position(status.removesuffix("status") + "offsets")):
                return
            if time.monotonic() > until:
                raise AssertionError(f"{status} is {now}, not {wanted}: {text[:500]}")
            time.sleep(0.1)

    def has_position(self, path):
        """A running connector is past its snapshot once that is stored."""
        code, _, _, text = self.send("GET", path)
        stored = json.loads(text)["offsets"] if code == 200 else []
        return bool(stored) and all(o["offset"].get("snapshot_completed", True) for o in stored)

    def run(self, base):
        """All steps in order: pairs of a step and its reduced answer."""
        for step in steps(base):
            late = {}
            if step["wait"] is not False:
                try:
                    self.wait(step["path"], step["wait"])
                except AssertionError as e:
                    late = {"waited": str(e)}
            yield step, {**reduce(step, *self.send(step["method"], step["path"], step["body"], step["type"], step["accept"])), **late}


# ---- reducing ----

MASKS = {"worker_id": "<worker>", "version": "<version>", "commit": "<commit>", "kafka_cluster_id": "<cluster>", "trace": "<trace>",
         "database.password": "<secret>", "database.hostname": "<host>", "database.port": "<port>", "database.user": "<user>",
         "database.dbname": "<database>"}

def mask(value, key=None):
    """Without what is different on every server or every run."""
    if key in MASKS and not isinstance(value, (dict, list)) and value is not None:
        return MASKS[key]
    if key == "last_modified" and value is not None:
        return "<time>"
    if isinstance(value, dict):
        return {k: mask(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [mask(v) for v in value]
    return value


def only_ours(value):
    """Connectors of this run alone, for others may be there: of a list of names, or an object of them."""
    if isinstance(value, list):
        return sorted(n for n in value if n.startswith(CONNECTOR))
    return {n: v for n, v in value.items() if n.startswith(CONNECTOR)}


def message(text):
    """An error's lines in order, each once, for Debezium repeats some; without what names plugins and versions."""
    text = text.removeprefix("org.apache.kafka.connect.errors.ConnectException: ")
    text = re.sub(r"PluginDesc\{.*\}", "<plugins>", text)
    text = re.sub(r"contains the following \d+ error", "contains the following error", text)
    text = re.sub(r"Connector config \{(.*)\} contains", lambda m: "Connector config {" + ", ".join(sorted(re.sub(
        r"(database\.(?:password|hostname|port|user|dbname))=[^,}]*", r"\1=*", m.group(1)).split(", "))) + "} contains", text)
    text = "\n".join(patterns(line) for line in text.split("\n"))
    head, *lines = text.split("\n")
    return "\n".join([head, *sorted(set(lines))])


def patterns(error):
    """Java and PCRE explain a broken regular expression in words of their own, and the choices of an option are not all walwire's."""
    error = re.sub(r"((?:Value|String) must be one of(?: \(case insensitive\):)?) .*", r"\1 ...", error)
    return re.sub(r"(A comma-separated list of valid regular expressions is expected, but) .*", r"\1 ...", error, flags=re.S)


def definition(d):
    return [d["type"], d["required"], d["importance"], d["group"], d["order_in_group"], d["width"], d["display_name"], d["dependents"],
            d["default_value"]]


def errors(texts):
    return sorted({patterns(t) for t in texts})


def validation(body, brief):
    """By option; brief: only those with errors."""
    told = {c["value"]["name"]: c for c in body["configs"]}
    wrong = {n: errors(c["value"]["errors"]) for n, c in told.items() if c["value"]["errors"]}
    out = {"name": body["name"], "valid": not body["error_count"], "errors": wrong}
    if brief:
        return out
    values = {n: [mask(c["value"]["value"], n), c["value"]["visible"], c["value"]["recommended_values"]] for n, c in told.items()}
    return {**out, "groups": body["groups"], "definitions": {n: definition(c["definition"]) for n, c in told.items()}, "values": values}


def position(offset):
    """Where a run has got to differs, and how it is told; what a test has put there does not."""
    if isinstance(offset.get("lsn"), int) and offset["lsn"] > 10**6:
        return {"lsn": "<n>"}
    return offset


def reduce(step, status, kind, location, text):
    out = {"request": f"{step['method']} {step['path']}", "status": status, "type": kind}
    if step["body"] is not None:
        out["request"] += " " + (step["body"] if isinstance(step["body"], str) else json.dumps(mask(step["body"])))[:300]
    if location:
        out["location"] = location
    if not text or kind == "text/html":
        return out
    if kind == "text/plain":
        return {**out, "body": sorted(text.split(", "))}
    try:
        body = json.loads(text)
    except ValueError:
        return {**out, "body": text}
    return {**out, "body": reduced_body(step, status, body)}


def reduced_body(step, status, body):
    path = step["path"].split("?")[0].rstrip("/")
    if status >= 400:
        return {"error_code": body["error_code"], "message": message(body["message"])}
    if path == "/connectors" and step["method"] == "GET":
        body = only_ours(body)
        if "status" in step["mask"]:
            body = {n: sorted(v) for n, v in body.items()}
    elif path.endswith("/validate"):
        return validation(body, step["brief"])
    elif path.startswith("/connector-plugins/") and path.endswith("/config"):
        return sorted(d["name"] for d in body) if "definitions" in step["mask"] else {d["name"]: definition(d) for d in body}
    elif path == "/connector-plugins":
        body = [p for p in body if p["type"] == "source"] if "connectorsOnly" in step["path"] else body
    elif path.endswith("/offsets") and "offsets" in body:
        body = {"offsets": sorted(({"partition": o["partition"], "offset": position(o["offset"])} for o in body["offsets"]), key=json.dumps)}
    elif "topics" in step["mask"]:
        return sorted(body)
    elif "loggers" in step["mask"]:
        return type(body).__name__
    return mask(body)
