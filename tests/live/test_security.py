"""Who may reach the process and what they can make it do: logins, names, TLS, requests that two readers would read differently,
settings that would load code or read files; and how the program itself was built and can be confined."""
import base64, configparser, os, re, shutil, signal, socket, ssl, subprocess, time, urllib.error, urllib.request

from process import ROOT, Process, Skip, at_exit, free_port, temp_dir, wait_until
from walwire import BINARY, Walwire

CLASS = "io.debezium.connector.postgresql.PostgresConnector"
PASSWORD = "Nelke-0815-quux"


def worker(ctx, start=True, env=None, **settings):
    engine = Walwire((), None, start=False, env=env, **settings)
    ctx.engines.append(engine)
    if start:
        engine.start()
    return engine


def refused(ctx, *phrases, **settings):
    """The process does not start, and says why in one line."""
    engine = worker(ctx, start=False, **settings)
    done = subprocess.run([BINARY, "serve", *engine.files], capture_output=True, text=True, timeout=30, cwd=engine.dir)
    assert done.returncode != 0, done.stderr
    for phrase in phrases:
        assert phrase in done.stderr.strip().splitlines()[-1], done.stderr
    return done.stderr


def raw(port, request, context=None):
    """What comes back for these bytes, until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        s = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        s.sendall(request.encode())
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except (TimeoutError, ConnectionResetError):
            pass
    return got.decode(errors="replace")


def get(port, host, path="/connectors", more=""):
    return raw(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")


def users_file(mode=0o600):
    path = os.path.join(temp_dir("users"), "users")
    done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True)
    with open(path, "w") as f:
        f.write(f"ann:{done.stdout.strip()}\n")
    os.chmod(path, mode)
    return path


def certificate(kind=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
    """A self-signed one for localhost: the PEM that the server is given, and the authority that clients trust."""
    folder = temp_dir("tls")
    key, cert, both = (os.path.join(folder, n) for n in ("key", "cert", "both"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    with open(both, "w") as out:
        out.write(open(key).read() + open(cert).read())
    return both, cert


def test_rest_asks_for_a_login(ctx):
    engine = worker(ctx, start=False, walwire__rest__users__file=users_file())
    engine._answers = lambda: engine.rest("GET", "/health")[0] == 401
    engine.start()
    for path in ("/connectors", "/metrics", "/admin/loggers", "/"):
        assert engine.rest("GET", path)[0] == 401, path
    assert engine.rest("POST", "/connectors", {"name": "a", "config": {}}) == (
        401, {"error_code": 401, "message": "User cannot access the resource."})

    def ask(password):
        token = base64.b64encode(f"ann:{password}".encode()).decode()
        return get(engine.port, "localhost", more=f"Authorization: Basic {token}\r\n")
    assert ask(PASSWORD).startswith("HTTP/1.1 200") and ask(PASSWORD + "x").startswith("HTTP/1.1 401")
    assert ask(PASSWORD).endswith("[]") and PASSWORD not in engine.log()
    assert "chmod o-r" not in engine.log()


def test_what_is_open_is_said(ctx):
    refused(ctx, "websocket.listeners", "websocket.auth.anonymous=true", websocket__listeners="http://0.0.0.0:0")
    refused(ctx, "websocket.auth.anonymous=true", websocket__listeners="http://0.0.0.0:0", websocket__auth__anonymous="false")
    engine = worker(ctx, listeners="http://0.0.0.0:0", websocket__listeners="http://0.0.0.0:0", websocket__auth__anonymous="true", start=False)
    engine._answers = lambda: "is up" in engine.log()
    engine.start()
    assert "set walwire.rest.users.file" in engine.log() and "reads all captured tables" in engine.log()
    closed = worker(ctx, walwire__rest__users__file=None)
    assert "other machines" not in closed.log()
    secret = worker(ctx, start=False, listeners="http://0.0.0.0:0", walwire__rest__users__file=users_file(0o644))
    secret._answers = lambda: "is up" in secret.log()
    secret.start()
    assert "chmod o-r" in secret.log() and "travel unencrypted" in secret.log()


def test_a_name_of_somebody_elses_is_refused(ctx):
    """DNS rebinding: a web page's own name resolves to 127.0.0.1, so the browser lets it talk to us."""
    engine = worker(ctx, walwire__allowed__hosts="walwire.example")
    for host in ("evil.example", "evil.example:80", "127.0.0.1.nip.io", "localhost.evil.example"):
        for port in (engine.port, engine.ws_port):
            assert get(port, host).startswith("HTTP/1.1 403"), host
    for host in ("localhost:80", "127.0.0.1", "[::1]", "walwire.example"):
        assert get(engine.port, host).startswith("HTTP/1.1 200"), host
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    for host, code in (("evil.example", "403"), ("localhost", "101")):
        answer = raw(engine.ws_port, f"GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{upgrade}\r\n")
        assert answer.split()[1] == code, (host, answer[:200])


