#!/usr/bin/env python3
"""Our own log, sound, torn and damaged: `load_log.py SCENARIO build/tests/load_dir build/tests/make_wal`.

What the outcome must be follows from what persist/README.md says of torn and damaged.
"""

import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loading import Folder, Redis, command, expect, main, read  # noqa: E402

LOG = 0x5EED
ON = ("appendonly", "yes")


class Log:
    """A folder with a base and segments."""

    def __init__(self, f, make_wal):
        self.f = f
        self.make_wal = make_wal

    def base(self, lsn, *commands):
        with Redis() as r:
            r.keep_expired()
            r.pipe(list(commands))
            r.do("SAVE")
            self.f.write("skep-wal/base-%016x.rdb" % lsn, read(os.path.join(r.dir, "dump.rdb")))

    def segment(self, number, before, frames, log=LOG, name=None, synced=0):
        """frames: lists of records (LSN, DB, commands), or (packed, records). Answers where each frame begins and ends."""
        text = ["segment %d %d %d" % (log, number, before)]
        for records in frames:
            packed = "yes" if isinstance(records, tuple) else "no"
            for lsn, db, *commands in records[1] if packed == "yes" else records:
                text.append("record %d %d %s" % (lsn, db, b"".join(commands).hex()))
            text.append("frame %d %s" % (synced, packed))
        done = subprocess.run([self.make_wal], input="\n".join(text).encode(), capture_output=True, check=True)
        self.f.write("skep-wal/%016x.wal" % (number if name is None else name), done.stdout)
        return [line.split() for line in done.stderr.decode().splitlines()]

    def path(self, number):
        return self.f.path("skep-wal/%016x.wal" % number)


def words(loaded):
    return {k: int(loaded.words[k]) for k in ("lsn", "base", "next_segment", "durable")}


def names(loaded):
    return {(db, k.decode()): v[0].decode() for (db, k), v in loaded.keys.items()}


def chain(program, make_wal):
    """A base and segments behind it: records that the base has are skipped, packed ones are unpacked."""
    with Folder(program) as f:
        log = Log(f, make_wal)
        log.base(10, command("SET", "base", 1), command("SET", "n", 10), command("SET", "gone", 1, "PX", 1))
        log.segment(4, 0, [[(n, 0, command("SET", "n", n)) for n in range(1, 8)]])
        log.segment(5, 7, [[(n, 0, command("INCR", "n")) for n in range(8, 13)]])
        big = [(n, n % 3, command("APPEND", "big", "x" * 40), command("SET", "k%d" % n, "v")) for n in range(20, 90)]
        told = log.segment(6, 12, [(True, big[:40]), (True, big[40:]), [(100, 2, command("MSET", "a", 1, "b", 2))]])
        expect("packed", ["packed", "packed", "plain"], [t[2] for t in told])
        for loaders in (1, 2, 5):
            got = f.loads(*ON, loaders=loaders)
            found = names(got)
            expect("n", "12", found[0, "n"])
            expect("the base's keys", ("1", "1"), (found[0, "base"], found[0, "gone"]))
            expect("the last record", ("1", "2"), (found[2, "a"], found[2, "b"]))
            expect("all records", {d: 40 * len([n for n in range(20, 90) if n % 3 == d]) for d in range(3)},
                   {d: len(found[d, "big"]) for d in range(3)})
            expect("words", {"lsn": 100, "base": 10, "next_segment": 7, "durable": 100}, words(got))
            expect("no base is needed", "0", got.words["needs_base"])
        # An older base, and what was begun and not finished, do not count; nor does the folder while the log is off.
        log.base(3, command("SET", "old", 1))
        f.write("skep-wal/base-00000000000000ff.rdb.tmp", b"REDIS")
        f.write("skep-wal/0000000000000007.wal.tmp", b"")
        expect("the newest base", "12", names(f.loads(*ON))[0, "n"])
        expect("the log is off", {}, f.loads().keys)
        # Segments that the base covers are not looked at any more.
        f.write("skep-wal/0000000000000004.wal", b"rubbish")
        expect("an old segment", "12", names(f.loads(*ON))[0, "n"])


def order(program, make_wal):
    """The base first, then an expiry that has passed, and the command that removed the key: nothing goes by itself."""
    with Folder(program) as f:
        log = Log(f, make_wal)
        log.base(1, command("SET", "a", 1, "PX", 1))
        log.segment(1, 1, [[(2, 0, command("PERSIST", "a")), (3, 0, command("SET", "b", 1, "PXAT", 1000))],
                           [(4, 0, command("APPEND", "b", 2)), (5, 0, command("PEXPIREAT", "a", 5))]])
        got = f.loads(*ON)
        expect("keys", {(0, b"a"): (b"1", 5, "int"), (0, b"b"): (b"12", 1000, "raw")}, got.keys)


