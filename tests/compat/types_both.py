#!/usr/bin/env python3
"""Lists, sets, hashes and sorted sets between redis-server and ours: payloads of DUMP and RDB files, in both directions, and
the encodings of old versions.

    types_both.py --server 'build/skep --workers 2' [--seed N]
"""

import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import both  # noqa: E402
import old_encodings as old  # noqa: E402
import server  # noqa: E402

FEW = b"aabc" * 64  # makes random bytes into what can be compressed
LATER_MS = int(time.time() * 1000) + 10**8


def value(conn, *words):
    r = conn.command(*words)
    if r.kind == "error":
        raise SystemExit("%.60r: %s" % (words, r.value))
    return r.value


def plain(v):
    return [x.value for x in v]


def pairs(v):
    v = plain(v)
    return sorted(zip(v[::2], v[1::2]))


def content(conn, key):
    """(type, elements), unordered ones sorted; scores as the servers print them."""
    kind = value(conn, "TYPE", key)
    kind = kind.decode() if isinstance(kind, bytes) else kind
    if kind == "string":
        return kind, value(conn, "GET", key)
    if kind == "list":
        return kind, plain(value(conn, "LRANGE", key, 0, -1))
    if kind == "set":
        return kind, sorted(plain(value(conn, "SMEMBERS", key)))
    if kind == "hash":
        return kind, pairs(value(conn, "HGETALL", key))
    if kind == "zset":
        return kind, plain(value(conn, "ZRANGE", key, 0, -1, "WITHSCORES"))
    return kind, None


def contents(conn):
    found = {}
    for r in value(conn, "KEYS", "*"):
        found[r.value] = content(conn, r.value) + (int(value(conn, "PEXPIRETIME", r.value)),)
    return found


def same(what, wanted, got):
    if wanted != got:
        raise SystemExit("%s:\nwanted %.400r\ngot    %.400r" % (what, wanted, got))


# Names that differ between versions: our encodings are those of 7.2, and 7.0 has no small lists, nor sets of few strings.
def same_encoding(what, kind, redis, ours):
    if kind == "list" or (kind == "set" and redis == b"hashtable" and ours == b"listpack"):
        return
    same("the encoding of " + what, redis, ours)


def compress(rnd, *conns):
    """Lists that are made from now on are compressed, with windows of different widths."""
    for conn in conns:
        value(conn, "CONFIG", "SET", "list-compress-depth", rnd.randrange(1, 4))


# ---- keys of every type and size ----


def some_item(rnd, i):
    kind = rnd.randrange(8)
    if kind == 0:
        return b"%d" % (i * rnd.choice((1, -1, 1000003, 2**40)))
    if kind == 1:
        return b"item %d " % i + rnd.randbytes(rnd.randrange(60))
    if kind == 2:
        return b"long %d " % i + rnd.randbytes(rnd.choice((64, 300, 5000))).translate(FEW)
    return b"item:%d" % i


def fill(conn, rnd):
    def add(name, add_one, n):
        batch = []
        for i in range(n):
            batch += add_one(i)
            if len(batch) >= 200:
                value(conn, name[0], name[1], *batch)
                batch = []
        if batch:
            value(conn, name[0], name[1], *batch)
        if rnd.randrange(3) == 0:
            value(conn, "PEXPIREAT", name[1], LATER_MS + n)

    for n in (1, 3, 30, 128, 129, 513, 6000):
        add(("RPUSH", "list:%d" % n), lambda i: [some_item(rnd, i)], n)
        add(("SADD", "set:%d" % n), lambda i: [some_item(rnd, i)], n)
        add(("SADD", "ints:%d" % n), lambda i: [b"%d" % ((i - 5) * 7)], n)
        add(("SADD", "wide:%d" % n), lambda i: [b"%d" % (i * 2**45 - 2**50)], n)
        add(("HSET", "hash:%d" % n), lambda i: [b"field:%d" % i, some_item(rnd, i)], n)
        add(("HSET", "short:%d" % n), lambda i: [b"f%d" % i, b"%d" % i], n)
        add(("ZADD", "zset:%d" % n), lambda i: [rnd.choice((b"%d" % (i % 9), b"%r" % rnd.random())), some_item(rnd, i)], n)
        add(("ZADD", "same:%d" % n), lambda i: [b"0", b"m%d" % i], n)
        add(("RPUSH", "words:%d" % n), lambda i: [b"%d" % rnd.randrange(10**rnd.randrange(18))], n)
    value(conn, "ZADD", "edges", "inf", "a", "-inf", "b", "-0.0", "c", "1e300", "d", "5e-324", "e", "0.1", "", "1", "1")
    value(conn, "HSET", "empty strings", "", "", "a", "")
    value(conn, "SADD", "empty member", "")
    value(conn, "RPUSH", "big", b"x" * 300000, "", rnd.randbytes(100000), "1")
    value(conn, "HSET", "big hash", b"f" * 3000, rnd.randbytes(70000), "small", "1")
    value(conn, "SADD", "big set", rnd.randbytes(50000), b"m" * 1025, "1")
    value(conn, "ZADD", "big zset", 1, rnd.randbytes(50000), 2, b"m" * 1025)
    value(conn, "SET", "string", "as before")