def test_requests_with_two_readings(ctx):
    engine = worker(ctx)
    hidden = "GET /admin/loggers HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for headers in (f"Content-Length: {len(hidden)}\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 60\r\n",
                    "Content-Length: 5, 60\r\n", "Content-Length: 0x10\r\n", "Content-Length: +1\r\n", "Content-Length: -1\r\n",
                    "Transfer-Encoding: chunked\r\n", "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
                    "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n"):
        answer = raw(engine.port, f"POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n{hidden}")
        assert len(re.findall(r"^HTTP/1", answer, re.M)) <= 1, (headers, answer)
        assert "loggers" not in answer and '"root"' not in answer and " 200 " not in answer, (headers, answer)
    answer = raw(engine.port, "POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n")
    assert answer.startswith("HTTP/1.1 413")
    assert engine.rest("GET", "/connectors") == (200, [])


def test_a_foreign_page_changes_nothing(ctx):
    engine = worker(ctx)
    body = "{}"
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = raw(engine.port, f"{method} /connectors HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
                                  f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}")
        assert answer.startswith("HTTP/1.1 403"), answer
    answer = raw(engine.port, "POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
                              "Connection: close\r\n\r\n{}")
    assert answer.startswith("HTTP/1.1 415"), answer


def test_https(ctx):
    both, cert = certificate()
    engine = worker(ctx, start=False, **{"ssl.keystore.type": "PEM", "ssl.keystore.location": both})
    port = engine.port
    with open(engine.files[0]) as f:
        text = f.read().replace(f"listeners=http://127.0.0.1:{port}", f"listeners=https://127.0.0.1:{port}")
    with open(engine.files[0], "w") as f:
        f.write(text)
    engine._answers = lambda: "is up" in engine.log()
    engine.start()
    trusting = ssl.create_default_context(cafile=cert)
    with urllib.request.urlopen(f"https://localhost:{port}/connectors", context=trusting, timeout=10) as r:
        assert r.status == 200 and r.read() == b"[]"
    assert not get(port, "localhost").startswith("HTTP/1.1 200")
    old = ssl.create_default_context(cafile=cert)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        raw(port, "GET / HTTP/1.1\r\n\r\n", old)
    except (ssl.SSLError, ConnectionError):
        pass
    else:
        raise AssertionError("TLS 1.1 was accepted")
    http2 = ssl.create_default_context(cafile=cert)
    http2.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s, http2.wrap_socket(s, server_hostname="localhost") as t:
        assert t.selected_alpn_protocol() == "http/1.1"


