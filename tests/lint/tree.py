"""The files that are, or are about to be, committed; and small tools that the rules share."""
import os, re, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)


def committed(*patterns):
    """Without git (an unpacked archive) every file of the tree but those of builds."""
    done = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                          capture_output=True, text=True)
    if done.returncode == 0:
        return sorted(p for p in done.stdout.splitlines() if os.path.isfile(p))
    found = subprocess.run(["find", ".", "(", "-path", "./build*", "-o", "-name", "node_modules", "-o", "-name", ".git", ")",
                            "-prune", "-o", "-type", "f", "-print"], capture_output=True, text=True, check=True).stdout
    ends = tuple(p.lstrip("*") for p in patterns)
    return sorted(p[2:] for p in found.splitlines() if not ends or p.endswith(ends))


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def code_only(text):
    """C text with comments and string contents blanked, line numbers kept."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def finish(found):
    """Prints what was found; the exit code."""
    print("".join(line + "\n" for line in found), end="")
    return bool(found)
