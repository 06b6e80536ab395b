"""The release build that is measured: its own directory, so that nobody's debug build is."""
import os, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build-bench")


def build(*targets):
    """Builds the named targets (none: everything); returns the directory."""
    made = os.path.exists(os.path.join(BUILD, "build.ninja"))
    options = ["--buildtype=release", "-Dtests=false", "-Dbench=true"]
    _run(["meson", "configure", BUILD, *options] if made else ["meson", "setup", BUILD, *options])
    _run(["ninja", "-C", BUILD, *targets])
    return BUILD


def _run(argv):
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError("\n".join((done.stdout + done.stderr).splitlines()[-25:]))


def compiler():
    """Version and architecture, as 12.2.0-x86_64: what a count of instructions depends on, beside the source."""
    cc = (os.environ.get("CC") or "cc").split()
    version = subprocess.run([*cc, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True, check=True).stdout.split()[0]
    return f"{version}-{os.uname().machine}"


if __name__ == "__main__":
    print(build(*sys.argv[1:]))
