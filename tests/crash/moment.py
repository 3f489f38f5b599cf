#!/usr/bin/env python3
"""Is a snapshot under load one moment? redis-server loads the file and says what is in it.

Each client changes its keys in turn and in ever the same order, waiting for nothing but that order. So at any moment a
later one has counted as far as an earlier one, or one less, and what one command changes has changed together."""

import os
import shutil
import subprocess
import sys
import threading

from crowd import WAIT_S, Failure, check_arena, main, wait_for
from persist import Lasting, expect, info
import resp
import server

CLIENTS, GROUP, BLOB, FAR_MS, STABLE = 6, 5, 9000, 4102444800000, 3000
SMALL, LARGE = 6, 1500  # elements of collections: packed, and in trees
FILES = 5


class Writer(threading.Thread):
    def __init__(self, s, i):
        super().__init__(daemon=True)
        self.c, self.i, self.n, self.error = s.connect(), i, 0, None
        self.stopping = False
        self.ask(["SET", "blob%d" % i, "%08d" % 0 + "." * (BLOB - 8)], ["SET", "text%d" % i, "t" * 100])
        self.ask(["SET", "timed%d" % i, "v", "PXAT", str(FAR_MS)], ["SET", "name%d:0" % i, "v" * 5000])
        for size in (SMALL, LARGE):
            old = [str(n) for n in range(1 - size, 1)]
            self.ask(["RPUSH", "list%d:%d" % (i, size)] + old, ["SADD", "set%d:%d" % (i, size)] + old)
            self.ask(["HSET", "hash%d:%d" % (i, size)] + [w for n in old for w in ("field%d" % (int(n) % size), n)])
            self.ask(["ZADD", "zset%d:%d" % (i, size)] + [w for n in old for w in (n, "member%d" % (int(n) % size))])

    def ask(self, *commands):
        self.c.send_raw(b"".join(resp.encode([a.encode() for a in argv]) for argv in commands))
        for argv in commands:
            answer = self.c.read()
            if answer.kind == "error":
                raise Failure("%r: %r" % (argv, answer.value))

    def collections(self, n, size):
        """Each holds the last size numbers; a list and a set one more while it is being changed."""
        name = "%d:%d" % (self.i, size)
        return [
            ["RPUSH", "list" + name, str(n)],
            ["LPOP", "list" + name],
            ["HSET", "hash" + name, "field%d" % (n % size), str(n)],
            ["ZADD", "zset" + name, str(n), "member%d" % (n % size)],
            ["SADD", "set" + name, str(n)],
            ["SREM", "set" + name, str(n - size)],
        ]

    def turn(self):
        i, n = self.i, self.n + 1
        self.ask(
            ["INCR", "count%d" % i],
            ["MSET"] + [w for k in range(GROUP) for w in ("group%d:%d" % (i, k), str(n))],
            ["APPEND", "text%d" % i, "x"],
            ["SETRANGE", "blob%d" % i, "0", "%08d" % n],
            ["PEXPIREAT", "timed%d" % i, str(FAR_MS + n)],
            *self.collections(n, SMALL),
            *self.collections(n, LARGE),
            ["RENAME", "name%d:%d" % (i, (n - 1) % 2), "name%d:%d" % (i, n % 2)],
        )
        self.n = n

    def run(self):
        try:
            while not self.stopping:
                self.turn()
        except Exception as e:  # any error of the thread is the test's
            self.error = e


def swap(c):
    """Databases 2 and 3 change places again and again, and 4 is emptied and filled."""
    for argv in (["SWAPDB", "2", "3"], ["SELECT", "4"], ["FLUSHDB"], ["MSET", "x", "1", "y", "1"], ["SELECT", "0"]):
        if c.command(*argv).kind == "error":
            raise Failure("%r was refused" % argv)


def number(c, *argv):
    value = c.command(*argv).value
    return int(value or 0)


def numbers(c, name, size, *argv):
    """The newest of the numbers that the collection holds: they must be the last size ones, or one more."""
    found = sorted(int(v.value) for v in c.command(*argv).value)
    if len(found) not in (size, size + 1) or found != list(range(found[0], found[0] + len(found))):
        raise Failure(name + "%r holds %d numbers: %.200r" % (argv, len(found), found))
    return found


def check_collections(c, i, size, name):
    """The last turns that each of them shows, in the order of their changes."""
    key = "%d:%d" % (i, size)
    items = numbers(c, name, size, "LRANGE", "list" + key, 0, -1)
    fields = numbers(c, name, size, "HVALS", "hash" + key)
    members = numbers(c, name, size, "SMEMBERS", "set" + key)
    if [int(v.value) for v in c.command("LRANGE", "list" + key, 0, -1).value] != items:
        raise Failure(name + "the list is in no order")
    scored = [v.value for v in c.command("ZRANGE", "zset" + key, 0, -1, "WITHSCORES").value]
    pairs = [(int(scored[k + 1]), scored[k]) for k in range(0, len(scored), 2)]
    first = pairs[0][0]
    if pairs != [(n, b"member%d" % (n % size)) for n in range(first, first + size)]:
        raise Failure(name + "the sorted set holds %.200r" % pairs)
    return [items[-1], items[0] + size - 1, fields[-1], pairs[-1][0], members[-1], members[0] + size - 1]


