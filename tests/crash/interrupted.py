#!/usr/bin/env python3
"""A snapshot that fails, or whose process is killed, at its first system call, its second, and so on to its last: the file is
the old one or the new one, whole; the server goes on, the next snapshot works, and a start finds everything.
NAME SERVER SHIM"""

import os
import signal
import subprocess
import sys

from crowd import Failure, check_arena, main, wait_for
from disk import Faulty
from persist import expect, info

CALLS_MAX = 60
SNAPPER = "@skep-snapshot"


def idle(c):
    return info(c, "rdb_bgsave_in_progress") == "0" and info(c, "aof_rewrite_in_progress") == "0"


def check_rdb(path):
    said = subprocess.run(["redis-check-rdb", path], capture_output=True, text=True)
    if said.returncode or "RDB looks OK" not in said.stdout:
        raise Failure("redis-check-rdb %s: %s" % (path, said.stdout[-300:]))


def unfinished(s):
    folder = s.path("skep-wal")
    return [n for n in os.listdir(s.dir) if n.startswith("temp-")] + [
        n for n in os.listdir(folder) if n.startswith("base-") and n.endswith(".tmp")
    ]


def bases(s):
    return [s.path("skep-wal/" + n) for n in os.listdir(s.path("skep-wal")) if n.endswith(".rdb")]


def check_bases(s):
    for path in bases(s):
        try:
            check_rdb(path)
        except Failure:
            if os.path.exists(path):  # the log's writer may have removed it, since there is a newer one
                raise


class Marks:
    """Each snapshot has a mark of its own, so a file says which one it is."""

    def __init__(self, s):
        self.s, self.n, self.saved = s, 0, None

    def set(self, c):
        self.n += 1
        expect(c, "+OK", "SET", "mark", "<%06d>" % self.n)

    def check_dump(self, ok):
        data = open(self.s.path("dump.rdb"), "rb").read()
        check_rdb(self.s.path("dump.rdb"))
        if b"<%06d>" % self.n in data:
            self.saved = self.n
        elif ok or b"<%06d>" % self.saved not in data:
            raise Failure("dump.rdb is neither the old nor the new one, or the old one though all went well")


def each_call(start, shim, command, status, error):
    with start(shim, "--workers", "2", "--appendonly", "yes") as s:
        c = s.connect()
        marks = Marks(s)
        expect(c, "+OK", "DEBUG", "POPULATE", "20000")
        marks.set(c)
        expect(c, "+OK", "SAVE")
        marks.saved = marks.n
        fired = s.disk.path + ".fired"
        for n in range(1, CALLS_MAX):
            marks.set(c)
            s.disk.fails("any %s %s %d 1" % (SNAPPER, error, n))
            answer = c.command(command)
            if answer.kind == "error":
                raise Failure("call %d: %r" % (n, answer.value))
            expect(c, '"<%06d>"' % marks.n, "GET", "mark")
            wait_for("call %d: it ends" % n, lambda: idle(c))
            s.disk.works()
            ok = info(c, status) == "ok"
            if error == "KILL" and os.path.exists(fired) and ok and command == "BGSAVE":
                raise Failure("call %d: it was killed, but went well" % n)
            marks.check_dump(ok and command == "BGSAVE")
            if unfinished(s):
                raise Failure("call %d: left behind: %r" % (n, unfinished(s)))
            check_bases(s)
            expect(c, "+OK", "SET", "after", str(n))
            if not os.path.exists(fired):
                break
            os.unlink(fired)
            c = next_ones(s, c, marks, n, command, status)
        else:
            raise Failure("it has no end")
        print("%s, %s: %d calls" % (command, error, n - 1))
        check_arena(c)


def next_ones(s, c, marks, n, command, status):
    """The next one works; and all of them killed, a start finds everything."""
    if n % 2:
        c.command(command)
        wait_for("the next one", lambda: idle(c) and info(c, status) == "ok")
        marks.check_dump(command == "BGSAVE")
    s.end(signal.SIGKILL)
    s.again()
    c = s.connect()
    expect(c, '"<%06d>"' % marks.n, "GET", "mark")
    expect(c, '"%d"' % n, "GET", "after")
    expect(c, ":20002", "DBSIZE")
    return c


def save(start, shim):
    each_call(start, shim, "BGSAVE", "rdb_last_bgsave_status", "EIO")


def save_killed(start, shim):
    each_call(start, shim, "BGSAVE", "rdb_last_bgsave_status", "KILL")


def rewrite(start, shim):
    each_call(start, shim, "BGREWRITEAOF", "aof_last_bgrewrite_status", "ENOSPC")


def rewrite_killed(start, shim):
    each_call(start, shim, "BGREWRITEAOF", "aof_last_bgrewrite_status", "KILL")


if __name__ == "__main__":
    sys.exit(main({f.__name__: f for f in (save, save_killed, rewrite, rewrite_killed)}, Faulty))