def alone(program, make_wal):
    """A base without segments, an empty segment, a folder with nothing in it."""
    with Folder(program) as f:
        log = Log(f, make_wal)
        os.mkdir(f.path("skep-wal"))
        got = f.loads(*ON)
        expect("nothing", ({}, "1"), (got.keys, got.words["needs_base"]))
        log.base(77, command("SET", "a", 1))
        expect("words", {"lsn": 77, "base": 77, "next_segment": 1, "durable": 77}, words(f.loads(*ON)))
        log.segment(9, 77, [])
        expect("words", {"lsn": 77, "base": 77, "next_segment": 10, "durable": 77}, words(f.loads(*ON)))
        with open(log.path(9), "ab") as s:
            s.write(bytes(4096))
        expect("room to write to", {"lsn": 77, "base": 77, "next_segment": 10, "durable": 77}, words(f.loads(*ON)))


def torn(program, make_wal):
    """The last segment, cut at every byte and changed at every byte behind its head: what was never synced is cut."""
    frames = [[(n, 0, command("SET", "k%d" % n, n), command("INCR", "n"))] for n in range(1, 4)]
    with Folder(program) as f:
        log = Log(f, make_wal)
        log.base(0)
        ends = [64] + [int(t[1]) for t in log.segment(1, 0, frames)]
        whole = read(log.path(1))
        for cut in range(ends[1], len(whole) + 1):
            done = max(i for i, e in enumerate(ends) if e <= cut)
            with open(log.path(1), "wb") as s:
                s.write(whole[:cut])
            clean = cut == ends[done] or cut < ends[done] + 8 and not any(whole[ends[done] : cut])
            if not clean:
                f.refuses("The log's end is torn: .*0001.wal, offset %d" % ends[done], *ON, "aof-load-truncated", "no", loaders=1)
                expect("nothing was changed", cut, os.path.getsize(log.path(1)))
            got = f.loads(*ON)
            expect("cut at %d" % cut, {"k%d" % n for n in range(1, done + 1)} | {"n"}, {k for _, k in names(got)})
            expect("as a whole", str(done), names(got)[0, "n"])
            expect("the number", done, words(got)["lsn"])
            expect("the file", ends[done], os.path.getsize(log.path(1)))
        for at in range(64, len(whole)):
            done = max(i for i, e in enumerate(ends) if e <= at)
            with open(log.path(1), "wb") as s:
                s.write(whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :])
            got = f.loads(*ON)
            expect("changed at %d" % at, done, words(got)["lsn"])


def damaged(program, make_wal):
    """What had been on disk and is not as it was: refused, with file and offset, and nothing is changed."""
    frames = [[(n, 0, command("SET", "k%d" % n, n))] for n in range(1, 5)]
    with Folder(program) as f:
        log = Log(f, make_wal)
        log.base(0)
        # A later frame knows that the earlier ones were synced.
        ends = [64] + [int(t[1]) for t in log.segment(1, 0, frames, synced=3)]
        whole = read(log.path(1))
        for at in range(64, ends[2]):
            with open(log.path(1), "wb") as s:
                s.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            frame = max(e for e in ends if e <= at)
            f.refuses("The log is damaged: .*/0000000000000001.wal, offset %d: .*skepctl wal check" % frame, *ON, loaders=1)
            expect("nothing was changed", len(whole), os.path.getsize(log.path(1)))
        for at in range(64):
            with open(log.path(1), "wb") as s:
                s.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            f.refuses("The log is damaged: .*/0000000000000001.wal, offset 0", *ON, loaders=1)
        # The same without a proof, but another segment follows.
        log.segment(1, 0, frames)
        log.segment(2, 4, [])
        whole = read(log.path(1))
        for at in (64, 70, ends[1] + 1, len(whole) - 1):
            with open(log.path(1), "wb") as s:
                s.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            f.refuses("The log is damaged: .*/0000000000000001.wal", *ON)
        with open(log.path(1), "wb") as s:
            s.write(whole[: ends[3]])
        f.refuses("The log is damaged: .*/0000000000000002.wal, offset 0: records between", *ON)


