"""TLS and passwords: who may connect how, what each refusal says, and that none of them is tried over and over."""
import functools, json, os, shutil, subprocess

from services import Postgres, Skip, run, shared, temp_dir, wait_until

PASSWORD = "Tulpe-4711-xyzzy"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
HBA = ["hostssl all tls_only 127.0.0.1/32 scram-sha-256", "hostnossl all plain_only 127.0.0.1/32 scram-sha-256",
       "hostssl all cert_user 127.0.0.1/32 cert", "host all md5_user 127.0.0.1/32 md5", "host all banned 127.0.0.1/32 reject",
       "host all reader 127.0.0.1/32 scram-sha-256", "host all,replication postgres 127.0.0.1/32 trust"]


# ---- a server with certificates ----

class Certificates:
    """Two authorities, of which the servers and the clients know `ca` only."""

    def __init__(self):
        self.dir = temp_dir("tls")
        for ca in ("ca", "other"):
            self._openssl("req", "-x509", *NEW_KEY, "-keyout", self[f"{ca}.key"], "-out", self[f"{ca}.crt"], "-subj",
                          f"/CN={ca}", "-days", "30")
        self.issue("server", "localhost", "subjectAltName=DNS:localhost")
        self.issue("expired", "localhost", "subjectAltName=DNS:localhost", days=-1)
        self.issue("elsewhere", "db.example.com", "subjectAltName=DNS:db.example.com")
        self.issue("client", "cert_user")
        self.issue("client_late", "cert_user", days=-1)
        self.issue("client_other", "somebody_else")
        self.issue("client_foreign", "cert_user", ca="other")
        self._openssl("pkcs8", "-topk8", "-in", self["client.key"], "-outform", "DER", "-nocrypt", "-out", self["client.pk8"])
        self._openssl("pkcs8", "-topk8", "-in", self["client.key"], "-out", self["client_locked.key"], "-passout", f"pass:{PASSWORD}")
        self._openssl("pkcs8", "-topk8", "-in", self["client.key"], "-outform", "DER", "-out", self["client_locked.pk8"], "-passout", f"pass:{PASSWORD}")
        for name in os.listdir(self.dir):
            os.chmod(self[name], 0o600)
        shutil.copy(self["client.key"], self["client_open.key"])
        os.chmod(self["client_open.key"], 0o644)

    def __getitem__(self, name):
        return os.path.join(self.dir, name)

    def _openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def issue(self, name, cn, extension="", ca="ca", days=30):
        with open(self["extension"], "w") as f:
            f.write(extension)
        self._openssl("req", "-new", *NEW_KEY, "-keyout", self[name + ".key"], "-out", self["request"], "-subj", f"/CN={cn}")
        self._openssl("x509", "-req", "-in", self["request"], "-CA", self[ca + ".crt"], "-CAkey", self[ca + ".key"], "-CAcreateserial", "-days",
                      str(days), "-extfile", self["extension"], "-out", self[name + ".crt"])


class TlsServer(Postgres):
    def __init__(self):
        self.certificates = Certificates()
        super().__init__(conf={"password_encryption": "scram-sha-256", "log_connections": "on"}, name="tls")
        for name in ("server", "expired", "elsewhere", "ca"):
            for path in (f"{name}.crt", f"{name}.key"):
                shutil.copy(self.certificates[path], self.data)
                shutil.chown(os.path.join(self.data, path), self.account, self.account) if self.account else None
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.writelines(line + "\n" for line in HBA)
        self.use("server")
        self.psql("create database shop")
        self.psql("create table orders (id int primary key)", "shop")
        for role in ("tls_only", "plain_only", "cert_user", "banned", "unlisted"):
            self.psql(f"create role {role} superuser login password '{PASSWORD}'")
        self.psql(f"set password_encryption = 'md5'; create role md5_user superuser login password '{PASSWORD}'")

    def use(self, certificate):
        """With the server certificate of that name; None: without TLS."""
        self.psql("".join(f"alter system set {k} = '{v}';\n" for k, v in {
            "ssl": "on" if certificate else "off", "ssl_cert_file": f"{certificate or 'server'}.crt", "ssl_key_file": f"{certificate or 'server'}.key",
            "ssl_ca_file": "ca.crt"}.items()))
        loaded = self.psql("select pg_conf_load_time()")
        self.psql("select pg_reload_conf()")
        wait_until(lambda: self.psql("select pg_conf_load_time()") != loaded, 10, "the server to load its certificate")
        wait_until(lambda: self.psql("show ssl_cert_file").startswith(certificate or "server"), 10, "the new settings")

    def refusals(self):
        with open(self.log, errors="replace") as f:
            return sum("FATAL:" in line and "terminating connection" not in line for line in f)


