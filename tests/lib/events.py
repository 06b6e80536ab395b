"""Server-sent events as a client of /v1/stream reads them, and /v1/snapshot."""
import http.client, json, urllib.parse

from process import wait_until


class Events:
    """An open stream. `last_id` is what the client would come back with; `retry` is in milliseconds."""

    def __init__(self, engine, last_id="", headers=None, timeout=20, **query):
        self.connection = http.client.HTTPConnection("127.0.0.1", engine.ws_port, timeout=timeout)
        self.connection.request("GET", "/v1/stream?" + encoded(query), headers={**({"Last-Event-ID": last_id} if last_id else {}), **(headers or {})})
        self.reply = self.connection.getresponse()
        self.status, self.last_id, self.retry = self.reply.status, last_id, None

    def event(self):
        """The next one: its message; None at the end of the stream."""
        kind, data = "", []
        while (line := self.reply.readline()):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name.rstrip(":") == "id":
                self.last_id = value
            elif name == "retry":
                self.retry = int(value)
            elif not name and data:
                message = json.loads("\n".join(data))
                assert message["type"] == kind, f"{kind}: {message}"
                return message
        return None

    def until(self, *kinds):
        """The next event of these; others are passed over."""
        while (message := self.event()) is not None:
            if message["type"] in kinds:
                return message
        raise AssertionError(f"the stream ended before {kinds}")

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def encoded(query):
    plain = {k.rstrip("_"): v if isinstance(v, str) else json.dumps(v) for k, v in query.items()}
    return urllib.parse.urlencode(plain, quote_via=urllib.parse.quote)


def snapshot(engine, headers=None, **query):
    """Status, headers, and the rows, or what refused them. http.client fails where the body is broken off."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.ws_port, timeout=30)
    connection.request("GET", "/v1/snapshot?" + encoded(query), headers=headers or {})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    lines = [json.loads(line) for line in text.splitlines()]
    return reply.status, reply.headers, lines if reply.status == 200 else lines[0]


def rows_and_place(engine, **query):
    """The rows, and where a stream goes on from them; asks again when the table had no clear position."""
    def read():
        status, headers, rows = snapshot(engine, **query)
        return (rows, f"{headers['Walwire-Epoch']}/{headers['Walwire-Position']}") if status == 200 else None
    return wait_until(read, 20, "rows with a position")
