#!/usr/bin/env python3
"""A disk that refuses, under a whole server: writes are refused while it does, reads go on, service comes back by itself, and
what was acknowledged is there after the next start. NAME SERVER SHIM"""

import os
import signal
import sys
import time

from crowd import Failure, check_arena, main, wait_for
from persist import Lasting, expect, info


class Disk:
    """The rules by which calls fail; see faulty_disk.c."""

    def __init__(self, path):
        self.path = path

    def fails(self, *rules):
        with open(self.path + ".new", "w") as f:
            f.write("\n".join(rules) + "\n")
        os.rename(self.path + ".new", self.path)

    def works(self):
        os.unlink(self.path)


class Counter:
    """INCRs a key; knows what was acknowledged, and what may have happened without having been."""

    def __init__(self, c, key):
        self.c, self.key, self.acked, self.most = c, key, 0, 0

    def step(self):
        answer = self.c.command("INCR", self.key)
        if answer.kind == "error":
            if not answer.value.startswith(b"MISCONF Errors writing to the AOF file: "):
                raise Failure("%r" % answer.value)
            self.most += 1
            return False
        value = int(answer.value)
        if not self.acked < value <= self.most + 1:
            raise Failure("%s: %d after %d to %d" % (self.key, value, self.acked, self.most))
        self.acked = self.most = value
        return True

    def check(self, c):
        value = int(c.command("GET", self.key).value or 0)
        if not self.acked <= value <= self.most:
            raise Failure("%s is %d, not within %d and %d" % (self.key, value, self.acked, self.most))


def refuses_and_heals(start, shim, policy, *rules):
    with start(shim, "--workers", "2", "--appendonly", "yes", "--appendfsync", policy) as s:
        c, reader = s.connect(), s.connect()
        counter = Counter(c, "n")
        expect(c, "+OK", "SET", "quiet", "1")
        for _ in range(20):
            counter.step()
        for _ in range(2):
            s.disk.fails(*rules)
            end = time.monotonic() + 30
            while counter.step():
                if time.monotonic() > end:
                    raise Failure("writes go on though the disk refuses them")
                time.sleep(0.01)
            answer = reader.command("PING")
            if answer.kind != "error" or not answer.value.startswith(b"MISCONF"):
                raise Failure("PING: %r" % answer.value)
            if info(reader, "aof_last_write_status") != "err" or not info(reader, "wal_fault"):
                raise Failure("INFO does not tell of it")
            expect(reader, '"1"', "GET", "quiet")  # what nothing that waits for the disk has touched
            s.disk.works()
            wait_for("writes are taken again", counter.step)
            expect(reader, "+PONG", "PING")
            for _ in range(20):
                if not counter.step():
                    raise Failure("a write is refused though all is well")
        counter.check(reader)
        check_arena(reader)
        s.end(signal.SIGKILL)
        s.again()
        counter.check(s.connect())


def sync(start, shim):
    """fdatasync fails: never tried again on the same file; a new base heals."""
    refuses_and_heals(start, shim, "always", "fsync .wal EIO")


def full(start, shim):
    """No room for anything."""
    refuses_and_heals(start, shim, "everysec", "write,allocate skep-wal ENOSPC")


def base(start, shim):
    """A base cannot be written: the log goes on behind the old one; a log cannot begin without."""
    with start(shim, "--workers", "2", "--appendonly", "yes") as s:
        c = s.connect()
        c.command("SET", "a", "1")
        s.disk.fails("write base- ENOSPC")
        expect(c, "+Background append only file rewriting started", "BGREWRITEAOF")
        wait_for("it fails", lambda: info(c, "aof_last_bgrewrite_status") == "err")
        expect(c, "+OK", "SET", "b", "2")
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
        time.sleep(1.5)
        expect(c, "+OK", "SET", "c", "3")
        if info(c, "wal_state") != "begins":
            raise Failure("the log is on without a base")
        s.disk.works()
        wait_for("the log is on", lambda: info(c, "wal_state") == "on")
        expect(c, "+OK", "SET", "d", "4")
        s.end(signal.SIGKILL)
        s.again()
        c = s.connect()
        for key, value in zip("abcd", "1234"):
            expect(c, '"%s"' % value, "GET", key)


