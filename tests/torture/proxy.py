"""A TCP proxy that breaks connections in every way a network does, at a byte that the caller chooses.

One thread a proxy. It forwards to 127.0.0.1:target until told otherwise; heal() takes every fault back. For Kafka the shared
broker has a second listener whose advertised address is this proxy's.
"""
import ctypes, selectors, socket, struct, threading, time

UP, DOWN = "up", "down"  # from walwire to the server, and back
CHUNK = 1 << 16
ATTACH_FILTER, DETACH_FILTER = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER
DROP = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # a program of one instruction: return 0, keep nothing


class Way:
    """One direction of a connection: what was read and not yet written."""

    def __init__(self, link, source, sink, name):
        self.link, self.source, self.sink, self.name = link, source, sink, name
        self.held, self.ended, self.shut, self.passed, self.due = bytearray(), False, False, 0, 0.0


class Link:
    """A connection of walwire's and the one to the server that belongs to it."""

    def __init__(self, client, server):
        self.client, self.server, self.born = client, server, time.monotonic()
        self.ways = {UP: Way(self, client, server, UP), DOWN: Way(self, server, client, DOWN)}
        self.replication, self.kept = False, bytearray()  # whether START_REPLICATION was seen; what the server sent


class Proxy:
    def __init__(self, target, port=0, host="127.0.0.1"):
        self.host, self.target, self.links, self.accepted, self.lock = host, target, [], 0, threading.RLock()
        self.listener, self.deaf = None, []
        self.port = port
        self._reset()
        self._listen()
        self.wake_read, self.wake_write = socket.socketpair()
        self.wake_read.setblocking(False)
        self.closed = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    # faults

    def cut_after(self, n, direction=DOWN, reset=False, replication=False, times=1):
        """The next n bytes of a connection are forwarded, then it is closed (or reset). With `replication` only those after
        START_REPLICATION count: n=0 cuts before CopyBothResponse, so every byte of the stream can be the last."""
        with self.lock:
            self.cuts_done, self.cuts = 0, {"n": n, "direction": direction, "reset": reset, "replication": replication, "times": times}
            for link in self.links:
                link.ways[direction].passed = 0
        self._wake()

    def cut(self, reset=False):
        """Every connection is closed now, or reset."""
        with self.lock:
            for link in list(self.links):
                self._drop(link, reset)
        self._wake()

    def delay(self, seconds):
        """What is read is forwarded so much later."""
        self._set(delayed=seconds)

    def blackhole(self, deaf=False):
        """Connections stay open and are accepted, and nothing goes through. With `deaf` no packet of walwire's is acknowledged either,
        and no new connection is accepted: a filter drops what arrives before the kernel looks at it."""
        with self.lock:
            for sock in [self.listener, *(link.client for link in self.links)] if deaf else ():
                sock.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(DROP)))
                self.deaf.append(sock)
        self._set(black=True)

    def trickle(self, bytes_per_second=1):
        self._set(rate=bytes_per_second)

    def swallow(self, direction=DOWN, replication=False):
        """What comes from there is read and never forwarded: a request arrives, its answer is lost. To be followed by cut(). With
        `replication` only where START_REPLICATION was seen."""
        self._set(swallows=direction, swallows_all=not replication, swallowed=0)

    def refuse(self):
        """Connections are cut and new ones refused."""
        with self.lock:
            self._unlisten()
        self.cut()

    def move(self, port):
        """Listens on another port."""
        with self.lock:
            self._unlisten()
            self.port = port
            self._listen()
        self._wake()

    def half_close(self, direction=DOWN):
        """The end of the stream in one direction, while the other goes on."""
        with self.lock:
            for link in list(self.links):
                link.ways[direction].ended = True
                link.ways[direction].held.clear()
                self._shut(link.ways[direction])
        self._wake()

    def replay(self):
        """New connections are answered with what the server said in the last replication connection, byte for byte, and
        reach no server."""
        with self.lock:
            old = [link for link in self.links if link.replication]
            assert old, "no replication connection came this way"
            self.replayed = bytes(old[-1].kept)
        self.cut()

    def heal(self):
        with self.lock:
            self._reset()
            for sock in self.deaf:
                if sock.fileno() >= 0:
                    sock.setsockopt(socket.SOL_SOCKET, DETACH_FILTER, 0)
            self.deaf.clear()
            if not self.listener and not self.closed:
                self._listen()
        self._wake()

    @property
    def cut_times(self):
        """How often cut_after has cut."""
        return self.cuts_done

    def close(self):
        self.closed = True
        self._wake()
        self.thread.join(5)

    # the machinery

    def _reset(self):
        self.cuts, self.delayed, self.black, self.rate, self.replayed, self.cuts_done = None, 0.0, False, 0, None, 0
        self.swallows, self.swallows_all, self.swallowed = None, True, 0

    def _set(self, **fault):
        with self.lock:
            self.__dict__.update(fault)
        self._wake()

    def _wake(self):
        try:
            self.wake_write.send(b".")
        except OSError:
            pass

    def _listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.host, self.port))
        self.listener.listen(64)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]

    def _unlisten(self):
        if self.listener:
            self.listener.close()
            self.listener = None

    def _run(self):
        while not self.closed:
            with self.lock:
                selector, pause = self._interests()
            for key, _ in selector.select(pause):
                with self.lock:
                    self._serve(key.fileobj)
            selector.close()
            with self.lock:
                self._flush()
        with self.lock:
            self._unlisten()
            for link in list(self.links):
                self._drop(link)

    def _interests(self):
        """What to wait for: sockets that may be read, those that have room when something is held, and the next due time."""
        wanted = {self.wake_read: selectors.EVENT_READ}
        if self.listener:
            wanted[self.listener] = selectors.EVENT_READ
        for link in self.links:
            for way in link.ways.values():
                if not way.ended and len(way.held) < 4 * CHUNK and not self.black:
                    wanted[way.source] = wanted.get(way.source, 0) | selectors.EVENT_READ
                if way.held and way.sink and not (self.black or self.rate or self.delayed):
                    wanted[way.sink] = wanted.get(way.sink, 0) | selectors.EVENT_WRITE
        selector = selectors.DefaultSelector()
        for sock, events in wanted.items():
            selector.register(sock, events)
        busy = (self.rate or self.delayed) and any(way.held for link in self.links for way in link.ways.values())
        return selector, 0.02 if busy else 1

    def _serve(self, sock):
        if sock is self.wake_read:
            sock.recv(4096)
        elif sock is self.listener:
            self._accept()
        else:
            for link in list(self.links):
                for way in link.ways.values():
                    if way.source is sock and not way.ended:
                        self._read(way)

    def _accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        self.accepted += 1
        if self.replayed is not None:
            return self._replay_to(client)
        server = socket.socket()
        try:
            server.connect(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return None
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.links.append(Link(client, server))
        return None

    def _replay_to(self, client):
        try:
            client.settimeout(1)
            client.sendall(self.replayed)
        except OSError:
            pass
        client.close()

    def _read(self, way):
        if self.black or len(way.held) >= 4 * CHUNK:
            return
        try:
            data = way.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._drop(way.link, True)
            return
        if not data:
            way.ended = True
        elif way.name == UP and b"START_REPLICATION" in data:
            way.link.replication, way.link.ways[DOWN].passed = True, 0
        elif way.name == DOWN and len(way.link.kept) < CHUNK:
            way.link.kept += data
        if self.swallows == way.name and (self.swallows_all or way.link.replication):
            self.swallowed += len(data)
            return
        way.due = time.monotonic() + self.delayed
        way.held += data

    def _flush(self):
        now = time.monotonic()
        for link in list(self.links):
            for way in list(link.ways.values()):
                if link in self.links and not self.black and way.held and way.due <= now:
                    self._write(way, now)
                if link in self.links and way.ended and not way.held and not self.black:
                    self._shut(way)
            if link in self.links and all(way.shut for way in link.ways.values()):
                self._drop(link)

    def _write(self, way, now):
        allowed, cut = len(way.held), self._cut_at(way)
        if self.rate:
            allowed = min(allowed, int((now - max(way.due, way.link.born)) * self.rate) + 1)
            way.due = now + 1 / self.rate
        if cut is not None:
            allowed = min(allowed, cut)
        try:
            sent = way.sink.send(way.held[:allowed]) if allowed else 0
        except BlockingIOError:
            return
        except OSError:
            return self._drop(way.link, True)
        del way.held[:sent]
        way.passed += sent
        if cut is not None and sent == cut:
            self._cut_now(way)

    def _cut_at(self, way):
        """How many more bytes may pass before the cut that is due on this way, None for any number."""
        cuts = self.cuts
        if not cuts or way.name != cuts["direction"] or cuts["replication"] and not way.link.replication:
            return None
        return max(cuts["n"] - way.passed, 0)

    def _cut_now(self, way):
        self.cuts_done += 1
        reset = self.cuts["reset"]
        if self.cuts_done >= self.cuts["times"]:
            self.cuts = None
        self._drop(way.link, reset)

    def _shut(self, way):
        if not way.shut:
            way.shut = True
            try:
                way.sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def _drop(self, link, reset=False):
        if link not in self.links:
            return
        self.links.remove(link)
        for sock in (link.client, link.server):
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