def check_client(c, i):
    name = "client %d: " % i
    count = number(c, "GET", "count%d" % i)
    group = {int(v.value or 0) for v in c.command("MGET", *["group%d:%d" % (i, k) for k in range(GROUP)]).value}
    if len(group) != 1:
        raise Failure(name + "one MSET is there by halves: %r" % group)
    blob = c.command("GET", "blob%d" % i).value
    if len(blob) != BLOB or blob[8:].strip(b"."):
        raise Failure(name + "the long value is torn")
    chain = [
        count,
        group.pop(),
        number(c, "STRLEN", "text%d" % i) - 100,
        int(blob[:8]),
        number(c, "PEXPIRETIME", "timed%d" % i) - FAR_MS,
    ]
    chain += check_collections(c, i, SMALL, name) + check_collections(c, i, LARGE, name)
    if any(a < b for a, b in zip(chain, chain[1:])) or chain[0] - chain[-1] > 1:
        raise Failure(name + "no moment ever had %r" % chain)
    names = [k for k in range(2) if number(c, "STRLEN", "name%d:%d" % (i, k)) == 5000]
    if names not in ([chain[-1] % 2], [(chain[-1] - 1) % 2]):
        raise Failure(name + "%r after %d renames" % (names, chain[-1]))
    return count


def check_file(folder):
    """What redis-server finds in the folder's dump.rdb."""
    said = subprocess.run(["redis-check-rdb", os.path.join(folder, "dump.rdb")], capture_output=True, text=True)
    if said.returncode or "RDB looks OK" not in said.stdout or "Checksum OK" not in said.stdout:
        raise Failure("redis-check-rdb: " + said.stdout[-400:])
    judge = server.Server("redis-server")
    shutil.copy(os.path.join(folder, "dump.rdb"), judge.dir)
    with judge as j:
        c = j.connect()
        counts = [check_client(c, i) for i in range(CLIENTS)]
        if number(c, "DBSIZE") != CLIENTS * (GROUP + 5 + 8) + STABLE:
            raise Failure("%d keys" % number(c, "DBSIZE"))
        swapped = []
        for db in (2, 3):
            c.command("SELECT", str(db))
            swapped.append((number(c, "EXISTS", "two"), number(c, "EXISTS", "three"), number(c, "DBSIZE")))
        if sorted(swapped) != [(0, 1, 1), (1, 0, 1)]:
            raise Failure("databases 2 and 3 hold %r" % swapped)
        c.command("SELECT", "4")
        if number(c, "DBSIZE") not in (0, 2):
            raise Failure("one MSET is there by halves, in database 4")
        return counts


def fill(s):
    c = s.connect()
    c.send_raw(b"".join(resp.encode([b"SET", b"stable:%d" % i, b"%d" % i * (i % 30)]) for i in range(STABLE)))
    for _ in range(STABLE):
        c.read()
    for db, key in ((2, "two"), (3, "three")):
        c.command("SELECT", str(db))
        c.command("SET", key, "v" * 7000)
    c.command("SELECT", "0")
    return c


def under_load(s, work):
    """Calls work(connection) FILES times while clients write and databases are swapped."""
    c = fill(s)
    clients = [Writer(s, i) for i in range(CLIENTS)]
    for w in clients:
        w.start()
    for n in range(FILES):
        before = [w.n for w in clients]
        wait_for("everybody writes", lambda: all(w.error or w.n > b + 5 for w, b in zip(clients, before)))
        work(c, n)
        for w in clients:
            if w.error:
                raise w.error
    for w in clients:
        w.stopping = True
        w.join(WAIT_S)
    return c, clients


def saves(start):
    """Saves under load, slow ones and quick ones, each of one moment, and each later than the one before."""
    with start("--workers", "2") as s:
        seen = [[0] * CLIENTS]

        def work(c, n):
            expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", str(n % 3 * 50), "rdbcompression",
                   "yes" if n % 2 else "no")
            saved = int(info(c, "rdb_saves"))
            expect(c, "+Background saving started", "BGSAVE")
            while info(c, "rdb_bgsave_in_progress") == "1":
                swap(c)
            if int(info(c, "rdb_saves")) != saved + 1:
                raise Failure("the save failed")
            seen.append(check_file(s.dir))
            if any(a > b for a, b in zip(seen[-2], seen[-1])):
                raise Failure("a later file shows an earlier moment")

        c, _ = under_load(s, work)
        check_arena(c)


def bases(start):
    """Each rewrite makes a new base of the log, and older files go; a save makes none. A start finds all."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        folder = s.path("skep-wal")

        def files(end):
            return sorted(f for f in os.listdir(folder) if f.endswith(end))

        def work(c, n):
            was = files(".rdb")
            c.command("BGREWRITEAOF" if n % 2 else "BGSAVE")
            if n % 2:
                wait_for("a newer base", lambda: files(".rdb") and files(".rdb")[-1] > (was or [""])[-1])
            wait_for("the end", lambda: info(c, "rdb_bgsave_in_progress") == info(c, "aof_rewrite_in_progress") == "0")
            if not n % 2 and files(".rdb") != was:
                raise Failure("a save has changed the log")
            wait_for("older bases go", lambda: len(files(".rdb")) == 1)
            # The writer has its next segment ready for as long as it wants.
            wait_for("nothing unfinished is left", lambda: files(".tmp") in ([], ["next.tmp"]))

        c, clients = under_load(s, work)
        s.end()
        s.again()
        c = s.connect()
        for w in clients:
            if check_client(c, w.i) != w.n:
                raise Failure("client %d had %d" % (w.i, w.n))
        check_arena(c)


if __name__ == "__main__":
    sys.exit(main({"saves": saves, "bases": bases}, Lasting))
