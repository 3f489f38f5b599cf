#!/usr/bin/env python3
"""RDB files between redis-server and shm/format: it loads what rdb_out writes, rdb_in reads what it saves.

    rdb_files.py --tool build/tests/rdb_file [--seed N]
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import both  # noqa: E402
import server  # noqa: E402


def hexed(b):
    return b.hex() or "-"


def unhexed(s):
    return b"" if s == "-" else bytes.fromhex(s)


def value(conn, *words):
    r = conn.command(*words)
    if r.kind == "error":
        raise SystemExit("%r: %s" % (words[:2], r.value))
    return r.value


def some_value(rnd):
    kind = rnd.randrange(6)
    if kind == 0:
        return b"%d" % rnd.choice((rnd.randrange(-200, 200), rnd.randrange(-(2**33), 2**33), rnd.randrange(2**63)))
    if kind == 1:
        return rnd.randbytes(rnd.randrange(30))
    if kind == 2:
        return rnd.choice((b"x", b"abc")) * rnd.randrange(2000)
    if kind == 3:
        return bytes(rnd.choice(b"abcd") for _ in range(rnd.randrange(3000)))
    return b"value:%d" % rnd.randrange(10**9)


# ---- redis-server writes ----


def fill(conn, rnd):
    for db in (0, 3, 15):
        value(conn, "SELECT", db)
        for i in range(60):
            name = rnd.choice((b"key:%d" % i, b"%d" % i, b"k" * 40 + b"%d" % i))
            value(conn, "SET", name, some_value(rnd))
            if i % 4 == 0:
                value(conn, "PEXPIREAT", name, int(time.time() * 1000) + 10**7 + i)
        for n in (3, 1000):  # a compact encoding, and the other
            for i in range(n):
                item = rnd.choice((b"%d" % i, b"item %d" % i + b"z" * rnd.randrange(100)))
                value(conn, "RPUSH", "list:%d" % n, item)
                value(conn, "SADD", "set:%d" % n, item)
                value(conn, "SADD", "ints:%d" % n, i * 1000003)
                value(conn, "ZADD", "zset:%d" % n, rnd.random() * 10**i if i < 300 else i, item)
                value(conn, "HSET", "hash:%d" % n, item, some_value(rnd))
                value(conn, "XADD", "stream:%d" % n, "%d-1" % (i + 1), "field", item)
            value(conn, "ZADD", "zset:%d" % n, "inf", "more", "-inf", "less")
            value(conn, "RPUSH", "list:%d" % n, b"plain" * 4000)
            value(conn, "XGROUP", "CREATE", "stream:%d" % n, "group", "0")
            value(conn, "XREADGROUP", "GROUP", "group", "one", "COUNT", "40", "STREAMS", "stream:%d" % n, ">")
            value(conn, "XREADGROUP", "GROUP", "group", "two", "COUNT", "1", "STREAMS", "stream:%d" % n, ">")
            value(conn, "XACK", "stream:%d" % n, "group", "1-1")
            value(conn, "XDEL", "stream:%d" % n, "2-1")
    value(conn, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")


def contents(conn):
    """{(db, key): (type, expiry, value or None)}"""
    found = {}
    for db in range(16):
        value(conn, "SELECT", db)
        for r in value(conn, "KEYS", "*"):
            key = r.value
            kind = value(conn, "TYPE", key)
            kind = kind.decode() if isinstance(kind, bytes) else kind
            text = value(conn, "GET", key) if kind == "string" else None
            found[db, key] = (kind, int(value(conn, "PEXPIRETIME", key)), text)
    return found


def read(tool, path, policy):
    out = subprocess.run([tool, "read", path], stdout=subprocess.PIPE, check=False)
    lines = out.stdout.decode().splitlines()
    if out.returncode != 0:
        raise SystemExit("%s: %s" % (path, lines[-1:]))
    if lines[-1] != "end %d" % os.path.getsize(path):
        raise SystemExit("the file has %d bytes, but: %s" % (os.path.getsize(path), lines[-1]))
    found, aux, functions = {}, {}, []
    for words in map(str.split, lines[:-1]):
        if words[0] == "aux":
            aux[unhexed(words[1])] = unhexed(words[2])
        elif words[0] == "function":
            functions.append(unhexed(words[2]))
        else:
            _, db, kind, key, expiry, idle, freq = words[:7]
            text = unhexed(words[7]) if kind == "string" else None
            found[int(db), unhexed(key)] = (kind, int(expiry), text)
            told = (int(idle) >= 0, int(freq) >= 0)
            if told != ("lru" in policy, "lfu" in policy):
                raise SystemExit("idle time %s, frequency %s with the policy %s" % (idle, freq, policy))
    return found, aux, functions


def different(what, wanted, got):
    for k in sorted(set(wanted) | set(got)):
        if wanted.get(k) != got.get(k):
            raise SystemExit("%s: %r is %.300r, not %.300r" % (what, k, got.get(k), wanted.get(k)))


def redis_writes(tool, rnd):
    with server.Server("redis-server") as srv:
        conn = srv.connect()
        fill(conn, rnd)
        wanted = contents(conn)
        path = os.path.join(srv.dir, "dump.rdb")
        for compression in ("yes", "no"):
            for policy in ("noeviction", "allkeys-lru", "volatile-lfu"):
                value(conn, "CONFIG", "SET", "rdbcompression", compression, "maxmemory-policy", policy)
                value(conn, "SAVE")
                found, aux, functions = read(tool, path, policy)
                different("rdbcompression %s, %s" % (compression, policy), wanted, found)
                if aux[b"redis-ver"] != value(conn, "INFO", "server").split(b"redis_version:")[1].split()[0]:
                    raise SystemExit("the field redis-ver is %r" % aux)
                if len(functions) != 1 or not functions[0].startswith(b"#!lua name=lib"):
                    raise SystemExit("functions: %r" % functions)
    return wanted


def redis_writes_unsummed(tool, rnd):
    with server.Server("redis-server", ["--rdbchecksum", "no"]) as srv:
        conn = srv.connect()
        fill(conn, rnd)
        value(conn, "SAVE")
        found, _, _ = read(tool, os.path.join(srv.dir, "dump.rdb"), "noeviction")
        different("rdbchecksum no", contents(conn), found)


# ---- redis-server reads ----


def made(rnd):
    keys = {}
    later = int(time.time() * 1000) + 10**7
    for db in (0, 1, 15):
        for i in range(300):
            key = rnd.choice((b"key:%d" % i, b"%d" % i, rnd.randbytes(12) + b"%d" % i, b"long" * 100 + b"%d" % i))
            keys[db, key] = ("string", rnd.choice((-1, later + i)), some_value(rnd))
        keys[db, b""] = ("string", -1, b"the empty key")
        keys[db, b"big, of few letters"] = ("string", -1, bytes(rnd.choice(b"abcd") for _ in range(400000)))
        keys[db, b"big, of all"] = ("string", later, rnd.randbytes(400000))
        keys[db, b"big, of one"] = ("string", -1, b"x" * 400000)
    return keys


def redis_loads(tool, keys, options, policy):
    srv = server.Server("redis-server", ["--dbfilename", "ours.rdb", "--maxmemory-policy", policy])
    path = os.path.join(srv.dir, "ours.rdb")
    lines = ["%d %s %s %d\n" % (db, hexed(k), hexed(v[2]), v[1]) for (db, k), v in keys.items()]
    subprocess.run([tool, "write", path] + options, input="".join(lines).encode(), check=True)
    check = subprocess.run(["redis-check-rdb", path], stdout=subprocess.PIPE, check=False)
    if check.returncode != 0 or b"RDB looks OK" not in check.stdout:
        raise SystemExit("redis-check-rdb: " + check.stdout.decode("latin-1"))
    found, _, _ = read(tool, path, policy)
    different("our own reader, %s" % options, keys, found)
    with srv:
        conn = srv.connect()
        value(conn, "SELECT", 0)
        freq = "lfu" in policy and value(conn, "OBJECT", "FREQ", "big, of all")
        idle = "lru" in policy and value(conn, "OBJECT", "IDLETIME", "big, of all")
        different("redis-server, %s" % options, keys, contents(conn))
        if "lfu" in policy and not 70 <= int(freq) <= 77:  # it decays by the minute
            raise SystemExit("the frequency is %s" % freq)
        if "lru" in policy and not 100 <= int(idle) <= 200:
            raise SystemExit("the idle time is %s" % idle)


def main():
    opts, rnd = both.options("rdb_files.py", __doc__, what="tool")
    tool = os.path.abspath(opts.tool)
    redis_writes(tool, rnd)
    redis_writes_unsummed(tool, rnd)
    keys = made(rnd)
    for options in ([], ["nocompress"], ["nochecksum"], ["nocompress", "nochecksum"]):
        redis_loads(tool, keys, options, "noeviction")
    redis_loads(tool, keys, ["lru"], "allkeys-lru")
    redis_loads(tool, keys, ["lfu"], "allkeys-lfu")


if __name__ == "__main__":
    main()