def shown(port):
    """The certificate that a new connection is shown."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


def der(cert):
    with open(cert) as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def test_a_certificate_that_is_renewed(ctx):
    """A new file is shown to whoever connects from then on, of another kind of key too; who is there stays; half a file changes
    nothing."""
    (path, first), (second_both, second), (third_both, third) = certificate(), certificate(("rsa:2048",)), certificate()
    port = free_port()
    engine = worker(ctx, websocket__listeners=f"https://127.0.0.1:{port}", **{"ssl.keystore.location": path})
    assert shown(port) == der(first)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        with ssl.create_default_context(cafile=first).wrap_socket(plain, server_hostname="localhost") as there:
            os.replace(second_both, path)
            wait_until(lambda: shown(port) == der(second), 10, "the new certificate")
            there.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert there.recv(12) == b"HTTP/1.1 200"
    trusting = ssl.create_default_context(cafile=second)
    for origin, status in ((f"http://localhost:{port}", "403"), (f"https://localhost:{port}", "503")):  # 503: no connector is there
        answer = raw(port, f"GET /v1/snapshot?table=a.b HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n", trusting)
        assert answer.startswith("HTTP/1.1 " + status), answer
    with open(third) as f, open(path, "w") as out:
        out.write(f.read())  # the key of another one would be missing
    wait_until(lambda: "the certificate that was there before stays" in engine.log(), 10, "the bad file to be noticed")
    assert shown(port) == der(second)
    os.replace(third_both, path)
    engine.process.child.send_signal(signal.SIGHUP)
    wait_until(lambda: shown(port) == der(third), 10, "the third certificate")


def test_connections_leave_files_for_others(ctx):
    """Whoever opens connections and says nothing, or never ends what he says, is cut off after ten seconds and takes no more
    than a part of the files; the page is served meanwhile."""
    engine = worker(ctx, start=False)
    process = Process(["sh", "-c", 'ulimit -n 160 && exec "$@"', "sh", BINARY, "serve", *engine.files], engine.log_path, cwd=engine.dir)
    at_exit(process.stop)
    wait_until(lambda: "is up" in engine.log(), 20, "walwire to be up")
    began, held = time.monotonic(), []
    for n in range(300):
        s = socket.create_connection(("127.0.0.1", engine.ws_port), timeout=15)
        held.append(s)
        if n % 2:
            s.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-A: ")
    files = f"/proc/{process.child.pid}/fd"
    wait_until(lambda: len(os.listdir(files)) >= 130, 5, "many of them to be there")
    assert len(os.listdir(files)) <= 140, os.listdir(files)
    left = [s for s in held if is_open(s)]
    while left and time.monotonic() < began + 30:
        time.sleep(0.5)
        for s in left:
            try:
                s.send(b"a")
            except OSError:
                pass
        left = [s for s in left if is_open(s)]
    assert not left and time.monotonic() > began + 8, (len(left), time.monotonic() - began)
    assert get(engine.ws_port, "localhost", "/").startswith("HTTP/1.1 200")


def is_open(s):
    s.setblocking(False)
    try:
        return s.recv(100) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_https_that_cannot_be(ctx):
    refused(ctx, "https needs ssl.keystore.location", listeners="https://127.0.0.1:0")
    refused(ctx, "ssl.keystore.type=JKS", "openssl pkcs12", listeners="https://127.0.0.1:0",
            **{"ssl.keystore.type": "JKS", "ssl.keystore.location": "/nowhere"})
    nonsense = os.path.join(temp_dir("tls"), "nonsense")
    with open(nonsense, "w") as f:
        f.write("no certificate\n")
    refused(ctx, f"ssl.keystore.location={nonsense}", listeners="https://127.0.0.1:0", **{"ssl.keystore.location": nonsense})


def test_what_would_have_protected_rest_in_java_is_not_ignored(ctx):
    extension = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"
    refused(ctx, "walwire.rest.users.file", **{"rest.extension.classes": extension})


def errors_of(engine, **changes):
    config = {"connector.class": CLASS, "database.hostname": "db", "database.user": "u", "database.password": "p",
              "database.dbname": "d", "topic.prefix": "shop", "slot.name": "s", **changes}
    code, answer = engine.rest("POST", "/connectors", {"name": "shop", "config": config})
    return code, str(answer)


def test_placeholders_stay_where_they_are_allowed(ctx):
    folder = temp_dir("secrets")
    inside = os.path.join(folder, "in")
    os.mkdir(inside)
    for path in (os.path.join(inside, "good"), os.path.join(folder, "bad")):
        with open(path, "w") as f:
            f.write("key=tiefes-geheimnis\n")
        os.chmod(path, 0o600)
    os.symlink(os.path.join(folder, "bad"), os.path.join(inside, "link"))
    engine = worker(ctx, env={"SHOP_PASSWORD": "x", "OTHER": "y"}, **{
        "config.providers.file.param.allowed.paths": inside, "config.providers.dir.param.allowed.paths": inside,
        "config.providers.env.param.allowlist.pattern": "SHOP_.*"})
    for value in (f"${{file:{folder}/bad:key}}", f"${{file:{inside}/link:key}}", f"${{file:{inside}/../bad:key}}", "${file:/etc/passwd:root}",
                  f"${{dir:{folder}:bad}}", f"${{directory:{folder}:bad}}", "${env:OTHER}", "${dir:/etc:shadow}"):
        code, answer = errors_of(engine, **{"database.password": value})
        assert code == 400 and "geheimnis" not in answer and ("allowed.paths" in answer or "allowlist" in answer), (value, answer)
    for value in (f"${{file:{inside}/good:key}}", "${env:SHOP_PASSWORD}"):
        code, answer = errors_of(engine, **{"database.password": value})
        assert code == 201 and "geheimnis" not in answer, answer
        assert engine.rest("DELETE", "/connectors/shop")[0] == 204
        wait_until(lambda: engine.rest("GET", "/connectors")[1] == [], 15)
    assert "geheimnis" not in engine.log()


def test_settings_that_load_code_or_run_commands_are_refused(ctx):
    engine = worker(ctx)
    for name in ("database.sslkey", "driver.sslkey"):
        code, answer = errors_of(engine, **{name: "pkcs11:label"})
        assert code == 400 and "engine" in answer, (name, answer)
    kerberos = "com.sun.security.auth.module.Krb5LoginModule required keyTab=\"/k\" principal=\"x; touch /tmp/walwire-owned #\";"
    kafka, db = worker(ctx, bootstrap__servers="127.0.0.1:1"), ctx.database("create table t (id int primary key)")
    for name, value in (("sasl.jaas.config", kerberos), ("plugin.library.paths", "evil.so"), ("ssl.engine.location", "evil.so"),
                        ("ssl.providers", "evil"), ("sasl.kerberos.kinit.cmd", "touch /tmp/walwire-owned"),
                        ("sasl.oauthbearer.token.endpoint.url", "http://169.254.169.254/")):
        spec = ctx.connector(db, **{"producer.override." + name: value, "security.protocol": "SASL_PLAINTEXT"})
        code, answer = kafka.rest("POST", "/connectors", spec)
        if code == 201:
            kafka.wait_state(spec["name"], "FAILED")
            answer = kafka.status(spec["name"])[1]
            kafka.rest("DELETE", "/connectors/" + spec["name"])
        said = str(answer)
        assert any(part in said for part in ("would load code", "may stand in the worker file only", "becomes part of a command")), (name, said)
    assert not os.path.exists("/tmp/walwire-owned")


def test_rows_stay_out_of_core_dumps(ctx):
    """What the kernel will not dump belongs to root in /proc, whoever runs it."""
    if "__asan_init" in subprocess.run(["nm", "-D", BINARY], capture_output=True, text=True).stdout:
        raise Skip("the leak sanitizer must be able to look at the process")
    folder = temp_dir("nobody")
    program = shutil.copy(BINARY, folder)
    with open(os.path.join(folder, "worker"), "w") as f:
        f.write(f"listeners=http://127.0.0.1:0\nwebsocket.listeners=none\noffset.storage.file.filename={folder}/offsets\n")
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    for env, owner in (({}, 0), ({"WALWIRE_DUMPABLE": "1"}, None)):
        process = Process([program, "serve", os.path.join(folder, "worker")], os.path.join(folder, "log"), user=user, env=env)
        at_exit(process.stop)
        wait_until(lambda: "is up" in process.tail(), 15)
        assert (os.stat(f"/proc/{process.pid}/environ").st_uid == 0) == (owner == 0), env
        process.stop()
        os.remove(os.path.join(folder, "log"))


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options, BINARY], capture_output=True, text=True, check=True).stdout


def test_the_program_is_hardened(ctx):
    headers, dynamic, symbols = readelf("-h", "-l"), readelf("-d"), readelf("--dyn-syms")
    assert re.search(r"Type:\s+DYN", headers), "not position independent"
    assert "GNU_RELRO" in headers and re.search(r"\(FLAGS(_1)?\).*\b(BIND_)?NOW\b", dynamic), "its tables stay writable"
    assert re.search(r"GNU_STACK(\s+0x\w+){5}\s+RW\s", headers), "its stack is executable"
    assert not re.search(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic), dynamic
    assert "__stack_chk_fail" in symbols, "no stack protector"
    if "__asan_init" not in symbols and "__tsan_init" not in symbols:
        assert "__memcpy_chk" in symbols or "__snprintf_chk" in symbols, "no FORTIFY_SOURCE"


UNIT = os.path.join(ROOT, "packaging", "walwire.service.in")


def test_the_unit_confines_the_service(ctx):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(UNIT)
    service = unit["Service"]
    for key, value in {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes", "PrivateDevices": "yes",
                       "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "MemoryDenyWriteExecute": "yes",
                       "CapabilityBoundingSet": "", "LockPersonality": "yes", "LimitCORE": "0", "DynamicUser": "yes"}.items():
        assert service[key] == value, (key, service[key])
    if shutil.which("systemd-analyze"):
        folder = temp_dir("unit")
        path = os.path.join(folder, "walwire.service")
        with open(UNIT) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("@BINDIR@/walwire", BINARY))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True)
        assert done.returncode == 0 and "walwire.service" not in done.stderr, done.stderr
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