@functools.cache
def server():
    return shared(TlsServer)


def spec_of(ctx, user, **settings):
    """A connector's settings given without their `database.`."""
    return ctx.connector("shop", server(), **{"database.user": user, "database.password": PASSWORD, "database.hostname": "127.0.0.1",
                                              **{f"database.{k}": v for k, v in settings.items() if v is not None}})


def check(ctx, user, **settings):
    """What `walwire check` says: of the connection, when there is one, else the one line about why not."""
    path = os.path.join(ctx.temp_dir(), "connector.json")
    with open(path, "w") as f:
        json.dump(spec_of(ctx, user, **settings), f)
    done = run("check", path, env={**os.environ, "HOME": ctx.temp_dir()})  # no certificates of our own user
    assert PASSWORD not in done.stdout + done.stderr and done.stderr == "", done
    bad = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert len(bad) == done.returncode, done.stdout
    return bad[0] if bad else next(line for line in done.stdout.splitlines() if "connected to" in line)


def refused(ctx, user, *phrases, **settings):
    line = check(ctx, user, **settings)
    assert line.startswith("FAIL") and all(p in line for p in phrases), line


def encrypted(line):
    assert line.startswith("ok"), line
    return not line.endswith("not encrypted")


# ---- how far TLS is insisted upon ----

def test_every_sslmode_and_every_server(ctx):
    """Against a rule for TLS only, one for its absence only, and a server that has none."""
    root = server().certificates["ca.crt"]

    def answer(user, mode):
        line = check(ctx, user, sslmode=mode, sslrootcert=root, hostname="localhost")
        if line.startswith("FAIL"):
            return "pg_hba" if "pg_hba.conf" in line and "SELECT pg_reload_conf()" in line else line
        return "tls" if encrypted(line) else "plain"

    modes = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
    assert {m: (answer("tls_only", m), answer("plain_only", m)) for m in modes} == {
        "disable": ("pg_hba", "plain"), "allow": ("tls", "plain"), "prefer": ("tls", "plain"), "require": ("tls", "pg_hba"),
        "verify-ca": ("tls", "pg_hba"), "verify-full": ("tls", "pg_hba")}
    server().use(None)
    try:
        assert [answer("plain_only", m) for m in modes[:3]] == ["plain"] * 3
        for mode in modes[3:]:
            refused(ctx, "plain_only", "does not support SSL", "set ssl = on in postgresql.conf", sslmode=mode, sslrootcert=root)
    finally:
        server().use("server")


def test_the_replication_connection_is_encrypted_too(ctx):
    spec = spec_of(ctx, "tls_only", sslmode="verify-full", sslrootcert=server().certificates["ca.crt"], hostname="localhost")
    engine = ctx.walwire(kafka=False)
    engine.create(spec)
    engine.wait_streaming(spec, server())
    rows = server().psql("select backend_type = 'walsender', s.ssl from pg_stat_activity join pg_stat_ssl s using (pid) where usename = 'tls_only'")
    assert "t|t" in rows.splitlines() and "f|f" not in rows and "t|f" not in rows, rows


# ---- who the server is ----

