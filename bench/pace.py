"""Transactions at a steady pace, from a process of its own: pace.py PSQL CONNINFO RATE COUNT ROWS

Each inserts ROWS rows; the last one's note is T and the moment when the transaction was due, in seconds since 1970. A
transaction that is late keeps the moment that was meant, or waiting would hide itself (coordinated omission).
"""
import subprocess, sys, time

WARM = 100  # before those that count, with another note

ROW = "insert into bench(cust, sku, qty, price, note) values (1, 'L', 1, 1.5, '{note}');\n"
ROWS = ("insert into bench(cust, sku, qty, price, note) select g, 'SKU-' || g, g % 10, g / 100.0, "
        "case when g = {rows} then '{note}' else 'note for row number ' || g end from generate_series(1, {rows}) g;\n")


def main():
    psql, conninfo, rate, count, rows = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    out = subprocess.Popen([psql, "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", conninfo], stdin=subprocess.PIPE, text=True)
    text = ROWS.replace("{rows}", str(rows)) if rows > 1 else ROW
    start = time.time() + 0.2
    for i in range(WARM + count):
        due = start + i / rate
        time.sleep(max(0, due - time.time()))
        out.stdin.write(text.replace("{note}", f"T{due:.6f}" if i >= WARM else "warm"))
        out.stdin.flush()
    out.stdin.close()
    return out.wait()


if __name__ == "__main__":
    sys.exit(main())
