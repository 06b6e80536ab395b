"""Node and the packages that tests need, from npm into the cache directory, once.

Debian 12 has Node 18; the tests want 20 (mocked dates, the browser driver's newer self), so where Node is older a pinned
one comes from npm as well. The client's own tests run on every version that it is for.
"""
import functools, hashlib, os, platform, shutil, subprocess

from process import CACHE

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(HERE, "package.json")
PINNED = {20: "20.19.5", 22: "22.20.0"}


def npm_install(path, *packages, manifest=None):
    """Installs into a directory that appears only when it is complete."""
    if os.path.isdir(path):
        return
    part = f"{path}.{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    if manifest:
        shutil.copy(manifest, part)
    done = subprocess.run(["npm", "install", "--prefix", part, "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error",
                           *packages], capture_output=True, text=True, cwd=part)
    if done.returncode:
        raise RuntimeError(f"npm: {done.stderr.strip()[-800:]}")
    os.rename(part, path)


def _pinned(major):
    package = "node-linux-" + {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    path = os.path.join(CACHE, f"{package}-{PINNED[major]}")
    npm_install(path, f"{package}@{PINNED[major]}")
    return os.path.join(path, "node_modules", package, "bin", "node")


@functools.cache
def _here():
    """The machine's Node and its major version."""
    found = shutil.which("node")
    if not found:
        raise RuntimeError("no Node here: run tools/install test")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return found, int(version.lstrip("v").split(".")[0])


@functools.cache
def program():
    """A Node of version 20 or newer."""
    found, major = _here()
    return found if major >= min(PINNED) else _pinned(max(PINNED))


@functools.cache
def programs():
    """The major versions that the client is for, each with a Node of it."""
    found, major = _here()
    return {wanted: found if wanted == major else _pinned(wanted) for wanted in PINNED}


def modules():
    """The node_modules directory of what package.json pins."""
    with open(PACKAGES, "rb") as f:
        path = os.path.join(CACHE, "node-" + hashlib.sha256(f.read()).hexdigest()[:12])
    npm_install(path, manifest=PACKAGES)
    return os.path.join(path, "node_modules")


def chromium():
    names = filter(None, [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"])
    path = next(filter(None, map(shutil.which, names)), None)
    if not path:
        raise RuntimeError("no Chromium here: run tools/install test")
    return path


def environment():
    """What a script needs to find the packages and the browser."""
    path = modules()
    return {"NODE_MODULES": path, "NODE_PATH": path, "PLAYWRIGHT_DIR": path, "CHROMIUM": chromium()}