# ---- DUMP and RESTORE ----


def payloads(ours, redis):
    for key in sorted(plain(value(redis, "KEYS", "*"))):
        wanted = content(redis, key)
        value(ours, "RESTORE", key, 0, value(redis, "DUMP", key), "REPLACE")
        same("%r of redis-server restored" % key, wanted, content(ours, key))
        same_encoding(repr(key), wanted[0], value(redis, "OBJECT", "ENCODING", key), value(ours, "OBJECT", "ENCODING", key))
        value(redis, "RESTORE", b"back", LATER_MS, value(ours, "DUMP", key), "REPLACE", "ABSTTL")
        same("%r of ours restored" % key, wanted, content(redis, b"back"))
        same("the encoding of %r" % key, value(redis, "OBJECT", "ENCODING", key), value(redis, "OBJECT", "ENCODING", b"back"))
        value(ours, "RESTORE", b"own", LATER_MS, value(ours, "DUMP", key), "REPLACE", "ABSTTL")
        same("%r of ours restored by ours" % key, wanted, content(ours, b"own"))
        same("the expiry of %r" % key, LATER_MS, int(value(ours, "PEXPIRETIME", b"own")))
        value(redis, "DEL", "back")


# ---- the encodings of old versions ----


def old_values(rnd):
    items = [b"", b"a", b"12", b"0", b"13", b"-1", b"127", b"128", b"-128", b"4095", b"-4096", b"4096", b"32767", b"-32768"]
    items += [b"8388607", b"-8388608", b"2147483647", b"-2147483649", b"9223372036854775807", b"007", b"-0"]
    items += [b"x" * n for n in (62, 63, 64, 120, 127, 128, 245, 254, 300, 4095, 4096, 16300, 16383, 16384, 17000)]
    few = [b"one", b"2", b"three"]
    many = [b"item:%d" % i for i in range(700)]
    for name, some in (("all", items), ("few", few), ("many", many)):
        for how, kind, body in old.lists(some):
            yield "%s, %s" % (how, name), kind, body
        for how, kind, body in old.sets(some):
            yield "%s, %s" % (how, name), kind, body
        fields = [(s, some[-1 - i]) for i, s in enumerate(some)]
        for how, kind, body in old.hashes(fields):
            yield "%s, %s" % (how, name), kind, body
        scores = sorted((rnd.choice((float(i), rnd.random() * 10**i, 1.5)) if i < 300 else i, m) for i, m in enumerate(some))
        scores = [(m, s) for s, m in scores]
        for how, kind, body in old.zsets([(b"low", float("-inf"))] + scores + [(b"high", float("inf"))]):
            yield "%s, %s" % (how, name), kind, body
    for numbers in ([5], [-3, 0, 7], [2**20, -1], [2**40, 3, -(2**40)], list(range(600))):
        for how, kind, body in old.sets([b"%d" % v for v in sorted(numbers)]):
            yield "%s of %d" % (how, len(numbers)), kind, body


def old_encodings(ours, redis, rnd):
    for what, kind, body in old_values(rnd):
        text = old.payload(kind, body)
        for conn in (ours, redis):
            value(conn, "RESTORE", "k", 0, text, "REPLACE")
        wanted = content(redis, "k")
        same(what, wanted, content(ours, "k"))
        same_encoding(what, wanted[0], value(redis, "OBJECT", "ENCODING", "k"), value(ours, "OBJECT", "ENCODING", "k"))
    # Redis 7.2's, which 7.0 does not know.
    for members, enc in (([b"a", b"1", b"x" * 100], b"listpack"), ([b"1", b"2"], b"listpack"), ([b"%d" % i for i in range(200)], b"hashtable")):
        value(ours, "RESTORE", "k", 0, old.payload(old.SET_LISTPACK, old.string(old.listpack(members)), 11), "REPLACE")
        same("a set's listpack", ("set", sorted(members)), content(ours, "k"))
        same("its encoding", enc, value(ours, "OBJECT", "ENCODING", "k"))


