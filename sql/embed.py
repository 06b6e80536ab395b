"""Writes a C header with one string constant for each .sql file: sql/catalog_columns.sql becomes SQL_CATALOG_COLUMNS.

Usage: embed.py OUTPUT FILE..."""
import pathlib
import sys


def constant(path):
    name = "SQL_" + path.stem.upper().replace("-", "_")
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("--")]
    text = "\n".join('    "%s\\n"' % line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return f"static const char {name}[] __attribute__((unused)) =\n{text};\n"


def main():
    out, files = sys.argv[1], sorted(pathlib.Path(f) for f in sys.argv[2:])
    body = "".join(constant(f) for f in files)
    pathlib.Path(out).write_text("/* Made from sql/ by embed.py. */\n#ifndef SQL_H\n#define SQL_H\n\n" + body + "\n#endif\n")


main()
