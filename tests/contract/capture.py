#!/usr/bin/env python3
"""Writes golden.json: what a real Kafka Connect with Debezium answers to the contract's requests.

    capture.py [--connect http://127.0.0.1:18083] [--postgres 127.0.0.1:25432] [--user postgres]

Needs Kafka Connect 4.3 with Debezium's PostgreSQL connector 3.7 and a PostgreSQL that it reaches by the same address. Creates a
database and connectors whose names begin with `contract`, and removes them.
"""
import argparse, json, os, subprocess

from contract import GOLDEN, TABLES, Client, base_config

DATABASE = "contract_capture"
NAMES = [f"contract-{n}" for n in ("a", "b", "f", "ui", "tf", "sz", "kc", "py")]


def psql(args, sql, db="postgres"):
    host, port = args.postgres.rsplit(":", 1)
    done = subprocess.run(["psql", "-h", host, "-p", port, "-U", args.user, "-d", db, "-AtXq", "-v", "ON_ERROR_STOP=1", "-c", sql],
                          capture_output=True, text=True, env={**os.environ, "PGOPTIONS": "-c client_min_messages=error"})
    if done.returncode:
        raise SystemExit(f"psql: {done.stderr}")
    return done.stdout


def forget(client, name, config):
    """Removes a connector with its position: a connector of that name must begin anew."""
    path = f"/connectors/{name}"
    client.send("POST", "/connectors", {"name": name, "config": config, "initial_state": "STOPPED"})
    client.send("PUT", path + "/stop")
    client.wait(path, ("STOPPED", []))
    client.send("DELETE", path + "/offsets")
    client.send("DELETE", path)
    client.wait(path, None)


def clean(args, client, base):
    for name in NAMES:
        forget(client, name, {**base, "topic.prefix": "contract", "slot.name": "contract"})
    psql(args, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'contract%'")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--connect", default="http://127.0.0.1:18083")
    parser.add_argument("--postgres", default="127.0.0.1:25432")
    parser.add_argument("--user", default="postgres")
    parser.add_argument("--out", default=GOLDEN)
    args = parser.parse_args()
    client = Client(args.connect)
    base = base_config(*args.postgres.rsplit(":", 1), args.user, DATABASE)
    psql(args, f"drop database if exists {DATABASE} with (force)")
    psql(args, f"create database {DATABASE}")
    psql(args, TABLES, DATABASE)
    clean(args, client, base)
    try:
        answers = [answer for _, answer in client.run(base)]
    finally:
        clean(args, client, base)
        psql(args, f"drop database {DATABASE} with (force)")
    late = [a for a in answers if "waited" in a]
    if late:
        raise SystemExit("states that did not come:\n" + "\n".join(a["waited"][:300] for a in late))
    with open(args.out, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(a, ensure_ascii=False) for a in answers) + "\n]\n")
    print(f"{len(answers)} answers in {args.out}")


if __name__ == "__main__":
    main()