def damaged(rnd):
    """Payloads with a right checksum and a wrong value."""
    two = [b"a", b"b"]
    zip2, pack2 = old.ziplist(two), old.listpack(two)
    yield "no elements", old.SET, old.length(0)
    yield "no nodes", old.LIST_QUICKLIST_2, old.length(0)
    yield "an empty node", old.LIST_QUICKLIST, old.length(1) + old.string(old.ziplist([]))
    yield "a member twice", old.SET, old.length(2) + old.string(b"m") * 2
    yield "a field twice", old.HASH_LISTPACK, old.string(old.listpack([b"f", b"1", b"f", b"2"]))
    yield "a field twice", old.HASH_ZIPLIST, old.string(old.ziplist([b"f", b"1", b"f", b"2"]))
    yield "a member twice", old.ZSET_LISTPACK, old.string(old.listpack([b"m", b"1", b"m", b"2"]))
    yield "a field alone", old.HASH_LISTPACK, old.string(old.listpack([b"f"]))
    yield "more than there is", old.SET, old.length(3) + old.string(b"m")
    yield "wrong bytes", old.LIST_ZIPLIST, old.string(b"\x99" + zip2[1:])
    yield "no end", old.LIST_ZIPLIST, old.string(zip2[:-1])
    yield "wrong bytes", old.HASH_LISTPACK, old.string(b"\x99" + pack2[1:])
    yield "no end", old.HASH_LISTPACK, old.string(pack2[:-1])
    yield "NaN", old.ZSET, old.length(1) + old.string(b"m") + b"\xfd"
    yield "NaN", old.ZSET_2, old.length(1) + old.string(b"m") + b"\xff" * 8
    yield "an odd intset", old.SET_INTSET, old.string(old.intset([1, 2])[:-1])
    yield "an intset of 3 bytes each", old.SET_INTSET, old.string(b"\3\0\0\0\2\0\0\0abcdef")
    yield "a zipmap cut", old.HASH_ZIPMAP, old.string(old.zipmap([(b"f", b"v")])[:-2])
    yield "a node of kind 3", old.LIST_QUICKLIST_2, old.length(1) + old.length(3) + old.string(pack2)
    yield "a long list's last node", old.LIST_QUICKLIST_2, long_list(40) + old.length(2) + old.string(pack2[:-1])


def long_list(nodes):
    """One that tells of one node more than follow: of many items, some of which are long."""
    items = [b"item:%d" % i + b"x" * (2000 if i % 50 == 7 else 0) for i in range(100)]
    return old.length(nodes + 1) + (old.length(2) + old.string(old.listpack(items))) * nodes


def refusals(ours, redis, rnd):
    value(ours, "SET", "k", "stays")
    value(redis, "CONFIG", "SET", "sanitize-dump-payload", "yes")  # else it believes most of what a listpack says
    for what, kind, body in damaged(rnd):
        text = old.payload(kind, body)
        for conn in (redis, ours):
            r = conn.command("RESTORE", "k", 0, text, "REPLACE")
            same("the answer to " + what, ("error", "ERR Bad data format"), (r.kind, r.value if isinstance(r.value, str) else r.value.decode()))
        same("the key that was to be replaced", ("string", b"stays"), content(ours, "k"))
    value(ours, "MULTI")
    for words in (("SET", "before", "1"), ("RESTORE", "k", 0, text, "REPLACE"), ("SET", "after", "2")):
        value(ours, *words)
    same("EXEC", ["status", "error", "status"], [r.kind for r in value(ours, "EXEC")])
    same("keys around it", ["1", "2", "stays"], [value(ours, "GET", k).decode() for k in ("before", "after", "k")])
    r = ours.command("RESTORE", "k", 1, text, "REPLACE", "ABSTTL")
    same("the answer to what is over already", "error", r.kind)
    same("the key that was to be replaced", ("string", b"stays"), content(ours, "k"))
    # What Redis does not look at: here it is an error, too.
    zip2, pack2 = old.ziplist([b"a", b"b"]), old.listpack([b"a", b"b"])
    for text in (
        old.payload(old.LIST_ZIPLIST, old.string(zip2[:10] + b"\7" + zip2[11:])),
        old.payload(old.LIST_ZIPLIST, old.string(old.ziplist([b"a", b"b"], told=3))),
        old.payload(old.HASH_LISTPACK, old.string(old.listpack([b"a", b"b"], told=4))),
        old.payload(old.HASH_LISTPACK, old.string(pack2[:8] + b"\5" + pack2[9:])),
    ):
        r = ours.command("RESTORE", "k", 0, text, "REPLACE")
        same("the answer to a damaged blob", "error", r.kind)
    value(ours, "DEL", "k")
    some = [v for v in old_values(rnd) if len(v[2]) < 3000]
    for cut in range(300):
        _, kind, body = rnd.choice(some)
        body = bytearray(body)
        for _ in range(1 + cut % 3):
            body[rnd.randrange(len(body))] = rnd.randrange(256)
        ours.command("RESTORE", "k", 0, old.payload(kind, bytes(body)), "REPLACE")
    value(ours, "DEL", "k")