def rename(start, shim):
    """A snapshot is complete but cannot take its place: the old file stays, and what was written goes."""
    with start(shim, "--workers", "2") as s:
        c = s.connect()
        c.command("SET", "a", "1")
        expect(c, "+OK", "SAVE")
        before = open(s.path("dump.rdb"), "rb").read()
        c.command("SET", "a", "2")
        for rule in ("rename dump.rdb EROFS", "fsync temp- EIO", "write temp- EDQUOT", "open temp- EACCES"):
            s.disk.fails(rule)
            if c.command("SAVE").value != b"ERR":
                raise Failure("%s: SAVE did not fail" % rule)
            if open(s.path("dump.rdb"), "rb").read() != before:
                raise Failure("%s: the old file was changed" % rule)
            if [n for n in os.listdir(s.dir) if n.startswith("temp-")]:
                raise Failure("%s: an unfinished file was left" % rule)
            s.disk.works()
        expect(c, "+OK", "SAVE")
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), '"2"', "GET", "a")


def reload(start, shim):
    """DEBUG LOADAOF while the log lacks something: nothing is thrown away."""
    with start(shim, "--workers", "2", "--appendonly", "yes") as s:
        c = s.connect()
        counter = Counter(c, "n")
        s.disk.fails("write,allocate skep-wal ENOSPC")
        wait_for("writes are refused", lambda: not counter.step(), 30)
        expect(c, "-ERR Error trying to load the AOF files", "DEBUG", "LOADAOF")
        counter.check(c)
        if counter.step():
            raise Failure("a write is taken though the disk refuses it")
        s.disk.works()
        wait_for("writes are taken again", counter.step, 30)
        expect(c, "+OK", "DEBUG", "LOADAOF")
        counter.check(c)


def waitaof(start, shim):
    """WAITAOF counts this disk when the log is on it, and not while it cannot be synced."""
    with start(shim, "--workers", "2", "--appendonly", "yes", "--appendfsync", "no") as s:
        c, waits = s.connect(), s.connect()
        expect(c, "+OK", "SET", "a", "1")
        expect(c, "1) :1\n2) :0", "WAITAOF", "1", "0", "0")
        s.disk.fails("fsync .wal EIO", "write base- ENOSPC")
        expect(waits, "+OK", "SET", "b", "2")
        expect(waits, "1) :0\n2) :0", "WAITAOF", "1", "0", "200")
        waits.send([b"WAITAOF", b"1", b"0", b"0"])
        wait_for("it waits", lambda: b"blocked_clients:1\r" in c.command("INFO", "clients").value)
        s.disk.works()
        if [int(v.value) for v in waits.read().value] != [1, 0]:
            raise Failure("the log was healed, and not counted")
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), '"2"', "GET", "b")


def paused(start, shim):
    """no-appendfsync-on-rewrite: while a snapshot is made replies wait for no disk, and nothing is said to be on it that is not."""
    with start(shim, "--workers", "2", "--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes") as s:
        c = s.connect()
        position = lambda which: int(info(c, "wal_%s" % which))
        for what, ends in (("BGSAVE", "rdb_bgsave_in_progress"), ("BGREWRITEAOF", "aof_rewrite_in_progress")):
            c.command("DEBUG", "POPULATE", "2000")
            expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "10000")
            c.command(what)
            s.disk.fails("fsync .wal EIO")
            for i in range(20):
                expect(c, "+OK", "SET", "paused", str(i))
            wait_for("it is written", lambda: position("written_position") == position("position"))
            if position("durable_position") >= position("position") or info(c, "wal_fault"):
                raise Failure("%s: the log is said to be on disk" % what)
            expect(c, "1) :0\n2) :0", "WAITAOF", "0", "0", "0")
            s.disk.works()
            if what == "BGSAVE":  # who asks for a sync has it
                expect(c, "1) :1\n2) :0", "WAITAOF", "1", "0", "0")
                if position("durable_position") != position("position"):
                    raise Failure("WAITAOF counts what is not on disk")
                expect(c, "+OK", "SET", "paused", "last")
            if info(c, ends) != "1":
                raise Failure("%s has ended too early for this test" % what)
            expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "0")
            wait_for("it ends", lambda: info(c, ends) == "0")
            wait_for("the rest is synced", lambda: position("durable_position") == position("position"))
        s.disk.fails("fsync .wal EIO")
        if c.command("SET", "paused", "refused").kind != "error":
            raise Failure("a reply does not wait any more")
        s.disk.works()


class Faulty(Lasting):
    def __init__(self, command, args):
        super().__init__(command, args[1:])
        self.disk = Disk(os.path.join(self.dir, "rules"))
        os.environ["LD_PRELOAD"], os.environ["FAULTY_DISK"] = os.path.abspath(args[0]), self.disk.path


if __name__ == "__main__":
    sys.exit(main({f.__name__: f for f in (sync, full, base, rename, reload, waitaof, paused)}, Faulty))