def test_a_server_that_is_somebody_else(ctx):
    """An unknown authority, an expired certificate, another name: refused when it is to be verified, and only then."""
    c = server().certificates
    for mode in ("verify-ca", "verify-full"):
        refused(ctx, "tls_only", "certificate verify failed", "database.sslrootcert", sslmode=mode, sslrootcert=c["other.crt"], hostname="localhost")
        refused(ctx, "tls_only", "root certificate file", "set database.sslrootcert", sslmode=mode)
        refused(ctx, "tls_only", "nowhere.crt", "set database.sslrootcert", sslmode=mode, sslrootcert=c["nowhere.crt"])
    refused(ctx, "tls_only", "does not match host name", "database.hostname", sslmode="verify-full", sslrootcert=c["ca.crt"])
    assert encrypted(check(ctx, "tls_only", sslmode="verify-ca", sslrootcert=c["ca.crt"]))
    assert encrypted(check(ctx, "tls_only", sslmode="require"))
    try:
        server().use("expired")
        refused(ctx, "tls_only", "certificate verify failed", "expired", sslmode="verify-ca", sslrootcert=c["ca.crt"])
        assert encrypted(check(ctx, "tls_only", sslmode="require"))
        server().use("elsewhere")
        refused(ctx, "tls_only", "db.example.com", "does not match host name", sslmode="verify-full", sslrootcert=c["ca.crt"], hostname="localhost")
    finally:
        server().use("server")


# ---- who we are ----

def test_client_certificates(ctx):
    c = server().certificates

    def pair(crt, key=None, **more):
        return {"sslmode": "require", "sslcert": c[crt + ".crt"], "sslkey": c[key or crt + ".key"], **more}
    assert encrypted(check(ctx, "cert_user", **pair("client")))
    assert encrypted(check(ctx, "cert_user", **pair("client", "client.pk8")))
    assert encrypted(check(ctx, "cert_user", **pair("client", "client_locked.key", sslpassword=PASSWORD)))
    refused(ctx, "cert_user", "valid client certificate", "set database.sslcert and database.sslkey", sslmode="require")
    refused(ctx, "cert_user", "database.sslcert", "another role", **pair("client_other"))
    refused(ctx, "cert_user", "unknown ca", "database.sslcert", **pair("client_foreign"))
    refused(ctx, "cert_user", "expired", "database.sslcert", "renew it", **pair("client_late"))
    refused(ctx, "cert_user", "nowhere.key", "check database.sslkey", **pair("client", "nowhere.key"))
    refused(ctx, "cert_user", "valid client certificate", "files that are there", **pair("nowhere", "client.key"))
    refused(ctx, "cert_user", "check database.sslkey", "chmod 600", **pair("client", "client_open.key"))
    refused(ctx, "cert_user", "check database.sslkey", **pair("client", "client_other.key"))
    refused(ctx, "cert_user", "check database.sslkey", "database.sslpassword", **pair("client", "client_locked.key", sslpassword="no"))
    refused(ctx, "cert_user", "check database.sslkey", "database.sslpassword", **pair("client", "client_locked.key"))
    refused(ctx, "cert_user", "openssl pkcs8 -inform DER", **pair("client", "client_locked.pk8", sslpassword=PASSWORD))


def test_channel_binding(ctx):
    """Required, it is had with SCRAM inside of TLS, and refused everywhere else."""
    need = {"channelBinding": "require"}
    assert encrypted(check(ctx, "tls_only", sslmode="require", **need))
    refused(ctx, "plain_only", "hannel binding", "database.sslmode=require", sslmode="disable", **need)
    refused(ctx, "md5_user", "hannel binding", "scram-sha-256", sslmode="require", **need)
    assert encrypted(check(ctx, "md5_user", sslmode="require"))
    refused(ctx, "tls_only", "channel_binding", sslmode="require", channelBinding="sometimes")


# ---- what is refused, once ----

def fails_once(ctx, spec, *phrases, engine=None):
    """FAILED with that text, and PostgreSQL is left alone from then on. A refusal under sslmode=prefer is two: libpq asks
    again without TLS."""
    before = server().refusals()
    engine = engine or ctx.walwire(kafka=False)
    if not engine.rest("GET", "/connectors")[1]:
        engine.create(spec)
    engine.wait_state(spec["name"], "FAILED", 20)
    refusals = server().refusals() - before
    trace = engine.status(spec["name"])[1]
    assert all(p in trace for p in phrases) and "\n" not in trace.rstrip("\n"), trace
    again = [line for line in engine.log().splitlines() if "connecting to PostgreSQL" in line and "trying again" in line]
    assert refusals <= 2 and not again, (refusals, again)
    for text in (engine.log(), json.dumps([engine.rest("GET", f"/connectors/{spec['name']}{rest}") for rest in ("", "/status", "/config")])):
        assert PASSWORD not in text and "wrong-one" not in text, text
    return engine


