#!/usr/bin/env python3
"""What the log says of commands, replayed by redis-server, gives the same keys: relative times, conditions, random choices
and floating point included.

    log_effects.py --server 'build/skep --workers 2' --skepctl build/skepctl [--seed N] [--count N]
"""

import argparse
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import server  # noqa: E402
from both import READ  # noqa: E402

KEYS = ["k%d" % i for i in range(12)]
DBS = 3


def number(rnd):
    return rnd.choice(["1", "-7", "10", "3000000000", "12.5", "abc"])


def text(rnd):
    return rnd.choice(["", "a", "17", "-3", "2.25", "x" * rnd.randrange(1, 90), "y" * rnd.choice([600, 5000, 20000])])


def seconds(rnd):
    """Long enough, in milliseconds too: nothing may expire before redis-server has been told of it."""
    return str(rnd.choice([1000000, 5000000, 9000000]))


# One row a command: K a key, V a value, N a number, S seconds from now, T a moment in ms, I a small index, F a small name.
# Words in brackets are there or not.
ROWS = """
SET K V|SET K V EX S|SET K V PX S|SET K V KEEPTTL|SET K V NX|SET K V XX GET|SET K V PXAT T|SETNX K V|SETEX K S V|PSETEX K S V
GETSET K V|GETDEL K|GETEX K EX S|GETEX K PERSIST|GETEX K PXAT T|APPEND K V|SETRANGE K I V|INCR K|DECR K|INCRBY K N|DECRBY K N
INCRBYFLOAT K N|MSET K V K V K V|MSETNX K V K V|DEL K|DEL K K K|UNLINK K|EXPIRE K S|PEXPIRE K S|EXPIREAT K 1|PEXPIREAT K T
EXPIRE K S NX|EXPIRE K S GT|EXPIRE K -1|PERSIST K|RENAME K K|RENAMENX K K|COPY K K|COPY K K REPLACE|COPY K K DB 1|MOVE K 2|TOUCH K
LPUSH K V V|RPUSH K V|LPOP K|RPOP K 2|LSET K I V|LINSERT K BEFORE a V|LREM K 0 a|LTRIM K 0 5|LMOVE K K LEFT RIGHT|RPUSHX K V|LMPOP 2 K K LEFT
RPOPLPUSH K K|HSET K F V F V|HSETNX K F V|HDEL K F|HINCRBY K F N|HINCRBYFLOAT K F N|HMSET K F V|SADD K V F N|SREM K F|SPOP K|SPOP K 2
SMOVE K K F|SINTERSTORE K K K|SUNIONSTORE K K K|SDIFFSTORE K K K|ZADD K 1 F 2 V|ZADD K GT N F|ZADD K INCR 1.5 F|ZINCRBY K N F
ZREM K F|ZPOPMIN K|ZPOPMAX K 2|ZREMRANGEBYRANK K 0 1|ZREMRANGEBYSCORE K 1 2|ZREMRANGEBYLEX K - [c|ZRANGESTORE K K 0 -1
ZUNIONSTORE K 2 K K|ZINTERSTORE K 2 K K|ZDIFFSTORE K 2 K K|ZMPOP 1 K MIN|GEOADD K 13.36 38.11 F|GEOSEARCHSTORE K K FROMLONLAT 13 38 BYRADIUS 200 km
SETBIT K I 1|BITOP OR K K K|BITFIELD K INCRBY u8 I 3|PFADD K V F|PFMERGE K K|PFCOUNT K|SORT K ALPHA STORE K|FLUSHDB|SWAPDB 0 1
"""
ROWS = [row.split() for line in ROWS.strip().splitlines() for row in line.split("|")]


def words(rnd, row, now_ms):
    made = {
        "K": lambda: rnd.choice(KEYS),
        "V": lambda: text(rnd),
        "N": lambda: number(rnd),
        "S": lambda: seconds(rnd),
        "T": lambda: str(now_ms + rnd.choice([-1000, 1000000, 50000000])),
        "I": lambda: str(rnd.randrange(8)),
        "F": lambda: rnd.choice("abcdef"),
    }
    return [made[w]() if w in made else w for w in row]


def restore(conn, rnd):
    payload = conn.command("DUMP", rnd.choice(KEYS)).value
    if payload is not None:
        conn.command("RESTORE", rnd.choice(KEYS), rnd.choice(["0", seconds(rnd) + "000"]), payload, "REPLACE")


def run(conn, rnd, count):
    told = conn.command("TIME").value
    now_ms = int(told[0].value) * 1000
    known = {c.value.upper() for c in conn.command("COMMAND", "LIST").value}
    rows = [r for r in ROWS if r[0].encode() in known]
    multi = b"MULTI" in known
    for i in range(count):
        if rnd.random() < 0.05:
            conn.command("SELECT", str(rnd.randrange(DBS)))
        if rnd.random() < 0.03:
            restore(conn, rnd)
            continue
        row = rnd.choice(rows)
        if row[0] in ("FLUSHDB", "SWAPDB") and rnd.random() < 0.9:
            continue
        if multi and rnd.random() < 0.05:
            conn.command("MULTI")
            for _ in range(rnd.randrange(1, 6)):
                conn.command(*words(rnd, rnd.choice(rows), now_ms))
            conn.command("EXEC")
            continue
        conn.command(*words(rnd, row, now_ms))
    return now_ms


def flat(reply):
    return [v.value for v in reply.value] if isinstance(reply.value, list) else reply.value


def state(conn):
    """Every key with its type, its value, and when it expires."""
    seen = {}
    for db in range(DBS):
        conn.command("SELECT", str(db))
        for key in sorted(k.value for k in conn.command("KEYS", "*").value):
            kind = conn.command("TYPE", key).value.decode()
            value = flat(conn.command(*READ[kind](key)))
            if kind == "set":
                value = sorted(value)
            elif kind == "hash":
                value = sorted(zip(value[::2], value[1::2]))
            seen[db, key] = (kind, value, conn.command("PEXPIRETIME", key).value)
    return seen


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--server", required=True)
    ap.add_argument("--skepctl", required=True)
    ap.add_argument("--seed", type=int, default=random.randrange(10**9))
    ap.add_argument("--count", type=int, default=4000)
    args = ap.parse_args()
    print("seed %d" % args.seed)
    rnd = random.Random(args.seed)
    never = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]
    with server.Server(args.server, never) as ours, server.Server("redis-server") as redis:
        conn = ours.connect()
        run(conn, rnd, args.count)
        expected = state(conn)
        conn.command("CONFIG", "SET", "appendfsync", "always")
        conn.command("SELECT", "9")
        conn.command("SET", "last", "word")  # its reply says that everything is on disk
        log = subprocess.run([args.skepctl, "wal", "dump", ours.dir], capture_output=True)
        if log.returncode:
            raise SystemExit("skepctl wal dump: " + log.stderr.decode())
        piped = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], input=log.stdout, capture_output=True)
        if b"errors: 0" not in piped.stdout:
            raise SystemExit("redis-server does not take the log: " + piped.stdout.decode() + piped.stderr.decode())
        got = state(redis.connect())
        wrong = [k for k in sorted(set(expected) | set(got)) if expected.get(k) != got.get(k)]
        for k in wrong[:5]:
            print("%r: ours %.300r, replayed %.300r" % (k, expected.get(k), got.get(k)))
        if wrong:
            raise SystemExit("%d of %d keys differ" % (len(wrong), len(expected)))
        print("%d keys agree" % len(expected))


if __name__ == "__main__":
    main()
