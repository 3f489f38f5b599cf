#!/usr/bin/env python3
"""Hashes whose fields expire, some of them while commands run: what the log and a dump say of them gives the same fields
after a restart; and once no field expires any more, redis-server 7.0 loads the dump.

    fields_expire.py --server 'build/skep --workers 2' [--seed N] [--count N]
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import server  # noqa: E402

KEYS = ["h%d" % i for i in range(8)]
SHORT_MS = 20

# One row a command: K a key, F a field, G several fields with their number, V a value, S a short time, L a long one.
ROWS = """
HSET K F V F V|HSET K F V|HSETNX K F V|HDEL K F F|HINCRBY K N 3|HINCRBYFLOAT K N 1.5|HINCRBY K N 1|HMSET K F V|HPERSIST K G
HPEXPIRE K S G|HPEXPIRE K S G|HPEXPIRE K S NX G|HPEXPIRE K L G|HEXPIRE K 5000 G|HPEXPIRE K L XX G|HPEXPIRE K L GT G
PEXPIRE K L|HPEXPIRE K S LT G|HPEXPIREAT K 1 G|HPEXPIREAT K 0 LT G|COPY K K REPLACE|COPY K K DB 1|RENAME K K|MOVE K 1|DEL K|HGETALL K
"""
ROWS = [row.split() for line in ROWS.strip().splitlines() for row in line.split("|")]


def field(rnd):
    return rnd.choice("abcdefgh") * rnd.choice([1, 1, 1, 70, 1500]) if rnd.random() < 0.7 else "f%d" % rnd.randrange(300)


def group(rnd):
    n = rnd.randrange(1, 5)
    return ["FIELDS", str(n)] + [field(rnd) if rnd.random() < 0.8 else "n" for _ in range(n)]


def words(rnd, row):
    made = {
        "K": lambda: [rnd.choice(KEYS)],
        "F": lambda: [field(rnd)],
        "N": lambda: ["n"],
        "G": lambda: group(rnd),
        "V": lambda: [rnd.choice(["", "17", "x" * rnd.randrange(1, 60), "y" * rnd.choice([5, 500, 5000])])],
        "S": lambda: [str(rnd.randrange(1, SHORT_MS))],
        "L": lambda: [str(rnd.choice([1000000, 5000000, 9000000]))],
    }
    return [w for word in row for w in (made[word]() if word in made else [word])]


def many(conn, rnd):
    """One hash that is large, of whose fields some expire soon."""
    key = rnd.choice(KEYS)
    for i in range(0, 300, 100):
        conn.command("HSET", key, *[w for j in range(i, i + 100) for w in ("f%d" % j, "v%d" % j)])
    some = ["f%d" % j for j in range(0, 300, rnd.randrange(1, 7))]
    conn.command("HPEXPIRE", key, str(SHORT_MS // 2), "FIELDS", str(len(some)), *some)


def lone(conn):
    """The last field of a hash that expires itself: who writes to it when its time is over keeps the key, and its expiry."""
    conn.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    rows = ("HSET K f v", "HSETNX K f v", "HINCRBY K f 3", "HINCRBYFLOAT K f 1.5", "HSET K g v f v")
    for i, row in enumerate(2 * rows):
        key = "lone%d" % i
        conn.command("HSET", key, "f", "7" if i < len(rows) else "y" * 600)
        conn.command("PEXPIRE", key, "5000000")
        conn.command("HPEXPIRE", key, "1", "FIELDS", "1", "f")
        time.sleep(0.005)
        conn.command(*row.replace("K", key).split())
    conn.command("DEBUG", "SET-ACTIVE-EXPIRE", "1")


def payload(conn, rnd):
    got = conn.command("DUMP", rnd.choice(KEYS)).value
    if got is not None:
        conn.command("RESTORE", rnd.choice(KEYS), "0", got, "REPLACE")


def run(conn, rnd, count):
    for _ in range(count):
        chance = rnd.random()
        if chance < 0.01:
            many(conn, rnd)
        elif chance < 0.03:
            payload(conn, rnd)
        elif chance < 0.05:
            conn.command("MULTI")
            for _ in range(rnd.randrange(1, 6)):
                conn.command(*words(rnd, rnd.choice(ROWS)))
            conn.command("EXEC")
        elif chance < 0.07:
            conn.command("SELECT", str(rnd.randrange(2)))
        elif chance < 0.09:
            conn.command("DEBUG", "SET-ACTIVE-EXPIRE", str(rnd.randrange(2)))
        elif chance < 0.12:
            time.sleep(0.01)
        else:
            conn.command(*words(rnd, rnd.choice(ROWS)))
    conn.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")


def state(conn, moments=True):
    """The fields of every hash, with their values, and when they and it expire."""
    seen = {}
    for db in range(2):
        conn.command("SELECT", str(db))
        for key in sorted(k.value for k in conn.command("KEYS", "*").value):
            flat = [v.value for v in conn.command("HGETALL", key).value]
            names = flat[::2]
            until = [None] * len(names)
            if names and moments:
                until = [v.value for v in conn.command("HPEXPIRETIME", key, "FIELDS", str(len(names)), *names).value]
            if names:
                seen[db, key] = sorted(zip(names, flat[1::2], until))
                seen[db, key].append(("expires", conn.command("PEXPIRETIME", key).value))
    return seen


def compare(what, want, got):
    wrong = [k for k in sorted(set(want) | set(got)) if want.get(k) != got.get(k)]
    for k in wrong[:3]:
        a, b = set(want.get(k, [])), set(got.get(k, []))
        print("%r: only before %.300r, only in %s %.300r" % (k, sorted(a - b), what, sorted(b - a)))
    if wrong:
        raise SystemExit("%s: %d of %d hashes differ" % (what, len(wrong), len(want)))
    print("%s: %d hashes agree" % (what, len(want)))


def restarted(what, command, extra, folder, want, moments=True):
    """A server that begins with what lies in the folder."""
    with server.Server(command, ["--dir", folder] + extra) as s:
        compare(what, want, state(s.connect(), moments))
        bad = s.health()
        if bad:
            raise SystemExit("%s: %s" % (what, bad))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--server", required=True)
    ap.add_argument("--seed", type=int, default=random.randrange(10**9))
    ap.add_argument("--count", type=int, default=3000)
    args = ap.parse_args()
    print("seed %d" % args.seed)
    rnd = random.Random(args.seed)
    folder = tempfile.mkdtemp(prefix="skep-test-")
    try:
        with server.Server(args.server, ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]) as ours:
            conn = ours.connect()
            lone(conn)
            run(conn, rnd, args.count)
            time.sleep(2 * SHORT_MS / 1000)
            want = state(conn)
            conn.command("CONFIG", "SET", "appendfsync", "always")
            conn.command("SELECT", "9")
            conn.command("SET", "last", "word")  # its reply says that everything is on disk
            shutil.copytree(os.path.join(ours.dir, "skep-wal"), os.path.join(folder, "skep-wal"))
            restarted("the log", args.server, ["--appendonly", "yes"], folder, want)
            conn.command("DEL", "last")
            conn.command("SAVE")
            dump = os.path.join(ours.dir, "dump.rdb")
            shutil.copy(dump, folder)
            if open(dump, "rb").read(9) != b"REDIS0012":
                raise SystemExit("a dump in which fields expire is not of version 12")
            restarted("the dump", args.server, ["--appendonly", "no"], folder, want)
            for db, key in want:
                conn.command("SELECT", str(db))
                names = [row[0] for row in want[db, key][:-1]]
                conn.command("HPERSIST", key, "FIELDS", str(len(names)), *names)
            conn.command("DEBUG", "SET-ACTIVE-EXPIRE", "1")
            while b"subexpiry" in conn.command("INFO", "keyspace").value:
                time.sleep(0.01)
            want = state(conn, moments=False)
            conn.command("SAVE")
            shutil.copy(dump, folder)
            restarted("redis-server", "redis-server", ["--appendonly", "no"], folder, want, moments=False)
            bad = ours.health()
            if bad:
                raise SystemExit(bad)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