def pieces(program, make_wal):
    """Segments and bases that are missing, or of another log."""
    frames = [[(1, 0, command("SET", "a", 1))]]

    def fresh():
        f = Folder(program)
        log = Log(f, make_wal)
        log.base(0)
        log.segment(1, 0, frames)
        log.segment(2, 1, [[(2, 0, command("SET", "b", 1))]])
        log.segment(3, 2, [[(3, 0, command("SET", "c", 1))]])
        return f, log

    f, log = fresh()
    with f:
        expect("all is there", 3, words(f.loads(*ON))["lsn"])
        os.unlink(log.path(2))
        f.refuses("The log is damaged: the segment before 0000000000000003.wal is missing", *ON)
        os.unlink(log.path(1))
        f.refuses("The log is damaged: .*0003.wal, offset 0: records between", *ON)
    f, log = fresh()
    with f:
        os.unlink(f.path("skep-wal/base-%016x.rdb" % 0))
        f.refuses("The log is damaged: .* base-.*has gone", *ON)
    f, log = fresh()
    with f:
        log.segment(3, 2, [[(3, 0, command("SET", "c", 1))]], log=LOG + 1)
        f.refuses("0003.wal, offset 0: it belongs to another log", *ON)
        log.segment(9, 2, [[(3, 0, command("SET", "c", 1))]], name=3)
        f.refuses("0003.wal, offset 0: it is another segment than its name says", *ON)
        log.segment(3, 2, [[(3, 0, b"*1\r\n$3\r\nSET\r\n*")]])
        f.refuses("Wrong number of arguments|no whole command", *ON)
        log.segment(3, 2, [[(3, 0, b"*1\r\n$3\r\nS")]])
        f.refuses("0003.wal, offset 64: a record holds no whole command", *ON)
        log.segment(3, 2, [[(3, 16, command("SET", "c", 1))]])
        f.refuses("0003.wal has changes of database 16", *ON)
        f.write("skep-wal/base-%016x.rdb" % 0, b"REDIS0010")
        f.refuses("Loading .*base-", *ON)
        # A base that is newer covers what is missing before it.
        log.base(2, command("SET", "new", 1))
        os.unlink(log.path(1))
        log.segment(3, 2, [[(3, 0, command("SET", "c", 1))]])
        expect("the newer base", {(0, "new"): "1", (0, "c"): "1"}, names(f.loads(*ON)))
        # The log broke off before the base, and went on behind it.
        log.base(50, command("SET", "newest", 1))
        log.segment(4, 50, [[(51, 0, command("SET", "d", 1))]])
        expect("beyond a break", {(0, "newest"): "1", (0, "d"): "1"}, names(f.loads(*ON)))


def crossing(program, make_wal):
    """Random records by one loader and by several."""
    for seed in range(3):
        r = random.Random(seed)

        def key():
            return "k%d" % r.randrange(30)

        def effect(n):
            return r.choice(
                (
                    [command("SET", key(), n)],
                    [command("MSET", key(), n, key(), n, key(), n)],
                    [command("DEL", key(), key()), command("SET", key(), n)],
                    [command("SET", key(), n), command("SELECT", r.randrange(4)), command("APPEND", key(), "%d," % n)],
                    [command("COPY", key(), key() + "c", "REPLACE")],
                    [command("SWAPDB", 0, 1)] if r.random() < 0.1 else [command("APPEND", key(), "%d," % n)],
                )
            )

        records = [(n, r.randrange(3), *effect(n)) for n in range(1, 4000)]
        frames = [records[i : i + 100] for i in range(0, len(records), 100)]
        frames = [(True, g) if i % 3 == 0 else g for i, g in enumerate(frames)]
        with Folder(program) as f:
            log = Log(f, make_wal)
            log.base(0)
            log.segment(1, 0, frames[:20])
            log.segment(2, 2000, frames[20:])
            wanted = f.loads(*ON, loaders=1)
            # What redis-server makes of the same commands.
            with Redis() as judge:
                text = []
                for _, db, *commands in records:
                    text += [command("SELECT", db)] + commands
                judge.pipe(text)
                expect("redis-server's keys, seed %d" % seed, judge.keys(), wanted.keys)
            for loaders in (2, 3, 8):
                expect("%d loaders, seed %d" % (loaders, seed), wanted.keys, f.loads(*ON, loaders=loaders).keys)


SCENARIOS = {s.__name__: s for s in (chain, order, alone, torn, damaged, pieces, crossing)}

if __name__ == "__main__":
    main(SCENARIOS, sys.argv)