def test_a_wrong_password(ctx):
    for user in ("tls_only", "plain_only", "md5_user"):
        fails_once(ctx, spec_of(ctx, user, password="wrong-one"), "password authentication failed", "check database.user and database.password")


def test_a_password_that_is_no_longer_valid(ctx):
    """At the start, and in the middle: the session is ended and cannot come back."""
    s = server()
    s.psql(f"create role reader superuser login password '{PASSWORD}' valid until '2020-01-01'")
    spec = spec_of(ctx, "reader")
    try:
        engine = fails_once(ctx, spec, "password authentication failed", "VALID UNTIL")
        s.psql("alter role reader valid until 'infinity'")
        engine.rest("POST", f"/connectors/{spec['name']}/restart?includeTasks=true")
        engine.wait_streaming(spec, s)
        s.psql("alter role reader valid until '2020-01-01'; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'")
        fails_once(ctx, spec, "password authentication failed", "VALID UNTIL", engine=engine)
        engine.sigterm()
    finally:
        s.psql("select pg_drop_replication_slot(slot_name) from pg_replication_slots", "shop")
        s.psql("drop owned by reader cascade; drop role reader", "shop")


def test_a_server_that_speaks_another_language(ctx):
    """A refusal is known by its SQLSTATE then, and is as final."""
    texts = "/usr/share/locale/de/LC_MESSAGES/postgres-{}.mo".format(int(server().psql("show server_version_num")) // 10000)
    if not server().bin.startswith("/usr/lib/") or not os.path.exists(texts):
        raise Skip("no German messages of this server are here")
    s = Postgres(conf={"lc_messages": "C.UTF-8"}, hba=["host all reader 127.0.0.1/32 scram-sha-256"], env={"LANGUAGE": "de"}, name="tls-de")
    s.psql(f"set password_encryption = 'scram-sha-256'; create role reader superuser login password '{PASSWORD}'; create database shop")
    spec = ctx.connector("shop", s, **{"database.user": "reader", "database.password": "wrong-one"})
    engine = ctx.walwire(kafka=False)
    engine.create(spec)
    engine.wait_state(spec["name"], "FAILED", 20)
    trace = engine.status(spec["name"])[1]
    assert "Passwort-Authentifizierung" in trace and "check database.user, database.password and pg_hba.conf" in trace, trace
    assert "trying again" not in engine.log(), engine.log()


def test_roles_that_may_not(ctx):
    """No line in pg_hba.conf, a line that rejects, no LOGIN, no REPLICATION, no CONNECT, no such role, no such database."""
    s = server()
    try:
        s.psql(f"create role reader nologin password '{PASSWORD}'; grant select on orders to reader", "shop")
        for sslmode in ("prefer", "disable", "require"):
            fails_once(ctx, spec_of(ctx, "unlisted", sslmode=sslmode), "no pg_hba.conf entry", "allow this host, user and database in pg_hba.conf")
            refused(ctx, "banned", "rejects connection", "allow this host, user and database in pg_hba.conf", sslmode=sslmode)
        fails_once(ctx, spec_of(ctx, "reader"), "not permitted to log in", 'allow it: ALTER ROLE "reader" LOGIN')
        s.psql("alter role reader login; alter table orders owner to reader; grant create on database shop to reader", "shop")
        fails_once(ctx, spec_of(ctx, "reader"), 'grant it: ALTER ROLE "reader" REPLICATION')
        s.psql("alter role reader replication; revoke connect on database shop from public", "shop")
        fails_once(ctx, spec_of(ctx, "reader"), "permission denied for database", 'GRANT CONNECT on this database to "reader"')
        refused(ctx, "reader", "nowhere", "check database.dbname", dbname="nowhere")
        s.psql("drop owned by reader cascade; drop role reader", "shop")
        fails_once(ctx, spec_of(ctx, "reader"), "password authentication failed", "check database.user")
    finally:
        s.psql("grant connect on database shop to public; create table if not exists orders (id int primary key)", "shop")
