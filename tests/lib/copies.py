"""Copies of a PostgreSQL server's files: backups, standbys, and servers that a restore has taken back in time."""
import os, shutil

from postgres import Postgres
from process import at_exit, free_port, temp_dir


def copy_of(server, name="copy", signal=None, **conf):
    """A stopped server's files, its slots too, as a server of its own that is not started yet. `signal`: "standby" or "recovery",
    with which it begins in recovery; a restore that ends makes a new timeline."""
    assert not server.running(), "files of a running server are no copy of it"
    other = Postgres.__new__(Postgres)
    other.bin, other.account, other.process = server.bin, server.account, None
    other.dir, other.port = temp_dir(name), free_port()
    other.data, other.log = os.path.join(other.dir, "data"), os.path.join(other.dir, "log")
    shutil.copytree(server.data, other.data, ignore=shutil.ignore_patterns("postmaster.*"))
    settings = {"port": other.port, "unix_socket_directories": other.dir, **conf}
    if signal == "recovery":
        settings = {"restore_command": "false", **settings}
    with open(os.path.join(other.data, "postgresql.conf"), "a") as f:
        f.writelines(f"{k} = '{v}'\n" for k, v in settings.items())
    if signal:
        open(os.path.join(other.data, signal + ".signal"), "w").close()
    own(other)
    at_exit(other.stop)
    return other


def own(server):
    if server.account:
        for place, _, files in os.walk(server.dir):
            for path in (place, *(os.path.join(place, f) for f in files)):
                shutil.chown(path, server.account, server.account)
