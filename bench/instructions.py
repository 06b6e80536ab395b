"""Instructions a row of decode and encode: replay under callgrind, compared with the committed figures.

Instructions are the same in every run, unlike times. Two lengths are played, and the difference is what the rows cost.
"""
import json, os, re, subprocess

from release import BUILD, build, compiler

FIGURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.json")
CASES = {"plain": [], "schemas": ["schemas"]}
SHORT, LONG = 2000, 42000  # rows; replay plays whole transactions of 1000
MORE, MORE_ELSEWHERE = 0.05, 0.15  # may be added with the same compiler, and with another one


class Grown(Exception):
    pass


def prepare():
    build("bench/replay")


def measure(case):
    """Instructions and allocations a row."""
    short, long = (play(rows, CASES[case]) for rows in (SHORT, LONG))
    return (long[0] - short[0]) / (LONG - SHORT), long[1]


def play(rows, arguments):
    argv = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", os.path.join(BUILD, "bench", "replay"), str(rows), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True)
    instructions = re.search(r"Collected : (\d+)", done.stderr)
    allocations = re.search(rf"^{rows} rows,.* ([\d.]+) allocations a row", done.stdout)
    if done.returncode or not instructions or not allocations:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stdout}{done.stderr[-500:]}")
    return int(instructions.group(1)), float(allocations.group(1))


def figures():
    with open(FIGURES) as f:
        return json.load(f)


def nearest(known, key):
    """The figures for this compiler, or for the one most like it: the same architecture first, then the version next to it."""
    def numbers(k):
        return [int(n) for n in re.findall(r"\d+", k.split("-")[0])]

    def distance(k):
        steps = [abs(a - b) for a, b in zip(numbers(k), numbers(key))]
        return (k.split("-")[1] != key.split("-")[1], steps)
    return min(known, key=distance)


def check(case):
    """Raises Grown when a row costs more than it did; returns what was found in words."""
    got, allocations = measure(case)
    known, key = figures(), compiler()
    if not known:
        raise RuntimeError(f"{os.path.basename(FIGURES)} is empty: bench/quick --update")
    like = nearest(known, key)
    most, before = MORE if like == key else MORE_ELSEWHERE, known[like][case]
    change = got / before - 1
    text = f"{got:.1f} instructions a row, committed {before:.1f} ({change:+.1%})"
    if like != key:
        text += f", which is of compiler {like} and not {key}: {most:.0%} more are allowed"
    if allocations:
        raise Grown(f"{allocations} allocations a row, none are allowed; {text}")
    if change > most:
        raise Grown(f"{text}, more than {most:.0%}; if it must be so: bench/quick --update")
    return text + (", a gain to keep: bench/quick --update" if change < -MORE and like == key else "")


def update():
    """Writes this compiler's figures beside the others; returns them."""
    known = figures()
    known[compiler()] = {case: round(measure(case)[0], 1) for case in CASES}
    with open(FIGURES, "w") as f:
        json.dump(known, f, indent=2, sort_keys=True)
        f.write("\n")
    return known[compiler()]
