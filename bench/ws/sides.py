"""The servers that are compared, each started alone on one core."""
import contextlib, hashlib, os, shutil, subprocess, sys

import node
from process import CACHE
from release import BUILD

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER_CORE, READER_CORE = "0", "1"


def program(name):
    return os.path.join(BUILD, "bench", name)


def python():
    """An interpreter with what requirements.txt pins, made once."""
    wanted = os.path.join(HERE, "requirements.txt")
    with open(wanted, "rb") as f:
        path = os.path.join(CACHE, "python-" + hashlib.sha256(f.read()).hexdigest()[:12])
    if not os.path.isdir(path):
        part = f"{path}.{os.getpid()}"
        shutil.rmtree(part, ignore_errors=True)
        for argv in ([sys.executable, "-m", "venv", part], [f"{part}/bin/python", "-m", "pip", "-q", "install", "-r", wanted]):
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError((done.stdout + done.stderr).strip()[-800:])
        os.rename(part, path)
    return os.path.join(path, "bin", "python3")


def command(side, clients, rate):
    return {"walwire": lambda: [program("broadcast")], "node": lambda: [node.program(), os.path.join(HERE, "node.js")],
            "fastapi": lambda: [python(), os.path.join(HERE, "fastapi_server.py")]}[side]() + [str(clients), str(rate)]


@contextlib.contextmanager
def server(side, clients, rate):
    """(pid, port) of a server that sends to `clients`, `rate` messages a second; 0: as fast as it can."""
    argv = ["taskset", "-c", SERVER_CORE, *command(side, clients, rate)]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.path.dirname(os.path.dirname(HERE)),
                             env={**os.environ, "NODE_PATH": node.modules()})
    try:
        yield child.pid, int(child.stdout.readline().split()[1])
    finally:
        child.kill()
        child.wait()
