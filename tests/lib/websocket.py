"""A small WebSocket client (RFC 6455) for tests: it shows what came over the wire and hides nothing."""
import base64, json, os, socket, struct, time, urllib.parse


class Closed(Exception):
    """The other side closed: `code` and `reason` as it gave them (1006 when it just went away)."""

    def __init__(self, code, reason=""):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Refused(Exception):
    """The upgrade was answered with another HTTP status."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body[:200]}")
        self.status, self.body = status, body


class WebSocket:
    def __init__(self, url, protocols=("walwire.v1",), headers=None, timeout=10):
        at = urllib.parse.urlsplit(url)
        self.sock = socket.create_connection((at.hostname, at.port), timeout)
        self.buf, self.lines, self.parts = b"", [], []
        lines = [f"GET {at.path or '/'}{'?' + at.query if at.query else ''} HTTP/1.1", f"Host: {at.hostname}:{at.port}",
                 "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode()]
        if protocols:
            lines.append("Sec-WebSocket-Protocol: " + ", ".join(protocols))
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buf:
            self._more(time.monotonic() + timeout)
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        status, *fields = head.decode("latin-1").split("\r\n")
        self.headers = {k.lower(): v.strip() for k, v in (f.split(":", 1) for f in fields)}
        if status.split()[1] != "101":
            raise Refused(int(status.split()[1]), self.buf.decode(errors="replace"))
        self.protocol = self.headers.get("sec-websocket-protocol")

    def _more(self, deadline):
        self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
        got = self.sock.recv(1 << 16)
        if not got:
            raise Closed(1006)
        self.buf += got

    def _take(self, n, deadline):
        while len(self.buf) < n:
            self._more(deadline)
        got, self.buf = self.buf[:n], self.buf[n:]
        return got

    def _frame(self, deadline):
        while len(self.buf) < 2:
            self._more(deadline)
        size, start = self.buf[1] & 127, 2
        if size > 125:
            start = 4 if size == 126 else 10
            while len(self.buf) < start:
                self._more(deadline)
            size = struct.unpack(">H" if start == 4 else ">Q", self.buf[2:start])[0]
        while len(self.buf) < start + size:  # nothing is taken before all is there: a timeout loses no byte
            self._more(deadline)
        frame = self._take(start + size, deadline)
        return frame[0], frame[start:]

    def send_frame(self, opcode, data, fin=True):
        mask, n = os.urandom(4), len(data)
        size = bytes([128 | n]) if n < 126 else struct.pack(">BH", 254, n) if n < 65536 else struct.pack(">BQ", 255, n)
        key = (mask * (n // 4 + 1))[:n]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(n, "big") if n else b""
        self.sock.settimeout(10)
        self.sock.sendall(bytes([(128 if fin else 0) | opcode]) + size + mask + masked)

    def send(self, message):
        """A dict as JSON, a str as it is, bytes as a binary frame."""
        if isinstance(message, bytes):
            return self.send_frame(2, message)
        return self.send_frame(1, (message if isinstance(message, str) else json.dumps(message)).encode())

    def text(self, timeout=10):
        """The next whole text message; answers pings on the way. Raises Closed, or TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            first, data = self._frame(deadline)
            opcode = first & 15
            if opcode == 8:
                code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                raise Closed(code, data[2:].decode(errors="replace"))
            if opcode == 9:
                self.send_frame(10, data)
            elif opcode in (0, 1, 2):
                self.parts.append(data)
                if first & 128:
                    whole, self.parts = b"".join(self.parts), []
                    return whole.decode()

    def recv(self, timeout=10):
        """The next JSON message; a frame may hold several, one a line."""
        while not self.lines:
            self.lines = [line for line in self.text(timeout).split("\n") if line]
        line = self.lines.pop(0)
        try:
            return json.loads(line)
        except ValueError as e:
            raise ValueError(f"{e}: {line[:3000]}") from e

    def recv_type(self, kind, timeout=10):
        """The next message of one type (or of several, in a tuple); others are skipped."""
        deadline = time.monotonic() + timeout
        while True:
            got = self.recv(max(deadline - time.monotonic(), 0.001))
            if got.get("type") in ((kind,) if isinstance(kind, str) else kind):
                return got

    def close(self, code=1000):
        try:
            self.send_frame(8, struct.pack(">H", code))
        except OSError:
            pass
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