# ---- files ----


def files(opts, rnd):
    with server.Server(opts.server) as ours, server.Server("redis-server") as redis:
        a, b = ours.connect(), redis.connect()
        compress(rnd, a, b)
        fill(b, rnd)
        wanted = contents(b)
        value(b, "SAVE")
        shutil.copy(os.path.join(redis.dir, "dump.rdb"), os.path.join(ours.dir, "dump.rdb"))
        value(a, "DEBUG", "RELOAD", "NOSAVE", "NOFLUSH")
        same("loaded from redis-server's file", wanted, contents(a))
        value(a, "DEBUG", "RELOAD")
        same("reloaded from our own file", wanted, contents(a))
        for key, (kind, _, _) in wanted.items():
            same_encoding(repr(key), kind, value(b, "OBJECT", "ENCODING", key), value(a, "OBJECT", "ENCODING", key))
        value(a, "SAVE")
        shutil.copy(os.path.join(ours.dir, "dump.rdb"), os.path.join(redis.dir, "dump.rdb"))
        value(b, "DEBUG", "RELOAD", "NOSAVE")
        same("redis-server with our file", wanted, contents(b))
        illness = ours.health()
    return illness or ours.bad_end


def old_files(opts, rnd):
    """One file with all the encodings of old versions, by the names of the forms."""
    body = b"".join(bytes([kind]) + old.string(b"%s %d" % (what.encode(), i)) + text for i, (what, kind, text) in enumerate(old_values(rnd)))
    with server.Server(opts.server) as ours, server.Server("redis-server") as redis:
        conns = {s: s.connect() for s in (ours, redis)}
        for version in b"0006", b"0010":
            for srv, conn in conns.items():
                with open(os.path.join(srv.dir, "dump.rdb"), "wb") as f:
                    f.write(b"REDIS" + version + body + b"\xff" + bytes(8))
                value(conn, "DEBUG", "RELOAD", "NOSAVE")
            same("loaded from a file of version %s" % version.decode(), contents(conns[redis]), contents(conns[ours]))
        illness = ours.health()
    return illness or ours.bad_end


# ---- the log ----


def log(opts, rnd):
    """What was restored comes back from the log."""
    appends = ["--appendonly", "yes"]
    with server.Server(opts.server, appends) as ours, server.Server("redis-server") as redis:
        a, b = ours.connect(), redis.connect()
        compress(rnd, a)
        fill(b, rnd)
        for key, (_, _, expiry) in contents(b).items():
            value(a, "RESTORE", key, max(expiry, 0), value(b, "DUMP", key), "ABSTTL")
        value(a, "CONFIG", "SET", "appendfsync", "always")
        value(a, "SET", "last", "its reply says that all is on disk")
        again = server.Server(opts.server, appends)
        shutil.copytree(ours.dir, again.dir, dirs_exist_ok=True)
        with again:
            same("replayed from the log", contents(a), contents(again.connect()))
            illness = again.health()
    return illness or again.bad_end


def main():
    opts, rnd = both.options("types_both.py", __doc__)
    with both.connected(opts.server) as (a, b):
        fill(b, rnd)
        payloads(a, b)
        old_encodings(a, b, rnd)
        refusals(a, b, rnd)
    sys.exit(files(opts, rnd) or old_files(opts, rnd) or log(opts, rnd) or 0)


if __name__ == "__main__":
    main()
